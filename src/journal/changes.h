/*-------------------------------------------------------------------------
 *
 * changes.h
 *	  The column diff of a journal line (changes.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CHANGES_H
#define WO_CHANGES_H

#include "row/binding.h"

/* Which columns a line tells about. */
typedef enum WoChangesKind
{
	WO_CHANGES_OF_ACT,			/* what does not follow from the line itself */
	WO_CHANGES_OF_REPAIR,		/* and when the state was entered, which an act implies */
	WO_CHANGES_WHOLE			/* all of them: the line opens a history */
} WoChangesKind;

extern Jsonb *wo_changes(WoBinding *binding, const WoRow *old, const WoRow *row, WoChangesKind kind);

#endif							/* WO_CHANGES_H */
