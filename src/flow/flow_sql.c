/*-------------------------------------------------------------------------
 *
 * flow_sql.c
 *	  Flows as SQL sees them: findings, states and actions of a document.
 *
 * These functions look at the document they are given and keep nothing; what
 * is published is read through flow_cache.c instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/flow_check.h"
#include "flow/flow_compile.h"
#include "flow/flow_read.h"
#include "flow/flow_staff.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_check_flow);
PG_FUNCTION_INFO_V1(workorder_check_members);
PG_FUNCTION_INFO_V1(workorder_flow_states);
PG_FUNCTION_INFO_V1(workorder_flow_actions);
PG_FUNCTION_INFO_V1(workorder_flow_way);
PG_FUNCTION_INFO_V1(workorder_state_of_code);
PG_FUNCTION_INFO_V1(workorder_code_of_state);

/*
 * text_or_null makes a column of a C string.
 */
static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/*
 * put_findings returns findings as rows (code, path, message, hint, blocks).
 */
static void
put_findings(FunctionCallInfo fcinfo, List *findings)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	foreach(lc, findings)
	{
		const WoFinding *finding = lfirst(lc);
		Datum		values[5];
		bool		nulls[5] = {0};

		values[0] = text_or_null(finding->code, &nulls[0]);
		values[1] = text_or_null(finding->where, &nulls[1]);
		values[2] = text_or_null(finding->message, &nulls[2]);
		values[3] = text_or_null(finding->hint, &nulls[3]);
		values[4] = BoolGetDatum(finding->blocks);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * workorder_check_flow(definition jsonb, relation regclass) lists what is
 * wrong with a document, on its own and for a table.
 */
Datum
workorder_check_flow(PG_FUNCTION_ARGS)
{
	List	   *findings = NIL;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(1) && get_rel_name(PG_GETARG_OID(1)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table with OID %u does not exist", PG_GETARG_OID(1)),
				 errdetail("The flow was to be checked against it."),
				 errhint("Check the table's name, or leave it out.")));

	if (PG_ARGISNULL(0))
		wo_flow_read_add_finding(&findings, "not_an_object", WO_WHERE_ROOT,
								 "A flow is written as {\"id\": ..., \"initial\": ..., \"states\": {...}}.",
								 "the document is missing");
	else
	{
		WoFlow	   *flow = wo_flow_compile(PG_GETARG_JSONB_P(0), CurrentMemoryContext, &findings);

		if (flow != NULL)
			wo_flow_check(flow, &findings);
		if (flow != NULL && !PG_ARGISNULL(1))
			wo_flow_check_relation(flow, PG_GETARG_OID(1), &findings);
	}
	put_findings(fcinfo, findings);
	return (Datum) 0;
}

/*
 * workorder_check_members(definition jsonb, tenant bigint) lists the quorums
 * that today's people of a tenant cannot meet.
 */
Datum
workorder_check_members(PG_FUNCTION_ARGS)
{
	List	   *defects = NIL;
	List	   *findings = NIL;
	WoFlow	   *flow;

	InitMaterializedSRF(fcinfo, 0);
	flow = wo_flow_compile(PG_GETARG_JSONB_P(0), CurrentMemoryContext, &defects);
	if (flow != NULL)
		wo_flow_staff_check(flow, PG_GETARG_INT64(1), &findings);
	put_findings(fcinfo, findings);
	return (Datum) 0;
}

/*
 * workorder_flow_states(definition jsonb) lists the states of a document,
 * parents first.
 */
Datum
workorder_flow_states(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"atomic", "compound", "final", "history"};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *defects = NIL;
	WoFlow	   *flow;

	InitMaterializedSRF(fcinfo, 0);
	flow = wo_flow_compile(PG_GETARG_JSONB_P(0), CurrentMemoryContext, &defects);
	for (int s = 1; flow != NULL && s < flow->nstates; s++)
	{
		const WoState *state = &flow->states[s];
		Datum		values[6];
		bool		nulls[6] = {0};

		values[0] = CStringGetTextDatum(state->path);
		values[1] = CStringGetTextDatum(flow->states[state->parent].path);
		values[2] = text_or_null(state->label, &nulls[2]);
		values[3] = text_or_null(state->code, &nulls[3]);
		values[4] = CStringGetTextDatum(kinds[state->kind]);
		values[5] = BoolGetDatum(flow->states[state->parent].initial == s);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * translate_state finds the state of a flow that has this code, or this path, and
 * returns its path, or its code; NULL if no version knows it.  The version
 * that takes new rows counts, and of others the newest.
 */
static char *
translate_state(const char *name, const char *given, bool is_code)
{
	const WoFlow *open = wo_flow_cache_by_name(name);
	List	   *ids = open != NULL ? lcons_int(open->id, wo_flow_cache_versions(name)) : wo_flow_cache_versions(name);
	int			newest = 0;
	char	   *result = NULL;
	ListCell   *lc;

	foreach(lc, ids)
	{
		const WoFlow *flow = wo_flow_cache_by_id(lfirst_int(lc));

		if (flow == NULL || flow->version < newest)
			continue;
		for (int s = 1; s < flow->nstates; s++)
		{
			const char *from = is_code ? flow->states[s].code : flow->states[s].path;
			const char *to = is_code ? flow->states[s].path : flow->states[s].code;

			if (from == NULL || to == NULL || strcmp(from, given) != 0)
				continue;
			result = pstrdup(to);
			newest = flow->version;
			break;
		}
		if (result != NULL && flow->open)
			break;
	}
	return result;
}

/*
 * state_of_code(flow, code) returns the state that clients know by a code.
 */
Datum
workorder_state_of_code(PG_FUNCTION_ARGS)
{
	char	   *path = translate_state(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									   text_to_cstring(PG_GETARG_TEXT_PP(1)), true);

	if (path == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(path));
}

/*
 * code_of_state(flow, state) returns the code by which clients know a state.
 */
Datum
workorder_code_of_state(PG_FUNCTION_ARGS)
{
	char	   *code = translate_state(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									   text_to_cstring(PG_GETARG_TEXT_PP(1)), false);

	if (code == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(code));
}

/*
 * text_array makes text[] of a list of C strings.
 */
static Datum
text_array(List *texts)
{
	int			n = 0;
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(texts), 1));
	ListCell   *lc;

	foreach(lc, texts)
		elements[n++] = CStringGetTextDatum((char *) lfirst(lc));
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * add_names appends the names that a set stands for, each behind a prefix.
 */
static List *
add_names(List *list, const Bitmapset *set, const char *const *names, const char *prefix)
{
	int			i = -1;

	while ((i = bms_next_member(set, i)) >= 0)
		list = lappend(list, psprintf("%s%s", prefix, names[i]));
	return list;
}

/*
 * quorum_json writes a quorum as the document does.
 */
static Datum
quorum_json(const WoFlow *flow, const WoTransition *c, bool *isnull)
{
	WoJsonbState state = WO_JSONB_START;
	JsonbValue	v;
	JsonbValue *result = &v;
	int			role = -1;

	*isnull = false;
	switch (c->quorum)
	{
		case WO_QUORUM_NONE:
			*isnull = true;
			return (Datum) 0;
		case WO_QUORUM_COUNT:
			v.type = jbvNumeric;
			v.val.numeric = DatumGetNumeric(DirectFunctionCall1(int4_numeric, Int32GetDatum(c->quorum_n)));
			break;
		case WO_QUORUM_ALL:
		case WO_QUORUM_PERCENT:
			v.type = jbvString;
			v.val.string.val = c->quorum == WO_QUORUM_ALL ? pstrdup("all") : psprintf("%d%%", c->quorum_n);
			v.val.string.len = strlen(v.val.string.val);
			break;
		case WO_QUORUM_EACH:
			wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
			wo_value_push_string(&state, WJB_KEY, "each");
			wo_push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
			while ((role = bms_next_member(c->quorum_roles, role)) >= 0)
				wo_value_push_string(&state, WJB_ELEM, flow->roles[role]);
			wo_push_jsonb(&state, WJB_END_ARRAY, NULL);
			result = wo_push_jsonb(&state, WJB_END_OBJECT, NULL);
			break;
	}
	return JsonbPGetDatum(JsonbValueToJsonb(result));
}

/*
 * put_action returns one transition as a row.
 */
static void
put_action(ReturnSetInfo *rsinfo, const WoFlow *flow, const WoTransition *c, int ordinal)
{
	List	   *allow = c->everybody ? list_make1("*") : NIL;
	List	   *require = add_names(NIL, c->require, flow->columns, "");
	List	   *fields = c->fields_any ? list_make1("*") : NIL;
	List	   *exclude = add_names(NIL, c->exclude, flow->actions, "");
	Datum		values[10];
	bool		nulls[10] = {0};

	allow = add_names(allow, c->roles, flow->roles, "");
	allow = add_names(allow, c->relations, flow->columns, "$");
	fields = add_names(fields, c->fields, flow->columns, "");
	exclude = list_concat(exclude, list_copy(c->exclude_former));
	exclude = add_names(exclude, c->exclude_relations, flow->columns, "$");
	if (c->require_note)
		require = lappend(require, "note");

	values[0] = CStringGetTextDatum(flow->states[c->source].path);
	values[1] = CStringGetTextDatum(flow->actions[c->action]);
	values[2] = text_or_null(c->target < 0 ? NULL : flow->states[c->target].path, &nulls[2]);
	values[3] = text_array(allow);
	values[4] = text_or_null(c->guard_text, &nulls[4]);
	values[5] = text_array(require);
	nulls[6] = !c->fields_given;
	values[6] = nulls[6] ? (Datum) 0 : text_array(fields);
	values[7] = text_array(exclude);
	values[8] = quorum_json(flow, c, &nulls[8]);
	values[9] = Int32GetDatum(ordinal);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * workorder_flow_actions(definition jsonb) lists the transitions of a
 * document: state by state, action by action, in the order they are tried.
 */
Datum
workorder_flow_actions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *defects = NIL;
	WoFlow	   *flow;

	InitMaterializedSRF(fcinfo, 0);
	flow = wo_flow_compile(PG_GETARG_JSONB_P(0), CurrentMemoryContext, &defects);
	for (int s = 0; flow != NULL && s < flow->nstates; s++)
		for (int a = 0; a < flow->nactions; a++)
			for (int i = 0; i < flow->states[s].on[a].n; i++)
				put_action(rsinfo, flow, &flow->states[s].on[a].item[i], i + 1);
	return (Datum) 0;
}

/*
 * state_meant finds the state that a text means: a path, else what only one
 * path ends with, else the code of only one.
 */
static int
state_meant(const WoFlow *flow, text *given)
{
	char	   *name = text_to_cstring(given);
	int			len = strlen(name);
	int			state = wo_flow_state(flow, name, len);
	int			found = 0;

	if (state > 0)
		return state;
	for (int s = 1; s < flow->nstates; s++)
		if (strcmp(flow->states[s].key, name) == 0)
		{
			state = s;
			found++;
		}
	for (int s = 1; found == 0 && s < flow->nstates; s++)
		if (flow->states[s].code != NULL && strcmp(flow->states[s].code, name) == 0)
		{
			state = s;
			found++;
		}
	if (found != 1)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("flow \"%s\" has no state \"%s\"", wo_errors_shorten(flow->name), wo_errors_shorten(name)),
				 errdetail(found == 0 ? "No state has this path, name or code." : "More than one state has this name."),
				 errhint("Give the state's whole path, as in workorder.flow_state.")));
	return state;
}

/*
 * flow_way(definition jsonb, state text, avoiding text) returns the shortest
 * way to a state that does not pass another, NULL if there is none.
 */
Datum
workorder_flow_way(PG_FUNCTION_ARGS)
{
	List	   *findings = NIL;
	WoFlow	   *flow;
	List	   *way;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	flow = wo_flow_compile(PG_GETARG_JSONB_P(0), CurrentMemoryContext, &findings);
	if (flow == NULL || !flow->complete)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("nothing can be proved of this flow"),
				 errdetail("Some of its states or targets cannot be understood."),
				 errhint("workorder.check_flow() lists what is wrong with it.")));
	way = wo_flow_check_way(flow, state_meant(flow, PG_GETARG_TEXT_PP(1)),
							PG_ARGISNULL(2) ? -1 : state_meant(flow, PG_GETARG_TEXT_PP(2)));
	if (way == NIL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(text_array(way));
}
