/*-------------------------------------------------------------------------
 *
 * value_type.h
 *	  How the values of a type are written (value_type.c); for value.c,
 *	  value_size.c and jsonb_writer.c alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_VALUE_TYPE_H
#define WO_VALUE_TYPE_H

#include "utils/jsonb.h"

typedef enum WoTypeKind
{
	WO_TYPE_PLAIN,				/* built in: encode_plain() knows it */
	WO_TYPE_JSONB,
	WO_TYPE_JSON,
	WO_TYPE_ARRAY,
	WO_TYPE_COMPOSITE,
	WO_TYPE_TEXT				/* its output function decides */
} WoTypeKind;

typedef struct WoTypeInfo
{
	Oid			type;			/* hash key */
	Oid			base;			/* under all domains */
	WoTypeKind	kind;
	Oid			output;			/* output function of base */
	bool		settled;		/* its output depends on no setting */
	Oid			element;		/* WO_TYPE_ARRAY */
	int16		elmlen;
	bool		elmbyval;
	char		elmalign;
} WoTypeInfo;

extern void wo_value_type_lookup(Oid type, WoTypeInfo *info);
extern int	wo_value_type_pin_output(void);
extern int	wo_value_type_pin_input(void);

/* value.c */
extern bool wo_value_unwrap(Jsonb *value, JsonbValue *content);
extern void wo_value_set_string(JsonbValue *result, char *string);

#endif							/* WO_VALUE_TYPE_H */
