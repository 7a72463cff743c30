/*-------------------------------------------------------------------------
 *
 * value.c
 *	  Column values as canonical JSON, and back.
 *
 * The journal keeps old and new values as jsonb, its digest is computed over
 * them, and verify() and as_of() rebuild a row from them years later.  So a
 * value has exactly one form, whatever TimeZone, DateStyle, IntervalStyle,
 * bytea_output, extra_float_digits, lc_monetary or search_path the session
 * has, and the form leads back to the value.
 *
 * The form is what to_jsonb() gives under DateStyle ISO and TimeZone UTC,
 * with these differences, each because to_jsonb() would lose something:
 *
 *	 - json: {"~json": "<the text>"}, as the text itself is the value;
 *	 - jsonb holding JSON null: {"~json": null}, as null is SQL NULL; a jsonb
 *	   object whose only key is "~json" is wrapped in the same way;
 *	 - an array whose bounds do not start at 1, whose elements are json, jsonb
 *	   or arrays, and a composite value that holds such json: a string, the
 *	   value's output text;
 *	 - a type with a cast to json (hstore, for one): its output text, as the
 *	   cast's result is not what its input function reads.
 *
 * Negative zero of float4 and float8 becomes zero, which is equal to it.
 * Names inside values (regclass and its kin) are written qualified; renaming
 * the object changes the form.
 *
 * Results live in the current memory context or point into the value given,
 * so they last no longer than that does.
 *
 * Anybody may call; nothing here calls a file of another folder.
 *
 * What is read may also come from people, through act() and from a flow's "set",
 * so everything that jsonb_populate_record() takes is taken.  Nothing is caught:
 * a value that its type refuses raises the type's own error.
 *
 * Anybody may call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/typcache.h"

#include "utils/compat.h"
#include "utils/value.h"
#include "utils/value_type.h"

/* ----------------------------------------------------------------
 *		values as JSON
 * ----------------------------------------------------------------
 */

static bool encode_plain(Oid type, Datum value, JsonbValue *result);
static void encode_guarded(const WoTypeInfo *info, Datum value, bool readable, JsonbValue *result);
static bool encode(const WoTypeInfo *info, Datum value, bool readable, bool nested, JsonbValue *result);
static void encode_jsonb(Datum value, bool readable, JsonbValue *result);
static void encode_json(Datum value, bool readable, JsonbValue *result);
static bool encode_array(const WoTypeInfo *info, Datum value, bool readable, JsonbValue *result);
static bool encode_composite(Datum value, bool readable, JsonbValue *result);
static void push_dimension(WoJsonbState *state, const ArrayType *array, int dimension,
						   JsonbValue *elements, int *next, JsonbValue **result);
static void wrap(JsonbValue *content, JsonbValue *result);
static void set_number(JsonbValue *result, Datum numeric);

/*
 * Gives the canonical form of a column's value.
 *
 * The result is a scalar or jbvBinary; it may point into the value.
 */
void
wo_value_to_json(Oid type, Datum value, bool isnull, JsonbValue *result)
{
	WoTypeInfo	info;

	if (isnull)
	{
		result->type = jbvNull;
		return;
	}
	if (encode_plain(type, value, result))
		return;
	if (type == JSONBOID)
	{
		encode_jsonb(value, false, result);
		return;
	}
	wo_value_type_lookup(type, &info);
	encode_guarded(&info, value, false, result);
}

/*
 * Makes an object of all columns that are not dropped, nulls included, in the
 * readable form: what guards and people see.
 *
 * It differs from the canonical form in json and jsonb, which it embeds as
 * they are, and in arrays and composite values, which it never gives as text.
 */
Jsonb *
wo_value_of_row(TupleDesc desc, const Datum *values, const bool *isnull)
{
	WoJsonbState state = WO_JSONB_START;
	JsonbValue	item;
	JsonbValue *result;

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		wo_value_push_string(&state, WJB_KEY, NameStr(att->attname));
		if (isnull[i])
			item.type = jbvNull;
		else if (!encode_plain(att->atttypid, values[i], &item))
		{
			WoTypeInfo	info;

			wo_value_type_lookup(att->atttypid, &info);
			encode_guarded(&info, values[i], true, &item);
		}
		wo_value_push(&state, WJB_VALUE, &item);
	}
	result = wo_push_jsonb(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(result);
}

/* Gives a jsonb as a value: a scalar as itself, a container as jbvBinary. */
void
wo_value_from_jsonb(Jsonb *jsonb, JsonbValue *result)
{
	if (JB_ROOT_IS_SCALAR(jsonb) && JsonbExtractScalar(&jsonb->root, result))
		return;
	result->type = jbvBinary;
	result->val.binary.data = &jsonb->root;
	result->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
}

/*
 * Pushes a value or element, taking apart what is serialized already.
 *
 * A raw scalar is a one-element array on disk; pushing it as it is would put
 * that array into the document.
 */
void
wo_value_push(WoJsonbState *state, JsonbIteratorToken token, JsonbValue *value)
{
	JsonbValue	scalar;

	if (value->type == jbvBinary && JsonContainerIsScalar(value->val.binary.data) &&
		JsonbExtractScalar(value->val.binary.data, &scalar))
		value = &scalar;
	wo_push_jsonb(state, token, value);
}

/* Pushes a text: a key, an element or a value; it must last as long as state. */
void
wo_value_push_string(WoJsonbState *state, JsonbIteratorToken token, const char *text)
{
	JsonbValue	value;

	wo_value_set_string(&value, unconstify(char *, text));
	wo_push_jsonb(state, token, &value);
}

/* Says whether two values, scalars or jbvBinary, are the same JSON. */
bool
wo_value_equal(JsonbValue *left, JsonbValue *right)
{
	if (left->type != right->type)
		return false;
	switch (left->type)
	{
		case jbvNull:
			return true;
		case jbvBool:
			return left->val.boolean == right->val.boolean;
		case jbvString:
			return left->val.string.len == right->val.string.len &&
				memcmp(left->val.string.val, right->val.string.val, left->val.string.len) == 0;
		case jbvNumeric:
			return DatumGetBool(DirectFunctionCall2(numeric_eq,
													NumericGetDatum(left->val.numeric),
													NumericGetDatum(right->val.numeric)));
		default:
			return compareJsonbContainers(&JsonbValueToJsonb(left)->root,
										  &JsonbValueToJsonb(right)->root) == 0;
	}
}

/* Gives the content of {"~json": content}; false if the value is not that. */
bool
wo_value_unwrap(Jsonb *value, JsonbValue *content)
{
	if (!JB_ROOT_IS_OBJECT(value) || JB_ROOT_COUNT(value) != 1)
		return false;
	return getKeyJsonValueFromContainer(&value->root, WO_VALUE_WRAP, strlen(WO_VALUE_WRAP),
										content) != NULL;
}

/* Makes a string value of a C string, which it keeps pointing to. */
void
wo_value_set_string(JsonbValue *result, char *string)
{
	result->type = jbvString;
	result->val.string.val = string;
	result->val.string.len = strlen(string);
}

/*
 * Writes a value of a common built-in type; false if the type is not one.
 *
 * The hot path: no catalog access, no setting read.
 */
static bool
encode_plain(Oid type, Datum value, JsonbValue *result)
{
	char		buf[MAXDATELEN + 1];

	switch (type)
	{
		case BOOLOID:
			result->type = jbvBool;
			result->val.boolean = DatumGetBool(value);
			return true;

		case INT2OID:
			set_number(result, NumericGetDatum(int64_to_numeric(DatumGetInt16(value))));
			return true;
		case INT4OID:
			set_number(result, NumericGetDatum(int64_to_numeric(DatumGetInt32(value))));
			return true;
		case INT8OID:
			set_number(result, NumericGetDatum(int64_to_numeric(DatumGetInt64(value))));
			return true;

		case NUMERICOID:
			{
				Numeric		number = DatumGetNumeric(value);

				if (numeric_is_nan(number) || numeric_is_inf(number))
					wo_value_set_string(result, DatumGetCString(DirectFunctionCall1(numeric_out,
																		   NumericGetDatum(number))));
				else
					set_number(result, NumericGetDatum(number));
				return true;
			}

		case FLOAT4OID:
		case FLOAT8OID:
			{
				char		number[DOUBLE_SHORTEST_DECIMAL_LEN];

				/* float8out() would follow extra_float_digits. */
				if (type == FLOAT4OID)
					float_to_shortest_decimal_buf(DatumGetFloat4(value), number);
				else
					double_to_shortest_decimal_buf(DatumGetFloat8(value), number);
				if (strchr(number, 'N') || strchr(number, 'I'))
					wo_value_set_string(result, pstrdup(number));
				else
					set_number(result, DirectFunctionCall3(numeric_in, CStringGetDatum(number),
														   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
				return true;
			}

		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			{
				text	   *string = DatumGetTextPP(value);

				result->type = jbvString;
				result->val.string.val = VARDATA_ANY(string);
				result->val.string.len = VARSIZE_ANY_EXHDR(string);
				return true;
			}
		case NAMEOID:
			wo_value_set_string(result, NameStr(*DatumGetName(value)));
			return true;

		case TIMESTAMPTZOID:
			{
				int			utc = 0;

				JsonEncodeDateTime(buf, value, type, &utc);
				wo_value_set_string(result, pstrdup(buf));
				return true;
			}
		case TIMESTAMPOID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
			JsonEncodeDateTime(buf, value, type, NULL);
			wo_value_set_string(result, pstrdup(buf));
			return true;

		case UUIDOID:
			wo_value_set_string(result, DatumGetCString(DirectFunctionCall1(uuid_out, value)));
			return true;

		case BYTEAOID:
			{
				bytea	   *bytes = DatumGetByteaPP(value);
				int			len = VARSIZE_ANY_EXHDR(bytes);
				char	   *hex = palloc_extended((Size) len * 2 + 2, MCXT_ALLOC_HUGE);

				hex[0] = '\\';
				hex[1] = 'x';
				hex_encode(VARDATA_ANY(bytes), len, hex + 2);
				result->type = jbvString;
				result->val.string.val = hex;
				result->val.string.len = len * 2 + 2;
				return true;
			}

		default:
			return false;
	}
}

/* Writes a value of any type, under canonical settings if its type needs them. */
static void
encode_guarded(const WoTypeInfo *info, Datum value, bool readable, JsonbValue *result)
{
	int			nest = -1;

	if (!info->settled)
		nest = wo_value_type_pin_output();

	encode(info, value, readable, false, result);

	if (nest >= 0)
		AtEOXact_GUC(true, nest);
}

/*
 * Writes a value of any type; false if a nested value has no exact form, in
 * which case the container is to be written as text.
 */
static bool
encode(const WoTypeInfo *info, Datum value, bool readable, bool nested, JsonbValue *result)
{
	switch (info->kind)
	{
		case WO_TYPE_PLAIN:
			return encode_plain(info->base, value, result);

		case WO_TYPE_JSONB:
			encode_jsonb(value, readable || nested, result);
			return readable || !nested || result->type != jbvNull;

		case WO_TYPE_JSON:
			if (nested && !readable)
				return false;
			encode_json(value, readable, result);
			return true;

		case WO_TYPE_ARRAY:
			if (encode_array(info, value, readable, result))
				return true;
			break;

		case WO_TYPE_COMPOSITE:
			if (encode_composite(value, readable, result))
				return true;
			break;

		case WO_TYPE_TEXT:
			break;
	}
	wo_value_set_string(result, OidOutputFunctionCall(info->output, value));
	return true;
}

/* Writes jsonb: itself, or wrapped where it would be mistaken for something else. */
static void
encode_jsonb(Datum value, bool readable, JsonbValue *result)
{
	Jsonb	   *jsonb = DatumGetJsonbP(value);
	JsonbValue	content;

	wo_value_from_jsonb(jsonb, result);
	if (!readable && (result->type == jbvNull || wo_value_unwrap(jsonb, &content)))
	{
		content = *result;
		wrap(&content, result);
	}
}

/* Writes json: its text wrapped, or what jsonb makes of it for reading. */
static void
encode_json(Datum value, bool readable, JsonbValue *result)
{
	JsonbValue	content;
	char	   *string = TextDatumGetCString(value);

	if (readable)
	{
		wo_value_parse_json(string, result);
		return;
	}
	wo_value_set_string(&content, string);
	wrap(&content, result);
}

/*
 * Parses text of type json for reading.  What jsonb cannot represent (the
 * character \u0000, a number out of range), and what would be far larger when
 * written again, is given as a string instead.
 *
 * The parser takes no lock, pin or other resource that would need a
 * subtransaction to be given back, so what it says about its input is simply
 * caught; anything else goes on as it came.
 */
void
wo_value_parse_json(char *string, JsonbValue *result)
{
	MemoryContext caller = CurrentMemoryContext;
	Jsonb	   *volatile parsed = NULL;

	PG_TRY();
	{
		parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(string)));
	}
	PG_CATCH();
	{
		int			category = ERRCODE_TO_CATEGORY(geterrcode());

		if (category != ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) &&
			category != ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED))
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
	}
	PG_END_TRY();

	if (parsed != NULL && wo_value_size_problem(parsed) == NULL)
		wo_value_from_jsonb(parsed, result);
	else
		wo_value_set_string(result, string);
}

/* Writes an array as nested JSON arrays; false if that would not lead back. */
static bool
encode_array(const WoTypeInfo *info, Datum value, bool readable, JsonbValue *result)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	WoJsonbState state = WO_JSONB_START;
	JsonbValue *elements;
	JsonbValue *built = NULL;
	WoTypeInfo	element;
	Datum	   *values;
	bool	   *nulls;
	int			n;
	int			next = 0;

	wo_value_type_lookup(info->element, &element);
	if (!readable && ARR_NDIM(array) > 0)
	{
		if (element.kind == WO_TYPE_JSON || element.kind == WO_TYPE_JSONB || element.kind == WO_TYPE_ARRAY)
			return false;
		for (int i = 0; i < ARR_NDIM(array); i++)
		{
			if (ARR_LBOUND(array)[i] != 1)
				return false;
		}
	}

	deconstruct_array(array, info->element, info->elmlen, info->elmbyval, info->elmalign,
					  &values, &nulls, &n);
	elements = palloc_array(JsonbValue, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			elements[i].type = jbvNull;
		else if (!encode(&element, values[i], readable, true, &elements[i]))
			return false;
	}

	if (ARR_NDIM(array) == 0)
	{
		wo_push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
		built = wo_push_jsonb(&state, WJB_END_ARRAY, NULL);
	}
	else
		push_dimension(&state, array, 0, elements, &next, &built);
	wo_value_from_jsonb(JsonbValueToJsonb(built), result);
	return true;
}

/* Pushes one dimension of an array and those below it. */
static void
push_dimension(WoJsonbState *state, const ArrayType *array, int dimension,
			   JsonbValue *elements, int *next, JsonbValue **result)
{
	wo_push_jsonb(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < ARR_DIMS(array)[dimension]; i++)
	{
		if (dimension + 1 < ARR_NDIM(array))
			push_dimension(state, array, dimension + 1, elements, next, result);
		else
			wo_value_push(state, WJB_ELEM, &elements[(*next)++]);
	}
	*result = wo_push_jsonb(state, WJB_END_ARRAY, NULL);
}

/* Writes a composite value as an object; false if that would not lead back. */
static bool
encode_composite(Datum value, bool readable, JsonbValue *result)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	HeapTupleData tuple;
	TupleDesc	desc;
	WoJsonbState state = WO_JSONB_START;
	JsonbValue	item;
	Datum	   *values;
	bool	   *nulls;
	bool		exact = true;

	/* Composite types nest as deep as somebody cares to declare them. */
	check_stack_depth();

	desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header),
									   HeapTupleHeaderGetTypMod(header));
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	values = palloc_array(Datum, Max(desc->natts, 1));
	nulls = palloc_array(bool, Max(desc->natts, 1));
	heap_deform_tuple(&tuple, desc, values, nulls);

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < desc->natts && exact; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		wo_value_push_string(&state, WJB_KEY, NameStr(att->attname));
		if (nulls[i])
			item.type = jbvNull;
		else
		{
			WoTypeInfo	field;

			wo_value_type_lookup(att->atttypid, &field);
			exact = encode(&field, values[i], readable, true, &item);
		}
		if (exact)
			wo_value_push(&state, WJB_VALUE, &item);
	}
	if (exact)
		wo_value_from_jsonb(JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL)), result);
	return exact;
}

/* Makes {"~json": content}. */
static void
wrap(JsonbValue *content, JsonbValue *result)
{
	WoJsonbState state = WO_JSONB_START;

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	wo_value_push_string(&state, WJB_KEY, WO_VALUE_WRAP);
	wo_value_push(&state, WJB_VALUE, content);
	wo_value_from_jsonb(JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL)), result);
}

static void
set_number(JsonbValue *result, Datum numeric)
{
	result->type = jbvNumeric;
	result->val.numeric = DatumGetNumeric(numeric);
}

/* ----------------------------------------------------------------
 *		values out of JSON, and what counts as not filled in
 * ----------------------------------------------------------------
 */

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

	wo_value_type_lookup(type, &info);
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
	wo_value_type_lookup(type, &info);
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
			wo_value_type_lookup(type, &info);
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
	wo_value_push_string(&state, WJB_KEY, "value");
	wo_value_from_jsonb(value, &item);
	wo_value_push(&state, WJB_VALUE, &item);
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

	nest = wo_value_type_pin_input();
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
