-- ---------------------------------------------------------------------------
-- People: their numbers, their roles, and who gets the next ticket.
-- ---------------------------------------------------------------------------

CREATE FUNCTION dispatch.enrol(userid bigint, login text, name text, roles text[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person bigint;
BEGIN
  IF enrol.userid IS NULL OR enrol.userid < 0 THEN
    PERFORM workorder.refuse('WO400', 'userid is missing', 'Clients know people by a number.', 'Give a whole number.');
  END IF;
  person := workorder.enrol_in('dispatch', enrol.login, enrol.name, coalesce(enrol.roles, '{}'));
  INSERT INTO dispatch.person (tenant_id, userid, actor_id)
  VALUES (workorder.tenant_id(), enrol.userid, person)
  ON CONFLICT (tenant_id, actor_id) DO UPDATE SET userid = excluded.userid;
  RETURN person;
END
$$;
COMMENT ON FUNCTION dispatch.enrol(bigint, text, text, text[]) IS
  'Adds a person to the ticket desk of the current tenant, or changes the one with this login: the product''s number, name, and roles (customer, staff, scheduler; they replace the roles held here). Returns the actor''s id. Raises WO400; 23505 for somebody else''s number. Set the password with workorder.set_password().';

CREATE FUNCTION dispatch.userid(actor_id bigint) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT p.userid FROM dispatch.person p
          WHERE p.tenant_id = workorder.tenant_id() AND p.actor_id = userid.actor_id);
END
$$;
COMMENT ON FUNCTION dispatch.userid(bigint) IS
  'The product''s number of a person, null if they have none.';

CREATE FUNCTION dispatch.my_roles() RETURNS text[]
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT coalesce(array_agg(r.role ORDER BY r.n), '{}')
  FROM unnest('{customer,staff,scheduler}'::text[]) WITH ORDINALITY AS r (role, n)
  WHERE workorder.has_role('dispatch.' || r.role);
END;
COMMENT ON FUNCTION dispatch.my_roles() IS
  'The roles of who acts, in the order customer, staff, scheduler. Contract LU-1.';

CREATE FUNCTION dispatch.is_staff(actor_id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM workorder.actor a
    JOIN workorder.membership m ON m.tenant_id = a.tenant_id AND m.actor_id = a.id AND m.role = 'dispatch.staff'
    WHERE a.tenant_id = workorder.tenant_id() AND a.id = is_staff.actor_id AND a.active);
END
$$;
COMMENT ON FUNCTION dispatch.is_staff(bigint) IS
  'Whether a person is active and has the role staff.';

CREATE FUNCTION dispatch.staff_numbered(userid bigint) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT p.actor_id FROM dispatch.person p
          WHERE p.tenant_id = workorder.tenant_id() AND p.userid = staff_numbered.userid AND dispatch.is_staff(p.actor_id));
END
$$;
COMMENT ON FUNCTION dispatch.staff_numbered(bigint) IS
  'The active staff with this number, null if there is none. Contract 3.2, assignee.';

CREATE FUNCTION dispatch.least_loaded() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT p.actor_id
    FROM workorder.membership m
    JOIN workorder.actor a ON a.tenant_id = m.tenant_id AND a.id = m.actor_id AND a.active
    JOIN dispatch.person p ON p.tenant_id = m.tenant_id AND p.actor_id = m.actor_id
    WHERE m.tenant_id = workorder.tenant_id() AND m.role = 'dispatch.staff'
    ORDER BY (
      SELECT count(*) FROM dispatch.ticket t
      WHERE t.tenant_id = m.tenant_id AND t.staff_id = m.actor_id
        AND t.state IN ('open.assigned', 'open.reopen', 'open.request_information', 'open.in_processing')), p.userid
    LIMIT 1);
END
$$;
COMMENT ON FUNCTION dispatch.least_loaded() IS
  'The active staff with the fewest tickets in states 2, 5, 6 and 8, of several the one with the lowest number; null if there is no staff. Counts what the caller may see: schedulers see all. Contract 3.2, assignee.';

CREATE FUNCTION dispatch.choose_staff() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- One at a time in a tenant: what others assign just now counts, too.
  PERFORM pg_advisory_xact_lock(hashtext('dispatch.ticket.staff_id'), hashint8(NEW.tenant_id));
  IF NEW.staff_id IS DISTINCT FROM OLD.staff_id AND NEW.staff_id IS NOT NULL THEN
    IF NOT dispatch.is_staff(NEW.staff_id) THEN
      PERFORM workorder.refuse('WO400', 'invalid staff-id', 'It must name somebody active with the role staff.',
        'Leave it out, and somebody is chosen.');
    END IF;
  ELSIF NEW.staff_id IS NULL OR NOT dispatch.is_staff(NEW.staff_id) THEN
    NEW.staff_id := dispatch.least_loaded();
    IF NEW.staff_id IS NULL THEN
      PERFORM workorder.refuse('WO409', 'no staff available', 'Nobody active has the role staff.', 'Enrol somebody.');
    END IF;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION dispatch.choose_staff() IS
  'Trigger of dispatch.ticket, before the guard, when a ticket is assigned: who is named must be active staff, else WO400; if nobody is named, the ticket keeps its staff who is still active, or gets the least loaded; WO409 "no staff available". Assignments of a tenant wait for each other. Contract 3.2, assignee.';
