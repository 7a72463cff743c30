/*-------------------------------------------------------------------------
 *
 * secret.c
 *	  Keys: reading, comparing, using and wiping them.
 *
 * The rows of workorder.secret are for their owner only, and read here for
 * callers who have no privilege on them.  Nothing is remembered: a key that
 * was changed or taken away counts no more from the next call on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "utils/builtins.h"

#include "utils/lookup.h"
#include "actor/secret.h"

/*
 * wo_secret_read reads a row of workorder.secret, NULL if it is not there.
 */
char *
wo_secret_read(const char *name)
{
	WoLookupKey keys[] = {
		{"name", TEXTOID, CStringGetTextDatum(name)},
	};
	WoLookup	lookup;
	HeapTuple	tuple;
	char	   *value = NULL;

	wo_lookup_begin(&lookup, wo_lookup_table("secret", false), keys, lengthof(keys));
	tuple = wo_lookup_next(&lookup);
	if (tuple != NULL)
		value = wo_lookup_text(&lookup, tuple, "value");
	wo_lookup_end(&lookup);
	return value;
}

/*
 * wo_secret_wipe overwrites a secret before its memory is used again.
 */
void
wo_secret_wipe(char *secret)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, strlen(secret));
	pfree(secret);
}

/*
 * wo_secret_equal compares without stopping at the first difference.
 */
bool
wo_secret_equal(const void *a, const void *b, size_t length)
{
	const unsigned char *left = a;
	const unsigned char *right = b;
	volatile unsigned char difference = 0;

	for (size_t i = 0; i < length; i++)
		difference |= left[i] ^ right[i];
	return difference == 0;
}

/*
 * wo_secret_hmac computes HMAC-SHA256 of a message.
 */
void
wo_secret_hmac(const void *key, size_t key_length, const void *message, size_t length, uint8 *digest)
{
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);

	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (pg_hmac_init(context, key, key_length) < 0 ||
		pg_hmac_update(context, message, length) < 0 ||
		pg_hmac_final(context, digest, PG_SHA256_DIGEST_LENGTH) < 0)
	{
		const char *reason = pg_hmac_error(context);

		pg_hmac_free(context);
		elog(ERROR, "could not compute an HMAC: %s", reason);
	}
	pg_hmac_free(context);
}
