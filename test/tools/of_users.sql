-- What users may have made on the engine's own tables, which are theirs: columns
-- with a default, generated, checked and gone, an index on a function, and
-- triggers.  verify() tells of the triggers ("trigger_added"), one on each table.
CREATE FUNCTION lowered(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower($1) || (SELECT max(x) FROM (VALUES ('a')) v(x)) $$;
CREATE FUNCTION looks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM count(*) FROM pg_class;
  RETURN coalesce(NEW, OLD);
END $$;
DO $$
DECLARE
  t regclass;
BEGIN
  FOREACH t IN ARRAY ARRAY['workorder.journal', 'workorder.outbox', 'workorder.timer', 'workorder.actor', 'workorder.flow', 'workorder.guarded', 'workorder.membership']::regclass[] LOOP
    EXECUTE format('ALTER TABLE %s ADD COLUMN of_users text NOT NULL DEFAULT ''a'' || 1, ADD COLUMN of_users_made text GENERATED ALWAYS AS (''x'') STORED,
      ADD COLUMN of_users_gone int, ADD CONSTRAINT of_users CHECK (of_users <> ''b'')', t);
    EXECUTE format('ALTER TABLE %s DROP COLUMN of_users_gone', t);
    EXECUTE format('CREATE INDEX ON %s (lowered(of_users))', t);
    EXECUTE format('CREATE TRIGGER of_users BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION looks()', t);
  END LOOP;
END $$;
