/*-------------------------------------------------------------------------
 *
 * jsonb_writer.h
 *	  Objects and arrays written as jsonb stores them (jsonb_writer.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_JSONB_WRITER_H
#define WO_JSONB_WRITER_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* A container that is being written. */
typedef struct WoJsonbWriter
{
	int			entries;		/* where its entries are in the buffer */
	int			nentries;		/* how many of them are filled in */
	int			data;			/* where the values begin */
	int			end;			/* where the last one written ends */
} WoJsonbWriter;

extern void wo_jsonb_writer_begin_jsonb(StringInfo out, Size size);
extern Jsonb *wo_jsonb_writer_end_jsonb(StringInfo out);
extern void wo_jsonb_writer_begin(WoJsonbWriter *container, StringInfo out, uint32 header);
extern void wo_jsonb_writer_add(WoJsonbWriter *container, StringInfo out, JEntry type);
extern JEntry wo_jsonb_writer_put(StringInfo out, const JsonbValue *value);
extern void wo_jsonb_writer_align(StringInfo out);

#endif							/* WO_JSONB_WRITER_H */
