// Clients without a token: an API may know people by HTTP Basic, by a proxy in
// front of it, or by the network they come from.  Nobody gets in by saying that
// they come that way.  127.0.0.9 is a proxy that the stack believes
// (test/tools/http.sh), 127.0.0.3 a machine of a closed network.

import { after, before, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { ask, base, multipart, sql, stack, token } from './client.mjs';

const proxy = '127.0.0.9';
const inside = '127.0.0.3';
const list = '/active-job';
const identity = (text) => sql(`SELECT workorder.set_identity(${text})`);
const basic = (login, password) => [['Authorization', `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}`]];
const statuses = async (requests) => {
  const found = [];
  for (const [method, target, options] of requests) {
    found.push((await ask(method, target, options)).status);
  }
  return found;
};
const nobody = async (requests) => assert.deepEqual(await statuses(requests), requests.map(() => 401));

before(() => ['active_job', 'cloud_support', 'afterservice', 'dispatch', 'call_center'].forEach((system) => stack('fixture', system)));
beforeEach(() => sql("SELECT workorder.set_identity(a.name, 'token') FROM workorder.api a"));
after(() => sql("SELECT workorder.set_identity(a.name, 'token') FROM workorder.api a"));

// What somebody outside might say to be believed.
const lies = (address, login, secret = 'x'.repeat(64)) => [
  [['X-Forwarded-For', address]], [['X-Real-IP', address]], [['Forwarded', `for=${address}`]], [['X-Original-Address', address]], [['Client-IP', address]],
  [['X-Remote-User', login]], [['X-Remote-User', login], ['X-Remote-Secret', secret]], [['X-Original-User', login], ['X-Original-Secret', secret]],
  [['x_original_user', login], ['x_original_secret', secret]], [['X-Original-User', login], ['X-Original-Secret', secret], ['X-Original-Address', proxy]],
  [['X-Remote-User', login], ['X-Remote-Secret', secret], ['X-Forwarded-For', proxy]], [['Connection', 'X-Original-Foreign'], ['X-Original-Address', address]],
];

test('by a token alone, unless the administrator says otherwise', async () => {
  sql("SELECT workorder.set_password('W1', 'long enough')");
  await nobody([
    ['GET', list, { from: inside }],
    ['GET', list, { from: proxy }],
    ['GET', list, { headers: basic('W1', 'long enough') }],
    ...lies(inside, 'W1').map((headers) => ['GET', list, { headers }]),
    ...lies(inside, 'W1').map((headers) => ['GET', list, { headers, from: proxy }]),
  ]);
});

test('network: who comes from there is that person, and nobody else is', async () => {
  identity("'active_job', 'network', login => 'W1', addresses => '{127.0.0.3,10.1.0.0/16}'");
  const mine = await ask('GET', list, { from: inside });
  assert.equal(mine.status, 200, mine.text);
  assert.deepEqual(mine.json.data.items.map((item) => item.order_id), ['1000001', '1000002', '1000003']);
  assert.equal((await ask('GET', '/active-job/2000001', { from: inside })).status, 403);
  assert.equal((await ask('PUT', '/active-job/contact/1000001?contact_status=1', { from: inside })).status, 200);
  assert.equal(sql(`SELECT h.actor FROM workorder.history h WHERE h.relation = 'active_job.orders'::regclass ORDER BY h.at DESC LIMIT 1`), '龙小李');
  await nobody([
    ['GET', list, {}],
    ['GET', list, { from: '127.0.0.4' }],
    ...lies(inside, 'W1').map((headers) => ['GET', list, { headers }]),
    ...lies(inside, 'W1').map((headers) => ['PUT', '/active-job/contact/1000001?contact_status=1', { headers }]),
  ]);
  // A proxy that is believed says for whom it asks; what was said before it is not its word.
  const through = (value) => ['GET', list, { from: proxy, headers: [['X-Forwarded-For', value]] }];
  assert.deepEqual(await statuses([through(inside), through('10.1.255.255'), through(`8.8.8.8, ${inside}`)]), [200, 200, 200]);
  await nobody([through('8.8.8.8'), through(`${inside}, 8.8.8.8`), through('10.2.0.1'), through('nonsense'), through("10.1.0.1'")]);
  // Whoever has a token is who it says.
  assert.deepEqual((await ask('GET', list, { from: inside, as: token('active_job', 'W2') })).json.data.items.map((item) => item.order_id), ['2000001']);
  assert.equal((await ask('GET', list, { from: inside, as: 'nonsense' })).status, 401);
  // Other APIs, and what is below /rest/, know nothing of it.
  await nobody([['GET', '/v3_1/workorder/workorder_list/', { from: inside }]]);
  assert.notEqual((await ask('GET', '/rest/active_job_order', { from: inside })).status, 200);
});

test('network: a page of somebody else does not speak for who looks at it', async () => {
  identity("'active_job', 'network', login => 'W1', addresses => '{127.0.0.3}'");
  const from = inside;
  const body = '{"worker_id":"2"}';
  await nobody([
    ['GET', list, { from, headers: [['Origin', 'https://evil.example']] }],
    ['GET', list, { from, headers: [['Origin', 'null']] }],
    ['POST', '/active-job/shipping/1000002', { from, body, headers: [['Origin', 'https://evil.example'], ['Content-Type', 'text/plain']] }],
    ['POST', '/active-job/shipping/1000002', { from, body, headers: [['Origin', `${base.origin}.evil.example`]] }],
  ]);
  assert.equal((await ask('GET', list, { from, headers: [['Origin', base.origin]] })).status, 200);
  assert.equal((await ask('GET', list, { headers: [['Origin', 'https://evil.example']], as: token('active_job', 'W1') })).status, 200);
});

test('network: is loud', () => {
  identity("'active_job', 'network', login => 'W1', addresses => '{127.0.0.3,10.1.0.0/16}'");
  assert.match(sql("SELECT message FROM workorder.verify() WHERE code = 'open_api'"),
    /^API "active_job" takes requests without a credential from 127\.0\.0\.3, 10\.1\.0\.0\/16 for those of "W1"$/);
});

test('network: a disabled person is nobody, and the log tells who lets whom in', async () => {
  identity("'active_job', 'network', login => 'W4', addresses => '{127.0.0.3}'");
  await nobody([['GET', list, { from: inside }]]);
  const [, cluster] = stack('status').match(/logs (\S+)\/log/);
  const log = readFileSync(`${cluster}/log`, 'utf8');
  assert.match(log, /API "active_job" takes requests without a credential for those of "W4"/);
});

test('proxy: its login counts with its secret, from it alone', async () => {
  const first = identity("'active_job', 'proxy'");
  assert.match(first, /^[0-9a-f]{64}$/);
  const say = (login, secret) => [['X-Remote-User', login], ['X-Remote-Secret', secret]];
  const through = (headers) => ['GET', list, { from: proxy, headers }];
  const answer = await ask('GET', list, { from: proxy, headers: say('W2', first) });
  assert.deepEqual(answer.json.data.items.map((item) => item.order_id), ['2000001']);
  await nobody([
    through([]), through([['X-Remote-User', 'W1']]), through([['X-Remote-Secret', first]]),
    through(say('W1', first.slice(0, -1))), through(say('W1', `${first}0`)), through(say('W1', first.toUpperCase().replace(/[0-9]/g, '0'))),
    through(say('nobody', first)), through(say('$system', first)), through(say('', first)), through(say('W4', first)),
    through([['X-Remote-User', 'W1'], ['X-Remote-User', 'W2'], ['X-Remote-Secret', `${first}, ${first}`]]),
    through([...say('W1', first), ['Origin', 'https://evil.example']]),
    ...lies(proxy, 'W1', first).map((headers) => ['GET', list, { headers }]),
    ['GET', list, { headers: say('W1', first) }],
    ['GET', '/v3_1/workorder/workorder_list/', { from: proxy, headers: say('U3', first) }],
  ]);
  // The digest that is kept is not the secret.
  await nobody([through(say('W1', sql("SELECT value FROM workorder.secret WHERE name = 'proxy.active_job'")))]);
  // A new secret, while proxies still send the one before; then that one ends.
  const second = identity("'active_job', 'proxy'");
  assert.deepEqual(await statuses([through(say('W1', first)), through(say('W1', second))]), [200, 200]);
  identity("'active_job', 'proxy'");
  assert.deepEqual(await statuses([through(say('W1', first)), through(say('W1', second))]), [401, 200]);
  identity("'active_job', 'token'");
  await nobody([through(say('W1', second))]);
  assert.equal(sql("SELECT count(*) FROM workorder.secret WHERE name LIKE 'proxy.%'"), '0');
});

test('basic: login and password, in every request', async () => {
  sql("SELECT workorder.set_password('W1', 'lång: enough')");
  identity("'active_job', 'basic'");
  const good = await ask('GET', list, { headers: basic('W1', 'lång: enough') });
  assert.equal(good.json?.data.items.length, 3, good.text);
  const refused = await ask('GET', list, {});
  assert.equal(refused.status, 401);
  assert.match(refused.headers['www-authenticate'], /^Basic realm=/);
  await nobody([
    ['GET', list, { headers: basic('W1', 'wrong') }], ['GET', list, { headers: basic('W1', '') }], ['GET', list, { headers: basic('', 'lång: enough') }],
    ['GET', list, { headers: basic('$system', 'x') }], ['GET', list, { headers: [['Authorization', 'Basic ====']] }], ['GET', list, { headers: [['Authorization', 'Basic']] }],
    ['GET', list, { headers: [['Authorization', `Basic ${Buffer.from('W1\0:x').toString('base64')}`]] }],
    ['GET', list, { headers: [['Authorization', `Basic ${Buffer.from([0xff, 0x3a, 0xff]).toString('base64')}`]] }],
    ['GET', list, { headers: [['Authorization', `Basic ${Buffer.from('no colon').toString('base64')}`]] }],
    ['GET', list, { headers: [['X-Original-Basic', basic('W1', 'lång: enough')[0][1]]] }],
    ['GET', list, { headers: [...basic('W1', 'lång: enough'), ['Origin', 'https://evil.example']] }],
    ['GET', '/v3_1/workorder/workorder_list/', { headers: basic('W1', 'lång: enough') }],
  ]);
  // It is no token: below /rest/ it is nobody's.
  assert.notEqual((await ask('GET', '/rest/active_job_order', { headers: basic('W1', 'lång: enough') })).status, 200);
  sql("SELECT workorder.set_password('W1', 'another one')");
  await nobody([['GET', list, { headers: basic('W1', 'lång: enough') }]]);
  assert.equal((await ask('GET', list, { headers: basic('W1', 'another one') })).status, 200);
});

test('secrets of requests are in no log', () => {
  const [, cluster, web] = stack('status').match(/logs (\S+)\/log and (\S+)\/\*\.log/);
  const logs = [`${cluster}/log`, ...readdirSync(web).filter((name) => name.endsWith('.log')).map((name) => `${web}/${name}`)].map((name) => readFileSync(name, 'utf8')).join('\n');
  for (const secret of ['another one', Buffer.from('W1:another one').toString('base64')]) {
    assert.ok(!logs.includes(secret));
  }
});

test('an API\'s own way of knowing people holds besides', async () => {
  identity("'dispatch', 'network', login => 'staff1', addresses => '{127.0.0.3}'");
  const body = { action: 'permission-check' };
  assert.deepEqual((await ask('POST', '/api/ticket', { from: inside, body })).json, { userid: '2001', operator: ['staff'] });
  await nobody([['POST', '/api/ticket', { body }], ['POST', '/api/ticket', { body: { ...body, credential: '00' } }]]);
});

// --- how the client reaches us, and what it calls its bodies ------------------------

test('links lead where the client has come from, and work', async () => {
  const as = token('cloud_support', 'A9');
  const target = '/v3_1/workorder/workorder_list/?page=2&page_size=2';
  const links = async (options = {}) => {
    const { next, previous } = (await ask('GET', target, { as, ...options })).json.data;
    return [next, previous];
  };
  const at = (origin) => ['3', '1'].map((page) => `${origin}/v3_1/workorder/workorder_list/?page=${page}&page_size=2`);
  const own = await links();
  assert.deepEqual(own, at(base.origin));
  for (const link of own) {
    const { pathname, search } = new URL(link);
    assert.equal((await fetch(link, { headers: { Authorization: `Bearer ${as}` } })).status, 200, pathname + search);
  }
  assert.deepEqual(await links({ headers: [['Host', 'tickets.example:8443']] }), at('http://tickets.example:8443'));
  const forwarded = [['Host', 'inner:8080'], ['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'tickets.example']];
  assert.deepEqual(await links({ from: proxy, headers: forwarded }), at('https://tickets.example'));
  // From anybody else that is not believed, and what is no host is not repeated.
  assert.deepEqual(await links({ headers: forwarded }), at('http://inner:8080'));
  assert.deepEqual(await links({ from: proxy, headers: [['Host', 'inner'], ['X-Forwarded-Proto', 'javascript'], ['X-Forwarded-Host', 'a"><script>']] }), at(''));
  assert.deepEqual(await links({ headers: [['Host', base.host], ['X-Original-Origin', 'https://evil.example']] }), at(base.origin));
});

test('JSON that is called text or a form is JSON', async () => {
  const cr = token('afterservice', 'CR');
  const order = JSON.stringify({ type: '外协', customer_name: 'X', accuser_name: 'Y', creator_name: '张三', reason: '漏发', remark: 'r' });
  const types = ['text/plain', 'text/plain; charset=utf-8', 'application/x-www-form-urlencoded', 'application/x-www-form-urlencoded; charset=UTF-8'];
  for (const type of types) {
    const headers = [['Content-Type', type]];
    assert.equal((await ask('POST', '/api/v1/afterservice/orders', { as: cr, body: ` \r\n\t${order}`, headers })).status, 200, type);
    assert.equal((await ask('POST', '/api/v1/ticket', { as: token('call_center', 'E7'), body: '{"subject":"s","content":"c"}', headers })).status, 200, type);
    assert.equal((await ask('PUT', '/active-job/contact/1000001', { as: stack('token', 'active_job', 'W1'), body: '{"contact_status":1}', headers })).status, 200, type);
    assert.equal((await ask('POST', '/active-job/shipping/1000001', { as: stack('token', 'active_job', 'W1'), body: '{"worker_id":', headers })).status, 400, type);
  }
  for (const [type, body] of [['text/plain', '[{"skuCode":"x"}]'], ['text/plain', 'x'], ['text/plain; charset=gbk', order], ['text/html', order], ['image/png', order]]) {
    assert.equal((await ask('POST', '/api/v1/afterservice/orders', { as: cr, body, headers: [['Content-Type', type]] })).status, 415, `${type} ${body}`);
  }
});

test('active_job takes multipart forms', async () => {
  const as = stack('token', 'active_job', 'W1');
  stack('fixture', 'active_job');
  const form = (fields) => ({ as, ...multipart(fields) });
  assert.equal((await ask('PUT', '/active-job/contact/1000001', form([['contact_status', '1'], ['contact_status_reason', 'r1'], ['contact_status_remark', '好']]))).status, 200);
  assert.equal((await ask('GET', '/active-job/1000001', { as })).json.data.contact_log[0].status_remark, '好');
  assert.equal((await ask('POST', '/active-job/shipping/1000001', form([['worker_id', '2']]))).status, 200);
  assert.equal((await ask('POST', '/active-job/retrieve/1000002', form([['retrieve_info', '客户已办理']]))).status, 200);
  assert.equal((await ask('POST', '/active-job/retrieve/1000003', form([['other', 'x']]))).status, 400);
});
