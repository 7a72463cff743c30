\echo Use "CREATE EXTENSION workorder_active_job CASCADE" to load this file. \quit

SELECT workorder.own_schema('active_job',
  'Marketing work orders for sales workers. Code belongs to the extension, tables to you.');

CREATE FUNCTION active_job.wording()
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{"required": "missing parameter: $name", "invalid": "invalid parameter: $name"}'::jsonb;
COMMENT ON FUNCTION active_job.wording() IS
  'What the API says of a bad parameter, for workorder.read_input(). Contract 4.0.';

CREATE FUNCTION active_job.refuse_invalid(name text, rule text)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO400', workorder.input_message(active_job.wording(), 'invalid', name, NULL), rule,
    'Correct the value.');
END
$$;
COMMENT ON FUNCTION active_job.refuse_invalid(text, text) IS
  'Raises WO400 "invalid parameter: <name>" with the broken rule as detail. Contract 4.0.';

-- Times are kept as moments and written in the tenant's zone.

CREATE FUNCTION active_job.time_zone()
RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.setting('active_job', 'time_zone', 'Asia/Shanghai');
COMMENT ON FUNCTION active_job.time_zone() IS
  'Time zone in which the current tenant reads and writes times. Contract 4.0.';

CREATE FUNCTION active_job.set_time_zone(zone text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF zone IS NOT NULL AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = zone) THEN
    PERFORM workorder.refuse('WO400', 'no such time zone', 'The server does not know a time zone of this name.',
      'The view pg_timezone_names lists them.');
  END IF;
  PERFORM workorder.set_setting('active_job', 'time_zone', zone);
END
$$;
COMMENT ON FUNCTION active_job.set_time_zone(text) IS
  'Sets the time zone of the current tenant, by its name in pg_timezone_names; null for Asia/Shanghai. Raises WO400. Needs the privilege to write workorder.setting.';
