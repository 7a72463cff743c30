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
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* One timer of one ticket. */
typedef struct WoClock
{
	int			state;			/* the state that declares it */
	int			delay;			/* index into its delays */
	bool		stored;			/* workorder.timer has it */
	bool		gone;			/* the state was left */
	bool		changed;		/* paused or gone on */
	bool		paused;			/* rest counts, not due */
	bool		fired;			/* it has done what it does */
	TimestampTz due;
	TimestampTz fired_at;		/* if it has fired */
	int64		rest;			/* microseconds that are left, by its calendar */
} WoClock;

typedef struct WoClocks
{
	int64		tenant;			/* whose calendars count */
	const WoFlow *flow;			/* NULL = no clocks yet */
	bool		uncounted;		/* working time is not counted: when it is due is not known */
	/* when a column of the row as it is now says that it is due; false: it does not */
	bool		(*date) (void *arg, const WoFlow *flow, int column, TimestampTz *due);
	void	   *date_arg;
	int			n;
	int			max;
	WoClock    *item;
} WoClocks;

extern WoClock *wo_timer_add_clock(WoClocks *clocks, int state, int delay);
extern void wo_timer_move_clocks(WoClocks *clocks, const WoFlow *flow, int from, int to, int domain,
						   TimestampTz at);
extern void wo_timer_follow_clocks(WoClocks *clocks, int leaf, TimestampTz at);
extern bool wo_timer_date(Oid type, Datum value, TimestampTz *due);
extern int	wo_timer_domain(const WoFlow *flow, const char *action, int from, int to,
							Jsonb *before, Jsonb *after);

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
