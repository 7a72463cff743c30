/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  What DDL may not do to a guarded table, and what follows from what it
 *	  does.
 *
 * Event triggers of the extension.  They fire for whoever does DDL in the
 * database, whether a table of theirs is guarded or not, so everything here
 * goes by the catalog, needs no privilege, and does nothing to a table without
 * a guard.  While a dump is restored (is_restore()) triggers, policies and tables
 * come and go one by one, and what stands at the end is what was dumped: then
 * nothing is refused, made or forgotten.
 *
 * Statements run as whoever did the DDL, with the search_path that is set on
 * the functions; what the engine keeps of a table is forgotten as the owner of
 * the engine's tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "row/binding.h"
#include "utils/catalog.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/settings.h"

#define PERMISSIVE	"workorder_permissive"

/* the tables in which it stands, of those in a list of objects */
#define IS_GUARDED(column) \
	"EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = " column \
	" AND t.tgname = '~workorder_guard' AND NOT t.tgisinternal)"

PG_FUNCTION_INFO_V1(workorder_keep_permissive);
PG_FUNCTION_INFO_V1(workorder_after_ddl);
PG_FUNCTION_INFO_V1(workorder_after_drop);

/*
 * relation_name returns a table's name as a statement writes it.
 */
static char *
relation_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

/*
 * execute runs a statement as the caller, in an SPI connection that is open,
 * and sees what the command has done.
 */
static void
execute(const char *query, int expected, int nargs, Oid *types, Datum *values)
{
	wo_owner_spi_expect(SPI_execute_with_args(query, nargs, types, values, NULL, false, 0), expected);
}

/*
 * read_oids returns the first column of what a query selects.
 */
static List *
read_oids(const char *query, MemoryContext context)
{
	List	   *oids = NIL;
	MemoryContext old;

	execute(query, SPI_OK_SELECT, 0, NULL, NULL);
	old = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		if (!isnull)
			oids = list_append_unique_oid(oids, DatumGetObjectId(value));
	}
	MemoryContextSwitchTo(old);
	return oids;
}

/*
 * keep_permissive sees to it that a table has our permissive policy if it has
 * none of its own, and only then: permissive policies are OR-ed, so ours would
 * undo them.  When a policy was made it is only taken away.
 */
static void
keep_permissive(Oid relid, bool may_make)
{
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(relid)};
	bool		isnull;
	bool		ours;
	bool		theirs;

	execute("SELECT coalesce(pg_catalog.bool_or(p.polname = '" PERMISSIVE "'), false),"
			" coalesce(pg_catalog.bool_or(p.polpermissive AND NOT pg_catalog.starts_with(p.polname, 'workorder_')), false)"
			" FROM pg_catalog.pg_policy p WHERE p.polrelid = $1",
			SPI_OK_SELECT, 1, types, values);
	ours = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	theirs = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	if (ours && theirs)
		execute(psprintf("DROP POLICY " PERMISSIVE " ON %s", relation_name(relid)), SPI_OK_UTILITY, 0, NULL, NULL);
	else if (!ours && !theirs && may_make)
	{
		execute(psprintf("CREATE POLICY " PERMISSIVE " ON %s USING (true)", relation_name(relid)),
				SPI_OK_UTILITY, 0, NULL, NULL);
		execute(psprintf("COMMENT ON POLICY " PERMISSIVE " ON %s IS 'workorder: there while the table has no permissive policy of its own'",
						 relation_name(relid)), SPI_OK_UTILITY, 0, NULL, NULL);
	}
}

/*
 * keep_permissive(relation) is for guard() and publish().
 */
Datum
workorder_keep_permissive(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);

	if (get_rel_name(relid) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table with OID %u does not exist", relid),
				 errdetail("It may have been dropped."),
				 errhint("Give the name of a guarded table.")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	keep_permissive(relid, true);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * check_columns refuses a command that has left a table without a column, or
 * with another kind of column, that the engine reads.
 */
static void
check_columns(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		(void) wo_binding_if_guarded(rel);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_WO_INVALID)
			PG_RE_THROW();
		/* it is an error either way, so nothing has to be rolled back first */
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("the engine needs the columns of \"%s\" as they are", RelationGetRelationName(rel)),
				 errdetail("After this command %s.", error->message),
				 errhint("Leave the column as it is, or take the flow away first: SELECT workorder.unguard('%s').",
						 relation_name(relid)),
				 errtable(rel)));
	}
	PG_END_TRY();
	relation_close(rel, AccessShareLock);
}

/*
 * check_event makes sure that PostgreSQL has called an event trigger.
 */
static void
check_event(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("workorder.%s() is an event trigger", name),
				 errhint("CREATE EXTENSION makes the event trigger.")));
}

/*
 * is_restore tells whether a dump is restored, by the settings that pg_dump
 * writes at the head of each.  Whoever makes them by hand may do what these
 * triggers keep from happening by mistake; it is a table's owner, who may take
 * the flow away as well.
 */
static bool
is_restore(void)
{
	return !check_function_bodies && !row_security;
}

/*
 * workorder_after_ddl is the event trigger at the end of ALTER TABLE and CREATE
 * POLICY.
 */
Datum
workorder_after_ddl(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *tables;
	ListCell   *lc;

	check_event(fcinfo, "after_ddl");
	if (is_restore())
		PG_RETURN_NULL();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	tables = wo_maintenance ? NIL :
		read_oids("SELECT c.objid FROM pg_catalog.pg_event_trigger_ddl_commands() c"
				  " WHERE c.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND " IS_GUARDED("c.objid"), context);
	foreach(lc, tables)
		check_columns(lfirst_oid(lc));
	tables = read_oids("SELECT p.polrelid FROM pg_catalog.pg_event_trigger_ddl_commands() c"
					   " JOIN pg_catalog.pg_policy p ON p.oid = c.objid"
					   " WHERE c.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass"
					   " AND NOT pg_catalog.starts_with(p.polname, 'workorder_') AND " IS_GUARDED("p.polrelid"), context);
	foreach(lc, tables)
		keep_permissive(lfirst_oid(lc), false);
	SPI_finish();
	PG_RETURN_NULL();
}

/*
 * find_guarded tells what the engine calls a table that it knows, 0 for none;
 * only one that has a flow now, or also one that had one.
 */
static int32
find_guarded(Oid relid, bool only_active)
{
	Oid			table = wo_catalog_table("guarded", true);
	WoCatalogScan lookup;
	HeapTuple	tuple;
	int32		id = 0;

	if (!OidIsValid(table))
		return 0;
	wo_catalog_begin(&lookup, table, NULL, 0);
	while (id == 0 && (tuple = wo_catalog_next(&lookup)) != NULL)
	{
		bool		isnull;
		Datum		relation = wo_catalog_datum(&lookup, tuple, "relation", REGCLASSOID, &isnull);

		if (!isnull && DatumGetObjectId(relation) == relid &&
			(!only_active || wo_catalog_bool(&lookup, tuple, "active")))
			id = wo_catalog_int32(&lookup, tuple, "id");
	}
	wo_catalog_end(&lookup);
	return id;
}

/*
 * forget_table forgets a guarded table that was dropped.
 */
static void
forget_table(Oid relid)
{
	int32		id = find_guarded(relid, false);
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(id)};

	if (id != 0)
		wo_owner_spi_execute(wo_catalog_owner(wo_catalog_table("guarded", false)), WO_SECTION_FULL,
					  "SELECT workorder.forget($1)", SPI_OK_SELECT, 1, types, values);
}

/*
 * workorder_after_drop is the event trigger after whatever drops something.
 */
Datum
workorder_after_drop(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *tables;
	ListCell   *lc;

	check_event(fcinfo, "after_drop");
	if (is_restore())
		PG_RETURN_NULL();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	tables = wo_maintenance ? NIL :
		read_oids("SELECT pg_catalog.to_regclass(pg_catalog.format('%I.%I', d.address_names[1], d.address_names[2]))::pg_catalog.oid"
				  " FROM pg_catalog.pg_event_trigger_dropped_objects() d"
				  " WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND (d.address_names[3] = '~workorder_guard'"
				  " OR d.address_names[3] = '_workorder_record' OR d.address_names[3] = '~workorder_flush'"
				  " OR d.address_names[3] = '~workorder_truncate')", context);
	foreach(lc, tables)
		if (find_guarded(lfirst_oid(lc), true) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_WO_CONFLICT),
					 errmsg("the engine needs the triggers of \"%s\"", get_rel_name(lfirst_oid(lc))),
					 errdetail("Without them its rows would be changed unjudged, and the journal would not tell."),
					 errhint("Take the flow away: SELECT workorder.unguard('%s').", relation_name(lfirst_oid(lc)))));
	tables = read_oids("SELECT d.objid FROM pg_catalog.pg_event_trigger_dropped_objects() d"
					   " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0"
					   " AND d.object_type = 'table'", context);
	foreach(lc, tables)
		forget_table(lfirst_oid(lc));
	tables = read_oids("SELECT c.oid FROM pg_catalog.pg_event_trigger_dropped_objects() d"
					   " JOIN pg_catalog.pg_class c"
					   " ON c.oid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', d.address_names[1], d.address_names[2]))"
					   " WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass"
					   " AND NOT pg_catalog.starts_with(d.address_names[3], 'workorder_') AND " IS_GUARDED("c.oid"), context);
	foreach(lc, tables)
		keep_permissive(lfirst_oid(lc), true);
	SPI_finish();
	PG_RETURN_NULL();
}
