/*-------------------------------------------------------------------------
 *
 * actor.h
 *	  Who acts, and which roles they hold (actor.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_ACTOR_H
#define WO_ACTOR_H

#include "nodes/pg_list.h"

typedef struct WoActor
{
	int64		tenant;
	int64		id;				/* 0 = anonymous */
	bool		active;			/* false for anonymous and for disabled people */
	int			token_epoch;	/* what the tokens of the person say */
	const char *login;			/* "" for anonymous */
	const char *name;
	int			nroles;
	const char **roles;			/* sorted by strcmp */
} WoActor;

/*
 * Pointers and lists returned here stay valid until the end of the
 * transaction and belong to actor.c: do not change or free them.
 *
 * wo_actor_current() never returns NULL, and never a disabled person but the
 * system itself: who has no right is the anonymous actor of the tenant.  The
 * other two return NULL for nobody, and a disabled person with active = false;
 * id 0 is anonymous.
 */
extern const WoActor *wo_actor_current(void);
extern const WoActor *wo_actor_by_id(int64 tenant, int64 id);
extern const WoActor *wo_actor_by_login(int64 tenant, const char *login);
extern bool wo_actor_has_role(const WoActor *actor, const char *role);
extern List *wo_actor_holders(int64 tenant, const char *role);	/* List of int64 *, active people */

/* Whether the session user's word on who sends a request is taken. */
extern bool wo_actor_is_gateway(void);

/*
 * For C code that has authenticated somebody itself: they act until the end of
 * this transaction, or until the subtransaction that said so is rolled back.
 */
extern void wo_actor_assume(int64 tenant, int64 id);

/*
 * For the sweeper: the system acts for a tenant, until the next call; tenant 0
 * ends it.  id is its row of workorder.actor, which holds no role and is not
 * active, so that nobody else can be it.
 */
#define WO_SYSTEM_LOGIN		"$system"
extern void wo_actor_be_system(int64 tenant, int64 id);

extern void wo_actor_init(void);

#endif							/* WO_ACTOR_H */
