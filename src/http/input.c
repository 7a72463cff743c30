/*-------------------------------------------------------------------------
 *
 * input.c
 *	  Judging what a request sends by rules that are data.
 *
 * A rule is an object: a field, its kind and its bounds.  What the keys mean
 * is in the comment of workorder.read_input(); nothing here knows a table or
 * an API.  Every rule is judged before the first problem is told, and what
 * is said of a problem is workorder.refuse_input()'s, in SQL, in the words of
 * the API.
 *
 * Patterns are matched by the server's regular expressions, with the default
 * collation.  Memory is the caller's context; values point into the arguments
 * where nothing had to be made.
 *
 * Called from SQL only, by handlers at every request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

/* The longest integer and the longest half of an amount, in digits, that are read from text. */
#define INT_DIGITS		40
#define MONEY_DIGITS	20
/* Amounts end below 10^12. */
#define MONEY_LIMIT		INT64CONST(1000000000000)
#define MONEY_SCALE		2

#define URL_PATTERN		"^https?://[^\\s/?#]+[^\\s]*$"

/* What became of one value, or of one item of a list. */
typedef struct Judged
{
	const char *name;			/* NULL = the rule has none */
	bool		there;
	JsonbValue	value;			/* if it is there */
	const char *problem;		/* the rule that it breaks, NULL = none */
	const char *bound;			/* of "min" and "max" */
} Judged;

static List *judge_all(Jsonb *fields, Jsonb *rules);
static bool judge_absent(JsonbContainer *rule, const JsonbValue *given, Judged *judged);
static List *judge_list(JsonbContainer *rule, const JsonbValue *given, Judged judged, List *found);
static void judge_value(JsonbContainer *rule, const char *kind, const JsonbValue *given, Judged *judged);
static Numeric read_int(JsonbContainer *rule, const JsonbValue *given);
static Numeric read_money(const JsonbValue *given);
static bool read_flag(const JsonbValue *given, bool *flag);
static bool find_choice(JsonbContainer *rule, const JsonbValue *given, JsonbValue *choice);
static char *read_time(const char *given, size_t len, bool day_only, bool at_end);
static bool leaves_years(const char *time, const char *zone);
static bool find_given(Jsonb *fields, JsonbContainer *rule, const char *name, JsonbValue *given);
static bool find_member(JsonbContainer *object, const char *key, JsonbValue *value);
static bool is_bool(JsonbContainer *rule, const char *key, bool wanted);
static char *member_text(JsonbContainer *rule, const char *key);
static Numeric member_number(JsonbContainer *rule, const char *key);
static char *value_text(const JsonbValue *value);
static char *given_text(const JsonbValue *given);
static bool is_blank(const JsonbValue *value);
static bool matches(const char *string, const char *pattern, bool same_case);
static void set_text(JsonbValue *value, char *string, size_t len);
static void set_number(JsonbValue *value, Numeric number);

PG_FUNCTION_INFO_V1(workorder_input_time);
PG_FUNCTION_INFO_V1(workorder_input_value);
PG_FUNCTION_INFO_V1(workorder_judge_input);
PG_FUNCTION_INFO_V1(workorder_read_input);

/*
 * input_time(given text, day_only boolean, at_end boolean) returns a day, or a
 * time with the offset that it was given with.
 */
Datum
workorder_input_time(PG_FUNCTION_ARGS)
{
	text	   *given;
	char	   *time;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	given = PG_GETARG_TEXT_PP(0);
	time = read_time(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), !PG_ARGISNULL(1) && PG_GETARG_BOOL(1),
					 !PG_ARGISNULL(2) && PG_GETARG_BOOL(2));
	if (time == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(time));
}

/*
 * to_datums makes what SQL gets of one value: itself, what is wrong, the bound.
 */
static void
to_datums(const Judged *judged, Datum *values, bool *nulls)
{
	nulls[0] = !judged->there;
	if (judged->there)
		values[0] = JsonbPGetDatum(JsonbValueToJsonb(unconstify(JsonbValue *, &judged->value)));
	nulls[1] = judged->problem == NULL;
	if (judged->problem != NULL)
		values[1] = CStringGetTextDatum(judged->problem);
	nulls[2] = judged->bound == NULL;
	if (judged->bound != NULL)
		values[2] = CStringGetTextDatum(judged->bound);
}

/*
 * input_value(given jsonb, rule jsonb) judges one value by one rule.
 */
Datum
workorder_input_value(PG_FUNCTION_ARGS)
{
	Jsonb	   *rule = PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1);
	JsonbContainer *object = rule != NULL && JB_ROOT_IS_OBJECT(rule) ? &rule->root : NULL;
	JsonbValue	given;
	Judged		judged = {0};
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != lengthof(values))
		elog(ERROR, "input_value() does not return value, problem and bound");
	if (!PG_ARGISNULL(0))
		wo_value_from_jsonb(PG_GETARG_JSONB_P(0), &given);
	judge_value(object, member_text(object, "kind"), PG_ARGISNULL(0) ? NULL : &given, &judged);
	to_datums(&judged, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * judge_input(fields jsonb, rules jsonb) returns every field of the rules that
 * was given or has a default.
 */
Datum
workorder_judge_input(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, judge_all(PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0),
						   PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1)))
	{
		const Judged *judged = lfirst(lc);
		Datum		values[4];
		bool		nulls[4];

		nulls[0] = judged->name == NULL;
		if (judged->name != NULL)
			values[0] = CStringGetTextDatum(judged->name);
		to_datums(judged, values + 1, nulls + 1);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * refuse raises what workorder.refuse_input() says of a problem.
 */
static void
refuse(FunctionCallInfo reader, const Judged *judged)
{
	LOCAL_FCINFO(fcinfo, 5);
	Oid			types[] = {JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	FmgrInfo	function;

	fmgr_info(LookupFuncName(list_make2(makeString(WO_SCHEMA), makeString("refuse_input")), lengthof(types), types, false),
			  &function);
	InitFunctionCallInfoData(*fcinfo, &function, lengthof(types), DEFAULT_COLLATION_OID, NULL, NULL);
	memset(fcinfo->args, 0, sizeof(NullableDatum) * lengthof(types));
	fcinfo->args[0] = reader->args[2];
	fcinfo->args[1].value = CStringGetTextDatum(judged->problem);
	fcinfo->args[2].isnull = judged->name == NULL;
	if (judged->name != NULL)
		fcinfo->args[2].value = CStringGetTextDatum(judged->name);
	fcinfo->args[3].isnull = true;
	fcinfo->args[4].isnull = judged->bound == NULL;
	if (judged->bound != NULL)
		fcinfo->args[4].value = CStringGetTextDatum(judged->bound);
	(void) FunctionCallInvoke(fcinfo);
}

/*
 * read_input(fields jsonb, rules jsonb, wording jsonb) returns the values, or
 * raises the first problem.
 */
Datum
workorder_read_input(PG_FUNCTION_ARGS)
{
	List	   *found = judge_all(PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0),
								  PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1));
	WoJsonbState state = WO_JSONB_START;
	ListCell   *lc;

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, found)
	{
		Judged	   *judged = lfirst(lc);

		if (judged->problem != NULL)
			refuse(fcinfo, judged);
		if (judged->name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a rule of input has no name"),
					 errdetail("Its field cannot be returned."),
					 errhint("Correct the rule.")));
		wo_value_push_string(&state, WJB_KEY, judged->name);
		wo_value_push(&state, WJB_VALUE, &judged->value);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL)));
}

static List *
keep(List *found, const Judged *judged)
{
	Judged	   *copy = palloc(sizeof(Judged));

	*copy = *judged;
	return lappend(found, copy);
}

/*
 * judge_all judges the fields of a request, in the order of the rules.
 */
static List *
judge_all(Jsonb *fields, Jsonb *rules)
{
	List	   *found = NIL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;

	if (rules == NULL)
		return NIL;
	if (!JB_ROOT_IS_ARRAY(rules) || JB_ROOT_IS_SCALAR(rules))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the rules of input are not a list"),
				 errdetail("Each item is the rule of a field."),
				 errhint("Correct the rules.")));
	it = JsonbIteratorInit(&rules->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		JsonbContainer *rule;
		JsonbValue	given;
		Judged		judged = {0};
		bool		there;
		char	   *kind;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM || item.type != jbvBinary || !JsonContainerIsObject(item.val.binary.data))
			continue;
		rule = item.val.binary.data;
		judged.name = member_text(rule, "name");
		there = find_given(fields, rule, judged.name, &given);
		if (judge_absent(rule, there ? &given : NULL, &judged))
		{
			if (judged.there || judged.problem != NULL)
				found = keep(found, &judged);
			continue;
		}

		kind = member_text(rule, "kind");
		if (kind != NULL && strcmp(kind, "ints") == 0)
		{
			found = judge_list(rule, &given, judged, found);
			continue;
		}

		/* of a query's field that came several times, the last counts */
		if (given.type == jbvBinary && JsonContainerIsArray(given.val.binary.data) && is_bool(rule, "last", true))
		{
			JsonbContainer *list = given.val.binary.data;
			uint32		n = JsonContainerSize(list);

			there = n > 0;
			if (there)
				given = *getIthJsonbValueFromContainer(list, n - 1);
		}
		judge_value(rule, kind, there ? &given : NULL, &judged);
		if (judged.problem != NULL)
		{
			judged.there = false;
			if (is_bool(rule, "lenient", true))
			{
				judged.problem = judged.bound = NULL;
				judged.there = find_member(rule, "default", &judged.value);
			}
		}
		if (judged.there || judged.problem != NULL)
			found = keep(found, &judged);
	}
	return found;
}

/*
 * judge_absent tells whether a field is absent, null, or blank where that is
 * the same, and what becomes of it then.
 */
static bool
judge_absent(JsonbContainer *rule, const JsonbValue *given, Judged *judged)
{
	bool		null = given != NULL && given->type == jbvNull;
	JsonbValue	ignored;
	char	   *word;

	if (given != NULL && !null)
	{
		if (given->type != jbvString || !is_blank(given) || is_bool(rule, "blank", false))
			return false;
		word = member_text(rule, "kind");
		if (word != NULL && strcmp(word, "text") == 0 && !find_member(rule, "required", &ignored))
			return false;
	}
	if (null && is_bool(rule, "null", true))
	{
		judged->there = true;
		judged->value = *given;
		return true;
	}
	if (null && is_bool(rule, "null", false))
	{
		judged->problem = member_text(rule, "kind");
		return true;
	}
	word = member_text(rule, "required");
	if (is_bool(rule, "required", true) || (given != NULL && word != NULL && strcmp(word, "if given") == 0))
	{
		judged->there = given != NULL && given->type == jbvString && is_bool(rule, "blank", true);
		if (judged->there)
			judged->value = *given;
		else
			judged->problem = "required";
	}
	else
		judged->there = find_member(rule, "default", &judged->value);
	return true;
}

/*
 * judge_list judges a list of whole numbers, or of choices, which comes as a
 * list, as a field sent several times, or as text.
 */
static List *
judge_list(JsonbContainer *rule, const JsonbValue *given, Judged judged, List *found)
{
	JsonbValue	choices;
	const char *kind = find_member(rule, "in", &choices) ? "choice" : "int";
	const char *name = judged.name != NULL ? judged.name : "";
	JsonbContainer *list = given->type == jbvBinary && JsonContainerIsArray(given->val.binary.data) ?
		given->val.binary.data : NULL;
	const char *p = NULL;
	const char *end = NULL;
	WoJsonbState state = WO_JSONB_START;
	bool		broken = false;
	int			n = 0;

	if (given->type == jbvString)
	{
		p = given->val.string.val;
		end = p + given->val.string.len;
		while (p < end && strchr("[] ", *p) != NULL)
			p++;
		while (end > p && strchr("[] ", end[-1]) != NULL)
			end--;
	}
	wo_push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0;; i++)
	{
		JsonbValue	item;
		Judged		part = {0};

		CHECK_FOR_INTERRUPTS();
		if (list != NULL)
		{
			if (i >= JsonContainerSize(list))
				break;
			item = *getIthJsonbValueFromContainer(list, i);
		}
		else if (given->type == jbvString)
		{
			const char *comma;

			if (p == NULL || (i == 0 && p == end))
				break;
			comma = memchr(p, ',', end - p);
			set_text(&item, unconstify(char *, p), (comma != NULL ? comma : end) - p);
			p = comma != NULL ? comma + 1 : NULL;
		}
		else if (i > 0)
			break;
		else
			item = *given;

		if (is_blank(&item))
			continue;
		if (item.type == jbvString)
		{
			char	   *from = item.val.string.val;
			int			len = item.val.string.len;

			for (; len > 0 && *from == ' '; from++, len--)
				;
			while (len > 0 && from[len - 1] == ' ')
				len--;
			set_text(&item, from, len);
		}
		judge_value(rule, kind, &item, &part);
		if (part.problem != NULL)
		{
			part.name = psprintf("%s.%d", name, i);
			part.there = false;
			found = keep(found, &part);
			broken = true;
		}
		else
		{
			wo_value_push(&state, WJB_ELEM, &part.value);
			n++;
		}
	}
	if (n > 0 && !broken)
	{
		judged.there = true;
		wo_value_from_jsonb(JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_ARRAY, NULL)), &judged.value);
		found = keep(found, &judged);
	}
	return found;
}

/*
 * judge_value judges one value, NULL if it is not there, by one rule.
 */
static void
judge_value(JsonbContainer *rule, const char *kind, const JsonbValue *given, Judged *judged)
{
	Numeric		size = NULL;
	Numeric		bound;
	char	   *pattern;
	bool		string = given != NULL && given->type == jbvString;
	bool		list = given != NULL && given->type == jbvBinary && JsonContainerIsArray(given->val.binary.data);
	bool		is;

	judged->there = false;
#define IS(word) (strcmp(kind, word) == 0)
	if (kind == NULL)
	{
		judged->there = given != NULL;
		if (given != NULL)
			judged->value = *given;
	}
	else if (IS("text") || IS("url"))
	{
		judged->there = string && (IS("text") || matches(value_text(given), URL_PATTERN, false));
		if (judged->there)
		{
			judged->value = *given;
			size = int64_to_numeric(pg_mbstrlen_with_len(given->val.string.val, given->val.string.len));
		}
	}
	else if (IS("int") || IS("money"))
	{
		size = IS("int") ? read_int(rule, given) : read_money(given);
		judged->there = size != NULL;
		if (judged->there)
			set_number(&judged->value, size);
	}
	else if (IS("flag"))
	{
		judged->there = read_flag(given, &is);
		judged->value.type = jbvBool;
		judged->value.val.boolean = judged->there && is;
	}
	else if (IS("choice"))
		judged->there = find_choice(rule, given, &judged->value);
	else if (IS("time") || IS("day"))
	{
		char	   *time = !string ? NULL :
			read_time(given->val.string.val, given->val.string.len, IS("day"), is_bool(rule, "end", true));
		char	   *zone = member_text(rule, "zone");

		/* by its offset a time may leave the years that are written with four digits */
		judged->there = time != NULL && !leaves_years(time, zone != NULL ? zone : "UTC");
		if (judged->there)
			set_text(&judged->value, time, strlen(time));
	}
	else if (IS("object") || IS("list"))
	{
		judged->there = IS("list") ? list : given != NULL && given->type == jbvBinary && !list;
		if (judged->there)
			judged->value = *given;
		if (judged->there && list)
			size = int64_to_numeric(JsonContainerSize(given->val.binary.data));
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized kind of input \"%s\"", kind),
				 errdetail("The kinds are text, int, money, flag, choice, time, day, url, object, list and ints."),
				 errhint("Correct the rule.")));
#undef IS

	if (!judged->there)
	{
		judged->problem = kind;
		return;
	}
	bound = size != NULL ? member_number(rule, "min") : NULL;
	if (bound != NULL && DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(size), NumericGetDatum(bound))))
	{
		judged->problem = "min";
		judged->bound = member_text(rule, "min");
		return;
	}
	bound = size != NULL ? member_number(rule, "max") : NULL;
	if (bound != NULL && DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(size), NumericGetDatum(bound))))
	{
		judged->problem = "max";
		judged->bound = member_text(rule, "max");
		return;
	}
	pattern = member_text(rule, "pattern");
	if (pattern != NULL)
	{
		char	   *said = value_text(&judged->value);

		if (said != NULL && !matches(said, pattern, true))
		{
			char	   *otherwise = member_text(rule, "otherwise");

			judged->problem = otherwise != NULL ? otherwise : kind;
		}
	}
}

/*
 * count_digits returns how many digits a text goes on with.
 */
static int
count_digits(const char *from, const char *end)
{
	const char *p = from;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return (int) Min(p - from, PG_INT32_MAX);
}

static Numeric
parse_number(const char *from, size_t len)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(pnstrdup(from, len)),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static Numeric
trim_scale(Numeric number)
{
	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number)));
}

/*
 * read_int reads a whole number, at most as large as the rule's "cap"; NULL if
 * it is none.
 */
static Numeric
read_int(JsonbContainer *rule, const JsonbValue *given)
{
	Numeric		number;
	Numeric		whole;
	Numeric		cap;

	if (given != NULL && given->type == jbvNumeric)
		number = given->val.numeric;
	else if (given != NULL && given->type == jbvString)
	{
		const char *p = given->val.string.val;
		const char *end = p + given->val.string.len;
		const char *digits = p < end && *p == '-' ? p + 1 : p;
		int			n = count_digits(digits, end);

		if (n < 1 || n > INT_DIGITS || digits + n != end)
			return NULL;
		number = parse_number(p, end - p);
	}
	else
		return NULL;
	whole = DatumGetNumeric(DirectFunctionCall2(numeric_trunc, NumericGetDatum(number), Int32GetDatum(0)));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(number), NumericGetDatum(whole))))
		return NULL;
	cap = member_number(rule, "cap");
	if (cap != NULL && DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(cap), NumericGetDatum(whole))))
		return cap;
	return whole;
}

/*
 * read_money reads an amount; NULL if it is none.
 */
static Numeric
read_money(const JsonbValue *given)
{
	Numeric		number;

	if (given != NULL && given->type == jbvNumeric)
		number = given->val.numeric;
	else if (given != NULL && given->type == jbvString)
	{
		const char *p = given->val.string.val;
		const char *end = p + given->val.string.len;
		int			n = count_digits(p, end);

		if (n < 1 || n > MONEY_DIGITS)
			return NULL;
		p += n;
		if (p < end)
		{
			if (*p != '.')
				return NULL;
			n = count_digits(p + 1, end);
			if (n < 1 || n > MONEY_DIGITS || p + 1 + n != end)
				return NULL;
		}
		number = parse_number(given->val.string.val, given->val.string.len);
	}
	else
		return NULL;
	number = trim_scale(number);
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(number), NumericGetDatum(int64_to_numeric(0)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_ge, NumericGetDatum(number), NumericGetDatum(int64_to_numeric(MONEY_LIMIT)))) ||
		DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(number))) > MONEY_SCALE)
		return NULL;
	return number;
}

/*
 * read_flag tells whether a value is true or false, and which.
 */
static bool
read_flag(const JsonbValue *given, bool *flag)
{
	char	   *said = given_text(given);

	if (said == NULL)
		return false;
	*flag = strcmp(said, "true") == 0 || strcmp(said, "1") == 0;
	return *flag || strcmp(said, "false") == 0 || strcmp(said, "0") == 0;
}

/*
 * find_choice finds the choice that reads as the value does.
 */
static bool
find_choice(JsonbContainer *rule, const JsonbValue *given, JsonbValue *choice)
{
	char	   *said = given_text(given);
	JsonbValue	choices;

	if (said == NULL || !find_member(rule, "in", &choices))
		return false;
	if (choices.type != jbvBinary || !JsonContainerIsArray(choices.val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the choices of a rule of input are not a list"),
				 errdetail("\"in\" lists them."),
				 errhint("Correct the rule.")));
	for (int i = 0; i < JsonContainerSize(choices.val.binary.data); i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(choices.val.binary.data, i);
		char	   *word = value_text(item);

		if (word != NULL && strcmp(word, said) == 0)
		{
			*choice = *item;
			return true;
		}
	}
	return false;
}

/*
 * read_two reads two digits that are at most max, and moves on.
 */
static bool
read_two(const char **p, const char *end, int max, int *number)
{
	if (end - *p < 2 || count_digits(*p, *p + 2) != 2)
		return false;
	*number = ((*p)[0] - '0') * 10 + (*p)[1] - '0';
	*p += 2;
	return *number <= max;
}

/*
 * read_time reads YYYY-MM-DD, and unless that is all, [ T]HH:MM[:SS[.fraction]]
 * and an offset; NULL if it is none, or no such day exists.
 */
static char *
read_time(const char *given, size_t len, bool day_only, bool at_end)
{
	const char *p = given;
	const char *end = given + len;
	int			year;
	int			month;
	int			day;
	int			hour;
	int			minute;
	int			second = 0;
	int			number;
	const char *offset;

	if (len < 10 || count_digits(p, p + 4) != 4)
		return NULL;
	year = (p[0] - '0') * 1000 + (p[1] - '0') * 100 + (p[2] - '0') * 10 + p[3] - '0';
	p += 4;
	if (*p++ != '-' || !read_two(&p, end, 12, &month) || month == 0 || *p++ != '-' ||
		!read_two(&p, end, 31, &day) || day == 0 || year == 0 || day > day_tab[isleap(year)][month - 1])
		return NULL;
	if (p == end)
		return psprintf("%.10s%s", given, day_only ? "" : at_end ? " 23:59:59" : " 00:00:00");
	if (day_only || (*p != ' ' && *p != 'T'))
		return NULL;
	p++;
	if (!read_two(&p, end, 23, &hour) || p == end || *p++ != ':' || !read_two(&p, end, 59, &minute))
		return NULL;
	if (p < end && *p == ':')
	{
		p++;
		if (!read_two(&p, end, 59, &second))
			return NULL;
		if (p < end && (*p == '.' || *p == ','))
		{
			number = count_digits(p + 1, end);
			if (number < 1 || number > 9)
				return NULL;
			p += number + 1;
		}
	}
	offset = p;
	if (p < end && *p == 'Z')
	{
		offset = "+00";
		if (++p != end)
			return NULL;
	}
	else if (p < end)
	{
		if ((*p != '+' && *p != '-') || (p++, !read_two(&p, end, 14, &number)))
			return NULL;
		if (p < end && *p == ':')
			p++;
		if (p < end && (!read_two(&p, end, 59, &number) || p != end))
			return NULL;
		offset = pnstrdup(offset, end - offset);
	}
	else
		offset = "";
	return psprintf("%.10s %02d:%02d:%02d%s", given, hour, minute, second, offset);
}

/*
 * leaves_years tells whether a time, as read_time() gives it, lies outside of
 * the years 1 to 9999 in the zone that it is shown in.
 */
static bool
leaves_years(const char *time, const char *zone)
{
	Datum		name = CStringGetTextDatum(zone);
	Datum		moment;
	Timestamp	shown;
	Timestamp	first;
	Timestamp	last;

	/* only a time has more than a day and hh:mm:ss: an offset */
	if (strlen(time) > 19)
		moment = DirectFunctionCall3(timestamptz_in, CStringGetDatum(time), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	else
		moment = DirectFunctionCall2(timestamp_zone, name,
									 DirectFunctionCall3(timestamp_in, CStringGetDatum(time), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	shown = DatumGetTimestamp(DirectFunctionCall2(timestamptz_zone, name, moment));
	first = (Timestamp) (date2j(1, 1, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
	last = (Timestamp) (date2j(10000, 1, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY - USECS_PER_SEC;
	return shown < first || shown > last;
}

/*
 * find_given finds the field of a rule, or the first of its other names that
 * was sent.
 */
static bool
find_given(Jsonb *fields, JsonbContainer *rule, const char *name, JsonbValue *given)
{
	JsonbValue	names;

	if (fields == NULL || !JB_ROOT_IS_OBJECT(fields))
		return false;
	if (name != NULL && find_member(&fields->root, name, given))
		return true;
	if (!find_member(rule, "from", &names) || names.type != jbvBinary || !JsonContainerIsArray(names.val.binary.data))
		return false;
	for (int i = 0; i < JsonContainerSize(names.val.binary.data); i++)
	{
		char	   *other = value_text(getIthJsonbValueFromContainer(names.val.binary.data, i));

		if (other != NULL && find_member(&fields->root, other, given))
			return true;
	}
	return false;
}

static bool
find_member(JsonbContainer *object, const char *key, JsonbValue *value)
{
	return object != NULL && getKeyJsonValueFromContainer(object, key, strlen(key), value) != NULL;
}

/*
 * is_bool tells whether a key of a rule is there, and true, or false.
 */
static bool
is_bool(JsonbContainer *rule, const char *key, bool wanted)
{
	JsonbValue	value;

	return find_member(rule, key, &value) && value.type == jbvBool && value.val.boolean == wanted;
}

/*
 * member_text returns a key of a rule as text, NULL if it is not there or null.
 */
static char *
member_text(JsonbContainer *rule, const char *key)
{
	JsonbValue	value;

	return find_member(rule, key, &value) ? value_text(&value) : NULL;
}

static Numeric
member_number(JsonbContainer *rule, const char *key)
{
	JsonbValue	value;
	char	   *digits;

	if (!find_member(rule, key, &value))
		return NULL;
	if (value.type == jbvNumeric)
		return value.val.numeric;
	digits = value_text(&value);
	return digits != NULL ? parse_number(digits, strlen(digits)) : NULL;
}

/*
 * value_text returns a value as the operator ->> does.
 */
static char *
value_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return NULL;
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		case jbvBinary:
			return JsonbToCString(NULL, value->val.binary.data, value->val.binary.len);
		default:
			elog(ERROR, "unexpected type of a JSON value: %d", (int) value->type);
	}
	return NULL;				/* keep compiler quiet */
}

/*
 * given_text returns what was given as text: a number is the same however it
 * is written (1, 1.0, 1e0), and what is written out is one value, never a list
 * of them.
 */
static char *
given_text(const JsonbValue *given)
{
	JsonbValue	value;

	if (given == NULL || given->type == jbvBinary)
		return NULL;
	value = *given;
	if (value.type == jbvNumeric)
		value.val.numeric = trim_scale(value.val.numeric);
	return value_text(&value);
}

/*
 * is_blank tells whether a value is null, or a text that shows nothing.
 */
static bool
is_blank(const JsonbValue *value)
{
	return value->type == jbvNull ||
		(value->type == jbvString &&
		 wo_value_blank(TEXTOID, PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len)), false));
}

static bool
matches(const char *string, const char *pattern, bool same_case)
{
	return DatumGetBool(DirectFunctionCall2Coll(same_case ? textregexeq : texticregexeq, DEFAULT_COLLATION_OID,
												CStringGetTextDatum(string), CStringGetTextDatum(pattern)));
}

static void
set_text(JsonbValue *value, char *string, size_t len)
{
	value->type = jbvString;
	value->val.string.val = string;
	value->val.string.len = (int) len;
}

static void
set_number(JsonbValue *value, Numeric number)
{
	value->type = jbvNumeric;
	value->val.numeric = number;
}
