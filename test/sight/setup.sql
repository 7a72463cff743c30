-- What the sight test needs in its database besides the engine.
CREATE SCHEMA sight;
INSERT INTO workorder.tenant (id, name) VALUES (2, 'other');

-- Puts tickets, and something of everything that hangs on a ticket, into a
-- table: [{"tenant_id", "id", "state", "tag", ...}].  Each says its tag.
CREATE FUNCTION sight.fill(t regclass, tickets jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  relation int := (SELECT g.id FROM workorder.guarded g WHERE g.relation = t);
BEGIN
  EXECUTE format('INSERT INTO %s (tenant_id, id, n, m, s, b, holder_id, mate_id, tag, state, revision, flow_id, creator_id, created_at, entered_at, updated_at)
    SELECT tenant_id, id, n, m, s, b, holder_id, mate_id, tag, state, 0, flow_id, creator_id, %2$L, %2$L, %2$L
    FROM jsonb_populate_recordset(NULL::%1$s, $1)', t, '2000-01-01 00:00+00') USING tickets;
  CREATE TEMP TABLE filled ON COMMIT DROP AS
  SELECT * FROM jsonb_to_recordset(tickets) AS x (tenant_id bigint, id bigint, state text, tag text);
  INSERT INTO workorder.journal
  SELECT f.tenant_id, relation, f.id, 0, '2000-01-01 00:00+00', NULL, NULL, 'import', NULL, f.state, f.tag,
    jsonb_build_object('tag', jsonb_build_array(NULL, f.tag)), sha256('') FROM filled f;
  INSERT INTO workorder.reply (tenant_id, guarded_id, ticket_id, at, content)
  SELECT f.tenant_id, relation, f.id, now(), f.tag FROM filled f;
  INSERT INTO workorder.attachment
  SELECT f.tenant_id, sha256(f.tag::bytea), f.tag::bytea FROM filled f ON CONFLICT DO NOTHING;
  INSERT INTO workorder.attached
  SELECT f.tenant_id, gen_random_uuid(), relation, f.id, sha256(f.tag::bytea), 1, 'text/plain', f.tag, NULL, now() FROM filled f;
  PERFORM workorder.retime(t);
  PERFORM workorder.count_rows(t);
END
$$;

-- What a statement tells of a ticket: its answer as text, null for "not found".
-- Whatever it has done is undone.
CREATE FUNCTION sight.told(statement text) RETURNS text
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  answer text;
BEGIN
  EXECUTE statement INTO answer;
  RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = coalesce(answer, '');
EXCEPTION
  WHEN SQLSTATE 'ZZ000' THEN RETURN SQLERRM;
  WHEN SQLSTATE 'WO404' THEN RETURN NULL;
END
$$;

-- Whether a statement reaches a ticket, be it refused: then it touches a row, or
-- raises an error, other than that the ticket was not found.
CREATE FUNCTION sight.touched(statement text, called boolean) RETURNS boolean
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  n bigint;
BEGIN
  EXECUTE statement;
  GET DIAGNOSTICS n = ROW_COUNT;
  RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = n;
EXCEPTION
  WHEN SQLSTATE 'ZZ000' THEN RETURN SQLERRM <> '0';
  WHEN SQLSTATE 'WO404' THEN RETURN NOT called;
  WHEN SQLSTATE 'WO400' OR SQLSTATE 'WO403' OR SQLSTATE 'WO409' OR insufficient_privilege THEN RETURN true;
END
$$;

-- Everything that one person is told of a table, door by door, as tags or ids.
CREATE FUNCTION sight.look(who text, tenant bigint, t regclass, ids bigint[], actions text[], leaf text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  result jsonb;
  one jsonb;
  door record;
BEGIN
  PERFORM set_config('workorder.tenant', tenant::text, false);
  PERFORM set_config('workorder.actor', who, false);
  EXECUTE format($q$SELECT jsonb_build_object(
    'table', (SELECT jsonb_agg(x.tag) FROM %1$s x),
    'table by id', (SELECT jsonb_agg(x.tag) FROM unnest($1) i JOIN %1$s x ON x.id = i),
    'count', (SELECT count(*) FROM %1$s),
    'count by tag', (SELECT count(*) FROM %1$s x WHERE x.tag LIKE 't%%'),
    'search', (SELECT jsonb_agg(x.tag) FROM %1$s x WHERE workorder.contains(x.tag, 't')),
    'total', workorder.total(%2$L::regclass),
    'total of a state', workorder.total(%2$L::regclass, ARRAY[$2]),
    'history', (SELECT jsonb_agg(h.note) FROM workorder.history h WHERE h.relation = %2$L::regclass),
    'history by id', (SELECT jsonb_agg(h.note) FROM workorder.history h WHERE h.relation = %2$L::regclass AND h.ticket_id = ANY ($1)),
    'replies', (SELECT jsonb_agg(r.content) FROM workorder.replies(%2$L::regclass, $1) r),
    'files', (SELECT jsonb_agg(a.filename) FROM workorder.attachments a WHERE a.relation = %2$L::regclass),
    'bytes', (SELECT jsonb_agg(convert_from(a.content, 'UTF8')) FROM workorder.attachments a WHERE a.relation = %2$L::regclass),
    'overdue', (SELECT jsonb_agg(DISTINCT o.ticket_id) FROM workorder.overdue o WHERE o.relation = %2$L::regclass),
    'permitted', (SELECT jsonb_object_agg(p.id, to_jsonb(p.permitted)) FROM workorder.permitted(%2$L::regclass, $1, $3) p),
    'visible', (SELECT jsonb_agg(i) FROM unnest($1) i WHERE workorder.visible(%2$L::regclass, i)))$q$, t, t::text)
  INTO result USING ids, leaf, actions;

  -- tickets that an answer is given of
  FOR door IN SELECT * FROM (VALUES
    ('actions', 'SELECT count(*) FROM workorder.actions(%L::regclass, %s)'),
    ('can', 'SELECT workorder.can(%L::regclass, %s, ''update'')'),
    ('explain', 'SELECT count(*) FROM workorder.explain(%L::regclass, %s, ''update'')'),
    ('engine_values', 'SELECT creator_id FROM workorder.engine_values(%L::regclass, %s)'),
    ('eligible', 'SELECT count(*) FROM workorder.eligible(%L::regclass, %s)'),
    ('clocks', 'SELECT count(*) FROM workorder.clocks(%L::regclass, %s)'),
    ('why', 'SELECT workorder.why(%L::regclass, %s)'),
    ('diagram', 'SELECT workorder.diagram(%L::regclass, %s, ''mermaid''::text)')) v (name, statement)
  LOOP
    SELECT jsonb_agg(i) INTO one FROM unnest(ids) i WHERE sight.told(format(door.statement, t, i)) IS NOT NULL;
    result := result || jsonb_build_object(door.name, one);
  END LOOP;
  SELECT jsonb_agg(sight.told(format('SELECT workorder.as_of(%L::regclass, %s, ''infinity'') ->> ''tag''', t, i)))
    FILTER (WHERE sight.told(format('SELECT workorder.as_of(%L::regclass, %s, ''infinity'') ->> ''tag''', t, i)) IS NOT NULL)
  INTO one FROM unnest(ids) i;
  result := result || jsonb_build_object('as_of', one);

  -- tickets that an order reaches, be it refused
  FOR door IN SELECT * FROM (VALUES
    ('act', 'SELECT workorder.act(%L::regclass, %s, ''update'')'),
    ('update', 'UPDATE %s SET action = ''update'' WHERE id = %s'),
    ('delete', 'DELETE FROM %s WHERE id = %s'),
    ('lock', 'SELECT FROM %s WHERE id = %s FOR NO KEY UPDATE')) v (name, statement)
  LOOP
    SELECT jsonb_agg(i) INTO one FROM unnest(ids) i WHERE sight.touched(format(door.statement, t, i), door.name = 'act');
    result := result || jsonb_build_object(door.name, one);
  END LOOP;
  RETURN result;
END
$$;
