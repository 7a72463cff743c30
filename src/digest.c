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
#include "utils/memutils.h"

#include "journal.h"

/* A longer line gives the memory back; its buffer is not worth keeping. */
#define MAX_KEPT_BUFFER	(64 * 1024)

/* Both for the life of the backend. */
static EVP_MD_CTX *hash = NULL;
static const EVP_MD *sha256 = NULL;
static StringInfoData buffer;

static void create_hash(void);
static void put_person(int64 id);
static void put_string(const char *string);

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
		(void) JsonbToCString(&buffer, &line->changes->root, VARSIZE(line->changes));
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
