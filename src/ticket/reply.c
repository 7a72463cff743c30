/*-------------------------------------------------------------------------
 *
 * reply.c
 *	  What is said and sent about a ticket: replies and files.
 *
 * Replies are rows of workorder.reply, which ordinary roles have no rights
 * on.  Writing one is an action of the flow ("reply"), and so is taking one
 * back ("remove_reply"): the flow says who may, and when, and the journal
 * tells of it.  The row is then written as the owner of the table; who and
 * when are read from the line that was journalled, so that neither can be
 * made up.  Reading looks first which of the tickets the caller may see.
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

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "actor/actor.h"
#include "ticket/act.h"
#include "ticket/ticket.h"
#include "utils/errors.h"
#include "utils/owner_spi.h"
#include "utils/settings.h"
#include "utils/value.h"

PG_FUNCTION_INFO_V1(workorder_add_reply);
PG_FUNCTION_INFO_V1(workorder_replies);
PG_FUNCTION_INFO_V1(workorder_remove_reply);
PG_FUNCTION_INFO_V1(workorder_attach);

static WoStatement add_reply = {
	.table = "reply",
	.text = "INSERT INTO workorder.reply AS r (tenant_id, guarded_id, ticket_id, actor_id, at, content, data, revision) "
	"SELECT j.tenant_id, j.guarded_id, j.ticket_id, j.actor_id, j.at, $5, "
	"CASE WHEN $6 OPERATOR(pg_catalog.<>) 'null' THEN $6 END, j.revision "
	"FROM workorder.journal j "
	"WHERE j.tenant_id OPERATOR(pg_catalog.=) $1 AND j.guarded_id OPERATOR(pg_catalog.=) $2 "
	"AND j.ticket_id OPERATOR(pg_catalog.=) $3 AND j.revision OPERATOR(pg_catalog.=) $4 "
	"RETURNING r.id",
	.nargs = 6,
	.types = {INT8OID, INT4OID, INT8OID, INT4OID, TEXTOID, JSONBOID}
};

static WoStatement list_replies = {
	.table = "reply",
	.text = "SELECT r.ticket_id::bigint, r.id::bigint, r.actor_id::bigint, r.at::pg_catalog.timestamptz, "
	"r.content::pg_catalog.text, r.data::pg_catalog.jsonb "
	"FROM workorder.reply r "
	"WHERE r.tenant_id OPERATOR(pg_catalog.=) $1 AND r.guarded_id OPERATOR(pg_catalog.=) $2 "
	"AND r.ticket_id OPERATOR(pg_catalog.=) ANY ($3) "
	"ORDER BY r.ticket_id, r.at, r.id",
	.reads = true,
	.nargs = 3,
	.types = {INT8OID, INT4OID, INT8ARRAYOID}
};

/* 0 is nobody's id, so a reply of an unknown author is nobody's */
static WoStatement find_author = {
	.table = "reply",
	.text = "SELECT coalesce(r.actor_id, 0) FROM workorder.reply r "
	"WHERE r.tenant_id OPERATOR(pg_catalog.=) $1 AND r.guarded_id OPERATOR(pg_catalog.=) $2 "
	"AND r.ticket_id OPERATOR(pg_catalog.=) $3 AND r.id OPERATOR(pg_catalog.=) $4",
	.nargs = 4,
	.types = {INT8OID, INT4OID, INT8OID, INT8OID}
};

static WoStatement remove_reply = {
	.table = "reply",
	.text = "DELETE FROM workorder.reply r "
	"WHERE r.tenant_id OPERATOR(pg_catalog.=) $1 AND r.guarded_id OPERATOR(pg_catalog.=) $2 "
	"AND r.ticket_id OPERATOR(pg_catalog.=) $3 AND r.id OPERATOR(pg_catalog.=) $4",
	.nargs = 4,
	.types = {INT8OID, INT4OID, INT8OID, INT8OID}
};

#define ARGUMENTS	"Give the table, the ticket's number, and what is said or which reply is meant."

/*
 * take_action takes an action on the ticket and returns the revision it made.
 */
static int
take_action(Relation rel, WoBinding *binding, WoTicketId ticket, const char *action)
{
	WoActRequest		request = {.action = action, .expect_revision = -1};
	int			revision;
	char	   *state;

	wo_ticket_move(rel, binding, ticket, &request, &revision, &state);
	return revision;
}

/*
 * add_reply(relation, ticket_id, content, data) takes the flow's action
 * "reply" and keeps what was said; returns the reply's number.
 */
Datum
workorder_add_reply(PG_FUNCTION_ARGS)
{
	WoBinding  *binding;
	Relation	rel;
	Datum		values[6];
	int64		id;

	wo_act_need_argument(fcinfo, 0, "relation", ARGUMENTS);
	wo_act_need_argument(fcinfo, 1, "ticket_id", ARGUMENTS);
	wo_act_need_argument(fcinfo, 2, "content", ARGUMENTS);
	wo_value_size_check_note("reply", PG_GETARG_DATUM(2));
	if (!PG_ARGISNULL(3))
		wo_value_size_check("data", JSONBOID, PG_GETARG_DATUM(3));
	rel = wo_binding_open(PG_GETARG_OID(0), RowExclusiveLock, &binding);

	values[0] = Int64GetDatum(wo_actor_current()->tenant);
	values[1] = Int32GetDatum(binding->guarded_id);
	values[2] = PG_GETARG_DATUM(1);
	values[3] = Int32GetDatum(take_action(rel, binding, DatumGetTicketId(PG_GETARG_DATUM(1)), "reply"));
	values[4] = PG_GETARG_DATUM(2);
	values[5] = PG_ARGISNULL(3) ? DirectFunctionCall1(jsonb_in, CStringGetDatum("null")) : PG_GETARG_DATUM(3);
	if (!wo_owner_spi_run(&add_reply, values, &id))
		ereport(ERROR,
				(errcode(ERRCODE_WO_CONFLICT),
				 errmsg("the action was not journalled"),
				 errdetail("A reply is kept together with the journal's entry of it."),
				 errhint("workorder.verify() tells which trigger of the table is missing or disabled."),
				 errtable(rel)));
	table_close(rel, NoLock);
	PG_RETURN_INT64(id);
}

/*
 * replies(relation, ticket_ids) lists the replies of those tickets that the
 * caller may see, oldest first.
 */
Datum
workorder_replies(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *asked = PG_GETARG_ARRAYTYPE_P(1);
	WoBinding  *binding;
	Relation	rel;
	Datum	   *ids;
	bool	   *nulls;
	int			n;
	int			seen = 0;
	Datum		values[3];

	InitMaterializedSRF(fcinfo, 0);
	rel = wo_binding_open(PG_GETARG_OID(0), AccessShareLock, &binding);
	deconstruct_array(asked, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &ids, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!nulls[i] && wo_act_visible(PG_GETARG_OID(0), DatumGetTicketId(ids[i])))
			ids[seen++] = ids[i];
	}
	if (seen > 0)
	{
		values[0] = Int64GetDatum(wo_actor_current()->tenant);
		values[1] = Int32GetDatum(binding->guarded_id);
		values[2] = PointerGetDatum(construct_array(ids, seen, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		wo_owner_spi_read(&list_replies, values, result);
	}
	table_close(rel, NoLock);
	return (Datum) 0;
}

/*
 * remove_reply(relation, ticket_id, reply_id) takes the flow's action
 * "remove_reply" and removes a reply of the caller's own.
 */
Datum
workorder_remove_reply(PG_FUNCTION_ARGS)
{
	WoBinding  *binding;
	Relation	rel;
	Datum		values[4];
	int64		author;

	wo_act_need_argument(fcinfo, 0, "relation", ARGUMENTS);
	wo_act_need_argument(fcinfo, 1, "ticket_id", ARGUMENTS);
	wo_act_need_argument(fcinfo, 2, "reply_id", ARGUMENTS);
	rel = wo_binding_open(PG_GETARG_OID(0), RowExclusiveLock, &binding);
	/* of a ticket that one may not see, nobody is told what was said there */
	if (!wo_act_visible(PG_GETARG_OID(0), DatumGetTicketId(PG_GETARG_DATUM(1))))
		wo_ticket_not_found(rel, DatumGetTicketId(PG_GETARG_DATUM(1)));

	values[0] = Int64GetDatum(wo_actor_current()->tenant);
	values[1] = Int32GetDatum(binding->guarded_id);
	values[2] = PG_GETARG_DATUM(1);
	values[3] = PG_GETARG_DATUM(2);
	if (wo_owner_spi_run(&find_author, values, &author))
	{
		if (author == 0 || author != wo_actor_current()->id)
			ereport(ERROR,
					(errcode(ERRCODE_WO_DENIED),
					 errmsg("reply " INT64_FORMAT " is somebody else's", PG_GETARG_INT64(2)),
					 errdetail("A reply is removed by who wrote it."),
					 errhint("Ask its author; whoever owns workorder.reply may delete it there."),
					 errtable(rel)));
		(void) take_action(rel, binding, DatumGetTicketId(PG_GETARG_DATUM(1)), "remove_reply");
		/* somebody may have been quicker while the ticket was waited for */
		if (wo_owner_spi_run(&remove_reply, values, NULL))
		{
			table_close(rel, NoLock);
			PG_RETURN_VOID();
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_WO_NOT_FOUND),
			 errmsg("reply " INT64_FORMAT " of ticket " INT64_FORMAT " not found",
					PG_GETARG_INT64(2), DatumGetTicketId(PG_GETARG_DATUM(1))),
			 errdetail("The ticket has no reply with this number."),
			 errhint("workorder.replies() lists them."),
			 errtable(rel)));
}

/* The action of a flow that is for files. */
#define ACTION_ATTACH	"attach"

static WoStatement store_file = {
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
		wo_act_need_argument(fcinfo, i, names[i], "Give the table, the ticket's number, the file and its media type.");
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
	if (!wo_owner_spi_run_with_nulls(&store_file, values, actor->id == 0 ? "       n " : NULL, NULL))
		elog(ERROR, "workorder.attached took no row");
	PG_RETURN_DATUM(PG_GETARG_DATUM(5));
}

WO_BY_KEY(workorder_add_reply, false)

WO_BY_KEY(workorder_remove_reply, false)

WO_BY_KEY(workorder_attach, false)
