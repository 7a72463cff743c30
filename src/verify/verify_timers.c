/*-------------------------------------------------------------------------
 *
 * verify_timers.c
 *	  Are a ticket's timers those that its history demands; workorder.retime()
 *	  makes them so.
 *
 * The journal tells when each state was entered, left, paused and resumed, so
 * the clocks of a ticket are folded from its entries by the rules of timer.c and
 * set beside the rows of workorder.timer.  Two things are not on record: that
 * a timer's time came and no guard held, so one that has fired is never
 * doubted; and what a calendar or a setting said then, so verify() does not ask
 * when such a timer is due, while retime() counts it anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "flow/flow_cache.h"
#include "utils/owner_spi.h"
#include "utils/catalog.h"
#include "timer/timer.h"
#include "utils/value.h"
#include "verify/verify.h"

static WoStatement keep_only = {
	.table = "timer",
	.text = "DELETE FROM workorder.timer WHERE tenant_id OPERATOR(pg_catalog.=) $1"
	" AND guarded_id OPERATOR(pg_catalog.=) $2 AND ticket_id OPERATOR(pg_catalog.=) $3"
	" AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5)) e (state, delay)"
	" WHERE e.state OPERATOR(pg_catalog.=) timer.state AND e.delay OPERATOR(pg_catalog.=) timer.delay)",
	.nargs = 5,
	.types = {INT8OID, INT4OID, INT8OID, TEXTARRAYOID, TEXTARRAYOID}
};

/*
 * wo_verify_timers_open starts reading which tickets have timers, in the order
 * of the tickets.
 */
void
wo_verify_timers_open(WoVerify *v, const int64 *tenant, const WoTicketId *ticket)
{
	Oid			types[3] = {INT4OID, INT8OID, INT8OID};
	Datum		values[3] = {Int32GetDatum(v->binding->guarded_id)};

	if (ticket != NULL)
	{
		values[1] = Int64GetDatum(*tenant);
		values[2] = TicketIdGetDatum(*ticket);
	}
	wo_owner_spi_stream_open(&v->timers, wo_catalog_table("timer", false),
				   ticket != NULL ?
				   "SELECT DISTINCT tenant_id, ticket_id FROM workorder.timer WHERE guarded_id OPERATOR(pg_catalog.=) $1"
				   " AND tenant_id OPERATOR(pg_catalog.=) $2 AND ticket_id OPERATOR(pg_catalog.=) $3" :
				   "SELECT DISTINCT tenant_id, ticket_id FROM workorder.timer"
				   " WHERE guarded_id OPERATOR(pg_catalog.=) $1 ORDER BY tenant_id, ticket_id",
				   ticket != NULL ? 3 : 1, types, values);
	v->timed = wo_owner_spi_stream_next(&v->timers);
}

/*
 * clear drops all timers of a ticket but those of a list.
 */
static void
clear(WoVerify *v, int64 tenant, WoTicketId ticket, const WoClocks *keep)
{
	Datum		values[5] = {Int64GetDatum(tenant), Int32GetDatum(v->binding->guarded_id), TicketIdGetDatum(ticket)};
	Datum	   *states = palloc(sizeof(Datum) * Max(keep->n, 1));
	Datum	   *delays = palloc(sizeof(Datum) * Max(keep->n, 1));
	int			n = 0;

	for (int i = 0; i < keep->n; i++)
	{
		const WoState *state = &keep->flow->states[keep->item[i].state];

		if (keep->item[i].gone)
			continue;
		states[n] = CStringGetTextDatum(state->path);
		delays[n++] = CStringGetTextDatum(state->delays[keep->item[i].delay].text);
	}
	values[3] = PointerGetDatum(construct_array(states, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[4] = PointerGetDatum(construct_array(delays, n, TEXTOID, -1, false, TYPALIGN_INT));
	if (wo_owner_spi_run(&keep_only, values, NULL))
		v->touched = true;
}

/*
 * wo_verify_timers_are_set tells whether a ticket has timers.  The tickets come in
 * order; what has timers and is passed over is not there.
 */
bool
wo_verify_timers_are_set(WoVerify *v, int64 tenant, WoTicketId ticket)
{
	while (v->timed != NULL)
	{
		TupleDesc	desc = v->timers.batch->tupdesc;
		bool		isnull;
		int64		timed_tenant = DatumGetInt64(SPI_getbinval(v->timed, desc, 1, &isnull));
		WoTicketId	timed = DatumGetTicketId(SPI_getbinval(v->timed, desc, 2, &isnull));
		bool		reached = timed_tenant > tenant || (timed_tenant == tenant && timed >= ticket);

		if (reached && (timed_tenant != tenant || timed != ticket))
			return false;
		v->timed = wo_owner_spi_stream_next(&v->timers);
		if (reached)
			return true;
		wo_verify_timers_stray(v, timed_tenant, timed);
	}
	return false;
}

/*
 * wo_verify_timers_stray deals with timers of a ticket that is not there.
 */
void
wo_verify_timers_stray(WoVerify *v, int64 tenant, WoTicketId ticket)
{
	WoClocks	none = {0};

	if (!v->retime)
		wo_verify_report(v, ticket, WO_NO_REVISION, "timers",
						 "there are timers of the ticket, but no ticket");
	else
	{
		clear(v, tenant, ticket, &none);
		v->retimed++;
	}
}

/*
 * mark_fired finds the clock that an entry of the sweeper's was: of several of
 * that name the one that was due first.
 */
static void
mark_fired(WoClocks *clocks, const WoFlow *flow, const WoJournalEntry *entry)
{
	WoClock    *found = NULL;

	for (int i = 0; i < clocks->n; i++)
	{
		WoClock    *clock = &clocks->item[i];

		if (!clock->gone && !clock->fired && !clock->paused && clock->due <= entry->at &&
			strcmp(flow->states[clock->state].delays[clock->delay].action, entry->action) == 0 &&
			(found == NULL || clock->due < found->due))
			found = clock;
	}
	if (found != NULL)
	{
		found->fired = true;
		found->fired_at = entry->at;
	}
}

/*
 * date_of_replay is WoClocks.date for a row as its entries make it.
 */
static bool
date_of_replay(void *arg, const WoFlow *flow, int column, TimestampTz *due)
{
	WoVerify   *v = arg;
	AttrNumber	attnum = wo_binding_columns(v->binding, flow)[column];
	Datum		value;
	bool		isnull;

	if (attnum == InvalidAttrNumber || v->fold->values[attnum - 1] == NULL)
		return false;
	value = wo_binding_value(v->binding, attnum, v->fold->values[attnum - 1], &isnull);
	return !isnull && wo_timer_date(TupleDescAttr(v->binding->desc, attnum - 1)->atttypid, value, due);
}

/*
 * wo_verify_timers_follow carries the clocks along an entry that has just been folded;
 * before is what the ticket remembered until then.
 */
void
wo_verify_timers_follow(WoVerify *v, const WoJournalEntry *entry, Jsonb *before)
{
	const WoFlow *flow = wo_verify_report_flow(v);
	AttrNumber	entered = v->binding->engine[WO_ENTERED_AT];
	const char *name = NameStr(TupleDescAttr(v->binding->desc, entered - 1)->attname);
	TimestampTz at = entry->at;
	int			from = -1;
	int			to;
	MemoryContext old;

	if (flow == NULL || (flow->ndelays == 0 && v->clocks.n == 0))
	{
		v->clocks.flow = flow;
		return;
	}
	to = entry->to_state == NULL ? -1 : wo_flow_state(flow, entry->to_state, strlen(entry->to_state));
	if (entry->from_state != NULL)
		from = wo_flow_state(flow, entry->from_state, strlen(entry->from_state));

	old = MemoryContextSwitchTo(v->context);
	v->clocks.tenant = entry->tenant;
	v->clocks.uncounted = !v->retime;
	v->clocks.date = date_of_replay;
	v->clocks.date_arg = v;
	if (v->clocks.flow == flow && entry->action != NULL)
		mark_fired(&v->clocks, flow, entry);
	if (from >= 0 && from == to && v->clocks.flow == flow &&
		(entry->changes == NULL || getKeyJsonValueFromContainer(&entry->changes->root, name, strlen(name), NULL) == NULL))
		wo_timer_follow_clocks(&v->clocks, to, at);	/* it stayed where it was */
	else
	{
		if (wo_replay_is_base(entry) && v->fold->values[entered - 1] != NULL)
		{
			bool		isnull;
			Datum		since = wo_binding_value(v->binding, entered, v->fold->values[entered - 1], &isnull);

			if (!isnull)
				at = DatumGetTimestampTz(since);
		}
		wo_timer_move_clocks(&v->clocks, flow, from, to,
					   from < 0 || to < 0 || v->clocks.flow != flow ? -1 :
					   wo_timer_domain(flow, entry->action != NULL ? entry->action : "", from, to, before,
									   wo_verify_report_history(v)), at);
	}
	MemoryContextSwitchTo(old);
}

/*
 * agrees tells whether a stored timer is as it should be.
 */
static bool
agrees(WoVerify *v, const WoClock *wanted, const WoClock *actual)
{
	const WoDelay *delay = &v->clocks.flow->states[wanted->state].delays[wanted->delay];

	if (actual->fired)
		return true;
	if (wanted->fired || wanted->paused != actual->paused)
		return false;
	if ((delay->calendar != NULL || delay->setting != NULL) && !v->retime)
		return true;
	return wanted->paused ? wanted->rest == actual->rest : wanted->due == actual->due;
}

static WoClock *
find(WoClocks *clocks, const WoClock *like)
{
	for (int i = 0; i < clocks->n; i++)
		if (clocks->item[i].state == like->state && clocks->item[i].delay == like->delay && !clocks->item[i].gone)
			return &clocks->item[i];
	return NULL;
}

/*
 * describe names a timer for a message.
 */
static char *
describe(const WoFlow *flow, const WoClock *clock)
{
	const WoState *state = &flow->states[clock->state];

	return clock->state == 0 ? psprintf("timer \"%s\" of the flow", state->delays[clock->delay].text) :
		psprintf("timer \"%s\" of state \"%s\"", state->delays[clock->delay].text, state->path);
}

/*
 * wo_verify_timers_compare compares a ticket's timers with what they should be, or
 * makes them so.  Of a ticket without a journal only the row tells.
 */
void
wo_verify_timers_compare(WoVerify *v, int64 tenant, WoTicketId ticket, const WoRow *row, bool timed)
{
	WoClocks   *wanted = &v->clocks;
	WoClocks	actual = {0};
	int			strays = 0;

	if (!v->fold->begun)
	{
		AttrNumber	flow_att = v->binding->engine[WO_FLOW_ID];
		AttrNumber	entered = v->binding->engine[WO_ENTERED_AT];
		char	   *state = wo_binding_text(v->binding, row, WO_STATE);
		const WoFlow *flow = row->nulls[flow_att - 1] ? NULL :
			wo_flow_cache_by_id(DatumGetInt32(row->values[flow_att - 1]));
		int			leaf = flow == NULL || state == NULL ? -1 : wo_flow_state(flow, state, strlen(state));

		wanted->tenant = tenant;
		wanted->uncounted = !v->retime;
		wo_timer_dates(wanted, v->binding, row);
		if (flow != NULL && leaf >= 0 && !row->nulls[entered - 1])
			wo_timer_move_clocks(wanted, flow, -1, leaf, -1, DatumGetTimestampTz(row->values[entered - 1]));
	}
	if (wanted->flow == NULL || (!timed && wanted->n == 0))
		return;
	actual.tenant = tenant;
	actual.flow = wanted->flow;
	if (timed)
		strays = wo_timer_load(&actual, v->binding->guarded_id, ticket,
							   v->retime ? NULL : GetActiveSnapshot());
	v->touched = false;
	if (v->retime && timed)
		clear(v, tenant, ticket, wanted);

	for (int i = 0; i < actual.n && !v->retime; i++)
		if (find(wanted, &actual.item[i]) == NULL)
			wo_verify_report(v, ticket, v->fold->revision, "timers",
							 "%s is set, and the ticket is not in it", describe(actual.flow, &actual.item[i]));
	if (strays > 0 && !v->retime)
		wo_verify_report(v, ticket, v->fold->revision, "timers",
						 "timers are set that the ticket's version of its flow does not know");
	for (int i = 0; i < wanted->n; i++)
	{
		WoClock    *clock = &wanted->item[i];
		WoClock    *stored = clock->gone ? NULL : find(&actual, clock);

		if (clock->gone)
			continue;
		clock->stored = stored != NULL;
		clock->changed = stored != NULL ? !agrees(v, clock, stored) :
			/* what the tenant had set then is not on record */
			v->retime || wanted->flow->states[clock->state].delays[clock->delay].setting == NULL;
		v->touched |= clock->changed;
		if (clock->changed && !v->retime)
			wo_verify_report(v, ticket, v->fold->revision, "timers", "%s %s", describe(wanted->flow, clock),
							 stored == NULL ? "is missing" :
							 clock->fired ? "has fired by the journal, and still waits" :
							 clock->paused ? "should stand still, with what was left" :
							 stored->paused ? "stands still, and should wait" :
							 "is due at another time than the journal tells");
	}
	if (!v->retime)
		return;
	wo_timer_save(wanted, v->binding->guarded_id, ticket);
	if (v->touched)
		v->retimed++;
}
