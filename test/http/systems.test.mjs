// Five APIs behind one gateway: who belongs to one system is, to the four
// others, what their contracts say of somebody who takes no part, and sees
// nothing of theirs under /rest/ either.

import { before, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, sql, stack, token } from './client.mjs';

const people = { active_job: 'W1', afterservice: 'CR', call_center: 'E7', cloud_support: 'U3', dispatch: 'cust1' };

// A list, a ticket that is there, one that is not, and a change, of each; what
// a stranger is answered, and what a list of theirs holds if they may have one.
const endpoints = {
  active_job: [
    ['GET', '/active-job', undefined, 401],
    ['GET', '/active-job/1000001', undefined, 401],
    ['GET', '/active-job/none', undefined, 401],
    ['POST', '/active-job/retrieve/1000001', 'no JSON', 401],
  ],
  afterservice: [
    ['GET', '/api/v1/afterservice/orders', undefined, 200, ({ data }) => data],
    ['GET', '/api/v1/afterservice/all-products', undefined, 200, ({ data }) => data],
    ['GET', '/api/v1/afterservice/dutyreports/typerank', undefined, 200, ({ data }) => data],
    ['GET', '/api/v1/afterservice/orders/1/journals', undefined, 404],
    ['PUT', '/api/v1/afterservice/orders/1', { operation: 'done' }, 404],
  ],
  call_center: [
    ['GET', '/api/v1/ticket', undefined, 401],
    ['GET', '/api/v1/ticket/66', undefined, 401],
    ['PUT', '/api/v1/ticket/66', 'no JSON', 401],
    ['GET', '/api/v1/employee', undefined, 401],
  ],
  cloud_support: [
    ['GET', '/v3_1/workorder/workorder_list/', undefined, 200, ({ data }) => data.results],
    ['GET', '/v3_1/workorder/workorder_content/?workorder_id=5&type=tech', undefined, [403, 404]],
    ['POST', '/v3_1/workorder/workorder_status/', { workorder_id: 5, status: 0 }, 403],
    ['POST', '/v3_1/workorder/workorder_status/', { workorder_id: 999, status: 0 }, 404],
    ['POST', '/v3_1/workorder/workorder/', { support: true, type: 'sys', question: 'x' }, 403],
  ],
  dispatch: [
    ['POST', '/api/ticket', { action: 'list', status: 'all' }, 403],
    ['POST', '/api/ticket', { action: 'ticket-detail', uuid: 't1' }, 403],
    ['POST', '/api/ticket', { action: 'ticket-detail', uuid: 'none' }, 404],
    ['POST', '/api/ticket', { action: 'edit-ticket', uuid: 't1', content: 'mine' }, 403],
    ['POST', '/api/ticket', { action: 'create-ticket', content: 'x' }, 403],
  ],
};
const views = {
  active_job: 'active_job_order',
  afterservice: 'orders',
  call_center: 'call_center_ticket',
  cloud_support: 'cloud_support_workorder',
  dispatch: 'dispatch_ticket',
};
const systems = Object.keys(people);

before(() => systems.forEach((system) => stack('fixture', system)));

for (const system of systems) {
  const as = () => token(system, people[system]);

  test(`${system}: one of its people is a stranger to the others`, async () => {
    const journal = sql('SELECT count(*) FROM workorder.journal');
    for (const other of systems.filter((name) => name !== system)) {
      for (const [method, target, body, status, items] of endpoints[other]) {
        const answer = await ask(method, target, { as: as(), body });
        assert.ok([status].flat().includes(answer.status), `${method} ${target}: ${answer.status} ${answer.text}`);
        if (items !== undefined) {
          assert.deepEqual(items(answer.json), [], `${target}: ${answer.text}`);
        }
      }
    }
    assert.equal(sql('SELECT count(*) FROM workorder.journal'), journal);
  });

  test(`${system}: under /rest/ one of its people sees its own tickets only`, async () => {
    for (const other of systems) {
      const { status, json } = await ask('GET', `/rest/${views[other]}?select=id`, { as: as() });
      assert.equal(status, 200);
      assert.equal(json.length > 0, other === system, `${other}: ${JSON.stringify(json)}`);
    }
  });

  test(`${system}: nobody is 401 everywhere`, async () => {
    for (const [method, target, body] of endpoints[system]) {
      assert.equal((await ask(method, target, { body: typeof body === 'string' ? undefined : body })).status, 401, target);
    }
  });
}
