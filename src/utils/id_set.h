/*-------------------------------------------------------------------------
 *
 * id_set.h
 *	  Sets of numbers: whether a person, or a ticket, was met before.
 *
 * A set is made by the first number added, in the current memory context, and
 * lives as long as that.  NULL is the empty set.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ID_SET_H
#define WO_ID_SET_H

#include "utils/hsearch.h"

static inline bool
wo_id_set_has(HTAB *set, int64 id)
{
	return set != NULL && hash_search(set, &id, HASH_FIND, NULL) != NULL;
}

/*
 * wo_id_set_add adds a number, and tells whether it is new.
 */
static inline bool
wo_id_set_add(HTAB **set, int64 id)
{
	bool		found;

	if (*set == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(int64),.hcxt = CurrentMemoryContext};

		*set = hash_create("workorder numbers", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	(void) hash_search(*set, &id, HASH_ENTER, &found);
	return !found;
}

#endif							/* WO_ID_SET_H */
