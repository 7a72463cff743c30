/*-------------------------------------------------------------------------
 *
 * binding.h
 *	  What each column of a guarded table means (binding.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_BINDING_H
#define WO_BINDING_H

#include "access/attnum.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "flow/flow.h"
#include "utils/columns.h"

/* A ticket's number: bigint in SQL, whatever the key of its table is. */
typedef int64 WoTicketId;

#define TicketIdGetDatum(id)	Int64GetDatum(id)
#define DatumGetTicketId(datum) DatumGetInt64(datum)

/* The columns the engine keeps, see columns.h. */
typedef enum WoEngineColumn
{
#define ENGINE_CONSTANT(constant, name, type) constant,
	WO_ENGINE_COLUMNS(ENGINE_CONSTANT)
#undef ENGINE_CONSTANT
	WO_NENGINE,					/* how many; as a kind: a column of the user's */
	WO_COLUMN_UNLOGGED,					/* as a kind: the journal does not tell of it */
	WO_KEY						/* nor of this: what the ticket is known by, which never changes */
} WoEngineColumn;

extern const char *const wo_engine_names[WO_NENGINE];

/* What one flow version's column names mean in this table. */
typedef struct WoColumnMap
{
	int			flow_id;
	AttrNumber *att;			/* [WoFlow.ncolumns], InvalidAttrNumber if absent */
} WoColumnMap;

typedef struct WoBinding
{
	Oid			relid;			/* hash key */
	bool		valid;
	int			guarded_id;		/* workorder.guarded.id, journal.guarded_id */
	const char *flow_name;
	TupleDesc	desc;			/* own copy */
	AttrNumber	tenant;			/* InvalidAttrNumber: all rows are tenant 1's */
	AttrNumber	id;				/* the ticket's number */
	int			nkeys;			/* of the table's own key, 0 if that is the number */
	AttrNumber *keys;			/* its columns, without the tenant, in the order of the primary key */
	Oid			number_index;	/* finds a row by its number; InvalidOid if not looked for yet (ticket.c) */
	AttrNumber	engine[WO_NENGINE];
	WoEngineColumn *column_kind;	/* [natts] */
	AttrNumber *by_name;		/* [natts], in the order in which jsonb keeps their names */
	bool		overtaken;		/* a BEFORE ROW trigger sorts after ours */
	bool		journaled;		/* its rows are journalled */
	bool		counted;		/* and counted, see state_count.c */
	bool		published;			/* its events are published, see outbox.c */
	List	   *maps;			/* WoColumnMap, one per flow version met */
	MemoryContext context;
} WoBinding;

#define WoIsEngine(binding, attnum)	((binding)->column_kind[(attnum) - 1] < WO_NENGINE)
#define WoIsJournaled(binding, attnum)	((binding)->column_kind[(attnum) - 1] < WO_COLUMN_UNLOGGED)
#define WoIsKey(binding, attnum)	((binding)->column_kind[(attnum) - 1] == WO_KEY)

/* A ticket's row taken apart. */
typedef struct WoRow
{
	Datum	   *values;
	bool	   *nulls;
} WoRow;

extern bool wo_binding_same_stored(int16 attlen, Datum x, Datum y);

/*
 * wo_binding_same tells whether a column is the same in two rows.  Every act asks for
 * every column, and most are null or passed by value.
 */
static inline bool
wo_binding_same(const WoBinding *binding, AttrNumber attnum, const WoRow *a, const WoRow *b)
{
	Form_pg_attribute att = TupleDescAttr(binding->desc, attnum - 1);
	Datum		x = a->values[attnum - 1];
	Datum		y = b->values[attnum - 1];

	if (a->nulls[attnum - 1] || b->nulls[attnum - 1])
		return a->nulls[attnum - 1] == b->nulls[attnum - 1];
	return att->attbyval ? x == y : wo_binding_same_stored(att->attlen, x, y);
}

/*
 * wo_binding_person returns whom a column of a row names, 0 for nobody: a number
 * of the actor's directory, as int or as bigint.
 */
static inline int64
wo_binding_person(const WoBinding *binding, AttrNumber attnum, const Datum *values, const bool *nulls)
{
	if (attnum == InvalidAttrNumber || nulls[attnum - 1])
		return 0;
	switch (TupleDescAttr(binding->desc, attnum - 1)->atttypid)
	{
		case INT8OID:
			return DatumGetInt64(values[attnum - 1]);
		case INT4OID:
			return DatumGetInt32(values[attnum - 1]);
		default:
			return 0;
	}
}

extern WoRow wo_binding_row(const WoBinding *binding, HeapTuple tuple);
extern Datum wo_binding_value(const WoBinding *binding, AttrNumber attnum, Jsonb *value, bool *isnull);
extern Jsonb *wo_binding_history(const WoBinding *binding, const Datum *values, const bool *nulls);
extern char *wo_binding_text(const WoBinding *binding, const WoRow *row, WoEngineColumn column);
extern int	wo_binding_revision(const WoBinding *binding, const WoRow *row);
extern WoBinding *wo_binding_for_trigger(Relation rel, const Trigger *trigger);
extern bool wo_binding_is_last_revision(const WoBinding *binding, const WoRow *row);
extern int	wo_binding_next_revision(const WoBinding *binding, const WoRow *row);
extern Relation wo_binding_open(Oid relid, LOCKMODE lockmode, WoBinding **binding);
extern WoBinding *wo_binding_for_relation(Relation rel);
extern WoBinding *wo_binding_if_guarded(Relation rel);
extern AttrNumber wo_binding_attribute(const WoBinding *binding, const char *name);
extern const AttrNumber *wo_binding_columns(WoBinding *binding, const WoFlow *flow);
extern WoTicketId wo_binding_id(const WoBinding *binding, const Datum *values);
extern int64 wo_binding_tenant(const WoBinding *binding, const WoRow *row);
extern bool wo_binding_tenant_datum(const WoBinding *binding, int64 tenant, Datum *value);
extern void wo_binding_tenant_json(const WoBinding *binding, int64 tenant, JsonbValue *item);
extern char *wo_binding_own(const WoBinding *binding);
extern char *wo_binding_tenant_sql(const WoBinding *binding, const char *alias);
extern char *wo_binding_of_tenant(const WoBinding *binding, int64 tenant);
extern char *wo_binding_key_text(const WoBinding *binding, const WoRow *row);
extern Datum *wo_binding_read_key(const WoBinding *binding, const char *key);

#endif							/* WO_BINDING_H */
