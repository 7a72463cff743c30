-- A superuser makes the extensions and names an administrator, who does
-- everything else without being a superuser, and cannot become one by it.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE ROLE regress_dba;
CREATE ROLE regress_dba_app;
CREATE ROLE regress_dba_other;
CREATE DATABASE regress_workorder_dba OWNER regress_dba TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_dba SET lc_messages = 'C';
\c regress_workorder_dba
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
CREATE EXTENSION workorder_active_job;
CREATE EXTENSION workorder_dispatch;

-- nobody else names one
SELECT workorder.grant_admin(NULL);
SELECT workorder.grant_admin(4294967295::oid::regrole);
GRANT USAGE ON SCHEMA workorder TO regress_dba_other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA workorder TO regress_dba_other;
SET SESSION AUTHORIZATION regress_dba_other;
SELECT workorder.grant_admin('regress_dba_other');
RESET SESSION AUTHORIZATION;

-- rights that cannot be passed on are refused at once
GRANT USAGE, CREATE ON SCHEMA workorder, active_job TO regress_dba;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA workorder, active_job TO regress_dba;
SET SESSION AUTHORIZATION regress_dba;
SELECT workorder.install();
SELECT workorder.grant_access('regress_dba_app');
SELECT workorder.grant_anonymous('regress_dba_app');
SELECT active_job.grant_feed('regress_dba_app');
SELECT has_schema_privilege('regress_dba_app', 'workorder', 'USAGE') AS half_done;
RESET SESSION AUTHORIZATION;
SELECT workorder.grant_admin('regress_dba');
SET SESSION AUTHORIZATION regress_dba;
SELECT active_job.install(), dispatch.install();
SELECT workorder.publish('{"id": "claim", "roles": ["clerk"], "initial": "open",
  "on": {"create": {"allow": ["clerk"]}, "view": {"allow": ["$creator_id"]}},
  "states": {"open": {"on": {"close": {"target": "closed", "allow": ["clerk"]}}, "after": {"P1D": "closed"}}, "closed": {"type": "final"}}}') > 0 AS published;
CREATE TABLE claim (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigserial, about text, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('claim', 'claim');
CREATE INDEX ON claim USING gin (about workorder.bigram_ops);
SELECT workorder.count_rows('claim'), workorder.publish_events('claim'), workorder.subscribe('mailer');
SELECT workorder.enrol('dba_ann', 'Ann', '{clerk}') > 0 AS enrolled, workorder.map_role('dba_ann', 'regress_dba_app');
SELECT workorder.grant_access('regress_dba_app'), workorder.grant_anonymous('regress_dba_app'), active_job.grant_access('regress_dba_app'), active_job.grant_feed('regress_dba_app'),
  dispatch.grant_access('regress_dba_app');
SELECT * FROM workorder.verify();

-- the application acts
SET SESSION AUTHORIZATION regress_dba_app;
INSERT INTO claim (about) VALUES ('one'), ('two');
SELECT a.state, a.revision FROM workorder.act('claim', 1, 'close') a;
SELECT id, state FROM claim WHERE workorder.contains(about, 'one');
SELECT ticket_id, action, actor FROM workorder.history ORDER BY ticket_id, revision;
-- and passes nothing on
SELECT workorder.grant_access('regress_dba_other');

-- the administrator's other work
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_dba;
SELECT workorder.total('claim'), workorder.sweep(), workorder.upgrade(), count(*) AS events FROM workorder.events('mailer', 10);
SELECT workorder.seal() AS seal \gset
SELECT count(*) FROM workorder.verify_seal(:'seal');
SELECT workorder.publish('{"id": "claim", "roles": ["clerk"], "initial": "new", "on": {"create": {"allow": ["clerk"]}, "view": {"allow": "*"}},
  "states": {"new": {"on": {"close": {"target": "closed", "allow": ["clerk"]}}}, "closed": {"type": "final"}}}') > 0 AS published;
SELECT code, state, target, tickets FROM workorder.migrate('claim', (SELECT min(id) FROM workorder.flow WHERE name = 'claim'),
  (SELECT max(id) FROM workorder.flow WHERE name = 'claim'), '{"open": "new"}', dry_run => false);
SELECT * FROM workorder.verify();

-- a table of somebody else
RESET SESSION AUTHORIZATION;
CREATE SCHEMA regress_dba_other AUTHORIZATION regress_dba_other;
SET SESSION AUTHORIZATION regress_dba;
CREATE TABLE given (tenant_id bigint NOT NULL, id bigint, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('given', 'claim');
GRANT ALL ON given TO regress_dba;
RESET SESSION AUTHORIZATION;
ALTER TABLE given OWNER TO regress_dba_other;
SET SESSION AUTHORIZATION regress_dba;
SELECT workorder.grant_table('given', 'regress_dba_app');
RESET SESSION AUTHORIZATION;
ALTER TABLE given OWNER TO regress_dba;

-- What the owner of the tables puts in their place is run with no rights but
-- the owner's, whoever verifies.
SET SESSION AUTHORIZATION regress_dba;
CREATE FUNCTION who_reads() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
  IF (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN RAISE 'run as a superuser'; END IF;
  RETURN true;
END $$;
BEGIN;
ALTER TABLE workorder.installation RENAME TO kept;
CREATE VIEW workorder.installation AS SELECT * FROM workorder.kept WHERE public.who_reads();
SELECT code, message FROM workorder.verify() WHERE message ~ 'superuser';
RESET SESSION AUTHORIZATION;
SELECT code, message FROM workorder.verify() WHERE message ~ 'superuser';
-- the trap is set
TABLE workorder.installation;
ROLLBACK;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_dba;
BEGIN;
ALTER TABLE workorder.membership RENAME TO kept;
CREATE VIEW workorder.membership AS SELECT * FROM workorder.kept WHERE public.who_reads();
SELECT code, message FROM workorder.verify() WHERE message ~ 'superuser';
RESET SESSION AUTHORIZATION;
SELECT code, message FROM workorder.verify() WHERE message ~ 'superuser';
ROLLBACK;
RESET SESSION AUTHORIZATION;

-- A restore without privileges leaves to everybody what install() made: verify()
-- says so, upgrade() closes it, and what was granted since stays.
SET SESSION AUTHORIZATION regress_dba;
CREATE TABLE rights AS SELECT oid, proacl FROM pg_proc WHERE pronamespace = 'api'::regnamespace OR oid = 'active_job.import(jsonb, boolean)'::regprocedure;
RESET SESSION AUTHORIZATION;
UPDATE pg_proc SET proacl = NULL WHERE oid IN (SELECT oid FROM rights);
SET SESSION AUTHORIZATION regress_dba;
GRANT EXECUTE ON FUNCTION api.sign_in(json) TO PUBLIC;
SELECT code, message FROM workorder.verify();
SELECT workorder.upgrade();
SELECT code, message FROM workorder.verify();
REVOKE ALL ON FUNCTION api.sign_in(json) FROM PUBLIC;
SELECT workorder.grant_access('regress_dba_app'), workorder.grant_anonymous('regress_dba_app'), active_job.grant_access('regress_dba_app'), active_job.grant_feed('regress_dba_app');
SELECT p.oid::regprocedure, p.proacl, r.proacl FROM pg_proc p JOIN rights r ON r.oid = p.oid
WHERE array(SELECT x::text FROM unnest(p.proacl) x ORDER BY 1) <> array(SELECT x::text FROM unnest(r.proacl) x ORDER BY 1);
RESET SESSION AUTHORIZATION;

-- A new version brings new functions: the superuser names the administrator
-- once more, and then it goes on.
CREATE FUNCTION workorder.of_a_new_version() RETURNS int LANGUAGE sql SET search_path = pg_catalog, pg_temp RETURN 1;
REVOKE ALL ON FUNCTION workorder.of_a_new_version() FROM PUBLIC;
ALTER EXTENSION workorder ADD FUNCTION workorder.of_a_new_version();
SET SESSION AUTHORIZATION regress_dba;
SELECT workorder.grant_access('regress_dba_app');
RESET SESSION AUTHORIZATION;
SELECT workorder.grant_admin('regress_dba');
SET SESSION AUTHORIZATION regress_dba;
SELECT workorder.upgrade(), workorder.grant_access('regress_dba_app');
RESET SESSION AUTHORIZATION;

-- The extension goes and comes again.
DROP EXTENSION workorder CASCADE;
CREATE EXTENSION workorder;
CREATE EXTENSION workorder_active_job;
CREATE EXTENSION workorder_dispatch;
SELECT count(*) FROM workorder.verify();
SELECT workorder.grant_admin('regress_dba');
SET SESSION AUTHORIZATION regress_dba;
SELECT workorder.upgrade();
SELECT workorder.grant_access('regress_dba_app'), active_job.grant_access('regress_dba_app'), dispatch.grant_access('regress_dba_app');
SELECT workorder.count_rows('claim') AS counted;
SELECT * FROM workorder.verify();
SET SESSION AUTHORIZATION regress_dba_app;
INSERT INTO claim (about) VALUES ('three') RETURNING id, state;

RESET SESSION AUTHORIZATION;
\c :admin_database
SET client_min_messages = warning;
DROP DATABASE regress_workorder_dba;
DROP ROLE regress_dba, regress_dba_app, regress_dba_other;
