-- What sessions do, once with caches as they are and once with every cache thrown
-- away whenever that might happen (:discard, for debug_discard_caches): run.sh
-- compares what both say.  So nothing of it tells a time, and an error that
-- belongs here is caught and told.
\set SHOW_CONTEXT never
\ir ../crash/setup.sql
SET client_min_messages = warning;
CREATE TABLE errand (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint NOT NULL, number text, days int, opened timestamptz,
  PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, number)) PARTITION BY LIST (tenant_id);
CREATE TABLE errand_1 PARTITION OF errand FOR VALUES IN (1);
CREATE TABLE errand_rest PARTITION OF errand DEFAULT;
-- calls a statement that is refused, and says how
CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ' ' || sqlerrm;
END $$;

SET debug_discard_caches = :discard;
SELECT workorder.publish('{"id": "errand", "roles": ["worker", "boss"], "initial": "draft",
  "on": {"create": {"allow": ["worker"]}, "view": {"allow": ["$creator_id", "boss"]}, "delete": {"allow": ["$creator_id"]}, "comment": {"allow": ["*"]}},
  "states": {
    "draft": {"on": {"update": {"allow": ["$creator_id"], "fields": ["days", "number"]},
                     "submit": {"target": "review", "allow": ["$creator_id"], "require": ["days"], "guard": "$.days > 0"}}},
    "review": {"after": {"P1D": "draft"},
      "on": {"approve": {"target": "granted", "allow": ["boss"], "exclude": ["submit"], "quorum": 2}, "reject": {"target": "draft", "allow": ["boss"]}}},
    "granted": {"type": "final"}}}') > 0 AS published;
SELECT workorder.enrol('ann', 'Ann', '{worker}') > 0, workorder.enrol('bob', 'Bob', '{worker,boss}') > 0, workorder.enrol('cid', 'Cid', '{boss}') > 0;
SELECT workorder.guard('errand', 'errand') IS NOT NULL AS guarded;
SELECT workorder.count_rows('errand'), workorder.publish_events('errand');
SELECT workorder.subscribe('reader');

-- tickets from their beginning to their end, by SQL and by the function
SET workorder.actor = 'ann';
INSERT INTO errand (id, number, days) VALUES (1, 'A', 3), (2, 'B', 0), (3, 'C', 1);
BEGIN;
INSERT INTO errand_1 (id, number, days) VALUES (4, 'D', 4);
SAVEPOINT a;
INSERT INTO errand_1 (id, number, days) VALUES (5, 'E', 5);
ROLLBACK TO a;
UPDATE errand SET days = 9 WHERE id = 4;
COMMIT;
UPDATE errand SET action = 'submit' WHERE id = 1 RETURNING id, state, revision;
SELECT state, revision FROM workorder.act('errand', 3, 'submit', 'please');
SELECT state, revision FROM workorder.act('errand', 4, 'submit', changes => '{"days": 2}');
SELECT refused($$ SELECT workorder.act('errand', 2, 'submit') $$);
SELECT refused($$ SELECT workorder.act('errand', 1, 'approve') $$);
SELECT refused($$ UPDATE errand SET state = 'granted' WHERE id = 1 $$);
SELECT refused($$ UPDATE errand SET action = 'nonsense' WHERE id = 1 $$);
SELECT action, allowed FROM workorder.actions('errand', 1) ORDER BY 1;
SELECT workorder.can('errand', 1, 'approve'), workorder.can('errand', 2, 'update');
SELECT count(*) FROM workorder.explain('errand', 1, 'approve');
SET workorder.actor = 'bob';
SELECT state, revision FROM workorder.act('errand', 1, 'approve');
SET workorder.actor = 'cid';
UPDATE errand SET action = 'approve', note = 'fine' WHERE id IN (1, 3) RETURNING id, state, revision;
SELECT * FROM workorder.permitted('errand', '{1,2,3,4}', '{approve,reject}') ORDER BY 1, 2;
SELECT ticket_id, revision, actor, action, from_state, to_state, note, changes - 'created_at' FROM workorder.history WHERE relation = 'errand'::regclass ORDER BY 1, 2;
SELECT workorder.as_of('errand', 1, 'infinity') ->> 'state';
SELECT jsonb_array_length(workorder.why('errand', 3) -> 'actions');
SELECT count(*) FROM workorder.my_tasks;
SELECT length(workorder.diagram('errand', 1)) > 0;
SELECT workorder.total('errand', '{draft}'), workorder.total('errand'), (SELECT count(*) FROM errand);
SELECT count(*) FROM workorder.events('reader', 100);
SELECT * FROM workorder.verify();

-- as somebody who owns nothing, under row-level security
CREATE ROLE discard_app;
SELECT workorder.grant_access('discard_app');
GRANT SELECT, INSERT, UPDATE, DELETE ON errand, job TO discard_app;
SET workorder.actor = 'ann';
SET ROLE discard_app;
SELECT id, state FROM errand ORDER BY id;
RESET ROLE;
SET workorder.actor = 'client1';
SET ROLE discard_app;
SELECT id, state FROM errand ORDER BY id;
SELECT state, revision FROM workorder.act('job', 101, 'next');
SELECT refused($$ DELETE FROM job WHERE id = 101 $$);
RESET ROLE;

-- timers, another version, and tickets that go there
BEGIN;
SET LOCAL workorder.now = '2100-01-01';
SELECT workorder.sweep(20);
COMMIT;
SELECT workorder.publish((SELECT definition || '{"description": "another"}' FROM workorder.flow WHERE name = 'errand')) > 0 AS published;
SELECT count(*) FROM workorder.migrate('errand', (SELECT min(id) FROM workorder.flow WHERE name = 'errand')::int,
  (SELECT max(id) FROM workorder.flow WHERE name = 'errand')::int, dry_run => false);
SELECT workorder.retime('errand'), workorder.refresh_tasks('errand') IS NOT NULL;
SELECT count(*) FROM workorder.simulate((SELECT definition FROM workorder.flow WHERE name = 'errand' AND life = 'published'),
  '[{"actor": "eve", "roles": ["worker"], "action": "create", "changes": {"days": 1}}, {"actor": "eve", "roles": ["worker"], "action": "submit"}]');

-- over HTTP
SELECT set_config('workorder.actor', 'client2', false);
SELECT status, answer::jsonb ->> 'revision' FROM send('k1', '{"id": 102, "action": "next", "note": "by HTTP"}');
SELECT status, answer::jsonb ->> 'revision' FROM send('k1', '{"id": 102, "action": "next", "note": "by HTTP"}');
SELECT status FROM send('k2', '{"id": 102, "action": "nonsense"}');

-- the tables change while the session knows them
SET workorder.actor = 'ann';
ALTER TABLE errand ADD COLUMN place text;
UPDATE errand SET days = 7 WHERE id = 2;
SELECT refused($$ UPDATE errand SET place = 'here' WHERE id = 2 $$);
ALTER TABLE errand DROP COLUMN opened;
UPDATE errand SET days = 8 WHERE id = 2;
DELETE FROM errand WHERE id = 4;
CREATE INDEX ON errand (days);
CREATE FUNCTION lowered(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower($1) || (SELECT max(x) FROM (VALUES ('a')) v(x)) $$;
CREATE INDEX ON workorder.outbox (lowered(tenant_id::text));
BEGIN;
INSERT INTO errand_1 (id, number) VALUES (6, 'F');
COMMIT;
CREATE TABLE passing (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED BY DEFAULT AS IDENTITY, done int,
  PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('passing', 'loop') IS NOT NULL;
SELECT workorder.unguard('passing') IS NOT NULL;

-- triggers that somebody has made by hand
CREATE TABLE handmade (tenant_id bigint, id bigint);
DO $$
DECLARE
  f record;
  given text;
BEGIN
  FOR f IN SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'workorder'::regnamespace AND p.prorettype = 'trigger'::regtype ORDER BY 1 LOOP
    FOREACH given IN ARRAY ARRAY['', $x$'[]', '[1]', '[{}]', '[]', '[]', '[]'$x$, $x$'1', '{}', '[]', '7', '"x"', 'null'$x$] LOOP
      BEGIN
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT ON handmade FOR EACH ROW EXECUTE FUNCTION workorder.%I(%s)', '~workorder_guard', f.proname, given);
        INSERT INTO handmade VALUES (1, 1);
        RAISE EXCEPTION 'undone';
      EXCEPTION WHEN OTHERS THEN NULL;
      END;
    END LOOP;
  END LOOP;
END $$;

SELECT workorder.seal() IS NOT NULL;
SELECT code, count(*) FROM workorder.verify() GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM workorder.verify_seal((SELECT workorder.seal()));
RESET debug_discard_caches;
DROP OWNED BY discard_app;
DROP ROLE discard_app;
SELECT 'came to its end';
