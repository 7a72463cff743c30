/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  The column diff of a journal line: {"column": [old, new], ...}.
 *
 * Every act makes one, so it is written in one pass, as jsonb is stored
 * (jsonb_writer.c): a binding knows the order in which jsonb keeps its columns.
 *
 * Called when a line is made (entry.c).  The result is in the current memory
 * context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "journal/changes.h"
#include "utils/jsonb_writer.h"
#include "utils/value.h"

/* Room for a diff of the usual size; a longer one makes the buffer grow. */
#define USUAL_SIZE	1024

/* Engine columns that follow from the line itself and are not repeated in it. */
static bool
is_derived(WoEngineColumn column)
{
	switch (column)
	{
		case WO_STATE:
		case WO_REVISION:
		case WO_ACTED_BY:
		case WO_UPDATED_AT:
		case WO_ACTION:
		case WO_NOTE:
		case WO_LAST_ACTION:
		case WO_LAST_NOTE:
			return true;
		default:
			return false;
	}
}

static bool
differs(WoBinding *binding, AttrNumber attnum, const WoRow *old, const WoRow *row, WoChangesKind kind)
{
	WoEngineColumn column = binding->role_of[attnum - 1];

	/* keys never change, generated columns follow from others, the digest from the line */
	if (column == WO_UNTOLD || column == WO_DIGEST)
		return false;
	if (kind != WO_CHANGES_WHOLE && column != WO_NENGINE)
	{
		/* a ticket that is gone has no engine columns left to speak of */
		if (row == NULL || is_derived(column))
			return false;
		/* a new state is entered at the time of the act, unless by repair */
		if (column == WO_ENTERED_AT && kind == WO_CHANGES_OF_ACT &&
			(old == NULL || !wo_same(binding, binding->engine[WO_STATE], old, row)))
			return false;
	}
	if (old != NULL && row != NULL)
		return !wo_same(binding, attnum, old, row);
	return !(row != NULL ? row : old)->nulls[attnum - 1];
}

/* Writes [old, new]; a row that is NULL stands for no row. */
static void
put_change(StringInfo out, Form_pg_attribute att, const WoRow *old, const WoRow *row)
{
	const WoRow *sides[2] = {old, row};
	WoContainer pair;

	wo_container_begin(&pair, out, JB_FARRAY | 2);
	for (int i = 0; i < 2; i++)
	{
		JsonbValue	value = {.type = jbvNull};

		if (sides[i] != NULL)
			wo_value_to_json(att->atttypid, sides[i]->values[att->attnum - 1],
							 sides[i]->nulls[att->attnum - 1], &value);
		wo_container_add(&pair, out, wo_container_put(out, &value));
	}
}

/*
 * wo_changes returns the diff between two rows, of which one may be NULL: the
 * row is new, or it is gone.  NULL if there is nothing to tell.
 */
Jsonb *
wo_changes(WoBinding *binding, const WoRow *old, const WoRow *row, WoChangesKind kind)
{
	AttrNumber *told = palloc(sizeof(AttrNumber) * binding->desc->natts);
	int			n = 0;
	StringInfoData out;
	WoContainer object;

	for (int i = 0; i < binding->desc->natts; i++)
		if (differs(binding, binding->by_name[i], old, row, kind))
			told[n++] = binding->by_name[i];
	if (n == 0)
		return NULL;

	wo_container_begin_jsonb(&out, USUAL_SIZE);
	wo_container_begin(&object, &out, JB_FOBJECT | n);
	for (int i = 0; i < n; i++)
	{
		char	   *name = NameStr(TupleDescAttr(binding->desc, told[i] - 1)->attname);

		appendBinaryStringInfo(&out, name, strlen(name));
		wo_container_add(&object, &out, JENTRY_ISSTRING);
	}
	for (int i = 0; i < n; i++)
	{
		put_change(&out, TupleDescAttr(binding->desc, told[i] - 1), old, row);
		wo_container_add(&object, &out, JENTRY_ISCONTAINER);
	}
	return wo_container_end_jsonb(&out);
}
