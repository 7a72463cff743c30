/*-------------------------------------------------------------------------
 *
 * http.h
 *	  Errors for PostgREST's own clients (http.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_HTTP_H
#define WO_HTTP_H

extern void wo_http_init(void);

#endif							/* WO_HTTP_H */
