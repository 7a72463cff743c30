-- ---------------------------------------------------------------------------
-- Work orders: WO-1, WO-2, WO-5, WO-6.  All functions may be called from plain
-- SQL; row-level security and the flow judge whoever calls.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.refuse_permission() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO403', 'permission denied',
    'The work order is somebody else''s, or the flow does not let you take this step.',
    'workorder.actions() tells what you may do now, and why not.');
END
$$;
COMMENT ON FUNCTION cloud_support.refuse_permission() IS
  'Raises WO403 "permission denied". Contract 4.0.';

CREATE FUNCTION cloud_support.require_workorder(number numeric, type text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found_type text;
BEGIN
  IF number BETWEEN 1 AND 2147483647 THEN
    SELECT n.type INTO found_type
    FROM cloud_support.workorder_number n
    WHERE n.id = number::bigint;
  END IF;
  IF found_type IS NULL OR found_type <> require_workorder.type THEN
    PERFORM workorder.refuse('WO404', 'workorder not found',
      'There is no work order of this number, or it is of another type.', 'Check the number.');
  END IF;
  IF NOT workorder.visible('cloud_support.workorder', number::bigint) THEN
    PERFORM cloud_support.refuse_permission();
  END IF;
  RETURN number::bigint;
END
$$;
COMMENT ON FUNCTION cloud_support.require_workorder(numeric, text) IS
  'The number, if there is such a work order (of that type) and the caller may see it. Raises WO404 "workorder not found", then WO403. Contract 4.0.';

CREATE FUNCTION cloud_support.create_workorder(fields jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ordered CONSTANT boolean := coalesce(fields ->> 'type' = 'module', false);
  given CONSTANT jsonb := workorder.read_input(fields, jsonb_build_array(
    '{"name": "support", "kind": "flag", "required": true}'::jsonb,
    jsonb_build_object('name', 'type', 'kind', 'choice', 'required', true,
      'in', jsonb_path_query_array(cloud_support.types(), '$[*].code')),
    '{"name": "question", "kind": "text", "required": true, "max": 5000}'::jsonb,
    jsonb_build_object('name', 'module', 'kind', 'text', 'required', ordered, 'max', 100),
    jsonb_build_object('name', 'amount', 'kind', 'int', 'required', ordered, 'pattern', '^([1-9][0-9]{0,5}|1000000)$'),
    '{"name": "company", "kind": "text", "required": false, "max": 200}'::jsonb,
    '{"name": "contact", "kind": "text", "required": false, "max": 200}'::jsonb,
    '{"name": "location", "kind": "text", "required": false, "max": 200}'::jsonb,
    '{"name": "cellphone", "kind": "text", "required": false, "max": 32, "pattern": "^[0-9 +()-]*$"}'::jsonb,
    '{"name": "email", "kind": "text", "required": false, "max": 254, "pattern": "^[^@[:space:]]+@[^@[:space:]]+$", "otherwise": "email"}'::jsonb,
    '{"name": "address", "kind": "text", "required": false, "max": 500}'::jsonb), cloud_support.wording());
  w cloud_support.workorder;
  zone CONSTANT text := cloud_support.time_zone();
BEGIN
  BEGIN
    INSERT INTO cloud_support.workorder AS o (type, question, support, module, amount, company, contact, location, cellphone, email, address)
    VALUES (given ->> 'type', given ->> 'question', (given -> 'support')::boolean, given ->> 'module', (given -> 'amount')::int,
      given ->> 'company', given ->> 'contact', given ->> 'location', given ->> 'cellphone', given ->> 'email', given ->> 'address')
    RETURNING o.* INTO w;
  EXCEPTION
    -- Not by the flow, or a person whom cloud_support.enrol() does not know.
    WHEN SQLSTATE 'WO403' OR foreign_key_violation THEN
      PERFORM cloud_support.refuse_permission();
  END;
  RETURN (
    SELECT json_build_object(
      'committer', a.id::text,
      'id', w.id,
      'question', w.question,
      'type', w.type,
      'status', cloud_support.status(w.state)::text,
      'support', w.support,
      'updated_at', cloud_support.time_text(w.entered_at, zone),
      'created_at', cloud_support.time_text(w.created_at, zone))
    FROM cloud_support.account a
    WHERE a.tenant_id = w.tenant_id AND a.actor_id = w.creator_id);
END
$$;
COMMENT ON FUNCTION cloud_support.create_workorder(jsonb) IS
  'WO-1: raises a work order from the fields of a request and returns it, committer and status as text. Raises WO400, WO403.';

CREATE FUNCTION cloud_support.list_workorders(skipped bigint DEFAULT 0, size bigint DEFAULT NULL, OUT total bigint, OUT results json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning under policies takes longer than a page
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  actor CONSTANT bigint := workorder.actor_id();
  zone CONSTANT text := cloud_support.time_zone();
  ids bigint[];
BEGIN
  -- The policy judges anyhow; said once more, the own rows come off their index.
  IF workorder.has_role('cloud_support.support') THEN
    total := workorder.total('cloud_support.workorder');
    ids := ARRAY(
      SELECT w.id
      FROM cloud_support.workorder w
      WHERE w.tenant_id = tenant
      ORDER BY w.state, w.entered_at, w.id
      LIMIT size OFFSET skipped);
  ELSE
    WITH own AS MATERIALIZED (
      SELECT w.id, w.state, w.entered_at
      FROM cloud_support.workorder w
      WHERE w.tenant_id = tenant AND w.creator_id = actor)
    SELECT (SELECT count(*) FROM own),
      ARRAY(SELECT o.id FROM own o ORDER BY o.state, o.entered_at, o.id LIMIT size OFFSET skipped)
    INTO total, ids;
  END IF;
  results := (
    SELECT coalesce(json_agg(to_json(shown) ORDER BY wanted.n), '[]')
    FROM unnest(ids) WITH ORDINALITY AS wanted (id, n)
    JOIN cloud_support.workorder w ON w.tenant_id = tenant AND w.id = wanted.id
    JOIN cloud_support.account a ON a.tenant_id = w.tenant_id AND a.actor_id = w.creator_id,
    LATERAL (
      SELECT w.id, a.id AS committer, w.question, w.type, cloud_support.status(w.state) AS status, w.support,
        cloud_support.time_text(w.entered_at, zone) AS updated_at, cloud_support.time_text(w.created_at, zone) AS created_at) AS shown);
END
$$;
COMMENT ON FUNCTION cloud_support.list_workorders(bigint, bigint) IS
  'WO-2: the work orders that the caller may see, by status, the highest first, then by the time of the last change, all or so many after so many, and how many there are.';

CREATE FUNCTION cloud_support.set_status(fields jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(fields, '[
    {"name": "workorder_id", "kind": "int", "required": true},
    {"name": "status", "kind": "int", "required": true, "pattern": "^[012]$", "otherwise": "choice"}]', cloud_support.wording());
  wanted CONSTANT text := workorder.state_of_code('cloud_support', given ->> 'status');
  number CONSTANT bigint := cloud_support.require_workorder((given -> 'workorder_id')::numeric);
  state text;
  step text;
BEGIN
  -- Locked, so that the step is chosen for the state it is taken in.
  SELECT w.state INTO state
  FROM cloud_support.workorder w
  WHERE w.tenant_id = workorder.tenant_id() AND w.id = number
  FOR NO KEY UPDATE;
  IF state = wanted THEN
    RETURN;
  END IF;
  -- From every state some step leads to every other, but not for everybody.
  SELECT a.action INTO step
  FROM workorder.actions('cloud_support.workorder', number) a
  WHERE a.allowed AND a.target = wanted;
  IF NOT FOUND THEN
    PERFORM cloud_support.refuse_permission();
  END IF;
  PERFORM workorder.act('cloud_support.workorder', number, step);
END
$$;
COMMENT ON FUNCTION cloud_support.set_status(jsonb) IS
  'WO-5: takes the step that leads a work order to a status (workorder_id, status); the status it has already needs none. Raises WO400, WO403, WO404.';

CREATE FUNCTION cloud_support.content(query jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(query, jsonb_build_array(
    '{"name": "workorder_id", "kind": "int", "required": true, "last": true}'::jsonb,
    jsonb_build_object('name', 'type', 'kind', 'choice', 'required', true, 'last', true,
      'in', jsonb_path_query_array(cloud_support.types(), '$[*].code'))), cloud_support.wording());
  number CONSTANT bigint := cloud_support.require_workorder((given -> 'workorder_id')::numeric, given ->> 'type');
BEGIN
  RETURN (
    SELECT jsonb_build_object('id', w.id, 'type', w.type, 'status', cloud_support.status(w.state), 'question', w.question)
      || CASE w.type WHEN 'module' THEN more.fields ELSE jsonb_strip_nulls(more.fields) END
    FROM cloud_support.workorder w,
      LATERAL (SELECT jsonb_build_object('module', w.module, 'amount', w.amount, 'company', w.company, 'contact', w.contact,
        'cellphone', w.cellphone, 'location', w.location, 'email', w.email, 'address', w.address)) AS more (fields)
    WHERE w.tenant_id = workorder.tenant_id() AND w.id = number);
END
$$;
COMMENT ON FUNCTION cloud_support.content(jsonb) IS
  'WO-6: what a work order (workorder_id, type) says, with the fields of its type. Raises WO400, WO403, WO404.';
