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
 *   ordered   every change of an instance raises its host's revision, that of a secret the one of
 *             host ""; a row carries that of its last change, and no two rows of a host the same. A
 *             row that was deleted, or went to another host, is remembered by host, name and
 *             revision until that host has one of that name again. However many write at once, who
 *             has seen a revision of a host sees nothing new below it later. Nothing of one name
 *             has the same revision twice, whichever hosts it was on. Operations and audit records
 *             have numbers of their own, which rise and are never used again.
 *   careful   a store that can't be read is never overwritten or made anew; what is read is what
 *             was written, or E_DAMAGED. Not so the bytes of points: whoever writes them puts a
 *             check in, over period and start as well
 *   exact     names and values are bytes, empty is not absent
 * Errors: E_DAMAGED, E_PARTIAL, E_READONLY, E_FULL, E_BUSY (another process has it, or writers stood in each
 * other's way), E_VERSION (newer schema), E_LIMIT (too large a value), E_NOTFOUND, E_STALE, E_EXISTS,
 * E_AWAY (it can't be reached now), -ENOMEM, -errno; diag says it in one line with the path or the
 * server. E_BUSY and E_FULL may be retried; a store that has said E_AWAY may say nothing else any more,
 * so open another one. When commit says E_AWAY, nobody knows whether the transaction was committed.
 *
 * When a change fails for another reason than E_NOTFOUND, E_STALE or E_EXISTS, its transaction is
 * lost: later changes and commit in it fail as well. The store can be used on: rollback, and begin
 * anew.
 */
#ifndef TELLTALE_STORE_STORE_H
#define TELLTALE_STORE_STORE_H

#include "base/crypto.h"

/* One row. Strings are borrowed. */
struct store_instance {
	struct str name;
	struct str spec;      /* JSON in force */
	struct str file_spec; /* JSON that the file said when last read; p NULL: not from a file */
	struct str id;        /* by which instance_find() finds it; empty: by none */
	struct str host;      /* who serves it; empty: where there is only one */
	struct str next_host; /* who shall, once that one has stopped; empty: it stays */
	uint32_t token_epoch;
	int64_t created_s;
	int64_t launched_s;
	int64_t changed_s;
	uint64_t revision; /* set by the store */
};

/* What a change of an instance may be made from, beside a revision: see instance_put(). */
#define STORE_ANY UINT64_C(0) /* whatever is there */
#define STORE_NEW UINT64_MAX  /* nothing: there may be no such row */

/* One daemon of a fleet. Strings are borrowed. */
struct store_host {
	struct str name;
	struct str version; /* of its daemon */
	uint64_t revision;  /* set by the store: as revision_get() */
	uint64_t applied;   /* the revision that its guests see */
	uint64_t instances; /* that it serves, or served when it stopped */
	uint64_t recorded;  /* the number of its last batch of metric points that is in the store */
	bool stopped;       /* it has ended in good order, and said so by its last host_put() */
	int64_t quiet_ms;   /* set by the store, by its own clock: since the last host_put() */
};

/* One operation of a control API: a record with a life. Strings are borrowed. */
struct store_operation {
	struct str id;       /* unique */
	struct str resource; /* the name of what it is about */
	struct str host;     /* who carries it out; empty: where there is only one */
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
	 * Insert or replace by name. In a transaction. row->revision is not looked at; strings with
	 * p NULL, but for file_spec, are taken for empty. A row whose host is another one than before
	 * raises both hosts' revisions.
	 * base  the revision that the row had when what is put was made from it, STORE_NEW or
	 *       STORE_ANY. E_STALE when what is there now is something else.
	 */
	int (*instance_put)(struct store *store, const struct store_instance *row, uint64_t base,
		struct diag *diag);
	/* In a transaction. E_NOTFOUND when there is none; base and E_STALE as above. */
	int (*instance_delete)(
		struct store *store, struct str name, uint64_t base, struct diag *diag);
	/*
	 * Callbacks must not call the store. When one returns < 0, that is returned, and diag is
	 * not touched.
	 */

	/* One row; the callback is called once. E_NOTFOUND when there is none. */
	int (*instance_get)(struct store *store, struct str name,
		int (*on_row)(void *ctx, const struct store_instance *row), void *ctx,
		struct diag *diag);
	/* The same by its id; of several with the same id, the first by name. */
	int (*instance_find)(struct store *store, struct str id,
		int (*on_row)(void *ctx, const struct store_instance *row), void *ctx,
		struct diag *diag);
	/*
	 * Rows in bytewise order of names; ends early when the callback returns < 0. Where the back
	 * end can, it hands on all but damaged ones, and says E_PARTIAL behind them.
	 * host   only this one's; p NULL: of all
	 * after  only those whose names come later; empty: from the first
	 */
	int (*instance_each)(struct store *store, struct str host, struct str after,
		int (*on_row)(void *ctx, const struct store_instance *row), void *ctx,
		struct diag *diag);
	/*
	 * What changed of a host's since a revision, in order of revision, what it does not have any
	 * more included (row->spec.p is NULL then). E_PARTIAL as above.
	 */
	int (*changed_since)(struct store *store, struct str host, uint64_t revision,
		int (*on_row)(void *ctx, const struct store_instance *row), void *ctx,
		struct diag *diag);
	/*
	 * How far a host has come: nothing of it has a greater revision, and what changes from now on
	 * gets a greater one. 0: nothing has changed yet.
	 */
	int (*revision_get)(
		struct store *store, struct str host, uint64_t *ret_revision, struct diag *diag);

	/* Insert or replace by name; revision and quiet_ms are not looked at. In a transaction. */
	int (*host_put)(struct store *store, const struct store_host *host, struct diag *diag);
	/* In a transaction. E_NOTFOUND when there is none. Its instances are not touched. */
	int (*host_delete)(struct store *store, struct str name, struct diag *diag);
	/*
	 * One host; the callback is called once. E_NOTFOUND when there is none. In a transaction a
	 * row that is there stays so until its end: others who get it in theirs wait.
	 */
	int (*host_get)(struct store *store, struct str name,
		int (*on_host)(void *ctx, const struct store_host *host), void *ctx,
		struct diag *diag);
	/* In bytewise order of names; ends early when the callback returns < 0. */
	int (*host_each)(struct store *store,
		int (*on_host)(void *ctx, const struct store_host *host), void *ctx,
		struct diag *diag);

	/*
	 * Keep a small named value ("token-secret", "signing-key", "metadata-defaults"); put
	 * replaces, add does not: E_EXISTS when there is one. get: E_NOTFOUND when there is none;
	 * ret_value is the caller's, secret_done(). In a transaction for put and add.
	 */
	int (*secret_put)(
		struct store *store, struct str name, struct str value, struct diag *diag);
	int (*secret_add)(
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
	/* Those of a host that are open, in order of their numbers. E_PARTIAL as above. */
	int (*operation_open)(struct store *store, struct str host,
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
	/*
	 * One run; the callback is called once. E_NOTFOUND when there is none. In a transaction the
	 * run, or that there is none, stays so until its end: others who get it in theirs wait.
	 */
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

/* For back ends: may a row be changed so that has this revision? 0: there is no such row. */
static inline bool store_base_fits(uint64_t base, uint64_t revision)
{
	return base == STORE_ANY || revision == (base == STORE_NEW ? 0 : base);
}

/*
 * Open by URL. Brings an older schema forward, and proves that it can be written.
 * sqlite:///PATH  (three slashes: absolute; sqlite:PATH or sqlite://PATH relative to the working
 *     folder) Makes file and folder when they are not there (0600, 0700) and checks what is there. One
 *     process at a time: E_BUSY names the other. To be called as the user that the process stays, as
 *     SQLite makes files beside when it needs them.
 * postgresql://…  as libpq has it; many processes at a time. E_AWAY when no server can be reached.
 *     store/postgres.h says how it waits and what it does when the server goes away later.
 * Returns 0, E_SYNTAX for a bad URL, or an error as above.
 */
MUST_CHECK int store_open(struct str url, struct store **ret_store, struct diag *diag);

/*
 * End a transaction: rc is what its changes have said. Commit unless that is an error. Returns rc, or the
 * error of the commit.
 */
MUST_CHECK static inline int store_end(struct store *store, int rc, struct diag *diag)
{
	if (rc < 0) {
		store->ops->rollback(store);
		return rc;
	}
	TRY(store->ops->commit(store, diag));
	return rc;
}

static inline void store_free(struct store *store)
{
	if (store) {
		store->ops->free(store);
	}
}

#endif
