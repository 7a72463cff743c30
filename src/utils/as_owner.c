/*-------------------------------------------------------------------------
 *
 * as_owner.c
 *	  Statements that the engine runs on its tables for whoever acts.
 *
 * They run as the owner of the table, as referential-integrity checks do, so
 * that a caller needs no privilege there; SECURITY_LOCAL_USERID_CHANGE keeps
 * code that they might reach from taking the owner's role for longer.  Plans
 * are kept for the life of the backend and prepared anew when they have
 * become invalid; they go by keys, so no value deserves a plan of its own.
 * Not for the hot path.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "utils/as_owner.h"
#include "utils/lookup.h"
#include "utils/tuplestore.h"

/*
 * execute takes the owner's role and executes the statement; the caller reads
 * what SPI has returned, and ends with finish().
 */
static Relation
execute(WoStatement *statement, Datum *values, bool reads, Oid *user, int *context)
{
	Relation	table = table_open(wo_lookup_table(statement->table, false),
								   reads ? AccessShareLock : RowExclusiveLock);
	int			code;

	GetUserIdAndSecContext(user, context);
	SetUserIdAndSecContext(table->rd_rel->relowner,
						   *context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (statement->plan != NULL && !SPI_plan_is_valid(statement->plan))
	{
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
	if (statement->plan == NULL)
	{
		/* by keys, however few rows there may be just now */
		SPIPlanPtr	plan = SPI_prepare_cursor(statement->text, statement->nargs, statement->types,
											  CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL)
			elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		statement->plan = plan;
	}
	code = SPI_execute_plan(statement->plan, values, statement->nulls, reads, 0);
	if (code < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(code));
	return table;
}

/*
 * finish gives the caller's role back.
 */
static void
finish(Relation table, Oid user, int context)
{
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	table_close(table, NoLock);
}

/*
 * wo_run_as_owner executes a statement.  True if it processed a row; then
 * *result is the first column of the first row returned, a bigint, unless
 * result is NULL.
 */
bool
wo_run_as_owner(WoStatement *statement, Datum *values, int64 *result)
{
	Oid			user;
	int			context;
	Relation	table = execute(statement, values, statement->reads, &user, &context);
	bool		processed = SPI_processed > 0;

	if (processed && result != NULL)
	{
		bool		isnull;

		*result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	finish(table, user, context);
	return processed;
}

/*
 * wo_read_as_owner adds the rows of a SELECT to the result of a set-returning
 * function, which has begun it by InitMaterializedSRF().  If it only reads, it
 * sees what the caller's statement sees.
 */
void
wo_read_as_owner(WoStatement *statement, Datum *values, ReturnSetInfo *result)
{
	Oid			user;
	int			context;
	Relation	table = execute(statement, values, statement->reads, &user, &context);

	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	finish(table, user, context);
}
