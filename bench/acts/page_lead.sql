\set cursor random(100000, :tickets)
SELECT id, state, title, priority, assignee_id, created_at, updated_at
FROM public.ticket_page WHERE id < :cursor ORDER BY id DESC LIMIT 50;
