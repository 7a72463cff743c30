/*-------------------------------------------------------------------------
 *
 * http.h
 *	  One request on its way through the door: what http.c, http_request.c
 *	  and http_answer.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_HTTP_H
#define WO_HTTP_H

#include "lib/stringinfo.h"

#include "http/http_parse.h"
#include "http/idempotency.h"
#include "http/route.h"

/*
 * Why a request is answered without its handler, or against it.  The names
 * and what is said by default are in http_answer.c.
 */
typedef enum WoHttpReason
{
	WO_REASON_NONE,
	WO_REASON_NOT_FOUND,
	WO_REASON_METHOD,
	WO_REASON_URI_TOO_LONG,
	WO_REASON_TOO_LARGE,
	WO_REASON_MEDIA_TYPE,
	WO_REASON_UNAUTHENTICATED,
	WO_REASON_DENIED,
	WO_REASON_MALFORMED,
	WO_REASON_PARAMETER,
	WO_REASON_CONFLICT,
	WO_REASON_KEY,
	WO_REASON_KEY_REUSED,
	WO_REASON_BUSY,
	WO_REASON_INTERNAL
} WoHttpReason;

/* What goes back. */
typedef struct WoHttpAnswer
{
	int			status;
	const char *content_type;
	bytea	   *body;			/* NULL = empty */
	StringInfo	headers;		/* members of the array response.headers, NULL = none */
} WoHttpAnswer;

/* What came in, as far as it is understood. */
typedef struct WoHttpRequest
{
	const char *method_name;
	const char *uri;
	const char *content_type;	/* as sent, "" if there is none */
	const char *key;			/* Idempotency-Key, NULL if there is none */
	const char *body;
	size_t		body_len;

	WoMethod	method;
	WoHttpPath	path;
	WoRouteMatch match;
	WoMediaType media_type;		/* of a body that is not empty */

	WoHttpFields query;
	WoHttpFields form;			/* text fields and files */
	Jsonb	   *json;			/* NULL if there is none */
	bool		reading_json;	/* errors now are the client's */
} WoHttpRequest;

/* http_request.c */
extern WoHttpReason wo_http_read_body(WoHttpRequest *request);
extern WoHttpReason wo_http_read_query(WoHttpRequest *request);
extern Datum wo_http_request_datum(const WoHttpRequest *request);
extern WoSpan wo_http_culprit(const WoHttpRequest *request);

/* http_answer.c */
extern void wo_http_refuse(const WoApi *api, WoHttpReason reason, WoSpan name, WoHttpAnswer *answer);
extern void wo_http_answer_error(const WoApi *api, const ErrorData *error, WoHttpAnswer *answer);
extern void wo_http_answer_response(Datum response, WoHttpAnswer *answer);
extern void wo_http_add_header(WoHttpAnswer *answer, const char *name, const char *value);
extern bytea *wo_http_send(WoHttpAnswer *answer);

/* http_envelope.c */
typedef struct WoEnvelope
{
	int			status;
	const char *message;
	const char *reason;
	const char *code;			/* the rest is NULL if there is none */
	const char *detail;
	const char *data;			/* the detail as JSON */
	const char *hint;
	const char *name;
} WoEnvelope;

extern char *wo_http_fill_text(const char *text, const WoEnvelope *values);
extern char *wo_http_fill_template(const char *json, const WoEnvelope *values);

/* idempotency_http.c */
extern WoHttpReason wo_http_begin_once(const WoHttpRequest *request, WoOnce *once, WoHttpAnswer *answer);
extern void wo_http_keep_once(const WoOnce *once, const WoHttpAnswer *answer);

/* http_handler.c */
extern Datum wo_http_call(WoHandler *handler, Oid result_type, Datum request, bool *isnull);
extern bool wo_http_may_call(WoHandler *handler, Oid result_type);
extern Oid	wo_http_type(const char *name);

#endif							/* WO_HTTP_H */
