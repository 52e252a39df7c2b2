/*
 * neighbour - the hardware address of a neighbour, and the port of a bridge behind which it is, from
 *             the kernel's tables.
 *
 * Layer:   platform
 * Threads: a struct neighbour belongs to one thread
 * Memory:  the caller's struct; neighbour_done() closes its socket
 * Secrets: none
 * Limits:  NEIGHBOUR_WAIT_MS for an answer, and NETLINK_WAIT_MS
 * Spec:    rtnetlink(7) RTM_GETNEIGH, bridge(8) fdb; only entries that the kernel holds valid count
 */
#ifndef TELLTALE_PLATFORM_NEIGHBOUR_H
#define TELLTALE_PLATFORM_NEIGHBOUR_H

#include "base/ipaddr.h"
#include "platform/netlink.h"

#define NEIGHBOUR_MAC_BYTES 6

/* A worker asks, and answers nobody meanwhile. A list of 900 neighbours takes 0.3 ms. */
#define NEIGHBOUR_WAIT_MS 200

/* Zeroed is empty; the socket is opened when first needed, or by netlink_open(). */
struct neighbour {
	struct netlink netlink;
	bool lists_only_; /* a kernel that can't look up one entry */
};

void neighbour_init(struct neighbour *neighbour);
void neighbour_done(struct neighbour *neighbour);

/*
 * ifindex  the neighbour's interface; 0: any, which makes the kernel list its table, and is found
 *          only when all interfaces that know the address agree.
 * Returns 0, E_NOTFOUND when there is no entry or it is not known to be good (only reachable, stale,
 * delay, probe and permanent ones are), or -errno.
 */
MUST_CHECK int neighbour_mac(struct neighbour *neighbour, const struct ipaddr *addr,
	unsigned ifindex, uint8_t ret_mac[NEIGHBOUR_MAC_BYTES]);

/*
 * The port at which the bridge has last heard the hardware address.
 * bridge  the bridge's interface index; vlan: untagged frames' own, for a bridge that knows VLANs.
 * Returns 0, E_NOTFOUND when the bridge does not know the address or it is the host's own, or -errno
 * (-EOPNOTSUPP before Linux 5.0).
 */
MUST_CHECK int neighbour_port(struct neighbour *neighbour, const uint8_t mac[NEIGHBOUR_MAC_BYTES],
	unsigned bridge, uint16_t vlan, unsigned *ret_port);

#endif
