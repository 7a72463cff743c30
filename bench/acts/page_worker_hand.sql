\set cursor random(200000, :tickets)
SELECT id, state, title, priority, assignee_id, created_at, updated_at
FROM public.ticket_page WHERE tenant_id = 7 AND assignee_id = :worker AND id < :cursor ORDER BY id DESC LIMIT 50;
