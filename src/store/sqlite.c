#include "store/sqlite.h"

#include <errno.h>
#include <stdlib.h>

#include "store/row_sum.h"
#include "store/sqlite_store.h"

#define ROW_COLUMNS                                                                       \
	"name, spec, file_spec, id, host, next_host, token_epoch, created_s, launched_s," \
	" changed_s, revision, sum"

static const char *const sql[SQLITE_STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[COUNTER_GET] = "SELECT revision FROM state",
	[COUNTER_SET] = "UPDATE state SET revision = ?1",
	[SECRETS_SET] = "UPDATE state SET secrets = ?1",
	[REVISION_GET] = "SELECT " SQLITE_HOST_REVISION("?1"),
	/* Not REPLACE: a row that keeps its place keeps the file in the order of its making. */
	[INSTANCE_PUT] = ("INSERT INTO instance (" ROW_COLUMNS ")"
			  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
			  " ON CONFLICT (name) DO UPDATE SET spec = ?2, file_spec = ?3, id = ?4,"
			  " host = ?5, next_host = ?6, token_epoch = ?7, created_s = ?8,"
			  " launched_s = ?9, changed_s = ?10, revision = ?11, sum = ?12"),
	[INSTANCE_DELETE] = "DELETE FROM instance WHERE name = ?1",
	[INSTANCE_GET] = ("SELECT " ROW_COLUMNS " FROM instance WHERE name = ?1"),
	[INSTANCE_FIND] = ("SELECT " ROW_COLUMNS " FROM instance WHERE id = ?1 AND id <> ''"
			   " ORDER BY name LIMIT 1"),
	/* Nothing comes before '', and it may be a name. */
	[INSTANCE_EACH] = ("SELECT " ROW_COLUMNS " FROM instance WHERE name >= ?1"
			   " AND (name > ?1 OR ?1 = '') ORDER BY name"),
	[INSTANCE_OF] = ("SELECT " ROW_COLUMNS " FROM instance WHERE name >= ?1"
			 " AND (name > ?1 OR ?1 = '') AND host = ?2 ORDER BY name"),
	/*
	 * By revision alone, as one file is most of all one host's: in an index by host, a damaged
	 * entry would end a host's rows early, and nobody would know.
	 */
	[CHANGED_SINCE] =
		("SELECT " ROW_COLUMNS " FROM instance WHERE host = ?1 AND revision > ?2"
		 " UNION ALL SELECT name, NULL, NULL, '', host, '', 0, 0, 0, 0, revision,"
		 " sum FROM deleted WHERE +host = ?1 AND revision > ?2 ORDER BY revision"),
	[DELETED_PUT] = ("INSERT OR REPLACE INTO deleted (host, name, revision, sum)"
			 " VALUES (?1, ?2, ?3, ?4)"),
	[DELETED_REMOVE] = "DELETE FROM deleted WHERE host = ?1 AND name = ?2",
	[SECRET_PUT] = "INSERT OR REPLACE INTO secret (name, value, sum) VALUES (?1, ?2, ?3)",
	[SECRET_GET] = "SELECT value, sum FROM secret WHERE name = ?1",
};

enum row_column {
	NAME,
	SPEC,
	FILE_SPEC,
	ID,
	HOST,
	NEXT_HOST,
	TOKEN_EPOCH,
	CREATED_S,
	LAUNCHED_S,
	CHANGED_S,
	REVISION,
	SUM
};

/* --- transactions ---------------------------------------------------------------------------- */

static int begin(struct store *store, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	if (s->begun) {
		return place_fault(
			s->db.place.path, -EINVAL, diag, "a transaction has begun already");
	}
	TRY(sqlite_execute(s, BEGIN, diag));
	int rc = sqlite_number(s, COUNTER_GET, &s->revision, diag);
	if (rc < 0) {
		(void)sqlite_execute(s, ROLLBACK, NULL); /* rc says what is wrong */
		return rc;
	}
	s->begun = true;
	s->failed = 0;
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
		(void)sqlite_execute(
			s, ROLLBACK, NULL); /* fails only when there is nothing to undo */
	}
	s->begun = false;
	if (s->failed == E_FULL) {
		(void)sqlite_db_checkpoint(&s->db, NULL); /* what the attempt took is given back */
	}
}

static int commit(struct store *store, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	int rc = sqlite_may_change(s, diag);
	if (rc == 0) {
		stmt_bind_number(s->stmts[COUNTER_SET], 1, s->revision);
		rc = sqlite_change(s, COUNTER_SET, SQLITE_OK, diag);
	}
	if (rc == 0) {
		rc = sqlite_change(s, COMMIT, SQLITE_OK, diag);
	}
	if (rc < 0) {
		rollback(store);
		return rc;
	}
	s->begun = false;
	return 0;
}

/* --- instances ------------------------------------------------------------------------------- */

/* What there is of a name before it is changed. */
struct present {
	uint64_t revision; /* 0: nothing */
	struct buf host;
};

static int take_present(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	struct present *present = ctx;
	struct str host = stmt_text(stmt, HOST);
	TRY(sqlite_columns_status(s, diag));
	present->revision = stmt_number(stmt, REVISION);
	buf_add(&present->host, host);
	return buf_status(&present->host) < 0 ? sqlite_db_fault(&s->db, SQLITE_NOMEM, diag) : 0;
}

static void present_done(struct present *present)
{
	buf_done(&present->host);
}

/* A row that is damaged may be put anew, so sums are not looked at. Only E_STALE loses nothing. */
static int find_present(struct sqlite_store *s, struct str name, uint64_t base,
	struct present *ret_present, struct diag *diag)
{
	(void)stmt_bind_text(s->stmts[INSTANCE_GET], 1, name); /* what is too big is not there */
	int rc = sqlite_each(s, INSTANCE_GET, take_present, ret_present, diag);
	if (rc < 0) {
		return sqlite_lose(s, rc);
	}
	if (!store_base_fits(base, ret_present->revision)) {
		return diag_set(diag, E_STALE, "store %s: instance \"%.*s\" has changed since",
			s->db.place.path, STR_FMT(name));
	}
	return 0;
}

/* The host does not have one of that name any more. */
static int put_deleted(struct sqlite_store *s, struct str host, struct str name, struct diag *diag)
{
	sqlite3_stmt *stmt = s->stmts[DELETED_PUT];
	s->revision++;
	int code = stmt_bind_text(stmt, 1, not_null(host));
	code |= stmt_bind_text(stmt, 2, name);
	stmt_bind_number(stmt, 3, s->revision);
	stmt_bind_number(stmt, 4, row_sum_deleted(host, name, s->revision));
	return sqlite_change(s, DELETED_PUT, code, diag);
}

static int put_row(struct sqlite_store *s, const struct store_instance *row, struct diag *diag)
{
	sqlite3_stmt *stmt = s->stmts[INSTANCE_PUT];
	/* All that can fail is that one is too big: the codes are the same. */
	int code = stmt_bind_text(stmt, NAME + 1, row->name);
	code |= stmt_bind_text(stmt, SPEC + 1, row->spec);
	code |= stmt_bind_text(stmt, FILE_SPEC + 1, row->file_spec);
	code |= stmt_bind_text(stmt, ID + 1, row->id);
	code |= stmt_bind_text(stmt, HOST + 1, row->host);
	code |= stmt_bind_text(stmt, NEXT_HOST + 1, row->next_host);
	stmt_bind_number(stmt, TOKEN_EPOCH + 1, row->token_epoch);
	stmt_bind_number(stmt, CREATED_S + 1, (uint64_t)row->created_s);
	stmt_bind_number(stmt, LAUNCHED_S + 1, (uint64_t)row->launched_s);
	stmt_bind_number(stmt, CHANGED_S + 1, (uint64_t)row->changed_s);
	stmt_bind_number(stmt, REVISION + 1, row->revision);
	stmt_bind_number(stmt, SUM + 1, row_sum_instance(row));
	return sqlite_change(s, INSTANCE_PUT, code, diag);
}

static int instance_put(
	struct store *store, const struct store_instance *row, uint64_t base, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	struct store_instance kept = *row;
	kept.name = not_null(row->name);
	kept.spec = not_null(row->spec);
	kept.id = not_null(row->id);
	kept.host = not_null(row->host);
	kept.next_host = not_null(row->next_host);
	CLEANUP(present_done) struct present present = {0};
	TRY(find_present(s, kept.name, base, &present, diag));
	if (present.revision > 0 && !str_eq(buf_str(&present.host), kept.host)) {
		TRY(put_deleted(s, buf_str(&present.host), kept.name, diag));
	}
	kept.revision = ++s->revision;
	TRY(put_row(s, &kept, diag));
	int code = stmt_bind_text(s->stmts[DELETED_REMOVE], 1, kept.host);
	code |= stmt_bind_text(s->stmts[DELETED_REMOVE], 2, kept.name);
	return sqlite_change(s, DELETED_REMOVE, code, diag);
}

static int instance_delete(struct store *store, struct str name, uint64_t base, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	name = not_null(name);
	CLEANUP(present_done) struct present present = {0};
	int rc = find_present(s, name, base, &present, diag);
	if (present.revision == 0 && (rc == 0 || rc == E_STALE)) {
		return diag_set(diag, E_NOTFOUND, "no instance \"%.*s\"", STR_FMT(name));
	}
	TRY(rc);
	int code = stmt_bind_text(s->stmts[INSTANCE_DELETE], 1, name);
	TRY(sqlite_change(s, INSTANCE_DELETE, code, diag));
	return put_deleted(s, buf_str(&present.host), name, diag);
}

static int read_row(struct sqlite_store *s, sqlite3_stmt *stmt, struct store_instance *ret_row,
	struct diag *diag)
{
	uint64_t epoch = stmt_number(stmt, TOKEN_EPOCH);
	struct store_instance row = {
		.name = stmt_text(stmt, NAME),
		.spec = stmt_text(stmt, SPEC),
		.file_spec = stmt_text(stmt, FILE_SPEC),
		.id = stmt_text(stmt, ID),
		.host = stmt_text(stmt, HOST),
		.next_host = stmt_text(stmt, NEXT_HOST),
		.token_epoch = (uint32_t)epoch,
		.created_s = sqlite3_column_int64(stmt, CREATED_S),
		.launched_s = sqlite3_column_int64(stmt, LAUNCHED_S),
		.changed_s = sqlite3_column_int64(stmt, CHANGED_S),
		.revision = stmt_number(stmt, REVISION),
	};
	TRY(sqlite_columns_status(s, diag));
	uint64_t sum = row.spec.p ? row_sum_instance(&row)
				  : row_sum_deleted(row.host, row.name, row.revision);
	if (sum != stmt_number(stmt, SUM) || epoch > UINT32_MAX) {
		return sqlite_damaged(s, row.name, diag);
	}
	*ret_row = row;
	return 0;
}

struct reader {
	int (*on_row)(void *ctx, const struct store_instance *row);
	void *ctx;
	bool any;
};

static int on_step(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	struct reader *reader = ctx;
	struct store_instance row;
	reader->any = true;
	TRY(read_row(s, stmt, &row, diag));
	int rc = reader->on_row(reader->ctx, &row);
	return rc < 0 ? rc : 0;
}

static int instance_get(struct store *store, struct str name,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct reader reader = {on_row, ctx, false};
	(void)stmt_bind_text(
		s->stmts[INSTANCE_GET], 1, not_null(name)); /* what is too big is not there */
	TRY(sqlite_each(s, INSTANCE_GET, on_step, &reader, diag));
	if (!reader.any) {
		return diag_set(diag, E_NOTFOUND, "no instance \"%.*s\"", STR_FMT(name));
	}
	return 0;
}

static int instance_find(struct store *store, struct str id,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct reader reader = {on_row, ctx, false};
	(void)stmt_bind_text(s->stmts[INSTANCE_FIND], 1, not_null(id)); /* as above */
	TRY(sqlite_each(s, INSTANCE_FIND, on_step, &reader, diag));
	if (!reader.any) {
		return diag_set(diag, E_NOTFOUND, "no instance with the id \"%.*s\"", STR_FMT(id));
	}
	return 0;
}

static int instance_each(struct store *store, struct str host, struct str after,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct reader reader = {on_row, ctx, false};
	enum sqlite_statement which = host.p ? INSTANCE_OF : INSTANCE_EACH;
	int code = stmt_bind_text(s->stmts[which], 1, not_null(after));
	code |= host.p ? stmt_bind_text(s->stmts[which], 2, host) : SQLITE_OK;
	if (code != SQLITE_OK) { /* too big, so nothing comes after it, or is of that host */
		stmt_end(s->stmts[which]);
		return 0;
	}
	return sqlite_each(s, which, on_step, &reader, diag);
}

static int changed_since(struct store *store, struct str host, uint64_t revision,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct reader reader = {on_row, ctx, false};
	(void)stmt_bind_text(
		s->stmts[CHANGED_SINCE], 1, not_null(host)); /* what is too big is not there */
	stmt_bind_at_most(s->stmts[CHANGED_SINCE], 2, revision);
	return sqlite_each(s, CHANGED_SINCE, on_step, &reader, diag);
}

static int take_number(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	(void)s;
	(void)diag;
	*(uint64_t *)ctx = stmt_number(stmt, 0);
	return 0;
}

static int revision_get(
	struct store *store, struct str host, uint64_t *ret_revision, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	uint64_t revision = 0;
	(void)stmt_bind_text(s->stmts[REVISION_GET], 1, not_null(host)); /* as above */
	TRY(sqlite_each(s, REVISION_GET, take_number, &revision, diag));
	*ret_revision = revision;
	return 0;
}

/* --- secrets --------------------------------------------------------------------------------- */

static int put_secret(struct sqlite_store *s, struct str name, struct str value, struct diag *diag)
{
	sqlite3_stmt *stmt = s->stmts[SECRET_PUT];
	int code = stmt_bind_text(stmt, 1, name);
	code |= stmt_bind_bytes(stmt, 2, value);
	stmt_bind_number(stmt, 3, row_sum_secret(name, value));
	TRY(sqlite_change(s, SECRET_PUT, code, diag));
	stmt_bind_number(s->stmts[SECRETS_SET], 1, ++s->revision);
	return sqlite_change(s, SECRETS_SET, SQLITE_OK, diag);
}

static int secret_put(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	return put_secret(s, not_null(name), not_null(value), diag);
}

static int note_one(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	(void)s;
	(void)stmt;
	(void)diag;
	*(bool *)ctx = true;
	return 0;
}

static int secret_add(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	bool is_there = false;
	(void)stmt_bind_text(
		s->stmts[SECRET_GET], 1, not_null(name)); /* what is too big is not there */
	int rc = sqlite_each(s, SECRET_GET, note_one, &is_there, diag);
	if (rc < 0) {
		return sqlite_lose(s, rc);
	}
	if (is_there) {
		return diag_set(diag, E_EXISTS, "store %s: there is a secret \"%.*s\" already",
			s->db.place.path, STR_FMT(name));
	}
	return put_secret(s, not_null(name), not_null(value), diag);
}

static int take_secret(struct sqlite_store *s, sqlite3_stmt *stmt, struct str name,
	struct secret *ret_value, struct diag *diag)
{
	struct str value = stmt_bytes(stmt, 0);
	TRY(sqlite_columns_status(s, diag));
	if (row_sum_secret(name, value) != stmt_number(stmt, 1)) {
		return sqlite_damaged(s, name, diag);
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
	(void)stmt_bind_text(stmt, 1, name); /* what is too big is not there */
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
	stmt_end(stmt);
	return rc;
}

/* --- open and close -------------------------------------------------------------------------- */

static void sqlite_free(struct store *store)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	rollback(store);
	for (size_t i = 0; i < SQLITE_STATEMENTS; i++) {
		(void)sqlite3_finalize(s->stmts[i]); /* as stmt_end() */
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
	.instance_find = instance_find,
	.instance_each = instance_each,
	.changed_since = changed_since,
	.revision_get = revision_get,
	.host_put = sqlite_host_put,
	.host_delete = sqlite_host_delete,
	.host_get = sqlite_host_get,
	.host_each = sqlite_host_each,
	.secret_put = secret_put,
	.secret_add = secret_add,
	.secret_get = secret_get,
	.operation_put = sqlite_operation_put,
	.operation_get = sqlite_operation_get,
	.operation_each = sqlite_operation_each,
	.operation_open = sqlite_operation_open,
	.audit_add = sqlite_audit_add,
	.audit_each = sqlite_audit_each,
	.trim = sqlite_trim,
	.points_put = sqlite_points_put,
	.points_get = sqlite_points_get,
	.points_each = sqlite_points_each,
	.points_before = sqlite_points_before,
	.points_delete = sqlite_points_delete,
	.points_instances = sqlite_points_instances,
};

/* The statements of one file. */
static int prepare(
	struct sqlite_store *s, const char *const texts[SQLITE_STATEMENTS], struct diag *diag)
{
	for (size_t i = 0; i < SQLITE_STATEMENTS; i++) {
		if (texts[i]) {
			TRY(sqlite_db_prepare(&s->db, texts[i], &s->stmts[i], diag));
		}
	}
	return 0;
}

static int open_all(struct sqlite_store *s, struct str path, struct diag *diag)
{
	TRY(sqlite_db_init(&s->db, path, diag));
	TRY(prepare(s, sql, diag));
	TRY(prepare(s, sqlite_hosts_sql, diag));
	TRY(prepare(s, sqlite_trail_sql, diag));
	return prepare(s, sqlite_points_sql, diag);
}

int sqlite_open(struct str path, struct store **ret_store, struct diag *diag)
{
	struct sqlite_store *s = calloc(1, sizeof *s);
	if (!s) {
		return diag_set(diag, -ENOMEM, "store: out of memory");
	}
	s->store.ops = &ops;
	int rc = open_all(s, path, diag);
	if (rc < 0) {
		sqlite_free(&s->store);
		return rc;
	}
	*ret_store = &s->store;
	return 0;
}
