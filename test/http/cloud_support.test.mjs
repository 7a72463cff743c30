// The support API beyond its vectors: pages are turned by following their
// links, forms are taken, what is odd is refused in the envelope, replies leave
// no trace on what the API shows of a work order, and /rest sees the same rows.

import { before, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, base, sql, stack, token } from './client.mjs';

const root = '/v3_1/workorder';
const as = (actor) => token('cloud_support', actor);
const get = (path, actor = 'U3') => ask('GET', path.startsWith('/v3_1') ? path : `${root}${path}`, { as: as(actor) });
const post = (path, body, actor = 'U3', headers) => ask('POST', `${root}${path}`, { as: as(actor), body, headers });
const form = [['Content-Type', 'application/x-www-form-urlencoded']];

before(() => stack('fixture', 'cloud_support'));

function refused(answer, status, message) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json, { meta: { message, code: status }, data: {} });
}

// Where a link of ours leads; they are absolute.
function target(link) {
  assert.ok(link.startsWith(`${base.origin}/`), link);
  return link.slice(base.origin.length);
}

// Follows next to the end, then previous back to the start; all that was seen.
async function turn(start, actor) {
  const seen = [];
  const pages = [];
  let link = start;
  while (link !== null) {
    const answer = await get(link, actor);
    assert.equal(answer.status, 200, `${link}: ${answer.text}`);
    const { data } = answer.json;
    seen.push(...data.results);
    pages.push(link);
    assert.ok(pages.length < 100, 'next never ends');
    assert.equal(data.results.length > 0, true, link);
    assert.equal(data.previous === null, pages.length === 1, link);
    link = data.next === null ? null : target(data.next);
    if (data.previous !== null) {
      const back = await get(target(data.previous), actor);
      const there = await get(pages.at(-2), actor);
      assert.deepEqual(back.json, there.json);
    }
  }
  return { seen, pages };
}

test('the list is turned page by page, and nothing is missing or seen twice', async () => {
  for (let i = 0; i < 7; i++) {
    assert.equal((await post('/workorder/', { support: 1, type: 'test', question: `question ${i}` }, i % 2 ? 'U3' : 'U4')).status, 200);
  }
  for (const actor of ['A9', 'U3']) {
    const all = (await get('/workorder_list/', actor)).json.data;
    for (const size of [1, 2, 3, 5, 100]) {
      for (const query of [`page=1&page_size=${size}`, `page_size=${size}&x=page=9&page=1`, `p%61ge=1&page_size=${size}`]) {
        const { seen, pages } = await turn(`${root}/workorder_list/?${query}`, actor);
        assert.deepEqual(seen, all.results, query);
        assert.equal(pages.length, Math.ceil(all.count / size), query);
      }
    }
  }
});

test('other parameters stay in the links', async () => {
  const { next, previous } = (await get('/workorder_list?page_size=2&lang=%E4%B8%AD&page=2', 'A9')).json.data;
  assert.equal(target(next), `${root}/workorder_list?page_size=2&lang=%E4%B8%AD&page=3`);
  assert.equal(target(previous), `${root}/workorder_list?page_size=2&lang=%E4%B8%AD&page=1`);
});

test('the conversation is turned page by page, the newest first', async () => {
  for (let i = 0; i < 5; i++) {
    assert.equal((await post('/workorder_detail/', { workorder_id: 1, detail: { text: `reply ${i}` } }, i % 2 ? 'U3' : 'A9')).status, 200);
  }
  const all = (await get('/workorder_detail/?workorder_id=1')).json.data;
  assert.equal(all.count, 8);
  assert.deepEqual(all.results.slice(0, 5).map(({ detail, role }) => [detail.text, role]), [
    ['reply 4', 1], ['reply 3', 0], ['reply 2', 1], ['reply 1', 0], ['reply 0', 1],
  ]);
  for (const size of [1, 3, 8]) {
    const { seen } = await turn(`${root}/workorder_detail/?workorder_id=1&page=1&page_size=${size}`, 'A9');
    assert.deepEqual(seen, all.results);
  }
  refused(await get('/workorder_detail/?workorder_id=1&page=9&page_size=1'), 404, 'Invalid page.');
});

test('pages that there cannot be', async () => {
  for (const page of ['', '0', '00', '-1', '1.5', '1e3', ' 1', '٣', '99999999999999999999999', '2147483648']) {
    refused(await get(`/workorder_list/?page=${encodeURIComponent(page)}&page_size=5`), 404, 'Invalid page.');
  }
  for (const size of ['', '0', '-5', 'ten', '1.5', '1e3']) {
    refused(await get(`/workorder_list/?page=1&page_size=${size}`), 400, 'page_size: not a valid integer');
  }
  const { data } = (await get('/workorder_list/?page=01&page_size=99999999999999999999999')).json;
  assert.equal(data.page_size, 100);
});

test('a reply moves nothing that the API shows of the work order; a step does', async () => {
  const row = async () => (await get('/workorder_list/', 'A9')).json.data.results.find(({ id }) => id === 3);
  const was = await row();
  const reply = (await post('/workorder_detail/', { workorder_id: 3, detail: { text: '', image: ['https://example.com/1.png'] } }, 'A9')).json.data;
  assert.deepEqual(reply.detail, { text: '', image: ['https://example.com/1.png'] });
  assert.deepEqual(await row(), was);
  const [stored] = (await get('/workorder_detail/?workorder_id=3')).json.data.results;
  assert.deepEqual(stored, reply);
  assert.equal((await post('/workorder_status/', { workorder_id: 3, status: 1 }, 'A9')).status, 200);
  const now = await row();
  assert.equal(now.status, 1);
  assert.ok(now.updated_at > was.updated_at);
  assert.equal(now.created_at, was.created_at);
  // The same status is no step: nothing is journalled.
  const lines = () => sql(`SELECT count(*) FROM workorder.history WHERE relation = 'cloud_support.workorder'::regclass AND ticket_id = 3`);
  const before = lines();
  assert.equal((await post('/workorder_status/', { workorder_id: 3, status: 1 }, 'U3')).status, 200);
  assert.equal(lines(), before);
});

test('forms are taken where the contract says so', async () => {
  const made = await post('/workorder/', 'support=0&type=module&question=%E8%A6%81+20&module=CM-1&amount=20&company=&email=', 'U3', form);
  assert.equal(made.status, 200, made.text);
  assert.equal(made.json.data.support, false);
  assert.deepEqual((await get(`/workorder_content/?workorder_id=${made.json.data.id}&type=module`)).json.data, {
    id: made.json.data.id, type: 'module', status: 2, question: '要 20', module: 'CM-1', amount: 20,
    company: null, contact: null, cellphone: null, location: null, email: null, address: null,
  });
  assert.equal((await post('/workorder_status/', `workorder_id=${made.json.data.id}&status=0`, 'U3', form)).status, 200);
  refused(await post('/workorder_detail/', 'workorder_id=1', 'U3', form), 415, 'unsupported media type');
});

test('every field is checked, in the order of the contract', async () => {
  const order = { support: 1, type: 'module', question: 'q', module: 'CM-1', amount: 1 };
  const cases = [
    [{ support: 'yes' }, 'support: not a valid boolean'],
    [{ support: null, type: 'x' }, 'support: this field is required'],
    [{ type: 7 }, 'type: not a valid choice'],
    [{ type: ['sys'] }, 'type: not a valid choice'],
    [{ question: '　\t' }, 'question: this field is required'],
    [{ module: 'm'.repeat(101) }, 'module: too long (max 100)'],
    [{ module: 5 }, 'module: not a valid string'],
    [{ amount: 0 }, 'amount: not a valid integer'],
    [{ amount: 1000001 }, 'amount: not a valid integer'],
    [{ amount: 1.5, company: 1 }, 'amount: not a valid integer'],
    [{ amount: 1e300 }, 'amount: not a valid integer'],
    [{ company: 'c'.repeat(201) }, 'company: too long (max 200)'],
    [{ contact: {} }, 'contact: not a valid string'],
    [{ location: 'l'.repeat(201) }, 'location: too long (max 200)'],
    [{ cellphone: '12a' }, 'cellphone: not a valid string'],
    [{ cellphone: '1'.repeat(33) }, 'cellphone: too long (max 32)'],
    [{ email: 'a@b@c' }, 'email: not a valid email'],
    [{ email: 'a b@c' }, 'email: not a valid email'],
    [{ email: 'nobody' }, 'email: not a valid email'],
    [{ address: 'a'.repeat(501) }, 'address: too long (max 500)'],
  ];
  const count = async () => (await get('/workorder_list/')).json.data.count;
  const had = await count();
  for (const [change, message] of cases) {
    refused(await post('/workorder/', { ...order, ...change }), 400, message);
  }
  assert.equal(await count(), had);
  const taken = { ...order, amount: '1000000', cellphone: '+86 (0755) 1234-5678', email: 'é@例子', address: '😀'.repeat(500), question: '长'.repeat(5000) };
  assert.equal((await post('/workorder/', taken)).status, 200);

  const reply = (detail) => post('/workorder_detail/', { workorder_id: 1, detail });
  refused(await reply({ text: 'x', image: 'http://example.com' }), 400, 'detail.image: not a valid list');
  refused(await reply({ text: 'x', image: Array(10).fill('http://example.com/a') }), 400, 'detail.image: too long (max 9)');
  refused(await reply({ text: 'x', image: [`http://example.com/${'a'.repeat(2048)}`] }), 400, 'detail.image: too long (max 2048)');
  for (const image of ['', null, 5, 'ftp://example.com', 'http://', 'http://a b']) {
    refused(await reply({ text: 'x', image: ['http://example.com', image] }), 400, 'detail.image: not a valid url');
  }
  refused(await reply({ text: 5 }), 400, 'detail.text: not a valid string');
  refused(await reply({ text: 'x'.repeat(5001) }), 400, 'detail.text: too long (max 5000)');
  refused(await reply([]), 400, 'detail: not a valid dict');
  assert.deepEqual((await reply({ image: ['http://example.com'], more: 1 })).json.data.detail, { text: '', image: ['http://example.com'] });
  for (const id of ['0', -1, 2147483648, '99999999999999999999']) {
    refused(await post('/workorder_status/', { workorder_id: id, status: 0 }), 404, 'workorder not found');
  }
  for (const id of [1.5, true, {}, [1], 'one']) {
    refused(await post('/workorder_status/', { workorder_id: id, status: 0 }), 400, 'workorder_id: not a valid integer');
  }
  for (const status of [-1, 3, '10', 1e9]) {
    refused(await post('/workorder_status/', { workorder_id: 1, status }), 400, 'status: not a valid choice');
  }
});

test('what is no JSON object is malformed', async () => {
  for (const body of ['', '[]', '"x"', '7', 'null', '{"support":1', '\ufeff', '{"question":"\\ud800"}']) {
    for (const target of ['/workorder/', '/workorder_detail/', '/workorder_status/']) {
      refused(await post(target, body), 400, 'malformed JSON');
    }
  }
  refused(await get('/workorder_content/?workorder_id=1&type=%00'), 400, 'type: not a valid string');
});

test('what is not yours is not told apart by its type, and what is not there is not found', async () => {
  refused(await get('/workorder_content/?workorder_id=5&type=module'), 403, 'permission denied');
  refused(await get('/workorder_content/?workorder_id=5&type=sys'), 404, 'workorder not found');
  refused(await get('/workorder_content/?workorder_id=777777&type=sys'), 404, 'workorder not found');
  // Who has no role raises nothing and sees nothing.
  sql(`SELECT workorder.enrol('outsider', 'Outsider', '{}')`);
  const outsider = sql(`SELECT workorder.token(1, 'outsider')`);
  refused(await ask('POST', `${root}/workorder/`, { as: outsider, body: { support: 1, type: 'sys', question: 'q' } }), 403, 'permission denied');
  assert.equal((await ask('GET', `${root}/workorder_list/`, { as: outsider })).json.data.count, 0);
  refused(await ask('GET', `${root}/workorder_detail/?workorder_id=1`, { as: outsider }), 403, 'permission denied');
  // A role without a number is not enough to raise one.
  sql(`SELECT workorder.enrol('outsider', 'Outsider', '{cloud_support.user}')`);
  refused(await ask('POST', `${root}/workorder/`, { as: outsider, body: { support: 1, type: 'sys', question: 'q' } }), 403, 'permission denied');
  sql(`SELECT workorder.disable('outsider')`);
  refused(await ask('GET', `${root}/workorder_list/`, { as: outsider }), 401, 'authentication required');
});

test('two answerers take the same step: both are told yes, the journal has one line', async () => {
  for (let round = 0; round < 20; round++) {
    const { id } = (await post('/workorder/', { support: 1, type: 'sys', question: 'race' })).json.data;
    const answers = await Promise.all([1, 1].map((status) => post('/workorder_status/', { workorder_id: id, status }, 'A9')));
    assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
    assert.equal(sql(`SELECT count(*) FROM workorder.history WHERE relation = 'cloud_support.workorder'::regclass AND ticket_id = ${id} AND action = 'accept'`), '1');
  }
});

test('/rest shows and moves the same work orders', async () => {
  const rows = await ask('GET', '/rest/cloud_support_workorder?select=id,committer,status&order=id&limit=2', { as: as('U3') });
  assert.deepEqual(rows.json, [{ id: 1, committer: 3, status: 0 }, { id: 2, committer: 3, status: 2 }]);
  assert.deepEqual((await ask('GET', '/rest/cloud_support_workorder?id=eq.5', { as: as('U3') })).json, []);
  const patch = (actor, body) =>
    ask('PATCH', '/rest/cloud_support_workorder?id=eq.2', { as: as(actor), body, headers: [['Prefer', 'return=representation']] });
  assert.equal((await patch('U3', { action: 'put_back' })).status, 409);
  const moved = await patch('A9', { action: 'accept', note: 'mine' });
  assert.equal(moved.status, 200, moved.text);
  assert.deepEqual([moved.json[0].status, moved.json[0].last_note], [1, 'mine']);
  assert.equal((await patch('A9', { question: 'other words' })).status, 404);
  const actions = await ask('POST', '/rest/rpc/actions', { as: as('U3'), body: { relation: 'cloud_support_workorder', id: 2 } });
  assert.deepEqual(actions.json.filter(({ allowed }) => allowed).map(({ action }) => action), ['put_back', 'reply', 'solve', 'view']);
  const made = await ask('POST', '/rest/cloud_support_workorder', { as: as('U4'), body: { type: 'module', question: 'q', support: true } });
  assert.equal(made.status, 422, made.text);
});

test('the journal is sound', () => {
  assert.equal(sql(`SELECT count(*) FROM workorder.verify('cloud_support.workorder')`), '0');
});
