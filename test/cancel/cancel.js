'use strict';
// cancel.js <times> <file>: runs every statement of the file once to its end
// and so many times more, in which it is cancelled in between, and undoes what
// it did.  A statement is a line "name: SQL"; what begins with "-- " is none.
//
// Prints a line for each: name, milliseconds of the processor that it takes in
// all, and the most that it went on for after it was cancelled, which is what
// counts on a busy machine too; tab-separated.  A statement that ends with
// anything but query_canceled is an error.

const fs = require('fs');
const { PgError, Session } = require('../property/pg.js');

const times = Number(process.argv[2]);
const cases = fs.readFileSync(process.argv[3], 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('--'));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Milliseconds of the processor that a process has had.
const busy = (pid) => Number(fs.readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

async function connect() {
  const session = new Session('postgres', process.env.PGDATABASE);
  await session.connect();
  session.pid = Number(await session.value("SET workorder.actor = 'client1'; SELECT pg_backend_pid()"));
  return session;
}

// Runs a statement, cancels it when it has had so many milliseconds, and undoes
// it; resolves to what it had in all, and after that (null if it was over before).
async function run(session, sql, at) {
  const begun = busy(session.pid);
  let cancelled = null;
  let over = false;
  const statement = session.query(`BEGIN; ${sql}`).then(() => null, (error) => error).finally(() => (over = true));
  while (!over) {
    await pause(2);
    if (!over && cancelled === null && busy(session.pid) - begun >= at) {
      // what pg_cancel_backend() does, without a way to go
      cancelled = busy(session.pid);
      process.kill(session.pid, 'SIGINT');
    }
  }
  const error = await statement;
  const ended = busy(session.pid);
  await session.query('ROLLBACK');
  if (error && !(error instanceof PgError && error.code === '57014' && cancelled !== null)) throw error;
  return { all: ended - begun, late: cancelled === null ? null : ended - cancelled };
}

async function measure(session, name, sql) {
  const { all } = await run(session, sql, Infinity);
  const late = [];
  for (let tries = 0; late.length < times && tries < 10 * times; tries++) {
    // anywhere in its first two thirds; on a busy machine it may be over before
    const one = await run(session, sql, (all * 2 * (late.length + Math.random())) / (3 * times));
    if (one.late !== null) late.push(one.late);
  }
  console.log(`${name}\t${Math.round(all)}\t${late.length === times ? Math.ceil(Math.max(...late)) : 'was not cancelled'}`);
}

(async () => {
  const session = await connect();
  for (const line of cases) {
    const [, name, sql] = line.match(/^([^:]+): (.*)$/);
    try {
      await measure(session, name, sql);
    } catch (error) {
      console.log(`${name}\terror\t${error.code || ''} ${error.message} ${error.detail || ''}`.replace(/\n/g, ' '));
    }
  }
  session.end();
})();
