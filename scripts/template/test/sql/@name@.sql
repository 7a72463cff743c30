-- The add-on is installed, and keeps the contract of test/vectors.json: each
-- request gets the status and (at least) the members of the answer.
SET client_min_messages = warning;
CREATE EXTENSION workorder_@name@ CASCADE;
SELECT workorder.install();
SELECT @name@.install();
SELECT * FROM workorder.check_flow(@name@.flow(), '@name@.ticket');
CREATE ROLE regress_@name@_web;
SELECT @name@.grant_access('regress_@name@_web');
SELECT workorder.enrol_in('@name@', 'ann', 'Ann', '{member}') > 0 AS ann,
  workorder.enrol_in('@name@', 'dan', 'Dan', '{desk}') > 0 AS dan;

-- What a gateway does: the person, the headers, the body.
CREATE FUNCTION pg_temp.ask(vector jsonb, OUT status int, OUT answer jsonb) LANGUAGE plpgsql AS $$
DECLARE
  method CONSTANT text := split_part(vector ->> 'request', ' ', 1);
  body CONSTANT bytea := convert_to(coalesce(vector ->> 'body', ''), 'UTF8');
BEGIN
  PERFORM set_config('response.status', '', true);
  PERFORM set_config('workorder.actor', coalesce(vector ->> 'as', ''), true);
  PERFORM set_config('request.headers', json_build_object('x-original-method', method,
    'x-original-uri', split_part(vector ->> 'request', ' ', 2), 'x-original-content-type', 'application/json')::text, true);
  SET LOCAL ROLE regress_@name@_web;
  answer := convert_from(CASE WHEN method = 'GET' THEN workorder.http_read(body) ELSE workorder.http_write(body) END, 'UTF8');
  SET LOCAL ROLE NONE;
  status := current_setting('response.status');
END
$$;
\set vectors `cat "$PG_ABS_SRCDIR/vectors.json"`
SELECT v.n, v.vector ->> 'title' AS vector, a.status = (v.vector -> 'status')::int AND a.answer @> (v.vector -> 'answer') AS kept,
  CASE WHEN a.status <> (v.vector -> 'status')::int OR NOT a.answer @> (v.vector -> 'answer') THEN a END AS instead
FROM jsonb_array_elements(:'vectors') WITH ORDINALITY AS v (vector, n), pg_temp.ask(v.vector) AS a
ORDER BY v.n;

-- The journal leads to the rows.
SELECT * FROM workorder.verify('@name@.ticket');
DROP OWNED BY regress_@name@_web;
DROP ROLE regress_@name@_web;
