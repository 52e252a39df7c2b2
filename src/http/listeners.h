/*
 * listeners - a worker's listening sockets, and what their connections speak: plain HTTP, or TLS.
 *
 * Layer:   http
 * Threads: the worker's; listeners_secure() is safe from any thread
 * Memory:  listeners_init/done; zeroed is none. TLS contexts are held while they are in use
 * Secrets: none of its own
 * Limits:  none of its own
 * Spec:    docs/adr/0004-tls-on-the-control-address.md
 */
#ifndef TELLTALE_HTTP_LISTENERS_H
#define TELLTALE_HTTP_LISTENERS_H

#include <pthread.h>

#include "http/connection.h"
#include "platform/loop.h"
#include "platform/tls.h"

/* In a loop's tags, with the listener's number. */
#define LISTENERS_TAG (UINT64_C(1) << 32)

struct listener {
	int fd;
	struct tls_context *tls; /* NULL: plain */
	struct tls_context *next_tls_;
};

struct listeners {
	struct listener *at;
	size_t n;
	pthread_mutex_t lock_; /* protects n and each next_tls_, which other threads write */
};

/*
 * Watch n descriptors, which are owned from now on. tls: of each, NULL: plain; NULL: all are.
 * Returns 0 or -errno; on failure the descriptors are still the caller's.
 */
MUST_CHECK int listeners_init(struct listeners *listeners, struct loop *loop, const int *fds,
	struct tls_context *const *tls, size_t n);
void listeners_done(struct listeners *listeners);

/* Close them; no more are accepted. */
void listeners_close(struct listeners *listeners);

/* Accept one connection. Returns its descriptor with who is there, or -errno. */
MUST_CHECK int listeners_accept(
	const struct listeners *listeners, size_t i, struct http_peer *ret_peer);

/* Have the loop report nothing for a while, and again; resume returns whether all are back. */
void listeners_pause(const struct listeners *listeners, struct loop *loop);
bool listeners_resume(const struct listeners *listeners, struct loop *loop);

/* What connections will speak once the worker calls listeners_turn(). Nothing when they are closed. */
void listeners_secure(struct listeners *listeners, size_t i, struct tls_context *tls);
void listeners_turn(struct listeners *listeners);

#endif
