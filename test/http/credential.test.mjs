// A person who is known by what the body says, an encrypted credential: who is
// not let in gets the API's own envelope and the words of the error, through
// nginx, where it would otherwise show a page of its own.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { ask, sql } from './client.mjs';

const key = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const path = '/sealed/do';

// What an application sends that shares the key.
export function seal(username, password, { with: secret = key, nonce = 'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf' } = {}) {
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(secret, 'hex'), Buffer.from(nonce, 'hex'));
  const sealed = cipher.update(password, 'utf8', 'hex') + cipher.final('hex');
  const authTag = cipher.getAuthTag().toString('hex');
  return Buffer.from(JSON.stringify({ username, password: sealed, nonce, authTag })).toString('hex');
}

before(() => {
  sql(`
    SELECT workorder.enrol('sealed-ann', 'Ann');
    SELECT workorder.set_password('sealed-ann', 'correct horse');
    DELETE FROM workorder.secret WHERE name LIKE 'credential%';
    SELECT workorder.rotate_credential_key(key => '${key}');
    DROP SCHEMA IF EXISTS sealed CASCADE;
    CREATE SCHEMA sealed;
    CREATE FUNCTION sealed.identify(request workorder.http_request) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
      IF request.body ->> 'raise' IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = request.body ->> 'raise', MESSAGE = request.body ->> 'message';
      END IF;
      RETURN workorder.open_credential(request.body ->> 'credential');
    END $$;
    CREATE FUNCTION sealed.who(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
      RETURN workorder.http_json(200, (SELECT json_build_object('login', a.login, 'role', current_user)
        FROM workorder.actor a WHERE a.tenant_id = workorder.tenant_id() AND a.id = workorder.actor_id()));
    END $$;
    GRANT USAGE ON SCHEMA sealed TO workorder_user;
    DELETE FROM workorder.api WHERE name = 'sealed';
    INSERT INTO workorder.api VALUES ('sealed', '/sealed', '{"code": "$status",\n "说": "$message"}', false,
      '{"identify": "sealed.identify", "run_as": "workorder_user", "object": true, "messages": {"unauthenticated": "谁"}}');
    INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('sealed', 'POST', '${path}', 'sealed.who');
  `);
});

after(() => {
  sql(`
    DELETE FROM workorder.api WHERE name = 'sealed';
    DROP SCHEMA sealed CASCADE;
    DELETE FROM workorder.secret WHERE name LIKE 'credential%';
    SELECT workorder.disable('sealed-ann');
  `);
});

const post = (body) => ask('POST', path, { body });

function isRefusal(answer, status, message) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json, { code: status, 说: message });
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.equal(answer.headers['x-workorder-error'], undefined);
}

test('who sends a sound credential acts, again and again', async () => {
  for (const nonce of ['a0a1a2a3a4a5a6a7a8a9aaab', 'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf']) {
    const credential = seal('sealed-ann', 'correct horse', { nonce });
    for (let i = 0; i < 3; i++) {
      const answer = await post({ credential });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(answer.json, { login: 'sealed-ann', role: 'workorder_user' });
    }
  }
});

test('every other credential gets one answer', async () => {
  const sound = seal('sealed-ann', 'correct horse');
  for (const credential of [undefined, null, 12, '', 'zz', {}, sound.slice(2), `${sound}00`, seal('sealed-ann', 'wrong horse'),
    seal('sealed-bob', 'correct horse'), seal('sealed-ann', 'correct horse', { with: key.replace('00', '20') })]) {
    const answer = await post({ credential });
    isRefusal(answer, 401, 'invalid credential');
    assert.match(answer.headers['www-authenticate'], /Bearer/);
  }
});

test('it is asked for after the body was understood', async () => {
  isRefusal(await post('{"credential":'), 400, 'malformed request');
  isRefusal(await post('["credential"]'), 400, 'malformed request');
});

test('without a key nobody is let in', async () => {
  const credential = seal('sealed-ann', 'correct horse');
  sql(`UPDATE workorder.secret SET name = 'put away' WHERE name = 'credential'`);
  try {
    const answer = await post({ credential });
    isRefusal(answer, 503, 'credential service unavailable');
    assert.equal(answer.headers['retry-after'], '1');
  } finally {
    sql(`UPDATE workorder.secret SET name = 'credential' WHERE name = 'put away'`);
  }
  assert.equal((await post({ credential })).status, 200);
});

test('a new key counts at once, and so does the one before until it is deleted', async () => {
  const before = seal('sealed-ann', 'correct horse');
  sql('SELECT workorder.rotate_credential_key()');
  const fresh = sql(`SELECT value FROM workorder.secret WHERE name = 'credential'`);
  const now = seal('sealed-ann', 'correct horse', { with: fresh });
  assert.equal((await post({ credential: before })).status, 200);
  assert.equal((await post({ credential: now })).status, 200);
  sql(`DELETE FROM workorder.secret WHERE name = 'credential_previous'`);
  isRefusal(await post({ credential: before }), 401, 'invalid credential');
  assert.equal((await post({ credential: now })).status, 200);
  sql(`UPDATE workorder.secret SET value = '${key}' WHERE name = 'credential'`);
});

test('a person who is disabled, or has another password, is out at once', async () => {
  const credential = seal('sealed-ann', 'correct horse');
  for (const [out, back] of [
    [`SELECT workorder.disable('sealed-ann')`, `SELECT workorder.enrol('sealed-ann', 'Ann')`],
    [`SELECT workorder.set_password('sealed-ann', 'another horse')`, `SELECT workorder.set_password('sealed-ann', 'correct horse')`],
  ]) {
    for (let i = 0; i < 5; i++) {
      assert.equal((await post({ credential })).status, 200);
    }
    sql(out);
    for (let i = 0; i < 5; i++) {
      isRefusal(await post({ credential }), 401, 'invalid credential');
    }
    sql(back);
  }
});

test('what identify raises is said in its own words, whatever is in them', async () => {
  for (const [code, status] of [['WO400', 400], ['WO401', 401], ['WO403', 403], ['WO413', 413], ['WO429', 429], ['WO500', 500], ['WO503', 503]]) {
    for (const message of ['plain', '中文 😀 "quoted" \\ $status ${x} \u007f', 'line\r\nX-Inj: 1\t']) {
      const answer = await post({ raise: code, message });
      isRefusal(answer, status, message);
      assert.equal(answer.headers['x-inj'], undefined);
    }
    // Too long for a header: the proxy's own words where it has a page, but the status.
    const long = await post({ raise: code, message: '长'.repeat(2000) });
    assert.equal(long.status, status);
    assert.ok(long.json);
  }
  isRefusal(await post({ raise: '22012', message: 'not for the client' }), 500, 'internal error');
});
