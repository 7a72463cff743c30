/*-------------------------------------------------------------------------
 *
 * envelope_fuzz.c
 *	  Fills arbitrary error templates with arbitrary values.
 *
 * An input is lines: the template, then message, name, detail and hint.  What
 * is made of a template that is JSON is JSON, whatever the values are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"

#include "http/answer.h"
#include "fuzz.h"

/* --- what the server gives ----------------------------------------------- */

void
escape_json(StringInfo buf, const char *str)
{
	appendStringInfoChar(buf, '"');
	for (const char *p = str; *p != '\0'; p++)
	{
		if (*p == '"' || *p == '\\')
			appendStringInfoChar(buf, '\\');
		if ((unsigned char) *p < ' ')
			appendStringInfo(buf, "\\u%04x", *p);
		else
			appendStringInfoChar(buf, *p);
	}
	appendStringInfoChar(buf, '"');
}

/* --- the target ---------------------------------------------------------- */

static bool
is_json(char *text)
{
	JsonLexContext *lex = makeJsonLexContextCstringLen(text, strlen(text), PG_UTF8, true);

	return pg_parse_json(lex, &nullSemAction) == JSON_SUCCESS;
}

/* how often a character is in a text */
static size_t
count(const char *text, char c)
{
	size_t		n = 0;

	for (; *text != '\0'; text++)
		n += *text == c;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char	   *text = pnstrdup((const char *) bytes, size);
	char	   *rest = text;
	char	   *template = strsep(&rest, "\n");
	WoEnvelope	values = {.status = 400 + size % 200,.reason = "reason",.code = "WO400"};
	char	   *filled;

	values.message = rest != NULL ? strsep(&rest, "\n") : "";
	values.name = strsep(&rest, "\n");
	values.detail = strsep(&rest, "\n");
	values.hint = rest;

	values.data = values.detail != NULL && is_json(unconstify(char *, values.detail)) ? values.detail : NULL;
	/* the values may have line ends in them, though an input's lines have none */
	if (values.hint == NULL && values.detail != NULL)
		values.hint = "a\nb";
	filled = wo_answer_fill_template(template, &values);
	if (is_json(template))
	{
		promise(is_json(filled), "a template that is JSON becomes JSON");
		promise(count(template, '$') > 0 || strcmp(filled, template) == 0, "without variables it stays as it is");
	}
	filled = wo_answer_fill_text(template, &values);
	promise(count(template, '$') > 0 || strcmp(filled, template) == 0, "a text without variables stays as it is");
	give_back();
	return 0;
}

const char *const fuzz_words[] = {"\"$status\"", "\"$message\"", "$message", "$code", "$reason", "$detail", "$details", "\"$data\"", "$data", "$hint", "$name", "$label", "$",
	"{", "}", "[", "]", ":", ",", "\"", "\\", "\\\"", "\\u0024", "\n", "null", "_", "\x01", "\xE4\xB8\xAD", NULL};
