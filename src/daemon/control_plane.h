/*
 * control_plane - the control address and the control socket.
 *
 * Layer:   daemon
 * Threads: two of its own, one for the address and one for the socket, so that neither keeps the other
 *          waiting; both may block on the store, and guests notice nothing
 * Memory:  control_plane_new/free
 * Secrets: none
 * Limits:  CONTROL_SOCKET_BODY_BYTES, CONTROL_ADDRESS_BODY_BYTES, CONTROL_CONNECTIONS by each
 * Spec:    docs/control.md
 */
#ifndef TELLTALE_DAEMON_CONTROL_PLANE_H
#define TELLTALE_DAEMON_CONTROL_PLANE_H

#include "config/config.h"
#include "control/api.h"
#include "control/metrics.h"
#include "http/worker.h"
#include "platform/activation.h"

/* A file of very many instances comes by the socket. Whoever may connect can fill the address's. */
#define CONTROL_SOCKET_BODY_BYTES  ((size_t)64 * 1024 * 1024)
#define CONTROL_ADDRESS_BODY_BYTES ((size_t)1024 * 1024)
#define CONTROL_CONNECTIONS        256

/* How many workers of the connection table these are. */
#define CONTROL_WORKERS 2

struct control_plane;

struct control_plane_config {
	const struct config *settings; /* control.address, .port, .socket, .tls */
	struct conn_table *table;
	uint16_t first_id; /* of CONTROL_WORKERS workers in the table */
	struct activation
		*inherited; /* sockets that are open already; for control_plane_new() alone */
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

/* Ends the thread and removes the socket's file, unless the socket was inherited. */
void control_plane_free(struct control_plane *plane);

#endif
