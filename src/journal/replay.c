/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  The journal read back, and the row that follows from it.
 *
 * A ticket's row is the fold of its entries.  An entry tells the columns that
 * changed; state, revision, acted_by, updated_at, last_action and last_note
 * follow from the entry itself, and entered_at does when the state changed.
 * A base entry, which opens the history of a row that was imported or was there
 * before its table was guarded, pictures the whole row, so that nothing else
 * follows from it; a superuser's repair does not enter a state.
 *
 * Entries come through a cursor in batches, and a fold keeps one value a
 * column, so that reading a journal takes no more memory for a million
 * tickets than for one.  The cursors run as the owner of the table they read:
 * the caller needs no privilege on the journal, and has been judged before.
 * All of them read with the snapshot of the calling query.
 *
 * Whoever calls must have connected to SPI.  verify.c does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "journal/entry.h"
#include "journal/replay.h"
#include "utils/catalog.h"
#include "utils/compat.h"
#include "utils/errors.h"
#include "utils/value.h"

/* What is selected, in this order: all columns, so that Anum_journal_... finds them. */
static const char *const column_names[Natts_journal] = {
#define JOURNAL_NAME(column, name) name,
	WO_JOURNAL_COLUMNS(JOURNAL_NAME)
};

static AttrNumber column_number(const WoReplayState *fold, const WoJournalEntry *line, JsonbValue *name);
static void relabel(const WoReplayState *fold, const WoJournalEntry *line, AttrNumber attnum, JsonbValue *value);
static void set_value(WoReplayState *fold, AttrNumber attnum, JsonbValue *value);
static void set_derived(WoReplayState *fold, Bitmapset *told, WoEngineColumn column,
						Oid type, Datum value, bool isnull);
static void set_digest(WoReplayState *fold, const WoJournalEntry *line, bool sealed);
static void set_derived_text(WoReplayState *fold, Bitmapset *told, WoEngineColumn column, const char *value);
static List *list_alterations(int32 relation);
static bool apply_changes(WoReplayState *fold, const WoJournalEntry *line,
						  Bitmapset **told, Bitmapset **surprises);

/*
 * Starts reading a table's journal, ordered by tenant, ticket and revision:
 * all of it, or a tenant's, or one ticket's.
 */
WoReplay *
wo_replay_open(int32 relation, const int64 *tenant, const WoTicketId *ticket)
{
	WoReplay   *replay = palloc0(sizeof(WoReplay));
	Oid			types[3] = {INT4OID, INT8OID, INT8OID};
	Datum		values[3];
	int			nargs = 1;
	StringInfoData query;

	replay->relation = relation;
	values[0] = Int32GetDatum(relation);
	initStringInfo(&query);
	for (int i = 0; i < Natts_journal; i++)
		appendStringInfo(&query, "%s%s", i == 0 ? "SELECT " : ", ", column_names[i]);
	appendStringInfoString(&query, " FROM workorder.journal WHERE guarded_id OPERATOR(pg_catalog.=) $1");
	if (tenant != NULL)
	{
		values[nargs++] = Int64GetDatum(*tenant);
		appendStringInfo(&query, " AND tenant_id OPERATOR(pg_catalog.=) $%d", nargs);
	}
	if (ticket != NULL)
	{
		values[nargs++] = TicketIdGetDatum(*ticket);
		appendStringInfo(&query, " AND ticket_id OPERATOR(pg_catalog.=) $%d", nargs);
	}
	appendStringInfoString(&query, " ORDER BY tenant_id, ticket_id, revision");

	replay->context = AllocSetContextCreate(CurrentMemoryContext, "workorder journal entry",
											ALLOCSET_DEFAULT_SIZES);
	wo_owner_spi_stream_open(&replay->stream, wo_catalog_table("journal", false), query.data, nargs, types, values);
	return replay;
}

static Datum
get(const WoReplay *replay, HeapTuple tuple, int column, bool *isnull)
{
	return SPI_getbinval(tuple, replay->stream.batch->tupdesc, column, isnull);
}

static int64
get_int64(const WoReplay *replay, HeapTuple tuple, int column)
{
	bool		isnull;
	Datum		value = get(replay, tuple, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static char *
get_text(const WoReplay *replay, HeapTuple tuple, int column)
{
	bool		isnull;
	Datum		value = get(replay, tuple, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Returns the next entry, good until the next call; NULL at the end. */
const WoJournalEntry *
wo_replay_next(WoReplay *replay)
{
	WoJournalEntry *line = &replay->line;
	HeapTuple	tuple = wo_owner_spi_stream_next(&replay->stream);
	MemoryContext old;
	Datum		value;
	bool		isnull;

	if (tuple == NULL)
		return NULL;

	MemoryContextReset(replay->context);
	old = MemoryContextSwitchTo(replay->context);
	memset(line, 0, sizeof(*line));
	line->relation = replay->relation;
	line->tenant = get_int64(replay, tuple, Anum_journal_tenant);
	line->ticket = get_int64(replay, tuple, Anum_journal_ticket);
	line->revision = DatumGetInt32(get(replay, tuple, Anum_journal_revision, &isnull));
	line->at = get_int64(replay, tuple, Anum_journal_at);
	line->actor = get_int64(replay, tuple, Anum_journal_actor);
	line->for_actor = get_int64(replay, tuple, Anum_journal_for_actor);
	line->action = get_text(replay, tuple, Anum_journal_action);
	line->from_state = get_text(replay, tuple, Anum_journal_from_state);
	line->to_state = get_text(replay, tuple, Anum_journal_to_state);
	line->note = get_text(replay, tuple, Anum_journal_note);
	value = get(replay, tuple, Anum_journal_changes, &isnull);
	line->changes = isnull ? NULL : DatumGetJsonbP(value);
	value = get(replay, tuple, Anum_journal_salt, &isnull);
	line->salt = isnull ? NULL : DatumGetByteaPCopy(value);
	line->key = get_text(replay, tuple, Anum_journal_key);
	value = get(replay, tuple, Anum_journal_digest, &isnull);
	replay->sealed = false;
	if (!isnull)
	{
		bytea	   *digest = DatumGetByteaPP(value);

		if (VARSIZE_ANY_EXHDR(digest) == WO_DIGEST_LENGTH)
		{
			memcpy(line->digest, VARDATA_ANY(digest), WO_DIGEST_LENGTH);
			replay->sealed = true;
		}
	}
	MemoryContextSwitchTo(old);
	return line;
}

void
wo_replay_close(WoReplay *replay)
{
	wo_owner_spi_stream_close(&replay->stream);
	MemoryContextDelete(replay->context);
	pfree(replay);
}

/*
 * Tells whether an entry opens the history of a row that was there before, and
 * so pictures the whole row.
 */
bool
wo_replay_is_base(const WoJournalEntry *line)
{
	return line->from_state == NULL && line->to_state != NULL && line->action != NULL &&
		strcmp(line->action, WO_ACTION_IMPORT) == 0;
}

/* Makes a fold for the tickets of one table, in the current memory context. */
WoReplayState *
wo_replay_state_create(const WoBinding *binding)
{
	WoReplayState *fold = palloc0(sizeof(WoReplayState));

	fold->binding = binding;
	fold->context = AllocSetContextCreate(CurrentMemoryContext, "workorder replayed row",
										  ALLOCSET_DEFAULT_SIZES);
	fold->values = palloc0(sizeof(Jsonb *) * binding->desc->natts);
	fold->known = palloc0(sizeof(bool) * binding->desc->natts);
	fold->alterations = list_alterations(binding->guarded_id);
	return fold;
}

/* Forgets the ticket, for the next one. */
void
wo_replay_state_reset(WoReplayState *fold)
{
	MemoryContextReset(fold->context);
	memset(fold->values, 0, sizeof(Jsonb *) * fold->binding->desc->natts);
	memset(fold->known, 0, sizeof(bool) * fold->binding->desc->natts);
	fold->begun = false;
	fold->exists = false;
	fold->state = NULL;
	fold->sealed = false;
	fold->key = NULL;
}

/*
 * Adds an entry.  Returns false if its changes have not the form they should
 * have; columns (by attribute number) whose old value is not what the entries
 * before made it are added to surprises, unless that is NULL.
 */
bool
wo_replay_apply(WoReplayState *fold, const WoJournalEntry *line, bool sealed, Bitmapset **surprises)
{
	bool		base = wo_replay_is_base(line);
	bool		moved = line->from_state == NULL || line->to_state == NULL ||
		strcmp(line->from_state, line->to_state) != 0;
	bool		repair = line->action != NULL && strcmp(line->action, WO_ACTION_MAINTENANCE) == 0;
	Bitmapset  *told = NULL;
	bool		wellformed;

	if (line->from_state == NULL && fold->begun)
	{
		/* a beginning leaves nothing of what was before */
		wo_replay_state_reset(fold);
		if (surprises != NULL)
			*surprises = NULL;
	}
	if (line->key != NULL)
		fold->key = MemoryContextStrdup(fold->context, line->key);
	wellformed = apply_changes(fold, line, &told, surprises);
	if (!base)
	{
		set_derived(fold, told, WO_ACTED_BY, INT8OID, Int64GetDatum(line->actor), line->actor == 0);
		set_derived(fold, told, WO_UPDATED_AT, TIMESTAMPTZOID, TimestampTzGetDatum(line->at), false);
		set_derived_text(fold, told, WO_LAST_ACTION, line->action);
		set_derived_text(fold, told, WO_LAST_NOTE, line->note);
		if (moved && !repair)
			set_derived(fold, told, WO_ENTERED_AT, TIMESTAMPTZOID, TimestampTzGetDatum(line->at), false);
	}
	set_derived(fold, NULL, WO_REVISION, INT4OID, Int32GetDatum(line->revision), false);
	set_derived_text(fold, NULL, WO_STATE, line->to_state);
	set_digest(fold, line, sealed);

	fold->begun = true;
	fold->exists = line->to_state != NULL;
	fold->revision = line->revision;
	fold->at = line->at;
	fold->state = fold->exists ? MemoryContextStrdup(fold->context, line->to_state) : NULL;
	fold->sealed = sealed;
	memcpy(fold->digest, line->digest, WO_DIGEST_LENGTH);
	return wellformed;
}

/* Gives a column of the ticket's own key, as its first entry tells it; null if none does. */
static void
key_to_json(const WoBinding *binding, const Datum *key, AttrNumber attnum, JsonbValue *item)
{
	item->type = jbvNull;
	for (int i = 0; key != NULL && i < binding->nkeys; i++)
		if (binding->keys[i] == attnum)
			wo_value_to_json(TupleDescAttr(binding->desc, attnum - 1)->atttypid, key[i], false, item);
}

/*
 * Makes the replayed row for people: all columns of the table, the key
 * included, json and jsonb without their wrapping.  Generated columns follow
 * from others and are not in the journal, so they are left out.
 */
Jsonb *
wo_replay_state_to_jsonb(const WoReplayState *fold, int64 tenant, WoTicketId ticket)
{
	const WoBinding *binding = fold->binding;
	WoJsonbState state = WO_JSONB_START;
	Datum	   *key = fold->key == NULL || binding->nkeys == 0 ? NULL : wo_binding_read_key(binding, fold->key);
	JsonbValue	item;

	wo_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
	{
		Form_pg_attribute att = TupleDescAttr(binding->desc, attnum - 1);

		if (att->attisdropped ||
			(binding->column_kind[attnum - 1] == WO_COLUMN_UNLOGGED && !WoIsKey(binding, attnum)))
			continue;
		wo_value_push_string(&state, WJB_KEY, NameStr(att->attname));
		if (attnum == binding->id)
			wo_value_to_json(INT8OID, Int64GetDatum(ticket), false, &item);
		else if (attnum == binding->tenant)
			wo_binding_tenant_json(binding, tenant, &item);
		else if (WoIsKey(binding, attnum))
			key_to_json(binding, key, attnum, &item);
		else if (fold->values[attnum - 1] == NULL)
			item.type = jbvNull;
		else
		{
			wo_value_from_jsonb(fold->values[attnum - 1], &item);
			wo_value_readable(att->atttypid, &item);
		}
		wo_value_push(&state, WJB_VALUE, &item);
	}
	return JsonbValueToJsonb(wo_push_jsonb(&state, WJB_END_OBJECT, NULL));
}

/* Takes over what an entry says of each column, and adds those columns to told. */
static bool
apply_changes(WoReplayState *fold, const WoJournalEntry *line, Bitmapset **told, Bitmapset **surprises)
{
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	change;

	if (line->changes == NULL)
		return true;
	if (!JB_ROOT_IS_OBJECT(line->changes))
		return false;

	it = JsonbIteratorInit(&line->changes->root);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		AttrNumber	attnum = column_number(fold, line, &key);
		JsonbValue *old;
		JsonbValue *new;
		Jsonb	   *before;
		JsonbValue	expected;

		(void) JsonbIteratorNext(&it, &change, true);
		if (change.type != jbvBinary || !JsonContainerIsArray(change.val.binary.data) ||
			JsonContainerIsScalar(change.val.binary.data) ||
			JsonContainerSize(change.val.binary.data) != 2)
			return false;

		/* A column that is no longer there has no place in the row. */
		if (attnum == InvalidAttrNumber)
			continue;
		old = getIthJsonbValueFromContainer(change.val.binary.data, 0);
		new = getIthJsonbValueFromContainer(change.val.binary.data, 1);
		relabel(fold, line, attnum, old);
		relabel(fold, line, attnum, new);
		before = fold->values[attnum - 1];
		if (surprises != NULL)
		{
			expected.type = jbvNull;
			if (before != NULL)
				wo_value_from_jsonb(before, &expected);
			if (!wo_value_equal(&expected, old) &&
				!wo_value_same(TupleDescAttr(fold->binding->desc, attnum - 1)->atttypid,
							   TupleDescAttr(fold->binding->desc, attnum - 1)->atttypmod, &expected, old))
				*surprises = bms_add_member(*surprises, attnum);
		}
		set_value(fold, attnum, new);
		*told = bms_add_member(*told, attnum);
	}
	return true;
}

/*
 * renamed returns what an alteration calls something now, itself if it says
 * nothing of it.
 */
static JsonbValue *
renamed(Jsonb *names, JsonbValue *name)
{
	JsonbValue *now = names == NULL || !JB_ROOT_IS_OBJECT(names) ? NULL :
		getKeyJsonValueFromContainer(&names->root, name->val.string.val, name->val.string.len, NULL);

	return now != NULL && now->type == jbvString ? now : name;
}

/* Finds the column that an entry tells of, which may have another name now; 0 if the fold keeps none. */
static AttrNumber
column_number(const WoReplayState *fold, const WoJournalEntry *line, JsonbValue *name)
{
	const WoBinding *binding = fold->binding;
	ListCell   *lc;

	foreach(lc, fold->alterations)
		if (line->at <= ((WoAlteration *) lfirst(lc))->at)
			name = renamed(((WoAlteration *) lfirst(lc))->columns, name);
	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
	{
		Form_pg_attribute att = TupleDescAttr(binding->desc, attnum - 1);

		if (!att->attisdropped && !WoIsKey(binding, attnum) &&
			strlen(NameStr(att->attname)) == name->val.string.len &&
			memcmp(NameStr(att->attname), name->val.string.val, name->val.string.len) == 0)
			return attnum;
	}
	return InvalidAttrNumber;
}

/* Puts the label that a value has now in place of the one that an entry tells. */
static void
relabel(const WoReplayState *fold, const WoJournalEntry *line, AttrNumber attnum, JsonbValue *value)
{
	const char *column = NameStr(TupleDescAttr(fold->binding->desc, attnum - 1)->attname);
	ListCell   *lc;

	foreach(lc, fold->alterations)
	{
		const WoAlteration *alteration = lfirst(lc);
		JsonbValue *labels;

		if (value->type != jbvString || line->at > alteration->at || alteration->labels == NULL ||
			!JB_ROOT_IS_OBJECT(alteration->labels))
			continue;
		labels = getKeyJsonValueFromContainer(&alteration->labels->root, column, strlen(column), NULL);
		if (labels != NULL && labels->type == jbvBinary)
			*value = *renamed(JsonbValueToJsonb(labels), value);
	}
}

/*
 * list_alterations lists what workorder.altered() has told of a table, in the
 * current memory context.  It is told in the journal of tenant 1, once for the
 * table.
 */
static List *
list_alterations(int32 relation)
{
	int64		tenant = 1;
	WoTicketId	ticket = WO_ALTERATION_TICKET(relation);
	WoReplay   *replay = wo_replay_open(WO_RELATION_JOURNAL, &tenant, &ticket);
	const WoJournalEntry *line;
	List	   *result = NIL;

	while ((line = wo_replay_next(replay)) != NULL)
	{
		WoAlteration *alteration;
		JsonbValue *part;

		if (line->action == NULL || strcmp(line->action, WO_ACTION_ALTERED) != 0 ||
			line->changes == NULL || !JB_ROOT_IS_OBJECT(line->changes))
			continue;
		alteration = palloc0(sizeof(WoAlteration));
		alteration->at = line->at;
		part = getKeyJsonValueFromContainer(&line->changes->root, "columns", strlen("columns"), NULL);
		if (part != NULL)
			alteration->columns = JsonbValueToJsonb(part);
		part = getKeyJsonValueFromContainer(&line->changes->root, "labels", strlen("labels"), NULL);
		if (part != NULL)
			alteration->labels = JsonbValueToJsonb(part);
		result = lappend(result, alteration);
	}
	wo_replay_close(replay);
	return result;
}

/* Replaces what the fold has for a column; the value is copied. */
static void
set_value(WoReplayState *fold, AttrNumber attnum, JsonbValue *value)
{
	MemoryContext old = MemoryContextSwitchTo(fold->context);

	if (fold->values[attnum - 1] != NULL)
		pfree(fold->values[attnum - 1]);
	fold->values[attnum - 1] = value->type == jbvNull ? NULL : JsonbValueToJsonb(value);
	fold->known[attnum - 1] = true;
	MemoryContextSwitchTo(old);
}

/* Sets an engine column that follows from the entry itself, unless the entry told it. */
static void
set_derived(WoReplayState *fold, Bitmapset *told, WoEngineColumn column,
			Oid type, Datum value, bool isnull)
{
	AttrNumber	attnum = fold->binding->engine[column];
	JsonbValue	item;

	if (bms_is_member(attnum, told))
		return;
	wo_value_to_json(type, value, isnull, &item);
	set_value(fold, attnum, &item);
}

static void
set_derived_text(WoReplayState *fold, Bitmapset *told, WoEngineColumn column, const char *value)
{
	set_derived(fold, told, column, TEXTOID,
				value != NULL ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

/* The row knows the digest of its last entry, so that the next can chain to it. */
static void
set_digest(WoReplayState *fold, const WoJournalEntry *line, bool sealed)
{
	bytea	   *digest = palloc(VARHDRSZ + WO_DIGEST_LENGTH);

	SET_VARSIZE(digest, VARHDRSZ + WO_DIGEST_LENGTH);
	memcpy(VARDATA(digest), line->digest, WO_DIGEST_LENGTH);
	set_derived(fold, NULL, WO_DIGEST, BYTEAOID, PointerGetDatum(digest), !sealed);
}

/*
 * wo_replay_import sets what only a row knows that was imported and has no entry
 * yet: the seal that it has in place of a digest.
 */
void
wo_replay_import(WoReplayState *fold, const WoRow *row)
{
	AttrNumber	attnum = fold->binding->engine[WO_DIGEST];

	set_derived(fold, NULL, WO_DIGEST, BYTEAOID, row->values[attnum - 1], row->nulls[attnum - 1]);
}

/*
 * wo_replay_until makes a ticket's row as it was at some time of the entries
 * up to then; NULL if it did not exist.
 *
 * A row that was imported and that nobody has acted on since has no entries; it
 * is what its first entry is going to picture.
 */
Jsonb *
wo_replay_until(WoBinding *binding, int64 tenant, WoTicketId ticket, TimestampTz at, const WoRow *row)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext old;
	bool		begun = false;
	Jsonb	   *result = NULL;
	const WoJournalEntry *line;
	WoReplay   *replay;
	WoReplayState *fold;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	replay = wo_replay_open(binding->guarded_id, &tenant, &ticket);
	fold = wo_replay_state_create(binding);
	while ((line = wo_replay_next(replay)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		begun = true;
		/* Times never decrease within a ticket. */
		if (line->at > at)
			break;
		old = MemoryContextSwitchTo(replay->context);
		(void) wo_replay_apply(fold, line, replay->sealed, NULL);
		MemoryContextSwitchTo(old);
	}
	if (!begun && row != NULL)
	{
		WoJournalEntry base;

		wo_entry_for_base(&base, binding, row);
		if (base.at <= at)
		{
			(void) wo_replay_apply(fold, &base, false, NULL);
			wo_replay_import(fold, row);
		}
	}
	if (fold->exists)
	{
		old = MemoryContextSwitchTo(caller);
		result = wo_replay_state_to_jsonb(fold, tenant, ticket);
		MemoryContextSwitchTo(old);
	}
	wo_replay_close(replay);
	SPI_finish();
	return result;
}
