/*-------------------------------------------------------------------------
 *
 * permitted.c
 *	  Which of some actions may be taken on which of many tickets, for lists
 *	  that show what can be done with each; and whether a key is taken.
 *
 * permitted() asks what actions() asks, of many tickets in one call and
 * without reasons.  It can judge the actor in part of their capacity only: with
 * some of their roles, and as party to some of the relation columns.  That never
 * makes anything possible which all of it would not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "actor/actor.h"
#include "actor/tenant.h"
#include "flow/flow.h"
#include "permit/evaluation.h"
#include "permit/permit.h"
#include "row/binding.h"
#include "ticket/act.h"
#include "ticket/ticket.h"
#include "utils/catalog.h"
#include "utils/errors.h"

/* The capacity to which a question is limited. */
typedef struct Capacity
{
	bool		limited;
	WoActor		actor;			/* with the roles that count */
	List	   *columns;		/* names of the relation columns that count */
} Capacity;

PG_FUNCTION_INFO_V1(workorder_permitted);
PG_FUNCTION_INFO_V1(workorder_taken);

/*
 * read_array takes an array apart; elements that are null are refused.
 */
static Datum *
read_array(FunctionCallInfo fcinfo, int argument, const char *name, Oid type, int *n)
{
	Datum	   *elements;
	bool	   *nulls;

	if (!PG_ARGISNULL(argument))
	{
		ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);
		bool		by_value = type == INT8OID ? FLOAT8PASSBYVAL : false;

		deconstruct_array(array, type, type == INT8OID ? sizeof(int64) : -1, by_value,
						  type == INT8OID ? TYPALIGN_DOUBLE : TYPALIGN_INT, &elements, &nulls, n);
		if (!array_contains_nulls(array))
			return elements;
	}
	ereport(ERROR,
			(errcode(ERRCODE_WO_INVALID),
			 errmsg("argument \"%s\" is missing", name),
			 errdetail("Neither it nor an element of it may be null."),
			 errhint("Give the table, the tickets' numbers and the actions.")));
}

/*
 * limit_capacity reads which of the actor's roles and relations count: as
 * "allow" of a flow writes them.
 */
static void
limit_capacity(Capacity *capacity, Datum *terms, int n)
{
	const WoActor *actor = wo_actor_current();

	capacity->limited = true;
	capacity->actor = *actor;
	capacity->actor.nroles = 0;
	capacity->actor.roles = palloc(sizeof(char *) * Max(actor->nroles, 1));
	capacity->columns = NIL;
	for (int i = 0; i < n; i++)
	{
		char	   *term = TextDatumGetCString(terms[i]);

		if (term[0] == '$')
			capacity->columns = lappend(capacity->columns, term + 1);
	}
	/* in the order of the actor's own, which are sorted */
	for (int r = 0; r < actor->nroles; r++)
		for (int i = 0; i < n; i++)
			if (strcmp(actor->roles[r], TextDatumGetCString(terms[i])) == 0)
			{
				capacity->actor.roles[capacity->actor.nroles++] = actor->roles[r];
				break;
			}
}

/*
 * judge_ticket returns those of the actions that the caller may take.
 */
static ArrayType *
judge_ticket(WoBinding *binding, HeapTuple tuple, Capacity *capacity,
			 Datum *names, char **actions, int n)
{
	WoRow		row = wo_binding_row(binding, tuple);
	Datum	   *allowed = palloc(sizeof(Datum) * Max(n, 1));
	int			nallowed = 0;
	WoEvaluation		c;

	wo_evaluation_begin(&c, binding, &row, &row);
	c.quiet = true;
	if (capacity->limited)
	{
		c.actor = &capacity->actor;
		c.restricted = true;
		c.relation_columns = capacity->columns;
	}
	for (int i = 0; i < n; i++)
	{
		int			action = wo_flow_action(c.flow, actions[i]);
		WoVerdict	verdict;

		if (action >= 0 && action != c.flow->action_create && wo_permit(&c, action, false, &verdict))
			allowed[nallowed++] = names[i];
	}
	return construct_array(allowed, nallowed, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * permitted(relation, ids, actions, capacity) tells of each ticket that the
 * caller sees which of the actions they may take.
 */
Datum
workorder_permitted(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Capacity	capacity = {.limited = false};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext each;
	WoBinding  *binding;
	Relation	rel;
	Datum	   *ids;
	Datum	   *names;
	char	  **actions;
	int			nids;
	int			nactions;

	wo_act_need_argument(fcinfo, 0, "relation", "Give the table, the tickets' numbers and the actions.");
	ids = read_array(fcinfo, 1, "ids", INT8OID, &nids);
	names = read_array(fcinfo, 2, "actions", TEXTOID, &nactions);
	actions = palloc(sizeof(char *) * Max(nactions, 1));
	for (int i = 0; i < nactions; i++)
		actions[i] = TextDatumGetCString(names[i]);

	InitMaterializedSRF(fcinfo, 0);
	rel = wo_binding_open(PG_GETARG_OID(0), AccessShareLock, &binding);
	if (!PG_ARGISNULL(3))
	{
		int			nterms;
		Datum	   *terms = read_array(fcinfo, 3, "capacity", TEXTOID, &nterms);

		limit_capacity(&capacity, terms, nterms);
	}

	each = AllocSetContextCreate(caller, "workorder permitted", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(each);
	for (int i = 0; i < nids; i++)
	{
		HeapTuple	tuple;
		Datum		values[2];
		bool		nulls[2] = {false, false};

		CHECK_FOR_INTERRUPTS();
		tuple = wo_ticket_find(rel, binding, DatumGetTicketId(ids[i]));
		if (tuple != NULL)
		{
			values[0] = ids[i];
			values[1] = PointerGetDatum(judge_ticket(binding, tuple, &capacity, names, actions, nactions));
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(each);
	table_close(rel, NoLock);
	return (Datum) 0;
}

/*
 * is_key tells whether a unique key of the table is the tenant and this column.
 */
static bool
is_key(Relation rel, const WoBinding *binding, AttrNumber attnum)
{
	List	   *indexes = RelationGetIndexList(rel);
	bool		found = false;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		Form_pg_index form = index->rd_index;

		int			n = form->indnkeyatts;
		Oid			tenant = binding->tenant == InvalidAttrNumber ? INT8OID :
			TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid;

		/* the tenant first, if it is in the row */
		if (form->indisunique && form->indisvalid && form->indimmediate && RelationGetIndexPredicate(index) == NIL &&
			n == (binding->tenant != InvalidAttrNumber ? 2 : 1) && form->indkey.values[n - 1] == attnum &&
			(n == 1 || form->indkey.values[0] == binding->tenant) &&
			(tenant == INT8OID || tenant == INT4OID || tenant == TEXTOID))
			found = true;
		index_close(index, AccessShareLock);
	}
	return found;
}

/*
 * has_value tells whether a row of a table, or of any of its partitions, has
 * these values.
 */
static bool
has_value(Relation rel, const WoCatalogKey *keys, int nkeys)
{
	List	   *tables = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ?
		find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL) : list_make1_oid(RelationGetRelid(rel));
	bool		found = false;
	ListCell   *lc;

	foreach(lc, tables)
	{
		WoCatalogScan lookup;

		CHECK_FOR_INTERRUPTS();
		if (found || get_rel_relkind(lfirst_oid(lc)) == RELKIND_PARTITIONED_TABLE)
			continue;
		wo_catalog_begin(&lookup, lfirst_oid(lc), keys, nkeys);
		found = wo_catalog_next(&lookup) != NULL;
		wo_catalog_end(&lookup);
	}
	return found;
}

/*
 * taken(relation, key, value) tells whether a ticket of the tenant has this
 * value in a column that is a unique key, whoever may see the ticket.
 */
Datum
workorder_taken(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	WoCatalogKey keys[2];
	WoBinding  *binding;
	Relation	rel = wo_binding_open(PG_GETARG_OID(0), AccessShareLock, &binding);
	AttrNumber	attnum = wo_binding_attribute(binding, name);
	bool		found;
	int			nkeys = 0;

	if (pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		(attnum == InvalidAttrNumber ||
		 pg_attribute_aclcheck(RelationGetRelid(rel), attnum, GetUserId(), ACL_SELECT) != ACLCHECK_OK))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(rel));
	if (attnum == InvalidAttrNumber || !is_key(rel, binding, attnum) ||
		TupleDescAttr(binding->desc, attnum - 1)->atttypid != TEXTOID)
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("\"%s\" is not a unique key of \"%s\"", wo_errors_shorten(name), RelationGetRelationName(rel)),
				 errdetail("Only of a text column that is unique within the tenant is told whether a value is taken."),
				 errhint("Give the name of such a column."),
				 errtable(rel)));

	/* in the order of the index: the tenant first, if it is in the row */
	if (binding->tenant != InvalidAttrNumber)
	{
		keys[0].column = NameStr(TupleDescAttr(binding->desc, binding->tenant - 1)->attname);
		keys[0].type = TupleDescAttr(binding->desc, binding->tenant - 1)->atttypid;
		found = wo_binding_tenant_datum(binding, wo_actor_current()->tenant, &keys[0].value);
		nkeys++;
	}
	else
		found = wo_actor_current()->tenant == WO_FIRST_TENANT;
	keys[nkeys].column = name;
	keys[nkeys].type = TEXTOID;
	keys[nkeys++].value = PG_GETARG_DATUM(2);
	found = found && has_value(rel, keys, nkeys);
	table_close(rel, NoLock);
	PG_RETURN_BOOL(found);
}
