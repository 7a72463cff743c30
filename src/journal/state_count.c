/*-------------------------------------------------------------------------
 *
 * state_count.c
 *	  How many tickets of a table rest in each state, kept with every change.
 *
 * A table is counted once count_rows() has asked for it.  Then each statement
 * appends to workorder.state_count_change what it has moved: one row for each pair
 * of states, from where to where and how many; nobody waits for anybody.  Now
 * and then these rows are folded into workorder.state_count, one row for each state.
 * What a snapshot sees of both tables together is what it sees of the counted
 * table, since a change commits with its tickets and a fold all at once.
 *
 * Changes of the running statement wait here (heap_append.c).  While a table
 * has anything waiting here, its tally is not what the table holds; so a mark
 * stands here from the first row that a statement touches until its changes
 * are written.
 *
 * state_count_change has no index: it is short, because whoever begins one of its
 * pages, every few of them, folds what there is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/flow_sql.h"
#include "journal/replay.h"
#include "journal/state_count.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/heap_append.h"
#include "utils/owner_spi.h"

PG_FUNCTION_INFO_V1(workorder_compact_totals);

/* Columns of workorder.state_count_change, as install() makes them. */
enum
{
	Anum_change_tenant = 1,
	Anum_change_relation,
	Anum_change_from_state,
	Anum_change_to_state,
	Anum_change_n,
	Natts_change = Anum_change_n
};

/* More different moves than this are not kept until the statement ends. */
#define FLUSH_MOVES		64

/* A writer compacts on beginning a page with such a number: the more, the more of a kind there are. */
#define FOLD_PAGES		4

/* How many changes are folded at once. */
#define FOLD_CHANGES	1000

/* How far to look back for a change of the same state; SQL adds up what is left. */
#define FOLD_LOOK_BACK	16

/* Rows that the running statement has moved, or the mark that it is running. */
typedef struct Move
{
	SubTransactionId subid;		/* first, see heap_append.c */
	int32		relation;		/* workorder.guarded.id */
	int			depth;			/* of triggers, to know a statement's end by */
	int64		n;				/* 0 = a mark */
	int64		tenant;
	const char *from;			/* NULL = the rows are new */
	const char *to;				/* NULL = the rows are gone */
} Move;

/* What a fold adds to the tally. */
typedef struct Sums
{
	int			n;
	Datum	   *tenants;
	Datum	   *states;
	Datum	   *sums;
} Sums;

static void write_at_commit(void);

#define COLUMN(name)	(1 << (Anum_change_##name - 1))

static WoTable change_table = {
	.name = "state_count_change",
	.natts = Natts_change,
	.filled = COLUMN(tenant) | COLUMN(relation) | COLUMN(n)
};

static WoPending pending = {
	.name = "changes of totals", .size = sizeof(Move), .flush = write_at_commit
};

/* One at a time folds the changes of a table; the others go on. */
static WoStatement take_turn = {
	.table = "guarded",
	.text = "SELECT 1::pg_catalog.int8 FROM workorder.guarded"
		" WHERE id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE SKIP LOCKED",
	.nargs = 1,
	.types = {INT4OID}
};

static WoStatement add_to_tally = {
	.table = "state_count",
	.text = "INSERT INTO workorder.state_count AS y (tenant_id, guarded_id, state, n)"
		" SELECT s.tenant_id, $1, s.state, pg_catalog.sum(s.n)::pg_catalog.int8"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) AS s (tenant_id, state, n)"
		" GROUP BY s.tenant_id, s.state HAVING pg_catalog.sum(s.n) OPERATOR(pg_catalog.<>) 0"
		" ON CONFLICT (tenant_id, guarded_id, state)"
		" DO UPDATE SET n = y.n OPERATOR(pg_catalog.+) excluded.n",
	.nargs = 4,
	.types = {INT4OID, INT8ARRAYOID, TEXTARRAYOID, INT8ARRAYOID}
};

static WoStatement read_tally = {
	.table = "state_count",
	.text = "SELECT (coalesce(("
		"  SELECT pg_catalog.sum(y.n) FROM workorder.state_count y"
		"  WHERE y.tenant_id OPERATOR(pg_catalog.=) $2 AND y.guarded_id OPERATOR(pg_catalog.=) $1"
		"  AND ($3 OR y.state OPERATOR(pg_catalog.=) ANY ($4))), 0)"
		" OPERATOR(pg_catalog.+) coalesce(("
		"  SELECT pg_catalog.sum(CASE WHEN c.to_state IS NULL THEN 0"
		"    WHEN $3 OR c.to_state OPERATOR(pg_catalog.=) ANY ($4) THEN c.n ELSE 0 END"
		"   OPERATOR(pg_catalog.-) CASE WHEN c.from_state IS NULL THEN 0"
		"    WHEN $3 OR c.from_state OPERATOR(pg_catalog.=) ANY ($4) THEN c.n ELSE 0 END)"
		"  FROM workorder.state_count_change c"
		"  WHERE c.guarded_id OPERATOR(pg_catalog.=) $1 AND c.tenant_id OPERATOR(pg_catalog.=) $2), 0))::pg_catalog.int8"
		" FROM workorder.guarded g WHERE g.id OPERATOR(pg_catalog.=) $1 AND g.counted",
	.reads = true,
	.nargs = 4,
	.types = {INT4OID, INT8OID, BOOLOID, TEXTARRAYOID}
};

static bool write_moves(void);

static void
write_at_commit(void)
{
	(void) write_moves();
}

static Move *
move_at(int i)
{
	return (Move *) pending.rows + i;
}

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/*
 * wo_state_count_begin marks that a statement is about to change rows of a table.
 */
void
wo_state_count_begin(const WoBinding *binding)
{
	Move	   *mark;
	int			depth;

	if (!binding->counted)
		return;
	depth = trigger_depth();
	for (int i = wo_heap_append_first_deferred(&pending); i < pending.n; i++)
	{
		mark = move_at(i);
		if (mark->n == 0 && mark->relation == binding->guarded_id && mark->depth == depth)
			return;
	}
	mark = wo_heap_append_defer(&pending);
	mark->relation = binding->guarded_id;
	mark->depth = depth;
}

static bool
same_state(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * wo_state_count_move takes note that a row has come to rest in another state.
 */
void
wo_state_count_move(const WoBinding *binding, int64 tenant, const char *from, const char *to)
{
	int			nmoves = 0;
	Move	   *move;

	if (!binding->counted || same_state(from, to))
		return;
	for (int i = wo_heap_append_first_deferred(&pending); i < pending.n; i++)
	{
		move = move_at(i);
		if (move->n == 0)
			continue;
		if (move->relation == binding->guarded_id && move->tenant == tenant &&
			same_state(move->from, from) && same_state(move->to, to))
		{
			move->n++;
			return;
		}
		nmoves++;
	}
	if (nmoves >= FLUSH_MOVES)
		(void) write_moves();
	move = wo_heap_append_defer(&pending);
	move->relation = binding->guarded_id;
	move->n = 1;
	move->tenant = tenant;
	move->from = from != NULL ? MemoryContextStrdup(pending.context, from) : NULL;
	move->to = to != NULL ? MemoryContextStrdup(pending.context, to) : NULL;
}

static HeapTuple
form_change(Relation change, const Move *move)
{
	Datum		values[Natts_change] = {0};
	bool		nulls[Natts_change] = {0};

	values[Anum_change_tenant - 1] = Int64GetDatum(move->tenant);
	values[Anum_change_relation - 1] = Int32GetDatum(move->relation);
	values[Anum_change_n - 1] = Int64GetDatum(move->n);
	if (move->from != NULL)
		values[Anum_change_from_state - 1] = CStringGetTextDatum(move->from);
	else
		nulls[Anum_change_from_state - 1] = true;
	if (move->to != NULL)
		values[Anum_change_to_state - 1] = CStringGetTextDatum(move->to);
	else
		nulls[Anum_change_to_state - 1] = true;
	return wo_heap_append_form(&change_table, change, values, nulls);
}

/*
 * write_moves writes what waits in this subtransaction; marks stay.  Returns
 * whether it is time to fold.
 */
static bool
write_moves(void)
{
	int			first = wo_heap_append_first_deferred(&pending);
	int			kept = first;
	int			ntuples = 0;
	HeapTuple  *tuples = NULL;
	Relation	change;
	bool		due = false;

	for (int i = first; i < pending.n; i++)
		if (move_at(i)->n != 0)
			ntuples++;
	if (ntuples == 0)
		return false;

	change = wo_heap_append_open(&change_table, RowExclusiveLock);
	tuples = palloc(sizeof(HeapTuple) * ntuples);
	ntuples = 0;
	for (int i = first; i < pending.n; i++)
	{
		if (move_at(i)->n != 0)
			tuples[ntuples++] = form_change(change, move_at(i));
		else
			*move_at(kept++) = *move_at(i);
	}
	wo_heap_append_keep_deferred(&pending, kept);
	wo_heap_append(&change_table, change, tuples, ntuples, NULL);
	table_close(change, NoLock);

	for (int i = 0; i < ntuples; i++)
		if (ItemPointerGetOffsetNumber(&tuples[i]->t_self) == FirstOffsetNumber &&
			ItemPointerGetBlockNumber(&tuples[i]->t_self) % FOLD_PAGES == 0)
			due = true;
	return due;
}

/*
 * add_sum adds to what a fold adds to the tally.
 */
static void
add_sum(Sums *sums, int64 tenant, Datum state, int64 n)
{
	for (int i = sums->n - 1; i >= 0 && i >= sums->n - FOLD_LOOK_BACK; i--)
		if (DatumGetInt64(sums->tenants[i]) == tenant && datum_image_eq(sums->states[i], state, false, -1))
		{
			sums->sums[i] = Int64GetDatum(DatumGetInt64(sums->sums[i]) + n);
			return;
		}
	sums->tenants[sums->n] = Int64GetDatum(tenant);
	sums->states[sums->n] = datumCopy(state, false, -1);
	sums->sums[sums->n] = Int64GetDatum(n);
	sums->n++;
}

/*
 * take_changes deletes the changes of a table that this transaction sees, as
 * many as are folded at once, and adds them up.  Returns how many.
 */
static int
take_changes(int32 relation, Sums *sums)
{
	Relation	change = wo_heap_append_open(&change_table, RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			taken = 0;

	ScanKeyInit(&key, Anum_change_relation, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(relation));
	scan = systable_beginscan(change, InvalidOid, false, snapshot, 1, &key);
	while (taken < FOLD_CHANGES && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_change];
		bool		nulls[Natts_change];
		TM_FailureData failure;

		CHECK_FOR_INTERRUPTS();
		/* somebody who deletes by hand, or a fold that this snapshot does not see */
		if (wo_table_tuple_delete(change, &tuple->t_self, GetCurrentCommandId(true), snapshot, &failure) != TM_Ok)
			continue;
		taken++;
		for (int i = 0; i < Natts_change; i++)
			values[i] = heap_getattr(tuple, i + 1, RelationGetDescr(change), &nulls[i]);
		for (int i = Anum_change_from_state - 1; i < Anum_change_to_state; i++)
			if (!nulls[i])
				add_sum(sums, DatumGetInt64(values[Anum_change_tenant - 1]), values[i],
						DatumGetInt64(values[Anum_change_n - 1]) * (i == Anum_change_to_state - 1 ? 1 : -1));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(change, NoLock);
	return taken;
}

/*
 * fold moves changes of a table into the tally and returns how many, nought if
 * it is somebody else's turn.
 */
static int
fold(int32 relation)
{
	Datum		values[4] = {Int32GetDatum(relation)};
	Sums		sums = {0};
	int			taken;

	if (!wo_owner_spi_run(&take_turn, values, NULL))
		return 0;
	sums.tenants = palloc(sizeof(Datum) * FOLD_CHANGES * 2);
	sums.states = palloc(sizeof(Datum) * FOLD_CHANGES * 2);
	sums.sums = palloc(sizeof(Datum) * FOLD_CHANGES * 2);
	taken = take_changes(relation, &sums);
	if (sums.n > 0)
	{
		values[1] = PointerGetDatum(construct_array(sums.tenants, sums.n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		values[2] = PointerGetDatum(construct_array(sums.states, sums.n, TEXTOID, -1, false, TYPALIGN_INT));
		values[3] = PointerGetDatum(construct_array(sums.sums, sums.n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		(void) wo_owner_spi_run(&add_to_tally, values, NULL);
	}
	return taken;
}

/*
 * wo_state_count_flush is called at the end of a statement on a table: what it has
 * moved is written.  A statement on a partition has no such end; its moves
 * wait for the next one, or for the commit.
 *
 * Who is to compact does so, unless their transaction keeps to an old snapshot,
 * which could make that fail.
 */
void
wo_state_count_flush(Relation rel)
{
	const WoBinding *binding;
	int			depth = trigger_depth();
	int			kept;
	bool		due;

	if (pending.n == 0)
		return;
	due = write_moves();
	binding = wo_binding_if_guarded(rel);
	if (binding == NULL)
		return;
	kept = wo_heap_append_first_deferred(&pending);
	for (int i = kept; i < pending.n; i++)
		if (move_at(i)->relation != binding->guarded_id || move_at(i)->depth < depth)
			*move_at(kept++) = *move_at(i);
	wo_heap_append_keep_deferred(&pending, kept);
	if (due && !IsolationUsesXactSnapshot())
		(void) fold(binding->guarded_id);
}

/*
 * wo_state_count_read reads a tenant's total of a table from the tally, of these
 * states or (NULL) of all, as the active snapshot sees it.  False if the tally
 * cannot tell: the table is not counted, or was not in the eyes of that
 * snapshot, or this session is in the middle of changing it.
 */
bool
wo_state_count_read(const WoBinding *binding, int64 tenant, ArrayType *states, int64 *total)
{
	Datum		values[4] = {
		Int32GetDatum(binding->guarded_id),
		Int64GetDatum(tenant),
		BoolGetDatum(states == NULL),
		PointerGetDatum(states != NULL ? states : construct_empty_array(TEXTOID))
	};

	if (!binding->counted)
		return false;
	for (int i = 0; i < pending.n; i++)
		if (move_at(i)->relation == binding->guarded_id)
			return false;
	return wo_owner_spi_run(&read_tally, values, total);
}

/*
 * compact_totals() folds all changes of all counted tables and returns how many.
 * A table's writers are not waited for, but count_rows() is.
 */
Datum
workorder_compact_totals(PG_FUNCTION_ARGS)
{
	WoStream	stream;
	HeapTuple	tuple;
	int64		result = 0;

	PreventCommandIfReadOnly("workorder.compact_totals()");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	wo_owner_spi_stream_open(&stream, wo_catalog_table("guarded", false),
							 "SELECT id, relation::pg_catalog.oid FROM workorder.guarded WHERE counted ORDER BY id",
							 0, NULL, NULL);
	while ((tuple = wo_owner_spi_stream_next(&stream)) != NULL)
	{
		TupleDesc	desc = stream.batch->tupdesc;
		bool		isnull;
		int32		relation = DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull));
		Relation	rel = try_table_open(DatumGetObjectId(SPI_getbinval(tuple, desc, 2, &isnull)),
										 RowExclusiveLock);
		int			folded;

		if (rel == NULL)
			continue;
		while ((folded = fold(relation)) > 0)
			result += folded;
		table_close(rel, NoLock);
	}
	wo_owner_spi_stream_close(&stream);
	SPI_finish();
	PG_RETURN_INT64(result);
}

/* ----------------------------------------------------------------
 *		total(): how many tickets there are, for whoever asks
 * ----------------------------------------------------------------
 */

/*
 * The answer is what count(*) would give in the same snapshot.  Of states in
 * which somebody sees every ticket of their tenant it is read from the counts,
 * at the same cost however many there are; of states in which they see nothing
 * it is zero; the rest is counted under row-level security.  So a total never
 * tells of tickets that the caller may not see.
 */

PG_FUNCTION_INFO_V1(workorder_total);

/* A leaf that was asked for, of any version of the flow. */
typedef struct Leaf
{
	const char *path;
	WoSight		sight;			/* of its tickets on all versions together */
} Leaf;

/*
 * check_column makes sure that the caller may read a column that they are told
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
	List	   *versions = wo_flow_cache_versions(binding->flow_name);
	List	   *leaves = NIL;
	bool	   *known = palloc0(sizeof(bool) * (list_length(states) + 1));
	ListCell   *lc;
	int			i;

	foreach(lc, versions)
	{
		const WoFlow *flow = wo_flow_cache_by_id(lfirst_int(lc));
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
								  actor == NULL ? WO_SEES_ALL : wo_flow_sql_sight(flow, leaf, actor));
		}
	}

	i = 0;
	foreach(lc, states)
		if (!known[i++])
			ereport(ERROR,
					(errcode(ERRCODE_WO_NOT_FOUND),
					 errmsg("flow \"%s\" has no state \"%s\"", binding->flow_name, wo_errors_shorten(lfirst(lc))),
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
 * the caller sees them in the snapshot of their query.
 */
static int64
count_rows(Relation rel, const WoBinding *binding, int64 tenant, ArrayType *states)
{
	Oid			types[1] = {TEXTARRAYOID};
	Datum		values[1] = {PointerGetDatum(states)};
	StringInfoData query;
	bool		isnull;
	int64		count;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT pg_catalog.count(*) FROM %s WHERE %s",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel)),
					 wo_binding_of_tenant(binding, tenant));
	if (states != NULL)
		appendStringInfo(&query, " AND %s OPERATOR(pg_catalog.=) ANY ($1)",
						 quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->engine[WO_STATE] - 1)->attname)));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(query.data, states != NULL ? 1 : 0, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the tickets");
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return count;
}

/*
 * total(relation, states) returns how many tickets of their tenant the caller
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
	rel = wo_binding_open(PG_GETARG_OID(0), AccessShareLock, &binding);
	if (binding->tenant != InvalidAttrNumber)
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
		if (rel->rd_rel->relispartition || !(sees_all || wo_flow_sql_policies_are_ours(rel)) ||
			((plain || whole != NULL) && !wo_state_count_read(binding, actor->tenant, whole, &total)))
			total = count_rows(rel, binding, actor->tenant, plain ? NULL : leaf_array(leaves, WO_SEES_NONE));
		else if (part != NULL)
			total += count_rows(rel, binding, actor->tenant, part);
	}
	table_close(rel, AccessShareLock);
	PG_RETURN_INT64(total);
}
