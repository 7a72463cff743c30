/*-------------------------------------------------------------------------
 *
 * sweep.h
 *	  What the files of workorder.sweep() share; nobody else needs it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_SWEEP_H
#define WO_SWEEP_H

#include "utils/workorder.h"

/* A timer that is due, as it was read before its ticket was locked. */
typedef struct WoDue
{
	int32		guarded_id;
	int64		ticket;
	char	   *state;
	char	   *delay;
	TimestampTz next_at;
	int			turn;			/* how many of the same ticket come before it */
	bool		locked;
} WoDue;

/* A sweep under way. */
typedef struct WoSweep
{
	int64		tenant;
	TimestampTz now;
	int64		left;			/* timers that may still be taken */
	int64		fired;
	MemoryContext chunk;		/* reset with each chunk */
} WoSweep;

/* sweep_fire.c */
extern void wo_sweep_lock_tickets(WoSweep *sweep, WoDue **due, int n);
extern void wo_sweep_fire_turn(WoSweep *sweep, WoDue **due, int n, int turn);
extern void wo_sweep_defer_nothing(void);

#endif							/* WO_SWEEP_H */
