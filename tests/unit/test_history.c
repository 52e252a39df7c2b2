/*
 * The metric history: what is counted comes to the store once, is read as CloudWatch documents it,
 * and ages without loss. Against both back ends.
 */
#include "tests/unit/history_help.h"

/* --- flushing ---------------------------------------------------------------------------------- */

static void nothing_counted_is_nothing_done(void **state)
{
	struct fixture *f = *state;
	flushed(f, T);
	count(f, 0, NT, 1);
	flushed(f, T);
	unsigned calls = store_memory_calls(f->store);
	flushed(f, T + 60);
	assert_int_equal(
		history_flush_one(f->store, f->registry, entry_of(f, 0), T + 60, &f->diag), 0);
	assert_int_equal(store_memory_calls(f->store), calls);
	assert_int_equal(history_age(f->store, T + 60, 100, &f->diag), 0);
	assert_int_equal(store_memory_calls(f->store), calls + POINTS_GRAINS);
}

static void counts_come_to_their_minute(void **state)
{
	struct fixture *f = *state;
	count(f, 0, NT, 5);
	count(f, 0, NR, 2);
	count(f, 1, NT, 1000);
	flushed(f, T + 59);
	POINTS("0:1/5/5/5", f, NT, 0, HOUR_S, 60, T + 60);
	POINTS("0:1/2/2/2", f, NR, 0, HOUR_S, 60, T + 60);
	/* Once: the next flush finds only what was counted since. */
	flushed(f, T + 61);
	POINTS("0:1/5/5/5", f, NT, 0, HOUR_S, 60, T + 62);
	count(f, 0, NT, 7);
	flushed(f, T + 60 + HOUR_S);
	POINTS("0:1/5/5/5 3660:1/7/7/7", f, NT, 0, DAY_S, 60, T + 62 + HOUR_S);
	POINTS("0:1/2/2/2", f, NR, 0, DAY_S, 60, T + 62 + HOUR_S);
}

static void a_minute_flushed_twice_is_one_sample(void **state)
{
	struct fixture *f = *state;
	count(f, 0, NT, 5);
	flushed(f, T + 10);
	count(f, 0, NT, 4);
	count(f, 0, NR, 1);
	flushed(f, T + 50);
	POINTS("0:1/9/9/9", f, NT, 0, HOUR_S, 60, T + 60);
	POINTS("0:1/1/1/1", f, NR, 0, HOUR_S, 60, T + 60);
}

static void a_restart_in_a_minute_adds(void **state)
{
	struct fixture *f = *state;
	count(f, 0, NT, 5);
	flushed(f, T + 10);
	count(f, 0, NT, 100); /* is lost: the last flush was before */
	restart(f);
	count(f, 0, NT, 4);
	flushed(f, T + 50);
	POINTS("0:1/9/9/9", f, NT, 0, HOUR_S, 60, T + 60);
}

static void one_that_goes_is_flushed_alone(void **state)
{
	struct fixture *f = *state;
	count(f, 0, NT, 5);
	count(f, 1, NT, 6);
	assert_int_equal(history_flush_one(f->store, f->registry, entry_of(f, 0), T, &f->diag), 0);
	assert_int_equal(entry_of(f, 0)->reported[NT], 5);
	assert_int_equal(entry_of(f, 1)->reported[NT], 0);
	const struct history_query query = {id_of(f, 0), NT, T, T + HOUR_S, 60};
	char id[INSTANCE_ID_CHARS + 1];
	memcpy(id, query.instance_id.p, sizeof id);
	const struct history_query gone = {str_of(id), NT, T, T + HOUR_S, 60};
	assert_int_equal(registry_remove(f->registry, STR("web-1")), 0);
	assert_int_equal(read_rc(f, NULL, &gone, T + 1), 0);
	assert_string_equal(told.text, "0:1/5/5/5");
	flushed(f, T + 60);
	put_instance(f, 0); /* a new life: it counts from 0 */
	count(f, 0, NT, 3);
	flushed(f, T + 60);
	POINTS("0:1/5/5/5 60:1/3/3/3", f, NT, 0, HOUR_S, 60, T + 61);
}

/* --- reading ----------------------------------------------------------------------------------- */

static void periods_begin_with_the_query(void **state)
{
	struct fixture *f = *state;
	int64_t now_s = T + 2 * HOUR_S;
	some_minutes(f);
	POINTS("0:3/6/1/3 300:2/9/4/5 900:1/6/6/6 3600:1/7/7/7", f, NT, 0, DAY_S, 300, now_s);
	POINTS("60:3/9/2/4 360:1/5/5/5 660:1/6/6/6 3660:1/7/7/7", f, NT, 60, DAY_S, 300, now_s);
	POINTS("0:6/21/1/6 3600:1/7/7/7", f, NT, 0, DAY_S, 3600, now_s);
	POINTS("0:2/3/1/2 180:2/7/3/4 540:1/5/5/5 900:1/6/6/6", f, NT, -180, 1080, 180,
		now_s - 9000);
	POINTS("0:7/28/1/7", f, NT, 0, DAY_S, 86400, now_s);
	POINTS("", f, NR, 0, DAY_S, 60, now_s);
	POINTS("", f, NT, 0, 0, 60, now_s);
	POINTS("", f, NT, DAY_S, 0, 60, now_s);
	POINTS("", f, NT, DAY_S, 2 * DAY_S, 60, now_s);
}

static void a_start_is_in_and_an_end_is_not(void **state)
{
	struct fixture *f = *state;
	int64_t now_s = T + 2 * HOUR_S;
	some_minutes(f);
	POINTS("60:1/2/2/2 240:1/3/3/3", f, NT, 60, 300, 60, now_s);
	POINTS("60:1/2/2/2 240:1/3/3/3 300:1/4/4/4", f, NT, 119, 301, 60, now_s);
	POINTS("240:1/3/3/3", f, NT, 120, 241, 60, now_s);
	POINTS("", f, NT, 120, 240, 60, now_s);
	POINTS("", f, NT, 60, 60, 60, now_s);
	POINTS("", f, NT, 61, 61, 60, now_s); /* though it is rounded */
}

/* The examples of the documentation: 12:32:34 is 12:32:00, 12:30:00 or 12:00:00. */
static void an_old_start_is_rounded_more(void **state)
{
	struct fixture *f = *state;
	const int64_t asked_s = 12 * HOUR_S + 32 * MINUTE_S + 34;
	count(f, 0, NT, 1);
	flushed(f, T + 12 * HOUR_S);
	count(f, 0, NT, 2);
	flushed(f, T + 12 * HOUR_S + 30 * MINUTE_S);
	count(f, 0, NT, 3);
	flushed(f, T + 12 * HOUR_S + 32 * MINUTE_S);
	POINTS("45120:1/3/3/3", f, NT, asked_s, DAY_S, 3600, T + asked_s);
	POINTS("45120:1/3/3/3", f, NT, asked_s, DAY_S, 3600, T + asked_s + 15 * DAY_S);
	POINTS("45000:2/5/2/3", f, NT, asked_s, DAY_S, 3600, T + asked_s + 15 * DAY_S + 1);
	POINTS("45000:2/5/2/3", f, NT, asked_s, DAY_S, 3600, T + asked_s + 63 * DAY_S);
	POINTS("43200:3/6/1/3", f, NT, asked_s, DAY_S, 3600, T + asked_s + 63 * DAY_S + 1);
}

static void what_waits_is_seen(void **state)
{
	struct fixture *f = *state;
	count(f, 0, NT, 5);
	LIVE("60:1/5/5/5", f, NT, 60, T + 60);
	LIVE("0:1/5/5/5", f, NT, 300, T + 60);
	LIVE("", f, NR, 60, T + 60);
	LIVE("", f, NT, 60, T + HOUR_S); /* not in the query's time */
	LIVE("", f, NT, 60, T - 1);
	flushed(f, T + 60);
	LIVE("60:1/5/5/5", f, NT, 60, T + 60);
	/* In a minute that is there, in another of its hour, in another hour. */
	count(f, 0, NT, 2);
	LIVE("60:1/7/7/7", f, NT, 60, T + 61);
	LIVE("0:1/7/7/7", f, NT, 300, T + 61);
	LIVE("60:1/5/5/5 120:1/2/2/2", f, NT, 60, T + 120);
	LIVE("0:2/7/2/5", f, NT, 3600, T + 120);
	LIVE("60:1/5/5/5", f, NT, 60, T + HOUR_S);
	LIVE("0:1/2/2/2 60:1/5/5/5", f, NT, 60, T);
	POINTS("60:1/5/5/5", f, NT, 0, HOUR_S, 60, T + 60);
	flushed(f, T + 120);
	LIVE("60:1/5/5/5 120:1/2/2/2", f, NT, 60, T + 120);
}

static int refuse(void *ctx, int64_t at_s, const struct history_stats *stats)
{
	(void)at_s;
	(void)stats;
	return ++*(int *)ctx == 2 ? -ECANCELED : 0;
}

static void questions_without_sense(void **state)
{
	struct fixture *f = *state;
	static const uint32_t no_periods[] = {0, 1, 59, 61, UINT32_MAX};
	struct history_query query = {id_of(f, 0), NT, INT64_MIN, INT64_MAX, 60};
	some_minutes(f);
	for (unsigned i = 0; i < sizeof no_periods / sizeof no_periods[0]; i++) {
		query.period_s = no_periods[i];
		assert_int_equal(read_rc(f, NULL, &query, T), E_RANGE);
		assert_true(f->diag.text[0]);
	}
	query.period_s = 60;
	query.metric = HISTORY_METRICS;
	assert_int_equal(read_rc(f, NULL, &query, T), E_RANGE);
	/* The other side has had enough. */
	int n = 0;
	query.metric = NT;
	assert_int_equal(history_read(f->store, f->registry, NULL, &query, T, refuse, &n, &f->diag),
		-ECANCELED);
	assert_int_equal(n, 2);
}

/* All times that an int64_t has, in queries and as now. */
static void times_have_no_end(void **state)
{
	struct fixture *f = *state;
	static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -T, -1, 0, 1, T, 253402300799,
		253402300800, INT64_MAX - 59, INT64_MAX};
	const unsigned n = sizeof times / sizeof times[0];
	static const uint32_t periods[] = {60, 3600, 4294967280};
	some_minutes(f);
	for (unsigned i = 0; i < n * n * n * 3; i++) {
		const struct history_query query = {
			id_of(f, 0), NT, times[i % n], times[i / n % n], periods[i / n / n / n]};
		assert_int_equal(read_rc(f, NULL, &query, times[i / n / n % n]), 0);
		assert_int_equal(told.sum, query.start_s <= T && query.end_s > T + DAY_S ? 28 : 0);
	}
	/* A clock that shows nonsense does no harm but in its own minute. */
	for (unsigned i = 0; i < n; i++) {
		count(f, 1, NT, 1);
		flushed(f, times[i]);
		if (times[i] < T) {
			assert_int_equal(history_age(f->store, times[i], 100, &f->diag), 0);
		}
	}
	const struct history_query all = {id_of(f, 1), NT, INT64_MIN, INT64_MAX, 60};
	assert_int_equal(read_rc(f, NULL, &all, T), 0);
	assert_int_equal(told.sum, n);
	assert_int_equal(told.points, 3);
	/* Down is down before the epoch, too. */
	const struct history_query before = {id_of(f, 1), NT, -30, 60, 300};
	assert_int_equal(read_rc(f, NULL, &before, 0), 0);
	char want[64];
	(void)snprintf(want, sizeof want, "%lld:1/6/6/6", (long long)(-60 - T));
	assert_string_equal(told.text, want);
}

/* --- ageing ------------------------------------------------------------------------------------ */

static void a_run_ages_with_its_last_moment(void **state)
{
	struct fixture *f = *state;
	static const int64_t ages_s[] = {15 * DAY_S, 63 * DAY_S, 455 * DAY_S};
	some_minutes(f);
	assert_int_equal(runs(f, POINTS_60_S), 2);
	for (unsigned grain = 0; grain < POINTS_GRAINS; grain++) {
		int64_t now_s = T + points_grains[grain].run_s + ages_s[grain];
		aged(f, now_s - 1);
		assert_true(runs(f, grain) > 0);
		aged(f, now_s + HOUR_S);
		assert_int_equal(runs(f, grain), 0);
		assert_int_equal(
			runs(f, POINTS_60_S) + runs(f, POINTS_300_S) + runs(f, POINTS_3600_S),
			grain < POINTS_3600_S ? 1 : 0);
	}
}

static void ageing_keeps_everything(void **state)
{
	struct fixture *f = *state;
	some_minutes(f);
	count(f, 0, NR, 9);
	flushed(f, T + 5 * MINUTE_S);
	int64_t now_s = T + 20 * DAY_S;
	aged(f, now_s);
	assert_int_equal(runs(f, POINTS_300_S), 1);
	const char *want = "0:3/6/1/3 300:2/9/4/5 900:1/6/6/6 3600:1/7/7/7";
	POINTS(want, f, NT, 0, DAY_S, 300, now_s);
	/* A finer period does not make them finer. */
	POINTS(want, f, NT, 0, DAY_S, 60, now_s);
	POINTS("0:6/21/1/6 3600:1/7/7/7", f, NT, 0, DAY_S, 3600, now_s);
	POINTS("300:1/9/9/9", f, NR, 0, DAY_S, 300, now_s);
	now_s = T + 80 * DAY_S;
	aged(f, now_s);
	assert_int_equal(runs(f, POINTS_300_S), 0);
	POINTS("0:6/21/1/6 3600:1/7/7/7", f, NT, 0, DAY_S, 300, now_s);
	POINTS("0:7/28/1/7", f, NT, 0, DAY_S, 7200, now_s);
	POINTS("0:1/9/9/9", f, NR, 0, DAY_S, 300, now_s);
	aged(f, T + 463 * DAY_S);
	POINTS("", f, NT, 0, DAY_S, 300, now_s);
	assert_int_equal(runs(f, POINTS_3600_S), 0);
}

static void what_is_very_old_goes_all_the_way(void **state)
{
	struct fixture *f = *state;
	some_minutes(f);
	aged(f, T + 100 * DAY_S);
	POINTS("0:6/21/1/6 3600:1/7/7/7", f, NT, 0, DAY_S, 3600, T + 100 * DAY_S);
	some_minutes(f);
	aged(f, T + 500 * DAY_S);
	assert_int_equal(runs(f, POINTS_60_S) + runs(f, POINTS_300_S) + runs(f, POINTS_3600_S), 0);
}

static void ageing_goes_step_by_step(void **state)
{
	struct fixture *f = *state;
	for (int hour = 0; hour < 30; hour++) {
		count(f, (unsigned)hour % N_NAMES, NT, 1);
		flushed(f, T + hour * HOUR_S);
	}
	int64_t now_s = T + 30 * DAY_S;
	assert_int_equal(history_age(f->store, now_s, 0, &f->diag), 1);
	assert_int_equal(runs(f, POINTS_60_S), 30);
	for (unsigned left = 30; left > 7;) {
		left -= 7;
		assert_int_equal(history_age(f->store, now_s, 7, &f->diag), 1);
		assert_int_equal(runs(f, POINTS_60_S), left);
	}
	assert_int_equal(history_age(f->store, now_s, 7, &f->diag), 0);
	assert_int_equal(runs(f, POINTS_60_S), 0);
	/* All that may be done, and nothing more to do. */
	unsigned coarse = runs(f, POINTS_300_S);
	assert_int_equal(history_age(f->store, T + 70 * DAY_S, coarse, &f->diag), 0);
	assert_int_equal(runs(f, POINTS_300_S), 0);
	POINTS("0:10/10/1/1", f, NT, 0, 2 * DAY_S, 2 * DAY_S, T + 70 * DAY_S);
}

/* A limit is one over all resolutions. */
static void ageing_step_by_step_all_the_way(void **state)
{
	struct fixture *f = *state;
	some_minutes(f);
	for (unsigned step = 0; step < 3; step++) {
		static const unsigned want[][POINTS_GRAINS] = {{1, 1, 0}, {0, 1, 0}, {0, 0, 1}};
		assert_int_equal(history_age(f->store, T + 100 * DAY_S, 1, &f->diag), step < 2);
		for (unsigned grain = 0; grain < POINTS_GRAINS; grain++) {
			assert_int_equal(runs(f, grain), want[step][grain]);
		}
	}
}

/* The points of a time are in more than one resolution then. */
static void a_clock_that_goes_back(void **state)
{
	struct fixture *f = *state;
	some_minutes(f);
	aged(f, T + 20 * DAY_S);
	count(f, 0, NT, 10);
	flushed(f, T + 5 * MINUTE_S);
	count(f, 0, NT, 20);
	flushed(f, T - 5 * MINUTE_S);
	const char *want = "-300:1/20/20/20 0:3/6/1/3 300:3/19/4/10 900:1/6/6/6 3600:1/7/7/7";
	POINTS(want, f, NT, -600, DAY_S, 300, T);
	POINTS(want, f, NT, -600, DAY_S, 60, T);
	count(f, 0, NT, 1); /* to the minute of the 10 */
	LIVE("0:3/6/1/3 300:3/20/4/11 900:1/6/6/6", f, NT, 300, T + 5 * MINUTE_S);
	LIVE("0:3/6/1/3 300:3/19/4/10 600:1/1/1/1 900:1/6/6/6", f, NT, 300, T + 10 * MINUTE_S);
	restart(f);
	POINTS("-7200:1/20/20/20 0:8/38/1/10", f, NT, -7200, DAY_S, 7200, T);
	aged(f, T + 20 * DAY_S);
	POINTS(want, f, NT, -600, DAY_S, 300, T + 20 * DAY_S);
	aged(f, T + 80 * DAY_S);
	POINTS("-3600:1/20/20/20 0:7/31/1/10 3600:1/7/7/7", f, NT, -7200, DAY_S, 300,
		T + 80 * DAY_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMORY(nothing_counted_is_nothing_done),
		BOTH(counts_come_to_their_minute),
		BOTH(a_minute_flushed_twice_is_one_sample),
		BOTH(a_restart_in_a_minute_adds),
		BOTH(one_that_goes_is_flushed_alone),
		BOTH(periods_begin_with_the_query),
		BOTH(a_start_is_in_and_an_end_is_not),
		BOTH(an_old_start_is_rounded_more),
		BOTH(what_waits_is_seen),
		MEMORY(questions_without_sense),
		BOTH(times_have_no_end),
		BOTH(a_run_ages_with_its_last_moment),
		BOTH(ageing_keeps_everything),
		BOTH(what_is_very_old_goes_all_the_way),
		BOTH(ageing_goes_step_by_step),
		BOTH(ageing_step_by_step_all_the_way),
		BOTH(a_clock_that_goes_back),
	};
	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
