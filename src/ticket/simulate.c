/*-------------------------------------------------------------------------
 *
 * simulate.c
 *	  What workorder.simulate() needs of the engine: a flow that only this
 *	  session knows, somebody who acts at some time, and timers that fire.
 *
 * All of it ends when the subtransaction is rolled back that simulate() works
 * in (simulate.sql): the flow is forgotten, who acts and the clock are what
 * they were.  The ticket is a row of a temporary table that is guarded like any
 * other, so what is simulated is what would happen.  These functions are
 * simulate()'s; whoever may call them could act for anybody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/flow_compile.h"
#include "timer/timer.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"

/* What the journal and the timers call the table of a simulation. */
#define REHEARSAL_RELATION	(-1)

PG_FUNCTION_INFO_V1(workorder_simulate_begin);
PG_FUNCTION_INFO_V1(workorder_simulate_as);
PG_FUNCTION_INFO_V1(workorder_simulate_timer);

/*
 * refuse_outside makes sure that what is done here can be undone.
 */
static void
refuse_outside(void)
{
	if (GetCurrentTransactionNestLevel() < 2)
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("this is for workorder.simulate() only"),
				 errdetail("It has to be rolled back with a subtransaction."),
				 errhint("Call workorder.simulate().")));
}

/*
 * people_columns returns the columns of a flow that hold people.
 */
static Bitmapset *
people_columns(const WoFlow *flow)
{
	Bitmapset  *result = NULL;

	for (int s = 0; s < flow->nstates; s++)
		for (int a = 0; a < flow->nactions; a++)
			for (int i = 0; i < flow->states[s].on[a].n; i++)
			{
				const WoTransition *c = &flow->states[s].on[a].item[i];

				result = bms_add_members(bms_add_members(result, c->relations), c->exclude_relations);
			}
	return result;
}

/*
 * simulate_begin(definition) makes a document the flow of the simulation, and lists
 * the columns that it names, and which of them hold people, or a time that a
 * timer follows.
 */
Datum
workorder_simulate_begin(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context;
	WoFlow	   *flow;
	Bitmapset  *people;
	Bitmapset  *dates = NULL;

	refuse_outside();
	InitMaterializedSRF(fcinfo, 0);
	context = AllocSetContextCreate(TopTransactionContext, "workorder simulation", ALLOCSET_SMALL_SIZES);
	flow = wo_flow_compile(PG_GETARG_JSONB_P(0), context, NULL);
	wo_flow_cache_simulate(flow);
	people = people_columns(flow);
	for (int s = 0; s < flow->nstates; s++)
		for (int d = 0; d < flow->states[s].ndelays; d++)
			if (flow->states[s].delays[d].column >= 0)
				dates = bms_add_member(dates, flow->states[s].delays[d].column);
	for (int c = 0; c < flow->ncolumns; c++)
	{
		Datum		values[3] = {
			CStringGetTextDatum(flow->columns[c]), BoolGetDatum(bms_is_member(c, people)), BoolGetDatum(bms_is_member(c, dates))
		};
		bool		nulls[3] = {false, false, false};

		if (!wo_flow_reserved(flow->columns[c]))
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * set_clock fixes the clock until the subtransaction ends.
 */
static void
set_clock(TimestampTz at)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(at)));

	(void) set_config_option("workorder.now", text, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * simulate_as(actor, at) says who acts from now on, and when; null is nobody,
 * or whenever it was.
 */
Datum
workorder_simulate_as(PG_FUNCTION_ARGS)
{
	refuse_outside();
	wo_actor_assume(wo_actor_current()->tenant, PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0));
	if (!PG_ARGISNULL(1))
		set_clock(PG_GETARG_TIMESTAMPTZ(1));
	PG_RETURN_VOID();
}

/*
 * simulate_timer(relation, upto) fires the ticket's timer that is due first,
 * at the time when it is due, and returns what the journal calls it; null if
 * none is due by then.
 */
Datum
workorder_simulate_timer(PG_FUNCTION_ARGS)
{
	static const char *const claim =
		"UPDATE workorder.timer c SET fired_at = c.next_at, next_at = NULL"
		" FROM (SELECT t.ctid FROM workorder.timer t WHERE t.tenant_id OPERATOR(pg_catalog.=) $1"
		" AND t.guarded_id OPERATOR(pg_catalog.=) $2 AND t.next_at OPERATOR(pg_catalog.<=) $3 ORDER BY t.next_at LIMIT 1) d"
		" WHERE c.ctid OPERATOR(pg_catalog.=) d.ctid RETURNING c.state, c.delay, c.fired_at";
	Oid			types[3] = {INT8OID, INT4OID, TIMESTAMPTZOID};
	Datum		values[3];
	int64		tenant = wo_actor_current()->tenant;
	const WoActor *system = wo_actor_by_login(tenant, WO_SYSTEM_LOGIN);
	char	   *name = get_rel_name(PG_GETARG_OID(0));
	char	   *relation;
	WoFiring	firing = {.guarded_id = REHEARSAL_RELATION};
	text	   *result = NULL;

	refuse_outside();
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table with OID %u does not exist", PG_GETARG_OID(0)),
				 errdetail("The timers of a simulation are those of its table."),
				 errhint("Call workorder.simulate().")));
	relation = quote_qualified_identifier(get_namespace_name(get_rel_namespace(PG_GETARG_OID(0))), name);
	values[0] = Int64GetDatum(tenant);
	values[1] = Int32GetDatum(REHEARSAL_RELATION);
	values[2] = PG_GETARG_DATUM(1);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	wo_owner_spi_expect(SPI_execute_with_args(claim, 3, types, values, NULL, false, 0), SPI_OK_UPDATE_RETURNING);
	if (SPI_processed > 0)
	{
		HeapTuple	tuple = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;

		firing.state = SPI_getvalue(tuple, desc, 1);
		firing.delay = SPI_getvalue(tuple, desc, 2);
		firing.action = psprintf("%s%s", WO_ACTION_AFTER, firing.delay);
		set_clock(DatumGetTimestampTz(SPI_getbinval(tuple, desc, 3, &isnull)));
		values[0] = CStringGetTextDatum(firing.action);
		types[0] = TEXTOID;
		PG_TRY();
		{
			wo_actor_be_system(tenant, system != NULL ? system->id : 0);
			wo_firing = &firing;
			wo_owner_spi_expect(SPI_execute_with_args(psprintf("UPDATE %s SET action = $1", relation), 1, types, values,
											NULL, false, 0), SPI_OK_UPDATE);
		}
		PG_FINALLY();
		{
			wo_firing = NULL;
			wo_actor_be_system(0, 0);
		}
		PG_END_TRY();
		{
			MemoryContext spi = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

			result = cstring_to_text(firing.action);
			MemoryContextSwitchTo(spi);
		}
	}
	SPI_finish();
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}
