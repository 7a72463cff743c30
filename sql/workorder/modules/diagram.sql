-- Pictures of flows, and of a ticket's way through its flow.

CREATE FUNCTION workorder.draw(definition jsonb, format text, trace jsonb) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_draw';
COMMENT ON FUNCTION workorder.draw(jsonb, text, jsonb) IS
'The text that diagram() returns, of a document and a ticket''s trace, {"state": path, "steps": [[from, action, to], ...]}, or null. Part of diagram().';

CREATE FUNCTION workorder.diagram(definition jsonb, format text DEFAULT 'mermaid') RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF diagram.definition IS NULL OR diagram.format IS NULL THEN
    RETURN NULL;
  END IF;
  RETURN workorder.draw(diagram.definition, diagram.format, NULL);
END
$$;
COMMENT ON FUNCTION workorder.diagram(jsonb, text) IS
'The picture of a flow document as text for Mermaid (''mermaid'') or Graphviz (''dot''): states with their labels, and every transition that moves a ticket, with its guard. Raises WO400 for another format or a document that cannot be understood.';

CREATE FUNCTION workorder.newest_version(flow text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  definition CONSTANT jsonb := (
    SELECT f.definition FROM workorder.flow f
    WHERE f.name = newest_version.flow AND f.life <> 'draft' ORDER BY f.version DESC LIMIT 1);
BEGIN
  IF definition IS NULL THEN
    PERFORM workorder.refuse('WO404', 'the flow does not exist', 'No version of a flow of this name was published.',
      'Look the flows up in workorder.flow, or give the document itself.');
  END IF;
  RETURN definition;
END
$$;
COMMENT ON FUNCTION workorder.newest_version(text) IS
'The document of the newest version of a flow, drafts left out. Raises WO404 for a flow that was never published.';

CREATE FUNCTION workorder.diagram(flow text, format text DEFAULT 'mermaid') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN workorder.diagram(workorder.newest_version(flow), format);
COMMENT ON FUNCTION workorder.diagram(text, text) IS
'The picture of the newest version of a flow, see diagram(jsonb, text). Raises WO404 for a flow that was never published.';

CREATE FUNCTION workorder.diagram(relation regclass, id bigint, format text DEFAULT 'mermaid') RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  at record := workorder.engine_values(diagram.relation, diagram.id);
BEGIN
  RETURN workorder.draw(
    (SELECT f.definition FROM workorder.flow f WHERE f.id = at.flow_id), diagram.format,
    jsonb_build_object('state', at.state, 'steps', (
      SELECT coalesce(jsonb_agg(jsonb_build_array(h.from_state, h.action, h.to_state) ORDER BY h.revision), '[]')
      FROM workorder.history h
      WHERE h.relation = diagram.relation AND h.ticket_id = diagram.id AND h.from_state <> h.to_state)));
END
$$;
COMMENT ON FUNCTION workorder.diagram(regclass, bigint, text) IS
'The picture of a ticket''s flow with its way through it: where it is, where it was, and at each transition the numbers of the steps that took it. Raises WO404 for a ticket that the caller may not see.';
