/*-------------------------------------------------------------------------
 *
 * flow_check.c
 *	  What is wrong with a flow that compiles: transitions nobody can take,
 *	  columns that are not there, quorums that cannot be met, states that cannot be
 *	  reached, states from which no end can be.  And what can be proved of a chart.
 *
 * Reads compiled flows only; findings are made in the current memory context.
 * Every check errs on the side of the author: guards are taken to hold or not
 * as it suits, so what is reported is wrong whatever the rows say.  What today's
 * people could never do is for flow_staff.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "flow/flow_check.h"
#include "utils/compat.h"
#include "utils/errors.h"

/* --- the ways from a state --------------------------------------------------- */

/* Called for each transition that may carry a ticket on from a leaf. */
typedef void (*WayVisitor) (void *arg, int leaf, const WoTransition *c, const char *step);

/*
 * visit_list visits a list of transitions, and tells whether one of them surely
 * decides the action.
 */
static bool
visit_list(const WoFlow *flow, int leaf, const WoTransitionList *list, const char *step,
		   const WoTransitionList *skip, WayVisitor visitor, void *arg)
{
	bool		decided = false;

	for (int i = 0; i < list->n; i++)
	{
		const WoTransition *c = &list->item[i];

		/* a flow that is done stays where it is */
		if (c->target >= 0 && flow->states[leaf].done)
			continue;
		/* a forgotten "allow" is a finding of its own; an empty one shuts the way */
		if (c->target >= 0 && list != skip &&
			(c->action < 0 || !c->allow_given || c->everybody || c->roles != NULL || c->relations != NULL))
			visitor(arg, leaf, c, step);
		if (c->guard_text == NULL)
			decided = true;
	}
	return decided;
}

/*
 * visit_ways visits all transitions that may carry a ticket on from a leaf: an
 * action bubbles from the leaf upwards until a state surely decides it, for
 * guards are taken to hold or not.  The transitions of one list may be left
 * out.
 */
static void
visit_ways(const WoFlow *flow, int leaf, bool create, const WoTransitionList *skip,
		   WayVisitor visitor, void *arg)
{
	for (int a = 0; a < flow->nactions; a++)
	{
		if (a == flow->action_view || (a == flow->action_create && !create))
			continue;
		for (int s = leaf; s >= 0; s = flow->states[s].parent)
			if (visit_list(flow, leaf, &flow->states[s].on[a], flow->actions[a], skip, visitor, arg))
				break;
	}
	for (int s = leaf; s >= 0; s = flow->states[s].parent)
		for (int d = 0; d < flow->states[s].ndelays; d++)
			(void) visit_list(flow, leaf, &flow->states[s].delays[d].transitions,
							  flow->states[s].delays[d].action, skip, visitor, arg);
}

/* --- whether every way to a state passes another --------------------------- */

/*
 * What counts is where a ticket is and what its history remembers, so the
 * search goes over pairs of the two, moved as a ticket would be (flow.c).  A
 * flow has far fewer such pairs than it could have; a limit keeps a monstrous
 * one from taking the server's memory.
 */

#define MAX_PLACES	100000

typedef struct Place
{
	int			leaf;
	Jsonb	   *history;
	struct Place *from;			/* NULL at the start */
	const char *step;			/* what led here from there */
	struct Place *next;			/* in the order found */
} Place;

/* A set of places, by leaf and history. */
typedef struct PlaceKey
{
	int			leaf;
	Jsonb	   *history;
} PlaceKey;

static inline uint32
hash_place(PlaceKey key)
{
	uint32		hash = murmurhash32((uint32) key.leaf);

	if (key.history != NULL)
		hash = hash_combine(hash, hash_bytes((unsigned char *) VARDATA(key.history), VARSIZE(key.history) - VARHDRSZ));
	return hash;
}

static inline bool
same_place(PlaceKey a, PlaceKey b)
{
	if (a.leaf != b.leaf || (a.history == NULL) != (b.history == NULL))
		return false;
	return a.history == NULL ||
		(VARSIZE(a.history) == VARSIZE(b.history) &&
		 memcmp(a.history, b.history, VARSIZE(a.history)) == 0);
}

typedef struct PlaceEntry
{
	PlaceKey	key;
	uint32		hash;
	char		status;
} PlaceEntry;

#define SH_PREFIX places
#define SH_ELEMENT_TYPE PlaceEntry
#define SH_KEY_TYPE PlaceKey
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_place(key)
#define SH_EQUAL(tb, a, b) same_place(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

typedef struct Search
{
	const WoFlow *flow;
	int			avoid;			/* state, -1 = none */
	const WoTransitionList *skip;	/* transitions that are not taken, NULL = none */
	places_hash *known;
	Place	   *at;				/* whose ways are looked at */
	Place	   *last;			/* of those found */
	MemoryContext step;			/* for what a way needs, but for places that are new */
} Search;

/*
 * find adds a place to those found, if it is new and not to be avoided.
 */
static void
find(Search *search, Place *from, const char *step, int leaf, Jsonb *history)
{
	Place	   *place;
	bool		known;

	if (search->avoid >= 0 && wo_flow_within(search->flow, leaf, search->avoid))
		return;
	if (places_lookup(search->known, (PlaceKey) {leaf, history}) != NULL)
		return;
	if (history != NULL && (from == NULL || history != from->history))
		history = (Jsonb *) pg_detoast_datum_copy((struct varlena *) history);
	(void) places_insert(search->known, (PlaceKey) {leaf, history}, &known);
	if (search->known->members > MAX_PLACES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("flow \"%s\" is too large to be searched", wo_errors_shorten(search->flow->name)),
				 errdetail("A ticket could be in more than %d places, counting what history remembers.", MAX_PLACES),
				 errhint("Ask about a part of it, as a flow of its own.")));
	place = palloc(sizeof(Place));
	*place = (Place) {leaf, history, from, step, NULL};
	search->last->next = place;
	search->last = place;
}

/*
 * add_way is the visitor of a search: it moves the ticket.
 */
static void
add_way(void *arg, int leaf, const WoTransition *c, const char *step)
{
	Search	   *search = arg;
	Jsonb	   *remembered;
	MemoryContext old = MemoryContextSwitchTo(search->step);
	int			reached = wo_flow_move(search->flow, c, leaf, search->at->history, &remembered);

	MemoryContextSwitchTo(old);
	find(search, search->at, step, reached, remembered);
}

/*
 * begin finds where a ticket may start: in the initial state, or where
 * "create" leads from there.
 */
static void
begin(Search *search)
{
	const WoFlow *flow = search->flow;
	int			start = wo_flow_initial(flow);
	const WoTransitionList *list = NULL;

	for (int s = start; s >= 0 && flow->action_create >= 0 && list == NULL; s = flow->states[s].parent)
		if (flow->states[s].on[flow->action_create].n > 0)
			list = &flow->states[s].on[flow->action_create];
	if (list == NULL)
		find(search, NULL, NULL, start, NULL);
	for (int i = 0; list != NULL && i < list->n; i++)
	{
		Jsonb	   *remembered = NULL;
		int			leaf = list->item[i].target < 0 ? start :
			wo_flow_move(flow, &list->item[i], start, NULL, &remembered);

		find(search, NULL, NULL, leaf, remembered);
	}
}

/*
 * explore begins a search and goes on until it reaches a state: the place
 * there, NULL if none is found.
 */
static Place *
explore(Search *search, Place *head, int to)
{
	search->last = head;
	search->known = places_create(CurrentMemoryContext, 256, NULL);
	search->step = AllocSetContextCreate(CurrentMemoryContext, "workorder step of a search", ALLOCSET_SMALL_SIZES);
	begin(search);
	for (Place *place = head->next; place != NULL; place = place->next)
	{
		CHECK_FOR_INTERRUPTS();
		if (wo_flow_within(search->flow, place->leaf, to))
			return place;
		search->at = place;
		visit_ways(search->flow, place->leaf, false, search->skip, add_way, search);
		MemoryContextReset(search->step);
	}
	return NULL;
}

/*
 * wo_flow_check_way finds the shortest way from the start to a state that does not
 * pass another (-1: none to avoid): states, and the steps between them; NIL if
 * there is none.
 */
List *
wo_flow_check_way(const WoFlow *flow, int to, int avoid)
{
	Place		head = {.leaf = -1};
	Search		search = {.flow = flow, .avoid = avoid};
	Place	   *place = explore(&search, &head, to);
	List	   *way = NIL;

	if (place == NULL)
		return NIL;
	for (; place->from != NULL; place = place->from)
		way = lcons((char *) place->step, lcons((char *) flow->states[place->leaf].path, way));
	return lcons((char *) flow->states[place->leaf].path, way);
}

/*
 * wo_flow_check_needs tells whether every way to a state takes one of these
 * transitions.
 */
bool
wo_flow_check_needs(const WoFlow *flow, int to, const WoTransitionList *list)
{
	Place		head = {.leaf = -1};
	Search		search = {.flow = flow, .avoid = -1, .skip = list};

	return explore(&search, &head, to) == NULL;
}

/* --- where a chart leads --------------------------------------------------- */

/*
 * The chart is walked from its initial leaf as a ticket would walk it, so what
 * is found unreachable is so for every ticket.  Needs a complete flow.
 */

typedef struct Chart
{
	const WoFlow *flow;
	const WoTransitionList *skip;	/* transitions that are not taken, NULL = none */
	Bitmapset  *reached;		/* leaves */
	Bitmapset  *recalled;		/* history nodes that something leads to */
	Bitmapset **next;			/* [nstates]: leaves that a leaf leads to */
} Chart;

/*
 * lead, the visitor of a chart, records that a leaf leads to a target.  To history means to the
 * default, and to whatever has been reached below the parent.
 */
static void
lead(void *arg, int leaf, const WoTransition *c, const char *step)
{
	Chart	   *chart = arg;
	const WoFlow *flow = chart->flow;
	int			target = c->target;

	for (int steps = 0; steps <= flow->nstates && flow->states[target].kind == WO_STATE_HISTORY; steps++)
	{
		const WoState *history = &flow->states[target];
		int			visited = -1;

		chart->recalled = bms_add_member(chart->recalled, target);
		while ((visited = bms_next_member(chart->reached, visited)) >= 0)
		{
			int			entered = visited;

			if (!wo_flow_within(flow, visited, history->parent))
				continue;
			if (!history->deep)
			{
				while (flow->states[entered].parent != history->parent)
					entered = flow->states[entered].parent;
				entered = wo_flow_enter(flow, entered, NULL);
			}
			chart->next[leaf] = bms_add_member(chart->next[leaf], entered);
		}
		target = history->resume >= 0 ? history->resume : flow->states[history->parent].initial;
	}
	chart->next[leaf] = bms_add_member(chart->next[leaf], wo_flow_enter(flow, target, NULL));
}

/*
 * walk finds every leaf that can be reached.  What history recalls depends on
 * what was reached, so it goes on until nothing is added.
 */
static void
walk(Chart *chart)
{
	const WoFlow *flow = chart->flow;
	int			reached = 0;

	chart->next = palloc0(sizeof(Bitmapset *) * flow->nstates);
	chart->reached = bms_make_singleton(wo_flow_initial(flow));
	while (bms_num_members(chart->reached) > reached)
	{
		Bitmapset  *followed = NULL;
		int			leaf;
		bool		again = true;

		reached = bms_num_members(chart->reached);
		while (again)
		{
			again = false;
			leaf = -1;
			while ((leaf = bms_next_member(chart->reached, leaf)) >= 0)
			{
				CHECK_FOR_INTERRUPTS();
				if (bms_is_member(leaf, followed))
					continue;
				followed = bms_add_member(followed, leaf);
				visit_ways(flow, leaf, leaf == wo_flow_initial(flow), chart->skip, lead, chart);
				chart->reached = bms_add_members(chart->reached, chart->next[leaf]);
				again = true;
			}
		}
		if (chart->recalled == NULL)
			break;
	}
}

/*
 * check_reached reports states that no ticket ever gets to, the outermost of
 * each only, and their timers.
 */
static void
check_reached(const Chart *chart, List **findings)
{
	const WoFlow *flow = chart->flow;
	bool	   *visited = palloc0(sizeof(bool) * flow->nstates);
	int			state = -1;

	while ((state = bms_next_member(chart->reached, state)) >= 0)
		for (int s = state; s >= 0; s = flow->states[s].parent)
			visited[s] = true;
	state = -1;
	while ((state = bms_next_member(chart->recalled, state)) >= 0)
		visited[state] = true;

	for (int s = 1; s < flow->nstates; s++)
	{
		const WoState *unreached = &flow->states[s];

		if (visited[s])
			continue;
		if (visited[unreached->parent])
			wo_flow_read_add_finding(findings, "unreachable_state", wo_flow_where(flow, s),
									 "Add a transition that leads there, or take it out.",
									 unreached->kind == WO_STATE_HISTORY ?
									 "nothing leads to history \"%s\"" : "no ticket ever gets to state \"%s\"",
									 unreached->path);
		if (unreached->ndelays > 0)
			wo_flow_read_add_finding(findings, "timer_unreachable",
									 psprintf("%s.after", wo_flow_where(flow, s)),
									 "Add a transition that leads to the state, or take the timer out.",
									 "the timers of state \"%s\" never start", unreached->path);
	}
}

/*
 * check_ends reports leaves from which the flow cannot be finished.  A flow
 * without a final state below the root is a register that goes on for ever,
 * which is no defect.
 */
static void
check_ends(const Chart *chart, List **findings)
{
	const WoFlow *flow = chart->flow;
	Bitmapset  *ending = NULL;
	bool		has_end = false;
	bool		changed = true;
	int			leaf;

	for (int s = 1; s < flow->nstates; s++)
		has_end |= flow->states[s].done;
	if (!has_end)
		return;

	while (changed)
	{
		changed = false;
		CHECK_FOR_INTERRUPTS();
		/* backwards too would be no faster on real charts, which are small */
		leaf = -1;
		while ((leaf = bms_next_member(chart->reached, leaf)) >= 0)
			if (!bms_is_member(leaf, ending) &&
				(flow->states[leaf].done || bms_overlap(chart->next[leaf], ending)))
			{
				ending = bms_add_member(ending, leaf);
				changed = true;
			}
	}
	leaf = -1;
	while ((leaf = bms_next_member(chart->reached, leaf)) >= 0)
		if (!bms_is_member(leaf, ending))
			wo_flow_read_add_finding(findings, "dead_end", wo_flow_where(flow, leaf),
									 "Add a transition towards a final state of the flow, or make this one final, right below the root.",
									 "from state \"%s\" no final state can be reached", flow->states[leaf].path);
}

/*
 * check_reach appends unreachable states and dead ends.
 */
static void
check_reach(const WoFlow *flow, List **findings)
{
	Chart		chart = {flow};

	walk(&chart);
	check_reached(&chart, findings);
	check_ends(&chart, findings);
}

/* --- transitions ----------------------------------------------------------- */

/* Looks at one transition; state and list say where it stands. */
typedef void (*TransitionCheck) (const WoFlow *flow, const WoTransition *c, List **findings, void *arg);

/*
 * for_each_transition calls a check for every transition, timers included.
 */
static void
for_each_transition(const WoFlow *flow, TransitionCheck check, List **findings, void *arg)
{
	for (int s = 0; s < flow->nstates; s++)
	{
		const WoState *state = &flow->states[s];

		CHECK_FOR_INTERRUPTS();
		for (int a = 0; a < flow->nactions; a++)
			for (int i = 0; i < state->on[a].n; i++)
				check(flow, &state->on[a].item[i], findings, arg);
		for (int d = 0; d < state->ndelays; d++)
			for (int i = 0; i < state->delays[d].transitions.n; i++)
				check(flow, &state->delays[d].transitions.item[i], findings, arg);
	}
}

/*
 * is_open_to_somebody tells whether "allow" of a transition names anybody who
 * is not excluded at once.
 */
static bool
is_open_to_somebody(const WoTransition *c)
{
	return c->everybody || c->roles != NULL || c->approvers != NULL ||
		!bms_is_subset(c->relations, c->exclude_relations);
}

/*
 * is_open_above tells whether an ancestor of the state lets somebody take the
 * action, so that an empty allow has something to shut.
 */
static bool
is_open_above(const WoFlow *flow, int state, int action)
{
	for (int s = flow->states[state].parent; s >= 0; s = flow->states[s].parent)
		for (int i = 0; i < flow->states[s].on[action].n; i++)
			if (is_open_to_somebody(&flow->states[s].on[action].item[i]))
				return true;
	return false;
}

/*
 * check_somebody refuses what nobody may ever do.  "allow": [] is how a state
 * shuts an action that its ancestors give, as in XState, and is let through.
 */
static void
check_somebody(const WoFlow *flow, const WoTransition *c, List **findings, void *arg)
{
	if (c->action < 0 || is_open_to_somebody(c))
		return;
	if (c->relations != NULL)
		wo_flow_read_add_finding(findings, "nobody", c->where, "Let somebody else take it too.",
								 "whoever is allowed is excluded at once");
	else if (!c->allow_given)
		wo_flow_read_add_finding(findings, "nobody", c->where,
								 "Add \"allow\" with roles, \"$column\" or \"*\"; what is not allowed is denied.",
								 "nobody may ever take \"%s\" here", flow->actions[c->action]);
	else if (!is_open_above(flow, c->source, c->action))
		wo_flow_read_add_finding(findings, "nobody", c->where,
								 "Name somebody; an empty list only serves to shut what a state above allows.",
								 "nobody may ever take \"%s\" here", flow->actions[c->action]);
}

/*
 * check_quorum refuses quorums that no choice of people could meet.
 */
static void
check_quorum(const WoFlow *flow, const WoTransition *c, List **findings, void *arg)
{
	int			people = bms_num_members(c->relations);
	int			role = -1;

	if (c->quorum == WO_QUORUM_COUNT && !c->everybody && c->roles == NULL &&
		people > 0 && people < c->quorum_n)
		wo_flow_read_add_finding(findings, "quorum_unreachable", c->where, "Allow a role, or ask for fewer.",
								 "%d people are needed, but the columns in \"allow\" hold %d at most",
								 c->quorum_n, people);
	if (c->everybody && (c->quorum == WO_QUORUM_ALL || c->quorum == WO_QUORUM_PERCENT))
		wo_flow_read_add_finding(findings, "quorum_unreachable", c->where, "Allow roles or columns, or ask for a number.",
								 "a share of everybody cannot be counted");
	while ((role = bms_next_member(c->quorum_roles, role)) >= 0)
		if (!bms_is_member(role, c->roles))
			wo_flow_read_add_finding(findings, "quorum_role", c->where, "Add the role to \"allow\".",
									 "the quorum needs role \"%s\", which is not allowed to act",
									 flow->roles[role]);
}

/*
 * check_reserved_set reports the engine's columns in a set of columns.
 */
static void
check_reserved_set(const WoFlow *flow, const WoTransition *c, const Bitmapset *columns,
				   const char *key, List **findings)
{
	int			column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
		if (wo_flow_reserved(flow->columns[column]))
			wo_flow_read_add_finding(findings, "reserved_column", c->where,
									 "The engine keeps this column; name columns of yours.",
									 "\"%s\" cannot name \"%s\"", key, flow->columns[column]);
}

/*
 * check_people_set reports columns that never hold a person.
 */
static void
check_people_set(const WoFlow *flow, const WoTransition *c, const Bitmapset *columns,
				 const char *key, List **findings)
{
	int			column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
	{
		const char *name = flow->columns[column];

		if (wo_flow_reserved(name) && strcmp(name, "creator_id") != 0 && strcmp(name, "acted_by") != 0)
			wo_flow_read_add_finding(findings, "reserved_column", c->where,
									 "Of the engine's columns, creator_id and acted_by hold people.",
									 "\"%s\" cannot name \"$%s\"", key, name);
	}
}

/*
 * check_columns refuses engine columns where only the user's have a meaning.
 */
static void
check_columns(const WoFlow *flow, const WoTransition *c, List **findings, void *arg)
{
	check_people_set(flow, c, c->relations, "allow", findings);
	check_people_set(flow, c, c->exclude_relations, "exclude", findings);
	check_reserved_set(flow, c, c->require, "require", findings);
	check_reserved_set(flow, c, c->fields, "fields", findings);
	for (int i = 0; i < c->nassignments; i++)
	{
		Bitmapset  *column = bms_make_singleton(c->assignments[i].column);

		check_reserved_set(flow, c, column, "set", findings);
		bms_free(column);
	}
}

/*
 * check_row_operation refuses what a row operation cannot do: a row is
 * created by one person, in the initial state, and what is deleted goes nowhere.
 */
static void
check_row_operation(const WoFlow *flow, const WoTransition *c, List **findings, void *arg)
{
	if (c->action < 0)
		return;
	if (strcmp(flow->actions[c->action], WO_ACTION_IMPORT) == 0 ||
		strcmp(flow->actions[c->action], WO_ACTION_MAINTENANCE) == 0 ||
		strcmp(flow->actions[c->action], WO_ACTION_MIGRATE) == 0 ||
		strncmp(flow->actions[c->action], WO_ACTION_AFTER, strlen(WO_ACTION_AFTER)) == 0 ||
		strncmp(flow->actions[c->action], WO_ACTION_TASK, strlen(WO_ACTION_TASK)) == 0)
		wo_flow_read_add_finding(findings, "reserved_action", c->where, "Give the action another name.",
								 "the journal calls something of the engine's \"%s\"", flow->actions[c->action]);
	if (c->action == flow->action_create)
	{
		if (c->quorum != WO_QUORUM_NONE)
			wo_flow_read_add_finding(findings, "row_operation", c->where, "Put the quorum on the action that comes next.",
									 "\"create\" cannot have a quorum: no row would hold the votes");
		if (flow->complete && !wo_flow_within(flow, wo_flow_initial(flow), c->source))
			wo_flow_read_add_finding(findings, "misplaced_create", c->where,
									 "Put \"create\" on the initial state or above it.",
									 "no row is ever created in state \"%s\"", flow->states[c->source].path);
	}
	else if (c->action == flow->action_delete && (c->target >= 0 || c->nassignments > 0))
		wo_flow_read_add_finding(findings, "row_operation", c->where, "Use another action for a state like \"deleted\".",
								 "\"delete\" takes the row away: it cannot have \"%s\"",
								 c->target >= 0 ? "target" : "set");
}

/*
 * allows_all_of tells whether everybody who may take b may take a.
 */
static bool
allows_all_of(const WoTransition *a, const WoTransition *b)
{
	if (a->approvers != NULL || b->approvers != NULL)
		return a->approvers == b->approvers;
	return a->action < 0 || a->everybody ||
		(!b->everybody && bms_is_subset(b->roles, a->roles) &&
		 bms_is_subset(b->relations, a->relations));
}

/*
 * holds_whenever tells whether the guard of a surely holds when that of b does.
 */
static bool
holds_whenever(const WoTransition *a, const WoTransition *b)
{
	return a->guard_text == NULL ||
		(b->guard_text != NULL && strcmp(a->guard_text, b->guard_text) == 0);
}

/*
 * check_list refuses transitions that an earlier one of the list always
 * comes before.
 */
static void
check_list(const WoTransitionList *list, List **findings)
{
	for (int b = 1; b < list->n; b++)
		for (int a = 0; a < b; a++)
			if (holds_whenever(&list->item[a], &list->item[b]) &&
				allows_all_of(&list->item[a], &list->item[b]))
			{
				wo_flow_read_add_finding(findings, "ambiguous", list->item[b].where,
										 "Give the earlier one a guard or a narrower \"allow\", or put this one first.",
										 "this transition can never be taken: %s always comes before it",
										 list->item[a].where);
				break;
			}
}

/*
 * somebody_may tells whether anybody can take an action in a leaf.
 */
static bool
somebody_may(const WoFlow *flow, int leaf, int action)
{
	for (int s = leaf; action >= 0 && s >= 0; s = flow->states[s].parent)
	{
		const WoTransitionList *list = &flow->states[s].on[action];
		bool		decided = false;

		for (int i = 0; i < list->n; i++)
		{
			if (is_open_to_somebody(&list->item[i]))
				return true;
			decided |= list->item[i].guard_text == NULL;
		}
		if (decided)
			return false;
	}
	return false;
}

/*
 * warn_of_rows warns of a flow whose rows nobody may create, or see.
 */
static void
warn_of_rows(const WoFlow *flow, List **findings)
{
	bool		seen = false;

	if (!somebody_may(flow, wo_flow_initial(flow), flow->action_create))
		wo_flow_read_add_finding(findings, "nobody_creates", WO_WHERE_ROOT,
								 "Allow \"create\" in the initial state or above it, unless rows are only imported.",
								 "nobody may create a row");
	for (int s = 0; s < flow->nstates && !seen; s++)
		seen = wo_flow_is_leaf(flow, s) && somebody_may(flow, s, flow->action_view);
	if (!seen)
		wo_flow_read_add_finding(findings, "nobody_views", WO_WHERE_ROOT,
								 "Allow \"view\"; what is not allowed is denied.",
								 "nobody may see a row, in whatever state");
}

/*
 * warn_of_final warns of actions that are declared for every state, lead back to
 * where a ticket gets without them, and look as if they could leave a final
 * state.
 */
static void
warn_of_final(const WoFlow *flow, List **findings)
{
	const char *final = NULL;

	for (int s = 1; s < flow->nstates && final == NULL; s++)
		if (flow->states[s].done)
			final = flow->states[s].path;
	for (int a = 0; a < flow->nactions && final != NULL; a++)
	{
		const WoTransitionList *list = &flow->states[0].on[a];

		for (int i = 0; i < list->n && a != flow->action_create; i++)
		{
			Chart		without = {.flow = flow, .skip = list};
			int			leaf;

			if (list->item[i].target < 0 || !is_open_to_somebody(&list->item[i]))
				continue;
			leaf = wo_flow_enter(flow, list->item[i].target, NULL);
			if (flow->states[leaf].done)
				continue;
			walk(&without);
			if (!bms_is_member(leaf, without.reached))
				continue;
			wo_flow_read_add_finding(findings, "final_stays", list->item[i].where,
									 "Make the final state an ordinary one, if it is meant to be left.",
									 "\"%s\" never leaves a final state, such as \"%s\"", flow->actions[a], final);
			break;
		}
	}
}

/*
 * wo_flow_check appends what is wrong with a flow on its own.
 */
void
wo_flow_check(const WoFlow *flow, List **findings)
{
	ListCell   *lc;

	for_each_transition(flow, check_somebody, findings, NULL);
	for_each_transition(flow, check_quorum, findings, NULL);
	for_each_transition(flow, check_columns, findings, NULL);
	for_each_transition(flow, check_row_operation, findings, NULL);
	for (int s = 0; s < flow->nstates; s++)
	{
		const WoState *state = &flow->states[s];

		for (int a = 0; a < flow->nactions; a++)
			check_list(&state->on[a], findings);
		for (int d = 0; d < state->ndelays; d++)
		{
			const WoDelay *delay = &state->delays[d];

			check_list(&delay->transitions, findings);
			if (delay->column >= 0 && wo_flow_reserved(flow->columns[delay->column]))
				wo_flow_read_add_finding(findings, "reserved_column", psprintf("%s.after.%s", wo_flow_where(flow, s), delay->text),
										 "The engine keeps this column; name a column of yours.",
										 "\"after\" cannot name \"%s\"", flow->columns[delay->column]);
		}
	}
	if (!flow->complete)
		return;
	check_reach(flow, findings);
	/* who has defects to mend is not told what may be meant */
	foreach(lc, *findings)
		if (((WoFinding *) lfirst(lc))->blocks)
			return;
	warn_of_rows(flow, findings);
	warn_of_final(flow, findings);
}

/* A transition looked at beside the table it would rule. */
typedef struct Table
{
	Oid			relid;
	const WoFlow *flow;
	const char *where;
	List	  **findings;
	List	   *reported;		/* missing columns of this transition, each told once */
} Table;

/*
 * column_type returns the type of a column that is there, else InvalidOid.
 */
static Oid
column_type(Oid relid, const char *name)
{
	HeapTuple	tuple = SearchSysCacheAttName(relid, name);
	Oid			type = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);

		if (att->attnum > 0)
			type = att->atttypid;
		ReleaseSysCache(tuple);
	}
	return type;
}

/*
 * check_present reports a column that the table lacks.  The engine's columns
 * are there once the table is guarded, under whatever name.
 */
static void
check_present(void *arg, WoMention kind, const char *name)
{
	Table	   *table = arg;
	ListCell   *lc;

	if (kind != WO_MENTION_COLUMN || wo_flow_reserved(name) ||
		OidIsValid(column_type(table->relid, name)))
		return;
	foreach(lc, table->reported)
		if (strcmp(lfirst(lc), name) == 0)
			return;
	table->reported = lappend(table->reported, (char *) name);
	wo_flow_read_add_finding(table->findings, "unknown_column", table->where,
							 "Add the column to the table, or correct the name.",
							 "table \"%s\" has no column \"%s\"",
							 get_rel_name(table->relid), name);
}

/*
 * check_present_set reports the columns of a set that the table lacks.
 */
static void
check_present_set(Table *table, const Bitmapset *columns)
{
	int			column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
		check_present(table, WO_MENTION_COLUMN, table->flow->columns[column]);
}

/*
 * check_people_types reports relation columns that cannot hold an actor's id.
 */
static void
check_people_types(Table *table, const Bitmapset *columns)
{
	int			column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
	{
		const char *name = table->flow->columns[column];
		Oid			type = column_type(table->relid, name);

		if (OidIsValid(type) && type != INT8OID && type != INT4OID)
			wo_flow_read_add_finding(table->findings, "column_type", table->where,
									 "Make it bigint, and let it hold ids of workorder.actor.",
									 "column \"%s\" of table \"%s\" is of type %s and cannot hold a person",
									 name, get_rel_name(table->relid), format_type_be(type));
	}
}

/*
 * check_table checks one transition against a table.
 */
static void
check_table(const WoFlow *flow, const WoTransition *c, List **findings, void *arg)
{
	Table		table = {*(Oid *) arg, flow, c->where, findings, NIL};

	check_present_set(&table, c->relations);
	check_present_set(&table, c->exclude_relations);
	check_present_set(&table, c->require);
	check_present_set(&table, c->fields);
	for (int i = 0; i < c->nassignments; i++)
	{
		check_present(&table, WO_MENTION_COLUMN, flow->columns[c->assignments[i].column]);
		if (c->assignments[i].path != NULL)
			wo_flow_read_mentions(c->assignments[i].path, check_present, &table);
	}
	if (c->guard != NULL)
		wo_flow_read_mentions(c->guard, check_present, &table);
	check_people_types(&table, c->relations);
	check_people_types(&table, c->exclude_relations);
}

/*
 * check_dates checks the columns that timers follow.
 */
static void
check_dates(const WoFlow *flow, int state, Oid relid, List **findings)
{
	for (int d = 0; d < flow->states[state].ndelays; d++)
	{
		const WoDelay *delay = &flow->states[state].delays[d];
		const char *name;
		Table		table = {relid, flow, NULL, findings, NIL};
		Oid			type;

		if (delay->column < 0)
			continue;
		name = flow->columns[delay->column];
		table.where = psprintf("%s.after.%s", wo_flow_where(flow, state), delay->text);
		check_present(&table, WO_MENTION_COLUMN, name);
		type = column_type(relid, name);
		if (OidIsValid(type) && getBaseType(type) != TIMESTAMPTZOID && getBaseType(type) != TIMESTAMPOID)
			wo_flow_read_add_finding(findings, "column_type", table.where, "Make it timestamptz.",
									 "column \"%s\" of table \"%s\" is of type %s and cannot say when a timer is due",
									 name, get_rel_name(relid), format_type_be(type));
	}
}

/*
 * wo_flow_check_relation appends what a table lacks to be ruled by the flow.
 */
void
wo_flow_check_relation(const WoFlow *flow, Oid relid, List **findings)
{
	for_each_transition(flow, check_table, findings, &relid);
	for (int s = 0; s < flow->nstates; s++)
		check_dates(flow, s, relid, findings);
}
