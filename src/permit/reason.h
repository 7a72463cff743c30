/*-------------------------------------------------------------------------
 *
 * reason.h
 *	  Why an action is not taken (reason.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_REASON_H
#define WO_REASON_H

#include "flow/flow.h"
#include "permit/evaluation.h"
#include "utils/compat.h"

/* Why not.  Messages name rules, columns and roles, never what a row holds. */
typedef struct WoReason
{
	const char *code;
	int			sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
	bool		input;			/* would go away if the caller gave more */
	const char *column;			/* the missing column or "note", if input */
} WoReason;

extern WoReason *wo_reason_make(const char *code, int sqlstate, const char *message, const char *detail,
						   const char *hint);
extern WoReason *wo_reason_unknown_action(const WoFlow *flow, const char *action);
extern WoReason *wo_reason_last_revision(const WoEvaluation *c);
extern WoReason *wo_reason_not_a_beginning(const char *action);
extern WoReason *wo_reason_created_already(void);
extern WoReason *wo_reason_not_here(const WoEvaluation *c, int action, List *possible);
extern WoReason *wo_reason_guard_fails(const char *action, const WoTransition *candidate);
extern WoReason *wo_reason_guard_undecided(const char *action, const WoTransition *candidate);
extern WoReason *wo_reason_not_allowed(const WoEvaluation *c, int action, const WoTransition *candidate);
pg_noreturn extern void wo_reason_raise(const WoEvaluation *c, const WoReason *reason);

#endif							/* WO_REASON_H */
