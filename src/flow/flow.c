/*-------------------------------------------------------------------------
 *
 * flow.c
 *	  Questions to a compiled flow: names, and where a transition leads.
 *
 * A WoFlow is made by flow_compile.c, owned by whoever gave the memory
 * context, and never changed.  Everything here only reads it, and is cheap
 * enough for every row: names are found by binary search, the chart by
 * following indexes.  Texts and histories that are asked for are made in the
 * current memory context.
 *
 * The semantics are those of XState 5 (SCXML), so that a document means the
 * same in both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "flow/flow.h"
#include "flow/flow_read.h"
#include "utils/columns.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

/*
 * Names the engine gives its own columns; a document that uses one of them
 * means the engine's column, whatever the table calls it.
 */
static const char *const reserved_columns[] = {
#define RESERVED_NAME(constant, name, type) name,
	WO_ENGINE_COLUMNS(RESERVED_NAME)
	"tenant_id", "id"
};

const char *const wo_flow_task_commands[WO_NTASK_COMMANDS] = {
	"add", "remove", "transfer", "delegate", "return", "claim", "release",
	"send_back", "withdraw", "take_back", "remind", "copy", "hand_over"
};

/* The name at a place of what is ordered by name. */
typedef const char *(*NameAt) (const WoFlow *flow, int place);

static const char *
state_at(const WoFlow *flow, int place)
{
	return flow->states[flow->by_path[place]].path;
}

static const char *
action_at(const WoFlow *flow, int place)
{
	return flow->actions[place];
}

static const char *
column_at(const WoFlow *flow, int place)
{
	return flow->columns[flow->by_column[place]];
}

/*
 * find_name returns the place of a name, which need not be terminated, among n;
 * -1 if it is not there.
 */
static inline int
find_name(const WoFlow *flow, int n, NameAt name_at, const char *name, int len)
{
	int			low = 0;
	int			high = n - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		const char *other = name_at(flow, middle);
		int			order = strncmp(name, other, len);

		if (order == 0 && other[len] == '\0')
			return middle;
		if (order <= 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

/*
 * wo_flow_state finds a state by its dotted path, -1 if there is none; "" is
 * the root.  The path need not be terminated.
 */
int
wo_flow_state(const WoFlow *flow, const char *path, int len)
{
	int			place = find_name(flow, flow->nstates, state_at, path, len);

	return place < 0 ? -1 : flow->by_path[place];
}

/*
 * wo_flow_action finds an action by its name, -1 if the flow has none such.
 */
int
wo_flow_action(const WoFlow *flow, const char *name)
{
	return find_name(flow, flow->nactions, action_at, name, strlen(name));
}

/*
 * wo_flow_column finds a column the document names, -1 if it does not.
 */
int
wo_flow_column(const WoFlow *flow, const char *name)
{
	int			place = find_name(flow, flow->ncolumns, column_at, name, strlen(name));

	return place < 0 ? -1 : flow->by_column[place];
}

/*
 * wo_flow_reserved tells whether a column name is one of the engine's.
 */
bool
wo_flow_reserved(const char *column)
{
	for (int i = 0; i < lengthof(reserved_columns); i++)
		if (strcmp(column, reserved_columns[i]) == 0)
			return true;
	return false;
}

/*
 * wo_flow_is_leaf tells whether a ticket can rest in a state.
 */
bool
wo_flow_is_leaf(const WoFlow *flow, int state)
{
	return flow->states[state].kind == WO_STATE_ATOMIC ||
		flow->states[state].kind == WO_STATE_FINAL;
}

/*
 * wo_flow_within tells whether a state is the other one or lies below it.
 * Everything lies within -1, the outside of the root.
 */
bool
wo_flow_within(const WoFlow *flow, int state, int ancestor)
{
	/* a parent precedes its children */
	while (state > ancestor)
		state = flow->states[state].parent;
	return state == ancestor;
}

/*
 * recalled returns the leaf that a row's history holds for a compound state,
 * -1 if it holds none.  History written for another version may name what is
 * no longer there; then there is nothing to recall.
 */
static int
recalled(const WoFlow *flow, int compound, Jsonb *history)
{
	const char *path = flow->states[compound].path;
	JsonbValue	buffer;
	JsonbValue *value;
	int			leaf;

	if (history == NULL || !JB_ROOT_IS_OBJECT(history))
		return -1;
	value = getKeyJsonValueFromContainer(&history->root, path, strlen(path), &buffer);
	if (value == NULL || value->type != jbvString)
		return -1;
	leaf = wo_flow_state(flow, value->val.string.val, value->val.string.len);
	if (leaf < 0 || leaf == compound || !wo_flow_is_leaf(flow, leaf) ||
		!wo_flow_within(flow, leaf, compound))
		return -1;
	return leaf;
}

/*
 * wo_flow_resolve follows history nodes: it returns the state that a target
 * stands for with this row's history (NULL = none), before the descent to a
 * leaf.  This is what wo_flow_domain() wants as a target.
 */
int
wo_flow_resolve(const WoFlow *flow, int target, Jsonb *history)
{
	/* a chain of defaults cannot be longer than this; check_history() refuses loops */
	for (int steps = 0; steps <= flow->nstates; steps++)
	{
		const WoState *state = &flow->states[target];
		int			leaf;

		if (state->kind != WO_STATE_HISTORY)
			return target;
		leaf = recalled(flow, state->parent, history);
		if (leaf >= 0)
		{
			if (!state->deep)
				while (flow->states[leaf].parent != state->parent)
					leaf = flow->states[leaf].parent;
			return leaf;
		}
		target = state->resume >= 0 ? state->resume : flow->states[state->parent].initial;
	}
	elog(ERROR, "history of flow \"%s\" does not end", flow->name);
}

/*
 * wo_flow_enter returns the leaf reached by entering a state: history is
 * resolved, then the initial states are descended.
 */
int
wo_flow_enter(const WoFlow *flow, int target, Jsonb *history)
{
	int			state = wo_flow_resolve(flow, target, history);

	while (flow->states[state].kind == WO_STATE_COMPOUND)
		state = flow->states[state].initial;
	return state;
}

/*
 * wo_flow_initial returns the leaf in which a new ticket starts.
 */
int
wo_flow_initial(const WoFlow *flow)
{
	return wo_flow_enter(flow, 0, NULL);
}

/*
 * wo_flow_domain returns the state whose active descendants a transition
 * leaves: XState's getTransitionDomain.  The domain itself is not left.  A
 * root transition that reenters leaves the root too, and has domain -1.
 */
int
wo_flow_domain(const WoFlow *flow, int source, int target, bool reenter)
{
	if (!reenter && wo_flow_within(flow, target, source))
		return source;
	/* the nearest state that has both strictly below it */
	for (int s = flow->states[target].parent; s >= 0; s = flow->states[s].parent)
		if (source != s && wo_flow_within(flow, source, s))
			return s;
	return reenter ? -1 : 0;
}

/*
 * remember returns the history after the states from a leaf up to, but not
 * including, the domain were left; as it was if none of them remembers.
 */
static Jsonb *
remember(const WoFlow *flow, int leaf, int domain, Jsonb *history)
{
	WoJsonbState state = WO_JSONB_START;
	bool		changes = false;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	for (int s = leaf; s >= 0 && s != domain; s = flow->states[s].parent)
		changes |= flow->states[s].remembers;
	if (!changes)
		return history;

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	if (history != NULL && JB_ROOT_IS_OBJECT(history))
	{
		it = JsonbIteratorInit(&history->root);
		(void) JsonbIteratorNext(&it, &v, true);
		while ((token = JsonbIteratorNext(&it, &v, true)) == WJB_KEY)
		{
			JsonbValue	key = v;

			/* what is no text was not written by us */
			if (JsonbIteratorNext(&it, &v, true) == WJB_VALUE && v.type == jbvString)
			{
				wo_push_jsonb(&state, WJB_KEY, &key);
				wo_push_jsonb(&state, WJB_VALUE, &v);
			}
		}
	}
	/* of a key that is pushed twice, the last value stays */
	for (int s = leaf; s >= 0 && s != domain; s = flow->states[s].parent)
		if (flow->states[s].remembers)
		{
			wo_value_push_string(&state, WJB_KEY, flow->states[s].path);
			wo_value_push_string(&state, WJB_VALUE, flow->states[leaf].path);
		}
	return JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL));
}

/*
 * wo_flow_move carries a ticket from its leaf along a transition: it returns
 * the leaf reached and sets *remembered to the history from then on, which is
 * the pointer given if nothing was added.  Like XState it looks for the
 * domain with the history as it was, and enters with what was just left in it.
 */
int
wo_flow_move(const WoFlow *flow, const WoTransition *taken, int leaf,
			 Jsonb *history, Jsonb **remembered)
{
	int			target;
	int			domain;

	*remembered = history;
	if (taken->target < 0)
		return leaf;
	target = wo_flow_resolve(flow, taken->target, history);
	domain = wo_flow_domain(flow, taken->source, target, taken->reenter);
	*remembered = remember(flow, leaf, domain, history);
	return wo_flow_enter(flow, taken->target, *remembered);
}

/*
 * wo_flow_where returns a state's place in the document, in the current
 * memory context.
 */
char *
wo_flow_where(const WoFlow *flow, int state)
{
	StringInfoData s;
	const char *path = flow->states[state].path;

	if (path[0] == '\0')
		return pstrdup(WO_WHERE_ROOT);
	initStringInfo(&s);
	appendStringInfoString(&s, "states.");
	for (; *path != '\0'; path++)
	{
		appendStringInfoChar(&s, *path);
		if (*path == '.')
			appendStringInfoString(&s, "states.");
	}
	return s.data;
}

/*
 * wo_flow_excludes tells whether who took an action, of this version or of an
 * earlier one, is kept from a transition.
 */
bool
wo_flow_excludes(const WoFlow *flow, const WoTransition *transition, const char *action)
{
	int			number = wo_flow_action(flow, action);
	ListCell   *lc;

	if (number >= 0)
		return bms_is_member(number, transition->exclude);
	foreach(lc, transition->exclude_former)
		if (strcmp(lfirst(lc), action) == 0)
			return true;
	return false;
}

/*
 * wo_flow_roles_of returns which of a flow's roles a person holds.  It is
 * computed each time: a dozen comparisons cost less than a cache that would
 * have to notice a flow or a person rebuilt at the same address.
 */
Bitmapset *
wo_flow_roles_of(const WoActor *actor, const WoFlow *flow)
{
	Bitmapset  *roles = NULL;

	if (!actor->active || actor->nroles == 0)
		return NULL;
	for (int i = 0; i < flow->nroles; i++)
		if (wo_actor_has_role(actor, flow->roles[i]))
			roles = bms_add_member(roles, i);
	return roles;
}
