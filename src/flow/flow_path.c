/*-------------------------------------------------------------------------
 *
 * flow_path.c
 *	  The two small languages inside a flow: jsonpath and ISO 8601 durations.
 *
 * Both are PostgreSQL's own; this file parses them without raising, so that
 * a document's defects can be listed, and tells what an expression mentions,
 * so that a misspelt column is found when the flow is published and not when
 * the first ticket gets there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "flow/flow.h"

/* Longer delays are slips of the pen, and would leave the calendar. */
#define MAX_DELAY_YEARS		100

/* What the steps of a path have led to so far. */
typedef enum PathPlace
{
	PLACE_ELSEWHERE,
	PLACE_ROW,					/* the new row or the old one */
	PLACE_ACTOR
} PathPlace;

typedef struct Walk
{
	WoMentionVisitor visitor;
	void	   *arg;
} Walk;

static void walk_path(const Walk *walk, JsonPathItem *item, PathPlace current);

/*
 * wo_path_parse parses a jsonpath.  If it is wrong, NULL is returned and
 * *problem says why, in the current memory context; with problem = NULL it is
 * raised.
 *
 * The parser takes no lock, pin or other resource that would need a
 * subtransaction to be given back, so what it says about its input is simply
 * caught; anything else (a cancel, no memory) goes on as it came.
 */
JsonPath *
wo_path_parse(const char *text, char **problem)
{
	MemoryContext caller = CurrentMemoryContext;
	JsonPath   *volatile path = NULL;

	if (problem == NULL)
		return DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in, CStringGetDatum(text)));

	PG_TRY();
	{
		path = DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in, CStringGetDatum(text)));
	}
	PG_CATCH();
	{
		int			category;
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
		if (category != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR) &&
			category != ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) &&
			category != ERRCODE_TO_CATEGORY(ERRCODE_FEATURE_NOT_SUPPORTED) &&
			error->sqlerrcode != ERRCODE_STATEMENT_TOO_COMPLEX)
			PG_RE_THROW();
		FlushErrorState();
		*problem = error->message;
	}
	PG_END_TRY();
	return path;
}

/*
 * mention reports a name found in a path; it is not terminated there.
 */
static void
mention(const Walk *walk, WoMention kind, JsonPathItem *item)
{
	int32		len;
	char	   *name = jspGetString(item, &len);

	walk->visitor(walk->arg, kind, pnstrdup(name, len));
}

/*
 * walk_variable reports a variable and tells what it holds.
 */
static PathPlace
walk_variable(const Walk *walk, JsonPathItem *item)
{
	int32		len;
	char	   *name = jspGetString(item, &len);

	mention(walk, WO_MENTION_VARIABLE, item);
	if (len == 3 && memcmp(name, "old", 3) == 0)
		return PLACE_ROW;
	if (len == 5 && memcmp(name, "actor", 5) == 0)
		return PLACE_ACTOR;
	return PLACE_ELSEWHERE;
}

/*
 * walk_subscripts walks the expressions inside [...].
 */
static void
walk_subscripts(const Walk *walk, JsonPathItem *item, PathPlace current)
{
	for (int i = 0; i < item->content.array.nelems; i++)
	{
		JsonPathItem from;
		JsonPathItem to;

		if (jspGetArraySubscript(item, &from, &to, i))
			walk_path(walk, &to, current);
		walk_path(walk, &from, current);
	}
}

/*
 * walk_path walks one chain of steps; "current" is what @ stands for in it.
 */
static void
walk_path(const Walk *walk, JsonPathItem *item, PathPlace current)
{
	PathPlace	place = PLACE_ELSEWHERE;
	JsonPathItem step = *item;
	JsonPathItem next;
	JsonPathItem operand;

	check_stack_depth();
	for (;;)
	{
		switch (step.type)
		{
			case jpiRoot:
				place = PLACE_ROW;
				break;
			case jpiCurrent:
				place = current;
				break;
			case jpiVariable:
				place = walk_variable(walk, &step);
				break;
			case jpiKey:
				if (place == PLACE_ROW)
					mention(walk, WO_MENTION_COLUMN, &step);
				else if (place == PLACE_ACTOR)
					mention(walk, WO_MENTION_ACTOR, &step);
				place = PLACE_ELSEWHERE;
				break;
			case jpiAnyArray:
				/* in lax mode an object is an array of itself */
				break;
			case jpiIndexArray:
				walk_subscripts(walk, &step, current);
				break;
			case jpiFilter:
				jspGetArg(&step, &operand);
				walk_path(walk, &operand, place);
				break;
			case jpiAnd:
			case jpiOr:
			case jpiEqual:
			case jpiNotEqual:
			case jpiLess:
			case jpiGreater:
			case jpiLessOrEqual:
			case jpiGreaterOrEqual:
			case jpiAdd:
			case jpiSub:
			case jpiMul:
			case jpiDiv:
			case jpiMod:
			case jpiStartsWith:
				jspGetLeftArg(&step, &operand);
				walk_path(walk, &operand, current);
				jspGetRightArg(&step, &operand);
				walk_path(walk, &operand, current);
				place = PLACE_ELSEWHERE;
				break;
			case jpiNot:
			case jpiIsUnknown:
			case jpiExists:
			case jpiPlus:
			case jpiMinus:
				jspGetArg(&step, &operand);
				walk_path(walk, &operand, current);
				place = PLACE_ELSEWHERE;
				break;
			case jpiLikeRegex:
				jspInitByBuffer(&operand, step.base, step.content.like_regex.expr);
				walk_path(walk, &operand, current);
				place = PLACE_ELSEWHERE;
				break;
			default:
				/* literals, wildcards and methods mention nothing */
				place = PLACE_ELSEWHERE;
				break;
		}
		if (!jspGetNext(&step, &next))
			return;
		step = next;
	}
}

/*
 * wo_path_mentions calls the visitor for every column, variable and field of
 * the actor that a path names.
 */
void
wo_path_mentions(JsonPath *path, WoMentionVisitor visitor, void *arg)
{
	Walk		walk = {visitor, arg};
	JsonPathItem item;

	jspInit(&item, path);
	walk_path(&walk, &item, PLACE_ELSEWHERE);
}

/*
 * wo_path_is_predicate tells whether a path can be true or false.  A plain
 * path like $.urgent may hold a boolean and passes; what cannot (a number, a
 * sum, a filter that yields rows) would make a guard that never holds.
 */
bool
wo_path_is_predicate(JsonPath *path)
{
	JsonPathItem item;
	JsonPathItem next;

	jspInit(&item, path);
	while (jspGetNext(&item, &next))
		item = next;
	switch (item.type)
	{
		case jpiNull:
		case jpiString:
		case jpiNumeric:
		case jpiAdd:
		case jpiSub:
		case jpiMul:
		case jpiDiv:
		case jpiMod:
		case jpiPlus:
		case jpiMinus:
		case jpiRoot:
		case jpiCurrent:
		case jpiVariable:
		case jpiFilter:
		case jpiType:
		case jpiSize:
		case jpiAbs:
		case jpiFloor:
		case jpiCeiling:
		case jpiDouble:
		case jpiDatetime:
		case jpiKeyValue:
			return false;
		default:
			return true;
	}
}

/*
 * follows_form checks P[nY][nM][nW][nD][T[nH][nM][nS]] with at least one
 * part; only the last number may have a fraction.
 */
static bool
follows_form(const char *p)
{
	const char *units = "YMWD";
	bool		parts = false;
	bool		timed = false;
	bool		fraction = false;

	if (*p++ != 'P')
		return false;
	while (*p != '\0')
	{
		const char *unit;
		int			digits = 0;

		if (*p == 'T')
		{
			if (timed)
				return false;
			timed = true;
			parts = false;
			units = "HMS";
			p++;
			continue;
		}
		if (fraction)
			return false;
		for (; *p >= '0' && *p <= '9'; p++)
			digits++;
		if (digits == 0 || digits > 9)
			return false;
		if (*p == '.')
		{
			fraction = true;
			digits = 0;
			for (p++; *p >= '0' && *p <= '9'; p++)
				digits++;
			if (digits == 0 || digits > 6)
				return false;
		}
		unit = *p != '\0' ? strchr(units, *p) : NULL;
		if (unit == NULL)
			return false;
		units = unit + 1;
		parts = true;
		p++;
	}
	return parts;
}

/*
 * parse_duration reads an ISO 8601 duration.  If it is wrong, *problem says
 * why.
 */
static bool
parse_duration(const char *text, Interval *interval, const char **problem)
{
	struct pg_itm_in itm;
	int			dtype;
	double		days;

	*problem = "is not an ISO 8601 duration";
	if (strlen(text) > MAXDATELEN || !follows_form(text))
		return false;
	*problem = "is out of range";
	if (DecodeISO8601Interval(pstrdup(text), &dtype, &itm) != 0 ||
		itmin2interval(&itm, interval) != 0)
		return false;
	days = interval->month * 30.4375 + interval->day + (double) interval->time / USECS_PER_DAY;
	if (days > MAX_DELAY_YEARS * 365.25)
		return false;
	*problem = "is no time at all";
	return days > 0;
}

/*
 * wo_delay_parse reads a duration, or one of working time, "PT16H@office".
 * *calendar points into the text, or is NULL.
 */
bool
wo_delay_parse(const char *text, Interval *interval, const char **calendar, const char **problem)
{
	const char *at = strchr(text, '@');

	*calendar = at != NULL ? at + 1 : NULL;
	if (!parse_duration(at != NULL ? pnstrdup(text, at - text) : text, interval, problem))
		return false;
	if (at == NULL)
		return true;
	*problem = "has months, which are not working time";
	if (interval->month != 0)
		return false;
	*problem = "names no calendar";
	return at[1] != '\0' && strlen(at + 1) < NAMEDATALEN && strchr(at + 1, '@') == NULL;
}
