-- Requests without a token: set_identity() and what an API's "identify" is made
-- of.  Over HTTP: test/http/identity.test.mjs.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_identify TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_workorder_identify
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
CREATE ROLE regress_wo_gateway LOGIN;
ALTER SYSTEM SET workorder.gateway_roles = 'regress_wo_gateway';
SELECT pg_reload_conf(), pg_sleep(1);
\c -
SET client_min_messages = warning;
SELECT workorder.enrol('ann', 'Ann') > 0 AS enrolled, workorder.enrol('bob', 'Bob') > 0 AS enrolled;
SELECT workorder.set_password('ann', 'correct horse');
SELECT workorder.add_api('desk', '/desk', '{"error": "$message"}', false, '{}');
GRANT USAGE ON SCHEMA workorder TO regress_wo_gateway;
GRANT EXECUTE ON FUNCTION workorder.gateway_header(text), workorder.http_origin() TO regress_wo_gateway;
CREATE FUNCTION name_of(actor bigint) RETURNS text LANGUAGE sql
RETURN coalesce((SELECT a.login FROM workorder.actor a WHERE a.tenant_id = workorder.tenant_id() AND a.id = name_of.actor), 'nobody');

-- what a header says is a gateway's word
SET request.headers = '{"x-original-origin": "https://tickets.example", "x-original-address": "10.1.2.3", "x-original-user": "ann", "x-original-secret": "s", "n": 1}';
SELECT workorder.gateway_header('x-original-origin') AS superuser, workorder.http_origin();
SELECT workorder.identify_by_network('{"login": "ann", "addresses": ["10.0.0.0/8"]}') AS network;
SET SESSION AUTHORIZATION regress_wo_gateway;
SELECT workorder.gateway_header('x-original-origin') AS gateway, workorder.http_origin(), workorder.gateway_header('n') AS number, workorder.gateway_header('none') AS none;
SET request.headers = 'nonsense';
SELECT workorder.gateway_header('x-original-origin') AS nonsense;
SET request.headers = '["x-original-origin"]';
SELECT workorder.gateway_header('x-original-origin') AS list;
SET request.headers = '';
SELECT workorder.gateway_header('x-original-origin') AS nothing;
RESET SESSION AUTHORIZATION;
RESET request.headers;

-- how people are known is the administrator's to say, and cannot be said wrongly
SELECT workorder.set_identity('desk', 'network', login => 'ann', addresses => '{10.0.0.0/8,::1}');
SELECT settings -> 'identity' AS identity, settings -> 'run_as' AS run_as FROM workorder.api WHERE name = 'desk';
SELECT relation, code, message FROM workorder.verify() WHERE code = 'open_api';
SELECT workorder.set_identity('desk', 'basic');
SELECT relation, code, message FROM workorder.verify() WHERE code = 'open_api';
SELECT length(workorder.set_identity('desk', 'proxy')) AS secret;
SELECT name, length(value) FROM workorder.secret WHERE name LIKE 'proxy%' ORDER BY name;
SELECT length(workorder.set_identity('desk', 'proxy')) AS secret;
SELECT name, length(value) FROM workorder.secret WHERE name LIKE 'proxy%' ORDER BY name;
SELECT workorder.set_identity('desk', 'token');
SELECT settings ? 'identity' AS identity, (SELECT count(*) FROM workorder.secret WHERE name LIKE 'proxy%') AS secrets FROM workorder.api WHERE name = 'desk';
SELECT workorder.set_identity('none', 'basic');
SELECT workorder.set_identity(NULL, 'basic');
SELECT workorder.set_identity('desk', 'everybody');
SELECT workorder.set_identity('desk', NULL);
SELECT workorder.set_identity('desk', 'network');
SELECT workorder.set_identity('desk', 'network', login => 'ann');
SELECT workorder.set_identity('desk', 'network', login => 'ann', addresses => '{}');
SELECT workorder.set_identity('desk', 'network', login => 'nobody', addresses => '{10.0.0.1}');
SELECT workorder.set_identity('desk', 'network', login => 'ann', addresses => '{10.0.0.1,0.0.0.0/0}');
SELECT workorder.set_identity('desk', 'network', login => 'ann', addresses => '{::/0}');
SELECT workorder.set_identity('desk', 'basic', addresses => '{10.0.0.1}');
SELECT settings ? 'identity' AS identity FROM workorder.api WHERE name = 'desk';

-- a password with each request: after ten failures in a row login and address wait, each by itself
SET workorder.now = '2024-01-02 10:00:00+00';
SELECT name_of(workorder.check_password('ann', 'correct horse', '10.0.0.1')) AS ann, name_of(workorder.check_password('ann', 'wrong', '10.0.0.1')) AS wrong,
  name_of(workorder.check_password('bob', 'correct horse', '10.0.0.1')) AS without, name_of(workorder.check_password('eve', 'x', '10.0.0.1')) AS unknown;
SELECT count(workorder.check_password('ann', 'guess ' || n, '10.0.0.' || 100 + n)) AS guessed FROM generate_series(1, 10) n;
SELECT name_of(workorder.check_password('ann', 'correct horse', '10.0.0.1')) AS waits;
SET workorder.now = '2024-01-02 10:00:02+00';
SELECT name_of(workorder.check_password('ann', 'correct horse', '10.0.0.1')) AS waited;
SELECT count(workorder.check_password('eve' || n, 'x', '10.0.0.2')) AS guessed FROM generate_series(1, 10) n;
SELECT name_of(workorder.check_password('ann', 'correct horse', '10.0.0.2')) AS waits, name_of(workorder.check_password('ann', 'correct horse', '10.0.0.3')) AS elsewhere;
SET workorder.now = '2024-01-02 10:00:04+00';
SELECT name_of(workorder.check_password('ann', 'correct horse', '10.0.0.2')) AS waited;
SELECT workorder.check_password(NULL, 'x', 'y') AS nothing;

-- an address holds for what it was signed for, by whom, and as long
SELECT workorder.rotate_address_key();
SET workorder.actor = 'ann';
SELECT workorder.sign_address('a.png', 3600) AS signed \gset
SELECT :'signed' ~ '^1\.\d+\.\d+\.[A-Za-z0-9_-]{43}$' AS form, split_part(:'signed', '.', 3)::bigint - extract(epoch FROM workorder.clock())::bigint AS seconds;
SELECT workorder.sign_address('a.png', 3600) = :'signed' AS same, workorder.sign_address('b.png', 3600) = :'signed' AS other;
SELECT workorder.sign_address('a.png', 0);
SET workorder.actor = '';
SELECT workorder.sign_address('a.png', 3600) AS anonymous;
-- who opens one acts as who signed it, until the transaction ends
CREATE FUNCTION opened(subject text, signature text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workorder.open_address(subject, signature);
  RETURN name_of(workorder.actor_id());
END
$$;
SELECT opened('a.png', :'signed') AS opened;
SELECT name_of(workorder.actor_id()) AS afterwards;
SELECT opened('b.png', :'signed') AS another_subject;
SELECT string_agg(DISTINCT opened('a.png', overlay(:'signed' PLACING CASE substr(:'signed', n, 1) WHEN '1' THEN '2' ELSE '1' END FROM n)), ',') AS changed
FROM generate_series(1, length(:'signed')) n;
SELECT string_agg(DISTINCT opened('a.png', s), ',') AS malformed
FROM unnest(ARRAY['', '.', '1.2.3.', :'signed' || 'A', left(:'signed', -1), ' ' || :'signed', '0' || :'signed', '+' || :'signed', replace(:'signed', '1.', '01.'),
  repeat('9', 200), '9999999999999999999.1.1.' || repeat('A', 43), '-' || :'signed', '1.1.1.1.' || repeat('A', 43)]) s;
SET workorder.now = '2024-01-02 12:00:00+00';
SELECT opened('a.png', :'signed') AS expired;
SET workorder.now = '2024-01-02 10:00:04+00';
-- a key is changed in two steps
SELECT workorder.rotate_address_key();
SELECT opened('a.png', :'signed') AS with_the_key_before;
SELECT workorder.rotate_address_key();
SELECT opened('a.png', :'signed') AS with_the_key_before_that;
SET workorder.actor = 'ann';
SELECT workorder.sign_address('a.png', 3600) AS signed \gset
SET workorder.actor = '';
SELECT opened('a.png', :'signed') AS opened;
SELECT workorder.disable('ann');
SELECT opened('a.png', :'signed') AS disabled;
SELECT workorder.enrol('ann', 'Ann') > 0 AS enrolled;
SELECT opened('a.png', :'signed') AS enabled;
DELETE FROM workorder.secret WHERE name LIKE 'address%';
SELECT opened('a.png', :'signed') AS without_a_key;
SET workorder.actor = 'ann';
SELECT workorder.sign_address('a.png', 3600) AS without_a_key;
-- another tenant's are its own, and bring their opener there
INSERT INTO workorder.tenant (id, name) VALUES (2, 'other');
SELECT workorder.rotate_address_key();
SET workorder.tenant = '2';
SET workorder.actor = '';
SELECT workorder.enrol('olga', 'Olga') > 0 AS enrolled;
SET workorder.actor = 'olga';
SELECT workorder.sign_address('a.png', 3600) AS signed \gset
RESET workorder.tenant;
SET workorder.actor = '';
SELECT opened('a.png', :'signed') AS other_tenant;
SELECT opened('a.png', '1' || substr(:'signed', 2)) AS as_of_this_one;

-- Whoever may open an address acts as its signer, so nobody but the owner may.
SELECT p.proname FROM pg_proc p
WHERE p.pronamespace = 'workorder'::regnamespace AND p.proname IN ('open_address', 'check_password', 'identify', 'set_identity', 'rotate_address_key', 'person_named')
  AND (has_function_privilege('regress_wo_gateway', p.oid, 'EXECUTE') OR p.proacl::text LIKE '%,=X%');
CREATE ROLE regress_wo_web;
SELECT workorder.grant_access('regress_wo_web');
SELECT p.proname FROM pg_proc p
WHERE p.pronamespace = 'workorder'::regnamespace AND p.proname IN ('open_address', 'check_password', 'identify', 'set_identity', 'rotate_address_key', 'person_named')
  AND has_function_privilege('regress_wo_web', p.oid, 'EXECUTE');

ALTER SYSTEM RESET workorder.gateway_roles;
SELECT pg_reload_conf();
\c postgres
DROP DATABASE regress_workorder_identify;
DROP ROLE regress_wo_gateway, regress_wo_web;
