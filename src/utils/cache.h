/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  Whether what a backend remembers is still so (cache.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CACHE_H
#define WO_CACHE_H

#include "postgres.h"

#define WO_CACHE_TABLES	2

/*
 * Declare it static, with what it follows:
 *
 *	static WoCache cache = {.syscache = PROCOID};
 *
 * The rest is cache.c's.
 */
typedef struct WoCache
{
	/* a change of any row of this system cache makes it stale, 0 = none */
	int			syscache;
	/* hears which relation has changed, InvalidOid = any, and every change makes what is being read stale */
	void		(*forget) (Oid relid);

	Oid			tables[WO_CACHE_TABLES];	/* their changes make it stale */
	uint64		changes;		/* counted, from 1 on */
	uint64		built;			/* changes when its contents were begun to be read, 0 = none */
	struct WoCache *next;
} WoCache;

/*
 * wo_cache_current tells whether what was read is what there is.
 */
static inline bool
wo_cache_current(const WoCache *cache)
{
	return likely(cache->built != 0 && cache->built == cache->changes);
}

extern uint64 wo_cache_begin(WoCache *cache);
extern void wo_cache_follow(WoCache *cache, int n, Oid table);
extern bool wo_cache_done(WoCache *cache, uint64 begun);

#endif							/* WO_CACHE_H */
