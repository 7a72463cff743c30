/*-------------------------------------------------------------------------
 *
 * flow_compile.c
 *	  jsonb -> compiled flow: the states.
 *
 * Two passes.  The first walks the document and registers every state, a parent
 * before its children.  The second resolves what they say of each other, targets,
 * initial states and history, to indexes, numbers the actions of the whole flow,
 * and has flow_transition.c compile what the states react to.
 *
 * The result lives in the context the caller gives, and nothing in it points
 * into the document.  Documents come from people: no jsonb whatever may do
 * more than add findings.  Nesting and sizes are bounded first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "flow/flow_compile.h"
#include "flow/flow_transition.h"
#include "utils/compat.h"

static const char *const root_keys = "Known keys here: id, description, roles, initial, on, states, after, type, meta, tags.";
static const char *const state_keys = "Known keys here: id, type, initial, states, on, after, pauses, label, code, description, history, target, meta, tags.";

static void read_states(WoCompiler *cx, int parent, JsonbContainer *states, int depth);

/*
 * add_state registers a state, -1 beyond the limit.
 */
static int
add_state(WoCompiler *cx, int parent, const char *key)
{
	WoFlow	   *flow = cx->flow;
	WoState    *state;

	if (flow->nstates >= WO_MAX_STATES)
	{
		if (!cx->too_many)
			wo_flow_read_broken(cx, "too_many", "Split the flow.",
								"there are more than %d states", WO_MAX_STATES);
		cx->too_many = true;
		return -1;
	}
	if (flow->nstates == cx->maxstates)
	{
		cx->maxstates *= 2;
		flow->states = repalloc(flow->states, sizeof(WoState) * cx->maxstates);
		cx->drafts = repalloc(cx->drafts, sizeof(WoDraft) * cx->maxstates);
	}
	state = &flow->states[flow->nstates];
	memset(state, 0, sizeof(WoState));
	memset(&cx->drafts[flow->nstates], 0, sizeof(WoDraft));
	state->key = key;
	state->parent = parent;
	state->initial = -1;
	state->resume = -1;
	if (parent < 0)
		state->path = "";
	else if (parent == 0)
		state->path = key;
	else
	{
		Size		size = strlen(flow->states[parent].path) + strlen(key) + 2;
		char	   *path = MemoryContextAlloc(flow->context, size);

		snprintf(path, size, "%s.%s", flow->states[parent].path, key);
		state->path = path;
	}
	return flow->nstates++;
}

/*
 * read_type reads "type".
 */
static void
read_type(WoCompiler *cx, int state, JsonbValue *value, bool *given)
{
	const char *type;

	if (!wo_flow_read_string(cx, value, &type))
		return;
	*given = true;
	if (strcmp(type, "atomic") == 0)
		cx->flow->states[state].kind = WO_STATE_ATOMIC;
	else if (strcmp(type, "compound") == 0)
		cx->flow->states[state].kind = WO_STATE_COMPOUND;
	else if (strcmp(type, "final") == 0 && state != 0)
		cx->flow->states[state].kind = WO_STATE_FINAL;
	else if (strcmp(type, "history") == 0 && state != 0)
		cx->flow->states[state].kind = WO_STATE_HISTORY;
	else if (strcmp(type, "parallel") == 0)
	{
		cx->drafts[state].parallel = true;
		cx->flow->states[state].kind = WO_STATE_COMPOUND;
		wo_flow_read_broken(cx, "parallel",
							"Use a quorum {\"each\": [roles]} for things that happen side by side, or child rows with a flow of their own.",
							"parallel regions are not supported: a row is in one state");
	}
	else
	{
		*given = false;
		wo_flow_read_broken(cx, "bad_value", "Types are atomic, compound, final and history; the flow itself is compound.",
							"unrecognized type \"%s\"", wo_flow_read_shown(type, strlen(type)));
	}
}

/*
 * read_code reads "code", a number or a text for old clients.
 */
static void
read_code(WoCompiler *cx, int state, JsonbValue *value)
{
	if (value->type == jbvString)
		cx->flow->states[state].code = wo_flow_read_text(cx, value);
	else if (value->type == jbvNumeric)
		cx->flow->states[state].code =
			MemoryContextStrdup(cx->flow->context,
								DatumGetCString(DirectFunctionCall1(numeric_out,
																	NumericGetDatum(value->val.numeric))));
	else
	{
		wo_flow_read_defect(cx, "bad_type", NULL, "this must be a number or a string, not %s",
							JsonbTypeName(value));
		return;
	}
	for (int s = 0; s < state; s++)
		if (cx->flow->states[s].code != NULL &&
			strcmp(cx->flow->states[s].code, cx->flow->states[state].code) == 0)
		{
			const char *code = cx->flow->states[state].code;

			wo_flow_read_defect(cx, "duplicate_code", "A client that knows only the code could not tell the states apart.",
								"code \"%s\" is taken by state \"%s\"",
								wo_flow_read_shown(code, strlen(code)),
								wo_flow_read_shown(cx->flow->states[s].path, strlen(cx->flow->states[s].path)));
			return;
		}
}

/*
 * read_id reads "id": the flow's name, or another name for a state.
 */
static void
read_id(WoCompiler *cx, int state, JsonbValue *value)
{
	const char *id;

	if (!wo_flow_read_string(cx, value, &id) ||
		!wo_flow_read_name(cx, state == 0 ? "the flow" : "a state", id))
		return;
	cx->drafts[state].id = id;
	if (state == 0)
	{
		cx->flow->name = id;
		cx->flow->states[0].key = id;
	}
}

/*
 * read_history reads "history"; XState makes a history node of whatever has it.
 */
static void
read_history(WoCompiler *cx, int state, JsonbValue *value)
{
	const char *depth = "shallow";

	if (value->type != jbvBool || !value->val.boolean)
		if (!wo_flow_read_string(cx, value, &depth))
			return;
	if (strcmp(depth, "deep") == 0)
		cx->flow->states[state].deep = true;
	else if (strcmp(depth, "shallow") != 0)
		wo_flow_read_broken(cx, "bad_value", "History is shallow or deep.",
							"unrecognized history \"%s\"", wo_flow_read_shown(depth, strlen(depth)));
}

/*
 * read_roles reads the roles that the flow declares.
 */
static void
read_roles(WoCompiler *cx, JsonbValue *value)
{
	ListCell   *lc;

	foreach(lc, wo_flow_read_strings(cx, value))
	{
		const char *role = lfirst(lc);
		bool		known;

		if (wo_flow_read_declare_role(cx, role, &known) >= 0 && known)
			wo_flow_read_defect(cx, "duplicate_role", "Name each role once.",
								"role \"%s\" is declared twice", wo_flow_read_shown(role, strlen(role)));
	}
}

/*
 * misplaced reports a key that does not go with the kind of state.
 */
static void
misplaced(WoCompiler *cx, int state, const char *key, const char *kind)
{
	int			mark = wo_flow_read_enter(cx, "%s", key);

	wo_flow_read_broken(cx, "misplaced_key", "Take it out, or change the type of the state.",
						"\"%s\" does not go with %s", key, kind);
	wo_flow_read_leave(cx, mark);
}

/*
 * settle_kind decides what a state is, once all its keys are known.
 */
static void
settle_kind(WoCompiler *cx, int state, bool type_given, bool history_given, bool has_states)
{
	WoState    *s = &cx->flow->states[state];
	WoDraft    *draft = &cx->drafts[state];

	if (!type_given)
		s->kind = has_states || state == 0 ? WO_STATE_COMPOUND :
			history_given ? WO_STATE_HISTORY : WO_STATE_ATOMIC;

	switch (s->kind)
	{
		case WO_STATE_HISTORY:
			if (has_states)
				misplaced(cx, state, "states", "a history state");
			if (draft->initial != NULL)
				misplaced(cx, state, "initial", "a history state");
			if (draft->on != NULL)
				misplaced(cx, state, "on", "a history state");
			if (draft->after != NULL)
				misplaced(cx, state, "after", "a history state");
			draft->on = draft->after = NULL;
			break;
		case WO_STATE_FINAL:
			if (has_states)
				misplaced(cx, state, "states", "a final state");
			if (draft->initial != NULL)
				misplaced(cx, state, "initial", "a final state");
			break;
		case WO_STATE_ATOMIC:
			if (has_states)
				misplaced(cx, state, "states", "an atomic state");
			else if (draft->initial != NULL)
				misplaced(cx, state, "initial", "an atomic state");
			break;
		case WO_STATE_COMPOUND:
			if (!has_states)
				wo_flow_read_broken(cx, "no_states", "Give it \"states\" and an \"initial\" one.",
									state == 0 ? "the flow has no states" : "this compound state has no states");
			break;
	}
	if (s->pauses && (s->kind == WO_STATE_HISTORY || s->kind == WO_STATE_FINAL))
		misplaced(cx, state, "pauses", s->kind == WO_STATE_FINAL ? "a final state" : "a history state");
	if (s->kind != WO_STATE_HISTORY && history_given)
		misplaced(cx, state, "history", "a plain state");
	if (s->kind != WO_STATE_HISTORY && draft->resume != NULL)
		misplaced(cx, state, "target", "a plain state");
}

/*
 * read_key reads one key of a state; what lies below "states" comes later,
 * when the state is complete.
 */
static void
read_key(WoCompiler *cx, int state, JsonbValue *key, JsonbValue *value,
		 JsonbContainer **states, bool *type_given, bool *history_given)
{
	WoDraft    *draft = &cx->drafts[state];
	const char *ignored;

	if (wo_flow_read_is_key(key, "id"))
		read_id(cx, state, value);
	else if (wo_flow_read_is_key(key, "type"))
		read_type(cx, state, value, type_given);
	else if (wo_flow_read_is_key(key, "initial"))
		wo_flow_read_string(cx, value, &draft->initial);
	else if (wo_flow_read_is_key(key, "states"))
		*states = wo_flow_read_object(cx, value);
	else if (wo_flow_read_is_key(key, "on"))
		draft->on = wo_flow_read_object(cx, value);
	else if (wo_flow_read_is_key(key, "after"))
		draft->after = wo_flow_read_object(cx, value);
	else if (wo_flow_read_is_key(key, "description"))
		wo_flow_read_string(cx, value, &ignored);
	else if (wo_flow_read_is_key(key, "tags"))
		wo_flow_read_strings(cx, value);
	else if (wo_flow_read_is_key(key, "meta"))
		/* anybody's */;
	else if (state == 0 && wo_flow_read_is_key(key, "roles"))
		read_roles(cx, value);
	else if (state != 0 && wo_flow_read_is_key(key, "label"))
		wo_flow_read_string(cx, value, &cx->flow->states[state].label);
	else if (state != 0 && wo_flow_read_is_key(key, "code"))
		read_code(cx, state, value);
	else if (state != 0 && wo_flow_read_is_key(key, "history"))
	{
		*history_given = true;
		read_history(cx, state, value);
	}
	else if (state != 0 && wo_flow_read_is_key(key, "target"))
		wo_flow_read_string(cx, value, &draft->resume);
	else if (state != 0 && wo_flow_read_is_key(key, "pauses"))
	{
		if (value->type == jbvBool)
			cx->flow->pausing |= cx->flow->states[state].pauses = value->val.boolean;
		else
			wo_flow_read_broken(cx, "bad_type", NULL, "this must be true or false, not %s", JsonbTypeName(value));
	}
	else
		wo_flow_read_defect(cx, "unknown_key", state == 0 ? root_keys : state_keys,
							"unrecognized key \"%s\"",
							wo_flow_read_shown(key->val.string.val, key->val.string.len));
}

/*
 * read_state reads a state and everything below it.
 */
static void
read_state(WoCompiler *cx, int state, JsonbContainer *object, int depth)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbContainer *states = NULL;
	bool		type_given = false;
	bool		history_given = false;
	JsonbValue	key;
	JsonbValue	value;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	while (wo_flow_read_pair(&it, &key, &value))
	{
		int			mark = wo_flow_read_enter(cx, "%s", wo_flow_read_shown(key.val.string.val, key.val.string.len));

		read_key(cx, state, &key, &value, &states, &type_given, &history_given);
		wo_flow_read_leave(cx, mark);
	}
	/* XState takes an empty "states" for none */
	if (states != NULL && JsonContainerSize(states) == 0)
		states = NULL;
	settle_kind(cx, state, type_given, history_given, states != NULL);
	if (states != NULL)
	{
		int			mark = wo_flow_read_enter(cx, "states");

		read_states(cx, state, states, depth + 1);
		wo_flow_read_leave(cx, mark);
	}
}

/*
 * read_states reads the children of a state.
 */
static void
read_states(WoCompiler *cx, int parent, JsonbContainer *states, int depth)
{
	JsonbIterator *it = JsonbIteratorInit(states);
	JsonbValue	key;
	JsonbValue	value;

	if (depth > WO_MAX_DEPTH)
	{
		wo_flow_read_broken(cx, "too_deep", "Flatten the chart.",
							"states are nested more than %d deep", WO_MAX_DEPTH);
		return;
	}
	while (!cx->too_many && wo_flow_read_pair(&it, &key, &value))
	{
		char	   *name = wo_flow_read_text(cx, &key);
		int			mark = wo_flow_read_enter(cx, "%s", wo_flow_read_shown(name, strlen(name)));
		JsonbContainer *object;
		int			state;

		if (wo_flow_read_name(cx, "a state", name) &&
			(object = wo_flow_read_object(cx, &value)) != NULL &&
			(state = add_state(cx, parent, name)) >= 0)
		{
			read_state(cx, state, object, depth);
			if (cx->flow->states[state].kind == WO_STATE_HISTORY)
				cx->flow->states[parent].remembers = true;
			else
				cx->drafts[parent].nchildren++;
		}
		wo_flow_read_leave(cx, mark);
	}
}

/* --- second pass ----------------------------------------------------------- */

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
 * compile_initial resolves "initial" of a compound state.
 */
static void
compile_initial(WoCompiler *cx, int state)
{
	const WoDraft *draft = &cx->drafts[state];
	int			mark = wo_flow_read_enter(cx, "initial");
	int			child;

	if (draft->nchildren == 0)
	{
		if (cx->flow->states[state].remembers)
			wo_flow_read_broken(cx, "history_without_siblings", "Give the state something to come back to.",
								"this state has no children but history");
	}
	else if (draft->parallel)
		/* was reported */;
	else if (draft->initial == NULL)
		wo_flow_read_broken(cx, "no_initial", "Name the child that is entered first.",
							state == 0 ? "the flow has no initial state" : "this compound state has no initial state");
	else if ((child = find_child(cx, state, draft->initial)) < 0)
		wo_flow_read_broken(cx, "bad_initial", "Name a child of this state, without dots.",
							"child \"%s\" does not exist", wo_flow_read_shown(draft->initial, strlen(draft->initial)));
	else if (cx->flow->states[child].kind == WO_STATE_HISTORY)
		wo_flow_read_broken(cx, "bad_initial", "Name the child that is entered the first time.",
							"history cannot be the initial state");
	else
		cx->flow->states[state].initial = child;
	wo_flow_read_leave(cx, mark);
}

/*
 * compile_resume resolves the default target of a history node, which XState
 * looks for below the parent.
 */
static void
compile_resume(WoCompiler *cx, int state)
{
	const char *target = cx->drafts[state].resume;
	int			mark = wo_flow_read_enter(cx, "target");
	int			resume = target[0] == '.' ? -1 : wo_flow_read_target(cx, state, target);

	if (resume < 0)
		wo_flow_read_broken(cx, "dangling_target",
							"Write \"sibling\", \"sibling.child\" or \"#flow.path\".",
							"state \"%s\" does not exist", wo_flow_read_shown(target, strlen(target)));
	else if (!wo_flow_within(cx->flow, resume, cx->flow->states[state].parent) ||
			 resume == cx->flow->states[state].parent)
	{
		/* as SCXML says; XState loses its way there when the parent is active */
		wo_flow_read_broken(cx, "history_outside", "Name a sibling, or a state below one.",
							"history cannot lead out of its parent");
		resume = -1;
	}
	cx->flow->states[state].resume = resume;
	wo_flow_read_leave(cx, mark);
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
	mark = wo_flow_read_enter(cx, "target");
	wo_flow_read_broken(cx, "history_loop", "Let one of them lead to a state.",
						"history nodes lead to each other");
	wo_flow_read_leave(cx, mark);
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
			int			mark = wo_flow_read_enter(cx, "id");

			wo_flow_read_broken(cx, "duplicate_id", "A target \"#id\" could mean either.",
								"id \"%s\" is taken", cx->drafts[state].id);
			wo_flow_read_leave(cx, mark);
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

	while (wo_flow_read_pair(&it, &key, &value))
	{
		char	   *name;
		bool		known;

		/* a bad name is reported where the transition is compiled */
		if (key.val.string.len == 0 || key.val.string.len >= NAMEDATALEN)
			continue;
		name = pnstrdup(key.val.string.val, key.val.string.len);
		(void) wo_flow_read_index(cx, actions, name, "actions", WO_MAX_ACTIONS,
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
	HTAB	   *names = wo_flow_read_table(cx, "workorder actions");
	HASH_SEQ_STATUS seq;
	WoNameIndex *entry;
	WoTransitionList *nothing;
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

	nothing = MemoryContextAllocZero(flow->context, sizeof(WoTransitionList) * Max(flow->nactions, 1));
	for (int s = 0; s < flow->nstates; s++)
		flow->states[s].on = cx->drafts[s].on == NULL ? nothing :
			MemoryContextAllocZero(flow->context, sizeof(WoTransitionList) * Max(flow->nactions, 1));
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
			wo_flow_transition_on(cx, s);
		if (draft->after != NULL)
			wo_flow_transition_after(cx, s);
	}
	for (int s = 0; s < flow->nstates; s++)
	{
		resetStringInfo(&cx->where);
		appendStringInfoString(&cx->where, wo_flow_where(flow, s));
		check_history(cx, s);
	}
}

/*
 * link_states makes a whole of the states that were read.
 */
static void
link_states(WoCompiler *cx)
{
	WoFlow	   *flow = cx->flow;

	flow->by_path = ordered(flow, flow->nstates, compare_states);
	settle_actions(cx);
	if (cx->too_many)
		return;
	compile_states(cx);
	flow->by_column = ordered(flow, flow->ncolumns, compare_columns);
}

/* --- both ------------------------------------------------------------------ */

/*
 * compile does the work of wo_flow_compile(), in the scratch context.
 */
static void
compile(WoCompiler *cx, Jsonb *definition)
{
	WoFlow	   *flow = cx->flow;

	initStringInfo(&cx->where);
	cx->roles = wo_flow_read_table(cx, "workorder roles");
	cx->columns = wo_flow_read_table(cx, "workorder columns");
	cx->maxstates = 16;
	flow->states = MemoryContextAlloc(flow->context, sizeof(WoState) * cx->maxstates);
	cx->drafts = palloc(sizeof(WoDraft) * cx->maxstates);

	if (VARSIZE(definition) > WO_MAX_DOCUMENT)
	{
		wo_flow_read_broken(cx, "too_large", "Keep what is not the flow out of it.",
							"the document is larger than %d bytes", WO_MAX_DOCUMENT);
		return;
	}
	if (!JB_ROOT_IS_OBJECT(definition))
	{
		wo_flow_read_broken(cx, "not_an_object", "A flow is written as {\"id\": ..., \"initial\": ..., \"states\": {...}}.",
							"the document is not a JSON object");
		return;
	}

	read_state(cx, add_state(cx, -1, ""), &definition->root, 0);
	if (cx->drafts[0].id == NULL && getKeyJsonValueFromContainer(&definition->root, "id", 2, NULL) == NULL)
		wo_flow_read_broken(cx, "no_id", "Give it an \"id\"; that is the name of the flow.",
							"the flow has no name");
	if (cx->too_many)
		return;
	link_states(cx);
}

/*
 * wo_flow_compile compiles a document into a flow that lives in the given
 * context.  Defects are appended to *findings, in the caller's context; with
 * findings = NULL the first one is raised.
 *
 * NULL is returned when there is too little to compile.  A flow that is
 * returned with findings may be looked at, but only if it is "complete" may
 * one ask where its transitions lead.
 */
WoFlow *
wo_flow_compile(Jsonb *definition, MemoryContext context, List **findings)
{
	WoCompiler	cx;
	MemoryContext old;

	memset(&cx, 0, sizeof(cx));
	cx.findings = findings;
	cx.caller = CurrentMemoryContext;
	cx.flow = MemoryContextAllocZero(context, sizeof(WoFlow));
	cx.flow->context = context;
	cx.flow->name = "";
	cx.flow->complete = true;
	cx.flow->action_create = cx.flow->action_view = -1;
	cx.flow->action_update = cx.flow->action_delete = -1;

	cx.scratch = AllocSetContextCreate(CurrentMemoryContext, "workorder flow compiler",
									   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cx.scratch);
	compile(&cx, definition);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx.scratch);
	return cx.flow->by_column != NULL ? cx.flow : NULL;
}
