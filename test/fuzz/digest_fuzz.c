/*-------------------------------------------------------------------------
 *
 * digest_fuzz.c
 *	  Writes arbitrary journal lines in canonical form, and reads them back.
 *
 * If everything in a line can be read from its bytes, two lines that differ
 * cannot have the same digest.  The line is made of the input; its changes
 * are a document without a server's jsonb behind it, only what is read of one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/fmgrprotos.h"

#include "journal/journal.h"
#include "fuzz.h"

#define MAX_TOKENS	256
#define MAX_DEPTH	16

/* The input, read from its front. */
static const uint8_t *input;
static size_t left;

/* The document, as an iterator tells it. */
typedef struct Token
{
	JsonbIteratorToken kind;
	JsonbValue	value;
} Token;

static Token token[MAX_TOKENS];
static int	ntokens;

/* What would have been hashed: the content of a line first, then the line. */
static uint8_t *hashed[2];
static size_t nhashed[2];
static int	nhashes;

/* --- what the server and the library of digests give ---------------------- */

JsonbIterator *
JsonbIteratorInit(JsonbContainer *container)
{
	return palloc0(sizeof(JsonbIterator));
}

JsonbIteratorToken
JsonbIteratorNext(JsonbIterator **it, JsonbValue *val, bool skipNested)
{
	Token	   *t = &token[(*it)->curIndex++];

	*val = t->value;
	return t->kind;
}

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

char *
pg_server_to_any(const char *s, int len, int encoding)
{
	return unconstify(char *, s);
}

Datum
numeric_out(PG_FUNCTION_ARGS)
{
	return PG_GETARG_DATUM(0);
}

Datum
DirectFunctionCall1Coll(PGFunction func, Oid collation, Datum arg1)
{
	LOCAL_FCINFO(fcinfo, 1);

	InitFunctionCallInfoData(*fcinfo, NULL, 1, collation, NULL, NULL);
	fcinfo->args[0].value = arg1;
	return func(fcinfo);
}

EVP_MD_CTX *
EVP_MD_CTX_new(void)
{
	return exact(1);
}

EVP_MD *
EVP_MD_fetch(OSSL_LIB_CTX *ctx, const char *algorithm, const char *properties)
{
	promise(strcmp(algorithm, "SHA256") == 0, "it is SHA-256");
	return exact(1);
}

int
EVP_DigestInit_ex(EVP_MD_CTX *ctx, const EVP_MD *type, ENGINE *impl)
{
	promise(nhashes < 2, "two digests are computed");
	hashed[nhashes] = palloc(1);
	nhashed[nhashes] = 0;
	return 1;
}

int
EVP_DigestUpdate(EVP_MD_CTX *ctx, const void *data, size_t count)
{
	hashed[nhashes] = repalloc(hashed[nhashes], nhashed[nhashes] + count);
	memcpy(hashed[nhashes] + nhashed[nhashes], data, count);
	nhashed[nhashes] += count;
	return 1;
}

int
EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *md, unsigned int *s)
{
	nhashes++;
	memset(md, 0xD0 + nhashes, WO_DIGEST_LENGTH);
	return 1;
}

bool
pg_strong_random(void *buf, size_t len)
{
	memset(buf, 7, len);
	return true;
}

/* --- making a line -------------------------------------------------------- */

static uint8_t
take(void)
{
	if (left == 0)
		return 0;
	left--;
	return *input++;
}

static int64
take_number(void)
{
	uint64		n = 0;

	for (int i = take() % 9; i > 0; i--)
		n = n << 8 | take();
	return (int64) n;
}

/* a text without NUL, as long as its first byte says or as there is */
static char *
take_text(int *len)
{
	size_t		n = take();
	char	   *text;

	if (n == 255)
		n = 3000;
	if (n > left)
		n = left;
	text = palloc(n + 1);
	for (size_t i = 0; i < n; i++)
	{
		text[i] = (char) take();
		if (text[i] == '\0')
			text[i] = 'x';
	}
	text[n] = '\0';
	*len = (int) n;
	return text;
}

static char *
take_string(void)
{
	int			len;

	return take() % 4 == 0 ? NULL : take_text(&len);
}

static Token *
add_token(JsonbIteratorToken kind)
{
	Token	   *t = &token[ntokens++];

	memset(t, 0, sizeof(Token));
	t->kind = kind;
	return t;
}

static void
make_scalar(JsonbIteratorToken kind)
{
	Token	   *t = add_token(kind);

	switch (take() % 4)
	{
		case 0:
			t->value.type = jbvNull;
			break;
		case 1:
			t->value.type = jbvBool;
			t->value.val.boolean = take() & 1;
			break;
		case 2:
			t->value.type = jbvNumeric;
			t->value.val.numeric = (Numeric) palloc(32);
			sprintf((char *) t->value.val.numeric, "%d.%u", (int8_t) take(), take());
			break;
		default:
			t->value.type = jbvString;
			t->value.val.string.val = take_text(&t->value.val.string.len);
			break;
	}
}

/* an object or an array; its end is always there, however short the input is */
static void
make_container(bool object, int depth)
{
	add_token(object ? WJB_BEGIN_OBJECT : WJB_BEGIN_ARRAY);
	for (int n = take() % 5; n > 0 && ntokens < MAX_TOKENS - 3 * MAX_DEPTH; n--)
	{
		int			kind = take() % 4;

		if (object)
		{
			Token	   *t = add_token(WJB_KEY);

			t->value.type = jbvString;
			t->value.val.string.val = take_text(&t->value.val.string.len);
		}
		if (kind < 2 && depth < MAX_DEPTH)
			make_container(kind == 0, depth + 1);
		else
			make_scalar(object ? WJB_VALUE : WJB_ELEM);
	}
	add_token(object ? WJB_END_OBJECT : WJB_END_ARRAY);
}

/* --- reading it back ------------------------------------------------------ */

/* What was hashed, read from its front. */
static const uint8_t *at;
static const uint8_t *end;

static uint64
read_number(int bytes)
{
	uint64		n = 0;

	promise(end - at >= bytes, "a number is whole");
	while (bytes-- > 0)
		n = n << 8 | *at++;
	return n;
}

static void
read_person(int64 id)
{
	uint64		there = read_number(1);

	promise(there == (id != 0), "a person is there or not");
	if (there)
		promise((int64) read_number(8) == id, "a person is the same");
}

static void
read_string(const char *string)
{
	uint64		there = read_number(1);
	uint64		len;

	promise(there == (string != NULL), "a text is there or not");
	if (!there)
		return;
	len = read_number(4);
	promise(len == strlen(string) && len <= end - at && memcmp(at, string, len) == 0, "a text is the same");
	at += len;
}

static void
read_bytes(const char *bytes)
{
	promise(end - at >= strlen(bytes) && memcmp(at, bytes, strlen(bytes)) == 0, "the document is punctuated");
	at += strlen(bytes);
}

/* a JSON string, each character of it in the one way it may be written */
static void
read_quoted(const char *string, int len)
{
	static const char escapes[] = "\bb\ff\nn\rr\tt\"\"\\\\";

	read_bytes("\"");
	for (int i = 0; i < len; i++)
	{
		unsigned char c = string[i];
		const char *escape = NULL;

		for (const char *e = escapes; *e != '\0'; e += 2)
			if (*e == (char) c)
				escape = e;
		if (escape != NULL)
		{
			read_bytes("\\");
			promise(at < end && *at++ == (uint8_t) escape[1], "a character is escaped");
		}
		else if (c < ' ')
		{
			char		written[8];

			sprintf(written, "\\u%04x", c);
			read_bytes(written);
		}
		else
			promise(at < end && *at++ == c, "a character is the same");
	}
	read_bytes("\"");
}

static void
read_document(void)
{
	bool		first = true;

	for (int i = 0; i < ntokens; i++)
	{
		Token	   *t = &token[i];

		if (t->kind == WJB_END_OBJECT || t->kind == WJB_END_ARRAY)
		{
			read_bytes(t->kind == WJB_END_OBJECT ? "}" : "]");
			first = false;
			continue;
		}
		if (!first)
			read_bytes(", ");
		first = t->kind == WJB_BEGIN_OBJECT || t->kind == WJB_BEGIN_ARRAY || t->kind == WJB_KEY;
		if (t->kind == WJB_BEGIN_OBJECT || t->kind == WJB_BEGIN_ARRAY)
			read_bytes(t->kind == WJB_BEGIN_OBJECT ? "{" : "[");
		else if (t->value.type == jbvString)
			read_quoted(t->value.val.string.val, t->value.val.string.len);
		else if (t->value.type == jbvNumeric)
			read_bytes((const char *) t->value.val.numeric);
		else
			read_bytes(t->value.type == jbvNull ? "null" : t->value.val.boolean ? "true" : "false");
		if (t->kind == WJB_KEY)
			read_bytes(": ");
	}
}

/* --- the target ----------------------------------------------------------- */

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	WoJournalEntry line = {0};
	uint8_t		previous[WO_DIGEST_LENGTH];
	uint8_t		content[WO_DIGEST_LENGTH];
	bool		chained;

	input = bytes;
	left = size;
	ntokens = 0;
	nhashes = 0;
	chained = take() & 1;
	memset(previous, take(), sizeof(previous));
	line.tenant = take_number();
	line.relation = (int32) take_number();
	line.ticket = take_number();
	line.revision = (int32) take_number();
	line.at = take_number();
	line.actor = take_number();
	line.for_actor = take_number();
	line.action = take_string();
	line.from_state = take_string();
	line.to_state = take_string();
	line.note = take_string();
	if (take() % 4 != 0)
	{
		line.salt = palloc(VARHDRSZ + WO_SALT_LENGTH);
		SET_VARSIZE(line.salt, VARHDRSZ + WO_SALT_LENGTH);
		memset(VARDATA(line.salt), take(), WO_SALT_LENGTH);
	}
	if (take() % 4 != 0)
	{
		line.changes = palloc0(sizeof(Jsonb));
		make_container(true, 0);
	}
	add_token(WJB_DONE);
	ntokens--;

	wo_digest_compute(&line, chained ? previous : NULL, line.digest);

	promise(nhashes == 2, "two digests are computed");
	at = hashed[0];
	end = hashed[0] + nhashed[0];
	promise(read_number(1) == (line.salt != NULL), "there is salt or not");
	if (line.salt != NULL)
	{
		promise(read_number(4) == WO_SALT_LENGTH, "salt has its length");
		promise(end - at >= WO_SALT_LENGTH && memcmp(at, VARDATA(line.salt), WO_SALT_LENGTH) == 0, "the salt is the same");
		at += WO_SALT_LENGTH;
	}
	read_string(line.note);
	promise(read_number(1) == (line.changes != NULL), "there are changes or not");
	if (line.changes != NULL)
	{
		promise(read_number(4) == end - at, "their length is theirs");
		read_document();
	}
	promise(at == end, "that is all of the content");

	at = hashed[1];
	end = hashed[1] + nhashed[1];
	promise(read_number(1) == 1, "the version comes first");
	if (!chained)
		memset(previous, 0, sizeof(previous));
	promise(end - at >= sizeof(previous) && memcmp(at, previous, sizeof(previous)) == 0, "the one before follows");
	at += sizeof(previous);
	promise((int64) read_number(8) == line.tenant, "the tenant is there");
	promise((int32) read_number(4) == line.relation, "the relation is there");
	promise((int64) read_number(8) == line.ticket, "the ticket is there");
	promise((int32) read_number(4) == line.revision, "the revision is there");
	promise((int64) read_number(8) == line.at, "the time is there");
	read_person(line.actor);
	read_person(line.for_actor);
	read_string(line.action);
	read_string(line.from_state);
	read_string(line.to_state);
	memset(content, 0xD1, sizeof(content));
	promise(end - at == sizeof(content) && memcmp(at, content, sizeof(content)) == 0, "the digest of the content comes last");
	at += sizeof(content);
	promise(at == end, "that is all");
	give_back();
	return 0;
}

const char *const fuzz_words[] = {"\"", "\\", "\n", "\t", "\x01", "\x08", "\xE4\xB8\xAD", "\x05" "abcde", "\x01\x01\x01\x01", "\xFF", NULL};
