/*-------------------------------------------------------------------------
 *
 * credential.c
 *	  Who sends an encrypted credential.
 *
 * An application that shares a key with the server sends login and password
 * with every request, the password encrypted with AES-256-GCM: see
 * credential_parse.c for the form.  The tag is verified before anything is
 * done with the plaintext; the name is not part of what it protects, so it is
 * the password that proves who it is.
 *
 * Keys are rows of workorder.secret, 64 hexadecimal digits each:
 * "credential.<tenant>" if that tenant has one, else "credential".  The row
 * with "_previous" after its name is tried next, so that a key can be changed
 * while applications still use the one before.  Without a key, or with one
 * that is none, nobody is let in.
 *
 * Every refusal is the same error.  Who does not have the key learns nothing
 * from its time, and cannot make the server compute a password's hash; for who
 * has it, all that password.c says about time is true.
 *
 * The plaintext and the keys live on the stack of one function, which wipes
 * them however it ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"

#include "actor/actor.h"
#include "actor/credential_parse.h"
#include "utils/ascii.h"
#include "actor/password.h"
#include "actor/secret.h"

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

PG_FUNCTION_INFO_V1(workorder_open_credential);

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

	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("credentials need a database in UTF8"),
				 errdetail("This one is in %s.", GetDatabaseEncodingName()),
				 errhint("Create the database with ENCODING 'UTF8'.")));

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
	char	   *digits = wo_secret_read(name);
	unsigned char *key = ring->key[ring->n];
	bool		sound;

	if (digits == NULL)
		return false;
	sound = strlen(digits) == 2 * KEY_BYTES;
	for (int i = 0; i < KEY_BYTES && sound; i++)
	{
		int			byte = wo_http_hex(digits + 2 * i);

		sound = byte >= 0;
		key[i] = (unsigned char) byte;
	}
	wo_secret_wipe(digits);
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
	WoPerson	person = wo_password_check(tenant, credential->username, (const char *) password, whole);

	return whole ? person.id : 0;
}
