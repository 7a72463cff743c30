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

#include "http/request.h"

#define WO_IDEMPOTENCY_KEY_BYTES	255 /* bytes */

/* A request with a key; who sends it is who acts. */
typedef struct WoIdempotencyKey
{
	const char *scope;
	const char *key;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];	/* of the whole request */
} WoIdempotencyKey;

/*
 * Looks whether a request was answered before, and answers it again.  If it
 * leaves the answer empty, the request is to be done.
 */
extern WoHttpReason wo_idempotency_begin(const WoHttpRequest *request, WoIdempotencyKey *once, WoHttpAnswer *answer);

/* Keeps the answer to a request that was begun, with the transaction. */
extern void wo_idempotency_keep(const WoIdempotencyKey *once, const WoHttpAnswer *answer);

#endif							/* WO_IDEMPOTENCY_H */
