/*
 * store_memory_parts - what the files of the store in memory share. Private to
 *                      tests/fake/store_memory*.c.
 *
 * Layer:   tests
 * Threads: as store/store.h
 * Memory:  every table owns its rows and their strings
 * Secrets: wiped when freed
 * Limits:  none
 * Spec:    store/store.h
 */
#ifndef TELLTALE_FAKE_STORE_MEMORY_PARTS_H
#define TELLTALE_FAKE_STORE_MEMORY_PARTS_H

#include "store/store.h"

/* An instance, a deleted one (spec NULL), or a secret (its value is the spec). */
struct memory_item {
	struct store_instance row;
	bool is_secret;
};

/* Sorted: secrets behind instances, each bytewise by name. */
struct memory_table {
	struct memory_item *items;
	size_t n;
	size_t cap;
	uint64_t revision;
};

struct memory_store {
	struct store store;
	struct memory_table kept;
	struct memory_table work; /* in a transaction */
	bool begun;
	int failed;
	unsigned calls;
	unsigned fail_at; /* 0: never */
	int fail_rc;
};

struct memory_store *memory_of(struct store *store);
const struct memory_table *memory_readable(const struct memory_store *m);

/* Counts a call; 0 or the fault that was asked for. */
int memory_call(struct memory_store *m, struct diag *diag);

/* As memory_call(), for a change; what fails here loses the transaction. */
int memory_change_call(struct memory_store *m, struct diag *diag);

/* Out of memory in a change; the transaction is lost. */
int memory_lose(struct memory_store *m, struct diag *diag);

/* p NULL stays so. 0 or -ENOMEM. */
int memory_copy_text(struct str text, struct str *ret_copy);
void memory_free_text(struct str *text);

#endif
