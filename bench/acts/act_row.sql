\set id random(1, :tickets)
SELECT revision, state FROM workorder.act('public.ticket_act', :id, 'next');
