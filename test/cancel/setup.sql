-- Much of everything, in the database of test/crash/setup.sql; the history of
-- one ticket has 50 times :rounds lines.
SET client_min_messages = warning;
SET workorder.actor = 'client1';
SELECT workorder.publish_events('job');
INSERT INTO job (id) SELECT n FROM generate_series(1001, 21000) n;
-- half of them have a deadline, the others a second line
UPDATE job SET action = 'next' WHERE id > 11000;
-- one ticket with a long history
CREATE PROCEDURE lengthen(rounds int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..rounds LOOP
    FOR j IN 1..50 LOOP
      UPDATE job SET action = 'next', note = 'note ' || j, done = j WHERE id = 1;
    END LOOP;
    COMMIT;
  END LOOP;
END
$$;
CALL lengthen(:rounds);
-- A flow of many states; and one for whose steps there are too few people, each
-- with a role of their own, so that all ways to share them out are tried.
CREATE VIEW many_states AS
  SELECT jsonb_build_object('id', 'big', 'initial', 's0', 'on', '{"create": {"allow": "*"}, "view": {"allow": "*"}}'::jsonb,
    'states', jsonb_object_agg('s' || n, CASE n WHEN 400 THEN '{"type": "final"}' ELSE
      jsonb_build_object('on', (SELECT jsonb_object_agg('a' || a, jsonb_build_object('target', 's' || (n + a) % 401, 'allow', '*'))
        FROM generate_series(1, 20) a)) END)) AS flow
  FROM generate_series(0, 400) n;
SELECT count(workorder.enrol('p' || n, 'P', ARRAY['r' || n])) FROM generate_series(1, 40) n;
CREATE VIEW many_hands AS
  SELECT jsonb_build_object('id', 'hands', 'roles', r.roles, 'initial', 's0', 'on', '{"create": {"allow": "*"}, "view": {"allow": "*"}}'::jsonb,
    'states', jsonb_object_agg('s' || n, CASE n WHEN 9 THEN '{"type": "final"}' ELSE
      jsonb_build_object('on', jsonb_build_object('a' || n, jsonb_build_object('target', 's' || n + 1, 'allow', r.roles, 'quorum', 5,
        'exclude', (SELECT coalesce(jsonb_agg('a' || e), '[]') FROM generate_series(0, n - 1) e)))) END)) AS flow
  FROM generate_series(0, 9) n, (SELECT jsonb_agg('r' || n) AS roles FROM generate_series(1, 40) n) r
  GROUP BY r.roles;
