'use strict';
// cancel.js <times> <file>: runs every statement of the file once to its end
// and so many times more, in which it is cancelled in between, and undoes what
// it did.  A statement is a line "name: SQL"; what begins with "-- " is none.
//
// Prints a line for each: name, milliseconds of the processor that it takes in
// all, and the most that it went on for after it was cancelled; tab-separated.
// These are milliseconds of a processor that takes 100 of them for a certain
// statement of PostgreSQL's own, which is measured beside each: so neither a
// busy nor a slow machine is told to be late.  A statement that ends with
// anything but query_canceled is an error.

const fs = require('fs');
const { PgError, Session } = require('../property/pg.js');

const times = Number(process.argv[2]);
const cases = fs.readFileSync(process.argv[3], 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('--'));
const { pause, signal } = require('../tools/process.js');

// Milliseconds of the processor that a process has had.
const busy = (pid) => Number(fs.readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

async function connect() {
  const session = new Session('postgres', process.env.PGDATABASE);
  await session.connect();
  session.pid = Number(await session.value("SET workorder.actor = 'client1'; SELECT pg_backend_pid()"));
  return session;
}

// Runs statements, cancels them when they have had so many milliseconds, and
// undoes what they did; resolves to what they had in all, and after that (null
// if they were over before).
async function run(session, sql, at) {
  const begun = busy(session.pid);
  let cancelled = null;
  let over = false;
  const statement = session.query(sql).then(() => null, (error) => error).finally(() => (over = true));
  while (!over) {
    await pause(2);
    if (!over && cancelled === null && busy(session.pid) - begun >= at) {
      // what pg_cancel_backend() does, without a way to go
      cancelled = busy(session.pid);
      signal(session.pid, 'SIGINT', process.env.WORKORDER_TEST_CLUSTER);
    }
  }
  const error = await statement;
  const ended = busy(session.pid);
  // what was sent late may cancel this in its place
  await session.query('ROLLBACK').catch(() => session.query('ROLLBACK'));
  if (error && !(error instanceof PgError && error.code === '57014' && cancelled !== null)) throw error;
  return { all: ended - begun, late: cancelled === null || error === null ? null : ended - cancelled };
}

// How many milliseconds this processor takes for what takes 100 elsewhere.
async function pace(session) {
  const { all } = await run(session, 'BEGIN; SELECT sum(n % 7) FROM generate_series(1, 450000) n', Infinity);
  return Math.max(all, 100) / 100;
}

// A statement that takes less than this is done again and again, for a cancel
// to fall into it: whoever sends it may have to wait for a processor himself.
const least = 400;

async function measure(session, name, sql) {
  const { all } = await run(session, `BEGIN; ${sql}`, Infinity);
  const often = Math.ceil(least / Math.max(all, 1));
  const sequence = Array(often).fill(`BEGIN; ${sql}`).join('; ROLLBACK; ');
  const late = [];
  for (let tries = 0; late.length < times && tries < 20 * times; tries++) {
    // anywhere in the first two thirds, and sooner where it was over before
    const slow = await pace(session);
    const part = (2 * (late.length + Math.random())) / (3 * times) / (1 + (tries - late.length) / 2);
    const one = await run(session, sequence, all * often * part);
    if (one.late !== null) late.push(one.late / Math.max(slow, await pace(session)));
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
