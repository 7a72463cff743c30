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
#include "line.h"
#include "permit.h"

extern void wo_case_begin(WoCase *c, WoBinding *binding, const WoRow *old, WoRow *row);

#endif							/* WO_GUARD_H */
