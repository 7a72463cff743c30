/*-------------------------------------------------------------------------
 *
 * calendar.h
 *	  Working time, by a tenant's calendar (calendar.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CALENDAR_H
#define WO_CALENDAR_H

#include "utils/timestamp.h"

extern TimestampTz wo_calendar_add(int64 tenant, const char *name, TimestampTz since,
								   const Interval *span);
extern int64 wo_calendar_between(int64 tenant, const char *name, TimestampTz since,
								 TimestampTz until);

#endif							/* WO_CALENDAR_H */
