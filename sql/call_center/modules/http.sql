-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: each function takes a request apart, calls
-- the function that does the work, and shapes the answer.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.http_id(request workorder.http_request) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN workorder.path_id((request).params ->> 'id');
COMMENT ON FUNCTION call_center.http_id(workorder.http_request) IS
  'The number in the path, null if there can be no such ticket.';

CREATE FUNCTION call_center.http_list_tickets(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN workorder.http_json(200, (SELECT row_to_json(l) FROM call_center.list_tickets(request.query) AS l));
END
$$;
COMMENT ON FUNCTION call_center.http_list_tickets(workorder.http_request) IS
  'TK-1, GET /ticket.';

CREATE FUNCTION call_center.http_create_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN workorder.http_json(200, json_build_object('data', call_center.create_ticket(workorder.http_fields(request, blank_is_null => true))));
END
$$;
COMMENT ON FUNCTION call_center.http_create_ticket(workorder.http_request) IS
  'TK-2, POST /ticket.';

CREATE FUNCTION call_center.http_get_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN workorder.http_json(200, call_center.ticket_json(call_center.http_id(request)));
END
$$;
COMMENT ON FUNCTION call_center.http_get_ticket(workorder.http_request) IS
  'TK-3, GET /ticket/{id}.';

CREATE FUNCTION call_center.http_update_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN workorder.http_json(200,
    call_center.update_ticket(call_center.http_id(request), workorder.http_fields(request, blank_is_null => true)));
END
$$;
COMMENT ON FUNCTION call_center.http_update_ticket(workorder.http_request) IS
  'TK-4, PUT /ticket/{id}.';

CREATE FUNCTION call_center.http_delete_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM call_center.delete_ticket(call_center.http_id(request));
  RETURN workorder.http_empty();
END
$$;
COMMENT ON FUNCTION call_center.http_delete_ticket(workorder.http_request) IS
  'TK-5, DELETE /ticket/{id}.';

CREATE FUNCTION call_center.http_list_directory(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN workorder.http_json(200, (
    SELECT row_to_json(l)
    FROM call_center.list_directory(
      CASE substring(request.path FROM '[^/]+$')
        WHEN 'ticket-termination-code' THEN 'termination_code'
        WHEN 'subcategory' THEN 'sub_category'
        ELSE substring(request.path FROM '[^/]+$') END,
      request.query) AS l));
END
$$;
COMMENT ON FUNCTION call_center.http_list_directory(workorder.http_request) IS
  'TK-6 to TK-10, GET /employee, /sponsor, /ticket-termination-code, /category, /subcategory.';

CREATE FUNCTION call_center.http_photo(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  picture bytea;
BEGIN
  SELECT p.content INTO picture
  FROM call_center.photo AS p
  JOIN call_center.employee AS e ON e.tenant_id = p.tenant_id AND e.id = p.id
  WHERE p.tenant_id = workorder.tenant_id() AND p.id = workorder.path_id(request.params ->> 'id') AND NOT p.deleted AND NOT e.deleted;
  -- (the owner of the table can put anything into it)
  IF picture IS NULL OR workorder.image_type(picture) IS NULL THEN
    RETURN workorder.http_error(404, 'Not Found', 'The directory has no picture of this employee.', 'Feed it with call_center.import(''photo'', ...).');
  END IF;
  -- An image, and nothing else, whatever is in it.
  RETURN workorder.http_bytes(200, picture, workorder.image_type(picture), jsonb_build_object(
    'Content-Disposition', format('inline; filename="%s.%s"', request.params ->> 'id', workorder.image_extension(workorder.image_type(picture))),
    'Content-Security-Policy', 'default-src ''none''; sandbox',
    'Cache-Control', 'private, max-age=3600'));
END
$$;
COMMENT ON FUNCTION call_center.http_photo(workorder.http_request) IS
  'GET /employee/{id}/photo: the picture that the directory has of an employee; raises WO404. Contract 4.0, photo_url.';

CREATE FUNCTION call_center.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('call_center', '/api/v1', '{"message":"$message"}', false, '{
    "accept": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
    "object": true, "members": ["call_center.agent"],
    "messages": {
      "malformed": "Malformed JSON.",
      "unauthenticated": "Unauthenticated.",
      "denied": "This action is unauthorized.",
      "not_found": "Not Found",
      "method": "Method Not Allowed",
      "too_large": "Payload Too Large",
      "media_type": "Unsupported Media Type",
      "uri_too_long": "URI Too Long",
      "conflict": "Conflict",
      "busy": "Service Unavailable",
      "internal": "Server Error",
      "WO422": {"error": {"message": "$message", "errors": "$data"}},
      "required": {"status": 422, "message": "The given data was invalid.",
        "error": {"message": "$message", "errors": {"$name": ["The $label field is required."]}}},
      "parameter": {"status": 422, "message": "The given data was invalid.",
        "error": {"message": "$message", "errors": {"$name": ["The $label must be a string."]}}}}}');
  PERFORM workorder.add_routes('call_center', '[
    ["GET", "/ticket", "http_list_tickets"],
    ["POST", "/ticket", "http_create_ticket"],
    ["GET", "/ticket/{id:int}", "http_get_ticket"],
    ["PUT", "/ticket/{id:int}", "http_update_ticket"],
    ["DELETE", "/ticket/{id:int}", "http_delete_ticket"],
    ["GET", "/employee", "http_list_directory"],
    ["GET", "/employee/{id:int}/photo", "http_photo"],
    ["GET", "/sponsor", "http_list_directory"],
    ["GET", "/ticket-termination-code", "http_list_directory"],
    ["GET", "/category", "http_list_directory"],
    ["GET", "/subcategory", "http_list_directory"]]');
  -- A path in photo_url is read from the root of the server, too.
  INSERT INTO workorder.route (api, method, pattern, handler) VALUES ('call_center', 'GET', '/employee/{id:int}/photo', 'call_center.http_photo');
END
$$;
COMMENT ON FUNCTION call_center.install_http() IS
  'Enters the API''s envelope and routes; part of call_center.install(). What was changed in the settings of the API stays.';
