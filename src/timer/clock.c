/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  The clocks that run for a ticket: what a move sets, stops and ends.
 *
 * Entering a state sets the timers that it declares, leaving it ends them,
 * and the end of the flow ends them all.  A state that pauses stops the
 * clocks of the states around it and of those that the ticket comes from; when
 * the ticket goes on, the clocks of the states that it is in then go on with
 * what was left, and the others end.
 *
 * A timer may follow a column that says when it is due: it is there while the
 * column holds a time, and moves with it.  One that has fired is set anew when
 * the column gets another time.  A pause holds it and does not put it off.
 *
 * These are rules in memory and nothing else: timer.c applies them to
 * workorder.timer with every act, verify_timers.c to a ticket's journal, and
 * both must come to the same.  Everything is in the current memory context.
 *
 * Plain durations are added in UTC, so that neither the session's time zone
 * nor summer time has a say; those of a calendar count its working time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "flow/flow.h"
#include "flow/flow_read.h"
#include "timer/calendar.h"
#include "timer/clock.h"
#include "utils/catalog.h"
#include "utils/errors.h"

/* How long a timer runs, and by whose time. */
typedef struct Term
{
	Interval	interval;
	const char *calendar;		/* NULL = all time counts */
	bool		counted;		/* false: it is not to be known */
	bool		dated;			/* the row says when it ends */
	TimestampTz date;
} Term;

/*
 * read_setting reads how long a tenant has set; false if it has not.
 */
static bool
read_setting(const WoClocks *clocks, const char *name, Term *term)
{
	WoCatalogKey keys[3] = {
		{"tenant_id", INT8OID, Int64GetDatum(clocks->tenant)},
		{"system", TEXTOID, CStringGetTextDatum(clocks->flow->name)},
		{"name", TEXTOID, CStringGetTextDatum(name)}
	};
	WoCatalogScan	lookup;
	HeapTuple	tuple;
	char	   *value = NULL;
	const char *problem;

	wo_catalog_begin(&lookup, wo_catalog_table("setting", false), keys, 3);
	if ((tuple = wo_catalog_next(&lookup)) != NULL)
		value = wo_catalog_text(&lookup, tuple, "value");
	wo_catalog_end(&lookup);
	if (value == NULL)
		return false;
	if (!wo_flow_read_delay(value, &term->interval, &term->calendar, &problem))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("setting \"%s\" of \"%s\" is not a duration", name, clocks->flow->name),
				 errdetail("\"%s\" %s.", wo_errors_shorten(value), problem),
				 errhint("Set it to P3D, PT30M or PT16H@office with workorder.set_setting(), or to null for none.")));
	return true;
}

/*
 * term_of returns how long a timer runs; false if this tenant has none.
 */
static bool
term_of(const WoClocks *clocks, const WoDelay *delay, Term *term)
{
	term->dated = delay->column >= 0;
	if (term->dated)
	{
		term->calendar = NULL;
		term->counted = true;
		return clocks->date(clocks->date_arg, clocks->flow, delay->column, &term->date);
	}
	term->interval = delay->interval;
	term->calendar = delay->calendar;
	term->counted = !clocks->uncounted || (delay->calendar == NULL && delay->setting == NULL);
	return delay->setting == NULL || !term->counted || read_setting(clocks, delay->setting, term);
}

/*
 * due_at returns when a term that begins at some time ends.
 */
static TimestampTz
due_at(const WoClocks *clocks, const Term *term, TimestampTz since)
{
	if (term->dated)
		return term->date;
	if (!term->counted)
		return since;
	if (term->calendar != NULL)
		return wo_calendar_add(clocks->tenant, term->calendar, since, &term->interval);
	/* as of a timestamp without time zone, which is that of UTC */
	return DatumGetTimestampTz(DirectFunctionCall2(timestamp_pl_interval, TimestampGetDatum(since),
												   IntervalPGetDatum(&term->interval)));
}

/*
 * pause_clock stops a clock.  One that should have fired already has nothing
 * left.
 */
static void
pause_clock(const WoClocks *clocks, WoClock *clock, TimestampTz at)
{
	Term		term;

	clock->paused = clock->changed = true;
	if (!term_of(clocks, &clocks->flow->states[clock->state].delays[clock->delay], &term))
		term.calendar = NULL;
	clock->rest = term.dated || clock->due <= at || !term.counted ? 0 :
		term.calendar != NULL ?
		wo_calendar_between(clocks->tenant, term.calendar, at, clock->due) : clock->due - at;
}

/*
 * resume_clock lets a clock go on.
 */
static void
resume_clock(const WoClocks *clocks, WoClock *clock, TimestampTz at)
{
	Term		term;

	clock->paused = false;
	clock->changed = true;
	if (!term_of(clocks, &clocks->flow->states[clock->state].delays[clock->delay], &term))
	{
		term.calendar = NULL;
		/* wo_clock_follow() takes it away */
		if (term.dated)
			return;
	}
	term.interval = (Interval) {.time = clock->rest};
	clock->due = due_at(clocks, &term, at);
}

/*
 * wo_clock_add adds a clock to the list; the caller fills it in.
 */
WoClock *
wo_clock_add(WoClocks *clocks, int state, int delay)
{
	WoClock    *clock;

	if (clocks->n == clocks->max)
	{
		clocks->max = Max(clocks->max * 2, 8);
		clocks->item = clocks->item == NULL ? palloc(sizeof(WoClock) * clocks->max) :
			repalloc(clocks->item, sizeof(WoClock) * clocks->max);
	}
	clock = &clocks->item[clocks->n++];
	memset(clock, 0, sizeof(WoClock));
	clock->state = state;
	clock->delay = delay;
	return clock;
}

/*
 * find returns the clock of a timer that is not gone, or NULL.
 */
static WoClock *
find(WoClocks *clocks, int state, int delay)
{
	for (int i = 0; i < clocks->n; i++)
		if (clocks->item[i].state == state && clocks->item[i].delay == delay && !clocks->item[i].gone)
			return &clocks->item[i];
	return NULL;
}

/*
 * pausing_state returns the outermost state that pauses, of a leaf and the
 * states around it; -1 if none does.
 */
static int
pausing_state(const WoFlow *flow, int leaf)
{
	int			found = -1;

	for (int s = leaf; s >= 0; s = flow->states[s].parent)
		if (flow->states[s].pauses)
			found = s;
	return found;
}

/*
 * ends tells whether a clock ends with a move from one leaf to another.  The
 * states below the domain are left; was and is are the pausing states on
 * either side, -1 for none.
 */
static bool
ends(const WoFlow *flow, int state, int from, int to, int domain, int was, int is)
{
	if (from >= 0 && wo_flow_within(flow, from, state))
	{
		if (domain >= 0 && wo_flow_within(flow, domain, state))
			return false;		/* it is around the domain and is not left */
		/* what is left for a pause may be come back to, but not what paused, nor what is entered anew */
		return is < 0 || (was >= 0 && wo_flow_within(flow, state, was)) ||
			wo_flow_within(flow, to, state);
	}
	/* stopped by an earlier move */
	return is < 0 && !wo_flow_within(flow, to, state);
}

/*
 * wo_clock_move carries the clocks along with a ticket: from -1 into the
 * world, to -1 out of it.  domain is the innermost state that is not left.
 */
void
wo_clock_move(WoClocks *clocks, const WoFlow *flow, int from, int to, int domain, TimestampTz at)
{
	int			was;
	int			is;

	if (clocks->flow != flow || to < 0 || flow->states[to].done)
	{
		/* another version of the flow has states of its own */
		for (int i = 0; i < clocks->n; i++)
			clocks->item[i].gone = true;
		clocks->flow = flow;
		from = domain = -1;
	}
	if (to < 0 || flow->states[to].done)
		return;
	was = from >= 0 ? pausing_state(flow, from) : -1;
	is = pausing_state(flow, to);

	for (int i = 0; i < clocks->n; i++)
	{
		WoClock    *clock = &clocks->item[i];
		bool		pauses;

		if (clock->gone)
			continue;
		clock->gone = ends(flow, clock->state, from, to, domain, was, is);
		if (clock->gone || clock->fired)
			continue;
		pauses = is >= 0 && !wo_flow_within(flow, clock->state, is);
		if (pauses && !clock->paused)
			pause_clock(clocks, clock, at);
		else if (!pauses && clock->paused)
			resume_clock(clocks, clock, at);
	}
	for (int s = to; s >= 0 && s != domain; s = flow->states[s].parent)
		for (int d = 0; d < flow->states[s].ndelays; d++)
		{
			Term		term;
			WoClock    *clock;

			/* what was stopped goes on, see above */
			if (find(clocks, s, d) != NULL || !term_of(clocks, &flow->states[s].delays[d], &term))
				continue;
			clock = wo_clock_add(clocks, s, d);
			clock->due = due_at(clocks, &term, at);
			if (is >= 0 && !wo_flow_within(flow, s, is))
				pause_clock(clocks, clock, at);
		}
	wo_clock_follow(clocks, to, at);
}

/*
 * wo_clock_date reads a column that says when a timer is due.  A time without
 * a zone is one of UTC; null and infinity are no time.
 */
bool
wo_clock_date(Oid type, Datum value, TimestampTz *due)
{
	type = getBaseType(type);
	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID)
		return false;
	*due = DatumGetTimestampTz(value);
	return !TIMESTAMP_NOT_FINITE(*due);
}

/*
 * wo_clock_follow has the clocks of a ticket in a leaf follow the columns of
 * its row.
 */
void
wo_clock_follow(WoClocks *clocks, int leaf, TimestampTz at)
{
	const WoFlow *flow = clocks->flow;
	int			is = flow->dated ? pausing_state(flow, leaf) : -1;

	for (int s = leaf; s >= 0 && flow->dated; s = flow->states[s].parent)
		for (int d = 0; d < flow->states[s].ndelays; d++)
		{
			WoClock    *clock;
			Term		term;

			if (flow->states[s].delays[d].column < 0)
				continue;
			clock = find(clocks, s, d);
			if (!term_of(clocks, &flow->states[s].delays[d], &term))
			{
				if (clock != NULL)
					clock->gone = true;
				continue;
			}
			if (clock == NULL)
				clock = wo_clock_add(clocks, s, d);
			else if (clock->paused || clock->due == term.date)
				continue;
			else
				clock->changed = true;
			clock->due = term.date;
			clock->fired = false;
			if (is >= 0 && !wo_flow_within(flow, s, is))
				pause_clock(clocks, clock, at);
		}
}

/*
 * leading_domain returns the domain of the first transition of a list that
 * leads from one leaf to another, -2 if none does.
 */
static int
leading_domain(const WoFlow *flow, const WoTransitionList *list, int from, int to,
			   Jsonb *before, Jsonb *after)
{
	for (int i = 0; i < list->n; i++)
	{
		const WoTransition *c = &list->item[i];

		if (c->target < 0 || (from == to && !c->reenter))
			continue;
		if (wo_flow_enter(flow, c->target, before) == to || wo_flow_enter(flow, c->target, after) == to)
			return wo_flow_domain(flow, c->source, wo_flow_resolve(flow, c->target, before), c->reenter);
	}
	return -2;
}

/*
 * wo_clock_domain works out which states a ticket left and entered when an
 * action took it from one leaf to another: all below the state returned, which
 * is -1 if it left the root as well.  before and after are what it remembered,
 * NULL for nothing.  A move that no transition explains, a repair, leaves as
 * little as it can.
 */
int
wo_clock_domain(const WoFlow *flow, const char *action, int from, int to,
				Jsonb *before, Jsonb *after)
{
	int			number = wo_flow_action(flow, action);
	int			domain;

	for (int s = from; s >= 0; s = flow->states[s].parent)
	{
		const WoState *state = &flow->states[s];

		if (number >= 0 &&
			(domain = leading_domain(flow, &state->on[number], from, to, before, after)) != -2)
			return domain;
		for (int d = 0; number < 0 && d < state->ndelays; d++)
			if (strcmp(state->delays[d].action, action) == 0 &&
				(domain = leading_domain(flow, &state->delays[d].transitions, from, to, before, after)) != -2)
				return domain;
	}
	/* leaves lie side by side, so the nearest state around both is above either */
	domain = flow->states[to].parent;
	while (!wo_flow_within(flow, from, domain))
		domain = flow->states[domain].parent;
	return domain;
}
