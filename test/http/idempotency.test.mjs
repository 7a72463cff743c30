// Requests that come again: one at the same time, one after the answer was
// lost, one after the server was killed between the commit and the answer.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import processes from '../tools/process.js';
import { ask, send, sendAndFind, sql, stack, token } from './client.mjs';

const { isGone, signal, until } = processes;

const prefix = '/api/v1/afterservice';
const path = `${prefix}/once`;
let log;
let web;
let cr;
let other;

before(() => {
  stack('fixture', 'afterservice');
  [, log, web] = stack('status').match(/logs (\S+)\/log and (\S+)\/\*\.log/);
  sql(`
    DROP SCHEMA IF EXISTS once CASCADE;
    CREATE SCHEMA once;
    CREATE TABLE once.done (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text, actor bigint);
    CREATE FUNCTION once.act(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
      number int;
    BEGIN
      INSERT INTO once.done (what, actor) VALUES (request.body ->> 'what', workorder.actor_id()) RETURNING id INTO number;
      PERFORM pg_sleep((request.body ->> 'sleep')::float8);
      IF request.body ->> 'what' = 'refuse' THEN
        RETURN workorder.http_error(409, 'not now');
      END IF;
      RETURN workorder.http_json(201, json_build_object('n', number, '说', '中文 😀'), jsonb_build_object('X-Total-Count', number));
    END $$;
    GRANT USAGE ON SCHEMA once TO workorder_user;
    GRANT ALL ON once.done TO workorder_user;
    DELETE FROM workorder.route WHERE handler LIKE 'once.%';
    INSERT INTO workorder.route (api, method, pattern, handler) VALUES
      ('afterservice', 'POST', '${path}', 'once.act'), ('afterservice', 'PUT', '${path}', 'once.act');
  `);
  cr = token('afterservice', 'CR');
  other = token('afterservice', 'CR2');
});
after(() => {
  sql(`DELETE FROM workorder.route WHERE handler LIKE 'once.%'; DROP SCHEMA once CASCADE; SELECT workorder.forget_idempotency('0');`);
});

const count = (what) => Number(sql(`SELECT count(*) FROM once.done WHERE what = '${what}'`));
const post = (key, body, options = {}) =>
  ask('POST', path, { as: cr, body, headers: key === undefined ? [] : [['Idempotency-Key', key]], ...options });
// All that a client gets but the time.
const seen = ({ status, headers, text }) => ({ status, text, total: headers['x-total-count'], type: headers['content-type'] });

function isRefusal(answer, status, message) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json, { status, message, data: [] });
}

test('a request that comes again gets its answer again', async () => {
  const key = randomUUID();
  const first = await post(key, { what: 'again' });
  assert.equal(first.status, 201, first.text);
  for (let i = 0; i < 5; i++) {
    assert.deepEqual(seen(await post(key, { what: 'again' })), seen(first));
  }
  assert.equal(count('again'), 1);
  const fresh = await post(randomUUID(), { what: 'again' });
  assert.notEqual(fresh.text, first.text);
  await post(undefined, { what: 'again' });
  // an empty one is not none
  assert.equal((await post('', { what: 'again' })).status, 400);
  assert.equal(count('again'), 3, 'another key, and none');
});

test('the same of an action of a flow', async () => {
  const key = randomUUID();
  const body = { operation: 'done', remark: 'once' };
  const put = () => ask('PUT', `${prefix}/orders/1`, { as: cr, body, headers: [['Idempotency-Key', key]] });
  const first = await put();
  assert.equal(first.status, 200, first.text);
  assert.deepEqual(seen(await put()), seen(first));
  // Without the key it is another request, and comes too late.
  assert.ok((await ask('PUT', `${prefix}/orders/1`, { as: cr, body })).status >= 400);
  assert.equal(sql(`SELECT count(*) FROM workorder.verify('afterservice.orders')`), '0');
});

test('another request with the key is refused, and another person is not answered', async () => {
  const key = randomUUID();
  const first = await post(key, { what: 'mine' });
  isRefusal(await post(key, { what: 'else' }), 422, 'idempotency key was used for another request');
  const put = await ask('PUT', path, { as: cr, body: { what: 'mine' }, headers: [['Idempotency-Key', key]] });
  isRefusal(put, 422, 'idempotency key was used for another request');
  const theirs = await post(key, { what: 'mine' }, { as: other });
  assert.equal(theirs.status, 201);
  assert.notEqual(theirs.text, first.text);
  isRefusal(await post(key, { what: 'mine' }, { as: undefined }), 401, 'authentication required');
  assert.deepEqual(seen(await post(key, { what: 'mine' })), seen(first));
  assert.equal(count('mine'), 2);
  assert.equal(count('else'), 0);
});

test('what was refused may be tried again', async () => {
  const key = randomUUID();
  isRefusal(await post(key, { what: 'refuse' }), 409, 'not now');
  isRefusal(await post(key, { what: 'refuse' }), 409, 'not now');
  assert.equal((await post(key, { what: 'refused before' })).status, 201);
  assert.equal(count('refuse'), 0);
});

test('keys that are none are refused, not left out', async () => {
  for (const key of ['k'.repeat(256), 'k'.repeat(8000)]) {
    isRefusal(await post(key, { what: 'bad key' }), 400, 'invalid idempotency key');
  }
  for (const key of ['\u00e9', 'a\u0080b', 'a\tb']) {
    const answer = await send({
      method: 'POST', target: path, body: '{"what":"bad key"}',
      headers: [['Authorization', `Bearer ${cr}`], ['Content-Type', 'application/json'], ['Idempotency-Key', key]],
    });
    assert.equal(answer.status, 400, JSON.stringify(key));
  }
  assert.equal(count('bad key'), 0);
  for (const key of ['k'.repeat(255), '"quoted; a=1"', "'; DROP TABLE once.done --", '${x} $status \\']) {
    assert.equal((await post(key, { what: 'good key' })).status, 201, key);
    assert.equal((await post(key, { what: 'good key' })).status, 201, key);
  }
  assert.equal(count('good key'), 4);
});

test('requests at the same time: one is done, the others wait for its answer', async () => {
  const key = randomUUID();
  const all = await Promise.all(Array.from({ length: 8 }, () => post(key, { what: 'together', sleep: 0.5 })));
  for (const answer of all) {
    assert.deepEqual(seen(answer), seen(all[0]));
  }
  assert.equal(all[0].status, 201, all[0].text);
  assert.equal(count('together'), 1);
  const apart = await Promise.all([post(key, { what: 'together', sleep: 0.5 }), post(key, { what: 'else', sleep: 0.5 })]);
  assert.deepEqual(apart.map(({ status }) => status).sort(), [201, 422]);
});

test('if the first of them fails, the next one is done', async () => {
  const key = randomUUID();
  sql(`ALTER TABLE once.done ADD CONSTRAINT even CHECK (what <> 'sometimes' OR id % 2 = 0)`);
  const all = await Promise.all(Array.from({ length: 8 }, () => post(key, { what: 'sometimes', sleep: 0.1 })));
  sql(`ALTER TABLE once.done DROP CONSTRAINT even`);
  assert.equal(count('sometimes'), 1);
  for (const answer of all) {
    assert.ok([201, 500].includes(answer.status), answer.text);
  }
  const good = all.filter(({ status }) => status === 201);
  assert.ok(good.length >= 6, `${good.length} of 8`);
  assert.equal(new Set(good.map(({ text }) => text)).size, 1);
});

test('a client that does not wait for its answer may ask for it', async () => {
  const key = randomUUID();
  const body = { what: 'impatient', sleep: 2 };
  await assert.rejects(post(key, body, { timeout: 100 }));
  const answer = await post(key, body);
  assert.equal(answer.status, 201, answer.text);
  assert.equal(count('impatient'), 1);
});

const pid = () => Number(readFileSync(`${log}/data/postmaster.pid`, 'utf8').split('\n')[0]);
const postgrest = () => Number(readFileSync(`${web}/postgrest.pid`, 'utf8'));

const well = () => until('it is well again', async () => (await ask('GET', `${prefix}/orders`, { as: cr })).status === 200);

async function kill() {
  const id = pid();
  signal(id, 'SIGKILL', log);
  // With it the gateway, which would take its time to come back by itself.
  signal(postgrest(), 'SIGKILL', web);
  await until('the server ends', () => isGone(id));
  stack('up');
  await well();
}

test('the server is killed after the answer', async () => {
  const key = randomUUID();
  // Durable whatever the session says.
  sql(`ALTER ROLE workorder_user SET synchronous_commit = off; ALTER ROLE authenticator SET synchronous_commit = off;
    NOTIFY pgrst, 'reload config'`);
  const first = await post(key, { what: 'killed after' });
  assert.equal(first.status, 201);
  await kill();
  assert.deepEqual(seen(await post(key, { what: 'killed after' })), seen(first));
  assert.equal(count('killed after'), 1);
  sql(`ALTER ROLE workorder_user RESET synchronous_commit; ALTER ROLE authenticator RESET synchronous_commit;
    NOTIFY pgrst, 'reload config';
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'authenticator'`);
  await well();
});

test('the server is killed between the commit and the answer', async () => {
  // A transaction that is committed waits for a standby that is not there, and
  // so does the answer: as soon as the server has heard of that standby.
  sql(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf();`);
  let key;
  let what;
  const lost = await sendAndFind(() => {
    key = randomUUID();
    what = `killed between ${key}`;
    return post(key, { what }).catch((error) => ({ status: 0, text: String(error) }));
  }, `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'authenticator'`, () => true);
  // The postmaster must not let the others finish when one of them is gone.
  signal(pid(), 'SIGSTOP', log);
  signal(lost.pid, 'SIGKILL', log);
  const auto = `${log}/data/postgresql.auto.conf`;
  writeFileSync(auto, readFileSync(auto, 'utf8').replace(/^synchronous_standby_names.*\n/m, ''));
  await kill();
  const answer = await lost.answer;
  assert.notEqual(answer.status, 201, 'the first answer was lost');
  assert.equal(count(what), 1, 'but it was done');
  const again = await post(key, { what });
  assert.equal(again.status, 201, again.text);
  assert.equal(again.json.n, Number(sql(`SELECT id FROM once.done WHERE what = '${what}'`)));
  assert.equal(count(what), 1);
});

test('what is old is forgotten', async () => {
  const key = randomUUID();
  await post(key, { what: 'old' });
  sql(`UPDATE workorder.idempotency SET created_at = now() - interval '25 hours' WHERE key = '${key}'`);
  assert.equal(sql('SELECT workorder.forget_idempotency()'), '1');
  assert.equal((await post(key, { what: 'old' })).status, 201);
  assert.equal(count('old'), 2);
});

test('nobody but the owner reads what was answered', async () => {
  const answer = await ask('GET', '/rest/idempotency', { as: cr });
  assert.equal(answer.status, 404);
  assert.equal(sql(`SELECT count(*) FROM pg_roles r WHERE NOT rolsuper AND NOT pg_has_role(oid, 'pg_read_all_data', 'USAGE')
    AND has_table_privilege(r.oid, 'workorder.idempotency', 'SELECT')`), '0');
});
