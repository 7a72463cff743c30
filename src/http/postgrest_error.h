/*-------------------------------------------------------------------------
 *
 * postgrest_error.h
 *	  Errors for PostgREST's own clients (postgrest_error.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_NATIVE_H
#define WO_NATIVE_H

extern void wo_native_init(void);

#endif							/* WO_NATIVE_H */
