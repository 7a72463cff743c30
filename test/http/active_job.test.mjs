// Two workers, or one worker twice, act on an order at the same time: exactly
// one of them does, whichever doors they come through, and the logs have one
// entry of it.  And what those who do not hold an order are told.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { ask, sql, stack, token } from './client.mjs';

const rounds = 50;
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const as = (worker) => ({ as: token('active_job', worker), agent });

before(() => stack('fixture', 'active_job'));
after(() => agent.destroy());

let last = 0;
// Dispatches an order to W1; its order_id.
function order() {
  const id = `R${++last}`;
  sql(`SET workorder.actor = 'FEED';
       SELECT imported FROM active_job.import('[{"order_id": "${id}", "activity_id": "A1", "worker_id": "1"}]', true);`);
  return id;
}
const detail = async (id, worker) => (await ask('GET', `/active-job/${id}`, as(worker))).json.data;
const types = (log) => log.map(({ type }) => type).join(' ');

const closeOut = (id) => ask('POST', `/active-job/retrieve/${id}`, { ...as('W1'), body: { retrieve_info: 'race' } });
const patch = (id) =>
  ask('PATCH', `/rest/active_job_order?order_id=eq.${id}`, {
    ...as('W1'), body: { action: 'close_out', retrieve_info: 'race' }, headers: [['Prefer', 'return=representation']],
  });
const transfer = (id) => ask('POST', `/active-job/shipping/${id}`, { ...as('W1'), body: { worker_id: '2' } });

// Sends both at once, each first in every other round.
async function race(round, both) {
  const answers = [];
  await Promise.all((round % 2 ? [0, 1] : [1, 0]).map(async (i) => (answers[i] = await both[i]())));
  return { answers, statuses: answers.map(({ status }) => status), seen: JSON.stringify(answers.map(({ status, text }) => [status, text])) };
}

for (const [name, doors] of [
  ['both over the API', [closeOut, closeOut]],
  ['both over /rest', [patch, patch]],
  ['one over each', [closeOut, patch]],
]) {
  test(`${rounds} rounds of two close-outs, ${name}: one 200, one 409, one entry`, async () => {
    for (let round = 0; round < rounds; round++) {
      const id = order();
      const { statuses, seen } = await race(round, doors.map((door) => () => door(id)));
      assert.deepEqual([...statuses].sort(), [200, 409], `round ${round}: ${seen}`);
      assert.equal(types((await detail(id, 'W1')).order_log), '3 1', `round ${round}`);
    }
  });
}

test(`${rounds} rounds of transfer against close-out: exactly one wins, the other sees what it did`, async () => {
  const won = [0, 0];
  for (let round = 0; round < rounds; round++) {
    const id = order();
    const { statuses, seen } = await race(round, [() => transfer(id), () => closeOut(id)]);
    const [transferred, closed] = statuses;
    if (transferred === 200) {
      // The order is somebody else's now, and open.
      assert.equal(closed, 403, `round ${round}: ${seen}`);
      const { order_status, order_log } = await detail(id, 'W2');
      assert.deepEqual([order_status, types(order_log)], [1, '2 1'], `round ${round}`);
      won[0]++;
    } else {
      assert.deepEqual(statuses, [409, 200], `round ${round}: ${seen}`);
      const { order_status, order_log } = await detail(id, 'W1');
      assert.deepEqual([order_status, types(order_log)], [3, '3 1'], `round ${round}`);
      won[1]++;
    }
  }
  assert.equal(won[0] + won[1], rounds);
});

test('a former holder is refused everywhere, and sees nothing', async () => {
  const id = order();
  assert.equal((await transfer(id)).status, 200);
  for (const [method, target, body] of [
    ['GET', `/active-job/${id}`],
    ['PUT', `/active-job/contact/${id}?contact_status=1`],
    ['POST', `/active-job/shipping/${id}`, { worker_id: '3' }],
    ['POST', `/active-job/retrieve/${id}`, { retrieve_info: 'x' }],
  ]) {
    const answer = await ask(method, target, { ...as('W1'), body });
    assert.deepEqual([answer.status, answer.json], [403, { code: 403, message: 'not the holder of this order', data: {} }], target);
    const unknown = await ask(method, target.replace(id, 'R-unknown'), { ...as('W1'), body });
    assert.deepEqual([unknown.status, unknown.json], [404, { code: 404, message: 'order not found', data: {} }], target);
  }
  assert.deepEqual((await ask('GET', `/rest/active_job_order?order_id=eq.${id}`, as('W1'))).json, []);
  const list = await ask('GET', `/active-job?search=${id}`, as('W1'));
  assert.equal(list.json.data.items.some(({ order_id }) => order_id === id), false);
});

test('an order may be called as a word of the paths that is not reserved', async () => {
  sql(`SET workorder.actor = 'FEED';
       SELECT * FROM active_job.import('[{"order_id": "worker-list", "activity_id": "A1", "worker_id": "1"}]', true);`);
  assert.equal((await ask('GET', '/active-job/worker-list', as('W1'))).status, 200);
  assert.equal((await ask('POST', '/active-job/shipping/worker-list', { ...as('W1'), body: { worker_id: '2' } })).status, 200);
});

test('spellings: the query before the body, the sample before the other, in either', async () => {
  const id = order();
  const contact = (query, body) => ask('PUT', `/active-job/contact/${id}${query}`, { ...as('W1'), body });
  const latest = async () => (await detail(id, 'W1')).contact_log[0].status;
  for (const [query, body, status] of [
    ['?contact-status=2', undefined, 2],
    ['?contact_status=1&contact-status=2', undefined, 1],
    ['', { 'contact-status': '2' }, 2],
    ['?contact-status=3', { contact_status: 1 }, 3],
    ['?contact_status=1', { contact_status: 9 }, 1],
  ]) {
    assert.equal((await contact(query, body)).status, 200, query);
    assert.equal(await latest(), status, query);
  }
  const list = await ask('GET', '/active-job?order_status=77&order-status=0&page_size=3', as('W1'));
  assert.equal(list.json.data.pagination.item_size, 3);
  assert.notEqual(list.json.data.pagination.total_size, 0);
});

test('somebody who is no worker is nobody here', async () => {
  sql(`SELECT workorder.enrol('VISITOR', 'Visitor', '{afterservice.creator}')`);
  for (const target of ['/active-job', '/active-job/contact-reason', '/active-job/shipping/worker-list', '/active-job/1000001']) {
    const answer = await ask('GET', target, { as: token('afterservice', 'VISITOR'), agent });
    assert.deepEqual([answer.status, answer.json], [401, { code: 401, message: 'unauthenticated', data: {} }], target);
  }
  sql(`DELETE FROM workorder.actor WHERE login = 'VISITOR'`);
});

test('the journal is sound', () => {
  assert.equal(sql(`SELECT count(*) FROM workorder.verify('active_job.orders')`), '0');
});
