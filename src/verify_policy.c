/*-------------------------------------------------------------------------
 *
 * verify_policy.c
 *	  Do a table's policies still say what its flow says: a part of
 *	  workorder.verify().
 *
 * What the policies must be is compiled from the flow again, as
 * refresh_policies() does, and parsed as CREATE POLICY does; the two trees
 * must be equal.  Policies with other names are the user's own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "rewrite/rowsecurity.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"

#include "policy.h"
#include "verify.h"

/* A policy that refresh_policies() makes. */
static const struct
{
	const char *name;
	char		command;
	bool		sees;			/* it looks at rows that are there */
	bool		owns;			/* it looks at rows as they become */
}			expected[] = {
	{"workorder_view", ACL_SELECT_CHR, true, false},
	{"workorder_create", ACL_INSERT_CHR, false, true},
	{"workorder_act", ACL_UPDATE_CHR, true, true},
	{"workorder_delete", ACL_DELETE_CHR, true, false},
};

/*
 * parse_predicate makes a predicate over a table's columns what is stored of
 * it when it becomes a policy.
 */
static Node *
parse_predicate(Relation rel, const char *text)
{
	ParseState *pstate = make_parsestate(NULL);
	List	   *parsed = raw_parser(psprintf("SELECT %s", text), RAW_PARSE_DEFAULT);
	SelectStmt *select = castNode(SelectStmt, linitial_node(RawStmt, parsed)->stmt);
	Node	   *predicate;

	addNSItemToQuery(pstate, addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, false),
					 false, true, true);
	predicate = transformWhereClause(pstate, linitial_node(ResTarget, select->targetList)->val,
									 EXPR_KIND_POLICY, "POLICY");
	assign_expr_collations(pstate, predicate);
	free_parsestate(pstate);
	return predicate;
}

/*
 * wo_verify_policies checks that row-level security is on, and that its
 * policies are those of the flow.
 */
void
wo_verify_policies(WoVerify *v, Relation rel, const WoGuarded *guarded)
{
	Jsonb	   *columns = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(guarded->columns)));
	char	   *own = psprintf("%s = workorder.tenant_id()",
							   quote_identifier(NameStr(TupleDescAttr(v->binding->desc, v->binding->tenant - 1)->attname)));
	Node	   *owns;
	Node	   *sees;
	int			level;

	if (!rel->rd_rel->relrowsecurity || rel->rd_rsdesc == NULL)
	{
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "row_security", "row-level security is off");
		return;
	}

	/* its operators are those of pg_catalog, whatever the caller's path */
	level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	owns = parse_predicate(rel, own);
	sees = parse_predicate(rel, psprintf("%s AND (%s)", own, wo_policy_flow(guarded->flow, columns)));
	AtEOXact_GUC(true, level);

	for (int i = 0; i < lengthof(expected); i++)
	{
		const RowSecurityPolicy *policy = NULL;
		ListCell   *lc;

		foreach(lc, rel->rd_rsdesc->policies)
			if (strcmp(((RowSecurityPolicy *) lfirst(lc))->policy_name, expected[i].name) == 0)
				policy = lfirst(lc);
		if (policy == NULL)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "policy_missing",
							 "policy \"%s\" is missing", expected[i].name);
		else if (policy->polcmd != expected[i].command || !policy->permissive ||
				 ArrayGetNItems(ARR_NDIM(policy->roles), ARR_DIMS(policy->roles)) != 1 ||
				 ((Oid *) ARR_DATA_PTR(policy->roles))[0] != ACL_ID_PUBLIC)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "policy_changed",
							 "policy \"%s\" is for other commands or roles, or restrictive", expected[i].name);
		else if (!equal(policy->qual, expected[i].sees ? sees : NULL) ||
				 !equal(policy->with_check_qual, expected[i].owns ? owns : NULL))
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "policy_changed",
							 "policy \"%s\" does not say what flow \"%s\" says", expected[i].name, guarded->flow);
	}
}
