'use strict';
// load.js <clients> <goal> <file>: clients that act until <goal> acts are
// acknowledged, whatever happens to the server meanwhile.  Prints the number
// that is acknowledged whenever a hundred more are, and writes every
// acknowledged act to the file, as <ticket> <its note>.
//
// Every act has a note of its own.  Half of them are acts of a client on its
// own tickets, which expect a revision; if the answer is lost, the client asks
// for the same act again, and learns by WO409 that it was done.  The others
// are plain updates of tickets that all clients share; these are not repeated,
// so what is lost in doubt stays in doubt.

const fs = require('fs');
const { PgError, Session } = require('../property/pg.js');

const clients = Number(process.argv[2]);
const goal = Number(process.argv[3]);
const file = fs.openSync(process.argv[4], 'w');
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let acknowledged = 0;
let resent = 0;
let already = 0;

async function connect(n) {
  for (let tries = 0; ; tries++) {
    const session = new Session('postgres', 'crash');
    try {
      await session.connect();
      await session.query(`SET workorder.actor = 'client${n}'`);
      return session;
    } catch (error) {
      session.socket.destroy();
      if (tries > 3000) throw error;
      await pause(20);
    }
  }
}

function acknowledge(ticket, note) {
  fs.writeSync(file, `${ticket} ${note}\n`);
  if (++acknowledged % 100 === 0) console.log(acknowledged);
}

async function client(n) {
  let session = await connect(n);
  const own = await session.query(`SELECT id, revision FROM job WHERE id BETWEEN ${10 * n + 1} AND ${10 * n + 10}`);
  const revision = new Map(own.map(([id, at]) => [Number(id), Number(at)]));
  let doubt = null;
  for (let act = 1; acknowledged < goal || doubt; act++) {
    const mine = doubt !== null || act % 2 === 0;
    const ticket = doubt ? doubt.ticket : mine ? 10 * n + 1 + (act % 10) : 101 + (act % 10);
    const note = doubt ? doubt.note : `${n}:${act}`;
    try {
      if (mine) {
        await session.query(`SELECT workorder.act('job', ${ticket}, 'next', '${note}', NULL, ${revision.get(ticket)})`);
        revision.set(ticket, revision.get(ticket) + 1);
      } else {
        await session.query(`UPDATE job SET action = 'next', note = '${note}', done = done + 1 WHERE id = ${ticket}`);
      }
      acknowledge(ticket, note);
      doubt = null;
    } catch (error) {
      if (doubt && error instanceof PgError && error.code === 'WO409') {
        revision.set(ticket, revision.get(ticket) + 1);
        acknowledge(ticket, note);
        already++;
        doubt = null;
      } else if (!(error instanceof PgError) || /^(57P|08)/.test(error.code)) {
        // the server is gone; an act on one's own ticket is asked for again
        session.socket.destroy();
        if (mine && !doubt) {
          doubt = { ticket, note };
          resent++;
        }
        session = await connect(n);
      } else {
        throw new Error(`${error.code} ${error.message} ${error.detail || ''}`);
      }
    }
  }
  session.end();
}

Promise.all(Array.from({ length: clients }, (_, n) => client(n))).then(
  () => console.log(`end ${acknowledged} ${resent} ${already}`),
  (error) => {
    console.log(`error ${error.message}`);
    process.exit(1);
  },
);
