-- The life of a flow: publishing, versions, what never changes, and what the
-- rest of the system sees of it (the cache, and "view" as a policy).
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_flow_life TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_flow_life SET lc_messages = 'C';
\c regress_workorder_flow_life
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION workorder CASCADE;

-- Nothing can be published before install().
SELECT workorder.publish('{}');
SELECT workorder.view_predicate('door');
SELECT workorder.install();

CREATE TEMP TABLE document AS SELECT '{"id": "door", "roles": ["keeper"], "initial": "shut",
  "on": {"create": {"allow": "*"}, "view": {"allow": ["$creator_id", "keeper"]}},
  "states": {
    "shut": {"on": {"open": {"target": "open", "allow": "keeper"}}},
    "open": {"on": {"shut": {"target": "shut", "allow": "*"}, "remove": {"target": "gone", "allow": "keeper"}}},
    "gone": {"type": "final"}}}'::jsonb AS body;

-- What is no flow, or not a sound one.
SELECT workorder.publish(NULL);
SELECT workorder.publish('[]');
SELECT workorder.publish('{}');
SELECT workorder.publish(jsonb_set(body, '{states,open,on,shut,target}', '"closed"')) FROM document;
SELECT workorder.publish(jsonb_set(jsonb_set(jsonb_set(body, '{roles}', '[]'), '{colour}', '1'),
  '{states,shut,on,open,quorum}', '0')) FROM document;
SELECT count(*) FROM workorder.flow;

-- Versions: the same document is the same version.
SELECT workorder.publish(body) FROM document;
SELECT workorder.publish(body) FROM document;
SELECT workorder.publish(body || '{"description": "second"}') FROM document;
SELECT id, name, version, life, published_at IS NOT NULL AS was_published FROM workorder.flow ORDER BY id;
-- The first one again is a new version, for the last word counts.
SELECT workorder.publish(body) FROM document;
SELECT id, version, life FROM workorder.flow ORDER BY id;

-- Drafts may have defects until they are to be published.
SELECT workorder.draft(NULL);
SELECT workorder.draft('{"initial": "a"}');
SELECT workorder.draft('{"id": "a.b"}');
SELECT workorder.draft(body || '{"initial": "nowhere"}') AS draft FROM document \gset
SELECT workorder.draft(body || '{"initial": "nowhere"}') = :draft AS same FROM document;
SELECT workorder.set_life(:draft, 'published');
UPDATE workorder.flow SET definition = definition || '{"id": "window"}' WHERE id = :draft;
UPDATE workorder.flow SET definition = definition || '{"initial": "shut", "description": "third"}' WHERE id = :draft;
SELECT workorder.set_life(:draft, 'retired');
SELECT workorder.set_life(:draft, 'published');
SELECT id, version, life, published_at IS NOT NULL AS was_published FROM workorder.flow ORDER BY id;
SELECT workorder.draft(body || '{"description": "no more"}') AS draft FROM document \gset
DELETE FROM workorder.flow WHERE id = :draft;

-- What was published stays as it is.
UPDATE workorder.flow SET definition = '{"id": "door"}' WHERE version = 1;
UPDATE workorder.flow SET name = 'window' WHERE version = 1;
UPDATE workorder.flow SET version = 7 WHERE version = 1;
UPDATE workorder.flow SET published_at = NULL WHERE version = 1;
UPDATE workorder.flow SET life = 'published' WHERE version = 1;
DELETE FROM workorder.flow WHERE version = 1;
SELECT workorder.set_life(NULL, 'retired');
SELECT workorder.set_life(4711, 'retired');
SELECT workorder.set_life(1, 'dead');
SELECT workorder.set_life(1, NULL);
SELECT workorder.set_life(1, 'published');
SELECT workorder.set_life(1, 'deprecated');
SELECT workorder.set_life(1, 'retired');
SELECT id, version, life FROM workorder.flow ORDER BY id;

-- "view" as SQL: the nearest state that declares it decides.
SELECT workorder.view_predicate('door');
SELECT workorder.view_predicate('door', '{"creator_id": "Author", "state": "status"}');
SELECT workorder.view_predicate('window');
SELECT workorder.view_policy(4711, '{}');
SELECT workorder.publish(jsonb_set(jsonb_set(body, '{states,gone,on}', '{"view": {"allow": "*"}}'),
  '{states,open,on,view}', '{"allow": []}')) AS mixed FROM document \gset
SELECT workorder.view_policy(:mixed, '{}');
SELECT workorder.view_policy(:mixed, '{"state": "order"}');
SELECT workorder.view_predicate('door', '{"flow_id": "rules"}');
SELECT workorder.view_predicate('it''s');
SELECT workorder.publish('{"id": "it''s", "roles": ["o''brien\"s"], "initial": "a''b",
  "on": {"view": {"allow": ["o''brien\"s", "$we\"ird"]}},
  "states": {"a''b": {}, "c": {"on": {"view": {"allow": "*"}}}}}');
SELECT workorder.publish('{"id": "it''s", "roles": ["o''brien\"s"], "initial": "a''b",
  "on": {"view": {"allow": ["o''brien\"s", "$we\"ird"]}},
  "states": {"a''b": {"on": {"go": {"target": "c", "allow": "*"}}}, "c": {"on": {"view": {"allow": "*"}}}}}') AS quoted \gset
SELECT workorder.view_policy(:quoted, '{}');
SELECT workorder.publish('{"id": "hidden", "initial": "a", "states": {"a": {}}}') AS hidden \gset
SELECT workorder.view_policy(:hidden, '{}');

-- The cache follows transactions: own changes, and their undoing.
BEGIN;
SELECT workorder.publish('{"id": "hidden", "initial": "a", "on": {"view": {"allow": "*"}}, "states": {"a": {}}}') IS NOT NULL AS published;
SELECT workorder.view_predicate('hidden');
SAVEPOINT s;
SELECT workorder.publish('{"id": "hidden", "initial": "b", "on": {"view": {"allow": "$creator_id"}}, "states": {"b": {}}}') IS NOT NULL AS published;
SELECT workorder.view_predicate('hidden') LIKE '%creator_id%' AS seen;
ROLLBACK TO s;
SELECT workorder.view_predicate('hidden') LIKE '%creator_id%' AS seen;
ROLLBACK;
SELECT workorder.view_predicate('hidden');
BEGIN;
DROP TABLE workorder.flow CASCADE;
SELECT workorder.view_predicate('hidden');
ROLLBACK;
SELECT workorder.view_predicate('hidden');
-- A restore that turns triggers off is heard all the same.
SET session_replication_role = replica;
INSERT INTO workorder.flow (name, version, definition, life)
VALUES ('hidden', 9, '{"id": "hidden", "initial": "a", "on": {"view": {"allow": "$creator_id"}}, "states": {"a": {}}}', 'deprecated');
SELECT workorder.view_predicate('hidden') LIKE '%creator_id%' AS seen;
DELETE FROM workorder.flow WHERE version = 9;
RESET session_replication_role;
SELECT workorder.view_predicate('hidden') LIKE '%creator_id%' AS seen;

-- Quorums are held against the people there are, once there are any.
SELECT workorder.publish('{"id": "vote", "roles": ["judge", "clerk"], "initial": "a", "states": {
  "a": {"on": {"pass": {"target": "b", "allow": "judge", "quorum": 2}}},
  "b": {"on": {"seal": {"target": "c", "allow": ["judge", "clerk"], "quorum": {"each": ["judge", "clerk"]}}}},
  "c": {"type": "final"}}}') IS NOT NULL AS published;
INSERT INTO workorder.actor (login, name) VALUES ('jo', 'Jo'), ('mo', 'Mo');
INSERT INTO workorder.membership (actor_id, role) SELECT id, 'judge' FROM workorder.actor WHERE login = 'jo';
SELECT f.name, d.code, d.path, d.message FROM workorder.flow f, workorder.check_members(f.definition, 1) d WHERE f.name = 'vote';
SELECT workorder.publish(definition || '{"description": "again"}') FROM workorder.flow WHERE name = 'vote';
INSERT INTO workorder.membership (actor_id, role)
SELECT id, r FROM workorder.actor, unnest(ARRAY['judge', 'clerk']) r WHERE login = 'mo';
SELECT workorder.publish(definition || '{"description": "again"}') IS NOT NULL AS published FROM workorder.flow WHERE name = 'vote';

-- A table with the flow: it must have what the next version names, and its
-- policies follow.
CREATE TABLE door (tenant_id bigint NOT NULL DEFAULT 1, id bigint GENERATED ALWAYS AS IDENTITY, colour text,
  PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('door', 'door');
SELECT workorder.publish(jsonb_set(jsonb_set(body, '{states,open,on,paint}', '{"allow": "*", "require": ["colour", "gloss"]}'),
  '{states,open,on,lock}', '{"allow": "$colour"}')) FROM document;
SELECT workorder.publish(jsonb_set(body, '{on,view,allow}', '"*"')) IS NOT NULL AS published FROM document;
SELECT pg_get_expr(p.polqual, p.polrelid) LIKE '%(flow_id = ' || f.id || ')%' AS follows
FROM pg_policy p, workorder.flow f
WHERE p.polrelid = 'door'::regclass AND p.polname = 'workorder_view' AND f.name = 'door' AND f.life = 'published';

-- A version is retired when its tickets are done.
INSERT INTO door (colour) VALUES ('red');
SELECT f.id AS current FROM workorder.flow f WHERE f.name = 'door' AND f.life = 'published' \gset
SELECT workorder.set_life(:current, 'deprecated');
INSERT INTO door (colour) VALUES ('blue');
SELECT workorder.set_life(:current, 'retired');
SET session_replication_role = replica;
UPDATE door SET state = 'gone';
RESET session_replication_role;
SELECT workorder.set_life(:current, 'retired');
SELECT life FROM workorder.flow WHERE id = :current;

-- What clients call a state, in the version that has it; by what the newest says.
SELECT workorder.publish(jsonb_build_object('id', 'codes', 'roles', '["a"]'::jsonb, 'initial', 'x', 'on', '{"create": {"allow": ["a"]}, "view": {"allow": ["a"]}}'::jsonb,
  'states', jsonb_build_object('x', jsonb_build_object('code', v.x, 'on', '{"go": {"target": "y", "allow": ["a"]}}'::jsonb), 'y', jsonb_build_object('type', 'final', 'code', v.y)))) IS NOT NULL AS published
FROM (VALUES (1, 2), (3, 1)) AS v (x, y);
SELECT c, workorder.state_of_code('codes', c) FROM unnest('{1,2,3,4,NULL}'::text[]) AS c;
SELECT s, workorder.code_of_state('codes', s), workorder.code_of_state('nothing', s) FROM unnest('{x,y,z,NULL}'::text[]) AS s;

\c :admin_database
DROP DATABASE regress_workorder_flow_life;
