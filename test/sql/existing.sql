-- A table that was there before its flow, with rows in it.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();
CREATE SCHEMA regress_existing;
SET search_path = regress_existing;

-- whoever finishes has not started, so there are two clerks
SELECT count(*) AS enrolled FROM (VALUES (workorder.enrol('existing_eva', 'Eva', '{clerk}')), (workorder.enrol('existing_ida', 'Ida', '{clerk}')), (workorder.enrol('existing_otto', 'Otto', '{boss}'))) p;
SELECT workorder.publish('{
  "id": "existing", "roles": ["clerk", "boss"], "initial": "open",
  "on": {"create": {"allow": ["clerk"]}, "view": {"allow": ["$creator_id", "boss"]}, "update": {"allow": ["clerk"]}, "delete": {"allow": ["boss"]}},
  "states": {
    "open": {"initial": "new", "states": {
      "new": {"on": {"start": {"target": "work", "allow": ["clerk"]}}, "after": {"P1D": {"target": "#existing.done"}}},
      "work": {"on": {"finish": {"target": "#existing.done", "allow": ["clerk"], "exclude": ["start"]}}},
      "last": {"type": "history"}}, "on": {"hold": {"target": "held", "allow": ["boss"]}}},
    "held": {"on": {"resume": {"target": "open.last", "allow": ["boss"]}}},
    "done": {"type": "final"}}}') > 0 AS published;
CREATE VIEW log AS
SELECT relation::text, ticket_id, revision, actor, action, from_state, to_state, note, (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(changes) k) AS changed
FROM workorder.history;

-- As the people before us left it.
CREATE TABLE legacy (
  tenant_id bigint NOT NULL DEFAULT 1, id serial, title text NOT NULL, status varchar DEFAULT 'N', "created at" timestamptz NOT NULL DEFAULT '2020-02-02 UTC', creator_id bigint, old_one text,
  PRIMARY KEY (tenant_id, id));
INSERT INTO legacy (title, status, old_one) VALUES ('a', 'N', 'x'), ('b', 'W', 'x'), ('c', 'D', 'x'), ('d', 'N', 'x'), ('e', '?', 'x'), ('f', NULL, 'x'), ('g', 'Na, ja', 'x');
INSERT INTO workorder.tenant (id, name) VALUES (20, 'another') ON CONFLICT DO NOTHING;
INSERT INTO legacy (tenant_id, title, status) VALUES (20, 'of another tenant', 'N');
ALTER TABLE legacy DROP COLUMN old_one;
UPDATE legacy SET creator_id = (SELECT id FROM workorder.actor WHERE login = 'existing_eva') WHERE title IN ('a', 'b', 'd');
CREATE TEMP TABLE before AS SELECT * FROM legacy;

-- refused while a value has no place, naming the values
\set mapping '\'{"state": "status", "created_at": "created at", "creator_id": "creator_id"}\''
SELECT workorder.guard('legacy', 'existing', :mapping);
\echo :SQLSTATE
SELECT workorder.guard('legacy', 'existing', :mapping, '{}');
\echo :SQLSTATE
SELECT workorder.guard('legacy', 'existing', :mapping, '{"N": "open.new", "W": "open.work"}');
\echo :SQLSTATE
-- nor may they be led astray: to no state, to one with states in it, to a history, to nothing
SELECT workorder.guard('legacy', 'existing', :mapping, '{"N": "open.new", "W": "open.werk", "*": "done"}');
\echo :SQLSTATE
SELECT workorder.guard('legacy', 'existing', :mapping, '{"*": "open"}');
SELECT workorder.guard('legacy', 'existing', :mapping, '{"*": "open.last"}');
SELECT workorder.guard('legacy', 'existing', :mapping, '{"N": null, "W": "open.work", "D": "done", "?": "done", "Na, ja": "done"}');
\echo :SQLSTATE
SELECT workorder.guard('legacy', 'existing', :mapping, '{"N": 3, "*": ["done"]}');
\echo :SQLSTATE
-- each time it is as it was
SELECT array_agg(attname ORDER BY attnum) AS columns FROM pg_attribute WHERE attrelid = 'legacy'::regclass AND attnum > 0 AND NOT attisdropped;
SELECT count(*) FROM (SELECT * FROM legacy EXCEPT SELECT * FROM before) x;

-- and accepted with a default for the rest
SELECT workorder.guard('legacy', 'existing', :mapping, '{"N": "open.new", "W": "open.work", "*": "done"}');
SELECT tenant_id, id, title, status, revision, "created at", flow_id IS NOT NULL AS flow, entered_at IS NOT NULL AS entered, updated_at IS NOT NULL AS updated,
  creator_id = (SELECT id FROM workorder.actor WHERE login = 'existing_eva') AS of_eva, acted_by, action, note, last_action, last_note
FROM legacy ORDER BY tenant_id, id;
SELECT count(*) FROM log WHERE relation = 'legacy' AND revision > 0;
SELECT * FROM workorder.verify('legacy');

-- their history begins where it was taken up
SET workorder.actor = 'existing_eva';
SELECT action, target, allowed FROM workorder.actions('legacy', 1);
UPDATE legacy SET action = 'start' WHERE id = 1;
SELECT revision, state FROM workorder.act('legacy', 2, 'finish', 'done at last');
UPDATE legacy SET title = 'd, edited' WHERE id = 4;
SET workorder.actor = 'existing_otto';
UPDATE legacy SET action = 'hold' WHERE id IN (1, 4);
UPDATE legacy SET action = 'resume' WHERE id = 4;
DELETE FROM legacy WHERE id IN (5, 6);
SET workorder.actor = 'existing_eva';
-- what used to be filled in by defaults is the engine's now
INSERT INTO legacy (title) VALUES ('new') RETURNING id, status, revision, "created at" = entered_at AS now;
INSERT INTO legacy (title, status, "created at") VALUES ('new', NULL, NULL) RETURNING id, status, revision, "created at" = entered_at AS now;
UPDATE legacy SET action = 'finish' WHERE id = 4;
\echo :SQLSTATE
SELECT ticket_id, revision, actor, action, from_state, to_state, note FROM log WHERE relation = 'legacy' ORDER BY 1, 2;
SELECT * FROM workorder.verify('legacy');
SELECT workorder.as_of('legacy', 1, now()) ->> 'title' AS now, workorder.as_of('legacy', 3, now()) ->> 'status' AS untouched;

-- the other tenant's row has its place too, in its own
SET workorder.tenant = '20';
SELECT workorder.enrol('existing_zoe', 'Zoe', '{clerk}') > 0 AS enrolled;
SET workorder.actor = 'existing_zoe';
SELECT revision, state FROM workorder.act('legacy', 8, 'start');
SELECT workorder.act('legacy', 1, 'start');
\echo :SQLSTATE
SELECT ticket_id, revision, actor, action, from_state, to_state FROM log WHERE relation = 'legacy' ORDER BY 1, 2;
SELECT * FROM workorder.verify('legacy');
RESET workorder.tenant;
RESET workorder.actor;

-- all to one place
CREATE TABLE plain (tenant_id bigint, id bigint, x int, PRIMARY KEY (tenant_id, id));
INSERT INTO plain SELECT 1, i, i FROM generate_series(1, 1000) i;
SELECT workorder.guard('plain', 'existing');
\echo :SQLSTATE
SELECT workorder.guard('plain', 'existing', states => '{"*": "open.work"}');
SELECT state, revision, count(*) FROM plain GROUP BY 1, 2;
SET workorder.actor = 'existing_eva';
UPDATE plain SET action = 'finish' WHERE x % 2 = 0;
SELECT revision, action, from_state, to_state, count(*) FROM log WHERE relation = 'plain' AND action = 'finish' GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT * FROM workorder.verify('plain');
RESET workorder.actor;

-- rows that have no place cannot hide in a partition
CREATE TABLE parted (tenant_id bigint, id bigint, state text, PRIMARY KEY (tenant_id, id)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted VALUES (1, 1, 'open'), (1, 11, 'shut');
SELECT workorder.guard('parted', 'existing', '{"state": "state"}', '{"open": "open.new"}');
\echo :SQLSTATE
SELECT workorder.guard('parted', 'existing', '{"state": "state"}', '{"open": "open.new", "shut": "done"}');
SELECT id, state, revision FROM parted ORDER BY 1;
SET workorder.actor = 'existing_eva';
UPDATE parted SET action = 'start' WHERE id = 1;
SELECT ticket_id, revision, action, from_state, to_state FROM log WHERE relation = 'parted' AND revision > 0;
SELECT * FROM workorder.verify('parted');
RESET workorder.actor;

-- constraints and triggers of the table's own are asked too
CREATE TABLE strict (tenant_id bigint, id bigint, state text CHECK (state IN ('N', 'D')), touched int DEFAULT 0, PRIMARY KEY (tenant_id, id));
INSERT INTO strict VALUES (1, 1, 'N');
SELECT workorder.guard('strict', 'existing', '{"state": "state"}', '{"N": "open.new"}');
\echo :SQLSTATE
ALTER TABLE strict DROP CONSTRAINT strict_state_check;
SELECT workorder.guard('strict', 'existing', '{"state": "state"}', '{"N": "open.new"}');
SELECT id, state, touched, revision FROM strict;

SELECT v.* FROM unnest('{legacy,plain,parted,strict}'::regclass[]) t, workorder.verify(t) v;
DROP TABLE before;
DROP SCHEMA regress_existing CASCADE;
RESET search_path;
SET workorder.maintenance = on; DELETE FROM workorder.actor WHERE login LIKE 'existing\_%'; RESET workorder.maintenance;
DELETE FROM workorder.tenant WHERE id = 20;
