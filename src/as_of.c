/*-------------------------------------------------------------------------
 *
 * as_of.c
 *	  workorder.as_of(): a ticket's row as it was at some time.
 *
 * The row is the fold of the ticket's lines up to that time (replay.c).  Who
 * may see the ticket now may ask; of a ticket that is gone, or that he may
 * not see, only the table's owner is told anything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "actor.h"
#include "replay.h"
#include "ticket.h"
#include "value.h"

PG_FUNCTION_INFO_V1(workorder_as_of);

static Jsonb *replay_until(const WoBinding *binding, int64 tenant, int64 ticket,
						   TimestampTz at, bool *begun);

/*
 * as_of(relation regclass, id bigint, at timestamptz) returns the row as a
 * JSON object, or NULL if the ticket did not exist at that time.
 */
Datum
workorder_as_of(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	int64		id = PG_GETARG_INT64(1);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(2);
	Relation	rel = try_relation_open(relid, AccessShareLock);
	WoBinding  *binding;
	bool		owner;
	HeapTuple	tuple;
	bool		begun;
	Jsonb	   *result;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table with OID %u does not exist", relid),
				 errdetail("It may have been dropped."),
				 errhint("Give the name of a guarded table.")));
	binding = wo_binding_for_relation(rel);
	owner = wo_owns_relation(relid, GetUserId());
	tuple = wo_ticket_find(rel, binding, id);
	if (tuple == NULL && !owner)
		wo_ticket_not_found(rel, id);

	result = replay_until(binding, wo_actor_current()->tenant, id, at, &begun);
	if (!begun && tuple != NULL)
	{
		/* An imported row that nobody has acted on yet is its own history. */
		WoRow		row = wo_row(binding, tuple);
		AttrNumber	updated = binding->engine[WO_UPDATED_AT];

		if (row.nulls[updated - 1] || DatumGetTimestampTz(row.values[updated - 1]) <= at)
			result = wo_row_to_jsonb(binding->desc, row.values, row.nulls);
	}
	relation_close(rel, AccessShareLock);

	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(result);
}

/*
 * Folds a ticket's lines up to a time; begun tells whether it has any lines at
 * all.  The result is NULL where the ticket did not exist.
 */
static Jsonb *
replay_until(const WoBinding *binding, int64 tenant, int64 ticket, TimestampTz at, bool *begun)
{
	MemoryContext caller = CurrentMemoryContext;
	Jsonb	   *result = NULL;
	const WoJournalLine *line;
	WoReplay   *replay;
	WoFold	   *fold;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	replay = wo_replay_open(binding->relation_id, &tenant, &ticket);
	fold = wo_fold_create(binding);
	*begun = false;
	while ((line = wo_replay_next(replay)) != NULL)
	{
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		*begun = true;
		/* Times never decrease within a ticket. */
		if (line->at > at)
			break;
		old = MemoryContextSwitchTo(replay->context);
		(void) wo_fold_apply(fold, line, replay->sealed, NULL);
		MemoryContextSwitchTo(old);
	}
	if (fold->exists)
	{
		MemoryContext old = MemoryContextSwitchTo(caller);

		result = wo_fold_to_jsonb(fold, tenant, ticket);
		MemoryContextSwitchTo(old);
	}
	wo_replay_close(replay);
	SPI_finish();
	return result;
}
