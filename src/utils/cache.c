/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Whether what a backend remembers is still so.
 *
 * Every cache of the library has a WoCache, which counts the invalidations
 * that concern it.  Who fills the cache does so in this order:
 *
 *	begun = wo_cache_begin(&cache);
 *	wo_cache_follow(&cache, 0, table);	for each table that it reads
 *	... lock the tables, read, with the newest snapshot ...
 *	wo_cache_done(&cache, begun);
 *
 * and asks wo_cache_current() before it is used.  An invalidation that comes
 * between begin and done leaves the cache stale: what was read serves the
 * question that it was read for, whose locks say how new it has to be, and the
 * next one reads again.  It is never read again at once, for where every look
 * into the catalog invalidates (debug_discard_caches) that would not end.
 *
 * Only what was read with the newest snapshot may be kept.  The snapshot of a
 * transaction that is REPEATABLE READ, and that of a parallel query, are older
 * than invalidations that this backend has heard already, and would bring back
 * what those have made stale.  So rows are read by wo_catalog_begin(), or with
 * GetCatalogSnapshot(), which may be had in parallel mode too; nothing that SPI
 * or an active snapshot has read is kept longer than the statement.
 *
 * The whole library has one relcache callback, of the ten that a backend may
 * have, and one callback for each system cache that is followed.  Callbacks
 * can never be taken back; they are registered at the first use of a cache,
 * and so is the cache.  They run inside invalidation, where nothing may be
 * looked up, allocated or raised.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/inval.h"
#include "utils/syscache.h"

#include "utils/cache.h"

/* All caches that were ever used. */
static WoCache *caches = NULL;

/*
 * on_relation_change runs when a relation has changed; InvalidOid is any.
 */
static void
on_relation_change(Datum arg, Oid relid)
{
	for (WoCache *cache = caches; cache != NULL; cache = cache->next)
	{
		bool		follows = cache->forget != NULL;

		for (int i = 0; i < WO_CACHE_TABLES; i++)
			if (OidIsValid(cache->tables[i]) && (cache->tables[i] == relid || !OidIsValid(relid)))
				follows = true;
		if (follows)
			cache->changes++;
		if (cache->forget != NULL)
			cache->forget(relid);
	}
}

/*
 * on_syscache_change runs when a row of a system cache has changed.
 */
static void
on_syscache_change(Datum arg, int cacheid, uint32 hashvalue)
{
	for (WoCache *cache = caches; cache != NULL; cache = cache->next)
		if (cache->syscache == cacheid)
			cache->changes++;
}

/*
 * register_cache makes a cache known, and what it follows heard.
 */
static void
register_cache(WoCache *cache)
{
	static bool hears_relations = false;
	bool		hears_syscache = cache->syscache == 0;

	for (WoCache *other = caches; other != NULL; other = other->next)
		hears_syscache |= other->syscache == cache->syscache;
	if (!hears_relations)
		CacheRegisterRelcacheCallback(on_relation_change, (Datum) 0);
	hears_relations = true;
	if (!hears_syscache)
		CacheRegisterSyscacheCallback(cache->syscache, on_syscache_change, (Datum) 0);
	cache->changes = 1;
	cache->next = caches;
	caches = cache;
}

/*
 * wo_cache_begin is called before anything is read, and returns what
 * wo_cache_done() is to be told.
 */
uint64
wo_cache_begin(WoCache *cache)
{
	if (cache->changes == 0)
		register_cache(cache);
	return cache->changes;
}

/*
 * wo_cache_follow says which table is read; InvalidOid follows none.  Call it
 * before the table is locked, which is when changes are heard of.
 */
void
wo_cache_follow(WoCache *cache, int n, Oid table)
{
	Assert(cache->changes != 0 && n < WO_CACHE_TABLES);
	cache->tables[n] = table;
}

/*
 * wo_cache_done says that all was read.  Returns whether it is current: for a
 * cache that keeps entries which are valid one by one.
 */
bool
wo_cache_done(WoCache *cache, uint64 begun)
{
	cache->built = begun;
	return begun == cache->changes;
}
