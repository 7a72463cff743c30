/*-------------------------------------------------------------------------
 *
 * flow_read.h
 *	  What a flow document is written in, and what is wrong with it
 *	  (flow_read.c).
 *
 * The compiler's state is here as well; flow_compile.c makes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_READ_H
#define WO_FLOW_READ_H

#include "lib/stringinfo.h"
#include "utils/hsearch.h"

#include "flow/flow.h"

/* One defect of a document.  The code is stable, the message is for people. */
typedef struct WoFinding
{
	const char *code;
	const char *where;			/* path in the document, "states.open.on.submit" */
	const char *message;
	const char *hint;			/* NULL if there is nothing to add */
	bool		blocks;			/* false: the document can be published all the same */
} WoFinding;

#define WO_WHERE_ROOT	"(root)"	/* where, for the document itself */

/* What a jsonpath expression mentions (flow_read.c) */
typedef enum WoMention
{
	WO_MENTION_COLUMN,			/* $.days, $old.days */
	WO_MENTION_VARIABLE,		/* $old, $actor, $now, or one there is not */
	WO_MENTION_ACTOR			/* $actor.login */
} WoMention;

typedef void (*WoMentionVisitor) (void *arg, WoMention kind, const char *name);

/* Sizes beyond these are refused: nobody means them, and memory is finite. */
#define WO_MAX_DOCUMENT		(1024 * 1024)	/* bytes of jsonb */
#define WO_MAX_DEPTH		32
#define WO_MAX_STATES		1000
#define WO_MAX_ACTIONS		1000
#define WO_MAX_ROLES		1000
#define WO_MAX_COLUMNS		1000
#define WO_MAX_TRANSITIONS	10000	/* in the whole flow */
#define WO_MAX_ALTERNATIVES 100		/* of one action in one state */
#define WO_MAX_FINDINGS		100

/* What the document says about a state, until its targets can be resolved. */
typedef struct WoDraft
{
	const char *id;				/* "id" of a state, another way to name it */
	const char *initial;
	const char *resume;			/* "target" of a history node */
	JsonbContainer *on;
	JsonbContainer *after;
	bool		parallel;
	int			nchildren;		/* without history nodes */
} WoDraft;

typedef struct WoCompiler
{
	WoFlow	   *flow;
	WoDraft    *drafts;			/* [maxstates], beside flow->states */
	int			maxstates;
	List	  **findings;		/* NULL: the first defect is raised */
	MemoryContext caller;		/* findings live here */
	MemoryContext scratch;		/* gone when the compiler is done */
	StringInfoData where;		/* path of what is being looked at */
	HTAB	   *roles;			/* name -> index; names are at most NAMEDATALEN - 1 */
	HTAB	   *columns;
	int			maxroles;
	int			maxcolumns;
	int			ntransitions;
	bool		too_many;		/* a limit was reached, which is said once */
} WoCompiler;

typedef struct WoNameIndex
{
	char		name[NAMEDATALEN];	/* hash key */
	int			index;
} WoNameIndex;

extern void wo_flow_read_add_finding(List **findings, const char *code, const char *where,
									 const char *hint, const char *fmt,...) pg_attribute_printf(5, 6);

extern int	wo_flow_read_enter(WoCompiler *cx, const char *fmt,...) pg_attribute_printf(2, 3);
extern void wo_flow_read_leave(WoCompiler *cx, int mark);
extern void wo_flow_read_defect(WoCompiler *cx, const char *code, const char *hint,
								const char *fmt,...) pg_attribute_printf(4, 5);
extern void wo_flow_read_broken(WoCompiler *cx, const char *code, const char *hint,
								const char *fmt,...) pg_attribute_printf(4, 5);
extern char *wo_flow_read_text(WoCompiler *cx, JsonbValue *value);
extern char *wo_flow_read_shown(const char *text, int len);
extern bool wo_flow_read_pair(JsonbIterator **it, JsonbValue *key, JsonbValue *value);
extern bool wo_flow_read_is_key(const JsonbValue *key, const char *name);
extern JsonbContainer *wo_flow_read_object(WoCompiler *cx, JsonbValue *value);
extern bool wo_flow_read_string(WoCompiler *cx, JsonbValue *value, const char **result);
extern List *wo_flow_read_strings(WoCompiler *cx, JsonbValue *value);
extern bool wo_flow_read_name(WoCompiler *cx, const char *what, const char *name);
extern HTAB *wo_flow_read_table(WoCompiler *cx, const char *name);
extern int	wo_flow_read_index(WoCompiler *cx, HTAB *table, const char *name, const char *what,
							   int limit, int next, bool *known);
extern int	wo_flow_read_declare_role(WoCompiler *cx, const char *name, bool *known);
extern int	wo_flow_read_role(WoCompiler *cx, const char *name);
extern int	wo_flow_read_column(WoCompiler *cx, const char *name);
extern int	wo_flow_read_target(WoCompiler *cx, int state, const char *target);

extern JsonPath *wo_flow_read_path(const char *text, char **problem);
extern void wo_flow_read_mentions(JsonPath *path, WoMentionVisitor visitor, void *arg);
extern bool wo_flow_read_is_predicate(JsonPath *path);
extern bool wo_flow_read_delay(const char *text, Interval *interval, const char **calendar, const char **problem);

#endif							/* WO_FLOW_READ_H */
