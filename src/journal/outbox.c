/*-------------------------------------------------------------------------
 *
 * outbox.c
 *	  What has happened, for those who listen.
 *
 * An event is the key of a journal entry.  Every entry of a table whose events
 * are published puts its key into workorder.outbox, in the same transaction;
 * there it waits, without an order, for nobody can know in which order
 * transactions will commit.
 *
 * Whoever reads puts in order what is there, which is what has been
 * committed: it goes to workorder.event and gets numbers.  One at a time does
 * that for a tenant, under the lock of the tenant's row, until their transaction
 * ends; so numbers become visible in their order, and who has read up to one
 * has missed none.  A late commit gets a later number.  Of one ticket no entry
 * is there before the one that it follows, whose transaction has committed
 * while the row was waited for, and those that are found together are put in
 * the order of their revisions.  No transaction id is kept, so none has to
 * mean the same after a restore.
 *
 * Keys of the running statement wait here as the journal's entries do (heap_append.c).
 * Who listens is woken by one NOTIFY
 * per transaction, sent before it commits and not by the trigger: one that is
 * prepared cannot send any, and must be possible all the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "actor/actor.h"
#include "journal/outbox.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/heap_append.h"
#include "utils/owner_spi.h"

PG_FUNCTION_INFO_V1(workorder_subscribe);
PG_FUNCTION_INFO_V1(workorder_events);
PG_FUNCTION_INFO_V1(workorder_acknowledge);

/* Columns of workorder.outbox, as install() makes them. */
enum
{
	Anum_outbox_tenant = 1,
	Anum_outbox_relation,
	Anum_outbox_ticket,
	Anum_outbox_revision,
	Anum_outbox_at,
	Natts_outbox = Anum_outbox_at
};

#define CHANNEL			"workorder_events"

/* More than these are not kept until the statement ends. */
#define FLUSH_EVENTS	1000

static WoTable outbox_table = {.name = "outbox", .natts = Natts_outbox, .filled = (1 << Natts_outbox) - 1};

typedef struct Event
{
	SubTransactionId subid;		/* first, see heap_append.c */
	int64		tenant;
	int32		relation;		/* workorder.guarded.id */
	WoTicketId	ticket;
	int32		revision;
	TimestampTz at;
} Event;

/* A tenant whose listeners are to be woken. */
typedef struct Notice
{
	SubTransactionId subid;
	int64		tenant;
} Notice;

static void wake(void);

static WoPending pending = {
	.name = "events", .size = sizeof(Event), .flush = wo_outbox_flush
};

static WoPending notices = {
	.name = "notices", .size = sizeof(Notice), .flush = wake, .notices = true
};

/* One at a time puts a tenant's events in order; the others go on with those that are. */
static WoStatement take_turn = {
	.table = "tenant",
	.text = "SELECT 1::pg_catalog.int8 FROM workorder.tenant"
		" WHERE id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE SKIP LOCKED",
	.nargs = 1,
	.types = {INT8OID}
};

static WoStatement wait_for_turn = {
	.table = "tenant",
	.text = "SELECT 1::pg_catalog.int8 FROM workorder.tenant"
		" WHERE id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE",
	.nargs = 1,
	.types = {INT8OID}
};

/* By time, but never before what came before on the same ticket, whatever the clock did. */
static WoStatement put_in_order = {
	.table = "outbox",
	.text = "WITH o AS (DELETE FROM workorder.outbox x WHERE x.tenant_id OPERATOR(pg_catalog.=) $1"
		"  RETURNING x.tenant_id, x.guarded_id, x.ticket_id, x.revision, x.at)"
		" INSERT INTO workorder.event (tenant_id, guarded_id, ticket_id, revision, at)"
		" SELECT o.tenant_id, o.guarded_id, o.ticket_id, o.revision, o.at FROM o"
		" ORDER BY pg_catalog.max(o.at) OVER (PARTITION BY o.guarded_id, o.ticket_id ORDER BY o.revision),"
		"  o.guarded_id, o.ticket_id, o.revision",
	.nargs = 1,
	.types = {INT8OID}
};

/* Whoever reads for the same consumer meanwhile waits until this transaction ends. */
static WoStatement hold_consumer = {
	.table = "consumer",
	.text = "SELECT c.number FROM workorder.consumer c"
		" WHERE c.tenant_id OPERATOR(pg_catalog.=) $1 AND c.name OPERATOR(pg_catalog.=) $2 FOR NO KEY UPDATE",
	.nargs = 2,
	.types = {INT8OID, TEXTOID}
};

static WoStatement read_events = {
	.table = "event",
	.text = "SELECT e.number, g.relation, e.ticket_id, e.revision, e.at, j.actor_id, j.for_actor,"
		" j.action, j.from_state, j.to_state, j.note, j.changes,"
		" CASE WHEN g.key_columns IS NULL THEN e.ticket_id::pg_catalog.text ELSE COALESCE(j.key, (SELECT f.key"
		" FROM workorder.journal f WHERE f.tenant_id OPERATOR(pg_catalog.=) e.tenant_id AND f.guarded_id OPERATOR(pg_catalog.=) e.guarded_id"
		" AND f.ticket_id OPERATOR(pg_catalog.=) e.ticket_id ORDER BY f.revision LIMIT 1)) END"
		" FROM (SELECT * FROM workorder.event"
		"  WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND number OPERATOR(pg_catalog.>) $2"
		"  ORDER BY number LIMIT $3) e"
		" LEFT JOIN workorder.guarded g ON g.id OPERATOR(pg_catalog.=) e.guarded_id"
		" LEFT JOIN workorder.journal j ON j.tenant_id OPERATOR(pg_catalog.=) e.tenant_id"
		"  AND j.guarded_id OPERATOR(pg_catalog.=) e.guarded_id AND j.ticket_id OPERATOR(pg_catalog.=) e.ticket_id"
		"  AND j.revision OPERATOR(pg_catalog.=) e.revision"
		" ORDER BY e.number",
	.nargs = 3,
	.types = {INT8OID, INT8OID, INT4OID}
};

/* Never back, and only to an event that is there. */
static WoStatement advance = {
	.table = "consumer",
	.text = "UPDATE workorder.consumer c"
		" SET number = greatest(c.number, $3), acknowledged_at = pg_catalog.clock_timestamp()"
		" WHERE c.tenant_id OPERATOR(pg_catalog.=) $1 AND c.name OPERATOR(pg_catalog.=) $2"
		" AND ($3 OPERATOR(pg_catalog.<=) c.number OR EXISTS ("
		"  SELECT FROM workorder.event e"
		"  WHERE e.tenant_id OPERATOR(pg_catalog.=) $1 AND e.number OPERATOR(pg_catalog.=) $3))",
	.nargs = 3,
	.types = {INT8OID, TEXTOID, INT8OID}
};

/* A null since leaves a consumer that is there where it stands. */
static WoStatement enter_consumer = {
	.table = "consumer",
	.text = "INSERT INTO workorder.consumer AS c (tenant_id, name, number)"
		" SELECT $1, $2, coalesce($3, (SELECT e.number FROM workorder.event e"
		"  WHERE e.tenant_id OPERATOR(pg_catalog.=) $1 ORDER BY e.number DESC LIMIT 1),"
		"  (SELECT pg_catalog.max(x.number) FROM workorder.consumer x WHERE x.tenant_id OPERATOR(pg_catalog.=) $1), 0)"
		" ON CONFLICT (tenant_id, name) DO UPDATE SET number = coalesce($3, c.number)"
		" RETURNING c.number",
	.nargs = 3,
	.types = {INT8OID, TEXTOID, INT8OID}
};

/*
 * wake sends the notices of this transaction, whose payload is the tenant.
 */
static void
wake(void)
{
	for (int i = 0; i < notices.n; i++)
		Async_Notify(CHANNEL, psprintf(INT64_FORMAT, ((Notice *) notices.rows)[i].tenant));
	wo_heap_append_keep_deferred(&notices, 0);
}

/*
 * wo_outbox_append takes note of a journal entry, if its table's events are
 * published.
 */
void
wo_outbox_append(const WoBinding *binding, const WoJournalEntry *line)
{
	Event	   *event;

	if (!binding->published)
		return;
	if (pending.n >= FLUSH_EVENTS)
		wo_outbox_flush();
	event = wo_heap_append_defer(&pending);
	event->tenant = line->tenant;
	event->relation = line->relation;
	event->ticket = line->ticket;
	event->revision = line->revision;
	event->at = line->at;
}

/*
 * add_notice remembers whose listeners are to be woken.
 */
static void
add_notice(int64 tenant)
{
	for (int i = 0; i < notices.n; i++)
		if (((Notice *) notices.rows)[i].tenant == tenant)
			return;
	((Notice *) wo_heap_append_defer(&notices))->tenant = tenant;
}

static HeapTuple
form_event(Relation outbox, const Event *event)
{
	Datum		values[Natts_outbox];
	bool		nulls[Natts_outbox] = {0};

	values[Anum_outbox_tenant - 1] = Int64GetDatum(event->tenant);
	values[Anum_outbox_relation - 1] = Int32GetDatum(event->relation);
	values[Anum_outbox_ticket - 1] = TicketIdGetDatum(event->ticket);
	values[Anum_outbox_revision - 1] = Int32GetDatum(event->revision);
	values[Anum_outbox_at - 1] = TimestampTzGetDatum(event->at);
	return wo_heap_append_form(&outbox_table, outbox, values, nulls);
}

/*
 * wo_outbox_flush writes what waits in this subtransaction.  What it allocates
 * is left to the caller's context, as wo_journal_flush() does.
 */
void
wo_outbox_flush(void)
{
	int			first = wo_heap_append_first_deferred(&pending);
	int			n = pending.n - first;
	const Event *events = (Event *) pending.rows + first;
	Relation	outbox;
	HeapTuple  *tuples;

	if (n == 0)
		return;
	outbox = wo_heap_append_open(&outbox_table, RowExclusiveLock);
	tuples = palloc(sizeof(HeapTuple) * n);
	for (int i = 0; i < n; i++)
	{
		tuples[i] = form_event(outbox, &events[i]);
		add_notice(events[i].tenant);
	}
	wo_heap_append(&outbox_table, outbox, tuples, n, NULL);
	table_close(outbox, NoLock);
	wo_heap_append_keep_deferred(&pending, first);
}

/*
 * check_arguments makes sure that as many arguments are there, and returns the
 * tenant that is asked for.
 */
static int64
check_arguments(FunctionCallInfo fcinfo, int n, const char *const *names)
{
	for (int i = 0; i < n; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("argument \"%s\" is missing", names[i]),
					 errdetail("It must not be null."),
					 errhint("Give the name of a consumer and a number.")));
	return wo_actor_current()->tenant;
}

/*
 * check_snapshot refuses to put events in order by an old snapshot, which might
 * not see what others have put in order since: own events would come before
 * those, and those be missed.
 */
static void
check_snapshot(const char *function)
{
	PreventCommandIfReadOnly(function);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("%s needs a transaction that is READ COMMITTED", function),
				 errdetail("It must see what was committed until now."),
				 errhint("Begin it with BEGIN ISOLATION LEVEL READ COMMITTED.")));
}

/*
 * find_consumer locks a consumer and returns up to where it has read.
 */
static int64
find_consumer(Datum *values)
{
	int64		number;

	if (!wo_owner_spi_run(&hold_consumer, values, &number))
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("consumer \"%s\" does not exist", wo_errors_shorten(TextDatumGetCString(values[1]))),
				 errdetail("Tenant " INT64_FORMAT " has no consumer of events of this name.", DatumGetInt64(values[0])),
				 errhint("Run workorder.subscribe() once.")));
	return number;
}

/*
 * subscribe(consumer, since) makes a consumer, which gets what is committed
 * from now on, or what came after an event that is still kept.
 */
Datum
workorder_subscribe(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"consumer"};
	Datum		values[3] = {Int64GetDatum(check_arguments(fcinfo, lengthof(names), names)), PG_GETARG_DATUM(0)};
	int64		number;

	check_snapshot("workorder.subscribe()");
	if (VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) == 0 || (!PG_ARGISNULL(1) && PG_GETARG_INT64(1) < 0))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("a consumer needs a name, and a number that is not negative"),
				 errdetail("The number is that of the last event that it needs not get."),
				 errhint("Give 0 to begin with the earliest event that is kept.")));
	if (!wo_owner_spi_run(&wait_for_turn, values, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("tenant " INT64_FORMAT " does not exist", DatumGetInt64(values[0])),
				 errdetail("Events belong to a tenant."),
				 errhint("Add it to workorder.tenant.")));
	(void) wo_owner_spi_run(&put_in_order, values, NULL);
	values[2] = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	if (!wo_owner_spi_run_with_nulls(&enter_consumer, values, PG_ARGISNULL(1) ? "  n" : NULL, &number))
		elog(ERROR, "could not write workorder.consumer");
	PG_RETURN_INT64(number);
}

/*
 * events(consumer, max) returns the next events of a consumer, the same ones
 * until they are acknowledged.
 */
Datum
workorder_events(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"consumer", "max"};
	Datum		values[2] = {Int64GetDatum(check_arguments(fcinfo, lengthof(names), names)), PG_GETARG_DATUM(0)};
	Datum		range[3] = {values[0]};

	check_snapshot("workorder.events()");
	if (PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("argument \"max\" must be at least 1"),
				 errdetail("It is how many events are returned at most."),
				 errhint("Leave it out for 1000.")));
	InitMaterializedSRF(fcinfo, 0);
	range[1] = Int64GetDatum(find_consumer(values));
	range[2] = PG_GETARG_DATUM(1);
	if (wo_owner_spi_run(&take_turn, values, NULL))
		(void) wo_owner_spi_run(&put_in_order, values, NULL);
	wo_owner_spi_read(&read_events, range, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}

/*
 * acknowledge(consumer, number) says that a consumer needs no event up to this
 * one again.
 */
Datum
workorder_acknowledge(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"consumer", "number"};
	Datum		values[3] = {Int64GetDatum(check_arguments(fcinfo, lengthof(names), names)), PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};

	PreventCommandIfReadOnly("workorder.acknowledge()");
	if (!wo_owner_spi_run(&advance, values, NULL))
	{
		(void) find_consumer(values);
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("event " INT64_FORMAT " does not exist", PG_GETARG_INT64(1)),
				 errdetail("Only what events() has returned can be acknowledged."),
				 errhint("Give the number of the last event that was dealt with.")));
	}
	PG_RETURN_VOID();
}
