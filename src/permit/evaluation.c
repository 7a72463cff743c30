/*-------------------------------------------------------------------------
 *
 * evaluation.c
 *	  What is judged, for those who act and those who ask before they act; and
 *	  why not.
 *
 * Whoever has something judged sets it up here: who, when, the row as it is
 * and as it would be, and where its flow stands.  permit.c judges, and says
 * why not by a reason; a reason lives in the caller's memory context, and so
 * do its texts.  That no transition can be chosen is worded here, and what
 * several files say; what is wrong with the one chosen, or with a task, is
 * worded where it is found (permit.c, task_command.c, approval.c).
 *
 * Nothing is judged here.  Nothing is written but the row of the case; all
 * memory is the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "journal/entry.h"
#include "permit/evaluation.h"
#include "utils/value.h"

/*
 * wo_case_begin fills in what does not depend on the action: who, when, and
 * where the ticket stands.
 */
void
wo_case_begin(WoCase *c, WoBinding *binding, const WoRow *old, WoRow *row)
{
	memset(c, 0, sizeof(*c));
	c->binding = binding;
	c->actor = wo_actor_current();
	c->now = wo_now();
	c->row = row->values;
	c->row_null = row->nulls;

	if (wo_binding_tenant(binding, row) != c->actor->tenant)
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("the ticket belongs to another tenant"),
				 errdetail("You work in tenant " INT64_FORMAT ".", c->actor->tenant),
				 errhint("Set workorder.tenant, or sign in to the other tenant.")));

	if (old != NULL)
	{
		AttrNumber	flow_att = binding->engine[WO_FLOW_ID];
		AttrNumber	updated = binding->engine[WO_UPDATED_AT];
		char	   *state = wo_row_text(binding, old, WO_STATE);

		c->old = old->values;
		c->old_null = old->nulls;
		c->flow = old->nulls[flow_att - 1] ? NULL :
			wo_flow_by_id(DatumGetInt32(old->values[flow_att - 1]));
		if (c->flow == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_WO_NOT_FOUND),
					 errmsg("the ticket's version of flow \"%s\" does not exist", binding->flow_name),
					 errdetail("Column \"%s\" names no row of workorder.flow.", wo_engine_names[WO_FLOW_ID]),
					 errhint("Restore workorder.flow, or repair the ticket under workorder.maintenance.")));
		c->leaf = state != NULL ? wo_flow_state(c->flow, state, strlen(state)) : -1;
		if (c->leaf < 0)
			ereport(ERROR,
					(errcode(ERRCODE_WO_CONFLICT),
					 errmsg("the ticket is in a state that its flow does not know"),
					 errdetail("Version %d of flow \"%s\" has no such state.",
							   c->flow->version, c->flow->name),
					 errhint("Repair the ticket under workorder.maintenance.")));
		/* time never runs backwards for a ticket */
		if (!old->nulls[updated - 1] && DatumGetTimestampTz(old->values[updated - 1]) > c->now)
			c->now = DatumGetTimestampTz(old->values[updated - 1]);
	}
	else
	{
		c->flow = wo_flow_by_name(binding->flow_name);
		if (c->flow == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_WO_NOT_FOUND),
					 errmsg("flow \"%s\" is not published", binding->flow_name),
					 errdetail("New rows start on the published version."),
					 errhint("Publish one with workorder.publish().")));
		c->leaf = wo_flow_initial(c->flow);
	}
	c->columns = wo_binding_columns(binding, c->flow);
}

/*
 * wo_case_set writes an engine column of the row.
 */
void
wo_case_set(WoCase *c, WoEngineColumn column, Datum value, bool isnull)
{
	AttrNumber	attnum = c->binding->engine[column];

	c->row[attnum - 1] = isnull ? (Datum) 0 : value;
	c->row_null[attnum - 1] = isnull;
}

void
wo_case_set_text(WoCase *c, WoEngineColumn column, const char *value)
{
	wo_case_set(c, column, value != NULL ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

/*
 * wo_case_seal writes the digest of the line to come into the row, so that the
 * next line finds what to chain to without a look into the journal.  Where a
 * later trigger may still change the row, the line is not known yet; then a
 * seal lets the AFTER trigger tell whether that trigger has kept to the user's columns.
 */
void
wo_case_seal(WoCase *c)
{
	WoRow		old = {(Datum *) c->old, (bool *) c->old_null};
	WoRow		row = {c->row, c->row_null};
	WoJournalLine line;
	bytea	   *digest;

	if (!c->binding->recorded)
	{
		wo_case_set(c, WO_DIGEST, (Datum) 0, true);
		return;
	}
	if (c->binding->overtaken)
	{
		wo_case_set(c, WO_DIGEST, PointerGetDatum(wo_row_seal(c->binding, &row, WO_SEAL_ACT)), false);
		return;
	}
	wo_line_for_change(&line, c->binding, c->old != NULL ? &old : NULL, &row);
	wo_journal_seal(&line, c->binding, c->old != NULL ? &old : NULL, NULL);
	wo_line_keep(&line);
	digest = palloc(VARHDRSZ + WO_DIGEST_LENGTH);
	SET_VARSIZE(digest, VARHDRSZ + WO_DIGEST_LENGTH);
	memcpy(VARDATA(digest), line.digest, WO_DIGEST_LENGTH);
	wo_case_set(c, WO_DIGEST, PointerGetDatum(digest), false);
}

/*
 * wo_case_finish makes the tuple again from the row of the case.
 */
HeapTuple
wo_case_finish(const WoCase *c, HeapTuple tuple)
{
	HeapTuple	result = heap_form_tuple(c->binding->desc, c->row, c->row_null);

	result->t_data->t_ctid = tuple->t_data->t_ctid;
	result->t_self = tuple->t_self;
	result->t_tableOid = tuple->t_tableOid;
	return result;
}

/*
 * wo_permit_target returns the leaf that a transition leads to.
 */
int
wo_permit_target(const WoCase *c, const WoCandidate *taken)
{
	Jsonb	   *history = c->old == NULL ? NULL : wo_binding_history(c->binding, c->old, c->old_null);
	Jsonb	   *remembered;

	return wo_flow_move(c->flow, taken, c->leaf, history, &remembered);
}

/*
 * wo_permit_move takes the row of the case along a transition: its history is
 * written, and the leaf reached is returned.
 */
int
wo_permit_move(WoCase *c, const WoCandidate *taken, int leaf)
{
	AttrNumber	attnum = c->binding->engine[WO_HISTORY];
	Jsonb	   *history = wo_binding_history(c->binding, c->row, c->row_null);
	Jsonb	   *remembered;

	leaf = wo_flow_move(c->flow, taken, leaf, history, &remembered);
	if (remembered != history)
	{
		c->row[attnum - 1] = CStringGetTextDatum(JsonbToCString(NULL, &remembered->root, VARSIZE(remembered)));
		c->row_null[attnum - 1] = false;
	}
	return leaf;
}

/*
 * wo_reason makes a reason; texts are already in the caller's context.
 */
WoReason *
wo_reason(const char *code, int sqlstate, const char *message, const char *detail, const char *hint)
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
describe_allow(const WoFlow *flow, const WoCandidate *candidate)
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
	return wo_reason("unknown_action", ERRCODE_WO_NOT_FOUND,
					 psprintf("flow \"%s\" has no action \"%s\"", flow->name, wo_shown(action)),
					 psprintf("Version %d knows these actions: %s.", flow->version, join_names(names)),
					 "Check the spelling, or ask workorder.actions().");
}

WoReason *
wo_reason_not_a_beginning(const char *action)
{
	return wo_reason("state", ERRCODE_WO_CONFLICT,
					 psprintf("\"%s\" is not possible before the ticket exists", wo_shown(action)),
					 "A row begins with the action \"create\".",
					 "Insert the row without an action, then take this one.");
}

WoReason *
wo_reason_created_already(void)
{
	return wo_reason("state", ERRCODE_WO_CONFLICT,
					 "the ticket exists already",
					 "\"create\" stands for INSERT.",
					 "Take another action, or insert another row.");
}

/*
 * wo_reason_not_here says that the chart does not know the action where the
 * ticket rests, and which it knows there.
 */
WoReason *
wo_reason_not_here(const WoCase *c, int action, List *possible)
{
	return wo_reason("state", ERRCODE_WO_CONFLICT,
					 psprintf("\"%s\" is not possible in state \"%s\"",
							  c->flow->actions[action], c->flow->states[c->leaf].path),
					 psprintf("Possible here: %s.", join_names(possible)),
					 "Take one of these actions first, or read the ticket again.");
}

WoReason *
wo_reason_guard_fails(const char *action, const WoCandidate *candidate)
{
	return wo_reason("guard", ERRCODE_WO_CONFLICT,
					 psprintf("\"%s\" is not possible for this ticket now", action),
					 psprintf("The guard of %s does not hold: %s.", candidate->where, candidate->guard_text),
					 "Change what the guard looks at, or take another action.");
}

WoReason *
wo_reason_guard_undecided(const char *action, const WoCandidate *candidate)
{
	return wo_reason("guard", ERRCODE_WO_INVALID,
					 psprintf("the guard of \"%s\" could not be decided", action),
					 psprintf("%s asks: %s. With this row that is neither true nor false.",
							  candidate->where, candidate->guard_text),
					 "Look for a division by zero, or a comparison of different types.");
}

WoReason *
wo_reason_not_allowed(const WoCase *c, int action, const WoCandidate *candidate)
{
	return wo_reason("allow", ERRCODE_WO_DENIED,
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
wo_reason_last_revision(const WoCase *c)
{
	WoRow		old = {(Datum *) c->old, (bool *) c->old_null};

	if (c->old == NULL || !wo_row_is_last(c->binding, &old))
		return NULL;
	return wo_reason("revision", ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
					 psprintf("revision of ticket " INT64_FORMAT " is out of range", wo_binding_id(c->binding, c->old)),
					 psprintf("After revision %d there is none.", PG_INT32_MAX),
					 "Import the ticket with a lower revision.");
}

/*
 * wo_refuse raises a reason as the error a client sees.  The table is open
 * until the error has been thrown; the resource owner closes it.
 */
void
wo_refuse(const WoCase *c, const WoReason *r)
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
