/*
 * worker_help - a real worker in a thread of its own, with a toy for a handler, and a client.
 *
 * Layer:   tests
 * Threads: the test's own thread is the client; the toy's counters are atomic
 * Memory:  static; toy_setup() and toy_teardown() around each test
 * Secrets: none
 * Limits:  PATIENCE_MS for whatever must happen
 * Spec:    none
 *
 * Included once in a program. With -DTOY_TLS=1 both speak TLS, so that each test can be run both ways.
 * What the toy answers:
 *
 *	/            "hello"
 *	/echo        method, body and its length: "PUT 3 abc"
 *	/big/N       N bytes, abc…xyzabc…
 *	/close       "bye", and closes
 *	/later       "now", once toy.ready is set
 *	/hop/N       "hop", with hop limit N
 *	/often       "slowly", and reads no more for a moment
 *	/peer        address, listener, whether by IPv6
 */
#ifndef TELLTALE_UNIT_WORKER_HELP_H
#define TELLTALE_UNIT_WORKER_HELP_H

#include "tests/unit/cases.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/worker.h"
#include "platform/listen.h"
#include "tests/unit/tls_help.h"

#ifndef TOY_TLS
#define TOY_TLS 0
#endif

#define PATIENCE_MS   20000
#define LONG_MS       60000 /* a time limit that is not reached */
#define TOY_BODY_MAX  1000
#define TOY_TABLE     4096
#define TOY_LISTENERS 2
#define TOY_ROOM      4 /* for listeners that come later */

struct toy {
	struct conn_table table;
	struct http_worker *worker;
	pthread_t thread;
	bool running;
	struct ipaddr address;
	uint16_t port;
	size_t table_size;
	_Atomic unsigned admitted, left, answered, refused, put_off, turns, idles;
	_Atomic unsigned refuse_with; /* 0, or what admit() says */
	void (*admitting)(void);      /* called by admit(); NULL: nothing is */
	void (*answering)(void);      /* and by answer() */
	_Atomic bool ready;
	_Atomic unsigned closed[TOY_ROOM]; /* how often each listener was */
	_Atomic bool ended;                /* http_worker_run() has returned */
};

static struct toy toy;

/* What the toy's listeners speak. The pair is as long as the program. */
static struct tls_pair toy_pair;
static struct tls_context *toy_tls[TOY_LISTENERS];

static const struct http_limits toy_limits = {
	.parse = {.head_bytes = 8192,
		.target_bytes = 2048,
		.fields = 64,
		.body_bytes = TOY_BODY_MAX},
	.header_timeout_ms = LONG_MS,
	.idle_timeout_ms = LONG_MS,
	.request_timeout_ms = LONG_MS,
	.park_timeout_ms = LONG_MS,
};

/* --- the toy ----------------------------------------------------------------------------------- */

static unsigned on_admit(void *ctx, struct http_peer *peer)
{
	struct toy *t = ctx;
	peer->cookie = t;
	if (t->admitting) {
		t->admitting();
	}
	if (t->refuse_with) {
		return t->refuse_with;
	}
	t->admitted++;
	return 0;
}

static void on_leave(void *ctx, struct http_peer *peer)
{
	struct toy *t = ctx;
	t->left += peer->cookie == t;
}

static void toy_reply(struct http_resp *resp, unsigned status, struct str body)
{
	http1_reply(resp->out, status, STR("text/plain"), body, resp->close, false);
}

static void toy_big(struct http_resp *resp, size_t n)
{
	struct buf body = BUF_EMPTY;
	char *room = buf_room(&body, n + 1);
	for (size_t i = 0; room && i < n; i++) {
		room[i] = (char)('a' + i % 26);
	}
	body.n = room ? n : 0;
	toy_reply(resp, room ? 200 : 503, buf_str(&body));
	buf_done(&body);
}

static void toy_peer(struct http_resp *resp, const struct http_peer *peer)
{
	char memory[128], text[IPADDR_TEXT_BYTES];
	struct buf body = buf_fixed(memory, sizeof memory);
	ipaddr_format(&peer->addr, text);
	buf_add_f(&body, "%s %u %d", text, peer->listener, peer->ipv6);
	toy_reply(resp, 200, buf_str(&body));
}

static void toy_echo(struct http_resp *resp, const struct http1_req *req)
{
	static const char *const methods[] = {
		"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "?"};
	struct buf body = BUF_EMPTY;
	buf_add_f(&body, "%s %zu ", methods[req->method], req->body.n);
	buf_add(&body, req->body);
	toy_reply(resp, buf_status(&body) == 0 ? 200 : 503, buf_str(&body));
	buf_done(&body);
}

static void on_answer(
	void *ctx, struct http_peer *peer, const struct http1_req *req, struct http_resp *resp)
{
	struct toy *t = ctx;
	struct str target = req->target;
	uint64_t number = 0;
	t->answered++;
	if (t->answering) {
		t->answering();
	}
	if (str_eq(target, STR("/"))) {
		toy_reply(resp, 200, STR("hello"));
	} else if (str_eq(target, STR("/echo"))) {
		toy_echo(resp, req);
	} else if (str_eq(target, STR("/close"))) {
		resp->close = true;
		toy_reply(resp, 200, STR("bye"));
	} else if (str_eq(target, STR("/later"))) {
		resp->later = !t->ready;
		t->put_off += resp->later;
		if (!resp->later) {
			toy_reply(resp, 200, STR("now"));
		}
	} else if (str_eq(target, STR("/peer"))) {
		toy_peer(resp, peer);
	} else if (str_starts(target, STR("/big/")) &&
		   str_to_u64(str_from(target, 5), &number) == 0) {
		toy_big(resp, (size_t)number);
	} else if (str_starts(target, STR("/hop/")) &&
		   str_to_u64(str_from(target, 5), &number) == 0) {
		resp->hop_limit = (uint8_t)number;
		toy_reply(resp, 200, STR("hop"));
	} else if (str_eq(target, STR("/often"))) {
		resp->pause = true;
		toy_reply(resp, 503, STR("slowly"));
	} else {
		toy_reply(resp, 404, STR("nothing"));
	}
}

static void on_refuse(void *ctx, struct http_peer *peer, unsigned status, struct http_resp *resp)
{
	struct toy *t = ctx;
	t->refused += peer->cookie == t;
	toy_reply(resp, status, STR("refused"));
}

static void on_turn(void *ctx)
{
	struct toy *t = ctx;
	t->turns++;
}

static void on_idle(void *ctx)
{
	struct toy *t = ctx;
	t->idles++;
}

static void on_closed(void *ctx, size_t listener)
{
	struct toy *t = ctx;
	t->closed[listener]++;
}

static void *run_worker(void *ctx)
{
	struct toy *t = ctx;
	http_worker_run(t->worker);
	t->ended = true;
	return NULL;
}

static const struct http_handler toy_handler = {.ctx = &toy,
	.admit = on_admit,
	.leave = on_leave,
	.answer = on_answer,
	.refuse = on_refuse,
	.turn = on_turn,
	.idle = on_idle,
	.closed = on_closed};

/* The port that the first listener has got. */
static inline void learn_port(int fd)
{
	struct sockaddr_storage addr;
	socklen_t n = sizeof addr;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &n), 0);
	toy.port =
		ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&addr)->sin6_port
						 : ((struct sockaddr_in *)(void *)&addr)->sin_port);
}

/* Two listeners, so that which one it was can be told: the second is ::1 with the first's port. */
static inline void toy_listen(int ret_fds[TOY_LISTENERS])
{
	struct diag diag = {{0}};
	struct listen_spec spec = {.interface = STR_EMPTY};
	assert_int_equal(ipaddr_parse(STR("127.0.0.1"), &spec.address), 0);
	toy.address = spec.address;
	assert_int_equal(listen_tcp(&spec, 1, &ret_fds[0], &diag), 0);
	learn_port(ret_fds[0]);
	spec.port = toy.port;
	assert_int_equal(ipaddr_parse(STR("::1"), &spec.address), 0);
	assert_int_equal(listen_tcp(&spec, 1, &ret_fds[1], &diag), 0);
}

/* Once a program, as making a key takes time. */
static inline void toy_trust(void)
{
	if (!toy_pair.x509) {
		(void)signal(SIGPIPE, SIG_IGN); /* of the client; the worker must not need it */
		toy_pair = tls_pair_make("toy");
	}
}

static inline void toy_start(const struct http_limits *limits)
{
	int fds[TOY_LISTENERS];
	if (TOY_TLS) {
		toy_trust();
		for (size_t i = 0; i < TOY_LISTENERS && !toy_tls[i]; i++) {
			toy_tls[i] = tls_pair_context(&toy_pair);
		}
	}
	size_t size = toy.table_size ? toy.table_size : TOY_TABLE;
	toy = (struct toy){.table_size = size};
	assert_int_equal(conn_table_init(&toy.table, size), 0);
	toy_listen(fds);
	const struct http_worker_config config = {.name = "toy",
		.id = 1,
		.table = &toy.table,
		.limits = *limits,
		.handler = toy_handler,
		.listeners = fds,
		.n_listeners = TOY_LISTENERS,
		.listeners_max = TOY_ROOM,
		.tls = toy_tls};
	assert_int_equal(http_worker_new(&config, &toy.worker), 0);
	assert_int_equal(pthread_create(&toy.thread, NULL, run_worker, &toy), 0);
	toy.running = true;
}

/* Wait for its end; true when it left nothing behind. */
static inline bool toy_join(void)
{
	bool clean = true;
	if (toy.running) {
		clean = pthread_join(toy.thread, NULL) == 0 && toy.admitted == toy.left &&
			http_worker_connections(toy.worker) == 0;
		for (size_t i = 0; i < toy.table.n; i++) {
			clean = clean && conn_is_owned(&toy.table.slots[i], 0);
		}
	}
	toy.running = false;
	http_worker_free(toy.worker);
	toy.worker = NULL;
	conn_table_done(&toy.table);
	return clean;
}

static inline bool toy_end(void)
{
	if (toy.running) {
		http_worker_stop(toy.worker);
	}
	return toy_join();
}

static inline int toy_setup(void **state)
{
	(void)state;
	toy.table_size = 0;
	toy_start(&toy_limits);
	return 0;
}

/* The usual toy gives way to one with other limits. */
static inline void toy_restart(const struct http_limits *limits)
{
	assert_true(toy_end());
	toy_start(limits);
}

/* --- the client -------------------------------------------------------------------------------- */

#define HELLO       "GET / HTTP/1.1\r\n\r\n"
#define PUT_ECHO    "PUT /echo HTTP/1.1\r\n"
#define CHUNKED     "Transfer-Encoding: chunked\r\n\r\n"
#define BIG         8000000 /* more than sockets take */
#define BIG_TEXT    "/big/8000000"
#define LITTLE      65536 /* of a reply that a client's system keeps */
#define CLIENTS_MAX 512

struct client {
	int fd;
	SSL *ssl; /* NULL: plain */
	struct buf in;
	size_t used; /* of in */
};

static struct client clients[CLIENTS_MAX];
static size_t n_clients;

static inline int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* True soon, or the test fails. */
#define SOON(condition)                                            \
	do {                                                       \
		int64_t until_ = now_ms() + PATIENCE_MS;           \
		while (!(condition)) {                             \
			if (now_ms() > until_) {                   \
				fail_msg("never: %s", #condition); \
			}                                          \
			(void)poll(NULL, 0, 1);                    \
		}                                                  \
	} while (0)

/* The worker has taken what was sent or ordered so far: a wait of its began after this, and ended. */
static inline void settle(void)
{
	for (int i = 0; i < 3; i++) {
		unsigned before = toy.idles;
		http_worker_wake(toy.worker);
		SOON(toy.idles != before);
	}
}

static inline struct client *new_client(int fd)
{
	assert_true(n_clients < CLIENTS_MAX && fd >= 0);
	clients[n_clients] = (struct client){.fd = fd, .in = BUF_EMPTY};
	if (TOY_TLS) {
		/* Two writes in a row are a handshake's end and a request: both are there at once. */
		int on = 1;
		assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
		clients[n_clients].ssl = tls_client(fd, &toy_pair);
	}
	return &clients[n_clients++];
}

/* receive_bytes: 0, or how much the system may keep for a client that does not read. */
static inline struct client *dial(int receive_bytes)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(toy.port)};
	memcpy(&to.sin_addr, toy.address.b + 12, 4);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(receive_bytes == 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
						  sizeof receive_bytes) == 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return new_client(fd);
}

static inline void hang_up(struct client *c)
{
	(void)(c->fd < 0 || close(c->fd));
	SSL_free(c->ssl);
	c->fd = -1;
	c->ssl = NULL;
	buf_done(&c->in);
}

/* So that the peer gets a reset. */
static inline void hang_up_hard(struct client *c)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};
	assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
	hang_up(c);
}

static inline int toy_teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_clients; i++) {
		hang_up(&clients[i]);
	}
	n_clients = 0;
	if (!toy_end()) {
		print_error("the worker left something behind\n");
		return -1;
	}
	return 0;
}

/* As send() and recv(), by whatever the client speaks; an end in whatever manner is one. */
static inline ssize_t put_bytes(struct client *c, struct str bytes)
{
	if (!c->ssl) {
		return send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
	}
	ERR_clear_error();
	int n = SSL_write(c->ssl, bytes.p, (int)bytes.n);
	errno = EPIPE;
	return n > 0 ? n : -1;
}

static inline ssize_t get_bytes(struct client *c, char *at, int room)
{
	if (!c->ssl) {
		return recv(c->fd, at, (size_t)room, 0);
	}
	ERR_clear_error();
	int n = SSL_read(c->ssl, at, room);
	return n > 0 ? n : 0;
}

/* All of it, or as much as a closed connection takes. */
static inline void say(struct client *c, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = put_bytes(c, bytes);
		if (n < 0) {
			assert_true(errno == EPIPE || errno == ECONNRESET);
			return;
		}
		bytes = str_from(bytes, (size_t)n);
	}
}

static inline void say_text(struct client *c, const char *text)
{
	say(c, str_of(text));
}

static inline void ask(struct client *c, const char *target)
{
	char text[256];
	int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: toy\r\n\r\n", target);
	assert_in_range(n, 1, sizeof text - 1);
	say(c, (struct str){text, (size_t)n});
}

/* Receive some: their number, 0 at the end, -errno. */
static inline int hear(struct client *c, int wait_ms)
{
	struct pollfd ready = {.fd = c->fd, .events = POLLIN};
	if (poll(&ready, 1, wait_ms) == 0) {
		return -ETIME;
	}
	char *room = buf_room(&c->in, 65536);
	assert_non_null(room);
	ssize_t n = get_bytes(c, room, 65536);
	if (n < 0) {
		return -errno;
	}
	c->in.n += (size_t)n;
	return (int)n;
}

struct reply {
	unsigned status;
	struct str body; /* until the next is read */
	bool close;
};

/* A whole reply in what was received; false when there is none yet. */
static inline bool take_reply(struct client *c, struct reply *ret_reply)
{
	static const char length_name[] = "\r\nContent-Length: ";
	struct str rest = str_from((struct str){c->in.p ? c->in.p : "", c->in.n}, c->used);
	const char *end = memmem(rest.p, rest.n, "\r\n\r\n", 4);
	if (!end) {
		return false;
	}
	struct str head = {rest.p, (size_t)(end + 4 - rest.p)};
	const char *length = memmem(head.p, head.n, length_name, sizeof length_name - 1);
	assert_non_null(length);
	size_t body = strtoul(length + sizeof length_name - 1, NULL, 10);
	if (rest.n - head.n < body) {
		return false;
	}
	assert_true(str_starts(head, STR("HTTP/1.1 ")));
	*ret_reply = (struct reply){.status = (unsigned)strtoul(head.p + 9, NULL, 10),
		.body = {end + 4, body},
		.close = memmem(head.p, head.n, "\r\nConnection: close\r\n", 21) != NULL};
	c->used += head.n + body;
	return true;
}

static inline struct reply next_reply(struct client *c)
{
	struct reply reply = {0};
	if (c->used == c->in.n) {
		buf_reset(&c->in);
		c->used = 0;
	}
	while (!take_reply(c, &reply)) {
		int n = hear(c, PATIENCE_MS);
		if (n <= 0) {
			fail_msg("no reply, but %d", n);
		}
	}
	return reply;
}

#define EXPECT(c, expected_status, expected_body, expected_close)                      \
	do {                                                                           \
		struct reply reply_ = next_reply(c);                                   \
		if (reply_.status != (expected_status) ||                              \
			!str_eq(reply_.body, str_of(expected_body)) ||                 \
			reply_.close != (expected_close)) {                            \
			fail_msg("%u \"%.*s\"%s", reply_.status, STR_FMT(reply_.body), \
				reply_.close ? ", closing" : "");                      \
		}                                                                      \
	} while (0)

/* The reply of /big/N. */
static inline void check_big(struct reply reply, size_t n)
{
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body.n, n);
	for (size_t i = 0; i < n; i++) {
		if (reply.body.p[i] != (char)('a' + i % 26)) {
			fail_msg("byte %zu is wrong", i);
		}
	}
}

/* Nothing more comes but the end, and not by a reset. */
#define EXPECT_END(c)                                      \
	do {                                               \
		assert_int_equal((c)->used, (c)->in.n);    \
		assert_int_equal(hear(c, PATIENCE_MS), 0); \
	} while (0)

/* Open, and nothing is said. */
#define EXPECT_SILENCE(c) assert_int_equal(hear(c, 30), -ETIME)

/* The end, in whatever manner. */
static inline bool is_end(int heard)
{
	return heard == 0 || heard == -ECONNRESET || heard == -EPIPE;
}

#endif
