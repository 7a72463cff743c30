/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  Columns that C knows by more than their names, each list once.
 *
 * SQL makes them: WO_ENGINE_COLUMNS is engine_columns() in guard.sql,
 * WO_JOURNAL_COLUMNS the table workorder.journal in tables.sql.  The style test
 * compares them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_COLUMNS_H
#define WO_COLUMNS_H

/*
 * The columns the engine keeps in a guarded table, in the order in which
 * guard() adds them: constant, name, type that is read and written without a
 * cast.  A flow's document may not give these names to columns of the user's.
 */
#define WO_ENGINE_COLUMNS(X) \
	X(WO_FLOW_ID, "flow_id", INT4OID) \
	X(WO_STATE, "state", TEXTOID) \
	X(WO_HISTORY, "history", TEXTOID) \
	X(WO_VOTES, "votes", JSONBOID) \
	X(WO_REVISION, "revision", INT4OID) \
	X(WO_CREATOR_ID, "creator_id", INT8OID) \
	X(WO_ACTED_BY, "acted_by", INT8OID) \
	X(WO_CREATED_AT, "created_at", TIMESTAMPTZOID) \
	X(WO_ENTERED_AT, "entered_at", TIMESTAMPTZOID) \
	X(WO_UPDATED_AT, "updated_at", TIMESTAMPTZOID) \
	X(WO_ACTION, "action", TEXTOID) /* what is requested: null at rest, as the note */ \
	X(WO_NOTE, "note", TEXTOID) \
	X(WO_LAST_ACTION, "last_action", TEXTOID) \
	X(WO_LAST_NOTE, "last_note", TEXTOID) \
	X(WO_DIGEST, "digest", BYTEAOID)	/* of the ticket's last journal entry */

/* The columns of an entry, in the order of the table: constant Anum_journal_..., name. */
#define WO_JOURNAL_COLUMNS(X) \
	X(tenant, "tenant_id") \
	X(relation, "guarded_id") \
	X(ticket, "ticket_id") \
	X(revision, "revision") \
	X(at, "at") \
	X(actor, "actor_id") \
	X(for_actor, "for_actor") \
	X(action, "action") \
	X(from_state, "from_state") \
	X(to_state, "to_state") \
	X(note, "note") \
	X(changes, "changes") \
	X(digest, "digest") \
	X(salt, "salt") \
	X(key, "key")

#endif							/* WO_COLUMNS_H */
