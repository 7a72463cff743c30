/*-------------------------------------------------------------------------
 *
 * session.h
 *	  Whom the session names (session.c).
 *
 * For actor.c only; everybody else asks actor.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_SESSION_H
#define WO_SESSION_H

#include "actor/actor.h"

/* generation is what wo_people_refresh() has just returned. */
extern const WoActor *wo_session_actor(uint64 generation);

#endif							/* WO_SESSION_H */
