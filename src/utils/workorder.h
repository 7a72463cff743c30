/*-------------------------------------------------------------------------
 *
 * workorder.h
 *	  What the rooms of src/ share: error codes, settings and the compiled flow.
 *
 * Data flows one way: guard.c asks binding.c what it is looking at,
 * flow_cache.c for the chart, actor.c for the person, permit.c for the
 * verdict; guard.c and journal.c write what happened.  Each room's own
 * functions are declared in the header of its name; only what several rooms
 * need is here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WORKORDER_H
#define WORKORDER_H

#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/jsonpath.h"
#include "utils/timestamp.h"

#include "utils/compat.h"

#define WO_SCHEMA	"workorder"

/* Error class of the extension; PostgREST and the door map them by the digits. */
#define ERRCODE_WO_INVALID		MAKE_SQLSTATE('W','O','4','0','0')	/* invalid input */
#define ERRCODE_WO_UNAUTHENTICATED	MAKE_SQLSTATE('W','O','4','0','1')	/* nobody, or not who he says */
#define ERRCODE_WO_DENIED		MAKE_SQLSTATE('W','O','4','0','3')	/* not permitted */
#define ERRCODE_WO_NOT_FOUND	MAKE_SQLSTATE('W','O','4','0','4')	/* no such ticket, flow, state or action */
#define ERRCODE_WO_CONFLICT		MAKE_SQLSTATE('W','O','4','0','9')	/* not in this state, or lost a race */
#define ERRCODE_WO_UNPROCESSABLE	MAKE_SQLSTATE('W','O','4','2','2')	/* well-formed, but not what was meant */
#define ERRCODE_WO_UNAVAILABLE	MAKE_SQLSTATE('W','O','5','0','3')	/* something the administrator has to provide is missing */

/* The message domain of these errors, by which the dispatcher tells them from those that handlers raise. */
#undef TEXTDOMAIN
#define TEXTDOMAIN				WO_SCHEMA

/* Settings (settings.c) */
extern bool wo_maintenance;		/* workorder.maintenance, superuser only */
extern char *wo_actor_login;	/* workorder.actor, needs GRANT SET */
extern char *wo_tenant_text;	/* workorder.tenant, needs GRANT SET */
extern char *wo_gateway_roles;	/* workorder.gateway_roles, from the configuration file */
extern bool wo_login_claims;	/* workorder.login_claims, the same */

extern void wo_settings_init(void);
extern TimestampTz wo_now(void);
extern void wo_ensure_durable(void);
extern const char *wo_shown(const char *name);

/*
 * The compiled flow.  Built by wo_flow_compile() in one memory context and
 * never changed afterwards; states, actions and columns refer to each other
 * by index, so that a copy of the struct needs no relocation.
 */
typedef enum WoStateKind
{
	WO_STATE_ATOMIC,
	WO_STATE_COMPOUND,
	WO_STATE_FINAL,
	WO_STATE_HISTORY
} WoStateKind;

typedef enum WoQuorumKind
{
	WO_QUORUM_NONE,				/* one act is enough */
	WO_QUORUM_COUNT,			/* n distinct people */
	WO_QUORUM_ALL,				/* everybody who is eligible */
	WO_QUORUM_PERCENT,			/* n per cent of those who are eligible */
	WO_QUORUM_EACH				/* somebody of each role in quorum_roles */
} WoQuorumKind;

/* approvers: how many of them it takes */
typedef enum WoRule
{
	WO_RULE_ALL,				/* everybody; one refusal refuses */
	WO_RULE_ANY,				/* whoever is first decides, either way */
	WO_RULE_COUNT,				/* n people */
	WO_RULE_PERCENT,			/* n per cent of them */
	WO_RULE_WEIGHT,				/* people whose weights add up to n */
	WO_RULE_SEQUENCE			/* everybody, one after the other */
} WoRule;

/* approvers: where they come from; one of the first four is set */
typedef struct WoSource
{
	int			role;			/* index into WoFlow.roles, -1 if none */
	int			column;			/* index into WoFlow.columns, -1 if none */
	JsonPath   *path;			/* over the row: ids or logins */
	const char *login;
	int			weight;
} WoSource;

/* What is done when too few approvers are found. */
typedef enum WoNobody
{
	WO_NOBODY_FAIL,				/* the action that would lead here is refused */
	WO_NOBODY_SKIP,				/* the step is passed over if there is none at all */
	WO_NOBODY_FALLBACK			/* others are asked as well */
} WoNobody;

/* Who has to decide before an action takes effect; belongs to a state. */
typedef struct WoApprovers
{
	int			action;			/* the one that they approve by */
	int			state;			/* where */
	const char *where;
	WoRule		rule;
	int			n;				/* COUNT, PERCENT, WEIGHT */
	int			nsources;
	WoSource   *sources;
	WoNobody	none;
	int			nfallback;
	WoSource   *fallback;
	bool		claim;			/* a role is one task, for whom takes it, not one for each holder */
	uint32		may;			/* bit per WoTaskOrder */
	Bitmapset  *manage;			/* roles that order others' tasks */
	int64		remind;			/* seconds between two reminders */
	bool		due_given;
	Interval	due;
} WoApprovers;

/* set: one column := literal or jsonpath */
typedef struct WoAssignment
{
	int			column;			/* index into WoFlow.columns */
	JsonPath   *path;			/* NULL for a literal */
	Jsonb	   *literal;		/* NULL for a path; scalars are raw-scalar jsonb */
} WoAssignment;

/* One transition an action may take. */
typedef struct WoCandidate
{
	int			action;			/* index into WoFlow.actions */
	int			source;			/* the state that declares it */
	int			target;			/* state index, -1 = internal: nothing moves */
	bool		reenter;		/* a visit starts anew even if the leaf stays */
	const char *where;			/* path in the document, for messages */

	bool		allow_given;	/* "allow" is present; an empty one shuts the action */
	bool		everybody;		/* allow "*" */
	Bitmapset  *roles;			/* allow: indexes into WoFlow.roles */
	Bitmapset  *relations;		/* allow "$column": indexes into WoFlow.columns */

	JsonPath   *guard;			/* NULL = holds */
	const char *guard_text;

	Bitmapset  *exclude;		/* who took these actions (indexes) may not */
	List	   *exclude_former; /* of char *: nor who took these, of earlier versions */
	Bitmapset  *exclude_relations;	/* nor the people in these columns */

	bool		require_note;
	Bitmapset  *require;		/* columns that must not be blank */
	bool		fields_given;	/* "fields" is present */
	bool		fields_any;		/* "fields": ["*"] */
	Bitmapset  *fields;			/* columns this action may change */

	int			nassignments;
	WoAssignment *assignments;

	WoQuorumKind quorum;
	int			quorum_n;		/* COUNT, PERCENT */
	Bitmapset  *quorum_roles;	/* EACH: indexes into WoFlow.roles */

	const WoApprovers *approvers;	/* NULL = allow says who may */
	const char *against;		/* counts against this action's approvers; NULL = for it */
} WoCandidate;

typedef struct WoCandidateList
{
	int			n;				/* 0 = this state does not declare the action */
	WoCandidate *item;
} WoCandidateList;

/* after: a transition that is due some time after the state is entered */
typedef struct WoDelay
{
	const char *text;			/* as written: "P3D", "PT16H@office", "$setting" */
	const char *action;			/* what the journal calls it: "after P3D" */
	const char *setting;		/* the tenant says how long; NULL = the flow does */
	const char *calendar;		/* whose working time counts; NULL = all time does */
	Interval	interval;
	WoCandidateList candidates;	/* action = -1, no allow */
} WoDelay;

/* What the journal calls a transition of the clock begins with this. */
#define WO_ACTION_AFTER		"after "

/* And what is done to somebody's task, see approval.h. */
#define WO_ACTION_TASK		"task "

typedef struct WoState
{
	const char *path;			/* dotted; "" for the root */
	const char *key;			/* last part; the flow's id for the root */
	const char *label;			/* NULL if none */
	const char *code;			/* number or text for legacy clients, as text; NULL if none */
	WoStateKind kind;
	int			parent;			/* -1 for the root */
	int			initial;		/* compound: child to enter */
	bool		deep;			/* history: deep */
	int			resume;			/* history: default target, -1 = the parent's initial */
	bool		remembers;		/* compound with a history child */
	bool		done;			/* final child of the root: nothing leads out */
	bool		pauses;			/* clocks of the states around it and before it stand still */
	WoCandidateList *on;		/* [WoFlow.nactions] */
	int			ndelays;
	WoDelay    *delays;
	WoApprovers *approvers;		/* who has to decide here, NULL for nobody in particular */
} WoState;

typedef struct WoFlow
{
	int			id;				/* workorder.flow.id, 0 while only checked */
	const char *name;
	int			version;
	bool		open;			/* takes new rows (life = published) */

	int			nstates;
	WoState    *states;			/* [0] is the root; a parent precedes its children */
	int			nactions;
	const char **actions;
	int			nroles;
	const char **roles;			/* as declared */
	int			ncolumns;
	const char **columns;		/* every column the document names */
	int		   *by_path;		/* states ordered by path, for wo_flow_state() */
	int		   *by_column;		/* columns ordered by name, for wo_flow_column() */
	bool		complete;		/* every state and target was understood: the chart can be walked */
	int			ndelays;		/* in all states */
	bool		pausing;		/* some state pauses */
	bool		approving;		/* some state has approvers */

	/* the row operations, -1 if the document does not name them */
	int			action_create;
	int			action_view;
	int			action_update;
	int			action_delete;

	MemoryContext context;
} WoFlow;

#endif							/* WORKORDER_H */
