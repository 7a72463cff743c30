/*-------------------------------------------------------------------------
 *
 * casefold.h
 *	  Text as a stream of code points without case.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CASEFOLD_H
#define WO_CASEFOLD_H

#include "mb/pg_wchar.h"

/* Room for what one character becomes; Unicode knows of three at most */
#define WO_CASEFOLD_MAX 8

typedef struct WoCaseFold WoCaseFold;

/* A text being read; the text must stay where it is meanwhile. */
typedef struct WoCaseFoldReader
{
	WoCaseFold	   *fold;
	const unsigned char *next;
	const unsigned char *end;
	bool		dropped;		/* a character has become nothing */
	int			npending;		/* what one character became and was not read yet, last first */
	pg_wchar	pending[WO_CASEFOLD_MAX];
} WoCaseFoldReader;

extern void wo_casefold_start(WoCaseFoldReader *reader, Oid collation, const char *text, size_t len);
extern pg_wchar wo_casefold_next(WoCaseFoldReader *reader);

#endif							/* WO_CASEFOLD_H */
