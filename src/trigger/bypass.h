/*-------------------------------------------------------------------------
 *
 * bypass.h
 *	  Rows that are written without anybody's right to it being judged
 *	  (bypass.c); the guard alone may call this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_EXEMPT_H
#define WO_EXEMPT_H

#include "row/binding.h"

extern HeapTuple wo_import_row(TriggerData *trigdata, WoBinding *binding, WoRow *row);
extern HeapTuple wo_maintain(TriggerData *trigdata, WoBinding *binding, const WoRow *old, WoRow *row);
extern HeapTuple wo_obey_clock(TriggerData *trigdata, WoBinding *binding, const char *action,
							   const WoRow *old, WoRow *row);
extern HeapTuple wo_obey_migration(TriggerData *trigdata, WoBinding *binding, const WoRow *old, WoRow *row);

#endif							/* WO_EXEMPT_H */
