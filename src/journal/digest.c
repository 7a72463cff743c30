/*-------------------------------------------------------------------------
 *
 * digest.c
 *	  The digest that chains the lines of a ticket's journal.
 *
 * A line's digest is SHA-256 over the digest of the line before it (nothing
 * for the first) and the line's canonical bytes: tenant, relation, ticket,
 * revision and time as big-endian integers; actor and for_actor as one byte
 * that says whether they are there, then eight; action, states, note and the
 * text of changes as that byte, a four-byte length and the bytes.  Time is
 * microseconds since 2000-01-01 UTC, text is taken in UTF-8 and jsonb prints
 * its keys in one order, so neither settings nor locale nor version has a say
 * (of the encodings only that jsonb orders keys by their bytes in them).
 * The form is part of the stored data: it cannot change.
 *
 * Every act computes one digest, so the hash context and the buffer live as
 * long as the backend and one update call hashes the line.  PostgreSQL's own
 * pg_cryptohash would have OpenSSL look its algorithm up each time, which
 * costs as much as hashing a line; so this calls the same library directly.
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

/* A longer line gives the memory back; its buffer is not worth keeping. */
#define MAX_KEPT_BUFFER	(64 * 1024)

/* Both for the life of the backend. */
static EVP_MD_CTX *hash = NULL;
static const EVP_MD *sha256 = NULL;
static StringInfoData buffer;

static void create_hash(void);
static void put_person(int64 id);
static void put_string(const char *string);
static void put_json(JsonbContainer *container);
static void put_scalar(const JsonbValue *value);
static void put_quoted(const char *string, int len);

/*
 * Computes the digest of a line into result; previous is NULL for the first
 * line of a ticket.
 */
void
wo_journal_digest(const WoJournalLine *line, const uint8 *previous, uint8 *result)
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

	if (previous != NULL)
		appendBinaryStringInfo(&buffer, (const char *) previous, WO_DIGEST_LENGTH);
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
	put_string(line->note);
	if (line->changes == NULL)
		pq_sendint8(&buffer, 0);
	else if (GetDatabaseEncoding() != PG_UTF8)
		put_string(JsonbToCString(NULL, &line->changes->root, VARSIZE(line->changes)));
	else
	{
		/* Printed in place; its length is known only afterwards. */
		int			start;
		uint32		len;

		pq_sendint8(&buffer, 1);
		start = buffer.len;
		pq_sendint32(&buffer, 0);
		put_json(&line->changes->root);
		len = pg_hton32(buffer.len - start - sizeof(len));
		memcpy(buffer.data + start, &len, sizeof(len));
	}

	if (EVP_DigestInit_ex(hash, sha256, NULL) != 1 ||
		EVP_DigestUpdate(hash, buffer.data, buffer.len) != 1 ||
		EVP_DigestFinal_ex(hash, result, NULL) != 1)
		elog(ERROR, "could not compute a journal digest: %s", ERR_reason_error_string(ERR_get_error()));
}

/*
 * Makes the hash context and looks SHA-256 up, once for the backend.
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
	int			len;

	if (string == NULL)
	{
		pq_sendint8(&buffer, 0);
		return;
	}

	/* What has no defined meaning, or no way into UTF-8, stays as it is. */
	if (encoding != PG_SQL_ASCII && encoding != PG_MULE_INTERNAL)
		utf8 = pg_server_to_any(string, strlen(string), PG_UTF8);

	len = strlen(utf8);
	pq_sendint8(&buffer, 1);
	pq_sendint32(&buffer, len);
	appendBinaryStringInfo(&buffer, utf8, len);
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
