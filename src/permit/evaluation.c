/*-------------------------------------------------------------------------
 *
 * evaluation.c
 *	  What is judged, for those who act and those who ask before they act: the row
 *	  that would be, and what guards and assignments find in it.
 *
 * Whoever has something judged sets it up here: who, when, the row as it is
 * and as it would be, and where its flow stands.  Nothing is judged here.
 * Nothing is written but the row being judged; all memory is the caller's.
 *
 * A guard sees the new row as a JSON object and the variables $old, $actor
 * and $now; it can read nothing else and change nothing.  The JSON is made
 * once per evaluation, when the first guard needs it, in the caller's context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "journal/entry.h"
#include "journal/journal.h"
#include "permit/evaluation.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/settings.h"
#include "utils/value.h"

/* ----------------------------------------------------------------
 *		the evaluation
 * ----------------------------------------------------------------
 */

/*
 * wo_evaluation_begin fills in what does not depend on the action: who, when, and
 * where the ticket stands.
 */
void
wo_evaluation_begin(WoEvaluation *c, WoBinding *binding, const WoRow *old, WoRow *row)
{
	memset(c, 0, sizeof(*c));
	c->binding = binding;
	c->actor = wo_actor_current();
	c->now = wo_settings_now();
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
		char	   *state = wo_binding_text(binding, old, WO_STATE);

		c->old = old->values;
		c->old_null = old->nulls;
		c->flow = old->nulls[flow_att - 1] ? NULL :
			wo_flow_cache_by_id(DatumGetInt32(old->values[flow_att - 1]));
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
		c->flow = wo_flow_cache_by_name(binding->flow_name);
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
 * wo_evaluation_set writes an engine column of the row.
 */
void
wo_evaluation_set(WoEvaluation *c, WoEngineColumn column, Datum value, bool isnull)
{
	AttrNumber	attnum = c->binding->engine[column];

	c->row[attnum - 1] = isnull ? (Datum) 0 : value;
	c->row_null[attnum - 1] = isnull;
}

void
wo_evaluation_set_text(WoEvaluation *c, WoEngineColumn column, const char *value)
{
	wo_evaluation_set(c, column, value != NULL ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

/*
 * wo_evaluation_set_digest writes the digest of the entry to come into the row, so that the
 * next entry finds what to chain to without a look into the journal.  Where a
 * later trigger may still change the row, the entry is not known yet; then a
 * seal lets the AFTER trigger tell whether that trigger has kept to the user's
 * columns.  An imported row has the seal of an import: the digest of an entry
 * would be that of another journal.  After a repair the next entry looks into
 * the journal, since it may be the digest that was repaired.
 */
void
wo_evaluation_set_digest(WoEvaluation *c, WoChangeKind kind)
{
	WoRow		old = {(Datum *) c->old, (bool *) c->old_null};
	WoRow		row = {c->row, c->row_null};
	WoJournalEntry line;
	bytea	   *digest;

	if (kind == WO_KIND_IMPORT || (c->binding->journaled && c->binding->overtaken))
	{
		wo_evaluation_set(c, WO_DIGEST,
						  PointerGetDatum(wo_entry_row_checksum(c->binding, &row, kind == WO_KIND_IMPORT ? WO_CHECKSUM_IMPORT : WO_CHECKSUM_ACT)),
						  false);
		return;
	}
	if (kind == WO_KIND_REPAIR || !c->binding->journaled)
	{
		wo_evaluation_set(c, WO_DIGEST, (Datum) 0, true);
		return;
	}
	wo_entry_for_change(&line, c->binding, c->old != NULL ? &old : NULL, &row);
	wo_journal_set_digest(&line, c->binding, c->old != NULL ? &old : NULL, NULL);
	wo_entry_keep(&line);
	digest = palloc(VARHDRSZ + WO_DIGEST_LENGTH);
	SET_VARSIZE(digest, VARHDRSZ + WO_DIGEST_LENGTH);
	memcpy(VARDATA(digest), line.digest, WO_DIGEST_LENGTH);
	wo_evaluation_set(c, WO_DIGEST, PointerGetDatum(digest), false);
}

/*
 * wo_evaluation_tuple makes the tuple again from the row being judged.
 */
HeapTuple
wo_evaluation_tuple(const WoEvaluation *c, HeapTuple tuple)
{
	HeapTuple	result = heap_form_tuple(c->binding->desc, c->row, c->row_null);

	result->t_data->t_ctid = tuple->t_data->t_ctid;
	result->t_self = tuple->t_self;
	result->t_tableOid = tuple->t_tableOid;
	return result;
}

/*
 * wo_evaluation_person returns whom a column of the flow's names, 0 for nobody:
 * in the row as it is, unless the ticket is only about to be created, or with
 * would_be in the row as it would be.
 */
int64
wo_evaluation_person(const WoEvaluation *c, int column, bool would_be)
{
	if (c->old == NULL || would_be)
		return wo_binding_person(c->binding, c->columns[column], c->row, c->row_null);
	return wo_binding_person(c->binding, c->columns[column], c->old, c->old_null);
}

/*
 * wo_evaluation_excluded lists who may not take a transition because of what
 * they did on this ticket before, or what they are to it; nobody is 0.
 */
List *
wo_evaluation_excluded(const WoEvaluation *c, const WoTransition *candidate, bool would_be)
{
	List	   *people = NIL;
	int			i = -1;

	if ((candidate->exclude != NULL || candidate->exclude_former != NIL) && c->old != NULL)
		people = wo_journal_takers(c->binding, c->flow, c->actor->tenant,
								   wo_binding_id(c->binding, c->old), candidate);
	while ((i = bms_next_member(candidate->exclude_relations, i)) >= 0)
	{
		int64	   *id = palloc(sizeof(int64));

		*id = wo_evaluation_person(c, i, would_be);
		people = lappend(people, id);
	}
	return people;
}

/*
 * wo_evaluation_target returns the leaf that a transition leads to.
 */
int
wo_evaluation_target(const WoEvaluation *c, const WoTransition *taken)
{
	Jsonb	   *history = c->old == NULL ? NULL : wo_binding_history(c->binding, c->old, c->old_null);
	Jsonb	   *remembered;

	return wo_flow_move(c->flow, taken, c->leaf, history, &remembered);
}

/*
 * wo_evaluation_move takes the row being judged along a transition: its history is
 * written, and the leaf reached is returned.
 */
int
wo_evaluation_move(WoEvaluation *c, const WoTransition *taken, int leaf)
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

/* ----------------------------------------------------------------
 *		guards and assignments: jsonpath over the row that would be
 * ----------------------------------------------------------------
 */

/*
 * make_variables builds {"old": row, "actor": {...}, "now": text}.
 */
static Jsonb *
make_variables(WoEvaluation *c)
{
	WoJsonbState state = WO_JSONB_START;
	JsonbValue	v;
	JsonbValue *result;

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);

	wo_value_push_string(&state, WJB_KEY, "actor");
	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	wo_value_push_string(&state, WJB_KEY, "id");
	wo_value_to_json(INT8OID, Int64GetDatum(c->actor->id), c->actor->id == 0, &v);
	wo_push_jsonb(&state, WJB_VALUE, &v);
	wo_value_push_string(&state, WJB_KEY, "login");
	wo_value_push_string(&state, WJB_VALUE, c->actor->login);
	wo_value_push_string(&state, WJB_KEY, "name");
	wo_value_push_string(&state, WJB_VALUE, c->actor->name);
	wo_value_push_string(&state, WJB_KEY, "roles");
	wo_push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < c->actor->nroles; i++)
		wo_value_push_string(&state, WJB_ELEM, c->actor->roles[i]);
	wo_push_jsonb(&state, WJB_END_ARRAY, NULL);
	wo_push_jsonb(&state, WJB_END_OBJECT, NULL);

	wo_value_push_string(&state, WJB_KEY, "now");
	wo_value_to_json(TIMESTAMPTZOID, TimestampTzGetDatum(c->now), false, &v);
	wo_push_jsonb(&state, WJB_VALUE, &v);

	wo_value_push_string(&state, WJB_KEY, "old");
	if (c->old != NULL)
	{
		Jsonb	   *old = wo_value_of_row(c->binding->desc, c->old, c->old_null);

		wo_value_from_jsonb(old, &v);
		wo_value_push(&state, WJB_VALUE, &v);
	}
	else
	{
		v.type = jbvNull;
		wo_push_jsonb(&state, WJB_VALUE, &v);
	}
	result = wo_push_jsonb(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(result);
}

static void
make_json(WoEvaluation *c)
{
	if (c->row_json == NULL)
		c->row_json = wo_value_of_row(c->binding->desc, c->row, c->row_null);
	if (c->vars_json == NULL)
		c->vars_json = make_variables(c);
}

/*
 * wo_evaluation_holds evaluates a guard.  Like SQL it knows a third value: a
 * guard that divides by zero or compares a text with a number is unknown, and
 * unknown does not let anybody through.
 */
WoTruth
wo_evaluation_holds(WoEvaluation *c, JsonPath *guard)
{
	LOCAL_FCINFO(fcinfo, 4);
	Datum		result;

	if (guard == NULL)
		return WO_TRUE;
	make_json(c);

	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(c->row_json);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = PointerGetDatum(guard);
	fcinfo->args[1].isnull = false;
	fcinfo->args[2].value = JsonbPGetDatum(c->vars_json);
	fcinfo->args[2].isnull = false;
	fcinfo->args[3].value = BoolGetDatum(true); /* silent: unknown instead of an error */
	fcinfo->args[3].isnull = false;
	result = jsonb_path_match_tz(fcinfo);
	if (fcinfo->isnull)
		return WO_UNKNOWN;
	return DatumGetBool(result) ? WO_TRUE : WO_FALSE;
}

/*
 * wo_evaluation_list returns what a path finds in the row, a list; NULL if
 * nothing.
 */
Jsonb *
wo_evaluation_list(WoEvaluation *c, JsonPath *path)
{
	LOCAL_FCINFO(fcinfo, 4);
	Datum		result;

	make_json(c);
	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(c->row_json);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = PointerGetDatum(path);
	fcinfo->args[1].isnull = false;
	fcinfo->args[2].value = JsonbPGetDatum(c->vars_json);
	fcinfo->args[2].isnull = false;
	fcinfo->args[3].value = BoolGetDatum(true);
	fcinfo->args[3].isnull = false;
	result = jsonb_path_query_array_tz(fcinfo);
	return fcinfo->isnull ? NULL : DatumGetJsonbP(result);
}

/*
 * wo_evaluation_assign carries out "set" on the row being judged.  All values
 * are taken from the row before the first is written, so order is no matter.
 */
void
wo_evaluation_assign(WoEvaluation *c, const WoTransition *taken)
{
	Datum	   *values;
	bool	   *nulls;

	if (taken->nassignments == 0)
		return;
	make_json(c);
	values = palloc(sizeof(Datum) * taken->nassignments);
	nulls = palloc(sizeof(bool) * taken->nassignments);

	for (int i = 0; i < taken->nassignments; i++)
	{
		const WoAssignment *set = &taken->assignments[i];
		AttrNumber	attnum = c->columns[set->column];
		Jsonb	   *value = set->literal;

		if (attnum == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("flow \"%s\" sets column \"%s\", which does not exist",
							c->flow->name, c->flow->columns[set->column]),
					 errdetail("%s wants to set it.", taken->where),
					 errhint("Add the column, or publish a version of the flow without it.")));
		if (set->path != NULL)
		{
			LOCAL_FCINFO(fcinfo, 4);

			InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
			fcinfo->args[0].value = JsonbPGetDatum(c->row_json);
			fcinfo->args[0].isnull = false;
			fcinfo->args[1].value = PointerGetDatum(set->path);
			fcinfo->args[1].isnull = false;
			fcinfo->args[2].value = JsonbPGetDatum(c->vars_json);
			fcinfo->args[2].isnull = false;
			fcinfo->args[3].value = BoolGetDatum(true);
			fcinfo->args[3].isnull = false;
			value = (Jsonb *) DatumGetPointer(jsonb_path_query_first_tz(fcinfo));
			if (fcinfo->isnull)
				value = NULL;
		}
		if (value == NULL)
			nulls[i] = true;
		else
			values[i] = wo_binding_value(c->binding, attnum, value, &nulls[i]);
	}
	for (int i = 0; i < taken->nassignments; i++)
	{
		AttrNumber	attnum = c->columns[taken->assignments[i].column];

		c->row[attnum - 1] = nulls[i] ? (Datum) 0 : values[i];
		c->row_null[attnum - 1] = nulls[i];
	}
}
