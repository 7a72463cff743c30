/*-------------------------------------------------------------------------
 *
 * http.c
 *	  The entry for requests; and errors for PostgREST's own clients.
 *
 * The gateway calls workorder.http_read(bytea) or http_write(bytea) with the
 * body and says in request.headers what method, URI and content type the
 * client sent.  These headers carry routing and nothing else: who acts is
 * actor.c's to say, what they may do the policies' and the engine's.
 *
 * The order of checks is the same for every API: the route (404, 405), the
 * body's size and type (413, 415), somebody acting (401), the body and the
 * query (400), the key of a request that may come again (400, 422), then the
 * handler.  From the third on, everything happens in a subtransaction, and an
 * error there becomes the API's own envelope; so does one of a deferred
 * constraint, which is checked before the subtransaction ends.  What the
 * handler did is undone, too, when it answers with a refusal instead of
 * raising one.
 *
 * Re-thrown are a cancelled query, resources that are exhausted and an
 * operator's intervention: they are the server's, and the gateway knows them.
 * Not so 40001, which some gateways would repeat without end.
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

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "actor/actor.h"
#include "http/answer.h"
#include "http/handler.h"
#include "http/http.h"
#include "http/idempotency.h"
#include "http/request.h"
#include "http/route.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"

/* ----------------------------------------------------------------
 *		the dispatcher
 * ----------------------------------------------------------------
 */

#define HEADERS		"request.headers"

#define JSON_TYPE	"application/json"
#define FORM_TYPE	"application/x-www-form-urlencoded"
#define TEXT_TYPE	"text/plain"

static void read_headers(WoHttpRequest *request);
static bool find_route(WoHttpRequest *request, WoHttpAnswer *answer);
static bool check_body(WoHttpRequest *request, WoHttpAnswer *answer);
static void answer_options(int allowed, WoHttpAnswer *answer);
static char *list_methods(int allowed);
static bool takes_type(const WoBodyRules *rules, const char *type);
static bool is_unnamed_json(const WoHttpRequest *request);
static void serve_safely(WoHttpRequest *request, WoHttpAnswer *answer);
static WoHttpReason serve(WoHttpRequest *request, WoHttpAnswer *answer);
static bool identify(const WoApi *api, Datum datum);
static bool is_member(const WoApi *api);
static void run_as(WoSection *section, const char *role);
static void check_constraints(void);
static void log_error(const WoHttpRequest *request, const ErrorData *error);
static char *without_quotes(const char *message);

PG_FUNCTION_INFO_V1(workorder_http);

static const WoSpan nobody = {"", 0};

/*
 * workorder_http answers a request whose body it is given.
 */
Datum
workorder_http(PG_FUNCTION_ARGS)
{
	WoHttpRequest *request = palloc0(sizeof(WoHttpRequest));
	WoHttpAnswer answer = {0};

	request->body = "";
	if (!PG_ARGISNULL(0))
	{
		bytea	   *body = PG_GETARG_BYTEA_PP(0);

		request->body = VARDATA_ANY(body);
		request->body_len = VARSIZE_ANY_EXHDR(body);
	}
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("HTTP needs a database in UTF8"),
				 errdetail("This one is in %s.", GetDatabaseEncodingName()),
				 errhint("Create the database with ENCODING 'UTF8'.")));
	read_headers(request);
	if (find_route(request, &answer) && check_body(request, &answer))
		serve_safely(request, &answer);
	PG_RETURN_BYTEA_P(wo_answer_send(&answer));
}

/*
 * read_headers reads what the gateway says the client has sent.
 */
static void
read_headers(WoHttpRequest *request)
{
	static const char *const names[] = {"x-original-method", "x-original-uri", "x-original-content-type",
		"idempotency-key"};
	const char *headers = GetConfigOption(HEADERS, true, false);
	const char *found[lengthof(names)] = {NULL};

	if (headers != NULL && headers[0] != '\0')
	{
		Jsonb	   *object = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(headers)));
		JsonbValue	value;

		for (int i = 0; i < lengthof(names) && JB_ROOT_IS_OBJECT(object); i++)
			if (getKeyJsonValueFromContainer(&object->root, names[i], strlen(names[i]), &value) != NULL &&
				value.type == jbvString)
				found[i] = pnstrdup(value.val.string.val, value.val.string.len);
	}
	if (found[0] == NULL || found[1] == NULL || found[0][0] == '\0' || found[1][0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("this is not a request of a client"),
				 errdetail("The headers X-Original-Method and X-Original-URI are missing."),
				 errhint("Call it through the proxy that sets them.")));
	request->method_name = found[0];
	request->uri = found[1];
	request->content_type = found[2] != NULL ? found[2] : "";
	request->key = found[3];
}

/*
 * find_route finds the route, or answers that there is none.
 */
static bool
find_route(WoHttpRequest *request, WoHttpAnswer *answer)
{
	WoHttpRefusal refusal = wo_request_parse_path(request->uri, strlen(request->uri), &request->path);
	WoRouteMatch *match = &request->match;

	request->method = wo_route_method(request->method_name);
	wo_route_match(&request->path, refusal == WO_HTTP_FINE, request->method, match);
	if (match->route != NULL)
		return true;
	if (refusal != WO_HTTP_FINE)
		ereport(DEBUG1, (errmsg_internal("request refused: %s", wo_request_parse_refusal_text(refusal))));
	if (refusal == WO_HTTP_URI_TOO_LONG)
		wo_answer_refuse(match->api, WO_REASON_URI_TOO_LONG, nobody, answer);
	else if (match->allowed == 0)
		wo_answer_refuse(match->api, WO_REASON_NOT_FOUND, nobody, answer);
	else if (request->method == WO_METHOD_OPTIONS)
		answer_options(match->allowed, answer);
	else
	{
		wo_answer_refuse(match->api, WO_REASON_METHOD, nobody, answer);
		wo_answer_add_header(answer, "Allow", list_methods(match->allowed));
	}
	return false;
}

/*
 * list_methods writes methods as Allow lists them.
 */
static char *
list_methods(int allowed)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < WO_METHODS; i++)
		if (allowed & (1 << i))
			appendStringInfo(&list, "%s%s%s", list.len > 0 ? ", " : "", wo_route_method_name[i],
							 i == WO_METHOD_GET ? ", HEAD" : "");
	return list.data;
}

/*
 * answer_options tells the methods of a path.
 */
static void
answer_options(int allowed, WoHttpAnswer *answer)
{
	answer->status = 204;
	answer->content_type = "application/json; charset=utf-8";
	wo_answer_add_header(answer, "Allow", psprintf("%s, OPTIONS", list_methods(allowed)));
}

/*
 * check_body tells whether the route takes a body of this size and type, or
 * answers that it does not.  A body without a type is taken for JSON.
 */
static bool
check_body(WoHttpRequest *request, WoHttpAnswer *answer)
{
	const WoBodyRules *rules = &request->match.route->body;
	WoMediaType *type = &request->media_type;
	int64		limit = rules->max_body;
	bool		readable;
	bool		accepted = false;

	if (request->body_len == 0)
		return true;
	if (request->content_type[0] == '\0')
		request->content_type = JSON_TYPE;
	readable = wo_request_parse_media_type(request->content_type, strlen(request->content_type),
										   type) == WO_HTTP_FINE;
	if (readable && is_unnamed_json(request))
		strlcpy(type->name, JSON_TYPE, sizeof(type->name));

	for (int i = 0; i < rules->nlimits && readable; i++)
		if (strcmp(rules->limited[i], type->name) == 0)
			limit = rules->limits[i];
	if ((int64) request->body_len > limit)
	{
		wo_answer_refuse(request->match.api, WO_REASON_TOO_LARGE, nobody, answer);
		return false;
	}

	accepted = readable && takes_type(rules, type->name);
	/* everything here is UTF-8; of other charsets, only that within it can be taken */
	if (type->charset.len > 0 && !wo_ascii_same_word(type->charset, "utf-8") &&
		!wo_ascii_same_word(type->charset, "utf8") && !wo_ascii_same_word(type->charset, "us-ascii"))
		accepted = false;
	if (!accepted)
		wo_answer_refuse(request->match.api, WO_REASON_MEDIA_TYPE, nobody, answer);
	return accepted;
}

/*
 * takes_type tells whether bodies of a media type are taken.
 */
static bool
takes_type(const WoBodyRules *rules, const char *type)
{
	for (int i = 0; i < rules->naccepted; i++)
		if (strcmp(rules->accepted[i], type) == 0)
			return true;
	return false;
}

/*
 * is_unnamed_json tells whether a body is a JSON object that is called text or
 * a form, as browsers and curl say when a client does not choose.
 */
static bool
is_unnamed_json(const WoHttpRequest *request)
{
	const WoBodyRules *rules = &request->match.route->body;
	const char *type = request->media_type.name;
	size_t		i = 0;

	if (strcmp(type, FORM_TYPE) != 0 && (strcmp(type, TEXT_TYPE) != 0 || takes_type(rules, TEXT_TYPE)))
		return false;
	while (i < request->body_len && strchr(" \t\r\n", request->body[i]) != NULL && request->body[i] != '\0')
		i++;
	return i < request->body_len && request->body[i] == '{' && takes_type(rules, JSON_TYPE);
}

/*
 * serve_safely serves a request in a subtransaction and answers for any error.
 */
static void
serve_safely(WoHttpRequest *request, WoHttpAnswer *answer)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	const WoApi *api = request->match.api;
	ErrorContextCallback *callers = error_context_stack;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		WoHttpReason reason;

		/* whoever called us might show the body among a statement's parameters */
		error_context_stack = NULL;
		reason = serve(request, answer);

		if (reason == WO_REASON_NONE && answer->status < 400)
		{
			check_constraints();
			ReleaseCurrentSubTransaction();
		}
		else
			RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		error_context_stack = callers;
		if (reason != WO_REASON_NONE)
			wo_answer_refuse(api, reason, wo_request_offending_field(request), answer);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		int			category;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;

		category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			category == ERRCODE_INSUFFICIENT_RESOURCES ||
			(category == ERRCODE_OPERATOR_INTERVENTION && unpack_sql_state(error->sqlerrcode)[2] == 'P'))
			ReThrowError(error);

		memset(answer, 0, sizeof(*answer));
		if (request->reading_json)
			wo_answer_refuse(api, WO_REASON_MALFORMED, nobody, answer);
		else
		{
			wo_answer_error(api, error, answer);
			if (answer->status >= 500)
				log_error(request, error);
		}
	}
	PG_END_TRY();
}

/*
 * serve takes a request from "who is it" to the handler's response.
 */
static WoHttpReason
serve(WoHttpRequest *request, WoHttpAnswer *answer)
{
	const WoApi *api = request->match.api;
	WoRoute    *route = request->match.route;
	Oid			response_type = wo_handler_type("http_response");
	bool		somebody = wo_actor_current()->id != 0;
	WoHttpReason reason;
	WoSection	section;
	bool		borrowed = false;
	Datum		datum;
	Datum		response;
	bool		isnull;
	WoIdempotencyKey once = {0};

	if (somebody ? !is_member(api) : !api->anonymous && api->identify == NULL)
		return WO_REASON_UNAUTHENTICATED;
	reason = wo_request_read_body(request);
	if (reason == WO_REASON_NONE)
		reason = wo_request_read_query(request);
	if (reason != WO_REASON_NONE)
		return reason;
	datum = wo_request_datum(request);

	if (!somebody)
	{
		bool		identified = api->identify != NULL && identify(api, datum);

		if (identified ? !is_member(api) : !api->anonymous)
			return WO_REASON_UNAUTHENTICATED;
		if (api->run_as != NULL && (identified || api->run_as_anonymous))
		{
			run_as(&section, api->run_as);
			borrowed = true;
		}
		somebody = identified;
	}
	if (!wo_handler_may_call(&route->handler, response_type))
		return somebody ? WO_REASON_DENIED : WO_REASON_UNAUTHENTICATED;
	reason = wo_idempotency_begin(request, &once, answer);
	if (reason != WO_REASON_NONE || answer->status != 0)
	{
		if (borrowed)
			wo_owner_spi_end(&section);
		return reason;
	}
	response = wo_handler_call(&route->handler, response_type, datum, &isnull);
	if (borrowed)
		wo_owner_spi_end(&section);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the handler returned no response"),
				 errdetail("It returned null."),
				 errhint("Return workorder.http_empty() to answer with nothing.")));
	wo_answer_response(response, answer);
	wo_idempotency_keep(&once, answer);
	return WO_REASON_NONE;
}

/*
 * is_member tells whether who acts holds a role that the API is for.
 */
static bool
is_member(const WoApi *api)
{
	for (int i = 0; api->members != NULL && i < api->nmembers; i++)
		if (wo_actor_has_role(wo_actor_current(), api->members[i]))
			return true;
	return api->members == NULL;
}

/*
 * identify asks the API's own function who acts, and lets them.  It runs with
 * the rights of the owner of workorder.api, who has named it there: whoever
 * asks is nobody yet and may read nothing.
 */
static bool
identify(const WoApi *api, Datum datum)
{
	WoHandler  *handler = palloc0(sizeof(WoHandler));
	WoSection	section;
	Datum		actor;
	bool		isnull;

	handler->name = api->identify;
	handler->home = CurrentMemoryContext;
	wo_owner_spi_begin(&section, wo_route_owner(), WO_SECTION_FUNCTION);
	actor = wo_handler_call(handler, INT8OID, datum, &isnull);
	wo_owner_spi_end(&section);
	if (isnull)
		return false;
	wo_actor_assume(wo_actor_current()->tenant, DatumGetInt64(actor));
	return wo_actor_current()->id != 0;
}

/*
 * run_as makes the rest of the request run as a role that the session could
 * have changed to.
 */
static void
run_as(WoSection *section, const char *role)
{
	Oid			roleid = get_role_oid(role, true);

	if (!OidIsValid(roleid) || !wo_may_become(GetSessionUserId(), roleid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the session may not become role \"%s\"", role),
				 errdetail("The API names it as run_as."),
				 errhint("Grant the role to the one that the gateway connects as.")));
	wo_owner_spi_begin(section, roleid, WO_SECTION_FUNCTION);
}

/*
 * check_constraints checks what was deferred.  At the end of the transaction
 * it would be too late for an answer.
 */
static void
check_constraints(void)
{
	ConstraintsSetStmt *statement;

	if (XactReadOnly)
		return;
	statement = makeNode(ConstraintsSetStmt);
	statement->constraints = NIL;
	statement->deferred = false;
	AfterTriggerSetState(statement);
}

/*
 * log_error tells the administrator what the client is not told.  The
 * statement and its parameters, which may hold the body, stay out of it, and
 * so does what a message, a detail or a context quotes from rows or values.
 */
static void
log_error(const WoHttpRequest *request, const ErrorData *error)
{
	const WoRoute *route = request->match.route;
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
	bool		data = category == ERRCODE_DATA_EXCEPTION;
	bool		row = data || category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
	const char *message = error->message != NULL ? error->message : "no message";
	const char *context = error->context;
	ErrorContextCallback *callers = error_context_stack;

	/* the innermost line of an error in JSON is a piece of it */
	if (context != NULL && strncmp(context, "JSON data", 9) == 0)
	{
		context = strchr(context, '\n');
		if (context != NULL)
			context++;
	}

	error_context_stack = NULL;
	ereport(LOG_SERVER_ONLY,
			(errcode(error->sqlerrcode),
			 errmsg("%s %s, answered by %s: %s", wo_route_method_name[route->method], route->pattern,
					route->handler.name, data ? without_quotes(message) : message),
			 error->detail != NULL && !row ? errdetail_internal("%s", error->detail) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0,
			 context != NULL ? errcontext("%s", context) : 0,
			 errhidestmt(true)));
	error_context_stack = callers;
}

/*
 * without_quotes leaves out what a message quotes.
 */
static char *
without_quotes(const char *message)
{
	const char *from = strchr(message, '"');
	const char *to = strrchr(message, '"');

	if (from == NULL)
		return pstrdup(message);
	return psprintf("%.*s...%s", (int) (from - message) + 1, message, to);
}

/* ----------------------------------------------------------------
 *		errors for PostgREST's own clients
 * ----------------------------------------------------------------
 */

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
 * wo_http_init registers the hooks, once per process.
 */
void
wo_http_init(void)
{
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = run;
	next_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish;
}
