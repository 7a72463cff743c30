/*-------------------------------------------------------------------------
 *
 * deputy.c
 *	  Who stands in for whom: workorder.deputy.
 *
 * Everybody names deputies for himself and for nobody else.  The table is
 * written as its owner (owner_spi.c), so that no application's role can write
 * another person's name into it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "permit/approval.h"
#include "utils/catalog.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/settings.h"

PG_FUNCTION_INFO_V1(workorder_deputise);

static WoStatement name_deputy = {
	.table = "deputy",
	.text = "INSERT INTO workorder.deputy (tenant_id, actor_id, deputy_id, since, until) VALUES ($1, $2, $3, $4, $5)"
	" ON CONFLICT (tenant_id, actor_id, deputy_id, since) DO UPDATE SET until = EXCLUDED.until",
	.nargs = 5,
	.types = {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static WoStatement end_deputy = {
	.table = "deputy",
	.text = "DELETE FROM workorder.deputy WHERE tenant_id OPERATOR(pg_catalog.=) $1"
	" AND actor_id OPERATOR(pg_catalog.=) $2 AND deputy_id OPERATOR(pg_catalog.=) $3",
	.nargs = 3,
	.types = {INT8OID, INT8OID, INT8OID}
};

/*
 * deputise(deputy, since, until) has somebody stand in for the caller.
 */
Datum
workorder_deputise(PG_FUNCTION_ARGS)
{
	const WoActor *me = wo_actor_current();
	const WoActor *deputy = PG_ARGISNULL(0) ? NULL :
		wo_actor_by_login(me->tenant, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	TimestampTz since = PG_ARGISNULL(1) ? wo_settings_now() : PG_GETARG_TIMESTAMPTZ(1);
	Datum		values[5];

	if (me->id == 0 || (deputy != NULL && deputy->id == me->id))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("nobody stands in for himself"),
				 errdetail("A deputy decides in the name of somebody else."),
				 errhint("Sign in, and name somebody else.")));
	if (deputy == NULL || !deputy->active)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("there is no such person"),
				 errdetail("Nobody active has this login."),
				 errhint("Check the spelling.")));
	values[0] = Int64GetDatum(me->tenant);
	values[1] = Int64GetDatum(me->id);
	values[2] = Int64GetDatum(deputy->id);
	values[3] = TimestampTzGetDatum(since);
	values[4] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	/* what ends before it begins, ends */
	if (!PG_ARGISNULL(2) && PG_GETARG_TIMESTAMPTZ(2) <= since)
		(void) wo_owner_spi_run(&end_deputy, values, NULL);
	else
	{
		(void) wo_owner_spi_run_with_nulls(&name_deputy, values, PG_ARGISNULL(2) ? "    n" : NULL, NULL);
	}
	PG_RETURN_VOID();
}
