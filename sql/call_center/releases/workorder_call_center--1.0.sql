\echo Use "CREATE EXTENSION workorder_call_center CASCADE" to load this file. \quit

-- What every add-on begins with.  The schema is no member of the extension: it
-- also holds the tables that install_tables() makes, and those are the user's.
SELECT workorder.own_schema('call_center', (
  SELECT obj_description(e.oid, 'pg_extension') || '. Code belongs to the extension, tables to you.'
  FROM pg_extension e WHERE e.extname = 'workorder_call_center'));

CREATE FUNCTION call_center.flow() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
SELECT $json$
{
  "id": "call_center",
  "description": "Call-centre ticket: any of four statuses, from any to any; the state follows the number in the column status",
  "roles": ["call_center.agent", "call_center.telephony"],
  "initial": "pending",
  "on": {
    "create": [
      {"target": ".pending", "guard": "$.status == 0", "allow": ["call_center.agent"], "require": ["subject", "content"],
        "fields": ["subject", "content", "due_at", "priority", "status", "status_memo", "sponsor_id",
          "handler_id", "termination_code_id", "sub_category_id", "contact_id"]},
      {"target": ".processing", "guard": "$.status == 1", "allow": ["call_center.agent"], "require": ["subject", "content"],
        "fields": ["subject", "content", "due_at", "priority", "status", "status_memo", "sponsor_id",
          "handler_id", "termination_code_id", "sub_category_id", "contact_id"]},
      {"target": ".resolved", "guard": "$.status == 2", "allow": ["call_center.agent"], "require": ["subject", "content"],
        "fields": ["subject", "content", "due_at", "priority", "status", "status_memo", "sponsor_id",
          "handler_id", "termination_code_id", "sub_category_id", "contact_id"]},
      {"target": ".closed", "guard": "$.status == 3", "allow": ["call_center.agent"], "require": ["subject", "content"],
        "fields": ["subject", "content", "due_at", "priority", "status", "status_memo", "sponsor_id",
          "handler_id", "termination_code_id", "sub_category_id", "contact_id"]}],
    "view": {"allow": ["call_center.agent", "call_center.telephony"]},
    "update": [
      {"target": ".pending", "guard": "$.status == 0", "allow": ["call_center.agent"],
        "fields": ["subject", "content", "due_at", "priority", "status", "status_memo", "sponsor_id",
          "handler_id", "termination_code_id", "sub_category_id", "contact_id"]},
      {"target": ".processing", "guard": "$.status == 1", "allow": ["call_center.agent"],
        "fields": ["subject", "content", "due_at", "priority", "status", "status_memo", "sponsor_id",
          "handler_id", "termination_code_id", "sub_category_id", "contact_id"]},
      {"target": ".resolved", "guard": "$.status == 2", "allow": ["call_center.agent"],
        "fields": ["subject", "content", "due_at", "priority", "status", "status_memo", "sponsor_id",
          "handler_id", "termination_code_id", "sub_category_id", "contact_id"]},
      {"target": ".closed", "guard": "$.status == 3", "allow": ["call_center.agent"],
        "fields": ["subject", "content", "due_at", "priority", "status", "status_memo", "sponsor_id",
          "handler_id", "termination_code_id", "sub_category_id", "contact_id"]}],
    "route": {"allow": ["call_center.telephony"], "fields": ["campaign_queue_id"]},
    "delete": {"allow": ["call_center.agent"]}},
  "states": {
    "pending": {"label": "待處理", "code": 0},
    "processing": {"label": "處理中", "code": 1},
    "resolved": {"label": "已解決", "code": 2},
    "closed": {"label": "已關閉", "code": 3}}}
$json$::jsonb
$function$;
COMMENT ON FUNCTION call_center.flow() IS
  'The flow of call_center, as call_center.install() publishes it. Contract 3 and 5.';

CREATE FUNCTION call_center.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.enter('workorder_call_center');
  PERFORM workorder.publish(call_center.flow());
  IF NOT EXISTS (SELECT FROM workorder.guarded g JOIN pg_class r ON r.oid = g.relation
                 WHERE r.relnamespace = 'call_center'::regnamespace) THEN
    PERFORM call_center.install_tables();
  END IF;
  PERFORM call_center.install_http();
END
$$;
COMMENT ON FUNCTION call_center.install() IS
  'Makes the tables of the add-on in the schema call_center, publishes its flow and puts the tickets under it; the tables belong to the caller. After workorder.install(). Called again it only publishes the flow, which is a new version if it has changed, and enters the routes anew.';

CREATE FUNCTION call_center.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{
  "required": "The $label field is required.",
  "text": "The $label must be a string.",
  "int": "The $label must be an integer.",
  "time": "The $label is not a valid date.",
  "length": "The $label may not be greater than $bound characters.",
  "invalid": "The selected $label is invalid."}'::jsonb;
COMMENT ON FUNCTION call_center.wording() IS
  'What the API says of a field, by the rule that it breaks; length is the max of a text. Contract 4.0, 422 texts.';

CREATE FUNCTION call_center.problems(fields jsonb, rules jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(jsonb_object_agg(p.name, jsonb_build_array(workorder.input_message(call_center.wording(),
    CASE WHEN p.rule = 'max' AND r.value ->> 'kind' = 'text' THEN 'length' ELSE p.rule END, p.name, p.bound))), '{}')
  FROM workorder.check_input(problems.fields, problems.rules) AS p
  LEFT JOIN jsonb_array_elements(problems.rules) AS r (value) ON r.value ->> 'name' = p.name;
END;
COMMENT ON FUNCTION call_center.problems(jsonb, jsonb) IS
  'What is wrong with the fields of a request by these rules (workorder.read_input()), {"field": ["text"]}; {} if nothing is. Contract 4.0.';

CREATE FUNCTION call_center.refuse_problems(problems jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF problems <> '{}' THEN
    PERFORM workorder.refuse('WO422', 'The given data was invalid.', problems::text, 'Correct the fields named in the detail.');
  END IF;
END
$$;
COMMENT ON FUNCTION call_center.refuse_problems(jsonb) IS
  'Raises WO422 "The given data was invalid." with the problems as detail, unless there are none. Contract 4.0.';

CREATE FUNCTION call_center.refuse_unknown() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO404', 'Not Found', 'There is no such ticket, or you may not see it.', 'Check the id.');
END
$$;
COMMENT ON FUNCTION call_center.refuse_unknown() IS
  'Raises WO404 "Not Found". Contract 4.0.';

CREATE FUNCTION call_center.time_zone() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.setting('call_center', 'time_zone', 'Asia/Taipei');
COMMENT ON FUNCTION call_center.time_zone() IS
  'The zone in which the tenant reads and writes times: workorder.set_setting(''call_center'', ''time_zone'', ...), else Asia/Taipei. Contract 4.0.';

CREATE FUNCTION call_center.number(value jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(-1, least(2147483648, (value #>> '{}')::numeric))::bigint;
COMMENT ON FUNCTION call_center.number(jsonb) IS
  'A whole number that names a row; one beyond 2147483647, or below 0, names none. Null stays null.';

CREATE FUNCTION call_center.numbers(value jsonb) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT array_agg(DISTINCT call_center.number(n.value))
  FROM jsonb_array_elements(CASE jsonb_typeof(numbers.value) WHEN 'array' THEN numbers.value ELSE jsonb_build_array(numbers.value) END) AS n (value);
END;
COMMENT ON FUNCTION call_center.numbers(jsonb) IS
  'Such a number, or a list of them, each once.';

CREATE FUNCTION call_center.shown(item jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN item - '{tenant_id,deleted}'::text[];
COMMENT ON FUNCTION call_center.shown(jsonb) IS
  'A row of a directory as the API shows it: its columns, but for those that are the database''s own. Contract 4.0, nested shapes.';
CREATE FUNCTION call_center.states_of(statuses bigint[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT array_agg((ARRAY['pending', 'processing', 'resolved', 'closed'])[s.status + 1])
  FROM unnest(states_of.statuses) AS s (status);
END;
COMMENT ON FUNCTION call_center.states_of(bigint[]) IS
  'The states of the flow that stand for these statuses (0 to 3). Contract 3.1.';
CREATE FUNCTION call_center.install_tables() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  directory record;
  item record;
BEGIN
  FOR directory IN
    SELECT d.directory AS name,
      string_agg(format('%I %s', d.name, d.definition), ', ' ORDER BY d.n) AS columns
    FROM call_center.directory_columns() WITH ORDINALITY AS d (directory, name, definition, refers, remark, n)
    GROUP BY d.directory ORDER BY min(d.n)
  LOOP
    EXECUTE format('CREATE TABLE call_center.%I (
        tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
        id bigint,
        %s,
        deleted boolean NOT NULL DEFAULT false,
        PRIMARY KEY (tenant_id, id))', directory.name, directory.columns);
    EXECUTE format('COMMENT ON TABLE call_center.%1$I IS %2$L; COMMENT ON COLUMN call_center.%1$I.tenant_id IS %3$L;
        COMMENT ON COLUMN call_center.%1$I.id IS %4$L; COMMENT ON COLUMN call_center.%1$I.deleted IS %5$L',
      directory.name, format('Fed by call_center.import(''%s'', ...)', directory.name), 'Whose row',
      'Number in the system it is fed from', 'True: no longer listed or taken; tickets that refer to it keep it');
    FOR item IN
      SELECT d.name, d.remark FROM call_center.directory_columns() AS d WHERE d.directory = directory.name
    LOOP
      EXECUTE format('COMMENT ON COLUMN call_center.%I.%I IS %L', directory.name, item.name, item.remark);
    END LOOP;
    PERFORM workorder.open_directory(format('call_center.%I', directory.name)::regclass, 'call_center');
  END LOOP;

  CREATE TABLE call_center.ticket (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    subject text NOT NULL CHECK (char_length(subject) <= 255),
    content text NOT NULL CHECK (char_length(content) <= 65535),
    due_at timestamptz(0),
    priority int NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 3),
    status int NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 3),
    status_memo text CHECK (char_length(status_memo) <= 1000),
    contact_id bigint,
    sub_category_id bigint,
    handler_id bigint,
    sponsor_id bigint,
    campaign_queue_id bigint,
    termination_code_id bigint,
    PRIMARY KEY (tenant_id, id)
  ) WITH (fillfactor = 80);
  COMMENT ON TABLE call_center.ticket IS 'Tickets, guarded by the flow call_center';
  FOR item IN
    SELECT * FROM (VALUES
      ('tenant_id', 'Whose ticket'),
      ('id', 'Number of the ticket'),
      ('subject', 'What it is about'),
      ('content', 'What the caller reported'),
      ('due_at', 'When it should be done; nothing happens then by itself'),
      ('priority', '0 低, 1 中, 2 高, 3 緊急'),
      ('status', '0 待處理, 1 處理中, 2 已解決, 3 已關閉; the state follows it'),
      ('status_memo', 'Why it has this status'),
      ('contact_id', 'Who called'),
      ('sub_category_id', 'What kind of matter it is'),
      ('handler_id', 'Who handles it: the actor, as creator_id is one; the API shows the employee''s number'),
      ('sponsor_id', 'On whose behalf'),
      ('campaign_queue_id', 'Where the caller waited; the telephone system writes it'),
      ('termination_code_id', 'The finer status')) AS c (name, remark)
  LOOP
    EXECUTE format('COMMENT ON COLUMN call_center.ticket.%I IS %L', item.name, item.remark);
  END LOOP;

  -- What refers to what, and how it is found from the other side.
  ALTER TABLE call_center.employee ADD UNIQUE (tenant_id, actor_id),
    ADD FOREIGN KEY (tenant_id, actor_id) REFERENCES workorder.actor (tenant_id, id);
  FOR item IN
    SELECT d.directory AS "table", d.name, d.refers, 'id' AS key FROM call_center.directory_columns() AS d WHERE d.refers IS NOT NULL
    UNION ALL SELECT 'ticket', r.name, r.refers, r.key
    FROM (VALUES ('contact_id', 'contact', 'id'), ('sub_category_id', 'sub_category', 'id'), ('handler_id', 'employee', 'actor_id'),
      ('sponsor_id', 'sponsor', 'id'), ('campaign_queue_id', 'campaign_queue', 'id'),
      ('termination_code_id', 'termination_code', 'id')) AS r (name, refers, key)
  LOOP
    EXECUTE format('ALTER TABLE call_center.%I ADD FOREIGN KEY (tenant_id, %I) REFERENCES call_center.%I (tenant_id, %I)',
      item."table", item.name, item.refers, item.key);
    IF item."table" <> 'ticket' THEN
      EXECUTE format('CREATE INDEX ON call_center.%I (tenant_id, %I)', item."table", item.name);
    END IF;
  END LOOP;
  CREATE INDEX ON call_center.interact_collection (tenant_id, ticket_id);

  CREATE TRIGGER call_center_keep BEFORE INSERT OR UPDATE ON call_center.employee
    FOR EACH ROW EXECUTE FUNCTION call_center.keep_employee();
  COMMENT ON TRIGGER call_center_keep ON call_center.employee IS 'Makes every employee a person who may act';

  PERFORM workorder.guard('call_center.ticket', 'call_center');
  ALTER TABLE call_center.ticket ADD CONSTRAINT ticket_state_is_status
    CHECK (state = (ARRAY['pending', 'processing', 'resolved', 'closed'])[status + 1]);

  PERFORM workorder.count_rows('call_center.ticket');

  -- One index for each filter of TK-1, in the order of the pages.  Not the
  -- state: the status, which changes less often than a ticket does.
  CREATE INDEX ON call_center.ticket (tenant_id, status, id);
  CREATE INDEX ON call_center.ticket (tenant_id, creator_id, id);
  CREATE INDEX ON call_center.ticket (tenant_id, created_at, id);
  CREATE INDEX ON call_center.ticket (tenant_id, due_at, id) WHERE due_at IS NOT NULL;
  CREATE INDEX ON call_center.ticket (tenant_id, contact_id, id) WHERE contact_id IS NOT NULL;
  CREATE INDEX ON call_center.ticket (tenant_id, handler_id, id) WHERE handler_id IS NOT NULL;
  CREATE INDEX ON call_center.ticket (tenant_id, sponsor_id, id) WHERE sponsor_id IS NOT NULL;
  CREATE INDEX ON call_center.ticket (tenant_id, termination_code_id, id) WHERE termination_code_id IS NOT NULL;
  CREATE INDEX ON call_center.ticket USING gin (subject workorder.bigram_ops, content workorder.bigram_ops);
END
$$;
COMMENT ON FUNCTION call_center.install_tables() IS
  'Makes the tables of the call centre, puts tickets under the flow and on the tally, and makes an index for each filter; part of call_center.install().';
-- People: every employee of the directory is one of the engine.

CREATE FUNCTION call_center.keep_employee() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- The API writes -1 for these three if they are not set, and may be fed back.
  NEW.job_title_id := nullif(NEW.job_title_id, -1);
  NEW.department_id := nullif(NEW.department_id, -1);
  NEW.extension_id := nullif(NEW.extension_id, -1);
  NEW.login := coalesce(NEW.login, NEW.employee_no);
  IF NEW.tenant_id <> workorder.tenant_id() THEN
    PERFORM workorder.refuse('WO403', 'the employee belongs to another tenant',
      format('You work in tenant %s.', workorder.tenant_id()), 'Set workorder.tenant.');
  ELSIF TG_OP = 'INSERT' THEN
    IF EXISTS (SELECT FROM call_center.employee AS e WHERE e.tenant_id = NEW.tenant_id AND e.id = NEW.id) THEN
      -- An upsert, which comes here a second time, as an update.
      RETURN NEW;
    END IF;
  ELSIF (NEW.login, NEW.first_name, NEW.last_name, NEW.is_active, NEW.deleted)
      IS NOT DISTINCT FROM (OLD.login, OLD.first_name, OLD.last_name, OLD.is_active, OLD.deleted) THEN
    NEW.actor_id := OLD.actor_id;
    RETURN NEW;
  ELSIF NEW.login <> OLD.login THEN
    UPDATE workorder.actor AS a SET login = NEW.login
    WHERE a.tenant_id = NEW.tenant_id AND a.id = OLD.actor_id;
  END IF;

  NEW.actor_id := workorder.enrol_in('call_center', NEW.login, concat_ws(' ', NEW.first_name, NEW.last_name), '{agent}', keep => true);
  IF NEW.deleted OR NOT NEW.is_active THEN
    PERFORM workorder.disable(NEW.login);
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION call_center.keep_employee() IS
  'Trigger of call_center.employee: every employee is a person of the engine (workorder.enrol()) with the role call_center.agent, who may act while active and not deleted. Raises WO403 in another tenant.';

CREATE FUNCTION call_center.actors_of(employees bigint[]) RETURNS bigint[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN ARRAY(
    SELECT e.actor_id FROM call_center.employee AS e
    WHERE e.tenant_id = workorder.tenant_id() AND e.id = ANY (employees));
END
$$;
COMMENT ON FUNCTION call_center.actors_of(bigint[]) IS
  'The people of the engine behind these employees; unknown numbers are left out.';

CREATE FUNCTION call_center.people(employees bigint[], actors bigint[] DEFAULT '{}') RETURNS TABLE (id bigint, actor_id bigint, item jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  zone CONSTANT text := call_center.time_zone();
BEGIN
  RETURN QUERY
    SELECT e.id, e.actor_id, jsonb_build_object(
      'id', e.id,
      'name', e.name,
      'first_name', e.first_name,
      'last_name', e.last_name,
      'employee_no', e.employee_no,
      'photo_url', e.photo_url,
      'identity_no', e.identity_no,
      'job_title_id', coalesce(e.job_title_id, -1),
      'department_id', coalesce(e.department_id, -1),
      'extension_id', coalesce(e.extension_id, -1),
      'extension', call_center.shown(to_jsonb(x)),
      'group_id', e.group_id,
      'group', call_center.shown(to_jsonb(g)),
      'cti_agent_account', c.account,
      'cti_agent', call_center.shown(to_jsonb(c)),
      'created_at', workorder.time_text(e.created_at, zone),
      'updated_at', workorder.time_text(e.updated_at, zone))
    FROM call_center.employee AS e
    LEFT JOIN call_center.extension AS x ON x.tenant_id = e.tenant_id AND x.id = e.extension_id
    LEFT JOIN call_center.employee_group AS g ON g.tenant_id = e.tenant_id AND g.id = e.group_id
    LEFT JOIN call_center.cti_agent AS c ON c.tenant_id = e.tenant_id AND c.id = e.cti_agent_id
    WHERE e.tenant_id = workorder.tenant_id() AND (e.id = ANY (employees) OR e.actor_id = ANY (actors));
END
$$;
COMMENT ON FUNCTION call_center.people(bigint[], bigint[]) IS
  'Employee objects in their short shape, of employees by number or by the actor they are. Contract 4.0, Employee(short).';
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
    PERFORM workorder.refuse('WO404', format('there is no directory "%s"', left(coalesce(import.directory, ''), 63)),
      'Directories are the tables of call_center.directory_columns().', 'Give the name of one of them.');
  ELSIF jsonb_typeof(import.list) IS DISTINCT FROM 'array'
    OR EXISTS (SELECT FROM jsonb_array_elements(import.list) AS i (value)
               WHERE jsonb_typeof(i.value) <> 'object' OR workorder.path_id(i.value ->> 'id') IS NULL) THEN
    PERFORM workorder.refuse('WO400', 'a directory is imported from a list of objects',
      'Each has the number of the row in "id", from 0 to 2147483647.', 'Give [{"id": 1, "name": "..."}].');
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
-- ---------------------------------------------------------------------------
-- TK-2 to TK-5: making and changing tickets.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.ticket_rules() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '[
  {"name": "subject", "kind": "text", "max": 255, "required": true},
  {"name": "content", "kind": "text", "max": 65535, "required": true},
  {"name": "due_at", "kind": "time"},
  {"name": "priority", "kind": "int", "min": 0, "max": 3, "default": 0},
  {"name": "status", "kind": "int", "min": 0, "max": 3, "default": 0},
  {"name": "status_memo", "kind": "text", "max": 1000},
  {"name": "sponsor_id", "kind": "int"},
  {"name": "handler_id", "kind": "int"},
  {"name": "termination_code_id", "kind": "int", "from": ["termination_code"]},
  {"name": "sub_category_id", "kind": "int"},
  {"name": "contact_id", "kind": "int"}]'::jsonb;
COMMENT ON FUNCTION call_center.ticket_rules() IS
  'The fields of TK-2 as rules of workorder.read_input().';

CREATE FUNCTION call_center.change_rules() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT jsonb_agg(CASE
    WHEN r.value ? 'required' THEN r.value || '{"required": "if given"}'
    WHEN r.value ? 'default' THEN r.value - 'default' || '{"null": false}'
    ELSE r.value || '{"null": true}' END)
  FROM jsonb_array_elements(call_center.ticket_rules()) AS r (value);
END;
COMMENT ON FUNCTION call_center.change_rules() IS
  'The same fields as TK-4 takes them: none must be given, null clears what may be null.';

CREATE FUNCTION call_center.ticket_values(fields jsonb, old jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  rules CONSTANT jsonb := CASE WHEN old IS NULL THEN call_center.ticket_rules() ELSE call_center.change_rules() END;
  -- A ticket that is sent back whole has an object here, which is not for us.
  given CONSTANT jsonb := CASE WHEN jsonb_typeof(fields -> 'termination_code') = 'object'
    THEN fields - 'termination_code' ELSE fields END;
  problems jsonb := call_center.problems(given, rules);
  result jsonb;
  reference record;
BEGIN
  -- Whatever is sound is looked up, so that all problems are told at once.
  result := workorder.read_input(given, (
    SELECT coalesce(jsonb_agg(r.value), '[]') FROM jsonb_array_elements(rules) AS r (value)
    WHERE NOT problems ? (r.value ->> 'name')));
  FOR reference IN
    SELECT d.name, d.directory, call_center.number(result -> d.name) AS id
    FROM (VALUES ('sponsor_id', 'sponsor'), ('handler_id', 'employee'), ('termination_code_id', 'termination_code'),
      ('sub_category_id', 'sub_category'), ('contact_id', 'contact')) AS d (name, directory)
    WHERE result ->> d.name IS NOT NULL
  LOOP
    result := result || jsonb_build_object(reference.name,
      CASE WHEN reference.name = 'handler_id' THEN (call_center.actors_of(ARRAY[reference.id]))[1] ELSE reference.id END);
    -- What the ticket has already is never refused, even if it is deleted since.
    IF result -> reference.name IS DISTINCT FROM old -> reference.name
       AND NOT call_center.is_known(reference.directory, reference.id) THEN
      problems := problems || jsonb_build_object(reference.name, jsonb_build_array(
        workorder.input_message(call_center.wording(), 'invalid', reference.name, NULL)));
    END IF;
  END LOOP;
  PERFORM call_center.refuse_problems(problems);

  IF result ->> 'due_at' IS NOT NULL THEN
    result := result || jsonb_build_object('due_at', workorder.time_of(result ->> 'due_at', call_center.time_zone()));
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION call_center.ticket_values(jsonb, jsonb) IS
  'Columns of call_center.ticket with the values that the fields of TK-2 give them, or of TK-4, if old is the row as it is; the handler, who is sent as an employee''s number, becomes the actor he is. Raises WO422 with all problems.';

CREATE FUNCTION call_center.ticket_json(ticket_id bigint) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result CONSTANT json := call_center.ticket_list(ARRAY[ticket_id]) -> 0;
BEGIN
  IF result IS NULL THEN
    PERFORM call_center.refuse_unknown();
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION call_center.ticket_json(bigint) IS
  'TK-3: the ticket object. Raises WO404.';

CREATE FUNCTION call_center.create_ticket(fields jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ticket_id bigint;
BEGIN
  INSERT INTO call_center.ticket AS t (subject, content, due_at, priority, status, status_memo,
    sponsor_id, handler_id, termination_code_id, sub_category_id, contact_id)
  SELECT r.subject, r.content, r.due_at, r.priority, r.status, r.status_memo,
    r.sponsor_id, r.handler_id, r.termination_code_id, r.sub_category_id, r.contact_id
  FROM jsonb_populate_record(NULL::call_center.ticket, call_center.ticket_values(coalesce(fields, '{}'))) AS r
  RETURNING t.id INTO ticket_id;
  RETURN call_center.ticket_json(ticket_id);
END
$$;
COMMENT ON FUNCTION call_center.create_ticket(jsonb) IS
  'TK-2: makes a ticket of the caller''s from these fields, in any of the four statuses, and returns its object. Raises WO422, WO403.';

CREATE FUNCTION call_center.update_ticket(ticket_id bigint, fields jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  old jsonb;
  changes jsonb;
BEGIN
  SELECT to_jsonb(t) INTO old
  FROM call_center.ticket AS t
  WHERE t.tenant_id = workorder.tenant_id() AND t.id = ticket_id
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM call_center.refuse_unknown();
  END IF;
  changes := (
    SELECT jsonb_object_agg(c.key, c.value)
    FROM jsonb_each(call_center.ticket_values(coalesce(fields, '{}'), old)) AS c
    WHERE c.value IS DISTINCT FROM old -> c.key);
  IF changes IS NOT NULL THEN
    PERFORM workorder.act('call_center.ticket', ticket_id, 'update', changes => changes);
  END IF;
  RETURN call_center.ticket_json(ticket_id);
END
$$;
COMMENT ON FUNCTION call_center.update_ticket(bigint, jsonb) IS
  'TK-4: changes the fields that are given and differ, null clears, and returns the ticket object; nothing to change is no act. The row is locked first, so that changes of different fields at one time both survive. Raises WO403, WO404, WO422.';

CREATE FUNCTION call_center.delete_ticket(ticket_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM call_center.ticket AS t
  WHERE t.tenant_id = workorder.tenant_id() AND t.id = ticket_id;
  IF NOT FOUND THEN
    PERFORM call_center.refuse_unknown();
  END IF;
END
$$;
COMMENT ON FUNCTION call_center.delete_ticket(bigint) IS
  'TK-5: takes a ticket away, for everybody; the journal keeps what it was. Raises WO403, WO404.';
-- ---------------------------------------------------------------------------
-- Pages of tickets and directories.  A filter becomes a condition, which is
-- text; a page is found by the numbers of its rows, and only those are dressed.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.contains(columns text[], search text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT '(' || string_agg(format('workorder.contains(t.%I, %L)', c.name, contains.search), ' OR ') || ')'
  FROM unnest(contains.columns) AS c (name);
END;
COMMENT ON FUNCTION call_center.contains(text[], text) IS
  'The condition that one of these columns contains a text, whatever its case. Contract 4.0, search.';

CREATE FUNCTION call_center.rows_query(relation text, condition text) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN format('SELECT t.id FROM call_center.%I AS t WHERE t.tenant_id = %s', relation, workorder.tenant_id())
  || coalesce(' AND ' || condition, '');
COMMENT ON FUNCTION call_center.rows_query(text, text) IS
  'The query for the numbers of all rows of a table that fulfil a condition over it AS t; null: of all rows.';

CREATE FUNCTION call_center.found_query(relation text, condition text, newest_first boolean, skipped bigint, size int) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN format('WITH found AS MATERIALIZED (%s)
  SELECT (SELECT count(*) FROM found), ARRAY(SELECT f.id FROM found AS f ORDER BY f.id %s LIMIT %s OFFSET %s)',
  call_center.rows_query(relation, condition), CASE WHEN newest_first THEN 'DESC' ELSE 'ASC' END, size, skipped);
COMMENT ON FUNCTION call_center.found_query(text, text, boolean, bigint, int) IS
  'The query for how many rows fulfil a condition, and the numbers of those on a page, whatever the condition: they are looked for once. To go through all rows in order until enough are found would be quick if they were everywhere, but they may all be old.';

CREATE FUNCTION call_center.page_query(
  relation text, newest_first boolean, total bigint, skipped bigint, size int, "column" text DEFAULT NULL, numbers bigint[] DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- The last pages are nearer from the other end.
  backwards CONSTANT boolean := skipped > total / 2;
  wanted CONSTANT bigint := greatest(least(size, total - skipped), 0);
  passed CONSTANT bigint := CASE WHEN backwards THEN greatest(total - skipped - wanted, 0) ELSE skipped END;
  ordered CONSTANT text := format('ORDER BY id %s', CASE WHEN newest_first <> backwards THEN 'DESC' ELSE 'ASC' END);
BEGIN
  RETURN format('SELECT p.id FROM (%s) AS p %s LIMIT %s OFFSET %s',
    CASE
      WHEN "column" IS NULL THEN call_center.rows_query(relation, NULL)
      -- Its index has the rows of each number in order.
      ELSE format('SELECT m.id FROM unnest(%L::bigint[]) AS v (number), LATERAL (%s %s LIMIT %s) AS m',
        numbers, call_center.rows_query(relation, format('t.%I = v.number', "column")), ordered, passed + wanted)
    END, ordered, wanted, passed);
END
$$;
COMMENT ON FUNCTION call_center.page_query(text, boolean, bigint, bigint, int, text, bigint[]) IS
  'The query for the numbers of the rows on a page, in either order, of all rows, or of those with one of these numbers in a column, given how many these are and how many to skip. An index must have the rows in order.';

CREATE FUNCTION call_center.page(
  relation text, condition text, fields jsonb, newest_first boolean, total bigint DEFAULT NULL,
  "column" text DEFAULT NULL, numbers bigint[] DEFAULT NULL, OUT ids bigint[], OUT meta jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
-- Nobody waits for a whole table to be read; where much was changed since the
-- last vacuum the planner would think of it.
SET enable_seqscan = off
AS $$
DECLARE
  asked CONSTANT jsonb := workorder.read_input(fields, '[
    {"name": "page", "kind": "int", "min": 1, "max": 2147483647, "default": 1, "lenient": true, "last": true},
    {"name": "per_page", "kind": "int", "min": 1, "cap": 1000, "lenient": true, "last": true}]');
  size CONSTANT int := coalesce((asked ->> 'per_page')::int, 15);
  skipped CONSTANT bigint := ((asked ->> 'page')::bigint - 1) * size;
BEGIN
  IF total IS NULL AND "column" IS NULL THEN
    EXECUTE call_center.found_query(relation, condition, newest_first, skipped, size) INTO total, ids;
  ELSE
    IF total IS NULL THEN
      EXECUTE format('SELECT count(*) FROM (%s) AS t', call_center.rows_query(relation, condition)) INTO total;
    END IF;
    IF skipped < total THEN
      EXECUTE format('SELECT array_agg(p.id ORDER BY p.id %s) FROM (%s) AS p',
          CASE WHEN newest_first THEN 'DESC' ELSE 'ASC' END,
          call_center.page_query(relation, newest_first, total, skipped, size, "column", numbers))
        INTO ids;
    END IF;
  END IF;
  ids := coalesce(ids, '{}');
  meta := jsonb_build_object(
    'current_page', asked -> 'page',
    'from', CASE WHEN ids <> '{}' THEN skipped + 1 END,
    'last_page', greatest((total + size - 1) / size, 1),
    'per_page', CASE WHEN asked ? 'per_page' THEN to_jsonb(size::text) ELSE to_jsonb(size) END,
    'to', CASE WHEN ids <> '{}' THEN skipped + cardinality(ids) END,
    'total', total);
END
$$;
COMMENT ON FUNCTION call_center.page(text, text, jsonb, boolean, bigint, text, bigint[]) IS
  'The numbers of the rows on the page that fields asks for (page, per_page), of those in a table that fulfil a condition (null: all) and that the caller may see, and the meta object. total, if the caller knows it, saves counting; column and numbers say so if the condition is just that the column has one of the numbers. Contract 4.0, paging.';

-- ---------------------------------------------------------------------------
-- TK-1.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.filter_rules() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '[
  {"name": "search", "kind": "text", "max": 200, "last": true},
  {"name": "contact_id", "kind": "int", "last": true},
  {"name": "sponsor_id", "kind": "int", "last": true},
  {"name": "statuses", "kind": "ints", "in": [0, 1, 2, 3]},
  {"name": "due_at__start", "kind": "time", "last": true},
  {"name": "due_at__end", "kind": "time", "end": true, "last": true},
  {"name": "created_at__start", "kind": "time", "last": true},
  {"name": "created_at__end", "kind": "time", "end": true, "last": true},
  {"name": "termination_code_ids", "kind": "ints"},
  {"name": "handler_ids", "kind": "ints"},
  {"name": "creater_ids", "kind": "ints", "from": ["creator_ids", "creater_id"]}]'::jsonb;
COMMENT ON FUNCTION call_center.filter_rules() IS
  'The filters of TK-1 as rules of workorder.read_input(); page and per_page are read by call_center.page().';

CREATE FUNCTION call_center.ticket_filter(
  filters jsonb, OUT condition text, OUT "column" text, OUT numbers bigint[])
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  zone CONSTANT text := call_center.time_zone();
  name text;
  value jsonb;
  at timestamptz;
  parts text[] := '{}';
BEGIN
  FOR name, value IN SELECT f.key, f.value FROM jsonb_each(filters) AS f WHERE f.value <> '""' ORDER BY f.key LOOP
    "column" := CASE name
      WHEN 'contact_id' THEN name
      WHEN 'sponsor_id' THEN name
      WHEN 'statuses' THEN 'status'
      WHEN 'termination_code_ids' THEN 'termination_code_id'
      WHEN 'handler_ids' THEN 'handler_id'
      WHEN 'creater_ids' THEN 'creator_id' END;
    IF "column" IS NOT NULL THEN
      numbers := call_center.numbers(value);
      IF name IN ('handler_ids', 'creater_ids') THEN
        numbers := call_center.actors_of(numbers);
      END IF;
      parts := parts || format('t.%I = ANY (%L)', "column", numbers);
    ELSIF name = 'search' THEN
      parts := parts || call_center.contains('{subject,content}', value #>> '{}');
    ELSE
      at := workorder.time_of(value #>> '{}', zone);
      parts := parts || CASE
        WHEN name ~ '__start$' THEN format('t.%I >= %L', left(name, -7), at)
        -- What is shown as this second still counts.
        ELSE format('t.%I < %L', left(name, -5), at + interval '1 second') END;
    END IF;
  END LOOP;
  condition := nullif(array_to_string(parts, ' AND '), '');
  IF cardinality(parts) <> 1 THEN
    "column" := NULL;
  END IF;
END
$$;
COMMENT ON FUNCTION call_center.ticket_filter(jsonb) IS
  'The filters of TK-1, as workorder.read_input() returns them, as a condition over call_center.ticket AS t; null if there are none. If there is one only, and it asks for numbers in a column, column and numbers say so. An index serves each filter.';

CREATE FUNCTION call_center.ticket_total(condition text, "column" text, numbers bigint[]) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF condition IS NULL THEN
    RETURN workorder.total('call_center.ticket');
  ELSIF "column" = 'status' THEN
    RETURN workorder.total('call_center.ticket', call_center.states_of(numbers));
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION call_center.ticket_total(text, text, bigint[]) IS
  'How many tickets a filter finds, if that is known without counting: all of them, or those of some statuses. Null otherwise.';

CREATE FUNCTION call_center.list_tickets(fields jsonb DEFAULT '{}', OUT data json, OUT meta jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  filter record;
  found record;
BEGIN
  PERFORM call_center.refuse_problems(call_center.problems(fields, call_center.filter_rules()));
  filter := call_center.ticket_filter(workorder.read_input(fields, call_center.filter_rules()));
  found := call_center.page('ticket', filter.condition, fields, true,
    call_center.ticket_total(filter.condition, filter."column", filter.numbers), filter."column", filter.numbers);
  data := call_center.ticket_list(found.ids);
  meta := found.meta;
END
$$;
COMMENT ON FUNCTION call_center.list_tickets(jsonb) IS
  'TK-1: a page of the tickets that the caller may see, newest first, by the filters of the query. Raises WO422.';

CREATE FUNCTION call_center.ticket_list(ids bigint[]) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  zone CONSTANT text := call_center.time_zone();
BEGIN
  -- What several tickets refer to is dressed once.  json, not jsonb: an object
  -- that is finished goes into the next as it is.
  RETURN (
    WITH page AS MATERIALIZED (
      SELECT t.*, w.n
      FROM unnest(ids) WITH ORDINALITY AS w (id, n)
      JOIN call_center.ticket AS t ON t.tenant_id = tenant AND t.id = w.id),
    calls AS MATERIALIZED (
      SELECT c.*
      FROM call_center.interact_collection AS c
      WHERE c.tenant_id = tenant AND c.ticket_id = ANY (ids) AND NOT c.deleted),
    people AS MATERIALIZED (
      SELECT p.id, p.actor_id, p.item::json AS item
      FROM call_center.people(
        ARRAY(SELECT DISTINCT c.handler_id FROM calls AS c),
        ARRAY(SELECT p.creator_id FROM page AS p UNION SELECT p.handler_id FROM page AS p)) AS p),
    contacts AS MATERIALIZED (
      SELECT r.id, call_center.shown(to_jsonb(r))::json AS item
      FROM call_center.contact AS r
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.contact_id FROM page AS p))),
    sponsors AS MATERIALIZED (
      SELECT r.id, call_center.shown(to_jsonb(r))::json AS item
      FROM call_center.sponsor AS r
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.sponsor_id FROM page AS p))),
    queues AS MATERIALIZED (
      SELECT r.id, call_center.shown(to_jsonb(r))::json AS item
      FROM call_center.campaign_queue AS r
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.campaign_queue_id FROM page AS p))),
    codes AS MATERIALIZED (
      SELECT r.id, call_center.shown(to_jsonb(r))::json AS item
      FROM call_center.termination_code AS r
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.termination_code_id FROM page AS p))),
    matters AS MATERIALIZED (
      SELECT r.id, c.id AS category_id, call_center.shown(to_jsonb(c))::json AS category,
        (call_center.shown(to_jsonb(r)) || jsonb_build_object('category', call_center.shown(to_jsonb(c))))::json AS item
      FROM call_center.sub_category AS r
      LEFT JOIN call_center.category AS c ON c.tenant_id = tenant AND c.id = r.category_id
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.sub_category_id FROM page AS p))),
    talks AS MATERIALIZED (
      SELECT c.ticket_id, json_agg(call_center.shown(to_jsonb(c)) - 'ticket_id' || jsonb_build_object(
        'first_enter_queue_at', workorder.time_text(c.first_enter_queue_at, zone),
        'acw_at', workorder.time_text(c.acw_at, zone),
        'last_finished_at', workorder.time_text(c.last_finished_at, zone),
        'handler', handler.item) ORDER BY c.id) AS items
      FROM calls AS c
      LEFT JOIN people AS handler ON handler.id = c.handler_id
      GROUP BY c.ticket_id)
    SELECT coalesce(json_agg(json_build_object(
        'id', p.id,
        'subject', p.subject,
        'content', p.content,
        'due_at', workorder.time_text(p.due_at, zone),
        'status', p.status,
        'status_memo', p.status_memo,
        'priority', p.priority,
        'contact', contacts.item,
        'contact_id', p.contact_id,
        'sub_category', matters.item,
        'sub_category_id', p.sub_category_id,
        'creater', creater.item,
        'handler_id', handler.id,
        'handler', handler.item,
        'interact_collections', coalesce(talks.items, '[]'),
        'sponsor_id', p.sponsor_id,
        'sponsor', sponsors.item,
        'campaign_queue', queues.item,
        'campaign_queue_id', p.campaign_queue_id,
        'created_at', workorder.time_text(p.created_at, zone),
        'updated_at', workorder.time_text(p.updated_at, zone),
        'termination_code_id', p.termination_code_id,
        'termination_code', codes.item,
        'category', matters.category,
        'category_id', matters.category_id) ORDER BY p.n), '[]')
    FROM page AS p
    LEFT JOIN people AS creater ON creater.actor_id = p.creator_id
    LEFT JOIN people AS handler ON handler.actor_id = p.handler_id
    LEFT JOIN contacts ON contacts.id = p.contact_id
    LEFT JOIN sponsors ON sponsors.id = p.sponsor_id
    LEFT JOIN queues ON queues.id = p.campaign_queue_id
    LEFT JOIN codes ON codes.id = p.termination_code_id
    LEFT JOIN matters ON matters.id = p.sub_category_id
    LEFT JOIN talks ON talks.ticket_id = p.id);
END
$$;
COMMENT ON FUNCTION call_center.ticket_list(bigint[]) IS
  'The ticket objects of the API with these numbers, in this order; what the caller may not see is left out. Contract 4.0, ticket.';

-- ---------------------------------------------------------------------------
-- TK-6 to TK-10.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.list_directory(directory text, fields jsonb DEFAULT '{}', OUT data jsonb, OUT meta jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  searched CONSTANT text[] := CASE directory
    WHEN 'employee' THEN '{name,identity_no,employee_no}'
    WHEN 'termination_code' THEN '{name,description}' END;
  rules CONSTANT jsonb := CASE
    WHEN searched IS NOT NULL THEN '[{"name": "search", "kind": "text", "max": 200, "last": true}]'
    WHEN directory = 'sub_category' THEN '[{"name": "category_id", "kind": "int", "last": true}]'
    ELSE '[]' END;
  filters jsonb;
  found record;
BEGIN
  PERFORM call_center.refuse_problems(call_center.problems(fields, rules));
  filters := workorder.read_input(fields, rules);
  found := call_center.page(directory,
    concat_ws(' AND ', 'NOT t.deleted',
      CASE WHEN filters ->> 'search' <> '' THEN call_center.contains(searched, filters ->> 'search') END,
      CASE WHEN filters ? 'category_id' THEN format('t.category_id = %s', call_center.number(filters -> 'category_id')) END),
    fields, directory = 'employee');
  data := call_center.directory_list(directory, found.ids);
  meta := found.meta;
END
$$;
COMMENT ON FUNCTION call_center.list_directory(text, jsonb) IS
  'TK-6 (employee), TK-7 (sponsor), TK-8 (termination_code), TK-9 (category), TK-10 (sub_category): a page of a directory by the fields of the query. Raises WO422.';
-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: each function takes a request apart, calls
-- the function that does the work, and shapes the answer.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.http_refusal(code text, detail text) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN workorder.http_json(right(code, 3)::int, CASE code
  WHEN 'WO403' THEN '{"message":"This action is unauthorized."}'::json
  WHEN 'WO404' THEN '{"message":"Not Found"}'::json
  WHEN 'WO422' THEN json_build_object('message', 'The given data was invalid.', 'errors', detail::json) END);
COMMENT ON FUNCTION call_center.http_refusal(text, text) IS
  'The answer for a refusal, whose detail is the object of problems if it is WO422. Contract 4.0, 5.';

CREATE FUNCTION call_center.http_id(request workorder.http_request) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN workorder.path_id((request).params ->> 'id');
COMMENT ON FUNCTION call_center.http_id(workorder.http_request) IS
  'The number in the path, null if there can be no such ticket.';

CREATE FUNCTION call_center.http_list_tickets(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  problems text;
BEGIN
  RETURN workorder.http_json(200, (SELECT row_to_json(l) FROM call_center.list_tickets(request.query) AS l));
EXCEPTION WHEN SQLSTATE 'WO422' THEN
  GET STACKED DIAGNOSTICS problems = PG_EXCEPTION_DETAIL;
  RETURN call_center.http_refusal(SQLSTATE, problems);
END
$$;
COMMENT ON FUNCTION call_center.http_list_tickets(workorder.http_request) IS
  'TK-1, GET /ticket.';

CREATE FUNCTION call_center.http_create_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  problems text;
BEGIN
  RETURN workorder.http_json(200, json_build_object('data', call_center.create_ticket(workorder.http_fields(request, blank_is_null => true))));
EXCEPTION WHEN SQLSTATE 'WO422' OR SQLSTATE 'WO403' THEN
  GET STACKED DIAGNOSTICS problems = PG_EXCEPTION_DETAIL;
  RETURN call_center.http_refusal(SQLSTATE, problems);
END
$$;
COMMENT ON FUNCTION call_center.http_create_ticket(workorder.http_request) IS
  'TK-2, POST /ticket.';

CREATE FUNCTION call_center.http_get_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN workorder.http_json(200, call_center.ticket_json(call_center.http_id(request)));
END
$$;
COMMENT ON FUNCTION call_center.http_get_ticket(workorder.http_request) IS
  'TK-3, GET /ticket/{id}.';

CREATE FUNCTION call_center.http_update_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  problems text;
BEGIN
  RETURN workorder.http_json(200,
    call_center.update_ticket(call_center.http_id(request), workorder.http_fields(request, blank_is_null => true)));
EXCEPTION WHEN SQLSTATE 'WO422' OR SQLSTATE 'WO403' OR SQLSTATE 'WO404' THEN
  GET STACKED DIAGNOSTICS problems = PG_EXCEPTION_DETAIL;
  RETURN call_center.http_refusal(SQLSTATE, problems);
END
$$;
COMMENT ON FUNCTION call_center.http_update_ticket(workorder.http_request) IS
  'TK-4, PUT /ticket/{id}.';

CREATE FUNCTION call_center.http_delete_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM call_center.delete_ticket(call_center.http_id(request));
  RETURN workorder.http_empty();
EXCEPTION WHEN SQLSTATE 'WO403' THEN
  RETURN call_center.http_refusal(SQLSTATE, NULL);
END
$$;
COMMENT ON FUNCTION call_center.http_delete_ticket(workorder.http_request) IS
  'TK-5, DELETE /ticket/{id}.';

CREATE FUNCTION call_center.http_list_directory(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  problems text;
BEGIN
  RETURN workorder.http_json(200, (
    SELECT row_to_json(l)
    FROM call_center.list_directory(
      CASE substring(request.path FROM '[^/]+$')
        WHEN 'ticket-termination-code' THEN 'termination_code'
        WHEN 'subcategory' THEN 'sub_category'
        ELSE substring(request.path FROM '[^/]+$') END,
      request.query) AS l));
EXCEPTION WHEN SQLSTATE 'WO422' THEN
  GET STACKED DIAGNOSTICS problems = PG_EXCEPTION_DETAIL;
  RETURN call_center.http_refusal(SQLSTATE, problems);
END
$$;
COMMENT ON FUNCTION call_center.http_list_directory(workorder.http_request) IS
  'TK-6 to TK-10, GET /employee, /sponsor, /ticket-termination-code, /category, /subcategory.';

CREATE FUNCTION call_center.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('call_center', '/api/v1', '{"message":"$message"}', false, '{
    "accept": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
    "object": true, "members": ["call_center.agent"],
    "messages": {
      "malformed": "Malformed JSON.",
      "unauthenticated": "Unauthenticated.",
      "denied": "This action is unauthorized.",
      "not_found": "Not Found",
      "method": "Method Not Allowed",
      "too_large": "Payload Too Large",
      "media_type": "Unsupported Media Type",
      "uri_too_long": "URI Too Long",
      "busy": "Service Unavailable",
      "internal": "Server Error",
      "parameter": {"status": 422, "message": "The given data was invalid.",
        "error": {"message": "$message", "errors": {"$name": ["The $label must be a string."]}}}}}');
  PERFORM workorder.add_routes('call_center', '[
    ["GET", "/ticket", "http_list_tickets"],
    ["POST", "/ticket", "http_create_ticket"],
    ["GET", "/ticket/{id:int}", "http_get_ticket"],
    ["PUT", "/ticket/{id:int}", "http_update_ticket"],
    ["DELETE", "/ticket/{id:int}", "http_delete_ticket"],
    ["GET", "/employee", "http_list_directory"],
    ["GET", "/sponsor", "http_list_directory"],
    ["GET", "/ticket-termination-code", "http_list_directory"],
    ["GET", "/category", "http_list_directory"],
    ["GET", "/subcategory", "http_list_directory"]]');

  IF to_regclass('api.call_center_ticket') IS NULL THEN
    CREATE VIEW api.call_center_ticket WITH (security_invoker = true) AS
    SELECT t.id, t.subject, t.content, t.due_at, t.priority, t.status, t.status_memo, t.contact_id, t.sub_category_id,
      t.handler_id, t.sponsor_id, t.campaign_queue_id, t.termination_code_id,
      t.state, t.revision, t.creator_id, t.created_at, t.entered_at, t.updated_at,
      t.action, t.note, t.last_action, t.last_note
    FROM call_center.ticket AS t
    WHERE t.tenant_id = workorder.tenant_id();
    COMMENT ON VIEW api.call_center_ticket IS
      'Call-centre tickets, for /rest/call_center_ticket: the caller''s rights and policies. Writing status moves it: PATCH /call_center_ticket?id=eq.1 {"status": 2}. handler_id and creator_id are people of the engine.';
  END IF;
END
$$;
COMMENT ON FUNCTION call_center.install_http() IS
  'Enters the API''s envelope and routes, and makes the view api.call_center_ticket; part of call_center.install(). What was changed in the settings of the API stays.';
CREATE FUNCTION call_center.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  directory text;
BEGIN
  PERFORM workorder.grant_addon('workorder_call_center', role,
    '{install,install_tables,install_http,grant_access,import,keep_employee}');
  -- Whoever inserts a ticket gives what TK-2 takes; the number comes by itself.
  PERFORM workorder.grant_table('call_center.ticket', role,
    insertable => '{subject,content,due_at,priority,status,status_memo,sponsor_id,handler_id,termination_code_id,sub_category_id,contact_id,note}');
  -- The policies decide who reads; the directories are fed by their owner.
  FOR directory IN SELECT DISTINCT d.directory FROM call_center.directory_columns() AS d LOOP
    EXECUTE format('GRANT SELECT ON call_center.%I TO %s', directory, role);
  END LOOP;
  -- The same rights on the view as on the table: it shows and takes nothing else.
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON api.call_center_ticket TO %s', role);
END
$$;
COMMENT ON FUNCTION call_center.grant_access(regrole) IS
  'Gives a role what an application needs to offer the ticket API, workorder.grant_access() included. Needs to own the extension and the tables.';

-- What every add-on ends with: nothing of the extension is for PUBLIC.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA call_center FROM PUBLIC;
