/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  From what happened to what goes back.
 *
 * An answer is complete before anything is said: status, headers and body are
 * set once, at the end, and for this transaction only.  (A setting made for
 * the session would be the status of every later request of a pooled
 * connection.)  Nothing of an error that is not of class WO reaches the
 * client; it is logged without the request's body.  What a handler raises is
 * said as it says it.  What the engine raises under a handler is said in the
 * API's own words, if it has some ("messages"); an error tells by its message
 * domain whether it is the engine's.
 *
 * The error body of an API is a JSON template that is filled in.  A template
 * is JSON text that PostgreSQL has accepted, and is copied as it is, key order
 * and all, but for its strings: one that is "$status" and no more becomes the
 * value itself, and "$name" within a longer one, or in a key, becomes text.
 * Values never become anything but JSON strings and numbers, whatever is in
 * them; "$data" alone is JSON, and comes as such.
 *
 * Errors that a gateway has, too, such as 401 and 503, are shown by the proxy
 * with a page of its own, for it cannot know whose they are.  So ours go in a
 * header as well, from where the proxy takes them.  An error without that
 * header is none of ours: a 400 is then what the gateway says of a connection
 * that broke under the request, and the proxy makes it a 503.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "http/answer.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

#define JSON_CONTENT	"application/json; charset=utf-8"
#define BYTES_CONTENT	"application/octet-stream"

/* The header for the proxy, how long it may be, and what it says instead. */
#define ERROR_HEADER	"X-Workorder-Error"
#define ERROR_LENGTH	12288
#define ERROR_TOO_LONG	"-"

/* The error body of who has no API. */
#define DEFAULT_TEMPLATE "{\"code\":\"$status\",\"message\":\"$message\"}"

typedef struct Reason
{
	const char *name;
	int			status;
	const char *message;
} Reason;

static const Reason reasons[] =
{
	[WO_REASON_NONE] = {"none", 200, "ok"},
	[WO_REASON_NOT_FOUND] = {"not_found", 404, "not found"},
	[WO_REASON_METHOD] = {"method", 405, "method not allowed"},
	[WO_REASON_URI_TOO_LONG] = {"uri_too_long", 414, "uri too long"},
	[WO_REASON_TOO_LARGE] = {"too_large", 413, "body too large"},
	[WO_REASON_MEDIA_TYPE] = {"media_type", 415, "unsupported media type"},
	[WO_REASON_UNAUTHENTICATED] = {"unauthenticated", 401, "authentication required"},
	[WO_REASON_DENIED] = {"denied", 403, "permission denied"},
	[WO_REASON_MALFORMED] = {"malformed", 400, "malformed request"},
	[WO_REASON_CONFLICT] = {"conflict", 409, "conflict"},
	[WO_REASON_PARAMETER] = {"parameter", 400, "invalid value: $name"},
	[WO_REASON_KEY] = {"idempotency_key", 400, "invalid idempotency key"},
	[WO_REASON_KEY_REUSED] = {"idempotency_key_reused", 422, "idempotency key was used for another request"},
	[WO_REASON_BUSY] = {"busy", 503, "service unavailable"},
	[WO_REASON_INTERNAL] = {"internal", 500, "internal error"},
};

/* Attributes of workorder.http_response, in order. */
enum
{
	RESPONSE_STATUS,
	RESPONSE_BODY,
	RESPONSE_HEADERS,
	RESPONSE_CONTENT,
	RESPONSE_CONTENT_TYPE,
	RESPONSE_NATTS
};

typedef struct Variable
{
	const char *name;			/* NULL = there is no such variable */
	bool		plain;			/* without quotes */
	char	   *text;			/* NULL = null */
	size_t		len;			/* of the name, with the dollar sign */
} Variable;

static void answer_error(const WoApi *api, const char *template, WoEnvelope *values, WoHttpAnswer *answer);
static void add_error(WoHttpAnswer *answer);
static const char *find_message(const WoApi *api, const char *key, int *status, const char **template);
static int	status_of(const WoApi *api, int sqlstate);
static const char *as_json(const char *text);
static const char *engine_key(const ErrorData *error, int status);
static WoHttpReason reason_of(int status);
static void add_headers(Jsonb *headers, WoHttpAnswer *answer);
static void add_value(const char *name, const JsonbValue *value, WoHttpAnswer *answer);
static bool is_value(const char *value);
pg_noreturn static void refuse_response(const char *detail);
static Variable find_variable(const char *p, const char *end, const WoEnvelope *values);
static void append_string(StringInfo out, const char *from, const char *to, bool key,
						  const WoEnvelope *values);
static char *label_of(const char *name);

/*
 * answer_error makes the error body, and the headers that belong to its status.
 */
static void
answer_error(const WoApi *api, const char *template, WoEnvelope *values, WoHttpAnswer *answer)
{
	char	   *body;

	if (template == NULL)
		template = api != NULL ? api->error : DEFAULT_TEMPLATE;
	body = wo_answer_fill_template(template, values);
	answer->status = values->status;
	answer->content_type = JSON_CONTENT;
	answer->body = (bytea *) cstring_to_text(body);
	if (values->status == 401)
		wo_answer_add_header(answer, "WWW-Authenticate",
							 api != NULL && api->basic ? "Basic realm=\"workorder\", charset=\"UTF-8\"" : "Bearer");
	else if (values->status == 503)
		wo_answer_add_header(answer, "Retry-After", "1");
}

/*
 * add_error adds an error body as a header: on one line, and in ASCII.  One
 * that is no JSON, or too long for a header, is left to the proxy's own words.
 */
static void
add_error(WoHttpAnswer *answer)
{
	StringInfoData line;
	const char *p;
	const char *end;

	initStringInfo(&line);
	if (answer->body != NULL && strcmp(answer->content_type, JSON_CONTENT) == 0 &&
		pg_verify_mbstr(PG_UTF8, VARDATA_ANY(answer->body), VARSIZE_ANY_EXHDR(answer->body), true))
	{
		p = VARDATA_ANY(answer->body);
		end = p + VARSIZE_ANY_EXHDR(answer->body);
		for (; p < end && line.len <= ERROR_LENGTH; p += pg_utf_mblen((const unsigned char *) p))
		{
			pg_wchar	c = utf8_to_unicode((const unsigned char *) p);

			if (c < 0x20)
				appendStringInfoChar(&line, ' ');	/* between values: in a string it is escaped */
			else if (c < 0x7F)
				appendStringInfoChar(&line, (char) c);
			else if (c < 0x10000)
				appendStringInfo(&line, "\\u%04x", c);
			else
				appendStringInfo(&line, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
								 0xDC00 + ((c - 0x10000) & 0x3FF));
		}
	}
	wo_answer_add_header(answer, ERROR_HEADER,
						 line.len > 0 && line.len <= ERROR_LENGTH ? line.data : ERROR_TOO_LONG);
}

/*
 * find_message looks into the messages of an API; NULL if it says nothing
 * there.  An object may change the status and the whole body, too.
 */
static const char *
find_message(const WoApi *api, const char *key, int *status, const char **template)
{
	JsonbValue	value;
	JsonbValue	part;
	const char *message = NULL;

	if (api == NULL || api->messages == NULL ||
		getKeyJsonValueFromContainer(&api->messages->root, key, strlen(key), &value) == NULL)
		return NULL;
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		return NULL;

	if (getKeyJsonValueFromContainer(value.val.binary.data, "message", 7, &part) != NULL &&
		part.type == jbvString)
		message = pnstrdup(part.val.string.val, part.val.string.len);
	if (getKeyJsonValueFromContainer(value.val.binary.data, "status", 6, &part) != NULL &&
		part.type == jbvNumeric)
	{
		bool		failed = false;
		int32		number = wo_numeric_int4(part.val.numeric, &failed);

		if (!failed && number >= 400 && number <= 599)
			*status = number;
	}
	if (getKeyJsonValueFromContainer(value.val.binary.data, "error", 5, &part) != NULL)
	{
		Jsonb	   *error = JsonbValueToJsonb(&part);

		*template = JsonbToCString(NULL, &error->root, VARSIZE(error));
	}
	return message;
}

/*
 * wo_answer_refuse answers with a refusal of the dispatcher's own.  name is that of
 * the field that is to blame, empty if none is.
 */
void
wo_answer_refuse(const WoApi *api, WoHttpReason reason, WoSpan name, WoHttpAnswer *answer)
{
	WoEnvelope	values = {0};
	const char *template = NULL;
	const char *message;

	values.status = reasons[reason].status;
	values.reason = reasons[reason].name;
	if (name.len > 0)
		values.name = pnstrdup(name.data, name.len);
	message = find_message(api, reasons[reason].name, &values.status, &template);
	if (message == NULL && template == NULL)
		message = find_message(api, psprintf("%d", values.status), &values.status, &template);
	values.code = psprintf("WO%03d", values.status);
	values.message = wo_answer_fill_text(message != NULL ? message : reasons[reason].message, &values);
	answer_error(api, template, &values, answer);
}

/*
 * status_of returns the status that an error becomes: what the API says of
 * its SQLSTATE or of the class, or else the digits of a WOnnn; 0 for what the
 * client is told nothing about.
 */
static int
status_of(const WoApi *api, int sqlstate)
{
	const char *code = unpack_sql_state(sqlstate);

	if (api != NULL && api->sqlstates != NULL)
	{
		for (int len = 5; len >= 2; len -= 3)
		{
			JsonbValue	value;
			bool		failed = false;
			int32		status;

			if (getKeyJsonValueFromContainer(&api->sqlstates->root, code, len, &value) == NULL ||
				value.type != jbvNumeric)
				continue;
			status = wo_numeric_int4(value.val.numeric, &failed);
			if (!failed && status >= 400 && status <= 599)
				return status;
		}
	}
	if (code[0] == 'W' && code[1] == 'O' && (code[2] == '4' || code[2] == '5') &&
		code[3] >= '0' && code[3] <= '9' && code[4] >= '0' && code[4] <= '9')
		return atoi(code + 2);
	return 0;
}

/*
 * as_json returns a text as JSON: as what it stands for, if it is JSON.
 */
static const char *
as_json(const char *text)
{
	JsonbValue	value;
	Jsonb	   *jsonb;

	if (text == NULL)
		return NULL;
	wo_value_parse_json(pstrdup(text), &value);
	jsonb = JsonbValueToJsonb(&value);
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/*
 * reason_of returns the reason that a status stands for, WO_REASON_NONE if
 * for none.
 */
static WoHttpReason
reason_of(int status)
{
	for (int i = WO_REASON_NOT_FOUND; i <= WO_REASON_INTERNAL; i++)
		if (reasons[i].status == status && i != WO_REASON_PARAMETER && i != WO_REASON_KEY)
			return i;
	return WO_REASON_NONE;
}

/*
 * engine_key returns by which key of "messages" an API says what the engine
 * refuses; NULL for what somebody else has raised.
 */
static const char *
engine_key(const ErrorData *error, int status)
{
	if (error->domain == NULL || strcmp(error->domain, TEXTDOMAIN) != 0)
		return NULL;
	/* what is wrong with a credential is worded for clients */
	if (status == 401 || status == 503)
		return NULL;
	return status == 400 && error->column_name != NULL ? "required" : reasons[reason_of(status)].name;
}

/*
 * wo_answer_error answers for an error that was raised on the way.
 */
void
wo_answer_error(const WoApi *api, const ErrorData *error, WoHttpAnswer *answer)
{
	int			status = status_of(api, error->sqlerrcode);
	const char *code = unpack_sql_state(error->sqlerrcode);
	WoEnvelope	values = {0};

	if (status > 0 && code[0] == 'W' && code[1] == 'O')
	{
		const char *key = engine_key(error, status);
		const char *template = NULL;
		const char *message = find_message(api, key != NULL ? key : code, &status, &template);

		values.status = status;
		values.name = error->column_name;
		values.message = error->message != NULL ? error->message : "";
		if (key != NULL && message != NULL)
			values.message = wo_answer_fill_text(message, &values);
		values.reason = "raised";
		values.code = pstrdup(code);
		values.detail = error->detail;
		values.data = as_json(error->detail);
		values.hint = error->hint;
		answer_error(api, template, &values, answer);
	}
	else if (status > 0)
	{
		const char *template = NULL;
		const char *message = find_message(api, psprintf("%d", status), &status, &template);

		values.status = status;
		values.reason = "raised";
		values.code = psprintf("WO%03d", status);
		if (message == NULL)
			message = reason_of(status) != WO_REASON_NONE ? reasons[reason_of(status)].message : "request failed";
		values.message = wo_answer_fill_text(message, &values);
		answer_error(api, template, &values, answer);
	}
	else if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
			 error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
			 error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		wo_answer_refuse(api, WO_REASON_BUSY, (WoSpan) {"", 0}, answer);
	else
		wo_answer_refuse(api, WO_REASON_INTERNAL, (WoSpan) {"", 0}, answer);
}

/*
 * refuse_response raises the error for a response that cannot be sent.
 */
static void
refuse_response(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION),
			 errmsg("the handler's response cannot be sent"),
			 errdetail("%s", detail),
			 errhint("Make it with workorder.http_json(), http_bytes() or http_empty().")));
}

/*
 * wo_answer_response answers with what a handler has returned.
 */
void
wo_answer_response(Datum response, WoHttpAnswer *answer)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(response);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple;
	Datum		values[RESPONSE_NATTS];
	bool		nulls[RESPONSE_NATTS];

	if (desc->natts != RESPONSE_NATTS)
		refuse_response("It is not a workorder.http_response of this version.");
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);

	answer->status = nulls[RESPONSE_STATUS] ? 200 : DatumGetInt32(values[RESPONSE_STATUS]);
	if (answer->status < 200 || answer->status > 599)
		refuse_response("Its status is not between 200 and 599.");
	if (!nulls[RESPONSE_BODY] && !nulls[RESPONSE_CONTENT])
		refuse_response("It has both a JSON body and content.");
	answer->content_type = nulls[RESPONSE_CONTENT] ? JSON_CONTENT : BYTES_CONTENT;
	if (!nulls[RESPONSE_CONTENT_TYPE])
	{
		char	   *type = TextDatumGetCString(values[RESPONSE_CONTENT_TYPE]);

		if (type[0] == '\0' || !is_value(type))
			refuse_response("Its content type cannot be in a header.");
		answer->content_type = type;
	}
	if (!nulls[RESPONSE_HEADERS])
		add_headers(DatumGetJsonbP(values[RESPONSE_HEADERS]), answer);
	/* json is text, and text has the shape of bytea; a copy outlives what the handler did */
	if (!nulls[RESPONSE_BODY])
		answer->body = DatumGetByteaPCopy(values[RESPONSE_BODY]);
	else if (!nulls[RESPONSE_CONTENT])
		answer->body = DatumGetByteaPCopy(values[RESPONSE_CONTENT]);
	ReleaseTupleDesc(desc);
}

/*
 * add_headers adds what a handler wants said: {"Name": value or list of them}.
 */
static void
add_headers(Jsonb *headers, WoHttpAnswer *answer)
{
	JsonbIterator *it = JsonbIteratorInit(&headers->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	const char *name = NULL;

	if (!JB_ROOT_IS_OBJECT(headers))
		refuse_response("Its headers are not an object.");
	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE || token == WJB_ELEM)
			add_value(name, &value, answer);
		else if (token == WJB_BEGIN_OBJECT && name != NULL)
			refuse_response("A header is an object.");
	}
}

/*
 * add_value adds one header; null is none.  What frames the message is not
 * the handler's to say.
 */
static void
add_value(const char *name, const JsonbValue *value, WoHttpAnswer *answer)
{
	static const char *const framing[] = {"connection", "content-length", "keep-alive", "te",
		"trailer", "transfer-encoding", "upgrade"};
	WoSpan		span = {name, strlen(name)};
	char	   *text;

	if (!wo_ascii_is_token(span))
		refuse_response("The name of a header contains what it must not.");
	for (int i = 0; i < lengthof(framing); i++)
		if (wo_ascii_same_word(span, framing[i]))
			refuse_response("A header says how the message is framed.");
	switch (value->type)
	{
		case jbvNull:
			return;
		case jbvString:
			text = pnstrdup(value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			text = DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
			break;
		case jbvBool:
			text = value->val.boolean ? "true" : "false";
			break;
		default:
			refuse_response("A header is neither text nor a number.");
	}
	if (!is_value(text))
		refuse_response("The value of a header contains a control character.");
	if (wo_ascii_same_word(span, "content-type"))
		answer->content_type = text;
	else
		wo_answer_add_header(answer, name, text);
}

/*
 * is_value tells whether text may stand in a header: a line end would begin
 * another one.
 */
static bool
is_value(const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if (((unsigned char) *p < 0x20 && *p != '\t') || *p == 0x7F)
			return false;
	return true;
}

/*
 * wo_answer_add_header adds a header to an answer.
 */
void
wo_answer_add_header(WoHttpAnswer *answer, const char *name, const char *value)
{
	if (answer->headers == NULL)
		answer->headers = makeStringInfo();
	appendStringInfoString(answer->headers, ", {");
	escape_json(answer->headers, name);
	appendStringInfoString(answer->headers, ": ");
	escape_json(answer->headers, value);
	appendStringInfoChar(answer->headers, '}');
}

/*
 * set_local makes a setting for the rest of this transaction.
 */
static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * wo_answer_send tells the gateway status and headers, in one place and once,
 * and returns the body.
 */
bytea *
wo_answer_send(WoHttpAnswer *answer)
{
	StringInfoData headers;
	bytea	   *empty;

	if (answer->status == 400 || answer->status == 401 || answer->status == 413 || answer->status >= 500)
		add_error(answer);
	initStringInfo(&headers);
	appendStringInfoString(&headers, "[{\"Content-Type\": ");
	escape_json(&headers, answer->content_type);
	appendStringInfoChar(&headers, '}');
	if (answer->headers != NULL)
		appendBinaryStringInfo(&headers, answer->headers->data, answer->headers->len);
	appendStringInfoChar(&headers, ']');

	set_local("response.status", psprintf("%d", answer->status));
	set_local("response.headers", headers.data);
	if (answer->body != NULL && answer->status != 204 && answer->status != 304)
		return answer->body;
	empty = palloc(VARHDRSZ);
	SET_VARSIZE(empty, VARHDRSZ);
	return empty;
}

/* --- error bodies ---------------------------------------------------------- */

/*
 * wo_answer_fill_text fills the variables of a message.
 */
char *
wo_answer_fill_text(const char *text, const WoEnvelope *values)
{
	const char *end = text + strlen(text);
	StringInfoData out;

	initStringInfo(&out);
	for (const char *p = text; p < end;)
	{
		Variable	found = find_variable(p, end, values);

		if (found.name == NULL)
			appendStringInfoChar(&out, *p++);
		else
		{
			if (found.text != NULL)
				appendStringInfoString(&out, found.text);
			p += found.len;
		}
	}
	return out.data;
}

/*
 * wo_answer_fill_template fills a JSON template.
 */
char *
wo_answer_fill_template(const char *json, const WoEnvelope *values)
{
	StringInfoData out;

	initStringInfo(&out);
	while (*json != '\0')
	{
		const char *from;
		const char *after;

		if (*json != '"')
		{
			appendStringInfoChar(&out, *json++);
			continue;
		}
		from = ++json;
		while (*json != '"' && *json != '\0')
			json += *json == '\\' && json[1] != '\0' ? 2 : 1;
		after = *json == '"' ? json + 1 : json;
		after += strspn(after, " \t\r\n");
		append_string(&out, from, json, *after == ':', values);
		if (*json == '"')
			json++;
	}
	return out.data;
}

/*
 * append_string appends a string of the template, which is given without its
 * quotes and still escaped.
 */
static void
append_string(StringInfo out, const char *from, const char *to, bool key, const WoEnvelope *values)
{
	Variable	whole = find_variable(from, to, values);

	if (whole.name != NULL && from + whole.len == to && !key)
	{
		if (whole.text == NULL)
			appendStringInfoString(out, "null");
		else if (whole.plain)
			appendStringInfoString(out, whole.text);
		else
			escape_json(out, whole.text);
		return;
	}

	appendStringInfoChar(out, '"');
	while (from < to)
	{
		Variable	found = find_variable(from, to, values);

		if (found.name == NULL)
			appendStringInfoChar(out, *from++);
		else
		{
			if (found.text != NULL)
			{
				StringInfoData escaped;

				initStringInfo(&escaped);
				escape_json(&escaped, found.text);
				appendBinaryStringInfo(out, escaped.data + 1, escaped.len - 2);
				pfree(escaped.data);
			}
			from += found.len;
		}
	}
	appendStringInfoChar(out, '"');
}

/*
 * find_variable returns the variable that is named at p.
 */
static Variable
find_variable(const char *p, const char *end, const WoEnvelope *values)
{
	Variable	found = {0};
	size_t		len = 1;

	if (*p != '$')
		return found;
	while (p + len < end && p[len] >= 'a' && p[len] <= 'z')
		len++;

#define IS(word) (len == strlen(word) && memcmp(p, word, len) == 0)
	found.name = p;
	found.len = len;
	if (IS("$status"))
	{
		found.plain = true;
		found.text = psprintf("%d", values->status);
	}
	else if (IS("$message"))
		found.text = unconstify(char *, values->message);
	else if (IS("$reason"))
		found.text = unconstify(char *, values->reason);
	else if (IS("$code"))
		found.text = unconstify(char *, values->code);
	else if (IS("$detail") || IS("$details"))
		found.text = unconstify(char *, values->detail);
	else if (IS("$data"))
	{
		found.plain = true;
		found.text = unconstify(char *, values->data);
	}
	else if (IS("$hint"))
		found.text = unconstify(char *, values->hint);
	else if (IS("$name"))
		found.text = unconstify(char *, values->name);
	else if (IS("$label"))
		found.text = label_of(values->name);
	else
		found.name = NULL;
#undef IS
	return found;
}

/*
 * label_of returns a name as it is put into sentences: "due_at" is "due at".
 */
static char *
label_of(const char *name)
{
	char	   *label;

	if (name == NULL)
		return NULL;
	label = pstrdup(name);
	for (char *p = label; *p != '\0'; p++)
		if (*p == '_')
			*p = ' ';
	return label;
}
