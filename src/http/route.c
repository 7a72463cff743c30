/*-------------------------------------------------------------------------
 *
 * route.c
 *	  The APIs and routes of this database, compiled.
 *
 * Routes are in a trie (route_trie.c), and so are the prefixes of the APIs:
 * the last one that a path comes by owns the path, whether a route is found or
 * not.
 *
 * The cache is per backend, built when it is first needed, and replaced as a
 * whole when one of the two tables changes: their trigger invalidates the
 * relcache entry (flow_cache.c has the same), so own changes and rollbacks are
 * seen too.  The old one is handed to the transaction.  Rows that cannot be
 * understood are left out and logged: one bad row must not close every door.
 * Once a function has changed, it is asked anew whether the data is as new as
 * the code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "http/http_settings.h"
#include "http/route_trie.h"
#include "utils/cache.h"
#include "utils/lookup.h"

typedef struct RouteCache
{
	MemoryContext context;
	Oid			owner;			/* of workorder.api */
	WoTrie		trie;
	List	   *apis;			/* of WoApi * */
} RouteCache;

const char *const wo_route_method_name[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

/* The cache; NULL until first used. */
static RouteCache *cache = NULL;
static WoCache state;

/* The data is known to be as new as its code, until a function changes, as by ALTER EXTENSION ... UPDATE. */
static WoCache versions = {.syscache = PROCOID};

static void rebuild(void);
static void read_apis(RouteCache *new, Oid table);
static void read_routes(RouteCache *new, Oid table);
static void add_route(RouteCache *new, const char *api, const char *method, const char *pattern,
					  const char *handler, Jsonb *settings);
static void check_versions(void);

/*
 * ready makes sure that the cache is what the tables say.
 */
static void
ready(void)
{
	if (unlikely(!wo_cache_current(&state)))
		rebuild();
	else if (unlikely(!wo_cache_current(&versions)))
		check_versions();
}

/*
 * wo_route_method returns the method of that name; a HEAD is a GET whose body
 * is dropped on the way.
 */
WoMethod
wo_route_method(const char *name)
{
	for (int i = 0; i <= WO_METHOD_OPTIONS; i++)
		if (strcmp(name, wo_route_method_name[i]) == 0)
			return (WoMethod) i;
	return strcmp(name, "HEAD") == 0 ? WO_METHOD_GET : WO_METHOD_UNKNOWN;
}

/*
 * wo_route_owner returns the owner of workorder.api: who configures the door.
 */
Oid
wo_route_owner(void)
{
	ready();
	return cache->owner;
}

/*
 * wo_route_match finds the API and the route of a path.  Of a path that was
 * refused, complete is false: it belongs to somebody and leads nowhere.
 */
void
wo_route_match(const WoHttpPath *path, bool complete, WoMethod method, WoRouteMatch *match)
{
	int			node = 0;

	ready();
	match->api = cache->trie.nodes[0].api;
	match->route = NULL;
	match->allowed = 0;
	for (int i = 0; i < path->nsegments; i++)
	{
		node = wo_trie_follow(&cache->trie, node, path->segment[i]);
		if (node == WO_NOWHERE)
			break;
		if (cache->trie.nodes[node].api != NULL)
			match->api = cache->trie.nodes[node].api;
	}
	if (complete)
		wo_trie_search(&cache->trie, path, method, match);
	if (match->route != NULL)
		match->api = match->route->api;
}

/*
 * get_json reads a column of type json or jsonb, which wo_lookup_text() does
 * not know; NULL for null.
 */
static struct varlena *
get_json(WoLookup *lookup, HeapTuple tuple, const char *name, Oid type)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(lookup->rel), name);
	TupleDesc	desc = RelationGetDescr(lookup->rel);
	Datum		value;
	bool		isnull;

	if (attnum <= 0 || TupleDescAttr(desc, attnum - 1)->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("table \"%s.%s\" has no column \"%s\" of type %s", WO_SCHEMA,
						RelationGetRelationName(lookup->rel), name, format_type_be(type)),
				 errdetail("The engine reads this column directly."),
				 errhint("Put back the column that workorder.install() made.")));
	value = heap_getattr(tuple, attnum, desc, &isnull);
	return isnull ? NULL : PG_DETOAST_DATUM_COPY(value);
}

/*
 * get_text reads a column that is text and not null in a sound table.
 */
static const char *
get_text(WoLookup *lookup, HeapTuple tuple, const char *name)
{
	const char *value = wo_lookup_text(lookup, tuple, name);

	return value != NULL ? value : "";
}

/*
 * read_apis reads workorder.api.
 */
static void
read_apis(RouteCache *new, Oid table)
{
	WoLookup	lookup;
	HeapTuple	tuple;

	wo_lookup_begin(&lookup, table, NULL, 0);
	new->owner = lookup.rel->rd_rel->relowner;
	while ((tuple = wo_lookup_next(&lookup)) != NULL)
	{
		WoApi	   *api = palloc0(sizeof(WoApi));
		struct varlena *error = get_json(&lookup, tuple, "error", JSONOID);
		List	   *params;
		int			node;

		api->name = get_text(&lookup, tuple, "name");
		api->prefix = get_text(&lookup, tuple, "prefix");
		api->error = error != NULL ? text_to_cstring((text *) error) : "null";
		api->anonymous = wo_lookup_bool(&lookup, tuple, "anonymous");
		wo_http_read_settings((Jsonb *) get_json(&lookup, tuple, "settings", JSONBOID), api);
		new->apis = lappend(new->apis, api);

		node = wo_trie_place(&new->trie, api->prefix, &params);
		if (node == WO_NOWHERE || params != NIL || new->trie.nodes[node].api != NULL)
			ereport(LOG,
					(errmsg("the prefix of API \"%s\" is ignored", api->name),
					 errdetail("It is no path, or that of another API.")));
		else
			new->trie.nodes[node].api = api;
	}
	wo_lookup_end(&lookup);
}

/*
 * read_routes reads workorder.route.
 */
static void
read_routes(RouteCache *new, Oid table)
{
	WoLookup	lookup;
	HeapTuple	tuple;

	wo_lookup_begin(&lookup, table, NULL, 0);
	while ((tuple = wo_lookup_next(&lookup)) != NULL)
		add_route(new,
				  get_text(&lookup, tuple, "api"),
				  get_text(&lookup, tuple, "method"),
				  get_text(&lookup, tuple, "pattern"),
				  get_text(&lookup, tuple, "handler"),
				  (Jsonb *) get_json(&lookup, tuple, "settings", JSONBOID));
	wo_lookup_end(&lookup);
}

/*
 * add_route puts a route into the trie.  Of two for the same method and path,
 * the one of the API whose name comes first is served, whatever their order.
 */
static void
add_route(RouteCache *new, const char *api, const char *method, const char *pattern,
		  const char *handler, Jsonb *settings)
{
	WoRoute    *route = palloc0(sizeof(WoRoute));
	List	   *params;
	int			node = wo_trie_place(&new->trie, pattern, &params);
	WoTrieNode	   *here;
	ListCell   *lc;

	foreach(lc, new->apis)
		if (strcmp(((WoApi *) lfirst(lc))->name, api) == 0)
			route->api = lfirst(lc);
	route->method = wo_route_method(method);
	if (route->api == NULL || node == WO_NOWHERE || route->method >= WO_METHODS)
	{
		ereport(LOG,
				(errmsg("route \"%s %s\" of API \"%s\" is ignored", method, pattern, api),
				 errdetail("Its API, its method or its pattern is not valid.")));
		return;
	}
	route->pattern = pattern;
	route->nparams = list_length(params);
	route->params = palloc(sizeof(char *) * (route->nparams + 1));
	foreach(lc, params)
		route->params[foreach_current_index(lc)] = lfirst(lc);
	route->body = route->api->body;
	wo_http_read_body_rules(settings, &route->body);
	route->handler.name = handler;
	route->handler.home = CurrentMemoryContext;

	here = &new->trie.nodes[node];
	if (here->routes[route->method] != NULL)
	{
		WoRoute    *other = here->routes[route->method];

		ereport(LOG,
				(errmsg("there are two routes for \"%s %s\"", method, pattern),
				 errdetail("One is of API \"%s\", the other of API \"%s\".", other->api->name, api)));
		if (strcmp(other->api->name, api) < 0 ||
			(other->api == route->api && strcmp(other->pattern, pattern) < 0))
			return;
	}
	here->methods |= 1 << route->method;
	here->routes[route->method] = route;
}

/*
 * installed_version returns the version of an extension, NULL if there is none
 * of that name.
 */
static char *
installed_version(const char *name)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	char	   *result = NULL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum(name));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL, 1, &key);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(catalog), &isnull);

		result = isnull ? NULL : TextDatumGetCString(version);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

/*
 * check_versions refuses to serve data that is older than the extension whose
 * it is and was not brought up to date: nobody knows what a handler would find
 * in it.  The library does not matter: it serves older extensions, too.
 */
static void
check_versions(void)
{
	WoLookup	lookup;
	HeapTuple	tuple;
	uint64		begun = wo_cache_begin(&versions);

	wo_lookup_begin(&lookup, wo_lookup_table("installation", false), NULL, 0);
	while ((tuple = wo_lookup_next(&lookup)) != NULL)
	{
		const char *name = get_text(&lookup, tuple, "extension");
		const char *data = get_text(&lookup, tuple, "version");
		const char *code = installed_version(pnstrdup(name, NAMEDATALEN - 1));
		int			had[2] = {0, 0};
		int			needs[2];

		(void) sscanf(data, "%d.%d", &had[0], &had[1]);
		if (code != NULL && sscanf(code, "%d.%d", &needs[0], &needs[1]) == 2 &&
			(had[0] < needs[0] || (had[0] == needs[0] && had[1] < needs[1])))
		{
			ereport(ERROR,
					(errcode(ERRCODE_WO_CONFLICT),
					 errmsg("the data of %s is of version %s, the extension of %s",
							wo_shown(name), wo_shown(data), code),
					 errdetail("The tables are those of an older version."),
					 errhint("Run SELECT workorder.upgrade().")));
		}
	}
	wo_lookup_end(&lookup);
	wo_cache_done(&versions, begun);
}

/*
 * rebuild reads the tables anew.  If it fails, what there was stays outdated,
 * and what was begun goes away with the current context.
 */
static void
rebuild(void)
{
	MemoryContext context;
	MemoryContext old;
	RouteCache *new;
	Oid			api_table = wo_lookup_table("api", false);
	Oid			route_table = wo_lookup_table("route", false);
	uint64		begun;

	check_versions();

	begun = wo_cache_begin(&state);
	wo_cache_follow(&state, 0, api_table);
	wo_cache_follow(&state, 1, route_table);
	LockRelationOid(api_table, AccessShareLock);
	LockRelationOid(route_table, AccessShareLock);

	context = AllocSetContextCreate(CurrentMemoryContext, "workorder routes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	new = palloc0(sizeof(RouteCache));
	new->context = context;
	wo_trie_init(&new->trie);
	read_apis(new, api_table);
	read_routes(new, route_table);
	MemoryContextSwitchTo(old);
	UnlockRelationOid(route_table, AccessShareLock);
	UnlockRelationOid(api_table, AccessShareLock);

	MemoryContextSetParent(context, CacheMemoryContext);
	if (cache != NULL)
		MemoryContextSetParent(cache->context, TopTransactionContext);
	cache = new;
	wo_cache_done(&state, begun);
}
