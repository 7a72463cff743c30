/*-------------------------------------------------------------------------
 *
 * owner_spi.c
 *	  What the engine does with somebody else's rights.
 *
 * The engine's tables are read and written as their owner, whoever acts, and
 * a due timer moves a ticket as the owner of its table, as referential-
 * integrity checks work.  All of that happens in a section, which begins with
 * wo_owner_spi_begin():
 *
 * - the role is taken in a way that code which is reached from there cannot
 *	 get out of (SECURITY_LOCAL_USERID_CHANGE), and row-level security that is
 *	 forced on owners does not hide rows from the engine (SECURITY_NOFORCE_RLS);
 * - names are looked up in pg_catalog and pg_temp, in this order.  What
 *	 somebody else has put into the caller's search_path can mean nothing in
 *	 the statement.  The triggers, defaults and checks of the tables see this
 *	 path too, so they name schemas or have a search_path of their own, as
 *	 those must that are reached over HTTP;
 * - settings have a nest level of their own: whatever a trigger has set, and for
 *	 whatever time, is what it was when the section ends;
 * - in a restricted section nothing can be left behind for the caller to run
 *	 into: no deferred trigger, cursor WITH HOLD, temporary table, prepared
 *	 statement.  Reading is restricted, and so is all that a timer does to
 *	 users' tables, for whoever sweeps did not choose them.  What writes the
 *	 engine's own tables is not: users may give these tables deferrable
 *	 constraints, and whose they are is who has installed the engine.
 *
 * An error needs no wo_owner_spi_end(): the end of the transaction or of the
 * subtransaction that it began in takes back role and settings.
 *
 * Plans of statements are kept for the life of the backend, and never freed:
 * one may be running further up the stack when it becomes invalid, since
 * triggers on these tables act on tickets.  PostgreSQL plans them anew by
 * itself.  They go by keys, so no value deserves a plan of its own.  Not for
 * the hot path.
 *
 * No other file changes the user or prepares statements, but for those that
 * test/style lists with their reasons.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "utils/catalog.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"

#define STREAM_ROWS	256

/*
 * wo_owner_spi_begin takes somebody's rights until wo_owner_spi_end().
 */
void
wo_owner_spi_begin(WoSection *section, Oid role, WoSectionKind kind)
{
	GetUserIdAndSecContext(&section->user, &section->security);
	SetUserIdAndSecContext(role,
						   section->security | SECURITY_LOCAL_USERID_CHANGE |
						   (kind == WO_SECTION_RESTRICTED ? SECURITY_RESTRICTED_OPERATION : 0) |
						   (kind == WO_SECTION_FUNCTION ? 0 : SECURITY_NOFORCE_RLS));
	section->settings = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * wo_owner_spi_end gives them back, and every setting its value.
 */
void
wo_owner_spi_end(const WoSection *section)
{
	AtEOXact_GUC(false, section->settings);
	SetUserIdAndSecContext(section->user, section->security);
}

/*
 * prepare plans a statement by keys, however few rows there may be just now.
 */
static SPIPlanPtr
prepare(const char *query, int nargs, Oid *types, int options)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(query, nargs, types, options);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	return plan;
}

/*
 * wrong_result raises an error: a rule of somebody's has made other statements
 * of one of ours, or this is a mistake of ours.
 */
static void
wrong_result(int code)
{
	if (code == SPI_OK_REWRITTEN)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a rule does something else instead of what workorder writes"),
				 errhint("Drop the rule; workorder.verify() names it.")));
	elog(ERROR, "unexpected result of SPI: %s", SPI_result_code_string(code));
}

/*
 * wo_owner_spi_expect makes sure that SPI has executed the kind of statement that it was
 * given.
 */
void
wo_owner_spi_expect(int code, int expected)
{
	if (code != expected)
		wrong_result(code);
}

/*
 * execute takes the owner's rights and executes the statement; the caller
 * reads what SPI has returned, and ends with finish().
 */
static Relation
execute(WoSection *section, WoStatement *statement, Datum *values, const char *nulls)
{
	Relation	table = table_open(wo_catalog_table(statement->table, false),
								   statement->reads ? AccessShareLock : RowExclusiveLock);
	int			code;

	wo_owner_spi_begin(section, table->rd_rel->relowner,
					  statement->reads ? WO_SECTION_RESTRICTED : WO_SECTION_FULL);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = prepare(statement->text, statement->nargs, statement->types, CURSOR_OPT_GENERIC_PLAN);

		SPI_keepplan(plan);
		statement->plan = plan;
	}
	code = SPI_execute_plan(statement->plan, values, nulls, statement->reads, 0);
	if (code < 0 || code == SPI_OK_REWRITTEN)
		wrong_result(code);
	return table;
}

static void
finish(const WoSection *section, Relation table)
{
	SPI_finish();
	wo_owner_spi_end(section);
	table_close(table, NoLock);
}

/*
 * wo_owner_spi_run executes a statement.  True if it processed a row; then
 * *result is the first column of the first row returned, a bigint, unless
 * result is NULL.
 */
bool
wo_owner_spi_run(WoStatement *statement, Datum *values, int64 *result)
{
	return wo_owner_spi_run_with_nulls(statement, values, NULL, result);
}

/*
 * wo_owner_spi_run_with_nulls does so where arguments may be null: those for
 * which nulls has an 'n'.
 */
bool
wo_owner_spi_run_with_nulls(WoStatement *statement, Datum *values, const char *nulls, int64 *result)
{
	WoSection	section;
	Relation	table = execute(&section, statement, values, nulls);
	bool		processed = SPI_processed > 0;

	if (processed && result != NULL)
	{
		bool		isnull;

		*result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	finish(&section, table);
	return processed;
}

/*
 * wo_owner_spi_read adds the rows of a SELECT to the result of a set-returning
 * function, which has begun it by InitMaterializedSRF().  If it only reads, it
 * sees what the caller's statement sees.
 */
void
wo_owner_spi_read(WoStatement *statement, Datum *values, ReturnSetInfo *result)
{
	WoSection	section;
	Relation	table = execute(&section, statement, values, NULL);

	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	finish(&section, table);
}

/*
 * wo_owner_spi_execute executes a statement that is made up, with somebody's rights,
 * in the SPI connection of the caller.  It sees what this transaction has
 * changed.
 */
void
wo_owner_spi_execute(Oid role, WoSectionKind kind, const char *query, int expected,
			  int nargs, Oid *types, Datum *values)
{
	WoSection	section;
	int			code;

	wo_owner_spi_begin(&section, role, kind);
	code = SPI_execute_plan(prepare(query, nargs, types, CURSOR_OPT_GENERIC_PLAN), values, NULL, false, 0);
	wo_owner_spi_end(&section);
	wo_owner_spi_expect(code, expected);
}

/*
 * wo_owner_spi_stream_open opens a cursor on a query over a table, as the table's owner.
 */
void
wo_owner_spi_stream_open(WoStream *stream, Oid relid, const char *query,
			   int nargs, Oid *types, Datum *values)
{
	wo_owner_spi_stream_open_as(stream, wo_catalog_owner(relid), query, nargs, types, values);
}

/*
 * wo_owner_spi_stream_open_as does so as somebody whose rights suffice for the query.
 */
void
wo_owner_spi_stream_open_as(WoStream *stream, Oid role, const char *query,
				  int nargs, Oid *types, Datum *values)
{
	WoSection	section;
	SPIPlanPtr	plan;

	memset(stream, 0, sizeof(*stream));
	stream->role = role;
	wo_owner_spi_begin(&section, role, WO_SECTION_RESTRICTED);
	plan = prepare(query, nargs, types, CURSOR_OPT_NO_SCROLL);
	stream->portal = SPI_cursor_open(NULL, plan, values, NULL, true);
	SPI_freeplan(plan);
	wo_owner_spi_end(&section);
}

/*
 * wo_owner_spi_stream_next returns the next row, good until the next call; NULL at the
 * end.  Functions in the query run now, not when it was opened.
 */
HeapTuple
wo_owner_spi_stream_next(WoStream *stream)
{
	if (stream->next == stream->n)
	{
		WoSection	section;

		if (stream->batch != NULL)
			SPI_freetuptable(stream->batch);
		wo_owner_spi_begin(&section, stream->role, WO_SECTION_RESTRICTED);
		SPI_cursor_fetch(stream->portal, true, STREAM_ROWS);
		wo_owner_spi_end(&section);
		stream->batch = SPI_tuptable;
		stream->n = SPI_processed;
		stream->next = 0;
		if (stream->n == 0)
			return NULL;
	}
	return stream->batch->vals[stream->next++];
}

void
wo_owner_spi_stream_close(WoStream *stream)
{
	if (stream->batch != NULL)
		SPI_freetuptable(stream->batch);
	SPI_cursor_close(stream->portal);
}
