/*-------------------------------------------------------------------------
 *
 * approval_state.c
 *	  Approvals as they travel in a row's votes.
 *
 *		{"$tasks": [{"n": 1, "who": 17}, {"n": 2, "role": "hr", "after": [1]}],
 *		 "$return_path": [{"by": 5, "state": "draft"}],
 *		 "$act": {"for": 17, "right": "deputy"}}
 *
 * Keys that begin with "$" are of approvals, the others are the votes of
 * quorums (approval.c), since no action has such a name.  What is in the row is
 * locked with it, journalled with it, and folded back by verify().
 *
 * A round lives in the caller's memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "row/approval_state.h"
#include "utils/compat.h"
#include "utils/value.h"

static JsonbValue *
member(JsonbContainer *object, const char *key)
{
	return JsonContainerIsObject(object) ?
		getKeyJsonValueFromContainer(object, key, strlen(key), NULL) : NULL;
}

/*
 * number returns a whole number; 0 for what is none, which no one has written.
 */
static int64
number(const JsonbValue *value)
{
	if (value == NULL || value->type != jbvNumeric)
		return 0;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

static char *
string(const JsonbValue *value)
{
	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * array returns the elements of a list, none if it is not one.
 */
static JsonbContainer *
array(JsonbValue *value, int *n)
{
	*n = 0;
	if (value == NULL || value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		return NULL;
	*n = JsonContainerSize(value->val.binary.data);
	return value->val.binary.data;
}

static WoTask *
read_task(JsonbContainer *object)
{
	WoTask	   *task = palloc0(sizeof(WoTask));
	JsonbValue *vote = member(object, "vote");
	int			n;
	JsonbContainer *after = array(member(object, "after"), &n);

	task->n = (int) number(member(object, "n"));
	task->who = number(member(object, "who"));
	task->owner = number(member(object, "owner"));
	task->role = string(member(object, "role"));
	task->weight = Max((int) number(member(object, "weight")), 1);
	task->added = number(member(object, "added"));
	task->by = number(member(object, "by"));
	if (vote != NULL && vote->type == jbvBool)
		task->vote = vote->val.boolean ? 1 : -1;
	for (int i = 0; i < n; i++)
	{
		int64		before = number(getIthJsonbValueFromContainer(after, i));

		if (before > 0 && before < PG_INT16_MAX)
			task->after = bms_add_member(task->after, (int) before);
	}
	return task;
}

/*
 * quorums_of returns the votes without what is of approvals, NULL for none.
 */
static Jsonb *
quorums_of(Jsonb *votes)
{
	WoJsonbState state = WO_JSONB_START;
	JsonbIterator *it = JsonbIteratorInit(&votes->root);
	JsonbValue	key;
	JsonbValue	value;
	bool		any = false;

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &value, true);
		if (key.val.string.len > 0 && key.val.string.val[0] == '$')
			continue;
		any = true;
		wo_push_jsonb(&state, WJB_KEY, &key);
		wo_value_push(&state, WJB_VALUE, &value);
	}
	key = *wo_push_jsonb(&state, WJB_END_OBJECT, NULL);
	return any ? JsonbValueToJsonb(&key) : NULL;
}

/*
 * wo_approval_state_read takes votes apart; NULL is an empty round.
 */
WoApprovalState *
wo_approval_state_read(Jsonb *votes)
{
	WoApprovalState *round = palloc0(sizeof(WoApprovalState));
	JsonbContainer *list;
	JsonbValue *value;
	int			n;

	if (votes == NULL || !JB_ROOT_IS_OBJECT(votes))
		return round;
	round->quorums = quorums_of(votes);
	value = member(&votes->root, "$tasks");
	round->resolved = value != NULL;
	list = array(value, &n);
	for (int i = 0; i < n; i++)
	{
		value = getIthJsonbValueFromContainer(list, i);
		if (value->type == jbvBinary)
			round->tasks = lappend(round->tasks, read_task(value->val.binary.data));
	}
	list = array(member(&votes->root, "$return_path"), &n);
	for (int i = 0; i < n; i++)
	{
		WoReturnStep *step = palloc0(sizeof(WoReturnStep));

		value = getIthJsonbValueFromContainer(list, i);
		if (value->type != jbvBinary ||
			(step->state = string(member(value->val.binary.data, "state"))) == NULL)
			continue;
		step->by = number(member(value->val.binary.data, "by"));
		round->return_path = lappend(round->return_path, step);
	}
	list = array(member(&votes->root, "$resume"), &n);
	for (int i = 0; i < n; i++)
		if ((value = getIthJsonbValueFromContainer(list, i))->type == jbvString)
			round->resume = lappend(round->resume, string(value));
	round->reminded = number(member(&votes->root, "$reminded"));

	value = member(&votes->root, "$act");
	if (value != NULL && value->type == jbvBinary)
	{
		round->for_actor = number(member(value->val.binary.data, "for"));
		round->right = string(member(value->val.binary.data, "right"));
		list = array(member(value->val.binary.data, "copied"), &n);
		for (int i = 0; i < n; i++)
		{
			int64	   *person = palloc(sizeof(int64));

			*person = number(getIthJsonbValueFromContainer(list, i));
			round->copied = lappend(round->copied, person);
		}
	}
	return round;
}

/*
 * wo_approval_state_copy copies a round so that tasks and lists of the copy can be
 * changed; what was said of the last act is left behind.
 */
WoApprovalState *
wo_approval_state_copy(const WoApprovalState *round)
{
	WoApprovalState *copy = palloc(sizeof(WoApprovalState));
	ListCell   *lc;

	*copy = *round;
	copy->tasks = NIL;
	foreach(lc, round->tasks)
	{
		WoTask	   *task = palloc(sizeof(WoTask));

		*task = *(WoTask *) lfirst(lc);
		task->after = bms_copy(task->after);
		copy->tasks = lappend(copy->tasks, task);
	}
	copy->return_path = list_copy(round->return_path);
	copy->resume = list_copy(round->resume);
	copy->for_actor = 0;
	copy->right = NULL;
	copy->copied = NIL;
	return copy;
}

static void
push_number(WoJsonbState *state, JsonbIteratorToken token, int64 n)
{
	JsonbValue	v;

	v.type = jbvNumeric;
	v.val.numeric = int64_to_numeric(n);
	wo_push_jsonb(state, token, &v);
}

/*
 * push_if adds a number unless it says nothing.
 */
static void
push_if(WoJsonbState *state, const char *key, int64 n, int64 nothing)
{
	if (n == nothing)
		return;
	wo_value_push_string(state, WJB_KEY, key);
	push_number(state, WJB_VALUE, n);
}

static void
push_task(WoJsonbState *state, const WoTask *task)
{
	int			n = -1;
	JsonbValue	v;

	wo_push_jsonb(state, WJB_BEGIN_OBJECT, NULL);
	push_if(state, "n", task->n, 0);
	push_if(state, "who", task->who, 0);
	push_if(state, "owner", task->owner, 0);
	push_if(state, "weight", task->weight, 1);
	push_if(state, "added", task->added, 0);
	push_if(state, "by", task->by, 0);
	if (task->role != NULL)
	{
		wo_value_push_string(state, WJB_KEY, "role");
		wo_value_push_string(state, WJB_VALUE, task->role);
	}
	if (task->vote != 0)
	{
		wo_value_push_string(state, WJB_KEY, "vote");
		v.type = jbvBool;
		v.val.boolean = task->vote > 0;
		wo_push_jsonb(state, WJB_VALUE, &v);
	}
	if (!bms_is_empty(task->after))
	{
		wo_value_push_string(state, WJB_KEY, "after");
		wo_push_jsonb(state, WJB_BEGIN_ARRAY, NULL);
		while ((n = bms_next_member(task->after, n)) >= 0)
			push_number(state, WJB_ELEM, n);
		wo_push_jsonb(state, WJB_END_ARRAY, NULL);
	}
	wo_push_jsonb(state, WJB_END_OBJECT, NULL);
}

static void
push_act(WoJsonbState *state, const WoApprovalState *round)
{
	ListCell   *lc;

	wo_value_push_string(state, WJB_KEY, "$act");
	wo_push_jsonb(state, WJB_BEGIN_OBJECT, NULL);
	push_if(state, "for", round->for_actor, 0);
	wo_value_push_string(state, WJB_KEY, "right");
	wo_value_push_string(state, WJB_VALUE, round->right);
	if (round->copied != NIL)
	{
		wo_value_push_string(state, WJB_KEY, "copied");
		wo_push_jsonb(state, WJB_BEGIN_ARRAY, NULL);
		foreach(lc, round->copied)
			push_number(state, WJB_ELEM, *(int64 *) lfirst(lc));
		wo_push_jsonb(state, WJB_END_ARRAY, NULL);
	}
	wo_push_jsonb(state, WJB_END_OBJECT, NULL);
}

/*
 * wo_approval_state_write makes votes of a round, NULL if it says nothing.
 */
Jsonb *
wo_approval_state_write(const WoApprovalState *round)
{
	WoJsonbState state = WO_JSONB_START;
	ListCell   *lc;

	if (round->quorums == NULL && !round->resolved && round->return_path == NIL &&
		round->resume == NIL && round->reminded == 0 && round->right == NULL)
		return NULL;
	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	if (round->quorums != NULL)
	{
		JsonbIterator *it = JsonbIteratorInit(&round->quorums->root);
		JsonbValue	v;

		(void) JsonbIteratorNext(&it, &v, true);
		while (JsonbIteratorNext(&it, &v, true) == WJB_KEY)
		{
			wo_push_jsonb(&state, WJB_KEY, &v);
			(void) JsonbIteratorNext(&it, &v, true);
			wo_value_push(&state, WJB_VALUE, &v);
		}
	}
	if (round->resolved)
	{
		wo_value_push_string(&state, WJB_KEY, "$tasks");
		wo_push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
		foreach(lc, round->tasks)
			push_task(&state, lfirst(lc));
		wo_push_jsonb(&state, WJB_END_ARRAY, NULL);
	}
	if (round->return_path != NIL)
	{
		wo_value_push_string(&state, WJB_KEY, "$return_path");
		wo_push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
		foreach(lc, round->return_path)
		{
			const WoReturnStep *step = lfirst(lc);

			wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
			push_if(&state, "by", step->by, 0);
			wo_value_push_string(&state, WJB_KEY, "state");
			wo_value_push_string(&state, WJB_VALUE, step->state);
			wo_push_jsonb(&state, WJB_END_OBJECT, NULL);
		}
		wo_push_jsonb(&state, WJB_END_ARRAY, NULL);
	}
	if (round->resume != NIL)
	{
		wo_value_push_string(&state, WJB_KEY, "$resume");
		wo_push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
		foreach(lc, round->resume)
			wo_value_push_string(&state, WJB_ELEM, lfirst(lc));
		wo_push_jsonb(&state, WJB_END_ARRAY, NULL);
	}
	push_if(&state, "$reminded", round->reminded, 0);
	if (round->right != NULL)
		push_act(&state, round);
	return JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL));
}

/*
 * wo_approval_state_for_actor tells for whom the act was that made these votes, 0 if
 * for themselves.
 */
int64
wo_approval_state_for_actor(Jsonb *votes)
{
	JsonbValue *act = JB_ROOT_IS_OBJECT(votes) ? member(&votes->root, "$act") : NULL;

	return act != NULL && act->type == jbvBinary ? number(member(act->val.binary.data, "for")) : 0;
}

/*
 * wo_approval_state_of_row reads the round of a row, an empty one if it has no votes.
 */
WoApprovalState *
wo_approval_state_of_row(const WoBinding *binding, const WoRow *row)
{
	AttrNumber	attnum = binding->engine[WO_VOTES];

	return wo_approval_state_read(row->nulls[attnum - 1] ? NULL : DatumGetJsonbP(row->values[attnum - 1]));
}

/*
 * wo_approval_state_task_open tells whether a task waits for its person, and for nobody else.
 */
bool
wo_approval_state_task_open(const WoApprovalState *round, const WoTask *task)
{
	ListCell   *lc;

	if (task->vote != 0)
		return false;
	foreach(lc, round->tasks)
	{
		const WoTask *other = lfirst(lc);

		if (other->vote == 0 && bms_is_member(other->n, task->after))
			return false;
	}
	return true;
}
