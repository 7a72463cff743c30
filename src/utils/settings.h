/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  Settings that several parts ask for, and the clock (settings.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_SETTINGS_H
#define WO_SETTINGS_H

#include "datatype/timestamp.h"

extern bool wo_maintenance;		/* workorder.maintenance, superuser only */

extern void wo_settings_init(void);
extern TimestampTz wo_settings_now(void);
extern void wo_settings_ensure_durable(void);

#endif							/* WO_SETTINGS_H */
