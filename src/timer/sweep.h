/*-------------------------------------------------------------------------
 *
 * sweep.h
 *	  The background worker that sweeps (sweep.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_SWEEP_H
#define WO_SWEEP_H

extern void wo_sweep_init(void);

#endif							/* WO_SWEEP_H */
