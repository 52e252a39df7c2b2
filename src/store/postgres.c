#include "store/postgres.h"

#include <errno.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "store/postgres_channel.h"
#include "store/postgres_schema.h"
#include "store/postgres_store.h"
#include "store/row_sum.h"

/* --- transactions ---------------------------------------------------------------------------- */

static void forget_raised(struct postgres_store *s)
{
	while (s->raised_n > 0) {
		char *p;
		memcpy(&p, &s->raised[--s->raised_n].host.p, sizeof p); /* str_dup()'s */
		free(p);
	}
}

static int begin(struct store *store, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	if (s->begun) {
		return postgres_conn_says(
			&s->conn, -EINVAL, diag, "a transaction has begun already");
	}
	TRY(postgres_read_call(s, diag));
	TRY(postgres_conn_run(&s->conn, "BEGIN ISOLATION LEVEL READ COMMITTED", diag));
	s->begun = true;
	s->failed = 0;
	return 0;
}

static void end(struct postgres_store *s)
{
	s->begun = false;
	forget_raised(s);
}

/* A connection that can't do even this is of no use. */
static void rollback(struct store *store)
{
	struct postgres_store *s = postgres_of(store);
	if (!s->begun) {
		return;
	}
	postgres_conn_within(&s->conn, POSTGRES_CALL_MS);
	int rc = s->conn.pg ? postgres_settle(s, NULL) : 0;
	if (s->conn.pg) { /* what was queued may fail, but not this */
		rc = postgres_conn_run(&s->conn, "ROLLBACK", NULL);
	}
	if (rc < 0) {
		postgres_conn_close(&s->conn);
	}
	end(s);
}

/* Channels and numbers have nothing in them that SQL would have to be told of. */
static int add_notices(const struct postgres_store *s, struct buf *sql)
{
	char channel[POSTGRES_CHANNEL_BYTES];
	for (size_t i = 0; i < s->raised_n; i++) {
		TRY(postgres_channel(s->raised[i].host, channel));
		buf_add_f(sql, "NOTIFY %s, '%llu';", channel,
			(unsigned long long)s->raised[i].revision);
	}
	return buf_status(sql);
}

/*
 * COMMIT's own result says whether it is committed, whatever becomes of the notices behind it. One that
 * says ROLLBACK is none.
 */
static int take_commit(struct postgres_store *s, struct diag *diag)
{
	PGresult *result = NULL;
	TRY(postgres_conn_next(&s->conn, &result, diag));
	int rc = 0;
	if (!result || libpq.PQresultStatus(result) != PGRES_COMMAND_OK) {
		rc = postgres_conn_fault(&s->conn, result, diag);
	} else if (strcmp(libpq.PQcmdStatus(result), "COMMIT") != 0) {
		rc = postgres_conn_says(&s->conn, -EIO, diag, "it did not commit");
	}
	libpq.PQclear(result);
	if (s->conn.pg && postgres_conn_drain(&s->conn, NULL) < 0) {
		postgres_conn_close(&s->conn); /* who was not told asks */
	}
	return rc;
}

static int commit_now(struct postgres_store *s, struct diag *diag)
{
	CLEANUP(buf_done) struct buf sql = BUF_EMPTY;
	TRY(postgres_settle(s, diag));
	buf_add(&sql, STR("COMMIT;"));
	TRY(add_notices(s, &sql));
	buf_add_char(&sql, '\0');
	TRY(buf_status(&sql));
	if (!libpq.PQsendQuery(s->conn.pg, sql.p)) {
		return postgres_conn_fault(&s->conn, NULL, diag);
	}
	return take_commit(s, diag);
}

static int commit(struct store *store, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	int rc = postgres_change_call(s, diag);
	rc = rc < 0 ? rc : commit_now(s, diag);
	if (rc < 0) {
		rollback(store);
		return rc;
	}
	end(s);
	return 0;
}

/* --- secrets --------------------------------------------------------------------------------- */

/* It raises the revision of host "" first. */
static int run_secret(struct postgres_store *s, enum postgres_statement which, struct str name,
	struct str value, uint64_t *ret_rows, struct diag *diag)
{
	struct postgres_params params = {0};
	uint64_t revision;
	TRY(postgres_raise(s, STR(""), 0, &revision, diag));
	postgres_add_name(&params, name);
	postgres_add(&params, value);
	postgres_add_number(&params, row_sum_secret(name, value));
	return postgres_change(s, which, &params, ret_rows, diag);
}

static int secret_put(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	TRY(postgres_change_call(s, diag));
	return run_secret(s, SECRET_PUT, not_null(name), not_null(value), NULL, diag);
}

static int note_one(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	(void)s;
	(void)row;
	(void)diag;
	*(bool *)ctx = true;
	return 0;
}

static int secret_add(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	bool is_there = false;
	uint64_t rows = 0;
	TRY(postgres_change_call(s, diag));
	/* So that nothing rises where nothing changes. */
	postgres_add(&params, not_null(name));
	TRY(postgres_each(s, SECRET_GET, &params, note_one, &is_there, diag));
	if (!is_there) {
		TRY(run_secret(s, SECRET_ADD, not_null(name), not_null(value), &rows, diag));
	}
	if (rows == 0) {
		return diag_set(diag, E_EXISTS, "store %s: there is a secret \"%.*s\" already",
			s->conn.server, STR_FMT(name));
	}
	return 0;
}

struct secret_reader {
	struct str name;
	struct secret value;
	bool any;
};

static int take_secret(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	struct secret_reader *reader = ctx;
	struct str value = row_text(row, 0);
	if (row_sum_secret(reader->name, value) != row_number(row, 1)) {
		return postgres_damaged(s, reader->name, diag);
	}
	if (secret_init(&reader->value, value.n) < 0) {
		return diag_set(diag, -ENOMEM, "store: out of memory");
	}
	if (value.n > 0) {
		memcpy(reader->value.p, value.p, value.n);
	}
	reader->any = true;
	return 0;
}

static int secret_get(
	struct store *store, struct str name, struct secret *ret_value, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct secret_reader reader = {.name = not_null(name)};
	struct postgres_params params = {0};
	TRY(postgres_read_call(s, diag));
	postgres_add(&params, reader.name);
	int rc = postgres_each(s, SECRET_GET, &params, take_secret, &reader, diag);
	if (rc == 0 && !reader.any) {
		rc = diag_set(diag, E_NOTFOUND, "store %s: no secret \"%.*s\"", s->conn.server,
			STR_FMT(name));
	}
	if (rc < 0) {
		secret_done(&reader.value);
		return rc;
	}
	*ret_value = reader.value;
	return 0;
}

/* --- revisions ------------------------------------------------------------------------------- */

static int take_revision(
	struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	(void)s;
	(void)diag;
	*(uint64_t *)ctx = row_number(row, 0);
	return 0;
}

static int revision_get(
	struct store *store, struct str host, uint64_t *ret_revision, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	uint64_t revision = 0;
	TRY(postgres_read_call(s, diag));
	postgres_add(&params, not_null(host));
	TRY(postgres_each(s, REVISION_GET, &params, take_revision, &revision, diag));
	*ret_revision = revision;
	return 0;
}

/* --- open and close -------------------------------------------------------------------------- */

static void postgres_free(struct store *store)
{
	struct postgres_store *s = postgres_of(store);
	rollback(store);
	postgres_conn_close(&s->conn);
	free(s->raised);
	free(s);
}

static const struct store_ops ops = {
	.free = postgres_free,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.instance_put = postgres_instance_put,
	.instance_delete = postgres_instance_delete,
	.instance_get = postgres_instance_get,
	.instance_find = postgres_instance_find,
	.instance_each = postgres_instance_each,
	.changed_since = postgres_changed_since,
	.revision_get = revision_get,
	.host_put = postgres_host_put,
	.host_delete = postgres_host_delete,
	.host_get = postgres_host_get,
	.host_each = postgres_host_each,
	.secret_put = secret_put,
	.secret_add = secret_add,
	.secret_get = secret_get,
	.operation_put = postgres_operation_put,
	.operation_get = postgres_operation_get,
	.operation_each = postgres_operation_each,
	.operation_open = postgres_operation_open,
	.audit_add = postgres_audit_add,
	.audit_each = postgres_audit_each,
	.trim = postgres_trim,
	.points_put = postgres_points_put,
	.points_get = postgres_points_get,
	.points_each = postgres_points_each,
	.points_before = postgres_points_before,
	.points_delete = postgres_points_delete,
	.points_instances = postgres_points_instances,
};

static int open_at(struct str url, bool reads, struct store **ret_store, struct diag *diag)
{
	struct postgres_store *s = calloc(1, sizeof *s);
	if (!s) {
		return diag_set(diag, -ENOMEM, "store: out of memory");
	}
	s->store.ops = &ops;
	struct postgres_target target;
	int rc = postgres_target_init(&target, url, diag);
	target.reads = reads;
	if (rc == 0) {
		postgres_conn_within(&s->conn, POSTGRES_CALL_MS);
		rc = postgres_conn_open(&s->conn, &target, diag);
	}
	postgres_target_done(&target);
	if (rc == 0) {
		rc = reads ? postgres_schema_check(&s->conn, diag)
			   : postgres_schema_init(&s->conn, diag);
	}
	if (rc < 0) {
		postgres_free(&s->store);
		return rc;
	}
	*ret_store = &s->store;
	return 0;
}

int postgres_open(struct str url, struct store **ret_store, struct diag *diag)
{
	return open_at(url, false, ret_store, diag);
}

int postgres_open_reader(struct str url, struct store **ret_store, struct diag *diag)
{
	return open_at(url, true, ret_store, diag);
}
