/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The clocks that run for a ticket, as its moves set, stop and end them
 *	  (clock.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CLOCK_H
#define WO_CLOCK_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "flow/flow.h"

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

extern WoClock *wo_clock_add(WoClocks *clocks, int state, int delay);
extern void wo_clock_move(WoClocks *clocks, const WoFlow *flow, int from, int to, int domain,
						   TimestampTz at);
extern void wo_clock_follow(WoClocks *clocks, int leaf, TimestampTz at);
extern bool wo_clock_date(Oid type, Datum value, TimestampTz *due);
extern int	wo_clock_domain(const WoFlow *flow, const char *action, int from, int to,
							Jsonb *before, Jsonb *after);

#endif							/* WO_CLOCK_H */
