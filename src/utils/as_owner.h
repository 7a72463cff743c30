/*-------------------------------------------------------------------------
 *
 * as_owner.h
 *	  A statement on one of the engine's tables, run as its owner (as_owner.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_AS_OWNER_H
#define WO_AS_OWNER_H

#include "executor/spi.h"
#include "nodes/execnodes.h"

#include "utils/workorder.h"

#define WO_STATEMENT_ARGS	9

/* Declare it static: the plan is kept in it. */
typedef struct WoStatement
{
	const char *table;			/* in schema workorder; its owner runs it */
	const char *text;			/* everything in it qualified */
	bool		reads;			/* in the caller's snapshot, and changes nothing */
	int			nargs;
	Oid			types[WO_STATEMENT_ARGS];
	const char *nulls;			/* 'n' where an argument is null, for the next run; NULL = none */
	SPIPlanPtr	plan;			/* NULL until first used */
} WoStatement;

extern bool wo_run_as_owner(WoStatement *statement, Datum *values, int64 *result);
extern void wo_read_as_owner(WoStatement *statement, Datum *values, ReturnSetInfo *result);

#endif							/* WO_AS_OWNER_H */
