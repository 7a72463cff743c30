-- What the API calls states and steps; who may take a step is the flow's alone.

CREATE FUNCTION dispatch.steps() RETURNS TABLE (code int, names text[], action text, refusal text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 8
BEGIN ATOMIC
  VALUES
    (1, '{new}'::text[], NULL, 'You are not allowed to edit this ticket'),
    (2, '{assigned}', 'assign', 'You are not allowed to assign this ticket'),
    (3, '{fixed}', 'fix', 'You are not allowed to fixed this ticket'),
    (4, '{closed}', 'close', 'You are not allowed to close this ticket'),
    (5, '{reopen,reopened}', 'reopen', 'You are not allowed to reopen this ticket'),
    (6, '{request information,pending}', 'ask',
      'You are not allowed to request information for this ticket'),
    (7, '{cancel,cancelled,canceled}', 'cancel', 'You are not allowed to cancel this ticket'),
    (8, '{in processing}', 'start', 'You are not allowed to IN PROCESSING this ticket');
END;
COMMENT ON FUNCTION dispatch.steps() IS
  'The states: number, which is their code in the flow, names a client may send, the flow''s action that leads there, what is said to whom may not. Contract 3.1, 3.2.';

CREATE FUNCTION dispatch.status(state text) RETURNS int
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.code_of_state('dispatch', state)::int;
COMMENT ON FUNCTION dispatch.status(text) IS
  'The API''s number of a state of the flow, its code there. Contract 3.1.';

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
