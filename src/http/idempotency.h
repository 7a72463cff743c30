/*-------------------------------------------------------------------------
 *
 * idempotency.h
 *	  What was answered to a request that comes again (idempotency.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_IDEMPOTENCY_H
#define WO_IDEMPOTENCY_H

#include "common/sha2.h"

#include "utils/workorder.h"

#define WO_IDEMPOTENCY_KEY	255 /* bytes */

/* A request with a key; who sends it is who acts. */
typedef struct WoOnce
{
	const char *scope;
	const char *key;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];	/* of the whole request */
} WoOnce;

typedef struct WoResult
{
	int			status;
	const char *content_type;
	const char *headers;		/* in a form of the caller's */
	bytea	   *body;			/* NULL = empty */
} WoResult;

typedef enum WoOnceState
{
	WO_ONCE_NEW,				/* it is the first: do it, then keep the result */
	WO_ONCE_DONE,				/* it was done, with this result */
	WO_ONCE_OTHER				/* the key is another request's */
} WoOnceState;

/* A key is 1 to 255 printable ASCII characters. */
extern bool wo_once_is_key(const char *key);

/* Of what the request consists of. */
extern void wo_once_digest(WoOnce *once, const void *const *parts, const size_t *lengths, int n);

/* Waits for whoever is at the same key; only somebody who acts may ask. */
extern WoOnceState wo_once_begin(const WoOnce *once, WoResult *result);

/* Keeps the result, with the transaction. */
extern void wo_once_keep(const WoOnce *once, const WoResult *result);

#endif							/* WO_IDEMPOTENCY_H */
