/* Unit tests of platform/activation.h: each in a process of its own, whose descriptors 3, 4 … it sets. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/activation.h"
#include "tests/unit/child.h"

#define WORKERS 3

static void inherit(const char *pid, const char *fds)
{
	char own[16];
	(void)snprintf(own, sizeof own, "%d", (int)getpid());
	CHECK(setenv("LISTEN_PID", pid ? pid : own, 1) == 0);
	CHECK(setenv("LISTEN_FDS", fds, 1) == 0);
	CHECK(setenv("LISTEN_FDNAMES", "a:b", 1) == 0);
}

static struct listen_spec spec_of(const char *address, uint16_t port)
{
	struct listen_spec spec = {.port = port};
	CHECK(ipaddr_parse(str_of(address), &spec.address) == 0);
	return spec;
}

/* A manager's socket at descriptor `at`, blocking as theirs are. Returns the port. */
static uint16_t open_at(int at, int family, bool listens)
{
	struct sockaddr_storage addr = {.ss_family = (sa_family_t)family};
	struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)&addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&addr;
	socklen_t n = sizeof addr;
	if (family == AF_INET) {
		in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else {
		in6->sin6_addr = in6addr_loopback;
	}
	int fd = socket(family, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
		_exit(CHILD_SKIPPED);
	}
	CHECK(!listens || listen(fd, 8) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&addr, &n) == 0);
	CHECK(fd == at || dup2(fd, at) == at);
	if (fd != at) {
		close(fd);
	}
	return ntohs(family == AF_INET ? in4->sin_port : in6->sin6_port);
}

static void check_shared(const int *fds, size_t n, uint16_t port)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < n; i++) {
		CHECK(fds[i] > ACTIVATION_FIRST_FD);
		CHECK(fcntl(fds[i], F_GETFD) == FD_CLOEXEC);
		CHECK(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
		CHECK(accept(fds[i], NULL, NULL) == -1 && errno == EAGAIN);
		int client = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(connect(client, (struct sockaddr *)&in4, sizeof in4) == 0);
		int got = accept(fds[n - 1 - i], NULL, NULL); /* whichever of them */
		CHECK(got >= 0);
		close(got);
		close(client);
	}
}

static void take_both(void *ctx)
{
	struct activation activation;
	struct diag diag = {{0}};
	int fds[WORKERS];
	(void)ctx;
	uint16_t port = open_at(3, AF_INET, true);
	uint16_t other = open_at(4, AF_INET, true);
	inherit(NULL, "2");
	CHECK(activation_init(&activation, &diag) == 0);
	CHECK(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	CHECK(activation_left(&activation) == 2);
	struct listen_spec spec = spec_of("127.0.0.1", port);
	CHECK(activation_tcp(&activation, &spec, WORKERS, fds, &diag) == 0);
	CHECK(activation_left(&activation) == 1);
	activation_done(&activation);
	CHECK(fcntl(3, F_GETFD) == -1 && fcntl(4, F_GETFD) == -1);
	check_shared(fds, WORKERS, port);
	/* The other one was closed, so its place is free. */
	spec.port = other;
	CHECK(listen_tcp(&spec, 1, fds, &diag) == 0);
}

static void test_a_socket_is_shared(void **state)
{
	(void)state;
	child_run_or_skip(take_both, NULL, "no IPv4 loopback here");
}

static void open_beside(void *ctx)
{
	struct activation activation;
	int fds[WORKERS];
	(void)ctx;
	uint16_t port = open_at(3, AF_INET6, true);
	inherit(NULL, "1");
	CHECK(activation_init(&activation, NULL) == 0);
	/* The port is another address's here: a socket of our own. */
	struct listen_spec spec = spec_of("127.0.0.1", port);
	CHECK(activation_tcp(&activation, &spec, WORKERS, fds, NULL) == 0);
	CHECK(activation_left(&activation) == 1);
	/* The device is part of a place: this one would be heard on all. */
	spec = spec_of("::1", port);
	spec.interface = STR("lo");
	int rc = activation_tcp(&activation, &spec, WORKERS, fds, NULL);
	CHECK(rc == -EADDRINUSE || rc == -EPERM);
	spec.interface = STR_EMPTY;
	CHECK(activation_tcp(&activation, &spec, WORKERS, fds, NULL) == 0);
	CHECK(activation_left(&activation) == 0);
	/* Once it is somebody's it is nobody else's. */
	CHECK(activation_tcp(&activation, &spec, WORKERS, fds, NULL) == -EADDRINUSE);
}

static void test_only_the_same_place(void **state)
{
	(void)state;
	child_run_or_skip(open_beside, NULL, "no IPv6 loopback here");
}

static void take_unix(void *ctx)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct activation activation;
	(void)ctx;
	(void)snprintf(addr.sun_path, sizeof addr.sun_path, "/tmp/activation-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(fd, 8) == 0);
	CHECK(fd == 3 || dup2(fd, 3) == 3);
	inherit(NULL, "1");
	CHECK(activation_init(&activation, NULL) == 0);
	CHECK(activation_unix(&activation, STR("/tmp/another")) == E_NOTFOUND);
	int taken = activation_unix(&activation, str_of(addr.sun_path));
	CHECK(taken > 3 && fcntl(taken, F_GETFD) == FD_CLOEXEC);
	CHECK(activation_unix(&activation, str_of(addr.sun_path)) == E_NOTFOUND);
	activation_done(&activation);
	CHECK(access(addr.sun_path, F_OK) == 0);
	CHECK(unlink(addr.sun_path) == 0);
}

static void test_a_unix_socket(void **state)
{
	(void)state;
	assert_int_equal(child_run(take_unix, NULL), 0);
}

static void refuse_all(void *ctx)
{
	static const struct {
		const char *pid, *fds;
		int rc;
	} cases[] = {
		{"1", "1", 0}, /* another process is meant */
		{NULL, "0", 0}, {NULL, "257", E_LIMIT}, {NULL, "", E_SYNTAX},
		{NULL, "-1", E_SYNTAX}, {NULL, "18446744073709551616", E_SYNTAX},
		{"me", "1", E_SYNTAX}, {NULL, "1", E_RANGE}, /* a socket that does not listen */
	};
	struct diag diag;
	(void)ctx;
	(void)open_at(3, AF_INET, false);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct activation activation;
		inherit(cases[i].pid, cases[i].fds);
		CHECK(activation_init(&activation, &diag) == cases[i].rc);
		CHECK(activation_left(&activation) == 0);
		CHECK(!getenv("LISTEN_FDS"));
		activation_done(&activation);
		CHECK(fcntl(3, F_GETFD) >= 0);
	}
	struct activation activation;
	int pair[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && dup2(pair[0], 3) == 3);
	inherit(NULL, "1");
	CHECK(activation_init(&activation, &diag) == E_RANGE);
	CHECK(strstr(diag.text, "descriptor 3"));
	close(3);
	inherit(NULL, "1");
	CHECK(activation_init(&activation, &diag) == E_RANGE);
	CHECK(unsetenv("LISTEN_PID") == 0);
	CHECK(activation_init(&activation, &diag) == 0);
}

static void test_what_is_refused(void **state)
{
	(void)state;
	child_run_or_skip(refuse_all, NULL, "no IPv4 loopback here");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_socket_is_shared),
		cmocka_unit_test(test_only_the_same_place),
		cmocka_unit_test(test_a_unix_socket),
		cmocka_unit_test(test_what_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
