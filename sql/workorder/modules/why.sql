-- Where a ticket stands, since when, who can move it and how, what is due, and
-- what the caller may do: in one call.

CREATE FUNCTION workorder.eligible(relation regclass, id bigint)
RETURNS TABLE (action text, target text, need int, everybody boolean, people bigint[], more bigint, unjudged boolean, needs text[])
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workorder_eligible';
COMMENT ON FUNCTION workorder.eligible(regclass, bigint) IS
'Of each action that a ticket''s state knows: where it leads (null: nowhere), how many votes it needs (null: one act is enough), whether everybody may take it, the numbers of at most 50 people who may take it now once they give what it needs, how many more there are, whether there are people beyond the 1000 that were judged, and the columns (or note) still missing. Judged by the engine''s own predicate; who cannot see the ticket cannot take it. Raises WO404 for a ticket that the caller may not see.';

CREATE FUNCTION workorder.clocks(relation regclass, id bigint)
RETURNS TABLE (state text, delay text, due_at timestamptz, rest interval)
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 4
AS 'MODULE_PATHNAME', 'workorder_clocks';
COMMENT ON FUNCTION workorder.clocks(regclass, bigint) IS
'The timers of a ticket that have not fired: the state that declares each, when it is due, or, while it stands still, what is left of it. Raises WO404 for a ticket that the caller may not see.';

CREATE FUNCTION workorder.decides_for(relation regclass, id bigint) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000
AS 'MODULE_PATHNAME', 'workorder_decides_for';
COMMENT ON FUNCTION workorder.decides_for(regclass, bigint) IS
'In whose name the caller, as a deputy, could decide a ticket now; null if in nobody''s, or if they would decide it for themselves. Of several the first, since everybody decides a step once.';

CREATE FUNCTION workorder.why(relation regclass, id bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  stands record;
  labels jsonb;
  may_read CONSTANT boolean := has_column_privilege('workorder.actor', 'login', 'SELECT') AND has_column_privilege('workorder.actor', 'name', 'SELECT')
    AND has_column_privilege('workorder.actor', 'id', 'SELECT') AND has_column_privilege('workorder.actor', 'tenant_id', 'SELECT');
  m record;
  names jsonb;
  actions jsonb := '[]';
BEGIN
  IF why.relation IS NULL OR why.id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'why() needs a table and a ticket',
      DETAIL = 'Neither may be null.', HINT = 'For example workorder.why(''leave_request'', 1).';
  END IF;
  stands := workorder.engine_values(why.relation, why.id);
  SELECT coalesce(jsonb_object_agg(s.path, s.label) FILTER (WHERE s.label IS NOT NULL), '{}') INTO labels
  FROM workorder.flow_state s WHERE s.flow_id = stands.flow_id;
  FOR m IN
    SELECT x.*, a.allowed, a.needs AS own_needs, a.reasons FROM workorder.eligible(why.relation, why.id) WITH ORDINALITY x (action, target, need, everybody, people, more, unjudged, needs, n)
    JOIN workorder.actions(why.relation, why.id) a ON a.action = x.action ORDER BY x.n
  LOOP
    names := '[]';
    IF may_read THEN
      SELECT coalesce(jsonb_agg(jsonb_build_object('login', p.login, 'name', p.name) ORDER BY p.name, p.login), '[]') INTO names
      FROM workorder.actor p WHERE p.tenant_id = workorder.tenant_id() AND p.id = ANY (m.people);
    END IF;
    actions := actions || (jsonb_strip_nulls(jsonb_build_object(
      'action', m.action, 'target', m.target, 'target_label', labels -> m.target, 'everybody', nullif(m.everybody, false),
      'people', names, 'more', nullif(m.more + cardinality(m.people) - jsonb_array_length(names), 0), 'perhaps_more', nullif(m.unjudged, false),
      'needs', to_jsonb(nullif(m.needs, '{}')),
      'votes', CASE WHEN m.need IS NOT NULL THEN jsonb_build_object('need', m.need,
        'have', (SELECT count(*) FROM jsonb_object_keys(CASE jsonb_typeof(stands.votes -> m.action) WHEN 'object' THEN stands.votes -> m.action ELSE '{}' END))) END))
      || jsonb_build_object('you', jsonb_build_object('may', m.allowed, 'needs', to_jsonb(m.own_needs), 'reasons', to_jsonb(m.reasons))));
  END LOOP;
  RETURN jsonb_build_object('state', stands.state, 'label', labels -> stands.state, 'since', stands.entered_at,
    'revision', stands.revision, 'last_action', stands.last_action, 'last_note', stands.last_note, 'last_at', stands.updated_at,
    'actions', actions,
    'due', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('action', 'after ' || c.delay, 'state', c.state, 'at', c.due_at, 'left', c.rest::text))
      ORDER BY c.due_at, c.state, c.delay), '[]') FROM workorder.clocks(why.relation, why.id) c));
END
$$;
COMMENT ON FUNCTION workorder.why(regclass, bigint) IS
'Where a ticket stands (state, label, since when, what was done last), who can move it and how (actions: where each leads, the people who may take it now by name, how many more, what it still needs, votes so far and needed; you: the same for the caller, as actions() says it), and what is due (timers, or what is left of those that stand still). Names are told as far as the caller may read workorder.actor; who is not named is counted in "more". Raises WO404 for a ticket that the caller may not see, WO400 for null.';
