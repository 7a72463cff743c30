-- Tickets that go from one version of their flow to another.

CREATE FUNCTION workorder.migrated_state(to_flow int, state_map jsonb, state text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_migrated_state';
COMMENT ON FUNCTION workorder.migrated_state(int, jsonb, text) IS
'The leaf of a flow version (workorder.flow.id) where a ticket in this state belongs: as state_map says of the state or of the nearest state around it, else the state of the same path, else what state_map says of "*". Null if there is none. Raises WO404 for an unknown version.';

CREATE FUNCTION workorder.migrated_history(to_flow int, state_map jsonb, history text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_migrated_history';
COMMENT ON FUNCTION workorder.migrated_history(int, jsonb, text) IS
'What a ticket remembers of the states it left, in the words of a flow version; what has no place there is forgotten, null if all of it. Raises WO404 for an unknown version.';

CREATE FUNCTION workorder.move_tickets(relation regclass, from_flow int, to_flow int, state_map jsonb, total bigint) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workorder_move_tickets';
COMMENT ON FUNCTION workorder.move_tickets(regclass, int, int, jsonb, bigint) IS
'The part of migrate() that moves: one UPDATE of all tickets of a version that are not done, with a notice every 10,000 of so many. Returns how many it moved. Raises WO403 unless the caller owns the table, WO409 for a ticket without a place.';

CREATE FUNCTION workorder.migration_report(relation regclass, from_flow int, to_flow int, state_map jsonb)
RETURNS TABLE (code text, state text, target text, tickets bigint, blocks boolean, message text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
#variable_conflict use_column
DECLARE
  g record;
  k record;
  old record;
  new record;
  ends text[];
  lost text[];
BEGIN
  SELECT x.id, x.columns INTO g FROM workorder.guarded x WHERE x.relation = migration_report.relation;
  IF NOT FOUND THEN
    PERFORM workorder.refuse_unguarded(migration_report.relation);
  END IF;
  k := workorder.ticket_key(migration_report.relation);
  SELECT f.definition INTO STRICT old FROM workorder.flow f WHERE f.id = from_flow;
  SELECT f.definition, f.version INTO STRICT new FROM workorder.flow f WHERE f.id = to_flow;
  ends := ARRAY(SELECT s.path FROM workorder.flow_states(old.definition) s WHERE s.kind = 'final' AND s.parent = '');

  RETURN QUERY
  SELECT 'bad_map', m.key, m.value, NULL::bigint, true,
    CASE WHEN m.key <> '*' AND m.key NOT IN (SELECT s.path FROM workorder.flow_states(old.definition) s) THEN 'the version that is left has no such state'
      ELSE format('version %s has no such state', new.version) END
  FROM jsonb_each_text(state_map) m
  WHERE (m.key <> '*' AND m.key NOT IN (SELECT s.path FROM workorder.flow_states(old.definition) s))
    OR m.value IS NULL OR m.value NOT IN (SELECT s.path FROM workorder.flow_states(new.definition) s)
  ORDER BY m.key;
  RETURN QUERY
  SELECT d.code, NULL::text, d.path, NULL::bigint, true, d.message
  FROM workorder.check_flow(new.definition, migration_report.relation) d
  WHERE d.code IN ('unknown_column', 'column_type');

  -- Who took these is kept apart there by nothing: the journal tells whether anybody did.
  lost := ARRAY(
    SELECT DISTINCT e.action FROM workorder.flow_actions(old.definition) a, unnest(a.exclude) e (action)
    WHERE NOT starts_with(e.action, '$')
      AND e.action NOT IN (SELECT k.action FROM workorder.flow_actions(new.definition) n, unnest(n.exclude) k (action)));
  IF lost <> '{}' THEN
    RETURN QUERY EXECUTE format($q$
      SELECT 'exclude', NULL::text, NULL::text, count(DISTINCT (%1$s, t.%2$I)), NOT x.still,
        format(CASE WHEN x.still THEN 'were taken on by "%%s", and the other version keeps nobody apart by that'
          ELSE 'were taken on by "%%s", which the other version does not know: name it in "exclude" there, or people may decide on what they did themselves' END, x.action)
      FROM (SELECT l.action, l.action IN (SELECT n.action FROM workorder.flow_actions($2) n) AS still FROM unnest($1) l (action)) x
      JOIN workorder.journal j ON j.guarded_id = $3 AND j.action = x.action
      JOIN %3$s t ON %1$s = j.tenant_id AND t.%2$I = j.ticket_id AND t.%4$I = $4 AND t.%5$I <> ALL ($5)
      GROUP BY x.action, x.still ORDER BY x.action$q$,
      k.tenant, k.id_column, migration_report.relation, coalesce(g.columns ->> 'flow_id', 'flow_id'), coalesce(g.columns ->> 'state', 'state'))
      USING lost, new.definition, g.id, from_flow, ends;
  END IF;

  RETURN QUERY EXECUTE format($q$
    WITH ticket AS MATERIALIZED (
      SELECT %1$s AS tenant, t.%2$I AS id, t.%3$I AS state, t.%4$I AS history, coalesce(t.%5$I - '$return_path', '{}') <> '{}' AS voted
      FROM %6$s t WHERE t.%7$I = $1),
    moving AS MATERIALIZED (SELECT * FROM ticket t WHERE t.state <> ALL ($4)),
    place AS (
      SELECT s.state, workorder.migrated_state($2, $3, s.state) AS target, s.tickets, s.voted
      FROM (SELECT m.state, count(*) AS tickets, count(*) FILTER (WHERE m.voted) AS voted FROM moving m GROUP BY m.state) s),
    forgets AS (
      SELECT h.state, h.tickets
      FROM (SELECT m.state, m.history, count(*) AS tickets FROM moving m WHERE m.history IS NOT NULL GROUP BY m.state, m.history) h
      WHERE (SELECT count(*) FROM jsonb_object_keys(h.history::jsonb))
        > (SELECT count(*) FROM jsonb_object_keys(coalesce(workorder.migrated_history($2, $3, h.history), '{}')::jsonb))),
    report (part, code, state, target, tickets, blocks, message) AS (
      SELECT 1, 'moves', p.state, p.target, p.tickets, false, 'go to the state with this path'
      FROM place p WHERE p.target IS NOT NULL
      UNION ALL
      SELECT 2, 'no_place', p.state, NULL, p.tickets, true, 'have no place in the other version: say in state_map where they belong'
      FROM place p WHERE p.target IS NULL
      UNION ALL
      SELECT 3, 'votes', p.state, p.target, p.voted, false, 'lose the votes that were given in this visit of the state'
      FROM place p WHERE p.voted > 0
      UNION ALL
      SELECT 4, 'history', f.state, NULL, sum(f.tickets)::bigint, false, 'forget a state that they left: it has no place in the other version'
      FROM forgets f GROUP BY f.state
      UNION ALL
      SELECT 5, 'timers', m.state, NULL, count(DISTINCT (m.tenant, m.id)), false, 'have timers, which end; those of the other version begin when they move'
      FROM moving m
      JOIN workorder.timer c ON c.tenant_id = m.tenant AND c.guarded_id = $5 AND c.ticket_id = m.id AND c.fired_at IS NULL
      GROUP BY m.state
      UNION ALL
      SELECT 6, d.code, NULL, NULL, n.tickets, true, format('tenant %%s: %%s at %%s', n.tenant, d.message, d.path)
      FROM (SELECT m.tenant, count(*) AS tickets FROM moving m GROUP BY m.tenant) n,
      LATERAL workorder.check_members($6, n.tenant) d WHERE d.code = 'unknown_calendar'
      UNION ALL
      SELECT 7, 'ended', t.state, t.state, count(*), false, 'are done and stay on their version'
      FROM ticket t WHERE t.state = ANY ($4) GROUP BY t.state)
    SELECT r.code, r.state, r.target, r.tickets, r.blocks, r.message FROM report r
    ORDER BY r.part, r.state, r.message$q$,
    k.tenant, k.id_column, coalesce(g.columns ->> 'state', 'state'), coalesce(g.columns ->> 'history', 'history'),
    coalesce(g.columns ->> 'votes', 'votes'), migration_report.relation, coalesce(g.columns ->> 'flow_id', 'flow_id'))
    USING from_flow, to_flow, state_map, ends, g.id, new.definition;
END
$$;
COMMENT ON FUNCTION workorder.migration_report(regclass, int, int, jsonb) IS
'The report of migrate(), which has checked the arguments.';

CREATE FUNCTION workorder.migrate(relation regclass, from_flow int, to_flow int, state_map jsonb DEFAULT '{}', dry_run boolean DEFAULT true)
RETURNS TABLE (code text, state text, target text, tickets bigint, blocks boolean, message text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  flow text;
  old record;
  new record;
  report jsonb;
  problems text;
  total bigint;
BEGIN
  IF migrate.relation IS NULL OR from_flow IS NULL OR to_flow IS NULL OR dry_run IS NULL
    OR jsonb_typeof(state_map) IS DISTINCT FROM 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'migrate() needs a table, two versions of its flow and an object',
      DETAIL = 'None of them may be null; state_map maps states of the one version to states of the other.',
      HINT = 'For example workorder.migrate(''leave_request'', 1, 2, ''{"review": "check"}'').';
  END IF;
  IF to_regclass('workorder.guarded') IS NOT NULL THEN
    SELECT g.flow INTO flow FROM workorder.guarded g
    JOIN pg_trigger t ON t.tgrelid = g.relation AND t.tgname = '~workorder_guard'
    WHERE g.relation = migrate.relation;
  END IF;
  IF flow IS NULL THEN
    PERFORM workorder.refuse_unguarded(migrate.relation);
  END IF;
  IF NOT pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = migrate.relation), 'USAGE') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO403', MESSAGE = format('you do not own table %s', migrate.relation),
      DETAIL = 'Only its owner may move tickets to another version of their flow.', HINT = 'Ask the owner.';
  END IF;
  IF NOT dry_run THEN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = 'tickets are moved at isolation level read committed only',
        DETAIL = 'An older snapshot would not show tickets that came meanwhile.', HINT = 'Begin a new transaction without another level.';
    END IF;
    -- In the order in which publish() takes them.  Whoever acts on a ticket finishes first, and then nobody does until the end.
    LOCK TABLE workorder.flow IN SHARE MODE;
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', migrate.relation);
  END IF;
  SELECT f.id, f.name, f.life INTO old FROM workorder.flow f WHERE f.id = from_flow;
  SELECT f.id, f.name, f.life INTO new FROM workorder.flow f WHERE f.id = to_flow;
  IF old.name IS DISTINCT FROM flow OR new.name IS DISTINCT FROM flow THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('a version of flow "%s" does not exist', flow),
      DETAIL = format('Its tickets can go from one of its own versions to another; asked was from %s to %s.', from_flow, to_flow),
      HINT = 'Give ids of workorder.flow, as publish() returned them.';
  END IF;
  IF old.id = new.id OR new.life NOT IN ('published', 'deprecated') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('tickets cannot go from version %s to %s', from_flow, to_flow),
      DETAIL = CASE WHEN old.id = new.id THEN 'It is the same version.' ELSE format('The version is %s.', new.life) END,
      HINT = 'Move them to another version that is published.';
  END IF;

  SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]'), string_agg(concat_ws(' ', r.code, 'at', coalesce(r.state, r.target) || ':', r.tickets::text, r.message), E'\n') FILTER (WHERE r.blocks),
    coalesce(sum(r.tickets) FILTER (WHERE r.code = 'moves'), 0)
  INTO report, problems, total
  FROM workorder.migration_report(migrate.relation, from_flow, to_flow, state_map) r;
  IF NOT dry_run THEN
    IF problems IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('tickets of %s cannot be moved', migrate.relation),
        DETAIL = problems, HINT = 'Mend what the report says; with dry_run nothing changes.';
    END IF;
    IF workorder.move_tickets(migrate.relation, from_flow, to_flow, state_map, total) <> total THEN
      RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('not all tickets of %s could be moved', migrate.relation),
        DETAIL = 'A trigger of the table skipped some.', HINT = 'Disable that trigger for the time.';
    END IF;
  END IF;
  RETURN QUERY SELECT r.* FROM jsonb_to_recordset(report) r (code text, state text, target text, tickets bigint, blocks boolean, message text);
END
$$;
COMMENT ON FUNCTION workorder.migrate(regclass, int, int, jsonb, boolean) IS
'Moves the tickets of a table that are not done from one version of its flow to another (ids of workorder.flow): all or none, each with an entry "migrate" in the journal. First comes the report, which is all there is with dry_run: how many tickets of each state go where (moves), stay because they are done (ended), have no place (no_place), lose votes (votes), lose the separation of duties (exclude: an action that the new version neither has nor names in "exclude", which blocks, or no longer keeps apart), forget a state they left (history), have timers that end (timers); unknown_calendar, unknown_column, column_type and bad_map are what they say. What blocks must be mended first. state_map: {"state": "state of the other version", "*": "leaf for the rest"}; a state takes those inside of it along, and one that is not named keeps its path. A new visit begins: timers start anew, votes are cleared; the way that a ticket came is kept. Nobody else can act on the table until the transaction ends. Needs to own the table. Raises WO400, WO403, WO404 and WO409.';
