-- A flow simulated: what the engine would do, and nothing left of it.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_simulate TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_simulate SET lc_messages = 'C';
\c regress_workorder_simulate
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
CREATE TABLE document AS SELECT '{"id": "trip", "initial": "draft", "roles": ["clerk", "boss"],
  "on": {"create": {"allow": ["clerk"], "require": ["days"]}, "view": {"allow": ["$creator_id", "$helper_id", "boss"]}, "delete": {"allow": ["boss"]}},
  "states": {
    "draft": {"on": {"update": {"allow": ["$creator_id"], "fields": ["days"]}, "submit": {"target": "review", "allow": ["$creator_id"], "require": ["note"]}}},
    "review": {"after": {"P3D": {"target": "late", "set": {"urgent": true}}},
      "on": {"approve": [{"target": "chief", "guard": "$.days > 5", "allow": ["boss"], "exclude": ["submit"]}, {"target": "granted", "allow": ["boss"], "exclude": ["submit"]}],
             "help": {"target": "draft", "allow": ["$helper_id"]}}},
    "chief": {"on": {"approve": {"target": "granted", "allow": ["boss"], "quorum": 2}}},
    "late": {"on": {"approve": {"target": "granted", "allow": ["boss"]}}},
    "granted": {"type": "final"}}}'::jsonb AS body;
SELECT workorder.enrol('ann', 'Ann', '{clerk}') AS ann, workorder.enrol('bob', 'Bob', '{boss}') AS bob \gset

-- What is there before must be there after, sequences and all.
CREATE VIEW everything AS
SELECT 'rows' AS what, c.relname::text AS name, (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM workorder.%I', c.relname), false, true, '')))[1]::text AS value
FROM pg_class c WHERE c.relnamespace = 'workorder'::regnamespace AND c.relkind = 'r'
UNION ALL SELECT 'sequence', s.sequencename::text, s.last_value::text FROM pg_sequences s WHERE s.schemaname = 'workorder'
UNION ALL SELECT 'temporary tables', '', count(*)::text FROM pg_class c WHERE c.relpersistence = 't' AND c.relkind = 'r';
CREATE TABLE before AS SELECT * FROM everything;
LISTEN workorder;

-- A document that is not published; people who exist and people who do not.
SELECT s.step, s.actor, s.action, s.from_state, s.to_state, s.ok, s.code, s.message <> s.hint AS explained FROM document, workorder.simulate(body, '[
  {"actor": "ann", "action": "create"},
  {"actor": "ann", "action": "create", "changes": {"days": 3}},
  {"actor": "ann", "action": "submit"},
  {"actor": "ann", "action": "submit", "note": "family"},
  {"actor": "ann", "action": "approve"},
  {"actor": "eve", "action": "approve"},
  {"actor": "bob", "action": "approve", "changes": {"days": 9}},
  {"actor": "bob", "action": "approve"},
  {"actor": "bob", "action": "approve"}]') s;
SELECT s.step, s.actor, s.action, s.from_state, s.to_state, s.ok, s.code, s.message <> s.hint AS explained FROM document, workorder.simulate(body, '[
  {"actor": "cid", "roles": ["clerk", "boss"], "action": "create", "changes": {"days": 7, "helper_id": "eve"}},
  {"actor": "cid", "action": "submit", "note": "x"},
  {"actor": "cid", "action": "approve"},
  {"actor": "eve", "action": "help"},
  {"actor": "cid", "action": "submit", "note": "x"},
  {"actor": "bob", "action": "approve"},
  {"actor": "bob", "action": "approve"},
  {"actor": "cid", "action": "approve"}]') s;
-- Time: what is due by then fires first.
SELECT s.step, s.actor, s.action, s.from_state, s.to_state, s.ok, s.code, s.message <> s.hint AS explained FROM document, workorder.simulate(body, '[
  {"actor": "ann", "action": "create", "changes": {"days": 3}, "at": "2026-03-02 08:00+00"},
  {"actor": "ann", "action": "submit", "note": "x", "at": "2026-03-02 09:00+00"},
  {"actor": "bob", "action": "delete", "at": "2026-03-05 08:59+00"}]') s;
SELECT s.step, s.actor, s.action, s.from_state, s.to_state, s.ok, s.code, s.message <> s.hint AS explained FROM document, workorder.simulate(body, '[
  {"actor": "ann", "action": "create", "changes": {"days": 3}, "at": "2026-03-02 08:00+00"},
  {"actor": "ann", "action": "submit", "note": "x", "at": "2026-03-02 09:00+00"},
  {"actor": "bob", "action": "approve", "at": "2026-03-05 09:00+00"}]') s;
-- Anonymous, and before there is a ticket.
SELECT s.step, s.actor, s.action, s.from_state, s.to_state, s.ok, s.code, s.message <> s.hint AS explained FROM document, workorder.simulate(body, '[{"action": "create", "changes": {"days": 3}}, {"actor": "bob", "action": "approve"}, {"actor": "bob", "action": "delete"}]') s;

-- Nothing is left: rows, sequences, the clock, who acts, the plans of the session, tables.
SELECT * FROM everything EXCEPT SELECT * FROM before;
SELECT current_setting('workorder.now') AS now, workorder.actor_id();
SELECT count(*) FROM workorder.verify();

-- Twice in a transaction, inside of others' work, and beside a table that is in use.
SELECT workorder.publish(body #- '{states,chief,on,approve,quorum}') > 0 AS published FROM document;
CREATE TABLE trip (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, days int, helper_id bigint, urgent boolean, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('trip', 'trip');
SET workorder.actor = 'ann';
BEGIN;
INSERT INTO trip (id, days) VALUES (1, 2);
SELECT step, to_state, ok FROM workorder.simulate('trip', '[{"actor": "ann", "action": "create", "changes": {"days": 3}}, {"actor": "ann", "action": "submit", "note": "x"}]');
UPDATE trip SET action = 'submit', note = 'real' WHERE id = 1;
SELECT step, to_state, ok FROM workorder.simulate('trip', '[{"actor": "zoe", "roles": ["clerk"], "action": "create", "changes": {"days": 3.5}}, {"actor": "zoe", "action": "submit", "note": "x"}]');
SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'workorder.flow'::regclass AND mode <> 'AccessShareLock';
COMMIT;
SELECT id, state, revision FROM trip;
SELECT ticket_id, revision, action FROM workorder.history ORDER BY 1, 2;
SELECT * FROM workorder.verify();
SELECT login FROM workorder.actor ORDER BY id;

-- What makes no sense.
SELECT * FROM workorder.simulate(NULL::jsonb, '[]');
SELECT * FROM workorder.simulate('{}'::jsonb, '[]');
SELECT * FROM workorder.simulate('nothing', '[]');
SELECT * FROM workorder.simulate('trip', NULL);
SELECT * FROM workorder.simulate('trip', '[1]');
SELECT * FROM workorder.simulate('trip', '[{"actor": "ann"}]');
SELECT * FROM workorder.simulate('trip', '[]');
SELECT * FROM workorder.simulate('trip', '[{"actor": "ann", "roles": ["boss"], "action": "create"}]');
SELECT step, ok, code FROM workorder.simulate('trip', '[{"actor": "ann", "action": "create", "changes": {"days": 1, "nonsense": {"a": 1}, "revision": 7}}, {"actor": "ann", "action": "create", "changes": {"days": 1, "state": "granted"}}]');
-- The parts are not for use alone.
SELECT workorder.simulate_as(1, NULL);
SELECT workorder.simulate_begin(body) FROM document;
SELECT * FROM everything EXCEPT SELECT * FROM before;

RESET workorder.actor;
\c :admin_database
SET client_min_messages = warning;
DROP DATABASE regress_workorder_simulate;
