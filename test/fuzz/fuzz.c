/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *	  What the fuzz targets share, and a driver for compilers without one.
 *
 * With clang, libFuzzer drives a target.  Built with -DSTANDALONE it drives
 * itself: it mutates the files it is given for some seconds.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

void *
exact(size_t size)
{
	void	   *pointer = malloc(size > 0 ? size : 1);

	if (pointer == NULL)
		abort();
	return pointer;
}

void
promise(int kept, const char *what)
{
	if (!kept)
	{
		fprintf(stderr, "broken promise: %s\n", what);
		abort();
	}
}

#ifdef STANDALONE

#define MAX_INPUT	4096
#define MAX_CORPUS	256

static uint8_t corpus[MAX_CORPUS][MAX_INPUT];
static size_t corpus_len[MAX_CORPUS];

/* copies an input and changes some of it */
static size_t
mutate(uint8_t *to, int n)
{
	int			from = rand() % n;
	size_t		len = corpus_len[from];
	int			nwords = 0;

	while (fuzz_words[nwords] != NULL)
		nwords++;
	memcpy(to, corpus[from], len);
	for (int i = rand() % 8; i >= 0; i--)
	{
		size_t		at = 1 + (len > 1 ? rand() % (len - 1) : 0);
		const char *word = fuzz_words[rand() % nwords];
		size_t		word_len = strlen(word);

		switch (rand() % 5)
		{
			case 0:
				to[at] = (uint8_t) rand();
				if (at == len)
					len++;
				break;
			case 1:
				len = at;
				break;
			case 2:
				if (at < len)
				{
					memmove(to + at, to + at + 1, len - at - 1);
					len--;
				}
				break;
			default:
				if (at > len || len + word_len > MAX_INPUT)
					break;
				memmove(to + at + word_len, to + at, len - at);
				memcpy(to + at, word, word_len);
				len += word_len;
				break;
		}
	}
	return len;
}

/* main <seconds> <seed> <file>... */
int
main(int argc, char **argv)
{
	time_t		end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
	unsigned long done = 0;
	int			n = 0;

	srand(argc > 2 ? (unsigned) atoi(argv[2]) : 1);
	for (int i = 3; i < argc && n < MAX_CORPUS; i++)
	{
		FILE	   *file = fopen(argv[i], "rb");

		if (file == NULL)
			continue;
		corpus_len[n] = fread(corpus[n], 1, MAX_INPUT / 2, file);
		fclose(file);
		if (corpus_len[n] > 0)
			n++;
	}
	if (n == 0)
		return 2;
	while (time(NULL) < end)
		for (int i = 0; i < 1000; i++, done++)
		{
			uint8_t		input[MAX_INPUT + 1];
			size_t		len = mutate(input, n);

			LLVMFuzzerTestOneInput(input, len);
		}
	printf("%lu inputs\n", done);
	return 0;
}

#endif							/* STANDALONE */
