-- A counted table that many write at once, and what they do to it.
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT workorder.enrol('writer', 'Writer', '{staff}');
INSERT INTO workorder.tenant (id, name) VALUES (2, 'another');
SET workorder.tenant = 2;
SELECT workorder.enrol('other', 'Other', '{staff}');
RESET workorder.tenant;
SELECT workorder.publish('{
  "id": "job", "roles": ["staff"], "initial": "a",
  "on": {"create": {"allow": ["staff"]}, "view": {"allow": ["staff"]}, "delete": {"allow": ["staff"]}, "update": {"allow": ["staff"]}},
  "states": {
    "a": {"on": {"next": {"target": "b", "allow": ["staff"]}, "end": {"target": "d", "allow": ["staff"]}}},
    "b": {"on": {"next": {"target": "c", "allow": ["staff"]}, "end": {"target": "d", "allow": ["staff"]}}},
    "c": {"on": {"next": {"target": "a", "allow": ["staff"]}, "end": {"target": "d", "allow": ["staff"]}}},
    "d": {"type": "final"}}}');
CREATE TABLE job (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, title text, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('job', 'job');
SELECT workorder.count_rows('job');

-- What total() said that count(*) did not, in one snapshot.
CREATE TABLE off (at timestamptz DEFAULT clock_timestamp(), who text, state text, total bigint, counted bigint);
CREATE FUNCTION look(who text) RETURNS void LANGUAGE sql VOLATILE AS $$
  INSERT INTO off (who, state, total, counted)
  SELECT look.who, s.state, workorder.total('job', CASE WHEN s.state <> 'all' THEN ARRAY[s.state] END),
    (SELECT count(*) FROM job j WHERE j.tenant_id = workorder.tenant_id() AND (s.state = 'all' OR j.state = s.state))
  FROM unnest('{a,b,c,d,all}'::text[]) s (state)
  WHERE workorder.total('job', CASE WHEN s.state <> 'all' THEN ARRAY[s.state] END)
    <> (SELECT count(*) FROM job j WHERE j.tenant_id = workorder.tenant_id() AND (s.state = 'all' OR j.state = s.state))
$$;

-- One of the things that happen to tickets.  What cannot be done is undone
-- together with what was done before it in the same block.
CREATE FUNCTION work(dice int, seed int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  picked bigint[] := ARRAY(SELECT id FROM job WHERE tenant_id = workorder.tenant_id() AND id % 50 = seed % 50 ORDER BY id LIMIT 8);
BEGIN
  BEGIN
    CASE
      WHEN dice < 35 THEN PERFORM workorder.act('job', picked[1], 'next');
      WHEN dice < 55 THEN UPDATE job SET action = 'next' WHERE tenant_id = workorder.tenant_id() AND id = picked[2];
      WHEN dice < 65 THEN INSERT INTO job (title) SELECT 'new' FROM generate_series(1, 1 + seed % 4);
      WHEN dice < 72 THEN UPDATE job SET action = 'next' WHERE tenant_id = workorder.tenant_id() AND id = ANY (picked);
      WHEN dice < 78 THEN DELETE FROM job WHERE tenant_id = workorder.tenant_id() AND id = ANY (picked[1:2]);
      WHEN dice < 82 THEN UPDATE job SET title = title || '!' WHERE tenant_id = workorder.tenant_id() AND id = picked[3];
      WHEN dice < 86 THEN UPDATE job SET action = 'end' WHERE tenant_id = workorder.tenant_id() AND id = picked[4];
      WHEN dice < 93 THEN
        INSERT INTO job (title) SELECT 'never' FROM generate_series(1, 3);
        PERFORM look('before it is undone');
        PERFORM 1 / 0;
      ELSE
        DELETE FROM job WHERE tenant_id = workorder.tenant_id() AND id = picked[1];
        INSERT INTO job (title, revision, state) VALUES ('brought in', 0, substr('abcd', 1 + seed % 4, 1));
        UPDATE job SET action = 'next' WHERE tenant_id = workorder.tenant_id() AND id = picked[2];
    END CASE;
  EXCEPTION WHEN division_by_zero OR deadlock_detected OR SQLSTATE 'WO409' OR SQLSTATE 'WO404' OR SQLSTATE 'WO400' THEN NULL;
  END;
END $$;

SET workorder.actor = 'writer';
INSERT INTO job (title) SELECT 'first' FROM generate_series(1, 400);
SET workorder.tenant = 2;
SET workorder.actor = 'other';
INSERT INTO job (title) SELECT 'first' FROM generate_series(1, 100);
