/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The background worker that sweeps (worker.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_SWEEPER_H
#define WO_SWEEPER_H

extern void wo_sweeper_init(void);

#endif							/* WO_SWEEPER_H */
