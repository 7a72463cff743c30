/*-------------------------------------------------------------------------
 *
 * ask.h
 *	  Opening a guarded table for a caller, and who may see a ticket (ask.c),
 *	  for the functions that tell about it or take an action on it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ASK_H
#define WO_ASK_H

#include "binding.h"

extern Relation wo_open_guarded(Oid relid, LOCKMODE lockmode, WoBinding **binding);
extern bool wo_visible(Oid relid, int64 id);

#endif							/* WO_ASK_H */
