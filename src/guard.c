/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The BEFORE ROW trigger of guarded tables: resolve, permit, move.
 *
 * Whatever statement comes along, each row passes here after it has been
 * locked: the action is found, judged, and what follows from it is written
 * into the row.  Nothing else is written, since the row may still be changed
 * or skipped; record.c journals the row as it came out.  All memory is the
 * per-tuple context of the trigger manager.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "actor.h"
#include "approval.h"
#include "binding.h"
#include "flow.h"
#include "guard.h"
#include "line.h"
#include "migrate.h"
#include "permit.h"
#include "tally.h"
#include "timer.h"
#include "value.h"

PG_FUNCTION_INFO_V1(workorder_guard_row);

/*
 * set_engine writes an engine column of the row.
 */
static void
set_engine(WoCase *c, WoEngineColumn column, Datum value, bool isnull)
{
	AttrNumber	attnum = c->binding->engine[column];

	c->row[attnum - 1] = isnull ? (Datum) 0 : value;
	c->row_null[attnum - 1] = isnull;
}

static void
set_engine_text(WoCase *c, WoEngineColumn column, const char *value)
{
	set_engine(c, column, value != NULL ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

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
 * seal writes the digest of the line to come into the row, so that the next
 * line finds what to chain to without a look into the journal.  Where a later
 * trigger may still change the row, the line is not known yet; then a seal
 * lets record.c tell whether that trigger has kept to the user's columns.
 */
static void
seal(WoCase *c)
{
	WoRow		old = {(Datum *) c->old, (bool *) c->old_null};
	WoRow		row = {c->row, c->row_null};
	WoJournalLine line;
	bytea	   *digest;

	if (!c->binding->recorded)
	{
		set_engine(c, WO_DIGEST, (Datum) 0, true);
		return;
	}
	if (c->binding->overtaken)
	{
		set_engine(c, WO_DIGEST, PointerGetDatum(wo_row_seal(c->binding, &row, WO_SEAL_ACT)), false);
		return;
	}
	wo_line_for_change(&line, c->binding, c->old != NULL ? &old : NULL, &row);
	wo_journal_seal(&line, c->binding, c->old != NULL ? &old : NULL, NULL);
	wo_line_keep(&line);
	digest = palloc(VARHDRSZ + WO_DIGEST_LENGTH);
	SET_VARSIZE(digest, VARHDRSZ + WO_DIGEST_LENGTH);
	memcpy(VARDATA(digest), line.digest, WO_DIGEST_LENGTH);
	set_engine(c, WO_DIGEST, PointerGetDatum(digest), false);
}

/*
 * take carries out a permitted action on the row of the case.
 */
static void
take(WoCase *c, const char *action, const WoVerdict *verdict, const char *note)
{
	const WoFlow *flow = c->flow;
	const WoCandidate *taken = verdict->taken;
	int			leaf = c->leaf;
	bool		creates = c->old == NULL;
	bool		visits = creates;
	int			revision = 0;

	if (verdict->complete)
	{
		wo_condition_assign(c, taken);
		if (taken->target >= 0)
		{
			leaf = wo_permit_move(c, flow->approving ? wo_approval_way(c, taken) : taken, c->leaf);
			visits = creates || leaf != c->leaf || taken->reenter || taken->approvers != NULL;
		}
	}
	if (flow->approving)
	{
		WoReason   *nobody = wo_approval_follow(c, action, verdict, &leaf, visits);

		if (nobody != NULL)
			wo_refuse(c, nobody);
	}
	if (!creates)
	{
		WoRow		old = {(Datum *) c->old, (bool *) c->old_null};

		revision = wo_row_revision(c->binding, &old);
		/* the caller's own idea of the new state must be what the action does */
		if (!wo_same(c->binding, c->binding->engine[WO_STATE], &old, &(WoRow) {c->row, c->row_null}))
		{
			char	   *wanted = wo_row_text(c->binding, &(WoRow) {c->row, c->row_null}, WO_STATE);

			if (wanted == NULL || strcmp(wanted, flow->states[leaf].path) != 0)
				ereport(ERROR,
						(errcode(ERRCODE_WO_CONFLICT),
						 errmsg("\"%s\" leads to state \"%s\"", action, flow->states[leaf].path),
						 errdetail("The statement also sets another state."),
						 errhint("Set the action only; the state follows from it.")));
		}
	}

	set_engine_text(c, WO_STATE, flow->states[leaf].path);
	if (flow->approving)
		 /* done already */ ;
	else if (visits || verdict->complete)
	{
		/* an internal action that is done leaves the others' votes alone */
		if (visits || taken->quorum != WO_QUORUM_NONE)
			set_engine(c, WO_VOTES, (Datum) 0, true);
	}
	else
		set_engine(c, WO_VOTES, JsonbPGetDatum(verdict->votes), verdict->votes == NULL);
	set_engine(c, WO_REVISION, Int32GetDatum(Max(revision, 0) + 1), false);
	set_engine(c, WO_ACTED_BY, Int64GetDatum(c->actor->id), c->actor->id == 0);
	set_engine(c, WO_UPDATED_AT, TimestampTzGetDatum(c->now), false);
	if (visits)
		set_engine(c, WO_ENTERED_AT, TimestampTzGetDatum(c->now), false);
	set_engine_text(c, WO_LAST_ACTION, action);
	set_engine_text(c, WO_LAST_NOTE, note);
	set_engine(c, WO_ACTION, (Datum) 0, true);
	set_engine(c, WO_NOTE, (Datum) 0, true);
	seal(c);
}

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
 * finish makes the tuple again from the row of the case.
 */
static HeapTuple
finish(const WoCase *c, HeapTuple tuple)
{
	HeapTuple	result = heap_form_tuple(c->binding->desc, c->row, c->row_null);

	result->t_data->t_ctid = tuple->t_data->t_ctid;
	result->t_self = tuple->t_self;
	result->t_tableOid = tuple->t_tableOid;
	return result;
}

/*
 * import_row takes a row as its owner loads it: history that happened
 * elsewhere.  Only what must not be null is filled in.
 */
static HeapTuple
import_row(TriggerData *trigdata, WoBinding *binding, WoRow *row)
{
	WoCase		c = {.binding = binding, .row = row->values, .row_null = row->nulls};
	AttrNumber	flow_att = binding->engine[WO_FLOW_ID];
	AttrNumber	created = binding->engine[WO_CREATED_AT];
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	char	   *state;

	if (wo_row_revision(binding, row) < WO_REVISION_BASE)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("revision of an imported row is negative"),
				 errdetail("A row whose history begins with the import has revision 0."),
				 errhint("Give the revision that the row had, or 0."),
				 errtablecol(trigdata->tg_relation, binding->engine[WO_REVISION])));
	c.flow = row->nulls[flow_att - 1] ? wo_flow_by_name(binding->flow_name) :
		wo_flow_by_id(DatumGetInt32(row->values[flow_att - 1]));
	if (c.flow == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("the imported row's flow does not exist"),
				 errdetail("The row must be on a version of flow \"%s\".", binding->flow_name),
				 errhint("Load workorder.flow first, or publish the flow."),
				 errtablecol(trigdata->tg_relation, flow_att)));
	set_engine(&c, WO_FLOW_ID, Int32GetDatum(c.flow->id), false);
	state = wo_row_text(binding, row, WO_STATE);
	if (state == NULL)
		set_engine_text(&c, WO_STATE, c.flow->states[wo_flow_initial(c.flow)].path);
	else
	{
		int			leaf = wo_flow_state(c.flow, state, strlen(state));

		if (leaf < 0 || !wo_flow_is_leaf(c.flow, leaf))
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("version %d of flow \"%s\" has no leaf \"%s\"",
							c.flow->version, c.flow->name, wo_shown(state)),
					 errdetail("An imported row must rest in a leaf of its flow."),
					 errhint("The view workorder.flow_state lists them."),
					 errtablecol(trigdata->tg_relation, binding->engine[WO_STATE])));
	}
	if (row->nulls[created - 1])
		set_engine(&c, WO_CREATED_AT, TimestampTzGetDatum(now), false);
	if (row->nulls[binding->engine[WO_ENTERED_AT] - 1])
		set_engine(&c, WO_ENTERED_AT, row->values[created - 1], false);
	if (row->nulls[binding->engine[WO_UPDATED_AT] - 1])
		set_engine(&c, WO_UPDATED_AT, row->values[created - 1], false);
	set_engine(&c, WO_ACTION, (Datum) 0, true);
	set_engine(&c, WO_NOTE, (Datum) 0, true);
	if (binding->overtaken)
		set_engine(&c, WO_DIGEST, PointerGetDatum(wo_row_seal(binding, row, WO_SEAL_IMPORT)), false);
	return finish(&c, trigdata->tg_trigtuple);
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
			return import_row(trigdata, binding, &row);
		refuse_engine_column(rel, binding->engine[WO_REVISION]);
	}

	if (row.nulls[binding->tenant - 1])
	{
		row.values[binding->tenant - 1] = Int64GetDatum(wo_actor_current()->tenant);
		row.nulls[binding->tenant - 1] = false;
	}
	wo_case_begin(&c, binding, NULL, &row);
	/* must be later than what an import may claim, see record.c */
	if (c.now <= GetCurrentTransactionStartTimestamp() && wo_now_text[0] == '\0')
		c.now = GetCurrentTransactionStartTimestamp() + 1;
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
	set_engine(&c, WO_FLOW_ID, Int32GetDatum(c.flow->id), false);
	set_engine_text(&c, WO_STATE, c.flow->states[c.leaf].path);
	set_engine(&c, WO_CREATOR_ID, Int64GetDatum(c.actor->id), c.actor->id == 0);
	set_engine(&c, WO_CREATED_AT, TimestampTzGetDatum(c.now), false);

	/* what a default or a sequence may have given is not held against anybody */
	changed = palloc0(sizeof(bool) * binding->desc->natts);
	for (int i = 0; i < binding->desc->natts; i++)
		changed[i] = binding->role_of[i] == WO_NENGINE && !row.nulls[i] &&
			!TupleDescAttr(binding->desc, i)->atthasdef &&
			TupleDescAttr(binding->desc, i)->attidentity == '\0';
	c.changed = changed;
	permit_or_refuse(&c, c.flow->action_create, &verdict);
	take(&c, c.flow->actions[c.flow->action_create], &verdict, note);
	return finish(&c, trigdata->tg_trigtuple);
}

/*
 * maintain takes an update as a superuser wrote it under workorder.maintenance
 * and has it journalled as such.
 */
static HeapTuple
maintain(TriggerData *trigdata, WoBinding *binding, const WoRow *old, WoRow *row)
{
	WoCase		c = {.binding = binding, .row = row->values, .row_null = row->nulls};
	const WoActor *actor = wo_actor_current();

	set_engine(&c, WO_REVISION, Int32GetDatum(Max(wo_row_revision(binding, old), 0) + 1), false);
	set_engine(&c, WO_ACTED_BY, Int64GetDatum(actor->id), actor->id == 0);
	set_engine(&c, WO_UPDATED_AT, TimestampTzGetDatum(wo_now()), false);
	set_engine_text(&c, WO_LAST_ACTION, WO_ACTION_MAINTENANCE);
	set_engine_text(&c, WO_LAST_NOTE, wo_row_text(binding, row, WO_NOTE));
	set_engine(&c, WO_ACTION, (Datum) 0, true);
	set_engine(&c, WO_NOTE, (Datum) 0, true);
	/* the repair may have to begin with the digest itself */
	set_engine(&c, WO_DIGEST, (Datum) 0, true);
	if (binding->overtaken)
		set_engine(&c, WO_DIGEST, PointerGetDatum(wo_row_seal(binding, row, WO_SEAL_ACT)), false);
	return finish(&c, trigdata->tg_newtuple);
}

/*
 * obey_clock carries out an order of the sweeper's.  A ticket for which no
 * guard holds is passed over: the row stays as it is.
 */
static HeapTuple
obey_clock(TriggerData *trigdata, WoBinding *binding, const char *action,
		   const WoRow *old, WoRow *row)
{
	WoCase		c;
	WoVerdict	verdict;
	const WoDelay *delay;

	wo_case_begin(&c, binding, old, row);
	delay = wo_timer_fired(binding->relation_id, action, c.flow, c.leaf);
	if (delay == NULL || !wo_permit_timer(&c, delay, &verdict))
		return NULL;
	take(&c, delay->action, &verdict, NULL);
	return finish(&c, trigdata->tg_newtuple);
}

/*
 * obey_migration carries out an order of workorder.migrate(): the ticket goes
 * to another version of its flow, where a new visit of its state begins.
 */
static HeapTuple
obey_migration(TriggerData *trigdata, WoBinding *binding, const WoRow *old, WoRow *row)
{
	const WoActor *actor = wo_actor_current();
	bool		own = wo_binding_tenant(binding, old) == actor->tenant && actor->id != 0;
	char	   *path = wo_row_text(binding, old, WO_STATE);
	int			leaf = path == NULL ? -1 : wo_migrate_state(wo_migration->to, wo_migration->map, path);
	AttrNumber	updated = binding->engine[WO_UPDATED_AT];
	WoCase		c = {
		.binding = binding, .flow = wo_migration->to, .actor = actor, .now = wo_now(),
		.old = old->values, .old_null = old->nulls, .row = row->values, .row_null = row->nulls
	};

	if (leaf < 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("a ticket has no place in version %d of flow \"%s\"", c.flow->version, c.flow->name),
				 errdetail("No state there stands for \"%s\".", path != NULL ? path : "null"),
				 errhint("Say where it belongs in state_map.")));
	if (!old->nulls[updated - 1])
		c.now = Max(c.now, DatumGetTimestampTz(old->values[updated - 1]));
	set_engine(&c, WO_FLOW_ID, Int32GetDatum(c.flow->id), false);
	set_engine_text(&c, WO_STATE, c.flow->states[leaf].path);
	set_engine_text(&c, WO_HISTORY, wo_migrate_history(c.flow, wo_migration->map, wo_row_text(binding, old, WO_HISTORY)));
	set_engine(&c, WO_VOTES, (Datum) 0, true);
	set_engine(&c, WO_REVISION, Int32GetDatum(Max(wo_row_revision(binding, old), 0) + 1), false);
	set_engine(&c, WO_ACTED_BY, Int64GetDatum(actor->id), !own);
	set_engine(&c, WO_ENTERED_AT, TimestampTzGetDatum(c.now), false);
	set_engine(&c, WO_UPDATED_AT, TimestampTzGetDatum(c.now), false);
	set_engine_text(&c, WO_LAST_ACTION, WO_ACTION_MIGRATE);
	set_engine_text(&c, WO_LAST_NOTE, NULL);
	set_engine(&c, WO_ACTION, (Datum) 0, true);
	set_engine(&c, WO_NOTE, (Datum) 0, true);
	seal(&c);
	if (++wo_migration->moved % 10000 == 0)
		ereport(NOTICE,
				(errmsg(INT64_FORMAT " of " INT64_FORMAT " tickets moved", wo_migration->moved, wo_migration->total)));
	return finish(&c, trigdata->tg_newtuple);
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
	if (wo_migration != NULL && wo_migration->relation_id == binding->relation_id &&
		meddled == InvalidAttrNumber && name != NULL && strcmp(name, WO_ACTION_MIGRATE) == 0 &&
		!old.nulls[binding->engine[WO_FLOW_ID] - 1] &&
		DatumGetInt32(old.values[binding->engine[WO_FLOW_ID] - 1]) == wo_migration->from)
		return obey_migration(trigdata, binding, &old, &row);
	if (wo_maintenance && wo_firing == NULL)
		return maintain(trigdata, binding, &old, &row);
	if (meddled != InvalidAttrNumber)
		refuse_engine_column(rel, meddled);
	if (wo_firing != NULL && wo_firing->relation_id == binding->relation_id && name != NULL &&
		strcmp(name, wo_firing->action) == 0)
		return obey_clock(trigdata, binding, name, &old, &row);

	state_changed = !wo_same(binding, binding->engine[WO_STATE], &old, &row);
	/* an update that orders nothing and changes nothing is not an act */
	if (name == NULL && !state_changed && !any_changed &&
		row.nulls[binding->engine[WO_NOTE] - 1])
		return trigdata->tg_newtuple;

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
		take(&c, order, &verdict, note);
		return finish(&c, trigdata->tg_newtuple);
	}
	if (name != NULL)
		action = find_action(&c, name);
	else if (state_changed)
	{
		char	   *wanted = wo_row_text(binding, &row, WO_STATE);

		if (wanted == NULL)
			refuse_engine_column(rel, binding->engine[WO_STATE]);
		/* judged as if the state had not been written yet */
		set_engine(&c, WO_STATE, old.values[binding->engine[WO_STATE] - 1], false);
		action = resolve_state(&c, wanted);
		set_engine_text(&c, WO_STATE, wanted);
	}
	else if (c.flow->action_update >= 0)
		action = c.flow->action_update;
	else
		wo_refuse(&c, wo_reason_unknown_action(c.flow, "update"));

	permit_or_refuse(&c, action, &verdict);
	take(&c, c.flow->actions[action], &verdict, note);
	return finish(&c, trigdata->tg_newtuple);
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
