-- Workers: people of the engine with the number that the upstream system gives
-- them.

CREATE FUNCTION active_job.active_workers() RETURNS TABLE (actor_id bigint, worker_id text, worker_name text, type int)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT w.actor_id, w.worker_id, a.name, w.type
  FROM active_job.worker w
  JOIN workorder.actor a ON a.tenant_id = w.tenant_id AND a.id = w.actor_id
  WHERE w.tenant_id = workorder.tenant_id() AND a.active;
END
$$;
COMMENT ON FUNCTION active_job.active_workers() IS
  'The workers of the tenant who may hold orders; none to whoever is no worker.';

CREATE FUNCTION active_job.worker_list() RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT coalesce(json_agg(json_build_object('worker_name', w.worker_name, 'worker_id', w.worker_id, 'type', w.type)
      ORDER BY CASE WHEN w.worker_id ~ '^[0-9]+$' THEN w.worker_id::numeric END, w.worker_id COLLATE "C"), '[]')
    FROM active_job.active_workers() w
    WHERE w.actor_id IS DISTINCT FROM workorder.actor_id());
END
$$;
COMMENT ON FUNCTION active_job.worker_list() IS
  'AJ-5: to whom the caller may hand an order over, by worker_id.';

CREATE FUNCTION active_job.import_workers(list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  item jsonb;
  given jsonb;
  actor bigint;
  imported int := 0;
BEGIN
  IF jsonb_typeof(list) IS DISTINCT FROM 'array' THEN
    PERFORM workorder.refuse('WO400', 'workers are imported from a list', 'The argument must be a JSON list of objects.',
      'Give [{"worker_id": "1", "login": "W1", "worker_name": "..."}].');
  END IF;
  FOR item IN SELECT e.value FROM jsonb_array_elements(list) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
    given := workorder.read_input(item, '[
      {"name": "worker_id", "kind": "text", "required": true, "max": 64},
      {"name": "login", "kind": "text", "required": true, "max": 200},
      {"name": "worker_name", "kind": "text", "required": true, "max": 200},
      {"name": "type", "kind": "int", "min": -2147483648, "max": 2147483647, "default": 1},
      {"name": "active", "kind": "flag", "default": true}]');
    actor := workorder.enrol_in('active_job', given ->> 'login', given ->> 'worker_name', '{worker}', keep => true);
    IF NOT (given -> 'active')::boolean THEN
      PERFORM workorder.disable(given ->> 'login');
    END IF;
    INSERT INTO active_job.worker AS w (tenant_id, actor_id, worker_id, type)
    VALUES (tenant, actor, given ->> 'worker_id', (given ->> 'type')::int)
    ON CONFLICT ON CONSTRAINT worker_pkey DO UPDATE SET worker_id = excluded.worker_id, type = excluded.type;
    imported := imported + 1;
  END LOOP;
  RETURN imported;
END
$$;
COMMENT ON FUNCTION active_job.import_workers(jsonb) IS
  'Enrols workers, [{"worker_id", "login", "worker_name", "type": 1, "active": true}], or brings them up to date; returns how many. A person is found by their login; with active false they may not act any more. Other roles stay. Raises WO400; 23505 if a worker_id is somebody else''s. For whoever may write the people of the tenant.';
