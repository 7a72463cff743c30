\echo Use "CREATE EXTENSION workorder_dispatch CASCADE" to load this file. \quit

SELECT workorder.define_addon('dispatch', $flow$
@flow@
$flow$);

CREATE FUNCTION dispatch.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{"required": "missing $name", "invalid": "invalid $name"}'::jsonb;
COMMENT ON FUNCTION dispatch.wording() IS
  'What the API says of a field that is missing or not valid. Contract 4.0.';

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
