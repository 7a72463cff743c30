/*-------------------------------------------------------------------------
 *
 * auth.c
 *	  What proves who somebody is: passwords, the tokens and headers of a
 *	  gateway, credentials that come encrypted with every request, and addresses
 *	  that are signed.
 *
 * Whoever asks may read none of the tables that are needed, so workorder.actor,
 * password and secret are read directly: no privilege has to be given away, and
 * no rule, policy or trigger can listen.  Of secrets nothing is remembered: a key
 * that was changed or taken away counts no more from the next call on.
 *
 * PASSWORDS.  Wrong password, unknown login, no password and disabled account
 * cost one crypt() each, of the cost of the hashes that set_password() makes.
 * crypt() is slow on purpose, too slow for clients that send their password
 * with every request.  For them a backend remembers which passwords it has
 * compared with which hashes: not the password and not the hash, but an HMAC
 * of both under a key that the backend has made up, for a few minutes.  All
 * else is read anew each time.  A disabled person is refused at once, and a
 * password that was changed has another hash, which nothing is remembered of.
 * Only success is remembered and only of who may sign in, so that every
 * failure takes as long as it did before.
 *
 * TOKENS.  A failed sign-in says one thing only: the same work is done for a
 * wrong password, an unknown login, no password and a disabled account, and one
 * error is raised for all of them, and for a login that was tried too often
 * (throttle.c).  A token is a JWT signed with HMAC-SHA256 by PostgreSQL's own
 * code.  The key is the row "jwt" of workorder.secret, the same bytes as in the
 * gateway's configuration; the rows "web_role" and "token_seconds" may change
 * what else is in a token.  The claims are what actor.c reads back: the person's
 * number and the epoch of that person's tokens, which set_password() and
 * disable() end.
 *
 * CREDENTIALS.  An application that shares a key with the server sends login and
 * password with every request, the password encrypted with AES-256-GCM: see
 * credential_parse.c for the form.  The tag is verified before anything is done
 * with the plaintext; the name is not part of what it protects, so it is the
 * password that proves who it is.  Keys are rows of workorder.secret, 64
 * hexadecimal digits each: "credential.<tenant>" if that tenant has one, else
 * "credential".  The row with "_previous" after its name is tried next, so that
 * a key can be changed while applications still use the one before.  Without a
 * key, or with one that is none, nobody is let in.  Every refusal is the same
 * error.  Who does not have the key learns nothing from the time it takes, and
 * cannot make the server compute a password's hash; for who has it, all that is
 * said above about time is true.
 *
 * SIGNED ADDRESSES.  Whoever holds one may ask one thing, its subject, as the
 * person who was shown it, until it expires.  What that person may not see any
 * more is not seen with it.  It is <tenant>.<person>.<expires>.<HMAC-SHA256>,
 * the last in base64url; the key is the row "address" of workorder.secret, or
 * "address_previous", so that a key can be changed while addresses are out.
 * All failures are one answer, and take as long.
 *
 * Copies of passwords and keys are wiped after use, after errors, too; what
 * pgcrypto itself copies lies in memory that is given back at once.  Called from
 * SQL only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <time.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/base64.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "actor/actor.h"
#include "actor/credential_parse.h"
#include "actor/throttle.h"
#include "utils/ascii.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/settings.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_sign_in);
PG_FUNCTION_INFO_V1(workorder_token);
PG_FUNCTION_INFO_V1(workorder_open_credential);

/* Whoever has a login, as far as signing in goes. */
typedef struct Person
{
	int64		id;				/* 0 = nobody */
	bool		active;
	int			token_epoch;	/* what the tokens of the person say */
	char	   *login;			/* as stored; set if id is */
} Person;

/* --- secrets --------------------------------------------------------------- */

/*
 * secret_read reads a row of workorder.secret, NULL if it is not there.
 */
static char *
secret_read(const char *name)
{
	WoCatalogKey keys[] = {
		{"name", TEXTOID, CStringGetTextDatum(name)},
	};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	char	   *value = NULL;

	wo_catalog_begin(&lookup, wo_catalog_table("secret", false), keys, lengthof(keys));
	tuple = wo_catalog_next(&lookup);
	if (tuple != NULL)
		value = wo_catalog_text(&lookup, tuple, "value");
	wo_catalog_end(&lookup);
	return value;
}

/*
 * secret_wipe overwrites a secret before its memory is used again.
 */
static void
secret_wipe(char *secret)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, strlen(secret));
	pfree(secret);
}

/*
 * secret_equal compares without stopping at the first difference.
 */
static bool
secret_equal(const void *a, const void *b, size_t length)
{
	const unsigned char *left = a;
	const unsigned char *right = b;
	volatile unsigned char difference = 0;

	for (size_t i = 0; i < length; i++)
		difference |= left[i] ^ right[i];
	return difference == 0;
}

/*
 * secret_hmac computes HMAC-SHA256 of a message.
 */
static void
secret_hmac(const void *key, size_t key_length, const void *message, size_t length, uint8 *digest)
{
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);

	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (pg_hmac_init(context, key, key_length) < 0 ||
		pg_hmac_update(context, message, length) < 0 ||
		pg_hmac_final(context, digest, PG_SHA256_DIGEST_LENGTH) < 0)
	{
		const char *reason = pg_hmac_error(context);

		pg_hmac_free(context);
		elog(ERROR, "could not compute an HMAC: %s", reason);
	}
	pg_hmac_free(context);
}

/* --- passwords ------------------------------------------------------------- */

/*
 * A Blowfish hash of no password at all, for who has none of their own.  Its
 * cost is the one in workorder.password_hash().
 */
#define NOBODYS_HASH	"$2a$10$dSJHGEwKtXHJlRIL0eeIaOgoHyPBsVZPzcHUlG0XTukRpaqP9y.KG"
#define HASH_LENGTH		60

/* Blowfish reads no further: a longer password would pass whatever its end. */
#define PASSWORD_BYTES	72

#define MEMO_ENTRIES	256
#define MEMO_SECONDS	300

/* A password that was found to belong to a hash. */
typedef struct MemoEntry
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	TimestampTz since;			/* 0 = unused */
} MemoEntry;

static MemoEntry memo[MEMO_ENTRIES];
static int	memo_next = 0;		/* the oldest, to be overwritten */
static uint8 memo_key[PG_SHA256_DIGEST_LENGTH];
static bool memo_ready = false;

static Person password_person(int64 tenant, const char *login);
static char *find_hash(int64 tenant, int64 id);
static bool is_blowfish_hash(const char *hash);
static bool matches(const char *password, const char *hash);
static char *crypt_password(const char *password, const char *hash);
static Oid	pgcrypto_crypt(void);
static void memo_digest(const char *password, const char *hash, uint8 *digest);
static bool memo_knows(const uint8 *digest);
static void memo_add(const uint8 *digest);

/*
 * password_check returns the active person whose password it is, or id 0.
 * It asks for a hash even of nobody and computes one even without, so that
 * time tells nothing.
 */
static Person
password_check(int64 tenant, const char *login, const char *password, bool remember)
{
	Person		person = password_person(tenant, login);
	char	   *hash = find_hash(tenant, person.id);
	bool		possible = hash != NULL && person.active && strlen(password) <= PASSWORD_BYTES;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	bool		equal;

	if (possible && remember)
	{
		memo_digest(password, hash, digest);
		if (memo_knows(digest))
		{
			secret_wipe(hash);
			return person;
		}
	}
	equal = matches(password, hash != NULL ? hash : NOBODYS_HASH);
	if (!equal || !possible)
		person.id = 0;
	else if (remember)
		memo_add(digest);
	secret_wipe(hash);
	return person;
}

/*
 * password_person reads who has a login, id 0 if nobody has.
 */
static Person
password_person(int64 tenant, const char *login)
{
	WoCatalogKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"login", TEXTOID, CStringGetTextDatum(login)},
	};
	Person		person = {0};
	WoCatalogScan lookup;
	HeapTuple	tuple;

	wo_catalog_begin(&lookup, wo_catalog_table("actor", false), keys, lengthof(keys));
	tuple = wo_catalog_next(&lookup);
	if (tuple != NULL)
	{
		person.id = wo_catalog_int64(&lookup, tuple, "id");
		person.active = wo_catalog_bool(&lookup, tuple, "active");
		person.token_epoch = wo_catalog_int32(&lookup, tuple, "token_epoch");
		person.login = wo_catalog_text(&lookup, tuple, "login");
		if (person.login == NULL)
			person.id = 0;
	}
	wo_catalog_end(&lookup);
	return person;
}

/*
 * find_hash reads a person's password hash, NULL if there is none that can be
 * compared.
 */
static char *
find_hash(int64 tenant, int64 id)
{
	WoCatalogKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"actor_id", INT8OID, Int64GetDatum(id)},
	};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	char	   *hash = NULL;

	wo_catalog_begin(&lookup, wo_catalog_table("password", false), keys, lengthof(keys));
	tuple = wo_catalog_next(&lookup);
	if (tuple != NULL)
		hash = wo_catalog_text(&lookup, tuple, "hash");
	wo_catalog_end(&lookup);
	if (hash != NULL && !is_blowfish_hash(hash))
	{
		secret_wipe(hash);
		hash = NULL;
	}
	return hash;
}

/*
 * is_blowfish_hash accepts what crypt() makes with gen_salt('bf').  For
 * anything else crypt() might complain, or take another time.
 */
static bool
is_blowfish_hash(const char *hash)
{
	if (strlen(hash) != HASH_LENGTH || strncmp(hash, "$2a$", 4) != 0 || hash[6] != '$' ||
		strspn(hash + 4, "0123456789") != 2)
		return false;
	return strspn(hash + 7, "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz") == HASH_LENGTH - 7;
}

/*
 * matches tells whether a hash is that of a password.
 */
static bool
matches(const char *password, const char *hash)
{
	char	   *computed = crypt_password(password, hash);
	bool		equal = strlen(computed) == HASH_LENGTH &&
		secret_equal(computed, hash, HASH_LENGTH);

	secret_wipe(computed);
	return equal;
}

/*
 * crypt_password returns pgcrypto's crypt(password, hash).  The function is
 * called without a privilege check: who signs in need not be granted it.
 */
static char *
crypt_password(const char *password, const char *hash)
{
	Oid			function = pgcrypto_crypt();
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "workorder password", ALLOCSET_SMALL_SIZES);
	text	   *word = cstring_to_text(password);
	text	   *salt = cstring_to_text(hash);
	char	   *volatile computed = NULL;

	PG_TRY();
	{
		text	   *result;

		MemoryContextSwitchTo(context);
		result = DatumGetTextPP(OidFunctionCall2(function, PointerGetDatum(word), PointerGetDatum(salt)));
		MemoryContextSwitchTo(caller);
		computed = text_to_cstring(result);
		explicit_bzero(VARDATA_ANY(result), VARSIZE_ANY_EXHDR(result));
	}
	PG_FINALLY();
	{
		MemoryContextSwitchTo(caller);
		explicit_bzero(VARDATA(word), VARSIZE(word) - VARHDRSZ);
		explicit_bzero(VARDATA(salt), VARSIZE(salt) - VARHDRSZ);
		MemoryContextDelete(context);
	}
	PG_END_TRY();
	return computed;
}

/*
 * pgcrypto_crypt finds crypt(text, text) of the extension pgcrypto, wherever
 * it was installed; a function that only looks like it does not count.
 */
static Oid
pgcrypto_crypt(void)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Oid			extension = InvalidOid;
	Oid			schema = InvalidOid;
	Oid			function = InvalidOid;
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("pgcrypto"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		extension = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	if (OidIsValid(extension))
		function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
								   CStringGetDatum("crypt"),
								   PointerGetDatum(buildoidvector(types, lengthof(types))),
								   ObjectIdGetDatum(schema));
	if (!OidIsValid(function) ||
		getExtensionOfObject(ProcedureRelationId, function) != extension)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function crypt() of extension pgcrypto does not exist"),
				 errdetail("Passwords are compared with it."),
				 errhint("Run CREATE EXTENSION pgcrypto.")));
	return function;
}

/*
 * memo_digest computes what is remembered of a password and its hash.
 */
static void
memo_digest(const char *password, const char *hash, uint8 *digest)
{
	char		both[HASH_LENGTH + PASSWORD_BYTES];
	size_t		length = strlen(password);

	if (!memo_ready && !pg_strong_random(memo_key, sizeof(memo_key)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random key")));
	memo_ready = true;
	memcpy(both, hash, HASH_LENGTH);
	memcpy(both + HASH_LENGTH, password, length);
	PG_TRY();
	{
		secret_hmac(memo_key, sizeof(memo_key), both, HASH_LENGTH + length, digest);
	}
	PG_FINALLY();
	{
		explicit_bzero(both, sizeof(both));
	}
	PG_END_TRY();
}

/*
 * memo_knows tells whether a password was compared with its hash lately.
 */
static bool
memo_knows(const uint8 *digest)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < MEMO_ENTRIES; i++)
	{
		MemoEntry  *entry = &memo[i];

		if (entry->since != 0 && entry->since <= now &&
			now - entry->since < MEMO_SECONDS * USECS_PER_SEC &&
			secret_equal(entry->digest, digest, sizeof(entry->digest)))
			return true;
	}
	return false;
}

/*
 * memo_add remembers a password instead of the one known for longest.
 */
static void
memo_add(const uint8 *digest)
{
	MemoEntry  *entry = &memo[memo_next];

	memcpy(entry->digest, digest, sizeof(entry->digest));
	entry->since = GetCurrentTimestamp();
	memo_next = (memo_next + 1) % MEMO_ENTRIES;
}

/* --- tokens ---------------------------------------------------------------- */

#define WEB_ROLE		"workorder_user"
#define TOKEN_SECONDS	(8 * 60 * 60)
#define LEAST_KEY_BYTES 32
#define TOKEN_ID_BYTES	16

static char *signing_key(void);
static text *make_token(int64 tenant, const Person *person, const int64 *seconds);
static int64 token_seconds(void);
static void append_base64url(StringInfo to, const void *bytes, int length);

/*
 * workorder_sign_in returns a token for who knows their password.
 */
Datum
workorder_sign_in(PG_FUNCTION_ARGS)
{
	int64		tenant = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	char	   *login = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *password = PG_ARGISNULL(2) ? pstrdup("") : text_to_cstring(PG_GETARG_TEXT_PP(2));
	Person		person = {0};

	PG_TRY();
	{
		/* who has to wait is told what a wrong password is told */
		if (wo_throttle_begin(tenant, login))
			person = password_check(tenant, login, password, false);
	}
	PG_FINALLY();
	{
		secret_wipe(password);
	}
	PG_END_TRY();
	if (person.id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("login failed"),
				 errdetail("Tenant, login and password do not belong together, or the account may not sign in."),
				 errhint("Check all three, or ask an administrator.")));
	wo_throttle_succeeded(tenant, login);
	PG_RETURN_TEXT_P(make_token(tenant, &person, NULL));
}

/*
 * workorder_token returns a token for anybody, without a password.  Nobody but
 * the owner of the function is meant to be allowed to call it.
 */
Datum
workorder_token(PG_FUNCTION_ARGS)
{
	int64		tenant = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	char	   *login = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));
	int64		seconds = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);
	Person		person = password_person(tenant, login);

	if (login[0] == '$')
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("login \"%s\" is reserved", login),
				 errdetail("Who begins with a \"$\" stands for the engine, such as its clock, and is nobody's."),
				 errhint("Give the login of a person.")));
	if (person.id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("the person does not exist"),
				 errdetail("Nobody in this tenant has this login."),
				 errhint("Add people with workorder.enrol().")));
	if (!person.active)
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("the actor is disabled"),
				 errdetail("A token would not let a disabled person act."),
				 errhint("Call workorder.enrol() for this login to enable it again.")));
	PG_RETURN_TEXT_P(make_token(tenant, &person, PG_ARGISNULL(2) ? NULL : &seconds));
}

/*
 * signing_key returns the key of tokens, which must be there and long enough.
 */
static char *
signing_key(void)
{
	char	   *key = secret_read("jwt");

	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("the key to sign tokens with is missing"),
				 errdetail("The table \"%s.secret\" has no row named \"jwt\".", WO_SCHEMA),
				 errhint("The administrator puts the gateway's JWT secret there.")));
	if (strlen(key) < LEAST_KEY_BYTES)
	{
		secret_wipe(key);
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("the key to sign tokens with is too short"),
				 errdetail("It must have at least %d bytes.", LEAST_KEY_BYTES),
				 errhint("The administrator puts a longer one in row \"jwt\" of \"%s.secret\" and in the gateway.",
						 WO_SCHEMA)));
	}
	return key;
}

/*
 * make_token signs a token for a person; without seconds it lives as long as
 * the administrator has set.
 */
static text *
make_token(int64 tenant, const Person *person, const int64 *seconds)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	char	   *web_role = secret_read("web_role");
	int64		now = (int64) time(NULL);
	int64		lifetime = seconds != NULL ? *seconds : token_seconds();
	uint8		id[TOKEN_ID_BYTES];
	uint8		signature[PG_SHA256_DIGEST_LENGTH];
	StringInfoData claims;
	StringInfoData token;
	char	   *key;

	if (!pg_strong_random(id, sizeof(id)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random token id")));

	initStringInfo(&claims);
	appendStringInfoString(&claims, "{\"role\":");
	escape_json(&claims, web_role != NULL ? web_role : WEB_ROLE);
	appendStringInfoString(&claims, ",\"sub\":");
	escape_json(&claims, person->login);
	appendStringInfo(&claims, ",\"tenant_id\":" INT64_FORMAT ",\"actor_id\":" INT64_FORMAT ",\"epoch\":%d"
					 ",\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT ",\"jti\":\"",
					 tenant, person->id, person->token_epoch, now, now + lifetime);
	append_base64url(&claims, id, sizeof(id));
	appendStringInfoString(&claims, "\"}");

	initStringInfo(&token);
	append_base64url(&token, header, strlen(header));
	appendStringInfoChar(&token, '.');
	append_base64url(&token, claims.data, claims.len);
	key = signing_key();
	secret_hmac(key, strlen(key), token.data, token.len, signature);
	secret_wipe(key);
	appendStringInfoChar(&token, '.');
	append_base64url(&token, signature, sizeof(signature));
	return cstring_to_text_with_len(token.data, token.len);
}

/*
 * token_seconds returns how long a token is good for.
 */
static int64
token_seconds(void)
{
	char	   *setting = secret_read("token_seconds");
	char	   *end;
	long		seconds;

	if (setting == NULL)
		return TOKEN_SECONDS;
	errno = 0;
	seconds = strtol(setting, &end, 10);
	if (errno != 0 || end == setting || *end != '\0' || seconds <= 0 || seconds > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("the lifetime of tokens is not a number of seconds"),
				 errdetail("Row \"token_seconds\" of \"%s.secret\" must be a positive whole number.", WO_SCHEMA),
				 errhint("The administrator corrects the row, or deletes it: a token is then good for eight hours.")));
	return seconds;
}

/*
 * append_base64url appends bytes in the alphabet of JWT, without padding.
 */
static void
append_base64url(StringInfo to, const void *bytes, int length)
{
	int			most = pg_b64_enc_len(length);
	int			written;

	enlargeStringInfo(to, most);
	written = pg_b64_encode(bytes, length, to->data + to->len, most);
	if (written < 0)
		elog(ERROR, "could not encode a token");
	for (int i = 0; i < written; i++)
	{
		char		c = to->data[to->len];

		if (c == '=')
			break;
		to->data[to->len++] = c == '+' ? '-' : c == '/' ? '_' : c;
	}
	to->data[to->len] = '\0';
}

/* --- credentials ----------------------------------------------------------- */

#define KEY_NAME		"credential"
#define KEY_BYTES		32
#define KEYS			2		/* the current one and the one before */

typedef struct KeyRing
{
	int			n;
	unsigned char key[KEYS][KEY_BYTES];
} KeyRing;

static void read_ring(int64 tenant, KeyRing *ring);
static bool add_key(KeyRing *ring, const char *name);
pg_noreturn static void refuse_service(const char *detail);
static bool decrypt(const KeyRing *ring, const WoCredential *credential, unsigned char *password);
static bool decrypt_with(const unsigned char *key, const WoCredential *credential, unsigned char *password);
static int64 who(int64 tenant, const WoCredential *credential, const unsigned char *password);

/*
 * workorder_open_credential returns who has sent a credential.
 */
Datum
workorder_open_credential(PG_FUNCTION_ARGS)
{
	int64		tenant = wo_actor_current()->tenant;
	volatile int64 actor = 0;
	WoCredential credential;
	KeyRing		ring = {0};
	unsigned char password[WO_CREDENTIAL_PASSWORD + 1];

	PG_TRY();
	{
		read_ring(tenant, &ring);
		if (!PG_ARGISNULL(0))
		{
			text	   *digits = PG_GETARG_TEXT_PP(0);

			if (wo_credential_parse(VARDATA_ANY(digits), VARSIZE_ANY_EXHDR(digits), &credential) &&
				decrypt(&ring, &credential, password))
				actor = who(tenant, &credential, password);
		}
	}
	PG_FINALLY();
	{
		explicit_bzero(password, sizeof(password));
		explicit_bzero(&ring, sizeof(ring));
	}
	PG_END_TRY();

	if (actor == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_UNAUTHENTICATED),
				 errmsg("invalid credential"),
				 errdetail("It is not one, was not made with the key of this server, or name and password do not belong together."),
				 errhint("Check name, password and key, or ask an administrator.")));
	PG_RETURN_INT64(actor);
}

/*
 * read_ring reads the keys of a tenant, the current one first.
 */
static void
read_ring(int64 tenant, KeyRing *ring)
{
	const char *name = psprintf(KEY_NAME "." INT64_FORMAT, tenant);

	if (!add_key(ring, name))
	{
		name = KEY_NAME;
		if (!add_key(ring, name))
			refuse_service("There is no key to open credentials with.");
	}
	(void) add_key(ring, psprintf("%s_previous", name));
}

/*
 * add_key adds a row of workorder.secret to the ring; false if there is none.
 */
static bool
add_key(KeyRing *ring, const char *name)
{
	char	   *digits = secret_read(name);
	unsigned char *key = ring->key[ring->n];
	bool		sound;

	if (digits == NULL)
		return false;
	sound = strlen(digits) == 2 * KEY_BYTES;
	for (int i = 0; i < KEY_BYTES && sound; i++)
	{
		int			byte = wo_ascii_hex(digits + 2 * i);

		sound = byte >= 0;
		key[i] = (unsigned char) byte;
	}
	secret_wipe(digits);
	if (!sound)
		refuse_service("A key to open credentials with is not 64 hexadecimal digits.");
	ring->n++;
	return true;
}

/*
 * refuse_service refuses everybody.
 */
static void
refuse_service(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_WO_UNAVAILABLE),
			 errmsg("credential service unavailable"),
			 errdetail_internal("%s", detail),
			 errhint("The administrator calls workorder.rotate_credential_key().")));
}

/*
 * decrypt opens a credential with the first key that its tag belongs to, and
 * ends the password with a zero.
 */
static bool
decrypt(const KeyRing *ring, const WoCredential *credential, unsigned char *password)
{
	for (int i = 0; i < ring->n; i++)
		if (decrypt_with(ring->key[i], credential, password))
		{
			password[credential->password_len] = '\0';
			return true;
		}
	return false;
}

/*
 * decrypt_with opens a credential with a key.  Only EVP_DecryptFinal_ex()
 * compares the tag, in constant time; what was decrypted until then is wiped
 * if it does not belong there.
 */
static bool
decrypt_with(const unsigned char *key, const WoCredential *credential, unsigned char *password)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int			length = 0;
	int			rest = 0;
	bool		genuine;

	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	genuine = EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, NULL, NULL) == 1 &&
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_IVLEN, credential->nonce_len, NULL) == 1 &&
		EVP_DecryptInit_ex(context, NULL, NULL, key, credential->nonce) == 1 &&
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, WO_CREDENTIAL_TAG,
							(void *) credential->tag) == 1 &&
		EVP_DecryptUpdate(context, password, &length, credential->password,
						  credential->password_len) == 1 &&
		EVP_DecryptFinal_ex(context, password + length, &rest) == 1;
	EVP_CIPHER_CTX_free(context);
	/* whoever uses OpenSSL next in this backend must not find errors of ours */
	ERR_clear_error();
	if (!genuine)
		explicit_bzero(password, WO_CREDENTIAL_PASSWORD);
	return genuine;
}

/*
 * who returns the active person with this name and password, 0 for nobody.  A
 * password with a zero in it is nobody's, and compared like any other.
 */
static int64
who(int64 tenant, const WoCredential *credential, const unsigned char *password)
{
	bool		whole = strlen((const char *) password) == credential->password_len;
	Person		person = password_check(tenant, credential->username, (const char *) password, whole);

	return whole ? person.id : 0;
}

/*
 * What a gateway says, a password with each request, and signed addresses.
 */

#define HEADERS			"request.headers"
#define ADDRESS_KEY		"address"
#define PREVIOUS_ADDRESS_KEY	"address_previous"
#define MAC_DIGITS		43		/* of 32 bytes, without padding */
#define LONGEST			128		/* bytes of a signature */
#define STEPS			24		/* addresses of one lifetime that differ */

/* What a signature says besides its HMAC. */
typedef struct Claim
{
	int64		tenant;
	int64		actor;
	int64		expires;		/* seconds since 1970 */
} Claim;

static int64 now_seconds(void);
static char *write_claim(const Claim *claim);
static bool read_claim(const char *text, Claim *claim, const char **mac);
static bool compute_mac(const char *key_name, const Claim *claim, const text *subject, char *mac);

PG_FUNCTION_INFO_V1(workorder_gateway_header);
PG_FUNCTION_INFO_V1(workorder_check_password);
PG_FUNCTION_INFO_V1(workorder_sign_address);
PG_FUNCTION_INFO_V1(workorder_open_address);

/*
 * workorder_gateway_header returns a header of the request that is served.
 * Anybody can set request.headers, so it means nothing outside a gateway's
 * session.
 */
Datum
workorder_gateway_header(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const char *headers = GetConfigOption(HEADERS, true, false);
	JsonbValue	value;

	if (!wo_actor_is_gateway() || headers == NULL || headers[0] == '\0')
		PG_RETURN_NULL();
	/* what is no JSON comes back as a string */
	wo_value_parse_json(unconstify(char *, headers), &value);
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data) ||
		getKeyJsonValueFromContainer(value.val.binary.data, name, strlen(name), &value) == NULL ||
		value.type != jbvString || value.val.string.len == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(value.val.string.val, value.val.string.len));
}

/*
 * workorder_check_password returns who has this login and password, null for
 * nobody.  It is asked with every request, by many at a time: so an attempt
 * counts once it has failed, and not before, against the login and against the
 * address that it came from.  Whoever has to wait costs no hash.
 */
Datum
workorder_check_password(PG_FUNCTION_ARGS)
{
	int64		tenant = wo_actor_current()->tenant;
	char	   *login = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *password = text_to_cstring(PG_GETARG_TEXT_PP(1));
	/* a login that begins with "$" is nobody's */
	char	   *address = psprintf("$%s", text_to_cstring(PG_GETARG_TEXT_PP(2)));
	volatile int64 id = 0;

	PG_TRY();
	{
		if (!wo_throttle_waits(tenant, address) && !wo_throttle_waits(tenant, login))
		{
			id = password_check(tenant, login, password, true).id;
			if (id == 0)
			{
				(void) wo_throttle_begin(tenant, address);
				(void) wo_throttle_begin(tenant, login);
			}
		}
	}
	PG_FINALLY();
	{
		secret_wipe(password);
	}
	PG_END_TRY();
	if (id == 0)
		PG_RETURN_NULL();
	wo_throttle_succeeded(tenant, address);
	wo_throttle_succeeded(tenant, login);
	PG_RETURN_INT64(id);
}

/*
 * workorder_sign_address returns the signature of a subject by who acts, null
 * for anonymous and without a key.  It is the same for a while, so that what
 * it leads to can be kept by who has seen it.
 */
Datum
workorder_sign_address(PG_FUNCTION_ARGS)
{
	text	   *subject = PG_GETARG_TEXT_PP(0);
	int64		seconds = PG_GETARG_INT32(1);
	const WoActor *actor = wo_actor_current();
	Claim		claim = {.tenant = actor->tenant, .actor = actor->id};
	int64		step = Max(seconds / STEPS, 1);
	char		mac[MAC_DIGITS + 1];

	if (seconds <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("lifetime of an address is out of range"),
				 errdetail("It is a positive number of seconds."),
				 errhint("Correct the number.")));
	claim.expires = ((now_seconds() + seconds) / step + 1) * step;
	if (claim.actor == 0 || !compute_mac(ADDRESS_KEY, &claim, subject, mac))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s.%s", write_claim(&claim), mac)));
}

/*
 * workorder_open_address makes the person act who was shown an address, and
 * returns who that is; null if the signature is not that of the subject, or
 * has expired.
 */
Datum
workorder_open_address(PG_FUNCTION_ARGS)
{
	static const char *const keys[] = {ADDRESS_KEY, PREVIOUS_ADDRESS_KEY};
	text	   *subject = PG_GETARG_TEXT_PP(0);
	char	   *signature = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Claim		claim;
	const char *given;
	bool		genuine = false;

	if (!read_claim(signature, &claim, &given))
		PG_RETURN_NULL();
	for (int i = 0; i < lengthof(keys); i++)
	{
		char		mac[MAC_DIGITS + 1];

		if (compute_mac(keys[i], &claim, subject, mac))
			genuine |= secret_equal(mac, given, MAC_DIGITS);
	}
	if (!genuine || claim.expires <= now_seconds())
		PG_RETURN_NULL();
	wo_actor_assume(claim.tenant, claim.actor);
	if (wo_actor_current()->id == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(claim.actor);
}

static int64
now_seconds(void)
{
	return (int64) timestamptz_to_time_t(wo_settings_now());
}

static char *
write_claim(const Claim *claim)
{
	return psprintf(INT64_FORMAT "." INT64_FORMAT "." INT64_FORMAT, claim->tenant, claim->actor, claim->expires);
}

/*
 * read_claim reads a signature, in the one form that write_claim() has; what
 * is written otherwise is none.
 */
static bool
read_claim(const char *text, Claim *claim, const char **mac)
{
	long long	tenant;
	long long	actor;
	long long	expires;
	int			end = 0;
	size_t		length;

	if (strlen(text) > LONGEST ||
		sscanf(text, "%18lld.%18lld.%18lld.%n", &tenant, &actor, &expires, &end) != 3 || end == 0 ||
		tenant <= 0 || actor <= 0 || expires <= 0)
		return false;
	claim->tenant = tenant;
	claim->actor = actor;
	claim->expires = expires;
	*mac = text + end;
	length = strlen(write_claim(claim));
	return length == (size_t) end - 1 && strncmp(write_claim(claim), text, length) == 0 &&
		strlen(*mac) == MAC_DIGITS;
}

/*
 * compute_mac computes what proves that a claim was made here for a subject;
 * false if there is no such key.
 */
static bool
compute_mac(const char *key_name, const Claim *claim, const text *subject, char *mac)
{
	char	   *key = secret_read(key_name);
	char	   *message;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char		digits[PG_SHA256_DIGEST_LENGTH * 2];
	int			length;

	if (key == NULL || key[0] == '\0')
		return false;
	/* the numbers end where a letter begins, whatever the subject is */
	message = psprintf("address %s %s", write_claim(claim), text_to_cstring(subject));
	secret_hmac(key, strlen(key), message, strlen(message), digest);
	secret_wipe(key);
	length = pg_b64_encode((const void *) digest, sizeof(digest), digits, sizeof(digits));
	if (length < MAC_DIGITS)
		elog(ERROR, "could not encode a signature");
	for (int i = 0; i < MAC_DIGITS; i++)
		mac[i] = digits[i] == '+' ? '-' : digits[i] == '/' ? '_' : digits[i];
	mac[MAC_DIGITS] = '\0';
	return true;
}
