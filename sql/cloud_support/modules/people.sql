-- People: users of the platform, by their number there.

CREATE FUNCTION cloud_support.enrol(login text, username text, roles text[], number bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  person bigint;
  sequence CONSTANT regclass := pg_get_serial_sequence('cloud_support.account', 'id');
BEGIN
  person := workorder.enrol_in('cloud_support', login, username, roles);
  LOCK TABLE cloud_support.account IN SHARE ROW EXCLUSIVE MODE;
  IF number IS NULL THEN
    INSERT INTO cloud_support.account (tenant_id, actor_id) VALUES (workorder.tenant_id(), person)
    ON CONFLICT (tenant_id, actor_id) DO NOTHING;
  ELSE
    INSERT INTO cloud_support.account (tenant_id, id, actor_id) VALUES (workorder.tenant_id(), number, person)
    ON CONFLICT (tenant_id, actor_id) DO UPDATE SET id = excluded.id;
    IF number > coalesce(pg_sequence_last_value(sequence), 0) THEN
      PERFORM setval(sequence, number);
    END IF;
  END IF;
  RETURN (SELECT a.id FROM cloud_support.account a WHERE a.tenant_id = workorder.tenant_id() AND a.actor_id = person);
END
$$;
COMMENT ON FUNCTION cloud_support.enrol(text, text, text[], bigint) IS
  'Adds a user of the platform to the tenant, or renames one: what they sign in with, the username that the API shows, roles (user, support) instead of those held, and the number they have elsewhere, if any. Returns the number. Raises WO400, 23505 if the number is somebody else''s. Needs to own the tables.';
