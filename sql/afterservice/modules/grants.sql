-- What an application's role gets.

CREATE FUNCTION afterservice.takes_part()
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.has_role('afterservice.creator') OR workorder.has_role('afterservice.service')
  OR workorder.has_role('afterservice.manager') OR workorder.has_role('afterservice.chief')
  OR workorder.has_role('afterservice.finance') OR workorder.has_role('afterservice.administrator')
  OR workorder.has_role('afterservice.unnamed');
COMMENT ON FUNCTION afterservice.takes_part() IS
  'Whether the actor has any role in the after-sale flow, and so may read its lists. Contract 5.';

CREATE FUNCTION afterservice.grant_access(role regrole)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f regprocedure;
BEGIN
  PERFORM workorder.grant_access(role);
  -- Whoever inserts an order gives what AS-1 takes; the rest comes by itself or later.
  EXECUTE format('REVOKE INSERT ON afterservice.orders FROM %s', role);
  EXECUTE format('GRANT INSERT (type, customer_name, accuser_name, reason, remark, note) ON afterservice.orders TO %s', role);

  EXECUTE format('GRANT USAGE ON SCHEMA afterservice TO %s', role);
  FOR f IN
    SELECT p.oid
    FROM pg_depend d
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'workorder_afterservice'
    JOIN pg_proc p ON p.oid = d.objid
    WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
      AND p.proname NOT IN ('install', 'install_http', 'trust_operator_name', 'http_identify', 'grant_access', 'complete_order',
        'set_overdue_after')
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f, role);
  END LOOP;
  -- The policies decide who reads and who keeps the directories.
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON afterservice.supplier, afterservice.matcher,
    afterservice.product TO %s', role);
  -- The same rights on the view as on the table: it shows and takes nothing else.
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON api.orders TO %s', role);
END
$$;
COMMENT ON FUNCTION afterservice.grant_access(regrole) IS
  'Gives a role what an application needs to offer the after-sale API, workorder.grant_access() included. Needs to own the extension and the tables.';

-- Nothing of the extension is for PUBLIC.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA afterservice FROM PUBLIC;
