\set id random(1, :tickets)
WITH moved AS (
  UPDATE plain.ticket_edit
  SET state = CASE state WHEN 'open' THEN 'working' WHEN 'working' THEN 'waiting' WHEN 'waiting' THEN 'review'
                         WHEN 'review' THEN 'escalated' ELSE 'open' END,
      priority = (priority + 1) % 5,
      revision = revision + 1, acted_by = 1, entered_at = now(), updated_at = now(), last_action = 'next', last_note = NULL
  WHERE tenant_id = 1 AND id = :id
  RETURNING tenant_id, id, revision, state, acted_by, updated_at, last_action, last_note, priority)
INSERT INTO plain.journal (tenant_id, guarded_id, ticket_id, revision, at, actor_id, action, from_state, to_state, note, changes)
SELECT tenant_id, 6, id, revision, updated_at, acted_by, last_action,
       CASE state WHEN 'working' THEN 'open' WHEN 'waiting' THEN 'working' WHEN 'review' THEN 'waiting'
                  WHEN 'escalated' THEN 'review' ELSE 'escalated' END,
       state, last_note, jsonb_build_object('priority', jsonb_build_array((priority + 4) % 5, priority))
FROM moved;
