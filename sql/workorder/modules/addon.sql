-- What add-ons are made with: each has a schema of its own, people's settings
-- and lists in shared tables, and an API with routes.

CREATE FUNCTION workorder.own_schema(schema text, remark text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (
      SELECT FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
      WHERE n.nspname = own_schema.schema AND r.rolname = current_user) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format('schema "%s" belongs to somebody else', own_schema.schema),
      DETAIL = 'Whoever owns the schema could replace what the extension calls.',
      HINT = 'Drop the schema, or make the installing role its owner.';
  END IF;
  EXECUTE format('COMMENT ON SCHEMA %I IS %L', own_schema.schema, own_schema.remark);
END
$$;
COMMENT ON FUNCTION workorder.own_schema(text, text) IS
'Part of define_addon(): makes sure that the schema, which is no member of the extension for it holds the user''s tables, is the installer''s, and comments it. Raises 42501.';

CREATE FUNCTION workorder.define_addon(schema name, flow json) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  extension CONSTANT name := 'workorder_' || define_addon.schema;
  id oid;
  remark text;
  known boolean;
BEGIN
  SELECT e.oid, obj_description(e.oid, 'pg_extension') INTO id, remark FROM pg_extension e WHERE e.extname = extension;
  IF id IS NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'undefined_object',
      MESSAGE = format('extension "%s" does not exist', extension),
      DETAIL = 'The script of an add-on defines it while its extension is being created.',
      HINT = 'Name the extension workorder_ and then as its schema.';
  END IF;
  PERFORM workorder.own_schema(define_addon.schema, concat_ws('. ', remark, 'Code belongs to the extension, tables to you.'));
  -- An update replaces the flow, which is a member; of a stranger's function CREATE says that it exists.
  known := EXISTS (
    SELECT FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = id AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
      AND p.proname = 'flow' AND p.pronargs = 0);
  EXECUTE format(CASE WHEN known THEN 'CREATE OR REPLACE' ELSE 'CREATE' END || ' FUNCTION %I.flow() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS %L', define_addon.schema, format('SELECT %L::jsonb', define_addon.flow));
  IF known THEN
    RETURN;
  END IF;
  EXECUTE format('COMMENT ON FUNCTION %I.flow() IS %L', define_addon.schema,
    format('The flow of %1$s, as %1$s.install() publishes it.', define_addon.schema));
  EXECUTE format('CREATE FUNCTION %I.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS %L', define_addon.schema, format(E'\nBEGIN\n  PERFORM workorder.install_schema(%L);\nEND\n', define_addon.schema));
  EXECUTE format('COMMENT ON FUNCTION %I.install() IS %L', define_addon.schema,
    format('Makes the tables of the add-on in the schema %s, publishes its flow and puts the tickets under it; the tables belong to the caller. After workorder.install(). Called again it makes what is missing, publishes the flow, which is a new version if it has changed, and enters the routes anew.', define_addon.schema));
END
$$;
COMMENT ON FUNCTION workorder.define_addon(name, json) IS
'Begins the script of an add-on, workorder_<schema>: makes sure that the schema is the installer''s (own_schema()), and makes <schema>.flow() of this document and <schema>.install(), which calls install_schema(). In an update script it replaces the flow. Raises 42704 where there is no such extension, 42501.';

CREATE FUNCTION workorder.install_schema(schema name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.enter('workorder_' || install_schema.schema);
  EXECUTE format('SELECT workorder.publish(%I.flow())', install_schema.schema);
  EXECUTE format('SELECT workorder.make(%I.parts())', install_schema.schema);
  EXECUTE format('SELECT %I.install_http()', install_schema.schema);
END
$$;
COMMENT ON FUNCTION workorder.install_schema(name) IS
'What <schema>.install() of an add-on does: brings tables that are there to the version of the extension (upgrade()), publishes <schema>.flow(), makes what is missing of <schema>.parts() (see make()), and calls <schema>.install_http().';

CREATE FUNCTION workorder.grant_addon(extension text, role regrole, internal text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f record;
BEGIN
  PERFORM workorder.check_grant(e.extnamespace::regnamespace::name, grant_addon.role) FROM pg_extension e WHERE e.extname = grant_addon.extension;
  PERFORM workorder.grant_access(grant_addon.role);
  FOR f IN
    SELECT p.oid::regprocedure AS signature, p.pronamespace::regnamespace AS schema
    FROM pg_extension e
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
      AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    JOIN pg_proc p ON p.oid = d.objid
    WHERE e.extname = grant_addon.extension AND p.proname <> ALL (grant_addon.internal)
  LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', f.schema, grant_addon.role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f.signature, grant_addon.role);
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.grant_addon(text, regrole, text[]) IS
'Gives a role EXECUTE on the functions of an add-on but the internal ones (by name), USAGE on its schema, and workorder.grant_access(), which leaves the add-ons'' tables to them: see grant_table(). Needs to own them.';

CREATE FUNCTION workorder.enrol_in(flow text, login text, name text, roles text[], keep boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  stem CONSTANT text := enrol_in.flow || '.';
  known CONSTANT text[] := ARRAY(
    SELECT substr(r.role, length(stem) + 1)
    FROM workorder.flow f, jsonb_array_elements_text(f.definition -> 'roles') AS r (role)
    WHERE f.name = enrol_in.flow AND f.life = 'published' AND starts_with(r.role, stem));
  person bigint;
BEGIN
  IF enrol_in.roles IS NULL OR NOT enrol_in.roles <@ known THEN
    PERFORM workorder.refuse('WO400', 'no such role', format('The roles are %s.', array_to_string(known, ', ')),
      'Give some of them, or an empty list.');
  END IF;
  person := workorder.enrol(enrol_in.login, enrol_in.name);
  -- Roles in other flows are left alone.
  DELETE FROM workorder.membership m
  WHERE NOT enrol_in.keep AND m.tenant_id = tenant AND m.actor_id = person AND starts_with(m.role, stem)
    AND substr(m.role, length(stem) + 1) <> ALL (enrol_in.roles);
  INSERT INTO workorder.membership (tenant_id, actor_id, role)
  SELECT tenant, person, stem || r.role FROM unnest(enrol_in.roles) AS r (role)
  ON CONFLICT DO NOTHING;
  RETURN person;
END
$$;
COMMENT ON FUNCTION workorder.enrol_in(text, text, text, text[], boolean) IS
'Enrols a person of an add-on (enrol()) with these roles of its flow, named without the flow''s name before them: instead of those held there, or, with keep, besides. Roles in other flows stay. Returns their id. Raises WO400 for a role that the published flow does not declare.';

CREATE FUNCTION workorder.open_directory(relation regclass, system text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF open_directory.relation IS NULL OR open_directory.system IS NULL
    OR NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = open_directory.relation AND r.relkind IN ('r', 'p')) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('%s is not a table', coalesce(open_directory.relation::text, 'null')),
      DETAIL = 'Only tables have row-level security.', HINT = 'Give a table that exists, and the system that it belongs to.';
  END IF;
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
  EXECUTE format('CREATE POLICY directory_view ON %s FOR SELECT
    USING (tenant_id = (SELECT workorder.tenant_id()) AND (SELECT workorder.is_member(%L)))', relation, system);
  EXECUTE format('COMMENT ON POLICY directory_view ON %s IS %L', relation, format('Whoever takes part in %s reads it', system));
END
$$;
COMMENT ON FUNCTION workorder.open_directory(regclass, text) IS
'Row-level security of a table that tickets refer to: whoever takes part in the system (is_member()) reads the rows of their tenant, and nobody else. Who writes them is said by other policies. Needs to own the table.';

-- Settings and lists, per tenant.

CREATE FUNCTION workorder.addon_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.setting (
  tenant_id bigint NOT NULL,
  system text NOT NULL CHECK (system <> ''),
  name text NOT NULL CHECK (name <> ''),
  value text NOT NULL,
  PRIMARY KEY (tenant_id, system, name));
COMMENT ON TABLE workorder.setting IS 'What a tenant has set for an add-on or application, such as its time zone. No secrets: who may act may read it.';
COMMENT ON COLUMN workorder.setting.tenant_id IS 'Whose setting.';
COMMENT ON COLUMN workorder.setting.system IS 'Add-on or application.';
COMMENT ON COLUMN workorder.setting.name IS 'Which one.';
COMMENT ON COLUMN workorder.setting.value IS 'Its value, as text.';
ALTER TABLE workorder.setting ALTER COLUMN tenant_id SET DEFAULT workorder.tenant_id();
ALTER TABLE workorder.setting ADD CONSTRAINT setting_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES workorder.tenant (id);
ALTER TABLE workorder.setting ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.setting USING (tenant_id = workorder.tenant_id());

CREATE TABLE workorder.dictionary (
  tenant_id bigint NOT NULL,
  system text NOT NULL,
  kind text NOT NULL,
  code text NOT NULL,
  label text NOT NULL,
  "position" int NOT NULL DEFAULT 0,
  active boolean NOT NULL DEFAULT true,
  PRIMARY KEY (tenant_id, system, kind, code));
COMMENT ON TABLE workorder.dictionary IS 'Every enumerated list that an API serves. Kept by workorder.import_dictionary().';
COMMENT ON COLUMN workorder.dictionary.tenant_id IS 'Whose list.';
COMMENT ON COLUMN workorder.dictionary.system IS 'Add-on or application.';
COMMENT ON COLUMN workorder.dictionary.kind IS 'Which list.';
COMMENT ON COLUMN workorder.dictionary.code IS 'Stored value.';
COMMENT ON COLUMN workorder.dictionary.label IS 'Text for people.';
COMMENT ON COLUMN workorder.dictionary."position" IS 'Order in the list.';
COMMENT ON COLUMN workorder.dictionary.active IS 'False: no longer offered; rows that hold it keep it.';
ALTER TABLE workorder.dictionary ALTER COLUMN tenant_id SET DEFAULT workorder.tenant_id();
ALTER TABLE workorder.dictionary ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.dictionary USING (tenant_id = workorder.tenant_id());
$ddl$;
COMMENT ON FUNCTION workorder.addon_parts() IS
'The tables of settings and lists, as workorder.parts() reads them.';

CREATE FUNCTION workorder.setting(system text, name text, fallback text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN coalesce(
    (SELECT s.value FROM workorder.setting s
     WHERE s.tenant_id = workorder.tenant_id() AND s.system = setting.system AND s.name = setting.name),
    setting.fallback);
END
$$;
COMMENT ON FUNCTION workorder.setting(text, text, text) IS
'What the current tenant has set for a system, else the fallback.';

CREATE FUNCTION workorder.time_zone(system text, fallback text) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.setting(system, 'time_zone', workorder.setting('workorder', 'time_zone', fallback));
COMMENT ON FUNCTION workorder.time_zone(text, text) IS
'Time zone in which the current tenant reads and writes the times of a system: what is set for the system, set_setting(system, ''time_zone'', ...), else for all systems, set_setting(''workorder'', ''time_zone'', ...), else the fallback.';

CREATE FUNCTION workorder.set_setting(system text, name text, value text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  delay record;
BEGIN
  IF set_setting.name = 'time_zone' AND set_setting.value IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = set_setting.value) THEN
    PERFORM workorder.refuse('WO400', 'there is no such time zone',
      'The value of time_zone is used to read and write times.', 'The view pg_timezone_names lists them.');
  END IF;
  IF set_setting.value IS NOT NULL AND EXISTS (
      SELECT FROM workorder.flow f
      WHERE f.name = set_setting.system AND jsonb_path_exists(f.definition,
        '$.**.after ? (@.type() == "object").keyvalue() ? (@.key == $key)', jsonb_build_object('key', '$' || set_setting.name))) THEN
    SELECT * INTO delay FROM workorder.read_delay(set_setting.value);
    IF delay.problem IS NULL AND delay.calendar IS NOT NULL AND NOT EXISTS (
        SELECT FROM workorder.calendar c WHERE c.tenant_id = workorder.tenant_id() AND c.name = delay.calendar) THEN
      delay.problem := 'names a calendar that does not exist';
    END IF;
    IF delay.problem IS NOT NULL THEN
      PERFORM workorder.refuse('WO400', format('setting "%s" of "%s" is not a duration', set_setting.name, set_setting.system),
        format('"%s" %s.', left(set_setting.value, 63), delay.problem),
        'Set it to P3D, PT30M or PT16H@office with workorder.set_setting(), or to null for none.');
    END IF;
  END IF;
  IF set_setting.value IS NULL THEN
    DELETE FROM workorder.setting s
    WHERE s.tenant_id = workorder.tenant_id() AND s.system = set_setting.system AND s.name = set_setting.name;
  ELSE
    INSERT INTO workorder.setting (tenant_id, system, name, value)
    VALUES (workorder.tenant_id(), set_setting.system, set_setting.name, set_setting.value)
    ON CONFLICT ON CONSTRAINT setting_pkey DO UPDATE SET value = excluded.value;
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.set_setting(text, text, text) IS
'Sets something for the current tenant; null takes it back. Needs the privilege to write workorder.setting. Raises WO400 for a time_zone that does not exist, and, where a timer of the flow named as the system runs as long as the setting says ("after": {"$name": ...}), for what is no duration.';

CREATE FUNCTION workorder.in_dictionary(system text, kind text, code text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
      SELECT FROM workorder.dictionary d
      WHERE d.tenant_id = workorder.tenant_id() AND d.system = in_dictionary.system
        AND d.kind = in_dictionary.kind AND d.code = in_dictionary.code AND d.active)
    OR NOT EXISTS (
      SELECT FROM workorder.dictionary d
      WHERE d.tenant_id = workorder.tenant_id() AND d.system = in_dictionary.system
        AND d.kind = in_dictionary.kind);
END
$$;
COMMENT ON FUNCTION workorder.in_dictionary(text, text, text) IS
'Whether a value is an active one of a list of the tenant; an empty list takes any.';

CREATE FUNCTION workorder.import_dictionary(system text, kind text, list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  imported int;
BEGIN
  IF jsonb_typeof(import_dictionary.list) IS DISTINCT FROM 'array' THEN
    PERFORM workorder.refuse('WO400', 'a dictionary is imported from a list',
      'The last argument must be a JSON list of objects.', 'Give [{"code": "1", "label": "..."}].');
  END IF;
  INSERT INTO workorder.dictionary AS d (tenant_id, system, kind, code, label, position, active)
  SELECT DISTINCT ON (i.code) workorder.tenant_id(), import_dictionary.system, import_dictionary.kind,
    i.code, coalesce(i.label, i.code), coalesce(i.position, i.n::int), coalesce(i.active, true)
  FROM ROWS FROM (jsonb_to_recordset(import_dictionary.list) AS (code text, label text, position int, active boolean))
    WITH ORDINALITY AS i (code, label, position, active, n)
  ORDER BY i.code, i.n DESC
  ON CONFLICT ON CONSTRAINT dictionary_pkey DO UPDATE
    SET label = excluded.label, position = excluded.position, active = excluded.active
    WHERE (d.label, d.position, d.active) IS DISTINCT FROM (excluded.label, excluded.position, excluded.active);
  GET DIAGNOSTICS imported = ROW_COUNT;
  RETURN imported;
END
$$;
COMMENT ON FUNCTION workorder.import_dictionary(text, text, jsonb) IS
'Brings a list of the current tenant up to date from [{"code", "label", "position", "active"}], in the order given unless positions say otherwise; nothing is taken away. Returns how many entries were new or changed. Raises WO400; needs the privilege to write workorder.dictionary.';

-- An API and its routes.

CREATE FUNCTION workorder.add_api(name text, prefix text, error json, anonymous boolean, settings jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- What somebody has set stays as it is.
  INSERT INTO workorder.api AS a (name, prefix, error, anonymous, settings)
  VALUES (add_api.name, add_api.prefix, add_api.error, add_api.anonymous, add_api.settings)
  ON CONFLICT ON CONSTRAINT api_pkey DO UPDATE SET error = excluded.error, settings = excluded.settings || a.settings;
END
$$;
COMMENT ON FUNCTION workorder.add_api(text, text, json, boolean, jsonb) IS
'Enters an API (see workorder.api) or brings it up to date; its prefix, who may call it, and settings that were changed since stay.';

CREATE FUNCTION workorder.add_routes(api text, routes jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM workorder.route r WHERE r.api = add_routes.api;
  INSERT INTO workorder.route (api, method, pattern, handler, settings)
  SELECT a.name, r.value ->> 0, rtrim(a.prefix, '/') || (r.value ->> 1), a.name || '.' || (r.value ->> 2), coalesce(r.value -> 3, '{}')
  FROM workorder.api a, jsonb_array_elements(add_routes.routes) AS r (value)
  WHERE a.name = add_routes.api;
  -- A gateway, if there is one, looks again.
  PERFORM pg_notify('pgrst', 'reload schema');
END
$$;
COMMENT ON FUNCTION workorder.add_routes(text, jsonb) IS
'Replaces the routes of an API: [["GET", "/path/{id:int}", "handler", settings or nothing], ...]; paths continue the API''s prefix, handlers are functions of the schema named as the API.';
