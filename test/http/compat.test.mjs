// The switch trust_operator_name (contract afterservice 4.0 and 5): without a
// token a request acts as whoever it names, and one that names nobody is judged
// by the order's status alone.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, sql, stack, token } from './client.mjs';

const prefix = '/api/v1/afterservice';
const call = (method, path, body) => ask(method, prefix + path, { body });
const order = { type: '外协', customer_name: 'A&B 五金', accuser_name: '原告乙', reason: '漏发', remark: 'x' };

before(() => {
  stack('fixture', 'afterservice');
  sql('SELECT afterservice.trust_operator_name(true)');
});
after(() => sql('SELECT afterservice.trust_operator_name(false)'));

async function expect(status, message, method, path, body) {
  const answer = await call(method, path, body);
  assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(body)}: ${answer.status} ${answer.text}`);
  if (status !== 200) {
    assert.deepEqual(answer.json, { status, message, data: [] });
  }
  return answer.json.data;
}
const denied = [403, 'permission denied'];

test('reading needs nobody', async () => {
  assert.equal((await expect(200, 'ok', 'GET', '/orders')).length, 5);
  assert.equal((await expect(200, 'ok', 'GET', '/2/journals')).length, 3);
  assert.equal((await expect(200, 'ok', 'GET', '/all-products')).length, 3);
  assert.equal((await expect(200, 'ok', 'GET', '/supplier_user_matcher')).length, 3);
  assert.equal((await expect(200, 'ok', 'GET', '/dutyreports/typerank')).length, 2);
});

test('an order is created by whom it names', async () => {
  const [made] = await expect(200, 'ok', 'POST', '/orders', { ...order, creator_name: '张三' });
  assert.equal(made.creator_name, '张三');
  await expect(...denied, 'POST', '/orders', { ...order, creator_name: '王经理' });
  await expect(...denied, 'POST', '/orders', { ...order, creator_name: '陌生人' });
  await expect(400, 'missing field: creator_name', 'POST', '/orders', order);
  await expect(400, 'missing field: creator_name', 'POST', '/orders', { ...order, creator_name: '  ' });
});

test('content is changed by anybody, in a status in which it may be changed', async () => {
  const [changed] = await expect(200, 'ok', 'PUT', '/orders/1', { remark: '新' });
  assert.equal(changed.remark, '新');
  await expect(200, 'ok', 'PUT', '/orders/2', { tracks: [{ remark: '已电话' }] });
  await expect(200, 'ok', 'PUT', '/orders/3', { tracks: [] });
  await expect(200, 'ok', 'PUT', '/orders/2/duty-report', { publishment: '罚款' });
  const [item] = await expect(200, 'ok', 'POST', '/orders/2/abnormal-products', { skuCode: 'M-001' });
  await expect(200, 'ok', 'PUT', `/orders/2/abnormal-products/${item.id}`, { remark: 'y' });
  await expect(200, 'ok', 'DELETE', `/orders/2/abnormal-products/${item.id}`);
  await expect(409, 'order is not in progress', 'PUT', '/orders/4', { remark: 'x' });
  await expect(409, 'order is not in progress', 'POST', '/orders/5/abnormal-products', { skuCode: 'M-001' });
  await expect(404, 'order not found', 'PUT', '/orders/999', { remark: 'x', operator_name: '陌生人' });
  assert.equal(
    sql(`SELECT count(*) || ' ' || string_agg(DISTINCT '<' || actor || '>', '') FROM workorder.history
         WHERE relation = 'afterservice.orders'::regclass AND ticket_id = 2 AND action = 'update'`),
    '5 <>',
    'journalled with an empty name',
  );
});

test('a step is taken by whom it names, or by nobody', async () => {
  await expect(...denied, 'PUT', '/orders/2', { operation: 'done' });
  await expect(...denied, 'PUT', '/orders/2', { operation: 'done', operator_name: '' });
  await expect(...denied, 'PUT', '/orders/2', { operation: 'done', operator_name: '周专员' });
  await expect(...denied, 'PUT', '/orders/2', { operation: 'done', operator_name: 7 });
  await expect(...denied, 'PUT', '/orders/2', { remark: 'x', operator_name: '陌生人' });
  await expect(400, 'unsupported operation: cancel', 'PUT', '/orders/2', { operation: 'cancel' });
  await expect(200, 'ok', 'PUT', '/orders/2', { operation: 'done', operator_name: '李专员' });
  const journal = await expect(200, 'ok', 'GET', '/2/journals?per_page=100');
  assert.equal(journal.at(-1).operator_name, '李专员');
});

test('two people of one name are nobody', async () => {
  sql(`SELECT workorder.enrol('SVtwin', '李专员', '{afterservice.service}')`);
  try {
    await expect(...denied, 'PUT', '/orders/2', { operation: 'done', operator_name: '李专员' });
  } finally {
    sql(`SELECT workorder.disable('SVtwin')`);
  }
  await expect(200, 'ok', 'PUT', '/orders/2', { operation: 'done', operator_name: '李专员' });
});

test('an order is deleted by anybody while it waits', async () => {
  await expect(409, 'delete is not allowed in status finance_reviewing', 'DELETE', '/orders/3');
  await expect(200, 'ok', 'DELETE', '/orders/1');
});

test('who has a token acts by it', async () => {
  const answer = await ask('PUT', `${prefix}/orders/3`, {
    as: token('afterservice', 'CR'), body: { operation: 'done', operator_name: '钱会计' },
  });
  assert.equal(answer.status, 403);
});

test('it opens this API and nothing else', async () => {
  assert.equal((await ask('GET', '/rest/orders')).status, 401);
  const { json } = await ask('PATCH', '/rest/orders?id=eq.3', { body: { action: 'done' } });
  assert.equal(json.code, '42501');
});

test('off again', async () => {
  sql('SELECT afterservice.trust_operator_name(false)');
  await expect(401, 'authentication required', 'GET', '/orders');
  await expect(401, 'authentication required', 'PUT', '/orders/3', { operation: 'done', operator_name: '钱会计' });
});

test('the journal is sound', () => {
  assert.equal(sql(`SELECT count(*) FROM workorder.verify('afterservice.orders')`), '0');
});
