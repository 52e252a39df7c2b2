/* Interfaces, addresses and a bridge's ports, in a network namespace of their own. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "platform/neighbour.h"
#include "platform/netif.h"
#include "platform/netns.h"
#include "tests/unit/child.h"

#define NO_NETWORK "no network namespaces here, or no \"ip\" with bridge and veth interfaces"
#define MANY       300
#define WAIT_MS    5000

static bool run(const char *command)
{
	return system(command) == 0;
}

static void enter_network(void)
{
	if (!child_unshare(CLONE_NEWNET) || !run("ip link set lo up 2>/dev/null") ||
		!run("ip link add br0 type bridge 2>/dev/null") ||
		!run("ip link add tap1 type veth peer name eth1 2>/dev/null") ||
		!run("ip link add tap2 type veth peer name eth2 2>/dev/null")) {
		_exit(CHILD_SKIPPED);
	}
}

static struct ipaddr address_of(const char *text)
{
	struct ipaddr address;
	CHECK(ipaddr_parse(str_of(text), &address) == 0);
	return address;
}

/* --- what there is --------------------------------------------------------------------------- */

struct seen {
	unsigned there;
	unsigned gone;
	unsigned addresses; /* and a hundred for each that goes */
	unsigned address_at;
	unsigned last_gone;
	struct netif last;
};

static void on_there(void *ctx, const struct netif *netif)
{
	struct seen *seen = ctx;
	seen->there++;
	seen->last = *netif;
}

static void on_gone(void *ctx, unsigned index)
{
	struct seen *seen = ctx;
	seen->gone++;
	seen->last_gone = index;
}

static void on_address(void *ctx, unsigned index, bool gone)
{
	struct seen *seen = ctx;
	seen->addresses += gone ? 100 : 1;
	seen->address_at = index;
}

static struct netif_news news_to(struct seen *seen)
{
	return (struct netif_news){on_there, on_gone, on_address, seen};
}

static void look_around(void *ctx)
{
	(void)ctx;
	enter_network();
	struct netlink netlink = {0};
	struct netif netif;
	CHECK(netif_find(&netlink, STR("br0"), 0, &netif) == 0);
	CHECK(netif.bridge && !netif.ours && strcmp(netif.name, "br0") == 0);
	CHECK(netif.index == if_nametoindex("br0"));
	CHECK(netif_find(&netlink, STR_EMPTY, if_nametoindex("tap1"), &netif) == 0);
	CHECK(strcmp(netif.name, "tap1") == 0 && !netif.bridge);
	struct netif untouched = {.index = 77};
	CHECK(netif_find(&netlink, STR("nowhere0"), 0, &untouched) == E_NOTFOUND);
	CHECK(netif_find(&netlink, STR("a-name-too-long0"), 0, &untouched) == E_NOTFOUND);
	CHECK(netif_find(&netlink, STR_EMPTY, 9999, &untouched) == E_NOTFOUND);
	CHECK(netif_find(&netlink, STR_EMPTY, 0, &untouched) == E_NOTFOUND);
	CHECK(untouched.index == 77);
	CHECK(run("ip link set tap1 master br0"));
	CHECK(netif_find(&netlink, STR("tap1"), 0, &netif) == 0);
	CHECK(!netif.bridge); /* a port is none */
	struct seen seen = {0};
	struct netif_news news = news_to(&seen);
	CHECK(netif_list(&netlink, &news) == 0);
	CHECK(seen.there >= 6 && seen.gone == 0); /* lo, br0 and two pairs */
	netlink_done(&netlink);
}

static void test_look_around(void **state)
{
	(void)state;
	child_run_or_skip(look_around, NULL, NO_NETWORK);
}

/* More than one datagram of them. */
static void list_many(void *ctx)
{
	(void)ctx;
	enter_network();
	FILE *batch = popen("ip -batch -", "w");
	CHECK(batch);
	for (int i = 0; i < MANY; i++) {
		(void)fprintf(batch, "link add many%d type bridge\n", i);
	}
	CHECK(pclose(batch) == 0);
	struct netlink netlink = {0};
	struct seen seen = {0};
	struct netif_news news = news_to(&seen);
	CHECK(netif_list(&netlink, &news) == 0);
	CHECK(seen.there >= MANY + 6);
	netlink_done(&netlink);
}

static void test_list_many(void **state)
{
	(void)state;
	child_run_or_skip(list_many, NULL, NO_NETWORK);
}

/* --- what is made ---------------------------------------------------------------------------- */

static void make_and_remove(void *ctx)
{
	(void)ctx;
	enter_network();
	struct netlink netlink = {0};
	struct netif netif;
	CHECK(netif_make(&netlink, STR("made0"), STR("bridge")) == 0);
	CHECK(netif_find(&netlink, STR("made0"), 0, &netif) == 0);
	CHECK(netif.ours);
	CHECK(run("ip link show dev made0 up | grep -q made0"));
	CHECK(netif_make(&netlink, STR("made0"), STR("bridge")) == E_EXISTS);
	CHECK(netif_make(&netlink, STR("made1"), STR("no-such-kind")) == -EOPNOTSUPP);
	CHECK(netif_make(&netlink, STR("a-name-too-long0"), STR("bridge")) == -EINVAL);
	CHECK(netif_remove(&netlink, netif.index) == 0);
	CHECK(netif_remove(&netlink, netif.index) == E_NOTFOUND);
	CHECK(netif_find(&netlink, STR("made0"), 0, &netif) == E_NOTFOUND);
	netlink_done(&netlink);
}

static void test_make_and_remove(void **state)
{
	(void)state;
	child_run_or_skip(make_and_remove, NULL, NO_NETWORK);
}

static void give_addresses(void *ctx)
{
	(void)ctx;
	enter_network();
	static const struct {
		const char *text;
		const char *shown;
	} cases[] = {
		{"169.254.169.254", "ip -o address show dev br0 | grep -q '169.254.169.254/32 '"},
		{"fd00:ec2::254", "ip -o address show dev br0 | grep -q 'fd00:ec2::254/128 '"},
	};
	struct netlink netlink = {0};
	unsigned br0 = if_nametoindex("br0");
	CHECK(run("ip link set br0 up"));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ipaddr address = address_of(cases[i].text);
		CHECK(netif_is_ours(&netlink, br0, &address) == 0);
		CHECK(netif_add_address(&netlink, br0, &address) == 0);
		CHECK(run(cases[i].shown));
		CHECK(netif_is_ours(&netlink, br0, &address) == 1);
		CHECK(netif_is_ours(&netlink, if_nametoindex("lo"), &address) == 0);
		CHECK(netif_add_address(&netlink, br0, &address) == E_EXISTS);
		CHECK(netif_add_address(&netlink, 9999, &address) == E_NOTFOUND);
		CHECK(netif_remove_address(&netlink, br0, &address) == 0);
		CHECK(!run(cases[i].shown));
		CHECK(netif_remove_address(&netlink, br0, &address) == E_NOTFOUND);
	}
	CHECK(!run("ip -6 -o address show dev br0 tentative | grep -q fd00"));
	netlink_done(&netlink);
}

static void test_addresses(void **state)
{
	(void)state;
	child_run_or_skip(give_addresses, NULL, NO_NETWORK);
}

/* What somebody else has put there is there, and is not ours. */
static void respect_others(void *ctx)
{
	(void)ctx;
	enter_network();
	struct netlink netlink = {0};
	unsigned br0 = if_nametoindex("br0");
	CHECK(run("ip link set br0 up && ip address add 169.254.169.254/32 dev br0 &&"
		  " ip address add fd00:ec2::254/128 dev br0 nodad"));
	struct ipaddr v4 = address_of("169.254.169.254"), v6 = address_of("fd00:ec2::254");
	CHECK(netif_add_address(&netlink, br0, &v4) == E_EXISTS);
	CHECK(netif_add_address(&netlink, br0, &v6) == E_EXISTS);
	CHECK(netif_is_ours(&netlink, br0, &v4) == 0);
	CHECK(netif_is_ours(&netlink, br0, &v6) == 0);
	netlink_done(&netlink);
}

static void test_addresses_of_others(void **state)
{
	(void)state;
	child_run_or_skip(respect_others, NULL, NO_NETWORK);
}

/* --- news ------------------------------------------------------------------------------------ */

static void hear(struct netlink *netlink, int fd, struct seen *seen)
{
	struct netif_news news = news_to(seen);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	CHECK(poll(&wait, 1, WAIT_MS) == 1);
	*seen = (struct seen){0};
	CHECK(netif_changes(netlink, &news) == 0);
}

static void hear_news(void *ctx)
{
	(void)ctx;
	enter_network();
	struct netlink netlink = {0};
	struct seen seen = {0};
	struct netif_news news = news_to(&seen);
	int fd = -1;
	CHECK(netif_watch(&netlink, &fd) == 0);
	CHECK(netif_changes(&netlink, &news) == 0);
	CHECK(seen.there == 0 && seen.gone == 0 && seen.addresses == 0);
	CHECK(run("ip link add new0 type bridge"));
	unsigned index = if_nametoindex("new0");
	hear(&netlink, fd, &seen);
	CHECK(seen.there >= 1 && seen.last.index == index && strcmp(seen.last.name, "new0") == 0);
	CHECK(run("ip link set new0 name other0"));
	hear(&netlink, fd, &seen);
	CHECK(seen.gone == 0 && seen.last.index == index);
	CHECK(strcmp(seen.last.name, "other0") == 0);
	CHECK(run("ip address add 10.9.9.9/32 dev other0"));
	hear(&netlink, fd, &seen);
	CHECK(seen.addresses == 1 && seen.address_at == index);
	CHECK(run("ip address delete 10.9.9.9/32 dev other0"));
	hear(&netlink, fd, &seen);
	CHECK(seen.addresses == 100 && seen.address_at == index);
	CHECK(run("ip link delete other0"));
	hear(&netlink, fd, &seen);
	CHECK(seen.gone == 1 && seen.last_gone == index);
	/* The bridge says that its port is gone; the interface is still there. */
	CHECK(run("ip link set tap1 master br0"));
	hear(&netlink, fd, &seen);
	CHECK(run("ip link set tap1 nomaster"));
	hear(&netlink, fd, &seen);
	CHECK(seen.gone == 0);
	netlink_done(&netlink);
}

static void test_news(void **state)
{
	(void)state;
	child_run_or_skip(hear_news, NULL, NO_NETWORK);
}

/* More than the socket holds: that is said, and from then on nothing is lost again. */
static void lose_news(void *ctx)
{
	(void)ctx;
	enter_network();
	struct netlink netlink = {0};
	struct seen seen = {0};
	struct netif_news news = news_to(&seen);
	int fd = -1, little = 1;
	CHECK(netif_watch(&netlink, &fd) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little) == 0);
	for (int i = 0; i < 20; i++) {
		CHECK(run("ip link set br0 up && ip link set br0 down"));
	}
	CHECK(netif_changes(&netlink, &news) == -ENOBUFS);
	CHECK(run("ip link add new0 type bridge"));
	seen = (struct seen){0};
	CHECK(netif_changes(&netlink, &news) == 0 || seen.there > 0);
	CHECK(seen.last.index == if_nametoindex("new0"));
	netlink_done(&netlink);
}

static void test_lost_news(void **state)
{
	(void)state;
	child_run_or_skip(lose_news, NULL, NO_NETWORK);
}

/* --- ports of a bridge ----------------------------------------------------------------------- */

static int port_of(struct neighbour *neighbour, const char *mac, unsigned *ret_port)
{
	uint8_t bytes[NEIGHBOUR_MAC_BYTES];
	struct netif netif;
	CHECK(macaddr_parse(str_of(mac), bytes) == 0);
	CHECK(netif_find(&neighbour->netlink, STR("br0"), 0, &netif) == 0);
	return neighbour_port(neighbour, bytes, netif.index, netif.vlan, ret_port);
}

static void find_ports(void *ctx)
{
	(void)ctx;
	enter_network();
	struct neighbour neighbour = {0};
	unsigned port = 77;
	CHECK(run("ip link set tap1 master br0 up && ip link set tap2 master br0 up &&"
		  " ip link set eth1 up && ip link set eth2 up &&"
		  " ip link set br0 up && ip link set tap2 address 02:00:00:00:00:22"));
	CHECK(run("bridge fdb add 02:aa:bb:cc:dd:01 dev tap1 master static"));
	CHECK(run("bridge fdb add 02:aa:bb:cc:dd:02 dev tap2 master dynamic"));
	CHECK(run("bridge fdb add 02:aa:bb:cc:dd:03 dev tap2 master permanent"));
	CHECK(run("bridge fdb add 02:aa:bb:cc:dd:04 dev br0 self permanent 2>/dev/null || true"));
	CHECK(port_of(&neighbour, "02:aa:bb:cc:dd:03", &port) == E_NOTFOUND); /* the host's own */
	CHECK(port_of(&neighbour, "02:aa:bb:cc:dd:04", &port) == E_NOTFOUND);
	CHECK(port_of(&neighbour, "02:00:00:00:00:22", &port) == E_NOTFOUND); /* tap2's own */
	CHECK(port_of(&neighbour, "02:aa:bb:cc:dd:99", &port) == E_NOTFOUND);
	CHECK(port == 77);
	CHECK(port_of(&neighbour, "02:aa:bb:cc:dd:01", &port) == 0);
	CHECK(port == if_nametoindex("tap1"));
	CHECK(port_of(&neighbour, "02:aa:bb:cc:dd:02", &port) == 0);
	CHECK(port == if_nametoindex("tap2"));
	uint8_t mac[NEIGHBOUR_MAC_BYTES] = {2, 0xaa, 0xbb, 0xcc, 0xdd, 1};
	CHECK(neighbour_port(&neighbour, mac, 9999, 0, &port) < 0);
	CHECK(neighbour_port(&neighbour, mac, if_nametoindex("lo"), 0, &port) < 0); /* no bridge */
	CHECK(port_of(&neighbour, "02:aa:bb:cc:dd:01", &port) == 0);
	neighbour_done(&neighbour);
}

static void test_ports(void **state)
{
	(void)state;
	child_run_or_skip(find_ports, NULL, NO_NETWORK);
}

/* A bridge that knows VLANs keeps an address for each; frames without a tag are in its default. */
static void find_ports_by_vlan(void *ctx)
{
	(void)ctx;
	enter_network();
	struct neighbour neighbour = {0};
	unsigned port;
	CHECK(run("ip link set tap1 master br0 up && ip link set br0 up"));
	if (!run("ip link set br0 type bridge vlan_filtering 1 vlan_default_pvid 7 2>/dev/null")) {
		_exit(CHILD_SKIPPED);
	}
	CHECK(run("bridge fdb add 02:aa:bb:cc:dd:01 dev tap1 master static vlan 7"));
	CHECK(port_of(&neighbour, "02:aa:bb:cc:dd:01", &port) == 0);
	CHECK(port == if_nametoindex("tap1"));
	neighbour_done(&neighbour);
}

static void test_ports_by_vlan(void **state)
{
	(void)state;
	child_run_or_skip(find_ports_by_vlan, NULL, "no bridges with VLANs here");
}

/* --- namespaces ------------------------------------------------------------------------------ */

/* A socket stays where it was opened, also after a fault. */
static void ask_elsewhere(void *ctx)
{
	(void)ctx;
	enter_network();
	struct netlink first = {0}, second = {0};
	struct netif netif;
	struct netlink_message nonsense;
	CHECK(netlink_open(&first) == 0);
	int home = netns_open(STR("/proc/self/ns/net"), NULL);
	CHECK(home >= 0);
	CHECK(child_unshare(CLONE_NEWNET));
	CHECK(netlink_open(&second) == 0);
	CHECK(netif_find(&first, STR("br0"), 0, &netif) == 0);
	CHECK(netif_find(&second, STR("br0"), 0, &netif) == E_NOTFOUND);
	netlink_begin(&nonsense, RTM_NEWLINK, NLM_F_ACK, "abc", 4);
	CHECK(netlink_ask(&first, &nonsense, NULL, NULL) < 0);
	CHECK(netif_find(&first, STR("br0"), 0, &netif) == 0);
	CHECK(netns_enter(home) == 0);
	CHECK(if_nametoindex("br0") != 0);
	netlink_done(&first);
	netlink_done(&second);
}

static void test_namespaces(void **state)
{
	(void)state;
	child_run_or_skip(ask_elsewhere, NULL, NO_NETWORK);
}

static void test_namespaces_that_are_none(void **state)
{
	(void)state;
	struct diag diag;
	char path[5000];
	memset(path, 'a', sizeof path);
	assert_int_equal(netns_open(STR("no-such-tenant"), &diag), -ENOENT);
	assert_string_equal(
		diag.text, "netns /run/netns/no-such-tenant: No such file or directory");
	assert_int_equal(netns_open(STR("/proc/0/ns/net"), &diag), -ENOENT);
	assert_int_equal(netns_open((struct str){path, sizeof path}, &diag), -ENAMETOOLONG);
	assert_int_equal(netns_open(STR_EMPTY, NULL), -ENAMETOOLONG);
	int fd = netns_open(STR("/dev/null"), &diag);
	assert_true(fd >= 0);
	assert_true(netns_enter(fd) < 0);
	(void)close(fd);
}

/* --- messages -------------------------------------------------------------------------------- */

static void test_a_message_that_is_too_long_is_not_sent(void **state)
{
	(void)state;
	struct netlink netlink = {0};
	struct netlink_message message;
	char bytes[NETLINK_MESSAGE_BYTES] = {0};
	netlink_begin(&message, 18, 0, bytes, 16);
	netlink_add(&message, 3, bytes, sizeof bytes);
	size_t nest = netlink_nest(&message, 4);
	netlink_end(&message, nest);
	assert_int_equal(netlink_ask(&netlink, &message, NULL, NULL), -EMSGSIZE);
	netlink_done(&netlink);
}

static void test_attributes(void **state)
{
	(void)state;
	uint16_t type, number16;
	uint32_t number32;
	struct str value;
	/* Two attributes, the first padded, the last one's padding missing. */
	static const char good[] = {5, 0, 1, 0, 'a', 0, 0, 0, 6, 0, 2, (char)0x80, 'b', 'c'};
	struct str cursor = {good, sizeof good};
	assert_true(netlink_next(&cursor, &type, &value));
	assert_int_equal(type, 1);
	assert_true(str_eq(value, STR("a")));
	assert_true(netlink_next(&cursor, &type, &value));
	assert_int_equal(type, 2); /* without the flag "nested" */
	assert_true(str_eq(value, STR("bc")));
	assert_true(netlink_u16(value, &number16));
	assert_false(netlink_u32(value, &number32));
	assert_false(netlink_next(&cursor, &type, &value));
	static const char bad[][5] = {{3, 0, 1, 0, 'a'}, {0, 0, 1, 0, 'a'}, {6, 0, 1, 0, 'a'},
		{(char)0xff, (char)0xff, 1, 0, 'a'}};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cursor = (struct str){bad[i], sizeof bad[i]};
		assert_false(netlink_next(&cursor, &type, &value));
		cursor = (struct str){bad[i], 3};
		assert_false(netlink_next(&cursor, &type, &value));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look_around),
		cmocka_unit_test(test_list_many),
		cmocka_unit_test(test_make_and_remove),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_addresses_of_others),
		cmocka_unit_test(test_news),
		cmocka_unit_test(test_lost_news),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_ports_by_vlan),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_namespaces_that_are_none),
		cmocka_unit_test(test_a_message_that_is_too_long_is_not_sent),
		cmocka_unit_test(test_attributes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
