// Tokens as self-hosted Supabase makes them: role is a database role, sub the uuid
// of a person, who is enrolled by it (docs/operations.md, "Self-hosted Supabase").

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { ask, sql, stack } from './client.mjs';

const ann = randomUUID();
const order = { type: '外协', customer_name: 'A&B 五金', accuser_name: '原告乙', reason: '漏发', remark: 'x' };
let secret;

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
function sign(claims) {
  const now = Math.floor(Date.now() / 1000);
  const head = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ iss: 'supabase', iat: now, exp: now + 600, ...claims })}`;
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
}
// (what a session of Supabase's has besides is nothing to us)
const person = (sub) => sign({ aud: 'authenticated', role: 'authenticated', sub, email: 'ann@example.org', aal: 'aal1', is_anonymous: false, user_metadata: {} });
const service = (more = {}) => sign({ role: 'service_role', ...more });

before(() => {
  stack('fixture', 'afterservice');
  secret = sql(`SELECT value FROM workorder.secret WHERE name = 'jwt'`);
  sql(`CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS;
    GRANT authenticated, service_role TO authenticator;
    SELECT afterservice.grant_access('authenticated'), afterservice.grant_access('service_role');
    SELECT workorder.enrol('${ann}', 'Ann', '{afterservice.creator}')`);
});
after(() => {
  sql('DROP OWNED BY authenticated, service_role; DROP ROLE authenticated, service_role');
});

test('somebody who is enrolled by their uuid reads and acts', async () => {
  const as = person(ann);
  const all = await ask('GET', '/rest/orders?select=id&order=id', { as });
  assert.deepEqual([all.status, all.json?.map(({ id }) => id)], [200, [1, 2, 3, 4, 5]], all.text);
  const made = await ask('POST', '/rest/orders', { as, body: order, headers: [['Prefer', 'return=representation']] });
  assert.deepEqual([made.status, made.json?.[0].creator_name], [201, 'Ann'], made.text);
  const taken = await ask('PATCH', `/rest/orders?id=eq.${made.json[0].id}`, { as, body: { action: 'done', note: 'ok' } });
  assert.equal(taken.status, 204, taken.text);
  assert.equal(
    sql(`SELECT actor || ' ' || action FROM workorder.history WHERE relation = 'afterservice.orders'::regclass AND ticket_id = ${made.json[0].id} ORDER BY revision DESC LIMIT 1`),
    'Ann done',
  );
});

test('the APIs take them, too', async () => {
  assert.equal((await ask('GET', '/api/v1/afterservice/orders', { as: person(ann) })).status, 200);
  assert.equal((await ask('GET', '/api/v1/afterservice/orders', { as: person(randomUUID()) })).status, 401);
});

test('somebody who is not enrolled sees nothing and does nothing', async () => {
  const as = person(randomUUID());
  const all = await ask('GET', '/rest/orders', { as });
  assert.deepEqual([all.status, all.json], [200, []]);
  const made = await ask('POST', '/rest/orders', { as, body: order });
  assert.deepEqual([made.status, made.json?.code], [403, 'WO403'], made.text);
});

test('the service key sees all and is nobody, unless it says who', async () => {
  const all = await ask('GET', '/rest/orders?select=id', { as: service() });
  assert.ok(all.status === 200 && all.json.length >= 5, all.text);
  const refused = await ask('POST', '/rest/orders', { as: service(), body: order });
  assert.deepEqual([refused.status, refused.json?.code], [403, 'WO403'], refused.text);
  const made = await ask('POST', '/rest/orders', { as: service({ sub: ann }), body: order, headers: [['Prefer', 'return=representation']] });
  assert.deepEqual([made.status, made.json?.[0].creator_name], [201, 'Ann'], made.text);
});
