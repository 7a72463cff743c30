/*-------------------------------------------------------------------------
 *
 * json_limits.h
 *	  How large what a client sends may be, whatever its bytes are.
 *
 * A number is kept in a few bytes however many digits it stands for, and a
 * list of short items takes many times its text in memory.  So both are
 * bounded before anything is written out: in a body that is not parsed yet by
 * request_parse.c, in everything else by value_size.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_JSON_LIMITS_H
#define WO_JSON_LIMITS_H

/* a JSON body */
#define WO_JSON_MAX_DEPTH		100
#define WO_JSON_MAX_MEMBERS		50000	/* of all lists and objects together */

/* a number, in digits on one side of its point */
#define WO_NUMBER_MAX_DIGITS	500
#define WO_NUMBER_LONG			50
#define WO_NUMBER_MAX_LONG		1000	/* so many long ones in one value */

#define WO_NOTE_MAX_BYTES		1048576	/* a note, and a reply */

#endif							/* WO_JSON_LIMITS_H */
