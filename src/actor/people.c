/*-------------------------------------------------------------------------
 *
 * people.c
 *	  The backend's directory of people and their roles.
 *
 * What this backend knows of workorder.actor and workorder.membership, filled
 * person by person as they are asked for.  The triggers on both tables signal
 * a change as a relcache invalidation, so that own uncommitted changes, their
 * rollback and other sessions' commits all arrive.  The invalidation makes the directory stale (cache.c);
 * the next question starts an empty one.  A statement under way
 * sees a change at its next question, another backend at its next transaction
 * or lock.
 *
 * Two contexts under CacheMemoryContext: "people" holds what callers may point
 * to, "tables" the hashes, which they never see.  Whoever got a pointer may
 * keep it until the end of the transaction: when the directory is renewed,
 * people who were pinned are handed to the transaction instead of being freed.
 *
 * Only wo_people_refresh() renews the directory, and nothing here calls it, so
 * that within one question everything stays where it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "actor/people.h"
#include "utils/cache.h"
#include "utils/catalog.h"
#include "utils/errors.h"

/* A backend that met more people than this starts an empty directory. */
#define DIRECTORY_LIMIT 20000

typedef struct IdKey
{
	int64		tenant;
	int64		id;
} IdKey;

typedef struct NameKey
{
	int64		tenant;
	const char *name;			/* in the memory of people */
} NameKey;

typedef struct IdEntry
{
	IdKey		key;
	const WoActor *actor;
} IdEntry;

typedef struct LoginEntry
{
	NameKey		key;
	const WoActor *actor;
} LoginEntry;

typedef struct RoleEntry
{
	NameKey		key;
	List	   *holders;		/* of int64 * */
} RoleEntry;

typedef struct Directory
{
	bool		pinned;			/* somebody may hold a pointer into people */
	Oid			actor_table;	/* InvalidOid before workorder.install(), and then nobody is known */
	Oid			membership_table;
	MemoryContext people;
	MemoryContext tables;
	HTAB	   *by_id;
	HTAB	   *by_login;
	HTAB	   *by_role;
} Directory;

static Directory directory;
static WoCache state;
static uint64 generation = 0;	/* counts the directories */

static List *read_holders(int64 tenant, const char *role);
static bool is_active(int64 tenant, int64 id);
static const WoActor *read_actor(WoCatalogKey *keys, int nkeys);
static void read_roles(WoActor *actor);
static void enter_actor(const WoActor *actor);
static void discard_directory(void);
static HTAB *make_table(const char *name, Size keysize, Size entrysize, bool by_name);
static uint32 hash_name_key(const void *key, Size size);
static int	compare_name_keys(const void *a, const void *b, Size size);

/*
 * on_transaction_event ends every pin.
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
			directory.pinned = false;
			break;
		default:
			break;
	}
}

/*
 * wo_people_init registers the callbacks; they can never be taken back.
 */
void
wo_people_init(void)
{
	RegisterXactCallback(on_transaction_event, NULL);
}

/*
 * wo_people_refresh makes sure that the directory can be asked, and returns
 * its number: what was remembered of another one is outdated.
 */
uint64
wo_people_refresh(void)
{
	uint64		begun;

	if (wo_cache_current(&state))
	{
		if (OidIsValid(directory.actor_table))
		{
			if (hash_get_num_entries(directory.by_id) < DIRECTORY_LIMIT)
				return generation;
		}
		else if (!OidIsValid(wo_catalog_table("actor", true)))
			return generation;	/* nothing announces that install() was run */
	}

	discard_directory();
	directory.people = AllocSetContextCreate(CacheMemoryContext, "workorder people",
											 ALLOCSET_SMALL_SIZES);
	directory.tables = AllocSetContextCreate(CacheMemoryContext, "workorder directory",
											 ALLOCSET_SMALL_SIZES);
	directory.by_id = make_table("workorder people by id", sizeof(IdKey), sizeof(IdEntry), false);
	directory.by_login = make_table("workorder people by login", sizeof(NameKey), sizeof(LoginEntry), true);
	directory.by_role = make_table("workorder people by role", sizeof(NameKey), sizeof(RoleEntry), true);

	/* It is filled bit by bit from now on; a change that arrives meanwhile must win. */
	begun = wo_cache_begin(&state);
	directory.actor_table = wo_catalog_table("actor", true);
	directory.membership_table = wo_catalog_table("membership", true);
	if (!OidIsValid(directory.membership_table))
		directory.actor_table = InvalidOid;
	wo_cache_follow(&state, 0, directory.actor_table);
	wo_cache_follow(&state, 1, directory.membership_table);
	wo_cache_done(&state, begun);
	return generation;
}

/*
 * wo_people_pin promises that what was returned since the last refresh stays
 * until the end of the transaction.
 */
void
wo_people_pin(void)
{
	directory.pinned = true;
}

/*
 * wo_people_anonymous returns the nobody of a tenant.
 */
const WoActor *
wo_people_anonymous(int64 tenant)
{
	const WoActor *known = wo_people_by_id(tenant, 0);
	WoActor    *nobody;

	if (known != NULL)
		return known;
	nobody = MemoryContextAllocZero(directory.people, sizeof(WoActor));
	nobody->tenant = tenant;
	nobody->login = "";
	nobody->name = "";
	enter_actor(nobody);
	return nobody;
}

/*
 * wo_people_by_id returns a person from the directory, reading them at first use.
 */
const WoActor *
wo_people_by_id(int64 tenant, int64 id)
{
	IdKey		key = {tenant, id};
	IdEntry    *entry = hash_search(directory.by_id, &key, HASH_FIND, NULL);
	WoCatalogKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"id", INT8OID, Int64GetDatum(id)},
	};

	if (entry != NULL)
		return entry->actor;
	return id == 0 ? NULL : read_actor(keys, lengthof(keys));
}

/*
 * wo_people_by_login returns a person from the directory, reading them at first use.
 * The login asked for is remembered, not the one found: under a collation that
 * ignores case they may differ.
 */
const WoActor *
wo_people_by_login(int64 tenant, const char *login)
{
	NameKey		key = {tenant, login};
	LoginEntry *entry = hash_search(directory.by_login, &key, HASH_FIND, NULL);
	WoCatalogKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"login", TEXTOID, (Datum) 0},
	};
	const WoActor *actor;

	if (entry != NULL)
		return entry->actor;
	keys[1].value = CStringGetTextDatum(login);
	actor = read_actor(keys, lengthof(keys));
	if (actor == NULL)
		return NULL;

	key.name = MemoryContextStrdup(directory.people, login);
	entry = hash_search(directory.by_login, &key, HASH_ENTER, NULL);
	entry->actor = actor;
	return actor;
}

/*
 * wo_people_by_db_role returns the one active person mapped to a database role, a
 * disabled one if there is no other, NULL if nobody is.
 */
const WoActor *
wo_people_by_db_role(const char *db_role, bool any_tenant, int64 tenant)
{
	WoCatalogKey keys[] = {
		{"db_role", TEXTOID, CStringGetTextDatum(db_role)},
	};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	IdKey		found = {0, 0};
	int			nactive = 0;

	if (!OidIsValid(directory.actor_table))
		return NULL;
	wo_catalog_begin(&lookup, directory.actor_table, keys, lengthof(keys));
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
	{
		int64		home = wo_catalog_int64(&lookup, tuple, "tenant_id");
		bool		active = wo_catalog_bool(&lookup, tuple, "active");

		if ((!any_tenant && home != tenant) || (nactive > 0 && !active))
			continue;
		if (active)
			nactive++;
		found.tenant = home;
		found.id = wo_catalog_int64(&lookup, tuple, "id");
	}
	wo_catalog_end(&lookup);

	if (nactive > 1)
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("database role \"%s\" stands for several people", db_role),
				 errdetail("More than one active person is mapped to this role, so it is not known who acts."),
				 errhint("Set workorder.tenant or workorder.actor for the role, "
						 "or map only one person to it with workorder.map_role().")));
	return found.id == 0 ? NULL : wo_people_by_id(found.tenant, found.id);
}

/*
 * wo_people_holders returns the ids of the active people who hold a role.
 */
List *
wo_people_holders(int64 tenant, const char *role)
{
	NameKey		key = {tenant, role};
	RoleEntry  *entry = hash_search(directory.by_role, &key, HASH_FIND, NULL);
	List	   *holders;

	if (entry != NULL)
		return entry->holders;
	if (!OidIsValid(directory.actor_table))
		return NIL;
	holders = read_holders(tenant, role);
	key.name = MemoryContextStrdup(directory.people, role);
	entry = hash_search(directory.by_role, &key, HASH_ENTER, NULL);
	entry->holders = holders;
	return holders;
}

/*
 * read_holders reads who holds a role and is active.
 */
static List *
read_holders(int64 tenant, const char *role)
{
	WoCatalogKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"role", TEXTOID, CStringGetTextDatum(role)},
	};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	MemoryContext caller;
	List	   *holders = NIL;

	wo_catalog_begin(&lookup, directory.membership_table, keys, lengthof(keys));
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
	{
		int64		id = wo_catalog_int64(&lookup, tuple, "actor_id");

		if (!is_active(tenant, id))
			continue;
		caller = MemoryContextSwitchTo(directory.people);
		holders = lappend(holders, palloc(sizeof(int64)));
		*(int64 *) llast(holders) = id;
		MemoryContextSwitchTo(caller);
	}
	wo_catalog_end(&lookup);
	return holders;
}

/*
 * is_active tells whether a person is active without reading their roles.
 */
static bool
is_active(int64 tenant, int64 id)
{
	IdKey		key = {tenant, id};
	IdEntry    *entry = hash_search(directory.by_id, &key, HASH_FIND, NULL);
	WoCatalogKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(tenant)},
		{"id", INT8OID, Int64GetDatum(id)},
	};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	bool		active;

	if (entry != NULL)
		return entry->actor->active;
	wo_catalog_begin(&lookup, directory.actor_table, keys, lengthof(keys));
	tuple = wo_catalog_next(&lookup);
	active = tuple != NULL && wo_catalog_bool(&lookup, tuple, "active");
	wo_catalog_end(&lookup);
	return active;
}

/*
 * read_actor reads one person and enters them in the directory once complete.
 */
static const WoActor *
read_actor(WoCatalogKey *keys, int nkeys)
{
	WoCatalogScan lookup;
	HeapTuple	tuple;
	WoActor    *actor = NULL;

	if (!OidIsValid(directory.actor_table))
		return NULL;
	wo_catalog_begin(&lookup, directory.actor_table, keys, nkeys);
	tuple = wo_catalog_next(&lookup);
	if (tuple != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(directory.people);

		actor = palloc0(sizeof(WoActor));
		actor->tenant = wo_catalog_int64(&lookup, tuple, "tenant_id");
		actor->id = wo_catalog_int64(&lookup, tuple, "id");
		actor->active = wo_catalog_bool(&lookup, tuple, "active");
		actor->token_epoch = wo_catalog_int32(&lookup, tuple, "token_epoch");
		actor->login = wo_catalog_text(&lookup, tuple, "login");
		actor->name = wo_catalog_text(&lookup, tuple, "name");
		if (actor->login == NULL)
			actor->login = "";
		if (actor->name == NULL)
			actor->name = actor->login;
		MemoryContextSwitchTo(caller);
	}
	wo_catalog_end(&lookup);

	if (actor == NULL)
		return NULL;
	read_roles(actor);
	enter_actor(actor);
	return actor;
}

/*
 * read_roles completes a person with their memberships.
 */
static void
read_roles(WoActor *actor)
{
	WoCatalogKey keys[] = {
		{"tenant_id", INT8OID, Int64GetDatum(actor->tenant)},
		{"actor_id", INT8OID, Int64GetDatum(actor->id)},
	};
	WoCatalogScan lookup;
	HeapTuple	tuple;
	int			allocated = 8;

	actor->roles = MemoryContextAlloc(directory.people, allocated * sizeof(char *));
	wo_catalog_begin(&lookup, directory.membership_table, keys, lengthof(keys));
	while ((tuple = wo_catalog_next(&lookup)) != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(directory.people);
		char	   *role = wo_catalog_text(&lookup, tuple, "role");

		if (actor->nroles == allocated)
		{
			allocated *= 2;
			actor->roles = repalloc(actor->roles, allocated * sizeof(char *));
		}
		if (role != NULL)
			actor->roles[actor->nroles++] = role;
		MemoryContextSwitchTo(caller);
	}
	wo_catalog_end(&lookup);
	qsort(actor->roles, actor->nroles, sizeof(char *), pg_qsort_strcmp);
}

/*
 * enter_actor makes a complete person findable by id.
 */
static void
enter_actor(const WoActor *actor)
{
	IdKey		key = {actor->tenant, actor->id};
	IdEntry    *entry = hash_search(directory.by_id, &key, HASH_ENTER, NULL);

	entry->actor = actor;
}

/*
 * discard_directory forgets everything; what was pinned lives on in the
 * transaction.
 */
static void
discard_directory(void)
{
	Directory	old = directory;

	memset(&directory, 0, sizeof(directory));
	generation++;
	if (old.people != NULL)
	{
		if (old.pinned)
			MemoryContextSetParent(old.people, TopTransactionContext);
		else
			MemoryContextDelete(old.people);
	}
	if (old.tables != NULL)
		MemoryContextDelete(old.tables);
}

/*
 * make_table creates one hash of the directory.
 */
static HTAB *
make_table(const char *name, Size keysize, Size entrysize, bool by_name)
{
	HASHCTL		ctl = {0};
	int			flags = HASH_ELEM | HASH_CONTEXT;

	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = directory.tables;
	if (by_name)
	{
		ctl.hash = hash_name_key;
		ctl.match = compare_name_keys;
		flags |= HASH_FUNCTION | HASH_COMPARE;
	}
	else
		flags |= HASH_BLOBS;
	return hash_create(name, 32, &ctl, flags);
}

static uint32
hash_name_key(const void *key, Size size)
{
	const NameKey *name = key;

	return hash_combine(hash_bytes((const unsigned char *) name->name, strlen(name->name)),
						hash_bytes((const unsigned char *) &name->tenant, sizeof(int64)));
}

static int
compare_name_keys(const void *a, const void *b, Size size)
{
	const NameKey *left = a;
	const NameKey *right = b;

	return left->tenant == right->tenant ? strcmp(left->name, right->name) : 1;
}
