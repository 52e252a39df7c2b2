#include "metadata/reclaim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct retired {
	void *what;
	void (*free)(void *what);
	uint64_t mark;
};

void reclaim_init(struct reclaim *reclaim, unsigned readers)
{
	assert(readers <= RECLAIM_READERS_MAX);
	memset(reclaim, 0, sizeof *reclaim);
	reclaim->n_readers_ = readers;
	/* 0 is idle, so no epoch may be. */
	atomic_store_explicit(&reclaim->epoch_, 1, memory_order_relaxed);
}

void reclaim_done(struct reclaim *reclaim)
{
	for (size_t i = 0; i < reclaim->n_; i++) {
		reclaim->retired_[i].free(reclaim->retired_[i].what);
	}
	free(reclaim->retired_);
	reclaim->retired_ = NULL;
	reclaim->n_ = 0;
	reclaim->cap_ = 0;
}

uint64_t reclaim_advance(struct reclaim *reclaim)
{
	return atomic_fetch_add_explicit(&reclaim->epoch_, 1, memory_order_seq_cst) + 1;
}

uint64_t reclaim_mark(const struct reclaim *reclaim)
{
	return atomic_load_explicit(&reclaim->epoch_, memory_order_acquire);
}

bool reclaim_passed(const struct reclaim *reclaim, uint64_t mark)
{
	for (unsigned i = 0; i < reclaim->n_readers_; i++) {
		uint64_t seen =
			atomic_load_explicit(&reclaim->readers_[i].seen_, memory_order_seq_cst);
		if (seen != 0 && seen < mark) {
			return false;
		}
	}
	return true;
}

void reclaim_retire(struct reclaim *reclaim, void *what, void (*free_it)(void *what))
{
	uint64_t mark = reclaim_advance(reclaim);
	if (!what) {
		return;
	}
	struct retired *more =
		array_room(reclaim->retired_, reclaim->n_, &reclaim->cap_, sizeof *more);
	if (!more) {
		while (!reclaim_passed(reclaim, mark)) {
		}
		free_it(what);
		return;
	}
	reclaim->retired_ = more;
	reclaim->retired_[reclaim->n_++] = (struct retired){what, free_it, mark};
}

size_t reclaim_run(struct reclaim *reclaim)
{
	size_t kept = 0;
	for (size_t i = 0; i < reclaim->n_; i++) {
		struct retired *one = &reclaim->retired_[i];
		if (reclaim_passed(reclaim, one->mark)) {
			one->free(one->what);
		} else {
			reclaim->retired_[kept++] = *one;
		}
	}
	reclaim->n_ = kept;
	return kept;
}
