#include "control/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "control/host_row.h"
#include "control/points.h"

#define MINUTES      (points_grains[POINTS_60_S].period_s)
#define START_AT_END INT64_MAX

struct item {
	char *id; /* as the copy has it */
	char *bytes;
	size_t n_bytes;
	int64_t start_s;
};

struct items {
	struct item *v;
	size_t n;
	size_t cap;
	size_t most; /* take() */
};

static void items_done(struct items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		free(items->v[i].id);
		free(items->v[i].bytes);
	}
	free(items->v);
}

static int on_points(void *ctx, const struct store_points *points)
{
	struct items *items = ctx;
	struct item *v = array_room(items->v, items->n, &items->cap, sizeof *v);
	if (!v) {
		return -ENOMEM;
	}
	items->v = v;
	struct item *item = &items->v[items->n++];
	*item = (struct item){.id = str_dup(points->instance_id),
		.bytes = str_dup(points->bytes),
		.n_bytes = points->bytes.n,
		.start_s = points->start_s};
	return item->id && item->bytes ? 0 : -ENOMEM;
}

static int on_open(void *ctx, const struct store_points *points)
{
	const struct items *items = ctx;
	if (outbox_is_closed(points->instance_id)) {
		return 0;
	}
	return items->n == items->most ? 1 : on_points(ctx, points);
}

/* Those of no batch, the oldest first. */
static int take(struct store *copy, int64_t until_s, struct items *items, struct diag *diag)
{
	int rc = copy->ops->points_before(copy, MINUTES, until_s, on_open, items, diag);
	return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
}

struct ids {
	char **v;
	size_t n;
	size_t cap;
};

static void ids_done(struct ids *ids)
{
	for (size_t i = 0; i < ids->n; i++) {
		free(ids->v[i]);
	}
	free(ids->v);
}

/* They come first: OUTBOX_CLOSED is less than anything in an id. */
static int on_closed_id(void *ctx, struct str id)
{
	struct ids *ids = ctx;
	if (!outbox_is_closed(id)) {
		return E_AGAIN;
	}
	char **v = array_room(ids->v, ids->n, &ids->cap, sizeof *v);
	if (!v) {
		return -ENOMEM;
	}
	ids->v = v;
	ids->v[ids->n] = str_dup(id);
	return ids->v[ids->n++] ? 0 : -ENOMEM;
}

/* Those of the batch that is on its way, if there is one; what else there is, however much, is not read. */
static int take_batch(struct store *copy, struct items *items, struct diag *diag)
{
	CLEANUP(ids_done) struct ids ids = {0};
	int rc = copy->ops->points_instances(copy, on_closed_id, &ids, diag);
	rc = rc == E_AGAIN ? 0 : rc;
	for (size_t i = 0; rc == 0 && i < ids.n; i++) {
		rc = copy->ops->points_each(copy, str_of(ids.v[i]), MINUTES, INT64_MIN, INT64_MAX,
			on_points, items, diag);
	}
	return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
}

static void set_recorded(struct store_host *host, const void *ctx)
{
	host->recorded = *(const uint64_t *)ctx;
}

/* --- closing --------------------------------------------------------------------------------- */

static int close_run(struct store *copy, const struct item *item, struct diag *diag)
{
	CLEANUP(buf_done) struct buf id = BUF_EMPTY;
	buf_add_char(&id, OUTBOX_CLOSED);
	buf_add(&id, str_of(item->id));
	if (buf_status(&id) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	const struct store_points points = {.instance_id = buf_str(&id),
		.period_s = MINUTES,
		.start_s = item->start_s,
		.bytes = {item->bytes, item->n_bytes}};
	TRY(copy->ops->points_put(copy, &points, diag));
	return copy->ops->points_delete(copy, str_of(item->id), MINUTES, item->start_s, diag);
}

/* A new batch, if there is something to send. */
static int close_batch(
	struct store *copy, struct str host, uint64_t number, unsigned most, struct diag *diag)
{
	CLEANUP(items_done) struct items items = {.most = most};
	TRY(take(copy, START_AT_END, &items, diag));
	if (items.n == 0) {
		return 0;
	}
	TRY(copy->ops->begin(copy, diag));
	int rc = host_row_change(copy, host, set_recorded, &number, diag);
	for (size_t i = 0; rc == 0 && i < items.n; i++) {
		rc = close_run(copy, &items.v[i], diag);
	}
	return store_end(copy, rc, diag);
}

/* --- sending --------------------------------------------------------------------------------- */

struct load {
	struct points_run *run;
	int rc;
};

static int on_load(void *ctx, const struct store_points *points)
{
	struct load *load = ctx;
	load->rc = points_decode(load->run, POINTS_60_S, points->start_s, points->bytes);
	return 0;
}

static void add_points(struct points_run *all, const struct points_run *more)
{
	for (unsigned slot = 0; slot < points_slots(POINTS_60_S); slot++) {
		for (unsigned metric = 0; metric < POINTS_METRICS; metric++) {
			if (more->at[slot][metric].n) {
				points_add(all, points_time(more, slot), metric,
					&more->at[slot][metric]);
			}
		}
	}
}

/*
 * What the database will have: its run and this one. Of two halves of one minute, one sample. Appends
 * nothing when one of them can't be read.
 */
static int merge_run(
	struct store *database, const struct item *item, struct buf *ret_bytes, struct diag *diag)
{
	struct points_run all, more;
	struct load load = {.run = &all};
	struct str id = str_from(str_of(item->id), 1);
	points_init(&all, POINTS_60_S, item->start_s);
	int rc = database->ops->points_get(
		database, id, MINUTES, item->start_s, on_load, &load, diag);
	TRY(rc == E_NOTFOUND ? 0 : rc);
	if (load.rc < 0 || points_decode(&more, POINTS_60_S, item->start_s,
				   (struct str){item->bytes, item->n_bytes}) < 0) {
		return 0;
	}
	add_points(&all, &more);
	return points_encode(&all, ret_bytes) < 0 ? diag_set(diag, -ENOMEM, "out of memory") : 0;
}

/* First all is read, then all is written: what is written need not be waited for one by one. */
static int merge_batch(struct store *database, const struct items *items, struct buf *merged,
	size_t *ret_damaged, struct diag *diag)
{
	for (size_t i = 0; i < items->n; i++) {
		TRY(merge_run(database, &items->v[i], &merged[i], diag));
		*ret_damaged += merged[i].n == 0;
	}
	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->v[i];
		const struct store_points points = {.instance_id = str_from(str_of(item->id), 1),
			.period_s = MINUTES,
			.start_s = item->start_s,
			.bytes = buf_str(&merged[i])};
		TRY(merged[i].n ? database->ops->points_put(database, &points, diag) : 0);
	}
	return 0;
}

/* Both in one transaction, in which nobody else sends for this host: 0 when another one has. */
static int add_and_record(struct store *database, struct str host, uint64_t number,
	const struct items *items, struct buf *merged, size_t *ret_damaged, struct diag *diag)
{
	uint64_t sent;
	TRY(host_row_recorded(database, host, &sent, diag));
	if (sent >= number) {
		return 0;
	}
	TRY(merge_batch(database, items, merged, ret_damaged, diag));
	TRY(host_row_change(database, host, set_recorded, &number, diag));
	return 1;
}

/* ret_damaged: how many runs could not be read, here or there; they are left out. */
static int add_batch(struct store *database, struct str host, uint64_t number,
	const struct items *items, size_t *ret_damaged, struct diag *diag)
{
	struct buf *merged = calloc(items->n + 1, sizeof *merged); /* none is no failure */
	int rc = merged ? database->ops->begin(database, diag)
			: diag_set(diag, -ENOMEM, "out of memory");
	if (rc == 0) {
		rc = add_and_record(database, host, number, items, merged, ret_damaged, diag);
		if (rc == 0) {
			database->ops->rollback(database);
		} else {
			rc = store_end(database, rc, diag);
		}
	}
	for (size_t i = 0; merged && i < items->n; i++) {
		buf_done(&merged[i]);
	}
	free(merged);
	return rc;
}

static int forget(struct store *copy, const struct items *items, struct diag *diag)
{
	TRY(copy->ops->begin(copy, diag));
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < items->n; i++) {
		const struct item *item = &items->v[i];
		rc = copy->ops->points_delete(copy, str_of(item->id), MINUTES, item->start_s, diag);
	}
	return store_end(copy, rc, diag);
}

int outbox_send(struct store *copy, struct store *database, struct str host, unsigned most,
	struct diag *diag)
{
	CLEANUP(items_done) struct items batch = {0};
	CLEANUP(items_done) struct items one = {.most = 1};
	uint64_t number, sent;
	size_t damaged = 0;
	TRY(take_batch(copy, &batch, diag));
	TRY(batch.n ? 0 : take(copy, START_AT_END, &one, diag));
	if (batch.n == 0 && one.n == 0) {
		return 0; /* the database is not asked */
	}
	TRY(host_row_recorded(copy, host, &number, diag));
	TRY(host_row_recorded(database, host, &sent, diag));
	if (batch.n == 0) {
		/* A copy that was made anew knows no numbers: theirs go on behind the database's. */
		number = (sent > number ? sent : number) + 1;
		TRY(close_batch(copy, host, number, most, diag));
		TRY(take_batch(copy, &batch, diag));
	}
	if (sent < number) {
		TRY(add_batch(database, host, number, &batch, &damaged, diag));
	}
	TRY(forget(copy, &batch, diag));
	if (damaged) {
		return diag_set(diag, E_DAMAGED,
			"%zu runs of metric points could not be read and are lost", damaged);
	}
	return (int)batch.n;
}

/* --- forgetting ------------------------------------------------------------------------------ */

static uint64_t samples_of(const struct item *item)
{
	struct points_run run;
	uint64_t n = 0;
	if (points_decode(&run, POINTS_60_S, item->start_s,
		    (struct str){item->bytes, item->n_bytes}) < 0) {
		return 0;
	}
	for (unsigned slot = 0; slot < points_slots(POINTS_60_S); slot++) {
		for (unsigned metric = 0; metric < POINTS_METRICS; metric++) {
			n += run.at[slot][metric].n;
		}
	}
	return n;
}

int outbox_forget(
	struct store *copy, int64_t before_s, unsigned most, uint64_t *ret_lost, struct diag *diag)
{
	CLEANUP(items_done) struct items items = {.most = most};
	TRY(take(copy, before_s, &items, diag));
	if (items.n) {
		TRY(forget(copy, &items, diag));
	}
	*ret_lost = 0;
	for (size_t i = 0; i < items.n; i++) {
		*ret_lost += samples_of(&items.v[i]);
	}
	return 0;
}
