/*-------------------------------------------------------------------------
 *
 * request_parse.h
 *	  Taking requests apart (request_parse.c).
 *
 * Nothing here knows of catalogs, settings or encodings of the server: bytes
 * in, spans of valid UTF-8 out, or the reason why not.  It builds without a
 * server, which is how it is fuzzed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_REQUEST_PARSE_H
#define WO_REQUEST_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "utils/ascii.h"
#include "utils/json_limits.h"

#define WO_HTTP_MAX_URI			16384	/* bytes, as sent */
#define WO_HTTP_MAX_SEGMENTS	32		/* of a path */
#define WO_HTTP_MAX_FIELDS		1000	/* of a query or a form, files included */
#define WO_HTTP_MAX_NAME		256		/* bytes of a field's name */
#define WO_HTTP_MAX_HEAD		8192	/* bytes of the headers of one part */
#define WO_HTTP_MAX_BOUNDARY	70		/* RFC 2046 */
#define WO_HTTP_MAX_MEDIA_TYPE	127		/* RFC 6838: twice 127 at most, nobody comes near */

typedef enum WoHttpRefusal
{
	WO_HTTP_FINE,
	WO_HTTP_URI_TOO_LONG,
	WO_HTTP_URI_NOT_ABSOLUTE,
	WO_HTTP_URI_CHARACTER,
	WO_HTTP_URI_PERCENT,
	WO_HTTP_URI_UTF8,
	WO_HTTP_URI_DOTS,
	WO_HTTP_URI_EMPTY_SEGMENT,
	WO_HTTP_URI_SLASH,
	WO_HTTP_URI_SEGMENTS,
	WO_HTTP_FIELDS,
	WO_HTTP_VALUE,
	WO_HTTP_MEDIA_TYPE,
	WO_HTTP_BOUNDARY,
	WO_HTTP_PART_MISSING,
	WO_HTTP_PART_HEAD,
	WO_HTTP_PART_NAME,
	WO_HTTP_PART_ENCODING,
	WO_HTTP_PART_END
} WoHttpRefusal;

/*
 * The path of a request: its segments, percent-decoded.  When it is refused,
 * the segments before the offending one are there.
 */
typedef struct WoHttpPath
{
	int			nsegments;
	WoSpan		segment[WO_HTTP_MAX_SEGMENTS];
	WoSpan		query;			/* as sent, without the question mark */
} WoHttpPath;

/* One field of a query or a form, or one file. */
typedef struct WoHttpField
{
	WoSpan		name;
	WoSpan		value;
	bool		list;			/* sent as name[] or name[0] */
	bool		file;
	WoSpan		filename;		/* of a file: what follows the last slash */
	WoSpan		media_type;		/* of a file: lower case, no parameters */
} WoHttpField;

typedef struct WoHttpFields
{
	int			n;
	int			allocated;
	WoHttpField *item;
	WoSpan		offending;		/* name of the field refused with WO_HTTP_VALUE */
} WoHttpFields;

typedef struct WoMediaType
{
	char		name[WO_HTTP_MAX_MEDIA_TYPE + 1];	/* "application/json" */
	WoSpan		charset;		/* empty if there is none */
	WoSpan		boundary;		/* empty if there is none */
} WoMediaType;

extern const char *wo_request_parse_refusal_text(WoHttpRefusal refusal);

extern WoHttpRefusal wo_request_parse_path(const char *uri, size_t len, WoHttpPath *path);
extern WoHttpRefusal wo_request_parse_fields(const char *data, size_t len, WoHttpFields *fields);
extern WoHttpRefusal wo_request_parse_multipart(const char *data, size_t len, WoSpan boundary,
												WoHttpFields *fields);
extern WoHttpRefusal wo_request_parse_media_type(const char *data, size_t len, WoMediaType *type);
extern bool wo_request_parse_is_too_large(const char *json, size_t len);

#endif							/* WO_REQUEST_PARSE_H */
