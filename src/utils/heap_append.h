/*-------------------------------------------------------------------------
 *
 * heap_append.h
 *	  Rows appended to one of the engine's tables, and rows that wait for that
 *	  (heap_append.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_HEAP_APPEND_H
#define WO_HEAP_APPEND_H

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

/* Declare it static, with the first three fields or four. */
typedef struct WoPending
{
	const char *name;			/* of the memory context */
	Size		size;			/* of a row, whose first field is its SubTransactionId */
	void		(*flush) (void);	/* writes the rows of this subtransaction */
	bool		notices;		/* sends notices, which a prepared transaction cannot */

	/* to be read; heap_append.c changes them */
	int			n;
	void	   *rows;
	MemoryContext context;		/* for what rows point to; NULL while there are none */

	/* heap_append.c's own */
	int			allocated;
	bool		known;
	struct WoPending *next;
} WoPending;

extern Relation wo_heap_append_open(WoTable *table, LOCKMODE lockmode);
extern HeapTuple wo_heap_append_form(const WoTable *table, Relation rel, const Datum *values, const bool *nulls);
extern void wo_heap_append(const WoTable *table, Relation rel, HeapTuple *tuples, int ntuples, WoDuplicate duplicate);

extern void *wo_heap_append_defer(WoPending *pending);
extern int	wo_heap_append_first_deferred(const WoPending *pending);
extern void wo_heap_append_keep_deferred(WoPending *pending, int n);

#endif							/* WO_HEAP_APPEND_H */
