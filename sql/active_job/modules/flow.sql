CREATE FUNCTION active_job.flow()
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
SELECT $json$
@flow@
$json$::jsonb
$function$;
COMMENT ON FUNCTION active_job.flow() IS
  'The flow of marketing work orders, as active_job.install() publishes it. Contract 3; who may act: 3.2 and 5.';

CREATE FUNCTION active_job.status(state text)
RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state WHEN 'open.assigned' THEN 1 WHEN 'open.contacting' THEN 2 WHEN 'returned' THEN 3 END;
COMMENT ON FUNCTION active_job.status(text) IS
  'The API''s order status, a state''s code in the flow, from the engine''s column state. Contract 3.1.';
