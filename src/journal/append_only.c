/*-------------------------------------------------------------------------
 *
 * append_only.c
 *	  The trigger that keeps workorder.journal append-only.
 *
 * Nobody updates, deletes or truncates the journal, its owner and superusers
 * included, unless workorder.maintenance is on.  What is done under it leaves
 * a line of its own, which no later maintenance can touch without leaving
 * another: guarded_id 0, the ticket whose line was touched (0 for TRUNCATE),
 * action "maintenance", and a note of what was done by which role.  These
 * lines have a chain of digests for each ticket number, as all others do.
 *
 * workorder.install() makes the triggers: BEFORE UPDATE OR DELETE for each
 * row, and AFTER TRUNCATE, since a line written before would be truncated too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "actor/actor.h"
#include "journal/journal.h"
#include "journal/entry.h"
#include "utils/lookup.h"
#include "journal/replay.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_journal_append_only);
PG_FUNCTION_INFO_V1(workorder_journal_maintenance);
PG_FUNCTION_INFO_V1(workorder_altered);

static void refuse(Relation rel, const char *statement);
static void record(int64 tenant, int64 ticket, const char *action, Jsonb *changes, const char *what);
static void check_names(const WoBinding *binding, Jsonb *columns, Jsonb *labels);
static int64 key_column(TriggerData *trigdata, int column);
static int32 last_line(int64 tenant, int64 ticket, uint8 *digest);

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

	/* the owner may load lines, as a restore does; the engine itself comes past triggers */
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
 * line for maintenance that goes past the row triggers, such as TRUNCATE of a
 * guarded table.
 */
Datum
workorder_journal_maintenance(PG_FUNCTION_ARGS)
{
	int32		relation = PG_GETARG_INT32(0);
	int64		ticket = PG_GETARG_INT64(1);
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
	wo_push_string(&state, WJB_KEY, "columns");
	wo_value_from_jsonb(columns, &value);
	wo_push_value(&state, WJB_VALUE, &value);
	wo_push_string(&state, WJB_KEY, "labels");
	wo_value_from_jsonb(labels, &value);
	wo_push_value(&state, WJB_VALUE, &value);
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
						 errmsg("there is no column \"%s\" now", now != NULL ? now : "null"),
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

/* Writes the line that tells what was done, and by which role. */
static void
record(int64 tenant, int64 ticket, const char *action, Jsonb *changes, const char *what)
{
	WoJournalLine line = {0};
	uint8		previous[WO_DIGEST_LENGTH];
	int32		last = last_line(tenant, ticket, previous);

	line.tenant = tenant;
	line.relation = WO_RELATION_JOURNAL;
	line.ticket = ticket;
	line.revision = last + 1;
	line.at = wo_now();
	line.actor = wo_actor_current()->id;
	line.action = action;
	line.changes = changes;
	line.note = psprintf("%s by role \"%s\"", what, GetUserNameFromId(GetUserId(), false));
	wo_journal_salt(&line);
	wo_journal_digest(&line, last > 0 ? previous : NULL, line.digest);
	wo_journal_append(&line, false);
}

/* Returns a column of the key of the line that is touched, as bigint. */
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
 * Finds the last maintenance line of a ticket number; 0 if there is none.  It
 * looks as the journal's owner, who has journalled it.
 */
static int32
last_line(int64 tenant, int64 ticket, uint8 *digest)
{
	Oid			types[3] = {INT8OID, INT8OID, INT4OID};
	Datum		values[3] = {
		Int64GetDatum(tenant), Int64GetDatum(ticket), Int32GetDatum(WO_RELATION_JOURNAL)
	};
	int32		revision = 0;

	memset(digest, 0, WO_DIGEST_LENGTH);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* the lines that this statement has written count */
	wo_execute_as(wo_relation_owner(wo_lookup_table("journal", false)), WO_SECTION_RESTRICTED,
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
