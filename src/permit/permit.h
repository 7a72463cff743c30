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
#include "permit/reason.h"

extern bool wo_permit(WoEvaluation *c, int action, bool explain, WoVerdict *verdict);
extern bool wo_permit_timer(WoEvaluation *c, const WoDelay *delay, WoVerdict *verdict);
extern bool wo_permit_view(WoEvaluation *c);
extern List *wo_permit_possible(const WoEvaluation *c);
extern WoReason *wo_permit_outcome(const WoEvaluation *c, WoVerdict *verdict);
extern int	wo_permit_leads_to(const WoEvaluation *c, const WoVerdict *verdict);
extern void wo_permit_take(WoEvaluation *c, WoVerdict *verdict);

#endif							/* WO_PERMIT_H */
