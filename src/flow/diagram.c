/*-------------------------------------------------------------------------
 *
 * diagram.c
 *	  Pictures of a flow, and of one ticket's way through it, as text for
 *	  Mermaid (state diagrams) and Graphviz (DOT).
 *
 * A picture is made of a document and, for a ticket, of its trace: the state
 * it is in and the steps it took.  Every transition that moves is an edge,
 * drawn from the state that declares it; internal ones, which move nothing,
 * are left out.  Steps of a ticket are numbered at the edges they took: an
 * edge was taken if the step left a state within its source, by its action,
 * for a state within its target's.
 *
 * Owns nothing: all is built in the current memory context.  Called from SQL
 * only (diagram.sql).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "flow/flow.h"
#include "flow/flow_compile.h"
#include "utils/errors.h"

PG_FUNCTION_INFO_V1(workorder_draw);

/* What the edges of "create" start at. */
#define START	(-1)

/* One step of a ticket, as the journal tells it. */
typedef struct Step
{
	int			from;			/* states; -1 if the chart has none of that name */
	int			to;
	const char *action;
} Step;

typedef struct Picture
{
	StringInfoData out;
	const WoFlow *flow;
	int			now;			/* where the ticket is; -1 if there is none */
	int			nsteps;
	Step	   *steps;
	Bitmapset  *passed;			/* states the ticket was in */
} Picture;

/* How a format writes its parts. */
typedef struct Format
{
	const char *name;
	void		(*begin) (Picture *p);
	void		(*open_state) (Picture *p, int state, int depth);
	void		(*anywhere) (Picture *p, int state, int depth);
	void		(*close_state) (Picture *p, int state, int depth);
	void		(*edge) (Picture *p, int source, int target, const char *label, bool taken);
	void		(*end) (Picture *p);
} Format;

/*
 * name_of is what people call a state.
 */
static const char *
name_of(const WoState *state)
{
	if (state->kind == WO_STATE_HISTORY)
		return state->deep ? "H*" : "H";
	return state->label != NULL ? state->label : state->key;
}

/*
 * leaf_of is the leaf that stands for a state where only leaves can be drawn.
 */
static int
leaf_of(const WoFlow *flow, int state)
{
	while (flow->states[state].kind == WO_STATE_COMPOUND)
		state = flow->states[state].initial;
	return state;
}

/*
 * is_inner tells whether a transition leads from a compound state to one
 * below it: it is drawn from a mark that stands for all that are in there.
 */
static bool
is_inner(const WoFlow *flow, int source, int target)
{
	return source >= 0 && flow->states[source].kind == WO_STATE_COMPOUND && wo_flow_within(flow, target, source);
}

/* --- Mermaid ------------------------------------------------------------- */

/*
 * mermaid_escape writes text so that no character of it ends a label.
 */
static void
mermaid_escape(StringInfo out, const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		if (strchr("\"#;:<>&\\`{}", *c) != NULL)
			appendStringInfo(out, "#%d;", (unsigned char) *c);
		else
			appendStringInfoChar(out, (unsigned char) *c < ' ' ? ' ' : *c);
	}
}

static void
mermaid_begin(Picture *p)
{
	appendStringInfoString(&p->out, "stateDiagram-v2\n  direction LR\n");
	appendStringInfo(&p->out, "  [*] --> s%d\n", p->flow->states[0].initial);
}

static void
mermaid_open_state(Picture *p, int state, int depth)
{
	const WoState *s = &p->flow->states[state];

	appendStringInfo(&p->out, "%*sstate \"", depth * 2, "");
	mermaid_escape(&p->out, name_of(s));
	appendStringInfo(&p->out, "\" as s%d\n", state);
	if (s->kind == WO_STATE_COMPOUND)
		appendStringInfo(&p->out, "%*sstate s%d {\n%*s[*] --> s%d\n",
						 depth * 2, "", state, depth * 2 + 2, "", s->initial);
}

static void
mermaid_anywhere(Picture *p, int state, int depth)
{
	appendStringInfo(&p->out, "%*sstate \"*\" as any%d\n", depth * 2, "", state);
}

static void
mermaid_close_state(Picture *p, int state, int depth)
{
	if (p->flow->states[state].kind == WO_STATE_COMPOUND)
		appendStringInfo(&p->out, "%*s}\n", depth * 2, "");
}

static void
mermaid_edge(Picture *p, int source, int target, const char *label, bool taken)
{
	if (source == START)
		appendStringInfo(&p->out, "  [*] --> s%d : ", target);
	else
		appendStringInfo(&p->out, "  %s%d --> s%d : ", is_inner(p->flow, source, target) ? "any" : "s", source, target);
	mermaid_escape(&p->out, label);
	appendStringInfoChar(&p->out, '\n');
}

static void
mermaid_end(Picture *p)
{
	int			s = -1;

	for (int i = 1; i < p->flow->nstates; i++)
		if (p->flow->states[i].kind == WO_STATE_FINAL)
			appendStringInfo(&p->out, "  s%d --> [*]\n", i);
	if (p->now < 0)
		return;
	appendStringInfoString(&p->out, "  classDef passed fill:#e3f1e3,stroke:#3a7d3a\n"
						   "  classDef now fill:#ffd95a,stroke:#a67c00,stroke-width:3px\n");
	while ((s = bms_next_member(p->passed, s)) >= 0)
		if (s != p->now && wo_flow_is_leaf(p->flow, s))
			appendStringInfo(&p->out, "  class s%d passed\n", s);
	appendStringInfo(&p->out, "  class s%d now\n", p->now);
}

/* --- Graphviz ------------------------------------------------------------ */

static void
dot_escape(StringInfo out, const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		if (*c == '"' || *c == '\\')
			appendStringInfoChar(out, '\\');
		if (*c == '\n')
			appendStringInfoString(out, "\\n");
		else
			appendStringInfoChar(out, (unsigned char) *c < ' ' ? ' ' : *c);
	}
}

static void
dot_begin(Picture *p)
{
	appendStringInfoString(&p->out, "digraph \"");
	dot_escape(&p->out, p->flow->name);
	appendStringInfoString(&p->out, "\" {\n"
						   "  graph [rankdir=LR, compound=true, fontname=\"sans-serif\", fontsize=11, nodesep=0.35, ranksep=0.6]\n"
						   "  node [shape=box, style=\"rounded,filled\", fillcolor=\"white\", fontname=\"sans-serif\", fontsize=11]\n"
						   "  edge [fontname=\"sans-serif\", fontsize=9, arrowsize=0.7, color=\"#555555\"]\n"
						   "  start [shape=circle, label=\"\", width=0.18, style=filled, fillcolor=black]\n");
	appendStringInfo(&p->out, "  start -> s%d\n", leaf_of(p->flow, 0));
}

static void
dot_open_state(Picture *p, int state, int depth)
{
	const WoState *s = &p->flow->states[state];

	if (s->kind == WO_STATE_COMPOUND)
	{
		appendStringInfo(&p->out, "%*ssubgraph cluster_s%d {\n%*slabel=\"", depth * 2, "", state, depth * 2 + 2, "");
		dot_escape(&p->out, name_of(s));
		appendStringInfo(&p->out, "\"\n%*sstyle=rounded\n%*scolor=\"#999999\"\n", depth * 2 + 2, "", depth * 2 + 2, "");
		return;
	}
	appendStringInfo(&p->out, "%*ss%d [label=\"", depth * 2, "", state);
	dot_escape(&p->out, name_of(s));
	appendStringInfoChar(&p->out, '"');
	if (s->kind == WO_STATE_FINAL)
		appendStringInfoString(&p->out, ", peripheries=2");
	else if (s->kind == WO_STATE_HISTORY)
		appendStringInfoString(&p->out, ", shape=circle");
	if (state == p->now)
		appendStringInfoString(&p->out, ", fillcolor=\"#ffd95a\", color=\"#a67c00\", penwidth=3");
	else if (bms_is_member(state, p->passed))
		appendStringInfoString(&p->out, ", fillcolor=\"#e3f1e3\", color=\"#3a7d3a\"");
	appendStringInfoString(&p->out, "]\n");
}

static void
dot_anywhere(Picture *p, int state, int depth)
{
	appendStringInfo(&p->out, "%*sany%d [label=\"*\", shape=circle, style=dashed]\n", depth * 2, "", state);
}

static void
dot_close_state(Picture *p, int state, int depth)
{
	if (p->flow->states[state].kind == WO_STATE_COMPOUND)
		appendStringInfo(&p->out, "%*s}\n", depth * 2, "");
}

static void
dot_edge(Picture *p, int source, int target, const char *label, bool taken)
{
	const WoState *states = p->flow->states;

	bool		inner = is_inner(p->flow, source, target);

	if (source == START)
		appendStringInfo(&p->out, "  start -> s%d [", leaf_of(p->flow, target));
	else if (inner)
		appendStringInfo(&p->out, "  any%d -> s%d [", source, leaf_of(p->flow, target));
	else
		appendStringInfo(&p->out, "  s%d -> s%d [", leaf_of(p->flow, source), leaf_of(p->flow, target));
	/* an edge of a box is an edge of a leaf in it, cut off at the border */
	if (source > 0 && !inner && states[source].kind == WO_STATE_COMPOUND)
		appendStringInfo(&p->out, "ltail=cluster_s%d, ", source);
	if (states[target].kind == WO_STATE_COMPOUND && (source == START || !wo_flow_within(p->flow, source, target)))
		appendStringInfo(&p->out, "lhead=cluster_s%d, ", target);
	appendStringInfoString(&p->out, "label=\"");
	dot_escape(&p->out, label);
	appendStringInfoString(&p->out, taken ? "\", color=\"#3a7d3a\", penwidth=2]\n" : "\"]\n");
}

static void
dot_end(Picture *p)
{
	appendStringInfoString(&p->out, "}\n");
}

static const Format formats[] = {
	{"mermaid", mermaid_begin, mermaid_open_state, mermaid_anywhere, mermaid_close_state, mermaid_edge, mermaid_end},
	{"dot", dot_begin, dot_open_state, dot_anywhere, dot_close_state, dot_edge, dot_end}
};

/* --- what both draw ------------------------------------------------------ */

/*
 * leads_inside tells whether one of some transitions leads to a state below
 * the compound state that declares them.
 */
static bool
leads_inside(const WoFlow *flow, int state, const WoTransitionList *list)
{
	for (int i = 0; i < list->n; i++)
		if (list->item[i].target >= 0 && is_inner(flow, state, list->item[i].target))
			return true;
	return false;
}

/*
 * needs_anywhere tells whether a compound state has such transitions.  Those
 * of "create" start elsewhere.
 */
static bool
needs_anywhere(const WoFlow *flow, int state)
{
	const WoState *compound = &flow->states[state];

	for (int a = 0; a < flow->nactions; a++)
		if (a != flow->action_create && leads_inside(flow, state, &compound->on[a]))
			return true;
	for (int d = 0; d < compound->ndelays; d++)
		if (leads_inside(flow, state, &compound->delays[d].transitions))
			return true;
	return false;
}

/*
 * draw_states draws the states below one, in the document's order.
 */
static void
draw_states(Picture *p, const Format *format, int parent, int depth)
{
	check_stack_depth();
	if (needs_anywhere(p->flow, parent))
		format->anywhere(p, parent, depth);
	for (int s = parent + 1; s < p->flow->nstates; s++)
	{
		if (p->flow->states[s].parent != parent)
			continue;
		format->open_state(p, s, depth);
		if (p->flow->states[s].kind == WO_STATE_COMPOUND)
			draw_states(p, format, s, depth + 1);
		format->close_state(p, s, depth);
	}
}

/*
 * took tells whether a step took a transition.
 */
static bool
took(const Picture *p, const Step *step, const WoTransition *c, const char *action)
{
	int			target = c->target;

	if (step->from < 0 || step->to < 0 || strcmp(step->action, action) != 0)
		return false;
	if (p->flow->states[target].kind == WO_STATE_HISTORY)
		target = p->flow->states[target].parent;
	return wo_flow_within(p->flow, step->from, c->source) && wo_flow_within(p->flow, step->to, target);
}

/*
 * draw_list draws what an action, or the end of a delay, may lead to.  Several
 * transitions with one target are one edge; their guards only tell who and
 * when, while the guard of a single one tells why it leads there.
 */
static void
draw_list(Picture *p, const Format *format, const WoTransitionList *list, const char *name)
{
	StringInfoData label;

	initStringInfo(&label);
	for (int i = 0; i < list->n; i++)
	{
		const WoTransition *c = &list->item[i];
		bool		drawn = false;
		bool		shared = false;
		bool		taken = false;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < list->n; j++)
			if (j != i && list->item[j].target == c->target)
			{
				drawn |= j < i;
				shared = true;
			}
		if (c->target < 0 || drawn)
			continue;
		resetStringInfo(&label);
		appendStringInfoString(&label, name);
		if (c->guard_text != NULL && !shared)
			appendStringInfo(&label, " [%s]", c->guard_text);
		for (int n = 0; n < p->nsteps; n++)
		{
			if (!took(p, &p->steps[n], c, name))
				continue;
			appendStringInfo(&label, taken ? ", %d" : " (%d", n + 1);
			taken = true;
		}
		if (taken)
			appendStringInfoChar(&label, ')');
		format->edge(p, c->action >= 0 && c->action == p->flow->action_create ? START : c->source,
					 c->target, label.data, taken);
	}
	pfree(label.data);
}

/*
 * draw_edges draws every transition that moves.
 */
static void
draw_edges(Picture *p, const Format *format)
{
	const WoFlow *flow = p->flow;

	for (int s = 0; s < flow->nstates; s++)
	{
		const WoState *state = &flow->states[s];

		for (int a = 0; a < flow->nactions; a++)
			draw_list(p, format, &state->on[a], flow->actions[a]);
		for (int d = 0; d < state->ndelays; d++)
			draw_list(p, format, &state->delays[d].transitions, state->delays[d].action);
	}
}

/* --- the trace ----------------------------------------------------------- */

/*
 * text_at reads a text of a jsonb array; NULL if it is none.
 */
static char *
text_at(JsonbContainer *array, uint32 i)
{
	JsonbValue *v = getIthJsonbValueFromContainer(array, i);

	return v != NULL && v->type == jbvString ? pnstrdup(v->val.string.val, v->val.string.len) : NULL;
}

static int
state_named(const WoFlow *flow, const char *path)
{
	return path == NULL ? -1 : wo_flow_state(flow, path, strlen(path));
}

/*
 * read_trace takes {"state": path, "steps": [[from, action, to], ...]} apart.
 */
static void
read_trace(Picture *p, Jsonb *trace)
{
	JsonbValue *state = getKeyJsonValueFromContainer(&trace->root, "state", 5, NULL);
	JsonbValue *steps = getKeyJsonValueFromContainer(&trace->root, "steps", 5, NULL);

	if (state != NULL && state->type == jbvString)
		p->now = wo_flow_state(p->flow, state->val.string.val, state->val.string.len);
	if (steps == NULL || steps->type != jbvBinary)
		return;
	p->steps = palloc(sizeof(Step) * Max(JsonContainerSize(steps->val.binary.data), 1));
	for (uint32 i = 0; i < JsonContainerSize(steps->val.binary.data); i++)
	{
		JsonbValue *step = getIthJsonbValueFromContainer(steps->val.binary.data, i);
		Step	   *s = &p->steps[p->nsteps];

		if (step->type != jbvBinary || !JsonContainerIsArray(step->val.binary.data))
			continue;
		s->from = state_named(p->flow, text_at(step->val.binary.data, 0));
		s->action = text_at(step->val.binary.data, 1);
		s->to = state_named(p->flow, text_at(step->val.binary.data, 2));
		if (s->from >= 0)
			p->passed = bms_add_member(p->passed, s->from);
		if (s->to >= 0)
			p->passed = bms_add_member(p->passed, s->to);
		if (s->action != NULL)
			p->nsteps++;
	}
}

/*
 * draw(definition jsonb, format text, trace jsonb) returns the picture; null if
 * there is nothing to draw, or no format.
 */
Datum
workorder_draw(PG_FUNCTION_ARGS)
{
	char	   *wanted;
	const Format *format = NULL;
	List	   *findings = NIL;
	Picture		p = {.now = -1};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	wanted = text_to_cstring(PG_GETARG_TEXT_PP(1));
	for (int i = 0; i < lengthof(formats); i++)
		if (strcmp(formats[i].name, wanted) == 0)
			format = &formats[i];
	if (format == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("unrecognized format of a diagram"),
				 errdetail("Pictures are text for one of two programs."),
				 errhint("Ask for 'mermaid' or 'dot'.")));

	p.flow = wo_flow_compile(PG_GETARG_JSONB_P(0), CurrentMemoryContext, &findings);
	if (p.flow == NULL || !p.flow->complete)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("this flow cannot be drawn"),
				 errdetail("Some of its states or targets cannot be understood."),
				 errhint("workorder.check_flow() lists what is wrong with it.")));
	if (!PG_ARGISNULL(2) && JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(2)))
		read_trace(&p, PG_GETARG_JSONB_P(2));

	initStringInfo(&p.out);
	format->begin(&p);
	draw_states(&p, format, 0, 1);
	draw_edges(&p, format);
	format->end(&p);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(p.out.data, p.out.len));
}
