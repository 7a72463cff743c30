/*-------------------------------------------------------------------------
 *
 * quorum.h
 *	  Votes of a quorum (quorum.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_QUORUM_H
#define WO_QUORUM_H

#include "flow/flow.h"
#include "permit/evaluation.h"

typedef struct WoTally
{
	bool		voted;			/* this person has voted in this visit already */
	bool		hopeless;		/* even if everybody left agreed, it would not be met */
	bool		complete;		/* with this vote it is met */
	int			have;			/* votes with this one */
	int			need;			/* votes that are needed */
	Jsonb	   *votes;
} WoTally;

extern void wo_quorum_tally(WoCase *c, const WoCandidate *candidate, WoTally *tally);
extern List *wo_excluded_people(WoCase *c, const WoCandidate *candidate);

#endif							/* WO_QUORUM_H */
