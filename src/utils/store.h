/*-------------------------------------------------------------------------
 *
 * store.h
 *	  Rows written straight into one of the engine's tables, and those that
 *	  wait for it (store.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_STORE_H
#define WO_STORE_H

#include "access/htup.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

/* Raises what there is to say of a row whose primary key is taken. */
typedef void (*WoDuplicate) (TupleTableSlot *slot);

extern void wo_store(Relation table, HeapTuple *tuples, int ntuples, WoDuplicate duplicate);
extern void wo_pending_at_subtransaction(void *rows, int *nrows, Size size, SubXactEvent event,
										 SubTransactionId subid, SubTransactionId parent);

#endif							/* WO_STORE_H */
