\set id random(1, :tickets)
UPDATE plain.ticket_triggers SET action = 'next' WHERE tenant_id = 1 AND id = :id;
