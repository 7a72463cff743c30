/*-------------------------------------------------------------------------
 *
 * idempotency_http.c
 *	  Requests with an Idempotency-Key.
 *
 * A request that may change something is answered once: sent again with the
 * same key, it gets the same status, headers and body.  It is the same request
 * if method, path, query, media type and body are the same to the byte.  What
 * was refused (400 and above) changed nothing and is not kept, so that it can
 * be sent again when the reason is gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "actor/actor.h"
#include "http/http.h"

/*
 * wo_http_begin_once looks whether a request was answered before, and answers
 * it again.  If it leaves the answer empty, the request is to be done.
 */
WoHttpReason
wo_http_begin_once(const WoHttpRequest *request, WoOnce *once, WoHttpAnswer *answer)
{
	const WoRoute *route = request->match.route;
	const char *method = wo_route_method_name[route->method];
	const void *parts[] = {method, request->uri, request->content_type, request->body};
	size_t		lengths[] = {strlen(method), strlen(request->uri), strlen(request->content_type),
	request->body_len};
	WoResult	result;

	if (request->key == NULL || route->method == WO_METHOD_GET)
		return WO_REASON_NONE;
	/* what was answered to nobody would be answered to everybody */
	if (wo_actor_current()->id == 0)
		return WO_REASON_UNAUTHENTICATED;
	if (!wo_once_is_key(request->key))
		return WO_REASON_KEY;

	once->scope = psprintf("http:%s", request->match.api->name);
	once->key = request->key;
	wo_once_digest(once, parts, lengths, lengthof(parts));
	switch (wo_once_begin(once, &result))
	{
		case WO_ONCE_NEW:
			break;
		case WO_ONCE_OTHER:
			return WO_REASON_KEY_REUSED;
		case WO_ONCE_DONE:
			answer->status = result.status;
			answer->content_type = result.content_type;
			if (result.headers[0] != '\0')
			{
				answer->headers = makeStringInfo();
				appendStringInfoString(answer->headers, result.headers);
			}
			answer->body = result.body;
			break;
	}
	return WO_REASON_NONE;
}

/*
 * wo_http_keep_once keeps the answer to a request that was begun.
 */
void
wo_http_keep_once(const WoOnce *once, const WoHttpAnswer *answer)
{
	WoResult	result = {answer->status, answer->content_type,
	answer->headers != NULL ? answer->headers->data : "", answer->body};

	if (once->key != NULL && answer->status < 400)
		wo_once_keep(once, &result);
}
