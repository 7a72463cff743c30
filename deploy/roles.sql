-- The roles of an HTTP server, and what they may do.  Run it as a superuser in
-- the database that is served, once more after installing an add-on or guarding
-- a table; then NOTIFY pgrst, 'reload schema'.
--
--   authenticator         PostgREST logs in as this role, which has no rights of its own;
--                         give it a password if it does not come through a private socket
--   workorder_anonymous   what it becomes for a request without a token
--   workorder_user        what it becomes for a token of workorder.sign_in()

SET client_min_messages = warning;
SELECT format('CREATE ROLE %I %s', r.name, r.options)
FROM (VALUES ('authenticator', 'LOGIN NOINHERIT'), ('workorder_anonymous', 'NOLOGIN'), ('workorder_user', 'NOLOGIN'))
  AS r (name, options)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles p WHERE p.rolname = r.name) \gexec
GRANT workorder_anonymous, workorder_user TO authenticator;

-- Settings of the role that logs in hold for every request; those of the roles
-- that it changes to would not, since deploy/postgrest.conf says db-config = false.
-- They end a request before nginx gives up.
ALTER ROLE authenticator SET statement_timeout = '20s';
ALTER ROLE authenticator SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE authenticator SET lock_timeout = '15s';
-- A page of a large table is short work that looks like long work to the planner.
ALTER ROLE authenticator SET jit = off;

-- What people write, their passwords, credentials and tokens are parameters of
-- statements, and filters of theirs are in the statements: out of the log,
-- whatever the server logs of others.  (A setting of an extension that is not
-- loaded does no harm.)
ALTER ROLE authenticator SET log_statement = 'none';
ALTER ROLE authenticator SET log_min_error_statement = 'panic';
ALTER ROLE authenticator SET log_parameter_max_length = 0;
ALTER ROLE authenticator SET log_parameter_max_length_on_error = 0;
ALTER ROLE authenticator SET debug_print_parse = off;
ALTER ROLE authenticator SET debug_print_rewritten = off;
ALTER ROLE authenticator SET debug_print_plan = off;
-- Plans of statements within functions hold the values that they were made for.
ALTER ROLE authenticator SET auto_explain.log_min_duration = -1;

SELECT workorder.grant_access('workorder_user');
SELECT workorder.grant_anonymous('workorder_anonymous');
SELECT format('SELECT %I.grant_access(''workorder_user'')', n.nspname)
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname LIKE 'workorder\_%' AND to_regprocedure(format('%I.grant_access(regrole)', n.nspname)) IS NOT NULL
ORDER BY e.extname \gexec
