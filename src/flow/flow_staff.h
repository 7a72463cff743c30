/*-------------------------------------------------------------------------
 *
 * flow_staff.h
 *	  What today's people could never do (flow_staff.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_STAFF_H
#define WO_FLOW_STAFF_H

#include "flow/flow_read.h"

extern void wo_flow_staff_check(const WoFlow *flow, int64 tenant, List **findings);

#endif							/* WO_FLOW_STAFF_H */
