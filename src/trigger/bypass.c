/*-------------------------------------------------------------------------
 *
 * bypass.c
 *	  Rows that are written without anybody's right to it being judged: those
 *	  that are imported, repaired, moved on by the clock, or migrated.
 *
 * The guard has found out before that the row's owner, a superuser under
 * workorder.maintenance, the sweeper or workorder.migrate() is at work, and
 * hands the row over; nobody else may call this.  What the engine keeps is
 * still filled in, checked and sealed as for any act (evaluation.c).  All memory is
 * the per-tuple context of the trigger manager.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "actor/actor.h"
#include "permit/approval.h"
#include "permit/evaluation.h"
#include "trigger/bypass.h"
#include "flow/flow.h"
#include "journal/entry.h"
#include "ticket/migrate.h"
#include "timer/timer.h"

/*
 * wo_import_row takes a row as its owner loads it: history that happened
 * elsewhere.  Only what must not be null is filled in, and the seal put in
 * place of the digest says that this is an import.  A digest of a line would be
 * that of another journal; the next act asks the one that is here.
 */
HeapTuple
wo_import_row(TriggerData *trigdata, WoBinding *binding, WoRow *row)
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
	(void) wo_row_next_revision(binding, row);
	c.flow = row->nulls[flow_att - 1] ? wo_flow_by_name(binding->flow_name) :
		wo_flow_by_id(DatumGetInt32(row->values[flow_att - 1]));
	if (c.flow == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("the imported row's flow does not exist"),
				 errdetail("The row must be on a version of flow \"%s\".", binding->flow_name),
				 errhint("Load workorder.flow first, or publish the flow."),
				 errtablecol(trigdata->tg_relation, flow_att)));
	wo_case_set(&c, WO_FLOW_ID, Int32GetDatum(c.flow->id), false);
	state = wo_row_text(binding, row, WO_STATE);
	if (state == NULL)
		wo_case_set_text(&c, WO_STATE, c.flow->states[wo_flow_initial(c.flow)].path);
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
		wo_case_set(&c, WO_CREATED_AT, TimestampTzGetDatum(now), false);
	if (row->nulls[binding->engine[WO_ENTERED_AT] - 1])
		wo_case_set(&c, WO_ENTERED_AT, row->values[created - 1], false);
	if (row->nulls[binding->engine[WO_UPDATED_AT] - 1])
		wo_case_set(&c, WO_UPDATED_AT, row->values[created - 1], false);
	wo_case_set(&c, WO_ACTION, (Datum) 0, true);
	wo_case_set(&c, WO_NOTE, (Datum) 0, true);
	wo_case_set(&c, WO_DIGEST, PointerGetDatum(wo_row_seal(binding, row, WO_SEAL_IMPORT)), false);
	return wo_case_finish(&c, trigdata->tg_trigtuple);
}

/*
 * wo_maintain takes an update as a superuser wrote it under
 * workorder.maintenance and has it journalled as such.
 */
HeapTuple
wo_maintain(TriggerData *trigdata, WoBinding *binding, const WoRow *old, WoRow *row)
{
	WoCase		c = {.binding = binding, .row = row->values, .row_null = row->nulls};
	const WoActor *actor = wo_actor_current();

	wo_case_set(&c, WO_REVISION, Int32GetDatum(wo_row_next_revision(binding, old)), false);
	wo_case_set(&c, WO_ACTED_BY, Int64GetDatum(actor->id), actor->id == 0);
	wo_case_set(&c, WO_UPDATED_AT, TimestampTzGetDatum(wo_now()), false);
	wo_case_set_text(&c, WO_LAST_ACTION, WO_ACTION_MAINTENANCE);
	wo_case_set_text(&c, WO_LAST_NOTE, wo_row_text(binding, row, WO_NOTE));
	wo_case_set(&c, WO_ACTION, (Datum) 0, true);
	wo_case_set(&c, WO_NOTE, (Datum) 0, true);
	/* the repair may have to begin with the digest itself */
	wo_case_set(&c, WO_DIGEST, (Datum) 0, true);
	if (binding->overtaken)
		wo_case_set(&c, WO_DIGEST, PointerGetDatum(wo_row_seal(binding, row, WO_SEAL_ACT)), false);
	return wo_case_finish(&c, trigdata->tg_newtuple);
}

/*
 * wo_obey_clock carries out an order of the sweeper's.  A ticket for which no
 * guard holds is passed over: the row stays as it is.
 */
HeapTuple
wo_obey_clock(TriggerData *trigdata, WoBinding *binding, const char *action,
			  const WoRow *old, WoRow *row)
{
	WoCase		c;
	WoVerdict	verdict;
	const WoDelay *delay;

	wo_case_begin(&c, binding, old, row);
	delay = wo_timer_fired(binding->relation_id, action, c.flow, c.leaf);
	if (delay == NULL || !wo_permit_timer(&c, delay, &verdict))
	{
		wo_firing->npassed_over++;
		return NULL;
	}
	wo_case_take(&c, delay->action, &verdict, NULL);
	return wo_case_finish(&c, trigdata->tg_newtuple);
}

/*
 * migrated_way returns the way that a ticket came, in the words of the other
 * version: states without a place there fall out of it.  NULL for none.
 */
static WoRound *
migrated_way(const WoBinding *binding, const WoRow *old)
{
	WoRound    *round = wo_round_of_row(binding, old);
	WoRound    *result;
	ListCell   *lc;

	if (round == NULL || round->trail == NIL)
		return NULL;
	result = palloc0(sizeof(WoRound));
	foreach(lc, round->trail)
	{
		const WoTrailStep *step = lfirst(lc);
		int			leaf = wo_migrate_state(wo_migration->to, wo_migration->map, step->state);
		WoTrailStep *moved;

		if (leaf < 0)
			continue;
		moved = palloc(sizeof(WoTrailStep));
		moved->state = wo_migration->to->states[leaf].path;
		moved->by = step->by;
		result->trail = lappend(result->trail, moved);
	}
	return result;
}

/*
 * wo_obey_migration carries out an order of workorder.migrate(): the ticket
 * goes to another version of its flow, where a new visit of its state begins.
 */
HeapTuple
wo_obey_migration(TriggerData *trigdata, WoBinding *binding, const WoRow *old, WoRow *row)
{
	const WoActor *actor = wo_actor_current();
	bool		own = wo_binding_tenant(binding, old) == actor->tenant && actor->id != 0;
	char	   *path = wo_row_text(binding, old, WO_STATE);
	int			leaf = path == NULL ? -1 : wo_migrate_state(wo_migration->to, wo_migration->map, path);
	AttrNumber	updated = binding->engine[WO_UPDATED_AT];
	WoActor		nobody = {.tenant = wo_binding_tenant(binding, old), .login = "", .name = ""};
	WoCase		c = {
		.binding = binding, .flow = wo_migration->to, .actor = own ? actor : &nobody, .now = wo_now(),
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
	wo_case_set(&c, WO_FLOW_ID, Int32GetDatum(c.flow->id), false);
	wo_case_set_text(&c, WO_HISTORY, wo_migrate_history(c.flow, wo_migration->map, wo_row_text(binding, old, WO_HISTORY)));
	wo_case_set(&c, WO_VOTES, (Datum) 0, true);
	if (c.flow->approving)
	{
		WoVerdict	verdict = {.complete = true};
		bool	   *nulls = memcpy(palloc(sizeof(bool) * binding->desc->natts), old->nulls,
								   sizeof(bool) * binding->desc->natts);
		WoReason   *refused;
		WoRound    *way;

		/* whoever has to decide is asked anew; what was asked before is of the other version, but not the way here */
		nulls[binding->engine[WO_VOTES] - 1] = true;
		way = migrated_way(binding, old);
		if (way != NULL)
			verdict.round = way;
		c.old_null = nulls;
		c.leaf = leaf;
		c.columns = wo_binding_columns(binding, c.flow);
		refused = wo_approval_follow(&c, WO_ACTION_MIGRATE, &verdict, &leaf, true);
		if (refused != NULL)
			wo_refuse(&c, refused);
		c.old_null = old->nulls;
	}
	wo_case_set_text(&c, WO_STATE, c.flow->states[leaf].path);
	wo_case_set(&c, WO_REVISION, Int32GetDatum(wo_row_next_revision(binding, old)), false);
	wo_case_set(&c, WO_ACTED_BY, Int64GetDatum(actor->id), !own);
	wo_case_set(&c, WO_ENTERED_AT, TimestampTzGetDatum(c.now), false);
	wo_case_set(&c, WO_UPDATED_AT, TimestampTzGetDatum(c.now), false);
	wo_case_set_text(&c, WO_LAST_ACTION, WO_ACTION_MIGRATE);
	wo_case_set_text(&c, WO_LAST_NOTE, NULL);
	wo_case_set(&c, WO_ACTION, (Datum) 0, true);
	wo_case_set(&c, WO_NOTE, (Datum) 0, true);
	wo_case_seal(&c);
	if (++wo_migration->moved % 10000 == 0)
		ereport(NOTICE,
				(errmsg(INT64_FORMAT " of " INT64_FORMAT " tickets moved", wo_migration->moved, wo_migration->total)));
	return wo_case_finish(&c, trigdata->tg_newtuple);
}
