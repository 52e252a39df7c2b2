#include "store/sqlite.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "store/sqlite_db.h"

#define ROW_COLUMNS \
	"name, spec, file_spec, token_epoch, created_s, launched_s, changed_s, revision, sum"

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	COUNTER_GET,
	COUNTER_SET,
	INSTANCE_PUT,
	INSTANCE_DELETE,
	INSTANCE_GET,
	INSTANCE_EACH,
	CHANGED_SINCE,
	DELETED_PUT,
	DELETED_REMOVE,
	SECRET_PUT,
	SECRET_GET,
	STATEMENTS
};

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[COUNTER_GET] = "SELECT revision FROM state",
	[COUNTER_SET] = "UPDATE state SET revision = ?1",
	/* Not REPLACE: a row that keeps its place keeps the file in the order of its making. */
	[INSTANCE_PUT] = "INSERT INTO instance (" ROW_COLUMNS ")"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (name) DO UPDATE"
			 " SET spec = ?2, file_spec = ?3, token_epoch = ?4, created_s = ?5,"
			 " launched_s = ?6, changed_s = ?7, revision = ?8, sum = ?9",
	[INSTANCE_DELETE] = "DELETE FROM instance WHERE name = ?1",
	[INSTANCE_GET] = "SELECT " ROW_COLUMNS " FROM instance WHERE name = ?1",
	[INSTANCE_EACH] = "SELECT " ROW_COLUMNS " FROM instance ORDER BY name",
	[CHANGED_SINCE] = "SELECT " ROW_COLUMNS " FROM instance WHERE revision > ?1 UNION ALL"
			  " SELECT name, NULL, NULL, 0, 0, 0, 0, revision, sum FROM deleted"
			  " WHERE revision > ?1 ORDER BY revision",
	[DELETED_PUT] = "INSERT OR REPLACE INTO deleted (name, revision, sum) VALUES (?1, ?2, ?3)",
	[DELETED_REMOVE] = "DELETE FROM deleted WHERE name = ?1",
	[SECRET_PUT] = "INSERT OR REPLACE INTO secret (name, value, sum) VALUES (?1, ?2, ?3)",
	[SECRET_GET] = "SELECT value, sum FROM secret WHERE name = ?1",
};

enum row_column {
	NAME,
	SPEC,
	FILE_SPEC,
	TOKEN_EPOCH,
	CREATED_S,
	LAUNCHED_S,
	CHANGED_S,
	REVISION,
	SUM
};

/* Lifetime: process. */
struct sqlite_store {
	struct store store;
	struct sqlite_db db;
	sqlite3_stmt *stmts[STATEMENTS];
	uint64_t revision; /* in a transaction: of the last change in it */
	bool begun;
	int failed; /* why the transaction can't be committed any more */
};

/* --- sums ------------------------------------------------------------------------------------ */

/*
 * SQLite finds what is wrong with the tree of pages, not with the bytes in a row. A sum over the
 * row does: it is not cryptographic, but each step can be undone, so that a change within any eight
 * bytes always shows, and others in all but 2^-64 of cases.
 */
static uint64_t sum_number(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9E3779B97F4A7C15U;
	return sum ^ sum >> 32;
}

static uint64_t sum_text(uint64_t sum, struct str text)
{
	/* Absent and empty differ. */
	sum = sum_number(sum, text.p ? text.n : UINT64_MAX);
	while (text.n > 0) {
		uint64_t word = 0;
		size_t n = text.n < sizeof word ? text.n : sizeof word;
		memcpy(&word, text.p, n);
		sum = sum_number(sum, le64toh(word));
		text = str_from(text, n);
	}
	return sum;
}

static uint64_t sum_instance(const struct store_instance *row)
{
	uint64_t sum = sum_text(sum_text(sum_text('i', row->name), row->spec), row->file_spec);
	sum = sum_number(sum, row->token_epoch);
	sum = sum_number(sum, (uint64_t)row->created_s);
	sum = sum_number(sum, (uint64_t)row->launched_s);
	sum = sum_number(sum, (uint64_t)row->changed_s);
	return sum_number(sum, row->revision);
}

static uint64_t sum_deleted(struct str name, uint64_t revision)
{
	return sum_number(sum_text('d', name), revision);
}

static uint64_t sum_secret(struct str name, struct str value)
{
	return sum_text(sum_text('s', name), value);
}

/* --- statements ------------------------------------------------------------------------------ */

/* The values are borrowed until the statement is reset, which end() does. */
static int bind_text(sqlite3_stmt *stmt, int at, struct str text)
{
	return sqlite3_bind_text64(stmt, at, text.p, text.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_number(sqlite3_stmt *stmt, int at, uint64_t value)
{
	(void)sqlite3_bind_int64(stmt, at, (int64_t)value); /* fails only for a wrong `at` */
}

/* SQLite would bind NULL. */
static struct str not_null(struct str text)
{
	return text.p ? text : STR("");
}

static void end(sqlite3_stmt *stmt)
{
	(void)sqlite3_reset(stmt); /* tells once more what sqlite3_step() has told */
	(void)sqlite3_clear_bindings(stmt);
}

/* One that gives no rows. */
static int execute(struct sqlite_store *s, enum statement which, struct diag *diag)
{
	int code = sqlite_db_step(s->stmts[which]);
	int rc = code == SQLITE_DONE ? 0 : sqlite_db_fault(&s->db, code, diag);
	end(s->stmts[which]);
	return rc;
}

static struct str column_text(sqlite3_stmt *stmt, int at)
{
	const void *p = sqlite3_column_text(stmt, at);
	return p ? (struct str){p, (size_t)sqlite3_column_bytes(stmt, at)} : STR_EMPTY;
}

static uint64_t column_number(sqlite3_stmt *stmt, int at)
{
	return (uint64_t)sqlite3_column_int64(stmt, at);
}

/* --- transactions ---------------------------------------------------------------------------- */

static int begin(struct store *store, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	if (s->begun) {
		return place_fault(
			s->db.place.path, -EINVAL, diag, "a transaction has begun already");
	}
	TRY(execute(s, BEGIN, diag));
	sqlite3_stmt *stmt = s->stmts[COUNTER_GET];
	int code = sqlite_db_step(stmt);
	if (code != SQLITE_ROW) {
		/* The row was there when the store was opened. */
		int rc = sqlite_db_fault(&s->db, code == SQLITE_DONE ? SQLITE_CORRUPT : code, diag);
		end(stmt);
		(void)execute(s, ROLLBACK, NULL); /* rc says what is wrong */
		return rc;
	}
	s->revision = column_number(stmt, 0);
	s->begun = true;
	s->failed = 0;
	end(stmt);
	return 0;
}

/* SQLite rolls back by itself after some errors. */
static void rollback(struct store *store)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	if (!s->begun) {
		return;
	}
	if (!sqlite3_get_autocommit(s->db.handle)) {
		(void)execute(s, ROLLBACK, NULL); /* fails only when there is nothing to undo */
	}
	s->begun = false;
	if (s->failed == E_FULL) {
		(void)sqlite_db_checkpoint(&s->db, NULL); /* what the attempt took is given back */
	}
}

/* 0 when there is a transaction that can still be committed. */
static int may_change(const struct sqlite_store *s, struct diag *diag)
{
	if (!s->begun) {
		return place_fault(s->db.place.path, -EINVAL, diag, "no transaction has begun");
	}
	if (s->failed < 0) {
		return place_fault(
			s->db.place.path, s->failed, diag, "the transaction has failed before");
	}
	return 0;
}

/* After a failure the transaction can't be committed any more: SQLite may have undone part of it. */
static int change(struct sqlite_store *s, enum statement which, int bind_code, struct diag *diag)
{
	int rc;
	if (bind_code == SQLITE_OK) {
		rc = execute(s, which, diag);
	} else {
		rc = sqlite_db_fault(&s->db, bind_code, diag);
		end(s->stmts[which]);
	}
	if (rc < 0) {
		s->failed = rc;
	}
	return rc;
}

static int commit(struct store *store, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	int rc = may_change(s, diag);
	if (rc == 0) {
		bind_number(s->stmts[COUNTER_SET], 1, s->revision);
		rc = change(s, COUNTER_SET, SQLITE_OK, diag);
	}
	if (rc == 0) {
		rc = change(s, COMMIT, SQLITE_OK, diag);
	}
	if (rc < 0) {
		rollback(store);
		return rc;
	}
	s->begun = false;
	return 0;
}

/* --- instances ------------------------------------------------------------------------------- */

static int instance_put(struct store *store, const struct store_instance *row, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(may_change(s, diag));
	struct store_instance kept = *row;
	kept.name = not_null(row->name);
	kept.spec = not_null(row->spec);
	kept.revision = ++s->revision;
	sqlite3_stmt *stmt = s->stmts[INSTANCE_PUT];
	/* All that can fail is that one is too big: the codes are the same. */
	int code = bind_text(stmt, NAME + 1, kept.name);
	code |= bind_text(stmt, SPEC + 1, kept.spec);
	code |= bind_text(stmt, FILE_SPEC + 1, kept.file_spec);
	bind_number(stmt, TOKEN_EPOCH + 1, kept.token_epoch);
	bind_number(stmt, CREATED_S + 1, (uint64_t)kept.created_s);
	bind_number(stmt, LAUNCHED_S + 1, (uint64_t)kept.launched_s);
	bind_number(stmt, CHANGED_S + 1, (uint64_t)kept.changed_s);
	bind_number(stmt, REVISION + 1, kept.revision);
	bind_number(stmt, SUM + 1, sum_instance(&kept));
	TRY(change(s, INSTANCE_PUT, code, diag));
	code = bind_text(s->stmts[DELETED_REMOVE], 1, kept.name);
	return change(s, DELETED_REMOVE, code, diag);
}

static int instance_delete(struct store *store, struct str name, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(may_change(s, diag));
	name = not_null(name);
	int code = bind_text(s->stmts[INSTANCE_DELETE], 1, name);
	TRY(change(s, INSTANCE_DELETE, code, diag));
	if (sqlite3_changes(s->db.handle) == 0) {
		return diag_set(diag, E_NOTFOUND, "no instance \"%.*s\"", STR_FMT(name));
	}
	sqlite3_stmt *stmt = s->stmts[DELETED_PUT];
	s->revision++;
	code = bind_text(stmt, 1, name);
	bind_number(stmt, 2, s->revision);
	bind_number(stmt, 3, sum_deleted(name, s->revision));
	return change(s, DELETED_PUT, code, diag);
}

static int damaged(const struct sqlite_store *s, struct str name, struct diag *diag)
{
	return diag_set(diag, E_DAMAGED,
		"store %s: the row of \"%.*s\" is damaged; restore a copy of the store",
		s->db.place.path, STR_FMT(name));
}

static int read_row(struct sqlite_store *s, sqlite3_stmt *stmt, struct store_instance *ret_row,
	struct diag *diag)
{
	uint64_t epoch = column_number(stmt, TOKEN_EPOCH);
	struct store_instance row = {
		.name = column_text(stmt, NAME),
		.spec = column_text(stmt, SPEC),
		.file_spec = column_text(stmt, FILE_SPEC),
		.token_epoch = (uint32_t)epoch,
		.created_s = sqlite3_column_int64(stmt, CREATED_S),
		.launched_s = sqlite3_column_int64(stmt, LAUNCHED_S),
		.changed_s = sqlite3_column_int64(stmt, CHANGED_S),
		.revision = column_number(stmt, REVISION),
	};
	if (sqlite3_errcode(s->db.handle) == SQLITE_NOMEM) {
		return sqlite_db_fault(&s->db, SQLITE_NOMEM, diag);
	}
	uint64_t sum = row.spec.p ? sum_instance(&row) : sum_deleted(row.name, row.revision);
	if (sum != column_number(stmt, SUM) || epoch > UINT32_MAX) {
		return damaged(s, row.name, diag);
	}
	*ret_row = row;
	return 0;
}

/* How many rows, or an error: what the callback says, else the store's. */
static int each_row(struct sqlite_store *s, enum statement which,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	sqlite3_stmt *stmt = s->stmts[which];
	int rc = 0;
	int code;
	bool any = false;
	while ((code = sqlite_db_step(stmt)) == SQLITE_ROW) {
		struct store_instance row;
		any = true;
		rc = read_row(s, stmt, &row, diag);
		if (rc == 0) {
			rc = on_row(ctx, &row);
		}
		if (rc < 0) {
			break;
		}
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE) {
		rc = sqlite_db_fault(&s->db, code, diag);
	}
	end(stmt);
	return rc < 0 ? rc : any;
}

static int instance_get(struct store *store, struct str name,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	(void)bind_text(
		s->stmts[INSTANCE_GET], 1, not_null(name)); /* what is too big is not there */
	int rc = each_row(s, INSTANCE_GET, on_row, ctx, diag);
	if (rc == 0) {
		return diag_set(diag, E_NOTFOUND, "no instance \"%.*s\"", STR_FMT(name));
	}
	return rc < 0 ? rc : 0;
}

static int instance_each(struct store *store,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	int rc = each_row((struct sqlite_store *)store, INSTANCE_EACH, on_row, ctx, diag);
	return rc < 0 ? rc : 0;
}

static int changed_since(struct store *store, uint64_t revision,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	/* Revisions are counted from one; what does not fit has never been reached. */
	bind_number(s->stmts[CHANGED_SINCE], 1, revision > INT64_MAX ? INT64_MAX : revision);
	int rc = each_row(s, CHANGED_SINCE, on_row, ctx, diag);
	return rc < 0 ? rc : 0;
}

/* --- secrets --------------------------------------------------------------------------------- */

static int secret_put(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(may_change(s, diag));
	name = not_null(name);
	value = not_null(value);
	sqlite3_stmt *stmt = s->stmts[SECRET_PUT];
	s->revision++;
	int code = bind_text(stmt, 1, name);
	code |= sqlite3_bind_blob64(stmt, 2, value.p, value.n, SQLITE_STATIC);
	bind_number(stmt, 3, sum_secret(name, value));
	return change(s, SECRET_PUT, code, diag);
}

static int take_secret(struct sqlite_store *s, sqlite3_stmt *stmt, struct str name,
	struct secret *ret_value, struct diag *diag)
{
	const void *p = sqlite3_column_blob(stmt, 0);
	struct str value = {p ? p : "", (size_t)sqlite3_column_bytes(stmt, 0)};
	if (sqlite3_errcode(s->db.handle) == SQLITE_NOMEM) {
		return sqlite_db_fault(&s->db, SQLITE_NOMEM, diag);
	}
	if (sum_secret(name, value) != column_number(stmt, 1)) {
		return damaged(s, name, diag);
	}
	struct secret secret;
	int rc = secret_init(&secret, value.n);
	if (rc < 0) {
		return sqlite_db_fault(&s->db, SQLITE_NOMEM, diag);
	}
	memcpy(secret.p, value.p, value.n);
	*ret_value = secret;
	return 0;
}

static int secret_get(
	struct store *store, struct str name, struct secret *ret_value, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	sqlite3_stmt *stmt = s->stmts[SECRET_GET];
	name = not_null(name);
	(void)bind_text(stmt, 1, name); /* what is too big is not there */
	int code = sqlite_db_step(stmt);
	int rc;
	if (code == SQLITE_ROW) {
		rc = take_secret(s, stmt, name, ret_value, diag);
	} else if (code == SQLITE_DONE) {
		rc = diag_set(diag, E_NOTFOUND, "store %s: no secret \"%.*s\"", s->db.place.path,
			STR_FMT(name));
	} else {
		rc = sqlite_db_fault(&s->db, code, diag);
	}
	end(stmt);
	return rc;
}

/* --- open and close -------------------------------------------------------------------------- */

static void sqlite_free(struct store *store)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	rollback(store);
	for (size_t i = 0; i < STATEMENTS; i++) {
		(void)sqlite3_finalize(s->stmts[i]); /* as end() */
	}
	sqlite_db_done(&s->db);
	free(s);
}

static const struct store_ops ops = {
	.free = sqlite_free,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.instance_put = instance_put,
	.instance_delete = instance_delete,
	.instance_get = instance_get,
	.instance_each = instance_each,
	.changed_since = changed_since,
	.secret_put = secret_put,
	.secret_get = secret_get,
};

int sqlite_open(struct str path, struct store **ret_store, struct diag *diag)
{
	struct sqlite_store *s = calloc(1, sizeof *s);
	if (!s) {
		return diag_set(diag, -ENOMEM, "store: out of memory");
	}
	s->store.ops = &ops;
	int rc = sqlite_db_init(&s->db, path, diag);
	for (size_t i = 0; rc == 0 && i < STATEMENTS; i++) {
		rc = sqlite_db_prepare(&s->db, sql[i], &s->stmts[i], diag);
	}
	if (rc < 0) {
		sqlite_free(&s->store);
		return rc;
	}
	*ret_store = &s->store;
	return 0;
}
