/*-------------------------------------------------------------------------
 *
 * route.h
 *	  The APIs and routes of this database, compiled (route.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ROUTE_H
#define WO_ROUTE_H

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "http/handler.h"
#include "http/request_parse.h"

/* Methods a route can have, in the order in which Allow lists them. */
typedef enum WoMethod
{
	WO_METHOD_GET,
	WO_METHOD_POST,
	WO_METHOD_PUT,
	WO_METHOD_PATCH,
	WO_METHOD_DELETE,
	WO_METHOD_OPTIONS,			/* answered without a route */
	WO_METHOD_UNKNOWN
} WoMethod;

#define WO_METHODS	(WO_METHOD_DELETE + 1)

/* What bodies are taken; a route may say otherwise than its API. */
typedef struct WoBodyRules
{
	int			naccepted;
	const char **accepted;		/* media types */
	int64		max_body;		/* of types that are not in max_bodies */
	int			nlimits;
	const char **limited;		/* media types with a limit of their own */
	int64	   *limits;
	bool		object;			/* JSON must be an object */
} WoBodyRules;

/* A row of workorder.api. */
typedef struct WoApi
{
	const char *name;
	const char *prefix;
	const char *error;			/* template, JSON */
	bool		anonymous;
	WoBodyRules body;
	Jsonb	   *messages;		/* NULL if there are none */
	Jsonb	   *sqlstates;		/* NULL if there are none */
	int			nmembers;
	const char **members;		/* roles, one of which is needed; NULL = any person */
	const char *identify;		/* function, NULL if there is none */
	bool		basic;			/* it takes a login and a password with each request */
	const char *run_as;			/* role, NULL for the caller's */
	bool		run_as_anonymous;
} WoApi;

/* A row of workorder.route. */
typedef struct WoRoute
{
	const WoApi *api;
	WoMethod	method;
	const char *pattern;
	int			nparams;
	const char **params;		/* names, in the order of the path */
	WoBodyRules body;
	WoHandler	handler;
} WoRoute;

/* What a path leads to. */
typedef struct WoRouteMatch
{
	const WoApi *api;			/* whose envelope it is; NULL if nobody's */
	WoRoute    *route;			/* NULL if there is none with this method */
	int			allowed;		/* bits of the methods that the path has */
	WoSpan		params[WO_HTTP_MAX_SEGMENTS];
} WoRouteMatch;

/*
 * Pointers stay valid until the end of the transaction.
 */
extern void wo_route_match(const WoHttpPath *path, bool complete, WoMethod method,
						   WoRouteMatch *match);
extern Oid	wo_route_owner(void);
extern WoMethod wo_route_method(const char *name);
extern const char *const wo_route_method_name[];

/* The trie of the routes, for route.c and its test only. */
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

extern void wo_route_trie_init(WoTrie *trie);
extern int	wo_route_trie_place(WoTrie *trie, const char *pattern, List **params);
extern int	wo_route_trie_follow(const WoTrie *trie, int node, WoSpan text);
extern void wo_route_trie_search(const WoTrie *trie, const WoHttpPath *path, WoMethod method,
								 WoRouteMatch *match);

#endif							/* WO_ROUTE_H */
