-- Flows: checking, publishing, and what keeps a published one as it is.

CREATE FUNCTION workorder.invalidate() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'workorder_invalidate';
COMMENT ON FUNCTION workorder.invalidate() IS
'AFTER STATEMENT trigger of rule tables (flow, actor, membership): tells every session to read the table again. Must be ENABLE ALWAYS, or a restore would leave them with what they knew.';

CREATE FUNCTION workorder.check_flow(definition jsonb, relation regclass DEFAULT NULL)
RETURNS TABLE (code text, path text, message text, hint text, blocks boolean)
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'workorder_check_flow';
COMMENT ON FUNCTION workorder.check_flow(jsonb, regclass) IS
'What is wrong with a flow document, one row per finding; with a table, also what the table lacks for it. It can be published if none of them blocks; the others are warnings. code is stable, path is the place in the document. Takes any JSON. Raises WO404 for a table that does not exist.';

CREATE FUNCTION workorder.check_members(definition jsonb, tenant bigint)
RETURNS TABLE (code text, path text, message text, hint text, blocks boolean)
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_check_members';
COMMENT ON FUNCTION workorder.check_members(jsonb, bigint) IS
'What today''s people of a tenant cannot do of a flow document: quorums (quorum_members), steps that keep people apart (exclude_members: however the steps before are shared out, nobody is left), and calendars that the tenant does not have. one_person is a warning (blocks is false): a step that nobody could take if this person were away. Roles that nobody holds yet are not counted against a quorum unless others of it are held.';

CREATE FUNCTION workorder.flow_states(definition jsonb)
RETURNS TABLE (path text, parent text, label text, code text, kind text, initial boolean)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'workorder_flow_states';
COMMENT ON FUNCTION workorder.flow_states(jsonb) IS
'States of a flow document, parents first; kind is atomic, compound, final or history, parent is empty right below the root. Defects are passed over.';

CREATE FUNCTION workorder.flow_actions(definition jsonb)
RETURNS TABLE (state text, action text, target text, allow text[], guard text, require text[],
  fields text[], exclude text[], quorum jsonb, ordinal int)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'workorder_flow_actions';
COMMENT ON FUNCTION workorder.flow_actions(jsonb) IS
'Transitions of a flow document by the state that declares them (empty: the root), ordinal giving the order in which those of one action are tried. target is the whole path, null if nothing moves. Defects are passed over.';

CREATE FUNCTION workorder.state_of_code(flow text, code text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_state_of_code';
COMMENT ON FUNCTION workorder.state_of_code(text, text) IS
'The state whose "code" in the flow this is, as clients know it; null if there is none. The published version counts, and of others the newest that has it.';

CREATE FUNCTION workorder.code_of_state(flow text, state text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_code_of_state';
COMMENT ON FUNCTION workorder.code_of_state(text, text) IS
'The "code" of a state in its flow, by which clients know it; null if it has none. The published version counts, and of others the newest that has it.';

CREATE FUNCTION workorder.view_policy(flow_id int, columns jsonb DEFAULT '{}') RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_view_policy';
COMMENT ON FUNCTION workorder.view_policy(int, jsonb) IS
'The action "view" of one flow version as an SQL predicate over a guarded table, the tenant left out. columns maps engine columns to the table''s names. Raises WO404 for an unknown id.';

CREATE FUNCTION workorder.view_predicate(flow text, columns jsonb DEFAULT '{}') RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_view_predicate';
COMMENT ON FUNCTION workorder.view_predicate(text, jsonb) IS
'The action "view" of all versions of a flow but drafts, as one SQL predicate over a guarded table, the tenant left out. Used by refresh_policies().';

CREATE FUNCTION workorder.require_tables() RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF to_regclass('workorder.flow') IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the tables of workorder are not made yet',
      DETAIL = 'Flows are kept in a table of yours.', HINT = 'Run SELECT workorder.install().';
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.require_tables() IS 'Raises WO404 if workorder.install() was not run yet.';

CREATE FUNCTION workorder.refuse_defects(definition jsonb) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found record;
  called CONSTANT text := coalesce('flow "' || left(nullif(refuse_defects.definition ->> 'id', ''), 63) || '"', 'the document');
BEGIN
  FOR found IN
    SELECT x.blocks, count(*) AS n, min(x.hint) AS hint,
      string_agg(format('%s at %s: %s', x.code, x.path, x.message), E'\n' ORDER BY x.part, x.relation, x.n) AS lines
    FROM (
      SELECT 0 AS part, NULL::text AS relation, d.n, d.code, d.path, d.message, d.hint, d.blocks
      FROM workorder.check_flow(refuse_defects.definition) WITH ORDINALITY d (code, path, message, hint, blocks, n)
      UNION ALL
      SELECT 1, g.relation::text, d.n, d.code, d.path, d.message, d.hint, d.blocks
      FROM workorder.guarded g
      JOIN pg_trigger t ON t.tgrelid = g.relation AND t.tgname = '~workorder_guard',
      LATERAL workorder.check_flow(refuse_defects.definition, g.relation) WITH ORDINALITY d (code, path, message, hint, blocks, n)
      WHERE g.flow = refuse_defects.definition ->> 'id' AND d.code IN ('unknown_column', 'column_type')
      UNION ALL
      SELECT 2, NULL, d.n, d.code, d.path, d.message, d.hint, d.blocks
      FROM workorder.check_members(refuse_defects.definition, workorder.tenant_id()) WITH ORDINALITY d (code, path, message, hint, blocks, n)) x
    GROUP BY x.blocks ORDER BY x.blocks DESC
  LOOP
    IF found.blocks THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400',
        MESSAGE = format('%s has %s %s', called, found.n, CASE WHEN found.n = 1 THEN 'defect' ELSE 'defects' END),
        DETAIL = found.lines,
        HINT = CASE WHEN found.n = 1 AND found.hint IS NOT NULL THEN found.hint
          ELSE 'Mend the document; workorder.check_flow() lists the same with a hint for each.' END;
    END IF;
    RAISE NOTICE USING
      MESSAGE = format('%s can be published, with %s %s', called, found.n, CASE WHEN found.n = 1 THEN 'warning' ELSE 'warnings' END),
      DETAIL = found.lines,
      HINT = CASE WHEN found.n = 1 THEN found.hint ELSE 'workorder.check_flow() and check_members() list the same with a hint for each.' END;
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.refuse_defects(jsonb) IS
'Raises WO400 with one line per defect if a document cannot be published: on its own, for the tables that have the flow, and for the people of the current tenant. A NOTICE tells what is no defect, and still may not be meant.';

CREATE FUNCTION workorder.refresh_flow(flow text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  r regclass;
BEGIN
  FOR r IN
    SELECT g.relation FROM workorder.guarded g
    JOIN pg_trigger t ON t.tgrelid = g.relation AND t.tgname = '~workorder_guard'
    WHERE g.flow = refresh_flow.flow ORDER BY g.id
  LOOP
    PERFORM workorder.refresh_policies(r);
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.refresh_flow(text) IS
'Compiles "view" into the policies of every table that has the flow. Called when the set of its versions changes. Needs to own the tables.';

CREATE FUNCTION workorder.publish(definition jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  flow_id int;
  flow_name CONSTANT text := publish.definition ->> 'id';
BEGIN
  PERFORM workorder.require_tables();
  IF jsonb_typeof(publish.definition) IS DISTINCT FROM 'object' THEN
    PERFORM workorder.refuse_defects(publish.definition);
  END IF;
  -- One publisher at a time; readers and tickets go on.
  LOCK TABLE workorder.flow IN SHARE ROW EXCLUSIVE MODE;
  SELECT f.id INTO flow_id FROM workorder.flow f
  WHERE f.name = flow_name AND f.life = 'published' AND f.definition = publish.definition;
  IF FOUND THEN
    RETURN flow_id;
  END IF;
  PERFORM workorder.refuse_defects(publish.definition);

  BEGIN
    UPDATE workorder.flow f SET life = 'deprecated' WHERE f.name = flow_name AND f.life = 'published';
    INSERT INTO workorder.flow (name, version, definition, life, published_at)
    SELECT flow_name, coalesce(max(f.version), 0) + 1, publish.definition, 'published', now()
    FROM workorder.flow f WHERE f.name = flow_name
    RETURNING id INTO flow_id;
  EXCEPTION
    -- An old snapshot does not show what another publisher did before the lock was ours.
    WHEN unique_violation THEN
      RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('flow "%s" was published by somebody else meanwhile', flow_name),
        DETAIL = 'This transaction began before that and cannot see it.', HINT = 'Publish again in a new transaction.';
    WHEN serialization_failure THEN
      RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('publishing flow "%s" conflicts with another transaction', flow_name),
        DETAIL = 'At this isolation level only one of them can be first.', HINT = 'Publish again in a new transaction.';
  END;
  PERFORM workorder.refresh_flow(flow_name);
  RETURN flow_id;
END
$$;
COMMENT ON FUNCTION workorder.publish(jsonb) IS
'Publishes a flow document as the next version of the flow it names and returns its id; the version published before becomes deprecated: its tickets stay on it, new ones start on the new. What is published already is not published again: its id is returned. Raises WO400 with one line per defect (check_flow), WO409 if somebody else published in between. Policies of the tables that have the flow are made anew, which needs to own them.';

CREATE FUNCTION workorder.draft(definition jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  flow_id int;
  flow_name CONSTANT text := draft.definition ->> 'id';
  defect record;
BEGIN
  PERFORM workorder.require_tables();
  SELECT d.* INTO defect FROM workorder.check_flow(draft.definition) d
  WHERE d.code IN ('not_an_object', 'too_large', 'no_id') OR d.path = 'id' LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'this cannot be a draft of a flow',
      DETAIL = format('%s at %s: %s', defect.code, defect.path, defect.message),
      HINT = 'A draft may have defects, but must be an object with a name in "id".';
  END IF;
  LOCK TABLE workorder.flow IN SHARE ROW EXCLUSIVE MODE;
  SELECT f.id INTO flow_id FROM workorder.flow f
  WHERE f.name = flow_name AND f.life = 'draft' AND f.definition = draft.definition
  ORDER BY f.version DESC LIMIT 1;
  IF NOT FOUND THEN
    INSERT INTO workorder.flow (name, version, definition, life)
    SELECT flow_name, coalesce(max(f.version), 0) + 1, draft.definition, 'draft'
    FROM workorder.flow f WHERE f.name = flow_name
    RETURNING id INTO flow_id;
  END IF;
  RETURN flow_id;
END
$$;
COMMENT ON FUNCTION workorder.draft(jsonb) IS
'Keeps a flow document as a draft and returns its id; no ticket can be on it. It may have defects: they count when set_life() publishes it. The same draft again returns the same id. Raises WO400 if the document has no name.';

CREATE FUNCTION workorder.set_life(flow_id int, life text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  flow record;
BEGIN
  PERFORM workorder.require_tables();
  IF set_life.life IS NULL OR set_life.life NOT IN ('draft', 'published', 'deprecated', 'retired') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'this is not a life a flow can have',
      DETAIL = 'A flow is a draft, published, deprecated or retired.', HINT = 'Give one of these four.';
  END IF;
  LOCK TABLE workorder.flow IN SHARE ROW EXCLUSIVE MODE;
  SELECT f.* INTO flow FROM workorder.flow f WHERE f.id = set_life.flow_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('flow %s does not exist', coalesce(set_life.flow_id::text, 'null')),
      DETAIL = 'Ids are those of table workorder.flow.', HINT = 'Look the flow up in workorder.flow.';
  END IF;
  IF flow.life = set_life.life THEN
    RETURN;
  END IF;
  IF flow.life = 'draft' AND set_life.life = 'published' THEN
    UPDATE workorder.flow f SET life = 'deprecated' WHERE f.name = flow.name AND f.life = 'published';
  END IF;
  UPDATE workorder.flow f SET life = set_life.life WHERE f.id = set_life.flow_id;
  PERFORM workorder.refresh_flow(flow.name);
END
$$;
COMMENT ON FUNCTION workorder.set_life(int, text) IS
'Takes a flow version further in its life: draft, published (takes new tickets, and the version before becomes deprecated), deprecated (takes none), retired. Raises WO400 if a draft that is to be published has defects, WO404 for an unknown id, WO409 for a step back, or for retiring a version while tickets on it are not in a final state.';

CREATE FUNCTION workorder.flow_immutable() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
  lives CONSTANT text[] := ARRAY['draft', 'published', 'deprecated', 'retired'];
  ends CONSTANT text[] := ARRAY(
    SELECT s.path FROM workorder.flow_states(OLD.definition) s WHERE s.kind = 'final' AND s.parent = '');
  g record;
  is_used boolean;
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.life = 'draft' THEN
      RETURN OLD;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('version %s of flow "%s" cannot be deleted', OLD.version, OLD.name),
      DETAIL = 'It was published, and tickets and their journal refer to it.', HINT = 'Retire it with workorder.set_life().';
  END IF;

  IF NEW.id <> OLD.id OR NEW.name <> OLD.name OR NEW.version <> OLD.version
    OR (OLD.life <> 'draft' AND (NEW.definition <> OLD.definition OR NEW.published_at IS DISTINCT FROM OLD.published_at)) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('version %s of flow "%s" cannot be changed', OLD.version, OLD.name),
      DETAIL = 'A published version never changes, and a draft keeps its name and version.', HINT = 'Publish a new version with workorder.publish().';
  END IF;
  IF NEW.definition ->> 'id' IS DISTINCT FROM NEW.name THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('the draft must keep the name "%s"', OLD.name),
      DETAIL = 'The name of a flow is the "id" of its document.', HINT = 'Make a draft of another flow with workorder.draft().';
  END IF;

  IF array_position(lives, NEW.life) < array_position(lives, OLD.life)
    OR (OLD.life = 'draft' AND NEW.life IN ('deprecated', 'retired')) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('a flow cannot go from %s to %s', OLD.life, NEW.life),
      DETAIL = 'Its life goes from draft to published, deprecated and retired, and never back.',
      HINT = CASE WHEN OLD.life = 'draft' THEN 'Delete a draft that is not wanted.'
        ELSE 'Publish the document again as a new version.' END;
  END IF;
  IF OLD.life = 'draft' AND NEW.life = 'published' THEN
    PERFORM workorder.refuse_defects(NEW.definition);
    NEW.published_at := now();
  END IF;

  IF OLD.life <> 'retired' AND NEW.life = 'retired' THEN
    FOR g IN
      SELECT x.relation, coalesce(x.columns ->> 'flow_id', 'flow_id') AS flow_column, coalesce(x.columns ->> 'state', 'state') AS state_column
      FROM workorder.guarded x
      JOIN pg_trigger t ON t.tgrelid = x.relation AND t.tgname = '~workorder_guard'
      WHERE x.flow = OLD.name ORDER BY x.id
    LOOP
      EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I = $1 AND coalesce(%I, '''') <> ALL ($2))',
        g.relation, g.flow_column, g.state_column) INTO is_used USING OLD.id, ends;
      IF is_used THEN
        RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('version %s of flow "%s" is in use', OLD.version, OLD.name),
          DETAIL = format('Table %s has tickets on it that are not in a final state.', g.relation),
          HINT = 'Leave it deprecated until they are done.';
      END IF;
    END LOOP;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION workorder.flow_immutable() IS
'BEFORE UPDATE OR DELETE trigger of workorder.flow: a published version keeps its document for ever, its life only goes on (WO409), a draft is checked when it is published (WO400), and only a draft may be deleted.';
