CREATE FUNCTION active_job.status(state text) RETURNS int
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.code_of_state('active_job', state)::int;
COMMENT ON FUNCTION active_job.status(text) IS
  'The API''s order status, a state''s code in the flow, from the engine''s column state. Contract 3.1.';
