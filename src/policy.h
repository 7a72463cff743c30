/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  Who may see a row, as SQL for row-level security (policy.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_POLICY_H
#define WO_POLICY_H

#include "flow.h"

extern char *wo_policy_version(const WoFlow *flow, Jsonb *columns);
extern char *wo_policy_flow(const char *name, Jsonb *columns);

#endif							/* WO_POLICY_H */
