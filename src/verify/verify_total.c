/*-------------------------------------------------------------------------
 *
 * verify_total.c
 *	  Is the tally what the table holds: a part of workorder.verify().
 *
 * The tally and the rows, counted by tenant and state, are read side by side
 * in one snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "utils/lookup.h"
#include "verify/verify.h"

/* How many tickets of a tenant rest in a state, by one of the two. */
typedef struct Holding
{
	bool		there;			/* false = no more */
	int64		tenant;
	char	   *state;
	int64		n;
} Holding;

static const char *const tally_query =
	"SELECT tenant_id, state, pg_catalog.sum(n)::pg_catalog.int8 FROM ("
	" SELECT tenant_id, state, n FROM workorder.tally WHERE relation_id OPERATOR(pg_catalog.=) $1"
	" UNION ALL SELECT tenant_id, to_state, n FROM workorder.tally_change"
	"  WHERE relation_id OPERATOR(pg_catalog.=) $1"
	" UNION ALL SELECT tenant_id, from_state, OPERATOR(pg_catalog.-) n FROM workorder.tally_change"
	"  WHERE relation_id OPERATOR(pg_catalog.=) $1) y"
	" WHERE state IS NOT NULL GROUP BY tenant_id, state HAVING pg_catalog.sum(n) OPERATOR(pg_catalog.<>) 0"
	" ORDER BY tenant_id, state COLLATE pg_catalog.\"C\"";

/* Reads the next group; its state stays where the caller is. */
static void
next_group(WoStream *stream, Holding *group)
{
	HeapTuple	tuple = wo_stream_next(stream);
	bool		isnull;

	group->there = tuple != NULL;
	if (tuple == NULL)
		return;
	group->tenant = DatumGetInt64(SPI_getbinval(tuple, stream->batch->tupdesc, 1, &isnull));
	group->state = TextDatumGetCString(SPI_getbinval(tuple, stream->batch->tupdesc, 2, &isnull));
	group->n = DatumGetInt64(SPI_getbinval(tuple, stream->batch->tupdesc, 3, &isnull));
}

/* Tells which comes first; what has come to its end comes last. */
static int
compare_groups(const Holding *a, const Holding *b)
{
	if (!a->there || !b->there)
		return a->there ? -1 : b->there ? 1 : 0;
	if (a->tenant != b->tenant)
		return a->tenant < b->tenant ? -1 : 1;
	return strcmp(a->state, b->state);
}

/* Checks the totals of the table that is being verified, if it is counted. */
void
wo_verify_totals(WoVerify *v)
{
	const WoBinding *binding = v->binding;
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(binding->relation_id)};
	const char *tenant;
	const char *state;
	StringInfoData query;
	WoStream	tally;
	WoStream	rows;
	Holding		told;
	Holding		held;

	if (!binding->counted)
		return;
	tenant = quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->tenant - 1)->attname));
	state = quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->engine[WO_STATE] - 1)->attname));
	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s, %s::pg_catalog.text COLLATE pg_catalog.\"C\", pg_catalog.count(*) FROM %s"
					 " WHERE %s IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
					 tenant, state,
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(v->rel)),
												RelationGetRelationName(v->rel)), state);
	wo_stream_open(&tally, wo_lookup_table("tally", false), tally_query, 1, types, values);
	wo_stream_open(&rows, v->relid, query.data, 0, NULL, NULL);
	next_group(&tally, &told);
	next_group(&rows, &held);
	while (told.there || held.there)
	{
		int			order = compare_groups(&told, &held);
		const Holding *either = order <= 0 ? &told : &held;

		CHECK_FOR_INTERRUPTS();
		if (order != 0 || told.n != held.n)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "total",
							 "tenant " INT64_FORMAT " has " INT64_FORMAT " tickets in state \"%s\", its total says " INT64_FORMAT,
							 either->tenant, order >= 0 ? held.n : 0, either->state, order <= 0 ? told.n : 0);
		if (order <= 0)
			next_group(&tally, &told);
		if (order >= 0)
			next_group(&rows, &held);
	}
	wo_stream_close(&tally);
	wo_stream_close(&rows);
}
