/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  workorder.verify(): is what the journal says what the tables hold.
 *
 * What SQL calls is here: verify(), and retime() and refresh_tasks(), which go
 * the same way but mend.  They go through the tables one by one, and a table's
 * tickets are left to verify_tickets.c.  What a table promises as a whole is
 * asked here, the triggers that make its journal true among it, and the lines
 * that maintenance of the journal has left, which belong to no table.
 *
 * Every finding is a row (relation, ticket_id, revision, code, message) with
 * a stable code.  Messages name columns, states and actions, never what a row
 * holds.  No finding means: sound.
 *
 * The findings go to a file when they are many; what else is held belongs to
 * one table at a time, and is freed with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "permit/approval.h"
#include "utils/lookup.h"
#include "utils/tuplestore.h"
#include "journal/replay.h"
#include "verify/verify.h"

PG_FUNCTION_INFO_V1(workorder_verify);
PG_FUNCTION_INFO_V1(workorder_retime);
PG_FUNCTION_INFO_V1(workorder_refresh_tasks);

static List *list_guarded(Oid relid);
pg_noreturn static void not_guarded(Oid relid);
static void verify_guarded(WoVerify *v, const WoGuarded *guarded, const int64 *ticket, bool named);
static void verify_apart(WoVerify *v, const WoGuarded *guarded, const int64 *ticket, bool named);
static void verify_maintenance(WoVerify *v);
static WoBinding *bind(Relation rel, const WoGuarded *guarded);

/*
 * verify(relation regclass, id bigint) returns the findings for one ticket of
 * the current tenant, for a whole table, or for all guarded tables.
 */
Datum
workorder_verify(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	int64		id = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	const int64 *ticket = PG_ARGISNULL(1) ? NULL : &id;
	WoVerify	v = {0};
	List	   *tables;
	ListCell   *lc;

	if (ticket != NULL && !OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("argument \"relation\" is missing"),
				 errdetail("A ticket is named by its table and its number."),
				 errhint("Give the table, or leave out the number too.")));

	InitMaterializedSRF(fcinfo, 0);
	v.result = (ReturnSetInfo *) fcinfo->resultinfo;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	tables = list_guarded(relid);
	if (OidIsValid(relid) && tables == NIL)
		not_guarded(relid);
	foreach(lc, tables)
		verify_apart(&v, lfirst(lc), ticket, OidIsValid(relid));
	if (!OidIsValid(relid))
	{
		wo_verify_engine(&v, tables);
		verify_maintenance(&v);
	}
	SPI_finish();
	return (Datum) 0;
}

/*
 * retime(relation regclass, id bigint) sets the timers of one ticket of the
 * current tenant, or of all tickets of a table, as their history demands, and
 * returns how many tickets had others.  Nobody acts meanwhile.
 */
Datum
workorder_retime(PG_FUNCTION_ARGS)
{
	int64		id = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	WoVerify	v = {.retime = true};
	List	   *tables;

	PreventCommandIfReadOnly("workorder.retime()");
	PreventCommandIfParallelMode("workorder.retime()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("argument \"relation\" is missing"),
				 errdetail("Timers are set table by table."),
				 errhint("Give the table.")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	tables = list_guarded(PG_GETARG_OID(0));
	if (tables == NIL)
		not_guarded(PG_GETARG_OID(0));
	if (wo_owns_relation(PG_GETARG_OID(0), GetUserId()))
		LockRelationOid(PG_GETARG_OID(0), ShareRowExclusiveLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	verify_guarded(&v, linitial(tables), PG_ARGISNULL(1) ? NULL : &id, true);
	PopActiveSnapshot();
	SPI_finish();
	PG_RETURN_INT64(v.retimed);
}

/*
 * refresh_tasks(relation regclass) makes the lists of tasks of a table anew,
 * and returns how many tickets were looked at.  Nobody acts meanwhile.
 */
Datum
workorder_refresh_tasks(PG_FUNCTION_ARGS)
{
	WoVerify	v = {.retask = true};
	List	   *tables;

	PreventCommandIfReadOnly("workorder.refresh_tasks()");
	PreventCommandIfParallelMode("workorder.refresh_tasks()");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	tables = list_guarded(PG_GETARG_OID(0));
	if (tables == NIL)
		not_guarded(PG_GETARG_OID(0));
	if (wo_owns_relation(PG_GETARG_OID(0), GetUserId()))
	{
		LockRelationOid(PG_GETARG_OID(0), ShareRowExclusiveLock);
		wo_task_clear(((WoGuarded *) linitial(tables))->relation_id);
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	verify_guarded(&v, linitial(tables), NULL, true);
	PopActiveSnapshot();
	SPI_finish();
	PG_RETURN_INT64(v.retimed);
}

/* Tells that a table has no flow. */
static void
not_guarded(Oid relid)
{
	char	   *name = get_rel_name(relid);

	ereport(ERROR,
			(errcode(ERRCODE_WO_NOT_FOUND),
			 name != NULL ? errmsg("table \"%s\" is not guarded", name) :
			 errmsg("table with OID %u does not exist", relid),
			 errdetail("It has no flow, so there is no journal to compare it with."),
			 errhint("SELECT relation FROM workorder.guarded lists the tables that have one.")));
}

/* Adds a finding. */
void
wo_verify_report(WoVerify *v, int64 ticket, int32 revision, const char *code, const char *fmt,...)
{
	Datum		values[5];
	bool		nulls[5];
	StringInfoData message;

	/* who mends timers has not asked for anything else */
	if (v->retime || v->retask)
		return;

	initStringInfo(&message);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&message, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}
	values[0] = ObjectIdGetDatum(v->relid);
	nulls[0] = !OidIsValid(v->relid);
	values[1] = Int64GetDatum(ticket);
	nulls[1] = ticket == WO_NO_TICKET;
	values[2] = Int32GetDatum(revision);
	nulls[2] = revision == WO_NO_REVISION;
	values[3] = CStringGetTextDatum(code);
	nulls[3] = false;
	values[4] = CStringGetTextDatum(message.data);
	nulls[4] = false;
	tuplestore_putvalues(v->result->setResult, v->result->setDesc, values, nulls);
}

/* Lists the guarded tables, or the one asked for. */
static List *
list_guarded(Oid relid)
{
	WoStream	stream;
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(relid)};
	List	   *result = NIL;
	HeapTuple	tuple;

	wo_stream_open(&stream, wo_lookup_table("guarded", false),
				   OidIsValid(relid) ?
				   "SELECT relation::pg_catalog.oid, id, flow, columns::pg_catalog.text, active"
				   " FROM workorder.guarded WHERE relation::pg_catalog.oid OPERATOR(pg_catalog.=) $1" :
				   "SELECT relation::pg_catalog.oid, id, flow, columns::pg_catalog.text, active"
				   " FROM workorder.guarded ORDER BY id",
				   OidIsValid(relid) ? 1 : 0, types, values);
	while ((tuple = wo_stream_next(&stream)) != NULL)
	{
		WoGuarded  *guarded = palloc0(sizeof(WoGuarded));
		TupleDesc	desc = stream.batch->tupdesc;
		bool		isnull;

		guarded->relid = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &isnull));
		guarded->relation_id = DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
		guarded->flow = SPI_getvalue(tuple, desc, 3);
		guarded->columns = SPI_getvalue(tuple, desc, 4);
		guarded->active = DatumGetBool(SPI_getbinval(tuple, desc, 5, &isnull));
		result = lappend(result, guarded);
	}
	wo_stream_close(&stream);
	return result;
}

/*
 * Verifies one guarded table in a subtransaction: what cannot be verified, for
 * it lacks a column or its journal cannot be read, is a finding, and the other
 * tables are verified all the same.
 */
static void
verify_apart(WoVerify *v, const WoGuarded *guarded, const int64 *ticket, bool named)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext table = AllocSetContextCreate(context, "workorder verification",
												ALLOCSET_DEFAULT_SIZES);

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(table);
	PG_TRY();
	{
		verify_guarded(v, guarded, ticket, named);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		/* that is about the caller, or the server */
		if (error->sqlerrcode == ERRCODE_WO_DENIED || error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
			ReThrowError(error);
		v->relid = guarded->relid;
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "broken",
						 "the table cannot be verified: %s", error->message);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextDelete(table);
}

/*
 * Verifies one guarded table, or one of its tickets.
 *
 * A table that unguard() has taken off its flow stays in workorder.guarded,
 * but is not active; nothing is promised of it any more.  That is a finding
 * only for who names the table.
 */
static void
verify_guarded(WoVerify *v, const WoGuarded *guarded, const int64 *ticket, bool named)
{
	Relation	rel = try_relation_open(guarded->relid, AccessShareLock);
	MemoryContext old;

	v->relid = guarded->relid;
	if (rel == NULL)
	{
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "table_missing",
						 "the table was dropped; SELECT workorder.forget(%d) removes what the engine keeps of it, but for the journal",
						 guarded->relation_id);
		return;
	}
	if (!wo_owns_relation(guarded->relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("permission denied to verify table \"%s\"", RelationGetRelationName(rel)),
				 errdetail("Verifying reads every ticket and its whole history."),
				 errhint("Do it as the table's owner or as a superuser."),
				 errtable(rel)));

	if (!wo_verify_is_protected(rel))
	{
		if (named || guarded->active)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "unguarded",
							 "the table has none of the triggers of a guarded table%s",
							 guarded->active ? "; SELECT workorder.upgrade() makes them again" : "");
		relation_close(rel, AccessShareLock);
		return;
	}

	v->table_context = AllocSetContextCreate(CurrentMemoryContext, "workorder verified table",
											 ALLOCSET_DEFAULT_SIZES);
	v->context = AllocSetContextCreate(v->table_context, "workorder verified ticket",
									   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(v->table_context);
	v->rel = rel;
	v->binding = bind(rel, guarded);
	if (ticket == NULL)
		wo_verify_protection(v, rel, guarded);
	v->fold = wo_fold_create(v->binding);
	v->defaults = palloc0(sizeof(WoColumnDefault) * v->binding->desc->natts);
	v->tasks = 0;
	v->nparts = 0;
	wo_verify_tickets(v, ticket);
	if (ticket == NULL)
	{
		wo_verify_totals(v);
		if (!v->retask && wo_task_count(v->binding) != v->tasks)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "tasks",
							 "workorder.task does not hold as many tasks as the votes of the tickets");
		if (!v->retask && wo_part_count(v->binding) != v->nparts)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "parts",
							 "workorder.part does not hold as many rows as the journal tells of");
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(v->table_context);
	relation_close(rel, AccessShareLock);
}

/*
 * Returns the table's binding even if its guard has been taken off: then its
 * arguments are made again from workorder.guarded and the primary key.
 */
static WoBinding *
bind(Relation rel, const WoGuarded *guarded)
{
	TriggerDesc *triggers = rel->trigdesc;
	char	   *arguments[5];
	Trigger		guard = {0};
	Oid			key;
	Relation	index;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (strcmp(triggers->triggers[i].tgname, WO_GUARD_TRIGGER) == 0)
			return wo_binding_for_trigger(rel, &triggers->triggers[i]);

	key = wo_primary_key(rel);
	if (!OidIsValid(key))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("table \"%s\" has lost its guard and its primary key",
						RelationGetRelationName(rel)),
				 errdetail("Nothing tells which columns are tenant and ticket number."),
				 errhint("Add the key again and call workorder.guard()."),
				 errtable(rel)));
	arguments[0] = psprintf("%d", guarded->relation_id);
	arguments[1] = guarded->flow;
	arguments[2] = guarded->columns != NULL ? guarded->columns : "{}";
	index = index_open(key, AccessShareLock);
	for (int i = 0; i < 2; i++)
		arguments[3 + i] = get_attname(RelationGetRelid(rel), index->rd_index->indkey.values[i], false);
	index_close(index, AccessShareLock);
	guard.tgname = WO_GUARD_TRIGGER;
	guard.tgnargs = lengthof(arguments);
	guard.tgargs = arguments;
	return wo_binding_for_trigger(rel, &guard);
}

/*
 * Checks the digests of the lines that maintenance of the journal itself has
 * left; they belong to no table.
 */
static void
verify_maintenance(WoVerify *v)
{
	WoReplay   *replay = wo_replay_open(WO_RELATION_JOURNAL, NULL, NULL);
	int64		tenant = 0;
	int64		ticket = 0;
	int32		revision = 0;
	bool		sealed = false;
	uint8		digest[WO_DIGEST_LENGTH];
	uint8		expected[WO_DIGEST_LENGTH];
	const WoJournalLine *line;

	v->relid = InvalidOid;
	while ((line = wo_replay_next(replay)) != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(replay->context);

		CHECK_FOR_INTERRUPTS();
		if (line->tenant != tenant || line->ticket != ticket)
		{
			tenant = line->tenant;
			ticket = line->ticket;
			revision = 0;
			sealed = false;
		}
		if (line->revision != revision + 1)
			wo_verify_report(v, ticket, line->revision, "gap",
							 "maintenance line %d follows %d", line->revision, revision);
		wo_journal_digest(line, sealed ? digest : NULL, expected);
		if (!replay->sealed || memcmp(expected, line->digest, WO_DIGEST_LENGTH) != 0)
			wo_verify_report(v, ticket, line->revision, "digest",
							 "the maintenance line is not what was written, or one before it is missing");
		revision = line->revision;
		sealed = replay->sealed;
		memcpy(digest, line->digest, WO_DIGEST_LENGTH);
		MemoryContextSwitchTo(old);
	}
	wo_replay_close(replay);
}
