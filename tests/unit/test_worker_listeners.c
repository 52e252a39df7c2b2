/* Listeners that come and go while the worker runs. */
#include "tests/unit/worker_help.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "http/listeners.h"

/* A further address with a port of its own; the clients that come go there. */
static int listen_further(const char *address)
{
	struct listen_spec spec = {.interface = STR_EMPTY};
	int fd = -1;
	assert_int_equal(ipaddr_parse(str_of(address), &spec.address), 0);
	assert_int_equal(listen_tcp(&spec, 1, &fd, NULL), 0);
	toy.address = spec.address;
	learn_port(fd);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Nobody listens where clients go. */
static bool is_refused(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(toy.port)};
	memcpy(&to.sin_addr, toy.address.b + 12, 4);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool refused = connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno == ECONNREFUSED;
	(void)close(fd);
	return refused;
}

static void test_comes_and_goes(void **state)
{
	(void)state;
	struct client *old = dial(0);
	ask(old, "/peer");
	EXPECT(old, 200, "127.0.0.1 0 0", false);
	int fd = listen_further("127.0.0.2");
	struct client *early = dial(0); /* before the worker knows of it */
	ask(early, "/peer");
	http_worker_listen(toy.worker, 3, fd);
	EXPECT(early, 200, "127.0.0.1 3 0", false);
	struct client *idle = dial(0), *half = dial(0), *parked = dial(0);
	ask(idle, "/");
	EXPECT(idle, 200, "hello", false);
	say_text(half, "GET / HT");
	ask(parked, "/later");
	SOON(toy.put_off == 1);
	http_worker_unlisten(toy.worker, 3);
	SOON(toy.closed[3] == 1);
	assert_true(is_end(hear(early, PATIENCE_MS)));
	assert_true(is_end(hear(idle, PATIENCE_MS)));
	assert_true(is_end(hear(half, PATIENCE_MS)));
	assert_true(is_end(hear(parked, PATIENCE_MS)));
	assert_int_equal(http_worker_connections(toy.worker), 1);
	assert_true(is_refused());
	ask(old, "/"); /* of another listener */
	EXPECT(old, 200, "hello", false);
	assert_int_equal(toy.closed[0] + toy.closed[1] + toy.closed[2], 0);
}

/* A number is used again for another, many times. */
static void test_numbers_are_used_again(void **state)
{
	(void)state;
	for (unsigned round = 1; round <= 50; round++) {
		http_worker_listen(toy.worker, 2, listen_further("127.0.0.3"));
		struct client *c = dial(0);
		ask(c, "/peer");
		EXPECT(c, 200, "127.0.0.1 2 0", false);
		http_worker_unlisten(toy.worker, 2);
		SOON(toy.closed[2] == round);
		assert_true(is_end(hear(c, PATIENCE_MS)));
	}
}

static void test_gone_before_it_was_there(void **state)
{
	(void)state;
	http_worker_unlisten(toy.worker, 2);
	settle();
	assert_int_equal(toy.closed[2], 0);
	for (unsigned round = 0; round < 100; round++) {
		unsigned before = toy.closed[2];
		http_worker_listen(toy.worker, 2, listen_further("127.0.0.3"));
		settle();
		http_worker_unlisten(toy.worker, 2);
		SOON(toy.closed[2] == before + 1);
	}
}

/* What there is no room for is closed, as is what comes when no more are wanted. */
static void test_at_the_cap_and_too_late(void **state)
{
	(void)state;
	http_worker_listen(toy.worker, TOY_ROOM - 1, listen_further("127.0.0.2"));
	struct client *c = dial(0);
	ask(c, "/");
	EXPECT(c, 200, "hello", false);
	int fd = listen_further("127.0.0.3");
	http_worker_listen(toy.worker, TOY_ROOM, fd);
	assert_false(is_open(fd));
	assert_true(is_refused());
	ask(c, "/later");
	SOON(toy.put_off == 1);
	http_worker_drain(toy.worker);
	settle();
	fd = listen_further("127.0.0.4");
	http_worker_listen(toy.worker, 2, fd);
	assert_false(is_open(fd));
	toy.ready = true;
	http_worker_wake(toy.worker);
	EXPECT(c, 200, "now", true);
	SOON(toy.ended);
}

/* A descriptor that the worker never got to is closed with it. */
static void test_after_the_end(void **state)
{
	(void)state;
	http_worker_stop(toy.worker);
	SOON(toy.ended);
	int fd = listen_further("127.0.0.2");
	http_worker_listen(toy.worker, 2, fd);
	assert_true(is_open(fd));
	assert_true(toy_join());
	assert_false(is_open(fd));
}

/* While descriptors are out nobody is accepted, by new listeners neither, and all are afterwards. */
static void test_while_accepting_pauses(void **state)
{
	(void)state;
	struct rlimit was, tight;
	int fd = listen_further("127.0.0.2");
	struct client *c = dial(0), *d = dial(0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	tight = was;
	tight.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	http_worker_listen(toy.worker, 2, fd);
	settle();
	http_worker_listen(toy.worker, 3, -1);
	settle();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	ask(c, "/peer");
	EXPECT(c, 200, "127.0.0.1 2 0", false);
	ask(d, "/peer");
	EXPECT(d, 200, "127.0.0.1 2 0", false);
	http_worker_unlisten(toy.worker, 2);
	SOON(toy.closed[2] == 1);
}

/* Two of them at once, both with connections, and the first two for good. */
static void test_several_at_once(void **state)
{
	(void)state;
	struct client *old = dial(0);
	ask(old, "/");
	EXPECT(old, 200, "hello", false);
	http_worker_listen(toy.worker, 2, listen_further("127.0.0.2"));
	struct client *one = dial(0);
	ask(one, "/peer");
	EXPECT(one, 200, "127.0.0.1 2 0", false);
	http_worker_listen(toy.worker, 3, listen_further("127.0.0.3"));
	struct client *two = dial(0);
	ask(two, "/peer");
	EXPECT(two, 200, "127.0.0.1 3 0", false);
	for (size_t i = 0; i < TOY_ROOM; i++) {
		http_worker_unlisten(toy.worker, i);
	}
	for (size_t i = 0; i < TOY_ROOM; i++) {
		SOON(toy.closed[i] == 1);
	}
	assert_true(is_end(hear(old, PATIENCE_MS)));
	assert_true(is_end(hear(one, PATIENCE_MS)));
	assert_true(is_end(hear(two, PATIENCE_MS)));
	assert_int_equal(http_worker_connections(toy.worker), 0);
}

/* What it speaks is told as for those that were there from the start. */
static void test_secure(void **state)
{
	(void)state;
	toy_trust();
	struct tls_context *tls = tls_pair_context(&toy_pair);
	http_worker_listen(toy.worker, 2, listen_further("127.0.0.2"));
	http_worker_secure(toy.worker, 2, tls);
	settle();
	struct client *c = dial(0);
	c->ssl = tls_client(c->fd, &toy_pair);
	ask(c, "/");
	EXPECT(c, 200, "hello", false);
	tls_context_free(tls);
}

/* Others have the socket still: who comes there is not the loop's business any more. */
static void check_shared(bool at_a_turn)
{
	struct loop loop = LOOP_EMPTY;
	struct listeners listeners;
	struct epoll_event events[LOOP_EVENTS];
	size_t closed = 1;
	int shared = listen_further("127.0.0.4");
	int own = fcntl(shared, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(listeners_init(&listeners, &loop, &own, NULL, 1, 1), 0);
	if (at_a_turn) {
		listeners_put(&listeners, 0, -1);
		assert_int_equal(listeners_turn(&listeners, &loop, &closed), 1);
		assert_int_equal(closed, 0);
	} else {
		listeners_close(&listeners, &loop);
	}
	(void)dial(0);
	assert_int_equal(loop_wait(&loop, events, LOOP_AT_ONCE), 0);
	listeners_done(&listeners, &loop);
	loop_done(&loop);
	(void)close(shared);
}

static void test_others_have_it_still(void **state)
{
	(void)state;
	check_shared(false);
	check_shared(true);
}

int main(void)
{
#define toy_test(name) cmocka_unit_test_setup_teardown(name, toy_setup, toy_teardown)
	const struct CMUnitTest tests[] = {
		toy_test(test_comes_and_goes),
		toy_test(test_numbers_are_used_again),
		toy_test(test_gone_before_it_was_there),
		toy_test(test_at_the_cap_and_too_late),
		toy_test(test_after_the_end),
		toy_test(test_while_accepting_pauses),
		toy_test(test_several_at_once),
		toy_test(test_secure),
		toy_test(test_others_have_it_still),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
