/*-------------------------------------------------------------------------
 *
 * bigram.c
 *	  workorder.bigram_ops: substring search in any script, from GIN.
 *
 * An indexed text is cut into grams, one for each character that is not blank:
 * the character and what follows it.  A search has to find all grams of what
 * it looks for, and then looks at the rows themselves: the index never decides
 * alone, so grams may coincide or be left out of a search, but none may be
 * asked for that a matching text lacks.
 *
 * Two characters make a gram of most scripts.  Alphabets have so few letters
 * that nearly every text has a given pair, so there three make one.  A gram
 * ends at blanks and at the end of the text.  It is packed into an int4:
 *
 *		16 bits: first character | 16 bits: second
 *		16 bits: first character |  8 bits: second | 8 bits: third
 *
 * so that all grams which begin with the same one or two characters stand
 * side by side, and one character, or two letters, are found as a range (GIN
 * calls that a partial match).
 *
 * Text is folded by fold.c in the collation of the index, which the planner
 * matches with that of the search.  The key of a gram is what is on disk: any
 * change to folding or packing needs a REINDEX.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/gin.h"
#include "access/stratnum.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "bigram.h"
#include "fold.h"
#include "workorder.h"

/* Everything from here on is written with many characters, of which two tell enough */
#define FIRST_WIDE		0x2E80

/*
 * More grams of one search would cost more than they exclude.  They may be
 * left out, since the rows are looked at anyway.
 */
#define MAX_SEARCH_GRAMS	64

/* What cuts a text into grams */
typedef struct GramReader
{
	WoFoldReader folded;
	pg_wchar	first;
	pg_wchar	second;
} GramReader;

/* One gram of a text */
typedef struct Gram
{
	uint32		key;
	uint32		open;			/* the bits of key that what follows the text would fill in */
} Gram;

/* The grams of a search */
typedef struct Search
{
	int			nexact;
	uint32		exact[MAX_SEARCH_GRAMS];
	int			nopen;
	Gram		open[MAX_SEARCH_GRAMS];
} Search;

#define ST_SORT sort_keys
#define ST_ELEMENT_TYPE int32
#define ST_COMPARE(a, b) ((*(a) > *(b)) - (*(a) < *(b)))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

PG_FUNCTION_INFO_V1(workorder_bigram_extract_value);
PG_FUNCTION_INFO_V1(workorder_bigram_extract_query);
PG_FUNCTION_INFO_V1(workorder_bigram_compare_partial);
PG_FUNCTION_INFO_V1(workorder_bigram_consistent);

/* --- grams of a text ----------------------------------------------------- */

static inline bool
is_blank(pg_wchar c)
{
	return c <= ' ';
}

static inline bool
is_letter(pg_wchar c)
{
	return c < FIRST_WIDE && !is_blank(c);
}

/*
 * half packs a character into 16 bits.  Those beyond the first 65,536, emoji
 * among them, share the places of the surrogates, which are no characters.
 */
static inline uint32
half(pg_wchar c)
{
	if (is_blank(c))
		return 0;
	return c <= 0xFFFF ? c : (0xD800 | (c & 0x7FF));
}

static inline uint32
quarter(pg_wchar c)
{
	return is_letter(c) ? c & 0xFF : 0;
}

static void
start_grams(GramReader *reader, Oid collation, const char *text, size_t len)
{
	wo_fold_start(&reader->folded, collation, text, len);
	reader->first = wo_fold_next(&reader->folded);
	reader->second = wo_fold_next(&reader->folded);
}

/*
 * next_gram reads the next gram of a text; false at the end.
 */
static bool
next_gram(GramReader *reader, Gram *gram)
{
	while (reader->first != 0)
	{
		pg_wchar	first = reader->first;
		pg_wchar	second = reader->second;
		pg_wchar	third = second == 0 ? 0 : wo_fold_next(&reader->folded);

		reader->first = second;
		reader->second = third;
		if (is_blank(first))
			continue;

		gram->key = half(first) << 16;
		gram->open = 0;
		if (second == 0)
			gram->open = 0xFFFF;
		else if (is_letter(first) && is_letter(second))
		{
			gram->key |= quarter(second) << 8 | quarter(third);
			if (third == 0)
				gram->open = 0xFF;
		}
		else
			gram->key |= half(second);
		return true;
	}
	return false;
}

/*
 * sort_unique sorts keys in place and returns how many different ones there are.
 */
static int
sort_unique(int32 *keys, int n)
{
	int			last = 0;

	if (n < 2)
		return n;
	sort_keys(keys, n);
	for (int i = 1; i < n; i++)
		if (keys[i] != keys[last])
			keys[++last] = keys[i];
	return last + 1;
}

/*
 * workorder_bigram_extract_value returns the keys of a text to be indexed.
 */
Datum
workorder_bigram_extract_value(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	int32	   *nkeys = (int32 *) PG_GETARG_POINTER(1);
	int			size = 256;
	int			n = 0;
	int32	   *keys = palloc(size * sizeof(int32));
	Datum	   *result;
	GramReader	reader;
	Gram		gram;

	start_grams(&reader, PG_GET_COLLATION(), VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	while (next_gram(&reader, &gram))
	{
		/* a long text says the same again and again */
		if (n == size)
		{
			CHECK_FOR_INTERRUPTS();
			n = sort_unique(keys, n);
			if (n > size / 2)
			{
				size *= 2;
				keys = repalloc(keys, size * sizeof(int32));
			}
		}
		keys[n++] = (int32) gram.key;
	}
	n = sort_unique(keys, n);

	result = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
		result[i] = Int32GetDatum(keys[i]);
	pfree(keys);
	*nkeys = n;
	PG_RETURN_POINTER(result);
}

/* --- grams of a search --------------------------------------------------- */

/*
 * add_fragment adds what a text must have that contains this literal.  Open
 * grams, whose keys are a range, cost GIN a bitmap of all that is in it, so
 * one is kept only of a fragment that has no other.
 */
static void
add_fragment(Search *search, Oid collation, const char *literal, size_t len)
{
	int			before = search->nexact;
	Gram		open = {0, 0};
	GramReader	reader;
	Gram		gram;

	start_grams(&reader, collation, literal, len);
	while (search->nexact < MAX_SEARCH_GRAMS && next_gram(&reader, &gram))
	{
		if (gram.open == 0)
			search->exact[search->nexact++] = gram.key;
		else if (open.open == 0)
			open = gram;
	}
	if (search->nexact == before && open.open != 0 && search->nopen < MAX_SEARCH_GRAMS)
		search->open[search->nopen++] = open;
}

/*
 * add_pattern adds the literals of a LIKE pattern.  False if it cannot be
 * told what it looks for.
 */
static bool
add_pattern(Search *search, Oid collation, const char *pattern, size_t len)
{
	char	   *literal = palloc(len + 1);
	size_t		n = 0;

	/* in UTF8 no byte of a longer character looks like one of these */
	for (size_t i = 0; i < len; i++)
	{
		switch (pattern[i])
		{
			case '%':
			case '_':
				add_fragment(search, collation, literal, n);
				n = 0;
				break;
			case '\\':
				/* LIKE refuses a pattern that ends here, but only when it comes to it */
				if (++i == len)
					return false;
				/* FALLTHROUGH */
			default:
				literal[n++] = pattern[i];
		}
	}
	add_fragment(search, collation, literal, n);
	pfree(literal);
	return true;
}

/*
 * workorder_bigram_extract_query returns the keys of a search.  A search
 * without any, as for '%', goes through all rows.
 */
Datum
workorder_bigram_extract_query(PG_FUNCTION_ARGS)
{
	text	   *query = PG_GETARG_TEXT_PP(0);
	int32	   *nkeys = (int32 *) PG_GETARG_POINTER(1);
	StrategyNumber strategy = PG_GETARG_UINT16(2);
	bool	  **partial = (bool **) PG_GETARG_POINTER(3);
	Pointer   **extra = (Pointer **) PG_GETARG_POINTER(4);
	int32	   *mode = (int32 *) PG_GETARG_POINTER(6);
	Oid			collation = PG_GET_COLLATION();
	const char *string = VARDATA_ANY(query);
	size_t		len = VARSIZE_ANY_EXHDR(query);
	Search	   *search = palloc0(sizeof(Search));
	Datum	   *keys;

	if (strategy == WO_CONTAINS_STRATEGY)
		add_fragment(search, collation, string, len);
	else if (!add_pattern(search, collation, string, len) ||
	/* such a collation may hold different characters to be equal, which no key tells */
			 !get_collation_isdeterministic(collation))
		search->nexact = search->nopen = 0;

	/* ranges are worth their price only if there is nothing else */
	if (search->nexact > 0)
		search->nopen = 0;
	*nkeys = search->nexact + search->nopen;
	if (*nkeys == 0)
	{
		*mode = GIN_SEARCH_MODE_ALL;
		PG_RETURN_POINTER(NULL);
	}

	keys = palloc(*nkeys * sizeof(Datum));
	for (int i = 0; i < search->nexact; i++)
		keys[i] = Int32GetDatum((int32) search->exact[i]);
	if (search->nopen > 0)
	{
		*partial = palloc0(*nkeys * sizeof(bool));
		*extra = palloc0(*nkeys * sizeof(Pointer));
		for (int i = 0; i < search->nopen; i++)
		{
			keys[i] = Int32GetDatum((int32) search->open[i].key);
			(*partial)[i] = true;
			(*extra)[i] = (Pointer) &search->open[i];
		}
	}
	PG_RETURN_POINTER(keys);
}

/*
 * workorder_bigram_compare_partial says whether a key of the index is one that
 * an open gram may become: 0 if so, 1 beyond the last of them.  GIN begins at
 * the first.
 */
Datum
workorder_bigram_compare_partial(PG_FUNCTION_ARGS)
{
	uint32		key = (uint32) PG_GETARG_INT32(1);
	Gram	   *gram = (Gram *) PG_GETARG_POINTER(3);

	PG_RETURN_INT32((key & ~gram->open) == gram->key ? 0 : 1);
}

/*
 * workorder_bigram_consistent says whether a text may match of which GIN knows
 * the keys it has: it needs all of them, and even then has to be looked at.
 */
Datum
workorder_bigram_consistent(PG_FUNCTION_ARGS)
{
	GinTernaryValue *check = (GinTernaryValue *) PG_GETARG_POINTER(0);
	int32		nkeys = PG_GETARG_INT32(3);

	for (int i = 0; i < nkeys; i++)
		if (check[i] == GIN_FALSE)
			PG_RETURN_GIN_TERNARY_VALUE(GIN_FALSE);
	PG_RETURN_GIN_TERNARY_VALUE(GIN_MAYBE);
}
