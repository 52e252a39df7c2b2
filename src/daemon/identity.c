#include "daemon/identity.h"

#include "platform/clock.h"

/* What the kernel is asked about a caller, at most once. */
struct caller {
	struct neighbour *neighbours;
	const struct place *place;
	const struct ipaddr *addr;
	char port[NETIF_NAME_BYTES]; /* of the bridge; empty: unknown, or it is none */
	uint8_t mac[NEIGHBOUR_MAC_BYTES];
	int mac_rc; /* neighbour_mac()'s answer; 1: not asked yet */
};

static int ask_mac(struct caller *caller)
{
	if (caller->mac_rc > 0) {
		caller->mac_rc = neighbour_mac(
			caller->neighbours, caller->addr, caller->place->ifindex, caller->mac);
	}
	return caller->mac_rc;
}

/* Where nothing is found the port stays empty, and no match that names one is met. */
static void ask_port(struct caller *caller)
{
	const struct place *place = caller->place;
	struct netif netif;
	unsigned port;
	if (ask_mac(caller) == 0 &&
		neighbour_port(
			caller->neighbours, caller->mac, place->ifindex, place->vlan, &port) == 0 &&
		netif_find(&caller->neighbours->netlink, STR_EMPTY, port, &netif) == 0) {
		memcpy(caller->port, netif.name, sizeof caller->port);
	}
}

static void mismatch(
	struct identity *identity, const struct caller *caller, const struct instance *instance)
{
	char text[IPADDR_TEXT_BYTES];
	uint32_t held;
	atomic_fetch_add_explicit(identity->mismatches, 1, memory_order_relaxed);
	if (!log_limit_pass(identity->log, clock_wall_s(), &held)) {
		return;
	}
	ipaddr_format(caller->addr, text);
	if (instance) {
		LOG(LOG_WARN, "data", "a caller has an instance's address but not its MAC",
			LOG_STR("instance", instance->name), LOG_TEXT("address", text),
			LOG_INT("held", held));
	} else {
		LOG(LOG_WARN, "data", "a caller has an instance's address at another interface",
			LOG_STR("network", caller->place->network), LOG_TEXT("address", text),
			LOG_TEXT("interface",
				caller->port[0] ? caller->port : caller->place->interface),
			LOG_INT("held", held));
	}
}

struct entry *identity_find(struct identity *identity, struct neighbour *neighbours,
	const struct place *place, const struct ipaddr *addr)
{
	struct caller caller = {
		.neighbours = neighbours, .place = place, .addr = addr, .mac_rc = 1};
	const struct registry *registry = identity->registry;
	bool ported = place->bridge && registry_claimed(registry, place->network, addr);
	if (ported) {
		ask_port(&caller);
	}
	struct entry *entry = registry_lookup_port(
		registry, place->network, str_of(caller.port), str_of(place->interface), addr);
	const struct instance *instance = entry ? entry_instance(entry) : NULL;
	if (!entry && (ported || registry_claimed(registry, place->network, addr))) {
		mismatch(identity, &caller, NULL);
	}
	if (!instance || !instance->has_mac) {
		return instance ? entry : NULL;
	}
	if (ask_mac(&caller) == 0 && memcmp(caller.mac, instance->mac, sizeof caller.mac) == 0) {
		return entry;
	}
	mismatch(identity, &caller, instance);
	return NULL;
}
