/*
 * netif - network interfaces and their addresses: which there are, and to make and remove some.
 *
 * Layer:   platform
 * Threads: a struct netlink belongs to one thread; no state besides
 * Memory:  the caller's
 * Secrets: none
 * Limits:  those of netlink.h
 * Spec:    rtnetlink(7) RTM_…LINK, RTM_…ADDR; ip-link(8), ip-address(8)
 *
 * What is made here bears a mark that the kernel keeps: an address the protocol NETIF_MARK, an interface
 * the alias "telltale". So a daemon knows what one before it, that could not clean up, has left.
 * Before Linux 5.18 addresses have no protocol; theirs are nobody's then.
 */
#ifndef TELLTALE_PLATFORM_NETIF_H
#define TELLTALE_PLATFORM_NETIF_H

#include "base/ipaddr.h"
#include "platform/netlink.h"

#define NETIF_NAME_BYTES 16 /* with the NUL */
#define NETIF_MARK       84 /* "T"; the kernel's own protocols of addresses are 1 to 3 */

struct netif {
	unsigned index;
	char name[NETIF_NAME_BYTES];
	bool ours;     /* made by netif_make(), perhaps in a former life */
	bool bridge;   /* one that has ports, not a port */
	uint16_t vlan; /* of a bridge: what frames without a tag belong to; 0: none */
};

/* What has happened. */
struct netif_news {
	void (*on_there)(void *ctx, const struct netif *netif); /* new, or changed */
	void (*on_gone)(void *ctx, unsigned index);
	void (*on_address)(void *ctx, unsigned index, bool gone); /* there is one more, or less */
	void *ctx;
};

/* Every interface to on_there, which must not use this socket. Returns 0 or -errno. */
MUST_CHECK int netif_list(struct netlink *netlink, const struct netif_news *news);

/* One interface by its name (empty: by its index). Returns 0, E_NOTFOUND or -errno. */
MUST_CHECK int netif_find(
	struct netlink *netlink, struct str name, unsigned index, struct netif *ret_netif);

/* Open the socket for news; its descriptor is readable when there are some. Returns 0 or -errno. */
MUST_CHECK int netif_watch(struct netlink *netlink, int *ret_fd);

/* Hand over what has happened; does not wait. -ENOBUFS: some was lost, list again. */
MUST_CHECK int netif_changes(struct netlink *netlink, const struct netif_news *news);

/*
 * An interface of this kind ("dummy"), up. Returns 0, E_EXISTS, -EOPNOTSUPP when the kernel does not
 * know the kind, or -errno.
 */
MUST_CHECK int netif_make(struct netlink *netlink, struct str name, struct str kind);

/* Returns 0, E_NOTFOUND or -errno. */
MUST_CHECK int netif_remove(struct netlink *netlink, unsigned index);

/*
 * Give the interface the address, alone (/32 and /128) and at once (no duplicate address detection).
 * Returns 0, E_EXISTS when it has it already, E_NOTFOUND when there is no such interface, or -errno.
 */
MUST_CHECK int netif_add_address(
	struct netlink *netlink, unsigned index, const struct ipaddr *address);

/* Whether netif_add_address() has put it there, in whichever life. Returns 1, 0 or -errno. */
MUST_CHECK int netif_is_ours(struct netlink *netlink, unsigned index, const struct ipaddr *address);

/* Take it away, whoever put it there. Returns 0, E_NOTFOUND or -errno. */
MUST_CHECK int netif_remove_address(
	struct netlink *netlink, unsigned index, const struct ipaddr *address);

#endif
