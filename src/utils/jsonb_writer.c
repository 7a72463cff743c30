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
 *	 wo_container_begin(&array, out, JB_FARRAY | n);
 *	 n times: wo_container_add(&array, out, wo_container_put(out, value));
 *
 * A value may be a container that is begun and filled in between.  Nothing is
 * kept here; the buffer is the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/jsonb_writer.h"

/* Begins a document in a new buffer of about that size. */
void
wo_container_begin_jsonb(StringInfo out, Size size)
{
	out->data = palloc(size + VARHDRSZ);
	out->maxlen = size + VARHDRSZ;
	out->len = VARHDRSZ;
	out->cursor = 0;
}

Jsonb *
wo_container_end_jsonb(StringInfo out)
{
	SET_VARSIZE(out->data, out->len);
	return (Jsonb *) out->data;
}

/* Appends zeros up to what numbers and containers are aligned to. */
void
wo_container_align(StringInfo out)
{
	appendBinaryStringInfo(out, "\0\0\0", INTALIGN(out->len) - out->len);
}

/* Begins a container; header is its kind and the number of items or pairs. */
void
wo_container_begin(WoContainer *container, StringInfo out, uint32 header)
{
	int			size = (header & JB_CMASK) * sizeof(JEntry);

	if (header & JB_FOBJECT)
		size *= 2;
	wo_container_align(out);
	appendBinaryStringInfo(out, (char *) &header, sizeof(header));
	enlargeStringInfo(out, size);
	container->entries = out->len;
	container->nentries = 0;
	out->len += size;
	container->data = container->end = out->len;
}

/* Adds what has been written since the last call, of the given type. */
void
wo_container_add(WoContainer *container, StringInfo out, JEntry type)
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
wo_container_put(StringInfo out, const JsonbValue *value)
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
			wo_container_align(out);
			appendBinaryStringInfo(out, (char *) value->val.numeric, VARSIZE_ANY(value->val.numeric));
			return JENTRY_ISNUMERIC;
		case jbvBinary:
			/* a scalar alone is kept as an array of one */
			if (JsonContainerIsScalar(value->val.binary.data) &&
				JsonbExtractScalar(value->val.binary.data, &scalar))
				return wo_container_put(out, &scalar);
			wo_container_align(out);
			appendBinaryStringInfo(out, (char *) value->val.binary.data, value->val.binary.len);
			return JENTRY_ISCONTAINER;
		default:
			elog(ERROR, "unexpected jsonb value of type %d", (int) value->type);
	}
}
