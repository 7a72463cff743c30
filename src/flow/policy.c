/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  The action "view" of a flow as an SQL predicate for row-level security.
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

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "rewrite/rowsecurity.h"
#include "utils/builtins.h"

#include "flow/flow_cache.h"
#include "flow/policy.h"
#include "utils/errors.h"

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
 * wo_policy_sight tells how much the actor sees of the tickets that rest in a
 * leaf, by the same rules.
 */
WoSight
wo_policy_sight(const WoFlow *flow, int leaf, const WoActor *actor)
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
 * wo_policy_is_ours tells whether users have added no policy to a table.
 */
bool
wo_policy_is_ours(Relation rel)
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
 * wo_policy_flow returns the predicate for rows on any version of a flow that
 * is or was published.
 */
char *
wo_policy_flow(const char *name, Jsonb *columns)
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
	PG_RETURN_TEXT_P(cstring_to_text(wo_policy_flow(text_to_cstring(PG_GETARG_TEXT_PP(0)),
													PG_GETARG_JSONB_P(1))));
}
