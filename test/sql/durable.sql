-- What an act has changed is waited for, however little the session wants to wait.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_durable TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_workorder_durable
SET client_min_messages = warning;
-- this session waits for nobody, and has nothing to wait for
SET synchronous_commit = off;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT workorder.publish('{"id": "durable", "roles": [], "initial": "open", "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"open": {"on": {"end": {"target": "done", "allow": ["*"]}}}, "done": {"type": "final"}}}') > 0 AS published;
CREATE TABLE ticket (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, level text DEFAULT current_setting('synchronous_commit'), PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('ticket', 'durable');

-- A standby that is not there is waited for, once the server has noticed: until
-- it has, others commit and go.
CREATE TABLE probe (i int);
ALTER SYSTEM SET synchronous_standby_names = 'nobody';
SELECT pg_reload_conf();
\! ask() { psql -X -Atq -d regress_workorder_durable -c "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'durable $1'"; }; i=0; until [ "$(ask probe)" -gt 0 ] || [ $i = 300 ]; do PGAPPNAME='durable probe' psql -X -q -d regress_workorder_durable -c 'SET synchronous_commit = on; INSERT INTO probe VALUES (1)' >/dev/null 2>&1 & sleep 0.2; i=$((i + 1)); done
-- acts wait for it, at each level that is weaker
\! for level in off local remote_write; do PGAPPNAME="durable $level" psql -X -q -d regress_workorder_durable -c "SET synchronous_commit = $level; INSERT INTO ticket (id) VALUES (length('$level'))" >/dev/null 2>&1 & done
CREATE FUNCTION waiting(expected int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  names text[];
BEGIN
  FOR i IN 1..600 LOOP
    PERFORM pg_stat_clear_snapshot();
    SELECT array_agg(DISTINCT application_name ORDER BY application_name) INTO names
    FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'durable %';
    EXIT WHEN cardinality(names) >= expected;
    PERFORM pg_sleep(0.1);
  END LOOP;
  RETURN array_to_string(names, ', ');
END $$;
SELECT waiting(4);
-- nobody has to, and who changes nothing does not
\! psql -X -q -d regress_workorder_durable -c "SET synchronous_commit = local; SET workorder.durable = off; INSERT INTO ticket (id) VALUES (99)"
\! psql -X -Atq -d regress_workorder_durable -c "SET synchronous_commit = local; UPDATE ticket SET level = 'none' WHERE false; SHOW synchronous_commit"
ALTER SYSTEM RESET synchronous_standby_names;
SELECT pg_reload_conf();
DO $$
BEGIN
  FOR i IN 1..600 LOOP
    PERFORM pg_stat_clear_snapshot();
    PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'durable %';
    EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'durable %');
    PERFORM pg_sleep(0.1);
  END LOOP;
END $$;
SELECT id, level FROM ticket ORDER BY id;

\c :admin_database
SET client_min_messages = warning;
DROP DATABASE regress_workorder_durable WITH (FORCE);
