/*-------------------------------------------------------------------------
 *
 * binding.c
 *	  What each column of a guarded table means.
 *
 * A binding says which attribute is the key, which are the engine's and
 * which are the user's, and maps the column names of a flow to attributes.
 * It is read from the arguments of the guard trigger, which travel with the
 * table through dump, restore and sharding: no table of ours is looked up.
 *
 * Bindings live in a hash by relation OID, each in a context of its own under
 * CacheMemoryContext.  An invalidation only clears the valid flag; an outdated
 * binding is rebuilt at its next use, and so is one that was not finished when
 * any relation changed (cache.c).  Its old context is handed to the
 * transaction, so that a caller further up the stack may go on using it.
 * Pointers are good until the end of the transaction.
 *
 * A binding is built of the relcache entry alone: any catalog look-up could
 * accept an invalidation, which frees the entry's triggers while they are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "actor/tenant.h"
#include "flow/flow.h"
#include "row/binding.h"
#include "utils/cache.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

#define GUARD_TRIGGER	"~workorder_guard"
#define RECORD_TRIGGER	"_workorder_record"
#define GUARD_ARGUMENTS 5

const char *const wo_engine_names[WO_NENGINE] = {
#define ENGINE_NAME(constant, name, type) name,
	WO_ENGINE_COLUMNS(ENGINE_NAME)
};

/* Types the engine reads and writes without a cast. */
static const Oid engine_types[WO_NENGINE] = {
#define ENGINE_TYPE(constant, name, type) type,
	WO_ENGINE_COLUMNS(ENGINE_TYPE)
};

PG_FUNCTION_INFO_V1(workorder_ticket_key);

typedef struct BindingEntry
{
	Oid			relid;			/* hash key */
	bool		valid;
	WoBinding  *binding;
} BindingEntry;

/* Made at first use, lives as long as the backend. */
static HTAB *bindings = NULL;

static WoBinding *build_binding(Relation rel, const Trigger *trigger);
static void invalidate_bindings(Oid relid);

static WoCache cache = {.forget = invalidate_bindings};

/*
 * invalidate_bindings marks one relation's binding, or all, as outdated.
 */
static void
invalidate_bindings(Oid relid)
{
	BindingEntry *entry;

	if (bindings == NULL)
		return;
	if (OidIsValid(relid))
	{
		entry = hash_search(bindings, &relid, HASH_FIND, NULL);
		if (entry != NULL)
			entry->valid = false;
	}
	else
	{
		HASH_SEQ_STATUS scan;

		hash_seq_init(&scan, bindings);
		while ((entry = hash_seq_search(&scan)) != NULL)
			entry->valid = false;
	}
}

/*
 * wo_binding_for_trigger returns the binding of the relation a row trigger
 * of ours was fired on.  The trigger may lie in the relcache; it is not read
 * any more when this returns.
 */
WoBinding *
wo_binding_for_trigger(Relation rel, const Trigger *trigger)
{
	Oid			relid = RelationGetRelid(rel);
	BindingEntry *entry;
	WoBinding  *fresh;
	uint64		begun;
	bool		found;

	if (bindings == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(BindingEntry);
		ctl.hcxt = CacheMemoryContext;
		bindings = hash_create("workorder bindings", 32, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(bindings, &relid, HASH_FIND, NULL);
	if (entry != NULL && entry->valid)
		return entry->binding;

	/* Only enter what is complete: an error while building leaves no trace. */
	begun = wo_cache_begin(&cache);
	fresh = build_binding(rel, trigger);
	entry = hash_search(bindings, &relid, HASH_ENTER, &found);
	if (found && entry->binding != NULL)
		MemoryContextSetParent(entry->binding->context, TopTransactionContext);
	MemoryContextSetParent(fresh->context, CacheMemoryContext);
	entry->binding = fresh;
	entry->valid = wo_cache_done(&cache, begun);
	return fresh;
}

/*
 * wo_binding_if_guarded returns the binding of a table that a function was
 * given by name, NULL if it is not guarded.
 */
WoBinding *
wo_binding_if_guarded(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (strcmp(triggers->triggers[i].tgname, GUARD_TRIGGER) == 0)
			return wo_binding_for_trigger(rel, &triggers->triggers[i]);
	return NULL;
}

/*
 * wo_binding_for_relation does so too, or raises an error.
 */
WoBinding *
wo_binding_for_relation(Relation rel)
{
	WoBinding  *binding = wo_binding_if_guarded(rel);

	if (binding == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table \"%s\" is not guarded", RelationGetRelationName(rel)),
				 errdetail("It has no flow."),
				 errhint("Give it one with workorder.guard('%s', 'name of the flow').",
						 RelationGetRelationName(rel)),
				 errtable(rel)));
	return binding;
}

/*
 * is_overtaken tells whether a BEFORE ROW trigger fires after the guard and
 * could still change the row that the guard has judged.
 */
static bool
is_overtaken(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_BEFORE(trigger->tgtype) && TRIGGER_FOR_ROW(trigger->tgtype) &&
			(TRIGGER_FOR_INSERT(trigger->tgtype) || TRIGGER_FOR_UPDATE(trigger->tgtype)) &&
			trigger->tgenabled != TRIGGER_DISABLED &&
			strcmp(trigger->tgname, GUARD_TRIGGER) > 0)
			return true;
	}
	return false;
}

/*
 * find_record returns the trigger that journals the table's rows, NULL if
 * there is none.
 */
static const Trigger *
find_record(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (strcmp(triggers->triggers[i].tgname, RECORD_TRIGGER) == 0)
			return &triggers->triggers[i];
	return NULL;
}

/*
 * holds_type tells whether a column can hold what the engine writes there as
 * it is; varchar without a limit is as good as text.
 */
static bool
holds_type(Form_pg_attribute att, Oid type)
{
	return att->atttypid == type ||
		(type == TEXTOID && att->atttypid == VARCHAROID && att->atttypmod < 0);
}

/*
 * compare_names orders two columns as jsonb orders keys: the shorter first,
 * then by bytes.
 */
static int
compare_names(const void *a, const void *b, void *arg)
{
	TupleDesc	desc = arg;
	const char *x = NameStr(TupleDescAttr(desc, *(const AttrNumber *) a - 1)->attname);
	const char *y = NameStr(TupleDescAttr(desc, *(const AttrNumber *) b - 1)->attname);
	size_t		xlen = strlen(x);
	size_t		ylen = strlen(y);

	if (xlen != ylen)
		return xlen > ylen ? 1 : -1;
	return memcmp(x, y, xlen);
}

/*
 * find_attribute returns the number of a column, InvalidAttrNumber if there is
 * none of this name.
 */
static AttrNumber
find_attribute(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return att->attnum;
	}
	return InvalidAttrNumber;
}

/*
 * wo_binding_attribute returns the number of a column of the table,
 * InvalidAttrNumber if there is none of this name.
 */
AttrNumber
wo_binding_attribute(const WoBinding *binding, const char *name)
{
	return find_attribute(binding->desc, name);
}

/*
 * is_number tells whether a column can hold the number of a tenant or a ticket.
 */
static bool
is_number(TupleDesc desc, AttrNumber attnum)
{
	Oid			type = TupleDescAttr(desc, attnum - 1)->atttypid;

	return type == INT8OID || type == INT4OID || type == INT2OID;
}

/*
 * read_key_columns reads an optional argument: the columns of the table's own
 * key, as a JSON array of names.  False if one of them is not there.
 */
static bool
read_key_columns(WoBinding *binding, const char *argument)
{
	Jsonb	   *names = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(argument)));

	binding->nkeys = JB_ROOT_COUNT(names);
	binding->keys = palloc(sizeof(AttrNumber) * Max(binding->nkeys, 1));
	for (int i = 0; i < binding->nkeys; i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(&names->root, i);

		binding->keys[i] = name->type != jbvString ? InvalidAttrNumber :
			find_attribute(binding->desc, pnstrdup(name->val.string.val, name->val.string.len));
		if (binding->keys[i] == InvalidAttrNumber)
			return false;
		binding->column_kind[binding->keys[i] - 1] = WO_KEY;
	}
	return true;
}

/*
 * build_binding reads the trigger's arguments: relation id, flow, mapping of
 * engine columns as JSON, the names of the columns of the tenant ('' for none)
 * and of the ticket's number, and perhaps those of the table's own key.  No catalog may
 * be looked up here, see above; what only an error message asks for is no
 * matter.
 */
static WoBinding *
build_binding(Relation rel, const Trigger *trigger)
{
	MemoryContext context;
	MemoryContext old;
	WoBinding  *binding;
	Jsonb	   *mapping;
	TupleDesc	desc;
	const Trigger *record = find_record(rel);
	const char *arguments[GUARD_ARGUMENTS];
	bool		keyed = true;

	if (trigger->tgnargs < GUARD_ARGUMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" needs five arguments", trigger->tgname),
				 errhint("Let workorder.guard() make the trigger.")));

	/* Born under the transaction, moved under the cache when it is whole. */
	context = AllocSetContextCreate(CurTransactionContext, "workorder binding",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);

	binding = palloc0(sizeof(WoBinding));
	binding->context = context;
	binding->relid = RelationGetRelid(rel);
	for (int i = 0; i < GUARD_ARGUMENTS; i++)
		arguments[i] = pstrdup(trigger->tgargs[i]);
	binding->guarded_id = pg_strtoint32(arguments[0]);
	binding->flow_name = arguments[1];
	/* with its constraints, for they say what a column added later holds */
	desc = binding->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	binding->overtaken = is_overtaken(rel);
	binding->column_kind = palloc(sizeof(WoEngineColumn) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
		binding->column_kind[i] = TupleDescAttr(desc, i)->attisdropped ||
			TupleDescAttr(desc, i)->attgenerated != '\0' ? WO_COLUMN_UNLOGGED : WO_NENGINE;

	binding->by_name = palloc(sizeof(AttrNumber) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
		binding->by_name[i] = i + 1;
	qsort_arg(binding->by_name, desc->natts, sizeof(AttrNumber), compare_names, desc);

	mapping = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(arguments[2])));
	for (int i = 0; i < WO_NENGINE; i++)
	{
		const char *column = wo_engine_names[i];
		JsonbValue	buffer;
		JsonbValue *mapped;
		AttrNumber	attnum;

		mapped = !JB_ROOT_IS_OBJECT(mapping) ? NULL :
			getKeyJsonValueFromContainer(&mapping->root, column, strlen(column), &buffer);
		if (mapped != NULL && mapped->type == jbvString)
			column = pnstrdup(mapped->val.string.val, mapped->val.string.len);
		attnum = find_attribute(desc, column);
		if (attnum == InvalidAttrNumber ||
			!holds_type(TupleDescAttr(desc, attnum - 1), engine_types[i]))
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("column \"%s\" of table \"%s\" is missing or has another type",
							column, RelationGetRelationName(rel)),
					 errdetail("The engine keeps \"%s\" there, of type %s.",
							   wo_engine_names[i], format_type_be(engine_types[i])),
					 errhint("Restore the column, or call workorder.guard() again."),
					 errtable(rel)));
		binding->engine[i] = attnum;
		binding->column_kind[attnum - 1] = (WoEngineColumn) i;
	}

	/* without a column for the tenant all rows are tenant 1's */
	binding->tenant = arguments[3][0] == '\0' ? InvalidAttrNumber : find_attribute(desc, arguments[3]);
	binding->id = find_attribute(desc, arguments[4]);
	for (int i = GUARD_ARGUMENTS; i < trigger->tgnargs; i++)
		if (trigger->tgargs[i][0] == '[')
			keyed = read_key_columns(binding, pstrdup(trigger->tgargs[i]));
	if (!keyed || (binding->tenant == InvalidAttrNumber && arguments[3][0] != '\0') ||
		binding->id == InvalidAttrNumber || !is_number(desc, binding->id))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("table \"%s\" has lost its key columns", RelationGetRelationName(rel)),
				 arguments[3][0] == '\0' ? errdetail("The guard was made for key (%s).", arguments[4]) :
				 errdetail("The guard was made for key (%s, %s).",
						   arguments[3], arguments[4]),
				 errhint("Call workorder.guard() again after renaming a key column."),
				 errtable(rel)));

	if (binding->tenant != InvalidAttrNumber)
		binding->column_kind[binding->tenant - 1] = WO_KEY;
	binding->column_kind[binding->id - 1] = WO_KEY;

	/* count_rows() and publish_events() give the trigger arguments more */
	binding->journaled = record != NULL;
	for (int i = GUARD_ARGUMENTS; record != NULL && i < record->tgnargs; i++)
	{
		binding->counted |= strcmp(record->tgargs[i], "counted") == 0;
		binding->published |= strcmp(record->tgargs[i], "published") == 0;
	}

	MemoryContextSwitchTo(old);
	return binding;
}

/*
 * wo_binding_columns returns the attribute of each column a flow names.
 */
const AttrNumber *
wo_binding_columns(WoBinding *binding, const WoFlow *flow)
{
	ListCell   *lc;
	MemoryContext old;
	WoColumnMap *map;

	foreach(lc, binding->maps)
	{
		map = lfirst(lc);
		if (map->flow_id == flow->id)
			return map->att;
	}

	old = MemoryContextSwitchTo(binding->context);
	map = palloc0(sizeof(WoColumnMap));
	map->flow_id = flow->id;
	map->att = palloc0(sizeof(AttrNumber) * Max(flow->ncolumns, 1));
	for (int i = 0; i < flow->ncolumns; i++)
	{
		/* the engine's own names mean its columns, whatever they are called here */
		for (int e = 0; e < WO_NENGINE; e++)
			if (strcmp(wo_engine_names[e], flow->columns[i]) == 0)
				map->att[i] = binding->engine[e];
		if (map->att[i] == InvalidAttrNumber)
			map->att[i] = find_attribute(binding->desc, flow->columns[i]);
	}
	binding->maps = lappend(binding->maps, map);
	MemoryContextSwitchTo(old);
	return map->att;
}

/*
 * read_number returns a smallint, int or bigint.
 */
static int64
read_number(const WoBinding *binding, AttrNumber attnum, Datum value)
{
	switch (TupleDescAttr(binding->desc, attnum - 1)->atttypid)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/*
 * wo_binding_id returns the ticket's number, whatever its type.
 */
WoTicketId
wo_binding_id(const WoBinding *binding, const Datum *values)
{
	return read_number(binding, binding->id, values[binding->id - 1]);
}

/*
 * column_name returns a column's name, quoted.
 */
static const char *
column_name(const WoBinding *binding, AttrNumber attnum)
{
	return quote_identifier(NameStr(TupleDescAttr(binding->desc, attnum - 1)->attname));
}

/*
 * wo_binding_tenant returns the row's tenant, 0 if it has none that is known.
 */
int64
wo_binding_tenant(const WoBinding *binding, const WoRow *row)
{
	Datum		value;

	if (binding->tenant == InvalidAttrNumber)
		return WO_FIRST_TENANT;
	if (row->nulls[binding->tenant - 1])
		return 0;
	value = row->values[binding->tenant - 1];
	if (likely(is_number(binding->desc, binding->tenant)))
		return read_number(binding, binding->tenant, value);
	if (TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid == UUIDOID)
		return wo_tenant_number(DatumGetCString(DirectFunctionCall1(uuid_out, value)));
	return wo_tenant_number(TextDatumGetCString(value));
}

/*
 * wo_binding_tenant_datum gives what the column of the tenant holds for one;
 * false if it cannot, or there is no such column.
 */
bool
wo_binding_tenant_datum(const WoBinding *binding, int64 tenant, Datum *value)
{
	Oid			type = binding->tenant == InvalidAttrNumber ? InvalidOid :
		TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid;
	char	   *key;

	switch (type)
	{
		case InvalidOid:
			return false;
		case INT8OID:
			*value = Int64GetDatum(tenant);
			return true;
		case INT4OID:
			*value = Int32GetDatum((int32) tenant);
			return tenant == (int32) tenant;
		case INT2OID:
			*value = Int16GetDatum((int16) tenant);
			return tenant == (int16) tenant;
		default:
			if ((key = wo_tenant_key(tenant)) == NULL)
				return false;
			if (type != UUIDOID)
				*value = CStringGetTextDatum(key);
			else if (strlen(key) != 36 || strspn(key, "0123456789abcdef-") != 36)
				return false;
			else
				*value = DirectFunctionCall1(uuid_in, CStringGetDatum(key));
			return true;
	}
}

/*
 * wo_binding_tenant_json gives what that column holds as JSON.
 */
void
wo_binding_tenant_json(const WoBinding *binding, int64 tenant, JsonbValue *item)
{
	Datum		value;
	bool		known = wo_binding_tenant_datum(binding, tenant, &value);

	wo_value_to_json(TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid, known ? value : (Datum) 0, !known, item);
}

/*
 * wo_binding_own writes the condition that a row is of the caller's tenant, as
 * policies have it.
 */
char *
wo_binding_own(const WoBinding *binding)
{
	if (binding->tenant == InvalidAttrNumber)
		return psprintf("%d = workorder.tenant_id()", WO_FIRST_TENANT);
	return psprintf("%s = workorder.%s()", column_name(binding, binding->tenant),
					is_number(binding->desc, binding->tenant) ? "tenant_id" :
					TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid == UUIDOID ? "tenant_uuid" : "tenant_key");
}

/*
 * wo_binding_of_tenant writes the condition that a row is of a tenant, for
 * queries that are made up anew each time.
 */
char *
wo_binding_of_tenant(const WoBinding *binding, int64 tenant)
{
	char	   *key;

	if (binding->tenant == InvalidAttrNumber)
		return tenant == WO_FIRST_TENANT ? "true" : "false";
	if (is_number(binding->desc, binding->tenant))
		return psprintf("%s OPERATOR(pg_catalog.=) '" INT64_FORMAT "'::pg_catalog.int8",
						column_name(binding, binding->tenant), tenant);
	if ((key = wo_tenant_key(tenant)) == NULL)
		return "false";
	if (TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid != UUIDOID)
		return psprintf("%s OPERATOR(pg_catalog.=) %s::pg_catalog.text",
						column_name(binding, binding->tenant), quote_literal_cstr(key));
	if (strlen(key) != 36 || strspn(key, "0123456789abcdef-") != 36)
		return "false";
	return psprintf("%s OPERATOR(pg_catalog.=) %s::pg_catalog.uuid",
					column_name(binding, binding->tenant), quote_literal_cstr(key));
}

/*
 * wo_binding_tenant_sql writes an expression for the number of a row's tenant,
 * 0 if it is not known; the alias ends with a dot, or is "".
 */
char *
wo_binding_tenant_sql(const WoBinding *binding, const char *alias)
{
	const char *column;

	if (binding->tenant == InvalidAttrNumber)
		return psprintf("%d::pg_catalog.int8", WO_FIRST_TENANT);
	column = column_name(binding, binding->tenant);
	if (TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid == INT8OID)
		return psprintf("%s%s", alias, column);
	if (is_number(binding->desc, binding->tenant))
		return psprintf("%s%s::pg_catalog.int8", alias, column);
	return psprintf("COALESCE(workorder.tenant_number(%s%s::pg_catalog.text), 0)", alias, column);
}

/*
 * plain_text returns a scalar as it is written without quotes, anything else
 * as JSON.
 */
static char *
plain_text(JsonbValue *value)
{
	Jsonb	   *jsonb;

	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	jsonb = JsonbValueToJsonb(value);
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/*
 * wo_binding_key_text writes what the table itself knows a row by: its one
 * key column as text, several as a JSON object.
 */
char *
wo_binding_key_text(const WoBinding *binding, const WoRow *row)
{
	WoJsonbState state = WO_JSONB_START;
	JsonbValue	item;
	Jsonb	   *object;

	if (binding->nkeys == 0)
		return psprintf(INT64_FORMAT, wo_binding_id(binding, row->values));
	if (binding->nkeys == 1)
	{
		AttrNumber	attnum = binding->keys[0];

		wo_value_to_json(TupleDescAttr(binding->desc, attnum - 1)->atttypid,
						 row->values[attnum - 1], row->nulls[attnum - 1], &item);
		return plain_text(&item);
	}
	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < binding->nkeys; i++)
	{
		Form_pg_attribute att = TupleDescAttr(binding->desc, binding->keys[i] - 1);

		wo_value_push_string(&state, WJB_KEY, NameStr(att->attname));
		wo_value_to_json(att->atttypid, row->values[att->attnum - 1], row->nulls[att->attnum - 1], &item);
		wo_value_push(&state, WJB_VALUE, &item);
	}
	object = JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL));
	return JsonbToCString(NULL, &object->root, VARSIZE(object));
}

/*
 * wo_binding_read_key reads that again, into a value for each key column.
 * Raises an error for what is no key of the table.
 */
Datum *
wo_binding_read_key(const WoBinding *binding, const char *key)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(binding->nkeys, 1));
	JsonbValue	parsed;
	bool		isnull;

	if (binding->nkeys == 1)
	{
		JsonbValue	text;

		text.type = jbvString;
		text.val.string.val = unconstify(char *, key);
		text.val.string.len = strlen(key);
		values[0] = wo_binding_value(binding, binding->keys[0], JsonbValueToJsonb(&text), &isnull);
		if (!isnull)
			return values;
	}
	else
	{
		bool		whole;

		wo_value_parse_json(unconstify(char *, key), &parsed);
		whole = parsed.type == jbvBinary && JsonContainerIsObject(parsed.val.binary.data) &&
			JsonContainerSize(parsed.val.binary.data) == binding->nkeys;
		for (int i = 0; whole && i < binding->nkeys; i++)
		{
			const char *name = NameStr(TupleDescAttr(binding->desc, binding->keys[i] - 1)->attname);
			JsonbValue *value = getKeyJsonValueFromContainer(parsed.val.binary.data, name, strlen(name), NULL);

			whole = value != NULL && value->type != jbvNull;
			if (whole)
				values[i] = wo_binding_value(binding, binding->keys[i], JsonbValueToJsonb(value), &isnull);
		}
		if (whole)
			return values;
	}
	ereport(ERROR,
			(errcode(ERRCODE_WO_INVALID),
			 errmsg("a ticket of \"%s\" is not known by this key", get_rel_name(binding->relid)),
			 binding->nkeys == 1 ? errdetail("It must not be null.") :
			 errdetail("The table has a key of %d columns, and each must be given.", binding->nkeys),
			 errhint("Write it as JSON, for example '{\"%s\": ...}'.",
					 NameStr(TupleDescAttr(binding->desc, binding->keys[0] - 1)->attname))));
	return NULL;				/* not reached */
}

/*
 * ticket_key(relation) tells by what the rows of a guarded table are known.
 */
Datum
workorder_ticket_key(PG_FUNCTION_ARGS)
{
	Relation	rel = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	WoBinding  *binding;
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false, false, false, false, false};
	Datum	   *names;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table with OID %u does not exist", PG_GETARG_OID(0)),
				 errdetail("It may have been dropped."),
				 errhint("Give the name of a guarded table.")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	binding = wo_binding_for_relation(rel);
	names = palloc(sizeof(Datum) * Max(binding->nkeys, 1));
	for (int i = 0; i < binding->nkeys; i++)
		names[i] = CStringGetTextDatum(NameStr(TupleDescAttr(binding->desc, binding->keys[i] - 1)->attname));
	nulls[0] = binding->tenant == InvalidAttrNumber;
	values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(NameStr(TupleDescAttr(binding->desc, binding->tenant - 1)->attname));
	values[1] = CStringGetTextDatum(NameStr(TupleDescAttr(binding->desc, binding->id - 1)->attname));
	nulls[2] = binding->nkeys == 0;
	values[2] = PointerGetDatum(construct_array(names, binding->nkeys, TEXTOID, -1, false, TYPALIGN_INT));
	values[3] = CStringGetTextDatum(wo_binding_own(binding));
	values[4] = CStringGetTextDatum(wo_binding_tenant_sql(binding, "t."));
	relation_close(rel, NoLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * wo_binding_row takes a tuple apart, in the current context.
 */
WoRow
wo_binding_row(const WoBinding *binding, HeapTuple tuple)
{
	WoRow		row;

	row.values = palloc(sizeof(Datum) * binding->desc->natts);
	row.nulls = palloc(sizeof(bool) * binding->desc->natts);
	heap_deform_tuple(tuple, binding->desc, row.values, row.nulls);
	return row;
}

/*
 * wo_binding_same_stored compares values that are stored by reference.  A long value
 * that was not touched is the same TOAST pointer in both, and is not fetched.
 */
bool
wo_binding_same_stored(int16 attlen, Datum x, Datum y)
{
	if (attlen == -1)
	{
		Size		size = VARSIZE_ANY(DatumGetPointer(x));

		if (size == VARSIZE_ANY(DatumGetPointer(y)) &&
			memcmp(DatumGetPointer(x), DatumGetPointer(y), size) == 0)
			return true;
		if (!VARATT_IS_EXTENDED(DatumGetPointer(x)) && !VARATT_IS_EXTENDED(DatumGetPointer(y)))
			return false;
	}
	return datum_image_eq(x, y, false, attlen);
}

/*
 * wo_binding_history returns what a row says of the states it left, NULL for
 * nothing.
 */
Jsonb *
wo_binding_history(const WoBinding *binding, const Datum *values, const bool *nulls)
{
	AttrNumber	attnum = binding->engine[WO_HISTORY];

	return nulls[attnum - 1] ? NULL :
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
										   CStringGetDatum(TextDatumGetCString(values[attnum - 1]))));
}

/*
 * wo_binding_text returns an engine column of type text as a C string, NULL if null.
 */
char *
wo_binding_text(const WoBinding *binding, const WoRow *row, WoEngineColumn column)
{
	AttrNumber	attnum = binding->engine[column];

	return row->nulls[attnum - 1] ? NULL : TextDatumGetCString(row->values[attnum - 1]);
}

/*
 * wo_binding_revision returns the revision, -1 if it is null.
 */
int
wo_binding_revision(const WoBinding *binding, const WoRow *row)
{
	AttrNumber	attnum = binding->engine[WO_REVISION];

	return row->nulls[attnum - 1] ? -1 : DatumGetInt32(row->values[attnum - 1]);
}

/*
 * wo_binding_is_last_revision tells whether no revision follows that of a row.
 */
bool
wo_binding_is_last_revision(const WoBinding *binding, const WoRow *row)
{
	return wo_binding_revision(binding, row) == PG_INT32_MAX;
}

/*
 * wo_binding_next_revision returns the revision that a row gets by its next change.
 */
int
wo_binding_next_revision(const WoBinding *binding, const WoRow *row)
{
	if (wo_binding_is_last_revision(binding, row))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("revision of ticket " INT64_FORMAT " is out of range", wo_binding_id(binding, row->values)),
				 errdetail("After revision %d there is none.", PG_INT32_MAX),
				 errhint("Import the ticket with a lower revision.")));
	return Max(wo_binding_revision(binding, row), 0) + 1;
}

/*
 * wo_binding_value reads JSON into a column.  What the column's type or domain
 * refuses is invalid input to us; the value itself is not repeated.
 */
Datum
wo_binding_value(const WoBinding *binding, AttrNumber attnum, Jsonb *value, bool *isnull)
{
	Form_pg_attribute att = TupleDescAttr(binding->desc, attnum - 1);
	MemoryContext context = CurrentMemoryContext;
	Datum		result = (Datum) 0;

	PG_TRY();
	{
		result = wo_value_from_json(value, att->atttypid, att->atttypmod, isnull);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		int			class;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		class = ERRCODE_TO_CATEGORY(error->sqlerrcode);
		/* it is an error either way, so nothing has to be rolled back first */
		if (class != ERRCODE_DATA_EXCEPTION && class != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION &&
			class != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("invalid value for column \"%s\"", NameStr(att->attname)),
				 errdetail("The column is of type %s.",
						   format_type_with_typemod(att->atttypid, att->atttypmod)),
				 errhint("Give a value that the type accepts.")));
	}
	PG_END_TRY();
	return result;
}

/*
 * wo_binding_open opens a table that a function was given.
 */
Relation
wo_binding_open(Oid relid, LOCKMODE lockmode, WoBinding **binding)
{
	Relation	rel = try_relation_open(relid, lockmode);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("table with OID %u does not exist", relid),
				 errdetail("It may have been dropped."),
				 errhint("Give the name of a guarded table.")));
	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
				 errdetail("Only tables have tickets."),
				 errhint("Give the table that the view reads, for example."),
				 errtable(rel)));
	/* news about flows and people counts from now on */
	AcceptInvalidationMessages();
	*binding = wo_binding_for_relation(rel);
	return rel;
}
