-- The engine and every add-on that was built, installed: with this a database
-- is what scripts/stack serves.
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT format('CREATE EXTENSION %I', name)
FROM pg_catalog.pg_available_extensions WHERE name LIKE 'workorder\_%' ORDER BY name \gexec
SELECT format('SELECT %I.install()', n.nspname)
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname LIKE 'workorder\_%' AND to_regprocedure(format('%I.install()', n.nspname)) IS NOT NULL
ORDER BY e.extname \gexec
