/*-------------------------------------------------------------------------
 *
 * flow_reach.c
 *	  Where a chart leads: states that cannot be reached, and states from
 *	  which no end can be.
 *
 * The chart is walked from its initial leaf as a ticket would walk it, with
 * every guard taken to hold or not: an action bubbles from the leaf upwards
 * until a state surely decides it.  So what is found unreachable is so for
 * every ticket.  Needs a complete flow; works in the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "flow/flow.h"

typedef struct Chart
{
	const WoFlow *flow;
	Bitmapset  *reached;		/* leaves */
	Bitmapset  *recalled;		/* history nodes that something leads to */
	Bitmapset **next;			/* [nstates]: leaves that a leaf leads to */
} Chart;

/*
 * lead records that a leaf leads to a target.  To history means to the
 * default, and to whatever has been reached below the parent.
 */
static void
lead(Chart *chart, int leaf, int target)
{
	const WoFlow *flow = chart->flow;

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
 * follow_list records where a list of transitions leads from a leaf, and
 * tells whether one of them surely decides the action.
 */
static bool
follow_list(Chart *chart, int leaf, const WoCandidateList *list)
{
	const WoState *rest = &chart->flow->states[leaf];
	bool		decided = false;

	for (int i = 0; i < list->n; i++)
	{
		const WoCandidate *c = &list->item[i];

		/* a flow that is done stays where it is */
		if (c->target >= 0 && rest->done)
			continue;
		/* a forgotten "allow" is a finding of its own; an empty one shuts the way */
		if (c->target >= 0 &&
			(c->action < 0 || !c->allow_given || c->everybody || c->roles != NULL || c->relations != NULL))
			lead(chart, leaf, c->target);
		if (c->guard_text == NULL)
			decided = true;
	}
	return decided;
}

/*
 * follow records all that a leaf leads to.
 */
static void
follow(Chart *chart, int leaf)
{
	const WoFlow *flow = chart->flow;
	int			initial = wo_flow_initial(flow);

	for (int a = 0; a < flow->nactions; a++)
	{
		if (a == flow->action_view || (a == flow->action_create && leaf != initial))
			continue;
		for (int s = leaf; s >= 0; s = flow->states[s].parent)
			if (follow_list(chart, leaf, &flow->states[s].on[a]))
				break;
	}
	for (int s = leaf; s >= 0; s = flow->states[s].parent)
		for (int d = 0; d < flow->states[s].ndelays; d++)
			(void) follow_list(chart, leaf, &flow->states[s].delays[d].candidates);
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
				follow(chart, leaf);
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
			wo_flow_add_finding(findings, "unreachable_state", wo_flow_where(flow, s),
								"Add a transition that leads there, or take it out.",
								unreached->kind == WO_STATE_HISTORY ?
								"nothing leads to history \"%s\"" : "no ticket ever gets to state \"%s\"",
								unreached->path);
		if (unreached->ndelays > 0)
			wo_flow_add_finding(findings, "timer_unreachable",
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
			wo_flow_add_finding(findings, "dead_end", wo_flow_where(flow, leaf),
								"Add a transition towards a final state of the flow, or make this one final, right below the root.",
								"from state \"%s\" no final state can be reached", flow->states[leaf].path);
}

/*
 * wo_flow_check_reach appends unreachable states and dead ends.
 */
void
wo_flow_check_reach(const WoFlow *flow, List **findings)
{
	Chart		chart = {flow};

	walk(&chart);
	check_reached(&chart, findings);
	check_ends(&chart, findings);
}
