/*-------------------------------------------------------------------------
 *
 * postgrest_error.h
 *	  Errors for PostgREST's own clients (postgrest_error.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_POSTGREST_ERROR_H
#define WO_POSTGREST_ERROR_H

extern void wo_postgrest_error_init(void);

#endif							/* WO_POSTGREST_ERROR_H */
