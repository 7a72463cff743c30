/*-------------------------------------------------------------------------
 *
 * quorum.c
 *	  Vote arithmetic: how many votes a rule takes, and who has given them.
 *
 * What approvals need (approval.c) is worked out here as well.
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
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "permit/evaluation.h"
#include "permit/quorum.h"
#include "utils/compat.h"
#include "utils/value.h"

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
 * wo_quorum_need returns how many votes of an electorate a rule takes: people,
 * or what they weigh.  It is met by so many, and can no longer be met when so
 * many are not left.
 */
int64
wo_quorum_need(WoQuorumKind rule, int64 n, int64 electorate)
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
 * wo_quorum_count counts the votes as they would stand with this person's.
 */
void
wo_quorum_count(WoEvaluation *c, const WoTransition *candidate, WoQuorumCount *count)
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
		count->need = (int) wo_quorum_need(candidate->quorum, candidate->quorum_n, electorate);
		count->have = mine.n;
		count->unreachable = !candidate->everybody && most.n < count->need;
	}
	count->complete = count->have >= count->need;
	count->votes = write_votes(c, candidate, roles);
}
