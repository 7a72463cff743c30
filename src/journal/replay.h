/*-------------------------------------------------------------------------
 *
 * replay.h
 *	  The journal read back, and the row that follows from it (replay.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_REPLAY_H
#define WO_REPLAY_H

#include "journal/journal.h"
#include "row/binding.h"
#include "utils/owner_spi.h"

/* guarded_id of entries that are about the journal itself */
#define WO_RELATION_JOURNAL 0

/* The entries of a journal, one at a time. */
typedef struct WoReplay
{
	WoStream	stream;
	int32		relation;
	MemoryContext context;		/* of the entry; reset at the next one */
	WoJournalEntry line;
	bool		sealed;			/* it has a digest of the right length */
} WoReplay;

/* What workorder.altered() has told of a table: entries from before use other names. */
typedef struct WoAlteration
{
	TimestampTz at;
	Jsonb	   *columns;		/* {"name before": "name now"} */
	Jsonb	   *labels;			/* {"column": {"label before": "label now"}} */
} WoAlteration;

/* One ticket's row as its entries so far make it. */
typedef struct WoReplayState
{
	const WoBinding *binding;
	MemoryContext context;		/* of the values; reset with each ticket */
	Jsonb	  **values;			/* [natts] canonical form, NULL = null */
	bool	   *known;			/* [natts] some entry tells the value */
	bool		begun;			/* there was an entry */
	bool		exists;			/* the last entry did not delete it */
	int32		revision;		/* of the last entry */
	TimestampTz at;				/* of the last entry */
	const char *state;			/* after the last entry, NULL if it deleted */
	List	   *alterations;	/* of WoAlteration *, in order of time */
	bool		sealed;			/* the last entry has a digest */
	uint8		digest[WO_DIGEST_LENGTH];
	char	   *key;			/* of the ticket, if that is not its number and an entry tells it */
} WoReplayState;

extern WoReplay *wo_replay_open(int32 relation, const int64 *tenant, const WoTicketId *ticket);
extern const WoJournalEntry *wo_replay_next(WoReplay *replay);
extern void wo_replay_close(WoReplay *replay);

extern bool wo_replay_is_base(const WoJournalEntry *line);
extern WoReplayState *wo_replay_state_create(const WoBinding *binding);
extern void wo_replay_state_reset(WoReplayState *fold);
extern bool wo_replay_apply(WoReplayState *fold, const WoJournalEntry *line, bool sealed,
							Bitmapset **surprises);
extern void wo_replay_import(WoReplayState *fold, const WoRow *row);
extern Jsonb *wo_replay_state_to_jsonb(const WoReplayState *fold, int64 tenant, WoTicketId ticket);
extern Jsonb *wo_replay_until(WoBinding *binding, int64 tenant, WoTicketId ticket, TimestampTz at,
							  const WoRow *row);

#endif							/* WO_REPLAY_H */
