/*
 * worker - one thread's event loop: accept, read, let the handler answer, write.
 *
 * Layer:   http
 * Threads: http_worker_run() is the thread; all below it but free are safe from any
 * Memory:  http_worker_new/free; the connection table is shared and outlives all workers. TLS
 *          contexts are held while they are in use
 * Secrets: requests and replies pass through the worker's buffers, which are wiped at the end
 * Limits:  struct http_limits, each with its test; HTTP_LINGER_MAX
 * Spec:    RFC 9112; docs/architecture.md#the-way-of-one-request
 *
 * This layer has never heard of metadata. It hands whole requests to a handler and sends the bytes
 * that it is given.
 */
#ifndef TELLTALE_HTTP_WORKER_H
#define TELLTALE_HTTP_WORKER_H

#include "http/connection.h"
#include "http/http1.h"
#include "platform/tls.h"

/* How many closing connections a worker waits for at once; further ones are cut off. */
#define HTTP_LINGER_MAX 256

/* What http_handler.admit() returns for a connection that is not worth a reply. */
#define HTTP_CUT_OFF 1

/* How long no more is read after a reply with http_resp.pause; up to a wheel's tick longer. */
#define HTTP_PAUSE_MS 250

struct http_limits {
	struct http1_limits parse;
	uint32_t
		header_timeout_ms; /* from accept, or from a request's first byte, to its whole head */
	uint32_t idle_timeout_ms;    /* between requests */
	uint32_t request_timeout_ms; /* for a body to arrive; for a reply to be taken */
	uint32_t park_timeout_ms;    /* for a handler's answer */
};

struct http_resp {
	struct buf *out;   /* the handler appends head and body */
	bool close;        /* in: the connection will close; the handler may set it */
	bool later;        /* set by the handler: ask again after http_worker_wake() */
	bool pause;        /* set by the handler: read no more from this peer for a moment */
	uint8_t hop_limit; /* not 0: IP TTL or hop limit from this reply on, never raised again */
};

struct http_handler {
	void *ctx;
	/* A connection was accepted. Returns 0, the status to refuse it with, or HTTP_CUT_OFF. */
	unsigned (*admit)(void *ctx, struct http_peer *peer);
	/* An admitted connection ends. */
	void (*leave)(void *ctx, struct http_peer *peer);
	void (*answer)(void *ctx, struct http_peer *peer, const struct http1_req *req,
		struct http_resp *resp);
	/* A reply to what is not a readable request, or to a connection that was not admitted. */
	void (*refuse)(void *ctx, struct http_peer *peer, unsigned status, struct http_resp *resp);
	/* Before a turn's events, and before waiting. May be NULL. */
	void (*turn)(void *ctx);
	void (*idle)(void *ctx);
	/* A listener is closed and its connections have ended: its number is free. May be NULL. */
	void (*closed)(void *ctx, size_t listener);
};

struct http_worker;

struct http_worker_config {
	const char *name; /* for logs: "data-0" */
	uint16_t id;      /* not 0; no two workers of one table have the same */
	struct conn_table *table;
	struct http_limits limits;
	struct http_handler handler;
	const int *listeners; /* descriptors; the worker owns them from now on */
	size_t n_listeners;
	size_t listeners_max;           /* how many there can be later; no less than n_listeners */
	struct tls_context *const *tls; /* of each listener, NULL: plain; NULL: all are */
};

/* Returns 0 or -errno; on failure the listeners are still the caller's. */
MUST_CHECK int http_worker_new(
	const struct http_worker_config *config, struct http_worker **ret_worker);
void http_worker_free(struct http_worker *worker);

/* Until stopped, or drained and empty. */
void http_worker_run(struct http_worker *worker);

/* Ask the handler again for what it put off. */
void http_worker_wake(struct http_worker *worker);

/*
 * Ask for a sign of life. Returns whether the one that was asked for before has been given: false for a
 * worker whose loop has not turned since. The first call returns true. For one thread.
 */
bool http_worker_pulse(struct http_worker *worker);

/* Listen no more, answer what has been asked, then end. */
void http_worker_drain(struct http_worker *worker);

/* End now. */
void http_worker_stop(struct http_worker *worker);

/* Limits for connections from now on (a reload). */
void http_worker_limit(struct http_worker *worker, const struct http_limits *limits);

/*
 * Listen on a further descriptor, which the worker owns from now on. listener is its number: below
 * listeners_max, and free; or, with -1, what http_worker_unlisten() does.
 */
void http_worker_listen(struct http_worker *worker, size_t listener, int fd);

/* Listen there no more, and end its connections; handler.closed() says when that is done. */
static inline void http_worker_unlisten(struct http_worker *worker, size_t listener)
{
	http_worker_listen(worker, listener, -1);
}

/*
 * What a listener's connections speak from now on; NULL: plain HTTP. Those that are open go on as they
 * began. By TLS whoever is not admitted is cut off without a handshake, and so without a status.
 */
void http_worker_secure(struct http_worker *worker, size_t listener, struct tls_context *tls);

/* Open connections; any thread may ask. */
uint32_t http_worker_connections(const struct http_worker *worker);

#endif
