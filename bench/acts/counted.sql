\set id random(1, :tickets)
UPDATE public.ticket_counted SET action = 'next' WHERE tenant_id = 1 AND id = :id;
