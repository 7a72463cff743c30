/*-------------------------------------------------------------------------
 *
 * journal.h
 *	  One journal entry, its digest (digest.c), and how entries get into the
 *	  journal and are found there (journal.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_JOURNAL_H
#define WO_JOURNAL_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "flow/flow.h"
#include "row/binding.h"
#include "utils/columns.h"

#define WO_DIGEST_LENGTH	32
#define WO_SALT_LENGTH		16

/* relation_id of entries that are about the journal itself */
#define WO_RELATION_JOURNAL 0

/* Where the journal tells of alterations of a table. */
#define WO_ALTERATION_TICKET(relation)	(-(WoTicketId) (relation))

/* Revision of an entry that opens the history of a row that was there before. */
#define WO_REVISION_BASE	0

/* Attribute numbers of workorder.journal, see columns.h. */
enum
{
	Anum_journal_none,
#define JOURNAL_CONSTANT(column, name) Anum_journal_##column,
	WO_JOURNAL_COLUMNS(JOURNAL_CONSTANT)
#undef JOURNAL_CONSTANT
	Anum_journal_end,
	Natts_journal = Anum_journal_end - 1
};

typedef struct WoJournalEntry
{
	int64		tenant;
	int32		relation;		/* workorder.guarded.id */
	WoTicketId	ticket;
	int32		revision;
	TimestampTz at;
	int64		actor;			/* 0 = nobody known */
	int64		for_actor;		/* 0 = for themselves */
	const char *action;
	const char *from_state;		/* NULL when the row is new */
	const char *to_state;		/* NULL when the row is gone */
	const char *note;
	Jsonb	   *changes;		/* {"column": [old, new]}, NULL = none */
	uint8		digest[WO_DIGEST_LENGTH];
	bytea	   *salt;			/* of the digest of note and changes, NULL = none */
	const char *key;			/* of a ticket whose key is not its number, in its first entry; NULL = none */
} WoJournalEntry;

/* digest.c */
extern void wo_digest_salt(WoJournalEntry *line);
extern void wo_digest_compute(const WoJournalEntry *line, const uint8 *previous, uint8 *result);

/* journal.c */
extern void wo_journal_set_digest(WoJournalEntry *line, WoBinding *binding, const WoRow *old,
								  WoJournalEntry *base);
extern void wo_journal_append(const WoJournalEntry *line, bool together);
extern void wo_journal_flush(void);
extern List *wo_journal_takers(const WoBinding *binding, const WoFlow *flow, int64 tenant,
							   WoTicketId ticket, const WoTransition *transition);

#endif							/* WO_JOURNAL_H */
