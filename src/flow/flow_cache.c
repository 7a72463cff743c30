/*-------------------------------------------------------------------------
 *
 * flow_cache.c
 *	  This backend's cache of the flows in workorder.flow.
 *
 * The list of versions is read at once, a definition is compiled when its
 * version is first asked for.  Everything lives in one context under
 * CacheMemoryContext, with a child for each compiled flow.
 *
 * Writers of the table signal by a relcache invalidation (the trigger
 * function below), which makes the cache transactional for free: own changes
 * are seen, a rollback is noticed, other sessions hear of a commit.  The
 * next question finds the cache stale (cache.c) and reads the list anew, into a
 * new context.  The old one is handed to the
 * transaction, so that a flow stays what it was for whoever holds it: pointers
 * are good until the end of the transaction.
 *
 * A statement that is under way when a flow is published goes on with the
 * flow it has looked up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/inval.h"        /* CacheInvalidateRelcache */
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/flow_compile.h"
#include "utils/cache.h"
#include "utils/catalog.h"

PG_FUNCTION_INFO_V1(workorder_invalidate);

/* One version of a flow. */
typedef struct CachedFlow
{
	int			id;
	const char *name;
	int			version;
	bool		draft;
	bool		open;			/* takes new rows */
	WoFlow	   *flow;			/* NULL until it is asked for */
} CachedFlow;

typedef struct FlowCache
{
	MemoryContext context;
	int			n;
	CachedFlow *flows;			/* by id */
} FlowCache;

/* Attributes of workorder.flow, found by name: its owner may have added some. */
typedef struct FlowColumns
{
	AttrNumber	id;
	AttrNumber	name;
	AttrNumber	version;
	AttrNumber	life;
	AttrNumber	definition;
} FlowColumns;

/* The cache; NULL until first used.  Replaced as a whole by rebuild(). */
static FlowCache *cache = NULL;
static WoCache state;

/* A flow that is tried out until the end of a subtransaction, see why.c. */
static WoFlow *simulated = NULL;
static SubTransactionId simulated_in = InvalidSubTransactionId;

/*
 * on_subtransaction_event ends a simulation, or hands it to the parent.
 */
static void
on_subtransaction_event(SubXactEvent event, SubTransactionId subid,
						SubTransactionId parent, void *arg)
{
	if (simulated == NULL || simulated_in != subid)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		simulated = NULL;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		simulated_in = parent;
}

static void
on_transaction_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		simulated = NULL;
}

/*
 * wo_flow_cache_simulate makes a flow known to this session, as WO_FLOW_SIMULATED,
 * until the subtransaction is rolled back.  It must live in the transaction.
 */
void
wo_flow_cache_simulate(WoFlow *flow)
{
	if (simulated != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("a simulation is under way in this session"),
				 errdetail("A simulation cannot simulate."),
				 errhint("Simulate one flow after the other.")));
	flow->id = WO_FLOW_SIMULATED;
	flow->open = true;
	simulated = flow;
	simulated_in = GetCurrentSubTransactionId();
}

/*
 * wo_flow_cache_init registers the callbacks, once per process.
 */
void
wo_flow_cache_init(void)
{
	RegisterXactCallback(on_transaction_event, NULL);
	RegisterSubXactCallback(on_subtransaction_event, NULL);
}

/*
 * workorder_invalidate() is the statement trigger on rule tables: it tells every
 * backend to read the table again.
 */
Datum
workorder_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("workorder.invalidate() can only be called as a trigger")));
	if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("workorder.invalidate() must be an AFTER STATEMENT trigger")));
	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}

/*
 * find_column returns a column of workorder.flow, which must be of its type.
 */
static AttrNumber
find_column(Relation rel, const char *name, Oid type)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(rel), name);

	if (attnum <= 0 || TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("column \"%s\" of table workorder.flow is missing or has another type", name),
				 errdetail("The engine reads it as %s.", format_type_be(type)),
				 errhint("Run SELECT workorder.upgrade().")));
	return attnum;
}

static FlowColumns
find_columns(Relation rel)
{
	FlowColumns columns;

	columns.id = find_column(rel, "id", INT4OID);
	columns.name = find_column(rel, "name", TEXTOID);
	columns.version = find_column(rel, "version", INT4OID);
	columns.life = find_column(rel, "life", TEXTOID);
	columns.definition = find_column(rel, "definition", JSONBOID);
	return columns;
}

/*
 * get_value reads a column that is never null in a sound table.
 */
static Datum
get_value(HeapTuple tuple, AttrNumber attnum, Relation rel)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, RelationGetDescr(rel), &isnull);

	if (isnull)
		elog(ERROR, "null in column %d of table workorder.flow", attnum);
	return value;
}

static int
compare_ids(const void *a, const void *b)
{
	int			x = ((const CachedFlow *) a)->id;
	int			y = ((const CachedFlow *) b)->id;

	return (x > y) - (x < y);
}

/*
 * read_versions fills a new cache with the rows of the table, definitions
 * left out.
 */
static void
read_versions(FlowCache *new, Relation rel)
{
	FlowColumns columns = find_columns(rel);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(rel)));
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	int			allocated = 16;
	HeapTuple	tuple;

	new->flows = palloc(sizeof(CachedFlow) * allocated);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CachedFlow *flow;
		char	   *life = TextDatumGetCString(get_value(tuple, columns.life, rel));

		if (new->n == allocated)
			new->flows = repalloc(new->flows, sizeof(CachedFlow) * (allocated *= 2));
		flow = &new->flows[new->n++];
		flow->id = DatumGetInt32(get_value(tuple, columns.id, rel));
		flow->name = TextDatumGetCString(get_value(tuple, columns.name, rel));
		flow->version = DatumGetInt32(get_value(tuple, columns.version, rel));
		flow->draft = strcmp(life, "draft") == 0;
		flow->open = strcmp(life, "published") == 0;
		flow->flow = NULL;
		pfree(life);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	qsort(new->flows, new->n, sizeof(CachedFlow), compare_ids);
}

/*
 * rebuild reads the list of versions anew.  If it fails, what there was stays
 * outdated, and what was begun goes away with the current context.
 */
static void
rebuild(void)
{
	Oid			table = wo_catalog_table("flow", false);
	uint64		begun = wo_cache_begin(&state);
	Relation	rel;
	MemoryContext context;
	MemoryContext old;
	FlowCache  *new;

	wo_cache_follow(&state, 0, table);
	rel = table_open(table, AccessShareLock);

	context = AllocSetContextCreate(CurrentMemoryContext, "workorder flows", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	new = palloc0(sizeof(FlowCache));
	new->context = context;
	read_versions(new, rel);
	MemoryContextSwitchTo(old);
	table_close(rel, AccessShareLock);

	MemoryContextSetParent(context, CacheMemoryContext);
	if (cache != NULL)
		MemoryContextSetParent(cache->context, TopTransactionContext);
	cache = new;
	wo_cache_done(&state, begun);
}

/*
 * ready makes sure that the cache is what the table says.
 */
static inline void
ready(void)
{
	if (unlikely(!wo_cache_current(&state)))
		rebuild();
}

/*
 * compile_version reads and compiles the definition of one version.  False if
 * the row is gone.  A definition that was published never changes, so it is no
 * matter if the table has since the list was read.
 */
static bool
compile_version(FlowCache *home, CachedFlow *cached)
{
	Relation	rel = table_open(wo_catalog_table("flow", false), AccessShareLock);
	FlowColumns columns = find_columns(rel);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(rel)));
	Oid			index = wo_primary_key(rel);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "workorder flow",
												  ALLOCSET_SMALL_SIZES);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, columns.id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(cached->id));
	scan = systable_beginscan(rel, index, OidIsValid(index), snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Jsonb	   *definition = DatumGetJsonbP(get_value(tuple, columns.definition, rel));
		WoFlow	   *flow = wo_flow_compile(definition, context, NULL);

		flow->id = cached->id;
		flow->name = cached->name;
		flow->version = cached->version;
		flow->open = cached->open;
		MemoryContextSetParent(context, home->context);
		cached->flow = flow;
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return cached->flow != NULL;
}

/*
 * compiled returns the flow of a version, NULL if the row is gone.
 */
static const WoFlow *
compiled(CachedFlow *cached)
{
	/* opening the table may hear a signal; the entry's own cache stays alive */
	if (cached->flow == NULL && !compile_version(cache, cached))
		return NULL;
	return cached->flow;
}

/*
 * wo_flow_cache_by_id returns a version of a flow, whatever its life, or NULL.
 */
const WoFlow *
wo_flow_cache_by_id(int id)
{
	CachedFlow	key = {.id = id};
	CachedFlow *found;

	if (unlikely(id == WO_FLOW_SIMULATED))
		return simulated;
	ready();
	found = bsearch(&key, cache->flows, cache->n, sizeof(CachedFlow), compare_ids);
	return found == NULL ? NULL : compiled(found);
}

/*
 * wo_flow_cache_by_name returns the version of a flow that takes new rows, or NULL.
 */
const WoFlow *
wo_flow_cache_by_name(const char *name)
{
	CachedFlow *found = NULL;

	if (unlikely(simulated != NULL) && strcmp(name, WO_FLOW_SIMULATED_NAME) == 0)
		return simulated;
	ready();
	for (int i = 0; i < cache->n; i++)
	{
		CachedFlow *flow = &cache->flows[i];

		if (flow->open && strcmp(flow->name, name) == 0 &&
			(found == NULL || flow->version > found->version))
			found = flow;
	}
	return found == NULL ? NULL : compiled(found);
}

/*
 * wo_flow_cache_versions returns the ids of all versions of a flow that rows may be
 * on: those that are or were published.
 */
List *
wo_flow_cache_versions(const char *name)
{
	List	   *ids = NIL;

	ready();
	for (int i = 0; i < cache->n; i++)
		if (!cache->flows[i].draft && strcmp(cache->flows[i].name, name) == 0)
			ids = lappend_int(ids, cache->flows[i].id);
	return ids;
}
