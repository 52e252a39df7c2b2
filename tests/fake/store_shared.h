/*
 * store_shared - one of several connections to a store in memory, that can be away.
 *
 * Layer:   tests
 * Threads: as store/store.h
 * Memory:  borrows the store that it is a connection to; store_free() takes the connection
 * Secrets: none of its own
 * Limits:  none
 * Spec:    store/store.h
 */
#ifndef TELLTALE_FAKE_STORE_SHARED_H
#define TELLTALE_FAKE_STORE_SHARED_H

#include "store/store.h"

/* NULL when out of memory. */
struct store *store_shared_new(struct store *memory);

/*
 * The nth call from now on (1 is the next) and all behind it say E_AWAY, and what had begun is rolled
 * back. 0: it is there again. Every function that can fail counts as a call.
 */
void store_shared_away(struct store *store, unsigned nth);

/* The nth commit from now on commits, says E_AWAY, and it is away. 0: none. */
void store_shared_doubt(struct store *store, unsigned nth);

/* Before the next transaction begins somebody else is faster. Once. */
void store_shared_before(struct store *store, void (*run)(void *ctx), void *ctx);

/* How many calls there have been. */
unsigned store_shared_calls(const struct store *store);

#endif
