'use strict';
// storm.js <what> <clients> <goal> <file>: clients whose statements are broken
// off, over and over, in sessions that stay:
//
//   cancel   by statement_timeout (1 to 20 ms) and by two sessions that cancel
//            whoever is at work, until <goal> statements were cancelled
//   crowd    more clients than there are connections, each of which acts <goal>
//            times in several sessions
//   memory   acts that write up to 32 MB into a column, until <goal> of them had no memory
//
// Each act has a note of its own.  What was acknowledged is written to the file,
// as <note> <lines of the journal>.  Prints, at the end, how many statements
// were acknowledged and how many broken off; any other error ends it.

const fs = require('fs');
const { PgError, Session } = require('../property/pg.js');

const [what, clients, goal] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const file = fs.openSync(process.argv[5], 'w');
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const below = (n) => Math.floor(Math.random() * n);
let acknowledged = 0;
let broken = 0;

async function connect(n) {
  const session = new Session('postgres', 'storm');
  try {
    await session.connect();
  } catch (error) {
    session.socket.destroy();
    throw error;
  }
  await session.query(`SET workorder.actor = 'client${n % 8}'`);
  return session;
}

// Runs a statement; its rows, or null if it was broken off by an error of this code.
async function attempt(session, sql, code) {
  try {
    return await session.query(sql);
  } catch (error) {
    if (!(error instanceof PgError) || error.code !== code) throw error;
    broken++;
    return null;
  }
}

function acknowledge(note, lines) {
  fs.writeSync(file, `${note} ${lines}\n`);
  acknowledged++;
}

// --- cancel -------------------------------------------------------------------

// What a client does, in turn: an act on a ticket that all fight for; 200
// tickets of its own at once; an act and then 200 tickets that it can do
// without; a question.  Each is given a note, and tells how many lines of the
// journal bear which notes if it was done.
const works = [
  (n, note) => ({
    sql: `SELECT workorder.act('job', ${101 + below(3)}, 'next', '${note}')`,
    wrote: () => [[note, 1]],
  }),
  (n, note) => ({
    sql: `UPDATE job SET action = 'next', note = '${note}', done = done + 1 WHERE id BETWEEN ${1000 * (n + 1)} AND ${1000 * (n + 1) + 199}`,
    wrote: () => [[note, 200]],
  }),
  (n, note) => ({
    sql: `SELECT step(${1000 * (n + 1) + 200 + below(10)}, ${1000 * (n + 1)}, '${note}')`,
    wrote: ([[caught]]) => (caught === 't' ? [[`${note}:first`, 1]] : [[`${note}:first`, 1], [`${note}:then`, 200]]),
    caught: ([[caught]]) => caught === 't',
  }),
  () => ({ sql: `SELECT count(*) FROM workorder.verify()`, wrote: () => [] }),
];

async function worker(n) {
  const session = await connect(n);
  for (let i = 1; broken < goal; i++) {
    const work = works[i % works.length](n, `${what}:${n}:${i}`);
    const timeout = i % 5 ? 1 + below(20) : 0;
    const rows = await attempt(session, `SET statement_timeout = ${timeout}; ${work.sql}`, '57014');
    if (rows === null) continue;
    for (const [note, lines] of work.wrote(rows)) acknowledge(note, lines);
    if (work.caught && work.caught(rows)) broken++;
  }
  session.end();
}

async function canceller() {
  const session = await connect(0);
  while (broken < goal) {
    await session.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity
      WHERE state = 'active' AND datname = 'storm' AND backend_type = 'client backend' AND query NOT LIKE '%pg_cancel_backend%'
      ORDER BY random() LIMIT 1`);
    await pause(below(5));
  }
  session.end();
}

// --- crowd --------------------------------------------------------------------

async function visitor(n) {
  for (let i = 1; i <= goal;) {
    let session;
    try {
      session = await connect(n);
    } catch (error) {
      if (!(error instanceof PgError) || error.code !== '53300') throw error;
      broken++;
      await pause(20 + below(50));
      continue;
    }
    // All stay until the house is full and somebody was turned away.
    for (let waited = 0; broken < 10 && waited < 30000; waited += 20) await pause(20);
    for (let visit = 0; visit < 5 && i <= goal; visit++, i++) {
      await session.query(`SELECT workorder.act('job', ${1000 * (1 + (n % 12)) + n}, 'next', '${what}:${n}:${i}')`);
      acknowledge(`${what}:${n}:${i}`, 1);
      await pause(50);
    }
    session.end();
  }
}

// --- memory -------------------------------------------------------------------

async function glutton(n) {
  const session = await connect(n);
  for (let i = 1; broken < goal; i++) {
    const note = `${what}:${n}:${i}`;
    const kilobytes = 2 ** below(16);
    const rows = await attempt(session, `SELECT workorder.act('job', ${1000 * (n + 1)}, 'next', '${note}', changes => jsonb_build_object('memo', repeat('x', 1024 * ${kilobytes})))`, '53200');
    if (rows !== null) acknowledge(note, 1);
  }
  session.end();
}

const crowd = (one, number) => Array.from({ length: number }, (_, n) => one(n));
const all = {
  cancel: () => [...crowd(worker, clients), canceller(), canceller()],
  crowd: () => crowd(visitor, clients),
  memory: () => crowd(glutton, clients),
}[what]();
Promise.all(all).then(
  () => console.log(`end ${acknowledged} ${broken}`),
  (error) => {
    console.log(`error ${error.code ?? ''} ${error.message} ${error.detail ?? ''}`);
    process.exit(1);
  },
);
