-- A table whose events are published, that many write at once, and two consumers.
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT workorder.enrol('writer', 'Writer', '{staff}');
SELECT workorder.publish('{
  "id": "job", "initial": "a", "on": {"create": {"allow": "*"}, "view": {"allow": "*"}, "comment": {"allow": "*"}},
  "states": {"a": {"on": {"next": {"target": "b", "allow": "*"}}}, "b": {"on": {"next": {"target": "a", "allow": "*"}}}}}');
CREATE TABLE job (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('job', 'job');
SELECT workorder.publish_events('job');
INSERT INTO job SELECT FROM generate_series(1, 40);
SELECT workorder.subscribe('whole', 0), workorder.subscribe('parts', 0);
-- Something to have a transaction id by, long before the act.
CREATE TABLE early (x int);
CREATE TABLE heard (place bigint GENERATED ALWAYS AS IDENTITY, consumer text, number bigint, ticket_id bigint, revision int, action text);
-- One batch: read, dealt with and acknowledged together, or not at all.
CREATE FUNCTION consume(consumer text, max int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  last bigint;
BEGIN
  WITH batch AS (
    INSERT INTO heard (consumer, number, ticket_id, revision, action)
    SELECT consume.consumer, e.number, e.ticket_id, e.revision, e.action FROM workorder.events(consume.consumer, consume.max) e
    RETURNING number)
  SELECT max(b.number) INTO last FROM batch b;
  IF last IS NOT NULL THEN
    PERFORM workorder.acknowledge(consume.consumer, last);
  END IF;
  RETURN last;
END
$$;
