/*-------------------------------------------------------------------------
 *
 * secret.h
 *	  Keys: reading, comparing, using and wiping them (secret.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_SECRET_H
#define WO_SECRET_H

#include "utils/workorder.h"

/* A row of workorder.secret, NULL if it is not there; wipe it after use. */
extern char *wo_secret_read(const char *name);

/* Overwrites and frees; NULL is fine. */
extern void wo_secret_wipe(char *secret);

/* Compares without stopping at the first difference. */
extern bool wo_secret_equal(const void *a, const void *b, size_t length);

/* HMAC-SHA256; digest has room for PG_SHA256_DIGEST_LENGTH bytes. */
extern void wo_secret_hmac(const void *key, size_t key_length,
						   const void *message, size_t length, uint8 *digest);

#endif							/* WO_SECRET_H */
