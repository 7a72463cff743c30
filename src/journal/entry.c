/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  The journal entry that a change of a row makes.
 *
 * Everything an entry says is in the two rows: who, when and what the guard has
 * written into the new one.  So the guard can seal the entry (its digest goes
 * into the row, for the next entry to chain to) and the AFTER trigger can write the
 * very same entry later.
 *
 * Nothing has to be kept in between.  But the column diff is most of the work,
 * so what was sealed is kept under its digest, as long as work_mem lasts, until
 * the row with that digest comes by or the statement ends; where it is not to
 * be found, it is made once more.  A digest stands for one entry only, so there
 * is nothing that could be out of date.
 *
 * The diff, {"column": [old, new], ...}, is written in one pass, as jsonb is stored
 * (jsonb_writer.c): a binding knows the order in which jsonb keeps its columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "journal/entry.h"
#include "row/approval_state.h"
#include "utils/compat.h"
#include "utils/jsonb_writer.h"
#include "utils/value.h"

/* Which columns an entry tells about. */
typedef enum WoChangesKind
{
	WO_CHANGES_OF_ACT,			/* what does not follow from the entry itself */
	WO_CHANGES_OF_REPAIR,		/* and when the state was entered, which an act implies */
	WO_CHANGES_WHOLE			/* all of them: the entry opens a history */
} WoChangesKind;

/* ----------------------------------------------------------------
 *		the column diff
 * ----------------------------------------------------------------
 */

/* Room for a diff of the usual size; a longer one makes the buffer grow. */
#define USUAL_SIZE	1024

/* Engine columns that follow from the entry itself and are not repeated in it. */
static bool
is_derived(WoEngineColumn column)
{
	switch (column)
	{
		case WO_STATE:
		case WO_REVISION:
		case WO_ACTED_BY:
		case WO_UPDATED_AT:
		case WO_ACTION:
		case WO_NOTE:
		case WO_LAST_ACTION:
		case WO_LAST_NOTE:
			return true;
		default:
			return false;
	}
}

static bool
differs(WoBinding *binding, AttrNumber attnum, const WoRow *old, const WoRow *row, WoChangesKind kind)
{
	WoEngineColumn column = binding->column_kind[attnum - 1];

	/* keys never change, generated columns follow from others, the digest from the entry */
	if (column >= WO_COLUMN_UNLOGGED || column == WO_DIGEST)
		return false;
	if (kind != WO_CHANGES_WHOLE && column != WO_NENGINE)
	{
		/* a ticket that is gone has no engine columns left to speak of */
		if (row == NULL || is_derived(column))
			return false;
		/* a new state is entered at the time of the act, unless by repair */
		if (column == WO_ENTERED_AT && kind == WO_CHANGES_OF_ACT &&
			(old == NULL || !wo_binding_same(binding, binding->engine[WO_STATE], old, row)))
			return false;
	}
	if (old != NULL && row != NULL)
		return !wo_binding_same(binding, attnum, old, row);
	return !(row != NULL ? row : old)->nulls[attnum - 1];
}

/* Writes [old, new]; a row that is NULL stands for no row. */
static void
put_change(StringInfo out, Form_pg_attribute att, const WoRow *old, const WoRow *row)
{
	const WoRow *sides[2] = {old, row};
	WoJsonbWriter pair;

	wo_jsonb_writer_begin(&pair, out, JB_FARRAY | 2);
	for (int i = 0; i < 2; i++)
	{
		JsonbValue	value = {.type = jbvNull};

		if (sides[i] != NULL)
			wo_value_to_json(att->atttypid, sides[i]->values[att->attnum - 1],
							 sides[i]->nulls[att->attnum - 1], &value);
		wo_jsonb_writer_add(&pair, out, wo_jsonb_writer_put(out, &value));
	}
}

/*
 * make_changes returns the diff between two rows, of which one may be NULL: the
 * row is new, or it is gone.  NULL if there is nothing to tell.
 */
static Jsonb *
make_changes(WoBinding *binding, const WoRow *old, const WoRow *row, WoChangesKind kind)
{
	AttrNumber *told = palloc(sizeof(AttrNumber) * binding->desc->natts);
	int			n = 0;
	StringInfoData out;
	WoJsonbWriter object;

	for (int i = 0; i < binding->desc->natts; i++)
		if (differs(binding, binding->by_name[i], old, row, kind))
			told[n++] = binding->by_name[i];
	if (n == 0)
		return NULL;

	wo_jsonb_writer_begin_jsonb(&out, USUAL_SIZE);
	wo_jsonb_writer_begin(&object, &out, JB_FOBJECT | n);
	for (int i = 0; i < n; i++)
	{
		char	   *name = NameStr(TupleDescAttr(binding->desc, told[i] - 1)->attname);

		appendBinaryStringInfo(&out, name, strlen(name));
		wo_jsonb_writer_add(&object, &out, JENTRY_ISSTRING);
	}
	for (int i = 0; i < n; i++)
	{
		put_change(&out, TupleDescAttr(binding->desc, told[i] - 1), old, row);
		wo_jsonb_writer_add(&object, &out, JENTRY_ISCONTAINER);
	}
	return wo_jsonb_writer_end_jsonb(&out);
}

/* ----------------------------------------------------------------
 *		entries
 * ----------------------------------------------------------------
 */

/* The diff of an entry that has been sealed and not been written. */
typedef struct KeptChanges
{
	uint8		digest[WO_DIGEST_LENGTH];	/* hash key */
	Jsonb	   *changes;		/* NULL = none */
	char		salt[VARHDRSZ + WO_SALT_LENGTH];
} KeptChanges;

/* The table lives as long as the backend, the diffs as long as any is kept. */
static HTAB *kept = NULL;
static MemoryContext kept_context = NULL;
static Size kept_bytes = 0;

/*
 * wo_entry_keep keeps the diff of an entry that has been sealed.
 */
void
wo_entry_keep(const WoJournalEntry *line)
{
	Size		size = sizeof(KeptChanges) + (line->changes != NULL ? VARSIZE(line->changes) : 0);
	KeptChanges *entry;
	Jsonb	   *copy = NULL;

	if (kept_bytes + size > (Size) work_mem * 1024)
		return;
	if (kept == NULL)
	{
		HASHCTL		ctl = {0};

		kept_context = AllocSetContextCreate(TopMemoryContext, "workorder sealed changes",
											 ALLOCSET_DEFAULT_SIZES);
		ctl.keysize = WO_DIGEST_LENGTH;
		ctl.entrysize = sizeof(KeptChanges);
		ctl.hcxt = TopMemoryContext;
		kept = hash_create("workorder sealed entries", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (line->changes != NULL)
	{
		copy = MemoryContextAlloc(kept_context, VARSIZE(line->changes));
		memcpy(copy, line->changes, VARSIZE(line->changes));
	}
	entry = hash_search(kept, line->digest, HASH_ENTER, NULL);
	entry->changes = copy;
	memcpy(entry->salt, line->salt, sizeof(entry->salt));
	kept_bytes += size;
}

/*
 * take_kept gives a diff that was kept under a digest, and the salt, copied into
 * the current context; false if there is none.
 */
static bool
take_kept(const uint8 *digest, Jsonb **changes, bytea **salt)
{
	KeptChanges *entry = kept_bytes == 0 ? NULL : hash_search(kept, digest, HASH_FIND, NULL);

	if (entry == NULL)
		return false;
	*changes = NULL;
	if (entry->changes != NULL)
	{
		*changes = palloc(VARSIZE(entry->changes));
		memcpy(*changes, entry->changes, VARSIZE(entry->changes));
	}
	*salt = palloc(sizeof(entry->salt));
	memcpy(*salt, entry->salt, sizeof(entry->salt));
	(void) hash_search(kept, digest, HASH_REMOVE, NULL);
	if (hash_get_num_entries(kept) == 0)
	{
		MemoryContextReset(kept_context);
		kept_bytes = 0;
	}
	return true;
}

/*
 * wo_entry_forget forgets what is kept: of rows that were not stored, say.
 */
void
wo_entry_forget(void)
{
	if (kept_bytes == 0)
		return;
	hash_destroy(kept);
	MemoryContextDelete(kept_context);
	kept = NULL;
	kept_context = NULL;
	kept_bytes = 0;
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE || event == XACT_EVENT_ABORT)
		wo_entry_forget();
}

void
wo_entry_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
}

/*
 * starts_with tells whether a text that is not null begins with a word, and
 * ends there if it is the whole that is asked for.
 */
static bool
starts_with(const WoBinding *binding, const WoRow *row, WoEngineColumn column, const char *word, bool whole)
{
	AttrNumber	attnum = binding->engine[column];
	struct varlena *value;
	Size		length = strlen(word);

	if (row->nulls[attnum - 1])
		return false;
	value = PG_DETOAST_DATUM_PACKED(row->values[attnum - 1]);
	return (whole ? VARSIZE_ANY_EXHDR(value) == length : VARSIZE_ANY_EXHDR(value) >= length) &&
		memcmp(VARDATA_ANY(value), word, length) == 0;
}

/*
 * wo_entry_kind tells what a change of a row is, as the guard has said in the new
 * row: an import by its seal, what the engine itself does by the name of the
 * action, which no flow may give to one of its own (flow_check.c).  old is NULL
 * when the row is new, row when it is gone.
 */
WoChangeKind
wo_entry_kind(const WoBinding *binding, const WoRow *old, const WoRow *row)
{
	AttrNumber	attnum = binding->engine[WO_DIGEST];

	if (row == NULL)
		return WO_KIND_DELETE;
	if (old == NULL)
	{
		struct varlena *seal;

		if (row->nulls[attnum - 1])
			return WO_KIND_CREATE;
		seal = PG_DETOAST_DATUM_PACKED(row->values[attnum - 1]);
		return VARSIZE_ANY_EXHDR(seal) == WO_CHECKSUM_LENGTH && *VARDATA_ANY(seal) == WO_CHECKSUM_IMPORT ?
			WO_KIND_IMPORT : WO_KIND_CREATE;
	}
	if (wo_binding_revision(binding, old) == wo_binding_revision(binding, row))
		return WO_KIND_NONE;
	if (starts_with(binding, row, WO_LAST_ACTION, WO_ACTION_MAINTENANCE, true))
		return WO_KIND_REPAIR;
	if (starts_with(binding, row, WO_LAST_ACTION, WO_ACTION_MIGRATE, true))
		return WO_KIND_MIGRATION;
	if (starts_with(binding, row, WO_LAST_ACTION, WO_ACTION_AFTER, false))
		return WO_KIND_TIMER;
	return WO_KIND_ACT;
}

static int64
engine_int64(const WoBinding *binding, const WoRow *row, WoEngineColumn column)
{
	AttrNumber	attnum = binding->engine[column];

	return row->nulls[attnum - 1] ? 0 : DatumGetInt64(row->values[attnum - 1]);
}

/*
 * fill_entry reads off a row what every entry has.
 */
static void
fill_entry(WoJournalEntry *line, WoBinding *binding, const WoRow *row)
{
	memset(line, 0, sizeof(*line));
	line->tenant = wo_binding_tenant(binding, row);
	line->relation = binding->guarded_id;
	line->ticket = wo_binding_id(binding, row->values);
	line->revision = wo_binding_revision(binding, row);
	line->at = engine_int64(binding, row, WO_UPDATED_AT);
	line->actor = engine_int64(binding, row, WO_ACTED_BY);
	if (!row->nulls[binding->engine[WO_VOTES] - 1])
		line->for_actor = wo_approval_state_for_actor(DatumGetJsonbP(row->values[binding->engine[WO_VOTES] - 1]));
	line->action = wo_binding_text(binding, row, WO_LAST_ACTION);
	line->note = wo_binding_text(binding, row, WO_LAST_NOTE);
	line->to_state = wo_binding_text(binding, row, WO_STATE);
}

/*
 * fill_change reads off the rows what the entry of a change has but the diff.
 */
static void
fill_change(WoJournalEntry *line, WoBinding *binding, const WoRow *old, const WoRow *row)
{
	fill_entry(line, binding, row != NULL ? row : old);
	if (row == NULL)
	{
		line->revision = wo_binding_next_revision(binding, old);
		line->for_actor = 0;
		line->action = WO_ACTION_DELETE;
		line->note = NULL;
		line->from_state = line->to_state;
		line->to_state = NULL;
	}
	else if (old != NULL)
		line->from_state = wo_binding_text(binding, old, WO_STATE);
	if (old == NULL && binding->nkeys > 0)
		line->key = wo_binding_key_text(binding, row);
	/* a repair is for nobody else */
	if (wo_entry_kind(binding, old, row) == WO_KIND_REPAIR)
		line->for_actor = 0;
}

/*
 * wo_entry_for_change makes the entry of a change; old is NULL when the row is
 * new, row when it is gone.  Who and when a row is deleted is the caller's to
 * fill in, since no row is left to say it.
 */
void
wo_entry_for_change(WoJournalEntry *line, WoBinding *binding, const WoRow *old, const WoRow *row)
{
	fill_change(line, binding, old, row);
	line->changes = make_changes(binding, old, row,
								 wo_entry_kind(binding, old, row) == WO_KIND_REPAIR ?
								 WO_CHANGES_OF_REPAIR : WO_CHANGES_OF_ACT);
	wo_digest_salt(line);
}

/*
 * wo_entry_for_stored makes the entry of a change that has been stored with the
 * digest which the guard gave it, if it did.  (While the guard judges, the new
 * row still has the digest of the entry before.)
 */
void
wo_entry_for_stored(WoJournalEntry *line, WoBinding *binding, const WoRow *old, const WoRow *row)
{
	const uint8 *sealed = wo_entry_row_digest(binding, row);
	Jsonb	   *changes;
	bytea	   *salt;

	if (sealed == NULL || !take_kept(sealed, &changes, &salt))
	{
		wo_entry_for_change(line, binding, old, row);
		return;
	}
	fill_change(line, binding, old, row);
	line->changes = changes;
	line->salt = salt;
}

/*
 * wo_entry_for_base makes the entry that opens the history of a row which was
 * there before its first act: a picture of it.
 */
void
wo_entry_for_base(WoJournalEntry *line, WoBinding *binding, const WoRow *row)
{
	fill_entry(line, binding, row);
	line->action = WO_ACTION_IMPORT;
	line->for_actor = 0;
	line->note = NULL;
	if (binding->nkeys > 0)
		line->key = wo_binding_key_text(binding, row);
	line->changes = make_changes(binding, NULL, row, WO_CHANGES_WHOLE);
	wo_digest_salt(line);
}

/*
 * wo_entry_row_digest returns the digest of the row's last entry, NULL if the row
 * does not know it.  One that has not been acted on has no entry: a digest that
 * was loaded with it is that of another.
 */
const uint8 *
wo_entry_row_digest(const WoBinding *binding, const WoRow *row)
{
	AttrNumber	attnum = binding->engine[WO_DIGEST];
	struct varlena *digest;

	if (row->nulls[attnum - 1] || wo_binding_revision(binding, row) <= 0)
		return NULL;
	digest = PG_DETOAST_DATUM_PACKED(row->values[attnum - 1]);
	return VARSIZE_ANY_EXHDR(digest) == WO_DIGEST_LENGTH ? (const uint8 *) VARDATA_ANY(digest) : NULL;
}

/*
 * wo_entry_row_checksum returns a seal over the key and what the engine keeps in a row.
 * It is no secret, it tells whether a trigger has meddled by mistake.
 */
bytea *
wo_entry_row_checksum(const WoBinding *binding, const WoRow *row, char kind)
{
	bytea	   *seal = palloc(VARHDRSZ + WO_CHECKSUM_LENGTH);
	uint64		hash[2] = {1, 2};

	for (AttrNumber attnum = 1; attnum <= binding->desc->natts; attnum++)
	{
		Form_pg_attribute att = TupleDescAttr(binding->desc, attnum - 1);
		const unsigned char *bytes;
		int			length;

		if (!WoIsKey(binding, attnum) &&
			(!WoIsEngine(binding, attnum) || binding->column_kind[attnum - 1] == WO_DIGEST))
			continue;
		if (row->nulls[attnum - 1])
		{
			bytes = (const unsigned char *) "";
			length = 0;
		}
		else if (att->attbyval)
		{
			bytes = (const unsigned char *) &row->values[attnum - 1];
			length = sizeof(Datum);
		}
		else if (att->attlen > 0)
		{
			/* bigint and timestamptz, where a Datum has 32 bits */
			bytes = (const unsigned char *) DatumGetPointer(row->values[attnum - 1]);
			length = att->attlen;
		}
		else
		{
			/* engine columns are text, bytea and jsonb */
			struct varlena *value = PG_DETOAST_DATUM_PACKED(row->values[attnum - 1]);

			bytes = (const unsigned char *) VARDATA_ANY(value);
			length = VARSIZE_ANY_EXHDR(value);
		}
		for (int i = 0; i < 2; i++)
			hash[i] = hash_bytes_extended(bytes, length, hash[i] * 31 + attnum + (row->nulls[attnum - 1] ? 7 : 0));
	}
	SET_VARSIZE(seal, VARHDRSZ + WO_CHECKSUM_LENGTH);
	VARDATA(seal)[0] = kind;
	memcpy(VARDATA(seal) + 1, hash, sizeof(hash));
	return seal;
}
