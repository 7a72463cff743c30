/*-------------------------------------------------------------------------
 *
 * ascii.h
 *	  What bytes of strangers may be (ascii.c).
 *
 * Nothing here knows of the server, so that what uses it can be fuzzed
 * without one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ASCII_H
#define WO_ASCII_H

#include <stdbool.h>
#include <stddef.h>

/* Some bytes, not ended by a NUL; data is never NULL. */
typedef struct WoSpan
{
	const char *data;
	size_t		len;
} WoSpan;

extern bool wo_http_is_text(WoSpan span);
extern bool wo_http_is_token(WoSpan span);
extern bool wo_http_is_token_character(char c);
extern bool wo_http_same_word(WoSpan span, const char *word);
extern int	wo_http_hex(const char *two);

#endif							/* WO_ASCII_H */
