/*-------------------------------------------------------------------------
 *
 * total.c
 *	  workorder.total(): how many tickets there are, for whoever asks.
 *
 * The answer is what count(*) would give him in the same snapshot.  Of states
 * in which he sees every ticket of his tenant it is read from the tally, at
 * the same cost however many there are; of states in which he sees nothing it
 * is nought; the rest is counted under row-level security.  So a total never
 * tells of tickets that the caller may not see.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "actor/actor.h"
#include "flow/flow_cache.h"
#include "ticket/act.h"
#include "flow/flow.h"
#include "flow/policy.h"
#include "journal/state_count.h"

PG_FUNCTION_INFO_V1(workorder_total);

/* A leaf that was asked for, of any version of the flow. */
typedef struct Leaf
{
	const char *path;
	WoSight		sight;			/* of its tickets on all versions together */
} Leaf;

/*
 * check_column makes sure that the caller may read a column that he is told
 * about.
 */
static void
check_column(Relation rel, AttrNumber attnum)
{
	Oid			relid = RelationGetRelid(rel);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck(relid, attnum, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error_col(ACLCHECK_NO_PRIV, OBJECT_COLUMN, RelationGetRelationName(rel),
						   NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname));
}

/*
 * read_states takes the array of states apart.
 */
static List *
read_states(ArrayType *array)
{
	List	   *states = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("one of the states is null"),
					 errdetail("A state is named by its path."),
					 errhint("Leave states out to ask for all of them.")));
		states = lappend(states, TextDatumGetCString(values[i]));
	}
	return states;
}

/*
 * add_leaf adds what the actor sees of a leaf in one version of the flow.
 */
static List *
add_leaf(List *leaves, const char *path, WoSight sight)
{
	ListCell   *lc;
	Leaf	   *leaf;

	foreach(lc, leaves)
	{
		leaf = lfirst(lc);
		if (strcmp(leaf->path, path) == 0)
		{
			if (leaf->sight != sight)
				leaf->sight = WO_SEES_SOME;
			return leaves;
		}
	}
	leaf = palloc(sizeof(Leaf));
	leaf->path = path;
	leaf->sight = sight;
	return lappend(leaves, leaf);
}

/*
 * find_leaves lists the leaves of all versions that are meant: a compound
 * state stands for those in it, no states at all for every leaf.  Without an
 * actor everything is seen.
 */
static List *
find_leaves(const WoBinding *binding, List *states, bool all, const WoActor *actor)
{
	List	   *versions = wo_flow_versions(binding->flow_name);
	List	   *leaves = NIL;
	bool	   *known = palloc0(sizeof(bool) * (list_length(states) + 1));
	ListCell   *lc;
	int			i;

	foreach(lc, versions)
	{
		const WoFlow *flow = wo_flow_by_id(lfirst_int(lc));
		Bitmapset  *meant = NULL;
		ListCell   *state;

		if (flow == NULL)
			continue;
		i = 0;
		foreach(state, states)
		{
			int			s = wo_flow_state(flow, lfirst(state), strlen(lfirst(state)));

			if (s >= 0)
			{
				known[i] = true;
				meant = bms_add_member(meant, s);
			}
			i++;
		}
		for (int leaf = 0; leaf < flow->nstates; leaf++)
		{
			bool		wanted = all;

			if (!wo_flow_is_leaf(flow, leaf))
				continue;
			for (int s = leaf; s >= 0 && !wanted; s = flow->states[s].parent)
				wanted = bms_is_member(s, meant);
			if (wanted)
				leaves = add_leaf(leaves, flow->states[leaf].path,
								  actor == NULL ? WO_SEES_ALL : wo_policy_sight(flow, leaf, actor));
		}
	}

	i = 0;
	foreach(lc, states)
		if (!known[i++])
			ereport(ERROR,
					(errcode(ERRCODE_WO_NOT_FOUND),
					 errmsg("flow \"%s\" has no state \"%s\"", binding->flow_name, wo_shown(lfirst(lc))),
					 errdetail("None of its versions has."),
					 errhint("The view workorder.flow_state lists them.")));
	return leaves;
}

/*
 * leaf_array returns the paths of those leaves that are seen as much as that,
 * or (WO_SEES_NONE) of all; NULL if there are none.
 */
static ArrayType *
leaf_array(List *leaves, WoSight sight)
{
	Datum	   *paths = palloc(sizeof(Datum) * (list_length(leaves) + 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, leaves)
	{
		const Leaf *leaf = lfirst(lc);

		if (sight == WO_SEES_NONE || leaf->sight == sight)
			paths[n++] = CStringGetTextDatum(leaf->path);
	}
	return n == 0 ? NULL : construct_array(paths, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * count_rows counts the rows of a tenant in these states, NULL for all, as
 * the caller sees them in the snapshot of his query.
 */
static int64
count_rows(Relation rel, const WoBinding *binding, int64 tenant, ArrayType *states)
{
	Oid			types[2] = {INT8OID, TEXTARRAYOID};
	Datum		values[2] = {Int64GetDatum(tenant), PointerGetDatum(states)};
	StringInfoData query;
	bool		isnull;
	int64		count;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT pg_catalog.count(*) FROM %s WHERE %s OPERATOR(pg_catalog.=) $1",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel)),
					 quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->tenant - 1)->attname)));
	if (states != NULL)
		appendStringInfo(&query, " AND %s OPERATOR(pg_catalog.=) ANY ($2)",
						 quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->engine[WO_STATE] - 1)->attname)));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(query.data, states != NULL ? 2 : 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the tickets");
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return count;
}

/*
 * total(relation, states) returns how many tickets of his tenant the caller
 * sees, in these states or in all.
 */
Datum
workorder_total(PG_FUNCTION_ARGS)
{
	bool		all = PG_ARGISNULL(1);
	const WoActor *actor;
	WoBinding  *binding;
	Relation	rel;
	List	   *leaves;
	bool		sees_all;
	bool		plain;
	int64		total = 0;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("argument \"%s\" is missing", "relation"),
				 errdetail("It must not be null."),
				 errhint("Give the name of a guarded table.")));
	rel = wo_open_guarded(PG_GETARG_OID(0), AccessShareLock, &binding);
	check_column(rel, binding->tenant);
	check_column(rel, binding->engine[WO_STATE]);
	actor = wo_actor_current();
	sees_all = check_enable_rls(RelationGetRelid(rel), InvalidOid, false) != RLS_ENABLED;
	leaves = find_leaves(binding, all ? NIL : read_states(PG_GETARG_ARRAYTYPE_P(1)), all,
						 sees_all ? NULL : actor);
	plain = all && sees_all;

	if (plain || leaves != NIL)
	{
		ArrayType  *whole = plain ? NULL : leaf_array(leaves, WO_SEES_ALL);
		ArrayType  *part = plain ? NULL : leaf_array(leaves, WO_SEES_SOME);

		/* the tally knows nothing of a partition by itself, nor of policies that users add */
		if (rel->rd_rel->relispartition || !(sees_all || wo_policies_are_ours(rel)) ||
			((plain || whole != NULL) && !wo_tally_read(binding, actor->tenant, whole, &total)))
			total = count_rows(rel, binding, actor->tenant, plain ? NULL : leaf_array(leaves, WO_SEES_NONE));
		else if (part != NULL)
			total += count_rows(rel, binding, actor->tenant, part);
	}
	table_close(rel, AccessShareLock);
	PG_RETURN_INT64(total);
}
