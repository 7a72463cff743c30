/*-------------------------------------------------------------------------
 *
 * counter.c
 *	  Numbers for people: series of a tenant, without gaps.
 *
 * A series is a row of workorder.counter.  Taking a number updates the row,
 * so the next one waits until this transaction has ended: that is what keeps
 * gaps out.  Nobody needs a privilege on the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_next_number);

static WoStatement take_number = {
	.table = "counter",
	.text = "INSERT INTO workorder.counter AS c (tenant_id, name, value) VALUES ($1, $2, 1)"
	" ON CONFLICT (tenant_id, name) DO UPDATE SET value = c.value OPERATOR(pg_catalog.+) 1"
	" RETURNING value",
	.nargs = 2,
	.types = {INT8OID, TEXTOID}
};

/*
 * next_number(name) returns the next number of a series.
 */
Datum
workorder_next_number(PG_FUNCTION_ARGS)
{
	Datum		values[2];
	int64		number;

	if (PG_ARGISNULL(0) || wo_value_blank(TEXTOID, PG_GETARG_DATUM(0), false))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("name of the series is blank"),
				 errdetail("Every series of numbers has a name."),
				 errhint("Give a name.")));
	values[0] = Int64GetDatum(wo_actor_current()->tenant);
	values[1] = PG_GETARG_DATUM(0);
	if (!wo_owner_spi_run(&take_number, values, &number))
		elog(ERROR, "workorder.counter gave no number");
	PG_RETURN_INT64(number);
}
