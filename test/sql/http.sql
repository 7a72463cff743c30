-- The HTTP dispatcher, from SQL: what the gateway does is to set request.headers,
-- call api.http_read() or api.http_write(), and read two settings back.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset null null
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();
CREATE SCHEMA regress_http;
CREATE ROLE regress_http_user;
CREATE ROLE regress_http_nobody;
SET search_path = regress_http;

SELECT workorder.enrol('http_ann', 'Ann', '{}') > 0 AS enrolled;
SELECT workorder.enrol('http_bob', 'Bob', '{}') > 0 AS enrolled;

-- An API that tells what it was sent, and one that does as it is told.
CREATE FUNCTION echo(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  said jsonb := to_jsonb(request) - '{api,raw,uri,files}'::text[];
BEGIN
  said := said || jsonb_build_object('files', (SELECT jsonb_agg(to_jsonb(f) - 'content' || jsonb_build_object(
    'bytes', length(f.content), 'md5', md5(f.content))) FROM unnest(request.files) f), 'raw', length(request.raw));
  RETURN workorder.http_json(200, (SELECT json_object_agg(e.key, e.value ORDER BY e.key) FROM jsonb_each(jsonb_strip_nulls(said)) e
    WHERE e.value NOT IN ('{}', '[]')));
END
$$;

CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);

CREATE FUNCTION obey(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  b jsonb := coalesce(request.body, '{}');
BEGIN
  INSERT INTO regress_http.parent VALUES (7) ON CONFLICT DO NOTHING;
  CASE request.params ->> 'what'
    WHEN 'raise' THEN
      RAISE EXCEPTION USING ERRCODE = b ->> 'code', MESSAGE = b ->> 'message', DETAIL = 'the detail', HINT = 'the hint';
    WHEN 'refuse' THEN RETURN workorder.http_error((b ->> 'status')::int, b ->> 'message');
    WHEN 'answer' THEN RETURN workorder.http_json((b ->> 'status')::int, (b -> 'body')::json, b -> 'headers');
    WHEN 'bytes' THEN RETURN workorder.http_bytes(200, '\x00ff0d0a', b ->> 'type');
    WHEN 'empty' THEN RETURN workorder.http_empty();
    WHEN 'both' THEN RETURN (200, '{}', NULL, '\x00', NULL)::workorder.http_response;
    WHEN 'null' THEN RETURN NULL;
    WHEN 'divide' THEN PERFORM 1 / 0;
    WHEN 'cast' THEN PERFORM (b ->> 'value')::int;
    WHEN 'duplicate' THEN INSERT INTO regress_http.parent VALUES (7);
    WHEN 'deferred' THEN INSERT INTO regress_http.child VALUES (1, (b ->> 'parent')::int);
    WHEN 'sleep' THEN PERFORM pg_sleep(10);
    WHEN 'leak' THEN
      PERFORM set_config('response.status', '999', true), set_config('response.headers', 'nonsense', true);
    WHEN 'write' THEN NULL;
    WHEN 'path' THEN RETURN workorder.http_json(200, to_json(current_setting('search_path')));
    WHEN 'who' THEN RETURN workorder.http_json(200, json_build_object('actor', workorder.actor_id() IS NOT NULL, 'role', CASE WHEN current_user LIKE 'regress%' THEN current_user ELSE 'somebody' END));
    WHEN 'again' THEN
      PERFORM set_config('request.headers', '{"x-original-method": "POST", "x-original-uri": "/regress/do/who"}', true);
      RETURN workorder.http_json(200, json_build_object('inner', convert_from(workorder.http_write(''), 'UTF8')));
  END CASE;
  RETURN workorder.http_empty();
END
$$;

INSERT INTO workorder.api VALUES
  ('regress', '/regress', '{"status": "$status", "said": {"message":"$message","code":"$code", "why": "$reason"}, "$name": [ "\"$label\" of $name", "$detail", "$hint", "$unknown"], "data":[]}',
   true, '{"accept": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"],
     "max_body": {"text/plain": 5}, "messages": {"malformed": "malformed JSON", "409": "conflict: $status"},
     "sqlstates": {"23505": 409}}'),
  ('regress_locked', '/regress/locked', '{"code":"$status","message":"$message"}', false,
   '{"max_body": 10, "object": true, "messages": {"401": "who are you?", "parameter": {"status": 422,
      "message": "The given data was invalid.", "error": {"message": "$message", "errors": {"$name": ["The $label must be a string."]}}}}}');
INSERT INTO workorder.route (api, method, pattern, handler) VALUES
  ('regress', 'GET', '/regress/echo', 'regress_http.echo'),
  ('regress', 'POST', '/regress/echo/', 'regress_http.echo'),
  ('regress', 'GET', '/regress/things/list', 'regress_http.echo'),
  ('regress', 'GET', '/regress/things/{id:int}', 'regress_http.echo'),
  ('regress', 'PUT', '/regress/things/{id:int}', 'regress_http.echo'),
  ('regress', 'DELETE', '/regress/things/{name}', 'regress_http.echo'),
  ('regress', 'GET', '/regress/things/{name}/parts/{part}', 'regress_http.echo'),
  ('regress', 'POST', '/regress/do/{what}', 'regress_http.obey'),
  ('regress', 'GET', '/regress/do/{what}', 'regress_http.obey'),
  ('regress', 'GET', '/regress/lost', 'regress_http.lost'),
  ('regress', 'GET', '/regress/odd', 'pg_catalog.abs'),
  ('regress', 'GET', '/regress/中文', 'regress_http.echo'),
  ('regress_locked', 'GET', '/regress/locked', 'regress_http.echo'),
  ('regress_locked', 'POST', '/regress/locked', 'regress_http.echo');

-- send() is the gateway.  Headers are shown but for the usual Content-Type, and
-- for the error that nginx shows if it is the one in the body.
CREATE FUNCTION send(method text, uri text, body bytea DEFAULT '', type text DEFAULT NULL,
  OUT status text, OUT headers text, OUT body_out text)
LANGUAGE plpgsql AS $$
DECLARE
  page jsonb;
BEGIN
  PERFORM set_config('request.headers', json_build_object('x-original-method', method, 'x-original-uri', uri,
    'x-original-content-type', coalesce(type, ''))::text, true);
  body_out := CASE WHEN method IN ('GET', 'HEAD') THEN convert_from(api.http_read(body), 'UTF8')
                   ELSE convert_from(api.http_write(body), 'UTF8') END;
  status := current_setting('response.status');
  headers := replace(current_setting('response.headers'), '[{"Content-Type": "application/json; charset=utf-8"}', '[-');
  page := substring(headers FROM '"X-Workorder-Error": ("(?:[^"\\]|\\.)*")');
  IF nullif(page #>> '{}', '-')::jsonb = nullif(body_out, '')::jsonb THEN
    headers := regexp_replace(headers, ', {"X-Workorder-Error": "([^"\\]|\\.)*"}', '');
  END IF;
END
$$;
CREATE FUNCTION send(method text, uri text, body text, type text DEFAULT 'application/json',
  OUT status text, OUT headers text, OUT body_out text)
LANGUAGE sql AS $$ SELECT * FROM send(method, uri, convert_to(body, 'UTF8'), type) $$;
GRANT USAGE ON SCHEMA regress_http TO regress_http_user, regress_http_nobody;

--
-- Path
--
SELECT uri, s.status, s.body_out FROM (VALUES
  ('/regress/echo'), ('/regress/echo/'), ('/regress/things/12'), ('/regress/things/007/'), ('/regress/things/list'),
  ('/regress/things/99999999999999999999'), ('/regress/%65cho'), ('/regress/things/a%20b%2Bc+d/parts/%E4%B8%AD%F0%9F%98%80'),
  ('/regress/things/中/parts/%25'), ('/regress/%E4%B8%AD文'), ('/regress/echo?x=/../y//z')) v (uri), send('GET', uri) s;
-- what cannot be a path, leads nowhere, or is nobody's
SELECT uri, s.status, s.body_out FROM (VALUES
  ('/regress/echo//'), ('/regress//echo'), ('//regress/echo'), ('/regress/./echo'), ('/regress/things/../echo'),
  ('/regress/things/%2e%2e/echo'), ('/regress/%2E/echo'), ('/regress/..'), ('/regress/echo%2F'), ('/regress%2fecho'),
  ('/regress/things/a%00b/parts/x'), ('/regress/things/%FF/parts/x'), ('/regress/things/%C0%AF/parts/x'),
  ('/regress/things/%ED%A0%80/parts/x'), ('/regress/things/%zz/parts/x'), ('/regress/things/%4'), ('/regress/echo#x'),
  ('/regress/ec ho'), ('/regress/things/a%0d%0aX-Evil:%201'), ('/regress/things/x'), ('/regress/things/-1'), ('/regress/things/1a'),
  ('/regress/echoes'), ('/REGRESS/echo'), ('/regressive'), ('/regress'), ('/regress/locked/nothing'), ('/'), ('echo'),
  ('http://x/regress/echo'), ('*')) v (uri), send('GET', uri) s;
SELECT s.status FROM send('GET', '/regress/echo?' || repeat('x', 20000)) s;
SELECT s.status FROM send('GET', repeat('/regress', 40)) s;
-- methods
SELECT method, uri, s.* FROM (VALUES
  ('HEAD', '/regress/echo'), ('POST', '/regress/echo'), ('DELETE', '/regress/echo'), ('PUT', '/regress/things/1'),
  ('DELETE', '/regress/things/1'), ('POST', '/regress/things/1'), ('POST', '/regress/things/list'), ('PATCH', '/regress/things/x'),
  ('OPTIONS', '/regress/things/1'), ('OPTIONS', '/regress/nothing'), ('OPTIONS', '/regress/locked'), ('TRACE', '/regress/echo'),
  ('get', '/regress/echo'), ('BREW', '/regress/nothing')) v (method, uri), send(method, uri) s;

--
-- Query
--
SELECT query, s.status, s.body_out FROM (VALUES
  ('a=1&b=&c&d=x%20y+z'), ('a=1&a=2&b=3&a='), ('k[]=1'), ('k%5B%5D=1&k[7]=2&k=3'), ('k[a]=1&[]=2&k[][]=3'), ('a=1,2&a=3'),
  ('search=%E4%B8%AD%E6%96%87&raw=中文😀'), ('x=50%&y=%zz&z=%4'), ('&&a=1&&=2&'), ('order-status=2&_=123'), ('a==b=c'),
  ('a=%26%3D%2B%25%3F'), ('a=?b?c'), ('x=%00'), ('first=1&bad=%FFx&worse=%00'), ('bad=%ED%A0%80'), ('%00=1&ok=2'), ('%FF=%FF'),
  ('created_at__start=%C3%28')) v (query), send('GET', '/regress/echo?' || query) s;
SELECT s.status, s.body_out FROM send('GET', '/regress/echo?' || (SELECT string_agg('k' || i || '=', '&') FROM generate_series(1, 1001) i)) s;
SELECT workorder.http_value(q, 'a') AS a, workorder.http_value(q, 'b') AS b, workorder.http_value(q, 'c') AS c,
  workorder.http_list(q, 'a') AS la, workorder.http_list(q, 'b') AS lb, workorder.http_list(q, 'c') AS lc, workorder.http_list(q, 'd') AS ld
FROM (VALUES ('{"a": ["1", "2,3", ""], "b": "x,,y", "d": ""}'::jsonb)) v (q);

--
-- JSON
--
SELECT replace(left(body, 50), U&'\FEFF', '(BOM)') AS body, s.status, s.body_out FROM (VALUES
  ('{"a": 1, "b": {"c": [null, true, "中😀\u4e2d\ud83d\ude00"]}, "a": 2}'), (' [1, 2.50, 1e3] '), ('"x"'), ('null'), (''), ('  '), ('{a:1}'), ('{"a":'), ('{} x'),
  ('{"a": "\u0000"}'), ('{"a": "\ud83d"}'), ('{"a": 1e999999}'), (E'{"a": "\t"}'), (U&'\FEFF{}'), ('[' || repeat('[', 99) || repeat(']', 100)),
  (repeat('[', 101) || repeat(']', 101)), (repeat('[', 100000)), (repeat('{"a":', 100000))) v (body), send('POST', '/regress/echo', body) s;
SELECT s.status, s.body_out FROM (VALUES ('\x7b2261223a22ff227d'::bytea), ('\x7b7d00'), ('\x00'), ('\xff')) v (body),
  send('POST', '/regress/echo', body, 'application/json') s;
SELECT s.status, s.body_out FROM (VALUES ('[]'), ('"x"'), ('{}')) v (body),
  LATERAL (SELECT set_config('workorder.actor', 'http_ann', false)) a, send('POST', '/regress/locked', body) s;
RESET workorder.actor;

--
-- Media types and sizes
--
SELECT type, s.status FROM (VALUES
  ('application/json'), ('APPLICATION/JSON ; charset="UTF-8"'), ('application/json;'), (''), ('application/json; charset=gbk'), ('text/html'), ('application/xml'),
  ('application/json; charset=utf-8; charset=utf-8'), ('application/json, text/plain'), ('json'), ('/'), ('application/'), ('text/plain'),
  ('multipart/form-data'), ('multipart/form-data; boundary='), (repeat('x', 200) || '/y')) v (type), send('POST', '/regress/echo', '{}', type) s;
SELECT s.status, s.body_out FROM send('POST', '/regress/echo', 'hello', 'text/plain') s;
SELECT s.status, s.body_out FROM send('POST', '/regress/echo', 'hello!', 'text/plain') s;
SELECT s.status FROM send('POST', '/regress/echo', '"' || repeat('x', 1048574) || '"') s;
SELECT s.status, s.body_out FROM send('POST', '/regress/echo', '"' || repeat('x', 1048575) || '"') s;
-- the order: size, type, who, body
SELECT s.* FROM (VALUES ('text/html', 'not JSON but long'), ('text/html', 'short'), ('', '{'), ('', '')) v (type, body), send('POST', '/regress/locked', body, type) s;
SELECT s.* FROM send('GET', '/regress/locked?a_b=%00') s;
SET workorder.actor = 'http_ann';
SELECT s.* FROM send('POST', '/regress/locked?a_b=%00', '{') s;
SELECT s.* FROM send('GET', '/regress/locked?a_b=%00') s;
SELECT s.* FROM send('GET', '/regress/locked') s;
RESET workorder.actor;

--
-- Forms
--
SELECT s.status, s.body_out FROM (VALUES
  ('a=1&b=x+y%2B&k[]=1&k[]=2'), ('a'), ('%'), ('a=%00'), ('=')) v (body), send('POST', '/regress/echo?q=1', body, 'application/x-www-form-urlencoded; charset=UTF-8') s;

-- crlf() writes a multipart body with | for line ends.
CREATE FUNCTION crlf(text) RETURNS bytea LANGUAGE sql AS $$ SELECT convert_to(replace($1, '|', E'\r\n'), 'UTF8') $$;
SELECT body, s.status, s.body_out FROM (VALUES
  ('--b|Content-Disposition: form-data; name="a"||1|--b|content-disposition:form-data;name=b||x y|--b--|'),
  ('preamble|--b  |Content-Disposition: form-data; name="k[]"||1|--b|Content-Disposition: form-data; name="k[]"||2|--b--|epilogue'),
  ('--b|Content-Disposition: form-data; name="k"||1|--b--c'),
  ('--b|Content-Disposition: form-data; name="f"; filename="C:\dir\图 \"1\".png"|Content-Type: IMAGE/PNG; x=y||ÿ|more||--bb|--b--'),
  ('--b|Content-Disposition: form-data; name="f"; filename="x"; filename*=UTF-8''en''%E5%9B%BE%2F..%2Fe.png||--b--|'),
  ('--b|Content-Disposition: form-data; name="f"; filename=""||'  || '|--b|Content-Disposition: form-data; name="g"; filename=""||x|--b--'),
  ('--b|Content-Disposition: form-data; name="a"||||--b--'),
  ('--b|Content-Disposition: form-data; name="a"||--b--'),
  ('--b--'), ('--b|'), ('--b'), ('|--b--'), (''), ('x'), ('--c|Content-Disposition: form-data; name="a"||1|--c--'),
  ('--b|Content-Disposition: form-data; name="a"||1|--b'), ('--b|Content-Disposition: form-data; name="a"|1|--b--'),
  ('--b||1|--b--'), ('--b|Content-Disposition: form-data||1|--b--'), ('--b|Content-Disposition: form-data; name=""||1|--b--'),
  ('--b|Content-Disposition: attachment; name="a"||1|--b--'), ('--b|Content-Disposition: form-data; name="a"; name="b"||1|--b--'),
  ('--b|Content-Disposition: form-data; name="a||1|--b--'), ('--b|Content-Disposition: form-data; name="a"| ; x=y||1|--b--'),
  ('--b|Content-Disposition: form-data; name="a"|Content-Transfer-Encoding: base64||MQ==|--b--'),
  ('--b|Content-Disposition: form-data; name="f"; filename*=GBK''''x||1|--b--'),
  ('--b|' || repeat('X: y|', 3000) || 'Content-Disposition: form-data; name="a"||1|--b--')) v (body),
  send('POST', '/regress/echo', crlf(body), 'multipart/form-data; boundary="b"') s WHERE length(body) < 1000 OR s.status <> '400';
SELECT s.status, s.body_out FROM send('POST', '/regress/echo', crlf('--b|Content-Disposition: form-data; name="a"||') || '\x00' || crlf('|--b--'),
  'multipart/form-data; boundary=b') s;
SELECT s.status, s.body_out FROM send('POST', '/regress/echo', crlf('--b|Content-Disposition: form-data; name="a') || '\xff' || crlf('"||1|--b--'),
  'multipart/form-data; boundary=b') s;
SELECT s.status, s.body_out FROM send('POST', '/regress/echo', crlf('--b|Content-Disposition: form-data; name="f"; filename="') || '\xff' || crlf('"||1|--b--'),
  'multipart/form-data; boundary=b') s;
SELECT s.status, s.body_out FROM send('POST', '/regress/echo',
  crlf((SELECT string_agg('--b|Content-Disposition: form-data; name="k"||1|', '') FROM generate_series(1, 1001)) || '--b--'),
  'multipart/form-data; boundary=b') s;
-- bytes arrive as they are
UPDATE workorder.api SET settings = settings || '{"max_body": 20000000}' WHERE name = 'regress';
SELECT s.status, s.body_out::jsonb #>> '{files,0,md5}' = md5(bytes) AS same, s.body_out::jsonb #> '{files,0,bytes}' AS bytes
FROM (SELECT decode(string_agg(md5(i::text), ''), 'hex') || E'\\015\\012--boundar\\015\\015\\012--' AS bytes FROM generate_series(1, 100000) i) v,
  send('POST', '/regress/echo', crlf('--boundary|Content-Disposition: form-data; name="f"; filename="a.bin"||') || bytes || crlf('|--boundary--'),
  'multipart/form-data; boundary=boundary') s;

--
-- Answers
--
SELECT s.* FROM (VALUES
  ('answer', '{"status": null, "body": {"z": 1,   "a": [1.0]}}'), ('answer', '{"status": 201, "headers": {"X-Total-Count": 5, "Link": ["a", "b"], "X-None": null}}'),
  ('answer', '{"body": 1, "headers": {"content-type": "application/problem+json"}}'), ('empty', '{}'),
  ('answer', '{"status": 204, "body": 1}')) v (what, body), send('POST', '/regress/do/' || what, body) s;
DELETE FROM parent;
SELECT count(*) FROM send('POST', '/regress/do/answer', '{"status": 422, "body": {"errors": []}}');
SELECT count(*) AS undone FROM parent;
SELECT set_config('request.headers', '{"x-original-method": "POST", "x-original-uri": "/regress/do/bytes"}', false) IS NOT NULL AS set;
BEGIN;
SELECT api.http_write('');
SELECT current_setting('response.status'), current_setting('response.headers');
ROLLBACK;
-- An error that the gateway could have said, too, goes in a header as well, or
-- the word that it does not fit.
SELECT what, left(body, 40) AS body, s.status, s.headers, length(s.body_out),
  current_setting('response.headers') LIKE '%X-Workorder-Error%' AS told FROM (VALUES
  ('answer', '{"status": 400, "body": {"a\"": "中😀\n"}}'), ('answer', '{"status": 503, "body": [1]}'), ('answer', '{"status": 422, "body": [1]}'),
  ('refuse', '{"status": 400, "message": "wrong"}'), ('refuse', '{"status": 409, "message": "wrong"}'),
  ('refuse', format('{"status": 400, "message": "%s"}', repeat('x', 10000))), ('refuse', format('{"status": 400, "message": "%s"}', repeat('中', 3000))),
  ('answer', '{"status": 400, "body": 1, "headers": {"content-type": "text/plain"}}'), ('answer', '{"status": 500}')) v (what, body),
  send('POST', '/regress/do/' || what, body) s;
-- what cannot be said
SELECT s.status, s.headers FROM (VALUES
  ('answer', '{"status": 99}'), ('answer', '{"status": 600}'), ('answer', '{"status": 100}'), ('answer', '{"headers": []}'), ('answer', '{"headers": {"X": "a\r\nSet-Cookie: b"}}'),
  ('answer', '{"headers": {"X\r\nY": "a"}}'), ('answer', '{"headers": {"": "a"}}'), ('answer', '{"headers": {"Content-Length": 0}}'),
  ('answer', '{"headers": {"transfer-Encoding": "chunked"}}'), ('answer', '{"headers": {"X": {"a": 1}}}'), ('answer', '{"headers": {"Content-Type": "a\nb"}}'),
  ('bytes', '{"type": "image/png\n"}'), ('both', '{}'), ('null', '{}')) v (what, body), send('POST', '/regress/do/' || what, body) s;
SELECT count(*) AS undone FROM parent;

--
-- Errors
--
SELECT code, s.* FROM (VALUES
  ('WO400'), ('WO403'), ('WO404'), ('WO409'), ('WO422'), ('WO503'), ('WO399'), ('WO600'), ('WO4xx'), ('P0001'), ('PT418'), ('PGRST'), ('40001'), ('40P01'), ('55P03'), ('42501'),
  ('25006'), ('XX000'), ('23505'), ('54001'), ('57000'), ('0Z002')) v (code),
  send('POST', '/regress/do/raise', json_build_object('code', code, 'message', E'the "message"\r\nX-Evil: 1 中 \\ $status')::text) s;
SELECT what, s.* FROM (VALUES ('divide', '{}'), ('cast', '{"value": "secret"}'), ('duplicate', '{}'), ('deferred', '{"parent": 8}'), ('missing', '{}')) v (what, body),
  send('POST', '/regress/do/' || what, body) s;
SELECT s.* FROM send('POST', '/regress/do/refuse', '{"status": 404, "message": "no such thing"}') s;
SELECT s.* FROM send('POST', '/regress/do/refuse', '{"status": 200, "message": "no error"}') s;
SELECT uri, s.status FROM (VALUES ('/regress/lost'), ('/regress/odd')) v (uri), send('GET', uri) s;
SELECT count(*) AS undone FROM parent;
-- deferred constraints that hold
SELECT s.status FROM send('POST', '/regress/do/deferred', '{"parent": 7}') s;
SELECT count(*) AS kept FROM parent;
DELETE FROM child;
DELETE FROM parent;
-- re-thrown: a cancelled query, exhausted resources, an operator
SET statement_timeout = '200ms';
SELECT * FROM send('POST', '/regress/do/sleep');
RESET statement_timeout;
SELECT * FROM send('POST', '/regress/do/raise', '{"code": "57014", "message": "cancelled"}');
SELECT * FROM send('POST', '/regress/do/raise', '{"code": "53100", "message": "disk full"}');
SELECT * FROM send('POST', '/regress/do/raise', '{"code": "57P01", "message": "shut down"}');
SELECT * FROM send('POST', '/regress/do/write');
DELETE FROM parent;

-- Nothing is left for the next request of the session, and the handler does
-- not speak for the dispatcher.
SELECT s.status FROM send('POST', '/regress/do/raise', '{"code": "WO409", "message": "x"}') s;
SELECT current_setting('response.status', true) AS status, current_setting('response.headers', true) AS headers;
SELECT s.* FROM send('POST', '/regress/do/leak') s;
DELETE FROM parent;
SELECT s.* FROM send('GET', '/regress/echo') s;
SELECT current_setting('response.status', true) AS status, current_setting('response.headers', true) AS headers;

-- No request of a client.
BEGIN;
SELECT set_config('request.headers', '', true);
SELECT api.http_write('{}');
ROLLBACK;
BEGIN;
SELECT set_config('request.headers', '{"x-original-uri": "/regress/echo"}', true);
SELECT api.http_read('');
ROLLBACK;
BEGIN;
SELECT set_config('request.headers', '{"x-original-uri": 1, "x-original-method": []}', true);
SELECT api.http_read(NULL);
ROLLBACK;

-- A GET may not write where the gateway has said so.
BEGIN READ ONLY;
SELECT s.status FROM send('GET', '/regress/do/write') s;
SELECT s.status FROM send('GET', '/regress/echo') s;
ROLLBACK;

-- Search path, and a handler that comes back through the dispatcher.
SELECT s.body_out FROM send('POST', '/regress/do/path') s;
DELETE FROM parent;
SELECT s.status, s.body_out FROM send('POST', '/regress/do/again') s;
DELETE FROM parent;

--
-- Routes are rows, handlers are functions: changes are noticed, in this transaction and after a rollback
--
SELECT s.status FROM send('GET', '/regress/new') s;
BEGIN;
INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('regress', 'GET', '/regress/new', 'regress_http.new');
SELECT s.status FROM send('GET', '/regress/new') s;
CREATE FUNCTION new(workorder.http_request) RETURNS workorder.http_response LANGUAGE sql AS $$ SELECT workorder.http_json(200, '1') $$;
SELECT s.status, s.body_out FROM send('GET', '/regress/new') s;
CREATE OR REPLACE FUNCTION new(workorder.http_request) RETURNS workorder.http_response LANGUAGE sql AS $$ SELECT workorder.http_json(200, '2') $$;
SELECT s.status, s.body_out FROM send('GET', '/regress/new') s, generate_series(1, 3);
UPDATE workorder.api SET error = '"$message"' WHERE name = 'regress';
SELECT s.status, s.body_out FROM send('GET', '/regress/none') s;
ROLLBACK;
SELECT s.status FROM send('GET', '/regress/new') s;
INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('regress', 'HEAD', '/x', 'a.b');
INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('regress', 'GET', '/x/{id:uuid}', 'a.b');
INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('regress', 'GET', '/x//y', 'a.b');
INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('nobody', 'GET', '/x', 'a.b');
INSERT INTO workorder.api VALUES ('odd', '/odd/{x}', '{}');
INSERT INTO workorder.api VALUES ('odd', '/odd', '{}', false, '[]');
-- settings that make no sense are left out
INSERT INTO workorder.api VALUES ('odd', '/odd', '{"m": "$message"}', true,
  '{"accept": "application/json", "max_body": "much", "messages": [], "sqlstates": 1, "identify": 1, "object": "yes", "run_as": {}}');
INSERT INTO workorder.route VALUES ('odd', 'POST', '/odd', 'regress_http.echo', '{"max_body": {"application/json": -1}, "accept": [1, "application/json"]}');
SELECT s.status, s.body_out FROM (VALUES ('{"a": 1}'), ('{')) v (body), send('POST', '/odd', body) s;
-- a route has its own body rules
UPDATE workorder.route SET settings = '{"accept": ["text/csv"], "max_body": 3}' WHERE api = 'odd';
SELECT type, s.status FROM (VALUES ('text/csv', 'a,b'), ('text/csv', 'a,bc'), ('application/json', '{}')) v (type, body), send('POST', '/odd', body, type) s;

-- Data of an older version is not served, in the middle of a session either.
BEGIN;
UPDATE workorder.installation SET version = '0.9';
UPDATE workorder.api SET name = name WHERE name = 'odd';
SELECT s.status FROM send('GET', '/regress/echo') s;
ROLLBACK;
SELECT s.status FROM send('GET', '/regress/echo') s;
-- Two routes for one path: that of the API whose name comes first.
INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('odd', 'GET', '/regress/things/{number:int}', 'regress_http.lost');
SELECT s.status, s.body_out FROM send('GET', '/regress/things/1') s;
DELETE FROM workorder.route WHERE api = 'odd' AND method = 'GET';
SELECT s.status FROM send('GET', '/regress/things/1') s;

--
-- Rights: who may not execute a handler, who is identified by the body, as whom they run
--
GRANT EXECUTE ON FUNCTION regress_http.send(text, text, bytea, text), regress_http.send(text, text, text, text) TO regress_http_user, regress_http_nobody;
REVOKE EXECUTE ON FUNCTION echo, obey FROM PUBLIC;
SELECT workorder.grant_anonymous('regress_http_nobody');
SELECT workorder.grant_access('regress_http_user');
GRANT EXECUTE ON FUNCTION echo, obey TO regress_http_user;
GRANT INSERT ON parent TO regress_http_user;
SET ROLE regress_http_nobody;
SELECT s.* FROM send('GET', '/regress/echo') s;
SELECT * FROM workorder.route;
SELECT api.can('x', 1, 'y');
RESET ROLE;
SET workorder.actor = 'http_ann';
SET ROLE regress_http_nobody;
SELECT s.* FROM send('GET', '/regress/echo') s;
RESET ROLE;
RESET workorder.actor;
SET ROLE regress_http_user;
SELECT s.* FROM send('GET', '/regress/echo') s;
RESET ROLE;

CREATE FUNCTION identify(request workorder.http_request) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF request.body ->> 'name' = 'Mallory' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO403', MESSAGE = 'permission denied', DETAIL = 'Nobody has this name.', HINT = 'Correct it.';
  END IF;
  RETURN (SELECT a.id FROM workorder.actor a WHERE a.tenant_id = workorder.tenant_id() AND a.login = 'http_' || lower(request.body ->> 'name'));
END
$$;
REVOKE ALL ON FUNCTION identify FROM PUBLIC;
UPDATE workorder.api SET anonymous = false, settings = '{"identify": "regress_http.identify", "run_as": "regress_http_user"}' WHERE name = 'regress';
SET ROLE regress_http_nobody;
SELECT s.status, s.body_out FROM send('POST', '/regress/do/who', '{"name": "Ann"}') s;
SELECT s.status, s.body_out FROM send('POST', '/regress/do/who', '{"name": "Mallory"}') s;
SELECT s.status, s.body_out FROM send('POST', '/regress/do/who', '{"name": "Nobody"}') s;
SELECT s.status, s.body_out FROM send('POST', '/regress/do/who', '{"name":') s;
RESET ROLE;
-- An API for some roles is for nobody else, whoever says who they are; the body is not looked at.
UPDATE workorder.api SET settings = settings || '{"members": ["http.member", "http.guest"]}' WHERE name = 'regress';
SELECT s.status, s.body_out FROM send('POST', '/regress/do/who', '{"name": "Ann"}') s;
SET workorder.actor = 'http_ann';
SELECT s.status, s.body_out FROM send('POST', '/regress/do/who', '{"name":') s;
SELECT workorder.enrol('http_ann', 'Ann', '{http.guest}') > 0 AS enrolled;
SELECT s.status, s.body_out FROM send('POST', '/regress/do/who', '{}') s;
RESET workorder.actor;
SELECT s.status, s.body_out FROM send('POST', '/regress/do/who', '{"name": "Ann"}') s;
SELECT workorder.enrol('http_ann', 'Ann', '{}') > 0 AS enrolled;
DELETE FROM parent;
UPDATE workorder.api SET settings = settings - 'members' WHERE name = 'regress';
UPDATE workorder.api SET anonymous = true, settings = settings || '{"run_as_anonymous": true}' WHERE name = 'regress';
SET ROLE regress_http_nobody;
SELECT s.status, s.body_out FROM send('POST', '/regress/do/who', '{}') s;
SELECT current_user;
RESET ROLE;
UPDATE workorder.api SET settings = settings || '{"run_as": "regress_http_missing"}' WHERE name = 'regress';
SELECT s.status FROM send('POST', '/regress/do/who', '{"name": "Ann"}') s;

--
-- The native functions, for clients that know tables by the views they read
--
SELECT workorder.publish('{"id": "regress_http", "roles": [], "initial": "new", "on": {"create": {"allow": "*"}, "view": {"allow": "*"}},
  "states": {"new": {"on": {"finish": {"target": "done", "allow": "*", "require": ["note"]}}}, "done": {"type": "final"}}}') > 0 AS published;
CREATE TABLE ticket (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED BY DEFAULT AS IDENTITY, title text, PRIMARY KEY (tenant_id, id));
CREATE TABLE part (LIKE ticket INCLUDING ALL);
SELECT workorder.guard('ticket', 'regress_http');
SELECT workorder.guard('part', 'regress_http');
CREATE VIEW api.regress_tickets WITH (security_invoker = true) AS SELECT id, title, state FROM ticket;
CREATE VIEW api.regress_nested WITH (security_invoker = true) AS SELECT * FROM api.regress_tickets;
CREATE VIEW api.regress_joined WITH (security_invoker = true) AS SELECT t.id, p.title FROM ticket t JOIN part p USING (tenant_id, id);
CREATE VIEW api.ticket WITH (security_invoker = true) AS SELECT t.id, p.title FROM ticket t JOIN part p USING (tenant_id, id);
CREATE VIEW api.regress_plain AS SELECT 1 AS id;
SELECT workorder.grant_access('regress_http_user');
INSERT INTO ticket (title) VALUES ('one');
SET ROLE regress_http_user;
SELECT name, workorder.api_relation(name) FROM (VALUES ('regress_tickets'), ('regress_nested'), ('ticket'), ('regress_http.part')) v (name);
SELECT * FROM api.actions('regress_tickets', 1);
SELECT api.can('regress_tickets', 1, 'finish'), api.can('regress_tickets', 1, 'finish', 'done');
SELECT code FROM api.explain('regress_tickets', 1, 'finish');
SELECT * FROM api.act(relation => 'regress_tickets', id => 1, action => 'finish', note => 'done');
SELECT api.act('regress_joined', 1, 'finish');
SELECT api.act('regress_plain', 1, 'finish');
SELECT api.act('regress_missing', 1, 'finish');
SELECT api.act('x; DROP TABLE y', 1, 'finish');
SELECT api.act(NULL, 1, 'finish');
SELECT api.sign_in('http_ann', 'wrong');
-- While PostgREST serves a request, errors have the form that it understands.
CREATE FUNCTION pg_temp.catch() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM api.act('regress_tickets', 1, 'finish', 'again');
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END
$$;
SET request.method = 'PATCH';
\pset format unaligned
SELECT pg_temp.catch();
UPDATE regress_http.ticket SET action = 'finish', note = 'again' WHERE id = 1;
\echo :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
INSERT INTO regress_http.ticket (title, note) VALUES ('x', 'y') RETURNING 1 / (id - id);
SELECT api.act('regress_missing', 1, 'finish');
SELECT api.sign_in('http_ann', 'wrong');
SELECT workorder.act('regress_http.ticket', NULL, 'finish');
SELECT s.status FROM send('POST', '/regress/nothing') s;
SELECT 1 / 0;
RESET request.method;
\pset format aligned
RESET ROLE;
SELECT workorder.grant_anonymous(NULL);

DROP VIEW api.regress_joined, api.ticket, api.regress_nested, api.regress_tickets, api.regress_plain;
DELETE FROM workorder.api WHERE name IN ('regress', 'regress_locked', 'odd');
SELECT count(*) FROM workorder.route WHERE api LIKE 'regress%' OR api = 'odd';
DROP SCHEMA regress_http CASCADE;
DROP OWNED BY regress_http_user, regress_http_nobody;
DROP ROLE regress_http_user, regress_http_nobody;
