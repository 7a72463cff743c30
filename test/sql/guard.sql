-- guard() and unguard(): giving a table a flow, what is refused, and taking it
-- away again.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();
CREATE SCHEMA regress_guard;
SET search_path = regress_guard;

SELECT count(*) AS enrolled FROM (VALUES
  (workorder.enrol('guard_ann', 'Ann', '{employee}')),
  (workorder.enrol('guard_max', 'Max', '{manager}')),
  (workorder.enrol('guard_hua', 'Hua', '{hr}')),
  (workorder.enrol('guard_hal', 'Hal', '{hr}'))) p;

-- What guard() has made of a table.
CREATE FUNCTION shape(relation regclass) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT * FROM (
    SELECT format('column %s %s', quote_ident(attname), format_type(atttypid, atttypmod)) FROM pg_attribute
    WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped ORDER BY attnum) c
  UNION ALL
  SELECT * FROM (
    SELECT format('trigger %s%s', tgname, regexp_replace(pg_get_triggerdef(oid), '^CREATE TRIGGER \S+( .*) ON .*( FOR EACH .* FUNCTION [^(]*).*', '\1\2')) FROM pg_trigger
    WHERE tgrelid = relation AND NOT tgisinternal ORDER BY tgname) t
  UNION ALL
  SELECT * FROM (
    SELECT format('policy %s for %s using %s', polname, polcmd, pg_get_expr(polqual, polrelid)) || coalesce(' check ' || pg_get_expr(polwithcheck, polrelid), '') FROM pg_policy
    WHERE polrelid = relation ORDER BY polname) p
  UNION ALL
  SELECT format('row security %s, forced %s', relrowsecurity, relforcerowsecurity) FROM pg_class WHERE oid = relation
$$;
-- The journal with what does not vary.
CREATE VIEW log AS
SELECT relation::text, ticket_id, revision, actor, action, from_state, to_state, note,
  changes - '{flow_id,creator_id,created_at,entered_at,submitted_at}'::text[] AS changes
FROM workorder.history;

--
-- A table is given a flow
--
CREATE TABLE leave_request (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  id        bigint GENERATED ALWAYS AS IDENTITY,
  days      int NOT NULL,
  PRIMARY KEY (tenant_id, id));

-- not before the flow is published
SELECT workorder.guard('leave_request', flow => 'leave');
\echo :SQLSTATE

\set leave `cat "$PG_ABS_SRCDIR/fixtures/leave.json"`
SELECT workorder.publish(:'leave') > 0 AS published;

-- nor while the flow names columns that are not there
SELECT workorder.guard('leave_request', flow => 'leave');
\echo :SQLSTATE
SELECT * FROM shape('leave_request');

ALTER TABLE leave_request ADD COLUMN reason text, ADD COLUMN submitted_at timestamptz;
SELECT workorder.guard('leave_request', flow => 'leave');
SELECT * FROM shape('leave_request');

-- who is nobody may nothing
INSERT INTO leave_request (days) VALUES (3);
\echo :SQLSTATE
SET workorder.actor = 'guard_ann';
INSERT INTO leave_request (days) VALUES (3);
SELECT id, days, state, history, votes, revision, creator_id = workorder.actor_id() AS creator,
  acted_by = workorder.actor_id() AS acted, created_at = entered_at AND created_at = updated_at AS at_once,
  action, note, last_action, last_note
FROM leave_request;
SELECT action, target, allowed, needs, cardinality(reasons) AS reasons FROM workorder.actions('leave_request', 2);
-- the number that was refused is spent, as with any sequence
UPDATE leave_request SET action = 'submit', note = 'family' WHERE id = 2;
SELECT state, revision, action, note, last_action, last_note, submitted_at = entered_at AS on_entry FROM leave_request;
SELECT action, target, allowed, needs, cardinality(reasons) AS reasons FROM workorder.actions('leave_request', 2);
SELECT state, delay, due_at - (SELECT entered_at FROM leave_request) AS after FROM workorder.timer t
JOIN workorder.guarded g ON g.id = t.guarded_id WHERE g.relation = 'leave_request'::regclass;
SET workorder.actor = 'guard_max';
SELECT action, target, allowed, needs, cardinality(reasons) AS reasons FROM workorder.actions('leave_request', 2);
UPDATE leave_request SET action = 'reject' WHERE id = 2;
\echo :SQLSTATE
UPDATE leave_request SET action = 'reject', note = 'how long?' WHERE id = 2;
SET workorder.actor = 'guard_ann';
UPDATE leave_request SET days = 8, reason = 'a wedding' WHERE id = 2;
UPDATE leave_request SET days = 8, action = 'submit', note = 'a week and a day' WHERE id = 2;
SET workorder.actor = 'guard_max';
SELECT revision, state FROM workorder.act('leave_request', 2, 'approve');
SET workorder.actor = 'guard_hua';
UPDATE leave_request SET action = 'approve' WHERE id = 2;
SELECT state, revision, votes IS NOT NULL AS voting FROM leave_request;
UPDATE leave_request SET action = 'approve' WHERE id = 2;
\echo :SQLSTATE
UPDATE leave_request SET action = 'hold' WHERE id = 2;
SELECT state, history, votes FROM leave_request;
UPDATE leave_request SET action = 'resume' WHERE id = 2;
UPDATE leave_request SET action = 'approve' WHERE id = 2;
SET workorder.actor = 'guard_hal';
UPDATE leave_request SET action = 'approve' WHERE id = 2 RETURNING state, revision, votes, last_action;
SELECT action, target, allowed, needs, cardinality(reasons) AS reasons FROM workorder.actions('leave_request', 2);
UPDATE leave_request SET action = 'hold' WHERE id = 2;
\echo :SQLSTATE
SELECT ticket_id, revision, actor, action, from_state, to_state, note, changes - 'votes' - 'history' AS changes FROM log
WHERE relation = 'leave_request' ORDER BY revision;
SELECT revision, changes ? 'votes' AS votes, changes -> 'history' AS history FROM log
WHERE relation = 'leave_request' AND changes ?| '{votes,history}' ORDER BY revision;
SELECT count(*) AS timers FROM workorder.timer t
JOIN workorder.guarded g ON g.id = t.guarded_id WHERE g.relation = 'leave_request'::regclass;
SELECT * FROM workorder.verify('leave_request');

-- a table has one flow
SELECT workorder.guard('leave_request', 'leave');
\echo :SQLSTATE

--
-- Taking it away, and giving it again
--
SELECT workorder.unguard('leave_request');
SELECT * FROM shape('leave_request');
SELECT workorder.unguard('leave_request');
\echo :SQLSTATE
SELECT action, target, allowed, needs, cardinality(reasons) AS reasons FROM workorder.actions('leave_request', 2);
\echo :SQLSTATE
-- the journal stays
SELECT count(*) AS entries, max(revision) AS last FROM log WHERE relation = 'leave_request';
-- some tool thinks that the engine's columns are in the way
ALTER TABLE leave_request DROP COLUMN flow_id, DROP COLUMN revision, DROP COLUMN state, DROP COLUMN creator_id, DROP COLUMN digest, DROP COLUMN last_action;
SELECT workorder.guard('leave_request', 'leave');
-- what was there goes on, with nothing lost of what was
SELECT count(*) AS tables FROM workorder.guarded WHERE relation = 'leave_request'::regclass;
SELECT state, reason, revision >= 11 AS goes_on FROM leave_request;
SELECT count(*) AS kept FROM log WHERE relation = 'leave_request' AND revision <= 11;
SELECT * FROM workorder.verify('leave_request');
SET workorder.actor = 'guard_ann';
UPDATE leave_request SET action = 'comment', note = 'thank you' WHERE id = 2;
\echo :SQLSTATE
INSERT INTO leave_request (days) VALUES (1);
SELECT ticket_id, revision > 11 AS later, actor, action, from_state, to_state, note FROM log WHERE relation = 'leave_request'
  AND action IN ('create', 'comment') ORDER BY ticket_id, revision;
SELECT * FROM workorder.verify('leave_request');
RESET workorder.actor;
-- what became of the engine's columns while no trigger was at work is made anew
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE leave_request SET state = 'nonsense', revision = 3, creator_id = NULL WHERE id = 2;
SET LOCAL session_replication_role = origin;
SELECT code FROM workorder.verify('leave_request') ORDER BY 1;
SELECT workorder.rebuild('leave_request'), workorder.rebuild('leave_request') AS again;
SELECT * FROM workorder.verify('leave_request');
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'leave_request'::regclass AND tgname LIKE '%workorder%' ORDER BY 1;
ROLLBACK;
SELECT workorder.rebuild('pg_class');
\echo :SQLSTATE

--
-- Engine columns under other names
--
SELECT workorder.publish('{"id": "guard_door", "roles": ["employee"], "initial": "shut",
  "on": {"create": {"allow": "*"}, "view": {"allow": ["$creator_id", "$acted_by"]}, "update": {"allow": "*", "guard": "$.state == \"shut\""}},
  "states": {
    "shut": {"on": {"open": {"target": "wide", "allow": "*", "require": ["note"]}}},
    "wide": {"on": {"close": {"target": "shut", "allow": ["employee"], "exclude": ["$creator_id"]}, "remove": {"target": "gone", "allow": "*"}}},
    "gone": {"type": "final"}}}') > 0 AS published;
CREATE TABLE mapped (
  tenant_id bigint NOT NULL, number int NOT NULL,
  status varchar, "The Note" varchar, state text DEFAULT 'Hesse', action text DEFAULT 'none',
  PRIMARY KEY (tenant_id, number));
SELECT workorder.guard('mapped', 'guard_door', columns => '{"state": "status", "note": "The Note", "action": "do", "revision": "Rev.", "history": "hi''s \"tory\""}');
SELECT * FROM shape('mapped');
SET workorder.actor = 'guard_ann';
INSERT INTO mapped (tenant_id, number, "The Note") VALUES (1, 7, 'a new door') RETURNING status, "Rev.", state, action, "The Note", last_note;
INSERT INTO mapped (number, state) VALUES (8, 'Bavaria') RETURNING tenant_id, number, status, state;
UPDATE mapped SET status = 'wide' WHERE number = 7;
\echo :SQLSTATE
UPDATE mapped SET status = 'wide', "The Note" = 'hot' WHERE number = 7;
UPDATE mapped SET "do" = 'close' WHERE number = 7;
\echo :SQLSTATE
UPDATE mapped SET state = 'Saxony' WHERE number = 7;
\echo :SQLSTATE
UPDATE mapped SET state = 'Saxony', action = 'some' WHERE number = 8;
UPDATE mapped SET "Rev." = 1 WHERE number = 7;
\echo :SQLSTATE
SELECT action, target, allowed, needs, cardinality(reasons) AS reasons FROM workorder.actions('mapped', 7);
SELECT * FROM workorder.act('mapped', 7, 'remove', changes => '{"state": "x"}');
\echo :SQLSTATE
SELECT * FROM workorder.act('mapped', 7, 'remove', changes => '{"status": "gone"}');
\echo :SQLSTATE
SELECT * FROM workorder.act('mapped', 7, 'remove');
SELECT number, status, "Rev.", "do", "The Note", last_action, last_note, state, action FROM mapped ORDER BY 1;
SELECT ticket_id, revision, action, from_state, to_state, note, changes FROM log WHERE relation = 'mapped' ORDER BY 1, 2;
SELECT pg_get_expr(polqual, polrelid) AS sees FROM pg_policy WHERE polrelid = 'mapped'::regclass AND polname = 'workorder_view';
SELECT * FROM workorder.verify('mapped');
RESET workorder.actor;

--
-- What is refused, each time leaving the table as it was
--
CREATE FUNCTION refused(statement text) RETURNS TABLE (code text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN QUERY SELECT 'accepted', NULL, NULL, NULL;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN NEXT;
END
$$;
\x on
CREATE TABLE no_key (tenant_id bigint, id bigint);
CREATE TABLE id_only (id bigint PRIMARY KEY);
CREATE TABLE id_first (tenant_id bigint, id bigint, PRIMARY KEY (id, tenant_id), UNIQUE (tenant_id, id));
CREATE TABLE unique_only (tenant_id bigint NOT NULL, id bigint NOT NULL, UNIQUE (tenant_id, id));
CREATE TABLE three (tenant_id bigint, id bigint, part int, PRIMARY KEY (tenant_id, id, part));
CREATE TABLE int_tenant (tenant_id int, id bigint, PRIMARY KEY (tenant_id, id));
CREATE TABLE uuid_id (tenant_id bigint, id uuid, PRIMARY KEY (tenant_id, id));
SELECT t.name, r.* FROM unnest('{no_key,id_only,unique_only,three,int_tenant,uuid_id}'::text[]) t (name),
  refused(format('SELECT workorder.guard(%L, ''guard_door'')', t.name)) r;
-- both are bigint, so this says that the tenant is called id
SELECT * FROM refused($$SELECT workorder.guard('id_first', 'guard_door')$$);
-- columns beside the key in its index are no matter
CREATE TABLE covering (tenant_id bigint, id bigint, x int, PRIMARY KEY (tenant_id, id) INCLUDE (x));
SELECT * FROM refused($$SELECT workorder.guard('covering', 'guard_door')$$);

CREATE TEMP TABLE of_session (tenant_id bigint, id bigint, PRIMARY KEY (tenant_id, id));
CREATE UNLOGGED TABLE unlogged (tenant_id bigint, id bigint, PRIMARY KEY (tenant_id, id));
CREATE TABLE parent (tenant_id bigint, id bigint, PRIMARY KEY (tenant_id, id));
CREATE TABLE child (PRIMARY KEY (tenant_id, id)) INHERITS (parent);
CREATE TABLE parted (tenant_id bigint, id bigint, PRIMARY KEY (tenant_id, id)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (100);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100) TO (200) PARTITION BY HASH (id);
CREATE TABLE parted_2_0 PARTITION OF parted_2 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE VIEW a_view AS SELECT * FROM parent;
CREATE MATERIALIZED VIEW a_copy AS SELECT * FROM parent;
CREATE SEQUENCE a_sequence;
CREATE TYPE a_type AS (tenant_id bigint, id bigint);
SELECT t.name, r.* FROM unnest('{of_session,unlogged,parent,child,parted_1,parted_2,parted_2_0,a_view,a_copy,a_sequence,a_type,parent_pkey,parted_pkey}'::text[]) t (name),
  refused(format('SELECT workorder.guard(%L, ''guard_door'')', t.name)) r;
SELECT * FROM refused($$SELECT workorder.guard('pg_catalog.pg_class', 'guard_door')$$);
-- a table that inherits while guard() waits for its lock
CREATE EXTENSION dblink;
CREATE TABLE late (tenant_id bigint, id bigint, PRIMARY KEY (tenant_id, id));
SELECT dblink_connect('other', format('host=%s port=%s dbname=%I user=%I options=-csearch_path=regress_guard',
  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database(), session_user)) AS connected;
BEGIN;
CREATE TABLE late_child () INHERITS (late);
SELECT dblink_send_query('other', $$SELECT message FROM refused('SELECT workorder.guard(''late'', ''guard_door'')')$$) AS sent;
DO $$
BEGIN
  FOR i IN 1..3000 LOOP
    EXIT WHEN dblink_is_busy('other') = 0 OR EXISTS (SELECT FROM pg_locks l WHERE l.relation = 'late'::regclass AND NOT l.granted);
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
COMMIT;
SELECT * FROM dblink_get_result('other') AS d (message text);
SELECT dblink_disconnect('other') AS disconnected;
DROP TABLE late CASCADE;
DROP EXTENSION dblink;

CREATE TABLE clash (tenant_id bigint, id bigint, note text, PRIMARY KEY (tenant_id, id));
CREATE TABLE wrong_type (tenant_id bigint, id bigint, state int, PRIMARY KEY (tenant_id, id));
CREATE TABLE too_short (tenant_id bigint, id bigint, state varchar(20), PRIMARY KEY (tenant_id, id));
CREATE TABLE not_null (tenant_id bigint, id bigint, note text NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE computed (tenant_id bigint, id bigint, state text GENERATED ALWAYS AS ('x') STORED, PRIMARY KEY (tenant_id, id));
CREATE TABLE defaulted (tenant_id bigint, id bigint, note text DEFAULT 'from the start', PRIMARY KEY (tenant_id, id));
CREATE TABLE key_taken (creator_id bigint, acted_by bigint, PRIMARY KEY (creator_id, acted_by));
CREATE TABLE key_clash (revision bigint, id bigint, PRIMARY KEY (revision, id));
SELECT * FROM refused($$SELECT workorder.guard('clash', 'guard_door')$$);
SELECT t.name, t.columns, r.* FROM (VALUES ('wrong_type', 'state'), ('too_short', 'state'), ('not_null', 'note'), ('computed', 'state'), ('key_clash', 'revision')) t (name, columns),
  refused(format('SELECT workorder.guard(%L, ''guard_door'', %L)', t.name, jsonb_build_object(t.columns, t.columns))) r;
-- two engine columns cannot be one
SELECT m.mapping, r.code, r.detail <> '' AND r.hint <> '' AS explained FROM unnest(ARRAY['{"state": "x", "note": "x"}', '{"state": "note", "note": "note"}', '{"state": "note"}', '{"last_note": "note", "note": "note"}']) m (mapping),
  refused(format('SELECT workorder.guard(''clash'', ''guard_door'', %L)', m.mapping)) r;
-- nor can the key be one
SELECT m.mapping, r.code, r.detail <> '' AND r.hint <> '' AS explained FROM unnest(ARRAY['{"creator_id": "creator_id"}', '{"acted_by": "acted_by"}', '{"creator_id": "acted_by", "acted_by": "somebody"}']) m (mapping),
  refused(format('SELECT workorder.guard(''key_taken'', ''guard_door'', %L)', m.mapping)) r;
-- what is mapped to must be an ordinary column's name
SELECT * FROM refused($$SELECT workorder.guard('clash', 'guard_door', '{"state": "ctid"}')$$);
SELECT m.mapping, r.* FROM unnest(ARRAY['{"colour": "red"}', '{"state": 1}', '{"state": null}', '{"state": ""}', '[]', '"state"', '3',
  jsonb_build_object('state', repeat('x', 64))::text]) m (mapping),
  refused(format('SELECT workorder.guard(''clash'', ''guard_door'', %L)', m.mapping)) r;
SELECT * FROM refused($$SELECT workorder.guard('clash', 'guard_door', '{"note": "note"}', states => '[]')$$);

SELECT * FROM refused($$SELECT workorder.guard('clash', 'no_such_flow', '{"note": "note"}')$$);
SELECT * FROM refused($$SELECT workorder.guard('clash', NULL)$$);
SELECT * FROM refused($$SELECT workorder.guard(NULL, 'guard_door')$$);
SELECT * FROM refused($$SELECT workorder.unguard(NULL)$$);
SELECT * FROM refused($$SELECT workorder.unguard('clash')$$);
-- a draft takes no rows, nor does what is deprecated
SELECT workorder.draft('{"id": "guard_draft", "roles": [], "initial": "a", "on": {"create": {"allow": "*"}}, "states": {"a": {"type": "final"}}}') > 0 AS drafted;
SELECT * FROM refused($$SELECT workorder.guard('clash', 'guard_draft', '{"note": "note"}')$$);
SELECT workorder.publish('{"id": "guard_deprecated", "roles": [], "initial": "a", "on": {"create": {"allow": "*"}}, "states": {"a": {"type": "final"}}}') > 0 AS published;
SELECT workorder.set_life((SELECT max(id) FROM workorder.flow WHERE name = 'guard_deprecated'), 'deprecated');
SELECT * FROM refused($$SELECT workorder.guard('clash', 'guard_deprecated', '{"note": "note"}')$$);
-- a flow that does not fit: columns that are missing or cannot hold what they should
SELECT workorder.publish('{"id": "guard_fit", "roles": ["employee"], "initial": "a",
  "on": {"create": {"allow": ["employee"], "require": ["title"]}, "view": {"allow": ["$owner_id"]}, "update": {"allow": ["$id_as_text"], "fields": ["colour"]}},
  "states": {"a": {"on": {"go": {"target": "b", "allow": "*", "guard": "$.weight > 3 && $old.height < 2", "set": {"went_at": "$now"}}}}, "b": {"type": "final"}}}') > 0 AS published;
CREATE TABLE unfit (tenant_id bigint, id bigint, id_as_text text, PRIMARY KEY (tenant_id, id));
SELECT * FROM refused($$SELECT workorder.guard('unfit', 'guard_fit')$$);
\x off

-- none of them has changed a table
SELECT c.relname, array_agg(a.attname ORDER BY a.attnum) AS columns, c.relrowsecurity, c.relhastriggers
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'regress_guard'::regnamespace AND c.relkind IN ('r', 'p')
  AND c.relname NOT IN ('leave_request', 'mapped', 'covering', 'id_first')
GROUP BY c.oid, 1 ORDER BY 1;

-- a default of the user's for the order slots orders nothing by itself
SELECT code FROM refused($$SELECT workorder.guard('defaulted', 'guard_door', '{"note": "note"}')$$);
INSERT INTO defaulted (tenant_id, id) VALUES (1, 1) RETURNING note, last_note, revision;

DROP TABLE defaulted;

-- one that is not the owner
CREATE ROLE regress_guard_other;
GRANT USAGE ON SCHEMA regress_guard, workorder TO regress_guard_other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA workorder TO regress_guard_other;
GRANT SELECT ON workorder.flow, workorder.guarded TO regress_guard_other;
GRANT SELECT, UPDATE ON clash, leave_request TO regress_guard_other;
SET ROLE regress_guard_other;
SELECT code FROM refused($$SELECT workorder.guard('regress_guard.clash', 'guard_door', '{"note": "note"}')$$);
SELECT code FROM refused($$SELECT workorder.unguard('regress_guard.leave_request')$$);
RESET ROLE;

-- statistics that are gathered while a statement runs do not come between its triggers
CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER before_the_guard BEFORE INSERT ON leave_request FOR EACH ROW EXECUTE FUNCTION pass_on();
CREATE FUNCTION look_again() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  ANALYZE regress_guard.leave_request;
  RETURN 1;
END
$$;
SET workorder.actor = 'guard_ann';
INSERT INTO leave_request (days) VALUES (1), (2) RETURNING look_again(), revision;
DROP TRIGGER before_the_guard ON leave_request;
-- one that fires after the guard is caught, also if it fires for DELETE besides
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.state := ''granted''; RETURN NEW; END';
CREATE TRIGGER "~zz" BEFORE INSERT OR UPDATE OR DELETE ON leave_request FOR EACH ROW EXECUTE FUNCTION meddle();
SELECT code, message FROM refused('INSERT INTO leave_request (days) VALUES (1)');
DROP TRIGGER "~zz" ON leave_request;
RESET workorder.actor;

SELECT * FROM workorder.verify('leave_request') UNION ALL SELECT * FROM workorder.verify('mapped');
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA workorder FROM regress_guard_other;
DROP OWNED BY regress_guard_other;
DROP ROLE regress_guard_other;
DROP TABLE of_session;
DROP SCHEMA regress_guard CASCADE;
RESET search_path;
SET workorder.maintenance = on; DELETE FROM workorder.actor WHERE login LIKE 'guard\_%'; RESET workorder.maintenance;
