/*-------------------------------------------------------------------------
 *
 * search.c
 *	  Search for a part of a text, in any script: the operator class
 *	  workorder.bigram_ops for GIN, and contains(), which may use it where
 *	  row-level security protects a table.
 *
 * THE INDEX.  An indexed text is cut into grams, one for each character that
 * is not blank: the character and what follows it.  A search has to find all
 * grams of what it looks for, and then looks at the rows themselves: the index
 * never decides alone, so grams may coincide or be left out of a search, but
 * none may be asked for that a matching text lacks.
 *
 * There is one search whose grams leave no doubt, and it is the most frequent
 * one in Chinese, a word of two characters: see is_sure().
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
 * calls that a partial match).  No gram begins with a blank, so the key 0 is
 * free to mark the texts of which folding has dropped a character.
 *
 * Text is folded by casefold.c in the collation of the index, which the planner
 * matches with that of the search.  The key of a gram is what is on disk: any
 * change to folding or packing needs a REINDEX.
 *
 * THE OPERATOR.  Under a policy PostgreSQL lets an operator look at rows before
 * the policy has, as an index does, only if its function is LEAKPROOF: it must
 * tell nothing of its arguments but by its result.  LIKE is not, as it raises
 * errors.  contains() is: it sends no messages, and whether it raises an error
 * depends on the collation, never on what the texts are.  The term too may come
 * from a hidden row, so there is no limit to its size but memory; the document
 * is read as a stream.  Neither argument is a pattern.  Both are folded, so case
 * does not count, and the search takes time proportional to the text whatever
 * the term is (Knuth, Morris, Pratt).
 *
 * Called by the executor only; nothing is kept between calls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/gin.h"
#include "access/stratnum.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "utils/casefold.h"
#include "utils/compat.h"

PG_FUNCTION_INFO_V1(workorder_bigram_extract_value);
PG_FUNCTION_INFO_V1(workorder_bigram_extract_query);
PG_FUNCTION_INFO_V1(workorder_bigram_compare_partial);
PG_FUNCTION_INFO_V1(workorder_bigram_consistent);
PG_FUNCTION_INFO_V1(workorder_contains);
PG_FUNCTION_INFO_V1(workorder_contains_support);

/* The operators of workorder.bigram_ops, as search.sql numbers them */
#define LIKE_STRATEGY		1
#define ILIKE_STRATEGY		2
#define CONTAINS_STRATEGY	3

/* Everything from here on is written with many characters, of which two tell enough */
#define FIRST_WIDE		0x2E80

/* The key of a text of which folding has dropped a character */
#define DROPPED_KEY		0

/*
 * More grams of one search would cost more than they exclude.  They may be
 * left out, since the rows are looked at anyway.
 */
#define MAX_SEARCH_GRAMS	64

/* What cuts a text into grams */
typedef struct GramReader
{
	WoCaseFoldReader folded;
	pg_wchar	first;
	pg_wchar	second;
} GramReader;

/* One gram of a text */
typedef struct Gram
{
	uint32		key;
	uint32		open;			/* the bits of key that what follows the text would fill in */
} Gram;

/* What a search has to find */
typedef struct Search
{
	int			nfragments;		/* literals between wildcards */
	bool		bounded;		/* it says where in the text they are */
	bool		sure;			/* a text that has the (only) gram matches */
	int			nexact;
	Gram		exact[MAX_SEARCH_GRAMS];
	int			nopen;
	Gram		open[MAX_SEARCH_GRAMS];
} Search;

/* What GIN keeps of a search, for each key */
typedef struct SearchKey
{
	Gram		gram;
	bool		sure;
} SearchKey;

#define ST_SORT sort_keys
#define ST_ELEMENT_TYPE int32
#define ST_COMPARE(a, b) ((*(a) > *(b)) - (*(a) < *(b)))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

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
	wo_casefold_start(&reader->folded, collation, text, len);
	reader->first = wo_casefold_next(&reader->folded);
	reader->second = wo_casefold_next(&reader->folded);
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
		pg_wchar	third = second == 0 ? 0 : wo_casefold_next(&reader->folded);

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

	result = palloc((n + 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
		result[i] = Int32GetDatum(keys[i]);
	if (reader.folded.dropped)
		result[n++] = Int32GetDatum(DROPPED_KEY);
	pfree(keys);
	*nkeys = n;
	PG_RETURN_POINTER(result);
}

/* --- grams of a search --------------------------------------------------- */

/*
 * is_sure says whether a text contains a literal as soon as it has its one
 * gram: if that is one or two characters whose key nobody else has.  They are
 * not among those that lower() treats by what stands around them either, so
 * that this holds for ILIKE too, but for a text with a character that folding
 * drops, which may stand between the two.
 */
static bool
is_sure(Oid collation, const char *literal, size_t len)
{
	WoCaseFoldReader reader;
	pg_wchar	c;
	int			n = 0;

	wo_casefold_start(&reader, collation, literal, len);
	while ((c = wo_casefold_next(&reader)) != 0)
		if (++n > 2 || c < FIRST_WIDE || c > 0xFFFF)
			return false;
	return n > 0 && !reader.dropped;
}

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

	if (len == 0)
		return;
	search->sure = search->nfragments++ == 0 && is_sure(collation, literal, len);
	start_grams(&reader, collation, literal, len);
	while (search->nexact < MAX_SEARCH_GRAMS && next_gram(&reader, &gram))
	{
		if (gram.open == 0)
			search->exact[search->nexact++] = gram;
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

	search->bounded = len == 0 || pattern[0] != '%';
	/* in UTF8 no byte of a longer character looks like one of these */
	for (size_t i = 0; i < len; i++)
	{
		switch (pattern[i])
		{
			case '_':
				search->bounded = true;
				pg_fallthrough;
			case '%':
				add_fragment(search, collation, literal, n);
				n = 0;
				break;
			case '\\':
				/* LIKE refuses a pattern that ends here, but only when it comes to it */
				if (++i == len)
					return false;
				pg_fallthrough;
			default:
				literal[n++] = pattern[i];
		}
	}
	if (n > 0)
		search->bounded = true;
	add_fragment(search, collation, literal, n);
	pfree(literal);
	return true;
}

/*
 * read_search finds out what a search needs.
 */
static void
read_search(Search *search, StrategyNumber strategy, Oid collation, text *query)
{
	const char *string = VARDATA_ANY(query);
	size_t		len = VARSIZE_ANY_EXHDR(query);

	memset(search, 0, sizeof(Search));
	if (strategy == CONTAINS_STRATEGY)
		add_fragment(search, collation, string, len);
	else if (!add_pattern(search, collation, string, len) ||
	/* such a collation may hold different characters to be equal, which no key tells */
			 !get_collation_isdeterministic(collation))
		search->nexact = search->nopen = 0;

	/* LIKE wants the case to be right */
	if (search->bounded || strategy == LIKE_STRATEGY)
		search->sure = false;
	/* ranges are worth their price only if there is nothing else */
	if (search->nexact > 0)
		search->nopen = 0;
}

/*
 * workorder_bigram_extract_query returns the keys of a search.  A search
 * without any, as for '%', goes through all rows.
 */
Datum
workorder_bigram_extract_query(PG_FUNCTION_ARGS)
{
	int32	   *nkeys = (int32 *) PG_GETARG_POINTER(1);
	StrategyNumber strategy = PG_GETARG_UINT16(2);
	bool	  **partial = (bool **) PG_GETARG_POINTER(3);
	Pointer   **extra = (Pointer **) PG_GETARG_POINTER(4);
	int32	   *mode = (int32 *) PG_GETARG_POINTER(6);
	Search		search;
	SearchKey  *searched;
	Datum	   *keys;
	int			n;

	read_search(&search, strategy, PG_GET_COLLATION(), PG_GETARG_TEXT_PP(0));
	n = search.nexact + search.nopen;
	*nkeys = n;
	if (n == 0)
	{
		*mode = GIN_SEARCH_MODE_ALL;
		PG_RETURN_POINTER(NULL);
	}

	keys = palloc((n + 1) * sizeof(Datum));
	searched = palloc0((n + 1) * sizeof(SearchKey));
	*extra = palloc((n + 1) * sizeof(Pointer));
	*partial = palloc0((n + 1) * sizeof(bool));
	for (int i = 0; i <= n; i++)
		(*extra)[i] = (Pointer) &searched[i];
	for (int i = 0; i < n; i++)
	{
		searched[i].gram = i < search.nexact ? search.exact[i] : search.open[i - search.nexact];
		searched[i].sure = search.sure;
		keys[i] = Int32GetDatum((int32) searched[i].gram.key);
		(*partial)[i] = searched[i].gram.open != 0;
	}
	/* a text with this key is looked at in any case */
	if (search.sure && strategy == ILIKE_STRATEGY)
		keys[(*nkeys)++] = Int32GetDatum(DROPPED_KEY);
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
	Gram	   *gram = &((SearchKey *) PG_GETARG_POINTER(3))->gram;

	PG_RETURN_INT32((key & ~gram->open) == gram->key ? 0 : 1);
}

/*
 * workorder_bigram_consistent says whether a text may match of which GIN knows
 * the keys it has: it needs those of all grams, and even then has to be looked
 * at, unless the search is sure.
 */
Datum
workorder_bigram_consistent(PG_FUNCTION_ARGS)
{
	GinTernaryValue *check = (GinTernaryValue *) PG_GETARG_POINTER(0);
	int32		nkeys = PG_GETARG_INT32(3);
	SearchKey **searched = (SearchKey **) PG_GETARG_POINTER(4);

	/* one gram, and for ILIKE the mark of a dropped character */
	if (nkeys > 0 && searched[0]->sure)
	{
		if (check[0] == GIN_TRUE && nkeys == 2 && check[1] != GIN_FALSE)
			PG_RETURN_GIN_TERNARY_VALUE(GIN_MAYBE);
		PG_RETURN_GIN_TERNARY_VALUE(check[0]);
	}
	for (int i = 0; i < nkeys; i++)
		if (check[i] == GIN_FALSE)
			PG_RETURN_GIN_TERNARY_VALUE(GIN_FALSE);
	PG_RETURN_GIN_TERNARY_VALUE(GIN_MAYBE);
}

/* --- contains() ------------------------------------------------------------ */

#define SHORT_TERM	64			/* longer ones are allocated */
#define INTERRUPT_EVERY	0x10000 /* characters */

/* A folded term, and where to go on when a character does not fit */
typedef struct Term
{
	size_t		len;
	size_t		size;
	pg_wchar   *folded;
	size_t	   *retry;			/* [i]: how much of the term is still matched when folded[i] is not */
	pg_wchar	short_folded[SHORT_TERM];
	size_t		short_retry[SHORT_TERM];
} Term;

/*
 * grow doubles the room of a term.
 */
static void
grow(Term *term)
{
	Size		bytes = term->size * sizeof(pg_wchar);
	pg_wchar   *folded = MemoryContextAllocHuge(CurrentMemoryContext, 2 * bytes);

	memcpy(folded, term->folded, bytes);
	if (term->folded != term->short_folded)
		pfree(term->folded);
	term->folded = folded;
	term->size *= 2;
}

/*
 * compile_term folds a term and prepares the search for it.
 */
static void
compile_term(Term *term, Oid collation, text *string)
{
	WoCaseFoldReader reader;
	pg_wchar	c;
	size_t		matched = 0;

	term->len = 0;
	term->size = SHORT_TERM;
	term->folded = term->short_folded;
	wo_casefold_start(&reader, collation, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
	while ((c = wo_casefold_next(&reader)) != 0)
	{
		if (term->len == term->size)
			grow(term);
		term->folded[term->len++] = c;
		if (term->len % INTERRUPT_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
	}

	term->retry = term->short_retry;
	if (term->len > SHORT_TERM)
		term->retry = MemoryContextAllocHuge(CurrentMemoryContext, term->len * sizeof(size_t));
	term->retry[0] = 0;
	for (size_t i = 1; i < term->len; i++)
	{
		term->retry[i] = matched;
		while (matched > 0 && term->folded[i] != term->folded[matched])
			matched = term->retry[matched];
		if (term->folded[i] == term->folded[matched])
			matched++;
		if (i % INTERRUPT_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

/*
 * find_term says whether a term is somewhere in a text.
 */
static bool
find_term(Term *term, Oid collation, text *string)
{
	WoCaseFoldReader reader;
	pg_wchar	c;
	size_t		matched = 0;
	size_t		n = 0;

	if (term->len == 0)
		return true;
	wo_casefold_start(&reader, collation, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
	while ((c = wo_casefold_next(&reader)) != 0)
	{
		while (matched > 0 && c != term->folded[matched])
			matched = term->retry[matched];
		if (c == term->folded[matched] && ++matched == term->len)
			return true;
		if (++n % INTERRUPT_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
	}
	return false;
}

/*
 * workorder_contains says whether a document contains a term, in whatever case.
 */
Datum
workorder_contains(PG_FUNCTION_ARGS)
{
	text	   *document = PG_GETARG_TEXT_PP(0);
	text	   *string = PG_GETARG_TEXT_PP(1);
	Oid			collation = PG_GET_COLLATION();
	Term		term;
	bool		found;

	compile_term(&term, collation, string);
	found = find_term(&term, collation, document);

	if (term.folded != term.short_folded)
		pfree(term.folded);
	if (term.retry != term.short_retry)
		pfree(term.retry);
	PG_FREE_IF_COPY(document, 0);
	PG_FREE_IF_COPY(string, 1);
	PG_RETURN_BOOL(found);
}

/*
 * workorder_contains_support has the planner write the operator @> for a call
 * of the function.  They are the same, but indexes and estimates know only of
 * operators.
 */
Datum
workorder_contains_support(PG_FUNCTION_ARGS)
{
	SupportRequestSimplify *request = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	FuncExpr   *call;
	Oid			operator;
	OpExpr	   *clause;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	call = request->fcall;
	operator = GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid,
							   CStringGetDatum("@>"),
							   ObjectIdGetDatum(TEXTOID), ObjectIdGetDatum(TEXTOID),
							   ObjectIdGetDatum(get_func_namespace(call->funcid)));
	if (!OidIsValid(operator) || get_opcode(operator) != call->funcid)
		PG_RETURN_POINTER(NULL);

	clause = (OpExpr *) make_opclause(operator, BOOLOID, false, linitial(call->args), lsecond(call->args),
									  call->funccollid, call->inputcollid);
	clause->opfuncid = call->funcid;
	clause->location = call->location;
	PG_RETURN_POINTER(clause);
}
