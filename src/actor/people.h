/*-------------------------------------------------------------------------
 *
 * people.h
 *	  The backend's directory of people and their roles (people.c).
 *
 * For actor.c only; everybody else asks actor.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_PEOPLE_H
#define WO_PEOPLE_H

#include "actor/actor.h"

/* First of every question; the number changes when the directory was renewed. */
extern uint64 wo_people_refresh(void);

/* What was returned since the refresh stays valid until the end of the transaction. */
extern void wo_people_pin(void);

extern const WoActor *wo_people_anonymous(int64 tenant);
extern const WoActor *wo_people_by_id(int64 tenant, int64 id);
extern const WoActor *wo_people_by_login(int64 tenant, const char *login);
extern const WoActor *wo_people_by_db_role(const char *db_role, bool any_tenant, int64 tenant);
extern List *wo_people_holders(int64 tenant, const char *role);
extern void wo_people_init(void);

/*
 * wo_people_active_or_anonymous lets only active people act.
 */
static inline const WoActor *
wo_people_active_or_anonymous(const WoActor *actor, int64 tenant)
{
	return actor != NULL && actor->active ? actor : wo_people_anonymous(tenant);
}

#endif							/* WO_PEOPLE_H */
