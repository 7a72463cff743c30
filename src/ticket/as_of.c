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
#include "utils/acl.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "journal/entry.h"
#include "journal/replay.h"
#include "ticket/ticket.h"

PG_FUNCTION_INFO_V1(workorder_as_of);

static Jsonb *replay_until(WoBinding *binding, int64 ticket, TimestampTz at, HeapTuple tuple);

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
	Jsonb	   *result;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table with OID %u does not exist", relid),
				 errdetail("It may have been dropped."),
				 errhint("Give the name of a guarded table.")));
	binding = wo_binding_for_relation(rel);

	/* The answer is the whole row, so every column must be readable. */
	if (!wo_ticket_may_read(relid))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(rel));
	owner = wo_owns_relation(relid, GetUserId());
	tuple = wo_ticket_find(rel, binding, id);
	if (tuple == NULL && !owner)
		wo_ticket_not_found(rel, id);

	result = replay_until(binding, id, at, tuple);
	relation_close(rel, AccessShareLock);

	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(result);
}

/*
 * Folds a ticket's lines up to a time; NULL if it did not exist then.
 *
 * A row that was imported and that nobody has acted on since has no lines; it
 * is what its first line is going to picture.
 */
static Jsonb *
replay_until(WoBinding *binding, int64 ticket, TimestampTz at, HeapTuple tuple)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext old;
	int64		tenant = wo_actor_current()->tenant;
	bool		begun = false;
	Jsonb	   *result = NULL;
	const WoJournalLine *line;
	WoReplay   *replay;
	WoFold	   *fold;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	replay = wo_replay_open(binding->guarded_id, &tenant, &ticket);
	fold = wo_fold_create(binding);
	while ((line = wo_replay_next(replay)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		begun = true;
		/* Times never decrease within a ticket. */
		if (line->at > at)
			break;
		old = MemoryContextSwitchTo(replay->context);
		(void) wo_fold_apply(fold, line, replay->sealed, NULL);
		MemoryContextSwitchTo(old);
	}
	if (!begun && tuple != NULL)
	{
		WoRow		row = wo_row(binding, tuple);
		WoJournalLine base;

		wo_line_for_base(&base, binding, &row);
		if (base.at <= at)
		{
			(void) wo_fold_apply(fold, &base, false, NULL);
			wo_fold_import(fold, &row);
		}
	}
	if (fold->exists)
	{
		old = MemoryContextSwitchTo(caller);
		result = wo_fold_to_jsonb(fold, tenant, ticket);
		MemoryContextSwitchTo(old);
	}
	wo_replay_close(replay);
	SPI_finish();
	return result;
}
