/*-------------------------------------------------------------------------
 *
 * jsonb_writer.c
 *	  Objects and arrays written as jsonb stores them.
 *
 * pushJsonbValue() makes a tree of a document first, sorts the keys of objects
 * and takes apart what is serialized already.  Where the keys are in order and
 * there is much to write, as in the diff of every act, that is three times the
 * work; so this writes into one buffer, front to back.  The bytes are those
 * that pushJsonbValue() leads to, down to which entries hold an offset
 * (utils/jsonb.h describes the format).
 *
 * A container is begun, its values are written one after the other, keys of an
 * object first, and each is added once it is there:
 *
 *	 wo_jsonb_writer_begin(&array, out, JB_FARRAY | n);
 *	 n times: wo_jsonb_writer_add(&array, out, wo_jsonb_writer_put(out, value));
 *
 * A value may be a container that is begun and filled in between.  Nothing is
 * kept here; the buffer is the caller's.
 *
 * Long lists of objects, as imports get them, are looked through and cut into
 * pieces here too:
 *
 *	  workorder.only_texts()	whether they hold texts where texts are wanted
 *	  workorder.repeated()		of a member that should be a key, what comes twice
 *	  workorder.slice()			some of them
 *
 * What reads a long list turns members into texts without being told what
 * they were: the number 5 and the text "5" look the same afterwards.  So one
 * look at all of it tells whether anything has to be looked at more closely.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/jsonb_writer.h"
#include "utils/value.h"
#include "utils/value_type.h"

/* ----------------------------------------------------------------
 *		writing
 * ----------------------------------------------------------------
 */

/* Begins a document in a new buffer of about that size. */
void
wo_jsonb_writer_begin_jsonb(StringInfo out, Size size)
{
	out->data = palloc(size + VARHDRSZ);
	out->maxlen = size + VARHDRSZ;
	out->len = VARHDRSZ;
	out->cursor = 0;
}

Jsonb *
wo_jsonb_writer_end_jsonb(StringInfo out)
{
	SET_VARSIZE(out->data, out->len);
	return (Jsonb *) out->data;
}

/* Appends zeros up to what numbers and containers are aligned to. */
void
wo_jsonb_writer_align(StringInfo out)
{
	appendBinaryStringInfo(out, "\0\0\0", INTALIGN(out->len) - out->len);
}

/* Begins a container; header is its kind and the number of items or pairs. */
void
wo_jsonb_writer_begin(WoJsonbWriter *container, StringInfo out, uint32 header)
{
	int			size = (header & JB_CMASK) * sizeof(JEntry);

	if (header & JB_FOBJECT)
		size *= 2;
	wo_jsonb_writer_align(out);
	appendBinaryStringInfo(out, (char *) &header, sizeof(header));
	enlargeStringInfo(out, size);
	container->entries = out->len;
	container->nentries = 0;
	out->len += size;
	container->data = container->end = out->len;
}

/* Adds what has been written since the last call, of the given type. */
void
wo_jsonb_writer_add(WoJsonbWriter *container, StringInfo out, JEntry type)
{
	int			offset = out->len - container->data;
	JEntry		entry;

	if (offset > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a JSON document is too large"),
				 errdetail("Objects and arrays hold %d bytes at most.", JENTRY_OFFLENMASK),
				 errhint("Write less at a time, or keep large documents in a table of their own.")));
	if (container->nentries % JB_OFFSET_STRIDE == 0)
		entry = type | JENTRY_HAS_OFF | offset;
	else
		entry = type | (out->len - container->end);
	memcpy(out->data + container->entries + container->nentries * sizeof(JEntry), &entry, sizeof(entry));
	container->nentries++;
	container->end = out->len;
}

/* Writes a value behind what is there; returns its type. */
JEntry
wo_jsonb_writer_put(StringInfo out, const JsonbValue *value)
{
	JsonbValue	scalar;

	switch (value->type)
	{
		case jbvNull:
			return JENTRY_ISNULL;
		case jbvBool:
			return value->val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
		case jbvString:
			appendBinaryStringInfo(out, value->val.string.val, value->val.string.len);
			return JENTRY_ISSTRING;
		case jbvNumeric:
			wo_jsonb_writer_align(out);
			appendBinaryStringInfo(out, (char *) value->val.numeric, VARSIZE_ANY(value->val.numeric));
			return JENTRY_ISNUMERIC;
		case jbvBinary:
			/* a scalar alone is kept as an array of one */
			if (JsonContainerIsScalar(value->val.binary.data) &&
				JsonbExtractScalar(value->val.binary.data, &scalar))
				return wo_jsonb_writer_put(out, &scalar);
			wo_jsonb_writer_align(out);
			appendBinaryStringInfo(out, (char *) value->val.binary.data, value->val.binary.len);
			return JENTRY_ISCONTAINER;
		default:
			elog(ERROR, "unexpected jsonb value of type %d", (int) value->type);
	}
}

/* ----------------------------------------------------------------
 *		long lists
 * ----------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(workorder_only_texts);
PG_FUNCTION_INFO_V1(workorder_repeated);
PG_FUNCTION_INFO_V1(workorder_slice);

/* Names of members; n is -1 for all of them. */
typedef struct Names
{
	int			n;
	Datum	   *items;
	bool	   *nulls;
} Names;

static bool
is_named(const Names *names, const JsonbValue *key)
{
	for (int i = 0; i < names->n; i++)
	{
		text	   *name;

		if (names->nulls[i])
			continue;
		name = DatumGetTextPP(names->items[i]);
		if (VARSIZE_ANY_EXHDR(name) == key->val.string.len &&
			memcmp(VARDATA_ANY(name), key->val.string.val, key->val.string.len) == 0)
			return true;
	}
	return false;
}

/*
 * has_only_texts judges one object.
 */
static bool
has_only_texts(JsonbContainer *object, const Names *names)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (value.type == jbvString || (value.type == jbvNull && names->n >= 0))
			continue;
		if (names->n < 0 || is_named(names, &key))
			return false;
	}
	return true;
}

/*
 * only_texts(value, names)
 */
Datum
workorder_only_texts(PG_FUNCTION_ARGS)
{
	Jsonb	   *jsonb;
	Names		names = {.n = -1};
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	jsonb = PG_GETARG_JSONB_P(0);
	if (!PG_ARGISNULL(1))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT,
						  &names.items, &names.nulls, &names.n);
	if (JB_ROOT_IS_OBJECT(jsonb))
		PG_RETURN_BOOL(has_only_texts(&jsonb->root, &names));
	if (JB_ROOT_IS_SCALAR(jsonb))
		PG_RETURN_BOOL(false);
	iterator = JsonbIteratorInit(&jsonb->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_ELEM &&
			(item.type != jbvBinary || !JsonContainerIsObject(item.val.binary.data) ||
			 !has_only_texts(item.val.binary.data, &names)))
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}

/* A key of an object, and which of the list the object is, from 1. */
typedef struct Keyed
{
	const char *key;
	int			length;
	int			place;
} Keyed;

static int
compare_keyed(const void *a, const void *b)
{
	const Keyed *x = a;
	const Keyed *y = b;
	int			order;

	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	order = memcmp(x->key, y->key, x->length);
	if (order != 0)
		return order;
	return x->place < y->place ? -1 : 1;
}

/*
 * same_key compares two keys, wherever they are.
 */
static bool
same_key(const Keyed *x, const Keyed *y)
{
	return x->length == y->length && memcmp(x->key, y->key, x->length) == 0;
}

static JsonbContainer *
list_argument(FunctionCallInfo fcinfo)
{
	Jsonb	   *list = PG_GETARG_JSONB_P(0);

	if (!JB_ROOT_IS_ARRAY(list) || JB_ROOT_IS_SCALAR(list))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("a JSON list is wanted"),
				 errhint("Give a JSON array.")));
	return &list->root;
}

/*
 * repeated(list, name)
 */
Datum
workorder_repeated(PG_FUNCTION_ARGS)
{
	JsonbContainer *list = list_argument(fcinfo);
	text	   *name = PG_GETARG_TEXT_PP(1);
	Keyed	   *keyed = palloc_extended(sizeof(Keyed) * Max(JsonContainerSize(list), 1), MCXT_ALLOC_HUGE);
	int			n = 0;
	int			place = 0;
	JsonbIterator *iterator = JsonbIteratorInit(list);
	JsonbIteratorToken token;
	JsonbValue	item;
	WoJsonbState state = WO_JSONB_START;

	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		JsonbValue	value;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		place++;
		if (item.type != jbvBinary || !JsonContainerIsObject(item.val.binary.data) ||
			getKeyJsonValueFromContainer(item.val.binary.data, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name),
										 &value) == NULL)
			continue;
		if (value.type == jbvNumeric)
			wo_value_set_string(&value, DatumGetCString(DirectFunctionCall1(numeric_out,
																			NumericGetDatum(value.val.numeric))));
		if (value.type == jbvString)
			keyed[n++] = (Keyed) {value.val.string.val, value.val.string.len, place};
	}
	qsort(keyed, n, sizeof(Keyed), compare_keyed);

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 1; i < n; i++)
	{
		JsonbValue	value = {.type = jbvString};

		CHECK_FOR_INTERRUPTS();
		if (!same_key(&keyed[i - 1], &keyed[i]) || (i > 1 && same_key(&keyed[i - 2], &keyed[i])))
			continue;
		value.val.string.val = unconstify(char *, keyed[i].key);
		value.val.string.len = keyed[i].length;
		wo_push_jsonb(&state, WJB_KEY, &value);
		value.type = jbvNumeric;
		value.val.numeric = int64_to_numeric(keyed[i - 1].place);
		wo_push_jsonb(&state, WJB_VALUE, &value);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL)));
}

/*
 * slice(list, start, count)
 */
Datum
workorder_slice(PG_FUNCTION_ARGS)
{
	JsonbContainer *list = list_argument(fcinfo);
	int32		n = JsonContainerSize(list);
	int32		start = Max(PG_GETARG_INT32(1), 0);
	int32		count = Min(Max(PG_GETARG_INT32(2), 0), Max(n - start, 0));
	const char *data = (const char *) (list->children + n);
	uint32		offset = count == 0 ? 0 : getJsonbOffset(list, start);
	StringInfoData out;
	WoJsonbWriter slice;

	wo_jsonb_writer_begin_jsonb(&out, 1024);
	wo_jsonb_writer_begin(&slice, &out, JB_FARRAY | count);
	for (int i = 0; i < count; i++)
	{
		JEntry		entry = list->children[start + i];
		uint32		begin = offset;

		CHECK_FOR_INTERRUPTS();
		JBE_ADVANCE_OFFSET(offset, entry);
		/* what is aligned has its padding in front, which depends on where it is */
		if (JBE_ISNUMERIC(entry) || JBE_ISCONTAINER(entry))
		{
			begin = INTALIGN(begin);
			wo_jsonb_writer_align(&out);
		}
		appendBinaryStringInfo(&out, data + begin, offset - begin);
		wo_jsonb_writer_add(&slice, &out, entry & JENTRY_TYPEMASK);
	}
	PG_RETURN_JSONB_P(wo_jsonb_writer_end_jsonb(&out));
}
