/*-------------------------------------------------------------------------
 *
 * timer.h
 *	  Transitions that are due some time after a state is entered (timer.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_TIMER_H
#define WO_TIMER_H

#include "flow/flow.h"
#include "row/binding.h"
#include "timer/clock.h"

/* Which timer the sweeper is firing just now (sweep.c). */
typedef struct WoFiring
{
	int32		guarded_id;
	const char *state;
	const char *delay;
	const char *action;			/* WO_ACTION_AFTER and the delay */
	uint64		npassed_over;	/* tickets for which no guard held */
} WoFiring;

extern WoFiring *wo_firing;

extern void wo_timer_gather(int64 tenant, int32 guarded_id);
extern void wo_timer_write(void);
extern void wo_timer_forget(void);

extern const WoDelay *wo_timer_fired(int32 guarded_id, const char *action, const WoFlow *flow,
									 int leaf);
extern void wo_timer_dates(WoClocks *clocks, WoBinding *binding, const WoRow *row);
extern void wo_timer_follow(WoBinding *binding, const WoRow *old, const WoRow *row);
extern int	wo_timer_load(WoClocks *clocks, int32 guarded_id, WoTicketId ticket, Snapshot snapshot);
extern void wo_timer_save(const WoClocks *clocks, int32 guarded_id, WoTicketId ticket);

#endif							/* WO_TIMER_H */
