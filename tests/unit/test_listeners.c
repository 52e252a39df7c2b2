/* How many connections are accepted in a turn. */
#include "tests/unit/cases.h"

#include <errno.h>

#include "http/listeners.h"
#include "platform/listen.h"

struct fixture {
	struct loop loop;
	struct listeners listeners;
};

/* Two listeners on loopback, to which nobody connects. */
static int begin(void **state)
{
	static struct fixture f;
	int fds[2];
	f = (struct fixture){.loop = LOOP_EMPTY};
	assert_int_equal(loop_init(&f.loop), 0);
	for (size_t i = 0; i < 2; i++) {
		struct listen_spec spec = {.interface = STR_EMPTY};
		assert_int_equal(ipaddr_parse(STR("127.0.0.1"), &spec.address), 0);
		assert_int_equal(listen_tcp(&spec, 1, &fds[i], NULL), 0);
	}
	assert_int_equal(listeners_init(&f.listeners, &f.loop, fds, NULL, 2, 2), 0);
	*state = &f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	listeners_done(&f->listeners, &f->loop);
	loop_done(&f->loop);
	return 0;
}

static void test_a_row_of_turns_tries_more(void **state)
{
	struct fixture *f = *state;
	static const unsigned tries[] = {1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8};
	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		assert_int_equal(listeners_tries(&f->listeners, 0, i + 1), tries[i]);
	}
}

static void test_a_turn_without_one_begins_again(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint64_t turn;
		unsigned tries;
	} turns[] = {{1, 1}, {2, 1}, {3, 2}, {5, 1}, {6, 1}, {7, 2}};
	for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
		assert_int_equal(listeners_tries(&f->listeners, 0, turns[i].turn), turns[i].tries);
	}
}

static void test_one_that_finds_none_begins_again(void **state)
{
	struct fixture *f = *state;
	struct http_peer peer;
	for (uint64_t turn = 1; turn <= 5; turn++) {
		(void)listeners_tries(&f->listeners, 0, turn);
	}
	assert_int_equal(listeners_accept(&f->listeners, 0, &peer), -EAGAIN);
	assert_int_equal(listeners_tries(&f->listeners, 0, 6), 1);
	assert_int_equal(listeners_tries(&f->listeners, 0, 7), 1);
	assert_int_equal(listeners_tries(&f->listeners, 0, 8), 2);
}

/* Callers at one do not cost those of another. */
static void test_each_has_its_own_row(void **state)
{
	struct fixture *f = *state;
	struct http_peer peer;
	for (uint64_t turn = 1; turn <= 4; turn++) {
		(void)listeners_tries(&f->listeners, 0, turn);
		assert_int_equal(listeners_tries(&f->listeners, 1, turn), 1);
		assert_int_equal(listeners_accept(&f->listeners, 1, &peer), -EAGAIN);
	}
	assert_int_equal(listeners_tries(&f->listeners, 0, 5), 4);
}

/* What is at a number now has nothing from what was there before. */
static void test_another_socket_begins_again(void **state)
{
	struct fixture *f = *state;
	struct listen_spec spec = {.interface = STR_EMPTY};
	size_t closed;
	int fd = -1;
	for (uint64_t turn = 1; turn <= 5; turn++) {
		(void)listeners_tries(&f->listeners, 0, turn);
	}
	assert_int_equal(ipaddr_parse(STR("127.0.0.1"), &spec.address), 0);
	assert_int_equal(listen_tcp(&spec, 1, &fd, NULL), 0);
	listeners_put(&f->listeners, 0, fd);
	assert_int_equal(listeners_turn(&f->listeners, &f->loop, &closed), 1);
	assert_int_equal(listeners_tries(&f->listeners, 0, 6), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_row_of_turns_tries_more),
		TEST(test_a_turn_without_one_begins_again),
		TEST(test_one_that_finds_none_begins_again),
		TEST(test_each_has_its_own_row),
		TEST(test_another_socket_begins_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
