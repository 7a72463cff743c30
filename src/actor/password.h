/*-------------------------------------------------------------------------
 *
 * password.h
 *	  Who knows a password (password.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_PASSWORD_H
#define WO_PASSWORD_H

#include "utils/workorder.h"

typedef struct WoPerson
{
	int64		id;				/* 0 = nobody */
	bool		active;
	int			token_epoch;
	char	   *login;			/* as stored; set if id is */
} WoPerson;

/* Who has a login, active or not. */
extern WoPerson wo_password_person(int64 tenant, const char *login);

/*
 * Returns the active person whose password it is, id 0 for anything else,
 * after the same work for every failure.  With remember, success is quick the
 * next time.  A caller who lets the person act says so with wo_actor_assume().
 */
extern WoPerson wo_password_check(int64 tenant, const char *login, const char *password, bool remember);

#endif							/* WO_PASSWORD_H */
