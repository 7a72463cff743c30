/*-------------------------------------------------------------------------
 *
 * http_envelope.c
 *	  The error bodies of the APIs: JSON templates that are filled in.
 *
 * A template is JSON text that PostgreSQL has accepted, and is copied as it
 * is, key order and all, but for its strings: one that is "$status" and no
 * more becomes the value itself, and "$name" within a longer one, or in a
 * key, becomes text.  Values never become anything but JSON strings and
 * numbers, whatever is in them; "$data" alone is JSON, and comes as such.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/json.h"

#include "http/http.h"

typedef struct Variable
{
	const char *name;			/* NULL = there is no such variable */
	bool		plain;			/* without quotes */
	char	   *text;			/* NULL = null */
	size_t		len;			/* of the name, with the dollar sign */
} Variable;

static Variable find_variable(const char *p, const char *end, const WoEnvelope *values);
static void append_string(StringInfo out, const char *from, const char *to, bool key,
						  const WoEnvelope *values);
static char *label_of(const char *name);

/*
 * wo_http_fill_text fills the variables of a message.
 */
char *
wo_http_fill_text(const char *text, const WoEnvelope *values)
{
	const char *end = text + strlen(text);
	StringInfoData out;

	initStringInfo(&out);
	for (const char *p = text; p < end;)
	{
		Variable	found = find_variable(p, end, values);

		if (found.name == NULL)
			appendStringInfoChar(&out, *p++);
		else
		{
			if (found.text != NULL)
				appendStringInfoString(&out, found.text);
			p += found.len;
		}
	}
	return out.data;
}

/*
 * wo_http_fill_template fills a JSON template.
 */
char *
wo_http_fill_template(const char *json, const WoEnvelope *values)
{
	StringInfoData out;

	initStringInfo(&out);
	while (*json != '\0')
	{
		const char *from;
		const char *after;

		if (*json != '"')
		{
			appendStringInfoChar(&out, *json++);
			continue;
		}
		from = ++json;
		while (*json != '"' && *json != '\0')
			json += *json == '\\' && json[1] != '\0' ? 2 : 1;
		after = *json == '"' ? json + 1 : json;
		after += strspn(after, " \t\r\n");
		append_string(&out, from, json, *after == ':', values);
		if (*json == '"')
			json++;
	}
	return out.data;
}

/*
 * append_string appends a string of the template, which is given without its
 * quotes and still escaped.
 */
static void
append_string(StringInfo out, const char *from, const char *to, bool key, const WoEnvelope *values)
{
	Variable	whole = find_variable(from, to, values);

	if (whole.name != NULL && from + whole.len == to && !key)
	{
		if (whole.text == NULL)
			appendStringInfoString(out, "null");
		else if (whole.plain)
			appendStringInfoString(out, whole.text);
		else
			escape_json(out, whole.text);
		return;
	}

	appendStringInfoChar(out, '"');
	while (from < to)
	{
		Variable	found = find_variable(from, to, values);

		if (found.name == NULL)
			appendStringInfoChar(out, *from++);
		else
		{
			if (found.text != NULL)
			{
				StringInfoData escaped;

				initStringInfo(&escaped);
				escape_json(&escaped, found.text);
				appendBinaryStringInfo(out, escaped.data + 1, escaped.len - 2);
				pfree(escaped.data);
			}
			from += found.len;
		}
	}
	appendStringInfoChar(out, '"');
}

/*
 * find_variable returns the variable that is named at p.
 */
static Variable
find_variable(const char *p, const char *end, const WoEnvelope *values)
{
	Variable	found = {0};
	size_t		len = 1;

	if (*p != '$')
		return found;
	while (p + len < end && p[len] >= 'a' && p[len] <= 'z')
		len++;

#define IS(word) (len == strlen(word) && memcmp(p, word, len) == 0)
	found.name = p;
	found.len = len;
	if (IS("$status"))
	{
		found.plain = true;
		found.text = psprintf("%d", values->status);
	}
	else if (IS("$message"))
		found.text = unconstify(char *, values->message);
	else if (IS("$reason"))
		found.text = unconstify(char *, values->reason);
	else if (IS("$code"))
		found.text = unconstify(char *, values->code);
	else if (IS("$detail") || IS("$details"))
		found.text = unconstify(char *, values->detail);
	else if (IS("$data"))
	{
		found.plain = true;
		found.text = unconstify(char *, values->data);
	}
	else if (IS("$hint"))
		found.text = unconstify(char *, values->hint);
	else if (IS("$name"))
		found.text = unconstify(char *, values->name);
	else if (IS("$label"))
		found.text = label_of(values->name);
	else
		found.name = NULL;
#undef IS
	return found;
}

/*
 * label_of returns a name as it is put into sentences: "due_at" is "due at".
 */
static char *
label_of(const char *name)
{
	char	   *label;

	if (name == NULL)
		return NULL;
	label = pstrdup(name);
	for (char *p = label; *p != '\0'; p++)
		if (*p == '_')
			*p = ' ';
	return label;
}
