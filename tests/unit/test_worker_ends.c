/* Unit tests of http/worker.h: how connections end, and how the worker does. */
#include "tests/unit/worker_help.h"

#include <stdio.h>

/* --- ends -------------------------------------------------------------------------------------- */

static void test_half_close(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *request;
		int replies;
	} cases[] = {
		{__LINE__, HELLO, 1},
		{__LINE__, HELLO HELLO HELLO, 3},
		{__LINE__, HELLO "GET / HT", 1},
		{__LINE__, PUT_ECHO "Content-Length: 5\r\n\r\nabcd", 0},
		{__LINE__, "GET", 0},
		{__LINE__, "", 0},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client *c = dial(0);
		say_text(c, cases[i].request);
		assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
		for (int n = 0; n < cases[i].replies; n++) {
			EXPECT(c, 200, "hello", false);
		}
		EXPECT_END(c);
	}
	struct client *c = dial(LITTLE);
	ask(c, BIG_TEXT);
	assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
	SOON(toy.answered == 6);
	check_big(next_reply(c), BIG);
	EXPECT_END(c);
}

/* The last reply comes with the end: when its bytes are there, so is that. */
static void test_one_packet(void **state)
{
	(void)state;
	for (int i = 0; i < 20 && !TOY_TLS; i++) {
		char bytes[512];
		struct client *c = dial(0);
		say_text(c, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
		struct pollfd poll_fd = {.fd = c->fd, .events = POLLIN};
		assert_int_equal(poll(&poll_fd, 1, 10000), 1);
		ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
		assert_true(n > 5 && memcmp(bytes + n - 5, "hello", 5) == 0);
		assert_int_equal(recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT), 0);
		hang_up(c);
	}
}

/* Everything is answered that was asked before the fault, nothing that comes behind it. */
static void test_refusals(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf fields = BUF_EMPTY;
	static char long_target[2100], long_field[8300];
	(void)snprintf(long_target, sizeof long_target, "GET /%02048d HTTP/1.1\r\n\r\n", 0);
	(void)snprintf(long_field, sizeof long_field, "GET / HTTP/1.1\r\nA: %08170d\r\n\r\n", 0);
	buf_add(&fields, STR("GET / HTTP/1.1\r\n"));
	for (int i = 0; i < 65; i++) {
		buf_add(&fields, STR("A: b\r\n"));
	}
	buf_add_f(&fields, "\r\n%c", '\0');
	const struct {
		int line;
		const char *request;
		unsigned status;
	} cases[] = {
		{__LINE__, "rubbish\r\n\r\n", 400},
		{__LINE__, PUT_ECHO "Content-Length: 1\r\n" CHUNKED, 400},
		{__LINE__, PUT_ECHO CHUNKED "x\r\n", 400},
		{__LINE__, PUT_ECHO CHUNKED "3\r\nabcd\r\n0\r\n\r\n", 400},
		{__LINE__, PUT_ECHO "Content-Length: 1001\r\n\r\n", 413},
		{__LINE__, PUT_ECHO "Content-Length: 18446744073709551615\r\n\r\n", 413},
		{__LINE__, PUT_ECHO CHUNKED "3e9\r\n", 413},
		{__LINE__, long_target, 414},
		{__LINE__, long_field, 431},
		{__LINE__, fields.p, 431},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (int before = 0; before < 2; before++) {
			struct client *c = dial(0);
			unsigned answered = toy.answered;
			say_text(c, before ? HELLO : "");
			say_text(c, cases[i].request);
			say_text(c, HELLO HELLO);
			if (before) {
				EXPECT(c, 200, "hello", false);
			}
			struct reply reply = next_reply(c);
			HOLDS(cases[i].line, reply.status == cases[i].status && reply.close);
			HOLDS(cases[i].line, str_eq(reply.body, STR("refused")));
			EXPECT_END(c);
			HOLDS(cases[i].line, toy.answered == answered + (unsigned)before);
			hang_up(c);
		}
	}
	assert_int_equal(toy.refused, 2 * COUNT(cases));
}

/* Without a line's end: refused all the same, and not kept for ever. */
static void test_lines_without_end(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *start;
		size_t n;
		unsigned status;
	} cases[] = {
		{__LINE__, "GET /", 2048, 414},
		{__LINE__, "GET / HTTP/1.1\r\nA: ", 8192, 431},
		{__LINE__, "GET / HTTP/1.1\r\nA", 8192, 431},
		{__LINE__, "M", 8192, 431},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client *c = dial(0);
		say_text(c, cases[i].start);
		settle();
		for (size_t n = 0; n < cases[i].n; n++) {
			say(c, STR("x"));
		}
		struct reply reply = next_reply(c);
		HOLDS(cases[i].line, reply.status == cases[i].status);
		EXPECT_END(c);
	}
}

static void test_body_cap(void **state)
{
	(void)state;
	char body[TOY_BODY_MAX + 1], text[64];
	memset(body, 'b', sizeof body);
	for (size_t n = TOY_BODY_MAX - 1; n <= TOY_BODY_MAX + 1; n++) {
		for (int chunked = 0; chunked < 2; chunked++) {
			struct client *c = dial(0);
			(void)snprintf(text, sizeof text,
				chunked ? CHUNKED "%zx\r\n" : "Content-Length: %zu\r\n\r\n", n);
			say_text(c, PUT_ECHO);
			say_text(c, text);
			say(c, (struct str){body, n});
			say_text(c, chunked ? "\r\n0\r\n\r\n" : "");
			struct reply reply = next_reply(c);
			assert_int_equal(reply.status, n <= TOY_BODY_MAX ? 200 : 413);
			assert_int_equal(reply.close, n > TOY_BODY_MAX);
			assert_int_equal(reply.body.n,
				n > TOY_BODY_MAX ? 7 : n + strlen("PUT 999 ") + (n > 999));
		}
	}
}

static void flood_and_be_refused(struct client *c)
{
	static char flood[256 * 1024];
	memset(flood, 'x', sizeof flood);
	say_text(c, PUT_ECHO "Content-Length: 262144\r\n\r\n");
	for (int part = 0; part < 4; part++) {
		say(c, (struct str){flood, sizeof flood / 4});
	}
	EXPECT(c, 413, "refused", true);
	EXPECT_END(c);
}

/*
 * The peer is still sending when it is refused: the reply must not be thrown away by a reset, which is
 * what closing with bytes unread would give.
 */
static void test_lingering(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct client *c = dial(0);
		flood_and_be_refused(c);
		assert_int_equal(http_worker_connections(toy.worker), 1);
		hang_up(c);
		SOON(http_worker_connections(toy.worker) == 0);
	}
}

/* Those whose peers never end are not waited for for ever, nor too many of them. */
static void test_lingering_is_bounded(void **state)
{
	(void)state;
	int n = HTTP_LINGER_MAX + 44;
	for (int i = 0; i < n; i++) {
		say_text(dial(0), "rubbish\r\n\r\n");
	}
	for (int i = 0; i < n; i++) {
		EXPECT(&clients[i], 400, "refused", true);
	}
	/* The last one may be about to be cut off. */
	assert_in_range(http_worker_connections(toy.worker), 0, HTTP_LINGER_MAX + 1);
	SOON(http_worker_connections(toy.worker) == 0);
	flood_and_be_refused(dial(0)); /* there is room again */
}

static _Atomic bool held;

static void wait_while_held(void)
{
	while (held) {
		(void)poll(NULL, 0, 1);
	}
}

/* Nor does one that can't be waited for lose its reply, with bytes of its that nobody has read. */
static void test_refusals_beyond_the_bound(void **state)
{
	(void)state;
	int n = HTTP_LINGER_MAX + 44;
	held = true;
	toy.admitting = wait_while_held;
	toy.refuse_with = 503;
	for (int i = 0; i < n && !TOY_TLS; i++) { /* by TLS there is no handshake, and so no word */
		say_text(dial(0), HELLO);
	}
	held = false;
	for (size_t i = 0; i < n_clients; i++) {
		EXPECT(&clients[i], 503, "refused", true);
	}
	SOON(http_worker_connections(toy.worker) == 0);
}

/* It is the worker that closes, and the peer, which was not told yet, goes on: that costs no reply. */
static void test_asked_on_while_it_closes(void **state)
{
	(void)state;
	toy.answering = wait_while_held;
	for (unsigned i = 1; i <= 20; i++) {
		struct client *c = dial(0);
		held = true;
		ask(c, "/close");
		SOON(toy.answered == i);
		say_text(c, HELLO);
		held = false;
		EXPECT(c, 200, "bye", true);
		EXPECT_END(c);
		hang_up(c);
	}
}

static void test_not_admitted(void **state)
{
	(void)state;
	struct client *in = dial(0);
	ask(in, "/");
	EXPECT(in, 200, "hello", false);
	toy.refuse_with = 503;
	for (int i = 0; i < 20; i++) {
		struct client *c = dial(0);
		say_text(c, i % 2 ? HELLO : "");
		if (!TOY_TLS) { /* else there is no handshake, and so no word */
			EXPECT(c, 503, "refused", true);
		}
		EXPECT_END(c);
		hang_up(c);
	}
	ask(in, "/");
	EXPECT(in, 200, "hello", false);
	SOON(http_worker_connections(toy.worker) == 1);
	assert_int_equal(toy.admitted, 1); /* who was not let in does not leave */
	assert_int_equal(toy.left, 0);
	assert_int_equal(toy.answered, 2);
	assert_int_equal(toy.refused, TOY_TLS ? 0 : 20);
}

/* --- drain and stop ---------------------------------------------------------------------------- */

static void test_drain(void **state)
{
	(void)state;
	struct client *idle = dial(0), *fresh = dial(0), *half = dial(0), *parked = dial(0),
		      *slow = dial(LITTLE);
	ask(idle, "/");
	EXPECT(idle, 200, "hello", false);
	say_text(half, "GET / HTTP/1.1\r\nA: b");
	ask(parked, "/later");
	ask(slow, BIG_TEXT);
	SOON(toy.answered == 3 && http_worker_connections(toy.worker) == 5);
	http_worker_drain(toy.worker);
	EXPECT_END(idle);
	EXPECT_END(fresh);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(toy.port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno == ECONNREFUSED);
	(void)close(fd);
	/* What was begun is finished, and told that it was the last. */
	say_text(half, "\r\n\r\n" HELLO);
	EXPECT(half, 200, "hello", true);
	EXPECT_END(half);
	toy.ready = true;
	http_worker_wake(toy.worker);
	EXPECT(parked, 200, "now", true);
	EXPECT_END(parked);
	assert_false(toy.ended);
	check_big(next_reply(slow), BIG);
	EXPECT_END(slow);
	SOON(toy.ended);
	assert_true(toy_join());
}

/* Who was accepted by the kernel alone, and has asked, gets the answer. */
static void test_drain_answers_the_queue(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 20; i++) {
			ask(dial(0), "/");
		}
		http_worker_drain(toy.worker);
		for (int i = 0; i < 20; i++) {
			struct reply reply = next_reply(&clients[i]);
			assert_int_equal(reply.status, 200);
			EXPECT_END(&clients[i]);
			hang_up(&clients[i]);
		}
		n_clients = 0;
		SOON(toy.ended);
		assert_true(toy_join());
		toy_start(&toy_limits);
	}
}

/* In the midst of many requests: the last reply says that it is the last. */
static void test_drain_in_a_pipeline(void **state)
{
	(void)state;
	struct client *c = dial(0);
	for (int i = 0; i < 2000; i++) {
		say_text(c, HELLO);
	}
	SOON(toy.answered > 10);
	http_worker_drain(toy.worker);
	struct reply reply;
	unsigned n = 0;
	do {
		reply = next_reply(c);
		assert_int_equal(reply.status, 200);
		n++;
	} while (!reply.close && n < 2000);
	assert_true(reply.close || n == 2000); /* it may have been through already */
	EXPECT_END(c);
	SOON(toy.ended);
	assert_true(toy_join());
}

static void test_drain_without_connections(void **state)
{
	(void)state;
	http_worker_drain(toy.worker);
	http_worker_drain(toy.worker);
	SOON(toy.ended);
	assert_true(toy_join());
}

static void test_stop(void **state)
{
	(void)state;
	struct client *idle = dial(0), *half = dial(0), *parked = dial(0), *slow = dial(LITTLE),
		      *lingering = dial(0);
	ask(idle, "/");
	EXPECT(idle, 200, "hello", false);
	say_text(half, "GET");
	ask(parked, "/later");
	ask(slow, BIG_TEXT);
	say_text(lingering, "rubbish\r\n\r\n");
	EXPECT(lingering, 400, "refused", true);
	SOON(toy.answered == 3 && http_worker_connections(toy.worker) == 5);
	http_worker_stop(toy.worker);
	SOON(toy.ended);
	assert_int_equal(toy.left, 5);
	assert_true(toy_join());
}

/* Before its thread runs at all. */
static void test_orders_before_the_start(void **state)
{
	(void)state;
	assert_true(toy_end());
	int fds[TOY_LISTENERS];
	assert_int_equal(conn_table_init(&toy.table, TOY_TABLE), 0);
	toy_listen(fds);
	const struct http_worker_config config = {.name = "toy",
		.id = 1,
		.table = &toy.table,
		.limits = toy_limits,
		.handler = toy_handler,
		.listeners = fds,
		.n_listeners = 1};
	assert_int_equal(http_worker_new(&config, &toy.worker), 0);
	http_worker_wake(toy.worker);
	http_worker_limit(toy.worker, &toy_limits);
	http_worker_drain(toy.worker);
	http_worker_run(toy.worker);
	(void)close(fds[1]);
	assert_true(toy_join());
}

/* A sign of life comes of a loop that turns, and of nothing else. */
static void test_pulse(void **state)
{
	(void)state;
	struct http_worker *still;
	const struct http_worker_config config = {
		.name = "still", .id = 2, .table = &toy.table, .handler = toy_handler};
	assert_int_equal(http_worker_new(&config, &still), 0);
	assert_true(http_worker_pulse(still));
	assert_false(http_worker_pulse(still));
	assert_false(http_worker_pulse(still));
	http_worker_free(still);
	assert_true(http_worker_pulse(toy.worker));
	settle();
	assert_true(http_worker_pulse(toy.worker));
	settle();
	assert_true(http_worker_pulse(toy.worker));
}

/* --- two workers, one table -------------------------------------------------------------------- */

static struct http_worker *second;

static void *run_second(void *ctx)
{
	http_worker_run(ctx);
	return NULL;
}

static _Atomic unsigned churned;
static _Atomic bool churn_on;

/* Connections that come and go, so that descriptors pass from one worker to the other. */
static void *churn(void *ctx)
{
	const uint16_t *port = ctx;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(*port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while (churn_on) {
		char text[256];
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
			send(fd, HELLO, sizeof HELLO - 1, MSG_NOSIGNAL) > 0 &&
			recv(fd, text, sizeof text, 0) > 0) {
			churned++;
		} else if (churn_on) {
			churned = 1000000; /* one got no answer */
			churn_on = false;
		}
		(void)close(fd);
	}
	return NULL;
}

static void test_two_workers(void **state)
{
	(void)state;
	struct listen_spec spec = {.address = toy.address};
	pthread_t worker_thread, churn_thread;
	uint16_t first_port = toy.port, second_port;
	int fd;
	assert_int_equal(listen_tcp(&spec, 1, &fd, NULL), 0);
	learn_port(fd);
	second_port = toy.port;
	toy.port = first_port;
	const struct http_worker_config config = {.name = "second",
		.id = 2,
		.table = &toy.table,
		.limits = toy_limits,
		.handler = toy_handler,
		.listeners = &fd,
		.n_listeners = 1};
	assert_int_equal(http_worker_new(&config, &second), 0);
	assert_int_equal(pthread_create(&worker_thread, NULL, run_second, second), 0);
	churned = 0;
	churn_on = true;
	assert_int_equal(pthread_create(&churn_thread, NULL, churn, &second_port), 0);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 10; i++) {
			ask(dial(0), "/");
		}
		for (int i = 0; i < 10; i++) {
			EXPECT(&clients[i], 200, "hello", false);
			hang_up(&clients[i]);
		}
		n_clients = 0;
	}
	/* The first one drains, with connections whose peers have just gone. */
	for (int i = 0; i < 50; i++) {
		ask(dial(0), "/");
		EXPECT(&clients[i], 200, "hello", false);
	}
	http_worker_drain(toy.worker);
	for (int i = 0; i < 50; i++) {
		hang_up(&clients[i]);
	}
	SOON(toy.ended);
	unsigned so_far = churned;
	SOON(churned > so_far + 50);
	churn_on = false;
	assert_int_equal(pthread_join(churn_thread, NULL), 0);
	assert_in_range(churned, 50, 999999);
	http_worker_stop(second);
	assert_int_equal(pthread_join(worker_thread, NULL), 0);
	http_worker_free(second);
	assert_true(toy_join());
}

#define toy_test(name) cmocka_unit_test_setup_teardown(name, toy_setup, toy_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		toy_test(test_half_close),
		toy_test(test_one_packet),
		toy_test(test_refusals),
		toy_test(test_lines_without_end),
		toy_test(test_body_cap),
		toy_test(test_lingering),
		toy_test(test_lingering_is_bounded),
		toy_test(test_refusals_beyond_the_bound),
		toy_test(test_asked_on_while_it_closes),
		toy_test(test_not_admitted),
		toy_test(test_drain),
		toy_test(test_drain_answers_the_queue),
		toy_test(test_drain_in_a_pipeline),
		toy_test(test_drain_without_connections),
		toy_test(test_stop),
		toy_test(test_orders_before_the_start),
		toy_test(test_pulse),
		toy_test(test_two_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
