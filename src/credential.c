/*-------------------------------------------------------------------------
 *
 * credential.c
 *	  Signing in, and the tokens a gateway believes.
 *
 * sign_in() is called by a role that may read none of the tables it needs, so
 * it reads workorder.actor, workorder.password and workorder.secret directly:
 * no privilege has to be given away, and no rule, policy or trigger can listen.
 *
 * A failed sign-in says one thing only.  Wrong password, unknown login, no
 * password and disabled account cost one crypt() each and raise one error; the
 * cost is that of the hashes set_password() makes.
 *
 * A token is a JWT signed with HMAC-SHA256 by PostgreSQL's own code.  The key
 * is the row "jwt" of workorder.secret, the same bytes as in the gateway's
 * configuration; the rows "web_role" and "token_seconds" may change what else
 * is in a token.  The claims are what actor.c reads back.  Copies of keys and
 * hashes are wiped after use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/syscache.h"

#include "credential.h"
#include "lookup.h"

#define WEB_ROLE		"workorder_user"
#define TOKEN_SECONDS	(8 * 60 * 60)
#define LEAST_KEY_BYTES	32
#define TOKEN_ID_BYTES	16

/*
 * A Blowfish hash of nothing in particular, for who has none of his own.  Its
 * cost is the one in workorder.password_hash().
 */
#define NOBODYS_HASH	"$2a$10$dSJHGEwKtXHJlRIL0eeIaOgoHyPBsVZPzcHUlG0XTukRpaqP9y.KG"
#define HASH_LENGTH		60

/* Blowfish reads no further: a longer password would pass whatever its end. */
#define PASSWORD_BYTES	72

/* What is needed of a person to sign a token for him. */
typedef struct Person
{
	int64		id;				/* 0 = nobody */
	bool		active;
	char	   *login;			/* as stored; set if id is */
} Person;

static Person check_password(int64 tenant, const char *login, const char *password);
static Oid	our_table(const char *name);
static Person find_person(int64 tenant, const char *login);
static char *find_hash(int64 tenant, int64 id);
static bool is_blowfish_hash(const char *hash);
static char *crypt_password(const char *password, const char *hash);
static Oid	pgcrypto_crypt(void);
static bool equal_in_constant_time(const char *a, const char *b, size_t length);
static char *find_secret(const char *name);
static char *signing_key(void);
static text *make_token(int64 tenant, const char *login, const int64 *seconds);
static int64 token_seconds(void);
static void append_base64url(StringInfo to, const void *bytes, int length);
static void sign(const char *key, const char *message, int length, uint8 *signature);
static void wipe(char *secret);

PG_FUNCTION_INFO_V1(workorder_sign_in);
PG_FUNCTION_INFO_V1(workorder_token);

/*
 * workorder_sign_in returns a token for who knows his password.
 */
Datum
workorder_sign_in(PG_FUNCTION_ARGS)
{
	int64		tenant = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	char	   *login = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *password = PG_ARGISNULL(2) ? pstrdup("") : text_to_cstring(PG_GETARG_TEXT_PP(2));
	Person		person = check_password(tenant, login, password);

	wipe(password);
	if (person.id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("login failed"),
				 errdetail("Tenant, login and password do not belong together, or the account may not sign in."),
				 errhint("Check all three, or ask an administrator.")));
	PG_RETURN_TEXT_P(make_token(tenant, person.login, NULL));
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
	Person		person = find_person(tenant, login);

	if (person.id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("no such actor"),
				 errdetail("Nobody in this tenant has this login."),
				 errhint("Add people with workorder.enrol().")));
	if (!person.active)
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("the actor is disabled"),
				 errdetail("A token would not let a disabled person act."),
				 errhint("Call workorder.enrol() for this login to enable it again.")));
	PG_RETURN_TEXT_P(make_token(tenant, person.login, PG_ARGISNULL(2) ? NULL : &seconds));
}

/*
 * wo_credential_check returns who has this password, 0 for nobody.
 */
int64
wo_credential_check(int64 tenant, const char *login, const char *password)
{
	return check_password(tenant, login, password).id;
}

/*
 * check_password returns the active person whose password it is, or id 0.  It
 * asks for a hash even of nobody and computes one even without, so that time
 * tells nothing.
 */
static Person
check_password(int64 tenant, const char *login, const char *password)
{
	Person		person = find_person(tenant, login);
	char	   *hash = find_hash(tenant, person.id);
	char	   *computed;
	bool		equal;

	computed = crypt_password(password, hash != NULL ? hash : NOBODYS_HASH);
	equal = strlen(computed) == HASH_LENGTH &&
		equal_in_constant_time(computed, hash != NULL ? hash : NOBODYS_HASH, HASH_LENGTH);
	if (!equal || hash == NULL || !person.active || strlen(password) > PASSWORD_BYTES)
		person.id = 0;
	wipe(computed);
	wipe(hash);
	return person;
}

/*
 * our_table returns one of the engine's tables, which must be there.
 */
static Oid
our_table(const char *name)
{
	Oid			table = wo_lookup_table(name, true);

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("workorder is not installed in this database"),
				 errdetail("There is no table \"%s.%s\".", WO_SCHEMA, name),
				 errhint("Run workorder.install().")));
	return table;
}

/*
 * find_person reads who has a login, id 0 if nobody has.
 */
static Person
find_person(int64 tenant, const char *login)
{
	WoLookupKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"login", TEXTOID, CStringGetTextDatum(login)},
	};
	Person		person = {0};
	WoLookup	lookup;
	HeapTuple	tuple;

	wo_lookup_begin(&lookup, our_table("actor"), keys, lengthof(keys));
	tuple = wo_lookup_next(&lookup);
	if (tuple != NULL)
	{
		person.id = wo_lookup_int64(&lookup, tuple, "id");
		person.active = wo_lookup_bool(&lookup, tuple, "active");
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

	wo_lookup_begin(&lookup, our_table("password"), keys, lengthof(keys));
	tuple = wo_lookup_next(&lookup);
	if (tuple != NULL)
		hash = wo_lookup_text(&lookup, tuple, "hash");
	wo_lookup_end(&lookup);
	if (hash != NULL && !is_blowfish_hash(hash))
	{
		wipe(hash);
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
 * crypt_password returns pgcrypto's crypt(password, hash).  The function is
 * called without a privilege check: who signs in need not be granted it.
 */
static char *
crypt_password(const char *password, const char *hash)
{
	text	   *word = cstring_to_text(password);
	text	   *salt = cstring_to_text(hash);
	text	   *result = DatumGetTextPP(OidFunctionCall2(pgcrypto_crypt(),
														 PointerGetDatum(word),
														 PointerGetDatum(salt)));
	char	   *computed = text_to_cstring(result);

	explicit_bzero(VARDATA(word), VARSIZE(word) - VARHDRSZ);
	explicit_bzero(VARDATA(salt), VARSIZE(salt) - VARHDRSZ);
	explicit_bzero(VARDATA_ANY(result), VARSIZE_ANY_EXHDR(result));
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
 * equal_in_constant_time compares without stopping at the first difference.
 */
static bool
equal_in_constant_time(const char *a, const char *b, size_t length)
{
	volatile unsigned char difference = 0;

	for (size_t i = 0; i < length; i++)
		difference |= (unsigned char) a[i] ^ (unsigned char) b[i];
	return difference == 0;
}

/*
 * find_secret reads a row of workorder.secret, NULL if it is not there.
 */
static char *
find_secret(const char *name)
{
	WoLookupKey keys[] = {
		{"name", TEXTOID, CStringGetTextDatum(name)},
	};
	WoLookup	lookup;
	HeapTuple	tuple;
	char	   *value = NULL;

	wo_lookup_begin(&lookup, our_table("secret"), keys, lengthof(keys));
	tuple = wo_lookup_next(&lookup);
	if (tuple != NULL)
		value = wo_lookup_text(&lookup, tuple, "value");
	wo_lookup_end(&lookup);
	return value;
}

/*
 * signing_key returns the key of tokens, which must be there and long enough.
 */
static char *
signing_key(void)
{
	char	   *key = find_secret("jwt");

	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("there is no key to sign tokens with"),
				 errdetail("The table \"%s.secret\" has no row named \"jwt\".", WO_SCHEMA),
				 errhint("The administrator puts the gateway's JWT secret there.")));
	if (strlen(key) < LEAST_KEY_BYTES)
	{
		wipe(key);
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
 * make_token signs a token for a login; without seconds it lives as long as
 * the administrator has set.
 */
static text *
make_token(int64 tenant, const char *login, const int64 *seconds)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	char	   *web_role = find_secret("web_role");
	int64		now = (int64) time(NULL);
	int64		lifetime = seconds != NULL ? *seconds : token_seconds();
	uint8		id[TOKEN_ID_BYTES];
	uint8		signature[PG_SHA256_DIGEST_LENGTH];
	StringInfoData claims;
	StringInfoData token;
	char	   *utf8;
	char	   *key;

	if (!pg_strong_random(id, sizeof(id)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random token id")));

	initStringInfo(&claims);
	appendStringInfoString(&claims, "{\"role\":");
	escape_json(&claims, web_role != NULL ? web_role : WEB_ROLE);
	appendStringInfoString(&claims, ",\"sub\":");
	escape_json(&claims, login);
	appendStringInfo(&claims, ",\"tenant_id\":" INT64_FORMAT ",\"iat\":" INT64_FORMAT
					 ",\"exp\":" INT64_FORMAT ",\"jti\":\"", tenant, now, now + lifetime);
	append_base64url(&claims, id, sizeof(id));
	appendStringInfoString(&claims, "\"}");
	utf8 = pg_server_to_any(claims.data, claims.len, PG_UTF8);

	initStringInfo(&token);
	append_base64url(&token, header, strlen(header));
	appendStringInfoChar(&token, '.');
	append_base64url(&token, utf8, strlen(utf8));
	key = signing_key();
	sign(key, token.data, token.len, signature);
	wipe(key);
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
	char	   *setting = find_secret("token_seconds");
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
	int			room = pg_b64_enc_len(length);
	int			written;

	enlargeStringInfo(to, room);
	written = pg_b64_encode(bytes, length, to->data + to->len, room);
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

/*
 * sign computes HMAC-SHA256 of a message.
 */
static void
sign(const char *key, const char *message, int length, uint8 *signature)
{
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);

	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (pg_hmac_init(context, (const uint8 *) key, strlen(key)) < 0 ||
		pg_hmac_update(context, (const uint8 *) message, length) < 0 ||
		pg_hmac_final(context, signature, PG_SHA256_DIGEST_LENGTH) < 0)
	{
		const char *reason = pg_hmac_error(context);

		pg_hmac_free(context);
		elog(ERROR, "could not sign a token: %s", reason);
	}
	pg_hmac_free(context);
}

/*
 * wipe overwrites a secret before its memory is used again.
 */
static void
wipe(char *secret)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, strlen(secret));
	pfree(secret);
}
