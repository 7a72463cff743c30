-- Working time, against an oracle that looks at every minute's clock on the wall.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();
CREATE SCHEMA regress_calendar;
SET search_path = regress_calendar;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';

--
-- What one would say oneself
--
INSERT INTO workorder.calendar (name, zone) VALUES ('c_office', 'Europe/Berlin'), ('c_china', 'Asia/Shanghai'), ('c_never', 'UTC'), ('c_always', 'UTC');
INSERT INTO workorder.working_hour (calendar, weekday, opens, closes)
SELECT 'c_office', d, o, c FROM generate_series(1, 5) d, (VALUES ('09:00'::time, '12:00'::time), ('13:00', '18:00')) h (o, c);
INSERT INTO workorder.working_hour (calendar, weekday, opens, closes) SELECT 'c_china', d, '09:00', '18:00' FROM generate_series(1, 5) d;
INSERT INTO workorder.working_hour (calendar, weekday, opens, closes) SELECT 'c_always', d, '00:00', '24:00' FROM generate_series(1, 7) d;
INSERT INTO workorder.holiday (calendar, day, name, works_as) VALUES
  ('c_office', '2026-12-25', 'Christmas', NULL), ('c_office', '2026-12-26', 'Boxing Day', NULL),
  -- 2026: the week of the first of October is free, a Saturday makes up for it
  ('c_china', '2026-10-01', '国庆节', NULL), ('c_china', '2026-10-02', '国庆节', NULL), ('c_china', '2026-10-10', '补班', 1);
SELECT v.n, workorder.add_working_time(v.since, v.span, v.calendar) FROM (VALUES
  (1, '2026-03-02 08:00+01'::timestamptz, 'PT8H'::interval, 'c_office'),  -- Monday before work: Monday evening
  (2, '2026-03-02 17:00+01', 'PT2H', 'c_office'),                         -- Tuesday at ten
  (3, '2026-03-06 17:30+01', 'PT30M', 'c_office'),                        -- to the very end of Friday
  (4, '2026-03-06 17:30+01', 'PT30.000001S', 'c_office'),
  (5, '2026-12-24 17:00+01', 'PT2H', 'c_office'),                         -- over Christmas and a weekend
  (6, '2026-03-06 20:00+01', 'P1D', 'c_office'),                          -- Friday night is Monday morning; Tuesday
  (7, '2026-03-07 11:00+01', 'P1D', 'c_office'),                          -- so is Saturday
  (8, '2026-03-02 11:00+01', 'P5D', 'c_office'),
  (9, '2026-03-02 11:00+01', 'P1DT8H', 'c_office'),
  (10, '2026-09-30 17:00+08', 'PT10H', 'c_china'),
  (11, '2026-10-09 17:00+08', 'P1D', 'c_china'),                          -- the Saturday that is worked
  (12, '2026-10-09 17:00+08', 'PT2H', 'c_china'),
  (13, '2026-03-28 12:00Z', 'P1D', 'c_always'),
  (14, '2026-03-02 12:30+01', '0', 'c_office')) v (n, since, span, calendar) ORDER BY v.n;
SELECT v.n, workorder.working_time_between(v.since, v.until, v.calendar) FROM (VALUES
  (1, '2026-03-02 00:00+01'::timestamptz, '2026-03-09 00:00+01'::timestamptz, 'c_office'),
  (2, '2026-03-09 00:00+01', '2026-03-02 00:00+01', 'c_office'),
  (3, '2026-10-01 00:00+08', '2026-10-12 00:00+08', 'c_china'),
  (4, '2026-03-02 12:00+01', '2026-03-02 13:00+01', 'c_office'),
  (5, '2026-03-02 12:00+01', '2026-03-02 12:00+01', 'c_never'),
  (6, '2000-01-01', '2100-01-01', 'c_always')) v (n, since, until, calendar) ORDER BY v.n;
-- the day on which summer time begins has 23 hours, the one on which it ends 25
UPDATE workorder.calendar SET zone = 'Europe/Berlin' WHERE name = 'c_always';
SELECT workorder.working_time_between('2026-03-29 00:00+01', '2026-03-30 00:00+02', 'c_always') AS march,
  workorder.working_time_between('2026-10-25 00:00+02', '2026-10-26 00:00+01', 'c_always') AS october;

--
-- What is refused
--
SELECT workorder.add_working_time('2026-01-01', 'PT1H', 'c_none');
SELECT workorder.add_working_time('2026-01-01', 'PT1H', 'c_never');
SELECT workorder.add_working_time('2026-01-01', 'P1D', 'c_never');
SELECT workorder.add_working_time('2026-01-01', 'P1M', 'c_office');
SELECT workorder.add_working_time('2026-01-01', '-1 hour', 'c_office');
SELECT workorder.add_working_time('2026-01-01', '-1 day', 'c_office');
SELECT workorder.add_working_time('infinity', 'PT1H', 'c_office');
SELECT workorder.add_working_time('290000-01-01', 'PT1H', 'c_office');
SELECT workorder.add_working_time('2026-01-01', '2147483647 days', 'c_office');
SELECT workorder.add_working_time('2026-01-01', '9000000 hours', 'c_office');
SELECT workorder.working_time_between('-infinity', '2026-01-01', 'c_office');
SELECT workorder.working_time_between('0001-01-01', '2026-01-01', 'c_office');
SELECT workorder.add_working_time(NULL, 'PT1H', 'c_office') IS NULL AS null_for_null;
INSERT INTO workorder.calendar (name, zone) VALUES ('c_zone', 'Europe/Nowhere');
INSERT INTO workorder.calendar (name) VALUES ('c@zone');
INSERT INTO workorder.working_hour (calendar, weekday, opens, closes) VALUES ('c_office', 8, '09:00', '10:00');
INSERT INTO workorder.working_hour (calendar, weekday, opens, closes) VALUES ('c_office', 6, '22:00', '06:00');
INSERT INTO workorder.calendar (name, zone) VALUES ('c_abbreviation', 'PDT');
SELECT workorder.add_working_time('2026-01-01', 'PT1H', 'c_abbreviation');

--
-- The oracle: an instant is working time if the clock on the wall shows it
--
CREATE FUNCTION weekday_of(calendar text, day date) RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE
  h record;
BEGIN
  SELECT x.works_as INTO h FROM workorder.holiday x WHERE x.tenant_id = 1 AND x.calendar = weekday_of.calendar AND x.day = weekday_of.day;
  RETURN CASE WHEN FOUND THEN h.works_as ELSE EXTRACT(isodow FROM day) END;
END$$;
CREATE FUNCTION works(calendar text, zone text, at timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
  that_day int := regress_calendar.weekday_of(calendar, (at AT TIME ZONE zone)::date);
  that_time time := (at AT TIME ZONE zone)::time;
BEGIN
  RETURN EXISTS (SELECT FROM workorder.working_hour w
    WHERE w.tenant_id = 1 AND w.calendar = works.calendar AND w.weekday = that_day AND w.opens <= that_time AND w.closes > that_time);
END$$;
CREATE FUNCTION opens(calendar text, day date) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
  that_day int := regress_calendar.weekday_of(calendar, day);
BEGIN
  RETURN EXISTS (SELECT FROM workorder.working_hour w WHERE w.tenant_id = 1 AND w.calendar = opens.calendar AND w.weekday = that_day);
END$$;
-- goes on from day to day, as one does with a finger on a wall calendar
CREATE FUNCTION days_on(calendar text, zone text, since timestamptz, days int) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
  at timestamptz := since;
  day date;
  clock time;
BEGIN
  WHILE NOT regress_calendar.works(calendar, zone, at) LOOP at := at + interval '1 minute'; END LOOP;
  day := (at AT TIME ZONE zone)::date;
  clock := (at AT TIME ZONE zone)::time;
  WHILE days > 0 LOOP
    day := day + 1;
    IF regress_calendar.opens(calendar, day) THEN days := days - 1; END IF;
  END LOOP;
  at := (day + clock) AT TIME ZONE zone;
  WHILE NOT regress_calendar.works(calendar, zone, at) LOOP at := at + interval '1 minute'; END LOOP;
  RETURN at;
END$$;

-- Calendars that nobody would make up: any hours, overlapping ones, nights, and
-- days on which summer time begins or ends, by an hour or by half of one.
SELECT setseed(0.42);
CREATE TABLE sample AS
SELECT n, 'c_sample_' || n AS calendar, z.zone, z.change + (random() * 48 - 36 || ' hours')::interval AS about
FROM generate_series(1, 40) n
JOIN (VALUES (0, 'Europe/Berlin', '2026-03-29 01:00Z'::timestamptz), (1, 'Europe/Berlin', '2026-10-25 01:00Z'),
  (2, 'America/New_York', '2026-03-08 07:00Z'), (3, 'America/New_York', '2026-11-01 06:00Z'),
  (4, 'Australia/Lord_Howe', '2026-04-04 15:00Z'), (5, 'Australia/Lord_Howe', '2026-10-03 15:30Z'),
  (6, 'Asia/Shanghai', '2026-10-03 00:00Z'), (7, 'America/Sao_Paulo', '2018-11-04 03:00Z')) z (i, zone, change) ON z.i = n % 8;
UPDATE sample SET about = date_trunc('minute', about);
INSERT INTO workorder.calendar (name, zone) SELECT calendar, zone FROM sample;
INSERT INTO workorder.working_hour (calendar, weekday, opens, closes)
SELECT s.calendar, d, o, CASE WHEN o > '17:00' THEN '24:00' ELSE o + (1 + floor(random() * 400) || ' minutes')::interval END
FROM sample s, generate_series(1, 7) d, generate_series(1, 3) i,
  LATERAL (SELECT '00:00'::time + (floor(random() * 1380 + 0 * (s.n + d + i)) || ' minutes')::interval AS o) h
WHERE random() < 0.55 OR (d = 3 AND i = 1)
ON CONFLICT DO NOTHING;
INSERT INTO workorder.holiday (calendar, day, works_as)
SELECT s.calendar, (s.about AT TIME ZONE s.zone)::date + i, CASE WHEN random() < 0.6 THEN 1 + floor(random() * 7)::int END
FROM sample s, generate_series(-1, 3) i WHERE random() < 0.3;
ANALYZE workorder.working_hour, workorder.holiday, sample;
CREATE TABLE minute AS
SELECT DISTINCT s.n, m AS at
FROM sample s CROSS JOIN generate_series(0, 2 * 24 * 60) i CROSS JOIN LATERAL (SELECT s.about + i * interval '1 minute' AS m) at
CROSS JOIN LATERAL (SELECT (m AT TIME ZONE s.zone)::date AS day, (m AT TIME ZONE s.zone)::time AS clock) wall
LEFT JOIN workorder.holiday h ON h.calendar = s.calendar AND h.day = wall.day
JOIN workorder.working_hour w ON w.calendar = s.calendar AND wall.clock >= w.opens AND wall.clock < w.closes
  AND w.weekday = CASE WHEN h.day IS NULL THEN EXTRACT(isodow FROM wall.day)::int ELSE h.works_as END;
CREATE INDEX ON minute (n, at);
ANALYZE minute;
CREATE TABLE question AS
SELECT s.n, s.calendar, s.zone, s.about + (floor(random() * 2000) || ' minutes')::interval AS since, (floor(random() * 400)) * interval '1 minute' AS span
FROM sample s, generate_series(1, 6) i;
SELECT count(*) AS questions, count(*) FILTER (WHERE q.got <> q.expected) AS wrong FROM (
  SELECT workorder.working_time_between(s.about, q.since, q.calendar) AS got,
    (SELECT count(*) FROM minute m WHERE m.n = q.n AND m.at < q.since) * interval '1 minute' AS expected
  FROM question q JOIN sample s USING (n)) q;
SELECT count(*) > 100 AS enough, count(*) FILTER (WHERE q.got <> q.expected) AS wrong FROM (
  SELECT workorder.add_working_time(q.since, q.span, q.calendar) AS got,
    (SELECT m.at + interval '1 minute' FROM minute m WHERE m.n = q.n AND m.at >= q.since
     ORDER BY m.at OFFSET EXTRACT(epoch FROM q.span) / 60 - 1 LIMIT 1) AS expected
  FROM question q WHERE q.span > '0') q
WHERE q.expected IS NOT NULL;
SELECT count(*) AS questions, count(*) FILTER (WHERE q.got <> q.expected) AS wrong FROM (
  SELECT workorder.add_working_time(q.since, (q.n % 4 || ' days')::interval + q.span, q.calendar) AS got,
    workorder.add_working_time(days_on(q.calendar, q.zone, q.since, q.n % 4), q.span, q.calendar) AS expected
  FROM (SELECT DISTINCT ON (n) * FROM question ORDER BY n, since) q WHERE q.n % 4 > 0) q;
-- there and back
SELECT count(*) AS questions, count(*) FILTER (WHERE workorder.working_time_between(q.since, workorder.add_working_time(q.since, q.span, q.calendar), q.calendar) <> q.span) AS wrong
FROM question q;

DELETE FROM workorder.calendar WHERE name LIKE 'c\_%';
DROP SCHEMA regress_calendar CASCADE;
