/*-------------------------------------------------------------------------
 *
 * task_command.h
 *	  What may be done to tasks besides deciding them (task_command.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_TASK_COMMAND_H
#define WO_TASK_COMMAND_H

#include "permit/evaluation.h"

extern bool wo_task_command_is_one(const char *action);
extern const WoReason *wo_task_command_judge(WoEvaluation *c, const char *text, WoVerdict *verdict);

#endif							/* WO_TASK_COMMAND_H */
