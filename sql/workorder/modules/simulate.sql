-- A flow simulated: the real engine, and no row left of it.

CREATE FUNCTION workorder.simulate_begin(definition jsonb) RETURNS TABLE (name text, person boolean, dated boolean)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workorder_simulate_begin';
COMMENT ON FUNCTION workorder.simulate_begin(jsonb) IS
'Part of simulate(): makes a document the flow of the simulation until the subtransaction is rolled back, and lists the columns that it names, and which of them hold people, or a time that a timer follows. Grant it to nobody.';

CREATE FUNCTION workorder.simulate_as(actor bigint, at timestamptz) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workorder_simulate_as';
COMMENT ON FUNCTION workorder.simulate_as(bigint, timestamptz) IS
'Part of simulate(): who acts (null: nobody known) and what time it is (null: as before), until the subtransaction is rolled back. Grant it to nobody: who may call it may be anybody.';

CREATE FUNCTION workorder.simulate_timer(relation regclass, upto timestamptz) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workorder_simulate_timer';
COMMENT ON FUNCTION workorder.simulate_timer(regclass, timestamptz) IS
'Part of simulate(): fires the timer that is due first by a time, and returns its action; null if there is none. Grant it to nobody.';

CREATE FUNCTION workorder.simulation_table(definition jsonb, steps jsonb, people jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  columns jsonb;
  row_args CONSTANT text := format('%L, %L, %L, %L, %L', -1, '$simulation', '{}', 'tenant_id', 'id');
BEGIN
  -- What the flow names and what is given, typed by the values; people are numbers.
  SELECT coalesce(jsonb_object_agg(c.name, c.type), '{}') INTO columns
  FROM (
    SELECT n.name, CASE
        WHEN bool_or(n.person) THEN 'bigint'
        WHEN bool_or(n.dated) THEN 'timestamptz'
        WHEN bool_or(jsonb_typeof(n.value) IN ('object', 'array')) OR count(DISTINCT jsonb_typeof(n.value)) FILTER (WHERE jsonb_typeof(n.value) <> 'null') > 1 THEN 'jsonb'
        WHEN bool_or(jsonb_typeof(n.value) = 'boolean') THEN 'boolean'
        WHEN bool_and(n.value::text ~ '^-?\d{1,18}$') FILTER (WHERE jsonb_typeof(n.value) = 'number') THEN 'bigint'
        WHEN bool_or(jsonb_typeof(n.value) = 'number') THEN 'numeric'
        ELSE 'text' END AS type
    FROM (
      SELECT r.name, r.person, r.dated, NULL::jsonb AS value FROM workorder.simulate_begin(simulation_table.definition) r
      UNION ALL
      SELECT v.key, false, false, v.value FROM jsonb_array_elements(steps) s, jsonb_each(coalesce(nullif(s -> 'changes', 'null'), '{}')) v) n
    WHERE n.name NOT IN (SELECT e.name FROM workorder.engine_columns() e)
    GROUP BY n.name) c;
  EXECUTE format('CREATE TEMP TABLE workorder_simulation (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, %s%s, PRIMARY KEY (tenant_id, id)) ON COMMIT DROP',
    (SELECT string_agg(format('%I %s', e.name, e.type), ', ' ORDER BY e."position") FROM workorder.engine_columns() e),
    (SELECT string_agg(format(', %I %s', c.key, c.value), '' ORDER BY c.key) FROM jsonb_each_text(columns) c));
  EXECUTE format('CREATE TRIGGER "~workorder_guard" BEFORE INSERT OR UPDATE OR DELETE ON pg_temp.workorder_simulation FOR EACH ROW EXECUTE FUNCTION workorder.guard_row(%s)', row_args);
  EXECUTE format('CREATE TRIGGER _workorder_record AFTER INSERT OR UPDATE OR DELETE ON pg_temp.workorder_simulation FOR EACH ROW EXECUTE FUNCTION workorder.record_row(%s)', row_args);
  EXECUTE 'CREATE TRIGGER "~workorder_flush" AFTER INSERT OR UPDATE OR DELETE ON pg_temp.workorder_simulation FOR EACH STATEMENT EXECUTE FUNCTION workorder.record_flush()';
  RETURN columns;
END
$$;
COMMENT ON FUNCTION workorder.simulation_table(jsonb, jsonb, jsonb) IS
'Part of simulate(): makes the guarded temporary table, and returns the types of its business columns.';

CREATE FUNCTION workorder.simulation_people(steps jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  person record;
  people jsonb := '{}';
  number bigint := -1;
BEGIN
  FOR person IN
    SELECT p.login, a.id, p.roles FROM (
      SELECT '$system' AS login, NULL::jsonb AS roles
      UNION ALL
      SELECT s ->> 'actor', jsonb_agg(DISTINCT r.role) FILTER (WHERE r.role IS NOT NULL)
      FROM jsonb_array_elements(steps) s
      LEFT JOIN LATERAL jsonb_array_elements_text(CASE WHEN jsonb_typeof(s -> 'roles') = 'array' THEN s -> 'roles' END) r (role) ON true
      WHERE s ->> 'actor' IS NOT NULL GROUP BY 1) p
    LEFT JOIN workorder.actor a ON a.tenant_id = tenant AND a.login = p.login
    ORDER BY p.login
  LOOP
    IF person.id IS NULL THEN
      -- Numbers that no sequence gives.
      INSERT INTO workorder.actor (tenant_id, id, login, name, active)
      VALUES (tenant, number, person.login, person.login, person.login <> '$system');
      INSERT INTO workorder.membership (tenant_id, actor_id, role)
      SELECT tenant, number, r FROM jsonb_array_elements_text(coalesce(person.roles, '[]')) r;
      people := people || jsonb_build_object(person.login, number);
      number := number - 1;
    ELSIF person.roles IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('"%s" has roles of their own', person.login),
        DETAIL = 'A step gives roles to somebody who is enrolled.', HINT = 'Leave the roles out, or give the step to somebody who does not exist.';
    ELSE
      people := people || jsonb_build_object(person.login, person.id);
    END IF;
  END LOOP;
  RETURN people;
END
$$;
COMMENT ON FUNCTION workorder.simulation_people(jsonb) IS
'Part of simulate(): enrols those who do not exist, with numbers below 0, and returns everybody''s number by login. Raises WO400 for roles given to somebody who exists.';

CREATE FUNCTION workorder.simulate(definition jsonb, steps jsonb)
RETURNS TABLE (step int, actor text, action text, from_state text, to_state text, ok boolean, code text, message text, hint text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  results jsonb := '[]';
  columns jsonb;
  people jsonb;
  changes jsonb;
  problems text;
  one jsonb;
  number int := 0;
  at timestamptz;
  was text;
  becomes text;
  fired text;
  said text;
  hinted text;
  ticket regclass;
BEGIN
  SELECT string_agg(format('%s at %s: %s', d.code, d.path, d.message), E'\n') INTO problems FROM workorder.check_flow(simulate.definition) d WHERE d.blocks;
  IF problems IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'the document has defects', DETAIL = problems,
      HINT = 'Mend the document; workorder.check_flow() lists the same with a hint for each.';
  END IF;
  IF jsonb_typeof(steps) IS DISTINCT FROM 'array' OR EXISTS (
    SELECT FROM jsonb_array_elements(CASE WHEN jsonb_typeof(steps) = 'array' THEN steps ELSE '[]' END) s
    WHERE jsonb_typeof(s) <> 'object' OR jsonb_typeof(s -> 'action') IS DISTINCT FROM 'string' OR coalesce(jsonb_typeof(s -> 'actor'), 'null') NOT IN ('string', 'null')
      OR coalesce(jsonb_typeof(s -> 'changes'), 'null') NOT IN ('object', 'null') OR coalesce(jsonb_typeof(s -> 'roles'), 'null') NOT IN ('array', 'null')
      OR coalesce(jsonb_typeof(s -> 'note'), 'null') NOT IN ('string', 'null') OR coalesce(jsonb_typeof(s -> 'at'), 'null') NOT IN ('string', 'null')) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'steps is not a list of steps',
      DETAIL = 'Each is an object with "action", and perhaps "actor", "roles", "note", "changes" and "at".',
      HINT = 'For example [{"actor": "ann", "roles": ["clerk"], "action": "create", "changes": {"days": 3}}].';
  END IF;

  BEGIN
    people := workorder.simulation_people(steps);
    columns := workorder.simulation_table(simulate.definition, steps, people);
    ticket := 'pg_temp.workorder_simulation'::regclass;
    FOR one IN SELECT value FROM jsonb_array_elements(steps) LOOP
      number := number + 1;
      -- Whoever is named in a column of people is meant.
      SELECT coalesce(jsonb_object_agg(c.key, CASE WHEN columns ->> c.key = 'bigint' AND jsonb_typeof(c.value) = 'string' THEN coalesce(people -> (c.value #>> '{}'), c.value) ELSE c.value END), '{}')
      INTO changes FROM jsonb_each(coalesce(nullif(one -> 'changes', 'null'), '{}')) c;
      at := one ->> 'at';
      LOOP
        was := NULL;
        EXECUTE 'SELECT t.state FROM pg_temp.workorder_simulation t' INTO was;
        BEGIN
          fired := workorder.simulate_timer(ticket, at);
          EXIT WHEN fired IS NULL;
          EXECUTE 'SELECT t.state FROM pg_temp.workorder_simulation t' INTO becomes;
          results := results || jsonb_build_object('step', number, 'actor', '$system', 'action', fired, 'from_state', was, 'to_state', becomes, 'ok', true);
        EXCEPTION WHEN OTHERS THEN
          GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, hinted = PG_EXCEPTION_HINT;
          results := results || jsonb_build_object('step', number, 'actor', '$system', 'action', fired, 'from_state', was, 'to_state', was, 'ok', false, 'code', SQLSTATE, 'message', said, 'hint', hinted);
          EXIT;
        END;
      END LOOP;
      BEGIN
        PERFORM workorder.simulate_as((people ->> (one ->> 'actor'))::bigint, at);
        IF one ->> 'action' = 'create' THEN
          -- A revision would make it an import.
          SELECT e.name INTO said FROM workorder.engine_columns() e WHERE changes ? e.name LIMIT 1;
          IF FOUND OR changes ?| ARRAY['id', 'tenant_id'] THEN
            PERFORM workorder.refuse('WO403', format('column "%s" is kept by the engine', coalesce(said, 'id')), 'It follows from the actions taken on the ticket.', 'Leave it out.');
          END IF;
          EXECUTE format('INSERT INTO pg_temp.workorder_simulation (id, note%s) SELECT 1, $2%s FROM jsonb_populate_record(NULL::pg_temp.workorder_simulation, $1) r',
            (SELECT string_agg(format(', %I', k), '' ORDER BY k) FROM jsonb_object_keys(changes) k),
            (SELECT string_agg(format(', r.%I', k), '' ORDER BY k) FROM jsonb_object_keys(changes) k))
            USING changes, one ->> 'note';
        ELSIF one ->> 'action' = 'delete' THEN
          IF NOT workorder.can(ticket, 1, 'view') THEN
            PERFORM workorder.refuse('WO404', 'ticket 1 does not exist', 'Or you may not see it.', 'Check who may "view".');
          END IF;
          EXECUTE 'DELETE FROM pg_temp.workorder_simulation';
        ELSE
          PERFORM workorder.act(ticket, 1, one ->> 'action', one ->> 'note', nullif(changes, '{}'));
        END IF;
        becomes := NULL;
        EXECUTE 'SELECT t.state FROM pg_temp.workorder_simulation t' INTO becomes;
        results := results || jsonb_build_object('step', number, 'actor', one -> 'actor', 'action', one -> 'action', 'from_state', was, 'to_state', becomes, 'ok', true);
      EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, hinted = PG_EXCEPTION_HINT;
        results := results || jsonb_build_object('step', number, 'actor', one -> 'actor', 'action', one -> 'action', 'from_state', was, 'to_state', was, 'ok', false, 'code', SQLSTATE, 'message', said, 'hint', hinted);
      END;
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'WOSIM';
  EXCEPTION
    WHEN SQLSTATE 'WOSIM' THEN NULL;
  END;
  RETURN QUERY SELECT r.* FROM jsonb_to_recordset(results) r (step int, actor text, action text, from_state text, to_state text, ok boolean, code text, message text, hint text);
END
$$;
COMMENT ON FUNCTION workorder.simulate(jsonb, jsonb) IS
'Simulates a flow document, published or not, and leaves nothing behind: one ticket in a temporary table is taken through the steps by the engine itself, and all of it is rolled back. steps: [{"actor": login, "roles": [...] (of people who do not exist; null actor: anonymous), "action": ..., "note": ..., "changes": {"column": value}, "at": time}], the first a "create"; people are named by login in columns of people. With "at", timers that are due by then fire first, as rows of $system. One row per step: code is the SQLSTATE of a refusal, after which the ticket is where it was. Calendars, settings and other holders of roles are those of the tenant. Raises WO400 for a document with defects, or steps that are none. For owners of the engine''s tables: who may call it acts for anybody, in the simulation.';

CREATE FUNCTION workorder.simulate(flow text, steps jsonb)
RETURNS TABLE (step int, actor text, action text, from_state text, to_state text, ok boolean, code text, message text, hint text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT s.* FROM workorder.simulate(workorder.newest_version(simulate.flow), simulate.steps) s;
END
$$;
COMMENT ON FUNCTION workorder.simulate(text, jsonb) IS
'The same for the newest version of a flow, see simulate(jsonb, jsonb). Raises WO404 for a flow that was never published.';
