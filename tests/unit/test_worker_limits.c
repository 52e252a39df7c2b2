/* Unit tests of http/worker.h: time, memory, descriptors and slots that run out, and secrets. */
#include "tests/unit/worker_help.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fake/alloc.h"
#include "tests/unit/child.h"

#define SHORT_MS 300
#define CLOCK_MS 20    /* how coarse the clock may be */
#define LATE_MS  15000 /* what a busy machine may take on top */
#define DRIP_MS  20

static struct http_limits limits_of(
	uint32_t header_ms, uint32_t idle_ms, uint32_t request_ms, uint32_t park_ms)
{
	struct http_limits limits = toy_limits;
	limits.header_timeout_ms = header_ms;
	limits.idle_timeout_ms = idle_ms;
	limits.request_timeout_ms = request_ms;
	limits.park_timeout_ms = park_ms;
	return limits;
}

/*
 * It ends after the time given, and not before, while bytes drip in (or not). When the time began is
 * known to lie between two moments.
 */
static void expect_end_between(
	struct client *c, int64_t first_ms, int64_t last_ms, const char *drip)
{
	int heard = -ETIME;
	for (size_t i = 0; heard == -ETIME && now_ms() - last_ms < PATIENCE_MS; i++) {
		if (drip) {
			say(c, (struct str){drip + i % strlen(drip), 1});
		}
		heard = hear(c, DRIP_MS);
	}
	assert_true(is_end(heard));
	assert_true(now_ms() - first_ms >= SHORT_MS - CLOCK_MS);
	assert_true(now_ms() - last_ms <= SHORT_MS + LATE_MS);
	SOON(toy.left == toy.admitted);
}

static void expect_end_after(struct client *c, int64_t start_ms, const char *drip)
{
	expect_end_between(c, start_ms, start_ms, drip);
}

/* --- time -------------------------------------------------------------------------------------- */

static void test_header_timeout(void **state)
{
	(void)state;
	static const struct {
		const char *before, *drip;
	} cases[] = {
		{"", NULL},  /* nothing is said */
		{"G", NULL}, /* and no more */
		{"GET / HTTP/1.1\r\n", NULL},
		{"GET / HTTP/1.1\r\nA: ", "x"},     /* inside a line */
		{"GET / HTTP/1.1\r\n", "A: b\r\n"}, /* field after field */
		{"\r\n", NULL},
	};
	const struct http_limits limits = limits_of(SHORT_MS, LONG_MS, LONG_MS, LONG_MS);
	toy_restart(&limits);
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t start = now_ms();
		struct client *c = dial(0);
		say_text(c, cases[i].before);
		expect_end_after(c, start, cases[i].drip);
	}
	/* The next request has the same time, from its first byte on. */
	struct client *c = dial(0);
	ask(c, "/");
	EXPECT(c, 200, "hello", false);
	(void)poll(NULL, 0, SHORT_MS + 200); /* idle is something else */
	int64_t start = now_ms();
	say_text(c, "GET / HT");
	expect_end_after(c, start, NULL);
	assert_int_equal(toy.answered, 1);
	assert_int_equal(toy.refused, 0);
}

/* The time of a request that began behind a slow reply is the header's, too. */
static void test_header_timeout_behind_a_reply(void **state)
{
	(void)state;
	const struct http_limits limits = limits_of(SHORT_MS, LONG_MS, LONG_MS, LONG_MS);
	toy_restart(&limits);
	struct client *c = dial(LITTLE);
	say_text(c, "GET " BIG_TEXT " HTTP/1.1\r\n\r\nGET / HT");
	int64_t start = now_ms();
	(void)next_reply(c); /* when the last of it left the worker is not known exactly */
	expect_end_between(c, start, now_ms(), NULL);
	assert_int_equal(toy.answered, 1);
}

static void test_idle_timeout(void **state)
{
	(void)state;
	const struct http_limits limits = limits_of(LONG_MS, SHORT_MS, LONG_MS, LONG_MS);
	toy_restart(&limits);
	struct client *c = dial(0);
	/* In use for longer than that, never idle for as long. */
	int64_t start = now_ms();
	while (now_ms() - start < 3 * SHORT_MS) {
		ask(c, "/");
		EXPECT(c, 200, "hello", false);
		(void)poll(NULL, 0, SHORT_MS / 6);
	}
	ask(c, "/");
	start = now_ms();
	EXPECT(c, 200, "hello", false);
	expect_end_after(c, start, NULL);
	/* After a reply that had to wait as well. */
	c = dial(LITTLE);
	ask(c, BIG_TEXT);
	start = now_ms();
	(void)next_reply(c); /* when the last of it left the worker is not known exactly */
	expect_end_between(c, start, now_ms(), NULL);
	/* A request that has begun is not idle. */
	c = dial(0);
	ask(c, "/");
	EXPECT(c, 200, "hello", false);
	say_text(c, "GET /");
	(void)poll(NULL, 0, 2 * SHORT_MS);
	say_text(c, " HTTP/1.1\r\n\r\n");
	EXPECT(c, 200, "hello", false);
}

static void test_body_timeout(void **state)
{
	(void)state;
	static const struct {
		const char *before, *drip;
	} cases[] = {
		{PUT_ECHO "Content-Length: 900\r\n\r\n", NULL},
		{PUT_ECHO "Content-Length: 900\r\n\r\n", "x"},
		{PUT_ECHO CHUNKED, "1\r\nx\r\n"},
		{PUT_ECHO CHUNKED "0\r\n", NULL},
		{PUT_ECHO CHUNKED "0\r\nA: b", "b"},
	};
	const struct http_limits limits = limits_of(LONG_MS, LONG_MS, SHORT_MS, LONG_MS);
	toy_restart(&limits);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client *c = dial(0);
		int64_t start = now_ms();
		say_text(c, cases[i].before);
		expect_end_after(c, start, cases[i].drip);
	}
	assert_int_equal(toy.answered, 0);
	/* Not the header's time: a slow body may take longer than that. */
	const struct http_limits other = limits_of(SHORT_MS, LONG_MS, LONG_MS, LONG_MS);
	toy_restart(&other);
	struct client *c = dial(0);
	say_text(c, PUT_ECHO "Content-Length: 3\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		(void)poll(NULL, 0, SHORT_MS);
		say_text(c, "x");
	}
	EXPECT(c, 200, "PUT 3 xxx", false);
}

static void test_reply_timeout(void **state)
{
	(void)state;
	const struct http_limits limits = limits_of(LONG_MS, LONG_MS, SHORT_MS, LONG_MS);
	toy_restart(&limits);
	struct client *c = dial(LITTLE);
	int64_t start = now_ms();
	ask(c, BIG_TEXT);
	SOON(toy.left == 1);
	assert_in_range(now_ms() - start, SHORT_MS - CLOCK_MS, SHORT_MS + LATE_MS);
	int heard;
	while ((heard = hear(c, PATIENCE_MS)) > 0) {
	}
	assert_true(is_end(heard));
	assert_true(c->in.n < BIG);
}

static void test_park_timeout(void **state)
{
	(void)state;
	const struct http_limits limits = limits_of(LONG_MS, LONG_MS, LONG_MS, SHORT_MS);
	toy_restart(&limits);
	struct client *c = dial(0);
	int64_t start = now_ms();
	say_text(c, "GET /later HTTP/1.1\r\n\r\n" HELLO);
	EXPECT(c, 503, "refused", true);
	assert_in_range(now_ms() - start, SHORT_MS - CLOCK_MS, SHORT_MS + LATE_MS);
	EXPECT_END(c);
	assert_int_equal(toy.answered, 1);
	/* Being asked again and again, for the sake of others, gives no more time. */
	c = dial(0);
	start = now_ms();
	ask(c, "/later");
	int heard;
	do {
		http_worker_wake(toy.worker);
		heard = hear(c, DRIP_MS);
	} while (heard == -ETIME && now_ms() - start < PATIENCE_MS);
	assert_true(heard > 0);
	EXPECT(c, 503, "refused", true);
	assert_true(toy.put_off > 5);
	assert_in_range(now_ms() - start, SHORT_MS - CLOCK_MS, SHORT_MS + LATE_MS);
	/* But the next request has all of it. */
	c = dial(0);
	ask(c, "/later");
	(void)poll(NULL, 0, SHORT_MS / 2);
	toy.ready = true;
	http_worker_wake(toy.worker);
	EXPECT(c, 200, "now", false);
	toy.ready = false;
	start = now_ms();
	ask(c, "/later");
	EXPECT(c, 503, "refused", true);
	assert_in_range(now_ms() - start, SHORT_MS - CLOCK_MS, SHORT_MS + LATE_MS);
}

/* While nothing happens, nothing is done. */
static void test_no_busy_loop(void **state)
{
	(void)state;
	struct client *idle = dial(0), *parked = dial(0), *slow = dial(LITTLE), *half = dial(0);
	ask(idle, "/");
	EXPECT(idle, 200, "hello", false);
	ask(parked, "/later");
	ask(parked, "/"); /* bytes that nobody reads for now */
	ask(slow, BIG_TEXT);
	ask(slow, "/");
	say_text(half, "GET / HTTP/1.1\r\nA: b");
	SOON(toy.answered == 3 && http_worker_connections(toy.worker) == 4);
	SOON(toy.turns == toy.idles - 1); /* it waits */
	unsigned turns = toy.turns;
	(void)poll(NULL, 0, 400);
	assert_in_range(toy.turns - turns, 0, 8);
}

/* A reload: for connections that are there, too. */
static void test_new_limits(void **state)
{
	(void)state;
	struct http_limits limits = toy_limits;
	struct client *c = dial(0);
	say_text(c, PUT_ECHO "Content-Length: 3\r\n\r\nabc");
	EXPECT(c, 200, "PUT 3 abc", false);
	limits.parse.body_bytes = 2;
	limits.parse.target_bytes = 10;
	limits.parse.fields = 1;
	limits.idle_timeout_ms = SHORT_MS;
	http_worker_limit(toy.worker, &limits);
	settle();
	struct client *others[] = {dial(0), dial(0), dial(0), dial(0)};
	say_text(others[0], PUT_ECHO "Content-Length: 3\r\n\r\nabc");
	EXPECT(others[0], 413, "refused", true);
	say_text(others[1], "GET /0123456789 HTTP/1.1\r\n\r\n");
	EXPECT(others[1], 414, "refused", true);
	say_text(others[2], "GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n");
	EXPECT(others[2], 431, "refused", true);
	int64_t start = now_ms();
	say_text(others[3], PUT_ECHO "Content-Length: 2\r\n\r\nab");
	EXPECT(others[3], 200, "PUT 2 ab", false);
	assert_true(is_end(hear(others[3], PATIENCE_MS)));
	assert_in_range(now_ms() - start, SHORT_MS - CLOCK_MS, SHORT_MS + LATE_MS);
}

/* --- what may not have a body ------------------------------------------------------------------ */

static void test_expect(void **state)
{
	(void)state;
	struct http_limits limits = toy_limits;
	limits.parse.body_bytes = 0;
	toy_restart(&limits);
	static const struct {
		int line;
		const char *request;
		unsigned status;
		const char *body;
		bool close;
	} cases[] = {
		/* The final status at once; and the end, as a body may follow or not. */
		{__LINE__, PUT_ECHO "Expect: 100-continue\r\n" CHUNKED, 200, "PUT 0 ", true},
		{__LINE__, PUT_ECHO "Expect: 100-continue\r\n" CHUNKED "0\r\n", 200, "PUT 0 ",
			true},
		{__LINE__, PUT_ECHO "Expect:\r\n" CHUNKED, 200, "PUT 0 ", true},
		/* Whole already, or without one: nothing to be unsure about. */
		{__LINE__, PUT_ECHO "Expect: 100-continue\r\n" CHUNKED "0\r\n\r\n", 200, "PUT 0 ",
			false},
		{__LINE__, PUT_ECHO "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", 200,
			"PUT 0 ", false},
		{__LINE__, PUT_ECHO "Expect: 100-continue\r\n\r\n", 200, "PUT 0 ", false},
		{__LINE__, PUT_ECHO "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", 413,
			"refused", true},
		{__LINE__, PUT_ECHO "Content-Length: 1\r\n\r\n", 413, "refused", true},
		{__LINE__, PUT_ECHO CHUNKED "1\r\n", 413, "refused", true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client *c = dial(0);
		say_text(c, cases[i].request);
		struct reply reply = next_reply(c);
		HOLDS(cases[i].line, reply.status == cases[i].status);
		HOLDS(cases[i].line, str_eq(reply.body, str_of(cases[i].body)));
		HOLDS(cases[i].line, reply.close == cases[i].close);
		if (reply.close) {
			say_text(c, "0\r\n\r\n" HELLO); /* the body that nobody wanted */
			EXPECT_END(c);
		} else {
			ask(c, "/");
			EXPECT(c, 200, "hello", false);
		}
	}
	/* Where a body is welcome it is waited for. */
	toy_restart(&toy_limits);
	struct client *c = dial(0);
	say_text(c, PUT_ECHO "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	EXPECT_SILENCE(c);
	say_text(c, "abc");
	EXPECT(c, 200, "PUT 3 abc", false);
}

/* A body without content must not be of any length: nobody would read to its end. */
static void test_endless_chunked_body(void **state)
{
	(void)state;
	static const char *const starts[] = {"0\r\nA: ", "0;", "0\r\n"};
	static char flood[64 * 1024];
	struct http_limits limits = toy_limits;
	limits.parse.body_bytes = 0;
	toy_restart(&limits);
	for (size_t i = 0; i < COUNT(starts); i++) {
		struct client *c = dial(0);
		for (size_t at = 0; at < sizeof flood; at++) {
			flood[at] = i == 2 ? "A: b\r\n"[at % 6] : 'x';
		}
		say_text(c, PUT_ECHO CHUNKED);
		say_text(c, starts[i]);
		say(c, (struct str){flood, sizeof flood});
		EXPECT(c, 400, "refused", true);
		EXPECT_END(c);
	}
}

/* --- slots and descriptors --------------------------------------------------------------------- */

static int lowest_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	(void)close(fd);
	return fd;
}

/* A descriptor that has no slot is closed at once, and nobody else notices. */
static void test_table_is_full(void **state)
{
	(void)state;
	assert_true(toy_end());
	toy.table_size =
		(size_t)lowest_descriptor() + 7; /* two listeners, the loop's three, and two */
	toy_start(&toy_limits);
	struct client *c = dial(0);
	ask(c, "/");
	EXPECT(c, 200, "hello", false);
	for (int i = 0; i < 20; i++) {
		struct client *beyond = dial(0);
		say_text(beyond, i % 2 ? HELLO : "");
		assert_true(is_end(hear(beyond, PATIENCE_MS)));
	}
	ask(c, "/");
	EXPECT(c, 200, "hello", false);
	assert_int_equal(toy.admitted, 1);
}

/* Nothing can be accepted for a while: those who wait are served later, and nobody spins. */
static void run_out_of_descriptors(void *ctx)
{
	(void)ctx;
	struct rlimit limit;
	CHECK(toy_setup(NULL) == 0);
	struct client *before = dial(0);
	ask(before, "/");
	EXPECT(before, 200, "hello", false);
	struct client *waits[] = {before, before, before};
	/* They connect with descriptors that are left, then there are no more. */
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
	int fds[3];
	for (int i = 0; i < 3; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	none.rlim_cur = (rlim_t)fds[2] + 1;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(toy.port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 3; i++) {
		CHECK(connect(fds[i], (struct sockaddr *)&to, sizeof to) == 0);
		waits[i] = new_client(fds[i]);
		ask(waits[i], "/");
	}
	CHECK(hear(waits[0], 350) == -ETIME);
	unsigned turns = toy.turns;
	CHECK(hear(waits[0], 350) == -ETIME);
	CHECK(toy.turns - turns < 20);
	ask(before, "/"); /* who is there is served all the time */
	EXPECT(before, 200, "hello", false);
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int i = 0; i < 3; i++) {
		EXPECT(waits[i], 200, "hello", false);
	}
	CHECK(toy_teardown(NULL) == 0);
}

static void test_out_of_descriptors(void **state)
{
	(void)state;
	if (TOY_TLS) {
		skip(); /* this client of TLS would wait for an answer to its hello */
	}
	assert_int_equal(child_run(run_out_of_descriptors, NULL), 0);
}

/* --- memory ------------------------------------------------------------------------------------ */

/* Each allocation fails once: no worker then, the listeners stay the caller's, no other is closed. */
static void test_new_out_of_memory(void **state)
{
	(void)state;
	struct conn_table table;
	struct stat before, after;
	int fds[TOY_LISTENERS];
	assert_int_equal(conn_table_init(&table, 16), 0);
	toy_listen(fds);
	const struct http_worker_config config = {.name = "none",
		.id = 1,
		.table = &table,
		.limits = toy_limits,
		.handler = toy_handler,
		.listeners = fds,
		.n_listeners = TOY_LISTENERS};
	assert_int_equal(fstat(STDIN_FILENO, &before), 0);
	for (unsigned n = 1;; n++) {
		struct http_worker *worker = NULL;
		(void)alloc_fail_at(n);
		int rc = http_worker_new(&config, &worker);
		if (!alloc_fail_at(0)) {
			assert_int_equal(rc, 0);
			http_worker_free(worker);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_null(worker);
		assert_int_equal(fstat(STDIN_FILENO, &after), 0);
		assert_int_equal(after.st_ino, before.st_ino);
		for (int i = 0; i < TOY_LISTENERS; i++) {
			assert_true(fcntl(fds[i], F_GETFD) >= 0);
		}
	}
	conn_table_done(&table);
	http_worker_free(NULL);
}

/*
 * Each allocation of a conversation fails once: that connection may end, or is told 503; what it gets
 * is right as far as it goes, and the next one is served.
 */
static void converse(struct client *c)
{
	static const char *const bodies[] = {"hello", "PUT 3 abc", "PUT 3 xyz", "now", "hello"};
	struct reply reply;
	size_t n = 0;
	say_text(c, HELLO PUT_ECHO "Content-Length: 3\r\n\r\na");
	while (n == 0 && !take_reply(c, &reply) && hear(c, PATIENCE_MS) > 0) {
	}
	say_text(c, "bc" PUT_ECHO CHUNKED "3\r\nxyz\r\n0\r\n\r\nGET /later HTTP/1.1\r\n\r\n" HELLO);
	for (c->used = 0; n < COUNT(bodies); n++) {
		while (!take_reply(c, &reply)) {
			toy.ready = toy.put_off > 1;
			http_worker_wake(toy.worker);
			int heard = hear(c, 5);
			if (is_end(heard)) {
				return;
			}
		}
		if (reply.status != 200) {
			assert_int_equal(reply.status, 503);
			return;
		}
		assert_true(str_eq(reply.body, str_of(bodies[n])));
	}
}

static void test_conversation_out_of_memory(void **state)
{
	(void)state;
	unsigned n = 1;
	for (bool failed = true; failed; n++) {
		toy_restart(&toy_limits);
		struct client *c = dial(0);
		assert_non_null(buf_room(&c->in, 1 << 20)); /* it is not the client's memory */
		(void)alloc_fail_at(n);
		converse(c);
		failed = alloc_fail_at(0);
		hang_up(c);
		toy.ready = true;
		c = dial(0);
		ask(c, "/");
		EXPECT(c, 200, "hello", false);
		hang_up(c);
		n_clients = 0;
	}
	assert_true(n > 5);
}

/* --- secrets ----------------------------------------------------------------------------------- */

#define TOKEN "AQAEAHc1mbD4Ud9aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcd=="

/* No memory that is given back has a token in it, however its bytes came. */
static void test_tokens_are_wiped(void **state)
{
	(void)state;
	static const char *const requests[] = {
		HELLO,
		"GET / HTTP/1.1\r\nX-aws-ec2-metadata-token: " TOKEN "\r\nA: b\r\n\r\n",
		"GET /later HTTP/1.1\r\nX-aws-ec2-metadata-token: " TOKEN "\r\n\r\n",
		PUT_ECHO "X-aws-ec2-metadata-token: " TOKEN "\r\nContent-Length: 5\r\n\r\nhello",
		"rubbish: " TOKEN "\r\n\r\n",
	};
	(void)alloc_watch(STR(TOKEN));
	for (size_t i = 1; i < COUNT(requests); i++) {
		struct str request = str_of(requests[i]);
		for (size_t cut = 0; cut < request.n; cut += 7) {
			struct client *c = dial(0);
			toy.ready = false;
			say(c, (struct str){request.p, cut});
			settle();
			say(c, str_from(request, cut));
			if (i == 2) {
				SOON(toy.put_off > 0);
				toy.put_off = 0;
				toy.ready = true;
				http_worker_wake(toy.worker);
			}
			assert_true(next_reply(c).status > 0);
			hang_up(c);
			n_clients = 0;
		}
	}
	SOON(http_worker_connections(toy.worker) == 0);
	assert_true(toy_end());
	assert_int_equal(alloc_watch(STR_EMPTY), 0);
}

#define toy_test(name) cmocka_unit_test_setup_teardown(name, toy_setup, toy_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		toy_test(test_header_timeout),
		toy_test(test_header_timeout_behind_a_reply),
		toy_test(test_idle_timeout),
		toy_test(test_body_timeout),
		toy_test(test_reply_timeout),
		toy_test(test_park_timeout),
		toy_test(test_no_busy_loop),
		toy_test(test_new_limits),
		toy_test(test_expect),
		toy_test(test_endless_chunked_body),
		toy_test(test_table_is_full),
		cmocka_unit_test(test_out_of_descriptors),
		cmocka_unit_test(test_new_out_of_memory),
		toy_test(test_conversation_out_of_memory),
		toy_test(test_tokens_are_wiped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
