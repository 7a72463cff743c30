CREATE FUNCTION active_job.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.grant_addon('workorder_active_job', role, ARRAY[
    'install', 'install_dictionaries', 'install_http', 'parts', 'grant_access', 'grant_feed',
    'import_workers', 'import_texts', 'wrong_text', 'load_orders', 'load_batch', 'load_activities', 'check_order']);
  EXECUTE format('GRANT SELECT ON active_job.worker, active_job.activity TO %s', role);
  -- Orders come by the feed and stay.
  PERFORM workorder.grant_table('active_job.orders', role, insertable => '{}', deletable => false);
  IF workorder.api_schema() IS NOT NULL THEN
    EXECUTE format('GRANT SELECT, UPDATE ON %I.active_job_order TO %s', workorder.api_schema(), role);
  END IF;
END
$$;
COMMENT ON FUNCTION active_job.grant_access(regrole) IS
  'Gives a role what an application needs to offer the API of the marketing work orders, workorder.grant_access() included. Needs to own the extension and the tables.';

CREATE FUNCTION active_job.grant_feed(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.check_grant('active_job', role);
  EXECUTE format('GRANT USAGE ON SCHEMA active_job TO %s', role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION active_job.import(jsonb, boolean), active_job.import_activities(jsonb) TO %s', role);
END
$$;
COMMENT ON FUNCTION active_job.grant_feed(regrole) IS
  'Lets a role import orders and activities, and nothing else. For its orders to be accepted it also has to stand for a person with the role active_job.feed: workorder.enrol(), workorder.map_role(). Contract 5. Needs to own the tables.';

-- Nothing of the extension is for PUBLIC.
SELECT workorder.close_functions('workorder_active_job');
