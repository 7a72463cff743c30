/*-------------------------------------------------------------------------
 *
 * attachment.c
 *	  Files that belong to tickets.
 *
 * Bytes are stored once for each tenant and digest (workorder.attachment);
 * that a ticket has them is a row with a number of its own
 * (workorder.attached).  Both are written as their owner, for a caller who may
 * take the action "attach" on the ticket: who that is, and in which states, is
 * the flow's to say, and nobody may if it does not.  The action is not taken,
 * for a file by itself changes no ticket.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "actor/actor.h"
#include "ticket/act.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/settings.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_attach);

/* The action of a flow that is for files. */
#define ACTION_ATTACH	"attach"

static WoStatement store = {
	.table = "attached",
	.text = "WITH given AS MATERIALIZED (SELECT pg_catalog.sha256($5) AS digest),"
	" stored AS (INSERT INTO workorder.attachment (tenant_id, digest, content)"
	" SELECT $1, digest, $5 FROM given ON CONFLICT DO NOTHING)"
	" INSERT INTO workorder.attached (tenant_id, uuid, guarded_id, ticket_id, digest, size, content_type, filename, actor_id, at)"
	" SELECT $1, $2, $3, $4, digest, pg_catalog.octet_length($5), $6, $7, $8, $9 FROM given",
	.nargs = 9,
	.types = {INT8OID, UUIDOID, INT4OID, INT8OID, BYTEAOID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID}
};

/*
 * attach(relation, ticket_id, content, content_type, filename, uuid)
 * stores a file with a ticket.
 */
Datum
workorder_attach(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"relation", "ticket_id", "content", "content_type", "filename", "uuid"
	};
	const WoActor *actor;
	Datum		values[9];
	int			guarded_id;

	for (int i = 0; i < lengthof(names); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_WO_INVALID),
					 errmsg("argument \"%s\" is missing", names[i]),
					 errdetail("It must not be null."),
					 errhint("Give the table, the ticket's number, the file and its media type.")));
	PreventCommandIfReadOnly("workorder.attach()");
	PreventCommandIfParallelMode("workorder.attach()");
	if (wo_value_blank(TEXTOID, PG_GETARG_DATUM(3), false))
		ereport(ERROR,
				(errcode(ERRCODE_WO_INVALID),
				 errmsg("media type of the file is blank"),
				 errdetail("A file is served under the type that it was stored with."),
				 errhint("Give a type, such as application/octet-stream.")));
	guarded_id = wo_act_require(PG_GETARG_OID(0), DatumGetTicketId(PG_GETARG_DATUM(1)), ACTION_ATTACH);
	actor = wo_actor_current();

	values[0] = Int64GetDatum(actor->tenant);
	values[1] = PG_GETARG_DATUM(5);
	values[2] = Int32GetDatum(guarded_id);
	values[3] = PG_GETARG_DATUM(1);
	values[4] = PG_GETARG_DATUM(2);
	values[5] = PG_GETARG_DATUM(3);
	values[6] = PG_GETARG_DATUM(4);
	values[7] = Int64GetDatum(actor->id);
	values[8] = TimestampTzGetDatum(wo_settings_now());
	if (!wo_owner_spi_run_with_nulls(&store, values, actor->id == 0 ? "       n " : NULL, NULL))
		elog(ERROR, "workorder.attached took no row");
	PG_RETURN_DATUM(PG_GETARG_DATUM(5));
}
