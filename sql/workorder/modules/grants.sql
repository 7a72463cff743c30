-- Nothing of an extension is for PUBLIC.

CREATE FUNCTION workorder.close_functions(extension text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE (
    SELECT format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', string_agg(d.objid::regprocedure::text, ', '))
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = close_functions.extension AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e');
END
$$;
COMMENT ON FUNCTION workorder.close_functions(text) IS
'Ends the script of an extension: takes EXECUTE on all its functions from PUBLIC, which CREATE FUNCTION gives. Needs to own them. An update script takes it from each new function by name instead: what users have granted since must not become a privilege from the start.';
SELECT workorder.close_functions('workorder');
