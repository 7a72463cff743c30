-- What an application's role gets, and the role that looks after the database.

CREATE FUNCTION workorder.check_grant(schema name, role regrole) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  n bigint;
  first text;
BEGIN
  IF check_grant.role IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'rights are given to a role',
      DETAIL = 'It must not be null.', HINT = 'Give the name of a database role.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = check_grant.role) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('role with OID %s does not exist', check_grant.role::oid),
      DETAIL = 'It may have been dropped.', HINT = 'Give the name of a database role.';
  END IF;
  -- What cannot be granted GRANT passes over with a warning for each.
  SELECT count(*), min(x.what) INTO n, first
  FROM (
    SELECT format('schema %I', check_grant.schema) AS what WHERE NOT has_schema_privilege(check_grant.schema, 'USAGE WITH GRANT OPTION')
    UNION ALL
    SELECT format('function %s', d.objid::regprocedure)
    FROM pg_extension e
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    WHERE e.extnamespace = to_regnamespace(quote_ident(check_grant.schema)) AND NOT has_function_privilege(d.objid, 'EXECUTE WITH GRANT OPTION')) x;
  IF n > 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('permission denied to grant access to schema "%s"', check_grant.schema),
      DETAIL = format('Role %I has no grant option for %s%s.', current_user, first, CASE WHEN n > 1 THEN ' and others' ELSE '' END),
      HINT = format('A superuser runs SELECT workorder.grant_admin(%L), once more after CREATE EXTENSION and ALTER EXTENSION ... UPDATE.', current_user);
  END IF;
  IF NOT pg_has_role(workorder.owner(), 'USAGE') THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'must be owner of the tables of workorder to grant access',
      DETAIL = format('They belong to role %I.', workorder.owner()), HINT = 'SET ROLE to that role first.';
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.check_grant(name, regrole) IS
'Part of grant_access() and the like: raises 42501 unless the caller may grant what the extension in a schema has, and owns the engine''s tables; WO400 if the role is null, WO404 if it does not exist.';

CREATE FUNCTION workorder.grant_admin(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  engine CONSTANT oid := (SELECT e.extowner FROM pg_extension e WHERE e.extname = 'workorder');
  part record;
BEGIN
  IF NOT pg_has_role(engine, 'USAGE') THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'must be owner of extension workorder to name its administrator',
      DETAIL = format('It belongs to role %I.', engine::regrole), HINT = 'A superuser does it.';
  END IF;
  IF grant_admin.role IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'grant_admin() needs a role',
      DETAIL = 'It must not be null.', HINT = 'Give the name of a database role.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = grant_admin.role) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('role with OID %s does not exist', grant_admin.role::oid),
      DETAIL = 'It may have been dropped.', HINT = 'Give the name of a database role.';
  END IF;
  -- For the schema that clients are shown, which install() makes.
  EXECUTE format('GRANT CREATE ON DATABASE %I TO %s', current_database(), grant_admin.role);
  FOR part IN
    SELECT e.oid, e.extnamespace::regnamespace AS schema
    FROM pg_extension e
    -- the engine, and add-ons as all_parts() knows them
    WHERE e.extname = 'workorder' OR EXISTS (
      SELECT FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
      WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND starts_with(e.extname, 'workorder_')
        AND p.pronamespace = e.extnamespace AND p.proname = 'parts' AND p.pronargs = 0 AND p.proowner = engine)
    ORDER BY e.extname
  LOOP
    EXECUTE format('GRANT CREATE ON SCHEMA %s TO %s', part.schema, grant_admin.role);
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s WITH GRANT OPTION', part.schema, grant_admin.role);
    EXECUTE (
      SELECT format('GRANT EXECUTE ON ROUTINE %s TO %s WITH GRANT OPTION', string_agg(d.objid::regprocedure::text, ', '), grant_admin.role)
      FROM pg_depend d
      WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = part.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e');
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.grant_admin(regrole) IS
'Lets a role without superuser do everything else: install(), publish(), guard(), grant_access(), upgrade(), verify(), restore a dump. Gives it CREATE on the database, CREATE and USAGE on the schemas of the engine and of every add-on that is installed, and EXECUTE on their functions, all but CREATE with grant option. The tables will be that role''s. Once more after CREATE EXTENSION of an add-on, and after ALTER EXTENSION ... UPDATE. Needs to own the extension. Raises 42501, WO400 without a role, WO404 for one that does not exist.';

CREATE FUNCTION workorder.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  f text;
BEGIN
  PERFORM workorder.check_grant('workorder', grant_access.role);
  EXECUTE format('GRANT USAGE ON SCHEMA workorder TO %s', grant_access.role);
  FOREACH f IN ARRAY ARRAY[
    'tenant_id()', 'tenant_key()', 'tenant_uuid()', 'actor_id()', 'has_role(text)', 'is_member(text)', 'clock()', 'next_number(text)', 'sign_in(bigint, text, text)',
    'act(regclass, bigint, text, text, jsonb, int)', 'can(regclass, bigint, text, text, jsonb)',
    'explain(regclass, bigint, text, text, jsonb)', 'actions(regclass, bigint)',
    'permitted(regclass, bigint[], text[], text[])', 'taken(regclass, text, text)',
    'attach(regclass, bigint, bytea, text, text, uuid)', 'image_type(bytea)', 'image_extension(text)',
    'decode_base64(text)', 'read_image(text)',
    'visible(regclass, bigint)', 'contains(text, text)', 'total(regclass, text[])', 'as_of(regclass, bigint, timestamptz)',
    'add_reply(regclass, bigint, text, jsonb)', 'replies(regclass, bigint[])', 'remove_reply(regclass, bigint, bigint)',
    'recall(text, text, jsonb)', 'remember(text, text, jsonb, jsonb)', 'flow_states(jsonb)', 'state_of_code(text, text)', 'code_of_state(text, text)', 'flow_actions(jsonb)', 'api_relation(text)',
    'engine_values(regclass, bigint)', 'eligible(regclass, bigint)', 'clocks(regclass, bigint)', 'why(regclass, bigint)', 'decides_for(regclass, bigint)', 'draw(jsonb, text, jsonb)', 'diagram(jsonb, text)', 'diagram(text, text)', 'diagram(regclass, bigint, text)',
    'newest_version(text)', 'flow_way(jsonb, text, text)', 'prove(jsonb, text, text)', 'prove(text, text, text)',
    'setting(text, text, text)', 'time_zone(text, text)', 'gateway_header(text)', 'http_origin()', 'sign_address(text, integer)', 'in_dictionary(text, text, text)',
    'approval_tasks(jsonb)', 'ticket_key(regclass)', 'ticket_number(regclass, text)', 'ticket_by_key(regclass, text)', 'key_of(regclass, bigint)', 'add_approver(regclass, bigint, text, text, text, int)', 'remove_approver(regclass, bigint, text, text)',
    'transfer_task(regclass, bigint, text, text, text)', 'delegate_task(regclass, bigint, text, text)', 'return_task(regclass, bigint, text)',
    'claim(regclass, bigint, text)', 'release(regclass, bigint, text)', 'claim_next(regclass)', 'send_back(regclass, bigint, text, text, text)',
    'withdraw(regclass, bigint, text)', 'take_back(regclass, bigint, text)', 'remind(regclass, bigint, text)',
    'copy_to(regclass, bigint, text[], text)', 'hand_over(text, text, text)', 'deputise(text, timestamptz, timestamptz)',
    'add_working_time(timestamptz, interval, text)', 'working_time_between(timestamptz, timestamptz, text)']
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION workorder.%s TO %s', f, grant_access.role);
    -- What takes a ticket takes its key, too.
    IF to_regprocedure(format('workorder.%s', replace(f, '(regclass, bigint', '(regclass, text'))) IS NOT NULL THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION workorder.%s TO %s', replace(f, '(regclass, bigint', '(regclass, text'), grant_access.role);
    END IF;
  END LOOP;
  PERFORM workorder.grant_anonymous(grant_access.role);
  IF workorder.api_schema() IS NOT NULL THEN
    EXECUTE format('GRANT EXECUTE ON FUNCTION %1$I.act(text, bigint, text, text, jsonb, int), %1$I.can(text, bigint, text, text, jsonb),
      %1$I.explain(text, bigint, text, text, jsonb), %1$I.actions(text, bigint),
      %1$I.act(json), %1$I.can(json), %1$I.explain(json), %1$I.actions(json) TO %2$s', workorder.api_schema(), grant_access.role);
  END IF;
  EXECUTE format('GRANT SELECT ON workorder.my_tasks, workorder.group_tasks, workorder.overdue_tasks, workorder.open_tasks, workorder.started_by_me, workorder.decided_by_me, workorder.copied_to_me, workorder.history, workorder.overdue, workorder.attachments, workorder.flow, workorder.flow_state, workorder.flow_action, workorder.dictionary, workorder.setting, workorder.membership TO %s', grant_access.role);
  EXECUTE format('GRANT SELECT (tenant_id, id, login, name, active) ON workorder.actor TO %s', grant_access.role);

  FOR g IN
    SELECT x.relation
    FROM workorder.guarded x JOIN pg_class r ON r.oid = x.relation
    JOIN pg_trigger t ON t.tgrelid = x.relation AND t.tgname = '~workorder_guard'
    -- What an add-on guards is the add-on's to grant.
    WHERE r.relnamespace = 'workorder'::regnamespace
      OR to_regprocedure(format('%s.grant_access(regrole)', r.relnamespace::regnamespace)) IS NULL
  LOOP
    PERFORM workorder.grant_table(g.relation, grant_access.role);
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.grant_access(regrole) IS
'Gives a role what an application needs: grant_table() on every guarded table but those in a schema that has a grant_access() of its own, which decides on them; EXECUTE on the functions that ask and act, and on those of schema api; SELECT on the people, roles and dictionaries of its tenant. Call it again after guarding another table. Needs to own the tables, and a grant option for the functions: see grant_admin(). Raises 42501 otherwise, WO400 without a role, WO404 for one that does not exist.';

CREATE FUNCTION workorder.grant_table(
  relation regclass, role regrole, insertable text[] DEFAULT NULL, deletable boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  schema text;
  owner oid;
  inserted text;
  updated text;
  sequence regclass;
BEGIN
  SELECT r.relnamespace::regnamespace, r.relowner, string_agg(quote_ident(a.attname), ', ') FILTER (WHERE
      CASE WHEN insertable IS NOT NULL THEN a.attname = ANY (insertable)
        WHEN e.name IS NOT NULL THEN e.name = 'note'
        -- A number or a tenant that comes by itself is nobody's to choose: who could, would learn which are
        -- taken, and could take those to come.
        -- (Of a uuid or a text one cannot.)
        WHEN a.attname = g.id_column AND g.key_columns IS NOT NULL THEN false
        ELSE a.attidentity = '' AND NOT (a.atthasdef AND ((a.attnum = ANY (i.indkey) AND a.atttypid IN ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype)) OR EXISTS (
          SELECT FROM pg_attrdef d
          JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
          LEFT JOIN pg_class s ON p.refclassid = 'pg_class'::regclass AND s.oid = p.refobjid
          WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND (s.relkind = 'S'
            OR p.refclassid = 'pg_proc'::regclass AND p.refobjid = 'workorder.tenant_id()'::regprocedure))))
      END),
    string_agg(quote_ident(a.attname), ', ') FILTER (WHERE e.name IN ('action', 'note')
      OR (e.name IS NULL AND NOT a.attnum = ANY (i.indkey) AND a.attname <> g.id_column AND a.attname IS DISTINCT FROM g.tenant_column))
  INTO schema, owner, inserted, updated
  FROM workorder.guarded g
  JOIN pg_class r ON r.oid = g.relation
  JOIN pg_attribute a ON a.attrelid = g.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
  LEFT JOIN workorder.engine_columns() e ON coalesce(g.columns ->> e.name, e.name) = a.attname
  WHERE g.relation = grant_table.relation
  GROUP BY r.relnamespace, r.relowner;
  IF NOT FOUND THEN
    PERFORM workorder.refuse('WO404', 'the table does not exist, or has no flow', 'Rights are given on guarded tables.', 'Run workorder.guard() first.');
  END IF;
  IF NOT pg_has_role(owner, 'USAGE') THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('must be owner of table %s to grant access', grant_table.relation),
      DETAIL = format('It belongs to role %I.', owner::regrole), HINT = 'SET ROLE to that role first.';
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', schema, grant_table.role);
  -- Of the columns that were insertable before, too.
  EXECUTE format('REVOKE INSERT ON %s FROM %s', grant_table.relation, grant_table.role);
  IF inserted IS NOT NULL THEN
    EXECUTE format('GRANT INSERT (%s) ON %s TO %s', inserted, grant_table.relation, grant_table.role);
  END IF;
  EXECUTE format(CASE WHEN deletable THEN 'GRANT DELETE ON %s TO %s' ELSE 'REVOKE DELETE ON %s FROM %s' END,
    grant_table.relation, grant_table.role);
  EXECUTE format('GRANT SELECT, UPDATE (%s) ON %s TO %s', updated, grant_table.relation, grant_table.role);
  -- Numbers come by themselves for whoever inserts (an identity column asks for no right).
  FOR sequence IN
    SELECT DISTINCT s.oid
    FROM pg_attrdef d
    JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
    JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
    WHERE d.adrelid = grant_table.relation
  LOOP
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %s', sequence, grant_table.role);
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.grant_table(regclass, regrole, text[], boolean) IS
'Gives a role a guarded table: SELECT and, unless it is not deletable, DELETE (under the policies and the flow), INSERT of the columns that are insertable (null: note and the business columns, but for those that come by themselves: identity, numbers of a sequence, the tenant, and a key that has a default) and of no others, UPDATE of action, note and business columns, USAGE of the sequences that its defaults draw from. Raises WO404 for a table without a flow, 42501 for one that is somebody else''s.';

CREATE FUNCTION workorder.grant_anonymous(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f text;
BEGIN
  PERFORM workorder.check_grant('workorder', grant_anonymous.role);
  EXECUTE format('GRANT USAGE ON SCHEMA workorder TO %s', grant_anonymous.role);
  EXECUTE format('GRANT SELECT (extension, api_schema) ON workorder.installation TO %s', grant_anonymous.role);
  IF workorder.api_schema() IS NOT NULL THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', workorder.api_schema(), grant_anonymous.role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %1$I.http_read(bytea), %1$I.http_write(bytea), %1$I.sign_in(text, text, bigint), %1$I.sign_in(json) TO %2$s',
      workorder.api_schema(), grant_anonymous.role);
  END IF;
  FOREACH f IN ARRAY ARRAY[
    'workorder.http_read(bytea)', 'workorder.http_write(bytea)', 'workorder.refuse_arguments()', 'workorder.sign_in(bigint, text, text)',
    'workorder.http_json(int, json, jsonb)', 'workorder.http_bytes(int, bytea, text, jsonb)',
    'workorder.http_empty(int, jsonb)', 'workorder.http_error(int, text, text, text)',
    'workorder.http_fields(workorder.http_request, text, boolean, boolean)', 'workorder.http_last(jsonb)', 'workorder.http_value(jsonb, text)', 'workorder.http_list(jsonb, text)',
    'workorder.read_input(jsonb, jsonb, jsonb)', 'workorder.check_input(jsonb, jsonb)',
    'workorder.judge_input(jsonb, jsonb)', 'workorder.input_value(jsonb, jsonb)',
    'workorder.input_time(text, boolean, boolean)', 'workorder.input_message(jsonb, text, text, text)',
    'workorder.is_blank(jsonb)', 'workorder.refuse(text, text, text, text)', 'workorder.refuse_input(jsonb, text, text, text, text)', 'workorder.path_id(text)',
    'workorder.time_of(text, text)', 'workorder.times_of(text, text)', 'workorder.time_text(timestamptz, text)', 'workorder.api_schema()']
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f, grant_anonymous.role);
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.grant_anonymous(regrole) IS
'Gives a role what a gateway needs before anybody has signed in: EXECUTE on http_read(), http_write(), sign_in() and the helpers of handlers, and nothing to read. Handlers that serve the public are granted by themselves. Needs what grant_access() needs.';
