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
 * Totals follow every row, imported ones too (state_count.c); events follow every
 * line (outbox.c).
 *
 * All memory is the per-tuple context of the trigger manager.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "actor/actor.h"
#include "permit/approval.h"
#include "row/binding.h"
#include "permit/evaluation.h"
#include "flow/flow.h"
#include "journal/journal.h"
#include "journal/entry.h"
#include "journal/outbox.h"
#include "journal/state_count.h"
#include "timer/timer.h"
#include "utils/value.h"

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
	wo_outbox_append(binding, line);
}

/*
 * count tells the tally which state the row has left, and which it has
 * entered.
 */
static void
count(const WoBinding *binding, const WoRow *old, const WoRow *row)
{
	if (binding->counted)
		wo_tally_move(binding, wo_binding_tenant(binding, row != NULL ? row : old),
					  old != NULL ? wo_row_text(binding, old, WO_STATE) : NULL,
					  row != NULL ? wo_row_text(binding, row, WO_STATE) : NULL);
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
	bytea	   *expected = wo_row_seal(binding, row, kind);
	struct varlena *seal;

	if (row->nulls[attnum - 1])
		return false;
	seal = PG_DETOAST_DATUM_PACKED(row->values[attnum - 1]);
	return VARSIZE_ANY_EXHDR(seal) == WO_SEAL_LENGTH &&
		memcmp(VARDATA_ANY(seal), VARDATA(expected), WO_SEAL_LENGTH) == 0;
}

/*
 * check_overtaken makes sure that triggers which fire after the guard have
 * kept to the user's columns, and that the action still allows what they did
 * there.  old is NULL for a new row.
 */
static void
check_overtaken(TriggerData *trigdata, WoBinding *binding, WoKind kind, const WoRow *old, const WoRow *row)
{
	bool	   *changed = palloc0(sizeof(bool) * binding->desc->natts);
	WoRow		again = *row;
	WoCase		c;
	WoVerdict	verdict;

	if (!is_sealed(binding, row, kind == WO_KIND_IMPORT ? WO_SEAL_IMPORT : WO_SEAL_ACT))
		refuse_meddling(trigdata, "an engine column was changed");
	if (kind != WO_KIND_CREATE && kind != WO_KIND_ACT)
		return;
	wo_case_begin(&c, binding, old, &again);
	c.has_note = !row->nulls[binding->engine[WO_LAST_NOTE] - 1];
	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
		changed[attnum - 1] = old != NULL && binding->role_of[attnum - 1] == WO_NENGINE &&
			!wo_same(binding, attnum, old, row);
	c.changed = changed;
	if (wo_task_is_order(wo_row_text(binding, row, WO_LAST_ACTION)))
	{
		for (int i = 0; i < binding->desc->natts; i++)
			if (changed[i])
				refuse_meddling(trigdata, "a column was changed by an order that changes none");
		return;
	}
	if (!wo_permit(&c, wo_flow_action(c.flow, wo_row_text(binding, row, WO_LAST_ACTION)), false, &verdict))
		wo_refuse(&c, linitial(verdict.reasons));
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
	WoKind		kind;
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
		row = wo_row(binding, trigdata->tg_trigtuple);
		kind = wo_row_kind(binding, NULL, &row);
		count(binding, NULL, &row);
		if (binding->overtaken)
			check_overtaken(trigdata, binding, kind, NULL, &row);
		if (kind == WO_KIND_IMPORT)
			return PointerGetDatum(NULL);
		wo_line_for_sealed(&line, binding, NULL, &row);
		append(binding, &line, NULL, &row, together);
		wo_timer_follow(binding, NULL, &row);
		wo_task_follow(binding, NULL, &row);
	}
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		old = wo_row(binding, trigdata->tg_trigtuple);
		row = wo_row(binding, trigdata->tg_newtuple);
		kind = wo_row_kind(binding, &old, &row);
		if (kind == WO_KIND_NONE)
		{
			/* the guard let it pass because it changed nothing */
			for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
				if ((WoIsTold(binding, attnum) || WoIsKey(binding, attnum)) &&
					!wo_same(binding, attnum, &old, &row))
					refuse_meddling(trigdata, "a column was changed");
			return PointerGetDatum(NULL);
		}
		if (wo_row_revision(binding, &row) != Max(wo_row_revision(binding, &old), 0) + 1)
			refuse_meddling(trigdata, "the revision was changed");
		if (binding->overtaken)
			check_overtaken(trigdata, binding, kind, &old, &row);
		wo_line_for_sealed(&line, binding, &old, &row);
		append(binding, &line, &old, &row, together);
		count(binding, &old, &row);
		wo_timer_follow(binding, &old, &row);
		wo_task_follow(binding, &old, &row);
	}
	else
	{
		const WoActor *actor = wo_actor_current();

		old = wo_row(binding, trigdata->tg_trigtuple);
		wo_line_for_change(&line, binding, &old, NULL);
		line.at = Max(wo_now(), line.at);
		line.actor = actor->id;
		/* no row is left to say so */
		line.note = wo_maintenance ? WO_ACTION_MAINTENANCE : NULL;
		append(binding, &line, &old, NULL, together);
		count(binding, &old, NULL);
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
	wo_line_forget();
	wo_journal_flush();
	wo_outbox_flush();
	wo_tally_flush(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
