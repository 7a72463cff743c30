-- What the walks need in their database besides the engine.
CREATE SCHEMA walks;

-- Takes the tickets of one table along their walks, a step of all of them at a
-- time, and returns every difference.  steps: an array of steps, each an array
-- of {"id", "kind", "action", "state", "values", "timer": [state, delay]}: kind
-- is create, act, after (a timer's time comes) or no (nothing reacts), state
-- where the ticket is then.  A ticket that has gone another way is left behind.
CREATE FUNCTION walks.play(t regclass, columns jsonb, steps jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  table_number CONSTANT int := (SELECT g.id FROM workorder.guarded g WHERE g.relation = t);
  names CONSTANT text := (SELECT string_agg(format(', %I', k), '' ORDER BY k) FROM jsonb_object_keys(columns) k);
  typed CONSTANT text := (SELECT string_agg(format(', (x."values" ->> %L)::%s AS %I', c.key, c.value, c.key), '' ORDER BY c.key) FROM jsonb_each_text(columns) c);
  assigned CONSTANT text := (SELECT string_agg(format(', %1$I = x.%1$I', k), '' ORDER BY k) FROM jsonb_object_keys(columns) k);
  source CONSTANT text := format('(SELECT x.id, x.action%s FROM walks.step x WHERE x.kind = $1) x', typed);
  differences jsonb := '[]';
  taken bigint := 0;
  step jsonb;
  number int := 0;
  more jsonb;
  one record;
  late bigint;
BEGIN
  FOR step IN SELECT value FROM jsonb_array_elements(steps) LOOP
    number := number + 1;
    TRUNCATE walks.step;
    INSERT INTO walks.step
    SELECT r.* FROM jsonb_to_recordset(step) AS r (id bigint, kind text, action text, state text, "values" jsonb, timer jsonb, entered boolean)
    WHERE NOT EXISTS (SELECT FROM walks.lost l WHERE l.id = r.id);
    taken := taken + (SELECT count(*) FROM walks.step x WHERE x.kind <> 'no');

    -- One statement for all; who is at fault is looked for only if there is somebody.
    BEGIN
      EXECUTE format('INSERT INTO %s (id%s) SELECT x.id%s FROM %s', t, names, names, source) USING 'create';
      EXECUTE format('UPDATE %s t SET action = x.action%s FROM %s WHERE t.tenant_id = 1 AND t.id = x.id', t, assigned, source) USING 'act';
    EXCEPTION WHEN OTHERS THEN
      FOR one IN SELECT * FROM walks.step x WHERE x.kind IN ('create', 'act') LOOP
        BEGIN
          IF one.kind = 'create' THEN
            EXECUTE format('INSERT INTO %s (id%s) SELECT x.id%s FROM %s WHERE x.id = $2', t, names, names, source) USING 'create', one.id;
          ELSE
            EXECUTE format('UPDATE %s t SET action = x.action%s FROM %s WHERE t.tenant_id = 1 AND t.id = x.id AND x.id = $2', t, assigned, source) USING 'act', one.id;
          END IF;
        EXCEPTION WHEN OTHERS THEN
          differences := differences || jsonb_build_object('what', one.kind, 'step', number, 'id', one.id, 'action', one.action, 'expected', one.state, 'got', SQLERRM);
          INSERT INTO walks.lost VALUES (one.id);
        END;
      END LOOP;
    END;

    -- The time of some timers comes; that of the others is days away.
    IF EXISTS (SELECT FROM walks.step x WHERE x.kind = 'after') THEN
      UPDATE workorder.timer c SET due_at = 'epoch', next_at = 'epoch'
      FROM walks.step x
      WHERE x.kind = 'after' AND c.tenant_id = 1 AND c.guarded_id = table_number AND c.ticket_id = x.id
        AND c.state = x.timer ->> 0 AND c.delay = x.timer ->> 1 AND c.next_at IS NOT NULL;
      GET DIAGNOSTICS late = ROW_COUNT;
      IF late <> (SELECT count(*) FROM walks.step x WHERE x.kind = 'after') THEN
        SELECT jsonb_agg(jsonb_build_object('what', 'timer', 'step', number, 'id', x.id, 'expected', x.timer, 'got', NULL)) INTO more
        FROM walks.step x
        WHERE x.kind = 'after' AND NOT EXISTS (SELECT FROM workorder.timer c WHERE c.guarded_id = table_number
          AND c.ticket_id = x.id AND c.state = x.timer ->> 0 AND c.delay = x.timer ->> 1 AND c.next_at = 'epoch');
        differences := differences || more;
      END IF;
      PERFORM workorder.sweep(1000000);
    END IF;

    EXECUTE format($q$
      SELECT coalesce(jsonb_agg(jsonb_build_object('what', x.kind, 'step', $2, 'id', x.id, 'action', coalesce(x.action, x.timer ->> 1), 'expected', x.state, 'got', t.state)), '[]')
      FROM walks.step x JOIN %1$s t ON t.tenant_id = 1 AND t.id = x.id
      WHERE t.state <> x.state OR (x.kind IN ('act', 'after') AND NOT x.entered AND t.entered_at = t.updated_at) OR (x.kind = 'no' AND workorder.can($1, x.id, x.action, changes => nullif(x."values", '{}')))$q$, t)
      INTO more USING t, number;
    differences := differences || more;
    INSERT INTO walks.lost SELECT (d ->> 'id')::bigint FROM jsonb_array_elements(more) d;
  END LOOP;
  DELETE FROM walks.lost;
  RETURN jsonb_build_object('taken', taken, 'differences', differences);
END
$$;

CREATE UNLOGGED TABLE walks.step (id bigint, kind text, action text, state text, "values" jsonb, timer jsonb, entered boolean);
CREATE UNLOGGED TABLE walks.lost (id bigint);
