-- ---------------------------------------------------------------------------
-- What tickets refer to: people, callers and lists, which another system keeps
-- and feeds in.  One list says what each table holds; making the tables and
-- feeding them go by it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.directory_columns() RETURNS TABLE (directory text, name text, definition text, refers text, remark text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  VALUES
    ('job_title'::text, 'abbrev'::text, 'text'::text, NULL::text, 'Short form'::text),
    ('job_title', 'name', 'text NOT NULL', NULL, 'Name'),
    ('job_title', 'description', 'text', NULL, 'In words'),

    ('department', 'name', 'text NOT NULL', NULL, 'Name'),
    ('department', 'description', 'text', NULL, 'In words'),

    ('employee_group', 'name', 'text NOT NULL', NULL, 'Name'),
    ('employee_group', 'description', 'text', NULL, 'In words'),
    ('employee_group', 'supervisor_id', 'bigint', NULL, 'Number of the employee who leads it'),

    ('extension', 'type', 'int NOT NULL DEFAULT 0', NULL, 'Kind of telephone'),
    ('extension', 'extension', 'text NOT NULL', NULL, 'What is dialled'),
    ('extension', 'description', 'text', NULL, 'In words'),
    ('extension', 'media_cluster_id', 'bigint', NULL, 'Number in the telephone system'),

    ('cti_agent', 'account', 'text NOT NULL', NULL, 'Name in the telephone system'),
    ('cti_agent', 'group_id', 'bigint', NULL, 'Number of a group in the telephone system'),

    ('employee', 'actor_id', 'bigint NOT NULL', NULL, 'The person who acts (workorder.actor); kept by a trigger'),
    ('employee', 'login', 'text NOT NULL', NULL, 'Login of that person; employee_no if none is given'),
    ('employee', 'first_name', 'text NOT NULL DEFAULT ''''', NULL, 'First name'),
    ('employee', 'last_name', 'text NOT NULL DEFAULT ''''', NULL, 'Last name'),
    ('employee', 'name', 'text GENERATED ALWAYS AS (first_name || '' '' || last_name) STORED', NULL, 'Whole name'),
    ('employee', 'employee_no', 'text NOT NULL', NULL, 'Number among the staff'),
    ('employee', 'photo_url', 'text', NULL, 'Where the picture is'),
    ('employee', 'identity_no', 'text', NULL, 'Number of the identity card'),
    ('employee', 'job_title_id', 'bigint', 'job_title', 'Job title'),
    ('employee', 'department_id', 'bigint', 'department', 'Department'),
    ('employee', 'extension_id', 'bigint', 'extension', 'Telephone'),
    ('employee', 'group_id', 'bigint', 'employee_group', 'Group'),
    ('employee', 'cti_agent_id', 'bigint', 'cti_agent', 'Account in the telephone system'),
    ('employee', 'profile_id', 'bigint', NULL, 'Number of the profile'),
    ('employee', 'phones', 'jsonb NOT NULL DEFAULT ''[]'' CHECK (jsonb_typeof(phones) = ''array'')', NULL, 'Telephone numbers of the profile'),
    ('employee', 'is_active', 'boolean NOT NULL DEFAULT true', NULL, 'False: may not act'),
    ('employee', 'role', 'text NOT NULL DEFAULT ''''', NULL, 'As the other system says'),
    ('employee', 'email', 'text', NULL, 'Mail address'),
    ('employee', 'is_immortal', 'boolean NOT NULL DEFAULT false', NULL, 'As the other system says'),
    ('employee', 'created_at', 'timestamptz NOT NULL DEFAULT now()', NULL, 'When the other system made it'),
    ('employee', 'updated_at', 'timestamptz NOT NULL DEFAULT now()', NULL, 'When the other system changed it'),

    ('photo', 'content', 'bytea NOT NULL CHECK (octet_length(content) <= 2097152)', NULL,
      'The picture of the employee with this number: PNG, JPEG, GIF or WebP, of 2 MiB at most'),

    ('sponsor', 'name', 'text NOT NULL', NULL, 'Name'),
    ('sponsor', 'description', 'text', NULL, 'In words'),
    ('sponsor', 'is_immortal', 'boolean NOT NULL DEFAULT false', NULL, 'As the other system says'),
    ('sponsor', 'mail_channels', 'jsonb NOT NULL DEFAULT ''[]'' CHECK (jsonb_typeof(mail_channels) = ''array'')', NULL, 'Mail channels'),

    ('contact', 'first_name', 'text NOT NULL DEFAULT ''''', NULL, 'First name'),
    ('contact', 'last_name', 'text NOT NULL DEFAULT ''''', NULL, 'Last name'),
    ('contact', 'name', 'text GENERATED ALWAYS AS (first_name || '' '' || last_name) STORED', NULL, 'Whole name'),
    ('contact', 'membership_no', 'text', NULL, 'Number as a member'),
    ('contact', 'identity_no', 'text', NULL, 'Number of the identity card'),
    ('contact', 'gender', 'int', NULL, 'As the other system says'),
    ('contact', 'birth_at', 'date', NULL, 'Day of birth'),
    ('contact', 'profile_id', 'bigint', NULL, 'Number of the profile'),
    ('contact', 'sponsor_id', 'bigint', 'sponsor', 'Whose customer'),
    ('contact', 'disturb_setting', 'jsonb', NULL, 'When not to call, as the other system says'),

    ('category', 'name', 'text NOT NULL', NULL, 'Name'),
    ('category', 'description', 'text', NULL, 'In words'),

    ('sub_category', 'name', 'text NOT NULL', NULL, 'Name'),
    ('sub_category', 'description', 'text', NULL, 'In words'),
    ('sub_category', 'category_id', 'bigint', 'category', 'The category it is part of'),

    ('termination_code', 'name', 'text NOT NULL', NULL, 'Name'),
    ('termination_code', 'description', 'text', NULL, 'In words'),
    ('termination_code', 'status', 'int NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 3)', NULL, 'The status of tickets that it is finer than'),
    ('termination_code', 'creater_id', 'bigint', NULL, 'Number of the employee who made it'),

    ('campaign_queue', 'name', 'text NOT NULL', NULL, 'Name'),
    ('campaign_queue', 'description', 'text', NULL, 'In words'),

    ('interact_collection', 'ticket_id', 'bigint', NULL, 'The ticket it was about; it may be deleted since'),
    ('interact_collection', 'is_acw_completed', 'boolean NOT NULL DEFAULT false', NULL, 'Whether the work after the call is done'),
    ('interact_collection', 'first_enter_queue_at', 'timestamptz', NULL, 'When the caller began to wait'),
    ('interact_collection', 'acw_at', 'timestamptz', NULL, 'When the work after the call was done'),
    ('interact_collection', 'last_finished_at', 'timestamptz', NULL, 'When the call ended'),
    ('interact_collection', 'handler_id', 'bigint', 'employee', 'Who spoke'),
    ('interact_collection', 'contact_id', 'bigint', 'contact', 'With whom'),
    ('interact_collection', 'memo', 'text', NULL, 'What the agent noted'),
    ('interact_collection', 'bound_type', 'int NOT NULL DEFAULT 0', NULL, 'Direction, as the telephone system says'),
    ('interact_collection', 'sponsor_id', 'bigint', 'sponsor', 'On whose behalf'),
    ('interact_collection', 'campaign_queue_id', 'bigint', 'campaign_queue', 'Where the caller waited'),
    ('interact_collection', 'result_id', 'bigint', NULL, 'Result, as the telephone system says');
END;
COMMENT ON FUNCTION call_center.directory_columns() IS
  'The columns of the directories, each after those that it refers to; every directory also has tenant_id, id and deleted. Contract 4.0, nested shapes.';

CREATE FUNCTION call_center.import(directory text, list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
  target CONSTANT text := (
    SELECT DISTINCT format('call_center.%I', d.directory)
    FROM call_center.directory_columns() AS d WHERE d.directory = import.directory);
  columns text[];
  given text[];
  imported int;
BEGIN
  IF target IS NULL THEN
    PERFORM workorder.refuse('WO404', format('directory "%s" does not exist', left(coalesce(import.directory, ''), 63)),
      'Directories are the tables of call_center.directory_columns().', 'Give the name of one of them.');
  ELSIF jsonb_typeof(import.list) IS DISTINCT FROM 'array'
    OR EXISTS (SELECT FROM jsonb_array_elements(import.list) AS i (value)
               WHERE jsonb_typeof(i.value) <> 'object' OR workorder.path_id(i.value ->> 'id') IS NULL) THEN
    PERFORM workorder.refuse('WO400', 'a directory is imported from a list of objects',
      'Each has the number of the row in "id", from 0 to 2147483647.', 'Give [{"id": 1, "name": "..."}].');
  -- No CHECK of the table's own: it would go with the extension whose function it calls.
  ELSIF import.directory = 'photo'
    AND EXISTS (SELECT FROM jsonb_array_elements(import.list) AS i (value)
                WHERE i.value ->> 'content' IS NOT NULL AND workorder.image_type((i.value ->> 'content')::bytea) IS NULL) THEN
    PERFORM workorder.refuse('WO400', 'a picture is not an image that browsers show',
      'Pictures are PNG, JPEG, GIF or WebP.', 'Convert it, and give its bytes as "\x" and hexadecimal digits.');
  END IF;
  -- Times without an offset are the tenant's.  The setting ends with the function.
  PERFORM set_config('TimeZone', call_center.time_zone(), true);

  SELECT array_agg(format('%I', a.attname) ORDER BY a.attnum),
    array_agg(CASE WHEN d.adbin IS NULL THEN format('r.%I', a.attname)
              ELSE format('coalesce(r.%I, %s)', a.attname, pg_get_expr(d.adbin, d.adrelid)) END ORDER BY a.attnum)
  INTO columns, given
  FROM pg_attribute AS a
  LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = target::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    AND a.attname NOT IN ('tenant_id', 'id');
  -- What an object leaves out stays as it is: each is laid over the row that is there.
  EXECUTE format($query$
      INSERT INTO %1$s AS t (tenant_id, id, %2$s)
      SELECT $1, i.id, %3$s
      FROM (
        SELECT DISTINCT ON (id) (l.value ->> 'id')::bigint AS id, l.value
        FROM jsonb_array_elements($2) WITH ORDINALITY AS l (value, n)
        ORDER BY id, l.n DESC) AS i
      LEFT JOIN %1$s AS k ON k.tenant_id = $1 AND k.id = i.id
      CROSS JOIN LATERAL jsonb_populate_record(k, i.value) AS r
      ORDER BY i.id
      ON CONFLICT (tenant_id, id) DO UPDATE SET (%2$s) = ROW (%4$s)
      WHERE (%5$s) IS DISTINCT FROM (%4$s) $query$,
      target, array_to_string(columns, ', '), array_to_string(given, ', '),
      'excluded.' || array_to_string(columns, ', excluded.'), 't.' || array_to_string(columns, ', t.'))
    USING workorder.tenant_id(), import.list;
  GET DIAGNOSTICS imported = ROW_COUNT;
  RETURN imported;
END
$$;
COMMENT ON FUNCTION call_center.import(text, jsonb) IS
  'Brings a directory of the current tenant up to date from a list of objects whose keys are its columns; what an object leaves out stays as it is, other keys are passed over, {"id": 3, "deleted": true} takes a row from the lists. Of several with one id the last counts. Returns how many rows were new or changed; may be repeated. Times without an offset are in the tenant''s zone. Raises WO400, WO404, and the database''s own errors for values that do not fit or rows that are referred to and not there; then nothing is imported.';

-- ---------------------------------------------------------------------------
-- Reading them.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.is_known(directory text, id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM call_center.%I AS d WHERE d.tenant_id = $1 AND d.id = $2 AND NOT d.deleted)', directory)
    USING workorder.tenant_id(), is_known.id INTO known;
  RETURN known;
END
$$;
COMMENT ON FUNCTION call_center.is_known(text, bigint) IS
  'Whether a directory has a row of this number that is not deleted. Contract 4.0, ids.';

CREATE FUNCTION call_center.directory_list(directory text, ids bigint[]) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb;
BEGIN
  EXECUTE CASE directory
    WHEN 'employee' THEN $query$
      SELECT jsonb_agg(p.item || jsonb_build_object(
        'job_title', call_center.shown(to_jsonb(j)),
        'department', call_center.shown(to_jsonb(d)),
        'profile', jsonb_build_object('id', e.profile_id, 'phones', e.phones),
        'is_active', e.is_active,
        'role', e.role,
        'email', e.email,
        'is_immortal', e.is_immortal) ORDER BY e.id DESC)
      FROM call_center.people($1) AS p
      JOIN call_center.employee AS e ON e.tenant_id = $2 AND e.id = p.id
      LEFT JOIN call_center.job_title AS j ON j.tenant_id = $2 AND j.id = e.job_title_id
      LEFT JOIN call_center.department AS d ON d.tenant_id = $2 AND d.id = e.department_id $query$
    WHEN 'category' THEN $query$
      SELECT jsonb_agg(call_center.shown(to_jsonb(t)) || jsonb_build_object('children', coalesce((
        SELECT jsonb_agg(call_center.shown(to_jsonb(c)) - 'category_id' ORDER BY c.id)
        FROM call_center.sub_category AS c
        WHERE c.tenant_id = $2 AND c.category_id = t.id AND NOT c.deleted), '[]')) ORDER BY t.id)
      FROM call_center.category AS t
      WHERE t.tenant_id = $2 AND t.id = ANY ($1) $query$
    WHEN 'sub_category' THEN $query$
      SELECT jsonb_agg(call_center.shown(to_jsonb(t)) || jsonb_build_object('category', call_center.shown(to_jsonb(c))) ORDER BY t.id)
      FROM call_center.sub_category AS t
      LEFT JOIN call_center.category AS c ON c.tenant_id = $2 AND c.id = t.category_id
      WHERE t.tenant_id = $2 AND t.id = ANY ($1) $query$
    ELSE format($query$
      SELECT jsonb_agg(call_center.shown(to_jsonb(t)) ORDER BY t.id)
      FROM call_center.%I AS t
      WHERE t.tenant_id = $2 AND t.id = ANY ($1) $query$, directory)
    END
  USING ids, workorder.tenant_id() INTO result;
  RETURN coalesce(result, '[]');
END
$$;
COMMENT ON FUNCTION call_center.directory_list(text, bigint[]) IS
  'The objects of a directory with these numbers, as TK-6 to TK-10 list them: employees by number descending, the others ascending.';
