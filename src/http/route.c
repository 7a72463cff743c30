/*-------------------------------------------------------------------------
 *
 * route.c
 *	  The APIs and routes of this database, compiled.
 *
 * Routes are a trie over the segments of their patterns, and so are the
 * prefixes of the APIs: the last one that a path comes by owns the path,
 * whether a route is found or not.  The edges that are literal text are in one
 * hash table for the whole trie, keyed by the node they leave; a node has two
 * more edges at most, {name:int} and {name}.  So the number of routes does not
 * matter, only the number of segments.  A literal is preferred to a number and
 * a number to any text, but a way that ends without a route for the method is
 * given up for the next.  A trie lives in the memory context in which it was
 * begun, and its texts in the patterns it was given.
 *
 * The settings of an API and of a route are read once, when the routes are
 * compiled.  A value of the wrong type is logged and left out, so that a slip
 * in one API does not close the others; keys that are not known here are the
 * add-on's own.
 *
 * The cache is per backend, built when it is first needed, and replaced as a
 * whole when one of the two tables changes: their trigger invalidates the
 * relcache entry (flow_cache.c has the same), so own changes and rollbacks are
 * seen too.  The old one is handed to the transaction.  Rows that cannot be
 * understood are left out and logged: one bad row must not close the others.
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
#include "common/hashfn.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "http/route.h"
#include "utils/cache.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"

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

#define DEFAULT_ACCEPT		"application/json"
#define DEFAULT_MAX_BODY	(1024 * 1024)

#define FIRST_SIZE	64			/* a power of two */

static void rebuild(void);
static void read_apis(RouteCache *new, Oid table);
static void read_routes(RouteCache *new, Oid table);
static void add_route(RouteCache *new, const char *api, const char *method, const char *pattern,
					  const char *handler, Jsonb *settings);
static void check_versions(void);
static void read_settings(Jsonb *settings, WoApi *api);
static void read_identity(Jsonb *identity, WoApi *api);
static void read_body_rules(Jsonb *settings, WoBodyRules *rules);
static bool find_setting(Jsonb *settings, const char *key, JsonbValue *value);
static void ignore_setting(const char *key, const char *wanted);
static bool bool_setting(Jsonb *settings, const char *key, bool otherwise);
static const char *text_setting(Jsonb *settings, const char *key);
static Jsonb *object_setting(Jsonb *settings, const char *key);
static bool to_size(const JsonbValue *value, int64 *size);
static const char **read_texts(JsonbContainer *list, const char *key, const char *wanted, int *n);
static void read_limits(JsonbContainer *object, WoBodyRules *rules);
static int	add_node(WoTrie *trie);
static int	add_literal(WoTrie *trie, int node, WoSpan text);
static void search_from(const WoTrie *trie, int node, const WoHttpPath *path, int segment,
						int nparams, WoMethod method, WoRouteMatch *match);

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
 * wo_route_owner returns the owner of workorder.api: who configures the APIs.
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
		node = wo_route_trie_follow(&cache->trie, node, path->segment[i]);
		if (node == WO_NOWHERE)
			break;
		if (cache->trie.nodes[node].api != NULL)
			match->api = cache->trie.nodes[node].api;
	}
	if (complete)
		wo_route_trie_search(&cache->trie, path, method, match);
	if (match->route != NULL)
		match->api = match->route->api;
}

/*
 * json_column reads a column of type json or jsonb, which wo_catalog_text() does
 * not know; NULL for null.
 */
static struct varlena *
json_column(WoCatalogScan *lookup, HeapTuple tuple, const char *name, Oid type)
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
 * text_column reads a column that is text and not null in a sound table.
 */
static const char *
text_column(WoCatalogScan *lookup, HeapTuple tuple, const char *name)
{
	const char *value = wo_catalog_text(lookup, tuple, name);

	return value != NULL ? value : "";
}

/*
 * read_apis reads workorder.api.
 */
static void
read_apis(RouteCache *new, Oid table)
{
	WoCatalogScan lookup;
	HeapTuple	tuple;

	wo_catalog_begin(&lookup, table, NULL, 0);
	new->owner = lookup.rel->rd_rel->relowner;
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
	{
		WoApi	   *api = palloc0(sizeof(WoApi));
		struct varlena *error = json_column(&lookup, tuple, "error", JSONOID);
		List	   *params;
		int			node;

		api->name = text_column(&lookup, tuple, "name");
		api->prefix = text_column(&lookup, tuple, "prefix");
		api->error = error != NULL ? text_to_cstring((text *) error) : "null";
		api->anonymous = wo_catalog_bool(&lookup, tuple, "anonymous");
		read_settings((Jsonb *) json_column(&lookup, tuple, "settings", JSONBOID), api);
		new->apis = lappend(new->apis, api);

		node = wo_route_trie_place(&new->trie, api->prefix, &params);
		if (node == WO_NOWHERE || params != NIL || new->trie.nodes[node].api != NULL)
			ereport(LOG,
					(errmsg("the prefix of API \"%s\" is ignored", api->name),
					 errdetail("It is no path, or that of another API.")));
		else
			new->trie.nodes[node].api = api;
	}
	wo_catalog_end(&lookup);
}

/*
 * read_routes reads workorder.route.
 */
static void
read_routes(RouteCache *new, Oid table)
{
	WoCatalogScan lookup;
	HeapTuple	tuple;

	wo_catalog_begin(&lookup, table, NULL, 0);
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
		add_route(new,
				  text_column(&lookup, tuple, "api"),
				  text_column(&lookup, tuple, "method"),
				  text_column(&lookup, tuple, "pattern"),
				  text_column(&lookup, tuple, "handler"),
				  (Jsonb *) json_column(&lookup, tuple, "settings", JSONBOID));
	wo_catalog_end(&lookup);
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
	int			node = wo_route_trie_place(&new->trie, pattern, &params);
	WoTrieNode *here;
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
	read_body_rules(settings, &route->body);
	route->handler.name = handler;
	route->handler.home = CurrentMemoryContext;

	here = &new->trie.nodes[node];
	if (here->routes[route->method] != NULL)
	{
		WoRoute    *other = here->routes[route->method];

		ereport(LOG,
				(errmsg("route \"%s %s\" exists twice", method, pattern),
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
	WoCatalogScan lookup;
	HeapTuple	tuple;
	uint64		begun = wo_cache_begin(&versions);

	wo_catalog_begin(&lookup, wo_catalog_table("installation", false), NULL, 0);
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
	{
		const char *name = text_column(&lookup, tuple, "extension");
		const char *data = text_column(&lookup, tuple, "version");
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
							wo_errors_shorten(name), wo_errors_shorten(data), code),
					 errdetail("The tables are those of an older version."),
					 errhint("Run SELECT workorder.upgrade().")));
		}
	}
	wo_catalog_end(&lookup);
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
	Oid			api_table = wo_catalog_table("api", false);
	Oid			route_table = wo_catalog_table("route", false);
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
	wo_route_trie_init(&new->trie);
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

/* --- settings -------------------------------------------------------------- */

/*
 * read_settings fills in what workorder.api.settings says.
 */
static void
read_settings(Jsonb *settings, WoApi *api)
{
	JsonbValue	members;

	memset(&api->body, 0, sizeof(api->body));
	api->body.naccepted = 1;
	api->body.accepted = palloc(sizeof(char *));
	api->body.accepted[0] = DEFAULT_ACCEPT;
	api->body.max_body = DEFAULT_MAX_BODY;
	read_body_rules(settings, &api->body);

	api->messages = object_setting(settings, "messages");
	api->sqlstates = object_setting(settings, "sqlstates");
	api->members = NULL;
	if (find_setting(settings, "members", &members))
	{
		if (members.type == jbvBinary && JsonContainerIsArray(members.val.binary.data))
			api->members = read_texts(members.val.binary.data, "members", "a list of roles", &api->nmembers);
		else
			ignore_setting("members", "a list of roles");
	}
	api->identify = text_setting(settings, "identify");
	read_identity(object_setting(settings, "identity"), api);
	api->run_as = text_setting(settings, "run_as");
	api->run_as_anonymous = bool_setting(settings, "run_as_anonymous", false);
}

/*
 * read_identity has people known otherwise than by tokens, as
 * workorder.set_identity() has set it; that function asks the API's own
 * "identify", too.  Whoever lets a network in without a credential reads so in
 * the log.
 */
static void
read_identity(Jsonb *identity, WoApi *api)
{
	const char *mode = text_setting(identity, "mode");
	const char *login;

	if (mode == NULL)
		return;
	api->identify = WO_SCHEMA ".identify";
	api->basic = strcmp(mode, "basic") == 0;
	if (strcmp(mode, "network") != 0)
		return;
	login = text_setting(identity, "login");
	ereport(LOG,
			(errmsg("API \"%s\" takes requests without a credential for those of \"%s\"",
					wo_errors_shorten(api->name), wo_errors_shorten(login != NULL ? login : "")),
			 errdetail("So it does with all that come from the addresses in workorder.api.settings."),
			 errhint("workorder.set_identity(api, 'token') ends that.")));
}

/*
 * read_body_rules changes the rules that the settings have a word on.
 */
static void
read_body_rules(Jsonb *settings, WoBodyRules *rules)
{
	JsonbValue	value;

	if (find_setting(settings, "accept", &value))
	{
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			rules->accepted = read_texts(value.val.binary.data, "accept", "a list of media types", &rules->naccepted);
		else
			ignore_setting("accept", "a list of media types");
	}
	if (find_setting(settings, "max_body", &value))
	{
		if (value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
			read_limits(value.val.binary.data, rules);
		else if (!to_size(&value, &rules->max_body))
			ignore_setting("max_body", "a number of bytes, or an object of such");
		else
			rules->nlimits = 0;
	}
	rules->object = bool_setting(settings, "object", rules->object);
}

/*
 * find_setting finds a key of the settings.
 */
static bool
find_setting(Jsonb *settings, const char *key, JsonbValue *value)
{
	return settings != NULL && JB_ROOT_IS_OBJECT(settings) &&
		getKeyJsonValueFromContainer(&settings->root, key, strlen(key), value) != NULL &&
		value->type != jbvNull;
}

static void
ignore_setting(const char *key, const char *wanted)
{
	ereport(LOG,
			(errmsg("setting \"%s\" of an API or route is ignored", key),
			 errdetail("It must be %s.", wanted)));
}

static bool
bool_setting(Jsonb *settings, const char *key, bool otherwise)
{
	JsonbValue	value;

	if (!find_setting(settings, key, &value))
		return otherwise;
	if (value.type == jbvBool)
		return value.val.boolean;
	ignore_setting(key, "true or false");
	return otherwise;
}

static const char *
text_setting(Jsonb *settings, const char *key)
{
	JsonbValue	value;

	if (!find_setting(settings, key, &value))
		return NULL;
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	ignore_setting(key, "text");
	return NULL;
}

static Jsonb *
object_setting(Jsonb *settings, const char *key)
{
	JsonbValue	value;

	if (!find_setting(settings, key, &value))
		return NULL;
	if (value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
		return JsonbValueToJsonb(&value);
	ignore_setting(key, "an object");
	return NULL;
}

/*
 * to_size reads a number of bytes; what is not one is false.
 */
static bool
to_size(const JsonbValue *value, int64 *size)
{
	bool		failed = false;
	int32		number;

	if (value->type != jbvNumeric)
		return false;
	number = wo_numeric_int4(value->val.numeric, &failed);
	if (failed || number < 0)
		return false;
	*size = number;
	return true;
}

/*
 * read_texts reads a list of texts.
 */
static const char **
read_texts(JsonbContainer *list, const char *key, const char *wanted, int *n)
{
	const char **texts = palloc(sizeof(char *) * (JsonContainerSize(list) + 1));
	JsonbIterator *it = JsonbIteratorInit(list);
	JsonbValue	value;
	JsonbIteratorToken token;

	*n = 0;
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type == jbvString)
			texts[(*n)++] = pnstrdup(value.val.string.val, value.val.string.len);
		else
			ignore_setting(key, wanted);
	}
	return texts;
}

/*
 * read_limits reads an object of media types and numbers of bytes.
 */
static void
read_limits(JsonbContainer *object, WoBodyRules *rules)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	value;
	JsonbIteratorToken token;
	const char *key = NULL;

	rules->nlimits = 0;
	rules->limited = palloc(sizeof(char *) * (JsonContainerSize(object) + 1));
	rules->limits = palloc(sizeof(int64) * (JsonContainerSize(object) + 1));
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
		{
			if (to_size(&value, &rules->limits[rules->nlimits]))
				rules->limited[rules->nlimits++] = key;
			else
				ignore_setting("max_body", "a number of bytes, or an object of such");
		}
	}
}

/* --- the trie -------------------------------------------------------------- */

/*
 * make_edges makes a hash table without an edge.
 */
static WoTrieEdge *
make_edges(uint32 n)
{
	WoTrieEdge *edges = palloc(sizeof(WoTrieEdge) * n);

	for (uint32 i = 0; i < n; i++)
		edges[i].to = WO_NOWHERE;
	return edges;
}

/*
 * wo_route_trie_init makes a trie that has a root.
 */
void
wo_route_trie_init(WoTrie *trie)
{
	trie->nnodes = 0;
	trie->allocated = FIRST_SIZE;
	trie->nodes = palloc(sizeof(WoTrieNode) * FIRST_SIZE);
	trie->nedges = 0;
	trie->mask = FIRST_SIZE - 1;
	trie->edges = make_edges(FIRST_SIZE);
	add_node(trie);
}

/*
 * wo_route_trie_search finds the route of a path, and which methods the path has.
 */
void
wo_route_trie_search(const WoTrie *trie, const WoHttpPath *path, WoMethod method, WoRouteMatch *match)
{
	search_from(trie, 0, path, 0, 0, method, match);
}

/*
 * search_from follows the rest of a path from a node, the most specific edge first.
 */
static void
search_from(const WoTrie *trie, int node, const WoHttpPath *path, int segment, int nparams,
			WoMethod method, WoRouteMatch *match)
{
	const WoTrieNode *here = &trie->nodes[node];
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
	next = wo_route_trie_follow(trie, node, text);
	if (next != WO_NOWHERE)
		search_from(trie, next, path, segment + 1, nparams, method, match);
	if (match->route != NULL)
		return;

	match->params[nparams] = text;
	if (here->number != WO_NOWHERE)
	{
		size_t		digits = 0;

		while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
			digits++;
		if (digits == text.len)
			search_from(trie, here->number, path, segment + 1, nparams + 1, method, match);
		if (match->route != NULL)
			return;
		match->params[nparams] = text;
	}
	if (here->text != WO_NOWHERE)
		search_from(trie, here->text, path, segment + 1, nparams + 1, method, match);
}

/*
 * edge_slot returns where an edge is in the hash table, or belongs.
 */
static WoTrieEdge *
edge_slot(const WoTrie *trie, int node, WoSpan text)
{
	uint32		slot = hash_combine(hash_bytes((const unsigned char *) text.data, (int) text.len),
									murmurhash32((uint32) node)) & trie->mask;

	for (;; slot = (slot + 1) & trie->mask)
	{
		WoTrieEdge *edge = &trie->edges[slot];

		if (edge->to == WO_NOWHERE ||
			(edge->from == node && edge->text.len == text.len &&
			 memcmp(edge->text.data, text.data, text.len) == 0))
			return edge;
	}
}

/*
 * wo_route_trie_follow returns where a literal edge leads, or WO_NOWHERE.
 */
int
wo_route_trie_follow(const WoTrie *trie, int node, WoSpan text)
{
	return edge_slot(trie, node, text)->to;
}

/*
 * add_literal returns the node behind a literal edge, which it makes.
 */
static int
add_literal(WoTrie *trie, int node, WoSpan text)
{
	WoTrieEdge *edge = edge_slot(trie, node, text);

	if (edge->to != WO_NOWHERE)
		return edge->to;

	/* at most half full, so that a free slot is always near */
	if ((uint32) trie->nedges * 2 >= trie->mask)
	{
		WoTrieEdge *old = trie->edges;
		uint32		n = trie->mask + 1;

		trie->mask = n * 2 - 1;
		trie->edges = make_edges(n * 2);
		for (uint32 i = 0; i < n; i++)
			if (old[i].to != WO_NOWHERE)
				*edge_slot(trie, old[i].from, old[i].text) = old[i];
		pfree(old);
		edge = edge_slot(trie, node, text);
	}
	trie->nedges++;
	edge->from = node;
	edge->text = text;
	edge->to = add_node(trie);
	return edge->to;
}

static int
add_node(WoTrie *trie)
{
	WoTrieNode *node;

	if (trie->nnodes == trie->allocated)
	{
		trie->allocated *= 2;
		trie->nodes = repalloc(trie->nodes, sizeof(WoTrieNode) * trie->allocated);
	}
	node = &trie->nodes[trie->nnodes];
	memset(node, 0, sizeof(WoTrieNode));
	node->number = node->text = WO_NOWHERE;
	return trie->nnodes++;
}

/*
 * wo_route_trie_place returns the node where a pattern or a prefix ends, which it makes,
 * and the names of its parameters; WO_NOWHERE if the pattern cannot be read.
 */
int
wo_route_trie_place(WoTrie *trie, const char *pattern, List **params)
{
	const char *p = pattern;
	int			node = 0;
	int			segments = 0;

	*params = NIL;
	if (*p != '/')
		return WO_NOWHERE;
	for (p++; *p != '\0';)
	{
		WoSpan		text = {p, strcspn(p, "/")};

		if (text.len == 0 || ++segments > WO_HTTP_MAX_SEGMENTS)
			return WO_NOWHERE;
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
				return WO_NOWHERE;
			next = colon != NULL ? trie->nodes[node].number : trie->nodes[node].text;
			if (next == WO_NOWHERE)
			{
				next = add_node(trie);	/* moves the nodes */
				if (colon != NULL)
					trie->nodes[node].number = next;
				else
					trie->nodes[node].text = next;
			}
			node = next;
			*(colon != NULL ? colon : close) = '\0';
			*params = lappend(*params, name);
		}
		else
			node = add_literal(trie, node, text);
	}
	return node;
}
