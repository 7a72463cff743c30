/*-------------------------------------------------------------------------
 *
 * approval.c
 *	  What those who have to decide a ticket by name have decided, and where it
 *	  goes by that.
 *
 * Entering a state that has approvers gives them tasks (approvers.c), which
 * stand in the row's votes (round.c) until the state is left.  Whoever holds a
 * task that is open decides by the state's action, or against it by another; a
 * deputy does so for him.  The action takes effect as soon as the rule is met,
 * or can no longer be.
 *
 * permit.c asks here who may and what it leads to; evaluation.c has the row follow.
 * Nothing is written but the row of the case.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "permit/approval.h"
#include "flow/flow.h"

/*
 * wo_round_of_case returns the round of the ticket as it stands.  A row that
 * came to its state without an action has no tasks yet; they are given now.
 */
WoRound *
wo_round_of_case(WoCase *c)
{
	WoRow		old = {(Datum *) c->old, (bool *) c->old_null};

	if (c->round != NULL)
		return c->round;
	c->round = c->old != NULL ? wo_round_of_row(c->binding, &old) : wo_round_read(NULL);
	if (c->old != NULL && c->flow->states[c->leaf].approvers != NULL && !c->round->resolved)
	{
		WoCase		before = *c;

		before.row = old.values;
		before.row_null = old.nulls;
		before.row_json = NULL;
		c->round->tasks = wo_approval_give_tasks(&before, c->leaf, NULL, 0);
		c->round->resolved = true;
	}
	return c->round;
}

/*
 * open_task finds the task that waits for a person's decision.
 */
static WoTask *
open_task(const WoRound *round, int64 person)
{
	ListCell   *lc;

	foreach(lc, round->tasks)
	{
		WoTask	   *task = lfirst(lc);

		if (task->who == person && task->owner == 0 && wo_task_open(round, task))
			return task;
	}
	return NULL;
}

/*
 * wo_approval_standing tells what the actor is to the tasks of the ticket, and
 * which task it is about.
 */
WoStanding
wo_approval_standing(WoCase *c, const WoCandidate *candidate, WoTask **task, int64 *for_actor)
{
	int64		me = c->actor->id;
	WoStanding	standing = WO_STANDS_NOT;
	const WoRound *round;
	ListCell   *lc;

	*task = NULL;
	*for_actor = 0;
	if (me == 0 || !c->actor->active || c->old == NULL || c->restricted)
		return WO_STANDS_NOT;
	round = wo_round_of_case(c);
	foreach(lc, round->tasks)
	{
		WoTask	   *t = lfirst(lc);

		if (t->vote != 0 && (t->by == me || t->who == me))
		{
			*task = t;
			return WO_STANDS_DECIDED;
		}
		if (t->who != me && t->owner != me)
			continue;
		*task = t;
		standing = t->owner == me ? WO_STANDS_LENT : t->owner != 0 ? WO_STANDS_ADVISING :
			wo_task_open(round, t) ? WO_STANDS_NEXT : WO_STANDS_WAITING;
	}
	if (standing != WO_STANDS_NOT)
		return standing;
	foreach(lc, round->tasks)
	{
		WoTask	   *t = lfirst(lc);

		if (t->who == 0 && t->role != NULL && wo_task_open(round, t) &&
			wo_actor_has_role(c->actor, t->role))
		{
			*task = t;
			return WO_STANDS_NEXT;
		}
	}
	foreach(lc, wo_deputy_of(c->actor->tenant, me, c->now))
	{
		int64		principal = *(int64 *) lfirst(lc);
		WoTask	   *t = open_task(round, principal);

		if (t == NULL || (candidate != NULL && wo_approval_excluded(c, candidate, principal)))
			continue;
		*task = t;
		*for_actor = principal;
		return WO_STANDS_NEXT;
	}
	return WO_STANDS_NOT;
}

/*
 * wo_approval_vote has the actor decide, and tells what that leads to.
 */
void
wo_approval_vote(WoCase *c, const WoCandidate *candidate, WoVerdict *verdict)
{
	WoRound    *round = wo_round_copy(wo_round_of_case(c));
	WoTask	   *mine;
	int64		for_actor;
	ListCell   *lc;

	if (wo_approval_standing(c, candidate, &mine, &for_actor) != WO_STANDS_NEXT)
		elog(ERROR, "the actor has no task to decide");
	foreach(lc, round->tasks)
	{
		WoTask	   *task = lfirst(lc);

		if (task->n != mine->n)
			continue;
		round->right = for_actor != 0 ? "deputy" : task->who == 0 ? "role" : "approver";
		task->vote = candidate->against != NULL ? -1 : 1;
		if (task->who == 0)
			task->who = c->actor->id;
		else if (for_actor != 0)
			task->by = c->actor->id;
	}
	round->for_actor = for_actor;
	verdict->round = round;
	verdict->complete = wo_approval_tally(candidate->approvers, round->tasks, candidate->against != NULL);
}

/*
 * nobody_approves says that a state has not enough people to decide in it.
 */
static WoReason *
nobody_approves(WoCase *c, const WoApprovers *approvers)
{
	return wo_reason("approvers", ERRCODE_WO_CONFLICT,
					 psprintf("state \"%s\" has not enough people to approve", c->flow->states[approvers->state].path),
					 psprintf("%s finds nobody, or not as many as its rule needs.", approvers->where),
					 "Name approvers, or give somebody the role.");
}

/*
 * wo_approval_way returns the transition that a ticket goes by which was sent
 * back and is to return to where it came from; the one given, if it was not,
 * or if that does not lead along the way.
 */
const WoCandidate *
wo_approval_way(WoCase *c, const WoCandidate *taken)
{
	const WoRound *round = wo_round_of_case(c);
	const char *to;
	int			target;
	bool		along = false;
	WoCandidate *jump;
	ListCell   *lc;

	if (round->resume == NIL)
		return taken;
	to = c->flow->states[wo_permit_target(c, taken)].path;
	foreach(lc, round->resume)
		along |= strcmp(lfirst(lc), to) == 0;
	target = wo_flow_state(c->flow, llast(round->resume), strlen(llast(round->resume)));
	if (!along || target < 0)
		return taken;
	jump = palloc(sizeof(WoCandidate));
	*jump = *taken;
	jump->source = c->leaf;
	jump->target = target;
	return jump;
}

/*
 * follow_trail notes where a ticket comes from.  Coming back to a state takes
 * the way from there out of the trail.
 */
static void
follow_trail(WoCase *c, WoRound *round, int leaf, const List *resume)
{
	const char *to = c->flow->states[leaf].path;
	List	   *way = list_make1((char *) c->flow->states[c->leaf].path);
	ListCell   *lc;

	if (c->flow->states[leaf].done || c->old == NULL)
	{
		round->trail = NIL;
		return;
	}
	foreach(lc, round->trail)
		if (strcmp(((WoTrailStep *) lfirst(lc))->state, to) == 0)
		{
			round->trail = list_truncate(round->trail, foreach_current_index(lc));
			return;
		}
	/* who jumps ahead has come all the way */
	if (resume != NIL && strcmp(llast(resume), to) == 0)
		for (int i = 0; i < list_length(resume) - 1; i++)
			way = lappend(way, list_nth(resume, i));
	foreach(lc, way)
	{
		WoTrailStep *step = palloc(sizeof(WoTrailStep));

		if (strcmp(lfirst(lc), to) == 0)
			continue;
		step->state = lfirst(lc);
		step->by = c->actor->id;
		round->trail = lappend(round->trail, step);
	}
}

/*
 * enter gives tasks to the approvers of the state that a visit begins in, and
 * passes states over that have nobody to ask.
 */
static WoReason *
enter(WoCase *c, WoRound *round, const char *action, int *leaf)
{
	const WoApprovers *approvers;

	for (int hops = 0; (approvers = c->flow->states[*leaf].approvers) != NULL; hops++)
	{
		const WoCandidate *onward;

		CHECK_FOR_INTERRUPTS();
		c->row_json = NULL;
		round->tasks = wo_approval_give_tasks(c, *leaf, action, round->for_actor);
		if (wo_approval_enough(approvers, round->tasks))
		{
			round->resolved = true;
			return NULL;
		}
		if (approvers->none != WO_NOBODY_SKIP || round->tasks != NIL || hops > c->flow->nstates ||
			(onward = wo_approval_candidate(c, *leaf)) == NULL)
			return nobody_approves(c, approvers);
		wo_condition_assign(c, onward);
		*leaf = wo_permit_move(c, onward, *leaf);
	}
	return NULL;
}

/*
 * wo_approval_follow has the row's votes follow what was done, and the leaf if
 * states are passed over; NULL, or why the ticket cannot go there.
 */
WoReason *
wo_approval_follow(WoCase *c, const char *action, const WoVerdict *verdict, int *leaf, bool visits)
{
	AttrNumber	attnum = c->binding->engine[WO_VOTES];
	WoRound    *round = wo_round_copy(verdict->round != NULL ? verdict->round : wo_round_of_case(c));
	WoReason   *reason = NULL;
	Jsonb	   *votes;

	if (verdict->round != NULL)
	{
		round->for_actor = verdict->round->for_actor;
		round->right = verdict->round->right;
		round->copied = verdict->round->copied;
	}
	if (visits)
	{
		List	   *resume = wo_round_of_case(c)->resume;

		round->quorums = NULL;
		round->tasks = NIL;
		round->resolved = false;
		round->reminded = 0;
		round->resume = verdict->resume;
		reason = enter(c, round, action, leaf);
		follow_trail(c, round, *leaf, resume);
	}
	else if (verdict->taken->quorum != WO_QUORUM_NONE)
		round->quorums = verdict->complete || verdict->votes == NULL ? NULL :
			wo_round_read(verdict->votes)->quorums;
	votes = wo_round_write(round);
	c->row[attnum - 1] = votes != NULL ? JsonbPGetDatum(votes) : (Datum) 0;
	c->row_null[attnum - 1] = votes == NULL;
	return reason;
}

/*
 * wo_approval_foresee tells, without touching the row, why the ticket could
 * not go where a permitted action leads; NULL if it can.
 */
WoReason *
wo_approval_foresee(const WoCase *c, const char *action, const WoVerdict *verdict)
{
	WoCase		after = *c;
	int			natts = c->binding->desc->natts;
	int			leaf;

	if (!verdict->complete || (verdict->taken->target < 0 && c->old != NULL))
		return NULL;
	after.row = memcpy(palloc(sizeof(Datum) * natts), c->row, sizeof(Datum) * natts);
	after.row_null = memcpy(palloc(sizeof(bool) * natts), c->row_null, sizeof(bool) * natts);
	wo_condition_assign(&after, verdict->taken);
	leaf = wo_permit_move(&after, wo_approval_way(&after, verdict->taken), c->leaf);
	if (c->flow->states[leaf].approvers == NULL)
		return NULL;
	return wo_approval_follow(&after, action, verdict, &leaf, true);
}
