#include "base/arena.h"

#include <stdlib.h>

struct arena_chunk {
	struct arena_chunk *next;
	size_t bytes;
	_Alignas(max_align_t) unsigned char data[];
};

void arena_done(struct arena *arena)
{
	if (!arena) {
		return;
	}
	struct arena_chunk *chunk = arena->chunks_;
	while (chunk) {
		struct arena_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
	*arena = ARENA_EMPTY;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	const size_t align = _Alignof(max_align_t);
	if (bytes > SIZE_MAX / 2) {
		return NULL;
	}
	size_t need = (bytes + align - 1) / align * align;
	if (!arena->chunks_ || arena->chunks_->bytes - arena->used_ < need) {
		size_t size = need > ARENA_CHUNK_BYTES ? need : ARENA_CHUNK_BYTES;
		struct arena_chunk *chunk = calloc(1, sizeof *chunk + size);
		if (!chunk) {
			return NULL;
		}
		chunk->bytes = size;
		chunk->next = arena->chunks_;
		arena->chunks_ = chunk;
		arena->used_ = 0;
	}
	void *p = arena->chunks_->data + arena->used_;
	arena->used_ += need;
	return p;
}

struct str arena_str(struct arena *arena, struct str s)
{
	char *p = arena_alloc(arena, s.n + 1);
	if (!p) {
		return STR_EMPTY;
	}
	if (s.n) {
		memcpy(p, s.p, s.n);
	}
	return (struct str){p, s.n};
}
