/*-------------------------------------------------------------------------
 *
 * store.c
 *	  Rows written straight into one of the engine's tables, and those that
 *	  wait for it.
 *
 * What triggers append with every act (journal lines, changes of totals) goes
 * into the heap and its indexes without a plan and without asking what the
 * caller may do with the table, as referential-integrity triggers work for
 * its owner.  Indexes that users add are served.  What is allocated is left
 * to the caller's context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "utils/rel.h"

#include "utils/store.h"
#include "utils/workorder.h"

/*
 * insert_index_entries adds the new rows to one index.
 */
static void
insert_index_entries(Relation table, Oid indexoid, TupleTableSlot **slots, int nslots,
					 EState **estate, WoDuplicate duplicate)
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
	/* only a user's index needs the expression machinery */
	if (info->ii_Expressions != NIL || info->ii_Predicate != NIL)
	{
		if (*estate == NULL)
			*estate = CreateExecutorState();
		predicate = ExecPrepareQual(info->ii_Predicate, *estate);
	}
	for (int i = 0; i < nslots; i++)
	{
		bool		ours = index->rd_index->indisprimary && duplicate != NULL;

		if (*estate != NULL)
			GetPerTupleExprContext(*estate)->ecxt_scantuple = slots[i];
		if (info->ii_Predicate != NIL && !ExecQual(predicate, GetPerTupleExprContext(*estate)))
			continue;
		FormIndexDatum(info, slots[i], *estate, values, isnull);
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
 * wo_store writes rows into a table that is open and locked, and leaves in
 * the tuples where they are.  duplicate is NULL where no key of ours can be
 * taken.
 */
void
wo_store(Relation table, HeapTuple *tuples, int ntuples, WoDuplicate duplicate)
{
	List	   *indexes = RelationGetIndexList(table);
	TupleTableSlot **slots = NULL;
	EState	   *estate = NULL;
	ListCell   *lc;

	if (ntuples > 1 || indexes != NIL)
	{
		/* a copy is not counted, and a thousand slots would be many references to look through */
		TupleDesc	desc = ntuples > 1 ? CreateTupleDescCopy(RelationGetDescr(table)) : RelationGetDescr(table);

		slots = palloc(sizeof(TupleTableSlot *) * ntuples);
		for (int i = 0; i < ntuples; i++)
		{
			slots[i] = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
			ExecStoreHeapTuple(tuples[i], slots[i], false);
		}
	}
	if (ntuples > 1)
		table_multi_insert(table, slots, ntuples, GetCurrentCommandId(true), 0, NULL);
	else
	{
		simple_heap_insert(table, tuples[0]);
		if (slots != NULL)
			slots[0]->tts_tid = tuples[0]->t_self;
	}

	foreach(lc, indexes)
		insert_index_entries(table, lfirst_oid(lc), slots, ntuples, &estate, duplicate);

	for (int i = 0; slots != NULL && i < ntuples; i++)
	{
		tuples[i]->t_self = slots[i]->tts_tid;
		ExecDropSingleTupleTableSlot(slots[i]);
	}
	if (estate != NULL)
		FreeExecutorState(estate);
}

/*
 * wo_pending_at_subtransaction keeps rows that wait to be written in step with
 * the subtransaction that added them: they become its parent's, or are gone
 * with it.  Each row begins with its SubTransactionId, and they are in order of
 * time: later subtransactions have higher ids and come later.
 */
void
wo_pending_at_subtransaction(void *rows, int *nrows, Size size, SubXactEvent event,
							 SubTransactionId subid, SubTransactionId parent)
{
#define SUBID(i)	((SubTransactionId *) ((char *) rows + (i) * size))
	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (int i = 0; i < *nrows; i++)
			if (*SUBID(i) == subid)
				*SUBID(i) = parent;
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (*nrows > 0 && *SUBID(*nrows - 1) >= subid)
			(*nrows)--;
	}
#undef SUBID
}
