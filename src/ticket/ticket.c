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
#include "catalog/pg_am.h"
#include "catalog/pg_operator.h"
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
#include "utils/syscache.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/flow_sql.h"
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
PG_FUNCTION_INFO_V1(workorder_replayed);
PG_FUNCTION_INFO_V1(workorder_ticket_number);
PG_FUNCTION_INFO_V1(workorder_ticket_by_key);
PG_FUNCTION_INFO_V1(workorder_key_of);

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
 * number_index returns the index by which a ticket is found: the primary key if
 * the number is in it, else the unique key over tenant and number that guard()
 * has made; InvalidOid if there is none.  The answer is kept in the binding,
 * which is outdated when the table gets or loses an index.
 */
static Oid
number_index(Relation rel, WoBinding *binding)
{
	List	   *indexes;
	ListCell   *lc;

	if (binding->nkeys == 0)
		return wo_primary_key(rel);
	if (OidIsValid(binding->number_index))
		return binding->number_index;
	indexes = RelationGetIndexList(rel);
	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		Form_pg_index form = index->rd_index;
		bool		has_number = false;
		bool		has_else = false;

		for (int i = 0; i < form->indnkeyatts; i++)
		{
			has_number |= form->indkey.values[i] == binding->id;
			has_else |= form->indkey.values[i] != binding->id &&
				(form->indkey.values[i] != binding->tenant || binding->tenant == InvalidAttrNumber);
		}
		if (form->indisunique && form->indisvalid && has_number && !has_else &&
			index->rd_rel->relam == BTREE_AM_OID && RelationGetIndexPredicate(index) == NIL)
			binding->number_index = lfirst_oid(lc);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return binding->number_index;
}

/*
 * is_plain tells whether the short way serves this table: it knows neither
 * partitions nor rules nor policies of others, and keeps no rows for triggers
 * that have transition tables.
 */
static bool
is_plain(Relation rel, WoBinding *binding)
{
	const TriggerDesc *triggers = rel->trigdesc;

	return rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rules == NULL &&
		(triggers == NULL || (!triggers->trig_update_old_table && !triggers->trig_update_new_table)) &&
		wo_flow_sql_policies_are_ours(rel) && OidIsValid(number_index(rel, binding)) &&
		(binding->nkeys == 0 || OidIsValid(wo_primary_key(rel)));
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
 * number_datum returns a ticket number as a datum of its column's type; false
 * if the type has no such number.
 */
static bool
number_datum(const WoBinding *binding, WoTicketId id, Datum *datum)
{
	switch (TupleDescAttr(binding->desc, binding->id - 1)->atttypid)
	{
		case INT2OID:
			*datum = Int16GetDatum((int16) id);
			return id == (int16) id;
		case INT4OID:
			*datum = Int32GetDatum((int32) id);
			return id == (int32) id;
		default:
			*datum = Int64GetDatum(id);
			return true;
	}
}

/*
 * equality returns the operator by which an index compares one of its columns
 * with a value of the column's type.
 */
static Oid
equality(Relation index, int column)
{
	Oid			type = index->rd_opcintype[column];
	Oid			operator = get_opfamily_member(index->rd_opfamily[column], type, type, BTEqualStrategyNumber);

	if (!OidIsValid(operator))
		elog(ERROR, "missing equality operator in index \"%s\"", RelationGetRelationName(index));
	return operator;
}

/*
 * key_value returns the value to look for in a column: the tenant's, the
 * ticket's number, or that of the table's own key.  False if no row has it.
 */
static bool
key_value(const WoBinding *binding, AttrNumber attnum, WoTicketId id, const Datum *key, Datum *value)
{
	if (attnum == binding->tenant)
		return wo_binding_tenant_datum(binding, wo_actor_current()->tenant, value);
	if (key == NULL && attnum == binding->id)
		return number_datum(binding, id, value);
	for (int i = 0; key != NULL && i < binding->nkeys; i++)
		if (binding->keys[i] == attnum)
		{
			*value = key[i];
			return true;
		}
	return false;
}

/*
 * find_by_key fetches the ticket of the caller's tenant into the slot, by its
 * number, or by its own key unless that is NULL.
 */
static bool
find_by_key(Relation rel, WoBinding *binding, WoTicketId id, const Datum *key, Snapshot snapshot, TupleTableSlot *slot)
{
	Relation	index = index_open(key == NULL ? number_index(rel, binding) : wo_primary_key(rel), AccessShareLock);
	int			nkeys = index->rd_index->indnkeyatts;
	AttrNumber	columns[INDEX_MAX_KEYS];
	ScanKeyData keys[INDEX_MAX_KEYS];
	IndexScanDesc scan;
	bool		of_tenant = false;
	bool		found = true;

	/* what is asked below looks into catalogs */
	for (int i = 0; i < nkeys; i++)
		columns[i] = index->rd_index->indkey.values[i];
	for (int i = 0; found && i < nkeys; i++)
	{
		AttrNumber	attnum = columns[i];
		Oid			type = TupleDescAttr(binding->desc, attnum - 1)->atttypid;
		Datum		value;

		of_tenant |= attnum == binding->tenant;
		found = key_value(binding, attnum, id, key, &value);
		if (found)
			ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[i],
								   type == INT8OID ? F_INT8EQ : type == INT4OID ? F_INT4EQ : get_opcode(equality(index, i)),
								   value);
	}
	if (found)
	{
		scan = wo_index_beginscan(rel, index, snapshot, nkeys);
		index_rescan(scan, keys, nkeys, NULL, 0);
		found = index_getnext_slot(scan, ForwardScanDirection, slot);
		index_endscan(scan);
	}
	index_close(index, NoLock);
	if (found && !of_tenant)
	{
		/* a key that has nothing of the tenant finds everybody's */
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, NULL);
		WoRow		row = wo_binding_row(binding, tuple);

		found = wo_binding_tenant(binding, &row) == wo_actor_current()->tenant;
	}
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
 * key_condition appends the condition that a row is the ticket with the number
 * $n of the caller's tenant.
 */
static void
key_condition(StringInfo s, const WoBinding *binding, int n)
{
	appendStringInfo(s, " WHERE %s AND %s OPERATOR(pg_catalog.=) $%d",
					 wo_binding_of_tenant(binding, wo_actor_current()->tenant),
					 quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->id - 1)->attname)), n);
}

/*
 * operator_name writes an operator as it is found whatever the search_path is.
 */
static char *
operator_name(Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	name = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * own_key_condition appends the condition that its own key is $1, $2, ..., each
 * of its column's type and compared as the primary key does.
 */
static void
own_key_condition(StringInfo s, Relation rel, const WoBinding *binding, Oid *types)
{
	char	   *of_tenant = wo_binding_of_tenant(binding, wo_actor_current()->tenant);
	Relation	index = index_open(wo_primary_key(rel), AccessShareLock);

	appendStringInfo(s, " WHERE %s", of_tenant);
	for (int i = 0; i < binding->nkeys; i++)
	{
		Form_pg_attribute att = TupleDescAttr(binding->desc, binding->keys[i] - 1);
		Oid			operator = InvalidOid;

		for (int k = 0; k < index->rd_index->indnkeyatts && !OidIsValid(operator); k++)
			if (index->rd_index->indkey.values[k] == att->attnum)
				operator = equality(index, k);
		types[i] = att->atttypid;
		appendStringInfo(s, " AND %s %s $%d", quote_identifier(NameStr(att->attname)), operator_name(operator), i + 1);
	}
	index_close(index, NoLock);
}

/*
 * find returns the ticket with a number, or with a key of its own unless that
 * is NULL, as the caller sees it; NULL if they do not.
 */
static HeapTuple
find(Relation rel, WoBinding *binding, WoTicketId id, Datum *key)
{
	HeapTuple	result = NULL;

	check_select(rel);
	if (is_plain(rel, binding))
	{
		TupleTableSlot *slot = table_slot_create(rel, NULL);

		if (find_by_key(rel, binding, id, key, GetActiveSnapshot(), slot))
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
		Oid			number_type[1] = {INT8OID};
		Datum		number[1] = {TicketIdGetDatum(id)};
		Oid		   *types = key == NULL ? number_type : palloc(sizeof(Oid) * binding->nkeys);
		Datum	   *values = key == NULL ? number : key;
		int			nvalues = key == NULL ? 1 : binding->nkeys;
		MemoryContext context = CurrentMemoryContext;

		initStringInfo(&query);
		/*
		 * The row as one value has all attributes of the table, dropped ones too.
		 * Plain "t" would be a column of that name, if there is one.
		 */
		appendStringInfo(&query, "SELECT (t.*)::%1$s FROM %1$s AS t",
						 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
													RelationGetRelationName(rel)));
		if (key == NULL)
			key_condition(&query, binding, 1);
		else
			own_key_condition(&query, rel, binding, types);
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		if (SPI_execute_with_args(query.data, nvalues, types, values, NULL, true, 2) != SPI_OK_SELECT)
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

HeapTuple
wo_ticket_find(Relation rel, WoBinding *binding, WoTicketId id)
{
	return find(rel, binding, id, NULL);
}

/*
 * wo_ticket_number returns the number of the ticket that has a key, which may
 * be the number itself; false if it is none that the caller sees.
 */
bool
wo_ticket_number(Relation rel, WoBinding *binding, const char *key, int64 *number)
{
	HeapTuple	tuple;
	WoRow		row;

	if (binding->nkeys == 0)
	{
		Datum		value;
		char	   *end;

		errno = 0;
		*number = strtoll(key, &end, 10);
		if (errno != 0 || end == key || *end != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("\"%s\" is no ticket of \"%s\"", wo_errors_shorten(key), RelationGetRelationName(rel)),
					 errdetail("Its tickets are known by a number, in column \"%s\".",
							   NameStr(TupleDescAttr(binding->desc, binding->id - 1)->attname)),
					 errhint("Give the number."),
					 errtable(rel)));
		return number_datum(binding, *number, &value);
	}
	tuple = find(rel, binding, 0, wo_binding_read_key(binding, key));
	if (tuple == NULL)
		return false;
	row = wo_binding_row(binding, tuple);
	*number = wo_binding_id(binding, row.values);
	return true;
}

/*
 * wo_ticket_by_key calls a function whose first arguments are a table and a
 * ticket's number, for one that was given the ticket's key instead.  What cannot
 * be seen is not found, or makes the answer null if that is meant.
 */
Datum
wo_ticket_by_key(FunctionCallInfo fcinfo, PGFunction function, bool missing_ok)
{
	LOCAL_FCINFO(by_number, FUNC_MAX_ARGS);
	Datum		result;

	memcpy(by_number, fcinfo, SizeForFunctionCallInfo(fcinfo->nargs));
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
	{
		WoBinding  *binding;
		Relation	rel = wo_binding_open(PG_GETARG_OID(0), AccessShareLock, &binding);
		char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(1));
		int64		number;

		if (wo_ticket_number(rel, binding, key, &number))
			by_number->args[1].value = Int64GetDatum(number);
		else if (missing_ok)
			by_number->args[1].isnull = true;
		else
			ereport(ERROR,
					(errcode(ERRCODE_WO_NOT_FOUND),
					 errmsg("ticket %s of \"%s\" not found", wo_errors_shorten(key), RelationGetRelationName(rel)),
					 errdetail("There is none with this key that you may see."),
					 errhint("Check the key, and who you are: workorder.actor_id(), workorder.tenant_id()."),
					 errtable(rel)));
		relation_close(rel, NoLock);
	}
	result = function(by_number);
	fcinfo->isnull = by_number->isnull;
	return result;
}

/*
 * ticket_number(relation, key) is for whoever needs the number itself.
 */
static Datum
same_number(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_INT64(PG_GETARG_INT64(1));
}

Datum
workorder_ticket_number(PG_FUNCTION_ARGS)
{
	return wo_ticket_by_key(fcinfo, same_number, true);
}

/*
 * ticket_by_key(relation, key) raises an error instead of returning NULL.
 */
Datum
workorder_ticket_by_key(PG_FUNCTION_ARGS)
{
	return wo_ticket_by_key(fcinfo, same_number, false);
}

/*
 * key_of(relation, id) returns by what the table knows a ticket, NULL for one
 * that the caller may not see.
 */
Datum
workorder_key_of(PG_FUNCTION_ARGS)
{
	WoBinding  *binding;
	Relation	rel = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	char	   *key = NULL;

	binding = rel == NULL ? NULL : wo_binding_if_guarded(rel);
	if (binding != NULL && binding->nkeys == 0)
		key = psprintf(INT64_FORMAT, PG_GETARG_INT64(1));
	else if (binding != NULL && wo_ticket_may_read(PG_GETARG_OID(0)))
	{
		HeapTuple	tuple = wo_ticket_find(rel, binding, PG_GETARG_INT64(1));

		if (tuple != NULL)
		{
			WoRow		row = wo_binding_row(binding, tuple);

			key = wo_binding_key_text(binding, &row);
		}
	}
	if (rel != NULL)
		relation_close(rel, NoLock);
	if (key == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(key));
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

	if (!find_by_key(rel, binding, id, NULL, snapshot, found))
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
	if (is_plain(rel, binding))
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

/*
 * replayed(relation regclass, tenant_id bigint, id bigint) returns the row that
 * the journal leads to, of a ticket of any tenant, for the table's owner.
 */
Datum
workorder_replayed(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	WoBinding  *binding;
	Relation	rel = wo_binding_open(relid, AccessShareLock, &binding);
	Jsonb	   *result;

	if (!wo_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, RelationGetRelationName(rel));
	result = wo_replay_until(binding, PG_GETARG_INT64(1), DatumGetTicketId(PG_GETARG_DATUM(2)), DT_NOEND, NULL);
	relation_close(rel, AccessShareLock);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(result);
}

WO_BY_KEY(workorder_as_of, false)
