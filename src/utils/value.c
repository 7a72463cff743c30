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
 * so they last no longer than that does.  Reading the form back is the work
 * of value_read.c.
 *
 * Anybody may call; nothing here calls another room.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "utils/value.h"
#include "utils/value_type.h"

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
	wo_type_lookup(type, &info);
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
wo_row_to_jsonb(TupleDesc desc, const Datum *values, const bool *isnull)
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
		wo_push_string(&state, WJB_KEY, NameStr(att->attname));
		if (isnull[i])
			item.type = jbvNull;
		else if (!encode_plain(att->atttypid, values[i], &item))
		{
			WoTypeInfo	info;

			wo_type_lookup(att->atttypid, &info);
			encode_guarded(&info, values[i], true, &item);
		}
		wo_push_value(&state, WJB_VALUE, &item);
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
wo_push_value(WoJsonbState *state, JsonbIteratorToken token, JsonbValue *value)
{
	JsonbValue	scalar;

	if (value->type == jbvBinary && JsonContainerIsScalar(value->val.binary.data) &&
		JsonbExtractScalar(value->val.binary.data, &scalar))
		value = &scalar;
	wo_push_jsonb(state, token, value);
}

/* Pushes a text: a key, an element or a value; it must last as long as state. */
void
wo_push_string(WoJsonbState *state, JsonbIteratorToken token, const char *text)
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
		nest = wo_type_pin_output();

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

	if (parsed != NULL && wo_json_problem(parsed) == NULL)
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

	wo_type_lookup(info->element, &element);
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
			wo_push_value(state, WJB_ELEM, &elements[(*next)++]);
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
		wo_push_string(&state, WJB_KEY, NameStr(att->attname));
		if (nulls[i])
			item.type = jbvNull;
		else
		{
			WoTypeInfo	field;

			wo_type_lookup(att->atttypid, &field);
			exact = encode(&field, values[i], readable, true, &item);
		}
		if (exact)
			wo_push_value(&state, WJB_VALUE, &item);
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
	wo_push_string(&state, WJB_KEY, WO_VALUE_WRAP);
	wo_push_value(&state, WJB_VALUE, content);
	wo_value_from_jsonb(JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL)), result);
}

static void
set_number(JsonbValue *result, Datum numeric)
{
	result->type = jbvNumeric;
	result->val.numeric = DatumGetNumeric(numeric);
}
