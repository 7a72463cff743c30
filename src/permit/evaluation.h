/*-------------------------------------------------------------------------
 *
 * evaluation.h
 *	  What is judged, and what comes of it: a row as it is and as it would be,
 *	  and the verdict (evaluation.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_EVALUATION_H
#define WO_EVALUATION_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "actor/actor.h"
#include "journal/entry.h"
#include "flow/flow.h"
#include "row/binding.h"

/*
 * What is judged.  The caller fills in the first part; the rest is made when
 * it is first needed, in the caller's memory context.
 */
typedef struct WoEvaluation
{
	WoBinding  *binding;
	const WoFlow *flow;
	const AttrNumber *columns;	/* of flow, see wo_binding_columns() */
	const WoActor *actor;
	TimestampTz now;
	int			leaf;			/* where the ticket rests */
	const Datum *old;			/* the row as it is, NULL when it is created */
	const bool *old_null;
	Datum	   *row;			/* the row as it would be */
	bool	   *row_null;
	const bool *changed;		/* user columns the caller changed, by attnum - 1; NULL = none */
	const char *note;			/* as it was given, for the journal; NULL = none */
	bool		has_note;		/* one that is not blank was given */
	bool		quiet;			/* yes or no is enough: no reasons, and input that is missing is no obstacle */
	bool		restricted;		/* the actor counts in these relation columns only: */
	const List *relation_columns;		/* their names */

	Jsonb	   *row_json;
	Jsonb	   *vars_json;
	struct WoApprovalState *round;		/* the approvals of the ticket as it is, see approval.h */
} WoEvaluation;

typedef struct WoVerdict
{
	const WoTransition *taken;	/* the transition chosen; NULL if there is none */
	bool		allowed;
	List	   *reasons;		/* of WoReason; all of them if asked to explain */
	bool		complete;		/* the action takes effect now */
	Jsonb	   *votes;			/* what the votes of quorums become, NULL = none */
	struct WoApprovalState *round;		/* and the approvals, NULL = nothing was decided */
	List	   *resume;			/* the way on, if the ticket is sent back */

	WoChangeKind kind;			 /* what the change is */
	const char *action;			/* what the journal calls it */
	/* the row that would be, worked out once (wo_permit_outcome): by whom it is asked first */
	WoRow		row;			/* values are NULL before that */
	int			leaf;			/* where it rests */
	bool		visits;			/* a visit of its state begins */
} WoVerdict;

extern void wo_evaluation_begin(WoEvaluation *c, WoBinding *binding, const WoRow *old, WoRow *row);

extern void wo_evaluation_set(WoEvaluation *c, WoEngineColumn column, Datum value, bool isnull);
extern void wo_evaluation_set_text(WoEvaluation *c, WoEngineColumn column, const char *value);
extern void wo_evaluation_set_digest(WoEvaluation *c, WoChangeKind kind);
extern HeapTuple wo_evaluation_tuple(const WoEvaluation *c, HeapTuple tuple);

extern int64 wo_evaluation_person(const WoEvaluation *c, int column, bool would_be);
extern List *wo_evaluation_excluded(const WoEvaluation *c, const WoTransition *candidate, bool would_be);
extern int	wo_evaluation_target(const WoEvaluation *c, const WoTransition *taken);
extern int	wo_evaluation_move(WoEvaluation *c, const WoTransition *taken, int leaf);

typedef enum WoTruth
{
	WO_FALSE,
	WO_TRUE,
	WO_UNKNOWN
} WoTruth;

extern WoTruth wo_evaluation_holds(WoEvaluation *c, JsonPath *guard);
extern Jsonb *wo_evaluation_list(WoEvaluation *c, JsonPath *path);
extern void wo_evaluation_assign(WoEvaluation *c, const WoTransition *taken);

#endif							/* WO_EVALUATION_H */
