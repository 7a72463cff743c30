/*-------------------------------------------------------------------------
 *
 * flow_transition.c
 *	  jsonb -> compiled flow: what a state reacts to, "on" and "after", and who
 *	  has to decide there, "approvers".
 *
 * Each transition becomes a WoTransition in the flow's context.  This file
 * refuses what cannot be compiled; whether what was compiled makes sense is
 * for flow_check.c.
 *
 *	{"of": ["manager", "$lead_id", "$.partners[*]", {"actor": "boss"}],
 *	 "rule": "all", "none": "fail"}
 *
 * Approvers belong to the state: one action of it has them, all of that
 * action's transitions share them, and actions that write "approvers":
 * "approve" count against them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "flow/flow_transition.h"
#include "utils/catalog.h"
#include "utils/compat.h"

static const char *const transition_keys = "Known keys here: target, allow, guard, require, fields, set, quorum, approvers, exclude, reenter, description, meta.";
static const char *const quorum_forms = "Write a number from 1 to 1000, \"all\", \"60%\" or {\"each\": [roles]}.";
static const char *const approver_keys = "Known keys here: of, rule, none, claim, may, manage, remind, due.";
static const char *const rule_forms = "Write \"all\", \"any\", \"sequence\", a number from 1 to 1000, \"60%\" or {\"weight\": 60}.";
static const char *const source_forms = "Write a role, \"$column\", \"$.path[*]\", {\"actor\": \"login\"}, or {\"who\": any of these, \"weight\": 2}.";

#define MAX_SOURCES		100
#define DEFAULT_REMIND	3600	/* seconds */

/* What an expression is used for, while its mentions are looked at. */
typedef struct Expression
{
	WoCompiler *cx;
	List	   *reported;		/* unknown names, each told once */
} Expression;

/*
 * with_member adds to a set that lives in the flow's context.
 */
static Bitmapset *
with_member(WoCompiler *cx, Bitmapset *set, int member)
{
	MemoryContext old = MemoryContextSwitchTo(cx->flow->context);

	set = bms_add_member(set, member);
	MemoryContextSwitchTo(old);
	return set;
}

/*
 * with_column adds a column to a set, if it can be one.
 */
static Bitmapset *
with_column(WoCompiler *cx, Bitmapset *set, const char *name)
{
	int			column = wo_flow_read_column(cx, name);

	return column < 0 ? set : with_member(cx, set, column);
}

/*
 * check_mention refuses variables that no guard is given, and registers
 * columns.
 */
static void
check_mention(void *arg, WoMention kind, const char *name)
{
	Expression *expression = arg;
	const char *shown = wo_flow_read_shown(name, strlen(name));
	ListCell   *lc;

	if (kind == WO_MENTION_COLUMN)
	{
		wo_flow_read_column(expression->cx, name);
		return;
	}
	if (kind == WO_MENTION_VARIABLE &&
		(strcmp(name, "old") == 0 || strcmp(name, "actor") == 0 || strcmp(name, "now") == 0))
		return;
	if (kind == WO_MENTION_ACTOR &&
		(strcmp(name, "id") == 0 || strcmp(name, "login") == 0 ||
		 strcmp(name, "name") == 0 || strcmp(name, "roles") == 0))
		return;
	foreach(lc, expression->reported)
		if (strcmp(lfirst(lc), name) == 0)
			return;
	expression->reported = lappend(expression->reported, (char *) name);
	wo_flow_read_defect(expression->cx, "unknown_variable",
						"There are $old, $now and $actor with id, login, name and roles; the new row is $ itself, as in $.days.",
						kind == WO_MENTION_ACTOR ? "$actor has no \"%s\"" : "variable $%s does not exist", shown);
}

/*
 * compile_path parses a jsonpath into the flow's context, NULL if it is wrong.
 */
static JsonPath *
compile_path(WoCompiler *cx, const char *code, const char *text)
{
	Expression	expression = {cx, NIL};
	char	   *problem = NULL;
	JsonPath   *path = wo_flow_read_path(text, &problem);
	JsonPath   *result;

	if (path == NULL)
	{
		wo_flow_read_defect(cx, code, "The language is PostgreSQL's jsonpath; the new row is $, as in $.days > 5.",
							"%s", wo_flow_read_shown(problem, strlen(problem)));
		return NULL;
	}
	wo_flow_read_mentions(path, check_mention, &expression);
	result = MemoryContextAlloc(cx->flow->context, VARSIZE(path));
	memcpy(result, path, VARSIZE(path));
	return result;
}

/*
 * compile_allow reads "allow": roles, "$column" and "*".
 */
static void
compile_allow(WoCompiler *cx, WoTransition *c, JsonbValue *value)
{
	ListCell   *lc;

	c->allow_given = true;
	foreach(lc, wo_flow_read_strings(cx, value))
	{
		const char *who = lfirst(lc);
		int			role;

		if (strcmp(who, "*") == 0)
			c->everybody = true;
		else if (who[0] == '$')
			c->relations = with_column(cx, c->relations, who + 1);
		else if ((role = wo_flow_read_role(cx, who)) >= 0)
			c->roles = with_member(cx, c->roles, role);
	}
}

/*
 * reacts_to tells whether any state of a document has an action.
 */
static bool
reacts_to(JsonbContainer *container, const char *action)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		on = false;

	check_stack_depth();
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			on = wo_flow_read_is_key(&value, "on");
		else if (token == WJB_VALUE && value.type == jbvBinary)
		{
			if (on && JsonContainerIsObject(value.val.binary.data) &&
				getKeyJsonValueFromContainer(value.val.binary.data, action, strlen(action), NULL) != NULL)
				return true;
			if (reacts_to(value.val.binary.data, action))
				return true;
		}
	}
	return false;
}

/*
 * is_former tells whether a version of the flow that was published has an
 * action: who took it on a ticket that comes from there is kept away by it.
 */
static bool
is_former(const WoFlow *flow, const char *action)
{
	Oid			table = wo_catalog_table("flow", true);
	WoCatalogKey key = {"name", TEXTOID, 0};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	bool		found = false;

	if (!OidIsValid(table) || flow->name == NULL)
		return false;
	key.value = CStringGetTextDatum(flow->name);
	wo_catalog_begin(&lookup, table, &key, 1);
	while (!found && (tuple = wo_catalog_next(&lookup)) != NULL)
	{
		bool		isnull;
		Datum		definition = wo_catalog_datum(&lookup, tuple, "definition", JSONBOID, &isnull);
		const char *life = wo_catalog_text(&lookup, tuple, "life");

		found = !isnull && life != NULL && strcmp(life, "draft") != 0 && reacts_to(&DatumGetJsonbP(definition)->root, action);
	}
	wo_catalog_end(&lookup);
	return found;
}

/*
 * compile_exclude reads "exclude": actions, those of earlier versions too, and
 * "$column".
 */
static void
compile_exclude(WoCompiler *cx, WoTransition *c, JsonbValue *value)
{
	ListCell   *lc;

	foreach(lc, wo_flow_read_strings(cx, value))
	{
		const char *what = lfirst(lc);
		int			action;

		if (what[0] == '$')
			c->exclude_relations = with_column(cx, c->exclude_relations, what + 1);
		else if ((action = wo_flow_action(cx->flow, what)) >= 0)
			c->exclude = with_member(cx, c->exclude, action);
		else if (is_former(cx->flow, what))
		{
			MemoryContext old = MemoryContextSwitchTo(cx->flow->context);

			c->exclude_former = lappend(c->exclude_former, pstrdup(what));
			MemoryContextSwitchTo(old);
			wo_flow_read_defect(cx, "former_action", "Correct the name, if an action of this version is meant.",
								"only earlier versions of the flow have an action \"%s\"", wo_flow_read_shown(what, strlen(what)));
		}
		else
			wo_flow_read_defect(cx, "unknown_action", "Name an action of this flow, or of an earlier version of it; a column is written with a \"$\" in front.",
								"action \"%s\" does not exist", wo_flow_read_shown(what, strlen(what)));
	}
}

/*
 * compile_require reads "require": columns and "note".
 */
static void
compile_require(WoCompiler *cx, WoTransition *c, JsonbValue *value)
{
	ListCell   *lc;

	foreach(lc, wo_flow_read_strings(cx, value))
	{
		if (strcmp(lfirst(lc), "note") == 0)
			c->require_note = true;
		else
			c->require = with_column(cx, c->require, lfirst(lc));
	}
}

/*
 * compile_fields reads "fields": columns, or "*" for all of the user's.
 */
static void
compile_fields(WoCompiler *cx, WoTransition *c, JsonbValue *value)
{
	ListCell   *lc;

	c->fields_given = true;
	foreach(lc, wo_flow_read_strings(cx, value))
	{
		if (strcmp(lfirst(lc), "*") == 0)
			c->fields_any = true;
		else
			c->fields = with_column(cx, c->fields, lfirst(lc));
	}
}

/*
 * compile_set reads "set": column := literal, or jsonpath if it is a string
 * that starts with "$".
 */
static void
compile_set(WoCompiler *cx, WoTransition *c, JsonbValue *value)
{
	JsonbContainer *object = wo_flow_read_object(cx, value);
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	element;

	if (object == NULL)
		return;
	c->assignments = MemoryContextAllocZero(cx->flow->context,
											sizeof(WoAssignment) * Max(JsonContainerSize(object), 1));
	it = JsonbIteratorInit(object);
	while (wo_flow_read_pair(&it, &key, &element))
	{
		char	   *name = wo_flow_read_text(cx, &key);
		int			mark = wo_flow_read_enter(cx, "%s", wo_flow_read_shown(name, strlen(name)));
		WoAssignment set = {.column = wo_flow_read_column(cx, name)};

		if (element.type == jbvString && element.val.string.len > 0 && element.val.string.val[0] == '$')
			set.path = compile_path(cx, "bad_path", wo_flow_read_text(cx, &element));
		else
		{
			Jsonb	   *literal = JsonbValueToJsonb(&element);

			set.literal = MemoryContextAlloc(cx->flow->context, VARSIZE(literal));
			memcpy(set.literal, literal, VARSIZE(literal));
		}
		if (set.column >= 0 && (set.path != NULL || set.literal != NULL))
			c->assignments[c->nassignments++] = set;
		wo_flow_read_leave(cx, mark);
	}
}

/*
 * compile_count reads a whole number between 1 and the limit, -1 if it is none.
 */
static int
compile_count(Numeric number, int limit)
{
	Datum		value = NumericGetDatum(number);
	Datum		whole = DirectFunctionCall1(numeric_floor, value);

	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, value, whole)) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, value,
										 DirectFunctionCall1(int4_numeric, Int32GetDatum(1)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, value,
										 DirectFunctionCall1(int4_numeric, Int32GetDatum(limit)))))
		return -1;
	return DatumGetInt32(DirectFunctionCall1(numeric_int4, value));
}

/*
 * compile_percent reads "1%" to "100%", -1 if it is none.
 */
static int
compile_percent(const char *text)
{
	int			n = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9' && n <= 100; p++)
		n = n * 10 + (*p - '0');
	return strcmp(p, "%") == 0 && n >= 1 && n <= 100 && text[0] != '0' ? n : -1;
}

/*
 * compile_each reads {"each": [roles]}.
 */
static bool
compile_each(WoCompiler *cx, WoTransition *c, JsonbContainer *object)
{
	JsonbValue	buffer;
	JsonbValue *each = getKeyJsonValueFromContainer(object, "each", 4, &buffer);
	ListCell   *lc;

	if (each == NULL || JsonContainerSize(object) != 1)
		return false;
	foreach(lc, wo_flow_read_strings(cx, each))
	{
		int			role = wo_flow_read_role(cx, lfirst(lc));

		if (role >= 0)
			c->quorum_roles = with_member(cx, c->quorum_roles, role);
	}
	c->quorum = WO_QUORUM_EACH;
	return c->quorum_roles != NULL;
}

/*
 * compile_quorum reads "quorum".
 */
static void
compile_quorum(WoCompiler *cx, WoTransition *c, JsonbValue *value)
{
	bool		valid = false;

	if (value->type == jbvNumeric)
	{
		c->quorum = WO_QUORUM_COUNT;
		c->quorum_n = compile_count(value->val.numeric, 1000);
		valid = c->quorum_n > 0;
	}
	else if (value->type == jbvString)
	{
		const char *text = wo_flow_read_text(cx, value);

		c->quorum = WO_QUORUM_PERCENT;
		c->quorum_n = compile_percent(text);
		valid = c->quorum_n > 0;
		if (strcmp(text, "all") == 0)
		{
			c->quorum = WO_QUORUM_ALL;
			c->quorum_n = 0;
			valid = true;
		}
	}
	else if (value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data))
		valid = compile_each(cx, c, value->val.binary.data);

	if (!valid)
	{
		c->quorum = WO_QUORUM_NONE;
		wo_flow_read_defect(cx, "bad_quorum", quorum_forms, "this is not a quorum");
	}
	else if (c->quorum == WO_QUORUM_COUNT && c->quorum_n == 1)
		c->quorum = WO_QUORUM_NONE; /* one act is what it takes anyhow */
}

/* --- approvers ------------------------------------------------------------- */

/*
 * compile_who reads one word of "of".
 */
static bool
compile_who(WoCompiler *cx, WoSource *source, JsonbValue *value)
{
	const char *text;

	if (value->type != jbvString)
		return false;
	text = wo_flow_read_text(cx, value);
	if (text[0] == '$' && (text[1] == '.' || text[1] == '[' || text[1] == '\0'))
		source->path = compile_path(cx, "bad_path", text);
	else if (text[0] == '$')
		source->column = wo_flow_read_column(cx, text + 1);
	else
		source->role = wo_flow_read_role(cx, text);
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
	while (wo_flow_read_pair(&it, &key, &element))
	{
		if (wo_flow_read_is_key(&key, "actor") && element.type == jbvString && !found)
		{
			source->login = wo_flow_read_text(cx, &element);
			found = true;
		}
		else if (wo_flow_read_is_key(&key, "who") && !found)
			found = compile_who(cx, source, &element);
		else if (wo_flow_read_is_key(&key, "weight") && element.type == jbvNumeric &&
				 (source->weight = compile_count(element.val.numeric, 1000000)) > 0)
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
	wo_flow_read_defect(cx, "bad_approvers", source_forms, "this does not say who approves");
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
		approvers->n = compile_count(value->val.numeric, 1000);
		valid = approvers->n > 0;
	}
	else if (value->type == jbvString)
	{
		const char *text = wo_flow_read_text(cx, value);

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
			approvers->n = compile_percent(text);
			valid = approvers->n > 0;
		}
	}
	else if (value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data))
	{
		JsonbValue	buffer;
		JsonbValue *weight = getKeyJsonValueFromContainer(value->val.binary.data, "weight", 6, &buffer);

		approvers->rule = WO_RULE_WEIGHT;
		if (weight != NULL && weight->type == jbvNumeric && JsonContainerSize(value->val.binary.data) == 1)
			approvers->n = compile_count(weight->val.numeric, 1000000000);
		valid = approvers->n > 0;
	}
	if (!valid)
		wo_flow_read_defect(cx, "bad_rule", rule_forms, "this is not a rule");
}

/*
 * compile_none reads "none".
 */
static void
compile_none(WoCompiler *cx, WoApprovers *approvers, JsonbValue *value)
{
	JsonbValue	buffer;
	JsonbValue *fallback;
	const char *text = value->type == jbvString ? wo_flow_read_text(cx, value) : "";

	if (strcmp(text, "fail") == 0)
		approvers->none = WO_IF_NONE_FAIL;
	else if (strcmp(text, "skip") == 0)
		approvers->none = WO_IF_NONE_SKIP;
	else if (value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data) &&
			 JsonContainerSize(value->val.binary.data) == 1 &&
			 (fallback = getKeyJsonValueFromContainer(value->val.binary.data, "fallback", 8, &buffer)) != NULL)
	{
		approvers->none = WO_IF_NONE_FALLBACK;
		approvers->nfallback = compile_sources(cx, fallback, &approvers->fallback);
	}
	else
		wo_flow_read_defect(cx, "bad_none", "Write \"fail\", \"skip\" or {\"fallback\": [...]}.",
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
	foreach(lc, wo_flow_read_strings(cx, value))
	{
		int			order = 0;

		while (order < WO_NTASK_COMMANDS && strcmp(wo_flow_task_commands[order], lfirst(lc)) != 0)
			order++;
		if (order < WO_NTASK_COMMANDS)
			approvers->may |= (uint32) 1 << order;
		else
			wo_flow_read_defect(cx, "unknown_order",
								"There are add, remove, transfer, delegate, return, claim, release, send_back, withdraw, take_back, remind, copy and hand_over.",
								"nothing is called \"%s\" that can be done to a task",
								wo_flow_read_shown(lfirst(lc), strlen(lfirst(lc))));
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
	const char *text = value->type == jbvString ? wo_flow_read_text(cx, value) : "";

	if (wo_flow_read_delay(text, interval, &calendar, &problem) && calendar == NULL)
		return true;
	wo_flow_read_defect(cx, "bad_duration", "Write P3D, PT30M or P1M2DT12H.", "\"%s\" is not a duration",
						wo_flow_read_shown(text, strlen(text)));
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

	if (wo_flow_read_is_key(key, "of"))
		approvers->nsources = compile_sources(cx, value, &approvers->sources);
	else if (wo_flow_read_is_key(key, "rule"))
		compile_rule(cx, approvers, value);
	else if (wo_flow_read_is_key(key, "none"))
	{
		*none = true;
		compile_none(cx, approvers, value);
	}
	else if (wo_flow_read_is_key(key, "claim") && value->type == jbvBool)
		approvers->claim = value->val.boolean;
	else if (wo_flow_read_is_key(key, "may"))
		compile_may(cx, approvers, value);
	else if (wo_flow_read_is_key(key, "manage"))
	{
		foreach(lc, wo_flow_read_strings(cx, value))
		{
			int			role = wo_flow_read_role(cx, lfirst(lc));
			MemoryContext old = MemoryContextSwitchTo(cx->flow->context);

			if (role >= 0)
				approvers->manage = bms_add_member(approvers->manage, role);
			MemoryContextSwitchTo(old);
		}
	}
	else if (wo_flow_read_is_key(key, "remind"))
	{
		if (compile_span(cx, value, &span))
			approvers->remind = span.time / USECS_PER_SEC + span.day * (int64) SECS_PER_DAY +
				span.month * (int64) (DAYS_PER_MONTH * SECS_PER_DAY);
	}
	else if (wo_flow_read_is_key(key, "due"))
		approvers->due_given = compile_span(cx, value, &approvers->due);
	else
		wo_flow_read_defect(cx, "unknown_key", approver_keys, "unrecognized key \"%s\", or its value has another type",
							wo_flow_read_shown(key->val.string.val, key->val.string.len));
}

/*
 * compile_approvers reads "approvers": an object, or the name of the action
 * that this one speaks against.
 */
static void
compile_approvers(WoCompiler *cx, WoTransition *c, JsonbValue *value)
{
	WoApprovers *approvers;
	JsonbContainer *object;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	element;
	bool		none = false;

	if (value->type == jbvString)
	{
		wo_flow_read_string(cx, value, &c->against);
		return;
	}
	if ((object = wo_flow_read_object(cx, value)) == NULL)
		return;
	approvers = MemoryContextAllocZero(cx->flow->context, sizeof(WoApprovers));
	approvers->action = c->action;
	approvers->state = c->source;
	approvers->where = c->where;
	approvers->may = ((uint32) 1 << WO_NTASK_COMMANDS) - 1;
	approvers->remind = DEFAULT_REMIND;
	it = JsonbIteratorInit(object);
	while (wo_flow_read_pair(&it, &key, &element))
	{
		int			mark = wo_flow_read_enter(cx, "%s", wo_flow_read_shown(key.val.string.val, key.val.string.len));

		compile_part(cx, approvers, &key, &element, &none);
		wo_flow_read_leave(cx, mark);
	}
	if (approvers->nsources == 0)
		wo_flow_read_defect(cx, "approvers_of", source_forms, "\"of\" is missing: nobody is named to approve");
	if (!none)
		wo_flow_read_defect(cx, "approvers_none", "Write \"none\": \"fail\", \"skip\" or {\"fallback\": [...]}.",
							"\"none\" is missing: it is not said what is done if nobody is found");
	c->approvers = approvers;
	cx->flow->approving = true;
}

/*
 * settle_list gives the approvers of an action's first transition to the others
 * of its list.
 */
static void
settle_list(WoCompiler *cx, WoState *state, WoTransitionList *list)
{
	const WoApprovers *approvers = list->n > 0 ? list->item[0].approvers : NULL;

	for (int i = 0; i < list->n; i++)
	{
		WoTransition *c = &list->item[i];

		if (c->approvers == NULL && approvers == NULL)
			continue;
		if (i > 0 && (c->approvers != NULL || approvers == NULL))
			wo_flow_read_defect(cx, "approvers_twice", "Write them with the first transition of the list; the others share them.",
								"approvers belong to the action \"%s\", not to one way that it can take",
								cx->flow->actions[c->action]);
		c->approvers = approvers;
		if (c->target < 0)
			wo_flow_read_defect(cx, "approvers_target", "Give the transition a target.",
								"\"%s\" has approvers and leads nowhere", cx->flow->actions[c->action]);
	}
	if (approvers == NULL)
		return;
	if (state->approvers != NULL)
		wo_flow_read_defect(cx, "approvers_twice", "Use one action, and let others count against it: \"approvers\": \"approve\".",
							"two actions of this state have approvers");
	state->approvers = (WoApprovers *) approvers;
	if (state->kind != WO_STATE_ATOMIC)
		wo_flow_read_defect(cx, "approvers_state", "Write the action in the states in which rows rest.",
							"only a state without states in it can have approvers");
}

/*
 * settle_approvers makes the approvers of one action those of its
 * state, and finds the actions that speak against them.
 */
static void
settle_approvers(WoCompiler *cx, int s)
{
	WoState    *state = &cx->flow->states[s];

	for (int a = 0; a < cx->flow->nactions; a++)
		settle_list(cx, state, &state->on[a]);
	for (int a = 0; a < cx->flow->nactions; a++)
		for (int i = 0; i < state->on[a].n; i++)
		{
			WoTransition *c = &state->on[a].item[i];

			if (c->against != NULL)
			{
				c->approvers = state->approvers;
				if (state->approvers == NULL || strcmp(cx->flow->actions[state->approvers->action], c->against) != 0 ||
					a == state->approvers->action)
					wo_flow_read_defect(cx, "approvers_against", "Name the action of this state that has approvers.",
										"no action \"%s\" of this state has approvers to speak against",
										wo_flow_read_shown(c->against, strlen(c->against)));
				if (c->target < 0)
					wo_flow_read_defect(cx, "approvers_target", "Give the transition a target.",
										"\"%s\" decides, and leads nowhere", cx->flow->actions[a]);
			}
			if (c->approvers != NULL && (a == cx->flow->action_create || a == cx->flow->action_update ||
										 a == cx->flow->action_delete))
				wo_flow_read_defect(cx, "row_operation", "Put the approvers on an action of its own.",
									"\"%s\" cannot have approvers", cx->flow->actions[a]);
			if (c->approvers != NULL && (c->allow_given || c->quorum != WO_QUORUM_NONE || c->reenter))
				wo_flow_read_defect(cx, "approvers_alone", "Take out \"allow\", \"quorum\" and \"reenter\".",
									"approvers say who may, and how many it takes");
		}
}

/* --- transitions and timers ------------------------------------------------ */

/*
 * compile_target reads "target"; a root transition has nothing to be relative to.
 */
static void
compile_target(WoCompiler *cx, WoTransition *c, JsonbValue *value)
{
	const char *target;

	if (!wo_flow_read_string(cx, value, &target))
		return;
	c->target = wo_flow_read_target(cx, c->source, target);
	if (c->target < 0)
		wo_flow_read_broken(cx, "dangling_target",
							c->source == 0 ? "From the root, write \".state\" or \"#flow.path\"." :
							"Write \"sibling\", \"sibling.child\", \".child\" or \"#flow.path\".",
							"state \"%s\" does not exist", wo_flow_read_shown(target, strlen(target)));
	else if (cx->flow->states[c->source].kind == WO_STATE_FINAL)
		wo_flow_read_broken(cx, "final_with_exit", "Make it an ordinary state, or take the transition out.",
							"a final state has no way out");
}

/*
 * compile_guard reads "guard".
 */
static void
compile_guard(WoCompiler *cx, WoTransition *c, JsonbValue *value)
{
	if (!wo_flow_read_string(cx, value, &c->guard_text))
		return;
	c->guard = compile_path(cx, "bad_guard", c->guard_text);
	if (c->guard != NULL && !wo_flow_read_is_predicate(c->guard))
		wo_flow_read_defect(cx, "not_a_predicate", "Write a comparison, as in $.days > 5 or exists($.tags[*] ? (@ == \"vip\")).",
							"the guard can be neither true nor false");
}

/*
 * compile_key reads one key of a transition.
 */
static void
compile_key(WoCompiler *cx, WoTransition *c, JsonbValue *key, JsonbValue *value)
{
	const char *ignored;
	bool		timer = c->action < 0;
	bool		view = !timer && c->action == cx->flow->action_view;

	if (wo_flow_read_is_key(key, "description"))
		wo_flow_read_string(cx, value, &ignored);
	else if (wo_flow_read_is_key(key, "meta"))
		/* anybody's */;
	else if (view && !wo_flow_read_is_key(key, "allow"))
		wo_flow_read_defect(cx, "view_only_allow", "It is compiled to row-level security, which knows people and states.",
							"\"view\" takes \"allow\" and nothing else");
	else if (timer && (wo_flow_read_is_key(key, "allow") || wo_flow_read_is_key(key, "require") ||
					   wo_flow_read_is_key(key, "fields") || wo_flow_read_is_key(key, "quorum") ||
					   wo_flow_read_is_key(key, "exclude") || wo_flow_read_is_key(key, "approvers")))
		wo_flow_read_defect(cx, "timer_key", "A timer takes target, guard, set and reenter.",
							"nobody takes this transition but the clock");
	else if (wo_flow_read_is_key(key, "target"))
		compile_target(cx, c, value);
	else if (wo_flow_read_is_key(key, "allow"))
		compile_allow(cx, c, value);
	else if (wo_flow_read_is_key(key, "guard"))
		compile_guard(cx, c, value);
	else if (wo_flow_read_is_key(key, "require"))
		compile_require(cx, c, value);
	else if (wo_flow_read_is_key(key, "fields"))
		compile_fields(cx, c, value);
	else if (wo_flow_read_is_key(key, "set"))
		compile_set(cx, c, value);
	else if (wo_flow_read_is_key(key, "quorum"))
		compile_quorum(cx, c, value);
	else if (wo_flow_read_is_key(key, "exclude"))
		compile_exclude(cx, c, value);
	else if (wo_flow_read_is_key(key, "approvers"))
		compile_approvers(cx, c, value);
	else if (wo_flow_read_is_key(key, "reenter"))
	{
		if (value->type == jbvBool)
			c->reenter = value->val.boolean;
		else
			wo_flow_read_broken(cx, "bad_type", NULL, "this must be true or false, not %s", JsonbTypeName(value));
	}
	else
		wo_flow_read_defect(cx, "unknown_key", transition_keys, "unrecognized key \"%s\"",
							wo_flow_read_shown(key->val.string.val, key->val.string.len));
}

/*
 * compile_transition compiles one transition: an object, or its target alone.
 */
static void
compile_transition(WoCompiler *cx, int state, int action, JsonbValue *value, WoTransitionList *list)
{
	WoTransition *c;
	JsonbContainer *object = NULL;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	element;

	if (cx->ntransitions >= WO_MAX_TRANSITIONS)
	{
		if (!cx->too_many)
			wo_flow_read_broken(cx, "too_many", "Split the flow.",
								"there are more than %d transitions", WO_MAX_TRANSITIONS);
		cx->too_many = true;
		return;
	}
	if (value->type != jbvString && (object = wo_flow_read_object(cx, value)) == NULL)
		return;

	cx->ntransitions++;
	c = &list->item[list->n++];
	c->action = action;
	c->source = state;
	c->target = -1;
	c->where = MemoryContextStrdup(cx->flow->context, cx->where.data);
	if (object == NULL)
	{
		compile_target(cx, c, value);
		return;
	}
	it = JsonbIteratorInit(object);
	while (wo_flow_read_pair(&it, &key, &element))
	{
		int			mark = wo_flow_read_enter(cx, "%s", wo_flow_read_shown(key.val.string.val, key.val.string.len));

		compile_key(cx, c, &key, &element);
		wo_flow_read_leave(cx, mark);
	}
}

/*
 * compile_alternatives compiles the transitions of one action or delay: one, or
 * a list to be tried in order.
 */
static void
compile_alternatives(WoCompiler *cx, int state, int action, JsonbValue *value, WoTransitionList *list)
{
	JsonbContainer *array;
	int			n;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
	{
		list->item = MemoryContextAllocZero(cx->flow->context, sizeof(WoTransition));
		compile_transition(cx, state, action, value, list);
		return;
	}
	array = value->val.binary.data;
	n = JsonContainerSize(array);
	if (n == 0 || n > WO_MAX_ALTERNATIVES)
	{
		if (n == 0)
			wo_flow_read_broken(cx, "bad_value", "Take the key out, or give it a transition.",
								"the list has no transition");
		else
			wo_flow_read_broken(cx, "too_many", "Use guards that say more.",
								"there are more than %d transitions in this list", WO_MAX_ALTERNATIVES);
		return;
	}
	list->item = MemoryContextAllocZero(cx->flow->context, sizeof(WoTransition) * n);
	for (int i = 0; i < n; i++)
	{
		int			mark = wo_flow_read_enter(cx, "[%d]", i);

		compile_transition(cx, state, action, getIthJsonbValueFromContainer(array, i), list);
		wo_flow_read_leave(cx, mark);
	}
}

/*
 * wo_flow_transition_on compiles the actions that a state declares.
 */
void
wo_flow_transition_on(WoCompiler *cx, int state)
{
	JsonbIterator *it = JsonbIteratorInit(cx->drafts[state].on);
	int			outer = wo_flow_read_enter(cx, "on");
	JsonbValue	key;
	JsonbValue	value;

	while (wo_flow_read_pair(&it, &key, &value))
	{
		char	   *name = pnstrdup(key.val.string.val, key.val.string.len);
		int			mark = wo_flow_read_enter(cx, "%s", wo_flow_read_shown(name, strlen(name)));

		CHECK_FOR_INTERRUPTS();
		if (wo_flow_read_name(cx, "an action", name))
		{
			int			action = wo_flow_action(cx->flow, name);

			compile_alternatives(cx, state, action, &value, &cx->flow->states[state].on[action]);
		}
		wo_flow_read_leave(cx, mark);
	}
	wo_flow_read_leave(cx, outer);
	settle_approvers(cx, state);
}

/*
 * compile_delay reads a key of "after": a duration, "$" and the name of a
 * setting that holds one, or "$." and the column that says when.
 */
static void
compile_delay(WoCompiler *cx, WoDelay *delay, char *text)
{
	const char *problem;

	delay->text = text;
	delay->column = -1;
	delay->action = MemoryContextStrdup(cx->flow->context, psprintf(WO_ACTION_AFTER "%s", text));
	if (text[0] == '$' && text[1] == '.')
	{
		if (text[2] == '\0' || strpbrk(text + 2, " .[]()?@+*/\"'") != NULL)
			wo_flow_read_defect(cx, "bad_duration", "Write $.name: a timer follows one column, not an expression.",
								"\"%s\" names no column", wo_flow_read_shown(text, strlen(text)));
		else if ((delay->column = wo_flow_read_column(cx, text + 2)) >= 0)
			cx->flow->dated = true;
	}
	else if (text[0] == '$')
	{
		if (wo_flow_read_name(cx, "a setting", text + 1))
			delay->setting = text + 1;
	}
	else if (!wo_flow_read_delay(text, &delay->interval, &delay->calendar, &problem))
		wo_flow_read_defect(cx, "bad_duration", "Write P3D, PT30M, P1M2DT12H, PT16H@office for working time, $name for a setting, or $.name for a column that says when; at most a hundred years.",
							"\"%s\" %s", wo_flow_read_shown(text, strlen(text)), problem);
}

/*
 * wo_flow_transition_after compiles the timers of a state.
 */
void
wo_flow_transition_after(WoCompiler *cx, int state)
{
	WoState    *s = &cx->flow->states[state];
	JsonbContainer *after = cx->drafts[state].after;
	JsonbIterator *it = JsonbIteratorInit(after);
	int			outer = wo_flow_read_enter(cx, "after");
	JsonbValue	key;
	JsonbValue	value;

	if (s->kind == WO_STATE_FINAL)
	{
		wo_flow_read_broken(cx, "final_with_exit", "Make it an ordinary state, or take the timers out.",
							"a final state has no way out");
		wo_flow_read_leave(cx, outer);
		return;
	}
	s->delays = MemoryContextAllocZero(cx->flow->context,
									   sizeof(WoDelay) * Max(JsonContainerSize(after), 1));
	while (wo_flow_read_pair(&it, &key, &value))
	{
		WoDelay    *delay = &s->delays[s->ndelays];
		char	   *text = wo_flow_read_text(cx, &key);
		int			mark = wo_flow_read_enter(cx, "%s", wo_flow_read_shown(text, strlen(text)));

		compile_delay(cx, delay, text);
		compile_alternatives(cx, state, -1, &value, &delay->transitions);
		s->ndelays++;
		cx->flow->ndelays++;
		wo_flow_read_leave(cx, mark);
	}
	wo_flow_read_leave(cx, outer);
}
