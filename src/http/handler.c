/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  Finding and calling the functions that routes and APIs name.
 *
 * A function is looked up by name once and called through its FmgrInfo from
 * then on, together with what its language remembers in there.  When any
 * function changes, each is looked up anew at its next call.  Looking up asks
 * nobody's privileges, since the answer is kept for everybody; whether the
 * caller may execute the function is asked at each request.
 *
 * The FmgrInfo lives as long as the compiled routes do.  A handler that comes
 * back to itself through a request gets another one for the inner call, as no
 * language expects one to be used twice at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "http/handler.h"
#include "utils/cache.h"
#include "utils/compat.h"
#include "utils/errors.h"

/* Handlers are valid one by one, see WoHandler.generation. */
static WoCache functions = {.syscache = PROCOID};

static void resolve(WoHandler *handler, Oid result_type);
static Oid	find_function(const char *name, Oid result_type);
static Datum invoke(FmgrInfo *call, Datum request, bool *isnull);

/*
 * wo_handler_type returns a composite type of the extension.
 */
Oid
wo_handler_type(const char *name)
{
	Oid			schema = get_namespace_oid(WO_SCHEMA, false);
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   PointerGetDatum(name), ObjectIdGetDatum(schema));

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type %s.%s does not exist", WO_SCHEMA, name),
				 errdetail("The library is of another version than the extension."),
				 errhint("Run ALTER EXTENSION workorder UPDATE.")));
	return type;
}

/*
 * wo_handler_may_call tells whether the caller may execute a handler, which it
 * looks up.
 */
bool
wo_handler_may_call(WoHandler *handler, Oid result_type)
{
	resolve(handler, result_type);
	return wo_may_execute(handler->function, GetUserId());
}

/*
 * wo_handler_call calls a handler with a request.  The search path is nobody's,
 * whatever the gateway has set.
 */
Datum
wo_handler_call(WoHandler *handler, Oid result_type, Datum request, bool *isnull)
{
	int			level;
	Datum		result;

	resolve(handler, result_type);
	InvokeFunctionExecuteHook(handler->function);

	level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (handler->busy)
	{
		FmgrInfo	call;

		fmgr_info(handler->function, &call);
		result = invoke(&call, request, isnull);
	}
	else
	{
		handler->busy = true;
		PG_TRY();
		{
			result = invoke(&handler->call, request, isnull);
		}
		PG_FINALLY();
		{
			handler->busy = false;
		}
		PG_END_TRY();
	}
	AtEOXact_GUC(true, level);
	return result;
}

static Datum
invoke(FmgrInfo *call, Datum request, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		result;

	InitFunctionCallInfoData(*fcinfo, call, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = request;
	fcinfo->args[0].isnull = false;
	result = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;
	return result;
}

/*
 * resolve makes sure that a handler is the function that its name means now.
 * One that is busy stays what it is until it is done.
 */
static void
resolve(WoHandler *handler, Oid result_type)
{
	uint64		begun = wo_cache_begin(&functions);
	Oid			function;

	if (handler->busy || (OidIsValid(handler->function) && handler->generation == begun))
		return;

	handler->function = InvalidOid;
	function = find_function(handler->name, result_type);
	if (handler->context == NULL)
		handler->context = AllocSetContextCreate(handler->home, "workorder handler",
												 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(handler->context);
	fmgr_info_cxt(function, &handler->call, handler->context);
	handler->generation = begun;
	handler->function = function;
}

/*
 * find_function returns the function schema.name(workorder.http_request) of
 * that result type.
 */
static Oid
find_function(const char *name, Oid result_type)
{
	List	   *names = NIL;
	Oid			argument = wo_handler_type("http_request");
	Oid			schema;
	Oid			function = InvalidOid;

	if (SplitIdentifierString(pstrdup(name), '.', &names) && list_length(names) == 2)
	{
		schema = get_namespace_oid(linitial(names), true);
		if (OidIsValid(schema))
			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
									   CStringGetDatum(lsecond(names)),
									   PointerGetDatum(buildoidvector(&argument, 1)),
									   ObjectIdGetDatum(schema));
	}
	if (OidIsValid(function))
	{
		HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);
		bool		fits = form->prorettype == result_type && !form->proretset &&
			form->prokind == PROKIND_FUNCTION;

		ReleaseSysCache(tuple);
		if (fits)
			return function;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("function %s(%s.http_request) with the result that is needed does not exist",
					name, WO_SCHEMA),
			 errdetail("A route returns %s.http_response, identify returns bigint.", WO_SCHEMA),
			 errhint("Correct the row in workorder.route or workorder.api, or make the function.")));
}
