/*-------------------------------------------------------------------------
 *
 * flow_staff.c
 *	  Are today's people enough for a flow: can its steps be shared out so that
 *	  "exclude" and "quorum" are kept, and whom could one not do without?
 *
 *	  A step is an action in the state that declares it.  Whoever takes one must
 *	  be none of those who took the steps it excludes, if every way leads through
 *	  those (flow_check.c).  So for each step the steps before it that count are
 *	  gathered, and people are tried for them in that order; people with the same
 *	  roles who have done the same so far are the same, which keeps the search
 *	  small.  It is exact; should it take too long in spite of that, or should a
 *	  step be open to people unknown (everybody, a column, approvers, a role nobody
 *	  holds yet), the step counts as staffed: what is reported is wrong for sure.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "flow/flow_check.h"
#include "flow/flow_staff.h"
#include "utils/catalog.h"

/* More tries than this are not worth it. */
#define MAX_TRIES	50000
/* People of the same roles beyond this many, and a quorum, make no difference. */
#define MIN_ALIKE	16

typedef struct Person
{
	int64		id;
	Bitmapset  *roles;			/* indexes into WoFlow.roles */
} Person;

typedef struct Staff
{
	const WoFlow *flow;
	int64		tenant;
	int			n;
	Person	   *people;
	Bitmapset  *held;			/* roles that somebody holds */
	int			most_alike;		/* so many people of the same roles are looked at */
	int			absent;			/* a person who is away, -1 = nobody */
	int			creator;		/* column creator_id, -1 if the document does not name it */
	int			tries;
} Staff;

/* A step on the way, and who is tried for it. */
typedef struct Step
{
	int			state;
	int			action;
	const WoTransition *only;	/* this one of its transitions; NULL = any */
	Bitmapset  *others;			/* steps (by number) whose people are excluded */
	bool		open;			/* to people unknown */
	Bitmapset  *who;			/* people who may */
	bool		creator_may;
	int			creation;		/* number of the step that created the ticket, if the creator may; -1 = none */
	Bitmapset  *taken_by;
} Step;

typedef struct Plan
{
	Staff	   *staff;
	int			n;
	int			allocated;
	Step	   *steps;			/* a step comes after those whose people it excludes */
} Plan;

/*
 * count_in notes who holds a role.
 */
static void
count_in(Staff *staff, int role)
{
	ListCell   *lc;

	foreach(lc, wo_actor_holders(staff->tenant, staff->flow->roles[role]))
	{
		int64		id = *(int64 *) lfirst(lc);
		int			low = 0;

		/* the rest of the roles follows in gather() */
		while (low < staff->n && staff->people[low].id != id)
			low++;
		if (low < staff->n)
			staff->people[low].roles = bms_add_member(staff->people[low].roles, role);
		else
		{
			const WoActor *person = wo_actor_by_id(staff->tenant, id);
			Bitmapset  *roles = person != NULL ? wo_flow_roles_of(person, staff->flow) : bms_make_singleton(role);
			int			alike = 0;

			for (int i = 0; i < staff->n; i++)
				alike += bms_equal(staff->people[i].roles, roles);
			staff->held = bms_add_members(staff->held, roles);
			if (alike >= staff->most_alike)
				continue;
			staff->people = staff->n == 0 ? palloc(sizeof(Person)) :
				repalloc(staff->people, sizeof(Person) * (staff->n + 1));
			staff->people[staff->n++] = (Person) {id, roles};
		}
	}
}

/*
 * transitions_of returns the transitions that a step may take.
 */
static const WoTransition *
transitions_of(const WoFlow *flow, const Step *step, int *n)
{
	const WoTransitionList *list = &flow->states[step->state].on[step->action];

	*n = step->only != NULL ? 1 : list->n;
	return step->only != NULL ? step->only : list->item;
}

/*
 * excludes tells whether a step keeps out those who took an action, by
 * whichever of its transitions it is taken.
 */
static bool
excludes(const WoFlow *flow, const Step *step, int action, int creator)
{
	int			n;
	const WoTransition *c = transitions_of(flow, step, &n);

	for (int i = 0; i < n; i++)
		if (!bms_is_member(action, c[i].exclude) &&
			!(action == flow->action_create && creator >= 0 && bms_is_member(creator, c[i].exclude_relations)))
			return false;
	return n > 0;
}

/*
 * find_people fills in who may take a step.
 */
static void
find_people(Plan *plan, Step *step)
{
	Staff	   *staff = plan->staff;
	int			n;
	const WoTransition *c = transitions_of(staff->flow, step, &n);

	for (int i = 0; i < n; i++)
	{
		int			column = -1;

		if (c[i].everybody || c[i].approvers != NULL || !bms_is_subset(c[i].roles, staff->held))
			step->open = true;
		while ((column = bms_next_member(c[i].relations, column)) >= 0)
			if (column == staff->creator)
				step->creator_may = true;
			else
				step->open = true;
		for (int p = 0; p < staff->n; p++)
			if (p != staff->absent && bms_overlap(staff->people[p].roles, c[i].roles))
				step->who = bms_add_member(step->who, p);
	}
}

/*
 * add_step adds a step to a plan, after those that it depends on, and returns
 * its number.
 */
static int
add_step(Plan *plan, int state, int action, const WoTransition *only)
{
	const WoFlow *flow = plan->staff->flow;
	Step		step = {.state = state, .action = action, .only = only, .creation = -1};

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (only == NULL)
		for (int i = 0; i < plan->n; i++)
			if (plan->steps[i].state == state && plan->steps[i].action == action)
				return i;
	find_people(plan, &step);
	for (int s = 0; s < flow->nstates && action != flow->action_create; s++)
		for (int a = 0; a < flow->nactions; a++)
		{
			const WoTransitionList *list = &flow->states[s].on[a];
			bool		begins = a == flow->action_create;
			bool		excluded = excludes(flow, &step, a, plan->staff->creator);
			int			other;

			if (list->n == 0 || (s == state && a == action) || (!excluded && !(begins && step.creator_may)) ||
				(begins ? !wo_flow_within(flow, wo_flow_initial(flow), s) : !wo_flow_check_needs(flow, state, list)))
				continue;
			other = add_step(plan, s, a, NULL);
			if (excluded)
				step.others = bms_add_member(step.others, other);
			if (begins && step.creator_may)
				step.creation = other;
		}
	/* who creates is not known, so nor is who $creator_id is */
	if (step.creator_may && (step.creation < 0 || plan->steps[step.creation].open))
		step.open = true;
	if (plan->n == plan->allocated)
	{
		plan->allocated = Max(8, plan->allocated * 2);
		plan->steps = plan->steps == NULL ? palloc(sizeof(Step) * plan->allocated) :
			repalloc(plan->steps, sizeof(Step) * plan->allocated);
	}
	plan->steps[plan->n] = step;
	return plan->n++;
}

/*
 * alike tells whether two people can stand in for each other.
 */
static bool
alike(const Plan *plan, int upto, int a, int b)
{
	if (!bms_equal(plan->staff->people[a].roles, plan->staff->people[b].roles))
		return false;
	for (int i = 0; i < upto; i++)
		if (bms_is_member(a, plan->steps[i].taken_by) != bms_is_member(b, plan->steps[i].taken_by))
			return false;
	return true;
}

static bool share_out(Plan *plan, int number);

/*
 * pick tries people for the rest of those that a step needs.
 */
static bool
pick(Plan *plan, int number, const WoTransition *c, Bitmapset *eligible, int picked, int need, int role)
{
	Step	   *step = &plan->steps[number];
	int			p = -1;

	CHECK_FOR_INTERRUPTS();
	if (++plan->staff->tries > MAX_TRIES)
		return true;
	if (picked == need)
		return share_out(plan, number + 1);
	if (c->quorum == WO_QUORUM_EACH)
		role = bms_next_member(c->quorum_roles, role);
	while ((p = bms_next_member(eligible, p)) >= 0)
	{
		bool		again = false;

		if (bms_is_member(p, step->taken_by) ||
			(c->quorum == WO_QUORUM_EACH && !bms_is_member(role, plan->staff->people[p].roles)))
			continue;
		for (int q = bms_next_member(eligible, -1); q >= 0 && q < p && !again; q = bms_next_member(eligible, q))
			again = !bms_is_member(q, step->taken_by) && alike(plan, number, q, p);
		if (again)
			continue;
		step->taken_by = bms_add_member(step->taken_by, p);
		if (pick(plan, number, c, eligible, picked + 1, need, role))
			return true;
		step->taken_by = bms_del_member(step->taken_by, p);
	}
	return false;
}

/*
 * share_out finds people for a step and all that come after it.
 */
static bool
share_out(Plan *plan, int number)
{
	Step	   *step;
	Bitmapset  *eligible;
	const WoTransition *c;
	int			n;
	int			need = 1;
	int			i = -1;

	if (number == plan->n)
		return true;
	step = &plan->steps[number];
	step->taken_by = NULL;
	if (step->open)
		return share_out(plan, number + 1);
	eligible = bms_copy(step->who);
	if (step->creation >= 0)
		eligible = bms_add_members(eligible, plan->steps[step->creation].taken_by);
	while ((i = bms_next_member(step->others, i)) >= 0)
		eligible = bms_del_members(eligible, plan->steps[i].taken_by);

	/* of several transitions the one that asks for least counts */
	c = transitions_of(plan->staff->flow, step, &n);
	if (n == 1 && c->quorum == WO_QUORUM_COUNT)
		need = c->quorum_n;
	else if (n == 1 && c->quorum == WO_QUORUM_EACH)
		need = bms_num_members(c->quorum_roles);
	else if (n == 1 && c->quorum == WO_QUORUM_PERCENT)
		need = Max(1, (c->quorum_n * bms_num_members(eligible) + 99) / 100);
	else if (n == 1 && c->quorum == WO_QUORUM_ALL)
		need = Max(1, bms_num_members(eligible));
	else if (n > 1)
	{
		WoTransition any = {.quorum = WO_QUORUM_NONE};

		return pick(plan, number, &any, eligible, 0, 1, -1);
	}
	return bms_num_members(eligible) >= need && pick(plan, number, c, eligible, 0, need, -1);
}

/*
 * is_staffed tells whether people can be found for a transition and for what
 * has to come before it; who they are is left in the plan.
 */
static bool
is_staffed(Staff *staff, int state, const WoTransition *c, Plan *plan)
{
	*plan = (Plan) {.staff = staff};
	staff->tries = 0;
	(void) add_step(plan, state, c->action, c);
	return share_out(plan, 0);
}

/*
 * warn_of_one reports those without whom nobody could take a step.
 */
static void
warn_of_one(Staff *staff, int state, const WoTransitionList *list, const Plan *found, List **findings)
{
	Bitmapset  *needed = NULL;
	int			p = -1;

	for (int i = 0; i < found->n; i++)
		needed = bms_add_members(needed, found->steps[i].taken_by);
	while ((p = bms_next_member(needed, p)) >= 0)
	{
		bool		staffed = false;
		Plan		before;

		staff->absent = p;
		/* whom a step before needs is told there */
		(void) is_staffed(staff, state, found->steps[found->n - 1].only, &before);
		before.n--;
		staff->tries = 0;
		staffed = !share_out(&before, 0);
		for (int i = 0; i < list->n && !staffed; i++)
		{
			Plan		plan;

			staffed = is_staffed(staff, state, &list->item[i], &plan);
		}
		staff->absent = -1;
		if (!staffed)
		{
			const WoActor *person = wo_actor_by_id(staff->tenant, staff->people[p].id);

			wo_flow_read_add_finding(findings, "one_person", list->item[0].where, "Give somebody else the role, too.",
									 "while \"%s\" is away, nobody can take \"%s\" here",
									 person != NULL ? person->login : "", staff->flow->actions[list->item[0].action]);
		}
	}
}

/*
 * check_staff appends the transitions for which the people of a tenant
 * are too few, and a warning for each that hangs on one person.
 */
static void
check_staff(const WoFlow *flow, int64 tenant, List **findings)
{
	Staff		staff = {.flow = flow, .tenant = tenant, .absent = -1};

	staff.creator = wo_flow_column(flow, "creator_id");
	staff.most_alike = MIN_ALIKE;
	for (int s = 0; s < flow->nstates; s++)
		for (int a = 0; a < flow->nactions; a++)
			for (int i = 0; i < flow->states[s].on[a].n; i++)
				if (flow->states[s].on[a].item[i].quorum == WO_QUORUM_COUNT)
					staff.most_alike = Max(staff.most_alike, flow->states[s].on[a].item[i].quorum_n + MIN_ALIKE);
	for (int role = 0; role < flow->nroles; role++)
		count_in(&staff, role);
	for (int s = 0; s < flow->nstates; s++)
		for (int a = 0; a < flow->nactions; a++)
		{
			const WoTransitionList *list = &flow->states[s].on[a];
			bool		moves = false;
			bool		staffed = false;
			Plan		found = {0};

			for (int i = 0; i < list->n; i++)
			{
				const WoTransition *c = &list->item[i];
				Plan		plan;

				moves |= c->target >= 0;
				/* "allow": [] shuts */
				if (!c->everybody && c->roles == NULL && c->relations == NULL)
					continue;
				if (is_staffed(&staff, s, c, &plan))
				{
					staffed = true;
					found = plan;
				}
				else if (plan.steps[plan.n - 1].others != NULL)
					wo_flow_read_add_finding(findings, "exclude_members", c->where,
											 "Give more people the roles, or exclude fewer.",
											 "with today's people nobody is left for \"%s\": whoever may take it has to have a part in what comes before",
											 flow->actions[a]);
			}
			if (staffed && moves && a != flow->action_create)
				warn_of_one(&staff, s, list, &found, findings);
		}
}

/* --- quorums and calendars ------------------------------------------------- */

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
check_members(const WoFlow *flow, const WoTransition *c, int64 tenant, List **findings)
{
	static const char *const hint = "Give more people the role, or ask for fewer.";
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
		wo_flow_read_add_finding(findings, "quorum_members", c->where, hint,
								 "nobody holds role \"%s\", which the quorum needs", empty_role);
	else if (list_length(people) < needed)
		wo_flow_read_add_finding(findings, "quorum_members", c->where, hint,
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
	WoCatalogKey keys[2] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"name", TEXTOID, CStringGetTextDatum(delay->calendar)}
	};
	WoCatalogScan lookup;
	bool		found;

	wo_catalog_begin(&lookup, wo_catalog_table("calendar", false), keys, 2);
	found = wo_catalog_next(&lookup) != NULL;
	wo_catalog_end(&lookup);
	if (!found)
		wo_flow_read_add_finding(findings, "unknown_calendar",
								 psprintf("%s.after.%s", wo_flow_where(flow, s), delay->text),
								 "Make the calendar first: a row of workorder.calendar, and its working hours.",
								 "calendar \"%s\" does not exist", delay->calendar);
}

/*
 * wo_flow_staff_check appends the quorums and exclusions that today's
 * people of a tenant cannot meet, and the calendars that it lacks.  It is for
 * publishing: people come and go, documents stay.
 */
void
wo_flow_staff_check(const WoFlow *flow, int64 tenant, List **findings)
{
	if (!OidIsValid(wo_catalog_table("membership", true)))
		return;
	for (int s = 0; s < flow->nstates; s++)
		for (int a = 0; a < flow->nactions; a++)
			for (int i = 0; i < flow->states[s].on[a].n; i++)
				check_members(flow, &flow->states[s].on[a].item[i], tenant, findings);
	if (flow->complete)
		check_staff(flow, tenant, findings);
	for (int s = 0; s < flow->nstates; s++)
		for (int d = 0; d < flow->states[s].ndelays; d++)
			if (flow->states[s].delays[d].calendar != NULL)
				check_calendar(tenant, flow, s, &flow->states[s].delays[d], findings);
}
