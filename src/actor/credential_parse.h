/*-------------------------------------------------------------------------
 *
 * credential_parse.h
 *	  What an encrypted credential consists of (credential_parse.c).
 *
 * Needs nothing of a server, so that it can be fuzzed without one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CREDENTIAL_PARSE_H
#define WO_CREDENTIAL_PARSE_H

#include "postgres.h"

#include <stdbool.h>
#include <stddef.h>

#define WO_CREDENTIAL_DIGITS	4096	/* of the whole */
#define WO_CREDENTIAL_USERNAME	128 /* characters */
#define WO_CREDENTIAL_PASSWORD	512 /* bytes */
#define WO_CREDENTIAL_NONCE		16	/* bytes; 12 are as good */
#define WO_CREDENTIAL_TAG		16	/* bytes, never fewer */

typedef struct WoCredential
{
	char		username[4 * WO_CREDENTIAL_USERNAME + 1];	/* UTF-8, not empty */
	unsigned char password[WO_CREDENTIAL_PASSWORD]; /* encrypted */
	size_t		password_len;
	unsigned char nonce[WO_CREDENTIAL_NONCE];
	size_t		nonce_len;		/* 12 or 16 */
	unsigned char tag[WO_CREDENTIAL_TAG];
} WoCredential;

/* Takes hexadecimal digits apart; false if they are no credential. */
extern bool wo_credential_parse(const char *digits, size_t len, WoCredential *credential);

#endif							/* WO_CREDENTIAL_PARSE_H */
