CREATE FUNCTION call_center.states_of(statuses bigint[]) RETURNS text[]
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT array_agg(workorder.state_of_code('call_center', s.status::text))
  FROM unnest(states_of.statuses) AS s (status);
END;
COMMENT ON FUNCTION call_center.states_of(bigint[]) IS
  'The states of the flow that stand for these statuses (0 to 3). Contract 3.1.';
