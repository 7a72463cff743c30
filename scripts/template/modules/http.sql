-- The API: each function takes a request apart, calls the function that does
-- the work, and shapes the answer.  Refusals are errors (WO400 ...), which the
-- engine puts into the form that install_http() gives it.

CREATE FUNCTION @name@.http_create_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN workorder.http_json(201, @name@.create_ticket(workorder.http_fields(request, 'a body is missing')));
END
$$;
COMMENT ON FUNCTION @name@.http_create_ticket(workorder.http_request) IS
  'POST /@name@/tickets.';

CREATE FUNCTION @name@.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('@name@', '/@name@', '{"error": {"status": "$status", "message": "$message"}}', false,
    '{"object": true, "accept": ["application/json"]}');
  PERFORM workorder.add_routes('@name@', '[
    ["POST", "/tickets", "http_create_ticket"]]');
END
$$;
COMMENT ON FUNCTION @name@.install_http() IS
  'Enters the API and its routes; part of @name@.install().';
