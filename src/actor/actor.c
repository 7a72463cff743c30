/*-------------------------------------------------------------------------
 *
 * actor.c
 *	  Who acts, and which roles they hold.
 *
 * The first that applies decides, and a later one is never tried because an
 * earlier one names nobody:
 *
 * 1. the system, while it sweeps (wo_actor_be_system());
 * 2. C code that authenticated somebody itself (wo_actor_assume());
 * 3. if the session user is in workorder.gateway_roles: request.jwt.claims
 * (tenant_id, and the person's actor_id and epoch, or sub = login alone
 * where workorder.login_claims allows it), and nothing else.  No claims,
 * claims that are not JSON, name no one or are of an epoch that is over:
 * anonymous;
 * 4. workorder.actor (a login) in workorder.tenant;
 * 5. the one active person whose db_role is the session user's name, looked
 * for in workorder.tenant if that is set, in all tenants otherwise.  Several
 * are an error: silently working in the wrong tenant would be worse;
 * 6. anonymous, in workorder.tenant or tenant 1.
 *
 * An unknown or disabled login is anonymous in the tenant that was named.  It
 * is the session user that counts, never the current user: SET ROLE, SECURITY
 * DEFINER and foreign-key cascades do not change who acts.  Anybody can set
 * request.jwt.claims, so it means nothing outside a gateway's session.
 *
 * People come from people.c; what is handed out of this file is pinned there, so
 * that it stays valid until the end of the transaction.  What was assumed is a
 * stack that follows the subtransactions.  What the session says is kept with
 * the settings it was derived from, for the life of the backend, and they are
 * compared as strings at each question.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/uuid.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "actor/actor.h"
#include "actor/people.h"
#include "actor/tenant.h"
#include "utils/cache.h"
#include "utils/catalog.h"
#include "utils/errors.h"
#include "utils/value.h"

/*
 * The settings that say for whom the session speaks.  What names a person is
 * superuser-set (PGC_SUSET), so that only a role that was given the parameter
 * by GRANT SET can speak for somebody.
 */
static char *actor_login = NULL;	/* workorder.actor */
static char *tenant_text = NULL;	/* workorder.tenant */
static char *gateway_roles_text = NULL; /* workorder.gateway_roles, from the configuration file */
static bool login_claims = true;	/* workorder.login_claims, the same */

PG_FUNCTION_INFO_V1(workorder_tenant_id);
PG_FUNCTION_INFO_V1(workorder_tenant_key);
PG_FUNCTION_INFO_V1(workorder_tenant_uuid);
PG_FUNCTION_INFO_V1(workorder_actor_id);
PG_FUNCTION_INFO_V1(workorder_has_role);
PG_FUNCTION_INFO_V1(workorder_is_member);
PG_FUNCTION_INFO_V1(workorder_assume);

/* Who is assumed, innermost first; lives in TopTransactionContext. */
typedef struct Assumption
{
	int64		tenant;
	int64		id;
	SubTransactionId subid;
	struct Assumption *outer;
} Assumption;

static Assumption *assumed = NULL;

/* For which tenant the system acts, 0 if it does not, and as whom. */
static int64 system_tenant = 0;
static int64 system_id = 0;

static const WoActor *resolve(void);
static const WoActor *session_actor(uint64 generation);

/*
 * workorder_tenant_id returns the tenant the session works in.
 */
Datum
workorder_tenant_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(resolve()->tenant);
}

/*
 * workorder_actor_id returns who acts, null for anonymous.
 */
Datum
workorder_actor_id(PG_FUNCTION_ARGS)
{
	const WoActor *actor = resolve();

	if (actor->id == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(actor->id);
}

/*
 * workorder_has_role tells whether who acts holds a role.
 */
Datum
workorder_has_role(PG_FUNCTION_ARGS)
{
	char	   *role = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_BOOL(wo_actor_has_role(resolve(), role));
}

/*
 * workorder_is_member tells whether who acts holds a role of a system: the one
 * of that name, or any that has the name and a dot before it.
 */
Datum
workorder_is_member(PG_FUNCTION_ARGS)
{
	char	   *system = text_to_cstring(PG_GETARG_TEXT_PP(0));
	size_t		len = strlen(system);
	const WoActor *actor = resolve();

	for (int i = 0; actor->active && i < actor->nroles; i++)
	{
		const char *role = actor->roles[i];

		if (strncmp(role, system, len) == 0 && (role[len] == '\0' || role[len] == '.'))
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

/*
 * workorder_assume(tenant, actor) is wo_actor_assume() for SQL.  The extension
 * declares no function on it: only a superuser can, as the tests do.
 */
Datum
workorder_assume(PG_FUNCTION_ARGS)
{
	wo_actor_assume(PG_GETARG_INT64(0), PG_GETARG_INT64(1));
	PG_RETURN_VOID();
}

/*
 * wo_actor_current returns who acts.
 */
const WoActor *
wo_actor_current(void)
{
	const WoActor *actor = resolve();

	wo_people_pin();
	return actor;
}

/*
 * wo_actor_by_id returns a person of a tenant, anonymous for id 0, NULL for
 * nobody.
 */
const WoActor *
wo_actor_by_id(int64 tenant, int64 id)
{
	wo_people_refresh();
	wo_people_pin();
	return id == 0 ? wo_people_anonymous(tenant) : wo_people_by_id(tenant, id);
}

/*
 * wo_actor_by_login returns a person of a tenant, or NULL.
 */
const WoActor *
wo_actor_by_login(int64 tenant, const char *login)
{
	wo_people_refresh();
	wo_people_pin();
	return wo_people_by_login(tenant, login);
}

/*
 * wo_actor_holders returns the ids of the active people who hold a role.
 */
List *
wo_actor_holders(int64 tenant, const char *role)
{
	wo_people_refresh();
	wo_people_pin();
	return wo_people_holders(tenant, role);
}

/*
 * wo_actor_has_role tells whether a person holds a role; who is not active
 * holds none.
 */
bool
wo_actor_has_role(const WoActor *actor, const char *role)
{
	return actor->active && actor->nroles > 0 &&
		bsearch(&role, actor->roles, actor->nroles, sizeof(char *), pg_qsort_strcmp) != NULL;
}

/*
 * wo_actor_assume makes a person act for the rest of the transaction.  The
 * caller has authenticated them.
 */
void
wo_actor_assume(int64 tenant, int64 id)
{
	SubTransactionId subid = GetCurrentSubTransactionId();

	if (assumed == NULL || assumed->subid != subid)
	{
		Assumption *inner = MemoryContextAlloc(TopTransactionContext, sizeof(Assumption));

		inner->subid = subid;
		inner->outer = assumed;
		assumed = inner;
	}
	assumed->tenant = tenant;
	assumed->id = id;
}

/*
 * wo_actor_be_system lets the system act, or ends that.
 */
void
wo_actor_be_system(int64 tenant, int64 id)
{
	system_tenant = tenant;
	system_id = id;
}

/*
 * on_transaction_event ends what was assumed.
 */
static void
on_transaction_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			assumed = NULL;
			break;
		default:
			break;
	}
}

/*
 * on_subtransaction_event hands what was assumed to the parent, or undoes it.
 */
static void
on_subtransaction_event(SubXactEvent event, SubTransactionId subid,
						SubTransactionId parent, void *arg)
{
	if (assumed == NULL || assumed->subid != subid)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		assumed = assumed->outer;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		assumed->subid = parent;
		if (assumed->outer != NULL && assumed->outer->subid == parent)
			assumed->outer = assumed->outer->outer;
	}
}

/*
 * check_tenant accepts a positive bigint, nothing, or what may be a tenant's key:
 * whether it is one is asked when the session does something.
 */
static bool
check_tenant(char **newval, void **extra, GucSource source)
{
	char	   *end;
	long long	tenant;

	if (*newval == NULL || **newval == '\0')
		return true;
	errno = 0;
	tenant = strtoll(*newval, &end, 10);
	if (*end == '\0' && (errno != 0 || tenant <= 0))
	{
		GUC_check_errdetail("A tenant's number is positive.");
		return false;
	}
	return true;
}

/*
 * wo_actor_init registers the callbacks; they can never be taken back.
 */
void
wo_actor_init(void)
{
	DefineCustomStringVariable("workorder.actor",
							   "Login of the person this session acts for.",
							   "Roles that may set it are given it by GRANT SET ON PARAMETER.",
							   &actor_login, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("workorder.tenant",
							   "Tenant this session works in.",
							   "Roles that may set it are given it by GRANT SET ON PARAMETER.",
							   &tenant_text, "", PGC_SUSET, 0, check_tenant, NULL, NULL);
	DefineCustomStringVariable("workorder.gateway_roles",
							   "Login roles whose request.jwt.claims are believed.",
							   "A comma-separated list; PostgREST connects as one of them.",
							   &gateway_roles_text, "authenticator", PGC_SIGHUP,
							   GUC_LIST_INPUT, NULL, NULL, NULL);
	DefineCustomBoolVariable("workorder.login_claims",
							 "Believes a gateway's claims that name a person by login alone.",
							 "Tokens of sign_in() and token() name the person's number; other issuers may know only the login.",
							 &login_claims, true, PGC_SIGHUP, 0, NULL, NULL, NULL);

	wo_people_init();
	RegisterXactCallback(on_transaction_event, NULL);
	RegisterSubXactCallback(on_subtransaction_event, NULL);
}

/*
 * resolve returns who acts.  The pointer is the caller's only until the next
 * question: who hands it out of this file pins it.
 */
static const WoActor *
resolve(void)
{
	uint64		generation = wo_people_refresh();

	if (system_tenant != 0)
	{
		const WoActor *actor = system_id == 0 ? NULL : wo_people_by_id(system_tenant, system_id);

		return actor != NULL ? actor : wo_people_anonymous(system_tenant);
	}
	if (assumed != NULL)
		return wo_people_active_or_anonymous(wo_people_by_id(assumed->tenant, assumed->id),
											 assumed->tenant);
	return session_actor(generation);
}

/* --- whom the session names ------------------------------------------------ */

#define CLAIMS			"request.jwt.claims"

/*
 * The last answer and what it was derived from; strings are NULL when unset.
 * Outdated with the directory, and when any database role changes.
 */
typedef struct Resolution
{
	const WoActor *actor;		/* NULL = not known */
	uint64		generation;		/* of the directory that actor is in */
	MemoryContext context;		/* of the strings, reset at each resolution */
	Oid			session_user;
	bool		gateway;
	const char *gateway_roles;
	const char *claims;
	const char *login;
	const char *tenant;
} Resolution;

/* What a token says of who it is; 0 and NULL are what it does not say. */
typedef struct Claims
{
	int64		tenant;
	int64		actor;
	int64		epoch;
	char	   *login;
} Claims;

static Resolution last;
static WoCache state = {.syscache = AUTHOID};	/* a database role's name may be another */

static const WoActor *resolve_claims(const char *claims);
static const WoActor *resolve_settings(const char *login, const char *tenant,
									   Oid session_user);
static bool is_gateway(Oid session_user, const char *gateway_roles);
static bool parse_claims(const char *text, Claims *claims);
static bool parse_number(JsonbContainer *object, const char *name, int64 least, int64 *number);
static bool parse_tenant(const char *text, int64 *tenant);

/*
 * setting treats an empty string as unset.
 */
static inline const char *
setting(const char *value)
{
	return value == NULL || value[0] == '\0' ? NULL : value;
}

/*
 * same tells whether two settings, NULL when unset, are equal.
 */
static inline bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/*
 * session_actor returns whom the session names, from the last answer if
 * nothing it depends on has changed, in a directory of this generation.
 */
static const WoActor *
session_actor(uint64 generation)
{
	Oid			session_user = GetSessionUserId();
	const char *gateway_roles = setting(gateway_roles_text);
	const char *claims = NULL;
	const char *login = NULL;
	const char *tenant = NULL;
	const WoActor *actor;
	bool		gateway;
	uint64		begun;

	if (!wo_cache_current(&state) || last.generation != generation)
		last.actor = NULL;
	begun = wo_cache_begin(&state);
	if (last.actor != NULL && last.session_user == session_user &&
		same(last.gateway_roles, gateway_roles))
		gateway = last.gateway;
	else
	{
		last.actor = NULL;
		gateway = is_gateway(session_user, gateway_roles);
	}

	if (gateway)
		claims = setting(GetConfigOption(CLAIMS, true, false));
	else
	{
		login = setting(actor_login);
		tenant = setting(tenant_text);
	}
	if (last.actor != NULL && same(last.claims, claims) &&
		same(last.login, login) && same(last.tenant, tenant))
		return last.actor;

	last.actor = NULL;
	wo_cache_follow(&state, 0, wo_catalog_table("tenant", true));
	actor = gateway ? resolve_claims(claims) : resolve_settings(login, tenant, session_user);

	if (last.context == NULL)
		last.context = AllocSetContextCreate(TopMemoryContext, "workorder session",
											 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(last.context);
	last.session_user = session_user;
	last.gateway = gateway;
	last.gateway_roles = gateway_roles ? MemoryContextStrdup(last.context, gateway_roles) : NULL;
	last.claims = claims ? MemoryContextStrdup(last.context, claims) : NULL;
	last.login = login ? MemoryContextStrdup(last.context, login) : NULL;
	last.tenant = tenant ? MemoryContextStrdup(last.context, tenant) : NULL;

	last.generation = generation;
	last.actor = actor;
	wo_cache_done(&state, begun);
	return actor;
}

/*
 * resolve_claims returns the person a gateway's token names.  A token of ours
 * is a person's, whatever login that person has by now, and of one epoch.
 */
static const WoActor *
resolve_claims(const char *text)
{
	Claims		claims = {.tenant = WO_FIRST_TENANT};
	const WoActor *actor = NULL;

	if (text == NULL || !parse_claims(text, &claims))
		return wo_people_anonymous(WO_FIRST_TENANT);
	if (claims.actor != 0)
	{
		actor = wo_people_by_id(claims.tenant, claims.actor);
		if (actor != NULL && actor->token_epoch != claims.epoch)
			actor = NULL;
	}
	else if (claims.login != NULL && login_claims)
		actor = wo_people_by_login(claims.tenant, claims.login);
	return wo_people_active_or_anonymous(actor, claims.tenant);
}

/*
 * resolve_settings returns the person named by the settings, or else by the
 * session user.
 */
static const WoActor *
resolve_settings(const char *login, const char *tenant_text, Oid session_user)
{
	int64		tenant = WO_FIRST_TENANT;
	const char *db_role;
	const WoActor *actor = NULL;

	if (tenant_text != NULL && !parse_tenant(tenant_text, &tenant))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("workorder.tenant is not a tenant"),
				 errdetail("The setting workorder.tenant is a positive whole number, or the key of a row of workorder.tenant."),
				 errhint("Correct the setting, or reset it to work in tenant 1.")));
	if (login != NULL)
		return wo_people_active_or_anonymous(wo_people_by_login(tenant, login), tenant);

	db_role = GetUserNameFromId(session_user, true);
	if (db_role != NULL)
		actor = wo_people_by_db_role(db_role, tenant_text == NULL, tenant);
	return wo_people_active_or_anonymous(actor, actor != NULL ? actor->tenant : tenant);
}

/*
 * wo_actor_is_gateway tells whether the session is a gateway's.
 */
bool
wo_actor_is_gateway(void)
{
	return is_gateway(GetSessionUserId(), setting(gateway_roles_text));
}

/*
 * is_gateway tells whether a session user's claims are believed.  A list that
 * cannot be read names nobody.
 */
static bool
is_gateway(Oid session_user, const char *gateway_roles)
{
	const char *name = GetUserNameFromId(session_user, true);
	char	   *copy;
	List	   *names = NIL;
	bool		found = false;

	if (name == NULL || gateway_roles == NULL)
		return false;
	copy = pstrdup(gateway_roles);
	if (SplitIdentifierString(copy, ',', &names))
	{
		ListCell   *lc;

		foreach(lc, names)
			if (strcmp((char *) lfirst(lc), name) == 0)
				found = true;
	}
	list_free(names);
	pfree(copy);
	return found;
}

/*
 * parse_claims reads what a token says of who it is.  Returns false for
 * anything that is not what sign_in() writes.
 */
static bool
parse_claims(const char *text, Claims *claims)
{
	JsonbValue	value;
	JsonbContainer *object;

	/* what is no JSON comes back as a string */
	wo_value_parse_json(unconstify(char *, text), &value);
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		return false;
	object = value.val.binary.data;

	/* its key, where an application's own tokens name a tenant */
	if (getKeyJsonValueFromContainer(object, "tenant_id", strlen("tenant_id"), &value) != NULL && value.type == jbvString)
	{
		claims->tenant = wo_tenant_number(pnstrdup(value.val.string.val, value.val.string.len));
		if (claims->tenant == 0)
			return false;
	}
	else if (!parse_number(object, "tenant_id", 1, &claims->tenant))
		return false;
	if (!parse_number(object, "actor_id", 1, &claims->actor) ||
		!parse_number(object, "epoch", 0, &claims->epoch))
		return false;
	if (getKeyJsonValueFromContainer(object, "sub", strlen("sub"), &value) != NULL)
	{
		if (value.type != jbvString)
			return false;
		if (value.val.string.len > 0)
			claims->login = pnstrdup(value.val.string.val, value.val.string.len);
	}
	return true;
}

/*
 * parse_number reads a whole number, and leaves it as it is if there is none.
 */
static bool
parse_number(JsonbContainer *object, const char *name, int64 least, int64 *number)
{
	JsonbValue	value;
	char	   *text;
	char	   *end;
	long long	read;

	if (getKeyJsonValueFromContainer(object, name, strlen(name), &value) == NULL)
		return true;
	if (value.type != jbvNumeric)
		return false;
	/* by its text: the conversion to bigint would raise an error */
	text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
	errno = 0;
	read = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || read < least)
		return false;
	*number = read;
	return true;
}

/*
 * parse_tenant reads a tenant's number, a positive bigint, or else its key.
 */
static bool
parse_tenant(const char *text, int64 *tenant)
{
	char	   *end;
	long long	number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0')
		number = wo_tenant_number(text);
	if (number <= 0)
		return false;
	*tenant = number;
	return true;
}

/*
 * tenant_key() returns the key of the tenant that the session works in.
 */
Datum
workorder_tenant_key(PG_FUNCTION_ARGS)
{
	char	   *key = wo_tenant_key(wo_actor_current()->tenant);

	if (key == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(key));
}

/*
 * tenant_uuid() returns it as a uuid, if it is one as PostgreSQL writes it.
 */
Datum
workorder_tenant_uuid(PG_FUNCTION_ARGS)
{
	char	   *key = wo_tenant_key(wo_actor_current()->tenant);

	if (key == NULL || strlen(key) != 36)
		PG_RETURN_NULL();
	for (int i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? key[i] != '-' :
			!((key[i] >= '0' && key[i] <= '9') || (key[i] >= 'a' && key[i] <= 'f')))
			PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(uuid_in, CStringGetDatum(key)));
}
