/*-------------------------------------------------------------------------
 *
 * timer.c
 *	  Timers follow the ticket: entering a state sets those it declares with
 *	  "after", leaving it removes them.
 *
 * workorder.timer holds what is due and when; the statements run as its owner
 * (as_owner.c).  Flows without timers, by far the most, cost nothing here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "as_owner.h"
#include "flow.h"
#include "timer.h"

static WoStatement set_timer = {
	.table = "timer",
	.text = "INSERT INTO workorder.timer (tenant_id, relation_id, ticket_id, state, delay, due_at)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (tenant_id, relation_id, ticket_id, state, delay)"
	" DO UPDATE SET due_at = EXCLUDED.due_at",
	.nargs = 6,
	.types = {INT8OID, INT4OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static WoStatement clear_timers = {
	.table = "timer",
	.text = "DELETE FROM workorder.timer"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND relation_id OPERATOR(pg_catalog.=) $2"
	" AND ticket_id OPERATOR(pg_catalog.=) $3 AND state OPERATOR(pg_catalog.=) $4",
	.nargs = 4,
	.types = {INT8OID, INT4OID, INT8OID, TEXTOID}
};

/*
 * leaf_of returns the flow and the leaf a row rests in, -1 if unknown.
 */
static int
leaf_of(WoBinding *binding, const WoRow *row, const WoFlow **flow)
{
	AttrNumber	attnum = binding->engine[WO_FLOW_ID];
	char	   *state = wo_row_text(binding, row, WO_STATE);

	*flow = row->nulls[attnum - 1] ? NULL : wo_flow_by_id(DatumGetInt32(row->values[attnum - 1]));
	return *flow == NULL || state == NULL ? -1 : wo_flow_state(*flow, state, strlen(state));
}

/*
 * has_timers tells whether any state of a flow declares one.
 */
static bool
has_timers(WoBinding *binding, const WoRow *row)
{
	AttrNumber	attnum = binding->engine[WO_FLOW_ID];
	const WoFlow *flow = row->nulls[attnum - 1] ? NULL :
		wo_flow_by_id(DatumGetInt32(row->values[attnum - 1]));

	for (int i = 0; flow != NULL && i < flow->nstates; i++)
		if (flow->states[i].ndelays > 0)
			return true;
	return false;
}

/*
 * wo_timer_follow moves the timers from the states that old was in to those
 * that row is in; NULL stands for no row.
 */
void
wo_timer_follow(WoBinding *binding, const WoRow *old, const WoRow *row)
{
	const WoRow *any = row != NULL ? row : old;
	const WoFlow *old_flow = NULL;
	const WoFlow *flow = NULL;
	int			old_leaf;
	int			leaf;
	bool		again = old != NULL && row != NULL &&
		!wo_same(binding, binding->engine[WO_ENTERED_AT], old, row);
	Datum		values[6];

	/* a repair may move a ticket between flows; everything else stays on its own */
	if (!has_timers(binding, any) && (old == NULL || !has_timers(binding, old)))
		return;
	old_leaf = old != NULL ? leaf_of(binding, old, &old_flow) : -1;
	leaf = row != NULL ? leaf_of(binding, row, &flow) : -1;
	if (old_leaf == leaf && !again)
		return;
	values[0] = Int64GetDatum(wo_binding_tenant(binding, any));
	values[1] = Int32GetDatum(binding->relation_id);
	values[2] = Int64GetDatum(wo_binding_id(binding, any->values));

	for (int s = old_leaf; s >= 0; s = old_flow->states[s].parent)
	{
		if (old_flow->states[s].ndelays == 0 ||
			(leaf >= 0 && s != leaf && old_flow == flow && wo_flow_within(flow, leaf, s)))
			continue;
		values[3] = CStringGetTextDatum(old_flow->states[s].path);
		(void) wo_run_as_owner(&clear_timers, values, NULL);
	}
	for (int s = leaf; s >= 0; s = flow->states[s].parent)
	{
		if (flow->states[s].ndelays == 0 ||
			(old_leaf >= 0 && s != leaf && old_flow == flow && wo_flow_within(flow, old_leaf, s)))
			continue;
		values[3] = CStringGetTextDatum(flow->states[s].path);
		for (int i = 0; i < flow->states[s].ndelays; i++)
		{
			const WoDelay *delay = &flow->states[s].delays[i];

			values[4] = CStringGetTextDatum(delay->duration);
			values[5] = DirectFunctionCall2(timestamptz_pl_interval,
											row->values[binding->engine[WO_ENTERED_AT] - 1],
											IntervalPGetDatum(&delay->interval));
			(void) wo_run_as_owner(&set_timer, values, NULL);
		}
	}
}
