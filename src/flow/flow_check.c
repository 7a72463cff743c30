/*-------------------------------------------------------------------------
 *
 * flow_check.c
 *	  What is wrong with a flow that compiles: transitions nobody can take,
 *	  columns that are not there, quorums that cannot be met.
 *
 * Reads compiled flows only; findings are made in the current memory
 * context.  Where the chart leads is looked at in flow_reach.c.  Every check
 * errs on the side of the author: guards are taken to hold or not as it
 * suits, so what is reported is wrong whatever the rows say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "journal/entry.h"
#include "utils/lookup.h"

/* Looks at one transition; state and list say where it stands. */
typedef void (*CandidateCheck) (const WoFlow *flow, const WoCandidate *c, List **findings, void *arg);

/*
 * for_each_candidate calls a check for every transition, timers included.
 */
static void
for_each_candidate(const WoFlow *flow, CandidateCheck check, List **findings, void *arg)
{
	for (int s = 0; s < flow->nstates; s++)
	{
		const WoState *state = &flow->states[s];

		CHECK_FOR_INTERRUPTS();
		for (int a = 0; a < flow->nactions; a++)
			for (int i = 0; i < state->on[a].n; i++)
				check(flow, &state->on[a].item[i], findings, arg);
		for (int d = 0; d < state->ndelays; d++)
			for (int i = 0; i < state->delays[d].candidates.n; i++)
				check(flow, &state->delays[d].candidates.item[i], findings, arg);
	}
}

/*
 * is_open_to_somebody tells whether "allow" of a transition names anybody who
 * is not excluded at once.
 */
static bool
is_open_to_somebody(const WoCandidate *c)
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
check_somebody(const WoFlow *flow, const WoCandidate *c, List **findings, void *arg)
{
	if (c->action < 0 || is_open_to_somebody(c))
		return;
	if (c->relations != NULL)
		wo_flow_add_finding(findings, "nobody", c->where, "Let somebody else take it too.",
							"whoever is allowed is excluded at once");
	else if (!c->allow_given)
		wo_flow_add_finding(findings, "nobody", c->where,
							"Add \"allow\" with roles, \"$column\" or \"*\"; what is not allowed is denied.",
							"nobody may ever take \"%s\" here", flow->actions[c->action]);
	else if (!is_open_above(flow, c->source, c->action))
		wo_flow_add_finding(findings, "nobody", c->where,
							"Name somebody; an empty list only serves to shut what a state above allows.",
							"nobody may ever take \"%s\" here", flow->actions[c->action]);
}

/*
 * check_quorum refuses quorums that no choice of people could meet.
 */
static void
check_quorum(const WoFlow *flow, const WoCandidate *c, List **findings, void *arg)
{
	int			people = bms_num_members(c->relations);
	int			role = -1;

	if (c->quorum == WO_QUORUM_COUNT && !c->everybody && c->roles == NULL &&
		people > 0 && people < c->quorum_n)
		wo_flow_add_finding(findings, "quorum_unreachable", c->where, "Allow a role, or ask for fewer.",
							"%d people are needed, but the columns in \"allow\" hold %d at most",
							c->quorum_n, people);
	if (c->everybody && (c->quorum == WO_QUORUM_ALL || c->quorum == WO_QUORUM_PERCENT))
		wo_flow_add_finding(findings, "quorum_unreachable", c->where, "Allow roles or columns, or ask for a number.",
							"a share of everybody cannot be counted");
	while ((role = bms_next_member(c->quorum_roles, role)) >= 0)
		if (!bms_is_member(role, c->roles))
			wo_flow_add_finding(findings, "quorum_role", c->where, "Add the role to \"allow\".",
								"the quorum needs role \"%s\", which is not allowed to act",
								flow->roles[role]);
}

/*
 * check_reserved_set reports the engine's columns in a set of columns.
 */
static void
check_reserved_set(const WoFlow *flow, const WoCandidate *c, const Bitmapset *columns,
				   const char *key, List **findings)
{
	int			column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
		if (wo_flow_reserved(flow->columns[column]))
			wo_flow_add_finding(findings, "reserved_column", c->where,
								"The engine keeps this column; name columns of yours.",
								"\"%s\" cannot name \"%s\"", key, flow->columns[column]);
}

/*
 * check_people_set reports columns that never hold a person.
 */
static void
check_people_set(const WoFlow *flow, const WoCandidate *c, const Bitmapset *columns,
				 const char *key, List **findings)
{
	int			column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
	{
		const char *name = flow->columns[column];

		if (wo_flow_reserved(name) && strcmp(name, "creator_id") != 0 && strcmp(name, "acted_by") != 0)
			wo_flow_add_finding(findings, "reserved_column", c->where,
								"Of the engine's columns, creator_id and acted_by hold people.",
								"\"%s\" cannot name \"$%s\"", key, name);
	}
}

/*
 * check_columns refuses engine columns where only the user's have a meaning.
 */
static void
check_columns(const WoFlow *flow, const WoCandidate *c, List **findings, void *arg)
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
check_row_operation(const WoFlow *flow, const WoCandidate *c, List **findings, void *arg)
{
	if (c->action < 0)
		return;
	if (strcmp(flow->actions[c->action], WO_ACTION_IMPORT) == 0 ||
		strcmp(flow->actions[c->action], WO_ACTION_MAINTENANCE) == 0 ||
		strcmp(flow->actions[c->action], WO_ACTION_MIGRATE) == 0 ||
		strncmp(flow->actions[c->action], WO_ACTION_AFTER, strlen(WO_ACTION_AFTER)) == 0 ||
		strncmp(flow->actions[c->action], WO_ACTION_TASK, strlen(WO_ACTION_TASK)) == 0)
		wo_flow_add_finding(findings, "reserved_action", c->where, "Give the action another name.",
							"the journal calls something of the engine's \"%s\"", flow->actions[c->action]);
	if (c->action == flow->action_create)
	{
		if (c->quorum != WO_QUORUM_NONE)
			wo_flow_add_finding(findings, "row_operation", c->where, "Put the quorum on the action that comes next.",
								"\"create\" cannot have a quorum: there is no row to hold the votes");
		if (flow->complete && !wo_flow_within(flow, wo_flow_initial(flow), c->source))
			wo_flow_add_finding(findings, "misplaced_create", c->where,
								"Put \"create\" on the initial state or above it.",
								"no row is ever created in state \"%s\"", flow->states[c->source].path);
	}
	else if (c->action == flow->action_delete && (c->target >= 0 || c->nassignments > 0))
		wo_flow_add_finding(findings, "row_operation", c->where, "Use another action for a state like \"deleted\".",
							"\"delete\" takes the row away: it cannot have \"%s\"",
							c->target >= 0 ? "target" : "set");
}

/*
 * allows_all_of tells whether everybody who may take b may take a.
 */
static bool
allows_all_of(const WoCandidate *a, const WoCandidate *b)
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
holds_whenever(const WoCandidate *a, const WoCandidate *b)
{
	return a->guard_text == NULL ||
		(b->guard_text != NULL && strcmp(a->guard_text, b->guard_text) == 0);
}

/*
 * check_list refuses transitions that an earlier one of the list always
 * comes before.
 */
static void
check_list(const WoCandidateList *list, List **findings)
{
	for (int b = 1; b < list->n; b++)
		for (int a = 0; a < b; a++)
			if (holds_whenever(&list->item[a], &list->item[b]) &&
				allows_all_of(&list->item[a], &list->item[b]))
			{
				wo_flow_add_finding(findings, "ambiguous", list->item[b].where,
									"Give the earlier one a guard or a narrower \"allow\", or put this one first.",
									"this transition can never be taken: %s always comes before it",
									list->item[a].where);
				break;
			}
}

/*
 * wo_flow_check appends what is wrong with a flow on its own.
 */
void
wo_flow_check(const WoFlow *flow, List **findings)
{
	for_each_candidate(flow, check_somebody, findings, NULL);
	for_each_candidate(flow, check_quorum, findings, NULL);
	for_each_candidate(flow, check_columns, findings, NULL);
	for_each_candidate(flow, check_row_operation, findings, NULL);
	for (int s = 0; s < flow->nstates; s++)
	{
		const WoState *state = &flow->states[s];

		for (int a = 0; a < flow->nactions; a++)
			check_list(&state->on[a], findings);
		for (int d = 0; d < state->ndelays; d++)
			check_list(&state->delays[d].candidates, findings);
	}
	if (flow->complete)
		wo_flow_check_reach(flow, findings);
}

/* A transition looked at beside the table it would rule. */
typedef struct Table
{
	Oid			relid;
	const WoFlow *flow;
	const WoCandidate *candidate;
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
	wo_flow_add_finding(table->findings, "unknown_column", table->candidate->where,
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
			wo_flow_add_finding(table->findings, "column_type", table->candidate->where,
								"Make it bigint, and let it hold ids of workorder.actor.",
								"column \"%s\" of table \"%s\" is of type %s and cannot hold a person",
								name, get_rel_name(table->relid), format_type_be(type));
	}
}

/*
 * check_table checks one transition against a table.
 */
static void
check_table(const WoFlow *flow, const WoCandidate *c, List **findings, void *arg)
{
	Table		table = {*(Oid *) arg, flow, c, findings, NIL};

	check_present_set(&table, c->relations);
	check_present_set(&table, c->exclude_relations);
	check_present_set(&table, c->require);
	check_present_set(&table, c->fields);
	for (int i = 0; i < c->nassignments; i++)
	{
		check_present(&table, WO_MENTION_COLUMN, flow->columns[c->assignments[i].column]);
		if (c->assignments[i].path != NULL)
			wo_path_mentions(c->assignments[i].path, check_present, &table);
	}
	if (c->guard != NULL)
		wo_path_mentions(c->guard, check_present, &table);
	check_people_types(&table, c->relations);
	check_people_types(&table, c->exclude_relations);
}

/*
 * wo_flow_check_relation appends what a table lacks to be ruled by the flow.
 */
void
wo_flow_check_relation(const WoFlow *flow, Oid relid, List **findings)
{
	for_each_candidate(flow, check_table, findings, &relid);
}

/*
 * count_holders returns how many people hold a role, and adds them to the
 * list of different people.
 */
static int
count_holders(int64 tenant, const char *role, List **people)
{
	List	   *holders = wo_actor_holders(tenant, role);
	ListCell   *lc;

	foreach(lc, holders)
	{
		int64		id = *(int64 *) lfirst(lc);
		ListCell   *known;
		bool		found = false;

		foreach(known, *people)
			if (*(int64 *) lfirst(known) == id)
				found = true;
		if (!found)
			*people = lappend(*people, lfirst(lc));
	}
	return list_length(holders);
}

/*
 * check_members compares a quorum with the people who hold its roles today.
 * Where nobody holds any of them, the flow is not staffed yet, and there is
 * nothing to compare with.
 */
static void
check_members(const WoFlow *flow, const WoCandidate *c, List **findings, void *arg)
{
	static const char *const hint = "Give more people the role, or ask for fewer.";
	int64		tenant = *(int64 *) arg;
	List	   *people = NIL;
	const char *empty_role = NULL;
	int			role = -1;
	int			needed = 0;

	if (c->quorum == WO_QUORUM_COUNT)
		needed = c->quorum_n;
	else if (c->quorum == WO_QUORUM_EACH)
		needed = bms_num_members(c->quorum_roles);
	if (needed == 0 || c->everybody || c->relations != NULL)
		return;
	while ((role = bms_next_member(c->roles, role)) >= 0)
		if (count_holders(tenant, flow->roles[role], &people) == 0 &&
			bms_is_member(role, c->quorum_roles))
			empty_role = flow->roles[role];

	if (people == NIL)
		return;
	if (empty_role != NULL)
		wo_flow_add_finding(findings, "quorum_members", c->where, hint,
							"nobody holds role \"%s\", which the quorum needs", empty_role);
	else if (list_length(people) < needed)
		wo_flow_add_finding(findings, "quorum_members", c->where, hint,
							"the quorum needs %d people, and the roles are held by %d",
							needed, list_length(people));
}

/*
 * check_calendar reports a timer that counts the working time of a calendar
 * which the tenant does not have.
 */
static void
check_calendar(int64 tenant, const WoFlow *flow, int s, const WoDelay *delay, List **findings)
{
	WoLookupKey keys[2] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"name", TEXTOID, CStringGetTextDatum(delay->calendar)}
	};
	WoLookup	lookup;
	bool		found;

	wo_lookup_begin(&lookup, wo_lookup_table("calendar", false), keys, 2);
	found = wo_lookup_next(&lookup) != NULL;
	wo_lookup_end(&lookup);
	if (!found)
		wo_flow_add_finding(findings, "unknown_calendar",
							psprintf("%s.after.%s", wo_flow_where(flow, s), delay->text),
							"Make the calendar first: a row of workorder.calendar, and its working hours.",
							"there is no calendar \"%s\"", delay->calendar);
}

/*
 * wo_flow_check_members appends the quorums and exclusions that today's
 * people of a tenant cannot meet, and the calendars that it lacks.  It is for publishing: people come and go, documents stay.
 */
void
wo_flow_check_members(const WoFlow *flow, int64 tenant, List **findings)
{
	if (!OidIsValid(wo_lookup_table("membership", true)))
		return;
	for_each_candidate(flow, check_members, findings, &tenant);
	if (flow->complete)
		wo_flow_check_staff(flow, tenant, findings);
	for (int s = 0; s < flow->nstates; s++)
		for (int d = 0; d < flow->states[s].ndelays; d++)
			if (flow->states[s].delays[d].calendar != NULL)
				check_calendar(tenant, flow, s, &flow->states[s].delays[d], findings);
}
