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
extern void wo_ticket_move(Relation rel, WoBinding *binding, WoTicketId id, const WoActRequest *request,
						   int *revision, char **state);
extern void wo_ticket_apply(Relation rel, WoBinding *binding, Jsonb *changes, WoRow *row, bool *changed);
pg_noreturn extern void wo_ticket_not_found(Relation rel, WoTicketId id);

#endif							/* WO_TICKET_H */
