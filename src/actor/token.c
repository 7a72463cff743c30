/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Signing in, and the tokens a gateway believes.
 *
 * A failed sign-in says one thing only: password.c does the same work for a
 * wrong password, an unknown login, no password and a disabled account, and
 * one error is raised for all of them, and for a login that was tried too
 * often (throttle.c).
 *
 * A token is a JWT signed with HMAC-SHA256 by PostgreSQL's own code.  The key
 * is the row "jwt" of workorder.secret, the same bytes as in the gateway's
 * configuration; the rows "web_role" and "token_seconds" may change what else
 * is in a token.  The claims are what session.c reads back: the person's number
 * and the epoch of that person's tokens, which set_password() and disable()
 * end.  Copies of keys are wiped after use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "common/base64.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "actor/password.h"
#include "actor/secret.h"
#include "actor/throttle.h"

#define WEB_ROLE		"workorder_user"
#define TOKEN_SECONDS	(8 * 60 * 60)
#define LEAST_KEY_BYTES	32
#define TOKEN_ID_BYTES	16

static char *signing_key(void);
static text *make_token(int64 tenant, const WoPerson *person, const int64 *seconds);
static int64 token_seconds(void);
static void append_base64url(StringInfo to, const void *bytes, int length);

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
	WoPerson	person = {0};

	PG_TRY();
	{
		/* who has to wait is told what a wrong password is told */
		if (wo_throttle_begin(tenant, login))
			person = wo_password_check(tenant, login, password, false);
	}
	PG_FINALLY();
	{
		wo_secret_wipe(password);
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
	WoPerson	person = wo_password_person(tenant, login);

	if (login[0] == '$')
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("login \"%s\" is reserved", login),
				 errdetail("Who begins with a \"$\" stands for the engine, such as its clock, and is nobody's."),
				 errhint("Give the login of a person.")));
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
	PG_RETURN_TEXT_P(make_token(tenant, &person, PG_ARGISNULL(2) ? NULL : &seconds));
}

/*
 * signing_key returns the key of tokens, which must be there and long enough.
 */
static char *
signing_key(void)
{
	char	   *key = wo_secret_read("jwt");

	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("there is no key to sign tokens with"),
				 errdetail("The table \"%s.secret\" has no row named \"jwt\".", WO_SCHEMA),
				 errhint("The administrator puts the gateway's JWT secret there.")));
	if (strlen(key) < LEAST_KEY_BYTES)
	{
		wo_secret_wipe(key);
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
make_token(int64 tenant, const WoPerson *person, const int64 *seconds)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	char	   *web_role = wo_secret_read("web_role");
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
	escape_json(&claims, person->login);
	appendStringInfo(&claims, ",\"tenant_id\":" INT64_FORMAT ",\"actor_id\":" INT64_FORMAT ",\"epoch\":%d"
					 ",\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT ",\"jti\":\"",
					 tenant, person->id, person->token_epoch, now, now + lifetime);
	append_base64url(&claims, id, sizeof(id));
	appendStringInfoString(&claims, "\"}");
	utf8 = pg_server_to_any(claims.data, claims.len, PG_UTF8);

	initStringInfo(&token);
	append_base64url(&token, header, strlen(header));
	appendStringInfoChar(&token, '.');
	append_base64url(&token, utf8, strlen(utf8));
	key = signing_key();
	wo_secret_hmac(key, strlen(key), token.data, token.len, signature);
	wo_secret_wipe(key);
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
	char	   *setting = wo_secret_read("token_seconds");
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
