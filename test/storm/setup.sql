-- Beside what test/crash/setup.sql makes: 210 tickets for each of 12 clients,
-- and a step that goes on without what was cancelled in it.
-- what needs much memory
ALTER TABLE job ADD COLUMN memo text;
SELECT workorder.publish(replace(definition::text, '"done"', '"done", "memo"')::jsonb) FROM workorder.flow WHERE name = 'loop';
INSERT INTO job (id) SELECT 1000 * c + n FROM generate_series(1, 12) c, generate_series(0, 209) n;
CREATE FUNCTION step(ticket bigint, others bigint, mark text) RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM workorder.act('job', ticket, 'next', mark || ':first');
  BEGIN
    UPDATE job SET action = 'next', note = mark || ':then', done = done + 1 WHERE id BETWEEN others AND others + 199;
  EXCEPTION WHEN query_canceled THEN
    RETURN true;
  END;
  RETURN false;
END
$$;
CREATE TABLE acknowledged (note text, lines int);
CREATE INDEX ON workorder.journal (left(note, 40));
ANALYZE;
