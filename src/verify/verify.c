/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  workorder.verify(): is what the journal says what the tables hold.
 *
 * What SQL calls is here: verify(), and retime() and refresh_tasks(), which go
 * the same way but mend.  They go through the tables one by one.  What a table
 * promises as a whole is asked here, the triggers that make its journal true
 * and its totals among it, and the entries that maintenance of the journal has
 * left, which belong to no table.  No finding means: sound.
 *
 * A table's rows and its journal's entries are read side by side, both ordered
 * by tenant and ticket.  Each entry is checked against the one before it and
 * against the flow version the ticket is pinned to, then folded; the row that
 * comes out must be the row that is there.  The other files of verify() are
 * asked for the flow, people, timers and lists, ticket by ticket.  Columns
 * that were added with a default after a ticket's last entry are not in the
 * journal: a column that no entry tells of may therefore hold its default, too.
 * Generated columns follow from others and are not compared.
 *
 * Totals and the rows, counted by tenant and state, are read side by side in
 * one snapshot.
 *
 * The findings go to a file when they are many.  Two batches of rows and one
 * ticket's replayed row are held at a time; what else is held belongs to one
 * table, and is freed with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
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

#include "actor/actor.h"
#include "journal/entry.h"
#include "journal/replay.h"
#include "permit/task.h"
#include "ticket/ticket.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"
#include "verify/verify.h"

PG_FUNCTION_INFO_V1(workorder_verify);
PG_FUNCTION_INFO_V1(workorder_retime);
PG_FUNCTION_INFO_V1(workorder_refresh_tasks);

/* How many tickets of a tenant rest in a state, by one of the two. */
typedef struct Holding
{
	bool		there;			/* false = no more */
	int64		tenant;
	char	   *state;
	int64		n;
} Holding;

static const char *const count_query =
	"SELECT tenant_id, state, pg_catalog.sum(n)::pg_catalog.int8 FROM ("
	" SELECT tenant_id, state, n FROM workorder.state_count WHERE guarded_id OPERATOR(pg_catalog.=) $1"
	" UNION ALL SELECT tenant_id, to_state, n FROM workorder.state_count_change"
	"  WHERE guarded_id OPERATOR(pg_catalog.=) $1"
	" UNION ALL SELECT tenant_id, from_state, OPERATOR(pg_catalog.-) n FROM workorder.state_count_change"
	"  WHERE guarded_id OPERATOR(pg_catalog.=) $1) y"
	" WHERE state IS NOT NULL GROUP BY tenant_id, state HAVING pg_catalog.sum(n) OPERATOR(pg_catalog.<>) 0"
	" ORDER BY tenant_id, state COLLATE pg_catalog.\"C\"";

static List *list_guarded(Oid relid);
pg_noreturn static void not_guarded(Oid relid);
static void verify_guarded(WoVerify *v, const WoGuarded *guarded, const WoTicketId *ticket, bool named);
static void verify_apart(WoVerify *v, const WoGuarded *guarded, const WoTicketId *ticket, bool named);
static void verify_maintenance(WoVerify *v);
static WoBinding *bind(Relation rel, const WoGuarded *guarded);
static void verify_tickets(WoVerify *v, const WoTicketId *ticket);
static char *row_query(const WoBinding *binding, Relation rel, const int64 *tenant);
static void read_row(const WoBinding *binding, HeapTuple tuple, TupleDesc desc, WoRow *row);
static int	compare_key(int64 tenant, WoTicketId ticket, int64 other_tenant, WoTicketId other_ticket);
static void check_entry(WoVerify *v, const WoJournalEntry *entry, bool sealed);
static JsonbValue *old_value(const WoJournalEntry *entry, Form_pg_attribute att);
static void check_digest(WoVerify *v, const WoJournalEntry *entry, bool sealed);
static void check_row(WoVerify *v, WoTicketId ticket, const WoRow *row);
static void check_tasks(WoVerify *v, WoTicketId ticket, const WoRow *row);
static char *column_list(const WoBinding *binding, const Bitmapset *columns);
static void verify_totals(WoVerify *v);

/*
 * verify(relation regclass, id bigint) returns the findings for one ticket of
 * the current tenant, for a whole table, or for all guarded tables.
 */
Datum
workorder_verify(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	WoTicketId	id = PG_ARGISNULL(1) ? 0 : DatumGetTicketId(PG_GETARG_DATUM(1));
	const WoTicketId *ticket = PG_ARGISNULL(1) ? NULL : &id;
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
		wo_verify_rules_engine(&v, tables);
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
	WoTicketId	id = PG_ARGISNULL(1) ? 0 : DatumGetTicketId(PG_GETARG_DATUM(1));
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
		wo_task_clear(((WoGuarded *) linitial(tables))->guarded_id);
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

/* Lists the guarded tables, or the one asked for. */
static List *
list_guarded(Oid relid)
{
	WoStream	stream;
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(relid)};
	List	   *result = NIL;
	HeapTuple	tuple;

	wo_owner_spi_stream_open(&stream, wo_catalog_table("guarded", false),
				   OidIsValid(relid) ?
				   "SELECT relation::pg_catalog.oid, id, flow, columns::pg_catalog.text, active, tenant_column, id_column, key_columns::pg_catalog.text"
				   " FROM workorder.guarded WHERE relation::pg_catalog.oid OPERATOR(pg_catalog.=) $1" :
				   "SELECT relation::pg_catalog.oid, id, flow, columns::pg_catalog.text, active, tenant_column, id_column, key_columns::pg_catalog.text"
				   " FROM workorder.guarded ORDER BY id",
				   OidIsValid(relid) ? 1 : 0, types, values);
	while ((tuple = wo_owner_spi_stream_next(&stream)) != NULL)
	{
		WoGuarded  *guarded = palloc0(sizeof(WoGuarded));
		TupleDesc	desc = stream.batch->tupdesc;
		bool		isnull;

		guarded->relid = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &isnull));
		guarded->guarded_id = DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
		guarded->flow = SPI_getvalue(tuple, desc, 3);
		guarded->columns = SPI_getvalue(tuple, desc, 4);
		guarded->active = DatumGetBool(SPI_getbinval(tuple, desc, 5, &isnull));
		guarded->tenant_column = SPI_getvalue(tuple, desc, 6);
		guarded->id_column = SPI_getvalue(tuple, desc, 7);
		guarded->key_columns = SPI_getvalue(tuple, desc, 8);
		result = lappend(result, guarded);
	}
	wo_owner_spi_stream_close(&stream);
	return result;
}

/*
 * Verifies one guarded table in a subtransaction: what cannot be verified, for
 * it lacks a column or its journal cannot be read, is a finding, and the other
 * tables are verified all the same.
 */
static void
verify_apart(WoVerify *v, const WoGuarded *guarded, const WoTicketId *ticket, bool named)
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
verify_guarded(WoVerify *v, const WoGuarded *guarded, const WoTicketId *ticket, bool named)
{
	Relation	rel = try_relation_open(guarded->relid, AccessShareLock);
	MemoryContext old;

	v->relid = guarded->relid;
	if (rel == NULL)
	{
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "table_missing",
						 "the table was dropped; SELECT workorder.forget(%d) removes what the engine keeps of it, but for the journal",
						 guarded->guarded_id);
		return;
	}
	if (!wo_owns_relation(guarded->relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("permission denied to verify table \"%s\"", RelationGetRelationName(rel)),
				 errdetail("Verifying reads every ticket and its whole history."),
				 errhint("Do it as the table's owner or as a superuser."),
				 errtable(rel)));

	if (!wo_verify_rules_is_protected(rel))
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
		wo_verify_rules_protection(v, rel, guarded);
	v->fold = wo_replay_state_create(v->binding);
	v->defaults = palloc0(sizeof(WoColumnDefault) * v->binding->desc->natts);
	v->tasks = 0;
	v->nparts = 0;
	verify_tickets(v, ticket);
	if (ticket == NULL)
	{
		verify_totals(v);
		if (!v->retask && wo_task_count(v->binding) != v->tasks)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "tasks",
							 "workorder.task does not hold as many tasks as the votes of the tickets");
		if (!v->retask && wo_task_count_participants(v->binding) != v->nparts)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "participants",
							 "workorder.participant does not hold as many rows as the journal tells of");
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(v->table_context);
	relation_close(rel, AccessShareLock);
}

/*
 * Returns the table's binding even if its guard has been taken off: then its
 * arguments are made again from workorder.guarded.
 */
static WoBinding *
bind(Relation rel, const WoGuarded *guarded)
{
	TriggerDesc *triggers = rel->trigdesc;
	char	   *arguments[6];
	Trigger		guard = {0};

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (strcmp(triggers->triggers[i].tgname, WO_GUARD_TRIGGER) == 0)
			return wo_binding_for_trigger(rel, &triggers->triggers[i]);

	arguments[0] = psprintf("%d", guarded->guarded_id);
	arguments[1] = guarded->flow;
	arguments[2] = guarded->columns != NULL ? guarded->columns : "{}";
	arguments[3] = guarded->tenant_column != NULL ? guarded->tenant_column : "";
	arguments[4] = guarded->id_column;
	arguments[5] = guarded->key_columns;
	guard.tgname = WO_GUARD_TRIGGER;
	guard.tgnargs = guarded->key_columns != NULL ? 6 : 5;
	guard.tgargs = arguments;
	return wo_binding_for_trigger(rel, &guard);
}

/*
 * Checks the digests of the entries that maintenance of the journal itself has
 * left; they belong to no table.
 */
static void
verify_maintenance(WoVerify *v)
{
	WoReplay   *replay = wo_replay_open(WO_RELATION_JOURNAL, NULL, NULL);
	int64		tenant = 0;
	WoTicketId	ticket = 0;
	int32		revision = 0;
	bool		sealed = false;
	uint8		digest[WO_DIGEST_LENGTH];
	uint8		expected[WO_DIGEST_LENGTH];
	const WoJournalEntry *entry;

	v->relid = InvalidOid;
	while ((entry = wo_replay_next(replay)) != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(replay->context);

		CHECK_FOR_INTERRUPTS();
		if (entry->tenant != tenant || entry->ticket != ticket)
		{
			tenant = entry->tenant;
			ticket = entry->ticket;
			revision = 0;
			sealed = false;
		}
		if (entry->revision != revision + 1)
			wo_verify_report(v, ticket, entry->revision, "gap",
							 "maintenance entry %d follows %d", entry->revision, revision);
		wo_digest_compute(entry, sealed ? digest : NULL, expected);
		if (!replay->sealed || memcmp(expected, entry->digest, WO_DIGEST_LENGTH) != 0)
			wo_verify_report(v, ticket, entry->revision, "digest",
							 "the maintenance entry is not what was written, or one before it is missing");
		revision = entry->revision;
		sealed = replay->sealed;
		memcpy(digest, entry->digest, WO_DIGEST_LENGTH);
		MemoryContextSwitchTo(old);
	}
	wo_replay_close(replay);
}

/* --- tickets --------------------------------------------------------------- */

/* Reads rows and entries side by side. */
static void
verify_tickets(WoVerify *v, const WoTicketId *ticket)
{
	const WoBinding *binding = v->binding;
	const int64 *tenant = ticket != NULL ? &wo_actor_current()->tenant : NULL;
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2];
	WoReplay   *replay;
	WoStream	rows;
	HeapTuple	tuple;
	const WoJournalEntry *entry;
	WoRow		row;

	if (ticket != NULL)
		values[0] = TicketIdGetDatum(*ticket);
	wo_owner_spi_stream_open(&rows, v->relid, row_query(binding, v->rel, ticket != NULL ? tenant : NULL),
				   ticket != NULL ? 1 : 0, types, values);
	replay = wo_replay_open(binding->guarded_id, tenant, ticket);
	wo_verify_timers_open(v, tenant, ticket);
	row.values = palloc(sizeof(Datum) * binding->desc->natts);
	row.nulls = palloc(sizeof(bool) * binding->desc->natts);

	tuple = wo_owner_spi_stream_next(&rows);
	entry = wo_replay_next(replay);
	while (tuple != NULL || entry != NULL)
	{
		MemoryContext old;
		int64		current_tenant = entry != NULL ? entry->tenant : 0;
		WoTicketId	current = entry != NULL ? entry->ticket : 0;
		bool		there = false;
		bool		timed;

		CHECK_FOR_INTERRUPTS();
		if (tuple != NULL)
		{
			int			order;

			read_row(binding, tuple, rows.batch->tupdesc, &row);
			order = entry == NULL ? -1 :
				compare_key(wo_binding_tenant(binding, &row), wo_binding_id(binding, row.values),
							entry->tenant, entry->ticket);
			there = order <= 0;
			if (order < 0)
			{
				current_tenant = wo_binding_tenant(binding, &row);
				current = wo_binding_id(binding, row.values);
			}
		}

		wo_replay_state_reset(v->fold);
		v->flow_told = false;
		v->takers = NIL;
		v->parts = NIL;
		v->approving = false;
		memset(&v->clocks, 0, sizeof(v->clocks));
		for (; entry != NULL && compare_key(entry->tenant, entry->ticket, current_tenant, current) == 0;
			 entry = wo_replay_next(replay))
		{
			CHECK_FOR_INTERRUPTS();
			old = MemoryContextSwitchTo(replay->context);
			check_entry(v, entry, replay->sealed);
			MemoryContextSwitchTo(old);
		}

		old = MemoryContextSwitchTo(v->context);
		timed = wo_verify_timers_are_set(v, current_tenant, current);
		if (there)
		{
			check_row(v, current, &row);
			check_tasks(v, current, &row);
			wo_verify_people_participants(v, current_tenant, current);
			wo_verify_timers_compare(v, current_tenant, current, &row, timed);
		}
		else if (timed)
			wo_verify_timers_stray(v, current_tenant, current);
		if (!there && v->fold->exists)
			wo_verify_report(v, current, v->fold->revision, "row_missing",
							 "the journal does not tell that the ticket was deleted, but it is gone");
		MemoryContextSwitchTo(old);
		MemoryContextReset(v->context);
		if (there)
			tuple = wo_owner_spi_stream_next(&rows);
	}
	/* whatever has timers after the last ticket is none */
	(void) wo_verify_timers_are_set(v, PG_INT64_MAX, PG_INT64_MAX);
	wo_owner_spi_stream_close(&v->timers);
	wo_replay_close(replay);
	wo_owner_spi_stream_close(&rows);
}

/* Writes the query that gives the rows in the order of the journal. */
static char *
row_query(const WoBinding *binding, Relation rel, const int64 *tenant)
{
	const char *id = quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->id - 1)->attname));
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT * FROM %s",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel)));
	if (tenant != NULL)
		appendStringInfo(&query, " WHERE %s AND %s OPERATOR(pg_catalog.=) $1", wo_binding_of_tenant(binding, *tenant), id);
	appendStringInfo(&query, " ORDER BY %s, %s", wo_binding_tenant_sql(binding, ""), id);
	return query.data;
}

/* Takes a row of that query apart; dropped columns are not in it. */
static void
read_row(const WoBinding *binding, HeapTuple tuple, TupleDesc desc, WoRow *row)
{
	int			column = desc->natts;

	heap_deform_tuple(tuple, desc, row->values, row->nulls);

	/* Move each to its place, from the last one down. */
	for (int i = binding->desc->natts - 1; i >= 0 && column <= i; i--)
	{
		if (TupleDescAttr(binding->desc, i)->attisdropped)
			row->nulls[i] = true;
		else
		{
			column--;
			row->values[i] = row->values[column];
			row->nulls[i] = row->nulls[column];
		}
	}
}

static int
compare_key(int64 tenant, WoTicketId ticket, int64 other_tenant, WoTicketId other_ticket)
{
	if (tenant != other_tenant)
		return tenant < other_tenant ? -1 : 1;
	if (ticket != other_ticket)
		return ticket < other_ticket ? -1 : 1;
	return 0;
}

/* Checks an entry against those before it, and adds it to the fold. */
static void
check_entry(WoVerify *v, const WoJournalEntry *entry, bool sealed)
{
	WoReplayState	   *fold = v->fold;
	bool		base = wo_replay_is_base(entry);
	Bitmapset  *mismatches = NULL;
	Jsonb	   *before;
	bool	   *known;
	int			attnum = -1;

	check_digest(v, entry, sealed);
	if (!fold->begun)
	{
		if (entry->from_state != NULL || (!base && entry->revision != 1))
			wo_verify_report(v, entry->ticket, entry->revision, "gap",
							 "the journal begins with revision %d, not with how the ticket came to be",
							 entry->revision);
	}
	else
	{
		if (entry->revision != fold->revision + 1)
			wo_verify_report(v, entry->ticket, entry->revision, "gap",
							 "revision %d follows revision %d", entry->revision, fold->revision);
		if (strcmp(entry->from_state != NULL ? entry->from_state : "",
				   fold->state != NULL ? fold->state : "") != 0)
			wo_verify_report(v, entry->ticket, entry->revision, "chain_state",
							 "the entry starts from state \"%s\", the one before it ends in \"%s\"",
							 entry->from_state != NULL ? entry->from_state : "(none)",
							 fold->state != NULL ? fold->state : "(none)");
		if (entry->at < fold->at)
			wo_verify_report(v, entry->ticket, entry->revision, "time",
							 "the entry is earlier than the one before it");
	}
	wo_verify_rules_step(v, entry);

	before = wo_verify_report_history(v);
	known = memcpy(palloc(v->binding->desc->natts), fold->known, v->binding->desc->natts);
	if (!wo_replay_apply(fold, entry, sealed, &mismatches))
		wo_verify_report(v, entry->ticket, entry->revision, "changes",
						 "the entry's changes are not {\"column\": [old, new], ...}");
	wo_verify_timers_follow(v, entry, before);
	wo_verify_people_follow(v, entry);
	while ((attnum = bms_next_member(mismatches, attnum)) >= 0)
	{
		Form_pg_attribute att = TupleDescAttr(v->binding->desc, attnum - 1);

		/* A column that no entry has told of may have come with a default. */
		if (!WoIsJournaled(v->binding, attnum) ||
			(!known[attnum - 1] && old_value(entry, att) != NULL && wo_verify_rules_default(v, attnum, old_value(entry, att))))
			mismatches = bms_del_member(mismatches, attnum);
	}
	if (!bms_is_empty(mismatches))
		wo_verify_report(v, entry->ticket, entry->revision, "chain_value",
						 "the old value of %s is not what the entries before it made",
						 column_list(v->binding, mismatches));
}

/* Returns what an entry says a column was before it. */
static JsonbValue *
old_value(const WoJournalEntry *entry, Form_pg_attribute att)
{
	JsonbValue *change = getKeyJsonValueFromContainer(&entry->changes->root, NameStr(att->attname),
													  strlen(NameStr(att->attname)), NULL);

	/* under the name it had then, see workorder.altered() */
	if (change == NULL)
		return NULL;
	return getIthJsonbValueFromContainer(change->val.binary.data, 0);
}

/* Checks that an entry, and the one before it, are what was written. */
static void
check_digest(WoVerify *v, const WoJournalEntry *entry, bool sealed)
{
	uint8		expected[WO_DIGEST_LENGTH];

	wo_digest_compute(entry, v->fold->begun && v->fold->sealed ? v->fold->digest : NULL, expected);
	if (!sealed || memcmp(expected, entry->digest, WO_DIGEST_LENGTH) != 0)
		wo_verify_report(v, entry->ticket, entry->revision, "digest",
						 "the entry is not what was written, or one before it is missing");
}

/* Checks a row against the fold of its entries. */
static void
check_row(WoVerify *v, WoTicketId ticket, const WoRow *row)
{
	const WoBinding *binding = v->binding;
	WoReplayState	   *fold = v->fold;
	int			revision = wo_binding_revision(binding, row);
	Bitmapset  *differ = NULL;

	if (!fold->begun)
	{
		if (revision != WO_REVISION_BASE)
			wo_verify_report(v, ticket, revision, "journal_missing",
							 "the row has been acted on, but there is no journal of it");
		return;
	}
	if (!fold->exists)
	{
		wo_verify_report(v, ticket, fold->revision, "row_exists",
						 "the journal tells that the ticket was deleted, but it is there");
		return;
	}
	if (revision != fold->revision)
		wo_verify_report(v, ticket, fold->revision, "gap",
						 "the journal ends with revision %d, the row has revision %d",
						 fold->revision, revision);

	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
	{
		Form_pg_attribute att = TupleDescAttr(binding->desc, attnum - 1);
		Jsonb	   *expected = fold->values[attnum - 1];
		JsonbValue	item;
		JsonbValue	wanted;

		if (att->attisdropped || !WoIsJournaled(binding, attnum) ||
			attnum == binding->engine[WO_REVISION] ||
			/* a row need not know its digest; the journal does */
			(attnum == binding->engine[WO_DIGEST] && wo_entry_row_digest(binding, row) == NULL) ||
			(row->nulls[attnum - 1] && expected == NULL))
			continue;
		wo_value_to_json(att->atttypid, row->values[attnum - 1], row->nulls[attnum - 1], &item);
		if (expected != NULL)
		{
			wo_value_from_jsonb(expected, &wanted);
			if (wo_value_equal(&item, &wanted) ||
				wo_value_same(att->atttypid, att->atttypmod, &wanted, &item))
				continue;
		}
		if (!fold->known[attnum - 1] && wo_verify_rules_default(v, attnum, &item))
			continue;
		differ = bms_add_member(differ, attnum);
	}
	if (binding->nkeys > 0 && fold->key != NULL && strcmp(fold->key, wo_binding_key_text(binding, row)) != 0)
		for (int i = 0; i < binding->nkeys; i++)
			differ = bms_add_member(differ, binding->keys[i]);
	if (differ != NULL)
		wo_verify_report(v, ticket, fold->revision, "row_differs",
						 "%s differ%s from what the journal tells", column_list(binding, differ),
						 bms_membership(differ) == BMS_SINGLETON ? "s" : "");
}

/* Checks, or mends, the tasks that the lists show of a ticket. */
static void
check_tasks(WoVerify *v, WoTicketId ticket, const WoRow *row)
{
	int64		n;

	if (v->retask)
	{
		wo_task_refresh(v->binding, row);
		v->retimed++;
		return;
	}
	n = wo_task_check(v->binding, row);
	if (n < 0)
		wo_verify_report(v, ticket, v->fold->revision, "tasks",
						 "the tasks that the lists show are not those of the ticket's votes");
	else
		v->tasks += n;
}

/* Names columns for a message. */
static char *
column_list(const WoBinding *binding, const Bitmapset *columns)
{
	StringInfoData s;
	int			attnum = -1;

	initStringInfo(&s);
	while ((attnum = bms_next_member(columns, attnum)) >= 0)
		appendStringInfo(&s, "%s\"%s\"", s.len > 0 ? ", " : "",
						 NameStr(TupleDescAttr(binding->desc, attnum - 1)->attname));
	return s.data;
}

/* --- totals ---------------------------------------------------------------- */

/* Reads the next group; its state stays where the caller is. */
static void
next_group(WoStream *stream, Holding *group)
{
	HeapTuple	tuple = wo_owner_spi_stream_next(stream);
	bool		isnull;

	group->there = tuple != NULL;
	if (tuple == NULL)
		return;
	group->tenant = DatumGetInt64(SPI_getbinval(tuple, stream->batch->tupdesc, 1, &isnull));
	group->state = TextDatumGetCString(SPI_getbinval(tuple, stream->batch->tupdesc, 2, &isnull));
	group->n = DatumGetInt64(SPI_getbinval(tuple, stream->batch->tupdesc, 3, &isnull));
}

/* Tells which comes first; what has come to its end comes last. */
static int
compare_groups(const Holding *a, const Holding *b)
{
	if (!a->there || !b->there)
		return a->there ? -1 : b->there ? 1 : 0;
	if (a->tenant != b->tenant)
		return a->tenant < b->tenant ? -1 : 1;
	return strcmp(a->state, b->state);
}

/* Checks the totals of the table that is being verified, if it is counted. */
static void
verify_totals(WoVerify *v)
{
	const WoBinding *binding = v->binding;
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(binding->guarded_id)};
	const char *tenant;
	const char *state;
	StringInfoData query;
	WoStream	counts;
	WoStream	rows;
	Holding		told;
	Holding		held;

	if (!binding->counted)
		return;
	tenant = wo_binding_tenant_sql(binding, "");
	state = quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->engine[WO_STATE] - 1)->attname));
	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s, %s::pg_catalog.text COLLATE pg_catalog.\"C\", pg_catalog.count(*) FROM %s"
					 " WHERE %s IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
					 tenant, state,
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(v->rel)),
												RelationGetRelationName(v->rel)), state);
	wo_owner_spi_stream_open(&counts, wo_catalog_table("state_count", false), count_query, 1, types, values);
	wo_owner_spi_stream_open(&rows, v->relid, query.data, 0, NULL, NULL);
	next_group(&counts, &told);
	next_group(&rows, &held);
	while (told.there || held.there)
	{
		int			order = compare_groups(&told, &held);
		const Holding *either = order <= 0 ? &told : &held;

		CHECK_FOR_INTERRUPTS();
		if (order != 0 || told.n != held.n)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "total",
							 "tenant " INT64_FORMAT " has " INT64_FORMAT " tickets in state \"%s\", its total says " INT64_FORMAT,
							 either->tenant, order >= 0 ? held.n : 0, either->state, order <= 0 ? told.n : 0);
		if (order <= 0)
			next_group(&counts, &told);
		if (order >= 0)
			next_group(&rows, &held);
	}
	wo_owner_spi_stream_close(&counts);
	wo_owner_spi_stream_close(&rows);
}

WO_BY_KEY(workorder_retime, false)

WO_BY_KEY(workorder_verify, false)
