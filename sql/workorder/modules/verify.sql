-- Is everything as it should be: what journal and rows tell is read in C, what
-- the catalog tells is asked here.  verify() asks on behalf of whoever may call
-- it, so its parts are granted to nobody.

CREATE FUNCTION workorder.verify(relation regclass DEFAULT NULL, id bigint DEFAULT NULL)
RETURNS TABLE (relation regclass, ticket_id bigint, revision int, code text, message text)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workorder_verify';
REVOKE ALL ON FUNCTION workorder.verify(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.verify(regclass, bigint) IS
'Everything in which tables, journal and flows contradict each other; no row means sound. For one ticket of the current tenant, for all tickets of one table, or (no argument) for all guarded tables and the journal''s own lines. Needs to own the tables.
What the journal does not tell (who held which role then, and so what a guard, "all" or a percentage made of it) is taken as it is.
Codes of a ticket: digest (a line is not what was written, or one before it is missing), gap (revisions do not follow each other, or not up to the row''s), chain_state (a line does not start where the one before ended), chain_value (a line''s old value is not what those before made), changes (a line''s changes cannot be read), time (a line is earlier than the one before), initial (not created in the flow''s initial state), edge (the flow has no such step), state (the flow has no such leaf), flow_missing (the flow version is gone), exclude (a step was taken by somebody whom the flow keeps from it), quorum (an action took effect without the votes it needs, counts a person twice, or took none with enough of them), votes (the line has votes that nobody gave), row_differs (columns differ from the journal), row_missing, row_exists (after its delete), journal_missing, timers (they are not those that its history and its flow demand; retime() mends that).
Codes of a table: trigger_missing, trigger_changed, trigger_disabled, row_security (it is off), policy_missing, policy_changed (it is not what "view" of the flow compiles to), rights (somebody may make triggers on it), unlogged, unguarded, table_missing, tasks (workorder.task is not what the ticket''s votes say, or holds tasks of no ticket), parts (nor is workorder.part what its journal says; refresh_tasks() mends both), total (the tally is not what the table holds; count_rows() mends it).
Codes of the engine, without an argument only: unlogged, owner (a table belongs to another role than the journal), rights (somebody may write what only the engine writes, read keys, make objects in its schema, call a function as everybody, or set session_replication_role, workorder.maintenance or workorder.now), trigger_missing, trigger_disabled, row_security, policy_missing, policy_changed (of what keeps tenants apart), function_changed (it runs as its owner, calls another library, or does not pin its path). Messages name columns, never what they hold. Raises WO403 for a table that is somebody else''s, WO404 for one that was never guarded, WO400 for a number without a table.';

CREATE FUNCTION workorder.verify_rights(relation regclass)
RETURNS TABLE (relation regclass, code text, message text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
  -- whoever may put a trigger on a table decides what others' statements do
  SELECT c.oid::regclass, 'rights', format('role %I may make triggers on the table',
    CASE WHEN x.grantee = 0 THEN 'public' ELSE pg_get_userbyid(x.grantee) END)
  FROM pg_class c
  CROSS JOIN LATERAL aclexplode(c.relacl) x
  WHERE c.oid = verify_rights.relation AND x.privilege_type = 'TRIGGER' AND x.grantee <> c.relowner
$$;
REVOKE ALL ON FUNCTION workorder.verify_rights(regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.verify_rights(regclass) IS
'Who may get round the guard of a table by a right on it. Part of verify(), which asks it for everybody: it reads the catalog alone.';

CREATE FUNCTION workorder.verify_engine(guarded regclass[])
RETURNS TABLE (relation regclass, code text, message text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
  WITH ours AS (
    -- a table of the user's that happens to be there is none of ours
    SELECT c.oid, c.relname, c.relowner, c.relpersistence, c.relrowsecurity, c.relacl
    FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = 'workorder'::regnamespace
      AND NOT EXISTS (SELECT FROM unnest(verify_engine.guarded) g WHERE g = c.oid)),
  owner AS (
    SELECT o.relowner AS oid FROM ours o WHERE o.relname = 'journal'),
  code AS (
    SELECT p.pronamespace::regnamespace AS schema, p.proname, p.probin, p.prosrc, p.proconfig, p.prosecdef,
      p.prosqlbody, p.proacl, l.lanname
    FROM pg_extension e
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
      AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    JOIN pg_proc p ON p.oid = d.objid
    JOIN pg_language l ON l.oid = p.prolang
    WHERE e.extname = 'workorder'),
  granted AS (
    -- what somebody else than its owner may do with a table, the schema or a setting
    SELECT a.kind, a.relation, a.name, a.owner, x.grantee, x.privilege_type,
      CASE WHEN x.grantee = 0 THEN 'public' ELSE pg_get_userbyid(x.grantee) END AS role
    FROM (
      SELECT 'table', o.oid, o.relname, o.relowner, o.relacl FROM ours o
      UNION ALL
      SELECT 'table', o.oid, o.relname, o.relowner, t.attacl FROM ours o JOIN pg_attribute t ON t.attrelid = o.oid
      UNION ALL
      SELECT 'schema', NULL, n.nspname, n.nspowner, n.nspacl FROM pg_namespace n WHERE n.nspname = 'workorder'
      UNION ALL
      -- settings belong to the superuser that the cluster was made with
      SELECT 'setting', NULL, p.parname, 10, p.paracl FROM pg_parameter_acl p) a (kind, relation, name, owner, acl)
    CROSS JOIN LATERAL aclexplode(a.acl) x
    WHERE x.grantee <> a.owner),
  tables AS (
    SELECT o.oid, 'unlogged', format('workorder.%I is unlogged: a crash empties it', o.relname)
    FROM ours o
    WHERE o.relpersistence <> 'p' AND o.relname <> 'journal'
    UNION ALL
    SELECT o.oid, 'owner', format('workorder.%I belongs to another role than the journal', o.relname)
    FROM ours o
    WHERE o.relowner <> (SELECT w.oid FROM owner w)),
  rights AS (
    SELECT g.relation, 'rights',
      format('role %I has %s on workorder.%I', g.role, string_agg(DISTINCT g.privilege_type, ', ' ORDER BY g.privilege_type), g.name)
    FROM granted g
    WHERE g.kind = 'table'
      -- what 17 has besides, to vacuum and the like
      AND g.privilege_type <> 'MAINTAIN'
      AND (g.privilege_type = 'TRIGGER' OR g.name IN ('password', 'secret')
        OR (g.privilege_type <> 'SELECT' AND g.name IN (
          'flow', 'guarded', 'installation', 'journal', 'seal', 'sealed', 'timer', 'task', 'part', 'deputy', 'tally',
          'tally_change', 'outbox', 'event', 'idempotency', 'reply', 'attached', 'attachment', 'api', 'route')))
    GROUP BY g.relation, g.name, g.role
    UNION ALL
    SELECT NULL, 'rights', format('role %I may make objects in schema workorder', g.role)
    FROM granted g
    WHERE g.kind = 'schema' AND g.privilege_type = 'CREATE' AND g.grantee <> (SELECT w.oid FROM owner w)
    UNION ALL
    SELECT NULL, 'rights', format('role %I may set %s', g.role, g.name)
    FROM granted g
    WHERE g.kind = 'setting' AND g.name IN ('session_replication_role', 'workorder.maintenance', 'workorder.now')
      AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = g.grantee AND r.rolsuper)
    UNION ALL
    SELECT NULL, 'rights', format('everybody may call function %s.%I()', c.schema, c.proname)
    FROM code c
    WHERE c.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(c.proacl) x WHERE x.grantee = 0)),
  triggers AS (
    -- what tells sessions of new rules, and keeps the published ones
    SELECT o.oid, CASE WHEN t.oid IS NULL THEN 'trigger_missing' ELSE 'trigger_disabled' END,
      format(CASE WHEN t.oid IS NULL THEN 'workorder.%I has no trigger %I'
        ELSE 'the trigger of workorder.%I called %I does not fire when it should' END, w.relname, w.tgname)
    FROM (VALUES
      ('flow', 'immutable', 'O'), ('flow', 'signal', 'A'), ('actor', 'signal', 'A'), ('membership', 'signal', 'A'),
      ('api', 'signal', 'A'), ('route', 'signal', 'A')) w (relname, tgname, tgenabled)
    JOIN ours o ON o.relname = w.relname
    LEFT JOIN pg_trigger t ON t.tgrelid = o.oid AND t.tgname = w.tgname
    WHERE t.tgenabled IS DISTINCT FROM w.tgenabled::"char"),
  policies AS (
    -- what keeps tenants apart
    SELECT o.oid, CASE WHEN NOT o.relrowsecurity THEN 'row_security' WHEN p.oid IS NULL THEN 'policy_missing'
        ELSE 'policy_changed' END,
      format(CASE WHEN NOT o.relrowsecurity THEN 'row-level security of workorder.%I is off'
        WHEN p.oid IS NULL THEN 'workorder.%I has no policy that keeps tenants apart'
        ELSE 'the policy of workorder.%I does not keep tenants apart' END, o.relname)
    FROM ours o
    LEFT JOIN pg_policy p ON p.polrelid = o.oid AND p.polname = 'tenant'
    WHERE o.relname IN ('actor', 'membership', 'counter', 'setting', 'dictionary', 'calendar', 'working_hour', 'holiday')
      AND NOT (o.relrowsecurity AND p.polcmd = '*' AND p.polpermissive AND p.polroles = '{0}' AND p.polwithcheck IS NULL
        AND pg_get_expr(p.polqual, p.polrelid) = '(tenant_id = workorder.tenant_id())') IS TRUE),
  functions AS (
    SELECT NULL::oid, 'function_changed', format('function %s.%I() %s', c.schema, c.proname,
      CASE WHEN c.prosecdef THEN 'runs as its owner' WHEN c.lanname = 'c' THEN 'calls another library'
        ELSE 'does not pin its path' END)
    FROM code c
    WHERE c.prosecdef
      OR (c.lanname = 'c' AND (c.probin <> '$libdir/workorder' OR NOT starts_with(c.prosrc, 'workorder_')))
      OR (c.lanname IN ('sql', 'plpgsql') AND c.prosqlbody IS NULL
        AND (c.proconfig IS NULL OR NOT 'search_path=pg_catalog, pg_temp' = ANY (c.proconfig))))
  SELECT f.relation::regclass, f.code, f.message
  FROM (
    TABLE tables UNION ALL TABLE rights UNION ALL TABLE triggers UNION ALL TABLE policies UNION ALL TABLE functions
    ) f (relation, code, message)
  ORDER BY f.code, f.message
$$;
REVOKE ALL ON FUNCTION workorder.verify_engine(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION workorder.verify_engine(regclass[]) IS
'What of the engine is not as it was installed, ordered by code and message; takes the tables with a flow, since none of those is the engine''s own. Part of verify(), which asks it for everybody: it reads the catalog alone.';
