/*-------------------------------------------------------------------------
 *
 * verify_tickets.c
 *	  The tickets of a table against their journal: a part of
 *	  workorder.verify().
 *
 * A table's rows and its journal's lines are read side by side, both ordered
 * by tenant and ticket.  Each line is checked against the one before it and
 * against the flow version the ticket is pinned to, then folded; the row that
 * comes out must be the row that is there.  The other files of verify() are
 * asked for the flow, people, timers and lists, ticket by ticket.
 *
 * Two batches of rows and one ticket's replayed row are held at a time.
 *
 * Columns that were added with a default after a ticket's last line are not
 * in the journal.  A column that no line tells of may therefore hold its
 * default, too; generated columns follow from others and are not compared.
 *
 * Called by verify.c, which has connected to SPI and set up the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "actor/actor.h"
#include "permit/approval.h"
#include "journal/entry.h"
#include "journal/replay.h"
#include "utils/value.h"
#include "verify/verify.h"

static char *row_query(const WoBinding *binding, Relation rel, bool one);
static void read_row(const WoBinding *binding, HeapTuple tuple, TupleDesc desc, WoRow *row);
static int	compare_key(int64 tenant, int64 ticket, int64 other_tenant, int64 other_ticket);
static void check_line(WoVerify *v, const WoJournalLine *line, bool sealed);
static JsonbValue *old_value(const WoJournalLine *line, Form_pg_attribute att);
static void check_digest(WoVerify *v, const WoJournalLine *line, bool sealed);
static void check_row(WoVerify *v, int64 ticket, const WoRow *row);
static void check_tasks(WoVerify *v, int64 ticket, const WoRow *row);
static char *column_list(const WoBinding *binding, const Bitmapset *columns);

/* Reads rows and lines side by side. */
void
wo_verify_tickets(WoVerify *v, const int64 *ticket)
{
	const WoBinding *binding = v->binding;
	const int64 *tenant = ticket != NULL ? &wo_actor_current()->tenant : NULL;
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2];
	WoReplay   *replay;
	WoStream	rows;
	HeapTuple	tuple;
	const WoJournalLine *line;
	WoRow		row;

	if (ticket != NULL)
	{
		values[0] = Int64GetDatum(*tenant);
		values[1] = Int64GetDatum(*ticket);
	}
	wo_stream_open(&rows, v->relid, row_query(binding, v->rel, ticket != NULL),
				   ticket != NULL ? 2 : 0, types, values);
	replay = wo_replay_open(binding->relation_id, tenant, ticket);
	wo_verify_timers_open(v, tenant, ticket);
	row.values = palloc(sizeof(Datum) * binding->desc->natts);
	row.nulls = palloc(sizeof(bool) * binding->desc->natts);

	tuple = wo_stream_next(&rows);
	line = wo_replay_next(replay);
	while (tuple != NULL || line != NULL)
	{
		MemoryContext old;
		int64		current_tenant = line != NULL ? line->tenant : 0;
		int64		current = line != NULL ? line->ticket : 0;
		bool		there = false;
		bool		timed;

		CHECK_FOR_INTERRUPTS();
		if (tuple != NULL)
		{
			int			order;

			read_row(binding, tuple, rows.batch->tupdesc, &row);
			order = line == NULL ? -1 :
				compare_key(wo_binding_tenant(binding, &row), wo_binding_id(binding, row.values),
							line->tenant, line->ticket);
			there = order <= 0;
			if (order < 0)
			{
				current_tenant = wo_binding_tenant(binding, &row);
				current = wo_binding_id(binding, row.values);
			}
		}

		wo_fold_reset(v->fold);
		v->flow_told = false;
		v->takers = NIL;
		v->parts = NIL;
		v->approving = false;
		memset(&v->clocks, 0, sizeof(v->clocks));
		for (; line != NULL && compare_key(line->tenant, line->ticket, current_tenant, current) == 0;
			 line = wo_replay_next(replay))
		{
			CHECK_FOR_INTERRUPTS();
			old = MemoryContextSwitchTo(replay->context);
			check_line(v, line, replay->sealed);
			MemoryContextSwitchTo(old);
		}

		old = MemoryContextSwitchTo(v->context);
		timed = wo_verify_timed(v, current_tenant, current);
		if (there)
		{
			check_row(v, current, &row);
			check_tasks(v, current, &row);
			wo_verify_parts(v, current_tenant, current);
			wo_verify_timers(v, current_tenant, current, &row, timed);
		}
		else if (timed)
			wo_verify_stray_timers(v, current_tenant, current);
		if (!there && v->fold->exists)
			wo_verify_report(v, current, v->fold->revision, "row_missing",
							 "the journal does not tell that the ticket was deleted, but it is gone");
		MemoryContextSwitchTo(old);
		MemoryContextReset(v->context);
		if (there)
			tuple = wo_stream_next(&rows);
	}
	/* whatever has timers after the last ticket is none */
	(void) wo_verify_timed(v, PG_INT64_MAX, PG_INT64_MAX);
	wo_stream_close(&v->timers);
	wo_replay_close(replay);
	wo_stream_close(&rows);
}

/* Writes the query that gives the rows in the order of the journal. */
static char *
row_query(const WoBinding *binding, Relation rel, bool one)
{
	const char *tenant = quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->tenant - 1)->attname));
	const char *id = quote_identifier(NameStr(TupleDescAttr(binding->desc, binding->id - 1)->attname));
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT * FROM %s",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel)));
	if (one)
		appendStringInfo(&query, " WHERE %s OPERATOR(pg_catalog.=) $1"
						 " AND %s OPERATOR(pg_catalog.=) $2", tenant, id);
	appendStringInfo(&query, " ORDER BY %s, %s", tenant, id);
	return query.data;
}

/* Takes a row of that query apart; dropped columns are not in it. */
static void
read_row(const WoBinding *binding, HeapTuple tuple, TupleDesc desc, WoRow *row)
{
	int			column = desc->natts;

	heap_deform_tuple(tuple, desc, row->values, row->nulls);

	/* Move each to its place, from the last one down. */
	for (int i = binding->desc->natts - 1; i >= 0 && column <= i; i--)
	{
		if (TupleDescAttr(binding->desc, i)->attisdropped)
			row->nulls[i] = true;
		else
		{
			column--;
			row->values[i] = row->values[column];
			row->nulls[i] = row->nulls[column];
		}
	}
}

static int
compare_key(int64 tenant, int64 ticket, int64 other_tenant, int64 other_ticket)
{
	if (tenant != other_tenant)
		return tenant < other_tenant ? -1 : 1;
	if (ticket != other_ticket)
		return ticket < other_ticket ? -1 : 1;
	return 0;
}

/* Checks a line against those before it, and adds it to the fold. */
static void
check_line(WoVerify *v, const WoJournalLine *line, bool sealed)
{
	WoFold	   *fold = v->fold;
	bool		base = wo_line_is_base(line);
	Bitmapset  *surprises = NULL;
	Jsonb	   *before;
	bool	   *known;
	int			attnum = -1;

	check_digest(v, line, sealed);
	if (!fold->begun)
	{
		if (line->from_state != NULL || (!base && line->revision != 1))
			wo_verify_report(v, line->ticket, line->revision, "gap",
							 "the journal begins with revision %d, not with how the ticket came to be",
							 line->revision);
	}
	else
	{
		if (line->revision != fold->revision + 1)
			wo_verify_report(v, line->ticket, line->revision, "gap",
							 "revision %d follows revision %d", line->revision, fold->revision);
		if (strcmp(line->from_state != NULL ? line->from_state : "",
				   fold->state != NULL ? fold->state : "") != 0)
			wo_verify_report(v, line->ticket, line->revision, "chain_state",
							 "the line starts from state \"%s\", the one before it ends in \"%s\"",
							 line->from_state != NULL ? line->from_state : "(none)",
							 fold->state != NULL ? fold->state : "(none)");
		if (line->at < fold->at)
			wo_verify_report(v, line->ticket, line->revision, "time",
							 "the line is earlier than the one before it");
	}
	wo_verify_step(v, line);

	before = wo_verify_history(v);
	known = memcpy(palloc(v->binding->desc->natts), fold->known, v->binding->desc->natts);
	if (!wo_fold_apply(fold, line, sealed, &surprises))
		wo_verify_report(v, line->ticket, line->revision, "changes",
						 "the line's changes are not {\"column\": [old, new], ...}");
	wo_verify_clocks(v, line, before);
	wo_verify_follow(v, line);
	while ((attnum = bms_next_member(surprises, attnum)) >= 0)
	{
		Form_pg_attribute att = TupleDescAttr(v->binding->desc, attnum - 1);

		/* A column that no line has told of may have come with a default. */
		if (v->binding->role_of[attnum - 1] == WO_UNTOLD ||
			(!known[attnum - 1] && old_value(line, att) != NULL && wo_verify_default(v, attnum, old_value(line, att))))
			surprises = bms_del_member(surprises, attnum);
	}
	if (!bms_is_empty(surprises))
		wo_verify_report(v, line->ticket, line->revision, "chain_value",
						 "the old value of %s is not what the lines before it made",
						 column_list(v->binding, surprises));
}

/* Returns what a line says a column was before it. */
static JsonbValue *
old_value(const WoJournalLine *line, Form_pg_attribute att)
{
	JsonbValue *change = getKeyJsonValueFromContainer(&line->changes->root, NameStr(att->attname),
													  strlen(NameStr(att->attname)), NULL);

	/* under the name it had then, see workorder.altered() */
	if (change == NULL)
		return NULL;
	return getIthJsonbValueFromContainer(change->val.binary.data, 0);
}

/* Checks that a line, and the one before it, are what was written. */
static void
check_digest(WoVerify *v, const WoJournalLine *line, bool sealed)
{
	uint8		expected[WO_DIGEST_LENGTH];

	wo_journal_digest(line, v->fold->begun && v->fold->sealed ? v->fold->digest : NULL, expected);
	if (!sealed || memcmp(expected, line->digest, WO_DIGEST_LENGTH) != 0)
		wo_verify_report(v, line->ticket, line->revision, "digest",
						 "the line is not what was written, or one before it is missing");
}

/* Checks a row against the fold of its lines. */
static void
check_row(WoVerify *v, int64 ticket, const WoRow *row)
{
	const WoBinding *binding = v->binding;
	WoFold	   *fold = v->fold;
	int			revision = wo_row_revision(binding, row);
	Bitmapset  *differ = NULL;

	if (!fold->begun)
	{
		if (revision != WO_REVISION_BASE)
			wo_verify_report(v, ticket, revision, "journal_missing",
							 "the row has been acted on, but there is no journal of it");
		return;
	}
	if (!fold->exists)
	{
		wo_verify_report(v, ticket, fold->revision, "row_exists",
						 "the journal tells that the ticket was deleted, but it is there");
		return;
	}
	if (revision != fold->revision)
		wo_verify_report(v, ticket, fold->revision, "gap",
						 "the journal ends with revision %d, the row has revision %d",
						 fold->revision, revision);

	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
	{
		Form_pg_attribute att = TupleDescAttr(binding->desc, attnum - 1);
		Jsonb	   *expected = fold->values[attnum - 1];
		JsonbValue	item;
		JsonbValue	wanted;

		if (att->attisdropped || binding->role_of[attnum - 1] == WO_UNTOLD ||
			attnum == binding->engine[WO_REVISION] ||
			/* a row need not know its digest; the journal does */
			(attnum == binding->engine[WO_DIGEST] && wo_row_digest(binding, row) == NULL) ||
			(row->nulls[attnum - 1] && expected == NULL))
			continue;
		wo_value_to_json(att->atttypid, row->values[attnum - 1], row->nulls[attnum - 1], &item);
		if (expected != NULL)
		{
			wo_value_from_jsonb(expected, &wanted);
			if (wo_value_equal(&item, &wanted) ||
				wo_value_same(att->atttypid, att->atttypmod, &wanted, &item))
				continue;
		}
		if (!fold->known[attnum - 1] && wo_verify_default(v, attnum, &item))
			continue;
		differ = bms_add_member(differ, attnum);
	}
	if (differ != NULL)
		wo_verify_report(v, ticket, fold->revision, "row_differs",
						 "%s differ%s from what the journal tells", column_list(binding, differ),
						 bms_membership(differ) == BMS_SINGLETON ? "s" : "");
}

/* Checks, or mends, the tasks that the lists show of a ticket. */
static void
check_tasks(WoVerify *v, int64 ticket, const WoRow *row)
{
	int64		n;

	if (v->retask)
	{
		wo_task_refresh(v->binding, row);
		v->retimed++;
		return;
	}
	n = wo_task_check(v->binding, row);
	if (n < 0)
		wo_verify_report(v, ticket, v->fold->revision, "tasks",
						 "the tasks that the lists show are not those of the ticket's votes");
	else
		v->tasks += n;
}

/* Names columns for a message. */
static char *
column_list(const WoBinding *binding, const Bitmapset *columns)
{
	StringInfoData s;
	int			attnum = -1;

	initStringInfo(&s);
	while ((attnum = bms_next_member(columns, attnum)) >= 0)
		appendStringInfo(&s, "%s\"%s\"", s.len > 0 ? ", " : "",
						 NameStr(TupleDescAttr(binding->desc, attnum - 1)->attname));
	return s.data;
}
