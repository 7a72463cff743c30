/*-------------------------------------------------------------------------
 *
 * search_fuzz.c
 *	  Searches arbitrary texts for arbitrary ones: by the index's functions,
 *	  by contains(), and by looking.
 *
 * What a text is searched by, and how both are cut out of the input, is in the
 * first three bytes.  Bytes that are no UTF-8, which the server lets nobody
 * store, must do no harm; of texts the answers are compared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/gin.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"

#include "utils/casefold.h"
#include "fuzz.h"

#define COLLATION	100

enum
{
	LIKE = 1,
	ILIKE,
	CONTAINS
};

extern Datum workorder_contains(PG_FUNCTION_ARGS);
extern Datum workorder_bigram_extract_value(PG_FUNCTION_ARGS);
extern Datum workorder_bigram_extract_query(PG_FUNCTION_ARGS);
extern Datum workorder_bigram_compare_partial(PG_FUNCTION_ARGS);
extern Datum workorder_bigram_consistent(PG_FUNCTION_ARGS);

/* --- what the server gives ----------------------------------------------- */

volatile sig_atomic_t InterruptPending = false;

struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	return datum;
}

bool
get_collation_isdeterministic(Oid colloid)
{
	return colloid == COLLATION;
}

/* one letter in the case of another, some that become longer, shorter or several */
static pg_wchar
lower(pg_wchar c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0x0410 && c <= 0x042F) || (c >= 0x0391 && c <= 0x03A9))
		return c + 0x20;
	if (c == 0x212A)			/* Kelvin */
		return 'k';
	if (c == 0x023A)			/* two bytes become three */
		return 0x2C65;
	if (c >= 0x10400 && c <= 0x10427)
		return c + 0x28;
	return c;
}

char *
str_tolower(const char *buff, size_t nbytes, Oid collid)
{
	char	   *result = palloc(3 * nbytes + 3);
	char	   *to = result;

	promise(collid == COLLATION, "a collation is passed on");
	for (const char *p = buff; p < buff + nbytes; p += pg_utf_mblen((const unsigned char *) p))
	{
		pg_wchar	c = utf8_to_unicode((const unsigned char *) p);

		if (c == 0x0130)		/* i with a dot above */
		{
			memcpy(to, "i\xCC\x87", 3);
			to += 3;
			continue;
		}
		unicode_to_utf8(lower(c), (unsigned char *) to);
		to += pg_utf_mblen((unsigned char *) to);
	}
	*to = '\0';
	return result;
}

/* --- looking ------------------------------------------------------------- */

static bool
is_text(const char *data, size_t len)
{
	for (size_t i = 0; i < len;)
	{
		size_t		n = pg_utf_mblen((const unsigned char *) data + i);

		if (data[i] == '\0' || n > len - i || !pg_utf8_islegal((const unsigned char *) data + i, n))
			return false;
		i += n;
	}
	return true;
}

/* says whether a text is like a pattern, as LIKE does */
static bool
is_like(const char *p, const char *pend, const char *t, const char *tend)
{
	const char *star = NULL;
	const char *retry = NULL;

	while (t < tend)
	{
		bool		escaped = p < pend && *p == '\\';
		int			n = pg_utf_mblen((const unsigned char *) t);
		const char *literal = p + escaped;

		if (p < pend && !escaped && *p == '%')
		{
			star = ++p;
			retry = t;
		}
		else if (p < pend && !escaped && *p == '_')
		{
			p++;
			t += n;
		}
		else if (literal < pend && n <= pend - literal && memcmp(literal, t, n) == 0)
		{
			p = literal + n;
			t += n;
		}
		else if (star != NULL)
		{
			p = star;
			retry += pg_utf_mblen((const unsigned char *) retry);
			t = retry;
		}
		else
			return false;
	}
	while (p < pend && *p == '%')
		p++;
	return p == pend;
}

/* folds a text and returns how many characters there are */
static size_t
fold(const char *data, size_t len, pg_wchar **folded)
{
	WoCaseFoldReader reader;
	pg_wchar	c;
	size_t		n = 0;

	*folded = palloc((2 * len + 1) * sizeof(pg_wchar));	/* lower() above makes no more of a byte */
	wo_casefold_start(&reader, COLLATION, data, len);
	while ((c = wo_casefold_next(&reader)) != 0)
		(*folded)[n++] = c;
	return n;
}

static bool
is_within(const char *document, size_t len, const char *term, size_t term_len)
{
	pg_wchar   *d;
	pg_wchar   *t;
	size_t		nd = fold(document, len, &d);
	size_t		nt = fold(term, term_len, &t);

	for (size_t at = 0; at + nt <= nd; at++)
		if (memcmp(d + at, t, nt * sizeof(pg_wchar)) == 0)
			return true;
	return false;
}

/* moves a place in a text to where a character begins */
static size_t
aligned(const char *data, size_t len, size_t at)
{
	while (at < len && ((unsigned char) data[at] & 0xC0) == 0x80)
		at++;
	return at;
}

/* folding sees neither case nor what stands around a character */
static void
check_fold(const char *data, size_t len, size_t cut)
{
	char	   *small = str_tolower(data, len, COLLATION);
	pg_wchar   *whole;
	pg_wchar   *part;
	size_t		n = fold(data, len, &whole);
	size_t		first;
	size_t		second;

	promise(fold(small, strlen(small), &part) == n && memcmp(whole, part, n * sizeof(pg_wchar)) == 0,
			"a text folds as in lower case");
	cut = aligned(data, len, Min(cut, len));
	first = fold(data, cut, &part);
	promise(first <= n && memcmp(whole, part, first * sizeof(pg_wchar)) == 0, "a text begins as its beginning does");
	second = fold(data + cut, len - cut, &part);
	promise(first + second == n && memcmp(whole + first, part, second * sizeof(pg_wchar)) == 0, "and ends as its end does");
}

/* --- asking the index ---------------------------------------------------- */

/* a value of type text, its header long or short */
static Datum
make_text(const char *data, size_t len, bool small)
{
	char	   *value;

	if (small && len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		value = palloc(len + VARHDRSZ_SHORT);
		SET_VARSIZE_SHORT(value, len + VARHDRSZ_SHORT);
		memcpy(VARDATA_SHORT(value), data, len);
	}
	else
	{
		value = palloc(len + VARHDRSZ);
		SET_VARSIZE(value, len + VARHDRSZ);
		memcpy(VARDATA(value), data, len);
	}
	return PointerGetDatum(value);
}

static bool
ask_contains(Datum document, Datum term)
{
	LOCAL_FCINFO(fcinfo, 2);

	InitFunctionCallInfoData(*fcinfo, NULL, 2, COLLATION, NULL, NULL);
	fcinfo->args[0].value = document;
	fcinfo->args[1].value = term;
	return DatumGetBool(workorder_contains(fcinfo));
}

/* does what GIN does with one text and one search */
static GinTernaryValue
ask_index(Datum document, Datum query, int strategy)
{
	LOCAL_FCINFO(fcinfo, 8);
	int32		nstored = 0;
	int32		nkeys = 0;
	bool	   *partial = NULL;
	Pointer    *extra = NULL;
	bool	   *nulls = NULL;
	int32		mode = GIN_SEARCH_MODE_DEFAULT;
	Datum	   *stored;
	Datum	   *keys;
	GinTernaryValue *check;

	InitFunctionCallInfoData(*fcinfo, NULL, 3, COLLATION, NULL, NULL);
	fcinfo->args[0].value = document;
	fcinfo->args[1].value = PointerGetDatum(&nstored);
	fcinfo->args[2].value = PointerGetDatum(&nulls);
	stored = (Datum *) DatumGetPointer(workorder_bigram_extract_value(fcinfo));
	for (int i = 1; i < nstored; i++)
		for (int j = 0; j < i && i < 200; j++)
			promise(stored[i] != stored[j], "no key is stored twice");

	InitFunctionCallInfoData(*fcinfo, NULL, 7, COLLATION, NULL, NULL);
	fcinfo->args[0].value = query;
	fcinfo->args[1].value = PointerGetDatum(&nkeys);
	fcinfo->args[2].value = UInt16GetDatum(strategy);
	fcinfo->args[3].value = PointerGetDatum(&partial);
	fcinfo->args[4].value = PointerGetDatum(&extra);
	fcinfo->args[5].value = PointerGetDatum(&nulls);
	fcinfo->args[6].value = PointerGetDatum(&mode);
	keys = (Datum *) DatumGetPointer(workorder_bigram_extract_query(fcinfo));
	promise(nkeys >= 0, "a search has keys or has none");
	if (nkeys == 0)
	{
		promise(mode == GIN_SEARCH_MODE_ALL, "without a key all is looked at");
		return GIN_MAYBE;
	}

	check = palloc(nkeys * sizeof(GinTernaryValue));
	for (int i = 0; i < nkeys; i++)
	{
		check[i] = GIN_FALSE;
		for (int j = 0; j < nstored; j++)
		{
			int32		key = DatumGetInt32(keys[i]);
			int32		found = DatumGetInt32(stored[j]);

			if (!partial[i])
			{
				if (found == key)
					check[i] = GIN_TRUE;
				continue;
			}
			if (found < key)	/* GIN begins at the key, in the order of integers */
				continue;
			InitFunctionCallInfoData(*fcinfo, NULL, 4, COLLATION, NULL, NULL);
			fcinfo->args[0].value = keys[i];
			fcinfo->args[1].value = stored[j];
			fcinfo->args[2].value = UInt16GetDatum(strategy);
			fcinfo->args[3].value = PointerGetDatum(extra[i]);
			if (DatumGetInt32(workorder_bigram_compare_partial(fcinfo)) == 0)
				check[i] = GIN_TRUE;
		}
	}

	InitFunctionCallInfoData(*fcinfo, NULL, 7, COLLATION, NULL, NULL);
	fcinfo->args[0].value = PointerGetDatum(check);
	fcinfo->args[1].value = UInt16GetDatum(strategy);
	fcinfo->args[2].value = query;
	fcinfo->args[3].value = Int32GetDatum(nkeys);
	fcinfo->args[4].value = PointerGetDatum(extra);
	fcinfo->args[5].value = PointerGetDatum(keys);
	fcinfo->args[6].value = PointerGetDatum(nulls);
	return DatumGetGinTernaryValue(workorder_bigram_consistent(fcinfo));
}

/* --- the target ---------------------------------------------------------- */

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *data;
	const char *query;
	size_t		len;
	size_t		query_len;
	int			strategy;
	Datum		document;
	Datum		searched;
	GinTernaryValue answer;
	bool		matches;

	if (size < 3)
		return 0;
	strategy = 1 + bytes[0] % 3;
	len = size - 3;
	data = memcpy(palloc(len), bytes + 3, len);
	if (bytes[0] & 0x80)
	{
		/* a part of the text itself, with % around it for LIKE */
		size_t		from = aligned(data, len, bytes[1] % (len + 1));
		size_t		to = aligned(data, len, from + bytes[2] % 16 > len ? len : from + bytes[2] % 16);
		char	   *part = palloc(to - from + 2);

		part[0] = '%';
		memcpy(part + 1, data + from, to - from);
		part[to - from + 1] = '%';
		query = strategy == CONTAINS ? part + 1 : part;
		query_len = to - from + (strategy == CONTAINS ? 0 : 2);
	}
	else
	{
		/* the rest of the text */
		size_t		from = aligned(data, len, bytes[1] % (len + 1));

		query = data + from;
		query_len = len - from;
		len = from;
	}

	document = make_text(data, len, bytes[0] & 0x40);
	searched = make_text(query, query_len, bytes[0] & 0x20);
	answer = ask_index(document, searched, strategy);
	matches = ask_contains(document, searched);
	if (is_text(data, len) && is_text(query, query_len))
	{
		size_t		slashes = 0;

		check_fold(data, len, bytes[2]);
		promise(matches == is_within(data, len, query, query_len), "contains() finds what is there");
		while (slashes < query_len && query[query_len - 1 - slashes] == '\\')
			slashes++;
		if (strategy == ILIKE)
		{
			data = str_tolower(data, len, COLLATION);
			len = strlen(data);
			query = str_tolower(query, query_len, COLLATION);
			query_len = strlen(query);
		}
		if (strategy != CONTAINS)
			matches = is_like(query, query + query_len, data, data + len);
		/* LIKE refuses a pattern that ends in half an escape */
		if (strategy == CONTAINS || slashes % 2 == 0)
		{
			promise(!matches || answer != GIN_FALSE, "the index finds what is there");
			promise(matches || answer != GIN_TRUE, "and is sure of nothing else");
		}
	}
	give_back();
	return 0;
}

const char *const fuzz_words[] = {"%", "_", "\\", "\xE4\xB8\xAD", "\xE6\x96\x87", "\xC4\xB0", "\xC4\xB1", "\xCF\x82", "\xCF\x83", "\xCE\xA3",
	"\xCC\x87", "\xE2\x84\xAA", "\xC8\xBA", "\xF0\x9F\x8E\x89", "\xF0\x90\x90\x80", " ", "\n", "abc", "ABC", "i", "\xC0\xAF", "\xED\xA0\x80", "\xFF", NULL};
