'use strict';
// storm.js <clients> <goal>: clients whose statements are cancelled after 1 to
// 20 ms (statement_timeout), until so many were: acts, updates of many, requests
// to the door, sweeps, questions.  Then the journal holds the notes of those
// that were acknowledged and of no other.  Prints "<cancelled> <acknowledged>".

const { Session } = require('../property/pg.js');

const clients = Number(process.argv[2]);
const goal = Number(process.argv[3]);
const pick = (n) => Math.floor(Math.random() * n);
let cancelled = 0;
const acknowledged = new Set();

const statements = [
  (id, note) => `SELECT workorder.act('job', ${id}, 'next', '${note}')`,
  (id, note) => `UPDATE job SET action = 'next', note = '${note}', done = done + 1 WHERE id = ${id}`,
  (id, note) => `UPDATE job SET action = 'next', note = '${note}' WHERE id IN (SELECT id FROM job WHERE id BETWEEN ${id} AND ${id} + 99 ORDER BY id FOR NO KEY UPDATE)`,
  (id, note) => `SELECT 1 / (status = '201')::int FROM send('${note}', '{"id": ${id}, "action": "next", "note": "${note}"}')`,
  (id, note) => `INSERT INTO job (id, note) SELECT nextval('job_id_seq') + 100000, '${note}' FROM generate_series(1, 20)`,
  (id) => `SELECT count(*) FROM workorder.actions('job', ${id}), workorder.why('job', ${id})`,
  () => 'SELECT workorder.sweep(100)',
  (id) => `SELECT count(*) FROM workorder.verify('job', ${id})`,
];

async function client(n) {
  const session = new Session('postgres', process.env.PGDATABASE);
  await session.connect();
  await session.query(`SET workorder.actor = 'client${n}'`);
  for (let number = 0; cancelled < goal; number++) {
    const note = `storm ${n}:${number}`;
    const sql = statements[pick(statements.length)](1001 + pick(2000), note);
    let given = false;
    try {
      await session.query(`SET statement_timeout = ${1 + pick(20)}`);
      given = true;
      await session.query(sql);
      if (sql.includes(note)) acknowledged.add(note);
    } catch (error) {
      if (error.code !== '57014') throw new Error(`${error.code} ${error.message} ${error.detail || ''}: ${sql}`);
      if (given) cancelled++;
    }
  }
  session.end();
}

(async () => {
  await Promise.all(Array.from({ length: clients }, (_, n) => client(n)));
  const session = new Session('postgres', process.env.PGDATABASE);
  await session.connect();
  const journal = await session.query("SELECT DISTINCT note FROM workorder.journal WHERE note LIKE 'storm %'");
  const there = new Set(journal.map(([note]) => note));
  const lost = [...acknowledged].filter((note) => !there.has(note));
  const undone = [...there].filter((note) => !acknowledged.has(note));
  if (lost.length || undone.length) throw new Error(`lost: ${lost.slice(0, 5)}; done though cancelled: ${undone.slice(0, 5)}`);
  console.log(`${cancelled} ${acknowledged.size}`);
  session.end();
})().catch((error) => {
  console.log(error.message);
  process.exit(1);
});
