/*-------------------------------------------------------------------------
 *
 * idempotency.c
 *	  What was answered to a request that comes again.
 *
 * A client that got no answer does not know whether its request was done.  If
 * the request has a key, it may just be sent again: the first time it is done
 * and its result kept in workorder.idempotency, in the same transaction, so
 * that there is never the one without the other; from then on, the result is
 * what it gets.  A key belongs to a person and a scope, such as an API: nobody
 * gets what was answered to somebody else.  Of the request only a digest is
 * kept, which tells whether it is the same one.
 *
 * Requests with one key wait for each other on an advisory lock of a class of
 * its own (users' locks have 1 and 2 there), to the end of the transaction or
 * of the subtransaction that failed.  It is by a hash: two keys that share one
 * merely wait.  The row is looked for when the lock is held, among the latest
 * committed, whatever the isolation level.
 *
 * Over HTTP, a request that may change something is answered once: sent again
 * with the same key, it gets the same status, headers and body.  It is the
 * same request if method, path, query, media type and body are the same to the
 * byte.  What was refused (400 and above) changed nothing and is not kept, so
 * that it can be sent again when the reason is gone.
 *
 * The table is for its owner only; callers need no privilege on it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "http/idempotency.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/settings.h"

#define LOCK_CLASS	3

typedef struct KeptResult
{
	int			status;
	const char *content_type;
	const char *headers;		/* in a form of the caller's */
	bytea	   *body;			/* NULL = empty */
} KeptResult;

typedef enum IdempotencyState
{
	IDEMPOTENCY_NEW,				/* it is the first: do it, then keep the result */
	IDEMPOTENCY_DONE,				/* it was done, with this result */
	IDEMPOTENCY_OTHER				/* the key is another request's */
} IdempotencyState;

/* What SQL remembers is not what an API was answered. */
#define SQL_SCOPE	"sql:%s"

static WoStatement insert = {
	.table = "idempotency",
	.text = "INSERT INTO workorder.idempotency (tenant_id, actor_id, scope, key, request, status, content_type, headers, body)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	.nargs = 9,
	.types = {INT8OID, INT8OID, TEXTOID, TEXTOID, BYTEAOID, INT4OID, TEXTOID, TEXTOID, BYTEAOID}
};

PG_FUNCTION_INFO_V1(workorder_recall);
PG_FUNCTION_INFO_V1(workorder_remember);

static bool is_key(const char *key);
static void digest_request(WoIdempotencyKey *once, const void *const *parts, const size_t *lengths, int n);
static IdempotencyState begin(const WoIdempotencyKey *once, KeptResult *result);
static void keep(const WoIdempotencyKey *once, const KeptResult *result);
static const WoActor *somebody(void);
static void lock_key(const WoActor *actor, const WoIdempotencyKey *once);
static IdempotencyState begin_in_sql(FunctionCallInfo fcinfo, WoIdempotencyKey *once, KeptResult *result);

/*
 * workorder_recall(scope, key, request) returns what was remembered of a
 * request, null the first time.
 */
Datum
workorder_recall(PG_FUNCTION_ARGS)
{
	WoIdempotencyKey once;
	KeptResult	result;

	if (begin_in_sql(fcinfo, &once, &result) == IDEMPOTENCY_NEW)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in,
										CStringGetDatum(text_to_cstring((text *) result.body))));
}

/*
 * workorder_remember(scope, key, request, result) keeps the result of a request.
 */
Datum
workorder_remember(PG_FUNCTION_ARGS)
{
	WoIdempotencyKey once;
	KeptResult	result;
	Jsonb	   *json;

	if (begin_in_sql(fcinfo, &once, &result) == IDEMPOTENCY_DONE)
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("the request has a result already"),
				 errdetail("What was answered once is the answer."),
				 errhint("Ask workorder.recall() before doing it, and return what it returns.")));
	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("result is missing"),
				 errdetail("Null is what recall() returns of a request that is new."),
				 errhint("Give the result of the request.")));
	json = PG_GETARG_JSONB_P(3);
	result.status = 200;
	result.content_type = "";
	result.headers = "";
	result.body = (bytea *) cstring_to_text(JsonbToCString(NULL, &json->root, VARSIZE(json)));
	keep(&once, &result);
	PG_RETURN_VOID();
}

/*
 * begin_in_sql begins with the request in a function's arguments: scope, key
 * and the request as jsonb.
 */
static IdempotencyState
begin_in_sql(FunctionCallInfo fcinfo, WoIdempotencyKey *once, KeptResult *result)
{
	const char *key = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Jsonb	   *json = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	char	   *request = json == NULL ? "" : JsonbToCString(NULL, &json->root, VARSIZE(json));
	const void *parts[] = {request};
	size_t		lengths[] = {strlen(request)};
	IdempotencyState state;

	if (!is_key(key))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("invalid idempotency key"),
				 errdetail("A key is 1 to %d printable ASCII characters.", WO_IDEMPOTENCY_KEY_BYTES),
				 errhint("Make up a UUID for each request, and send it again with the request.")));
	once->scope = psprintf(SQL_SCOPE, PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0)));
	once->key = key;
	digest_request(once, parts, lengths, lengthof(parts));
	state = begin(once, result);
	if (state == IDEMPOTENCY_OTHER)
		ereport(ERROR,
				(errcode(ERRCODE_WO_UNPROCESSABLE),
				 errmsg("idempotency key was used for another request"),
				 errdetail("A key belongs to the request that it was first sent with."),
				 errhint("Make up a new key for a new request.")));
	return state;
}

/*
 * is_key tells whether text may be a key.
 */
static bool
is_key(const char *key)
{
	size_t		length = strlen(key);

	for (const char *p = key; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7E)
			return false;
	return length >= 1 && length <= WO_IDEMPOTENCY_KEY_BYTES;
}

/*
 * digest_request computes the digest of a request from its parts.  Each is
 * preceded by its length, so that nothing can move from one to another.
 */
static void
digest_request(WoIdempotencyKey *once, const void *const *parts, const size_t *lengths, int n)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	bool		failed;

	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	failed = pg_cryptohash_init(context) < 0;
	for (int i = 0; i < n && !failed; i++)
	{
		uint64		length = lengths[i];

		failed = pg_cryptohash_update(context, (const uint8 *) &length, sizeof(length)) < 0 ||
			pg_cryptohash_update(context, parts[i], lengths[i]) < 0;
	}
	failed = failed || pg_cryptohash_final(context, once->digest, sizeof(once->digest)) < 0;
	pg_cryptohash_free(context);
	if (failed)
		elog(ERROR, "could not compute the digest of a request");
}

/*
 * begin tells what is known of a request; nobody else begins the same
 * one until the transaction ends.
 */
static IdempotencyState
begin(const WoIdempotencyKey *once, KeptResult *result)
{
	const WoActor *actor = somebody();
	WoCatalogKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(actor->tenant)},
		{"actor_id", INT8OID, Int64GetDatum(actor->id)},
		{"scope", TEXTOID, CStringGetTextDatum(once->scope)},
		{"key", TEXTOID, CStringGetTextDatum(once->key)},
	};
	IdempotencyState state = IDEMPOTENCY_NEW;
	WoCatalogScan lookup;
	HeapTuple	tuple;

	lock_key(actor, once);
	memset(result, 0, sizeof(*result));
	wo_catalog_begin(&lookup, wo_catalog_table("idempotency", false), keys, lengthof(keys));
	tuple = wo_catalog_next(&lookup);
	if (tuple != NULL)
	{
		bytea	   *digest = wo_catalog_bytea(&lookup, tuple, "request");

		if (digest != NULL && VARSIZE_ANY_EXHDR(digest) == sizeof(once->digest) &&
			memcmp(VARDATA_ANY(digest), once->digest, sizeof(once->digest)) == 0)
		{
			state = IDEMPOTENCY_DONE;
			result->status = wo_catalog_int32(&lookup, tuple, "status");
			result->content_type = wo_catalog_text(&lookup, tuple, "content_type");
			result->headers = wo_catalog_text(&lookup, tuple, "headers");
			result->body = wo_catalog_bytea(&lookup, tuple, "body");
		}
		else
			state = IDEMPOTENCY_OTHER;
	}
	wo_catalog_end(&lookup);
	return state;
}

/*
 * keep keeps the result of a request that was begun.
 */
static void
keep(const WoIdempotencyKey *once, const KeptResult *result)
{
	const WoActor *actor = somebody();
	bytea	   *digest = palloc(VARHDRSZ + sizeof(once->digest));
	bytea	   *empty = palloc(VARHDRSZ);
	Datum		values[] = {
		Int64GetDatum(actor->tenant),
		Int64GetDatum(actor->id),
		CStringGetTextDatum(once->scope),
		CStringGetTextDatum(once->key),
		PointerGetDatum(digest),
		Int32GetDatum(result->status),
		CStringGetTextDatum(result->content_type),
		CStringGetTextDatum(result->headers),
		PointerGetDatum(result->body != NULL ? result->body : empty),
	};

	SET_VARSIZE(digest, VARHDRSZ + sizeof(once->digest));
	memcpy(VARDATA(digest), once->digest, sizeof(once->digest));
	SET_VARSIZE(empty, VARHDRSZ);
	wo_owner_spi_run(&insert, values, NULL);
	wo_settings_ensure_durable();
}

/*
 * somebody returns who acts.  What was answered to nobody would be answered to
 * everybody.
 */
static const WoActor *
somebody(void)
{
	const WoActor *actor = wo_actor_current();

	if (actor->id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_UNAUTHENTICATED),
				 errmsg("authentication required"),
				 errdetail("An idempotency key belongs to a person, and nobody acts."),
				 errhint("Sign in, or send no key.")));
	return actor;
}

/*
 * lock_key makes requests with one key wait for each other.
 */
static void
lock_key(const WoActor *actor, const WoIdempotencyKey *once)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) once->key, strlen(once->key), actor->id);
	LOCKTAG		tag;

	hash = hash_bytes_extended((const unsigned char *) once->scope, strlen(once->scope),
							   hash_combine64(hash, actor->tenant));
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* --- requests -------------------------------------------------------------- */

/*
 * wo_idempotency_begin looks whether a request was answered before, and answers
 * it again.  If it leaves the answer empty, the request is to be done.
 */
WoHttpReason
wo_idempotency_begin(const WoHttpRequest *request, WoIdempotencyKey *once, WoHttpAnswer *answer)
{
	const WoRoute *route = request->match.route;
	const char *method = wo_route_method_name[route->method];
	const void *parts[] = {method, request->uri, request->content_type, request->body};
	size_t		lengths[] = {strlen(method), strlen(request->uri), strlen(request->content_type),
		request->body_len};
	KeptResult	result;

	if (request->key == NULL || route->method == WO_METHOD_GET)
		return WO_REASON_NONE;
	/* what was answered to nobody would be answered to everybody */
	if (wo_actor_current()->id == 0)
		return WO_REASON_UNAUTHENTICATED;
	if (!is_key(request->key))
		return WO_REASON_KEY;

	once->scope = psprintf("http:%s", request->match.api->name);
	once->key = request->key;
	digest_request(once, parts, lengths, lengthof(parts));
	switch (begin(once, &result))
	{
		case IDEMPOTENCY_NEW:
			break;
		case IDEMPOTENCY_OTHER:
			return WO_REASON_KEY_REUSED;
		case IDEMPOTENCY_DONE:
			answer->status = result.status;
			answer->content_type = result.content_type;
			if (result.headers[0] != '\0')
			{
				answer->headers = makeStringInfo();
				appendStringInfoString(answer->headers, result.headers);
			}
			answer->body = result.body;
			break;
	}
	return WO_REASON_NONE;
}

/*
 * wo_idempotency_keep keeps the answer to a request that was begun.
 */
void
wo_idempotency_keep(const WoIdempotencyKey *once, const WoHttpAnswer *answer)
{
	KeptResult	result = {answer->status, answer->content_type,
		answer->headers != NULL ? answer->headers->data : "", answer->body};

	if (once->key != NULL && answer->status < 400)
		keep(once, &result);
}
