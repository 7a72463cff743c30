/*-------------------------------------------------------------------------
 *
 * http_settings.h
 *	  The settings of an API and of a route (http_settings.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_HTTP_SETTINGS_H
#define WO_HTTP_SETTINGS_H

#include "http/route.h"

/* Both copy what they keep into the current memory context. */
extern void wo_http_read_settings(Jsonb *settings, WoApi *api);
extern void wo_http_read_body_rules(Jsonb *settings, WoBodyRules *rules);

#endif							/* WO_HTTP_SETTINGS_H */
