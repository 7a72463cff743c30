/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the fuzz targets share (fuzz.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Memory of exactly this size, so that one byte too far is noticed. */
extern void *exact(size_t size);

/* Gives back what palloc() gave since the last time (memory.c). */
extern void give_back(void);

/* Ends the run if something that must be true is not. */
extern void promise(int kept, const char *what);

/* What each target defines: itself, and words that inputs are made of, NULL last. */
extern int	LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
extern const char *const fuzz_words[];

#endif							/* FUZZ_H */
