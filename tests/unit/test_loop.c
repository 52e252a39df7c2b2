/* Waiting: for events, for others, until a time. */
#include "tests/unit/cases.h"

#include <pthread.h>

#include "platform/clock.h"
#include "platform/loop.h"

#define SOON_MS  200
#define LATER_MS 800
#define SLACK_MS 2000 /* of a busy machine */

static int setup_loop(void **state)
{
	static struct loop loop;
	*state = &loop;
	return loop_init(&loop);
}

static int teardown_loop(void **state)
{
	loop_done(*state);
	return 0;
}

/* Wait as workers do, until the time has come. Returns how many waits that took. */
static unsigned wait_until(struct loop *loop, uint64_t until_ms)
{
	struct epoll_event events[LOOP_EVENTS];
	unsigned waits = 0;
	while (clock_mono_ms() < until_ms) {
		int n = loop_wait(loop, events, until_ms);
		waits++;
		for (int i = 0; i < n; i++) {
			assert_int_equal(events[i].data.u64, LOOP_WAKE_TAG);
			loop_woken(loop);
		}
	}
	assert_true(clock_mono_ms() < until_ms + SLACK_MS);
	return waits;
}

static void test_at_once(void **state)
{
	struct epoll_event events[LOOP_EVENTS];
	uint64_t begin_ms = clock_mono_ms();
	assert_int_equal(loop_wait(*state, events, LOOP_AT_ONCE), 0);
	assert_true(clock_mono_ms() < begin_ms + SLACK_MS);
}

/* By one wait each: nobody spins until a coarse clock has come to the time, too. */
static void test_until_a_time(void **state)
{
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(wait_until(*state, clock_mono_ms() + SOON_MS), 1);
	}
}

static void test_a_time_that_has_passed(void **state)
{
	struct epoll_event events[LOOP_EVENTS];
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(loop_wait(*state, events, clock_mono_ms() - 1), 1);
		loop_woken(*state);
	}
}

/* One that was to come first comes, even when nobody waits for it any more. */
static void test_earlier_and_later(void **state)
{
	struct epoll_event events[LOOP_EVENTS];
	uint64_t now_ms = clock_mono_ms();
	loop_wake(*state);
	assert_int_equal(loop_wait(*state, events, now_ms + LATER_MS), 1); /* the timer is set */
	assert_int_equal(wait_until(*state, now_ms + SOON_MS), 2);
	loop_wake(*state);
	assert_int_equal(loop_wait(*state, events, now_ms + 2 * SOON_MS), 1);
	assert_in_range(wait_until(*state, now_ms + LATER_MS), 1, 3);
	assert_int_equal(wait_until(*state, clock_mono_ms() + SOON_MS), 1);
}

static void *wake(void *loop)
{
	struct timespec pause = {.tv_nsec = SOON_MS * 1000000};
	(void)nanosleep(&pause, NULL);
	loop_wake(loop);
	return NULL;
}

static void test_for_ever_or_until_somebody_wakes_it(void **state)
{
	struct epoll_event events[LOOP_EVENTS];
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, wake, *state), 0);
	assert_int_equal(loop_wait(*state, events, LOOP_FOREVER), 1);
	assert_int_equal(events[0].data.u64, LOOP_WAKE_TAG);
	loop_woken(*state);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(loop_wait(*state, events, LOOP_AT_ONCE), 0); /* taken note of */
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, setup_loop, teardown_loop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_at_once),
		LOOP_TEST(test_until_a_time),
		LOOP_TEST(test_a_time_that_has_passed),
		LOOP_TEST(test_earlier_and_later),
		LOOP_TEST(test_for_ever_or_until_somebody_wakes_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
