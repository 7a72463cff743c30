/*-------------------------------------------------------------------------
 *
 * init.c
 *	  Module start: the parts that have settings, hooks or callbacks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "actor/actor.h"
#include "actor/throttle.h"
#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "http/http.h"
#include "journal/entry.h"
#include "timer/sweep.h"
#include "utils/compat.h"
#include "utils/settings.h"

WO_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	/* first: callbacks are called in the opposite order, and its own comes after all that may take an action */
	wo_settings_init();
	wo_sweep_init();
	wo_throttle_init();
	wo_flow_cache_init();
	wo_actor_init();
	wo_entry_init();
	wo_http_init();

	MarkGUCPrefixReserved("workorder");
}
