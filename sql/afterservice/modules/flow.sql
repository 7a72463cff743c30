-- An order's status is where it rests inside in_progress; an order that was
-- halted, cancelled or is overdue keeps the status it had, which the engine
-- remembers in the column history; an order that is done has the status end.

CREATE FUNCTION afterservice.status(state text, history text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN state = 'done' THEN 'end'
  WHEN position('.' IN state) > 0 THEN split_part(state, '.', 2)
  WHEN state IS NOT NULL THEN coalesce(split_part(history::jsonb ->> 'in_progress', '.', 2), 'created')
END;
COMMENT ON FUNCTION afterservice.status(text, text) IS
  'The API''s status from the engine''s columns state and history: afterservice.status(o.state, o.history). Contract 3.2.';

CREATE FUNCTION afterservice.workflow_status(state text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN split_part(state, '.', 1);
COMMENT ON FUNCTION afterservice.workflow_status(text) IS
  'The API''s workflow_status from the engine''s column state. Contract 3.1.';

CREATE FUNCTION afterservice.states_of(status text, workflow_status text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(array_agg(s.state), '{}')
  FROM unnest(ARRAY[
    'in_progress.created', 'in_progress.waiting', 'in_progress.service_approving', 'in_progress.service_approved',
    'in_progress.manager_reviewing', 'in_progress.manager_reviewed', 'in_progress.chief_reviewing',
    'in_progress.chief_reviewed', 'in_progress.finance_reviewing', 'done', 'halt', 'overdue', 'cancel']) AS s(state)
  WHERE (states_of.workflow_status IS NULL OR afterservice.workflow_status(s.state) = states_of.workflow_status)
    AND (states_of.status IS NULL OR s.state IN ('halt', 'overdue', 'cancel')
      OR afterservice.status(s.state, NULL) = states_of.status);
END;
COMMENT ON FUNCTION afterservice.states_of(text, text) IS
  'The states in which an order of this status and workflow_status may rest; null = any. For lists: an index on state serves them.';
