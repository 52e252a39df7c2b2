/*
 * listeners - a worker's listening sockets, and what their connections speak: plain HTTP, or TLS.
 *
 * Layer:   http
 * Threads: the worker's; listeners_put() and listeners_secure() are safe from any thread
 * Memory:  listeners_init/done; zeroed is none. TLS contexts are held while they are in use
 * Secrets: none of its own
 * Limits:  as many as listeners_init() makes room for
 * Spec:    docs/adr/0004-tls-on-the-control-address.md
 */
#ifndef TELLTALE_HTTP_LISTENERS_H
#define TELLTALE_HTTP_LISTENERS_H

#include <pthread.h>

#include "base/log.h"
#include "http/connection.h"
#include "platform/loop.h"
#include "platform/tls.h"

/* In a loop's tags, with the listener's number. */
#define LISTENERS_TAG (UINT64_C(1) << 32)

#define LISTENERS_PAUSE_MS    100
#define LISTENERS_ACCEPTS_MAX 8 /* in one turn */

struct listener {
	int fd;                  /* -1: none */
	struct tls_context *tls; /* NULL: plain */
	int next_fd_;            /* -1: none; the same as fd unless something was asked for */
	struct tls_context *next_tls_;
	unsigned row_;      /* so many turns, one behind the other, found all they tried */
	uint64_t row_next_; /* the turn that would be the next of them; 0: none */
};

struct listeners {
	struct listener *at;
	size_t n;              /* those beyond it are none */
	uint64_t again_ms;     /* 0, or when to accept again: listeners_pause() */
	struct log_limit log_; /* of pauses */
	size_t room_;          /* how many there can be */
	bool closed_;          /* there are to be no more */
	size_t next_n_;        /* n after the next listeners_turn() */
	pthread_mutex_t lock_; /* protects closed_ and each next_…, which other threads write */
};

/*
 * Watch n descriptors, which are owned from now on, with room for more to come. tls: of each, NULL:
 * plain; NULL: all are.
 * Returns 0 or -errno; on failure the descriptors are still the caller's.
 */
MUST_CHECK int listeners_init(struct listeners *listeners, struct loop *loop, const int *fds,
	struct tls_context *const *tls, size_t n, size_t room);
void listeners_done(struct listeners *listeners, struct loop *loop);

/* Close them; no more are accepted. */
void listeners_close(struct listeners *listeners, struct loop *loop);

static inline bool listeners_has(const struct listeners *listeners, size_t i)
{
	return i < listeners->n && listeners->at[i].fd >= 0;
}

/*
 * How many connections to try and accept in a turn in which the loop reports one.
 *
 * An accept that finds nothing costs ten times a receive that does, so it is one. A listener that had
 * all that was tried in each of the last turns has more waiting: then it is a few, up to
 * LISTENERS_ACCEPTS_MAX, and a wait less for each.
 * turn  of the worker: 1, 2, …
 */
unsigned listeners_tries(struct listeners *listeners, size_t i, uint64_t turn);

/* Accept one connection. Returns its descriptor with who is there, or -errno. */
MUST_CHECK int listeners_accept(struct listeners *listeners, size_t i, struct http_peer *ret_peer);

/*
 * Have the loop report nothing for LISTENERS_PAUSE_MS, since none can be accepted while descriptors are
 * out: logged once in a while for the worker; and again, or later still if it can't yet.
 */
void listeners_pause(struct listeners *listeners, struct loop *loop, uint64_t now_ms,
	const char *worker, int error);
void listeners_resume(struct listeners *listeners, struct loop *loop, uint64_t now_ms);

/*
 * What is to be at i once the worker calls listeners_turn(): this descriptor, which is owned from now
 * on, or none (-1). Nothing is at i before a descriptor is put there. After listeners_close() a
 * descriptor is closed at once.
 */
void listeners_put(struct listeners *listeners, size_t i, int fd);

/* What connections will speak once the worker calls listeners_turn(). Nothing when they are closed. */
void listeners_secure(struct listeners *listeners, size_t i, struct tls_context *tls);

/*
 * Do what was asked for. Returns 0 when all is done; 1 when *ret_closed is a listener that was closed
 * by it, or -errno when its descriptor could not be watched and is closed: then there may be more.
 */
MUST_CHECK int listeners_turn(struct listeners *listeners, struct loop *loop, size_t *ret_closed);

#endif
