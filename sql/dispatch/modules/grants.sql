CREATE FUNCTION dispatch.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.grant_addon('workorder_dispatch', role,
    '{install,parts,install_http,grant_access,enrol,http_identify,choose_staff,check_images}');
  -- Whoever inserts a ticket gives what LU-2 takes; the rest comes by itself or later.
  PERFORM workorder.grant_table('dispatch.ticket', role, insertable => '{content,images,note}');
  EXECUTE format('GRANT SELECT ON dispatch.person TO %s', role);
  -- The same rights on the view as on the table: it shows and takes nothing else.
  IF workorder.api_schema() IS NOT NULL THEN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.dispatch_ticket TO %s', workorder.api_schema(), role);
  END IF;
END
$$;
COMMENT ON FUNCTION dispatch.grant_access(regrole) IS
  'Gives a role what an application needs to offer the ticket desk, workorder.grant_access() included. Needs to own the extension and the tables.';

-- Nothing of the extension is for PUBLIC.
SELECT workorder.close_functions('workorder_dispatch');
