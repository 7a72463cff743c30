/*-------------------------------------------------------------------------
 *
 * request_parse_fuzz.c
 *	  Feeds the HTTP parsers arbitrary bytes, and checks what they promise.
 *
 * The first byte chooses the parser, the rest is its input.  The address
 * sanitizer watches the memory: inputs and every allocation are exact, so that
 * one byte too far is noticed.  What is checked besides is in the comments.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/request_parse.h"
#include "fuzz.h"

/* touches every byte, so that the sanitizer sees a span that is too long */
static unsigned
touch(WoSpan span)
{
	unsigned	sum = 0;

	promise(span.data != NULL, "a span has an address");
	for (size_t i = 0; i < span.len; i++)
		sum += (unsigned char) span.data[i];
	return sum;
}

/* a path that is taken has sound segments, and means itself when taken again */
static void
check_path(const char *data, size_t len)
{
	WoHttpPath	path;
	WoHttpPath	again;
	WoHttpRefusal refusal = wo_request_parse_path(data, len, &path);
	char	   *clean;
	size_t		n = 0;

	promise(path.nsegments >= 0 && path.nsegments <= WO_HTTP_MAX_SEGMENTS, "few segments");
	touch(path.query);
	clean = palloc(3 * len + 2 * WO_HTTP_MAX_SEGMENTS + 1);
	clean[n++] = '/';
	for (int i = 0; i < path.nsegments; i++)
	{
		WoSpan		segment = path.segment[i];

		promise(segment.len > 0, "no segment is empty");
		promise(wo_ascii_is_text(segment), "a segment is text");
		promise(memchr(segment.data, '/', segment.len) == NULL, "no segment has a slash");
		promise(!(segment.len == 1 && segment.data[0] == '.'), "no segment is .");
		promise(!(segment.len == 2 && memcmp(segment.data, "..", 2) == 0), "no segment is ..");
		for (size_t j = 0; j < segment.len; j++)
		{
			unsigned char c = segment.data[j];

			promise(c >= 0x20 && c != 0x7F, "no segment has a control character");
			n += sprintf(clean + n, "%%%02X", c);
		}
		clean[n++] = '/';
	}
	if (refusal != WO_HTTP_FINE)
		return;
	if (path.nsegments == 0 || n > WO_HTTP_MAX_URI)
		return;
	promise(wo_request_parse_path(clean, n, &again) == WO_HTTP_FINE, "an encoded path is taken");
	promise(again.nsegments == path.nsegments, "it has as many segments");
	for (int i = 0; i < path.nsegments; i++)
		promise(again.segment[i].len == path.segment[i].len &&
				memcmp(again.segment[i].data, path.segment[i].data, path.segment[i].len) == 0,
				"they are the same");
}

/* fields have sound names; their values are text, or the offending field is named */
static void
check_fields(WoHttpRefusal refusal, const WoHttpFields *fields)
{
	promise(fields->n <= WO_HTTP_MAX_FIELDS, "few fields");
	for (int i = 0; i < fields->n; i++)
	{
		const WoHttpField *field = &fields->item[i];

		promise(field->name.len > 0 && field->name.len <= WO_HTTP_MAX_NAME, "a field has a name");
		promise(wo_ascii_is_text(field->name), "the name is text");
		touch(field->value);
		touch(field->media_type);
		if (refusal != WO_HTTP_FINE)
			continue;
		if (!field->file)
			promise(wo_ascii_is_text(field->value), "a value is text");
		promise(wo_ascii_is_text(field->filename), "a filename is text");
		promise(field->filename.len == 0 || (memchr(field->filename.data, '/', field->filename.len) == NULL &&
											 memchr(field->filename.data, '\\', field->filename.len) == NULL),
				"a filename has no directories");
	}
	if (refusal == WO_HTTP_VALUE)
		promise(fields->offending.data != NULL && fields->offending.len > 0, "the offending field is named");
}

/* the type is lower case with one slash, the parameters are within the input */
static void
check_media_type(const char *data, size_t len)
{
	WoMediaType type;

	if (wo_request_parse_media_type(data, len, &type) != WO_HTTP_FINE)
		return;
	touch(type.charset);
	touch(type.boundary);
	promise(strchr(type.name, '/') != NULL && strchr(type.name, '/') == strrchr(type.name, '/'),
			"a media type has one slash");
	for (char *p = type.name; *p != '\0'; p++)
		promise(!(*p >= 'A' && *p <= 'Z'), "a media type is lower case");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	WoHttpFields fields;
	char	   *data;
	size_t		len;
	WoHttpRefusal refusal;

	if (size == 0)
		return 0;
	len = size - 1;
	data = palloc(len);
	memcpy(data, bytes + 1, len);
	switch (bytes[0] % 5)
	{
		case 0:
			check_path(data, len);
			break;
		case 1:
			refusal = wo_request_parse_fields(data, len, &fields);
			check_fields(refusal, &fields);
			break;
		case 2:
			{
				/* the boundary is the first line, however it looks */
				const char *end = len > 0 ? memchr(data, '\n', len) : NULL;
				WoSpan		boundary = {"b", 1};

				if (end != NULL)
				{
					boundary.data = data;
					boundary.len = end - data;
					len -= boundary.len + 1;
					data = memcpy(palloc(len), end + 1, len);
				}
				refusal = wo_request_parse_multipart(data, len, boundary, &fields);
				check_fields(refusal, &fields);
				break;
			}
		case 3:
			check_media_type(data, len);
			break;
		case 4:
			(void) wo_request_parse_is_too_large(data, len);
			break;
	}
	give_back();
	return 0;
}

const char *const fuzz_words[] = {"\r\n", "--b", "--b--", "%00", "%2F", "..", "//", "\"", "\\", "=", "&", ";",
	"[]", "\xC0\xAF", "\xED\xA0\x80", "\xF0\x9F\x98\x80", "\r\n\r\n", "name=\"a\"", "filename*=UTF-8''%", ": ", NULL};
