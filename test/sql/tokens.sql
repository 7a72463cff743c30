-- Whose a token is, and when it ends; and how often a password may be guessed.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\set admin :USER
CREATE DATABASE regress_workorder_tokens TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_workorder_tokens
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
INSERT INTO workorder.secret (name, value) VALUES ('jwt', 'a key of no less than thirty-two bytes');
CREATE ROLE regress_wo_gate LOGIN;
ALTER SYSTEM SET workorder.gateway_roles = 'regress_wo_gate';
SELECT pg_reload_conf(), pg_sleep(1);
GRANT USAGE ON SCHEMA workorder TO PUBLIC;
GRANT EXECUTE ON FUNCTION workorder.tenant_id(), workorder.actor_id() TO PUBLIC;
CREATE FUNCTION claims(token text) RETURNS jsonb LANGUAGE sql
AS $$
  SELECT convert_from(decode(translate(p, '-_', '+/') || repeat('=', -length(p) & 3), 'base64'), 'UTF8')::jsonb
  FROM split_part(token, '.', 2) AS p
$$;
CREATE FUNCTION name_of(actor bigint) RETURNS text STABLE LANGUAGE sql SECURITY DEFINER
AS $$ SELECT coalesce((SELECT a.name FROM workorder.actor a WHERE a.tenant_id = workorder.tenant_id() AND a.id = $1), 'nobody') $$;
SELECT workorder.enrol('ann', 'Ann') > 0 AS enrolled;
SELECT workorder.set_password('ann', 'correct horse');
SELECT claims(workorder.sign_in(1, 'ann', 'correct horse'))::text AS old \gset
SELECT :'old'::jsonb - '{iat,exp,jti,actor_id}'::text[] AS claims;

-- asks, as the gateway, whose some claims are
CREATE PROCEDURE regress_whose(claims text) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('request.jwt.claims', claims, true);
  RAISE NOTICE '%', name_of(workorder.actor_id());
END
$$;
GRANT USAGE ON SCHEMA public TO PUBLIC;
\c -
SET client_min_messages = notice;
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose(:'old'); RESET SESSION AUTHORIZATION;
-- the same password again changes nothing
SELECT workorder.set_password('ann', 'correct horse');
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose(:'old'); RESET SESSION AUTHORIZATION;
-- another one ends what there is
SELECT workorder.set_password('ann', 'battery staple');
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose(:'old'); RESET SESSION AUTHORIZATION;
SELECT claims(workorder.sign_in(1, 'ann', 'battery staple'))::text AS new \gset
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose(:'new'); RESET SESSION AUTHORIZATION;
-- a login that is given away takes no token along, and the token goes on being the person's
UPDATE workorder.actor SET login = 'ann.old' WHERE login = 'ann';
SELECT workorder.enrol('ann', 'Another Ann') > 0 AS enrolled;
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose(:'new'); RESET SESSION AUTHORIZATION;
-- who was disabled has to sign in again
SELECT workorder.disable('ann.old');
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose(:'new'); RESET SESSION AUTHORIZATION;
SELECT workorder.enrol('ann.old', 'Ann') > 0 AS enrolled;
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose(:'new'); RESET SESSION AUTHORIZATION;
SELECT claims(workorder.sign_in(1, 'ann.old', 'battery staple'))::text AS new \gset
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose(:'new'); RESET SESSION AUTHORIZATION;
SELECT workorder.end_tokens('ann.old');
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose(:'new'); RESET SESSION AUTHORIZATION;
-- odd claims are nobody's
SET SESSION AUTHORIZATION regress_wo_gate;
CALL regress_whose('{"sub": "ann", "actor_id": "1"}');
CALL regress_whose('{"sub": "ann", "actor_id": 0}');
CALL regress_whose('{"sub": "ann", "actor_id": 1.5}');
CALL regress_whose('{"sub": "ann", "actor_id": 1e999999}');
CALL regress_whose('{"sub": "ann", "actor_id": null}');
CALL regress_whose('{"sub": "ann", "actor_id": 999, "epoch": 0}');
RESET SESSION AUTHORIZATION;
-- claims of another issuer, which name a login alone
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose('{"sub": "ann"}'); RESET SESSION AUTHORIZATION;
ALTER SYSTEM SET workorder.login_claims = off;
SELECT pg_reload_conf(), pg_sleep(1);
\c -
SET client_min_messages = notice;
SET SESSION AUTHORIZATION regress_wo_gate; CALL regress_whose('{"sub": "ann"}'); RESET SESSION AUTHORIZATION;
SELECT workorder.end_tokens('nobody');
\echo :LAST_ERROR_SQLSTATE
-- Guessing: after so many failures even the right one has to wait, whoever it is.
ALTER SYSTEM SET workorder.sign_in_failures = 3;
SELECT pg_reload_conf(), pg_sleep(1);
\c -
SET client_min_messages = warning;
CREATE FUNCTION attempt(login text, password text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workorder.sign_in(1, login, password);
  RETURN 'signed in';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END
$$;
SELECT workorder.set_password('ann', 'correct horse');
SET workorder.now = '2030-01-01 12:00:00Z';
SELECT attempt('ann', 'wrong'), attempt('ann', 'wrong'), attempt('ann', 'correct horse');
SELECT attempt('ann', 'wrong'), attempt('ann', 'wrong'), attempt('ann', 'wrong'), attempt('ann', 'correct horse');
-- in another session, too, and nobody else
\c -
SET workorder.now = '2030-01-01 12:00:00.999Z';
SELECT attempt('ann', 'correct horse'), attempt('ann.old', 'battery staple');
-- a login that is nobody's is no exception
SELECT attempt('noone', 'wrong') FROM generate_series(1, 4);
-- the wait ends, and is longer after another failure
SET workorder.now = '2030-01-01 12:00:01Z';
SELECT attempt('ann', 'wrong'), attempt('ann', 'correct horse');
SET workorder.now = '2030-01-01 12:00:02.9Z';
SELECT attempt('ann', 'correct horse');
SET workorder.now = '2030-01-01 12:00:03Z';
SELECT attempt('ann', 'correct horse'), attempt('ann', 'wrong'), attempt('ann', 'wrong'), attempt('ann', 'correct horse');
RESET workorder.now;

ALTER SYSTEM RESET workorder.sign_in_failures;
ALTER SYSTEM RESET workorder.login_claims;
ALTER SYSTEM RESET workorder.gateway_roles;
SELECT pg_reload_conf(), pg_sleep(1);
\c postgres
DROP DATABASE regress_workorder_tokens;
DROP ROLE regress_wo_gate;
