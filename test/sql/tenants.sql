-- Tables whose tenant is not a bigint called tenant_id: what people see and do
-- is of their own tenant, by whatever it is known.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();
CREATE SCHEMA regress_tenants;
SET search_path = regress_tenants;
CREATE ROLE regress_tenants_app;
SELECT workorder.publish('{
  "id": "tenants", "roles": ["agent"], "initial": "open",
  "on": {"create": {"allow": ["agent"]}, "view": {"allow": ["agent"]}, "update": {"allow": ["agent"]}, "delete": {"allow": ["agent"]}},
  "states": {"open": {"on": {"start": {"target": "work", "allow": ["agent"]}}, "after": {"P1D": {"target": "done"}}},
    "work": {"on": {"finish": {"target": "done", "allow": ["agent"]}}}, "done": {"type": "final"}}}') > 0 AS published;

\set acme '00000000-0000-4000-8000-00000000000a'
\set blue '00000000-0000-4000-8000-00000000000b'
CREATE TABLE by_uuid (id bigserial PRIMARY KEY, org_id uuid NOT NULL, title text);
CREATE TABLE by_name (org varchar(40) NOT NULL, id uuid DEFAULT gen_random_uuid(), title text, PRIMARY KEY (org, id));
CREATE TABLE by_int (id bigserial, org_id int NOT NULL, title text, PRIMARY KEY (org_id, id));
CREATE TABLE of_all (id bigserial PRIMARY KEY, org_id int, title text);
INSERT INTO by_uuid (org_id, title) VALUES (:'acme', 'a'), (:'blue', 'b');

-- tenants that are not known are made if that is allowed, and only then
SELECT workorder.guard('by_uuid', 'tenants', states => '{"*": "open"}', tenant => 'org_id');
\echo :SQLSTATE
SET client_min_messages = notice;
SELECT workorder.guard('by_uuid', 'tenants', states => '{"*": "open"}', tenant => 'org_id', new_tenants => true);
SELECT workorder.guard('by_name', 'tenants', tenant => 'org');
SELECT workorder.guard('by_int', 'tenants', tenant => 'org_id');
SELECT workorder.guard('of_all', 'tenants', tenant => 'org_id');
SELECT workorder.guard('of_all', 'tenants');
SET client_min_messages = warning;
SELECT key, name FROM workorder.tenant WHERE key IS NOT NULL ORDER BY key;
SELECT workorder.add_tenant('green', 'Green Ltd.') = workorder.add_tenant('green') AS once;
SELECT workorder.add_tenant('');
\echo :SQLSTATE
SELECT c.relname, pg_get_expr(p.polwithcheck, p.polrelid) AS own FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE c.relnamespace = 'regress_tenants'::regnamespace AND p.polname = 'workorder_create' ORDER BY 1;
SELECT workorder.tenant_number(:'acme') AS acme_no, workorder.tenant_number(:'blue') AS blue_no, workorder.tenant_number('green') AS green_no \gset

-- a session names its tenant by key or number
SET workorder.tenant = 'nobody';
SELECT workorder.tenant_id();
\echo :SQLSTATE
SET workorder.tenant = '0';
SET workorder.tenant = :'acme';
SELECT workorder.tenant_id() = :acme_no AS acme, workorder.tenant_key() = :'acme' AS key, workorder.tenant_uuid() = :'acme' AS uuid;
SELECT workorder.enrol('tenants_ann', 'Ann', '{agent}') > 0 AS enrolled;
SET workorder.tenant = :'blue';
SELECT workorder.enrol('tenants_bob', 'Bob', '{agent}') > 0 AS enrolled;
SET workorder.tenant = 'green';
SELECT workorder.tenant_uuid();
SELECT workorder.enrol('tenants_gil', 'Gil', '{agent}') > 0 AS enrolled;
RESET workorder.tenant;
SELECT workorder.tenant_key();
SELECT workorder.enrol('tenants_one', 'One', '{agent}') > 0 AS enrolled;

-- each sees and does what is their tenant's
SELECT workorder.grant_access('regress_tenants_app');
GRANT INSERT (org_id) ON by_uuid, by_int TO regress_tenants_app;
GRANT INSERT (org) ON by_name TO regress_tenants_app;
SET workorder.tenant = :'acme';
SET workorder.actor = 'tenants_ann';
SET ROLE regress_tenants_app;
SELECT title FROM by_uuid;
INSERT INTO by_uuid (org_id, title) VALUES (:'acme', 'more') RETURNING id, state;
\set VERBOSITY terse
INSERT INTO by_uuid (org_id, title) VALUES (:'blue', 'theirs');
\echo :SQLSTATE
\set VERBOSITY default
INSERT INTO by_uuid (org_id, title) VALUES (NULL, 'filled in') RETURNING org_id = :'acme' AS own;
SELECT workorder.act('by_uuid', 1, 'start'), workorder.act('by_uuid', '3', 'start');
SELECT workorder.act('by_uuid', 2, 'start');
\echo :SQLSTATE
SELECT workorder.act('by_uuid', '2', 'start');
SELECT relation, ticket_id, key, revision, action FROM workorder.history ORDER BY 1, 2, 4;
SELECT workorder.total('by_uuid');
RESET ROLE;
SET workorder.tenant = :'blue';
SET workorder.actor = 'tenants_bob';
SET ROLE regress_tenants_app;
SELECT title FROM by_uuid;
UPDATE by_uuid SET action = 'start' RETURNING id, state;
UPDATE by_uuid SET org_id = :'acme';
\echo :SQLSTATE
RESET ROLE;
SET workorder.tenant = 'green';
SET workorder.actor = 'tenants_gil';
SET ROLE regress_tenants_app;
SELECT count(*) FROM by_uuid;
INSERT INTO by_name (org, id, title) VALUES ('green', '00000000-0000-4000-8000-000000000001', 'g') RETURNING ticket_no, state;
SELECT workorder.act('by_name', '00000000-0000-4000-8000-000000000001', 'start');
SELECT key FROM workorder.history WHERE relation = 'by_name'::regclass;
RESET ROLE;
SET workorder.tenant = '1';
SET workorder.actor = 'tenants_one';
SET ROLE regress_tenants_app;
INSERT INTO of_all (title) VALUES ('of tenant 1') RETURNING id;
INSERT INTO by_int (org_id, title) VALUES (1, 'i') RETURNING id;
SELECT workorder.act('of_all', 1, 'start'), workorder.act('by_int', '1', 'start');
SELECT workorder.act('by_name', '00000000-0000-4000-8000-000000000001', 'start');
\echo :SQLSTATE
SELECT count(*) FROM by_uuid;
RESET ROLE;
SET workorder.tenant = :'blue';
SET workorder.actor = 'tenants_bob';
SET ROLE regress_tenants_app;
SELECT count(*) FROM of_all;
SELECT workorder.act('of_all', 1, 'finish');
\echo :SQLSTATE
RESET ROLE;
RESET workorder.tenant;
RESET workorder.actor;

-- the owner of the tables: sound, counted, swept, by whichever tenant
SELECT t, v.* FROM unnest('{by_uuid,by_name,by_int,of_all}'::regclass[]) t, workorder.verify(t) v;
SELECT workorder.count_rows('by_uuid'), workorder.count_rows('by_name');
SELECT t, v.* FROM unnest('{by_uuid,by_name}'::regclass[]) t, workorder.verify(t) v;
SET workorder.now = '2100-01-01';
SELECT workorder.sweep(100) > 0 AS swept;
RESET workorder.now;
SELECT org_id, array_agg(state ORDER BY id) FROM by_uuid GROUP BY 1 ORDER BY 1;
SELECT t, v.code, v.message FROM unnest('{by_uuid,by_name,by_int,of_all}'::regclass[]) t, workorder.verify(t) v;
-- a key that is given to another tenant is the other's from then on
BEGIN;
UPDATE workorder.tenant SET key = NULL WHERE key = :'acme';
SET LOCAL workorder.tenant = :'acme';
SELECT workorder.tenant_id();
ROLLBACK;
SET workorder.tenant = :'acme';
SELECT workorder.tenant_id() = :acme_no AS acme;
RESET workorder.tenant;
-- the plan: by index, with a key that is compared once
SET ROLE regress_tenants_app;
SET enable_seqscan = off;
CREATE FUNCTION pg_temp.plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || statement; END $$;
SELECT p AS by_index FROM pg_temp.plan('SELECT * FROM regress_tenants.by_name') p WHERE p ~ 'Index Cond|Seq Scan';
RESET enable_seqscan;
RESET ROLE;

DROP SCHEMA regress_tenants CASCADE;
RESET search_path;
DROP OWNED BY regress_tenants_app;
DROP ROLE regress_tenants_app;
SET workorder.maintenance = on; DELETE FROM workorder.actor WHERE login LIKE 'tenants\_%';
DELETE FROM workorder.actor a USING workorder.tenant t WHERE t.id = a.tenant_id AND t.key IS NOT NULL; RESET workorder.maintenance;
DELETE FROM workorder.tenant WHERE key IS NOT NULL;
