// When something is down, the answer is in the API's envelope; when it is back,
// so is the API.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import processes from '../tools/process.js';
import { ask, sendAgain, sendAndFind, session, sql, stack, token } from './client.mjs';

const { isGone, signal, until } = processes;

const prefix = '/api/v1/afterservice';
let place;
let cr;

before(() => {
  stack('fixture', 'afterservice');
  const [, log, web] = stack('status').match(/logs (\S+)\/log and (\S+)\/\*\.log/);
  place = { log, web, postgres: `${log}/data/postmaster.pid`, postgrest: `${web}/postgrest.pid` };
  cr = token('afterservice', 'CR');
});
after(() => stack('up'));

const pid = (name) => Number(readFileSync(place[name], 'utf8').split('\n')[0]);
const list = (options = {}) => ask('GET', `${prefix}/orders`, { as: cr, ...options });
const kill = (id, name) => signal(id, name, place.log, place.web);
const gone = (id) => until(`process ${id} ends`, () => isGone(id));
// A server process that serves PostgREST; there is one once it was asked something.
const backend = () => until('PostgREST has a connection', async () => (await list()) && sql(`SELECT pid FROM pg_stat_activity WHERE usename = 'authenticator' LIMIT 1`));

function isRefusal(answer, status, message) {
  assert.ok([status].flat().includes(answer.status), `${answer.status} ${answer.text}`);
  assert.deepEqual(answer.json, { status: answer.status, message, data: [] });
  assert.match(answer.headers['content-type'], /^application\/json/);
}

// Asks until it is well again; how long that took.  Until then it says that it
// is not, in the API's words.
async function well() {
  const started = Date.now();
  await until('it is well again', async () => {
    const answer = await list();
    if (answer.status === 200) return true;
    isRefusal(answer, [502, 503, 504], 'service unavailable');
    return false;
  });
  return Date.now() - started;
}

// PostgREST allows clocks to differ by half a minute.
test('a token that has expired', async () => {
  const answer = await list({ as: sql(`SELECT workorder.token(1, 'CR', -60)`) });
  isRefusal(answer, 401, 'authentication required');
  assert.match(answer.headers['www-authenticate'], /Bearer/);
  const native = await ask('GET', '/rest/orders', { as: sql(`SELECT workorder.token(1, 'CR', -60)`) });
  assert.equal(native.status, 401);
  assert.ok(native.json.message);
});

test('a body that is too large', async () => {
  for (const size of [1048577, 3 << 20, 70 << 20]) {
    const body = Buffer.alloc(size, 0x20);
    const answer = await ask('PUT', `${prefix}/orders/1`, { as: cr, body });
    isRefusal(answer, 413, 'body too large');
  }
  const fits = await ask('PUT', `${prefix}/orders/1`, { as: cr, body: `{"remark":"x"}${' '.repeat(1048576 - 14)}` });
  assert.equal(fits.status, 200, fits.text);
});

test('PostgREST is killed, and comes back', async () => {
  const id = pid('postgrest');
  kill(id, 'SIGKILL');
  await gone(id);
  isRefusal(await list(), [502, 503], 'service unavailable');
  isRefusal(await ask('PUT', `${prefix}/orders/1`, { as: cr, body: { remark: 'y' } }), [502, 503], 'service unavailable');
  const native = await ask('GET', '/rest/orders', { as: cr });
  assert.ok([502, 503].includes(native.status));
  assert.deepEqual(Object.keys(native.json).sort(), ['code', 'details', 'hint', 'message']);
  stack('up');
  assert.equal((await list()).status, 200);
});

// What PostgREST says of a connection to the database that is dead, by something
// that says it when told to.
test('a read that met a dead connection is sent again, a write never', async () => {
  kill(pid('postgrest'), 'SIGKILL');
  await gone(pid('postgrest'));
  const socket = `${place.web}/postgrest.sock`;
  rmSync(socket, { force: true });
  let script = [];
  let seen = [];
  const fake = createServer((request, response) => {
    request.resume().on('end', () => {
      seen.push([request.method, request.url, request.rawHeaders]);
      const [status, headers = {}] = script.shift() ?? [200];
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(request.method === 'HEAD' ? '' : JSON.stringify({ code: 'from PostgREST', times: seen.length }));
    });
  });
  await new Promise((done) => fake.listen(socket, done));
  chmodSync(socket, 0o777);
  const given = async (answers, method, target, options) => {
    script = answers;
    seen = [];
    return ask(method, target, { as: cr, ...options });
  };
  const own = (status) => [status, { 'x-workorder-error': `{"status":${status},"message":"own","data":[]}` }];
  try {
    for (const status of [400, 503]) {
      for (const target of [`${prefix}/orders?page=1`, '/rest/orders?select=id']) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await given([[status]], method, target);
          assert.equal(answer.status, 200, `${method} ${target} after ${status}`);
          assert.equal(seen.length, 2);
          assert.deepEqual(seen[0], seen[1], 'the same request');
        }
      }
      // once
      isRefusal(await given([[status], [status], [status]], 'GET', `${prefix}/orders`), 503, 'service unavailable');
      assert.equal(seen.length, 2);
      const native = await given([[status], [status], [status]], 'GET', '/rest/orders');
      assert.equal(native.status, status);
      assert.deepEqual(native.json, { code: 'from PostgREST', times: 2 });
      // a write, or what the database itself has refused
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        isRefusal(await given([[status]], method, `${prefix}/orders/1`, { body: {} }), 503, 'service unavailable');
        assert.equal(seen.length, 1, method);
        const written = await given([[status]], method, '/rest/orders', { body: {} });
        assert.equal(written.status, status);
        assert.deepEqual(written.json, { code: 'from PostgREST', times: 1 });
      }
      isRefusal(await given([own(status)], 'GET', `${prefix}/orders`), status, 'own');
      assert.equal(seen.length, 1);
    }
    // what is no sign of it
    for (const status of [404, 500]) {
      await given([[status]], 'GET', '/rest/orders');
      assert.equal(seen.length, 1, `${status}`);
    }
  } finally {
    fake.closeAllConnections();
    await new Promise((done) => fake.close(done));
    rmSync(socket, { force: true });
    stack('up');
  }
  assert.equal((await list()).status, 200);
});

test('a backend is killed in the middle', async () => {
  sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'authenticator'`);
  await well();
});

test('a server process is killed under a request, which may be sent again', async () => {
  // Nobody gets on with order 1 meanwhile, so that the request is under way.
  const lock = session();
  const waiting = `SELECT pid FROM pg_stat_activity WHERE usename = 'authenticator' AND wait_event_type = 'Lock'`;
  const put = () =>
    ask('PUT', `${prefix}/orders/1`, { as: cr, body: { remark: 'killed under' }, headers: [['Idempotency-Key', 'killed under']] });
  await lock.run('BEGIN; SELECT FROM afterservice.orders WHERE id = 1 FOR UPDATE;');
  const first = await sendAndFind(put, waiting);
  kill(first.pid, 'SIGKILL');
  const answer = await first.answer;
  isRefusal(answer, 503, 'service unavailable');
  assert.equal(answer.headers['retry-after'], '1');
  await lock.end();
  await well();
  assert.equal((await sendAgain(put)).status, 200);
  // What the database refuses itself stays what it is, however long it is.
  const wrong = (operation) => sendAgain(() => ask('PUT', `${prefix}/orders/1`, { as: cr, body: { operation } }));
  isRefusal(await wrong('中😀"\\\n'), 400, 'unsupported operation: 中😀"\\\n');
  isRefusal(await wrong('x'.repeat(8000)), 400, `unsupported operation: ${'x'.repeat(8000)}`);
  isRefusal(await wrong('x'.repeat(80000)), 400, 'malformed request');
});

test('PostgreSQL is stopped, and comes back', async (t) => {
  const id = pid('postgres');
  kill(id, 'SIGINT');
  await gone(id);
  isRefusal(await list(), [502, 503, 504], 'service unavailable');
  isRefusal(await ask('POST', `${prefix}/orders`, { as: cr, body: {} }), [502, 503, 504], 'service unavailable');
  stack('up');
  t.diagnostic(`well again after ${await well()} ms`);
});

test('PostgreSQL crashes, and comes back', async (t) => {
  const started = sql('SELECT pg_postmaster_start_time()');
  const victim = await backend();
  kill(victim, 'SIGKILL');
  await gone(victim);
  t.diagnostic(`well again after ${await well()} ms`);
  assert.equal(await until('the server answers', () => {
    try {
      return sql('SELECT pg_postmaster_start_time()');
    } catch {
      return false;
    }
  }), started, 'by the same postmaster');
});

test('what was answered 200 is still there', async () => {
  const before = await sendAgain(() =>
    ask('PUT', `${prefix}/orders/1`, { as: cr, body: { operation: 'done', remark: 'kept' }, headers: [['Idempotency-Key', 'kept']] }));
  assert.equal(before.status, 200, before.text);
  const id = pid('postgres');
  kill(id, 'SIGKILL');
  await gone(id);
  stack('up');
  await well();
  const answer = await list();
  assert.equal(answer.json.data.find((order) => order.id === 1).status, 'service_approving');
  assert.equal(sql(`SELECT count(*) FROM workorder.verify('afterservice.orders')`), '0');
});

test('a new key, and the old one for as long as its tokens live', async () => {
  // What docs/operations.md says: PostgREST takes a set of keys.
  const { writeFileSync } = await import('node:fs');
  const file = place.postgrest.replace('postgrest.pid', 'jwt');
  const old = sql(`SELECT value FROM workorder.secret WHERE name = 'jwt'`);
  const fresh = 'fresh-'.repeat(8);
  const key = (value) => ({ kty: 'oct', alg: 'HS256', k: Buffer.from(value).toString('base64url') });
  try {
    writeFileSync(file, JSON.stringify({ keys: [key(fresh), key(old)] }));
    kill(pid('postgrest'), 'SIGUSR2');
    sql(`UPDATE workorder.secret SET value = '${fresh}' WHERE name = 'jwt'`);
    const now = sql(`SELECT workorder.token(1, 'CR')`);
    // PostgREST reads its configuration when it comes to it.
    await until('a token of the new key is taken', async () => (await list({ as: now })).status === 200);
    assert.equal((await list()).status, 200, 'a token of the old key');
    writeFileSync(file, fresh);
    kill(pid('postgrest'), 'SIGUSR2');
    await until('a token of the old key is refused', async () => (await list()).status === 401);
    assert.equal((await list({ as: now })).status, 200, 'a token of the new key');
    isRefusal(await list(), 401, 'authentication required');
  } finally {
    sql(`UPDATE workorder.secret SET value = '${old}' WHERE name = 'jwt'`);
    writeFileSync(file, old);
    kill(pid('postgrest'), 'SIGUSR2');
  }
  await until('a token of the old key is taken again', async () => (await list()).status === 200);
});
