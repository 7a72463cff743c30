/*-------------------------------------------------------------------------
 *
 * ticket.h
 *	  One ticket by its number: find it for a caller, move it (ticket.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_TICKET_H
#define WO_TICKET_H

#include "row/binding.h"
#include "utils/compat.h"

/* What act() asks for. */
typedef struct WoActRequest
{
	const char *action;
	const char *note;			/* NULL = none */
	Jsonb	   *changes;		/* NULL = none */
	int			expect_revision;	/* -1 = any */
} WoActRequest;

extern bool wo_ticket_may_read(Oid relid);
extern HeapTuple wo_ticket_find(Relation rel, WoBinding *binding, WoTicketId id);
extern bool wo_ticket_number(Relation rel, WoBinding *binding, const char *key, int64 *number);
extern Datum wo_ticket_by_key(FunctionCallInfo fcinfo, PGFunction function, bool missing_ok);
extern void wo_ticket_move(Relation rel, WoBinding *binding, WoTicketId id, const WoActRequest *request,
						   int *revision, char **state);
extern void wo_ticket_apply(Relation rel, WoBinding *binding, Jsonb *changes, WoRow *row, bool *changed);
pg_noreturn extern void wo_ticket_not_found(Relation rel, WoTicketId id);

/* The form of a function that is given a ticket's key, see wo_ticket_by_key(). */
#define WO_BY_KEY(function, missing_ok) \
	PG_FUNCTION_INFO_V1(function##_by_key); \
	Datum \
	function##_by_key(PG_FUNCTION_ARGS) \
	{ \
		return wo_ticket_by_key(fcinfo, function, missing_ok); \
	}

#endif							/* WO_TICKET_H */
