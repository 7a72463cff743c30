/*-------------------------------------------------------------------------
 *
 * approvers.c
 *	  Who has to decide a ticket by name: the approvers of a state are found by
 *	  the row, and their number is held against the state's rule.
 *
 * A state names its approvers by role, column, path or login.  Each person
 * found is given a task, once, unless he is excluded or inactive; a role that
 * is claimed gets one for whoever takes it.  All arithmetic is in whole
 * numbers.
 *
 * approval.c asks here when a state is entered and when somebody decides,
 * task_command.c when tasks change hands, verify() whether a decision was one.
 * Nothing is written; tasks live in the caller's memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "permit/approval.h"
#include "flow/flow.h"
#include "journal/journal.h"
#include "utils/id_set.h"

/* Who is being looked for, and who is out of the question. */
typedef struct Search
{
	WoCase	   *c;
	const WoApprovers *approvers;
	HTAB	   *excluded;
	HTAB	   *asked;			/* who has a task */
	List	   *tasks;			/* found so far */
} Search;

static bool
is_listed(const List *people, int64 person)
{
	ListCell   *lc;

	foreach(lc, people)
		if (*(int64 *) lfirst(lc) == person)
			return true;
	return false;
}

static List *
with_person(List *people, int64 person)
{
	int64	   *id = palloc(sizeof(int64));

	*id = person;
	return lappend(people, id);
}

/*
 * person_in reads an actor's id from a column of the row, whether it is int or bigint.
 */
static int64
person_in(const WoCase *c, AttrNumber attnum)
{
	switch (TupleDescAttr(c->binding->desc, attnum - 1)->atttypid)
	{
		case INT8OID:
			return DatumGetInt64(c->row[attnum - 1]);
		case INT4OID:
			return DatumGetInt32(c->row[attnum - 1]);
		default:
			return 0;
	}
}

/*
 * add_person gives somebody a task, unless he has one or may have none.
 */
static void
add_person(Search *search, int64 id, int weight)
{
	const WoActor *person = wo_actor_by_id(search->c->actor->tenant, id);
	WoTask	   *task;

	if (id == 0 || person == NULL || !person->active || wo_id_set_has(search->excluded, id) ||
		!wo_id_set_add(&search->asked, id))
		return;
	task = palloc0(sizeof(WoTask));
	task->n = list_length(search->tasks) + 1;
	task->who = id;
	task->weight = weight;
	if (search->approvers->rule == WO_RULE_SEQUENCE && task->n > 1)
		task->after = bms_make_singleton(task->n - 1);
	search->tasks = lappend(search->tasks, task);
}

/*
 * add_role gives a role's holders tasks, or the role one for whoever claims it.
 */
static void
add_role(Search *search, const char *role, int weight)
{
	WoTask	   *task;
	bool		anybody = false;
	ListCell   *lc;

	foreach(lc, wo_actor_holders(search->c->actor->tenant, role))
	{
		int64		id = *(int64 *) lfirst(lc);

		if (!search->approvers->claim)
			add_person(search, id, weight);
		else if (!wo_id_set_has(search->excluded, id))
			anybody = true;
	}
	if (!anybody)
		return;
	task = palloc0(sizeof(WoTask));
	task->n = list_length(search->tasks) + 1;
	task->role = role;
	task->weight = weight;
	if (search->approvers->rule == WO_RULE_SEQUENCE && task->n > 1)
		task->after = bms_make_singleton(task->n - 1);
	search->tasks = lappend(search->tasks, task);
}

/*
 * add_found gives tasks to those whom a path in the row names, by id or login.
 */
static void
add_found(Search *search, JsonPath *path, int weight)
{
	JsonbValue *value;
	Jsonb	   *found = wo_condition_list(search->c, path);
	JsonbIterator *it;
	JsonbValue	v;

	if (found == NULL)
		return;
	it = JsonbIteratorInit(&found->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &v, true) == WJB_ELEM)
	{
		value = &v;
		if (value->type == jbvNumeric)
		{
			Datum		number = NumericGetDatum(value->val.numeric);

			/* what is no bigint is nobody's */
			if (DatumGetInt32(DirectFunctionCall2(numeric_cmp, number, NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))) <= 0 &&
				DatumGetInt32(DirectFunctionCall2(numeric_cmp, number, NumericGetDatum(int64_to_numeric(1)))) >= 0)
				add_person(search, DatumGetInt64(DirectFunctionCall1(numeric_int8, number)), weight);
		}
		else if (value->type == jbvString)
		{
			const WoActor *person = wo_actor_by_login(search->c->actor->tenant,
													  pnstrdup(value->val.string.val, value->val.string.len));

			if (person != NULL)
				add_person(search, person->id, weight);
		}
	}
}

/*
 * add_sources looks everybody up whom the flow names.
 */
static void
add_sources(Search *search, const WoSource *sources, int n)
{
	WoCase	   *c = search->c;

	for (int i = 0; i < n; i++)
	{
		const WoSource *source = &sources[i];

		CHECK_FOR_INTERRUPTS();
		if (source->role >= 0)
			add_role(search, c->flow->roles[source->role], source->weight);
		else if (source->column >= 0)
		{
			AttrNumber	attnum = c->columns[source->column];

			if (attnum != InvalidAttrNumber && !c->row_null[attnum - 1])
				add_person(search, person_in(c, attnum), source->weight);
		}
		else if (source->path != NULL)
			add_found(search, source->path, source->weight);
		else if (source->login != NULL)
		{
			const WoActor *person = wo_actor_by_login(c->actor->tenant, source->login);

			if (person != NULL)
				add_person(search, person->id, source->weight);
		}
	}
}

/*
 * sum_weights adds up the tasks with a vote, 0 for the undecided, or all.
 */
static int64
sum_weights(const WoApprovers *approvers, const List *tasks, bool all, int vote)
{
	int64		sum = 0;
	ListCell   *lc;

	foreach(lc, tasks)
	{
		const WoTask *task = lfirst(lc);

		if (all || task->vote == vote)
			sum += approvers->rule == WO_RULE_WEIGHT ? task->weight : 1;
	}
	return sum;
}

/*
 * wo_approval_tally tells whether the tasks decide the step: for it, or, with
 * against, against it because the rule can no longer be met.
 */
bool
wo_approval_tally(const WoApprovers *approvers, const List *tasks, bool against)
{
	int64		all = sum_weights(approvers, tasks, true, 0);
	int64		yes = sum_weights(approvers, tasks, false, 1);
	int64		no = sum_weights(approvers, tasks, false, -1);

	switch (approvers->rule)
	{
		case WO_RULE_ANY:
			return against ? no >= 1 : yes >= 1;
		case WO_RULE_COUNT:
		case WO_RULE_WEIGHT:
			return against ? all - no < approvers->n : yes >= approvers->n;
		case WO_RULE_PERCENT:
			return against ? no * 100 > all * (100 - approvers->n) : yes * 100 >= all * approvers->n;
		case WO_RULE_ALL:
		case WO_RULE_SEQUENCE:
			return against ? no >= 1 : yes >= all;
	}
	return false;
}

/*
 * wo_approval_enough tells whether these people could pass the step at all.
 */
bool
wo_approval_enough(const WoApprovers *approvers, const List *tasks)
{
	return tasks != NIL && !wo_approval_tally(approvers, tasks, true);
}

/*
 * wo_approval_candidate returns the transition that approving would take in a
 * state: the first whose guard holds, NULL if none does.
 */
const WoCandidate *
wo_approval_candidate(WoCase *c, int state)
{
	const WoApprovers *approvers = c->flow->states[state].approvers;
	const WoCandidateList *list = &c->flow->states[state].on[approvers->action];

	for (int i = 0; i < list->n; i++)
		if (wo_condition_holds(c, list->item[i].guard) == WO_TRUE)
			return &list->item[i];
	return NULL;
}

/*
 * excluded_people lists who may not approve in a state that an action leads
 * to; its own taker counts as having taken it.
 */
static List *
excluded_people(WoCase *c, const WoCandidate *candidate, const char *action, int64 for_actor)
{
	List	   *people = NIL;
	int			number = action != NULL ? wo_flow_action(c->flow, action) : -1;
	int			i = -1;

	if ((candidate->exclude != NULL || candidate->exclude_former != NIL) && c->old != NULL)
		people = wo_journal_takers(c->binding, c->flow, c->actor->tenant,
								   wo_binding_id(c->binding, c->old), candidate);
	if (number >= 0 && bms_is_member(number, candidate->exclude))
		people = with_person(with_person(people, c->actor->id), for_actor);
	while ((i = bms_next_member(candidate->exclude_relations, i)) >= 0)
	{
		AttrNumber	attnum = c->columns[i];

		if (attnum != InvalidAttrNumber && !c->row_null[attnum - 1])
			people = with_person(people, person_in(c, attnum));
	}
	return people;
}

/*
 * wo_approval_give_tasks finds the people of a state by the row as it would be.
 */
List *
wo_approval_give_tasks(WoCase *c, int state, const char *action, int64 for_actor)
{
	Search		search = {.c = c,.approvers = c->flow->states[state].approvers};
	const WoApprovers *approvers = search.approvers;
	const WoCandidate *candidate = wo_approval_candidate(c, state);
	ListCell   *lc;

	if (candidate == NULL)
		candidate = &c->flow->states[state].on[approvers->action].item[0];
	foreach(lc, excluded_people(c, candidate, action, for_actor))
		(void) wo_id_set_add(&search.excluded, *(int64 *) lfirst(lc));
	add_sources(&search, approvers->sources, approvers->nsources);
	if (!wo_approval_enough(approvers, search.tasks) && approvers->none == WO_NOBODY_FALLBACK)
		add_sources(&search, approvers->fallback, approvers->nfallback);
	return search.tasks;
}

/*
 * wo_approval_excluded tells whether a person may not decide by a transition.
 */
bool
wo_approval_excluded(WoCase *c, const WoCandidate *candidate, int64 person)
{
	return (candidate->exclude != NULL || candidate->exclude_former != NIL || candidate->exclude_relations != NULL) &&
		is_listed(wo_excluded_people(c, candidate), person);
}
