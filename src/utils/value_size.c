/*-------------------------------------------------------------------------
 *
 * value_size.c
 *	  Whether a value is too large to be written out.
 *
 * 1e131071 is eight bytes in a jsonb and 131,072 as text, so what a client has
 * sent in a few kilobytes may be gigabytes by the time that it is shown.  What
 * comes in is therefore judged as it is stored, without writing it: the digits
 * of a number, the depth and the members of JSON.
 *
 * Anybody may call.  Nothing is kept but bounds to compare with, which live as long as
 * the backend.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "utils/errors.h"
#include "utils/json_limits.h"
#include "utils/value.h"
#include "utils/value_type.h"

static bool has_digits(Numeric number, int digits, Numeric *least, Numeric *most);
static const char *number_problem(Numeric number, int *nlong);
static const char *value_problem(Oid type, Datum value, int *nlong);
static const char *array_problem(const WoTypeInfo *info, Datum value, int *nlong);
static const char *composite_problem(Datum value, int *nlong);

/*
 * wo_value_size_problem says what is too large in a JSON value, NULL if nothing is.
 * All but its numbers is as large as it looks.
 */
const char *
wo_value_size_problem(Jsonb *json)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	int			nlong = 0;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		const char *problem;

		CHECK_FOR_INTERRUPTS();
		if ((token != WJB_ELEM && token != WJB_VALUE) || value.type != jbvNumeric)
			continue;
		problem = number_problem(value.val.numeric, &nlong);
		if (problem != NULL)
			return problem;
	}
	return NULL;
}

/*
 * wo_value_size_check refuses a value of a column that is too large.
 */
void
wo_value_size_check(const char *column, Oid type, Datum value)
{
	const char *problem;
	int			nlong = 0;

	/* most columns hold what is as large as it looks */
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case UUIDOID:
		case BYTEAOID:
		case JSONOID:
			return;
		default:
			break;
	}
	problem = value_problem(type, value, &nlong);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("value of column \"%s\" is too large", column),
				 errdetail_internal("%s", problem),
				 errhint("Send less at a time.")));
}

/*
 * wo_value_size_check_note refuses a note, or what is kept like one, that is too
 * long.  Nothing is written out to find that out.
 */
void
wo_value_size_check_note(const char *name, Datum text)
{
	/* of what is compressed, the length that it has when it is not */
	if (toast_raw_datum_size(text) - VARHDRSZ > WO_NOTE_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("%s is too long", name),
				 errdetail("It may have %d bytes.", WO_NOTE_MAX_BYTES),
				 errhint("Attach a long text as a file.")));
}

/*
 * has_digits tells whether a number has more digits than so many on one side
 * of its point.  least is -10 to the power of that.
 */
static bool
has_digits(Numeric number, int digits, Numeric *least, Numeric *most)
{
	if (*most == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		*least = DatumGetNumeric(DirectFunctionCall3(numeric_in,
													 CStringGetDatum(psprintf("-1e%d", digits)),
													 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		*most = DatumGetNumeric(DirectFunctionCall1(numeric_uminus, NumericGetDatum(*least)));
		MemoryContextSwitchTo(caller);
	}
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(number))) > digits ||
		DatumGetBool(DirectFunctionCall2(numeric_ge, NumericGetDatum(number), NumericGetDatum(*most))) ||
		DatumGetBool(DirectFunctionCall2(numeric_le, NumericGetDatum(number), NumericGetDatum(*least)));
}

/*
 * number_problem says that a number has too many digits, or is one too many of
 * the long ones that were counted before.
 */
static const char *
number_problem(Numeric number, int *nlong)
{
	static Numeric bound[4] = {NULL};

	if (numeric_is_nan(number) || numeric_is_inf(number) ||
		!has_digits(number, WO_NUMBER_LONG, &bound[0], &bound[1]))
		return NULL;
	if (has_digits(number, WO_NUMBER_MAX_DIGITS, &bound[2], &bound[3]))
		return psprintf("A number in it has more than %d digits on one side of its point.",
						WO_NUMBER_MAX_DIGITS);
	if (++*nlong > WO_NUMBER_MAX_LONG)
		return psprintf("More than %d numbers in it have more than %d digits on one side of their point.",
						WO_NUMBER_MAX_LONG, WO_NUMBER_LONG);
	return NULL;
}

/*
 * value_problem says what is too large in a value of any type.
 */
static const char *
value_problem(Oid type, Datum value, int *nlong)
{
	WoTypeInfo	info;

	wo_value_type_lookup(type, &info);
	switch (info.kind)
	{
		case WO_TYPE_PLAIN:
			return info.base == NUMERICOID ? number_problem(DatumGetNumeric(value), nlong) : NULL;
		case WO_TYPE_JSONB:
			return wo_value_size_problem(DatumGetJsonbP(value));
		case WO_TYPE_ARRAY:
			return array_problem(&info, value, nlong);
		case WO_TYPE_COMPOSITE:
			return composite_problem(value, nlong);
		case WO_TYPE_JSON:
		case WO_TYPE_TEXT:
			break;
	}
	return NULL;
}

/*
 * array_problem looks at the elements of an array that may be larger than they look.
 */
static const char *
array_problem(const WoTypeInfo *info, Datum value, int *nlong)
{
	WoTypeInfo	element;
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int			n;
	const char *problem = NULL;

	wo_value_type_lookup(info->element, &element);
	if (element.kind == WO_TYPE_JSON || element.kind == WO_TYPE_TEXT ||
		(element.kind == WO_TYPE_PLAIN && element.base != NUMERICOID))
		return NULL;
	array = DatumGetArrayTypeP(value);
	deconstruct_array(array, info->element, info->elmlen, info->elmbyval, info->elmalign,
					  &values, &nulls, &n);
	for (int i = 0; i < n && problem == NULL; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!nulls[i])
			problem = value_problem(info->element, values[i], nlong);
	}
	return problem;
}

/*
 * composite_problem looks at the attributes of a composite value.
 */
static const char *
composite_problem(Datum value, int *nlong)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	HeapTupleData tuple;
	TupleDesc	desc;
	Datum	   *values;
	bool	   *nulls;
	const char *problem = NULL;

	/* composite types nest as deep as somebody cares to declare them */
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
	for (int i = 0; i < desc->natts && problem == NULL; i++)
		if (!nulls[i] && !TupleDescAttr(desc, i)->attisdropped)
			problem = value_problem(TupleDescAttr(desc, i)->atttypid, values[i], nlong);
	return problem;
}
