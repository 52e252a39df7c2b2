/* Unit tests of http/worker.h: what a caller costs that asks too often, and who is cut off. */
#include "tests/unit/worker_help.h"

#define CLOCK_MS 20 /* how coarse the clock may be */
#define OFTEN    "GET /often HTTP/1.1\r\n\r\n"

/* --- pauses ------------------------------------------------------------------------------------ */

static void test_pause(void **state)
{
	(void)state;
	static const char *const behind[] = {OFTEN, "", "GET /of"};
	for (size_t i = 0; i < COUNT(behind); i++) {
		struct client *c = dial(0);
		int64_t begin = now_ms();
		say_text(c, OFTEN);
		say_text(c, behind[i]); /* with the first, or behind it */
		EXPECT(c, 503, "slowly", false);
		say_text(c,
			behind[i][0] == '\0' ? OFTEN : str_from(STR(OFTEN), strlen(behind[i])).p);
		for (int n = 1; n <= 3; n++) {
			EXPECT(c, 503, "slowly", false);
			assert_true(now_ms() - begin >= n * HTTP_PAUSE_MS - CLOCK_MS);
			say_text(c, OFTEN);
		}
		hang_up(c);
	}
	SOON(toy.left == COUNT(behind));
}

static void test_a_pause_is_for_one_connection(void **state)
{
	(void)state;
	struct client *slow = dial(0), *quick = dial(0);
	say_text(slow, OFTEN OFTEN);
	EXPECT(slow, 503, "slowly", false);
	unsigned answered = toy.answered;
	for (int i = 0; i < 10; i++) {
		ask(quick, "/");
		EXPECT(quick, 200, "hello", false);
	}
	assert_in_range(toy.answered - answered, 10, 11);
	/* And it ends: the connection is as any other. */
	EXPECT(slow, 503, "slowly", false);
	ask(slow, "/");
	EXPECT(slow, 200, "hello", false);
	EXPECT_SILENCE(slow);
	ask(slow, "/");
	EXPECT(slow, 200, "hello", false);
}

static void test_the_end_of_one_that_pauses(void **state)
{
	(void)state;
	struct client *hard = dial(0), *soft = dial(0), *drained = dial(0), *waits = dial(0);
	say_text(hard, OFTEN);
	say_text(soft, OFTEN);
	EXPECT(hard, 503, "slowly", false);
	EXPECT(soft, 503, "slowly", false);
	hang_up_hard(hard);
	hang_up(soft);
	SOON(toy.left == 2);
	say_text(drained, OFTEN);
	say_text(waits, OFTEN HELLO);
	EXPECT(drained, 503, "slowly", false);
	EXPECT(waits, 503, "slowly", false);
	/* What was asked is answered, without the pause. */
	http_worker_drain(toy.worker);
	EXPECT_END(drained);
	EXPECT(waits, 200, "hello", true);
	EXPECT_END(waits);
	SOON(toy.ended);
	assert_true(toy_join());
}

/* --- who is cut off ---------------------------------------------------------------------------- */

static void test_cut_off(void **state)
{
	(void)state;
	struct client *before = dial(0);
	ask(before, "/");
	EXPECT(before, 200, "hello", false);
	toy.refuse_with = HTTP_CUT_OFF;
	for (int i = 0; i < 20; i++) {
		struct client *c = dial(0);
		assert_int_equal(hear(c, PATIENCE_MS), -ECONNRESET);
		hang_up(c);
	}
	assert_int_equal(toy.refused, 0);
	assert_int_equal(toy.admitted, 1);
	SOON(http_worker_connections(toy.worker) == 1);
	toy.refuse_with = 0;
	ask(before, "/");
	EXPECT(before, 200, "hello", false);
	struct client *after = dial(0);
	ask(after, "/");
	EXPECT(after, 200, "hello", false);
}

/* --- a queue that never ends ------------------------------------------------------------------- */

static _Atomic unsigned come;

/* For each that is let in there is another. */
static void come_again(void)
{
	static int last = -1;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(toy.port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (last >= 0) {
		(void)close(last);
	}
	last = -1;
	if (++come <= 10 * LISTEN_BACKLOG) {
		last = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		(void)!connect(last, (struct sockaddr *)&to, sizeof to); /* refused at the end */
	}
}

static void test_a_flood_does_not_put_off_the_end(void **state)
{
	(void)state;
	toy.refuse_with = HTTP_CUT_OFF; /* else there are more than there are ports */
	toy.admitting = come_again;
	come = 0;
	(void)dial(0);
	http_worker_drain(toy.worker);
	SOON(toy.ended);
	/* Some came before it heard of its end; without a bound it is ten times as many. */
	assert_in_range(come, 0, 2 * LISTEN_BACKLOG);
}

#define toy_test(name) cmocka_unit_test_setup_teardown(name, toy_setup, toy_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		toy_test(test_pause),
		toy_test(test_a_pause_is_for_one_connection),
		toy_test(test_the_end_of_one_that_pauses),
		toy_test(test_cut_off),
		toy_test(test_a_flood_does_not_put_off_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
