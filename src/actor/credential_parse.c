/*-------------------------------------------------------------------------
 *
 * credential_parse.c
 *	  Takes an encrypted credential apart.
 *
 * A credential is a JSON object written in hexadecimal digits, with the text
 * members username, password, nonce and authTag, the last three again in
 * hexadecimal.  It comes from somebody unknown, before anything is verified.
 * So the parser is strict and has no memory but what it is given: nothing is
 * allocated, nothing raised, and of two members with one name neither is
 * believed.  Members with other names are skipped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <string.h>

#include "actor/credential_parse.h"
#include "utils/ascii.h"

#define DOCUMENT_BYTES	(WO_CREDENTIAL_DIGITS / 2)
#define DEEPEST			64

/* The members, as bits of those that were found. */
enum
{
	MEMBER_USERNAME = 1,
	MEMBER_PASSWORD = 2,
	MEMBER_NONCE = 4,
	MEMBER_TAG = 8,
	MEMBERS_ALL = 15
};

/* Where in the document the parser is. */
typedef struct Reader
{
	const char *p;
	const char *end;
} Reader;

/* A string of the document, decoded: it is never longer than it was. */
typedef struct Text
{
	char		data[DOCUMENT_BYTES];
	size_t		len;
} Text;

static void skip_space(Reader *reader);
static bool take(Reader *reader, char c);
static bool take_word(Reader *reader, const char *word);
static bool take_digits(Reader *reader);
static bool take_number(Reader *reader);
static bool take_escape(Reader *reader, Text *text);
static bool take_unit(Reader *reader, unsigned *unit);
static bool take_string(Reader *reader, Text *text);
static bool skip_value(Reader *reader, Text *scratch, int depth);
static bool skip_items(Reader *reader, Text *scratch, int depth, bool object);
static int	member_of(const Text *name);
static bool read_member(int member, const Text *text, WoCredential *credential);
static bool read_username(const Text *text, char *username);
static bool read_hex(const char *digits, size_t len, void *bytes, size_t room, size_t *n);

/*
 * wo_credential_parse takes a credential apart; false if it is none.
 */
bool
wo_credential_parse(const char *digits, size_t len, WoCredential *credential)
{
	char		document[DOCUMENT_BYTES];
	Text		text;
	WoSpan		span = {document, 0};
	Reader		reader;
	int			found = 0;

	memset(credential, 0, sizeof(*credential));
	if (!read_hex(digits, len, document, sizeof(document), &span.len) || !wo_ascii_is_text(span))
		return false;
	reader.p = document;
	reader.end = document + span.len;

	skip_space(&reader);
	if (!take(&reader, '{'))
		return false;
	do
	{
		int			member;

		skip_space(&reader);
		if (!take_string(&reader, &text))
			return false;
		member = member_of(&text);
		skip_space(&reader);
		if (!take(&reader, ':'))
			return false;
		skip_space(&reader);
		if (member == 0)
		{
			if (!skip_value(&reader, &text, 1))
				return false;
		}
		else if ((found & member) != 0 || !take_string(&reader, &text) ||
				 !read_member(member, &text, credential))
			return false;
		found |= member;
		skip_space(&reader);
	} while (take(&reader, ','));

	if (!take(&reader, '}'))
		return false;
	skip_space(&reader);
	return reader.p == reader.end && found == MEMBERS_ALL;
}

static void
skip_space(Reader *reader)
{
	while (reader->p < reader->end &&
		   (*reader->p == ' ' || *reader->p == '\t' || *reader->p == '\n' || *reader->p == '\r'))
		reader->p++;
}

static bool
take(Reader *reader, char c)
{
	if (reader->p == reader->end || *reader->p != c)
		return false;
	reader->p++;
	return true;
}

static bool
take_word(Reader *reader, const char *word)
{
	size_t		len = strlen(word);

	if ((size_t) (reader->end - reader->p) < len || memcmp(reader->p, word, len) != 0)
		return false;
	reader->p += len;
	return true;
}

static bool
take_digits(Reader *reader)
{
	const char *start = reader->p;

	while (reader->p < reader->end && *reader->p >= '0' && *reader->p <= '9')
		reader->p++;
	return reader->p > start;
}

/*
 * take_number passes a number as JSON writes it.
 */
static bool
take_number(Reader *reader)
{
	(void) take(reader, '-');
	if (!take(reader, '0') && !take_digits(reader))
		return false;
	if (take(reader, '.') && !take_digits(reader))
		return false;
	if (take(reader, 'e') || take(reader, 'E'))
	{
		if (!take(reader, '+'))
			(void) take(reader, '-');
		return take_digits(reader);
	}
	return true;
}

/*
 * take_string decodes a string, quotes included.
 */
static bool
take_string(Reader *reader, Text *text)
{
	text->len = 0;
	if (!take(reader, '"'))
		return false;
	while (reader->p < reader->end)
	{
		char		c = *reader->p++;

		if (c == '"')
			return true;
		if ((unsigned char) c < 0x20)
			return false;
		if (c != '\\')
			text->data[text->len++] = c;
		else if (!take_escape(reader, text))
			return false;
	}
	return false;
}

/*
 * take_escape decodes what follows a backslash.  U+0000 and half a surrogate
 * pair are no text.
 */
static bool
take_escape(Reader *reader, Text *text)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *escape;
	char	   *to = text->data + text->len;
	unsigned	c;

	if (reader->p == reader->end)
		return false;
	escape = *reader->p != '\0' ? strchr(escapes, *reader->p) : NULL;
	if (escape != NULL)
	{
		reader->p++;
		to[0] = meanings[escape - escapes];
		text->len++;
		return true;
	}
	if (!take(reader, 'u') || !take_unit(reader, &c) || c == 0 || (c >= 0xDC00 && c <= 0xDFFF))
		return false;
	if (c >= 0xD800 && c <= 0xDBFF)
	{
		unsigned	low;

		if (!take_word(reader, "\\u") || !take_unit(reader, &low) || low < 0xDC00 || low > 0xDFFF)
			return false;
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	if (c < 0x80)
	{
		to[0] = (char) c;
		text->len += 1;
	}
	else if (c < 0x800)
	{
		to[0] = (char) (0xC0 | (c >> 6));
		to[1] = (char) (0x80 | (c & 0x3F));
		text->len += 2;
	}
	else if (c < 0x10000)
	{
		to[0] = (char) (0xE0 | (c >> 12));
		to[1] = (char) (0x80 | ((c >> 6) & 0x3F));
		to[2] = (char) (0x80 | (c & 0x3F));
		text->len += 3;
	}
	else
	{
		to[0] = (char) (0xF0 | (c >> 18));
		to[1] = (char) (0x80 | ((c >> 12) & 0x3F));
		to[2] = (char) (0x80 | ((c >> 6) & 0x3F));
		to[3] = (char) (0x80 | (c & 0x3F));
		text->len += 4;
	}
	return true;
}

/*
 * take_unit reads the four digits of a \u.
 */
static bool
take_unit(Reader *reader, unsigned *unit)
{
	unsigned char bytes[2];
	size_t		n;

	if (reader->end - reader->p < 4 || !read_hex(reader->p, 4, bytes, sizeof(bytes), &n))
		return false;
	reader->p += 4;
	*unit = (unsigned) bytes[0] << 8 | bytes[1];
	return true;
}

/*
 * skip_value passes a value that nobody asked for.
 */
static bool
skip_value(Reader *reader, Text *scratch, int depth)
{
	if (depth > DEEPEST || reader->p == reader->end)
		return false;
	switch (*reader->p)
	{
		case '"':
			return take_string(reader, scratch);
		case '{':
			return skip_items(reader, scratch, depth, true);
		case '[':
			return skip_items(reader, scratch, depth, false);
		case 't':
			return take_word(reader, "true");
		case 'f':
			return take_word(reader, "false");
		case 'n':
			return take_word(reader, "null");
		default:
			return take_number(reader);
	}
}

/*
 * skip_items passes an object or a list.
 */
static bool
skip_items(Reader *reader, Text *scratch, int depth, bool object)
{
	char		last = object ? '}' : ']';

	reader->p++;
	skip_space(reader);
	if (take(reader, last))
		return true;
	do
	{
		skip_space(reader);
		if (object)
		{
			if (!take_string(reader, scratch))
				return false;
			skip_space(reader);
			if (!take(reader, ':'))
				return false;
			skip_space(reader);
		}
		if (!skip_value(reader, scratch, depth + 1))
			return false;
		skip_space(reader);
	} while (take(reader, ','));
	return take(reader, last);
}

/*
 * member_of tells which member a name is, 0 for none of ours.
 */
static int
member_of(const Text *name)
{
	static const char *const names[] = {"username", "password", "nonce", "authTag"};

	for (int i = 0; i < 4; i++)
		if (name->len == strlen(names[i]) && memcmp(name->data, names[i], name->len) == 0)
			return 1 << i;
	return 0;
}

/*
 * read_member stores a member, if it is what it has to be.
 */
static bool
read_member(int member, const Text *text, WoCredential *credential)
{
	size_t		n;

	switch (member)
	{
		case MEMBER_USERNAME:
			return read_username(text, credential->username);
		case MEMBER_PASSWORD:
			return read_hex(text->data, text->len, credential->password, WO_CREDENTIAL_PASSWORD,
							&credential->password_len);
		case MEMBER_NONCE:
			return read_hex(text->data, text->len, credential->nonce, WO_CREDENTIAL_NONCE,
							&credential->nonce_len) &&
				(credential->nonce_len == 12 || credential->nonce_len == 16);
		default:
			return read_hex(text->data, text->len, credential->tag, WO_CREDENTIAL_TAG, &n) &&
				n == WO_CREDENTIAL_TAG;
	}
}

/*
 * read_username stores a name of 1 to 128 characters.  The document is valid
 * UTF-8, and so is what its escapes stand for.
 */
static bool
read_username(const Text *text, char *username)
{
	size_t		characters = 0;

	for (size_t i = 0; i < text->len; i++)
		if (((unsigned char) text->data[i] & 0xC0) != 0x80)
			characters++;
	if (characters < 1 || characters > WO_CREDENTIAL_USERNAME)
		return false;
	memcpy(username, text->data, text->len);
	username[text->len] = '\0';
	return true;
}

/*
 * read_hex reads pairs of hexadecimal digits of either case, as many as there
 * are bytes of room for at most.
 */
static bool
read_hex(const char *digits, size_t len, void *bytes, size_t room, size_t *n)
{
	if (len % 2 != 0 || len / 2 > room)
		return false;
	for (size_t i = 0; i < len; i += 2)
	{
		int			byte = wo_ascii_hex(digits + i);

		if (byte < 0)
			return false;
		((unsigned char *) bytes)[i / 2] = (unsigned char) byte;
	}
	*n = len / 2;
	return true;
}
