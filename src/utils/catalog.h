/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  Rows of the engine's own tables by key, without SPI (catalog.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CATALOG_H
#define WO_CATALOG_H

#include "access/genam.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "utils/workorder.h"

#define WO_LOOKUP_KEYS	4

/* column = value; the column is bigint, int or text */
typedef struct WoLookupKey
{
	const char *column;
	Oid			type;			/* INT8OID, INT4OID or TEXTOID */
	Datum		value;
} WoLookupKey;

/* A scan in progress; the fields are private to catalog.c. */
typedef struct WoLookup
{
	Relation	rel;
	SysScanDesc scan;
	Snapshot	snapshot;
} WoLookup;

extern Oid	wo_lookup_table(const char *name, bool missing_ok);
extern Oid	wo_relation_owner(Oid relid);
extern void wo_lookup_begin(WoLookup *lookup, Oid table,
							const WoLookupKey *keys, int nkeys);
extern void wo_lookup_begin_in(WoLookup *lookup, Oid table,
							   const WoLookupKey *keys, int nkeys, Snapshot snapshot);
extern HeapTuple wo_lookup_next(WoLookup *lookup);
extern void wo_lookup_end(WoLookup *lookup);

extern int64 wo_lookup_int64(WoLookup *lookup, HeapTuple tuple, const char *column);
extern int32 wo_lookup_int32(WoLookup *lookup, HeapTuple tuple, const char *column);
extern bool wo_lookup_bool(WoLookup *lookup, HeapTuple tuple, const char *column);
extern char *wo_lookup_text(WoLookup *lookup, HeapTuple tuple, const char *column);
extern bytea *wo_lookup_bytea(WoLookup *lookup, HeapTuple tuple, const char *column);
extern Datum wo_lookup_datum(WoLookup *lookup, HeapTuple tuple, const char *column, Oid type,
							 bool *isnull);

#endif							/* WO_CATALOG_H */
