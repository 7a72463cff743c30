/*-------------------------------------------------------------------------
 *
 * approval.h
 *	  Who has to decide a ticket by name, and what they have decided
 *	  (approval.c); and the tasks that travel in its row (approval_state.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_APPROVAL_H
#define WO_APPROVAL_H

#include "flow/flow.h"
#include "permit/reason.h"
#include "row/approval_state.h"

/* What an actor is to the tasks of a ticket. */
typedef enum WoStanding
{
	WO_STANDS_NOT,
	WO_STANDS_NEXT,				/* it is his turn, or that of whom he stands in for */
	WO_STANDS_WAITING,			/* others come first */
	WO_STANDS_ADVISING,			/* he was asked for advice, and gives it back */
	WO_STANDS_LENT,				/* he has asked somebody else for advice */
	WO_STANDS_DECIDED
} WoStanding;

extern const WoCandidate *wo_approval_candidate(WoCase *c, int state);
extern List *wo_approval_give_tasks(WoCase *c, int state, const char *action, int64 for_actor);
extern bool wo_approval_enough(const WoApprovers *approvers, const List *tasks);
extern bool wo_approval_tally(const WoApprovers *approvers, const List *tasks, bool against);
extern bool wo_approval_excluded(WoCase *c, const WoCandidate *candidate, int64 person);

extern WoRound *wo_round_of_case(WoCase *c);
extern WoStanding wo_approval_standing(WoCase *c, const WoCandidate *candidate,
									   WoTask **task, int64 *for_actor);
extern void wo_approval_vote(WoCase *c, const WoCandidate *candidate, WoVerdict *verdict);
extern const WoCandidate *wo_approval_way(WoCase *c, const WoCandidate *taken);
extern WoReason *wo_approval_follow(WoCase *c, const char *action, const WoVerdict *verdict,
									int *leaf, bool visits);
extern WoReason *wo_approval_foresee(const WoCase *c, const char *action, const WoVerdict *verdict);
extern List *wo_deputy_of(int64 tenant, int64 person, TimestampTz now);	/* of int64 * */
extern List *wo_deputies(int64 tenant, int64 person, TimestampTz now);	/* of int64 * */

#endif							/* WO_APPROVAL_H */
