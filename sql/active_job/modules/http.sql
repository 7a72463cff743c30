-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: each function takes a request apart, calls
-- the function that does the work, and puts the answer into the envelope.
-- ---------------------------------------------------------------------------

CREATE FUNCTION active_job.http_data(data json DEFAULT '{}') RETURNS workorder.http_response
LANGUAGE sql STABLE PARALLEL SAFE
RETURN workorder.http_json(200, json_build_object('code', 0, 'message', 'ok', 'data', data));
COMMENT ON FUNCTION active_job.http_data(json) IS
  'The envelope of a success. Contract 4.0.';

CREATE FUNCTION active_job.http_snake(fields jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(jsonb_object_agg(replace(f.key, '-', '_'), f.value ORDER BY position('-' IN f.key) = 0), '{}')
  FROM jsonb_each(fields) AS f;
END;
COMMENT ON FUNCTION active_job.http_snake(jsonb) IS
  'The same fields with names in snake case; where both spellings came, the one in snake case counts. Contract 3.3.';

CREATE FUNCTION active_job.http_list_orders(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb;
  found record;
BEGIN
  given := workorder.read_input(request.query, '[
    {"name": "search", "kind": "text", "max": 100, "last": true},
    {"name": "order-status", "from": ["order_status"], "kind": "int", "default": 0, "last": true},
    {"name": "contact-status", "from": ["contact_status"], "kind": "int", "default": 0, "last": true},
    {"name": "page", "kind": "int", "min": 1, "max": 2147483647, "default": 1, "last": true},
    {"name": "page-size", "from": ["page_size"], "kind": "int", "min": 1, "cap": 100, "default": 10, "last": true}]',
    active_job.wording());
  SELECT * INTO found FROM active_job.list_orders(given ->> 'search', (given ->> 'order-status')::numeric,
    (given ->> 'contact-status')::numeric, (given ->> 'page')::int, (given ->> 'page-size')::int);
  RETURN active_job.http_data(json_build_object('items', found.items, 'pagination', json_build_object(
    'current_page', given -> 'page',
    'item_size', given -> 'page-size',
    'total_size', found.total,
    'pages_size', ceil(found.total / (given ->> 'page-size')::numeric))));
END
$$;
COMMENT ON FUNCTION active_job.http_list_orders(workorder.http_request) IS
  'AJ-1, GET /active-job.';

CREATE FUNCTION active_job.http_order(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN active_job.http_data(active_job.order_json(request.params ->> 'order_id'));
END
$$;
COMMENT ON FUNCTION active_job.http_order(workorder.http_request) IS
  'AJ-2, GET /active-job/{order_id}.';

CREATE FUNCTION active_job.http_contact_reason(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN active_job.http_data(json_build_object('contact_reason', active_job.contact_reasons()));
END
$$;
COMMENT ON FUNCTION active_job.http_contact_reason(workorder.http_request) IS
  'AJ-3, GET /active-job/contact-reason.';

CREATE FUNCTION active_job.http_contact(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb;
BEGIN
  given := workorder.read_input(
    active_job.http_snake(workorder.http_fields(request, last => true)) || active_job.http_snake(workorder.http_last(request.query)), '[
    {"name": "contact_status", "kind": "int", "required": true, "min": 1, "max": 2147483647},
    {"name": "contact_status_reason", "kind": "text", "max": 200},
    {"name": "contact_status_remark", "kind": "text", "max": 1000}]',
    active_job.wording());
  PERFORM active_job.contact(request.params ->> 'order_id', (given ->> 'contact_status')::int,
    given ->> 'contact_status_reason', given ->> 'contact_status_remark');
  RETURN active_job.http_data();
END
$$;
COMMENT ON FUNCTION active_job.http_contact(workorder.http_request) IS
  'AJ-4, PUT /active-job/contact/{order_id}.';

CREATE FUNCTION active_job.http_worker_list(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN active_job.http_data(json_build_object('workers', active_job.worker_list()));
END
$$;
COMMENT ON FUNCTION active_job.http_worker_list(workorder.http_request) IS
  'AJ-5, GET /active-job/shipping/worker-list.';

CREATE FUNCTION active_job.http_transfer(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  fields CONSTANT jsonb := workorder.http_fields(request, last => true);
  -- A text, or a whole number.
  given CONSTANT jsonb := workorder.read_input(fields, jsonb_build_array(jsonb_build_object('name', 'worker_id',
    'kind', CASE jsonb_typeof(fields -> 'worker_id') WHEN 'number' THEN 'int' ELSE 'text' END, 'required', true, 'null', false)),
    active_job.wording());
BEGIN
  PERFORM active_job.transfer(request.params ->> 'order_id', given ->> 'worker_id');
  RETURN active_job.http_data();
END
$$;
COMMENT ON FUNCTION active_job.http_transfer(workorder.http_request) IS
  'AJ-6, POST /active-job/shipping/{order_id}.';

CREATE FUNCTION active_job.http_close_out(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb;
BEGIN
  given := workorder.read_input(workorder.http_fields(request, last => true),
    '[{"name": "retrieve_info", "required": true, "null": true}]', active_job.wording());
  PERFORM active_job.close_out(request.params ->> 'order_id', given -> 'retrieve_info');
  RETURN active_job.http_data();
END
$$;
COMMENT ON FUNCTION active_job.http_close_out(workorder.http_request) IS
  'AJ-7, POST /active-job/retrieve/{order_id}.';

CREATE FUNCTION active_job.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('active_job', '/active-job', '{"code":"$status","message":"$message","data":{}}', false,
    '{"object": true, "members": ["active_job.worker"],
      "accept": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
      "messages": {"unauthenticated": "unauthenticated", "malformed": "malformed JSON",
        "required": "missing parameter: $name", "parameter": "invalid parameter: $name",
        "denied": "not the holder of this order", "not_found": "not found", "conflict": "order already returned"}}');
  PERFORM workorder.add_routes('active_job', '[
    ["GET", "", "http_list_orders"],
    ["GET", "/{order_id}", "http_order"],
    ["GET", "/contact-reason", "http_contact_reason"],
    ["PUT", "/contact/{order_id}", "http_contact"],
    ["GET", "/shipping/worker-list", "http_worker_list"],
    ["POST", "/shipping/{order_id}", "http_transfer"],
    ["POST", "/retrieve/{order_id}", "http_close_out"]]');
END
$$;
COMMENT ON FUNCTION active_job.install_http() IS
  'Enters the API''s envelope and routes; part of active_job.install(). What was changed in the settings of the API stays.';
