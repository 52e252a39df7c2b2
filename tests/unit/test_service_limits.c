/* What the service lets through, and what it counts. */
#include "tests/unit/service_help.h"

/* --- the throttle ------------------------------------------------------------------------------ */

/* How many of n requests at that time are answered. */
static unsigned passed(
	struct fixture *f, const char *name, unsigned worker, int64_t now_ns, unsigned n)
{
	unsigned good = 0;
	for (unsigned i = 0; i < n; i++) {
		struct service_request request = get(ID);
		struct service_reply reply;
		request.now_ns = now_ns;
		assert_int_equal(service_answer(&f->service, f->workers[worker], entry_of(f, name),
					 &request, &reply),
			0);
		good += reply.status != 503;
	}
	return good;
}

static void limit_all(struct fixture *f, uint32_t per_second, uint32_t burst)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		service_limit(f->workers[i], (struct service_throttle){per_second, burst});
	}
}

static void burst_then_rate(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int line;
		uint32_t per_second, burst;
	} cases[] = {
		{__LINE__, 1, 1}, {__LINE__, 1, 10}, {__LINE__, 10, 1}, {__LINE__, 100, 200},
		{__LINE__, 1000, 5}, {__LINE__, 7, 3}, /* does not divide a second */
	};
	int64_t now_ns = NOW_NS;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const uint32_t burst = cases[i].burst;
		const int64_t cost_ns = NS_PER_S / cases[i].per_second;
		limit_all(f, cases[i].per_second, burst);
		now_ns += 3600 * NS_PER_S;
		/* All of the burst at once, and nothing more. */
		case_int(cases[i].line, passed(f, "plain", 0, now_ns, burst + 5), burst);
		/* Then one each time one has come back, not a nanosecond before. */
		for (int k = 1; k <= 20; k++) {
			case_int(cases[i].line, passed(f, "plain", 0, now_ns + k * cost_ns - 1, 3),
				0);
			case_int(cases[i].line, passed(f, "plain", 0, now_ns + k * cost_ns, 3), 1);
		}
		/* Idle for long: the burst again, not more. */
		now_ns += 3600 * NS_PER_S;
		case_int(cases[i].line, passed(f, "plain", 0, now_ns, 2 * burst + 5), burst);
		/* Half of it has come back after half of its time. */
		now_ns += (burst / 2) * cost_ns;
		case_int(cases[i].line, passed(f, "plain", 0, now_ns, 2 * burst + 5), burst / 2);
	}
}

static void rate_over_a_long_time(void **state)
{
	struct fixture *f = *state;
	limit_all(f, 50, 10);
	unsigned good = 0;
	/* 1000 a second for ten seconds. */
	for (int64_t ms = 0; ms < 10000; ms++) {
		good += passed(f, "plain", 0, NOW_NS + ms * 1000000, 1);
	}
	assert_in_range(good, 10 + 499, 10 + 500);
}

static void clock_that_is_set_back(void **state)
{
	struct fixture *f = *state;
	static const int64_t backs_s[] = {2, 60, 3600, 86400 * 365};
	limit_all(f, 10, 5);
	for (size_t i = 0; i < COUNT(backs_s); i++) {
		int64_t now_ns = NOW_NS + (int64_t)i * 1000 * NS_PER_S;
		assert_int_equal(passed(f, "plain", 0, now_ns, 9), 5);
		/* Nobody waits until the old time has come again. */
		now_ns -= backs_s[i] * NS_PER_S;
		assert_int_equal(passed(f, "plain", 0, now_ns, 9), 5);
		assert_int_equal(passed(f, "plain", 0, now_ns + NS_PER_S, 9), 5);
	}
}

/* Workers look at the clock one after the other, and may be late with what they saw. */
static void clock_that_is_a_moment_behind(void **state)
{
	struct fixture *f = *state;
	static const int64_t behind_ns[] = {1, 1000, 1000000, 100000000, 1000000000};
	limit_all(f, 10, 5);
	for (size_t i = 0; i < COUNT(behind_ns); i++) {
		int64_t now_ns = NOW_NS + (int64_t)i * 1000 * NS_PER_S;
		assert_int_equal(passed(f, "plain", 0, now_ns, 9), 5);
		assert_int_equal(passed(f, "plain", 1, now_ns - behind_ns[i], 9), 0);
		assert_int_equal(passed(f, "plain", 1, now_ns + NS_PER_S / 10, 9), 1);
		assert_int_equal(
			passed(f, "plain", 0, now_ns + NS_PER_S / 10 - behind_ns[i], 9), 0);
	}
}

static void each_has_its_own(void **state)
{
	struct fixture *f = *state;
	limit_all(f, 10, 5);
	assert_int_equal(passed(f, "plain", 0, NOW_NS, 9), 5);
	assert_int_equal(passed(f, "six", 0, NOW_NS, 9), 5);
	/* One instance has one, on whichever workers its connections are. */
	assert_int_equal(passed(f, "plain", 1, NOW_NS, 9), 0);
	assert_int_equal(passed(f, "required", 0, NOW_NS, 3), 3);
	assert_int_equal(passed(f, "required", 1, NOW_NS, 9), 2);
	/* Unknown callers and stopped instances have one together. */
	assert_int_equal(passed(f, NULL, 0, NOW_NS, 3), 3);
	assert_int_equal(passed(f, "stopped", 1, NOW_NS, 9), 2);
	/* A change of the instance is not a new burst. */
	put(f, "{'name': 'plain', 'privateIpAddress': '10.0.0.1'}");
	assert_int_equal(passed(f, "plain", 0, NOW_NS, 9), 0);
}

/* What a connection costs on which nothing was asked. */
static void looked_at_and_charged(void **state)
{
	struct fixture *f = *state;
	struct service_worker *worker = f->workers[0];
	struct entry *entry = entry_of(f, "plain");
	limit_all(f, 10, 5);
	for (int i = 0; i < 5; i++) {
		assert_false(
			service_is_throttled(worker, entry, NOW_NS)); /* looking takes nothing */
		assert_false(service_is_throttled(worker, entry, NOW_NS));
		service_charge(worker, entry, NOW_NS);
	}
	assert_true(service_is_throttled(worker, entry, NOW_NS));
	assert_true(service_is_throttled(f->workers[1], entry, NOW_NS)); /* all workers' */
	assert_false(service_is_throttled(worker, f->service.nobody, NOW_NS));
	assert_int_equal(passed(f, "plain", 0, NOW_NS, 3), 0);
	/* Nothing is owed, however much too often it was charged. */
	for (int i = 0; i < 100; i++) {
		service_charge(worker, entry, NOW_NS);
	}
	assert_true(service_is_throttled(worker, entry, NOW_NS + NS_PER_S / 10 - 1));
	assert_false(service_is_throttled(worker, entry, NOW_NS + NS_PER_S / 10));
	assert_int_equal(passed(f, "plain", 0, NOW_NS + NS_PER_S / 10, 3), 1);
	limit_all(f, 0, 0);
	for (int i = 0; i < 100; i++) {
		service_charge(worker, entry, NOW_NS);
		assert_false(service_is_throttled(worker, entry, NOW_NS));
	}
}

static void counting_who_is_cut_off(void **state)
{
	struct fixture *f = *state;
	struct service_worker *worker = f->workers[0];
	struct entry *entry = entry_of(f, "plain");
	service_count_throttled(worker, entry);
	service_count_throttled(worker, NULL);
	assert_int_equal(stats_get(&worker->stats, STATS_THROTTLED), 2);
	assert_int_equal(entry_counter(f->registry, entry, STATS_THROTTLED), 1);
	assert_int_equal(stats_get(&worker->stats, STATS_V1 + STATS_503), 0); /* no reply */
}

static void no_limit(void **state)
{
	struct fixture *f = *state;
	limit_all(f, 0, 0);
	assert_int_equal(passed(f, "plain", 0, NOW_NS, 1000), 1000);
	limit_all(f, 0, 5);
	assert_int_equal(passed(f, "plain", 0, NOW_NS, 1000), 1000);
	/* And one that comes later is in force at once. */
	limit_all(f, 1, 5);
	assert_int_equal(passed(f, "plain", 0, NOW_NS, 9), 5);
	limit_all(f, UINT32_MAX, UINT32_MAX);
	assert_int_equal(passed(f, "plain", 0, NOW_NS, 1000), 1000);
}

static void throttled_replies(void **state)
{
	struct fixture *f = *state;
	struct service_worker *worker = f->workers[0];
	const struct stats *own = entry_stats(entry_of(f, "plain"), 0);
	limit_all(f, 1, 1);
	assert_int_equal(passed(f, "plain", 0, NOW_NS, 1), 1);
	struct service_request request = get("/..");
	request.method = SERVICE_HEAD;
	struct service_reply reply = answer(f, "plain", &request);
	assert_int_equal(reply.status, 503);
	assert_int_equal(reply.body, SERVICE_EMPTY);
	assert_true(reply.head);
	assert_int_equal(stats_get(&worker->stats, STATS_THROTTLED), 1);
	assert_int_equal(stats_get(&worker->stats, STATS_V1 + STATS_503), 1);
	assert_int_equal(stats_get(own, STATS_THROTTLED), 1);
	assert_int_equal(stats_get(own, STATS_V1 + STATS_503), 1);
	/* A v2 request is one, also when it was not looked at. */
	request.has_token = true;
	(void)answer(f, "plain", &request);
	assert_int_equal(stats_get(own, STATS_V2 + STATS_503), 1);
	/* No instance, no counters of one; and no "unknown" that was never looked up. */
	assert_int_equal(passed(f, NULL, 0, NOW_NS, 2), 1);
	assert_int_equal(atomic_load(&worker->unknown), 1);
	assert_int_equal(stats_get(&worker->stats, STATS_THROTTLED), 3);
	assert_int_equal(stats_get(own, STATS_THROTTLED), 2);
	/* It is not the token-less requests that were let through. */
	assert_int_equal(stats_get(own, STATS_NO_TOKEN), 1);
}

/* --- counting what others answered ------------------------------------------------------------- */

static void counting_alone(void **state)
{
	struct fixture *f = *state;
	struct service_worker *worker = f->workers[1];
	struct entry *entry = entry_of(f, "plain");
	static const struct {
		int line;
		unsigned status;
		enum stats_status counted;
	} cases[] = {
		{__LINE__, 400, STATS_400},
		{__LINE__, 413, STATS_413},
		{__LINE__, 414, STATS_414},
		{__LINE__, 431, STATS_431},
		{__LINE__, 503, STATS_503},
		{__LINE__, 418, STATS_400},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t before = stats_get(&worker->stats, STATS_V1 + cases[i].counted);
		service_count(worker, entry, cases[i].status);
		service_count(worker, NULL, cases[i].status);
		case_int(cases[i].line,
			(long long)stats_get(&worker->stats, STATS_V1 + cases[i].counted),
			(long long)before + 2);
	}
	assert_int_equal(stats_get(&worker->stats, STATS_THROTTLED), 2);
	assert_int_equal(entry_counter(f->registry, entry, STATS_THROTTLED), 1);
	assert_int_equal(entry_counter(f->registry, entry, STATS_V1 + STATS_400), 2);
	assert_int_equal(entry_counter(f->registry, entry, STATS_NO_TOKEN), 0);
}

static void numbers_of_statuses(void **state)
{
	(void)state;
	for (int i = 0; i < STATS_STATUSES; i++) {
		assert_int_equal(stats_status_of(stats_status_number((enum stats_status)i)), i);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(burst_then_rate),
		TEST(rate_over_a_long_time),
		TEST(clock_that_is_set_back),
		TEST(clock_that_is_a_moment_behind),
		TEST(each_has_its_own),
		TEST(looked_at_and_charged),
		TEST(no_limit),
		TEST(throttled_replies),
		TEST(counting_alone),
		TEST(counting_who_is_cut_off),
		cmocka_unit_test(numbers_of_statuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
