-- Approvals by name: the lists of tasks, who stands in for whom, and what may
-- be done to a task besides deciding it.

CREATE FUNCTION workorder.approval_tasks(votes jsonb)
RETURNS TABLE (number int, actor_id bigint, owner_id bigint, role text, open boolean, reminded_at timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  WITH task AS (
    SELECT (t.value ->> 'n')::int AS n, t.value AS task
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(approval_tasks.votes -> '$tasks') = 'array' THEN approval_tasks.votes -> '$tasks' ELSE '[]' END) t
    WHERE NOT t.value ? 'vote')
  SELECT t.n, (t.task ->> 'who')::bigint, (t.task ->> 'owner')::bigint, t.task ->> 'role',
    NOT EXISTS (SELECT FROM task o WHERE t.task -> 'after' @> to_jsonb(o.n)),
    to_timestamp((approval_tasks.votes ->> '$reminded')::bigint)
  FROM task t;
END;
COMMENT ON FUNCTION workorder.approval_tasks(jsonb) IS
'The undecided tasks that the column votes of a row holds: what workorder.task shows of the ticket. open: nobody else has to decide first.';

CREATE FUNCTION workorder.approval_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.task (
  tenant_id bigint NOT NULL,
  guarded_id int NOT NULL,
  ticket_id bigint NOT NULL,
  number int NOT NULL,
  actor_id bigint,
  owner_id bigint,
  role text,
  open boolean NOT NULL,
  state text NOT NULL,
  since timestamptz NOT NULL,
  due_at timestamptz,
  reminded_at timestamptz,
  PRIMARY KEY (tenant_id, guarded_id, ticket_id, number));
COMMENT ON TABLE workorder.task IS 'Who has to decide which ticket now. A shadow of the tickets'' votes, kept by their triggers in the same commit: what is decided is gone. Read it through the lists: my_tasks, group_tasks, overdue_tasks, open_tasks.';
COMMENT ON COLUMN workorder.task.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.task.guarded_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.task.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.task.number IS 'Which task of the ticket''s step.';
COMMENT ON COLUMN workorder.task.actor_id IS 'Who has it; null: whoever of the role claims it.';
COMMENT ON COLUMN workorder.task.owner_id IS 'Whose it is, if they have asked the other one for advice.';
COMMENT ON COLUMN workorder.task.role IS 'The role that it belongs to until it is claimed; null for a person''s own.';
COMMENT ON COLUMN workorder.task.open IS 'False while others have to decide first.';
COMMENT ON COLUMN workorder.task.state IS 'Leaf that the ticket is in.';
COMMENT ON COLUMN workorder.task.since IS 'When the ticket came there.';
COMMENT ON COLUMN workorder.task.due_at IS 'By when it should be decided ("due" in the flow); null for no such time.';
COMMENT ON COLUMN workorder.task.reminded_at IS 'When its people were reminded last.';
CREATE INDEX task_actor ON workorder.task (tenant_id, actor_id, since, guarded_id, ticket_id, number);
CREATE INDEX task_owner ON workorder.task (tenant_id, owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX task_unclaimed ON workorder.task (tenant_id, since, guarded_id, ticket_id, number) WHERE actor_id IS NULL;

CREATE TABLE workorder.participant (
  tenant_id bigint NOT NULL,
  guarded_id int NOT NULL,
  ticket_id bigint NOT NULL,
  revision int NOT NULL,
  kind text NOT NULL CHECK (kind IN ('started', 'decided', 'copied')),
  actor_id bigint NOT NULL,
  at timestamptz NOT NULL,
  action text NOT NULL,
  PRIMARY KEY (tenant_id, guarded_id, ticket_id, revision, kind, actor_id));
COMMENT ON TABLE workorder.participant IS 'What people had to do with tickets of flows that have approvers: started, decided, or been copied in. Follows from the journal; read it through started_by_me, decided_by_me and copied_to_me.';
COMMENT ON COLUMN workorder.participant.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.participant.guarded_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.participant.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.participant.revision IS 'Journal entry that tells of it.';
COMMENT ON COLUMN workorder.participant.kind IS 'started, decided or copied.';
COMMENT ON COLUMN workorder.participant.actor_id IS 'Who: of a decision by a deputy, both.';
COMMENT ON COLUMN workorder.participant.at IS 'When.';
COMMENT ON COLUMN workorder.participant.action IS 'By which action.';
CREATE INDEX participant_actor ON workorder.participant (tenant_id, actor_id, kind, at, guarded_id, ticket_id, revision);

CREATE TABLE workorder.deputy (
  tenant_id bigint NOT NULL,
  actor_id bigint NOT NULL,
  deputy_id bigint NOT NULL CHECK (deputy_id <> actor_id),
  since timestamptz NOT NULL,
  until timestamptz CHECK (until > since),
  PRIMARY KEY (tenant_id, actor_id, deputy_id, since));
COMMENT ON TABLE workorder.deputy IS 'Who stands in for whom, and when: the deputy decides the other''s tasks, in their name. Kept by workorder.deputise().';
COMMENT ON COLUMN workorder.deputy.tenant_id IS 'Whose people.';
COMMENT ON COLUMN workorder.deputy.actor_id IS 'Who is away.';
COMMENT ON COLUMN workorder.deputy.deputy_id IS 'Who stands in.';
COMMENT ON COLUMN workorder.deputy.since IS 'From when.';
COMMENT ON COLUMN workorder.deputy.until IS 'Until when, that moment not included; null for good.';
ALTER TABLE workorder.deputy ADD CONSTRAINT deputy_tenant_id_actor_id_fkey FOREIGN KEY (tenant_id, actor_id) REFERENCES workorder.actor (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE workorder.deputy ADD CONSTRAINT deputy_tenant_id_deputy_id_fkey FOREIGN KEY (tenant_id, deputy_id) REFERENCES workorder.actor (tenant_id, id) ON DELETE CASCADE;
CREATE INDEX deputy_deputy ON workorder.deputy (tenant_id, deputy_id, actor_id);

CREATE VIEW workorder.my_tasks WITH (security_barrier = true) AS
SELECT t.since, t.guarded_id, t.ticket_id, t.number, g.relation, t.state, t.due_at, t.reminded_at, t.owner_id, NULL::bigint AS for_actor,
  CASE WHEN g.key_columns IS NULL THEN t.ticket_id::text ELSE workorder.key_of(g.relation, t.ticket_id) END AS key
FROM workorder.task t JOIN workorder.guarded g ON g.id = t.guarded_id
WHERE t.tenant_id = workorder.tenant_id() AND t.actor_id = workorder.actor_id() AND t.open
UNION ALL
SELECT t.since, t.guarded_id, t.ticket_id, t.number, g.relation, t.state, t.due_at, t.reminded_at, t.owner_id, t.actor_id,
  CASE WHEN g.key_columns IS NULL THEN t.ticket_id::text ELSE workorder.key_of(g.relation, t.ticket_id) END
FROM workorder.deputy d
JOIN workorder.task t ON t.tenant_id = d.tenant_id AND t.actor_id = d.actor_id AND t.open AND t.owner_id IS NULL
JOIN workorder.guarded g ON g.id = t.guarded_id
WHERE d.tenant_id = workorder.tenant_id() AND d.deputy_id = workorder.actor_id()
  AND d.since <= workorder.clock() AND (d.until IS NULL OR workorder.clock() < d.until)
  -- Everybody decides a step once, for themselves or for one other.
  AND t.actor_id = workorder.decides_for(g.relation, t.ticket_id);
COMMENT ON VIEW workorder.my_tasks IS 'What the caller has to decide now, and, with for_actor, what they may decide now for whom they stand in. Page by (since, guarded_id, ticket_id, number) > the last row''s.';

CREATE VIEW workorder.group_tasks WITH (security_barrier = true) AS
SELECT t.since, t.guarded_id, t.ticket_id, t.number, g.relation, t.state, t.due_at, t.reminded_at, t.role,
  CASE WHEN g.key_columns IS NULL THEN t.ticket_id::text ELSE workorder.key_of(g.relation, t.ticket_id) END AS key
FROM workorder.task t JOIN workorder.guarded g ON g.id = t.guarded_id
WHERE t.tenant_id = workorder.tenant_id() AND t.actor_id IS NULL AND t.open
  AND workorder.has_role(t.role);
COMMENT ON VIEW workorder.group_tasks IS 'What waits for somebody of the caller''s roles to claim it. Page by (since, guarded_id, ticket_id, number) > the last row''s.';

CREATE VIEW workorder.overdue_tasks WITH (security_barrier = true) AS
SELECT t.* FROM workorder.my_tasks t WHERE t.due_at <= workorder.clock();
COMMENT ON VIEW workorder.overdue_tasks IS 'Those of my_tasks that should have been decided.';

CREATE VIEW workorder.open_tasks WITH (security_barrier = true) AS
SELECT g.relation, t.ticket_id, t.number, a.login AS person, o.login AS owner, t.role, t.open, t.state, t.since, t.due_at, t.reminded_at, t.guarded_id,
  CASE WHEN g.key_columns IS NULL THEN t.ticket_id::text ELSE workorder.key_of(g.relation, t.ticket_id) END AS key
FROM workorder.task t JOIN workorder.guarded g ON g.id = t.guarded_id
LEFT JOIN workorder.actor a ON a.tenant_id = t.tenant_id AND a.id = t.actor_id
LEFT JOIN workorder.actor o ON o.tenant_id = t.tenant_id AND o.id = t.owner_id
WHERE t.tenant_id = workorder.tenant_id() AND workorder.visible(g.relation, t.ticket_id);
COMMENT ON VIEW workorder.open_tasks IS 'Who still has to decide, of tickets that the caller may see.';

CREATE VIEW workorder.started_by_me WITH (security_barrier = true) AS
SELECT p.at, p.guarded_id, p.ticket_id, p.revision, g.relation,
  CASE WHEN g.key_columns IS NULL THEN p.ticket_id::text ELSE workorder.key_of(g.relation, p.ticket_id) END AS key
FROM workorder.participant p JOIN workorder.guarded g ON g.id = p.guarded_id
WHERE p.tenant_id = workorder.tenant_id() AND p.actor_id = workorder.actor_id() AND p.kind = 'started';
COMMENT ON VIEW workorder.started_by_me IS 'Tickets that the caller made, of flows with approvers. Page by (at, guarded_id, ticket_id, revision) < the last row''s.';

CREATE VIEW workorder.decided_by_me WITH (security_barrier = true) AS
SELECT p.at, p.guarded_id, p.ticket_id, p.revision, g.relation, p.action,
  CASE WHEN g.key_columns IS NULL THEN p.ticket_id::text ELSE workorder.key_of(g.relation, p.ticket_id) END AS key
FROM workorder.participant p JOIN workorder.guarded g ON g.id = p.guarded_id
WHERE p.tenant_id = workorder.tenant_id() AND p.actor_id = workorder.actor_id() AND p.kind = 'decided';
COMMENT ON VIEW workorder.decided_by_me IS 'What the caller has decided, or a deputy in their name. Page by (at, guarded_id, ticket_id, revision) < the last row''s.';

CREATE VIEW workorder.copied_to_me WITH (security_barrier = true) AS
SELECT p.at, p.guarded_id, p.ticket_id, p.revision, g.relation,
  CASE WHEN g.key_columns IS NULL THEN p.ticket_id::text ELSE workorder.key_of(g.relation, p.ticket_id) END AS key
FROM workorder.participant p JOIN workorder.guarded g ON g.id = p.guarded_id
WHERE p.tenant_id = workorder.tenant_id() AND p.actor_id = workorder.actor_id() AND p.kind = 'copied';
COMMENT ON VIEW workorder.copied_to_me IS 'What others have copied the caller in on. Page by (at, guarded_id, ticket_id, revision) < the last row''s.';
$ddl$;
COMMENT ON FUNCTION workorder.approval_parts() IS
'The tables of tasks and deputies and the lists on them, as workorder.parts() reads them.';

CREATE FUNCTION workorder.add_approver(relation regclass, id bigint, person text, how text DEFAULT 'parallel', note text DEFAULT NULL, weight int DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(add_approver.relation, add_approver.id, 'task add ' || jsonb_build_object('who', add_approver.person, 'how', add_approver.how, 'weight', add_approver.weight)::text, add_approver.note);
END;
COMMENT ON FUNCTION workorder.add_approver(regclass, bigint, text, text, text, int) IS
'Gives one person more (a login) a task in the ticket''s step: how says whether before the caller''s own, after it, or parallel to it. For who has a task that is undecided, and their deputy. One entry in the journal, "task add". Raises like act().';

CREATE FUNCTION workorder.remove_approver(relation regclass, id bigint, person text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(remove_approver.relation, remove_approver.id, 'task remove ' || jsonb_build_object('who', remove_approver.person)::text, remove_approver.note);
END;
COMMENT ON FUNCTION workorder.remove_approver(regclass, bigint, text, text) IS
'Takes an undecided task away again: one that the caller has added, or anybody''s, if the flow''s "manage" names a role of theirs. Refused (WO409) if what is left would decide the step. One entry in the journal, "task remove". Raises like act().';

CREATE FUNCTION workorder.transfer_task(relation regclass, id bigint, person text, note text DEFAULT NULL, owner text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(transfer_task.relation, transfer_task.id, 'task transfer ' || jsonb_build_object('to', transfer_task.person, 'from', transfer_task.owner)::text, transfer_task.note);
END;
COMMENT ON FUNCTION workorder.transfer_task(regclass, bigint, text, text, text) IS
'Gives the caller''s task to somebody else for good, or that of owner, if the flow''s "manage" names a role of the caller''s. One entry in the journal, "task transfer". Raises like act().';

CREATE FUNCTION workorder.delegate_task(relation regclass, id bigint, person text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(delegate_task.relation, delegate_task.id, 'task delegate ' || jsonb_build_object('to', delegate_task.person)::text, delegate_task.note);
END;
COMMENT ON FUNCTION workorder.delegate_task(regclass, bigint, text, text) IS
'Asks somebody for advice: they have the task until they return it, and cannot decide it. One entry in the journal, "task delegate". Raises like act().';

CREATE FUNCTION workorder.return_task(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(return_task.relation, return_task.id, 'task return {}', return_task.note);
END;
COMMENT ON FUNCTION workorder.return_task(regclass, bigint, text) IS
'Returns a task that was given for advice, with the advice as a note; the owner takes it back the same way. One entry in the journal, "task return". Raises like act().';

CREATE FUNCTION workorder.claim(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(claim.relation, claim.id, 'task claim {}', claim.note);
END;
COMMENT ON FUNCTION workorder.claim(regclass, bigint, text) IS
'Takes a task that waits for somebody of a role. One entry in the journal, "task claim". Raises like act().';

CREATE FUNCTION workorder.release(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(release.relation, release.id, 'task release {}', release.note);
END;
COMMENT ON FUNCTION workorder.release(regclass, bigint, text) IS
'Gives a claimed task to its role again. One entry in the journal, "task release". Raises like act().';

CREATE FUNCTION workorder.send_back(relation regclass, id bigint, step text DEFAULT 'previous', note text DEFAULT NULL, onward text DEFAULT 'replay') RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(send_back.relation, send_back.id, 'task send_back ' || jsonb_build_object('to', send_back.step, 'then', send_back.onward)::text, send_back.note);
END;
COMMENT ON FUNCTION workorder.send_back(regclass, bigint, text, text, text) IS
'Sends the ticket back to a step that it came through: previous, start, or the state''s path. onward says how it comes back: replay, through all that is in between, or jump, to this state at once. For whose turn it is. One entry in the journal, "task send_back". Raises like act().';

CREATE FUNCTION workorder.withdraw(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(withdraw.relation, withdraw.id, 'task withdraw {}', withdraw.note);
END;
COMMENT ON FUNCTION workorder.withdraw(regclass, bigint, text) IS
'Takes the ticket back to where it started, for who made it. One entry in the journal, "task withdraw". Raises like act().';

CREATE FUNCTION workorder.take_back(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(take_back.relation, take_back.id, 'task take_back {}', take_back.note);
END;
COMMENT ON FUNCTION workorder.take_back(regclass, bigint, text) IS
'Takes the ticket back one step, for who took it here, as long as nobody has touched it. One entry in the journal, "task take_back". Raises like act().';

CREATE FUNCTION workorder.remind(relation regclass, id bigint, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(remind.relation, remind.id, 'task remind {}', remind.note);
END;
COMMENT ON FUNCTION workorder.remind(regclass, bigint, text) IS
'Reminds those who have to decide: workorder.task.reminded_at tells when. For who made the ticket or took it a step; refused (WO409) sooner than the flow''s "remind" after the last time. One entry in the journal, "task remind". Raises like act().';

CREATE FUNCTION workorder.copy_to(relation regclass, id bigint, people text[], note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.act(copy_to.relation, copy_to.id, 'task copy ' || jsonb_build_object('to', copy_to.people)::text, copy_to.note);
END;
COMMENT ON FUNCTION workorder.copy_to(regclass, bigint, text[], text) IS
'Lets people (logins) know: the ticket is in their copied_to_me. Whether they may see it is the flow''s "view". One entry in the journal, "task copy". Raises like act().';

CREATE FUNCTION workorder.claim_next(relation regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key CONSTANT record := workorder.ticket_key(claim_next.relation);
  ticket bigint;
  locked boolean;
BEGIN
  FOR ticket IN
    SELECT t.ticket_id FROM workorder.group_tasks t WHERE t.relation = claim_next.relation
    ORDER BY t.since, t.guarded_id, t.ticket_id, t.number
  LOOP
    EXECUTE format('SELECT true FROM %s WHERE %s AND %I = $1 FOR NO KEY UPDATE SKIP LOCKED',
      claim_next.relation, key.own, key.id_column) INTO locked USING ticket;
    CONTINUE WHEN locked IS NULL;
    BEGIN
      PERFORM workorder.claim(claim_next.relation, ticket);
      RETURN ticket;
    EXCEPTION WHEN SQLSTATE 'WO409' OR SQLSTATE 'WO403' THEN
      -- Somebody was quicker, or the caller may not decide this one.
      CONTINUE;
    END;
  END LOOP;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION workorder.claim_next(regclass) IS
'Claims the ticket that has waited longest for somebody of the caller''s roles, and returns its number; null if none waits. Tickets that somebody is at work on are passed over, so that any number of people may ask at once, and each gets another one.';

CREATE FUNCTION workorder.hand_over(person text, successor text, note text DEFAULT NULL)
RETURNS TABLE (relation regclass, ticket_id bigint, problem text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  FOR relation, ticket_id IN
    SELECT t.relation, t.ticket_id FROM workorder.open_tasks t
    WHERE hand_over.person IN (t.person, t.owner)
    GROUP BY t.relation, t.ticket_id ORDER BY t.relation, t.ticket_id
  LOOP
    problem := NULL;
    BEGIN
      PERFORM workorder.act(hand_over.relation, hand_over.ticket_id, 'task hand_over '
        || jsonb_build_object('from', hand_over.person, 'to', hand_over.successor)::text, hand_over.note);
    EXCEPTION WHEN SQLSTATE 'WO403' OR SQLSTATE 'WO404' OR SQLSTATE 'WO409' THEN
      problem := SQLERRM;
    END;
    RETURN NEXT;
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.hand_over(text, text, text) IS
'Gives all tasks that a person (a login, active or not) has on tickets which the caller may see to somebody else: a row for each ticket, with what was in the way, or null. For that person, and for roles that the flows'' "manage" names. One entry in the journal for each ticket, "task hand_over".';

CREATE FUNCTION workorder.deputise(deputy text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_deputise';
COMMENT ON FUNCTION workorder.deputise(text, timestamptz, timestamptz) IS
'Has somebody (a login) decide the caller''s tasks in the caller''s name, from since (null: now) until a time (null: for good). Called with an end that is not after the beginning, it ends: all that the caller has agreed with this deputy is deleted. Raises WO404 if nobody active has the login, WO400 for oneself.';

CREATE FUNCTION workorder.refresh_tasks(relation regclass) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_refresh_tasks';
COMMENT ON FUNCTION workorder.refresh_tasks(regclass) IS
'Makes workorder.task of a table anew from the votes of its tickets, and workorder.participant from their journal, and returns how many tickets were looked at. Call it after loading tickets from elsewhere. Nobody can act on the table until the transaction ends. Needs to own the table. Raises WO404 for a table that was never guarded.';
