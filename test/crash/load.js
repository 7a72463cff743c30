'use strict';
// load.js <clients> <goal> <file>: clients that act until <goal> acts are
// acknowledged, or with a goal of 0 until they are told to stop (SIGTERM),
// whatever happens to the server meanwhile.  Prints the number that is
// acknowledged whenever a hundred more are, and writes every acknowledged act
// to the file, as <ticket> <its note>.
//
// Every act has a note of its own, and is one of three kinds, in turn:
//   - a plain update of a ticket that all clients share.  It is not repeated,
//     so what is lost in doubt stays in doubt.
//   - act() on a ticket of the client's own, which expects a revision.  If the
//     answer is lost, the client asks again, and learns by WO409 that it was done.
//   - a request to the door on a ticket of the client's own, with an idempotency
//     key.  If the answer is lost, the client sends the same again, and gets the
//     answer that it should have had.
// After every loss of the server each client also repeats its last request that
// was answered: the answer is the same, and another payload is refused.
//
// At the end: "end <acknowledged> <acts asked for again, by revision> <of these
// already done> <requests sent again, by key> <answers compared>".

const fs = require('fs');
const { PgError, Session } = require('../property/pg.js');

const clients = Number(process.argv[2]);
const goal = Number(process.argv[3]);
const file = fs.openSync(process.argv[4], 'w');
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
// Notes, which are keys too, are of this load alone.
const mark = Date.now().toString(36);
let stopped = false;
process.on('SIGTERM', () => (stopped = true));
let acknowledged = 0;
let resent = 0;
let already = 0;
let repeated = 0;
let compared = 0;

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

function wrong(what, row) {
  return new Error(`${what}: ${JSON.stringify(row)}`);
}

async function client(n) {
  let session = await connect(n);
  const own = await session.query(`SELECT id, revision FROM job WHERE id BETWEEN ${10 * n + 1} AND ${10 * n + 10}`);
  const revision = new Map(own.map(([id, at]) => [Number(id), Number(at)]));
  // An act or a request whose answer was lost.
  let doubt = null;
  // The last request that was answered, and whether the server was lost since.
  let last = null;
  let lost = false;

  // Sends a request with a key; its answer is [status, body].
  const send = async ({ ticket, note }, word = 'next') => {
    const body = JSON.stringify({ id: ticket, action: word, note });
    return (await session.query(`SELECT status, answer FROM send('${note}', '${body}')`))[0];
  };

  const act = {
    async shared({ ticket, note }) {
      await session.query(`UPDATE job SET action = 'next', note = '${note}', done = done + 1 WHERE id = ${ticket}`);
    },
    async revision({ ticket, note }) {
      try {
        await session.query(`SELECT workorder.act('job', ${ticket}, 'next', '${note}', NULL, ${revision.get(ticket)})`);
      } catch (error) {
        if (!doubt || error.code !== 'WO409') throw error;
        already++;
      }
      revision.set(ticket, revision.get(ticket) + 1);
    },
    async key(given) {
      const answer = await send(given);
      revision.set(given.ticket, revision.get(given.ticket) + 1);
      if (answer[0] !== '201' || JSON.parse(answer[1]).revision !== revision.get(given.ticket)) throw wrong(`request ${given.note}`, answer);
      last = { ...given, answer };
    },
  };

  const compare = async () => {
    const again = await send(last);
    if (String(again) !== String(last.answer)) throw wrong(`request ${last.note} again, after ${last.answer}`, again);
    const other = await send(last, 'close');
    if (other[0] !== '422') throw wrong(`request ${last.note} with another payload`, other);
    compared++;
  };

  for (let number = 1; !(goal ? acknowledged >= goal : stopped) || doubt || lost; number++) {
    const kind = ['shared', 'revision', 'key'][number % 3];
    const given = doubt || { kind, ticket: kind === 'shared' ? 101 + (number % 10) : 10 * n + 1 + (number % 10), note: `${mark}:${n}:${number}` };
    try {
      if (lost && last) await compare();
      lost = false;
      await act[given.kind](given);
      acknowledge(given.ticket, given.note);
      doubt = null;
    } catch (error) {
      // If the server is gone, what is one's own is asked for again.
      if (error instanceof PgError ? !/^(57P|08)/.test(error.code) : !session.socket.destroyed) {
        throw new Error(`${error.code || ''} ${error.message} ${error.detail || ''}`);
      }
      session.socket.destroy();
      if (given.kind !== 'shared' && !lost && !doubt) {
        doubt = given;
        if (given.kind === 'key') repeated++;
        else resent++;
      }
      lost = true;
      session = await connect(n);
    }
  }
  session.end();
}

Promise.all(Array.from({ length: clients }, (_, n) => client(n))).then(
  () => console.log(`end ${acknowledged} ${resent} ${already} ${repeated} ${compared}`),
  (error) => {
    console.log(`error ${error.message}`);
    process.exit(1);
  },
);
