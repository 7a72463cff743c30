\echo Use "CREATE EXTENSION workorder_active_job CASCADE" to load this file. \quit

SELECT workorder.define_addon('active_job', $flow$
@flow@
$flow$);

CREATE FUNCTION active_job.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{"required": "missing parameter: $name", "invalid": "invalid parameter: $name"}'::jsonb;
COMMENT ON FUNCTION active_job.wording() IS
  'What the API says of a bad parameter, for workorder.read_input(). Contract 4.0.';

-- Times are kept as moments and written in the tenant's zone.

CREATE FUNCTION active_job.time_zone() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.time_zone('active_job', 'Asia/Shanghai');
COMMENT ON FUNCTION active_job.time_zone() IS
  'Time zone in which the current tenant reads and writes times: workorder.set_setting(''active_job'', ''time_zone'', ...), or for all systems workorder.set_setting(''workorder'', ''time_zone'', ...), else Asia/Shanghai. Contract 4.0.';
