/*-------------------------------------------------------------------------
 *
 * workorder.h
 *	  What the rooms of src/ share: error codes, settings and the compiled flow.
 *
 * Data flows one way: guard.c asks binding.c what it is looking at,
 * flow_cache.c for the chart, actor.c for the person, permit.c for the
 * verdict; guard.c and journal.c write what happened.  Each room's own
 * functions are declared in the header of its name; only what several rooms
 * need is here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WORKORDER_H
#define WORKORDER_H

#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/jsonpath.h"
#include "utils/timestamp.h"

#include "utils/compat.h"

#define WO_SCHEMA	"workorder"

/* Error class of the extension; PostgREST and the door map them by the digits. */
#define ERRCODE_WO_INVALID		MAKE_SQLSTATE('W','O','4','0','0')	/* invalid input */
#define ERRCODE_WO_UNAUTHENTICATED	MAKE_SQLSTATE('W','O','4','0','1')	/* nobody, or not who he says */
#define ERRCODE_WO_DENIED		MAKE_SQLSTATE('W','O','4','0','3')	/* not permitted */
#define ERRCODE_WO_NOT_FOUND	MAKE_SQLSTATE('W','O','4','0','4')	/* no such ticket, flow, state or action */
#define ERRCODE_WO_CONFLICT		MAKE_SQLSTATE('W','O','4','0','9')	/* not in this state, or lost a race */
#define ERRCODE_WO_UNPROCESSABLE	MAKE_SQLSTATE('W','O','4','2','2')	/* well-formed, but not what was meant */
#define ERRCODE_WO_UNAVAILABLE	MAKE_SQLSTATE('W','O','5','0','3')	/* something the administrator has to provide is missing */

/* The message domain of these errors, by which the dispatcher tells them from those that handlers raise. */
#undef TEXTDOMAIN
#define TEXTDOMAIN				WO_SCHEMA

/* Settings (settings.c) */
extern bool wo_maintenance;		/* workorder.maintenance, superuser only */
extern char *wo_actor_login;	/* workorder.actor, needs GRANT SET */
extern char *wo_tenant_text;	/* workorder.tenant, needs GRANT SET */
extern char *wo_gateway_roles;	/* workorder.gateway_roles, from the configuration file */
extern bool wo_login_claims;	/* workorder.login_claims, the same */

extern void wo_settings_init(void);
extern TimestampTz wo_settings_now(void);
extern void wo_settings_ensure_durable(void);
extern const char *wo_errors_shorten(const char *name);

#endif							/* WORKORDER_H */
