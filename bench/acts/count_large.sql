SELECT count(*) FROM ticket_large WHERE tenant_id = 1 AND state IN ('open', 'review');
