/*-------------------------------------------------------------------------
 *
 * verify_rules.c
 *	  The rules that verify() holds a journal against: the flow a ticket is
 * pinned to, the triggers, policies and rights that a table must have, and
 * the defaults of columns that came later.
 *
 * What is read here may have been tampered with, so nothing is taken for
 * granted and nothing that an entry says may end the verification.
 *
 * What the policies must be is compiled from the flow again, as
 * refresh_policies() does, and parsed as CREATE POLICY does; the two trees
 * must be equal.  Policies with other names are the user's own.
 *
 * Rights, and what the engine was installed with, are in the catalog, so two
 * functions of sql/workorder/modules/verify.sql ask for them: who else may
 * write where that would be a way round the flow, what isolates tenants and
 * tells sessions of new rules, whose the tables and functions are, and which
 * role may switch triggers off, work as maintenance or set the clock.  What
 * grant_access() gives is no finding, nor is what an administrator of people
 * gets: INSERT, UPDATE and DELETE on actor, membership and the tables of
 * settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rowsecurity.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "flow/flow_cache.h"
#include "flow/flow_sql.h"
#include "journal/entry.h"
#include "permit/approval.h"
#include "permit/task.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"
#include "verify/verify.h"

/* A trigger that guard() makes. */
typedef struct Protection
{
	const char *name;
	const char *function;
	int16		type;			/* TRIGGER_TYPE_ bits it must have */
} Protection;

static const Protection protections[] = {
	{WO_GUARD_TRIGGER, "guard_row",
	TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE},
	{"_workorder_record", "record_row",
	TRIGGER_TYPE_AFTER | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE},
	{"~workorder_flush", "record_flush",
	TRIGGER_TYPE_AFTER | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE},
	{"~workorder_truncate", "refuse_truncate", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE},
};

/* What an entry does to the flow version of its ticket. */
typedef enum Pin
{
	PIN_UNKNOWN,				/* no entry has told of one */
	PIN_HELD,
	PIN_MOVED					/* migrated to another version */
} Pin;

/* The permissive one, see trigger/ddl.c. */
#define PERMISSIVE	"workorder_permissive"

/* A restrictive policy that refresh_policies() makes. */
static const struct
{
	const char *name;
	char		command;
	bool		sees;			/* it looks at rows that are there */
	bool		owns;			/* it looks at rows as they become */
}			policies[] = {
	{"workorder_view", ACL_SELECT_CHR, true, false},
	{"workorder_create", ACL_INSERT_CHR, false, true},
	{"workorder_act", ACL_UPDATE_CHR, true, true},
	{"workorder_delete", ACL_DELETE_CHR, true, false},
};

static void check_policies(WoVerify *v, Relation rel, const WoGuarded *guarded);
static void report_rights(WoVerify *v);
static void check_triggers(WoVerify *v, Relation rel, const WoGuarded *guarded, bool statement);
static void check_partitions(WoVerify *v, Relation rel, const WoGuarded *guarded);
static void check_children(WoVerify *v, Relation rel);
static bool calls(const Trigger *trigger, const char *function);
static bool covers(const Trigger *trigger, int16 type);
static bool is_of(const Trigger *trigger, const WoGuarded *guarded);
static void check_leaf(WoVerify *v, const WoJournalEntry *entry, const WoFlow *flow, const char *path);
static bool is_edge(WoVerify *v, const WoJournalEntry *entry, const WoFlow *flow, int from, int to,
					List **candidates);
static List *that_lead(List *found, const WoFlow *flow, const WoTransitionList *list, int from, int to,
					   Jsonb *before, Jsonb *after, const WoApprovalState *round);
static bool arrives(const WoFlow *flow, int leaf, int to, Jsonb *history, const WoApprovalState *round);
static bool passes_over(const WoFlow *flow, int leaf, int to, Jsonb *history, Bitmapset **seen);
static bool is_order(const WoFlow *flow, const WoApprovalState *round, int from, int to, Jsonb *history);
static Pin flow_of(WoVerify *v, const WoJournalEntry *entry, int *id);
static JsonbValue *new_value(WoVerify *v, const WoJournalEntry *entry, WoEngineColumn column);
static WoColumnDefault *find_default(WoVerify *v, AttrNumber attnum);

/* Tells whether any trigger of ours is left on a table. */
bool
wo_verify_rules_is_protected(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;

	for (int t = 0; triggers != NULL && t < triggers->numtriggers; t++)
		for (int i = 0; i < lengthof(protections); i++)
			if (strcmp(triggers->triggers[t].tgname, protections[i].name) == 0)
				return true;
	return false;
}

/*
 * Checks what keeps a table on its flow: its triggers and those of its
 * partitions, its policies and rights, and that it has no children.
 */
void
wo_verify_rules_protection(WoVerify *v, Relation rel, const WoGuarded *guarded)
{
	if (v->retime || v->retask)
		return;
	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "unlogged",
						 "the table is unlogged or temporary: a crash empties it");
	check_triggers(v, rel, guarded, true);
	check_policies(v, rel, guarded);
	report_rights(v);
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		check_partitions(v, rel, guarded);
	else
		check_children(v, rel);
}

/*
 * Checks that a step is one the ticket's flow version has, or a beginning in
 * its initial state or where "create" leads from there.
 */
void
wo_verify_rules_step(WoVerify *v, const WoJournalEntry *entry)
{
	const char *action = entry->action != NULL ? entry->action : "(none)";
	const WoFlow *flow;
	int			id;
	Pin			pin = flow_of(v, entry, &id);
	List	   *candidates = NIL;
	int			from;
	int			to;

	/* Of a history whose beginning is lost, that much is told elsewhere. */
	if (pin == PIN_UNKNOWN)
		return;
	flow = id != 0 ? wo_flow_cache_by_id(id) : NULL;
	if (flow == NULL)
	{
		if (!v->flow_told)
			wo_verify_report(v, entry->ticket, entry->revision, "flow_missing",
							 "the ticket's version of its flow is not in workorder.flow");
		v->flow_told = true;
		return;
	}

	/* These entries may lead anywhere that is on the chart; no other may move a ticket to another version. */
	if (entry->to_state != NULL &&
		(wo_replay_is_base(entry) || (pin == PIN_MOVED && strcmp(action, WO_ACTION_MIGRATE) == 0) ||
		 strcmp(action, WO_ACTION_MAINTENANCE) == 0))
	{
		check_leaf(v, entry, flow, entry->to_state);
		return;
	}
	if (entry->from_state == NULL)
	{
		to = entry->to_state != NULL ? wo_flow_state(flow, entry->to_state, strlen(entry->to_state)) : -1;
		if (to < 0 || strcmp(action, "create") != 0 ||
			!is_edge(v, entry, flow, wo_flow_initial(flow), to, &candidates))
			wo_verify_report(v, entry->ticket, entry->revision, "initial",
							 "the ticket was not created in a state in which version %d of flow \"%s\" begins",
							 flow->version, flow->name);
		return;
	}
	/* A superuser's delete under workorder.maintenance asks no flow. */
	if (entry->to_state == NULL && entry->note != NULL &&
		strcmp(entry->note, WO_ACTION_MAINTENANCE) == 0)
		return;

	from = wo_flow_state(flow, entry->from_state, strlen(entry->from_state));
	to = entry->to_state != NULL ? wo_flow_state(flow, entry->to_state, strlen(entry->to_state)) : from;
	if (from < 0 || to < 0 || !is_edge(v, entry, flow, from, to, &candidates))
		wo_verify_report(v, entry->ticket, entry->revision, "edge",
						 "version %d of flow \"%s\" has no \"%s\" that leads from \"%s\" to \"%s\"",
						 flow->version, flow->name, action, entry->from_state,
						 entry->to_state != NULL ? entry->to_state : "(none)");
	else
		wo_verify_people_check(v, entry, flow, candidates, from, to, new_value(v, entry, WO_VOTES));
}

/*
 * Tells whether a value is what a column holds in rows that nobody has
 * written it in.
 */
bool
wo_verify_rules_default(WoVerify *v, AttrNumber attnum, JsonbValue *value)
{
	WoColumnDefault *known = find_default(v, attnum);
	Jsonb	   *jsonb = JsonbValueToJsonb(value);

	return (known->missing != NULL && compareJsonbContainers(&known->missing->root, &jsonb->root) == 0) ||
		(known->constant != NULL && compareJsonbContainers(&known->constant->root, &jsonb->root) == 0);
}

/* Checks the triggers that guard() has made on one table. */
static void
check_triggers(WoVerify *v, Relation rel, const WoGuarded *guarded, bool statement)
{
	/* a copy: functions are looked up below, which may rebuild the relcache entry */
	TriggerDesc *triggers = CopyTriggerDesc(rel->trigdesc);

	for (int i = 0; i < lengthof(protections); i++)
	{
		const Protection *p = &protections[i];
		const Trigger *found = NULL;

		if (!statement && (p->type & TRIGGER_TYPE_ROW) == 0)
			continue;
		for (int t = 0; triggers != NULL && t < triggers->numtriggers; t++)
			if (strcmp(triggers->triggers[t].tgname, p->name) == 0)
				found = &triggers->triggers[t];
		if (found == NULL)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "trigger_missing",
							 "table \"%s\" has no trigger \"%s\"",
							 RelationGetRelationName(rel), p->name);
		else if (!calls(found, p->function) || !covers(found, p->type) ||
				 ((p->type & TRIGGER_TYPE_ROW) != 0 && !is_of(found, guarded)))
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "trigger_changed",
							 "trigger \"%s\" on table \"%s\" is not the one that guard() makes",
							 p->name, RelationGetRelationName(rel));
		else if (found->tgenabled != TRIGGER_FIRES_ON_ORIGIN)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "trigger_disabled",
							 "trigger \"%s\" on table \"%s\" is disabled, or fires on replicas",
							 p->name, RelationGetRelationName(rel));
	}
}

/* Checks the copies of the row triggers that each partition has. */
static void
check_partitions(WoVerify *v, Relation rel, const WoGuarded *guarded)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
	{
		Relation	partition;

		if (lfirst_oid(lc) == RelationGetRelid(rel))
			continue;
		partition = relation_open(lfirst_oid(lc), NoLock);
		if (partition->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "unlogged",
							 "partition \"%s\" is unlogged or temporary: a crash empties it",
							 RelationGetRelationName(partition));
		check_triggers(v, partition, guarded, false);
		relation_close(partition, NoLock);
	}
}

/*
 * Checks that no table inherits from a guarded one: who reads or updates the
 * one reaches the rows of the other, which no trigger of ours sees.
 */
static void
check_children(WoVerify *v, Relation rel)
{
	ListCell   *lc;

	foreach(lc, find_inheritance_children(RelationGetRelid(rel), AccessShareLock))
	{
		char	   *name = get_rel_name(lfirst_oid(lc));

		if (name != NULL)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "child",
							 "table \"%s\" inherits from it: its rows are seen with the table's, but judged and journalled by nobody",
							 name);
	}
}

/* Tells whether a trigger calls a function of ours. */
static bool
calls(const Trigger *trigger, const char *function)
{
	char	   *name = get_func_name(trigger->tgfoid);
	char	   *schema = name != NULL ? get_namespace_name(get_func_namespace(trigger->tgfoid)) : NULL;

	return schema != NULL && strcmp(name, function) == 0 && strcmp(schema, WO_SCHEMA) == 0;
}

/* Tells whether a trigger fires on all that it should, for every row. */
static bool
covers(const Trigger *trigger, int16 type)
{
	const int16 when = TRIGGER_TYPE_ROW | TRIGGER_TYPE_TIMING_MASK;

	return (trigger->tgtype & when) == (type & when) && (trigger->tgtype & type) == type &&
		trigger->tgqual == NULL && trigger->tgnattr == 0;
}

/* Tells whether a row trigger is for this table's flow and columns. */
static bool
is_of(const Trigger *trigger, const WoGuarded *guarded)
{
	return trigger->tgnargs >= 3 && strtol(trigger->tgargs[0], NULL, 10) == guarded->guarded_id &&
		strcmp(trigger->tgargs[1], guarded->flow) == 0 &&
		strcmp(trigger->tgargs[2], guarded->columns) == 0;
}

/* Checks that a ticket may rest in a state at all. */
static void
check_leaf(WoVerify *v, const WoJournalEntry *entry, const WoFlow *flow, const char *path)
{
	int			state = wo_flow_state(flow, path, strlen(path));

	if (state < 0 || !wo_flow_is_leaf(flow, state))
		wo_verify_report(v, entry->ticket, entry->revision, "state",
						 "version %d of flow \"%s\" has no leaf \"%s\"", flow->version, flow->name, path);
}

/*
 * Tells whether an entry's action has a transition from one leaf to another, and
 * lists those that people may have taken.  Guards and roles are not judged
 * again: what they knew is not on record.
 */
static bool
is_edge(WoVerify *v, const WoJournalEntry *entry, const WoFlow *flow, int from, int to, List **candidates)
{
	int			action = entry->action != NULL ? wo_flow_action(flow, entry->action) : -1;
	Jsonb	   *kept = v->fold->values[v->binding->engine[WO_HISTORY] - 1];
	Jsonb	   *votes = v->fold->values[v->binding->engine[WO_VOTES] - 1];
	WoApprovalState    *round = NULL;
	Jsonb	   *before = NULL;
	Jsonb	   *after;
	JsonbValue	value;

	if (kept != NULL)
	{
		wo_value_from_jsonb(kept, &value);
		before = wo_verify_report_parse_history(&value);
	}
	/* A transition that leaves a state remembers it before it enters the next. */
	after = wo_verify_report_parse_history(new_value(v, entry, WO_HISTORY));
	if (after == NULL)
		after = before;

	if (flow->approving)
		round = wo_approval_state_read(votes);
	if (action < 0 && round != NULL && entry->action != NULL && wo_task_command_is_one(entry->action))
		return is_order(flow, round, from, to, after);
	for (int s = from; s >= 0; s = flow->states[s].parent)
	{
		const WoState *state = &flow->states[s];

		if (action >= 0)
		{
			*candidates = that_lead(*candidates, flow, &state->on[action], from, to, before, after, round);
			continue;
		}
		/* What nobody calls an action is a timer's. */
		for (int i = 0; i < state->ndelays; i++)
			if (entry->action != NULL && strcmp(state->delays[i].action, entry->action) == 0 &&
				that_lead(NIL, flow, &state->delays[i].transitions, from, to, before, after, round) != NIL)
				return true;
	}
	return *candidates != NIL;
}

/* Adds those of a state's transitions that lead from one leaf to another. */
static List *
that_lead(List *found, const WoFlow *flow, const WoTransitionList *list, int from, int to, Jsonb *before, Jsonb *after,
		  const WoApprovalState *round)
{
	for (int i = 0; i < list->n; i++)
	{
		WoTransition *candidate = &list->item[i];

		/* Nothing moves, or a vote was not the last one. */
		if (from == to && (candidate->target < 0 || candidate->quorum != WO_QUORUM_NONE ||
						   candidate->approvers != NULL))
			found = lappend(found, candidate);
		else if (candidate->target >= 0 &&
				 (arrives(flow, wo_flow_enter(flow, candidate->target, before), to, after, round) ||
				  arrives(flow, wo_flow_enter(flow, candidate->target, after), to, after, round)))
			found = lappend(found, candidate);
	}
	return found;
}

/*
 * Tells whether a ticket that enters a leaf ends in another one: states that
 * find no approvers may be passed over, and one that was sent back may return
 * at once to where it came from.
 */
static bool
arrives(const WoFlow *flow, int leaf, int to, Jsonb *history, const WoApprovalState *round)
{
	Bitmapset  *seen = NULL;
	ListCell   *lc;

	if (leaf == to)
		return true;
	if (round == NULL)
		return false;
	if (passes_over(flow, leaf, to, history, &seen))
		return true;
	foreach(lc, round->resume)
		if (strcmp(lfirst(lc), flow->states[leaf].path) == 0)
		{
			int			back = wo_flow_state(flow, llast(round->resume), strlen(llast(round->resume)));

			return back >= 0 && passes_over(flow, back, to, history, &seen);
		}
	return false;
}

/* Tells whether states that may find no approvers lead from a leaf to another. */
static bool
passes_over(const WoFlow *flow, int leaf, int to, Jsonb *history, Bitmapset **seen)
{
	const WoApprovers *approvers = flow->states[leaf].approvers;

	if (leaf == to)
		return true;
	if (approvers == NULL || approvers->none != WO_IF_NONE_SKIP || bms_is_member(leaf, *seen))
		return false;
	*seen = bms_add_member(*seen, leaf);
	for (int i = 0; i < flow->states[leaf].on[approvers->action].n; i++)
		if (passes_over(flow, wo_flow_enter(flow, flow->states[leaf].on[approvers->action].item[i].target, history),
						to, history, seen))
			return true;
	return false;
}

/* Tells whether an order about tasks leads from a leaf to another: it stays, or goes back the way it came. */
static bool
is_order(const WoFlow *flow, const WoApprovalState *round, int from, int to, Jsonb *history)
{
	Bitmapset  *seen = NULL;
	ListCell   *lc;

	if (from == to)
		return true;
	foreach(lc, round->return_path)
	{
		const char *state = ((WoReturnStep *) lfirst(lc))->state;
		int			leaf = wo_flow_state(flow, state, strlen(state));

		if (leaf >= 0 && passes_over(flow, leaf, to, history, &seen))
			return true;
	}
	return false;
}

/*
 * Finds the flow version that an entry is judged by, 0 if what is told is none,
 * and whether the ticket was on it before.
 */
static Pin
flow_of(WoVerify *v, const WoJournalEntry *entry, int *id)
{
	Jsonb	   *kept = v->fold->values[v->binding->engine[WO_FLOW_ID] - 1];
	JsonbValue *told = new_value(v, entry, WO_FLOW_ID);
	JsonbValue	value;

	value.type = jbvNull;
	if (kept != NULL)
		wo_value_from_jsonb(kept, &value);
	if (told != NULL)
		value = *told;
	*id = 0;
	if (value.type == jbvNumeric)
	{
		int64		number = 0;

		/* What is no int is no flow. */
		if (DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(value.val.numeric),
											  NumericGetDatum(int64_to_numeric(PG_INT32_MAX)))) <= 0 &&
			DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(value.val.numeric),
											  NumericGetDatum(int64_to_numeric(1)))) >= 0)
			number = DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value.val.numeric)));
		*id = (int) number;
	}
	return kept == NULL && told == NULL ? PIN_UNKNOWN :
		kept != NULL && told != NULL ? PIN_MOVED : PIN_HELD;
}

/* Returns what an entry says an engine column becomes, NULL if it says nothing. */
static JsonbValue *
new_value(WoVerify *v, const WoJournalEntry *entry, WoEngineColumn column)
{
	const char *name = NameStr(TupleDescAttr(v->binding->desc, v->binding->engine[column] - 1)->attname);
	JsonbValue *change;

	if (entry->changes == NULL || !JB_ROOT_IS_OBJECT(entry->changes))
		return NULL;
	change = getKeyJsonValueFromContainer(&entry->changes->root, name, strlen(name), NULL);
	if (change == NULL || change->type != jbvBinary || !JsonContainerIsArray(change->val.binary.data))
		return NULL;
	return getIthJsonbValueFromContainer(change->val.binary.data, 1);
}

/* Works out, once a table, what a column's default is and what old rows read as. */
static WoColumnDefault *
find_default(WoVerify *v, AttrNumber attnum)
{
	WoColumnDefault *known = &v->defaults[attnum - 1];
	Form_pg_attribute att = TupleDescAttr(v->binding->desc, attnum - 1);
	MemoryContext old;
	JsonbValue	item;
	Datum		value;
	bool		isnull;

	if (known->found)
		return known;
	known->found = true;
	old = MemoryContextSwitchTo(v->table_context);

	value = getmissingattr(v->binding->desc, attnum, &isnull);
	if (!isnull)
	{
		wo_value_to_json(att->atttypid, value, false, &item);
		known->missing = JsonbValueToJsonb(&item);
	}
	if (att->atthasdef)
	{
		Node	   *expression = build_column_default(v->rel, attnum);

		if (expression != NULL)
			expression = (Node *) expression_planner((Expr *) expression);
		if (expression != NULL && IsA(expression, Const) && !((Const *) expression)->constisnull)
		{
			wo_value_to_json(att->atttypid, ((Const *) expression)->constvalue, false, &item);
			known->constant = JsonbValueToJsonb(&item);
		}
	}
	MemoryContextSwitchTo(old);
	return known;
}

/* --- policies and rights --------------------------------------------------- */

/*
 * parse_predicate makes a predicate over a table's columns what is stored of
 * it when it becomes a policy.
 */
static Node *
parse_predicate(Relation rel, const char *text)
{
	ParseState *pstate = make_parsestate(NULL);
	List	   *parsed = raw_parser(psprintf("SELECT %s", text), RAW_PARSE_DEFAULT);
	SelectStmt *select = castNode(SelectStmt, linitial_node(RawStmt, parsed)->stmt);
	Node	   *predicate;

	addNSItemToQuery(pstate, addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, false),
					 false, true, true);
	predicate = transformWhereClause(pstate, linitial_node(ResTarget, select->targetList)->val,
									 EXPR_KIND_POLICY, "POLICY");
	assign_expr_collations(pstate, predicate);
	free_parsestate(pstate);
	return predicate;
}

/*
 * is_for_everybody tells whether a policy is for all roles.
 */
static bool
is_for_everybody(const RowSecurityPolicy *policy)
{
	return ArrayGetNItems(ARR_NDIM(policy->roles), ARR_DIMS(policy->roles)) == 1 &&
		((Oid *) ARR_DATA_PTR(policy->roles))[0] == ACL_ID_PUBLIC;
}

/*
 * check_permissive makes sure that the table has the permissive policy that
 * shows what the others do not shut, or permissive policies of its own, but not
 * both.
 */
static void
check_permissive(WoVerify *v, Relation rel)
{
	const RowSecurityPolicy *ours = NULL;
	bool		theirs = false;
	ListCell   *lc;

	foreach(lc, rel->rd_rsdesc->policies)
	{
		const RowSecurityPolicy *policy = lfirst(lc);

		if (strcmp(policy->policy_name, PERMISSIVE) == 0)
			ours = policy;
		else
			theirs |= policy->permissive && strncmp(policy->policy_name, "workorder_", strlen("workorder_")) != 0;
	}
	if (ours == NULL && !theirs)
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "policy_missing", "policy \"%s\" is missing", PERMISSIVE);
	else if (ours != NULL && theirs)
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "policy_changed",
						 "policy \"%s\" undoes the permissive policies of the table's own", PERMISSIVE);
	else if (ours != NULL && (ours->polcmd != '*' || !ours->permissive || ours->with_check_qual != NULL ||
							  !equal(ours->qual, parse_predicate(rel, "true")) || !is_for_everybody(ours)))
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "policy_changed",
						 "policy \"%s\" is not USING (true) for everybody", PERMISSIVE);
}

/*
 * check_policies checks that row-level security is on, and that its
 * policies are those of the flow.
 */
static void
check_policies(WoVerify *v, Relation rel, const WoGuarded *guarded)
{
	Jsonb	   *columns = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(guarded->columns)));
	char	   *own = wo_binding_own(v->binding);
	Node	   *owns;
	Node	   *sees;
	int			level;

	if (!rel->rd_rel->relrowsecurity || rel->rd_rsdesc == NULL)
	{
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "row_security", "row-level security is off");
		return;
	}

	/* its operators are those of pg_catalog, whatever the caller's path */
	level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	owns = parse_predicate(rel, own);
	sees = parse_predicate(rel, psprintf("%s AND (%s)", own, wo_flow_sql_policy_flow(guarded->flow, columns)));
	AtEOXact_GUC(true, level);

	for (int i = 0; i < lengthof(policies); i++)
	{
		const RowSecurityPolicy *policy = NULL;
		ListCell   *lc;

		foreach(lc, rel->rd_rsdesc->policies)
			if (strcmp(((RowSecurityPolicy *) lfirst(lc))->policy_name, policies[i].name) == 0)
				policy = lfirst(lc);
		if (policy == NULL)
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "policy_missing",
							 "policy \"%s\" is missing", policies[i].name);
		else if (policy->polcmd != policies[i].command || policy->permissive ||
				 !is_for_everybody(policy))
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "policy_changed",
							 "policy \"%s\" is for other commands or roles, or permissive", policies[i].name);
		else if (!equal(policy->qual, policies[i].sees ? sees : NULL) ||
				 !equal(policy->with_check_qual, policies[i].owns ? owns : NULL))
			wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, "policy_changed",
							 "policy \"%s\" does not say what flow \"%s\" says", policies[i].name, guarded->flow);
	}
	check_permissive(v, rel);
}

/*
 * as_keeper returns who owns the engine's tables, if they may call the function.
 */
static Oid
as_keeper(const char *name, Oid argument)
{
	Oid			keeper = wo_catalog_owner(wo_catalog_table("guarded", false));
	Oid			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
										   PointerGetDatum(buildoidvector(&argument, 1)),
										   ObjectIdGetDatum(get_namespace_oid(WO_SCHEMA, false)));

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s.%s() does not exist", WO_SCHEMA, name),
				 errdetail("The library is of another version than the extension."),
				 errhint("Run ALTER EXTENSION workorder UPDATE.")));
	if (!wo_may_execute(function, keeper))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not call function %s.%s()", GetUserNameFromId(keeper, false), WO_SCHEMA, name),
				 errdetail("The role owns the tables of workorder, and verifies them."),
				 errhint("A superuser runs SELECT workorder.grant_admin('%s').", GetUserNameFromId(keeper, false))));
	return keeper;
}

/*
 * report_all reports what a function of the engine finds.  It is called by the
 * owner of the engine's tables: who may verify a table need not be allowed to
 * call that, too.  Not by the owner of the function, a superuser: it reads these
 * tables, and their owner may have put a view in the place of one.
 */
static void
report_all(WoVerify *v, const char *function, Oid type, Datum argument)
{
	WoStream	stream;
	HeapTuple	tuple;

	wo_owner_spi_stream_open_as(&stream, as_keeper(function, type),
					  psprintf("SELECT relation, code, message FROM %s.%s($1)", WO_SCHEMA, function),
					  1, &type, &argument);
	while ((tuple = wo_owner_spi_stream_next(&stream)) != NULL)
	{
		TupleDesc	desc = stream.batch->tupdesc;
		bool		isnull;
		Datum		relid = SPI_getbinval(tuple, desc, 1, &isnull);

		v->relid = isnull ? InvalidOid : DatumGetObjectId(relid);
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, SPI_getvalue(tuple, desc, 2), "%s",
						 SPI_getvalue(tuple, desc, 3));
	}
	wo_owner_spi_stream_close(&stream);
}

/*
 * report_rights tells who may get round the guard of a table by a right on it.
 */
static void
report_rights(WoVerify *v)
{
	report_all(v, "verify_rights", REGCLASSOID, ObjectIdGetDatum(v->relid));
}

/*
 * wo_verify_rules_engine tells what is not as it was installed, of the engine that
 * guards these tables.
 */
void
wo_verify_rules_engine(WoVerify *v, List *tables)
{
	Datum	   *guarded = palloc(sizeof(Datum) * Max(list_length(tables), 1));
	ListCell   *lc;

	foreach(lc, tables)
		guarded[foreach_current_index(lc)] = ObjectIdGetDatum(((WoGuarded *) lfirst(lc))->relid);
	report_all(v, "verify_engine", REGCLASSARRAYOID,
			   PointerGetDatum(construct_array(guarded, list_length(tables), REGCLASSOID,
											   sizeof(Oid), true, TYPALIGN_INT)));
}
