/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  workorder.sweep(): what is due happens; and the background worker that calls
 *	  it.
 *
 * Tenant by tenant, the earliest timers first, a chunk at a time.  What is due
 * is read without a lock and put in the order in which tickets are locked;
 * then they are locked and moved.  A tenant that something is due
 * in gets the person that the system acts as.
 *
 * Tickets are locked by number, and before anything else; one that somebody is
 * at work on is skipped, so a sweep never waits for a ticket, and any number
 * of sweepers work side by side.  Under the lock a timer is claimed (fired_at
 * is set if it still is to fire) and the ticket is moved, both in one
 * subtransaction: the two stand or fall together, in a crash too, so a timer
 * fires at most once.
 *
 * Timers of the same kind become one UPDATE ... SET action = 'after P3D', which
 * the guard judges row by row like any order.  If it fails, its halves are
 * tried, down to the ticket that is at fault; that one is tried again later,
 * and later each time, and says why in workorder.timer until then.
 *
 * Statements run as the owner of the table they are on, as those of
 * referential integrity do: who may sweep needs no right but to do that.  What
 * a table's triggers do then is restricted (owner_spi.c), and nothing of it can
 * be deferred: it would run with the rights of whoever sweeps.
 *
 * Memory is that of the chunk, and freed with it.
 *
 * There is a worker if the library is in shared_preload_libraries and
 * workorder.database names a database, and none otherwise; pg_cron or anything
 * else that calls sweep() does as well, and beside it.  It sleeps until the
 * next timer is due, workorder.sweep_interval at most, since it is not told of
 * timers that are set meanwhile.
 *
 * An error is written to the log and ends that sweep only.  What ends the
 * worker itself (a missing database or role) has the postmaster start it again
 * after a while.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "actor/actor.h"
#include "row/binding.h"
#include "timer/sweep.h"
#include "timer/timer.h"
#include "utils/catalog.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/settings.h"

/* ----------------------------------------------------------------
 *		sweep()
 * ----------------------------------------------------------------
 */

/* A timer that is due, as it was read before its ticket was locked. */
typedef struct WoDue
{
	int32		guarded_id;
	WoTicketId	ticket;
	char	   *state;
	char	   *delay;
	TimestampTz next_at;
	int			turn;			/* how many of the same ticket come before it */
	bool		locked;
} WoDue;

/* A sweep under way. */
typedef struct WoSweep
{
	int64		tenant;
	TimestampTz now;
	int64		left;			/* timers that may still be taken */
	int64		fired;
	MemoryContext chunk;		/* reset with each chunk */
} WoSweep;

/* ----------------------------------------------------------------
 *		a chunk: its tickets locked and moved
 * ----------------------------------------------------------------
 */

/* What did not work is tried again after a minute, then two, then four, in the end every 17 hours. */
#define RETRY_FIRST		(60 * USECS_PER_SEC)
#define RETRY_DOUBLINGS	10

/* A guarded table that something is due in. */
typedef struct Target
{
	Oid			relid;			/* InvalidOid if it is no longer guarded */
	Oid			owner;
	char	   *name;			/* qualified and quoted */
	const WoBinding *binding;
	char	   *id_column;
	char	   *action_column;
} Target;

static const char *const claim_query =
"UPDATE workorder.timer SET fired_at = $2, next_at = NULL, problem = NULL"
" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND next_at OPERATOR(pg_catalog.<=) $2"
" AND guarded_id OPERATOR(pg_catalog.=) $3 AND state OPERATOR(pg_catalog.=) $4"
" AND delay OPERATOR(pg_catalog.=) $5 AND ticket_id OPERATOR(pg_catalog.=) ANY ($6)"
" RETURNING ticket_id";

static WoStatement put_off = {
	.table = "timer",
	.text = "UPDATE workorder.timer SET tries = tries OPERATOR(pg_catalog.+) 1, problem = $6,"
	" next_at = $7 OPERATOR(pg_catalog.+) ($8 OPERATOR(pg_catalog.*) pg_catalog.power(2::double precision, LEAST(tries, "
	CppAsString2(RETRY_DOUBLINGS) ")::double precision))"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND guarded_id OPERATOR(pg_catalog.=) $2"
	" AND ticket_id OPERATOR(pg_catalog.=) $3 AND state OPERATOR(pg_catalog.=) $4"
	" AND delay OPERATOR(pg_catalog.=) $5 AND next_at IS NOT NULL",
	.nargs = 8,
	.types = {INT8OID, INT4OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INTERVALOID}
};

static void fire(WoSweep *sweep, const Target *target, WoDue **due, int n);
static void move_tickets(WoSweep *sweep, const Target *target, WoDue **due, int n);
static void put_off_timer(WoSweep *sweep, const WoDue *due, const char *problem);
static Target *find_target(int32 guarded_id);
static Datum ticket_array(WoDue **due, int n);
static int	compare_kind(const WoDue *a, const WoDue *b);

/*
 * lock_tickets locks the tickets of what is due, in the order of
 * their numbers, and marks those that it got.
 */
static void
lock_tickets(WoSweep *sweep, WoDue **due, int n)
{
	for (int from = 0, to; from < n; from = to)
	{
		Target	   *target = find_target(due[from]->guarded_id);
		Oid			types[2] = {INT8OID, INT8ARRAYOID};
		Datum		values[2];
		StringInfoData query;
		int			next = from;

		for (to = from; to < n && due[to]->guarded_id == due[from]->guarded_id; to++)
			;
		if (!OidIsValid(target->relid))
		{
			for (int i = from; i < to; i++)
				put_off_timer(sweep, due[i], "the table is not guarded any more");
			continue;
		}
		initStringInfo(&query);
		appendStringInfo(&query, "SELECT %s::pg_catalog.int8 FROM %s WHERE %s"
						 " AND %s OPERATOR(pg_catalog.=) ANY ($2) ORDER BY %s FOR NO KEY UPDATE SKIP LOCKED",
						 target->id_column, target->name, wo_binding_of_tenant(target->binding, sweep->tenant), target->id_column,
						 target->id_column);
		values[0] = Int64GetDatum(sweep->tenant);
		values[1] = ticket_array(due + from, to - from);
		SPI_connect();
		wo_owner_spi_execute(target->owner, WO_SECTION_RESTRICTED, query.data, SPI_OK_SELECT, 2, types, values);
		/* both are in order */
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			bool		isnull;
			WoTicketId	ticket = DatumGetTicketId(SPI_getbinval(SPI_tuptable->vals[row],
															 SPI_tuptable->tupdesc, 1, &isnull));

			for (; next < to && due[next]->ticket <= ticket; next++)
				due[next]->locked = due[next]->ticket == ticket;
		}
		SPI_finish();
	}
}

/*
 * fire_turn fires the first, second, ... timer of each ticket that
 * was locked, those of a kind together.
 */
static void
fire_turn(WoSweep *sweep, WoDue **due, int n, int turn)
{
	WoDue	  **batch = palloc(sizeof(WoDue *) * n);
	bool	   *taken = palloc0(sizeof(bool) * n);

	for (int i = 0; i < n; i++)
	{
		Target	   *target;
		int			size = 0;

		if (taken[i] || !due[i]->locked || due[i]->turn != turn)
			continue;
		for (int j = i; j < n; j++)
			if (!taken[j] && due[j]->locked && due[j]->turn == turn && compare_kind(due[i], due[j]) == 0)
			{
				taken[j] = true;
				batch[size++] = due[j];
			}
		target = find_target(due[i]->guarded_id);
		fire(sweep, target, batch, size);
	}
}

/*
 * defer_nothing checks every constraint that was deferred, and has
 * the others checked at once.
 */
static void
defer_nothing(void)
{
	ConstraintsSetStmt *immediate = makeNode(ConstraintsSetStmt);

	immediate->constraints = NIL;
	immediate->deferred = false;
	AfterTriggerSetState(immediate);
}

/*
 * is_fatal tells whether an error is about the sweep as a whole: it was
 * cancelled, the server has no room, or this transaction sees too little.
 */
static bool
is_fatal(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case MAKE_SQLSTATE('5', '3', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'):
			return true;
		default:
			return sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE;
	}
}

/*
 * fire fires timers of a kind, in a subtransaction; if that fails, its halves.
 */
static void
fire(WoSweep *sweep, const Target *target, WoDue **due, int n)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	WoFiring	firing = {due[0]->guarded_id, due[0]->state, due[0]->delay, NULL, 0};
	int64		fired = sweep->fired;
	int64		left = sweep->left;
	ErrorData  *volatile error = NULL;

	CHECK_FOR_INTERRUPTS();
	firing.action = psprintf(WO_ACTION_AFTER "%s", due[0]->delay);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		/* what could be deferred is the ticket's fault, not the whole transaction's */
		defer_nothing();
		wo_firing = &firing;
		move_tickets(sweep, target, due, n);
		wo_firing = NULL;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		wo_firing = NULL;
		wo_timer_forget();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (is_fatal(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		sweep->fired = fired;
		sweep->left = left;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return;
	if (n > 1)
	{
		fire(sweep, target, due, n / 2);
		fire(sweep, target, due + n / 2, n - n / 2);
		return;
	}
	put_off_timer(sweep, due[0], psprintf("%s: %s", unpack_sql_state(error->sqlerrcode), error->message));
	sweep->left--;
}

/*
 * move_tickets claims timers and moves their tickets, which are locked.
 */
static void
move_tickets(WoSweep *sweep, const Target *target, WoDue **due, int n)
{
	Oid			types[6] = {INT8OID, TIMESTAMPTZOID, INT4OID, TEXTOID, TEXTOID, INT8ARRAYOID};
	Datum		values[6] = {
		Int64GetDatum(sweep->tenant), TimestampTzGetDatum(sweep->now), Int32GetDatum(due[0]->guarded_id),
		CStringGetTextDatum(due[0]->state), CStringGetTextDatum(due[0]->delay), ticket_array(due, n)
	};
	Oid			order_types[3] = {INT8OID, INT8ARRAYOID, TEXTOID};
	Datum		order[3] = {Int64GetDatum(sweep->tenant)};
	Datum	   *claimed = palloc(sizeof(Datum) * n);
	int			nclaimed;
	StringInfoData query;
	MemoryContext context = CurrentMemoryContext;
	MemoryContext spi;

	SPI_connect();
	wo_owner_spi_execute(wo_catalog_owner(wo_catalog_table("timer", false)), WO_SECTION_FULL, claim_query,
				  SPI_OK_UPDATE_RETURNING, 6, types, values);
	nclaimed = SPI_processed;
	for (int i = 0; i < nclaimed; i++)
	{
		bool		isnull;

		claimed[i] = Int64GetDatum(DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
															   SPI_tuptable->tupdesc, 1, &isnull)));
	}
	if (nclaimed > 0)
	{
		spi = MemoryContextSwitchTo(context);
		order[1] = PointerGetDatum(construct_array(claimed, nclaimed, INT8OID, sizeof(int64),
												   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		order[2] = CStringGetTextDatum(wo_firing->action);
		initStringInfo(&query);
		appendStringInfo(&query, "UPDATE %s SET %s = $3 WHERE %s"
						 " AND %s OPERATOR(pg_catalog.=) ANY ($2)",
						 target->name, target->action_column, wo_binding_of_tenant(target->binding, sweep->tenant), target->id_column);
		wo_timer_gather(sweep->tenant, due[0]->guarded_id);
		MemoryContextSwitchTo(spi);
		wo_owner_spi_execute(target->owner, WO_SECTION_RESTRICTED, query.data, SPI_OK_UPDATE, 3, order_types, order);
		/* the timers are spent: a ticket that somebody kept from moving would wait for ever */
		if (SPI_processed + wo_firing->npassed_over != nclaimed)
			ereport(ERROR,
					(errcode(ERRCODE_WO_CONFLICT),
					 errmsg("a trigger or rule on %s suppressed the action", target->name),
					 errhint("Look at the table's BEFORE ROW triggers and its rules.")));
		wo_timer_write();
	}
	SPI_finish();
	sweep->fired += nclaimed;
	sweep->left -= nclaimed;
}

/*
 * put_off_timer has a timer tried again later, and notes why.
 */
static void
put_off_timer(WoSweep *sweep, const WoDue *due, const char *problem)
{
	Interval	first = {.time = RETRY_FIRST};
	Datum		values[8] = {
		Int64GetDatum(sweep->tenant), Int32GetDatum(due->guarded_id), TicketIdGetDatum(due->ticket),
		CStringGetTextDatum(due->state), CStringGetTextDatum(due->delay),
		CStringGetTextDatum(problem), TimestampTzGetDatum(sweep->now), IntervalPGetDatum(&first)
	};

	(void) wo_owner_spi_run(&put_off, values, NULL);
}

/*
 * find_target looks up a guarded table by its number.
 */
static Target *
find_target(int32 guarded_id)
{
	Target	   *target = palloc0(sizeof(Target));
	WoCatalogKey key = {"id", INT4OID, Int32GetDatum(guarded_id)};
	WoCatalogScan	lookup;
	HeapTuple	tuple;
	bool		isnull;
	Relation	rel;
	WoBinding  *binding;

	wo_catalog_begin(&lookup, wo_catalog_table("guarded", false), &key, 1);
	if ((tuple = wo_catalog_next(&lookup)) != NULL)
		target->relid = DatumGetObjectId(wo_catalog_datum(&lookup, tuple, "relation", REGCLASSOID, &isnull));
	wo_catalog_end(&lookup);

	rel = OidIsValid(target->relid) ? try_relation_open(target->relid, RowExclusiveLock) : NULL;
	target->relid = InvalidOid;
	if (rel == NULL)
		return target;
	binding = wo_binding_if_guarded(rel);
	if (binding != NULL)
	{
#define COLUMN(attnum) \
	pstrdup(quote_identifier(NameStr(TupleDescAttr(binding->desc, (attnum) - 1)->attname)))
		target->relid = RelationGetRelid(rel);
		target->owner = rel->rd_rel->relowner;
		target->name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												  RelationGetRelationName(rel));
		target->binding = binding;
		target->id_column = COLUMN(binding->id);
		target->action_column = COLUMN(binding->engine[WO_ACTION]);
	}
	relation_close(rel, NoLock);
	return target;
}

/*
 * ticket_array returns the tickets' numbers as bigint[].
 */
static Datum
ticket_array(WoDue **due, int n)
{
	Datum	   *ids = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		ids[i] = TicketIdGetDatum(due[i]->ticket);
	return PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * compare_kind tells whether two timers can be fired by one statement.
 */
static int
compare_kind(const WoDue *a, const WoDue *b)
{
	if (a->guarded_id != b->guarded_id)
		return a->guarded_id < b->guarded_id ? -1 : 1;
	if (strcmp(a->state, b->state) != 0)
		return strcmp(a->state, b->state);
	return strcmp(a->delay, b->delay);
}

/* ----------------------------------------------------------------
 *		what is due
 * ----------------------------------------------------------------
 */

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

	sweep.now = wo_settings_now();
	sweep.left = PG_GETARG_INT32(0);
	sweep.chunk = AllocSetContextCreate(CurrentMemoryContext, "workorder sweep", ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		while (sweep.left > 0 && wo_owner_spi_run(&next_tenant, &tenant, &sweep.tenant))
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

	while (wo_owner_spi_run(&next_tenant, &tenant, &found))
	{
		int64		at;

		CHECK_FOR_INTERRUPTS();
		tenant = Int64GetDatum(found);
		if (wo_owner_spi_run(&next_of_tenant, &tenant, &at))
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

				if (!wo_owner_spi_run(&find_system, &tenant, &id))
					(void) wo_owner_spi_run(&make_system, &tenant, &id);
				/* what the caller has deferred is no ticket's fault */
				defer_nothing();
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
			lock_tickets(sweep, due, n);
			for (int turn = 0; turn <= turns; turn++)
				fire_turn(sweep, due, n, turn);
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
		TimestampTzGetDatum(last->next_at), Int32GetDatum(last->guarded_id), TicketIdGetDatum(last->ticket),
		Int64GetDatum(Min(CHUNK, sweep->left))
	};
	MemoryContext context = CurrentMemoryContext;
	Oid			table = wo_catalog_table("timer", false);
	WoDue	  **result;

	SPI_connect();
	wo_owner_spi_execute(wo_catalog_owner(table), WO_SECTION_RESTRICTED, due_query, SPI_OK_SELECT, 6, types, values);
	*n = SPI_processed;
	result = MemoryContextAlloc(context, sizeof(WoDue *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		WoDue	   *due = MemoryContextAllocZero(context, sizeof(WoDue));
		bool		isnull;

		due->guarded_id = DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull));
		due->ticket = DatumGetTicketId(SPI_getbinval(tuple, desc, 2, &isnull));
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

/* ----------------------------------------------------------------
 *		the background worker
 * ----------------------------------------------------------------
 */

#define SWEEPER_NAME	"workorder sweeper"

/* Timers per transaction: its tickets stay locked until it ends. */
#define BATCH	1000

/* Seconds after which the postmaster starts a worker again that has ended. */
#define RESTART	10

static char *database = NULL;	/* workorder.database */
static char *role = NULL;		/* workorder.sweep_role */
static int	interval = 10;		/* workorder.sweep_interval, seconds */

PGDLLEXPORT void workorder_sweeper_main(Datum arg);

/*
 * is_member tells whether a function of our schema is the extension's.
 */
static bool
is_member(Oid schema, const char *name, int nargs)
{
	Oid			argument = INT4OID;
	Oid			extension = get_extension_oid("workorder", true);
	Oid			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
										   PointerGetDatum(buildoidvector(&argument, nargs)), ObjectIdGetDatum(schema));

	/* what belongs to no extension is not ours where there is none */
	return OidIsValid(extension) && OidIsValid(function) &&
		getExtensionOfObject(ProcedureRelationId, function) == extension;
}

/*
 * is_installed tells whether the database has the extension and its tables; it
 * may get them while the worker runs.  The worker may be a superuser, and a
 * function that is called like ours can be anybody's.
 */
static bool
is_installed(void)
{
	static bool told = false;
	Oid			schema = get_namespace_oid(WO_SCHEMA, true);
	bool		installed = OidIsValid(schema) && OidIsValid(get_relname_relid("timer", schema)) &&
		is_member(schema, "sweep", 1) && is_member(schema, "next_due", 0);

	if (!installed && !told)
		ereport(LOG,
				(errmsg("workorder is not installed in database \"%s\"", database),
				 errhint("CREATE EXTENSION workorder and SELECT workorder.install() there; the sweeper looks again by itself.")));
	told = !installed;
	return installed;
}

/*
 * ask returns a number that a query gives, 0 for null.
 */
static int64
ask(const char *query, bool reads)
{
	bool		isnull;
	Datum		value;

	pgstat_report_activity(STATE_RUNNING, query);
	if (SPI_execute(query, reads, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not execute \"%s\"", query);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? 0 : DatumGetInt64(value);
}

/*
 * sweep_once makes one transaction and returns for how many milliseconds
 * there is nothing to do.
 */
static long
sweep_once(void)
{
	long		pause = interval * 1000L;
	int64		taken = 0;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (is_installed())
	{
		taken = ask("SELECT workorder.sweep(" CppAsString2(BATCH) ")", false);
		if (taken < BATCH)
		{
			/* what is locked just now is due already: not at once again, somebody is at work on it */
			int64		wait = ask("SELECT (1000 OPERATOR(pg_catalog.*) EXTRACT(epoch FROM"
								   " workorder.next_due() OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp()))::pg_catalog.int8", false);

			if (wait != 0)
				pause = Min(pause, Max(wait, 1000L));
		}
		else
			pause = 0;
	}
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return pause;
}

/*
 * try_once is sweep_once() that survives an error.
 */
static long
try_once(void)
{
	MemoryContext context = CurrentMemoryContext;
	volatile long pause = interval * 1000L;

	PG_TRY();
	{
		pause = sweep_once();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		pgstat_report_activity(STATE_IDLE, NULL);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	return pause;
}

/*
 * workorder_sweeper_main is the worker.
 */
void
workorder_sweeper_main(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(database, role[0] != '\0' ? role : NULL, 0);
	SetConfigOption("application_name", SWEEPER_NAME, PGC_USERSET, PGC_S_SESSION);
	ereport(LOG, (errmsg("sweeping timers in database \"%s\"", database)));

	context = AllocSetContextCreate(TopMemoryContext, SWEEPER_NAME, ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		long		pause;

		MemoryContextSwitchTo(context);
		pause = try_once();
		MemoryContextReset(context);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, pause,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}

/*
 * wo_sweep_init defines the settings, and registers the worker if it is
 * wanted.  Both can be done only while the server starts.
 */
void
wo_sweep_init(void)
{
	BackgroundWorker worker = {0};

	DefineCustomIntVariable("workorder.sweep_interval",
							"How long the sweeper sleeps at most.",
							"It wakes up earlier for a timer that it knows to be due.",
							&interval, 10, 1, 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomStringVariable("workorder.database",
							   "Database in which a background worker sweeps timers.",
							   "Empty means that there is none.",
							   &database, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("workorder.sweep_role",
							   "Role that the background worker connects as.",
							   "It needs EXECUTE on workorder.sweep() and workorder.next_due(). Empty means the superuser that the cluster was made with.",
							   &role, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	if (database[0] == '\0')
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART;
	strlcpy(worker.bgw_name, SWEEPER_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_type, SWEEPER_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "workorder", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "workorder_sweeper_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
