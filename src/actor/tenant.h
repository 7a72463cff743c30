/*-------------------------------------------------------------------------
 *
 * tenant.h
 *	  Which tenant has which key (tenant.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_TENANT_H
#define WO_TENANT_H

#include "postgres.h"

/* Who has one tenant never sees it: it is there from the start. */
#define WO_FIRST_TENANT 1

extern int64 wo_tenant_number(const char *key);
extern char *wo_tenant_key(int64 number);

#endif							/* WO_TENANT_H */
