/*-------------------------------------------------------------------------
 *
 * approval_state.h
 *	  Approvals as they travel in a row's votes (approval_state.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_APPROVAL_STATE_H
#define WO_APPROVAL_STATE_H

#include "row/binding.h"

/* One person's part in a decision, or that of a role which nobody took yet. */
typedef struct WoTask
{
	int			n;				/* names it as long as the ticket stays in the state */
	int64		who;			/* 0: whoever of the role claims it */
	int64		owner;			/* who gave it to them for advice; 0: it is their own */
	const char *role;			/* that it can be released to, NULL for none */
	int			weight;
	int64		added;			/* who added it later, 0 if the flow did */
	int			vote;			/* 1, -1, 0: undecided */
	int64		by;				/* who decided, if another one */
	Bitmapset  *after;			/* tasks that must be decided first */
} WoTask;

/* A state that the ticket came through, and who took it on from there. */
typedef struct WoReturnStep
{
	const char *state;
	int64		by;
} WoReturnStep;

/* Everything of approvals that the row's votes hold. */
typedef struct WoApprovalState
{
	Jsonb	   *quorums;		/* the votes of quorums beside it, NULL = none */
	bool		resolved;		/* tasks were given */
	List	   *tasks;			/* of WoTask */
	List	   *return_path;	/* of WoReturnStep: the way here, without detours */
	List	   *resume;			/* paths: the way on after a sending back, the last is where to */
	int64		reminded;		/* Unix time of the last reminder, 0 for none */
	/* of the last act */
	int64		for_actor;		/* for whom, 0 for themselves */
	const char *right;			/* by which right; NULL if by the flow's "allow" */
	List	   *copied;			/* of int64 *: who was copied in */
} WoApprovalState;

extern WoApprovalState *wo_approval_state_read(Jsonb *votes);
extern WoApprovalState *wo_approval_state_copy(const WoApprovalState *round);
extern Jsonb *wo_approval_state_write(const WoApprovalState *round);
extern int64 wo_approval_state_for_actor(Jsonb *votes);
extern WoApprovalState *wo_approval_state_of_row(const WoBinding *binding, const WoRow *row);
extern bool wo_approval_state_task_open(const WoApprovalState *round, const WoTask *task);

#endif							/* WO_APPROVAL_STATE_H */
