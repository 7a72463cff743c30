/*-------------------------------------------------------------------------
 *
 * value_read.c
 *	  Column values out of JSON, and what counts as not filled in.
 *
 * The canonical form is described in value.c.  What is read here may also
 * come from people, through act() and from a flow's "set", so everything that
 * jsonb_populate_record() takes is taken.  Nothing is caught: a value that
 * its type refuses raises the type's own error.
 *
 * Anybody may call.  Results live in the current memory context or point
 * into the value given.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/resowner.h"

#include "utils/value.h"
#include "utils/value_type.h"

PG_FUNCTION_INFO_V1(workorder_is_blank);

static bool scalar_input(const JsonbValue *scalar, Oid type, int32 typmod, Datum *result);
static Datum input(Oid type, int32 typmod, char *string);
static Datum populate(Jsonb *value, Oid type, int32 typmod, bool *isnull);
static bool text_is_blank(const char *s, int len);
static bool json_is_blank(const char *s, int len);

/*
 * Gives the value of a column's type that a JSON value stands for.
 *
 * Takes the canonical form and whatever else jsonb_populate_record() takes,
 * so that people may write values as they do elsewhere.  A value that the
 * type refuses raises the type's own error.
 */
Datum
wo_value_from_json(Jsonb *value, Oid type, int32 typmod, bool *isnull)
{
	JsonbValue	scalar;
	JsonbValue	content;
	WoTypeInfo	info;

	*isnull = false;
	if (JB_ROOT_IS_SCALAR(value) && JsonbExtractScalar(&value->root, &scalar))
	{
		Datum		result;

		if (scalar.type == jbvNull)
		{
			/* A domain may refuse null, and only its check can say so. */
			if (get_typtype(type) == TYPTYPE_DOMAIN)
				return populate(value, type, typmod, isnull);
			*isnull = true;
			return (Datum) 0;
		}

		if (scalar_input(&scalar, type, typmod, &result))
			return result;
		return type == JSONBOID ? JsonbPGetDatum(value) : populate(value, type, typmod, isnull);
	}

	if (!wo_value_unwrap(value, &content))
		return type == JSONBOID ? JsonbPGetDatum(value) : populate(value, type, typmod, isnull);

	wo_type_lookup(type, &info);
	if (info.kind == WO_TYPE_JSONB)
	{
		Jsonb	   *jsonb = JsonbValueToJsonb(&content);

		/* A domain must see JSON null, which populate() would make SQL NULL. */
		return type == JSONBOID ? JsonbPGetDatum(jsonb)
			: input(type, typmod, JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb)));
	}
	if (info.kind == WO_TYPE_JSON && content.type == jbvString)
		return input(type, typmod, pnstrdup(content.val.string.val, content.val.string.len));
	return populate(value, type, typmod, isnull);
}

/*
 * Turns the canonical form of a column's value into the form people read:
 * json and jsonb without their wrapping, JSON null like SQL NULL.
 */
void
wo_value_readable(Oid type, JsonbValue *value)
{
	JsonbValue	content;
	WoTypeInfo	info;

	if (value->type != jbvBinary || !wo_value_unwrap(JsonbValueToJsonb(value), &content))
		return;
	wo_type_lookup(type, &info);
	if (info.kind == WO_TYPE_JSONB)
		*value = content;
	else if (info.kind == WO_TYPE_JSON && content.type == jbvString)
		wo_value_parse_json(pnstrdup(content.val.string.val, content.val.string.len), value);
}

/*
 * Says whether a required column is not filled in: null, text of white space
 * only (the full-width space and invisible characters included), an empty
 * array, or JSON null, "", [] or {}.
 */
bool
wo_value_blank(Oid type, Datum value, bool isnull)
{
	WoTypeInfo	info;

	if (isnull)
		return true;
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case BOOLOID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case UUIDOID:
		case BYTEAOID:
			return false;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			break;
		default:
			wo_type_lookup(type, &info);
			type = info.base;
			if (info.kind == WO_TYPE_ARRAY)
				return ARR_NDIM(DatumGetArrayTypeP(value)) == 0;
			if (info.kind == WO_TYPE_TEXT)
			{
				char		category;
				bool		preferred;
				char	   *string;

				/* citext and the like: strings to the user, so strings here. */
				get_type_category_preferred(type, &category, &preferred);
				if (category != TYPCATEGORY_STRING)
					return false;
				string = OidOutputFunctionCall(info.output, value);
				return text_is_blank(string, strlen(string));
			}
			break;
	}

	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			{
				text	   *string = DatumGetTextPP(value);

				return text_is_blank(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
			}
		case NAMEOID:
			return text_is_blank(NameStr(*DatumGetName(value)), strlen(NameStr(*DatumGetName(value))));
		case JSONOID:
			{
				text	   *string = DatumGetTextPP(value);

				return json_is_blank(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
			}
		case JSONBOID:
			{
				Jsonb	   *jsonb = DatumGetJsonbP(value);
				JsonbValue	scalar;

				if (!JB_ROOT_IS_SCALAR(jsonb))
					return JB_ROOT_COUNT(jsonb) == 0;
				JsonbExtractScalar(&jsonb->root, &scalar);
				return scalar.type == jbvNull ||
					(scalar.type == jbvString &&
					 text_is_blank(scalar.val.string.val, scalar.val.string.len));
			}
		default:
			return false;
	}
}

/*
 * is_blank(value) tells the same of a field of a request: absent, null, or a
 * blank text.  An empty list or object is a value there.
 */
Datum
workorder_is_blank(PG_FUNCTION_ARGS)
{
	Jsonb	   *value = PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0);

	PG_RETURN_BOOL(value == NULL ||
				   (JB_ROOT_IS_SCALAR(value) &&
					wo_value_blank(JSONBOID, JsonbPGetDatum(value), false)));
}

/* Reads a scalar for one of the common types; false if there is no short way. */
static bool
scalar_input(const JsonbValue *scalar, Oid type, int32 typmod, Datum *result)
{
	char	   *string;

	switch (scalar->type)
	{
		case jbvBool:
			if (type != BOOLOID)
				return false;
			*result = BoolGetDatum(scalar->val.boolean);
			return true;

		case jbvNumeric:
			if (type == NUMERICOID)
			{
				*result = DirectFunctionCall2(numeric, NumericGetDatum(scalar->val.numeric),
											  Int32GetDatum(typmod));
				return true;
			}
			if (type != INT2OID && type != INT4OID && type != INT8OID)
				return false;

			/* By way of text: a cast would round 1.5, the input function refuses it. */
			string = DatumGetCString(DirectFunctionCall1(numeric_out,
														 NumericGetDatum(scalar->val.numeric)));
			if (type == INT2OID)
				*result = DirectFunctionCall1(int2in, CStringGetDatum(string));
			else if (type == INT4OID)
				*result = DirectFunctionCall1(int4in, CStringGetDatum(string));
			else
				*result = DirectFunctionCall1(int8in, CStringGetDatum(string));
			return true;

		case jbvString:
			if (type == TEXTOID)
			{
				*result = PointerGetDatum(cstring_to_text_with_len(scalar->val.string.val,
																   scalar->val.string.len));
				return true;
			}
			if (type != VARCHAROID && type != TIMESTAMPTZOID)
				return false;
			string = pnstrdup(scalar->val.string.val, scalar->val.string.len);
			*result = DirectFunctionCall3(type == VARCHAROID ? varcharin : timestamptz_in,
										  CStringGetDatum(string), ObjectIdGetDatum(InvalidOid),
										  Int32GetDatum(typmod));
			return true;

		default:
			return false;
	}
}

/* Calls a type's input function. */
static Datum
input(Oid type, int32 typmod, char *string)
{
	Oid			function;
	Oid			ioparam;

	getTypeInputInfo(type, &function, &ioparam);
	return OidInputFunctionCall(function, string, ioparam, typmod);
}

/*
 * Reads a JSON value as jsonb_populate_record() would read it for a column.
 *
 * json_populate_type() is not there before PostgreSQL 17, so an anonymous row
 * of one column carries the type and its modifier.
 */
static Datum
populate(Jsonb *value, Oid type, int32 typmod, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, 2);
	FmgrInfo	function;
	TupleDesc	desc;
	HeapTuple	row;
	WoJsonbState state = WO_JSONB_START;
	JsonbValue	item;
	Datum		null = (Datum) 0;
	bool		yes = true;
	Datum		result;
	HeapTupleData tuple;
	int			nest;

	desc = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(desc, 1, "value", type, typmod, 0);
	desc = BlessTupleDesc(desc);
	row = heap_form_tuple(desc, &null, &yes);

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	wo_push_string(&state, WJB_KEY, "value");
	wo_value_from_jsonb(value, &item);
	wo_push_value(&state, WJB_VALUE, &item);
	value = JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL));

	fmgr_info(F_JSONB_POPULATE_RECORD, &function);
	function.fn_expr = (Node *)
		makeFuncExpr(F_JSONB_POPULATE_RECORD, RECORDOID,
					 list_make1(makeNullConst(RECORDOID, -1, InvalidOid)),
					 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	InitFunctionCallInfoData(*fcinfo, &function, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = HeapTupleGetDatum(row);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = JsonbPGetDatum(value);
	fcinfo->args[1].isnull = false;

	nest = wo_type_pin_input();
	result = FunctionCallInvoke(fcinfo);
	if (nest >= 0)
		AtEOXact_GUC(true, nest);

	tuple.t_data = DatumGetHeapTupleHeader(result);
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	return heap_getattr(&tuple, 1, desc, isnull);
}

/* Says whether a text consists of white space and invisible characters only. */
static bool
text_is_blank(const char *s, int len)
{
	const unsigned char *p = (const unsigned char *) s;
	const unsigned char *end = p + len;
	int			encoding = GetDatabaseEncoding();

	while (p < end)
	{
		if (*p == ' ' || (*p >= '\t' && *p <= '\r'))
			p++;
		else if (*p < 0x80)
			return false;
		else if (encoding == PG_UTF8)
		{
			pg_wchar	c;

			if (p + pg_utf_mblen(p) > end)
				return false;
			c = utf8_to_unicode(p);
			if (!(c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200B) ||
				  c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x2060 ||
				  c == 0x3000 || c == 0xFEFF))
				return false;
			p += pg_utf_mblen(p);
		}
		else if ((encoding == PG_EUC_CN || encoding == PG_EUC_JP || encoding == PG_EUC_KR ||
				  encoding == PG_EUC_TW || encoding == PG_EUC_JIS_2004) &&
				 end - p >= 2 && p[0] == 0xA1 && p[1] == 0xA1)
			p += 2;
		else
			return false;
	}
	return true;
}

/* Says whether a json text is null, a blank string, or an empty container. */
static bool
json_is_blank(const char *s, int len)
{
	while (len > 0 && (*s == ' ' || (*s >= '\t' && *s <= '\r')))
		s++, len--;
	while (len > 0 && (s[len - 1] == ' ' || (s[len - 1] >= '\t' && s[len - 1] <= '\r')))
		len--;
	if (len == 4 && memcmp(s, "null", 4) == 0)
		return true;
	if (len < 2)
		return false;
	if ((s[0] == '"' && s[len - 1] == '"') || (s[0] == '[' && s[len - 1] == ']') ||
		(s[0] == '{' && s[len - 1] == '}'))
		return text_is_blank(s + 1, len - 2);
	return false;
}

/*
 * in_type gives a canonical value as the type writes it now.
 */
static void
in_type(Oid type, int32 typmod, JsonbValue *value, JsonbValue *result)
{
	bool		isnull = value->type == jbvNull;
	Datum		datum = (Datum) 0;

	if (!isnull)
		datum = wo_value_from_json(JsonbValueToJsonb(value), type, typmod, &isnull);
	wo_value_to_json(type, datum, isnull, result);
}

/*
 * wo_value_same tells whether two canonical values, which are not equal, are
 * one to a type: what was written while the column had another type, or the
 * type other attributes, is not what is written now.  It looks in a
 * subtransaction, since not everything is a value of every type.
 */
bool
wo_value_same(Oid type, int32 typmod, JsonbValue *left, JsonbValue *right)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool same = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		JsonbValue	one;
		JsonbValue	other;

		in_type(type, typmod, left, &one);
		in_type(type, typmod, right, &other);
		same = wo_value_equal(&one, &other);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
		{
			CurrentResourceOwner = owner;
			ReThrowError(error);
		}
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return same;
}
