// Passwords, credentials and keys are planted, the server logs whatever it can,
// and then every place that somebody might read is searched for them: the logs
// of all three programs, pg_stat_statements, every table, and the answers.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import processes from '../tools/process.js';
import { ask, sendAndFind, session, sql, stack } from './client.mjs';

const { signal, until } = processes;

const path = '/planted/do';
const password = `plain-${randomBytes(8).toString('hex')}`;
const native = `native-${randomBytes(8).toString('hex')}`;
const settings = {
  log_statement: 'all',
  log_min_duration_statement: '0',
  log_min_error_statement: 'debug5',
  log_min_messages: 'debug1',
  log_error_verbosity: 'verbose',
  log_parameter_max_length: '-1',
  log_parameter_max_length_on_error: '-1',
  log_connections: 'on',
  log_lock_waits: 'on',
  deadlock_timeout: '10ms',
  debug_print_parse: 'on',
  debug_print_rewritten: 'on',
  debug_print_plan: 'on',
  debug_pretty_print: 'off',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_nested_statements': 'on',
  'auto_explain.log_verbose': 'on',
  'auto_explain.log_analyze': 'on',
  'pg_stat_statements.track': 'all',
};
let place;
let key;
let first;
const secrets = new Map();
const answers = [];


function seal(username, word, { with: secret = key } = {}) {
  const nonce = randomBytes(16);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(secret, 'hex'), nonce);
  const sealed = cipher.update(word, 'utf8', 'hex') + cipher.final('hex');
  const credential = Buffer.from(
    JSON.stringify({ username, password: sealed, nonce: nonce.toString('hex'), authTag: cipher.getAuthTag().toString('hex') }),
  ).toString('hex');
  secrets.set(`credential ${secrets.size}`, credential);
  secrets.set(`ciphertext ${secrets.size}`, sealed);
  return credential;
}

const well = () => until('it is well', async () => (await ask('GET', '/rest/')).status === 200);

async function restart() {
  const pid = Number(readFileSync(`${place.log}/data/postmaster.pid`, 'utf8').split('\n')[0]);
  signal(pid, 'SIGINT', place.log);
  await until('the server stops', () => !existsSync(`${place.log}/data/postmaster.pid`));
  stack('up');
  await well();
}

const post = async (body) => {
  const answer = await ask('POST', path, { body });
  answers.push(answer);
  return answer;
};

before(async () => {
  const [, log, web] = stack('status').match(/logs (\S+)\/log and (\S+)\/\*\.log/);
  place = { log, web };
  // What an administrator types is theirs to keep out of the log; docs/operations.md says how.
  sql(`
    CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
    SELECT workorder.enrol('planted-ann', 'Ann');
    SELECT workorder.set_password('planted-ann', '${password}');
    SELECT workorder.enrol('planted-bob', 'Bob');
    SELECT workorder.set_password('planted-bob', '${native}');
    DROP SCHEMA IF EXISTS planted CASCADE;
    CREATE SCHEMA planted;
    CREATE TABLE planted.thing (id int PRIMARY KEY, name text UNIQUE);
    CREATE FUNCTION planted.identify(request workorder.http_request) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
      actor bigint;
    BEGIN
      -- as a statement of its own, which is planned with the value in it
      SELECT workorder.open_credential(request.body ->> 'credential') INTO actor;
      RETURN actor;
    END $$;
    CREATE FUNCTION planted.act(request workorder.http_request) RETURNS workorder.http_response
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
      PERFORM pg_sleep((request.body ->> 'sleep')::float8);
      CASE request.body ->> 'do'
        WHEN 'cast' THEN PERFORM (request.body ->> 'credential')::int;
        WHEN 'json' THEN PERFORM (request.body ->> 'credential')::jsonb;
        WHEN 'unique' THEN INSERT INTO planted.thing VALUES (1, request.body ->> 'credential'), (2, request.body ->> 'credential');
        WHEN 'lock' THEN UPDATE planted.thing SET name = name WHERE id = 7;
        WHEN 'wide' THEN PERFORM length(repeat(request.body ->> 'credential', 1000000000));
        ELSE PERFORM count(*) FROM planted.thing WHERE name = request.body ->> 'credential';
      END CASE;
      RETURN workorder.http_json(200, '{}');
    END $$;
    GRANT USAGE ON SCHEMA planted TO workorder_user;
    GRANT ALL ON planted.thing TO workorder_user;
    DELETE FROM workorder.api WHERE name = 'planted';
    INSERT INTO workorder.api VALUES ('planted', '/planted', '{"code":"$status","message":"$message","detail":"$detail","hint":"$hint"}',
      false, '{"identify": "planted.identify", "run_as": "workorder_user"}');
    INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('planted', 'POST', '${path}', 'planted.act');
    DELETE FROM workorder.secret WHERE name LIKE 'credential%';
    ALTER SYSTEM SET shared_preload_libraries = workorder, pg_stat_statements, auto_explain;
  `);
  await restart();
  first = readFileSync(`${place.log}/log`).length;
  sql(`${Object.entries(settings).map(([name, value]) => `ALTER SYSTEM SET ${name} = '${value}';`).join('\n')}
    SELECT pg_reload_conf();`);
  // Who connects after the postmaster has read them has them, and so does everybody else when asked next.
  await until('the settings are in force', () => sql('SHOW debug_print_plan') === 'on');
});

after(async () => {
  sql(`
    ALTER SYSTEM RESET ALL;
    DELETE FROM workorder.api WHERE name = 'planted';
    DROP SCHEMA planted CASCADE;
    DROP EXTENSION pg_stat_statements;
    DELETE FROM workorder.secret WHERE name LIKE 'credential%';
    SELECT workorder.disable('planted-ann'), workorder.disable('planted-bob');
  `);
  await restart();
});

// Every way in which the bytes of a secret might be written.
function ways(secret) {
  const bytes = Buffer.from(secret);
  return {
    plain: secret,
    upper: secret.toUpperCase(),
    hex: bytes.toString('hex'),
    base64: bytes.toString('base64').slice(0, -4),
    numbers: [...bytes].join(' '),
  };
}

function search(what, text) {
  for (const [name, secret] of secrets) {
    for (const [way, written] of Object.entries(ways(secret))) {
      const at = text.indexOf(written);
      assert.equal(at, -1, `${what} holds ${name} as ${way}: ...${text.slice(Math.max(0, at - 300), at + 20)}`);
    }
  }
}

test('requests of every kind, while everything is logged', async () => {
  // A key that the server makes up is in no statement.
  sql('SELECT workorder.rotate_credential_key(); SELECT workorder.rotate_credential_key();');
  key = sql(`SELECT value FROM workorder.secret WHERE name = 'credential'`);
  secrets.set('password', password);
  secrets.set('native password', native);
  secrets.set('key', key);
  secrets.set('key before', sql(`SELECT value FROM workorder.secret WHERE name = 'credential_previous'`));
  const sound = seal('planted-ann', password);

  assert.equal((await post({ credential: sound, sleep: 0 })).status, 200);
  assert.equal((await post({ credential: sound, sleep: 0.3 })).status, 200, 'a slow one');
  for (const what of ['cast', 'json', 'unique', 'wide']) {
    assert.equal((await post({ credential: sound, sleep: 0, do: what })).status, 500, what);
  }
  for (const credential of [seal('planted-ann', `not-${password}`), seal('nobody', password), `${sound}00`, sound.slice(0, -1),
    seal('planted-ann', password, { with: randomBytes(32).toString('hex') }), seal(`${password}`, password)]) {
    assert.equal((await post({ credential, sleep: 0 })).status, 401);
  }
  assert.equal((await post(`{"credential":"${sound}","sleep":}`)).status, 400, 'a body that is no JSON');
  assert.equal((await post(`{"credential":"${sound}\\u0000"}`)).status, 400, 'one with a zero');
  const asText = await ask('POST', path, { body: sound, headers: [['Content-Type', 'text/plain']] });
  answers.push(asText);
  assert.equal(asText.status, 415);

  sql(`UPDATE workorder.secret SET name = 'away' WHERE name = 'credential'`);
  assert.equal((await post({ credential: sound, sleep: 0 })).status, 503, 'without a key');
  sql(`UPDATE workorder.secret SET value = left(value, 60), name = 'credential' WHERE name = 'away'`);
  assert.equal((await post({ credential: sound, sleep: 0 })).status, 503, 'with a broken one');
});

test('signing in by the native door', async () => {
  for (const body of [{ login: 'planted-bob', password: native }, { login: 'planted-bob', password: `${native}!` },
    { login: 'planted-bob', password: native, tenant: 'x' }, { password: native }, `{"login":"planted-bob","password":"${native}"`]) {
    const answer = await ask('POST', '/rest/rpc/sign_in', { body });
    if (answer.status === 200) {
      assert.match(answer.json, /^ey/);
    } else {
      answers.push(answer);
    }
  }
});

test('requests that are cancelled, wait, or whose server process is killed', async () => {
  sql(`SELECT workorder.rotate_credential_key()`);
  key = sql(`SELECT value FROM workorder.secret WHERE name = 'credential'`);
  secrets.set('key after', key);
  const sound = seal('planted-ann', password);
  const sleepers = `SELECT pid FROM pg_stat_activity WHERE usename = 'authenticator' AND wait_event = 'PgSleep'`;
  for (const end of ['pg_cancel_backend', 'pg_terminate_backend', 'SIGKILL']) {
    const { pid, answer } = await sendAndFind(() => post({ credential: sound, sleep: 60 }), sleepers);
    if (end === 'SIGKILL') {
      signal(pid, 'SIGKILL', place.log);
    } else {
      sql(`SELECT ${end}(${pid})`);
    }
    assert.ok((await answer).status >= 400);
  }
  await well();
  sql(`INSERT INTO planted.thing VALUES (7, 'x') ON CONFLICT DO NOTHING`);
  const lock = session();
  await lock.run('BEGIN; UPDATE planted.thing SET name = name;');
  const waiting = await sendAndFind(() => post({ credential: sound, sleep: 0, do: 'lock' }),
    `SELECT pid FROM pg_stat_activity WHERE usename = 'authenticator' AND wait_event_type = 'Lock'`);
  await lock.run('COMMIT;');
  await lock.end();
  const waited = await waiting.answer;
  assert.equal(waited.status, 200, waited.text);
});

test('none of it is found anywhere', (t) => {
  assert.ok(secrets.size >= 12, `${secrets.size} canaries`);
  t.diagnostic(`${secrets.size} canaries, each written in ${Object.keys(ways('x')).length} ways, ${answers.length} answers`);
  const log = readFileSync(`${place.log}/log`).subarray(first).toString('utf8');
  // What is searched must be there, or nothing would be found in anything.
  sql(`SELECT 'a control'`);
  assert.match(readFileSync(`${place.log}/log`, 'utf8'), /statement: SELECT 'a control'/);
  assert.match(log, /Query Text: /, 'auto_explain is at work');
  assert.match(log, /parse tree/, 'so is debug_print_parse');
  assert.match(log, /http_write/, 'requests are in the log');
  assert.match(log, /answered by planted.act/);
  assert.match(log, /was terminated by signal 9/);
  search('the log of PostgreSQL', log);
  for (const file of readdirSync(place.web).filter((name) => name.endsWith('.log'))) {
    search(file, readFileSync(`${place.web}/${file}`, 'utf8'));
  }

  const statements = sql('SELECT query FROM pg_stat_statements');
  assert.match(statements, /open_credential/, 'pg_stat_statements is at work');
  search('pg_stat_statements', statements);
  search('pg_stat_activity', sql('SELECT * FROM pg_stat_activity'));

  const tables = sql(`
    SELECT format('SELECT %L, t::text FROM %s t;', c.oid::regclass, c.oid::regclass)
    FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
      AND c.oid <> 'workorder.secret'::regclass`);
  const rows = sql(tables);
  assert.match(rows, /workorder\.password\|/);
  assert.match(rows, /planted-ann/);
  search('a table', rows);

  assert.ok(answers.length > 15);
  for (const answer of answers) {
    search('an answer', `${JSON.stringify(answer.raw)}\n${answer.text}`);
  }
});
