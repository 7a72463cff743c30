-- The support system in plain SQL: who may take which step, the conversation,
-- and the ways round both.  The API's words are tested over HTTP.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset format unaligned
\pset footer off
\pset null null
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_cloud_support TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_workorder_cloud_support
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
SET timezone = 'UTC';
CREATE ROLE regress_cloud_support_web;
CREATE EXTENSION workorder_cloud_support CASCADE;
SELECT workorder.install();
SELECT cloud_support.install();
SELECT cloud_support.grant_access('regress_cloud_support_web');
-- again, which changes nothing
SELECT cloud_support.install();
SELECT count(*) FROM workorder.flow;
SELECT * FROM workorder.check_flow(cloud_support.flow(), 'cloud_support.workorder');
SELECT code, label FROM workorder.dictionary WHERE system = 'cloud_support' AND kind = 'type' ORDER BY position;
-- statuses are the flow's codes, and the states in their order
SELECT s.path, s.label, s.code::int = cloud_support.status(s.path) AND workorder.state_of_code('cloud_support', s.code) = s.path AS same
FROM workorder.flow_state s WHERE s.flow = 'cloud_support' AND s.parent IS NOT NULL ORDER BY s.path;
SELECT string_agg(s.path, ' ' ORDER BY s.path) = string_agg(s.path, ' ' ORDER BY s.code::int DESC) AS in_order
FROM workorder.flow_state s WHERE s.flow = 'cloud_support' AND s.parent IS NOT NULL;

SET workorder.now = '2024-01-02 10:00:00.000001+00';
\set content `cat "$PG_ABS_SRCDIR/fixtures/cloud_support.sql"`
CREATE TABLE fixture AS SELECT :'content'::text AS content;
CREATE PROCEDURE load() LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE (SELECT f.content FROM fixture f);
END
$$;
\set load 'RESET ROLE; RESET workorder.actor; CALL load();'
\set U3 'RESET ROLE; SET workorder.actor = ''U3''; SET ROLE regress_cloud_support_web;'
\set U4 'RESET ROLE; SET workorder.actor = ''U4''; SET ROLE regress_cloud_support_web;'
\set A9 'RESET ROLE; SET workorder.actor = ''A9''; SET ROLE regress_cloud_support_web;'
\set anon 'RESET ROLE; SET workorder.actor = ''''; SET ROLE regress_cloud_support_web;'

-- Calls something and undoes it: what it returned, or what it left, or SQLSTATE
-- and message.
CREATE FUNCTION attempt(login text, call text, look text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer text;
BEGIN
  PERFORM set_config('workorder.actor', login, true);
  SET LOCAL ROLE regress_cloud_support_web;
  EXECUTE call INTO answer;
  IF look IS NOT NULL THEN
    EXECUTE look INTO answer;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = coalesce(answer, 'null');
EXCEPTION
  WHEN SQLSTATE 'ZZ000' THEN RETURN nullif(SQLERRM, '');
  WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;

--
-- Contract 3.2 and 5: every step by everybody.  Work orders 10, 11 and 12 are
-- U3's, 20, 21 and 22 are A9's, who is of the support, too; the last digit
-- is the status they rest in.
--
:load
SELECT cloud_support.enrol('S8', 'support8', '{support}') > 9 AS numbered;
INSERT INTO cloud_support.workorder (id, type, question, support, state, revision, creator_id, created_at, entered_at, updated_at)
SELECT c.first + s.status, 'sys', 'q', true, workorder.state_of_code('cloud_support', s.status::text), 0, a.id, '2020-01-01Z', '2020-01-01Z', '2020-01-01Z'
FROM (VALUES (10, 'U3'), (20, 'A9')) AS c (first, login), generate_series(0, 2) AS s (status), workorder.actor a WHERE a.login = c.login;
WITH step (call, look) AS (VALUES (
  'SELECT cloud_support.set_status(''{"workorder_id": %s, "status": %s}'')',
  'SELECT concat_ws('' '', w.last_action, ''at'', date_part(''year'', w.entered_at)) FROM cloud_support.workorder w WHERE w.id = %s'))
SELECT p.login, n.id, attempt(p.login, format(call, n.id, 2), format(look, n.id)) AS "to 2",
  attempt(p.login, format(call, n.id, 1), format(look, n.id)) AS "to 1", attempt(p.login, format(call, n.id, 0), format(look, n.id)) AS "to 0"
FROM step, unnest(ARRAY[12, 11, 10, 22, 21, 20]) WITH ORDINALITY AS n (id, o), unnest(ARRAY['U3', 'U4', 'A9', 'S8']) WITH ORDINALITY AS p (login, o)
ORDER BY n.o, p.o;
WITH step (call) AS (VALUES ($$SELECT r ->> 'role' FROM cloud_support.add_reply('{"workorder_id": %s, "detail": {"text": "x"}}') r$$))
SELECT p.login, attempt(p.login, format(call, 12)) AS "12", attempt(p.login, format(call, 10)) AS "10",
  attempt(p.login, format(call, 21)) AS "21", attempt(p.login, format(call, 13)) AS "13"
FROM step, unnest(ARRAY['U3', 'U4', 'A9', 'S8', '']) WITH ORDINALITY AS p (login, o) ORDER BY p.o;

--
-- What is not offered is not possible in SQL either
--
SELECT login, call, attempt(login, call) FROM (VALUES
  ('U3', 'INSERT INTO cloud_support.workorder (type, question, support) VALUES (''sys'', ''q'', true) RETURNING state'),
  ('U3', 'INSERT INTO cloud_support.workorder (type, question, support, module) VALUES (''module'', ''q'', true, ''CM-1'') RETURNING state'),
  ('U3', 'INSERT INTO cloud_support.workorder (type, question, support) VALUES (''sys'', '' '', true) RETURNING state'),
  ('U3', 'INSERT INTO cloud_support.workorder (type, question, support) VALUES (''billing'', ''q'', true) RETURNING state'),
  ('U3', 'INSERT INTO cloud_support.workorder (type, question, support, creator_id) VALUES (''sys'', ''q'', true, 1) RETURNING state'),
  ('', 'INSERT INTO cloud_support.workorder (type, question, support) VALUES (''sys'', ''q'', true) RETURNING state'),
  ('U3', 'UPDATE cloud_support.workorder SET question = ''other'' WHERE id = 2'),
  ('U3', 'UPDATE cloud_support.workorder SET state = ''pending'' WHERE id = 2'),
  ('U3', 'UPDATE cloud_support.workorder SET action = ''put_back'' WHERE id = 2'),
  ('U4', 'UPDATE cloud_support.workorder SET action = ''solve'' WHERE id = 2 RETURNING 1'),
  ('A9', 'DELETE FROM cloud_support.workorder WHERE id = 2'),
  ('A9', 'SELECT workorder.remove_reply(''cloud_support.workorder'', 1, (SELECT max(r.id) FROM workorder.replies(''cloud_support.workorder'', ''{1}'') r WHERE r.content = ''好啊''))'),
  ('U3', 'INSERT INTO cloud_support.account (actor_id) VALUES (1)'),
  ('U3', 'SELECT cloud_support.enrol(''X1'', ''x'', ''{support}'')'),
  ('U3', 'SELECT string_agg(id::text, '' '' ORDER BY id) FROM cloud_support.workorder'),
  ('A9', 'SELECT string_agg(id::text, '' '' ORDER BY id) FROM cloud_support.workorder'),
  ('', 'SELECT string_agg(id::text, '' '' ORDER BY id) FROM cloud_support.workorder'),
  ('U4', 'SELECT string_agg(content, '' '') FROM workorder.replies(''cloud_support.workorder'', ''{1,2,3,4,5}'')'),
  ('U3', 'UPDATE cloud_support.workorder_number SET type = ''sys'' WHERE id = 5')
) AS t (login, call);

--
-- From plain SQL
--
:load
:U3
SELECT cloud_support.create_workorder('{"support": 1, "type": "sys", "question": "how?"}');
SELECT * FROM cloud_support.list_workorders(3, 2);
SELECT * FROM cloud_support.list_replies(1, 1, 1);
SELECT * FROM cloud_support.list_replies(5);
SELECT cloud_support.content('{"workorder_id": 4, "type": "tech"}');
SELECT cloud_support.create_workorder(NULL);
:A9
SELECT total, results -> 0 -> 'id' AS first FROM cloud_support.list_workorders(size => 1);
-- a reply moves the engine's time, not the API's
SELECT cloud_support.add_reply('{"workorder_id": 2, "detail": {"image": ["http://example.com/1.png"]}}');
SELECT results -> 0 ->> 'updated_at' AS shown, (SELECT w.updated_at FROM cloud_support.workorder w WHERE w.id = 2) AS engine FROM cloud_support.list_workorders(size => 1);
:anon
SELECT * FROM cloud_support.list_workorders();
SELECT cloud_support.create_workorder('{"support": 1, "type": "sys", "question": "how?"}');
-- a tenant is told times in its own zone
RESET ROLE;
SELECT workorder.set_setting('cloud_support', 'time_zone', 'UTC');
:U4
SELECT results -> 0 ->> 'created_at' AS created_at FROM cloud_support.list_workorders();

--
-- People
--
RESET ROLE;
SELECT cloud_support.enrol('U3', 'hhq2', '{user,support}');
SELECT cloud_support.enrol('N1', 'new', '{user}') > 9 AS numbered;
SELECT cloud_support.enrol('N2', 'newer', '{user}', 1000), cloud_support.enrol('N3', 'newest', '{}');
SELECT cloud_support.enrol('N2', 'newer', '{admin}');
SELECT cloud_support.enrol('N3', 'newest', '{user}', 3);
SELECT a.id, p.login, p.name, array_agg(m.role ORDER BY m.role) FILTER (WHERE m.role IS NOT NULL) AS roles
FROM cloud_support.account a JOIN workorder.actor p ON p.tenant_id = a.tenant_id AND p.id = a.actor_id
LEFT JOIN workorder.membership m ON m.tenant_id = a.tenant_id AND m.actor_id = a.actor_id WHERE p.login IN ('U3', 'N2', 'N3') GROUP BY 1, 2, 3 ORDER BY 1;

--
-- Lists come off their indexes, the count too
--
INSERT INTO cloud_support.workorder (type, question, support, state, revision, creator_id, created_at, entered_at, updated_at)
SELECT 'sys', 'q' || i, true, workorder.state_of_code('cloud_support', (i % 3)::text), 0, a.actor_id, t.at, t.at, t.at
FROM generate_series(1, 20000) i JOIN cloud_support.account a ON a.id = CASE WHEN i % 1000 = 0 THEN 3 ELSE 4 END,
  LATERAL (SELECT '2021-01-01Z'::timestamptz + i * interval '1 minute' AS at) t;
VACUUM (ANALYZE) cloud_support.workorder;
:A9
CREATE TEMP TABLE asked (query text);
INSERT INTO asked VALUES ('SELECT count(*) FROM cloud_support.workorder w WHERE w.tenant_id = 1'),
  ('SELECT w.id FROM cloud_support.workorder w WHERE w.tenant_id = 1 ORDER BY w.state, w.entered_at, w.id LIMIT 20 OFFSET 40'),
  ('SELECT w.id FROM cloud_support.workorder w WHERE w.tenant_id = 1 AND w.creator_id = 7 ORDER BY w.state, w.entered_at, w.id LIMIT 20');
CREATE FUNCTION pg_temp.scans(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    IF line ~ 'Scan|Sort$' THEN
      RETURN NEXT regexp_replace(line, '^[ >-]*', '');
    END IF;
  END LOOP;
END $$;
SELECT a.query, s.scan FROM asked a, pg_temp.scans(a.query) WITH ORDINALITY s (scan, n) ORDER BY a.query, s.n;
SELECT total, json_array_length(results) AS results FROM cloud_support.list_workorders(20000, 100);

--
-- Another tenant
--
RESET ROLE;
INSERT INTO workorder.tenant (id, name) VALUES (2, 'other');
SET workorder.tenant = '2';
SELECT cloud_support.enrol('U3', 'Otto', '{support}') > 1000 AS numbered;
:U3
SELECT * FROM cloud_support.list_workorders();
SELECT count(*) FROM cloud_support.workorder_number;
SELECT cloud_support.set_status('{"workorder_id": 1, "status": 0}');
SELECT * FROM cloud_support.list_replies(1);
SELECT cloud_support.create_workorder('{"support": 1, "type": "sys", "question": "how?"}') ->> 'status' AS status;

RESET ROLE;
SELECT * FROM workorder.verify('cloud_support.workorder');
SET workorder.tenant = '1';
SELECT * FROM workorder.verify('cloud_support.workorder');

-- The code does not go while the tables need it.
DROP EXTENSION workorder_cloud_support;

RESET workorder.now;
\c postgres
DROP DATABASE regress_workorder_cloud_support;
DROP ROLE regress_cloud_support_web;
