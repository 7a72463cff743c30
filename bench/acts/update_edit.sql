\set id random(1, :tickets)
UPDATE public.ticket_update SET action = 'next', priority = (priority + 1) % 5 WHERE tenant_id = 1 AND id = :id;
