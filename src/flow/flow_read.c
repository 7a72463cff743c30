/*-------------------------------------------------------------------------
 *
 * flow_read.c
 *	  What a flow document is written in: JSON, names, jsonpath and ISO 8601
 *	  durations.  And the list of what is wrong with it.
 *
 * The compiler's "where" always holds the path of the value in hand, so that
 * each finding names its place; findings live in the memory context of whoever
 * asked for them.
 *
 * jsonpath and durations are PostgreSQL's own; they are parsed without raising,
 * so that a document's defects can be listed.  A path tells what it mentions, so
 * that a misspelt column is found when the flow is published and not when the
 * first ticket gets there.
 *
 * Used by the compiler; findings by the checks as well, durations by the clock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "flow/flow.h"
#include "flow/flow_read.h"
#include "utils/errors.h"

/* What is told when a flow is published, and does not keep it from that. */
static const char *const warnings[] = {
	"final_stays", "former_action", "nobody_creates", "nobody_views", "one_person"
};

static bool
is_warning(const char *code)
{
	for (int i = 0; i < lengthof(warnings); i++)
		if (strcmp(warnings[i], code) == 0)
			return true;
	return false;
}

/*
 * add_finding appends a finding, or raises it when nobody collects, unless it
 * is but a warning.  A document that is wrong all over is not told so a million
 * times.
 */
static void
add_finding(List **findings, const char *code, const char *where,
			const char *hint, const char *message)
{
	WoFinding  *finding;
	bool		blocks = !is_warning(code);

	if (findings == NULL && !blocks)
		return;
	if (findings == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("flow definition is not valid"),
				 errdetail("%s at %s: %s.", code, where, message),
				 hint != NULL ? errhint("%s", hint) : 0));

	if (list_length(*findings) > WO_MAX_FINDINGS)
		return;
	finding = palloc(sizeof(WoFinding));
	if (list_length(*findings) == WO_MAX_FINDINGS)
	{
		code = "too_many_findings";
		where = WO_WHERE_ROOT;
		message = psprintf("there is more than these %d", WO_MAX_FINDINGS);
		hint = "Mend these first.";
	}
	finding->code = code;
	finding->where = pstrdup(where);
	finding->message = pstrdup(message);
	finding->hint = hint;
	finding->blocks = blocks;
	*findings = lappend(*findings, finding);
}

/*
 * wo_flow_read_add_finding appends a finding to a list in the current memory
 * context, or raises it when there is no list.  Code and hint are constants.
 */
void
wo_flow_read_add_finding(List **findings, const char *code, const char *where,
						 const char *hint, const char *fmt,...)
{
	StringInfoData message;

	initStringInfo(&message);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&message, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}
	add_finding(findings, code, where, hint, message.data);
	pfree(message.data);
}

static void report(WoCompiler *cx, const char *code, const char *hint, const char *fmt, va_list args) pg_attribute_printf(4, 0);

/*
 * report adds a finding about the place the compiler is at.
 */
static void
report(WoCompiler *cx, const char *code, const char *hint, const char *fmt, va_list args)
{
	MemoryContext old = MemoryContextSwitchTo(cx->caller);
	char		message[1024];

	/* whatever the message quotes has been shortened by wo_flow_read_shown() */
	vsnprintf(message, sizeof(message), fmt, args);
	add_finding(cx->findings, code, cx->where.len > 0 ? cx->where.data : WO_WHERE_ROOT,
				hint, message);
	MemoryContextSwitchTo(old);
}

/*
 * wo_flow_read_defect reports a defect that leaves the chart as it is.
 */
void
wo_flow_read_defect(WoCompiler *cx, const char *code, const char *hint, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	report(cx, code, hint, fmt, args);
	va_end(args);
}

/*
 * wo_flow_read_broken reports a defect that leaves a hole in the chart: nobody
 * should ask where its transitions lead.
 */
void
wo_flow_read_broken(WoCompiler *cx, const char *code, const char *hint, const char *fmt,...)
{
	va_list		args;

	cx->flow->complete = false;
	va_start(args, fmt);
	report(cx, code, hint, fmt, args);
	va_end(args);
}

/*
 * wo_flow_read_enter goes one step down the document; what it returns is for
 * wo_flow_read_leave().
 */
int
wo_flow_read_enter(WoCompiler *cx, const char *fmt,...)
{
	int			mark = cx->where.len;
	char		step[NAMEDATALEN * 4];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(step, sizeof(step), fmt, args);
	va_end(args);
	if (mark > 0 && step[0] != '[')
		appendStringInfoChar(&cx->where, '.');
	appendStringInfoString(&cx->where, step);
	return mark;
}

/*
 * wo_flow_read_leave goes back to where wo_flow_read_enter() was called.
 */
void
wo_flow_read_leave(WoCompiler *cx, int mark)
{
	cx->where.len = mark;
	cx->where.data[mark] = '\0';
}

/*
 * wo_flow_read_shown makes a text from the document fit for a message: what is
 * too long is cut between characters.
 */
char *
wo_flow_read_shown(const char *text, int len)
{
	int			fits = pg_mbcliplen(text, len, NAMEDATALEN - 1);

	return fits == len ? pnstrdup(text, len) : psprintf("%.*s...", fits, text);
}

/*
 * wo_flow_read_text copies a string of the document into the flow's context.
 */
char *
wo_flow_read_text(WoCompiler *cx, JsonbValue *value)
{
	char	   *text = MemoryContextAlloc(cx->flow->context, value->val.string.len + 1);

	memcpy(text, value->val.string.val, value->val.string.len);
	text[value->val.string.len] = '\0';
	return text;
}

/*
 * wo_flow_read_pair returns the next key and value of an object, or false after
 * the last.
 */
bool
wo_flow_read_pair(JsonbIterator **it, JsonbValue *key, JsonbValue *value)
{
	JsonbIteratorToken token = JsonbIteratorNext(it, key, true);

	if (token == WJB_BEGIN_OBJECT)
		token = JsonbIteratorNext(it, key, true);
	if (token != WJB_KEY)
		return false;
	return JsonbIteratorNext(it, value, true) == WJB_VALUE;
}

/*
 * wo_flow_read_is_key compares a key, which is not terminated.
 */
bool
wo_flow_read_is_key(const JsonbValue *key, const char *name)
{
	return key->val.string.len == strlen(name) &&
		memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

/*
 * wo_flow_read_object returns the object a value holds; anything else is a
 * finding and NULL.
 */
JsonbContainer *
wo_flow_read_object(WoCompiler *cx, JsonbValue *value)
{
	if (value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data))
		return value->val.binary.data;
	wo_flow_read_broken(cx, "bad_type", NULL, "this must be an object, not %s", JsonbTypeName(value));
	return NULL;
}

/*
 * wo_flow_read_string reads a string; anything else is a finding and false.
 */
bool
wo_flow_read_string(WoCompiler *cx, JsonbValue *value, const char **result)
{
	if (value->type == jbvString)
	{
		*result = wo_flow_read_text(cx, value);
		return true;
	}
	wo_flow_read_broken(cx, "bad_type", NULL, "this must be a string, not %s", JsonbTypeName(value));
	return false;
}

/*
 * wo_flow_read_strings reads a list of strings, or one string in place of it.
 * What is no string is a finding and left out.
 */
List *
wo_flow_read_strings(WoCompiler *cx, JsonbValue *value)
{
	List	   *result = NIL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (value->type == jbvString)
		return list_make1(wo_flow_read_text(cx, value));
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
	{
		wo_flow_read_broken(cx, "bad_type", NULL, "this must be a list of strings, not %s",
							JsonbTypeName(value));
		return NIL;
	}
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type == jbvString)
			result = lappend(result, wo_flow_read_text(cx, &element));
		else
			wo_flow_read_broken(cx, "bad_type", NULL, "this must be a list of strings, without %s",
								JsonbTypeName(&element));
	}
	return result;
}

/*
 * wo_flow_read_name checks a name of a state, action, flow or the like.  The
 * signs that are refused mean something in a path, a target or a list.
 */
bool
wo_flow_read_name(WoCompiler *cx, const char *what, const char *name)
{
	static const char *const hint = "Names are 1 to 63 bytes long, do not start with \"$\", and are without \".\", \"#\", \"*\", \"\\\" and control characters.";
	const char *problem = NULL;

	if (name[0] == '\0')
		problem = "is empty";
	else if (strlen(name) >= NAMEDATALEN)
		problem = "is too long";
	else if (name[0] == '$')
		problem = "starts with \"$\"";
	else
		for (const char *c = name; *c != '\0'; c++)
			if (strchr(".#*\\", *c) != NULL || (unsigned char) *c < ' ')
				problem = "holds a sign that is not allowed";
	if (problem == NULL)
		return true;
	wo_flow_read_broken(cx, "bad_name", hint, "the name of %s, \"%s\", %s", what,
						wo_flow_read_shown(name, strlen(name)), problem);
	return false;
}

/*
 * wo_flow_read_table creates a scratch table of names.
 */
HTAB *
wo_flow_read_table(WoCompiler *cx, const char *name)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = NAMEDATALEN;
	ctl.entrysize = sizeof(WoNameIndex);
	ctl.hcxt = cx->scratch;
	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/*
 * wo_flow_read_index gives a name the next index in a table, or returns the one it
 * has; *found tells which.  Beyond the limit there is one finding and -1.
 */
int
wo_flow_read_index(WoCompiler *cx, HTAB *table, const char *name, const char *what,
				   int limit, int next, bool *found)
{
	WoNameIndex *entry = hash_search(table, name, HASH_FIND, found);

	if (*found)
		return entry->index;
	if (next >= limit)
	{
		if (!cx->too_many)
			wo_flow_read_broken(cx, "too_many", "Split the flow.",
								"there are more than %d %s", limit, what);
		cx->too_many = true;
		return -1;
	}
	entry = hash_search(table, name, HASH_ENTER, found);
	*found = false;
	entry->index = next;
	return next;
}

/*
 * append_name puts a name at the end of a growing array in the flow's context.
 */
static void
append_name(WoCompiler *cx, const char ***names, int *n, int *allocated, const char *name)
{
	if (*n == *allocated)
	{
		*allocated = Max(16, *allocated * 2);
		*names = *names == NULL ?
			MemoryContextAlloc(cx->flow->context, sizeof(char *) * *allocated) :
			repalloc(*names, sizeof(char *) * *allocated);
	}
	(*names)[(*n)++] = MemoryContextStrdup(cx->flow->context, name);
}

/*
 * is_listable checks a name that stands in a list next to "$column" and "*".
 */
static bool
is_listable(WoCompiler *cx, const char *what, const char *name)
{
	if (name[0] != '\0' && name[0] != '$' && strcmp(name, "*") != 0 && strlen(name) < NAMEDATALEN)
		return true;
	wo_flow_read_defect(cx, "bad_name", "Names are 1 to 63 bytes long, do not start with \"$\" and are not \"*\".",
						"\"%s\" cannot be the name of %s", wo_flow_read_shown(name, strlen(name)), what);
	return false;
}

/*
 * wo_flow_read_declare_role registers a role, -1 if it has a name that none can
 * have; *known tells whether it was there already.
 */
int
wo_flow_read_declare_role(WoCompiler *cx, const char *name, bool *known)
{
	int			role;

	if (!is_listable(cx, "a role", name))
		return -1;
	role = wo_flow_read_index(cx, cx->roles, name, "roles", WO_MAX_ROLES, cx->flow->nroles, known);
	if (role >= 0 && !*known)
		append_name(cx, &cx->flow->roles, &cx->flow->nroles, &cx->maxroles, name);
	return role;
}

/*
 * wo_flow_read_role finds a role that the document uses, -1 if it has a name
 * that no role can have.  One that was not declared is a finding, and known
 * from then on.
 */
int
wo_flow_read_role(WoCompiler *cx, const char *name)
{
	bool		known;
	int			role = wo_flow_read_declare_role(cx, name, &known);

	if (role >= 0 && !known)
		wo_flow_read_defect(cx, "undeclared_role",
							"Add it to \"roles\", or correct the name; a column is written with a \"$\" in front.",
							"role \"%s\" is not declared", wo_flow_read_shown(name, strlen(name)));
	return role;
}

/*
 * wo_flow_read_column finds or registers a column that the document names, -1
 * if no column can have the name.
 */
int
wo_flow_read_column(WoCompiler *cx, const char *name)
{
	bool		known;
	int			column;

	if (!is_listable(cx, "a column", name))
		return -1;
	column = wo_flow_read_index(cx, cx->columns, name, "columns", WO_MAX_COLUMNS,
								cx->flow->ncolumns, &known);
	if (column >= 0 && !known)
		append_name(cx, &cx->flow->columns, &cx->flow->ncolumns, &cx->maxcolumns, name);
	return column;
}

/*
 * wo_flow_read_target resolves a target as XState does: "#id.path" from the
 * flow or a state with that id, ".path" from the state itself, "path" from
 * its parent.  -1 if it leads nowhere.
 */
int
wo_flow_read_target(WoCompiler *cx, int state, const char *target)
{
	const WoFlow *flow = cx->flow;
	int			base = -1;
	const char *path = target;
	const char *base_path;
	char	   *full;

	if (target[0] == '#')
	{
		int			len = strcspn(target + 1, ".");

		for (int s = 0; s < flow->nstates && base < 0; s++)
			if (cx->drafts[s].id != NULL && strlen(cx->drafts[s].id) == len &&
				memcmp(cx->drafts[s].id, target + 1, len) == 0)
				base = s;
		/* one finding is enough for a flow without a name */
		if (base < 0 && cx->drafts[0].id == NULL)
			base = 0;
		if (base < 0 || target[len + 1] == '\0')
			return base;
		path = target + len + 2;
	}
	else if (target[0] == '.')
	{
		base = state;
		path = target + 1;
	}
	else
		base = flow->states[state].parent;
	if (base < 0 || path[0] == '\0')
		return -1;
	base_path = flow->states[base].path;
	full = base_path[0] == '\0' ? pstrdup(path) : psprintf("%s.%s", base_path, path);
	return wo_flow_state(flow, full, strlen(full));
}

/* --- jsonpath and durations ------------------------------------------------ */

/* Longer delays are slips of the pen, and would leave the calendar. */
#define MAX_DELAY_YEARS		100

/* What the steps of a path have led to so far. */
typedef enum PathPlace
{
	PLACE_ELSEWHERE,
	PLACE_ROW,					/* the new row or the old one */
	PLACE_ACTOR
} PathPlace;

typedef struct Walk
{
	WoMentionVisitor visitor;
	void	   *arg;
} Walk;

static void walk_path(const Walk *walk, JsonPathItem *item, PathPlace current);

/*
 * wo_flow_read_path parses a jsonpath.  If it is wrong, NULL is returned and
 * *problem says why, in the current memory context; with problem = NULL it is
 * raised.
 *
 * The parser takes no lock, pin or other resource that would need a
 * subtransaction to be given back, so what it says about its input is simply
 * caught; anything else (a cancel, no memory) goes on as it came.
 */
JsonPath *
wo_flow_read_path(const char *text, char **problem)
{
	MemoryContext caller = CurrentMemoryContext;
	JsonPath   *volatile path = NULL;

	if (problem == NULL)
		return DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in, CStringGetDatum(text)));

	PG_TRY();
	{
		path = DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in, CStringGetDatum(text)));
	}
	PG_CATCH();
	{
		int			category;
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
		if (category != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR) &&
			category != ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) &&
			category != ERRCODE_TO_CATEGORY(ERRCODE_FEATURE_NOT_SUPPORTED) &&
			error->sqlerrcode != ERRCODE_STATEMENT_TOO_COMPLEX)
			PG_RE_THROW();
		FlushErrorState();
		*problem = error->message;
	}
	PG_END_TRY();
	return path;
}

/*
 * mention reports a name found in a path; it is not terminated there.
 */
static void
mention(const Walk *walk, WoMention kind, JsonPathItem *item)
{
	int32		len;
	char	   *name = jspGetString(item, &len);

	walk->visitor(walk->arg, kind, pnstrdup(name, len));
}

/*
 * walk_variable reports a variable and tells what it holds.
 */
static PathPlace
walk_variable(const Walk *walk, JsonPathItem *item)
{
	int32		len;
	char	   *name = jspGetString(item, &len);

	mention(walk, WO_MENTION_VARIABLE, item);
	if (len == 3 && memcmp(name, "old", 3) == 0)
		return PLACE_ROW;
	if (len == 5 && memcmp(name, "actor", 5) == 0)
		return PLACE_ACTOR;
	return PLACE_ELSEWHERE;
}

/*
 * walk_subscripts walks the expressions inside [...].
 */
static void
walk_subscripts(const Walk *walk, JsonPathItem *item, PathPlace current)
{
	for (int i = 0; i < item->content.array.nelems; i++)
	{
		JsonPathItem from;
		JsonPathItem to;

		if (jspGetArraySubscript(item, &from, &to, i))
			walk_path(walk, &to, current);
		walk_path(walk, &from, current);
	}
}

/*
 * walk_path walks one chain of steps; "current" is what @ stands for in it.
 */
static void
walk_path(const Walk *walk, JsonPathItem *item, PathPlace current)
{
	PathPlace	place = PLACE_ELSEWHERE;
	JsonPathItem step = *item;
	JsonPathItem next;
	JsonPathItem operand;

	check_stack_depth();
	for (;;)
	{
		switch (step.type)
		{
			case jpiRoot:
				place = PLACE_ROW;
				break;
			case jpiCurrent:
				place = current;
				break;
			case jpiVariable:
				place = walk_variable(walk, &step);
				break;
			case jpiKey:
				if (place == PLACE_ROW)
					mention(walk, WO_MENTION_COLUMN, &step);
				else if (place == PLACE_ACTOR)
					mention(walk, WO_MENTION_ACTOR, &step);
				place = PLACE_ELSEWHERE;
				break;
			case jpiAnyArray:
				/* in lax mode an object is an array of itself */
				break;
			case jpiIndexArray:
				walk_subscripts(walk, &step, current);
				break;
			case jpiFilter:
				jspGetArg(&step, &operand);
				walk_path(walk, &operand, place);
				break;
			case jpiAnd:
			case jpiOr:
			case jpiEqual:
			case jpiNotEqual:
			case jpiLess:
			case jpiGreater:
			case jpiLessOrEqual:
			case jpiGreaterOrEqual:
			case jpiAdd:
			case jpiSub:
			case jpiMul:
			case jpiDiv:
			case jpiMod:
			case jpiStartsWith:
				jspGetLeftArg(&step, &operand);
				walk_path(walk, &operand, current);
				jspGetRightArg(&step, &operand);
				walk_path(walk, &operand, current);
				place = PLACE_ELSEWHERE;
				break;
			case jpiNot:
			case jpiIsUnknown:
			case jpiExists:
			case jpiPlus:
			case jpiMinus:
				jspGetArg(&step, &operand);
				walk_path(walk, &operand, current);
				place = PLACE_ELSEWHERE;
				break;
			case jpiLikeRegex:
				jspInitByBuffer(&operand, step.base, step.content.like_regex.expr);
				walk_path(walk, &operand, current);
				place = PLACE_ELSEWHERE;
				break;
			default:
				/* literals, wildcards and methods mention nothing */
				place = PLACE_ELSEWHERE;
				break;
		}
		if (!jspGetNext(&step, &next))
			return;
		step = next;
	}
}

/*
 * wo_flow_read_mentions calls the visitor for every column, variable and field of
 * the actor that a path names.
 */
void
wo_flow_read_mentions(JsonPath *path, WoMentionVisitor visitor, void *arg)
{
	Walk		walk = {visitor, arg};
	JsonPathItem item;

	jspInit(&item, path);
	walk_path(&walk, &item, PLACE_ELSEWHERE);
}

/*
 * wo_flow_read_is_predicate tells whether a path can be true or false.  A plain
 * path like $.urgent may hold a boolean and passes; what cannot (a number, a
 * sum, a filter that yields rows) would make a guard that never holds.
 */
bool
wo_flow_read_is_predicate(JsonPath *path)
{
	JsonPathItem item;
	JsonPathItem next;

	jspInit(&item, path);
	while (jspGetNext(&item, &next))
		item = next;
	switch (item.type)
	{
		case jpiNull:
		case jpiString:
		case jpiNumeric:
		case jpiAdd:
		case jpiSub:
		case jpiMul:
		case jpiDiv:
		case jpiMod:
		case jpiPlus:
		case jpiMinus:
		case jpiRoot:
		case jpiCurrent:
		case jpiVariable:
		case jpiFilter:
		case jpiType:
		case jpiSize:
		case jpiAbs:
		case jpiFloor:
		case jpiCeiling:
		case jpiDouble:
		case jpiDatetime:
		case jpiKeyValue:
			return false;
		default:
			return true;
	}
}

/*
 * follows_form checks P[nY][nM][nW][nD][T[nH][nM][nS]] with at least one
 * part; only the last number may have a fraction.
 */
static bool
follows_form(const char *p)
{
	const char *units = "YMWD";
	bool		parts = false;
	bool		timed = false;
	bool		fraction = false;

	if (*p++ != 'P')
		return false;
	while (*p != '\0')
	{
		const char *unit;
		int			digits = 0;

		if (*p == 'T')
		{
			if (timed)
				return false;
			timed = true;
			parts = false;
			units = "HMS";
			p++;
			continue;
		}
		if (fraction)
			return false;
		for (; *p >= '0' && *p <= '9'; p++)
			digits++;
		if (digits == 0 || digits > 9)
			return false;
		if (*p == '.')
		{
			fraction = true;
			digits = 0;
			for (p++; *p >= '0' && *p <= '9'; p++)
				digits++;
			if (digits == 0 || digits > 6)
				return false;
		}
		unit = *p != '\0' ? strchr(units, *p) : NULL;
		if (unit == NULL)
			return false;
		units = unit + 1;
		parts = true;
		p++;
	}
	return parts;
}

/*
 * parse_duration reads an ISO 8601 duration.  If it is wrong, *problem says
 * why.
 */
static bool
parse_duration(const char *text, Interval *interval, const char **problem)
{
	struct pg_itm_in itm;
	int			dtype;
	double		days;

	*problem = "is not an ISO 8601 duration";
	if (strlen(text) > MAXDATELEN || !follows_form(text))
		return false;
	*problem = "is out of range";
	if (DecodeISO8601Interval(pstrdup(text), &dtype, &itm) != 0 ||
		itmin2interval(&itm, interval) != 0)
		return false;
	days = interval->month * 30.4375 + interval->day + (double) interval->time / USECS_PER_DAY;
	if (days > MAX_DELAY_YEARS * 365.25)
		return false;
	*problem = "is no time at all";
	return days > 0;
}

/*
 * wo_flow_read_delay reads a duration, or one of working time, "PT16H@office".
 * *calendar points into the text, or is NULL.
 */
bool
wo_flow_read_delay(const char *text, Interval *interval, const char **calendar, const char **problem)
{
	const char *at = strchr(text, '@');

	*calendar = at != NULL ? at + 1 : NULL;
	if (!parse_duration(at != NULL ? pnstrdup(text, at - text) : text, interval, problem))
		return false;
	if (at == NULL)
		return true;
	*problem = "has months, which are not working time";
	if (interval->month != 0)
		return false;
	*problem = "names no calendar";
	return at[1] != '\0' && strlen(at + 1) < NAMEDATALEN && strchr(at + 1, '@') == NULL;
}
