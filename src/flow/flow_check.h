/*-------------------------------------------------------------------------
 *
 * flow_check.h
 *	  What is wrong with a flow that compiles, and what can be proved of it
 *	  (flow_check.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_CHECK_H
#define WO_FLOW_CHECK_H

#include "flow/flow_read.h"

extern void wo_flow_check(const WoFlow *flow, List **findings);
extern void wo_flow_check_relation(const WoFlow *flow, Oid relid, List **findings);

extern List *wo_flow_check_way(const WoFlow *flow, int to, int avoid);
extern bool wo_flow_check_needs(const WoFlow *flow, int to, const WoTransitionList *list);

#endif							/* WO_FLOW_CHECK_H */
