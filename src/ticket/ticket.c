/*-------------------------------------------------------------------------
 *
 * ticket.c
 *	  One ticket by its number: find it for a caller, and move it.
 *
 * Most tables are plain, and their tickets are found by the primary key and
 * updated with the executor's own helpers, as a logical replication worker
 * does: triggers, constraints and indexes all work, and no plan is made.
 * What this cannot serve (partitioned tables, policies that users added) goes
 * the long way through SPI, where the executor enforces everything.
 *
 * The caller's rights are checked as for the UPDATE that this stands for.  A
 * ticket that they may not see is not found, like one that does not exist.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parse_relation.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/policy.h"
#include "journal/replay.h"
#include "permit/evaluation.h"
#include "permit/permit.h"
#include "ticket/ticket.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/settings.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_as_of);

void
wo_ticket_not_found(Relation rel, WoTicketId id)
{
	ereport(ERROR,
			(errcode(ERRCODE_WO_NOT_FOUND),
			 errmsg("ticket " INT64_FORMAT " of \"%s\" not found", id, RelationGetRelationName(rel)),
			 errdetail("There is none with this number that you may see."),
			 errhint("Check the number, and who you are: workorder.actor_id(), workorder.tenant_id()."),
			 errtable(rel)));
}

/*
 * sees_by_policy tells whether the caller reads the table under row-level
 * security.
 */
static bool
sees_by_policy(Relation rel)
{
	return check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED;
}

/*
 * is_plain tells whether the short way serves this table: it knows neither
 * partitions nor rules nor policies of others, and keeps no rows for triggers
 * that have transition tables.
 */
static bool
is_plain(Relation rel)
{
	const TriggerDesc *triggers = rel->trigdesc;

	return rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rules == NULL &&
		(triggers == NULL || (!triggers->trig_update_old_table && !triggers->trig_update_new_table)) &&
		wo_policy_is_ours(rel) && OidIsValid(wo_primary_key(rel));
}

/*
 * wo_ticket_may_read tells whether the caller may read all columns of a table,
 * which is what its history and as_of() tell of.
 */
bool
wo_ticket_may_read(Oid relid)
{
	return pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_SELECT, ACLMASK_ALL) == ACLCHECK_OK;
}

/*
 * check_select makes sure that the caller may read the table at all.  That is
 * enough to act, which returns no more than the state.
 */
static void
check_select(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(rel));
}

/*
 * check_update makes sure that the caller may update a column.
 */
static void
check_update(Relation rel, AttrNumber attnum)
{
	Oid			relid = RelationGetRelid(rel);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_UPDATE) != ACLCHECK_OK &&
		pg_attribute_aclcheck(relid, attnum, GetUserId(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error_col(ACLCHECK_NO_PRIV, OBJECT_COLUMN, RelationGetRelationName(rel),
						   NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname));
}

/*
 * id_datum returns a ticket number as a datum of the key column's type.
 */
static bool
id_datum(const WoBinding *binding, WoTicketId id, Datum *datum)
{
	if (TupleDescAttr(binding->desc, binding->id - 1)->atttypid == INT4OID)
	{
		*datum = Int32GetDatum((int32) id);
		return id >= PG_INT32_MIN && id <= PG_INT32_MAX;
	}
	*datum = TicketIdGetDatum(id);
	return true;
}

/*
 * find_by_key fetches the ticket of the caller's tenant into the slot.
 */
static bool
find_by_key(Relation rel, const WoBinding *binding, WoTicketId id, Snapshot snapshot, TupleTableSlot *slot)
{
	Relation	index = index_open(wo_primary_key(rel), AccessShareLock);
	ScanKeyData keys[2];
	IndexScanDesc scan;
	Datum		number;
	bool		found = false;

	/* guard() made sure that the primary key is (tenant, id) */
	if (id_datum(binding, id, &number))
	{
		ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
					Int64GetDatum(wo_actor_current()->tenant));
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber,
					TupleDescAttr(binding->desc, binding->id - 1)->atttypid == INT4OID ?
					F_INT4EQ : F_INT8EQ, number);
		scan = wo_index_beginscan(rel, index, snapshot, 2);
		index_rescan(scan, keys, 2, NULL, 0);
		found = index_getnext_slot(scan, ForwardScanDirection, slot);
		index_endscan(scan);
	}
	index_close(index, NoLock);
	return found;
}

/*
 * may_see judges "view" for a row that was found without the policies.
 */
static bool
may_see(WoBinding *binding, HeapTuple tuple)
{
	WoRow		row = wo_binding_row(binding, tuple);
	WoEvaluation		c = {
		.binding = binding,
		.actor = wo_actor_current(),
		.now = wo_settings_now(),
		.old = row.values,
		.old_null = row.nulls,
		.row = row.values,
		.row_null = row.nulls,
		.quiet = true
	};
	AttrNumber	flow_att = binding->engine[WO_FLOW_ID];
	char	   *state = wo_binding_text(binding, &row, WO_STATE);

	c.flow = row.nulls[flow_att - 1] ? NULL : wo_flow_cache_by_id(DatumGetInt32(row.values[flow_att - 1]));
	if (c.flow == NULL || state == NULL)
		return false;
	c.leaf = wo_flow_state(c.flow, state, strlen(state));
	c.columns = wo_binding_columns(binding, c.flow);
	return c.leaf >= 0 && wo_permit_view(&c);
}

/*
 * key_condition appends "WHERE tenant = $n AND id = $n+1", quoted.
 */
static void
key_condition(StringInfo s, const WoBinding *binding, int first)
{
	appendStringInfo(s, " WHERE %s OPERATOR(pg_catalog.=) $%d AND %s OPERATOR(pg_catalog.=) $%d",
					 quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->tenant - 1)->attname)),
					 first,
					 quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->id - 1)->attname)),
					 first + 1);
}

/*
 * wo_ticket_find returns the ticket as the caller sees it, NULL if they do not.
 */
HeapTuple
wo_ticket_find(Relation rel, WoBinding *binding, WoTicketId id)
{
	HeapTuple	result = NULL;

	check_select(rel);
	if (is_plain(rel))
	{
		TupleTableSlot *slot = table_slot_create(rel, NULL);

		if (find_by_key(rel, binding, id, GetActiveSnapshot(), slot))
		{
			result = ExecCopySlotHeapTuple(slot);
			if (sees_by_policy(rel) && !may_see(binding, result))
				result = NULL;
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	else
	{
		StringInfoData query;
		Oid			types[2] = {INT8OID, INT8OID};
		Datum		values[2];
		MemoryContext context = CurrentMemoryContext;

		initStringInfo(&query);
		/*
		 * The row as one value has all attributes of the table, dropped ones too.
		 * Plain "t" would be a column of that name, if there is one.
		 */
		appendStringInfo(&query, "SELECT (t.*)::%1$s FROM %1$s AS t",
						 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
													RelationGetRelationName(rel)));
		key_condition(&query, binding, 1);
		values[0] = Int64GetDatum(wo_actor_current()->tenant);
		values[1] = TicketIdGetDatum(id);
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		if (SPI_execute_with_args(query.data, 2, types, values, NULL, true, 2) != SPI_OK_SELECT)
			elog(ERROR, "could not read the ticket");
		if (SPI_processed == 1)
		{
			bool		isnull;
			HeapTupleHeader row = DatumGetHeapTupleHeader(SPI_getbinval(SPI_tuptable->vals[0],
																		SPI_tuptable->tupdesc, 1, &isnull));
			HeapTupleData tuple;
			MemoryContext old = MemoryContextSwitchTo(context);

			tuple.t_len = HeapTupleHeaderGetDatumLength(row);
			ItemPointerSetInvalid(&tuple.t_self);
			tuple.t_tableOid = RelationGetRelid(rel);
			tuple.t_data = row;
			result = heap_copytuple(&tuple);
			MemoryContextSwitchTo(old);
		}
		SPI_finish();
	}
	return result;
}

/*
 * wo_ticket_apply writes changes into a row, checking what may be written.
 */
void
wo_ticket_apply(Relation rel, WoBinding *binding, Jsonb *changes, WoRow *row, bool *changed)
{
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;

	if (changes == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(changes))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("changes must be a JSON object"),
				 errdetail("Its keys are the columns to change."),
				 errhint("For example {\"days\": 3}.")));
	it = JsonbIteratorInit(&changes->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) == WJB_KEY)
	{
		char	   *column = pnstrdup(v.val.string.val, v.val.string.len);
		AttrNumber	attnum = wo_binding_attribute(binding, column);

		token = JsonbIteratorNext(&it, &v, true);
		if (attnum == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("table \"%s\" has no column \"%s\"", RelationGetRelationName(rel), wo_errors_shorten(column)),
					 errdetail("The keys of changes are columns."),
					 errhint("Check the spelling."),
					 errtable(rel)));
		if (WoIsEngine(binding, attnum) || WoIsKey(binding, attnum) ||
			TupleDescAttr(binding->desc, attnum - 1)->attgenerated != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_WO_DENIED),
					 errmsg("column \"%s\" is not yours to change", column),
					 errdetail("It is the ticket's key, generated, or kept by the engine."),
					 errhint("Leave it out of changes."),
					 errtablecol(rel, attnum)));
		check_update(rel, attnum);
		wo_value_size_check(column, JSONBOID, JsonbPGetDatum(JsonbValueToJsonb(&v)));
		{
			WoRow		before = {
				palloc(sizeof(Datum) * binding->desc->natts),
				palloc(sizeof(bool) * binding->desc->natts)
			};

			before.values[attnum - 1] = row->values[attnum - 1];
			before.nulls[attnum - 1] = row->nulls[attnum - 1];
			row->values[attnum - 1] = wo_binding_value(binding, attnum, JsonbValueToJsonb(&v),
													   &row->nulls[attnum - 1]);
			if (changed != NULL)
				changed[attnum - 1] = !wo_binding_same(binding, attnum, &before, row);
		}
	}
}

/*
 * lost_race tells that somebody else was quicker.
 */
static void
lost_race(Relation rel, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_WO_CONFLICT),
			 errmsg("the ticket was changed by somebody else"),
			 errdetail("%s", detail),
			 errhint("Read it again, then decide again."),
			 errtable(rel)));
}

/*
 * lock_latest locks the newest version of the row in the slot.
 */
static void
lock_latest(Relation rel, WoTicketId id, Snapshot snapshot, TupleTableSlot *slot)
{
	TM_FailureData failure;
	ItemPointerData tid = slot->tts_tid;
	TM_Result	result;

	result = table_tuple_lock(rel, &tid, snapshot, slot, GetCurrentCommandId(false),
							  LockTupleNoKeyExclusive, LockWaitBlock,
							  IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION,
							  &failure);
	switch (result)
	{
		case TM_Ok:
			return;
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				lost_race(rel, "It is gone.");
			wo_ticket_not_found(rel, id);
			break;
		case TM_Updated:
			lost_race(rel, "This transaction sees the state from before that change.");
			break;
		default:
			lost_race(rel, "This very command has changed it already.");
			break;
	}
}

/*
 * move_plain updates the row with the executor's helpers.
 */
static void
move_plain(Relation rel, WoBinding *binding, WoTicketId id, const WoActRequest *request,
		   int *revision, char **state)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	EPQState	epq;
	Snapshot	snapshot;
	TupleTableSlot *found = table_slot_create(rel, &estate->es_tupleTable);
	TupleTableSlot *slot = table_slot_create(rel, &estate->es_tupleTable);
	Bitmapset  *columns = NULL;
	AttrNumber	action_att = binding->engine[WO_ACTION];
	AttrNumber	note_att = binding->engine[WO_NOTE];
	bool	   *changed = palloc0(sizeof(bool) * binding->desc->natts);
	HeapTuple	tuple;
	ItemPointerData seen;
	WoRow		row;
	WoRow		old;

	PushActiveSnapshot(GetTransactionSnapshot());
	snapshot = GetActiveSnapshot();

	if (!find_by_key(rel, binding, id, snapshot, found))
		wo_ticket_not_found(rel, id);
	/* who may not see it does not learn from a lock that it is there */
	tuple = ExecFetchSlotHeapTuple(found, false, NULL);
	if (sees_by_policy(rel) && !may_see(binding, tuple))
		wo_ticket_not_found(rel, id);
	seen = found->tts_tid;
	lock_latest(rel, id, snapshot, found);
	tuple = ExecFetchSlotHeapTuple(found, false, NULL);
	if (!ItemPointerEquals(&seen, &found->tts_tid) && sees_by_policy(rel) && !may_see(binding, tuple))
		wo_ticket_not_found(rel, id);

	old = wo_binding_row(binding, tuple);
	if (request->expect_revision >= 0 && wo_binding_revision(binding, &old) != request->expect_revision)
		lost_race(rel, psprintf("It is at revision %d, not %d.",
								wo_binding_revision(binding, &old), request->expect_revision));
	row = wo_binding_row(binding, tuple);
	wo_ticket_apply(rel, binding, request->changes, &row, changed);
	row.values[action_att - 1] = CStringGetTextDatum(request->action);
	row.nulls[action_att - 1] = false;
	if (request->note != NULL)
	{
		row.values[note_att - 1] = CStringGetTextDatum(request->note);
		row.nulls[note_att - 1] = false;
	}

	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
		if (attnum == action_att || changed[attnum - 1] ||
			(attnum == note_att && request->note != NULL))
			columns = bms_add_member(columns, attnum - FirstLowInvalidHeapAttributeNumber);
	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(rel);
	rte->relkind = rel->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
	wo_init_range_table(estate, rte, columns);
	InitResultRelInfo(target, rel, 1, NULL, 0);
	/* not a plan's, but this is where AFTER triggers look for it */
	estate->es_opened_result_relations = lappend(estate->es_opened_result_relations, target);
	estate->es_output_cid = GetCurrentCommandId(true);
	estate->es_snapshot = snapshot;
	ExecOpenIndices(target, false);
	wo_eval_plan_qual_init(&epq, estate);

	ExecClearTuple(slot);
	memcpy(slot->tts_values, row.values, sizeof(Datum) * binding->desc->natts);
	memcpy(slot->tts_isnull, row.nulls, sizeof(bool) * binding->desc->natts);
	ExecStoreVirtualTuple(slot);

	AfterTriggerBeginQuery();
	ExecBSUpdateTriggers(estate, target);
	ExecSimpleRelationUpdate(target, estate, &epq, found, slot);
	ExecASUpdateTriggers(estate, target, NULL);

	slot_getallattrs(slot);
	row.values = slot->tts_values;
	row.nulls = slot->tts_isnull;
	*revision = wo_binding_revision(binding, &row);
	*state = wo_binding_text(binding, &row, WO_STATE);
	/* only a row that was stored has a place */
	if (!ItemPointerIsValid(&slot->tts_tid))
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("a trigger on \"%s\" suppressed the action", RelationGetRelationName(rel)),
				 errdetail("It returned no row to store."),
				 errhint("Look at the table's BEFORE ROW triggers."),
				 errtable(rel)));
	AfterTriggerEndQuery(estate);

	EvalPlanQualEnd(&epq);
	ExecCloseIndices(target);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
	PopActiveSnapshot();
	/* what follows in this statement sees the ticket where it is now */
	CommandCounterIncrement();
}

/*
 * move_by_statement does the same with an UPDATE, for tables that need it.
 */
static void
move_by_statement(Relation rel, WoBinding *binding, WoTicketId id, const WoActRequest *request,
				  int *revision, char **state)
{
	MemoryContext context = CurrentMemoryContext;
	WoRow		row;
	bool	   *changed = palloc0(sizeof(bool) * binding->desc->natts);
	Oid		   *types = palloc(sizeof(Oid) * (binding->desc->natts + 4));
	Datum	   *values = palloc(sizeof(Datum) * (binding->desc->natts + 4));
	char	   *nulls = palloc(binding->desc->natts + 5);
	StringInfoData query;
	int			n = 0;
	HeapTuple	found = wo_ticket_find(rel, binding, id);
	int			known;

	if (found == NULL)
		wo_ticket_not_found(rel, id);
	row = wo_binding_row(binding, found);
	known = wo_binding_revision(binding, &row);
	wo_ticket_apply(rel, binding, request->changes, &row, changed);

#define ADD_ARGUMENT(type, value, isnull) \
	(types[n] = (type), values[n] = (value), nulls[n] = (isnull) ? 'n' : ' ', n++)
#define COLUMN(attnum) \
	quote_identifier(NameStr(TupleDescAttr(binding->desc, (attnum) - 1)->attname))

	initStringInfo(&query);
	ADD_ARGUMENT(TEXTOID, CStringGetTextDatum(request->action), false);
	ADD_ARGUMENT(TEXTOID, request->note != NULL ? CStringGetTextDatum(request->note) : (Datum) 0,
				 request->note == NULL);
	appendStringInfo(&query, "UPDATE %s SET %s = $1, %s = $2",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel)),
					 COLUMN(binding->engine[WO_ACTION]), COLUMN(binding->engine[WO_NOTE]));
	for (int a = 0; a < binding->desc->natts; a++)
	{
		if (!changed[a])
			continue;
		ADD_ARGUMENT(TupleDescAttr(binding->desc, a)->atttypid, row.values[a], row.nulls[a]);
		appendStringInfo(&query, ", %s = $%d", COLUMN(a + 1), n);
	}
	key_condition(&query, binding, n + 1);
	ADD_ARGUMENT(INT8OID, Int64GetDatum(wo_actor_current()->tenant), false);
	ADD_ARGUMENT(INT8OID, TicketIdGetDatum(id), false);
	if (request->expect_revision >= 0)
	{
		ADD_ARGUMENT(INT4OID, Int32GetDatum(request->expect_revision), false);
		appendStringInfo(&query, " AND %s OPERATOR(pg_catalog.=) $%d",
						 COLUMN(binding->engine[WO_REVISION]), n);
	}
	nulls[n] = '\0';
	appendStringInfo(&query, " RETURNING %s, %s",
					 COLUMN(binding->engine[WO_REVISION]), COLUMN(binding->engine[WO_STATE]));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	wo_owner_spi_expect(SPI_execute_with_args(query.data, n, types, values, nulls, false, 0), SPI_OK_UPDATE_RETURNING);
	if (SPI_processed != 1)
		lost_race(rel, request->expect_revision >= 0 && known != request->expect_revision ?
				  psprintf("It is at revision %d, not %d.", known, request->expect_revision) :
				  "It is gone, or no longer yours to see.");
	{
		bool		no_revision;
		bool		no_state;
		Datum		new_revision = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &no_revision);
		Datum		new_state = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &no_state);
		MemoryContext old = MemoryContextSwitchTo(context);

		/* no ticket is without, but a rule returns what it likes */
		if (no_revision || no_state)
			wo_owner_spi_expect(SPI_OK_REWRITTEN, SPI_OK_UPDATE_RETURNING);
		*revision = DatumGetInt32(new_revision);
		*state = TextDatumGetCString(new_state);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
}

/*
 * wo_ticket_move takes an action on one ticket under its row lock.
 */
void
wo_ticket_move(Relation rel, WoBinding *binding, WoTicketId id, const WoActRequest *request,
			   int *revision, char **state)
{
	PreventCommandIfReadOnly("workorder.act()");
	PreventCommandIfParallelMode("workorder.act()");

	check_select(rel);
	check_update(rel, binding->engine[WO_ACTION]);
	if (request->note != NULL)
		check_update(rel, binding->engine[WO_NOTE]);
	if (is_plain(rel))
		move_plain(rel, binding, id, request, revision, state);
	else
		move_by_statement(rel, binding, id, request, revision, state);
}

/*
 * as_of(relation regclass, id bigint, at timestamptz) returns the row as a
 * JSON object, or NULL if the ticket did not exist at that time.  Who may see
 * the ticket now may ask; of a ticket that is gone, or that they may not see,
 * only the table's owner is told anything.
 */
Datum
workorder_as_of(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	WoTicketId	id = DatumGetTicketId(PG_GETARG_DATUM(1));
	WoBinding  *binding;
	Relation	rel = wo_binding_open(relid, AccessShareLock, &binding);
	HeapTuple	tuple;
	WoRow		row;
	Jsonb	   *result;

	/* The answer is the whole row, so every column must be readable. */
	if (!wo_ticket_may_read(relid))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(rel));
	tuple = wo_ticket_find(rel, binding, id);
	if (tuple != NULL)
		row = wo_binding_row(binding, tuple);
	else if (!wo_owns_relation(relid, GetUserId()))
		wo_ticket_not_found(rel, id);

	result = wo_replay_until(binding, wo_actor_current()->tenant, id, PG_GETARG_TIMESTAMPTZ(2),
							 tuple != NULL ? &row : NULL);
	relation_close(rel, AccessShareLock);

	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(result);
}
