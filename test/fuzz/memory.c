/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  What stands for the server's memory in a fuzz target.
 *
 * Every allocation is exact and filled with nonsense, and is given back after
 * each input, but for those of TopMemoryContext, which live for ever.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* The server's header declares them as pointers to a struct that nobody looks into here. */
static char contexts[2];
void	   *CurrentMemoryContext = &contexts[0];
void	   *TopMemoryContext = &contexts[1];

static void **chunks = NULL;
static size_t nchunks = 0;
static size_t allocated = 0;

static void
remember(void *pointer)
{
	if (nchunks == allocated)
	{
		allocated = allocated == 0 ? 64 : allocated * 2;
		chunks = realloc(chunks, allocated * sizeof(void *));
	}
	chunks[nchunks++] = pointer;
}

/* returns where a chunk is remembered, NULL if it lives for ever */
static void **
find(void *pointer)
{
	for (size_t i = nchunks; i > 0; i--)
		if (chunks[i - 1] == pointer)
			return &chunks[i - 1];
	return NULL;
}

extern void *MemoryContextAlloc(void *context, size_t size);
void *
MemoryContextAlloc(void *context, size_t size)
{
	void	   *pointer = exact(size);

	memset(pointer, 0xA5, size);
	if (context != TopMemoryContext)
		remember(pointer);
	return pointer;
}

extern void *MemoryContextAllocZero(void *context, size_t size);
void *
MemoryContextAllocZero(void *context, size_t size)
{
	return memset(MemoryContextAlloc(context, size), 0, size);
}

extern void *MemoryContextAllocHuge(void *context, size_t size);
void *
MemoryContextAllocHuge(void *context, size_t size)
{
	return MemoryContextAlloc(context, size);
}

extern void *palloc(size_t size);
void *
palloc(size_t size)
{
	return MemoryContextAlloc(CurrentMemoryContext, size);
}

extern void *palloc0(size_t size);
void *
palloc0(size_t size)
{
	return MemoryContextAllocZero(CurrentMemoryContext, size);
}

extern void *repalloc(void *pointer, size_t size);
void *
repalloc(void *pointer, size_t size)
{
	void	  **chunk = find(pointer);

	pointer = realloc(pointer, size > 0 ? size : 1);
	if (pointer == NULL)
		abort();
	if (chunk != NULL)
		*chunk = pointer;
	return pointer;
}

extern void pfree(void *pointer);
void
pfree(void *pointer)
{
	void	  **chunk = find(pointer);

	if (chunk != NULL)
		*chunk = chunks[--nchunks];
	free(pointer);
}

extern char *pnstrdup(const char *from, size_t len);
char *
pnstrdup(const char *from, size_t len)
{
	char	   *copy;

	len = strnlen(from, len);
	copy = memcpy(palloc(len + 1), from, len);
	copy[len] = '\0';
	return copy;
}

extern char *pstrdup(const char *from);
char *
pstrdup(const char *from)
{
	return pnstrdup(from, strlen(from));
}

void
give_back(void)
{
	while (nchunks > 0)
		free(chunks[--nchunks]);
}
