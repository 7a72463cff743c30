/*-------------------------------------------------------------------------
 *
 * why.c
 *	  Who could move a ticket now and what its clocks are (workorder.why()), and what
 *	  would happen (workorder.simulate()).
 *
 * For each action that the ticket's state knows, the people whom "allow" could
 * mean are gathered, and the one predicate (permit.c) judges each of them as it
 * would judge the caller.  What is told is bounded: at most MAX_TOLD people of
 * an action by number, and no more than MAX_JUDGED are judged.
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

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "flow/flow_compile.h"
#include "permit/approval.h"
#include "permit/evaluation.h"
#include "permit/permit.h"
#include "permit/reason.h"
#include "row/binding.h"
#include "ticket/act.h"
#include "ticket/ticket.h"
#include "timer/timer.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"

/* ----------------------------------------------------------------
 *		why()
 * ----------------------------------------------------------------
 */

#define MAX_TOLD	50
#define MAX_JUDGED	1000

PG_FUNCTION_INFO_V1(workorder_eligible);
PG_FUNCTION_INFO_V1(workorder_clocks);
PG_FUNCTION_INFO_V1(workorder_decides_for);

/*
 * find_ticket opens the table and finds a ticket that the caller may see.
 */
static HeapTuple
find_ticket(FunctionCallInfo fcinfo, Relation *rel, WoBinding **binding)
{
	HeapTuple	tuple;

	*rel = wo_binding_open(PG_GETARG_OID(0), AccessShareLock, binding);
	tuple = wo_ticket_find(*rel, *binding, DatumGetTicketId(PG_GETARG_DATUM(1)));
	if (tuple == NULL)
		wo_ticket_not_found(*rel, DatumGetTicketId(PG_GETARG_DATUM(1)));
	return tuple;
}

/*
 * add_person adds somebody to a list, once.
 */
static List *
add_person(List *people, int64 id)
{
	ListCell   *lc;
	int64	   *copy;

	foreach(lc, people)
		if (*(int64 *) lfirst(lc) == id)
			return people;
	copy = palloc(sizeof(int64));
	*copy = id;
	return lappend(people, copy);
}

/*
 * gather_approvers adds those who have been asked to decide, and those who
 * stand in for them.
 */
static List *
gather_approvers(WoEvaluation *c, List *people)
{
	ListCell   *lc;
	ListCell   *holder;

	foreach(lc, wo_approval_current(c)->tasks)
	{
		const WoTask *task = lfirst(lc);

		if (task->who != 0)
		{
			people = add_person(people, task->who);
			if (task->vote == 0)
				foreach(holder, wo_approval_deputies(c->actor->tenant, task->who, c->now))
					people = add_person(people, *(int64 *) lfirst(holder));
		}
		else if (task->role != NULL)
			foreach(holder, wo_actor_holders(c->actor->tenant, task->role))
				if (list_length(people) < MAX_JUDGED)
					people = add_person(people, *(int64 *) lfirst(holder));
	}
	return people;
}

/*
 * gather adds the people whom "allow" of an action could mean here, and tells
 * whether there are more than are judged.  "*" means whoever sees the ticket.
 */
static List *
gather(WoEvaluation *c, int action, List *people, bool *too_many)
{
	for (int s = c->leaf; s >= 0; s = c->flow->states[s].parent)
		for (int i = 0; i < c->flow->states[s].on[action].n; i++)
		{
			const WoTransition *candidate = &c->flow->states[s].on[action].item[i];
			int			n = -1;
			ListCell   *lc;

			if (candidate->approvers != NULL)
				people = gather_approvers(c, people);
			if (candidate->everybody && action != c->flow->action_view)
				people = gather(c, c->flow->action_view, people, too_many);
			while ((n = bms_next_member(candidate->relations, n)) >= 0)
			{
				int64		person = wo_evaluation_person(c, n, false);

				if (person != 0)
					people = add_person(people, person);
			}
			n = -1;
			while ((n = bms_next_member(candidate->roles, n)) >= 0)
				foreach(lc, wo_actor_holders(c->actor->tenant, c->flow->roles[n]))
				{
					if (list_length(people) >= MAX_JUDGED)
					{
						*too_many = true;
						return people;
					}
					people = add_person(people, *(int64 *) lfirst(lc));
				}
		}
	return people;
}

/*
 * may_take tells whether somebody could take an action, once they give what it
 * needs.  Who does not see the ticket cannot.
 */
static bool
may_take(WoEvaluation *c, int action, const WoActor *actor, WoVerdict *verdict)
{
	c->actor = actor;
	c->vars_json = NULL;
	c->quiet = true;
	return wo_permit_view(c) && wo_permit(c, action, false, verdict);
}

/*
 * missing_input returns the input that an action still needs.
 */
static Datum
missing_input(WoEvaluation *c, int action, const WoActor *actor)
{
	WoVerdict	verdict;
	ListCell   *lc;
	Datum	   *columns;
	int			n = 0;

	c->actor = actor;
	c->vars_json = NULL;
	c->quiet = false;
	(void) wo_permit(c, action, true, &verdict);
	columns = palloc(sizeof(Datum) * Max(list_length(verdict.reasons), 1));
	foreach(lc, verdict.reasons)
		if (((WoReason *) lfirst(lc))->input)
			columns[n++] = CStringGetTextDatum(((WoReason *) lfirst(lc))->column);
	return PointerGetDatum(construct_array(columns, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * put_action judges everybody for one action and returns what comes of it.
 */
static void
put_action(ReturnSetInfo *result, WoEvaluation *c, int action)
{
	int64		tenant = c->actor->tenant;
	const WoActor *caller = c->actor;
	WoActor		stranger = {.tenant = tenant, .login = "", .name = ""};
	const WoActor *first = NULL;
	WoVerdict	taken = {0};
	WoVerdict	verdict;
	Datum		told[MAX_TOLD];
	int			ntold = 0;
	int64		more = 0;
	bool		too_many = false;
	bool		everybody;
	ListCell   *lc;
	Datum		values[8];
	bool		nulls[8] = {false};

	everybody = may_take(c, action, &stranger, &verdict);
	if (everybody)
	{
		first = &stranger;
		taken = verdict;
	}
	c->actor = caller;
	/* where strangers may, there is nobody to be told of */
	foreach(lc, everybody ? NIL : gather(c, action, NIL, &too_many))
	{
		const WoActor *person = wo_actor_by_id(tenant, *(int64 *) lfirst(lc));

		CHECK_FOR_INTERRUPTS();
		if (person == NULL || !person->active || !may_take(c, action, person, &verdict))
			continue;
		if (first == NULL)
		{
			first = person;
			taken = verdict;
		}
		if (ntold < MAX_TOLD)
			told[ntold++] = Int64GetDatum(person->id);
		else
			more++;
	}

	values[0] = CStringGetTextDatum(c->flow->actions[action]);
	nulls[1] = first == NULL || taken.taken->target < 0;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(c->flow->states[wo_permit_leads_to(c, &taken)].path);
	nulls[2] = first == NULL || taken.taken->quorum == WO_QUORUM_NONE;
	if (!nulls[2])
	{
		WoQuorumCount count;

		c->actor = first;
		wo_approval_count_votes(c, taken.taken, &count);
		values[2] = Int32GetDatum(count.need);
	}
	values[3] = BoolGetDatum(everybody);
	values[4] = PointerGetDatum(construct_array(told, ntold, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[5] = Int64GetDatum(more);
	values[6] = BoolGetDatum(too_many);
	nulls[7] = first == NULL;
	values[7] = first == NULL ? (Datum) 0 : missing_input(c, action, first);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	c->actor = caller;
	c->vars_json = NULL;
}

/*
 * eligible(relation, id) tells of each action that the ticket's state knows who
 * could take it now.
 */
Datum
workorder_eligible(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	WoBinding  *binding;
	Relation	rel;
	WoRow		row;
	WoRow		same;
	WoEvaluation		c;
	HeapTuple	tuple;
	ListCell   *name;

	InitMaterializedSRF(fcinfo, 0);
	tuple = find_ticket(fcinfo, &rel, &binding);
	row = wo_binding_row(binding, tuple);
	same = wo_binding_row(binding, tuple);
	wo_evaluation_begin(&c, binding, &row, &same);
	foreach(name, wo_permit_possible(&c))
	{
		int			action = wo_flow_action(c.flow, lfirst(name));

		CHECK_FOR_INTERRUPTS();
		if (action != c.flow->action_view)
			put_action(result, &c, action);
	}
	table_close(rel, NoLock);
	return (Datum) 0;
}

/*
 * clocks(relation, id) lists the timers of a ticket that have not fired.
 */
Datum
workorder_clocks(PG_FUNCTION_ARGS)
{
	static WoStatement read = {
		.table = "timer",
		.text = "SELECT state, delay, due_at, rest FROM workorder.timer WHERE tenant_id OPERATOR(pg_catalog.=) $1"
		" AND guarded_id OPERATOR(pg_catalog.=) $2 AND ticket_id OPERATOR(pg_catalog.=) $3 AND fired_at IS NULL"
		" ORDER BY due_at, state, delay",
		.reads = true,
		.nargs = 3,
		.types = {INT8OID, INT4OID, INT8OID}
	};
	WoBinding  *binding;
	Relation	rel;
	Datum		values[3];

	InitMaterializedSRF(fcinfo, 0);
	(void) find_ticket(fcinfo, &rel, &binding);
	values[0] = Int64GetDatum(wo_actor_current()->tenant);
	values[1] = Int32GetDatum(binding->guarded_id);
	values[2] = PG_GETARG_DATUM(1);
	wo_owner_spi_read(&read, values, (ReturnSetInfo *) fcinfo->resultinfo);
	table_close(rel, NoLock);
	return (Datum) 0;
}

/*
 * decides_for(relation, id) tells in whose name the caller could decide a
 * ticket now; null if in nobody's but their own, or not at all.
 */
Datum
workorder_decides_for(PG_FUNCTION_ARGS)
{
	Relation	rel;
	WoBinding  *binding;
	HeapTuple	tuple;
	int64		result = 0;

	rel = wo_binding_open(PG_GETARG_OID(0), AccessShareLock, &binding);
	tuple = wo_ticket_find(rel, binding, DatumGetTicketId(PG_GETARG_DATUM(1)));
	if (tuple != NULL)
	{
		WoRow		row = wo_binding_row(binding, tuple);
		WoEvaluation		c;
		WoVerdict	verdict;
		WoTask	   *task;

		wo_evaluation_begin(&c, binding, &row, &row);
		for (int a = 0; a < c.flow->nactions && result == 0; a++)
			if (may_take(&c, a, c.actor, &verdict) && verdict.taken->approvers != NULL)
				(void) wo_approval_status(&c, verdict.taken, &task, &result);
	}
	table_close(rel, AccessShareLock);
	if (result == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(result);
}

WO_BY_KEY(workorder_clocks, false)

WO_BY_KEY(workorder_decides_for, false)

WO_BY_KEY(workorder_eligible, false)

/* ----------------------------------------------------------------
 *		simulate()
 * ----------------------------------------------------------------
 */

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
