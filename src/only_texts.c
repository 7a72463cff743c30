/*-------------------------------------------------------------------------
 *
 * only_texts.c
 *	  workorder.only_texts(): whether JSON objects hold texts where texts
 *	  are wanted.
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
#include "utils/jsonb.h"

#include "workorder.h"

PG_FUNCTION_INFO_V1(workorder_only_texts);

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
