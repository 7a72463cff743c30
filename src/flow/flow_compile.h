/*-------------------------------------------------------------------------
 *
 * flow_compile.h
 *	  What flow_compile.c and flow_transition.c share while a document is
 *	  being compiled.  Nobody else includes this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_COMPILE_H
#define WO_FLOW_COMPILE_H

#include "lib/stringinfo.h"
#include "utils/hsearch.h"
#include "utils/numeric.h"

#include "flow/flow.h"

/* Sizes beyond these are refused: nobody means them, and memory is finite. */
#define WO_MAX_DOCUMENT		(1024 * 1024)	/* bytes of jsonb */
#define WO_MAX_DEPTH		32
#define WO_MAX_STATES		1000
#define WO_MAX_ACTIONS		1000
#define WO_MAX_ROLES		1000
#define WO_MAX_COLUMNS		1000
#define WO_MAX_TRANSITIONS	10000	/* in the whole flow */
#define WO_MAX_CANDIDATES	100		/* of one action in one state */
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

/* flow_json.c */
extern int	wo_compile_enter(WoCompiler *cx, const char *fmt,...) pg_attribute_printf(2, 3);
extern void wo_compile_leave(WoCompiler *cx, int mark);
extern void wo_compile_defect(WoCompiler *cx, const char *code, const char *hint,
							  const char *fmt,...) pg_attribute_printf(4, 5);
extern void wo_compile_broken(WoCompiler *cx, const char *code, const char *hint,
							  const char *fmt,...) pg_attribute_printf(4, 5);
extern char *wo_compile_text(WoCompiler *cx, JsonbValue *value);
extern char *wo_compile_shown(const char *text, int len);
extern bool wo_compile_pair(JsonbIterator **it, JsonbValue *key, JsonbValue *value);
extern bool wo_compile_is_key(const JsonbValue *key, const char *name);
extern JsonbContainer *wo_compile_object(WoCompiler *cx, JsonbValue *value);
extern bool wo_compile_string(WoCompiler *cx, JsonbValue *value, const char **result);
extern List *wo_compile_strings(WoCompiler *cx, JsonbValue *value);
extern bool wo_compile_name(WoCompiler *cx, const char *what, const char *name);
extern HTAB *wo_compile_table(WoCompiler *cx, const char *name);
extern int	wo_compile_index(WoCompiler *cx, HTAB *table, const char *name, const char *what,
							 int limit, int next, bool *known);
extern int	wo_compile_declare_role(WoCompiler *cx, const char *name, bool *known);
extern int	wo_compile_role(WoCompiler *cx, const char *name);
extern int	wo_compile_column(WoCompiler *cx, const char *name);

/* flow_link.c */
extern void wo_compile_link(WoCompiler *cx);
extern int	wo_compile_target(WoCompiler *cx, int state, const char *target);

/* flow_transition.c */
extern void wo_compile_on(WoCompiler *cx, int state);
extern void wo_compile_after(WoCompiler *cx, int state);
extern JsonPath *wo_compile_path(WoCompiler *cx, const char *code, const char *text);
extern int	wo_compile_count(Numeric number, int limit);
extern int	wo_compile_percent(const char *text);

/* flow_approvers.c */
extern void wo_compile_approvers(WoCompiler *cx, WoCandidate *c, JsonbValue *value);
extern void wo_compile_settle_approvers(WoCompiler *cx, int state);

#endif							/* WO_FLOW_COMPILE_H */
