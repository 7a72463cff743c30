/*-------------------------------------------------------------------------
 *
 * flow_sql.c
 *	  Flows as SQL sees them: findings, states and actions of a document, and the
 *	  action "view" as a predicate for row-level security.
 *
 * These functions look at the document they are given and keep nothing; what
 * is published is read through flow_cache.c instead.
 *
 * A predicate is made when a flow is published or a table is guarded, and
 * must say what permit.c says of the action "view": from the row's leaf
 * upwards, the nearest state that declares it decides.
 *
 * Questions about the actor are written as scalar subqueries, so that they
 * are asked once for each query and not for each row, and an index on a
 * relation column can be used.  The tenant is not looked at here; whoever
 * makes the policy puts that in front.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "rewrite/rowsecurity.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/flow_check.h"
#include "flow/flow_compile.h"
#include "flow/flow_read.h"
#include "flow/flow_sql.h"
#include "flow/flow_staff.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

/* ----------------------------------------------------------------
 *		documents
 * ----------------------------------------------------------------
 */

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

/* ----------------------------------------------------------------
 *		policies
 * ----------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(workorder_view_policy);
PG_FUNCTION_INFO_V1(workorder_view_predicate);

/* What goes for several leaves, or several versions. */
typedef struct Branch
{
	char	   *predicate;
	List	   *members;		/* of C strings: quoted states, or ids */
} Branch;

/*
 * column_name returns the table's quoted name for a column: the engine's
 * columns may have been given other names.
 */
static const char *
column_name(Jsonb *columns, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *mapped = NULL;

	if (columns != NULL && JB_ROOT_IS_OBJECT(columns))
		mapped = getKeyJsonValueFromContainer(&columns->root, name, strlen(name), &buffer);
	if (mapped != NULL && mapped->type == jbvString)
		name = pnstrdup(mapped->val.string.val, mapped->val.string.len);
	return quote_identifier(name);
}

/*
 * add_term puts one alternative behind another.
 */
static void
add_term(StringInfo s, const char *term)
{
	appendStringInfo(s, "%s%s", s->len > 0 ? " OR " : "", term);
}

/*
 * allowed_people writes who may see a row by one state's "view", NULL if no
 * state declares it: its transitions are alternatives, as they have no guards.
 */
static char *
allowed_people(const WoFlow *flow, const WoTransitionList *list, Jsonb *columns)
{
	Bitmapset  *relations = NULL;
	Bitmapset  *roles = NULL;
	StringInfoData s;
	int			i;

	for (i = 0; list != NULL && i < list->n; i++)
	{
		if (list->item[i].everybody)
			return pstrdup("true");
		relations = bms_add_members(relations, list->item[i].relations);
		roles = bms_add_members(roles, list->item[i].roles);
	}
	initStringInfo(&s);
	i = -1;
	while ((i = bms_next_member(relations, i)) >= 0)
		add_term(&s, psprintf("%s = (SELECT workorder.actor_id())",
							  column_name(columns, flow->columns[i])));
	i = -1;
	while ((i = bms_next_member(roles, i)) >= 0)
		add_term(&s, psprintf("(SELECT workorder.has_role(%s))",
							  quote_literal_cstr(flow->roles[i])));
	return s.len > 0 ? s.data : pstrdup("false");
}

/*
 * view_of returns who may see a row that rests in a leaf: the "view" of the
 * nearest state that declares it, NULL if none does.
 */
static const WoTransitionList *
view_of(const WoFlow *flow, int leaf)
{
	for (int s = leaf; flow->action_view >= 0 && s >= 0; s = flow->states[s].parent)
		if (flow->states[s].on[flow->action_view].n > 0)
			return &flow->states[s].on[flow->action_view];
	return NULL;
}

/*
 * wo_flow_sql_sight tells how much the actor sees of the tickets that rest in a
 * leaf, by the same rules.
 */
WoSight
wo_flow_sql_sight(const WoFlow *flow, int leaf, const WoActor *actor)
{
	const WoTransitionList *list = view_of(flow, leaf);
	WoSight		sight = WO_SEES_NONE;

	for (int i = 0; list != NULL && i < list->n; i++)
	{
		const WoTransition *transition = &list->item[i];

		if (transition->everybody ||
			bms_overlap(transition->roles, wo_flow_roles_of(actor, flow)))
			return WO_SEES_ALL;
		if (!bms_is_empty(transition->relations))
			sight = WO_SEES_SOME;
	}
	return sight;
}

/*
 * wo_flow_sql_policies_are_ours tells whether users have added no policy to a table.
 */
bool
wo_flow_sql_policies_are_ours(Relation rel)
{
	ListCell   *lc;

	if (rel->rd_rel->relrowsecurity && rel->rd_rsdesc != NULL)
		foreach(lc, rel->rd_rsdesc->policies)
		{
			const RowSecurityPolicy *policy = lfirst(lc);

			if (strncmp(policy->policy_name, "workorder_", strlen("workorder_")) != 0)
				return false;
		}
	return true;
}

/*
 * add_member puts a member to the branch with its predicate.
 */
static List *
add_member(List *branches, char *predicate, char *member)
{
	Branch	   *branch;
	ListCell   *lc;

	foreach(lc, branches)
	{
		branch = lfirst(lc);
		if (strcmp(branch->predicate, predicate) == 0)
		{
			branch->members = lappend(branch->members, member);
			return branches;
		}
	}
	branch = palloc(sizeof(Branch));
	branch->predicate = predicate;
	branch->members = list_make1(member);
	return lappend(branches, branch);
}

/*
 * join_branches writes branches as one predicate over a column; if there is
 * but one, the column is no matter.
 */
static char *
join_branches(List *branches, const char *column)
{
	StringInfoData s;
	ListCell   *lc;

	if (branches == NIL)
		return pstrdup("false");
	if (list_length(branches) == 1)
		return ((Branch *) linitial(branches))->predicate;

	initStringInfo(&s);
	foreach(lc, branches)
	{
		const Branch *branch = lfirst(lc);
		ListCell   *member;

		if (strcmp(branch->predicate, "false") == 0)
			continue;
		if (s.len > 0)
			appendStringInfoString(&s, " OR ");
		appendStringInfo(&s, "(%s ", column);
		if (list_length(branch->members) == 1)
			appendStringInfo(&s, "= %s", (char *) linitial(branch->members));
		else
		{
			appendStringInfoString(&s, "IN (");
			foreach(member, branch->members)
				appendStringInfo(&s, "%s%s", member == list_head(branch->members) ? "" : ", ",
								 (char *) lfirst(member));
			appendStringInfoChar(&s, ')');
		}
		if (strcmp(branch->predicate, "true") != 0)
			appendStringInfo(&s, " AND (%s)", branch->predicate);
		appendStringInfoChar(&s, ')');
	}
	return s.data;
}

/*
 * version_predicate returns the predicate for rows on one version of a flow.
 */
static char *
version_predicate(const WoFlow *flow, Jsonb *columns)
{
	List	   *branches = NIL;

	for (int s = 0; s < flow->nstates; s++)
		if (wo_flow_is_leaf(flow, s))
			branches = add_member(branches, allowed_people(flow, view_of(flow, s), columns),
								  quote_literal_cstr(flow->states[s].path));
	return join_branches(branches, column_name(columns, "state"));
}

/*
 * wo_flow_sql_policy_flow returns the predicate for rows on any version of a flow that
 * is or was published.
 */
char *
wo_flow_sql_policy_flow(const char *name, Jsonb *columns)
{
	List	   *branches = NIL;
	ListCell   *lc;

	foreach(lc, wo_flow_cache_versions(name))
	{
		const WoFlow *flow = wo_flow_cache_by_id(lfirst_int(lc));

		if (flow != NULL)
			branches = add_member(branches, version_predicate(flow, columns),
								  psprintf("%d", flow->id));
	}
	return join_branches(branches, column_name(columns, "flow_id"));
}

/*
 * workorder_view_policy(flow_id int, columns jsonb) returns the predicate of
 * one version.
 */
Datum
workorder_view_policy(PG_FUNCTION_ARGS)
{
	const WoFlow *flow = wo_flow_cache_by_id(PG_GETARG_INT32(0));

	if (flow == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("flow %d does not exist", PG_GETARG_INT32(0)),
				 errdetail("Ids are those of table workorder.flow."),
				 errhint("Look the flow up in workorder.flow.")));
	PG_RETURN_TEXT_P(cstring_to_text(version_predicate(flow, PG_GETARG_JSONB_P(1))));
}

/*
 * workorder_view_predicate(flow text, columns jsonb) returns the predicate of
 * all versions together.
 */
Datum
workorder_view_predicate(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(wo_flow_sql_policy_flow(text_to_cstring(PG_GETARG_TEXT_PP(0)),
															 PG_GETARG_JSONB_P(1))));
}
