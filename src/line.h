/*-------------------------------------------------------------------------
 *
 * line.h
 *	  The journal line that a change of a row makes (line.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_LINE_H
#define WO_LINE_H

#include "journal.h"

/* What the engine itself does is called in the journal. */
#define WO_ACTION_MAINTENANCE	"maintenance"
#define WO_ACTION_IMPORT		"import"
#define WO_ACTION_DELETE		"delete"

extern void wo_line_for_change(WoJournalLine *line, WoBinding *binding, const WoRow *old, const WoRow *row);
extern void wo_line_for_base(WoJournalLine *line, WoBinding *binding, const WoRow *row);
extern const uint8 *wo_row_digest(WoBinding *binding, const WoRow *row);

#endif							/* WO_LINE_H */
