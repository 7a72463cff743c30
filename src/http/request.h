/*-------------------------------------------------------------------------
 *
 * request.h
 *	  One request, as far as it is understood (request.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_REQUEST_H
#define WO_REQUEST_H

#include "http/answer.h"
#include "http/request_parse.h"
#include "http/route.h"

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

extern WoHttpReason wo_request_read_body(WoHttpRequest *request);
extern WoHttpReason wo_request_read_query(WoHttpRequest *request);
extern Datum wo_request_datum(const WoHttpRequest *request);
extern WoSpan wo_request_offending_field(const WoHttpRequest *request);

#endif							/* WO_REQUEST_H */
