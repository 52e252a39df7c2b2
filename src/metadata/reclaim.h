/*
 * reclaim - free what was published once no worker can see it any more.
 *
 * Layer:   metadata (pure)
 * Threads: one writer at a time; each reader calls reclaim_turn() and reclaim_idle() for itself;
 *          reclaim_mark() and reclaim_passed() are anybody's
 * Memory:  takes what is retired; reclaim_done() frees the rest, when nobody reads any more
 * Secrets: none of its own; what frees a thing may have to wipe it
 * Limits:  RECLAIM_READERS_MAX
 * Spec:    docs/architecture.md#publication (QSBR: quiescent-state-based reclamation)
 *
 * Each change begins a new epoch. A reader notes the epoch it has seen whenever it holds nothing;
 * once all have seen one, nobody holds what was replaced before it. What a reader has seen, and
 * every pointer that is published and later retired, are read and written in one total order
 * (memory_order_seq_cst): either the writer sees that a reader is there, or the reader sees the new
 * pointer.
 */
#ifndef TELLTALE_METADATA_RECLAIM_H
#define TELLTALE_METADATA_RECLAIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECLAIM_READERS_MAX 64

/* What one reader has seen; on a cache line of its own. 0: idle. */
struct reclaim_reader {
	_Alignas(64) _Atomic uint64_t seen_;
};

struct retired;

/* Lifetime: process. In memory that is aligned to 64 bytes. */
struct reclaim {
	_Atomic uint64_t epoch_;
	unsigned n_readers_;
	struct retired *retired_; /* the writer's */
	size_t n_;
	size_t cap_;
	struct reclaim_reader readers_[RECLAIM_READERS_MAX];
};

/* readers  at most RECLAIM_READERS_MAX; all are idle. */
void reclaim_init(struct reclaim *reclaim, unsigned readers);
void reclaim_done(struct reclaim *reclaim);

/* --- readers --------------------------------------------------------------------------------- */

/* The reader holds nothing from before, and may read from here. */
static inline void reclaim_turn(struct reclaim *reclaim, unsigned reader)
{
	uint64_t epoch = atomic_load_explicit(&reclaim->epoch_, memory_order_acquire);
	/*
	 * What was read in the turn before is done with when the writer sees this; and the writer sees
	 * it before anything is read from here, so it does not free what we find.
	 */
	atomic_store_explicit(&reclaim->readers_[reader].seen_, epoch, memory_order_seq_cst);
}

/* The reader holds nothing, and does not read before its next turn. */
static inline void reclaim_idle(struct reclaim *reclaim, unsigned reader)
{
	atomic_store_explicit(&reclaim->readers_[reader].seen_, 0, memory_order_release);
}

/* --- the writer ------------------------------------------------------------------------------ */

/* After a change: begin a new epoch. Returns its mark. */
uint64_t reclaim_advance(struct reclaim *reclaim);

/* The mark of the last change. */
uint64_t reclaim_mark(const struct reclaim *reclaim);

/* Whether every reader has turned since that mark, or is idle: what was replaced is seen by none. */
bool reclaim_passed(const struct reclaim *reclaim, uint64_t mark);

/*
 * After a change: begin a new epoch, and free what was replaced (NULL: nothing) once no reader can
 * see it. Without memory for the list it waits here, which is bounded by a worker's loop turn.
 */
void reclaim_retire(struct reclaim *reclaim, void *what, void (*free_it)(void *what));

/* Free what no reader can see any more; cheap when nothing waits. Returns how much still waits. */
size_t reclaim_run(struct reclaim *reclaim);

#endif
