/*-------------------------------------------------------------------------
 *
 * throttle.h
 *	  How often a password may be guessed (throttle.c).
 *
 * For auth.c, and init.c at module start.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_THROTTLE_H
#define WO_THROTTLE_H


/*
 * Begins an attempt, which counts as failed until it has succeeded; false if
 * the login has to wait.
 */
extern bool wo_throttle_begin(int64 tenant, const char *login);
/* Whether a login has to wait; counts nothing. */
extern bool wo_throttle_waits(int64 tenant, const char *login);
extern void wo_throttle_succeeded(int64 tenant, const char *login);
extern void wo_throttle_init(void);

#endif							/* WO_THROTTLE_H */
