/* Unit tests of http/worker.h: requests, replies and how connections end. Limits: test_worker_limits. */
#include "tests/unit/worker_help.h"

#include <stdio.h>

#define MANY	 400
#define BIG	 8000000
#define BIG_TEXT "/big/8000000"
#define LITTLE	 4096 /* of a reply that a client's system keeps */
#define HELLO	 "GET / HTTP/1.1\r\n\r\n"
#define PUT_ECHO "PUT /echo HTTP/1.1\r\n"
#define CHUNKED	 "Transfer-Encoding: chunked\r\n\r\n"

/* --- requests ---------------------------------------------------------------------------------- */

static void test_keep_alive(void **state)
{
	(void)state;
	struct client *c = dial(0);
	for (int i = 0; i < 200; i++) {
		ask(c, "/");
		EXPECT(c, 200, "hello", false);
	}
	assert_int_equal(toy.admitted, 1);
	assert_int_equal(toy.answered, 200);
	assert_int_equal(toy.left, 0);
	assert_int_equal(http_worker_connections(toy.worker), 1);
	hang_up(c);
	SOON(toy.left == 1);
	SOON(http_worker_connections(toy.worker) == 0);
}

static void test_who_closes(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *request, *body;
		bool close;
	} cases[] = {
		{__LINE__, "GET / HTTP/1.1\r\n\r\n", "hello", false},
		{__LINE__, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "hello", true},
		{__LINE__, "GET / HTTP/1.0\r\n\r\n", "hello", true},
		{__LINE__, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "hello", false},
		{__LINE__, "GET /close HTTP/1.1\r\n\r\n", "bye", true},
		{__LINE__, "GET /close HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "bye", true},
		{__LINE__, "PUT /echo HTTP/1.0\r\nContent-Length: 1\r\n\r\na", "PUT 1 a", true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client *c = dial(0);
		say_text(c, cases[i].request);
		struct reply reply = next_reply(c);
		HOLDS(cases[i].line, reply.status == 200 && reply.close == cases[i].close);
		HOLDS(cases[i].line, str_eq(reply.body, str_of(cases[i].body)));
		if (cases[i].close) {
			EXPECT_END(c);
		} else {
			ask(c, "/");
			EXPECT(c, 200, "hello", false);
		}
	}
}

static void test_bodies(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *request, *body;
	} cases[] = {
		{__LINE__, PUT_ECHO "\r\n", "PUT 0 "},
		{__LINE__, PUT_ECHO "Content-Length: 0\r\n\r\n", "PUT 0 "},
		{__LINE__, PUT_ECHO "Content-Length: 11\r\n\r\nhello world", "PUT 11 hello world"},
		{__LINE__, PUT_ECHO CHUNKED "0\r\n\r\n", "PUT 0 "},
		{__LINE__, PUT_ECHO CHUNKED "5;x\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n",
			"PUT 11 hello world"},
		{__LINE__, "POST /echo HTTP/1.1\r\nContent-Length: 18\r\n\r\n" HELLO,
			"POST 18 " HELLO},
		{__LINE__, "GET /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "GET 1 x"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		/* All at once, byte by byte, and with the next one right behind. */
		struct client *c = dial(0);
		say_text(c, cases[i].request);
		struct reply reply = next_reply(c);
		HOLDS(cases[i].line, str_eq(reply.body, str_of(cases[i].body)));
		for (const char *at = cases[i].request; *at; at++) {
			say(c, (struct str){at, 1});
		}
		reply = next_reply(c);
		HOLDS(cases[i].line, str_eq(reply.body, str_of(cases[i].body)));
		say_text(c, cases[i].request);
		say_text(c, HELLO);
		reply = next_reply(c);
		HOLDS(cases[i].line, str_eq(reply.body, str_of(cases[i].body)));
		EXPECT(c, 200, "hello", false);
	}
}

/* How far the first one was looked at must not be taken for the second. */
static void test_two_chunked_bodies_in_parts(void **state)
{
	(void)state;
	static const char *const parts[] = {(PUT_ECHO CHUNKED "2\r\nab\r\n1\r\n"),
		("c\r\n0\r\n\r\n" PUT_ECHO CHUNKED "5\r\nhello\r\n3\r\nx"), ("yz\r\n0\r\n\r\n" HELLO)};
	struct client *c = dial(0);
	for (size_t i = 0; i < COUNT(parts); i++) {
		unsigned turns = toy.turns;
		say_text(c, parts[i]);
		SOON(toy.turns != turns);
	}
	EXPECT(c, 200, "PUT 3 abc", false);
	EXPECT(c, 200, "PUT 8 helloxyz", false);
	EXPECT(c, 200, "hello", false);
}

/* Three requests cut in two at each place, the parts surely received apart. */
static void test_every_cut(void **state)
{
	(void)state;
	static const struct str all =
		STR_INIT("\r\n" HELLO PUT_ECHO CHUNKED "3\r\nabc\r\n0\r\n\r\n" PUT_ECHO
			 "Content-Length: 3\r\n\r\nxyz");
	struct client *c = dial(0);
	for (size_t cut = 1; cut < all.n; cut++) {
		unsigned turns = toy.turns;
		say(c, (struct str){all.p, cut});
		SOON(toy.turns != turns);
		say(c, str_from(all, cut));
		EXPECT(c, 200, "hello", false);
		EXPECT(c, 200, "PUT 3 abc", false);
		EXPECT(c, 200, "PUT 3 xyz", false);
	}
	assert_int_equal(toy.refused, 0);
}

static void test_pipelining(void **state)
{
	(void)state;
	struct client *c = dial(0);
	struct buf all = BUF_EMPTY;
	/* More than is received at once, so that requests are cut, too. */
	for (int i = 0; i < 3000; i++) {
		buf_add_f(&all, "PUT /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\n%05d", i);
	}
	buf_add(&all, STR("GET /close HTTP/1.1\r\n\r\n" HELLO));
	assert_int_equal(buf_status(&all), 0);
	say(c, buf_str(&all));
	buf_done(&all);
	for (int i = 0; i < 3000; i++) {
		char expected[16];
		(void)snprintf(expected, sizeof expected, "PUT 5 %05d", i);
		EXPECT(c, 200, expected, false);
	}
	EXPECT(c, 200, "bye", true);
	EXPECT_END(c);
	assert_int_equal(toy.answered, 3001); /* what comes behind a close is not asked */
}

static void test_many_connections(void **state)
{
	(void)state;
	for (int i = 0; i < MANY; i++) {
		(void)dial(0);
	}
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < MANY; i++) {
			ask(&clients[i], i % 3 ? "/" : "/echo");
		}
		for (int i = 0; i < MANY; i++) {
			EXPECT(&clients[i], 200, i % 3 ? "hello" : "GET 0 ", false);
		}
	}
	assert_int_equal(http_worker_connections(toy.worker), MANY);
	assert_int_equal(toy.admitted, MANY);
	for (int i = 0; i < MANY; i++) {
		if (i % 2) {
			hang_up(&clients[i]);
		} else {
			hang_up_hard(&clients[i]);
		}
	}
	SOON(http_worker_connections(toy.worker) == 0);
	assert_int_equal(toy.left, MANY);
}

static void test_peer(void **state)
{
	(void)state;
	struct client *four = dial(0);
	ask(four, "/peer");
	EXPECT(four, 200, "127.0.0.1 0 0", false);
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(toy.port)};
	to.sin6_addr = in6addr_loopback;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	struct client *six = new_client(fd);
	ask(six, "/peer");
	EXPECT(six, 200, "::1 1 1", false);
}

/* --- replies ----------------------------------------------------------------------------------- */

static void check_big(struct reply reply, size_t n)
{
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body.n, n);
	for (size_t i = 0; i < n; i++) {
		if (reply.body.p[i] != (char)('a' + i % 26)) {
			fail_msg("byte %zu is wrong", i);
		}
	}
}

/* What does not fit in the socket waits, what is asked behind it as well, and others do not. */
static void test_slow_reader(void **state)
{
	(void)state;
	struct client *slow = dial(LITTLE), *other = dial(0);
	ask(slow, BIG_TEXT);
	ask(slow, "/");
	ask(slow, BIG_TEXT);
	SOON(toy.answered == 1);
	for (int i = 0; i < 10; i++) {
		ask(other, "/");
		EXPECT(other, 200, "hello", false);
	}
	assert_int_equal(toy.answered, 11); /* one at a time on a connection */
	check_big(next_reply(slow), BIG);
	EXPECT(slow, 200, "hello", false);
	ask(slow, "/close"); /* while the second big one is on its way */
	check_big(next_reply(slow), BIG);
	EXPECT(slow, 200, "bye", true);
	EXPECT_END(slow);
}

static void test_reader_goes_away(void **state)
{
	(void)state;
	for (int hard = 0; hard < 2; hard++) {
		struct client *c = dial(LITTLE);
		ask(c, BIG_TEXT);
		SOON(toy.answered == (unsigned)hard + 1);
		if (hard) {
			hang_up_hard(c);
		} else {
			hang_up(c);
		}
		SOON(http_worker_connections(toy.worker) == 0);
	}
}

/* The socket of the server's side of a connection, since both are in this process. */
static int other_side(const struct client *c)
{
	struct sockaddr_in mine, theirs;
	socklen_t n = sizeof mine;
	assert_int_equal(getsockname(c->fd, (struct sockaddr *)&mine, &n), 0);
	for (int fd = 0; fd < TOY_TABLE; fd++) {
		n = sizeof theirs;
		if (fd != c->fd && getpeername(fd, (struct sockaddr *)&theirs, &n) == 0 &&
			theirs.sin_family == AF_INET && theirs.sin_port == mine.sin_port) {
			return fd;
		}
	}
	return -1;
}

/* It goes down and never up again. */
static void test_hop_limit(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *target;
		int ttl; /* 0: the system's */
	} cases[] = {
		{__LINE__, "/", 0},
		{__LINE__, "/hop/64", 64},
		{__LINE__, "/hop/3", 3},
		{__LINE__, "/hop/7", 3},
		{__LINE__, "/", 3},
		{__LINE__, "/hop/1", 1},
		{__LINE__, "/hop/255", 1},
	};
	struct client *c = dial(0);
	int usual = 0, ttl = 0;
	socklen_t n = sizeof ttl;
	assert_int_equal(getsockopt(c->fd, IPPROTO_IP, IP_TTL, &usual, &n), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		ask(c, cases[i].target);
		HOLDS(cases[i].line, next_reply(c).status == 200);
		n = sizeof ttl;
		assert_int_equal(getsockopt(other_side(c), IPPROTO_IP, IP_TTL, &ttl, &n), 0);
		HOLDS(cases[i].line, ttl == (cases[i].ttl ? cases[i].ttl : usual));
	}
}

/* --- answers that come later ------------------------------------------------------------------- */

static void test_park_and_wake(void **state)
{
	(void)state;
	struct client *c = dial(0), *other = dial(0);
	say_text(c, HELLO "GET /later HTTP/1.1\r\n\r\n" HELLO);
	EXPECT(c, 200, "hello", false);
	SOON(toy.put_off == 1);
	ask(c, "/echo"); /* is not read for now */
	EXPECT_SILENCE(c);
	ask(other, "/");
	EXPECT(other, 200, "hello", false);
	/* Woken for another one's sake: it is asked again, and waits on. */
	http_worker_wake(toy.worker);
	SOON(toy.put_off == 2);
	EXPECT_SILENCE(c);
	toy.ready = true;
	EXPECT_SILENCE(c);
	http_worker_wake(toy.worker);
	EXPECT(c, 200, "now", false);
	EXPECT(c, 200, "hello", false);
	EXPECT(c, 200, "GET 0 ", false);
	ask(c, "/later");
	EXPECT(c, 200, "now", false);
	assert_int_equal(toy.put_off, 2);
}

static void test_many_parked(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		say_text(dial(0), i % 2 ? "GET /later HTTP/1.1\r\n\r\nGET /later HTTP/1.0\r\n\r\n"
					: "PUT /later HTTP/1.1\r\n" CHUNKED "1\r\nx\r\n0\r\n\r\n");
	}
	SOON(toy.put_off == 100);
	toy.ready = true;
	http_worker_wake(toy.worker);
	for (int i = 0; i < 100; i++) {
		EXPECT(&clients[i], 200, "now", false);
		if (i % 2) {
			EXPECT(&clients[i], 200, "now", true);
			EXPECT_END(&clients[i]);
		}
	}
	http_worker_wake(toy.worker); /* nobody waits */
	ask(&clients[0], "/");
	EXPECT(&clients[0], 200, "hello", false);
}

/* Nobody is there for the answer: a reset ends it, the end of what it has to say does not. */
static void test_parked_peer_goes_away(void **state)
{
	(void)state;
	struct client *gone = dial(0), *half = dial(0);
	ask(gone, "/later");
	ask(half, "/later");
	SOON(toy.put_off == 2);
	hang_up_hard(gone);
	SOON(toy.left == 1);
	assert_int_equal(shutdown(half->fd, SHUT_WR), 0);
	toy.ready = true;
	http_worker_wake(toy.worker);
	EXPECT(half, 200, "now", false);
	EXPECT_END(half);
}

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

/*
 * The peer is still sending when it is refused: the reply must not be thrown away by a reset, which is
 * what closing with bytes unread would give.
 */
static void test_lingering(void **state)
{
	(void)state;
	static char flood[256 * 1024];
	memset(flood, 'x', sizeof flood);
	for (int i = 0; i < 20; i++) {
		struct client *c = dial(0);
		say_text(c, PUT_ECHO "Content-Length: 262144\r\n\r\n");
		for (int part = 0; part < 4; part++) {
			say(c, (struct str){flood, sizeof flood / 4});
		}
		EXPECT(c, 413, "refused", true);
		EXPECT_END(c);
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
	SOON(http_worker_connections(toy.worker) <= HTTP_LINGER_MAX);
	SOON(http_worker_connections(toy.worker) == 0);
	/* Room again. */
	struct client *c = dial(0);
	say_text(c, "rubbish\r\n\r\nmore");
	EXPECT(c, 400, "refused", true);
	EXPECT_END(c);
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
		EXPECT(c, 503, "refused", true);
		EXPECT_END(c);
		hang_up(c);
	}
	ask(in, "/");
	EXPECT(in, 200, "hello", false);
	SOON(http_worker_connections(toy.worker) == 1);
	assert_int_equal(toy.admitted, 1); /* who was not let in does not leave */
	assert_int_equal(toy.left, 0);
	assert_int_equal(toy.answered, 2);
	assert_int_equal(toy.refused, 20);
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
		toy_test(test_keep_alive),
		toy_test(test_who_closes),
		toy_test(test_bodies),
		toy_test(test_two_chunked_bodies_in_parts),
		toy_test(test_every_cut),
		toy_test(test_pipelining),
		toy_test(test_many_connections),
		toy_test(test_peer),
		toy_test(test_slow_reader),
		toy_test(test_reader_goes_away),
		toy_test(test_hop_limit),
		toy_test(test_park_and_wake),
		toy_test(test_many_parked),
		toy_test(test_parked_peer_goes_away),
		toy_test(test_half_close),
		toy_test(test_refusals),
		toy_test(test_body_cap),
		toy_test(test_lingering),
		toy_test(test_lingering_is_bounded),
		toy_test(test_not_admitted),
		toy_test(test_drain),
		toy_test(test_drain_answers_the_queue),
		toy_test(test_drain_without_connections),
		toy_test(test_stop),
		toy_test(test_orders_before_the_start),
		toy_test(test_two_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
