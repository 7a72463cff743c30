\echo Use "CREATE EXTENSION workorder CASCADE" to load this file. \quit

-- Texts are Unicode here: JSON, HTTP, search.  What is written in other encodings
-- could not always be said in the database.  (The script is read as a whole before
-- this runs, so it is in ASCII, and has neither U&'' nor E'\u'.)
DO $$
BEGIN
  IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'feature_not_supported',
      MESSAGE = 'workorder needs a database in UTF8',
      DETAIL = format('The encoding of this database is %s.', pg_catalog.getdatabaseencoding()),
      HINT = 'Create one: CREATE DATABASE ... TEMPLATE template0 ENCODING ''UTF8''.';
  END IF;
END
$$;

-- The schema is not a member of the extension: it also holds the tables that
-- workorder.install() makes, and those belong to the user.  So make sure that
-- it is ours before anything is put in it.
DO $$
BEGIN
  IF (SELECT n.nspowner <> r.oid
      FROM pg_catalog.pg_namespace n, pg_catalog.pg_roles r
      WHERE n.nspname = 'workorder' AND r.rolname = current_user) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = 'schema "workorder" belongs to somebody else',
      DETAIL = 'Whoever owns the schema could replace what the extension calls.',
      HINT = 'Drop the schema, or make the installing role its owner.';
  END IF;
END
$$;

COMMENT ON SCHEMA workorder IS 'workorder: flows, journal and people. Code belongs to the extension, tables to you.';
-- Who acts.  These come first: the engine's tables use tenant_id() as a default.
-- They read session settings, and what C code assumed for the transaction, which
-- a parallel worker does not have: PARALLEL RESTRICTED.

CREATE FUNCTION workorder.tenant_id() RETURNS bigint
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_tenant_id';
REVOKE ALL ON FUNCTION workorder.tenant_id() FROM PUBLIC;
COMMENT ON FUNCTION workorder.tenant_id() IS
'Tenant the session works in, 1 unless something says otherwise. A gateway''s session (workorder.gateway_roles) takes it from the token; any other from workorder.tenant, or from the person its database role is mapped to. Raises WO403 if the role stands for several people.';

CREATE FUNCTION workorder.actor_id() RETURNS bigint
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_actor_id';
REVOKE ALL ON FUNCTION workorder.actor_id() FROM PUBLIC;
COMMENT ON FUNCTION workorder.actor_id() IS
'Id of the person who acts, null for anonymous. In a gateway''s session the token''s sub, and nothing else; otherwise the login in workorder.actor, or the person the session''s database role is mapped to. Who is unknown or disabled is anonymous. SET ROLE and SECURITY DEFINER change nothing. In a policy write (SELECT workorder.actor_id()): it then runs once per query.';

CREATE FUNCTION workorder.has_role(role text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_has_role';
REVOKE ALL ON FUNCTION workorder.has_role(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.has_role(text) IS
'Whether the person who acts holds the role in his tenant (workorder.membership). Anonymous holds none. In a policy write (SELECT workorder.has_role(''...'')): it then runs once per query.';

CREATE FUNCTION workorder.takes_part(system text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_takes_part';
REVOKE ALL ON FUNCTION workorder.takes_part(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.takes_part(text) IS
'Whether the person who acts holds any role of a system, whose roles are qualified by its name (system.role), or the role of exactly this name. Anonymous holds none.';

CREATE FUNCTION workorder.sign_in(tenant bigint, login text, password text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_sign_in';
REVOKE ALL ON FUNCTION workorder.sign_in(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.sign_in(bigint, text, text) IS
'Token (JWT, HS256) for who knows his password: role, sub, tenant_id, iat, exp, jti. Key, web role and lifetime are the rows jwt (at least 32 bytes), web_role (default workorder_user) and token_seconds (default 28800) of workorder.secret. Raises WO403 "login failed", the same and after the same work for a wrong password, an unknown login, a person without a password and a disabled one; WO404 if there is no key. Reads the tables itself: the caller needs EXECUTE and nothing else. Pass the password as a parameter, so that it is not logged.';

CREATE FUNCTION workorder.open_credential(credential text) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_open_credential';
REVOKE ALL ON FUNCTION workorder.open_credential(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.open_credential(text) IS
'Id of the person of the current tenant who sends an encrypted credential with each request: hexadecimal digits (4096 at most) of a JSON object with the members username (1 to 128 characters), password (AES-256-GCM ciphertext, no associated data), nonce (12 or 16 bytes) and authTag (16 bytes), the last three in hexadecimal; luci-ticket section 3.4. Raises WO401 "invalid credential" for everything that is not the right password of an active person, the same and, where the key was right, after the same work; WO503 "credential service unavailable" without a sound key in workorder.secret (credential.<tenant> or credential, then the same with _previous; see rotate_credential_key()). Reads the tables itself. It does not make the person act: name a function that calls it as "identify" of an API.';

CREATE FUNCTION workorder.token(tenant bigint, login text, seconds integer DEFAULT NULL) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_token';
REVOKE ALL ON FUNCTION workorder.token(bigint, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION workorder.token(bigint, text, integer) IS
'Token for any active person without his password, for the administrator''s tools: whoever may execute this may act as anybody. seconds is its lifetime (default as sign_in(); a negative one makes an expired token). Raises WO404 for an unknown login or without a key, WO403 for a disabled person.';

CREATE FUNCTION workorder.clock() RETURNS timestamptz
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_clock';
REVOKE ALL ON FUNCTION workorder.clock() FROM PUBLIC;
COMMENT ON FUNCTION workorder.clock() IS
'The time that an act taken now would be journalled with: the real clock, or workorder.now where a superuser has fixed it.';
-- Substring search: an operator class for GIN under LIKE and ILIKE, and a
-- LEAKPROOF function that may use it on tables with row-level security.

CREATE FUNCTION workorder.contains_support(internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_contains_support';
REVOKE ALL ON FUNCTION workorder.contains_support(internal) FROM PUBLIC;
COMMENT ON FUNCTION workorder.contains_support(internal) IS
'Has the planner write the operator @> for contains(), so that indexes and estimates apply.';

-- LEAKPROOF, since it has no message and no error that depends on the texts;
-- src/contains.c and src/fold.c say how that is kept.
CREATE FUNCTION workorder.contains(document text, term text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE COST 20
SUPPORT workorder.contains_support
AS 'MODULE_PATHNAME', 'workorder_contains';
REVOKE ALL ON FUNCTION workorder.contains(text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.contains(text, text) IS
'Whether a text contains a term in whatever case: what document ILIKE ''%term%'' finds when %, _ and \ in the term stand for themselves, and besides, final and other sigma are one letter, and dots above do not count (nor does i without its dot differ from i). An index of workorder.bigram_ops on the document serves it, under row-level security too. An empty term is in every text; null if either is null. Raises 42P22 if the collation cannot be determined.';

CREATE OPERATOR workorder.@> (
  FUNCTION = workorder.contains,
  LEFTARG = text,
  RIGHTARG = text,
  RESTRICT = matchingsel,
  JOIN = matchingjoinsel
);
COMMENT ON OPERATOR workorder.@> (text, text) IS 'contains(): the text on the left contains the term on the right';

CREATE FUNCTION workorder.bigram_extract_value(text, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_bigram_extract_value';
REVOKE ALL ON FUNCTION workorder.bigram_extract_value(text, internal) FROM PUBLIC;
COMMENT ON FUNCTION workorder.bigram_extract_value(text, internal) IS
'Support of bigram_ops: the keys of a text.';

CREATE FUNCTION workorder.bigram_extract_query(text, internal, int2, internal, internal, internal, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_bigram_extract_query';
REVOKE ALL ON FUNCTION workorder.bigram_extract_query(text, internal, int2, internal, internal, internal, internal) FROM PUBLIC;
COMMENT ON FUNCTION workorder.bigram_extract_query(text, internal, int2, internal, internal, internal, internal) IS
'Support of bigram_ops: the keys that a text needs to match a pattern or contain a term.';

CREATE FUNCTION workorder.bigram_compare_partial(int4, int4, int2, internal) RETURNS int4
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_bigram_compare_partial';
REVOKE ALL ON FUNCTION workorder.bigram_compare_partial(int4, int4, int2, internal) FROM PUBLIC;
COMMENT ON FUNCTION workorder.bigram_compare_partial(int4, int4, int2, internal) IS
'Support of bigram_ops: whether a key begins as the search wants it to.';

CREATE FUNCTION workorder.bigram_consistent(internal, int2, text, int4, internal, internal, internal) RETURNS "char"
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_bigram_consistent';
REVOKE ALL ON FUNCTION workorder.bigram_consistent(internal, int2, text, int4, internal, internal, internal) FROM PUBLIC;
COMMENT ON FUNCTION workorder.bigram_consistent(internal, int2, text, int4, internal, internal, internal) IS
'Support of bigram_ops: whether a text with these keys may match.';

CREATE OPERATOR CLASS workorder.bigram_ops FOR TYPE text USING gin AS
  OPERATOR 1 pg_catalog.~~ (text, text),
  OPERATOR 2 pg_catalog.~~* (text, text),
  OPERATOR 3 workorder.@> (text, text),
  FUNCTION 1 pg_catalog.btint4cmp(int4, int4),
  FUNCTION 2 workorder.bigram_extract_value(text, internal),
  FUNCTION 3 workorder.bigram_extract_query(text, internal, int2, internal, internal, internal, internal),
  FUNCTION 5 workorder.bigram_compare_partial(int4, int4, int2, internal),
  FUNCTION 6 workorder.bigram_consistent(internal, int2, text, int4, internal, internal, internal),
  STORAGE int4;
COMMENT ON OPERATOR CLASS workorder.bigram_ops USING gin IS
'Substring search by LIKE, ILIKE and workorder.contains(), from one character on, in any script: CREATE INDEX ON t USING gin (c workorder.bigram_ops)';
-- Flows: checking, publishing, and what keeps a published one as it is.

CREATE FUNCTION workorder.signal() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'workorder_signal';
REVOKE ALL ON FUNCTION workorder.signal() FROM PUBLIC;
COMMENT ON FUNCTION workorder.signal() IS
'AFTER STATEMENT trigger of rule tables (flow, actor, membership): tells every session to read the table again. Must be ENABLE ALWAYS, or a restore would leave them with what they knew.';

CREATE FUNCTION workorder.check_flow(definition jsonb, relation regclass DEFAULT NULL)
RETURNS TABLE (code text, path text, message text, hint text)
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'workorder_check_flow';
REVOKE ALL ON FUNCTION workorder.check_flow(jsonb, regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.check_flow(jsonb, regclass) IS
'What is wrong with a flow document, one row per defect, none if it can be published; with a table, also what the table lacks for it. code is stable, path is the place in the document. Takes any JSON. Raises WO404 for a table that does not exist.';

CREATE FUNCTION workorder.check_members(definition jsonb, tenant bigint)
RETURNS TABLE (code text, path text, message text, hint text)
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_check_members';
REVOKE ALL ON FUNCTION workorder.check_members(jsonb, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.check_members(jsonb, bigint) IS
'What today''s people of a tenant cannot do of a flow document: quorums (quorum_members), steps that keep people apart (exclude_members: however the steps before are shared out, nobody is left), and calendars that the tenant does not have. one_person is a warning: a step that nobody could take if this person were away. Roles that nobody holds yet are not counted against a quorum unless others of it are held.';

CREATE FUNCTION workorder.flow_states(definition jsonb)
RETURNS TABLE (path text, parent text, label text, code text, kind text, initial boolean)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'workorder_flow_states';
REVOKE ALL ON FUNCTION workorder.flow_states(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.flow_states(jsonb) IS
'States of a flow document, parents first; kind is atomic, compound, final or history, parent is empty right below the root. Defects are passed over.';

CREATE FUNCTION workorder.flow_actions(definition jsonb)
RETURNS TABLE (state text, action text, target text, allow text[], guard text, require text[],
  fields text[], exclude text[], quorum jsonb, ordinal int)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'workorder_flow_actions';
REVOKE ALL ON FUNCTION workorder.flow_actions(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.flow_actions(jsonb) IS
'Transitions of a flow document by the state that declares them (empty: the root), ordinal giving the order in which those of one action are tried. target is the whole path, null if nothing moves. Defects are passed over.';

CREATE FUNCTION workorder.view_policy(flow_id int, columns jsonb DEFAULT '{}') RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_view_policy';
REVOKE ALL ON FUNCTION workorder.view_policy(int, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.view_policy(int, jsonb) IS
'The action "view" of one flow version as an SQL predicate over a guarded table, the tenant left out. columns maps engine columns to the table''s names. Raises WO404 for an unknown id.';

CREATE FUNCTION workorder.view_predicate(flow text, columns jsonb DEFAULT '{}') RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_view_predicate';
REVOKE ALL ON FUNCTION workorder.view_predicate(text, jsonb) FROM PUBLIC;
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
REVOKE ALL ON FUNCTION workorder.require_tables() FROM PUBLIC;
COMMENT ON FUNCTION workorder.require_tables() IS 'Raises WO404 if workorder.install() was not run yet.';

CREATE FUNCTION workorder.refuse_defects(definition jsonb) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found record;
BEGIN
  SELECT count(*) AS n, min(x.hint) AS hint,
    string_agg(format('%s at %s: %s', x.code, x.path, x.message), E'\n' ORDER BY x.part, x.relation, x.n) AS lines
  INTO found
  FROM (
    SELECT 0 AS part, NULL::text AS relation, d.n, d.code, d.path, d.message, d.hint
    FROM workorder.check_flow(refuse_defects.definition) WITH ORDINALITY d (code, path, message, hint, n)
    UNION ALL
    SELECT 1, g.relation::text, d.n, d.code, d.path, d.message, d.hint
    FROM workorder.guarded g
    JOIN pg_trigger t ON t.tgrelid = g.relation AND t.tgname = '~workorder_guard',
    LATERAL workorder.check_flow(refuse_defects.definition, g.relation) WITH ORDINALITY d (code, path, message, hint, n)
    WHERE g.flow = refuse_defects.definition ->> 'id' AND d.code IN ('unknown_column', 'column_type')
    UNION ALL
    SELECT 2, NULL, d.n, d.code, d.path, d.message, d.hint
    FROM workorder.check_members(refuse_defects.definition, workorder.tenant_id()) WITH ORDINALITY d (code, path, message, hint, n)
    WHERE d.code <> 'one_person') x;
  IF found.n > 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400',
      MESSAGE = format('%s has %s %s', coalesce('flow "' || left(nullif(refuse_defects.definition ->> 'id', ''), 63) || '"', 'the document'),
        found.n, CASE WHEN found.n = 1 THEN 'defect' ELSE 'defects' END),
      DETAIL = found.lines,
      HINT = CASE WHEN found.n = 1 AND found.hint IS NOT NULL THEN found.hint
        ELSE 'Mend the document; workorder.check_flow() lists the same with a hint for each.' END;
  END IF;
  SELECT count(*) AS n, min(d.hint) AS hint, string_agg(format('%s at %s: %s', d.code, d.path, d.message), E'\n' ORDER BY d.n) AS lines
  INTO found
  FROM workorder.check_members(refuse_defects.definition, workorder.tenant_id()) WITH ORDINALITY d (code, path, message, hint, n)
  WHERE d.code = 'one_person';
  IF found.n > 0 THEN
    RAISE NOTICE USING MESSAGE = format('flow "%s" has %s that one person''s leave would block', refuse_defects.definition ->> 'id',
        CASE WHEN found.n = 1 THEN 'a step' ELSE found.n || ' steps' END),
      DETAIL = found.lines, HINT = found.hint;
  END IF;
END
$$;
REVOKE ALL ON FUNCTION workorder.refuse_defects(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.refuse_defects(jsonb) IS
'Raises WO400 with one line per defect if a document cannot be published: on its own, for the tables that have the flow, and for the people of the current tenant.';

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
REVOKE ALL ON FUNCTION workorder.refresh_flow(text) FROM PUBLIC;
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
    UPDATE workorder.flow f SET life = 'fading' WHERE f.name = flow_name AND f.life = 'published';
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
REVOKE ALL ON FUNCTION workorder.publish(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.publish(jsonb) IS
'Publishes a flow document as the next version of the flow it names and returns its id; the version published before fades: its tickets stay on it, new ones start on the new. What is published already is not published again: its id is returned. Raises WO400 with one line per defect (check_flow), WO409 if somebody else published in between. Policies of the tables that have the flow are made anew, which needs to own them.';

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
REVOKE ALL ON FUNCTION workorder.draft(jsonb) FROM PUBLIC;
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
  IF set_life.life IS NULL OR set_life.life NOT IN ('draft', 'published', 'fading', 'retired') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'this is not a life a flow can have',
      DETAIL = 'A flow is a draft, published, fading or retired.', HINT = 'Give one of these four.';
  END IF;
  LOCK TABLE workorder.flow IN SHARE ROW EXCLUSIVE MODE;
  SELECT f.* INTO flow FROM workorder.flow f WHERE f.id = set_life.flow_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('there is no flow with id %s', coalesce(set_life.flow_id::text, 'null')),
      DETAIL = 'Ids are those of table workorder.flow.', HINT = 'Look the flow up in workorder.flow.';
  END IF;
  IF flow.life = set_life.life THEN
    RETURN;
  END IF;
  IF flow.life = 'draft' AND set_life.life = 'published' THEN
    UPDATE workorder.flow f SET life = 'fading' WHERE f.name = flow.name AND f.life = 'published';
  END IF;
  UPDATE workorder.flow f SET life = set_life.life WHERE f.id = set_life.flow_id;
  PERFORM workorder.refresh_flow(flow.name);
END
$$;
REVOKE ALL ON FUNCTION workorder.set_life(int, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.set_life(int, text) IS
'Takes a flow version further in its life: draft, published (takes new tickets, and the version before fades), fading (takes none), retired. Raises WO400 if a draft that is to be published has defects, WO404 for an unknown id, WO409 for a step back, or for retiring a version while tickets on it are not in a final state.';

CREATE FUNCTION workorder.flow_immutable() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
  lives CONSTANT text[] := ARRAY['draft', 'published', 'fading', 'retired'];
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
    OR (OLD.life = 'draft' AND NEW.life IN ('fading', 'retired')) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('a flow cannot go from %s to %s', OLD.life, NEW.life),
      DETAIL = 'Its life goes from draft to published, fading and retired, and never back.',
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
          HINT = 'Let it fade until they are done.';
      END IF;
    END LOOP;
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION workorder.flow_immutable() FROM PUBLIC;
COMMENT ON FUNCTION workorder.flow_immutable() IS
'BEFORE UPDATE OR DELETE trigger of workorder.flow: a published version keeps its document for ever, its life only goes on (WO409), a draft is checked when it is published (WO400), and only a draft may be deleted.';
-- The people of a tenant.  These functions run as the caller: who may write the
-- tables workorder.actor, workorder.membership and workorder.password may use
-- them.  All of them work in workorder.tenant_id().

-- A body in standard SQL is bound when it is created, to the pgcrypto that this
-- extension requires: nothing in anybody's search_path can take its place.  The
-- cost is also that of the hash sign_in() computes for who has none.
CREATE FUNCTION workorder.password_hash(password text) RETURNS text
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
BEGIN ATOMIC
  SELECT crypt(password::text, gen_salt('bf'::text, 10::integer));
END;
REVOKE ALL ON FUNCTION workorder.password_hash(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.password_hash(text) IS
'Blowfish hash of a password with a new salt, as sign_in() compares it. Used by set_password().';

CREATE FUNCTION workorder.random_key() RETURNS text
LANGUAGE sql VOLATILE PARALLEL SAFE
BEGIN ATOMIC
  SELECT encode(gen_random_bytes(32), 'hex'::text);
END;
REVOKE ALL ON FUNCTION workorder.random_key() FROM PUBLIC;
COMMENT ON FUNCTION workorder.random_key() IS
'32 random bytes in hexadecimal. Used by rotate_credential_key().';

CREATE FUNCTION workorder.enrol(login text, name text, roles text[] DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  home CONSTANT bigint := workorder.tenant_id();
  person bigint;
  known_as text;
  enabled boolean;
BEGIN
  IF enrol.login IS NULL OR enrol.login !~ '[^[:space:]]' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'login is blank',
      DETAIL = 'A person is found by his login.', HINT = 'Give a login.';
  END IF;
  IF enrol.name IS NULL OR enrol.name !~ '[^[:space:]]' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'name is blank',
      DETAIL = 'The history shows people by name.', HINT = 'Give a name; the login will do.';
  END IF;
  IF EXISTS (SELECT FROM unnest(enrol.roles) AS r (role) WHERE r.role IS NULL OR r.role !~ '[^[:space:]]') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'role is blank',
      DETAIL = 'Every role in the list needs a name.', HINT = 'Give an empty list to take all roles away.';
  END IF;

  -- The lock makes two enrolments of one person wait for each other.
  SELECT a.id, a.name, a.active INTO person, known_as, enabled FROM workorder.actor a
  WHERE a.tenant_id = home AND a.login = enrol.login
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    IF NOT EXISTS (SELECT FROM workorder.tenant t WHERE t.id = home) THEN
      RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'no such tenant',
        DETAIL = 'People belong to a tenant, and the current one is not in workorder.tenant.',
        HINT = 'Add the tenant, or set workorder.tenant to another.';
    END IF;
    INSERT INTO workorder.actor AS a (tenant_id, login, name)
    VALUES (home, enrol.login, enrol.name)
    ON CONFLICT (tenant_id, login) DO UPDATE SET name = excluded.name, active = true
    RETURNING a.id INTO person;
  ELSIF known_as IS DISTINCT FROM enrol.name OR enabled IS NOT TRUE THEN
    UPDATE workorder.actor a SET name = enrol.name, active = true
    WHERE a.tenant_id = home AND a.id = person;
  END IF;

  -- Every write makes all sessions forget the people they know: write changes only.
  IF enrol.roles IS NOT NULL THEN
    IF EXISTS (SELECT FROM workorder.membership m
               WHERE m.tenant_id = home AND m.actor_id = person AND m.role <> ALL (enrol.roles)) THEN
      DELETE FROM workorder.membership m
      WHERE m.tenant_id = home AND m.actor_id = person AND m.role <> ALL (enrol.roles);
    END IF;
    IF EXISTS (SELECT FROM unnest(enrol.roles) AS r (role)
               WHERE NOT EXISTS (SELECT FROM workorder.membership m
                                 WHERE m.tenant_id = home AND m.actor_id = person AND m.role = r.role)) THEN
      INSERT INTO workorder.membership (tenant_id, actor_id, role)
      SELECT home, person, r.role FROM unnest(enrol.roles) AS r (role)
      ON CONFLICT DO NOTHING;
    END IF;
  END IF;
  RETURN person;
END
$$;
REVOKE ALL ON FUNCTION workorder.enrol(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION workorder.enrol(text, text, text[]) IS
'Adds a person to the current tenant, or gives the one with this login a new name; a disabled one is enabled again. roles, unless null, become his roles: others are taken away. Returns his id. Raises WO400 for a blank login, name or role, WO404 if the current tenant does not exist.';

CREATE FUNCTION workorder.person_id(login text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  home CONSTANT bigint := workorder.tenant_id();
  found_id bigint;
BEGIN
  SELECT a.id INTO found_id FROM workorder.actor a
  WHERE a.tenant_id = home AND a.login = person_id.login
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'no such actor',
      DETAIL = 'Nobody in this tenant has this login.', HINT = 'Add people with workorder.enrol().';
  END IF;
  RETURN found_id;
END
$$;
REVOKE ALL ON FUNCTION workorder.person_id(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.person_id(text) IS
'Id of the person with this login in the current tenant, whose row it locks. Raises WO404 if there is none. Used by set_password(), disable() and map_role().';

CREATE FUNCTION workorder.set_password(login text, password text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT bigint := workorder.person_id(set_password.login);
BEGIN
  IF set_password.password IS NULL OR char_length(set_password.password) < 8 THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'password is too short',
      DETAIL = 'A password has at least 8 characters.', HINT = 'Choose a longer one.';
  END IF;
  -- Blowfish reads no further, so the rest would be accepted whatever it is.
  IF octet_length(set_password.password) > 72 THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'password is too long',
      DETAIL = 'A password has at most 72 bytes.', HINT = 'Choose a shorter one.';
  END IF;
  INSERT INTO workorder.password (tenant_id, actor_id, hash)
  VALUES (workorder.tenant_id(), person, workorder.password_hash(set_password.password))
  ON CONFLICT (tenant_id, actor_id) DO UPDATE SET hash = excluded.hash;
END
$$;
REVOKE ALL ON FUNCTION workorder.set_password(text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.set_password(text, text) IS
'Sets the password a person of the current tenant signs in with: 8 characters at least, 72 bytes at most. Only its hash is kept. Raises WO404 for an unknown login, WO400 for a password too short or too long. Pass it as a parameter, so that it is not logged.';

CREATE FUNCTION workorder.disable(login text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  person CONSTANT bigint := workorder.person_id(disable.login);
BEGIN
  UPDATE workorder.actor a SET active = false
  WHERE a.tenant_id = workorder.tenant_id() AND a.id = person AND a.active IS NOT FALSE;
END
$$;
REVOKE ALL ON FUNCTION workorder.disable(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.disable(text) IS
'Takes everything from a person of the current tenant: he may not sign in, tokens he has make him anonymous, and he counts in no quorum. His roles are kept for enrol(), which enables him again. Raises WO404 for an unknown login.';

CREATE FUNCTION workorder.map_role(login text, db_role text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  home CONSTANT bigint := workorder.tenant_id();
  person CONSTANT bigint := workorder.person_id(map_role.login);
BEGIN
  IF map_role.db_role IS NOT NULL
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname::text = map_role.db_role) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'no such database role',
      DETAIL = 'A person is recognised by the role he logs in as.', HINT = 'Create the role first, or give null to end a mapping.';
  END IF;
  IF EXISTS (SELECT FROM workorder.actor a
             WHERE a.tenant_id = home AND a.db_role = map_role.db_role AND a.id <> person) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = 'the database role stands for somebody else',
      DETAIL = 'Within a tenant a role stands for one person.', HINT = 'End the other mapping first.';
  END IF;
  UPDATE workorder.actor a SET db_role = map_role.db_role
  WHERE a.tenant_id = home AND a.id = person AND a.db_role IS DISTINCT FROM map_role.db_role;
END
$$;
REVOKE ALL ON FUNCTION workorder.map_role(text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.map_role(text, text) IS
'Lets a person of the current tenant act when somebody logs in to the database as this role; null ends it. Means nothing for gateway roles and where workorder.actor is set. Raises WO404 for an unknown login or role, WO409 if the role stands for somebody else in this tenant.';

CREATE FUNCTION workorder.rotate_credential_key(tenant bigint DEFAULT NULL, key text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  current_name CONSTANT text := concat_ws('.', 'credential', rotate_credential_key.tenant);
BEGIN
  IF rotate_credential_key.key !~ '^[0-9A-Fa-f]{64}$' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'the key is not 64 hexadecimal digits',
      DETAIL = 'AES-256 has keys of 32 bytes.', HINT = 'Give none: a new one is made up.';
  END IF;
  LOCK TABLE workorder.secret IN SHARE ROW EXCLUSIVE MODE;
  -- What is no key would keep everybody out for as long as it is kept.
  DELETE FROM workorder.secret s
  WHERE s.name = current_name || '_previous' OR (s.name = current_name AND s.value !~ '^[0-9A-Fa-f]{64}$');
  UPDATE workorder.secret s SET name = current_name || '_previous' WHERE s.name = current_name;
  -- A tenant's first key of its own comes after the one that it shared.
  IF NOT FOUND THEN
    INSERT INTO workorder.secret (name, value)
    SELECT current_name || '_previous', s.value FROM workorder.secret s
    WHERE s.name = 'credential' AND rotate_credential_key.tenant IS NOT NULL;
  END IF;
  INSERT INTO workorder.secret (name, value)
  VALUES (current_name, coalesce(lower(rotate_credential_key.key), workorder.random_key()));
END
$$;
REVOKE ALL ON FUNCTION workorder.rotate_credential_key(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.rotate_credential_key(bigint, text) IS
'Gives credentials a new key, made up unless one is given, and keeps the one before as the row credential_previous of workorder.secret, with which credentials are still opened until it is deleted. With a tenant, the key is that tenant''s own (credential.<tenant>). Give a key as a parameter, so that it is not logged. Needs to own workorder.secret. Raises WO400 for a key that is not 64 hexadecimal digits.';
-- What an application's role gets.

CREATE FUNCTION workorder.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  f text;
BEGIN
  IF grant_access.role IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'grant_access() needs a role',
      DETAIL = 'It must not be null.', HINT = 'Give the name of a database role.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = grant_access.role) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('there is no role with OID %s', grant_access.role),
      DETAIL = 'It may have been dropped.', HINT = 'Give the name of a database role.';
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA workorder TO %s', grant_access.role);
  FOREACH f IN ARRAY ARRAY[
    'tenant_id()', 'actor_id()', 'has_role(text)', 'takes_part(text)', 'clock()', 'next_number(text)', 'sign_in(bigint, text, text)',
    'act(regclass, bigint, text, text, jsonb, int)', 'can(regclass, bigint, text, text, jsonb)',
    'explain(regclass, bigint, text, text, jsonb)', 'actions(regclass, bigint)',
    'permitted(regclass, bigint[], text[], text[])', 'taken(regclass, text, text)',
    'attach(regclass, bigint, bytea, text, text, text, uuid)', 'image_type(bytea)', 'image_extension(text)',
    'decode_base64(text)', 'read_image(text)',
    'visible(regclass, bigint)', 'contains(text, text)', 'total(regclass, text[])', 'as_of(regclass, bigint, timestamptz)',
    'add_reply(regclass, bigint, text, jsonb)', 'replies(regclass, bigint[])', 'remove_reply(regclass, bigint, bigint)',
    'recall(text, text, jsonb)', 'remember(text, text, jsonb, jsonb)', 'flow_states(jsonb)', 'flow_actions(jsonb)', 'api_relation(text)',
    'standing(regclass, bigint)', 'movers(regclass, bigint)', 'clocks(regclass, bigint)', 'why(regclass, bigint)', 'draw(jsonb, text, jsonb)', 'diagram(jsonb, text)', 'diagram(text, text)', 'diagram(regclass, bigint, text)',
    'newest_version(text)', 'flow_way(jsonb, text, text)', 'prove(jsonb, text, text)', 'prove(text, text, text)',
    'setting(text, text, text)', 'in_dictionary(text, text, text)',
    'round_tasks(jsonb)', 'ticket_key(regclass)', 'add_approver(regclass, bigint, text, text, text, int)', 'remove_approver(regclass, bigint, text, text)',
    'transfer_task(regclass, bigint, text, text, text)', 'delegate_task(regclass, bigint, text, text)', 'return_task(regclass, bigint, text)',
    'claim(regclass, bigint, text)', 'release(regclass, bigint, text)', 'claim_next(regclass)', 'send_back(regclass, bigint, text, text, text)',
    'withdraw(regclass, bigint, text)', 'take_back(regclass, bigint, text)', 'remind(regclass, bigint, text)',
    'copy_to(regclass, bigint, text[], text)', 'hand_over(text, text, text)', 'deputise(text, timestamptz, timestamptz)',
    'add_working_time(timestamptz, interval, text)', 'working_time_between(timestamptz, timestamptz, text)']
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION workorder.%s TO %s', f, grant_access.role);
  END LOOP;
  PERFORM workorder.grant_anonymous(grant_access.role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION api.act(text, bigint, text, text, jsonb, int), api.can(text, bigint, text, text, jsonb),
    api.explain(text, bigint, text, text, jsonb), api.actions(text, bigint) TO %s', grant_access.role);
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
REVOKE ALL ON FUNCTION workorder.grant_access(regrole) FROM PUBLIC;
COMMENT ON FUNCTION workorder.grant_access(regrole) IS
'Gives a role what an application needs: grant_table() on every guarded table but those in a schema that has a grant_access() of its own, which decides on them; EXECUTE on the functions that ask and act, and on those of schema api; SELECT on the people, roles and dictionaries of its tenant. Call it again after guarding another table. Needs to own the tables.';

CREATE FUNCTION workorder.grant_table(
  relation regclass, role regrole, insertable text[] DEFAULT NULL, deletable boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  schema text;
  inserted text;
  updated text;
BEGIN
  SELECT r.relnamespace::regnamespace, string_agg(quote_ident(a.attname), ', ') FILTER (WHERE
      CASE WHEN insertable IS NULL THEN e.name IS NULL OR e.name = 'note' ELSE a.attname = ANY (insertable) END),
    string_agg(quote_ident(a.attname), ', ') FILTER (WHERE e.name IN ('action', 'note')
      OR (e.name IS NULL AND NOT a.attnum = ANY (i.indkey)))
  INTO schema, inserted, updated
  FROM workorder.guarded g
  JOIN pg_class r ON r.oid = g.relation
  JOIN pg_attribute a ON a.attrelid = g.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
  LEFT JOIN workorder.engine_columns() e ON coalesce(g.columns ->> e.name, e.name) = a.attname
  WHERE g.relation = grant_table.relation
  GROUP BY r.relnamespace;
  IF NOT FOUND THEN
    PERFORM workorder.refuse('WO404', 'no such table with a flow', 'Rights are given on guarded tables.', 'Run workorder.guard() first.');
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', schema, grant_table.role);
  IF insertable IS NOT NULL THEN
    EXECUTE format('REVOKE INSERT ON %s FROM %s', grant_table.relation, grant_table.role);
  END IF;
  IF inserted IS NOT NULL THEN
    EXECUTE format('GRANT INSERT (%s) ON %s TO %s', inserted, grant_table.relation, grant_table.role);
  END IF;
  EXECUTE format(CASE WHEN deletable THEN 'GRANT DELETE ON %s TO %s' ELSE 'REVOKE DELETE ON %s FROM %s' END,
    grant_table.relation, grant_table.role);
  EXECUTE format('GRANT SELECT, UPDATE (%s) ON %s TO %s', updated, grant_table.relation, grant_table.role);
END
$$;
REVOKE ALL ON FUNCTION workorder.grant_table(regclass, regrole, text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION workorder.grant_table(regclass, regrole, text[], boolean) IS
'Gives a role a guarded table: SELECT and, unless it is not deletable, DELETE (under the policies and the flow), INSERT of the columns that are insertable (null: the business columns and note) and of no others, UPDATE of action, note and business columns. Raises WO404 for a table without a flow. Needs to own the table.';

CREATE FUNCTION workorder.grant_anonymous(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f text;
BEGIN
  IF grant_anonymous.role IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'grant_anonymous() needs a role',
      DETAIL = 'It must not be null.', HINT = 'Give the name of a database role.';
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA workorder, api TO %s', grant_anonymous.role);
  FOREACH f IN ARRAY ARRAY[
    'workorder.http_read(bytea)', 'workorder.http_write(bytea)', 'workorder.sign_in(bigint, text, text)',
    'workorder.http_json(int, json, jsonb)', 'workorder.http_bytes(int, bytea, text, jsonb)',
    'workorder.http_empty(int, jsonb)', 'workorder.http_error(int, text, text, text)',
    'workorder.http_fields(workorder.http_request, text, boolean)', 'workorder.http_value(jsonb, text)', 'workorder.http_list(jsonb, text)',
    'workorder.read_input(jsonb, jsonb, jsonb)', 'workorder.check_input(jsonb, jsonb)',
    'workorder.judge_input(jsonb, jsonb)', 'workorder.input_value(jsonb, jsonb)',
    'workorder.input_time(text, boolean, boolean)', 'workorder.input_message(jsonb, text, text, text)',
    'workorder.is_blank(jsonb)', 'workorder.refuse(text, text, text, text)', 'workorder.refuse_input(jsonb, text, text, text, text)', 'workorder.path_id(text)',
    'workorder.time_of(text, text)', 'workorder.time_text(timestamptz, text)',
    'api.http_read(bytea)', 'api.http_write(bytea)', 'api.sign_in(text, text, bigint)']
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f, grant_anonymous.role);
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION workorder.grant_anonymous(regrole) FROM PUBLIC;
COMMENT ON FUNCTION workorder.grant_anonymous(regrole) IS
'Gives a role what a gateway needs before anybody has signed in: EXECUTE on http_read(), http_write(), sign_in() and the helpers of handlers, and nothing to read. Handlers that serve the public are granted by themselves. Needs to own the functions of schema api.';
-- Reading the journal back, and keeping it as it was written.

CREATE FUNCTION workorder.visible(relation regclass, id bigint) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_visible';
REVOKE ALL ON FUNCTION workorder.visible(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.visible(regclass, bigint) IS
'Whether the caller may see a ticket of his tenant: its row is there, and his privileges and the flow''s "view" let him read it. False for a ticket that does not exist, or in a table that is not guarded, null for null arguments; whoever owns the table sees all that was ever in it. What tells anything of a ticket''s history asks this first.';

CREATE FUNCTION workorder.as_of(relation regclass, id bigint, at timestamptz) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_as_of';
REVOKE ALL ON FUNCTION workorder.as_of(regclass, bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION workorder.as_of(regclass, bigint, timestamptz) IS
'A ticket''s row as it was at that time: an object of all columns the table has, save generated ones, folded from the ticket''s journal. Null if the ticket did not exist then. For whoever may see the ticket now and read every column of the table; of a ticket that is gone the table''s owner alone is told. Columns that were added later are null until a line tells of them. Raises WO404 for a table that is not guarded and for a ticket that the caller may not see.';

CREATE FUNCTION workorder.journal_append_only() RETURNS trigger
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'workorder_journal_append_only';
REVOKE ALL ON FUNCTION workorder.journal_append_only() FROM PUBLIC;
COMMENT ON FUNCTION workorder.journal_append_only() IS
'Trigger of workorder.journal (BEFORE INSERT, UPDATE OR DELETE for each row, AFTER TRUNCATE): refuses with WO403, the owner and superusers too; only that they may insert, to load lines from elsewhere. Under workorder.maintenance it lets the change pass and appends a line of its own: relation_id 0, the ticket''s number (0 for TRUNCATE), action maintenance, and a note of what was done by which role. Made by install().';

CREATE FUNCTION workorder.journal_maintenance(relation_id int, ticket_id bigint, note text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_journal_maintenance';
REVOKE ALL ON FUNCTION workorder.journal_maintenance(int, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.journal_maintenance(int, bigint, text) IS
'Appends a maintenance line to the journal: relation_id 0, this ticket number (0 for a whole table), and a note of what was done to which relation (workorder.guarded.id) by which role. Raises WO403 unless workorder.maintenance is on.';
-- What people call.

-- A type of its own, since a record of OUT parameters is looked up anew with every call.
CREATE TYPE workorder.act_result AS (revision int, state text);
COMMENT ON TYPE workorder.act_result IS 'Where a ticket is after an action: its revision, and the leaf of its state.';

CREATE FUNCTION workorder.act(relation regclass, id bigint, action text, note text DEFAULT NULL,
  changes jsonb DEFAULT NULL, expect_revision int DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_act';
REVOKE ALL ON FUNCTION workorder.act(regclass, bigint, text, text, jsonb, int) FROM PUBLIC;
COMMENT ON FUNCTION workorder.act(regclass, bigint, text, text, jsonb, int) IS
'Takes an action on a ticket of the caller''s tenant, as UPDATE ... SET action would, and returns the revision and the state after it. changes: {"column": value}; expect_revision: refuse (WO409) if the ticket has moved on. Raises WO400, WO403, WO404 and WO409 with detail and hint; a ticket that the caller may not see is not found. Needs UPDATE on the columns it writes.';

CREATE FUNCTION workorder.can(relation regclass, id bigint, action text, note text DEFAULT NULL,
  changes jsonb DEFAULT NULL) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_can';
REVOKE ALL ON FUNCTION workorder.can(regclass, bigint, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.can(regclass, bigint, text, text, jsonb) IS
'Whether act() with the same arguments would succeed (for view and delete: SELECT and DELETE). Raises WO404 for a ticket that the caller may not see, WO400 for changes that are not valid.';

CREATE FUNCTION workorder.explain(relation regclass, id bigint, action text, note text DEFAULT NULL,
  changes jsonb DEFAULT NULL)
RETURNS TABLE (code text, message text, detail text, hint text)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 4
AS 'MODULE_PATHNAME', 'workorder_explain';
REVOKE ALL ON FUNCTION workorder.explain(regclass, bigint, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.explain(regclass, bigint, text, text, jsonb) IS
'Every reason why act() with the same arguments would be refused, none if it would not be. code is unknown_action, state, guard, allow, exclude, require, fields, voted, quorum, turn, delegated or approvers, and for orders about tasks also order, actor, task, trail, twice, touched, claimed, unclaimed, decides or reminded. Raises like can().';

CREATE FUNCTION workorder.actions(relation regclass, id bigint)
RETURNS TABLE (action text, target text, allowed boolean, needs text[], reasons text[])
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workorder_actions';
REVOKE ALL ON FUNCTION workorder.actions(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.actions(regclass, bigint) IS
'What may be done with a ticket now: each action its state knows, where it leads (null: nowhere), whether the caller may take it once he gives what it needs (columns, or note), and otherwise every reason why not. Raises WO404 for a ticket that the caller may not see.';

CREATE FUNCTION workorder.permitted(relation regclass, ids bigint[], actions text[], capacity text[] DEFAULT NULL)
RETURNS TABLE (id bigint, permitted text[])
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'workorder_permitted';
REVOKE ALL ON FUNCTION workorder.permitted(regclass, bigint[], text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION workorder.permitted(regclass, bigint[], text[], text[]) IS
'For lists: of each of these tickets that the caller may see, which of these actions he may take now, once he gives what they need: what actions() calls allowed, for many tickets at once. capacity limits in which capacity he is judged, in the words of a flow''s "allow": ARRAY[''manager''] counts that role of his and no other, and no relation; ARRAY[''worker'', ''$holder_id''] that role and being the holder. Null: all he is. Tickets that are not there or not his to see are left out; an action that a ticket''s flow does not know is permitted to nobody. Raises WO400 for null arguments and null elements.';

CREATE FUNCTION workorder.taken(relation regclass, key text, value text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_taken';
REVOKE ALL ON FUNCTION workorder.taken(regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.taken(regclass, text, text) IS
'Whether a ticket of the tenant, be it one that the caller may see or not, holds this value in a text column that is a unique key (tenant, column). It tells no more than a unique key tells whoever inserts, and is for interfaces that must answer "not permitted" rather than "not found". Needs SELECT on the column; raises WO400 for any other column.';

CREATE FUNCTION workorder.standing(relation regclass, id bigint,
  OUT flow_id int, OUT state text, OUT history text, OUT votes jsonb, OUT revision int, OUT creator_id bigint, OUT acted_by bigint,
  OUT created_at timestamptz, OUT entered_at timestamptz, OUT updated_at timestamptz, OUT last_action text, OUT last_note text)
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_standing';
REVOKE ALL ON FUNCTION workorder.standing(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.standing(regclass, bigint) IS
'The engine''s columns of a ticket under their own names, whatever the table calls them. Raises WO404 for a ticket that the caller may not see.';
-- The conversation about a ticket: who may take part in it, and when, is the
-- flow's (actions "reply" and "remove_reply").

CREATE FUNCTION workorder.add_reply(relation regclass, ticket_id bigint, content text, data jsonb DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_add_reply';
REVOKE ALL ON FUNCTION workorder.add_reply(regclass, bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.add_reply(regclass, bigint, text, jsonb) IS
'Takes the flow''s action "reply" on a ticket of the caller''s tenant, as act() would, and keeps what was said with the line that the journal has of it; returns the reply''s number. content may be empty; data is the application''s own (JSON null is none). Raises like act(), WO400 if an argument but data is null, WO409 if the table''s triggers do not journal.';

CREATE FUNCTION workorder.replies(relation regclass, ticket_ids bigint[])
RETURNS TABLE (ticket_id bigint, id bigint, actor_id bigint, at timestamptz, content text, data jsonb)
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'workorder_replies';
REVOKE ALL ON FUNCTION workorder.replies(regclass, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION workorder.replies(regclass, bigint[]) IS
'The replies of tickets of the caller''s tenant, ticket by ticket, the oldest first; nothing of a ticket that the caller may not see (see visible()). actor_id is null if nobody was signed in. Raises WO404 for a table that is not guarded.';

CREATE FUNCTION workorder.remove_reply(relation regclass, ticket_id bigint, reply_id bigint) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_remove_reply';
REVOKE ALL ON FUNCTION workorder.remove_reply(regclass, bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.remove_reply(regclass, bigint, bigint) IS
'Takes the flow''s action "remove_reply" on a ticket and removes a reply that the caller wrote; the journal keeps that there was one, not what it said. Raises WO404 for a ticket that the caller may not see and for a reply that is not there, WO403 for somebody else''s, and else like act().';

CREATE FUNCTION workorder.import_replies(relation regclass, list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  guarded_id CONSTANT int := (SELECT g.id FROM workorder.guarded g WHERE g.relation = import_replies.relation);
  sequence CONSTANT regclass := pg_get_serial_sequence('workorder.reply', 'id');
  imported int;
  greatest_id bigint;
BEGIN
  IF guarded_id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'no such table with a flow',
      DETAIL = 'Replies belong to the tickets of a guarded table.', HINT = 'Run workorder.guard() first.';
  END IF;
  IF jsonb_typeof(list) IS DISTINCT FROM 'array' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'replies must come as a list',
      DETAIL = 'The list is a JSON array of objects.',
      HINT = 'For example [{"ticket_id": 1, "actor_id": 2, "at": "2020-01-02 03:04:05", "content": "Thank you."}].';
  END IF;
  IF EXISTS (SELECT FROM jsonb_to_recordset(list) AS r (ticket_id bigint, at timestamptz, content text)
             WHERE r.ticket_id IS NULL OR r.at IS NULL OR r.content IS NULL) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'a reply is incomplete',
      DETAIL = 'Each needs ticket_id, at and content, which may be empty.', HINT = 'Complete the list.';
  END IF;
  -- Nobody takes a number meanwhile.
  LOCK TABLE workorder.reply IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO workorder.reply (tenant_id, relation_id, ticket_id, id, actor_id, at, content, data)
  SELECT workorder.tenant_id(), guarded_id, r.ticket_id, coalesce(r.id, nextval(sequence)), r.actor_id, r.at,
    r.content, nullif(r.data, 'null')
  FROM jsonb_to_recordset(list) AS r (ticket_id bigint, id bigint, actor_id bigint, at timestamptz, content text, data jsonb);
  GET DIAGNOSTICS imported = ROW_COUNT;
  SELECT max(r.id) INTO greatest_id
  FROM jsonb_to_recordset(list) AS r (id bigint);
  IF greatest_id > coalesce(pg_sequence_last_value(sequence), 0) THEN
    PERFORM setval(sequence, greatest_id);
  END IF;
  RETURN imported;
END
$$;
REVOKE ALL ON FUNCTION workorder.import_replies(regclass, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.import_replies(regclass, jsonb) IS
'Loads replies from elsewhere into the current tenant, as they are: list is [{"ticket_id", "actor_id", "at", "content", "data", "id"}], of which actor_id, data and id may be missing. Nothing is journalled and no flow asked; returns how many. Raises WO404 for a table that was never guarded, WO400 for what is no list of such objects. Needs to own workorder.reply.';

CREATE FUNCTION workorder.install_reply() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.reply (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  id bigint GENERATED BY DEFAULT AS IDENTITY,
  actor_id bigint,
  at timestamptz NOT NULL,
  content text NOT NULL,
  data jsonb,
  revision int NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, relation_id, ticket_id, id));
COMMENT ON TABLE workorder.reply IS 'The conversation about each ticket. Only the owner reads it; see workorder.replies(), add_reply() and remove_reply().';
COMMENT ON COLUMN workorder.reply.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.reply.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.reply.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.reply.id IS 'Number of the reply.';
COMMENT ON COLUMN workorder.reply.actor_id IS 'Who wrote it; null for anonymous.';
COMMENT ON COLUMN workorder.reply.at IS 'When, as the journal has it.';
COMMENT ON COLUMN workorder.reply.content IS 'What was said; may be empty.';
COMMENT ON COLUMN workorder.reply.data IS 'What else the application keeps with it, such as addresses of images.';
COMMENT ON COLUMN workorder.reply.revision IS 'The journal''s line of it; 0 for one that came from elsewhere.';
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_reply() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_reply() IS
'Makes the table of the conversation; part of workorder.install().';
-- Pictures of flows, and of a ticket's way through its flow.

CREATE FUNCTION workorder.draw(definition jsonb, format text, trace jsonb) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_draw';
REVOKE ALL ON FUNCTION workorder.draw(jsonb, text, jsonb) FROM PUBLIC;
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
REVOKE ALL ON FUNCTION workorder.diagram(jsonb, text) FROM PUBLIC;
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
    PERFORM workorder.refuse('WO404', 'there is no such flow', 'No version of a flow of this name was published.',
      'Look the flows up in workorder.flow, or give the document itself.');
  END IF;
  RETURN definition;
END
$$;
REVOKE ALL ON FUNCTION workorder.newest_version(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.newest_version(text) IS
'The document of the newest version of a flow, drafts left out. Raises WO404 for a flow that was never published.';

CREATE FUNCTION workorder.diagram(flow text, format text DEFAULT 'mermaid') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN workorder.diagram(workorder.newest_version(flow), format);
REVOKE ALL ON FUNCTION workorder.diagram(text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.diagram(text, text) IS
'The picture of the newest version of a flow, see diagram(jsonb, text). Raises WO404 for a flow that was never published.';

CREATE FUNCTION workorder.diagram(relation regclass, id bigint, format text DEFAULT 'mermaid') RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  at record := workorder.standing(diagram.relation, diagram.id);
BEGIN
  RETURN workorder.draw(
    (SELECT f.definition FROM workorder.flow f WHERE f.id = at.flow_id), diagram.format,
    jsonb_build_object('state', at.state, 'steps', (
      SELECT coalesce(jsonb_agg(jsonb_build_array(h.from_state, h.action, h.to_state) ORDER BY h.revision), '[]')
      FROM workorder.history h
      WHERE h.relation = diagram.relation AND h.ticket_id = diagram.id AND h.from_state <> h.to_state)));
END
$$;
REVOKE ALL ON FUNCTION workorder.diagram(regclass, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.diagram(regclass, bigint, text) IS
'The picture of a ticket''s flow with its way through it: where it is, where it was, and at each transition the numbers of the steps that took it. Raises WO404 for a ticket that the caller may not see.';
-- What can be proved of a flow before anybody's ticket is on it.

CREATE FUNCTION workorder.flow_way(definition jsonb, state text, avoiding text DEFAULT NULL) RETURNS text[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_flow_way';
REVOKE ALL ON FUNCTION workorder.flow_way(jsonb, text, text) FROM PUBLIC;
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
REVOKE ALL ON FUNCTION workorder.prove(jsonb, text, text) FROM PUBLIC;
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
REVOKE ALL ON FUNCTION workorder.prove(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.prove(text, text, text) IS
'The same for the newest version of a flow, see prove(jsonb, text, text). Raises WO404 for a flow that was never published.';
-- The door for HTTP: what handlers take and return, and the functions that a
-- gateway calls.  Routes and APIs are rows in tables of yours (install.sql).

CREATE TYPE workorder.http_file AS (name text, filename text, content_type text, content bytea);
COMMENT ON TYPE workorder.http_file IS 'A file of a multipart/form-data body.';
COMMENT ON COLUMN workorder.http_file.name IS 'The field''s name; of name[] and name[0], name.';
COMMENT ON COLUMN workorder.http_file.filename IS 'The name the client gave it, directories left out. May be empty.';
COMMENT ON COLUMN workorder.http_file.content_type IS 'Media type the client gave, lower case, without parameters; null if none. Believe the content instead.';
COMMENT ON COLUMN workorder.http_file.content IS 'The bytes.';

CREATE TYPE workorder.http_request AS (
  api text, method text, path text, params jsonb, query jsonb, content_type text, body jsonb, form jsonb,
  files workorder.http_file[], raw bytea, uri text);
COMMENT ON TYPE workorder.http_request IS 'A request as handlers get it: decoded once, valid UTF-8, no NUL.';
COMMENT ON COLUMN workorder.http_request.api IS 'Name of the API (workorder.api).';
COMMENT ON COLUMN workorder.http_request.method IS 'The route''s method; a HEAD arrives as GET.';
COMMENT ON COLUMN workorder.http_request.path IS 'The path, decoded, without a slash at the end.';
COMMENT ON COLUMN workorder.http_request.params IS 'What the pattern''s parameters stand for, as text: {"id": "12"}.';
COMMENT ON COLUMN workorder.http_request.query IS 'Fields of the query: {"k": "v"}; of a k that came several times, or as k[] or k[0]: {"k": ["a", "b"]}, in the order sent.';
COMMENT ON COLUMN workorder.http_request.content_type IS 'Media type of the body, lower case, without parameters; null if the body is empty.';
COMMENT ON COLUMN workorder.http_request.body IS 'The body, if it is JSON; null otherwise.';
COMMENT ON COLUMN workorder.http_request.form IS 'Text fields of a form, urlencoded or multipart, in the same shape as query.';
COMMENT ON COLUMN workorder.http_request.files IS 'Files of a multipart body.';
COMMENT ON COLUMN workorder.http_request.raw IS 'The bytes of the body; null if it is empty, or multipart (see files).';
COMMENT ON COLUMN workorder.http_request.uri IS 'Path and query as the client sent them.';

CREATE TYPE workorder.http_response AS (status int, body json, headers jsonb, content bytea, content_type text);
COMMENT ON TYPE workorder.http_response IS 'What a handler answers. A status of 400 or more also undoes what the handler did.';
COMMENT ON COLUMN workorder.http_response.status IS '200 if null.';
COMMENT ON COLUMN workorder.http_response.body IS 'Sent as it is written. Body and content both null: empty.';
COMMENT ON COLUMN workorder.http_response.headers IS 'More headers: {"Name": value or list of values}.';
COMMENT ON COLUMN workorder.http_response.content IS 'Bytes to send instead of a body.';
COMMENT ON COLUMN workorder.http_response.content_type IS 'Default application/json for a body, application/octet-stream for content.';

CREATE FUNCTION workorder.http_read(bytea) RETURNS bytea
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_http';
REVOKE ALL ON FUNCTION workorder.http_read(bytea) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_read(bytea) IS
'Answers a GET, HEAD or OPTIONS: takes the body, reads method, URI and content type of the client from the setting request.headers (x-original-method, x-original-uri, x-original-content-type), finds the route in workorder.route, calls its handler as the caller, and returns the body. Sets response.status and response.headers for this transaction. Errors become the error body of the API (workorder.api). STABLE, so that a gateway runs it in a read-only transaction. Raises WO400 if the headers are missing, 57014 and classes 53 and 57P as they come.';

CREATE FUNCTION workorder.http_write(bytea) RETURNS bytea
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_http';
REVOKE ALL ON FUNCTION workorder.http_write(bytea) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_write(bytea) IS
'Answers a request of any method, as http_read() does, in a transaction that may write.';

-- What handlers are written with.  None of these reads anything.

CREATE FUNCTION workorder.http_json(status int, body json, headers jsonb DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(status, body, headers, NULL, NULL)::workorder.http_response;
REVOKE ALL ON FUNCTION workorder.http_json(int, json, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_json(int, json, jsonb) IS
'A response with a JSON body, which is sent as it is written.';

CREATE FUNCTION workorder.http_bytes(status int, content bytea, content_type text, headers jsonb DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(status, NULL, headers, content, content_type)::workorder.http_response;
REVOKE ALL ON FUNCTION workorder.http_bytes(int, bytea, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_bytes(int, bytea, text, jsonb) IS
'A response with bytes of some media type, such as an image.';

CREATE FUNCTION workorder.http_empty(status int DEFAULT 204, headers jsonb DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(status, NULL, headers, NULL, NULL)::workorder.http_response;
REVOKE ALL ON FUNCTION workorder.http_empty(int, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_empty(int, jsonb) IS
'A response without a body.';

CREATE FUNCTION workorder.http_error(status int, message text, detail text DEFAULT NULL, hint text DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF http_error.status IS NULL OR http_error.status NOT BETWEEN 400 AND 599 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'status of an error is out of range',
      DETAIL = 'An error has a status from 400 to 599.', HINT = 'Use http_json() or http_empty() for success.';
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'WO' || http_error.status,
    MESSAGE = coalesce(http_error.message, ''),
    DETAIL = coalesce(http_error.detail, 'The request was refused.'),
    HINT = coalesce(http_error.hint, 'Correct the request.');
END
$$;
REVOKE ALL ON FUNCTION workorder.http_error(int, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_error(int, text, text, text) IS
'Raises WO<status> with this message, which becomes the error body of the API with that status. Never returns; so a handler can say RETURN workorder.http_error(404, ''not found''). Raises 22023 for a status that is no error''s.';

CREATE FUNCTION workorder.http_fields(
  request workorder.http_request, malformed text DEFAULT NULL, blank_is_null boolean DEFAULT false) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF request.body IS NOT NULL THEN
    RETURN request.body;
  ELSIF malformed IS NOT NULL AND request.content_type IS NULL THEN
    PERFORM workorder.refuse('WO400', malformed, 'There is no body.', 'Send a JSON object.');
  ELSIF NOT blank_is_null THEN
    RETURN request.form;
  END IF;
  RETURN (
    SELECT coalesce(jsonb_object_agg(f.key, CASE WHEN f.value <> '""' THEN f.value ELSE 'null' END), '{}')
    FROM jsonb_each(request.form) AS f);
END
$$;
REVOKE ALL ON FUNCTION workorder.http_fields(workorder.http_request, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_fields(workorder.http_request, text, boolean) IS
'The fields of a request''s body: its JSON, or its form, of which blank fields become null if blank_is_null, for a form has no null. Raises WO400 with the message malformed, if there is one, for a request without a body.';

CREATE FUNCTION workorder.http_value(fields jsonb, name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(fields -> name) = 'array' THEN fields -> name ->> -1 ELSE fields ->> name END;
REVOKE ALL ON FUNCTION workorder.http_value(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_value(jsonb, text) IS
'One value of a field of query or form, the last if it came several times; null if it did not come.';

CREATE FUNCTION workorder.http_list(fields jsonb, name text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT CASE WHEN fields -> name IS NOT NULL THEN coalesce(array_agg(part ORDER BY i, j), '{}') END
  FROM jsonb_array_elements_text(
         CASE jsonb_typeof(fields -> name) WHEN 'array' THEN fields -> name ELSE jsonb_build_array(fields -> name) END)
         WITH ORDINALITY v (value, i),
       LATERAL unnest(string_to_array(v.value, ',')) WITH ORDINALITY p (part, j)
  WHERE part <> '';
END;
REVOKE ALL ON FUNCTION workorder.http_list(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_list(jsonb, text) IS
'All values of a field of query or form, in the order sent: repeated, as name[], or separated by commas. Empty ones are left out; null if the field did not come.';

-- For clients of the schema api, who know a ticket's table by the view they read.

CREATE FUNCTION workorder.api_relation(relation text) RETURNS regclass
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  target CONSTANT regclass := CASE
    WHEN api_relation.relation ~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$' THEN to_regclass(api_relation.relation)
    WHEN api_relation.relation <> '' THEN to_regclass(format('api.%I', api_relation.relation)) END;
  tables regclass[];
BEGIN
  -- The tables behind the view that have a flow; a table is behind itself.
  WITH RECURSIVE behind (relation) AS (
    SELECT target::oid WHERE target IS NOT NULL
    UNION
    SELECT d.refobjid
    FROM behind b
    JOIN pg_rewrite w ON w.ev_class = b.relation
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class c ON c.oid = b.relation AND c.relkind = 'v')
  SELECT array_agg(DISTINCT t.tgrelid::regclass) INTO tables
  FROM behind b JOIN pg_trigger t ON t.tgrelid = b.relation AND t.tgname = '~workorder_guard';
  IF cardinality(tables) > 1 THEN
    SELECT array_agg(c.oid::regclass) INTO tables
    FROM unnest(tables) x JOIN pg_class c ON c.oid = x
    WHERE c.relname = (SELECT v.relname FROM pg_class v WHERE v.oid = target);
  END IF;
  IF cardinality(tables) = 1 THEN
    RETURN tables[1];
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'no such table with a flow',
    DETAIL = 'It is not a table with a flow, nor a view in schema api that reads one such table.',
    HINT = 'Give the name of a view in schema api, or schema.table.';
END
$$;
REVOKE ALL ON FUNCTION workorder.api_relation(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.api_relation(text) IS
'The guarded table behind a name: a view or table in schema api, or a table as schema.table. Of a view over several guarded tables, the one with the view''s name. Raises WO404 otherwise.';

-- The door's tables, and the schema that a gateway shows.

CREATE FUNCTION workorder.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.api (
  name text PRIMARY KEY CHECK (name <> ''),
  prefix text NOT NULL UNIQUE CHECK (prefix ~ '^(/[^/{}]+)*/?$' AND prefix <> ''),
  error json NOT NULL,
  anonymous boolean NOT NULL DEFAULT false,
  settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'));
COMMENT ON TABLE workorder.api IS 'HTTP interfaces: whose paths they are and what an error looks like.';
COMMENT ON COLUMN workorder.api.name IS 'Name, as routes give it.';
COMMENT ON COLUMN workorder.api.prefix IS 'Paths below this one are the API''s; the longest prefix decides.';
COMMENT ON COLUMN workorder.api.error IS 'Error body: JSON in which the strings $status, $message, $code, $reason, $detail, $hint, $name and $label are replaced.';
COMMENT ON COLUMN workorder.api.anonymous IS 'Whether requests are served when nobody acts; otherwise they are answered with 401.';
COMMENT ON COLUMN workorder.api.settings IS 'accept, max_body, object, messages, sqlstates, members, identify, run_as, run_as_anonymous; other keys are the add-on''s own.';

CREATE TABLE workorder.route (
  api text NOT NULL REFERENCES workorder.api (name) ON UPDATE CASCADE ON DELETE CASCADE,
  method text NOT NULL CHECK (method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
  pattern text NOT NULL CHECK (pattern ~ '^(/([^/{}]+|\{[A-Za-z_][A-Za-z0-9_]*(:int)?\}))*/?$' AND pattern <> ''),
  handler text NOT NULL,
  settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
  PRIMARY KEY (api, method, pattern));
COMMENT ON TABLE workorder.route IS 'Which function answers which requests.';
COMMENT ON COLUMN workorder.route.api IS 'Whose route it is.';
COMMENT ON COLUMN workorder.route.method IS 'GET serves HEAD too; OPTIONS needs no route.';
COMMENT ON COLUMN workorder.route.pattern IS 'The whole path; {name} stands for one segment, {name:int} for one of digits. Literal text goes before digits, digits before any text.';
COMMENT ON COLUMN workorder.route.handler IS 'schema.function, of (workorder.http_request) returning workorder.http_response; runs as the caller.';
COMMENT ON COLUMN workorder.route.settings IS 'accept, max_body, object, where they differ from the API''s.';

CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON workorder.api
FOR EACH STATEMENT EXECUTE FUNCTION workorder.signal();
ALTER TABLE workorder.api ENABLE ALWAYS TRIGGER signal;
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON workorder.route
FOR EACH STATEMENT EXECUTE FUNCTION workorder.signal();
ALTER TABLE workorder.route ENABLE ALWAYS TRIGGER signal;
  $ddl$;

  -- A database that a gateway serves already has one.
  IF to_regnamespace('api') IS NULL THEN
    EXECUTE $ddl$
CREATE SCHEMA api;
COMMENT ON SCHEMA api IS 'What a gateway such as PostgREST shows to clients.';
    $ddl$;
  END IF;
  EXECUTE $ddl$
CREATE DOMAIN api."*/*" AS bytea;
COMMENT ON DOMAIN api."*/*" IS 'Bytes that the gateway sends as they are, whatever media type is asked for.';

CREATE FUNCTION api.http_read(bytea) RETURNS api."*/*"
LANGUAGE sql STABLE RETURN workorder.http_read($1);
COMMENT ON FUNCTION api.http_read(bytea) IS 'Serves GET and HEAD for the proxy; see workorder.http_read().';
CREATE FUNCTION api.http_write(bytea) RETURNS api."*/*"
LANGUAGE sql VOLATILE RETURN workorder.http_write($1);
COMMENT ON FUNCTION api.http_write(bytea) IS 'Serves all other methods for the proxy; see workorder.http_write().';

CREATE FUNCTION api.sign_in(login text, password text, tenant bigint DEFAULT 1) RETURNS text
LANGUAGE sql VOLATILE RETURN workorder.sign_in(tenant, login, password);
COMMENT ON FUNCTION api.sign_in(text, text, bigint) IS 'Token for who knows his password; the same answer for every other case.';
CREATE FUNCTION api.act(relation text, id bigint, action text, note text DEFAULT NULL, changes jsonb DEFAULT NULL,
  expect_revision int DEFAULT NULL, OUT revision int, OUT state text) RETURNS record
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  SELECT a.revision, a.state
  FROM workorder.act(workorder.api_relation(relation), id, action, note, changes, expect_revision) a;
END;
COMMENT ON FUNCTION api.act(text, bigint, text, text, jsonb, int) IS 'Takes an action on a ticket; relation is the view it is shown in.';
CREATE FUNCTION api.can(relation text, id bigint, action text, note text DEFAULT NULL, changes jsonb DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE RETURN workorder.can(workorder.api_relation(relation), id, action, note, changes);
COMMENT ON FUNCTION api.can(text, bigint, text, text, jsonb) IS 'Whether act() with the same arguments would succeed.';
CREATE FUNCTION api.explain(relation text, id bigint, action text, note text DEFAULT NULL, changes jsonb DEFAULT NULL)
RETURNS TABLE (code text, message text, detail text, hint text)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT e.code, e.message, e.detail, e.hint
  FROM workorder.explain(workorder.api_relation(relation), id, action, note, changes) e;
END;
COMMENT ON FUNCTION api.explain(text, bigint, text, text, jsonb) IS 'Every reason why act() with the same arguments would be refused.';
CREATE FUNCTION api.actions(relation text, id bigint)
RETURNS TABLE (action text, target text, allowed boolean, needs text[], reasons text[])
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT a.action, a.target, a.allowed, a.needs, a.reasons
  FROM workorder.actions(workorder.api_relation(relation), id) a;
END;
COMMENT ON FUNCTION api.actions(text, bigint) IS 'What may be done with a ticket now, by whom it is asked.';

REVOKE ALL ON FUNCTION api.http_read(bytea), api.http_write(bytea), api.sign_in(text, text, bigint),
  api.act(text, bigint, text, text, jsonb, int), api.can(text, bigint, text, text, jsonb),
  api.explain(text, bigint, text, text, jsonb), api.actions(text, bigint) FROM PUBLIC;
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_http() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_http() IS
'Makes the tables of the HTTP door and the objects of schema api; part of workorder.install().';
-- Requests that may come again.  The door does it by itself for requests with
-- the header Idempotency-Key; recall() and remember() are for functions in SQL.

CREATE FUNCTION workorder.install_idempotency() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.idempotency (
  tenant_id bigint NOT NULL,
  actor_id bigint NOT NULL,
  scope text NOT NULL,
  key text NOT NULL,
  request bytea NOT NULL,
  status int NOT NULL,
  content_type text NOT NULL,
  headers text NOT NULL,
  body bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, actor_id, scope, key));
COMMENT ON TABLE workorder.idempotency IS 'Results of requests with a key, to be answered again. Only the owner reads it; forget_idempotency() empties it. No foreign key and no second index: it is written with the request.';
COMMENT ON COLUMN workorder.idempotency.tenant_id IS 'Whose person sent it.';
COMMENT ON COLUMN workorder.idempotency.actor_id IS 'Who sent it; nobody else gets the result.';
COMMENT ON COLUMN workorder.idempotency.scope IS 'http:<api>, or sql:<scope> of remember().';
COMMENT ON COLUMN workorder.idempotency.key IS 'The key.';
COMMENT ON COLUMN workorder.idempotency.request IS 'SHA-256 of the request: method, path and query, media type, body.';
COMMENT ON COLUMN workorder.idempotency.status IS 'Status that was answered.';
COMMENT ON COLUMN workorder.idempotency.content_type IS 'Content type that was answered.';
COMMENT ON COLUMN workorder.idempotency.headers IS 'Other headers that were answered.';
COMMENT ON COLUMN workorder.idempotency.body IS 'Body that was answered.';
COMMENT ON COLUMN workorder.idempotency.created_at IS 'When; what is a day old is forgotten.';
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_idempotency() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_idempotency() IS
'Makes the table of results of requests with a key; part of workorder.install().';

CREATE FUNCTION workorder.recall(scope text, key text, request jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_recall';
REVOKE ALL ON FUNCTION workorder.recall(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.recall(text, text, jsonb) IS
'What the person who acts was answered to this request with this key, null if it is new. Whoever asks for the same key meanwhile waits until this transaction ends. request is whatever makes it the same request. Needs no privilege on workorder.idempotency. Raises WO400 for a key that is not 1 to 255 printable ASCII characters, WO401 if nobody acts, WO422 if the key was used for another request.';

CREATE FUNCTION workorder.remember(scope text, key text, request jsonb, result jsonb) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_remember';
REVOKE ALL ON FUNCTION workorder.remember(text, text, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.remember(text, text, jsonb, jsonb) IS
'Keeps the result of a request with a key, for recall(), together with what the transaction did. Raises as recall() does, WO400 for a null result, and WO409 if the request has a result already.';

CREATE FUNCTION workorder.forget_idempotency(older_than interval DEFAULT '24 hours') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  forgotten bigint;
BEGIN
  DELETE FROM workorder.idempotency i WHERE i.created_at < now() - forget_idempotency.older_than;
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END
$$;
REVOKE ALL ON FUNCTION workorder.forget_idempotency(interval) FROM PUBLIC;
COMMENT ON FUNCTION workorder.forget_idempotency(interval) IS
'Forgets the results of requests that are older, of all tenants, and returns how many. For a job that runs every hour or so. Needs to own workorder.idempotency.';
-- Giving a table a flow, and taking it away.

CREATE FUNCTION workorder.guard_row() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'workorder_guard_row';
REVOKE ALL ON FUNCTION workorder.guard_row() FROM PUBLIC;
COMMENT ON FUNCTION workorder.guard_row() IS 'BEFORE ROW trigger of guarded tables: finds the action, judges it, moves the row. Made by guard().';

CREATE FUNCTION workorder.record_row() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'workorder_record_row';
REVOKE ALL ON FUNCTION workorder.record_row() FROM PUBLIC;
COMMENT ON FUNCTION workorder.record_row() IS 'AFTER ROW trigger of guarded tables: appends the journal line. Made by guard().';

CREATE FUNCTION workorder.record_flush() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'workorder_record_flush';
REVOKE ALL ON FUNCTION workorder.record_flush() FROM PUBLIC;
COMMENT ON FUNCTION workorder.record_flush() IS 'AFTER STATEMENT trigger of guarded tables: writes the lines of the statement together. Made by guard().';

CREATE FUNCTION workorder.refuse_truncate() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF current_setting('workorder.maintenance')::boolean THEN
    PERFORM workorder.journal_maintenance(TG_ARGV[0]::int, 0, format('TRUNCATE %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME));
    PERFORM workorder.discount_rows(TG_ARGV[0]::int, TG_RELID);
    RETURN NULL;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'WO403',
    MESSAGE = format('table "%s" cannot be truncated', TG_TABLE_NAME),
    DETAIL = 'Its tickets would go without a line in the journal.',
    HINT = 'Use DELETE, which is judged and journalled row by row.',
    SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
END
$$;
REVOKE ALL ON FUNCTION workorder.refuse_truncate() FROM PUBLIC;
COMMENT ON FUNCTION workorder.refuse_truncate() IS 'BEFORE TRUNCATE trigger of guarded tables: WO403, unless a superuser has set workorder.maintenance. Made by guard().';

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
REVOKE ALL ON FUNCTION workorder.engine_columns() FROM PUBLIC;
COMMENT ON FUNCTION workorder.engine_columns() IS 'The columns that guard() adds to a table, in that order.';

CREATE FUNCTION workorder.ticket_key(relation regclass, OUT tenant_column text, OUT id_column text) RETURNS record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  names text[];
  types oid[];
BEGIN
  SELECT array_agg(a.attname::text ORDER BY k.n), array_agg(a.atttypid ORDER BY k.n)
  INTO names, types
  FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n), pg_attribute a
  WHERE i.indrelid = ticket_key.relation AND i.indisprimary AND k.n <= i.indnkeyatts
    AND a.attrelid = i.indrelid AND a.attnum = k.attnum;
  IF cardinality(names) IS DISTINCT FROM 2 OR types[1] <> 'bigint'::regtype
    OR types[2] NOT IN ('bigint'::regtype, 'integer'::regtype) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400',
      MESSAGE = format('table %s has no key a ticket can be found by', ticket_key.relation),
      DETAIL = 'A guarded table needs PRIMARY KEY (tenant_id, id): a bigint tenant first, then a bigint or integer number.',
      HINT = 'Add a column tenant_id bigint NOT NULL DEFAULT workorder.tenant_id() and make (tenant_id, id) the primary key.';
  END IF;
  tenant_column := names[1];
  id_column := names[2];
END
$$;
REVOKE ALL ON FUNCTION workorder.ticket_key(regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.ticket_key(regclass) IS
'The two key columns of a table that can be guarded. Raises WO400 if its primary key is not (tenant bigint, number).';

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
  SELECT * INTO STRICT g FROM workorder.guarded x WHERE x.relation = refresh_policies.relation;
  key := workorder.ticket_key(g.relation);
  own := format('%I = workorder.tenant_id()', key.tenant_column);
  sees := format('%s AND (%s)', own, workorder.view_predicate(g.flow, g.columns));
  -- A policy is changed under an exclusive lock, so only if it says something new.
  wanted := format('workorder: who may see, by the "view" of flow %s [%s]', g.flow, md5(sees));
  IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = g.relation AND p.polname = 'workorder_view'
             AND obj_description(p.oid, 'pg_policy') = wanted) THEN
    RETURN;
  END IF;
  FOR policy IN
    SELECT p.polname FROM pg_policy p WHERE p.polrelid = g.relation AND p.polname LIKE 'workorder\_%'
  LOOP
    EXECUTE format('DROP POLICY %I ON %s', policy, g.relation);
  END LOOP;
  EXECUTE format('CREATE POLICY workorder_view ON %s FOR SELECT USING (%s)', g.relation, sees);
  EXECUTE format('CREATE POLICY workorder_create ON %s FOR INSERT WITH CHECK (%s)', g.relation, own);
  EXECUTE format('CREATE POLICY workorder_act ON %s FOR UPDATE USING (%s) WITH CHECK (%s)', g.relation, sees, own);
  EXECUTE format('CREATE POLICY workorder_delete ON %s FOR DELETE USING (%s)', g.relation, sees);
  EXECUTE format('COMMENT ON POLICY workorder_view ON %s IS %L', g.relation, wanted);
END
$$;
REVOKE ALL ON FUNCTION workorder.refresh_policies(regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.refresh_policies(regclass) IS
'Compiles "view" of a guarded table''s flow into its row-level-security policies, if it has changed. Called by guard() and publish(). Needs to own the table.';

CREATE FUNCTION workorder.make_record_trigger(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  key record;
  args text;
BEGIN
  SELECT * INTO STRICT g FROM workorder.guarded x WHERE x.relation = make_record_trigger.relation;
  key := workorder.ticket_key(g.relation);
  -- Arguments more tell the trigger to count, and to publish events.
  args := format('%L, %L, %L, %L, %L', g.id, g.flow, g.columns, key.tenant_column, key.id_column)
    || CASE WHEN g.counted THEN ', ''counted''' ELSE '' END || CASE WHEN g.heard THEN ', ''heard''' ELSE '' END;
  EXECUTE format('CREATE OR REPLACE TRIGGER _workorder_record AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION workorder.record_row(%s)', g.relation, args);
END
$$;
REVOKE ALL ON FUNCTION workorder.make_record_trigger(regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.make_record_trigger(regclass) IS
'Makes the AFTER ROW trigger of a guarded table as workorder.guarded says, or makes it anew. Called by guard(), count_rows() and publish_events(). Needs to own the table.';

CREATE FUNCTION workorder.guard(relation regclass, flow text, columns jsonb DEFAULT '{}', states jsonb DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  key record;
  c record;
  f record;
  part record;
  target record;
  relation_id int;
  state_column text;
  leaves text[];
  unmapped text;
  has_rows boolean;
  row_args text;
  defects text;
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
  IF jsonb_typeof(guard.columns) <> 'object' OR jsonb_typeof(coalesce(guard.states, '{}')) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'columns and states are JSON objects',
      DETAIL = 'columns maps engine columns to yours, states maps values you have to leaves of the flow.',
      HINT = 'For example columns => ''{"state": "status"}'', states => ''{"new": "open.draft"}''.';
  END IF;
  SELECT left(string_agg(k, ', '), 200) INTO unmapped
  FROM jsonb_object_keys(guard.columns) k
  WHERE k NOT IN (SELECT e.name FROM workorder.engine_columns() e)
    OR jsonb_typeof(guard.columns -> k) <> 'string' OR length(guard.columns ->> k) NOT BETWEEN 1 AND 63;
  IF unmapped IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('columns maps what it cannot map: %s', unmapped),
      DETAIL = 'Its keys are engine columns, its values names of columns.',
      HINT = 'The function workorder.engine_columns() lists them.';
  END IF;

  IF length(guard.flow) > 63 OR NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = guard.relation) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'no such table or flow',
      DETAIL = format('Table %s, flow "%s".', guard.relation, left(guard.flow, 63)),
      HINT = 'Give the name of a table, and the name of a published flow.';
  END IF;
  SELECT r.relkind, r.relpersistence, r.relhassubclass, r.relispartition, r.relrowsecurity,
    EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = r.oid) AS inherits
  INTO STRICT target FROM pg_class r WHERE r.oid = guard.relation;
  IF target.relkind NOT IN ('r', 'p') OR target.relpersistence <> 'p' OR target.inherits
    OR (target.relhassubclass AND target.relkind = 'r') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('%s cannot be guarded', guard.relation),
      DETAIL = 'Only permanent tables can, plain or partitioned, that neither inherit nor are a partition: every way to a row must pass the guard, and every row must survive a crash.',
      HINT = 'Guard the table at the top, or make it an ordinary table.';
  END IF;
  -- In the order in which publish() takes them: a version that comes out meanwhile is not missed.
  LOCK TABLE workorder.flow IN SHARE MODE;
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', guard.relation);
  key := workorder.ticket_key(guard.relation);

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
  WHERE x.n > 1 OR x.actual IN (key.tenant_column, key.id_column);
  IF unmapped IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('column %s of %s cannot be the engine''s twice, or its key', unmapped, guard.relation),
      DETAIL = 'The engine needs a column of its own for each of its names.',
      HINT = 'Map another name with the argument columns.';
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
    ELSIF NOT guard.columns ? c.name THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400',
        MESSAGE = format('table %s has a column "%s" already', guard.relation, c.actual),
        DETAIL = 'The engine would take it over.',
        HINT = format('If that is meant, say so: columns => ''{"%s": "%s"}''; otherwise map another name.', c.name, c.actual);
    ELSIF c.atthasdef THEN
      -- What a new row has there is the engine's to say.
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', guard.relation, c.actual);
    END IF;
  END LOOP;

  SELECT string_agg(format('%s at %s: %s', d.code, d.path, d.message), E'\n') INTO defects
  FROM workorder.check_flow(f.definition, guard.relation) d;
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
      FROM (SELECT DISTINCT %1$I FROM %2$s) t
      WHERE NOT EXISTS (
        SELECT FROM workorder.flow_states($2) s
        WHERE s.path = coalesce($1 ->> %1$I::text, CASE WHEN %1$I = ANY ($3) THEN %1$I END, $1 ->> '*')
          AND s.kind IN ('atomic', 'final'))$q$,
      state_column, guard.relation) INTO unmapped USING coalesce(guard.states, '{}'), f.definition, leaves;
    IF unmapped IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('table %s has rows without a place in flow "%s"', guard.relation, guard.flow),
        DETAIL = format('These values of "%s" lead to no leaf of the flow: %s.', state_column, unmapped),
        HINT = 'Say where they belong: states => ''{"value": "leaf", "*": "leaf for the rest"}''.';
    END IF;
    -- A value that is a leaf already stays.  Rows that were guarded before keep
    -- their revision, to go on in their journal.
    EXECUTE format($q$
      UPDATE %1$s SET %2$I = $1,
        %3$I = coalesce($2 ->> %3$I::text, CASE WHEN %3$I = ANY ($3) THEN %3$I END, $2 ->> '*'),
        %4$I = coalesce(%4$I, 0),
        %5$I = coalesce(%5$I, now()), %6$I = coalesce(%6$I, now()), %7$I = coalesce(%7$I, now()),
        %8$I = NULL, %9$I = NULL$q$,
      guard.relation, coalesce(guard.columns ->> 'flow_id', 'flow_id'), state_column,
      coalesce(guard.columns ->> 'revision', 'revision'), coalesce(guard.columns ->> 'created_at', 'created_at'),
      coalesce(guard.columns ->> 'entered_at', 'entered_at'), coalesce(guard.columns ->> 'updated_at', 'updated_at'),
      coalesce(guard.columns ->> 'action', 'action'), coalesce(guard.columns ->> 'note', 'note'))
      USING f.id, coalesce(guard.states, '{}'), leaves;
  END IF;

  INSERT INTO workorder.guarded AS x (relation, flow, columns)
  VALUES (guard.relation, guard.flow, guard.columns)
  ON CONFLICT (relation) DO UPDATE SET flow = excluded.flow, columns = excluded.columns
  RETURNING x.id INTO relation_id;

  row_args := format('%L, %L, %L, %L, %L', relation_id, guard.flow, guard.columns, key.tenant_column, key.id_column);
  EXECUTE format('CREATE TRIGGER "~workorder_guard" BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION workorder.guard_row(%s)', guard.relation, row_args);
  PERFORM workorder.make_record_trigger(guard.relation);
  EXECUTE format('CREATE TRIGGER "~workorder_flush" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION workorder.record_flush()', guard.relation);
  -- Row triggers reach partitions by themselves, statement triggers do not.
  FOR part IN
    SELECT guard.relation AS relation
    UNION SELECT t.relid FROM pg_partition_tree(guard.relation) t
  LOOP
    EXECUTE format('CREATE TRIGGER "~workorder_truncate" BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION workorder.refuse_truncate(%L)', part.relation, relation_id);
  END LOOP;
  PERFORM workorder.refresh_policies(guard.relation);
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guard.relation);
  IF has_rows THEN
    PERFORM workorder.retime(guard.relation);
  END IF;
END
$$;
REVOKE ALL ON FUNCTION workorder.guard(regclass, text, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.guard(regclass, text, jsonb, jsonb) IS
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
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('table %s is not guarded', coalesce(unguard.relation::text, 'null')),
      DETAIL = 'It has no flow.', HINT = 'The table workorder.guarded lists those that have or had one.';
  END IF;
  PERFORM workorder.count_rows(unguard.relation, false);
  PERFORM workorder.publish_events(unguard.relation, false);
  EXECUTE format('DROP TRIGGER "~workorder_guard" ON %s', unguard.relation);
  DELETE FROM workorder.timer t USING workorder.guarded g WHERE g.relation = unguard.relation AND t.relation_id = g.id;
  DELETE FROM workorder.task t USING workorder.guarded g WHERE g.relation = unguard.relation AND t.relation_id = g.id;
  EXECUTE format('DROP TRIGGER IF EXISTS _workorder_record ON %s', unguard.relation);
  EXECUTE format('DROP TRIGGER IF EXISTS "~workorder_flush" ON %s', unguard.relation);
  FOR part IN
    SELECT unguard.relation AS relation
    UNION SELECT t.relid FROM pg_partition_tree(unguard.relation) t
  LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS "~workorder_truncate" ON %s', part.relation);
  END LOOP;
  FOR policy IN
    SELECT p.polname FROM pg_policy p WHERE p.polrelid = unguard.relation AND p.polname LIKE 'workorder\_%'
  LOOP
    EXECUTE format('DROP POLICY %I ON %s', policy, unguard.relation);
  END LOOP;
  -- Policies of the user's own stay in force.
  IF NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = unguard.relation) THEN
    EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', unguard.relation);
  END IF;
END
$$;
REVOKE ALL ON FUNCTION workorder.unguard(regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.unguard(regclass) IS
'Takes the flow from a table: triggers, policies and row-level security go, columns, rows and journal stay, timers and tasks go. Needs to own the table. Raises WO404 if it is not guarded.';
-- Tickets that go from one version of their flow to another.

CREATE FUNCTION workorder.migrated_state(to_flow int, state_map jsonb, state text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_migrated_state';
REVOKE ALL ON FUNCTION workorder.migrated_state(int, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.migrated_state(int, jsonb, text) IS
'The leaf of a flow version (workorder.flow.id) where a ticket in this state belongs: as state_map says of the state or of the nearest state around it, else the state of the same path, else what state_map says of "*". Null if there is none. Raises WO404 for an unknown version.';

CREATE FUNCTION workorder.migrated_history(to_flow int, state_map jsonb, history text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'workorder_migrated_history';
REVOKE ALL ON FUNCTION workorder.migrated_history(int, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.migrated_history(int, jsonb, text) IS
'What a ticket remembers of the states it left, in the words of a flow version; what has no place there is forgotten, null if all of it. Raises WO404 for an unknown version.';

CREATE FUNCTION workorder.move_tickets(relation regclass, from_flow int, to_flow int, state_map jsonb, total bigint) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workorder_move_tickets';
REVOKE ALL ON FUNCTION workorder.move_tickets(regclass, int, int, jsonb, bigint) FROM PUBLIC;
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
BEGIN
  SELECT x.id, x.columns INTO STRICT g FROM workorder.guarded x WHERE x.relation = migration_report.relation;
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

  RETURN QUERY EXECUTE format($q$
    WITH ticket AS MATERIALIZED (
      SELECT t.%1$I AS tenant, t.%2$I AS id, t.%3$I AS state, t.%4$I AS history, t.%5$I IS NOT NULL AS voted
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
      JOIN workorder.timer c ON c.tenant_id = m.tenant AND c.relation_id = $5 AND c.ticket_id = m.id AND c.fired_at IS NULL
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
    k.tenant_column, k.id_column, coalesce(g.columns ->> 'state', 'state'), coalesce(g.columns ->> 'history', 'history'),
    coalesce(g.columns ->> 'votes', 'votes'), migration_report.relation, coalesce(g.columns ->> 'flow_id', 'flow_id'))
    USING from_flow, to_flow, state_map, ends, g.id, new.definition;
END
$$;
REVOKE ALL ON FUNCTION workorder.migration_report(regclass, int, int, jsonb) FROM PUBLIC;
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
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('table %s is not guarded', migrate.relation),
      DETAIL = 'It has no flow.', HINT = 'The table workorder.guarded lists those that have or had one.';
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
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('flow "%s" has no such version', flow),
      DETAIL = format('Its tickets can go from one of its own versions to another; asked was from %s to %s.', from_flow, to_flow),
      HINT = 'Give ids of workorder.flow, as publish() returned them.';
  END IF;
  IF old.id = new.id OR new.life NOT IN ('published', 'fading') THEN
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
REVOKE ALL ON FUNCTION workorder.migrate(regclass, int, int, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION workorder.migrate(regclass, int, int, jsonb, boolean) IS
'Moves the tickets of a table that are not done from one version of its flow to another (ids of workorder.flow): all or none, each with a line "migrate" in the journal. First comes the report, which is all there is with dry_run: how many tickets of each state go where (moves), stay because they are done (ended), have no place (no_place), lose votes (votes), forget a state they left (history), have timers that end (timers); unknown_calendar, unknown_column, column_type and bad_map are what they say. What blocks must be mended first. state_map: {"state": "state of the other version", "*": "leaf for the rest"}; a state takes those inside of it along, and one that is not named keeps its path. A new visit begins: timers start anew, votes are cleared. Nobody else can act on the table until the transaction ends. Needs to own the table. Raises WO400, WO403, WO404 and WO409.';
-- A flow rehearsed: the real engine, and no row left of it.

CREATE FUNCTION workorder.rehearse(definition jsonb) RETURNS TABLE (name text, person boolean)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workorder_rehearse';
REVOKE ALL ON FUNCTION workorder.rehearse(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.rehearse(jsonb) IS
'Part of simulate(): makes a document the flow of the simulation until the subtransaction is rolled back, and lists the columns that it names and which of them hold people. Grant it to nobody.';

CREATE FUNCTION workorder.rehearse_as(actor bigint, at timestamptz) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workorder_rehearse_as';
REVOKE ALL ON FUNCTION workorder.rehearse_as(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION workorder.rehearse_as(bigint, timestamptz) IS
'Part of simulate(): who acts (null: nobody known) and what time it is (null: as before), until the subtransaction is rolled back. Grant it to nobody: who may call it may be anybody.';

CREATE FUNCTION workorder.rehearse_timer(relation regclass, upto timestamptz) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workorder_rehearse_timer';
REVOKE ALL ON FUNCTION workorder.rehearse_timer(regclass, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION workorder.rehearse_timer(regclass, timestamptz) IS
'Part of simulate(): fires the timer that is due first by a time, and returns its action; null if there is none. Grant it to nobody.';

CREATE FUNCTION workorder.rehearsal_table(definition jsonb, steps jsonb, people jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  columns jsonb;
  row_args CONSTANT text := format('%L, %L, %L, %L, %L', -1, '$rehearsal', '{}', 'tenant_id', 'id');
BEGIN
  -- What the flow names and what is given, typed by the values; people are numbers.
  SELECT coalesce(jsonb_object_agg(c.name, c.type), '{}') INTO columns
  FROM (
    SELECT n.name, CASE
        WHEN bool_or(n.person) THEN 'bigint'
        WHEN bool_or(jsonb_typeof(n.value) IN ('object', 'array')) OR count(DISTINCT jsonb_typeof(n.value)) FILTER (WHERE jsonb_typeof(n.value) <> 'null') > 1 THEN 'jsonb'
        WHEN bool_or(jsonb_typeof(n.value) = 'boolean') THEN 'boolean'
        WHEN bool_and(n.value::text ~ '^-?\d{1,18}$') FILTER (WHERE jsonb_typeof(n.value) = 'number') THEN 'bigint'
        WHEN bool_or(jsonb_typeof(n.value) = 'number') THEN 'numeric'
        ELSE 'text' END AS type
    FROM (
      SELECT r.name, r.person, NULL::jsonb AS value FROM workorder.rehearse(rehearsal_table.definition) r
      UNION ALL
      SELECT v.key, false, v.value FROM jsonb_array_elements(steps) s, jsonb_each(coalesce(nullif(s -> 'changes', 'null'), '{}')) v) n
    WHERE n.name NOT IN (SELECT e.name FROM workorder.engine_columns() e)
    GROUP BY n.name) c;
  EXECUTE format('CREATE TEMP TABLE workorder_rehearsal (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, %s%s, PRIMARY KEY (tenant_id, id)) ON COMMIT DROP',
    (SELECT string_agg(format('%I %s', e.name, e.type), ', ' ORDER BY e."position") FROM workorder.engine_columns() e),
    (SELECT string_agg(format(', %I %s', c.key, c.value), '' ORDER BY c.key) FROM jsonb_each_text(columns) c));
  EXECUTE format('CREATE TRIGGER "~workorder_guard" BEFORE INSERT OR UPDATE OR DELETE ON pg_temp.workorder_rehearsal FOR EACH ROW EXECUTE FUNCTION workorder.guard_row(%s)', row_args);
  EXECUTE format('CREATE TRIGGER _workorder_record AFTER INSERT OR UPDATE OR DELETE ON pg_temp.workorder_rehearsal FOR EACH ROW EXECUTE FUNCTION workorder.record_row(%s)', row_args);
  EXECUTE 'CREATE TRIGGER "~workorder_flush" AFTER INSERT OR UPDATE OR DELETE ON pg_temp.workorder_rehearsal FOR EACH STATEMENT EXECUTE FUNCTION workorder.record_flush()';
  RETURN columns;
END
$$;
REVOKE ALL ON FUNCTION workorder.rehearsal_table(jsonb, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.rehearsal_table(jsonb, jsonb, jsonb) IS
'Part of simulate(): makes the guarded temporary table, and returns the types of its business columns.';

CREATE FUNCTION workorder.rehearsal_people(steps jsonb) RETURNS jsonb
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
      RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('"%s" has roles of his own', person.login),
        DETAIL = 'A step gives roles to somebody who is enrolled.', HINT = 'Leave the roles out, or give the step to somebody who does not exist.';
    ELSE
      people := people || jsonb_build_object(person.login, person.id);
    END IF;
  END LOOP;
  RETURN people;
END
$$;
REVOKE ALL ON FUNCTION workorder.rehearsal_people(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.rehearsal_people(jsonb) IS
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
  SELECT string_agg(format('%s at %s: %s', d.code, d.path, d.message), E'\n') INTO problems FROM workorder.check_flow(simulate.definition) d;
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
    people := workorder.rehearsal_people(steps);
    columns := workorder.rehearsal_table(simulate.definition, steps, people);
    ticket := 'pg_temp.workorder_rehearsal'::regclass;
    FOR one IN SELECT value FROM jsonb_array_elements(steps) LOOP
      number := number + 1;
      -- Whoever is named in a column of people is meant.
      SELECT coalesce(jsonb_object_agg(c.key, CASE WHEN columns ->> c.key = 'bigint' AND jsonb_typeof(c.value) = 'string' THEN coalesce(people -> (c.value #>> '{}'), c.value) ELSE c.value END), '{}')
      INTO changes FROM jsonb_each(coalesce(nullif(one -> 'changes', 'null'), '{}')) c;
      at := one ->> 'at';
      LOOP
        was := NULL;
        EXECUTE 'SELECT t.state FROM pg_temp.workorder_rehearsal t' INTO was;
        BEGIN
          fired := workorder.rehearse_timer(ticket, at);
          EXIT WHEN fired IS NULL;
          EXECUTE 'SELECT t.state FROM pg_temp.workorder_rehearsal t' INTO becomes;
          results := results || jsonb_build_object('step', number, 'actor', '$system', 'action', fired, 'from_state', was, 'to_state', becomes, 'ok', true);
        EXCEPTION WHEN OTHERS THEN
          GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, hinted = PG_EXCEPTION_HINT;
          results := results || jsonb_build_object('step', number, 'actor', '$system', 'action', fired, 'from_state', was, 'to_state', was, 'ok', false, 'code', SQLSTATE, 'message', said, 'hint', hinted);
          EXIT;
        END;
      END LOOP;
      BEGIN
        PERFORM workorder.rehearse_as((people ->> (one ->> 'actor'))::bigint, at);
        IF one ->> 'action' = 'create' THEN
          -- A revision would make it an import.
          SELECT e.name INTO said FROM workorder.engine_columns() e WHERE changes ? e.name LIMIT 1;
          IF FOUND OR changes ?| ARRAY['id', 'tenant_id'] THEN
            PERFORM workorder.refuse('WO403', format('column "%s" is kept by the engine', coalesce(said, 'id')), 'It follows from the actions taken on the ticket.', 'Leave it out.');
          END IF;
          EXECUTE format('INSERT INTO pg_temp.workorder_rehearsal (id, note%s) SELECT 1, $2%s FROM jsonb_populate_record(NULL::pg_temp.workorder_rehearsal, $1) r',
            (SELECT string_agg(format(', %I', k), '' ORDER BY k) FROM jsonb_object_keys(changes) k),
            (SELECT string_agg(format(', r.%I', k), '' ORDER BY k) FROM jsonb_object_keys(changes) k))
            USING changes, one ->> 'note';
        ELSIF one ->> 'action' = 'delete' THEN
          IF NOT workorder.can(ticket, 1, 'view') THEN
            PERFORM workorder.refuse('WO404', 'there is no ticket 1', 'Or you may not see it.', 'Check who may "view".');
          END IF;
          EXECUTE 'DELETE FROM pg_temp.workorder_rehearsal';
        ELSE
          PERFORM workorder.act(ticket, 1, one ->> 'action', one ->> 'note', nullif(changes, '{}'));
        END IF;
        becomes := NULL;
        EXECUTE 'SELECT t.state FROM pg_temp.workorder_rehearsal t' INTO becomes;
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
REVOKE ALL ON FUNCTION workorder.simulate(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.simulate(jsonb, jsonb) IS
'Rehearses a flow document, published or not, and leaves nothing behind: one ticket in a temporary table is taken through the steps by the engine itself, and all of it is rolled back. steps: [{"actor": login, "roles": [...] (of people who do not exist; null actor: anonymous), "action": ..., "note": ..., "changes": {"column": value}, "at": time}], the first a "create"; people are named by login in columns of people. With "at", timers that are due by then fire first, as rows of $system. One row per step: code is the SQLSTATE of a refusal, after which the ticket is where it was. Calendars, settings and other holders of roles are those of the tenant. Raises WO400 for a document with defects, or steps that are none. For owners of the engine''s tables: who may call it acts for anybody, in the rehearsal.';

CREATE FUNCTION workorder.simulate(flow text, steps jsonb)
RETURNS TABLE (step int, actor text, action text, from_state text, to_state text, ok boolean, code text, message text, hint text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT s.* FROM workorder.simulate(workorder.newest_version(simulate.flow), simulate.steps) s;
END
$$;
REVOKE ALL ON FUNCTION workorder.simulate(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.simulate(text, jsonb) IS
'The same for the newest version of a flow, see simulate(jsonb, jsonb). Raises WO404 for a flow that was never published.';
-- Where a ticket stands, since when, who can move it and how, what is due, and
-- what the caller may do: in one call.

CREATE FUNCTION workorder.movers(relation regclass, id bigint)
RETURNS TABLE (action text, target text, need int, everybody boolean, people bigint[], more bigint, unjudged boolean, needs text[])
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workorder_movers';
REVOKE ALL ON FUNCTION workorder.movers(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.movers(regclass, bigint) IS
'Of each action that a ticket''s state knows: where it leads (null: nowhere), how many votes it needs (null: one act is enough), whether everybody may take it, the numbers of at most 50 people who may take it now once they give what it needs, how many more there are, whether there are people beyond the 1000 that were judged, and the columns (or note) still missing. Judged by the engine''s own predicate; who cannot see the ticket cannot take it. Raises WO404 for a ticket that the caller may not see.';

CREATE FUNCTION workorder.clocks(relation regclass, id bigint)
RETURNS TABLE (state text, delay text, due_at timestamptz, rest interval)
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 4
AS 'MODULE_PATHNAME', 'workorder_clocks';
REVOKE ALL ON FUNCTION workorder.clocks(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.clocks(regclass, bigint) IS
'The timers of a ticket that have not fired: the state that declares each, when it is due, or, while it stands still, what is left of it. Raises WO404 for a ticket that the caller may not see.';

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
  stands := workorder.standing(why.relation, why.id);
  SELECT coalesce(jsonb_object_agg(s.path, s.label) FILTER (WHERE s.label IS NOT NULL), '{}') INTO labels
  FROM workorder.flow_state s WHERE s.flow_id = stands.flow_id;
  FOR m IN
    SELECT x.*, a.allowed, a.needs AS own_needs, a.reasons FROM workorder.movers(why.relation, why.id) WITH ORDINALITY x (action, target, need, everybody, people, more, unjudged, needs, n)
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
        'have', (SELECT count(*) FROM jsonb_object_keys(coalesce(stands.votes -> m.action, '{}')))) END))
      || jsonb_build_object('you', jsonb_build_object('may', m.allowed, 'needs', to_jsonb(m.own_needs), 'reasons', to_jsonb(m.reasons))));
  END LOOP;
  RETURN jsonb_build_object('state', stands.state, 'label', labels -> stands.state, 'since', stands.entered_at,
    'revision', stands.revision, 'last_action', stands.last_action, 'last_note', stands.last_note, 'last_at', stands.updated_at,
    'actions', actions,
    'due', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('action', 'after ' || c.delay, 'state', c.state, 'at', c.due_at, 'left', c.rest::text))
      ORDER BY c.due_at, c.state, c.delay), '[]') FROM workorder.clocks(why.relation, why.id) c));
END
$$;
REVOKE ALL ON FUNCTION workorder.why(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.why(regclass, bigint) IS
'Where a ticket stands (state, label, since when, what was done last), who can move it and how (actions: where each leads, the people who may take it now by name, how many more, what it still needs, votes so far and needed; you: the same for the caller, as actions() says it), and what is due (timers, or what is left of those that stand still). Names are told as far as the caller may read workorder.actor; who is not named is counted in "more". Raises WO404 for a ticket that the caller may not see, WO400 for null.';
-- How many tickets there are.

CREATE FUNCTION workorder.install_totals() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.tally (
  tenant_id bigint NOT NULL,
  relation_id int NOT NULL,
  state text NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (tenant_id, relation_id, state))
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE workorder.tally IS 'How many tickets of a counted table rest in a state, but for what workorder.tally_change still holds. Read by workorder.total().';
COMMENT ON COLUMN workorder.tally.tenant_id IS 'Whose tickets.';
COMMENT ON COLUMN workorder.tally.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.tally.state IS 'Leaf in which they rest.';
COMMENT ON COLUMN workorder.tally.n IS 'How many.';

-- No key and no index: every act on a counted table appends to it, nobody looks
-- for one row of it, and it is short, because it is folded all the time.
CREATE TABLE workorder.tally_change (
  tenant_id bigint NOT NULL,
  relation_id int NOT NULL,
  from_state text,
  to_state text,
  n bigint NOT NULL)
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
-- A publication of all tables would refuse to fold it otherwise.
ALTER TABLE workorder.tally_change REPLICA IDENTITY FULL;
COMMENT ON TABLE workorder.tally_change IS 'What statements have moved on counted tables since workorder.tally was folded, one row for each pair of states.';
COMMENT ON COLUMN workorder.tally_change.tenant_id IS 'Whose tickets.';
COMMENT ON COLUMN workorder.tally_change.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.tally_change.from_state IS 'Leaf before; null if the tickets were new.';
COMMENT ON COLUMN workorder.tally_change.to_state IS 'Leaf after; null if the tickets are gone.';
COMMENT ON COLUMN workorder.tally_change.n IS 'How many tickets.';
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_totals() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_totals() IS 'Makes the tables that keep totals; part of workorder.install().';

CREATE FUNCTION workorder.total(relation regclass, states text[] DEFAULT NULL) RETURNS bigint
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_total';
REVOKE ALL ON FUNCTION workorder.total(regclass, text[]) FROM PUBLIC;
COMMENT ON FUNCTION workorder.total(regclass, text[]) IS
'How many tickets of his tenant the caller sees in a guarded table: all of them, or those in these states (paths; a compound state stands for the leaves in it). Equals count(*) in the same snapshot, the caller''s own uncommitted changes included. Of a table that count_rows() has put on the tally it costs the same however many there are, for states of which the flow''s "view" lets the caller see every ticket; the others are counted under row-level security. Needs SELECT on the tenant and the state column. Raises WO400 for a null state, WO404 for a table that is not guarded and for a state that no version of its flow has.';

CREATE FUNCTION workorder.fold_totals() RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_fold_totals';
REVOKE ALL ON FUNCTION workorder.fold_totals() FROM PUBLIC;
COMMENT ON FUNCTION workorder.fold_totals() IS
'Folds workorder.tally_change into workorder.tally and returns how many rows it has folded. Writers do that by the way, so it is needed only where all transactions are REPEATABLE READ or SERIALIZABLE: those do not fold. Waits for nobody but count_rows().';

CREATE FUNCTION workorder.count_rows(relation regclass, counted boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  key record;
  is_counted boolean;
  state_column text;
  result bigint;
BEGIN
  SELECT x.counted INTO is_counted FROM workorder.guarded x
  JOIN pg_trigger t ON t.tgrelid = x.relation AND t.tgname = '_workorder_record' AND t.tgparentid = 0
  WHERE x.relation = count_rows.relation;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('table %s is not guarded', coalesce(count_rows.relation::text, 'null')),
      DETAIL = 'Only tickets are counted.', HINT = 'Give it a flow with workorder.guard().';
  END IF;
  IF count_rows.counted IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'argument "counted" is missing',
      DETAIL = 'It must not be null.', HINT = 'Give true to keep totals, false to stop.';
  END IF;
  IF NOT count_rows.counted AND NOT is_counted THEN
    RETURN NULL;
  END IF;
  IF count_rows.counted AND current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = 'count_rows() needs a transaction that is READ COMMITTED',
      DETAIL = 'It must see what was committed before it had locked the table.',
      HINT = 'Run it on its own.', SCHEMA = 'workorder';
  END IF;
  -- Whoever writes the table, or folds its changes, holds a lock that this one waits for.
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', count_rows.relation);
  SELECT x.id, x.flow, x.columns INTO STRICT g FROM workorder.guarded x WHERE x.relation = count_rows.relation;
  key := workorder.ticket_key(count_rows.relation);
  state_column := coalesce(g.columns ->> 'state', 'state');

  DELETE FROM workorder.tally y WHERE y.relation_id = g.id;
  DELETE FROM workorder.tally_change c WHERE c.relation_id = g.id;
  IF count_rows.counted THEN
    EXECUTE format('INSERT INTO workorder.tally (tenant_id, relation_id, state, n)
      SELECT %1$I, $1, %2$I, count(*) FROM %3$s WHERE %2$I IS NOT NULL GROUP BY 1, 3', key.tenant_column, state_column, count_rows.relation)
    USING g.id;
    SELECT coalesce(sum(y.n), 0) INTO result FROM workorder.tally y WHERE y.relation_id = g.id;
  END IF;
  UPDATE workorder.guarded x SET counted = count_rows.counted WHERE x.id = g.id AND x.counted <> count_rows.counted;

  IF is_counted <> count_rows.counted THEN
    PERFORM workorder.make_record_trigger(count_rows.relation);
  END IF;
  RETURN result;
END
$$;
REVOKE ALL ON FUNCTION workorder.count_rows(regclass, boolean) FROM PUBLIC;
COMMENT ON FUNCTION workorder.count_rows(regclass, boolean) IS
'Puts a guarded table on the tally, so that workorder.total() of it costs the same however many tickets there are, or (false) takes it off. Counts what is there under a lock that keeps writers out meanwhile, and returns how many tickets of all tenants that are; null when it is taken off. Called again it counts anew: after the table was written past its triggers (session_replication_role = replica, disabled triggers, partitions attached or detached). Needs to own the table. Raises WO404 for a table that is not guarded, WO409 outside of READ COMMITTED.';

CREATE FUNCTION workorder.discount_rows(relation_id int, rows_of regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  key record;
  part regclass;
BEGIN
  SELECT x.columns INTO g FROM workorder.guarded x WHERE x.id = discount_rows.relation_id AND x.counted;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  key := workorder.ticket_key(discount_rows.rows_of);
  -- Partitions have this trigger themselves, but for those that came later.
  FOR part IN
    SELECT discount_rows.rows_of
    UNION SELECT p.relid FROM pg_partition_tree(discount_rows.rows_of) p
    WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = p.relid AND t.tgname = '~workorder_truncate')
  LOOP
    EXECUTE format('INSERT INTO workorder.tally_change (tenant_id, relation_id, from_state, n)
      SELECT %1$I, $1, %2$I, count(*) FROM ONLY %3$s GROUP BY 1, 3', key.tenant_column,
      coalesce(g.columns ->> 'state', 'state'), part)
    USING discount_rows.relation_id;
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION workorder.discount_rows(int, regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.discount_rows(int, regclass) IS
'Takes the rows of a table or partition off the tally, before it is truncated under workorder.maintenance.';
-- What has happened, for those who listen: other programs that read events at
-- their own pace, in order, each once and none left out.

CREATE FUNCTION workorder.install_outbox() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.outbox (
  tenant_id bigint NOT NULL,
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  revision int NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, relation_id, ticket_id, revision))
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workorder.outbox IS 'Events that no consumer has asked for yet: written with the change, in no order. Each is a line of workorder.journal.';
COMMENT ON COLUMN workorder.outbox.tenant_id IS 'Whose ticket.';
COMMENT ON COLUMN workorder.outbox.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.outbox.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.outbox.revision IS 'The line of its journal.';
COMMENT ON COLUMN workorder.outbox.at IS 'When, as in the journal.';

CREATE TABLE workorder.event (
  tenant_id bigint NOT NULL,
  number bigint GENERATED ALWAYS AS IDENTITY,
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  revision int NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, number));
COMMENT ON TABLE workorder.event IS 'Events in the order in which consumers get them, until workorder.forget_events(). Each is a line of workorder.journal.';
COMMENT ON COLUMN workorder.event.tenant_id IS 'Whose ticket.';
COMMENT ON COLUMN workorder.event.number IS 'Its place in the order; numbers may be left out.';
COMMENT ON COLUMN workorder.event.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.event.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.event.revision IS 'The line of its journal.';
COMMENT ON COLUMN workorder.event.at IS 'When, as in the journal.';

CREATE TABLE workorder.consumer (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id() REFERENCES workorder.tenant (id),
  name text NOT NULL CHECK (name <> ''),
  number bigint NOT NULL,
  acknowledged_at timestamptz,
  PRIMARY KEY (tenant_id, name))
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE workorder.consumer IS 'Who reads events, and how far they have got. Kept by workorder.subscribe(), acknowledge() and unsubscribe().';
COMMENT ON COLUMN workorder.consumer.tenant_id IS 'Whose events.';
COMMENT ON COLUMN workorder.consumer.name IS 'Name of the consumer.';
COMMENT ON COLUMN workorder.consumer.number IS 'The last event that it has dealt with.';
COMMENT ON COLUMN workorder.consumer.acknowledged_at IS 'When it said so; null if it never has.';
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_outbox() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_outbox() IS
'Makes the tables of events and their consumers; part of workorder.install().';

CREATE FUNCTION workorder.publish_events(relation regclass, published boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = publish_events.relation AND t.tgname = '_workorder_record' AND t.tgparentid = 0) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('table %s is not guarded', coalesce(publish_events.relation::text, 'null')),
      DETAIL = 'Events are lines of the journal.', HINT = 'Give it a flow with workorder.guard().';
  END IF;
  IF publish_events.published IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'argument "published" is missing',
      DETAIL = 'It must not be null.', HINT = 'Give true to publish events, false to stop.';
  END IF;
  UPDATE workorder.guarded g SET heard = publish_events.published
  WHERE g.relation = publish_events.relation AND g.heard <> publish_events.published;
  IF FOUND THEN
    PERFORM workorder.make_record_trigger(publish_events.relation);
  END IF;
END
$$;
REVOKE ALL ON FUNCTION workorder.publish_events(regclass, boolean) FROM PUBLIC;
COMMENT ON FUNCTION workorder.publish_events(regclass, boolean) IS
'From the next statement on, every change of a guarded table that is journalled becomes an event, or (false) none does; what was published before stays. Other tables pay nothing. Waits for those who are writing the table. Needs to own the table. Raises WO404 for a table that is not guarded.';

CREATE FUNCTION workorder.subscribe(consumer text, since bigint DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_subscribe';
REVOKE ALL ON FUNCTION workorder.subscribe(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.subscribe(text, bigint) IS
'Makes a consumer of the current tenant''s events, and returns the number of the last event that it does not get: everything that is committed from now on, or what comes after the event since, as far as it is kept (0 for all of it). A consumer that is there stays where it is, unless since is given. Needs EXECUTE and nothing else. Raises WO400 for an empty name or a negative number, WO404 if there is no such tenant, WO409 outside of READ COMMITTED.';

CREATE FUNCTION workorder.events(consumer text, max int DEFAULT 1000)
RETURNS TABLE (number bigint, relation regclass, ticket_id bigint, revision int, at timestamptz, actor_id bigint,
  for_actor bigint, action text, from_state text, to_state text, note text, changes jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 100
AS 'MODULE_PATHNAME', 'workorder_events';
REVOKE ALL ON FUNCTION workorder.events(text, int) FROM PUBLIC;
COMMENT ON FUNCTION workorder.events(text, int) IS
'The next events of a consumer of the current tenant, in order, and the same ones again until acknowledge(). All of them, whoever may see the tickets: give EXECUTE to whom they are for, who needs nothing else. Events of a ticket come in the order of its revisions; what commits late comes late, and nothing is left out. Whoever reads for the same consumer meanwhile waits until the transaction ends. What a maintenance has taken from the journal has no action. Raises WO400 for a max below 1, WO404 for a consumer that is not there, WO409 outside of READ COMMITTED.';

CREATE FUNCTION workorder.acknowledge(consumer text, number bigint) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_acknowledge';
REVOKE ALL ON FUNCTION workorder.acknowledge(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.acknowledge(text, bigint) IS
'Says that a consumer of the current tenant has dealt with all events up to this one. In one transaction with what it does about them, that happens exactly once. Never goes back. Needs EXECUTE and nothing else. Raises WO400 for an event that is not there, WO404 for a consumer that is not there.';

CREATE FUNCTION workorder.unsubscribe(consumer text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM workorder.consumer c WHERE c.tenant_id = workorder.tenant_id() AND c.name = unsubscribe.consumer;
  RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION workorder.unsubscribe(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.unsubscribe(text) IS
'Removes a consumer of the current tenant, for which no event is kept any more; false if there was none. Needs to own workorder.consumer.';

CREATE FUNCTION workorder.forget_events(older_than interval DEFAULT '24 hours') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  forgotten bigint;
  unwanted bigint;
BEGIN
  DELETE FROM workorder.event e
  WHERE e.at < now() - forget_events.older_than
    AND NOT EXISTS (SELECT FROM workorder.consumer c WHERE c.tenant_id = e.tenant_id AND c.number < e.number);
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  DELETE FROM workorder.outbox o
  WHERE o.at < now() - forget_events.older_than
    AND NOT EXISTS (SELECT FROM workorder.consumer c WHERE c.tenant_id = o.tenant_id);
  GET DIAGNOSTICS unwanted = ROW_COUNT;
  RETURN forgotten + unwanted;
END
$$;
REVOKE ALL ON FUNCTION workorder.forget_events(interval) FROM PUBLIC;
COMMENT ON FUNCTION workorder.forget_events(interval) IS
'Forgets the events of all tenants that are older and that every consumer has dealt with, and returns how many. For a job that runs every hour or so. Needs to own the tables. The journal keeps its lines.';
-- Reading input.  What a request sends is judged by rules that are data: a list
-- of fields, each with its kind and its bounds.  What an API says of a bad
-- field is data too.  Nothing here knows a table or an API.

CREATE FUNCTION workorder.refuse(code text, message text, detail text, hint text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = refuse.code,
    MESSAGE = refuse.message,
    DETAIL = refuse.detail,
    HINT = refuse.hint;
END
$$;
REVOKE ALL ON FUNCTION workorder.refuse(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.refuse(text, text, text, text) IS
'Raises an error: SQLSTATE (WO400, WO403, WO404, WO409 ...), message, detail and hint. Never returns; not immutable, or the planner would run it.';

CREATE FUNCTION workorder.is_blank(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR value = 'null'::jsonb
  OR (jsonb_typeof(value) = 'string'
      AND btrim(value #>> '{}', '" \u0009\u000A\u000B\u000C\u000D\u0085\u00A0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000"'::jsonb #>> '{}') = '');
REVOKE ALL ON FUNCTION workorder.is_blank(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.is_blank(jsonb) IS
'Whether a field is absent, null, or a text of nothing but white space (the ideographic space too).';

CREATE FUNCTION workorder.only_texts(value jsonb, names text[] DEFAULT NULL) RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_only_texts';
REVOKE ALL ON FUNCTION workorder.only_texts(jsonb, text[]) FROM PUBLIC;
COMMENT ON FUNCTION workorder.only_texts(jsonb, text[]) IS
'Whether a value is an object, or a list of nothing but objects, in which every member with one of these names, if it is there, is a text or null; without names, whether every member is a text. Null if the value is null. For whoever reads a long list and does not want to look at each member.';

CREATE FUNCTION workorder.repeated(list jsonb, name text) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_repeated';
REVOKE ALL ON FUNCTION workorder.repeated(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.repeated(jsonb, text) IS
'Which values of a member, texts or numbers, come more than once in a list of objects, and where each comes first: {"value": place}, counted from 1. What is no object or has no such member is passed over. Raises WO400 for what is no list.';

CREATE FUNCTION workorder.slice(list jsonb, start int, count int) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_slice';
REVOKE ALL ON FUNCTION workorder.slice(jsonb, int, int) FROM PUBLIC;
COMMENT ON FUNCTION workorder.slice(jsonb, int, int) IS
'Up to count items of a list, from the one at start, counted from 0; an empty list if there are none. Raises WO400 for what is no list. For batches of a long list, as it takes no item apart.';

CREATE FUNCTION workorder.input_time(given text, day_only boolean, at_end boolean) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part CONSTANT text[] := regexp_match(given,
    '^([0-9]{4})-(0[1-9]|1[0-2])-([0-9]{2})(?:[ T]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:[.,][0-9]{1,9})?)?(Z|[+-](?:0[0-9]|1[0-4]):?(?:[0-5][0-9])?)?)?$');
  day text := left(given, 10);
BEGIN
  IF part IS NULL OR part[1]::int = 0 OR (day_only AND part[4] IS NOT NULL)
     OR part[3]::int NOT BETWEEN 1 AND extract(day FROM make_date(part[1]::int, part[2]::int, 1) + interval '1 month - 1 day') THEN
    RETURN NULL;
  ELSIF day_only THEN
    RETURN day;
  ELSIF part[4] IS NULL THEN
    RETURN day || CASE WHEN at_end THEN ' 23:59:59' ELSE ' 00:00:00' END;
  END IF;
  RETURN day || ' ' || part[4] || ':' || part[5] || ':' || coalesce(part[6], '00')
    || CASE WHEN part[7] = 'Z' THEN '+00' ELSE coalesce(part[7], '') END;
END
$$;
REVOKE ALL ON FUNCTION workorder.input_time(text, boolean, boolean) FROM PUBLIC;
COMMENT ON FUNCTION workorder.input_time(text, boolean, boolean) IS
'A day, or a time as "YYYY-MM-DD HH:MM:SS" with the offset that it was given with, if any; null if it is none or no such day exists. A day where a time is wanted becomes its first second, or its last if at_end. Part of read_input().';

CREATE FUNCTION workorder.input_value(given jsonb, rule jsonb, OUT value jsonb, OUT problem text, OUT bound text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kind CONSTANT text := rule ->> 'kind';
  type CONSTANT text := jsonb_typeof(given);
  said CONSTANT text := given #>> '{}';
  n numeric;
BEGIN
  IF kind IS NULL THEN
    value := given;
  ELSIF kind = 'text' THEN
    n := char_length(said);
    IF type = 'string' THEN
      value := given;
    END IF;
  ELSIF kind = 'int' THEN
    IF type = 'number' OR (type = 'string' AND said ~ '^-?[0-9]{1,40}$') THEN
      n := said::numeric;
      IF n = trunc(n) THEN
        n := least(trunc(n), (rule ->> 'cap')::numeric);
        value := to_jsonb(n);
      END IF;
    END IF;
  ELSIF kind = 'money' THEN
    IF type = 'number' OR (type = 'string' AND said ~ '^[0-9]{1,20}(\.[0-9]{1,20})?$') THEN
      n := trim_scale(said::numeric);
      IF n >= 0 AND n < 1e12 AND scale(n) <= 2 THEN
        value := to_jsonb(n);
      END IF;
    END IF;
  ELSIF kind = 'flag' THEN
    value := CASE WHEN said IN ('true', '1') AND type IN ('boolean', 'number', 'string') THEN 'true'::jsonb
                  WHEN said IN ('false', '0') AND type IN ('boolean', 'number', 'string') THEN 'false'::jsonb END;
  ELSIF kind = 'choice' THEN
    IF type IN ('string', 'number', 'boolean') THEN
      SELECT c.value INTO input_value.value
      FROM jsonb_array_elements(rule -> 'in') AS c (value)
      WHERE c.value #>> '{}' = said
      LIMIT 1;
    END IF;
  ELSIF kind IN ('time', 'day') THEN
    IF type = 'string' THEN
      value := to_jsonb(workorder.input_time(said, kind = 'day', coalesce((rule -> 'end')::boolean, false)));
    END IF;
  ELSIF kind = 'url' THEN
    n := char_length(said);
    IF type = 'string' AND said ~* '^https?://[^\s/?#]+[^\s]*$' THEN
      value := given;
    END IF;
  ELSIF kind IN ('object', 'list') THEN
    IF type = (CASE kind WHEN 'list' THEN 'array' ELSE kind END) THEN
      value := given;
      n := CASE type WHEN 'array' THEN jsonb_array_length(given) END;
    END IF;
  ELSE
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('there is no kind of input "%s"', kind),
      DETAIL = 'The kinds are text, int, money, flag, choice, time, day, url, object, list and ints.',
      HINT = 'Correct the rule.';
  END IF;

  IF value IS NULL THEN
    problem := kind;
  ELSIF n < (rule ->> 'min')::numeric THEN
    problem := 'min';
    bound := rule ->> 'min';
  ELSIF n > (rule ->> 'max')::numeric THEN
    problem := 'max';
    bound := rule ->> 'max';
  ELSIF value #>> '{}' !~ (rule ->> 'pattern') THEN
    problem := coalesce(rule ->> 'otherwise', kind);
  END IF;
END
$$;
REVOKE ALL ON FUNCTION workorder.input_value(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.input_value(jsonb, jsonb) IS
'Judges one value that was given by one rule: its value as it is kept, or what is wrong with it. Part of read_input(). Raises 22023 for a kind that does not exist.';

CREATE FUNCTION workorder.judge_input(fields jsonb, rules jsonb)
RETURNS TABLE (name text, value jsonb, rule text, bound text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  field jsonb;
  given jsonb;
  items jsonb;
  item jsonb;
  i int;
  judged record;
BEGIN
  FOR field IN SELECT r.value FROM jsonb_array_elements(rules) WITH ORDINALITY AS r (value, n) ORDER BY r.n LOOP
    name := field ->> 'name';
    given := coalesce(fields -> name, (
      SELECT fields -> a.alias
      FROM jsonb_array_elements_text(field -> 'from') WITH ORDINALITY AS a (alias, n)
      WHERE fields ? a.alias ORDER BY a.n LIMIT 1));
    value := NULL;
    rule := NULL;
    bound := NULL;

    -- What is not there.
    IF given IS NULL OR given = 'null' OR (workorder.is_blank(given) AND field -> 'blank' IS DISTINCT FROM 'false' AND (field ->> 'kind' IS DISTINCT FROM 'text' OR field ? 'required')) THEN
      IF given = 'null' AND field -> 'null' = 'true' THEN
        value := given;
      ELSIF given = 'null' AND field -> 'null' = 'false' THEN
        rule := field ->> 'kind';
      ELSIF field -> 'required' = 'true' OR (field ->> 'required' = 'if given' AND given IS NOT NULL) THEN
        IF field -> 'blank' = 'true' AND jsonb_typeof(given) = 'string' THEN
          value := given;
        ELSE
          rule := 'required';
        END IF;
      ELSE
        value := field -> 'default';
      END IF;
      IF value IS NOT NULL OR rule IS NOT NULL THEN
        RETURN NEXT;
      END IF;
      CONTINUE;
    END IF;

    -- A list of whole numbers comes as a list, as a field sent several times, or as text.
    IF field ->> 'kind' = 'ints' THEN
      items := CASE jsonb_typeof(given)
        WHEN 'array' THEN given
        WHEN 'string' THEN to_jsonb(string_to_array(btrim(given #>> '{}', '[] '), ','))
        ELSE jsonb_build_array(given) END;
      value := '[]';
      FOR item, i IN SELECT e.value, e.n - 1 FROM jsonb_array_elements(items) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
        CONTINUE WHEN workorder.is_blank(item);
        judged := workorder.input_value(CASE jsonb_typeof(item) WHEN 'string' THEN to_jsonb(btrim(item #>> '{}')) ELSE item END,
          field || CASE WHEN field ? 'in' THEN '{"kind": "choice"}' ELSE '{"kind": "int"}' END::jsonb);
        IF judged.problem IS NOT NULL THEN
          name := (field ->> 'name') || '.' || i;
          value := NULL;
          rule := judged.problem;
          bound := judged.bound;
          RETURN NEXT;
          value := '[]';
          rule := NULL;
        END IF;
        value := value || judged.value;
      END LOOP;
      name := field ->> 'name';
      bound := NULL;
      IF value <> '[]' THEN
        RETURN NEXT;
      END IF;
      CONTINUE;
    END IF;

    -- Of a query's field that came several times, the last counts.
    IF jsonb_typeof(given) = 'array' AND field -> 'last' = 'true' THEN
      given := given -> -1;
    END IF;
    judged := workorder.input_value(given, field);
    value := judged.value;
    rule := judged.problem;
    bound := judged.bound;
    IF rule IS NOT NULL THEN
      value := NULL;
      IF field -> 'lenient' = 'true' THEN
        rule := NULL;
        bound := NULL;
        value := field -> 'default';
      END IF;
    END IF;
    IF value IS NOT NULL OR rule IS NOT NULL THEN
      RETURN NEXT;
    END IF;
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION workorder.judge_input(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.judge_input(jsonb, jsonb) IS
'Every field of the rules that was given or has a default, in the order of the rules, with its value or what is wrong with it. Part of read_input() and check_input(), which explain the rules.';

CREATE FUNCTION workorder.check_input(fields jsonb, rules jsonb)
RETURNS TABLE (name text, rule text, bound text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT j.name, j.rule, j.bound
  FROM workorder.judge_input(fields, rules) WITH ORDINALITY AS j (name, value, rule, bound, n)
  WHERE j.rule IS NOT NULL
  ORDER BY j.n;
END;
REVOKE ALL ON FUNCTION workorder.check_input(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.check_input(jsonb, jsonb) IS
'What is wrong with the fields of a request, in the order of the rules (see read_input()): the field, of a list''s item as name.0, the rule it breaks (required, min, max, or its kind), and the bound of min and max. Empty if read_input() would succeed.';

CREATE FUNCTION workorder.input_message(wording jsonb, rule text, name text, bound text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(replace(replace(
  coalesce(wording ->> rule, CASE WHEN rule <> 'required' THEN wording ->> 'invalid' END,
    CASE rule WHEN 'required' THEN 'missing field: $name' ELSE 'invalid value: $name' END),
  '$bound', coalesce(bound, '')), '$label', replace(name, '_', ' ')), '$name', name);
REVOKE ALL ON FUNCTION workorder.input_message(jsonb, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.input_message(jsonb, text, text, text) IS
'What an API says of a field that breaks a rule: the wording''s text for the rule, else for "invalid", with $name, $label (the name with spaces for _) and $bound filled in.';

CREATE FUNCTION workorder.refuse_input(
  wording jsonb, rule text, name text, detail text DEFAULT NULL, bound text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO400', workorder.input_message(wording, rule, name, bound),
    coalesce(detail, CASE rule
      WHEN 'required' THEN 'The field is required here and must not be blank.'
      WHEN 'text' THEN 'It must be a text.'
      WHEN 'int' THEN 'It must be a whole number.'
      WHEN 'money' THEN 'It must be an amount from 0 to 999999999999.99 with at most two decimals.'
      WHEN 'flag' THEN 'It must be true, false, 1 or 0.'
      WHEN 'choice' THEN 'It is none of the values that are possible here.'
      WHEN 'time' THEN 'It must be a time, "2018-03-05 10:00:00", or a day.'
      WHEN 'day' THEN 'It must be a day, "2018-03-05".'
      WHEN 'url' THEN 'It must be an address that begins with http:// or https://.'
      WHEN 'object' THEN 'It must be an object.'
      WHEN 'list' THEN 'It must be a list.'
      WHEN 'min' THEN format('The least that is possible is %s (a text''s or a list''s length).', bound)
      WHEN 'max' THEN format('The most that is possible is %s (a text''s or a list''s length).', bound)
      ELSE 'The field breaks its rule.'
    END),
    CASE rule WHEN 'required' THEN 'Send the field.' ELSE 'Correct the value.' END);
END
$$;
REVOKE ALL ON FUNCTION workorder.refuse_input(jsonb, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.refuse_input(jsonb, text, text, text, text) IS
'Raises WO400 for a field that breaks a rule, in the words of the API (input_message()), as read_input() does; with a detail of its own where the rule''s does not tell enough.';

CREATE FUNCTION workorder.read_input(fields jsonb, rules jsonb, wording jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb := '{}';
  field record;
BEGIN
  FOR field IN SELECT * FROM workorder.judge_input(fields, rules) LOOP
    IF field.rule IS NOT NULL THEN
      PERFORM workorder.refuse_input(wording, field.rule, field.name, bound => field.bound);
    END IF;
    result := result || jsonb_build_object(field.name, field.value);
  END LOOP;
  RETURN result;
END
$$;
REVOKE ALL ON FUNCTION workorder.read_input(jsonb, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.read_input(jsonb, jsonb, jsonb) IS
'Takes the fields of a request (body, query or form), judges them by rules and returns the values: one key for each rule whose field was given or has a default. Raises WO400 for the first problem, in the words of the API (input_message()).
A rule: {"name", "kind": text, int, money, flag, choice, time, day, url, object, list or ints (a list of whole numbers, or of choices, also as text with commas); none takes anything; "min", "max": bounds of a number, or of the length of a text, address or list; "in": the choices; "pattern": a regular expression that the value as text must match, and "otherwise": the rule that it breaks if not (its kind); "required": true, or "if given" for a field that may be absent but not blank; "blank": true lets a required text be blank, false takes blank text as a value like any other; "null": true keeps null as a value, false refuses it; "default"; "cap": larger numbers become this one; "lenient": true takes an invalid value as absent; "last": true takes the last of a field that came several times; "end": true completes a day to its last second; "from": other names, read if the first is absent}.
Absent are null too and, but for a text that is not required, blank text. Text is kept verbatim, a time as YYYY-MM-DD HH:MM:SS with the offset it came with (see time_of()).';

CREATE FUNCTION workorder.time_of(given text, zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN given ~ ':[0-9]{2}[+-][0-9:]+$' THEN given::timestamptz ELSE given::timestamp AT TIME ZONE zone END;
REVOKE ALL ON FUNCTION workorder.time_of(text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.time_of(text, text) IS
'The moment that read_input() has read: by its own offset, else in this time zone.';

CREATE FUNCTION workorder.time_text(at timestamptz, zone text DEFAULT 'UTC') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(at AT TIME ZONE zone, 'YYYY-MM-DD HH24:MI:SS');
REVOKE ALL ON FUNCTION workorder.time_text(timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.time_text(timestamptz, text) IS
'A moment as people write it, YYYY-MM-DD HH:MM:SS, in a time zone.';

CREATE FUNCTION workorder.path_id(id text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN id ~ '^[0-9]+$' AND id::numeric <= 2147483647 THEN id::bigint END;
REVOKE ALL ON FUNCTION workorder.path_id(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.path_id(text) IS
'The number in a path; null if it is none or beyond 2147483647: there can be no such row.';
-- What add-ons are made with: each has a schema of its own, people's settings
-- and lists in shared tables, and an API with routes.

CREATE FUNCTION workorder.own_schema(schema text, remark text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (
      SELECT FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
      WHERE n.nspname = own_schema.schema AND r.rolname = current_user) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format('schema "%s" belongs to somebody else', own_schema.schema),
      DETAIL = 'Whoever owns the schema could replace what the extension calls.',
      HINT = 'Drop the schema, or make the installing role its owner.';
  END IF;
  EXECUTE format('COMMENT ON SCHEMA %I IS %L', own_schema.schema, own_schema.remark);
END
$$;
REVOKE ALL ON FUNCTION workorder.own_schema(text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.own_schema(text, text) IS
'Begins the script of an add-on: makes sure that the schema, which is no member of the extension for it holds the user''s tables, is the installer''s, and comments it. Raises 42501.';

CREATE FUNCTION workorder.grant_addon(extension text, role regrole, internal text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f record;
BEGIN
  PERFORM workorder.grant_access(grant_addon.role);
  FOR f IN
    SELECT p.oid::regprocedure AS signature, p.pronamespace::regnamespace AS schema
    FROM pg_extension e
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
      AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    JOIN pg_proc p ON p.oid = d.objid
    WHERE e.extname = grant_addon.extension AND p.proname <> ALL (grant_addon.internal)
  LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', f.schema, grant_addon.role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f.signature, grant_addon.role);
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION workorder.grant_addon(text, regrole, text[]) FROM PUBLIC;
COMMENT ON FUNCTION workorder.grant_addon(text, regrole, text[]) IS
'Gives a role EXECUTE on the functions of an add-on but the internal ones (by name), USAGE on its schema, and workorder.grant_access(), which leaves the add-ons'' tables to them: see grant_table(). Needs to own them.';

CREATE FUNCTION workorder.enrol_in(flow text, login text, name text, roles text[], keep boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  stem CONSTANT text := enrol_in.flow || '.';
  known CONSTANT text[] := ARRAY(
    SELECT substr(r.role, length(stem) + 1)
    FROM workorder.flow f, jsonb_array_elements_text(f.definition -> 'roles') AS r (role)
    WHERE f.name = enrol_in.flow AND f.life = 'published' AND starts_with(r.role, stem));
  person bigint;
BEGIN
  IF enrol_in.roles IS NULL OR NOT enrol_in.roles <@ known THEN
    PERFORM workorder.refuse('WO400', 'no such role', format('The roles are %s.', array_to_string(known, ', ')),
      'Give some of them, or an empty list.');
  END IF;
  person := workorder.enrol(enrol_in.login, enrol_in.name);
  -- Roles in other flows are left alone.
  DELETE FROM workorder.membership m
  WHERE NOT enrol_in.keep AND m.tenant_id = tenant AND m.actor_id = person AND starts_with(m.role, stem)
    AND substr(m.role, length(stem) + 1) <> ALL (enrol_in.roles);
  INSERT INTO workorder.membership (tenant_id, actor_id, role)
  SELECT tenant, person, stem || r.role FROM unnest(enrol_in.roles) AS r (role)
  ON CONFLICT DO NOTHING;
  RETURN person;
END
$$;
REVOKE ALL ON FUNCTION workorder.enrol_in(text, text, text, text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION workorder.enrol_in(text, text, text, text[], boolean) IS
'Enrols a person of an add-on (enrol()) with these roles of its flow, named without the flow''s name before them: instead of those that he holds there, or, with keep, besides. Roles in other flows stay. Returns his id. Raises WO400 for a role that the published flow does not declare.';

CREATE FUNCTION workorder.open_directory(relation regclass, system text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
  EXECUTE format('CREATE POLICY directory_view ON %s FOR SELECT
    USING (tenant_id = (SELECT workorder.tenant_id()) AND (SELECT workorder.takes_part(%L)))', relation, system);
  EXECUTE format('COMMENT ON POLICY directory_view ON %s IS %L', relation, format('Whoever takes part in %s reads it', system));
END
$$;
REVOKE ALL ON FUNCTION workorder.open_directory(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.open_directory(regclass, text) IS
'Row-level security of a table that tickets refer to: whoever takes part in the system (takes_part()) reads the rows of his tenant, and nobody else. Who writes them is said by other policies. Needs to own the table.';

-- Settings and lists, per tenant.

CREATE FUNCTION workorder.install_addon() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.setting (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id() REFERENCES workorder.tenant (id),
  system text NOT NULL CHECK (system <> ''),
  name text NOT NULL CHECK (name <> ''),
  value text NOT NULL,
  PRIMARY KEY (tenant_id, system, name));
COMMENT ON TABLE workorder.setting IS 'What a tenant has set for an add-on or application, such as its time zone. No secrets: who may act may read it.';
COMMENT ON COLUMN workorder.setting.tenant_id IS 'Whose setting.';
COMMENT ON COLUMN workorder.setting.system IS 'Add-on or application.';
COMMENT ON COLUMN workorder.setting.name IS 'Which one.';
COMMENT ON COLUMN workorder.setting.value IS 'Its value, as text.';
ALTER TABLE workorder.setting ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.setting USING (tenant_id = workorder.tenant_id());

CREATE TABLE workorder.dictionary (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  system text NOT NULL,
  kind text NOT NULL,
  code text NOT NULL,
  label text NOT NULL,
  "position" int NOT NULL DEFAULT 0,
  active boolean NOT NULL DEFAULT true,
  PRIMARY KEY (tenant_id, system, kind, code));
COMMENT ON TABLE workorder.dictionary IS 'Every enumerated list that an API serves. Kept by workorder.import_dictionary().';
COMMENT ON COLUMN workorder.dictionary.tenant_id IS 'Whose list.';
COMMENT ON COLUMN workorder.dictionary.system IS 'Add-on or application.';
COMMENT ON COLUMN workorder.dictionary.kind IS 'Which list.';
COMMENT ON COLUMN workorder.dictionary.code IS 'Stored value.';
COMMENT ON COLUMN workorder.dictionary.label IS 'Text for people.';
COMMENT ON COLUMN workorder.dictionary."position" IS 'Order in the list.';
COMMENT ON COLUMN workorder.dictionary.active IS 'False: no longer offered; rows that hold it keep it.';
ALTER TABLE workorder.dictionary ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.dictionary USING (tenant_id = workorder.tenant_id());
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_addon() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_addon() IS
'Makes the tables of settings and lists; part of workorder.install().';

CREATE FUNCTION workorder.setting(system text, name text, fallback text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN coalesce(
    (SELECT s.value FROM workorder.setting s
     WHERE s.tenant_id = workorder.tenant_id() AND s.system = setting.system AND s.name = setting.name),
    setting.fallback);
END
$$;
REVOKE ALL ON FUNCTION workorder.setting(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.setting(text, text, text) IS
'What the current tenant has set for a system, else the fallback.';

CREATE FUNCTION workorder.set_setting(system text, name text, value text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF set_setting.name = 'time_zone' AND set_setting.value IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = set_setting.value) THEN
    PERFORM workorder.refuse('WO400', 'there is no such time zone',
      'The value of time_zone is used to read and write times.', 'The view pg_timezone_names lists them.');
  END IF;
  IF set_setting.value IS NULL THEN
    DELETE FROM workorder.setting s
    WHERE s.tenant_id = workorder.tenant_id() AND s.system = set_setting.system AND s.name = set_setting.name;
  ELSE
    INSERT INTO workorder.setting (tenant_id, system, name, value)
    VALUES (workorder.tenant_id(), set_setting.system, set_setting.name, set_setting.value)
    ON CONFLICT ON CONSTRAINT setting_pkey DO UPDATE SET value = excluded.value;
  END IF;
END
$$;
REVOKE ALL ON FUNCTION workorder.set_setting(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.set_setting(text, text, text) IS
'Sets something for the current tenant; null takes it back. Needs the privilege to write workorder.setting. Raises WO400 for a time_zone that there is not.';

CREATE FUNCTION workorder.in_dictionary(system text, kind text, code text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
      SELECT FROM workorder.dictionary d
      WHERE d.tenant_id = workorder.tenant_id() AND d.system = in_dictionary.system
        AND d.kind = in_dictionary.kind AND d.code = in_dictionary.code AND d.active)
    OR NOT EXISTS (
      SELECT FROM workorder.dictionary d
      WHERE d.tenant_id = workorder.tenant_id() AND d.system = in_dictionary.system
        AND d.kind = in_dictionary.kind);
END
$$;
REVOKE ALL ON FUNCTION workorder.in_dictionary(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.in_dictionary(text, text, text) IS
'Whether a value is an active one of a list of the tenant; an empty list takes any.';

CREATE FUNCTION workorder.import_dictionary(system text, kind text, list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  imported int;
BEGIN
  IF jsonb_typeof(import_dictionary.list) IS DISTINCT FROM 'array' THEN
    PERFORM workorder.refuse('WO400', 'a dictionary is imported from a list',
      'The last argument must be a JSON list of objects.', 'Give [{"code": "1", "label": "..."}].');
  END IF;
  INSERT INTO workorder.dictionary AS d (tenant_id, system, kind, code, label, position, active)
  SELECT DISTINCT ON (i.code) workorder.tenant_id(), import_dictionary.system, import_dictionary.kind,
    i.code, coalesce(i.label, i.code), coalesce(i.position, i.n::int), coalesce(i.active, true)
  FROM ROWS FROM (jsonb_to_recordset(import_dictionary.list) AS (code text, label text, position int, active boolean))
    WITH ORDINALITY AS i (code, label, position, active, n)
  ORDER BY i.code, i.n DESC
  ON CONFLICT ON CONSTRAINT dictionary_pkey DO UPDATE
    SET label = excluded.label, position = excluded.position, active = excluded.active
    WHERE (d.label, d.position, d.active) IS DISTINCT FROM (excluded.label, excluded.position, excluded.active);
  GET DIAGNOSTICS imported = ROW_COUNT;
  RETURN imported;
END
$$;
REVOKE ALL ON FUNCTION workorder.import_dictionary(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.import_dictionary(text, text, jsonb) IS
'Brings a list of the current tenant up to date from [{"code", "label", "position", "active"}], in the order given unless positions say otherwise; nothing is taken away. Returns how many entries were new or changed. Raises WO400; needs the privilege to write workorder.dictionary.';

-- An API and its routes.

CREATE FUNCTION workorder.add_api(name text, prefix text, error json, anonymous boolean, settings jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- What somebody has set stays as it is.
  INSERT INTO workorder.api AS a (name, prefix, error, anonymous, settings)
  VALUES (add_api.name, add_api.prefix, add_api.error, add_api.anonymous, add_api.settings)
  ON CONFLICT ON CONSTRAINT api_pkey DO UPDATE SET error = excluded.error, settings = excluded.settings || a.settings;
END
$$;
REVOKE ALL ON FUNCTION workorder.add_api(text, text, json, boolean, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.add_api(text, text, json, boolean, jsonb) IS
'Enters an API (see workorder.api) or brings it up to date; its prefix, who may call it, and settings that were changed since stay.';

CREATE FUNCTION workorder.add_routes(api text, routes jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM workorder.route r WHERE r.api = add_routes.api;
  INSERT INTO workorder.route (api, method, pattern, handler, settings)
  SELECT a.name, r.value ->> 0, rtrim(a.prefix, '/') || (r.value ->> 1), a.name || '.' || (r.value ->> 2), coalesce(r.value -> 3, '{}')
  FROM workorder.api a, jsonb_array_elements(add_routes.routes) AS r (value)
  WHERE a.name = add_routes.api;
  -- A gateway, if there is one, looks again.
  PERFORM pg_notify('pgrst', 'reload schema');
END
$$;
REVOKE ALL ON FUNCTION workorder.add_routes(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.add_routes(text, jsonb) IS
'Replaces the routes of an API: [["GET", "/path/{id:int}", "handler", settings or nothing], ...]; paths continue the API''s prefix, handlers are functions of the schema named as the API.';
-- Files that belong to tickets: bytes once per tenant and digest, and for each
-- ticket that has them a number of its own, under which they are served.

CREATE FUNCTION workorder.attach(relation regclass, ticket_id bigint, content bytea, content_type text,
  filename text DEFAULT '', action text DEFAULT 'attach', uuid uuid DEFAULT gen_random_uuid()) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_attach';
REVOKE ALL ON FUNCTION workorder.attach(regclass, bigint, bytea, text, text, text, uuid) FROM PUBLIC;
COMMENT ON FUNCTION workorder.attach(regclass, bigint, bytea, text, text, text, uuid) IS
'Stores a file with a ticket and returns the number that workorder.attachments shows it under. Who may is the flow''s: the caller must be able to take the action on the ticket (workorder.explain()); it is not taken, for a file by itself changes nothing of the ticket. Bytes that the tenant has already are not stored again. The type is believed: see image_type(). Raises WO400 for an argument that is null and for a blank type, and for the action what explain() tells: WO403, WO404, WO409; 23505 for a number that is there already.';

CREATE FUNCTION workorder.image_type(content bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN substring(content FROM 1 FOR 8) = '\x89504e470d0a1a0a'::bytea THEN 'image/png'
  WHEN substring(content FROM 1 FOR 3) = '\xffd8ff'::bytea THEN 'image/jpeg'
  WHEN substring(content FROM 1 FOR 6) IN ('\x474946383761'::bytea, '\x474946383961'::bytea) THEN 'image/gif'
  WHEN substring(content FROM 1 FOR 4) = '\x52494646'::bytea AND substring(content FROM 9 FOR 4) = '\x57454250'::bytea
    THEN 'image/webp'
END;
REVOKE ALL ON FUNCTION workorder.image_type(bytea) FROM PUBLIC;
COMMENT ON FUNCTION workorder.image_type(bytea) IS
'The media type of an image, by its first bytes: image/png, image/jpeg, image/gif or image/webp; null for anything else, whatever it may be called.';

CREATE FUNCTION workorder.image_extension(content_type text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE content_type WHEN 'image/png' THEN 'png' WHEN 'image/jpeg' THEN 'jpg' WHEN 'image/gif' THEN 'gif'
  WHEN 'image/webp' THEN 'webp' END;
REVOKE ALL ON FUNCTION workorder.image_extension(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.image_extension(text) IS
'How the name of a file with such an image ends; null for another type.';

CREATE FUNCTION workorder.decode_base64(given text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN decode(given, 'base64');
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION workorder.decode_base64(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.decode_base64(text) IS
'The bytes that base64 stands for, null for text that is not base64.';

CREATE FUNCTION workorder.read_image(given text, OUT content bytea, OUT content_type text)
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Of a long text only the beginning is looked at.
  said CONSTANT text := substring(left(given, 64) FROM '^data:(image/(?:png|jpeg|gif|webp));base64,');
BEGIN
  IF said IS NOT NULL THEN
    content := workorder.decode_base64(substr(given, length(said) + 14));
  ELSIF octet_length(given) >= 64 THEN
    content := workorder.decode_base64(given);
  END IF;
  content_type := workorder.image_type(content);
  IF content_type IS NULL OR content_type <> said THEN
    content := NULL;
    content_type := NULL;
  END IF;
END
$$;
REVOKE ALL ON FUNCTION workorder.read_image(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.read_image(text) IS
'An image that was sent as text: data:image/png;base64,... (or jpeg, gif, webp), or bare base64 of at least 64 characters. Nulls for anything else, and for bytes that are no such image or another one than was said.';

CREATE FUNCTION workorder.install_attachment() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.attachment (
  tenant_id bigint NOT NULL,
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  content bytea NOT NULL,
  PRIMARY KEY (tenant_id, digest));
-- Images and archives are compressed already.
ALTER TABLE workorder.attachment ALTER COLUMN content SET STORAGE EXTERNAL;
COMMENT ON TABLE workorder.attachment IS 'Bytes of files, once for each tenant, however many tickets have them. Written by workorder.attach().';
COMMENT ON COLUMN workorder.attachment.tenant_id IS 'Whose file.';
COMMENT ON COLUMN workorder.attachment.digest IS 'SHA-256 of the bytes.';
COMMENT ON COLUMN workorder.attachment.content IS 'The bytes.';

CREATE TABLE workorder.attached (
  tenant_id bigint NOT NULL,
  uuid uuid NOT NULL,
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  digest bytea NOT NULL,
  size bigint NOT NULL,
  content_type text NOT NULL,
  filename text NOT NULL,
  actor_id bigint,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, uuid),
  FOREIGN KEY (tenant_id, digest) REFERENCES workorder.attachment (tenant_id, digest));
COMMENT ON TABLE workorder.attached IS 'Which ticket has which file. Written by workorder.attach(), read through workorder.attachments.';
COMMENT ON COLUMN workorder.attached.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.attached.uuid IS 'What the file is served under; another one for each ticket that has it.';
COMMENT ON COLUMN workorder.attached.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.attached.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.attached.digest IS 'The bytes.';
COMMENT ON COLUMN workorder.attached.size IS 'How many.';
COMMENT ON COLUMN workorder.attached.content_type IS 'Media type that it is served with.';
COMMENT ON COLUMN workorder.attached.filename IS 'Name it was sent with, for people; may be empty.';
COMMENT ON COLUMN workorder.attached.actor_id IS 'Who attached it; null for anonymous.';
COMMENT ON COLUMN workorder.attached.at IS 'When.';
CREATE INDEX attached_ticket ON workorder.attached (tenant_id, relation_id, ticket_id);
CREATE INDEX attached_digest ON workorder.attached (tenant_id, digest);

CREATE VIEW workorder.attachments WITH (security_barrier = true) AS
SELECT g.relation, t.ticket_id, t.uuid, t.content_type, t.filename, t.size, t.actor_id, t.at, b.content
FROM workorder.attached t
JOIN workorder.guarded g ON g.id = t.relation_id
JOIN workorder.attachment b ON b.tenant_id = t.tenant_id AND b.digest = t.digest
WHERE t.tenant_id = workorder.tenant_id() AND workorder.visible(g.relation, t.ticket_id);
COMMENT ON VIEW workorder.attachments IS 'Files of the tickets that the caller may see. Give uuid, or relation and ticket_id.';
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_attachment() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_attachment() IS
'Makes the tables of files and the view on them; part of workorder.install().';
-- Approvals by name: the lists of tasks, who stands in for whom, and what may
-- be done to a task besides deciding it.

CREATE FUNCTION workorder.round_tasks(votes jsonb)
RETURNS TABLE (number int, actor_id bigint, owner_id bigint, role text, open boolean, reminded_at timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  WITH task AS (
    SELECT (t.value ->> 'n')::int AS n, t.value AS task
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(round_tasks.votes -> '$tasks') = 'array' THEN round_tasks.votes -> '$tasks' ELSE '[]' END) t
    WHERE NOT t.value ? 'vote')
  SELECT t.n, (t.task ->> 'who')::bigint, (t.task ->> 'owner')::bigint, t.task ->> 'role',
    NOT EXISTS (SELECT FROM task o WHERE t.task -> 'after' @> to_jsonb(o.n)),
    to_timestamp((round_tasks.votes ->> '$reminded')::bigint)
  FROM task t;
END;
REVOKE ALL ON FUNCTION workorder.round_tasks(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.round_tasks(jsonb) IS
'The undecided tasks that the column votes of a row holds: what workorder.task shows of the ticket. open: nobody else has to decide first.';

CREATE FUNCTION workorder.install_approval() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.task (
  tenant_id bigint NOT NULL,
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  number int NOT NULL,
  actor_id bigint,
  owner_id bigint,
  role text,
  open boolean NOT NULL,
  state text NOT NULL,
  since timestamptz NOT NULL,
  due_at timestamptz,
  reminded_at timestamptz,
  PRIMARY KEY (tenant_id, relation_id, ticket_id, number));
COMMENT ON TABLE workorder.task IS 'Who has to decide which ticket now. A shadow of the tickets'' votes, kept by their triggers in the same commit: what is decided is gone. Read it through the lists: my_tasks, group_tasks, overdue_tasks, open_tasks.';
COMMENT ON COLUMN workorder.task.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.task.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.task.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.task.number IS 'Which task of the ticket''s step.';
COMMENT ON COLUMN workorder.task.actor_id IS 'Who has it; null: whoever of the role claims it.';
COMMENT ON COLUMN workorder.task.owner_id IS 'Whose it is, if he has asked the other one for advice.';
COMMENT ON COLUMN workorder.task.role IS 'The role that it belongs to until it is claimed; null for a person''s own.';
COMMENT ON COLUMN workorder.task.open IS 'False while others have to decide first.';
COMMENT ON COLUMN workorder.task.state IS 'Leaf that the ticket is in.';
COMMENT ON COLUMN workorder.task.since IS 'When the ticket came there.';
COMMENT ON COLUMN workorder.task.due_at IS 'By when it should be decided ("due" in the flow); null for no such time.';
COMMENT ON COLUMN workorder.task.reminded_at IS 'When its people were reminded last.';
CREATE INDEX task_actor ON workorder.task (tenant_id, actor_id, since, relation_id, ticket_id, number);
CREATE INDEX task_owner ON workorder.task (tenant_id, owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX task_unclaimed ON workorder.task (tenant_id, since, relation_id, ticket_id, number) WHERE actor_id IS NULL;

CREATE TABLE workorder.part (
  tenant_id bigint NOT NULL,
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  revision int NOT NULL,
  kind text NOT NULL CHECK (kind IN ('started', 'decided', 'copied')),
  actor_id bigint NOT NULL,
  at timestamptz NOT NULL,
  action text NOT NULL,
  PRIMARY KEY (tenant_id, relation_id, ticket_id, revision, kind, actor_id));
COMMENT ON TABLE workorder.part IS 'What people had to do with tickets of flows that have approvers: started, decided, or been copied in. Follows from the journal; read it through started_by_me, decided_by_me and copied_to_me.';
COMMENT ON COLUMN workorder.part.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.part.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.part.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.part.revision IS 'Journal line that tells of it.';
COMMENT ON COLUMN workorder.part.kind IS 'started, decided or copied.';
COMMENT ON COLUMN workorder.part.actor_id IS 'Who: of a decision by a deputy, both.';
COMMENT ON COLUMN workorder.part.at IS 'When.';
COMMENT ON COLUMN workorder.part.action IS 'By which action.';
CREATE INDEX part_actor ON workorder.part (tenant_id, actor_id, kind, at, relation_id, ticket_id, revision);

CREATE TABLE workorder.deputy (
  tenant_id bigint NOT NULL,
  actor_id bigint NOT NULL,
  deputy_id bigint NOT NULL CHECK (deputy_id <> actor_id),
  since timestamptz NOT NULL,
  until timestamptz CHECK (until > since),
  PRIMARY KEY (tenant_id, actor_id, deputy_id, since),
  FOREIGN KEY (tenant_id, actor_id) REFERENCES workorder.actor (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, deputy_id) REFERENCES workorder.actor (tenant_id, id) ON DELETE CASCADE);
COMMENT ON TABLE workorder.deputy IS 'Who stands in for whom, and when: he decides the other''s tasks, in his name. Kept by workorder.deputise().';
COMMENT ON COLUMN workorder.deputy.tenant_id IS 'Whose people.';
COMMENT ON COLUMN workorder.deputy.actor_id IS 'Who is away.';
COMMENT ON COLUMN workorder.deputy.deputy_id IS 'Who stands in.';
COMMENT ON COLUMN workorder.deputy.since IS 'From when.';
COMMENT ON COLUMN workorder.deputy.until IS 'Until when, that moment not included; null for good.';
CREATE INDEX deputy_deputy ON workorder.deputy (tenant_id, deputy_id, actor_id);

CREATE VIEW workorder.my_tasks WITH (security_barrier = true) AS
SELECT t.since, t.relation_id, t.ticket_id, t.number, g.relation, t.state, t.due_at, t.reminded_at, t.owner_id, NULL::bigint AS for_actor
FROM workorder.task t JOIN workorder.guarded g ON g.id = t.relation_id
WHERE t.tenant_id = workorder.tenant_id() AND t.actor_id = workorder.actor_id() AND t.open
UNION ALL
SELECT t.since, t.relation_id, t.ticket_id, t.number, g.relation, t.state, t.due_at, t.reminded_at, t.owner_id, t.actor_id
FROM workorder.deputy d
JOIN workorder.task t ON t.tenant_id = d.tenant_id AND t.actor_id = d.actor_id AND t.open AND t.owner_id IS NULL
JOIN workorder.guarded g ON g.id = t.relation_id
WHERE d.tenant_id = workorder.tenant_id() AND d.deputy_id = workorder.actor_id()
  AND d.since <= workorder.clock() AND (d.until IS NULL OR workorder.clock() < d.until)
  AND NOT EXISTS (SELECT FROM workorder.task o WHERE o.tenant_id = t.tenant_id AND o.relation_id = t.relation_id
    AND o.ticket_id = t.ticket_id AND workorder.actor_id() IN (o.actor_id, o.owner_id));
COMMENT ON VIEW workorder.my_tasks IS 'What the caller has to decide now, and, with for_actor, what he may decide for whom he stands in. Page by (since, relation_id, ticket_id, number) > the last row''s.';

CREATE VIEW workorder.group_tasks WITH (security_barrier = true) AS
SELECT t.since, t.relation_id, t.ticket_id, t.number, g.relation, t.state, t.due_at, t.reminded_at, t.role
FROM workorder.task t JOIN workorder.guarded g ON g.id = t.relation_id
WHERE t.tenant_id = workorder.tenant_id() AND t.actor_id IS NULL AND t.open
  AND workorder.has_role(t.role);
COMMENT ON VIEW workorder.group_tasks IS 'What waits for somebody of the caller''s roles to claim it. Page by (since, relation_id, ticket_id, number) > the last row''s.';

CREATE VIEW workorder.overdue_tasks WITH (security_barrier = true) AS
SELECT t.* FROM workorder.my_tasks t WHERE t.due_at <= workorder.clock();
COMMENT ON VIEW workorder.overdue_tasks IS 'Those of my_tasks that should have been decided.';

CREATE VIEW workorder.open_tasks WITH (security_barrier = true) AS
SELECT g.relation, t.ticket_id, t.number, a.login AS person, o.login AS owner, t.role, t.open, t.state, t.since, t.due_at, t.reminded_at, t.relation_id
FROM workorder.task t JOIN workorder.guarded g ON g.id = t.relation_id
LEFT JOIN workorder.actor a ON a.tenant_id = t.tenant_id AND a.id = t.actor_id
LEFT JOIN workorder.actor o ON o.tenant_id = t.tenant_id AND o.id = t.owner_id
WHERE t.tenant_id = workorder.tenant_id() AND workorder.visible(g.relation, t.ticket_id);
COMMENT ON VIEW workorder.open_tasks IS 'Who still has to decide, of tickets that the caller may see.';

CREATE VIEW workorder.started_by_me WITH (security_barrier = true) AS
SELECT p.at, p.relation_id, p.ticket_id, p.revision, g.relation
FROM workorder.part p JOIN workorder.guarded g ON g.id = p.relation_id
WHERE p.tenant_id = workorder.tenant_id() AND p.actor_id = workorder.actor_id() AND p.kind = 'started';
COMMENT ON VIEW workorder.started_by_me IS 'Tickets that the caller made, of flows with approvers. Page by (at, relation_id, ticket_id, revision) < the last row''s.';

CREATE VIEW workorder.decided_by_me WITH (security_barrier = true) AS
SELECT p.at, p.relation_id, p.ticket_id, p.revision, g.relation, p.action
FROM workorder.part p JOIN workorder.guarded g ON g.id = p.relation_id
WHERE p.tenant_id = workorder.tenant_id() AND p.actor_id = workorder.actor_id() AND p.kind = 'decided';
COMMENT ON VIEW workorder.decided_by_me IS 'What the caller has decided, or a deputy in his name. Page by (at, relation_id, ticket_id, revision) < the last row''s.';

CREATE VIEW workorder.copied_to_me WITH (security_barrier = true) AS
SELECT p.at, p.relation_id, p.ticket_id, p.revision, g.relation
FROM workorder.part p JOIN workorder.guarded g ON g.id = p.relation_id
WHERE p.tenant_id = workorder.tenant_id() AND p.actor_id = workorder.actor_id() AND p.kind = 'copied';
COMMENT ON VIEW workorder.copied_to_me IS 'What others have copied the caller in on. Page by (at, relation_id, ticket_id, revision) < the last row''s.';
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_approval() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_approval() IS
'Makes the tables of tasks and deputies and the lists on them; part of workorder.install().';

CREATE FUNCTION workorder.add_approver(relation regclass, id bigint, person text, how text DEFAULT 'parallel', note text DEFAULT NULL, weight int DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(add_approver.relation, add_approver.id, 'task add ' || jsonb_build_object('who', add_approver.person, 'how', add_approver.how, 'weight', add_approver.weight)::text, add_approver.note);
END;
REVOKE ALL ON FUNCTION workorder.add_approver(regclass, bigint, text, text, text, int) FROM PUBLIC;
COMMENT ON FUNCTION workorder.add_approver(regclass, bigint, text, text, text, int) IS
'Gives one person more (a login) a task in the ticket''s step: how says whether before the caller''s own, after it, or parallel to it. For who has a task that is undecided, and his deputy. One line in the journal, "task add". Raises like act().';

CREATE FUNCTION workorder.remove_approver(relation regclass, id bigint, person text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(remove_approver.relation, remove_approver.id, 'task remove ' || jsonb_build_object('who', remove_approver.person)::text, remove_approver.note);
END;
REVOKE ALL ON FUNCTION workorder.remove_approver(regclass, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.remove_approver(regclass, bigint, text, text) IS
'Takes an undecided task away again: one that the caller has added, or anybody''s, if the flow''s "manage" names a role of his. Refused (WO409) if what is left would decide the step. One line in the journal, "task remove". Raises like act().';

CREATE FUNCTION workorder.transfer_task(relation regclass, id bigint, person text, note text DEFAULT NULL, owner text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(transfer_task.relation, transfer_task.id, 'task transfer ' || jsonb_build_object('to', transfer_task.person, 'from', transfer_task.owner)::text, transfer_task.note);
END;
REVOKE ALL ON FUNCTION workorder.transfer_task(regclass, bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.transfer_task(regclass, bigint, text, text, text) IS
'Gives the caller''s task to somebody else for good, or that of owner, if the flow''s "manage" names a role of the caller''s. One line in the journal, "task transfer". Raises like act().';

CREATE FUNCTION workorder.delegate_task(relation regclass, id bigint, person text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(delegate_task.relation, delegate_task.id, 'task delegate ' || jsonb_build_object('to', delegate_task.person)::text, delegate_task.note);
END;
REVOKE ALL ON FUNCTION workorder.delegate_task(regclass, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.delegate_task(regclass, bigint, text, text) IS
'Asks somebody for advice: he has the task until he returns it, and cannot decide it. One line in the journal, "task delegate". Raises like act().';

CREATE FUNCTION workorder.return_task(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(return_task.relation, return_task.id, 'task return {}', return_task.note);
END;
REVOKE ALL ON FUNCTION workorder.return_task(regclass, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.return_task(regclass, bigint, text) IS
'Returns a task that was given for advice, with the advice as a note; the owner takes it back the same way. One line in the journal, "task return". Raises like act().';

CREATE FUNCTION workorder.claim(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(claim.relation, claim.id, 'task claim {}', claim.note);
END;
REVOKE ALL ON FUNCTION workorder.claim(regclass, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.claim(regclass, bigint, text) IS
'Takes a task that waits for somebody of a role. One line in the journal, "task claim". Raises like act().';

CREATE FUNCTION workorder.release(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(release.relation, release.id, 'task release {}', release.note);
END;
REVOKE ALL ON FUNCTION workorder.release(regclass, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.release(regclass, bigint, text) IS
'Gives a claimed task to its role again. One line in the journal, "task release". Raises like act().';

CREATE FUNCTION workorder.send_back(relation regclass, id bigint, step text DEFAULT 'previous', note text DEFAULT NULL, onward text DEFAULT 'replay') RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(send_back.relation, send_back.id, 'task send_back ' || jsonb_build_object('to', send_back.step, 'then', send_back.onward)::text, send_back.note);
END;
REVOKE ALL ON FUNCTION workorder.send_back(regclass, bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.send_back(regclass, bigint, text, text, text) IS
'Sends the ticket back to a step that it came through: previous, start, or the state''s path. onward says how it comes back: replay, through all that is in between, or jump, to this state at once. For whose turn it is. One line in the journal, "task send_back". Raises like act().';

CREATE FUNCTION workorder.withdraw(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(withdraw.relation, withdraw.id, 'task withdraw {}', withdraw.note);
END;
REVOKE ALL ON FUNCTION workorder.withdraw(regclass, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.withdraw(regclass, bigint, text) IS
'Takes the ticket back to where it started, for who made it. One line in the journal, "task withdraw". Raises like act().';

CREATE FUNCTION workorder.take_back(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(take_back.relation, take_back.id, 'task take_back {}', take_back.note);
END;
REVOKE ALL ON FUNCTION workorder.take_back(regclass, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.take_back(regclass, bigint, text) IS
'Takes the ticket back one step, for who took it here, as long as nobody has touched it. One line in the journal, "task take_back". Raises like act().';

CREATE FUNCTION workorder.remind(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(remind.relation, remind.id, 'task remind {}', remind.note);
END;
REVOKE ALL ON FUNCTION workorder.remind(regclass, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.remind(regclass, bigint, text) IS
'Reminds those who have to decide: workorder.task.reminded_at tells when. For who made the ticket or took it a step; refused (WO409) sooner than the flow''s "remind" after the last time. One line in the journal, "task remind". Raises like act().';

CREATE FUNCTION workorder.copy_to(relation regclass, id bigint, people text[], note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(copy_to.relation, copy_to.id, 'task copy ' || jsonb_build_object('to', copy_to.people)::text, copy_to.note);
END;
REVOKE ALL ON FUNCTION workorder.copy_to(regclass, bigint, text[], text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.copy_to(regclass, bigint, text[], text) IS
'Lets people (logins) know: the ticket is in their copied_to_me. Whether they may see it is the flow''s "view". One line in the journal, "task copy". Raises like act().';

CREATE FUNCTION workorder.claim_next(relation regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key CONSTANT record := workorder.ticket_key(claim_next.relation);
  ticket bigint;
  locked boolean;
BEGIN
  FOR ticket IN
    SELECT t.ticket_id FROM workorder.group_tasks t WHERE t.relation = claim_next.relation
    ORDER BY t.since, t.relation_id, t.ticket_id, t.number
  LOOP
    EXECUTE format('SELECT true FROM %s WHERE %I = workorder.tenant_id() AND %I = $1 FOR NO KEY UPDATE SKIP LOCKED',
      claim_next.relation, key.tenant_column, key.id_column) INTO locked USING ticket;
    CONTINUE WHEN locked IS NULL;
    BEGIN
      PERFORM workorder.claim(claim_next.relation, ticket);
      RETURN ticket;
    EXCEPTION WHEN SQLSTATE 'WO409' OR SQLSTATE 'WO403' THEN
      -- Somebody was quicker, or the caller may not decide this one.
      CONTINUE;
    END;
  END LOOP;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION workorder.claim_next(regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.claim_next(regclass) IS
'Claims the ticket that has waited longest for somebody of the caller''s roles, and returns its number; null if none waits. Tickets that somebody is at work on are passed over, so that any number of people may ask at once, and each gets another one.';

CREATE FUNCTION workorder.hand_over(person text, successor text, note text DEFAULT NULL)
RETURNS TABLE (relation regclass, ticket_id bigint, problem text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  FOR relation, ticket_id IN
    SELECT t.relation, t.ticket_id FROM workorder.open_tasks t
    WHERE hand_over.person IN (t.person, t.owner)
    GROUP BY t.relation, t.ticket_id ORDER BY t.relation, t.ticket_id
  LOOP
    problem := NULL;
    BEGIN
      PERFORM workorder.act(hand_over.relation, hand_over.ticket_id, 'task hand_over '
        || jsonb_build_object('from', hand_over.person, 'to', hand_over.successor)::text, hand_over.note);
    EXCEPTION WHEN SQLSTATE 'WO403' OR SQLSTATE 'WO404' OR SQLSTATE 'WO409' THEN
      problem := SQLERRM;
    END;
    RETURN NEXT;
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION workorder.hand_over(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.hand_over(text, text, text) IS
'Gives all tasks that a person (a login, active or not) has on tickets which the caller may see to somebody else: a row for each ticket, with what was in the way, or null. For the person himself, and for roles that the flows'' "manage" names. One line in the journal for each ticket, "task hand_over".';

CREATE FUNCTION workorder.deputise(deputy text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_deputise';
REVOKE ALL ON FUNCTION workorder.deputise(text, timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION workorder.deputise(text, timestamptz, timestamptz) IS
'Has somebody (a login) decide the caller''s tasks in his name, from since (null: now) until a time (null: for good). Called with an end that is not after the beginning, it ends: all that the caller has agreed with this deputy is deleted. Raises WO404 if nobody active has the login, WO400 for oneself.';

CREATE FUNCTION workorder.refresh_tasks(relation regclass) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_refresh_tasks';
REVOKE ALL ON FUNCTION workorder.refresh_tasks(regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.refresh_tasks(regclass) IS
'Makes workorder.task of a table anew from the votes of its tickets, and workorder.part from their journal, and returns how many tickets were looked at. Call it after loading tickets from elsewhere. Nobody can act on the table until the transaction ends. Needs to own the table. Raises WO404 for a table that was never guarded.';
-- The tables of flows, people and the journal, and the views on them.

CREATE FUNCTION workorder.install_tables() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.installation (
  extension text PRIMARY KEY,
  version text NOT NULL);
COMMENT ON TABLE workorder.installation IS 'How far the tables of the engine and of each add-on have been brought, see workorder.upgrade().';
COMMENT ON COLUMN workorder.installation.extension IS 'Whose tables.';
COMMENT ON COLUMN workorder.installation.version IS 'Version of the extension that made or upgraded them.';

CREATE TABLE workorder.tenant (
  id bigint PRIMARY KEY,
  name text NOT NULL);
COMMENT ON TABLE workorder.tenant IS 'Who shares this database. Tenant 1 is there from the start; who has one tenant never sees it.';
COMMENT ON COLUMN workorder.tenant.id IS 'Number, first in every key.';
COMMENT ON COLUMN workorder.tenant.name IS 'Name, for people.';
INSERT INTO workorder.tenant (id, name) VALUES (1, 'default');

CREATE TABLE workorder.flow (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  version int NOT NULL,
  definition jsonb NOT NULL,
  life text NOT NULL CHECK (life IN ('draft', 'published', 'fading', 'retired')),
  published_at timestamptz,
  UNIQUE (name, version));
COMMENT ON TABLE workorder.flow IS 'Flows, one row per version. A published version never changes; rows are pinned to theirs. Write through publish(), draft() and set_life().';
COMMENT ON COLUMN workorder.flow.id IS 'What rows are pinned to (flow_id).';
COMMENT ON COLUMN workorder.flow.name IS 'The document''s id.';
COMMENT ON COLUMN workorder.flow.version IS 'Counts from 1 for each name.';
COMMENT ON COLUMN workorder.flow.definition IS 'The document: an XState machine configuration with a few keys more.';
COMMENT ON COLUMN workorder.flow.life IS 'draft, published (takes new rows), fading (no new rows), retired.';
COMMENT ON COLUMN workorder.flow.published_at IS 'When it was published; null for a draft.';

CREATE UNIQUE INDEX flow_published ON workorder.flow (name) WHERE life = 'published';

CREATE TABLE workorder.guarded (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  relation regclass NOT NULL UNIQUE,
  flow text NOT NULL,
  columns jsonb NOT NULL DEFAULT '{}',
  counted boolean NOT NULL DEFAULT false,
  heard boolean NOT NULL DEFAULT false);
COMMENT ON TABLE workorder.guarded IS 'Tables that were given a flow. Rows stay after unguard(), for the journal names tables by this id.';
COMMENT ON COLUMN workorder.guarded.id IS 'What the journal calls the table (relation_id).';
COMMENT ON COLUMN workorder.guarded.relation IS 'The table.';
COMMENT ON COLUMN workorder.guarded.flow IS 'Name of its flow.';
COMMENT ON COLUMN workorder.guarded.columns IS 'Engine columns that have another name in this table: {"state": "status"}.';
COMMENT ON COLUMN workorder.guarded.counted IS 'Whether its totals are kept, see workorder.count_rows().';
COMMENT ON COLUMN workorder.guarded.heard IS 'Whether its events are published, see workorder.publish_events().';

CREATE TABLE workorder.actor (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id() REFERENCES workorder.tenant (id),
  id bigint GENERATED BY DEFAULT AS IDENTITY,
  login text NOT NULL CHECK (login <> ''),
  name text NOT NULL,
  active boolean NOT NULL DEFAULT true,
  db_role text,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, login));
COMMENT ON TABLE workorder.actor IS 'People and services that act. Kept by workorder.enrol(), disable() and map_role().';
COMMENT ON COLUMN workorder.actor.tenant_id IS 'Whose person it is.';
COMMENT ON COLUMN workorder.actor.id IS 'What creator_id, acted_by and the journal hold.';
COMMENT ON COLUMN workorder.actor.login IS 'What the person signs in with; the token''s sub.';
COMMENT ON COLUMN workorder.actor.name IS 'Name, for people.';
COMMENT ON COLUMN workorder.actor.active IS 'False: acts no more, stays in the history.';
COMMENT ON COLUMN workorder.actor.db_role IS 'Database login that acts as this person in plain SQL; null for none.';
COMMENT ON COLUMN workorder.actor.created_at IS 'When the person was enrolled.';
CREATE INDEX actor_db_role ON workorder.actor (db_role) WHERE db_role IS NOT NULL;

CREATE TABLE workorder.membership (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  actor_id bigint NOT NULL,
  role text NOT NULL CHECK (role <> ''),
  PRIMARY KEY (tenant_id, actor_id, role),
  FOREIGN KEY (tenant_id, actor_id) REFERENCES workorder.actor (tenant_id, id) ON DELETE CASCADE);
COMMENT ON TABLE workorder.membership IS 'Who holds which role. Kept by workorder.enrol().';
COMMENT ON COLUMN workorder.membership.tenant_id IS 'Whose person it is.';
COMMENT ON COLUMN workorder.membership.actor_id IS 'The person.';
COMMENT ON COLUMN workorder.membership.role IS 'A role as flows name it.';
CREATE INDEX membership_role ON workorder.membership (tenant_id, role, actor_id);

CREATE TABLE workorder.password (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  actor_id bigint NOT NULL,
  hash text NOT NULL,
  PRIMARY KEY (tenant_id, actor_id),
  FOREIGN KEY (tenant_id, actor_id) REFERENCES workorder.actor (tenant_id, id) ON DELETE CASCADE);
COMMENT ON TABLE workorder.password IS 'Password hashes (pgcrypto crypt). Only the owner reads it; sign_in() looks in by itself.';
COMMENT ON COLUMN workorder.password.tenant_id IS 'Whose person it is.';
COMMENT ON COLUMN workorder.password.actor_id IS 'The person.';
COMMENT ON COLUMN workorder.password.hash IS 'Blowfish hash.';

CREATE TABLE workorder.secret (
  name text PRIMARY KEY,
  value text NOT NULL);
COMMENT ON TABLE workorder.secret IS 'Keys, and settings of the token service: jwt, web_role, token_seconds; credential and credential_previous, for a tenant of its own credential.<tenant>. Only the owner reads it.';
COMMENT ON COLUMN workorder.secret.name IS 'Which one.';
COMMENT ON COLUMN workorder.secret.value IS 'Its value; jwt is at least 32 bytes, a key of credentials 64 hexadecimal digits.';

CREATE TABLE workorder.journal (
  tenant_id bigint NOT NULL,
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  revision int NOT NULL,
  at timestamptz NOT NULL,
  actor_id bigint,
  for_actor bigint,
  action text NOT NULL,
  from_state text,
  to_state text,
  note text,
  changes jsonb,
  digest bytea NOT NULL,
  PRIMARY KEY (tenant_id, relation_id, ticket_id, revision));
COMMENT ON TABLE workorder.journal IS 'One line per accepted change, append-only for everybody. No foreign key and no second index: it is written with every act.';
COMMENT ON COLUMN workorder.journal.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.journal.relation_id IS 'The table (workorder.guarded.id); 0 for work on the journal itself.';
COMMENT ON COLUMN workorder.journal.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.journal.revision IS 'Counts from 1; line 0 opens the history of a row that was there before.';
COMMENT ON COLUMN workorder.journal.at IS 'Server clock, read after the row was locked.';
COMMENT ON COLUMN workorder.journal.actor_id IS 'Who; null for anonymous.';
COMMENT ON COLUMN workorder.journal.for_actor IS 'For whom, if not for himself.';
COMMENT ON COLUMN workorder.journal.action IS 'What was done.';
COMMENT ON COLUMN workorder.journal.from_state IS 'Leaf before; null if the row is new.';
COMMENT ON COLUMN workorder.journal.to_state IS 'Leaf after; null if the row is gone.';
COMMENT ON COLUMN workorder.journal.note IS 'The note given with the action.';
COMMENT ON COLUMN workorder.journal.changes IS 'Columns that changed: {"column": [old, new]}, in canonical form.';
COMMENT ON COLUMN workorder.journal.digest IS 'SHA-256 over the digest before and this line.';

CREATE TABLE workorder.counter (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  name text NOT NULL,
  value bigint NOT NULL,
  PRIMARY KEY (tenant_id, name));
COMMENT ON TABLE workorder.counter IS 'Numbers for people, without gaps: see workorder.next_number().';
COMMENT ON COLUMN workorder.counter.tenant_id IS 'Whose numbers.';
COMMENT ON COLUMN workorder.counter.name IS 'Which series.';
COMMENT ON COLUMN workorder.counter.value IS 'Last number given.';

ALTER TABLE workorder.actor ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.actor USING (tenant_id = workorder.tenant_id());
ALTER TABLE workorder.membership ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.membership USING (tenant_id = workorder.tenant_id());
ALTER TABLE workorder.counter ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.counter USING (tenant_id = workorder.tenant_id());

CREATE VIEW workorder.flow_state AS
SELECT f.id AS flow_id, f.name AS flow, f.version, s.path, s.parent, s.label, s.code, s.kind, s.initial
FROM workorder.flow f, LATERAL workorder.flow_states(f.definition) s;
COMMENT ON VIEW workorder.flow_state IS 'States of every flow version.';

CREATE VIEW workorder.flow_action AS
SELECT f.id AS flow_id, f.name AS flow, f.version, a.*
FROM workorder.flow f, LATERAL workorder.flow_actions(f.definition) a;
COMMENT ON VIEW workorder.flow_action IS 'Transitions of every flow version, in the order in which they are tried.';

CREATE VIEW workorder.history WITH (security_barrier = true) AS
SELECT g.relation, j.ticket_id, j.revision, j.at, a.name AS actor, b.name AS for_actor,
  j.action, j.from_state, j.to_state, j.note, j.changes, j.actor_id
FROM workorder.journal j
JOIN workorder.guarded g ON g.id = j.relation_id
LEFT JOIN workorder.actor a ON a.tenant_id = j.tenant_id AND a.id = j.actor_id
LEFT JOIN workorder.actor b ON b.tenant_id = j.tenant_id AND b.id = j.for_actor
WHERE j.tenant_id = workorder.tenant_id() AND workorder.visible(g.relation, j.ticket_id);
COMMENT ON VIEW workorder.history IS 'The journal with names, of tickets that the caller may see. Give relation and ticket_id; both reach the journal''s key.';

CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON workorder.flow
FOR EACH STATEMENT EXECUTE FUNCTION workorder.signal();
ALTER TABLE workorder.flow ENABLE ALWAYS TRIGGER signal;
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON workorder.flow
FOR EACH ROW EXECUTE FUNCTION workorder.flow_immutable();
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON workorder.actor
FOR EACH STATEMENT EXECUTE FUNCTION workorder.signal();
ALTER TABLE workorder.actor ENABLE ALWAYS TRIGGER signal;
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON workorder.membership
FOR EACH STATEMENT EXECUTE FUNCTION workorder.signal();
ALTER TABLE workorder.membership ENABLE ALWAYS TRIGGER signal;
CREATE TRIGGER append_only BEFORE INSERT OR UPDATE OR DELETE ON workorder.journal
FOR EACH ROW EXECUTE FUNCTION workorder.journal_append_only();
CREATE TRIGGER append_only_truncate AFTER TRUNCATE ON workorder.journal
FOR EACH STATEMENT EXECUTE FUNCTION workorder.journal_append_only();
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_tables() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_tables() IS
'Makes the tables of flows, people and the journal, and the views on them; part of workorder.install().';

CREATE FUNCTION workorder.next_number(name text) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_next_number';
REVOKE ALL ON FUNCTION workorder.next_number(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.next_number(text) IS
'Next number of a series of this tenant, from 1, without gaps: the counter''s row stays locked until the transaction ends. Needs no privilege on workorder.counter. Raises WO400 for a blank name.';
-- Time: what is due and when, who counts working time how, and the sweep that
-- makes what is due happen.

CREATE FUNCTION workorder.install_timer() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.timer (
  tenant_id bigint NOT NULL,
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  state text NOT NULL,
  delay text NOT NULL,
  due_at timestamptz,
  next_at timestamptz,
  rest interval,
  fired_at timestamptz,
  tries int NOT NULL DEFAULT 0,
  problem text,
  PRIMARY KEY (tenant_id, relation_id, ticket_id, state, delay),
  CONSTRAINT timer_waits_rests_or_fired CHECK (num_nonnulls(next_at, rest, fired_at) = 1),
  CONSTRAINT timer_due CHECK ((due_at IS NULL) = (rest IS NOT NULL)));
COMMENT ON TABLE workorder.timer IS 'Transitions that become due ("after" in a flow). Entering a state sets its timers, leaving it removes them. Each waits (next_at), stands still (rest) or has fired (fired_at).';
COMMENT ON COLUMN workorder.timer.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.timer.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.timer.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.timer.state IS 'State that declares the timer; empty for the flow itself.';
COMMENT ON COLUMN workorder.timer.delay IS 'Duration as the flow writes it: ISO 8601, and for working time "@" and the calendar.';
COMMENT ON COLUMN workorder.timer.due_at IS 'When it is due; null while it stands still.';
COMMENT ON COLUMN workorder.timer.next_at IS 'When sweep() takes it: when it is due, and later if it could not be done then. Null unless it waits.';
COMMENT ON COLUMN workorder.timer.rest IS 'What is left of it while the ticket is in a state that pauses; of working time, if it counts that.';
COMMENT ON COLUMN workorder.timer.fired_at IS 'When its time came and the flow decided. It stays until the state is left, so that it fires once.';
COMMENT ON COLUMN workorder.timer.tries IS 'How often it could not be done.';
COMMENT ON COLUMN workorder.timer.problem IS 'Why, the last time.';
CREATE INDEX timer_next ON workorder.timer (tenant_id, next_at, relation_id, ticket_id) WHERE next_at IS NOT NULL;

CREATE TABLE workorder.calendar (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  name text NOT NULL CHECK (name <> '' AND name !~ '[.#*\\$@[:cntrl:]]' AND octet_length(name) < 64),
  zone text NOT NULL DEFAULT 'UTC' CHECK (pg_catalog.timezone(zone, 'epoch'::timestamptz) IS NOT NULL),
  PRIMARY KEY (tenant_id, name));
COMMENT ON TABLE workorder.calendar IS 'By whose working time a flow counts: "after": {"PT16H@office": ...}. Its hours are in working_hour, its holidays in holiday.';
COMMENT ON COLUMN workorder.calendar.tenant_id IS 'Whose calendar.';
COMMENT ON COLUMN workorder.calendar.name IS 'What flows call it.';
COMMENT ON COLUMN workorder.calendar.zone IS 'Time zone of its clock, as in pg_timezone_names: Asia/Shanghai.';

CREATE TABLE workorder.working_hour (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  calendar text NOT NULL,
  weekday int NOT NULL CHECK (weekday BETWEEN 1 AND 7),
  opens time NOT NULL,
  closes time NOT NULL CHECK (closes > opens),
  PRIMARY KEY (tenant_id, calendar, weekday, opens),
  FOREIGN KEY (tenant_id, calendar) REFERENCES workorder.calendar (tenant_id, name) ON UPDATE CASCADE ON DELETE CASCADE);
COMMENT ON TABLE workorder.working_hour IS 'When a calendar''s people work, day by day of the week. Several rows a day leave breaks between them; a night is two rows, up to 24:00 and from 00:00.';
COMMENT ON COLUMN workorder.working_hour.tenant_id IS 'Whose calendar.';
COMMENT ON COLUMN workorder.working_hour.calendar IS 'The calendar.';
COMMENT ON COLUMN workorder.working_hour.weekday IS 'Day of the week, ISO 8601: 1 is Monday, 7 is Sunday.';
COMMENT ON COLUMN workorder.working_hour.opens IS 'From when, on the calendar''s clock.';
COMMENT ON COLUMN workorder.working_hour.closes IS 'Until when; 24:00 is the end of the day.';

CREATE TABLE workorder.holiday (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  calendar text NOT NULL,
  day date NOT NULL,
  name text NOT NULL DEFAULT '',
  works_as int CHECK (works_as BETWEEN 1 AND 7),
  PRIMARY KEY (tenant_id, calendar, day),
  FOREIGN KEY (tenant_id, calendar) REFERENCES workorder.calendar (tenant_id, name) ON UPDATE CASCADE ON DELETE CASCADE);
COMMENT ON TABLE workorder.holiday IS 'Days that are not what their day of the week is: free, or, as a Saturday that makes up for a holiday, worked like another.';
COMMENT ON COLUMN workorder.holiday.tenant_id IS 'Whose calendar.';
COMMENT ON COLUMN workorder.holiday.calendar IS 'The calendar.';
COMMENT ON COLUMN workorder.holiday.day IS 'The day, on the calendar''s clock.';
COMMENT ON COLUMN workorder.holiday.name IS 'Name, for people.';
COMMENT ON COLUMN workorder.holiday.works_as IS 'Day of the week whose hours are worked; null: nobody works.';

ALTER TABLE workorder.calendar ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.calendar USING (tenant_id = workorder.tenant_id());
ALTER TABLE workorder.working_hour ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.working_hour USING (tenant_id = workorder.tenant_id());
ALTER TABLE workorder.holiday ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.holiday USING (tenant_id = workorder.tenant_id());

CREATE VIEW workorder.overdue WITH (security_barrier = true) AS
WITH label AS MATERIALIZED (
  SELECT DISTINCT ON (s.flow, s.path) s.flow, s.path, s.label
  FROM workorder.flow_state s ORDER BY s.flow, s.path, s.version DESC)
SELECT g.relation, t.ticket_id, g.flow, t.state, l.label, t.delay, t.due_at,
  (SELECT workorder.clock()) - t.due_at AS late, t.tries, t.problem, t.next_at
FROM workorder.timer t
JOIN workorder.guarded g ON g.id = t.relation_id
LEFT JOIN label l ON l.flow = g.flow AND l.path = t.state
WHERE t.tenant_id = workorder.tenant_id() AND t.next_at IS NOT NULL AND t.due_at <= (SELECT workorder.clock())
  AND workorder.visible(g.relation, t.ticket_id);
COMMENT ON VIEW workorder.overdue IS 'Timers that are due and have not fired, of tickets that the caller may see: the state that declares them, since when they are due, and, if sweep() could not do it, how often, why, and when it tries again.';
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_timer() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_timer() IS
'Makes the tables of timers and calendars and the view on them; part of workorder.install().';

CREATE FUNCTION workorder.sweep(max int DEFAULT 1000) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_sweep';
REVOKE ALL ON FUNCTION workorder.sweep(int) FROM PUBLIC;
COMMENT ON FUNCTION workorder.sweep(int) IS
'Takes the timers that are due, of all tenants, the earliest first and at most so many, and returns how many it took. Each is judged by the flow ("after") and journalled as the action "after" and its duration, by the tenant''s system actor. A timer of which no guard holds is spent; one that raises an error is tried again after a minute, two, four and so on, in the end every 17 hours, and shows in workorder.overdue. Tickets that are locked are left for the next time, so several may sweep at once. Needs EXECUTE and nothing else: statements run as the tables'' owners. Raises WO400 for a max below 1.';

CREATE FUNCTION workorder.next_due() RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_next_due';
REVOKE ALL ON FUNCTION workorder.next_due() FROM PUBLIC;
COMMENT ON FUNCTION workorder.next_due() IS
'When sweep() has something to do next, for whatever tenant; null if no timer waits. A time that is past: something is due, or is locked by somebody who is at work on it.';

CREATE FUNCTION workorder.retime(relation regclass, id bigint DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_retime';
REVOKE ALL ON FUNCTION workorder.retime(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.retime(regclass, bigint) IS
'Sets the timers of one ticket of the current tenant, or of all tickets of a table, as their journal and flow demand, pauses included, and returns how many tickets had others. Call it after loading tickets from elsewhere, and after changing a calendar, for timers that are set already. A timer that has fired stays so. Nobody can act on the table until the transaction ends. Needs to own the table. Raises WO404 for a table that was never guarded, or a calendar that is not there.';

CREATE FUNCTION workorder.add_working_time(since timestamptz, span interval, calendar text) RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_add_working_time';
REVOKE ALL ON FUNCTION workorder.add_working_time(timestamptz, interval, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.add_working_time(timestamptz, interval, text) IS
'When so much working time of a calendar of this tenant has passed. Hours count working time. Days, which come first, lead from the first working moment to the same time so many working days later, or, if nobody works then, to when somebody does next. Raises WO404 if there is no such calendar, WO400 for months, for a negative span, or for more than the calendar has in a hundred years.';

CREATE FUNCTION workorder.working_time_between(since timestamptz, until timestamptz, calendar text) RETURNS interval
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_working_time_between';
REVOKE ALL ON FUNCTION workorder.working_time_between(timestamptz, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.working_time_between(timestamptz, timestamptz, text) IS
'How much working time of a calendar of this tenant lies between two times, in hours; negative if the second is earlier. Raises WO404 if there is no such calendar, WO400 for times that are hundreds of years apart.';
-- Is everything as it should be: what journal and rows tell is read in C, what
-- the catalog tells is asked here.  verify() asks on behalf of whoever may call
-- it, so its parts are granted to nobody.

CREATE FUNCTION workorder.verify(relation regclass DEFAULT NULL, id bigint DEFAULT NULL)
RETURNS TABLE (relation regclass, ticket_id bigint, revision int, code text, message text)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workorder_verify';
REVOKE ALL ON FUNCTION workorder.verify(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.verify(regclass, bigint) IS
'Everything in which tables, journal and flows contradict each other; no row means sound. For one ticket of the current tenant, for all tickets of one table, or (no argument) for all guarded tables and the journal''s own lines. Needs to own the tables.
What the journal does not tell (who held which role then, and so what a guard, "all" or a percentage made of it) is taken as it is.
Codes of a ticket: digest (a line is not what was written, or one before it is missing), gap (revisions do not follow each other, or not up to the row''s), chain_state (a line does not start where the one before ended), chain_value (a line''s old value is not what those before made), changes (a line''s changes cannot be read), time (a line is earlier than the one before), initial (not created in the flow''s initial state), edge (the flow has no such step), state (the flow has no such leaf), flow_missing (the flow version is gone), exclude (a step was taken by somebody whom the flow keeps from it), quorum (an action took effect without the votes it needs, counts a person twice, or took none with enough of them), votes (the line has votes that nobody gave), row_differs (columns differ from the journal), row_missing, row_exists (after its delete), journal_missing, timers (they are not those that its history and its flow demand; retime() mends that).
Codes of a table: trigger_missing, trigger_changed, trigger_disabled, row_security (it is off), policy_missing, policy_changed (it is not what "view" of the flow compiles to), rights (somebody may make triggers on it), unlogged, unguarded, table_missing, tasks (workorder.task is not what the ticket''s votes say, or holds tasks of no ticket), parts (nor is workorder.part what its journal says; refresh_tasks() mends both), total (the tally is not what the table holds; count_rows() mends it).
Codes of the engine, without an argument only: unlogged, owner (a table belongs to another role than the journal), rights (somebody may write what only the engine writes, read keys, make objects in its schema, call a function as everybody, or set session_replication_role, workorder.maintenance or workorder.now), trigger_missing, trigger_disabled, row_security, policy_missing, policy_changed (of what keeps tenants apart), function_changed (it runs as its owner, calls another library, or does not pin its path). Messages name columns, never what they hold. Raises WO403 for a table that is somebody else''s, WO404 for one that was never guarded, WO400 for a number without a table.';

CREATE FUNCTION workorder.verify_rights(relation regclass)
RETURNS TABLE (relation regclass, code text, message text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
  -- whoever may put a trigger on a table decides what others' statements do
  SELECT c.oid::regclass, 'rights', format('role %I may make triggers on the table',
    CASE WHEN x.grantee = 0 THEN 'public' ELSE pg_get_userbyid(x.grantee) END)
  FROM pg_class c
  CROSS JOIN LATERAL aclexplode(c.relacl) x
  WHERE c.oid = verify_rights.relation AND x.privilege_type = 'TRIGGER' AND x.grantee <> c.relowner
$$;
REVOKE ALL ON FUNCTION workorder.verify_rights(regclass) FROM PUBLIC;
COMMENT ON FUNCTION workorder.verify_rights(regclass) IS
'Who may get round the guard of a table by a right on it. Part of verify(), which asks it for everybody: it reads the catalog alone.';

CREATE FUNCTION workorder.verify_engine(guarded regclass[])
RETURNS TABLE (relation regclass, code text, message text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
  WITH ours AS (
    -- a table of the user's that happens to be there is none of ours
    SELECT c.oid, c.relname, c.relowner, c.relpersistence, c.relrowsecurity, c.relacl
    FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = 'workorder'::regnamespace
      AND NOT EXISTS (SELECT FROM unnest(verify_engine.guarded) g WHERE g = c.oid)),
  owner AS (
    SELECT o.relowner AS oid FROM ours o WHERE o.relname = 'journal'),
  code AS (
    SELECT p.pronamespace::regnamespace AS schema, p.proname, p.probin, p.prosrc, p.proconfig, p.prosecdef,
      p.prosqlbody, p.proacl, l.lanname
    FROM pg_extension e
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
      AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    JOIN pg_proc p ON p.oid = d.objid
    JOIN pg_language l ON l.oid = p.prolang
    WHERE e.extname = 'workorder'),
  granted AS (
    -- what somebody else than its owner may do with a table, the schema or a setting
    SELECT a.kind, a.relation, a.name, a.owner, x.grantee, x.privilege_type,
      CASE WHEN x.grantee = 0 THEN 'public' ELSE pg_get_userbyid(x.grantee) END AS role
    FROM (
      SELECT 'table', o.oid, o.relname, o.relowner, o.relacl FROM ours o
      UNION ALL
      SELECT 'table', o.oid, o.relname, o.relowner, t.attacl FROM ours o JOIN pg_attribute t ON t.attrelid = o.oid
      UNION ALL
      SELECT 'schema', NULL, n.nspname, n.nspowner, n.nspacl FROM pg_namespace n WHERE n.nspname = 'workorder'
      UNION ALL
      -- settings belong to the superuser that the cluster was made with
      SELECT 'setting', NULL, p.parname, 10, p.paracl FROM pg_parameter_acl p) a (kind, relation, name, owner, acl)
    CROSS JOIN LATERAL aclexplode(a.acl) x
    WHERE x.grantee <> a.owner),
  tables AS (
    SELECT o.oid, 'unlogged', format('workorder.%I is unlogged: a crash empties it', o.relname)
    FROM ours o
    WHERE o.relpersistence <> 'p' AND o.relname <> 'journal'
    UNION ALL
    SELECT o.oid, 'owner', format('workorder.%I belongs to another role than the journal', o.relname)
    FROM ours o
    WHERE o.relowner <> (SELECT w.oid FROM owner w)),
  rights AS (
    SELECT g.relation, 'rights',
      format('role %I has %s on workorder.%I', g.role, string_agg(DISTINCT g.privilege_type, ', ' ORDER BY g.privilege_type), g.name)
    FROM granted g
    WHERE g.kind = 'table'
      -- what 17 has besides, to vacuum and the like
      AND g.privilege_type <> 'MAINTAIN'
      AND (g.privilege_type = 'TRIGGER' OR g.name IN ('password', 'secret')
        OR (g.privilege_type <> 'SELECT' AND g.name IN (
          'flow', 'guarded', 'installation', 'journal', 'seal', 'sealed', 'timer', 'task', 'part', 'deputy', 'tally',
          'tally_change', 'outbox', 'event', 'idempotency', 'reply', 'attached', 'attachment', 'api', 'route')))
    GROUP BY g.relation, g.name, g.role
    UNION ALL
    SELECT NULL, 'rights', format('role %I may make objects in schema workorder', g.role)
    FROM granted g
    WHERE g.kind = 'schema' AND g.privilege_type = 'CREATE' AND g.grantee <> (SELECT w.oid FROM owner w)
    UNION ALL
    SELECT NULL, 'rights', format('role %I may set %s', g.role, g.name)
    FROM granted g
    WHERE g.kind = 'setting' AND g.name IN ('session_replication_role', 'workorder.maintenance', 'workorder.now')
      AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = g.grantee AND r.rolsuper)
    UNION ALL
    SELECT NULL, 'rights', format('everybody may call function %s.%I()', c.schema, c.proname)
    FROM code c
    WHERE c.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(c.proacl) x WHERE x.grantee = 0)),
  triggers AS (
    -- what tells sessions of new rules, and keeps the published ones
    SELECT o.oid, CASE WHEN t.oid IS NULL THEN 'trigger_missing' ELSE 'trigger_disabled' END,
      format(CASE WHEN t.oid IS NULL THEN 'workorder.%I has no trigger %I'
        ELSE 'the trigger of workorder.%I called %I does not fire when it should' END, w.relname, w.tgname)
    FROM (VALUES
      ('flow', 'immutable', 'O'), ('flow', 'signal', 'A'), ('actor', 'signal', 'A'), ('membership', 'signal', 'A'),
      ('api', 'signal', 'A'), ('route', 'signal', 'A')) w (relname, tgname, tgenabled)
    JOIN ours o ON o.relname = w.relname
    LEFT JOIN pg_trigger t ON t.tgrelid = o.oid AND t.tgname = w.tgname
    WHERE t.tgenabled IS DISTINCT FROM w.tgenabled::"char"),
  policies AS (
    -- what keeps tenants apart
    SELECT o.oid, CASE WHEN NOT o.relrowsecurity THEN 'row_security' WHEN p.oid IS NULL THEN 'policy_missing'
        ELSE 'policy_changed' END,
      format(CASE WHEN NOT o.relrowsecurity THEN 'row-level security of workorder.%I is off'
        WHEN p.oid IS NULL THEN 'workorder.%I has no policy that keeps tenants apart'
        ELSE 'the policy of workorder.%I does not keep tenants apart' END, o.relname)
    FROM ours o
    LEFT JOIN pg_policy p ON p.polrelid = o.oid AND p.polname = 'tenant'
    WHERE o.relname IN ('actor', 'membership', 'counter', 'setting', 'dictionary', 'calendar', 'working_hour', 'holiday')
      AND NOT (o.relrowsecurity AND p.polcmd = '*' AND p.polpermissive AND p.polroles = '{0}' AND p.polwithcheck IS NULL
        AND pg_get_expr(p.polqual, p.polrelid) = '(tenant_id = workorder.tenant_id())') IS TRUE),
  functions AS (
    SELECT NULL::oid, 'function_changed', format('function %s.%I() %s', c.schema, c.proname,
      CASE WHEN c.prosecdef THEN 'runs as its owner' WHEN c.lanname = 'c' THEN 'calls another library'
        ELSE 'does not pin its path' END)
    FROM code c
    WHERE c.prosecdef
      OR (c.lanname = 'c' AND (c.probin <> '$libdir/workorder' OR NOT starts_with(c.prosrc, 'workorder_')))
      OR (c.lanname IN ('sql', 'plpgsql') AND c.prosqlbody IS NULL
        AND (c.proconfig IS NULL OR NOT 'search_path=pg_catalog, pg_temp' = ANY (c.proconfig))))
  SELECT f.relation::regclass, f.code, f.message
  FROM (
    TABLE tables UNION ALL TABLE rights UNION ALL TABLE triggers UNION ALL TABLE policies UNION ALL TABLE functions
    ) f (relation, code, message)
  ORDER BY f.code, f.message
$$;
REVOKE ALL ON FUNCTION workorder.verify_engine(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION workorder.verify_engine(regclass[]) IS
'What of the engine is not as it was installed, ordered by code and message; takes the tables with a flow, since none of those is the engine''s own. Part of verify(), which asks it for everybody: it reads the catalog alone.';
-- Seals: what the journal was at a time, in one line of text that is kept
-- elsewhere.  The chain of a ticket tells that a line of it was changed, but
-- not that its end was cut off, that it is gone as a whole, or that all its
-- digests were computed anew by somebody who may do everything here.  A seal
-- tells all three.  It also holds the versions of flows, of which no journal
-- tells: who may do what is written in them.
--
-- workorder.sealed says how far each chain went, workorder.seal binds those
-- rows of each seal, and the seal before, in one digest.  Neither needs to be
-- trusted: the digest that was kept elsewhere vouches for both.

CREATE FUNCTION workorder.install_seal() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.seal (
  tenant_id bigint NOT NULL,
  number int NOT NULL,
  at timestamptz NOT NULL,
  chains bigint NOT NULL,
  digest bytea NOT NULL,
  PRIMARY KEY (tenant_id, number));
COMMENT ON TABLE workorder.seal IS 'Seals of the journal, made by seal(). Only the owner reads them.';
COMMENT ON COLUMN workorder.seal.tenant_id IS 'Whose journal.';
COMMENT ON COLUMN workorder.seal.number IS 'From 1, without a gap.';
COMMENT ON COLUMN workorder.seal.at IS 'When it was made.';
COMMENT ON COLUMN workorder.seal.chains IS 'How many chains had grown since the seal before.';
COMMENT ON COLUMN workorder.seal.digest IS 'SHA-256 over the seal before, this row and its rows of workorder.sealed.';

CREATE TABLE workorder.sealed (
  tenant_id bigint NOT NULL,
  number int NOT NULL,
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  revision int NOT NULL,
  digest bytea NOT NULL,
  PRIMARY KEY (tenant_id, relation_id, ticket_id, revision));
COMMENT ON TABLE workorder.sealed IS 'How far the chains of the journal went that had grown when a seal was made: the last line of each; and the versions of flows that were new. Only the owner reads it.';
COMMENT ON COLUMN workorder.sealed.tenant_id IS 'Whose seal.';
COMMENT ON COLUMN workorder.sealed.number IS 'The seal.';
COMMENT ON COLUMN workorder.sealed.relation_id IS 'Table, as in the journal; -1 for a version of a flow.';
COMMENT ON COLUMN workorder.sealed.ticket_id IS 'Number of the ticket; of a flow, its id.';
COMMENT ON COLUMN workorder.sealed.revision IS 'Its last line; of a flow, the version.';
COMMENT ON COLUMN workorder.sealed.digest IS 'The digest of that line; of a flow, SHA-256 over the text of its definition.';
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_seal() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_seal() IS 'Makes the tables of the seals; part of workorder.install().';

CREATE FUNCTION workorder.seal_digest(tenant_id bigint, number int, at timestamptz, chains bigint, previous bytea) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT sha256(coalesce(previous, '\x') || int8send(seal_digest.tenant_id) || int4send(seal_digest.number)
    || int8send((extract(epoch FROM at - '2000-01-01 00:00+00') * 1000000)::bigint) || int8send(chains)
    || coalesce(string_agg(b.digest, NULL ORDER BY b.relation_id, b.bucket), '\x'))
  FROM (
    -- in two steps, since one value holds no more than a gigabyte
    SELECT s.relation_id, s.ticket_id >> 16 AS bucket,
      sha256(string_agg(int4send(s.relation_id) || int8send(s.ticket_id) || int4send(s.revision) || s.digest, NULL
        ORDER BY s.ticket_id, s.revision)) AS digest
    FROM workorder.sealed s
    WHERE s.tenant_id = seal_digest.tenant_id AND s.number = seal_digest.number
    GROUP BY 1, 2) b
$$;
REVOKE ALL ON FUNCTION workorder.seal_digest(bigint, int, timestamptz, bigint, bytea) FROM PUBLIC;
COMMENT ON FUNCTION workorder.seal_digest(bigint, int, timestamptz, bigint, bytea) IS
'The digest of a seal: SHA-256 over the digest of the seal before (nothing for the first), tenant, number, time in microseconds since 2000 and number of chains as big-endian integers, and one SHA-256 for each table and 65,536 ticket numbers, over relation, ticket, revision and digest of each row of workorder.sealed in the order of its key. The form is part of what is kept elsewhere: it cannot change.';

CREATE FUNCTION workorder.seal() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  made workorder.seal;
  last workorder.seal;
BEGIN
  -- one after the other; nobody who acts waits for this
  LOCK TABLE workorder.seal IN SHARE ROW EXCLUSIVE MODE;
  SELECT * INTO last FROM workorder.seal s WHERE s.tenant_id = tenant ORDER BY s.number DESC LIMIT 1;
  made.tenant_id := tenant;
  made.number := coalesce(last.number, 0) + 1;
  made.at := clock_timestamp();
  INSERT INTO workorder.sealed (tenant_id, number, relation_id, ticket_id, revision, digest)
  SELECT tenant, made.number, j.relation_id, j.ticket_id, j.revision, j.digest
  FROM (SELECT DISTINCT ON (l.relation_id, l.ticket_id) l.relation_id, l.ticket_id, l.revision, l.digest
    FROM workorder.journal l WHERE l.tenant_id = tenant ORDER BY l.relation_id, l.ticket_id, l.revision DESC) j
  WHERE NOT EXISTS (SELECT FROM workorder.sealed s
    WHERE s.tenant_id = tenant AND s.relation_id = j.relation_id AND s.ticket_id = j.ticket_id AND s.revision >= j.revision);
  GET DIAGNOSTICS made.chains = ROW_COUNT;
  INSERT INTO workorder.sealed (tenant_id, number, relation_id, ticket_id, revision, digest)
  SELECT tenant, made.number, -1, f.id, f.version, sha256(convert_to(f.definition::text, 'UTF8'))
  FROM workorder.flow f
  WHERE f.life <> 'draft' AND NOT EXISTS (SELECT FROM workorder.sealed s
    WHERE s.tenant_id = tenant AND s.relation_id = -1 AND s.ticket_id = f.id AND s.revision = f.version);
  made.digest := workorder.seal_digest(tenant, made.number, made.at, made.chains, last.digest);
  INSERT INTO workorder.seal VALUES (made.*);
  RETURN format('%s.%s.%s', tenant, made.number, encode(made.digest, 'hex'));
END
$$;
REVOKE ALL ON FUNCTION workorder.seal() FROM PUBLIC;
COMMENT ON FUNCTION workorder.seal() IS
'Seals every line that the journal of the current tenant holds, and every version of a flow that was published, and returns the seal: tenant, number and digest, one line of text. Keep it where whoever may change this database may not change it (another server, a mail, paper), and give it to verify_seal() one day. It costs a pass over the journal and one row for each ticket with new lines; who acts meanwhile does not wait, and what he does is in the next seal. Needs to own the engine''s tables.';

CREATE FUNCTION workorder.framed(value text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce('\x01'::bytea || int4send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8'), '\x00');
REVOKE ALL ON FUNCTION workorder.framed(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.framed(text) IS
'A text as the digest of a journal line takes it: a byte that says whether it is there, its length in UTF-8 in four bytes, and itself.';

CREATE FUNCTION workorder.verify_seal(seal text)
RETURNS TABLE (relation regclass, ticket_id bigint, revision int, code text, message text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  part CONSTANT text[] := regexp_match(btrim(seal, E' \t\r\n'), '^([0-9]{1,18})\.([0-9]{1,9})\.([0-9a-f]{64})$');
  sealed_tenant bigint;
  sealed_number int;
  kept workorder.seal;
  previous bytea;
  expected int := 1;
BEGIN
  IF part IS NULL THEN
    PERFORM workorder.refuse('WO400', 'not a seal', 'A seal is a tenant, a number and 64 hexadecimal digits, with points between them.',
      'Give the whole text that workorder.seal() returned.');
  END IF;
  sealed_tenant := part[1]::bigint;
  sealed_number := part[2]::int;

  -- the seals themselves
  FOR kept IN SELECT * FROM workorder.seal s WHERE s.tenant_id = sealed_tenant AND s.number <= sealed_number ORDER BY s.number LOOP
    EXIT WHEN kept.number <> expected;
    IF kept.digest IS DISTINCT FROM workorder.seal_digest(sealed_tenant, kept.number, kept.at, kept.chains, previous) THEN
      RETURN QUERY SELECT NULL::regclass, NULL::bigint, NULL::int, 'seal',
        format('seal %s of tenant %s is not what was sealed', kept.number, sealed_tenant);
    END IF;
    previous := kept.digest;
    expected := expected + 1;
  END LOOP;
  IF expected <> sealed_number + 1 THEN
    RETURN QUERY SELECT NULL::regclass, NULL::bigint, NULL::int, 'seal_missing',
      format('seal %s of tenant %s is missing', expected, sealed_tenant);
  ELSIF previous IS DISTINCT FROM decode(part[3], 'hex') THEN
    RETURN QUERY SELECT NULL::regclass, NULL::bigint, NULL::int, 'seal',
      format('seal %s of tenant %s is another one than the seal given', sealed_number, sealed_tenant);
  END IF;

  -- what they sealed
  RETURN QUERY
  SELECT g.relation, s.ticket_id, s.revision,
    CASE WHEN j.digest IS NULL THEN 'line_missing' ELSE 'line_changed' END,
    CASE WHEN j.digest IS NULL THEN 'the line was there when it was sealed' ELSE 'the line, or one before it, is another one than was sealed' END
  FROM workorder.sealed s
  LEFT JOIN workorder.journal j ON j.tenant_id = s.tenant_id AND j.relation_id = s.relation_id AND j.ticket_id = s.ticket_id
    AND j.revision = s.revision
  LEFT JOIN workorder.guarded g ON g.id = s.relation_id
  WHERE s.tenant_id = sealed_tenant AND s.number <= sealed_number AND s.relation_id >= 0 AND j.digest IS DISTINCT FROM s.digest
  ORDER BY s.relation_id, s.ticket_id, s.revision;
  RETURN QUERY
  SELECT 'workorder.flow'::regclass, s.ticket_id, s.revision, CASE WHEN f.id IS NULL THEN 'flow_missing' ELSE 'flow_changed' END,
    format(CASE WHEN f.id IS NULL THEN 'version %s of the flow with id %s was there when it was sealed'
      ELSE 'version %s of the flow with id %s is another one than was sealed' END, s.revision, s.ticket_id)
  FROM workorder.sealed s
  LEFT JOIN workorder.flow f ON f.id = s.ticket_id AND f.version = s.revision
  WHERE s.tenant_id = sealed_tenant AND s.number <= sealed_number AND s.relation_id = -1
    AND s.digest IS DISTINCT FROM sha256(convert_to(f.definition::text, 'UTF8'))
  ORDER BY s.ticket_id;

  -- and every line up to there, told by its own digest
  RETURN QUERY
  SELECT g.relation, j.ticket_id, j.revision, 'digest', 'the line is not what was written, or one before it is missing'
  FROM (
    SELECT l.*, lag(l.digest) OVER (PARTITION BY l.relation_id, l.ticket_id ORDER BY l.revision) AS previous
    FROM workorder.journal l WHERE l.tenant_id = sealed_tenant) j
  JOIN (
    SELECT s.relation_id, s.ticket_id, max(s.revision) AS revision
    FROM workorder.sealed s WHERE s.tenant_id = sealed_tenant AND s.number <= sealed_number GROUP BY 1, 2) s
    ON s.relation_id = j.relation_id AND s.ticket_id = j.ticket_id AND s.revision >= j.revision
  LEFT JOIN workorder.guarded g ON g.id = j.relation_id
  WHERE j.digest <> sha256(coalesce(j.previous, '\x')
    || int8send(j.tenant_id) || int4send(j.relation_id) || int8send(j.ticket_id) || int4send(j.revision)
    || int8send((extract(epoch FROM j.at - '2000-01-01 00:00+00') * 1000000)::bigint)
    || coalesce('\x01' || int8send(j.actor_id), '\x00') || coalesce('\x01' || int8send(j.for_actor), '\x00')
    || workorder.framed(j.action) || workorder.framed(j.from_state) || workorder.framed(j.to_state)
    || workorder.framed(j.note) || workorder.framed(j.changes::text))
  ORDER BY j.relation_id, j.ticket_id, j.revision;
END
$$;
REVOKE ALL ON FUNCTION workorder.verify_seal(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.verify_seal(text) IS
'Whether the journal still holds every line that it held when this seal was made, word for word; no row means that it does, and that nothing was put between them. Otherwise: seal_missing, seal (the record of the seals was changed, or this is not one of them), line_missing, line_changed (ticket and revision tell which), flow_missing, flow_changed (a version of a flow, its id as the ticket), digest (a line that does not fit its digest). Verify the newest seal: it vouches for those before. Raises WO400 for what is no seal. Needs to own the engine''s tables.';
-- The engine's tables are ordinary tables of whoever calls install(): no member
-- of the extension, so that they are dumped, restored, altered and replicated
-- like any other, and outlive the extension.  Each room makes its own.
--
-- So ALTER EXTENSION ... UPDATE brings new code, and upgrade() brings the
-- tables to it.  What it takes to get them to a version is a function of that
-- version, <schema>.upgrade_to_<major>_<minor>(), in the engine and in every
-- add-on alike; workorder.installation says how far they have got.

CREATE FUNCTION workorder.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  IF to_regclass('workorder.installation') IS NOT NULL THEN
    PERFORM workorder.upgrade();
    RETURN;
  END IF;
  PERFORM workorder.install_tables();
  PERFORM workorder.install_totals();
  PERFORM workorder.install_timer();
  PERFORM workorder.install_approval();
  PERFORM workorder.install_addon();
  PERFORM workorder.install_attachment();
  PERFORM workorder.install_http();
  PERFORM workorder.install_idempotency();
  PERFORM workorder.install_reply();
  PERFORM workorder.install_seal();
  PERFORM workorder.install_outbox();
  PERFORM workorder.enter('workorder');
END
$install$;
REVOKE ALL ON FUNCTION workorder.install() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install() IS
'Makes the engine''s tables and views in schema workorder, and the functions of schema api, owned by the caller. Called again it runs upgrade(). Needs CREATE on the schema, and on the database or on schema api.';

CREATE FUNCTION workorder.enter(extension text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO workorder.installation (extension, version)
  SELECT e.extname, e.extversion FROM pg_extension e WHERE e.extname = enter.extension
  ON CONFLICT ON CONSTRAINT installation_pkey DO NOTHING;
  IF FOUND THEN
    RETURN true;
  END IF;
  PERFORM workorder.upgrade();
  RETURN false;
END
$$;
REVOKE ALL ON FUNCTION workorder.enter(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.enter(text) IS
'Begins the install() of an add-on: true if its tables are still to be made, and enters them as of its version; otherwise brings them to it by upgrade().';

CREATE FUNCTION workorder.upgrade() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  owner name;
  data record;
  step record;
  made record;
  known oid[];
BEGIN
  IF to_regclass('workorder.installation') IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the tables of workorder are not made yet',
      DETAIL = 'There is nothing to upgrade.', HINT = 'Run SELECT workorder.install().';
  END IF;
  SELECT pg_get_userbyid(c.relowner) INTO owner FROM pg_class c WHERE c.oid = 'workorder.installation'::regclass;
  -- Two at once would take the same steps.
  LOCK TABLE workorder.installation IN SHARE ROW EXCLUSIVE MODE;
  -- The engine goes first: its tables serve the others.
  FOR data IN
    SELECT i.extension, i.version, e.oid, e.extversion, e.extnamespace
    FROM workorder.installation i JOIN pg_extension e ON e.extname = i.extension
    WHERE e.extversion <> i.version
    ORDER BY i.extension <> 'workorder', i.extension
  LOOP
    IF string_to_array(data.version, '.')::int[] > string_to_array(data.extversion, '.')::int[] THEN
      RAISE EXCEPTION USING ERRCODE = 'WO409',
        MESSAGE = format('the data of %s is of version %s, the extension of %s', data.extension, data.version, data.extversion),
        DETAIL = 'Data is never taken back to an older version.',
        HINT = format('Run ALTER EXTENSION %I UPDATE.', data.extension);
    END IF;
    known := ARRAY(SELECT c.oid FROM pg_class c WHERE c.relnamespace = data.extnamespace);
    FOR step IN
      SELECT p.oid::regprocedure AS run, v.version
      FROM pg_depend d
      JOIN pg_proc p ON p.oid = d.objid AND p.pronargs = 0 AND p.proname ~ '^upgrade_to_[0-9]+_[0-9]+$'
      CROSS JOIN LATERAL (SELECT replace(substr(p.proname, 12), '_', '.') AS version) v
      WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = data.oid
        AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
        AND string_to_array(v.version, '.')::int[] > string_to_array(data.version, '.')::int[]
        AND string_to_array(v.version, '.')::int[] <= string_to_array(data.extversion, '.')::int[]
      ORDER BY string_to_array(v.version, '.')::int[]
    LOOP
      EXECUTE format('SELECT %s', step.run);
      RAISE NOTICE 'the data of % is of version % now', data.extension, step.version;
    END LOOP;
    FOR made IN
      SELECT c.oid::regclass AS relation,
        EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS is_member
      FROM pg_class c
      WHERE c.relnamespace = data.extnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.oid <> ALL (known)
    LOOP
      IF made.is_member THEN
        RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = 'upgrade() cannot be part of an extension''s script',
          DETAIL = format('%s would belong to the extension, and go with it.', made.relation),
          HINT = 'Run it after ALTER EXTENSION ... UPDATE.';
      END IF;
      EXECUTE format('ALTER TABLE %s OWNER TO %I', made.relation, owner);
    END LOOP;
    UPDATE workorder.installation i SET version = data.extversion WHERE i.extension = data.extension;
  END LOOP;
  RETURN (SELECT i.version FROM workorder.installation i WHERE i.extension = 'workorder');
END
$$;
REVOKE ALL ON FUNCTION workorder.upgrade() FROM PUBLIC;
COMMENT ON FUNCTION workorder.upgrade() IS
'Brings the tables of the engine and of every add-on to the installed versions of their extensions, by calling their functions upgrade_to_<major>_<minor>() that are still to be taken, in order, and returns the engine''s version. New tables belong to the owner of the others. Idempotent, all or nothing; run it after ALTER EXTENSION ... UPDATE, and once after restoring a dump of an older version. Needs to own the tables. Raises WO409 if data is newer than its code, or within an extension''s script.';
-- Nothing of the extension is for PUBLIC.  Each module revokes what it makes;
-- this comes last and catches what a module might forget.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA workorder FROM PUBLIC;
