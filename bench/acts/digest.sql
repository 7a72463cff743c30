\set id random(1, :tickets)
WITH moved AS (
  UPDATE plain.ticket_digest
  SET state = CASE state WHEN 'open' THEN 'working' WHEN 'working' THEN 'waiting' WHEN 'waiting' THEN 'review'
                         WHEN 'review' THEN 'escalated' ELSE 'open' END,
      revision = revision + 1, acted_by = 1, entered_at = now(), updated_at = now(), last_action = 'next', last_note = NULL,
      digest = sha256(digest || convert_to(concat_ws(' ', tenant_id, 2, id, revision + 1, extract(epoch FROM now()), 1, 'next', state), 'UTF8'))
  WHERE tenant_id = 1 AND id = :id
  RETURNING tenant_id, id, revision, state, acted_by, updated_at, last_action, last_note, digest)
INSERT INTO plain.journal (tenant_id, guarded_id, ticket_id, revision, at, actor_id, action, from_state, to_state, note, digest)
SELECT tenant_id, 2, id, revision, updated_at, acted_by, last_action,
       CASE state WHEN 'working' THEN 'open' WHEN 'waiting' THEN 'working' WHEN 'review' THEN 'waiting'
                  WHEN 'escalated' THEN 'review' ELSE 'escalated' END,
       state, last_note, digest
FROM moved;
