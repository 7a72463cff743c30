/*-------------------------------------------------------------------------
 *
 * flow_transition.h
 *	  What a state reacts to (flow_transition.c).
 *
 * For flow_compile.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_TRANSITION_H
#define WO_FLOW_TRANSITION_H

#include "flow/flow_read.h"

extern void wo_flow_transition_on(WoCompiler *cx, int state);
extern void wo_flow_transition_after(WoCompiler *cx, int state);

#endif							/* WO_FLOW_TRANSITION_H */
