/*-------------------------------------------------------------------------
 *
 * verify.h
 *	  What the files of workorder.verify() share; nobody else needs it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_VERIFY_H
#define WO_VERIFY_H

#include "nodes/execnodes.h"

#include "timer/timer.h"
#include "flow/flow.h"
#include "journal/replay.h"

#define WO_GUARD_TRIGGER	"~workorder_guard"

/* A finding about a table has neither ticket nor revision. */
#define WO_NO_TICKET	PG_INT64_MIN
#define WO_NO_REVISION	(-1)

/* What a column holds in rows that were there when it was added, canonical. */
typedef struct WoColumnDefault
{
	bool		found;			/* looked for already */
	Jsonb	   *missing;		/* what old rows read as; NULL = null */
	Jsonb	   *constant;		/* what the default gives; NULL = null or not constant */
} WoColumnDefault;

/* A table of workorder.guarded. */
typedef struct WoGuarded
{
	Oid			relid;
	int32		guarded_id;
	char	   *flow;
	char	   *columns;		/* jsonb, as text */
	char	   *tenant_column;	/* NULL = none */
	char	   *id_column;
	char	   *key_columns;	/* JSON array, NULL where the number is the key */
	bool		active;			/* unguard() has not taken its flow away */
} WoGuarded;

/* A verification under way. */
typedef struct WoVerify
{
	ReturnSetInfo *result;
	Oid			relid;
	Relation	rel;
	WoBinding  *binding;
	WoReplayState	   *fold;
	WoColumnDefault *defaults;	/* [natts] */
	MemoryContext context;		/* of one row; reset with each ticket */
	MemoryContext table_context;	/* of one table: binding aside, all of the above */
	bool		flow_told;		/* this ticket's flow is known to be missing */
	WoClocks	clocks;			/* of this ticket, as its entries so far make them */
	WoStream	timers;			/* which tickets have timers, in order */
	HeapTuple	timed;			/* the next of them, NULL at the end */
	bool		retime;			/* timers are mended, and nothing is reported */
	bool		touched;		/* this ticket's were */
	int64		retimed;		/* tickets whose timers were mended */
	bool		retask;			/* tasks are mended, and nothing is reported */
	int64		tasks;			/* how many the votes of this table's tickets seen hold */
	List	   *takers;			/* who took what on this ticket so far (verify_people.c) */
	List	   *parts;			/* the rows of workorder.participant that follow from it */
	bool		approving;		/* its flow has approvers */
	int64		nparts;			/* how many rows of workorder.participant they have */
} WoVerify;

/* verify_report.c */
extern void wo_verify_report(WoVerify *v, WoTicketId ticket, int32 revision, const char *code,
							 const char *fmt,...) pg_attribute_printf(5, 6);
extern const WoFlow *wo_verify_report_flow(WoVerify *v);
extern Jsonb *wo_verify_report_history(WoVerify *v);
extern Jsonb *wo_verify_report_parse_history(JsonbValue *text);

/* verify_rules.c */
extern bool wo_verify_rules_is_protected(Relation rel);
extern void wo_verify_rules_protection(WoVerify *v, Relation rel, const WoGuarded *guarded);
extern void wo_verify_rules_engine(WoVerify *v, List *tables);
extern void wo_verify_rules_step(WoVerify *v, const WoJournalEntry *entry);
extern bool wo_verify_rules_default(WoVerify *v, AttrNumber attnum, JsonbValue *value);

/* verify_people.c */
extern void wo_verify_people_check(WoVerify *v, const WoJournalEntry *entry, const WoFlow *flow, List *candidates,
							 int from, int to, JsonbValue *votes);
extern void wo_verify_people_follow(WoVerify *v, const WoJournalEntry *entry);
extern void wo_verify_people_participants(WoVerify *v, int64 tenant, WoTicketId ticket);

/* verify_timers.c */
extern void wo_verify_timers_open(WoVerify *v, const int64 *tenant, const WoTicketId *ticket);
extern bool wo_verify_timers_are_set(WoVerify *v, int64 tenant, WoTicketId ticket);
extern void wo_verify_timers_stray(WoVerify *v, int64 tenant, WoTicketId ticket);
extern void wo_verify_timers_follow(WoVerify *v, const WoJournalEntry *entry, Jsonb *before);
extern void wo_verify_timers_compare(WoVerify *v, int64 tenant, WoTicketId ticket, const WoRow *row, bool timed);

#endif							/* WO_VERIFY_H */
