/*-------------------------------------------------------------------------
 *
 * timer.c
 *	  The clocks that run for a ticket, and workorder.timer, which holds them.
 *
 * All of a ticket's timers change under the lock of its row only.  The
 * statements run as the table's owner (owner_spi.c).  Flows without timers, by
 * far the most, cost nothing here; flows that never pause, and whose timers follow
 * no column, need not read what is stored, since it follows from where the ticket
 * was.
 *
 * wo_firing is the one thing that does not travel in the row: it tells the
 * guard that the order "after ..." comes from the sweeper, who has made sure
 * that the timer is due.  Nobody else can give such an order.
 *
 * While the sweeper moves many tickets, what becomes of their timers is gathered
 * and written together.  A ticket that is acted on twice meanwhile, by a
 * trigger, has the first written before the second is looked at.
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
 * The clocks are rules in memory and nothing else: they are applied to
 * workorder.timer with every act, by verify_timers.c to a ticket's journal, and
 * both must come to the same.  Everything is in the current memory context.
 *
 * Plain durations are added in UTC, so that neither the session's time zone
 * nor summer time has a say; those of a calendar count its working time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/flow_read.h"
#include "timer/calendar.h"
#include "timer/timer.h"
#include "utils/catalog.h"
#include "utils/errors.h"
#include "utils/id_set.h"
#include "utils/owner_spi.h"
#include "utils/value.h"

/* ----------------------------------------------------------------
 *		clocks
 * ----------------------------------------------------------------
 */

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
		/* wo_timer_follow_clocks() takes it away */
		if (term.dated)
			return;
	}
	term.interval = (Interval) {.time = clock->rest};
	clock->due = due_at(clocks, &term, at);
}

/*
 * wo_timer_add_clock adds a clock to the list; the caller fills it in.
 */
WoClock *
wo_timer_add_clock(WoClocks *clocks, int state, int delay)
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
 * wo_timer_move_clocks carries the clocks along with a ticket: from -1 into the
 * world, to -1 out of it.  domain is the innermost state that is not left.
 */
void
wo_timer_move_clocks(WoClocks *clocks, const WoFlow *flow, int from, int to, int domain, TimestampTz at)
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
			clock = wo_timer_add_clock(clocks, s, d);
			clock->due = due_at(clocks, &term, at);
			if (is >= 0 && !wo_flow_within(flow, s, is))
				pause_clock(clocks, clock, at);
		}
	wo_timer_follow_clocks(clocks, to, at);
}

/*
 * wo_timer_date reads a column that says when a timer is due.  A time without
 * a zone is one of UTC; null and infinity are no time.
 */
bool
wo_timer_date(Oid type, Datum value, TimestampTz *due)
{
	type = getBaseType(type);
	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID)
		return false;
	*due = DatumGetTimestampTz(value);
	return !TIMESTAMP_NOT_FINITE(*due);
}

/*
 * wo_timer_follow_clocks has the clocks of a ticket in a leaf follow the columns of
 * its row.
 */
void
wo_timer_follow_clocks(WoClocks *clocks, int leaf, TimestampTz at)
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
				clock = wo_timer_add_clock(clocks, s, d);
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
 * wo_timer_domain works out which states a ticket left and entered when an
 * action took it from one leaf to another: all below the state returned, which
 * is -1 if it left the root as well.  before and after are what it remembered,
 * NULL for nothing.  A move that no transition explains, a repair, leaves as
 * little as it can.
 */
int
wo_timer_domain(const WoFlow *flow, const char *action, int from, int to,
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

/* ----------------------------------------------------------------
 *		timers follow the ticket
 * ----------------------------------------------------------------
 */

#define KEY " WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND guarded_id OPERATOR(pg_catalog.=) $2" \
	" AND ticket_id OPERATOR(pg_catalog.=) $3"

PG_FUNCTION_INFO_V1(workorder_read_delay);

WoFiring *wo_firing = NULL;

static WoStatement set_timer = {
	.table = "timer",
	.text = "INSERT INTO workorder.timer (tenant_id, guarded_id, ticket_id, state, delay, due_at, next_at, rest, fired_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $8 IS NULL THEN $6 END, $7, $8)"
	" ON CONFLICT (tenant_id, guarded_id, ticket_id, state, delay)"
	" DO UPDATE SET due_at = EXCLUDED.due_at, next_at = EXCLUDED.next_at, rest = EXCLUDED.rest,"
	" fired_at = EXCLUDED.fired_at, tries = 0, problem = NULL",
	.nargs = 8,
	.types = {INT8OID, INT4OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INTERVALOID, TIMESTAMPTZOID}
};

static WoStatement clear_some = {
	.table = "timer",
	.text = "DELETE FROM workorder.timer t"
	" USING ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5)) AS g (state, delay)"
	" WHERE t.tenant_id OPERATOR(pg_catalog.=) $1 AND t.guarded_id OPERATOR(pg_catalog.=) $2"
	" AND t.ticket_id OPERATOR(pg_catalog.=) $3 AND t.state OPERATOR(pg_catalog.=) g.state"
	" AND t.delay OPERATOR(pg_catalog.=) g.delay",
	.nargs = 5,
	.types = {INT8OID, INT4OID, INT8OID, TEXTARRAYOID, TEXTARRAYOID}
};

static WoStatement clear_ticket = {
	.table = "timer",
	.text = "DELETE FROM workorder.timer" KEY,
	.nargs = 3,
	.types = {INT8OID, INT4OID, INT8OID}
};

static WoStatement clear_many = {
	.table = "timer",
	.text = "DELETE FROM workorder.timer t"
	" USING ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5)) AS g (ticket_id, state, delay)"
	" WHERE t.tenant_id OPERATOR(pg_catalog.=) $1 AND t.guarded_id OPERATOR(pg_catalog.=) $2"
	" AND t.ticket_id OPERATOR(pg_catalog.=) g.ticket_id"
	" AND (g.state IS NULL OR (t.state OPERATOR(pg_catalog.=) g.state AND t.delay OPERATOR(pg_catalog.=) g.delay))",
	.nargs = 5,
	.types = {INT8OID, INT4OID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

static WoStatement set_many = {
	.table = "timer",
	.text = "INSERT INTO workorder.timer (tenant_id, guarded_id, ticket_id, state, delay, due_at, next_at)"
	" SELECT $1, $2, g.ticket_id, g.state, g.delay, g.due_at, g.due_at"
	" FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6))"
	" AS g (ticket_id, state, delay, due_at)"
	" ON CONFLICT (tenant_id, guarded_id, ticket_id, state, delay)"
	" DO UPDATE SET due_at = EXCLUDED.due_at, next_at = EXCLUDED.next_at, rest = NULL,"
	" fired_at = NULL, tries = 0, problem = NULL",
	.nargs = 6,
	.types = {INT8OID, INT4OID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

/* Columns of rows to come, as arrays that grow. */
typedef struct Gathered
{
	int			n;
	int			max;
	Datum	   *tickets;
	Datum	   *states;			/* 0 = all of the ticket's */
	Datum	   *delays;
	Datum	   *dues;
} Gathered;

/* What is gathered; in the context of who gathers, and gone with it. */
typedef struct Gathering
{
	MemoryContext context;
	int64		tenant;
	int32		guarded_id;
	Gathered	cleared;		/* these go first */
	Gathered	set;
	HTAB	   *tickets;		/* of whom something is gathered */
} Gathering;

static Gathering *gathering = NULL;

/*
 * wo_timer_gather has timers of a table's tickets gathered until
 * wo_timer_write(); wo_timer_forget() is for when it comes to nothing.
 */
void
wo_timer_gather(int64 tenant, int32 guarded_id)
{
	gathering = palloc0(sizeof(Gathering));
	gathering->context = CurrentMemoryContext;
	gathering->tenant = tenant;
	gathering->guarded_id = guarded_id;
}

void
wo_timer_forget(void)
{
	gathering = NULL;
}

/*
 * gathers tells whether the timers of a table's tickets are gathered.
 */
static bool
gathers(int64 tenant, int32 guarded_id)
{
	return gathering != NULL && gathering->tenant == tenant && gathering->guarded_id == guarded_id;
}

/*
 * gather adds a row.
 */
static void
gather(Gathered *rows, WoTicketId ticket, const char *state, const char *delay, TimestampTz due)
{
	MemoryContext old = MemoryContextSwitchTo(gathering->context);

	if (rows->n == rows->max)
	{
		Size		size;

		rows->max = Max(rows->max * 2, 1024);
		size = sizeof(Datum) * rows->max;
		rows->tickets = rows->n == 0 ? palloc(size) : repalloc(rows->tickets, size);
		rows->states = rows->n == 0 ? palloc(size) : repalloc(rows->states, size);
		rows->delays = rows->n == 0 ? palloc(size) : repalloc(rows->delays, size);
		rows->dues = rows->n == 0 ? palloc(size) : repalloc(rows->dues, size);
	}
	rows->tickets[rows->n] = TicketIdGetDatum(ticket);
	rows->states[rows->n] = state == NULL ? (Datum) 0 : CStringGetTextDatum(state);
	rows->delays[rows->n] = delay == NULL ? (Datum) 0 : CStringGetTextDatum(delay);
	rows->dues[rows->n++] = TimestampTzGetDatum(due);
	(void) wo_id_set_add(&gathering->tickets, ticket);
	MemoryContextSwitchTo(old);
}

/*
 * texts returns text[] of what was gathered; 0 becomes null.
 */
static Datum
texts(const Gathered *rows, Datum *elements)
{
	bool	   *nulls = palloc(sizeof(bool) * rows->n);
	int			lower = 1;
	int			n = rows->n;

	for (int i = 0; i < n; i++)
		nulls[i] = elements[i] == (Datum) 0;
	return PointerGetDatum(construct_md_array(elements, nulls, 1, &n, &lower, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * write_gathered writes what was gathered so far.
 */
static void
write_gathered(void)
{
	Datum		values[6];

	values[0] = Int64GetDatum(gathering->tenant);
	values[1] = Int32GetDatum(gathering->guarded_id);
	if (gathering->cleared.n > 0)
	{
		const Gathered *rows = &gathering->cleared;

		values[2] = PointerGetDatum(construct_array(rows->tickets, rows->n, INT8OID, sizeof(int64),
													FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		values[3] = texts(rows, rows->states);
		values[4] = texts(rows, rows->delays);
		(void) wo_owner_spi_run(&clear_many, values, NULL);
	}
	if (gathering->set.n > 0)
	{
		const Gathered *rows = &gathering->set;

		values[2] = PointerGetDatum(construct_array(rows->tickets, rows->n, INT8OID, sizeof(int64),
													FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		values[3] = texts(rows, rows->states);
		values[4] = texts(rows, rows->delays);
		values[5] = PointerGetDatum(construct_array(rows->dues, rows->n, TIMESTAMPTZOID, sizeof(int64),
													FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		(void) wo_owner_spi_run(&set_many, values, NULL);
	}
	gathering->cleared.n = gathering->set.n = 0;
	gathering->cleared.max = gathering->set.max = 0;
	if (gathering->tickets != NULL)
		hash_destroy(gathering->tickets);
	gathering->tickets = NULL;
}

/*
 * wo_timer_write writes what was gathered, and ends that.
 */
void
wo_timer_write(void)
{
	write_gathered();
	gathering = NULL;
}

/*
 * wo_timer_fired tells which timer an order "after ..." means: the one that
 * the sweeper is firing, if the ticket is in the state that declares it.
 */
const WoDelay *
wo_timer_fired(int32 guarded_id, const char *action, const WoFlow *flow, int leaf)
{
	int			state;

	if (wo_firing == NULL || wo_firing->guarded_id != guarded_id ||
		strcmp(wo_firing->action, action) != 0)
		return NULL;
	state = wo_flow_state(flow, wo_firing->state, strlen(wo_firing->state));
	if (state < 0 || !wo_flow_within(flow, leaf, state) || flow->states[leaf].done)
		return NULL;
	for (int d = 0; d < flow->states[state].ndelays; d++)
		if (strcmp(flow->states[state].delays[d].text, wo_firing->delay) == 0)
			return &flow->states[state].delays[d];
	return NULL;
}

/*
 * leaf_of returns the flow and the leaf a row rests in, -1 if unknown.
 */
static int
leaf_of(WoBinding *binding, const WoRow *row, const WoFlow **flow)
{
	AttrNumber	attnum = binding->engine[WO_FLOW_ID];
	char	   *state = wo_binding_text(binding, row, WO_STATE);

	*flow = row->nulls[attnum - 1] ? NULL : wo_flow_cache_by_id(DatumGetInt32(row->values[attnum - 1]));
	return *flow == NULL || state == NULL ? -1 : wo_flow_state(*flow, state, strlen(state));
}

/*
 * has_timers tells whether any state of a row's flow declares one.
 */
static bool
has_timers(WoBinding *binding, const WoRow *row)
{
	AttrNumber	attnum = binding->engine[WO_FLOW_ID];
	const WoFlow *flow = row == NULL || row->nulls[attnum - 1] ? NULL :
		wo_flow_cache_by_id(DatumGetInt32(row->values[attnum - 1]));

	return flow != NULL && flow->ndelays > 0;
}

/*
 * presume lists the clocks of a ticket in a leaf as the flow has them, which
 * is enough to know unless one may have been stopped.
 */
static void
presume(WoClocks *clocks, int leaf)
{
	for (int s = leaf; s >= 0; s = clocks->flow->states[s].parent)
		for (int d = 0; d < clocks->flow->states[s].ndelays; d++)
			wo_timer_add_clock(clocks, s, d)->stored = true;
}

/*
 * wo_timer_load reads a ticket's clocks; the caller has locked the ticket and
 * set tenant and flow; or who only compares gives the snapshot they look at, else
 * it is NULL.  What the flow does not know is left out, and counted.
 */
int
wo_timer_load(WoClocks *clocks, int32 guarded_id, WoTicketId ticket, Snapshot snapshot)
{
	WoCatalogKey keys[3] = {
		{"tenant_id", INT8OID, Int64GetDatum(clocks->tenant)},
		{"guarded_id", INT4OID, Int32GetDatum(guarded_id)},
		{"ticket_id", INT8OID, TicketIdGetDatum(ticket)}
	};
	WoCatalogScan	lookup;
	HeapTuple	tuple;
	int			strays = 0;

	if (snapshot != NULL)
		wo_catalog_begin_in(&lookup, wo_catalog_table("timer", false), keys, 3, snapshot);
	else
		wo_catalog_begin(&lookup, wo_catalog_table("timer", false), keys, 3);
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
	{
		bool		isnull;
		char	   *path = wo_catalog_text(&lookup, tuple, "state");
		char	   *delay = wo_catalog_text(&lookup, tuple, "delay");
		int			state = wo_flow_state(clocks->flow, path, strlen(path));
		WoClock    *clock = NULL;
		Datum		rest;

		for (int d = 0; state >= 0 && d < clocks->flow->states[state].ndelays; d++)
			if (strcmp(clocks->flow->states[state].delays[d].text, delay) == 0)
				clock = wo_timer_add_clock(clocks, state, d);
		if (clock == NULL)
		{
			strays++;
			continue;
		}
		clock->stored = true;
		clock->due = DatumGetTimestampTz(wo_catalog_datum(&lookup, tuple, "due_at", TIMESTAMPTZOID, &isnull));
		clock->fired_at = DatumGetTimestampTz(wo_catalog_datum(&lookup, tuple, "fired_at", TIMESTAMPTZOID, &isnull));
		clock->fired = !isnull;
		rest = wo_catalog_datum(&lookup, tuple, "rest", INTERVALOID, &isnull);
		clock->paused = !isnull;
		if (!isnull)
			clock->rest = DatumGetIntervalP(rest)->time;
	}
	wo_catalog_end(&lookup);
	return strays;
}

/*
 * clear_gone deletes the timers of the states that were left, and those whose
 * column says no time any more.
 */
static void
clear_gone(const WoClocks *clocks, int32 guarded_id, WoTicketId ticket, bool together)
{
	Datum	   *states = palloc(sizeof(Datum) * Max(clocks->n, 1));
	Datum	   *delays = palloc(sizeof(Datum) * Max(clocks->n, 1));
	Datum		values[5] = {Int64GetDatum(clocks->tenant), Int32GetDatum(guarded_id), TicketIdGetDatum(ticket)};
	int			n = 0;

	for (int i = 0; i < clocks->n; i++)
	{
		const WoClock *clock = &clocks->item[i];
		const WoState *state = &clocks->flow->states[clock->state];

		if (!clock->gone || !clock->stored)
			continue;
		if (together)
			gather(&gathering->cleared, ticket, state->path, state->delays[clock->delay].text, 0);
		else
		{
			states[n] = CStringGetTextDatum(state->path);
			delays[n++] = CStringGetTextDatum(state->delays[clock->delay].text);
		}
	}
	if (n == 0)
		return;
	values[3] = PointerGetDatum(construct_array(states, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[4] = PointerGetDatum(construct_array(delays, n, TEXTOID, -1, false, TYPALIGN_INT));
	(void) wo_owner_spi_run(&clear_some, values, NULL);
}

/*
 * wo_timer_save writes what has changed.
 */
void
wo_timer_save(const WoClocks *clocks, int32 guarded_id, WoTicketId ticket)
{
	Datum		values[8] = {Int64GetDatum(clocks->tenant), Int32GetDatum(guarded_id), TicketIdGetDatum(ticket)};
	bool		together = gathers(clocks->tenant, guarded_id);

	/* what stands still or goes on is rare, and changes rows that are there */
	for (int i = 0; i < clocks->n; i++)
		together &= clocks->item[i].gone || !(clocks->item[i].changed || clocks->item[i].paused || clocks->item[i].fired);
	clear_gone(clocks, guarded_id, ticket, together);
	for (int i = 0; i < clocks->n; i++)
	{
		const WoClock *clock = &clocks->item[i];
		const WoState *state = &clocks->flow->states[clock->state];
		Interval	rest = {.time = clock->rest};

		if (clock->gone || (clock->stored && !clock->changed))
			continue;
		if (together)
		{
			gather(&gathering->set, ticket, state->path, state->delays[clock->delay].text, clock->due);
			continue;
		}
		values[3] = CStringGetTextDatum(state->path);
		values[4] = CStringGetTextDatum(state->delays[clock->delay].text);
		values[5] = TimestampTzGetDatum(clock->due);
		values[6] = IntervalPGetDatum(&rest);
		values[7] = TimestampTzGetDatum(clock->fired_at);
		(void) wo_owner_spi_run_with_nulls(&set_timer, values,
										  clock->fired ? "      n " : clock->paused ? "     n n" : "      nn", NULL);
	}
}

/*
 * clear_all deletes all timers of a ticket.
 */
static void
clear_all(WoBinding *binding, const WoRow *row)
{
	Datum		values[3];

	if (gathers(wo_binding_tenant(binding, row), binding->guarded_id))
	{
		gather(&gathering->cleared, wo_binding_id(binding, row->values), NULL, NULL, 0);
		return;
	}
	values[0] = Int64GetDatum(wo_binding_tenant(binding, row));
	values[1] = Int32GetDatum(binding->guarded_id);
	values[2] = TicketIdGetDatum(wo_binding_id(binding, row->values));
	(void) wo_owner_spi_run(&clear_ticket, values, NULL);
}

/* Where the columns that timers follow are looked at. */
typedef struct DatedRow
{
	WoBinding  *binding;
	const WoRow *row;
} DatedRow;

/*
 * date_of_row is WoClocks.date for a row.
 */
static bool
date_of_row(void *arg, const WoFlow *flow, int column, TimestampTz *due)
{
	const DatedRow *dated = arg;
	AttrNumber	attnum = wo_binding_columns(dated->binding, flow)[column];

	return attnum != InvalidAttrNumber && !dated->row->nulls[attnum - 1] &&
		wo_timer_date(TupleDescAttr(dated->binding->desc, attnum - 1)->atttypid, dated->row->values[attnum - 1], due);
}

/*
 * wo_timer_dates has clocks follow the columns of a row, which lives as long as
 * they do.
 */
void
wo_timer_dates(WoClocks *clocks, WoBinding *binding, const WoRow *row)
{
	DatedRow   *dated = palloc(sizeof(DatedRow));

	*dated = (DatedRow) {binding, row};
	clocks->date = date_of_row;
	clocks->date_arg = dated;
}

/*
 * same_dates tells whether the columns that timers of a leaf follow are the same
 * in two rows.
 */
static bool
same_dates(WoBinding *binding, const WoFlow *flow, int leaf, const WoRow *old, const WoRow *row)
{
	for (int s = leaf; s >= 0 && flow->dated; s = flow->states[s].parent)
		for (int d = 0; d < flow->states[s].ndelays; d++)
		{
			int			column = flow->states[s].delays[d].column;
			AttrNumber	attnum = column < 0 ? InvalidAttrNumber : wo_binding_columns(binding, flow)[column];

			if (attnum != InvalidAttrNumber && !wo_binding_same(binding, attnum, old, row))
				return false;
		}
	return true;
}

/*
 * wo_timer_follow moves the timers from the states that old was in to those
 * that row is in; NULL stands for no row.
 */
void
wo_timer_follow(WoBinding *binding, const WoRow *old, const WoRow *row)
{
	WoClocks	clocks = {0};
	const WoFlow *flow = NULL;
	const WoRow *any;
	TimestampTz at;
	bool		stays;
	int			from;
	int			to;

	if (!has_timers(binding, old) && !has_timers(binding, row))
		return;
	from = old != NULL ? leaf_of(binding, old, &clocks.flow) : -1;
	to = row != NULL ? leaf_of(binding, row, &flow) : -1;
	stays = old != NULL && row != NULL && clocks.flow == flow && from == to &&
		wo_binding_same(binding, binding->engine[WO_ENTERED_AT], old, row);
	if (stays && (flow == NULL || same_dates(binding, flow, to, old, row)))
		return;

	any = row != NULL ? row : old;
	if (gathers(wo_binding_tenant(binding, any), binding->guarded_id) &&
		wo_id_set_has(gathering->tickets, wo_binding_id(binding, any->values)))
		write_gathered();

	/* a repair may move a ticket between flows, or bring it back from nowhere */
	if (old != NULL && (from < 0 || to < 0 || clocks.flow != flow || flow->states[to].done))
		clear_all(binding, old);
	if (to < 0 || flow->states[to].done)
		return;
	clocks.tenant = wo_binding_tenant(binding, row);
	if (from < 0 || clocks.flow != flow)
		from = -1;
	else if (flow->pausing || flow->dated)
		(void) wo_timer_load(&clocks, binding->guarded_id, wo_binding_id(binding, row->values), NULL);
	else
		presume(&clocks, from);
	if (from < 0)
		clocks.flow = flow;
	wo_timer_dates(&clocks, binding, row);
	at = DatumGetTimestampTz(row->values[binding->engine[WO_UPDATED_AT] - 1]);
	if (stays)
		wo_timer_follow_clocks(&clocks, to, at);
	else
		wo_timer_move_clocks(&clocks, flow, from, to,
				   from < 0 ? -1 :
				   wo_timer_domain(flow, wo_binding_text(binding, row, WO_LAST_ACTION), from, to,
								   wo_binding_history(binding, old->values, old->nulls),
								   wo_binding_history(binding, row->values, row->nulls)), at);
	wo_timer_save(&clocks, binding->guarded_id, wo_binding_id(binding, row->values));
}

/*
 * read_delay(given) tells what is wrong with a duration, and which calendar
 * it names.
 */
Datum
workorder_read_delay(PG_FUNCTION_ARGS)
{
	Interval	interval;
	const char *calendar;
	const char *problem;
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2];

	nulls[1] = wo_flow_read_delay(text_to_cstring(PG_GETARG_TEXT_PP(0)), &interval, &calendar, &problem);
	nulls[0] = calendar == NULL;
	if (!nulls[0])
		values[0] = CStringGetTextDatum(calendar);
	if (!nulls[1])
		values[1] = CStringGetTextDatum(problem);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
