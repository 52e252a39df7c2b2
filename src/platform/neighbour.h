/*
 * neighbour - the hardware address of a neighbour, from the kernel's table.
 *
 * Layer:   platform
 * Threads: a struct neighbour belongs to one thread
 * Memory:  the caller's struct; neighbour_done() closes its socket
 * Secrets: none
 * Limits:  NEIGHBOUR_WAIT_MS, NEIGHBOUR_DATAGRAMS
 * Spec:    rtnetlink(7) RTM_GETNEIGH; only entries that the kernel holds valid count
 */
#ifndef TELLTALE_PLATFORM_NEIGHBOUR_H
#define TELLTALE_PLATFORM_NEIGHBOUR_H

#include "base/ipaddr.h"

#define NEIGHBOUR_MAC_BYTES 6
#define NEIGHBOUR_WAIT_MS   50 /* for one datagram of the kernel's answer */
#define NEIGHBOUR_DATAGRAMS 64 /* of one answer; more are not read */

/* Zeroed is empty; the socket is opened when first needed. */
struct neighbour {
	int fd_;
	bool is_open_;
	bool lists_only_; /* a kernel that can't look up one entry */
	uint32_t sequence_;
};

void neighbour_init(struct neighbour *neighbour);
void neighbour_done(struct neighbour *neighbour);

/*
 * ifindex  the neighbour's interface; 0: any, which makes the kernel list its table, and is found
 *          only when all interfaces that know the address agree.
 * The answer is that of the network namespace in which the first question was asked.
 * Returns 0, E_NOTFOUND when there is no entry or it is not known to be good (only reachable, stale,
 * delay, probe and permanent ones are), or -errno.
 */
MUST_CHECK int neighbour_mac(struct neighbour *neighbour, const struct ipaddr *addr,
	unsigned ifindex, uint8_t ret_mac[NEIGHBOUR_MAC_BYTES]);

#endif
