CREATE FUNCTION call_center.flow()
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
SELECT $json$
@flow@
$json$::jsonb
$function$;
COMMENT ON FUNCTION call_center.flow() IS
  'The flow of tickets, as call_center.install() publishes it: the number in the column status decides where a ticket goes. Contract 3; who may act: 5.';

CREATE FUNCTION call_center.states_of(statuses bigint[])
RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT array_agg((ARRAY['pending', 'processing', 'resolved', 'closed'])[s.status + 1])
  FROM unnest(states_of.statuses) AS s (status);
END;
COMMENT ON FUNCTION call_center.states_of(bigint[]) IS
  'The states of the flow that stand for these statuses (0 to 3). Contract 3.1.';
