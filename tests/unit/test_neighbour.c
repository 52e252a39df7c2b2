/* Asked of a network namespace of its own, with an interface that leads nowhere. */
#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "platform/neighbour.h"
#include "tests/unit/child.h"

#define MANY       900
#define ENOUGH_S   10
#define CLOCK_MS   20 /* how coarse the clock may be */
#define NO_NETWORK "no network namespaces here, or no \"ip\" with dummy or veth interfaces"

static bool run(const char *command)
{
	return system(command) == 0;
}

static void enter_network(void)
{
	if (!child_unshare(CLONE_NEWNET) || !run("ip link set lo up 2>/dev/null") ||
		!run("ip link add tt0 type dummy 2>/dev/null ||"
		     " ip link add tt0 type veth peer name tt0p 2>/dev/null") ||
		!run("ip link add tt1 type dummy 2>/dev/null ||"
		     " ip link add tt1 type veth peer name tt1p 2>/dev/null")) {
		_exit(CHILD_SKIPPED);
	}
	CHECK(run("ip link set tt0 up && ip addr add 10.1.0.1/16 dev tt0"));
	CHECK(run("ip link set tt1 up && ip addr add 10.2.0.1/16 dev tt1"));
}

static int look(struct neighbour *neighbour, const char *address, const char *interface,
	uint8_t ret_mac[NEIGHBOUR_MAC_BYTES])
{
	struct ipaddr addr;
	CHECK(ipaddr_parse(str_of(address), &addr) == 0);
	return neighbour_mac(neighbour, &addr, interface ? if_nametoindex(interface) : 0, ret_mac);
}

static bool is(struct neighbour *neighbour, const char *address, const char *interface,
	const char *expected)
{
	uint8_t mac[NEIGHBOUR_MAC_BYTES] = {0};
	uint8_t wanted[NEIGHBOUR_MAC_BYTES];
	CHECK(macaddr_parse(str_of(expected), wanted) == 0);
	int rc = look(neighbour, address, interface, mac);
	return rc == 0 && memcmp(mac, wanted, sizeof mac) == 0;
}

static bool is_unknown(struct neighbour *neighbour, const char *address, const char *interface)
{
	uint8_t mac[NEIGHBOUR_MAC_BYTES] = {1, 2, 3, 4, 5, 6};
	static const uint8_t untouched[NEIGHBOUR_MAC_BYTES] = {1, 2, 3, 4, 5, 6};
	return look(neighbour, address, interface, mac) == E_NOTFOUND &&
	       memcmp(mac, untouched, sizeof mac) == 0;
}

static void add_entries(void)
{
	CHECK(run("ip neigh add 10.1.0.2 lladdr 02:aa:bb:cc:dd:01 dev tt0 nud permanent"));
	CHECK(run("ip neigh add 10.1.0.3 lladdr 02:aa:bb:cc:dd:02 dev tt0 nud reachable"));
	CHECK(run("ip neigh add 10.1.0.4 lladdr 02:aa:bb:cc:dd:03 dev tt0 nud stale"));
	CHECK(run("ip neigh add 10.1.0.5 lladdr 02:aa:bb:cc:dd:04 dev tt0 nud noarp"));
	CHECK(run("ip neigh add 10.1.0.6 dev tt0 nud failed 2>/dev/null || true"));
	CHECK(run("ip neigh add 2001:db8::2 lladdr 02:aa:bb:cc:dd:05 dev tt0 nud permanent"));
	CHECK(run("ip neigh add 10.1.0.2 lladdr 02:aa:bb:cc:dd:06 dev tt1 nud permanent"));
	CHECK(run("ip neigh add 10.2.0.2 lladdr 02:aa:bb:cc:dd:07 dev tt1 nud permanent"));
	CHECK(run("ip neigh add 10.1.0.3 lladdr 02:aa:bb:cc:dd:02 dev tt1 nud permanent"));
}

static void check_all(struct neighbour *neighbour)
{
	CHECK(is(neighbour, "10.1.0.2", "tt0", "02:aa:bb:cc:dd:01"));
	CHECK(is(neighbour, "10.1.0.3", "tt0", "02:aa:bb:cc:dd:02"));
	CHECK(is(neighbour, "10.1.0.4", "tt0", "02:aa:bb:cc:dd:03"));
	CHECK(is(neighbour, "::ffff:10.1.0.4", "tt0", "02:aa:bb:cc:dd:03"));
	CHECK(is(neighbour, "2001:db8::2", "tt0", "02:aa:bb:cc:dd:05"));
	CHECK(is(neighbour, "10.1.0.2", "tt1", "02:aa:bb:cc:dd:06"));
	CHECK(is_unknown(neighbour, "10.1.0.5", "tt0"));    /* noarp */
	CHECK(is_unknown(neighbour, "10.1.0.6", "tt0"));    /* failed */
	CHECK(is_unknown(neighbour, "10.1.0.7", "tt0"));    /* none */
	CHECK(is_unknown(neighbour, "2001:db8::3", "tt0")); /* none */
	CHECK(is_unknown(neighbour, "10.2.0.2", "tt0"));    /* elsewhere */
	CHECK(is_unknown(neighbour, "10.1.0.1", "tt0"));    /* our own */
	CHECK(is_unknown(neighbour, "127.0.0.1", "lo"));
	struct ipaddr addr;
	uint8_t mac[NEIGHBOUR_MAC_BYTES];
	CHECK(ipaddr_parse(STR("10.1.0.2"), &addr) == 0);
	CHECK(neighbour_mac(neighbour, &addr, 9999, mac) == E_NOTFOUND); /* no such interface */
	CHECK(is(neighbour, "10.2.0.2", NULL, "02:aa:bb:cc:dd:07"));
	CHECK(is(neighbour, "10.1.0.3", NULL, "02:aa:bb:cc:dd:02")); /* both say the same */
	CHECK(is_unknown(neighbour, "10.1.0.2", NULL));              /* they don't */
	CHECK(is(neighbour, "10.1.0.2", "tt0", "02:aa:bb:cc:dd:01"));
}

static void ask_for_one(void *ctx)
{
	(void)ctx;
	enter_network();
	add_entries();
	struct neighbour neighbour;
	neighbour_init(&neighbour);
	check_all(&neighbour);
	neighbour_done(&neighbour);
	neighbour_done(&neighbour);
	check_all(&neighbour); /* opens again */
	neighbour_done(&neighbour);
}

static void test_known_and_unknown(void **state)
{
	(void)state;
	child_run_or_skip(ask_for_one, NULL, NO_NETWORK);
}

static void ask_for_list(void *ctx)
{
	(void)ctx;
	enter_network();
	add_entries();
	struct neighbour neighbour = {.lists_only_ = true}; /* as before Linux 5.0 */
	check_all(&neighbour);
	CHECK(neighbour.lists_only_);
	neighbour_done(&neighbour);
}

static void test_known_and_unknown_by_list(void **state)
{
	(void)state;
	child_run_or_skip(ask_for_list, NULL, NO_NETWORK);
}

/* More than one datagram of the kernel's; asked often, and with the socket kept. */
static void ask_among_many(void *ctx)
{
	(void)ctx;
	enter_network();
	FILE *batch = popen("ip -batch -", "w");
	CHECK(batch);
	for (int i = 0; i < MANY; i++) {
		(void)fprintf(batch,
			"neigh add 10.1.%d.%d lladdr 02:00:00:00:%02x:%02x dev tt0 nud permanent\n",
			1 + i / 200, 1 + i % 200, 1 + i / 200, 1 + i % 200);
	}
	CHECK(pclose(batch) == 0);
	struct neighbour one = {0};
	struct neighbour list = {.lists_only_ = true};
	struct timespec begun;
	struct timespec ended;
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	for (int i = 0; i < 1000; i++) {
		CHECK(is(&one, "10.1.5.100", "tt0", "02:00:00:00:05:64"));
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &ended);
	CHECK(ended.tv_sec - begun.tv_sec <= ENOUGH_S);
	CHECK(is(&list, "10.1.5.100", "tt0", "02:00:00:00:05:64"));
	CHECK(is(&list, "10.1.1.1", "tt0", "02:00:00:00:01:01"));
	CHECK(is_unknown(&list, "10.1.9.9", "tt0"));
	neighbour_done(&one);
	neighbour_done(&list);
}

static void test_among_many(void **state)
{
	(void)state;
	child_run_or_skip(ask_among_many, NULL, NO_NETWORK);
}

/* What was left over from a question that was given up is not taken for an answer. */
static void ask_after_leftovers(void *ctx)
{
	(void)ctx;
	enter_network();
	add_entries();
	struct neighbour neighbour = {0};
	CHECK(is(&neighbour, "10.1.0.2", "tt0", "02:aa:bb:cc:dd:01"));
	neighbour.netlink.sequence_ += 1000; /* answers to 1 … are now old */
	CHECK(is(&neighbour, "10.1.0.3", "tt0", "02:aa:bb:cc:dd:02"));
	neighbour.netlink.sequence_ -= 1001;
	CHECK(is(&neighbour, "10.1.0.4", "tt0", "02:aa:bb:cc:dd:03"));
	/* A socket that has been broken is made anew. */
	CHECK(shutdown(neighbour.netlink.fd_, SHUT_RDWR) == 0 || errno == EOPNOTSUPP);
	CHECK(close(neighbour.netlink.fd_) == 0);
	uint8_t mac[NEIGHBOUR_MAC_BYTES];
	CHECK(look(&neighbour, "10.1.0.4", "tt0", mac) == -EBADF);
	CHECK(is(&neighbour, "10.1.0.4", "tt0", "02:aa:bb:cc:dd:03"));
	neighbour_done(&neighbour);
}

static void test_leftovers(void **state)
{
	(void)state;
	child_run_or_skip(ask_after_leftovers, NULL, NO_NETWORK);
}

/* In the kernel's place: somebody who always has something else to say. */
struct talker {
	int fd;
	_Atomic bool enough;
};

static void *talk(void *ctx)
{
	struct talker *talker = ctx;
	const struct nlmsghdr other = {.nlmsg_len = sizeof other, .nlmsg_seq = 4711};
	while (!talker->enough) {
		(void)!send(talker->fd, &other, sizeof other, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)poll(NULL, 0, NETLINK_WAIT_MS / 5);
	}
	return NULL;
}

static int64_t ms_since(const struct timespec *begun)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - begun->tv_sec) * 1000 + (now.tv_nsec - begun->tv_nsec) / 1000000;
}

static void test_an_answer_that_goes_on_and_on(void **state)
{
	(void)state;
	static const uint8_t mac[NEIGHBOUR_MAC_BYTES] = {2};
	for (int port = 0; port < 2; port++) {
		int fds[2];
		pthread_t thread;
		struct timespec begun;
		struct ipaddr addr;
		uint8_t ret_mac[NEIGHBOUR_MAC_BYTES];
		unsigned ret_port;
		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
		assert_int_equal(ipaddr_parse(STR("10.1.0.2"), &addr), 0);
		struct neighbour neighbour = {.netlink = {.fd_ = fds[0], .is_open_ = true}};
		struct talker talker = {.fd = fds[1]};
		assert_int_equal(pthread_create(&thread, NULL, talk, &talker), 0);
		(void)clock_gettime(CLOCK_MONOTONIC, &begun);
		int rc = port ? neighbour_port(&neighbour, mac, 1, 0, &ret_port)
			      : neighbour_mac(&neighbour, &addr, 1, ret_mac);
		int64_t took_ms = ms_since(&begun);
		talker.enough = true;
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(rc, -ETIMEDOUT);
		assert_in_range(took_ms, NEIGHBOUR_WAIT_MS - CLOCK_MS, 10 * NEIGHBOUR_WAIT_MS);
		neighbour_done(&neighbour);
		(void)close(fds[1]);
	}
}

static void test_zeroed_is_done(void **state)
{
	(void)state;
	struct neighbour neighbour = {0};
	neighbour_done(&neighbour);
	neighbour_done(NULL);
	assert_int_equal(write(STDOUT_FILENO, "", 0), 0); /* descriptor 0 or 1 is still there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_and_unknown),
		cmocka_unit_test(test_known_and_unknown_by_list),
		cmocka_unit_test(test_among_many),
		cmocka_unit_test(test_leftovers),
		cmocka_unit_test(test_an_answer_that_goes_on_and_on),
		cmocka_unit_test(test_zeroed_is_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
