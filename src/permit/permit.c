/*-------------------------------------------------------------------------
 *
 * permit.c
 *	  The one predicate: may this actor take this action on this row, and if
 *	  not, why.
 *
 * The guard trigger, act(), can(), explain() and actions() all ask here, so
 * what is said equals what happens.  A verdict says whether, why not, what kind
 * of change it is and which row comes of it.  That row is worked out once: while
 * it is judged, if whom it names to approve has a say in that, else when it is
 * taken (wo_permit_take).  Who may is not asked there any more.  Verdicts and
 * their reasons live in the caller's memory context; nothing is kept.
 *
 * The order is that of a statechart: from the leaf upwards, the nearest state
 * that declares the action with a guard that holds decides; there the first
 * candidate whose guard and allow hold is taken.  What is left (exclude,
 * require, fields, quorum) are conditions on the one that was taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "journal/entry.h"
#include "permit/approval.h"
#include "permit/evaluation.h"
#include "permit/permit.h"
#include "permit/reason.h"
#include "utils/errors.h"
#include "utils/value.h"

/*
 * stands_in tells whether the actor counts in a relation column.
 */
static bool
stands_in(const WoEvaluation *c, const char *column)
{
	ListCell   *lc;

	foreach(lc, c->relation_columns)
		if (strcmp(lfirst(lc), column) == 0)
			return true;
	return false;
}

/*
 * actor_in_column tells whether a relation column holds the actor.  For a
 * ticket that exists the stored row counts: nobody becomes a party by
 * the very update that is judged.
 */
static bool
actor_in_column(const WoEvaluation *c, int column)
{
	if (c->actor->id == 0 || !c->actor->active)
		return false;
	if (c->restricted && !stands_in(c, c->flow->columns[column]))
		return false;
	return wo_evaluation_person(c, column, false) == c->actor->id;
}

/*
 * is_allowed evaluates "allow" of one candidate.
 */
static bool
is_allowed(const WoEvaluation *c, const WoTransition *candidate)
{
	int			i = -1;

	if (candidate->approvers != NULL)
	{
		WoTask	   *task;
		int64		for_actor;

		return wo_approval_status((WoEvaluation *) c, candidate, &task, &for_actor) != WO_APPROVER_NONE;
	}
	if (candidate->everybody)
		return true;
	if (candidate->roles != NULL && c->actor->active &&
		bms_overlap(candidate->roles, wo_flow_roles_of(c->actor, c->flow)))
		return true;
	while ((i = bms_next_member(candidate->relations, i)) >= 0)
		if (actor_in_column(c, i))
			return true;
	return false;
}

/*
 * wo_permit_possible returns the names of the actions that the chart knows in
 * this state, whoever may take them.  A ticket that exists is not created.
 */
List *
wo_permit_possible(const WoEvaluation *c)
{
	List	   *names = NIL;

	for (int a = 0; a < c->flow->nactions; a++)
		for (int s = a == c->flow->action_create ? -1 : c->leaf; s >= 0; s = c->flow->states[s].parent)
			if (c->flow->states[s].on[a].n > 0)
			{
				names = lappend(names, (char *) c->flow->actions[a]);
				break;
			}
	return names;
}

/*
 * choose finds the candidate to take.  When none may be taken, *nearest is
 * the one that explains it best: the first whose guard holds, else the first.
 */
static const WoTransition *
choose(WoEvaluation *c, int action, const WoTransition **nearest, WoTruth *truth)
{
	*nearest = NULL;
	*truth = WO_FALSE;
	for (int s = c->leaf; s >= 0; s = c->flow->states[s].parent)
	{
		const WoTransitionList *list = &c->flow->states[s].on[action];
		bool		decided = false;

		for (int i = 0; i < list->n; i++)
		{
			const WoTransition *candidate = &list->item[i];
			WoTruth		holds;

			/* a flow that is done stays where it is */
			if (candidate->target >= 0 && c->flow->states[c->leaf].done)
				continue;
			holds = wo_evaluation_holds(c, candidate->guard);
			if (holds == WO_TRUE)
			{
				if (is_allowed(c, candidate))
				{
					*truth = WO_TRUE;
					return candidate;
				}
				if (!decided)
					*nearest = candidate;
				decided = true;
				*truth = WO_TRUE;
			}
			else
			{
				if (holds == WO_UNKNOWN && *truth == WO_FALSE)
					*truth = WO_UNKNOWN;
				if (*nearest == NULL)
					*nearest = candidate;
			}
		}
		if (decided)
			return NULL;
	}
	return NULL;
}

/*
 * is_blank tells whether a required column is missing in the row that would be.
 */
static bool
is_blank(const WoEvaluation *c, int column)
{
	AttrNumber	attnum = c->columns[column];

	return attnum == InvalidAttrNumber ||
		wo_value_blank(TupleDescAttr(c->binding->desc, attnum - 1)->atttypid,
					   c->row[attnum - 1], c->row_null[attnum - 1]);
}

/*
 * may_change tells whether a candidate lets its taker change a column.
 */
static bool
may_change(const WoEvaluation *c, const WoTransition *candidate, AttrNumber attnum)
{
	const Bitmapset *columns = candidate->fields;
	int			i = -1;

	if (candidate->fields_any)
		return true;
	if (!candidate->fields_given)
	{
		if (candidate->action == c->flow->action_update ||
			candidate->action == c->flow->action_create)
			return true;
		columns = candidate->require;
	}
	while ((i = bms_next_member(columns, i)) >= 0)
		if (c->columns[i] == attnum)
			return true;
	return false;
}

/* A quiet evaluation needs no reason, and a fast one no other than the first. */
#define GIVE(verdict, r, explain) \
	do { \
		if (c->quiet) \
			return false; \
		(verdict)->reasons = lappend((verdict)->reasons, (r)); \
		if (!(explain)) \
			return false; \
	} while (0)

/*
 * not_now says why somebody with a task cannot decide it now.
 */
static WoReason *
not_now(WoApproverStatus status, const WoTransition *candidate)
{
	switch (status)
	{
		case WO_APPROVER_WAITING:
			return wo_reason_make("turn", ERRCODE_WO_CONFLICT, "it is not your turn yet",
							 psprintf("%s asks others before you.", candidate->where),
							 "Wait for them.");
		case WO_APPROVER_ADVISING:
			return wo_reason_make("delegated", ERRCODE_WO_CONFLICT, "you were asked for advice, not for the decision",
							 psprintf("The task of %s is yours for advice only.", candidate->where),
							 "Give it back with workorder.return_task().");
		case WO_APPROVER_DELEGATED:
			return wo_reason_make("delegated", ERRCODE_WO_CONFLICT, "you have asked somebody for advice",
							 psprintf("Your task of %s is with somebody else.", candidate->where),
							 "Wait for them, or take it back with workorder.return_task().");
		default:
			return wo_reason_make("voted", ERRCODE_WO_CONFLICT, "you have decided already",
							 psprintf("%s counts each person once in this visit of the state.", candidate->where),
							 "Wait for the others.");
	}
}

/*
 * check_conditions judges what a chosen candidate asks for besides who.
 */
static bool
check_conditions(WoEvaluation *c, const WoTransition *candidate, bool explain, WoVerdict *verdict)
{
	const WoFlow *flow = c->flow;
	const char *action = flow->actions[candidate->action];
	WoApproverStatus status = WO_APPROVER_NONE;
	WoTask	   *task;
	int64		for_actor = 0;
	int			i;

	if (candidate->approvers != NULL)
		status = wo_approval_status(c, candidate, &task, &for_actor);
	if (candidate->exclude != NULL || candidate->exclude_former != NIL || candidate->exclude_relations != NULL)
	{
		ListCell   *lc;

		foreach(lc, wo_evaluation_excluded(c, candidate, false))
		{
			int64		excluded = *(int64 *) lfirst(lc);

			if (excluded == 0 || (excluded != c->actor->id && excluded != for_actor))
				continue;
			GIVE(verdict, wo_reason_make("exclude", ERRCODE_WO_DENIED,
								 psprintf("\"%s\" needs another person", action),
								 psprintf("%s keeps apart who does what, and you have taken part in this ticket.",
										  candidate->where),
								 "Let somebody else take this action."), explain);
			break;
		}
	}

	if (candidate->require_note && !c->has_note && !c->quiet)
	{
		WoReason   *r = wo_reason_make("require", ERRCODE_WO_INVALID,
							   psprintf("\"%s\" needs a note", action),
							   psprintf("%s requires note.", candidate->where),
							   "Give a note that is not blank.");

		r->input = true;
		r->column = "note";
		GIVE(verdict, r, explain);
	}
	i = -1;
	while (!c->quiet && (i = bms_next_member(candidate->require, i)) >= 0)
	{
		WoReason   *r;

		if (!is_blank(c, i))
			continue;
		r = wo_reason_make("require", ERRCODE_WO_INVALID,
				   psprintf("\"%s\" needs column \"%s\"", action, flow->columns[i]),
				   psprintf("%s requires it.", candidate->where),
				   psprintf("Give \"%s\" a value with the action, or before it.", flow->columns[i]));
		r->input = true;
		r->column = flow->columns[i];
		GIVE(verdict, r, explain);
	}

	for (int a = 0; c->changed != NULL && a < c->binding->desc->natts; a++)
	{
		const char *column;

		if (!c->changed[a] || may_change(c, candidate, a + 1))
			continue;
		column = NameStr(TupleDescAttr(c->binding->desc, a)->attname);
		GIVE(verdict, wo_reason_make("fields", ERRCODE_WO_DENIED,
							 psprintf("\"%s\" may not change column \"%s\"", action, column),
							 psprintf("It is not among the fields of %s.", candidate->where),
							 "Leave the column as it is, or change it with an action that may."), explain);
	}

	if (candidate->approvers != NULL)
	{
		if (status == WO_APPROVER_NEXT)
			wo_approval_vote(c, candidate, verdict);
		else if (status != WO_APPROVER_NONE)
			GIVE(verdict, not_now(status, candidate), explain);
	}
	else if (candidate->quorum != WO_QUORUM_NONE && candidate->everybody && c->actor->id == 0)
		GIVE(verdict, wo_reason_make("allow", ERRCODE_WO_DENIED,
							 psprintf("\"%s\" counts people", action),
							 psprintf("%s counts votes, and you are anonymous.", candidate->where),
							 "Sign in first."), explain);
	else if (candidate->quorum != WO_QUORUM_NONE)
	{
		WoQuorumCount count;

		wo_approval_count_votes(c, candidate, &count);
		if (count.voted)
			GIVE(verdict, wo_reason_make("voted", ERRCODE_WO_CONFLICT,
								 "you have voted already",
								 psprintf("%s counts each person once in this visit of the state.", candidate->where),
								 "Wait for the others."), explain);
		else if (count.unreachable)
			GIVE(verdict, wo_reason_make("quorum", ERRCODE_WO_CONFLICT,
								 psprintf("the quorum of \"%s\" can no longer be met", action),
								 psprintf("%s needs %d; there are not so many people left who may.",
										  candidate->where, count.need),
								 "Give more people the role, or take another action."), explain);
		verdict->complete = count.complete;
		verdict->votes = count.complete ? NULL : count.votes;
	}
	else
		verdict->complete = true;
	return verdict->reasons == NIL;
}

/*
 * work_out writes into the row being judged what a verdict makes of it: what the
 * transition sets, history and votes.  NULL, or why the ticket cannot go there.
 */
static WoReason *
work_out(WoEvaluation *c, WoVerdict *verdict)
{
	const WoFlow *flow = c->flow;
	const WoTransition *taken = verdict->taken;
	WoReason   *reason = NULL;

	verdict->leaf = c->leaf;
	verdict->visits = c->old == NULL;
	if (verdict->complete)
	{
		wo_evaluation_assign(c, taken);
		if (taken->target >= 0)
		{
			verdict->leaf = wo_evaluation_move(c, flow->approving ? wo_approval_way(c, taken) : taken, c->leaf);
			verdict->visits = verdict->visits || verdict->leaf != c->leaf || taken->reenter || taken->approvers != NULL;
		}
	}
	if (flow->approving)
		reason = wo_approval_follow(c, verdict);
	else if (!verdict->visits && !verdict->complete)
		wo_evaluation_set(c, WO_VOTES, JsonbPGetDatum(verdict->votes), verdict->votes == NULL);
	else if (verdict->visits || taken->quorum != WO_QUORUM_NONE)
		/* an internal action that is done leaves the others' votes alone */
		wo_evaluation_set(c, WO_VOTES, (Datum) 0, true);
	if (reason == NULL)
	{
		verdict->row.values = c->row;
		verdict->row.nulls = c->row_null;
	}
	return reason;
}

/*
 * wo_permit_outcome works out the row that a permitted action makes, beside the
 * one being judged.  NULL, or why the ticket cannot go there: whom the row that
 * would be names to approve decides it.
 */
WoReason *
wo_permit_outcome(const WoEvaluation *c, WoVerdict *verdict)
{
	WoEvaluation after;
	int			natts = c->binding->desc->natts;

	/* where nobody is asked anew, nothing can stand in the way */
	if (!c->flow->approving || !verdict->complete || (verdict->taken->target < 0 && c->old != NULL))
		return NULL;
	after = *c;
	after.row = memcpy(palloc(sizeof(Datum) * natts), c->row, sizeof(Datum) * natts);
	after.row_null = memcpy(palloc(sizeof(bool) * natts), c->row_null, sizeof(bool) * natts);
	return work_out(&after, verdict);
}

/*
 * wo_permit judges one action.  With explain it goes on after the first
 * reason, so that all of them can be told.
 */
bool
wo_permit(WoEvaluation *c, int action, bool explain, WoVerdict *verdict)
{
	const WoFlow *flow = c->flow;
	const WoTransition *nearest;
	const WoTransition *taken;
	WoTruth		truth;

	memset(verdict, 0, sizeof(*verdict));
	verdict->kind = c->old == NULL ? WO_KIND_CREATE : action == flow->action_delete ? WO_KIND_DELETE : WO_KIND_ACT;
	verdict->action = flow->actions[action];
	taken = choose(c, action, &nearest, &truth);
	if (taken == NULL && nearest == NULL)
	{
		GIVE(verdict, wo_reason_not_here(c, action, wo_permit_possible(c)), explain);
		return false;
	}
	if (taken == NULL && truth == WO_FALSE)
		GIVE(verdict, wo_reason_guard_fails(flow->actions[action], nearest), explain);
	if (taken == NULL && truth == WO_UNKNOWN)
		GIVE(verdict, wo_reason_guard_undecided(flow->actions[action], nearest), explain);
	if (taken == NULL && !is_allowed(c, nearest))
		GIVE(verdict, wo_reason_not_allowed(c, action, nearest), explain);
	verdict->taken = taken;
	verdict->allowed = check_conditions(c, taken != NULL ? taken : nearest, explain, verdict) &&
		taken != NULL;
	if (verdict->allowed)
	{
		WoReason   *r = wo_permit_outcome(c, verdict);

		if (r != NULL)
		{
			verdict->allowed = false;
			GIVE(verdict, r, explain);
		}
	}
	if ((verdict->allowed || explain) && action != flow->action_view)
	{
		WoReason   *r = wo_reason_last_revision(c);

		if (r != NULL)
		{
			verdict->allowed = false;
			GIVE(verdict, r, explain);
		}
	}
	return verdict->allowed;
}

/*
 * wo_permit_timer judges a transition of the clock: the first candidate whose
 * guard holds is taken.  None is no defect, it is just not the time for it; a
 * guard that cannot be decided is one, and is raised.
 */
bool
wo_permit_timer(WoEvaluation *c, const WoDelay *delay, WoVerdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	for (int i = 0; i < delay->transitions.n; i++)
	{
		const WoTransition *candidate = &delay->transitions.item[i];

		switch (wo_evaluation_holds(c, candidate->guard))
		{
			case WO_TRUE:
				verdict->kind = WO_KIND_TIMER;
				verdict->action = delay->action;
				verdict->taken = candidate;
				verdict->allowed = verdict->complete = true;
				return true;
			case WO_FALSE:
				break;
			case WO_UNKNOWN:
				wo_reason_raise(c, wo_reason_guard_undecided(delay->action, candidate));
		}
	}
	return false;
}

/*
 * wo_permit_view tells whether the actor may see the ticket: what the row
 * security policies say, in C.
 */
bool
wo_permit_view(WoEvaluation *c)
{
	WoVerdict	verdict;

	return c->flow->action_view >= 0 && wo_permit(c, c->flow->action_view, false, &verdict);
}

/*
 * wo_permit_leads_to returns the leaf in which the ticket would rest when the
 * action takes effect.
 */
int
wo_permit_leads_to(const WoEvaluation *c, const WoVerdict *verdict)
{
	return verdict->row.values != NULL ? verdict->leaf : wo_evaluation_target(c, verdict->taken);
}

/*
 * refuse_other_state holds the caller's own idea of the new state, if it has
 * written one, against what the action does.
 */
static void
refuse_other_state(const WoEvaluation *c, const WoVerdict *verdict)
{
	WoRow		old = {(Datum *) c->old, (bool *) c->old_null};
	WoRow		row = {c->row, c->row_null};
	const char *path = c->flow->states[verdict->leaf].path;
	char	   *wanted;

	if (wo_binding_same(c->binding, c->binding->engine[WO_STATE], &old, &row))
		return;
	wanted = wo_binding_text(c->binding, &row, WO_STATE);
	if (wanted == NULL || strcmp(wanted, path) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("\"%s\" leads to state \"%s\"", verdict->action, path),
				 errdetail("The statement also sets another state."),
				 errhint("Set the action only; the state follows from it.")));
}

/*
 * wo_permit_take has the row being judged become the one of the verdict, and
 * fills in what the engine keeps, for every kind of change.  Nothing is judged
 * any more.
 */
void
wo_permit_take(WoEvaluation *c, WoVerdict *verdict)
{
	if (verdict->row.values == NULL)
	{
		WoReason   *reason = work_out(c, verdict);

		if (reason != NULL)
			wo_reason_raise(c, reason);
	}
	if (c->old != NULL && verdict->taken != NULL)
		refuse_other_state(c, verdict);
	c->row = verdict->row.values;
	c->row_null = verdict->row.nulls;

	/* who imports or repairs a row writes its state */
	if (verdict->leaf >= 0)
		wo_evaluation_set_text(c, WO_STATE, c->flow->states[verdict->leaf].path);
	if (verdict->kind != WO_KIND_IMPORT)
	{
		WoRow		old = {(Datum *) c->old, (bool *) c->old_null};

		wo_evaluation_set(c, WO_REVISION, Int32GetDatum(c->old == NULL ? 1 : wo_binding_next_revision(c->binding, &old)), false);
		wo_evaluation_set(c, WO_ACTED_BY, Int64GetDatum(c->actor->id), c->actor->id == 0);
		wo_evaluation_set(c, WO_UPDATED_AT, TimestampTzGetDatum(c->now), false);
		if (verdict->visits)
			wo_evaluation_set(c, WO_ENTERED_AT, TimestampTzGetDatum(c->now), false);
		wo_evaluation_set_text(c, WO_LAST_ACTION, verdict->action);
		wo_evaluation_set_text(c, WO_LAST_NOTE, c->note);
	}
	wo_evaluation_set(c, WO_ACTION, (Datum) 0, true);
	wo_evaluation_set(c, WO_NOTE, (Datum) 0, true);
	wo_evaluation_set_digest(c, verdict->kind);
}
