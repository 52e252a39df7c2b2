/*
 * listen - listening sockets.
 *
 * Layer:   platform
 * Threads: no state
 * Memory:  descriptors belong to the caller
 * Secrets: none
 * Limits:  LISTEN_BACKLOG
 * Spec:    ip(7), ipv6(7), unix(7), socket(7) SO_REUSEPORT
 */
#ifndef TELLTALE_PLATFORM_LISTEN_H
#define TELLTALE_PLATFORM_LISTEN_H

#include "base/ipaddr.h"

#define LISTEN_BACKLOG 4096

struct listen_spec {
	struct ipaddr address;
	uint16_t port;
	struct str interface; /* bound to this device; empty: any */
};

/*
 * Open n sockets on one address, one a worker, among which the kernel spreads connections. IPv6
 * sockets take no IPv4. Fails when another process listens there already.
 * ret_fds  n descriptors. Returns 0 or -errno with diag.
 */
MUST_CHECK int listen_tcp(
	const struct listen_spec *spec, size_t n, int *ret_fds, struct diag *diag);

/*
 * Open a Unix socket with the file mode; one that no process answers on is replaced, and so is
 * nothing else. Returns the descriptor, or -errno with diag.
 */
MUST_CHECK int listen_unix(struct str path, unsigned mode, struct diag *diag);

/* Whether a socket could be bound to the address here. */
bool listen_has_address(const struct ipaddr *address);

/* "127.0.0.1:1338", "[::1]:1338". */
#define LISTEN_TEXT_BYTES (IPADDR_TEXT_BYTES + 8)
void listen_format(const struct ipaddr *address, uint16_t port, char ret_text[LISTEN_TEXT_BYTES]);

#endif
