/*-------------------------------------------------------------------------
 *
 * permit.h
 *	  The one predicate: may this actor take this action on this row (permit.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_PERMIT_H
#define WO_PERMIT_H

#include "flow/flow.h"
#include "permit/evaluation.h"

extern bool wo_permit(WoEvaluation *c, int action, bool explain, WoVerdict *verdict);
extern bool wo_permit_timer(WoEvaluation *c, const WoDelay *delay, WoVerdict *verdict);
extern bool wo_permit_view(WoEvaluation *c);
extern List *wo_permit_possible(const WoEvaluation *c);
extern void wo_permit_take(WoEvaluation *c, const char *action, const WoVerdict *verdict, const char *note);

#endif							/* WO_PERMIT_H */
