/*-------------------------------------------------------------------------
 *
 * task.c
 *	  Lists of tasks follow the ticket: workorder.task holds what is undecided,
 *	  workorder.participant who has started, decided or been copied in.
 *
 * Both are shadows: the truth is in the row's votes and in the journal.  They
 * change in the same commit, under the lock of the ticket's row, by statements
 * that run as the tables' owner (owner_spi.c).  What a row's votes mean is said
 * once, by workorder.approval_tasks(), to which refresh_tasks() and verify() hold
 * the lists.  Flows without approvers, by far the most, cost nothing here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "journal/entry.h"
#include "permit/approval.h"
#include "permit/task.h"
#include "permit/task_command.h"
#include "utils/owner_spi.h"

#define KEY " WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND guarded_id OPERATOR(pg_catalog.=) $2" \
	" AND ticket_id OPERATOR(pg_catalog.=) $3"

static WoStatement clear_tasks = {
	.table = "task",
	.text = "DELETE FROM workorder.task" KEY,
	.nargs = 3,
	.types = {INT8OID, INT4OID, INT8OID}
};

/* of a ticket that is gone there is only the journal */
static WoStatement clear_parts = {
	.table = "participant",
	.text = "DELETE FROM workorder.participant" KEY,
	.nargs = 3,
	.types = {INT8OID, INT4OID, INT8OID}
};

static WoStatement set_tasks = {
	.table = "task",
	.text = "INSERT INTO workorder.task (tenant_id, guarded_id, ticket_id, number, actor_id, owner_id, role, open, state, since, due_at, reminded_at)"
	" SELECT $1, $2, $3, t.number, t.actor_id, t.owner_id, t.role, t.open, $5, $6, $7, t.reminded_at"
	" FROM workorder.approval_tasks($4) t",
	.nargs = 7,
	.types = {INT8OID, INT4OID, INT8OID, JSONBOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* how many there are, -1 if they are not those of the votes */
static WoStatement check_tasks = {
	.table = "task",
	.text = "WITH shown AS (SELECT number, actor_id, owner_id, role, open, state, since, due_at FROM workorder.task" KEY "),"
	" told AS (SELECT t.number, t.actor_id, t.owner_id, t.role, t.open, $5::text, $6::pg_catalog.timestamptz, $7::pg_catalog.timestamptz"
	" FROM workorder.approval_tasks($4) t)"
	" SELECT CASE WHEN EXISTS (TABLE shown EXCEPT TABLE told) OR EXISTS (TABLE told EXCEPT TABLE shown) THEN -1"
	" ELSE (SELECT pg_catalog.count(*) FROM told) END::pg_catalog.int8",
	.reads = true,
	.nargs = 7,
	.types = {INT8OID, INT4OID, INT8OID, JSONBOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static WoStatement count_tasks = {
	.table = "task",
	.text = "SELECT pg_catalog.count(*) FROM workorder.task WHERE guarded_id OPERATOR(pg_catalog.=) $1",
	.reads = true,
	.nargs = 1,
	.types = {INT4OID}
};

static WoStatement count_parts = {
	.table = "participant",
	.text = "SELECT pg_catalog.count(*) FROM workorder.participant WHERE guarded_id OPERATOR(pg_catalog.=) $1",
	.reads = true,
	.nargs = 1,
	.types = {INT4OID}
};

static WoStatement clear_table_parts = {
	.table = "participant",
	.text = "DELETE FROM workorder.participant WHERE guarded_id OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.types = {INT4OID}
};

static WoStatement clear_table = {
	.table = "task",
	.text = "DELETE FROM workorder.task WHERE guarded_id OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.types = {INT4OID}
};

static WoStatement add_parts = {
	.table = "participant",
	.text = "INSERT INTO workorder.participant (tenant_id, guarded_id, ticket_id, revision, kind, actor_id, at, action)"
	" SELECT $1, $2, $3, $4, $5, p, $7, $8 FROM pg_catalog.unnest($6) p"
	" ON CONFLICT (tenant_id, guarded_id, ticket_id, revision, kind, actor_id) DO NOTHING",
	.nargs = 8,
	.types = {INT8OID, INT4OID, INT8OID, INT4OID, TEXTOID, INT8ARRAYOID, TIMESTAMPTZOID, TEXTOID}
};

/*
 * flow_of returns the flow of a row if it has approvers, NULL otherwise.
 */
static const WoFlow *
flow_of(const WoBinding *binding, const WoRow *row)
{
	AttrNumber	attnum = binding->engine[WO_FLOW_ID];
	const WoFlow *flow = row == NULL || row->nulls[attnum - 1] ? NULL :
		wo_flow_cache_by_id(DatumGetInt32(row->values[attnum - 1]));

	return flow != NULL && flow->approving ? flow : NULL;
}

static TimestampTz
time_of(const WoBinding *binding, const WoRow *row, WoEngineColumn column)
{
	return DatumGetTimestampTz(row->values[binding->engine[column] - 1]);
}

/*
 * add_part notes what people had to do with a change.
 */
static void
add_part(WoBinding *binding, const WoRow *row, Datum *key, const char *kind, Datum *people, int n)
{
	Datum		values[8] = {key[0], key[1], key[2]};

	if (n == 0)
		return;
	values[3] = Int32GetDatum(wo_binding_revision(binding, row));
	values[4] = CStringGetTextDatum(kind);
	values[5] = PointerGetDatum(construct_array(people, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[6] = TimestampTzGetDatum(time_of(binding, row, WO_UPDATED_AT));
	values[7] = CStringGetTextDatum(wo_binding_text(binding, row, WO_LAST_ACTION));
	(void) wo_owner_spi_run(&add_parts, values, NULL);
}

/*
 * note_parts notes who has started, decided, or been copied in by a change.
 */
static void
note_parts(WoBinding *binding, const WoRow *old, const WoRow *row, Datum *key)
{
	const WoApprovalState *round = wo_approval_state_of_row(binding, row);
	AttrNumber	acted = binding->engine[WO_ACTED_BY];
	Datum		people[2];
	int			n = 0;
	ListCell   *lc;

	if (wo_entry_kind(binding, old, row) == WO_KIND_REPAIR)
		return;
	if (old == NULL && !row->nulls[acted - 1])
		add_part(binding, row, key, "started", &row->values[acted - 1], 1);
	if (round->right != NULL && !wo_task_command_is_one(wo_binding_text(binding, row, WO_LAST_ACTION)))
	{
		people[n++] = row->values[acted - 1];
		if (round->for_actor != 0)
			people[n++] = Int64GetDatum(round->for_actor);
		add_part(binding, row, key, "decided", people, n);
	}
	if (round->copied != NIL)
	{
		Datum	   *copied = palloc(sizeof(Datum) * list_length(round->copied));

		n = 0;
		foreach(lc, round->copied)
			copied[n++] = Int64GetDatum(*(int64 *) lfirst(lc));
		add_part(binding, row, key, "copied", copied, n);
	}
}

/*
 * describe fills in what a statement needs to know of a row; what is null of
 * it is returned.
 */
static const char *
describe(WoBinding *binding, const WoRow *row, const WoFlow *flow, Datum *values)
{
	AttrNumber	votes = binding->engine[WO_VOTES];
	char	   *state = wo_binding_text(binding, row, WO_STATE);
	int			leaf = wo_flow_state(flow, state, strlen(state));
	const WoApprovers *approvers = leaf >= 0 ? flow->states[leaf].approvers : NULL;

	values[0] = Int64GetDatum(wo_binding_tenant(binding, row));
	values[1] = Int32GetDatum(binding->guarded_id);
	values[2] = TicketIdGetDatum(wo_binding_id(binding, row->values));
	values[3] = row->values[votes - 1];
	values[4] = CStringGetTextDatum(state);
	values[5] = row->values[binding->engine[WO_ENTERED_AT] - 1];
	values[6] = values[5];
	if (approvers != NULL && approvers->due_given)
	{
		values[6] = DirectFunctionCall2(timestamptz_pl_interval, values[5], IntervalPGetDatum(&approvers->due));
		return row->nulls[votes - 1] ? "   n   " : NULL;
	}
	return row->nulls[votes - 1] ? "   n  n" : "      n";
}

/*
 * wo_task_refresh makes the tasks of a row anew.
 */
void
wo_task_refresh(WoBinding *binding, const WoRow *row)
{
	const WoFlow *flow = flow_of(binding, row);
	Datum		values[7];

	if (flow == NULL || row->nulls[binding->engine[WO_VOTES] - 1])
		return;
	(void) wo_owner_spi_run_with_nulls(&set_tasks, values, describe(binding, row, flow, values), NULL);
}

/*
 * wo_task_check returns how many tasks the votes of a row hold, -1 if others
 * are shown.
 */
int64
wo_task_check(WoBinding *binding, const WoRow *row)
{
	const WoFlow *flow = flow_of(binding, row);
	Datum		values[7];
	int64		result = 0;

	if (flow == NULL)
		return 0;
	(void) wo_owner_spi_run_with_nulls(&check_tasks, values, describe(binding, row, flow, values), &result);
	return result;
}

/*
 * wo_task_count returns how many tasks are shown of a table.
 */
int64
wo_task_count(const WoBinding *binding)
{
	Datum		values[1] = {Int32GetDatum(binding->guarded_id)};
	int64		result = 0;

	(void) wo_owner_spi_run(&count_tasks, values, &result);
	return result;
}

/*
 * wo_task_count_participants returns how many parts are shown of a table.
 */
int64
wo_task_count_participants(const WoBinding *binding)
{
	Datum		values[1] = {Int32GetDatum(binding->guarded_id)};
	int64		result = 0;

	(void) wo_owner_spi_run(&count_parts, values, &result);
	return result;
}

/*
 * wo_task_clear takes everything of a table off the lists.
 */
void
wo_task_clear(int32 guarded_id)
{
	Datum		values[1] = {Int32GetDatum(guarded_id)};

	(void) wo_owner_spi_run(&clear_table, values, NULL);
	(void) wo_owner_spi_run(&clear_table_parts, values, NULL);
}

/*
 * wo_task_follow brings the lists up to what a row says now; NULL stands for
 * no row.
 */
void
wo_task_follow(WoBinding *binding, const WoRow *old, const WoRow *row)
{
	const WoFlow *flow = flow_of(binding, row);
	const WoFlow *before = old != NULL && row != NULL && wo_binding_same(binding, binding->engine[WO_FLOW_ID], old, row) ?
		flow : flow_of(binding, old);
	AttrNumber	votes = binding->engine[WO_VOTES];
	Datum		values[7];

	if (before == NULL && flow == NULL)
		return;
	values[0] = Int64GetDatum(wo_binding_tenant(binding, row != NULL ? row : old));
	values[1] = Int32GetDatum(binding->guarded_id);
	values[2] = TicketIdGetDatum(wo_binding_id(binding, row != NULL ? row->values : old->values));
	if (before != NULL && !old->nulls[votes - 1])
		(void) wo_owner_spi_run(&clear_tasks, values, NULL);
	if (row == NULL)
		(void) wo_owner_spi_run(&clear_parts, values, NULL);
	if (flow == NULL)
		return;
	wo_task_refresh(binding, row);
	note_parts(binding, old, row, values);
}
