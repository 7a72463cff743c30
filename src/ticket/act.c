/*-------------------------------------------------------------------------
 *
 * act.c
 *	  What people call: act, can, explain, actions, visible; and permitted, which
 *	  asks the same of many tickets.
 *
 * The questions put the same to permit.c that the guard will put when
 * the action is taken, so the answer is what will happen, as long as nobody
 * changes the ticket in between.
 *
 * permitted() asks what actions() asks, of many tickets in one call and
 * without reasons.  It can judge the actor in part of their capacity only: with
 * some of their roles, and as party to some of the relation columns.  That never
 * makes anything possible which all of it would not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "actor/actor.h"
#include "actor/tenant.h"
#include "flow/flow.h"
#include "permit/evaluation.h"
#include "permit/permit.h"
#include "permit/reason.h"
#include "permit/task.h"
#include "row/binding.h"
#include "ticket/act.h"
#include "ticket/ticket.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

/* ----------------------------------------------------------------
 *		one ticket
 * ----------------------------------------------------------------
 */

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

/* ----------------------------------------------------------------
 *		many tickets
 * ----------------------------------------------------------------
 */

/* The capacity to which a question is limited. */
typedef struct Capacity
{
	bool		limited;
	WoActor		actor;			/* with the roles that count */
	List	   *columns;		/* names of the relation columns that count */
} Capacity;

PG_FUNCTION_INFO_V1(workorder_permitted);
PG_FUNCTION_INFO_V1(workorder_taken);

/*
 * read_array takes an array apart; elements that are null are refused.
 */
static Datum *
read_array(FunctionCallInfo fcinfo, int argument, const char *name, Oid type, int *n)
{
	Datum	   *elements;
	bool	   *nulls;

	if (!PG_ARGISNULL(argument))
	{
		ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);
		bool		by_value = type == INT8OID ? FLOAT8PASSBYVAL : false;

		deconstruct_array(array, type, type == INT8OID ? sizeof(int64) : -1, by_value,
						  type == INT8OID ? TYPALIGN_DOUBLE : TYPALIGN_INT, &elements, &nulls, n);
		if (!array_contains_nulls(array))
			return elements;
	}
	ereport(ERROR,
			(errcode(ERRCODE_WO_INVALID),
			 errmsg("argument \"%s\" is missing", name),
			 errdetail("Neither it nor an element of it may be null."),
			 errhint("Give the table, the tickets' numbers and the actions.")));
}

/*
 * limit_capacity reads which of the actor's roles and relations count: as
 * "allow" of a flow writes them.
 */
static void
limit_capacity(Capacity *capacity, Datum *terms, int n)
{
	const WoActor *actor = wo_actor_current();

	capacity->limited = true;
	capacity->actor = *actor;
	capacity->actor.nroles = 0;
	capacity->actor.roles = palloc(sizeof(char *) * Max(actor->nroles, 1));
	capacity->columns = NIL;
	for (int i = 0; i < n; i++)
	{
		char	   *term = TextDatumGetCString(terms[i]);

		if (term[0] == '$')
			capacity->columns = lappend(capacity->columns, term + 1);
	}
	/* in the order of the actor's own, which are sorted */
	for (int r = 0; r < actor->nroles; r++)
		for (int i = 0; i < n; i++)
			if (strcmp(actor->roles[r], TextDatumGetCString(terms[i])) == 0)
			{
				capacity->actor.roles[capacity->actor.nroles++] = actor->roles[r];
				break;
			}
}

/*
 * judge_ticket returns those of the actions that the caller may take.
 */
static ArrayType *
judge_ticket(WoBinding *binding, HeapTuple tuple, Capacity *capacity,
			 Datum *names, char **actions, int n)
{
	WoRow		row = wo_binding_row(binding, tuple);
	Datum	   *allowed = palloc(sizeof(Datum) * Max(n, 1));
	int			nallowed = 0;
	WoEvaluation		c;

	wo_evaluation_begin(&c, binding, &row, &row);
	c.quiet = true;
	if (capacity->limited)
	{
		c.actor = &capacity->actor;
		c.restricted = true;
		c.relation_columns = capacity->columns;
	}
	for (int i = 0; i < n; i++)
	{
		int			action = wo_flow_action(c.flow, actions[i]);
		WoVerdict	verdict;

		if (action >= 0 && action != c.flow->action_create && wo_permit(&c, action, false, &verdict))
			allowed[nallowed++] = names[i];
	}
	return construct_array(allowed, nallowed, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * permitted(relation, ids, actions, capacity) tells of each ticket that the
 * caller sees which of the actions they may take.
 */
Datum
workorder_permitted(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Capacity	capacity = {.limited = false};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext each;
	WoBinding  *binding;
	Relation	rel;
	Datum	   *ids;
	Datum	   *names;
	char	  **actions;
	int			nids;
	int			nactions;

	wo_act_need_argument(fcinfo, 0, "relation", "Give the table, the tickets' numbers and the actions.");
	ids = read_array(fcinfo, 1, "ids", INT8OID, &nids);
	names = read_array(fcinfo, 2, "actions", TEXTOID, &nactions);
	actions = palloc(sizeof(char *) * Max(nactions, 1));
	for (int i = 0; i < nactions; i++)
		actions[i] = TextDatumGetCString(names[i]);

	InitMaterializedSRF(fcinfo, 0);
	rel = wo_binding_open(PG_GETARG_OID(0), AccessShareLock, &binding);
	if (!PG_ARGISNULL(3))
	{
		int			nterms;
		Datum	   *terms = read_array(fcinfo, 3, "capacity", TEXTOID, &nterms);

		limit_capacity(&capacity, terms, nterms);
	}

	each = AllocSetContextCreate(caller, "workorder permitted", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(each);
	for (int i = 0; i < nids; i++)
	{
		HeapTuple	tuple;
		Datum		values[2];
		bool		nulls[2] = {false, false};

		CHECK_FOR_INTERRUPTS();
		tuple = wo_ticket_find(rel, binding, DatumGetTicketId(ids[i]));
		if (tuple != NULL)
		{
			values[0] = ids[i];
			values[1] = PointerGetDatum(judge_ticket(binding, tuple, &capacity, names, actions, nactions));
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(each);
	table_close(rel, NoLock);
	return (Datum) 0;
}

/*
 * is_key tells whether a unique key of the table is the tenant and this column.
 */
static bool
is_key(Relation rel, const WoBinding *binding, AttrNumber attnum)
{
	List	   *indexes = RelationGetIndexList(rel);
	bool		found = false;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		Form_pg_index form = index->rd_index;

		int			n = form->indnkeyatts;
		Oid			tenant = binding->tenant == InvalidAttrNumber ? INT8OID :
			TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid;

		/* the tenant first, if it is in the row */
		if (form->indisunique && form->indisvalid && form->indimmediate && RelationGetIndexPredicate(index) == NIL &&
			n == (binding->tenant != InvalidAttrNumber ? 2 : 1) && form->indkey.values[n - 1] == attnum &&
			(n == 1 || form->indkey.values[0] == binding->tenant) &&
			(tenant == INT8OID || tenant == INT4OID || tenant == TEXTOID))
			found = true;
		index_close(index, AccessShareLock);
	}
	return found;
}

/*
 * has_value tells whether a row of a table, or of any of its partitions, has
 * these values.
 */
static bool
has_value(Relation rel, const WoCatalogKey *keys, int nkeys)
{
	List	   *tables = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ?
		find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL) : list_make1_oid(RelationGetRelid(rel));
	bool		found = false;
	ListCell   *lc;

	foreach(lc, tables)
	{
		WoCatalogScan lookup;

		CHECK_FOR_INTERRUPTS();
		if (found || get_rel_relkind(lfirst_oid(lc)) == RELKIND_PARTITIONED_TABLE)
			continue;
		wo_catalog_begin(&lookup, lfirst_oid(lc), keys, nkeys);
		found = wo_catalog_next(&lookup) != NULL;
		wo_catalog_end(&lookup);
	}
	return found;
}

/*
 * taken(relation, key, value) tells whether a ticket of the tenant has this
 * value in a column that is a unique key, whoever may see the ticket.
 */
Datum
workorder_taken(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	WoCatalogKey keys[2];
	WoBinding  *binding;
	Relation	rel = wo_binding_open(PG_GETARG_OID(0), AccessShareLock, &binding);
	AttrNumber	attnum = wo_binding_attribute(binding, name);
	bool		found;
	int			nkeys = 0;

	if (pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		(attnum == InvalidAttrNumber ||
		 pg_attribute_aclcheck(RelationGetRelid(rel), attnum, GetUserId(), ACL_SELECT) != ACLCHECK_OK))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(rel));
	if (attnum == InvalidAttrNumber || !is_key(rel, binding, attnum) ||
		TupleDescAttr(binding->desc, attnum - 1)->atttypid != TEXTOID)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("\"%s\" is not a unique key of \"%s\"", wo_errors_shorten(name), RelationGetRelationName(rel)),
				 errdetail("Only of a text column that is unique within the tenant is told whether a value is taken."),
				 errhint("Give the name of such a column."),
				 errtable(rel)));

	/* in the order of the index: the tenant first, if it is in the row */
	if (binding->tenant != InvalidAttrNumber)
	{
		keys[0].column = NameStr(TupleDescAttr(binding->desc, binding->tenant - 1)->attname);
		keys[0].type = TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid;
		found = wo_binding_tenant_datum(binding, wo_actor_current()->tenant, &keys[0].value);
		nkeys++;
	}
	else
		found = wo_actor_current()->tenant == WO_FIRST_TENANT;
	keys[nkeys].column = name;
	keys[nkeys].type = TEXTOID;
	keys[nkeys++].value = PG_GETARG_DATUM(2);
	found = found && has_value(rel, keys, nkeys);
	table_close(rel, NoLock);
	PG_RETURN_BOOL(found);
}
