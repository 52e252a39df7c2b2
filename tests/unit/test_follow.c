/* Listeners that come and go, told by a handler that keeps account; in a network namespace. */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/follow.h"
#include "tests/fake/alloc.h"
#include "tests/unit/child.h"

#define NO_NETWORK "no network namespaces here, or no \"ip\" with bridges"
#define WORKERS    2
#define ROOM       3
#define WAIT_MS    5000

/* Has room for so many, and holds their sockets. */
static struct handler {
	unsigned room;
	unsigned opened, closed, refused;
	bool taken[ROOM];
	struct place places[ROOM];
	int fds[ROOM][WORKERS];
} handler;

static int on_open(void *ctx, const struct place *place, const int *fds)
{
	struct handler *h = ctx;
	for (unsigned i = 0; i < h->room; i++) {
		if (!h->taken[i]) {
			h->taken[i] = true;
			h->places[i] = *place;
			memcpy(h->fds[i], fds, sizeof h->fds[i]);
			h->opened++;
			return (int)i;
		}
	}
	for (unsigned w = 0; w < WORKERS; w++) {
		CHECK(close(fds[w]) == 0);
	}
	h->refused++;
	return E_LIMIT;
}

static void on_close(void *ctx, unsigned number)
{
	struct handler *h = ctx;
	CHECK(number < h->room && h->taken[number]);
	for (unsigned w = 0; w < WORKERS; w++) {
		CHECK(close(h->fds[number][w]) == 0);
	}
	h->taken[number] = false;
	h->closed++;
}

static bool run(const char *command)
{
	return system(command) == 0;
}

static struct config *config_of(const char *text)
{
	static const struct config_flags flags = {.socket = "/run/s", .store = "sqlite:/s.db"};
	struct config *config = NULL;
	struct diag diag;
	int rc = config_from_text(&flags, str_of(text), &config, &diag);
	if (rc < 0) {
		(void)fprintf(stderr, "%s\n", diag.text);
	}
	CHECK(rc == 0);
	return config;
}

static struct config *enter(const char *listen)
{
	if (!child_unshare(CLONE_NEWNET) || !run("ip link set lo up 2>/dev/null") ||
		!run("ip link add probe0 type bridge 2>/dev/null && ip link delete probe0")) {
		_exit(CHILD_SKIPPED);
	}
	return config_of(listen);
}

/* No service manager has opened anything. */
static struct activation none;

static int begin(struct follow *follow, const struct config *config, int *ret_fd, struct diag *diag)
{
	const struct follow_handler to = {&handler, on_open, on_close};
	CHECK(follow_init(follow, config, STR_EMPTY, 7, WORKERS) == 0);
	return follow_begin(follow, &to, &none, ret_fd, diag);
}

/* Returns what follow_turn() says once there was news. */
static bool turn(struct follow *follow, int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	CHECK(poll(&wait, 1, WAIT_MS) == 1);
	return follow_turn(follow);
}

/* What there is no room for waits until there is. */
static void fill_up(void *ctx)
{
	(void)ctx;
	struct config *config =
		enter("listen: [{address: 10.0.0.1, port: 80, interface: \"tap*\", setUp: true,"
		      " network: lab}]");
	struct follow follow;
	int fd = -1;
	handler = (struct handler){.room = ROOM};
	CHECK(begin(&follow, config, &fd, NULL) == 0);
	CHECK(follow_is_needed(&follow) && handler.opened == 0);
	for (unsigned i = 0; i < ROOM; i++) {
		char command[64];
		(void)snprintf(command, sizeof command, "ip link add tap%u type bridge", i);
		CHECK(run(command));
	}
	CHECK(!turn(&follow, fd));
	CHECK(handler.opened == ROOM && handler.refused == 0);
	CHECK(handler.places[0].space == 7 && handler.places[0].bridge);
	CHECK(handler.places[0].ifindex == if_nametoindex(handler.places[0].interface));
	CHECK(str_eq(handler.places[0].network, STR("lab")));
	CHECK(run("ip link add tap9 type bridge"));
	CHECK(turn(&follow, fd)); /* there is something to be tried again */
	CHECK(handler.opened == ROOM && handler.refused >= 1);
	CHECK(run("ip link delete tap1"));
	CHECK(!turn(&follow, fd));
	CHECK(handler.opened == ROOM + 1 && handler.closed == 1);
	follow_done(&follow);
	CHECK(!run("ip address show | grep -q 10.0.0.1"));
	config_free(config);
}

static void test_room(void **state)
{
	(void)state;
	child_run_or_skip(fill_up, NULL, NO_NETWORK);
}

/* Without interfaces there is nothing to follow. */
static void listen_once(void *ctx)
{
	(void)ctx;
	struct config *config = enter("listen: [{address: 127.0.0.1, port: 80},"
				      " {address: 127.0.0.2, port: 80, netns: elsewhere}]");
	struct follow follow;
	int fd = 0;
	handler = (struct handler){.room = ROOM};
	CHECK(begin(&follow, config, &fd, NULL) == 0);
	CHECK(!follow_is_needed(&follow) && fd == -1);
	CHECK(handler.opened == 1 && handler.places[0].ifindex == 0);
	follow_done(&follow);
	follow_done(&follow); /* again is fine */
	config_free(config);
}

static void test_nothing_to_follow(void **state)
{
	(void)state;
	child_run_or_skip(listen_once, NULL, NO_NETWORK);
}

static void run_out_of_memory(void *ctx)
{
	(void)ctx;
	struct config *config = enter("listen: [{address: 10.0.0.1, port: 80, interface: tap0,"
				      " setUp: true}, {address: 127.0.0.1, port: 81}]");
	struct follow follow;
	CHECK(run("ip link add tap0 type bridge"));
	for (unsigned n = 1;; n++) {
		const struct follow_handler to = {&handler, on_open, on_close};
		int fd = -1;
		handler = (struct handler){.room = ROOM};
		alloc_fail_at(n);
		int rc = follow_init(&follow, config, STR_EMPTY, 0, WORKERS);
		rc = rc == 0 ? follow_begin(&follow, &to, &none, &fd, NULL) : rc;
		bool failed = alloc_fail_at(0);
		CHECK(rc == (failed ? -ENOMEM : 0));
		follow_done(&follow);
		for (unsigned i = 0; i < ROOM; i++) {
			if (handler.taken[i]) {
				on_close(&handler, i);
			}
		}
		CHECK(!run("ip address show | grep -q 10.0.0.1"));
		if (!failed) {
			CHECK(handler.opened == 2 && n > 3);
			break;
		}
	}
	config_free(config);
}

static void test_memory_runs_out(void **state)
{
	(void)state;
	child_run_or_skip(run_out_of_memory, NULL, NO_NETWORK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_nothing_to_follow),
		cmocka_unit_test(test_memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
