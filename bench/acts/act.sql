\set id random(1, :tickets)
SELECT workorder.act('public.ticket_act', :id, 'next');
