#include "metadata/index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

#define FIRST_SLOTS 64

void index_init(struct index *index, struct str (*key)(const struct entry *entry))
{
	*index = (struct index){.key_ = key};
}

void index_done(struct index *index)
{
	free(index->slots_);
	*index = (struct index){0};
}

/* The slot that has the key, or the free one where it belongs. */
static size_t slot_of(const struct index *index, struct str key)
{
	size_t at = hash_slot(hash_str(HASH_START, key), index->cap_);
	while (index->slots_[at] && !str_eq(index->key_(index->slots_[at]), key)) {
		at = (at + 1) & (index->cap_ - 1);
	}
	return at;
}

int index_reserve(struct index *index, size_t n)
{
	struct index bigger = *index;
	bigger.cap_ = index->cap_ ? index->cap_ : FIRST_SLOTS;
	while (bigger.cap_ < n * 2) {
		bigger.cap_ *= 2;
	}
	if (bigger.cap_ == index->cap_) {
		return 0;
	}
	bigger.slots_ = calloc(bigger.cap_, sizeof(struct entry *));
	if (!bigger.slots_) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < index->cap_; i++) {
		struct entry *entry = index->slots_[i];
		if (entry) {
			bigger.slots_[slot_of(&bigger, index->key_(entry))] = entry;
		}
	}
	free(index->slots_);
	*index = bigger;
	return 0;
}

void index_add(struct index *index, struct entry *entry)
{
	size_t at = slot_of(index, index->key_(entry));
	index->n += index->slots_[at] == NULL;
	index->slots_[at] = entry;
}

/* Take out, and move up those behind it that would not be found any more. */
void index_remove(struct index *index, struct str key)
{
	if (!index_find(index, key)) {
		return;
	}
	size_t at = slot_of(index, key);
	index->slots_[at] = NULL;
	index->n--;
	for (size_t next = (at + 1) & (index->cap_ - 1); index->slots_[next];
		next = (next + 1) & (index->cap_ - 1)) {
		struct entry *entry = index->slots_[next];
		index->slots_[next] = NULL;
		index->slots_[slot_of(index, index->key_(entry))] = entry;
	}
}

struct entry *index_find(const struct index *index, struct str key)
{
	return index->cap_ ? index->slots_[slot_of(index, key)] : NULL;
}

struct entry *index_next(const struct index *index, size_t *at)
{
	while (*at < index->cap_) {
		struct entry *entry = index->slots_[(*at)++];
		if (entry) {
			return entry;
		}
	}
	return NULL;
}
