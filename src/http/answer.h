/*-------------------------------------------------------------------------
 *
 * answer.h
 *	  What goes back to a client (answer.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ANSWER_H
#define WO_ANSWER_H

#include "lib/stringinfo.h"

#include "http/route.h"

/*
 * Why a request is answered without its handler, or against it.  The names
 * and what is said by default are in answer.c.
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

extern void wo_answer_refuse(const WoApi *api, WoHttpReason reason, WoSpan name, WoHttpAnswer *answer);
extern void wo_answer_error(const WoApi *api, const ErrorData *error, WoHttpAnswer *answer);
extern void wo_answer_response(Datum response, WoHttpAnswer *answer);
extern void wo_answer_add_header(WoHttpAnswer *answer, const char *name, const char *value);
extern bytea *wo_answer_send(WoHttpAnswer *answer);

/* What an error body is filled with; for answer.c and its test only. */
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

extern char *wo_answer_fill_text(const char *text, const WoEnvelope *values);
extern char *wo_answer_fill_template(const char *json, const WoEnvelope *values);

#endif							/* WO_ANSWER_H */
