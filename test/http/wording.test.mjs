// What the engine refuses while a handler of one of the five APIs runs is said
// in that API's words, never in the engine's: a handler that does nothing but
// act is added to each API, and asked for every kind of refusal.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, sql, stack, token } from './client.mjs';
import { load } from './contract.mjs';

const apis = {
  active_job: {
    schema: 'active_job', target: '/active-job/provoke', actor: 'W1',
    required: [400, { code: 400, message: 'missing parameter: days', data: {} }],
    malformed: [400, { code: 400, message: 'malformed JSON', data: {} }],
    denied: [403, { code: 403, message: 'not the holder of this order', data: {} }],
    not_found: [404, { code: 404, message: 'not found', data: {} }],
    conflict: [409, { code: 409, message: 'order already returned', data: {} }],
    own: [409, { code: 409, message: 'in its own words', data: {} }],
  },
  cloud_support: {
    schema: 'cloud_support', target: '/v3_1/workorder/provoke', actor: 'U3',
    required: [400, { meta: { message: 'days: this field is required', code: 400 }, data: {} }],
    malformed: [400, { meta: { message: 'malformed JSON', code: 400 }, data: {} }],
    denied: [403, { meta: { message: 'permission denied', code: 403 }, data: {} }],
    not_found: [404, { meta: { message: 'not found', code: 404 }, data: {} }],
    conflict: [409, { meta: { message: 'permission denied', code: 409 }, data: {} }],
    own: [409, { meta: { message: 'in its own words', code: 409 }, data: {} }],
  },
  afterservice: {
    schema: 'afterservice', target: '/api/v1/afterservice/provoke', actor: 'CR',
    required: [400, { status: 400, message: 'missing field: days', data: [] }],
    malformed: [400, { status: 400, message: 'malformed JSON', data: [] }],
    denied: [403, { status: 403, message: 'permission denied', data: [] }],
    not_found: [404, { status: 404, message: 'not found', data: [] }],
    conflict: [409, { status: 409, message: 'order is not in progress', data: [] }],
    own: [409, { status: 409, message: 'in its own words', data: [] }],
  },
  call_center: {
    schema: 'call_center', target: '/api/v1/provoke', actor: 'E7',
    required: [422, { message: 'The given data was invalid.', errors: { days: ['The days field is required.'] } }],
    malformed: [400, { message: 'Malformed JSON.' }],
    denied: [403, { message: 'This action is unauthorized.' }],
    not_found: [404, { message: 'Not Found' }],
    conflict: [409, { message: 'Conflict' }],
    own: [409, { message: 'in its own words' }],
  },
  dispatch: {
    schema: 'dispatch', target: '/api/ticket/provoke',
    required: [400, { code: 400, message: 'missing days' }],
    malformed: [400, { code: 400, message: 'malformed request' }],
    denied: [403, { code: 403, message: 'You are not allowed to check this ticket' }],
    not_found: [404, { code: 404, message: 'not found' }],
    conflict: [409, { code: 409, message: 'conflict' }],
    own: [409, { code: 409, message: 'in its own words' }],
  },
};
// What the handler does, and what that is.
const refusals = {
  required: ['act 1 need', 'act 1 create'],
  malformed: ['act 1 undecided'],
  denied: ['act 1 deny'],
  not_found: ['act 1 nosuch', 'act 99 need'],
  conflict: ['act 1 later'],
  own: ['raise'],
};

before(() => {
  for (const [system] of Object.entries(apis)) {
    stack('fixture', system);
  }
  sql(`CREATE SCHEMA provoke;
       CREATE TABLE provoke.thing (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, days int, PRIMARY KEY (tenant_id, id));
       SELECT workorder.publish('{"id": "provoke", "roles": ["provoke.nobody"], "initial": "first",
         "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
         "states": {
           "first": {"on": {
             "need": {"target": "second", "allow": ["*"], "require": ["days"]},
             "undecided": {"target": "second", "allow": ["*"], "guard": "1 / ($.id - $.id) > 1"},
             "deny": {"target": "second", "allow": ["provoke.nobody"]},
             "go": {"target": "second", "allow": ["*"]}}},
           "second": {"on": {"later": {"target": "done", "allow": ["*"]}}},
           "done": {"type": "final"}}}');
       SELECT workorder.guard('provoke.thing', 'provoke');
       SELECT workorder.grant_table('provoke.thing', 'workorder_user');
       INSERT INTO provoke.thing DEFAULT VALUES;
       CREATE FUNCTION provoke.http(request workorder.http_request) RETURNS workorder.http_response
       LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
       DECLARE
         step text[] := string_to_array(coalesce(request.body, request.form) ->> 'do', ' ');
       BEGIN
         IF step[1] = 'raise' THEN
           RETURN workorder.http_error(409, 'in its own words');
         ELSIF step[3] = 'create' THEN
           -- By way of SQL, and caught and raised again on the way.
           BEGIN
             UPDATE provoke.thing SET action = 'need' WHERE id = 1;
           EXCEPTION WHEN SQLSTATE 'WO400' THEN
             RAISE;
           END;
         END IF;
         PERFORM workorder.act('provoke.thing', step[2]::bigint, step[3]);
         RETURN workorder.http_json(200, '{}');
       END $$;
       GRANT EXECUTE ON FUNCTION provoke.http(workorder.http_request) TO workorder_user;`);
  for (const { schema, target } of Object.values(apis)) {
    sql(`INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('${schema}', 'POST', '${target}', 'provoke.http')`);
  }
});
after(() => {
  sql(`DELETE FROM workorder.route WHERE handler = 'provoke.http';
       SELECT workorder.unguard('provoke.thing');
       DROP SCHEMA provoke CASCADE;`);
});

for (const [system, { target, actor, ...expected }] of Object.entries(apis)) {
  for (const [what, steps] of Object.entries(refusals)) {
    test(`${system}: ${what}`, async () => {
      for (const step of steps) {
        const answer = await ask('POST', target, {
          as: actor && token(system, actor),
          body: { do: step, ...(actor ? {} : { credential: load(system).credentials.C1 }) },
        });
        assert.deepEqual([answer.status, answer.json], expected[what], `${step}: ${answer.status} ${answer.text}`);
      }
    });
  }
}

test('the handler can succeed', async () => {
  const answer = await ask('POST', '/api/v1/provoke', { as: token('call_center', 'E7'), body: { do: 'act 1 go' } });
  assert.deepEqual([answer.status, answer.json], [200, {}], answer.text);
});
