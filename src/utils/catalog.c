/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Rows of the engine's own tables by key, without SPI.
 *
 * people.c and auth.c read people, memberships and secrets for callers
 * who may have no privilege on those tables at all, and on every path that
 * needs to be quick.  So they read the heap directly: no parser, no rule, no
 * policy, no trigger comes between.
 *
 * The tables belong to the user (workorder.install() only makes them), who
 * may add columns and indexes or rebuild them.  Columns and indexes are
 * found by name and by shape at each scan, and so are tables, but for those
 * that every act writes (heap_append.c).  A scan reads the latest committed
 * rows and those of its own transaction, whatever the isolation level and in a
 * parallel query too: rights are those of now, and what is kept of them must
 * not be older than the invalidations that were heard (cache.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "utils/catalog.h"
#include "utils/errors.h"

static AttrNumber column_number(Relation rel, const char *column, Oid type);
static Oid	find_index(Relation rel, const ScanKeyData *keys, int nkeys);
static bool index_serves(Relation index, const ScanKeyData *keys, int nkeys);
static int	index_position(Form_pg_index form, AttrNumber attnum);

/*
 * wo_catalog_table finds one of the tables that workorder.install() makes;
 * InvalidOid if it is not there and may be missing.  The answer is not to be
 * kept over an invalidation: the table may be dropped and made again.
 */
Oid
wo_catalog_table(const char *name, bool missing_ok)
{
	Oid			schema = get_namespace_oid(WO_SCHEMA, true);
	Oid			table = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(table))
	{
		if (missing_ok)
			return InvalidOid;
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table %s.%s does not exist", WO_SCHEMA, name),
				 errdetail("The engine keeps its data in tables of yours, and they are not made yet."),
				 errhint("Run SELECT workorder.install().")));
	}
	if (get_rel_relkind(table) != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s.%s\" is not an ordinary table", WO_SCHEMA, name),
				 errdetail("The engine reads this table directly."),
				 errhint("Put back the table that workorder.install() made.")));
	return table;
}

/*
 * wo_catalog_owner returns whose a table is.
 */
Oid
wo_catalog_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * wo_catalog_begin starts a scan of the rows in which every key column equals
 * its value.  A btree index that starts with these columns, in any order, is
 * used; without one the whole table is read.
 */
void
wo_catalog_begin(WoCatalogScan *lookup, Oid table, const WoCatalogKey *keys, int nkeys)
{
	/* GetLatestSnapshot() may not be called in parallel mode, which this is for */
	wo_catalog_begin_in(lookup, table, keys, nkeys, GetCatalogSnapshot(table));
}

/*
 * wo_catalog_begin_in does so for the rows of a snapshot, for who compares them
 * with other rows of the same.
 */
void
wo_catalog_begin_in(WoCatalogScan *lookup, Oid table, const WoCatalogKey *keys, int nkeys, Snapshot snapshot)
{
	ScanKeyData scankeys[WO_CATALOG_KEYS];
	Oid			index;

	Assert(nkeys <= WO_CATALOG_KEYS);
	lookup->rel = table_open(table, AccessShareLock);
	/* a partitioned table has no rows of its own, and a foreign one is elsewhere */
	if (lookup->rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an ordinary table", RelationGetRelationName(lookup->rel)),
				 errdetail("The engine reads this table directly."),
				 errhint("Put an ordinary table in its place."),
				 errtable(lookup->rel)));
	for (int i = 0; i < nkeys; i++)
	{
		AttrNumber	attnum = column_number(lookup->rel, keys[i].column, keys[i].type);
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(lookup->rel), attnum - 1);

		ScanKeyEntryInitialize(&scankeys[i], 0, attnum, BTEqualStrategyNumber,
							   InvalidOid, att->attcollation,
							   keys[i].type == INT8OID ? F_INT8EQ :
							   keys[i].type == INT4OID ? F_INT4EQ : F_TEXTEQ,
							   keys[i].value);
	}

	lookup->snapshot = RegisterSnapshot(snapshot);
	index = find_index(lookup->rel, scankeys, nkeys);
	lookup->scan = systable_beginscan(lookup->rel, index, OidIsValid(index),
									  lookup->snapshot, nkeys, scankeys);
}

/*
 * wo_catalog_next returns the next row, or NULL.  It is good until the next
 * call of this or wo_catalog_end().
 */
HeapTuple
wo_catalog_next(WoCatalogScan *lookup)
{
	CHECK_FOR_INTERRUPTS();
	return systable_getnext(lookup->scan);
}

void
wo_catalog_end(WoCatalogScan *lookup)
{
	systable_endscan(lookup->scan);
	UnregisterSnapshot(lookup->snapshot);
	table_close(lookup->rel, AccessShareLock);
}

/*
 * wo_catalog_int64 returns a bigint column, 0 for null.
 */
int64
wo_catalog_int64(WoCatalogScan *lookup, HeapTuple tuple, const char *column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column_number(lookup->rel, column, INT8OID),
									 RelationGetDescr(lookup->rel), &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/*
 * wo_catalog_int32 returns an integer column, 0 for null.
 */
int32
wo_catalog_int32(WoCatalogScan *lookup, HeapTuple tuple, const char *column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column_number(lookup->rel, column, INT4OID),
									 RelationGetDescr(lookup->rel), &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

/*
 * wo_catalog_bool returns a boolean column, false for null.
 */
bool
wo_catalog_bool(WoCatalogScan *lookup, HeapTuple tuple, const char *column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column_number(lookup->rel, column, BOOLOID),
									 RelationGetDescr(lookup->rel), &isnull);

	return !isnull && DatumGetBool(value);
}

/*
 * wo_catalog_text returns a copy of a text column in the current memory
 * context, NULL for null.
 */
char *
wo_catalog_text(WoCatalogScan *lookup, HeapTuple tuple, const char *column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column_number(lookup->rel, column, TEXTOID),
									 RelationGetDescr(lookup->rel), &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/*
 * wo_catalog_bytea returns a copy of a bytea column in the current memory
 * context, NULL for null.
 */
bytea *
wo_catalog_bytea(WoCatalogScan *lookup, HeapTuple tuple, const char *column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column_number(lookup->rel, column, BYTEAOID),
									 RelationGetDescr(lookup->rel), &isnull);

	return isnull ? NULL : DatumGetByteaPCopy(value);
}

/*
 * wo_catalog_datum returns a column of any type that is passed by value.
 */
Datum
wo_catalog_datum(WoCatalogScan *lookup, HeapTuple tuple, const char *column, Oid type, bool *isnull)
{
	return heap_getattr(tuple, column_number(lookup->rel, column, type),
						RelationGetDescr(lookup->rel), isnull);
}

/*
 * column_number finds a column by name and makes sure that its values can be
 * read as the type the caller expects.
 */
static AttrNumber
column_number(Relation rel, const char *column, Oid type)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(rel), column);

	if (attnum > 0)
	{
		Oid			actual = TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid;

		if (actual == type || (type == TEXTOID && actual == VARCHAROID))
			return attnum;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("table \"%s.%s\" has no column \"%s\" of type %s", WO_SCHEMA,
					RelationGetRelationName(rel), column, format_type_be(type)),
			 errdetail("The engine reads this column directly."),
			 errhint("Put back the column that workorder.install() made.")));
}

/*
 * find_index returns an index that answers the keys, or InvalidOid.
 */
static Oid
find_index(Relation rel, const ScanKeyData *keys, int nkeys)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index_serves(index, keys, nkeys))
			found = lfirst_oid(lc);
		index_close(index, AccessShareLock);
		if (OidIsValid(found))
			break;
	}
	list_free(indexes);
	return found;
}

/*
 * index_serves tells whether an index starts with exactly the key columns,
 * compares them as the keys do and contains every row they can match.
 */
static bool
index_serves(Relation index, const ScanKeyData *keys, int nkeys)
{
	Form_pg_index form = index->rd_index;
	List	   *predicate;

	if (index->rd_rel->relam != BTREE_AM_OID || form->indnkeyatts < nkeys ||
		!form->indisvalid || form->indcheckxmin)
		return false;

	for (int i = 0; i < nkeys; i++)
	{
		int			position = index_position(form, keys[i].sk_attno);
		Oid			type;
		Oid			equality;

		if (position < 0 || position >= nkeys ||
			index->rd_indcollation[position] != keys[i].sk_collation)
			return false;
		type = index->rd_opcintype[position];
		equality = get_opfamily_member(index->rd_opfamily[position], type, type,
									   BTEqualStrategyNumber);
		if (!OidIsValid(equality) || get_opcode(equality) != keys[i].sk_func.fn_oid)
			return false;
	}

	/* A key is never null, so "WHERE key IS NOT NULL" leaves nothing out. */
	predicate = RelationGetIndexPredicate(index);
	if (predicate != NIL)
	{
		NullTest   *test = (NullTest *) linitial(predicate);
		int			position;

		if (list_length(predicate) != 1 || !IsA(test, NullTest) ||
			test->nulltesttype != IS_NOT_NULL || !IsA(test->arg, Var))
			return false;
		position = index_position(form, ((Var *) test->arg)->varattno);
		if (position < 0 || position >= nkeys)
			return false;
	}
	return true;
}

/*
 * index_position returns where in an index a column of the table is, or -1.
 */
static int
index_position(Form_pg_index form, AttrNumber attnum)
{
	for (int i = 0; i < form->indnkeyatts; i++)
		if (form->indkey.values[i] == attnum)
			return i;
	return -1;
}
