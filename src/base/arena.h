/*
 * arena - many small allocations that end together.
 *
 * Layer:   base
 * Threads: one owner at a time
 * Memory:  arena_done() frees everything; nothing is freed singly. Freed chunks are poisoned by the
 *          allocator under AddressSanitizer.
 * Secrets: none
 * Limits:  ARENA_CHUNK_BYTES a chunk; larger requests get a chunk of their own
 * Spec:    none
 */
#ifndef TELLTALE_BASE_ARENA_H
#define TELLTALE_BASE_ARENA_H

#include "base/str.h"

#define ARENA_CHUNK_BYTES ((size_t)64 * 1024)

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks_;
	size_t used_; /* bytes of the first chunk */
};

#define ARENA_EMPTY ((struct arena){0})

void arena_done(struct arena *arena);

/* Zeroed memory, aligned for any type; NULL when out of memory. */
void *arena_alloc(struct arena *arena, size_t bytes);

/* A copy that ends in NUL; p is NULL when out of memory. */
struct str arena_str(struct arena *arena, struct str s);

#endif
