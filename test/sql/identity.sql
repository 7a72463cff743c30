-- Who acts: the order in which a person is looked for, every way to pretend to
-- be somebody else, the directory's memory, and tokens.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\set admin :USER
CREATE DATABASE regress_workorder_identity TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_identity SET lc_messages = 'C';
\c regress_workorder_identity
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE ROLE regress_wo_plain LOGIN;
CREATE ROLE regress_wo_pool LOGIN;
CREATE ROLE regress_wo_gateway LOGIN NOINHERIT;
CREATE ROLE regress_wo_web;
CREATE ROLE regress_wo_mapped LOGIN;
GRANT regress_wo_web TO regress_wo_gateway;

CREATE EXTENSION workorder CASCADE;

--
-- Before install() there is one tenant and nobody in it.
--
SELECT workorder.tenant_id(), workorder.actor_id(), workorder.has_role('clerk'), workorder.has_role(NULL);
SELECT workorder.sign_in(1, 'ann', 'correct horse');
SET workorder.actor = 'ann';
SET workorder.tenant = '7';
SELECT workorder.tenant_id(), workorder.actor_id();
RESET workorder.actor;
RESET workorder.tenant;

SELECT workorder.install();

GRANT USAGE ON SCHEMA workorder TO public;
GRANT EXECUTE ON FUNCTION workorder.tenant_id(), workorder.actor_id(), workorder.has_role(text),
  workorder.sign_in(bigint, text, text) TO public;

-- Who acts, by name; as the owner, so that everybody in this test may ask.
CREATE FUNCTION who() RETURNS text STABLE LANGUAGE sql SECURITY DEFINER
AS $$
  SELECT format('%s in %s', coalesce(
    (SELECT a.login FROM workorder.actor a
     WHERE a.tenant_id = workorder.tenant_id() AND a.id = workorder.actor_id()), 'anonymous'), workorder.tenant_id())
$$;
CREATE FUNCTION id_of(tenant bigint, login text) RETURNS bigint STABLE LANGUAGE sql SECURITY DEFINER
AS $$ SELECT a.id FROM workorder.actor a WHERE a.tenant_id = $1 AND a.login = $2 $$;

--
-- enrol() and what goes with it
--
SELECT workorder.enrol('ann', 'Ann', '{manager,hr,manager}') IS NOT NULL AS enrolled;
SELECT workorder.enrol('bob', 'Bob', '{clerk}') IS NOT NULL AS enrolled;
SELECT workorder.enrol('gone', 'Gone', '{clerk}') IS NOT NULL AS enrolled;
SELECT workorder.enrol('silent', 'No password') IS NOT NULL AS enrolled;
SELECT workorder.enrol('王"\小明', '王') IS NOT NULL AS enrolled;
SELECT workorder.disable('gone');
SET workorder.tenant = '2';
SELECT workorder.enrol('ann', 'The other Ann', '{boss}');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO workorder.tenant (id, name) VALUES (2, 'The second');
SELECT workorder.enrol('ann', 'The other Ann', '{boss}') IS NOT NULL AS enrolled;
SELECT workorder.enrol('eve', 'Eve') IS NOT NULL AS enrolled;
RESET workorder.tenant;

SELECT a.tenant_id, a.login, a.name, a.active, array_agg(m.role ORDER BY m.role) FILTER (WHERE m.role IS NOT NULL) AS roles
FROM workorder.actor a LEFT JOIN workorder.membership m ON m.tenant_id = a.tenant_id AND m.actor_id = a.id
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2;

-- the same person again: a new name, roles only if given
SELECT workorder.enrol('bob', 'Robert') = id_of(1, 'bob') AS same;
SELECT workorder.enrol('bob', 'Robert', '{clerk,night}') = id_of(1, 'bob') AS same;
SELECT a.name, array_agg(m.role ORDER BY m.role) AS roles FROM workorder.actor a JOIN workorder.membership m ON m.tenant_id = a.tenant_id AND m.actor_id = a.id
WHERE a.login = 'bob' GROUP BY 1;
SELECT workorder.enrol('bob', 'Bob', '{}') = id_of(1, 'bob') AS same;
SELECT count(*) FROM workorder.membership m WHERE m.actor_id = id_of(1, 'bob');
SELECT workorder.enrol('bob', 'Bob', '{clerk}') = id_of(1, 'bob') AS same;

SELECT workorder.enrol(E' \t', 'Nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT workorder.enrol('nobody', NULL);
SELECT workorder.enrol('nobody', 'Nobody', '{clerk,"",night}');
SELECT workorder.disable('nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT workorder.set_password('nobody', 'correct horse');
SELECT workorder.set_password('ann', 'seven77');
\echo :LAST_ERROR_SQLSTATE
SELECT workorder.set_password('ann', repeat('x', 73));
SELECT workorder.set_password('ann', NULL);
SELECT workorder.map_role('ann', 'regress_wo_nobody');

--
-- A plain database role
--
SET SESSION AUTHORIZATION regress_wo_plain;
SELECT who();
-- claims by hand are not believed
SELECT set_config('request.jwt.claims', '{"sub":"ann","tenant_id":2}', false);
SELECT who(), workorder.actor_id(), workorder.has_role('boss');
-- nor may it set who it is
SET workorder.actor = 'ann';
SET workorder.tenant = '2';
SELECT set_config('workorder.actor', 'ann', true);
SET workorder.gateway_roles = 'regress_wo_plain';
ALTER ROLE regress_wo_plain SET workorder.actor = 'ann';
SET workorder.typo = 1;
SELECT who();
-- nor do any of the administrator's work
SELECT workorder.token(1, 'ann');
SELECT workorder.enrol('mallory', 'Mallory');
SELECT workorder.set_password('ann', 'mine, all mine');
SELECT workorder.disable('ann');
SELECT workorder.map_role('ann', 'regress_wo_plain');
RESET SESSION AUTHORIZATION;
RESET request.jwt.claims;

-- A setting squatted before the library was loaded is dropped when it is.
\c -
SET client_min_messages = error;
SET SESSION AUTHORIZATION regress_wo_plain;
DO $$
BEGIN
  PERFORM set_config('workorder.actor', 'ann', false);
EXCEPTION WHEN insufficient_privilege THEN
  NULL;                         -- the library is preloaded
END
$$;
SELECT who();
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;

-- What an administrator sets for a role does count.
ALTER ROLE regress_wo_plain SET workorder.actor = 'ann';
\c - regress_wo_plain
SELECT who();
RESET workorder.actor;
SELECT who();
\c - :admin
SET client_min_messages = warning;
ALTER ROLE regress_wo_plain RESET workorder.actor;

--
-- An application's pool, which was given the settings
--
GRANT SET ON PARAMETER workorder.actor, workorder.tenant TO regress_wo_pool;
SET SESSION AUTHORIZATION regress_wo_pool;
SELECT set_config('request.jwt.claims', '{"sub":"bob"}', false);
SELECT who();
SET workorder.actor = 'ann';
SELECT who(), workorder.has_role('hr') AS hr, workorder.has_role('h') AS h, workorder.has_role('boss') AS boss;
SET workorder.tenant = '2';
SELECT who(), workorder.has_role('hr') AS hr, workorder.has_role('boss') AS boss;
SET workorder.actor = 'bob';    -- is in tenant 1
SELECT who();
RESET workorder.tenant;
SELECT who();
SET workorder.actor = 'gone';
SELECT who(), workorder.actor_id(), workorder.has_role('clerk');
SET workorder.actor = 'ANN';
SELECT who();
SET workorder.tenant = 'two';
SELECT who();
RESET workorder.tenant;
SET workorder.tenant = '-1';
BEGIN;
SET LOCAL workorder.actor = 'ann';
SELECT who();
COMMIT;
SELECT who();
RESET workorder.actor;
SET workorder.tenant = '2';
SELECT who();
RESET workorder.tenant;
RESET SESSION AUTHORIZATION;
RESET request.jwt.claims;

--
-- A gateway
--
ALTER SYSTEM SET workorder.gateway_roles = 'regress_wo_other, regress_wo_gateway';
SELECT pg_reload_conf();
-- who connects after that has it
\c -
SET client_min_messages = warning;
SELECT workorder.tenant_id();   -- the settings exist now
SHOW workorder.gateway_roles;
UPDATE workorder.actor SET db_role = 'regress_wo_gateway' WHERE login = 'bob';
SET workorder.actor = 'bob';
SET workorder.tenant = '2';
SET SESSION AUTHORIZATION regress_wo_gateway;
-- neither the settings nor a mapping count here
SELECT who();
SELECT set_config('request.jwt.claims', '{"role":"regress_wo_web","sub":"ann","tenant_id":1}', false);
SELECT who(), workorder.has_role('hr') AS hr;
SET ROLE regress_wo_web;
SELECT current_user, who();
SET workorder.actor = 'bob';
SELECT set_config('request.jwt.claims', '{"sub":"ann","tenant_id":2}', false);
SELECT who(), workorder.has_role('hr') AS hr, workorder.has_role('boss') AS boss;
RESET ROLE;
-- for one transaction, as the gateway does it
BEGIN;
SELECT set_config('request.jwt.claims', '{"sub":"bob"}', true);
SELECT who();
COMMIT;
SELECT who();
-- what is not a token of ours is nobody
CREATE TEMP TABLE strange (nr int, claims text);
INSERT INTO strange VALUES
  (1, ''), (2, 'ann'), (3, '{"sub":"ann"'), (4, '"ann"'), (5, '[{"sub":"ann"}]'), (6, 'null'),
  (7, '{"tenant_id":2}'), (8, '{"sub":null}'), (9, '{"sub":["ann"]}'), (10, '{"sub":""}'), (11, '{"sub":7}'),
  (12, '{"sub":"ann","tenant_id":"2"}'), (13, '{"sub":"ann","tenant_id":2.5}'), (14, '{"sub":"ann","tenant_id":-2}'),
  (15, '{"sub":"ann","tenant_id":99999999999999999999}'), (16, '{"sub":"ann","tenant_id":1e999999}'), (17, '{"sub":"ann","tenant_id":null}'),
  (18, '{"sub":"gone"}'), (19, '{"sub":"nobody","tenant_id":2}'), (20, '{"sub":"ann\u0000"}'), (21, '{"sub":"ann "}'),
  (22, '{"user":{"sub":"ann"}}'), (23, repeat('[', 100000)), (24, '{"sub":"ann","tenant_id":3}');
SELECT nr, left(claims, 50) AS claims, who() FROM strange, LATERAL (SELECT set_config('request.jwt.claims', claims, false)) AS s (value)
WHERE value IS NOT NULL ORDER BY nr;
SELECT set_config('request.jwt.claims', '{"sub":"王\"\\小\u660e","tenant_id":1}', false) IS NOT NULL AS claimed;
SELECT who();
RESET SESSION AUTHORIZATION;
-- the administrator's session is no gateway's
SELECT who();
RESET workorder.actor;
RESET workorder.tenant;
RESET request.jwt.claims;
UPDATE workorder.actor SET db_role = NULL WHERE login = 'bob';

--
-- People with a login of their own in the database
--
SELECT workorder.map_role('bob', 'regress_wo_mapped');
SELECT workorder.map_role('ann', 'regress_wo_mapped');
\echo :LAST_ERROR_SQLSTATE
SET SESSION AUTHORIZATION regress_wo_mapped;
SELECT who(), workorder.has_role('clerk') AS clerk;
RESET SESSION AUTHORIZATION;
SET ROLE regress_wo_mapped;
SELECT current_user = 'regress_wo_mapped' AS switched, who();
RESET ROLE;
-- the role in two tenants: which one is not for us to guess
SET workorder.tenant = '2';
SELECT workorder.map_role('ann', 'regress_wo_mapped');
SET SESSION AUTHORIZATION regress_wo_mapped;
SELECT who();
RESET SESSION AUTHORIZATION;
RESET workorder.tenant;
SET SESSION AUTHORIZATION regress_wo_mapped;
SELECT workorder.tenant_id();
\echo :LAST_ERROR_SQLSTATE
SELECT workorder.has_role('clerk');
RESET SESSION AUTHORIZATION;
-- only active people count
SELECT workorder.disable('bob');
SET SESSION AUTHORIZATION regress_wo_mapped;
SELECT who(), workorder.has_role('boss') AS boss;
RESET SESSION AUTHORIZATION;
SET workorder.tenant = '2';
SELECT workorder.map_role('ann', NULL);
RESET workorder.tenant;
SET SESSION AUTHORIZATION regress_wo_mapped;
SELECT who(), workorder.has_role('clerk') AS clerk;
RESET SESSION AUTHORIZATION;
SELECT workorder.enrol('bob', 'Bob') IS NOT NULL AS enabled;
SET SESSION AUTHORIZATION regress_wo_mapped;
SELECT who();
RESET SESSION AUTHORIZATION;
-- the role's name is what counts
ALTER ROLE regress_wo_mapped RENAME TO regress_wo_renamed;
SET SESSION AUTHORIZATION regress_wo_renamed;
SELECT who();
RESET SESSION AUTHORIZATION;
ALTER ROLE regress_wo_renamed RENAME TO regress_wo_mapped;
SET SESSION AUTHORIZATION regress_wo_mapped;
SELECT who();
RESET SESSION AUTHORIZATION;

--
-- What is remembered follows the tables
--
SET workorder.actor = 'bob';
SELECT workorder.has_role('clerk') AS clerk, workorder.has_role('night') AS night;
BEGIN;
SELECT workorder.enrol('bob', 'Bob', '{night}') IS NOT NULL AS changed;
SELECT workorder.has_role('clerk') AS clerk, workorder.has_role('night') AS night;
ROLLBACK;
SELECT workorder.has_role('clerk') AS clerk, workorder.has_role('night') AS night;
BEGIN;
SAVEPOINT s;
SELECT workorder.enrol('bob', 'Bob', '{clerk,night}') IS NOT NULL AS changed;
SELECT workorder.has_role('clerk') AS clerk, workorder.has_role('night') AS night;
ROLLBACK TO s;
SELECT workorder.has_role('clerk') AS clerk, workorder.has_role('night') AS night;
SELECT workorder.disable('bob');
SELECT who();
ROLLBACK TO s;
SELECT who();
COMMIT;
-- within one statement the next question sees the change
DO $$
BEGIN
  DELETE FROM workorder.membership m WHERE m.actor_id = id_of(1, 'bob');
  RAISE WARNING 'clerk: %', workorder.has_role('clerk');
  INSERT INTO workorder.membership (tenant_id, actor_id, role) VALUES (1, id_of(1, 'bob'), 'clerk');
  RAISE WARNING 'clerk: %', workorder.has_role('clerk');
END
$$;
-- a restore or a subscriber writes like this
SET session_replication_role = replica;
UPDATE workorder.membership SET role = 'night' WHERE actor_id = id_of(1, 'bob');
RESET session_replication_role;
SELECT workorder.has_role('clerk') AS clerk, workorder.has_role('night') AS night;
BEGIN;
TRUNCATE workorder.membership;
SELECT workorder.has_role('night') AS night;
ROLLBACK;
SELECT workorder.has_role('night') AS night;
BEGIN;
ALTER TABLE workorder.membership RENAME TO elsewhere;
SELECT who();
ROLLBACK;
SELECT who();
-- a table that was changed by its owner is read by name and shape
BEGIN;
ALTER TABLE workorder.membership DROP CONSTRAINT membership_pkey;
ALTER TABLE workorder.membership RENAME role TO old_role;
ALTER TABLE workorder.membership ADD role varchar(20);
UPDATE workorder.membership SET role = upper(old_role);
ALTER TABLE workorder.membership DROP old_role;
SELECT workorder.has_role('night') AS night, workorder.has_role('NIGHT') AS "NIGHT";
ALTER TABLE workorder.membership DROP role;
SELECT workorder.has_role('night');
ROLLBACK;
RESET workorder.actor;

--
-- C code that authenticated somebody lets them act, for the transaction
--
CREATE FUNCTION assume(tenant bigint, actor bigint) RETURNS void LANGUAGE c STRICT
AS '$libdir/workorder', 'workorder_assume';
SELECT assume(1, id_of(1, 'bob')), who();
SELECT who();
BEGIN;
SELECT assume(1, id_of(1, 'bob'));
SELECT who(), workorder.has_role('night') AS night;
SAVEPOINT a;
SELECT assume(2, id_of(2, 'ann'));
SELECT who(), workorder.has_role('boss') AS boss;
ROLLBACK TO a;
SELECT who();
SAVEPOINT b;
SELECT assume(2, id_of(2, 'eve'));
RELEASE b;
SELECT who();
SAVEPOINT c;
SAVEPOINT d;
SELECT assume(1, id_of(1, 'ann'));
RELEASE d;
SELECT who();
ROLLBACK TO c;
SELECT who();
DO $$
BEGIN
  PERFORM assume(1, id_of(1, 'ann'));
  RAISE WARNING '%', who();
  RAISE EXCEPTION 'undone';
EXCEPTION WHEN raise_exception THEN
  RAISE WARNING '%', who();
END
$$;
ROLLBACK TO a;
SELECT who();
SELECT assume(1, id_of(1, 'gone'));
SELECT who();
SELECT assume(5, 4711);
SELECT who();
COMMIT;
SELECT who();
BEGIN;
SELECT assume(1, id_of(1, 'bob'));
SELECT 1 / 0;
ROLLBACK;
SELECT who();
-- also in a gateway's session, over what the token says
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_wo_gateway;
SELECT set_config('request.jwt.claims', '{"sub":"ann"}', true);
SELECT who();
RESET SESSION AUTHORIZATION;
SELECT assume(1, id_of(1, 'bob'));
SET LOCAL SESSION AUTHORIZATION regress_wo_gateway;
SELECT who();
COMMIT;
DROP FUNCTION assume(bigint, bigint);

--
-- Signing in
--
CREATE FUNCTION attempt(tenant bigint, login text, password text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  detail text;
  hint text;
BEGIN
  PERFORM workorder.sign_in(tenant, login, password);
  RETURN 'signed in';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail, hint);
END
$$;
CREATE FUNCTION decode_part(token text, part int) RETURNS jsonb LANGUAGE sql
AS $$
  SELECT convert_from(decode(translate(p, '-_', '+/') || repeat('=', -length(p) & 3), 'base64'), 'UTF8')::jsonb
  FROM split_part(token, '.', part) AS p
$$;
CREATE FUNCTION signed_with(token text, key text) RETURNS boolean LANGUAGE sql
AS $$
  SELECT split_part(token, '.', 3) = rtrim(translate(encode(
    hmac(split_part(token, '.', 1) || '.' || split_part(token, '.', 2), key, 'sha256'), 'base64'), E'+/\n', '-_'), '=')
$$;

SELECT workorder.set_password('ann', 'correct horse');
SELECT workorder.set_password('gone', 'correct horse');
SELECT workorder.set_password('王"\小明', '正确的马电池订书钉');
SELECT left(p.hash, 7) AS kind, length(p.hash) FROM workorder.password p WHERE p.actor_id = id_of(1, 'ann');
SELECT attempt(1, 'ann', 'correct horse');
SELECT workorder.token(1, 'ann');
INSERT INTO workorder.secret (name, value) VALUES ('jwt', 'too short');
SELECT attempt(1, 'ann', 'correct horse');
UPDATE workorder.secret SET value = 'a key of no less than thirty-two bytes' WHERE name = 'jwt';

SET SESSION AUTHORIZATION regress_wo_plain;
SELECT attempt(1, 'ann', 'correct horse');
-- every failure looks like every other
SELECT reply, string_agg(why, ', ' ORDER BY nr) AS why
FROM (VALUES (1, 'wrong password', attempt(1, 'ann', 'correct hors')),
             (2, 'unknown login', attempt(1, 'nobody', 'correct horse')),
             (3, 'other tenant', attempt(2, 'ann', 'correct horse')),
             (4, 'disabled', attempt(1, 'gone', 'correct horse')),
             (5, 'has no password', attempt(1, 'silent', 'correct horse')),
             (6, 'empty', attempt(1, 'silent', '')),
             (7, 'null', attempt(NULL, NULL, NULL))) AS v (nr, why, reply)
GROUP BY reply;
SELECT * FROM workorder.secret;
SELECT * FROM workorder.password;
RESET SESSION AUTHORIZATION;
-- a hash that crypt() would not take is no password
UPDATE workorder.password SET hash = 'x' WHERE actor_id = id_of(1, 'gone');
SELECT workorder.enrol('gone', 'Back') IS NOT NULL AS enabled;
SELECT left(attempt(1, 'gone', 'x'), 20);
-- long passwords are refused, not cut
SELECT workorder.set_password('gone', repeat('x', 72));
SELECT attempt(1, 'gone', repeat('x', 72)), left(attempt(1, 'gone', repeat('x', 73)), 20);

SELECT workorder.sign_in(1, 'ann', 'correct horse') AS token \gset
SELECT decode_part(:'token', 1);
SELECT decode_part(:'token', 2) - 'iat' - 'exp' - 'jti' AS claims;
SELECT (c->>'exp')::bigint - (c->>'iat')::bigint AS seconds,
       abs((c->>'iat')::bigint - extract(epoch FROM now())) < 60 AS issued_now,
       length(c->>'jti') AS id_length
FROM decode_part(:'token', 2) AS c;
SELECT signed_with(:'token', 'a key of no less than thirty-two bytes') AS signed,
       signed_with(:'token', 'another key of thirty-two bytes or so') AS signed_by_others;
SELECT decode_part(workorder.sign_in(1, 'ann', 'correct horse'), 2)->>'jti' <> decode_part(:'token', 2)->>'jti' AS new_id;

-- strings are escaped, and come back through the gateway
INSERT INTO workorder.secret (name, value) VALUES ('web_role', 'the "web" role'), ('token_seconds', '60');
SELECT workorder.sign_in(1, '王"\小明', '正确的马电池订书钉') AS token \gset
SELECT decode_part(:'token', 2) - 'iat' - 'exp' - 'jti' AS claims,
       (decode_part(:'token', 2)->>'exp')::bigint - (decode_part(:'token', 2)->>'iat')::bigint AS seconds,
       signed_with(:'token', 'a key of no less than thirty-two bytes') AS signed;
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_wo_gateway;
SELECT set_config('request.jwt.claims', decode_part(:'token', 2)::text, true) IS NOT NULL AS claimed;
SELECT who();
ROLLBACK;

-- the administrator's tool
SELECT workorder.token(1, 'bob', 5) AS token \gset
SELECT decode_part(:'token', 2)->>'sub' AS sub, (decode_part(:'token', 2)->>'exp')::bigint - (decode_part(:'token', 2)->>'iat')::bigint AS seconds,
       signed_with(:'token', 'a key of no less than thirty-two bytes') AS signed;
SELECT (c->>'exp')::bigint - (c->>'iat')::bigint AS seconds FROM decode_part(workorder.token(1, 'bob'), 2) AS c;
SELECT workorder.token(1, 'nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT workorder.disable('gone');
SELECT workorder.token(1, 'gone');
\echo :LAST_ERROR_SQLSTATE
UPDATE workorder.secret SET value = 'an hour' WHERE name = 'token_seconds';
SELECT workorder.token(1, 'bob');
\echo :LAST_ERROR_SQLSTATE

-- pgcrypto may be moved
CREATE SCHEMA crypto;
ALTER EXTENSION pgcrypto SET SCHEMA crypto;
DELETE FROM workorder.secret WHERE name = 'token_seconds';
SELECT attempt(1, 'ann', 'correct horse');
SELECT workorder.set_password('ann', 'battery staple');
SELECT attempt(1, 'ann', 'battery staple'), left(attempt(1, 'ann', 'correct horse'), 20);

--
-- Clean up
--
ALTER SYSTEM RESET workorder.gateway_roles;
SELECT pg_reload_conf();
REVOKE SET ON PARAMETER workorder.actor, workorder.tenant FROM regress_wo_pool;
\c postgres
DROP DATABASE regress_workorder_identity;
DROP ROLE regress_wo_plain, regress_wo_pool, regress_wo_gateway, regress_wo_web, regress_wo_mapped;
