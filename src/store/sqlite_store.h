/*
 * sqlite_store - what the files of SQLite's back end share: the open store, its statements, and how
 *                they are run. Private to store/sqlite*.c.
 *
 * Layer:   store
 * Threads: one caller at a time
 * Memory:  what is bound or read is borrowed until the statement is ended
 * Secrets: none of its own
 * Limits:  store/sqlite.h
 * Spec:    store/store.h
 */
#ifndef TELLTALE_STORE_SQLITE_STORE_H
#define TELLTALE_STORE_SQLITE_STORE_H

#include "store/sqlite_db.h"
#include "store/store.h"

enum sqlite_statement {
	/* sqlite.c */
	BEGIN,
	COMMIT,
	ROLLBACK,
	COUNTER_GET,
	COUNTER_SET,
	SECRETS_SET,
	REVISION_GET,
	INSTANCE_PUT,
	INSTANCE_DELETE,
	INSTANCE_GET,
	INSTANCE_FIND,
	INSTANCE_EACH,
	INSTANCE_OF,
	CHANGED_SINCE,
	DELETED_PUT,
	DELETED_REMOVE,
	SECRET_PUT,
	SECRET_GET,
	/* sqlite_hosts.c */
	HOST_PUT,
	HOST_DELETE,
	HOST_GET,
	HOST_EACH,
	/* sqlite_trail.c */
	OPERATION_NEXT,
	OPERATION_PUT,
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
	/* sqlite_points.c */
	SERIES_GET,
	SERIES_NEXT,
	SERIES_ADD,
	SERIES_EACH,
	SERIES_PRUNE,
	POINTS_PUT,
	POINTS_GET,
	POINTS_EACH,
	POINTS_BEFORE,
	POINTS_DELETE,
	SQLITE_STATEMENTS
};

/* Each has the texts of its own file's statements; the others are NULL. */
extern const char *const sqlite_hosts_sql[SQLITE_STATEMENTS];
extern const char *const sqlite_trail_sql[SQLITE_STATEMENTS];
extern const char *const sqlite_points_sql[SQLITE_STATEMENTS];

/* Lifetime: process. */
struct sqlite_store {
	struct store store;
	struct sqlite_db db;
	sqlite3_stmt *stmts[SQLITE_STATEMENTS];
	uint64_t revision; /* in a transaction: of the last change in it */
	bool begun;
	int failed; /* why the transaction can't be committed any more */
};

/* --- values ---------------------------------------------------------------------------------- */

/* SQLite would bind NULL. */
static inline struct str not_null(struct str text)
{
	return text.p ? text : STR("");
}

/* The bytes are borrowed until stmt_end(). Fails only when there are too many of them. */
static inline int stmt_bind_text(sqlite3_stmt *stmt, int at, struct str text)
{
	return sqlite3_bind_text64(stmt, at, text.p, text.n, SQLITE_STATIC, SQLITE_UTF8);
}

static inline int stmt_bind_bytes(sqlite3_stmt *stmt, int at, struct str bytes)
{
	return sqlite3_bind_blob64(stmt, at, bytes.p, bytes.n, SQLITE_STATIC);
}

static inline void stmt_bind_number(sqlite3_stmt *stmt, int at, uint64_t value)
{
	(void)sqlite3_bind_int64(stmt, at, (int64_t)value); /* fails only for a wrong `at` */
}

/* For a bound that no number reaches when it does not fit. */
static inline void stmt_bind_at_most(sqlite3_stmt *stmt, int at, uint64_t value)
{
	stmt_bind_number(stmt, at, value > INT64_MAX ? INT64_MAX : value);
}

static inline struct str stmt_text(sqlite3_stmt *stmt, int at)
{
	const void *p = sqlite3_column_text(stmt, at);
	return p ? (struct str){p, (size_t)sqlite3_column_bytes(stmt, at)} : STR_EMPTY;
}

/* p is never NULL. */
static inline struct str stmt_bytes(sqlite3_stmt *stmt, int at)
{
	const void *p = sqlite3_column_blob(stmt, at);
	return p ? (struct str){p, (size_t)sqlite3_column_bytes(stmt, at)} : STR("");
}

static inline uint64_t stmt_number(sqlite3_stmt *stmt, int at)
{
	return (uint64_t)sqlite3_column_int64(stmt, at);
}

static inline void stmt_end(sqlite3_stmt *stmt)
{
	(void)sqlite3_reset(stmt); /* tells once more what sqlite3_step() has told */
	(void)sqlite3_clear_bindings(stmt);
}

/* --- statements ------------------------------------------------------------------------------ */

/* 0 when there is a transaction that can still be committed. */
MUST_CHECK int sqlite_may_change(const struct sqlite_store *s, struct diag *diag);

/* The transaction can't be committed any more; returns rc. */
int sqlite_lose(struct sqlite_store *s, int rc);

/* Run one that gives no rows, and end it. */
int sqlite_execute(struct sqlite_store *s, enum sqlite_statement which, struct diag *diag);

/*
 * Run a change whose values are bound, and end it. bind_code is what binding them said (several
 * may be or'ed). A failure loses the transaction: SQLite may have undone part of it.
 */
MUST_CHECK int sqlite_change(
	struct sqlite_store *s, enum sqlite_statement which, int bind_code, struct diag *diag);

/*
 * SQL for a host's revision: of the last row that it got, or lost. A tombstone goes only for a row
 * that is newer. Needs the counters of `state` for host ''.
 */
#define SQLITE_HOST_REVISION(host)                                                     \
	"max(coalesce((SELECT revision FROM instance WHERE instance.host = " host      \
	" ORDER BY revision DESC LIMIT 1), 0), coalesce((SELECT revision FROM deleted" \
	" WHERE +deleted.host = " host " ORDER BY revision DESC LIMIT 1), 0),"         \
	" CASE WHEN " host " = '' THEN (SELECT secrets FROM state) ELSE 0 END)"

/* The one number that a statement gives, and end it. A failure loses the transaction. */
MUST_CHECK int sqlite_number(struct sqlite_store *s, enum sqlite_statement which,
	uint64_t *ret_number, struct diag *diag);

/*
 * Hand every row of a statement whose values are bound to on_step until that returns other than 0,
 * and end it. Returns the number that ended it, else 0, or the store's error.
 */
MUST_CHECK int sqlite_each(struct sqlite_store *s, enum sqlite_statement which,
	int (*on_step)(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag),
	void *ctx, struct diag *diag);

/* After columns were read: memory may have run out for one. */
MUST_CHECK int sqlite_columns_status(const struct sqlite_store *s, struct diag *diag);

/* E_DAMAGED, and which row. Inline, so that analysers see that it never returns 0. */
static inline int sqlite_damaged(const struct sqlite_store *s, struct str name, struct diag *diag)
{
	return diag_set(diag, E_DAMAGED,
		"store %s: the row of \"%.*s\" is damaged; restore a copy of the store",
		s->db.place.path, STR_FMT(name));
}

/* --- the contract's parts; see store/store.h ------------------------------------------------- */

int sqlite_host_put(struct store *store, const struct store_host *host, struct diag *diag);
int sqlite_host_delete(struct store *store, struct str name, struct diag *diag);
int sqlite_host_get(struct store *store, struct str name,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag);
int sqlite_host_each(struct store *store, int (*on_host)(void *ctx, const struct store_host *host),
	void *ctx, struct diag *diag);

int sqlite_operation_put(
	struct store *store, const struct store_operation *operation, struct diag *diag);
int sqlite_operation_get(struct store *store, struct str id,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag);
int sqlite_operation_each(struct store *store, struct str resource, uint64_t before,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag);
int sqlite_operation_open(struct store *store, struct str host,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag);
int sqlite_audit_add(struct store *store, const struct store_audit *audit, struct diag *diag);
int sqlite_audit_each(struct store *store, struct str resource, uint64_t before,
	int (*on_audit)(void *ctx, const struct store_audit *audit), void *ctx, struct diag *diag);
int sqlite_trim(
	struct store *store, uint64_t keep_operations, uint64_t keep_audits, struct diag *diag);

int sqlite_points_put(struct store *store, const struct store_points *points, struct diag *diag);
int sqlite_points_get(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag);
int sqlite_points_each(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t from_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag);
int sqlite_points_before(struct store *store, uint32_t period_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag);
int sqlite_points_delete(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, struct diag *diag);
int sqlite_points_instances(struct store *store,
	int (*on_instance)(void *ctx, struct str instance_id), void *ctx, struct diag *diag);

#endif
