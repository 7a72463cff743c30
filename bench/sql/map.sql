-- 500 tickets, most of them with two replies and two lines of history.
\o /dev/null
SET client_min_messages = warning;
GRANT SET ON PARAMETER workorder.actor TO workorder_user;
INSERT INTO dispatch.ticket (content, staff_id, creator_id, state, revision, created_at, entered_at, updated_at)
SELECT repeat('x', 200), CASE WHEN workorder.state_of_code('dispatch', s.code::text) <> 'open.new' THEN b.actor_id END, a.actor_id, workorder.state_of_code('dispatch', s.code::text), 0, now(), now(), now()
FROM generate_series(1, 495) i (n) JOIN dispatch.steps() s ON s.code = 1 + i.n % 8
JOIN dispatch.person a ON a.userid = 1001 JOIN dispatch.person b ON b.userid = 2001;
SET workorder.actor = 'superadmin';
SELECT workorder.act('dispatch.ticket', t.id, 'assign') FROM dispatch.ticket t WHERE t.state LIKE 'open.%';
SELECT workorder.add_reply('dispatch.ticket', t.id, 'hello', jsonb_build_object('uuid', gen_random_uuid()))
FROM dispatch.ticket t, generate_series(1, 2) WHERE t.state NOT IN ('closed', 'cancel');
VACUUM ANALYZE;

-- The list as it is, but for the map.
SELECT format('CREATE FUNCTION public.list_without_map(ids bigint[], capacity text[]) RETURNS jsonb LANGUAGE plpgsql STABLE
  SET search_path = pg_catalog, pg_temp AS %L',
  replace(replace(p.prosrc, 'JOIN dispatch.permissions(ids, capacity) m ON m.id = t.id', ''), 'm.permission', '''{}''::jsonb'))
FROM pg_proc p WHERE p.oid = 'dispatch.ticket_list(bigint[], text[])'::regprocedure \gexec

CREATE FUNCTION public.measure(rounds int, OUT with_map numeric, OUT without_map numeric, OUT ratio numeric, OUT lowest numeric, OUT highest numeric)
LANGUAGE plpgsql AS $$
DECLARE
  ids CONSTANT bigint[] := ARRAY(SELECT t.id FROM dispatch.ticket t);
  began timestamptz;
  a numeric[];
  b numeric[];
BEGIN
  FOR i IN 1 .. rounds LOOP
    began := clock_timestamp();
    PERFORM dispatch.ticket_list(ids, '{dispatch.scheduler}');
    a[i] := 1000 * extract(epoch FROM clock_timestamp() - began);
    began := clock_timestamp();
    PERFORM public.list_without_map(ids, '{dispatch.scheduler}');
    b[i] := 1000 * extract(epoch FROM clock_timestamp() - began);
  END LOOP;
  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t.a), percentile_cont(0.5) WITHIN GROUP (ORDER BY t.b),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY t.a / t.b), min(t.a / t.b), max(t.a / t.b)
  INTO with_map, without_map, ratio, lowest, highest
  FROM unnest(a, b) AS t (a, b);
END
$$;

CREATE FUNCTION public.one(n int) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  began CONSTANT timestamptz := clock_timestamp();
  asked CONSTANT text[] := '{reply,assign,fix,close,reopen,ask,cancel}';
BEGIN
  FOR i IN 1 .. n LOOP
    PERFORM workorder.permitted('dispatch.ticket', '{3}', asked);
  END LOOP;
  RETURN 1000000 * extract(epoch FROM clock_timestamp() - began) / n;
END
$$;
\o

SET ROLE workorder_user;
SELECT format('%s tickets in %s ms with the map, %s ms without: %s times as much (%s to %s)',
  (SELECT count(*) FROM dispatch.ticket), round(m.with_map, 1), round(m.without_map, 1), round(m.ratio, 2), round(m.lowest, 2), round(m.highest, 2))
FROM public.measure(:rounds) m;
SELECT format('the map of one ticket in %s microseconds', round(min(public.one(1000)), 1)) FROM generate_series(1, 10);
