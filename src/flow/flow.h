/*-------------------------------------------------------------------------
 *
 * flow.h
 *	  The compiled flow, and questions to it (flow.c).
 *
 * Made by flow_compile.c; published ones come from flow_cache.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_H
#define WO_FLOW_H

#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/jsonpath.h"
#include "utils/timestamp.h"

#include "actor/actor.h"

/* What the engine itself does is called in the journal. */
#define WO_ACTION_MAINTENANCE	"maintenance"
#define WO_ACTION_ALTERED		"altered"
#define WO_ACTION_IMPORT		"import"
#define WO_ACTION_MIGRATE		"migrate"
#define WO_ACTION_DELETE		"delete"
#define WO_ACTION_AFTER		"after "		/* and the delay: a transition of the clock */
#define WO_ACTION_TASK		"task " /* and what is done to somebody's task */

/* What may be done to tasks besides deciding; journalled as "task ..." */
typedef enum WoTaskCommand
{
	WO_TASK_ADD,
	WO_TASK_REMOVE,
	WO_TASK_TRANSFER,
	WO_TASK_DELEGATE,
	WO_TASK_RETURN,
	WO_TASK_CLAIM,
	WO_TASK_RELEASE,
	WO_TASK_SEND_BACK,
	WO_TASK_WITHDRAW,
	WO_TASK_TAKE_BACK,
	WO_TASK_REMIND,
	WO_TASK_COPY,
	WO_TASK_HAND_OVER,
	WO_NTASK_COMMANDS
} WoTaskCommand;

extern const char *const wo_flow_task_commands[WO_NTASK_COMMANDS];

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
typedef enum WoIfNone
{
	WO_IF_NONE_FAIL,				/* the action that would lead here is refused */
	WO_IF_NONE_SKIP,				/* the step is passed over if there is none at all */
	WO_IF_NONE_FALLBACK			/* others are asked as well */
} WoIfNone;

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
	WoIfNone	none;
	int			nfallback;
	WoSource   *fallback;
	bool		claim;			/* a role is one task, for whom takes it, not one for each holder */
	uint32		may;			/* bit per WoTaskCommand */
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
typedef struct WoTransition
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
} WoTransition;

typedef struct WoTransitionList
{
	int			n;				/* 0 = this state does not declare the action */
	WoTransition *item;
} WoTransitionList;

/* after: a transition that is due some time after the state is entered */
typedef struct WoDelay
{
	const char *text;			/* as written: "P3D", "PT16H@office", "$setting", "$.column" */
	const char *action;			/* what the journal calls it: "after P3D" */
	const char *setting;		/* the tenant says how long; NULL = the flow does */
	int			column;			/* the row says when: index into WoFlow.columns, -1 = not so */
	const char *calendar;		/* whose working time counts; NULL = all time does */
	Interval	interval;
	WoTransitionList transitions;	/* action = -1, no allow */
} WoDelay;

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
	WoTransitionList *on;		/* [WoFlow.nactions] */
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
	bool		dated;			/* some timer is due when a column says */
	bool		approving;		/* some state has approvers */

	/* the row operations, -1 if the document does not name them */
	int			action_create;
	int			action_view;
	int			action_update;
	int			action_delete;

	MemoryContext context;
} WoFlow;

extern int	wo_flow_state(const WoFlow *flow, const char *path, int len);
extern int	wo_flow_action(const WoFlow *flow, const char *name);
extern bool wo_flow_excludes(const WoFlow *flow, const WoTransition *transition, const char *action);
extern int	wo_flow_column(const WoFlow *flow, const char *name);
extern int	wo_flow_initial(const WoFlow *flow);
extern int	wo_flow_resolve(const WoFlow *flow, int target, Jsonb *history);
extern int	wo_flow_enter(const WoFlow *flow, int target, Jsonb *history);
extern int	wo_flow_domain(const WoFlow *flow, int source, int target, bool reenter);
extern int	wo_flow_move(const WoFlow *flow, const WoTransition *taken, int leaf,
						 Jsonb *history, Jsonb **remembered);
extern bool wo_flow_within(const WoFlow *flow, int state, int ancestor);
extern char *wo_flow_where(const WoFlow *flow, int state);
extern bool wo_flow_is_leaf(const WoFlow *flow, int state);
extern bool wo_flow_reserved(const char *column);

/* indexes into flow->roles; made in the current memory context, the caller's own */
extern Bitmapset *wo_flow_roles_of(const WoActor *actor, const WoFlow *flow);

#endif							/* WO_FLOW_H */
