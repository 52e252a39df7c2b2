#include "platform/neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define GOOD_STATES (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

/* What is looked for, and what has been found of it. */
struct search {
	uint8_t family;
	const uint8_t *key; /* the address as the kernel has it */
	size_t key_bytes;
	uint32_t ifindex; /* 0: any */
	bool found;
	bool differs; /* two interfaces, two answers */
	uint8_t mac[NEIGHBOUR_MAC_BYTES];
};

void neighbour_init(struct neighbour *neighbour)
{
	*neighbour = (struct neighbour){0};
}

void neighbour_done(struct neighbour *neighbour)
{
	if (neighbour) {
		netlink_done(&neighbour->netlink);
	}
}

/* --- hardware addresses ---------------------------------------------------------------------- */

static int on_neighbour(void *ctx, uint16_t type, struct str message)
{
	struct search *search = ctx;
	struct ndmsg body;
	uint16_t attribute;
	struct str value, key = STR_EMPTY, mac = STR_EMPTY;
	if (type != RTM_NEWNEIGH || !netlink_take(&message, &body, sizeof body) ||
		body.ndm_family != search->family ||
		(search->ifindex && (uint32_t)body.ndm_ifindex != search->ifindex) ||
		!(body.ndm_state & GOOD_STATES)) {
		return 0;
	}
	while (netlink_next(&message, &attribute, &value)) {
		if (attribute == NDA_DST) {
			key = value;
		} else if (attribute == NDA_LLADDR) {
			mac = value;
		}
	}
	struct str wanted = {(const char *)search->key, search->key_bytes};
	if (!str_eq(key, wanted) || mac.n != sizeof search->mac) {
		return 0;
	}
	search->differs |= search->found && memcmp(search->mac, mac.p, mac.n) != 0;
	search->found = true;
	memcpy(search->mac, mac.p, mac.n);
	return 0;
}

static int run(struct neighbour *neighbour, bool list, struct search *search)
{
	struct netlink_message question;
	const struct ndmsg body = {
		.ndm_family = search->family, .ndm_ifindex = list ? 0 : (int32_t)search->ifindex};
	netlink_begin(&question, RTM_GETNEIGH, list ? NLM_F_DUMP : 0, &body, sizeof body);
	question.within_ms = NEIGHBOUR_WAIT_MS;
	if (!list) {
		netlink_add(&question, NDA_DST, search->key, search->key_bytes);
	}
	return netlink_ask(&neighbour->netlink, &question, on_neighbour, search);
}

int neighbour_mac(struct neighbour *neighbour, const struct ipaddr *addr, unsigned ifindex,
	uint8_t ret_mac[NEIGHBOUR_MAC_BYTES])
{
	bool is_v4 = ipaddr_is_v4(addr);
	size_t skip = is_v4 ? sizeof addr->b - 4 : 0;
	struct search search = {
		.family = is_v4 ? AF_INET : AF_INET6,
		.key = addr->b + skip,
		.key_bytes = sizeof addr->b - skip,
		.ifindex = ifindex,
	};
	int rc = -EOPNOTSUPP;
	if (ifindex != 0 && !neighbour->lists_only_) {
		rc = run(neighbour, false, &search);
		neighbour->lists_only_ = rc == -EOPNOTSUPP;
	}
	if (rc == -EOPNOTSUPP) {
		rc = run(neighbour, true, &search);
	}
	/* ENODEV: the interface is gone, and its neighbours with it. */
	if (rc == -ENOENT || rc == -ENODEV || (rc == 0 && (!search.found || search.differs))) {
		return E_NOTFOUND;
	}
	TRY(rc);
	memcpy(ret_mac, search.mac, sizeof search.mac);
	return 0;
}

/* --- ports of a bridge ----------------------------------------------------------------------- */

struct port_search {
	uint32_t bridge;
	uint32_t port; /* 0: not found */
};

static int on_port(void *ctx, uint16_t type, struct str message)
{
	struct port_search *search = ctx;
	struct ndmsg body;
	/* A permanent entry is an address of the host: nobody's who is behind a port. */
	if (type == RTM_NEWNEIGH && netlink_take(&message, &body, sizeof body) &&
		body.ndm_family == AF_BRIDGE && !(body.ndm_state & NUD_PERMANENT) &&
		(uint32_t)body.ndm_ifindex != search->bridge) {
		search->port = (uint32_t)body.ndm_ifindex;
	}
	return 0;
}

static int ask_port(struct neighbour *neighbour, const uint8_t mac[NEIGHBOUR_MAC_BYTES],
	uint16_t vlan, struct port_search *search)
{
	struct netlink_message question;
	const struct ndmsg body = {.ndm_family = AF_BRIDGE};
	netlink_begin(&question, RTM_GETNEIGH, 0, &body, sizeof body);
	question.within_ms = NEIGHBOUR_WAIT_MS;
	netlink_add(&question, NDA_LLADDR, mac, NEIGHBOUR_MAC_BYTES);
	netlink_add(&question, NDA_MASTER, &search->bridge, sizeof search->bridge);
	if (vlan) {
		netlink_add(&question, NDA_VLAN, &vlan, sizeof vlan);
	}
	return netlink_ask(&neighbour->netlink, &question, on_port, search);
}

int neighbour_port(struct neighbour *neighbour, const uint8_t mac[NEIGHBOUR_MAC_BYTES],
	unsigned bridge, uint16_t vlan, unsigned *ret_port)
{
	struct port_search search = {.bridge = bridge};
	int rc = ask_port(neighbour, mac, 0, &search);
	if (rc == -ENOENT && vlan) {
		rc = ask_port(neighbour, mac, vlan, &search);
	}
	if (rc == -ENOENT || rc == -ENODEV || (rc == 0 && search.port == 0)) {
		return E_NOTFOUND;
	}
	TRY(rc);
	*ret_port = search.port;
	return 0;
}
