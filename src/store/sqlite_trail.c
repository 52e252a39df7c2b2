/* Operations and audit records: what was done, by whom, and how it ended. */
#include "store/sqlite_store.h"

#include "store/row_sum.h"

#define OPERATION_COLUMNS "number, id, resource, body, open, sum, host"
#define AUDIT_COLUMNS \
	"number, at_ms, who, came_from, action, resource, change, result, request_id, sum"

/*
 * The number is in a row's sum, so it has to be known before the row is there. SQLite keeps the
 * highest that ever was; one that is there all the same is not used again whatever that says.
 */
#define NEXT_NUMBER(table)                                                              \
	"SELECT 1 + max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = '" table \
	"'), 0), coalesce((SELECT max(number) FROM " table "), 0))"

const char *const sqlite_trail_sql[SQLITE_STATEMENTS] = {
	[OPERATION_NEXT] = NEXT_NUMBER("operation"),
	[OPERATION_PUT] =
		("INSERT INTO operation (" OPERATION_COLUMNS ")"
		 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (number) DO UPDATE"
		 " SET id = ?2, resource = ?3, body = ?4, open = ?5, sum = ?6, host = ?7"),
	[OPERATION_GET] = ("SELECT " OPERATION_COLUMNS " FROM operation WHERE id = ?1"),
	[OPERATION_EACH] = ("SELECT " OPERATION_COLUMNS " FROM operation WHERE number <= ?1"
			    " ORDER BY number DESC"),
	[OPERATION_OF] = ("SELECT " OPERATION_COLUMNS " FROM operation WHERE number <= ?1"
			  " AND resource = ?2 ORDER BY number DESC"),
	[OPERATION_OPEN] = ("SELECT " OPERATION_COLUMNS " FROM operation WHERE open = 1"
			    " AND host = ?1 ORDER BY number"),
	/* Counted along the index of the ended ones, whose entries are a few bytes each. */
	[OPERATION_TRIM] =
		("DELETE FROM operation WHERE open = 0 AND number <= (SELECT number"
		 " FROM operation WHERE open = 0 ORDER BY number DESC LIMIT 1 OFFSET ?1)"),
	[AUDIT_NEXT] = NEXT_NUMBER("audit"),
	[AUDIT_ADD] = ("INSERT INTO audit (" AUDIT_COLUMNS ")"
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"),
	[AUDIT_EACH] = ("SELECT " AUDIT_COLUMNS " FROM audit WHERE number <= ?1"
			" ORDER BY number DESC"),
	[AUDIT_OF] = ("SELECT " AUDIT_COLUMNS " FROM audit WHERE number <= ?1 AND resource = ?2"
		      " ORDER BY number DESC"),
	/* Only the oldest ever go, so there are no gaps, and nothing has to be counted. */
	[AUDIT_TRIM] = "DELETE FROM audit WHERE number <= (SELECT max(number) FROM audit) - ?1",
};

/* Both tables begin with it. */
#define NUMBER 0

enum operation_column {
	OPERATION_ID = NUMBER + 1,
	OPERATION_RESOURCE,
	OPERATION_BODY,
	OPERATION_IS_OPEN,
	OPERATION_SUM,
	OPERATION_HOST
};

enum audit_column {
	AUDIT_AT_MS = NUMBER + 1,
	AUDIT_WHO,
	AUDIT_FROM,
	AUDIT_ACTION,
	AUDIT_RESOURCE,
	AUDIT_CHANGE,
	AUDIT_RESULT,
	AUDIT_REQUEST_ID,
	AUDIT_SUM
};

/* The number before; what comes before 0, the newest that can be. */
static void bind_before(sqlite3_stmt *stmt, uint64_t before)
{
	stmt_bind_at_most(stmt, 1, before - 1);
}

/* --- operations ------------------------------------------------------------------------------ */

static int read_operation(struct sqlite_store *s, sqlite3_stmt *stmt,
	struct store_operation *ret_operation, struct diag *diag)
{
	uint64_t open = stmt_number(stmt, OPERATION_IS_OPEN);
	struct store_operation operation = {
		.id = stmt_text(stmt, OPERATION_ID),
		.resource = stmt_text(stmt, OPERATION_RESOURCE),
		.host = stmt_text(stmt, OPERATION_HOST),
		.body = stmt_text(stmt, OPERATION_BODY),
		.open = open == 1,
		.number = stmt_number(stmt, NUMBER),
	};
	TRY(sqlite_columns_status(s, diag));
	if (row_sum_operation(&operation) != stmt_number(stmt, OPERATION_SUM) || open > 1) {
		return sqlite_damaged(s, operation.id, diag);
	}
	*ret_operation = operation;
	return 0;
}

static int put_operation(
	struct sqlite_store *s, const struct store_operation *operation, struct diag *diag)
{
	sqlite3_stmt *stmt = s->stmts[OPERATION_PUT];
	/* All that can fail is that one is too big: the codes are the same. */
	int code = stmt_bind_text(stmt, OPERATION_ID + 1, operation->id);
	code |= stmt_bind_text(stmt, OPERATION_RESOURCE + 1, operation->resource);
	code |= stmt_bind_text(stmt, OPERATION_BODY + 1, operation->body);
	code |= stmt_bind_text(stmt, OPERATION_HOST + 1, operation->host);
	stmt_bind_number(stmt, NUMBER + 1, operation->number);
	stmt_bind_number(stmt, OPERATION_IS_OPEN + 1, operation->open);
	stmt_bind_number(stmt, OPERATION_SUM + 1, row_sum_operation(operation));
	return sqlite_change(s, OPERATION_PUT, code, diag);
}

/* ctx is the new one. A row that is damaged becomes whole again. */
static int on_replaced(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	struct store_operation kept = *(const struct store_operation *)ctx;
	struct store_operation old;
	kept.number = stmt_number(stmt, NUMBER);
	int rc = read_operation(s, stmt, &old, diag);
	if (rc < 0 && rc != E_DAMAGED) {
		return rc;
	}
	if (rc == 0) {
		kept.resource = old.resource;
		kept.host = old.host;
	}
	TRY(put_operation(s, &kept, diag));
	return 1;
}

int sqlite_operation_put(
	struct store *store, const struct store_operation *operation, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	struct store_operation kept = *operation;
	kept.id = not_null(operation->id);
	kept.resource = not_null(operation->resource);
	kept.host = not_null(operation->host);
	kept.body = not_null(operation->body);
	(void)stmt_bind_text(s->stmts[OPERATION_GET], 1, kept.id); /* see put_operation() */
	int rc = sqlite_each(s, OPERATION_GET, on_replaced, &kept, diag);
	if (rc < 0) {
		return sqlite_lose(s, rc);
	}
	if (rc > 0) {
		return 0;
	}
	TRY(sqlite_number(s, OPERATION_NEXT, &kept.number, diag));
	return put_operation(s, &kept, diag);
}

struct operation_reader {
	int (*on_operation)(void *ctx, const struct store_operation *operation);
	void *ctx;
	bool any;
};

static int on_operation_step(
	struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	struct operation_reader *reader = ctx;
	struct store_operation operation;
	reader->any = true;
	TRY(read_operation(s, stmt, &operation, diag));
	int rc = reader->on_operation(reader->ctx, &operation);
	return rc < 0 ? rc : 0;
}

int sqlite_operation_get(struct store *store, struct str id,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct operation_reader reader = {on_operation, ctx, false};
	(void)stmt_bind_text(
		s->stmts[OPERATION_GET], 1, not_null(id)); /* what is too big is not there */
	TRY(sqlite_each(s, OPERATION_GET, on_operation_step, &reader, diag));
	if (!reader.any) {
		return diag_set(diag, E_NOTFOUND, "no operation \"%.*s\"", STR_FMT(id));
	}
	return 0;
}

int sqlite_operation_each(struct store *store, struct str resource, uint64_t before,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct operation_reader reader = {on_operation, ctx, false};
	enum sqlite_statement which = resource.p ? OPERATION_OF : OPERATION_EACH;
	bind_before(s->stmts[which], before);
	if (resource.p) { /* what is too big is not there */
		(void)stmt_bind_text(s->stmts[which], 2, resource);
	}
	return sqlite_each(s, which, on_operation_step, &reader, diag);
}

int sqlite_operation_open(struct store *store, struct str host,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct operation_reader reader = {on_operation, ctx, false};
	(void)stmt_bind_text(
		s->stmts[OPERATION_OPEN], 1, not_null(host)); /* what is too big is not there */
	return sqlite_each(s, OPERATION_OPEN, on_operation_step, &reader, diag);
}

/* --- audit ----------------------------------------------------------------------------------- */

int sqlite_audit_add(struct store *store, const struct store_audit *audit, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	struct store_audit kept = {
		.at_ms = audit->at_ms,
		.who = not_null(audit->who),
		.from = not_null(audit->from),
		.action = not_null(audit->action),
		.resource = not_null(audit->resource),
		.change = not_null(audit->change),
		.result = not_null(audit->result),
		.request_id = not_null(audit->request_id),
	};
	TRY(sqlite_number(s, AUDIT_NEXT, &kept.number, diag));
	sqlite3_stmt *stmt = s->stmts[AUDIT_ADD];
	int code = stmt_bind_text(stmt, AUDIT_WHO + 1, kept.who);
	code |= stmt_bind_text(stmt, AUDIT_FROM + 1, kept.from);
	code |= stmt_bind_text(stmt, AUDIT_ACTION + 1, kept.action);
	code |= stmt_bind_text(stmt, AUDIT_RESOURCE + 1, kept.resource);
	code |= stmt_bind_text(stmt, AUDIT_CHANGE + 1, kept.change);
	code |= stmt_bind_text(stmt, AUDIT_RESULT + 1, kept.result);
	code |= stmt_bind_text(stmt, AUDIT_REQUEST_ID + 1, kept.request_id);
	stmt_bind_number(stmt, NUMBER + 1, kept.number);
	stmt_bind_number(stmt, AUDIT_AT_MS + 1, (uint64_t)kept.at_ms);
	stmt_bind_number(stmt, AUDIT_SUM + 1, row_sum_audit(&kept));
	return sqlite_change(s, AUDIT_ADD, code, diag);
}

struct audit_reader {
	int (*on_audit)(void *ctx, const struct store_audit *audit);
	void *ctx;
};

static int on_audit_step(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	struct audit_reader *reader = ctx;
	struct store_audit audit = {
		.at_ms = sqlite3_column_int64(stmt, AUDIT_AT_MS),
		.who = stmt_text(stmt, AUDIT_WHO),
		.from = stmt_text(stmt, AUDIT_FROM),
		.action = stmt_text(stmt, AUDIT_ACTION),
		.resource = stmt_text(stmt, AUDIT_RESOURCE),
		.change = stmt_text(stmt, AUDIT_CHANGE),
		.result = stmt_text(stmt, AUDIT_RESULT),
		.request_id = stmt_text(stmt, AUDIT_REQUEST_ID),
		.number = stmt_number(stmt, NUMBER),
	};
	TRY(sqlite_columns_status(s, diag));
	if (row_sum_audit(&audit) != stmt_number(stmt, AUDIT_SUM)) {
		return sqlite_damaged(s, audit.resource, diag);
	}
	int rc = reader->on_audit(reader->ctx, &audit);
	return rc < 0 ? rc : 0;
}

int sqlite_audit_each(struct store *store, struct str resource, uint64_t before,
	int (*on_audit)(void *ctx, const struct store_audit *audit), void *ctx, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct audit_reader reader = {on_audit, ctx};
	enum sqlite_statement which = resource.p ? AUDIT_OF : AUDIT_EACH;
	bind_before(s->stmts[which], before);
	if (resource.p) { /* what is too big is not there */
		(void)stmt_bind_text(s->stmts[which], 2, resource);
	}
	return sqlite_each(s, which, on_audit_step, &reader, diag);
}

int sqlite_trim(
	struct store *store, uint64_t keep_operations, uint64_t keep_audits, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	stmt_bind_at_most(s->stmts[OPERATION_TRIM], 1, keep_operations);
	TRY(sqlite_change(s, OPERATION_TRIM, SQLITE_OK, diag));
	stmt_bind_at_most(s->stmts[AUDIT_TRIM], 1, keep_audits);
	return sqlite_change(s, AUDIT_TRIM, SQLITE_OK, diag);
}
