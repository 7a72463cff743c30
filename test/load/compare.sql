-- What the clients of load.js were told, against what is there.  Before: the
-- table told (system, ticket, lines, mark, key, sent), a row for every write
-- that was acknowledged.  Prints, each as name and number:
--
--   missing     marks that were acknowledged, and are not where they were put
--   twice       marks that are in more than one place
--   unheard     marks that are there, and nobody was told so
--   lines       tickets whose journal has more or fewer lines than were acknowledged
--   keys        keys of which there is not exactly one answer that is kept
--
-- psql variable: since, when the load began

-- The tickets that clients know by a name; those of the other systems go by number.
CREATE TEMPORARY VIEW tickets AS
SELECT 'active_job' AS system, 'active_job.orders'::regclass AS relation, id, order_id AS name FROM active_job.orders
UNION ALL SELECT 'dispatch', 'dispatch.ticket'::regclass, id, uuid FROM dispatch.ticket;

CREATE TEMPORARY VIEW guarded AS
SELECT g.id AS guarded_id, g.relation, n.nspname::text AS system
FROM workorder.guarded g
JOIN pg_class c ON c.oid = g.relation
JOIN pg_namespace n ON n.oid = c.relnamespace;

CREATE TEMPORARY TABLE acknowledged AS
SELECT t.system, g.guarded_id, coalesce(k.id, CASE WHEN t.ticket ~ '^\d+$' THEN t.ticket::bigint END) AS ticket_id,
  t.ticket, t.lines, nullif(t.mark, '') AS mark, t.key
FROM told t
JOIN guarded g ON g.system = t.system
LEFT JOIN tickets k ON k.system = t.system AND k.name = t.ticket;
ANALYZE acknowledged;

CREATE TEMPORARY TABLE found AS
SELECT j.guarded_id, j.ticket_id, v.mark
FROM workorder.journal j
CROSS JOIN LATERAL (
  SELECT j.note AS mark
  UNION ALL
  SELECT c.value ->> 1 FROM jsonb_each(j.changes) c WHERE jsonb_typeof(c.value) = 'array') v
WHERE v.mark LIKE 'mark:%'
UNION ALL
SELECT r.guarded_id, r.ticket_id, r.content FROM workorder.reply r WHERE r.content LIKE 'mark:%';
ANALYZE found;

SELECT 'missing', count(*) FROM acknowledged a
WHERE a.mark IS NOT NULL AND NOT EXISTS (
  SELECT FROM found f WHERE f.guarded_id = a.guarded_id AND f.ticket_id = a.ticket_id AND f.mark = a.mark);
SELECT 'twice', count(*) FROM (SELECT mark FROM found GROUP BY mark HAVING count(*) > 1) d;
SELECT 'unheard', count(*) FROM found f WHERE NOT EXISTS (SELECT FROM acknowledged a WHERE a.mark = f.mark);
SELECT 'lines', count(*)
FROM (SELECT guarded_id, ticket_id, sum(lines) AS n FROM acknowledged GROUP BY 1, 2) a
FULL JOIN (
  SELECT j.guarded_id, j.ticket_id, count(*) AS n FROM workorder.journal j
  WHERE j.at >= :'since' GROUP BY 1, 2) j USING (guarded_id, ticket_id)
WHERE a.n IS DISTINCT FROM j.n;
SELECT 'keys', count(*)
FROM (SELECT key, count(*) AS n FROM acknowledged GROUP BY 1) a
FULL JOIN (SELECT key, count(*) AS n FROM workorder.idempotency GROUP BY 1) i USING (key)
WHERE (a.n, i.n) IS DISTINCT FROM (1, 1);
