/*-------------------------------------------------------------------------
 *
 * flow_compile.h
 *	  jsonb -> compiled flow (flow_compile.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_FLOW_COMPILE_H
#define WO_FLOW_COMPILE_H

#include "flow/flow_read.h"

extern WoFlow *wo_flow_compile(Jsonb *definition, MemoryContext context, List **findings);

#endif							/* WO_FLOW_COMPILE_H */
