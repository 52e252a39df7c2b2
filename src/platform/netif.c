#include "platform/netif.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#define GROUPS (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)
#define ALIAS  "telltale"

/* Newer than some kernels' headers. */
#define PROTOCOL_ATTRIBUTE 11 /* IFA_PROTO */

_Static_assert(NETIF_NAME_BYTES == IF_NAMESIZE, "as the kernel has it");

/* --- what there is --------------------------------------------------------------------------- */

/* Of IFLA_INFO_DATA, a bridge's own settings. */
static uint16_t vlan_of(struct str data)
{
	uint16_t type, vlan = 0;
	struct str value;
	while (netlink_next(&data, &type, &value)) {
		if (type == IFLA_BR_VLAN_DEFAULT_PVID && !netlink_u16(value, &vlan)) {
			vlan = 0;
		}
	}
	return vlan;
}

static void read_kind(struct str info, struct netif *netif)
{
	uint16_t type;
	struct str value;
	while (netlink_next(&info, &type, &value)) {
		if (type == IFLA_INFO_KIND) {
			netif->bridge = value.n >= 6 && memcmp(value.p, "bridge", 6) == 0 &&
					(value.n == 6 || value.p[6] == '\0');
		} else if (type == IFLA_INFO_DATA && netif->bridge) {
			netif->vlan = vlan_of(value);
		}
	}
}

/* Texts end in a NUL that counts. */
static struct str text_of(struct str value)
{
	return (struct str){value.p, str_find(value, '\0')};
}

/* False when it is no interface, or one as its bridge sees it (which it may leave and live on). */
static bool read_netif(struct str message, struct netif *ret_netif)
{
	struct ifinfomsg body;
	struct netif netif = {0};
	uint16_t type;
	struct str value;
	if (!netlink_take(&message, &body, sizeof body) || body.ifi_family != AF_UNSPEC) {
		return false;
	}
	netif.index = (unsigned)body.ifi_index;
	while (netlink_next(&message, &type, &value)) {
		if (type == IFLA_IFNAME && text_of(value).n < sizeof netif.name) {
			memcpy(netif.name, value.p, text_of(value).n);
		} else if (type == IFLA_IFALIAS) {
			netif.ours = str_eq(text_of(value), STR(ALIAS));
		} else if (type == IFLA_LINKINFO) {
			read_kind(value, &netif);
		}
	}
	*ret_netif = netif;
	return netif.name[0] != '\0';
}

/* Which interface an address is or was at; 0: the message is none. */
static unsigned index_of(struct str message)
{
	struct ifaddrmsg body;
	return netlink_take(&message, &body, sizeof body) ? body.ifa_index : 0;
}

static int on_news(void *ctx, uint16_t type, struct str message)
{
	const struct netif_news *news = ctx;
	struct netif netif;
	if (type == RTM_NEWADDR || type == RTM_DELADDR) {
		news->on_address(news->ctx, index_of(message), type == RTM_DELADDR);
	} else if (type == RTM_NEWLINK && read_netif(message, &netif)) {
		news->on_there(news->ctx, &netif);
	} else if (type == RTM_DELLINK && read_netif(message, &netif)) {
		news->on_gone(news->ctx, netif.index);
	}
	return 0;
}

static void ask_for_links(struct netlink_message *question, unsigned index, uint16_t flags)
{
	const struct ifinfomsg body = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};
	const uint32_t without = RTEXT_FILTER_SKIP_STATS;
	netlink_begin(question, RTM_GETLINK, flags, &body, sizeof body);
	netlink_add(question, IFLA_EXT_MASK, &without, sizeof without);
}

int netif_list(struct netlink *netlink, const struct netif_news *news)
{
	struct netlink_message question;
	struct netif_news copy = *news;
	ask_for_links(&question, 0, NLM_F_DUMP);
	return netlink_ask(netlink, &question, on_news, &copy);
}

static int on_found(void *ctx, uint16_t type, struct str message)
{
	struct netif *netif = ctx;
	return type == RTM_NEWLINK && read_netif(message, netif) ? 0 : E_NOTFOUND;
}

int netif_find(struct netlink *netlink, struct str name, unsigned index, struct netif *ret_netif)
{
	struct netlink_message question;
	struct netif netif = {0};
	char text[NETIF_NAME_BYTES] = {0};
	if (name.n >= sizeof text || (name.n == 0 && index == 0)) {
		return E_NOTFOUND;
	}
	ask_for_links(&question, index, 0);
	if (name.n) {
		memcpy(text, name.p, name.n);
		netlink_add(&question, IFLA_IFNAME, text, name.n + 1);
	}
	int rc = netlink_ask(netlink, &question, on_found, &netif);
	if (rc == -ENODEV) {
		return E_NOTFOUND;
	}
	TRY(rc);
	*ret_netif = netif;
	return 0;
}

int netif_watch(struct netlink *netlink, int *ret_fd)
{
	return netlink_listen(netlink, GROUPS, ret_fd);
}

int netif_changes(struct netlink *netlink, const struct netif_news *news)
{
	struct netif_news copy = *news;
	return netlink_news(netlink, on_news, &copy);
}

/* --- what is made ---------------------------------------------------------------------------- */

static int result(int rc)
{
	switch (rc) {
	case -EEXIST:
		return E_EXISTS;
	case -ENODEV:
	case -EADDRNOTAVAIL:
		return E_NOTFOUND;
	default:
		return rc;
	}
}

/* The kernel takes an alias only for what is there. */
static int mark(struct netlink *netlink, const char *name, size_t name_bytes)
{
	struct netlink_message question;
	const struct ifinfomsg body = {
		.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	netlink_begin(&question, RTM_NEWLINK, NLM_F_ACK, &body, sizeof body);
	netlink_add(&question, IFLA_IFNAME, name, name_bytes);
	netlink_add(&question, IFLA_IFALIAS, ALIAS, sizeof ALIAS - 1);
	return result(netlink_ask(netlink, &question, NULL, NULL));
}

int netif_make(struct netlink *netlink, struct str name, struct str kind)
{
	struct netlink_message question;
	const struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
	char text[NETIF_NAME_BYTES] = {0};
	if (name.n == 0 || name.n >= sizeof text) {
		return -EINVAL;
	}
	memcpy(text, name.p, name.n);
	netlink_begin(
		&question, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
	netlink_add(&question, IFLA_IFNAME, text, name.n + 1);
	size_t info = netlink_nest(&question, IFLA_LINKINFO);
	netlink_add(&question, IFLA_INFO_KIND, kind.p, kind.n);
	netlink_end(&question, info);
	TRY(result(netlink_ask(netlink, &question, NULL, NULL)));
	return mark(netlink, text, name.n + 1);
}

int netif_remove(struct netlink *netlink, unsigned index)
{
	struct netlink_message question;
	const struct ifinfomsg body = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};
	netlink_begin(&question, RTM_DELLINK, NLM_F_ACK, &body, sizeof body);
	return result(netlink_ask(netlink, &question, NULL, NULL));
}

/* The family, and the bytes as the kernel has them. */
static uint8_t family_of(const struct ipaddr *address, struct str *ret_bytes)
{
	size_t skip = ipaddr_is_v4(address) ? sizeof address->b - 4 : 0;
	*ret_bytes = (struct str){(const char *)address->b + skip, sizeof address->b - skip};
	return skip ? AF_INET : AF_INET6;
}

static int change_address(struct netlink *netlink, uint16_t type, uint16_t flags, unsigned index,
	const struct ipaddr *address)
{
	struct netlink_message question;
	struct str bytes;
	const uint8_t family = family_of(address, &bytes), mark = NETIF_MARK;
	const struct ifaddrmsg body = {
		.ifa_family = family,
		.ifa_prefixlen = (uint8_t)(bytes.n * 8),
		/* A guest asks at once; nobody else on its link may have the address anyway. */
		.ifa_flags = family == AF_INET6 && type == RTM_NEWADDR ? IFA_F_NODAD : 0,
		.ifa_scope = RT_SCOPE_UNIVERSE,
		.ifa_index = index,
	};
	netlink_begin(&question, type, (uint16_t)(flags | NLM_F_ACK), &body, sizeof body);
	netlink_add(&question, IFA_LOCAL, bytes.p, bytes.n);
	netlink_add(&question, IFA_ADDRESS, bytes.p, bytes.n);
	if (type == RTM_NEWADDR) {
		netlink_add(&question, PROTOCOL_ATTRIBUTE, &mark, sizeof mark);
	}
	return result(netlink_ask(netlink, &question, NULL, NULL));
}

int netif_add_address(struct netlink *netlink, unsigned index, const struct ipaddr *address)
{
	return change_address(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address);
}

/* The address that is looked for among those of all interfaces. */
struct address_search {
	unsigned index;
	uint8_t family;
	struct str bytes;
	bool ours;
};

static int on_address(void *ctx, uint16_t type, struct str message)
{
	struct address_search *search = ctx;
	struct ifaddrmsg body;
	uint16_t attribute;
	struct str value;
	bool same = false, ours = false;
	if (type != RTM_NEWADDR || !netlink_take(&message, &body, sizeof body) ||
		body.ifa_index != search->index || body.ifa_family != search->family ||
		body.ifa_prefixlen != search->bytes.n * 8) {
		return 0;
	}
	while (netlink_next(&message, &attribute, &value)) {
		same |= (attribute == IFA_LOCAL || attribute == IFA_ADDRESS) &&
			str_eq(value, search->bytes);
		ours |= attribute == PROTOCOL_ATTRIBUTE && value.n == 1 &&
			(uint8_t)value.p[0] == NETIF_MARK;
	}
	search->ours |= same && ours;
	return 0;
}

int netif_is_ours(struct netlink *netlink, unsigned index, const struct ipaddr *address)
{
	struct netlink_message question;
	struct address_search search = {.index = index};
	search.family = family_of(address, &search.bytes);
	const struct ifaddrmsg body = {.ifa_family = search.family};
	netlink_begin(&question, RTM_GETADDR, NLM_F_DUMP, &body, sizeof body);
	TRY(netlink_ask(netlink, &question, on_address, &search));
	return search.ours ? 1 : 0;
}

int netif_remove_address(struct netlink *netlink, unsigned index, const struct ipaddr *address)
{
	return change_address(netlink, RTM_DELADDR, 0, index, address);
}
