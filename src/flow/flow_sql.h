/*-------------------------------------------------------------------------
 *
 * flow_sql.h
 *	  Who may see a row, as SQL for row-level security (flow_sql.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_SQL_H
#define WO_FLOW_SQL_H

#include "utils/rel.h"

#include "flow/flow.h"

/* How much somebody sees of the tickets in a state. */
typedef enum WoSight
{
	WO_SEES_NONE,
	WO_SEES_SOME,				/* those that name them, perhaps */
	WO_SEES_ALL
} WoSight;

extern char *wo_flow_sql_policy_flow(const char *name, Jsonb *columns);
extern WoSight wo_flow_sql_sight(const WoFlow *flow, int leaf, const WoActor *actor);
extern bool wo_flow_sql_policies_are_ours(Relation rel);

#endif							/* WO_FLOW_SQL_H */
