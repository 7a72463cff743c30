-- What is small as it is kept and huge as it is written is refused before
-- anybody writes it.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();
CREATE SCHEMA regress_sizes;
SET search_path = regress_sizes;
CREATE TYPE pair AS (a numeric, b jsonb);
CREATE DOMAIN amount AS numeric;
SELECT workorder.publish('{"id": "sizes", "initial": "open", "on": {"create": {"allow": "*"}, "view": {"allow": "*"}, "update": {"allow": "*"},
    "comment": {"allow": "*"}, "reply": {"allow": "*"}},
  "states": {"open": {"on": {"close": {"target": "closed", "allow": "*"}}}, "closed": {"type": "final"}}}') > 0 AS published;
CREATE TABLE thing (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY,
  title text, document jsonb DEFAULT '{}', raw json, n numeric, d amount, list numeric[], documents jsonb[], p pair, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('thing', 'sizes');
INSERT INTO thing (title) VALUES ('one');
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  EXECUTE statement;
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' | ', SQLSTATE, left(SQLERRM, 100), left(detail, 100));
END
$$;

-- one number
SELECT v AS value, try(format('UPDATE thing SET document = %L', v)) AS update, try(format('INSERT INTO thing (document) VALUES (%L)', v)) AS insert,
  try(format('SELECT workorder.act(''thing'', 1, ''update'', changes => jsonb_build_object(''document'', %L::jsonb))', v)) AS act
FROM (VALUES ('1e131071'), ('-1e131071'), ('1e500'), ('-1e500'), ('1e-16000'), ('{"a": [{"b": 1e501}]}'), ('[9e499]'), ('-1e-500')) AS t (v);
SELECT c AS column, try(format('UPDATE thing SET %I = %L', c, v)) AS update
FROM (VALUES ('n', '1e1000'), ('d', '1e1000'), ('list', '{1,1e1000}'), ('documents', '{"[1e1000]"}'), ('p', '(1e1000,)'), ('p', '(1,[1e1000])'),
  ('n', 'NaN'), ('list', '{NULL,Infinity}'), ('raw', '[1e1000]')) AS t (c, v);
-- for a text, too, and where it is only asked
SELECT try($$SELECT workorder.act('thing', 1, 'update', changes => '{"title": [1e131071]}')$$) AS act,
  try($$SELECT workorder.can('thing', 1, 'update', changes => '{"title": [1e131071]}')$$) AS can,
  try($$SELECT count(*) FROM workorder.explain('thing', 1, 'update', changes => '{"title": [1e131071]}')$$) AS explain;
-- many of them, each of which would pass
SELECT n, try(format('UPDATE thing SET document = (SELECT jsonb_agg(1e400) FROM generate_series(1, %s))', n)) AS jsonb,
  try(format('UPDATE thing SET list = (SELECT array_agg(1e400) FROM generate_series(1, %s))', n)) AS array
FROM (VALUES (1000), (1001)) AS t (n);
-- an answer shows what is kept as text as a text
SELECT jsonb_typeof(workorder.as_of('thing', 1, clock_timestamp()) -> 'raw') AS raw;
-- notes and replies
SELECT n, try(format('UPDATE thing SET action = ''comment'', note = repeat(''x'', %s) WHERE id = 1', n)) AS update,
  try(format('SELECT workorder.act(''thing'', 1, ''comment'', repeat(''x'', %s))', n)) AS act,
  try(format('SELECT workorder.add_reply(''thing'', 1, repeat(''x'', %s), ''{}'')', n)) AS reply
FROM (VALUES (1048576), (1048577)) AS t (n);
SELECT try($$SELECT workorder.add_reply('thing', 1, 'x', '[1e131071]')$$) AS data;
-- the owner, who loads history, is not asked
INSERT INTO thing (document, flow_id, state, revision, created_at) SELECT '[1e600]', flow_id, 'open', 5, now() FROM thing WHERE id = 1;
SELECT try($$UPDATE thing SET title = 'still one may work with it' WHERE revision = 5$$) AS update;
-- what a rule of input does not want is not written out
SELECT try($$SELECT workorder.read_input('{"a": [1e131071]}', '[{"name": "a", "kind": "text"}]')$$) AS input;

DROP TABLE thing;
DROP SCHEMA regress_sizes CASCADE;
