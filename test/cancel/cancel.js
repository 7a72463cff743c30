'use strict';
// cancel.js <times> <most> <file>: runs every statement of the file once to its
// end and cancels it so many times more in between, and undoes what it did.  A
// statement is a line "name: SQL"; what begins with "-- " is none.
//
// Prints a line for each: name, milliseconds of the processor that it takes in
// all, and how far the latest of the cancelled went on; tab-separated.  How far
// is counted in thousands of rows: what PostgreSQL's own sum() of so many takes
// of the same processor in the same session, before and after.  So it is the
// work that is judged, and the machine may be as slow or as busy as it likes.
// Whoever does not listen is late whenever it is tried, and a machine that does
// something else is not: a cancel that was noticed after more than <most> is
// tried again at the same place, up to five times, and the least counts.  A
// statement that ends with anything but query_canceled is an error.

const fs = require('fs');
const { PgError, Session } = require('../property/pg.js');

const times = Number(process.argv[2]);
const most = Number(process.argv[3]);
const cases = fs.readFileSync(process.argv[4], 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('--'));
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

// Milliseconds of the processor that a thousand rows take here, now.
const thousands = 450;
async function pace(session) {
  const { all } = await run(session, `BEGIN; SELECT sum(n % 7) FROM generate_series(1, ${thousands}000) n`, Infinity);
  return all / thousands;
}

// A statement is done again and again until it takes as long as so many thousand
// rows, for a cancel to fall into it: whoever sends it may have to wait for a
// processor themselves.
const least = 4 * thousands;
const attempts = 5;

async function measure(session, name, sql) {
  let row = await pace(session);
  const { all } = await run(session, `BEGIN; ${sql}`, Infinity);
  const often = Math.ceil((least * row) / Math.max(all, 0.1));
  const sequence = Array(often).fill(`BEGIN; ${sql}`).join('; ROLLBACK; ');
  const late = [];
  for (let place = 0; place < times; place++) {
    let best = Infinity;
    // anywhere in a part of the first two thirds, and sooner where it was over before
    let part = (2 * (place + Math.random())) / (3 * times);
    for (let attempt = 0, missed = 0; attempt < attempts && missed < 20 && best > most; attempt++) {
      const one = await run(session, sequence, all * often * part);
      const before = row;
      row = await pace(session);
      if (one.late === null) {
        attempt--;
        missed++;
        part *= 0.8;
      } else {
        best = Math.min(best, one.late / ((before + row) / 2));
      }
    }
    late.push(best);
  }
  const worst = Math.max(...late);
  console.log(`${name}\t${Math.round(all)}\t${worst === Infinity ? 'was not cancelled' : Math.ceil(worst)}`);
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
