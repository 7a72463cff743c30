/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  What errors of the extension are known by.
 *
 * Whatever raises an error includes this itself: it sets the message domain.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ERRORS_H
#define WO_ERRORS_H

#include "mb/pg_wchar.h"

#define WO_SCHEMA	"workorder"

/* Error class of the extension; PostgREST and http.c map them by the digits. */
#define ERRCODE_WO_INVALID		MAKE_SQLSTATE('W','O','4','0','0')	/* invalid input */
#define ERRCODE_WO_UNAUTHENTICATED	MAKE_SQLSTATE('W','O','4','0','1')	/* nobody, or not who they say */
#define ERRCODE_WO_DENIED		MAKE_SQLSTATE('W','O','4','0','3')	/* not permitted */
#define ERRCODE_WO_NOT_FOUND	MAKE_SQLSTATE('W','O','4','0','4')	/* no such ticket, flow, state or action */
#define ERRCODE_WO_CONFLICT		MAKE_SQLSTATE('W','O','4','0','9')	/* not in this state, or lost a race */
#define ERRCODE_WO_UNPROCESSABLE	MAKE_SQLSTATE('W','O','4','2','2')	/* well-formed, but not what was meant */
#define ERRCODE_WO_UNAVAILABLE	MAKE_SQLSTATE('W','O','5','0','3')	/* something the administrator has to provide is missing */

/* The message domain of these errors, by which the dispatcher tells them from those that handlers raise. */
#undef TEXTDOMAIN
#define TEXTDOMAIN				WO_SCHEMA

/*
 * wo_errors_shorten shortens a name that somebody gave to what fits into a message.
 */
static inline const char *
wo_errors_shorten(const char *name)
{
	int			len = pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1);

	return name[len] == '\0' ? name : psprintf("%.*s...", len, name);
}

#endif							/* WO_ERRORS_H */
