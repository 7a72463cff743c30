/*-------------------------------------------------------------------------
 *
 * act.h
 *	  Questions about a ticket (act.c), for the functions that tell about it
 *	  or keep things with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ACT_H
#define WO_ACT_H

#include "fmgr.h"

#include "row/binding.h"

extern void wo_act_need_argument(FunctionCallInfo fcinfo, int argument, const char *name, const char *hint);
extern bool wo_act_visible(Oid relid, WoTicketId id);
extern int	wo_act_require(Oid relid, WoTicketId id, const char *action);

#endif							/* WO_ACT_H */
