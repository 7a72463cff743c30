-- The ticket desk in plain SQL: who may what in which state, who gets a ticket,
-- and the ways round it.  The API's words are tested over HTTP.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset format unaligned
\pset footer off
\pset null null
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_dispatch TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
\c regress_workorder_dispatch
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
SET timezone = 'UTC';
CREATE ROLE regress_dispatch_web;
CREATE EXTENSION workorder_dispatch CASCADE;
SELECT workorder.install();
SELECT dispatch.install();
SELECT dispatch.grant_access('regress_dispatch_web');
-- again, which changes nothing
SELECT dispatch.install();
SELECT count(*) FROM workorder.flow;
SELECT * FROM workorder.check_flow(dispatch.flow(), 'dispatch.ticket');
-- what the API calls states is what the flow calls them, and every step leads where it says
SELECT s.code, f.path AS state, dispatch.status(f.path) = s.code AND workorder.state_of_code('dispatch', s.code::text) = f.path AS same, f.label,
  NOT EXISTS (SELECT FROM workorder.flow_action a WHERE a.flow = 'dispatch' AND a.action = s.action
              AND a.target IS DISTINCT FROM f.path) AS leads_there
FROM dispatch.steps() s LEFT JOIN workorder.flow_state f ON f.flow = 'dispatch' AND f.code = s.code::text ORDER BY s.code;
SELECT n.given, dispatch.status_named(n.given::jsonb) FROM (VALUES
  ('"new"'), ('"In-Processing"'), ('"IN_PROCESSING"'), ('"REOPENED"'), ('"Request Information"'), ('"pending"'), ('"canceled"'),
  ('8'), ('"8"'), ('9'), ('0'), ('"08"'), ('8.0'), ('"done"'), ('""'), ('null'), ('true'), ('["new"]'), ('{}')) n (given);
SELECT dispatch.entry_uuid('x', 1), dispatch.entry_uuid('x', 1) = dispatch.entry_uuid('x', 1) AS same, dispatch.entry_uuid('x', 2) <> dispatch.entry_uuid('x', 1) AS other;

SET workorder.now = '2024-01-02 10:00:00';
\set content `cat "$PG_ABS_SRCDIR/fixtures/dispatch.sql"`
CREATE TABLE fixture AS SELECT :'content'::text AS content;
CREATE PROCEDURE load() LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE (SELECT f.content FROM fixture f);
END
$$;
\set load 'RESET ROLE; RESET workorder.actor; CALL load();'
\set C1 'RESET ROLE; SET workorder.actor = ''cust1''; SET ROLE regress_dispatch_web;'
\set C2 'RESET ROLE; SET workorder.actor = ''cust2''; SET ROLE regress_dispatch_web;'
\set S1 'RESET ROLE; SET workorder.actor = ''staff1''; SET ROLE regress_dispatch_web;'
\set D1 'RESET ROLE; SET workorder.actor = ''superadmin''; SET ROLE regress_dispatch_web;'
:load
-- twice, whatever was done before
:C1
SELECT count(*) FROM dispatch.create_ticket('{"content": "x", "images": ["http://a.example/1.png"]}');
:load
SELECT t.uuid, t.state, t.content, t.images, p.userid FROM dispatch.ticket t LEFT JOIN dispatch.person p ON p.actor_id = t.staff_id ORDER BY t.created_at;

-- Who may what in which state: contract 3.2 and 5.
INSERT INTO dispatch.ticket (uuid, content, staff_id, creator_id, state, revision, created_at, entered_at, updated_at)
SELECT 's' || s.code, 'x', CASE WHEN s.code > 1 THEN b.actor_id END, a.actor_id, workorder.state_of_code('dispatch', s.code::text), 0, now(), now(), now()
FROM dispatch.steps() s, dispatch.person a, dispatch.person b WHERE a.userid = 1001 AND b.userid = 2001;
CREATE FUNCTION may(who text, uuids text) RETURNS TABLE (uuid text, actions text) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('workorder.actor', who, true);
  RETURN QUERY SELECT t.uuid, array_to_string(m.permitted, ' ')
  FROM dispatch.ticket t
  LEFT JOIN workorder.permitted('dispatch.ticket', ARRAY(SELECT x.id FROM dispatch.ticket x),
    '{view,update,reply,assign,start,fix,close,reopen,ask,cancel,touch}') m ON m.id = t.id
  WHERE t.uuid LIKE uuids ORDER BY t.uuid;
END
$$;
GRANT EXECUTE ON FUNCTION may(text, text) TO regress_dispatch_web;
GRANT SET ON PARAMETER workorder.actor TO regress_dispatch_web;
SET ROLE regress_dispatch_web;
SELECT w.who, m.* FROM unnest('{cust1,cust2,staff1,staff2,superadmin,multi1}'::text[]) WITH ORDINALITY w (who, n), LATERAL may(w.who, 's_') m ORDER BY w.n, m.uuid;
RESET ROLE;

-- A life.
:load
:C1
SELECT dispatch.permission_check();
SELECT dispatch.create_ticket('{"content": "坏了"}') AS uuid \gset
SELECT dispatch.edit_ticket(jsonb_build_object('uuid', :'uuid', 'content', '坏了!', 'images', '["http://a.example/1.png"]'::jsonb)) = :'uuid';
:D1
SELECT dispatch.edit_ticket(jsonb_build_object('uuid', :'uuid', 'status', 'assigned', 'staff-id', '2001')) = :'uuid';
:S1
SELECT dispatch.edit_ticket(jsonb_build_object('uuid', :'uuid', 'status', 8)) = :'uuid';
SELECT dispatch.create_reply(jsonb_build_object('uuid', :'uuid', 'reply', '{"content": "好了"}'::jsonb)) = :'uuid';
SELECT dispatch.edit_ticket(jsonb_build_object('uuid', :'uuid', 'status', 'FIXED')) = :'uuid';
:D1
SELECT dispatch.edit_ticket(jsonb_build_object('uuid', :'uuid', 'status', 'CLOSED')) = :'uuid';
:C1
SELECT jsonb_pretty((dispatch.ticket_detail(jsonb_build_object('uuid', :'uuid')) -> 'ticket-detail')
  #- '{reply,0,uuid}' #- '{operating-history,0,uuid}' #- '{operating-history,1,uuid}' #- '{operating-history,2,uuid}'
  #- '{operating-history,3,uuid}' #- '{operating-history,4,uuid}');
-- the journal has more than the API shows
SELECT h.revision, h.actor, h.action, h.from_state, h.to_state FROM workorder.history h JOIN dispatch.ticket t ON t.id = h.ticket_id
WHERE h.relation = 'dispatch.ticket'::regclass AND t.uuid = :'uuid' ORDER BY h.revision;

-- The ways round it.
:C1
INSERT INTO dispatch.ticket (content) VALUES ('plain') RETURNING state, char_length(uuid);
INSERT INTO dispatch.ticket (content) VALUES (E' \n\u3000');
INSERT INTO dispatch.ticket (content, uuid) VALUES ('x', 'mine');
INSERT INTO dispatch.ticket (content, staff_id) VALUES ('x', 1);
UPDATE dispatch.ticket SET staff_id = workorder.actor_id() WHERE uuid = 't1';
UPDATE dispatch.ticket SET past = '[]' WHERE uuid = 't1';
UPDATE dispatch.ticket SET action = 'assign' WHERE uuid = 't1';
UPDATE dispatch.ticket SET state = 'closed' WHERE uuid = 't1';
UPDATE dispatch.ticket SET uuid = 'mine' WHERE uuid = 't1';
UPDATE dispatch.ticket SET content = 'x' WHERE uuid IN ('t3', 't4');
DELETE FROM dispatch.ticket WHERE uuid = 't1';
SELECT count(*) FROM dispatch.person;
INSERT INTO dispatch.person (userid, actor_id) VALUES (5, 5);
SELECT dispatch.enrol(9, 'me', 'me', '{scheduler}');
SELECT workorder.open_credential('zz');
:D1
UPDATE dispatch.ticket SET action = 'assign', staff_id = (SELECT p.actor_id FROM dispatch.person p WHERE p.userid = 1001) WHERE uuid = 't1';
UPDATE dispatch.ticket SET action = 'assign', staff_id = NULL WHERE uuid = 't2' RETURNING (SELECT p.userid FROM dispatch.person p WHERE p.actor_id = staff_id);
UPDATE dispatch.ticket SET action = 'assign' WHERE uuid = 't4' RETURNING (SELECT p.userid FROM dispatch.person p WHERE p.actor_id = staff_id);
UPDATE dispatch.ticket SET action = 'assign' WHERE uuid = 't1' RETURNING (SELECT p.userid FROM dispatch.person p WHERE p.actor_id = staff_id);
UPDATE dispatch.ticket SET state = 'closed' WHERE uuid = 't3' RETURNING last_action;
SELECT * FROM dispatch.image_file('x');
SELECT * FROM dispatch.image_file('00000000-0000-4000-8000-000000000000.png');

-- People.
RESET ROLE;
SELECT dispatch.enrol(NULL, 'x', 'x', '{staff}');
SELECT dispatch.enrol(7, 'x', 'x', '{boss}');
SELECT dispatch.enrol(1001, 'x', 'x', '{staff}');
SELECT workorder.enrol('cust1', 'cust1', '{dispatch.customer, other.role}') > 0 AS enrolled;
SELECT dispatch.enrol(1003, 'cust1', 'cust1', '{staff}') > 0 AS enrolled;
SELECT m.role, p.userid FROM workorder.membership m JOIN workorder.actor a ON a.id = m.actor_id JOIN dispatch.person p ON p.actor_id = a.id
WHERE a.login = 'cust1' ORDER BY 1;

-- Images are judged however they are written.
:C2
INSERT INTO dispatch.ticket (content, images) VALUES ('x', '["http://a.example/1.png", "HTTPS://b.example/2"]') RETURNING images;
INSERT INTO dispatch.ticket (content, images) VALUES ('x', '["javascript:alert(1)"]');
INSERT INTO dispatch.ticket (content, images) VALUES ('x', '["00000000-0000-4000-8000-000000000000.png"]');
UPDATE dispatch.ticket SET images = '["data:text/html,x"]' WHERE content = 'x' AND images <> '[]';
UPDATE dispatch.ticket SET images = '[["http://a.example/1.png"]]' WHERE content = 'x' AND images <> '[]';
UPDATE dispatch.ticket SET images = '["HTTPS://b.example/2"]' WHERE content = 'x' AND images <> '[]' RETURNING images;
RESET ROLE;
RESET workorder.actor;

-- Another tenant has a desk of its own.
INSERT INTO workorder.tenant (id, name) VALUES (2, 'two');
SET workorder.tenant = '2';
SELECT dispatch.enrol(1001, 'cust1', 'cust1', '{customer}') > 0 AS enrolled;
SET workorder.actor = 'cust1';
GRANT SET ON PARAMETER workorder.tenant TO regress_dispatch_web;
SET ROLE regress_dispatch_web;
SELECT dispatch.list_tickets();
SELECT dispatch.ticket_detail('{"uuid": "t1"}');
RESET ROLE;
RESET workorder.tenant;
RESET workorder.actor;
SELECT * FROM workorder.verify('dispatch.ticket');

\c postgres
DROP DATABASE regress_workorder_dispatch;
REVOKE SET ON PARAMETER workorder.actor, workorder.tenant FROM regress_dispatch_web;
DROP ROLE regress_dispatch_web;
