/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The triggers of guarded tables: what is this change, may it be, what
 *	  becomes of the row, and what is journalled of it.
 *
 * Whatever statement comes along, the BEFORE ROW trigger sees each row after
 * it has been locked: the action is found and judged (permit.c), and what
 * follows from it is written into the row.  Rows that are imported, repaired,
 * moved on by the clock or migrated are written without anybody's right to it
 * being judged; what the engine keeps is still filled in, checked and sealed
 * as for any act.  Nothing else is written, since the row may still be changed
 * or skipped.
 *
 * The AFTER ROW trigger sees the row as it was stored.  It makes sure that no
 * trigger of the user's has changed after the guard what the engine keeps, and
 * appends the journal entry.  Entries of one statement are written together by
 * the AFTER STATEMENT trigger, unless the row is in a partition, where the
 * statement trigger belongs to the parent.  Totals follow every row, imported
 * ones too (state_count.c); events follow every entry (outbox.c).
 *
 * All memory is the per-tuple context of the trigger manager.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "journal/entry.h"
#include "journal/journal.h"
#include "journal/outbox.h"
#include "journal/state_count.h"
#include "permit/approval.h"
#include "permit/evaluation.h"
#include "permit/permit.h"
#include "permit/reason.h"
#include "permit/task.h"
#include "row/binding.h"
#include "ticket/migrate.h"
#include "timer/timer.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/settings.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_guard_row);
PG_FUNCTION_INFO_V1(workorder_record_row);
PG_FUNCTION_INFO_V1(workorder_record_flush);

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
find_action(const WoEvaluation *c, const char *name)
{
	int			action = wo_flow_action(c->flow, name);

	if (action < 0)
		wo_reason_raise(c, wo_reason_unknown_action(c->flow, name));
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
leads_to(const WoEvaluation *c, int action, int leaf)
{
	for (int s = c->leaf; s >= 0; s = c->flow->states[s].parent)
	{
		const WoTransitionList *list = &c->flow->states[s].on[action];

		for (int i = 0; i < list->n; i++)
			if (list->item[i].target >= 0 && wo_evaluation_target(c, &list->item[i]) == leaf)
				return true;
	}
	return false;
}

/*
 * resolve_state judges the one permitted action that leads to the state which
 * an ORM, say, has written; if there is none it tells what is possible.
 */
static void
resolve_state(WoEvaluation *c, const char *wanted, WoVerdict *verdict)
{
	int			leaf = wo_flow_state(c->flow, wanted, strlen(wanted));
	int			leading = -1;
	int			nfound = 0;
	int			nleading = 0;
	StringInfoData possible;

	if (leaf < 0 || !wo_flow_is_leaf(c->flow, leaf))
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("flow \"%s\" has no state \"%s\"", c->flow->name, wo_errors_shorten(wanted)),
				 errdetail("A state is named by the path of its leaf, such as \"%s\".",
						   c->flow->states[c->leaf].path),
				 errhint("The view workorder.flow_state lists them.")));
	initStringInfo(&possible);
	for (int a = 0; a < c->flow->nactions; a++)
	{
		WoVerdict	each;

		CHECK_FOR_INTERRUPTS();
		if (a == c->flow->action_create || a == c->flow->action_view || a == c->flow->action_delete)
			continue;
		if (wo_permit(c, a, false, &each) && each.taken->target >= 0)
		{
			int			target = wo_permit_leads_to(c, &each);

			appendStringInfo(&possible, "%s%s (to %s)", possible.len > 0 ? ", " : "",
							 c->flow->actions[a], c->flow->states[target].path);
			if (target == leaf)
			{
				*verdict = each;
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
	{
		if (verdict->complete)
			return;
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("\"%s\" does not lead to \"%s\" yet", verdict->action, wanted),
				 errdetail("More people have to agree first."),
				 errhint("Set the action only, which says that you do; the state follows from it.")));
	}
	/* one way leads there: say what stands in it, if it does not just lead elsewhere now */
	if (nfound == 0 && nleading == 1 && !wo_permit(c, leading, false, verdict))
		wo_reason_raise(c, linitial(verdict->reasons));
	ereport(ERROR,
			(errcode(ERRCODE_WO_CONFLICT),
			 nfound > 1 ?
			 errmsg("more than one action leads from \"%s\" to \"%s\"",
					c->flow->states[c->leaf].path, wanted) :
			 errmsg("no action leads from \"%s\" to \"%s\" for you",
					c->flow->states[c->leaf].path, wanted),
			 errdetail("Possible now: %s.", possible.len > 0 ? possible.data : "nothing"),
			 errhint("Take an action: UPDATE ... SET action = '...'.")));
}

/*
 * read_note takes the note that was given with a change; one that is blank does
 * not count where a note is required.
 */
static void
read_note(WoEvaluation *c, const WoRow *row)
{
	AttrNumber	attnum = c->binding->engine[WO_NOTE];

	if (!row->nulls[attnum - 1])
		wo_value_size_check_note("note", row->values[attnum - 1]);
	c->has_note = !wo_value_blank(TEXTOID, row->values[attnum - 1], row->nulls[attnum - 1]);
	c->note = wo_binding_text(c->binding, row, WO_NOTE);
}

/*
 * permit_or_refuse judges and raises the first reason if there is one.
 */
static void
permit_or_refuse(WoEvaluation *c, int action, WoVerdict *verdict)
{
	if (!wo_permit(c, action, false, verdict))
		wo_reason_raise(c, linitial(verdict->reasons));
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
		if (!row->nulls[i] && (changed != NULL ? changed[i] : binding->column_kind[i] == WO_NENGINE))
			wo_value_size_check(NameStr(TupleDescAttr(binding->desc, i)->attname),
								TupleDescAttr(binding->desc, i)->atttypid, row->values[i]);
}

/*
 * judge_create judges an INSERT.
 */
static void
judge_create(WoEvaluation *c, WoVerdict *verdict, Relation rel, WoBinding *binding, WoRow *row)
{
	bool	   *changed;
	char	   *action;

	if (binding->tenant != InvalidAttrNumber && row->nulls[binding->tenant - 1])
		row->nulls[binding->tenant - 1] =
			!wo_binding_tenant_datum(binding, wo_actor_current()->tenant, &row->values[binding->tenant - 1]);
	wo_evaluation_begin(c, binding, NULL, row);
	read_note(c, row);
	action = wo_binding_text(binding, row, WO_ACTION);
	if (c->flow->action_create < 0 || (action != NULL && strcmp(action, "create") != 0))
		wo_reason_raise(c,
				  c->flow->action_create < 0 ? wo_reason_unknown_action(c->flow, "create") :
				  wo_flow_action(c->flow, action) < 0 ? wo_reason_unknown_action(c->flow, action) :
				  wo_reason_not_a_beginning(action));

	/* what the engine keeps starts empty, but for what it would be anyway */
	for (int i = 0; i < WO_NENGINE; i++)
	{
		AttrNumber	attnum = binding->engine[i];

		if (row->nulls[attnum - 1] || i == WO_ACTION || i == WO_NOTE)
			continue;
		if (i == WO_STATE &&
			strcmp(wo_binding_text(binding, row, WO_STATE), c->flow->states[c->leaf].path) == 0)
			continue;
		if (i == WO_CREATOR_ID && DatumGetInt64(row->values[attnum - 1]) == c->actor->id)
			continue;
		refuse_engine_column(rel, attnum);
	}
	wo_evaluation_set(c, WO_FLOW_ID, Int32GetDatum(c->flow->id), false);
	wo_evaluation_set_text(c, WO_STATE, c->flow->states[c->leaf].path);
	wo_evaluation_set(c, WO_CREATOR_ID, Int64GetDatum(c->actor->id), c->actor->id == 0);
	wo_evaluation_set(c, WO_CREATED_AT, TimestampTzGetDatum(c->now), false);

	/* what a default or a sequence may have given is not held against anybody */
	changed = palloc0(sizeof(bool) * binding->desc->natts);
	for (int i = 0; i < binding->desc->natts; i++)
		changed[i] = binding->column_kind[i] == WO_NENGINE && !row->nulls[i] &&
			!TupleDescAttr(binding->desc, i)->atthasdef &&
			TupleDescAttr(binding->desc, i)->attidentity == '\0';
	c->changed = changed;
	check_sizes(binding, row, NULL);
	permit_or_refuse(c, c->flow->action_create, verdict);
}

/*
 * judge_import lets a row in as its owner loads it: history that happened
 * elsewhere.  Only what must not be null is filled in.
 */
static void
judge_import(WoEvaluation *c, WoVerdict *verdict, Relation rel, WoBinding *binding, WoRow *row)
{
	AttrNumber	flow_att = binding->engine[WO_FLOW_ID];
	AttrNumber	created = binding->engine[WO_CREATED_AT];
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	char	   *state;

	if (!wo_owns_relation(RelationGetRelid(rel), GetUserId()))
		refuse_engine_column(rel, binding->engine[WO_REVISION]);
	*c = (WoEvaluation) {.binding = binding, .row = row->values, .row_null = row->nulls};
	*verdict = (WoVerdict) {.kind = WO_KIND_IMPORT, .row = *row, .leaf = -1};
	if (wo_binding_revision(binding, row) < WO_REVISION_BASE)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("revision of an imported row is negative"),
				 errdetail("A row whose history begins with the import has revision 0."),
				 errhint("Give the revision that the row had, or 0."),
				 errtablecol(rel, binding->engine[WO_REVISION])));
	(void) wo_binding_next_revision(binding, row);
	c->flow = row->nulls[flow_att - 1] ? wo_flow_cache_by_name(binding->flow_name) :
		wo_flow_cache_by_id(DatumGetInt32(row->values[flow_att - 1]));
	if (c->flow == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("the imported row's flow does not exist"),
				 errdetail("The row must be on a version of flow \"%s\".", binding->flow_name),
				 errhint("Load workorder.flow first, or publish the flow."),
				 errtablecol(rel, flow_att)));
	wo_evaluation_set(c, WO_FLOW_ID, Int32GetDatum(c->flow->id), false);
	state = wo_binding_text(binding, row, WO_STATE);
	if (state == NULL)
		wo_evaluation_set_text(c, WO_STATE, c->flow->states[wo_flow_initial(c->flow)].path);
	else
	{
		int			leaf = wo_flow_state(c->flow, state, strlen(state));

		if (leaf < 0 || !wo_flow_is_leaf(c->flow, leaf))
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("version %d of flow \"%s\" has no leaf \"%s\"",
							c->flow->version, c->flow->name, wo_errors_shorten(state)),
					 errdetail("An imported row must rest in a leaf of its flow."),
					 errhint("The view workorder.flow_state lists them."),
					 errtablecol(rel, binding->engine[WO_STATE])));
	}
	if (row->nulls[created - 1])
		wo_evaluation_set(c, WO_CREATED_AT, TimestampTzGetDatum(now), false);
	if (row->nulls[binding->engine[WO_ENTERED_AT] - 1])
		wo_evaluation_set(c, WO_ENTERED_AT, row->values[created - 1], false);
	if (row->nulls[binding->engine[WO_UPDATED_AT] - 1])
		wo_evaluation_set(c, WO_UPDATED_AT, row->values[created - 1], false);
}

/*
 * judge_repair lets an update stand as a superuser wrote it under
 * workorder.maintenance, to be journalled as such.
 */
static void
judge_repair(WoEvaluation *c, WoVerdict *verdict, WoBinding *binding, const WoRow *old, WoRow *row)
{
	*c = (WoEvaluation) {
		.binding = binding, .actor = wo_actor_current(), .now = wo_settings_now(),
		.old = old->values, .old_null = old->nulls, .row = row->values, .row_null = row->nulls
	};
	c->note = wo_binding_text(binding, row, WO_NOTE);
	*verdict = (WoVerdict) {.kind = WO_KIND_REPAIR, .action = WO_ACTION_MAINTENANCE, .row = *row, .leaf = -1};
}

/*
 * judge_timer judges a transition of the clock.  A ticket for which no guard
 * holds is passed over: the row stays as it is.
 */
static bool
judge_timer(WoEvaluation *c, WoVerdict *verdict, WoBinding *binding, const char *action, const WoRow *old, WoRow *row)
{
	const WoDelay *delay;

	wo_evaluation_begin(c, binding, old, row);
	delay = wo_timer_fired(binding->guarded_id, action, c->flow, c->leaf);
	if (delay != NULL && wo_permit_timer(c, delay, verdict))
		return true;
	wo_firing->npassed_over++;
	return false;
}

/*
 * migrated_way returns the way that a ticket came, in the words of the other
 * version: states without a place there fall out of it.  NULL for none.
 */
static WoApprovalState *
migrated_way(const WoBinding *binding, const WoRow *old)
{
	WoApprovalState    *round = wo_approval_state_of_row(binding, old);
	WoApprovalState    *result;
	ListCell   *lc;

	if (round == NULL || round->return_path == NIL)
		return NULL;
	result = palloc0(sizeof(WoApprovalState));
	foreach(lc, round->return_path)
	{
		const WoReturnStep *step = lfirst(lc);
		int			leaf = wo_migrate_state(wo_migration->to, wo_migration->map, step->state);
		WoReturnStep *moved;

		if (leaf < 0)
			continue;
		moved = palloc(sizeof(WoReturnStep));
		moved->state = wo_migration->to->states[leaf].path;
		moved->by = step->by;
		result->return_path = lappend(result->return_path, moved);
	}
	return result;
}

/*
 * judge_migration finds where a ticket belongs in another version of its flow,
 * where a new visit of its state begins.
 */
static void
judge_migration(WoEvaluation *c, WoVerdict *verdict, WoBinding *binding, const WoRow *old, WoRow *row)
{
	const WoFlow *to = wo_migration->to;
	const WoActor *actor = wo_actor_current();
	char	   *path = wo_binding_text(binding, old, WO_STATE);
	int			leaf = path == NULL ? -1 : wo_migrate_state(to, wo_migration->map, path);
	AttrNumber	updated = binding->engine[WO_UPDATED_AT];

	if (leaf < 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("a ticket has no place in version %d of flow \"%s\"", to->version, to->name),
				 errdetail("No state there stands for \"%s\".", path != NULL ? path : "null"),
				 errhint("Say where it belongs in state_map.")));
	*c = (WoEvaluation) {
		.binding = binding, .flow = to, .columns = wo_binding_columns(binding, to), .actor = actor, .now = wo_settings_now(), .leaf = leaf,
		.old = old->values, .old_null = old->nulls, .row = row->values, .row_null = row->nulls
	};
	*verdict = (WoVerdict) {
		.kind = WO_KIND_MIGRATION, .action = WO_ACTION_MIGRATE, .complete = true, .row = *row, .leaf = leaf, .visits = true
	};
	/* tickets of all tenants move, and nobody acts in another's */
	if (wo_binding_tenant(binding, old) != actor->tenant)
	{
		WoActor    *nobody = palloc0(sizeof(WoActor));

		nobody->tenant = wo_binding_tenant(binding, old);
		nobody->login = nobody->name = "";
		c->actor = nobody;
	}
	if (!old->nulls[updated - 1])
		c->now = Max(c->now, DatumGetTimestampTz(old->values[updated - 1]));
	wo_evaluation_set(c, WO_FLOW_ID, Int32GetDatum(to->id), false);
	wo_evaluation_set_text(c, WO_HISTORY, wo_migrate_history(to, wo_migration->map, wo_binding_text(binding, old, WO_HISTORY)));
	wo_evaluation_set(c, WO_VOTES, (Datum) 0, true);
	if (to->approving)
	{
		bool	   *nulls = memcpy(palloc(sizeof(bool) * binding->desc->natts), old->nulls,
								   sizeof(bool) * binding->desc->natts);
		WoReason   *refused;

		/* whoever has to decide is asked anew; what was asked before is of the other version, but not the way here */
		nulls[binding->engine[WO_VOTES] - 1] = true;
		verdict->round = migrated_way(binding, old);
		c->old_null = nulls;
		refused = wo_approval_follow(c, verdict);
		if (refused != NULL)
			wo_reason_raise(c, refused);
		c->old_null = old->nulls;
	}
	if (++wo_migration->moved % 10000 == 0)
		ereport(NOTICE,
				(errmsg(INT64_FORMAT " of " INT64_FORMAT " tickets moved", wo_migration->moved, wo_migration->total)));
}

/*
 * is_judged tells of which changes it is asked who may.
 */
static bool
is_judged(WoChangeKind kind)
{
	return kind == WO_KIND_CREATE || kind == WO_KIND_ACT || kind == WO_KIND_DELETE;
}

/* What a statement wants to change in a row. */
typedef struct Change
{
	char	   *action;			/* that it names */
	bool	   *changed;		/* by attnum - 1, the user's columns only */
	bool		any_changed;	/* one of them */
	bool		state_changed;
	AttrNumber	engine_changed; /* a column that is the engine's alone */
} Change;

/*
 * find_change compares two versions of a row.
 */
static void
find_change(Change *change, Relation rel, const WoBinding *binding, const WoRow *old, const WoRow *row)
{
	memset(change, 0, sizeof(*change));
	change->changed = palloc0(sizeof(bool) * binding->desc->natts);
	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
	{
		if ((!WoIsJournaled(binding, attnum) && !WoIsKey(binding, attnum)) ||
			wo_binding_same(binding, attnum, old, row))
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
			change->any_changed = change->changed[attnum - 1] = true;
		else if (binding->column_kind[attnum - 1] == WO_STATE)
			change->state_changed = true;
		else if (binding->column_kind[attnum - 1] != WO_ACTION && binding->column_kind[attnum - 1] != WO_NOTE)
			change->engine_changed = attnum;
	}
	change->action = wo_binding_text(binding, row, WO_ACTION);
}

/*
 * find_kind tells what a change is, and so whether anybody is judged for it.
 * This is the one place where that is found out; afterwards the row says it
 * (wo_entry_kind).  Only where no row is left to say so does the AFTER trigger
 * ask here, too.
 */
static WoChangeKind
find_kind(const WoBinding *binding, const WoRow *old, const WoRow *row, const Change *change)
{
	AttrNumber	flow = binding->engine[WO_FLOW_ID];

	if (old == NULL)
		return row->nulls[binding->engine[WO_REVISION] - 1] ? WO_KIND_CREATE : WO_KIND_IMPORT;
	if (row == NULL)
		return wo_maintenance ? WO_KIND_REPAIR : WO_KIND_DELETE;
	if (wo_migration != NULL && wo_migration->guarded_id == binding->guarded_id &&
		change->engine_changed == InvalidAttrNumber &&
		change->action != NULL && strcmp(change->action, WO_ACTION_MIGRATE) == 0 &&
		!old->nulls[flow - 1] && DatumGetInt32(old->values[flow - 1]) == wo_migration->from)
		return WO_KIND_MIGRATION;
	if (wo_maintenance && wo_firing == NULL)
		return WO_KIND_REPAIR;
	if (wo_firing != NULL && wo_firing->guarded_id == binding->guarded_id &&
		change->action != NULL && strcmp(change->action, wo_firing->action) == 0)
		return WO_KIND_TIMER;
	/* an update that names no action and changes nothing is not an act */
	return change->action != NULL || change->state_changed || change->any_changed ||
		!row->nulls[binding->engine[WO_NOTE] - 1] ? WO_KIND_ACT : WO_KIND_NONE;
}

/*
 * judge_act judges an UPDATE: the action that it names, or follows from what it
 * writes.
 */
static void
judge_act(WoEvaluation *c, WoVerdict *verdict, Relation rel, WoBinding *binding, const WoRow *old, WoRow *row,
		  const Change *change)
{
	check_sizes(binding, row, change->changed);
	wo_evaluation_begin(c, binding, old, row);
	c->changed = change->changed;
	read_note(c, row);

	if (change->action != NULL && c->flow->approving && wo_task_command_is_one(change->action))
	{
		const WoReason *why;

		if (change->state_changed || change->any_changed)
			ereport(ERROR,
					(errcode(ERRCODE_WO_DENIED),
					 errmsg("\"%s\" changes no column", wo_errors_shorten(change->action)),
					 errdetail("It is about who decides the ticket, not about what is in it."),
					 errhint("Take the action \"update\" for that.")));
		if ((why = wo_task_command_judge(c, change->action, verdict)) != NULL)
			wo_reason_raise(c, why);
	}
	else if (change->action != NULL)
		permit_or_refuse(c, find_action(c, change->action), verdict);
	else if (change->state_changed)
	{
		char	   *wanted = wo_binding_text(binding, row, WO_STATE);

		if (wanted == NULL)
			refuse_engine_column(rel, binding->engine[WO_STATE]);
		/* judged as if the state had not been written yet */
		wo_evaluation_set(c, WO_STATE, old->values[binding->engine[WO_STATE] - 1], false);
		resolve_state(c, wanted, verdict);
	}
	else if (c->flow->action_update >= 0)
		permit_or_refuse(c, c->flow->action_update, verdict);
	else
		wo_reason_raise(c, wo_reason_unknown_action(c->flow, "update"));
}

/*
 * judge_delete judges a DELETE.
 */
static void
judge_delete(WoBinding *binding, WoRow *old)
{
	WoEvaluation		c;
	WoVerdict	verdict;

	wo_evaluation_begin(&c, binding, old, old);
	if (c.flow->action_delete < 0)
		wo_reason_raise(&c, wo_reason_unknown_action(c.flow, "delete"));
	permit_or_refuse(&c, c.flow->action_delete, &verdict);
}

static HeapTuple
take_verdict(WoEvaluation *c, WoVerdict *verdict, HeapTuple tuple)
{
	wo_permit_take(c, verdict);
	return wo_evaluation_tuple(c, tuple);
}

static HeapTuple
guard_insert(TriggerData *trigdata, WoBinding *binding)
{
	WoRow		row = wo_binding_row(binding, trigdata->tg_trigtuple);
	WoEvaluation		c;
	WoVerdict	verdict;

	if (find_kind(binding, NULL, &row, NULL) == WO_KIND_IMPORT)
		judge_import(&c, &verdict, trigdata->tg_relation, binding, &row);
	else
		judge_create(&c, &verdict, trigdata->tg_relation, binding, &row);
	return take_verdict(&c, &verdict, trigdata->tg_trigtuple);
}

static HeapTuple
guard_update(TriggerData *trigdata, WoBinding *binding)
{
	WoRow		old = wo_binding_row(binding, trigdata->tg_trigtuple);
	WoRow		row = wo_binding_row(binding, trigdata->tg_newtuple);
	Change		change;
	WoChangeKind		kind;
	WoEvaluation		c;
	WoVerdict	verdict;

	find_change(&change, trigdata->tg_relation, binding, &old, &row);
	kind = find_kind(binding, &old, &row, &change);
	if (change.engine_changed != InvalidAttrNumber && kind != WO_KIND_REPAIR)
		refuse_engine_column(trigdata->tg_relation, change.engine_changed);
	switch (kind)
	{
		case WO_KIND_MIGRATION:
			judge_migration(&c, &verdict, binding, &old, &row);
			break;
		case WO_KIND_REPAIR:
			judge_repair(&c, &verdict, binding, &old, &row);
			break;
		case WO_KIND_TIMER:
			if (!judge_timer(&c, &verdict, binding, change.action, &old, &row))
				return NULL;
			break;
		case WO_KIND_NONE:
			return trigdata->tg_newtuple;
		default:
			judge_act(&c, &verdict, trigdata->tg_relation, binding, &old, &row, &change);
			break;
	}
	return take_verdict(&c, &verdict, trigdata->tg_newtuple);
}

static HeapTuple
guard_delete(TriggerData *trigdata, WoBinding *binding)
{
	WoRow		old = wo_binding_row(binding, trigdata->tg_trigtuple);

	if (is_judged(find_kind(binding, &old, NULL, NULL)))
		judge_delete(binding, &old);
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
	wo_state_count_begin(binding);

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		result = guard_insert(trigdata, binding);
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		result = guard_update(trigdata, binding);
	else
		result = guard_delete(trigdata, binding);
	return PointerGetDatum(result);
}

/*
 * append_entry writes a line, and before it the one that opens the history of a row
 * which was there before.
 */
static void
append_entry(WoBinding *binding, WoJournalEntry *line, const WoRow *old, const WoRow *row, bool together)
{
	const uint8 *sealed = row != NULL ? wo_entry_row_digest(binding, row) : NULL;

	if (sealed != NULL && (old == NULL || wo_entry_row_digest(binding, old) != NULL))
		memcpy(line->digest, sealed, WO_DIGEST_LENGTH);
	else
	{
		WoJournalEntry base;

		wo_journal_set_digest(line, binding, old, &base);
		if (base.action != NULL)
			wo_journal_append(&base, true);
	}
	wo_journal_append(line, together);
	wo_outbox_append(binding, line);
}

/*
 * count_move tells the tally which state the row has left, and which it has
 * entered.
 */
static void
count_move(const WoBinding *binding, const WoRow *old, const WoRow *row)
{
	if (binding->counted)
		wo_state_count_move(binding, wo_binding_tenant(binding, row != NULL ? row : old),
					  old != NULL ? wo_binding_text(binding, old, WO_STATE) : NULL,
					  row != NULL ? wo_binding_text(binding, row, WO_STATE) : NULL);
}

/*
 * refuse_meddling tells that a trigger changed the row behind the guard.
 */
static void
refuse_meddling(TriggerData *trigdata, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_WO_DENIED),
			 errmsg("a trigger on \"%s\" changed what the engine keeps",
					RelationGetRelationName(trigdata->tg_relation)),
			 errdetail("After the guard had judged the row, %s.", what),
			 errhint("Let the trigger's name sort before \"~workorder_guard\", or leave engine columns alone."),
			 errtable(trigdata->tg_relation)));
}

/*
 * is_sealed tells whether the seal of a row is of a kind, and unbroken.
 */
static bool
is_sealed(WoBinding *binding, const WoRow *row, char kind)
{
	AttrNumber	attnum = binding->engine[WO_DIGEST];
	bytea	   *expected = wo_entry_row_checksum(binding, row, kind);
	struct varlena *seal;

	if (row->nulls[attnum - 1])
		return false;
	seal = PG_DETOAST_DATUM_PACKED(row->values[attnum - 1]);
	return VARSIZE_ANY_EXHDR(seal) == WO_CHECKSUM_LENGTH &&
		memcmp(VARDATA_ANY(seal), VARDATA(expected), WO_CHECKSUM_LENGTH) == 0;
}

/*
 * check_overtaken makes sure that triggers which fire after the guard have
 * kept to the user's columns, and that the action still allows what they did
 * there.  old is NULL for a new row.
 */
static void
check_overtaken(TriggerData *trigdata, WoBinding *binding, WoChangeKind kind, const WoRow *old, const WoRow *row)
{
	bool	   *changed = palloc0(sizeof(bool) * binding->desc->natts);
	WoRow		again = *row;
	WoEvaluation		c;
	WoVerdict	verdict;

	if (!is_sealed(binding, row, kind == WO_KIND_IMPORT ? WO_CHECKSUM_IMPORT : WO_CHECKSUM_ACT))
		refuse_meddling(trigdata, "an engine column was changed");
	if (!is_judged(kind))
		return;
	wo_evaluation_begin(&c, binding, old, &again);
	c.has_note = !row->nulls[binding->engine[WO_LAST_NOTE] - 1];
	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
		changed[attnum - 1] = old != NULL && binding->column_kind[attnum - 1] == WO_NENGINE &&
			!wo_binding_same(binding, attnum, old, row);
	c.changed = changed;
	if (wo_task_command_is_one(wo_binding_text(binding, row, WO_LAST_ACTION)))
	{
		for (int i = 0; i < binding->desc->natts; i++)
			if (changed[i])
				refuse_meddling(trigdata, "a column was changed by an order that changes none");
		return;
	}
	if (!wo_permit(&c, wo_flow_action(c.flow, wo_binding_text(binding, row, WO_LAST_ACTION)), false, &verdict))
		wo_reason_raise(&c, linitial(verdict.reasons));
}

/*
 * workorder_record_row is the AFTER INSERT OR UPDATE OR DELETE row trigger.
 */
Datum
workorder_record_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel;
	WoBinding  *binding;
	WoJournalEntry line;
	WoChangeKind		kind;
	bool		together;
	WoRow		old;
	WoRow		row;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("workorder.record_row() is an AFTER ROW trigger"),
				 errhint("Let workorder.guard() make the trigger.")));
	rel = trigdata->tg_relation;
	binding = wo_binding_for_trigger(rel, trigdata->tg_trigger);
	together = !rel->rd_rel->relispartition;

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		row = wo_binding_row(binding, trigdata->tg_trigtuple);
		kind = wo_entry_kind(binding, NULL, &row);
		count_move(binding, NULL, &row);
		if (binding->overtaken)
			check_overtaken(trigdata, binding, kind, NULL, &row);
		if (kind == WO_KIND_IMPORT)
			return PointerGetDatum(NULL);
		wo_entry_for_stored(&line, binding, NULL, &row);
		append_entry(binding, &line, NULL, &row, together);
		wo_timer_follow(binding, NULL, &row);
		wo_task_follow(binding, NULL, &row);
	}
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		old = wo_binding_row(binding, trigdata->tg_trigtuple);
		row = wo_binding_row(binding, trigdata->tg_newtuple);
		kind = wo_entry_kind(binding, &old, &row);
		if (kind == WO_KIND_NONE)
		{
			/* the guard let it pass because it changed nothing */
			for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
				if ((WoIsJournaled(binding, attnum) || WoIsKey(binding, attnum)) &&
					!wo_binding_same(binding, attnum, &old, &row))
					refuse_meddling(trigdata, "a column was changed");
			return PointerGetDatum(NULL);
		}
		if (wo_binding_revision(binding, &row) != Max(wo_binding_revision(binding, &old), 0) + 1)
			refuse_meddling(trigdata, "the revision was changed");
		if (binding->overtaken)
			check_overtaken(trigdata, binding, kind, &old, &row);
		wo_entry_for_stored(&line, binding, &old, &row);
		append_entry(binding, &line, &old, &row, together);
		count_move(binding, &old, &row);
		wo_timer_follow(binding, &old, &row);
		wo_task_follow(binding, &old, &row);
	}
	else
	{
		const WoActor *actor = wo_actor_current();

		old = wo_binding_row(binding, trigdata->tg_trigtuple);
		wo_entry_for_change(&line, binding, &old, NULL);
		line.at = Max(wo_settings_now(), line.at);
		line.actor = actor->id;
		line.note = is_judged(find_kind(binding, &old, NULL, NULL)) ? NULL : WO_ACTION_MAINTENANCE;
		append_entry(binding, &line, &old, NULL, together);
		count_move(binding, &old, NULL);
		wo_timer_follow(binding, &old, NULL);
		wo_task_follow(binding, &old, NULL);
	}
	return PointerGetDatum(NULL);
}

/*
 * workorder_record_flush is the AFTER STATEMENT trigger: the lines of the
 * statement go into the journal together, its events into the outbox, and its
 * moves into the tally.
 */
Datum
workorder_record_flush(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("workorder.record_flush() is a trigger"),
				 errhint("Let workorder.guard() make the trigger.")));
	wo_entry_forget();
	wo_journal_flush();
	wo_outbox_flush();
	wo_state_count_flush(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
