-- The ticket desk's permission map announces what happens: for 10,000 random
-- pairs of a ticket and a person, everything that the map says is tried, over
-- the same functions that the API calls, and taken back.

BEGIN;
SELECT plan(9);

SET LOCAL workorder.durable = off;
SELECT setseed(0.4711);

-- People with every set of roles; a few are not active, or nobody at all.
CREATE TEMP TABLE person AS
SELECT n, 'map' || n AS login, CASE WHEN n % 9 < 8 THEN roles END AS roles,
  dispatch.enrol(n, 'map' || n, 'map' || n, roles) AS id
FROM generate_series(1, 63) n,
  LATERAL (SELECT array_remove(ARRAY[
    CASE WHEN n & 1 > 0 THEN 'customer' END, CASE WHEN n & 2 > 0 THEN 'staff' END, CASE WHEN n & 4 > 0 THEN 'scheduler' END], NULL) AS roles) r;
SELECT workorder.disable(login) FROM person WHERE n % 21 = 0;

-- Tickets in every state, whoever made them and works on them.
INSERT INTO dispatch.ticket (uuid, content, staff_id, creator_id, state, revision, created_at, entered_at, updated_at)
SELECT 'map-' || i.n, 'x', CASE WHEN workorder.state_of_code('dispatch', s.code::text) <> 'open.new' AND random() < 0.9 THEN b.id END, a.id, workorder.state_of_code('dispatch', s.code::text), 0, now(), now(), now()
FROM generate_series(1, 800) i (n)
JOIN dispatch.steps() s ON s.code = 1 + i.n % 8
JOIN person a ON a.n = 1 + (i.n * 7919) % 63
JOIN person b ON b.n = 1 + (i.n * 104729 + i.n / 63) % 63;

CREATE ROLE permission_map_web;
SELECT dispatch.grant_access('permission_map_web');
GRANT SET ON PARAMETER workorder.actor TO permission_map_web;
GRANT SELECT ON person TO permission_map_web;

-- Half of the pairs are strangers, as most people are; the rest have a part in the ticket.
CREATE TEMP TABLE pair AS
(SELECT t.id, t.uuid, p.login, p.id AS actor_id
 FROM dispatch.ticket t JOIN person p ON p.id IN (t.creator_id, t.staff_id) ORDER BY random() LIMIT 1500)
UNION
(SELECT t.id, t.uuid, p.login, p.id FROM dispatch.ticket t, person p ORDER BY random() LIMIT 10000);
GRANT SELECT ON pair TO permission_map_web;
CREATE TEMP TABLE outcome (login text, id bigint, key text, said int, done boolean);
GRANT SELECT, INSERT ON outcome TO permission_map_web;

-- What happens, undone: the action by itself, and of some pairs the operation of the API.
CREATE FUNCTION pg_temp.try(ticket pair, key text, action text, over_api boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  fields CONSTANT jsonb := jsonb_build_object('uuid', ticket.uuid, 'status', key, 'reply', '{"content": "x"}'::jsonb);
BEGIN
  IF over_api AND key = 'reply' THEN
    PERFORM dispatch.create_reply(fields);
  ELSIF over_api THEN
    PERFORM dispatch.edit_ticket(fields);
  ELSIF key = 'reply' THEN
    PERFORM workorder.add_reply('dispatch.ticket', ticket.id, 'x');
  ELSE
    PERFORM workorder.act('dispatch.ticket', ticket.id, action);
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'TRIED';
EXCEPTION
  WHEN SQLSTATE 'TRIED' THEN RETURN true;
  WHEN SQLSTATE 'WO403' THEN RETURN false;
  WHEN SQLSTATE 'WO404' OR SQLSTATE 'WO409' THEN RETURN CASE WHEN NOT over_api THEN false END;
END
$$;

CREATE FUNCTION pg_temp.try_all() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  who record;
BEGIN
  FOR who IN SELECT p.login, array_agg(p.id) AS ids FROM pair p GROUP BY p.login LOOP
    PERFORM set_config('workorder.actor', who.login, true);
    INSERT INTO outcome
    SELECT who.login, p.id, k.key, coalesce((m.permission ->> k.key)::int, 0), pg_temp.try(p, k.key, k.action, p.id % 29 = 0)
    FROM pair p
    LEFT JOIN dispatch.permissions(who.ids) m ON m.id = p.id
    CROSS JOIN unnest('{reply,ASSIGNED,FIXED,CLOSED,REOPENED,PENDING,CANCEL}'::text[],
      '{reply,assign,fix,close,reopen,ask,cancel}'::text[]) AS k (key, action)
    WHERE p.login = who.login;
  END LOOP;
END
$$;

SET ROLE permission_map_web;
SELECT pg_temp.try_all();
RESET ROLE;

SELECT cmp_ok((SELECT count(*) FROM pair), '>=', 10000::bigint, '10,000 pairs');
SELECT is((SELECT count(*) FROM outcome), 7 * (SELECT count(*) FROM pair), 'all seven keys of each were tried');
SELECT is_empty('SELECT * FROM outcome WHERE (said = 1) IS DISTINCT FROM done', 'what the map says is what happens');
SELECT is_empty('SELECT key FROM outcome GROUP BY key HAVING count(*) FILTER (WHERE done) < 50 OR count(*) FILTER (WHERE NOT done) < 1000',
  'each key was permitted often, and refused often');
SELECT is((SELECT sum(revision) FROM dispatch.ticket), 0::bigint, 'trying has changed nothing');

-- The union of what each capacity permits is what all of them together permit,
-- and permitted() says what actions() says.
CREATE TEMP TABLE parts (login text, id bigint, actions text[], of_all text[], of_parts text[]);
GRANT SELECT, INSERT ON parts TO permission_map_web;
CREATE FUNCTION pg_temp.compare() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  who record;
  asked CONSTANT text[] := '{reply,assign,fix,close,reopen,ask,cancel,start,update,touch,create,view,nothing}';
BEGIN
  FOR who IN SELECT p.login, array_agg(p.id) AS ids FROM pair p GROUP BY p.login LOOP
    PERFORM set_config('workorder.actor', who.login, true);
    INSERT INTO parts
    SELECT who.login, m.id,
      ARRAY(SELECT a.action FROM workorder.actions('dispatch.ticket', m.id) a WHERE a.allowed AND a.action = ANY (asked) ORDER BY 1),
      ARRAY(SELECT unnest(m.permitted) ORDER BY 1),
      ARRAY(SELECT DISTINCT unnest(c.permitted)
            FROM unnest('{"{dispatch.customer,$creator_id}","{dispatch.staff,$staff_id}","{dispatch.scheduler}"}'::text[]) AS l (list),
              LATERAL workorder.permitted('dispatch.ticket', ARRAY[m.id], asked, l.list::text[]) c ORDER BY 1)
    FROM workorder.permitted('dispatch.ticket', who.ids, asked) m;
  END LOOP;
END
$$;
SET ROLE permission_map_web;
SELECT pg_temp.compare();
RESET ROLE;
SELECT cmp_ok((SELECT count(*) FROM parts), '>=', 4000::bigint, 'the tickets that people see');
SELECT is_empty('SELECT * FROM parts WHERE actions IS DISTINCT FROM of_all', 'permitted() says what actions() says');
SELECT is_empty('SELECT * FROM parts WHERE of_all IS DISTINCT FROM of_parts', 'the capacities make up the whole, and no more');
-- A capacity is a limit, not a claim.
SET LOCAL workorder.actor = 'map1';
SELECT is((SELECT count(*) FROM workorder.permitted('dispatch.ticket', ARRAY(SELECT t.id FROM dispatch.ticket t), '{assign}', '{dispatch.scheduler}') p
  WHERE p.permitted <> '{}'), 0::bigint, 'who does not hold a role gains nothing by naming it');

SELECT * FROM finish();
ROLLBACK;
