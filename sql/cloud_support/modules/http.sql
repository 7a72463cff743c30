-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: each function takes a request apart, calls
-- the function that does the work, and puts the answer into the envelope.
-- Refusals are errors (WO400 ...), which the engine puts into the envelope that
-- cloud_support.install_http() gives it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.http_data(data json) RETURNS workorder.http_response
LANGUAGE sql STABLE PARALLEL SAFE
RETURN workorder.http_json(200, json_build_object('meta', '{"message":"ok","code":0}'::json, 'data', data));
COMMENT ON FUNCTION cloud_support.http_data(json) IS
  'The envelope of a success. Contract 4.0.';

CREATE FUNCTION cloud_support.http_paging(query jsonb, OUT page bigint, OUT size int, OUT skipped bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked_page CONSTANT text := workorder.http_value(query, 'page');
  asked_size CONSTANT text := workorder.http_value(query, 'page_size');
BEGIN
  skipped := 0;
  -- One of the two is not paging.
  IF asked_page IS NULL OR asked_size IS NULL THEN
    RETURN;
  END IF;
  IF asked_size !~ '^0*[1-9][0-9]*$' THEN
    PERFORM workorder.refuse_input(cloud_support.wording(), 'int', 'page_size');
  END IF;
  size := least(asked_size::numeric, 100);
  IF asked_page !~ '^0*[1-9][0-9]{0,9}$' THEN
    PERFORM cloud_support.refuse_page();
  END IF;
  page := asked_page;
  skipped := (page - 1) * size;
END
$$;
COMMENT ON FUNCTION cloud_support.http_paging(jsonb) IS
  'Which page a query asks for, how large its pages are, and how many items come before it; page and size are null if all items are wanted. Raises WO400 for a size, WO404 for a page that there cannot be. Contract 4.0.';

CREATE FUNCTION cloud_support.refuse_page() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO404', 'Invalid page.', 'Pages are counted from 1 up to the last one.', 'Follow next until it is null.');
END
$$;
COMMENT ON FUNCTION cloud_support.refuse_page() IS
  'Raises WO404 "Invalid page.". Contract 4.0.';

CREATE FUNCTION cloud_support.http_link(uri text, page bigint) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN coalesce(workorder.http_origin(), '') || CASE
  WHEN page IS NULL THEN NULL
  WHEN uri ~ '[?&]page=' THEN regexp_replace(uri, '([?&]page=)[^&]*', '\1' || page, 'g')
  -- Spelt with escapes or brackets: of several, the last counts.
  ELSE uri || '&page=' || page END;
COMMENT ON FUNCTION cloud_support.http_link(text, bigint) IS
  'The address of the same path and query with another page, as the client reaches it; null for none. Contract 4.0.';

CREATE FUNCTION cloud_support.http_page(uri text, page bigint, size int, total bigint, results json) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF page > 1 AND (page - 1) * size >= total THEN
    PERFORM cloud_support.refuse_page();
  END IF;
  RETURN cloud_support.http_data(json_build_object(
    'count', total,
    'page_size', coalesce(size, total),
    'next', cloud_support.http_link(uri, CASE WHEN page * size < total THEN page + 1 END),
    'previous', cloud_support.http_link(uri, CASE WHEN page > 1 THEN page - 1 END),
    'results', results));
END
$$;
COMMENT ON FUNCTION cloud_support.http_page(text, bigint, int, bigint, json) IS
  'The envelope of a list, or of one page of it with the addresses of its neighbours. Raises WO404 for a page past the last. Contract 4.0.';

CREATE FUNCTION cloud_support.http_create_workorder(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN cloud_support.http_data(cloud_support.create_workorder(workorder.http_fields(request, 'malformed JSON')));
END
$$;
COMMENT ON FUNCTION cloud_support.http_create_workorder(workorder.http_request) IS
  'WO-1, POST /workorder/workorder/.';

CREATE FUNCTION cloud_support.http_list_workorders(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked CONSTANT record := cloud_support.http_paging(request.query);
  list record;
BEGIN
  SELECT * INTO list FROM cloud_support.list_workorders(asked.skipped, asked.size);
  RETURN cloud_support.http_page(request.uri, asked.page, asked.size, list.total, list.results);
END
$$;
COMMENT ON FUNCTION cloud_support.http_list_workorders(workorder.http_request) IS
  'WO-2, GET /workorder/workorder_list/.';

CREATE FUNCTION cloud_support.http_add_reply(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN cloud_support.http_data(cloud_support.add_reply(workorder.http_fields(request, 'malformed JSON')));
END
$$;
COMMENT ON FUNCTION cloud_support.http_add_reply(workorder.http_request) IS
  'WO-3, POST /workorder/workorder_detail/.';

CREATE FUNCTION cloud_support.http_list_replies(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(request.query,
    '[{"name": "workorder_id", "kind": "int", "required": true, "last": true}]', cloud_support.wording());
  asked CONSTANT record := cloud_support.http_paging(request.query);
  list record;
BEGIN
  SELECT * INTO list
  FROM cloud_support.list_replies(cloud_support.require_workorder((given -> 'workorder_id')::numeric), asked.skipped, asked.size);
  RETURN cloud_support.http_page(request.uri, asked.page, asked.size, list.total, list.results);
END
$$;
COMMENT ON FUNCTION cloud_support.http_list_replies(workorder.http_request) IS
  'WO-4, GET /workorder/workorder_detail/.';

CREATE FUNCTION cloud_support.http_set_status(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM cloud_support.set_status(workorder.http_fields(request, 'malformed JSON'));
  RETURN cloud_support.http_data('{}');
END
$$;
COMMENT ON FUNCTION cloud_support.http_set_status(workorder.http_request) IS
  'WO-5, POST /workorder/workorder_status/.';

CREATE FUNCTION cloud_support.http_content(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN cloud_support.http_data(cloud_support.content(request.query)::json);
END
$$;
COMMENT ON FUNCTION cloud_support.http_content(workorder.http_request) IS
  'WO-6, GET /workorder/workorder_content/.';

CREATE FUNCTION cloud_support.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('cloud_support', '/v3_1', '{"meta":{"message":"$message","code":"$status"},"data":{}}', false,
    '{"object": true, "messages": {"malformed": "malformed JSON", "required": "$name: this field is required",
      "parameter": "$name: not a valid string", "denied": "permission denied", "not_found": "not found", "conflict": "permission denied"}}');
  PERFORM workorder.import_dictionary('cloud_support', 'type', cloud_support.types());
  PERFORM workorder.add_routes('cloud_support', '[
    ["POST", "/workorder/workorder", "http_create_workorder", {"accept": ["application/json", "application/x-www-form-urlencoded"]}],
    ["GET", "/workorder/workorder_list", "http_list_workorders"],
    ["POST", "/workorder/workorder_detail", "http_add_reply"],
    ["GET", "/workorder/workorder_detail", "http_list_replies"],
    ["POST", "/workorder/workorder_status", "http_set_status", {"accept": ["application/json", "application/x-www-form-urlencoded"]}],
    ["GET", "/workorder/workorder_content", "http_content"]]');
END
$$;
COMMENT ON FUNCTION cloud_support.install_http() IS
  'Enters the types, the API''s envelope and its routes; part of cloud_support.install(). What was changed in the settings of the API stays.';
