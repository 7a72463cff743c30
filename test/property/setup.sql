-- What the property test needs in its database besides the engine.
CREATE SCHEMA property;

-- Runs a list of probes.  Each names an actor, and then what workorder.can(),
-- explain() and actions() say is put beside what a statement does: in a
-- savepoint that is rolled back, unless the probe says to keep it.
CREATE FUNCTION property.run(probes jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  p record;
  one jsonb;
  answers jsonb[];
BEGIN
  FOR p IN
    SELECT x.*, ordinality FROM ROWS FROM (jsonb_to_recordset(probes)
      AS (kind text, actor text, t regclass, id bigint, action text, note text, changes jsonb, sql text, keep boolean, late boolean))
      WITH ORDINALITY AS x
  LOOP
    IF p.late IS NOT TRUE THEN
      PERFORM set_config('workorder.actor', p.actor, false);
    END IF;
    IF p.kind = 'actions' THEN
      one := property.listed(p.t, p.id);
    ELSE
      one := CASE WHEN p.kind = 'ask' THEN property.asked(p.t, p.id, p.action, p.note, p.changes) ELSE '{}' END;
      PERFORM set_config('workorder.actor', p.actor, false);
      one := one || property.attempted(p.sql, p.t, p.id, coalesce(p.keep, false));
    END IF;
    answers[p.ordinality] := one;
  END LOOP;
  RETURN to_jsonb(answers);
END
$$;

CREATE FUNCTION property.asked(t regclass, id bigint, action text, note text, changes jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RETURN jsonb_build_object(
    'can', workorder.can(t, id, action, note, changes),
    'explain', (SELECT coalesce(jsonb_agg(e.code), '[]') FROM workorder.explain(t, id, action, note, changes) e),
    'told', (SELECT bool_and(e.message <> '' AND e.detail <> '' AND e.hint <> '') FROM workorder.explain(t, id, action, note, changes) e));
EXCEPTION WHEN OTHERS THEN
  RETURN jsonb_build_object('asked', SQLSTATE, 'asked_message', SQLERRM);
END
$$;

CREATE FUNCTION property.listed(t regclass, id bigint) RETURNS jsonb
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RETURN jsonb_build_object('actions', (SELECT coalesce(jsonb_agg(to_jsonb(a)
    || jsonb_build_object('can', workorder.can(t, id, a.action))), '[]') FROM workorder.actions(t, id) a));
EXCEPTION WHEN OTHERS THEN
  RETURN jsonb_build_object('asked', SQLSTATE, 'asked_message', SQLERRM);
END
$$;

CREATE FUNCTION property.attempted(sql text, t regclass, ticket bigint, keep boolean) RETURNS jsonb
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  result jsonb;
  affected bigint;
  returned bigint;
  new_row jsonb;
  message text;
  detail text;
  hint text;
BEGIN
  IF sql LIKE 'INSERT%' THEN
    EXECUTE sql INTO returned;
    affected := 1;
  ELSE
    EXECUTE sql;
    GET DIAGNOSTICS affected = ROW_COUNT;
  END IF;
  -- as the owner: the actor may have moved it out of their own sight
  new_row := property.row_of(t, coalesce(returned, ticket));
  result := jsonb_build_object('rows', affected, 'row', new_row);
  IF NOT keep THEN
    RAISE EXCEPTION USING ERRCODE = 'XX999';
  END IF;
  RETURN result;
EXCEPTION
  WHEN SQLSTATE 'XX999' THEN
    RETURN result;
  WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN jsonb_build_object('error', SQLSTATE, 'message', message, 'detail', detail, 'hint', hint);
END
$$;

CREATE FUNCTION property.row_of(t regclass, ticket bigint) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  result jsonb;
BEGIN
  EXECUTE format('SELECT to_jsonb(x) FROM %s x WHERE x.tenant_id = 1 AND x.id = $1', t) INTO result USING ticket;
  RETURN result;
END
$$;

-- The fold of a ticket's journal, in SQL: the new value of each column's last
-- change.
CREATE FUNCTION property.fold(t regclass, ticket bigint) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  SELECT jsonb_object_agg(c.key, c.value -> 1 ORDER BY j.revision)
  FROM workorder.journal j JOIN workorder.guarded g ON g.id = j.guarded_id, jsonb_each(j.changes) c
  WHERE g.relation = t AND j.tenant_id = 1 AND j.ticket_id = ticket
$$;
