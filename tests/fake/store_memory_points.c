/* Metric points of the store in memory. */
#include "tests/fake/store_memory_parts.h"

#include <errno.h>
#include <stdlib.h>

static void run_done(struct store_points *run)
{
	memory_free_text(&run->instance_id);
	memory_free_text(&run->bytes);
}

static int run_copy(const struct store_points *from, struct store_points *ret_copy)
{
	struct store_points copy = {.period_s = from->period_s, .start_s = from->start_s};
	if (memory_copy_text(memory_filled(from->instance_id), &copy.instance_id) < 0 ||
		memory_copy_text(memory_filled(from->bytes), &copy.bytes) < 0) {
		run_done(&copy);
		return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

int memory_points_copy(const struct memory_points *from, struct memory_points *ret_points)
{
	struct memory_points points = {.runs = calloc(from->n + 1, sizeof *points.runs)};
	if (!points.runs) {
		return -ENOMEM;
	}
	for (; points.n < from->n; points.n++) {
		if (run_copy(&from->runs[points.n], &points.runs[points.n]) < 0) {
			memory_points_done(&points);
			return -ENOMEM;
		}
	}
	*ret_points = points;
	return 0;
}

void memory_points_done(struct memory_points *points)
{
	for (size_t i = 0; i < points->n; i++) {
		run_done(&points->runs[i]);
	}
	free(points->runs);
	*points = (struct memory_points){0};
}

static int order_of(const struct store_points *a, const struct store_points *b)
{
	if (a->period_s != b->period_s) {
		return a->period_s < b->period_s ? -1 : 1;
	}
	if (a->start_s != b->start_s) {
		return a->start_s < b->start_s ? -1 : 1;
	}
	return str_cmp(a->instance_id, b->instance_id);
}

/* Where the run is, or where it would be. */
static size_t find(
	const struct memory_points *points, const struct store_points *run, bool *ret_there)
{
	size_t low = 0;
	size_t high = points->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = order_of(&points->runs[middle], run);
		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	*ret_there = false;
	return low;
}

/* Takes the run, whatever it returns. */
static int put_run(struct memory_points *points, struct store_points *run)
{
	bool there;
	size_t at = find(points, run, &there);
	if (there) {
		run_done(&points->runs[at]);
		points->runs[at] = *run;
		return 0;
	}
	void *grown = realloc(points->runs, (points->n + 1) * sizeof *points->runs);
	if (!grown) {
		run_done(run);
		return -ENOMEM;
	}
	points->runs = grown;
	struct store_points *place = points->runs + at;
	memmove(place + 1, place, (points->n - at) * sizeof *place);
	*place = *run;
	points->n++;
	return 0;
}

/* --- the contract ---------------------------------------------------------------------------- */

int memory_points_put(struct store *store, const struct store_points *points, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	struct store_points copy;
	TRY(memory_change_call(m, diag));
	if (run_copy(points, &copy) < 0 || put_run(&m->work.points, &copy) < 0) {
		return memory_lose(m, diag);
	}
	return 0;
}

int memory_points_get(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_points *points = &memory_readable(memory_of(store))->points;
	struct store_points key = {
		.instance_id = instance_id, .period_s = period_s, .start_s = start_s};
	bool there;
	size_t at = find(points, &key, &there);
	if (!there) {
		return diag_set(diag, E_NOTFOUND, "no points of \"%.*s\" at that time",
			STR_FMT(instance_id));
	}
	int rc = on_points(ctx, &points->runs[at]);
	return rc < 0 ? rc : 0;
}

int memory_points_each(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t from_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_points *points = &memory_readable(memory_of(store))->points;
	for (size_t i = 0; i < points->n; i++) {
		const struct store_points *run = &points->runs[i];
		if (run->period_s == period_s && run->start_s >= from_s && run->start_s < until_s &&
			str_eq(run->instance_id, instance_id)) {
			TRY(on_points(ctx, run));
		}
	}
	return 0;
}

int memory_points_before(struct store *store, uint32_t period_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_points *points = &memory_readable(memory_of(store))->points;
	for (size_t i = 0; i < points->n; i++) {
		const struct store_points *run = &points->runs[i];
		int rc = 0;
		if (run->period_s == period_s && run->start_s < until_s) {
			rc = on_points(ctx, run);
		}
		if (rc != 0) {
			return rc;
		}
	}
	return 0;
}

int memory_points_delete(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, struct diag *diag)
{
	TRY(memory_change_call(memory_of(store), diag));
	struct memory_points *points = &memory_of(store)->work.points;
	struct store_points key = {
		.instance_id = instance_id, .period_s = period_s, .start_s = start_s};
	bool there;
	size_t at = find(points, &key, &there);
	if (there) {
		struct store_points *place = points->runs + at;
		run_done(place);
		points->n--;
		memmove(place, place + 1, (points->n - at) * sizeof *place);
	}
	return 0;
}

int memory_points_instances(struct store *store,
	int (*on_instance)(void *ctx, struct str instance_id), void *ctx, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_points *points = &memory_readable(memory_of(store))->points;
	struct str last = STR_EMPTY;
	for (;;) { /* the next higher one each time: slow, and short */
		struct str next = STR_EMPTY;
		for (size_t i = 0; i < points->n; i++) {
			struct str id = points->runs[i].instance_id;
			if ((!last.p || str_cmp(id, last) > 0) &&
				(!next.p || str_cmp(id, next) < 0)) {
				next = id;
			}
		}
		if (!next.p) {
			return 0;
		}
		last = next;
		TRY(on_instance(ctx, last));
	}
}
