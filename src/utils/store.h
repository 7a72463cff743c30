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

#include "utils/cache.h"

/* A table that is written so; declare it static, with the first three fields. */
typedef struct WoTable
{
	const char *name;
	int			natts;			/* columns of ours, which come first */
	uint32		filled;			/* bit per column of ours that is never null */

	WoCache		cache;			/* of the rest */
	Oid			oid;
	bool		plain;			/* users have added nothing that has to be computed or checked */
} WoTable;

/* Raises what there is to say of a row whose primary key is taken. */
typedef void (*WoDuplicate) (TupleTableSlot *slot);

extern Relation wo_store_open(WoTable *table, LOCKMODE lockmode);
extern HeapTuple wo_store_form(const WoTable *table, Relation rel, const Datum *values, const bool *nulls);
extern void wo_store(const WoTable *table, Relation rel, HeapTuple *tuples, int ntuples, WoDuplicate duplicate);

#endif							/* WO_STORE_H */
