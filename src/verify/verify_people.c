/*-------------------------------------------------------------------------
 *
 * verify_people.c
 *	  Who did what to a ticket: a part of workorder.verify().
 *
 * That the flow has a step does not say that this person could take it.  What
 * the journal itself tells of people is checked here: that nobody took a step
 * which "exclude" keeps them from, that an action with a quorum took effect
 * when so many different people had taken it, that a step with approvers was
 * decided by those who were asked, and that no vote is there which its owner
 * did not give.  Who held which role at the time is not on record, nor how
 * many would have made "all" or a percentage, so that much is taken as it is.
 *
 * workorder.participant, the lists of who has started, decided and been copied in,
 * is made again from the same entries and compared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "journal/entry.h"
#include "permit/approval.h"
#include "permit/task.h"
#include "utils/owner_spi.h"
#include "utils/value.h"
#include "verify/verify.h"

/* Somebody took an action on this ticket. */
typedef struct Taker
{
	const char *action;
	int64		person;
} Taker;

/* A row that workorder.participant must have. */
typedef struct Part
{
	int32		revision;
	const char *kind;
	int64		person;
	TimestampTz at;
	const char *action;
} Part;

#define KEY " WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND guarded_id OPERATOR(pg_catalog.=) $2" \
	" AND ticket_id OPERATOR(pg_catalog.=) $3"
#define TOLD "SELECT e.* FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6)," \
	" pg_catalog.unnest($7), pg_catalog.unnest($8)) e (revision, kind, actor_id, at, action)"

/* how many there are, -1 if they are not those that are told of */
static WoStatement check_parts = {
	.table = "participant",
	.text = "WITH shown AS (SELECT revision, kind, actor_id, at, action FROM workorder.participant" KEY "), told AS (" TOLD ")"
	" SELECT CASE WHEN EXISTS (TABLE shown EXCEPT TABLE told) OR EXISTS (TABLE told EXCEPT TABLE shown) THEN -1"
	" ELSE (SELECT pg_catalog.count(*) FROM shown) END::pg_catalog.int8",
	.reads = true,
	.nargs = 8,
	.types = {INT8OID, INT4OID, INT8OID, INT4ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID}
};

static WoStatement set_parts = {
	.table = "participant",
	.text = "INSERT INTO workorder.participant (tenant_id, guarded_id, ticket_id, revision, kind, actor_id, at, action)"
	" SELECT $1, $2, $3, t.* FROM (" TOLD ") t ON CONFLICT DO NOTHING",
	.nargs = 8,
	.types = {INT8OID, INT4OID, INT8OID, INT4ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID}
};

/*
 * kept_votes returns the votes that the entries so far leave in the row; NULL if
 * there are none.
 */
static Jsonb *
kept_votes(WoVerify *v)
{
	Jsonb	   *votes = v->fold->values[v->binding->engine[WO_VOTES] - 1];

	return votes != NULL && JB_ROOT_IS_OBJECT(votes) ? votes : NULL;
}

/*
 * votes_for returns the votes for one action, NULL if there are none.
 */
static JsonbContainer *
votes_for(Jsonb *votes, const char *action, int len)
{
	JsonbValue *people = votes == NULL ? NULL : getKeyJsonValueFromContainer(&votes->root, action, len, NULL);

	return people != NULL && people->type == jbvBinary && JsonContainerIsObject(people->val.binary.data) ?
		people->val.binary.data : NULL;
}

/*
 * has_voted tells whether a person's vote for an action is there.
 */
static bool
has_voted(Jsonb *votes, const char *action, int len, const char *person, int person_len)
{
	JsonbContainer *people = votes_for(votes, action, len);

	return people != NULL && getKeyJsonValueFromContainer(people, person, person_len, NULL) != NULL;
}

/*
 * all_given tells whether every vote was there before, or is the one that the
 * entry's taker gives now; action is NULL if they give none.  What begins with
 * "$" is of approvals.
 */
static bool
all_given(Jsonb *votes, Jsonb *before, const char *action, const char *person)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *voted = NULL;
	int			depth = 0;

	it = JsonbIteratorInit(&votes->root);
	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_OBJECT || token == WJB_BEGIN_ARRAY)
			depth++;
		else if (token == WJB_END_OBJECT || token == WJB_END_ARRAY)
			depth--;
		else if (token == WJB_KEY && depth == 1)
			voted = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_KEY && depth == 2 && voted[0] != '$' &&
				 !has_voted(before, voted, strlen(voted), v.val.string.val, v.val.string.len) &&
				 (action == NULL || strcmp(voted, action) != 0 || strlen(person) != v.val.string.len ||
				  memcmp(person, v.val.string.val, v.val.string.len) != 0))
			return false;
	}
	return true;
}

/*
 * counted_already tells whether a person has voted in this visit, for any action.
 */
static bool
counted_already(const WoFlow *flow, Jsonb *before, const char *person)
{
	for (int i = 0; i < flow->nactions; i++)
		if (has_voted(before, flow->actions[i], strlen(flow->actions[i]), person, strlen(person)))
			return true;
	return false;
}

/*
 * person_in returns the person whose number a column held before the entry.
 */
static int64
person_in(WoVerify *v, AttrNumber attnum)
{
	Datum		value;
	bool		isnull = true;

	if (attnum == InvalidAttrNumber || v->fold->values[attnum - 1] == NULL)
		return 0;
	value = wo_binding_value(v->binding, attnum, v->fold->values[attnum - 1], &isnull);
	if (isnull)
		return 0;
	return TupleDescAttr(v->binding->desc, attnum - 1)->atttypid == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
}

/*
 * is_excluded tells whether "exclude" keeps the people of an entry from a
 * transition.
 */
static bool
is_excluded(WoVerify *v, const WoJournalEntry *entry, const WoFlow *flow, const WoTransition *candidate)
{
	int			i = -1;
	ListCell   *lc;

	foreach(lc, v->takers)
	{
		const Taker *taker = lfirst(lc);

		if (wo_flow_excludes(flow, candidate, taker->action) &&
			(taker->person == entry->actor || taker->person == entry->for_actor))
			return true;
	}
	while ((i = bms_next_member(candidate->exclude_relations, i)) >= 0)
	{
		int64		person = person_in(v, wo_binding_columns(v->binding, flow)[i]);

		if (person != 0 && (person == entry->actor || person == entry->for_actor))
			return true;
	}
	return false;
}

/*
 * check_quorum tells what is wrong with the votes that an entry's effect rests
 * on; NULL if nothing is.
 */
static const char *
check_quorum(const WoFlow *flow, const WoTransition *candidate, const char *person, Jsonb *before, bool moved, int leads)
{
	const char *action = flow->actions[candidate->action];
	JsonbContainer *votes = votes_for(before, action, strlen(action));
	int			have = (votes != NULL ? JsonContainerSize(votes) : 0) + 1;
	int			need = candidate->quorum == WO_QUORUM_COUNT ? candidate->quorum_n :
		candidate->quorum == WO_QUORUM_EACH ? bms_num_members(candidate->quorum_roles) : 0;

	if (counted_already(flow, before, person))
		return psprintf("\"%s\" counts a person who had voted already", action);
	if (moved && have < need)
		return psprintf("\"%s\" took effect with %d of the %d votes that it needs", action, have, need);
	if (!moved && leads >= 0 && candidate->quorum == WO_QUORUM_COUNT && have >= need)
		return psprintf("\"%s\" had the %d votes that it needs, and took no effect", action, need);
	return NULL;
}

/*
 * check_decision does the same where approvers decide by name.
 */
static const char *
check_decision(const WoJournalEntry *entry, const WoFlow *flow, const WoTransition *candidate, Jsonb *before, bool moved)
{
	WoApprovalState    *round = wo_approval_state_read(before);
	int64		person = entry->for_actor != 0 ? entry->for_actor : entry->actor;
	WoTask	   *decided = NULL;
	ListCell   *lc;

	/* Of a ticket that came here without an action nobody had been asked yet. */
	if (!round->resolved)
		return NULL;
	foreach(lc, round->tasks)
	{
		WoTask	   *task = lfirst(lc);

		if (wo_approval_state_task_open(round, task) && task->owner == 0 &&
			(task->who == person || (task->who == 0 && decided == NULL)))
			decided = task;
	}
	if (decided == NULL)
		return psprintf("nobody had asked who decided by \"%s\"", flow->actions[candidate->action]);
	decided->vote = candidate->against != NULL ? -1 : 1;
	if (moved && !wo_approval_is_met(candidate->approvers, round->tasks, candidate->against != NULL))
		return psprintf("\"%s\" took effect before enough people had decided", flow->actions[candidate->action]);
	return NULL;
}

/*
 * wo_verify_people_check checks who took a step.  The candidates are the transitions
 * that lead from where the ticket was to where it went: one of them was taken,
 * so it is enough that one of them could be.
 */
void
wo_verify_people_check(WoVerify *v, const WoJournalEntry *entry, const WoFlow *flow, List *candidates,
				 int from, int to, JsonbValue *votes)
{
	char	   *person = psprintf(INT64_FORMAT, entry->actor);
	Jsonb	   *before = kept_votes(v);
	const char *problem = NULL;
	const char *code = NULL;
	bool		counted = false;
	bool		sound = candidates == NIL;
	ListCell   *lc;

	foreach(lc, candidates)
	{
		const WoTransition *candidate = lfirst(lc);
		const char *wrong = NULL;

		if (is_excluded(v, entry, flow, candidate))
		{
			problem = psprintf("%s keeps who took it from it: they had a part in the ticket before", candidate->where);
			code = "exclude";
			continue;
		}
		if (entry->to_state != NULL && candidate->approvers != NULL)
			wrong = check_decision(entry, flow, candidate, before, from != to);
		else if (entry->to_state != NULL && candidate->quorum != WO_QUORUM_NONE)
		{
			counted = true;
			wrong = check_quorum(flow, candidate, person, before, from != to,
								 flow->approving || candidate->target < 0 ||
								 wo_flow_enter(flow, candidate->target, wo_verify_report_history(v)) == from ? -1 : candidate->target);
		}
		if (wrong != NULL)
		{
			problem = wrong;
			code = "quorum";
		}
		sound |= wrong == NULL;
	}
	if (!sound)
		wo_verify_report(v, entry->ticket, entry->revision, code, "%s", problem);

	/* A visit that ends takes its votes with it. */
	if (votes != NULL && votes->type == jbvBinary && JsonContainerIsObject(votes->val.binary.data) &&
		entry->to_state != NULL &&
		!all_given(JsonbValueToJsonb(votes), from == to ? before : NULL, counted && from == to ? entry->action : NULL, person))
		wo_verify_report(v, entry->ticket, entry->revision, "votes",
						 "the entry has votes that nobody gave, or gave in another visit");
}

static void
add_part(WoVerify *v, const WoJournalEntry *entry, const char *kind, int64 person)
{
	Part	   *part = palloc(sizeof(Part));

	part->revision = entry->revision;
	part->kind = kind;
	part->person = person;
	part->at = entry->at;
	part->action = pstrdup(entry->action);
	v->parts = lappend(v->parts, part);
}

/*
 * wo_verify_people_follow remembers what people had to do with an entry that has just
 * been folded.
 */
void
wo_verify_people_follow(WoVerify *v, const WoJournalEntry *entry)
{
	const WoFlow *flow = wo_verify_report_flow(v);
	MemoryContext old;

	if (entry->action == NULL)
		return;
	old = MemoryContextSwitchTo(v->context);
	for (int i = 0; i < 2; i++)
	{
		int64		person = i == 0 ? entry->actor : entry->for_actor;
		Taker	   *taker;

		if (person == 0)
			continue;
		taker = palloc(sizeof(Taker));
		taker->action = pstrdup(entry->action);
		taker->person = person;
		v->takers = lappend(v->takers, taker);
	}

	/* the same as task.c says when it happens */
	if (entry->to_state == NULL)
		v->parts = NIL;
	else if (flow != NULL && flow->approving && !wo_replay_is_base(entry) &&
			 strcmp(entry->action, WO_ACTION_MAINTENANCE) != 0)
	{
		WoApprovalState    *round = wo_approval_state_read(kept_votes(v));
		ListCell   *lc;

		v->approving = true;
		if (entry->from_state == NULL && entry->actor != 0)
			add_part(v, entry, "started", entry->actor);
		if (round->right != NULL && !wo_task_command_is_one(entry->action))
		{
			add_part(v, entry, "decided", entry->actor);
			if (round->for_actor != 0)
				add_part(v, entry, "decided", round->for_actor);
		}
		foreach(lc, round->copied)
			add_part(v, entry, "copied", *(int64 *) lfirst(lc));
	}
	MemoryContextSwitchTo(old);
}

/*
 * wo_verify_people_participants compares the lists of a ticket's people with its entries, or
 * makes them so.
 */
void
wo_verify_people_participants(WoVerify *v, int64 tenant, WoTicketId ticket)
{
	int			n = list_length(v->parts);
	Datum	   *columns[5];
	Datum		values[8] = {Int64GetDatum(tenant), Int32GetDatum(v->binding->guarded_id), TicketIdGetDatum(ticket)};
	int64		shown = 0;
	ListCell   *lc;

	if (!v->approving || v->retime)
		return;
	for (int i = 0; i < lengthof(columns); i++)
		columns[i] = palloc(sizeof(Datum) * Max(n, 1));
	foreach(lc, v->parts)
	{
		const Part *part = lfirst(lc);
		int			i = foreach_current_index(lc);

		columns[0][i] = Int32GetDatum(part->revision);
		columns[1][i] = CStringGetTextDatum(part->kind);
		columns[2][i] = Int64GetDatum(part->person);
		columns[3][i] = TimestampTzGetDatum(part->at);
		columns[4][i] = CStringGetTextDatum(part->action);
	}
	values[3] = PointerGetDatum(construct_array(columns[0], n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[4] = PointerGetDatum(construct_array(columns[1], n, TEXTOID, -1, false, TYPALIGN_INT));
	values[5] = PointerGetDatum(construct_array(columns[2], n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[6] = PointerGetDatum(construct_array(columns[3], n, TIMESTAMPTZOID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[7] = PointerGetDatum(construct_array(columns[4], n, TEXTOID, -1, false, TYPALIGN_INT));
	if (v->retask)
	{
		(void) wo_owner_spi_run(&set_parts, values, NULL);
		return;
	}
	(void) wo_owner_spi_run(&check_parts, values, &shown);
	if (shown < 0)
		wo_verify_report(v, ticket, v->fold->revision, "participants",
						 "who has started, decided or been copied in is not what the journal tells");
	else
		v->nparts += shown;
}
