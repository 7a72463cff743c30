/*-------------------------------------------------------------------------
 *
 * as_owner.h
 *	  What the engine does with somebody else's rights (owner_spi.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_OWNER_SPI_H
#define WO_OWNER_SPI_H

#include "executor/spi.h"
#include "nodes/execnodes.h"

#define WO_STATEMENT_ARGS	9

/* What is put back at the end of a section; the fields are owner_spi.c's. */
typedef struct WoSection
{
	Oid			user;
	int			security;
	int			settings;		/* nest level */
} WoSection;

/* What a section may do. */
typedef enum WoSectionKind
{
	WO_SECTION_RESTRICTED,		/* nothing that outlives it, see SECURITY_RESTRICTED_OPERATION */
	WO_SECTION_FULL,			/* what the role may do at any time */
	WO_SECTION_FUNCTION			/* so too, and row-level security that is forced on owners holds */
} WoSectionKind;

/* Declare it static: the plan is kept in it, for the life of the backend. */
typedef struct WoStatement
{
	const char *table;			/* in schema workorder; its owner runs it */
	const char *text;			/* everything in it qualified */
	bool		reads;			/* in the caller's snapshot, and changes nothing */
	int			nargs;
	Oid			types[WO_STATEMENT_ARGS];
	SPIPlanPtr	plan;			/* NULL until first used */
} WoStatement;

/* Rows of a query as they are needed, in an SPI connection of the caller. */
typedef struct WoStream
{
	Portal		portal;
	Oid			role;
	SPITupleTable *batch;
	uint64		next;
	uint64		n;
} WoStream;

extern void wo_owner_spi_begin(WoSection *section, Oid role, WoSectionKind kind);
extern void wo_owner_spi_end(const WoSection *section);

extern void wo_owner_spi_expect(int code, int expected);

extern bool wo_owner_spi_run(WoStatement *statement, Datum *values, int64 *result);
extern bool wo_owner_spi_run_with_nulls(WoStatement *statement, Datum *values, const char *nulls, int64 *result);
extern void wo_owner_spi_read(WoStatement *statement, Datum *values, ReturnSetInfo *result);
extern void wo_owner_spi_execute(Oid role, WoSectionKind kind, const char *query, int expected,
						  int nargs, Oid *types, Datum *values);

extern void wo_owner_spi_stream_open(WoStream *stream, Oid relid, const char *query,
						   int nargs, Oid *types, Datum *values);
extern void wo_owner_spi_stream_open_as(WoStream *stream, Oid role, const char *query,
							  int nargs, Oid *types, Datum *values);
extern HeapTuple wo_owner_spi_stream_next(WoStream *stream);
extern void wo_owner_spi_stream_close(WoStream *stream);

#endif							/* WO_OWNER_SPI_H */
