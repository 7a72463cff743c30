/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  Rows of a transaction that wait to be written.
 *
 * What triggers append with every act (journal entries, events, changes of
 * totals) is gathered while a statement runs and written at its end, or when
 * there is much of it.  A statement on a partition has no such end; its rows
 * wait for the next one, or for the commit.
 *
 * Rows carry the number of their subtransaction, so that ROLLBACK TO drops
 * just what it undoes.  For the same reason a statement inside a
 * subtransaction, run by a trigger say, writes the rows of that subtransaction
 * only.  They are in order of time: later subtransactions have higher numbers
 * and come last.
 *
 * Before the commit all that is left is written, with a snapshot: expressions
 * of indexes and checks that users add may run queries.  Everything lives in
 * TopTransactionContext and is forgotten with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "utils/pending.h"

/* All kinds of rows, in the order in which they were first used. */
static WoPending *kinds = NULL;

#define ROW(pending, i)		((char *) (pending)->rows + (i) * (pending)->size)
#define SUBID(pending, i)	(*(SubTransactionId *) ROW(pending, i))

/*
 * flush_all writes what waits.
 */
static void
flush_all(bool commits)
{
	bool		pushed = false;

	for (WoPending *pending = kinds; pending != NULL; pending = pending->next)
	{
		if (pending->n == 0 || (pending->notices && !commits))
			continue;
		if (!ActiveSnapshotSet())
		{
			PushActiveSnapshot(GetTransactionSnapshot());
			pushed = true;
		}
		pending->flush();
	}
	if (pushed)
		PopActiveSnapshot();
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			flush_all(event == XACT_EVENT_PRE_COMMIT);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			for (WoPending *pending = kinds; pending != NULL; pending = pending->next)
			{
				/* the memory goes with the transaction */
				pending->n = pending->allocated = 0;
				pending->rows = NULL;
				pending->context = NULL;
			}
			break;
		default:
			break;
	}
}

/*
 * at_subtransaction_event keeps rows in step with the subtransaction that
 * added them: they become its parent's, or are gone with it.
 */
static void
at_subtransaction_event(SubXactEvent event, SubTransactionId subid,
						SubTransactionId parent, void *arg)
{
	for (WoPending *pending = kinds; pending != NULL; pending = pending->next)
	{
		int			n = pending->n;

		if (event == SUBXACT_EVENT_COMMIT_SUB)
		{
			for (int i = 0; i < n; i++)
				if (SUBID(pending, i) == subid)
					SUBID(pending, i) = parent;
		}
		else if (event == SUBXACT_EVENT_ABORT_SUB)
		{
			while (n > 0 && SUBID(pending, n - 1) >= subid)
				n--;
			wo_pending_keep(pending, n);
		}
	}
}

/*
 * wo_pending_add adds a row of this subtransaction, all zero but for that.
 */
void *
wo_pending_add(WoPending *pending)
{
	char	   *row;

	if (!pending->known)
	{
		WoPending **last = &kinds;

		/* called before those that were registered at module start, see settings.c */
		if (kinds == NULL)
		{
			RegisterXactCallback(at_transaction_event, NULL);
			RegisterSubXactCallback(at_subtransaction_event, NULL);
		}
		while (*last != NULL)
			last = &(*last)->next;
		*last = pending;
		pending->known = true;
	}
	if (pending->context == NULL)
	{
		pending->rows = MemoryContextAlloc(TopTransactionContext, pending->size * 16);
		pending->allocated = 16;
		pending->context = AllocSetContextCreate(TopTransactionContext, "workorder pending rows",
												 ALLOCSET_DEFAULT_SIZES);
		MemoryContextSetIdentifier(pending->context, pending->name);
	}
	else if (pending->n == pending->allocated)
	{
		pending->rows = repalloc_huge(pending->rows, pending->size * pending->allocated * 2);
		pending->allocated *= 2;
	}
	row = ROW(pending, pending->n);
	memset(row, 0, pending->size);
	SUBID(pending, pending->n) = GetCurrentSubTransactionId();
	pending->n++;
	return row;
}

/*
 * wo_pending_first returns where the rows of this subtransaction begin.
 */
int
wo_pending_first(const WoPending *pending)
{
	SubTransactionId subid = pending->n > 0 ? GetCurrentSubTransactionId() : InvalidSubTransactionId;
	int			first = pending->n;

	while (first > 0 && SUBID(pending, first - 1) == subid)
		first--;
	return first;
}

/*
 * wo_pending_keep forgets all but the first rows.
 */
void
wo_pending_keep(WoPending *pending, int n)
{
	pending->n = n;
	if (n == 0 && pending->context != NULL)
		MemoryContextReset(pending->context);
}
