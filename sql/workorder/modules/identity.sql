-- Who acts.  These come first: the engine's tables use tenant_id() as a default.
-- They read session settings, and what C code assumed for the transaction, which
-- a parallel worker does not have: PARALLEL RESTRICTED.

CREATE FUNCTION workorder.tenant_id() RETURNS bigint
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_tenant_id';
COMMENT ON FUNCTION workorder.tenant_id() IS
'Tenant the session works in, 1 unless something says otherwise. A gateway''s session (workorder.gateway_roles) takes it from the token; any other from workorder.tenant, or from the person its database role is mapped to. Raises WO403 if the role stands for several people.';

CREATE FUNCTION workorder.tenant_key() RETURNS text
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_tenant_key';
COMMENT ON FUNCTION workorder.tenant_key() IS
'What the application calls the tenant that the session works in (workorder.tenant.key), null if it has no name for it. What policies of tables compare with whose tenant is a text.';

CREATE FUNCTION workorder.tenant_uuid() RETURNS uuid
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_tenant_uuid';
COMMENT ON FUNCTION workorder.tenant_uuid() IS
'tenant_key() as a uuid, null if it is none. What policies of tables compare with whose tenant is a uuid.';

CREATE FUNCTION workorder.tenant_number(key text) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_tenant_number';
COMMENT ON FUNCTION workorder.tenant_number(text) IS
'The number of the tenant with this key (workorder.tenant.key), null if there is none.';

CREATE FUNCTION workorder.actor_id() RETURNS bigint
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_actor_id';
COMMENT ON FUNCTION workorder.actor_id() IS
'Id of the person who acts, null for anonymous. In a gateway''s session the token''s actor_id, or sub where a token has none and workorder.login_claims allows it, and nothing else; otherwise the login in workorder.actor, or the person the session''s database role is mapped to. Who is unknown or disabled is anonymous. SET ROLE and SECURITY DEFINER change nothing. In a policy write (SELECT workorder.actor_id()): it then runs once per query.';

CREATE FUNCTION workorder.has_role(role text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_has_role';
COMMENT ON FUNCTION workorder.has_role(text) IS
'Whether the person who acts holds the role in their tenant (workorder.membership). Anonymous holds none. In a policy write (SELECT workorder.has_role(''...'')): it then runs once per query.';

CREATE FUNCTION workorder.is_member(system text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_is_member';
COMMENT ON FUNCTION workorder.is_member(text) IS
'Whether the person who acts holds any role of a system, whose roles are qualified by its name (system.role), or the role of exactly this name. Anonymous holds none.';

CREATE FUNCTION workorder.sign_in(tenant bigint, login text, password text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_sign_in';
COMMENT ON FUNCTION workorder.sign_in(bigint, text, text) IS
'Token (JWT, HS256) for who knows their password: role, sub, tenant_id, actor_id, epoch, iat, exp, jti. Key, web role and lifetime are the rows jwt (at least 32 bytes), web_role (default workorder_user) and token_seconds (default 28800) of workorder.secret. Raises WO403 "login failed", the same and after the same work for a wrong password, an unknown login, a person without a password and a disabled one, and for a login that has to wait after several failures (workorder.sign_in_failures); WO404 if there is no key. Reads the tables itself: the caller needs EXECUTE and nothing else. Pass the password as a parameter, so that it is not logged.';

CREATE FUNCTION workorder.open_credential(credential text) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_open_credential';
COMMENT ON FUNCTION workorder.open_credential(text) IS
'Id of the person of the current tenant who sends an encrypted credential with each request: hexadecimal digits (4096 at most) of a JSON object with the members username (1 to 128 characters), password (AES-256-GCM ciphertext, no associated data), nonce (12 or 16 bytes) and authTag (16 bytes), the last three in hexadecimal. Raises WO401 "invalid credential" for everything that is not the right password of an active person, the same and, where the key was right, after the same work; WO503 "credential service unavailable" without a sound key in workorder.secret (credential.<tenant> or credential, then the same with _previous; see rotate_credential_key()). Reads the tables itself. It does not make the person act: name a function that calls it as "identify" of an API.';

CREATE FUNCTION workorder.token(tenant bigint, login text, seconds integer DEFAULT NULL) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_token';
COMMENT ON FUNCTION workorder.token(bigint, text, integer) IS
'Token for any active person without their password, for the administrator''s tools: whoever may execute this may act as anybody. seconds is its lifetime (default as sign_in(); a negative one makes an expired token). Raises WO404 for an unknown login or without a key, WO403 for a disabled person.';

CREATE FUNCTION workorder.clock() RETURNS timestamptz
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_clock';
COMMENT ON FUNCTION workorder.clock() IS
'The time that an act taken now would be journalled with: the real clock, or workorder.now where a superuser has fixed it.';
