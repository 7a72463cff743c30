/*-------------------------------------------------------------------------
 *
 * approval.h
 *	  Who has to decide a ticket by name, and what they have decided
 *	  (approval.c); and the tasks that travel in its row (round.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_APPROVAL_H
#define WO_APPROVAL_H

#include "flow/flow.h"
#include "permit/reason.h"

/* One person's part in a decision, or that of a role which nobody took yet. */
typedef struct WoTask
{
	int			n;				/* names it as long as the ticket stays in the state */
	int64		who;			/* 0: whoever of the role claims it */
	int64		owner;			/* who gave it to him for advice; 0: it is his own */
	const char *role;			/* that it can be released to, NULL for none */
	int			weight;
	int64		added;			/* who added it later, 0 if the flow did */
	int			vote;			/* 1, -1, 0: undecided */
	int64		by;				/* who decided, if another one */
	Bitmapset  *after;			/* tasks that must be decided first */
} WoTask;

/* A state that the ticket came through, and who took it on from there. */
typedef struct WoTrailStep
{
	const char *state;
	int64		by;
} WoTrailStep;

/* Everything of approvals that the row's votes hold. */
typedef struct WoRound
{
	Jsonb	   *quorums;		/* the votes of quorums beside it, NULL = none */
	bool		resolved;		/* tasks were given */
	List	   *tasks;			/* of WoTask */
	List	   *trail;			/* of WoTrailStep: the way here, without detours */
	List	   *resume;			/* paths: the way on after a sending back, the last is where to */
	int64		reminded;		/* Unix time of the last reminder, 0 for none */
	/* of the last act */
	int64		for_actor;		/* for whom, 0 for himself */
	const char *right;			/* by which right; NULL if by the flow's "allow" */
	List	   *copied;			/* of int64 *: who was copied in */
} WoRound;

/* round.c */
extern WoRound *wo_round_read(Jsonb *votes);
extern WoRound *wo_round_copy(const WoRound *round);
extern Jsonb *wo_round_write(const WoRound *round);
extern int64 wo_round_for_actor(Jsonb *votes);
extern WoRound *wo_round_of_row(const WoBinding *binding, const WoRow *row);
extern bool wo_task_open(const WoRound *round, const WoTask *task);

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
