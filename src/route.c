/*-------------------------------------------------------------------------
 *
 * route.c
 *	  The APIs and routes of this database, compiled.
 *
 * Routes are a trie over the segments of their patterns.  The edges that are
 * literal text are in one hash table for the whole trie, keyed by the node
 * they leave; a node has two more edges at most, {name:int} and {name}.  So
 * the number of routes does not matter, only the number of segments.  A
 * literal is preferred to a number and a number to any text, but a way that
 * ends without a route for the method is given up for the next.
 *
 * The prefixes of the APIs are in the same trie: the last one that a path
 * comes by owns the path, whether a route is found or not.
 *
 * The cache is per backend, built when it is first needed, and replaced as a
 * whole when one of the two tables changes: their trigger invalidates the
 * relcache entry (flow_cache.c has the same), so own changes and rollbacks are
 * seen too.  The old one is handed to the transaction.  Rows that cannot be
 * understood are left out and logged: one bad row must not close every door.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "http_settings.h"
#include "lookup.h"
#include "route.h"

#define NOWHERE		(-1)

typedef struct TrieNode
{
	int			number;			/* where {name:int} leads, or NOWHERE */
	int			text;			/* where {name} leads, or NOWHERE */
	WoApi	   *api;			/* whose prefix ends here, or NULL */
	int			methods;		/* bits */
	WoRoute    *routes[WO_METHODS];
} TrieNode;

/* A literal edge; free if to is NOWHERE. */
typedef struct Edge
{
	int			from;
	int			to;
	WoSpan		text;
} Edge;

typedef struct RouteCache
{
	MemoryContext context;
	Oid			owner;			/* of workorder.api */
	int			nnodes;
	int			allocated;
	TrieNode	   *nodes;			/* [0] is the root */
	int			nedges;
	uint32		mask;			/* size of the hash table - 1 */
	Edge	   *edges;
	List	   *apis;			/* of WoApi * */
} RouteCache;

const char *const wo_route_method_name[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

/* The cache; NULL until first used. */
static RouteCache *cache = NULL;

/* The tables it was read from, and signals heard of them. */
static Oid	api_table = InvalidOid;
static Oid	route_table = InvalidOid;
static uint64 signals_heard = 0;
static uint64 signals_read = 0;

static void rebuild(void);
static void read_apis(RouteCache *new);
static void read_routes(RouteCache *new);
static void add_route(RouteCache *new, const char *api, const char *method, const char *pattern,
					  const char *handler, Jsonb *settings);
static int	add_node(RouteCache *new);
static int	add_literal(RouteCache *new, int node, WoSpan text);
static int	follow_literal(const RouteCache *routes, int node, WoSpan text);
static int	place(RouteCache *new, const char *pattern, List **params);
static void search(const RouteCache *routes, int node, const WoHttpPath *path, int segment,
				   int nparams, WoMethod method, WoRouteMatch *match);

/*
 * hear_signal counts an invalidation of one of the tables.
 */
static void
hear_signal(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == api_table || relid == route_table)
		signals_heard++;
}

/*
 * ready makes sure that the cache is what the tables say.
 */
static void
ready(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(hear_signal, (Datum) 0);
		registered = true;
	}
	if (unlikely(cache == NULL || signals_read != signals_heard))
		rebuild();
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
	match->api = cache->nodes[0].api;
	match->route = NULL;
	match->allowed = 0;
	for (int i = 0; i < path->nsegments; i++)
	{
		node = follow_literal(cache, node, path->segment[i]);
		if (node == NOWHERE)
			break;
		if (cache->nodes[node].api != NULL)
			match->api = cache->nodes[node].api;
	}
	if (complete)
		search(cache, 0, path, 0, 0, method, match);
	if (match->route != NULL)
		match->api = match->route->api;
}

/*
 * search follows the rest of a path from a node, the most specific edge first.
 */
static void
search(const RouteCache *routes, int node, const WoHttpPath *path, int segment, int nparams,
	   WoMethod method, WoRouteMatch *match)
{
	const TrieNode *here = &routes->nodes[node];
	WoSpan		text;
	int			next;

	if (segment == path->nsegments)
	{
		match->allowed |= here->methods;
		if (method < WO_METHODS)
			match->route = here->routes[method];
		return;
	}

	text = path->segment[segment];
	next = follow_literal(routes, node, text);
	if (next != NOWHERE)
		search(routes, next, path, segment + 1, nparams, method, match);
	if (match->route != NULL)
		return;

	match->params[nparams] = text;
	if (here->number != NOWHERE)
	{
		size_t		digits = 0;

		while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
			digits++;
		if (digits == text.len)
			search(routes, here->number, path, segment + 1, nparams + 1, method, match);
		if (match->route != NULL)
			return;
		match->params[nparams] = text;
	}
	if (here->text != NOWHERE)
		search(routes, here->text, path, segment + 1, nparams + 1, method, match);
}

/*
 * edge_slot returns where an edge is in the hash table, or belongs.
 */
static Edge *
edge_slot(const RouteCache *routes, int node, WoSpan text)
{
	uint32		slot = hash_combine(hash_bytes((const unsigned char *) text.data, (int) text.len),
									murmurhash32((uint32) node)) & routes->mask;

	for (;; slot = (slot + 1) & routes->mask)
	{
		Edge	   *edge = &routes->edges[slot];

		if (edge->to == NOWHERE ||
			(edge->from == node && edge->text.len == text.len &&
			 memcmp(edge->text.data, text.data, text.len) == 0))
			return edge;
	}
}

static int
follow_literal(const RouteCache *routes, int node, WoSpan text)
{
	return edge_slot(routes, node, text)->to;
}

/*
 * add_literal returns the node behind a literal edge, which it makes.
 */
static int
add_literal(RouteCache *new, int node, WoSpan text)
{
	Edge	   *edge = edge_slot(new, node, text);

	if (edge->to != NOWHERE)
		return edge->to;

	/* at most half full, so that a free slot is always near */
	if ((uint32) new->nedges * 2 >= new->mask)
	{
		Edge	   *old = new->edges;
		uint32		n = new->mask + 1;

		new->mask = n * 2 - 1;
		new->edges = palloc(sizeof(Edge) * n * 2);
		for (uint32 i = 0; i < n * 2; i++)
			new->edges[i].to = NOWHERE;
		for (uint32 i = 0; i < n; i++)
			if (old[i].to != NOWHERE)
				*edge_slot(new, old[i].from, old[i].text) = old[i];
		pfree(old);
		edge = edge_slot(new, node, text);
	}
	new->nedges++;
	edge->from = node;
	edge->text = text;
	edge->to = add_node(new);
	return edge->to;
}

static int
add_node(RouteCache *new)
{
	TrieNode	   *node;

	if (new->nnodes == new->allocated)
	{
		new->allocated *= 2;
		new->nodes = repalloc(new->nodes, sizeof(TrieNode) * new->allocated);
	}
	node = &new->nodes[new->nnodes];
	memset(node, 0, sizeof(TrieNode));
	node->number = node->text = NOWHERE;
	return new->nnodes++;
}

/*
 * place returns the node where a pattern or a prefix ends, which it makes,
 * and the names of its parameters; NOWHERE if the pattern cannot be read.
 */
static int
place(RouteCache *new, const char *pattern, List **params)
{
	const char *p = pattern;
	int			node = 0;
	int			segments = 0;

	*params = NIL;
	if (*p != '/')
		return NOWHERE;
	for (p++; *p != '\0';)
	{
		WoSpan		text = {p, strcspn(p, "/")};

		if (text.len == 0 || ++segments > WO_HTTP_MAX_SEGMENTS)
			return NOWHERE;
		p += text.len;
		if (*p == '/')
			p++;
		if (text.data[0] == '{')
		{
			char	   *name = pnstrdup(text.data + 1, text.len - 1);
			char	   *close = strchr(name, '}');
			char	   *colon = strchr(name, ':');
			int			next;

			if (close == NULL || close[1] != '\0' || (colon != NULL && strcmp(colon, ":int}") != 0))
				return NOWHERE;
			next = colon != NULL ? new->nodes[node].number : new->nodes[node].text;
			if (next == NOWHERE)
			{
				next = add_node(new);	/* moves the nodes */
				if (colon != NULL)
					new->nodes[node].number = next;
				else
					new->nodes[node].text = next;
			}
			node = next;
			*(colon != NULL ? colon : close) = '\0';
			*params = lappend(*params, name);
		}
		else
			node = add_literal(new, node, text);
	}
	return node;
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
read_apis(RouteCache *new)
{
	WoLookup	lookup;
	HeapTuple	tuple;

	wo_lookup_begin(&lookup, api_table, NULL, 0);
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

		node = place(new, api->prefix, &params);
		if (node == NOWHERE || params != NIL || new->nodes[node].api != NULL)
			ereport(LOG,
					(errmsg("the prefix of API \"%s\" is ignored", api->name),
					 errdetail("It is no path, or that of another API.")));
		else
			new->nodes[node].api = api;
	}
	wo_lookup_end(&lookup);
}

/*
 * read_routes reads workorder.route.
 */
static void
read_routes(RouteCache *new)
{
	WoLookup	lookup;
	HeapTuple	tuple;

	wo_lookup_begin(&lookup, route_table, NULL, 0);
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
	int			node = place(new, pattern, &params);
	TrieNode	   *here;
	ListCell   *lc;

	foreach(lc, new->apis)
		if (strcmp(((WoApi *) lfirst(lc))->name, api) == 0)
			route->api = lfirst(lc);
	route->method = wo_route_method(method);
	if (route->api == NULL || node == NOWHERE || route->method >= WO_METHODS)
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

	here = &new->nodes[node];
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
 * rebuild reads the tables anew.  If it fails, what there was stays outdated,
 * and what was begun goes away with the current context.
 */
static void
rebuild(void)
{
	MemoryContext context;
	MemoryContext old;
	RouteCache *new;
	uint64		heard;

	/* from here on, these tables' signals count; one that comes while they are read is not lost */
	api_table = wo_lookup_table("api", false);
	route_table = wo_lookup_table("route", false);
	LockRelationOid(api_table, AccessShareLock);
	LockRelationOid(route_table, AccessShareLock);
	heard = signals_heard;

	context = AllocSetContextCreate(CurrentMemoryContext, "workorder routes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	new = palloc0(sizeof(RouteCache));
	new->context = context;
	new->allocated = 64;
	new->nodes = palloc(sizeof(TrieNode) * new->allocated);
	new->mask = 63;
	new->edges = palloc(sizeof(Edge) * 64);
	for (int i = 0; i < 64; i++)
		new->edges[i].to = NOWHERE;
	add_node(new);
	read_apis(new);
	read_routes(new);
	MemoryContextSwitchTo(old);
	UnlockRelationOid(route_table, AccessShareLock);
	UnlockRelationOid(api_table, AccessShareLock);

	MemoryContextSetParent(context, CacheMemoryContext);
	if (cache != NULL)
		MemoryContextSetParent(cache->context, TopTransactionContext);
	cache = new;
	signals_read = heard;
}
