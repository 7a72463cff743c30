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

#define WO_CATALOG_KEYS	4

/* column = value; the column is bigint, int or text */
typedef struct WoCatalogKey
{
	const char *column;
	Oid			type;			/* INT8OID, INT4OID or TEXTOID */
	Datum		value;
} WoCatalogKey;

/* A scan in progress; the fields are private to catalog.c. */
typedef struct WoCatalogScan
{
	Relation	rel;
	SysScanDesc scan;
	Snapshot	snapshot;
} WoCatalogScan;

extern Oid	wo_catalog_table(const char *name, bool missing_ok);
extern Oid	wo_catalog_owner(Oid relid);
extern void wo_catalog_begin(WoCatalogScan *lookup, Oid table,
							const WoCatalogKey *keys, int nkeys);
extern void wo_catalog_begin_in(WoCatalogScan *lookup, Oid table,
							   const WoCatalogKey *keys, int nkeys, Snapshot snapshot);
extern HeapTuple wo_catalog_next(WoCatalogScan *lookup);
extern void wo_catalog_end(WoCatalogScan *lookup);

extern int64 wo_catalog_int64(WoCatalogScan *lookup, HeapTuple tuple, const char *column);
extern int32 wo_catalog_int32(WoCatalogScan *lookup, HeapTuple tuple, const char *column);
extern bool wo_catalog_bool(WoCatalogScan *lookup, HeapTuple tuple, const char *column);
extern char *wo_catalog_text(WoCatalogScan *lookup, HeapTuple tuple, const char *column);
extern bytea *wo_catalog_bytea(WoCatalogScan *lookup, HeapTuple tuple, const char *column);
extern Datum wo_catalog_datum(WoCatalogScan *lookup, HeapTuple tuple, const char *column, Oid type,
							 bool *isnull);

#endif							/* WO_CATALOG_H */
