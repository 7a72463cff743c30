-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: one URL; the field action says what is asked.
-- Refusals are errors (WO400 ...), which the engine puts into the envelope that
-- dispatch.install_http() gives it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION dispatch.http_json_text(given text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN given::jsonb;
EXCEPTION WHEN data_exception THEN
  RETURN to_jsonb(given);
END
$$;
COMMENT ON FUNCTION dispatch.http_json_text(text) IS
  'What JSON text stands for; the text itself if it is not JSON.';

CREATE FUNCTION dispatch.http_fields(request workorder.http_request) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF request.content_type = 'multipart/form-data' THEN
    RETURN (
      SELECT coalesce(jsonb_object_agg(f.key, CASE f.key
          WHEN 'images' THEN f.value
          WHEN 'reply' THEN dispatch.http_json_text(workorder.http_value(request.form, f.key))
          ELSE to_jsonb(workorder.http_value(request.form, f.key)) END), '{}')
      FROM jsonb_each(request.form) f);
  END IF;
  RETURN workorder.http_fields(request, 'malformed request');
END
$$;
COMMENT ON FUNCTION dispatch.http_fields(workorder.http_request) IS
  'The fields of a request: its JSON object, or the text fields of its form, of which reply is JSON. Raises WO400 "malformed request". Contract 4.0.';

CREATE FUNCTION dispatch.http_identify(request workorder.http_request) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb;
  signature CONSTANT text := request.params ->> 'signature';
BEGIN
  -- An image is fetched by its address; written as it was given, for gateways leave that out of their logs.
  IF request.method <> 'POST' THEN
    RETURN CASE WHEN position('/' || signature || '/' IN request.uri) > 0
      THEN workorder.open_address('dispatch ' || (request.params ->> 'name'), signature) END;
  END IF;
  given := dispatch.http_fields(request) -> 'credential';
  RETURN workorder.open_credential(CASE WHEN jsonb_typeof(given) = 'string' THEN given #>> '{}' END);
END
$$;
COMMENT ON FUNCTION dispatch.http_identify(workorder.http_request) IS
  'Who acts if there is no token: whose credential the field credential holds; of an image, who was shown its address. Raises WO401 "invalid credential" for whatever is wrong with it, WO503 "credential service unavailable" without a key. Contract 3.4.';

CREATE FUNCTION dispatch.http_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  fields CONSTANT jsonb := dispatch.http_fields(request);
  answer jsonb;
BEGIN
  CASE fields ->> 'action'
    WHEN 'permission-check' THEN answer := dispatch.permission_check();
    WHEN 'create-ticket' THEN answer := jsonb_build_object('uuid', dispatch.create_ticket(fields, request.files));
    WHEN 'edit-ticket' THEN answer := jsonb_build_object('uuid', dispatch.edit_ticket(fields, request.files));
    WHEN 'list' THEN answer := dispatch.list_tickets(fields);
    WHEN 'scheduler-list' THEN answer := dispatch.list_tickets(fields, only_scheduler => true);
    WHEN 'ticket-detail' THEN answer := dispatch.ticket_detail(fields);
    WHEN 'ticket-reply-create' THEN answer := jsonb_build_object('uuid', dispatch.create_reply(fields));
    WHEN 'ticket-reply-delete' THEN answer := jsonb_build_object('uuid', dispatch.delete_reply(fields));
    ELSE PERFORM workorder.refuse('WO400', 'unknown action', 'The field action names none of the eight operations.',
      'Correct the action.');
  END CASE;
  RETURN workorder.http_json(200, answer::json);
END
$$;
COMMENT ON FUNCTION dispatch.http_ticket(workorder.http_request) IS
  'LU-1 to LU-16, POST /api/ticket.';

CREATE FUNCTION dispatch.http_image(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  expires CONSTANT numeric := substring(request.params ->> 'signature' FROM '^[0-9]+\.[0-9]+\.([0-9]{1,12})\.');
  image record;
BEGIN
  SELECT * INTO image FROM dispatch.image_file(request.params ->> 'name');
  IF image.content IS NULL THEN
    RETURN workorder.http_error(404, 'not found', 'There is no such image that you may see.', 'Check the address, and who you are.');
  END IF;
  -- An image, and nothing else: no script, no style, no page, whatever is in it.
  RETURN workorder.http_bytes(200, image.content, image.content_type, jsonb_build_object(
    'Content-Disposition', format('inline; filename="%s"', request.params ->> 'name'),
    'Content-Security-Policy', 'default-src ''none''; sandbox',
    'Cross-Origin-Resource-Policy', 'cross-origin',
    -- It may be kept as long as the address leads here.
    'Cache-Control', format('private, max-age=%s, immutable',
      CASE WHEN request.params ? 'signature' THEN greatest(0, least(coalesce(expires, 0) - dispatch.epoch(workorder.clock()), 31536000)) ELSE 86400 END)));
END
$$;
COMMENT ON FUNCTION dispatch.http_image(workorder.http_request) IS
  'GET /api/ticket/images/{signature}/{uuid}.{ext}: an uploaded image, for whoever has its address, or a token, as long as who was shown the one or has the other may see its ticket; with a token without the signature, too. Contract 4.0, images.';

CREATE FUNCTION dispatch.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('dispatch', '/api/ticket', '{"code":"$status","message":"$message"}', false,
    jsonb_build_object(
      'identify', 'dispatch.http_identify',
      'run_as', coalesce((SELECT s.value FROM workorder.secret s WHERE s.name = 'web_role'), 'workorder_user'),
      'object', true,
      'accept', '["application/json", "multipart/form-data"]'::jsonb,
      'max_body', '{"application/json": 16777216, "multipart/form-data": 67108864}'::jsonb,
      'messages', '{"unauthenticated": "invalid credential", "too_large": "request too large",
        "malformed": "malformed request", "required": "missing $name", "parameter": "malformed request",
        "denied": "You are not allowed to check this ticket", "not_found": "not found", "conflict": "conflict", "busy": "credential service unavailable"}'::jsonb));
  PERFORM workorder.add_routes('dispatch', '[
    ["POST", "", "http_ticket"],
    ["GET", "/images/{signature}/{name}", "http_image"],
    ["GET", "/images/{name}", "http_image"]]');
  IF NOT EXISTS (SELECT FROM workorder.secret s WHERE s.name = 'address') THEN
    PERFORM workorder.rotate_address_key();
  END IF;
END
$$;
COMMENT ON FUNCTION dispatch.install_http() IS
  'Enters the API''s envelope and routes, and makes a key for addresses of images if there is none; part of dispatch.install(). What was changed in the settings of the API stays.';
