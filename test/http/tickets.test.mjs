// Call-centre tickets where the vectors do not look: changes that cross, whole
// tickets that are sent back, every way to write a list, and a flow that says
// who may change what.

import { after, before, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { ask, sql, stack, token } from './client.mjs';

const prefix = '/api/v1';
const rounds = 30;
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const as = (actor) => token('call_center', actor);

const get = (target, actor = 'E7') => ask('GET', `${prefix}${target}`, { as: as(actor), agent });
const put = (id, body, actor = 'E7') => ask('PUT', `${prefix}/ticket/${id}`, { as: as(actor), body, agent });
const post = (body, options = {}) => ask('POST', `${prefix}/ticket`, { as: as('E7'), body, agent, ...options });
const remove = (id, actor = 'E7') => ask('DELETE', `${prefix}/ticket/${id}`, { as: as(actor), agent });
const lines = (id) =>
  sql(`SELECT string_agg(action || ' ' || changes::text, E'\\n' ORDER BY revision) FROM workorder.history
       WHERE relation = 'call_center.ticket'::regclass AND ticket_id = ${id} AND action NOT IN ('import', 'create')`);

before(() => stack('fixture', 'call_center'));
beforeEach(() => stack('fixture', 'call_center'));
after(() => agent.destroy());

test(`${rounds} rounds: changes of different fields at one time both survive`, async () => {
  for (let round = 0; round < rounds; round++) {
    const [a, b, c] = await Promise.all([
      put(66, { subject: `subject ${round}`, status: 2 }),
      put(66, { content: `content ${round}` }, 'E6'),
      put(66, { priority: round % 4, status_memo: `memo ${round}` }),
    ]);
    assert.deepEqual([a.status, b.status, c.status], [200, 200, 200]);
    const { json } = await get('/ticket/66');
    assert.deepEqual(
      [json.subject, json.content, json.priority, json.status_memo, json.status],
      [`subject ${round}`, `content ${round}`, round % 4, `memo ${round}`, 2],
    );
  }
  assert.equal(sql(`SELECT count(*) FROM workorder.verify('call_center.ticket')`), '0');
});

test(`${rounds} rounds: of changes of one field the last wins, and both are journalled`, async () => {
  for (let round = 0; round < rounds; round++) {
    const answers = await Promise.all([put(67, { subject: `a${round}`, status: 1 }), put(67, { subject: `b${round}`, status: 3 }, 'E6')]);
    assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
    const { json } = await get('/ticket/67');
    assert.ok([`a${round} 1`, `b${round} 3`].includes(`${json.subject} ${json.status}`), `${json.subject} ${json.status}`);
    const journal = lines(67);
    for (const subject of [`a${round}`, `b${round}`]) {
      assert.equal(journal.split(`, "${subject}"]`).length - 1, 1, `${subject} in ${journal}`);
    }
    assert.ok(journal.split('\n').at(-1).includes(`, "${json.subject}"]`));
  }
  assert.equal(sql(`SELECT count(*) FROM workorder.verify('call_center.ticket')`), '0');
});

test('a ticket that is deleted while somebody changes it is gone for both', async () => {
  for (let round = 0; round < 10; round++) {
    stack('fixture', 'call_center');
    const [changed, removed] = await Promise.all([put(66, { subject: 'x' }), remove(66, 'E6')]);
    assert.equal(removed.status, 204);
    assert.ok([200, 404].includes(changed.status));
    if (changed.status === 404) {
      assert.deepEqual(changed.json, { message: 'Not Found' });
    }
    assert.equal((await get('/ticket/66')).status, 404);
  }
});

test('a ticket may be sent back whole, whatever has become of what it refers to', async () => {
  for (const id of [65, 66, 67]) {
    const { json } = await get(`/ticket/${id}`);
    assert.deepEqual((await put(id, json)).json, json);
  }
  sql(`SELECT call_center.import('contact', '[{"id": 2, "deleted": true}]'), call_center.import('termination_code', '[{"id": 5, "deleted": true}]')`);
  const { json } = await get('/ticket/66');
  assert.equal(json.contact.id, 2);
  assert.deepEqual((await put(66, json)).json, json);
  assert.equal(lines(66), '');
  assert.deepEqual((await put(67, { contact_id: 2 })).json.errors, { contact_id: ['The selected contact id is invalid.'] });
});

test('a form, urlencoded or in parts, is as good as JSON; what it leaves blank is null', async () => {
  const form = [['Content-Type', 'application/x-www-form-urlencoded']];
  const created = await post('subject=a%20b&content=%E5%85%A7&status=1&due_at=2019-05-01&handler_id=7&sponsor_id=', { headers: form });
  assert.equal(created.status, 200, created.text);
  const { data } = created.json;
  assert.deepEqual([data.subject, data.content, data.status, data.due_at, data.handler.id, data.sponsor_id], ['a b', '內', 1, '2019-05-01 00:00:00', 7, null]);
  const cleared = await ask('PUT', `${prefix}/ticket/${data.id}`, { as: as('E7'), headers: form, body: 'handler_id=&due_at=' });
  assert.deepEqual([cleared.json.handler, cleared.json.handler_id, cleared.json.due_at, cleared.json.subject], [null, null, null, 'a b']);
  const parts = '--x\r\nContent-Disposition: form-data; name="subject"\r\n\r\nin parts\r\n--x\r\nContent-Disposition: form-data; name="content"\r\n\r\nc\r\n--x--\r\n';
  const multipart = await post(parts, { headers: [['Content-Type', 'multipart/form-data; boundary=x']] });
  assert.equal(multipart.json?.data.subject, 'in parts', multipart.text);
  const nul = await post('subject=a%00b&content=c', { headers: form });
  assert.deepEqual([nul.status, nul.json], [422, { message: 'The given data was invalid.', errors: { subject: ['The subject must be a string.'] } }]);
  assert.equal((await post('<a/>', { headers: [['Content-Type', 'application/xml']] })).status, 415);
});

test('every way to write a list, a number or a time', async () => {
  const found = async (query) => (await get(`/ticket?${query}`)).json.data.map(({ id }) => id);
  for (const query of ['statuses[]=0&statuses[]=3', 'statuses[0]=0&statuses[1]=3', 'statuses=0&statuses=3', 'statuses=0,3', 'statuses=[0,3]', 'statuses=%5B0%2C3%5D']) {
    assert.deepEqual(await found(query), [67, 65], query);
  }
  for (const name of ['creater_ids', 'creator_ids', 'creater_ids[]']) {
    assert.deepEqual(await found(`${name}=6`), [66, 65], name);
  }
  assert.deepEqual(await found('handler_ids=99999999999999999999,-5'), []);
  assert.deepEqual(await found('contact_id=99999999999999999999'), []);
  assert.deepEqual(await found('termination_code_ids=5,99'), [66]);
  // 18:00 in Taipei is 10:00 in London.
  assert.deepEqual(await found('due_at__start=2019-05-01T10:00:00Z&due_at__end=2019-05-01T18:00:00%2B08:00'), [66]);
  assert.deepEqual(await found('due_at__start=2019-05-01T10:00:01Z'), []);
  assert.deepEqual(await found('created_at__end=2019-04-16'), [67, 66, 65]);
  assert.deepEqual(await found('created_at__start=2019-04-17&created_at__end=2019-04-15'), []);
  assert.deepEqual(await found('search=&statuses=&contact_id=&due_at__start='), [67, 66, 65]);
  const bad = await get('/ticket?creater_ids=6,x&created_at__end=2019-02-30&contact_id=1.5');
  assert.deepEqual([bad.status, Object.keys(bad.json.errors).sort()], [422, ['contact_id', 'created_at__end', 'creater_ids.1']]);
  assert.deepEqual((await get(`/ticket?search=${'a'.repeat(201)}`)).json.errors, { search: ['The search may not be greater than 200 characters.'] });
});

test('pages from either end, past it, and of whatever filter, list every ticket once', async () => {
  for (let n = 0; n < 22; n++) {
    await post({ subject: `bulk ${n}`, content: 'x', status: n % 4, handler_id: n % 2 ? 7 : 6, priority: 1 });
  }
  for (const filter of ['', 'statuses=0,1,3', 'handler_ids=6,7', 'handler_ids=7', 'search=bulk', 'created_at__start=2019-04-16', 'creater_ids=7&statuses=1']) {
    const whole = (await get(`/ticket?per_page=1000&${filter}`)).json;
    const ids = whole.data.map(({ id }) => id);
    assert.equal(whole.meta.total, ids.length, filter);
    assert.deepEqual(ids, [...ids].sort((a, b) => b - a), filter);
    const seen = [];
    for (let page = 1; page <= Math.ceil(ids.length / 4); page++) {
      const { data, meta } = (await get(`/ticket?per_page=4&page=${page}&${filter}`)).json;
      assert.deepEqual([meta.from, meta.to, meta.total], [seen.length + 1, seen.length + data.length, ids.length], filter);
      seen.push(...data.map(({ id }) => id));
    }
    assert.deepEqual(seen, ids, filter);
  }
});

test('whoever is no employee is nobody, and the database looks after itself', async () => {
  sql(`SELECT workorder.enrol('passer-by', 'Passer-by', '{}')`);
  const stranger = sql(`SELECT workorder.token(1, 'passer-by')`);
  for (const [method, target] of [['GET', '/ticket'], ['POST', '/ticket'], ['PUT', '/ticket/66'], ['DELETE', '/ticket/66'], ['GET', '/employee'], ['GET', '/category']]) {
    const answer = await ask(method, `${prefix}${target}`, { as: stranger, body: method === 'POST' || method === 'PUT' ? {} : undefined, agent });
    assert.deepEqual([answer.status, answer.json], [401, { message: 'Unauthenticated.' }], `${method} ${target}`);
  }
  const native = await ask('GET', '/rest/call_center_ticket', { as: stranger, agent });
  assert.deepEqual(native.json, []);
  const patched = await ask('PATCH', '/rest/call_center_ticket?id=eq.67', {
    as: as('E6'), body: { status: 3, subject: 'native' }, headers: [['Prefer', 'return=representation']], agent,
  });
  assert.deepEqual([patched.status, patched.json[0].state, patched.json[0].status], [200, 'closed', 3]);
  const feed = await ask('PATCH', '/rest/call_center_ticket?id=eq.67', { as: as('E6'), body: { campaign_queue_id: 1 }, agent });
  assert.equal(feed.status, 403, feed.text);
});

test('a flow that is stricter is answered in the API\'s words', async () => {
  // New tickets only: those that are there stay on the flow they began with.
  const published = sql(`SELECT workorder.publish(jsonb_set(jsonb_set(call_center.flow(), '{on,delete,allow}', '["$creator_id"]'),
    '{on,update}', (SELECT jsonb_agg(u || '{"allow": ["$creator_id", "$handler_id"]}') FROM jsonb_array_elements(call_center.flow() -> 'on' -> 'update') u)))`);
  try {
    const { data } = (await post({ subject: 's', content: 'c', handler_id: 15 })).json;
    const refused = { message: 'This action is unauthorized.' };
    const update = await put(data.id, { subject: 'x' }, 'E6');
    assert.deepEqual([update.status, update.json], [403, refused]);
    const gone = await remove(data.id, 'E6');
    assert.deepEqual([gone.status, gone.json], [403, refused]);
    assert.deepEqual((await put(data.id, { handler_id: 6 })).json.handler_id, 6);
    assert.deepEqual((await put(data.id, { subject: 'mine now' }, 'E6')).json.subject, 'mine now');
    assert.equal((await put(66, { subject: 'of old' })).status, 200);
    assert.equal((await remove(data.id)).status, 204);
  } finally {
    assert.notEqual(sql('SELECT workorder.publish(call_center.flow())'), published);
  }
});
