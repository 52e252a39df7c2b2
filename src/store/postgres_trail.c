/* Operations and audit records: what was done, by whom, and how it ended. */
#include "store/postgres_store.h"

#include <errno.h>

#include "store/row_sum.h"

#define OPERATION_COLUMNS "number, id, resource, body, open, sum, host"
#define AUDIT_COLUMNS \
	"number, at_ms, who, came_from, action, resource, change, result, request_id, sum"

/* By the index over their beginnings. */
#define OF_RESOURCE " substr(resource, 1, 100) = substr($2, 1, 100) AND resource = $2"

/*
 * The rows of `where` that are not among the newest so many go; those that another daemon is about to
 * delete are skipped, as two would wait for each other's whole transactions.
 */
#define TRIM(table, where)                                                                 \
	"DELETE FROM " table " WHERE number IN (SELECT number FROM " table " WHERE " where \
	" AND number <= (SELECT number FROM " table " WHERE " where                        \
	" ORDER BY number DESC OFFSET $1 LIMIT 1) FOR UPDATE SKIP LOCKED)"

const char *const postgres_trail_sql[POSTGRES_STATEMENTS] = {
	[OPERATION_NEXT] = "SELECT nextval('operation_number')",
	[OPERATION_LOCK] = ("SELECT " OPERATION_COLUMNS " FROM operation WHERE id = $1 FOR UPDATE"),
	[OPERATION_ADD] = ("INSERT INTO operation (" OPERATION_COLUMNS ")"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING"),
	[OPERATION_REPLACE] = ("UPDATE operation SET id = $2, resource = $3, body = $4, open = $5,"
			       " sum = $6, host = $7 WHERE number = $1"),
	[OPERATION_GET] = ("SELECT " OPERATION_COLUMNS " FROM operation WHERE id = $1"),
	[OPERATION_EACH] = ("SELECT " OPERATION_COLUMNS " FROM operation WHERE number <= $1"
			    " ORDER BY number DESC" POSTGRES_PAGE),
	[OPERATION_OF] = ("SELECT " OPERATION_COLUMNS " FROM operation WHERE number <= $1"
			  " AND" OF_RESOURCE " ORDER BY number DESC" POSTGRES_PAGE),
	[OPERATION_OPEN] = ("SELECT " OPERATION_COLUMNS " FROM operation WHERE open = 1"
			    " AND host = $1 ORDER BY number"),
	[OPERATION_TRIM] = TRIM("operation", "open = 0"),
	[AUDIT_NEXT] = "SELECT nextval('audit_number')",
	[AUDIT_ADD] = ("INSERT INTO audit (" AUDIT_COLUMNS ")"
		       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"),
	[AUDIT_EACH] = ("SELECT " AUDIT_COLUMNS " FROM audit WHERE number <= $1"
			" ORDER BY number DESC" POSTGRES_PAGE),
	[AUDIT_OF] = ("SELECT " AUDIT_COLUMNS " FROM audit WHERE number <= $1 AND" OF_RESOURCE
		      " ORDER BY number DESC" POSTGRES_PAGE),
	[AUDIT_TRIM] = TRIM("audit", "true"),
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

/* --- operations ------------------------------------------------------------------------------ */

static int read_operation(struct postgres_store *s, const PGresult *row,
	struct store_operation *ret_operation, struct diag *diag)
{
	uint64_t open = row_number(row, OPERATION_IS_OPEN);
	struct store_operation operation = {
		.id = row_text(row, OPERATION_ID),
		.resource = row_text(row, OPERATION_RESOURCE),
		.host = row_text(row, OPERATION_HOST),
		.body = row_text(row, OPERATION_BODY),
		.open = open == 1,
		.number = row_number(row, NUMBER),
	};
	if (row_sum_operation(&operation) != row_number(row, OPERATION_SUM) || open > 1) {
		return postgres_damaged(s, operation.id, diag);
	}
	*ret_operation = operation;
	return 0;
}

static int put_operation(struct postgres_store *s, enum postgres_statement which,
	const struct store_operation *operation, uint64_t *ret_rows, struct diag *diag)
{
	struct postgres_params params = {0};
	postgres_add_number(&params, operation->number);
	postgres_add_name(&params, operation->id);
	postgres_add(&params, operation->resource);
	postgres_add(&params, operation->body);
	postgres_add_number(&params, operation->open);
	postgres_add_number(&params, row_sum_operation(operation));
	postgres_add_name(&params, operation->host);
	return postgres_change(s, which, &params, ret_rows, diag);
}

/* What stays of the one that is replaced. */
struct kept {
	uint64_t number; /* 0: there is none */
	struct buf resource;
	struct buf host;
	bool damaged; /* then the new one's */
};

static void kept_done(struct kept *kept)
{
	buf_done(&kept->resource);
	buf_done(&kept->host);
}

static int take_kept(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	struct kept *kept = ctx;
	struct store_operation old = {0};
	kept->damaged = read_operation(s, row, &old, NULL) < 0;
	kept->number = row_number(row, NUMBER);
	TRY(postgres_keep(&kept->resource, old.resource, diag));
	return postgres_keep(&kept->host, old.host, diag);
}

/* 1 when it is put; 0: another put one of that id first, look again. */
static int try_operation(
	struct postgres_store *s, const struct store_operation *operation, struct diag *diag)
{
	struct postgres_params params = {0};
	struct postgres_params none = {0};
	struct store_operation row = *operation;
	CLEANUP(kept_done) struct kept kept = {0};
	uint64_t rows = 0;
	postgres_add(&params, operation->id);
	TRY(postgres_lose(s, postgres_each(s, OPERATION_LOCK, &params, take_kept, &kept, diag)));
	if (kept.number == 0) {
		TRY(postgres_number(s, OPERATION_NEXT, &none, &row.number, diag));
		TRY(put_operation(s, OPERATION_ADD, &row, &rows, diag));
		return rows > 0;
	}
	row.number = kept.number;
	if (!kept.damaged) {
		row.resource = not_null(buf_str(&kept.resource));
		row.host = not_null(buf_str(&kept.host));
	}
	TRY(put_operation(s, OPERATION_REPLACE, &row, &rows, diag));
	return 1;
}

int postgres_operation_put(
	struct store *store, const struct store_operation *operation, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	TRY(postgres_change_call(s, diag));
	struct store_operation row = *operation;
	row.id = not_null(operation->id);
	row.resource = not_null(operation->resource);
	row.host = not_null(operation->host);
	row.body = not_null(operation->body);
	int rc = 0;
	while (rc == 0) {
		rc = try_operation(s, &row, diag);
	}
	return rc < 0 ? rc : 0;
}

struct operation_reader {
	int (*on_operation)(void *ctx, const struct store_operation *operation);
	void *ctx;
	unsigned n;      /* of this page */
	uint64_t number; /* of the last */
	bool partial;    /* a damaged one was left out */
	struct diag why; /* the first */
};

/* The younger ones don't wait until somebody has mended a damaged one. */
static int on_open_step(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	struct operation_reader *reader = ctx;
	struct store_operation operation;
	(void)diag;
	if (read_operation(s, row, &operation, reader->partial ? NULL : &reader->why) < 0) {
		reader->partial = true;
		return 0;
	}
	int rc = reader->on_operation(reader->ctx, &operation);
	return rc < 0 ? rc : 0;
}

static int on_operation_step(
	struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	struct operation_reader *reader = ctx;
	struct store_operation operation;
	TRY(read_operation(s, row, &operation, diag));
	reader->n++;
	reader->number = operation.number;
	int rc = reader->on_operation(reader->ctx, &operation);
	return rc < 0 ? rc : 0;
}

int postgres_operation_get(struct store *store, struct str id,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	struct operation_reader reader = {.on_operation = on_operation, .ctx = ctx};
	TRY(postgres_read_call(s, diag));
	postgres_add(&params, not_null(id));
	TRY(postgres_each(s, OPERATION_GET, &params, on_operation_step, &reader, diag));
	if (reader.n == 0) {
		return diag_set(diag, E_NOTFOUND, "no operation \"%.*s\"", STR_FMT(id));
	}
	return 0;
}

/* The number before; what comes before 0, the newest that can be. And whose, if that was asked. */
static void add_before(struct postgres_params *params, uint64_t before, struct str resource)
{
	postgres_add_at_most(params, before - 1);
	if (resource.p) {
		postgres_add(params, resource);
	}
}

int postgres_operation_each(struct store *store, struct str resource, uint64_t before,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct operation_reader reader = {
		.on_operation = on_operation, .ctx = ctx, .number = before};
	TRY(postgres_read_call(s, diag));
	do {
		struct postgres_params params = {0};
		add_before(&params, reader.number, resource);
		reader.n = 0;
		TRY(postgres_each(s, resource.p ? OPERATION_OF : OPERATION_EACH, &params,
			on_operation_step, &reader, diag));
	} while (reader.n == POSTGRES_PAGE_ROWS);
	return 0;
}

int postgres_operation_open(struct store *store, struct str host,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	struct operation_reader reader = {.on_operation = on_operation, .ctx = ctx};
	TRY(postgres_read_call(s, diag));
	postgres_add(&params, not_null(host));
	TRY(postgres_each(s, OPERATION_OPEN, &params, on_open_step, &reader, diag));
	return reader.partial ? diag_set(diag, E_PARTIAL, "%s", reader.why.text) : 0;
}

/* --- audit ----------------------------------------------------------------------------------- */

int postgres_audit_add(struct store *store, const struct store_audit *audit, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	struct postgres_params none = {0};
	TRY(postgres_change_call(s, diag));
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
	TRY(postgres_number(s, AUDIT_NEXT, &none, &kept.number, diag));
	postgres_add_number(&params, kept.number);
	postgres_add_number(&params, (uint64_t)kept.at_ms);
	postgres_add(&params, kept.who);
	postgres_add(&params, kept.from);
	postgres_add(&params, kept.action);
	postgres_add(&params, kept.resource);
	postgres_add(&params, kept.change);
	postgres_add(&params, kept.result);
	postgres_add(&params, kept.request_id);
	postgres_add_number(&params, row_sum_audit(&kept));
	return postgres_change(s, AUDIT_ADD, &params, NULL, diag);
}

struct audit_reader {
	int (*on_audit)(void *ctx, const struct store_audit *audit);
	void *ctx;
	unsigned n;      /* of this page */
	uint64_t number; /* of the last */
};

static int on_audit_step(
	struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	struct audit_reader *reader = ctx;
	struct store_audit audit = {
		.at_ms = (int64_t)row_number(row, AUDIT_AT_MS),
		.who = row_text(row, AUDIT_WHO),
		.from = row_text(row, AUDIT_FROM),
		.action = row_text(row, AUDIT_ACTION),
		.resource = row_text(row, AUDIT_RESOURCE),
		.change = row_text(row, AUDIT_CHANGE),
		.result = row_text(row, AUDIT_RESULT),
		.request_id = row_text(row, AUDIT_REQUEST_ID),
		.number = row_number(row, NUMBER),
	};
	if (row_sum_audit(&audit) != row_number(row, AUDIT_SUM)) {
		return postgres_damaged(s, audit.resource, diag);
	}
	reader->n++;
	reader->number = audit.number;
	int rc = reader->on_audit(reader->ctx, &audit);
	return rc < 0 ? rc : 0;
}

int postgres_audit_each(struct store *store, struct str resource, uint64_t before,
	int (*on_audit)(void *ctx, const struct store_audit *audit), void *ctx, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct audit_reader reader = {on_audit, ctx, 0, before};
	TRY(postgres_read_call(s, diag));
	do {
		struct postgres_params params = {0};
		add_before(&params, reader.number, resource);
		reader.n = 0;
		TRY(postgres_each(s, resource.p ? AUDIT_OF : AUDIT_EACH, &params, on_audit_step,
			&reader, diag));
	} while (reader.n == POSTGRES_PAGE_ROWS);
	return 0;
}

int postgres_trim(
	struct store *store, uint64_t keep_operations, uint64_t keep_audits, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params operations = {0};
	struct postgres_params audits = {0};
	TRY(postgres_change_call(s, diag));
	postgres_add_at_most(&operations, keep_operations);
	TRY(postgres_change(s, OPERATION_TRIM, &operations, NULL, diag));
	postgres_add_at_most(&audits, keep_audits);
	return postgres_change(s, AUDIT_TRIM, &audits, NULL, diag);
}
