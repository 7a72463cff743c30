/*-------------------------------------------------------------------------
 *
 * handler.h
 *	  Calling the functions that routes and APIs name (handler.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_HANDLER_H
#define WO_HANDLER_H

#include "fmgr.h"

/*
 * A function that was found and may be called again: reset when any function
 * changes.  While it is busy, an inner call makes one of its own.
 */
typedef struct WoHandler
{
	const char *name;
	Oid			function;		/* InvalidOid = has to be looked up */
	uint64		generation;
	FmgrInfo	call;
	MemoryContext home;			/* where the handler itself is */
	MemoryContext context;		/* of what the function remembers in call */
	bool		busy;
} WoHandler;

extern Datum wo_handler_call(WoHandler *handler, Oid result_type, Datum request, bool *isnull);
extern bool wo_handler_may_call(WoHandler *handler, Oid result_type);
extern Oid	wo_handler_type(const char *name);

#endif							/* WO_HANDLER_H */
