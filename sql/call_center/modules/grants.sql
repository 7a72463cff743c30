CREATE FUNCTION call_center.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  directory text;
BEGIN
  PERFORM workorder.grant_addon('workorder_call_center', role,
    '{install,parts,install_http,grant_access,import,keep_employee}');
  -- Whoever inserts a ticket gives what TK-2 takes; the number comes by itself.
  PERFORM workorder.grant_table('call_center.ticket', role,
    insertable => '{subject,content,due_at,priority,status,status_memo,sponsor_id,handler_id,termination_code_id,sub_category_id,contact_id,note}');
  -- The policies decide who reads; the directories are fed by their owner.
  FOR directory IN SELECT DISTINCT d.directory FROM call_center.directory_columns() AS d LOOP
    EXECUTE format('GRANT SELECT ON call_center.%I TO %s', directory, role);
  END LOOP;
  -- The same rights on the view as on the table: it shows and takes nothing else.
  IF workorder.api_schema() IS NOT NULL THEN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.call_center_ticket TO %s', workorder.api_schema(), role);
  END IF;
END
$$;
COMMENT ON FUNCTION call_center.grant_access(regrole) IS
  'Gives a role what an application needs to offer the ticket API, workorder.grant_access() included. Needs to own the extension and the tables.';

-- Nothing of the extension is for PUBLIC.
SELECT workorder.close_functions('workorder_call_center');
