/*-------------------------------------------------------------------------
 *
 * evaluation.h
 *	  A case from when it is set up to the row that comes of it (evaluation.c), for
 *	  those who act and those who ask before they act.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CASE_H
#define WO_CASE_H

#include "row/binding.h"
#include "permit/permit.h"

extern void wo_case_begin(WoCase *c, WoBinding *binding, const WoRow *old, WoRow *row);

/* for the guard and what it leaves to bypass.c */
extern void wo_case_set(WoCase *c, WoEngineColumn column, Datum value, bool isnull);
extern void wo_case_set_text(WoCase *c, WoEngineColumn column, const char *value);
extern void wo_case_seal(WoCase *c);
extern void wo_case_take(WoCase *c, const char *action, const WoVerdict *verdict, const char *note);
extern HeapTuple wo_case_finish(const WoCase *c, HeapTuple tuple);

#endif							/* WO_CASE_H */
