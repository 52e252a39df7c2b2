/*
 * Must reach: http_worker_run (receive, answer, give way, keep, send in parts, park and wake, linger,
 * refuse, drain), http1_unchunk over several receives, all states of connection.h.
 *
 * One worker and its one caller, both on this thread: the caller takes a step before each wait, so that
 * a run is the same each time and no clock plays a part. Input: two bytes that say how the rest is sent.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion that is there in every build. */
#define HOLDS(condition)                  \
	do {                              \
		if (!(condition)) {       \
			__builtin_trap(); \
		}                         \
	} while (0)

#define INPUT_MAX    8000 /* less than is received at once */
#define TURNS_MAX    200000
#define BIG_BYTES    ((size_t)300 * 1024) /* more than the socket takes */
#define BIG_ONES_MAX 8
#define PUT_OFF      2 /* how often "/later" is, before it is answered */
#define TABLE_SIZE   1024
#define LONG_MS      600000

enum how {
	HOW_SLOW = 1,  /* reads only once all is sent */
	HOW_DRAIN = 2, /* the worker is told to drain half-way */
	HOW_GONE = 4,  /* closes instead of reading to the end */
	HOW_WHOLE = 8, /* all in one piece */
};

struct run {
	struct http_worker *worker;
	struct str input;
	unsigned how;
	size_t piece_bytes;
	size_t sent_bytes;
	int fd;
	bool ended; /* of its own sending */
	bool finished;
	struct buf out;
	unsigned admitted, left, put_off, big_ones, turns;
};

static struct conn_table table;
static int listener;
static struct sockaddr_un address;
static socklen_t address_bytes;

/* --- the handler ------------------------------------------------------------------------------- */

static unsigned on_admit(void *ctx, struct http_peer *peer)
{
	struct run *run = ctx;
	peer->cookie = run;
	run->admitted++;
	return 0;
}

static void on_leave(void *ctx, struct http_peer *peer)
{
	struct run *run = ctx;
	HOLDS(peer->cookie == run);
	run->left++;
}

static void on_refuse(void *ctx, struct http_peer *peer, unsigned status, struct http_resp *resp)
{
	(void)ctx;
	(void)peer;
	HOLDS(resp->close);
	http1_reply(resp->out, status, STR("a/b"), STR("no"), true, false);
}

static void answer_big(struct run *run, struct http_resp *resp)
{
	static char big[BIG_BYTES];
	memset(big, 'b', sizeof big);
	struct str body = {big, run->big_ones++ < BIG_ONES_MAX ? sizeof big : 1};
	http1_reply(resp->out, 200, STR("a/b"), body, resp->close, false);
}

/* Method, target and body, so that what is read otherwise is answered otherwise. */
static void answer_echo(const struct http1_req *req, struct http_resp *resp)
{
	CLEANUP(buf_done) struct buf body = BUF_EMPTY;
	buf_add_f(&body, "%d %u ", (int)req->method, req->n_fields);
	buf_add(&body, req->target);
	buf_add_char(&body, ' ');
	buf_add(&body, req->body);
	http1_reply(resp->out, 200, STR("a/b"), buf_str(&body), resp->close, false);
}

static void on_answer(
	void *ctx, struct http_peer *peer, const struct http1_req *req, struct http_resp *resp)
{
	struct run *run = ctx;
	HOLDS(peer->cookie == run && req->body.n <= 64);
	if (str_starts(req->target, STR("/later")) && run->put_off < PUT_OFF) {
		run->put_off++;
		resp->later = true;
		return;
	}
	run->put_off = 0;
	resp->close |= str_starts(req->target, STR("/close"));
	if (str_starts(req->target, STR("/big"))) {
		answer_big(run, resp);
	} else {
		answer_echo(req, resp);
	}
}

/* --- the caller -------------------------------------------------------------------------------- */

static void hear(struct run *run)
{
	for (;;) {
		char *room = buf_room(&run->out, 65536);
		HOLDS(room != NULL);
		ssize_t n = recv(run->fd, room, 65536, MSG_DONTWAIT);
		if (n <= 0) {
			run->finished |= n == 0;
			return;
		}
		run->out.n += (size_t)n;
	}
}

static void say(struct run *run)
{
	struct str rest = str_from(run->input, run->sent_bytes);
	size_t n = rest.n < run->piece_bytes ? rest.n : run->piece_bytes;
	ssize_t sent = send(run->fd, rest.p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	run->sent_bytes += sent > 0 ? (size_t)sent : 0;
	if (sent < 0 || run->sent_bytes == run->input.n) {
		run->sent_bytes = run->input.n; /* closed on us: that was all */
		if (run->how & HOW_GONE) {
			(void)close(run->fd);
			run->fd = -1;
		} else {
			(void)shutdown(run->fd, SHUT_WR); /* closed already: fine, too */
		}
		run->ended = true;
	}
}

static void on_idle(void *ctx)
{
	struct run *run = ctx;
	HOLDS(++run->turns < TURNS_MAX);
	if (!run->ended) {
		say(run);
	}
	if (run->how & HOW_DRAIN && run->sent_bytes >= run->input.n / 2) {
		http_worker_drain(run->worker);
	}
	if (run->fd >= 0 && (run->ended || !(run->how & HOW_SLOW))) {
		hear(run);
	}
	if (run->ended && http_worker_connections(run->worker) == 0 && run->turns > 2) {
		http_worker_stop(run->worker);
	}
	http_worker_wake(run->worker); /* there is no wait without an event */
}

/* --- what came of it --------------------------------------------------------------------------- */

/* One whole reply at the front: its length. */
static size_t check_reply(struct str rest, bool *ret_close)
{
	static const char length_name[] = "\r\nContent-Length: ";
	const char *end = memmem(rest.p, rest.n, "\r\n\r\n", 4);
	HOLDS(end && str_starts(rest, STR("HTTP/1.1 ")));
	struct str head = {rest.p, (size_t)(end + 4 - rest.p)};
	const char *length = memmem(head.p, head.n, length_name, sizeof length_name - 1);
	HOLDS(length != NULL);
	size_t n = head.n + strtoul(length + sizeof length_name - 1, NULL, 10);
	unsigned long status = strtoul(rest.p + 9, NULL, 10);
	*ret_close = memmem(head.p, head.n, "\r\nConnection: close\r\n", 21) != NULL;
	HOLDS(status == 200 || status == 400 || status == 413 || status == 414 || status == 431);
	HOLDS(status == 200 || *ret_close);
	HOLDS(n <= rest.n);
	return n;
}

/* Whole replies and nothing else; behind one that closes there is none. */
static void check_output(const struct run *run)
{
	struct str rest = buf_str(&run->out);
	bool close = false;
	while (rest.p && rest.n) {
		HOLDS(!close);
		rest = str_from(rest, check_reply(rest, &close));
	}
}

static const struct http_limits limits = {
	.parse = {.head_bytes = 512, .target_bytes = 128, .fields = 8, .body_bytes = 64},
	.header_timeout_ms = LONG_MS,
	.idle_timeout_ms = LONG_MS,
	.request_timeout_ms = LONG_MS,
	.park_timeout_ms = LONG_MS,
};

static void converse(struct run *run)
{
	int fd = fcntl(listener, F_DUPFD_CLOEXEC, 0); /* the worker will own it */
	const struct http_worker_config config = {.name = "fuzz",
		.id = 1,
		.table = &table,
		.limits = limits,
		.handler = {.ctx = run,
			.admit = on_admit,
			.leave = on_leave,
			.answer = on_answer,
			.refuse = on_refuse,
			.idle = on_idle},
		.listeners = &fd,
		.n_listeners = 1};
	HOLDS(fd >= 0 && http_worker_new(&config, &run->worker) == 0);
	run->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	HOLDS(run->fd >= 0 &&
		connect(run->fd, (const struct sockaddr *)&address, address_bytes) == 0);
	http_worker_run(run->worker);
	HOLDS(run->admitted == 1 && run->left == 1);
	HOLDS(http_worker_connections(run->worker) == 0);
	http_worker_free(run->worker);
	if (run->fd >= 0) {
		hear(run);
		(void)close(run->fd);
		HOLDS(run->finished || run->how & HOW_DRAIN);
		check_output(run);
	}
	for (size_t i = 0; i < 64; i++) {
		HOLDS(conn_is_owned(&table.slots[i], 0));
	}
}

static void set_up(void)
{
	if (table.slots) {
		return;
	}
	address.sun_family = AF_UNIX;
	address_bytes = sizeof address.sun_family; /* the kernel picks an abstract name */
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	HOLDS(listener >= 0 &&
		bind(listener, (const struct sockaddr *)&address, address_bytes) == 0 &&
		listen(listener, 8) == 0);
	address_bytes = sizeof address;
	HOLDS(getsockname(listener, (struct sockaddr *)&address, &address_bytes) == 0);
	HOLDS(conn_table_init(&table, TABLE_SIZE) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3 || size > INPUT_MAX) {
		return 0;
	}
	set_up();
	struct str input = {(const char *)data + 2, size - 2};
	struct run whole = {.input = input, .how = HOW_WHOLE, .piece_bytes = input.n};
	struct run parts = {.input = input, .how = data[0] & 7u, .piece_bytes = 1u + data[1]};
	converse(&whole);
	converse(&parts);
	/*
	 * How it is sent changes nothing but for the end: what no line's end has come to may be left
	 * unanswered. A worker that drains answers less.
	 */
	if (!(parts.how & (HOW_DRAIN | HOW_GONE))) {
		HOLDS(str_starts(buf_str(&whole.out), buf_str(&parts.out)));
	}
	buf_done(&whole.out);
	buf_done(&parts.out);
	return 0;
}
