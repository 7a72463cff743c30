/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  workorder.sweep(): what is due happens.
 *
 * Tenant by tenant, the earliest timers first, a chunk at a time.  What is due
 * is read without a lock and put in the order in which tickets are locked;
 * locking and moving them is sweep_fire.c's.  A tenant that something is due
 * in gets the person that the system acts as.
 *
 * Memory is that of the chunk, and freed with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/memutils.h"

#include "actor/actor.h"
#include "utils/as_owner.h"
#include "utils/lookup.h"
#include "timer/sweep.h"

/* Timers that are looked at, and tickets that are locked, together. */
#define CHUNK	1000

PG_FUNCTION_INFO_V1(workorder_sweep);
PG_FUNCTION_INFO_V1(workorder_next_due);

static WoStatement find_system = {
	.table = "actor",
	.text = "SELECT id FROM workorder.actor WHERE tenant_id OPERATOR(pg_catalog.=) $1"
	" AND login OPERATOR(pg_catalog.=) '" WO_SYSTEM_LOGIN "'",
	.nargs = 1,
	.types = {INT8OID}
};

static WoStatement make_system = {
	.table = "actor",
	.text = "INSERT INTO workorder.actor (tenant_id, login, name, active)"
	" SELECT t.id, '" WO_SYSTEM_LOGIN "', 'system', false FROM workorder.tenant t WHERE t.id OPERATOR(pg_catalog.=) $1"
	" ON CONFLICT (tenant_id, login) DO UPDATE SET login = EXCLUDED.login RETURNING id",
	.nargs = 1,
	.types = {INT8OID}
};

static WoStatement next_tenant = {
	.table = "timer",
	.text = "SELECT tenant_id FROM workorder.timer WHERE next_at IS NOT NULL"
	" AND tenant_id OPERATOR(pg_catalog.>) $1 ORDER BY tenant_id LIMIT 1",
	.nargs = 1,
	.types = {INT8OID}
};

static WoStatement next_of_tenant = {
	.table = "timer",
	.text = "SELECT next_at FROM workorder.timer WHERE tenant_id OPERATOR(pg_catalog.=) $1"
	" AND next_at IS NOT NULL ORDER BY next_at LIMIT 1",
	.nargs = 1,
	.types = {INT8OID}
};

static const char *const due_query =
"SELECT guarded_id, ticket_id, state, delay, next_at FROM workorder.timer"
" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND next_at OPERATOR(pg_catalog.<=) $2"
" AND ROW(next_at, guarded_id, ticket_id) OPERATOR(pg_catalog.>) ROW($3, $4, $5)"
" ORDER BY next_at, guarded_id, ticket_id LIMIT $6";

static void sweep_tenant(WoSweep *sweep);
static WoDue **read_due(WoSweep *sweep, const WoDue *last, int *n);
static int	compare_due(const void *a, const void *b);

/*
 * sweep(max int) takes the timers that are due, at most so many, and returns
 * how many it took.
 */
Datum
workorder_sweep(PG_FUNCTION_ARGS)
{
	WoSweep		sweep = {0};
	Datum		tenant = Int64GetDatum(PG_INT64_MIN);

	if (PG_ARGISNULL(0) || PG_GETARG_INT32(0) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("max is not a number of timers"),
				 errdetail("It says how many timers to take at most, 1 or more."),
				 errhint("Leave it out to take up to 1000.")));
	PreventCommandIfReadOnly("workorder.sweep()");
	PreventCommandIfParallelMode("workorder.sweep()");

	sweep.now = wo_now();
	sweep.left = PG_GETARG_INT32(0);
	sweep.chunk = AllocSetContextCreate(CurrentMemoryContext, "workorder sweep", ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		while (sweep.left > 0 && wo_run_as_owner(&next_tenant, &tenant, &sweep.tenant))
		{
			tenant = Int64GetDatum(sweep.tenant);
			sweep_tenant(&sweep);
		}
	}
	PG_FINALLY();
	{
		wo_actor_be_system(0, 0);
	}
	PG_END_TRY();
	MemoryContextDelete(sweep.chunk);
	PG_RETURN_INT64(sweep.fired);
}

/*
 * next_due() returns when the next timer of any tenant is to be taken.
 */
Datum
workorder_next_due(PG_FUNCTION_ARGS)
{
	Datum		tenant = Int64GetDatum(PG_INT64_MIN);
	TimestampTz next = DT_NOEND;
	int64		found;

	while (wo_run_as_owner(&next_tenant, &tenant, &found))
	{
		int64		at;

		CHECK_FOR_INTERRUPTS();
		tenant = Int64GetDatum(found);
		if (wo_run_as_owner(&next_of_tenant, &tenant, &at))
			next = Min(next, at);
	}
	if (next == DT_NOEND)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}

/*
 * sweep_tenant takes what is due for a tenant, chunk by chunk.
 */
static void
sweep_tenant(WoSweep *sweep)
{
	WoDue		last = {.next_at = DT_NOBEGIN};
	bool		begun = false;
	int			n;

	while (sweep->left > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(sweep->chunk);
		WoDue	  **due = read_due(sweep, &last, &n);
		int			turns = 0;

		if (n > 0)
		{
			last = *due[n - 1];
			if (!begun)
			{
				Datum		tenant = Int64GetDatum(sweep->tenant);
				int64		id = 0;

				if (!wo_run_as_owner(&find_system, &tenant, &id))
					(void) wo_run_as_owner(&make_system, &tenant, &id);
				/* what the caller has deferred is no ticket's fault */
				wo_sweep_defer_nothing();
				wo_actor_be_system(sweep->tenant, id);
				begun = true;
			}
			qsort(due, n, sizeof(WoDue *), compare_due);
			for (int i = 1; i < n; i++)
				if (due[i]->guarded_id == due[i - 1]->guarded_id && due[i]->ticket == due[i - 1]->ticket)
				{
					due[i]->turn = due[i - 1]->turn + 1;
					turns = Max(turns, due[i]->turn);
				}
			wo_sweep_lock_tickets(sweep, due, n);
			for (int turn = 0; turn <= turns; turn++)
				wo_sweep_fire_turn(sweep, due, n, turn);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(sweep->chunk);
		if (n == 0)
			break;
	}
}

/*
 * read_due reads the next timers that are due, without a lock.
 */
static WoDue **
read_due(WoSweep *sweep, const WoDue *last, int *n)
{
	Oid			types[6] = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, INT8OID, INT8OID};
	Datum		values[6] = {
		Int64GetDatum(sweep->tenant), TimestampTzGetDatum(sweep->now),
		TimestampTzGetDatum(last->next_at), Int32GetDatum(last->guarded_id), Int64GetDatum(last->ticket),
		Int64GetDatum(Min(CHUNK, sweep->left))
	};
	MemoryContext context = CurrentMemoryContext;
	Oid			table = wo_lookup_table("timer", false);
	WoDue	  **result;

	SPI_connect();
	wo_execute_as(wo_relation_owner(table), WO_SECTION_RESTRICTED, due_query, SPI_OK_SELECT, 6, types, values);
	*n = SPI_processed;
	result = MemoryContextAlloc(context, sizeof(WoDue *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		WoDue	   *due = MemoryContextAllocZero(context, sizeof(WoDue));
		bool		isnull;

		due->guarded_id = DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull));
		due->ticket = DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
		due->state = MemoryContextStrdup(context, SPI_getvalue(tuple, desc, 3));
		due->delay = MemoryContextStrdup(context, SPI_getvalue(tuple, desc, 4));
		due->next_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 5, &isnull));
		result[i] = due;
	}
	SPI_finish();
	return result;
}

/*
 * compare_due orders by ticket, then by when it is due.
 */
static int
compare_due(const void *a, const void *b)
{
	const WoDue *left = *(const WoDue *const *) a;
	const WoDue *right = *(const WoDue *const *) b;

	if (left->guarded_id != right->guarded_id)
		return left->guarded_id < right->guarded_id ? -1 : 1;
	if (left->ticket != right->ticket)
		return left->ticket < right->ticket ? -1 : 1;
	return left->next_at < right->next_at ? -1 : left->next_at > right->next_at;
}
