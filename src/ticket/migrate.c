/*-------------------------------------------------------------------------
 *
 * migrate.c
 *	  Tickets go from one version of their flow to another.
 *
 * workorder.migrate() (migrate.sql) locks, reports and refuses; what is here
 * says where a state and what is remembered belong in the other version, and
 * has one UPDATE move all tickets.  Each row passes the guard like any other:
 * wo_migration tells it that the order "migrate" comes from here, as wo_firing
 * does for the sweeper.  Nobody else can give such an order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "journal/entry.h"
#include "row/binding.h"
#include "ticket/act.h"
#include "ticket/migrate.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_migrated_state);
PG_FUNCTION_INFO_V1(workorder_migrated_history);
PG_FUNCTION_INFO_V1(workorder_move_tickets);

WoMigration *wo_migration = NULL;

/*
 * lookup returns what a map says about the first len bytes of a path, NULL if
 * nothing.
 */
static char *
lookup(Jsonb *map, const char *path, int len)
{
	JsonbValue *value = JB_ROOT_IS_OBJECT(map) ?
		getKeyJsonValueFromContainer(&map->root, path, len, NULL) : NULL;

	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * renamed returns the path that a state has in the other version: as the map
 * says of it, or of the nearest state around it that the map knows.
 */
static char *
renamed(Jsonb *map, const char *path)
{
	for (int len = strlen(path); len > 0;)
	{
		char	   *other = lookup(map, path, len);

		if (other != NULL)
			return psprintf("%s%s", other, path + len);
		for (len--; len > 0 && path[len] != '.'; len--)
			;
	}
	return pstrdup(path);
}

/*
 * wo_migrate_state returns the leaf of the other version where a ticket
 * belongs, -1 if it has no place there.
 */
int
wo_migrate_state(const WoFlow *to, Jsonb *map, const char *path)
{
	char	   *other = renamed(map, path);
	int			state = wo_flow_state(to, other, strlen(other));

	if (state < 0 || !wo_flow_is_leaf(to, state))
	{
		other = lookup(map, "*", 1);
		state = other != NULL ? wo_flow_state(to, other, strlen(other)) : -1;
	}
	return state >= 0 && wo_flow_is_leaf(to, state) ? state : -1;
}

/*
 * wo_migrate_history returns what a ticket remembers, in the words of the
 * other version; NULL for nothing.  What has no place there is forgotten.
 */
char *
wo_migrate_history(const WoFlow *to, Jsonb *map, const char *history)
{
	Jsonb	   *old;
	Jsonb	   *new;
	WoJsonbState state = WO_JSONB_START;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;
	bool		any = false;

	if (history == NULL)
		return NULL;
	old = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(history)));
	if (!JB_ROOT_IS_OBJECT(old))
		return NULL;
	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	it = JsonbIteratorInit(&old->root);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		char	   *compound;
		char	   *leaf;
		int			parent;
		int			child;

		if (JsonbIteratorNext(&it, &value, true) != WJB_VALUE || value.type != jbvString)
			continue;
		compound = renamed(map, pnstrdup(key.val.string.val, key.val.string.len));
		leaf = renamed(map, pnstrdup(value.val.string.val, value.val.string.len));
		parent = wo_flow_state(to, compound, strlen(compound));
		child = wo_flow_state(to, leaf, strlen(leaf));
		if (parent < 0 || child < 0 || !to->states[parent].remembers ||
			!wo_flow_is_leaf(to, child) || !wo_flow_within(to, child, parent))
			continue;
		wo_value_push_string(&state, WJB_KEY, compound);
		wo_value_push_string(&state, WJB_VALUE, leaf);
		any = true;
	}
	new = JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL));
	return any ? JsonbToCString(NULL, &new->root, VARSIZE(new)) : NULL;
}

/*
 * find_version returns a version of a flow that a caller has named.
 */
static const WoFlow *
find_version(int id)
{
	const WoFlow *flow = wo_flow_cache_by_id(id);

	if (flow == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_NOT_FOUND),
				 errmsg("flow %d does not exist", id),
				 errdetail("Ids are those of table workorder.flow."),
				 errhint("Look the flow up in workorder.flow.")));
	return flow;
}

/*
 * migrated_state(to_flow, state_map, state) returns where a state belongs in
 * another version, null if nowhere.
 */
Datum
workorder_migrated_state(PG_FUNCTION_ARGS)
{
	const WoFlow *to = find_version(PG_GETARG_INT32(0));
	int			state = wo_migrate_state(to, PG_GETARG_JSONB_P(1), text_to_cstring(PG_GETARG_TEXT_PP(2)));

	if (state < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(to->states[state].path));
}

/*
 * migrated_history(to_flow, state_map, history) returns what stays of a
 * ticket's history in another version, null for nothing.
 */
Datum
workorder_migrated_history(PG_FUNCTION_ARGS)
{
	char	   *history = wo_migrate_history(find_version(PG_GETARG_INT32(0)), PG_GETARG_JSONB_P(1),
											 text_to_cstring(PG_GETARG_TEXT_PP(2)));

	if (history == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(history));
}

/*
 * ends_of returns the leaves in which a flow is done.
 */
static Datum
ends_of(const WoFlow *flow)
{
	Datum	   *ends = palloc(sizeof(Datum) * flow->nstates);
	int			n = 0;

	for (int s = 0; s < flow->nstates; s++)
		if (flow->states[s].done)
			ends[n++] = CStringGetTextDatum(flow->states[s].path);
	return PointerGetDatum(construct_array(ends, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * move_tickets(relation, from_flow, to_flow, state_map, total) moves every
 * ticket of one version that is not done, and returns how many.
 */
Datum
workorder_move_tickets(PG_FUNCTION_ARGS)
{
	WoMigration migration = {0};
	WoBinding  *binding;
	Relation	rel = wo_binding_open(PG_GETARG_OID(0), RowExclusiveLock, &binding);
	Oid			types[2] = {INT4OID, TEXTARRAYOID};
	Datum		values[2];
	char	   *query;
	uint64		moved;

	if (!wo_owns_relation(RelationGetRelid(rel), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("you do not own table \"%s\"", RelationGetRelationName(rel)),
				 errdetail("Only its owner may move tickets to another version of their flow."),
				 errhint("Ask the owner."),
				 errtable(rel)));
	if (wo_migration != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("a migration is under way in this session"),
				 errdetail("A trigger cannot start another one."),
				 errhint("Migrate one table after the other.")));
	migration.guarded_id = binding->guarded_id;
	migration.from = PG_GETARG_INT32(1);
	migration.to = find_version(PG_GETARG_INT32(2));
	migration.map = PG_GETARG_JSONB_P(3);
	migration.total = PG_GETARG_INT64(4);
	values[0] = Int32GetDatum(migration.from);
	values[1] = ends_of(find_version(migration.from));
	query = psprintf("UPDATE %s SET %s = '" WO_ACTION_MIGRATE "' WHERE %s OPERATOR(pg_catalog.=) $1"
					 " AND %s OPERATOR(pg_catalog.<>) ALL ($2)",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel)),
					 quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->engine[WO_ACTION] - 1)->attname)),
					 quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->engine[WO_FLOW_ID] - 1)->attname)),
					 quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->engine[WO_STATE] - 1)->attname)));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PG_TRY();
	{
		wo_migration = &migration;
		wo_owner_spi_expect(SPI_execute_with_args(query, 2, types, values, NULL, false, 0), SPI_OK_UPDATE);
		moved = SPI_processed;
	}
	PG_FINALLY();
	{
		wo_migration = NULL;
	}
	PG_END_TRY();
	SPI_finish();
	table_close(rel, NoLock);
	PG_RETURN_INT64((int64) moved);
}
