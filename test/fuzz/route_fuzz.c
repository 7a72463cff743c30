/*-------------------------------------------------------------------------
 *
 * route_fuzz.c
 *	  Finds paths among arbitrary routes, with the trie and by trying one
 *	  after the other.
 *
 * An input is lines: a path in the first, a pattern in each of the others.
 * The first byte of a line is the method.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http/route.h"
#include "fuzz.h"

#define MAX_ROUTES	64

/* A pattern that the trie has taken. */
typedef struct Taken
{
	WoRoute		route;
	int			nsegments;
	WoSpan		segment[WO_HTTP_MAX_SEGMENTS];
} Taken;

/* --- what the server gives ----------------------------------------------- */

/* No list of the engine's is ever shortened, so each cell may be the array's end. */
List *
lappend(List *list, void *datum)
{
	if (list == NIL)
	{
		list = palloc0(sizeof(List));
		list->type = T_List;
		list->max_length = WO_HTTP_MAX_SEGMENTS;
		list->elements = palloc(sizeof(ListCell) * WO_HTTP_MAX_SEGMENTS);
	}
	promise(list->length < list->max_length, "there are no more names than segments");
	list->elements[list->length++].ptr_value = datum;
	return list;
}

/* --- trying -------------------------------------------------------------- */

static bool
is_number(WoSpan text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return true;
}

/* 0 literal, 1 number, 2 any text: what a segment of a pattern stands for */
static int
kind_of(WoSpan segment)
{
	if (segment.data[0] != '{')
		return 0;
	return memchr(segment.data, ':', segment.len) != NULL ? 1 : 2;
}

/* cuts a pattern that was taken into its segments */
static void
cut(Taken *taken, const char *pattern)
{
	taken->nsegments = 0;
	while (*pattern == '/')
		pattern++;
	while (*pattern != '\0')
	{
		WoSpan		text = {pattern, strcspn(pattern, "/")};

		promise(taken->nsegments < WO_HTTP_MAX_SEGMENTS, "a pattern has few segments");
		taken->segment[taken->nsegments++] = text;
		pattern += text.len;
		if (*pattern == '/')
			pattern++;
	}
}

static bool
fits(const Taken *taken, const WoHttpPath *path)
{
	if (taken->nsegments != path->nsegments)
		return false;
	for (int i = 0; i < path->nsegments; i++)
	{
		int			kind = kind_of(taken->segment[i]);

		if (kind == 0 && (taken->segment[i].len != path->segment[i].len ||
						  memcmp(taken->segment[i].data, path->segment[i].data, path->segment[i].len) != 0))
			return false;
		if (kind == 1 && !is_number(path->segment[i]))
			return false;
	}
	return true;
}

/* says whether a is to be preferred to b, or is the same place and comes later */
static bool
preferred(const Taken *a, const Taken *b)
{
	for (int i = 0; i < a->nsegments; i++)
	{
		int			ka = kind_of(a->segment[i]);
		int			kb = kind_of(b->segment[i]);

		if (ka != kb)
			return ka < kb;
	}
	return true;
}

/* --- the target ---------------------------------------------------------- */

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char	   *text = pnstrdup((const char *) bytes, size);
	char	   *rest = text;
	char	   *line = strsep(&rest, "\n");
	WoMethod	method = (WoMethod) ((unsigned char) line[0] % (WO_METHODS + 1));
	WoHttpPath	path;
	WoTrie		trie;
	WoRouteMatch match;
	Taken	   *taken = palloc0(sizeof(Taken) * MAX_ROUTES);
	Taken	   *best = NULL;
	int			ntaken = 0;
	int			allowed = 0;

	if (line[0] == '\0' || wo_request_parse_path(line + 1, strlen(line + 1), &path) != WO_HTTP_FINE)
	{
		give_back();
		return 0;
	}
	wo_route_trie_init(&trie);
	while (rest != NULL && ntaken < MAX_ROUTES)
	{
		Taken	   *new = &taken[ntaken];
		List	   *params;
		int			node;

		line = strsep(&rest, "\n");
		if (line[0] == '\0')
			continue;
		node = wo_route_trie_place(&trie, line + 1, &params);
		if (node == WO_NOWHERE)
			continue;
		promise(node < trie.nnodes, "a place is a node");
		ntaken++;
		cut(new, line + 1);
		new->route.method = (WoMethod) ((unsigned char) line[0] % WO_METHODS);
		new->route.nparams = list_length(params);
		trie.nodes[node].methods |= 1 << new->route.method;
		trie.nodes[node].routes[new->route.method] = &new->route;
	}
	for (int i = 0; i < ntaken; i++)
	{
		if (!fits(&taken[i], &path))
			continue;
		allowed |= 1 << taken[i].route.method;
		if (taken[i].route.method == method && (best == NULL || preferred(&taken[i], best)))
			best = &taken[i];
	}

	memset(&match, 0, sizeof(match));
	wo_route_trie_search(&trie, &path, method, &match);
	promise(match.route == (best == NULL ? NULL : &best->route), "the route is the one that trying finds");
	promise((match.allowed & ~allowed) == 0, "no method is allowed that has no route");
	promise(best != NULL || match.allowed == allowed, "all are that have one");
	if (best != NULL)
	{
		int			n = 0;

		for (int i = 0; i < best->nsegments; i++)
			if (kind_of(best->segment[i]) != 0)
			{
				promise(match.params[n].data == path.segment[i].data && match.params[n].len == path.segment[i].len,
						"a parameter is its segment");
				n++;
			}
		promise(n == best->route.nparams, "there are as many as names");
	}
	give_back();
	return 0;
}

const char *const fuzz_words[] = {"{id:int}", "{name}", "/", "\n1/", "\n0/a/", "orders", "12", "{", "}", ":int}", "%7Bid%7D", "a", "b", NULL};
