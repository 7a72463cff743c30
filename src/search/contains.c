/*-------------------------------------------------------------------------
 *
 * contains.c
 *	  workorder.contains(document, term): search that may use an index where
 *	  row-level security protects a table.
 *
 * Under a policy PostgreSQL lets an operator look at rows before the policy
 * has, as an index does, only if its function is LEAKPROOF: it must tell
 * nothing of its arguments but by its result.  LIKE is not, as it raises
 * errors.  contains() is: it sends no messages, and whether it raises an error
 * depends on the collation, never on what the texts are.  The term too may come from a hidden row, so there is no
 * limit to its size but memory; the document is read as a stream.
 *
 * Neither argument is a pattern.  Both are folded (casefold.c), so case does not
 * count, and the search takes time proportional to the text whatever the term
 * is (Knuth, Morris, Pratt).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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
#include "utils/workorder.h"

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

PG_FUNCTION_INFO_V1(workorder_contains);
PG_FUNCTION_INFO_V1(workorder_contains_support);

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
	WoFoldReader reader;
	pg_wchar	c;
	size_t		matched = 0;

	term->len = 0;
	term->size = SHORT_TERM;
	term->folded = term->short_folded;
	wo_fold_start(&reader, collation, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
	while ((c = wo_fold_next(&reader)) != 0)
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
	WoFoldReader reader;
	pg_wchar	c;
	size_t		matched = 0;
	size_t		n = 0;

	if (term->len == 0)
		return true;
	wo_fold_start(&reader, collation, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
	while ((c = wo_fold_next(&reader)) != 0)
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
