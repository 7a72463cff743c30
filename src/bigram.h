/*-------------------------------------------------------------------------
 *
 * bigram.h
 *	  What contains.c knows of the operator class.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_BIGRAM_H
#define WO_BIGRAM_H

/* Operators of workorder.bigram_ops by their numbers; 1 is LIKE, 2 ILIKE */
#define WO_CONTAINS_STRATEGY	3

#endif							/* WO_BIGRAM_H */
