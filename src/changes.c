/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  The column diff of a journal line: {"column": [old, new], ...}.
 *
 * Every act makes one, so it is written as jsonb is stored, in one pass and
 * one buffer.  pushJsonbValue() would first make a tree of it, sort the keys,
 * which are in order already, and take apart what columns of jsonb hold: three
 * times the work.  The bytes are those that pushJsonbValue() leads to, down to
 * which entries hold an offset (utils/jsonb.h describes the format).
 *
 * Called when a line is made (line.c).  The result is in the current memory
 * context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "changes.h"
#include "value.h"

/* Room for a diff of the usual size; a longer one makes the buffer grow. */
#define USUAL_SIZE	1024

/*
 * The entries of a container that is being written.  Lengths are told to it
 * one after the other, and it knows which of them become offsets.
 */
typedef struct Entries
{
	int			at;				/* in the buffer, of the first */
	int			n;				/* entries so far */
	int			start;			/* in the buffer, of the data behind the entries */
} Entries;

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
		case WO_DIGEST:
			return true;
		default:
			return false;
	}
}

static bool
differs(WoBinding *binding, AttrNumber attnum, const WoRow *old, const WoRow *row, WoChangesKind kind)
{
	WoEngineColumn column = binding->role_of[attnum - 1];

	/* keys never change, generated columns follow from others */
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

/* Appends zeros up to what numbers and containers are aligned to. */
static void
align(StringInfo out)
{
	appendBinaryStringInfo(out, "\0\0\0", INTALIGN(out->len) - out->len);
}

/* Begins a container; the entries have yet to be filled in. */
static void
begin_container(StringInfo out, uint32 header, int nentries, Entries *entries)
{
	align(out);
	appendBinaryStringInfo(out, (char *) &header, sizeof(header));
	enlargeStringInfo(out, nentries * sizeof(JEntry));
	entries->at = out->len;
	entries->n = 0;
	out->len += nentries * sizeof(JEntry);
	entries->start = out->len;
}

/* Fills in the next entry: what has been written since the one before. */
static void
add_entry(StringInfo out, Entries *entries, JEntry type, int begin)
{
	int			length = out->len - begin;
	int			end = out->len - entries->start;
	JEntry		entry;

	if (end > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the changes of a row are too large for the journal"),
				 errdetail("A line of the journal holds %d bytes of old and new values.", JENTRY_OFFLENMASK),
				 errhint("Change fewer columns at a time, or keep large documents in a table of their own.")));
	if (entries->n % JB_OFFSET_STRIDE == 0)
		entry = type | JENTRY_HAS_OFF | end;
	else
		entry = type | length;
	memcpy(out->data + entries->at + entries->n * sizeof(JEntry), &entry, sizeof(entry));
	entries->n++;
}

/* Writes a value behind what is there; returns its type. */
static JEntry
put_value(StringInfo out, const JsonbValue *value)
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
			align(out);
			appendBinaryStringInfo(out, (char *) value->val.numeric, VARSIZE_ANY(value->val.numeric));
			return JENTRY_ISNUMERIC;
		case jbvBinary:
			/* a scalar alone is kept as an array of one */
			if (JsonContainerIsScalar(value->val.binary.data) &&
				JsonbExtractScalar(value->val.binary.data, &scalar))
				return put_value(out, &scalar);
			align(out);
			appendBinaryStringInfo(out, (char *) value->val.binary.data, value->val.binary.len);
			return JENTRY_ISCONTAINER;
		default:
			elog(ERROR, "unexpected jsonb value of type %d", (int) value->type);
	}
}

/* Writes [old, new]; a row that is NULL stands for no row. */
static void
put_change(StringInfo out, Form_pg_attribute att, const WoRow *old, const WoRow *row)
{
	const WoRow *sides[2] = {old, row};
	Entries		entries;

	begin_container(out, JB_FARRAY | lengthof(sides), lengthof(sides), &entries);
	for (int i = 0; i < lengthof(sides); i++)
	{
		JsonbValue	value;
		int			begin = out->len;

		wo_value_to_json(att->atttypid, sides[i] == NULL ? (Datum) 0 : sides[i]->values[att->attnum - 1],
						 sides[i] == NULL || sides[i]->nulls[att->attnum - 1], &value);
		add_entry(out, &entries, put_value(out, &value), begin);
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
	Entries		entries;

	for (int i = 0; i < binding->desc->natts; i++)
		if (differs(binding, binding->by_name[i], old, row, kind))
			told[n++] = binding->by_name[i];
	if (n == 0)
		return NULL;

	out.data = palloc(USUAL_SIZE);
	out.maxlen = USUAL_SIZE;
	out.len = VARHDRSZ;
	out.cursor = 0;
	begin_container(&out, JB_FOBJECT | n, 2 * n, &entries);
	for (int i = 0; i < n; i++)
	{
		char	   *name = NameStr(TupleDescAttr(binding->desc, told[i] - 1)->attname);
		int			begin = out.len;

		appendBinaryStringInfo(&out, name, strlen(name));
		add_entry(&out, &entries, JENTRY_ISSTRING, begin);
	}
	for (int i = 0; i < n; i++)
	{
		int			begin = out.len;

		put_change(&out, TupleDescAttr(binding->desc, told[i] - 1), old, row);
		add_entry(&out, &entries, JENTRY_ISCONTAINER, begin);
	}
	SET_VARSIZE(out.data, out.len);
	return (Jsonb *) out.data;
}
