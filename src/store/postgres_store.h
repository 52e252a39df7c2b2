/*
 * postgres_store - what the files of PostgreSQL's back end share: the open store, its statements, and how
 *                  they are run. Private to store/postgres*.c.
 *
 * Layer:   store
 * Threads: one caller at a time
 * Memory:  what is added to parameters is borrowed until they are run; what a row has, for its callback
 * Secrets: none of its own
 * Limits:  store/postgres.h
 * Spec:    store/store.h
 */
#ifndef TELLTALE_STORE_POSTGRES_STORE_H
#define TELLTALE_STORE_POSTGRES_STORE_H

#include <endian.h>

#include "base/buf.h"
#include "store/postgres.h"
#include "store/postgres_conn.h"

enum postgres_statement {
	/* postgres.c */
	REVISION_GET,
	REVISION_RAISE,
	SECRET_PUT,
	SECRET_ADD,
	SECRET_GET,
	/* postgres_instances.c */
	INSTANCE_LOOK,
	INSTANCE_LOCK,
	INSTANCE_ADD,
	INSTANCE_REPLACE,
	INSTANCE_DELETE,
	INSTANCE_GET,
	INSTANCE_FIND,
	INSTANCE_EACH,
	INSTANCE_OF,
	CHANGED_SINCE,
	DELETED_PUT,
	DELETED_REMOVE,
	/* postgres_hosts.c */
	HOST_PUT,
	HOST_DELETE,
	HOST_GET,
	HOST_LOCK,
	HOST_EACH,
	/* postgres_trail.c */
	OPERATION_NEXT,
	OPERATION_LOCK,
	OPERATION_ADD,
	OPERATION_REPLACE,
	OPERATION_GET,
	OPERATION_EACH,
	OPERATION_OF,
	OPERATION_OPEN,
	OPERATION_TRIM,
	AUDIT_NEXT,
	AUDIT_ADD,
	AUDIT_EACH,
	AUDIT_OF,
	AUDIT_TRIM,
	/* postgres_points.c */
	POINTS_PUT,
	POINTS_GET,
	POINTS_LOCK,
	POINTS_CLAIM,
	POINTS_EACH,
	POINTS_BEFORE,
	POINTS_DELETE,
	POINTS_INSTANCES,
	POSTGRES_STATEMENTS
};

/* Each has the texts of its own file's statements; the others are NULL. */
extern const char *const postgres_instances_sql[POSTGRES_STATEMENTS];
extern const char *const postgres_hosts_sql[POSTGRES_STATEMENTS];
extern const char *const postgres_trail_sql[POSTGRES_STATEMENTS];
extern const char *const postgres_points_sql[POSTGRES_STATEMENTS];

/* SQL for the end of a statement whose rows come in pages. */
#define POSTGRES_PAGE " LIMIT 1000"
_Static_assert(POSTGRES_PAGE_ROWS == 1000, "as POSTGRES_PAGE");

#define POSTGRES_PARAMS_MOST 12

/* A statement's values in their order; zeroed has none. */
struct postgres_params {
	int n;
	bool too_big;
	const char *values[POSTGRES_PARAMS_MOST];
	int lengths[POSTGRES_PARAMS_MOST];
	Oid types[POSTGRES_PARAMS_MOST];
	uint64_t numbers[POSTGRES_PARAMS_MOST];
};

/* Bytes of any kind; p NULL: SQL's NULL. */
void postgres_add(struct postgres_params *params, struct str bytes);
void postgres_add_number(struct postgres_params *params, uint64_t value);

/* For a bound that no number reaches when it does not fit. */
static inline void postgres_add_at_most(struct postgres_params *params, uint64_t value)
{
	postgres_add_number(params, value > INT64_MAX ? INT64_MAX : value);
}

/* What has an index: E_LIMIT when it is too long for one. */
void postgres_add_name(struct postgres_params *params, struct str name);

/* A host whose revision rose in a transaction. */
struct postgres_raised {
	struct str host; /* owned */
	uint64_t revision;
};

/* Lifetime: process. */
struct postgres_store {
	struct store store;
	struct postgres_conn conn;
	bool prepared[POSTGRES_STATEMENTS];
	bool reads; /* the call that is made does not change anything */
	bool begun;
	int failed;      /* why the transaction can't be committed any more */
	unsigned queued; /* statements whose results nobody has waited for */
	size_t queued_bytes;
	struct postgres_raised *raised; /* in the transaction */
	size_t raised_n;
	size_t raised_cap;
};

static inline struct postgres_store *postgres_of(struct store *store)
{
	return (struct postgres_store *)store;
}

/* --- rows ------------------------------------------------------------------------------------ */

static inline struct str not_null(struct str text)
{
	return text.p ? text : STR("");
}

/* p NULL is SQL's NULL. */
static inline struct str row_text(const PGresult *row, int at)
{
	if (libpq.PQgetisnull(row, 0, at)) {
		return STR_EMPTY;
	}
	return (struct str){libpq.PQgetvalue(row, 0, at), (size_t)libpq.PQgetlength(row, 0, at)};
}

/* 0 for what is not a number: sums find that. */
static inline uint64_t row_number(const PGresult *row, int at)
{
	uint64_t value = 0;
	if (libpq.PQgetlength(row, 0, at) == (int)sizeof value) {
		memcpy(&value, libpq.PQgetvalue(row, 0, at), sizeof value);
	}
	return be64toh(value);
}

/* Keep what comes from a row for after it. Returns 0 or -ENOMEM. */
MUST_CHECK int postgres_keep(struct buf *buf, struct str text, struct diag *diag);

/* --- statements ------------------------------------------------------------------------------ */

/* A call begins: its deadline; 0 when there is the connection, and no transaction that is lost. */
MUST_CHECK int postgres_read_call(struct postgres_store *s, struct diag *diag);

/* A call that changes something begins: 0 when there is a transaction that can still be committed. */
MUST_CHECK int postgres_change_call(struct postgres_store *s, struct diag *diag);

/* When rc is an error, the transaction can't be committed any more. Returns rc. */
int postgres_lose(struct postgres_store *s, int rc);

/*
 * Run a change. *ret_rows, which may be NULL: how many rows it changed. A failure loses the
 * transaction: PostgreSQL goes on with none that has failed.
 */
MUST_CHECK int postgres_change(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params, uint64_t *ret_rows, struct diag *diag);

/*
 * Hand on every row to on_step as it comes until that returns other than 0. Returns the number that
 * ended it, else 0, or the store's error, which loses a transaction.
 */
MUST_CHECK int postgres_each(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params,
	int (*on_step)(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag),
	void *ctx, struct diag *diag);

/* The one number that a statement gives; a failure, or none, loses the transaction. */
MUST_CHECK int postgres_number(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params, uint64_t *ret_number, struct diag *diag);

/*
 * Send a change without waiting for what the server says; whatever is run next waits for that first. A
 * failure is that one's then, and loses the transaction.
 */
MUST_CHECK int postgres_queue(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params, struct diag *diag);

/* Wait for all that was queued. */
MUST_CHECK int postgres_settle(struct postgres_store *s, struct diag *diag);

/*
 * The next revision of a host, greater than `above`. Until the transaction ends, no other one gets a
 * revision of that host. Who listens is told when it is committed.
 */
MUST_CHECK int postgres_raise(struct postgres_store *s, struct str host, uint64_t above,
	uint64_t *ret_revision, struct diag *diag);

/* E_DAMAGED, and which row. Inline, so that analysers see that it never returns 0. */
static inline int postgres_damaged(
	const struct postgres_store *s, struct str name, struct diag *diag)
{
	return diag_set(diag, E_DAMAGED,
		"store %s: the row of \"%.*s\" is damaged; restore a copy of the store",
		s->conn.server, STR_FMT(name));
}

/* --- the contract's parts; see store/store.h ------------------------------------------------- */

int postgres_instance_put(
	struct store *store, const struct store_instance *row, uint64_t base, struct diag *diag);
int postgres_instance_delete(
	struct store *store, struct str name, uint64_t base, struct diag *diag);
int postgres_instance_get(struct store *store, struct str name,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag);
int postgres_instance_find(struct store *store, struct str id,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag);
int postgres_instance_each(struct store *store, struct str host, struct str after,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag);
int postgres_changed_since(struct store *store, struct str host, uint64_t revision,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag);

int postgres_host_put(struct store *store, const struct store_host *host, struct diag *diag);
int postgres_host_delete(struct store *store, struct str name, struct diag *diag);
int postgres_host_get(struct store *store, struct str name,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag);
int postgres_host_each(struct store *store,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag);

int postgres_operation_put(
	struct store *store, const struct store_operation *operation, struct diag *diag);
int postgres_operation_get(struct store *store, struct str id,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag);
int postgres_operation_each(struct store *store, struct str resource, uint64_t before,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag);
int postgres_operation_open(struct store *store, struct str host,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag);
int postgres_audit_add(struct store *store, const struct store_audit *audit, struct diag *diag);
int postgres_audit_each(struct store *store, struct str resource, uint64_t before,
	int (*on_audit)(void *ctx, const struct store_audit *audit), void *ctx, struct diag *diag);
int postgres_trim(
	struct store *store, uint64_t keep_operations, uint64_t keep_audits, struct diag *diag);

int postgres_points_put(struct store *store, const struct store_points *points, struct diag *diag);
int postgres_points_get(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag);
int postgres_points_each(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t from_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag);
int postgres_points_before(struct store *store, uint32_t period_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag);
int postgres_points_delete(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, struct diag *diag);
int postgres_points_instances(struct store *store,
	int (*on_instance)(void *ctx, struct str instance_id), void *ctx, struct diag *diag);

#endif
