/*-------------------------------------------------------------------------
 *
 * condition.h
 *	  Guards and assignments (condition.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CONDITION_H
#define WO_CONDITION_H

#include "flow/flow.h"
#include "permit/evaluation.h"

typedef enum WoTruth
{
	WO_FALSE,
	WO_TRUE,
	WO_UNKNOWN
} WoTruth;

extern WoTruth wo_condition_holds(WoEvaluation *c, JsonPath *guard);
extern Jsonb *wo_condition_list(WoEvaluation *c, JsonPath *path);
extern void wo_condition_assign(WoEvaluation *c, const WoTransition *taken);

#endif							/* WO_CONDITION_H */
