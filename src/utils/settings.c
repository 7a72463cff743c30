/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings that several parts ask for, and what follows from them: the
 *	  clock, and whether a commit waits for its WAL.
 *
 * They live as long as the backend.  A setting of one part is registered by
 * that part.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "utils/compat.h"
#include "utils/settings.h"

bool		wo_maintenance = false;

/* workorder.durable */
static bool durable = true;

/* workorder.now, superuser only: a fixed clock for tests and imports */
static char *now_text = NULL;

/* workorder.now parsed; valid while now_text is not empty */
static TimestampTz fixed_now;

/* an action was taken in this transaction, and workorder.durable was on */
static bool durability_wanted = false;

PG_FUNCTION_INFO_V1(workorder_clock);

/*
 * check_now parses the clock once, when it is set.  A check hook must not
 * raise errors, so the parser below timestamptz_in() is called.
 */
static bool
check_now(char **newval, void **extra, GucSource source)
{
	TimestampTz *parsed;
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	char		workbuf[MAXDATELEN + MAXDATEFIELDS];
	int			nf;
	int			dtype;
	int			tz;
	fsec_t		fsec;
	struct pg_tm tm;

	if (*newval == NULL || **newval == '\0')
		return true;
	/* time zone names are looked up in files and catalogs */
	if (!IsTransactionState())
	{
		GUC_check_errdetail("The clock can be set inside a session only.");
		return false;
	}
	parsed = (TimestampTz *) wo_guc_malloc(sizeof(TimestampTz));
	if (parsed == NULL)
		return false;
	if (ParseDateTime(*newval, workbuf, sizeof(workbuf), field, ftype, MAXDATEFIELDS, &nf) != 0 ||
		wo_decode_date_time(field, ftype, nf, &dtype, &tm, &fsec, &tz) != 0 ||
		dtype != DTK_DATE ||
		tm2timestamp(&tm, fsec, &tz, parsed) != 0)
	{
		wo_guc_free(parsed);
		GUC_check_errdetail("It is not a time with a date.");
		return false;
	}
	*extra = parsed;
	return true;
}

static void
assign_now(const char *newval, void *extra)
{
	if (extra != NULL)
		fixed_now = *((TimestampTz *) extra);
}

/*
 * wo_settings_now returns the time of the act: the real clock, read now and not at the
 * start of the transaction, since the row lock may have been waited for.
 */
TimestampTz
wo_settings_now(void)
{
	if (now_text != NULL && now_text[0] != '\0')
		return fixed_now;
	return GetCurrentTimestamp();
}

/*
 * wo_settings_ensure_durable makes the transaction wait for its WAL, and for a
 * synchronous standby if there is one: what is acknowledged must survive a
 * crash, whatever the session asked for.
 */
void
wo_settings_ensure_durable(void)
{
	if (durable)
		durability_wanted = true;
}

/*
 * at_transaction_event raises synchronous_commit where it counts.  Earlier it
 * would be taken back at the end of a function that has settings of its own;
 * ForceSyncCommit() would not wait for a standby.
 */
static void
at_transaction_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (durability_wanted && synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
				(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION,
										 GUC_ACTION_LOCAL, true, 0, false);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			durability_wanted = false;
			break;
		default:
			break;
	}
}

/*
 * workorder_clock is wo_settings_now() for SQL.
 */
Datum
workorder_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(wo_settings_now());
}

/*
 * wo_settings_init registers the settings.
 */
void
wo_settings_init(void)
{
	DefineCustomBoolVariable("workorder.durable",
							 "Makes every transaction that took an action wait for its WAL, and for a synchronous standby.",
							 "An acknowledged action then survives a crash even where synchronous_commit is off.",
							 &durable, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("workorder.maintenance",
							 "Lets a superuser repair guarded rows and the journal.",
							 "What is done under it is journalled as maintenance.",
							 &wo_maintenance, false, PGC_SUSET, GUC_NOT_IN_SAMPLE,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("workorder.now",
							   "Fixed clock for tests and for loading history.",
							   "Empty means the real clock.",
							   &now_text, "", PGC_SUSET, GUC_NOT_IN_SAMPLE,
							   check_now, assign_now, NULL);

	/* callbacks are called in the opposite order: after all that may take an action */
	RegisterXactCallback(at_transaction_event, NULL);
}
