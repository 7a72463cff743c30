-- Time: what is due and when, who counts working time how, and the sweep that
-- makes what is due happen.

CREATE FUNCTION workorder.timer_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.timer (
  tenant_id bigint NOT NULL,
  guarded_id int NOT NULL,
  ticket_id bigint NOT NULL,
  state text NOT NULL,
  delay text NOT NULL,
  due_at timestamptz,
  next_at timestamptz,
  rest interval,
  fired_at timestamptz,
  tries int NOT NULL DEFAULT 0,
  problem text,
  PRIMARY KEY (tenant_id, guarded_id, ticket_id, state, delay),
  CONSTRAINT timer_waits_rests_or_fired CHECK (num_nonnulls(next_at, rest, fired_at) = 1),
  CONSTRAINT timer_due CHECK ((due_at IS NULL) = (rest IS NOT NULL)));
COMMENT ON TABLE workorder.timer IS 'Transitions that become due ("after" in a flow). Entering a state sets its timers, leaving it removes them. Each waits (next_at), stands still (rest) or has fired (fired_at).';
COMMENT ON COLUMN workorder.timer.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.timer.guarded_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.timer.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.timer.state IS 'State that declares the timer; empty for the flow itself.';
COMMENT ON COLUMN workorder.timer.delay IS 'What the flow writes under "after": a duration (ISO 8601, and for working time "@" and the calendar), "$" and the name of a setting, or "$." and the column that says when.';
COMMENT ON COLUMN workorder.timer.due_at IS 'When it is due; null while it stands still.';
COMMENT ON COLUMN workorder.timer.next_at IS 'When sweep() takes it: when it is due, and later if it could not be done then. Null unless it waits.';
COMMENT ON COLUMN workorder.timer.rest IS 'What is left of it while the ticket is in a state that pauses; of working time, if it counts that.';
COMMENT ON COLUMN workorder.timer.fired_at IS 'When its time came and the flow decided. It stays until the state is left, so that it fires once.';
COMMENT ON COLUMN workorder.timer.tries IS 'How often it could not be done.';
COMMENT ON COLUMN workorder.timer.problem IS 'Why, the last time.';
CREATE INDEX timer_next ON workorder.timer (tenant_id, next_at, guarded_id, ticket_id) WHERE next_at IS NOT NULL;

CREATE TABLE workorder.calendar (
  tenant_id bigint NOT NULL,
  name text NOT NULL CHECK (name <> '' AND name !~ '[.#*\\$@[:cntrl:]]' AND octet_length(name) < 64),
  zone text NOT NULL DEFAULT 'UTC' CHECK (pg_catalog.timezone(zone, 'epoch'::timestamptz) IS NOT NULL),
  PRIMARY KEY (tenant_id, name));
COMMENT ON TABLE workorder.calendar IS 'By whose working time a flow counts: "after": {"PT16H@office": ...}. Its hours are in working_hour, its holidays in holiday.';
COMMENT ON COLUMN workorder.calendar.tenant_id IS 'Whose calendar.';
COMMENT ON COLUMN workorder.calendar.name IS 'What flows call it.';
COMMENT ON COLUMN workorder.calendar.zone IS 'Time zone of its clock, as in pg_timezone_names: Asia/Shanghai.';
ALTER TABLE workorder.calendar ALTER COLUMN tenant_id SET DEFAULT workorder.tenant_id();

CREATE TABLE workorder.working_hour (
  tenant_id bigint NOT NULL,
  calendar text NOT NULL,
  weekday int NOT NULL CHECK (weekday BETWEEN 1 AND 7),
  opens time NOT NULL,
  closes time NOT NULL CHECK (closes > opens),
  PRIMARY KEY (tenant_id, calendar, weekday, opens));
COMMENT ON TABLE workorder.working_hour IS 'When a calendar''s people work, day by day of the week. Several rows a day leave breaks between them; a night is two rows, up to 24:00 and from 00:00.';
COMMENT ON COLUMN workorder.working_hour.tenant_id IS 'Whose calendar.';
COMMENT ON COLUMN workorder.working_hour.calendar IS 'The calendar.';
COMMENT ON COLUMN workorder.working_hour.weekday IS 'Day of the week, ISO 8601: 1 is Monday, 7 is Sunday.';
COMMENT ON COLUMN workorder.working_hour.opens IS 'From when, on the calendar''s clock.';
COMMENT ON COLUMN workorder.working_hour.closes IS 'Until when; 24:00 is the end of the day.';
ALTER TABLE workorder.working_hour ALTER COLUMN tenant_id SET DEFAULT workorder.tenant_id();
ALTER TABLE workorder.working_hour ADD CONSTRAINT working_hour_tenant_id_calendar_fkey FOREIGN KEY (tenant_id, calendar) REFERENCES workorder.calendar (tenant_id, name) ON UPDATE CASCADE ON DELETE CASCADE;

CREATE TABLE workorder.holiday (
  tenant_id bigint NOT NULL,
  calendar text NOT NULL,
  day date NOT NULL,
  name text NOT NULL DEFAULT '',
  works_as int CHECK (works_as BETWEEN 1 AND 7),
  PRIMARY KEY (tenant_id, calendar, day));
COMMENT ON TABLE workorder.holiday IS 'Days that are not what their day of the week is: free, or, as a Saturday that makes up for a holiday, worked like another.';
COMMENT ON COLUMN workorder.holiday.tenant_id IS 'Whose calendar.';
COMMENT ON COLUMN workorder.holiday.calendar IS 'The calendar.';
COMMENT ON COLUMN workorder.holiday.day IS 'The day, on the calendar''s clock.';
COMMENT ON COLUMN workorder.holiday.name IS 'Name, for people.';
COMMENT ON COLUMN workorder.holiday.works_as IS 'Day of the week whose hours are worked; null: nobody works.';
ALTER TABLE workorder.holiday ALTER COLUMN tenant_id SET DEFAULT workorder.tenant_id();
ALTER TABLE workorder.holiday ADD CONSTRAINT holiday_tenant_id_calendar_fkey FOREIGN KEY (tenant_id, calendar) REFERENCES workorder.calendar (tenant_id, name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE workorder.calendar ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.calendar USING (tenant_id = workorder.tenant_id());
ALTER TABLE workorder.working_hour ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.working_hour USING (tenant_id = workorder.tenant_id());
ALTER TABLE workorder.holiday ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.holiday USING (tenant_id = workorder.tenant_id());

CREATE VIEW workorder.overdue WITH (security_barrier = true) AS
WITH label AS MATERIALIZED (
  SELECT DISTINCT ON (s.flow, s.path) s.flow, s.path, s.label
  FROM workorder.flow_state s ORDER BY s.flow, s.path, s.version DESC)
SELECT g.relation, t.ticket_id, g.flow, t.state, l.label, t.delay, t.due_at,
  (SELECT workorder.clock()) - t.due_at AS late, t.tries, t.problem, t.next_at,
  CASE WHEN g.key_columns IS NULL THEN t.ticket_id::text ELSE workorder.key_of(g.relation, t.ticket_id) END AS key
FROM workorder.timer t
JOIN workorder.guarded g ON g.id = t.guarded_id
LEFT JOIN label l ON l.flow = g.flow AND l.path = t.state
WHERE t.tenant_id = workorder.tenant_id() AND t.next_at IS NOT NULL AND t.due_at <= (SELECT workorder.clock())
  AND workorder.visible(g.relation, t.ticket_id);
COMMENT ON VIEW workorder.overdue IS 'Timers that are due and have not fired, of tickets that the caller may see: the state that declares them, since when they are due, and, if sweep() could not do it, how often, why, and when it tries again.';
$ddl$;
COMMENT ON FUNCTION workorder.timer_parts() IS
'The tables of timers and calendars and the view on them, as workorder.parts() reads them.';

CREATE FUNCTION workorder.read_delay(given text, OUT calendar text, OUT problem text)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_read_delay';
COMMENT ON FUNCTION workorder.read_delay(text) IS
'What is wrong with the duration of a timer as a flow or a setting writes it (P3D, PT16H@office), null if nothing is, and the calendar that it names.';

CREATE FUNCTION workorder.sweep(max int DEFAULT 1000) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_sweep';
COMMENT ON FUNCTION workorder.sweep(int) IS
'Takes the timers that are due, of all tenants, the earliest first and at most so many, and returns how many it took. Each is judged by the flow ("after") and journalled as the action "after" and its duration, by the tenant''s system actor. A timer of which no guard holds is spent; one that raises an error is tried again after a minute, two, four and so on, in the end every 17 hours, and shows in workorder.overdue. Tickets that are locked are left for the next time, so several may sweep at once. Needs EXECUTE and nothing else: statements run as the tables'' owners. Raises WO400 for a max below 1.';

CREATE FUNCTION workorder.next_due() RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_next_due';
COMMENT ON FUNCTION workorder.next_due() IS
'When sweep() has something to do next, for whatever tenant; null if no timer waits. A time that is past: something is due, or is locked by somebody who is at work on it.';

CREATE FUNCTION workorder.retime(relation regclass, id bigint DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_retime';
COMMENT ON FUNCTION workorder.retime(regclass, bigint) IS
'Sets the timers of one ticket of the current tenant, or of all tickets of a table, as their journal and flow demand, pauses included, and returns how many tickets had others. Call it after loading tickets from elsewhere, and after changing a calendar, for timers that are set already. A timer that has fired stays so. Nobody can act on the table until the transaction ends. Needs to own the table. Raises WO404 for a table that was never guarded, or a calendar that is not there.';

CREATE FUNCTION workorder.add_working_time(since timestamptz, span interval, calendar text) RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_add_working_time';
COMMENT ON FUNCTION workorder.add_working_time(timestamptz, interval, text) IS
'When so much working time of a calendar of this tenant has passed. Hours count working time. Days, which come first, lead from the first working moment to the same time so many working days later, or, if nobody works then, to when somebody does next. Raises WO404 if there is no such calendar, WO400 for months, for a negative span, or for more than the calendar has in a hundred years.';

CREATE FUNCTION workorder.working_time_between(since timestamptz, until timestamptz, calendar text) RETURNS interval
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_working_time_between';
COMMENT ON FUNCTION workorder.working_time_between(timestamptz, timestamptz, text) IS
'How much working time of a calendar of this tenant lies between two times, in hours; negative if the second is earlier. Raises WO404 if there is no such calendar, WO400 for times that are hundreds of years apart.';
