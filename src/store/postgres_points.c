/* Runs of metric points. */
#include "store/postgres_store.h"

#include <errno.h>

#include "store/sum.h"

#define POINTS_COLUMNS "instance_id, period_s, start_s, bytes, sum"

const char *const postgres_points_sql[POSTGRES_STATEMENTS] = {
	[POINTS_PUT] = ("INSERT INTO points (" POINTS_COLUMNS ") VALUES ($1, $2, $3, $4, $5)"
			" ON CONFLICT (instance_id, period_s, start_s)"
			" DO UPDATE SET bytes = $4, sum = $5"),
	[POINTS_GET] = ("SELECT " POINTS_COLUMNS " FROM points"
			" WHERE instance_id = $1 AND period_s = $2 AND start_s = $3"),
	[POINTS_LOCK] = ("SELECT " POINTS_COLUMNS " FROM points"
			 " WHERE instance_id = $1 AND period_s = $2 AND start_s = $3 FOR UPDATE"),
	[POINTS_CLAIM] = "SELECT pg_advisory_xact_lock($1)",
	[POINTS_EACH] = ("SELECT " POINTS_COLUMNS " FROM points WHERE instance_id = $1"
			 " AND period_s = $2 AND start_s >= $3 AND start_s < $4 ORDER BY start_s"),
	/* After the last of the page before; $5: there is none. */
	[POINTS_BEFORE] = ("SELECT " POINTS_COLUMNS " FROM points WHERE period_s = $1"
			   " AND start_s < $2 AND start_s >= $3"
			   " AND (start_s > $3 OR instance_id > $4 OR $5 = 1)"
			   " ORDER BY start_s, instance_id" POSTGRES_PAGE),
	[POINTS_DELETE] = ("DELETE FROM points"
			   " WHERE instance_id = $1 AND period_s = $2 AND start_s = $3"),
	/* The next one each time, by the index: however many points each has. */
	[POINTS_INSTANCES] = ("WITH RECURSIVE id (id) AS ((SELECT instance_id FROM points WHERE"
			      " instance_id >= $1 AND (instance_id > $1 OR $2 = 1)"
			      " ORDER BY instance_id LIMIT 1) UNION ALL SELECT (SELECT instance_id"
			      " FROM points WHERE instance_id > id.id ORDER BY instance_id LIMIT 1)"
			      " FROM id WHERE id.id IS NOT NULL)"
			      " SELECT id FROM id WHERE id IS NOT NULL" POSTGRES_PAGE),
};

enum points_column { INSTANCE_ID, PERIOD_S, START_S, BYTES, SUM };

/* Whose and when; of the bytes it is the caller who knows whether they are whole. */
static uint64_t sum_of(const struct store_points *points)
{
	uint64_t sum = sum_text(sum_number('p', points->period_s), points->instance_id);
	return sum_number(sum, (uint64_t)points->start_s);
}

int postgres_points_put(struct store *store, const struct store_points *points, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	TRY(postgres_change_call(s, diag));
	struct store_points kept = *points;
	kept.instance_id = not_null(points->instance_id);
	postgres_add_name(&params, kept.instance_id);
	postgres_add_number(&params, kept.period_s);
	postgres_add_number(&params, (uint64_t)kept.start_s);
	postgres_add(&params, not_null(points->bytes));
	postgres_add_number(&params, sum_of(&kept));
	return postgres_queue(s, POINTS_PUT, &params, diag);
}

int postgres_points_delete(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	TRY(postgres_change_call(s, diag));
	postgres_add(&params, not_null(instance_id));
	postgres_add_number(&params, period_s);
	postgres_add_number(&params, (uint64_t)start_s);
	return postgres_queue(s, POINTS_DELETE, &params, diag);
}

/* --- reading --------------------------------------------------------------------------------- */

struct reader {
	int (*on_points)(void *ctx, const struct store_points *points);
	void *ctx;
	unsigned n;     /* of this page */
	struct buf id;  /* of the last row */
	int64_t last_s; /* when that starts */
};

static void reader_done(struct reader *reader)
{
	buf_done(&reader->id);
}

/* What the callback says. */
static int on_step(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	struct reader *reader = ctx;
	struct store_points points = {
		.instance_id = row_text(row, INSTANCE_ID),
		.period_s = (uint32_t)row_number(row, PERIOD_S),
		.start_s = (int64_t)row_number(row, START_S),
		.bytes = row_text(row, BYTES),
	};
	if (sum_of(&points) != row_number(row, SUM)) {
		return postgres_damaged(s, points.instance_id, diag);
	}
	reader->n++;
	reader->last_s = points.start_s;
	if (reader->n == POSTGRES_PAGE_ROWS) {
		TRY(postgres_keep(&reader->id, points.instance_id, diag));
	}
	return reader->on_points(reader->ctx, &points);
}

/* Where only an error of the callback's ends it. */
static int on_every_step(
	struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	int rc = on_step(s, row, ctx, diag);
	return rc < 0 ? rc : 0;
}

/* What is not there has no row to be locked: who may make it waits here for another who may. */
static int claim(struct postgres_store *s, struct str instance_id, uint32_t period_s,
	int64_t start_s, struct diag *diag)
{
	const struct store_points run = {
		.instance_id = instance_id, .period_s = period_s, .start_s = start_s};
	struct postgres_params params = {0};
	postgres_add_number(&params, sum_of(&run));
	return postgres_change(s, POINTS_CLAIM, &params, NULL, diag);
}

int postgres_points_get(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	CLEANUP(reader_done) struct reader reader = {.on_points = on_points, .ctx = ctx};
	enum postgres_statement which = s->begun ? POINTS_LOCK : POINTS_GET;
	TRY(postgres_read_call(s, diag));
	postgres_add(&params, not_null(instance_id));
	postgres_add_number(&params, period_s);
	postgres_add_number(&params, (uint64_t)start_s);
	TRY(postgres_each(s, which, &params, on_every_step, &reader, diag));
	if (reader.n == 0 && s->begun) {
		TRY(claim(s, not_null(instance_id), period_s, start_s, diag));
		TRY(postgres_each(s, which, &params, on_every_step, &reader, diag));
	}
	if (reader.n == 0) {
		return diag_set(diag, E_NOTFOUND, "no points of \"%.*s\" at that time",
			STR_FMT(instance_id));
	}
	return 0;
}

int postgres_points_each(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t from_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	CLEANUP(reader_done) struct reader reader = {.on_points = on_points, .ctx = ctx};
	TRY(postgres_read_call(s, diag));
	postgres_add(&params, not_null(instance_id));
	postgres_add_number(&params, period_s);
	postgres_add_number(&params, (uint64_t)from_s);
	postgres_add_number(&params, (uint64_t)until_s);
	return postgres_each(s, POINTS_EACH, &params, on_every_step, &reader, diag);
}

int postgres_points_before(struct store *store, uint32_t period_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	CLEANUP(reader_done)
	struct reader reader = {.on_points = on_points, .ctx = ctx, .last_s = INT64_MIN};
	TRY(postgres_read_call(s, diag));
	bool first = true;
	do {
		struct postgres_params params = {0};
		postgres_add_number(&params, period_s);
		postgres_add_number(&params, (uint64_t)until_s);
		postgres_add_number(&params, (uint64_t)reader.last_s);
		postgres_add(&params, not_null(buf_str(&reader.id)));
		postgres_add_number(&params, first);
		first = false;
		reader.n = 0;
		int rc = postgres_each(s, POINTS_BEFORE, &params, on_step, &reader, diag);
		if (rc != 0) {
			return rc;
		}
	} while (reader.n == POSTGRES_PAGE_ROWS);
	return 0;
}

struct id_reader {
	int (*on_instance)(void *ctx, struct str instance_id);
	void *ctx;
	unsigned n;
	struct buf id; /* of the last row */
};

static void id_reader_done(struct id_reader *reader)
{
	buf_done(&reader->id);
}

static int on_id(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	(void)s;
	struct id_reader *reader = ctx;
	struct str id = row_text(row, 0);
	if (++reader->n == POSTGRES_PAGE_ROWS) {
		TRY(postgres_keep(&reader->id, id, diag));
	}
	int rc = reader->on_instance(reader->ctx, id);
	return rc < 0 ? rc : 0;
}

int postgres_points_instances(struct store *store,
	int (*on_instance)(void *ctx, struct str instance_id), void *ctx, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	CLEANUP(id_reader_done) struct id_reader reader = {on_instance, ctx, 0, BUF_EMPTY};
	TRY(postgres_read_call(s, diag));
	bool first = true;
	do {
		struct postgres_params params = {0};
		postgres_add(&params, not_null(buf_str(&reader.id)));
		postgres_add_number(&params, first);
		first = false;
		reader.n = 0;
		TRY(postgres_each(s, POINTS_INSTANCES, &params, on_id, &reader, diag));
	} while (reader.n == POSTGRES_PAGE_ROWS);
	return 0;
}
