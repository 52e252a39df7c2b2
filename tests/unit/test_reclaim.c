/* Unit tests of metadata/reclaim.h: what waits for whom, and what happens without memory. */
#include "tests/unit/cases.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "metadata/reclaim.h"
#include "tests/fake/alloc.h"

#define READERS 3

static struct reclaim reclaim;
static unsigned n_freed;

static int setup(void **state)
{
	(void)state;
	n_freed = 0;
	reclaim_init(&reclaim, READERS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reclaim_done(&reclaim);
	reclaim_done(&reclaim); /* again: nothing */
	return 0;
}

static void count_and_free(void *what)
{
	n_freed++;
	free(what);
}

static void retire_one(void)
{
	void *what = malloc(1);
	assert_non_null(what);
	reclaim_retire(&reclaim, what, count_and_free);
}

static void nobody_reads(void **state)
{
	(void)state;
	assert_int_equal(reclaim_run(&reclaim), 0);
	retire_one();
	assert_int_equal(n_freed, 0); /* not before it is asked for */
	assert_int_equal(reclaim_run(&reclaim), 0);
	assert_int_equal(n_freed, 1);
}

static void each_reader_must_have_passed(void **state)
{
	(void)state;
	reclaim_turn(&reclaim, 0);
	reclaim_turn(&reclaim, READERS - 1);
	retire_one();
	assert_int_equal(reclaim_run(&reclaim), 1);
	reclaim_turn(&reclaim, 1); /* a newcomer has never seen it */
	assert_int_equal(reclaim_run(&reclaim), 1);
	reclaim_turn(&reclaim, 0);
	assert_int_equal(reclaim_run(&reclaim), 1);
	assert_int_equal(n_freed, 0);
	reclaim_idle(&reclaim, READERS - 1);
	assert_int_equal(reclaim_run(&reclaim), 0);
	assert_int_equal(n_freed, 1);
}

static void each_thing_waits_for_itself(void **state)
{
	(void)state;
	retire_one();
	reclaim_turn(&reclaim, 0);
	retire_one();
	reclaim_turn(&reclaim, 1);
	retire_one();
	assert_int_equal(reclaim_run(&reclaim), 2);
	assert_int_equal(n_freed, 1);
	reclaim_turn(&reclaim, 0);
	assert_int_equal(reclaim_run(&reclaim), 1);
	assert_int_equal(n_freed, 2);
	reclaim_turn(&reclaim, 1);
	assert_int_equal(reclaim_run(&reclaim), 0);
	assert_int_equal(n_freed, 3);
}

static void marks(void **state)
{
	(void)state;
	uint64_t before = reclaim_mark(&reclaim);
	assert_true(before > 0); /* which would be idle */
	assert_true(reclaim_passed(&reclaim, before));
	reclaim_turn(&reclaim, 1);
	assert_true(reclaim_passed(&reclaim, before));
	uint64_t mark = reclaim_advance(&reclaim);
	assert_true(mark > before && mark == reclaim_mark(&reclaim));
	assert_false(reclaim_passed(&reclaim, mark));
	reclaim_retire(&reclaim, NULL, NULL);
	assert_true(reclaim_mark(&reclaim) > mark);
	reclaim_turn(&reclaim, 1);
	assert_true(reclaim_passed(&reclaim, mark));
	assert_true(reclaim_passed(&reclaim, reclaim_mark(&reclaim)));
	assert_int_equal(reclaim_run(&reclaim), 0);
}

/* The list grows, and keeps those in its middle that still wait. */
static void many(void **state)
{
	(void)state;
	enum { MANY = 1000 };
	for (int i = 0; i < MANY; i++) {
		if (i == MANY / 2) {
			reclaim_turn(&reclaim, 0);
		}
		retire_one();
	}
	assert_int_equal(reclaim_run(&reclaim), MANY / 2);
	assert_int_equal(n_freed, MANY / 2);
	for (int i = 0; i < MANY; i++) {
		retire_one();
	}
	assert_int_equal(reclaim_run(&reclaim), MANY / 2 + MANY);
	reclaim_turn(&reclaim, 0);
	assert_int_equal(reclaim_run(&reclaim), 0);
	assert_int_equal(n_freed, 2 * MANY);
}

static void the_end_frees_all(void **state)
{
	(void)state;
	reclaim_turn(&reclaim, 0);
	retire_one();
	retire_one();
	reclaim_done(&reclaim);
	assert_int_equal(n_freed, 2);
}

static _Atomic bool turned;
static bool turned_before_it_was_freed;

static void note_and_free(void *what)
{
	turned_before_it_was_freed = atomic_load(&turned);
	free(what);
}

/* A worker whose turn ends a while after the writer has begun to wait for that. */
static void *turn_late(void *mark)
{
	while (reclaim_mark(&reclaim) == *(uint64_t *)mark) {
		sched_yield();
	}
	for (int i = 0; i < 1000; i++) {
		sched_yield();
	}
	atomic_store(&turned, true);
	reclaim_turn(&reclaim, 0);
	return NULL;
}

static void without_memory_it_waits(void **state)
{
	(void)state;
	void *what = malloc(1);
	uint64_t mark = reclaim_mark(&reclaim);
	pthread_t worker;
	assert_non_null(what);
	reclaim_turn(&reclaim, 0);
	assert_int_equal(pthread_create(&worker, NULL, turn_late, &mark), 0);
	alloc_fail_at(1);
	reclaim_retire(&reclaim, what, note_and_free);
	assert_true(alloc_fail_at(0));
	assert_true(turned_before_it_was_freed);
	assert_int_equal(reclaim_run(&reclaim), 0);
	assert_int_equal(pthread_join(worker, NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nobody_reads),
		TEST(each_reader_must_have_passed),
		TEST(each_thing_waits_for_itself),
		TEST(marks),
		TEST(many),
		TEST(the_end_frees_all),
		TEST(without_memory_it_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
