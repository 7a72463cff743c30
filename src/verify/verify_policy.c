/*-------------------------------------------------------------------------
 *
 * verify_policy.c
 *	  Do a table's policies still say what its flow says, and are the rights on
 *	  it and the engine itself as they should be: a part of workorder.verify().
 *
 * What the policies must be is compiled from the flow again, as
 * refresh_policies() does, and parsed as CREATE POLICY does; the two trees
 * must be equal.  Policies with other names are the user's own.
 *
 * Rights, and what the engine was installed with, are in the catalog, so two
 * functions of sql/workorder/modules/verify.sql ask for them: who else may
 * write where that would be a way round the flow, what isolates tenants and
 * tells sessions of new rules, whose the tables and functions are, and which
 * role may switch triggers off, work as maintenance or set the clock.  What
 * grant_access() gives is no finding, nor is what an administrator of people
 * gets: INSERT, UPDATE and DELETE on actor, membership and the tables of
 * settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
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
#include "utils/syscache.h"

#include "flow/policy.h"
#include "utils/compat.h"
#include "utils/lookup.h"
#include "verify/verify.h"

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

/*
 * as_keeper returns who owns the engine's tables, if they may call the function.
 */
static Oid
as_keeper(const char *name, Oid argument)
{
	Oid			keeper = wo_relation_owner(wo_lookup_table("guarded", false));
	Oid			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
										   PointerGetDatum(buildoidvector(&argument, 1)),
										   ObjectIdGetDatum(get_namespace_oid(WO_SCHEMA, false)));

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s.%s() does not exist", WO_SCHEMA, name),
				 errdetail("The library is of another version than the extension."),
				 errhint("Run ALTER EXTENSION workorder UPDATE.")));
	if (!wo_may_execute(function, keeper))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not call function %s.%s()", GetUserNameFromId(keeper, false), WO_SCHEMA, name),
				 errdetail("The role owns the tables of workorder, and verifies them."),
				 errhint("A superuser runs SELECT workorder.grant_admin('%s').", GetUserNameFromId(keeper, false))));
	return keeper;
}

/*
 * report_all reports what a function of the engine finds.  It is called by the
 * owner of the engine's tables: who may verify a table need not be allowed to
 * call that, too.  Not by the owner of the function, a superuser: it reads these
 * tables, and their owner may have put a view in the place of one.
 */
static void
report_all(WoVerify *v, const char *function, Oid type, Datum argument)
{
	WoStream	stream;
	HeapTuple	tuple;

	wo_stream_open_as(&stream, as_keeper(function, type),
					  psprintf("SELECT relation, code, message FROM %s.%s($1)", WO_SCHEMA, function),
					  1, &type, &argument);
	while ((tuple = wo_stream_next(&stream)) != NULL)
	{
		TupleDesc	desc = stream.batch->tupdesc;
		bool		isnull;
		Datum		relid = SPI_getbinval(tuple, desc, 1, &isnull);

		v->relid = isnull ? InvalidOid : DatumGetObjectId(relid);
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, SPI_getvalue(tuple, desc, 2), "%s",
						 SPI_getvalue(tuple, desc, 3));
	}
	wo_stream_close(&stream);
}

/*
 * wo_verify_rights tells who may get round the guard of a table by a right on it.
 */
void
wo_verify_rights(WoVerify *v)
{
	report_all(v, "verify_rights", REGCLASSOID, ObjectIdGetDatum(v->relid));
}

/*
 * wo_verify_engine tells what is not as it was installed, of the engine that
 * guards these tables.
 */
void
wo_verify_engine(WoVerify *v, List *tables)
{
	Datum	   *guarded = palloc(sizeof(Datum) * Max(list_length(tables), 1));
	ListCell   *lc;

	foreach(lc, tables)
		guarded[foreach_current_index(lc)] = ObjectIdGetDatum(((WoGuarded *) lfirst(lc))->relid);
	report_all(v, "verify_engine", REGCLASSARRAYOID,
			   PointerGetDatum(construct_array(guarded, list_length(tables), REGCLASSOID,
											   sizeof(Oid), true, TYPALIGN_INT)));
}
