-- Requests with a key: done once, answered as often as they are sent; by the
-- dispatcher and in SQL.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset null null
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();
CREATE SCHEMA regress_once;
CREATE ROLE regress_once_user;
SET search_path = regress_once;
INSERT INTO workorder.tenant VALUES (2, 'The second') ON CONFLICT DO NOTHING;

CREATE TABLE done (id int GENERATED ALWAYS AS IDENTITY, what text, unique_later int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION do_it(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number int;
  b jsonb := coalesce(request.body, '{}');
BEGIN
  INSERT INTO regress_once.done (what, unique_later) VALUES (b ->> 'what', (b ->> 'unique')::int) RETURNING id INTO number;
  CASE b ->> 'what'
    WHEN 'refuse' THEN RETURN workorder.http_error(409, 'not now');
    WHEN 'fail' THEN PERFORM 1 / 0;
    WHEN 'answer' THEN RETURN workorder.http_json(418, json_build_object('n', number));
    WHEN 'bytes' THEN RETURN workorder.http_bytes(200, '\x00ff', 'image/png');
    WHEN 'nothing' THEN RETURN workorder.http_empty();
    ELSE RETURN workorder.http_json(201, json_build_object('n', number, 'b', '中'), '{"X-Number": 1, "Link": ["a", "\"b\""]}');
  END CASE;
END
$$;
CREATE FUNCTION who(request workorder.http_request) RETURNS bigint
LANGUAGE sql AS $$ SELECT id FROM workorder.actor WHERE tenant_id = workorder.tenant_id() AND login = request.body ->> 'login' $$;
INSERT INTO workorder.api VALUES
  ('once', '/once', '{"code":"$status","message":"$message","why":"$reason"}', false,
    '{"accept": ["application/json", "text/plain"], "messages": {"idempotency_key": "bad key"}}'),
  ('twice', '/twice', '{"code":"$status","message":"$message"}', true, '{}'),
  ('named', '/named', '{"code":"$status","message":"$message"}', false, '{"identify": "regress_once.who"}');
INSERT INTO workorder.route (api, method, pattern, handler)
SELECT api, method, '/' || api || '/do', 'regress_once.do_it'
FROM unnest(ARRAY['once', 'twice', 'named']) api, unnest(ARRAY['POST', 'PUT', 'GET']) method;
INSERT INTO workorder.route VALUES ('once', 'POST', '/once/do/{x}', 'regress_once.do_it');
SELECT workorder.enrol('once_ann', 'Ann') > 0 AS ann, workorder.enrol('once_bob', 'Bob') > 0 AS bob;
SET workorder.tenant = '2';
SELECT workorder.enrol('once_ann', 'Ann of the second') > 0 AS ann;
RESET workorder.tenant;

CREATE FUNCTION send(key text, body text DEFAULT '{}', uri text DEFAULT '/once/do', method text DEFAULT 'POST',
  type text DEFAULT 'application/json', OUT status text, OUT headers text, OUT body_out text)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('request.headers', json_strip_nulls(json_build_object('x-original-method', send.method, 'x-original-uri', send.uri,
    'x-original-content-type', send.type, 'idempotency-key', send.key))::text, true);
  body_out := encode(api.http_write(convert_to(send.body, 'UTF8')), 'escape');
  status := current_setting('response.status');
  headers := replace(current_setting('response.headers'), '[{"Content-Type": "application/json; charset=utf-8"}', '[-');
END
$$;

SET workorder.actor = 'once_ann';
--
-- Done once, answered alike; without a key each time anew
--
SELECT s.* FROM send('k1') s;
SELECT s.* FROM send('k1') s;
SELECT s.* FROM send(NULL) s;
SELECT s.* FROM send(NULL) s;
SELECT s.* FROM send('k2') s;
SELECT s.* FROM send('k1') s;
SELECT count(*) FROM done;
-- other kinds of answers
SELECT s.* FROM send('bytes', '{"what": "bytes"}') s;
SELECT s.* FROM send('bytes', '{"what": "bytes"}') s;
SELECT s.* FROM send('nothing', '{"what": "nothing"}') s;
SELECT s.* FROM send('nothing', '{"what": "nothing"}') s;
SELECT count(*) FROM done;
--
-- Another request with the same key is refused
--
SELECT s.* FROM send('k1', '{"what": "other"}') s;
SELECT s.* FROM send('k1', '{} ') s;
SELECT s.* FROM send('k1', '{}', '/once/do?x') s;
SELECT s.* FROM send('k1', '{}', '/once/do/k') s;
SELECT s.* FROM send('k1', '{}', method => 'PUT') s;
SELECT s.* FROM send('k1', '{}', type => 'text/plain') s;
SELECT count(*) FROM done;
--
-- A key is somebody's, in a tenant and an API
--
SET workorder.actor = 'once_bob';
SELECT s.* FROM send('k1') s;
SET workorder.actor = 'once_ann';
SET workorder.tenant = '2';
SELECT s.* FROM send('k1') s;
RESET workorder.tenant;
SELECT s.* FROM send('k1', uri => '/twice/do') s;
SELECT s.* FROM send('k1') s;
RESET workorder.actor;
-- of nobody there is none
SELECT s.* FROM send('k1', uri => '/twice/do') s;
SELECT s.* FROM send(NULL, uri => '/twice/do') s;
SELECT s.* FROM send('k1') s;
-- also of whom the API itself recognises
SELECT s.status, s.body_out FROM send('k1', '{"login": "once_bob"}', '/named/do') s;
SELECT s.status, s.body_out FROM send('k1', '{"login": "once_bob"}', '/named/do') s;
SELECT s.status, s.body_out FROM send('k1', '{"login": "once_ann"}', '/named/do') s;
--
-- What was refused is not kept
--
SET workorder.actor = 'once_ann';
SELECT s.status, s.body_out FROM send('later', '{"what": "refuse"}') s;
SELECT s.status, s.body_out FROM send('later', '{"what": "fail"}') s;
SELECT s.status FROM send('later', '{"what": "answer"}') s;
INSERT INTO done (unique_later) VALUES (7);
SELECT s.status FROM send('later', '{"unique": 7}') s;
DELETE FROM done WHERE unique_later = 7;
SELECT s.status FROM send('later', '{"unique": 7}') s;
SELECT s.status FROM send('later', '{"unique": 7}') s;
-- nor what was rolled back
BEGIN;
SELECT s.status, s.body_out FROM send('undone') s;
ROLLBACK;
SELECT s.status, s.body_out FROM send('undone') s;
--
-- Keys that are none
--
SELECT left(key, 10) AS key, length(key), s.status, s.body_out
FROM (VALUES (''), (repeat('x', 256)), (E'a\tb'), ('钥匙'), (E'a\x7f')) k (key), send(key) s;
SELECT s.status FROM send(repeat('x', 255)) s;
SELECT s.status FROM send('"8e03978e-40d5-43dd-bc93-6894a57f9324" ;a=1') s;
-- what only reads has none
SELECT count(*) AS before FROM workorder.idempotency \gset
SELECT s.status FROM send('k1', '', method => 'GET', type => '') s;
SELECT count(*) - :before AS kept FROM workorder.idempotency;

--
-- In SQL
--
SELECT workorder.grant_access('regress_once_user');
SET ROLE regress_once_user;
SELECT workorder.recall('import', 'k1', '{"file": 1}');
SELECT workorder.remember('import', 'k1', '{"file": 1}', '{"rows": [1, 2, "中"]}');
SELECT workorder.recall('import', 'k1', '{"file":1}');
SELECT workorder.recall('import', 'k1', '{"file": 2}');
\echo :LAST_ERROR_SQLSTATE
SELECT workorder.recall('other', 'k1', '{"file": 1}'), workorder.recall('import', 'k2', '{"file": 1}'), workorder.recall('http:once', 'k1', NULL);
SELECT workorder.remember('import', 'k1', '{"file": 1}', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT workorder.remember('import', 'k1', '{"file": 2}', '{}');
SELECT workorder.remember('import', 'k3', NULL, 'null');
SELECT workorder.recall('import', 'k3', NULL), workorder.recall('import', 'k3', NULL) IS NULL AS "new";
SELECT workorder.remember('import', 'k4', '1', NULL);
SELECT workorder.recall('import', NULL, '1');
-- the results are for whom they were given
SELECT count(*) FROM workorder.idempotency;
SELECT workorder.forget_idempotency();
RESET ROLE;
SET workorder.actor = 'once_bob';
SELECT workorder.recall('import', 'k1', '{"file": 1}');
RESET workorder.actor;
SELECT workorder.recall('import', 'k1', '{"file": 1}');
\echo :LAST_ERROR_SQLSTATE
SET workorder.actor = 'once_ann';

--
-- What is kept, and for how long
--
SELECT scope, key, length(request) AS request, status, content_type, headers, encode(body, 'escape') AS body
FROM workorder.idempotency WHERE key IN ('k1', 'nothing') AND actor_id = workorder.actor_id() AND tenant_id = 1 ORDER BY scope, key;
UPDATE workorder.idempotency SET created_at = now() - interval '25 hours' WHERE scope = 'http:once' AND key = 'k1' AND tenant_id = 1;
SELECT workorder.forget_idempotency();
SELECT workorder.forget_idempotency();
SELECT s.status, s.body_out FROM send('k1') s;
SELECT workorder.forget_idempotency('0') > 5 AS all_of_them;
SELECT count(*) FROM workorder.idempotency;

DROP SCHEMA regress_once CASCADE;
DELETE FROM workorder.api WHERE name IN ('once', 'twice', 'named');
RESET search_path;
\c
SET client_min_messages = warning;
DROP OWNED BY regress_once_user;
DROP ROLE regress_once_user;
