/*
 * identity - who calls: from a connection to the instance that it belongs to.
 *
 * Layer:   daemon
 * Threads: a struct identity belongs to one worker; a struct place does not change while workers listen
 *          there
 * Memory:  the caller's structs
 * Secrets: none
 * Limits:  a connection costs at most three questions to the kernel, when it is admitted; a request
 *          none
 * Spec:    docs/operator.md#who-is-who
 */
#ifndef TELLTALE_DAEMON_IDENTITY_H
#define TELLTALE_DAEMON_IDENTITY_H

#include "base/log.h"
#include "http/connection.h"
#include "metadata/registry.h"
#include "platform/neighbour.h"
#include "platform/netif.h"

/* Where connections come in. Lifetime: while a worker listens there. */
struct place {
	struct str network;
	char interface[NETIF_NAME_BYTES]; /* empty: any */
	unsigned ifindex;                 /* 0: any */
	bool bridge;                      /* callers are behind its ports */
	uint16_t vlan;                    /* of a bridge */
	unsigned space;                   /* which of the network namespaces it is in */
};

struct identity {
	const struct registry *registry;
	_Atomic uint64_t *mismatches; /* of the worker: callers that have somebody's address */
	struct log_limit *log;        /* of all workers */
};

/*
 * The instance whose network, interface and address the caller has, and its hardware address where the
 * instance names one. At a bridge the interface may be the port behind which the caller's hardware address
 * is. NULL: nobody's. A caller that has an instance's address, but not the rest, is counted and logged.
 * neighbours  of the place's namespace.
 */
struct entry *identity_find(struct identity *identity, struct neighbour *neighbours,
	const struct place *place, const struct ipaddr *addr);

#endif
