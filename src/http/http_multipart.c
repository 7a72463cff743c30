/*-------------------------------------------------------------------------
 *
 * http_multipart.c
 *	  Taking requests apart: multipart/form-data (RFC 7578).
 *
 * Parts are found by their delimiter in one pass over the body; the bytes of
 * a part are not copied and not looked at otherwise, so a large file costs
 * what reading it once costs.  Lines end in CRLF and nothing else: two
 * readings of where a part ends would be one too many.
 *
 * A part with a filename is a file, any other is a text field.  An empty
 * filename without content is how browsers send a file that nobody chose; it
 * is passed over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <string.h>

#include "http/http_parse.h"

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
 * wo_http_parse_multipart reads a multipart/form-data body.  A text field that
 * is no text is refused; it is the culprit.
 */
WoHttpRefusal
wo_http_parse_multipart(const char *data, size_t len, WoSpan boundary, WoHttpFields *fields)
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
			fields->culprit = fields->item[fields->n - 1].name;
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
		!wo_http_is_text(head.name))
		return WO_HTTP_PART_NAME;
	if (head.is_file && head.filename.len == 0 && content.len == 0)
		return WO_HTTP_FINE;
	field = wo_http_add_field(fields, head.name);
	if (field == NULL)
		return WO_HTTP_FIELDS;
	field->value = content;
	field->file = head.is_file;
	if (!head.is_file)
		return wo_http_is_text(content) ? WO_HTTP_FINE : WO_HTTP_VALUE;
	field->filename = last_of_path(head.filename);
	if (head.media_type.len > 0)
		field->media_type = head.media_type;
	return wo_http_is_text(head.filename) ? WO_HTTP_FINE : WO_HTTP_VALUE;
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
 * room for what has to be decoded.
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
	if (!wo_http_is_token(name))
		return WO_HTTP_PART_HEAD;
	from = colon + 1;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
		end--;

	if (wo_http_same_word(name, "content-disposition"))
		return head->disposed ? WO_HTTP_PART_HEAD : parse_disposition(from, end, out, head);
	if (wo_http_same_word(name, "content-type"))
	{
		WoMediaType type;

		if (wo_http_parse_media_type(from, end - from, &type) == WO_HTTP_FINE)
		{
			head->media_type.data = *out;
			head->media_type.len = strlen(type.name);
			memcpy(*out, type.name, head->media_type.len);
			*out += head->media_type.len;
		}
	}
	else if (wo_http_same_word(name, "content-transfer-encoding"))
	{
		WoSpan		value = {from, end - from};

		if (!wo_http_same_word(value, "binary") && !wo_http_same_word(value, "8bit") &&
			!wo_http_same_word(value, "7bit"))
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
	if (!wo_http_same_word(word, "form-data"))
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
		if (p == end || *p++ != '=' || !wo_http_is_token(word))
			return WO_HTTP_PART_HEAD;
		p = parse_value(p, end, out, &value);
		if (p == NULL)
			return WO_HTTP_PART_HEAD;

		if (wo_http_same_word(word, "name"))
		{
			if (head->named)
				return WO_HTTP_PART_HEAD;
			head->named = true;
			head->name = value;
		}
		else if (wo_http_same_word(word, "filename"))
		{
			head->is_file = true;
			if (!head->extended)
				head->filename = value;
		}
		else if (wo_http_same_word(word, "filename*"))
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
	if (!wo_http_same_word(charset, "utf-8") || (p = memchr(p + 1, '\'', end - p - 1)) == NULL)
		return false;
	for (p++; p < end; p++)
	{
		int			byte = (unsigned char) *p;

		if (byte == '%')
		{
			if (end - p < 3 || (byte = wo_http_hex(p + 1)) < 0)
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
