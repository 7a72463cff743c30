/*-------------------------------------------------------------------------
 *
 * timer.h
 *	  Transitions that are due some time after a state is entered (timer.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_TIMER_H
#define WO_TIMER_H

#include "binding.h"

extern void wo_timer_follow(WoBinding *binding, const WoRow *old, const WoRow *row);

#endif							/* WO_TIMER_H */
