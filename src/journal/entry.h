/*-------------------------------------------------------------------------
 *
 * entry.h
 *	  The journal line that a change of a row makes (entry.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_LINE_H
#define WO_LINE_H

#include "journal/journal.h"

/* What the engine itself does is called in the journal. */
#define WO_ACTION_MAINTENANCE	"maintenance"
#define WO_ACTION_IMPORT		"import"
#define WO_ACTION_MIGRATE		"migrate"
#define WO_ACTION_DELETE		"delete"

/*
 * Where a trigger may change the row behind the guard, the column digest does
 * not hold the line's digest but a seal over the engine's columns: one of
 * these and 16 bytes.
 */
#define WO_SEAL_ACT				'a'
#define WO_SEAL_IMPORT			'i'
#define WO_SEAL_LENGTH			17

extern void wo_line_for_change(WoJournalLine *line, WoBinding *binding, const WoRow *old, const WoRow *row);
extern void wo_line_for_sealed(WoJournalLine *line, WoBinding *binding, const WoRow *old, const WoRow *row);
extern void wo_line_for_base(WoJournalLine *line, WoBinding *binding, const WoRow *row);
extern void wo_line_keep(const WoJournalLine *line);
extern void wo_line_forget(void);
extern void wo_line_init(void);
extern bytea *wo_row_seal(const WoBinding *binding, const WoRow *row, char kind);
extern const uint8 *wo_row_digest(const WoBinding *binding, const WoRow *row);

#endif							/* WO_LINE_H */
