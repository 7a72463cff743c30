/*-------------------------------------------------------------------------
 *
 * tenant.c
 *	  Which tenant has which key.
 *
 * The engine knows a tenant by its number, an application may know it by a uuid
 * or a name: workorder.tenant says which is which, and is read without a
 * privilege check.  What was read is kept in two small tables, one entry for
 * each hash, and forgotten when workorder.tenant changes; that a key is unknown
 * is not kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "actor/tenant.h"
#include "utils/cache.h"
#include "utils/catalog.h"

#define ENTRIES 256

typedef struct TenantEntry
{
	int64		number;			/* 0 = none */
	char	   *key;
} TenantEntry;

static TenantEntry by_key[ENTRIES];
static TenantEntry by_number[ENTRIES];
static MemoryContext context = NULL;	/* of the keys */
static WoCache cache;

PG_FUNCTION_INFO_V1(workorder_tenant_number);

/*
 * refresh empties the tables if they are outdated, and returns the table that
 * they are of, InvalidOid if it is not made yet.
 */
static Oid
refresh(void)
{
	Oid			table = wo_catalog_table("tenant", true);
	uint64		begun;

	if (wo_cache_current(&cache))
		return table;
	begun = wo_cache_begin(&cache);
	wo_cache_follow(&cache, 0, table);
	memset(by_key, 0, sizeof(by_key));
	memset(by_number, 0, sizeof(by_number));
	if (context == NULL)
		context = AllocSetContextCreate(CacheMemoryContext, "workorder tenants", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(context);
	/* filled bit by bit from now on; a change that arrives meanwhile wins */
	if (OidIsValid(table))
		(void) wo_cache_done(&cache, begun);
	return table;
}

/*
 * remember enters what was read.
 */
static void
remember(TenantEntry *entry, int64 number, const char *key)
{
	char	   *copy = MemoryContextStrdup(context, key);

	if (entry->key != NULL)
		pfree(entry->key);
	entry->key = copy;
	entry->number = number;
}

/*
 * wo_tenant_number returns the tenant that has a key, 0 if none has.
 */
int64
wo_tenant_number(const char *key)
{
	Oid			table = refresh();
	TenantEntry *entry = &by_key[hash_bytes((const unsigned char *) key, strlen(key)) % ENTRIES];
	WoCatalogKey keys[1] = {{"key", TEXTOID, (Datum) 0}};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	int64		number = 0;

	if (entry->number != 0 && strcmp(entry->key, key) == 0)
		return entry->number;
	if (!OidIsValid(table))
		return 0;
	keys[0].value = CStringGetTextDatum(key);
	wo_catalog_begin(&lookup, table, keys, 1);
	if ((tuple = wo_catalog_next(&lookup)) != NULL)
		number = wo_catalog_int64(&lookup, tuple, "id");
	wo_catalog_end(&lookup);
	if (number != 0)
		remember(entry, number, key);
	return number;
}

/*
 * wo_tenant_key returns the key of a tenant, a copy; NULL if it has none.
 */
char *
wo_tenant_key(int64 number)
{
	Oid			table = refresh();
	TenantEntry *entry = &by_number[(uint64) number % ENTRIES];
	WoCatalogKey keys[1] = {{"id", INT8OID, Int64GetDatum(number)}};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	char	   *key = NULL;

	if (number != 0 && entry->number == number)
		return pstrdup(entry->key);
	if (!OidIsValid(table))
		return NULL;
	wo_catalog_begin(&lookup, table, keys, 1);
	if ((tuple = wo_catalog_next(&lookup)) != NULL)
		key = wo_catalog_text(&lookup, tuple, "key");
	wo_catalog_end(&lookup);
	if (key != NULL)
		remember(entry, number, key);
	return key;
}

/*
 * tenant_number(key) returns the tenant that has a key.
 */
Datum
workorder_tenant_number(PG_FUNCTION_ARGS)
{
	int64		number = wo_tenant_number(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (number == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(number);
}
