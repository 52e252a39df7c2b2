/*
 * Unit tests of http/worker.h: what there is to TLS alone. Everything else is in the other tests of the
 * worker, which are run by TLS as well.
 */
#include "tests/unit/worker_help.h"

#define SHORT_MS 300
#define CLOCK_MS 20    /* how coarse the clock may be */
#define LATE_MS  15000 /* what a busy machine may take on top */
#define DRIP_MS  20
#define BODY_MAX ((size_t)4 * 1024 * 1024)
#define CHAIN    40 /* certificates, more than a little socket takes */

static struct tls_pair first, second;

static int make_pairs(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN); /* of the clients */
	first = tls_pair_make("first");
	second = tls_pair_make("second");
	return 0;
}

static int end_pairs(void **state)
{
	(void)state;
	tls_pair_done(&first);
	tls_pair_done(&second);
	return 0;
}

/* The first listener speaks TLS, the second plain HTTP. */
static int setup(void **state)
{
	toy_tls[0] = tls_pair_context(&first);
	toy_tls[1] = NULL;
	return toy_setup(state);
}

static int teardown(void **state)
{
	int rc = toy_teardown(state);
	tls_context_free(toy_tls[0]);
	toy_tls[0] = NULL;
	return rc;
}

static struct client *dial_secure(const struct tls_pair *trusted)
{
	struct client *c = dial(0);
	int on = 1;
	assert_int_equal(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
	c->ssl = tls_client(c->fd, trusted);
	(void)SSL_clear_options(c->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF); /* to know what was said */
	return c;
}

static bool shakes_hands(struct client *c)
{
	ERR_clear_error();
	return SSL_do_handshake(c->ssl) == 1;
}

/* --- what a listener speaks -------------------------------------------------------------------- */

static struct client *dial_plain_six(void)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(toy.port)};
	to.sin6_addr = in6addr_loopback;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return new_client(fd);
}

static void test_each_listener_its_own(void **state)
{
	(void)state;
	struct client *secure = dial_secure(&first), *plain = dial_plain_six();
	ask(secure, "/peer");
	EXPECT(secure, 200, "127.0.0.1 0 0", false);
	ask(plain, "/peer");
	EXPECT(plain, 200, "::1 1 1", false);
}

/* New connections see the new certificate; those that are open go on, with whatever they wait for. */
static void test_swap(void **state)
{
	(void)state;
	struct client *idle = dial_secure(&first), *parked = dial_secure(&first),
		      *half = dial_secure(&first), *silent = dial_secure(&first);
	struct tls_context *next = tls_pair_context(&second);
	ask(idle, "/");
	EXPECT(idle, 200, "hello", false);
	ask(parked, "/later");
	say_text(half, "GET / HTT");
	SOON(toy.put_off == 1 && http_worker_connections(toy.worker) == 4);
	settle();
	http_worker_secure(toy.worker, 0, next);
	tls_context_free(next);
	settle();
	struct client *fresh = dial_secure(&second);
	ask(fresh, "/");
	EXPECT(fresh, 200, "hello", false);
	assert_false(shakes_hands(dial_secure(&first)));
	ask(idle, "/");
	EXPECT(idle, 200, "hello", false);
	say_text(half, "P/1.1\r\n\r\n");
	EXPECT(half, 200, "hello", false);
	toy.ready = true;
	http_worker_wake(toy.worker);
	EXPECT(parked, 200, "now", false);
	ask(silent, "/"); /* it was accepted before */
	EXPECT(silent, 200, "hello", false);
}

/* From TLS to plain and back, and more often than the worker looks. */
static void test_swap_to_plain_and_back(void **state)
{
	(void)state;
	struct tls_context *contexts[] = {tls_pair_context(&first), tls_pair_context(&second)};
	struct client *secure = dial_secure(&first);
	ask(secure, "/");
	EXPECT(secure, 200, "hello", false);
	http_worker_secure(toy.worker, 0, NULL);
	settle();
	struct client *plain = dial(0);
	ask(plain, "/");
	EXPECT(plain, 200, "hello", false);
	for (int i = 0; i <= 100; i++) {
		http_worker_secure(toy.worker, 0, contexts[i % 2]);
	}
	settle();
	tls_context_free(contexts[0]);
	tls_context_free(contexts[1]);
	struct client *again = dial_secure(&first);
	struct client *all[] = {secure, plain, again};
	for (size_t i = 0; i < COUNT(all); i++) {
		ask(all[i], "/");
		EXPECT(all[i], 200, "hello", false);
	}
}

/* Once it drains there is nothing that could speak anything. */
static void test_swap_while_it_ends(void **state)
{
	(void)state;
	struct client *half = dial_secure(&first);
	say_text(half, "GET / HTT");
	settle();
	http_worker_drain(toy.worker);
	settle();
	http_worker_secure(toy.worker, 0, toy_tls[0]);
	say_text(half, "P/1.1\r\n\r\n");
	EXPECT(half, 200, "hello", true);
	hang_up(half);
	SOON(toy.ended);
	http_worker_secure(toy.worker, 0, toy_tls[0]);
	assert_true(toy_join());
}

static _Atomic bool swapping;

static void *swap_on(void *ctx)
{
	struct tls_context *const *contexts = ctx;
	for (unsigned i = 0; swapping; i++) {
		http_worker_secure(toy.worker, 0, contexts[i % 2]);
	}
	return NULL;
}

/* By another thread while connections come: each has the one or the other, whole. */
static void test_swap_under_load(void **state)
{
	(void)state;
	struct tls_context *contexts[] = {tls_pair_context(&first), tls_pair_context(&second)};
	pthread_t thread;
	swapping = true;
	assert_int_equal(pthread_create(&thread, NULL, swap_on, contexts), 0);
	for (int i = 0; i < 60; i++) {
		struct client *c = dial_secure(NULL);
		ask(c, "/");
		EXPECT(c, 200, "hello", false);
	}
	swapping = false;
	assert_int_equal(pthread_join(thread, NULL), 0);
	tls_context_free(contexts[0]);
	tls_context_free(contexts[1]);
}

/* --- callers that are not as they should be ---------------------------------------------------- */

static void test_plain_words(void **state)
{
	(void)state;
	static const char *const words[] = {
		HELLO, "rubbish\r\n\r\n", "\x16\x03\x01\x00\x05\x02", "\x80\x2e\x01\x00\x02"};
	struct client *before = dial_secure(&first);
	ask(before, "/");
	EXPECT(before, 200, "hello", false);
	for (size_t i = 0; i < COUNT(words); i++) {
		struct client *c = dial(0);
		int heard;
		say_text(c, words[i]);
		(void)shutdown(c->fd, SHUT_WR);
		while ((heard = hear(c, PATIENCE_MS)) > 0) {
		}
		assert_true(is_end(heard));
		assert_true(c->in.n <= 7); /* an alert at the most, and nothing of HTTP */
	}
	SOON(http_worker_connections(toy.worker) == 1);
	assert_int_equal(toy.answered, 1);
	assert_int_equal(toy.refused, 0);
	ask(before, "/");
	EXPECT(before, 200, "hello", false);
}

/* Whoever is not let in costs no handshake. */
static void test_not_admitted(void **state)
{
	(void)state;
	toy.refuse_with = 503;
	struct client *c = dial_secure(&first);
	assert_false(shakes_hands(c));
	assert_int_equal(SSL_get_state(c->ssl), TLS_ST_CW_CLNT_HELLO);
	assert_int_equal(toy.left, 0);
	SOON(http_worker_connections(toy.worker) == 0);
}

/* The client's side of a handshake as bytes, up to where it wants an answer. */
static struct str hello_of(SSL *ssl)
{
	char *p;
	BIO *out = BIO_new(BIO_s_mem());
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	(void)SSL_do_handshake(ssl);
	long n = BIO_get_mem_data(out, &p);
	assert_in_range(n, 100, 4096);
	return (struct str){p, (size_t)n};
}

/* A time limit is in force from accept(2) until the first head is whole, whatever drips in. */
static void test_slow_handshakes(void **state)
{
	(void)state;
	struct http_limits limits = toy_limits;
	limits.header_timeout_ms = SHORT_MS;
	toy_restart(&limits);
	SSL *ssl = tls_client(0, &first);
	struct str hello = hello_of(ssl);
	static const struct {
		int line;
		size_t at_once, drip; /* bytes of the hello; SIZE_MAX: all */
	} cases[] = {
		{__LINE__, 0, 0}, {__LINE__, 0, 1}, {__LINE__, 5, 1}, {__LINE__, 50, 0},
		{__LINE__, SIZE_MAX, 0}, /* and nothing after it */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client *c = dial(0);
		int64_t start = now_ms();
		size_t n = cases[i].at_once < hello.n ? cases[i].at_once : hello.n;
		int heard = -ETIME;
		say(c, (struct str){hello.p, n});
		while ((heard > 0 || heard == -ETIME) && now_ms() - start < PATIENCE_MS) {
			if (cases[i].drip && n < hello.n) {
				say(c, (struct str){hello.p + n++, 1});
			}
			heard = hear(c, DRIP_MS);
		}
		HOLDS(cases[i].line, is_end(heard));
		HOLDS(cases[i].line, now_ms() - start >= SHORT_MS - CLOCK_MS);
		HOLDS(cases[i].line, now_ms() - start <= SHORT_MS + LATE_MS);
	}
	SOON(toy.left == toy.admitted);
	SSL_free(ssl);
}

/* Accepted sockets have what the listening one has. */
static void make_buffers_little(void)
{
	int little = 1, listens;
	for (int fd = 0; fd < TOY_TABLE; fd++) {
		socklen_t n = sizeof listens;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) == 0 && listens) {
			assert_int_equal(
				setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little), 0);
		}
	}
}

/* A certificate with very many behind it. */
static struct tls_context *long_chain(void)
{
	CLEANUP(buf_done) struct buf chain = BUF_EMPTY;
	struct tls_context *context = NULL;
	for (int i = 0; i < CHAIN; i++) {
		buf_add(&chain, buf_str(&first.certificate));
	}
	assert_int_equal(tls_context_new(&context), 0);
	assert_int_equal(tls_context_certify(context, buf_str(&chain), NULL), 0);
	assert_int_equal(tls_context_set_key(context, buf_str(&first.key), NULL), 0);
	return context;
}

/* What the worker says in a handshake may not fit into the socket: it waits for that, not spinning. */
static void test_handshake_that_does_not_fit(void **state)
{
	(void)state;
	struct http_limits limits = toy_limits;
	limits.header_timeout_ms = 3000;
	tls_context_free(toy_tls[0]);
	toy_tls[0] = long_chain();
	toy_restart(&limits);
	make_buffers_little();
	/* One that reads on gets all of it. */
	struct client *c = dial(1);
	c->ssl = tls_client(c->fd, &first);
	ask(c, "/");
	EXPECT(c, 200, "hello", false);
	ask(c, "/big/300000");
	check_big(next_reply(c), 300000);
	/* One that does not is cut off. */
	SSL *ssl = tls_client(0, &first);
	struct client *deaf = dial(1);
	int64_t start = now_ms();
	say(deaf, hello_of(ssl));
	SOON(toy.admitted == 2);
	settle();
	unsigned turns = toy.turns;
	SOON(toy.left == 1);
	assert_in_range(now_ms() - start, 3000 - CLOCK_MS, 3000 + LATE_MS);
	assert_in_range(toy.turns - turns, 0, 40); /* the clock's alone */
	ask(c, "/");
	EXPECT(c, 200, "hello", false);
	SSL_free(ssl);
}

/* --- ends -------------------------------------------------------------------------------------- */

static bool was_told_the_end(struct client *c)
{
	return hear(c, PATIENCE_MS) == 0 && SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN;
}

static void test_the_end_is_said(void **state)
{
	(void)state;
	struct http_limits limits = toy_limits;
	limits.idle_timeout_ms = SHORT_MS;
	limits.parse.target_bytes = 8;
	toy_restart(&limits);
	struct client *closed = dial_secure(&first), *bad = dial_secure(&first),
		      *idle = dial_secure(&first);
	ask(closed, "/close");
	EXPECT(closed, 200, "bye", true);
	assert_true(was_told_the_end(closed));
	ask(bad, "/much-too-long");
	EXPECT(bad, 414, "refused", true);
	assert_true(was_told_the_end(bad));
	ask(idle, "/");
	EXPECT(idle, 200, "hello", false);
	assert_true(was_told_the_end(idle));
	/* A client that answers a goodbye with its own gets no reset for it. */
	assert_int_equal(SSL_shutdown(closed->ssl), 1);
	char byte;
	assert_int_equal(recv(closed->fd, &byte, 1, 0), 0);
}

/* The client says goodbye behind its request: that has its answer first. */
static void test_half_close_by_tls(void **state)
{
	(void)state;
	struct client *c = dial_secure(&first);
	say_text(c, HELLO HELLO);
	assert_int_equal(SSL_shutdown(c->ssl), 0);
	EXPECT(c, 200, "hello", false);
	EXPECT(c, 200, "hello", false);
	assert_true(was_told_the_end(c));
	SOON(http_worker_connections(toy.worker) == 0);
}

/* --- size -------------------------------------------------------------------------------------- */

static void test_large_bodies(void **state)
{
	(void)state;
	struct http_limits limits = toy_limits;
	limits.parse.body_bytes = BODY_MAX;
	toy_restart(&limits);
	CLEANUP(buf_done) struct buf body = BUF_EMPTY, head = BUF_EMPTY;
	char *at = buf_room(&body, BODY_MAX);
	assert_non_null(at);
	memset(at, 'b', BODY_MAX);
	body.n = BODY_MAX;
	struct client *c = dial_secure(&first);
	buf_add_f(&head, PUT_ECHO "Content-Length: %zu\r\n\r\n", BODY_MAX);
	say(c, buf_str(&head));
	say(c, buf_str(&body));
	struct reply reply = next_reply(c);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body.n, BODY_MAX + strlen("PUT 4194304 "));
	assert_memory_equal(reply.body.p + reply.body.n - BODY_MAX, body.p, BODY_MAX);
	buf_reset(&head);
	buf_add_f(&head, PUT_ECHO "Content-Length: %zu\r\n\r\n", BODY_MAX + 1);
	say(c, buf_str(&head));
	EXPECT(c, 413, "refused", true);
}

#define secure_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		secure_test(test_each_listener_its_own),
		secure_test(test_swap),
		secure_test(test_swap_to_plain_and_back),
		secure_test(test_swap_while_it_ends),
		secure_test(test_swap_under_load),
		secure_test(test_plain_words),
		secure_test(test_not_admitted),
		secure_test(test_slow_handshakes),
		secure_test(test_handshake_that_does_not_fit),
		secure_test(test_the_end_is_said),
		secure_test(test_half_close_by_tls),
		secure_test(test_large_bodies),
	};
	return cmocka_run_group_tests(tests, make_pairs, end_pairs);
}
