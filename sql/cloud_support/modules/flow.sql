CREATE FUNCTION cloud_support.status(state text) RETURNS int
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.code_of_state('cloud_support', state)::int;
COMMENT ON FUNCTION cloud_support.status(text) IS
  'The API''s status from the engine''s column state. From the highest to the lowest status, the states are in the order of the alphabet, so that an index on state serves the API''s order. Contract 3.1.';
