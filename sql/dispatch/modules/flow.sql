-- What the API calls states and steps; who may take a step is the flow's alone.

CREATE FUNCTION dispatch.steps() RETURNS TABLE (code int, state text, names text[], action text, refusal text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 8
BEGIN ATOMIC
  VALUES
    (1, 'open.new', '{new}'::text[], NULL, 'You are not allowed to edit this ticket'),
    (2, 'open.assigned', '{assigned}', 'assign', 'You are not allowed to assign this ticket'),
    (3, 'fixed', '{fixed}', 'fix', 'You are not allowed to fixed this ticket'),
    (4, 'closed', '{closed}', 'close', 'You are not allowed to close this ticket'),
    (5, 'open.reopen', '{reopen,reopened}', 'reopen', 'You are not allowed to reopen this ticket'),
    (6, 'open.request_information', '{request information,pending}', 'ask',
      'You are not allowed to request information for this ticket'),
    (7, 'cancel', '{cancel,cancelled,canceled}', 'cancel', 'You are not allowed to cancel this ticket'),
    (8, 'open.in_processing', '{in processing}', 'start', 'You are not allowed to IN PROCESSING this ticket');
END;
COMMENT ON FUNCTION dispatch.steps() IS
  'The states: number, state in the flow, names a client may send, the flow''s action that leads there, what is said to whom may not. Contract 3.1, 3.2.';

CREATE FUNCTION dispatch.status(state text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state WHEN 'open.new' THEN 1 WHEN 'open.assigned' THEN 2 WHEN 'fixed' THEN 3 WHEN 'closed' THEN 4
  WHEN 'open.reopen' THEN 5 WHEN 'open.request_information' THEN 6 WHEN 'cancel' THEN 7 WHEN 'open.in_processing' THEN 8 END;
COMMENT ON FUNCTION dispatch.status(text) IS
  'The API''s number of a state of the flow: what dispatch.steps() says, fast. Contract 3.1.';

CREATE FUNCTION dispatch.status_named(given jsonb) RETURNS int
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT s.code
    FROM dispatch.steps() s
    WHERE (jsonb_typeof(given) = 'string' AND translate(lower(btrim(given #>> '{}')), '_-', '  ') = ANY (s.names))
       OR given IN (to_jsonb(s.code), to_jsonb(s.code::text)));
END
$$;
COMMENT ON FUNCTION dispatch.status_named(jsonb) IS
  'The number of a state that a client named, by number or by any of its names; null if there is none. Contract 3.1.';

CREATE FUNCTION dispatch.entry_uuid(place text, number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN overlay(overlay(md5(place || ' ' || number) PLACING '4' FROM 13) PLACING '8' FROM 17)::uuid::text;
COMMENT ON FUNCTION dispatch.entry_uuid(text, bigint) IS
  'What is shown as the uuid of something that has only a number in its place: of the form of version 4, and always the same.';
