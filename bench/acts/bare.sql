\set id random(1, :tickets)
UPDATE plain.ticket_bare
SET state = CASE state WHEN 'open' THEN 'working' WHEN 'working' THEN 'waiting' WHEN 'waiting' THEN 'review'
                       WHEN 'review' THEN 'escalated' ELSE 'open' END,
    revision = revision + 1, acted_by = 1, entered_at = now(), updated_at = now(), last_action = 'next', last_note = NULL
WHERE tenant_id = 1 AND id = :id;
