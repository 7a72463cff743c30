/*-------------------------------------------------------------------------
 *
 * task.c
 *	  Tasks: the lists that follow a ticket, and what may be done to tasks besides
 *	  deciding them.
 *
 * workorder.task holds what is undecided, workorder.participant who has started,
 * decided or been copied in.  Both are shadows: the truth is in the row's votes and in the journal.  They
 * change in the same commit, under the lock of the ticket's row, by statements
 * that run as the tables' owner (owner_spi.c).  What a row's votes mean is said
 * once, by workorder.approval_tasks(), to which refresh_tasks() and verify() hold
 * the lists.  Flows without approvers, by far the most, cost nothing here.
 *
 * A command is written into the row's slot "action" like any action, with what
 * it needs as JSON: task transfer {"to": "lisi"}.  So it is taken
 * under the same lock, and makes one entry of the journal, which calls it "task
 * transfer".  Each is judged here: who may, by which right, for whom.
 *
 * All memory is the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "journal/entry.h"
#include "permit/approval.h"
#include "permit/permit.h"
#include "permit/reason.h"
#include "permit/task.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/value.h"

/* ----------------------------------------------------------------
 *		lists
 * ----------------------------------------------------------------
 */

#define KEY " WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND guarded_id OPERATOR(pg_catalog.=) $2" \
	" AND ticket_id OPERATOR(pg_catalog.=) $3"

static WoStatement clear_tasks = {
	.table = "task",
	.text = "DELETE FROM workorder.task" KEY,
	.nargs = 3,
	.types = {INT8OID, INT4OID, INT8OID}
};

/* of a ticket that is gone there is only the journal */
static WoStatement clear_parts = {
	.table = "participant",
	.text = "DELETE FROM workorder.participant" KEY,
	.nargs = 3,
	.types = {INT8OID, INT4OID, INT8OID}
};

static WoStatement set_tasks = {
	.table = "task",
	.text = "INSERT INTO workorder.task (tenant_id, guarded_id, ticket_id, number, actor_id, owner_id, role, open, state, since, due_at, reminded_at)"
	" SELECT $1, $2, $3, t.number, t.actor_id, t.owner_id, t.role, t.open, $5, $6, $7, t.reminded_at"
	" FROM workorder.approval_tasks($4) t",
	.nargs = 7,
	.types = {INT8OID, INT4OID, INT8OID, JSONBOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* how many there are, -1 if they are not those of the votes */
static WoStatement check_tasks = {
	.table = "task",
	.text = "WITH shown AS (SELECT number, actor_id, owner_id, role, open, state, since, due_at FROM workorder.task" KEY "),"
	" told AS (SELECT t.number, t.actor_id, t.owner_id, t.role, t.open, $5::text, $6::pg_catalog.timestamptz, $7::pg_catalog.timestamptz"
	" FROM workorder.approval_tasks($4) t)"
	" SELECT CASE WHEN EXISTS (TABLE shown EXCEPT TABLE told) OR EXISTS (TABLE told EXCEPT TABLE shown) THEN -1"
	" ELSE (SELECT pg_catalog.count(*) FROM told) END::pg_catalog.int8",
	.reads = true,
	.nargs = 7,
	.types = {INT8OID, INT4OID, INT8OID, JSONBOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static WoStatement count_tasks = {
	.table = "task",
	.text = "SELECT pg_catalog.count(*) FROM workorder.task WHERE guarded_id OPERATOR(pg_catalog.=) $1",
	.reads = true,
	.nargs = 1,
	.types = {INT4OID}
};

static WoStatement count_parts = {
	.table = "participant",
	.text = "SELECT pg_catalog.count(*) FROM workorder.participant WHERE guarded_id OPERATOR(pg_catalog.=) $1",
	.reads = true,
	.nargs = 1,
	.types = {INT4OID}
};

static WoStatement clear_table_parts = {
	.table = "participant",
	.text = "DELETE FROM workorder.participant WHERE guarded_id OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.types = {INT4OID}
};

static WoStatement clear_table = {
	.table = "task",
	.text = "DELETE FROM workorder.task WHERE guarded_id OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.types = {INT4OID}
};

static WoStatement add_parts = {
	.table = "participant",
	.text = "INSERT INTO workorder.participant (tenant_id, guarded_id, ticket_id, revision, kind, actor_id, at, action)"
	" SELECT $1, $2, $3, $4, $5, p, $7, $8 FROM pg_catalog.unnest($6) p"
	" ON CONFLICT (tenant_id, guarded_id, ticket_id, revision, kind, actor_id) DO NOTHING",
	.nargs = 8,
	.types = {INT8OID, INT4OID, INT8OID, INT4OID, TEXTOID, INT8ARRAYOID, TIMESTAMPTZOID, TEXTOID}
};

/*
 * flow_of returns the flow of a row if it has approvers, NULL otherwise.
 */
static const WoFlow *
flow_of(const WoBinding *binding, const WoRow *row)
{
	AttrNumber	attnum = binding->engine[WO_FLOW_ID];
	const WoFlow *flow = row == NULL || row->nulls[attnum - 1] ? NULL :
		wo_flow_cache_by_id(DatumGetInt32(row->values[attnum - 1]));

	return flow != NULL && flow->approving ? flow : NULL;
}

static TimestampTz
time_of(const WoBinding *binding, const WoRow *row, WoEngineColumn column)
{
	return DatumGetTimestampTz(row->values[binding->engine[column] - 1]);
}

/*
 * add_part notes what people had to do with a change.
 */
static void
add_part(WoBinding *binding, const WoRow *row, Datum *key, const char *kind, Datum *people, int n)
{
	Datum		values[8] = {key[0], key[1], key[2]};

	if (n == 0)
		return;
	values[3] = Int32GetDatum(wo_binding_revision(binding, row));
	values[4] = CStringGetTextDatum(kind);
	values[5] = PointerGetDatum(construct_array(people, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[6] = TimestampTzGetDatum(time_of(binding, row, WO_UPDATED_AT));
	values[7] = CStringGetTextDatum(wo_binding_text(binding, row, WO_LAST_ACTION));
	(void) wo_owner_spi_run(&add_parts, values, NULL);
}

/*
 * note_parts notes who has started, decided, or been copied in by a change.
 */
static void
note_parts(WoBinding *binding, const WoRow *old, const WoRow *row, Datum *key)
{
	const WoApprovalState *round = wo_approval_state_of_row(binding, row);
	AttrNumber	acted = binding->engine[WO_ACTED_BY];
	Datum		people[2];
	int			n = 0;
	ListCell   *lc;

	if (wo_entry_kind(binding, old, row) == WO_KIND_REPAIR)
		return;
	if (old == NULL && !row->nulls[acted - 1])
		add_part(binding, row, key, "started", &row->values[acted - 1], 1);
	if (round->right != NULL && !wo_task_command_is_one(wo_binding_text(binding, row, WO_LAST_ACTION)))
	{
		people[n++] = row->values[acted - 1];
		if (round->for_actor != 0)
			people[n++] = Int64GetDatum(round->for_actor);
		add_part(binding, row, key, "decided", people, n);
	}
	if (round->copied != NIL)
	{
		Datum	   *copied = palloc(sizeof(Datum) * list_length(round->copied));

		n = 0;
		foreach(lc, round->copied)
			copied[n++] = Int64GetDatum(*(int64 *) lfirst(lc));
		add_part(binding, row, key, "copied", copied, n);
	}
}

/*
 * describe fills in what a statement needs to know of a row; what is null of
 * it is returned.
 */
static const char *
describe(WoBinding *binding, const WoRow *row, const WoFlow *flow, Datum *values)
{
	AttrNumber	votes = binding->engine[WO_VOTES];
	char	   *state = wo_binding_text(binding, row, WO_STATE);
	int			leaf = wo_flow_state(flow, state, strlen(state));
	const WoApprovers *approvers = leaf >= 0 ? flow->states[leaf].approvers : NULL;

	values[0] = Int64GetDatum(wo_binding_tenant(binding, row));
	values[1] = Int32GetDatum(binding->guarded_id);
	values[2] = TicketIdGetDatum(wo_binding_id(binding, row->values));
	values[3] = row->values[votes - 1];
	values[4] = CStringGetTextDatum(state);
	values[5] = row->values[binding->engine[WO_ENTERED_AT] - 1];
	values[6] = values[5];
	if (approvers != NULL && approvers->due_given)
	{
		values[6] = DirectFunctionCall2(timestamptz_pl_interval, values[5], IntervalPGetDatum(&approvers->due));
		return row->nulls[votes - 1] ? "   n   " : NULL;
	}
	return row->nulls[votes - 1] ? "   n  n" : "      n";
}

/*
 * wo_task_refresh makes the tasks of a row anew.
 */
void
wo_task_refresh(WoBinding *binding, const WoRow *row)
{
	const WoFlow *flow = flow_of(binding, row);
	Datum		values[7];

	if (flow == NULL || row->nulls[binding->engine[WO_VOTES] - 1])
		return;
	(void) wo_owner_spi_run_with_nulls(&set_tasks, values, describe(binding, row, flow, values), NULL);
}

/*
 * wo_task_check returns how many tasks the votes of a row hold, -1 if others
 * are shown.
 */
int64
wo_task_check(WoBinding *binding, const WoRow *row)
{
	const WoFlow *flow = flow_of(binding, row);
	Datum		values[7];
	int64		result = 0;

	if (flow == NULL)
		return 0;
	(void) wo_owner_spi_run_with_nulls(&check_tasks, values, describe(binding, row, flow, values), &result);
	return result;
}

/*
 * wo_task_count returns how many tasks are shown of a table.
 */
int64
wo_task_count(const WoBinding *binding)
{
	Datum		values[1] = {Int32GetDatum(binding->guarded_id)};
	int64		result = 0;

	(void) wo_owner_spi_run(&count_tasks, values, &result);
	return result;
}

/*
 * wo_task_count_participants returns how many parts are shown of a table.
 */
int64
wo_task_count_participants(const WoBinding *binding)
{
	Datum		values[1] = {Int32GetDatum(binding->guarded_id)};
	int64		result = 0;

	(void) wo_owner_spi_run(&count_parts, values, &result);
	return result;
}

/*
 * wo_task_clear takes everything of a table off the lists.
 */
void
wo_task_clear(int32 guarded_id)
{
	Datum		values[1] = {Int32GetDatum(guarded_id)};

	(void) wo_owner_spi_run(&clear_table, values, NULL);
	(void) wo_owner_spi_run(&clear_table_parts, values, NULL);
}

/*
 * wo_task_follow brings the lists up to what a row says now; NULL stands for
 * no row.
 */
void
wo_task_follow(WoBinding *binding, const WoRow *old, const WoRow *row)
{
	const WoFlow *flow = flow_of(binding, row);
	const WoFlow *before = old != NULL && row != NULL && wo_binding_same(binding, binding->engine[WO_FLOW_ID], old, row) ?
		flow : flow_of(binding, old);
	AttrNumber	votes = binding->engine[WO_VOTES];
	Datum		values[7];

	if (before == NULL && flow == NULL)
		return;
	values[0] = Int64GetDatum(wo_binding_tenant(binding, row != NULL ? row : old));
	values[1] = Int32GetDatum(binding->guarded_id);
	values[2] = TicketIdGetDatum(wo_binding_id(binding, row != NULL ? row->values : old->values));
	if (before != NULL && !old->nulls[votes - 1])
		(void) wo_owner_spi_run(&clear_tasks, values, NULL);
	if (row == NULL)
		(void) wo_owner_spi_run(&clear_parts, values, NULL);
	if (flow == NULL)
		return;
	wo_task_refresh(binding, row);
	note_parts(binding, old, row, values);
}

/* ----------------------------------------------------------------
 *		commands
 * ----------------------------------------------------------------
 */

/* A command being judged. */
typedef struct Command
{
	WoEvaluation	   *c;
	WoTaskCommand kind;
	JsonbContainer *args;		/* an object */
	const WoApprovers *approvers;	/* of the state; NULL if it has none */
	const WoTransition *candidate;	/* what approving would take */
	WoApprovalState    *round;			/* to be changed */
	WoTask	   *task;			/* of round: the one that the actor stands for */
	WoApproverStatus status;
	WoVerdict  *verdict;
} Command;

bool
wo_task_command_is_one(const char *action)
{
	return strncmp(action, WO_ACTION_TASK, strlen(WO_ACTION_TASK)) == 0;
}

static const WoReason *
denied(const char *detail)
{
	return wo_reason_make("allow", ERRCODE_WO_DENIED, "you may not do this to a task here", detail,
					 "Ask who has the task, or who manages it.");
}

static const WoReason *
invalid(const char *detail, const char *hint)
{
	return wo_reason_make("command", ERRCODE_WO_INVALID, "the command for a task cannot be read", detail, hint);
}

static const WoReason *
conflict(const char *code, const char *message, const char *detail)
{
	return wo_reason_make(code, ERRCODE_WO_CONFLICT, message, detail, "Read the ticket again, then decide again.");
}

static JsonbValue *
find_argument(const Command *command, const char *name)
{
	return getKeyJsonValueFromContainer(command->args, name, strlen(name), NULL);
}

/*
 * text_argument returns a text, NULL if it was not given.
 */
static char *
text_argument(const Command *command, const char *name)
{
	JsonbValue *value = find_argument(command, name);

	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * find_person returns whom a login means, somebody active; NULL and the reason
 * otherwise.
 */
static const WoActor *
find_person(const Command *command, JsonbValue *value, bool any, const WoReason **why)
{
	const WoActor *found = NULL;

	if (value == NULL || value->type != jbvString)
	{
		*why = invalid("The person must be given by their login.",
					   "For example: task transfer {\"to\": \"lisi\"}.");
		return NULL;
	}
	found = wo_actor_by_login(command->c->actor->tenant, pnstrdup(value->val.string.val, value->val.string.len));
	if (found == NULL || (!found->active && !any))
	{
		*why = wo_reason_make("actor", ERRCODE_WO_NOT_FOUND, "the person does not exist",
						 "Nobody active has this login.", "Check the spelling.");
		return NULL;
	}
	return found;
}

/*
 * task_of finds the undecided task that somebody has or has lent.
 */
static WoTask *
task_of(const WoApprovalState *round, int64 who)
{
	ListCell   *lc;

	foreach(lc, round->tasks)
	{
		WoTask	   *task = lfirst(lc);

		if (task->vote == 0 && (task->who == who || task->owner == who))
			return task;
	}
	return NULL;
}

/*
 * check_newcomer checks that somebody can be given a task: nobody has two, and who
 * is excluded has none.
 */
static const WoReason *
check_newcomer(const Command *command, int64 who)
{
	ListCell   *lc;

	if (wo_approval_excluded(command->c, command->candidate, who))
		return wo_reason_make("exclude", ERRCODE_WO_DENIED, "the task needs another person",
						 psprintf("%s keeps apart who does what, and they have taken part in this ticket.",
								  command->candidate->where),
						 "Choose somebody else.");
	foreach(lc, command->round->tasks)
	{
		WoTask	   *task = lfirst(lc);

		if (task->who == who || task->owner == who || task->by == who)
			return conflict("twice", "the person has a task here already", "Nobody decides the same step twice.");
	}
	return NULL;
}

/*
 * manages tells whether the actor gives commands about other people's tasks.
 */
static bool
manages(const Command *command)
{
	return command->approvers != NULL &&
		bms_overlap(command->approvers->manage, wo_flow_roles_of(command->c->actor, command->c->flow));
}

/*
 * find_subject finds the task that a command is about: that of "from", if the
 * actor manages tasks, else their own or their principal's.
 */
static const WoReason *
find_subject(Command *command)
{
	JsonbValue *from = find_argument(command, "from");
	const WoReason *why = NULL;
	WoTask	   *mine;
	ListCell   *lc;

	if (from != NULL && from->type != jbvNull)
	{
		const WoActor *owner = find_person(command, from, true, &why);

		if (owner == NULL)
			return why;
		if (owner->id != command->c->actor->id)
		{
			if (!manages(command))
				return denied("Others' tasks are for those whom \"manage\" names.");
			command->round->right = "manager";
			command->task = task_of(command->round, owner->id);
			command->status = WO_APPROVER_NEXT;
			return command->task == NULL ?
				conflict("task", "the person has no task here", "They have decided, or were not asked.") : NULL;
		}
	}
	command->status = wo_approval_status(command->c, command->candidate, &mine, &command->round->for_actor);
	if (command->status == WO_APPROVER_NONE)
		return denied("You have no task here.");
	if (command->status == WO_APPROVER_DECIDED)
		return conflict("voted", "you have decided already", "A decision is not taken back.");
	if (wo_approval_excluded(command->c, command->candidate, command->c->actor->id))
		return wo_reason_make("exclude", ERRCODE_WO_DENIED, "the task needs another person",
						 psprintf("%s keeps apart who does what, and you have taken part in this ticket.",
								  command->candidate->where),
						 "Let somebody else take this action.");
	command->round->right = command->round->for_actor != 0 ? "deputy" :
		command->status == WO_APPROVER_ADVISING ? "adviser" : mine->who == 0 ? "role" : "approver";
	foreach(lc, command->round->tasks)
		if (((WoTask *) lfirst(lc))->n == mine->n)
			command->task = lfirst(lc);
	return NULL;
}

/*
 * own_subject does so where the task must be the holder's own to dispose of.
 */
static const WoReason *
own_subject(Command *command)
{
	const WoReason *why = find_subject(command);

	if (why != NULL)
		return why;
	if (command->task->owner != 0)
		return conflict("delegated", "the task is with somebody for advice", "It has to be returned first.");
	if (command->task->who == 0)
		return conflict("unclaimed", "nobody has taken this task yet", "It has to be claimed first.");
	return NULL;
}

/*
 * add_task gives a task to one person more: before the actor's own, after it, or
 * beside it.
 */
static const WoReason *
add_task(Command *command)
{
	const char *how = text_argument(command, "how");
	const WoReason *why = NULL;
	const WoActor *who = find_person(command, find_argument(command, "who"), false, &why);
	JsonbValue *weight = find_argument(command, "weight");
	WoTask	   *task = palloc0(sizeof(WoTask));
	bool		before = how != NULL && strcmp(how, "before") == 0;
	bool		after = how != NULL && strcmp(how, "after") == 0;
	ListCell   *lc;

	if (how != NULL && !before && !after && strcmp(how, "parallel") != 0)
		return invalid("\"how\" is \"before\", \"after\" or \"parallel\".", "Give one of them.");
	if (who == NULL || (why = own_subject(command)) != NULL || (why = check_newcomer(command, who->id)) != NULL)
		return why;
	task->weight = 1;
	if (weight != NULL && weight->type == jbvNumeric)
	{
		Datum		n = NumericGetDatum(weight->val.numeric);

		if (DatumGetInt32(DirectFunctionCall2(numeric_cmp, n, NumericGetDatum(int64_to_numeric(1)))) < 0 ||
			DatumGetInt32(DirectFunctionCall2(numeric_cmp, n, NumericGetDatum(int64_to_numeric(1000000)))) > 0)
			return invalid("\"weight\" is a number from 1 to 1000000.", "Leave it out for 1.");
		task->weight = DatumGetInt32(DirectFunctionCall1(numeric_int4, n));
	}
	foreach(lc, command->round->tasks)
		task->n = Max(task->n, ((WoTask *) lfirst(lc))->n);
	if (++task->n > 1000)
		return conflict("tasks", "there are too many tasks here", "A step has a thousand at most.");
	task->who = who->id;
	task->added = command->round->for_actor != 0 ? command->round->for_actor : command->c->actor->id;
	task->after = after ? bms_make_singleton(command->task->n) : bms_copy(command->task->after);
	if (before)
		command->task->after = bms_add_member(command->task->after, task->n);
	else
		/* who waits for the one waits for the other too */
		foreach(lc, command->round->tasks)
		{
			WoTask	   *other = lfirst(lc);

			if (bms_is_member(command->task->n, other->after))
				other->after = bms_add_member(other->after, task->n);
		}
	command->round->tasks = lappend(command->round->tasks, task);
	return NULL;
}

/*
 * take_away removes a task that was added, or, for who manages, any that is
 * not decided.  What is left must neither be decided by that nor hopeless.
 */
static const WoReason *
take_away(Command *command)
{
	const WoReason *why = NULL;
	const WoActor *who = find_person(command, find_argument(command, "who"), true, &why);
	WoTask	   *task;
	ListCell   *lc;

	if (who == NULL)
		return why;
	task = task_of(command->round, who->id);
	if (task == NULL)
		return conflict("task", "the person has no task here", "They have decided, or were not asked.");
	if (command->c->actor->id != 0 && task->added == command->c->actor->id)
		command->round->right = "approver";
	else if (manages(command))
		command->round->right = "manager";
	else
		return denied("A task is taken away by who added it, and by those whom \"manage\" names.");
	command->round->tasks = list_delete_ptr(command->round->tasks, task);
	foreach(lc, command->round->tasks)
	{
		WoTask	   *other = lfirst(lc);

		if (!bms_is_member(task->n, other->after))
			continue;
		other->after = bms_del_member(other->after, task->n);
		other->after = bms_add_members(other->after, task->after);
	}
	if (command->round->tasks == NIL || wo_approval_is_met(command->approvers, command->round->tasks, false) ||
		wo_approval_is_met(command->approvers, command->round->tasks, true))
		return conflict("decides", "without this task the step would be decided",
						"Taking tasks away decides nothing.");
	return NULL;
}

/*
 * pass_on gives the task to somebody else: for good, or for advice.
 */
static const WoReason *
pass_on(Command *command, bool advice)
{
	const WoReason *why = NULL;
	const WoActor *to = find_person(command, find_argument(command, "to"), false, &why);

	if (to == NULL || (why = own_subject(command)) != NULL || (why = check_newcomer(command, to->id)) != NULL)
		return why;
	if (advice)
		command->task->owner = command->task->who;
	command->task->who = to->id;
	return NULL;
}

/*
 * hand_over gives all that somebody has on the ticket to another person.
 */
static const WoReason *
hand_over(Command *command)
{
	const WoReason *why = NULL;
	const WoActor *from = find_person(command, find_argument(command, "from"), true, &why);
	const WoActor *to = from == NULL ? NULL : find_person(command, find_argument(command, "to"), false, &why);
	WoTask	   *task;
	bool		any = false;

	if (to == NULL)
		return why;
	if (manages(command))
		command->round->right = "manager";
	else if (from->id == command->c->actor->id)
		command->round->right = "approver";
	else
		return denied("Everything of a person is handed over by themselves, and by those whom \"manage\" names.");
	if ((why = check_newcomer(command, to->id)) != NULL)
		return why;
	while ((task = task_of(command->round, from->id)) != NULL)
	{
		any = true;
		if (task->who == from->id)
			task->who = to->id;
		if (task->owner == from->id)
			task->owner = to->id;
		/* nobody is their own adviser */
		if (task->owner == task->who)
			task->owner = 0;
	}
	return any ? NULL : conflict("task", "the person has no task here", "They have decided, or were not asked.");
}

/*
 * give_back returns a task that was lent for advice.
 */
static const WoReason *
give_back(Command *command)
{
	const WoReason *why = find_subject(command);

	if (why != NULL)
		return why;
	if (command->task->owner == 0)
		return conflict("delegated", "the task is not with anybody for advice", "There is nothing to return.");
	command->task->who = command->task->owner;
	command->task->owner = 0;
	return NULL;
}

/*
 * claim takes a task that a role has; release gives it to the role again.
 */
static const WoReason *
claim(Command *command, bool release)
{
	const WoReason *why = find_subject(command);

	if (why != NULL)
		return why;
	if (release)
	{
		if (command->task->role == NULL || command->task->owner != 0 || command->task->who == 0)
			return conflict("unclaimed", "the task cannot be released", "Only what was claimed can be.");
		command->task->who = 0;
		return NULL;
	}
	if (command->task->who != 0)
		return conflict("claimed", "the task is taken already", "Somebody has it.");
	command->task->who = command->c->actor->id;
	return NULL;
}

/*
 * go_to_step has the ticket go to a step of its trail, by number.
 */
static void
go_to_step(Command *command, int step, bool jump)
{
	WoTransition *way = (WoTransition *) command->verdict->taken;
	const WoReturnStep *to = list_nth(command->round->return_path, step);

	way->target = wo_flow_state(command->c->flow, to->state, strlen(to->state));
	for (int i = step + 1; jump && i < list_length(command->round->return_path); i++)
		command->verdict->resume = lappend(command->verdict->resume,
										 (char *) ((WoReturnStep *) list_nth(command->round->return_path, i))->state);
	if (jump)
		command->verdict->resume = lappend(command->verdict->resume,
										 (char *) command->c->flow->states[command->c->leaf].path);
}

/*
 * send_back returns the ticket to a step before: "start", "previous", or a
 * state by its path.  "then": "jump" leads back here at once, "replay" through
 * all that is in between.
 */
static const WoReason *
send_back(Command *command)
{
	const char *to = text_argument(command, "to");
	const char *then = text_argument(command, "then");
	const WoReason *why = own_subject(command);
	int			n = list_length(command->round->return_path);

	if (why != NULL)
		return why;
	if (command->status != WO_APPROVER_NEXT)
		return conflict("turn", "it is not your turn yet", "Others come before you.");
	if (then != NULL && strcmp(then, "jump") != 0 && strcmp(then, "replay") != 0)
		return invalid("\"then\" is \"replay\" or \"jump\".", "Leave it out for \"replay\".");
	for (int i = n - 1; i >= 0; i--)
		if (to == NULL || strcmp(to, "previous") == 0 || (i == 0 && strcmp(to, "start") == 0) ||
			strcmp(to, ((WoReturnStep *) list_nth(command->round->return_path, i))->state) == 0)
		{
			go_to_step(command, i, then != NULL && strcmp(then, "jump") == 0);
			return NULL;
		}
	return conflict("return_path", "the ticket did not come through there",
					"It is sent back to \"start\", \"previous\", or a state that it came through.");
}

/*
 * is_creator tells whether the actor made the ticket.
 */
static bool
is_creator(const Command *command)
{
	AttrNumber	attnum = command->c->binding->engine[WO_CREATOR_ID];

	return command->c->actor->id != 0 && !command->c->old_null[attnum - 1] &&
		DatumGetInt64(command->c->old[attnum - 1]) == command->c->actor->id;
}

/*
 * withdraw has its creator take the ticket back to the start; take_back has
 * whoever took it here do so one step, as long as nobody has touched it.
 */
static const WoReason *
retreat(Command *command, bool all)
{
	int			n = list_length(command->round->return_path);
	ListCell   *lc;

	if (n == 0)
		return conflict("return_path", "the ticket has come from nowhere", "It was created in this state.");
	if (all)
	{
		if (!is_creator(command))
			return denied("Who made the ticket withdraws it.");
		command->round->right = "initiator";
		go_to_step(command, 0, false);
		return NULL;
	}
	if (command->c->actor->id == 0 || ((WoReturnStep *) llast(command->round->return_path))->by != command->c->actor->id)
		return denied("Who took the ticket here takes it back.");
	foreach(lc, command->round->tasks)
	{
		const WoTask *task = lfirst(lc);

		if (task->vote != 0 || task->owner != 0 || task->added != 0 || (task->role != NULL && task->who != 0))
			return conflict("touched", "somebody is at work on it already", "It is taken back while it is untouched.");
	}
	command->round->right = "last";
	go_to_step(command, n - 1, false);
	return NULL;
}

/*
 * is_party tells whether the actor made the ticket or took it a step.
 */
static bool
is_party(const Command *command)
{
	ListCell   *lc;

	foreach(lc, command->round->return_path)
		if (command->c->actor->id != 0 && ((WoReturnStep *) lfirst(lc))->by == command->c->actor->id)
			return true;
	return is_creator(command);
}

static const WoReason *
remind(Command *command)
{
	int64		now = command->c->now / USECS_PER_SEC +
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;

	if (!is_party(command))
		return denied("Who made the ticket, or took it a step, reminds those who have to decide.");
	if (command->round->reminded != 0 && now < command->round->reminded + command->approvers->remind)
		return conflict("reminded", "they were reminded not long ago",
						psprintf("There are " INT64_FORMAT " seconds between two reminders.", command->approvers->remind));
	command->round->right = "initiator";
	command->round->reminded = now;
	return NULL;
}

/*
 * copy_in lets people know; the ticket's flow says whether they may see it.
 */
static const WoReason *
copy_in(Command *command)
{
	JsonbValue *to = find_argument(command, "to");
	bool		many = to != NULL && to->type == jbvBinary && JsonContainerIsArray(to->val.binary.data);
	int			n = many ? JsonContainerSize(to->val.binary.data) : 1;
	const WoReason *why = NULL;

	if (is_party(command))
		command->round->right = "initiator";
	else if (manages(command))
		command->round->right = "manager";
	else if (command->approvers == NULL)
		return denied("Who made the ticket, or took it a step, copies others in.");
	else if ((why = find_subject(command)) != NULL)
		return why;
	if (n < 1 || n > 1000)
		return invalid("\"to\" is one login, or a list of up to a thousand.", "Say who should know.");
	for (int i = 0; i < n; i++)
	{
		const WoActor *who = find_person(command, many ? getIthJsonbValueFromContainer(to->val.binary.data, i) : to,
									false, &why);
		int64	   *id;

		if (who == NULL)
			return why;
		id = palloc(sizeof(int64));
		*id = who->id;
		command->round->copied = lappend(command->round->copied, id);
	}
	return NULL;
}

static const WoReason *
carry_out(Command *command)
{
	switch (command->kind)
	{
		case WO_TASK_ADD:
			return add_task(command);
		case WO_TASK_REMOVE:
			return take_away(command);
		case WO_TASK_TRANSFER:
			return pass_on(command, false);
		case WO_TASK_DELEGATE:
			return pass_on(command, true);
		case WO_TASK_RETURN:
			return give_back(command);
		case WO_TASK_CLAIM:
			return claim(command, false);
		case WO_TASK_RELEASE:
			return claim(command, true);
		case WO_TASK_SEND_BACK:
			return send_back(command);
		case WO_TASK_WITHDRAW:
			return retreat(command, true);
		case WO_TASK_TAKE_BACK:
			return retreat(command, false);
		case WO_TASK_REMIND:
			return remind(command);
		case WO_TASK_COPY:
			return copy_in(command);
		case WO_TASK_HAND_OVER:
			return hand_over(command);
		default:
			return NULL;
	}
}

/*
 * read_command finds out which command a text is, and what comes with it.
 */
static const WoReason *
read_command(Command *command, const char *text, const char **action)
{
	const char *name = text + strlen(WO_ACTION_TASK);
	int			length = strcspn(name, " ");
	const char *args = name + length + strspn(name + length, " ");
	JsonbValue	value;

	for (int i = 0; i < WO_NTASK_COMMANDS; i++)
		if (strlen(wo_flow_task_commands[i]) == length && strncmp(wo_flow_task_commands[i], name, length) == 0)
		{
			command->kind = i;
			*action = psprintf(WO_ACTION_TASK "%s", wo_flow_task_commands[i]);
		}
	if (*action == NULL)
		return invalid("Nothing is called that which can be done to a task.", "See the manual on approvals.");
	wo_value_parse_json(pstrdup(*args != '\0' ? args : "{}"), &value);
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		return invalid("What comes after its name is not a JSON object.",
					   "For example: task transfer {\"to\": \"lisi\"}.");
	command->args = value.val.binary.data;
	return NULL;
}

/*
 * wo_task_command_judge judges a command, and says in the verdict what follows from it;
 * NULL, or why not.
 */
const WoReason *
wo_task_command_judge(WoEvaluation *c, const char *text, WoVerdict *verdict)
{
	Command		command = {.c = c,.verdict = verdict};
	WoTransition *taken = palloc0(sizeof(WoTransition));
	const WoReason *why;

	memset(verdict, 0, sizeof(*verdict));
	verdict->kind = WO_KIND_ACT;
	taken->action = -1;
	taken->source = c->leaf;
	taken->target = -1;
	verdict->taken = taken;
	verdict->complete = true;
	if ((why = read_command(&command, text, &verdict->action)) != NULL)
		return why;
	command.approvers = c->flow->states[c->leaf].approvers;
	command.round = wo_approval_state_copy(wo_approval_current(c));
	verdict->round = command.round;
	if (command.approvers == NULL && command.kind != WO_TASK_COPY)
		return conflict("state", "nobody is asked to approve in this state", "There are no tasks here.");
	if (command.approvers != NULL)
	{
		command.candidate = wo_approval_transition(c, c->leaf);
		if (command.candidate == NULL)
			command.candidate = &c->flow->states[c->leaf].on[command.approvers->action].item[0];
		if ((command.approvers->may & (uint32) 1 << command.kind) == 0)
			return denied(psprintf("%s does not name this among what its people may.", command.approvers->where));
	}
	if ((why = carry_out(&command)) == NULL)
		why = wo_permit_outcome(c, verdict);
	if (why == NULL)
		why = wo_reason_last_revision(c);
	verdict->allowed = why == NULL;
	return why;
}
