-- Nothing of an extension is for PUBLIC.

CREATE FUNCTION workorder.close_functions(extension text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN
    SELECT d.objid FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = close_functions.extension AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.close_functions(text) IS
'Ends the script of an extension: takes EXECUTE on its functions from PUBLIC. Needs to own them.';
SELECT workorder.close_functions('workorder');
