/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The BEFORE ROW trigger of guarded tables: resolve, permit, move.
 *
 * Whatever statement comes along, each row passes here after it has been
 * locked: the action is found and judged (permit.c), and what follows from it
 * is written into the row (evaluation.c).  Rows that nobody is judged for go to
 * bypass.c.  Nothing else is written, since the row may still be changed or
 * skipped; record.c journals the row as it came out.  All memory is the
 * per-tuple context of the trigger manager.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "actor/actor.h"
#include "permit/approval.h"
#include "row/binding.h"
#include "permit/evaluation.h"
#include "trigger/bypass.h"
#include "flow/flow.h"
#include "journal/entry.h"
#include "ticket/migrate.h"
#include "permit/permit.h"
#include "journal/state_count.h"
#include "timer/timer.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_guard_row);

/*
 * refuse_engine_column tells that a column is not the caller's to write.
 */
static void
refuse_engine_column(Relation rel, AttrNumber attnum)
{
	ereport(ERROR,
			(errcode(ERRCODE_WO_DENIED),
			 errmsg("column \"%s\" is kept by the engine",
					NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname)),
			 errdetail("It follows from the actions taken on the ticket."),
			 errhint("Take an action: UPDATE ... SET action = '...'."),
			 errtablecol(rel, attnum)));
}

/*
 * find_action looks an action up that the caller named.
 */
static int
find_action(const WoCase *c, const char *name)
{
	int			action = wo_flow_action(c->flow, name);

	if (action < 0)
		wo_refuse(c, wo_reason_unknown_action(c->flow, name));
	if (action == c->flow->action_create || action == c->flow->action_view ||
		action == c->flow->action_delete)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("\"%s\" cannot be taken by an update", name),
				 errdetail("It stands for a statement of its own."),
				 errhint("Use INSERT, SELECT or DELETE.")));
	return action;
}

/*
 * leads_to tells whether an action has a transition from here to a leaf.
 */
static bool
leads_to(const WoCase *c, int action, int leaf)
{
	for (int s = c->leaf; s >= 0; s = c->flow->states[s].parent)
	{
		const WoCandidateList *list = &c->flow->states[s].on[action];

		for (int i = 0; i < list->n; i++)
			if (list->item[i].target >= 0 && wo_permit_target(c, &list->item[i]) == leaf)
				return true;
	}
	return false;
}

/*
 * resolve_state finds the one permitted action that leads to the state which
 * an ORM, say, has written; if there is none it tells what is possible.
 */
static int
resolve_state(WoCase *c, const char *wanted)
{
	int			leaf = wo_flow_state(c->flow, wanted, strlen(wanted));
	int			found = -1;
	int			leading = -1;
	int			nfound = 0;
	int			nleading = 0;
	StringInfoData possible;
	WoVerdict	verdict;

	if (leaf < 0 || !wo_flow_is_leaf(c->flow, leaf))
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("flow \"%s\" has no state \"%s\"", c->flow->name, wo_shown(wanted)),
				 errdetail("A state is named by the path of its leaf, such as \"%s\".",
						   c->flow->states[c->leaf].path),
				 errhint("The view workorder.flow_state lists them.")));
	initStringInfo(&possible);
	for (int a = 0; a < c->flow->nactions; a++)
	{
		bool		permitted;

		CHECK_FOR_INTERRUPTS();
		if (a == c->flow->action_create || a == c->flow->action_view || a == c->flow->action_delete)
			continue;
		permitted = wo_permit(c, a, false, &verdict);
		if (permitted && verdict.taken->target >= 0)
		{
			int			target = wo_permit_target(c, verdict.taken);

			appendStringInfo(&possible, "%s%s (to %s)", possible.len > 0 ? ", " : "",
							 c->flow->actions[a], c->flow->states[target].path);
			if (target == leaf)
			{
				found = a;
				nfound++;
			}
		}
		if (leads_to(c, a, leaf))
		{
			leading = a;
			nleading++;
		}
	}
	if (nfound == 1)
		return found;
	/* one way leads there: say what stands in it, if it does not just lead elsewhere now */
	if (nfound == 0 && nleading == 1 && !wo_permit(c, leading, false, &verdict))
		wo_refuse(c, linitial(verdict.reasons));
	ereport(ERROR,
			(errcode(ERRCODE_WO_CONFLICT),
			 nfound > 1 ?
			 errmsg("more than one action leads from \"%s\" to \"%s\"",
					c->flow->states[c->leaf].path, wanted) :
			 errmsg("no action leads from \"%s\" to \"%s\" for you",
					c->flow->states[c->leaf].path, wanted),
			 errdetail("Possible now: %s.", possible.len > 0 ? possible.data : "nothing"),
			 errhint("Take an action: UPDATE ... SET action = '...'.")));
	return -1;					/* not reached */
}

/*
 * order_note returns the note of the order as it was given; one that is blank
 * does not count where a note is required.
 */
static char *
order_note(WoCase *c, const WoRow *row)
{
	AttrNumber	attnum = c->binding->engine[WO_NOTE];

	if (!row->nulls[attnum - 1])
		wo_value_check_note("note", row->values[attnum - 1]);
	c->has_note = !wo_value_blank(TEXTOID, row->values[attnum - 1], row->nulls[attnum - 1]);
	return wo_row_text(c->binding, row, WO_NOTE);
}

/*
 * permit_or_refuse judges and raises the first reason if there is one.
 */
static void
permit_or_refuse(WoCase *c, int action, WoVerdict *verdict)
{
	if (!wo_permit(c, action, false, verdict))
		wo_refuse(c, linitial(verdict->reasons));
}

/*
 * check_sizes refuses values that would be far larger when they are written
 * out, into the journal first of all; without a list, every column's that is
 * not the engine's.
 */
static void
check_sizes(const WoBinding *binding, const WoRow *row, const bool *changed)
{
	for (int i = 0; i < binding->desc->natts; i++)
		if (!row->nulls[i] && (changed != NULL ? changed[i] : binding->role_of[i] == WO_NENGINE))
			wo_value_check_size(NameStr(TupleDescAttr(binding->desc, i)->attname),
								TupleDescAttr(binding->desc, i)->atttypid, row->values[i]);
}

static HeapTuple
judge_insert(TriggerData *trigdata, WoBinding *binding)
{
	Relation	rel = trigdata->tg_relation;
	WoRow		row = wo_row(binding, trigdata->tg_trigtuple);
	WoCase		c;
	WoVerdict	verdict;
	bool	   *changed;
	char	   *note;
	char	   *action;

	if (!row.nulls[binding->engine[WO_REVISION] - 1])
	{
		if (wo_owns_relation(RelationGetRelid(rel), GetUserId()))
			return wo_import_row(trigdata, binding, &row);
		refuse_engine_column(rel, binding->engine[WO_REVISION]);
	}

	if (row.nulls[binding->tenant - 1])
	{
		row.values[binding->tenant - 1] = Int64GetDatum(wo_actor_current()->tenant);
		row.nulls[binding->tenant - 1] = false;
	}
	wo_case_begin(&c, binding, NULL, &row);
	note = order_note(&c, &row);
	action = wo_row_text(binding, &row, WO_ACTION);
	if (c.flow->action_create < 0 || (action != NULL && strcmp(action, "create") != 0))
		wo_refuse(&c,
				  c.flow->action_create < 0 ? wo_reason_unknown_action(c.flow, "create") :
				  wo_flow_action(c.flow, action) < 0 ? wo_reason_unknown_action(c.flow, action) :
				  wo_reason_not_a_beginning(action));

	/* what the engine keeps starts empty, but for what it would be anyway */
	for (int i = 0; i < WO_NENGINE; i++)
	{
		AttrNumber	attnum = binding->engine[i];

		if (row.nulls[attnum - 1] || i == WO_ACTION || i == WO_NOTE)
			continue;
		if (i == WO_STATE &&
			strcmp(wo_row_text(binding, &row, WO_STATE), c.flow->states[c.leaf].path) == 0)
			continue;
		if (i == WO_CREATOR_ID && DatumGetInt64(row.values[attnum - 1]) == c.actor->id)
			continue;
		refuse_engine_column(rel, attnum);
	}
	wo_case_set(&c, WO_FLOW_ID, Int32GetDatum(c.flow->id), false);
	wo_case_set_text(&c, WO_STATE, c.flow->states[c.leaf].path);
	wo_case_set(&c, WO_CREATOR_ID, Int64GetDatum(c.actor->id), c.actor->id == 0);
	wo_case_set(&c, WO_CREATED_AT, TimestampTzGetDatum(c.now), false);

	/* what a default or a sequence may have given is not held against anybody */
	changed = palloc0(sizeof(bool) * binding->desc->natts);
	for (int i = 0; i < binding->desc->natts; i++)
		changed[i] = binding->role_of[i] == WO_NENGINE && !row.nulls[i] &&
			!TupleDescAttr(binding->desc, i)->atthasdef &&
			TupleDescAttr(binding->desc, i)->attidentity == '\0';
	c.changed = changed;
	check_sizes(binding, &row, NULL);
	permit_or_refuse(&c, c.flow->action_create, &verdict);
	wo_case_take(&c, c.flow->actions[c.flow->action_create], &verdict, note);
	return wo_case_finish(&c, trigdata->tg_trigtuple);
}

/*
 * find_kind tells what an update is.  This is the one place where it is found
 * out; from here on the row says it (wo_row_kind).
 */
static WoKind
find_kind(const WoBinding *binding, const WoRow *old, const char *action, bool changed, bool meddled)
{
	AttrNumber	flow = binding->engine[WO_FLOW_ID];

	if (wo_migration != NULL && wo_migration->relation_id == binding->relation_id &&
		!meddled && action != NULL && strcmp(action, WO_ACTION_MIGRATE) == 0 &&
		!old->nulls[flow - 1] && DatumGetInt32(old->values[flow - 1]) == wo_migration->from)
		return WO_KIND_MIGRATION;
	if (wo_maintenance && wo_firing == NULL)
		return WO_KIND_REPAIR;
	if (wo_firing != NULL && wo_firing->relation_id == binding->relation_id && action != NULL &&
		strcmp(action, wo_firing->action) == 0)
		return WO_KIND_TIMER;
	/* an update that orders nothing and changes nothing is not an act */
	return changed ? WO_KIND_ACT : WO_KIND_NONE;
}

static HeapTuple
judge_update(TriggerData *trigdata, WoBinding *binding)
{
	Relation	rel = trigdata->tg_relation;
	WoRow		old = wo_row(binding, trigdata->tg_trigtuple);
	WoRow		row = wo_row(binding, trigdata->tg_newtuple);
	bool	   *changed = palloc0(sizeof(bool) * binding->desc->natts);
	bool		any_changed = false;
	AttrNumber	meddled = InvalidAttrNumber;
	bool		state_changed;
	WoKind		kind;
	WoCase		c;
	WoVerdict	verdict;
	char	   *name;
	char	   *note;
	int			action;

	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
	{
		if ((!WoIsTold(binding, attnum) && !WoIsKey(binding, attnum)) ||
			wo_same(binding, attnum, &old, &row))
			continue;
		if (WoIsKey(binding, attnum))
			ereport(ERROR,
					(errcode(ERRCODE_WO_DENIED),
					 errmsg("column \"%s\" never changes",
							NameStr(TupleDescAttr(binding->desc, attnum - 1)->attname)),
					 errdetail("It is the ticket's key, and its journal goes by it."),
					 errhint("Make a new ticket instead."),
					 errtablecol(rel, attnum)));
		if (!WoIsEngine(binding, attnum))
			any_changed = changed[attnum - 1] = true;
		else if (binding->role_of[attnum - 1] != WO_ACTION &&
				 binding->role_of[attnum - 1] != WO_NOTE &&
				 binding->role_of[attnum - 1] != WO_STATE)
			meddled = attnum;
	}
	name = wo_row_text(binding, &row, WO_ACTION);
	state_changed = !wo_same(binding, binding->engine[WO_STATE], &old, &row);
	kind = find_kind(binding, &old, name,
					 name != NULL || state_changed || any_changed || !row.nulls[binding->engine[WO_NOTE] - 1],
					 meddled != InvalidAttrNumber);
	if (kind == WO_KIND_MIGRATION)
		return wo_obey_migration(trigdata, binding, &old, &row);
	if (kind == WO_KIND_REPAIR)
		return wo_maintain(trigdata, binding, &old, &row);
	if (meddled != InvalidAttrNumber)
		refuse_engine_column(rel, meddled);
	if (kind == WO_KIND_TIMER)
		return wo_obey_clock(trigdata, binding, name, &old, &row);
	if (kind == WO_KIND_NONE)
		return trigdata->tg_newtuple;

	check_sizes(binding, &row, changed);
	wo_case_begin(&c, binding, &old, &row);
	c.changed = changed;
	note = order_note(&c, &row);

	if (name != NULL && c.flow->approving && wo_task_is_order(name))
	{
		const char *order;
		const WoReason *why;

		if (state_changed || any_changed)
			ereport(ERROR,
					(errcode(ERRCODE_WO_DENIED),
					 errmsg("\"%s\" changes no column", wo_shown(name)),
					 errdetail("It is about who decides the ticket, not about what is in it."),
					 errhint("Take the action \"update\" for that.")));
		if ((why = wo_task_order(&c, name, &verdict, &order)) != NULL)
			wo_refuse(&c, why);
		wo_case_take(&c, order, &verdict, note);
		return wo_case_finish(&c, trigdata->tg_newtuple);
	}
	if (name != NULL)
		action = find_action(&c, name);
	else if (state_changed)
	{
		char	   *wanted = wo_row_text(binding, &row, WO_STATE);

		if (wanted == NULL)
			refuse_engine_column(rel, binding->engine[WO_STATE]);
		/* judged as if the state had not been written yet */
		wo_case_set(&c, WO_STATE, old.values[binding->engine[WO_STATE] - 1], false);
		action = resolve_state(&c, wanted);
		wo_case_set_text(&c, WO_STATE, wanted);
	}
	else if (c.flow->action_update >= 0)
		action = c.flow->action_update;
	else
		wo_refuse(&c, wo_reason_unknown_action(c.flow, "update"));

	permit_or_refuse(&c, action, &verdict);
	wo_case_take(&c, c.flow->actions[action], &verdict, note);
	return wo_case_finish(&c, trigdata->tg_newtuple);
}

static HeapTuple
judge_delete(TriggerData *trigdata, WoBinding *binding)
{
	WoRow		old = wo_row(binding, trigdata->tg_trigtuple);
	WoCase		c;
	WoVerdict	verdict;

	if (wo_maintenance)
		return trigdata->tg_trigtuple;
	wo_case_begin(&c, binding, &old, &old);
	if (c.flow->action_delete < 0)
		wo_refuse(&c, wo_reason_unknown_action(c.flow, "delete"));
	permit_or_refuse(&c, c.flow->action_delete, &verdict);
	return trigdata->tg_trigtuple;
}

/*
 * workorder_guard_row is the BEFORE INSERT OR UPDATE OR DELETE row trigger.
 */
Datum
workorder_guard_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	WoBinding  *binding;
	HeapTuple	result;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("workorder.guard_row() is a BEFORE ROW trigger"),
				 errhint("Let workorder.guard() make the trigger.")));

	/*
	 * A statement takes the rules as they are when it starts.  It has locked
	 * its table before, perhaps in an earlier statement of the transaction,
	 * so look for news once more.
	 */
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		AcceptInvalidationMessages();
		fcinfo->flinfo->fn_extra = (void *) trigdata->tg_relation;
	}
	binding = wo_binding_for_trigger(trigdata->tg_relation, trigdata->tg_trigger);
	wo_tally_begin(binding);

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		result = judge_insert(trigdata, binding);
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		result = judge_update(trigdata, binding);
	else
		result = judge_delete(trigdata, binding);
	return PointerGetDatum(result);
}
