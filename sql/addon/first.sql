\echo Use "CREATE EXTENSION workorder_@schema@ CASCADE" to load this file. \quit

-- What every add-on begins with.  The schema is no member of the extension: it
-- also holds the tables that install_tables() makes, and those are the user's.
SELECT workorder.own_schema('@schema@', (
  SELECT obj_description(e.oid, 'pg_extension') || '. Code belongs to the extension, tables to you.'
  FROM pg_extension e WHERE e.extname = 'workorder_@schema@'));

CREATE FUNCTION @schema@.flow() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
SELECT $json$
@flow@
$json$::jsonb
$function$;
COMMENT ON FUNCTION @schema@.flow() IS
  'The flow of @schema@, as @schema@.install() publishes it. Contract 3 and 5.';

CREATE FUNCTION @schema@.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.enter('workorder_@schema@');
  PERFORM workorder.publish(@schema@.flow());
  IF NOT EXISTS (SELECT FROM workorder.guarded g JOIN pg_class r ON r.oid = g.relation
                 WHERE r.relnamespace = '@schema@'::regnamespace) THEN
    PERFORM @schema@.install_tables();
  END IF;
  PERFORM @schema@.install_http();
END
$$;
COMMENT ON FUNCTION @schema@.install() IS
  'Makes the tables of the add-on in the schema @schema@, publishes its flow and puts the tickets under it; the tables belong to the caller. After workorder.install(). Called again it only publishes the flow, which is a new version if it has changed, and enters the routes anew.';

