/*-------------------------------------------------------------------------
 *
 * ascii.h
 *	  What bytes of strangers may be.
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
#include <string.h>

/* Some bytes, not ended by a NUL; data is never NULL. */
typedef struct WoSpan
{
	const char *data;
	size_t		len;
} WoSpan;

/*
 * wo_ascii_hex returns the byte that two hexadecimal digits stand for, or -1.
 */
static inline int
wo_ascii_hex(const char *two)
{
	int			byte = 0;

	for (int i = 0; i < 2; i++)
	{
		char		c = two[i];

		byte <<= 4;
		if (c >= '0' && c <= '9')
			byte |= c - '0';
		else if (c >= 'a' && c <= 'f')
			byte |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			byte |= c - 'A' + 10;
		else
			return -1;
	}
	return byte;
}

/*
 * wo_ascii_is_text tells whether bytes are valid UTF-8 (no overlong forms, no
 * surrogates, nothing beyond U+10FFFF) without a NUL.
 */
static inline bool
wo_ascii_is_text(WoSpan span)
{
	const unsigned char *p = (const unsigned char *) span.data;
	const unsigned char *end = p + span.len;

	while (p < end)
	{
		unsigned char c = *p;
		int			more;
		unsigned char low = 0x80;
		unsigned char high = 0xBF;

		if (c < 0x80)
		{
			if (c == 0)
				return false;
			p++;
			continue;
		}
		if (c >= 0xC2 && c <= 0xDF)
			more = 1;
		else if (c >= 0xE0 && c <= 0xEF)
		{
			more = 2;
			if (c == 0xE0)
				low = 0xA0;
			else if (c == 0xED)
				high = 0x9F;
		}
		else if (c >= 0xF0 && c <= 0xF4)
		{
			more = 3;
			if (c == 0xF0)
				low = 0x90;
			else if (c == 0xF4)
				high = 0x8F;
		}
		else
			return false;
		if (end - p <= more || p[1] < low || p[1] > high)
			return false;
		for (int i = 2; i <= more; i++)
			if ((p[i] & 0xC0) != 0x80)
				return false;
		p += more + 1;
	}
	return true;
}

/*
 * wo_ascii_is_token_character tells whether a byte may stand in a token of
 * RFC 9110.
 */
static inline bool
wo_ascii_is_token_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/*
 * wo_ascii_is_token tells whether bytes are a token of RFC 9110, such as the
 * name of a header.
 */
static inline bool
wo_ascii_is_token(WoSpan span)
{
	for (size_t i = 0; i < span.len; i++)
		if (!wo_ascii_is_token_character(span.data[i]))
			return false;
	return span.len > 0;
}

/*
 * wo_ascii_same_word compares with a word in lower case, ASCII letters of any
 * case being equal.
 */
static inline bool
wo_ascii_same_word(WoSpan span, const char *word)
{
	if (span.len != strlen(word))
		return false;
	for (size_t i = 0; i < span.len; i++)
	{
		char		c = span.data[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c != word[i])
			return false;
	}
	return true;
}

#endif							/* WO_ASCII_H */
