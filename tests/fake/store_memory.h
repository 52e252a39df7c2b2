/*
 * store_memory - a store that keeps nothing, behind the contract of store/store.h, and fails on
 *                demand.
 *
 * Layer:   tests
 * Threads: as store/store.h
 * Memory:  store_memory_new() gives, store_free() takes; a transaction copies everything
 * Secrets: wiped when freed
 * Limits:  none
 * Spec:    store/store.h
 */
#ifndef TELLTALE_FAKE_STORE_MEMORY_H
#define TELLTALE_FAKE_STORE_MEMORY_H

#include "store/store.h"

/* NULL when out of memory. */
struct store *store_memory_new(void);

/*
 * The nth call from now on (1 is the next) fails with rc and does nothing else, once. Every
 * function of the contract that can fail counts as a call; rollback does not. 0: none fails.
 * A change that fails so loses its transaction, as in any store; a failing commit undoes it.
 */
void store_memory_fail(struct store *store, unsigned nth, int rc);

/* Whether an instance's row can't be read; one that is put anew can. */
void store_memory_damage(struct store *store, struct str name, bool damaged);

/* As an operator deletes it by hand: nobody remembers that it was there. */
void store_memory_drop(struct store *store, struct str name);

/* As another build may have left it: a host's deletion is remembered of an instance that is there. */
void store_memory_remember(struct store *store, struct str name, uint64_t revision);

/* So much time passes, for quiet_ms of hosts. */
void store_memory_wait(struct store *store, int64_t ms);

/* How many calls there have been: to fail each in turn, count them in a run without failures. */
unsigned store_memory_calls(const struct store *store);

#endif
