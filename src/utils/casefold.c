/*-------------------------------------------------------------------------
 *
 * casefold.c
 *	  Takes the case out of text, one character at a time.
 *
 * Search compares text as lower() of the same collation would.  But lower()
 * of a whole text depends on what stands around a character, which what is
 * searched for does not show: a sigma at the end of a word becomes another
 * letter than one inside, and Turkish and Lithuanian add or take away a dot
 * above.  So a character is folded alone, by lower(), and where lower() could
 * have looked around, its possible answers are made one (see unify()).  Then
 *
 *	   fold(a || b) = fold(a) || fold(b)   and   fold(a) = unify(lower(a))
 *
 * hold for all texts, so if one contains another, as it is (LIKE) or in lower
 * case (ILIKE), then so do their folds.
 *
 * What a character becomes is asked once per backend and collation, and kept
 * until the backend ends.  After that folding is a look into a table: it
 * allocates nothing, takes a text of any length and cannot fail, whatever the
 * text is, which is what makes a LEAKPROOF search possible.
 *
 * Called by search.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#include "utils/casefold.h"
#include "utils/errors.h"

#define LAST_CODE_POINT	0x10FFFF
#define PAGE_BITS		8
#define PAGE_SIZE		(1 << PAGE_BITS)

/* Entries of a page that are no code point */
#define UNKNOWN			0		/* nobody has asked yet */
#define NOTHING			0xFFFFFFFE	/* folds to nothing at all */
#define SEVERAL			0xFFFFFFFF	/* folds to several: ask lower() each time */

#define FINAL_SIGMA		0x03C2
#define SIGMA			0x03C3
#define DOTLESS_I		0x0131
#define DOT_ABOVE		0x0307

struct WoCaseFold
{
	Oid			collation;
	WoCaseFold	   *next;
	uint32	   *pages[(LAST_CODE_POINT >> PAGE_BITS) + 1];	/* NULL until needed */
};

/* In TopMemoryContext, the one used last in front */
static WoCaseFold *folds = NULL;

/*
 * find_fold returns the table of a collation.
 */
static WoCaseFold *
find_fold(Oid collation)
{
	WoCaseFold	  **link;
	WoCaseFold	   *fold;

	if (folds != NULL && folds->collation == collation)
		return folds;

	if (!OidIsValid(collation))
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_COLLATION),
				 errmsg("could not determine which collation to use for search"),
				 errhint("Use the COLLATE clause to set the collation explicitly.")));

	for (link = &folds; *link != NULL && (*link)->collation != collation; link = &(*link)->next)
		;
	if (*link != NULL)
	{
		fold = *link;
		*link = fold->next;
	}
	else
	{
		fold = MemoryContextAllocZero(TopMemoryContext, sizeof(WoCaseFold));
		fold->collation = collation;
	}
	fold->next = folds;
	folds = fold;
	return fold;
}

/*
 * unify makes one of what lower() gives for the same character in different
 * surroundings or languages; 0 stands for nothing.  These are all conditions
 * that Unicode has for lower case (SpecialCasing.txt): the final sigma in any
 * language, I with and without its dot, and dots above, in Turkish, Azeri and
 * Lithuanian.
 */
static pg_wchar
unify(pg_wchar c)
{
	switch (c)
	{
		case FINAL_SIGMA:
			return SIGMA;
		case DOTLESS_I:
			return 'i';
		case DOT_ABOVE:
			return 0;
		default:
			return c;
	}
}

/*
 * fold_char writes what one character becomes, and returns how many.
 */
static int
fold_char(Oid collation, pg_wchar c, pg_wchar *folded)
{
	unsigned char utf8[MAX_MULTIBYTE_CHAR_LEN + 1];
	char	   *lower;
	int			n = 0;

	unicode_to_utf8(c, utf8);
	lower = str_tolower((char *) utf8, pg_utf_mblen(utf8), collation);
	for (unsigned char *p = (unsigned char *) lower; *p != '\0' && n < WO_CASEFOLD_MAX; p += pg_utf_mblen(p))
	{
		folded[n] = unify(utf8_to_unicode(p));
		if (folded[n] != 0)
			n++;
	}
	pfree(lower);
	return n;
}

/*
 * learn fills the entry of a character and returns it.
 */
static pg_noinline uint32
learn(WoCaseFold *fold, pg_wchar c)
{
	pg_wchar	folded[WO_CASEFOLD_MAX];
	uint32	  **page = &fold->pages[c >> PAGE_BITS];
	uint32		entry;

	switch (fold_char(fold->collation, c, folded))
	{
		case 0:
			entry = NOTHING;
			break;
		case 1:
			entry = folded[0];
			break;
		default:
			entry = SEVERAL;
	}
	if (*page == NULL)
		*page = MemoryContextAllocZero(TopMemoryContext, PAGE_SIZE * sizeof(uint32));
	(*page)[c & (PAGE_SIZE - 1)] = entry;
	return entry;
}

/*
 * wo_casefold_start begins to read a text in UTF8, which the extension is created
 * for only.  Raises an error for an unknown collation.
 */
void
wo_casefold_start(WoCaseFoldReader *reader, Oid collation, const char *text, size_t len)
{
	reader->fold = find_fold(collation);
	reader->next = (const unsigned char *) text;
	reader->end = reader->next + len;
	reader->dropped = false;
	reader->npending = 0;
}

/*
 * read_char reads one character as it is.  The server lets no broken text in;
 * whatever comes, this stays inside the text and the table.
 */
static inline pg_wchar
read_char(WoCaseFoldReader *reader)
{
	const unsigned char *p = reader->next;
	pg_wchar	c;
	int			len;

	if (p[0] < 0x80)
	{
		reader->next++;
		return p[0];
	}
	len = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	if (len > reader->end - p)
		len = reader->end - p;
	c = p[0] & (0x7F >> len);
	for (int i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3F);
	reader->next += len;
	return Min(c, LAST_CODE_POINT);
}

/*
 * wo_casefold_next returns the next folded code point, 0 at the end.
 */
pg_wchar
wo_casefold_next(WoCaseFoldReader *reader)
{
	if (reader->npending > 0)
		return reader->pending[--reader->npending];

	while (reader->next < reader->end)
	{
		pg_wchar	c = read_char(reader);
		uint32	   *page = reader->fold->pages[c >> PAGE_BITS];
		uint32		entry = page == NULL ? UNKNOWN : page[c & (PAGE_SIZE - 1)];

		if (entry == UNKNOWN)
			entry = learn(reader->fold, c);
		if (entry == SEVERAL)
		{
			pg_wchar	folded[WO_CASEFOLD_MAX];
			int			n = fold_char(reader->fold->collation, c, folded);

			while (n > 1)
				reader->pending[reader->npending++] = folded[--n];
			return folded[0];
		}
		if (entry != NOTHING)
			return entry;
		reader->dropped = true;
	}
	return 0;
}
