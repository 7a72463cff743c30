/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The background worker that calls workorder.sweep() when something is due.
 *
 * There is one if the library is in shared_preload_libraries and
 * workorder.database names a database, and none otherwise; pg_cron or anything
 * else that calls sweep() does as well, and beside it.  It sleeps until the
 * next timer is due, workorder.sweep_interval at most, since it is not told of
 * timers that are set meanwhile.
 *
 * An error is written to the log and ends that sweep only.  What ends the
 * worker itself (a missing database or role) has the postmaster start it again
 * after a while.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "timer/worker.h"
#include "utils/errors.h"

#define SWEEPER_NAME	"workorder sweeper"

/* Timers per transaction: its tickets stay locked until it ends. */
#define BATCH	1000

/* Seconds after which the postmaster starts a worker again that has ended. */
#define RESTART	10

static char *database = NULL;	/* workorder.database */
static char *role = NULL;		/* workorder.sweep_role */
static int	interval = 10;		/* workorder.sweep_interval, seconds */

PGDLLEXPORT void workorder_sweeper_main(Datum arg);

/*
 * is_member tells whether a function of our schema is the extension's.
 */
static bool
is_member(Oid schema, const char *name, int nargs)
{
	Oid			argument = INT4OID;
	Oid			extension = get_extension_oid("workorder", true);
	Oid			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
										   PointerGetDatum(buildoidvector(&argument, nargs)), ObjectIdGetDatum(schema));

	/* what belongs to no extension is not ours where there is none */
	return OidIsValid(extension) && OidIsValid(function) &&
		getExtensionOfObject(ProcedureRelationId, function) == extension;
}

/*
 * is_installed tells whether the database has the extension and its tables; it
 * may get them while the worker runs.  The worker may be a superuser, and a
 * function that is called like ours can be anybody's.
 */
static bool
is_installed(void)
{
	static bool told = false;
	Oid			schema = get_namespace_oid(WO_SCHEMA, true);
	bool		installed = OidIsValid(schema) && OidIsValid(get_relname_relid("timer", schema)) &&
		is_member(schema, "sweep", 1) && is_member(schema, "next_due", 0);

	if (!installed && !told)
		ereport(LOG,
				(errmsg("workorder is not installed in database \"%s\"", database),
				 errhint("CREATE EXTENSION workorder and SELECT workorder.install() there; the sweeper looks again by itself.")));
	told = !installed;
	return installed;
}

/*
 * ask returns a number that a query gives, 0 for null.
 */
static int64
ask(const char *query, bool reads)
{
	bool		isnull;
	Datum		value;

	pgstat_report_activity(STATE_RUNNING, query);
	if (SPI_execute(query, reads, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not execute \"%s\"", query);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? 0 : DatumGetInt64(value);
}

/*
 * sweep_once makes one transaction and returns for how many milliseconds
 * there is nothing to do.
 */
static long
sweep_once(void)
{
	long		pause = interval * 1000L;
	int64		taken = 0;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (is_installed())
	{
		taken = ask("SELECT workorder.sweep(" CppAsString2(BATCH) ")", false);
		if (taken < BATCH)
		{
			/* what is locked just now is due already: not at once again, somebody is at work on it */
			int64		wait = ask("SELECT (1000 OPERATOR(pg_catalog.*) EXTRACT(epoch FROM"
								   " workorder.next_due() OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp()))::pg_catalog.int8", false);

			if (wait != 0)
				pause = Min(pause, Max(wait, 1000L));
		}
		else
			pause = 0;
	}
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return pause;
}

/*
 * try_once is sweep_once() that survives an error.
 */
static long
try_once(void)
{
	MemoryContext context = CurrentMemoryContext;
	volatile long pause = interval * 1000L;

	PG_TRY();
	{
		pause = sweep_once();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		pgstat_report_activity(STATE_IDLE, NULL);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	return pause;
}

/*
 * workorder_sweeper_main is the worker.
 */
void
workorder_sweeper_main(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(database, role[0] != '\0' ? role : NULL, 0);
	SetConfigOption("application_name", SWEEPER_NAME, PGC_USERSET, PGC_S_SESSION);
	ereport(LOG, (errmsg("sweeping timers in database \"%s\"", database)));

	context = AllocSetContextCreate(TopMemoryContext, SWEEPER_NAME, ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		long		pause;

		MemoryContextSwitchTo(context);
		pause = try_once();
		MemoryContextReset(context);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, pause,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}

/*
 * wo_worker_init defines the settings, and registers the worker if it is
 * wanted.  Both can be done only while the server starts.
 */
void
wo_worker_init(void)
{
	BackgroundWorker worker = {0};

	DefineCustomIntVariable("workorder.sweep_interval",
							"How long the sweeper sleeps at most.",
							"It wakes up earlier for a timer that it knows to be due.",
							&interval, 10, 1, 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomStringVariable("workorder.database",
							   "Database in which a background worker sweeps timers.",
							   "Empty means that there is none.",
							   &database, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("workorder.sweep_role",
							   "Role that the background worker connects as.",
							   "It needs EXECUTE on workorder.sweep() and workorder.next_due(). Empty means the superuser that the cluster was made with.",
							   &role, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	if (database[0] == '\0')
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART;
	strlcpy(worker.bgw_name, SWEEPER_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_type, SWEEPER_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "workorder", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "workorder_sweeper_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
