/*-------------------------------------------------------------------------
 *
 * ask.h
 *	  Who may see a ticket (ask.c), for the functions that tell about it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ASK_H
#define WO_ASK_H

#include "postgres.h"

extern bool wo_visible(Oid relid, int64 id);

#endif							/* WO_ASK_H */
