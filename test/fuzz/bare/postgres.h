/*-------------------------------------------------------------------------
 *
 * postgres.h
 *	  What the parsers in src/ need of a server, when they are built without
 *	  one.  Memory is given back all at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FUZZ_POSTGRES_H
#define FUZZ_POSTGRES_H

#include <stddef.h>

extern void *palloc(size_t size);
extern void *repalloc(void *pointer, size_t size);

#endif							/* FUZZ_POSTGRES_H */
