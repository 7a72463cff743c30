/*-------------------------------------------------------------------------
 *
 * route_trie.h
 *	  Paths to routes in constant time (route_trie.c); for route.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ROUTE_TRIE_H
#define WO_ROUTE_TRIE_H

#include "http/route.h"

#define WO_NOWHERE	(-1)

typedef struct WoTrieNode
{
	int			number;			/* where {name:int} leads, or WO_NOWHERE */
	int			text;			/* where {name} leads, or WO_NOWHERE */
	WoApi	   *api;			/* whose prefix ends here, or NULL */
	int			methods;		/* bits */
	WoRoute    *routes[WO_METHODS];
} WoTrieNode;

/* A literal edge; free if to is WO_NOWHERE. */
typedef struct WoTrieEdge
{
	int			from;
	int			to;
	WoSpan		text;
} WoTrieEdge;

typedef struct WoTrie
{
	int			nnodes;
	int			allocated;
	WoTrieNode *nodes;			/* [0] is the root */
	int			nedges;
	uint32		mask;			/* size of the hash table - 1 */
	WoTrieEdge *edges;
} WoTrie;

extern void wo_trie_init(WoTrie *trie);
extern int	wo_trie_place(WoTrie *trie, const char *pattern, List **params);
extern int	wo_trie_follow(const WoTrie *trie, int node, WoSpan text);
extern void wo_trie_search(const WoTrie *trie, const WoHttpPath *path, WoMethod method,
						   WoRouteMatch *match);

#endif							/* WO_ROUTE_TRIE_H */
