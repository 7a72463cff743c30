-- People: who acts, and which specialist an order goes to.

CREATE FUNCTION afterservice.actor_name() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT a.name FROM workorder.actor a
          WHERE a.tenant_id = workorder.tenant_id() AND a.id = workorder.actor_id());
END
$$;
COMMENT ON FUNCTION afterservice.actor_name() IS
  'Name of the person who acts; null for anonymous.';

CREATE FUNCTION afterservice.require_name(claimed jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF coalesce(claimed, 'null') <> 'null' AND claimed IS DISTINCT FROM to_jsonb(afterservice.actor_name()) THEN
    PERFORM workorder.refuse('WO403', 'permission denied',
      'The name in the request is not the name of the person who acts.',
      'Leave the name out, or sign in as that person.');
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.require_name(jsonb) IS
  'Raises WO403 "permission denied" if a name is given and is not the actor''s. Contract 4.0, identity.';

CREATE FUNCTION afterservice.specialist_of(supplier_name text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT m.user_id
    FROM afterservice.supplier s
    JOIN afterservice.matcher m ON m.tenant_id = s.tenant_id AND m.supplier_id = s.id
    JOIN workorder.actor a ON a.tenant_id = m.tenant_id AND a.id = m.user_id AND a.active
    JOIN workorder.membership r ON r.tenant_id = a.tenant_id AND r.actor_id = a.id AND r.role = 'afterservice.service'
    WHERE s.tenant_id = workorder.tenant_id() AND s.name = specialist_of.supplier_name
    ORDER BY m.supplier_id, m.user_id
    LIMIT 1);
END
$$;
COMMENT ON FUNCTION afterservice.specialist_of(text) IS
  'The after-sale specialist paired with a supplier, null if there is none who is active and has the role service; of several, the first as AS-9 lists them.';

CREATE FUNCTION afterservice.specialist_named(name text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT a.id
    FROM workorder.actor a
    JOIN workorder.membership m ON m.tenant_id = a.tenant_id AND m.actor_id = a.id
    WHERE a.tenant_id = workorder.tenant_id() AND a.name = specialist_named.name AND a.active
      AND m.role = 'afterservice.service'
    ORDER BY a.id
    LIMIT 1);
END
$$;
COMMENT ON FUNCTION afterservice.specialist_named(text) IS
  'The active person of this name with the role service, null if there is none. Contract AS-3, saler.';
