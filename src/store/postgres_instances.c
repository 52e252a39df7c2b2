/* Instances, and what changed of a host's. */
#include "store/postgres_store.h"

#include <errno.h>

#include "store/row_sum.h"

#define ROW_COLUMNS                                                                       \
	"name, spec, file_spec, id, host, next_host, token_epoch, created_s, launched_s," \
	" changed_s, revision, sum"

const char *const postgres_instances_sql[POSTGRES_STATEMENTS] = {
	/* Always one row: what is remembered of the name anywhere, and what there is of it. */
	[INSTANCE_LOOK] =
		("SELECT coalesce((SELECT max(revision) FROM deleted WHERE name = $1), 0),"
		 " revision, host FROM (SELECT 1) one LEFT JOIN instance ON name = $1"),
	[INSTANCE_LOCK] = "SELECT revision FROM instance WHERE name = $1 FOR UPDATE",
	[INSTANCE_ADD] =
		("INSERT INTO instance (" ROW_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7,"
		 " $8, $9, $10, $11, $12) ON CONFLICT (name) DO NOTHING"),
	[INSTANCE_REPLACE] = ("UPDATE instance SET spec = $2, file_spec = $3, id = $4, host = $5,"
			      " next_host = $6, token_epoch = $7, created_s = $8, launched_s = $9,"
			      " changed_s = $10, revision = $11, sum = $12 WHERE name = $1"),
	[INSTANCE_DELETE] = "DELETE FROM instance WHERE name = $1",
	[INSTANCE_GET] = ("SELECT " ROW_COLUMNS " FROM instance WHERE name = $1"),
	[INSTANCE_FIND] = ("SELECT " ROW_COLUMNS " FROM instance WHERE id = $1 AND id <> ''"
			   " ORDER BY name LIMIT 1"),
	/* Nothing comes before '', and it may be a name. */
	[INSTANCE_EACH] = ("SELECT " ROW_COLUMNS " FROM instance WHERE name >= $1"
			   " AND (name > $1 OR $1 = '') ORDER BY name" POSTGRES_PAGE),
	[INSTANCE_OF] = ("SELECT " ROW_COLUMNS " FROM instance WHERE name >= $1"
			 " AND (name > $1 OR $1 = '') AND host = $2 ORDER BY name" POSTGRES_PAGE),
	[CHANGED_SINCE] = ("SELECT " ROW_COLUMNS " FROM instance WHERE host = $1 AND revision > $2"
			   " UNION ALL SELECT name, NULL, NULL, '', host, '', 0, 0, 0, 0, revision,"
			   " sum FROM deleted WHERE host = $1 AND revision > $2"
			   " ORDER BY revision" POSTGRES_PAGE),
	[DELETED_PUT] = ("INSERT INTO deleted (host, name, revision, sum) VALUES ($1, $2, $3, $4)"
			 " ON CONFLICT (host, name) DO UPDATE SET revision = $3, sum = $4"),
	[DELETED_REMOVE] = "DELETE FROM deleted WHERE host = $1 AND name = $2",
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

/* --- what there is of a name ----------------------------------------------------------------- */

struct present {
	uint64_t revision; /* 0: nothing */
	uint64_t highest;  /* that ever was one of this name, on any host */
	bool remembered;   /* on some host it was deleted, or it went from there */
	struct buf host;
};

static void present_done(struct present *present)
{
	buf_done(&present->host);
}

static int take_present(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	struct present *present = ctx;
	(void)s;
	uint64_t gone = row_number(row, 0);
	present->revision = row_text(row, 1).p ? row_number(row, 1) : 0;
	present->highest = gone > present->revision ? gone : present->revision;
	present->remembered = gone > 0;
	return postgres_keep(&present->host, row_text(row, 2), diag);
}

static int look(
	struct postgres_store *s, struct str name, struct present *present, struct diag *diag)
{
	struct postgres_params params = {0};
	postgres_add(&params, name);
	return postgres_lose(
		s, postgres_each(s, INSTANCE_LOOK, &params, take_present, present, diag));
}

static int take_revision(
	struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	(void)s;
	(void)diag;
	*(uint64_t *)ctx = row_number(row, 0);
	return 0;
}

/* 1 when it is still what was looked at, and stays so until the end; 0: look again. */
static int lock(
	struct postgres_store *s, struct str name, const struct present *present, struct diag *diag)
{
	struct postgres_params params = {0};
	uint64_t revision = 0;
	if (present->revision == 0) {
		return 1; /* adding it will tell */
	}
	postgres_add(&params, name);
	TRY(postgres_each(s, INSTANCE_LOCK, &params, take_revision, &revision, diag));
	return revision == present->revision;
}

/* --- changes --------------------------------------------------------------------------------- */

static int stale(const struct postgres_store *s, struct str name, struct diag *diag)
{
	return diag_set(diag, E_STALE, "store %s: instance \"%.*s\" has changed since",
		s->conn.server, STR_FMT(name));
}

/* The host does not have one of that name any more. */
static int put_deleted(struct postgres_store *s, struct str host, struct str name,
	uint64_t revision, struct diag *diag)
{
	struct postgres_params params = {0};
	postgres_add_name(&params, host);
	postgres_add_name(&params, name);
	postgres_add_number(&params, revision);
	postgres_add_number(&params, row_sum_deleted(host, name, revision));
	return postgres_change(s, DELETED_PUT, &params, NULL, diag);
}

static int remove_deleted(
	struct postgres_store *s, struct str host, struct str name, struct diag *diag)
{
	struct postgres_params params = {0};
	postgres_add(&params, host);
	postgres_add(&params, name);
	return postgres_change(s, DELETED_REMOVE, &params, NULL, diag);
}

static int put_row(struct postgres_store *s, enum postgres_statement which,
	const struct store_instance *row, uint64_t *ret_rows, struct diag *diag)
{
	struct postgres_params params = {0};
	postgres_add_name(&params, row->name);
	postgres_add(&params, row->spec);
	postgres_add(&params, row->file_spec);
	postgres_add_name(&params, row->id);
	postgres_add_name(&params, row->host);
	postgres_add_name(&params, row->next_host);
	postgres_add_number(&params, row->token_epoch);
	postgres_add_number(&params, (uint64_t)row->created_s);
	postgres_add_number(&params, (uint64_t)row->launched_s);
	postgres_add_number(&params, (uint64_t)row->changed_s);
	postgres_add_number(&params, row->revision);
	postgres_add_number(&params, row_sum_instance(row));
	return postgres_change(s, which, &params, ret_rows, diag);
}

/*
 * The counters first, in the order of their hosts, then the row: so two that change rows of one host, or
 * move one to and fro, wait for each other in one order.
 */
static int raise_both(struct postgres_store *s, struct str old, struct str new, uint64_t above,
	uint64_t *ret_old, uint64_t *ret_new, struct diag *diag)
{
	if (str_cmp(old, new) < 0) {
		TRY(postgres_raise(s, old, above, ret_old, diag));
		return postgres_raise(s, new, above, ret_new, diag);
	}
	TRY(postgres_raise(s, new, above, ret_new, diag));
	return postgres_raise(s, old, above, ret_old, diag);
}

/* 1 when it is put; 0: another was faster, look again. */
static int try_put(struct postgres_store *s, struct store_instance *row,
	const struct present *present, struct diag *diag)
{
	struct str old = not_null(buf_str(&present->host));
	bool moves = present->revision > 0 && !str_eq(old, row->host);
	uint64_t left = 0;
	uint64_t rows = 0;
	if (moves) {
		TRY(raise_both(s, old, row->host, present->highest, &left, &row->revision, diag));
	} else {
		TRY(postgres_raise(s, row->host, present->highest, &row->revision, diag));
	}
	int rc = lock(s, row->name, present, diag);
	if (rc <= 0) {
		return rc;
	}
	TRY(put_row(s, present->revision ? INSTANCE_REPLACE : INSTANCE_ADD, row, &rows, diag));
	if (rows == 0) {
		return 0;
	}
	if (moves) {
		TRY(put_deleted(s, old, row->name, left, diag));
	}
	/* Of one that is new: it may have come and gone since it was looked for. */
	if (present->remembered || present->revision == 0) {
		TRY(remove_deleted(s, row->host, row->name, diag));
	}
	return 1;
}

int postgres_instance_put(
	struct store *store, const struct store_instance *row, uint64_t base, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	TRY(postgres_change_call(s, diag));
	struct store_instance kept = *row;
	kept.name = not_null(row->name);
	kept.spec = not_null(row->spec);
	kept.id = not_null(row->id);
	kept.host = not_null(row->host);
	kept.next_host = not_null(row->next_host);
	CLEANUP(present_done) struct present present = {0};
	int rc = 0;
	while (rc == 0) { /* each time another was faster; the deadline ends it */
		TRY(look(s, kept.name, &present, diag));
		if (!store_base_fits(base, present.revision)) {
			return stale(s, kept.name, diag);
		}
		rc = try_put(s, &kept, &present, diag);
	}
	return rc < 0 ? rc : 0;
}

/* 1 when it is deleted; 0: another was faster, look again. */
static int try_delete(
	struct postgres_store *s, struct str name, const struct present *present, struct diag *diag)
{
	struct postgres_params params = {0};
	struct str host = not_null(buf_str(&present->host));
	uint64_t revision = 0;
	TRY(postgres_raise(s, host, present->highest, &revision, diag));
	int rc = lock(s, name, present, diag);
	if (rc <= 0) {
		return rc;
	}
	postgres_add(&params, name);
	TRY(postgres_change(s, INSTANCE_DELETE, &params, NULL, diag));
	TRY(put_deleted(s, host, name, revision, diag));
	return 1;
}

int postgres_instance_delete(struct store *store, struct str name, uint64_t base, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	TRY(postgres_change_call(s, diag));
	CLEANUP(present_done) struct present present = {0};
	int rc = 0;
	while (rc == 0) {
		TRY(look(s, not_null(name), &present, diag));
		if (present.revision == 0) {
			return diag_set(diag, E_NOTFOUND, "no instance \"%.*s\"", STR_FMT(name));
		}
		if (!store_base_fits(base, present.revision)) {
			return stale(s, name, diag);
		}
		rc = try_delete(s, not_null(name), &present, diag);
	}
	return rc < 0 ? rc : 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static int read_row(struct postgres_store *s, const PGresult *result,
	struct store_instance *ret_row, struct diag *diag)
{
	uint64_t epoch = row_number(result, TOKEN_EPOCH);
	struct store_instance row = {
		.name = row_text(result, NAME),
		.spec = row_text(result, SPEC),
		.file_spec = row_text(result, FILE_SPEC),
		.id = row_text(result, ID),
		.host = row_text(result, HOST),
		.next_host = row_text(result, NEXT_HOST),
		.token_epoch = (uint32_t)epoch,
		.created_s = (int64_t)row_number(result, CREATED_S),
		.launched_s = (int64_t)row_number(result, LAUNCHED_S),
		.changed_s = (int64_t)row_number(result, CHANGED_S),
		.revision = row_number(result, REVISION),
	};
	uint64_t sum = row.spec.p ? row_sum_instance(&row)
				  : row_sum_deleted(row.host, row.name, row.revision);
	if (sum != row_number(result, SUM) || epoch > UINT32_MAX) {
		return postgres_damaged(s, row.name, diag);
	}
	*ret_row = row;
	return 0;
}

struct reader {
	int (*on_row)(void *ctx, const struct store_instance *row);
	void *ctx;
	unsigned n;        /* of this page */
	struct buf name;   /* of the last row */
	uint64_t revision; /* of the last row */
	bool partial;      /* a damaged row was left out */
	struct diag why;   /* the first */
};

static void reader_done(struct reader *reader)
{
	buf_done(&reader->name);
}

static int on_step(struct postgres_store *s, const PGresult *result, void *ctx, struct diag *diag)
{
	struct reader *reader = ctx;
	struct store_instance row;
	TRY(read_row(s, result, &row, diag));
	reader->n++;
	int rc = reader->on_row(reader->ctx, &row);
	return rc < 0 ? rc : 0;
}

/* Of a page: the other rows don't wait until somebody has mended a damaged one. */
static int on_page_step(
	struct postgres_store *s, const PGresult *result, void *ctx, struct diag *diag)
{
	struct reader *reader = ctx;
	struct store_instance row;
	reader->n++;
	reader->revision = row_number(result, REVISION);
	if (reader->n == POSTGRES_PAGE_ROWS) {
		TRY(postgres_keep(&reader->name, row_text(result, NAME), diag));
	}
	int rc = read_row(s, result, &row, reader->partial ? NULL : &reader->why);
	if (rc < 0) {
		reader->partial = true;
		return 0;
	}
	rc = reader->on_row(reader->ctx, &row);
	return rc < 0 ? rc : 0;
}

/* All has been handed on that can be. */
static int end_of(const struct reader *reader, struct diag *diag)
{
	return reader->partial ? diag_set(diag, E_PARTIAL, "%s", reader->why.text) : 0;
}

int postgres_instance_get(struct store *store, struct str name,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	CLEANUP(reader_done) struct reader reader = {.on_row = on_row, .ctx = ctx};
	TRY(postgres_read_call(s, diag));
	postgres_add(&params, not_null(name));
	TRY(postgres_each(s, INSTANCE_GET, &params, on_step, &reader, diag));
	if (reader.n == 0) {
		return diag_set(diag, E_NOTFOUND, "no instance \"%.*s\"", STR_FMT(name));
	}
	return 0;
}

int postgres_instance_find(struct store *store, struct str id,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	CLEANUP(reader_done) struct reader reader = {.on_row = on_row, .ctx = ctx};
	TRY(postgres_read_call(s, diag));
	postgres_add(&params, not_null(id));
	TRY(postgres_each(s, INSTANCE_FIND, &params, on_step, &reader, diag));
	if (reader.n == 0) {
		return diag_set(diag, E_NOTFOUND, "no instance with the id \"%.*s\"", STR_FMT(id));
	}
	return 0;
}

int postgres_instance_each(struct store *store, struct str host, struct str after,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	CLEANUP(reader_done) struct reader reader = {.on_row = on_row, .ctx = ctx};
	TRY(postgres_read_call(s, diag));
	after = not_null(after);
	do {
		struct postgres_params params = {0};
		postgres_add(&params, after);
		if (host.p) {
			postgres_add(&params, host);
		}
		reader.n = 0;
		TRY(postgres_each(s, host.p ? INSTANCE_OF : INSTANCE_EACH, &params, on_page_step,
			&reader, diag));
		after = buf_str(&reader.name);
	} while (reader.n == POSTGRES_PAGE_ROWS);
	return end_of(&reader, diag);
}

int postgres_changed_since(struct store *store, struct str host, uint64_t revision,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	CLEANUP(reader_done)
	struct reader reader = {.on_row = on_row, .ctx = ctx, .revision = revision};
	TRY(postgres_read_call(s, diag));
	do {
		struct postgres_params params = {0};
		postgres_add(&params, not_null(host));
		postgres_add_at_most(&params, reader.revision);
		reader.n = 0;
		TRY(postgres_each(s, CHANGED_SINCE, &params, on_page_step, &reader, diag));
	} while (reader.n == POSTGRES_PAGE_ROWS);
	return end_of(&reader, diag);
}
