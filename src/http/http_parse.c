/*-------------------------------------------------------------------------
 *
 * http_parse.c
 *	  Taking requests apart: path, query, form, media type.
 *
 * Everything is decoded exactly once.  What reaches the caller holds no NUL
 * and is valid UTF-8, so that it can become text as it is.  Spans point into
 * the input where nothing had to be decoded, and into one buffer of the
 * current memory context otherwise; they live as long as both.
 *
 * A path is strict, for it decides which code runs: what another program on
 * the way might read differently is refused.  A query or a form is lenient as
 * browsers and other servers are: a percent sign that starts no escape stands
 * for itself, and a name that can be nobody's is passed over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <string.h>

#include "http/http_parse.h"

static const char *const refusal_text[] =
{
	[WO_HTTP_FINE] = "nothing",
	[WO_HTTP_URI_TOO_LONG] = "the URI is too long",
	[WO_HTTP_URI_NOT_ABSOLUTE] = "the path does not begin with a slash",
	[WO_HTTP_URI_CHARACTER] = "the path contains a control character, a space or a number sign",
	[WO_HTTP_URI_PERCENT] = "the path contains a percent sign that starts no escape",
	[WO_HTTP_URI_UTF8] = "the path is not UTF-8",
	[WO_HTTP_URI_DOTS] = "the path contains \".\" or \"..\"",
	[WO_HTTP_URI_EMPTY_SEGMENT] = "the path contains an empty segment",
	[WO_HTTP_URI_SLASH] = "a segment of the path contains an encoded slash",
	[WO_HTTP_URI_SEGMENTS] = "the path has too many segments",
	[WO_HTTP_FIELDS] = "there are too many fields",
	[WO_HTTP_VALUE] = "a value contains a NUL or is not UTF-8",
	[WO_HTTP_MEDIA_TYPE] = "the media type cannot be read",
	[WO_HTTP_BOUNDARY] = "the boundary of the parts is missing or cannot be one",
	[WO_HTTP_PART_MISSING] = "the first boundary is missing",
	[WO_HTTP_PART_HEAD] = "the headers of a part cannot be read",
	[WO_HTTP_PART_NAME] = "a part has no name, or one that is not UTF-8",
	[WO_HTTP_PART_ENCODING] = "a part has a transfer encoding",
	[WO_HTTP_PART_END] = "the last boundary is missing",
};

static WoHttpRefusal decode_segment(const char *from, const char *to, char **out, WoSpan *segment);
static WoSpan decode_field(const char *from, const char *to, char **out);
static void strip_brackets(WoHttpField *field);
static const char *skip_blanks(const char *p, const char *end);

/*
 * wo_http_refusal_text says why something was refused.
 */
const char *
wo_http_refusal_text(WoHttpRefusal refusal)
{
	return refusal_text[refusal];
}

/*
 * wo_http_parse_path splits a request target at the first question mark and
 * its path at slashes.  One slash at the end is as good as none.
 */
WoHttpRefusal
wo_http_parse_path(const char *uri, size_t len, WoHttpPath *path)
{
	const char *end = uri + len;
	const char *stop;
	const char *from;
	char	   *out;

	path->nsegments = 0;
	stop = memchr(uri, '?', len);
	if (stop == NULL)
		stop = end;
	path->query.data = stop < end ? stop + 1 : end;
	path->query.len = end - path->query.data;
	if (len > WO_HTTP_MAX_URI)
		return WO_HTTP_URI_TOO_LONG;
	if (stop == uri || *uri != '/')
		return WO_HTTP_URI_NOT_ABSOLUTE;

	out = palloc(stop - uri);
	for (from = uri + 1; from < stop;)
	{
		const char *to = memchr(from, '/', stop - from);
		WoHttpRefusal refusal;

		if (to == NULL)
			to = stop;
		if (to == from)
			return WO_HTTP_URI_EMPTY_SEGMENT;
		if (path->nsegments == WO_HTTP_MAX_SEGMENTS)
			return WO_HTTP_URI_SEGMENTS;
		refusal = decode_segment(from, to, &out, &path->segment[path->nsegments]);
		if (refusal != WO_HTTP_FINE)
			return refusal;
		path->nsegments++;
		from = to + 1;
	}
	return WO_HTTP_FINE;
}

/*
 * decode_segment decodes one segment of a path into *out and moves that on.
 */
static WoHttpRefusal
decode_segment(const char *from, const char *to, char **out, WoSpan *segment)
{
	char	   *p = *out;

	while (from < to)
	{
		int			byte = (unsigned char) *from++;

		if (byte == '%')
		{
			if (to - from < 2 || (byte = wo_http_hex(from)) < 0)
				return WO_HTTP_URI_PERCENT;
			from += 2;
			if (byte == '/')
				return WO_HTTP_URI_SLASH;
		}
		else if (byte == ' ' || byte == '#')
			return WO_HTTP_URI_CHARACTER;
		if (byte < 0x20 || byte == 0x7F)
			return WO_HTTP_URI_CHARACTER;
		*p++ = (char) byte;
	}
	segment->data = *out;
	segment->len = p - *out;
	*out = p;
	if (!wo_http_is_text(*segment))
		return WO_HTTP_URI_UTF8;
	if (segment->data[0] == '.' &&
		(segment->len == 1 || (segment->len == 2 && segment->data[1] == '.')))
		return WO_HTTP_URI_DOTS;
	return WO_HTTP_FINE;
}

/*
 * wo_http_parse_fields reads a query or an application/x-www-form-urlencoded
 * body.  Fields come in the order in which they were sent.  A value that is
 * no text is refused; its field is the culprit.
 */
WoHttpRefusal
wo_http_parse_fields(const char *data, size_t len, WoHttpFields *fields)
{
	const char *end = data + len;
	char	   *out = palloc(len + 1);
	bool		refused = false;

	memset(fields, 0, sizeof(*fields));
	while (data < end)
	{
		const char *stop = memchr(data, '&', end - data);
		const char *equals;
		WoSpan		name;
		WoSpan		value = {end, 0};

		if (stop == NULL)
			stop = end;
		equals = memchr(data, '=', stop - data);
		name = decode_field(data, equals != NULL ? equals : stop, &out);
		if (equals != NULL)
			value = decode_field(equals + 1, stop, &out);
		data = stop + 1;

		if (name.len > 0 && name.len <= WO_HTTP_MAX_NAME && wo_http_is_text(name))
		{
			WoHttpField *field = wo_http_add_field(fields, name);

			if (field == NULL)
				return WO_HTTP_FIELDS;
			field->value = value;
			if (!refused && !wo_http_is_text(value))
			{
				fields->culprit = field->name;
				refused = true;
			}
		}
	}
	return refused ? WO_HTTP_VALUE : WO_HTTP_FINE;
}

/*
 * decode_field decodes a name or a value into *out and moves that on.
 */
static WoSpan
decode_field(const char *from, const char *to, char **out)
{
	WoSpan		result = {*out, 0};
	char	   *p = *out;

	while (from < to)
	{
		char		c = *from++;

		if (c == '+')
			c = ' ';
		else if (c == '%' && to - from >= 2)
		{
			int			byte = wo_http_hex(from);

			if (byte >= 0)
			{
				c = (char) byte;
				from += 2;
			}
		}
		*p++ = c;
	}
	result.len = p - *out;
	*out = p;
	return result;
}

/*
 * wo_http_add_field appends a field, or returns NULL if there are too many.
 */
WoHttpField *
wo_http_add_field(WoHttpFields *fields, WoSpan name)
{
	WoHttpField *field;

	if (fields->n == fields->allocated)
	{
		if (fields->n >= WO_HTTP_MAX_FIELDS)
			return NULL;
		fields->allocated = fields->n == 0 ? 8 : fields->n * 2;
		if (fields->allocated > WO_HTTP_MAX_FIELDS)
			fields->allocated = WO_HTTP_MAX_FIELDS;
		if (fields->item == NULL)
			fields->item = palloc(fields->allocated * sizeof(WoHttpField));
		else
			fields->item = repalloc(fields->item, fields->allocated * sizeof(WoHttpField));
	}
	field = &fields->item[fields->n++];
	memset(field, 0, sizeof(*field));
	field->name = name;
	field->value.data = name.data;
	field->filename.data = name.data;
	field->media_type.data = name.data;
	strip_brackets(field);
	return field;
}

/*
 * strip_brackets takes [] or [digits] from the end of a name: an element of a
 * list, as PHP and its clients write it.
 */
static void
strip_brackets(WoHttpField *field)
{
	size_t		i = field->name.len;

	if (i < 3 || field->name.data[i - 1] != ']')
		return;
	i--;
	while (i > 0 && field->name.data[i - 1] >= '0' && field->name.data[i - 1] <= '9')
		i--;
	if (i >= 2 && field->name.data[i - 1] == '[')
	{
		field->name.len = i - 1;
		field->list = true;
	}
}

static const char *
skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

/*
 * wo_http_parse_media_type reads a Content-Type.  Of the parameters, charset
 * and boundary are kept; one that is there twice could be read differently by
 * somebody else.
 */
WoHttpRefusal
wo_http_parse_media_type(const char *data, size_t len, WoMediaType *type)
{
	const char *end = data + len;
	const char *p = skip_blanks(data, end);
	size_t		n = 0;
	int			slashes = 0;

	memset(type, 0, sizeof(*type));
	type->charset.data = type->boundary.data = end;
	for (; p < end && (wo_http_is_token_character(*p) || *p == '/'); p++)
	{
		if (n == WO_HTTP_MAX_MEDIA_TYPE)
			return WO_HTTP_MEDIA_TYPE;
		slashes += *p == '/';
		type->name[n++] = *p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p;
	}
	if (slashes != 1 || type->name[0] == '/' || type->name[n - 1] == '/')
		return WO_HTTP_MEDIA_TYPE;

	for (;;)
	{
		WoSpan		name;
		WoSpan		value;
		WoSpan	   *wanted = NULL;

		p = skip_blanks(p, end);
		if (p == end)
			return WO_HTTP_FINE;
		if (*p++ != ';')
			return WO_HTTP_MEDIA_TYPE;
		p = skip_blanks(p, end);
		if (p == end || *p == ';')
			continue;			/* an empty parameter, as some write it */

		name.data = p;
		while (p < end && wo_http_is_token_character(*p))
			p++;
		name.len = p - name.data;
		if (name.len == 0 || p == end || *p++ != '=')
			return WO_HTTP_MEDIA_TYPE;

		if (p < end && *p == '"')
		{
			/* an escape would have to be decoded; no charset or boundary needs one */
			value.data = ++p;
			while (p < end && *p != '"' && *p != '\\')
				p++;
			value.len = p - value.data;
			if (p == end || *p++ != '"')
				return WO_HTTP_MEDIA_TYPE;
		}
		else
		{
			/* looser than a token: boundaries with a slash or a colon come unquoted */
			value.data = p;
			while (p < end && *p > ' ' && *p < 0x7F && *p != ';' && *p != '"')
				p++;
			value.len = p - value.data;
		}

		if (wo_http_same_word(name, "charset"))
			wanted = &type->charset;
		else if (wo_http_same_word(name, "boundary"))
			wanted = &type->boundary;
		if (wanted != NULL)
		{
			if (value.len == 0 || wanted->len > 0)
				return WO_HTTP_MEDIA_TYPE;
			*wanted = value;
		}
	}
}

/*
 * wo_http_is_unwieldy tells whether a JSON document is nested deeper, or has
 * more members, than any that makes sense.  Brackets and commas are counted
 * outside of strings; whether it is JSON at all is for the server's parser to
 * say.
 */
bool
wo_http_is_unwieldy(const char *json, size_t len)
{
	const char *end = json + len;
	int			depth = 0;
	int			members = 0;

	for (const char *p = json; p < end; p++)
	{
		switch (*p)
		{
			case '{':
			case '[':
				if (++depth > WO_JSON_MAX_DEPTH || ++members > WO_JSON_MAX_MEMBERS)
					return true;
				break;
			case ',':
				if (++members > WO_JSON_MAX_MEMBERS)
					return true;
				break;
			case '}':
			case ']':
				depth--;
				break;
			case '"':
				for (p++; p < end && *p != '"'; p++)
					if (*p == '\\')
						p++;
				break;
			default:
				break;
		}
	}
	return false;
}
