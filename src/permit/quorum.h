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

typedef struct WoQuorumCount
{
	bool		voted;			/* this person has voted in this visit already */
	bool		unreachable;		/* even if everybody left agreed, it would not be met */
	bool		complete;		/* with this vote it is met */
	int			have;			/* votes with this one */
	int			need;			/* votes that are needed */
	Jsonb	   *votes;
} WoQuorumCount;

extern void wo_quorum_count(WoEvaluation *c, const WoTransition *candidate, WoQuorumCount *count);
extern int64 wo_quorum_need(WoQuorumKind rule, int64 n, int64 electorate);

#endif							/* WO_QUORUM_H */
