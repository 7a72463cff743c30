/*-------------------------------------------------------------------------
 *
 * flow_cache.h
 *	  The backend's cache of published flows (flow_cache.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_CACHE_H
#define WO_FLOW_CACHE_H

#include "flow/flow.h"

extern const WoFlow *wo_flow_cache_by_id(int id);
extern const WoFlow *wo_flow_cache_by_name(const char *name);
extern List *wo_flow_cache_versions(const char *name);	/* ids of all that are not drafts */
/* The flow that a simulation tries out; no document can have this name. */
#define WO_FLOW_SIMULATED		(-1)
#define WO_FLOW_SIMULATED_NAME	"$simulation"
extern void wo_flow_cache_simulate(WoFlow *flow);
extern void wo_flow_cache_init(void);

#endif							/* WO_FLOW_CACHE_H */
