/*-------------------------------------------------------------------------
 *
 * credential_fuzz.c
 *	  Feeds the parser of encrypted credentials arbitrary bytes, and checks
 *	  what it promises.
 *
 * An input is a document; it is written in hexadecimal digits before it is
 * parsed, since no mutation would ever find an even number of them.  With a
 * zero byte in front the rest is taken as digits as it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "actor/credential_parse.h"
#include "utils/ascii.h"
#include "fuzz.h"

/* writes bytes as digits; the case follows from their place */
static char *
to_digits(const uint8_t *bytes, size_t n)
{
	static const char lower[] = "0123456789abcdef";
	static const char upper[] = "0123456789ABCDEF";
	char	   *digits = exact(2 * n);

	for (size_t i = 0; i < n; i++)
	{
		digits[2 * i] = (i % 2 ? upper : lower)[bytes[i] >> 4];
		digits[2 * i + 1] = (i % 3 ? upper : lower)[bytes[i] & 15];
	}
	return digits;
}

/* a credential that is taken is whole and within its bounds */
static void
check_credential(const WoCredential *credential)
{
	WoSpan		name = {credential->username, strlen(credential->username)};
	size_t		characters = 0;

	promise(memchr(credential->username, '\0', sizeof(credential->username)) != NULL, "the name ends");
	promise(name.len > 0, "there is a name");
	promise(wo_ascii_is_text(name), "the name is text");
	for (size_t i = 0; i < name.len; i++)
		if (((unsigned char) name.data[i] & 0xC0) != 0x80)
			characters++;
	promise(characters <= WO_CREDENTIAL_USERNAME, "the name is short");
	promise(credential->password_len <= WO_CREDENTIAL_PASSWORD, "the password is short");
	promise(credential->nonce_len == 12 || credential->nonce_len == 16, "the nonce has its size");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	WoCredential first;
	WoCredential again;
	char	   *digits;
	size_t		len;
	bool		taken;

	if (size > 0 && bytes[0] == 0)
	{
		len = size - 1;
		digits = exact(len);
		memcpy(digits, bytes + 1, len);
	}
	else
	{
		len = 2 * size;
		digits = to_digits(bytes, size);
	}

	/* what was in the memory before makes no difference */
	memset(&first, 0x5A, sizeof(first));
	memset(&again, 0xA5, sizeof(again));
	taken = wo_credential_parse(digits, len, &first);
	promise(wo_credential_parse(digits, len, &again) == taken, "it is taken again");
	if (taken)
	{
		promise(memcmp(&first, &again, sizeof(first)) == 0, "it means the same again");
		promise(len % 2 == 0 && len <= WO_CREDENTIAL_DIGITS, "it is digits, and not too many");
		promise(!wo_credential_parse(digits, len - 1, &again), "nothing can be left out");
		promise(!wo_credential_parse(digits, len - 2, &again) ||
				memcmp(&first, &again, sizeof(first)) == 0, "but space");
		check_credential(&first);
	}
	free(digits);
	return 0;
}

const char *const fuzz_words[] = {"\"username\":", "\"password\":", "\"nonce\":", "\"authTag\":", "{", "}", "[", "]", ",", ":",
	"\"", "\\", "\\u00e9", "\\ud83d\\ude00", "\\u0000", "\\ud800", "null", "true", "-1.5e+3", "00", "000102030405060708090a0b",
	"000102030405060708090a0b0c0d0e0f", "\xE5\xAE\xA2", "\xC0\xAF", " ", "\n", NULL};
