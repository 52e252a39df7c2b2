/*
 * index - the registry's entries by a text of theirs: a name or an id.
 *
 * Layer:   metadata (pure)
 * Threads: one owner at a time
 * Memory:  entries and the texts of their keys are borrowed; a key must stay the same text while its
 *          entry is in. index_done() frees the table.
 * Secrets: none
 * Limits:  none; the table is at most half full, and never shrinks
 * Spec:    none
 */
#ifndef TELLTALE_METADATA_INDEX_H
#define TELLTALE_METADATA_INDEX_H

#include "base/str.h"

struct entry;

/* Open addressing. Lifetime: process. */
struct index {
	size_t n; /* how many are in */
	struct str (*key_)(const struct entry *entry);
	struct entry **slots_;
	size_t cap_; /* 0, or a power of two */
};

void index_init(struct index *index, struct str (*key)(const struct entry *entry));
void index_done(struct index *index);

/* Room for n in all, so that adding does not fail. Returns 0 or -ENOMEM. */
MUST_CHECK int index_reserve(struct index *index, size_t n);

/* There must be room; what had the key before goes. */
void index_add(struct index *index, struct entry *entry);

/* Nothing happens when none has the key. */
void index_remove(struct index *index, struct str key);

/* NULL: none. */
struct entry *index_find(const struct index *index, struct str key);

/* All of them one by one, in no order: *at is 0 at first. NULL: no more. */
struct entry *index_next(const struct index *index, size_t *at);

#endif
