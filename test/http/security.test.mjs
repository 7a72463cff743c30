// What somebody might try, and what a handler might do: whatever it is, the
// client gets the API's own envelope, and nothing of it reaches anybody else.
//
// The handlers are made for this test, and serve paths of the after-sale API.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import processes from '../tools/process.js';
import { ask, base, multipart, send, sendRaw, sql, stack, token } from './client.mjs';

const { until } = processes;

const prefix = '/api/v1/afterservice';
const probe = `${prefix}/probe`;
let secret;

before(() => {
  stack('fixture', 'afterservice');
  sql(`
    DROP SCHEMA IF EXISTS probe CASCADE;
    CREATE SCHEMA probe;
    CREATE SEQUENCE probe.runs;
    CREATE TABLE probe.parent (id int PRIMARY KEY);
    CREATE TABLE probe.child (id int REFERENCES probe.parent DEFERRABLE INITIALLY DEFERRED);

    CREATE FUNCTION probe.raise(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM nextval('probe.runs');
      INSERT INTO probe.parent VALUES (1000);
      RAISE EXCEPTION USING ERRCODE = request.body ->> 'code', MESSAGE = request.body ->> 'message',
        DETAIL = coalesce(request.body ->> 'detail', ''), HINT = E'h\\r\\nX-Inj: 3', TABLE = 'parent';
    END $$;
    CREATE FUNCTION probe.answer(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql AS $$
    BEGIN
      RETURN ROW((request.body ->> 'status')::int, (request.body ->> 'body')::json, request.body -> 'headers',
        decode(request.body ->> 'content', 'base64'), request.body ->> 'content_type')::workorder.http_response;
    END $$;
    CREATE FUNCTION probe.nothing(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE sql AS 'SELECT NULL::workorder.http_response';
    CREATE FUNCTION probe.deferred(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO probe.child VALUES (1);
      RETURN workorder.http_json(200, '{"status":0}');
    END $$;
    CREATE FUNCTION probe.who(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql AS $$
    BEGIN
      RETURN workorder.http_json(200, json_build_object('actor', workorder.actor_id(), 'role', current_user,
        'headers', current_setting('request.headers')::json, 'search_path', current_setting('search_path'),
        'read_only', current_setting('transaction_read_only'), 'path', request.path, 'uri', request.uri,
        'method', request.method, 'query', request.query, 'form', request.form, 'body', request.body,
        'content_type', request.content_type, 'raw', encode(request.raw, 'base64'),
        'files', (SELECT json_agg(json_build_object('name', f.name, 'filename', f.filename, 'type', f.content_type,
          'length', length(f.content), 'md5', md5(f.content))) FROM unnest(request.files) f),
        'left', current_setting('probe.left', true)));
    END $$;
    CREATE FUNCTION probe.meddle(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM set_config('response.status', '418', false), set_config('response.headers', '[{"X-Left": "1"}]', false),
        set_config('search_path', 'probe', false), set_config('probe.left', 'here', true),
        set_config('role', 'none', true);
      IF request.body ->> 'fail' IS NOT NULL THEN
        RAISE EXCEPTION 'and failed';
      END IF;
      RETURN workorder.http_json(201, '{"status":0}');
    END $$;
    CREATE FUNCTION probe.recurse(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql AS 'BEGIN RETURN probe.recurse(request); END';
    CREATE FUNCTION probe.commit(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql AS 'BEGIN COMMIT; RETURN workorder.http_empty(); END';
    CREATE FUNCTION probe.die(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      PERFORM pg_terminate_backend(pg_backend_pid());
      PERFORM pg_sleep(5);
      RETURN workorder.http_empty();
    END $$;
    CREATE FUNCTION probe.cancel(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      PERFORM pg_cancel_backend(pg_backend_pid());
      PERFORM pg_sleep(5);
      RETURN workorder.http_empty();
    END $$;
    CREATE FUNCTION probe.wrong_type(request workorder.http_request) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
    CREATE FUNCTION probe.closed(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE sql AS 'SELECT workorder.http_empty()';

    GRANT USAGE ON SCHEMA probe TO workorder_user, workorder_anonymous;
    GRANT ALL ON ALL TABLES IN SCHEMA probe TO workorder_user, workorder_anonymous;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA probe TO workorder_user, workorder_anonymous;
    REVOKE EXECUTE ON FUNCTION probe.closed(workorder.http_request) FROM PUBLIC;
    DELETE FROM workorder.route WHERE handler LIKE 'probe.%';
    INSERT INTO workorder.route (api, method, pattern, handler, settings)
    SELECT 'afterservice', m.method, '${probe}/' || h.name, 'probe.' || h.name,
      '{"accept": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"], "max_body": 20971520}'
    FROM unnest(ARRAY['raise', 'answer', 'nothing', 'deferred', 'who', 'meddle', 'recurse', 'commit', 'die', 'cancel',
      'wrong_type', 'closed', 'missing']) AS h (name),
      unnest(ARRAY['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) AS m (method);
    INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('afterservice', 'GET', '${probe}/item/{name}', 'probe.who');
  `);
  secret = sql(`SELECT value FROM workorder.secret WHERE name = 'jwt'`);
});

after(() => {
  sql(`DELETE FROM workorder.route WHERE handler LIKE 'probe.%'; DROP SCHEMA probe CASCADE;`);
});

const cr = () => token('afterservice', 'CR');
const post = (name, body, options = {}) => ask('POST', `${probe}/${name}`, { as: cr(), body, ...options });

// Fails unless it is the after-sale API's envelope of an error.
function isRefusal(answer, status, message) {
  assert.equal(answer.status, status, answer.text.slice(0, 500));
  assert.deepEqual(answer.json, { status, message: message ?? answer.json?.message, data: [] });
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.equal(answer.headers['x-inj'], undefined);
}

async function isWell() {
  const answer = await ask('GET', `${prefix}/orders?per_page=1`, { as: cr() });
  assert.equal(answer.status, 200);
  assert.equal(answer.json.status, 0);
}

test('a handler raises anything at all', async (t) => {
  const evil = 'a\r\nX-Inj: 1\r\n\r\n<script>';
  for (const [code, status] of [
    ['WO400', 400], ['WO403', 403], ['WO404', 404], ['WO409', 409], ['WO422', 422], ['WO410', 410], ['WO429', 429],
    ['PT409', 500], ['PT999', 500], ['PGRST', 500], ['P0001', 500], ['P0002', 500], ['P0004', 500], ['XX000', 500],
    ['23505', 500], ['23503', 500], ['42501', 500], ['28000', 500], ['22023', 500], ['0A000', 500], ['25006', 500],
    ['42P01', 500], ['54001', 500], ['58030', 500], ['ABCDE', 500], ['WO200', 500], ['WO999', 500], ['WOABC', 500],
    ['40001', 503], ['40P01', 503], ['55P03', 503], ['53300', 503], ['53200', [500, 503]], ['57014', [500, 503]],
    ['57P01', [500, 503]], ['57P03', [500, 503]],
  ]) {
    await t.test(`SQLSTATE ${code}`, async () => {
      const before = Number(sql(`SELECT nextval('probe.runs')`));
      const answer = await post('raise', { code, message: evil, detail: '{"status": 200, "headers": {"X-Inj": "2"}}' });
      assert.ok([status].flat().includes(answer.status), `${code}: ${answer.status} ${answer.text}`);
      isRefusal(answer, answer.status, status < 500 ? evil : undefined);
      if (answer.status >= 500) {
        assert.doesNotMatch(answer.text, /X-Inj|script|parent/, 'the text of the database is not for clients');
      }
      if (answer.status === 503) {
        assert.ok(answer.headers['retry-after'], 'a 503 says when to come back');
      }
      // What it did before is undone, and nobody tried it again.
      assert.equal(sql('SELECT count(*) FROM probe.parent'), '0');
      assert.equal(Number(sql(`SELECT nextval('probe.runs')`)), before + 2, 'it ran once');
    });
  }
  await isWell();
});

test('a handler that is not what it should be', async (t) => {
  for (const name of ['nothing', 'recurse', 'commit', 'wrong_type', 'missing']) {
    await t.test(name, async () => isRefusal(await post(name, {}), 500, 'internal error'));
  }
  await t.test('not for the caller', async () => isRefusal(await post('closed', {}), 403, 'permission denied'));
  await t.test('its backend is terminated', async () => {
    const answer = await post('die', {});
    assert.ok([500, 503].includes(answer.status), answer.text);
    isRefusal(answer, answer.status);
  });
  await t.test('it is cancelled', async () => {
    const answer = await post('cancel', {});
    assert.ok([500, 503].includes(answer.status), answer.text);
    isRefusal(answer, answer.status);
  });
  await isWell();
});

test('what a handler answers', async (t) => {
  for (const [name, answer] of [
    ['a status that is none', { status: 99 }], ['a status that is none', { status: 600 }], ['a status that is none', { status: -1 }],
    ['a line break in a header', { headers: { 'X-A': 'a\r\nX-Inj: 1' } }],
    ['a line feed in a header', { headers: { 'X-A': 'a\nX-Inj: 1' } }],
    ['a line break in the name of a header', { headers: { 'X-A: 1\r\nX-Inj': '1' } }],
    ['a header that has no name', { headers: { '': '1' } }],
    ['a header that is an object', { headers: { 'X-A': { b: 1 } } }],
    ['headers that are a list', { headers: [1] }],
    ['the length of the body', { headers: { 'Content-Length': 1 } }],
    ['the coding of the body', { headers: { 'Transfer-Encoding': 'chunked' } }],
    ['a line break in the media type', { body: '{}', content_type: 'text/plain\r\nX-Inj: 1' }],
  ]) {
    await t.test(`${name} ${JSON.stringify(answer)}`, async () => isRefusal(await post('answer', answer), 500, 'internal error'));
  }
  await t.test('headers, and lists of them', async () => {
    const answer = await post('answer', { body: '{"b":1,  "a":2}', headers: { 'X-Number': 5, 'X-Truth': true, Link: ['<a>', '<b>'] } });
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '{"b":1,  "a":2}', 'a body stays as it is written');
    assert.equal(answer.headers['x-number'], '5');
    assert.match(answer.headers.link, /^<a>, ?<b>$/);
    assert.equal(answer.raw.filter((name) => name.toLowerCase() === 'content-type').length, 1);
  });
  await t.test('bytes', async () => {
    const bytes = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256));
    const answer = await post('answer', { content: bytes.toString('base64'), content_type: 'image/png' });
    assert.deepEqual(answer.bytes, bytes);
    assert.equal(answer.headers['content-type'], 'image/png');
  });
  await t.test('nothing', async () => {
    const answer = await post('answer', { status: 204 });
    assert.equal(answer.status, 204);
    assert.equal(answer.text, '');
  });
});

test('a deferred constraint does not escape the envelope', async () => {
  const answer = await post('deferred', {});
  assert.ok(answer.status >= 400);
  isRefusal(answer, answer.status);
  assert.equal(sql('SELECT count(*) FROM probe.child'), '0');
});

test('nothing of a request is left for the next one', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const wave = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));
  try {
    for (let round = 0; round < 5; round++) {
      await wave(24, (i) => post('meddle', i % 2 ? { fail: 1 } : {}, { agent }));
      await wave(24, () => post('raise', { code: 'WO409', message: 'no' }, { agent }));
      for (const answer of await wave(48, () => ask('GET', `${probe}/who`, { as: cr(), agent }))) {
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.headers['x-left'], undefined);
        assert.equal(answer.json.left || null, null);
        assert.equal(answer.json.search_path, 'pg_catalog, pg_temp');
        assert.equal(answer.json.role, 'workorder_user');
      }
      for (const answer of await wave(12, () => ask('GET', `${prefix}/orders`, { agent }))) {
        isRefusal(answer, 401, 'authentication required');
      }
    }
  } finally {
    agent.destroy();
  }
});

test('headers of ours that a client sends', async (t) => {
  const forged = [
    ['X-Original-Method', 'DELETE'], ['X-Original-URI', `${prefix}/orders/1`], ['X-Original-Content-Type', 'text/plain'],
    ['X-Original-Api', 'other'], ['X-Forwarded-User', 'admin'], ['X-Real-IP', '127.0.0.1'], ['Role', 'postgres'],
    ['X-Original-Address', '10.0.0.1'], ['X-Original-Origin', 'https://evil.example'], ['X-Original-User', 'SV'], ['X-Original-Secret', 'x'],
    ['X-Original-Basic', 'Basic eDp5'], ['X-Remote-User', 'SV'], ['X-Remote-Secret', 'x'], ['X-Forwarded-For', '10.0.0.1'], ['X-Forwarded-Proto', 'https'],
  ];
  await t.test('mean nothing at the door', async () => {
    const answer = await ask('GET', `${probe}/who`, { as: cr(), headers: forged });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.method, 'GET');
    assert.equal(answer.json.path, `${probe}/who`);
    assert.deepEqual(
      Object.keys(answer.json.headers).sort(),
      ['accept', 'authorization', 'content-type', 'host', 'x-original-address', 'x-original-method', 'x-original-origin', 'x-original-uri'],
    );
    const { 'x-original-address': address, 'x-original-origin': origin } = answer.json.headers;
    assert.deepEqual([address, origin], ['127.0.0.1', base.origin]);
  });
  await t.test('mean nothing below /rest', async () => {
    for (const name of ['http_write', 'http_read', 'http_write/', 'http%5Fwrite', '../rpc/http_write', 'http_write?x=1']) {
      const answer = await ask('POST', `/rest/rpc/${name}`, { as: cr(), headers: [...forged, ['Content-Type', 'application/octet-stream']], body: '' });
      assert.ok(answer.status >= 400 && answer.status < 500, `${name}: ${answer.status} ${answer.text}`);
      assert.ok(answer.json.code);
    }
    assert.equal(sql('SELECT count(*) FROM afterservice.orders WHERE id = 1'), '1');
  });
  await t.test('carry no authority, even past nginx', async () => {
    const socket = stack('status').match(/ and (\S+)\/\*\.log/)[1] + '/postgrest.sock';
    const past = (headers, body = '') =>
      new Promise((done, fail) => {
        const outgoing = request({ socketPath: socket, path: '/rpc/http_write', method: 'POST', headers: { 'Content-Type': 'application/octet-stream', ...headers } }, (incoming) => {
          let text = '';
          incoming.on('data', (part) => (text += part));
          incoming.on('end', () => done({ status: incoming.statusCode, text }));
        });
        outgoing.on('error', fail);
        outgoing.end(body);
      });
    const forgedAll = Object.fromEntries(forged);
    assert.equal((await past(forgedAll)).status, 401);
    assert.equal((await past({ ...forgedAll, Authorization: `Bearer ${token('afterservice', 'SV')}` })).status, 403);
    assert.equal((await past({ Authorization: `Bearer ${cr()}` })).status, 422);
    assert.equal(sql('SELECT count(*) FROM afterservice.orders WHERE id = 1'), '1');
  });
});

test('a line break that is encoded in an address', async () => {
  for (const target of [
    `${probe}/item/abc%0d%0aX-Forwarded-User:%20admin`, `${prefix}/orders%0d%0aAuthorization:%20Bearer%20x`,
    `${probe}/who?a=%0d%0aX-Inj:%201`, `${prefix}/orders?status=%0d%0aX-Inj:%201`,
  ]) {
    const answer = await ask('GET', target, { as: cr() });
    assert.ok(answer.status < 500, answer.text);
    assert.equal(answer.headers['x-inj'], undefined);
    assert.equal(answer.json.headers?.['x-forwarded-user'], undefined);
  }
});

test('addresses that are not what they seem', async (t) => {
  for (const path of [
    `${prefix}/../afterservice/orders`, `${prefix}/./orders`, `${prefix}/orders/.`, `${prefix}/orders/1/../2`, `${prefix}//orders`,
    `//api/v1/afterservice/orders`, `${prefix}/orders//`, `${prefix}/orders%2F1`, `${prefix}%2Forders`, `${prefix}/%2e%2e/afterservice/orders`,
    `${prefix}/orders%00`, `${prefix}/orders%C0%AF1`, `${prefix}/orders/%E4`, `${prefix}/orders;x=1`, `${prefix}/ORDERS`,
    `${prefix}/orders%5C1`, `/api/v1/afterserviceX/orders`, `/rest/../api/v1/afterservice/orders`, `${prefix}/orders%20`, `${prefix}/orders%0a`,
    `${prefix}/orders/1%2Fjournals`, `${prefix}/orders/٣/journals`, `${prefix}/orders/%EF%BC%91/journals`, `${prefix}/orders/+1/journals`,
  ]) {
    await t.test(path, async () => {
      const answer = await ask('GET', path, { as: cr() });
      assert.ok([400, 404].includes(answer.status), `${answer.status} ${answer.text}`);
      assert.ok(answer.json, 'JSON');
      if (path.startsWith(`${prefix}/`)) {
        assert.deepEqual(answer.json, { status: answer.status, message: answer.json.message, data: [] });
      }
    });
  }
  await t.test('a trailing slash is tolerated', async () => {
    assert.equal((await ask('GET', `${prefix}/orders/`, { as: cr() })).status, 200);
    assert.equal((await ask('GET', `${prefix}/orders/?page=1`, { as: cr() })).status, 200);
  });
});

test('request lines that are none', async (t) => {
  const rest = 'Host: x\r\nConnection: close\r\n\r\n';
  for (const head of [
    `GET ${prefix}/%00 HTTP/1.1`, `GET ${prefix}/%zz HTTP/1.1`, `GET ${prefix}/a b HTTP/1.1`, `GET ${prefix}/\x01 HTTP/1.1`,
    `get ${prefix}/orders HTTP/1.1`, `GET ${prefix}/../../../../x HTTP/1.1`, `TRACE ${prefix}/orders HTTP/1.1`,
    `CONNECT ${prefix}/orders HTTP/1.1`, `GET ${prefix}/orders HTTP/9.9`, `GET * HTTP/1.1`, `\x16\x03\x01`,
    `GET ${prefix}/${'a'.repeat(30000)} HTTP/1.1`, `GET ${prefix}/orders HTTP/1.1\r\nX: ${'a'.repeat(30000)}`,
    `GET ${prefix}/orders\xe4 HTTP/1.1`, `GET ${prefix}/orders?a=\xff HTTP/1.1`, `POST ${prefix}/orders HTTP/1.1\r\nContent-Length: x`,
    `POST ${prefix}/orders HTTP/1.1\r\nTransfer-Encoding: nonsense`, `GET /rest/\xe4 HTTP/1.1`, `GET /rest/orders?id=eq.%ff HTTP/1.1`,
    `GET /rest/%00 HTTP/1.1`, `GET /.workorder/error HTTP/1.1`, `GET ${prefix}/orders HTTP/1.1\r\nHost: y`,
  ]) {
    await t.test(JSON.stringify(head.slice(0, 70)), async () => {
      const answer = await sendRaw(Buffer.from(`${head}\r\n${rest}`, 'latin1'));
      assert.match(answer, /^HTTP\/1\.1 4\d\d /);
      assert.match(answer, /^Content-Type: application\/json/m);
      assert.doesNotMatch(answer, /<html/i);
      if (head.includes(prefix) && !head.includes('%') && !/ (a|x|[^ ]{30000})$/.test(head) && /HTTP\/1\.1$/m.test(head)) {
        assert.doesNotMatch(answer, /^\{"code"/m);
      }
    });
  }
});

test('tokens', async (t) => {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sign = (claims, key = secret, alg = 'HS256') => {
    const head = `${encode({ alg, typ: 'JWT' })}.${encode(claims)}`;
    return `${head}.${alg === 'none' ? '' : createHmac('sha256', key).update(head).digest('base64url')}`;
  };
  const good = { role: 'workorder_user', sub: 'CR', tenant_id: 1, exp: Math.floor(Date.now() / 1000) + 60 };
  const list = (as) => ask('GET', `${prefix}/orders`, { as });
  await t.test('a good one', async () => assert.equal((await list(sign(good))).status, 200));
  for (const [name, made] of [
    ['signed with another key', sign(good, 'x'.repeat(32))], ['signed with nothing', sign(good, secret, 'none')],
    ['expired', sign({ ...good, exp: 1 })], ['not valid yet', sign({ ...good, nbf: good.exp })],
    ['of nobody', sign({ role: good.role, exp: good.exp })], ['of an unknown person', sign({ ...good, sub: 'nobody' })],
    ['of a person in another tenant', sign({ ...good, tenant_id: 2 })], ['without a role', sign({ sub: 'CR', tenant_id: 1, exp: good.exp })],
    ['of the anonymous role', sign({ ...good, role: 'workorder_anonymous', sub: '' })],
    ['cut off', sign(good).slice(0, -5)], ['that is none', 'x'], ['that is empty', ''], ['of nonsense', '\u00e4\u4e2d'],
  ]) {
    await t.test(name, async () => {
      const answer = await send({ target: `${prefix}/orders`, headers: [['Authorization', Buffer.from(`Bearer ${made}`).toString('latin1')]] });
      // Without a role it is the anonymous role's, which has no handler, whoever it names.
      isRefusal(answer, ...(name === 'without a role' ? [403, 'permission denied'] : [401, 'authentication required']));
    });
  }
  await t.test('of a database role that it must not have', async () => {
    for (const role of ['postgres', 'pg_read_all_data']) {
      const answer = await list(sign({ ...good, role }));
      assert.ok(answer.status >= 400 && answer.status < 500, answer.text);
    }
    // Whoever has the key has made a mistake; nothing of the database's own words gets out.
    isRefusal(await list(sign({ ...good, role: 'nobody_at_all' })), 503, 'service unavailable');
  });
  await t.test('of somebody who was disabled a moment ago', async () => {
    assert.equal((await list(token('afterservice', 'CR2'))).status, 200);
    sql(`UPDATE workorder.actor SET active = false WHERE login = 'CR2'`);
    try {
      isRefusal(await list(token('afterservice', 'CR2')), 401, 'authentication required');
    } finally {
      sql(`UPDATE workorder.actor SET active = true WHERE login = 'CR2'`);
    }
  });
  await t.test('Basic is no token', async () => {
    isRefusal(await ask('GET', `${prefix}/orders`, { headers: [['Authorization', 'Basic Q1I6eA==']] }), 401, 'authentication required');
  });
});

test('bodies', async (t) => {
  const who = (body, headers) => ask('POST', `${probe}/who`, { as: cr(), body, headers });
  await t.test('a form', async () => {
    const answer = await who('a=1&b=%E4%B8%AD+%2B&c[]=1&c[]=2&d=x&d=y&e=', [['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8']]);
    assert.deepEqual(answer.json.form, { a: '1', b: '中 +', c: ['1', '2'], d: ['x', 'y'], e: '' });
  });
  await t.test('a query, and raw UTF-8 in it', async () => {
    const answer = await ask('GET', `${probe}/who?a=%E4%B8%AD&b=中文&c=1,2&d[]=1&e[0]=x&e[1]=y&f=a+b&g`, { as: cr() });
    assert.deepEqual(answer.json.query, { a: '中', b: '中文', c: '1,2', d: ['1'], e: ['x', 'y'], f: 'a b', g: '' });
  });
  await t.test('a query that is not UTF-8, or has NUL', async () => {
    isRefusal(await ask('GET', `${prefix}/orders?creator_name=%D6%D0`, { as: cr() }), 400, 'invalid value: creator_name');
    isRefusal(await ask('GET', `${prefix}/orders?creator_name=a%00b`, { as: cr() }), 400, 'invalid value: creator_name');
  });
  await t.test('multipart with an image of 15 MB', async (t) => {
    const image = Buffer.alloc(15 * 1024 * 1024);
    for (let i = 0; i < image.length; i += 4) {
      image.writeUInt32LE((i * 2654435761) >>> 0, i);
    }
    const { createHash } = await import('node:crypto');
    const form = multipart([['text', '中 "\'\r\n--'], ['image', image, 'a b.png', 'image/png']]);
    const started = performance.now();
    const answer = await who(form.body, form.headers);
    t.diagnostic(`15 MB: ${Math.round(performance.now() - started)} ms`);
    assert.equal(answer.status, 200, answer.text.slice(0, 300));
    assert.deepEqual(answer.json.form, { text: '中 "\'\r\n--' });
    assert.deepEqual(answer.json.files, [
      { name: 'image', filename: 'a b.png', type: 'image/png', length: image.length, md5: createHash('md5').update(image).digest('hex') },
    ]);
  });
  await t.test('chunked', async () => {
    const answer = await who(['{"a":', '1', '}'], [['Transfer-Encoding', 'chunked']]);
    assert.deepEqual(answer.json.body, { a: 1 });
  });
  await t.test('Expect: 100-continue', async () => {
    const answer = await sendRaw(
      `POST ${probe}/who HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${cr()}\r\nContent-Type: application/json\r\nContent-Length: 7\r\n` +
        'Expect: 100-continue\r\nConnection: close\r\n\r\n{"a":1}',
    );
    assert.match(answer, /HTTP\/1\.1 200 /);
  });
  for (const [name, body] of [
    ['cut off', '{"remark":'], ['not UTF-8', Buffer.from([0x7b, 0x22, 0xe4, 0x22, 0x3a, 0x31, 0x7d])], ['NUL', '{"remark":"a\\u0000b"}'],
    ['a lone surrogate', '{"remark":"\\ud800"}'], ['two values', '{} {}'], ['nothing', ''], ['a list', '[]'], ['a number', '1e999999'],
    ['nested 100000 deep', '['.repeat(100000)], ['a NUL byte', Buffer.from('{"a":"\0"}')], ['a byte order mark', Buffer.from('\ufeff{}')],
  ]) {
    await t.test(`JSON: ${name}`, async () => {
      isRefusal(await ask('PUT', `${prefix}/orders/1`, { as: cr(), body }), 400, 'malformed JSON');
    });
  }
  await t.test('of another kind', async () => {
    for (const type of ['text/plain', 'application/xml', 'application/jsonx', 'nonsense', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', '\u00e4']) {
      isRefusal(await ask('PUT', `${prefix}/orders/1`, { as: cr(), body: 'x', headers: [['Content-Type', type]] }), 415, 'unsupported media type');
    }
  });
  await t.test('forms that are broken', async () => {
    for (const [type, body] of [
      ['multipart/form-data', 'x'], ['multipart/form-data; boundary=', 'x'], ['multipart/form-data; boundary=b', '--b\r\n'],
      ['multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--'],
      ['multipart/form-data; boundary=b', `--b\r\n${'X: y\r\n'.repeat(5000)}\r\nx\r\n--b--`],
      ['application/x-www-form-urlencoded', '%=&=&&%zz=%00&a=%ff'],
    ]) {
      const answer = await who(body, [['Content-Type', type]]);
      assert.ok(answer.status < 500, `${type}: ${answer.status} ${answer.text}`);
      assert.ok(answer.json);
    }
  });
});

test('a connection that PostgREST closes is nobody else\'s trouble', async () => {
  // It closes one whose body it did not read, as that of a request whose token
  // is none; nginx must not send the next write into it.
  const agent = new Agent({ keepAlive: true, maxSockets: 12 });
  const large = JSON.stringify('x'.repeat(60000));
  const counts = {};
  try {
    await Promise.all(
      Array.from({ length: 12 }, async () => {
        for (let i = 0; i < 100; i++) {
          const answer =
            i % 2 ? await ask('POST', '/rest/rpc/act', { as: 'a.b.c', body: large, agent })
            : i % 4 ? await ask('PUT', `${prefix}/orders/999`, { as: cr(), body: {}, agent })
            : await ask('GET', `${prefix}/orders?per_page=1`, { as: cr(), agent });
          counts[answer.status] = (counts[answer.status] ?? 0) + 1;
        }
      }),
    );
  } finally {
    agent.destroy();
  }
  assert.deepEqual(counts, { 200: 300, 401: 600, 404: 300 });
});

test('a token that is none is refused, however large the body is', async () => {
  for (const path of [`${prefix}/orders/1`, '/active-job/1/contact', '/v3_1/workorder/workorder', '/api/v1/tickets', '/api/ticket', '/nobody', '/rest/rpc/act']) {
    // as large as the path may have it
    const large = JSON.stringify({ remark: 'x'.repeat(path.startsWith('/rest/rpc/') ? 59000 : 900000) });
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('POST', path, { as: 'a.b.c', body: large })));
    const small = await ask('POST', path, { as: 'a.b.c', body: {} });
    assert.equal(small.status, 401);
    for (const answer of answers) {
      assert.equal(answer.status, 401, `${path}: ${answer.status} ${answer.text}`);
      assert.match(answer.headers['www-authenticate'], /Bearer/);
      assert.deepEqual(Object.keys(answer.json ?? {}).sort(), Object.keys(small.json ?? {}).sort(), `${path}: ${answer.text}, ${small.text}`);
    }
  }
});

test('no log says what was sent', async () => {
  const mark = 'SecretOfMine';
  const [, cluster, web] = stack('status').match(/logs (\S+)\/log and (\S+)\/\*\.log/);
  const secretly = [
    ask('POST', '/rest/rpc/sign_in', { body: { login: 'CR', password: mark } }),
    ask('GET', `/rest/rpc/sign_in?login=CR&password=${mark}`),
    ask('GET', `${prefix}/orders?creator_name=${mark}`, { as: cr() }),
    ask('GET', `${prefix}/orders?status=${mark}`, { as: cr() }),
    ask('GET', `${prefix}/orders`, { as: mark }),
    ask('PUT', `${prefix}/orders/1`, { as: cr(), body: { remark: mark, operation: 'dance' } }),
    ask('PATCH', '/rest/orders?id=eq.3', { as: cr(), body: { action: 'done', note: mark } }),
    ask('GET', `/rest/orders?remark=eq.${mark}&nonsense=eq.1`, { as: cr() }),
    post('answer', { status: mark }),
    post('answer', { body: `{"a": ${mark}` }),
    sendRaw(`GET ${prefix}/%00?${mark} HTTP/1.1\r\nHost: x\r\nX-A: ${mark}\r\nConnection: close\r\n\r\n`),
  ];
  await Promise.all(secretly);
  // what was logged after them is there, so they are
  const last = `/nobody/${Math.random().toString(36).slice(2)}`;
  await ask('GET', last);
  await until('the last request is in the log', () => readFileSync(`${web}/nginx.access.log`, 'utf8').includes(last));
  for (const file of [`${cluster}/log`, ...readdirSync(web).filter((name) => name.endsWith('.log')).map((name) => `${web}/${name}`)]) {
    assert.ok(!readFileSync(file, 'utf8').includes(mark), `${file} has it`);
  }
});

test('the rest of the protocol', async (t) => {
  await t.test('HEAD is GET without a body', async () => {
    const get = await ask('GET', `${prefix}/orders?per_page=1`, { as: cr() });
    const head = await ask('HEAD', `${prefix}/orders?per_page=1`, { as: cr() });
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
    assert.equal(head.headers['x-total-count'], get.headers['x-total-count']);
    assert.equal((await ask('HEAD', `${prefix}/orders`)).status, 401);
  });
  await t.test('another method is 405, and says which', async () => {
    const answer = await ask('PATCH', `${prefix}/orders`, { as: cr(), body: {} });
    isRefusal(answer, 405, 'method not allowed');
    assert.deepEqual(answer.headers.allow.split(/, */).sort(), ['GET', 'HEAD', 'POST']);
    isRefusal(await ask('BREW', `${prefix}/orders`.replace('x', 'x'), { as: cr() }).catch(() => ask('PROPFIND', `${prefix}/orders`, { as: cr() })), 405);
  });
  await t.test('GET reads only', async () => {
    assert.equal((await ask('GET', `${probe}/who`, { as: cr() })).json.read_only, 'on');
    assert.equal((await ask('POST', `${probe}/who`, { as: cr() })).json.read_only, 'off');
    isRefusal(await ask('GET', `${probe}/deferred`, { as: cr() }), 500, 'internal error');
  });
  await t.test('OPTIONS of a path', async () => {
    const answer = await ask('OPTIONS', `${prefix}/orders`);
    assert.equal(answer.status, 204);
    assert.match(answer.headers.allow, /GET.*POST/);
  });
  await t.test('a browser may ask before it sends', async () => {
    for (const target of [`${prefix}/orders`, '/rest/orders']) {
      const answer = await ask('OPTIONS', target, { headers: [['Origin', 'https://app.example'], ['Access-Control-Request-Method', 'PUT'], ['Access-Control-Request-Headers', 'authorization']] });
      assert.equal(answer.status, 204);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.match(answer.headers['access-control-allow-methods'], /PUT/);
      assert.match(answer.headers['access-control-allow-headers'], /Authorization/);
    }
  });
  await t.test('a browser may read every answer, once', async () => {
    for (const [target, as] of [[`${prefix}/orders`, cr()], [`${prefix}/orders`], [`${prefix}/nothing`, cr()], ['/rest/orders', cr()], ['/nothing'], ['/rest/nothing', cr()]]) {
      const answer = await ask('GET', target, { as, headers: [['Origin', 'https://app.example']] });
      assert.equal(answer.raw.filter((name) => name.toLowerCase() === 'access-control-allow-origin').length, 1, `${target} ${answer.status}`);
    }
  });
  await t.test('gzip', async () => {
    const answer = await ask('GET', `${prefix}/orders`, { as: cr(), headers: [['Accept-Encoding', 'gzip']] });
    assert.equal(answer.headers['content-encoding'], 'gzip');
    const { gunzipSync } = await import('node:zlib');
    assert.equal(JSON.parse(gunzipSync(answer.bytes)).status, 0);
  });
  await t.test('an old client, HTTP/1.0', async () => {
    const answer = await sendRaw(`GET ${prefix}/orders HTTP/1.0\r\nAuthorization: Bearer ${cr()}\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 200 /);
  });
  await t.test('outside of every API', async () => {
    for (const target of ['/', '/nothing', '/api', '/api/v1', '/favicon.ico']) {
      const answer = await ask('GET', target);
      assert.equal(answer.status, 404, target);
      assert.ok(answer.json);
    }
  });
  await t.test('no server says its version', async () => {
    const answer = await ask('GET', '/nothing');
    assert.equal(answer.headers.server, 'nginx');
  });
});
