/*-------------------------------------------------------------------------
 *
 * store.h
 *	  Rows written straight into one of the engine's tables (store.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_STORE_H
#define WO_STORE_H

#include "access/htup.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

/* Raises what there is to say of a row whose primary key is taken. */
typedef void (*WoDuplicate) (TupleTableSlot *slot);

extern void wo_store(Relation table, HeapTuple *tuples, int ntuples, WoDuplicate duplicate);

#endif							/* WO_STORE_H */
