/*
 * load - the bench's load generator: one thread, one epoll set, requests built beforehand.
 *
 * It is lean so that the server saturates first, and strict so that it counts nothing but answers:
 * a reply counts once its status line has been checked and all bytes of its Content-Length have
 * come. It reports its own CPU time too, which tells when it was the bottleneck after all.
 *
 * Once prepared (kept connections are open and have had one answer each) it prints "ready" and
 * waits for a line on stdin, so that the caller can look at the server before and after. Then it
 * runs until --count or --seconds is reached, and prints one JSON object. Connections stay open
 * until stdin ends.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange.h"
#include "load_options.h"
#include "measure.h"

enum {
	BATCH = 512,
	ERRORS_MAX = 100,
	GRACE_S = 2,
	REPLY_MAX_BYTES = 4000,
	TICK_MS = 100,
	PREPARE_MAX_S = 60,
};

/*
 * States of a connection:
 *
 *   IDLE -> CONNECTING -> WAITING -> IDLE                 (modes keep and new)
 *                         WAITING -> CLOSING -> IDLE      (mode close: the server's FIN is due)
 *                         WAITING -> CONNECTING, WAITING  (mode pair: the second connection)
 */
enum state { STATE_IDLE, STATE_CONNECTING, STATE_WAITING, STATE_CLOSING };

struct conn {
	int fd;
	enum state state;
	bool second;                /* pair: the GET of the pair */
	uint32_t source;            /* host order */
	uint64_t start_ns;          /* when the exchange began, or was due */
	const struct request *send; /* the request under way */
	struct request *own;        /* with a token of this connection's; else NULL */
	size_t got;                 /* bytes of the reply so far */
	char reply[REPLY_MAX_BYTES];
};

struct load {
	struct options options;
	struct request get;
	struct request put;
	int epoll;
	struct conn *conns;
	struct conn **idle; /* stack of those without an exchange */
	size_t idle_n;
	size_t active;
	uint32_t next_source; /* offset from options.source */
	uint64_t started;
	uint64_t done;
	uint64_t errors;
	uint64_t closed_by_server;
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t cpu_ns;
	size_t reply_bytes;
	size_t put_reply_bytes;
	char first_error[160];
	struct hist latency;
	struct hist late; /* with a rate: how much after its time an exchange was started */
};

__attribute__((format(printf, 2, 3))) static void note_error(
	struct load *load, const char *format, ...)
{
	va_list args;

	if (load->errors++ == 0) {
		va_start(args, format);
		(void)vsnprintf(load->first_error, sizeof(load->first_error), format, args);
		va_end(args);
	}
}

static void build(struct request *request, struct request_parts parts)
{
	if (request_build(request, &parts) < 0) {
		(void)fputs("load: the request is too long\n", stderr);
		exit(2);
	}
}

static void build_get(struct request *request, const struct options *options, const char *token)
{
	build(request, (struct request_parts){.server = &options->server,
			       .method = "GET",
			       .path = options->path,
			       .field = TOKEN_FIELD,
			       .value = token,
			       .extra = options->fields,
			       .close = options->mode == MODE_CLOSE});
}

/* As reply_parse(); anything but 200 is not counted. */
static int parse(const struct conn *conn, struct reply *ret_reply)
{
	int complete = reply_parse(conn->reply, conn->got, ret_reply);

	if (complete == 0 && conn->got == sizeof(conn->reply)) {
		return -1; /* nothing this bench asks for is that long */
	}
	return complete > 0 && ret_reply->status != 200 ? -1 : complete;
}

static void note_bad_reply(struct load *load, const struct conn *conn)
{
	char line[64] = "";
	size_t n = 0;

	while (n < sizeof(line) - 1 && n < conn->got) {
		char c = conn->reply[n];

		if (c < ' ' || c > '~' || c == '"' || c == '\\') {
			break;
		}
		line[n++] = c;
	}
	note_error(load, "unexpected reply of %zu bytes: %s", conn->got, line);
}

static uint32_t source_take(struct load *load)
{
	const struct options *options = &load->options;
	uint32_t source;

	if (options->source == 0) {
		return 0;
	}
	source = options->source + load->next_source;
	load->next_source = (load->next_source + 1) % options->sources;
	return source;
}

/* A socket on its way to the server; -1 with the error noted. */
static int conn_connect(struct load *load, const struct conn *conn, int flags)
{
	const char *what;
	int fd = connect_from(&load->options.server, conn->source, flags, &what);

	if (fd < 0) {
		note_error(load, "%s: %s", what, strerror(errno));
	}
	return fd;
}

/* Send and wait for the whole reply. Returns 0, or -1 with the error noted. */
static int conn_exchange(struct load *load, struct conn *conn, struct reply *ret_reply)
{
	if (send(conn->fd, conn->send->text, conn->send->n, MSG_NOSIGNAL) !=
		(ssize_t)conn->send->n) {
		note_error(load, "send: %s", strerror(errno));
		return -1;
	}
	for (conn->got = 0;;) {
		ssize_t n =
			recv(conn->fd, conn->reply + conn->got, sizeof(conn->reply) - conn->got, 0);
		int complete;

		if (n <= 0) {
			note_error(load, "recv: %s", n == 0 ? "the end" : strerror(errno));
			return -1;
		}
		conn->got += (size_t)n;
		complete = parse(conn, ret_reply);
		if (complete > 0) {
			return 0;
		}
		if (complete < 0) {
			note_bad_reply(load, conn);
			return -1;
		}
	}
}

/* The token of a PUT's reply goes into this connection's own request, or the one we were given. */
static int conn_take_token(struct load *load, struct conn *conn, const struct reply *reply)
{
	char token[TOKEN_TEXT_BYTES + 1];

	if (reply->body_bytes != TOKEN_TEXT_BYTES) {
		note_error(load, "a token of %zu bytes", reply->body_bytes);
		return -1;
	}
	memcpy(token, reply->body, TOKEN_TEXT_BYTES);
	token[TOKEN_TEXT_BYTES] = '\0';
	build_get(conn->own, &load->options, token);
	return 0;
}

static void watch(struct load *load, struct conn *conn, int op, uint32_t events)
{
	struct epoll_event event = {.events = events | EPOLLET, .data.ptr = conn};

	if (epoll_ctl(load->epoll, op, conn->fd, &event) < 0) {
		perror("load: epoll_ctl");
		exit(EXIT_FAILURE);
	}
}

/* Kept connections: open, with a token of their own if asked for, and answered once. */
static int prepare_kept(struct load *load)
{
	for (size_t i = 0; i < load->options.connections; i++) {
		struct conn *conn = &load->conns[i];
		struct reply reply;

		conn->source = source_take(load);
		conn->fd = conn_connect(load, conn, 0);
		if (conn->fd < 0) {
			return -1;
		}
		if (load->options.mint) {
			conn->send = &load->put;
			if (conn_exchange(load, conn, &reply) < 0 ||
				conn_take_token(load, conn, &reply) < 0) {
				return -1;
			}
		}
		conn->send = conn->own != NULL ? conn->own : &load->get;
		if (conn_exchange(load, conn, &reply) < 0) {
			return -1;
		}
		watch(load, conn, EPOLL_CTL_ADD, EPOLLIN);
	}
	return 0;
}

static bool may_start(const struct load *load, uint64_t now)
{
	return load->started < load->options.count && load->errors < ERRORS_MAX &&
	       now - load->begin_ns < load->options.duration_ns;
}

static void conn_release(struct load *load, struct conn *conn)
{
	conn->state = STATE_IDLE;
	load->idle[load->idle_n++] = conn;
	load->active--;
}

static void conn_drop(struct load *load, struct conn *conn)
{
	(void)close(conn->fd); /* which also takes it out of the epoll set */
	conn->fd = -1;
	conn_release(load, conn);
}

static void conn_send(struct load *load, struct conn *conn)
{
	conn->got = 0;
	conn->state = STATE_WAITING;
	if (send(conn->fd, conn->send->text, conn->send->n, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		(ssize_t)conn->send->n) {
		return;
	}
	note_error(load, "send: %s", strerror(errno));
	conn_drop(load, conn);
}

/*
 * On loopback the handshake is over when connect() returns, EINPROGRESS or not, so the request goes
 * out at once; otherwise we wait until the socket is writable.
 */
static void conn_open(struct load *load, struct conn *conn)
{
	conn->got = 0;
	conn->fd = conn_connect(load, conn, SOCK_NONBLOCK);
	if (conn->fd < 0) {
		conn_release(load, conn);
		return;
	}
	if (send(conn->fd, conn->send->text, conn->send->n, MSG_NOSIGNAL) ==
		(ssize_t)conn->send->n) {
		conn->state = STATE_WAITING;
		watch(load, conn, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP);
	} else if (errno == EAGAIN || errno == ENOTCONN) {
		conn->state = STATE_CONNECTING;
		watch(load, conn, EPOLL_CTL_ADD, EPOLLOUT);
	} else {
		note_error(load, "send: %s", strerror(errno));
		conn_drop(load, conn);
	}
}

static void conn_start(struct load *load, struct conn *conn, uint64_t start_ns)
{
	conn->start_ns = start_ns;
	load->started++;
	load->active++;
	if (load->options.mode == MODE_KEEP) {
		conn_send(load, conn);
		return;
	}
	conn->source = source_take(load);
	conn->second = false;
	conn->send = load->options.mode == MODE_PAIR ? &load->put : &load->get;
	conn_open(load, conn);
}

static void count_done(struct load *load, const struct conn *conn, uint64_t now)
{
	load->done++;
	load->end_ns = now;
	load->reply_bytes = conn->got;
	hist_add(&load->latency, now - conn->start_ns);
}

static void on_reply(
	struct load *load, struct conn *conn, const struct reply *reply, uint32_t events)
{
	uint64_t now;

	if (load->options.mode == MODE_PAIR && !conn->second) {
		conn->second = true;
		load->put_reply_bytes = conn->got;
		if (conn_take_token(load, conn, reply) < 0) {
			conn_drop(load, conn);
			return;
		}
		(void)close(conn->fd);
		conn->send = conn->own;
		conn_open(load, conn);
		return;
	}
	now = now_ns();
	count_done(load, conn, now);
	switch (load->options.mode) {
	case MODE_KEEP:
		if (load->options.rate == 0 && may_start(load, now)) {
			load->started++;
			conn->start_ns = now;
			conn_send(load, conn);
		} else {
			conn_release(load, conn);
		}
		break;
	case MODE_CLOSE:
		if ((events & EPOLLRDHUP) == 0) {
			conn->state = STATE_CLOSING;
			break;
		}
		load->closed_by_server++;
		conn_drop(load, conn);
		break;
	case MODE_NEW:
	case MODE_PAIR:
	case MODE_CLOCK: /* has no connection */
		conn_drop(load, conn);
		break;
	}
}

static void on_readable(struct load *load, struct conn *conn, uint32_t events)
{
	for (;;) {
		ssize_t n = recv(conn->fd, conn->reply + conn->got, sizeof(conn->reply) - conn->got,
			MSG_DONTWAIT);
		struct reply reply;
		int complete;

		if (n < 0 && errno == EAGAIN) {
			return;
		}
		if (n <= 0) {
			note_error(load, "recv: %s", n == 0 ? "the end" : strerror(errno));
			break;
		}
		conn->got += (size_t)n;
		complete = parse(conn, &reply);
		if (complete > 0) {
			on_reply(load, conn, &reply, events);
			return;
		}
		if (complete < 0) {
			note_bad_reply(load, conn);
			break;
		}
	}
	conn_drop(load, conn);
}

static void on_event(struct load *load, struct conn *conn, uint32_t events)
{
	switch (conn->state) {
	case STATE_IDLE:
		break; /* a kept connection the server closed meanwhile: its next send says so */
	case STATE_CONNECTING:
		conn_send(load, conn);
		if (conn->state == STATE_WAITING) {
			watch(load, conn, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
		}
		break;
	case STATE_WAITING:
		on_readable(load, conn, events);
		break;
	case STATE_CLOSING:
		if ((events & EPOLLRDHUP) != 0) {
			load->closed_by_server++;
			conn_drop(load, conn);
		}
		break;
	}
}

/* With a rate. */
static uint64_t next_due(const struct load *load)
{
	return load->begin_ns + load->started * NS_PER_S / load->options.rate;
}

/* Start what may start. With a rate, that is what is due; an exchange begins when it was due. */
static void start_due(struct load *load)
{
	const struct options *options = &load->options;

	while (load->idle_n > 0) {
		uint64_t now = now_ns();
		uint64_t due = now;

		if (!may_start(load, now)) {
			return;
		}
		if (options->rate != 0) {
			due = next_due(load);
			if (due > now) {
				return;
			}
			hist_add(&load->late, now - due);
		}
		conn_start(load, load->idle[--load->idle_n], due);
	}
}

static void run_loop(struct load *load)
{
	const struct options *options = &load->options;
	uint64_t give_up_ns = load->begin_ns + options->duration_ns + GRACE_S * NS_PER_S;
	struct epoll_event events[BATCH];

	for (;;) {
		int n;

		start_due(load);
		if (load->active == 0 && !may_start(load, now_ns())) {
			return;
		}
		/* A schedule is kept by looking at the clock all the time: this core is ours. */
		n = epoll_wait(load->epoll, events, BATCH, options->rate != 0 ? 0 : TICK_MS);
		for (int i = 0; i < n; i++) {
			on_event(load, events[i].data.ptr, events[i].events);
		}
		if (n <= 0 && now_ns() > give_up_ns) {
			note_error(load, "%zu replies never came", load->active);
			load->errors += load->active - 1;
			return;
		}
	}
}

/* One client after another, each as plain as a client can be. */
static void run_serial(struct load *load)
{
	struct conn *conn = &load->conns[0];
	bool closes = load->options.mode == MODE_CLOSE;

	conn->send = &load->get;
	while (may_start(load, conn->start_ns = now_ns())) {
		struct reply reply;
		char end;

		load->started++;
		conn->source = source_take(load);
		conn->fd = conn_connect(load, conn, 0);
		if (conn->fd < 0) {
			continue;
		}
		if (conn_exchange(load, conn, &reply) == 0) {
			count_done(load, conn, now_ns());
			if (closes && recv(conn->fd, &end, 1, 0) == 0) {
				load->closed_by_server++;
			}
		}
		(void)close(conn->fd);
	}
}

/* A core that has nothing else to do: how late it is all the same is the machine's doing. */
static void run_clock(struct load *load)
{
	struct conn nobody = {0};
	uint64_t now;

	while (may_start(load, now = now_ns())) {
		nobody.start_ns = next_due(load);
		if (nobody.start_ns <= now) {
			load->started++;
			count_done(load, &nobody, now);
		}
	}
}

static void print_result(const struct load *load)
{
	const struct hist *latency = &load->latency;

	printf("{\"done\": %llu, \"errors\": %llu, \"first_error\": \"%s\", "
	       "\"closed_by_server\": %llu, \"reply_bytes\": %zu, \"put_reply_bytes\": %zu, "
	       "\"wall_ns\": %llu, \"cpu_ns\": %llu, "
	       "\"p50_ns\": %llu, \"p90_ns\": %llu, \"p99_ns\": %llu, \"p999_ns\": %llu, "
	       "\"max_ns\": %llu, \"late_p99_ns\": %llu}\n",
		(unsigned long long)load->done, (unsigned long long)load->errors, load->first_error,
		(unsigned long long)load->closed_by_server, load->reply_bytes,
		load->put_reply_bytes, (unsigned long long)(load->end_ns - load->begin_ns),
		(unsigned long long)load->cpu_ns, (unsigned long long)hist_quantile(latency, 500),
		(unsigned long long)hist_quantile(latency, 900),
		(unsigned long long)hist_quantile(latency, 990),
		(unsigned long long)hist_quantile(latency, 999), (unsigned long long)latency->max,
		(unsigned long long)hist_quantile(&load->late, 990));
	(void)fflush(stdout); /* a caller that has gone needs no result */
}

static void load_init(struct load *load)
{
	const struct options *options = &load->options;
	size_t n = options->connections;
	bool own = options->mint || options->mode == MODE_PAIR;
	struct request *requests = own ? calloc(n, sizeof(*requests)) : NULL;

	build_get(&load->get, options, options->token);
	build(&load->put, (struct request_parts){.server = &options->server,
				  .method = "PUT",
				  .path = TOKEN_PATH,
				  .field = TTL_FIELD,
				  .value = "21600"});
	load->conns = calloc(n, sizeof(*load->conns));
	load->idle = calloc(n, sizeof(*load->idle));
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load->conns == NULL || load->idle == NULL || load->epoll < 0 ||
		(own && requests == NULL)) {
		(void)fputs("load: no memory or no epoll\n", stderr);
		exit(EXIT_FAILURE);
	}
	for (size_t i = 0; i < n; i++) {
		load->conns[i].fd = -1;
		load->conns[i].own = own ? &requests[i] : NULL;
		load->idle[load->idle_n++] = &load->conns[i];
	}
}

int main(int argc, char **argv)
{
	static struct load load; /* too large for a stack */
	uint64_t cpu_ns;

	load_options_parse(&load.options, argc, argv);
	load_init(&load);
	(void)alarm(PREPARE_MAX_S); /* ends us if the server never answers */
	if (load.options.mode == MODE_KEEP && prepare_kept(&load) < 0) {
		print_result(&load);
		return EXIT_FAILURE;
	}
	(void)alarm(0);
	(void)puts("ready");
	(void)fflush(stdout);
	if (!wait_for_line()) {
		return EXIT_FAILURE;
	}
	(void)alarm((unsigned)(load.options.duration_ns / NS_PER_S) + 2 * GRACE_S + 1);
	cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	load.begin_ns = load.end_ns = now_ns();
	if (load.options.mode == MODE_CLOCK) {
		run_clock(&load);
	} else if (load.options.serial) {
		run_serial(&load);
	} else {
		run_loop(&load);
	}
	load.cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
	(void)alarm(0);
	print_result(&load);
	while (wait_for_line()) {
	}
	return load.errors == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
