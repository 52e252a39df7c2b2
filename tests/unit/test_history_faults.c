/* The metric history where a store or memory fails, where it is damaged, and at its cap. */
#include "tests/unit/history_help.h"

#include "tests/fake/store_shared.h"

/* --- faults ------------------------------------------------------------------------------------ */

static void a_failing_store_loses_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t sum = 0;
	unsigned failed = 0;
	for (unsigned nth = 1;; nth++) {
		count(f, 0, NT, 5);
		count(f, 1, NR, 3);
		sum += 5;
		store_memory_fail(f->store, nth, E_FULL);
		int rc = flush(f, T + nth * MINUTE_S);
		store_memory_fail(f->store, 0, 0);
		if (rc == 0) {
			break;
		}
		failed++;
		assert_int_equal(rc, E_FULL);
		assert_non_null(strstr(f->diag.text, "made to fail"));
		assert_string_equal(points(f, NT, 0, HOUR_S, 60, T + HOUR_S), "");
		assert_string_equal(points(f, NR, 0, HOUR_S, 60, T + HOUR_S), "");
	}
	assert_int_equal(failed, 6); /* begin, get and put of two, commit */
	(void)points(f, NT, 0, HOUR_S, 60, T + HOUR_S);
	assert_int_equal(told.sum, sum);
	assert_int_equal(told.points, 1);
}

static void ageing_in_a_failing_store(void **state)
{
	struct fixture *f = *state;
	unsigned failed = 0;
	some_minutes(f);
	for (unsigned nth = 1;; nth++) {
		store_memory_fail(f->store, nth, E_FULL);
		int rc = history_age(f->store, T + 100 * DAY_S, 100, &f->diag);
		store_memory_fail(f->store, 0, 0);
		if (rc == 0) {
			break;
		}
		failed++;
		assert_int_equal(rc, E_FULL);
		assert_int_equal(runs(f, POINTS_60_S), 2);
		assert_int_equal(runs(f, POINTS_300_S) + runs(f, POINTS_3600_S), 0);
	}
	/* Three looks, begin, three runs with two gets, put and delete, commit. */
	assert_int_equal(failed, 3 + 1 + 3 * 4 + 1);
	assert_int_equal(runs(f, POINTS_3600_S), 1);
}

/* --- two at once ------------------------------------------------------------------------------- */

static void age_before(void *ctx)
{
	struct fixture *f = ctx;
	aged(f, T + 20 * DAY_S);
}

static void add_before(void *ctx)
{
	struct fixture *f = ctx;
	count(f, 0, NT, 100);
	flushed(f, T + 7);
}

/* Another daemon is faster, once both have seen what is of age. */
static void two_that_age_count_once(void **state)
{
	struct fixture *f = *state;
	struct store *slower = store_shared_new(f->store);
	some_minutes(f);
	store_shared_before(slower, age_before, f);
	assert_int_equal(history_age(slower, T + 20 * DAY_S, 100, &f->diag), 0);
	(void)points(f, NT, 0, DAY_S, 60, T + 20 * DAY_S);
	assert_int_equal(told.sum, 1 + 2 + 3 + 4 + 5 + 6 + 7);
	assert_int_equal(runs(f, POINTS_60_S), 0);
	store_free(slower);
}

static void what_comes_late_is_aged_too(void **state)
{
	struct fixture *f = *state;
	struct store *ager = store_shared_new(f->store);
	some_minutes(f);
	store_shared_before(ager, add_before, f);
	assert_int_equal(history_age(ager, T + 20 * DAY_S, 100, &f->diag), 0);
	(void)points(f, NT, 0, DAY_S, 60, T + 20 * DAY_S);
	assert_int_equal(told.sum, 1 + 2 + 3 + 4 + 5 + 6 + 7 + 100);
	store_free(ager);
}

static void reading_a_failing_store(void **state)
{
	struct fixture *f = *state;
	const struct history_query query = {id_of(f, 0), NT, T, T + DAY_S, 60};
	some_minutes(f);
	for (unsigned nth = 1; nth <= POINTS_GRAINS; nth++) {
		store_memory_fail(f->store, nth, E_BUSY);
		assert_int_equal(read_rc(f, NULL, &query, T), E_BUSY);
		assert_int_equal(told.points, 0);
	}
	assert_int_equal(read_rc(f, NULL, &query, T), 0);
}

static int call_flush(void *ctx)
{
	struct fixture *f = ctx;
	return history_flush(f->store, f->registry, T, &f->diag);
}

static int call_age(void *ctx)
{
	struct fixture *f = ctx;
	return history_age(f->store, T + 100 * DAY_S, 100, &f->diag);
}

static int call_read(void *ctx)
{
	struct fixture *f = ctx;
	const struct history_query query = {id_of(f, 0), NT, T, T + DAY_S, 60};
	int rc = read_rc(f, entry_of(f, 0), &query, T);
	assert_true(rc == 0 || told.points == 0);
	return rc;
}

static void memory_runs_out(void **state)
{
	struct fixture *f = *state;
	count(f, 0, NT, 5);
	assert_true(help_each_allocation_fails(call_flush, f) > 0);
	POINTS("0:1/5/5/5", f, NT, 0, DAY_S, 60, T);
	assert_true(help_each_allocation_fails(call_read, f) > 0);
	assert_true(help_each_allocation_fails(call_age, f) > 0);
	POINTS("0:1/5/5/5", f, NT, 0, DAY_S, 60, T);
	assert_int_equal(runs(f, POINTS_3600_S), 1);
}

/* One instance's damaged hour is in nobody's way, and what it counts comes to the next hour. */
static void damage_is_told(void **state)
{
	struct fixture *f = *state;
	put_bytes(f, 0, POINTS_60_S, T, STR("damaged"));
	count(f, 0, NT, 5);
	count(f, 1, NT, 6);
	assert_int_equal(flush(f, T + 60), E_DAMAGED);
	assert_non_null(strstr(f->diag.text, id_of(f, 0).p));
	assert_int_equal(entry_of(f, 0)->reported[NT], 0);
	assert_int_equal(entry_of(f, 1)->reported[NT], 6);
	count(f, 0, NT, 1);
	flushed(f, T + HOUR_S);
	POINTS("3600:1/6/6/6", f, NT, HOUR_S, DAY_S, 60, T + DAY_S);
	const struct history_query query = {id_of(f, 0), NT, T, T + DAY_S, 60};
	assert_int_equal(read_rc(f, NULL, &query, T), E_DAMAGED);
	assert_non_null(strstr(f->diag.text, id_of(f, 0).p));
	assert_int_equal(told.points, 0);
	/* Its turn comes; it is forgotten, the others are kept. */
	assert_int_equal(history_age(f->store, T + 20 * DAY_S, 100, &f->diag), E_DAMAGED);
	assert_non_null(strstr(f->diag.text, id_of(f, 0).p));
	aged(f, T + 20 * DAY_S);
	POINTS("3600:1/6/6/6", f, NT, 0, DAY_S, 60, T + 20 * DAY_S);
	assert_int_equal(runs(f, POINTS_60_S), 0);
	/* What they are to be folded into is damaged. */
	put_bytes(f, 0, POINTS_3600_S, T, STR(""));
	assert_int_equal(history_age(f->store, T + 80 * DAY_S, 100, &f->diag), E_DAMAGED);
	aged(f, T + 80 * DAY_S);
	POINTS("3600:1/6/6/6", f, NT, 0, DAY_S, 60, T + 80 * DAY_S);
}

static void a_newer_release_is_left_alone(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf newer = BUF_EMPTY;
	buf_add_char(&newer, POINTS_FORM + 1);
	points_help_seal(&newer, POINTS_60_S, T);
	count(f, 0, NT, 5);
	flushed(f, T + HOUR_S);
	put_bytes(f, 0, POINTS_60_S, T, buf_str(&newer));
	put_bytes(f, 0, POINTS_60_S, T - HOUR_S, STR("damaged"));
	count(f, 0, NT, 5);
	assert_int_equal(flush(f, T), E_VERSION);
	assert_int_equal(history_age(f->store, T + 500 * DAY_S, 100, &f->diag), E_VERSION);
	assert_int_equal(runs(f, POINTS_60_S), 3);
	const struct history_query query = {id_of(f, 0), NT, T, T + DAY_S, 60};
	assert_int_equal(read_rc(f, NULL, &query, T), E_VERSION);
}

/* --- the cap ----------------------------------------------------------------------------------- */

/* So many full hours, in one transaction. */
static void put_hours(struct fixture *f, unsigned n)
{
	assert_int_equal(f->store->ops->begin(f->store, &f->diag), 0);
	for (unsigned hour = 0; hour < n; hour++) {
		struct points_run run;
		CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
		points_init(&run, POINTS_60_S, T + hour * HOUR_S);
		for (unsigned slot = 0; slot < 60; slot++) {
			run.at[slot][NT] = (struct points_set){1, 1, 1, 1};
		}
		assert_int_equal(points_encode(&run, &bytes), 0);
		const struct store_points points = {id_of(f, 0), 60, run.start_s, buf_str(&bytes)};
		assert_int_equal(f->store->ops->points_put(f->store, &points, &f->diag), 0);
	}
	assert_int_equal(f->store->ops->commit(f->store, &f->diag), 0);
}

static void an_answer_has_a_cap(void **state)
{
	struct fixture *f = *state;
	const int64_t cap_s = HISTORY_POINTS_MAX * MINUTE_S;
	struct history_query query = {id_of(f, 0), NT, T, T + cap_s, 60};
	put_hours(f, HISTORY_POINTS_MAX / 60 + 1);
	assert_int_equal(read_rc(f, NULL, &query, T), 0);
	assert_int_equal(told.points, HISTORY_POINTS_MAX);
	query.end_s += 60;
	assert_int_equal(read_rc(f, NULL, &query, T), E_LIMIT);
	assert_int_equal(told.points, 0);
	query.period_s = 120;
	assert_int_equal(read_rc(f, NULL, &query, T), 0);
	assert_int_equal(told.points, HISTORY_POINTS_MAX / 2 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMORY(a_failing_store_loses_nothing),
		MEMORY(ageing_in_a_failing_store),
		MEMORY(two_that_age_count_once),
		MEMORY(what_comes_late_is_aged_too),
		MEMORY(reading_a_failing_store),
		MEMORY(memory_runs_out),
		BOTH(damage_is_told),
		BOTH(a_newer_release_is_left_alone),
		BOTH(an_answer_has_a_cap),
	};
	return cmocka_run_group_tests_name("history_faults", tests, NULL, NULL);
}
