/*-------------------------------------------------------------------------
 *
 * state_count.h
 *	  How many tickets rest in each state, kept with every change (state_count.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_STATE_COUNT_H
#define WO_STATE_COUNT_H

#include "utils/array.h"

#include "row/binding.h"

extern void wo_state_count_begin(const WoBinding *binding);
extern void wo_state_count_move(const WoBinding *binding, int64 tenant, const char *from, const char *to);
extern void wo_state_count_flush(Relation rel);
extern bool wo_state_count_read(const WoBinding *binding, int64 tenant, ArrayType *states, int64 *total);

#endif							/* WO_STATE_COUNT_H */
