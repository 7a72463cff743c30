// What nobody may see, and what nobody can stop: keys, counts, casts, sizes, time,
// tokens, passwords; and the manners of HTTP, in every API.

import { before, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, send, sendRaw, sql, stack, token } from './client.mjs';

const rest = (method, path, { as, body, ...more } = {}) => ask(method, `/rest/${path}`, { as, body, ...more });
const cust = () => token('dispatch', 'cust1');
const prefer = (value) => [['Prefer', value]];
const back = prefer('return=representation');

before(() => {
  for (const system of ['active_job', 'cloud_support', 'afterservice', 'call_center', 'dispatch']) {
    stack('fixture', system);
  }
});

// --- what nobody sees ----------------------------------------------------------

test('a number is nobody\'s to choose, and tells nobody which there are', async () => {
  const order = { type: 'sys', question: 'x', support: true };
  const as = token('cloud_support', 'U4');
  const next = async () => (await ask('POST', '/v3_1/workorder/workorder/', { as, body: { ...order, support: 1 } })).json.data.id;
  const first = await next();
  for (const id of [1, 3, first + 1, 99999, -5, 0, '9223372036854775807']) {
    const answer = await rest('POST', 'cloud_support_workorder', { as, body: { id, ...order } });
    assert.deepEqual([answer.status, answer.json.code], [403, '42501'], answer.text);
  }
  const many = await rest('POST', 'cloud_support_workorder', { as, body: JSON.stringify([{ id: first + 1, ...order }, { id: first + 2, ...order }]), headers: [['Content-Type', 'application/json']] });
  assert.equal(many.status, 403);
  assert.equal(await next(), first + 1);
});

test('a count is of what one may see, however it is asked for', async () => {
  sql('ANALYZE dispatch.ticket');
  const range = async (value, headers = prefer(value)) =>
    (await rest('GET', 'dispatch_ticket?select=id', { as: cust(), headers })).headers['content-range'];
  const exact = await range('count=exact');
  assert.match(exact, /\/\d+$/);
  for (const value of ['count=planned', 'count=estimated', 'Count=Planned', 'return=minimal, count=planned', 'count=planned,count=planned',
    'count=estimated, return=minimal', ' count=planned ', 'count=planned, count=estimated', 'count="planned"']) {
    const said = await range(value);
    assert.ok([exact, exact.replace(/\d+$/, '*')].includes(said), `${value}: ${said} instead of ${exact}`);
  }
  // what else was preferred is not lost
  const answer = await rest('PATCH', `dispatch_ticket?id=eq.0`, { as: cust(), body: { content: 'x' }, headers: prefer('return=representation, count=planned') });
  assert.deepEqual([answer.status, answer.json], [200, []]);
});

test('a cast tells no names, and makes no much of little', async () => {
  for (const to of ['regclass', 'regrole', 'regproc', 'jsonb', 'numeric', 'xml', 'text[]', 'regclass::text', '%20regclass', 'oid', 'name']) {
    for (const separator of ['::', '%3A%3a', ':%3A']) {
      for (const name of ['select', 's%65lect']) {
        const answer = await rest('GET', `dispatch_ticket?${name}=content${separator}${to}`, { as: cust() });
        assert.equal(answer.status, 400, `${name} ${separator} ${to}: ${answer.text}`);
      }
    }
  }
  for (const query of ['select=id::text,created_at::date', 'select=n:id::int,content', 'content=eq.a::b', 'select=id&content=like.*::*']) {
    assert.equal((await rest('GET', `dispatch_ticket?${query}`, { as: cust() })).status, 200, query);
  }
});

test('an image is judged the same however it comes', async () => {
  const made = await rest('POST', 'dispatch_ticket', { as: cust(), body: { content: 'x', images: ['https://a.example/1.png'] }, headers: back });
  assert.equal(made.status, 201, made.text);
  const [{ id }] = made.json;
  const bad = ['javascript:alert(1)', 'data:text/html,x', 'http://', 'ftp://a/b', 'x.png', '00000000-0000-4000-8000-000000000000.png', 5, null, {}, ['http://a.example/x'],
    `http://a.example/${'x'.repeat(2048)}`];
  for (const image of bad) {
    const changed = await rest('PATCH', `dispatch_ticket?id=eq.${id}`, { as: cust(), body: { images: [image] } });
    assert.deepEqual([changed.status, changed.json.message], [422, 'invalid images'], JSON.stringify(image));
    const created = await rest('POST', 'dispatch_ticket', { as: cust(), body: { content: 'x', images: [image] } });
    assert.equal(created.status, 422, JSON.stringify(image));
  }
  const kept = ['https://a.example/1.png', 'HTTP://b.example/2.png'];
  assert.equal((await rest('PATCH', `dispatch_ticket?id=eq.${id}`, { as: cust(), body: { images: kept } })).status, 204);
  assert.deepEqual((await rest('GET', `dispatch_ticket?id=eq.${id}`, { as: cust() })).json[0].images, kept);
});

// --- sizes and time --------------------------------------------------------------

test('what is small as it is sent and huge as it is written is refused at once', async () => {
  const bomb = `[${Array(6000).fill('1e131071').join()}]`;
  const quick = async (what, status, request) => {
    const started = performance.now();
    const answer = await request;
    assert.ok(status.includes(answer.status), `${what}: ${answer.status} ${answer.text.slice(0, 200)}`);
    assert.ok(performance.now() - started < 10000, what);
  };
  const json = [['Content-Type', 'application/json']];
  const changes = `{"relation":"dispatch_ticket","id":1,"action":"update","changes":{"content":${bomb}}}`;
  await quick('can', [404, 422], rest('POST', 'rpc/can', { as: cust(), body: changes, headers: json }));
  await quick('act', [404, 422], rest('POST', 'rpc/act', { as: cust(), body: changes, headers: json }));
  await quick('insert', [422], rest('POST', 'dispatch_ticket', { as: cust(), body: `{"content":"x","images":[${bomb}]}`, headers: json }));
  await quick('credential', [400], ask('POST', '/api/ticket', { body: `{"action":"list","credential":${bomb}}`, headers: json }));
  for (const [path, as] of [['/active-job/shipping/1000001', token('active_job', 'W1')], ['/v3_1/workorder/workorder/', token('cloud_support', 'U3')],
    ['/api/v1/afterservice/orders', token('afterservice', 'CR')], ['/api/v1/ticket', token('call_center', 'E6')]]) {
    await quick(path, [400], ask('POST', path, { as, body: `{"a":${bomb}}`, headers: json }));
    await quick(path, [400], ask('POST', path, { as, body: `{"a":[${'0,'.repeat(60000)}0]}`, headers: json }));
  }
});

test('a body is no larger than its path is for', async () => {
  const of = (size) => `{"login":"x","password":"${'x'.repeat(size)}"}`;
  const json = [['Content-Type', 'application/json']];
  const status = async (path, size, as) => (await rest('POST', path, { as, body: of(size), headers: json })).status;
  assert.equal(await status('rpc/sign_in', 9000), 413);
  assert.equal(await status('rpc/sign_in/', 9000), 413);
  assert.equal(await status('rpc/sign_in', 7000), 403);
  assert.equal(await status('rpc/act', 70000), 413);
  assert.equal(await status('dispatch_ticket', 600000, cust()), 413);
  assert.notEqual(await status('dispatch_ticket', 500000, cust()), 413);
  const large = await ask('POST', '/api/v1/afterservice/orders', { as: token('afterservice', 'CR'), body: of(3000000), headers: json });
  assert.deepEqual([large.status, large.json.message], [413, 'body too large']);
});

test('arguments that a function does not have cost nothing', async () => {
  const started = performance.now();
  for (const name of ['act', 'sign_in', 'actions']) {
    const answer = await rest('POST', `rpc/${name}`, { as: name === 'sign_in' ? undefined : cust(), body: Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`key${i}`, 1])) });
    assert.deepEqual([answer.status, answer.json.code], [404, 'WO404'], answer.text);
  }
  const query = Array.from({ length: 1000 }, (_, i) => `k${i}=1`).join('&');
  assert.equal((await rest('GET', `rpc/can?${query}`, { as: cust() })).status, 400);
  assert.equal((await rest('GET', `rpc/${'x'.repeat(3000)}`, { as: cust() })).status, 400);
  assert.equal((await rest('GET', `dispatch_ticket?select=${'x'.repeat(3000)}(y)`, { as: cust() })).status, 400);
  assert.ok(performance.now() - started < 20000);
});

test('no request takes longer than a statement may', async () => {
  sql(`CREATE FUNCTION api.test_sleep(seconds int) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(seconds)::text || current_setting(''statement_timeout'')';
    GRANT EXECUTE ON FUNCTION api.test_sleep(int) TO workorder_user, workorder_anonymous; NOTIFY pgrst, 'reload schema';`);
  try {
    let said;
    for (let i = 0; i < 100 && said?.status !== 200; i++) {
      said = await rest('POST', 'rpc/test_sleep', { body: { seconds: 0 } });
      await new Promise((done) => setTimeout(done, 100));
    }
    assert.deepEqual(said.json, '20s');
    const [known, anonymous] = await Promise.all([
      rest('POST', 'rpc/test_sleep', { as: cust(), body: { seconds: 26 } }),
      rest('POST', 'rpc/test_sleep', { body: { seconds: 26 } })]);
    assert.deepEqual([known.status, known.json.code, anonymous.status], [500, '57014', 500]);
  } finally {
    sql('DROP FUNCTION api.test_sleep(int)');
  }
});

// --- tokens and passwords ----------------------------------------------------------

test('a token is a person\'s, and ends with the password and the person', async () => {
  const name = `gate ${Date.now()}`;
  sql(`SELECT workorder.enrol(:'name', 'Gate', '{afterservice.creator}'), workorder.set_password(:'name', 'password one')`, { name });
  const mine = async (as) => (await ask('GET', '/api/v1/afterservice/orders', { as })).status;
  const signIn = async (login, password) => (await rest('POST', 'rpc/sign_in', { body: { login, password } })).json;
  const first = await signIn(name, 'password one');
  assert.equal(await mine(first), 200);
  sql(`SELECT workorder.set_password(:'name', 'password two')`, { name });
  assert.equal(await mine(first), 401);
  const second = await signIn(name, 'password two');
  assert.equal(await mine(second), 200);
  // the login is given away
  sql(`UPDATE workorder.actor SET login = login || '.old' WHERE login = :'name'; SELECT workorder.enrol(:'name', 'Somebody else', '{afterservice.manager}')`, { name });
  const made = await ask('POST', '/api/v1/afterservice/orders', { as: second, body: { type: '外协', customer_name: 'x', accuser_name: 'x', creator_name: 'Gate', reason: '漏发', remark: 'x' } });
  assert.deepEqual([made.status, made.json.data?.[0].creator_name], [200, 'Gate'], made.text);
  sql(`SELECT workorder.disable(:'name' || '.old')`, { name });
  assert.equal(await mine(second), 401);
  sql(`SELECT workorder.enrol(:'name' || '.old', 'Gate')`, { name });
  assert.equal(await mine(second), 401);
  sql(`SELECT workorder.disable(:'name'), workorder.disable(:'name' || '.old')`, { name });
});

test('a password that is guessed at waits, whoever it is', async () => {
  sql(`SELECT workorder.enrol('guessed', 'Guessed', '{}'), workorder.set_password('guessed', 'right password')`);
  const signIn = (password) => rest('POST', 'rpc/sign_in', { body: { login: 'guessed', password } });
  const texts = new Set();
  for (let i = 0; i < 14; i++) {
    texts.add((await signIn('wrong password')).text);
  }
  assert.equal(texts.size, 1);
  // twenty at once, of which one at most is looked at
  const right = await Promise.all(Array.from({ length: 20 }, () => signIn('wrong again')));
  assert.ok(right.every(({ status }) => status === 403));
  sql(`SELECT workorder.disable('guessed')`);
});

// --- manners -----------------------------------------------------------------------

const apis = [
  ['/active-job/retrieve/1000001', () => token('active_job', 'W1')],
  ['/v3_1/workorder/workorder/', () => token('cloud_support', 'U3')],
  ['/api/v1/afterservice/orders', () => token('afterservice', 'CR')],
  ['/api/v1/ticket', () => token('call_center', 'E6')],
  ['/api/ticket', () => token('dispatch', 'cust1')],
  ['/rest/orders', () => token('afterservice', 'CR')],
];

test('a header that is there and empty is not one that is absent', async () => {
  for (const [path, as] of apis.slice(0, 5)) {
    for (const value of ['', ' ', '\t']) {
      const answer = await sendRaw(`POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${as()}\r\nidempotency-KEY:${value}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`);
      assert.match(answer, /^HTTP\/1.1 400 /, `${path}: ${answer.slice(0, 100)}`);
    }
    const answer = await sendRaw(`POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${as()}\r\nContent-Type:\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`);
    assert.match(answer, /^HTTP\/1.1 415 /, `${path}: ${answer.slice(0, 100)}`);
  }
});

test('a body in a coding that nobody reads is refused', async () => {
  for (const [path, as] of apis) {
    for (const coding of ['gzip', 'deflate', 'br', 'x-gzip', 'identity, gzip', 'nonsense']) {
      const answer = await ask('POST', path, { as: as(), body: '{}', headers: [['Content-Type', 'application/json'], ['Content-Encoding', coding]] });
      assert.equal(answer.status, 415, `${path} ${coding}: ${answer.text}`);
    }
    const answer = await ask('POST', path, { as: as(), body: '{}', headers: [['Content-Type', 'application/json'], ['Content-Encoding', 'identity']] });
    assert.notEqual(answer.status, 415, path);
  }
});

test('whoever is told that a method is not allowed is told which are', async () => {
  const paths = [...apis.map(([path]) => path), '/active-job', '/active-job/1000001', '/v3_1/workorder/workorder_list/', '/api/v1/employee', '/api/ticket/images/x.png',
    '/rest/', '/rest/rpc/sign_in', '/rest/rpc/act', '/rest/rpc/can', '/rest/dispatch_ticket'];
  let seen = 0;
  for (const path of paths) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'LOCK', 'X']) {
      const answer = await send({ method, target: path, headers: [['Authorization', `Bearer ${cust()}`]] });
      if (answer.status === 405) {
        seen += 1;
        assert.match(answer.headers.allow ?? '', /^[A-Z]+(, [A-Z]+)*$/, `${method} ${path}`);
      }
    }
  }
  assert.ok(seen > 40, `${seen}`);
});

test('a form that cannot be read whole is not read', async () => {
  const post = (body) => ask('POST', '/api/v1/ticket', { as: token('call_center', 'E6'), body, headers: [['Content-Type', 'multipart/form-data; boundary=b']] });
  const part = (name, text) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`;
  const whole = part('subject', 's') + part('content', 'c');
  for (const end of ['--b--', '--b--\r\n', '--b-- \t', '--b--\r\nepilogue', '--b--  \r\n\r\n']) {
    assert.equal((await post(whole + end)).status, 200, JSON.stringify(end));
  }
  for (const end of ['', '--b', '--b--c', '--b--c\r\n', '--b-', '--b--\r\n--b\r\n', `--b--\r\n${part('due_at', 'x')}--b--`, `--b--\r\n\r\n${part('x', 'y')}--b--`]) {
    assert.equal((await post(whole + end)).status, 400, JSON.stringify(end));
  }
  // what only looks like an end is text
  const answer = await post(part('subject', 's') + part('content', 'a\r\n--b--c\r\nd') + '--b--');
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.data.content, 'a\r\n--b--c\r\nd');
});
