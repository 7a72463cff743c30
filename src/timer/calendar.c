/*-------------------------------------------------------------------------
 *
 * calendar.c
 *	  Working time, by a tenant's calendar.
 *
 * A calendar is a row of workorder.calendar (its time zone), rows of
 * working_hour (from when to when on a day of the week) and of holiday (days
 * that are free, or that are worked like some day of the week).  An instant
 * is working time if the clock on the wall of that zone then shows working
 * hours of that day; so where summer time begins or ends, what is missing is
 * not counted and what comes twice is counted twice.
 *
 * Time is walked through in stretches within which neither the date nor the
 * zone's offset changes.  A calendar is read anew for each question, with
 * the rights of the library and for the tenant that is asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "actor/actor.h"
#include "timer/calendar.h"
#include "utils/catalog.h"
#include "utils/errors.h"

/* Nobody plans further; and a calendar without working hours must come to an end. */
#define MAX_YEARS	100
#define MAX_SPAN	(MAX_YEARS * INT64CONST(366) * USECS_PER_DAY)
/* Room for that is left before time ends. */
#define CAN_COUNT(at) (!TIMESTAMP_NOT_FINITE(at) && (at) < END_TIMESTAMP - 3 * MAX_SPAN)

typedef struct Span
{
	TimeADT		opens;
	TimeADT		closes;
} Span;

typedef struct Holiday
{
	DateADT		day;
	int			works_as;		/* ISO day of the week, 0 = free */
} Holiday;

typedef struct Calendar
{
	const char *name;
	pg_tz	   *zone;
	int			nspans[8];		/* by ISO day of the week, 1 = Monday */
	Span	   *spans[8];		/* in order, apart from each other */
	int			nholidays;
	Holiday    *holidays;		/* in order */
} Calendar;

PG_FUNCTION_INFO_V1(workorder_add_working_time);
PG_FUNCTION_INFO_V1(workorder_working_time_between);

static int
compare_spans(const void *a, const void *b)
{
	TimeADT		left = ((const Span *) a)->opens;
	TimeADT		right = ((const Span *) b)->opens;

	return left < right ? -1 : left > right;
}

static int
compare_holidays(const void *a, const void *b)
{
	DateADT		left = ((const Holiday *) a)->day;
	DateADT		right = ((const Holiday *) b)->day;

	return left < right ? -1 : left > right;
}

/*
 * read_zone reads the calendar's own row.
 */
static void
read_zone(Calendar *calendar, const WoCatalogKey *tenant)
{
	WoCatalogKey keys[2] = {*tenant, {"name", TEXTOID, CStringGetTextDatum(calendar->name)}};
	WoCatalogScan	lookup;
	HeapTuple	tuple;
	char	   *zone = NULL;

	wo_catalog_begin(&lookup, wo_catalog_table("calendar", false), keys, 2);
	if ((tuple = wo_catalog_next(&lookup)) != NULL)
		zone = wo_catalog_text(&lookup, tuple, "zone");
	wo_catalog_end(&lookup);
	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("calendar \"%s\" does not exist", wo_errors_shorten(calendar->name)),
				 errdetail("Calendars are those of the tenant, in workorder.calendar."),
				 errhint("Make it: a row of workorder.calendar, and its hours in workorder.working_hour.")));
	calendar->zone = pg_tzset(zone);
	if (calendar->zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("calendar \"%s\" has a time zone that is not known", calendar->name),
				 errdetail("Its zone must be the full name of a time zone."),
				 errhint("Use a name of pg_timezone_names, such as Asia/Shanghai.")));
}

/*
 * read_hours reads the working hours; what overlaps becomes one.
 */
static void
read_hours(Calendar *calendar, const WoCatalogKey *tenant)
{
	WoCatalogKey keys[2] = {*tenant, {"calendar", TEXTOID, CStringGetTextDatum(calendar->name)}};
	WoCatalogScan	lookup;
	HeapTuple	tuple;
	bool		isnull;

	wo_catalog_begin(&lookup, wo_catalog_table("working_hour", false), keys, 2);
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
	{
		int			weekday = DatumGetInt32(wo_catalog_datum(&lookup, tuple, "weekday", INT4OID, &isnull));
		Span	   *span;

		if (isnull || weekday < 1 || weekday > 7)
			continue;
		calendar->spans[weekday] = calendar->nspans[weekday] == 0 ? palloc(sizeof(Span)) :
			repalloc(calendar->spans[weekday], sizeof(Span) * (calendar->nspans[weekday] + 1));
		span = &calendar->spans[weekday][calendar->nspans[weekday]++];
		span->opens = DatumGetTimeADT(wo_catalog_datum(&lookup, tuple, "opens", TIMEOID, &isnull));
		span->closes = DatumGetTimeADT(wo_catalog_datum(&lookup, tuple, "closes", TIMEOID, &isnull));
	}
	wo_catalog_end(&lookup);

	for (int weekday = 1; weekday <= 7; weekday++)
	{
		Span	   *spans = calendar->spans[weekday];
		int			n = 0;

		if (calendar->nspans[weekday] == 0)
			continue;
		qsort(spans, calendar->nspans[weekday], sizeof(Span), compare_spans);
		for (int i = 1; i < calendar->nspans[weekday]; i++)
		{
			if (spans[i].opens > spans[n].closes)
				spans[++n] = spans[i];
			else
				spans[n].closes = Max(spans[n].closes, spans[i].closes);
		}
		calendar->nspans[weekday] = n + 1;
	}
}

/*
 * read_holidays reads the days that are not what their day of the week is.
 */
static void
read_holidays(Calendar *calendar, const WoCatalogKey *tenant)
{
	WoCatalogKey keys[2] = {*tenant, {"calendar", TEXTOID, CStringGetTextDatum(calendar->name)}};
	WoCatalogScan	lookup;
	HeapTuple	tuple;
	bool		isnull;
	int			max = 0;

	wo_catalog_begin(&lookup, wo_catalog_table("holiday", false), keys, 2);
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
	{
		Holiday    *holiday;

		if (calendar->nholidays == max)
		{
			max = Max(max * 2, 32);
			calendar->holidays = calendar->holidays == NULL ? palloc(sizeof(Holiday) * max) :
				repalloc(calendar->holidays, sizeof(Holiday) * max);
		}
		holiday = &calendar->holidays[calendar->nholidays++];
		holiday->day = DatumGetDateADT(wo_catalog_datum(&lookup, tuple, "day", DATEOID, &isnull));
		holiday->works_as = DatumGetInt32(wo_catalog_datum(&lookup, tuple, "works_as", INT4OID, &isnull));
		if (isnull || holiday->works_as < 1 || holiday->works_as > 7)
			holiday->works_as = 0;
	}
	wo_catalog_end(&lookup);
	if (calendar->nholidays > 0)
		qsort(calendar->holidays, calendar->nholidays, sizeof(Holiday), compare_holidays);
}

static Calendar *
read_calendar(int64 tenant, const char *name)
{
	Calendar   *calendar = palloc0(sizeof(Calendar));
	WoCatalogKey key = {"tenant_id", INT8OID, Int64GetDatum(tenant)};

	calendar->name = name;
	read_zone(calendar, &key);
	read_hours(calendar, &key);
	read_holidays(calendar, &key);
	return calendar;
}

/*
 * day_of_week returns the day of the week by which a date is worked, 0 if it
 * is free.
 */
static int
day_of_week(const Calendar *calendar, DateADT day)
{
	Holiday		key = {.day = day};
	Holiday    *holiday = calendar->nholidays == 0 ? NULL :
		bsearch(&key, calendar->holidays, calendar->nholidays, sizeof(Holiday), compare_holidays);
	int			weekday;

	if (holiday != NULL)
		return holiday->works_as;
	weekday = j2day(day + POSTGRES_EPOCH_JDATE);	/* 0 = Sunday */
	return weekday == 0 ? 7 : weekday;
}

static int64
floor_div(int64 a, int64 b)
{
	return a / b - (a % b < 0 ? 1 : 0);
}

/*
 * offset_at returns the zone's offset east of UTC at an instant, and until
 * when it is that.
 */
static int64
offset_at(const Calendar *calendar, TimestampTz at, TimestampTz *until)
{
	const int64 epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	pg_time_t	seconds = floor_div(at, USECS_PER_SEC) + epoch;
	pg_time_t	boundary;
	long int	before;
	long int	after;
	int			is_summer;
	int			will_be;

	*until = DT_NOEND;
	switch (pg_next_dst_boundary(&seconds, &before, &is_summer, &boundary, &after, &will_be, calendar->zone))
	{
		case 1:
			*until = (boundary - epoch) * USECS_PER_SEC;
			break;
		case 0:
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("timestamp out of range")));
	}
	return before * USECS_PER_SEC;
}

/*
 * next_stretch finds the first working time at or after an instant, as far as
 * it goes on the same day; false if there is none before the limit.
 */
static bool
next_stretch(const Calendar *calendar, TimestampTz at, TimestampTz limit, TimestampTz *from, TimestampTz *to)
{
	while (at < limit)
	{
		TimestampTz until;
		int64		offset = offset_at(calendar, at, &until);
		int64		day = floor_div(at + offset, USECS_PER_DAY);
		TimestampTz midnight = day * USECS_PER_DAY - offset;
		TimestampTz end = Min(midnight + USECS_PER_DAY, until);
		int			weekday = day_of_week(calendar, (DateADT) day);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < calendar->nspans[weekday]; i++)
		{
			*from = Max(at, midnight + calendar->spans[weekday][i].opens);
			*to = Min(end, midnight + calendar->spans[weekday][i].closes);
			if (*from < *to)
				return *from < limit;
		}
		at = end;
	}
	return false;
}

/*
 * refuse tells of time that a calendar cannot count.
 */
static void
refuse(const char *problem, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_WO_INVALID),
			 errmsg("%s", problem),
			 errdetail("%s", detail),
			 errhint("Look at workorder.calendar, working_hour and holiday.")));
}

/*
 * next_working returns the first working instant at or after another.
 */
static TimestampTz
next_working(const Calendar *calendar, TimestampTz at)
{
	TimestampTz from;
	TimestampTz to;

	if (!next_stretch(calendar, at, at + MAX_SPAN, &from, &to))
		refuse(psprintf("calendar \"%s\" has no such working time", wo_errors_shorten(calendar->name)),
			   "It would be more than a hundred years from now.");
	return from;
}

/*
 * add_days goes on by working days: to the same time of so many working days
 * later.
 */
static TimestampTz
add_days(const Calendar *calendar, TimestampTz at, int days)
{
	TimestampTz until;
	int64		local = at + offset_at(calendar, at, &until);
	int64		day = floor_div(local, USECS_PER_DAY);
	int64		last = day + MAX_YEARS * 366;
	struct pg_tm tm;
	fsec_t		fsec;
	TimestampTz result;
	int			zone;

	local -= day * USECS_PER_DAY;
	while (days > 0 && day < last)
		if (calendar->nspans[day_of_week(calendar, (DateADT) ++day)] > 0)
			days--;
	if (days > 0)
		refuse(psprintf("calendar \"%s\" has no such working time", wo_errors_shorten(calendar->name)),
			   "It would be more than a hundred years from now.");
	/* there may be no such time that day: as everywhere, an hour later then */
	if (timestamp2tm(day * USECS_PER_DAY + local, NULL, &tm, &fsec, NULL, NULL) != 0)
		refuse("timestamp out of range", "There is no such time.");
	zone = DetermineTimeZoneOffset(&tm, calendar->zone);
	if (tm2timestamp(&tm, fsec, &zone, &result) != 0)
		refuse("timestamp out of range", "There is no such time.");
	return result;
}

/*
 * wo_calendar_add returns when so much working time has passed.  Days lead
 * from working time to working time, hours count it.
 */
TimestampTz
wo_calendar_add(int64 tenant, const char *name, TimestampTz since, const Interval *span)
{
	Calendar   *calendar = read_calendar(tenant, name);
	int64		left = span->time;
	TimestampTz at = since;
	TimestampTz from;
	TimestampTz to;

	if (!CAN_COUNT(since))
		refuse("working time cannot be counted from there", "The time must be a finite one.");
	if (span->month != 0 || span->day < 0 || span->time < 0 || span->time > MAX_SPAN)
		refuse("this is not a span of working time",
			   "It is made of days and hours, neither negative nor more than a hundred years.");
	if (span->day > 0)
	{
		at = add_days(calendar, next_working(calendar, at), span->day);
		at = next_working(calendar, at);
	}
	while (left > 0 && next_stretch(calendar, at, since + 2 * MAX_SPAN, &from, &to))
	{
		if (left <= to - from)
			return from + left;
		left -= to - from;
		at = to;
	}
	if (left > 0)
		refuse(psprintf("calendar \"%s\" has no such working time", wo_errors_shorten(name)),
			   "It would be more than a hundred years from now.");
	return at;
}

/*
 * wo_calendar_between returns how much working time lies between two
 * instants, in microseconds; less than none if they come the wrong way round.
 */
int64
wo_calendar_between(int64 tenant, const char *name, TimestampTz since, TimestampTz until)
{
	Calendar   *calendar = read_calendar(tenant, name);
	TimestampTz at = Min(since, until);
	TimestampTz end = Max(since, until);
	TimestampTz from;
	TimestampTz to;
	int64		sum = 0;

	if (!CAN_COUNT(since) || !CAN_COUNT(until) || end - at > 2 * MAX_SPAN)
		refuse("so much working time cannot be counted", "The times must not be hundreds of years apart.");
	while (next_stretch(calendar, at, end, &from, &to))
	{
		sum += Min(to, end) - from;
		at = to;
	}
	return since <= until ? sum : -sum;
}

/*
 * workorder_add_working_time(since, span, calendar) is wo_calendar_add() for SQL.
 */
Datum
workorder_add_working_time(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(wo_calendar_add(wo_actor_current()->tenant,
										  text_to_cstring(PG_GETARG_TEXT_PP(2)),
										  PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_INTERVAL_P(1)));
}

/*
 * workorder_working_time_between(since, until, calendar) is
 * wo_calendar_between() for SQL.
 */
Datum
workorder_working_time_between(PG_FUNCTION_ARGS)
{
	Interval   *result = palloc0(sizeof(Interval));

	result->time = wo_calendar_between(wo_actor_current()->tenant,
									   text_to_cstring(PG_GETARG_TEXT_PP(2)),
									   PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TIMESTAMPTZ(1));
	PG_RETURN_INTERVAL_P(result);
}
