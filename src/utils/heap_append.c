/*-------------------------------------------------------------------------
 *
 * heap_append.c
 *	  Rows appended to one of the engine's tables: straight into the heap, and
 *	  gathered until their statement ends.
 *
 * What triggers append with every act (journal entries, events, changes of
 * totals) goes into the heap and its indexes without a plan and without asking
 * what the caller may do with the table, as referential-integrity triggers
 * work for its owner.  What is allocated is left to the caller's context.
 *
 * The tables are the users', who may add to them.  Indexes are served, columns
 * get their defaults and are generated, NOT NULL, CHECK and domains hold.
 * Where a table has any of that the rows are written in a section of its owner
 * (owner_spi.c), for it is their code that runs.  Triggers, rules, foreign keys
 * and exclusion constraints on these three tables are not served: the first
 * three are passed over, the last is refused.
 *
 * What is appended is gathered while a statement runs and written at its end,
 * or when there is much of it.  A statement on a partition has no such end; its
 * rows wait for the next one, or for the commit.
 *
 * Rows carry the number of their subtransaction, so that ROLLBACK TO drops
 * just what it undoes.  For the same reason a statement inside a
 * subtransaction, run by a trigger say, writes the rows of that subtransaction
 * only.  They are in order of time: later subtransactions have higher numbers
 * and come last.
 *
 * Before the commit all that is left is written, with a snapshot: expressions
 * of indexes and checks that users add may run queries.  Everything lives in
 * TopTransactionContext and is forgotten with it.
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
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/heap_append.h"
#include "utils/owner_spi.h"

/* ----------------------------------------------------------------
 *		appending
 * ----------------------------------------------------------------
 */

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
 * wo_heap_append_open opens a table, looking it up only if it may have changed.
 */
Relation
wo_heap_append_open(WoTable *table, LOCKMODE lockmode)
{
	Relation	rel;
	uint64		begun;

	if (wo_cache_current(&table->cache))
		return table_open(table->oid, lockmode);

	begun = wo_cache_begin(&table->cache);
	table->oid = wo_catalog_table(table->name, false);
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
 * wo_heap_append_form makes a row of our columns; those that users have added are
 * null until it is stored.
 */
HeapTuple
wo_heap_append_form(const WoTable *table, Relation rel, const Datum *values, const bool *nulls)
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
 * wo_heap_append writes rows into a table that wo_heap_append_open() has opened, and
 * leaves in the tuples where they are; the array may get others.  duplicate is
 * NULL where no key of ours can be taken.
 */
void
wo_heap_append(const WoTable *table, Relation rel, HeapTuple *tuples, int ntuples, WoDuplicate duplicate)
{
	List	   *indexes = RelationGetIndexList(rel);
	TupleTableSlot **slots = NULL;
	EState	   *estate = NULL;
	WoSection	section;
	ListCell   *lc;

	if (!table->plain)
	{
		wo_owner_spi_begin(&section, rel->rd_rel->relowner, WO_SECTION_RESTRICTED);
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
		wo_owner_spi_end(&section);
	}
}

/* ----------------------------------------------------------------
 *		rows that wait
 * ----------------------------------------------------------------
 */

/* All kinds of rows, in the order in which they were first used. */
static WoPending *kinds = NULL;

#define ROW(pending, i)		((char *) (pending)->rows + (i) * (pending)->size)
#define SUBID(pending, i)	(*(SubTransactionId *) ROW(pending, i))

/*
 * flush_all writes what waits.
 */
static void
flush_all(bool commits)
{
	bool		pushed = false;

	for (WoPending *pending = kinds; pending != NULL; pending = pending->next)
	{
		if (pending->n == 0 || (pending->notices && !commits))
			continue;
		if (!ActiveSnapshotSet())
		{
			PushActiveSnapshot(GetTransactionSnapshot());
			pushed = true;
		}
		pending->flush();
	}
	if (pushed)
		PopActiveSnapshot();
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			flush_all(event == XACT_EVENT_PRE_COMMIT);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			for (WoPending *pending = kinds; pending != NULL; pending = pending->next)
			{
				/* the memory goes with the transaction */
				pending->n = pending->allocated = 0;
				pending->rows = NULL;
				pending->context = NULL;
			}
			break;
		default:
			break;
	}
}

/*
 * at_subtransaction_event keeps rows in step with the subtransaction that
 * added them: they become its parent's, or are gone with it.
 */
static void
at_subtransaction_event(SubXactEvent event, SubTransactionId subid,
						SubTransactionId parent, void *arg)
{
	for (WoPending *pending = kinds; pending != NULL; pending = pending->next)
	{
		int			n = pending->n;

		if (event == SUBXACT_EVENT_COMMIT_SUB)
		{
			for (int i = 0; i < n; i++)
				if (SUBID(pending, i) == subid)
					SUBID(pending, i) = parent;
		}
		else if (event == SUBXACT_EVENT_ABORT_SUB)
		{
			while (n > 0 && SUBID(pending, n - 1) >= subid)
				n--;
			wo_heap_append_keep_deferred(pending, n);
		}
	}
}

/*
 * wo_heap_append_defer adds a row of this subtransaction, all zero but for that.
 */
void *
wo_heap_append_defer(WoPending *pending)
{
	char	   *row;

	if (!pending->known)
	{
		WoPending **last = &kinds;

		/* called before those that were registered at module start, see settings.c */
		if (kinds == NULL)
		{
			RegisterXactCallback(at_transaction_event, NULL);
			RegisterSubXactCallback(at_subtransaction_event, NULL);
		}
		while (*last != NULL)
			last = &(*last)->next;
		*last = pending;
		pending->known = true;
	}
	if (pending->context == NULL)
	{
		pending->rows = MemoryContextAlloc(TopTransactionContext, pending->size * 16);
		pending->allocated = 16;
		pending->context = AllocSetContextCreate(TopTransactionContext, "workorder pending rows",
												 ALLOCSET_DEFAULT_SIZES);
		MemoryContextSetIdentifier(pending->context, pending->name);
	}
	else if (pending->n == pending->allocated)
	{
		pending->rows = repalloc_huge(pending->rows, pending->size * pending->allocated * 2);
		pending->allocated *= 2;
	}
	row = ROW(pending, pending->n);
	memset(row, 0, pending->size);
	SUBID(pending, pending->n) = GetCurrentSubTransactionId();
	pending->n++;
	return row;
}

/*
 * wo_heap_append_first_deferred returns where the rows of this subtransaction begin.
 */
int
wo_heap_append_first_deferred(const WoPending *pending)
{
	SubTransactionId subid = pending->n > 0 ? GetCurrentSubTransactionId() : InvalidSubTransactionId;
	int			first = pending->n;

	while (first > 0 && SUBID(pending, first - 1) == subid)
		first--;
	return first;
}

/*
 * wo_heap_append_keep_deferred forgets all but the first rows.
 */
void
wo_heap_append_keep_deferred(WoPending *pending, int n)
{
	pending->n = n;
	if (n == 0 && pending->context != NULL)
		MemoryContextReset(pending->context);
}
