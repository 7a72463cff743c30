CREATE FUNCTION @name@.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Every function but those that only the owner calls.
  PERFORM workorder.grant_addon('workorder_@name@', role, '{install,parts,install_http,grant_access}');
  PERFORM workorder.grant_table('@name@.ticket', role);
END
$$;
COMMENT ON FUNCTION @name@.grant_access(regrole) IS
  'Gives a role what an application needs to offer the API, workorder.grant_access() included. Needs to own the extension and the tables.';

-- Nothing of the extension is for PUBLIC.
SELECT workorder.close_functions('workorder_@name@');
