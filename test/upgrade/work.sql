-- The add-ons that are installed have been worked in: every flow has live
-- tickets in every state that one can rest in, and people, votes, timers,
-- totals and events on the way.
SET client_min_messages = warning;
SELECT workorder.publish_events(g.relation) FROM workorder.guarded g ORDER BY g.id;
SELECT workorder.subscribe('upgrade');

-- A walk: somebody, some ticket, something that is allowed.
DO $$
DECLARE
  g record;
  ticket bigint;
  who text;
  step text;
BEGIN
  PERFORM setseed(0.4);
  FOR round IN 1..150 LOOP
    FOR g IN SELECT * FROM workorder.guarded ORDER BY id LOOP
      EXECUTE format('SELECT id FROM %s ORDER BY random() LIMIT 1', g.relation) INTO ticket;
      SELECT a.login INTO who FROM workorder.actor a JOIN workorder.membership m ON m.tenant_id = a.tenant_id AND m.actor_id = a.id
      WHERE a.tenant_id = 1 AND starts_with(m.role, split_part(g.relation::text, '.', 1) || '.') ORDER BY random() LIMIT 1;
      PERFORM set_config('workorder.actor', who, true);
      SELECT a.action INTO step FROM workorder.actions(g.relation, ticket) a
      WHERE a.allowed AND a.needs <@ '{note}' AND a.action NOT IN ('view', 'delete') ORDER BY random() LIMIT 1;
      IF step IS NOT NULL THEN
        BEGIN
          PERFORM workorder.act(g.relation, ticket, step, 'on the way');
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
      END IF;
    END LOOP;
  END LOOP;
END
$$;

-- Where nobody came, tickets are brought in: copies of others, under other keys.
DO $$
DECLARE
  place record;
  ticket jsonb;
  state_column text;
  unique_texts text[];
  copy jsonb;
BEGIN
  FOR place IN
    SELECT g.relation, g.columns, s.path, s.code FROM workorder.guarded g
    JOIN workorder.flow f ON f.name = g.flow AND f.life = 'published', workorder.flow_states(f.definition) s
    WHERE s.kind IN ('atomic', 'final') ORDER BY g.id, s.path
  LOOP
    state_column := coalesce(place.columns ->> 'state', 'state');
    unique_texts := ARRAY(SELECT DISTINCT a.attname FROM pg_index i, pg_attribute a
      WHERE i.indrelid = place.relation AND i.indisunique AND a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND a.atttypid = 'text'::regtype);
    FOR ticket IN EXECUTE format('SELECT to_jsonb(t) FROM %s t WHERE NOT EXISTS (SELECT FROM %1$s x WHERE x.%I = $1) ORDER BY t.id LIMIT 20', place.relation, state_column)
      USING place.path
    LOOP
      SELECT ticket || coalesce(jsonb_object_agg(u, (ticket ->> u) || '-' || place.path) FILTER (WHERE ticket ->> u IS NOT NULL), '{}') INTO copy
      FROM unnest(unique_texts) u;
      copy := (copy || jsonb_build_object(state_column, place.path)) - 'digest';
      IF copy ? 'status' THEN
        copy := copy || jsonb_build_object('status', place.code);
      END IF;
      BEGIN
        EXECUTE format('INSERT INTO %s SELECT (jsonb_populate_record(NULL::%1$s, $1 || jsonb_build_object(''id'', (SELECT max(id) + 1 FROM %1$s), ''revision'', 0))).*', place.relation) USING copy;
        EXIT;
      EXCEPTION WHEN check_violation THEN NULL;
      END;
    END LOOP;
    PERFORM setval(pg_get_serial_sequence(place.relation::text, 'id'), 100000);
  END LOOP;
END
$$;
SELECT workorder.retime(relation) FROM workorder.guarded ORDER BY id;
SELECT workorder.acknowledge('upgrade', (SELECT max(number) FROM workorder.events('upgrade', 20)));
