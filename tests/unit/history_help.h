/*
 * history_help - what the tests of the metric history share: three instances over either store, and
 *                what is read as text.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  a setup gives, teardown() takes
 * Secrets: none
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_UNIT_HISTORY_HELP_H
#define TELLTALE_UNIT_HISTORY_HELP_H

#include "tests/unit/metadata_help.h"

#include "control/history.h"
#include "tests/fake/store_memory.h"
#include "tests/unit/points_help.h"
#include "tests/unit/scratch.h"

#define WORKERS  2
#define MINUTE_S INT64_C(60)
#define HOUR_S   INT64_C(3600)
#define DAY_S    INT64_C(86400)
#define WEEK_S   (7 * DAY_S)
#define T        (2900 * WEEK_S) /* a run of any grain starts here */

struct fixture {
	struct scratch *scratch; /* NULL: the store is in memory */
	struct store *store;
	struct registry *registry;
	struct diag diag;
};

static const char *const names[] = {"web-1", "web-2", "db-1"};

#define N_NAMES (sizeof names / sizeof names[0])

/* --- the fixture ------------------------------------------------------------------------------- */

static inline void put_instance(struct fixture *f, unsigned i)
{
	char spec[96];
	(void)snprintf(spec, sizeof spec, "{'name': '%s', 'match': {'addresses': ['10.0.0.%u']}}",
		names[i], i + 1);
	assert_int_equal(registry_put(f->registry, help_instance(spec), &f->diag), 0);
}

static inline void make_registry(struct fixture *f)
{
	f->registry = registry_new(WORKERS);
	assert_non_null(f->registry);
	for (unsigned i = 0; i < N_NAMES; i++) {
		put_instance(f, i);
	}
}

static inline int setup_memory(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	*state = f;
	f->store = store_memory_new();
	make_registry(f);
	return f->store ? 0 : -1;
}

static inline int setup_sqlite(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	void *scratch;
	if (scratch_setup(&scratch) != 0) {
		return -1;
	}
	*state = f;
	f->scratch = scratch;
	f->store = scratch_open(f->scratch);
	make_registry(f);
	return f->store ? 0 : -1;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;
	registry_free(f->registry);
	store_free(f->store);
	int rc = scratch ? scratch_teardown(&scratch) : 0;
	free(f);
	return rc;
}

/* As after kill -9: what was counted and not flushed is gone, what was committed is there. */
static inline void restart(struct fixture *f)
{
	registry_free(f->registry);
	if (f->scratch) {
		store_free(f->store);
		f->store = scratch_open(f->scratch);
		assert_non_null(f->store);
	}
	make_registry(f);
}

/* --- what is done and seen --------------------------------------------------------------------- */

static inline struct entry *entry_of(struct fixture *f, unsigned i)
{
	struct entry *entry = registry_find(f->registry, str_of(names[i]));
	assert_non_null(entry);
	return entry;
}

static inline struct str id_of(struct fixture *f, unsigned i)
{
	return str_of(entry_instance(entry_of(f, i))->id);
}

/* Some of it by one worker, some by the other. */
static inline void count(struct fixture *f, unsigned i, enum history_metric metric, uint64_t n)
{
	unsigned counter = metric == HISTORY_NO_TOKEN ? STATS_NO_TOKEN : STATS_NO_TOKEN_REJECTED;
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		struct stats *stats = entry_stats(entry_of(f, i), worker);
		assert_non_null(stats);
		uint64_t share = worker == 0 ? n / 3 : n - n / 3;
		atomic_store(&stats->v[counter], stats_get(stats, counter) + share);
	}
}

static inline int flush(struct fixture *f, int64_t now_s)
{
	f->diag.text[0] = '\0';
	return history_flush(f->store, f->registry, now_s, &f->diag);
}

static inline void flushed(struct fixture *f, int64_t now_s)
{
	assert_int_equal(flush(f, now_s), 0);
}

static inline void aged(struct fixture *f, int64_t now_s)
{
	assert_int_equal(history_age(f->store, now_s, 100000, &f->diag), 0);
}

struct told {
	char text[4000];
	size_t n;
	int64_t zero_s;
	uint64_t sum;
	unsigned points;
};

/* "seconds:n/sum/min/max", the times counted from zero_s. */
static inline int on_point(void *ctx, int64_t at_s, const struct history_stats *s)
{
	struct told *told = ctx;
	int n = snprintf(told->text + told->n, sizeof told->text - told->n,
		"%s%lld:%llu/%llu/%llu/%llu", told->n ? " " : "", (long long)(at_s - told->zero_s),
		(unsigned long long)s->n, (unsigned long long)s->sum, (unsigned long long)s->min,
		(unsigned long long)s->max);
	told->n += (size_t)n < sizeof told->text - told->n ? (size_t)n : 0;
	told->sum += s->sum;
	told->points++;
	return 0;
}

static struct told told;

static inline int read_rc(struct fixture *f, const struct entry *live,
	const struct history_query *query, int64_t now_s)
{
	told = (struct told){.zero_s = T};
	f->diag.text[0] = '\0';
	return history_read(f->store, f->registry, live, query, now_s, on_point, &told, &f->diag);
}

/* The points of web-1, times from T; what waits is not looked at. */
static inline const char *points(struct fixture *f, enum history_metric metric, int64_t from_s,
	int64_t until_s, uint32_t period_s, int64_t now_s)
{
	const struct history_query query = {id_of(f, 0), metric, T + from_s, T + until_s, period_s};
	if (read_rc(f, NULL, &query, now_s) != 0) {
		fail_msg("%s", f->diag.text);
	}
	return told.text;
}

/* The same with what waits. */
static inline const char *points_live(
	struct fixture *f, enum history_metric metric, uint32_t period_s, int64_t now_s)
{
	const struct history_query query = {id_of(f, 0), metric, T, T + HOUR_S, period_s};
	if (read_rc(f, entry_of(f, 0), &query, now_s) != 0) {
		fail_msg("%s", f->diag.text);
	}
	return told.text;
}

/* How many runs of a grain there are of all instances. */
static inline int on_any_run(void *ctx, const struct store_points *run)
{
	(void)run;
	++*(unsigned *)ctx;
	return 0;
}

static inline unsigned runs(struct fixture *f, enum points_grain grain)
{
	unsigned n = 0;
	assert_int_equal(f->store->ops->points_before(f->store, points_grains[grain].period_s,
				 INT64_MAX, on_any_run, &n, &f->diag),
		0);
	return n;
}

/* Bytes as they are, where a run should be. */
static inline void put_bytes(
	struct fixture *f, unsigned i, enum points_grain grain, int64_t start_s, struct str bytes)
{
	const struct store_points run = {
		id_of(f, i), points_grains[grain].period_s, start_s, bytes};
	assert_int_equal(f->store->ops->begin(f->store, &f->diag), 0);
	assert_int_equal(f->store->ops->points_put(f->store, &run, &f->diag), 0);
	assert_int_equal(f->store->ops->commit(f->store, &f->diag), 0);
}

#define NT HISTORY_NO_TOKEN
#define NR HISTORY_NO_TOKEN_REJECTED

/* Counts 1, 2, 3 … in minutes 0, 1, 4, 5, 9, 15 and 61. */
static inline void some_minutes(struct fixture *f)
{
	static const int minutes[] = {0, 1, 4, 5, 9, 15, 61};
	for (unsigned i = 0; i < sizeof minutes / sizeof minutes[0]; i++) {
		count(f, 0, NT, i + 1);
		flushed(f, T + minutes[i] * MINUTE_S + 7);
	}
}

#define POINTS(want, ...) case_text(__LINE__, str_of(points(__VA_ARGS__)), want)
#define LIVE(want, ...)   case_text(__LINE__, str_of(points_live(__VA_ARGS__)), want)

#define MEMORY(test) cmocka_unit_test_setup_teardown(test, setup_memory, teardown)
/* clang-format off */
#define SQLITE(test) {#test " (sqlite)", test, setup_sqlite, teardown, NULL}
/* clang-format on */
#define BOTH(test) MEMORY(test), SQLITE(test)

#endif
