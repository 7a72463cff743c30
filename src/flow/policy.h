/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  Who may see a row, as SQL for row-level security (policy.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_POLICY_H
#define WO_POLICY_H

#include "utils/rel.h"

#include "flow/flow.h"

/* How much somebody sees of the tickets in a state. */
typedef enum WoSight
{
	WO_SEES_NONE,
	WO_SEES_SOME,				/* those that name them, perhaps */
	WO_SEES_ALL
} WoSight;

extern char *wo_policy_flow(const char *name, Jsonb *columns);
extern WoSight wo_policy_sight(const WoFlow *flow, int leaf, const WoActor *actor);
extern bool wo_policy_is_ours(Relation rel);

#endif							/* WO_POLICY_H */
