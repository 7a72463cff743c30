-- What an application's role gets.

CREATE FUNCTION workorder.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  f text;
  insertable text;
  updatable text;
BEGIN
  IF grant_access.role IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'grant_access() needs a role',
      DETAIL = 'It must not be null.', HINT = 'Give the name of a database role.';
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA workorder TO %s', grant_access.role);
  FOREACH f IN ARRAY ARRAY[
    'tenant_id()', 'actor_id()', 'has_role(text)', 'clock()', 'next_number(text)', 'sign_in(bigint, text, text)',
    'act(regclass, bigint, text, text, jsonb, int)', 'can(regclass, bigint, text, text, jsonb)',
    'explain(regclass, bigint, text, text, jsonb)', 'actions(regclass, bigint)',
    'visible(regclass, bigint)', 'as_of(regclass, bigint, timestamptz)',
    'flow_states(jsonb)', 'flow_actions(jsonb)']
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION workorder.%s TO %s', f, grant_access.role);
  END LOOP;
  EXECUTE format('GRANT SELECT ON workorder.history, workorder.flow_state, workorder.flow_action, workorder.dictionary, workorder.membership TO %s', grant_access.role);
  EXECUTE format('GRANT SELECT (tenant_id, id, login, name, active) ON workorder.actor TO %s', grant_access.role);

  FOR g IN
    SELECT x.relation, x.columns, r.relnamespace::regnamespace AS schema
    FROM workorder.guarded x JOIN pg_class r ON r.oid = x.relation
    JOIN pg_trigger t ON t.tgrelid = x.relation AND t.tgname = '~workorder_guard'
  LOOP
    SELECT string_agg(quote_ident(a.attname), ', ') FILTER (WHERE e.name IS NULL OR e.name = 'note'),
      string_agg(quote_ident(a.attname), ', ') FILTER (WHERE e.name IN ('action', 'note')
        OR (e.name IS NULL AND NOT a.attnum = ANY (i.indkey)))
    INTO insertable, updatable
    FROM pg_attribute a
    JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
    LEFT JOIN workorder.engine_columns() e ON coalesce(g.columns ->> e.name, e.name) = a.attname
    WHERE a.attrelid = g.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', g.schema, grant_access.role);
    EXECUTE format('GRANT SELECT, DELETE, INSERT (%s), UPDATE (%s) ON %s TO %s',
      insertable, updatable, g.relation, grant_access.role);
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION workorder.grant_access(regrole) FROM PUBLIC;
COMMENT ON FUNCTION workorder.grant_access(regrole) IS
'Gives a role what an application needs: on every guarded table SELECT and DELETE (under the policies and the flow), INSERT of business columns, UPDATE of action, note and business columns; EXECUTE on the functions that ask and act; SELECT on the people, roles and dictionaries of its tenant. Call it again after guarding another table. Needs to own the tables.';
