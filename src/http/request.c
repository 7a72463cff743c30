/*-------------------------------------------------------------------------
 *
 * request.c
 *	  From a request to the value that handlers take.
 *
 * Body and query are parsed once, here; a handler sees jsonb, text and bytes
 * that are sound.  Of names and values of fields nothing is interpreted but
 * what request_parse.c says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "http/request.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

#define JSON_TYPE		"application/json"
#define FORM_TYPE		"application/x-www-form-urlencoded"
#define MULTIPART_TYPE	"multipart/form-data"

/* Attributes of workorder.http_file and workorder.http_request, in order. */
enum
{
	FILE_NAME,
	FILE_FILENAME,
	FILE_CONTENT_TYPE,
	FILE_CONTENT,
	FILE_NATTS
};

enum
{
	REQUEST_API,
	REQUEST_METHOD,
	REQUEST_PATH,
	REQUEST_PARAMS,
	REQUEST_QUERY,
	REQUEST_CONTENT_TYPE,
	REQUEST_BODY,
	REQUEST_FORM,
	REQUEST_FILES,
	REQUEST_RAW,
	REQUEST_URI,
	REQUEST_NATTS
};

static WoHttpReason read_json(WoHttpRequest *request);
static WoHttpReason reason_for(WoHttpRefusal refusal);
static Datum fields_datum(const WoHttpFields *fields);
static Datum params_datum(const WoHttpRequest *request);
static Datum path_datum(const WoHttpPath *path);
static Datum files_datum(const WoHttpFields *fields);
static Datum text_datum(WoSpan span);
static Datum bytes_datum(WoSpan span);
static TupleDesc our_row(const char *type, int natts);

/*
 * wo_request_read_body parses a body that is not empty and whose type the route
 * takes.  It may raise an error while reading_json, which is the client's
 * fault.
 */
WoHttpReason
wo_request_read_body(WoHttpRequest *request)
{
	const char *type = request->media_type.name;

	if (request->body_len == 0)
		return WO_REASON_NONE;
	if (strcmp(type, JSON_TYPE) == 0)
		return read_json(request);
	if (strcmp(type, FORM_TYPE) == 0)
		return reason_for(wo_request_parse_fields(request->body, request->body_len, &request->form));
	if (strcmp(type, MULTIPART_TYPE) == 0)
		return reason_for(wo_request_parse_multipart(request->body, request->body_len,
													 request->media_type.boundary, &request->form));
	return WO_REASON_NONE;
}

/*
 * wo_request_read_query parses the query.
 */
WoHttpReason
wo_request_read_query(WoHttpRequest *request)
{
	return reason_for(wo_request_parse_fields(request->path.query.data, request->path.query.len,
											  &request->query));
}

/*
 * wo_request_offending_field returns the name of the field whose value was refused.
 */
WoSpan
wo_request_offending_field(const WoHttpRequest *request)
{
	if (request->form.offending.data != NULL)
		return request->form.offending;
	return request->query.offending;
}

static WoHttpReason
reason_for(WoHttpRefusal refusal)
{
	if (refusal == WO_HTTP_FINE)
		return WO_REASON_NONE;
	ereport(DEBUG1, (errmsg_internal("request refused: %s", wo_request_parse_refusal_text(refusal))));
	return refusal == WO_HTTP_VALUE ? WO_REASON_PARAMETER : WO_REASON_MALFORMED;
}

/*
 * read_json parses a JSON body.  What jsonb cannot hold (a NUL, half of a
 * surrogate pair) is as malformed as what is no JSON, and so is what would be
 * far larger when it is written again.
 */
static WoHttpReason
read_json(WoHttpRequest *request)
{
	char	   *text;

	if (memchr(request->body, '\0', request->body_len) != NULL ||
		!pg_verify_mbstr(PG_UTF8, request->body, request->body_len, true) ||
		wo_request_parse_is_too_large(request->body, request->body_len))
		return WO_REASON_MALFORMED;

	text = pnstrdup(request->body, request->body_len);
	request->reading_json = true;
	request->json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	request->reading_json = false;
	pfree(text);
	if (wo_value_size_problem(request->json) != NULL)
		return WO_REASON_MALFORMED;
	if (request->match.route->body.object && !JB_ROOT_IS_OBJECT(request->json))
		return WO_REASON_MALFORMED;
	return WO_REASON_NONE;
}

/*
 * wo_request_datum makes the workorder.http_request.
 */
Datum
wo_request_datum(const WoHttpRequest *request)
{
	TupleDesc	desc = our_row("http_request", REQUEST_NATTS);
	Datum		values[REQUEST_NATTS];
	bool		nulls[REQUEST_NATTS] = {false};
	bool		is_multipart = strcmp(request->media_type.name, MULTIPART_TYPE) == 0;
	HeapTuple	tuple;

	values[REQUEST_API] = CStringGetTextDatum(request->match.api->name);
	values[REQUEST_METHOD] = CStringGetTextDatum(wo_route_method_name[request->method]);
	values[REQUEST_PATH] = path_datum(&request->path);
	values[REQUEST_PARAMS] = params_datum(request);
	values[REQUEST_QUERY] = fields_datum(&request->query);
	values[REQUEST_CONTENT_TYPE] = CStringGetTextDatum(request->media_type.name);
	nulls[REQUEST_CONTENT_TYPE] = request->body_len == 0;
	values[REQUEST_BODY] = PointerGetDatum(request->json);
	nulls[REQUEST_BODY] = request->json == NULL;
	values[REQUEST_FORM] = fields_datum(&request->form);
	values[REQUEST_FILES] = files_datum(&request->form);
	nulls[REQUEST_RAW] = request->body_len == 0 || is_multipart;
	values[REQUEST_RAW] = nulls[REQUEST_RAW] ? (Datum) 0 :
		bytes_datum((WoSpan) {request->body, request->body_len});
	values[REQUEST_URI] = CStringGetTextDatum(request->uri);

	tuple = heap_form_tuple(desc, values, nulls);
	ReleaseTupleDesc(desc);
	return HeapTupleGetDatum(tuple);
}

/*
 * our_row returns the description of a composite type of the extension.  The
 * caller releases it.
 */
static TupleDesc
our_row(const char *type, int natts)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(wo_handler_type(type), -1);

	if (desc->natts != natts)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("type %s.%s is not that of this library", WO_SCHEMA, type),
				 errdetail("It has %d attributes instead of %d.", desc->natts, natts),
				 errhint("Run ALTER EXTENSION workorder UPDATE.")));
	return desc;
}

static Datum
text_datum(WoSpan span)
{
	return PointerGetDatum(cstring_to_text_with_len(span.data, span.len));
}

static Datum
bytes_datum(WoSpan span)
{
	bytea	   *bytes = palloc(VARHDRSZ + span.len);

	SET_VARSIZE(bytes, VARHDRSZ + span.len);
	memcpy(VARDATA(bytes), span.data, span.len);
	return PointerGetDatum(bytes);
}

/*
 * path_datum puts the segments of a path together again.
 */
static Datum
path_datum(const WoHttpPath *path)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < path->nsegments; i++)
	{
		appendStringInfoChar(&text, '/');
		appendBinaryStringInfo(&text, path->segment[i].data, path->segment[i].len);
	}
	if (text.len == 0)
		appendStringInfoChar(&text, '/');
	return PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
}

/*
 * push adds a string to an object or an array under construction.
 */
static void
push(WoJsonbState *state, JsonbIteratorToken token, WoSpan span)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, span.data);
	value.val.string.len = span.len;
	wo_push_jsonb(state, token, &value);
}

/*
 * params_datum makes an object of what the path's parameters stand for.
 */
static Datum
params_datum(const WoHttpRequest *request)
{
	const WoRoute *route = request->match.route;
	WoJsonbState state = WO_JSONB_START;

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < route->nparams; i++)
	{
		push(&state, WJB_KEY, (WoSpan) {route->params[i], strlen(route->params[i])});
		push(&state, WJB_VALUE, request->match.params[i]);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL)));
}

static inline bool
same_name(const WoHttpField *a, const WoHttpField *b)
{
	return a->name.len == b->name.len && memcmp(a->name.data, b->name.data, a->name.len) == 0;
}

/*
 * fields_datum makes an object of the text fields.  A field that came several
 * times, or as name[], is an array in the order in which it came.
 */
static Datum
fields_datum(const WoHttpFields *fields)
{
	WoJsonbState state = WO_JSONB_START;
	bool	   *done = palloc0(sizeof(bool) * (fields->n + 1));

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < fields->n; i++)
	{
		const WoHttpField *field = &fields->item[i];
		bool		list = field->list;

		if (field->file || done[i])
			continue;
		for (int j = i + 1; j < fields->n && !list; j++)
			list = !fields->item[j].file && same_name(field, &fields->item[j]);
		push(&state, WJB_KEY, field->name);
		if (!list)
		{
			push(&state, WJB_VALUE, field->value);
			continue;
		}
		wo_push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
		for (int j = i; j < fields->n; j++)
			if (!fields->item[j].file && same_name(field, &fields->item[j]))
			{
				push(&state, WJB_ELEM, fields->item[j].value);
				done[j] = true;
			}
		wo_push_jsonb(&state, WJB_END_ARRAY, NULL);
	}
	pfree(done);
	return JsonbPGetDatum(JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL)));
}

/*
 * files_datum makes an array of the files.
 */
static Datum
files_datum(const WoHttpFields *fields)
{
	Oid			type = wo_handler_type("http_file");
	TupleDesc	desc;
	HeapTuple  *tuples;
	Datum	   *files;
	int			n = 0;
	ArrayType  *array;

	for (int i = 0; i < fields->n; i++)
		n += fields->item[i].file;
	if (n == 0)
		return PointerGetDatum(construct_empty_array(type));

	desc = our_row("http_file", FILE_NATTS);
	files = palloc(sizeof(Datum) * n);
	tuples = palloc(sizeof(HeapTuple) * n);
	n = 0;
	for (int i = 0; i < fields->n; i++)
	{
		const WoHttpField *field = &fields->item[i];
		Datum		values[FILE_NATTS];
		bool		nulls[FILE_NATTS] = {false};

		if (!field->file)
			continue;
		values[FILE_NAME] = text_datum(field->name);
		values[FILE_FILENAME] = text_datum(field->filename);
		values[FILE_CONTENT_TYPE] = text_datum(field->media_type);
		nulls[FILE_CONTENT_TYPE] = field->media_type.len == 0;
		values[FILE_CONTENT] = bytes_datum(field->value);
		tuples[n] = heap_form_tuple(desc, values, nulls);
		files[n] = HeapTupleGetDatum(tuples[n]);
		n++;
		pfree(DatumGetPointer(values[FILE_CONTENT]));
	}
	ReleaseTupleDesc(desc);
	array = construct_array(files, n, type, -1, false, TYPALIGN_DOUBLE);
	for (int i = 0; i < n; i++)
		heap_freetuple(tuples[i]);
	return PointerGetDatum(array);
}
