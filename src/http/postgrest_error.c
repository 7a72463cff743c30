/*-------------------------------------------------------------------------
 *
 * postgrest_error.c
 *	  Errors for PostgREST's own clients.
 *
 * PostgREST gives an SQLSTATE that it does not know the status 400, and takes
 * a status from an error only if that has the SQLSTATE PGRST and JSON for a
 * message.  So while it serves a request, which it says in request.method, an
 * error of class WO that leaves a statement of its is put into that form, with
 * the status that its digits mean; WO400 becomes 422, since the request itself
 * was understood.
 *
 * Only what leaves the outermost statement is changed.  Functions, triggers
 * and the dispatcher catch the error as it was raised.  A session that
 * sets request.method itself changes nothing but the form of its own errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "utils/guc.h"
#include "utils/json.h"

#include "http/postgrest_error.h"
#include "utils/compat.h"

#define METHOD			"request.method"
#define ERRCODE_PGRST	MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')

static ExecutorRun_hook_type next_run = NULL;
static ExecutorFinish_hook_type next_finish = NULL;

/* how many statements are being executed within each other */
static int	depth = 0;

/*
 * is_served tells whether the gateway executes a statement for a client.
 */
static bool
is_served(void)
{
	const char *method = depth == 0 ? GetConfigOption(METHOD, true, false) : NULL;

	return method != NULL && method[0] != '\0';
}

/*
 * add_member appends a member of an object, null for NULL.
 */
static void
add_member(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "%s\"%s\":", json->len > 1 ? "," : "", name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, value);
}

/*
 * rethrow goes on with the error that was caught, translated if it is ours.
 */
static void
rethrow(MemoryContext context)
{
	const char *code = unpack_sql_state(geterrcode());
	int			status;
	ErrorData  *error;
	StringInfoData json;

	if (code[0] != 'W' || code[1] != 'O' || (code[2] != '4' && code[2] != '5') ||
		code[3] < '0' || code[3] > '9' || code[4] < '0' || code[4] > '9')
		PG_RE_THROW();
	status = atoi(code + 2);
	if (status == 400)
		status = 422;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	add_member(&json, "code", unpack_sql_state(error->sqlerrcode));
	add_member(&json, "message", error->message);
	add_member(&json, "details", error->detail);
	add_member(&json, "hint", error->hint);
	appendStringInfoChar(&json, '}');
	error->sqlerrcode = ERRCODE_PGRST;
	error->message = json.data;
	error->detail = psprintf("{\"status\":%d,\"headers\":{}}", status);
	error->hint = NULL;
	ReThrowError(error);
}

/*
 * run executes a statement, from which BEFORE triggers and functions raise.
 */
static void
run(WO_EXECUTOR_RUN_PARAMETERS)
{
	MemoryContext context = CurrentMemoryContext;
	bool		served = is_served();

	depth++;
	PG_TRY();
	{
		if (next_run != NULL)
			next_run(WO_EXECUTOR_RUN_ARGUMENTS);
		else
			standard_ExecutorRun(WO_EXECUTOR_RUN_ARGUMENTS);
		depth--;
	}
	PG_CATCH();
	{
		depth--;
		if (served)
			rethrow(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * finish ends a statement, when AFTER triggers raise.
 */
static void
finish(QueryDesc *query)
{
	MemoryContext context = CurrentMemoryContext;
	bool		served = is_served();

	depth++;
	PG_TRY();
	{
		if (next_finish != NULL)
			next_finish(query);
		else
			standard_ExecutorFinish(query);
		depth--;
	}
	PG_CATCH();
	{
		depth--;
		if (served)
			rethrow(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * wo_postgrest_error_init registers the hooks, once per process.
 */
void
wo_postgrest_error_init(void)
{
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = run;
	next_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish;
}
