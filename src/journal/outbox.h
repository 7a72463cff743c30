/*-------------------------------------------------------------------------
 *
 * outbox.h
 *	  What has happened, for those who listen (outbox.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_OUTBOX_H
#define WO_OUTBOX_H

#include "journal/journal.h"

extern void wo_outbox_append(const WoBinding *binding, const WoJournalEntry *line);
extern void wo_outbox_flush(void);

#endif							/* WO_OUTBOX_H */
