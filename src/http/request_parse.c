/*-------------------------------------------------------------------------
 *
 * request_parse.c
 *	  Taking requests apart: path, query, form, media type, multipart.
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
 * Parts of multipart/form-data (RFC 7578) are found by their delimiter in one
 * pass over the body; the bytes of a part are not copied and not looked at
 * otherwise, so a large file costs what reading it once costs.  Lines end in
 * CRLF and nothing else: two readings of where a part ends would be one too
 * many.  A part with a filename is a file, any other is a text field.  An empty
 * filename without content is how browsers send a file that nobody chose; it
 * is passed over.
 *
 * Called by request.c and http.c; needs no server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <string.h>

#include "http/request_parse.h"

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

/* What the headers of a part say. */
typedef struct PartHead
{
	bool		disposed;		/* there was a Content-Disposition */
	bool		named;
	bool		is_file;
	bool		extended;		/* filename* was given, which wins */
	WoSpan		name;
	WoSpan		filename;
	WoSpan		media_type;
} PartHead;

static WoHttpRefusal decode_segment(const char *from, const char *to, char **out, WoSpan *segment);
static WoSpan decode_field(const char *from, const char *to, char **out);
static WoHttpField *add_field(WoHttpFields *fields, WoSpan name);
static void strip_brackets(WoHttpField *field);
static const char *skip_blanks(const char *p, const char *end);
static bool is_boundary(WoSpan boundary);
static bool delimiter_at(const char *p, const char *end, WoSpan boundary, const char **next, bool *last);
static const char *find_delimiter(const char *from, const char *end, WoSpan boundary,
								  const char **next, bool *last);
static WoHttpRefusal parse_part(const char *from, const char *end, WoHttpFields *fields);
static const char *find_line_end(const char *from, const char *end);
static WoHttpRefusal parse_header(const char *from, const char *end, char **out, PartHead *head);
static WoHttpRefusal parse_disposition(const char *p, const char *end, char **out, PartHead *head);
static const char *parse_value(const char *p, const char *end, char **out, WoSpan *value);
static bool decode_extended(WoSpan *value, char **out);
static WoSpan last_of_path(WoSpan filename);

/*
 * wo_request_parse_refusal_text says why something was refused.
 */
const char *
wo_request_parse_refusal_text(WoHttpRefusal refusal)
{
	return refusal_text[refusal];
}

/*
 * wo_request_parse_path splits a request target at the first question mark and
 * its path at slashes.  One slash at the end is as good as none.
 */
WoHttpRefusal
wo_request_parse_path(const char *uri, size_t len, WoHttpPath *path)
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
			if (to - from < 2 || (byte = wo_ascii_hex(from)) < 0)
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
	if (!wo_ascii_is_text(*segment))
		return WO_HTTP_URI_UTF8;
	if (segment->data[0] == '.' &&
		(segment->len == 1 || (segment->len == 2 && segment->data[1] == '.')))
		return WO_HTTP_URI_DOTS;
	return WO_HTTP_FINE;
}

/*
 * wo_request_parse_fields reads a query or an application/x-www-form-urlencoded
 * body.  Fields come in the order in which they were sent.  A value that is
 * no text is refused; its field is the offending one.
 */
WoHttpRefusal
wo_request_parse_fields(const char *data, size_t len, WoHttpFields *fields)
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

		if (name.len > 0 && name.len <= WO_HTTP_MAX_NAME && wo_ascii_is_text(name))
		{
			WoHttpField *field = add_field(fields, name);

			if (field == NULL)
				return WO_HTTP_FIELDS;
			field->value = value;
			if (!refused && !wo_ascii_is_text(value))
			{
				fields->offending = field->name;
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
			int			byte = wo_ascii_hex(from);

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
 * add_field appends a field, or returns NULL if there are too many.
 */
static WoHttpField *
add_field(WoHttpFields *fields, WoSpan name)
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
 * wo_request_parse_media_type reads a Content-Type.  Of the parameters, charset
 * and boundary are kept; one that is there twice could be read differently by
 * somebody else.
 */
WoHttpRefusal
wo_request_parse_media_type(const char *data, size_t len, WoMediaType *type)
{
	const char *end = data + len;
	const char *p = skip_blanks(data, end);
	size_t		n = 0;
	int			slashes = 0;

	memset(type, 0, sizeof(*type));
	type->charset.data = type->boundary.data = end;
	for (; p < end && (wo_ascii_is_token_character(*p) || *p == '/'); p++)
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
		while (p < end && wo_ascii_is_token_character(*p))
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

		if (wo_ascii_same_word(name, "charset"))
			wanted = &type->charset;
		else if (wo_ascii_same_word(name, "boundary"))
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
 * wo_request_parse_is_too_large tells whether a JSON document is nested deeper, or has
 * more members, than any that makes sense.  Brackets and commas are counted
 * outside of strings; whether it is JSON at all is for the server's parser to
 * say.
 */
bool
wo_request_parse_is_too_large(const char *json, size_t len)
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

/* --- multipart ------------------------------------------------------------- */

/*
 * wo_request_parse_multipart reads a multipart/form-data body.  A text field that
 * is no text is refused; it is the offending one.
 */
WoHttpRefusal
wo_request_parse_multipart(const char *data, size_t len, WoSpan boundary, WoHttpFields *fields)
{
	const char *end = data + len;
	const char *part;
	bool		last = false;
	WoHttpRefusal refusal = WO_HTTP_FINE;

	memset(fields, 0, sizeof(*fields));
	if (!is_boundary(boundary))
		return WO_HTTP_BOUNDARY;

	/* the first delimiter may do without the line end that belongs to it */
	if (!delimiter_at(data, end, boundary, &part, &last) &&
		find_delimiter(data, end, boundary, &part, &last) == NULL)
		return WO_HTTP_PART_MISSING;

	while (!last)
	{
		/* of a part without content, the blank line is the delimiter's line end */
		const char *from = part;
		const char *stop = find_delimiter(from, end, boundary, &part, &last);
		WoHttpRefusal found;

		if (stop == NULL)
			return WO_HTTP_PART_END;
		found = parse_part(from, stop, fields);
		if (found != WO_HTTP_FINE && found != WO_HTTP_VALUE)
			return found;
		if (found == WO_HTTP_VALUE && refusal == WO_HTTP_FINE)
		{
			fields->offending = fields->item[fields->n - 1].name;
			refusal = found;
		}
	}
	/* parts behind the last one would get lost */
	if (find_delimiter(part, end, boundary, &part, &last) != NULL)
		return WO_HTTP_PART_END;
	return refusal;
}

/*
 * is_boundary tells whether a boundary is one of RFC 2046.
 */
static bool
is_boundary(WoSpan boundary)
{
	if (boundary.len == 0 || boundary.len > WO_HTTP_MAX_BOUNDARY ||
		boundary.data[boundary.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < boundary.len; i++)
	{
		char		c = boundary.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			  (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL)))
			return false;
	}
	return true;
}

/*
 * delimiter_at tells whether a delimiter's text is at p: two hyphens, the
 * boundary, two hyphens more for the last one, and the rest of the line, which
 * is blank.  *next is where the next part begins, or what follows the last.
 */
static bool
delimiter_at(const char *p, const char *end, WoSpan boundary, const char **next, bool *last)
{
	if ((size_t) (end - p) < boundary.len + 4 || p[0] != '-' || p[1] != '-' ||
		memcmp(p + 2, boundary.data, boundary.len) != 0)
		return false;
	p += boundary.len + 2;
	*last = p[0] == '-' && p[1] == '-';
	if (*last)
		p += 2;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	*next = p;
	/* after the last one the body may end */
	if (*last && p == end)
		return true;
	if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
		return false;
	/* which may be the line end of a delimiter that should not be there */
	if (!*last)
		*next = p + 2;
	return true;
}

/*
 * find_delimiter returns the line end that a delimiter begins with, or NULL.
 */
static const char *
find_delimiter(const char *from, const char *end, WoSpan boundary, const char **next, bool *last)
{
	const char *p = from;

	/* every delimiter is preceded by a line, be it the one of the delimiter before */
	while (p < end && (p = memchr(p, '\r', end - p)) != NULL)
	{
		if (end - p >= 2 && p[1] == '\n' && delimiter_at(p + 2, end, boundary, next, last))
			return p;
		p++;
	}
	return NULL;
}

/*
 * parse_part reads one part, which ends where the line end of the next
 * delimiter begins.
 */
static WoHttpRefusal
parse_part(const char *from, const char *end, WoHttpFields *fields)
{
	const char *p = from;
	const char *limit = end + 2;	/* the headers may share the delimiter's line end */
	PartHead	head;
	WoHttpField *field;
	WoSpan		content;
	char	   *out;

	if (limit - from > WO_HTTP_MAX_HEAD)
		limit = from + WO_HTTP_MAX_HEAD;
	memset(&head, 0, sizeof(head));
	/* a value is copied when it is unquoted, and once more when it is unescaped */
	out = palloc(2 * (limit - from));
	for (;;)
	{
		const char *stop = find_line_end(p, limit);
		WoHttpRefusal refusal;

		if (stop == NULL)
			return WO_HTTP_PART_HEAD;
		if (stop == p)
			break;
		refusal = parse_header(p, stop, &out, &head);
		if (refusal != WO_HTTP_FINE)
			return refusal;
		p = stop + 2;
	}
	p += 2;
	content.data = p <= end ? p : end;
	content.len = end - content.data;

	if (!head.named || head.name.len == 0 || head.name.len > WO_HTTP_MAX_NAME ||
		!wo_ascii_is_text(head.name))
		return WO_HTTP_PART_NAME;
	if (head.is_file && head.filename.len == 0 && content.len == 0)
		return WO_HTTP_FINE;
	field = add_field(fields, head.name);
	if (field == NULL)
		return WO_HTTP_FIELDS;
	field->value = content;
	field->file = head.is_file;
	if (!head.is_file)
		return wo_ascii_is_text(content) ? WO_HTTP_FINE : WO_HTTP_VALUE;
	field->filename = last_of_path(head.filename);
	if (head.media_type.len > 0)
		field->media_type = head.media_type;
	return wo_ascii_is_text(head.filename) ? WO_HTTP_FINE : WO_HTTP_VALUE;
}

/*
 * find_line_end returns the next CRLF, or NULL.
 */
static const char *
find_line_end(const char *from, const char *end)
{
	const char *p = from;

	while (p < end && (p = memchr(p, '\r', end - p)) != NULL)
	{
		if (end - p >= 2 && p[1] == '\n')
			return p;
		p++;
	}
	return NULL;
}

/*
 * parse_header reads one header of a part; of most nothing is wanted.  *out is
 * where what has to be decoded goes.
 */
static WoHttpRefusal
parse_header(const char *from, const char *end, char **out, PartHead *head)
{
	const char *colon = memchr(from, ':', end - from);
	WoSpan		name = {from, 0};

	if (colon == NULL)
		return WO_HTTP_PART_HEAD;
	name.len = colon - from;
	/* a continued line begins with a blank, which no token does */
	if (!wo_ascii_is_token(name))
		return WO_HTTP_PART_HEAD;
	from = colon + 1;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
		end--;

	if (wo_ascii_same_word(name, "content-disposition"))
		return head->disposed ? WO_HTTP_PART_HEAD : parse_disposition(from, end, out, head);
	if (wo_ascii_same_word(name, "content-type"))
	{
		WoMediaType type;

		if (wo_request_parse_media_type(from, end - from, &type) == WO_HTTP_FINE)
		{
			head->media_type.data = *out;
			head->media_type.len = strlen(type.name);
			memcpy(*out, type.name, head->media_type.len);
			*out += head->media_type.len;
		}
	}
	else if (wo_ascii_same_word(name, "content-transfer-encoding"))
	{
		WoSpan		value = {from, end - from};

		if (!wo_ascii_same_word(value, "binary") && !wo_ascii_same_word(value, "8bit") &&
			!wo_ascii_same_word(value, "7bit"))
			return WO_HTTP_PART_ENCODING;
	}
	return WO_HTTP_FINE;
}

/*
 * parse_disposition reads the value of a Content-Disposition.
 */
static WoHttpRefusal
parse_disposition(const char *p, const char *end, char **out, PartHead *head)
{
	WoSpan		word = {p, 0};

	head->disposed = true;
	while (p < end && *p != ';' && *p != ' ' && *p != '\t')
		p++;
	word.len = p - word.data;
	if (!wo_ascii_same_word(word, "form-data"))
		return WO_HTTP_PART_HEAD;

	for (;;)
	{
		WoSpan		value;

		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (p == end)
			return WO_HTTP_FINE;
		if (*p++ != ';')
			return WO_HTTP_PART_HEAD;
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (p == end)
			return WO_HTTP_FINE;

		word.data = p;
		while (p < end && *p != '=' && *p != ';')
			p++;
		word.len = p - word.data;
		if (p == end || *p++ != '=' || !wo_ascii_is_token(word))
			return WO_HTTP_PART_HEAD;
		p = parse_value(p, end, out, &value);
		if (p == NULL)
			return WO_HTTP_PART_HEAD;

		if (wo_ascii_same_word(word, "name"))
		{
			if (head->named)
				return WO_HTTP_PART_HEAD;
			head->named = true;
			head->name = value;
		}
		else if (wo_ascii_same_word(word, "filename"))
		{
			head->is_file = true;
			if (!head->extended)
				head->filename = value;
		}
		else if (wo_ascii_same_word(word, "filename*"))
		{
			head->is_file = true;
			if (!decode_extended(&value, out))
				return WO_HTTP_PART_HEAD;
			head->extended = true;
			head->filename = value;
		}
	}
}

/*
 * parse_value reads the value of a parameter and returns where it ends, NULL
 * if it does not.  In a quoted one, a backslash is an escape before a quote or
 * another backslash only: browsers write it as it is.
 */
static const char *
parse_value(const char *p, const char *end, char **out, WoSpan *value)
{
	char	   *to = *out;

	if (p == end || *p != '"')
	{
		value->data = p;
		while (p < end && *p != ';' && *p != ' ' && *p != '\t' && *p != '"')
			p++;
		value->len = p - value->data;
		return p;
	}
	for (p++;; p++)
	{
		if (p == end)
			return NULL;
		if (*p == '"')
			break;
		if (*p == '\\' && end - p >= 2 && (p[1] == '"' || p[1] == '\\'))
			p++;
		*to++ = *p;
	}
	value->data = *out;
	value->len = to - *out;
	*out = to;
	return p + 1;
}

/*
 * decode_extended decodes a value of RFC 8187: UTF-8'language'escaped.
 */
static bool
decode_extended(WoSpan *value, char **out)
{
	const char *end = value->data + value->len;
	const char *p = memchr(value->data, '\'', value->len);
	WoSpan		charset = {value->data, 0};
	char	   *to = *out;

	if (p == NULL)
		return false;
	charset.len = p - value->data;
	if (!wo_ascii_same_word(charset, "utf-8") || (p = memchr(p + 1, '\'', end - p - 1)) == NULL)
		return false;
	for (p++; p < end; p++)
	{
		int			byte = (unsigned char) *p;

		if (byte == '%')
		{
			if (end - p < 3 || (byte = wo_ascii_hex(p + 1)) < 0)
				return false;
			p += 2;
		}
		*to++ = (char) byte;
	}
	value->data = *out;
	value->len = to - *out;
	*out = to;
	return true;
}

/*
 * last_of_path leaves the name a file was sent with, without the directories
 * that some browsers put before it and some attackers too.
 */
static WoSpan
last_of_path(WoSpan filename)
{
	WoSpan		result = filename;

	for (size_t i = 0; i < filename.len; i++)
		if (filename.data[i] == '/' || filename.data[i] == '\\')
		{
			result.data = filename.data + i + 1;
			result.len = filename.len - i - 1;
		}
	return result;
}
