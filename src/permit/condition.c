/*-------------------------------------------------------------------------
 *
 * condition.c
 *	  Guards and assignments: jsonpath over the row that would be.
 *
 * A guard sees the new row as a JSON object and the variables $old, $actor
 * and $now; it can read nothing else and change nothing.  The JSON is made
 * once per evaluation, when the first guard needs it, in the caller's context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/fmgrprotos.h"

#include "permit/condition.h"
#include "permit/evaluation.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

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
 * wo_condition_holds evaluates a guard.  Like SQL it knows a third value: a
 * guard that divides by zero or compares a text with a number is unknown, and
 * unknown does not let anybody through.
 */
WoTruth
wo_condition_holds(WoEvaluation *c, JsonPath *guard)
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
 * wo_condition_list returns what a path finds in the row, a list; NULL if
 * nothing.
 */
Jsonb *
wo_condition_list(WoEvaluation *c, JsonPath *path)
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
 * wo_condition_assign carries out "set" on the row being judged.  All values
 * are taken from the row before the first is written, so order is no matter.
 */
void
wo_condition_assign(WoEvaluation *c, const WoTransition *taken)
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
