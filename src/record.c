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
#include "timer.h"
#include "value.h"

PG_FUNCTION_INFO_V1(workorder_record_row);
PG_FUNCTION_INFO_V1(workorder_record_flush);

/* Engine columns that follow from the line itself and are not repeated in it. */
static bool
is_derived(WoEngineColumn column)
{
	switch (column)
	{
		case WO_STATE:
		case WO_REVISION:
		case WO_ACTED_BY:
		case WO_UPDATED_AT:
		case WO_ACTION:
		case WO_NOTE:
		case WO_LAST_ACTION:
		case WO_LAST_NOTE:
			return true;
		default:
			return false;
	}
}

/*
 * push_change adds "column": [old, new]; a NULL row stands for no row.
 */
static void
push_change(JsonbParseState **state, WoBinding *binding, AttrNumber attnum,
			const WoRow *old, const WoRow *row)
{
	Form_pg_attribute att = TupleDescAttr(binding->desc, attnum - 1);
	JsonbValue	v;
	const WoRow *sides[2] = {old, row};

	v.type = jbvString;
	v.val.string.val = NameStr(att->attname);
	v.val.string.len = strlen(NameStr(att->attname));
	pushJsonbValue(state, WJB_KEY, &v);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < 2; i++)
	{
		if (sides[i] == NULL || sides[i]->nulls[attnum - 1])
		{
			v.type = jbvNull;
			pushJsonbValue(state, WJB_ELEM, &v);
		}
		else
		{
			wo_value_to_json(att->atttypid, sides[i]->values[attnum - 1], false, &v);
			wo_push_value(state, WJB_ELEM, &v);
		}
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/*
 * changes_between builds the line's column diff, NULL if nothing differs.
 * With whole, engine columns that the line implies are written out too: the
 * line opens or repairs a history, so nothing before it implies them.
 */
static Jsonb *
changes_between(WoBinding *binding, const WoRow *old, const WoRow *row, bool whole)
{
	JsonbParseState *state = NULL;
	AttrNumber	entered = binding->engine[WO_ENTERED_AT];
	bool		any = false;

	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
	{
		const WoRow *side = row != NULL ? row : old;

		if (TupleDescAttr(binding->desc, attnum - 1)->attisdropped || WoIsKey(binding, attnum))
			continue;
		if (old != NULL && row != NULL ? wo_same(binding, attnum, old, row) : side->nulls[attnum - 1])
			continue;
		if (!whole && WoIsEngine(binding, attnum))
		{
			/* a ticket that is gone has no engine columns left to speak of */
			if (row == NULL || is_derived(binding->role_of[attnum - 1]))
				continue;
			/* a new state is entered at the time of the act */
			if (attnum == entered &&
				(old == NULL || !wo_same(binding, binding->engine[WO_STATE], old, row)))
				continue;
		}
		if (!any)
			pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		any = true;
		push_change(&state, binding, attnum, old, row);
	}
	return any ? JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)) : NULL;
}

static int64
engine_int64(WoBinding *binding, const WoRow *row, WoEngineColumn column)
{
	AttrNumber	attnum = binding->engine[column];

	return row->nulls[attnum - 1] ? 0 : DatumGetInt64(row->values[attnum - 1]);
}

/*
 * line_for fills in what every line has.
 */
static void
line_for(WoJournalLine *line, WoBinding *binding, const WoRow *row)
{
	memset(line, 0, sizeof(*line));
	line->tenant = wo_binding_tenant(binding, row);
	line->relation = binding->relation_id;
	line->ticket = wo_binding_id(binding, row->values);
	line->revision = wo_row_revision(binding, row);
	line->at = engine_int64(binding, row, WO_UPDATED_AT);
	line->actor = engine_int64(binding, row, WO_ACTED_BY);
	line->action = wo_row_text(binding, row, WO_LAST_ACTION);
	line->note = wo_row_text(binding, row, WO_LAST_NOTE);
	line->to_state = wo_row_text(binding, row, WO_STATE);
}

/*
 * append writes a line.  A row that was there before its first act has no
 * line to chain to: its history is opened with a picture of it.
 */
static void
append(WoBinding *binding, WoJournalLine *line, const WoRow *old, bool together)
{
	uint8		previous[WO_DIGEST_LENGTH];
	bool		found = wo_journal_previous(line, previous);

	if (old == NULL && found)
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("ticket number " INT64_FORMAT " was used before", line->ticket),
				 errdetail("The journal keeps the history of the ticket that had it."),
				 errhint("Let the identity column choose the number.")));
	if (old != NULL && !found)
	{
		WoJournalLine base;

		line_for(&base, binding, old);
		base.revision = line->revision - 1;
		base.action = WO_ACTION_IMPORT;
		base.note = NULL;
		base.from_state = NULL;
		base.changes = changes_between(binding, NULL, old, true);
		wo_journal_append(&base, NULL, true);
		memcpy(previous, base.digest, WO_DIGEST_LENGTH);
		found = true;
	}
	wo_journal_append(line, found ? previous : NULL, together);
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
	if (engine_int64(binding, row, WO_ACTED_BY) != actor->id)
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
		updated = engine_int64(binding, &row, WO_UPDATED_AT);

		/*
		 * An imported row keeps the history it had.  What the guard has begun
		 * has revision 1 and a time after the start of this transaction (or
		 * the fixed clock's), which a row with a past does not have.
		 */
		if (wo_row_revision(binding, &row) != 1 ||
			(wo_now_text[0] == '\0' ? updated <= GetCurrentTransactionStartTimestamp() :
			 updated != wo_now()))
			return PointerGetDatum(NULL);
		line_for(&line, binding, &row);
		line.changes = changes_between(binding, NULL, &row, false);
		append(binding, &line, NULL, together);
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
		line_for(&line, binding, &row);
		line.from_state = wo_row_text(binding, &old, WO_STATE);
		line.changes = changes_between(binding, &old, &row, false);
		append(binding, &line, &old, together);
		wo_timer_follow(binding, &old, &row);
	}
	else
	{
		const WoActor *actor = wo_actor_current();

		old = wo_row(binding, trigdata->tg_trigtuple);
		line_for(&line, binding, &old);
		line.revision++;
		line.at = Max(wo_now(), line.at);
		line.actor = actor->id;
		line.action = "delete";
		line.note = wo_maintenance ? WO_ACTION_MAINTENANCE : NULL;
		line.from_state = line.to_state;
		line.to_state = NULL;
		line.changes = changes_between(binding, &old, NULL, false);
		append(binding, &line, &old, together);
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
