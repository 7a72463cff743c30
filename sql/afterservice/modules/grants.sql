CREATE FUNCTION afterservice.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.grant_addon('workorder_afterservice', role,
    '{install,parts,install_http,set_overdue_after,trust_operator_name,http_identify,grant_access,complete_order}');
  -- Whoever inserts an order gives what AS-1 takes; the rest comes by itself or later.
  PERFORM workorder.grant_table('afterservice.orders', role,
    insertable => '{type,customer_name,accuser_name,reason,remark,note}');
  -- The policies decide who reads and who keeps the directories.
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON afterservice.supplier, afterservice.matcher, afterservice.product TO %s', role);
  -- The same rights on the view as on the table: it shows and takes nothing else.
  IF workorder.api_schema() IS NOT NULL THEN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.orders TO %s', workorder.api_schema(), role);
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.grant_access(regrole) IS
  'Gives a role what an application needs to offer the after-sale API, workorder.grant_access() included. Needs to own the extension and the tables.';

-- Nothing of the extension is for PUBLIC.
SELECT workorder.close_functions('workorder_afterservice');
