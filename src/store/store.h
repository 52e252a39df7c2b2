/*
 * store - what must not be lost: instances, their options, the token secret, the signing key.
 *
 * Layer:   store
 * Threads: one caller at a time (the registrar's lock); never called from a worker
 * Memory:  what a function lends to a callback lives for that call; x_new gives, x_free takes
 * Secrets: token secrets and the signing key pass through as struct secret
 * Limits:  none of its own
 * Spec:    docs/architecture.md#store
 *
 * Promises, for every back end (tests/unit/test_store.c runs the same suite against all of them):
 *   atomic    what happens between begin and commit is seen whole or not at all, also after
 *             kill -9 or a power cut
 *   durable   when commit has returned 0, it is on disk
 *   ordered   every change raises the store's revision, a secret's too; a row carries that of its
 *             last change, and no two rows the same; a deleted row is remembered by name and
 *             revision until its name is used again
 *   careful   a store that can't be read is never overwritten or made anew; what is read is what
 *             was written, or E_DAMAGED
 *   exact     names and values are bytes, empty is not absent
 * Errors: E_DAMAGED, E_READONLY, E_FULL, E_BUSY (another process has it), E_VERSION (newer schema),
 * E_LIMIT (too large a value), E_NOTFOUND, -ENOMEM, -errno; diag says it in one line with the path.
 * E_BUSY and E_FULL may be retried.
 *
 * When a change fails for another reason than E_NOTFOUND, its transaction is lost: later changes
 * and commit in it fail as well. The store can be used on: rollback, and begin anew.
 */
#ifndef TELLTALE_STORE_STORE_H
#define TELLTALE_STORE_STORE_H

#include "base/crypto.h"

/* One row. Strings are borrowed. */
struct store_instance {
	struct str name;
	struct str spec;      /* JSON in force */
	struct str file_spec; /* JSON that the file said when last read; p NULL: not from a file */
	uint32_t token_epoch;
	int64_t created_s;
	int64_t launched_s;
	int64_t changed_s;
	uint64_t revision; /* set by the store */
};

struct store;

struct store_ops {
	void (*free)(struct store *store);

	/*
	 * A write transaction; reads in it see its changes. Nothing is changed unless commit
	 * returns 0; whatever it returns, the transaction is over. rollback can't fail, and does
	 * nothing without a transaction. -EINVAL: begin in a transaction, a change without one.
	 */
	int (*begin)(struct store *store, struct diag *diag);
	int (*commit)(struct store *store, struct diag *diag);
	void (*rollback)(struct store *store);

	/*
	 * Insert or replace by name. In a transaction. row->revision is not looked at; name and
	 * spec with p NULL are taken for empty.
	 */
	int (*instance_put)(
		struct store *store, const struct store_instance *row, struct diag *diag);
	/* In a transaction. E_NOTFOUND when there is none. */
	int (*instance_delete)(struct store *store, struct str name, struct diag *diag);
	/*
	 * Callbacks must not call the store. When one returns < 0, that is returned, and diag is
	 * not touched.
	 */

	/* One row; the callback is called once. E_NOTFOUND when there is none. */
	int (*instance_get)(struct store *store, struct str name,
		int (*on_row)(void *ctx, const struct store_instance *row), void *ctx,
		struct diag *diag);
	/* Every row in bytewise order of names; ends early when the callback returns < 0. */
	int (*instance_each)(struct store *store,
		int (*on_row)(void *ctx, const struct store_instance *row), void *ctx,
		struct diag *diag);
	/*
	 * What changed since a revision, in order of revision, deletions included (row->spec.p is
	 * NULL then).
	 */
	int (*changed_since)(struct store *store, uint64_t revision,
		int (*on_row)(void *ctx, const struct store_instance *row), void *ctx,
		struct diag *diag);

	/*
	 * Keep a named secret ("token-secret", "signing-key"); put replaces. get: E_NOTFOUND when
	 * there is none; ret_value is the caller's, secret_done(). In a transaction for put.
	 */
	int (*secret_put)(
		struct store *store, struct str name, struct str value, struct diag *diag);
	int (*secret_get)(
		struct store *store, struct str name, struct secret *ret_value, struct diag *diag);
};

struct store {
	const struct store_ops *ops;
};

/*
 * Open by URL: sqlite:///PATH (three slashes: absolute; sqlite:PATH or sqlite://PATH relative to
 * the working folder). Makes file and folder when they are not there (0600, 0700), checks what is
 * there, brings an older schema forward, and proves that it can be written. One process at a time:
 * E_BUSY names the other. To be called as the user that the process stays, as SQLite makes files
 * beside when it needs them.
 * Returns 0, E_SYNTAX for a bad URL, or an error as above.
 */
MUST_CHECK int store_open(struct str url, struct store **ret_store, struct diag *diag);

static inline void store_free(struct store *store)
{
	if (store) {
		store->ops->free(store);
	}
}

#endif
