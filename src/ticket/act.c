/*-------------------------------------------------------------------------
 *
 * act.c
 *	  What people call: act, can, explain, actions, visible.
 *
 * The questions put the same to permit.c that the guard will put when
 * the action is taken, so the answer is what will happen, as long as nobody
 * changes the ticket in between.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/tuplestore.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "permit/evaluation.h"
#include "permit/permit.h"
#include "permit/reason.h"
#include "permit/task_command.h"
#include "row/binding.h"
#include "ticket/act.h"
#include "ticket/ticket.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_act);
PG_FUNCTION_INFO_V1(workorder_can);
PG_FUNCTION_INFO_V1(workorder_explain);
PG_FUNCTION_INFO_V1(workorder_actions);
PG_FUNCTION_INFO_V1(workorder_engine_values);
PG_FUNCTION_INFO_V1(workorder_visible);

#define ARGUMENTS	"Give the table, the ticket's number and the action."

/*
 * wo_act_need_argument refuses null for an argument that must be given.
 */
void
wo_act_need_argument(FunctionCallInfo fcinfo, int argument, const char *name, const char *hint)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("argument \"%s\" is missing", name),
				 errdetail("It must not be null."),
				 errhint("%s", hint)));
}

/*
 * A question about one ticket.
 */
typedef struct Question
{
	Relation	rel;
	WoBinding  *binding;
	WoRow		old;
	WoRow		row;
	WoEvaluation		c;
} Question;

/*
 * begin_question opens the table, finds the ticket and sets up the case with
 * the note and the changes that the action would be given.
 */
static void
begin_question(Question *q, Oid relid, WoTicketId id, text *note, Jsonb *changes)
{
	HeapTuple	tuple;
	bool	   *changed;

	q->rel = wo_binding_open(relid, AccessShareLock, &q->binding);
	tuple = wo_ticket_find(q->rel, q->binding, id);
	if (tuple == NULL)
		wo_ticket_not_found(q->rel, id);
	q->old = wo_binding_row(q->binding, tuple);
	q->row = wo_binding_row(q->binding, tuple);
	changed = palloc0(sizeof(bool) * q->binding->desc->natts);
	wo_ticket_apply(q->rel, q->binding, changes, &q->row, changed);
	wo_evaluation_begin(&q->c, q->binding, &q->old, &q->row);
	q->c.changed = changed;
	q->c.has_note = note != NULL && !wo_value_blank(TEXTOID, PointerGetDatum(note), false);
}

/*
 * judge answers for one action; reasons are all of them if explain.
 */
static bool
judge(Question *q, const char *name, bool explain, List **reasons)
{
	int			action = wo_flow_action(q->c.flow, name);
	WoVerdict	verdict;
	bool		allowed;

	if (action < 0 && q->c.flow->approving && wo_task_command_is_one(name))
	{
		const WoReason *why = wo_task_command_judge(&q->c, name, &verdict);

		*reasons = why == NULL ? NIL : list_make1((WoReason *) why);
		return why == NULL;
	}
	if (action < 0)
	{
		*reasons = list_make1(wo_reason_unknown_action(q->c.flow, name));
		return false;
	}
	if (action == q->c.flow->action_create)
	{
		*reasons = list_make1(wo_reason_created_already());
		return false;
	}
	allowed = wo_permit(&q->c, action, explain, &verdict);
	*reasons = verdict.reasons;
	return allowed;
}

/*
 * The arguments that act, can and explain share.
 */
static void
check_arguments(FunctionCallInfo fcinfo)
{
	wo_act_need_argument(fcinfo, 0, "relation", ARGUMENTS);
	wo_act_need_argument(fcinfo, 1, "id", ARGUMENTS);
	wo_act_need_argument(fcinfo, 2, "action", ARGUMENTS);
}

/*
 * act(relation, id, action, note, changes, expect_revision) takes an action.
 */
Datum
workorder_act(PG_FUNCTION_ARGS)
{
	WoActRequest		request = {.expect_revision = -1};
	WoBinding  *binding;
	Relation	rel;
	TupleDesc	desc;
	int			revision;
	char	   *state;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	check_arguments(fcinfo);
	request.action = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (!PG_ARGISNULL(3))
		request.note = text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (!PG_ARGISNULL(4))
		request.changes = PG_GETARG_JSONB_P(4);
	if (!PG_ARGISNULL(5))
		request.expect_revision = Max(PG_GETARG_INT32(5), 0);

	rel = wo_binding_open(PG_GETARG_OID(0), RowExclusiveLock, &binding);
	wo_ticket_move(rel, binding, DatumGetTicketId(PG_GETARG_DATUM(1)), &request, &revision, &state);
	table_close(rel, NoLock);

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int32GetDatum(revision);
	values[1] = CStringGetTextDatum(state);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * can(relation, id, action, note, changes) tells whether act() would succeed.
 */
Datum
workorder_can(PG_FUNCTION_ARGS)
{
	Question	q;
	List	   *reasons;
	bool		allowed;

	check_arguments(fcinfo);
	begin_question(&q, PG_GETARG_OID(0), DatumGetTicketId(PG_GETARG_DATUM(1)),
				   PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3),
				   PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4));
	allowed = judge(&q, text_to_cstring(PG_GETARG_TEXT_PP(2)), false, &reasons);
	table_close(q.rel, NoLock);
	PG_RETURN_BOOL(allowed);
}

/*
 * explain(relation, id, action, note, changes) lists every failing reason.
 */
Datum
workorder_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Question	q;
	List	   *reasons;
	ListCell   *lc;

	check_arguments(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	begin_question(&q, PG_GETARG_OID(0), DatumGetTicketId(PG_GETARG_DATUM(1)),
				   PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3),
				   PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4));
	(void) judge(&q, text_to_cstring(PG_GETARG_TEXT_PP(2)), true, &reasons);
	foreach(lc, reasons)
	{
		WoReason   *r = lfirst(lc);
		Datum		values[4];
		bool		nulls[4] = {false, false, false, false};

		values[0] = CStringGetTextDatum(r->code);
		values[1] = CStringGetTextDatum(r->message);
		values[2] = CStringGetTextDatum(r->detail);
		values[3] = CStringGetTextDatum(r->hint);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	table_close(q.rel, NoLock);
	return (Datum) 0;
}

/*
 * text_array makes a text[] of C strings.
 */
static Datum
text_array(List *strings)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(strings), 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, strings)
		elements[n++] = CStringGetTextDatum((char *) lfirst(lc));
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * actions(relation, id) lists what may be done with a ticket now.
 */
Datum
workorder_actions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Question	q;
	ListCell   *name;

	wo_act_need_argument(fcinfo, 0, "relation", ARGUMENTS);
	wo_act_need_argument(fcinfo, 1, "id", ARGUMENTS);
	InitMaterializedSRF(fcinfo, 0);
	begin_question(&q, PG_GETARG_OID(0), DatumGetTicketId(PG_GETARG_DATUM(1)), NULL, NULL);
	foreach(name, wo_permit_possible(&q.c))
	{
		int			action = wo_flow_action(q.c.flow, lfirst(name));
		WoVerdict	verdict;
		List	   *needs = NIL;
		List	   *why = NIL;
		ListCell   *lc;
		Datum		values[5];
		bool		nulls[5] = {false, false, false, false, false};

		CHECK_FOR_INTERRUPTS();
		(void) wo_permit(&q.c, action, true, &verdict);
		foreach(lc, verdict.reasons)
		{
			WoReason   *r = lfirst(lc);

			if (r->input)
				needs = lappend(needs, (char *) r->column);
			else
				why = lappend(why, (char *) r->message);
		}
		values[0] = CStringGetTextDatum(lfirst(name));
		if (verdict.taken != NULL && verdict.taken->target >= 0)
			values[1] = CStringGetTextDatum(q.c.flow->states[wo_permit_leads_to(&q.c, &verdict)].path);
		else
			nulls[1] = true;
		values[2] = BoolGetDatum(verdict.taken != NULL && why == NIL);
		values[3] = text_array(needs);
		values[4] = text_array(why);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	table_close(q.rel, NoLock);
	return (Datum) 0;
}

/*
 * wo_act_require raises the reason if the caller could not take an action on a
 * ticket, whatever else the action needs.  Returns what the journal calls the
 * table.
 */
int
wo_act_require(Oid relid, WoTicketId id, const char *action)
{
	Question	q;
	List	   *reasons;
	ListCell   *lc;

	begin_question(&q, relid, id, NULL, NULL);
	(void) judge(&q, action, true, &reasons);
	foreach(lc, reasons)
		if (!((WoReason *) lfirst(lc))->input)
			wo_reason_raise(&q.c, lfirst(lc));
	table_close(q.rel, NoLock);
	return q.binding->guarded_id;
}

/*
 * engine_values(relation, id) returns the engine's columns of a ticket under their
 * own names, whatever the table calls them.  The request slots, which are empty
 * at rest, and the digest are left out.
 */
Datum
workorder_engine_values(PG_FUNCTION_ARGS)
{
	static const WoEngineColumn shown[] = {
		WO_FLOW_ID, WO_STATE, WO_HISTORY, WO_VOTES, WO_REVISION, WO_CREATOR_ID, WO_ACTED_BY,
		WO_CREATED_AT, WO_ENTERED_AT, WO_UPDATED_AT, WO_LAST_ACTION, WO_LAST_NOTE
	};
	Datum		values[lengthof(shown)];
	bool		nulls[lengthof(shown)];
	Question	q;
	TupleDesc	desc;

	wo_act_need_argument(fcinfo, 0, "relation", ARGUMENTS);
	wo_act_need_argument(fcinfo, 1, "id", ARGUMENTS);
	begin_question(&q, PG_GETARG_OID(0), DatumGetTicketId(PG_GETARG_DATUM(1)), NULL, NULL);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (int i = 0; i < lengthof(shown); i++)
	{
		AttrNumber	attnum = q.binding->engine[shown[i]];

		values[i] = q.old.values[attnum - 1];
		nulls[i] = q.old.nulls[attnum - 1];
	}
	table_close(q.rel, NoLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * wo_act_visible tells whether the caller may see a ticket and all of its columns,
 * for the journal tells of them.  Of one that is gone only the owner of its
 * table knows.
 */
bool
wo_act_visible(Oid relid, WoTicketId id)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	bool		visible;

	if (rel == NULL)
		return superuser();
	if (wo_owns_relation(relid, GetUserId()))
		visible = true;
	else if (!wo_ticket_may_read(relid))
		visible = false;
	else
	{
		/* what was unguarded shows its history to the owner only */
		WoBinding  *binding = wo_binding_if_guarded(rel);

		visible = binding != NULL && wo_ticket_find(rel, binding, id) != NULL;
	}
	relation_close(rel, AccessShareLock);
	return visible;
}

Datum
workorder_visible(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(wo_act_visible(PG_GETARG_OID(0), DatumGetTicketId(PG_GETARG_DATUM(1))));
}

WO_BY_KEY(workorder_act, false)

WO_BY_KEY(workorder_actions, false)

WO_BY_KEY(workorder_can, false)

WO_BY_KEY(workorder_engine_values, false)

WO_BY_KEY(workorder_explain, false)

WO_BY_KEY(workorder_visible, true)
