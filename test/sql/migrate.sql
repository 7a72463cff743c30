-- Tickets go from one version of their flow to another: the report first, then
-- all or none.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_migrate TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_migrate SET lc_messages = 'C';
\c regress_workorder_migrate
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();

SELECT workorder.publish('{"id": "claim", "initial": "open", "roles": ["clerk"],
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {
    "open": {"initial": "read", "on": {"park": {"target": "parked", "allow": ["*"]}, "close": {"target": "closed", "allow": ["*"]}},
      "after": {"P10D": "closed"},
      "states": {
        "read": {"on": {"check": {"target": "check", "allow": ["*"]}}},
        "check": {"after": {"P1D": "read"}, "on": {"sign": {"target": "pay", "allow": ["clerk"], "quorum": 2}}},
        "pay": {}, "last": {"type": "history", "history": "deep"}}},
    "parked": {"on": {"resume": {"target": "open.last", "allow": ["*"]}}},
    "closed": {"type": "final"}}}') AS old \gset
CREATE TABLE claim (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, title text, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('claim', 'claim');
SELECT workorder.count_rows('claim');
SELECT workorder.enrol(x, x, '{clerk}') IS NOT NULL AS enrolled FROM unnest('{ann,bob,cid}'::text[]) x;
SET workorder.actor = 'ann';
SET workorder.now = '2026-03-02 08:00+00';
INSERT INTO claim (id, title) SELECT g, 'claim ' || g FROM generate_series(1, 7) g;
UPDATE claim SET action = 'check' WHERE id IN (2, 3, 4);
UPDATE claim SET action = 'sign' WHERE id = 3;
UPDATE claim SET action = 'park' WHERE id IN (4, 5);
UPDATE claim SET action = 'close' WHERE id = 6;
-- One that was there before, and has no journal yet.
INSERT INTO claim (id, title, revision, state, created_at) VALUES (8, 'old', 4, 'open.pay', '2026-02-01 08:00+00');

SELECT workorder.publish('{"id": "claim", "initial": "work", "roles": ["clerk"],
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}, "update": {"allow": ["*"]}},
  "states": {
    "work": {"initial": "read", "on": {"park": {"target": "parked", "allow": ["*"]}, "close": {"target": "closed", "allow": ["*"]}},
      "after": {"P20D": "closed"},
      "states": {
        "read": {"on": {"check": {"target": "review", "allow": ["*"]}}},
        "review": {"after": {"P2D": "read"}, "on": {"sign": {"target": "#claim.closed", "allow": ["clerk"]}}},
        "last": {"type": "history", "history": "deep"}}},
    "parked": {"on": {"resume": {"target": "work.last", "allow": ["*"]}}},
    "closed": {"type": "final"}}}') AS new \gset

-- The report; nothing changes.
SELECT * FROM workorder.migrate('claim', :old, :new);
SELECT * FROM workorder.migrate('claim', :old, :new, '{"open": "work"}');
SELECT * FROM workorder.migrate('claim', :old, :new, '{"open": "work", "open.check": "work.review", "open.pay": "work", "opne": "work", "*": "nowhere"}');
SELECT * FROM workorder.migrate('claim', :old, :new, '{"open": "work", "open.check": "work.review", "open.pay": "work.review"}');
SELECT id, flow_id = :old AS old, state, revision FROM claim ORDER BY id;
SELECT count(*) FROM workorder.journal WHERE action = 'migrate';

-- What blocks, blocks all of it.
SELECT * FROM workorder.migrate('claim', :old, :new, '{"open": "work"}', dry_run => false);
SELECT count(*) FROM claim WHERE flow_id = :new;

-- What makes no sense, and who may not.
SELECT * FROM workorder.migrate('claim', NULL, :new);
SELECT * FROM workorder.migrate('claim', :old, :new, '[]');
SELECT * FROM workorder.migrate('claim', :old, 99);
SELECT * FROM workorder.migrate('claim', :new, :new);
SELECT * FROM workorder.migrate('workorder.timer', :old, :new);
SELECT workorder.draft('{"id": "claim"}') AS draft \gset
SELECT * FROM workorder.migrate('claim', :old, :draft);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM workorder.migrate('claim', :old, :new, dry_run => false);
ROLLBACK;
CREATE ROLE regress_workorder_mover;
SELECT workorder.grant_access('regress_workorder_mover');
GRANT EXECUTE ON FUNCTION workorder.migrate(regclass, int, int, jsonb, boolean), workorder.move_tickets(regclass, int, int, jsonb, bigint) TO regress_workorder_mover;
GRANT SELECT ON workorder.guarded TO regress_workorder_mover;
SET ROLE regress_workorder_mover;
SELECT * FROM workorder.migrate('claim', :old, :new);
SELECT workorder.move_tickets('claim', :old, :new, '{}', 0);
UPDATE claim SET action = 'migrate' WHERE id = 1;
RESET ROLE;
-- Nobody gives the order by hand, the owner neither.
UPDATE claim SET action = 'migrate' WHERE id = 1;
SELECT code, path, message FROM workorder.check_flow('{"id": "x", "initial": "a", "on": {"create": {"allow": "*"}}, "states": {"a": {"on": {"migrate": {"target": "b", "allow": "*"}}}, "b": {"type": "final"}}}');

-- All of them, by somebody, later.
SET workorder.actor = 'bob';
SET workorder.now = '2026-03-05 09:00+00';
SELECT code, state, target, tickets FROM workorder.migrate('claim', :old, :new, '{"open": "work", "open.check": "work.review", "open.pay": "work.review"}', dry_run => false);
SELECT id, flow_id = :old AS old, state, history, votes, revision, entered_at, last_action FROM claim ORDER BY id;
SELECT ticket_id, revision, at, actor, action, from_state, to_state, changes FROM workorder.history WHERE action IN ('migrate', 'import') ORDER BY ticket_id, revision;
SELECT ticket_id, state, delay, due_at FROM workorder.timer ORDER BY ticket_id, state;
SELECT * FROM workorder.verify();
SELECT workorder.total('claim') = (SELECT count(*) FROM claim) AS counted;
SELECT workorder.retime('claim') AS retimed;
-- Nothing is left to move.
SELECT code, state, tickets FROM workorder.migrate('claim', :old, :new, dry_run => false);

-- They go on by the new version: what was remembered is still known.
UPDATE claim SET action = 'resume' WHERE id IN (4, 5);
UPDATE claim SET action = 'sign' WHERE id IN (2, 3, 4);
UPDATE claim SET title = 'mended' WHERE id = 1;
SELECT id, state, revision FROM claim ORDER BY id;
SELECT * FROM workorder.verify();
SELECT workorder.as_of('claim', 2, '2026-03-04 00:00+00') ->> 'state' AS before, workorder.as_of('claim', 2, '2026-03-05 09:00+00') ->> 'state' AS after;

-- A trigger that comes after the guard may not meddle here either, nor skip a ticket.
SELECT workorder.publish('{"id": "claim", "initial": "work",
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}}, "states": {"work": {"on": {"close": {"target": "closed", "allow": ["*"]}}}, "closed": {"type": "final"}}}') AS third \gset
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_ARGV[0] = 'skip' AND NEW.id = 7 THEN RETURN NULL; END IF; NEW.title = 'touched'; RETURN NEW; END $$;
CREATE TRIGGER "~z" BEFORE UPDATE ON claim FOR EACH ROW EXECUTE FUNCTION meddle();
SELECT code, state, target, tickets FROM workorder.migrate('claim', :new, :third, '{"work": "work", "*": "work"}', dry_run => false);
SELECT id, state, title FROM claim WHERE flow_id = :third ORDER BY id;
SELECT * FROM workorder.verify();
DROP TRIGGER "~z" ON claim;
CREATE TRIGGER skip BEFORE UPDATE ON claim FOR EACH ROW EXECUTE FUNCTION meddle('skip');
SELECT workorder.publish('{"id": "claim", "initial": "work", "description": "once more",
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}}, "states": {"work": {"on": {"close": {"target": "closed", "allow": ["*"]}}}, "closed": {"type": "final"}}}') AS fourth \gset
SELECT * FROM workorder.migrate('claim', :third, :fourth, dry_run => false);
SELECT count(*) FROM claim WHERE flow_id = :fourth;
DROP TRIGGER skip ON claim;

-- Where the new version has approvers, they are asked.
SELECT workorder.publish('{"id": "ask", "initial": "asked", "roles": ["clerk"], "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"asked": {"on": {"ok": {"target": "done", "allow": ["clerk"]}}}, "done": {"type": "final"}}}') AS plain \gset
CREATE TABLE ask (tenant_id bigint NOT NULL DEFAULT 1, id bigint, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('ask', 'ask');
INSERT INTO ask (id) VALUES (1), (2);
SELECT workorder.publish('{"id": "ask", "initial": "asked", "roles": ["clerk"], "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"asked": {"on": {"ok": {"target": "done", "approvers": {"of": ["clerk"], "rule": 2, "none": "fail"}}}}, "done": {"type": "final"}}}') AS approving \gset
SELECT code, state, tickets FROM workorder.migrate('ask', :plain, :approving, dry_run => false);
SELECT id, state, votes FROM ask ORDER BY id;
UPDATE ask SET action = 'ok' WHERE id = 1;
SET workorder.actor = 'ann';
UPDATE ask SET action = 'ok' WHERE id = 1;
SELECT id, state FROM ask ORDER BY id;
SELECT * FROM workorder.verify();

-- An entry that moves a ticket to another version and is no migration is told.
SET workorder.maintenance = on;
UPDATE workorder.journal SET action = 'update' WHERE ticket_id = 1 AND action = 'migrate' AND revision = 2;
RESET workorder.maintenance;
SELECT ticket_id, revision, code, message FROM workorder.verify('claim', 1) WHERE code = 'edge';

RESET workorder.actor;
DROP OWNED BY regress_workorder_mover;
DROP ROLE regress_workorder_mover;
\c :admin_database
DROP DATABASE regress_workorder_migrate;
