/*-------------------------------------------------------------------------
 *
 * store.c
 *	  Rows written straight into one of the engine's tables.
 *
 * What triggers append with every act (journal entries, events, changes of
 * totals) goes into the heap and its indexes without a plan and without asking
 * what the caller may do with the table, as referential-integrity triggers
 * work for its owner.  What is allocated is left to the caller's context.
 *
 * The tables are the users', who may add to them.  Indexes are served, columns
 * get their defaults and are generated, NOT NULL, CHECK and domains hold.
 * Where a table has any of that the rows are written in a section of its owner
 * (as_owner.c), for it is his code that runs.  Triggers, rules, foreign keys
 * and exclusion constraints on these three tables are not served: the first
 * three are passed over, the last is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "utils/as_owner.h"
#include "utils/lookup.h"
#include "utils/store.h"

/*
 * columns_are_plain tells whether our columns and users' need nothing but to
 * be stored.
 */
static bool
columns_are_plain(const WoTable *table, TupleDesc desc)
{
	if (desc->constr != NULL && desc->constr->num_check > 0)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		if (i < table->natts ? att->attnotnull && (table->filled & (1 << i)) == 0 :
			att->attnotnull || att->atthasdef || att->attidentity != '\0' || att->attgenerated != '\0' ||
			att->atttypid >= FirstGenbkiObjectId)	/* may be a domain */
			return false;
	}
	return true;
}

/*
 * is_plain tells whether no code of the users' has to run when a row is
 * stored.
 */
static bool
is_plain(const WoTable *table, Relation rel)
{
	bool		plain = columns_are_plain(table, RelationGetDescr(rel));
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (!heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, NULL) ||
			!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
			plain = false;
		index_close(index, NoLock);
	}
	list_free(indexes);
	return plain;
}

/*
 * wo_store_open opens a table, looking it up only if it may have changed.
 */
Relation
wo_store_open(WoTable *table, LOCKMODE lockmode)
{
	Relation	rel;
	uint64		begun;

	if (wo_cache_current(&table->cache))
		return table_open(table->oid, lockmode);

	begun = wo_cache_begin(&table->cache);
	table->oid = wo_lookup_table(table->name, false);
	wo_cache_follow(&table->cache, 0, table->oid);
	rel = table_open(table->oid, lockmode);
	if (RelationGetDescr(rel)->natts < table->natts)
		elog(ERROR, "%s.%s has %d columns, expected at least %d",
			 WO_SCHEMA, table->name, RelationGetDescr(rel)->natts, table->natts);
	table->plain = is_plain(table, rel);
	wo_cache_done(&table->cache, begun);
	return rel;
}

/*
 * wo_store_form makes a row of our columns; those that users have added are
 * null until it is stored.
 */
HeapTuple
wo_store_form(const WoTable *table, Relation rel, const Datum *values, const bool *nulls)
{
	int			natts = RelationGetDescr(rel)->natts;
	Datum	   *all_values = palloc0(sizeof(Datum) * natts);
	bool	   *all_nulls = palloc(sizeof(bool) * natts);

	memcpy(all_values, values, sizeof(Datum) * table->natts);
	memcpy(all_nulls, nulls, sizeof(bool) * table->natts);
	memset(all_nulls + table->natts, true, sizeof(bool) * (natts - table->natts));
	return heap_form_tuple(RelationGetDescr(rel), all_values, all_nulls);
}

/*
 * prepare_default returns what a column holds that a statement does not
 * name, NULL if that is null.
 */
static ExprState *
prepare_default(Relation rel, AttrNumber attnum, EState *estate)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	Oid			type = att->atttypid;
	Oid			base = type;
	int32		typmod = att->atttypmod;
	Oid			collation = att->attcollation;
	Node	   *value;
	int16		len;
	bool		byval;

	if (att->attisdropped || att->attgenerated != '\0')
		return NULL;
	value = build_column_default(rel, attnum);
	if (value == NULL && get_typtype(type) == TYPTYPE_DOMAIN)
	{
		/* a domain may refuse null */
		base = getBaseTypeAndTypmod(type, &typmod);
		get_typlenbyval(base, &len, &byval);
		value = coerce_to_domain((Node *) makeConst(base, typmod, collation, len, (Datum) 0, true, byval),
								 base, typmod, type, COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1, false);
	}
	return value == NULL ? NULL : ExecPrepareExpr((Expr *) value, estate);
}

/*
 * complete_rows fills the columns that users have added, and checks what they
 * want checked.  The tuples are replaced.
 */
static void
complete_rows(const WoTable *table, Relation rel, HeapTuple *tuples, int ntuples, EState *estate)
{
	TupleDesc	desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	ExprState **defaults = palloc0(sizeof(ExprState *) * desc->natts);

	InitResultRelInfo(target, rel, 0, NULL, 0);
	for (int i = table->natts; i < desc->natts; i++)
		defaults[i] = prepare_default(rel, i + 1, estate);
	for (int row = 0; row < ntuples; row++)
	{
		ExprContext *context = GetPerTupleExprContext(estate);

		ExecClearTuple(slot);
		heap_deform_tuple(tuples[row], desc, slot->tts_values, slot->tts_isnull);
		for (int i = table->natts; i < desc->natts; i++)
		{
			slot->tts_isnull[i] = true;
			if (defaults[i] != NULL)
				slot->tts_values[i] = ExecEvalExpr(defaults[i], context, &slot->tts_isnull[i]);
		}
		ExecStoreVirtualTuple(slot);
		if (desc->constr != NULL && desc->constr->has_generated_stored)
			ExecComputeStoredGenerated(target, estate, slot, CMD_INSERT);
		if (desc->constr != NULL)
			ExecConstraints(target, slot, estate);
		tuples[row] = ExecCopySlotHeapTuple(slot);
		ResetPerTupleExprContext(estate);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * insert_index_entries adds the new rows to one index.  estate is NULL where
 * no index has expressions.
 */
static void
insert_index_entries(Relation table, Oid indexoid, TupleTableSlot **slots, int nslots,
					 EState *estate, WoDuplicate duplicate)
{
	Relation	index = index_open(indexoid, RowExclusiveLock);
	IndexInfo  *info = BuildIndexInfo(index);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	ExprState  *predicate = NULL;

	if (!info->ii_ReadyForInserts)
	{
		index_close(index, RowExclusiveLock);
		return;
	}
	if (info->ii_ExclusionOps != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s.%s cannot have an exclusion constraint",
						WO_SCHEMA, RelationGetRelationName(table)),
				 errhint("Drop constraint \"%s\".", RelationGetRelationName(index))));
	if (info->ii_Predicate != NIL)
		predicate = ExecPrepareQual(info->ii_Predicate, estate);
	for (int i = 0; i < nslots; i++)
	{
		bool		ours = index->rd_index->indisprimary && duplicate != NULL;

		if (estate != NULL)
			GetPerTupleExprContext(estate)->ecxt_scantuple = slots[i];
		if (predicate != NULL && !ExecQual(predicate, GetPerTupleExprContext(estate)))
			continue;
		FormIndexDatum(info, slots[i], estate, values, isnull);
		if (!index_insert(index, values, isnull, &slots[i]->tts_tid, table,
						  ours ? UNIQUE_CHECK_PARTIAL :
						  index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
						  false, info) && ours)
			duplicate(slots[i]);
	}
	wo_index_insert_cleanup(index, info);
	index_close(index, NoLock);
}

/*
 * wo_store writes rows into a table that wo_store_open() has opened, and
 * leaves in the tuples where they are; the array may get others.  duplicate is
 * NULL where no key of ours can be taken.
 */
void
wo_store(const WoTable *table, Relation rel, HeapTuple *tuples, int ntuples, WoDuplicate duplicate)
{
	List	   *indexes = RelationGetIndexList(rel);
	TupleTableSlot **slots = NULL;
	EState	   *estate = NULL;
	WoSection	section;
	ListCell   *lc;

	if (!table->plain)
	{
		wo_as_owner_begin(&section, rel->rd_rel->relowner, WO_SECTION_RESTRICTED);
		estate = CreateExecutorState();
		complete_rows(table, rel, tuples, ntuples, estate);
	}
	if (ntuples > 1 || indexes != NIL)
	{
		/* a copy is not counted, and a thousand slots would be many references to look through */
		TupleDesc	desc = ntuples > 1 ? CreateTupleDescCopy(RelationGetDescr(rel)) : RelationGetDescr(rel);

		slots = palloc(sizeof(TupleTableSlot *) * ntuples);
		for (int i = 0; i < ntuples; i++)
		{
			slots[i] = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
			ExecStoreHeapTuple(tuples[i], slots[i], false);
		}
	}
	if (ntuples > 1)
		table_multi_insert(rel, slots, ntuples, GetCurrentCommandId(true), 0, NULL);
	else
	{
		simple_heap_insert(rel, tuples[0]);
		if (slots != NULL)
			slots[0]->tts_tid = tuples[0]->t_self;
	}

	foreach(lc, indexes)
		insert_index_entries(rel, lfirst_oid(lc), slots, ntuples, estate, duplicate);

	for (int i = 0; slots != NULL && i < ntuples; i++)
	{
		tuples[i]->t_self = slots[i]->tts_tid;
		ExecDropSingleTupleTableSlot(slots[i]);
	}
	if (estate != NULL)
	{
		FreeExecutorState(estate);
		wo_as_owner_end(&section);
	}
}
