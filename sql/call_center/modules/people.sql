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
  base CONSTANT text := rtrim(workorder.setting('call_center', 'photo_base_url', ''), '/');
BEGIN
  RETURN QUERY
    SELECT e.id, e.actor_id, jsonb_build_object(
      'id', e.id,
      'name', e.name,
      'first_name', e.first_name,
      'last_name', e.last_name,
      'employee_no', e.employee_no,
      -- A path leads to the API's own route, or where the setting says.
      'photo_url', CASE WHEN e.photo_url !~ '^/' THEN e.photo_url ELSE base || coalesce(e.photo_url, (
        SELECT format('/employee/%s/photo', p.id) FROM call_center.photo AS p
        WHERE p.tenant_id = e.tenant_id AND p.id = e.id AND NOT p.deleted)) END,
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
