-- What has happened, for those who listen: other programs that read events at
-- their own pace, in order, each once and none left out.

CREATE FUNCTION workorder.outbox_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.outbox (
  tenant_id bigint NOT NULL,
  guarded_id int NOT NULL,
  ticket_id bigint NOT NULL,
  revision int NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, guarded_id, ticket_id, revision))
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workorder.outbox IS 'Events that no consumer has asked for yet: written with the change, in no order. Each is an entry of workorder.journal.';
COMMENT ON COLUMN workorder.outbox.tenant_id IS 'Whose ticket.';
COMMENT ON COLUMN workorder.outbox.guarded_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.outbox.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.outbox.revision IS 'The entry of its journal.';
COMMENT ON COLUMN workorder.outbox.at IS 'When, as in the journal.';

CREATE TABLE workorder.event (
  tenant_id bigint NOT NULL,
  number bigint GENERATED ALWAYS AS IDENTITY,
  guarded_id int NOT NULL,
  ticket_id bigint NOT NULL,
  revision int NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, number));
COMMENT ON TABLE workorder.event IS 'Events in the order in which consumers get them, until workorder.forget_events(). Each is an entry of workorder.journal.';
COMMENT ON COLUMN workorder.event.tenant_id IS 'Whose ticket.';
COMMENT ON COLUMN workorder.event.number IS 'Its place in the order; numbers may be left out.';
COMMENT ON COLUMN workorder.event.guarded_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.event.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.event.revision IS 'The entry of its journal.';
COMMENT ON COLUMN workorder.event.at IS 'When, as in the journal.';

CREATE TABLE workorder.consumer (
  tenant_id bigint NOT NULL,
  name text NOT NULL CHECK (name <> ''),
  number bigint NOT NULL,
  acknowledged_at timestamptz,
  PRIMARY KEY (tenant_id, name))
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE workorder.consumer IS 'Who reads events, and how far they have got. Kept by workorder.subscribe(), acknowledge() and unsubscribe().';
COMMENT ON COLUMN workorder.consumer.tenant_id IS 'Whose events.';
COMMENT ON COLUMN workorder.consumer.name IS 'Name of the consumer.';
COMMENT ON COLUMN workorder.consumer.number IS 'The last event that it has dealt with.';
COMMENT ON COLUMN workorder.consumer.acknowledged_at IS 'When it said so; null if it never has.';
ALTER TABLE workorder.consumer ALTER COLUMN tenant_id SET DEFAULT workorder.tenant_id();
ALTER TABLE workorder.consumer ADD CONSTRAINT consumer_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES workorder.tenant (id);
$ddl$;
COMMENT ON FUNCTION workorder.outbox_parts() IS
'The tables of events and their consumers, as workorder.parts() reads them.';

CREATE FUNCTION workorder.publish_events(relation regclass, published boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = publish_events.relation AND t.tgname = '_workorder_record' AND t.tgparentid = 0) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('table %s is not guarded', coalesce(publish_events.relation::text, 'null')),
      DETAIL = 'Events are entries of the journal.', HINT = 'Give it a flow with workorder.guard().';
  END IF;
  IF publish_events.published IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'argument "published" is missing',
      DETAIL = 'It must not be null.', HINT = 'Give true to publish events, false to stop.';
  END IF;
  UPDATE workorder.guarded g SET published = publish_events.published
  WHERE g.relation = publish_events.relation AND g.published <> publish_events.published;
  IF FOUND THEN
    PERFORM workorder.make_record_trigger(publish_events.relation);
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.publish_events(regclass, boolean) IS
'From the next statement on, every change of a guarded table that is journalled becomes an event, or (false) none does; what was published before stays. Other tables pay nothing. Waits for those who are writing the table. Needs to own the table. Raises WO404 for a table that is not guarded.';

CREATE FUNCTION workorder.subscribe(consumer text, since bigint DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_subscribe';
COMMENT ON FUNCTION workorder.subscribe(text, bigint) IS
'Makes a consumer of the current tenant''s events, and returns the number of the last event that it does not get: everything that is committed from now on, or what comes after the event since, as far as it is kept (0 for all of it). A consumer that is there stays where it is, unless since is given. Needs EXECUTE and nothing else. Raises WO400 for an empty name or a negative number, WO404 if there is the tenant does not exist, WO409 outside of READ COMMITTED.';

CREATE FUNCTION workorder.events(consumer text, max int DEFAULT 1000)
RETURNS TABLE (number bigint, relation regclass, ticket_id bigint, revision int, at timestamptz, actor_id bigint,
  for_actor bigint, action text, from_state text, to_state text, note text, changes jsonb, key text)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 100
AS 'MODULE_PATHNAME', 'workorder_events';
COMMENT ON FUNCTION workorder.events(text, int) IS
'The next events of a consumer of the current tenant, in order, and the same ones again until acknowledge(). All of them, whoever may see the tickets: give EXECUTE to whom they are for, who needs nothing else. Events of a ticket come in the order of its revisions; what commits late comes late, and nothing is left out. Whoever reads for the same consumer meanwhile waits until the transaction ends. What a maintenance has taken from the journal has no action. Raises WO400 for a max below 1, WO404 for a consumer that is not there, WO409 outside of READ COMMITTED.';

CREATE FUNCTION workorder.acknowledge(consumer text, number bigint) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_acknowledge';
COMMENT ON FUNCTION workorder.acknowledge(text, bigint) IS
'Says that a consumer of the current tenant has dealt with all events up to this one. In one transaction with what it does about them, that happens exactly once. Never goes back. Needs EXECUTE and nothing else. Raises WO400 for an event that is not there, WO404 for a consumer that is not there.';

CREATE FUNCTION workorder.unsubscribe(consumer text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM workorder.consumer c WHERE c.tenant_id = workorder.tenant_id() AND c.name = unsubscribe.consumer;
  RETURN FOUND;
END
$$;
COMMENT ON FUNCTION workorder.unsubscribe(text) IS
'Removes a consumer of the current tenant, for which no event is kept any more; false if there was none. Needs to own workorder.consumer.';

CREATE FUNCTION workorder.forget_events(older_than interval DEFAULT '24 hours') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  forgotten bigint;
  unwanted bigint;
BEGIN
  DELETE FROM workorder.event e
  WHERE e.at < now() - forget_events.older_than
    AND NOT EXISTS (SELECT FROM workorder.consumer c WHERE c.tenant_id = e.tenant_id AND c.number < e.number);
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  DELETE FROM workorder.outbox o
  WHERE o.at < now() - forget_events.older_than
    AND NOT EXISTS (SELECT FROM workorder.consumer c WHERE c.tenant_id = o.tenant_id);
  GET DIAGNOSTICS unwanted = ROW_COUNT;
  RETURN forgotten + unwanted;
END
$$;
COMMENT ON FUNCTION workorder.forget_events(interval) IS
'Forgets the events of all tenants that are older and that every consumer has dealt with, and returns how many. For a job that runs every hour or so. Needs to own the tables. The journal keeps its entries.';
