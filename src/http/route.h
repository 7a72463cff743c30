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

#include "http/http_parse.h"
#include "utils/workorder.h"

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
	const char *run_as;			/* role, NULL for the caller's */
	bool		run_as_anonymous;
} WoApi;

/*
 * A function that was found and may be called again: reset when any function
 * changes.  While it is busy, who wants to call it makes one of his own.
 */
typedef struct WoHandler
{
	const char *name;
	Oid			function;		/* InvalidOid = has to be looked up */
	uint64		generation;
	FmgrInfo	call;
	MemoryContext home;			/* where the handler itself is */
	MemoryContext context;		/* of what the function remembers in call */
	bool		busy;
} WoHandler;

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

#endif							/* WO_ROUTE_H */
