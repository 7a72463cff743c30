/*-------------------------------------------------------------------------
 *
 * reason.c
 *	  Why not: the reasons for which an action is not taken, and the errors
 *	  that they become.
 *
 * A reason lives in the caller's memory context, and so do its texts.  That no
 * transition can be chosen is worded here, and what several files say; what is
 * wrong with the one chosen, or with a task, is worded where it is found
 * (permit.c, task.c, approval.c).  Nothing is judged here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "flow/flow.h"
#include "permit/reason.h"
#include "utils/errors.h"

/*
 * wo_reason_make makes a reason; texts are already in the caller's context.
 */
WoReason *
wo_reason_make(const char *code, int sqlstate, const char *message, const char *detail, const char *hint)
{
	WoReason   *r = palloc0(sizeof(WoReason));

	r->code = code;
	r->sqlstate = sqlstate;
	r->message = message;
	r->detail = detail;
	r->hint = hint;
	return r;
}

static char *
join_names(List *names)
{
	StringInfoData s;
	ListCell   *lc;

	initStringInfo(&s);
	foreach(lc, names)
		appendStringInfo(&s, "%s%s", s.len > 0 ? ", " : "", (char *) lfirst(lc));
	return s.len > 0 ? s.data : "none";
}

/*
 * describe_allow lists who may, for people: "manager, $creator_id".
 */
static char *
describe_allow(const WoFlow *flow, const WoTransition *candidate)
{
	StringInfoData s;
	int			i = -1;
	const char *comma = "";

	if (candidate->approvers != NULL)
		return pstrdup("its approvers");
	initStringInfo(&s);
	while ((i = bms_next_member(candidate->roles, i)) >= 0)
	{
		appendStringInfo(&s, "%s%s", comma, flow->roles[i]);
		comma = ", ";
	}
	i = -1;
	while ((i = bms_next_member(candidate->relations, i)) >= 0)
	{
		appendStringInfo(&s, "%s$%s", comma, flow->columns[i]);
		comma = ", ";
	}
	return s.len > 0 ? s.data : pstrdup("nobody");
}

WoReason *
wo_reason_unknown_action(const WoFlow *flow, const char *action)
{
	List	   *names = NIL;

	for (int i = 0; i < flow->nactions; i++)
		names = lappend(names, (char *) flow->actions[i]);
	return wo_reason_make("unknown_action", ERRCODE_WO_NOT_FOUND,
					 psprintf("flow \"%s\" has no action \"%s\"", flow->name, wo_errors_shorten(action)),
					 psprintf("Version %d knows these actions: %s.", flow->version, join_names(names)),
					 "Check the spelling, or ask workorder.actions().");
}

WoReason *
wo_reason_not_a_beginning(const char *action)
{
	return wo_reason_make("state", ERRCODE_WO_CONFLICT,
					 psprintf("\"%s\" is not possible before the ticket exists", wo_errors_shorten(action)),
					 "A row begins with the action \"create\".",
					 "Insert the row without an action, then take this one.");
}

WoReason *
wo_reason_created_already(void)
{
	return wo_reason_make("state", ERRCODE_WO_CONFLICT,
					 "the ticket exists already",
					 "\"create\" stands for INSERT.",
					 "Take another action, or insert another row.");
}

/*
 * wo_reason_not_here says that the chart does not know the action where the
 * ticket rests, and which it knows there.
 */
WoReason *
wo_reason_not_here(const WoEvaluation *c, int action, List *possible)
{
	return wo_reason_make("state", ERRCODE_WO_CONFLICT,
					 psprintf("\"%s\" is not possible in state \"%s\"",
							  c->flow->actions[action], c->flow->states[c->leaf].path),
					 psprintf("Possible here: %s.", join_names(possible)),
					 "Take one of these actions first, or read the ticket again.");
}

WoReason *
wo_reason_guard_fails(const char *action, const WoTransition *candidate)
{
	return wo_reason_make("guard", ERRCODE_WO_CONFLICT,
					 psprintf("\"%s\" is not possible for this ticket now", action),
					 psprintf("The guard of %s does not hold: %s.", candidate->where, candidate->guard_text),
					 "Change what the guard looks at, or take another action.");
}

WoReason *
wo_reason_guard_undecided(const char *action, const WoTransition *candidate)
{
	return wo_reason_make("guard", ERRCODE_WO_INVALID,
					 psprintf("the guard of \"%s\" could not be decided", action),
					 psprintf("%s asks: %s. With this row that is neither true nor false.",
							  candidate->where, candidate->guard_text),
					 "Look for a division by zero, or a comparison of different types.");
}

WoReason *
wo_reason_not_allowed(const WoEvaluation *c, int action, const WoTransition *candidate)
{
	return wo_reason_make("allow", ERRCODE_WO_DENIED,
					 psprintf("you may not \"%s\" in state \"%s\"",
							  c->flow->actions[action], c->flow->states[c->leaf].path),
					 psprintf("%s allows it to: %s.", candidate->where, describe_allow(c->flow, candidate)),
					 c->actor->id == 0 ? "Sign in first." :
					 "Ask one of them, or ask for the role.");
}

/*
 * wo_reason_last_revision tells why a ticket that has had its last revision takes no
 * more actions; NULL, as a rule.
 */
WoReason *
wo_reason_last_revision(const WoEvaluation *c)
{
	WoRow		old = {(Datum *) c->old, (bool *) c->old_null};

	if (c->old == NULL || !wo_binding_is_last_revision(c->binding, &old))
		return NULL;
	return wo_reason_make("revision", ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
					 psprintf("revision of ticket " INT64_FORMAT " is out of range", wo_binding_id(c->binding, c->old)),
					 psprintf("After revision %d there is none.", PG_INT32_MAX),
					 "Import the ticket with a lower revision.");
}

/*
 * wo_reason_raise raises a reason as the error a client sees.  The table is open
 * until the error has been thrown; the resource owner closes it.
 */
void
wo_reason_raise(const WoEvaluation *c, const WoReason *r)
{
	Relation	rel = table_open(c->binding->relid, AccessShareLock);

	ereport(ERROR,
			(errcode(r->sqlstate),
			 errmsg("%s", r->message),
			 r->detail != NULL ? errdetail("%s", r->detail) : 0,
			 r->hint != NULL ? errhint("%s", r->hint) : 0,
			 r->column != NULL ? err_generic_string(PG_DIAG_COLUMN_NAME, r->column) : 0,
			 errtable(rel)));
}
