/*-------------------------------------------------------------------------
 *
 * flow_approvers.c
 *	  jsonb -> compiled flow: who has to decide, "approvers" of a transition.
 *
 *		{"of": ["manager", "$lead_id", "$.partners[*]", {"actor": "boss"}],
 *		 "rule": "all", "none": "fail"}
 *
 * Approvers belong to the state: one action of it has them, all of that
 * action's candidates share them, and actions that write "approvers": "approve"
 * count against them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "permit/approval.h"
#include "flow/flow_compile.h"

static const char *const approver_keys = "Known keys here: of, rule, none, claim, may, manage, remind, due.";
static const char *const rule_forms = "Write \"all\", \"any\", \"sequence\", a number from 1 to 1000, \"60%\" or {\"weight\": 60}.";
static const char *const source_forms = "Write a role, \"$column\", \"$.path[*]\", {\"actor\": \"login\"}, or {\"who\": any of these, \"weight\": 2}.";

#define MAX_SOURCES		100
#define DEFAULT_REMIND	3600	/* seconds */

const char *const wo_task_orders[WO_NTASK_ORDERS] = {
	"add", "remove", "transfer", "delegate", "return", "claim", "release",
	"send_back", "withdraw", "take_back", "remind", "copy", "hand_over"
};

/*
 * compile_who reads one word of "of".
 */
static bool
compile_who(WoCompiler *cx, WoSource *source, JsonbValue *value)
{
	const char *text;

	if (value->type != jbvString)
		return false;
	text = wo_compile_text(cx, value);
	if (text[0] == '$' && (text[1] == '.' || text[1] == '[' || text[1] == '\0'))
		source->path = wo_compile_path(cx, "bad_path", text);
	else if (text[0] == '$')
		source->column = wo_compile_column(cx, text + 1);
	else
		source->role = wo_compile_role(cx, text);
	return true;
}

/*
 * compile_source reads one element of "of".
 */
static bool
compile_source(WoCompiler *cx, WoSource *source, JsonbValue *value)
{
	JsonbContainer *object;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	element;
	bool		found = false;

	source->role = source->column = -1;
	source->weight = 1;
	if (value->type == jbvString)
		return compile_who(cx, source, value);
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		return false;
	object = value->val.binary.data;
	it = JsonbIteratorInit(object);
	while (wo_compile_pair(&it, &key, &element))
	{
		if (wo_compile_is_key(&key, "actor") && element.type == jbvString && !found)
		{
			source->login = wo_compile_text(cx, &element);
			found = true;
		}
		else if (wo_compile_is_key(&key, "who") && !found)
			found = compile_who(cx, source, &element);
		else if (wo_compile_is_key(&key, "weight") && element.type == jbvNumeric &&
				 (source->weight = wo_compile_count(element.val.numeric, 1000000)) > 0)
			continue;
		else
			return false;
	}
	return found;
}

/*
 * compile_sources reads a list of people, or one of them.
 */
static int
compile_sources(WoCompiler *cx, JsonbValue *value, WoSource **sources)
{
	JsonbContainer *array = value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data) ?
		value->val.binary.data : NULL;
	int			n = array != NULL ? JsonContainerSize(array) : 1;
	bool		valid = n > 0 && n <= MAX_SOURCES;

	*sources = MemoryContextAllocZero(cx->flow->context, sizeof(WoSource) * Max(n, 1));
	for (int i = 0; valid && i < n; i++)
		valid = compile_source(cx, &(*sources)[i],
							   array != NULL ? getIthJsonbValueFromContainer(array, i) : value);
	if (valid)
		return n;
	wo_compile_defect(cx, "bad_approvers", source_forms, "this does not say who approves");
	return 0;
}

/*
 * compile_rule reads "rule".
 */
static void
compile_rule(WoCompiler *cx, WoApprovers *approvers, JsonbValue *value)
{
	bool		valid = false;

	if (value->type == jbvNumeric)
	{
		approvers->rule = WO_RULE_COUNT;
		approvers->n = wo_compile_count(value->val.numeric, 1000);
		valid = approvers->n > 0;
	}
	else if (value->type == jbvString)
	{
		const char *text = wo_compile_text(cx, value);

		valid = true;
		if (strcmp(text, "all") == 0)
			approvers->rule = WO_RULE_ALL;
		else if (strcmp(text, "any") == 0)
			approvers->rule = WO_RULE_ANY;
		else if (strcmp(text, "sequence") == 0)
			approvers->rule = WO_RULE_SEQUENCE;
		else
		{
			approvers->rule = WO_RULE_PERCENT;
			approvers->n = wo_compile_percent(text);
			valid = approvers->n > 0;
		}
	}
	else if (value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data))
	{
		JsonbValue	buffer;
		JsonbValue *weight = getKeyJsonValueFromContainer(value->val.binary.data, "weight", 6, &buffer);

		approvers->rule = WO_RULE_WEIGHT;
		if (weight != NULL && weight->type == jbvNumeric && JsonContainerSize(value->val.binary.data) == 1)
			approvers->n = wo_compile_count(weight->val.numeric, 1000000000);
		valid = approvers->n > 0;
	}
	if (!valid)
		wo_compile_defect(cx, "bad_rule", rule_forms, "this is not a rule");
}

/*
 * compile_none reads "none".
 */
static void
compile_none(WoCompiler *cx, WoApprovers *approvers, JsonbValue *value)
{
	JsonbValue	buffer;
	JsonbValue *fallback;
	const char *text = value->type == jbvString ? wo_compile_text(cx, value) : "";

	if (strcmp(text, "fail") == 0)
		approvers->none = WO_NOBODY_FAIL;
	else if (strcmp(text, "skip") == 0)
		approvers->none = WO_NOBODY_SKIP;
	else if (value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data) &&
			 JsonContainerSize(value->val.binary.data) == 1 &&
			 (fallback = getKeyJsonValueFromContainer(value->val.binary.data, "fallback", 8, &buffer)) != NULL)
	{
		approvers->none = WO_NOBODY_FALLBACK;
		approvers->nfallback = compile_sources(cx, fallback, &approvers->fallback);
	}
	else
		wo_compile_defect(cx, "bad_none", "Write \"fail\", \"skip\" or {\"fallback\": [...]}.",
						  "this does not say what is done if nobody is found");
}

/*
 * compile_may reads "may": which orders its people may give.
 */
static void
compile_may(WoCompiler *cx, WoApprovers *approvers, JsonbValue *value)
{
	ListCell   *lc;

	approvers->may = 0;
	foreach(lc, wo_compile_strings(cx, value))
	{
		int			order = 0;

		while (order < WO_NTASK_ORDERS && strcmp(wo_task_orders[order], lfirst(lc)) != 0)
			order++;
		if (order < WO_NTASK_ORDERS)
			approvers->may |= (uint32) 1 << order;
		else
			wo_compile_defect(cx, "unknown_order",
							  "There are add, remove, transfer, delegate, return, claim, release, send_back, withdraw, take_back, remind, copy and hand_over.",
							  "nothing is called \"%s\" that can be done to a task",
							  wo_compile_shown(lfirst(lc), strlen(lfirst(lc))));
	}
}

/*
 * compile_span reads a duration.
 */
static bool
compile_span(WoCompiler *cx, JsonbValue *value, Interval *interval)
{
	const char *calendar = NULL;
	const char *problem = "is none";
	const char *text = value->type == jbvString ? wo_compile_text(cx, value) : "";

	if (wo_delay_parse(text, interval, &calendar, &problem) && calendar == NULL)
		return true;
	wo_compile_defect(cx, "bad_duration", "Write P3D, PT30M or P1M2DT12H.", "\"%s\" is not a duration",
					  wo_compile_shown(text, strlen(text)));
	return false;
}

/*
 * compile_part reads one key of "approvers".
 */
static void
compile_part(WoCompiler *cx, WoApprovers *approvers, JsonbValue *key, JsonbValue *value, bool *none)
{
	Interval	span;
	ListCell   *lc;

	if (wo_compile_is_key(key, "of"))
		approvers->nsources = compile_sources(cx, value, &approvers->sources);
	else if (wo_compile_is_key(key, "rule"))
		compile_rule(cx, approvers, value);
	else if (wo_compile_is_key(key, "none"))
	{
		*none = true;
		compile_none(cx, approvers, value);
	}
	else if (wo_compile_is_key(key, "claim") && value->type == jbvBool)
		approvers->claim = value->val.boolean;
	else if (wo_compile_is_key(key, "may"))
		compile_may(cx, approvers, value);
	else if (wo_compile_is_key(key, "manage"))
	{
		foreach(lc, wo_compile_strings(cx, value))
		{
			int			role = wo_compile_role(cx, lfirst(lc));
			MemoryContext old = MemoryContextSwitchTo(cx->flow->context);

			if (role >= 0)
				approvers->manage = bms_add_member(approvers->manage, role);
			MemoryContextSwitchTo(old);
		}
	}
	else if (wo_compile_is_key(key, "remind"))
	{
		if (compile_span(cx, value, &span))
			approvers->remind = span.time / USECS_PER_SEC + span.day * (int64) SECS_PER_DAY +
				span.month * (int64) (DAYS_PER_MONTH * SECS_PER_DAY);
	}
	else if (wo_compile_is_key(key, "due"))
		approvers->due_given = compile_span(cx, value, &approvers->due);
	else
		wo_compile_defect(cx, "unknown_key", approver_keys, "there is no key \"%s\" here, or its value has another type",
						  wo_compile_shown(key->val.string.val, key->val.string.len));
}

/*
 * wo_compile_approvers reads "approvers": an object, or the name of the action
 * that this one speaks against.
 */
void
wo_compile_approvers(WoCompiler *cx, WoCandidate *c, JsonbValue *value)
{
	WoApprovers *approvers;
	JsonbContainer *object;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	element;
	bool		none = false;

	if (value->type == jbvString)
	{
		wo_compile_string(cx, value, &c->against);
		return;
	}
	if ((object = wo_compile_object(cx, value)) == NULL)
		return;
	approvers = MemoryContextAllocZero(cx->flow->context, sizeof(WoApprovers));
	approvers->action = c->action;
	approvers->state = c->source;
	approvers->where = c->where;
	approvers->may = ((uint32) 1 << WO_NTASK_ORDERS) - 1;
	approvers->remind = DEFAULT_REMIND;
	it = JsonbIteratorInit(object);
	while (wo_compile_pair(&it, &key, &element))
	{
		int			mark = wo_compile_enter(cx, "%s", wo_compile_shown(key.val.string.val, key.val.string.len));

		compile_part(cx, approvers, &key, &element, &none);
		wo_compile_leave(cx, mark);
	}
	if (approvers->nsources == 0)
		wo_compile_defect(cx, "approvers_of", source_forms, "\"of\" is missing: nobody is named to approve");
	if (!none)
		wo_compile_defect(cx, "approvers_none", "Write \"none\": \"fail\", \"skip\" or {\"fallback\": [...]}.",
						  "\"none\" is missing: it is not said what is done if nobody is found");
	c->approvers = approvers;
	cx->flow->approving = true;
}

/*
 * settle_list gives the approvers of an action's first candidate to the others
 * of its list.
 */
static void
settle_list(WoCompiler *cx, WoState *state, WoCandidateList *list)
{
	const WoApprovers *approvers = list->n > 0 ? list->item[0].approvers : NULL;

	for (int i = 0; i < list->n; i++)
	{
		WoCandidate *c = &list->item[i];

		if (c->approvers == NULL && approvers == NULL)
			continue;
		if (i > 0 && (c->approvers != NULL || approvers == NULL))
			wo_compile_defect(cx, "approvers_twice", "Write them with the first transition of the list; the others share them.",
							  "approvers belong to the action \"%s\", not to one way that it can take",
							  cx->flow->actions[c->action]);
		c->approvers = approvers;
		if (c->target < 0)
			wo_compile_defect(cx, "approvers_target", "Give the transition a target.",
							  "\"%s\" has approvers and leads nowhere", cx->flow->actions[c->action]);
	}
	if (approvers == NULL)
		return;
	if (state->approvers != NULL)
		wo_compile_defect(cx, "approvers_twice", "Use one action, and let others count against it: \"approvers\": \"approve\".",
						  "two actions of this state have approvers");
	state->approvers = (WoApprovers *) approvers;
	if (state->kind != WO_STATE_ATOMIC)
		wo_compile_defect(cx, "approvers_state", "Write the action in the states in which rows rest.",
						  "only a state without states in it can have approvers");
}

/*
 * wo_compile_settle_approvers makes the approvers of one action those of its
 * state, and finds the actions that speak against them.
 */
void
wo_compile_settle_approvers(WoCompiler *cx, int s)
{
	WoState    *state = &cx->flow->states[s];

	for (int a = 0; a < cx->flow->nactions; a++)
		settle_list(cx, state, &state->on[a]);
	for (int a = 0; a < cx->flow->nactions; a++)
		for (int i = 0; i < state->on[a].n; i++)
		{
			WoCandidate *c = &state->on[a].item[i];

			if (c->against != NULL)
			{
				c->approvers = state->approvers;
				if (state->approvers == NULL || strcmp(cx->flow->actions[state->approvers->action], c->against) != 0 ||
					a == state->approvers->action)
					wo_compile_defect(cx, "approvers_against", "Name the action of this state that has approvers.",
									  "no action \"%s\" of this state has approvers to speak against",
									  wo_compile_shown(c->against, strlen(c->against)));
				if (c->target < 0)
					wo_compile_defect(cx, "approvers_target", "Give the transition a target.",
									  "\"%s\" decides, and leads nowhere", cx->flow->actions[a]);
			}
			if (c->approvers != NULL && (a == cx->flow->action_create || a == cx->flow->action_update ||
										 a == cx->flow->action_delete))
				wo_compile_defect(cx, "row_operation", "Put the approvers on an action of its own.",
								  "\"%s\" cannot have approvers", cx->flow->actions[a]);
			if (c->approvers != NULL && (c->allow_given || c->quorum != WO_QUORUM_NONE || c->reenter))
				wo_compile_defect(cx, "approvers_alone", "Take out \"allow\", \"quorum\" and \"reenter\".",
								  "approvers say who may, and how many it takes");
		}
}
