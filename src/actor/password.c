/*-------------------------------------------------------------------------
 *
 * password.c
 *	  Who knows a password.
 *
 * Whoever asks may read none of the tables that are needed, so workorder.actor
 * and workorder.password are read directly: no privilege has to be given away,
 * and no rule, policy or trigger can listen.
 *
 * Wrong password, unknown login, no password and disabled account cost one
 * crypt() each, of the cost of the hashes that set_password() makes.
 *
 * crypt() is slow on purpose, too slow for clients that send their password
 * with every request.  For them a backend remembers which passwords it has
 * compared with which hashes: not the password and not the hash, but an HMAC
 * of both under a key that the backend has made up, for a few minutes.  All
 * else is read anew each time.  A disabled person is refused at once, and a
 * password that was changed has another hash, which nothing is remembered of.
 * Only success is remembered and only of who may sign in, so that every
 * failure takes as long as it did before.
 *
 * Copies of passwords are wiped after use, after errors, too; what pgcrypto
 * itself copies lies in memory that is given back at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "utils/lookup.h"
#include "actor/password.h"
#include "actor/secret.h"

/*
 * A Blowfish hash of nothing in particular, for who has none of his own.  Its
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

static char *find_hash(int64 tenant, int64 id);
static bool is_blowfish_hash(const char *hash);
static bool matches(const char *password, const char *hash);
static char *crypt_password(const char *password, const char *hash);
static Oid	pgcrypto_crypt(void);
static void memo_digest(const char *password, const char *hash, uint8 *digest);
static bool memo_knows(const uint8 *digest);
static void memo_add(const uint8 *digest);

/*
 * wo_password_check returns the active person whose password it is, or id 0.
 * It asks for a hash even of nobody and computes one even without, so that
 * time tells nothing.
 */
WoPerson
wo_password_check(int64 tenant, const char *login, const char *password, bool remember)
{
	WoPerson	person = wo_password_person(tenant, login);
	char	   *hash = find_hash(tenant, person.id);
	bool		possible = hash != NULL && person.active && strlen(password) <= PASSWORD_BYTES;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	bool		equal;

	if (possible && remember)
	{
		memo_digest(password, hash, digest);
		if (memo_knows(digest))
		{
			wo_secret_wipe(hash);
			return person;
		}
	}
	equal = matches(password, hash != NULL ? hash : NOBODYS_HASH);
	if (!equal || !possible)
		person.id = 0;
	else if (remember)
		memo_add(digest);
	wo_secret_wipe(hash);
	return person;
}

/*
 * wo_password_person reads who has a login, id 0 if nobody has.
 */
WoPerson
wo_password_person(int64 tenant, const char *login)
{
	WoLookupKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"login", TEXTOID, CStringGetTextDatum(login)},
	};
	WoPerson	person = {0};
	WoLookup	lookup;
	HeapTuple	tuple;

	wo_lookup_begin(&lookup, wo_lookup_table("actor", false), keys, lengthof(keys));
	tuple = wo_lookup_next(&lookup);
	if (tuple != NULL)
	{
		person.id = wo_lookup_int64(&lookup, tuple, "id");
		person.active = wo_lookup_bool(&lookup, tuple, "active");
		person.token_epoch = wo_lookup_int32(&lookup, tuple, "token_epoch");
		person.login = wo_lookup_text(&lookup, tuple, "login");
		if (person.login == NULL)
			person.id = 0;
	}
	wo_lookup_end(&lookup);
	return person;
}

/*
 * find_hash reads a person's password hash, NULL if he has none that can be
 * compared.
 */
static char *
find_hash(int64 tenant, int64 id)
{
	WoLookupKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"actor_id", INT8OID, Int64GetDatum(id)},
	};
	WoLookup	lookup;
	HeapTuple	tuple;
	char	   *hash = NULL;

	wo_lookup_begin(&lookup, wo_lookup_table("password", false), keys, lengthof(keys));
	tuple = wo_lookup_next(&lookup);
	if (tuple != NULL)
		hash = wo_lookup_text(&lookup, tuple, "hash");
	wo_lookup_end(&lookup);
	if (hash != NULL && !is_blowfish_hash(hash))
	{
		wo_secret_wipe(hash);
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
		wo_secret_equal(computed, hash, HASH_LENGTH);

	wo_secret_wipe(computed);
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
				 errmsg("function crypt() of extension pgcrypto is not there"),
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
		wo_secret_hmac(memo_key, sizeof(memo_key), both, HASH_LENGTH + length, digest);
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
			wo_secret_equal(entry->digest, digest, sizeof(entry->digest)))
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
