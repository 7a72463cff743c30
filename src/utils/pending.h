/*-------------------------------------------------------------------------
 *
 * pending.h
 *	  Rows of a transaction that wait to be written (pending.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_PENDING_H
#define WO_PENDING_H

#include "postgres.h"

/* Declare it static, with the first three fields or four. */
typedef struct WoPending
{
	const char *name;			/* of the memory context */
	Size		size;			/* of a row, whose first field is its SubTransactionId */
	void		(*flush) (void);	/* writes the rows of this subtransaction */
	bool		notices;		/* sends notices, which a prepared transaction cannot */

	/* to be read; pending.c changes them */
	int			n;
	void	   *rows;
	MemoryContext context;		/* for what rows point to; NULL while there are none */

	/* pending.c's own */
	int			allocated;
	bool		known;
	struct WoPending *next;
} WoPending;

extern void *wo_pending_add(WoPending *pending);
extern int	wo_pending_first(const WoPending *pending);
extern void wo_pending_keep(WoPending *pending, int n);

#endif							/* WO_PENDING_H */
