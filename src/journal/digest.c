/*-------------------------------------------------------------------------
 *
 * digest.c
 *	  The digest that chains the entries of a ticket's journal.
 *
 * An entry's digest is SHA-256 over
 *
 *	 - a byte that names the version of this form, 1;
 *	 - the digest of the entry before it, 32 zero bytes for the first;
 *	 - the entry's facts: tenant, relation, ticket, revision and time as
 *	   big-endian integers; actor and for_actor as one byte that says whether
 *	   they are there, then eight; action and states as that byte, a four-byte
 *	   length and the bytes;
 *	 - where it tells the ticket's key, that as text; then the first byte is 2;
 *	 - the digest of its content, which is SHA-256 over salt, note and the text
 *	   of changes, each as that byte, a four-byte length and the bytes.
 *
 * So note, changes and salt can be taken out of an entry that keeps the digest
 * of its content, and the chain still proves who did what when; the salt keeps
 * anybody from finding by trial what was taken out.
 *
 * Time is microseconds since 2000-01-01 UTC, text is taken in UTF-8 and jsonb
 * prints its keys in one order, so neither settings nor locale nor version has
 * a say (of the encodings only that jsonb orders keys by their bytes in them).
 * The form is part of the stored data: another one takes another first byte.
 * verify_seal() says it in SQL.
 *
 * A salt is derived from a secret of the backend, which is stored nowhere, and
 * from what identifies the entry: so the trigger that judges a row and the one
 * that journals it need not tell each other, and no two entries have the same.
 *
 * Every act computes these digests, so the hash context and the buffer live as
 * long as the backend and one update call hashes the bytes.  PostgreSQL's own
 * pg_cryptohash would have OpenSSL look its algorithm up each time, which
 * costs as much as hashing an entry; so this calls the same library directly.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "journal/journal.h"
#include "utils/compat.h"
#include "utils/errors.h"

/* A longer entry gives the memory back; its buffer is not worth keeping. */
#define MAX_KEPT_BUFFER (64 * 1024)

/* The form of what is hashed, see above. */
#define DIGEST_VERSION	1
#define DIGEST_VERSION_KEY	2

/* All for the life of the backend. */
static EVP_MD_CTX *hash = NULL;
static const EVP_MD *sha256 = NULL;
static StringInfoData buffer;
static uint8 secret[WO_SALT_LENGTH];	/* so short that a salt takes one block of SHA-256 */

static void start(void);
static void finish(uint8 *result);
static void create_hash(void);
static void put_person(int64 id);
static void put_bytes(const char *bytes, int len);
static void put_string(const char *string);
static void put_json(JsonbContainer *container);
static void put_scalar(const JsonbValue *value);
static void put_quoted(const char *string, int len);

/*
 * wo_digest_salt gives an entry the salt of its content, palloc'd: the same one
 * whenever this backend asks for the entry of this ticket and revision.
 */
void
wo_digest_salt(WoJournalEntry *line)
{
	uint8		derived[WO_DIGEST_LENGTH];

	start();
	appendBinaryStringInfo(&buffer, (const char *) secret, sizeof(secret));
	pq_sendint64(&buffer, line->tenant);
	pq_sendint32(&buffer, line->relation);
	pq_sendint64(&buffer, line->ticket);
	pq_sendint32(&buffer, line->revision);
	finish(derived);
	line->salt = palloc(VARHDRSZ + WO_SALT_LENGTH);
	SET_VARSIZE(line->salt, VARHDRSZ + WO_SALT_LENGTH);
	memcpy(VARDATA(line->salt), derived, WO_SALT_LENGTH);
}

/*
 * wo_digest_compute computes the digest of an entry into result; previous is
 * NULL for the first entry of a ticket.
 */
void
wo_digest_compute(const WoJournalEntry *line, const uint8 *previous, uint8 *result)
{
	static const uint8 none[WO_DIGEST_LENGTH] = {0};
	uint8		content[WO_DIGEST_LENGTH];

	start();
	if (line->salt == NULL)
		pq_sendint8(&buffer, 0);
	else
		put_bytes(VARDATA_ANY(line->salt), VARSIZE_ANY_EXHDR(line->salt));
	put_string(line->note);
	if (line->changes == NULL)
		pq_sendint8(&buffer, 0);
	else if (GetDatabaseEncoding() != PG_UTF8)
		put_string(JsonbToCString(NULL, &line->changes->root, VARSIZE(line->changes)));
	else
	{
		/* Printed in place; its length is known only afterwards. */
		int			begin;
		uint32		len;

		pq_sendint8(&buffer, 1);
		begin = buffer.len;
		pq_sendint32(&buffer, 0);
		put_json(&line->changes->root);
		len = pg_hton32(buffer.len - begin - sizeof(len));
		memcpy(buffer.data + begin, &len, sizeof(len));
	}
	finish(content);

	resetStringInfo(&buffer);
	pq_sendint8(&buffer, line->key == NULL ? DIGEST_VERSION : DIGEST_VERSION_KEY);
	appendBinaryStringInfo(&buffer, (const char *) (previous != NULL ? previous : none), WO_DIGEST_LENGTH);
	pq_sendint64(&buffer, line->tenant);
	pq_sendint32(&buffer, line->relation);
	pq_sendint64(&buffer, line->ticket);
	pq_sendint32(&buffer, line->revision);
	pq_sendint64(&buffer, line->at);
	put_person(line->actor);
	put_person(line->for_actor);
	put_string(line->action);
	put_string(line->from_state);
	put_string(line->to_state);
	if (line->key != NULL)
		put_string(line->key);
	appendBinaryStringInfo(&buffer, (const char *) content, WO_DIGEST_LENGTH);
	finish(result);
}

/* Empties the buffer; one that has grown too long is replaced. */
static void
start(void)
{
	if (hash == NULL)
		create_hash();
	if (buffer.data == NULL || buffer.maxlen > MAX_KEPT_BUFFER)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		char	   *outgrown = buffer.data;

		initStringInfo(&buffer);
		MemoryContextSwitchTo(old);
		if (outgrown != NULL)
			pfree(outgrown);
	}
	resetStringInfo(&buffer);
}

/* Hashes the buffer. */
static void
finish(uint8 *result)
{
	if (EVP_DigestInit_ex(hash, sha256, NULL) != 1 ||
		EVP_DigestUpdate(hash, buffer.data, buffer.len) != 1 ||
		EVP_DigestFinal_ex(hash, result, NULL) != 1)
		elog(ERROR, "could not compute a journal digest: %s", ERR_reason_error_string(ERR_get_error()));
}

/*
 * Makes the hash context, looks SHA-256 up and draws the secret, once for the
 * backend.
 */
static void
create_hash(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
#else
	sha256 = EVP_sha256();
#endif
	if (context == NULL || sha256 == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not set up SHA-256: %s", ERR_reason_error_string(ERR_get_error()))));
	if (!pg_strong_random(secret, sizeof(secret)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	hash = context;
}

static void
put_person(int64 id)
{
	pq_sendint8(&buffer, id != 0);
	if (id != 0)
		pq_sendint64(&buffer, id);
}

/* Appends a text in UTF-8, or that there is none. */
static void
put_string(const char *string)
{
	int			encoding = GetDatabaseEncoding();
	const char *utf8 = string;

	if (string == NULL)
	{
		pq_sendint8(&buffer, 0);
		return;
	}

	/* What has no defined meaning, or no way into UTF-8, stays as it is. */
	if (encoding != PG_SQL_ASCII && encoding != WO_MULE_INTERNAL)
		utf8 = pg_server_to_any(string, strlen(string), PG_UTF8);

	put_bytes(utf8, strlen(utf8));
}

/* Appends bytes that are there, behind their length. */
static void
put_bytes(const char *bytes, int len)
{
	pq_sendint8(&buffer, 1);
	pq_sendint32(&buffer, len);
	appendBinaryStringInfo(&buffer, bytes, len);
}

/*
 * Appends a jsonb object as PostgreSQL prints it, which JsonbToCString() would
 * do character by character: printing costs more than hashing.
 */
static void
put_json(JsonbContainer *container)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		first = true;	/* nothing stands before it that a comma would part it from */

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		ends = token == WJB_END_ARRAY || token == WJB_END_OBJECT;

		if (!first && !ends)
			appendBinaryStringInfo(&buffer, ", ", 2);
		first = token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT || token == WJB_KEY;
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
				appendStringInfoChar(&buffer, '[');
				break;
			case WJB_BEGIN_OBJECT:
				appendStringInfoChar(&buffer, '{');
				break;
			case WJB_END_ARRAY:
				appendStringInfoChar(&buffer, ']');
				break;
			case WJB_END_OBJECT:
				appendStringInfoChar(&buffer, '}');
				break;
			case WJB_KEY:
				put_quoted(value.val.string.val, value.val.string.len);
				appendBinaryStringInfo(&buffer, ": ", 2);
				break;
			default:
				put_scalar(&value);
				break;
		}
	}
}

static void
put_scalar(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			appendBinaryStringInfo(&buffer, "null", 4);
			break;
		case jbvBool:
			appendStringInfoString(&buffer, value->val.boolean ? "true" : "false");
			break;
		case jbvString:
			put_quoted(value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			appendStringInfoString(&buffer,
								   DatumGetCString(DirectFunctionCall1(numeric_out,
																	   NumericGetDatum(value->val.numeric))));
			break;
		default:
			elog(ERROR, "unexpected jsonb value of type %d", (int) value->type);
	}
}

/* Appends a JSON string, escaped as escape_json() does. */
static void
put_quoted(const char *string, int len)
{
	int			done = 0;

	appendStringInfoChar(&buffer, '"');
	for (int i = 0; i < len; i++)
	{
		unsigned char c = string[i];

		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		appendBinaryStringInfo(&buffer, string + done, i - done);
		done = i + 1;
		switch (c)
		{
			case '\b':
				appendBinaryStringInfo(&buffer, "\\b", 2);
				break;
			case '\f':
				appendBinaryStringInfo(&buffer, "\\f", 2);
				break;
			case '\n':
				appendBinaryStringInfo(&buffer, "\\n", 2);
				break;
			case '\r':
				appendBinaryStringInfo(&buffer, "\\r", 2);
				break;
			case '\t':
				appendBinaryStringInfo(&buffer, "\\t", 2);
				break;
			case '"':
				appendBinaryStringInfo(&buffer, "\\\"", 2);
				break;
			case '\\':
				appendBinaryStringInfo(&buffer, "\\\\", 2);
				break;
			default:
				appendStringInfo(&buffer, "\\u%04x", c);
				break;
		}
	}
	appendBinaryStringInfo(&buffer, string + done, len - done);
	appendStringInfoChar(&buffer, '"');
}
