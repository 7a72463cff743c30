/*-------------------------------------------------------------------------
 *
 * task.h
 *	  The lists of tasks (task.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_TASK_H
#define WO_TASK_H

#include "row/binding.h"
#include "permit/evaluation.h"
#include "permit/reason.h"

extern void wo_task_refresh(WoBinding *binding, const WoRow *row);
extern int64 wo_task_check(WoBinding *binding, const WoRow *row);
extern int64 wo_task_count(const WoBinding *binding);
extern int64 wo_task_count_participants(const WoBinding *binding);
extern void wo_task_clear(int32 guarded_id);
extern void wo_task_follow(WoBinding *binding, const WoRow *old, const WoRow *row);

extern bool wo_task_command_is_one(const char *action);
extern const WoReason *wo_task_command_judge(WoEvaluation *c, const char *text, WoVerdict *verdict);

#endif							/* WO_TASK_H */
