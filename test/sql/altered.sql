--
-- What DDL does to a table with a flow: verify() accuses no ticket, as_of() goes
-- on; who stands for the clock is nobody's, and nobody whom the journal names
-- goes; a migration keeps people apart, and the way that a ticket came.
--
\set VERBOSITY sqlstate
CREATE DATABASE regress_workorder_altered TEMPLATE template0;
\c regress_workorder_altered
SET client_min_messages = error;
SET timezone = 'UTC';
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT workorder.publish('{"id": "memo", "roles": ["clerk"], "initial": "new",
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}, "delete": {"allow": ["*"]}},
  "states": {"new": {"on": {"update": {"allow": ["*"], "fields": ["*"]}, "file": {"target": "filed", "allow": ["*"]}}}, "filed": {"type": "final"}}}') > 0 AS published;
CREATE TYPE size AS (width int, height int);
CREATE TYPE prio AS ENUM ('low', 'high');
CREATE TABLE memo (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY,
  days int, due date, code text, box size, prio prio, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('memo', 'memo');
SELECT workorder.enrol('ann', 'Ann', '{clerk}') > 0 AS enrolled;
SET workorder.actor = 'ann';
INSERT INTO memo (days, due, code, box, prio) VALUES (3, '2030-01-02', '7', '(1,2)', 'low'), (4, '2030-01-03', '8', '(3,4)', 'high');
UPDATE memo SET days = 5 WHERE id = 1;
RESET workorder.actor;
SELECT clock_timestamp() AS before \gset
SELECT * FROM workorder.verify();

-- types: what was written is still a value
ALTER TABLE memo ALTER days TYPE text, ALTER due TYPE timestamptz, ALTER code TYPE int USING code::int;
SELECT * FROM workorder.verify();
ALTER TABLE memo ALTER days TYPE numeric USING days::numeric;
SELECT * FROM workorder.verify();
ALTER TYPE size ADD ATTRIBUTE depth int;
SELECT * FROM workorder.verify();
ALTER TYPE size DROP ATTRIBUTE height;
SELECT * FROM workorder.verify();
-- a ticket that was tampered with is told all the same
BEGIN; SET LOCAL session_replication_role = replica; UPDATE memo SET box = '(9,)' WHERE id = 1; UPDATE memo SET days = 6 WHERE id = 2; SELECT ticket_id, code, message FROM workorder.verify(); ROLLBACK;

-- names
ALTER TABLE memo RENAME days TO day_count;
ALTER TYPE prio RENAME VALUE 'low' TO 'normal';
SELECT ticket_id, code, message FROM workorder.verify();
SELECT workorder.altered('memo', '{"days": "nosuch"}');
SELECT workorder.altered('memo', '{}', '{"nosuch": {"low": "normal"}}');
SELECT workorder.altered('pg_class', '{}');
SELECT workorder.altered('memo', '{"days": "day_count"}', '{"prio": {"low": "normal"}}');
SELECT ticket_id, code, message FROM workorder.verify();
SELECT workorder.as_of('memo', id, :'before') -> 'day_count' AS day_count, workorder.as_of('memo', id, :'before') -> 'prio' AS prio FROM memo ORDER BY id;
SELECT guarded_id, ticket_id, revision, action, replace(note, current_user, 'somebody') AS note, changes FROM workorder.journal WHERE guarded_id = 0;
-- a label that comes again later is another one
ALTER TYPE prio ADD VALUE 'low';
SET workorder.actor = 'ann';
UPDATE memo SET prio = 'low', day_count = 8 WHERE id = 1;
INSERT INTO memo (prio) VALUES ('low');
RESET workorder.actor;
SELECT ticket_id, code, message FROM workorder.verify();
SELECT workorder.as_of('memo', 1, 'infinity') -> 'prio' AS prio, workorder.as_of('memo', 1, 'infinity') -> 'day_count' AS day_count;
-- renamed once more
ALTER TABLE memo RENAME day_count TO days;
SELECT workorder.altered('memo', '{"day_count": "days"}');
SELECT ticket_id, code, message FROM workorder.verify();
SELECT workorder.as_of('memo', id, :'before') -> 'days' AS days FROM memo ORDER BY id;

-- one table that cannot be verified does not end it
CREATE TABLE other (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, note_of text, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('other', 'memo');
INSERT INTO other DEFAULT VALUES;
BEGIN; SET LOCAL session_replication_role = replica; ALTER TABLE memo DROP COLUMN votes; UPDATE other SET state = 'filed'; SELECT relation, ticket_id, code, message FROM workorder.verify(); ROLLBACK;
-- nor may columns be taken away that the engine keeps or knows tickets by, or be made others
ALTER TABLE memo DROP COLUMN votes;
\echo :SQLSTATE
ALTER TABLE memo RENAME COLUMN last_note TO remark;
ALTER TABLE memo RENAME COLUMN id TO number;
ALTER TABLE memo ALTER COLUMN state TYPE varchar(10);
ALTER TABLE memo ALTER COLUMN revision TYPE bigint, ADD COLUMN more int;
ALTER TABLE memo ALTER COLUMN state TYPE varchar;
ALTER TABLE memo ALTER COLUMN state TYPE text;
DROP TRIGGER "~workorder_flush" ON memo;
\echo :SQLSTATE
DROP TRIGGER "~workorder_truncate" ON memo;
DROP TRIGGER _workorder_record ON memo;
-- unless a superuser says so
BEGIN; SET LOCAL workorder.maintenance = on; ALTER TABLE memo DROP COLUMN votes; DROP TRIGGER "~workorder_flush" ON memo; ROLLBACK;
-- and so may pg_restore --clean
BEGIN; SET LOCAL check_function_bodies = off; SET LOCAL row_security = off; DROP TRIGGER "~workorder_flush" ON memo; DROP TABLE memo; SELECT count(*) AS kept FROM workorder.guarded g WHERE g.relation::text ~ '^\d+$'; ROLLBACK;
-- a table that was dropped is forgotten
BEGIN; DROP TABLE other; SELECT code, message FROM workorder.verify(); SELECT count(*) FROM workorder.guarded WHERE id = 2; ROLLBACK;
-- where event triggers do not fire
BEGIN; SET LOCAL session_replication_role = replica; DROP TABLE other; SELECT code, message FROM workorder.verify(); SELECT workorder.forget(2); SELECT code, message FROM workorder.verify(); ROLLBACK;
SELECT workorder.forget(2);
SELECT workorder.forget(99);
-- emptied by a superuser: each ticket's journal tells
BEGIN; SET LOCAL workorder.maintenance = on; TRUNCATE memo; SELECT ticket_id, code, message FROM workorder.verify(); SELECT ticket_id, action, note FROM workorder.journal WHERE to_state IS NULL AND guarded_id = 1 ORDER BY ticket_id; ROLLBACK;

--
-- Nobody is $system
--
SELECT workorder.enrol('$system', 'Mr Max', '{clerk}');
SELECT workorder.enrol('$x', 'X');
INSERT INTO workorder.actor (login, name, active) VALUES ('$system', 'system', false);
SELECT workorder.set_password('$system', 'password123');
SELECT workorder.token(1, '$system');
SELECT workorder.map_role('$system', current_user::text);
SELECT code, message FROM workorder.verify();
BEGIN; UPDATE workorder.actor SET active = true WHERE login = '$system'; SELECT code, message FROM workorder.verify(); ROLLBACK;

-- who is named by the journal stays
DELETE FROM workorder.actor WHERE login = 'ann';
SELECT workorder.enrol('zoe', 'Zoe') > 0 AS enrolled;
DELETE FROM workorder.actor WHERE login = 'zoe';
SELECT workorder.disable('ann');

--
-- A migration to a version in which an action has another name
--
SELECT workorder.publish('{"id": "trip", "roles": ["boss"], "initial": "draft",
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"draft": {"on": {"begin": {"target": "pre", "allow": ["*"]}}},
    "pre": {"on": {"submit": {"target": "rev", "allow": ["*"]}}},
    "rev": {"on": {"approve": {"target": "done", "exclude": ["submit"], "approvers": {"of": ["boss"], "none": "fail"}}, "reject": {"target": "pre", "approvers": "approve"}}},
    "done": {"type": "final"}}}') AS one \gset
CREATE TABLE trip (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('trip', 'trip');
SELECT workorder.enrol('q1', 'Q1', '{boss}') > 0 AND workorder.enrol('q2', 'Q2', '{boss}') > 0 AS enrolled;
SET workorder.actor = 'q1';
INSERT INTO trip DEFAULT VALUES;
SELECT state FROM workorder.act('trip', 1, 'begin');
SELECT state FROM workorder.act('trip', 1, 'submit');
RESET workorder.actor;
SELECT workorder.publish('{"id": "trip", "roles": ["boss"], "initial": "draft",
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"draft": {"on": {"begin": {"target": "ready", "allow": ["*"]}}},
    "ready": {"on": {"apply": {"target": "rev", "allow": ["*"]}}},
    "rev": {"on": {"approve": {"target": "done", "exclude": ["apply"], "approvers": {"of": ["boss"], "none": "fail"}}, "reject": {"target": "ready", "approvers": "approve"}}},
    "done": {"type": "final"}}}') AS two \gset
SELECT code, tickets, blocks, message FROM workorder.migrate('trip', :one, :two, '{"pre": "ready"}');
SELECT code FROM workorder.migrate('trip', :one, :two, '{"pre": "ready"}', dry_run => false);
-- an action that no version had is refused as before
SELECT workorder.publish('{"id": "trip", "roles": ["boss"], "initial": "draft",
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"draft": {"on": {"go": {"target": "done", "allow": ["boss"], "exclude": ["nosuch"]}}}, "done": {"type": "final"}}}');
SELECT workorder.publish('{"id": "trip", "roles": ["boss"], "initial": "draft",
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"draft": {"on": {"begin": {"target": "ready", "allow": ["*"]}}},
    "ready": {"on": {"apply": {"target": "rev", "allow": ["*"]}}},
    "rev": {"on": {"approve": {"target": "done", "exclude": ["apply", "submit"], "approvers": {"of": ["boss"], "none": "fail"}}, "reject": {"target": "ready", "approvers": "approve"}}},
    "done": {"type": "final"}}}') AS three \gset
SELECT code, tickets, blocks, message FROM workorder.migrate('trip', :one, :three, '{"pre": "ready"}', dry_run => false);
SELECT exclude FROM workorder.flow f, workorder.flow_actions(f.definition) WHERE f.id = :three AND action = 'approve';
SELECT votes -> '$return_path' AS return_path FROM trip;
SET workorder.actor = 'q1';
SELECT workorder.can('trip', 1, 'approve');
SELECT state FROM workorder.act('trip', 1, 'approve');
SET workorder.actor = 'q2';
BEGIN; SELECT (workorder.send_back('trip', 1, 'previous', 'not yet')).state; SELECT state FROM trip; ROLLBACK;
SELECT state FROM workorder.act('trip', 1, 'approve');
RESET workorder.actor;
SELECT * FROM workorder.verify();

\c postgres
DROP DATABASE regress_workorder_altered;
