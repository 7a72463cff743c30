CREATE FUNCTION active_job.status(state text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state WHEN 'open.assigned' THEN 1 WHEN 'open.contacting' THEN 2 WHEN 'returned' THEN 3 END;
COMMENT ON FUNCTION active_job.status(text) IS
  'The API''s order status, a state''s code in the flow, from the engine''s column state. Contract 3.1.';
