/*
 * control_plane - the control address and the control socket.
 *
 * Layer:   daemon
 * Threads: one thread of its own, which may block on the store; guests notice nothing
 * Memory:  control_plane_new/free
 * Secrets: none
 * Limits:  CONTROL_BODY_BYTES, CONTROL_CONNECTIONS by the address and as many by the socket
 * Spec:    docs/control.md
 */
#ifndef TELLTALE_DAEMON_CONTROL_PLANE_H
#define TELLTALE_DAEMON_CONTROL_PLANE_H

#include "config/config.h"
#include "control/api.h"
#include "control/metrics.h"
#include "http/worker.h"

#define CONTROL_BODY_BYTES  ((size_t)64 * 1024 * 1024)
#define CONTROL_CONNECTIONS 256

struct control_plane;

struct control_plane_config {
	const struct config *settings; /* control.address, .port, .socket, .tls */
	struct conn_table *table;
	uint16_t id; /* of the worker in the table */
	struct api api;
	/* Fill in a scrape's numbers; called on the control thread. */
	void (*metrics)(void *ctx, struct metrics *ret_metrics);
	/* Whether guests are being served. */
	bool (*ready)(void *ctx);
	void *ctx;
};

/* Opens the listeners and starts the thread. Returns 0 or an error with diag. */
MUST_CHECK int control_plane_new(const struct control_plane_config *config,
	struct control_plane **ret_plane, struct diag *diag);

/* What the address speaks from now on, NULL: plain HTTP. The socket is not asked, it never does TLS. */
void control_plane_secure(struct control_plane *plane, struct tls_context *tls);

/* Ends the thread and removes the socket's file. */
void control_plane_free(struct control_plane *plane);

#endif
