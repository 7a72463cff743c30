/*-------------------------------------------------------------------------
 *
 * permit.h
 *	  The one predicate: may this actor take this action on this row
 *	  (permit.c), with its parts condition.c and quorum.c, and why not
 *	  (reason.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_PERMIT_H
#define WO_PERMIT_H

#include "actor/actor.h"
#include "row/binding.h"
#include "utils/workorder.h"

/*
 * What is judged.  The caller fills in the first part; the rest is made when
 * it is first needed, in the caller's memory context.
 */
typedef struct WoCase
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
	bool		has_note;		/* a note that is not blank was given */
	bool		quiet;			/* yes or no is enough: no reasons, and input that is missing is no obstacle */
	bool		restricted;		/* the actor counts in these relation columns only: */
	const List *standing;		/* their names */

	Jsonb	   *row_json;
	Jsonb	   *vars_json;
	struct WoRound *round;		/* the approvals of the ticket as it is, see approval.h */
} WoCase;

/* Why not.  Messages name rules, columns and roles, never what a row holds. */
typedef struct WoReason
{
	const char *code;
	int			sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
	bool		input;			/* would go away if the caller gave more */
	const char *column;			/* the missing column or "note", if input */
} WoReason;

typedef struct WoVerdict
{
	const WoCandidate *taken;	/* the transition chosen; NULL if there is none */
	bool		allowed;
	List	   *reasons;		/* of WoReason; all of them if asked to explain */
	bool		complete;		/* the action takes effect now */
	Jsonb	   *votes;			/* what the row's votes become, NULL = none */
	struct WoRound *round;		/* and its approvals, NULL = nothing was decided */
	List	   *resume;			/* the way on, if the ticket is sent back */
} WoVerdict;

/* permit.c */
extern bool wo_permit(WoCase *c, int action, bool explain, WoVerdict *verdict);
extern bool wo_permit_timer(WoCase *c, const WoDelay *delay, WoVerdict *verdict);
extern bool wo_permit_view(WoCase *c);
extern int	wo_permit_target(const WoCase *c, const WoCandidate *taken);
extern int	wo_permit_move(WoCase *c, const WoCandidate *taken, int leaf);
extern List *wo_permit_possible(const WoCase *c);

/* reason.c */
extern WoReason *wo_reason(const char *code, int sqlstate, const char *message, const char *detail,
						   const char *hint);
extern WoReason *wo_reason_unknown_action(const WoFlow *flow, const char *action);
extern WoReason *wo_reason_last_revision(const WoCase *c);
extern WoReason *wo_reason_not_a_beginning(const char *action);
extern WoReason *wo_reason_created_already(void);
extern WoReason *wo_reason_not_here(const WoCase *c, int action, List *possible);
extern WoReason *wo_reason_guard_fails(const char *action, const WoCandidate *candidate);
extern WoReason *wo_reason_guard_undecided(const char *action, const WoCandidate *candidate);
extern WoReason *wo_reason_not_allowed(const WoCase *c, int action, const WoCandidate *candidate);
pg_noreturn extern void wo_refuse(const WoCase *c, const WoReason *reason);

/* condition.c */
typedef enum WoTruth
{
	WO_FALSE,
	WO_TRUE,
	WO_UNKNOWN
} WoTruth;

extern WoTruth wo_condition_holds(WoCase *c, JsonPath *guard);
extern Jsonb *wo_condition_list(WoCase *c, JsonPath *path);
extern void wo_condition_assign(WoCase *c, const WoCandidate *taken);

/* quorum.c */
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

#endif							/* WO_PERMIT_H */
