-- Written out, since lists ask for every row; the codes are those of the flow.

CREATE FUNCTION cloud_support.status(state text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state WHEN 'new' THEN 2 WHEN 'pending' THEN 1 WHEN 'solved' THEN 0 END;
COMMENT ON FUNCTION cloud_support.status(text) IS
  'The API''s status from the engine''s column state. From the highest to the lowest status, the states are in the order of the alphabet, so that an index on state serves the API''s order. Contract 3.1.';

CREATE FUNCTION cloud_support.state_of(status int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (ARRAY['solved', 'pending', 'new'])[status + 1];
COMMENT ON FUNCTION cloud_support.state_of(int) IS
  'The state of a status, null if there is none. Contract 3.1.';
