-- Requests without a token: who sends them, as an API's setting "identity" says.
-- What a gateway tells of a request is in headers that it makes itself; in
-- nobody else's session do they mean anything.

CREATE FUNCTION workorder.gateway_header(name text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_gateway_header';
COMMENT ON FUNCTION workorder.gateway_header(text) IS
'A header of the request that is served (request.headers), if the session is a gateway''s (workorder.gateway_roles); else null, for anybody can set it. deploy/nginx.conf says which there are: x-original-origin, x-original-address ...';

CREATE FUNCTION workorder.http_origin() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.gateway_header('x-original-origin');
COMMENT ON FUNCTION workorder.http_origin() IS
'Scheme and host by which the client has reached the gateway, https://tickets.example, for links in answers; null where nobody says.';

CREATE FUNCTION workorder.check_password(login text, password text, address text) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_check_password';
COMMENT ON FUNCTION workorder.check_password(text, text, text) IS
'Id of the active person of the current tenant with this login and password, for requests that bring both; null for everything else, after the same work. After several failures (workorder.sign_in_failures) login and address each have to wait, as for sign_in(). Reads the tables itself, and does not make the person act.';

CREATE FUNCTION workorder.sign_address(subject text, seconds int) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_sign_address';
COMMENT ON FUNCTION workorder.sign_address(text, int) IS
'Signature of a subject, such as the name of an image, by who acts: digits, letters, ".", "-" and "_", for an address that shows to whoever holds it what the signer may see (open_address()). It holds at least as many seconds, and stays the same for a 24th of them. Null for anonymous, and without a key (rotate_address_key()). Reads the key itself. Raises WO400 for a lifetime that is none.';

CREATE FUNCTION workorder.open_address(subject text, signature text) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_open_address';
COMMENT ON FUNCTION workorder.open_address(text, text) IS
'Makes the person who has signed a subject (sign_address()) act for the rest of the transaction, in the tenant it was, and returns their id; null if it is not that signature, has expired, or the person is not active. For functions that an API names as "identify", which look first that what follows is the subject and nothing else: whoever may execute this acts as the signer.';

CREATE FUNCTION workorder.rotate_address_key() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM workorder.secret s WHERE s.name = 'address_previous';
  UPDATE workorder.secret s SET name = 'address_previous' WHERE s.name = 'address';
  INSERT INTO workorder.secret (name, value) VALUES ('address', workorder.random_key());
END
$$;
COMMENT ON FUNCTION workorder.rotate_address_key() IS
'Makes up a new key for signed addresses; those that were signed with the one before hold until they expire, or its row address_previous is deleted. Needs the privilege to write workorder.secret.';

CREATE FUNCTION workorder.person_named(login text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT a.id FROM workorder.actor a
          WHERE a.tenant_id = workorder.tenant_id() AND a.login = person_named.login AND a.active AND NOT starts_with(a.login, '$'));
END
$$;
COMMENT ON FUNCTION workorder.person_named(text) IS
'Id of the active person of the current tenant with a login, null if there is none. Part of identify().';

CREATE FUNCTION workorder.identify_by_network(rule jsonb) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Who comes by a unix socket has no address.
  address CONSTANT inet := substring(workorder.gateway_header('x-original-address') FROM '^[0-9A-Fa-f:.]+$');
BEGIN
  IF EXISTS (SELECT FROM jsonb_array_elements_text(rule -> 'addresses') AS r (range) WHERE address <<= r.range::inet) THEN
    RETURN workorder.person_named(rule ->> 'login');
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION workorder.identify_by_network(jsonb) IS
'The person that an API has for requests from certain addresses, null for all other addresses. Part of identify().';

CREATE FUNCTION workorder.identify_by_proxy(api text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Kept are digests, and digests are compared: how far two of them agree tells nothing of a secret.
  given CONSTANT text := encode(sha256(convert_to(workorder.gateway_header('x-original-secret'), 'UTF8')), 'hex');
BEGIN
  IF EXISTS (SELECT FROM workorder.secret s
             WHERE s.name IN ('proxy.' || identify_by_proxy.api, 'proxy.' || identify_by_proxy.api || '_previous') AND s.value = given) THEN
    RETURN workorder.person_named(workorder.gateway_header('x-original-user'));
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION workorder.identify_by_proxy(text) IS
'The person whose login a proxy gives that the gateway believes and that knows the secret of the API; else null. Part of identify().';

CREATE FUNCTION workorder.identify_by_password() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  pair CONSTANT bytea := workorder.decode_base64(substring(workorder.gateway_header('x-original-basic') FROM '^[Bb][Aa][Ss][Ii][Cc] +([^ ]+)$'));
  colon CONSTANT int := position('\x3a'::bytea IN pair);
BEGIN
  IF colon < 2 OR position('\x00'::bytea IN pair) > 0 THEN
    RETURN NULL;
  END IF;
  RETURN workorder.check_password(convert_from(substring(pair FROM 1 FOR colon - 1), 'UTF8'),
    convert_from(substring(pair FROM colon + 1), 'UTF8'), coalesce(workorder.gateway_header('x-original-address'), ''));
EXCEPTION WHEN data_exception THEN
  -- what is no UTF-8 is nobody's
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION workorder.identify_by_password() IS
'The person whose login and password a request brings (HTTP Basic), null for anything else. Part of identify().';

CREATE FUNCTION workorder.identify(request workorder.http_request) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  settings CONSTANT jsonb := (SELECT a.settings FROM workorder.api a WHERE a.name = request.api);
  person bigint;
BEGIN
  -- The API's own way, such as a credential in the body, if there is one and the request goes it.
  IF settings ? 'identify' THEN
    BEGIN
      EXECUTE format('SELECT %s($1)', to_regproc(settings ->> 'identify')) INTO person USING request;
    EXCEPTION WHEN SQLSTATE 'WO401' OR SQLSTATE 'WO503' THEN
      person := NULL;
    END;
  END IF;
  -- A page of somebody else's, which a browser shows, has not been asked to speak for who looks at it.
  IF person IS NOT NULL OR workorder.gateway_header('x-original-foreign') IS NOT NULL THEN
    RETURN person;
  END IF;
  RETURN CASE settings -> 'identity' ->> 'mode'
    WHEN 'network' THEN workorder.identify_by_network(settings -> 'identity')
    WHEN 'proxy' THEN workorder.identify_by_proxy(request.api)
    WHEN 'basic' THEN workorder.identify_by_password() END;
END
$$;
COMMENT ON FUNCTION workorder.identify(workorder.http_request) IS
'Who sends a request without a token to an API whose setting "identity" says how people are known (set_identity()): by the API''s own "identify", else by that; null for nobody. Called by the engine, with the rights of the owner of workorder.api.';

CREATE FUNCTION workorder.set_identity(api text, mode text, login text DEFAULT NULL, addresses inet[] DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  secret_name CONSTANT text := 'proxy.' || set_identity.api;
  identity jsonb := jsonb_build_object('mode', set_identity.mode);
  secret text;
BEGIN
  IF NOT EXISTS (SELECT FROM workorder.api a WHERE a.name = set_identity.api) THEN
    PERFORM workorder.refuse('WO404', 'the API does not exist', 'The table workorder.api has no row of this name.', 'Give the name of one, such as that of an add-on''s schema.');
  ELSIF set_identity.mode IS NULL OR set_identity.mode NOT IN ('token', 'basic', 'proxy', 'network') THEN
    PERFORM workorder.refuse('WO400', 'the mode does not exist', 'People are known by token, basic, proxy or network.', 'Give one of these.');
  ELSIF (set_identity.mode = 'network') <> (set_identity.login IS NOT NULL) OR (set_identity.mode = 'network') <> (coalesce(cardinality(set_identity.addresses), 0) > 0) THEN
    PERFORM workorder.refuse('WO400', 'login and addresses belong to the mode network', 'A network stands for one person, by login, and is one or more ranges of addresses.',
      'Give both for network, and neither for another mode.');
  ELSIF 0 = ANY (SELECT masklen(a.range) FROM unnest(set_identity.addresses) AS a (range)) THEN
    PERFORM workorder.refuse('WO400', 'a network is not the whole world', 'A range of length 0 holds every address.', 'Give the ranges of a closed network.');
  END IF;
  IF set_identity.mode = 'network' THEN
    PERFORM workorder.person_id(set_identity.login);
    identity := identity || jsonb_build_object('login', set_identity.login, 'addresses', to_jsonb(set_identity.addresses));
  END IF;

  DELETE FROM workorder.secret s WHERE s.name = secret_name || '_previous' OR (s.name = secret_name AND set_identity.mode <> 'proxy');
  IF set_identity.mode = 'proxy' THEN
    UPDATE workorder.secret s SET name = secret_name || '_previous' WHERE s.name = secret_name;
    secret := workorder.random_key();
    INSERT INTO workorder.secret (name, value) VALUES (secret_name, encode(sha256(convert_to(secret, 'UTF8')), 'hex'));
  END IF;
  UPDATE workorder.api a
  SET settings = CASE set_identity.mode WHEN 'token' THEN a.settings - 'identity'
    -- Who is known acts with the rights that a token would give.
    ELSE jsonb_build_object('run_as', coalesce((SELECT s.value FROM workorder.secret s WHERE s.name = 'web_role'), 'workorder_user'))
      || a.settings || jsonb_build_object('identity', identity) END
  WHERE a.name = set_identity.api;
  RETURN secret;
END
$$;
COMMENT ON FUNCTION workorder.set_identity(text, text, text, inet[]) IS
'How people are known to an API who send no token: token, not at all; basic, by login and password with each request (HTTP Basic), as sign_in() would judge them; proxy, by the login in X-Remote-User of a proxy that the gateway believes and that sends in X-Remote-Secret the secret returned here, of which only a digest is kept (called again: a new one, the one before holds until the next); network, whoever comes from these addresses is the person with this login, which the log and verify() tell. Tokens, and the API''s own way of knowing people, hold besides. It is of the current tenant''s people. Raises WO400, WO404; needs the privilege to write workorder.api and workorder.secret. docs/operations.md, "Clients without a credential".';

CREATE FUNCTION workorder.open_apis() RETURNS TABLE (name text, login text, addresses text)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
BEGIN
  IF to_regclass('workorder.api') IS NOT NULL THEN
    RETURN QUERY
    SELECT a.name, a.settings -> 'identity' ->> 'login', (
      SELECT string_agg(r.range, ', ' ORDER BY r.n)
      FROM jsonb_array_elements_text(a.settings -> 'identity' -> 'addresses') WITH ORDINALITY AS r (range, n))
    FROM workorder.api a WHERE a.settings -> 'identity' ->> 'mode' = 'network';
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.open_apis() IS 'Which APIs take requests without a credential from which addresses, as whom; part of verify().';
