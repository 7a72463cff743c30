-- The same tickets once more, counted; and two counted tables of one tenant,
-- one small and one large, to ask for their totals.  Expects the psql variables
-- tickets and total_rows.
CREATE TABLE ticket_counted (LIKE ticket_update INCLUDING ALL) WITH (fillfactor = 80);
SELECT workorder.guard('ticket_counted', 'bench', (SELECT jsonb_object_agg(e.name, e.name) FROM workorder.engine_columns() e));
INSERT INTO ticket_counted OVERRIDING SYSTEM VALUE SELECT * FROM ticket_update ORDER BY id;

-- Rows with a past: loaded without being judged, as a replica does it.
CREATE TABLE ticket_small (tenant_id bigint NOT NULL DEFAULT 1, id bigint NOT NULL, title text, detail text, priority int, assignee_id bigint, due_on date);
CREATE TABLE ticket_large (LIKE ticket_small INCLUDING ALL);
ALTER TABLE ticket_small ADD PRIMARY KEY (tenant_id, id);
ALTER TABLE ticket_large ADD PRIMARY KEY (tenant_id, id);
SELECT workorder.guard('ticket_small', 'bench');
SELECT workorder.guard('ticket_large', 'bench');
SET session_replication_role = replica;
INSERT INTO ticket_large (id, title, flow_id, state, revision, created_at, entered_at, updated_at)
SELECT g, 'ticket', (SELECT max(id) FROM workorder.flow WHERE name = 'bench'),
       ('{open,working,waiting,review,escalated}'::text[])[1 + g % 5], 0, now(), now(), now()
FROM generate_series(1, :total_rows) g;
INSERT INTO ticket_small SELECT * FROM ticket_large ORDER BY id LIMIT 10000;
RESET session_replication_role;
SELECT workorder.count_rows('ticket_counted'), workorder.count_rows('ticket_small'), workorder.count_rows('ticket_large');
VACUUM ANALYZE ticket_counted, ticket_small, ticket_large;
