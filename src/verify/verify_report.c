/*-------------------------------------------------------------------------
 *
 * verify_report.c
 *	  What the other files of workorder.verify() stand on: findings, and what the
 * entries so far make of a ticket.
 *
 * Every finding is a row (relation, ticket_id, revision, code, message) with
 * a stable code.  Messages name columns, states and actions, never what a row
 * holds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "flow/flow.h"
#include "flow/flow_cache.h"
#include "utils/value.h"
#include "verify/verify.h"

/* Adds a finding. */
void
wo_verify_report(WoVerify *v, WoTicketId ticket, int32 revision, const char *code, const char *fmt,...)
{
	Datum		values[5];
	bool		nulls[5];
	StringInfoData message;

	/* who mends timers has not asked for anything else */
	if (v->retime || v->retask)
		return;

	initStringInfo(&message);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&message, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}
	values[0] = ObjectIdGetDatum(v->relid);
	nulls[0] = !OidIsValid(v->relid);
	values[1] = TicketIdGetDatum(ticket);
	nulls[1] = ticket == WO_NO_TICKET;
	values[2] = Int32GetDatum(revision);
	nulls[2] = revision == WO_NO_REVISION;
	values[3] = CStringGetTextDatum(code);
	nulls[3] = false;
	values[4] = CStringGetTextDatum(message.data);
	nulls[4] = false;
	tuplestore_putvalues(v->result->setResult, v->result->setDesc, values, nulls);
}

/*
 * wo_verify_report_flow returns the flow that the fold says the ticket is on, NULL if
 * it is none.
 */
const WoFlow *
wo_verify_report_flow(WoVerify *v)
{
	AttrNumber	attnum = v->binding->engine[WO_FLOW_ID];
	bool		isnull;
	Datum		id;

	if (v->fold->values[attnum - 1] == NULL)
		return NULL;
	id = wo_binding_value(v->binding, attnum, v->fold->values[attnum - 1], &isnull);
	return isnull ? NULL : wo_flow_cache_by_id(DatumGetInt32(id));
}

/*
 * wo_verify_report_history returns what the ticket remembers of the states it left,
 * by the fold so far; NULL for nothing.
 */
Jsonb *
wo_verify_report_history(WoVerify *v)
{
	Jsonb	   *kept = v->fold->values[v->binding->engine[WO_HISTORY] - 1];
	JsonbValue	text;

	if (kept == NULL)
		return NULL;
	wo_value_from_jsonb(kept, &text);
	return wo_verify_report_parse_history(&text);
}

/*
 * wo_verify_report_parse_history parses what a row remembers of the states it left;
 * NULL if it is not that.
 */
Jsonb *
wo_verify_report_parse_history(JsonbValue *text)
{
	JsonbValue	history;

	if (text == NULL || text->type != jbvString)
		return NULL;
	wo_value_parse_json(pnstrdup(text->val.string.val, text->val.string.len), &history);
	return history.type == jbvBinary ? JsonbValueToJsonb(&history) : NULL;
}
