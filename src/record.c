/*-------------------------------------------------------------------------
 *
 * record.c
 *	  The AFTER triggers of guarded tables: what happened is journalled.
 *
 * The AFTER ROW trigger sees the row as it was stored.  It makes sure that no
 * trigger of the user's has changed after the guard what the engine keeps,
 * works out which columns changed, and appends the journal line.  Lines of one
 * statement are written together by the AFTER STATEMENT trigger, unless the
 * row is in a partition, where the statement trigger belongs to the parent.
 *
 * All memory is the per-tuple context of the trigger manager.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "actor.h"
#include "binding.h"
#include "flow.h"
#include "guard.h"
#include "journal.h"
#include "line.h"
#include "timer.h"
#include "value.h"

PG_FUNCTION_INFO_V1(workorder_record_row);
PG_FUNCTION_INFO_V1(workorder_record_flush);

/*
 * append writes a line, and before it the one that opens the history of a row
 * which was there before.
 */
static void
append(WoBinding *binding, WoJournalLine *line, const WoRow *old, const WoRow *row, bool together)
{
	const uint8 *sealed = row != NULL ? wo_row_digest(binding, row) : NULL;

	if (sealed != NULL && (old == NULL || wo_row_digest(binding, old) != NULL))
		memcpy(line->digest, sealed, WO_DIGEST_LENGTH);
	else
	{
		WoJournalLine base;

		wo_journal_seal(line, binding, old, &base);
		if (base.action != NULL)
			wo_journal_append(&base, true);
	}
	wo_journal_append(line, together);
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
 * check_update makes sure that the stored row is one the guard can have made.
 */
static void
check_update(TriggerData *trigdata, WoBinding *binding, const WoRow *old, const WoRow *row)
{
	static const WoEngineColumn fixed[] = {WO_FLOW_ID, WO_CREATOR_ID, WO_CREATED_AT};
	char	   *from = wo_row_text(binding, old, WO_STATE);
	char	   *to = wo_row_text(binding, row, WO_STATE);
	char	   *action = wo_row_text(binding, row, WO_LAST_ACTION);
	AttrNumber	acted_by = binding->engine[WO_ACTED_BY];
	const WoActor *actor = wo_actor_current();
	const WoFlow *flow;
	int			act;

	for (int i = 0; i < lengthof(fixed); i++)
		if (!wo_same(binding, binding->engine[fixed[i]], old, row))
			refuse_meddling(trigdata, "a column that never changes was changed");
	if (!wo_same(binding, binding->tenant, old, row) || !wo_same(binding, binding->id, old, row))
		refuse_meddling(trigdata, "the ticket's key was changed");
	if (!row->nulls[binding->engine[WO_ACTION] - 1] || !row->nulls[binding->engine[WO_NOTE] - 1])
		refuse_meddling(trigdata, "an order was written that nobody has carried out");
	if (wo_row_revision(binding, row) != Max(wo_row_revision(binding, old), 0) + 1)
		refuse_meddling(trigdata, "the revision was changed");
	if ((row->nulls[acted_by - 1] ? 0 : DatumGetInt64(row->values[acted_by - 1])) != actor->id)
		refuse_meddling(trigdata, "somebody else was named as the actor");

	flow = wo_flow_by_id(DatumGetInt32(row->values[binding->engine[WO_FLOW_ID] - 1]));
	act = flow != NULL && action != NULL ? wo_flow_action(flow, action) : -1;
	if (act < 0 || from == NULL || to == NULL)
		refuse_meddling(trigdata, "the action or the state was taken away");

	if (binding->overtaken)
	{
		/* somebody had the chance: judge the stored row once more */
		WoCase		c;
		WoVerdict	verdict;
		bool	   *changed = palloc0(sizeof(bool) * binding->desc->natts);
		WoRow		again = *row;

		for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
			changed[attnum - 1] = !WoIsEngine(binding, attnum) && !wo_same(binding, attnum, old, row);
		wo_case_begin(&c, binding, old, &again);
		c.has_note = !row->nulls[binding->engine[WO_LAST_NOTE] - 1];
		if (!wo_permit(&c, act, false, &verdict) ||
			strcmp(flow->states[verdict.complete ? wo_permit_target(&c, verdict.taken) : c.leaf].path, to) != 0)
			refuse_meddling(trigdata, "the state was changed");
	}
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
	WoJournalLine line;
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
		TimestampTz updated;

		row = wo_row(binding, trigdata->tg_trigtuple);
		updated = row.nulls[binding->engine[WO_UPDATED_AT] - 1] ? 0 :
			DatumGetTimestampTz(row.values[binding->engine[WO_UPDATED_AT] - 1]);

		/*
		 * An imported row keeps the history it had.  What the guard has begun
		 * has revision 1 and a time after the start of this transaction (or
		 * the fixed clock's), which a row with a past does not have.
		 */
		if (wo_row_revision(binding, &row) != 1 ||
			(wo_now_text[0] == '\0' ? updated <= GetCurrentTransactionStartTimestamp() :
			 updated != wo_now()))
			return PointerGetDatum(NULL);
		wo_line_for_change(&line, binding, NULL, &row);
		append(binding, &line, NULL, &row, together);
		wo_timer_follow(binding, NULL, &row);
	}
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		bool		repair;

		old = wo_row(binding, trigdata->tg_trigtuple);
		row = wo_row(binding, trigdata->tg_newtuple);
		if (wo_row_revision(binding, &old) == wo_row_revision(binding, &row))
		{
			/* the guard let it pass because it changed nothing */
			for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
				if (!wo_same(binding, attnum, &old, &row))
					refuse_meddling(trigdata, "a column was changed");
			return PointerGetDatum(NULL);
		}
		repair = wo_maintenance;
		if (!repair)
			check_update(trigdata, binding, &old, &row);
		wo_line_for_change(&line, binding, &old, &row);
		append(binding, &line, &old, &row, together);
		wo_timer_follow(binding, &old, &row);
	}
	else
	{
		const WoActor *actor = wo_actor_current();

		old = wo_row(binding, trigdata->tg_trigtuple);
		wo_line_for_change(&line, binding, &old, NULL);
		line.at = Max(wo_now(), line.at);
		line.actor = actor->id;
		line.note = wo_maintenance ? WO_ACTION_MAINTENANCE : NULL;
		append(binding, &line, &old, NULL, together);
		wo_timer_follow(binding, &old, NULL);
	}
	return PointerGetDatum(NULL);
}

/*
 * workorder_record_flush is the AFTER STATEMENT trigger: the lines of the
 * statement go into the journal together.
 */
Datum
workorder_record_flush(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("workorder.record_flush() is a trigger"),
				 errhint("Let workorder.guard() make the trigger.")));
	wo_journal_flush();
	return PointerGetDatum(NULL);
}
