/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The background worker that sweeps (worker.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_WORKER_H
#define WO_WORKER_H

extern void wo_worker_init(void);

#endif							/* WO_WORKER_H */
