/*-------------------------------------------------------------------------
 *
 * route_trie.c
 *	  Paths to routes in constant time.
 *
 * Routes are a trie over the segments of their patterns.  The edges that are
 * literal text are in one hash table for the whole trie, keyed by the node
 * they leave; a node has two more edges at most, {name:int} and {name}.  So
 * the number of routes does not matter, only the number of segments.  A
 * literal is preferred to a number and a number to any text, but a way that
 * ends without a route for the method is given up for the next.
 *
 * A trie lives in the memory context in which it was begun, and its texts in
 * the patterns it was given.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "http/route_trie.h"

#define FIRST_SIZE	64			/* a power of two */

static int	add_node(WoTrie *trie);
static int	add_literal(WoTrie *trie, int node, WoSpan text);
static void search(const WoTrie *trie, int node, const WoHttpPath *path, int segment,
				   int nparams, WoMethod method, WoRouteMatch *match);

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
 * wo_trie_init makes a trie that has a root.
 */
void
wo_trie_init(WoTrie *trie)
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
 * wo_trie_search finds the route of a path, and which methods the path has.
 */
void
wo_trie_search(const WoTrie *trie, const WoHttpPath *path, WoMethod method, WoRouteMatch *match)
{
	search(trie, 0, path, 0, 0, method, match);
}

/*
 * search follows the rest of a path from a node, the most specific edge first.
 */
static void
search(const WoTrie *trie, int node, const WoHttpPath *path, int segment, int nparams,
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
	next = wo_trie_follow(trie, node, text);
	if (next != WO_NOWHERE)
		search(trie, next, path, segment + 1, nparams, method, match);
	if (match->route != NULL)
		return;

	match->params[nparams] = text;
	if (here->number != WO_NOWHERE)
	{
		size_t		digits = 0;

		while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
			digits++;
		if (digits == text.len)
			search(trie, here->number, path, segment + 1, nparams + 1, method, match);
		if (match->route != NULL)
			return;
		match->params[nparams] = text;
	}
	if (here->text != WO_NOWHERE)
		search(trie, here->text, path, segment + 1, nparams + 1, method, match);
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
 * wo_trie_follow returns where a literal edge leads, or WO_NOWHERE.
 */
int
wo_trie_follow(const WoTrie *trie, int node, WoSpan text)
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
 * wo_trie_place returns the node where a pattern or a prefix ends, which it makes,
 * and the names of its parameters; WO_NOWHERE if the pattern cannot be read.
 */
int
wo_trie_place(WoTrie *trie, const char *pattern, List **params)
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
