--
-- What install() makes: DROP EXTENSION ... CASCADE takes much of it along,
-- install() makes what is missing, and verify() names each thing that is.
--
\set VERBOSITY sqlstate
CREATE DATABASE regress_workorder_reinstall TEMPLATE template0;
\c regress_workorder_reinstall
SET client_min_messages = error;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
CREATE EXTENSION workorder_active_job;
CREATE EXTENSION workorder_afterservice;
CREATE EXTENSION workorder_call_center;
CREATE EXTENSION workorder_cloud_support;
CREATE EXTENSION workorder_dispatch;
SELECT active_job.install(), afterservice.install(), call_center.install(), cloud_support.install(), dispatch.install();

-- a table of the user's
SELECT workorder.publish('{"id": "memo", "roles": ["clerk"], "initial": "new",
  "on": {"create": {"allow": ["clerk"]}, "view": {"allow": ["clerk"]}},
  "states": {"new": {"on": {"file": {"target": "filed", "allow": ["clerk"]}}}, "filed": {"type": "final"}}}') > 0 AS published;
CREATE TABLE memo (tenant_id bigint NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('memo', 'memo');
SELECT workorder.count_rows('memo'), workorder.publish_events('memo');
SELECT workorder.enrol('ann', 'Ann', '{clerk}') > 0 AS enrolled;
CREATE TABLE former (tenant_id bigint NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('former', 'memo'), workorder.unguard('former');
SET workorder.actor = 'ann';
INSERT INTO memo (tenant_id) VALUES (1);
RESET workorder.actor;
SELECT count(*) FROM workorder.verify();

-- Everything in our schemas, and on guarded tables, that is no member of an extension.
CREATE VIEW object AS
WITH place AS (SELECT n.oid FROM pg_namespace n
  WHERE n.nspname IN ('workorder', 'api', 'active_job', 'afterservice', 'call_center', 'cloud_support', 'dispatch')),
relation AS (SELECT c.* FROM pg_class c WHERE c.relnamespace IN (TABLE place) OR c.oid IN ('memo'::regclass, 'former'::regclass))
SELECT 'table' AS kind, c.oid::regclass::text AS name, concat(c.relkind, c.relrowsecurity, c.reloptions, c.relreplident, obj_description(c.oid, 'pg_class')) AS what
FROM relation c WHERE c.relkind <> 'i'
UNION ALL SELECT 'column', concat(c.oid::regclass, '.', a.attname), concat(format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attstorage, col_description(c.oid, a.attnum))
FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind IN ('r', 'p', 'v')
UNION ALL SELECT 'default', concat(c.oid::regclass, '.', a.attname), pg_get_expr(d.adbin, d.adrelid)
FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
UNION ALL SELECT 'view', c.oid::regclass::text, pg_get_viewdef(c.oid) FROM relation c WHERE c.relkind = 'v'
UNION ALL SELECT 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM relation c JOIN pg_index i ON i.indrelid = c.oid
UNION ALL SELECT 'constraint', concat(c.oid::regclass, '.', k.conname), pg_get_constraintdef(k.oid) FROM relation c JOIN pg_constraint k ON k.conrelid = c.oid WHERE k.contype <> 't'
UNION ALL SELECT 'trigger', concat(c.oid::regclass, '.', t.tgname), concat(t.tgenabled, pg_get_triggerdef(t.oid), obj_description(t.oid, 'pg_trigger'))
FROM relation c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
UNION ALL SELECT 'policy', concat(c.oid::regclass, '.', p.polname), concat(p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy'))
FROM relation c JOIN pg_policy p ON p.polrelid = c.oid
UNION ALL SELECT 'function', p.oid::regprocedure::text, concat(p.proowner::regrole, p.proacl, pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'))
FROM pg_proc p WHERE p.pronamespace IN (TABLE place) AND p.prokind = 'f'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL SELECT 'type', t.oid::regtype::text, obj_description(t.oid, 'pg_type') FROM pg_type t WHERE t.typnamespace IN (TABLE place) AND t.typtype = 'd';
CREATE TABLE before AS TABLE object;
SELECT kind, count(*) >= CASE kind WHEN 'type' THEN 1 WHEN 'function' THEN 9 WHEN 'view' THEN 18 WHEN 'trigger' THEN 30 ELSE 40 END AS many FROM before GROUP BY kind ORDER BY kind;

DROP EXTENSION workorder CASCADE;
SELECT kind, count(*) > 0 AS some_are_gone FROM (TABLE before EXCEPT TABLE object) x GROUP BY kind ORDER BY kind;
CREATE EXTENSION workorder;
SELECT workorder.install();
CREATE EXTENSION workorder_active_job;
CREATE EXTENSION workorder_afterservice;
CREATE EXTENSION workorder_call_center;
CREATE EXTENSION workorder_cloud_support;
CREATE EXTENSION workorder_dispatch;
-- the engine and the tables that it guards are whole again, each add-on is with its own install()
SELECT kind, name FROM (TABLE before EXCEPT TABLE object) x WHERE name ~ '^(workorder\.|memo|former)' ORDER BY 1, 2;
SELECT active_job.install(), afterservice.install(), call_center.install(), cloud_support.install(), dispatch.install();
SELECT 'lost', * FROM (TABLE before EXCEPT TABLE object) x UNION ALL SELECT 'new', * FROM (TABLE object EXCEPT TABLE before) x ORDER BY 1, 2, 3;
SELECT count(*) FROM workorder.verify();
SET workorder.actor = 'ann';
SELECT state, revision FROM workorder.act('memo', 1, 'file');
RESET workorder.actor;

--
-- Each thing that is missing is named, and made again
--
CREATE FUNCTION drop_parts(of text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE p record; n bigint := 0;
BEGIN
  FOR p IN SELECT * FROM workorder.parts(workorder.all_parts()) x WHERE x.kind = of
    -- without these nothing can be asked
    AND (x.kind <> 'table' OR x.relation NOT IN ('workorder.installation', 'workorder.guarded', 'workorder.journal', 'workorder.flow', 'workorder.actor', 'workorder.membership'))
  LOOP
    n := n + 1;
    EXECUTE CASE of
      WHEN 'table' THEN format('DROP TABLE IF EXISTS %s CASCADE', p.relation)
      WHEN 'view' THEN format('DROP VIEW IF EXISTS %s CASCADE', p.relation)
      WHEN 'index' THEN format('DROP INDEX %s.%I', split_part(p.relation, '.', 1), p.name)
      WHEN 'constraint' THEN format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', p.relation, p.name)
      WHEN 'trigger' THEN format('DROP TRIGGER %I ON %s', p.name, p.relation)
      WHEN 'policy' THEN format('DROP POLICY %I ON %s', p.name, p.relation)
      WHEN 'default' THEN format('ALTER TABLE %s ALTER %I DROP DEFAULT', p.relation, p.name)
      WHEN 'row_security' THEN format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', p.relation)
      WHEN 'function' THEN format('DROP FUNCTION %s', workorder.part_routine(p.name))
      WHEN 'domain' THEN format('DROP DOMAIN %s CASCADE', p.name) END;
    INSERT INTO dropped VALUES (p.kind, p.relation, p.name);
  END LOOP;
  RETURN n;
END
$$;
CREATE TABLE dropped (kind text, relation text, name text);
-- which of what was dropped verify() does not name
CREATE VIEW unnamed AS
SELECT d.* FROM dropped d WHERE NOT EXISTS (
  SELECT FROM workorder.verify() v WHERE v.code = CASE d.kind WHEN 'row_security' THEN d.kind ELSE d.kind || '_missing' END
    AND strpos(v.message, coalesce(d.relation, '')) > 0 AND strpos(v.message, coalesce(d.name, '')) > 0);
\set ask 'SELECT count(*) FROM unnamed; SELECT workorder.upgrade() IS NOT NULL AS made; SELECT kind, name FROM (TABLE before EXCEPT TABLE object) x ORDER BY 1, 2; SELECT code, message FROM workorder.verify() ORDER BY 1, 2; ROLLBACK'
BEGIN; SELECT drop_parts('view') >= 18 AS dropped; :ask;
BEGIN; SELECT drop_parts('index') >= 40 AS dropped; :ask;
BEGIN; SELECT drop_parts('constraint') >= 40 AS dropped; :ask;
BEGIN; SELECT drop_parts('trigger') >= 13 AS dropped; :ask;
BEGIN; SELECT drop_parts('policy') >= 30 AS dropped; :ask;
BEGIN; SELECT drop_parts('default') >= 30 AS dropped; :ask;
BEGIN; SELECT drop_parts('row_security') >= 25 AS dropped; :ask;
BEGIN; SELECT drop_parts('function') >= 9 AS dropped; :ask;
BEGIN; SELECT drop_parts('domain') = 1 AS dropped; :ask;
-- tables come back empty
BEGIN; SELECT drop_parts('table') >= 50 AS dropped; SELECT count(*) FROM unnamed; SELECT workorder.upgrade() IS NOT NULL AS made; SELECT count(*) FROM workorder.parts(workorder.all_parts()) WHERE missing; ROLLBACK;

-- the triggers of a table with a flow, one and all
BEGIN; SET LOCAL session_replication_role = replica; DROP TRIGGER "~workorder_flush" ON memo; SELECT code, message FROM workorder.verify(); SELECT workorder.upgrade() IS NOT NULL AS made; SELECT code, message FROM workorder.verify(); ROLLBACK;
BEGIN; SET LOCAL session_replication_role = replica; DROP TRIGGER "~workorder_flush" ON memo; DROP TRIGGER "~workorder_guard" ON memo; DROP TRIGGER "~workorder_truncate" ON memo; DROP TRIGGER _workorder_record ON memo;
DROP POLICY workorder_act ON memo; SELECT code, message FROM workorder.verify(); SELECT workorder.upgrade() IS NOT NULL AS made; SELECT code, message FROM workorder.verify(); ROLLBACK;
-- what is there but not what it should be
BEGIN; ALTER TABLE workorder.membership DISABLE TRIGGER invalidate; SELECT code, message FROM workorder.verify(); ROLLBACK;
BEGIN; DROP TRIGGER append_only ON workorder.journal; CREATE TRIGGER append_only BEFORE INSERT OR DELETE ON workorder.journal FOR EACH ROW EXECUTE FUNCTION workorder.journal_append_only(); SELECT code, message FROM workorder.verify(); ROLLBACK;
BEGIN; CREATE OR REPLACE TRIGGER append_only BEFORE INSERT OR UPDATE OR DELETE ON workorder.journal FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); SELECT code, message FROM workorder.verify(); ROLLBACK;
BEGIN; CREATE TRIGGER a BEFORE INSERT ON workorder.flow FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); SELECT code, message FROM workorder.verify(); ROLLBACK;
BEGIN; CREATE RULE r AS ON UPDATE TO memo DO INSTEAD NOTHING; SELECT code, message FROM workorder.verify(); ROLLBACK;
BEGIN; CREATE RULE r AS ON INSERT TO workorder.membership DO INSTEAD NOTHING; SELECT code, message FROM workorder.verify(); ROLLBACK;
BEGIN; CREATE TABLE child () INHERITS (memo); SELECT code, message FROM workorder.verify(); ROLLBACK;

--
-- A schema api that was there is not taken over
--
CREATE ROLE regress_api_stranger;
CREATE DATABASE regress_workorder_api TEMPLATE template0;
\c regress_workorder_api
SET client_min_messages = warning;
CREATE SCHEMA api AUTHORIZATION regress_api_stranger;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT count(*) FROM pg_proc WHERE pronamespace = 'api'::regnamespace;
SELECT workorder.api_schema();
SELECT * FROM workorder.verify();
SELECT workorder.grant_access('regress_api_stranger');
SELECT workorder.install_http();
SELECT workorder.install_http('workorder');
SELECT workorder.install_http('pg_catalog');
SELECT workorder.install_http('shown');
SELECT workorder.install_http('shown');
SELECT workorder.install_http('api');
SELECT workorder.api_schema(), count(*) FROM pg_proc WHERE pronamespace = 'shown'::regnamespace;
SELECT workorder.grant_access('regress_api_stranger');
SELECT has_function_privilege('regress_api_stranger', 'shown.act(text, bigint, text, text, jsonb, int)', 'EXECUTE');
CREATE EXTENSION workorder_dispatch;
SELECT dispatch.install();
SELECT dispatch.grant_access('regress_api_stranger');
SELECT to_regclass('shown.dispatch_ticket'), workorder.api_relation('dispatch_ticket');
SELECT * FROM workorder.verify();
-- of several that have one name, the one that was missing gets its owner
BEGIN; ALTER TABLE workorder.installation OWNER TO regress_api_stranger; DROP FUNCTION shown.act(json), shown.can(text, bigint, text, text, jsonb);
SELECT code, message FROM workorder.verify() WHERE message ~ 'shown\.(act|can)' ORDER BY 2; SELECT workorder.upgrade();
SELECT p.oid::regprocedure, p.proowner = 'regress_api_stranger'::regrole AS made FROM pg_proc p WHERE p.pronamespace = 'shown'::regnamespace AND p.proname IN ('act', 'can') ORDER BY 1::text COLLATE "C"; ROLLBACK;
ALTER SCHEMA shown OWNER TO regress_api_stranger;
SELECT relation, code, message FROM workorder.verify();

\c postgres
DROP DATABASE regress_workorder_reinstall;
DROP DATABASE regress_workorder_api;
DROP ROLE regress_api_stranger;
