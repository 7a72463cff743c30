\set id random(1, :tickets)
BEGIN;
SELECT flow_id, state AS was, revision + 1 AS next_revision, assignee_id, title <> '' AS titled, clock_timestamp() AS moment
FROM plain.ticket_client WHERE tenant_id = 1 AND id = :id FOR NO KEY UPDATE \gset
SELECT r.target, (r.assignee AND :assignee_id = 1) OR EXISTS (
         SELECT FROM plain.membership m WHERE m.tenant_id = 1 AND m.actor_id = 1 AND m.role = ANY (r.roles)) AS permitted
FROM plain.rule r WHERE r.flow_id = :flow_id AND r.state = :was AND r.action = 'next' \gset
UPDATE plain.ticket_client
SET state = :target, revision = :next_revision, acted_by = 1, entered_at = :moment, updated_at = :moment,
    last_action = 'next', last_note = NULL
WHERE tenant_id = 1 AND id = :id;
INSERT INTO plain.journal (tenant_id, guarded_id, ticket_id, revision, at, actor_id, action, from_state, to_state, note)
VALUES (1, 5, :id, :next_revision, :moment, 1, 'next', :was, :target, NULL);
COMMIT;
