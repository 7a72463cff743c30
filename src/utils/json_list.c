/*-------------------------------------------------------------------------
 *
 * json_list.c
 *	  Long JSON lists of objects, as imports get them: what has to be known of
 *	  all of them before each is taken apart, and pieces of them.
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

#include "utils/jsonb_writer.h"
#include "utils/value.h"
#include "utils/value_type.h"
#include "utils/workorder.h"

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
	WoContainer slice;

	wo_container_begin_jsonb(&out, 1024);
	wo_container_begin(&slice, &out, JB_FARRAY | count);
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
			wo_container_align(&out);
		}
		appendBinaryStringInfo(&out, data + begin, offset - begin);
		wo_container_add(&slice, &out, entry & JENTRY_TYPEMASK);
	}
	PG_RETURN_JSONB_P(wo_container_end_jsonb(&out));
}
