-- What can be proved of a flow before anybody's ticket is on it.

CREATE FUNCTION workorder.flow_way(definition jsonb, state text, avoiding text DEFAULT NULL) RETURNS text[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_flow_way';
COMMENT ON FUNCTION workorder.flow_way(jsonb, text, text) IS
'The shortest way from a flow''s start to a state that does not pass another, as state, action, state, ...; null if there is none. Part of prove().';

CREATE FUNCTION workorder.prove(definition jsonb, state text, passes text, OUT holds boolean, OUT counterexample text[])
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF prove.definition IS NULL OR prove.state IS NULL OR prove.passes IS NULL THEN
    PERFORM workorder.refuse('WO400', 'prove() needs a flow and two states', 'None of them may be null.',
      'Ask, for example, workorder.prove(''leave'', ''granted'', passes => ''review'').');
  END IF;
  IF workorder.flow_way(prove.definition, prove.state) IS NULL THEN
    PERFORM workorder.refuse('WO404', 'no ticket ever gets to the first state',
      'Of a state that cannot be reached anything could be said.', 'workorder.check_flow() lists such states.');
  END IF;
  counterexample := workorder.flow_way(prove.definition, prove.state, prove.passes);
  holds := counterexample IS NULL;
END
$$;
COMMENT ON FUNCTION workorder.prove(jsonb, text, text) IS
'Whether every way from the start to a state passes another state, and if not, the shortest way that does not: state, action, state, ... A state is meant by its path, or by its name or code if only one has it; to be in a compound state is to be in any below it. Guards are taken to hold or not, as may be, so what holds is certain, while a counterexample may be one that guards prevent. Raises WO404 for a state that there is not or that cannot be reached, WO400 for a document that cannot be understood.';

CREATE FUNCTION workorder.prove(flow text, state text, passes text, OUT holds boolean, OUT counterexample text[])
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  SELECT p.holds, p.counterexample INTO prove.holds, prove.counterexample
  FROM workorder.prove(workorder.newest_version(prove.flow), prove.state, prove.passes) p;
END
$$;
COMMENT ON FUNCTION workorder.prove(text, text, text) IS
'The same for the newest version of a flow, see prove(jsonb, text, text). Raises WO404 for a flow that was never published.';
