/* The arena of a heap that CREATE carries. */
#ifndef MERINO_PARMACS_ARENA_H
#define MERINO_PARMACS_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* What every block is aligned to. */
#define PARMACS_GRAIN 16

/* `alignment`: a power of two, at least PARMACS_GRAIN. NULL with errno. */
void *parmacs_arena_allocate(size_t alignment, size_t bytes);
void parmacs_arena_free(void *block);
/* Whether the block is the arena's. */
int parmacs_arena_has(const void *block);
/* How many bytes a block has; at least as many as were asked for. */
size_t parmacs_arena_size(const void *block);
/* Gives back what a block has beyond `bytes`. */
void parmacs_arena_shrink(void *block, size_t bytes);

#endif
