/*-------------------------------------------------------------------------
 *
 * migrate.h
 *	  Tickets that go from one version of their flow to another (migrate.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_MIGRATE_H
#define WO_MIGRATE_H

#include "utils/jsonb.h"

#include "flow/flow.h"

/* The move that is under way. */
typedef struct WoMigration
{
	int32		guarded_id;
	int			from;			/* ids of workorder.flow */
	const WoFlow *to;
	Jsonb	   *map;			/* {"state of the old version": "state of the new", "*": ...} */
	int64		moved;
	int64		total;
} WoMigration;

extern WoMigration *wo_migration;

extern int	wo_migrate_state(const WoFlow *to, Jsonb *map, const char *path);
extern char *wo_migrate_history(const WoFlow *to, Jsonb *map, const char *history);

#endif							/* WO_MIGRATE_H */
