/*-------------------------------------------------------------------------
 *
 * throttle.c
 *	  How often a password may be guessed.
 *
 * Attempts are counted for each login that is tried, whether anybody has it or
 * not, so that a wait tells nothing of who exists.  After so many failures in
 * a row (workorder.sign_in_failures) the next attempt has to wait a second,
 * then two, four, up to a minute.  A success ends it, and so does a quarter of
 * an hour without an attempt.
 *
 * The counts are in shared memory and not in a table: an attempt that fails is
 * rolled back, and would take its count along.  Where the library is not in
 * shared_preload_libraries each backend has counts of its own.  There is room
 * for so many logins and no more; the one that was tried longest ago makes
 * room.  A login is known by a digest under a key that is made up when the
 * server starts, so nobody can choose one that shares its place with another.
 *
 * The clock is wo_settings_now(), so that a test can set it.  The lock is held for a few instructions;
 * nothing is raised under it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "actor/throttle.h"
#include "utils/errors.h"
#include "utils/settings.h"

#define TRANCHE			"workorder sign-in"
#define SETS			1024
#define WAYS			8		/* logins that share a place */
#define LONGEST_WAIT	60		/* seconds */
#define FORGET_AFTER	(15 * 60)	/* seconds */

/* What is known of a login; last = 0 is nothing. */
typedef struct Attempts
{
	uint64		login;
	TimestampTz last;
	int			failures;
} Attempts;

typedef struct Counts
{
	LWLock	   *lock;			/* NULL = the backend's own */
	uint64		key;
	Attempts	of[SETS][WAYS];
} Counts;

/* workorder.sign_in_failures */
static int	failures_allowed = 10;

static Counts *counts = NULL;
static shmem_request_hook_type next_request = NULL;
static shmem_startup_hook_type next_startup = NULL;

static void request_shmem(void);
static void start_shmem(void);
static void make_key(Counts *of);
static bool has_to_wait(const Attempts *attempts, TimestampTz now);
static Attempts *find(uint64 login, bool make, TimestampTz now);
static uint64 digest(int64 tenant, const char *login);
static void lock_counts(void);
static void unlock_counts(void);

/*
 * wo_throttle_init registers the setting, and asks for shared memory where the
 * library is preloaded.
 */
void
wo_throttle_init(void)
{
	DefineCustomIntVariable("workorder.sign_in_failures",
							"Failed attempts to sign in after which a login has to wait.",
							"The wait doubles with each further failure, up to a minute; 0 means none.",
							&failures_allowed, 10, 0, 10000, PGC_SIGHUP, 0, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	next_request = shmem_request_hook;
	shmem_request_hook = request_shmem;
	next_startup = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
}

static void
request_shmem(void)
{
	if (next_request != NULL)
		next_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Counts)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

static void
start_shmem(void)
{
	bool		found;

	if (next_startup != NULL)
		next_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	counts = ShmemInitStruct(TRANCHE, sizeof(Counts), &found);
	if (!found)
	{
		memset(counts, 0, sizeof(Counts));
		counts->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
		make_key(counts);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
make_key(Counts *of)
{
	if (!pg_strong_random(&of->key, sizeof(of->key)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random key")));
}

/*
 * wo_throttle_begin counts an attempt, unless the login has to wait.
 */
bool
wo_throttle_begin(int64 tenant, const char *login)
{
	uint64		key;
	TimestampTz now = wo_settings_now();
	Attempts   *attempts;
	bool		allowed;

	if (failures_allowed == 0)
		return true;
	if (counts == NULL)
	{
		Counts	   *own = MemoryContextAllocZero(TopMemoryContext, sizeof(Counts));

		make_key(own);
		counts = own;
	}
	key = digest(tenant, login);
	lock_counts();
	attempts = find(key, true, now);
	allowed = !has_to_wait(attempts, now);
	if (allowed)
	{
		attempts->failures = Min(attempts->failures + 1, PG_INT16_MAX);
		attempts->last = now;
	}
	unlock_counts();
	return allowed;
}

/*
 * wo_throttle_waits tells whether a login has to wait.
 */
bool
wo_throttle_waits(int64 tenant, const char *login)
{
	TimestampTz now = wo_settings_now();
	Attempts   *attempts;
	bool		waits;

	if (failures_allowed == 0 || counts == NULL)
		return false;
	lock_counts();
	attempts = find(digest(tenant, login), false, now);
	waits = attempts != NULL && has_to_wait(attempts, now);
	unlock_counts();
	return waits;
}

/*
 * has_to_wait tells whether it is too early for another attempt.
 */
static bool
has_to_wait(const Attempts *attempts, TimestampTz now)
{
	int			doubled;
	int64		wait;

	if (attempts->failures < failures_allowed)
		return false;
	doubled = Min(attempts->failures - failures_allowed, 10);
	wait = Min((int64) 1 << doubled, LONGEST_WAIT);
	return now - attempts->last < wait * USECS_PER_SEC;
}

/*
 * wo_throttle_succeeded forgets the failures of a login.
 */
void
wo_throttle_succeeded(int64 tenant, const char *login)
{
	Attempts   *attempts;

	if (counts == NULL)
		return;
	lock_counts();
	attempts = find(digest(tenant, login), false, wo_settings_now());
	if (attempts != NULL)
		memset(attempts, 0, sizeof(*attempts));
	unlock_counts();
}

/*
 * find returns what is known of a login, and makes room for it.
 */
static Attempts *
find(uint64 login, bool make, TimestampTz now)
{
	Attempts   *set = counts->of[login % SETS];
	Attempts   *oldest = &set[0];

	for (int i = 0; i < WAYS; i++)
	{
		if (set[i].last != 0 && set[i].login == login &&
			now - set[i].last < FORGET_AFTER * USECS_PER_SEC)
			return &set[i];
		if (set[i].last < oldest->last)
			oldest = &set[i];
	}
	if (!make)
		return NULL;
	oldest->login = login;
	oldest->last = now;
	oldest->failures = 0;
	return oldest;
}

static uint64
digest(int64 tenant, const char *login)
{
	uint64		of_login = DatumGetUInt64(hash_any_extended((const unsigned char *) login, strlen(login),
															counts->key));

	return hash_combine64(of_login, DatumGetUInt64(hash_uint32_extended((uint32) tenant, counts->key)));
}

static void
lock_counts(void)
{
	if (counts->lock != NULL)
		LWLockAcquire(counts->lock, LW_EXCLUSIVE);
}

static void
unlock_counts(void)
{
	if (counts->lock != NULL)
		LWLockRelease(counts->lock);
}
