-- The people of a tenant.  These functions run as the caller: who may write the
-- tables workorder.actor, workorder.membership and workorder.password may use
-- them.  All of them work in workorder.tenant_id().

-- A body in standard SQL is bound when it is created, to the pgcrypto that this
-- extension requires: nothing in anybody's search_path can take its place.  The
-- cost is also that of the hash sign_in() computes for who has none.
CREATE FUNCTION workorder.password_hash(password text) RETURNS text
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
BEGIN ATOMIC
  SELECT crypt(password::text, gen_salt('bf'::text, 10::integer));
END;
COMMENT ON FUNCTION workorder.password_hash(text) IS
'Blowfish hash of a password with a new salt, as sign_in() compares it. Used by set_password().';

CREATE FUNCTION workorder.password_is(password text, hash text) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
  SELECT CASE WHEN hash ~ '^[$]2a[$][0-9]{2}[$][./0-9A-Za-z]{53}$' THEN crypt(password::text, hash::text) = hash ELSE false END;
END;
COMMENT ON FUNCTION workorder.password_is(text, text) IS
'Whether a hash is that of a password. Used by set_password().';

CREATE FUNCTION workorder.random_key() RETURNS text
LANGUAGE sql VOLATILE PARALLEL SAFE
BEGIN ATOMIC
  SELECT encode(gen_random_bytes(32), 'hex'::text);
END;
COMMENT ON FUNCTION workorder.random_key() IS
'32 random bytes in hexadecimal. Used where a key or a secret is made up.';

CREATE FUNCTION workorder.refuse_reserved(login text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF starts_with(refuse_reserved.login, '$') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('login "%s" is reserved', refuse_reserved.login),
      DETAIL = 'Who begins with a "$" stands for the engine, such as its clock, and is nobody''s.', HINT = 'Choose another login.';
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.refuse_reserved(text) IS
'Raises WO400 for a login that begins with "$", as the engine''s own do: nobody can be $system.';

CREATE FUNCTION workorder.keep_person() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF current_setting('workorder.maintenance')::boolean OR NOT EXISTS (
      SELECT FROM workorder.journal j WHERE j.tenant_id = OLD.tenant_id AND OLD.id IN (j.actor_id, j.for_actor)) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'WO409',
    MESSAGE = format('actor "%s" cannot be deleted', OLD.login),
    DETAIL = 'The journal tells what they did.',
    HINT = format('Call workorder.disable(%L), which lets them act no more.', OLD.login);
END
$$;
COMMENT ON FUNCTION workorder.keep_person() IS
'Trigger of workorder.actor: WO409 for a delete of somebody whom the journal names, unless a superuser has set workorder.maintenance.';

CREATE FUNCTION workorder.tell_unknown_roles(roles text[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  unknown text;
BEGIN
  IF NOT has_table_privilege('workorder.flow', 'SELECT') THEN
    RETURN;
  END IF;
  SELECT string_agg(DISTINCT format('role "%s"', r.role), ', ') INTO unknown FROM unnest(tell_unknown_roles.roles) AS r (role)
  WHERE NOT EXISTS (SELECT FROM workorder.flow f WHERE f.life <> 'retired' AND f.definition -> 'roles' ? r.role);
  IF unknown IS NOT NULL AND EXISTS (SELECT FROM workorder.flow f WHERE f.life = 'published') THEN
    RAISE NOTICE USING MESSAGE = format('no flow declares %s', unknown),
      DETAIL = 'Until a flow names it in "roles", holding it allows nothing but what you ask has_role() for.',
      HINT = 'Correct the name, if a role of a flow is meant.';
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.tell_unknown_roles(text[]) IS
'NOTICE about roles that no flow declares, if there is any flow yet: they may be misspelt. Used by enrol().';

CREATE FUNCTION workorder.enrol(login text, name text, roles text[] DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  home CONSTANT bigint := workorder.tenant_id();
  person bigint;
  known_as text;
  enabled boolean;
  gained text[];
BEGIN
  IF enrol.login IS NULL OR enrol.login !~ '[^[:space:]]' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'login is blank',
      DETAIL = 'A person is found by their login.', HINT = 'Give a login.';
  END IF;
  PERFORM workorder.refuse_reserved(enrol.login);
  IF enrol.name IS NULL OR enrol.name !~ '[^[:space:]]' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'name is blank',
      DETAIL = 'The history shows people by name.', HINT = 'Give a name; the login will do.';
  END IF;
  IF EXISTS (SELECT FROM unnest(enrol.roles) AS r (role) WHERE r.role IS NULL OR r.role !~ '[^[:space:]]') THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'role is blank',
      DETAIL = 'Every role in the list needs a name.', HINT = 'Give an empty list to take all roles away.';
  END IF;

  -- The lock makes two enrolments of one person wait for each other.
  SELECT a.id, a.name, a.active INTO person, known_as, enabled FROM workorder.actor a
  WHERE a.tenant_id = home AND a.login = enrol.login
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    IF NOT EXISTS (SELECT FROM workorder.tenant t WHERE t.id = home) THEN
      RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the tenant does not exist',
        DETAIL = 'People belong to a tenant, and the current one is not in workorder.tenant.',
        HINT = 'Add the tenant, or set workorder.tenant to another.';
    END IF;
    INSERT INTO workorder.actor AS a (tenant_id, login, name)
    VALUES (home, enrol.login, enrol.name)
    ON CONFLICT (tenant_id, login) DO UPDATE SET name = excluded.name, active = true
    RETURNING a.id INTO person;
  ELSIF known_as IS DISTINCT FROM enrol.name OR enabled IS NOT TRUE THEN
    UPDATE workorder.actor a SET name = enrol.name, active = true
    WHERE a.tenant_id = home AND a.id = person;
  END IF;

  -- Every write makes all sessions forget the people they know: write changes only.
  IF enrol.roles IS NOT NULL THEN
    IF EXISTS (SELECT FROM workorder.membership m
               WHERE m.tenant_id = home AND m.actor_id = person AND m.role <> ALL (enrol.roles)) THEN
      DELETE FROM workorder.membership m
      WHERE m.tenant_id = home AND m.actor_id = person AND m.role <> ALL (enrol.roles);
    END IF;
    IF EXISTS (SELECT FROM unnest(enrol.roles) AS r (role)
               WHERE NOT EXISTS (SELECT FROM workorder.membership m
                                 WHERE m.tenant_id = home AND m.actor_id = person AND m.role = r.role)) THEN
      WITH given AS (
        INSERT INTO workorder.membership (tenant_id, actor_id, role)
        SELECT home, person, r.role FROM unnest(enrol.roles) AS r (role)
        ON CONFLICT DO NOTHING RETURNING role)
      SELECT array_agg(g.role) INTO gained FROM given g;
      PERFORM workorder.tell_unknown_roles(gained);
    END IF;
  END IF;
  RETURN person;
END
$$;
COMMENT ON FUNCTION workorder.enrol(text, text, text[]) IS
'Adds a person to the current tenant, or gives the one with this login a new name; a disabled one is enabled again. roles, unless null, become their roles: others are taken away; a NOTICE tells of a new one that no flow declares. Returns their id. Raises WO400 for a blank login, name or role, WO404 if the current tenant does not exist.';

CREATE FUNCTION workorder.person_id(login text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  home CONSTANT bigint := workorder.tenant_id();
  found_id bigint;
BEGIN
  SELECT a.id INTO found_id FROM workorder.actor a
  WHERE a.tenant_id = home AND a.login = person_id.login
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the person does not exist',
      DETAIL = 'Nobody in this tenant has this login.', HINT = 'Add people with workorder.enrol().';
  END IF;
  RETURN found_id;
END
$$;
COMMENT ON FUNCTION workorder.person_id(text) IS
'Id of the person with this login in the current tenant, whose row it locks. Raises WO404 if there is none. Used by set_password(), disable() and map_role().';

CREATE FUNCTION workorder.end_tokens(login text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  person CONSTANT bigint := workorder.person_id(end_tokens.login);
BEGIN
  UPDATE workorder.actor a SET token_epoch = a.token_epoch + 1
  WHERE a.tenant_id = workorder.tenant_id() AND a.id = person;
END
$$;
COMMENT ON FUNCTION workorder.end_tokens(text) IS
'Ends all tokens of a person of the current tenant, from the next request on: signed out everywhere. set_password() and disable() do it too. Raises WO404 for an unknown login.';

CREATE FUNCTION workorder.set_password(login text, password text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT bigint := workorder.person_id(set_password.login);
BEGIN
  PERFORM workorder.refuse_reserved(set_password.login);
  IF set_password.password IS NULL OR char_length(set_password.password) < 8 THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'password is too short',
      DETAIL = 'A password has at least 8 characters.', HINT = 'Choose a longer one.';
  END IF;
  -- Blowfish reads no further, so the rest would be accepted whatever it is.
  IF octet_length(set_password.password) > 72 THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'password is too long',
      DETAIL = 'A password has at most 72 bytes.', HINT = 'Choose a shorter one.';
  END IF;
  -- Who sets the same one again changes nothing, and stays signed in.
  IF EXISTS (SELECT FROM workorder.password p
             WHERE p.tenant_id = workorder.tenant_id() AND p.actor_id = person
               AND workorder.password_is(set_password.password, p.hash)) THEN
    RETURN;
  END IF;
  INSERT INTO workorder.password (tenant_id, actor_id, hash)
  VALUES (workorder.tenant_id(), person, workorder.password_hash(set_password.password))
  ON CONFLICT (tenant_id, actor_id) DO UPDATE SET hash = excluded.hash;
  PERFORM workorder.end_tokens(set_password.login);
END
$$;
COMMENT ON FUNCTION workorder.set_password(text, text) IS
'Sets the password a person of the current tenant signs in with: 8 characters at least, 72 bytes at most. Only its hash is kept. Tokens that the person has end with the password before. Raises WO404 for an unknown login, WO400 for a password too short or too long. Pass it as a parameter, so that it is not logged.';

CREATE FUNCTION workorder.disable(login text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  person CONSTANT bigint := workorder.person_id(disable.login);
  tasks bigint;
BEGIN
  UPDATE workorder.actor a SET active = false, token_epoch = a.token_epoch + 1
  WHERE a.tenant_id = workorder.tenant_id() AND a.id = person AND a.active IS NOT FALSE;
  SELECT count(*) INTO tasks FROM workorder.task t
  WHERE t.tenant_id = workorder.tenant_id() AND person IN (t.actor_id, t.owner_id);
  IF tasks > 0 THEN
    RAISE WARNING USING MESSAGE = format('"%s" has undecided tasks: %s', disable.login, tasks),
      DETAIL = 'They stay, and a step that needs everybody waits for them.',
      HINT = 'Give them to somebody else with workorder.hand_over() or transfer_task().';
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.disable(text) IS
'Takes everything from a person of the current tenant: they may not sign in, their tokens end for good, and they count in no quorum. Their roles are kept for enrol(), which enables them again; the tokens from before stay worthless. Warns if they have tasks that are undecided: these stay. Raises WO404 for an unknown login.';

CREATE FUNCTION workorder.map_role(login text, db_role text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  home CONSTANT bigint := workorder.tenant_id();
  person CONSTANT bigint := workorder.person_id(map_role.login);
BEGIN
  IF map_role.db_role IS NOT NULL THEN
    PERFORM workorder.refuse_reserved(map_role.login);
  END IF;
  IF map_role.db_role IS NOT NULL
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname::text = map_role.db_role) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the database role does not exist',
      DETAIL = 'A person is recognised by the role that they log in as.', HINT = 'Create the role first, or give null to end a mapping.';
  END IF;
  IF EXISTS (SELECT FROM workorder.actor a
             WHERE a.tenant_id = home AND a.db_role = map_role.db_role AND a.id <> person) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = 'the database role stands for somebody else',
      DETAIL = 'Within a tenant a role stands for one person.', HINT = 'End the other mapping first.';
  END IF;
  UPDATE workorder.actor a SET db_role = map_role.db_role
  WHERE a.tenant_id = home AND a.id = person AND a.db_role IS DISTINCT FROM map_role.db_role;
END
$$;
COMMENT ON FUNCTION workorder.map_role(text, text) IS
'Lets a person of the current tenant act when somebody logs in to the database as this role; null ends it. Means nothing for gateway roles and where workorder.actor is set. Raises WO404 for an unknown login or role, WO409 if the role stands for somebody else in this tenant.';

CREATE FUNCTION workorder.rotate_credential_key(tenant bigint DEFAULT NULL, key text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  current_name CONSTANT text := concat_ws('.', 'credential', rotate_credential_key.tenant);
BEGIN
  IF rotate_credential_key.key !~ '^[0-9A-Fa-f]{64}$' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'the key is not 64 hexadecimal digits',
      DETAIL = 'AES-256 has keys of 32 bytes.', HINT = 'Give none: a new one is made up.';
  END IF;
  LOCK TABLE workorder.secret IN SHARE ROW EXCLUSIVE MODE;
  -- What is no key would keep everybody out for as long as it is kept.
  DELETE FROM workorder.secret s
  WHERE s.name = current_name || '_previous' OR (s.name = current_name AND s.value !~ '^[0-9A-Fa-f]{64}$');
  UPDATE workorder.secret s SET name = current_name || '_previous' WHERE s.name = current_name;
  -- A tenant's first key of its own comes after the one that it shared.
  IF NOT FOUND THEN
    INSERT INTO workorder.secret (name, value)
    SELECT current_name || '_previous', s.value FROM workorder.secret s
    WHERE s.name = 'credential' AND rotate_credential_key.tenant IS NOT NULL;
  END IF;
  INSERT INTO workorder.secret (name, value)
  VALUES (current_name, coalesce(lower(rotate_credential_key.key), workorder.random_key()));
END
$$;
COMMENT ON FUNCTION workorder.rotate_credential_key(bigint, text) IS
'Gives credentials a new key, made up unless one is given, and keeps the one before as the row credential_previous of workorder.secret, with which credentials are still opened until it is deleted. With a tenant, the key is that tenant''s own (credential.<tenant>). Give a key as a parameter, so that it is not logged. Needs to own workorder.secret. Raises WO400 for a key that is not 64 hexadecimal digits.';
