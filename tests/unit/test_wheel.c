/* Unit tests of platform/wheel.h: by hand, and against a model that looks at everything. */
#include "tests/unit/cases.h"

#include <stdbool.h>
#include <string.h>

#include "platform/wheel.h"

#define N          100
#define ROUND_MS   (UINT64_C(1) * WHEEL_SLOTS * WHEEL_TICK_MS)
#define HOUR_MS    UINT64_C(3600000)
#define OPERATIONS 400000

/* The link is not first, so that the stride counts. */
struct thing {
	char before[24];
	struct wheel_link link;
	char after[4];
};

static struct thing things[N];
static struct wheel wheel;

static void start(uint64_t now_ms)
{
	memset(things, 0xa5, sizeof things);
	for (size_t i = 0; i < N; i++) {
		wheel_link_init(&things[i].link);
	}
	wheel_init(&wheel, &things[0].link, sizeof things[0], now_ms);
}

/* The first moment at which an element with that deadline must come. */
static uint64_t must_by(uint64_t deadline_ms)
{
	return (deadline_ms / WHEEL_TICK_MS + 1) * WHEEL_TICK_MS;
}

static bool none(uint64_t now_ms)
{
	uint32_t index = 4711;
	bool found = wheel_expired(&wheel, now_ms, &index);
	return !found && index == 4711;
}

static uint32_t next(uint64_t now_ms)
{
	uint32_t index = WHEEL_NONE;
	assert_true(wheel_expired(&wheel, now_ms, &index));
	assert_in_range(index, 0, N - 1);
	return index;
}

static void test_empty(void **state)
{
	(void)state;
	start(12345);
	assert_int_equal(wheel_wait_ms(&wheel, 12345), -1);
	assert_true(none(12345));
	assert_true(none(12345 + 10 * HOUR_MS));
	assert_int_equal(wheel_wait_ms(&wheel, 12345 + 10 * HOUR_MS), -1);
	wheel_remove(&wheel, 5); /* not there: nothing happens */
	assert_int_equal(wheel_wait_ms(&wheel, 12345), -1);
}

/* Never early, at most a tick late, whatever the distance and the phase; once and not again. */
static void test_one(void **state)
{
	(void)state;
	static const uint32_t distances[] = {0, 1, 2, 127, 128, 129, 200, 1000, 5000, 15000, 60000,
		ROUND_MS - 257, ROUND_MS - 256, ROUND_MS - 129, ROUND_MS - 128, ROUND_MS - 1,
		ROUND_MS, ROUND_MS + 1, ROUND_MS + 128, 2 * ROUND_MS, 3 * ROUND_MS + 77, 3600000,
		86400000};
	static const uint64_t origins[] = {0, 1, 127, 128, 12345, UINT32_MAX - 1000, UINT32_MAX,
		UINT64_C(1) << 32, (UINT64_C(1) << 40) + 99};
	for (size_t o = 0; o < COUNT(origins); o++) {
		for (size_t d = 0; d < COUNT(distances); d++) {
			uint64_t now = origins[o], deadline = now + distances[d];
			start(now);
			wheel_set(&wheel, 7, now, distances[d]);
			/* Sleep as long as it says, every time. */
			while (now < must_by(deadline)) {
				assert_true(now >= deadline || none(now));
				int wait = wheel_wait_ms(&wheel, now);
				assert_in_range(wait, now >= deadline ? 0 : 1, ROUND_MS);
				now += (uint64_t)(wait ? wait : 1);
			}
			assert_in_range(now, deadline, must_by(deadline));
			assert_int_equal(next(now), 7);
			assert_true(none(now));
			assert_true(none(now + 2 * ROUND_MS));
			assert_int_equal(wheel_wait_ms(&wheel, now), -1);
		}
	}
}

/* Slept far too long: still everything comes, once. */
static void test_late(void **state)
{
	(void)state;
	static const uint64_t sleeps[] = {ROUND_MS / 2, ROUND_MS - 1, ROUND_MS, ROUND_MS + 1,
		5 * ROUND_MS, 24 * HOUR_MS, 20 * 24 * HOUR_MS};
	for (size_t s = 0; s < COUNT(sleeps); s++) {
		uint64_t now = 1000;
		bool seen[N] = {false};
		start(now);
		for (uint32_t i = 0; i < N; i++) {
			wheel_set(&wheel, i, now, i * 300);
		}
		now += sleeps[s];
		for (uint32_t n = 0; n < N; n++) {
			uint32_t index = next(now);
			assert_false(seen[index]);
			seen[index] = true;
		}
		assert_true(none(now));
	}
}

/* Empty for days, which nobody told the wheel: a new deadline is as good as any. */
static void test_after_a_long_time_empty(void **state)
{
	(void)state;
	static const uint64_t idle[] = {ROUND_MS, 24 * HOUR_MS, 60 * 24 * HOUR_MS};
	for (size_t i = 0; i < COUNT(idle); i++) {
		uint64_t now = 500;
		start(now);
		now += idle[i];
		wheel_set(&wheel, 0, now, 5000);
		wheel_set(&wheel, 1, now, 100000);
		assert_true(none(now));
		assert_in_range(wheel_wait_ms(&wheel, now), 1, 5000 + WHEEL_TICK_MS);
		assert_true(none(now + 4999));
		assert_int_equal(next(must_by(now + 5000)), 0);
		assert_true(none(now + 99999));
		assert_int_equal(next(must_by(now + 100000)), 1);
	}
}

static void test_order(void **state)
{
	(void)state;
	uint64_t now = 777;
	start(now);
	/* Deadlines two ticks apart come in their order, however they were set. */
	for (uint32_t i = 0; i < N; i++) {
		uint32_t index = i * 37 % N;
		wheel_set(&wheel, index, now, 1000 + index * 2 * WHEEL_TICK_MS);
	}
	now += 60000;
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(next(now), i);
	}
	assert_true(none(now));
}

/* Extended over and over, it stays in its slot and is put on when that comes up. */
static void test_extended(void **state)
{
	(void)state;
	uint64_t now = 1000;
	start(now);
	wheel_set(&wheel, 3, now, 5000);
	uint16_t slot = things[3].link.slot_;
	for (int i = 0; i < 100; i++) {
		now += 40;
		wheel_set(&wheel, 3, now, 5000);
		assert_int_equal(things[3].link.slot_, slot); /* nothing was moved */
	}
	uint64_t deadline = now + 5000;
	while (now < deadline) {
		assert_true(none(now));
		int wait = wheel_wait_ms(&wheel, now);
		assert_true(wait > 0);
		now += (uint64_t)wait;
	}
	assert_in_range(now, deadline, must_by(deadline));
	assert_int_equal(next(now), 3);
}

static void test_sooner(void **state)
{
	(void)state;
	static const uint32_t firsts[] = {300, 60000, ROUND_MS, 10 * ROUND_MS, 86400000};
	for (size_t f = 0; f < COUNT(firsts); f++) {
		for (uint32_t sooner = 0; sooner < 300; sooner += 50) {
			uint64_t now = 5000;
			start(now);
			wheel_set(&wheel, 3, now, firsts[f]);
			wheel_set(&wheel, 3, now + 1, sooner);
			assert_true(sooner == 0 || none(now + sooner));
			assert_int_equal(next(must_by(now + 1 + sooner)), 3);
			assert_true(none(now + 20 * ROUND_MS));
		}
	}
}

static void test_removed(void **state)
{
	(void)state;
	uint64_t now = 0;
	start(now);
	/* Five in one slot: the first, one in the middle and the last go. */
	for (uint32_t i = 0; i < 5; i++) {
		wheel_set(&wheel, i, now, 1000);
	}
	wheel_remove(&wheel, 4);
	wheel_remove(&wheel, 2);
	wheel_remove(&wheel, 0);
	wheel_remove(&wheel, 0);
	now = must_by(1000);
	bool seen[N] = {false};
	seen[next(now)] = true;
	seen[next(now)] = true;
	assert_true(seen[1] && seen[3] && none(now));
	/* Alone in its slot: the slot is empty then. */
	wheel_set(&wheel, 2, now, 1000);
	wheel_remove(&wheel, 2);
	assert_int_equal(wheel_wait_ms(&wheel, now), -1);
	wheel_set(&wheel, 2, now, 1000);
	assert_in_range(wheel_wait_ms(&wheel, now), 1, 1000 + WHEEL_TICK_MS);
}

/* A clock that stands still, or is read a little earlier than before, makes nothing expire. */
static void test_clock_stands(void **state)
{
	(void)state;
	start(100000);
	assert_true(none(101000));
	wheel_set(&wheel, 1, 100900, 500);
	assert_true(none(100900));
	assert_true(none(101399));
	assert_int_equal(next(must_by(101400)), 1);
}

/* --- against a model --------------------------------------------------------------------------- */

static uint64_t deadlines[N]; /* of those in it */
static bool inside[N];

static uint64_t random_state = 88172645463325252;

static uint32_t pick(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % below;
}

static uint32_t pick_distance(void)
{
	switch (pick(6)) {
	case 0:
		return pick(300);
	case 1:
		return pick(20000);
	case 2:
		return (uint32_t)ROUND_MS - 300 + pick(600);
	case 3:
		return pick(10 * (uint32_t)ROUND_MS);
	case 4:
		return 15000;
	default:
		return pick(20 * 24) * (uint32_t)HOUR_MS;
	}
}

static uint64_t pick_sleep(void)
{
	switch (pick(40)) {
	case 0:
		return ROUND_MS - 200 + pick(400);
	case 1:
		return pick(3) * HOUR_MS;
	case 2:
	case 3:
		return pick(20000);
	default:
		return pick(200);
	}
}

static void check_expired(uint64_t now_ms)
{
	uint32_t index;
	while (wheel_expired(&wheel, now_ms, &index)) {
		assert_in_range(index, 0, N - 1);
		assert_true(inside[index]);
		assert_true(deadlines[index] <= now_ms);
		inside[index] = false;
	}
	uint64_t first_ms = UINT64_MAX;
	for (size_t i = 0; i < N; i++) {
		if (inside[i] && must_by(deadlines[i]) < first_ms) {
			first_ms = must_by(deadlines[i]);
		}
	}
	int wait = wheel_wait_ms(&wheel, now_ms);
	if (first_ms == UINT64_MAX) {
		assert_int_equal(wait, -1);
	} else {
		assert_true(first_ms > now_ms);
		assert_in_range(wait, 1, ROUND_MS); /* 0 would have the caller spin */
		assert_true(now_ms + (uint64_t)wait <= first_ms);
	}
}

static void test_against_model(void **state)
{
	(void)state;
	uint64_t now = UINT32_MAX - 5 * HOUR_MS;
	start(now);
	memset(inside, 0, sizeof inside);
	for (int i = 0; i < OPERATIONS; i++) {
		uint32_t index = pick(N);
		switch (pick(8)) {
		case 0:
			wheel_remove(&wheel, index);
			inside[index] = false;
			break;
		case 1:
			now += pick_sleep();
			check_expired(now);
			break;
		case 2: {
			int wait = wheel_wait_ms(&wheel, now);
			now += wait > 0 ? (uint64_t)wait : 0;
			check_expired(now);
			break;
		}
		default: {
			uint32_t after_ms = pick_distance();
			wheel_set(&wheel, index, now, after_ms);
			deadlines[index] = now + after_ms;
			inside[index] = true;
		}
		}
	}
	/* In the end all of them come. */
	for (size_t i = 0; i < N; i++) {
		now = inside[i] && must_by(deadlines[i]) > now ? must_by(deadlines[i]) : now;
	}
	check_expired(now);
	assert_int_equal(wheel_wait_ms(&wheel, now), -1);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(things[i].before[23], (char)0xa5);
		assert_int_equal(things[i].after[0], (char)0xa5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_after_a_long_time_empty),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_extended),
		cmocka_unit_test(test_sooner),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_clock_stands),
		cmocka_unit_test(test_against_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
