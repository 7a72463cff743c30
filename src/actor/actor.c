/*-------------------------------------------------------------------------
 *
 * actor.c
 *	  Who acts, and which roles he holds.
 *
 * The first that applies decides, and a later one is never tried because an
 * earlier one names nobody:
 *
 * 1. the system, while it sweeps (wo_actor_be_system());
 * 2. C code that authenticated somebody itself (wo_actor_assume());
 * 3. the session: its settings, or a gateway's claims (session.c).
 *
 * People come from people.c; what is handed out of this file is lent there, so
 * that it stays valid until the end of the transaction.
 *
 * What was assumed is a stack that follows the subtransactions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "actor/actor.h"
#include "actor/people.h"
#include "actor/session.h"

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

PG_FUNCTION_INFO_V1(workorder_tenant_id);
PG_FUNCTION_INFO_V1(workorder_actor_id);
PG_FUNCTION_INFO_V1(workorder_has_role);
PG_FUNCTION_INFO_V1(workorder_is_member);
PG_FUNCTION_INFO_V1(workorder_assume);

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

	wo_people_lend();
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
	wo_people_lend();
	return id == 0 ? wo_people_anonymous(tenant) : wo_people_by_id(tenant, id);
}

/*
 * wo_actor_by_login returns a person of a tenant, or NULL.
 */
const WoActor *
wo_actor_by_login(int64 tenant, const char *login)
{
	wo_people_refresh();
	wo_people_lend();
	return wo_people_by_login(tenant, login);
}

/*
 * wo_actor_holders returns the ids of the active people who hold a role.
 */
List *
wo_actor_holders(int64 tenant, const char *role)
{
	wo_people_refresh();
	wo_people_lend();
	return wo_people_holders(tenant, role);
}

/*
 * wo_actor_has_role tells whether a person holds a role; who is not active
 * holds none.
 */
bool
wo_actor_has_role(const WoActor *actor, const char *role)
{
	int			low = 0;
	int			high = actor->active ? actor->nroles : 0;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = strcmp(role, actor->roles[middle]);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/*
 * wo_actor_flow_roles returns which of a flow's roles a person holds.  It is
 * computed each time: a dozen comparisons cost less than a cache that would
 * have to notice a flow or a person rebuilt at the same address.
 */
Bitmapset *
wo_actor_flow_roles(const WoActor *actor, const WoFlow *flow)
{
	Bitmapset  *roles = NULL;

	if (!actor->active || actor->nroles == 0)
		return NULL;
	for (int i = 0; i < flow->nroles; i++)
		if (wo_actor_has_role(actor, flow->roles[i]))
			roles = bms_add_member(roles, i);
	return roles;
}

/*
 * wo_actor_assume makes a person act for the rest of the transaction.  The
 * caller has authenticated him.
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
 * wo_actor_init registers the callbacks; they can never be taken back.
 */
void
wo_actor_init(void)
{
	wo_people_init();
	RegisterXactCallback(on_transaction_event, NULL);
	RegisterSubXactCallback(on_subtransaction_event, NULL);
}

/*
 * resolve returns who acts.  The pointer is the caller's only until the next
 * question: who hands it out of this file lends it.
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
	return wo_session_actor(generation);
}
