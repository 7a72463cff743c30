/*-------------------------------------------------------------------------
 *
 * journal.c
 *	  How entries get into workorder.journal and are found there.
 *
 * Entries are written straight into the table, as referential-integrity
 * triggers do their work as its owner: whoever may act on a ticket needs no
 * privilege on the journal.  The entries of one statement are gathered and
 * written together when its statement trigger calls wo_journal_flush(); what
 * is still waiting is written before the transaction commits.
 *
 * Entries wait in heap_append.c.  The journal has one index of ours, its key; what
 * users add to it is served there.
 *
 * The table is append-only.  Nobody updates, deletes or truncates the journal,
 * its owner and superusers included, unless workorder.maintenance is on.  What
 * is done under it leaves an entry of its own, which no later maintenance can
 * touch without leaving another: guarded_id 0, the ticket whose entry was touched (0 for TRUNCATE),
 * action "maintenance", and a note of what was done by which role.  These
 * entries have a chain of digests for each ticket number, as all others do.
 *
 * workorder.install() makes the triggers: BEFORE UPDATE OR DELETE for each
 * row, and AFTER TRUNCATE, since an entry written before would be truncated too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "journal/entry.h"
#include "journal/journal.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/heap_append.h"
#include "utils/owner_spi.h"
#include "utils/settings.h"
#include "utils/value.h"

/* ----------------------------------------------------------------
 *		entries written and found
 * ----------------------------------------------------------------
 */

/* As COPY does: enough to fill pages, not so much that memory shows. */
#define FLUSH_ENTRIES 1000
#define FLUSH_BYTES (256 * 1024)

#define COLUMN(name)	(1 << (Anum_journal_##name - 1))

static WoTable journal_table = {
	.name = "journal",
	.natts = Natts_journal,
	.filled = COLUMN(tenant) | COLUMN(relation) | COLUMN(ticket) | COLUMN(revision) | COLUMN(at) |
		COLUMN(action) | COLUMN(digest)
};

typedef struct PendingEntry
{
	SubTransactionId subid;		/* first, see heap_append.c */
	HeapTuple	tuple;
} PendingEntry;

static WoPending pending = {
	.name = "journal", .size = sizeof(PendingEntry), .flush = wo_journal_flush
};

/* About how much the waiting entries are. */
static Size pending_bytes = 0;

/*
 * begin_scan opens the journal's key for one ticket.  The snapshot sees
 * what this command has written itself and what others have committed: the
 * ticket's row is locked by whoever asks.
 */
static IndexScanDesc
begin_scan(Relation journal, Relation index, const WoJournalEntry *key, int nkeys)
{
	IndexScanDesc scan;
	ScanKeyData keys[4];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key->tenant));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(key->relation));
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_INT8EQ, TicketIdGetDatum(key->ticket));
	ScanKeyInit(&keys[3], 4, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(key->revision - 1));
	scan = wo_index_beginscan(journal, index, SnapshotSelf, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	return scan;
}

static Relation
open_key(Relation journal, LOCKMODE lockmode)
{
	Oid			key = wo_primary_key(journal);

	if (!OidIsValid(key))
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("workorder.journal has lost its primary key"),
				 errdetail("Its key is (tenant_id, guarded_id, ticket_id, revision)."),
				 errhint("Add the key again, or run SELECT workorder.upgrade().")));
	return index_open(key, lockmode);
}

/*
 * find_previous finds the digest of the entry before this one in the journal.
 */
static bool
find_previous(const WoJournalEntry *line, uint8 *digest)
{
	Relation	journal = wo_heap_append_open(&journal_table, AccessShareLock);
	Relation	index = open_key(journal, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(journal, NULL);
	bool		found = false;

	for (int attempt = 0; attempt < 2 && !found; attempt++)
	{
		IndexScanDesc scan = begin_scan(journal, index, line, 4);

		if (index_getnext_slot(scan, ForwardScanDirection, slot))
		{
			bool		isnull;
			Datum		value = slot_getattr(slot, Anum_journal_digest, &isnull);

			found = true;
			if (!isnull && VARSIZE_ANY_EXHDR(DatumGetPointer(value)) == WO_DIGEST_LENGTH)
				memcpy(digest, VARDATA_ANY(DatumGetPointer(value)), WO_DIGEST_LENGTH);
			else
				memset(digest, 0, WO_DIGEST_LENGTH);
		}
		index_endscan(scan);
		/* the entry may still be waiting, if one statement acts twice on a ticket */
		if (!found && pending.n > 0)
			wo_journal_flush();
		else
			break;
	}
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(journal, AccessShareLock);
	return found;
}

/*
 * wo_journal_set_digest computes the digest of an entry.  It chains to the entry that
 * the old row knows as its last; if it knows none, the journal is asked.  If
 * there is none either, the ticket was there before its first act, and its
 * history has to be opened by an entry of its own: the base, whose action stays
 * NULL if it is not needed.
 */
void
wo_journal_set_digest(WoJournalEntry *line, WoBinding *binding, const WoRow *old, WoJournalEntry *base)
{
	WoJournalEntry opening = {0};
	uint8		found[WO_DIGEST_LENGTH];
	const uint8 *previous = NULL;

	if (old != NULL)
	{
		previous = wo_entry_row_digest(binding, old);
		if (previous == NULL && find_previous(line, found))
			previous = found;
		if (previous == NULL)
		{
			wo_entry_for_base(&opening, binding, old);
			wo_digest_compute(&opening, NULL, opening.digest);
			previous = opening.digest;
		}
	}
	wo_digest_compute(line, previous, line->digest);
	if (base != NULL)
		*base = opening;
}

/*
 * add_takers adds who took the action of an entry, and for whom, if the action
 * is one of those asked for.
 */
static List *
add_takers(List *takers, TupleTableSlot *slot, const WoFlow *flow, const WoTransition *transition)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, Anum_journal_action, &isnull);

	if (!wo_flow_excludes(flow, transition, TextDatumGetCString(value)))
		return takers;
	for (int attnum = Anum_journal_actor; attnum <= Anum_journal_for_actor; attnum++)
	{
		int64	   *person;

		value = slot_getattr(slot, attnum, &isnull);
		if (isnull)
			continue;
		person = palloc(sizeof(int64));
		*person = DatumGetInt64(value);
		takers = lappend(takers, person);
	}
	return takers;
}

/*
 * wo_journal_takers lists who took an action on a ticket that a transition
 * keeps apart from it, and for
 * whom, as int64 pointers.
 */
List *
wo_journal_takers(const WoBinding *binding, const WoFlow *flow, int64 tenant,
				  WoTicketId ticket, const WoTransition *transition)
{
	WoJournalEntry key = {.tenant = tenant, .relation = binding->guarded_id, .ticket = ticket};
	Relation	journal;
	Relation	index;
	TupleTableSlot *slot;
	IndexScanDesc scan;
	List	   *takers = NIL;

	wo_journal_flush();
	journal = wo_heap_append_open(&journal_table, AccessShareLock);
	index = open_key(journal, AccessShareLock);
	slot = table_slot_create(journal, NULL);
	scan = begin_scan(journal, index, &key, 3);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		takers = add_takers(takers, slot, flow, transition);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);

	/* a statement that this one interrupts may have entries waiting */
	slot = MakeSingleTupleTableSlot(RelationGetDescr(journal), &TTSOpsHeapTuple);
	for (int i = 0; i < pending.n; i++)
	{
		bool		isnull;

		ExecStoreHeapTuple(((PendingEntry *) pending.rows)[i].tuple, slot, false);
		if (DatumGetTicketId(slot_getattr(slot, Anum_journal_ticket, &isnull)) == ticket &&
			DatumGetInt32(slot_getattr(slot, Anum_journal_relation, &isnull)) == binding->guarded_id &&
			DatumGetInt64(slot_getattr(slot, Anum_journal_tenant, &isnull)) == tenant)
			takers = add_takers(takers, slot, flow, transition);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(journal, AccessShareLock);
	return takers;
}

/*
 * form_line makes the journal's tuple in the current context.
 */
static HeapTuple
form_line(Relation journal, const WoJournalEntry *line)
{
	Datum		values[Natts_journal] = {0};
	bool		nulls[Natts_journal] = {0};
	bytea	   *digest = palloc(VARHDRSZ + WO_DIGEST_LENGTH);

	SET_VARSIZE(digest, VARHDRSZ + WO_DIGEST_LENGTH);
	memcpy(VARDATA(digest), line->digest, WO_DIGEST_LENGTH);

#define SET_VALUE(column, datum) (values[Anum_journal_##column - 1] = (datum))
#define SET_OR_NULL(column, there, datum) \
	do { \
		if (there) \
		SET_VALUE(column, datum); \
		else \
		nulls[Anum_journal_##column - 1] = true; \
	} while (0)

	SET_VALUE(tenant, Int64GetDatum(line->tenant));
	SET_VALUE(relation, Int32GetDatum(line->relation));
	SET_VALUE(ticket, TicketIdGetDatum(line->ticket));
	SET_VALUE(revision, Int32GetDatum(line->revision));
	SET_VALUE(at, TimestampTzGetDatum(line->at));
	SET_OR_NULL(actor, line->actor != 0, Int64GetDatum(line->actor));
	SET_OR_NULL(for_actor, line->for_actor != 0, Int64GetDatum(line->for_actor));
	SET_VALUE(action, CStringGetTextDatum(line->action));
	SET_OR_NULL(from_state, line->from_state != NULL, CStringGetTextDatum(line->from_state));
	SET_OR_NULL(to_state, line->to_state != NULL, CStringGetTextDatum(line->to_state));
	SET_OR_NULL(note, line->note != NULL, CStringGetTextDatum(line->note));
	SET_OR_NULL(changes, line->changes != NULL, JsonbPGetDatum(line->changes));
	SET_VALUE(digest, PointerGetDatum(digest));
	SET_OR_NULL(salt, line->salt != NULL, PointerGetDatum(line->salt));
	SET_OR_NULL(key, line->key != NULL, CStringGetTextDatum(line->key));
	return wo_heap_append_form(&journal_table, journal, values, nulls);
}

/*
 * wo_journal_append adds a sealed entry to the pending ones.  Unless the entries
 * of the statement go together it is written at once.
 */
void
wo_journal_append(const WoJournalEntry *line, bool together)
{
	Relation	journal = wo_heap_append_open(&journal_table, RowExclusiveLock);
	HeapTuple	tuple = form_line(journal, line);
	PendingEntry *row;
	MemoryContext old;

	table_close(journal, NoLock);
	if (pending.n >= FLUSH_ENTRIES || pending_bytes > FLUSH_BYTES)
		wo_journal_flush();
	row = wo_heap_append_defer(&pending);
	old = MemoryContextSwitchTo(pending.context);
	row->tuple = heap_copytuple(tuple);
	MemoryContextSwitchTo(old);
	pending_bytes += tuple->t_len;

	if (!together)
		wo_journal_flush();
}

/*
 * refuse_second_line tells that a ticket has an entry of this revision already:
 * its number was used before, or the journal and the row are not of one piece.
 */
static void
refuse_second_line(TupleTableSlot *slot)
{
	bool		isnull;
	WoTicketId	ticket = DatumGetTicketId(slot_getattr(slot, Anum_journal_ticket, &isnull));
	int32		revision = DatumGetInt32(slot_getattr(slot, Anum_journal_revision, &isnull));

	ereport(ERROR,
			(errcode(ERRCODE_WO_CONFLICT),
			 errmsg("the journal has revision %d of ticket " INT64_FORMAT " already", revision, ticket),
			 errdetail(revision == 1 ?
					   "The number was used before, and the history of the ticket that had it is kept." :
					   "The row is older than its journal."),
			 revision == 1 ?
			 errhint("Let the identity column choose the number.") :
			 errhint("Run workorder.verify() on the ticket.")));
}

/*
 * wo_journal_flush writes the pending entries of this subtransaction.  What it
 * allocates is left to the caller's context: a trigger's, or the transaction
 * that is about to end.
 */
void
wo_journal_flush(void)
{
	int			first = wo_heap_append_first_deferred(&pending);
	int			nlines = pending.n - first;
	Relation	journal;
	HeapTuple  *tuples;

	if (nlines == 0)
		return;
	tuples = palloc(sizeof(HeapTuple) * nlines);
	for (int i = 0; i < nlines; i++)
		tuples[i] = ((PendingEntry *) pending.rows)[first + i].tuple;

	journal = wo_heap_append_open(&journal_table, RowExclusiveLock);
	wo_heap_append(&journal_table, journal, tuples, nlines, refuse_second_line);
	table_close(journal, NoLock);

	wo_heap_append_keep_deferred(&pending, first);
	pending_bytes = 0;
	wo_settings_ensure_durable();
}

/* ----------------------------------------------------------------
 *		the trigger that keeps the journal append-only
 * ----------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(workorder_journal_append_only);
PG_FUNCTION_INFO_V1(workorder_journal_maintenance);
PG_FUNCTION_INFO_V1(workorder_altered);

static void refuse(Relation rel, const char *statement);
static void record(int64 tenant, WoTicketId ticket, const char *action, Jsonb *changes, const char *what);
static void check_names(const WoBinding *binding, Jsonb *columns, Jsonb *labels);
static int64 key_column(TriggerData *trigdata, int column);
static int32 last_entry(int64 tenant, WoTicketId ticket, uint8 *digest);

/*
 * journal_append_only() is the trigger function.
 */
Datum
workorder_journal_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const char *statement;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("workorder.journal_append_only() is a trigger"),
				 errhint("Let workorder.install() make the trigger.")));

	/* the owner may load entries, as a restore does; the engine itself comes past triggers */
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		if (!wo_owns_relation(RelationGetRelid(trigdata->tg_relation), GetUserId()))
			refuse(trigdata->tg_relation, "INSERT");
		return PointerGetDatum(trigdata->tg_trigtuple);
	}

	statement = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? "UPDATE" :
		TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) ? "DELETE" :
		TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event) ? "TRUNCATE" : NULL;
	if (statement == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("workorder.journal_append_only() is for INSERT, UPDATE, DELETE and TRUNCATE"),
				 errhint("Let workorder.install() make the trigger.")));
	if (!wo_maintenance)
		refuse(trigdata->tg_relation, statement);

	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
	{
		if (TRIGGER_FIRED_AFTER(trigdata->tg_event))
			record(wo_actor_current()->tenant, 0, WO_ACTION_MAINTENANCE, NULL, "TRUNCATE of the journal");
		return PointerGetDatum(NULL);
	}

	if (TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) && TRIGGER_FIRED_BEFORE(trigdata->tg_event))
		record(key_column(trigdata, 1), key_column(trigdata, 3), WO_ACTION_MAINTENANCE, NULL,
			   psprintf("%s of revision " INT64_FORMAT " of relation " INT64_FORMAT,
						statement, key_column(trigdata, 4), key_column(trigdata, 2)));
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
						   trigdata->tg_newtuple : trigdata->tg_trigtuple);
}

/*
 * journal_maintenance(guarded_id int, ticket_id bigint, note text) writes a
 * entry for maintenance that goes past the row triggers, such as TRUNCATE of a
 * guarded table.
 */
Datum
workorder_journal_maintenance(PG_FUNCTION_ARGS)
{
	int32		relation = PG_GETARG_INT32(0);
	WoTicketId	ticket = DatumGetTicketId(PG_GETARG_DATUM(1));
	char	   *note = text_to_cstring(PG_GETARG_TEXT_PP(2));

	if (!wo_maintenance)
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("workorder.maintenance is off"),
				 errdetail("Maintenance entries tell what was done under it."),
				 errhint("A superuser may SET workorder.maintenance = on.")));
	record(wo_actor_current()->tenant, ticket, WO_ACTION_MAINTENANCE, NULL, psprintf("%s of relation %d", note, relation));
	PG_RETURN_VOID();
}

/*
 * altered(relation regclass, columns jsonb, labels jsonb) tells the journal of
 * a guarded table that columns or labels have other names now.
 */
Datum
workorder_altered(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Jsonb	   *columns = PG_GETARG_JSONB_P(1);
	Jsonb	   *labels = PG_GETARG_JSONB_P(2);
	Relation	rel = try_relation_open(relid, AccessShareLock);
	WoBinding  *binding = rel != NULL ? wo_binding_if_guarded(rel) : NULL;
	WoJsonbState state = WO_JSONB_START;
	JsonbValue	value;

	PreventCommandIfReadOnly("workorder.altered()");
	PreventCommandIfParallelMode("workorder.altered()");
	if (binding == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table with OID %u is not guarded", relid),
				 errdetail("It has no flow, so the journal tells nothing of it."),
				 errhint("SELECT relation FROM workorder.guarded lists the tables that have one.")));
	if (!wo_owns_relation(relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("you do not own table \"%s\"", RelationGetRelationName(rel)),
				 errdetail("Only its owner says what its columns are called."),
				 errhint("Ask the owner.")));
	check_names(binding, columns, labels);
	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	wo_value_push_string(&state, WJB_KEY, "columns");
	wo_value_from_jsonb(columns, &value);
	wo_value_push(&state, WJB_VALUE, &value);
	wo_value_push_string(&state, WJB_KEY, "labels");
	wo_value_from_jsonb(labels, &value);
	wo_value_push(&state, WJB_VALUE, &value);
	record(1, WO_ALTERATION_TICKET(binding->guarded_id), WO_ACTION_ALTERED,
		   JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL)),
		   psprintf("table \"%s\"", RelationGetRelationName(rel)));
	relation_close(rel, AccessShareLock);
	PG_RETURN_VOID();
}

/* Refuses names that are none: of no column now, or of one that is still there. */
static void
check_names(const WoBinding *binding, Jsonb *columns, Jsonb *labels)
{
	for (int part = 0; part < 2; part++)
	{
		Jsonb	   *names = part == 0 ? columns : labels;
		JsonbIterator *it = JsonbIteratorInit(&names->root);
		JsonbValue	key;
		JsonbValue	value;

		if (!JB_ROOT_IS_OBJECT(names))
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("columns and labels are JSON objects"),
					 errdetail("columns maps names from before to names now, labels maps the labels of a column."),
					 errhint("For example workorder.altered('leave_request', '{\"days\": \"day_count\"}').")));
		(void) JsonbIteratorNext(&it, &key, true);
		while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
		{
			char	   *now = NULL;
			bool		found = false;

			(void) JsonbIteratorNext(&it, &value, true);
			if (part == 1)
				now = pnstrdup(key.val.string.val, key.val.string.len);
			else if (value.type == jbvString)
				now = pnstrdup(value.val.string.val, value.val.string.len);
			for (int i = 0; now != NULL && i < binding->desc->natts; i++)
				found |= !TupleDescAttr(binding->desc, i)->attisdropped &&
					strcmp(NameStr(TupleDescAttr(binding->desc, i)->attname), now) == 0;
			if (!found || (part == 1 && value.type != jbvBinary))
				ereport(ERROR,
						(errcode(ERRCODE_WO_INVALID),
						 errmsg("column \"%s\" does not exist", now != NULL ? now : "null"),
						 errdetail("Names from before are mapped to columns that the table has."),
						 errhint("Alter the table first, then tell what was altered.")));
		}
	}
}

static void
refuse(Relation rel, const char *statement)
{
	ereport(ERROR,
			(errcode(ERRCODE_WO_DENIED),
			 errmsg("%s of the journal is not permitted", statement),
			 errdetail("The journal is append-only for everybody, its owner and superusers included."),
			 errhint("A superuser may SET workorder.maintenance = on; that is journalled."),
			 errtable(rel)));
}

/* Writes the entry that tells what was done, and by which role. */
static void
record(int64 tenant, WoTicketId ticket, const char *action, Jsonb *changes, const char *what)
{
	WoJournalEntry line = {0};
	uint8		previous[WO_DIGEST_LENGTH];
	int32		last = last_entry(tenant, ticket, previous);

	line.tenant = tenant;
	line.relation = WO_RELATION_JOURNAL;
	line.ticket = ticket;
	line.revision = last + 1;
	line.at = wo_settings_now();
	line.actor = wo_actor_current()->id;
	line.action = action;
	line.changes = changes;
	line.note = psprintf("%s by role \"%s\"", what, GetUserNameFromId(GetUserId(), false));
	wo_digest_salt(&line);
	wo_digest_compute(&line, last > 0 ? previous : NULL, line.digest);
	wo_journal_append(&line, false);
}

/* Returns a column of the key of the entry that is touched, as bigint. */
static int64
key_column(TriggerData *trigdata, int column)
{
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	bool		isnull;
	Datum		value = heap_getattr(trigdata->tg_trigtuple, column, desc, &isnull);

	if (isnull)
		return 0;
	return TupleDescAttr(desc, column - 1)->atttypid == INT4OID ? DatumGetInt32(value) :
		DatumGetInt64(value);
}

/*
 * Finds the last maintenance entry of a ticket number; 0 if there is none.  It
 * looks as the journal's owner, who has journalled it.
 */
static int32
last_entry(int64 tenant, WoTicketId ticket, uint8 *digest)
{
	Oid			types[3] = {INT8OID, INT8OID, INT4OID};
	Datum		values[3] = {
		Int64GetDatum(tenant), TicketIdGetDatum(ticket), Int32GetDatum(WO_RELATION_JOURNAL)
	};
	int32		revision = 0;

	memset(digest, 0, WO_DIGEST_LENGTH);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* the entries that this statement has written count */
	wo_owner_spi_execute(wo_catalog_owner(wo_catalog_table("journal", false)), WO_SECTION_RESTRICTED,
						 "SELECT revision, digest FROM workorder.journal"
						 " WHERE tenant_id OPERATOR(pg_catalog.=) $1"
						 " AND ticket_id OPERATOR(pg_catalog.=) $2"
						 " AND guarded_id OPERATOR(pg_catalog.=) $3"
						 " ORDER BY revision DESC LIMIT 1",
						 SPI_OK_SELECT, 3, types, values);
	if (SPI_processed == 1)
	{
		bool		isnull;
		Datum		value;

		revision = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
		if (!isnull)
		{
			bytea	   *bytes = DatumGetByteaPP(value);

			if (VARSIZE_ANY_EXHDR(bytes) == WO_DIGEST_LENGTH)
				memcpy(digest, VARDATA_ANY(bytes), WO_DIGEST_LENGTH);
		}
	}
	SPI_finish();
	return revision;
}
