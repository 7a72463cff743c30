/*-------------------------------------------------------------------------
 *
 * timer.c
 *	  Timers follow the ticket: workorder.timer holds the clocks that run for
 *	  it, by the rules of clock.c.
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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/flow_read.h"
#include "timer/timer.h"
#include "utils/catalog.h"
#include "utils/errors.h"
#include "utils/id_set.h"
#include "utils/owner_spi.h"
#include "utils/value.h"

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
			wo_clock_add(clocks, s, d)->stored = true;
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
				clock = wo_clock_add(clocks, state, d);
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
		wo_clock_date(TupleDescAttr(dated->binding->desc, attnum - 1)->atttypid, dated->row->values[attnum - 1], due);
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
		wo_clock_follow(&clocks, to, at);
	else
		wo_clock_move(&clocks, flow, from, to,
				   from < 0 ? -1 :
				   wo_clock_domain(flow, wo_binding_text(binding, row, WO_LAST_ACTION), from, to,
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
