/*
 * store - what must not be lost: instances, their options, keys, who changed what, metric history.
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
 *   ordered   every change of an instance or a secret raises the store's revision; a row carries
 *             that of its last change, and no two rows the same; a deleted row is remembered by
 *             name and revision until its name is used again. Operations and audit records have
 *             numbers of their own, which rise and are never used again.
 *   careful   a store that can't be read is never overwritten or made anew; what is read is what
 *             was written, or E_DAMAGED. Not so the bytes of points: whoever writes them puts a
 *             check in, over period and start as well
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

/* One operation of a control API: a record with a life. Strings are borrowed. */
struct store_operation {
	struct str id;       /* unique */
	struct str resource; /* the name of what it is about */
	struct str body;     /* JSON, in the shape that the API shows */
	bool open;           /* it has not ended yet */
	uint64_t number;     /* set by the store */
};

/* One change, or an attempt at one. Strings are borrowed; p NULL is taken for empty. */
struct store_audit {
	int64_t at_ms;         /* milliseconds since the epoch */
	struct str who;        /* an access key id, a user id, or the files */
	struct str from;       /* an address, or the way it came */
	struct str action;     /* "lightsail:StopInstance" */
	struct str resource;   /* the name of what it is about */
	struct str change;     /* "httpTokens optional -> required"; empty: nothing, or not known */
	struct str result;     /* "ok", or an error's name */
	struct str request_id; /* empty: none */
	uint64_t number;       /* set by the store */
};

/*
 * A run of points of one instance's metrics: bytes in a form of the caller's that the store does not
 * look into. Strings are borrowed.
 */
struct store_points {
	struct str instance_id;
	uint32_t period_s; /* of one point */
	int64_t start_s;   /* of the first that it may hold; seconds since the epoch */
	struct str bytes;
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
	 * Keep a small named value ("token-secret", "signing-key", "metadata-defaults"); put
	 * replaces. get: E_NOTFOUND when there is none; ret_value is the caller's, secret_done().
	 * In a transaction for put.
	 */
	int (*secret_put)(
		struct store *store, struct str name, struct str value, struct diag *diag);
	int (*secret_get)(
		struct store *store, struct str name, struct secret *ret_value, struct diag *diag);

	/*
	 * Insert, or replace the body and open of the one that has its id. In a transaction.
	 * operation->number is not looked at.
	 */
	int (*operation_put)(
		struct store *store, const struct store_operation *operation, struct diag *diag);
	/* By id; the callback is called once. E_NOTFOUND when there is none. */
	int (*operation_get)(struct store *store, struct str id,
		int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
		struct diag *diag);
	/*
	 * The newest first.
	 * resource  only of this one; p NULL: of all
	 * before    only those with a smaller number; 0: from the newest
	 */
	int (*operation_each)(struct store *store, struct str resource, uint64_t before,
		int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
		struct diag *diag);
	/* Those that are open, in order of their numbers. */
	int (*operation_open)(struct store *store,
		int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
		struct diag *diag);

	/* In a transaction. audit->number is not looked at. */
	int (*audit_add)(struct store *store, const struct store_audit *audit, struct diag *diag);
	/* As operation_each(). */
	int (*audit_each)(struct store *store, struct str resource, uint64_t before,
		int (*on_audit)(void *ctx, const struct store_audit *audit), void *ctx,
		struct diag *diag);
	/*
	 * Forget all operations that have ended, and audit records, but the newest so many of each.
	 * In a transaction. Cheap when there is nothing to forget.
	 */
	int (*trim)(struct store *store, uint64_t keep_operations, uint64_t keep_audits,
		struct diag *diag);

	/* Insert or replace by instance, period and start. In a transaction. */
	int (*points_put)(
		struct store *store, const struct store_points *points, struct diag *diag);
	/* One run; the callback is called once. E_NOTFOUND when there is none. */
	int (*points_get)(struct store *store, struct str instance_id, uint32_t period_s,
		int64_t start_s, int (*on_points)(void *ctx, const struct store_points *points),
		void *ctx, struct diag *diag);
	/* The runs of one instance that start in [from_s, until_s), in order of their starts. */
	int (*points_each)(struct store *store, struct str instance_id, uint32_t period_s,
		int64_t from_s, int64_t until_s,
		int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
		struct diag *diag);
	/*
	 * The runs of all instances that start before until_s, the oldest first. The callback may
	 * end it by returning a positive number, which is returned.
	 */
	int (*points_before)(struct store *store, uint32_t period_s, int64_t until_s,
		int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
		struct diag *diag);
	/* In a transaction. Not an error when there is none. */
	int (*points_delete)(struct store *store, struct str instance_id, uint32_t period_s,
		int64_t start_s, struct diag *diag);
	/* The ids of all instances that have points, bytewise in order. */
	int (*points_instances)(struct store *store,
		int (*on_instance)(void *ctx, struct str instance_id), void *ctx,
		struct diag *diag);
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
