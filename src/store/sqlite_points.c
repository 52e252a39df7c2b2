/* Runs of metric points. */
#include "store/sqlite_store.h"

#include "store/sum.h"

#define POINTS_COLUMNS "instance_id, series.number, series.sum, period_s, start_s, bytes"

const char *const sqlite_points_sql[SQLITE_STATEMENTS] = {
	[SERIES_GET] = "SELECT number, sum FROM series WHERE instance_id = ?1",
	[SERIES_NEXT] = "SELECT 1 + coalesce(max(number), 0) FROM series",
	[SERIES_ADD] = "INSERT INTO series (number, instance_id, sum) VALUES (?1, ?2, ?3)",
	[SERIES_EACH] = "SELECT instance_id, number, sum FROM series ORDER BY instance_id",
	[SERIES_PRUNE] = ("DELETE FROM series WHERE number = ?1"
			  " AND NOT EXISTS (SELECT 1 FROM points WHERE series = ?1)"),
	[POINTS_PUT] = ("INSERT INTO points (series, period_s, start_s, bytes)"
			" VALUES (?1, ?2, ?3, ?4)"
			" ON CONFLICT (period_s, start_s, series) DO UPDATE SET bytes = ?4"),
	/* CROSS JOIN: in this order. */
	[POINTS_GET] = ("SELECT " POINTS_COLUMNS " FROM series CROSS JOIN points"
			" ON points.series = series.number"
			" WHERE instance_id = ?1 AND period_s = ?2 AND start_s = ?3"),
	[POINTS_EACH] =
		("SELECT " POINTS_COLUMNS " FROM series CROSS JOIN points"
		 " ON points.series = series.number WHERE instance_id = ?1 AND period_s = ?2"
		 " AND start_s >= ?3 AND start_s < ?4 ORDER BY start_s"),
	/* LEFT: points of no series are damage, not nothing. */
	[POINTS_BEFORE] = ("SELECT " POINTS_COLUMNS " FROM points LEFT JOIN series"
			   " ON series.number = points.series"
			   " WHERE period_s = ?1 AND start_s < ?2 ORDER BY start_s, points.series"),
	[POINTS_DELETE] = "DELETE FROM points WHERE series = ?1 AND period_s = ?2 AND start_s = ?3",
};

/* SERIES_EACH gives the first three. */
enum points_column { INSTANCE_ID, SERIES_NUMBER, SERIES_SUM, PERIOD_S, START_S, BYTES };

static uint64_t sum_series(uint64_t number, struct str instance_id)
{
	return sum_text(sum_number('p', number), instance_id);
}

/* 1 and the number, 0 when there is none, or an error. */
static int find_series(
	struct sqlite_store *s, struct str instance_id, uint64_t *ret_number, struct diag *diag)
{
	sqlite3_stmt *stmt = s->stmts[SERIES_GET];
	(void)stmt_bind_text(stmt, 1, instance_id); /* what is too big is not there */
	int code = sqlite_db_step(stmt);
	int rc = code == SQLITE_ROW;
	if (rc == 1 && sum_series(stmt_number(stmt, 0), instance_id) != stmt_number(stmt, 1)) {
		rc = sqlite_damaged(s, instance_id, diag);
	} else if (rc == 1) {
		*ret_number = stmt_number(stmt, 0);
	} else if (code != SQLITE_DONE) {
		rc = sqlite_db_fault(&s->db, code, diag);
	}
	stmt_end(stmt);
	return rc;
}

static int add_series(
	struct sqlite_store *s, struct str instance_id, uint64_t *ret_number, struct diag *diag)
{
	uint64_t number;
	TRY(sqlite_number(s, SERIES_NEXT, &number, diag));
	sqlite3_stmt *stmt = s->stmts[SERIES_ADD];
	int code = stmt_bind_text(stmt, 2, instance_id);
	stmt_bind_number(stmt, 1, number);
	stmt_bind_number(stmt, 3, sum_series(number, instance_id));
	TRY(sqlite_change(s, SERIES_ADD, code, diag));
	*ret_number = number;
	return 0;
}

int sqlite_points_put(struct store *store, const struct store_points *points, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	uint64_t series = 0;
	int rc = find_series(s, not_null(points->instance_id), &series, diag);
	if (rc < 0) {
		return sqlite_lose(s, rc);
	}
	if (rc == 0) {
		TRY(add_series(s, not_null(points->instance_id), &series, diag));
	}
	sqlite3_stmt *stmt = s->stmts[POINTS_PUT];
	stmt_bind_number(stmt, 1, series);
	stmt_bind_number(stmt, 2, points->period_s);
	stmt_bind_number(stmt, 3, (uint64_t)points->start_s);
	int code = stmt_bind_bytes(stmt, 4, not_null(points->bytes));
	return sqlite_change(s, POINTS_PUT, code, diag);
}

int sqlite_points_delete(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	uint64_t series = 0;
	int rc = find_series(s, not_null(instance_id), &series, diag);
	if (rc <= 0) {
		return rc < 0 ? sqlite_lose(s, rc) : 0;
	}
	sqlite3_stmt *stmt = s->stmts[POINTS_DELETE];
	stmt_bind_number(stmt, 1, series);
	stmt_bind_number(stmt, 2, period_s);
	stmt_bind_number(stmt, 3, (uint64_t)start_s);
	TRY(sqlite_change(s, POINTS_DELETE, SQLITE_OK, diag));
	stmt_bind_number(s->stmts[SERIES_PRUNE], 1, series);
	return sqlite_change(s, SERIES_PRUNE, SQLITE_OK, diag);
}

/* --- reading --------------------------------------------------------------------------------- */

struct reader {
	int (*on_points)(void *ctx, const struct store_points *points);
	void *ctx;
	bool any;
};

/* What the callback says. */
static int on_step(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	struct reader *reader = ctx;
	struct store_points points = {
		.instance_id = stmt_text(stmt, INSTANCE_ID),
		.period_s = (uint32_t)stmt_number(stmt, PERIOD_S),
		.start_s = sqlite3_column_int64(stmt, START_S),
		.bytes = stmt_bytes(stmt, BYTES),
	};
	reader->any = true;
	TRY(sqlite_columns_status(s, diag));
	uint64_t sum = sum_series(stmt_number(stmt, SERIES_NUMBER), points.instance_id);
	if (sum != stmt_number(stmt, SERIES_SUM)) {
		return sqlite_damaged(s, points.instance_id, diag);
	}
	return reader->on_points(reader->ctx, &points);
}

/* Where only an error of the callback's ends it. */
static int on_every_step(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	int rc = on_step(s, stmt, ctx, diag);
	return rc < 0 ? rc : 0;
}

int sqlite_points_get(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct reader reader = {on_points, ctx, false};
	sqlite3_stmt *stmt = s->stmts[POINTS_GET];
	(void)stmt_bind_text(stmt, 1, not_null(instance_id)); /* what is too big is not there */
	stmt_bind_number(stmt, 2, period_s);
	stmt_bind_number(stmt, 3, (uint64_t)start_s);
	TRY(sqlite_each(s, POINTS_GET, on_every_step, &reader, diag));
	if (!reader.any) {
		return diag_set(diag, E_NOTFOUND, "no points of \"%.*s\" at that time",
			STR_FMT(instance_id));
	}
	return 0;
}

int sqlite_points_each(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t from_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct reader reader = {on_points, ctx, false};
	sqlite3_stmt *stmt = s->stmts[POINTS_EACH];
	(void)stmt_bind_text(stmt, 1, not_null(instance_id)); /* what is too big is not there */
	stmt_bind_number(stmt, 2, period_s);
	stmt_bind_number(stmt, 3, (uint64_t)from_s);
	stmt_bind_number(stmt, 4, (uint64_t)until_s);
	return sqlite_each(s, POINTS_EACH, on_every_step, &reader, diag);
}

int sqlite_points_before(struct store *store, uint32_t period_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct reader reader = {on_points, ctx, false};
	stmt_bind_number(s->stmts[POINTS_BEFORE], 1, period_s);
	stmt_bind_number(s->stmts[POINTS_BEFORE], 2, (uint64_t)until_s);
	return sqlite_each(s, POINTS_BEFORE, on_step, &reader, diag);
}

struct id_reader {
	int (*on_instance)(void *ctx, struct str instance_id);
	void *ctx;
};

static int on_series(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	struct id_reader *reader = ctx;
	struct str instance_id = stmt_text(stmt, INSTANCE_ID);
	TRY(sqlite_columns_status(s, diag));
	uint64_t sum = sum_series(stmt_number(stmt, SERIES_NUMBER), instance_id);
	if (sum != stmt_number(stmt, SERIES_SUM)) {
		return sqlite_damaged(s, instance_id, diag);
	}
	int rc = reader->on_instance(reader->ctx, instance_id);
	return rc < 0 ? rc : 0;
}

int sqlite_points_instances(struct store *store,
	int (*on_instance)(void *ctx, struct str instance_id), void *ctx, struct diag *diag)
{
	struct id_reader reader = {on_instance, ctx};
	return sqlite_each((struct sqlite_store *)store, SERIES_EACH, on_series, &reader, diag);
}
