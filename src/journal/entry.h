/*-------------------------------------------------------------------------
 *
 * entry.h
 *	  The journal entry that a change of a row makes (entry.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ENTRY_H
#define WO_ENTRY_H

#include "flow/flow.h"
#include "journal/journal.h"

/*
 * The column digest of a row that was imported, and of one that a trigger may
 * change behind the guard, does not hold the digest of an entry but a seal over
 * the engine's columns: one of these and 16 bytes.
 */
#define WO_CHECKSUM_ACT				'a'
#define WO_CHECKSUM_IMPORT			'i'
#define WO_CHECKSUM_LENGTH			17

/*
 * What a change of a row is.  The guard finds it out and writes it into the
 * row; whoever sees the row afterwards believes that (wo_entry_kind).
 */
typedef enum WoChangeKind
{
	WO_KIND_NONE,				/* no act: the row is as it was */
	WO_KIND_CREATE,
	WO_KIND_ACT,
	WO_KIND_DELETE,
	/* nobody is judged for these */
	WO_KIND_IMPORT,				/* a new row that brings its history: not journalled */
	WO_KIND_REPAIR,				/* under workorder.maintenance */
	WO_KIND_TIMER,
	WO_KIND_MIGRATION
} WoChangeKind;

extern WoChangeKind wo_entry_kind(const WoBinding *binding, const WoRow *old, const WoRow *row);
extern void wo_entry_for_change(WoJournalEntry *line, WoBinding *binding, const WoRow *old, const WoRow *row);
extern void wo_entry_for_stored(WoJournalEntry *line, WoBinding *binding, const WoRow *old, const WoRow *row);
extern void wo_entry_for_base(WoJournalEntry *line, WoBinding *binding, const WoRow *row);
extern void wo_entry_keep(const WoJournalEntry *line);
extern void wo_entry_forget(void);
extern void wo_entry_init(void);
extern bytea *wo_entry_row_checksum(const WoBinding *binding, const WoRow *row, char kind);
extern const uint8 *wo_entry_row_digest(const WoBinding *binding, const WoRow *row);

#endif							/* WO_ENTRY_H */
