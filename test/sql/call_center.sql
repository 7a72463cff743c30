-- Call-centre tickets from plain SQL: the flow, what is taken and refused, the
-- directories and who may do what.  test/http/vectors/call_center.md has the rest.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset format unaligned
\pset footer off
\pset null null
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_call_center TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_workorder_call_center
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE ROLE regress_call_center_web;
CREATE EXTENSION workorder_call_center CASCADE;
SELECT workorder.install();
SELECT call_center.install();
SELECT call_center.grant_access('regress_call_center_web');
-- again, which changes nothing
SELECT call_center.install();
SELECT count(*) FROM workorder.flow;
SELECT * FROM workorder.check_flow(call_center.flow(), 'call_center.ticket');
SELECT path, label, code FROM workorder.flow_states(call_center.flow());
-- a ticket may begin anywhere, so nothing needs to be passed
SELECT s.path, p.holds, p.counterexample FROM workorder.flow_states(call_center.flow()) s, workorder.prove(call_center.flow(), s.path, 'pending') p WHERE s.path <> 'pending';

-- Everything happens at ten o'clock in Taipei.
SET workorder.now = '2024-01-02 02:00:00+00';
SET timezone = 'UTC';
\set content `cat "$PG_ABS_SRCDIR/fixtures/call_center.sql"`
CREATE TABLE fixture AS SELECT :'content'::text AS content;
CREATE PROCEDURE load() LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE (SELECT f.content FROM fixture f);
END
$$;
\set load 'RESET ROLE; RESET workorder.actor; CALL load();'
\set E6 'RESET ROLE; SET workorder.actor = ''E6''; SET ROLE regress_call_center_web;'
\set E7 'RESET ROLE; SET workorder.actor = ''E7''; SET ROLE regress_call_center_web;'
\set off 'RESET ROLE; SET workorder.actor = ''OFF''; SET ROLE regress_call_center_web;'
\set anon 'RESET ROLE; SET workorder.actor = ''''; SET ROLE regress_call_center_web;'

-- Calls a function and shows what it returns, or of it these keys only; an
-- error as SQLSTATE, message and, of bad fields, detail.
CREATE FUNCTION ask(call text, VARIADIC keys text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer jsonb;
  detail text;
BEGIN
  EXECUTE format('SELECT to_jsonb(call_center.%s)', call) INTO answer;
  IF keys <> '{}' THEN
    answer := (SELECT jsonb_object_agg(k, answer -> k) FROM unnest(keys) AS k);
  END IF;
  RETURN answer;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(': ', SQLSTATE, CASE WHEN SQLSTATE = 'WO422' THEN detail END);
END
$$;
:load
:load
GRANT EXECUTE ON FUNCTION ask(text, text[]) TO regress_call_center_web;
\pset tuples_only on

--
-- Making tickets
--
:E7
SELECT ask($$create_ticket('{"subject": "標題", "content": "內容"}')$$);
SELECT ask(format($$create_ticket('{"subject": "s%1$s", "content": "c", "status": %1$s}')$$, s), 'id', 'status', 'created_at', 'updated_at') FROM generate_series(0, 3) s;
SELECT h.ticket_id, h.action, h.from_state, h.to_state, h.actor FROM workorder.history h WHERE h.relation = 'call_center.ticket'::regclass AND h.ticket_id > 67 ORDER BY 1;
SELECT ask($$create_ticket('{"subject": "s", "content": "c", "termination_code": 1, "termination_code_id": 5, "due_at": "2019-06-01T10:00:00Z", "priority": "2"}')$$,
  'termination_code_id', 'due_at', 'priority');
SELECT ask($$create_ticket('{"subject": "s", "content": "c", "termination_code": {"id": 5}, "id": 1, "creater_id": 6, "state": "closed", "created_at": "x"}')$$,
  'id', 'termination_code_id', 'status');
SELECT ask($$create_ticket('{"subject": "s", "content": "c", "handler_id": 17, "status_memo": "  ", "due_at": "2019-06-01"}')$$, 'handler_id', 'status_memo', 'due_at');
-- all that is wrong at once
SELECT ask($$create_ticket('{}')$$), ask($$create_ticket(NULL)$$);
SELECT ask($$create_ticket('{"subject": " \u3000", "content": ["c"], "status": 4, "priority": -1, "due_at": "soon", "status_memo": 5, "sponsor_id": "x", "handler_id": 999, "termination_code": 99, "sub_category_id": 99999999999999999999, "contact_id": -2}')$$);
SELECT ask(format($$create_ticket('{"subject": "%s", "content": "%s", "status_memo": "%s"}')$$, repeat('長', 256), repeat('x', 65536), repeat('x', 1001)));
SELECT ask(format($$create_ticket('{"subject": "%s", "content": "%s", "status_memo": "%s"}')$$, repeat('長', 255), repeat('😀', 65535), repeat('x', 1000)), 'id');

--
-- Every status from every status, by the API's function and by plain SQL
--
:load
:E6
DO $$
BEGIN
  FOR a IN 0..3 LOOP
    FOR b IN 0..3 LOOP
      PERFORM call_center.update_ticket(65, jsonb_build_object('status', a));
      PERFORM call_center.update_ticket(65, jsonb_build_object('status', b));
    END LOOP;
  END LOOP;
END
$$;
SELECT h.from_state, h.to_state, count(*) > 0 FROM workorder.history h
WHERE h.relation = 'call_center.ticket'::regclass AND h.ticket_id = 65 AND h.action = 'update' GROUP BY 1, 2 ORDER BY 1, 2;
UPDATE call_center.ticket SET status = 2, subject = 'both' WHERE id = 65 RETURNING state, status, subject, last_action;
SELECT a.action, a.target, a.allowed FROM workorder.actions('call_center.ticket', 65) a ORDER BY 1;

--
-- Changing them
--
:load
:E6
SELECT ask($$update_ticket(66, '{"subject": "新"}')$$, 'subject', 'content', 'status', 'updated_at', 'termination_code_id');
SELECT ask($$update_ticket(66, '{}')$$, 'updated_at'), ask($$update_ticket(67, '{"status": "0", "subject": "無法通話", "id": 1}')$$, 'updated_at', 'status');
SELECT ask($$update_ticket(66, '{"due_at": null, "status_memo": null, "sponsor_id": null, "handler_id": null, "termination_code_id": null, "sub_category_id": null, "contact_id": null}')$$,
  'due_at', 'status_memo', 'sponsor', 'handler', 'termination_code', 'sub_category', 'category', 'category_id', 'contact');
SELECT ask($$update_ticket(66, '{"subject": null, "content": " ", "priority": null, "status": null}')$$);
SELECT ask($$update_ticket(66, '{"status": 4, "handler_id": true, "termination_code": "x", "contact_id": 1}')$$);
SELECT ask($$update_ticket(999, '{"subject": null}')$$), ask($$update_ticket(NULL, '{}')$$), ask('ticket_json(999)'), ask('delete_ticket(999)');
SELECT h.revision, h.action, h.actor, h.changes FROM workorder.history h WHERE h.relation = 'call_center.ticket'::regclass AND h.ticket_id = 66 AND h.action <> 'import' ORDER BY 1;

--
-- Deleting them: nobody sees it any more, the journal has it all
--
SELECT ask('delete_ticket(66)'), ask('delete_ticket(66)'), ask('ticket_json(66)'), ask($$list_tickets('{"contact_id": 2}')$$);
RESET ROLE;
SELECT workorder.as_of('call_center.ticket', 66, '2024-01-01') ->> 'content' AS was_there;
SELECT j.revision, j.action, j.changes -> 'content' AS content FROM workorder.journal j JOIN workorder.guarded g ON g.id = j.guarded_id
WHERE g.relation = 'call_center.ticket'::regclass AND j.ticket_id = 66 AND j.action IN ('import', 'delete') ORDER BY 1;

--
-- Times in the tenant's zone
--
:load
SELECT workorder.set_setting('call_center', 'time_zone', 'UTC');
SELECT workorder.set_setting('call_center', 'time_zone', 'Mars/Olympus');
:E7
SELECT ask('ticket_json(66)', 'due_at', 'created_at');
SELECT ask($$list_tickets('{"created_at__start": "2019-04-16 06:22:13", "created_at__end": "2019-04-16 06:22:13"}')$$, 'meta');
:load

-- Where clocks are put back and forward: what is shown alike is found alike, and
-- sending back what is shown changes nothing.
SELECT workorder.set_setting('call_center', 'time_zone', 'Europe/Berlin');
:E7
SELECT ask($$update_ticket(65, '{"due_at": "2026-10-25T00:30:00Z"}')$$, 'due_at'), ask($$update_ticket(66, '{"due_at": "2026-10-25T01:30:00Z"}')$$, 'due_at'),
  ask($$update_ticket(67, '{"due_at": "2026-03-29T01:10:00Z"}')$$, 'due_at');
SELECT f.start, f.stop, (SELECT array_agg((t.value ->> 'id')::int) FROM json_array_elements(l.data) AS t) AS ids
FROM (VALUES ('2026-10-25 02:30:00', '2026-10-25 02:30:00'), ('2026-10-25 02:30:01', '2026-10-25 23:00:00'), ('2026-10-25 00:00:00', '2026-10-25 02:29:59'),
  ('2026-10-25T02:30:00+02:00', '2026-10-25T02:30:00+02:00'), ('2026-03-29 02:30:00', '2026-03-29 03:10:00'), ('2026-03-29 01:00:00', '2026-03-29 02:45:00')) AS f (start, stop),
  LATERAL call_center.list_tickets(jsonb_build_object('due_at__start', f.start, 'due_at__end', f.stop)) AS l;
SELECT count(call_center.update_ticket(t.id, call_center.ticket_json(t.id)::jsonb)) AS sent_back FROM call_center.ticket AS t;
RESET ROLE;
SELECT id, revision, due_at AT TIME ZONE 'UTC' AS due_at FROM call_center.ticket ORDER BY id;
:load

--
-- The directories
--
SELECT call_center.import('sponsor', '[{"id": 1, "name": "default", "is_immortal": true}]') AS same;
SELECT call_center.import('sponsor', '[{"id": 1, "description": "x"}, {"id": 3, "name": "old"}, {"id": 3, "name": "new", "mail_channels": ["a"]}]') AS changed;
SELECT call_center.import('sponsor', '[{"id": 1, "description": null}, {"id": 3, "deleted": true}]') AS changed;
SELECT id, name, description, is_immortal, mail_channels, deleted FROM call_center.sponsor ORDER BY 1;
SELECT call_center.import('employee', '[{"id": 15, "is_active": false, "job_title_id": -1, "extension": {"id": 5}}, {"id": 6, "login": "ken", "last_name": "Wong"}]') AS changed;
SELECT e.id, e.login, e.name, e.job_title_id, a.login, a.name, a.active FROM call_center.employee e JOIN workorder.actor a ON a.tenant_id = e.tenant_id AND a.id = e.actor_id ORDER BY 1;
SELECT call_center.import('employee', '[{"id": 15, "is_active": true}, {"id": 6, "login": "E6"}, {"id": 17, "employee_no": "o"}]') AS changed;
SELECT e.id, a.login, a.active FROM call_center.employee e JOIN workorder.actor a ON a.tenant_id = e.tenant_id AND a.id = e.actor_id ORDER BY 1;
SELECT call_center.import('employee', '[{"id": 6, "deleted": true}]') AS changed;
:E7
SELECT ask($$list_directory('employee')$$, 'meta'), ask($$update_ticket(67, '{"handler_id": 6}')$$), ask($$ticket_json(65)$$, 'handler_id');
SELECT ask($$list_directory('category', '{"search": "無", "category_id": "x"}')$$, 'meta'), ask($$list_directory('sub_category', '{"category_id": "x"}')$$), ask($$list_directory('sub_category', '{"category_id": 99999999999999999999}')$$);
SELECT ask($$list_directory('employee', '{"search": "%"}')$$, 'data'), ask($$list_directory('employee', '{"search": "KE"}')$$, 'meta'), ask($$list_directory('termination_code', '{"search": ""}')$$, 'meta');
RESET ROLE;
SELECT call_center.import('nothing', '[]');
SELECT call_center.import('pg_class', '[]');
SELECT call_center.import('sponsor', '{}');
SELECT call_center.import('sponsor', '[{"id": "x"}]');
SELECT call_center.import('sponsor', '[{"name": "x"}]');
SELECT call_center.import('sponsor', '[{"id": 9}]');
SELECT call_center.import('sub_category', '[{"id": 9, "name": "x", "category_id": 99}]');
SELECT call_center.import('termination_code', '[{"id": 9, "name": "x", "status": 4}]');
SELECT count(*) AS none_of_these FROM call_center.sponsor WHERE id = 9;

--
-- Who may do what
--
:load
:E7
INSERT INTO call_center.ticket (subject, content, status) VALUES ('s', 'c', 3) RETURNING id, state, creator_id = workorder.actor_id();
INSERT INTO call_center.ticket (subject, content) VALUES (' ', 'c');
INSERT INTO call_center.ticket (subject, content, status) VALUES ('s', 'c', 7);
INSERT INTO call_center.ticket (id, subject, content) VALUES (5, 's', 'c');
INSERT INTO call_center.ticket (subject, content, handler_id) VALUES ('s', 'c', 999);
UPDATE call_center.ticket SET state = 'closed' WHERE id = 67;
UPDATE call_center.ticket SET campaign_queue_id = 1 WHERE id = 67;
UPDATE call_center.ticket SET creator_id = 1 WHERE id = 67;
UPDATE call_center.sponsor SET name = 'mine';
SELECT call_center.import('sponsor', '[{"id": 1, "name": "mine"}]');
:off
SELECT ask($$create_ticket('{"subject": "s", "content": "c"}')$$), ask('list_tickets()'), ask('ticket_json(66)'), ask('delete_ticket(66)'), ask($$list_directory('sponsor')$$);
:anon
SELECT ask($$create_ticket('{"subject": "s", "content": "c"}')$$), ask('list_tickets()'), ask($$list_directory('sponsor')$$);
RESET ROLE;
-- an update that writes a state, which the only action there is does not lead to
SET workorder.actor = 'E7';
UPDATE call_center.ticket SET state = 'closed' WHERE id = 67;
SELECT call_center.import('campaign_queue', '[{"id": 1, "name": "新客"}]');
SELECT workorder.enrol('PBX', 'Telephone system', '{call_center.telephony}') IS NOT NULL AS enrolled;
SET workorder.actor = 'PBX';
SET ROLE regress_call_center_web;
UPDATE call_center.ticket SET action = 'route', campaign_queue_id = 1 WHERE id = 67 RETURNING campaign_queue_id, last_action;
UPDATE call_center.ticket SET subject = 'not the telephone system''s' WHERE id = 67;
SELECT ask('ticket_json(67)', 'campaign_queue', 'campaign_queue_id');

--
-- Another tenant
--
RESET ROLE;
INSERT INTO workorder.tenant (id, name) VALUES (2, 'other');
SET workorder.tenant = '2';
SELECT call_center.import('employee', '[{"id": 7, "login": "E7", "employee_no": "otto", "first_name": "Otto"}]');
:E7
SELECT ask('list_tickets()'), ask('ticket_json(67)'), ask($$list_directory('sponsor')$$, 'meta'), ask($$update_ticket(67, '{"subject": "x"}')$$), ask('delete_ticket(67)');
SELECT ask($$create_ticket('{"subject": "s", "content": "c", "sponsor_id": 1}')$$), ask($$create_ticket('{"subject": "s", "content": "c", "handler_id": 7}')$$, 'handler_id', 'sponsor');
RESET ROLE;

-- Everything that happened adds up, in both tenants.
SELECT * FROM workorder.verify('call_center.ticket');
SET workorder.tenant = '1';
SELECT * FROM workorder.verify('call_center.ticket');

-- The code does not go while the tables need it.
DROP EXTENSION workorder_call_center;

RESET workorder.now;
\c postgres
DROP DATABASE regress_workorder_call_center;
DROP ROLE regress_call_center_web;
