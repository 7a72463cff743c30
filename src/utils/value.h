/*-------------------------------------------------------------------------
 *
 * value.h
 *	  Column values as canonical JSON, and back (value.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_VALUE_H
#define WO_VALUE_H

#include "access/tupdesc.h"
#include "utils/jsonb.h"

#include "utils/compat.h"

/*
 * The one key that canonical form adds: {"~json": x} stands for a value of a
 * json or jsonb column that has no exact form of its own (see value.c).
 */
#define WO_VALUE_WRAP	"~json"

extern void wo_value_to_json(Oid type, Datum value, bool isnull, JsonbValue *result);
extern Datum wo_value_from_json(Jsonb *value, Oid type, int32 typmod, bool *isnull);
extern void wo_value_parse_json(char *string, JsonbValue *result);
extern void wo_value_readable(Oid type, JsonbValue *value);
extern Jsonb *wo_value_of_row(TupleDesc desc, const Datum *values, const bool *isnull);
extern void wo_value_from_jsonb(Jsonb *jsonb, JsonbValue *result);
extern void wo_value_push(WoJsonbState *state, JsonbIteratorToken token, JsonbValue *value);
extern void wo_value_push_string(WoJsonbState *state, JsonbIteratorToken token, const char *text);
extern bool wo_value_equal(JsonbValue *left, JsonbValue *right);
extern bool wo_value_same(Oid type, int32 typmod, JsonbValue *left, JsonbValue *right);
extern bool wo_value_blank(Oid type, Datum value, bool isnull);

/* value_size.c: what a client has sent is judged before it is written out */
extern const char *wo_value_size_problem(Jsonb *json);
extern void wo_value_size_check_note(const char *name, Datum text);
extern void wo_value_size_check(const char *column, Oid type, Datum value);

#endif							/* WO_VALUE_H */
