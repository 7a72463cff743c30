-- One act on each guarded table, whichever is allowed to somebody in a random
-- order of tickets and people; says where nothing could be done.
DO $$
DECLARE
  g record;
  ticket bigint;
  who text;
  step text;
  done int;
  before int;
  after int;
BEGIN
  PERFORM setseed(0.7);
  FOR g IN SELECT * FROM workorder.guarded ORDER BY id LOOP
    done := 0;
    FOR round IN 1..400 LOOP
      EXIT WHEN done = 3;
      EXECUTE format('SELECT id, revision FROM %s ORDER BY random() LIMIT 1', g.relation) INTO ticket, before;
      SELECT a.login INTO who FROM workorder.actor a JOIN workorder.membership m ON m.tenant_id = a.tenant_id AND m.actor_id = a.id
      WHERE a.tenant_id = 1 AND starts_with(m.role, split_part(g.relation::text, '.', 1) || '.') ORDER BY random() LIMIT 1;
      PERFORM set_config('workorder.actor', who, true);
      SELECT a.action INTO step FROM workorder.actions(g.relation, ticket) a
      WHERE a.allowed AND a.needs <@ '{note}' AND a.action NOT IN ('view', 'delete') ORDER BY random() LIMIT 1;
      CONTINUE WHEN step IS NULL;
      BEGIN
        SELECT a.revision INTO after FROM workorder.act(g.relation, ticket, step, 'after the upgrade') a;
      EXCEPTION WHEN SQLSTATE 'WO400' THEN
        CONTINUE;                 -- it wants more than a note
      END;
      IF after IS DISTINCT FROM before + 1 THEN
        RAISE EXCEPTION '% of % %: revision % after %', step, g.relation, ticket, after, before;
      END IF;
      done := done + 1;
    END LOOP;
    IF done < 3 THEN
      RAISE EXCEPTION 'only % acts on %', done, g.relation;
    END IF;
  END LOOP;
END
$$;
