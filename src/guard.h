/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Setting up a case (guard.c) for those who ask before they act (ask.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_GUARD_H
#define WO_GUARD_H

#include "binding.h"
#include "journal.h"
#include "permit.h"

/* What a superuser's repair is called in the journal. */
#define WO_ACTION_MAINTENANCE	"maintenance"
#define WO_ACTION_IMPORT		"import"

extern void wo_case_begin(WoCase *c, WoBinding *binding, const WoRow *old, WoRow *row);

#endif							/* WO_GUARD_H */
