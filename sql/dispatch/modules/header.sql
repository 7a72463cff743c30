\echo Use "CREATE EXTENSION workorder_dispatch CASCADE" to load this file. \quit

SELECT workorder.own_schema('dispatch',
  'Ticket desk: customers, schedulers and staff. Code belongs to the extension, tables to you.');

CREATE FUNCTION dispatch.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{"required": "missing $name", "invalid": "invalid $name"}'::jsonb;
COMMENT ON FUNCTION dispatch.wording() IS
  'What the API says of a field that is missing or not valid. Contract 4.0.';

CREATE FUNCTION dispatch.refuse_field(problem text, name text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO400', workorder.input_message(dispatch.wording(), problem, name, NULL),
    CASE problem WHEN 'required' THEN 'The field is required here and must not be blank.' ELSE 'The field breaks its rule.' END,
    'Correct the request.');
END
$$;
COMMENT ON FUNCTION dispatch.refuse_field(text, text) IS
  'Raises WO400 for a field that is required or invalid. Contract 4.0.';

CREATE FUNCTION dispatch.refuse_caller(message text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO403', message, 'The flow does not let you, or not in the state that the ticket is in.',
    'workorder.explain() tells why; so does the ticket''s permission map.');
END
$$;
COMMENT ON FUNCTION dispatch.refuse_caller(text) IS
  'Raises WO403 with the API''s words for what was refused. Contract 3.2.';

CREATE FUNCTION dispatch.epoch(at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(extract(epoch FROM at))::bigint;
COMMENT ON FUNCTION dispatch.epoch(timestamptz) IS
  'A time as the API gives it: Unix seconds. Contract 4.0.';
