-- Is everything as it should be: what journal and rows tell is read in C, what
-- the catalog tells is asked here.  verify() asks on behalf of whoever may call
-- it, so its parts are granted to nobody.

CREATE FUNCTION workorder.verify(relation regclass DEFAULT NULL, id bigint DEFAULT NULL)
RETURNS TABLE (relation regclass, ticket_id bigint, revision int, code text, message text)
LANGUAGE c STABLE PARALLEL UNSAFE ROWS 10
AS 'MODULE_PATHNAME', 'workorder_verify';
COMMENT ON FUNCTION workorder.verify(regclass, bigint) IS
'Everything in which tables, journal and flows contradict each other; no row means sound. For one ticket of the current tenant, for all tickets of one table, or (no argument) for all guarded tables and the journal''s own entries. Needs to own the tables.
What the journal does not tell (who held which role then, and so what a guard, "all" or a percentage made of it) is taken as it is.
Codes of a ticket: digest (an entry is not what was written, or one before it is missing), gap (revisions do not follow each other, or not up to the row''s), chain_state (an entry does not start where the one before ended), chain_value (an entry''s old value is not what those before made), changes (an entry''s changes cannot be read), time (an entry is earlier than the one before), initial (not created in the flow''s initial state), edge (the flow has no such step), state (the flow has no such leaf), flow_missing (the flow version is gone), exclude (a step was taken by somebody whom the flow keeps from it), quorum (an action took effect without the votes it needs, counts a person twice, or took none with enough of them), votes (the entry has votes that nobody gave), row_differs (columns differ from the journal), row_missing, row_exists (after its delete), journal_missing, timers (they are not those that its history and its flow demand; retime() mends that).
Codes of a table: trigger_missing, trigger_changed, trigger_disabled, row_security (it is off), policy_missing, policy_changed (it is not what "view" of the flow compiles to), rights (somebody may make triggers on it), unlogged, child (a table inherits from it: no trigger sees its rows), unguarded (it has lost its triggers), table_missing, broken (it cannot be verified; the message says why), tasks (workorder.task is not what the ticket''s votes say, or holds tasks of no ticket), participants (nor is workorder.participant what its journal says; refresh_tasks() mends both), total (the counts are not what the table holds; count_rows() mends it).
Codes of the engine and the add-ons, without an argument only: table_missing, view_missing, index_missing, constraint_missing, default_missing, function_missing, domain_missing, trigger_missing, policy_missing, row_security (of all that install() makes; it makes them again), trigger_changed, trigger_disabled, trigger_added (a BEFORE trigger on a table of the engine that is not ours), rule (on a table of ours, or one with a flow), policy_changed (of what keeps tenants apart), unlogged, owner (a table, or the schema that clients are shown, belongs to another role than the journal), rights (somebody may write what only the engine writes, read keys, make objects in its schemas, call a function as everybody, or set session_replication_role, workorder.maintenance or workorder.now), system_actor (who stands for the clock is made a person), function_changed (it runs as its owner, calls another library, or does not pin its path). Messages name columns, never what they hold. Raises WO403 for a table that is somebody else''s, WO404 for one that was never guarded, WO400 for a number without a table.';

CREATE FUNCTION workorder.altered(relation regclass, columns jsonb DEFAULT '{}', labels jsonb DEFAULT '{}') RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_altered';
COMMENT ON FUNCTION workorder.altered(regclass, jsonb, jsonb) IS
'Tells the journal that columns of a guarded table ({"name before": "name now"}) or labels of its enums ({"column": {"label before": "label now"}}) were renamed, so that verify() and as_of() read earlier entries by the names of now. One entry for the table, which is dumped and restored with the journal. Of columns whose type was altered nothing need be told as long as the old values are values of the new type. Needs to own the table. Raises WO400 for names that the table does not have, WO404 for a table without a flow.';

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
COMMENT ON FUNCTION workorder.verify_rights(regclass) IS
'Who may get round the guard of a table by a right on it. Part of verify(), which asks it for everybody: it reads the catalog alone.';

CREATE FUNCTION workorder.system_is_person() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
BEGIN
  IF to_regclass('workorder.actor') IS NULL OR to_regclass('workorder.membership') IS NULL OR to_regclass('workorder.password') IS NULL THEN
    RETURN false;
  END IF;
  RETURN EXISTS (
    SELECT FROM workorder.actor a WHERE starts_with(a.login, '$')
      AND (a.active OR a.db_role IS NOT NULL
        OR EXISTS (SELECT FROM workorder.membership m WHERE m.tenant_id = a.tenant_id AND m.actor_id = a.id)
        OR EXISTS (SELECT FROM workorder.password p WHERE p.tenant_id = a.tenant_id AND p.actor_id = a.id)));
END
$$;
COMMENT ON FUNCTION workorder.system_is_person() IS 'Whether somebody could act as who stands for the engine; part of verify().';

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
      SELECT 'schema', NULL, n.nspname, n.nspowner, n.nspacl FROM pg_namespace n WHERE n.nspname IN ('workorder', workorder.api_schema())
      UNION ALL
      -- settings belong to the superuser that the cluster was made with
      SELECT 'setting', NULL, p.parname, 10, p.paracl FROM pg_parameter_acl p) a (kind, relation, name, owner, acl)
    CROSS JOIN LATERAL aclexplode(a.acl) x
    WHERE x.grantee <> a.owner),
  tables AS (
    SELECT o.oid, 'unlogged', format('workorder.%I is unlogged: a crash empties it', o.relname)
    FROM ours o
    WHERE o.relpersistence <> 'p'
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
          'flow', 'guarded', 'installation', 'journal', 'seal', 'sealed', 'timer', 'task', 'participant', 'deputy', 'state_count',
          'state_count_change', 'outbox', 'event', 'idempotency', 'reply', 'attached', 'attachment', 'api', 'route')))
    GROUP BY g.relation, g.name, g.role
    UNION ALL
    SELECT NULL, 'rights', format('role %I may make objects in schema %I', g.role, g.name)
    FROM granted g
    WHERE g.kind = 'schema' AND g.privilege_type = 'CREATE' AND g.grantee <> (SELECT w.oid FROM owner w)
    UNION ALL
    SELECT NULL, 'owner', format('schema %I, which clients are shown, belongs to another role than the journal', n.nspname)
    FROM pg_namespace n WHERE n.nspname = workorder.api_schema() AND n.nspowner <> (SELECT w.oid FROM owner w)
    UNION ALL
    SELECT NULL, 'rights', format('role %I may set %s', g.role, g.name)
    FROM granted g
    WHERE g.kind = 'setting' AND g.name IN ('session_replication_role', 'workorder.maintenance', 'workorder.now')
      AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = g.grantee AND r.rolsuper)
    UNION ALL
    SELECT NULL, 'rights', format('everybody may call function %s.%I()', c.schema, c.proname)
    FROM code c
    WHERE c.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(c.proacl) x WHERE x.grantee = 0)),
  ddl AS MATERIALIZED (
    SELECT workorder.all_parts() AS text),
  parts AS MATERIALIZED (
    SELECT x.kind, x.relation, x.name, x.missing, x.statement, to_regclass(x.relation)::oid AS oid
    FROM ddl d, workorder.parts(d.text) x WHERE x.kind IS NOT NULL),
  missing AS (
    -- of what is on a missing table, the table alone is told
    SELECT p.oid, CASE p.kind WHEN 'row_security' THEN p.kind ELSE p.kind || '_missing' END,
      CASE WHEN p.kind = 'row_security' THEN format('row-level security of %s is off', p.relation)
        WHEN p.kind IN ('table', 'view') THEN format('%s %s does not exist', p.kind, p.relation)
        WHEN p.relation IS NULL THEN format('%s %s does not exist', p.kind, p.name)
        WHEN p.kind = 'default' THEN format('column %s of %s has no default', p.name, p.relation)
        ELSE format('%s has no %s %s', p.relation, p.kind, p.name) END
    FROM parts p
    WHERE p.missing AND (p.kind = 'table' OR p.relation IS NULL OR p.kind = 'view' OR p.oid IS NOT NULL)),
  opened AS (
    SELECT DISTINCT NULL::oid, 'rights', format('everybody may call function %s', f.oid::regprocedure)
    FROM ddl d
    CROSS JOIN LATERAL regexp_matches(d.text, 'REVOKE ALL ON FUNCTION (.+?) FROM PUBLIC;', 'g') m
    JOIN pg_proc f ON f.oid = to_regprocedure(replace(m[1], '@api@', coalesce(quote_ident(workorder.api_schema()), '""')))
    WHERE f.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(f.proacl) x WHERE x.grantee = 0)),
  triggers AS (
    SELECT p.oid, CASE WHEN t.tgenabled <> p.fires THEN 'trigger_disabled' ELSE 'trigger_changed' END,
      format(CASE WHEN t.tgenabled <> p.fires THEN 'trigger %2$s of %1$s does not fire when it should'
        ELSE 'trigger %2$s of %1$s is not the one that install() makes' END, p.relation, p.name)
    FROM (
      SELECT q.*, CASE WHEN strpos((SELECT d.text FROM ddl d), format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %s;', q.relation, q.name)) > 0
        THEN 'A' ELSE 'O' END::"char" AS fires
      FROM parts q WHERE q.kind = 'trigger') p
    JOIN pg_trigger t ON t.tgrelid = p.oid AND t.tgname = p.name
    WHERE t.tgenabled <> p.fires
      OR t.tgfoid::regproc <> to_regproc(substring(p.statement FROM 'EXECUTE FUNCTION ([^ (]+)'))
      OR (t.tgqual IS NULL) <> (p.statement !~ '\mWHEN \(')
      OR NOT (CASE WHEN p.statement ~ ' BEFORE ' THEN t.tgtype & 2 = 2 ELSE t.tgtype & 2 = 0 END
        AND (t.tgtype & 1 = 1) = (p.statement ~ '\mFOR EACH ROW\M')
        AND (t.tgtype & 4 = 4) = (split_part(p.statement, ' ON ', 1) ~ '\mINSERT\M')
        AND (t.tgtype & 8 = 8) = (split_part(p.statement, ' ON ', 1) ~ '\mDELETE\M')
        AND (t.tgtype & 16 = 16) = (split_part(p.statement, ' ON ', 1) ~ '\mUPDATE\M')
        AND (t.tgtype & 32 = 32) = (split_part(p.statement, ' ON ', 1) ~ '\mTRUNCATE\M'))),
  policies AS (
    -- what keeps tenants apart
    SELECT p.oid, 'policy_changed', format('the policy of %s does not keep tenants apart', p.relation)
    FROM parts p
    JOIN pg_policy y ON y.polrelid = p.oid AND y.polname = p.name
    WHERE p.kind = 'policy' AND p.name = 'tenant'
      AND NOT (y.polcmd = '*' AND y.polpermissive AND y.polroles = '{0}' AND y.polwithcheck IS NULL
        AND pg_get_expr(y.polqual, y.polrelid) = '(tenant_id = workorder.tenant_id())')),
  rules AS (
    -- a rule sees a statement before any trigger or policy does
    SELECT c.oid, 'rule', format('rule %I of %s does something else than the statement says', r.rulename, c.oid::regclass)
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE c.relkind IN ('r', 'p') AND (c.oid IN (SELECT p.oid FROM parts p WHERE p.kind = 'table') OR c.oid = ANY (verify_engine.guarded))),
  added AS (
    -- a trigger before the fact decides what is stored in a table that only the engine writes
    SELECT o.oid, 'trigger_added', format('trigger %I of workorder.%I can change or drop what the engine writes', t.tgname, o.relname)
    FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid
    WHERE NOT t.tgisinternal AND t.tgtype & 2 = 2 AND t.tgenabled <> 'D'
      AND NOT EXISTS (SELECT FROM parts p WHERE p.kind = 'trigger' AND p.oid = o.oid AND p.name = t.tgname)),
  people AS (
    SELECT o.oid, 'system_actor', 'whoever stands for the clock is active, holds roles, or may sign in: somebody could be it'
    FROM ours o WHERE o.relname = 'actor' AND workorder.system_is_person()
    UNION ALL
    SELECT o.oid, 'open_api', format('API "%s" takes requests without a credential from %s for those of "%s"', n.name, n.addresses, n.login)
    FROM ours o, workorder.open_apis() n WHERE o.relname = 'api'),
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
    TABLE tables UNION ALL TABLE missing UNION ALL TABLE rights UNION ALL TABLE opened UNION ALL TABLE triggers UNION ALL TABLE added UNION ALL TABLE policies
    UNION ALL TABLE rules UNION ALL TABLE people UNION ALL TABLE functions
    ) f (relation, code, message)
  ORDER BY f.code, f.message
$$;
COMMENT ON FUNCTION workorder.verify_engine(regclass[]) IS
'What of the engine is not as it was installed, ordered by code and message; takes the tables with a flow, since none of those is the engine''s own. Part of verify(), which asks it for everybody: it reads the catalog alone.';
