-- A table that has row-level security of its own before it gets a flow, and one
-- that gets it afterwards: what they shut stays shut, whatever the other opens.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();
CREATE SCHEMA regress_own_policies;
SET search_path = regress_own_policies;
CREATE ROLE regress_own_policies_app;

SELECT workorder.enrol('own_policies_ann', 'Ann', '{agent}') > 0 AND workorder.enrol('own_policies_bob', 'Bob', '{reader}') > 0 AS enrolled;
SELECT workorder.publish('{
  "id": "own_policies", "roles": ["agent", "reader"], "initial": "open",
  "on": {"create": {"allow": ["agent"]}, "view": {"allow": ["agent"]}, "update": {"allow": ["agent"]}, "delete": {"allow": ["agent"]}},
  "states": {"open": {"on": {"finish": {"target": "done", "allow": ["agent"]}}}, "done": {"type": "final"}}}') > 0 AS published;
CREATE VIEW policies AS
SELECT c.relname, p.polname, p.polpermissive AS permissive, p.polcmd, pg_get_expr(p.polqual, p.polrelid) AS sees
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'regress_own_policies'::regnamespace
ORDER BY c.relname, p.polname;

-- by region, before the flow
CREATE TABLE offer (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigserial, region text, title text, PRIMARY KEY (tenant_id, id));
ALTER TABLE offer ENABLE ROW LEVEL SECURITY;
CREATE POLICY region ON offer USING (region = current_setting('app.region', true)) WITH CHECK (region = current_setting('app.region', true));
SELECT workorder.guard('offer', 'own_policies');
SELECT workorder.grant_access('regress_own_policies_app');
SELECT polname, permissive, polcmd FROM policies;
SELECT code, message FROM workorder.verify('offer');
SET workorder.actor = 'own_policies_ann';
INSERT INTO offer (region, title) VALUES ('eu', 'e'), ('us', 'u');
SET ROLE regress_own_policies_app;
SET app.region = 'eu';
SELECT region, title FROM offer;
SELECT workorder.act('offer', 1, 'finish');
SELECT workorder.act('offer', 2, 'finish');
\echo :SQLSTATE
UPDATE offer SET action = 'finish' WHERE title = 'u' RETURNING region;
INSERT INTO offer (region, title) VALUES ('us', 'u');
\echo :SQLSTATE
INSERT INTO offer (region, title) VALUES ('eu', 'more') RETURNING region;
SELECT count(*) FROM workorder.history WHERE relation = 'offer'::regclass AND ticket_id = 2;
-- and the flow's "view" on top of it
RESET ROLE;
SET workorder.actor = 'own_policies_bob';
SET ROLE regress_own_policies_app;
SELECT region, title FROM offer;
SELECT workorder.act('offer', 3, 'finish');
\echo :SQLSTATE
RESET ROLE;

-- nothing of its own, as ever; and what is opened later opens nothing
CREATE TABLE plain (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigserial, title text, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('plain', 'own_policies');
SELECT workorder.grant_table('plain', 'regress_own_policies_app');
INSERT INTO workorder.tenant (id, name) VALUES (31, 'another') ON CONFLICT DO NOTHING;
SET workorder.actor = 'own_policies_ann';
INSERT INTO plain (title) VALUES ('a'), ('b');
SELECT * FROM policies WHERE relname = 'plain' AND polname = 'workorder_permissive';
CREATE POLICY everything ON plain USING (true);
SELECT polname FROM policies WHERE relname = 'plain' AND permissive;
SET ROLE regress_own_policies_app;
SELECT count(*) FROM plain;
RESET ROLE;
SET workorder.actor = 'own_policies_bob';
SET ROLE regress_own_policies_app;
SELECT count(*) FROM plain;
RESET ROLE;
SET workorder.actor = 'own_policies_ann';
SET workorder.tenant = '31';
SET ROLE regress_own_policies_app;
SELECT count(*) FROM plain;
RESET ROLE;
RESET workorder.tenant;
SELECT code, message FROM workorder.verify('plain');

-- one that is narrower narrows, as it does without a flow
CREATE POLICY a_only ON plain USING (title = 'a');
DROP POLICY everything ON plain;
SET ROLE regress_own_policies_app;
SELECT title FROM plain;
RESET ROLE;
CREATE POLICY not_c ON plain AS RESTRICTIVE USING (title <> 'c');
ALTER POLICY a_only ON plain RENAME TO a_alone;
DROP POLICY a_alone ON plain;
SELECT polname, permissive FROM policies WHERE relname = 'plain';
SET ROLE regress_own_policies_app;
SELECT title FROM plain ORDER BY title;
RESET ROLE;
-- a policy goes with what it asks, too
CREATE FUNCTION asked() RETURNS boolean LANGUAGE sql RETURN true;
CREATE POLICY asking ON plain USING (asked());
SELECT polname FROM policies WHERE relname = 'plain' AND permissive;
SET client_min_messages = error;
DROP FUNCTION asked() CASCADE;
SET client_min_messages = warning;
SELECT polname FROM policies WHERE relname = 'plain' AND permissive;

-- verify() knows what must be there
\set findings 'SELECT code, message FROM workorder.verify(\'plain\') ORDER BY 1, 2'
BEGIN; DROP POLICY workorder_permissive ON plain; :findings; ROLLBACK;
BEGIN; SET LOCAL session_replication_role = replica; CREATE POLICY mine ON plain USING (title = 'a'); :findings;
SET LOCAL session_replication_role = origin; SELECT workorder.refresh_policies('plain'); :findings; ROLLBACK;
BEGIN; ALTER POLICY workorder_permissive ON plain USING (title = 'a'); :findings; ROLLBACK;
BEGIN; ALTER POLICY workorder_permissive ON plain TO regress_own_policies_app; :findings; ROLLBACK;
BEGIN; DROP POLICY workorder_act ON plain; CREATE POLICY workorder_act ON plain FOR UPDATE USING (true); :findings; ROLLBACK;
:findings;

-- a new version of the flow changes ours and nothing else
SELECT workorder.publish('{
  "id": "own_policies", "roles": ["agent", "reader"], "initial": "open",
  "on": {"create": {"allow": ["agent"]}, "view": {"allow": ["agent", "reader"]}, "update": {"allow": ["agent"]}, "delete": {"allow": ["agent"]}},
  "states": {"open": {"on": {"finish": {"target": "done", "allow": ["agent"]}}}, "done": {"type": "final"}}}') > 0 AS published;
SELECT relname, polname, permissive FROM policies;
SELECT t, v.code, v.message FROM unnest('{offer,plain}'::regclass[]) t, workorder.verify(t) v;

-- without the flow it is as it was
SELECT workorder.unguard('offer'), workorder.unguard('plain');
SELECT relname, polname FROM policies;
SELECT relname, relrowsecurity FROM pg_class WHERE relname IN ('offer', 'plain') AND relnamespace = 'regress_own_policies'::regnamespace ORDER BY 1;
-- and policies of tables without one are nobody's business
CREATE TABLE other (a int);
CREATE POLICY p ON other USING (true);
DROP POLICY p ON other;
SELECT polname FROM policies WHERE relname = 'other';

DROP SCHEMA regress_own_policies CASCADE;
RESET search_path;
DROP OWNED BY regress_own_policies_app;
DROP ROLE regress_own_policies_app;
SET workorder.maintenance = on; DELETE FROM workorder.actor WHERE login LIKE 'own\_policies\_%'; RESET workorder.maintenance;
DELETE FROM workorder.tenant WHERE id = 31;
