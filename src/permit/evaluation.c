/*-------------------------------------------------------------------------
 *
 * evaluation.c
 *	  What is judged, for those who act and those who ask before they act.
 *
 * Whoever has something judged sets it up here: who, when, the row as it is
 * and as it would be, and where its flow stands.  Nothing is judged here.
 * Nothing is written but the row being judged; all memory is the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "journal/entry.h"
#include "journal/journal.h"
#include "permit/evaluation.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/settings.h"

/*
 * wo_evaluation_begin fills in what does not depend on the action: who, when, and
 * where the ticket stands.
 */
void
wo_evaluation_begin(WoEvaluation *c, WoBinding *binding, const WoRow *old, WoRow *row)
{
	memset(c, 0, sizeof(*c));
	c->binding = binding;
	c->actor = wo_actor_current();
	c->now = wo_settings_now();
	c->row = row->values;
	c->row_null = row->nulls;

	if (wo_binding_tenant(binding, row) != c->actor->tenant)
		ereport(ERROR,
				(errcode(ERRCODE_WO_DENIED),
				 errmsg("the ticket belongs to another tenant"),
				 errdetail("You work in tenant " INT64_FORMAT ".", c->actor->tenant),
				 errhint("Set workorder.tenant, or sign in to the other tenant.")));

	if (old != NULL)
	{
		AttrNumber	flow_att = binding->engine[WO_FLOW_ID];
		AttrNumber	updated = binding->engine[WO_UPDATED_AT];
		char	   *state = wo_binding_text(binding, old, WO_STATE);

		c->old = old->values;
		c->old_null = old->nulls;
		c->flow = old->nulls[flow_att - 1] ? NULL :
			wo_flow_cache_by_id(DatumGetInt32(old->values[flow_att - 1]));
		if (c->flow == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_WO_NOT_FOUND),
					 errmsg("the ticket's version of flow \"%s\" does not exist", binding->flow_name),
					 errdetail("Column \"%s\" names no row of workorder.flow.", wo_engine_names[WO_FLOW_ID]),
					 errhint("Restore workorder.flow, or repair the ticket under workorder.maintenance.")));
		c->leaf = state != NULL ? wo_flow_state(c->flow, state, strlen(state)) : -1;
		if (c->leaf < 0)
			ereport(ERROR,
					(errcode(ERRCODE_WO_CONFLICT),
					 errmsg("the ticket is in a state that its flow does not know"),
					 errdetail("Version %d of flow \"%s\" has no such state.",
							   c->flow->version, c->flow->name),
					 errhint("Repair the ticket under workorder.maintenance.")));
		/* time never runs backwards for a ticket */
		if (!old->nulls[updated - 1] && DatumGetTimestampTz(old->values[updated - 1]) > c->now)
			c->now = DatumGetTimestampTz(old->values[updated - 1]);
	}
	else
	{
		c->flow = wo_flow_cache_by_name(binding->flow_name);
		if (c->flow == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_WO_NOT_FOUND),
					 errmsg("flow \"%s\" is not published", binding->flow_name),
					 errdetail("New rows start on the published version."),
					 errhint("Publish one with workorder.publish().")));
		c->leaf = wo_flow_initial(c->flow);
	}
	c->columns = wo_binding_columns(binding, c->flow);
}

/*
 * wo_evaluation_set writes an engine column of the row.
 */
void
wo_evaluation_set(WoEvaluation *c, WoEngineColumn column, Datum value, bool isnull)
{
	AttrNumber	attnum = c->binding->engine[column];

	c->row[attnum - 1] = isnull ? (Datum) 0 : value;
	c->row_null[attnum - 1] = isnull;
}

void
wo_evaluation_set_text(WoEvaluation *c, WoEngineColumn column, const char *value)
{
	wo_evaluation_set(c, column, value != NULL ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

/*
 * wo_evaluation_set_digest writes the digest of the entry to come into the row, so that the
 * next entry finds what to chain to without a look into the journal.  Where a
 * later trigger may still change the row, the entry is not known yet; then a
 * seal lets the AFTER trigger tell whether that trigger has kept to the user's
 * columns.  An imported row has the seal of an import: the digest of an entry
 * would be that of another journal.  After a repair the next entry looks into
 * the journal, since it may be the digest that was repaired.
 */
void
wo_evaluation_set_digest(WoEvaluation *c, WoChangeKind kind)
{
	WoRow		old = {(Datum *) c->old, (bool *) c->old_null};
	WoRow		row = {c->row, c->row_null};
	WoJournalEntry line;
	bytea	   *digest;

	if (kind == WO_KIND_IMPORT || (c->binding->journaled && c->binding->overtaken))
	{
		wo_evaluation_set(c, WO_DIGEST,
						  PointerGetDatum(wo_entry_row_checksum(c->binding, &row, kind == WO_KIND_IMPORT ? WO_CHECKSUM_IMPORT : WO_CHECKSUM_ACT)),
						  false);
		return;
	}
	if (kind == WO_KIND_REPAIR || !c->binding->journaled)
	{
		wo_evaluation_set(c, WO_DIGEST, (Datum) 0, true);
		return;
	}
	wo_entry_for_change(&line, c->binding, c->old != NULL ? &old : NULL, &row);
	wo_journal_set_digest(&line, c->binding, c->old != NULL ? &old : NULL, NULL);
	wo_entry_keep(&line);
	digest = palloc(VARHDRSZ + WO_DIGEST_LENGTH);
	SET_VARSIZE(digest, VARHDRSZ + WO_DIGEST_LENGTH);
	memcpy(VARDATA(digest), line.digest, WO_DIGEST_LENGTH);
	wo_evaluation_set(c, WO_DIGEST, PointerGetDatum(digest), false);
}

/*
 * wo_evaluation_tuple makes the tuple again from the row being judged.
 */
HeapTuple
wo_evaluation_tuple(const WoEvaluation *c, HeapTuple tuple)
{
	HeapTuple	result = heap_form_tuple(c->binding->desc, c->row, c->row_null);

	result->t_data->t_ctid = tuple->t_data->t_ctid;
	result->t_self = tuple->t_self;
	result->t_tableOid = tuple->t_tableOid;
	return result;
}

/*
 * wo_evaluation_person returns whom a column of the flow's names, 0 for nobody:
 * in the row as it is, unless the ticket is only about to be created, or with
 * would_be in the row as it would be.
 */
int64
wo_evaluation_person(const WoEvaluation *c, int column, bool would_be)
{
	if (c->old == NULL || would_be)
		return wo_binding_person(c->binding, c->columns[column], c->row, c->row_null);
	return wo_binding_person(c->binding, c->columns[column], c->old, c->old_null);
}

/*
 * wo_evaluation_excluded lists who may not take a transition because of what
 * they did on this ticket before, or what they are to it; nobody is 0.
 */
List *
wo_evaluation_excluded(const WoEvaluation *c, const WoTransition *candidate, bool would_be)
{
	List	   *people = NIL;
	int			i = -1;

	if ((candidate->exclude != NULL || candidate->exclude_former != NIL) && c->old != NULL)
		people = wo_journal_takers(c->binding, c->flow, c->actor->tenant,
								   wo_binding_id(c->binding, c->old), candidate);
	while ((i = bms_next_member(candidate->exclude_relations, i)) >= 0)
	{
		int64	   *id = palloc(sizeof(int64));

		*id = wo_evaluation_person(c, i, would_be);
		people = lappend(people, id);
	}
	return people;
}

/*
 * wo_evaluation_target returns the leaf that a transition leads to.
 */
int
wo_evaluation_target(const WoEvaluation *c, const WoTransition *taken)
{
	Jsonb	   *history = c->old == NULL ? NULL : wo_binding_history(c->binding, c->old, c->old_null);
	Jsonb	   *remembered;

	return wo_flow_move(c->flow, taken, c->leaf, history, &remembered);
}

/*
 * wo_evaluation_move takes the row being judged along a transition: its history is
 * written, and the leaf reached is returned.
 */
int
wo_evaluation_move(WoEvaluation *c, const WoTransition *taken, int leaf)
{
	AttrNumber	attnum = c->binding->engine[WO_HISTORY];
	Jsonb	   *history = wo_binding_history(c->binding, c->row, c->row_null);
	Jsonb	   *remembered;

	leaf = wo_flow_move(c->flow, taken, leaf, history, &remembered);
	if (remembered != history)
	{
		c->row[attnum - 1] = CStringGetTextDatum(JsonbToCString(NULL, &remembered->root, VARSIZE(remembered)));
		c->row_null[attnum - 1] = false;
	}
	return leaf;
}
