/*-------------------------------------------------------------------------
 *
 * task_command.c
 *	  What may be done to tasks besides deciding them.
 *
 * An order is written into the row's slot "action" like any action, with what
 * it needs as JSON: task transfer {"to": "lisi"}.  So it passes the same door,
 * under the same lock, and makes one line in the journal, which calls it "task
 * transfer".  Each is judged here: who may, by which right, for whom.
 *
 * All memory is the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "flow/flow.h"
#include "permit/approval.h"
#include "permit/permit.h"
#include "permit/reason.h"
#include "permit/task_command.h"
#include "utils/errors.h"
#include "utils/value.h"

/* An order being judged. */
typedef struct Order
{
	WoEvaluation	   *c;
	WoTaskCommand kind;
	JsonbContainer *args;		/* an object */
	const WoApprovers *approvers;	/* of the state; NULL if it has none */
	const WoTransition *candidate;	/* what approving would take */
	WoApprovalState    *round;			/* to be changed */
	WoTask	   *task;			/* of round: the one that the actor stands for */
	WoApproverStatus	standing;
	WoVerdict  *verdict;
} Order;

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
argument(const Order *order, const char *name)
{
	return getKeyJsonValueFromContainer(order->args, name, strlen(name), NULL);
}

/*
 * text_argument returns a text, NULL if it was not given.
 */
static char *
text_argument(const Order *order, const char *name)
{
	JsonbValue *value = argument(order, name);

	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * person returns whom a login means, somebody active; NULL and the reason
 * otherwise.
 */
static const WoActor *
person(const Order *order, JsonbValue *value, bool any, const WoReason **why)
{
	const WoActor *found = NULL;

	if (value == NULL || value->type != jbvString)
	{
		*why = invalid("Whom it is about must be given by his login.",
					   "For example: task transfer {\"to\": \"lisi\"}.");
		return NULL;
	}
	found = wo_actor_by_login(order->c->actor->tenant, pnstrdup(value->val.string.val, value->val.string.len));
	if (found == NULL || (!found->active && !any))
	{
		*why = wo_reason_make("actor", ERRCODE_WO_NOT_FOUND, "there is no such person",
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
 * newcomer checks that somebody can be given a task: nobody has two, and who
 * is excluded has none.
 */
static const WoReason *
newcomer(const Order *order, int64 who)
{
	ListCell   *lc;

	if (wo_approval_excluded(order->c, order->candidate, who))
		return wo_reason_make("exclude", ERRCODE_WO_DENIED, "the task needs another person",
						 psprintf("%s keeps apart who does what, and he has had a part in this ticket.",
								  order->candidate->where),
						 "Choose somebody else.");
	foreach(lc, order->round->tasks)
	{
		WoTask	   *task = lfirst(lc);

		if (task->who == who || task->owner == who || task->by == who)
			return conflict("twice", "he has a task here already", "Nobody decides the same step twice.");
	}
	return NULL;
}

/*
 * manages tells whether the actor orders other people's tasks.
 */
static bool
manages(const Order *order)
{
	return order->approvers != NULL &&
		bms_overlap(order->approvers->manage, wo_flow_roles_of(order->c->actor, order->c->flow));
}

/*
 * find_subject finds the task that an order is about: that of "from", if the
 * actor manages tasks, else his own or his principal's.
 */
static const WoReason *
find_subject(Order *order)
{
	JsonbValue *from = argument(order, "from");
	const WoReason *why = NULL;
	WoTask	   *mine;
	ListCell   *lc;

	if (from != NULL && from->type != jbvNull)
	{
		const WoActor *owner = person(order, from, true, &why);

		if (owner == NULL)
			return why;
		if (owner->id != order->c->actor->id)
		{
			if (!manages(order))
				return denied("Others' tasks are for those whom \"manage\" names.");
			order->round->right = "manager";
			order->task = task_of(order->round, owner->id);
			order->standing = WO_APPROVER_NEXT;
			return order->task == NULL ?
				conflict("task", "he has no task here", "He has decided, or was not asked.") : NULL;
		}
	}
	order->standing = wo_approval_status(order->c, order->candidate, &mine, &order->round->for_actor);
	if (order->standing == WO_APPROVER_NONE)
		return denied("You have no task here.");
	if (order->standing == WO_APPROVER_DECIDED)
		return conflict("voted", "you have decided already", "Nobody takes back what he has decided.");
	if (wo_approval_excluded(order->c, order->candidate, order->c->actor->id))
		return wo_reason_make("exclude", ERRCODE_WO_DENIED, "the task needs another person",
						 psprintf("%s keeps apart who does what, and you have had a part in this ticket.",
								  order->candidate->where),
						 "Let somebody else take this action.");
	order->round->right = order->round->for_actor != 0 ? "deputy" :
		order->standing == WO_APPROVER_ADVISING ? "adviser" : mine->who == 0 ? "role" : "approver";
	foreach(lc, order->round->tasks)
		if (((WoTask *) lfirst(lc))->n == mine->n)
			order->task = lfirst(lc);
	return NULL;
}

/*
 * own_subject does so where the task must be the holder's own to dispose of.
 */
static const WoReason *
own_subject(Order *order)
{
	const WoReason *why = find_subject(order);

	if (why != NULL)
		return why;
	if (order->task->owner != 0)
		return conflict("delegated", "the task is with somebody for advice", "It has to be returned first.");
	if (order->task->who == 0)
		return conflict("unclaimed", "nobody has taken this task yet", "It has to be claimed first.");
	return NULL;
}

/*
 * add gives a task to one person more: before the actor's own, after it, or
 * beside it.
 */
static const WoReason *
add(Order *order)
{
	const char *how = text_argument(order, "how");
	const WoReason *why = NULL;
	const WoActor *who = person(order, argument(order, "who"), false, &why);
	JsonbValue *weight = argument(order, "weight");
	WoTask	   *task = palloc0(sizeof(WoTask));
	bool		before = how != NULL && strcmp(how, "before") == 0;
	bool		after = how != NULL && strcmp(how, "after") == 0;
	ListCell   *lc;

	if (how != NULL && !before && !after && strcmp(how, "parallel") != 0)
		return invalid("\"how\" is \"before\", \"after\" or \"parallel\".", "Give one of them.");
	if (who == NULL || (why = own_subject(order)) != NULL || (why = newcomer(order, who->id)) != NULL)
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
	foreach(lc, order->round->tasks)
		task->n = Max(task->n, ((WoTask *) lfirst(lc))->n);
	if (++task->n > 1000)
		return conflict("tasks", "there are too many tasks here", "A step has a thousand at most.");
	task->who = who->id;
	task->added = order->round->for_actor != 0 ? order->round->for_actor : order->c->actor->id;
	task->after = after ? bms_make_singleton(order->task->n) : bms_copy(order->task->after);
	if (before)
		order->task->after = bms_add_member(order->task->after, task->n);
	else
		/* who waits for the one waits for the other too */
		foreach(lc, order->round->tasks)
		{
			WoTask	   *other = lfirst(lc);

			if (bms_is_member(order->task->n, other->after))
				other->after = bms_add_member(other->after, task->n);
		}
	order->round->tasks = lappend(order->round->tasks, task);
	return NULL;
}

/*
 * take_away removes a task that was added, or, for who manages, any that is
 * not decided.  What is left must neither be decided by that nor hopeless.
 */
static const WoReason *
take_away(Order *order)
{
	const WoReason *why = NULL;
	const WoActor *who = person(order, argument(order, "who"), true, &why);
	WoTask	   *task;
	ListCell   *lc;

	if (who == NULL)
		return why;
	task = task_of(order->round, who->id);
	if (task == NULL)
		return conflict("task", "he has no task here", "He has decided, or was not asked.");
	if (order->c->actor->id != 0 && task->added == order->c->actor->id)
		order->round->right = "approver";
	else if (manages(order))
		order->round->right = "manager";
	else
		return denied("A task is taken away by who added it, and by those whom \"manage\" names.");
	order->round->tasks = list_delete_ptr(order->round->tasks, task);
	foreach(lc, order->round->tasks)
	{
		WoTask	   *other = lfirst(lc);

		if (!bms_is_member(task->n, other->after))
			continue;
		other->after = bms_del_member(other->after, task->n);
		other->after = bms_add_members(other->after, task->after);
	}
	if (order->round->tasks == NIL || wo_approval_is_met(order->approvers, order->round->tasks, false) ||
		wo_approval_is_met(order->approvers, order->round->tasks, true))
		return conflict("decides", "without him the step would be decided",
						"Taking tasks away decides nothing.");
	return NULL;
}

/*
 * pass_on gives the task to somebody else: for good, or for advice.
 */
static const WoReason *
pass_on(Order *order, bool advice)
{
	const WoReason *why = NULL;
	const WoActor *to = person(order, argument(order, "to"), false, &why);

	if (to == NULL || (why = own_subject(order)) != NULL || (why = newcomer(order, to->id)) != NULL)
		return why;
	if (advice)
		order->task->owner = order->task->who;
	order->task->who = to->id;
	return NULL;
}

/*
 * hand_over gives all that somebody has on the ticket to another person.
 */
static const WoReason *
hand_over(Order *order)
{
	const WoReason *why = NULL;
	const WoActor *from = person(order, argument(order, "from"), true, &why);
	const WoActor *to = from == NULL ? NULL : person(order, argument(order, "to"), false, &why);
	WoTask	   *task;
	bool		any = false;

	if (to == NULL)
		return why;
	if (manages(order))
		order->round->right = "manager";
	else if (from->id == order->c->actor->id)
		order->round->right = "approver";
	else
		return denied("Everything of a person is handed over by himself, and by those whom \"manage\" names.");
	if ((why = newcomer(order, to->id)) != NULL)
		return why;
	while ((task = task_of(order->round, from->id)) != NULL)
	{
		any = true;
		if (task->who == from->id)
			task->who = to->id;
		if (task->owner == from->id)
			task->owner = to->id;
		/* nobody advises himself */
		if (task->owner == task->who)
			task->owner = 0;
	}
	return any ? NULL : conflict("task", "he has no task here", "He has decided, or was not asked.");
}

/*
 * give_back returns a task that was lent for advice.
 */
static const WoReason *
give_back(Order *order)
{
	const WoReason *why = find_subject(order);

	if (why != NULL)
		return why;
	if (order->task->owner == 0)
		return conflict("delegated", "the task is not with anybody for advice", "There is nothing to return.");
	order->task->who = order->task->owner;
	order->task->owner = 0;
	return NULL;
}

/*
 * claim takes a task that a role has; release gives it to the role again.
 */
static const WoReason *
claim(Order *order, bool release)
{
	const WoReason *why = find_subject(order);

	if (why != NULL)
		return why;
	if (release)
	{
		if (order->task->role == NULL || order->task->owner != 0 || order->task->who == 0)
			return conflict("unclaimed", "the task cannot be released", "Only what was claimed can be.");
		order->task->who = 0;
		return NULL;
	}
	if (order->task->who != 0)
		return conflict("claimed", "the task is taken already", "Somebody has it.");
	order->task->who = order->c->actor->id;
	return NULL;
}

/*
 * go has the ticket go to a step of its trail, by number.
 */
static void
go(Order *order, int step, bool jump)
{
	WoTransition *way = (WoTransition *) order->verdict->taken;
	const WoReturnStep *to = list_nth(order->round->trail, step);

	way->target = wo_flow_state(order->c->flow, to->state, strlen(to->state));
	for (int i = step + 1; jump && i < list_length(order->round->trail); i++)
		order->verdict->resume = lappend(order->verdict->resume,
										 (char *) ((WoReturnStep *) list_nth(order->round->trail, i))->state);
	if (jump)
		order->verdict->resume = lappend(order->verdict->resume,
										 (char *) order->c->flow->states[order->c->leaf].path);
}

/*
 * send_back returns the ticket to a step before: "start", "previous", or a
 * state by its path.  "then": "jump" leads back here at once, "replay" through
 * all that is in between.
 */
static const WoReason *
send_back(Order *order)
{
	const char *to = text_argument(order, "to");
	const char *then = text_argument(order, "then");
	const WoReason *why = own_subject(order);
	int			n = list_length(order->round->trail);

	if (why != NULL)
		return why;
	if (order->standing != WO_APPROVER_NEXT)
		return conflict("turn", "it is not your turn yet", "Others come before you.");
	if (then != NULL && strcmp(then, "jump") != 0 && strcmp(then, "replay") != 0)
		return invalid("\"then\" is \"replay\" or \"jump\".", "Leave it out for \"replay\".");
	for (int i = n - 1; i >= 0; i--)
		if (to == NULL || strcmp(to, "previous") == 0 || (i == 0 && strcmp(to, "start") == 0) ||
			strcmp(to, ((WoReturnStep *) list_nth(order->round->trail, i))->state) == 0)
		{
			go(order, i, then != NULL && strcmp(then, "jump") == 0);
			return NULL;
		}
	return conflict("return_path", "the ticket did not come through there",
					"It is sent back to \"start\", \"previous\", or a state that it came through.");
}

/*
 * is_creator tells whether the actor made the ticket.
 */
static bool
is_creator(const Order *order)
{
	AttrNumber	attnum = order->c->binding->engine[WO_CREATOR_ID];

	return order->c->actor->id != 0 && !order->c->old_null[attnum - 1] &&
		DatumGetInt64(order->c->old[attnum - 1]) == order->c->actor->id;
}

/*
 * withdraw has its creator take the ticket back to the start; take_back has
 * whoever took it here do so one step, as long as nobody has touched it.
 */
static const WoReason *
retreat(Order *order, bool all)
{
	int			n = list_length(order->round->trail);
	ListCell   *lc;

	if (n == 0)
		return conflict("return_path", "the ticket has come from nowhere", "It was created in this state.");
	if (all)
	{
		if (!is_creator(order))
			return denied("Who made the ticket withdraws it.");
		order->round->right = "initiator";
		go(order, 0, false);
		return NULL;
	}
	if (order->c->actor->id == 0 || ((WoReturnStep *) llast(order->round->trail))->by != order->c->actor->id)
		return denied("Who took the ticket here takes it back.");
	foreach(lc, order->round->tasks)
	{
		const WoTask *task = lfirst(lc);

		if (task->vote != 0 || task->owner != 0 || task->added != 0 || (task->role != NULL && task->who != 0))
			return conflict("touched", "somebody is at work on it already", "It is taken back while it is untouched.");
	}
	order->round->right = "last";
	go(order, n - 1, false);
	return NULL;
}

/*
 * is_party tells whether the actor made the ticket or took it a step.
 */
static bool
is_party(const Order *order)
{
	ListCell   *lc;

	foreach(lc, order->round->trail)
		if (order->c->actor->id != 0 && ((WoReturnStep *) lfirst(lc))->by == order->c->actor->id)
			return true;
	return is_creator(order);
}

static const WoReason *
remind(Order *order)
{
	int64		now = order->c->now / USECS_PER_SEC +
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;

	if (!is_party(order))
		return denied("Who made the ticket, or took it a step, reminds those who have to decide.");
	if (order->round->reminded != 0 && now < order->round->reminded + order->approvers->remind)
		return conflict("reminded", "they were reminded not long ago",
						psprintf("There are " INT64_FORMAT " seconds between two reminders.", order->approvers->remind));
	order->round->right = "initiator";
	order->round->reminded = now;
	return NULL;
}

/*
 * copy_in lets people know; the ticket's flow says whether they may see it.
 */
static const WoReason *
copy_in(Order *order)
{
	JsonbValue *to = argument(order, "to");
	bool		many = to != NULL && to->type == jbvBinary && JsonContainerIsArray(to->val.binary.data);
	int			n = many ? JsonContainerSize(to->val.binary.data) : 1;
	const WoReason *why = NULL;

	if (is_party(order))
		order->round->right = "initiator";
	else if (manages(order))
		order->round->right = "manager";
	else if (order->approvers == NULL)
		return denied("Who made the ticket, or took it a step, copies others in.");
	else if ((why = find_subject(order)) != NULL)
		return why;
	if (n < 1 || n > 1000)
		return invalid("\"to\" is one login, or a list of up to a thousand.", "Say who should know.");
	for (int i = 0; i < n; i++)
	{
		const WoActor *who = person(order, many ? getIthJsonbValueFromContainer(to->val.binary.data, i) : to,
									false, &why);
		int64	   *id;

		if (who == NULL)
			return why;
		id = palloc(sizeof(int64));
		*id = who->id;
		order->round->copied = lappend(order->round->copied, id);
	}
	return NULL;
}

static const WoReason *
carry_out(Order *order)
{
	switch (order->kind)
	{
		case WO_TASK_ADD:
			return add(order);
		case WO_TASK_REMOVE:
			return take_away(order);
		case WO_TASK_TRANSFER:
			return pass_on(order, false);
		case WO_TASK_DELEGATE:
			return pass_on(order, true);
		case WO_TASK_RETURN:
			return give_back(order);
		case WO_TASK_CLAIM:
			return claim(order, false);
		case WO_TASK_RELEASE:
			return claim(order, true);
		case WO_TASK_SEND_BACK:
			return send_back(order);
		case WO_TASK_WITHDRAW:
			return retreat(order, true);
		case WO_TASK_TAKE_BACK:
			return retreat(order, false);
		case WO_TASK_REMIND:
			return remind(order);
		case WO_TASK_COPY:
			return copy_in(order);
		case WO_TASK_HAND_OVER:
			return hand_over(order);
		default:
			return NULL;
	}
}

/*
 * read_order finds out which order a text is, and what comes with it.
 */
static const WoReason *
read_order(Order *order, const char *text, const char **action)
{
	const char *name = text + strlen(WO_ACTION_TASK);
	int			length = strcspn(name, " ");
	const char *args = name + length + strspn(name + length, " ");
	JsonbValue	value;

	for (int i = 0; i < WO_NTASK_COMMANDS; i++)
		if (strlen(wo_flow_task_commands[i]) == length && strncmp(wo_flow_task_commands[i], name, length) == 0)
		{
			order->kind = i;
			*action = psprintf(WO_ACTION_TASK "%s", wo_flow_task_commands[i]);
		}
	if (*action == NULL)
		return invalid("Nothing is called that which can be done to a task.", "See the manual on approvals.");
	wo_value_parse_json(pstrdup(*args != '\0' ? args : "{}"), &value);
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		return invalid("What comes after its name is not a JSON object.",
					   "For example: task transfer {\"to\": \"lisi\"}.");
	order->args = value.val.binary.data;
	return NULL;
}

/*
 * wo_task_command_judge judges an order, and says in the verdict what follows from it;
 * NULL, or why not.
 */
const WoReason *
wo_task_command_judge(WoEvaluation *c, const char *text, WoVerdict *verdict)
{
	Order		order = {.c = c,.verdict = verdict};
	WoTransition *taken = palloc0(sizeof(WoTransition));
	const WoReason *why;

	memset(verdict, 0, sizeof(*verdict));
	verdict->kind = WO_KIND_ACT;
	taken->action = -1;
	taken->source = c->leaf;
	taken->target = -1;
	verdict->taken = taken;
	verdict->complete = true;
	if ((why = read_order(&order, text, &verdict->action)) != NULL)
		return why;
	order.approvers = c->flow->states[c->leaf].approvers;
	order.round = wo_approval_state_copy(wo_approval_current(c));
	verdict->round = order.round;
	if (order.approvers == NULL && order.kind != WO_TASK_COPY)
		return conflict("state", "nobody is asked to approve in this state", "There are no tasks here.");
	if (order.approvers != NULL)
	{
		order.candidate = wo_approval_transition(c, c->leaf);
		if (order.candidate == NULL)
			order.candidate = &c->flow->states[c->leaf].on[order.approvers->action].item[0];
		if ((order.approvers->may & (uint32) 1 << order.kind) == 0)
			return denied(psprintf("%s does not name this among what its people may.", order.approvers->where));
	}
	if ((why = carry_out(&order)) == NULL)
		why = wo_permit_outcome(c, verdict);
	if (why == NULL)
		why = wo_reason_last_revision(c);
	verdict->allowed = why == NULL;
	return why;
}
