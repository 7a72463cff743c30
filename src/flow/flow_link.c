/*-------------------------------------------------------------------------
 *
 * flow_link.c
 *	  Second pass over a flow document: what the states say of each other.
 *
 * All states are registered when this runs, so targets, initial states and
 * history can be resolved to indexes, and the actions of the whole flow be
 * numbered.  flow_transition.c does the transitions themselves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "flow/flow_compile.h"

/*
 * find_child returns a child by its key, -1 if there is none.
 */
static int
find_child(WoCompiler *cx, int parent, const char *key)
{
	const char *path = cx->flow->states[parent].path;
	char	   *child = path[0] == '\0' ? pstrdup(key) : psprintf("%s.%s", path, key);

	return strchr(key, '.') != NULL || key[0] == '\0' ? -1 :
		wo_flow_state(cx->flow, child, strlen(child));
}

/*
 * wo_compile_target resolves a target as XState does: "#id.path" from the
 * flow or a state with that id, ".path" from the state itself, "path" from
 * its parent.  -1 if it leads nowhere.
 */
int
wo_compile_target(WoCompiler *cx, int state, const char *target)
{
	const WoFlow *flow = cx->flow;
	int			base = -1;
	const char *path = target;
	const char *base_path;
	char	   *full;

	if (target[0] == '#')
	{
		int			len = strcspn(target + 1, ".");

		for (int s = 0; s < flow->nstates && base < 0; s++)
			if (cx->drafts[s].id != NULL && strlen(cx->drafts[s].id) == len &&
				memcmp(cx->drafts[s].id, target + 1, len) == 0)
				base = s;
		/* one finding is enough for a flow without a name */
		if (base < 0 && cx->drafts[0].id == NULL)
			base = 0;
		if (base < 0 || target[len + 1] == '\0')
			return base;
		path = target + len + 2;
	}
	else if (target[0] == '.')
	{
		base = state;
		path = target + 1;
	}
	else
		base = flow->states[state].parent;
	if (base < 0 || path[0] == '\0')
		return -1;
	base_path = flow->states[base].path;
	full = base_path[0] == '\0' ? pstrdup(path) : psprintf("%s.%s", base_path, path);
	return wo_flow_state(flow, full, strlen(full));
}

/*
 * compile_initial resolves "initial" of a compound state.
 */
static void
compile_initial(WoCompiler *cx, int state)
{
	const WoDraft *draft = &cx->drafts[state];
	int			mark = wo_compile_enter(cx, "initial");
	int			child;

	if (draft->nchildren == 0)
	{
		if (cx->flow->states[state].remembers)
			wo_compile_broken(cx, "history_without_siblings", "Give the state something to come back to.",
							  "there is nothing here but history");
	}
	else if (draft->parallel)
		 /* was reported */ ;
	else if (draft->initial == NULL)
		wo_compile_broken(cx, "no_initial", "Name the child that is entered first.",
						  state == 0 ? "the flow has no initial state" : "this compound state has no initial state");
	else if ((child = find_child(cx, state, draft->initial)) < 0)
		wo_compile_broken(cx, "bad_initial", "Name a child of this state, without dots.",
						  "there is no child \"%s\"", wo_compile_shown(draft->initial, strlen(draft->initial)));
	else if (cx->flow->states[child].kind == WO_STATE_HISTORY)
		wo_compile_broken(cx, "bad_initial", "Name the child that is entered the first time.",
						  "history cannot be the initial state");
	else
		cx->flow->states[state].initial = child;
	wo_compile_leave(cx, mark);
}

/*
 * compile_resume resolves the default target of a history node, which XState
 * looks for below the parent.
 */
static void
compile_resume(WoCompiler *cx, int state)
{
	const char *target = cx->drafts[state].resume;
	int			mark = wo_compile_enter(cx, "target");
	int			resume = target[0] == '.' ? -1 : wo_compile_target(cx, state, target);

	if (resume < 0)
		wo_compile_broken(cx, "dangling_target",
						  "Write \"sibling\", \"sibling.child\" or \"#flow.path\".",
						  "there is no state \"%s\"", wo_compile_shown(target, strlen(target)));
	else if (!wo_flow_within(cx->flow, resume, cx->flow->states[state].parent) ||
			 resume == cx->flow->states[state].parent)
	{
		/* as SCXML says; XState loses its way there when the parent is active */
		wo_compile_broken(cx, "history_outside", "Name a sibling, or a state below one.",
						  "history cannot lead out of its parent");
		resume = -1;
	}
	cx->flow->states[state].resume = resume;
	wo_compile_leave(cx, mark);
}

/*
 * check_history refuses history nodes whose defaults lead to each other.
 */
static void
check_history(WoCompiler *cx, int state)
{
	int			s = state;
	int			mark;

	for (int steps = 0; steps <= cx->flow->nstates; steps++)
	{
		if (s < 0 || cx->flow->states[s].kind != WO_STATE_HISTORY)
			return;
		s = cx->flow->states[s].resume;
	}
	mark = wo_compile_enter(cx, "target");
	wo_compile_broken(cx, "history_loop", "Let one of them lead to a state.",
					  "history nodes lead to each other");
	wo_compile_leave(cx, mark);
}

/*
 * check_id refuses a state's id that is taken, by a state or the flow.
 */
static void
check_id(WoCompiler *cx, int state)
{
	for (int s = 0; s < state; s++)
		if (cx->drafts[s].id != NULL && strcmp(cx->drafts[s].id, cx->drafts[state].id) == 0)
		{
			int			mark = wo_compile_enter(cx, "id");

			wo_compile_broken(cx, "duplicate_id", "A target \"#id\" could mean either.",
							  "id \"%s\" is taken", cx->drafts[state].id);
			wo_compile_leave(cx, mark);
			return;
		}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int
compare_states(const void *a, const void *b, void *flow)
{
	return strcmp(((WoFlow *) flow)->states[*(const int *) a].path,
				  ((WoFlow *) flow)->states[*(const int *) b].path);
}

static int
compare_columns(const void *a, const void *b, void *flow)
{
	return strcmp(((WoFlow *) flow)->columns[*(const int *) a],
				  ((WoFlow *) flow)->columns[*(const int *) b]);
}

/*
 * ordered returns 0 .. n-1 in the order that compare gives.
 */
static int *
ordered(WoFlow *flow, int n, qsort_arg_comparator compare)
{
	int		   *result = MemoryContextAlloc(flow->context, sizeof(int) * Max(n, 1));

	for (int i = 0; i < n; i++)
		result[i] = i;
	qsort_arg(result, n, sizeof(int), compare, flow);
	return result;
}

/*
 * gather_actions registers the names under "on".
 */
static void
gather_actions(WoCompiler *cx, HTAB *actions, JsonbContainer *on)
{
	JsonbIterator *it = JsonbIteratorInit(on);
	JsonbValue	key;
	JsonbValue	value;

	while (wo_compile_pair(&it, &key, &value))
	{
		char	   *name;
		bool		known;

		/* a bad name is reported where the transition is compiled */
		if (key.val.string.len == 0 || key.val.string.len >= NAMEDATALEN)
			continue;
		name = pnstrdup(key.val.string.val, key.val.string.len);
		(void) wo_compile_index(cx, actions, name, "actions", WO_MAX_ACTIONS,
						  hash_get_num_entries(actions), &known);
	}
}

/*
 * settle_actions gives the actions of all states their indexes, and every
 * state a table by them; states that declare nothing share an empty one.
 */
static void
settle_actions(WoCompiler *cx)
{
	WoFlow	   *flow = cx->flow;
	HTAB	   *names = wo_compile_table(cx, "workorder actions");
	HASH_SEQ_STATUS seq;
	WoNameIndex *entry;
	WoCandidateList *nothing;
	int			i = 0;

	for (int s = 0; s < flow->nstates; s++)
		if (cx->drafts[s].on != NULL)
			gather_actions(cx, names, cx->drafts[s].on);

	flow->nactions = hash_get_num_entries(names);
	flow->actions = MemoryContextAlloc(flow->context, sizeof(char *) * Max(flow->nactions, 1));
	hash_seq_init(&seq, names);
	while ((entry = hash_seq_search(&seq)) != NULL)
		flow->actions[i++] = MemoryContextStrdup(flow->context, entry->name);
	qsort(flow->actions, flow->nactions, sizeof(char *), compare_names);

	flow->action_create = wo_flow_action(flow, "create");
	flow->action_view = wo_flow_action(flow, "view");
	flow->action_update = wo_flow_action(flow, "update");
	flow->action_delete = wo_flow_action(flow, "delete");

	nothing = MemoryContextAllocZero(flow->context, sizeof(WoCandidateList) * Max(flow->nactions, 1));
	for (int s = 0; s < flow->nstates; s++)
		flow->states[s].on = cx->drafts[s].on == NULL ? nothing :
			MemoryContextAllocZero(flow->context, sizeof(WoCandidateList) * Max(flow->nactions, 1));
}

/*
 * compile_states is the second pass.
 */
static void
compile_states(WoCompiler *cx)
{
	WoFlow	   *flow = cx->flow;

	for (int s = 0; s < flow->nstates; s++)
	{
		const WoDraft *draft = &cx->drafts[s];

		CHECK_FOR_INTERRUPTS();
		resetStringInfo(&cx->where);
		if (s > 0)
			appendStringInfoString(&cx->where, wo_flow_where(flow, s));
		flow->states[s].done = flow->states[s].kind == WO_STATE_FINAL && flow->states[s].parent == 0;
		if (draft->id != NULL)
			check_id(cx, s);
		if (flow->states[s].kind == WO_STATE_COMPOUND)
			compile_initial(cx, s);
		if (flow->states[s].kind == WO_STATE_HISTORY && draft->resume != NULL)
			compile_resume(cx, s);
		if (draft->on != NULL)
			wo_compile_on(cx, s);
		if (draft->after != NULL)
			wo_compile_after(cx, s);
	}
	for (int s = 0; s < flow->nstates; s++)
	{
		resetStringInfo(&cx->where);
		appendStringInfoString(&cx->where, wo_flow_where(flow, s));
		check_history(cx, s);
	}
}

/*
 * wo_compile_link makes a whole of the states that were read.
 */
void
wo_compile_link(WoCompiler *cx)
{
	WoFlow	   *flow = cx->flow;

	flow->by_path = ordered(flow, flow->nstates, compare_states);
	settle_actions(cx);
	if (cx->too_many)
		return;
	compile_states(cx);
	flow->by_column = ordered(flow, flow->ncolumns, compare_columns);
}
