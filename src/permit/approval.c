/*-------------------------------------------------------------------------
 *
 * approval.c
 *	  Who has to agree: the votes of a quorum, and what those who decide a ticket by
 *	  name have decided, and where it goes by that.
 *
 * A state names its approvers by role, column, path or login.  Each person
 * found is given a task, once, unless they are excluded or inactive; a role that
 * is claimed gets one for whoever takes it.  The tasks stand in the row's votes
 * (approval_state.c) until the state is left.  Whoever holds a
 * task that is open decides by the state's action, or against it by another; a
 * deputy does so for them.  The action takes effect as soon as the rule is met,
 * or can no longer be.  All arithmetic is in whole numbers.
 *
 * Everybody names deputies for themselves and for nobody else.  The table is
 * written as its owner (owner_spi.c), so that no application's role can write
 * another person's name into it.
 *
 * permit.c asks here who may, what it leads to, and has the row follow;
 * task.c asks when tasks change hands, verify() whether a decision was
 * one.
 * Nothing is written but the row being judged.
 *
 * Votes travel in the row: {"approve": {"17": ["legal"], "21": ["hr"]}},
 * action -> person -> the roles of the action that the person held then.
 * They belong to one visit of a state; the guard clears them when the visit
 * ends.  Since the row is locked while it is judged, no count is ever stale.
 *
 * All arithmetic is in whole numbers: 2 of 3 are not 67 per cent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "flow/flow.h"
#include "permit/approval.h"
#include "permit/evaluation.h"
#include "permit/reason.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/id_set.h"
#include "utils/owner_spi.h"
#include "utils/settings.h"
#include "utils/value.h"

/* ----------------------------------------------------------------
 *		votes of a quorum
 * ----------------------------------------------------------------
 */

/* One person who has voted, or still may. */
typedef struct Voter
{
	int64		id;
	Bitmapset  *roles;			/* indexes into WoFlow.roles */
} Voter;

typedef struct Ballot
{
	int			n;
	int			allocated;
	Voter	   *voters;
} Ballot;

static void
ballot_add(Ballot *ballot, int64 id, Bitmapset *roles)
{
	if (ballot->n == ballot->allocated)
	{
		ballot->allocated = Max(8, ballot->allocated * 2);
		ballot->voters = ballot->voters == NULL ?
			palloc(sizeof(Voter) * ballot->allocated) :
			repalloc(ballot->voters, sizeof(Voter) * ballot->allocated);
	}
	ballot->voters[ballot->n].id = id;
	ballot->voters[ballot->n].roles = roles;
	ballot->n++;
}

static Voter *
ballot_find(const Ballot *ballot, int64 id)
{
	for (int i = 0; i < ballot->n; i++)
		if (ballot->voters[i].id == id)
			return &ballot->voters[i];
	return NULL;
}

/*
 * augment tries to give role number "role" of the list to somebody, moving
 * others to another of their roles if need be (Kuhn's algorithm).
 */
static bool
augment(const Ballot *ballot, const int *roles, int role, int *holder_of, bool *seen)
{
	for (int i = 0; i < ballot->n; i++)
	{
		int			other = -1;

		if (seen[i] || !bms_is_member(roles[role], ballot->voters[i].roles))
			continue;
		seen[i] = true;
		/* whom does this person serve already? */
		for (int r = 0; holder_of[r] != -2; r++)
			if (holder_of[r] == i)
				other = r;
		if (other < 0 || augment(ballot, roles, other, holder_of, seen))
		{
			if (other >= 0 && holder_of[other] == i)
				holder_of[other] = -1;
			holder_of[role] = i;
			return true;
		}
	}
	return false;
}

/*
 * roles_covered counts how many of the roles can be given to different people.
 */
static int
roles_covered(const Ballot *ballot, const Bitmapset *wanted)
{
	int			n = bms_num_members(wanted);
	int		   *roles = palloc(sizeof(int) * (n + 1));
	int		   *holder_of = palloc(sizeof(int) * (n + 1));
	bool	   *seen = palloc(sizeof(bool) * (ballot->n + 1));
	int			covered = 0;
	int			role = -1;
	int			i = 0;

	while ((role = bms_next_member(wanted, role)) >= 0)
	{
		roles[i] = role;
		holder_of[i++] = -1;
	}
	holder_of[n] = -2;			/* end of the list */
	for (i = 0; i < n; i++)
	{
		memset(seen, 0, sizeof(bool) * (ballot->n + 1));
		if (augment(ballot, roles, i, holder_of, seen))
			covered++;
	}
	return covered;
}

/*
 * read_votes fills in who has voted: for this action, and for any other one.
 */
static void
read_votes(WoEvaluation *c, const WoTransition *candidate, Ballot *mine, Ballot *others)
{
	AttrNumber	attnum = c->binding->engine[WO_VOTES];
	const char *name = c->flow->actions[candidate->action];
	Jsonb	   *votes;
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;
	Ballot	   *current = NULL;
	int			depth = 0;

	if (c->old == NULL || c->old_null[attnum - 1])
		return;
	votes = DatumGetJsonbP(c->old[attnum - 1]);
	it = JsonbIteratorInit(&votes->root);
	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		switch (token)
		{
			case WJB_BEGIN_OBJECT:
				depth++;
				break;
			case WJB_END_OBJECT:
				depth--;
				break;
			case WJB_KEY:
				if (depth == 1)
					/* what begins with "$" is of approvals, see approval_state.c */
					current = v.val.string.len > 0 && v.val.string.val[0] == '$' ? NULL :
						(v.val.string.len == strlen(name) &&
						 memcmp(v.val.string.val, name, v.val.string.len) == 0) ? mine : others;
				else if (depth == 2 && current != NULL)
					ballot_add(current,
							   strtoll(pnstrdup(v.val.string.val, v.val.string.len), NULL, 10),
							   NULL);
				break;
			case WJB_ELEM:
				if (current != NULL && current->n > 0 && v.type == jbvString)
					for (int r = 0; r < c->flow->nroles; r++)
						if (strlen(c->flow->roles[r]) == v.val.string.len &&
							memcmp(c->flow->roles[r], v.val.string.val, v.val.string.len) == 0)
							current->voters[current->n - 1].roles =
								bms_add_member(current->voters[current->n - 1].roles, r);
				break;
			default:
				break;
		}
	}
}

/*
 * eligible_people returns everybody who may take the action today: holders of
 * an allowed role and people in an allowed column, without those excluded.
 */
static void
eligible_people(WoEvaluation *c, const WoTransition *candidate, Ballot *result)
{
	List	   *excluded = wo_evaluation_excluded(c, candidate, false);
	int			i = -1;
	ListCell   *lc;

	while ((i = bms_next_member(candidate->roles, i)) >= 0)
	{
		foreach(lc, wo_actor_holders(c->actor->tenant, c->flow->roles[i]))
		{
			int64		id = *(int64 *) lfirst(lc);
			Voter	   *voter = ballot_find(result, id);

			if (voter == NULL)
			{
				ballot_add(result, id, NULL);
				voter = &result->voters[result->n - 1];
			}
			voter->roles = bms_add_member(voter->roles, i);
		}
	}
	i = -1;
	while ((i = bms_next_member(candidate->relations, i)) >= 0)
	{
		int64		id = c->old == NULL ? 0 : wo_evaluation_person(c, i, false);
		const WoActor *person = id == 0 ? NULL : wo_actor_by_id(c->actor->tenant, id);

		if (person != NULL && person->active && ballot_find(result, id) == NULL)
			ballot_add(result, id, NULL);
	}
	foreach(lc, excluded)
	{
		Voter	   *voter = ballot_find(result, *(int64 *) lfirst(lc));

		if (voter != NULL)
			*voter = result->voters[--result->n];
	}
}

/*
 * write_votes returns the row's votes with this person's added.
 */
static Jsonb *
write_votes(WoEvaluation *c, const WoTransition *candidate, Bitmapset *roles)
{
	AttrNumber	attnum = c->binding->engine[WO_VOTES];
	const char *name = c->flow->actions[candidate->action];
	WoJsonbState state = WO_JSONB_START;
	JsonbValue	v;
	JsonbValue	key;
	JsonbValue *existing = NULL;
	Jsonb	   *old = NULL;
	char	   *person = psprintf(INT64_FORMAT, c->actor->id);
	int			i = -1;

	if (c->old != NULL && !c->old_null[attnum - 1])
		old = DatumGetJsonbP(c->old[attnum - 1]);

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	if (old != NULL)
	{
		JsonbIterator *it = JsonbIteratorInit(&old->root);
		JsonbIteratorToken token = JsonbIteratorNext(&it, &v, true);

		/* the other actions' votes stay as they are */
		while ((token = JsonbIteratorNext(&it, &v, true)) == WJB_KEY)
		{
			key = v;
			token = JsonbIteratorNext(&it, &v, true);
			Assert(token == WJB_VALUE);
			if (key.val.string.len == strlen(name) &&
				memcmp(key.val.string.val, name, key.val.string.len) == 0)
			{
				existing = palloc(sizeof(JsonbValue));
				*existing = v;
				continue;
			}
			wo_push_jsonb(&state, WJB_KEY, &key);
			wo_value_push(&state, WJB_VALUE, &v);
		}
	}
	wo_value_push_string(&state, WJB_KEY, name);
	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	if (existing != NULL && existing->type == jbvBinary)
	{
		JsonbIterator *it = JsonbIteratorInit(existing->val.binary.data);

		(void) JsonbIteratorNext(&it, &v, true);
		while (JsonbIteratorNext(&it, &v, true) == WJB_KEY)
		{
			wo_push_jsonb(&state, WJB_KEY, &v);
			(void) JsonbIteratorNext(&it, &v, true);
			wo_value_push(&state, WJB_VALUE, &v);
		}
	}
	wo_value_push_string(&state, WJB_KEY, person);
	wo_push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
	while ((i = bms_next_member(roles, i)) >= 0)
		wo_value_push_string(&state, WJB_ELEM, c->flow->roles[i]);
	wo_push_jsonb(&state, WJB_END_ARRAY, NULL);
	wo_push_jsonb(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL));
}

/*
 * wo_approval_votes_needed returns how many votes of an electorate a rule takes: people,
 * or what they weigh.  It is met by so many, and can no longer be met when so
 * many are not left.
 */
int64
wo_approval_votes_needed(WoQuorumKind rule, int64 n, int64 electorate)
{
	switch (rule)
	{
		case WO_QUORUM_COUNT:
			return n;
		case WO_QUORUM_ALL:
			return electorate;
		case WO_QUORUM_PERCENT:
			/* the smallest k with k * 100 >= n * electorate */
			return (n * electorate + 99) / 100;
		case WO_QUORUM_NONE:
		case WO_QUORUM_EACH:
			break;
	}
	return 1;
}

/*
 * wo_approval_count_votes counts the votes as they would stand with this person's.
 */
void
wo_approval_count_votes(WoEvaluation *c, const WoTransition *candidate, WoQuorumCount *count)
{
	Ballot		mine = {0};		/* who voted for this action */
	Ballot		others = {0};	/* who voted for another one in this visit */
	Ballot		eligible = {0}; /* who may still come */
	Ballot		most = {0};		/* everybody who could be on this side in the end */
	Bitmapset  *roles = bms_intersect(candidate->roles, wo_flow_roles_of(c->actor, c->flow));
	int			electorate = 0;

	memset(count, 0, sizeof(*count));
	read_votes(c, candidate, &mine, &others);
	if (ballot_find(&mine, c->actor->id) != NULL || ballot_find(&others, c->actor->id) != NULL)
	{
		count->voted = true;
		return;
	}
	ballot_add(&mine, c->actor->id, roles);

	if (!candidate->everybody)
		eligible_people(c, candidate, &eligible);
	for (int i = 0; i < mine.n; i++)
		ballot_add(&most, mine.voters[i].id, mine.voters[i].roles);
	for (int i = 0; i < eligible.n; i++)
		if (ballot_find(&mine, eligible.voters[i].id) == NULL &&
			ballot_find(&others, eligible.voters[i].id) == NULL)
			ballot_add(&most, eligible.voters[i].id, eligible.voters[i].roles);

	/* those who voted for something else are electors too */
	electorate = most.n;
	for (int i = 0; i < others.n; i++)
		if (ballot_find(&mine, others.voters[i].id) == NULL &&
			ballot_find(&eligible, others.voters[i].id) != NULL)
			electorate++;

	if (candidate->quorum == WO_QUORUM_EACH)
	{
		count->need = bms_num_members(candidate->quorum_roles);
		count->have = roles_covered(&mine, candidate->quorum_roles);
		count->unreachable = roles_covered(&most, candidate->quorum_roles) < count->need;
	}
	else
	{
		count->need = (int) wo_approval_votes_needed(candidate->quorum, candidate->quorum_n, electorate);
		count->have = mine.n;
		count->unreachable = !candidate->everybody && most.n < count->need;
	}
	count->complete = count->have >= count->need;
	count->votes = write_votes(c, candidate, roles);
}

/* ----------------------------------------------------------------
 *		approvals by name
 * ----------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(workorder_deputise);

/* Who is being looked for, and who is out of the question. */
typedef struct Search
{
	WoEvaluation *c;
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
 * add_person gives somebody a task, unless they have one or may have none.
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
	Jsonb	   *found = wo_evaluation_list(search->c, path);
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
	WoEvaluation *c = search->c;

	for (int i = 0; i < n; i++)
	{
		const WoSource *source = &sources[i];

		CHECK_FOR_INTERRUPTS();
		if (source->role >= 0)
			add_role(search, c->flow->roles[source->role], source->weight);
		else if (source->column >= 0)
			add_person(search, wo_evaluation_person(c, source->column, true), source->weight);
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
 * wo_approval_is_met tells whether the tasks decide the step: for it, or, with
 * against, against it because the rule can no longer be met.  Where anybody
 * decides, one refusal does.
 */
bool
wo_approval_is_met(const WoApprovers *approvers, const List *tasks, bool against)
{
	static const WoQuorumKind counted[] = {
		[WO_RULE_ALL] = WO_QUORUM_ALL,
		[WO_RULE_ANY] = WO_QUORUM_NONE,
		[WO_RULE_COUNT] = WO_QUORUM_COUNT,
		[WO_RULE_PERCENT] = WO_QUORUM_PERCENT,
		[WO_RULE_WEIGHT] = WO_QUORUM_COUNT,
		[WO_RULE_SEQUENCE] = WO_QUORUM_ALL
	};
	int64		all = sum_weights(approvers, tasks, true, 0);
	int64		no = sum_weights(approvers, tasks, false, -1);
	int64		need = wo_approval_votes_needed(counted[approvers->rule], approvers->n, all);

	if (!against)
		return sum_weights(approvers, tasks, false, 1) >= need;
	return approvers->rule == WO_RULE_ANY ? no >= 1 : all - no < need;
}

/*
 * wo_approval_can_be_met tells whether these people could pass the step at all.
 */
bool
wo_approval_can_be_met(const WoApprovers *approvers, const List *tasks)
{
	return tasks != NIL && !wo_approval_is_met(approvers, tasks, true);
}

/*
 * wo_approval_transition returns the transition that approving would take in a
 * state: the first whose guard holds, NULL if none does.
 */
const WoTransition *
wo_approval_transition(WoEvaluation *c, int state)
{
	const WoApprovers *approvers = c->flow->states[state].approvers;
	const WoTransitionList *list = &c->flow->states[state].on[approvers->action];

	for (int i = 0; i < list->n; i++)
		if (wo_evaluation_holds(c, list->item[i].guard) == WO_TRUE)
			return &list->item[i];
	return NULL;
}

/*
 * excluded_people lists who may not approve in a state that an action leads
 * to; its own taker counts as having taken it.
 */
static List *
excluded_people(WoEvaluation *c, const WoTransition *candidate, const char *action, int64 for_actor)
{
	List	   *people = wo_evaluation_excluded(c, candidate, true);
	int			number = action != NULL ? wo_flow_action(c->flow, action) : -1;

	if (number >= 0 && bms_is_member(number, candidate->exclude))
		people = with_person(with_person(people, c->actor->id), for_actor);
	return people;
}

/*
 * wo_approval_give_tasks finds the people of a state by the row as it would be.
 */
List *
wo_approval_give_tasks(WoEvaluation *c, int state, const char *action, int64 for_actor)
{
	Search		search = {.c = c, .approvers = c->flow->states[state].approvers};
	const WoApprovers *approvers = search.approvers;
	const WoTransition *candidate = wo_approval_transition(c, state);
	ListCell   *lc;

	if (candidate == NULL)
		candidate = &c->flow->states[state].on[approvers->action].item[0];
	foreach(lc, excluded_people(c, candidate, action, for_actor))
		(void) wo_id_set_add(&search.excluded, *(int64 *) lfirst(lc));
	add_sources(&search, approvers->sources, approvers->nsources);
	if (!wo_approval_can_be_met(approvers, search.tasks) && approvers->none == WO_IF_NONE_FALLBACK)
		add_sources(&search, approvers->fallback, approvers->nfallback);
	return search.tasks;
}

/*
 * wo_approval_excluded tells whether a person may not decide by a transition.
 */
bool
wo_approval_excluded(WoEvaluation *c, const WoTransition *candidate, int64 person)
{
	return (candidate->exclude != NULL || candidate->exclude_former != NIL || candidate->exclude_relations != NULL) &&
		is_listed(wo_evaluation_excluded(c, candidate, false), person);
}

/*
 * list_others lists who is in the other of the two columns at a time.
 */
static List *
list_others(int64 tenant, const char *column, int64 person, const char *other, TimestampTz now)
{
	WoCatalogKey keys[2] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{column, INT8OID, Int64GetDatum(person)}
	};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	List	   *result = NIL;

	wo_catalog_begin(&lookup, wo_catalog_table("deputy", false), keys, 2);
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
	{
		bool		isnull;
		bool		ends;
		Datum		since = wo_catalog_datum(&lookup, tuple, "since", TIMESTAMPTZOID, &isnull);
		Datum		until = wo_catalog_datum(&lookup, tuple, "until", TIMESTAMPTZOID, &ends);
		int64	   *found;

		if (DatumGetTimestampTz(since) > now || (!ends && now >= DatumGetTimestampTz(until)))
			continue;
		found = palloc(sizeof(int64));
		*found = wo_catalog_int64(&lookup, tuple, other);
		result = lappend(result, found);
	}
	wo_catalog_end(&lookup);
	return result;
}

/*
 * wo_approval_principals lists for whom a person stands in at a time.
 */
List *
wo_approval_principals(int64 tenant, int64 person, TimestampTz now)
{
	return list_others(tenant, "deputy_id", person, "actor_id", now);
}

/*
 * wo_approval_deputies lists who stands in for a person at a time.
 */
List *
wo_approval_deputies(int64 tenant, int64 person, TimestampTz now)
{
	return list_others(tenant, "actor_id", person, "deputy_id", now);
}

/*
 * wo_approval_current returns the round of the ticket as it stands.  A row that
 * came to its state without an action has no tasks yet; they are given now.
 */
WoApprovalState *
wo_approval_current(WoEvaluation *c)
{
	WoRow		old = {(Datum *) c->old, (bool *) c->old_null};

	if (c->round != NULL)
		return c->round;
	c->round = c->old != NULL ? wo_approval_state_of_row(c->binding, &old) : wo_approval_state_read(NULL);
	if (c->old != NULL && c->flow->states[c->leaf].approvers != NULL && !c->round->resolved)
	{
		WoEvaluation before = *c;

		before.row = old.values;
		before.row_null = old.nulls;
		before.row_json = NULL;
		c->round->tasks = wo_approval_give_tasks(&before, c->leaf, NULL, 0);
		c->round->resolved = true;
	}
	return c->round;
}

/*
 * open_task finds the task that waits for a person's decision.
 */
static WoTask *
open_task(const WoApprovalState *round, int64 person)
{
	ListCell   *lc;

	foreach(lc, round->tasks)
	{
		WoTask	   *task = lfirst(lc);

		if (task->who == person && task->owner == 0 && wo_approval_state_task_open(round, task))
			return task;
	}
	return NULL;
}

/*
 * wo_approval_status tells what the actor is to the tasks of the ticket, and
 * which task it is about.
 */
WoApproverStatus
wo_approval_status(WoEvaluation *c, const WoTransition *candidate, WoTask **task, int64 *for_actor)
{
	int64		me = c->actor->id;
	WoApproverStatus status = WO_APPROVER_NONE;
	const WoApprovalState *round;
	ListCell   *lc;

	*task = NULL;
	*for_actor = 0;
	if (me == 0 || !c->actor->active || c->old == NULL || c->restricted)
		return WO_APPROVER_NONE;
	round = wo_approval_current(c);
	foreach(lc, round->tasks)
	{
		WoTask	   *t = lfirst(lc);

		if (t->vote != 0 && (t->by == me || t->who == me))
		{
			*task = t;
			return WO_APPROVER_DECIDED;
		}
		if (t->who != me && t->owner != me)
			continue;
		*task = t;
		status = t->owner == me ? WO_APPROVER_DELEGATED : t->owner != 0 ? WO_APPROVER_ADVISING :
			wo_approval_state_task_open(round, t) ? WO_APPROVER_NEXT : WO_APPROVER_WAITING;
	}
	if (status != WO_APPROVER_NONE)
		return status;
	foreach(lc, round->tasks)
	{
		WoTask	   *t = lfirst(lc);

		if (t->who == 0 && t->role != NULL && wo_approval_state_task_open(round, t) &&
			wo_actor_has_role(c->actor, t->role))
		{
			*task = t;
			return WO_APPROVER_NEXT;
		}
	}
	foreach(lc, wo_approval_principals(c->actor->tenant, me, c->now))
	{
		int64		principal = *(int64 *) lfirst(lc);
		WoTask	   *t = open_task(round, principal);

		if (t == NULL || (candidate != NULL && wo_approval_excluded(c, candidate, principal)))
			continue;
		*task = t;
		*for_actor = principal;
		return WO_APPROVER_NEXT;
	}
	return WO_APPROVER_NONE;
}

/*
 * wo_approval_vote has the actor decide, and tells what that leads to.
 */
void
wo_approval_vote(WoEvaluation *c, const WoTransition *candidate, WoVerdict *verdict)
{
	WoApprovalState *round = wo_approval_state_copy(wo_approval_current(c));
	WoTask	   *mine;
	int64		for_actor;
	ListCell   *lc;

	if (wo_approval_status(c, candidate, &mine, &for_actor) != WO_APPROVER_NEXT)
		elog(ERROR, "the actor has no task to decide");
	foreach(lc, round->tasks)
	{
		WoTask	   *task = lfirst(lc);

		if (task->n != mine->n)
			continue;
		round->right = for_actor != 0 ? "deputy" : task->who == 0 ? "role" : "approver";
		task->vote = candidate->against != NULL ? -1 : 1;
		if (task->who == 0)
			task->who = c->actor->id;
		else if (for_actor != 0)
			task->by = c->actor->id;
	}
	round->for_actor = for_actor;
	verdict->round = round;
	verdict->complete = wo_approval_is_met(candidate->approvers, round->tasks, candidate->against != NULL);
}

/*
 * nobody_approves says that a state has not enough people to decide in it.
 */
static WoReason *
nobody_approves(WoEvaluation *c, const WoApprovers *approvers)
{
	return wo_reason_make("approvers", ERRCODE_WO_CONFLICT,
						  psprintf("state \"%s\" has not enough people to approve", c->flow->states[approvers->state].path),
						  psprintf("%s finds nobody, or not as many as its rule needs.", approvers->where),
						  "Name approvers, or give somebody the role.");
}

/*
 * wo_approval_way returns the transition that a ticket goes by which was sent
 * back and is to return to where it came from; the one given, if it was not,
 * or if that does not lead along the way.
 */
const WoTransition *
wo_approval_way(WoEvaluation *c, const WoTransition *taken)
{
	const WoApprovalState *round = wo_approval_current(c);
	const char *to;
	int			target;
	bool		along = false;
	WoTransition *jump;
	ListCell   *lc;

	if (round->resume == NIL)
		return taken;
	to = c->flow->states[wo_evaluation_target(c, taken)].path;
	foreach(lc, round->resume)
		along |= strcmp(lfirst(lc), to) == 0;
	target = wo_flow_state(c->flow, llast(round->resume), strlen(llast(round->resume)));
	if (!along || target < 0)
		return taken;
	jump = palloc(sizeof(WoTransition));
	*jump = *taken;
	jump->source = c->leaf;
	jump->target = target;
	return jump;
}

/*
 * follow_trail notes where a ticket comes from.  Coming back to a state takes
 * the way from there out of the trail.
 */
static void
follow_trail(WoEvaluation *c, WoApprovalState *round, int leaf, const List *resume)
{
	const char *to = c->flow->states[leaf].path;
	List	   *way = list_make1((char *) c->flow->states[c->leaf].path);
	ListCell   *lc;

	if (c->flow->states[leaf].done || c->old == NULL)
	{
		round->return_path = NIL;
		return;
	}
	foreach(lc, round->return_path)
		if (strcmp(((WoReturnStep *) lfirst(lc))->state, to) == 0)
		{
			round->return_path = list_truncate(round->return_path, foreach_current_index(lc));
			return;
		}
	/* who jumps ahead has come all the way */
	if (resume != NIL && strcmp(llast(resume), to) == 0)
		for (int i = 0; i < list_length(resume) - 1; i++)
			way = lappend(way, list_nth(resume, i));
	foreach(lc, way)
	{
		WoReturnStep *step = palloc(sizeof(WoReturnStep));

		if (strcmp(lfirst(lc), to) == 0)
			continue;
		step->state = lfirst(lc);
		step->by = c->actor->id;
		round->return_path = lappend(round->return_path, step);
	}
}

/*
 * enter gives tasks to the approvers of the state that a visit begins in, and
 * passes states over that have nobody to ask.
 */
static WoReason *
enter(WoEvaluation *c, WoApprovalState *round, const char *action, int *leaf)
{
	const WoApprovers *approvers;

	for (int hops = 0; (approvers = c->flow->states[*leaf].approvers) != NULL; hops++)
	{
		const WoTransition *onward;

		CHECK_FOR_INTERRUPTS();
		c->row_json = NULL;
		round->tasks = wo_approval_give_tasks(c, *leaf, action, round->for_actor);
		if (wo_approval_can_be_met(approvers, round->tasks))
		{
			round->resolved = true;
			return NULL;
		}
		if (approvers->none != WO_IF_NONE_SKIP || round->tasks != NIL || hops > c->flow->nstates ||
			(onward = wo_approval_transition(c, *leaf)) == NULL)
			return nobody_approves(c, approvers);
		wo_evaluation_assign(c, onward);
		*leaf = wo_evaluation_move(c, onward, *leaf);
	}
	return NULL;
}

/*
 * wo_approval_follow has the votes of the row being judged follow what was done, and
 * the verdict's leaf if states are passed over; NULL, or why the ticket cannot
 * go there.
 */
WoReason *
wo_approval_follow(WoEvaluation *c, WoVerdict *verdict)
{
	AttrNumber	attnum = c->binding->engine[WO_VOTES];
	WoApprovalState *round = wo_approval_state_copy(verdict->round != NULL ? verdict->round : wo_approval_current(c));
	WoReason   *reason = NULL;
	Jsonb	   *votes;

	if (verdict->round != NULL)
	{
		round->for_actor = verdict->round->for_actor;
		round->right = verdict->round->right;
		round->copied = verdict->round->copied;
	}
	if (verdict->visits)
	{
		List	   *resume = wo_approval_current(c)->resume;

		round->quorums = NULL;
		round->tasks = NIL;
		round->resolved = false;
		round->reminded = 0;
		round->resume = verdict->resume;
		reason = enter(c, round, verdict->action, &verdict->leaf);
		follow_trail(c, round, verdict->leaf, resume);
	}
	else if (verdict->taken->quorum != WO_QUORUM_NONE)
		round->quorums = verdict->complete || verdict->votes == NULL ? NULL :
			wo_approval_state_read(verdict->votes)->quorums;
	votes = wo_approval_state_write(round);
	c->row[attnum - 1] = votes != NULL ? JsonbPGetDatum(votes) : (Datum) 0;
	c->row_null[attnum - 1] = votes == NULL;
	return reason;
}

static WoStatement name_deputy = {
	.table = "deputy",
	.text = "INSERT INTO workorder.deputy (tenant_id, actor_id, deputy_id, since, until) VALUES ($1, $2, $3, $4, $5)"
		" ON CONFLICT (tenant_id, actor_id, deputy_id, since) DO UPDATE SET until = EXCLUDED.until",
	.nargs = 5,
	.types = {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static WoStatement end_deputy = {
	.table = "deputy",
	.text = "DELETE FROM workorder.deputy WHERE tenant_id OPERATOR(pg_catalog.=) $1"
		" AND actor_id OPERATOR(pg_catalog.=) $2 AND deputy_id OPERATOR(pg_catalog.=) $3",
	.nargs = 3,
	.types = {INT8OID, INT8OID, INT8OID}
};

/*
 * deputise(deputy, since, until) has somebody stand in for the caller.
 */
Datum
workorder_deputise(PG_FUNCTION_ARGS)
{
	const WoActor *me = wo_actor_current();
	const WoActor *deputy = PG_ARGISNULL(0) ? NULL :
		wo_actor_by_login(me->tenant, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	TimestampTz since = PG_ARGISNULL(1) ? wo_settings_now() : PG_GETARG_TIMESTAMPTZ(1);
	Datum		values[5];

	if (me->id == 0 || (deputy != NULL && deputy->id == me->id))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("nobody can be their own deputy"),
				 errdetail("A deputy decides in the name of somebody else."),
				 errhint("Sign in, and name somebody else.")));
	if (deputy == NULL || !deputy->active)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("the person does not exist"),
				 errdetail("Nobody active has this login."),
				 errhint("Check the spelling.")));
	values[0] = Int64GetDatum(me->tenant);
	values[1] = Int64GetDatum(me->id);
	values[2] = Int64GetDatum(deputy->id);
	values[3] = TimestampTzGetDatum(since);
	values[4] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	/* what ends before it begins, ends */
	if (!PG_ARGISNULL(2) && PG_GETARG_TIMESTAMPTZ(2) <= since)
		(void) wo_owner_spi_run(&end_deputy, values, NULL);
	else
	{
		(void) wo_owner_spi_run_with_nulls(&name_deputy, values, PG_ARGISNULL(2) ? "    n" : NULL, NULL);
	}
	PG_RETURN_VOID();
}
