#include "http/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/log.h"
#include "http/body.h"
#include "http/listeners.h"
#include "http/transport.h"
#include "platform/clock.h"
#include "platform/listen.h"

#define IN_BYTES        TLS_RECORD_BYTES /* no less: see tls_session_read() */
#define LINGER_MS       1000
#define DRAIN_ACCEPT_MS 1000
#define OUT_KEPT_BYTES  ((size_t)256 * 1024)
#define ANSWERS_A_TURN  8 /* to one connection; further requests wait for a later turn */

enum order {
	ORDER_WAKE = 1,
	ORDER_DRAIN = 2,
	ORDER_STOP = 4,
	ORDER_LIMITS = 8,
	ORDER_LISTENERS = 16,
	ORDER_PULSE = 32, /* taking it is all there is to do */
};

struct http_worker {
	const char *name;
	uint16_t id;
	struct loop loop;
	struct conn_table *table;
	struct http_handler handler;
	struct http_limits limits;
	struct wheel wheel;
	uint64_t now_ms;
	struct listeners listeners;
	uint64_t turn; /* how often it has come out of a wait */
	int top_fd;    /* the highest descriptor that was ever ours */
	unsigned lingering;
	unsigned parked;
	bool draining;
	bool stopped;
	struct log_limit tls_log;
	struct buf out;
	struct buf body;
	_Atomic unsigned orders;
	_Atomic uint32_t connections;
	pthread_mutex_t limits_lock; /* protects next_limits, which other threads write */
	struct http_limits next_limits;
	char in[IN_BYTES];
};

/* What became of the bytes that a connection had. */
enum outcome {
	OUTCOME_MORE, /* all whole requests are answered; more bytes are needed */
	OUTCOME_BUSY, /* a reply is not out yet, or not there yet: what is left must wait */
	OUTCOME_GONE, /* closed, or about to be: what is left does not matter */
};

static void count_connections(struct http_worker *worker, int by)
{
	uint32_t n = atomic_load_explicit(&worker->connections, memory_order_relaxed);
	atomic_store_explicit(&worker->connections, n + (uint32_t)by, memory_order_relaxed);
}

static void end_connection(struct http_worker *worker, struct conn *conn, int fd)
{
	wheel_remove(&worker->wheel, (uint32_t)fd);
	worker->lingering -= conn->state == CONN_LINGER;
	worker->parked -= conn->state == CONN_PARKED;
	if (conn->admitted) {
		worker->handler.leave(worker->handler.ctx, &conn->peer);
	}
	transport_close(worker->table, conn, fd);
	conn_release(conn);
	close(fd);
	count_connections(worker, -1);
}

static void set_timer(struct http_worker *worker, int fd, uint32_t after_ms)
{
	wheel_set(&worker->wheel, (uint32_t)fd, worker->now_ms, after_ms);
}

/* Have epoll report these events; the connection ends when it can't. */
static bool watch(struct http_worker *worker, struct conn *conn, int fd, uint32_t events)
{
	int rc = conn->watched ? loop_change(&worker->loop, fd, events, (uint64_t)fd)
			       : loop_add(&worker->loop, fd, events, (uint64_t)fd);
	if (rc < 0) {
		end_connection(worker, conn, fd);
		return false;
	}
	conn->watched = true;
	return true;
}

/*
 * Close so that the peer gets all that was sent: a close(2) with bytes unread would reset the
 * connection and could destroy the reply on its way.
 */
static void linger(struct http_worker *worker, struct conn *conn, int fd)
{
	conn_drop_bytes(conn);
	/* In this order: what the last transport_send() kept back is lost by a reset otherwise. */
	if (!transport_finish(worker->table, conn, fd) || worker->lingering >= HTTP_LINGER_MAX) {
		end_connection(worker, conn, fd);
		return;
	}
	conn_move(conn, CONN_LINGER);
	worker->lingering++;
	set_timer(worker, fd, LINGER_MS);
	(void)watch(worker, conn, fd, EPOLLIN); /* if not, it is closed already */
}

/* Keep what the socket did not take. */
static enum outcome keep_unsent(
	struct http_worker *worker, struct conn *conn, int fd, struct str rest, bool close_after)
{
	struct conn_bytes *bytes = conn_bytes(conn);
	if (bytes) {
		buf_reset(&bytes->out);
		buf_add(&bytes->out, rest);
	}
	if (!bytes || buf_status(&bytes->out) < 0) {
		end_connection(worker, conn, fd);
		return OUTCOME_GONE;
	}
	bytes->sent_bytes = 0;
	conn->close = close_after;
	conn_move(conn, CONN_WRITING);
	set_timer(worker, fd, worker->limits.request_timeout_ms);
	return watch(worker, conn, fd, EPOLLOUT) ? OUTCOME_BUSY : OUTCOME_GONE;
}

/*
 * Send worker->out. clean says that the peer sends nothing more, and that all it sent is read; by TLS it is
 * never so, as the peer says goodbye, too.
 */
static enum outcome send_reply(struct http_worker *worker, struct conn *conn, int fd,
	const struct http_resp *resp, bool clean)
{
	struct buf *out = &worker->out;
	if (buf_status(out) < 0) {
		end_connection(worker, conn, fd); /* out of memory for this reply */
		return OUTCOME_GONE;
	}
	ssize_t n = transport_send(worker->table, conn, fd, out->p, out->n, resp->close);
	if (n < 0 && errno != EAGAIN) {
		end_connection(worker, conn, fd);
		return OUTCOME_GONE;
	}
	size_t sent = n > 0 ? (size_t)n : 0;
	if (sent < out->n) {
		return keep_unsent(worker, conn, fd, str_from(buf_str(out), sent), resp->close);
	}
	if (!resp->close) {
		return OUTCOME_MORE;
	}
	if (clean && !transport_is_secure(conn)) {
		end_connection(worker, conn, fd);
	} else {
		linger(worker, conn, fd);
	}
	return OUTCOME_GONE;
}

static struct http_resp new_reply(struct http_worker *worker, bool close_after)
{
	buf_reset(&worker->out);
	if (worker->out.cap_ > OUT_KEPT_BYTES) {
		crypto_wipe_buf(&worker->out);
	}
	return (struct http_resp){.out = &worker->out, .close = close_after};
}

/* Answer what can't be answered by the handler's proper way, and close. */
static enum outcome refuse(struct http_worker *worker, struct conn *conn, int fd, unsigned status)
{
	struct http_resp resp = new_reply(worker, true);
	worker->handler.refuse(worker->handler.ctx, &conn->peer, status, &resp);
	resp.close = true;
	return send_reply(worker, conn, fd, &resp, false);
}

/* Wait for the handler's wake-up, with the request still in the connection's bytes. */
static enum outcome park(struct http_worker *worker, struct conn *conn, int fd)
{
	conn_move(conn, CONN_PARKED);
	worker->parked++;
	if (!conn->put_off) {
		/* Once a request: others' wake-ups give it no more time. */
		conn->put_off = true;
		set_timer(worker, fd, worker->limits.park_timeout_ms);
	}
	return watch(worker, conn, fd, 0) ? OUTCOME_BUSY : OUTCOME_GONE;
}

/*
 * Read no more for a while: who asks too often is told, and costs no more from then on than a few
 * replies a second for each connection. Meanwhile the kernel tells the peer to wait.
 */
static enum outcome pause_reading(struct http_worker *worker, struct conn *conn, int fd)
{
	conn_move(conn, CONN_PAUSED);
	set_timer(worker, fd, HTTP_PAUSE_MS);
	return watch(worker, conn, fd, 0) ? OUTCOME_BUSY : OUTCOME_GONE;
}

/* Answer the first request in bytes, if it is whole. ret_used: its length once it is answered. */
static enum outcome answer_one(
	struct http_worker *worker, struct conn *conn, int fd, struct str bytes, size_t *ret_used)
{
	struct http1_req req;
	size_t head = 0, body = 0;
	bool unread = worker->draining; /* more may come that nobody will read */
	*ret_used = 0;
	int rc = http1_parse(bytes, &worker->limits.parse, &req, &head);
	if (rc == 0 && (req.chunked || req.content_length)) {
		rc = body_gather(str_from(bytes, head), worker->limits.parse.body_bytes, conn,
			&worker->body, &req, &body, &unread);
		if (rc == E_AGAIN && !conn->in_body) {
			conn->in_body = true;
			set_timer(worker, fd, worker->limits.request_timeout_ms);
		}
	}
	if (rc == E_AGAIN) {
		return OUTCOME_MORE;
	}
	if (rc > 0) {
		return refuse(worker, conn, fd, (unsigned)rc);
	}
	struct http_resp resp = new_reply(worker, unread || !req.keep_alive);
	worker->handler.answer(worker->handler.ctx, &conn->peer, &req, &resp);
	if (resp.later) {
		return park(worker, conn, fd);
	}
	if (resp.hop_limit && !transport_lower_hop_limit(conn, fd, resp.hop_limit)) {
		end_connection(worker, conn, fd);
		return OUTCOME_GONE;
	}
	conn->in_body = false;
	conn->put_off = false;
	if (conn->bytes) {
		conn->bytes->chunks = (struct http1_chunks){0};
	}
	*ret_used = head + body;
	/*
	 * RFC 9112 9.6: a client that sends a "close" option "MUST NOT send further requests on that
	 * connection". One that is closed for our reasons may have sent one since we looked.
	 */
	bool clean = !req.keep_alive && !unread && head + body == bytes.n;
	enum outcome outcome = send_reply(worker, conn, fd, &resp, clean);
	return outcome == OUTCOME_MORE && resp.pause ? pause_reading(worker, conn, fd) : outcome;
}

/* Keep the bytes from `used` on for later; saved says that they are in conn->bytes->in already. */
static bool keep_rest(struct conn *conn, struct str bytes, size_t used, bool saved)
{
	struct str rest = str_from(bytes, used);
	if (rest.n == 0) {
		if (conn->state == CONN_WRITING) {
			buf_reset(&conn->bytes->in);
		} else {
			conn_drop_bytes(conn);
		}
		return true;
	}
	struct conn_bytes *kept = conn_bytes(conn);
	if (!kept) {
		return false;
	}
	if (saved) {
		memmove(kept->in.p, rest.p, rest.n);
		kept->in.n = rest.n;
		return true;
	}
	buf_add(&kept->in, rest);
	return buf_status(&kept->in) == 0;
}

/* Wait for bytes: the rest of a request that has begun, or the next one. */
static void await(struct http_worker *worker, struct conn *conn, int fd, bool begun, bool started)
{
	if (!begun) {
		conn_move(conn, CONN_IDLE);
		set_timer(worker, fd, worker->limits.idle_timeout_ms);
	} else if (started && !conn->in_body) {
		set_timer(worker, fd, worker->limits.header_timeout_ms);
	}
	if (!conn->watched) {
		(void)watch(worker, conn, fd, EPOLLIN); /* if not, it is closed already */
	}
}

/*
 * Let the others have their turn: hundreds of requests fit into one receive, and a caller with many
 * connections would make everybody wait for all of them. To go on once the socket can be written to
 * is to write nothing: the connection comes back in a later turn, and not before the peer reads.
 */
static void give_way(struct http_worker *worker, struct conn *conn, int fd)
{
	buf_reset(&conn->bytes->out);
	conn->bytes->sent_bytes = 0;
	conn_move(conn, CONN_WRITING);
	set_timer(worker, fd, worker->limits.request_timeout_ms);
	(void)watch(worker, conn, fd, EPOLLOUT); /* if not, it is closed already */
}

/* Answer the whole requests in bytes, one after the other, and put the connection to wait. */
static void answer_all(
	struct http_worker *worker, struct conn *conn, int fd, struct str bytes, bool saved)
{
	size_t used = 0, one = 1;
	enum outcome outcome = OUTCOME_MORE;
	if (conn->state == CONN_IDLE) {
		conn_move(conn, CONN_READING);
	}
	for (unsigned n = 0; n < ANSWERS_A_TURN && outcome == OUTCOME_MORE && one && used < bytes.n;
		n++) {
		outcome = answer_one(worker, conn, fd, str_from(bytes, used), &one);
		used += one;
	}
	if (outcome == OUTCOME_GONE) {
		return;
	}
	if (!keep_rest(conn, bytes, used, saved)) {
		end_connection(worker, conn, fd);
		return;
	}
	if (outcome != OUTCOME_MORE) {
		return;
	}
	if (one && used < bytes.n) {
		give_way(worker, conn, fd);
	} else {
		await(worker, conn, fd, used<bytes.n, used> 0 || !saved);
	}
}

/* Nothing was received: it may come later (the first time there is a limit to that), or never. */
static void on_nothing(struct http_worker *worker, struct conn *conn, int fd, int error)
{
	bool first = !conn->watched;
	if (error != EAGAIN && error != EINTR) {
		transport_log_fault(worker->table, conn, fd, worker->name, &worker->tls_log);
		end_connection(worker, conn, fd);
	} else if ((first || conn->secure) &&
		   watch(worker, conn, fd, transport_wants(worker->table, conn, fd)) && first) {
		set_timer(worker, fd, worker->limits.header_timeout_ms);
	}
}

/* Receive once and answer. */
static void on_readable(struct http_worker *worker, struct conn *conn, int fd)
{
	char *at = worker->in;
	bool saved = conn->bytes && conn->bytes->in.n;
	if (saved) {
		at = buf_room(&conn->bytes->in, IN_BYTES);
		if (!at) {
			end_connection(worker, conn, fd);
			return;
		}
	}
	ssize_t n = transport_receive(worker->table, conn, fd, at, IN_BYTES);
	if (n <= 0) {
		on_nothing(worker, conn, fd, n < 0 ? errno : 0);
		return;
	}
	if (!saved) {
		answer_all(worker, conn, fd, (struct str){at, (size_t)n}, false);
		return;
	}
	struct buf *in = &conn->bytes->in;
	bool line = memchr(at, '\n', (size_t)n) != NULL;
	in->n += (size_t)n;
	/* Inside a line nothing can be decided, unless it has become too long. */
	if (line || conn->in_body || in->n > worker->limits.parse.target_bytes) {
		answer_all(worker, conn, fd, buf_str(in), true);
	}
}

/* Send what waits. Returns whether the connection is still there and nothing waits any more. */
static bool send_waiting(struct http_worker *worker, struct conn *conn, int fd)
{
	struct conn_bytes *bytes = conn->bytes;
	if (bytes->sent_bytes == bytes->out.n) {
		return true; /* it gave way to others */
	}
	struct str rest = str_from(buf_str(&bytes->out), bytes->sent_bytes);
	ssize_t n = transport_send(worker->table, conn, fd, rest.p, rest.n, conn->close);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			end_connection(worker, conn, fd);
		}
		return false;
	}
	bytes->sent_bytes += (size_t)n;
	return bytes->sent_bytes == bytes->out.n;
}

/* Answer what had to wait, or wait for more. */
static void go_on(struct http_worker *worker, struct conn *conn, int fd)
{
	conn_move(conn, CONN_READING);
	if (!watch(worker, conn, fd, EPOLLIN)) {
		return;
	}
	if (conn->bytes && conn->bytes->in.n) {
		set_timer(worker, fd, worker->limits.header_timeout_ms);
		answer_all(worker, conn, fd, buf_str(&conn->bytes->in), true);
	} else {
		conn_drop_bytes(conn);
		await(worker, conn, fd, false, false);
	}
}

static void on_writable(struct http_worker *worker, struct conn *conn, int fd)
{
	if (!send_waiting(worker, conn, fd)) {
		return;
	}
	if (conn->close) {
		linger(worker, conn, fd);
		return;
	}
	buf_reset(&conn->bytes->out);
	go_on(worker, conn, fd);
}

/* By TLS as well what comes now is of no interest, but for its end. */
static void on_lingering(struct http_worker *worker, struct conn *conn, int fd)
{
	ssize_t n = recv(fd, worker->in, IN_BYTES, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		end_connection(worker, conn, fd);
	}
}

static void on_connection(struct http_worker *worker, int fd, uint32_t events)
{
	struct conn *conn = &worker->table->slots[fd];
	if (!conn_is_owned(conn, worker->id)) {
		return; /* ended earlier in this turn */
	}
	switch ((enum conn_state)conn->state) {
	case CONN_READING:
	case CONN_IDLE:
		on_readable(worker, conn, fd);
		break;
	case CONN_WRITING:
		on_writable(worker, conn, fd);
		break;
	case CONN_LINGER:
		on_lingering(worker, conn, fd);
		break;
	case CONN_PARKED:
	case CONN_PAUSED:
		if (events & (EPOLLERR | EPOLLHUP)) {
			end_connection(worker, conn, fd);
		}
		break;
	case CONN_FREE:
	case CONN_STATES:
		break;
	}
}

/* Accept one connection and answer what it has sent already. Returns false when there was none. */
static bool accept_one(struct http_worker *worker, size_t listener)
{
	struct http_peer peer;
	int fd = listeners_accept(&worker->listeners, listener, &peer);
	if (fd < 0) {
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
			listeners_pause(&worker->listeners, &worker->loop, worker->now_ms,
				worker->name, fd);
		}
		return false;
	}
	struct conn *conn = conn_take(worker->table, fd, worker->id);
	if (!conn) {
		close(fd);
		return true;
	}
	worker->top_fd = fd > worker->top_fd ? fd : worker->top_fd;
	count_connections(worker, 1);
	conn->peer = peer;
	conn_move(conn, CONN_READING);
	unsigned status = worker->handler.admit(worker->handler.ctx, &conn->peer);
	conn->admitted = status == 0;
	struct tls_context *tls = worker->listeners.at[listener].tls;
	if (status == HTTP_CUT_OFF) {
		transport_reset_on_close(fd);
		end_connection(worker, conn, fd);
	} else if (tls && (status || transport_secure(worker->table, conn, fd, tls) < 0)) {
		end_connection(worker, conn, fd); /* handshakes are for who is let in */
	} else if (status) {
		(void)refuse(worker, conn, fd, status); /* closing, whatever comes of it */
	} else {
		on_readable(worker, conn, fd);
	}
	return true;
}

static void accept_some(struct http_worker *worker, size_t listener)
{
	unsigned tries = listeners_tries(&worker->listeners, listener, worker->turn);
	while (tries > 0 && accept_one(worker, listener)) {
		tries--;
	}
}

/* A time limit has passed. Nothing is owed to the peer, but for a parked request. */
static void on_timeout(struct http_worker *worker, int fd)
{
	struct conn *conn = &worker->table->slots[fd];
	if (conn->state == CONN_PARKED) {
		worker->parked--;
		conn_move(conn, CONN_READING);
		(void)refuse(worker, conn, fd, 503); /* closing, whatever comes of it */
	} else if (conn->state == CONN_PAUSED) {
		go_on(worker, conn, fd);
	} else {
		end_connection(worker, conn, fd);
	}
}

static void expire(struct http_worker *worker)
{
	uint32_t fd;
	while (wheel_expired(&worker->wheel, worker->now_ms, &fd)) {
		on_timeout(worker, (int)fd);
	}
	if (worker->listeners.again_ms && worker->now_ms >= worker->listeners.again_ms) {
		listeners_resume(&worker->listeners, &worker->loop, worker->now_ms);
	}
}

/* Go through all connections of this worker. */
static void each_connection(
	struct http_worker *worker, void (*visit)(struct http_worker *, struct conn *, int))
{
	for (int fd = 0; fd <= worker->top_fd; fd++) {
		struct conn *conn = &worker->table->slots[fd];
		if (conn_is_owned(conn, worker->id)) {
			visit(worker, conn, fd);
		}
	}
}

static void ask_again(struct http_worker *worker, struct conn *conn, int fd)
{
	if (conn->state != CONN_PARKED) {
		return;
	}
	worker->parked--;
	conn_move(conn, CONN_READING);
	if (watch(worker, conn, fd, EPOLLIN)) {
		answer_all(worker, conn, fd, buf_str(&conn->bytes->in), true);
	}
}

/* The last request of a connection that may have come, then the end for those that wait. */
static void drain_one(struct http_worker *worker, struct conn *conn, int fd)
{
	if (conn->state == CONN_PAUSED) {
		go_on(worker, conn, fd);
		if (!conn_is_owned(conn, worker->id)) {
			return;
		}
	}
	if (conn->state == CONN_IDLE || conn->state == CONN_READING) {
		on_readable(worker, conn, fd);
		if (!conn_is_owned(conn, worker->id)) {
			return; /* ended: the slot may be another worker's already */
		}
	}
	if (conn->state == CONN_IDLE ||
		(conn->state == CONN_READING && !(conn->bytes && conn->bytes->in.n))) {
		end_connection(worker, conn, fd);
	} else if (conn->state == CONN_WRITING) {
		conn->close |= conn->bytes->in.n == 0; /* else the next reply says so */
	}
}

/*
 * What waits in the listeners' queues is served still, and what comes meanwhile is not to go on for ever. A
 * queue of ours holds LISTEN_BACKLOG; a service manager's may hold more where net.core.somaxconn, 4096 by
 * default, was raised: what is beyond is cut off. A flood at many listeners has DRAIN_ACCEPT_MS.
 */
static void start_draining(struct http_worker *worker)
{
	uint64_t until_ms = worker->now_ms + DRAIN_ACCEPT_MS;
	worker->draining = true;
	for (size_t i = 0; i < worker->listeners.n; i++) {
		unsigned left = listeners_has(&worker->listeners, i) ? LISTEN_BACKLOG + 1 : 0;
		while (left > 0 && clock_mono_ms() < until_ms && accept_one(worker, i)) {
			left--;
		}
	}
	listeners_close(&worker->listeners, &worker->loop);
	each_connection(worker, drain_one);
}

/* What came by a listener that is gone is gone, too. */
static void end_listener(struct http_worker *worker, size_t listener)
{
	for (int fd = 0; fd <= worker->top_fd; fd++) {
		struct conn *conn = &worker->table->slots[fd];
		if (conn_is_owned(conn, worker->id) && conn->peer.listener == listener) {
			end_connection(worker, conn, fd);
		}
	}
	if (worker->handler.closed) {
		worker->handler.closed(worker->handler.ctx, listener);
	}
}

static void change_listeners(struct http_worker *worker)
{
	size_t closed = 0;
	int rc;
	while ((rc = listeners_turn(&worker->listeners, &worker->loop, &closed)) != 0) {
		if (rc < 0) {
			LOG(LOG_ERROR, "http", "can't listen", LOG_TEXT("worker", worker->name),
				LOG_TEXT("error", result_name(rc)));
		}
		end_listener(worker, closed);
	}
}

static void take_orders(struct http_worker *worker)
{
	loop_woken(&worker->loop);
	unsigned orders = atomic_exchange_explicit(&worker->orders, 0, memory_order_acquire);
	if (orders & ORDER_LIMITS) {
		pthread_mutex_lock(&worker->limits_lock);
		worker->limits = worker->next_limits;
		pthread_mutex_unlock(&worker->limits_lock);
	}
	if (orders & ORDER_LISTENERS) {
		change_listeners(worker);
	}
	if (orders & ORDER_WAKE && worker->parked) {
		each_connection(worker, ask_again);
	}
	if (orders & ORDER_DRAIN && !worker->draining) {
		start_draining(worker);
	}
	if (orders & ORDER_STOP) {
		worker->stopped = true;
	}
}

static uint64_t due_ms(const struct http_worker *worker)
{
	int ms = wheel_wait_ms(&worker->wheel, worker->now_ms);
	uint64_t due_ms = ms < 0    ? LOOP_FOREVER
			  : ms == 0 ? LOOP_AT_ONCE
				    : worker->now_ms + (uint64_t)ms;
	uint64_t again_ms = worker->listeners.again_ms;
	return again_ms && again_ms < due_ms ? again_ms : due_ms;
}

static void one_turn(struct http_worker *worker)
{
	struct epoll_event events[LOOP_EVENTS];
	if (worker->handler.idle) {
		worker->handler.idle(worker->handler.ctx);
	}
	int n = loop_wait(&worker->loop, events, due_ms(worker));
	if (worker->handler.turn) {
		worker->handler.turn(worker->handler.ctx);
	}
	worker->now_ms = clock_mono_ms();
	worker->turn++;
	for (int i = 0; i < n; i++) {
		uint64_t tag = events[i].data.u64;
		if (tag == LOOP_WAKE_TAG) {
			take_orders(worker);
		} else if (!(tag & LISTENERS_TAG)) {
			on_connection(worker, (int)tag, events[i].events);
		} else if (listeners_has(&worker->listeners, (uint32_t)tag)) {
			accept_some(worker, (uint32_t)tag);
		}
	}
	expire(worker);
}

void http_worker_run(struct http_worker *worker)
{
	while (!worker->stopped && !(worker->draining && http_worker_connections(worker) == 0)) {
		one_turn(worker);
	}
	each_connection(worker, end_connection);
	if (worker->handler.idle) {
		worker->handler.idle(worker->handler.ctx);
	}
}

int http_worker_new(const struct http_worker_config *config, struct http_worker **ret_worker)
{
	struct http_worker *worker = calloc(1, sizeof *worker);
	if (!worker) {
		return -ENOMEM;
	}
	worker->name = config->name;
	worker->id = config->id;
	worker->table = config->table;
	worker->handler = config->handler;
	worker->limits = config->limits;
	worker->loop = LOOP_EMPTY;
	worker->now_ms = clock_mono_ms();
	wheel_init(&worker->wheel, &config->table->slots[0].timer, sizeof(struct conn),
		worker->now_ms);
	pthread_mutex_init(&worker->limits_lock, NULL);
	int rc = loop_init(&worker->loop);
	if (rc == 0) {
		rc = listeners_init(&worker->listeners, &worker->loop, config->listeners,
			config->tls, config->n_listeners, config->listeners_max);
	}
	if (rc < 0) {
		http_worker_free(worker);
		return rc;
	}
	*ret_worker = worker;
	return 0;
}

void http_worker_free(struct http_worker *worker)
{
	if (!worker) {
		return;
	}
	listeners_done(&worker->listeners, &worker->loop);
	loop_done(&worker->loop);
	crypto_wipe(worker->in, sizeof worker->in);
	crypto_wipe_buf(&worker->out);
	crypto_wipe_buf(&worker->body);
	pthread_mutex_destroy(&worker->limits_lock);
	free(worker);
}

static void order(struct http_worker *worker, unsigned what)
{
	atomic_fetch_or_explicit(&worker->orders, what, memory_order_release);
	loop_wake(&worker->loop);
}

void http_worker_wake(struct http_worker *worker)
{
	order(worker, ORDER_WAKE);
}

bool http_worker_pulse(struct http_worker *worker)
{
	unsigned orders = atomic_load_explicit(&worker->orders, memory_order_relaxed);
	order(worker, ORDER_PULSE);
	return !(orders & ORDER_PULSE);
}

void http_worker_drain(struct http_worker *worker)
{
	order(worker, ORDER_DRAIN);
}

void http_worker_stop(struct http_worker *worker)
{
	order(worker, ORDER_STOP);
}

void http_worker_limit(struct http_worker *worker, const struct http_limits *limits)
{
	pthread_mutex_lock(&worker->limits_lock);
	worker->next_limits = *limits;
	pthread_mutex_unlock(&worker->limits_lock);
	order(worker, ORDER_LIMITS);
}

void http_worker_secure(struct http_worker *worker, size_t listener, struct tls_context *tls)
{
	listeners_secure(&worker->listeners, listener, tls);
	order(worker, ORDER_LISTENERS);
}

void http_worker_listen(struct http_worker *worker, size_t listener, int fd)
{
	listeners_put(&worker->listeners, listener, fd);
	order(worker, ORDER_LISTENERS);
}

uint32_t http_worker_connections(const struct http_worker *worker)
{
	return atomic_load_explicit(&worker->connections, memory_order_relaxed);
}
