-- Giving a table a flow, and taking it away.

CREATE FUNCTION workorder.guard_row() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'workorder_guard_row';
COMMENT ON FUNCTION workorder.guard_row() IS 'BEFORE ROW trigger of guarded tables: finds the action, judges it, moves the row. Made by guard().';

CREATE FUNCTION workorder.record_row() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'workorder_record_row';
COMMENT ON FUNCTION workorder.record_row() IS 'AFTER ROW trigger of guarded tables: appends the journal entry. Made by guard().';

CREATE FUNCTION workorder.record_flush() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'workorder_record_flush';
COMMENT ON FUNCTION workorder.record_flush() IS 'AFTER STATEMENT trigger of guarded tables: writes the entries of the statement together. Made by guard().';

CREATE FUNCTION workorder.refuse_truncate() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF current_setting('workorder.maintenance')::boolean THEN
    PERFORM workorder.journal_maintenance(TG_ARGV[0]::int, 0, format('TRUNCATE %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME));
    -- row by row, so that each ticket's journal tells that it is gone, and its timers, tasks and totals go
    EXECUTE format('DELETE FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
    RETURN NULL;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'WO403',
    MESSAGE = format('table "%s" cannot be truncated', TG_TABLE_NAME),
    DETAIL = 'Its tickets would go without an entry in the journal.',
    HINT = 'Use DELETE, which is judged and journalled row by row.',
    SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
END
$$;
COMMENT ON FUNCTION workorder.refuse_truncate() IS 'BEFORE TRUNCATE trigger of guarded tables: WO403, unless a superuser has set workorder.maintenance; then every row is deleted first, which the journal tells. Made by guard().';

-- Their twin in C is WO_ENGINE_COLUMNS (src/utils/columns.h).
CREATE FUNCTION workorder.engine_columns()
RETURNS TABLE ("position" int, name text, type regtype)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT e.p, e.n, e.t::pg_catalog.regtype
  FROM (VALUES (1, 'flow_id'::text, 'integer'), (2, 'state', 'text'), (3, 'history', 'text'),
    (4, 'votes', 'jsonb'), (5, 'revision', 'integer'), (6, 'creator_id', 'bigint'),
    (7, 'acted_by', 'bigint'), (8, 'created_at', 'timestamp with time zone'),
    (9, 'entered_at', 'timestamp with time zone'), (10, 'updated_at', 'timestamp with time zone'),
    (11, 'action', 'text'), (12, 'note', 'text'), (13, 'last_action', 'text'), (14, 'last_note', 'text'),
    (15, 'digest', 'bytea')) e (p, n, t);
END;
COMMENT ON FUNCTION workorder.engine_columns() IS 'The columns that guard() adds to a table, in that order.';

CREATE FUNCTION workorder.ticket_key(relation regclass, OUT tenant_column text, OUT id_column text) RETURNS record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  names text[];
  types oid[];
BEGIN
  SELECT array_agg(a.attname::text ORDER BY k.n), array_agg(a.atttypid ORDER BY k.n)
  INTO names, types
  FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n), pg_attribute a
  WHERE i.indrelid = ticket_key.relation AND i.indisprimary AND k.n <= i.indnkeyatts
    AND a.attrelid = i.indrelid AND a.attnum = k.attnum;
  IF cardinality(names) IS DISTINCT FROM 2 OR types[1] <> 'bigint'::regtype
    OR types[2] NOT IN ('bigint'::regtype, 'integer'::regtype) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400',
      MESSAGE = format('table %s has no key a ticket can be found by', ticket_key.relation),
      DETAIL = 'A guarded table needs PRIMARY KEY (tenant_id, id): a bigint tenant first, then a bigint or integer number.',
      HINT = 'Add a column tenant_id bigint NOT NULL DEFAULT workorder.tenant_id() and make (tenant_id, id) the primary key.';
  END IF;
  tenant_column := names[1];
  id_column := names[2];
END
$$;
COMMENT ON FUNCTION workorder.ticket_key(regclass) IS
'The two key columns of a table that can be guarded. Raises WO400 if its primary key is not (tenant bigint, number).';

CREATE FUNCTION workorder.refuse_unguarded(relation regclass) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('table %s is not guarded', coalesce(refuse_unguarded.relation::text, 'null')),
    DETAIL = 'It has no flow.', HINT = 'The table workorder.guarded lists those that have or had one.';
END
$$;
COMMENT ON FUNCTION workorder.refuse_unguarded(regclass) IS 'Raises WO404 for a table that is not guarded.';

CREATE FUNCTION workorder.keep_permissive(relation regclass) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'workorder_keep_permissive';
COMMENT ON FUNCTION workorder.keep_permissive(regclass) IS
'Makes the policy workorder_permissive of a table, USING (true), if it has no permissive policy of its own, without which PostgreSQL shows no row at all; drops it if it has one, which it would undo. Needs to own the table.';

CREATE FUNCTION workorder.refresh_policies(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  key record;
  sees text;
  own text;
  wanted text;
  policy name;
BEGIN
  SELECT * INTO g FROM workorder.guarded x WHERE x.relation = refresh_policies.relation;
  IF NOT FOUND THEN
    PERFORM workorder.refuse_unguarded(refresh_policies.relation);
  END IF;
  key := workorder.ticket_key(g.relation);
  own := format('%I = workorder.tenant_id()', key.tenant_column);
  sees := format('%s AND (%s)', own, workorder.view_predicate(g.flow, g.columns));
  -- A policy is changed under an exclusive lock, so only if it says something new.
  wanted := format('workorder: who may see, by the "view" of flow %s [%s]', g.flow, md5(sees));
  IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = g.relation AND p.polname = 'workorder_view'
             AND obj_description(p.oid, 'pg_policy') = wanted)
    AND (SELECT count(*) FROM pg_policy p WHERE p.polrelid = g.relation AND starts_with(p.polname, 'workorder_') AND NOT p.polpermissive) = 4 THEN
    PERFORM workorder.keep_permissive(g.relation);
    RETURN;
  END IF;
  FOR policy IN
    SELECT p.polname FROM pg_policy p WHERE p.polrelid = g.relation AND starts_with(p.polname, 'workorder_')
  LOOP
    EXECUTE format('DROP POLICY %I ON %s', policy, g.relation);
  END LOOP;
  -- Restrictive: what the table's own policies shut stays shut, and none that is made later opens what these shut.
  EXECUTE format('CREATE POLICY workorder_view ON %s AS RESTRICTIVE FOR SELECT USING (%s)', g.relation, sees);
  EXECUTE format('CREATE POLICY workorder_create ON %s AS RESTRICTIVE FOR INSERT WITH CHECK (%s)', g.relation, own);
  EXECUTE format('CREATE POLICY workorder_act ON %s AS RESTRICTIVE FOR UPDATE USING (%s) WITH CHECK (%s)', g.relation, sees, own);
  EXECUTE format('CREATE POLICY workorder_delete ON %s AS RESTRICTIVE FOR DELETE USING (%s)', g.relation, sees);
  PERFORM workorder.keep_permissive(g.relation);
  EXECUTE format('COMMENT ON POLICY workorder_view ON %s IS %L', g.relation, wanted);
END
$$;
COMMENT ON FUNCTION workorder.refresh_policies(regclass) IS
'Compiles "view" of a guarded table''s flow into its row-level-security policies, which are restrictive, if it has changed, and sees to the permissive one (keep_permissive()). Called by guard() and publish(). Needs to own the table.';

CREATE FUNCTION workorder.make_record_trigger(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  key record;
  args text;
BEGIN
  SELECT * INTO g FROM workorder.guarded x WHERE x.relation = make_record_trigger.relation;
  IF NOT FOUND THEN
    PERFORM workorder.refuse_unguarded(make_record_trigger.relation);
  END IF;
  key := workorder.ticket_key(g.relation);
  -- Arguments more tell the trigger to count, and to publish events.
  args := format('%L, %L, %L, %L, %L', g.id, g.flow, g.columns, key.tenant_column, key.id_column)
    || CASE WHEN g.counted THEN ', ''counted''' ELSE '' END || CASE WHEN g.published THEN ', ''published''' ELSE '' END;
  EXECUTE format('CREATE OR REPLACE TRIGGER _workorder_record AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION workorder.record_row(%s)', g.relation, args);
END
$$;
COMMENT ON FUNCTION workorder.make_record_trigger(regclass) IS
'Makes the AFTER ROW trigger of a guarded table as workorder.guarded says, or makes it anew. Called by guard(), count_rows() and publish_events(). Needs to own the table.';

CREATE FUNCTION workorder.restore_guard(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  key record;
  part record;
BEGIN
  SELECT * INTO g FROM workorder.guarded x WHERE x.relation = restore_guard.relation;
  IF NOT FOUND THEN
    PERFORM workorder.refuse_unguarded(restore_guard.relation);
  END IF;
  IF NOT pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = g.relation), 'USAGE') THEN
    IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = g.relation AND t.tgname = '~workorder_guard') THEN
      RAISE WARNING USING MESSAGE = format('table %s has lost its guard', g.relation),
        DETAIL = 'It belongs to another role.', HINT = 'A superuser runs SELECT workorder.upgrade().';
    END IF;
    RETURN;
  END IF;
  key := workorder.ticket_key(g.relation);
  IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = g.relation AND t.tgname = '~workorder_guard') THEN
    EXECUTE format('CREATE TRIGGER "~workorder_guard" BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION workorder.guard_row(%L, %L, %L, %L, %L)',
      g.relation, g.id, g.flow, g.columns, key.tenant_column, key.id_column);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = g.relation AND t.tgname = '_workorder_record') THEN
    PERFORM workorder.make_record_trigger(g.relation);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = g.relation AND t.tgname = '~workorder_flush') THEN
    EXECUTE format('CREATE TRIGGER "~workorder_flush" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION workorder.record_flush()', g.relation);
  END IF;
  -- Row triggers reach partitions by themselves, statement triggers do not.
  FOR part IN
    SELECT g.relation AS relation
    UNION SELECT t.relid FROM pg_partition_tree(g.relation) t
  LOOP
    IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = part.relation AND t.tgname = '~workorder_truncate') THEN
      EXECUTE format('CREATE TRIGGER "~workorder_truncate" BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION workorder.refuse_truncate(%L)', part.relation, g.id);
    END IF;
  END LOOP;
  PERFORM workorder.refresh_policies(g.relation);
  IF NOT (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = g.relation) THEN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', g.relation);
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.restore_guard(regclass) IS
'Makes those triggers and policies of a table with a flow that are missing, as workorder.guarded says. Called by guard() and upgrade(). Needs to own the table.';

CREATE FUNCTION workorder.guard(relation regclass, flow text, columns jsonb DEFAULT '{}', states jsonb DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  key record;
  c record;
  f record;
  target record;
  state_column text;
  leaves text[];
  unmapped text;
  has_rows boolean;
  defects text;
BEGIN
  IF guard.relation IS NULL OR guard.flow IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'guard() needs a table and a flow',
      DETAIL = 'Neither may be null.', HINT = 'For example workorder.guard(''leave_request'', ''leave'').';
  END IF;
  IF to_regclass('workorder.guarded') IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the tables of workorder are not made yet',
      DETAIL = 'The engine keeps its data in tables of yours.', HINT = 'Run SELECT workorder.install().';
  END IF;
  guard.columns := coalesce(guard.columns, '{}');
  IF jsonb_typeof(guard.columns) <> 'object' OR jsonb_typeof(coalesce(guard.states, '{}')) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'columns and states are JSON objects',
      DETAIL = 'columns maps engine columns to yours, states maps values you have to leaves of the flow.',
      HINT = 'For example columns => ''{"state": "status"}'', states => ''{"new": "open.draft"}''.';
  END IF;
  SELECT left(string_agg(k, ', '), 200) INTO unmapped
  FROM jsonb_object_keys(guard.columns) k
  WHERE k NOT IN (SELECT e.name FROM workorder.engine_columns() e)
    OR jsonb_typeof(guard.columns -> k) <> 'string' OR length(guard.columns ->> k) NOT BETWEEN 1 AND 63;
  IF unmapped IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('columns maps what it cannot map: %s', unmapped),
      DETAIL = 'Its keys are engine columns, its values names of columns.',
      HINT = 'The function workorder.engine_columns() lists them.';
  END IF;

  IF length(guard.flow) > 63 OR NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = guard.relation) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the table or the flow does not exist',
      DETAIL = format('Table %s, flow "%s".', guard.relation, left(guard.flow, 63)),
      HINT = 'Give the name of a table, and the name of a published flow.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = guard.relation AND r.relkind IN ('r', 'p') AND r.relpersistence = 'p') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('%s cannot be guarded', guard.relation),
      DETAIL = 'Only permanent tables can, plain or partitioned: every way to a row must pass the guard, and every row must survive a crash.',
      HINT = 'Make it an ordinary table, or guard the one that its rows come from.';
  END IF;
  -- In the order in which publish() takes them: a version that comes out meanwhile is not missed.
  LOCK TABLE workorder.flow IN SHARE MODE;
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', guard.relation);
  -- From now on nobody makes it a child, a parent or a partition.
  SELECT r.relispartition,
    (SELECT i.inhparent::regclass FROM pg_inherits i WHERE i.inhrelid = r.oid ORDER BY i.inhseqno LIMIT 1) AS parent,
    (SELECT i.inhrelid::regclass FROM pg_inherits i WHERE i.inhparent = r.oid AND r.relkind <> 'p' LIMIT 1) AS child
  INTO STRICT target FROM pg_class r WHERE r.oid = guard.relation;
  IF target.relispartition THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('%s cannot be guarded', guard.relation),
      DETAIL = format('It is a partition of %s.', target.parent),
      HINT = format('Guard %s, and all its partitions are.', target.parent);
  ELSIF target.parent IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('%s cannot be guarded', guard.relation),
      DETAIL = format('It inherits from %s, and statements on that table would reach its rows.', target.parent),
      HINT = format('ALTER TABLE %s NO INHERIT %s, or use partitions.', guard.relation, target.parent);
  ELSIF target.child IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('%s cannot be guarded', guard.relation),
      DETAIL = format('Table %s inherits from it, and has no triggers of the guard''s: its rows would be read and changed unjudged.', target.child),
      HINT = format('ALTER TABLE %s NO INHERIT %s, or use partitions.', target.child, guard.relation);
  END IF;
  key := workorder.ticket_key(guard.relation);

  SELECT x.id, x.definition INTO f FROM workorder.flow x
  WHERE x.name = guard.flow AND x.life = 'published';
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('flow "%s" is not published', guard.flow),
      DETAIL = 'New rows start on the published version.', HINT = 'Publish it with workorder.publish().';
  END IF;
  IF EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = guard.relation AND t.tgname = '~workorder_guard') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('table %s is guarded already', guard.relation),
      DETAIL = 'A table has one flow.', HINT = 'Call workorder.unguard() first.';
  END IF;

  -- No two of the engine's columns can be one, nor can one be the key.
  SELECT string_agg(DISTINCT quote_ident(x.actual), ', ') INTO unmapped
  FROM (SELECT coalesce(guard.columns ->> e.name, e.name) AS actual, count(*) OVER (PARTITION BY coalesce(guard.columns ->> e.name, e.name)) AS n
        FROM workorder.engine_columns() e) x
  WHERE x.n > 1 OR x.actual IN (key.tenant_column, key.id_column);
  IF unmapped IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('column %s of %s cannot be the engine''s twice, or its key', unmapped, guard.relation),
      DETAIL = 'The engine needs a column of its own for each of its names.',
      HINT = 'Map another name with the argument columns.';
  END IF;

  -- The engine's columns, where they are not there yet.
  FOR c IN
    SELECT e.name, coalesce(guard.columns ->> e.name, e.name) AS actual, e.type, a.attnum, a.atthasdef, a.atttypid, a.atttypmod,
      a.attnotnull, a.attgenerated <> '' OR a.attidentity <> '' AS computed
    FROM workorder.engine_columns() e
    LEFT JOIN pg_attribute a ON a.attrelid = guard.relation AND NOT a.attisdropped
      AND a.attname = coalesce(guard.columns ->> e.name, e.name)
    ORDER BY e."position"
  LOOP
    IF c.atttypid IS NULL THEN
      EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', guard.relation, c.actual, c.type);
      EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', guard.relation, c.actual,
        CASE WHEN c.name IN ('action', 'note') THEN 'Order to workorder: write it to take an action; null at rest.'
        ELSE 'Kept by workorder.' END);
    ELSIF (c.atttypid <> c.type AND NOT (c.type = 'text'::regtype AND c.atttypid = 'varchar'::regtype AND c.atttypmod < 0))
      OR c.computed OR c.attnum < 0 OR (c.attnotnull AND c.name IN ('history', 'votes', 'acted_by', 'creator_id', 'action', 'note', 'last_action', 'last_note', 'digest')) THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400',
        MESSAGE = format('column "%s" of %s cannot be the engine''s "%s"', c.actual, guard.relation, c.name),
        DETAIL = format('The engine keeps a %s there, null in between.', c.type),
        HINT = 'Map another name with the argument columns.';
    ELSIF NOT guard.columns ? c.name THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400',
        MESSAGE = format('column "%s" of table %s exists already', c.actual, guard.relation),
        DETAIL = 'The engine would take it over.',
        HINT = format('If that is meant, say so: columns => ''{"%s": "%s"}''; otherwise map another name.', c.name, c.actual);
    ELSIF c.atthasdef THEN
      -- What a new row has there is the engine's to say.
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', guard.relation, c.actual);
    END IF;
  END LOOP;

  SELECT string_agg(format('%s at %s: %s', d.code, d.path, d.message), E'\n') INTO defects
  FROM workorder.check_flow(f.definition, guard.relation) d WHERE d.blocks;
  IF defects IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('flow "%s" does not fit table %s', guard.flow, guard.relation),
      DETAIL = defects, HINT = 'Add the columns, or publish a version of the flow without them.';
  END IF;

  -- Rows that are there already begin their history here.
  state_column := coalesce(guard.columns ->> 'state', 'state');
  leaves := ARRAY(SELECT s.path FROM workorder.flow_states(f.definition) s WHERE s.kind IN ('atomic', 'final'));
  EXECUTE format('SELECT EXISTS (SELECT FROM %s)', guard.relation) INTO has_rows;
  IF has_rows THEN
    EXECUTE format($q$
      SELECT string_agg(DISTINCT coalesce(%1$I::text, 'null'), ', ')
      FROM (SELECT DISTINCT %1$I FROM %2$s) t
      WHERE NOT EXISTS (
        SELECT FROM workorder.flow_states($2) s
        WHERE s.path = coalesce($1 ->> %1$I::text, CASE WHEN %1$I = ANY ($3) THEN %1$I END, $1 ->> '*')
          AND s.kind IN ('atomic', 'final'))$q$,
      state_column, guard.relation) INTO unmapped USING coalesce(guard.states, '{}'), f.definition, leaves;
    IF unmapped IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('table %s has rows without a place in flow "%s"', guard.relation, guard.flow),
        DETAIL = format('These values of "%s" lead to no leaf of the flow: %s.', state_column, unmapped),
        HINT = 'Say where they belong: states => ''{"value": "leaf", "*": "leaf for the rest"}''.';
    END IF;
    -- A value that is a leaf already stays.  Rows that were guarded before keep
    -- their revision, to go on in their journal.
    EXECUTE format($q$
      UPDATE %1$s SET %2$I = $1,
        %3$I = coalesce($2 ->> %3$I::text, CASE WHEN %3$I = ANY ($3) THEN %3$I END, $2 ->> '*'),
        %4$I = coalesce(%4$I, 0),
        %5$I = coalesce(%5$I, now()), %6$I = coalesce(%6$I, now()), %7$I = coalesce(%7$I, now()),
        %8$I = NULL, %9$I = NULL$q$,
      guard.relation, coalesce(guard.columns ->> 'flow_id', 'flow_id'), state_column,
      coalesce(guard.columns ->> 'revision', 'revision'), coalesce(guard.columns ->> 'created_at', 'created_at'),
      coalesce(guard.columns ->> 'entered_at', 'entered_at'), coalesce(guard.columns ->> 'updated_at', 'updated_at'),
      coalesce(guard.columns ->> 'action', 'action'), coalesce(guard.columns ->> 'note', 'note'))
      USING f.id, coalesce(guard.states, '{}'), leaves;
  END IF;

  INSERT INTO workorder.guarded AS x (relation, flow, columns)
  VALUES (guard.relation, guard.flow, guard.columns)
  ON CONFLICT (relation) DO UPDATE SET flow = excluded.flow, columns = excluded.columns, active = true;

  PERFORM workorder.restore_guard(guard.relation);
  IF has_rows THEN
    PERFORM workorder.retime(guard.relation);
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.guard(regclass, text, jsonb, jsonb) IS
'Gives a table a flow: adds the engine''s columns (columns maps names: {"state": "status"}; a column taken over loses its default), triggers, policies and row-level security. Rows that exist get a leaf by states ({"value of the state column": "leaf", "*": "default"}; a value that is a leaf stays) and revision 0 if they have none, or the call is refused. Partitions that are attached later need their own TRUNCATE trigger. Needs to own the table. Raises WO400 for a table that cannot be guarded or that the flow does not fit, WO404 for a flow that is not published, WO409 if it is guarded already.';

CREATE FUNCTION workorder.unguard(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part record;
  policy name;
BEGIN
  IF unguard.relation IS NULL
    OR NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = unguard.relation AND t.tgname = '~workorder_guard') THEN
    PERFORM workorder.refuse_unguarded(unguard.relation);
  END IF;
  PERFORM workorder.count_rows(unguard.relation, false);
  PERFORM workorder.publish_events(unguard.relation, false);
  UPDATE workorder.guarded g SET active = false WHERE g.relation = unguard.relation;
  EXECUTE format('DROP TRIGGER "~workorder_guard" ON %s', unguard.relation);
  DELETE FROM workorder.timer t USING workorder.guarded g WHERE g.relation = unguard.relation AND t.guarded_id = g.id;
  DELETE FROM workorder.task t USING workorder.guarded g WHERE g.relation = unguard.relation AND t.guarded_id = g.id;
  EXECUTE format('DROP TRIGGER IF EXISTS _workorder_record ON %s', unguard.relation);
  EXECUTE format('DROP TRIGGER IF EXISTS "~workorder_flush" ON %s', unguard.relation);
  FOR part IN
    SELECT unguard.relation AS relation
    UNION SELECT t.relid FROM pg_partition_tree(unguard.relation) t
  LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS "~workorder_truncate" ON %s', part.relation);
  END LOOP;
  FOR policy IN
    SELECT p.polname FROM pg_policy p WHERE p.polrelid = unguard.relation AND starts_with(p.polname, 'workorder_')
  LOOP
    EXECUTE format('DROP POLICY %I ON %s', policy, unguard.relation);
  END LOOP;
  -- Policies of the user's own stay in force.
  IF NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = unguard.relation) THEN
    EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', unguard.relation);
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.unguard(regclass) IS
'Takes the flow from a table: triggers, policies and row-level security go, columns, rows and journal stay, timers and tasks go. Needs to own the table. Raises WO404 if it is not guarded.';

CREATE FUNCTION workorder.forget(guarded_id int) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kept text;
BEGIN
  IF NOT EXISTS (SELECT FROM workorder.guarded g WHERE g.id = forget.guarded_id) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('guarded table %s does not exist', coalesce(forget.guarded_id::text, 'null')),
      DETAIL = 'Tables with a flow are numbered in workorder.guarded.', HINT = 'Give the number that verify() named.';
  END IF;
  IF EXISTS (SELECT FROM workorder.guarded g JOIN pg_class c ON c.oid = g.relation WHERE g.id = forget.guarded_id) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('table number %s was not dropped', forget.guarded_id),
      DETAIL = 'What the engine keeps of a table is forgotten when the table is gone.', HINT = 'Call workorder.unguard() to take its flow away.';
  END IF;
  -- A table may be dropped with some of these.
  FOREACH kept IN ARRAY ARRAY['timer', 'task', 'participant', 'state_count', 'state_count_change'] LOOP
    CONTINUE WHEN to_regclass('workorder.' || kept) IS NULL;
    EXECUTE format('DELETE FROM workorder.%I t WHERE t.guarded_id = $1', kept) USING forget.guarded_id;
  END LOOP;
  DELETE FROM workorder.guarded g WHERE g.id = forget.guarded_id;
END
$$;
COMMENT ON FUNCTION workorder.forget(int) IS
'Removes what the engine keeps of a guarded table that was dropped (DROP TABLE calls it by an event trigger): timers, tasks, totals and its row of workorder.guarded, whose number is never given again. Its journal, replies and files stay. Needs to own the engine''s tables. Raises WO404 for an unknown number, WO409 for a table that is there.';
