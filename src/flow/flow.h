/*-------------------------------------------------------------------------
 *
 * flow.h
 *	  A flow document as a compiled chart (flow_compile.c, flow.c), what is
 *	  wrong with it (flow_check.c), and the backend's cache of published ones
 *	  (flow_cache.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_H
#define WO_FLOW_H

#include "utils/workorder.h"

/* One defect of a document.  The code is stable, the message is for people. */
typedef struct WoFinding
{
	const char *code;
	const char *where;			/* path in the document, "states.open.on.submit" */
	const char *message;
	const char *hint;			/* NULL if there is nothing to add */
} WoFinding;

#define WO_WHERE_ROOT	"(root)"	/* where, for the document itself */

/* What a jsonpath expression mentions (flow_path.c) */
typedef enum WoMention
{
	WO_MENTION_COLUMN,			/* $.days, $old.days */
	WO_MENTION_VARIABLE,		/* $old, $actor, $now, or one there is not */
	WO_MENTION_ACTOR			/* $actor.login */
} WoMention;

typedef void (*WoMentionVisitor) (void *arg, WoMention kind, const char *name);

/* flow_compile.c */
extern WoFlow *wo_flow_compile(Jsonb *definition, MemoryContext context, List **findings);

/* flow_json.c */
extern void wo_flow_add_finding(List **findings, const char *code, const char *where,
								const char *hint, const char *fmt,...) pg_attribute_printf(5, 6);

/* flow_path.c */
extern JsonPath *wo_path_parse(const char *text, char **problem);
extern void wo_path_mentions(JsonPath *path, WoMentionVisitor visitor, void *arg);
extern bool wo_path_is_predicate(JsonPath *path);
extern bool wo_delay_parse(const char *text, Interval *interval, const char **calendar, const char **problem);

/* flow.c */
extern int	wo_flow_state(const WoFlow *flow, const char *path, int len);
extern int	wo_flow_action(const WoFlow *flow, const char *name);
extern bool wo_flow_excludes(const WoFlow *flow, const WoCandidate *candidate, const char *action);
extern int	wo_flow_column(const WoFlow *flow, const char *name);
extern int	wo_flow_initial(const WoFlow *flow);
extern int	wo_flow_resolve(const WoFlow *flow, int target, Jsonb *history);
extern int	wo_flow_enter(const WoFlow *flow, int target, Jsonb *history);
extern int	wo_flow_domain(const WoFlow *flow, int source, int target, bool reenter);
extern int	wo_flow_move(const WoFlow *flow, const WoCandidate *taken, int leaf,
						 Jsonb *history, Jsonb **remembered);
extern bool wo_flow_within(const WoFlow *flow, int state, int ancestor);
extern char *wo_flow_where(const WoFlow *flow, int state);
extern bool wo_flow_is_leaf(const WoFlow *flow, int state);
extern bool wo_flow_reserved(const char *column);

/* flow_check.c, flow_reach.c */
extern void wo_flow_check(const WoFlow *flow, List **findings);
extern void wo_flow_check_reach(const WoFlow *flow, List **findings);
extern void wo_flow_check_relation(const WoFlow *flow, Oid relid, List **findings);
extern void wo_flow_check_members(const WoFlow *flow, int64 tenant, List **findings);

/* flow_prove.c */
extern List *wo_flow_way(const WoFlow *flow, int to, int avoid);
extern bool wo_flow_needs(const WoFlow *flow, int to, const WoCandidateList *list);

/* flow_staff.c */
extern void wo_flow_check_staff(const WoFlow *flow, int64 tenant, List **findings);

/* flow_cache.c */
extern const WoFlow *wo_flow_by_id(int id);
extern const WoFlow *wo_flow_by_name(const char *name);
extern List *wo_flow_versions(const char *name);	/* ids of all that are not drafts */
/* The flow that a simulation tries out; no document can have this name. */
#define WO_FLOW_SIMULATED		(-1)
#define WO_FLOW_SIMULATED_NAME	"$simulation"
extern void wo_flow_simulate(WoFlow *flow);
extern void wo_flow_cache_init(void);

#endif							/* WO_FLOW_H */
