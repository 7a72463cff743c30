// The ticket desk beyond its vectors: no key, who wins a race, who gets the
// next ticket, images from upload to download, forms, and the native view.

import { after, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { randomBytes } from 'node:crypto';
import { load } from './contract.mjs';
import { readFileSync } from 'node:fs';
import { ask, base, multipart, sql, stack, token } from './client.mjs';

const { credentials: who } = load('dispatch');
const rounds = 50;
const agent = new Agent({ keepAlive: true, maxSockets: 16 });
after(() => agent.destroy());
beforeEach(() => stack('fixture', 'dispatch'));

const post = (name, action, fields = {}) =>
  ask('POST', '/api/ticket', { body: { action, credential: who[name], ...fields }, agent });
const form = (fields) => ask('POST', '/api/ticket', { ...multipart(fields), agent });
const detail = async (name, uuid) => (await post(name, 'ticket-detail', { uuid })).json['ticket-detail'];
const said = (answer) => [answer.status, answer.json];
const refused = (code, message) => [code, { code, message }];

// Makes tickets that rest in a state, by loading them as history; their uuids.
const tickets = (n, state, staff = 'NULL') =>
  sql(`
    INSERT INTO dispatch.ticket (content, state, staff_id, revision, creator_id, created_at, entered_at, updated_at)
    SELECT 'race', '${state}', (SELECT actor_id FROM dispatch.person WHERE userid = ${staff}), 0,
      (SELECT actor_id FROM dispatch.person WHERE userid = 1001), now(), now(), now()
    FROM generate_series(1, ${n}) RETURNING uuid`).split('\n');

test('without a key every request answers 503, with it again 200', async () => {
  sql(`DELETE FROM workorder.secret WHERE name LIKE 'credential%'`);
  const bodies = [
    { action: 'permission-check', credential: who.C1 },
    { action: 'permission-check', credential: who.BADPW },
    { action: 'permission-check' },
    { action: 'ticket-detail', credential: who.D1, uuid: 't1' },
    { action: 'nothing', credential: 'zz' },
  ];
  for (const body of bodies) {
    const answer = await ask('POST', '/api/ticket', { body });
    assert.deepEqual(said(answer), refused(503, 'credential service unavailable'));
  }
  assert.deepEqual(said(await ask('POST', '/api/ticket', { body: '[' })), refused(400, 'malformed request'));
  stack('fixture', 'dispatch');
  assert.equal((await post('C1', 'permission-check')).status, 200);
});

test('what is wrong before anybody is asked who they are', async () => {
  const send = (body, type) => ask('POST', '/api/ticket', { body, headers: type ? [['Content-Type', type]] : [] });
  assert.deepEqual(said(await ask('POST', '/api/ticket')), refused(400, 'malformed request'));
  assert.deepEqual(said(await send('a=1', 'application/x-www-form-urlencoded')), refused(415, 'unsupported media type'));
  assert.deepEqual(said(await send(`{"action": "${'x'.repeat(16777216)}"}`)), refused(413, 'request too large'));
  assert.deepEqual(said(await form([['action', 'permission-check\0'], ['credential', who.C1]])), refused(400, 'malformed request'));
  assert.deepEqual(said(await ask('PUT', '/api/ticket', { body: {} })), refused(405, 'method not allowed'));
  assert.equal((await ask('PUT', '/api/ticket', { body: {} })).headers.allow, 'POST');
});

// Two operations at the same time on tickets in a state; the answers of each round.
async function race(uuids, one, other) {
  const answers = [];
  for (const [i, uuid] of uuids.entries()) {
    const turn = i % 2 ? [one, other] : [other, one];
    const pair = await Promise.all(turn.map(([name, fields]) => post(name, 'edit-ticket', { uuid, ...fields })));
    answers.push(i % 2 ? pair : pair.reverse());
  }
  return answers;
}
const history = (uuid) =>
  JSON.parse(sql(`SELECT coalesce(jsonb_agg(dispatch.status(h.to_state) ORDER BY h.revision), '[]')
    FROM workorder.history h JOIN dispatch.ticket t ON t.id = h.ticket_id
    WHERE h.relation = 'dispatch.ticket'::regclass AND h.revision > 0 AND t.uuid = '${uuid}'`));

test(`${rounds} rounds, two schedulers close one ticket: one does`, async () => {
  const uuids = tickets(rounds, 'fixed', 2001);
  for (const [i, pair] of (await race(uuids, ['D1', { status: 'CLOSED' }], ['M1', { status: 'CLOSED' }])).entries()) {
    assert.deepEqual(pair.map(({ status }) => status).sort(), [200, 403]);
    assert.deepEqual(said(pair.find(({ status }) => status === 403)), refused(403, 'You are not allowed to close this ticket'));
    assert.deepEqual(history(uuids[i]), [4]);
  }
});

test(`${rounds} rounds, fixed against cancelled: one of them`, async () => {
  const uuids = tickets(rounds, 'open.assigned', 2001);
  for (const [i, [fix, cancel]] of (await race(uuids, ['S1', { status: 'FIXED' }], ['C1', { status: 'CANCEL' }])).entries()) {
    assert.deepEqual([fix.status, cancel.status].sort(), [200, 403]);
    assert.deepEqual(history(uuids[i]), [fix.status === 200 ? 3 : 7]);
  }
});

test(`${rounds} rounds, assigned against cancelled: in one order or the other`, async () => {
  const uuids = tickets(rounds, 'open.new');
  for (const [i, [assign, cancel]] of (await race(uuids, ['D1', { status: 'ASSIGNED' }], ['C1', { status: 'CANCEL' }])).entries()) {
    // Whoever is assigned a ticket may lose it; nobody is assigned one that is cancelled.
    assert.equal(cancel.status, 200);
    assert.deepEqual(history(uuids[i]), assign.status === 200 ? [2, 7] : [7]);
    assert.ok(assign.status === 200 || assign.json.message === 'You are not allowed to assign this ticket');
  }
});

test('eight clients assign at once: nobody gets more than one ticket above the least', async () => {
  const uuids = tickets(48, 'open.new');
  const queue = [...uuids];
  await Promise.all(
    Array.from({ length: 8 }, async (_, client) => {
      for (let uuid = queue.shift(); uuid; uuid = queue.shift()) {
        const answer = await post(client % 2 ? 'D1' : 'M1', 'edit-ticket', { uuid, status: 'ASSIGNED' });
        assert.equal(answer.status, 200, answer.text);
      }
    }),
  );
  const loads = sql(`
    SELECT p.userid || ' ' || count(t.id) FROM dispatch.person p
    JOIN workorder.membership m ON m.actor_id = p.actor_id AND m.role = 'dispatch.staff'
    LEFT JOIN dispatch.ticket t ON t.staff_id = p.actor_id AND dispatch.status(t.state) IN (2, 5, 6, 8)
    GROUP BY p.userid ORDER BY 1`).split('\n').map((line) => Number(line.split(' ')[1]));
  assert.equal(loads.reduce((a, b) => a + b), 50);
  assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, JSON.stringify(loads));
});

test('a ticket keeps its staff, unless they left; and without staff nobody is assigned', async () => {
  const staff = async () => (await detail('D1', 't2'))['staff-id'];
  assert.equal((await post('D1', 'edit-ticket', { uuid: 't2', status: 2 })).status, 200);
  assert.equal(await staff(), 2001);
  sql(`SELECT workorder.disable('staff1')`);
  assert.deepEqual(said(await post('D1', 'edit-ticket', { uuid: 't2', status: 2, 'staff-id': 2001 })), refused(400, 'invalid staff-id'));
  assert.equal((await post('D1', 'edit-ticket', { uuid: 't2', status: 2 })).status, 200);
  assert.equal(await staff(), 4001);
  sql(`SELECT workorder.disable('staff2'); DELETE FROM workorder.membership WHERE role = 'dispatch.staff'`);
  assert.deepEqual(said(await post('D1', 'edit-ticket', { uuid: 't1', status: 2 })), refused(409, 'no staff available'));
  assert.equal((await post('D1', 'list', { operator: 'scheduler', status: 1 })).json.tickets[0].permission.ASSIGNED, 1);
  assert.deepEqual(said(await post('C1', 'edit-ticket', { uuid: 't1', status: 2 })), refused(403, 'You are not allowed to assign this ticket'));
  assert.deepEqual(said(await post('S1', 'permission-check')), refused(401, 'invalid credential'));
});

// --- images ------------------------------------------------------------------

const magic = { png: '89504e470d0a1a0a', jpeg: 'ffd8ffe0', gif: '474946383961', webp: '524946460000000057454250' };
const image = (type, size = 100) => {
  const start = Buffer.from(magic[type], 'hex');
  return Buffer.concat([start, randomBytes(size - start.length)]);
};
const dataUrl = (type, bytes) => `data:image/${type};base64,${bytes.toString('base64')}`;
const create = (images, name = 'C1') => post(name, 'create-ticket', { content: 'x', images });
const images = async (uuid, name = 'C1') => (await detail(name, uuid)).images;
// By an address without its signature, people prove themselves by a token.
const unsigned = (url) => new URL(url, base).pathname.replace(/\/\d+\.\d+\.\d+\.[A-Za-z0-9_-]{43}(?=\/)/, '');
const signed = (url) => ask('GET', new URL(url, base).pathname);
const fetchAs = (url, login) => ask('GET', unsigned(url), { as: login && token('dispatch', login) });
const address = /^http:\/\/[^/]+\/api\/ticket\/images\/1\.\d+\.\d+\.[A-Za-z0-9_-]{43}\/[0-9a-f-]{36}\.(png|jpg|gif|webp)$/;
const invalid = refused(400, 'invalid images');

test('an image goes up as a data URL and comes down to who may see its ticket', async () => {
  for (const [type, extension] of [['png', 'png'], ['jpeg', 'jpg'], ['gif', 'gif'], ['webp', 'webp']]) {
    const bytes = image(type);
    const { status, json } = await create([dataUrl(type, bytes)]);
    assert.equal(status, 200);
    const [url, ...more] = await images(json.uuid);
    assert.deepEqual(more, []);
    assert.match(url, address);
    assert.ok(url.startsWith(base.origin) && url.endsWith(`.${extension}`));
    for (const login of ['cust1', 'superadmin']) {
      const answer = await fetchAs(url, login);
      assert.equal(answer.status, 200);
      assert.ok(answer.bytes.equals(bytes));
      assert.equal(answer.headers['content-type'], `image/${type}`);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.equal(answer.headers['content-security-policy'], "default-src 'none'; sandbox");
      assert.match(answer.headers['content-disposition'], /^inline; filename="[0-9a-f-]{36}\.[a-z]+"$/);
      assert.match(answer.headers['cache-control'], /^private/);
    }
    for (const login of ['cust2', 'staff1']) {
      assert.deepEqual(said(await fetchAs(url, login)), refused(404, 'not found'));
    }
    assert.deepEqual(said(await fetchAs(url)), refused(401, 'invalid credential'));
    assert.equal((await fetchAs(url.replace(/\.[a-z]+$/, '.svg'), 'cust1')).status, 404);
    assert.equal((await fetchAs(url.replace(/[0-9a-f-]{36}/, '00000000-0000-4000-8000-000000000000'), 'cust1')).status, 404);
  }
  assert.equal((await fetchAs('/api/ticket/images/x', 'cust1')).status, 404);
});

test('an image\'s address shows it to whoever holds it, and nothing else', async () => {
  const bytes = image('png');
  const { uuid } = (await create([dataUrl('png', bytes)])).json;
  const [url] = await images(uuid);
  const nobody = refused(401, 'invalid credential');
  const answer = await signed(url);
  assert.equal(answer.status, 200, answer.text);
  assert.ok(answer.bytes.equals(bytes));
  assert.equal(answer.headers['content-type'], 'image/png');
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  assert.equal(answer.headers['content-security-policy'], "default-src 'none'; sandbox");
  const [, age] = answer.headers['cache-control'].match(/^private, max-age=(\d+), immutable$/);
  assert.ok(Number(age) > 86000 && Number(age) <= 90000, age);
  assert.equal((await ask('HEAD', new URL(url).pathname)).status, 200);
  // As a browser shows it on a page of somebody else, and by another name of ours.
  assert.equal((await ask('GET', new URL(url).pathname, { headers: [['Origin', 'https://app.example'], ['Host', 'other.example']] })).status, 200);
  // A byte of it that is another.
  const { pathname } = new URL(url);
  const from = '/api/ticket/images/'.length;
  for (let i = from; i < pathname.length - 4; i++) {
    if (pathname[i] !== '/') {
      const changed = pathname.slice(0, i) + (pathname[i] === '1' ? '2' : '1') + pathname.slice(i + 1);
      assert.deepEqual(said(await ask('GET', changed, { agent })), nobody, changed);
    }
  }
  const [, signature, name] = pathname.match(/images\/([^/]+)\/(.*)$/);
  const [tenant, person, expires, mac] = signature.split('.');
  const other = (await images((await create([dataUrl('gif', image('gif'))])).json.uuid))[0].split('/').pop();
  for (const path of [`2.${person}.${expires}.${mac}/${name}`, `${tenant}.${Number(person) + 1}.${expires}.${mac}/${name}`, `${tenant}.${person}.${Number(expires) + 86400}.${mac}/${name}`,
    `${signature}/${other}`, `${signature}A/${name}`, `${signature}=/${name}`, `-/${name}`, name, `%31${signature.slice(1)}/${name}`, `${signature.replaceAll('.', '%2E')}/${name}`]) {
    assert.deepEqual(said(await ask('GET', `/api/ticket/images/${path}`)), nobody, path);
  }
  // It reads this and writes nothing.
  assert.equal((await ask('POST', pathname)).status, 405);
  assert.deepEqual(said(await ask('POST', '/api/ticket', { body: { action: 'list', signature } })), nobody);
  // It is nowhere in a log.
  const [, log, web] = stack('status').match(/logs (\S+)\/log and (\S+)\/\*\.log/);
  for (const file of [`${log}/log`, `${web}/nginx.access.log`, `${web}/nginx.error.log`, `${web}/postgrest.log`, `${web}/nginx.log`]) {
    assert.ok(!readFileSync(file, 'utf8').includes(mac), file);
  }
  assert.ok(readFileSync(`${web}/nginx.access.log`, 'utf8').includes(`/api/ticket/images/-/${name}`));
});

test('an image\'s address ends by time, by its keys, and with what who was shown it may see', async () => {
  const { uuid } = (await create([dataUrl('png', image('png'))])).json;
  const [customers] = await images(uuid);
  const [schedulers] = await images(uuid, 'D1');
  assert.notEqual(customers, schedulers);
  assert.equal((await signed(schedulers)).status, 200);
  // Two rotations, and it is over; answers have new ones at once.
  sql('SELECT workorder.rotate_address_key()');
  assert.equal((await signed(customers)).status, 200);
  sql('SELECT workorder.rotate_address_key()');
  assert.deepEqual(said(await signed(customers)), refused(401, 'invalid credential'));
  const [again] = await images(uuid);
  assert.equal((await signed(again)).status, 200);
  // Staff who loses the ticket loses its images, and who is disabled loses them all.
  assert.equal((await post('D1', 'edit-ticket', { uuid, status: 'ASSIGNED', 'staff-id': 2001 })).status, 200);
  const [staffs] = await images(uuid, 'S1');
  assert.equal((await signed(staffs)).status, 200);
  assert.equal((await post('D1', 'edit-ticket', { uuid, status: 'ASSIGNED', 'staff-id': 2002 })).status, 200);
  assert.deepEqual(said(await signed(staffs)), refused(404, 'not found'));
  const [others] = await images(uuid, 'S2');
  assert.equal((await signed(others)).status, 200);
  sql("SELECT workorder.disable('staff2')");
  assert.deepEqual(said(await signed(others)), refused(401, 'invalid credential'));
  // One that was signed long ago, by the same key.
  const past = sql(`BEGIN; SET LOCAL workorder.now = '2020-01-01 00:00:00+00'; SET LOCAL workorder.actor = 'cust1';
    SELECT dispatch.image_signature('${again.split('/').pop()}'); COMMIT`);
  assert.match(past, /^1\.\d+\.1577\d+\./);
  assert.deepEqual(said(await ask('GET', `/api/ticket/images/${past}/${again.split('/').pop()}`)), refused(401, 'invalid credential'));
  // How long is a setting.
  sql("SELECT workorder.set_setting('dispatch', 'image_seconds', '60')");
  const [short] = await images(uuid);
  assert.ok(Number((await signed(short)).headers['cache-control'].match(/max-age=(\d+)/)[1]) <= 62);
});

test('what is no image is none, whatever it is called', async () => {
  const png = image('png');
  const html = Buffer.from(`<html><script>alert(1)</script></html>${' '.repeat(64)}`);
  const svg = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>${' '.repeat(64)}`);
  for (const bad of [
    dataUrl('png', Buffer.from('plain text')), dataUrl('png', html), dataUrl('jpeg', svg), dataUrl('svg+xml', svg), dataUrl('svg+xml', png),
    dataUrl('jpeg', png), html.toString('base64'), `data:text/html;base64,${html.toString('base64')}`,
    `data:image/png,${png.toString('base64')}`, dataUrl('png', png).replace('base64,', 'base64,%'), `${dataUrl('png', png)}"`,
    image('png', 30).toString('base64'), '', ' ', 'http://', `http://a.example/${'x'.repeat(2048)}`, 'http://a.example/a b',
    'ftp://a.example/1.png', '/api/ticket/images/00000000-0000-4000-8000-000000000000.png', 5, null, {}, ['http://a.example/1.png'],
  ]) {
    assert.deepEqual(said(await create([bad])), invalid, String(bad).slice(0, 80));
  }
  for (const bad of [5, {}, true, Array(10).fill('http://a.example/1.png')]) {
    assert.deepEqual(said(await create(bad)), invalid);
  }
  assert.deepEqual(said(await create([])).slice(0, 1), [200]);
  assert.equal((await create('http://a.example/1.png')).status, 200);
  assert.equal((await create(Array(9).fill('HTTPS://a.example/1.png'))).status, 200);
  assert.equal(sql('SELECT count(*) FROM workorder.attached'), '0');
});

test('eight MiB pass, a byte more does not; two images of 15 MB in one request', async (t) => {
  assert.equal((await create([dataUrl('png', image('png', 8 << 20))])).status, 200);
  assert.deepEqual(said(await create([dataUrl('png', image('png', (8 << 20) + 1))])), invalid);
  const started = Date.now();
  const { json } = await create([image('gif', 5.6e6).toString('base64'), image('gif', 5.6e6).toString('base64')]);
  assert.equal((await images(json.uuid)).length, 2);
  // About a second on an idle machine; a loop over bytes takes minutes, and nobody waits for that.
  t.diagnostic(`two images: ${Date.now() - started} ms`);
});

test('the same bytes are stored once, and each ticket has them for itself', async () => {
  const bytes = dataUrl('png', image('png'));
  const mine = (await create([bytes, bytes])).json.uuid;
  const theirs = (await create([bytes], 'C2')).json.uuid;
  assert.equal(sql('SELECT count(DISTINCT a.uuid) || $$ $$ || (SELECT count(*) FROM workorder.attachment) FROM workorder.attached a'), '3 1');
  const [url] = await images(theirs, 'C2');
  assert.equal((await fetchAs(url, 'cust1')).status, 404);
  assert.equal((await fetchAs((await images(mine))[0], 'cust1')).status, 200);
  // Nobody gets at it by naming it on a ticket of their own.
  assert.deepEqual(said(await create([url])), invalid);
  assert.deepEqual(said(await post('C1', 'edit-ticket', { uuid: mine, images: [url] })), invalid);
});

test('a list of images can be sent back, cut and added to', async () => {
  const { uuid } = (await create([dataUrl('png', image('png')), 'http://a.example/1.png'])).json;
  const [first, second] = await images(uuid);
  const edit = (list) => post('C1', 'edit-ticket', { uuid, images: list });
  assert.equal((await edit([second, first, dataUrl('gif', image('gif'))])).status, 200);
  const now = await images(uuid);
  assert.deepEqual(now.slice(0, 2).map(unsigned), [second, first].map(unsigned));
  assert.match(now[2], /\.gif$/);
  assert.equal((await edit([])).status, 200);
  assert.deepEqual(await images(uuid), []);
  assert.equal((await fetchAs(first, 'cust1')).status, 200, 'the history still shows it');
  // Where they are served is a setting.
  sql(`SELECT workorder.set_setting('dispatch', 'image_base_url', 'https://img.example/x/')`);
  assert.equal((await edit([dataUrl('png', image('png'))])).status, 200);
  const [there] = await images(uuid);
  assert.match(there, /^https:\/\/img\.example\/x\/1\.[^/]{50,}\/[0-9a-f-]{36}\.png$/);
  assert.equal((await edit([there, 'https://img.example/x/y.png'])).status, 200);
  sql(`SELECT workorder.set_setting('dispatch', 'image_base_url', NULL)`);
  assert.deepEqual((await images(uuid)).map(unsigned), [unsigned(there).replace('/x', '/api/ticket/images'), '/x/y.png']);
});

test('content or images: one of them stays', async () => {
  const missing = refused(400, 'missing content');
  const { uuid } = (await post('C1', 'create-ticket', { images: ['http://a.example/1.png'] })).json;
  assert.equal((await detail('C1', uuid)).content, '');
  const edit = (fields) => post('C1', 'edit-ticket', { uuid, ...fields });
  assert.deepEqual(said(await edit({ images: [] })), missing);
  assert.deepEqual(said(await edit({ images: [], content: ' ' })), missing);
  assert.equal((await edit({ content: 'x', images: [] })).status, 200);
  assert.deepEqual(said(await edit({ content: '\u3000' })), missing);
  assert.equal((await edit({ content: ' ', images: ['http://a.example/2.png'] })).status, 200);
  assert.deepEqual(said(await post('C1', 'create-ticket')), missing);
});

test('a form says the same as JSON', async () => {
  const bytes = image('jpeg');
  const fields = (action, ...more) => [['action', action], ['credential', who.C1], ...more];
  const made = await form(fields('create-ticket', ['content', '表单'], ['images', 'http://a.example/1.png'],
    ['images', bytes, 'a.jpg', 'image/jpeg'], ['images', '', '', 'application/octet-stream']));
  assert.equal(made.status, 200, made.text);
  const ticket = await detail('C1', made.json.uuid);
  assert.equal(ticket.content, '表单');
  assert.equal(ticket.images.length, 2);
  assert.ok((await fetchAs(ticket.images[1], 'cust1')).bytes.equals(bytes));
  const { uuid } = made.json;
  assert.equal((await form(fields('ticket-reply-create', ['uuid', uuid], ['reply', '{"userid": "1001", "content": "好"}']))).status, 200);
  assert.deepEqual(said(await form(fields('ticket-reply-create', ['uuid', uuid], ['reply', '{']))), refused(400, 'invalid reply'));
  assert.equal((await form(fields('edit-ticket', ['uuid', uuid], ['status', '7']))).status, 200);
  for (const [content, name, type] of [['<svg/>', 'a.png', 'image/png'], [image('png'), 'a.jpg', 'image/jpeg'], ['', 'a.png', 'image/png']]) {
    assert.deepEqual(said(await form(fields('create-ticket', ['images', content, name, type]))), invalid);
  }
  assert.deepEqual(said(await form([['action', 'permission-check']])), refused(401, 'invalid credential'));
});

// --- the rest ------------------------------------------------------------------

test('content and state go together or not at all', async () => {
  assert.equal((await post('C1', 'edit-ticket', { uuid: 't1', content: 'y', status: 'cancel' })).status, 200);
  const { content, status, 'operating-history': entries } = await detail('C1', 't1');
  assert.deepEqual([content, status, entries.length, entries[1].userid], ['y', 7, 2, 1001]);
  assert.deepEqual(said(await post('C1', 'edit-ticket', { uuid: 't1', content: 'z' })), refused(403, 'You are not allowed to edit this ticket'));
  // An edit that changes nothing is its creator's in any state.
  assert.equal((await post('C1', 'edit-ticket', { uuid: 't1' })).status, 200);
  assert.deepEqual(said(await post('D1', 'edit-ticket', { uuid: 't1' })), refused(403, 'You are not allowed to edit this ticket'));
});

test('in a list the map is that of the role it is listed under', async () => {
  assert.equal((await post('D1', 'edit-ticket', { uuid: 't1', status: 2, 'staff-id': 4001 })).status, 200);
  const map = async (operator) => (await post('M1', 'list', { operator })).json.tickets.find(({ uuid }) => uuid === 't1').permission;
  const base = { reply: 1, CLOSED: 0, REOPENED: 0, PENDING: 1 };
  assert.deepEqual(await map('staff'), { ...base, ASSIGNED: 0, FIXED: 1, CANCEL: 0 });
  assert.deepEqual(await map('scheduler'), { ...base, ASSIGNED: 1, FIXED: 0, CANCEL: 1 });
  assert.deepEqual((await detail('M1', 't1')).permission, { ...base, ASSIGNED: 1, FIXED: 1, CANCEL: 1 });
});

test('the operating history keeps its uuids', async () => {
  for (const status of ['ASSIGNED', 'CANCEL']) {
    assert.equal((await post('D1', 'edit-ticket', { uuid: 't1', status })).status, 200);
  }
  const entries = async () => (await detail('D1', 't1'))['operating-history'].map(({ uuid }) => uuid);
  const first = await entries();
  assert.equal(new Set(first).size, 3);
  assert.deepEqual(await entries(), first);
});

test('the native view keeps the same rules, and a disabled person is nobody', async () => {
  const patch = (login, body) =>
    ask('PATCH', '/rest/dispatch_ticket?uuid=eq.t3', { as: token('dispatch', login), body, headers: [['Prefer', 'return=representation']] });
  assert.equal((await patch('superadmin', { action: 'close' })).json[0].status, 4);
  assert.deepEqual((await patch('cust1', { action: 'reopen' })).json, []);
  assert.equal((await patch('cust2', { action: 'reopen' })).json[0].status, 5);
  assert.equal((await patch('cust2', { scheduler_id: 1 })).status, 403);
  assert.equal((await patch('cust2', { past: [] })).status, 403);
  assert.equal((await patch('superadmin', { action: 'assign', staff_id: 1 })).status, 422);
  const made = await ask('POST', '/rest/dispatch_ticket', {
    as: token('dispatch', 'cust1'), body: { content: 'native' }, headers: [['Prefer', 'return=representation']],
  });
  assert.equal(made.json[0].status, 1);
  assert.equal((await ask('POST', '/api/ticket', { as: token('dispatch', 'cust1'), body: { action: 'permission-check' } })).json.userid, '1001');
  sql(`SELECT workorder.disable('cust1')`);
  const answer = await ask('POST', '/api/ticket', { as: token('dispatch', 'cust1'), body: { action: 'permission-check' } });
  assert.deepEqual(said(answer), refused(401, 'invalid credential'));
});

test('the journal is sound', async () => {
  for (const status of ['ASSIGNED', 'CANCEL']) {
    await post('D1', 'edit-ticket', { uuid: 't1', status });
  }
  assert.equal(sql(`SELECT count(*) FROM workorder.verify('dispatch.ticket')`), '0');
});
