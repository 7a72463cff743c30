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

CREATE FUNCTION workorder.ticket_key(relation regclass, OUT tenant_column text, OUT id_column text, OUT key_columns text[], OUT own text, OUT tenant text) RETURNS record
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_ticket_key';
COMMENT ON FUNCTION workorder.ticket_key(regclass) IS
'By what the rows of a guarded table are known: the column of the tenant (null: all are tenant 1''s), that of the ticket''s number, the columns of its key where that is not the number; as SQL, whether a row is of the caller''s tenant, and, of a row called t, the number of its tenant. Raises WO404 for a table that is not guarded.';

CREATE FUNCTION workorder.tenant_columns(relation regclass) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}')
  FROM pg_attribute a
  WHERE a.attrelid = tenant_columns.relation AND a.attnum > 0 AND NOT a.attisdropped
    AND ((a.attname = 'tenant_id' AND EXISTS (
        SELECT FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n)
        WHERE i.indrelid = a.attrelid AND i.indisprimary AND k.n <= i.indnkeyatts AND k.attnum = a.attnum))
      OR EXISTS (
        SELECT FROM pg_attrdef d JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
        WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND p.refclassid = 'pg_proc'::regclass AND p.refobjid = 'workorder.tenant_id()'::regprocedure)
      OR EXISTS (
        SELECT FROM pg_constraint f
        WHERE f.conrelid = a.attrelid AND f.contype = 'f' AND f.conkey = ARRAY[a.attnum] AND f.confrelid = to_regclass('workorder.tenant')))
$$;
COMMENT ON FUNCTION workorder.tenant_columns(regclass) IS
'The columns of a table that hold the tenant for certain: tenant_id in the primary key, whatever its default takes from workorder.tenant_id(), whatever refers to workorder.tenant.';

CREATE FUNCTION workorder.choose_key(relation regclass, columns jsonb, tenant text, OUT tenant_column text, OUT id_column text, OUT key_columns text[]) RETURNS record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  names text[];
  types oid[];
  computed text;
  certain text[];
  c record;
BEGIN
  SELECT array_agg(a.attname::text ORDER BY k.n), array_agg(a.atttypid ORDER BY k.n), min(a.attname::text) FILTER (WHERE a.attgenerated <> '')
  INTO names, types, computed
  FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n), pg_attribute a
  WHERE i.indrelid = choose_key.relation AND i.indisprimary AND k.n <= i.indnkeyatts
    AND a.attrelid = i.indrelid AND a.attnum = k.attnum;
  IF names IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('table %s has no primary key', choose_key.relation),
      DETAIL = 'A ticket is known by the primary key of its row.', HINT = format('ALTER TABLE %s ADD PRIMARY KEY (...), of whatever type.', choose_key.relation);
  ELSIF computed IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('column "%s" of %s cannot be in a ticket''s key', computed, choose_key.relation),
      DETAIL = 'It is generated from others, which may change; a ticket''s key never does.', HINT = 'Make another column the primary key.';
  END IF;

  tenant_column := nullif(choose_key.tenant, '');
  IF choose_key.tenant IS NULL THEN
    certain := workorder.tenant_columns(choose_key.relation);
    IF cardinality(certain) > 1 THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('table %s has several columns that may be its tenant', choose_key.relation),
        DETAIL = format('They are %s, and a ticket belongs to one tenant.', array_to_string(certain, ', ')), HINT = format('Say which: tenant => %L.', certain[1]);
    ELSIF certain = '{}' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = choose_key.relation AND a.attname = 'tenant_id' AND NOT a.attisdropped) THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('column "tenant_id" of %s may be its tenant, or not', choose_key.relation),
        DETAIL = 'It is not in the primary key, its default is not workorder.tenant_id(), and it does not refer to workorder.tenant.',
        HINT = 'Say tenant => ''tenant_id'' if people see the rows of their own tenant only, or tenant => '''' if the whole table is tenant 1''s.';
    END IF;
    tenant_column := certain[1];
  END IF;
  IF tenant_column IS NOT NULL THEN
    SELECT a.atttypid, a.attnotnull, a.attgenerated <> '' OR a.attidentity <> '' AS computed INTO c
    FROM pg_attribute a WHERE a.attrelid = choose_key.relation AND a.attname = tenant_column AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND OR c.computed OR c.atttypid NOT IN ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype, 'uuid'::regtype, 'text'::regtype, 'varchar'::regtype) THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('column "%s" of %s cannot be its tenant', left(tenant_column, 63), choose_key.relation),
        DETAIL = 'A tenant is a number (smallint, integer, bigint), or the key of a row of workorder.tenant (uuid, text, varchar), and is not generated.',
        HINT = 'Name another column with the argument tenant, or none by ''''.';
    ELSIF NOT c.attnotnull THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('column "%s" of %s may be null', tenant_column, choose_key.relation),
        DETAIL = 'A ticket without a tenant would be nobody''s.', HINT = format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL.', choose_key.relation, tenant_column);
    END IF;
  END IF;

  SELECT array_agg(k.name ORDER BY k.n), min(k.name) FILTER (WHERE k.type IN ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype))
  INTO key_columns, id_column
  FROM unnest(names, types) WITH ORDINALITY k (name, type, n) WHERE k.name IS DISTINCT FROM tenant_column;
  IF key_columns IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('the primary key of %s is nothing but its tenant', choose_key.relation),
      DETAIL = 'A tenant would have one ticket at most.', HINT = 'Name another tenant, or none: tenant => ''''.';
  ELSIF cardinality(key_columns) = 1 AND id_column IS NOT NULL THEN
    key_columns := NULL;
  ELSE
    id_column := coalesce(choose_key.columns ->> 'ticket_no', 'ticket_no');
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.choose_key(regclass, jsonb, text) IS
'By what the rows of a table that is to be guarded will be known, see ticket_key(). Part of guard(): raises WO400 where it is not certain, or cannot be.';

CREATE FUNCTION workorder.add_number(relation regclass, tenant_column text, id_column text, taken_over boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  c record;
  parted CONSTANT boolean := (SELECT r.relkind = 'p' FROM pg_class r WHERE r.oid = add_number.relation);
  sequence text;
BEGIN
  IF add_number.id_column IS NULL OR add_number.id_column = add_number.tenant_column OR NOT EXISTS (
    SELECT FROM pg_class r WHERE r.oid = add_number.relation AND r.relkind IN ('r', 'p') AND r.relpersistence = 'p' AND r.oid >= 16384
      AND (r.relkind = 'p' OR NOT EXISTS (SELECT FROM pg_inherits i WHERE r.oid IN (i.inhparent, i.inhrelid)))) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('the rows of %s cannot be numbered', add_number.relation),
      DETAIL = 'Rows of a table that can be guarded are numbered in a column of its own.', HINT = 'Call workorder.guard().';
  END IF;
  SELECT a.attnum, a.atttypid, a.attnotnull, a.attidentity, a.atthasdef, a.attgenerated INTO c FROM pg_attribute a
  WHERE a.attrelid = add_number.relation AND a.attname = add_number.id_column AND NOT a.attisdropped;
  IF NOT FOUND AND parted THEN
    -- Before 17 partitioned tables have no identity columns.
    SELECT format('%I.%I', n.nspname, format('%s_%s_seq', left(r.relname, 29), left(add_number.id_column, 29))) INTO sequence
    FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace WHERE r.oid = add_number.relation;
    EXECUTE format('CREATE SEQUENCE %s', sequence);
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I bigint NOT NULL DEFAULT nextval(%L::regclass)', add_number.relation, add_number.id_column, sequence);
    EXECUTE format('ALTER SEQUENCE %s OWNED BY %s.%I', sequence, add_number.relation, add_number.id_column);
  ELSIF NOT FOUND THEN
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I bigint NOT NULL GENERATED ALWAYS AS IDENTITY', add_number.relation, add_number.id_column);
  ELSIF c.atttypid <> 'bigint'::regtype OR NOT c.attnotnull OR c.attnum < 0 OR c.attgenerated <> '' OR (c.attidentity = '' AND NOT c.atthasdef) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400',
      MESSAGE = format('column "%s" of %s cannot be the number of its tickets', add_number.id_column, add_number.relation),
      DETAIL = 'That is a bigint, never null, which comes by itself: an identity column, or one whose default draws from a sequence.',
      HINT = 'Map another name with the argument columns: {"ticket_no": "..."}.';
  ELSIF NOT add_number.taken_over THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('table %s has a column "%s" already', add_number.relation, add_number.id_column),
      DETAIL = 'The engine would take it over, to number the tickets.',
      HINT = format('If that is meant, say so: columns => ''{"ticket_no": "%s"}''; otherwise map another name.', add_number.id_column);
  END IF;
  IF c.attnum IS NULL THEN
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', add_number.relation, add_number.id_column, 'Kept by workorder: the number of the ticket.');
  END IF;
  -- A unique index of a partitioned table would need the columns that it is divided by.
  IF NOT EXISTS (
    SELECT FROM pg_index i WHERE i.indrelid = add_number.relation AND i.indisvalid AND (i.indisunique OR parted) AND i.indpred IS NULL AND i.indexprs IS NULL
      AND ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.n <= i.indnkeyatts ORDER BY k.n) = array_remove(ARRAY[add_number.tenant_column, add_number.id_column], NULL)) THEN
    EXECUTE format(CASE WHEN parted THEN 'CREATE INDEX ON %s (%s)' ELSE 'ALTER TABLE %s ADD UNIQUE (%s)' END,
      add_number.relation, concat_ws(', ', quote_ident(add_number.tenant_column), quote_ident(add_number.id_column)));
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.add_number(regclass, text, text, boolean) IS
'Gives a table a column that numbers its rows, and its index, or takes over one that is there if that is meant. Part of guard(): raises WO400 if that cannot be.';

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
  own := key.own;
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

CREATE FUNCTION workorder.trigger_arguments(relation regclass) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- As src/row/binding.c reads them; the columns of a key of the table's own are one JSON array.
  RETURN (
    SELECT concat_ws(', ', quote_literal(g.id), quote_literal(g.flow), quote_literal(g.columns), quote_literal(coalesce(g.tenant_column, '')),
      quote_literal(g.id_column), quote_literal(g.key_columns))
    FROM workorder.guarded g WHERE g.relation = trigger_arguments.relation);
END
$$;
COMMENT ON FUNCTION workorder.trigger_arguments(regclass) IS
'What the row triggers of a guarded table are told, as workorder.guarded says: its number, its flow, its engine columns, its tenant, the number of its tickets, their key.';

CREATE FUNCTION workorder.make_record_trigger(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  args text;
BEGIN
  SELECT * INTO g FROM workorder.guarded x WHERE x.relation = make_record_trigger.relation;
  IF NOT FOUND THEN
    PERFORM workorder.refuse_unguarded(make_record_trigger.relation);
  END IF;
  -- Arguments more tell the trigger to count, and to publish events.
  args := workorder.trigger_arguments(g.relation)
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
  IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = g.relation AND t.tgname = '~workorder_guard') THEN
    EXECUTE format('CREATE TRIGGER "~workorder_guard" BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION workorder.guard_row(%s)',
      g.relation, workorder.trigger_arguments(g.relation));
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

CREATE FUNCTION workorder.add_tenant(key text, name text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  number bigint := (SELECT t.id FROM workorder.tenant t WHERE t.key = add_tenant.key);
BEGIN
  IF add_tenant.key IS NULL OR add_tenant.key = '' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'a tenant needs a key',
      DETAIL = 'It is what the application calls it, as text.', HINT = 'For example workorder.add_tenant(''acme'').';
  END IF;
  IF number IS NULL THEN
    LOCK TABLE workorder.tenant IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO workorder.tenant (id, key, name)
    SELECT coalesce(max(t.id), 0) + 1, add_tenant.key, coalesce(add_tenant.name, add_tenant.key) FROM workorder.tenant t
    ON CONFLICT (key) DO NOTHING;
    SELECT t.id INTO STRICT number FROM workorder.tenant t WHERE t.key = add_tenant.key;
  END IF;
  RETURN number;
END
$$;
COMMENT ON FUNCTION workorder.add_tenant(text, text) IS
'The number of the tenant with this key (what tables that are guarded with a tenant of type uuid or text hold), which is made if there is none. Needs INSERT on workorder.tenant. Raises WO400 without a key.';

CREATE FUNCTION workorder.check_tenants(relation regclass, tenant_column text, new_tenants boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  unknown text[];
BEGIN
  -- A number needs no row of its own as long as nobody is enrolled there.
  IF NOT EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = check_tenants.relation AND a.attname = check_tenants.tenant_column
      AND a.atttypid IN ('uuid'::regtype, 'text'::regtype, 'varchar'::regtype)) THEN
    RETURN;
  END IF;
  EXECUTE format('SELECT array_agg(k.key ORDER BY k.key) FROM (SELECT DISTINCT r.%1$I::text AS key FROM %2$s r) k WHERE NOT EXISTS (SELECT FROM workorder.tenant t WHERE t.key = k.key)',
    check_tenants.tenant_column, check_tenants.relation) INTO unknown;
  IF unknown IS NULL THEN
    RETURN;
  END IF;
  IF check_tenants.new_tenants IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('table %s has rows of tenants that are not known', check_tenants.relation),
      DETAIL = left(format('No row of workorder.tenant has these keys: %s', array_to_string(unknown, ', ')), 200) || '.',
      HINT = 'Add them with workorder.add_tenant(), or have them made: new_tenants => true.';
  END IF;
  PERFORM workorder.add_tenant(u) FROM unnest(unknown) u;
END
$$;
COMMENT ON FUNCTION workorder.check_tenants(regclass, text, boolean) IS
'Part of guard(): makes the tenants whose keys are in a column, if that is allowed, or raises WO400 if there are any that are not known.';

CREATE FUNCTION workorder.replayed(relation regclass, tenant_id bigint, id bigint) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_replayed';
COMMENT ON FUNCTION workorder.replayed(regclass, bigint, bigint) IS
'A ticket of any tenant as its journal tells it, see as_of(); null if the journal tells that it is gone, or nothing. Part of rebuild(). Needs to own the table: raises 42501 otherwise.';

CREATE FUNCTION workorder.rebuild(relation regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  key record;
  kept text;
  told text;
  written text;
  n bigint;
BEGIN
  SELECT * INTO g FROM workorder.guarded x WHERE x.relation = rebuild.relation AND x.active;
  IF NOT FOUND THEN
    PERFORM workorder.refuse_unguarded(rebuild.relation);
  END IF;
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', rebuild.relation);
  key := workorder.ticket_key(rebuild.relation);
  SELECT string_agg(format('t.%I', c.name), ', '), string_agg(format('(r.told).%I', c.name), ', '), string_agg(format('%1$I = (r.told).%1$I', c.name), ', ')
  INTO kept, told, written
  FROM (SELECT coalesce(g.columns ->> e.name, e.name) AS name FROM workorder.engine_columns() e WHERE e.name NOT IN ('action', 'note') ORDER BY e."position") c;
  -- What the journal tells has been judged, and is told.
  EXECUTE format('ALTER TABLE %s DISABLE TRIGGER "~workorder_guard", DISABLE TRIGGER _workorder_record', rebuild.relation);
  EXECUTE format($q$
    UPDATE %1$s t SET %2$s
    FROM (SELECT t.ctid AS place, t.tableoid AS part, p AS told
      FROM %1$s t, LATERAL (SELECT workorder.replayed($1, %3$s, t.%4$I) AS entries) x, LATERAL jsonb_populate_record(NULL::%1$s, x.entries) p
      WHERE x.entries IS NOT NULL) r
    WHERE t.ctid = r.place AND t.tableoid = r.part AND (%5$s) IS DISTINCT FROM (%6$s)$q$,
    rebuild.relation, written, key.tenant, key.id_column, kept, told) USING rebuild.relation;
  GET DIAGNOSTICS n = ROW_COUNT;
  EXECUTE format('ALTER TABLE %s ENABLE TRIGGER "~workorder_guard", ENABLE TRIGGER _workorder_record', rebuild.relation);
  IF n > 0 THEN
    PERFORM workorder.retime(rebuild.relation);
    PERFORM workorder.refresh_tasks(rebuild.relation);
    IF g.counted THEN
      PERFORM workorder.count_rows(rebuild.relation);
    END IF;
  END IF;
  RETURN n;
END
$$;
COMMENT ON FUNCTION workorder.rebuild(regclass) IS
'Makes the engine''s columns of a guarded table anew from the journal (state, revision, creator and the rest; not the columns of the table''s own), with timers, tasks and totals, and returns how many rows were others. Rows that the journal does not tell of stay as they are. guard() does it for a table that had a flow before. Needs to own the table. Raises WO404 for a table without a flow.';

CREATE FUNCTION workorder.guard(relation regclass, flow text, columns jsonb DEFAULT '{}', states jsonb DEFAULT NULL,
  tenant text DEFAULT NULL, new_tenants boolean DEFAULT false) RETURNS void
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
  known record;
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
  -- A table that had a flow before has columns of ours, and a journal to go on with.
  SELECT x.id, x.columns, x.tenant_column, x.id_column, x.key_columns INTO known FROM workorder.guarded x WHERE x.relation = guard.relation AND NOT x.active;
  IF known.id IS NOT NULL AND guard.columns = '{}' THEN
    guard.columns := known.columns;
  END IF;
  IF known.id IS NOT NULL AND guard.tenant IS NULL THEN
    guard.tenant := coalesce(known.tenant_column, '');
  END IF;
  IF jsonb_typeof(guard.columns) <> 'object' OR jsonb_typeof(coalesce(guard.states, '{}')) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'columns and states are JSON objects',
      DETAIL = 'columns maps engine columns to yours, states maps values you have to leaves of the flow.',
      HINT = 'For example columns => ''{"state": "status"}'', states => ''{"new": "open.draft"}''.';
  END IF;
  SELECT left(string_agg(k, ', '), 200) INTO unmapped
  FROM jsonb_object_keys(guard.columns) k
  WHERE (k <> 'ticket_no' AND k NOT IN (SELECT e.name FROM workorder.engine_columns() e))
    OR jsonb_typeof(guard.columns -> k) <> 'string' OR length(guard.columns ->> k) NOT BETWEEN 1 AND 63;
  IF unmapped IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('columns maps what it cannot map: %s', unmapped),
      DETAIL = 'Its keys are engine columns, its values names of columns.',
      HINT = 'The function workorder.engine_columns() lists them; ticket_no numbers tickets whose key is no number.';
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
  IF guard.relation::oid < 16384 OR EXISTS (
    SELECT FROM pg_class r, workorder.parts(workorder.engine_parts()) p
    WHERE r.oid = guard.relation AND r.relnamespace = 'workorder'::regnamespace AND p.kind = 'table' AND p.relation = format('workorder.%I', r.relname)) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('%s cannot be guarded', guard.relation),
      DETAIL = 'It is PostgreSQL''s, or the engine''s.', HINT = 'Guard a table of yours.';
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
  key := workorder.choose_key(guard.relation, guard.columns, guard.tenant);

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
  WHERE x.n > 1 OR x.actual = key.tenant_column OR x.actual = key.id_column OR x.actual = ANY (key.key_columns);
  IF unmapped IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('column %s of %s cannot be the engine''s twice, or its key', unmapped, guard.relation),
      DETAIL = 'The engine needs a column of its own for each of its names.',
      HINT = 'Map another name with the argument columns.';
  END IF;

  PERFORM workorder.check_tenants(guard.relation, key.tenant_column, guard.new_tenants);
  IF key.key_columns IS NOT NULL THEN
    PERFORM workorder.add_number(guard.relation, key.tenant_column, key.id_column, guard.columns ? 'ticket_no' OR (known.id IS NOT NULL AND known.id_column = key.id_column));
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
    ELSIF NOT guard.columns ? c.name AND (known.id IS NULL OR coalesce(known.columns ->> c.name, c.name) <> c.actual) THEN
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
      FROM (SELECT DISTINCT t.%1$I FROM %2$s t
        WHERE $4 IS NULL OR NOT EXISTS (SELECT FROM workorder.journal j WHERE j.guarded_id = $4 AND j.ticket_id = t.%3$I)) t
      WHERE NOT EXISTS (
        SELECT FROM workorder.flow_states($2) s
        WHERE s.path = coalesce($1 ->> %1$I::text, CASE WHEN %1$I = ANY ($3) THEN %1$I END, $1 ->> '*')
          AND s.kind IN ('atomic', 'final'))$q$,
      state_column, guard.relation, key.id_column) INTO unmapped USING coalesce(guard.states, '{}'), f.definition, leaves, known.id;
    IF unmapped IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('table %s has rows without a place in flow "%s"', guard.relation, guard.flow),
        DETAIL = format('These values of "%s" lead to no leaf of the flow: %s.', state_column, unmapped),
        HINT = 'Say where they belong: states => ''{"value": "leaf", "*": "leaf for the rest"}''.';
    END IF;
    -- A value that is a leaf already stays.  Rows that were guarded before keep
    -- their revision, to go on in their journal.
    EXECUTE format($q$
      UPDATE %1$s SET %2$I = $1,
        %3$I = coalesce($2 ->> %3$I::text, CASE WHEN %3$I = ANY ($3) THEN %3$I END, $2 ->> '*', %3$I),
        %4$I = coalesce(%4$I, 0),
        %5$I = coalesce(%5$I, now()), %6$I = coalesce(%6$I, now()), %7$I = coalesce(%7$I, now()),
        %8$I = NULL, %9$I = NULL$q$,
      guard.relation, coalesce(guard.columns ->> 'flow_id', 'flow_id'), state_column,
      coalesce(guard.columns ->> 'revision', 'revision'), coalesce(guard.columns ->> 'created_at', 'created_at'),
      coalesce(guard.columns ->> 'entered_at', 'entered_at'), coalesce(guard.columns ->> 'updated_at', 'updated_at'),
      coalesce(guard.columns ->> 'action', 'action'), coalesce(guard.columns ->> 'note', 'note'))
      USING f.id, coalesce(guard.states, '{}'), leaves;
  END IF;

  INSERT INTO workorder.guarded AS x (relation, flow, columns, tenant_column, id_column, key_columns)
  VALUES (guard.relation, guard.flow, guard.columns, key.tenant_column, key.id_column, to_jsonb(key.key_columns))
  ON CONFLICT (relation) DO UPDATE SET flow = excluded.flow, columns = excluded.columns, active = true,
    tenant_column = excluded.tenant_column, id_column = excluded.id_column, key_columns = excluded.key_columns;

  PERFORM workorder.restore_guard(guard.relation);
  IF has_rows AND known.id IS NOT NULL THEN
    PERFORM workorder.rebuild(guard.relation);
  END IF;
  IF has_rows THEN
    PERFORM workorder.retime(guard.relation);
  END IF;
  RAISE NOTICE USING MESSAGE = format('a ticket of %s is known by %s', guard.relation,
      CASE WHEN key.key_columns IS NULL THEN format('"%s"', key.id_column)
        ELSE format('"%s", and numbered by "%s"', array_to_string(key.key_columns, '", "'), key.id_column) END),
    DETAIL = CASE WHEN key.tenant_column IS NULL THEN 'All of them are tenant 1''s.' ELSE format('Its tenant is in "%s".', key.tenant_column) END;
END
$$;
COMMENT ON FUNCTION workorder.guard(regclass, text, jsonb, jsonb, text, boolean) IS
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
