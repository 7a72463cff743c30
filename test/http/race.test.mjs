// Two clients approve the same step at the same time: exactly one of them does,
// whichever door they come through, and the journal has one line of it.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { ask, sql, stack, token } from './client.mjs';

const prefix = '/api/v1/afterservice';
const rounds = 50;
// Steps after which the order belongs to somebody else, and who takes them.
const steps = [
  ['service_approved', 'SV'],
  ['manager_reviewed', 'MG'],
  ['chief_reviewed', 'CH'],
  ['finance_reviewing', 'FI'],
];
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

before(() => stack('fixture', 'afterservice'));
after(() => agent.destroy());

const put = (id, actor) =>
  ask('PUT', `${prefix}/orders/${id}`, { as: token('afterservice', actor), body: { operation: 'done', remark: 'race' }, agent });
const patch = (id, actor) =>
  ask('PATCH', `/rest/orders?id=eq.${id}`, {
    as: token('afterservice', actor), body: { action: 'done', note: 'race' }, headers: [['Prefer', 'return=representation']], agent,
  });

// Makes an order that rests in a status, by loading it as history.
function order(status) {
  return Number(
    sql(`
      INSERT INTO afterservice.orders (serial_number, type, customer_name, accuser_name, creator_name, reason, remark,
        saler_id, state, revision, creator_id, created_at, entered_at, updated_at)
      VALUES ('race' || gen_random_uuid(), '外协', '华东模具厂', '原告甲', '张三', '漏发', '少两件',
        21, 'in_progress.${status}', 0, 23, now(), now(), now())
      RETURNING id`),
  );
}

for (const [name, doors] of [
  ['both over the API', [put, put]],
  ['both over /rest', [patch, patch]],
  ['one over each', [put, patch]],
]) {
  test(`${rounds} rounds, ${name}: one success, one line`, async () => {
    const won = [0, 0];
    for (let round = 0; round < rounds; round++) {
      const [status, actor] = steps[round % steps.length];
      const id = order(status);
      const answers = await Promise.all((round % 2 ? [0, 1] : [1, 0]).map((i) => doors[i](id, actor).then((answer) => [i, answer])));
      const good = answers.filter(([, answer]) => answer.status === 200);
      const bad = answers.filter(([, answer]) => answer.status === 403 || answer.status === 409);
      const seen = JSON.stringify(answers.map(([, answer]) => [answer.status, answer.text]));
      assert.equal(good.length, 1, `round ${round}, ${status}: ${seen}`);
      assert.equal(bad.length, 1, `round ${round}, ${status}: ${seen}`);
      won[good[0][0]]++;
      assert.equal(
        sql(`SELECT count(*) || ' ' || max(note) FROM workorder.history
             WHERE relation = 'afterservice.orders'::regclass AND ticket_id = ${id} AND action = 'done'`),
        '1 race',
        `round ${round}`,
      );
    }
    assert.equal(won[0] + won[1], rounds);
  });
}

test('the journal is sound', () => {
  assert.equal(sql(`SELECT count(*) FROM workorder.verify('afterservice.orders')`), '0');
});
