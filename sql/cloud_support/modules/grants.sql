CREATE FUNCTION cloud_support.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.grant_addon('workorder_cloud_support', role, '{install,parts,install_http,enrol,grant_access}');
  -- Whoever inserts a work order gives what WO-1 takes; the number comes by itself.
  PERFORM workorder.grant_table('cloud_support.workorder', role,
    insertable => '{type,question,support,module,amount,company,contact,location,cellphone,email,address,note}');
  EXECUTE format('GRANT SELECT ON cloud_support.account, cloud_support.workorder_number TO %s', role);
  -- The same rights on the view as on the table: it shows and takes nothing else.
  IF workorder.api_schema() IS NOT NULL THEN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.cloud_support_workorder TO %s', workorder.api_schema(), role);
  END IF;
END
$$;
COMMENT ON FUNCTION cloud_support.grant_access(regrole) IS
  'Gives a role what an application needs to offer the support API, workorder.grant_access() included. Needs to own the extension and the tables.';

-- Nothing of the extension is for PUBLIC.
SELECT workorder.close_functions('workorder_cloud_support');
