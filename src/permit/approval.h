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
#include "permit/evaluation.h"

typedef struct WoQuorumCount
{
	bool		voted;			/* this person has voted in this visit already */
	bool		unreachable;		/* even if everybody left agreed, it would not be met */
	bool		complete;		/* with this vote it is met */
	int			have;			/* votes with this one */
	int			need;			/* votes that are needed */
	Jsonb	   *votes;
} WoQuorumCount;

extern void wo_approval_count_votes(WoEvaluation *c, const WoTransition *candidate, WoQuorumCount *count);
extern int64 wo_approval_votes_needed(WoQuorumKind rule, int64 n, int64 electorate);

/* What an actor is to the tasks of a ticket. */
typedef enum WoApproverStatus
{
	WO_APPROVER_NONE,
	WO_APPROVER_NEXT,				/* it is their turn, or that of whom they stand in for */
	WO_APPROVER_WAITING,			/* others come first */
	WO_APPROVER_ADVISING,			/* they were asked for advice, and give it back */
	WO_APPROVER_DELEGATED,				/* they have asked somebody else for advice */
	WO_APPROVER_DECIDED
} WoApproverStatus;

extern const WoTransition *wo_approval_transition(WoEvaluation *c, int state);
extern List *wo_approval_give_tasks(WoEvaluation *c, int state, const char *action, int64 for_actor);
extern bool wo_approval_can_be_met(const WoApprovers *approvers, const List *tasks);
extern bool wo_approval_is_met(const WoApprovers *approvers, const List *tasks, bool against);
extern bool wo_approval_excluded(WoEvaluation *c, const WoTransition *candidate, int64 person);

extern WoApprovalState *wo_approval_current(WoEvaluation *c);
extern WoApproverStatus wo_approval_status(WoEvaluation *c, const WoTransition *candidate,
										   WoTask **task, int64 *for_actor);
extern void wo_approval_vote(WoEvaluation *c, const WoTransition *candidate, WoVerdict *verdict);
extern const WoTransition *wo_approval_way(WoEvaluation *c, const WoTransition *taken);
extern WoReason *wo_approval_follow(WoEvaluation *c, WoVerdict *verdict);
extern List *wo_approval_principals(int64 tenant, int64 person, TimestampTz now);	/* of int64 * */
extern List *wo_approval_deputies(int64 tenant, int64 person, TimestampTz now); /* of int64 * */

#endif							/* WO_APPROVAL_H */
