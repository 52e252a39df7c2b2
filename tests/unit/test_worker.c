/* Unit tests of http/worker.h: requests and replies. */
#include "tests/unit/worker_help.h"

#include <stdio.h>

#define MANY 400

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
		("c\r\n0\r\n\r\n" PUT_ECHO CHUNKED "5\r\nhello\r\n3\r\nx"),
		("yz\r\n0\r\n\r\n" HELLO)};
	struct client *c = dial(0);
	for (size_t i = 0; i < COUNT(parts); i++) {
		say_text(c, parts[i]);
		settle();
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
		say(c, (struct str){all.p, cut});
		settle();
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

/* Hundreds of requests in one receive: another's one is not behind all of them. */
static void test_pipelining_gives_way(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf all = BUF_EMPTY;
	struct client *greedy = dial(0), *other = dial(0);
	for (int i = 0; i < 500; i++) {
		buf_add(&all, STR(HELLO));
	}
	buf_add(&all, STR("GET / HTT")); /* a part of one more */
	assert_int_equal(buf_status(&all), 0);
	ask(other, "/");
	EXPECT(other, 200, "hello", false);
	unsigned turns = toy.turns;
	say(greedy, buf_str(&all));
	for (int i = 0; i < 500; i++) {
		EXPECT(greedy, 200, "hello", false);
	}
	assert_in_range(toy.turns - turns, 30, 999999);
	ask(other, "/");
	EXPECT(other, 200, "hello", false);
	say_text(greedy, "P/1.1\r\n\r\n");
	EXPECT(greedy, 200, "hello", false);
	assert_int_equal(toy.answered, 503);
}

/* Whoever asks for much at once has it in parts, with the others' turns between them. */
static void test_giving_way(void **state)
{
	(void)state;
	struct client *c = dial(0), *other = dial(0);
	struct buf all = BUF_EMPTY;
	for (int i = 0; i < 200; i++) {
		buf_add(&all, STR(HELLO));
	}
	assert_true(buf_status(&all) == 0 && all.n < 16384); /* it is received at once */
	unsigned turns = toy.turns;
	say(c, buf_str(&all));
	ask(other, "/");
	EXPECT(other, 200, "hello", false);
	for (int i = 0; i < 200; i++) {
		EXPECT(c, 200, "hello", false);
	}
	assert_true(toy.turns - turns >= 20);
	/* Then it is as before: at its end, and with half a request behind. */
	buf_add(&all, STR("GET / HT"));
	say(c, buf_str(&all));
	for (int i = 0; i < 200; i++) {
		EXPECT(c, 200, "hello", false);
	}
	EXPECT_SILENCE(c);
	say_text(c, "TP/1.1\r\n\r\n");
	EXPECT(c, 200, "hello", false);
	all.n -= strlen("GET / HT");
	say(c, buf_str(&all));
	assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
	for (int i = 0; i < 200; i++) {
		EXPECT(c, 200, "hello", false);
	}
	EXPECT_END(c);
	buf_done(&all);
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

static struct client *dial_six(void)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(toy.port)};
	to.sin6_addr = in6addr_loopback;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return new_client(fd);
}

static void test_peer(void **state)
{
	(void)state;
	struct client *four = dial(0), *six = dial_six();
	ask(four, "/peer");
	EXPECT(four, 200, "127.0.0.1 0 0", false);
	ask(six, "/peer");
	EXPECT(six, 200, "::1 1 1", false);
}

/* --- replies ----------------------------------------------------------------------------------- */

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
	/* Both families have their port in the same place. */
	struct sockaddr_in6 mine, theirs;
	socklen_t n = sizeof mine;
	assert_int_equal(getsockname(c->fd, (struct sockaddr *)&mine, &n), 0);
	for (int fd = 0; fd < TOY_TABLE; fd++) {
		n = sizeof theirs;
		if (fd != c->fd && getpeername(fd, (struct sockaddr *)&theirs, &n) == 0 &&
			theirs.sin6_family == mine.sin6_family &&
			theirs.sin6_port == mine.sin6_port) {
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
	for (int six = 0; six < 2; six++) {
		struct client *c = six ? dial_six() : dial(0);
		int level = six ? IPPROTO_IPV6 : IPPROTO_IP;
		int name = six ? IPV6_UNICAST_HOPS : IP_TTL;
		int usual = 0, ttl = 0;
		socklen_t n = sizeof ttl;
		assert_int_equal(getsockopt(c->fd, level, name, &usual, &n), 0);
		for (size_t i = 0; i < COUNT(cases); i++) {
			ask(c, cases[i].target);
			HOLDS(cases[i].line, next_reply(c).status == 200);
			n = sizeof ttl;
			assert_int_equal(getsockopt(other_side(c), level, name, &ttl, &n), 0);
			HOLDS(cases[i].line, ttl == (cases[i].ttl ? cases[i].ttl : usual));
		}
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
		toy_test(test_pipelining_gives_way),
		toy_test(test_giving_way),
		toy_test(test_many_connections),
		toy_test(test_peer),
		toy_test(test_slow_reader),
		toy_test(test_reader_goes_away),
		toy_test(test_hop_limit),
		toy_test(test_park_and_wake),
		toy_test(test_many_parked),
		toy_test(test_parked_peer_goes_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
