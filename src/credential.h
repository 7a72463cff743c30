/*-------------------------------------------------------------------------
 *
 * credential.h
 *	  Signing in, and the tokens a gateway believes (credential.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_CREDENTIAL_H
#define WO_CREDENTIAL_H

#include "workorder.h"

/*
 * Returns the id of the active person whose password it is, 0 for anything
 * else, after the same work in every case.  A caller who lets him act says
 * so with wo_actor_assume().
 */
extern int64 wo_credential_check(int64 tenant, const char *login, const char *password);

#endif							/* WO_CREDENTIAL_H */
