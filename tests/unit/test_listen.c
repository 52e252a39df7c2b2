/* Unit tests of platform/listen.h, on the loopback interface alone. */
#include "tests/unit/cases.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "platform/listen.h"
#include "tests/unit/child.h"

#define SOCKETS     4
#define CONNECTIONS 200
#define WAIT_MS     10000

static struct listen_spec spec_of(const char *address, uint16_t port)
{
	struct listen_spec spec = {.port = port, .interface = STR_EMPTY};
	assert_int_equal(ipaddr_parse(str_of(address), &spec.address), 0);
	return spec;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage addr;
	socklen_t n = sizeof addr;
	if (getsockname(fd, (struct sockaddr *)&addr, &n) < 0) {
		return 0;
	}
	return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&addr)->sin6_port
						: ((struct sockaddr_in *)(void *)&addr)->sin_port);
}

/* 0 or -errno; the descriptor is closed at once. */
static int connect_to(const char *address, uint16_t port, int *ret_fd)
{
	struct ipaddr addr;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	if (ipaddr_parse(str_of(address), &addr) < 0) {
		return -EINVAL;
	}
	memcpy(&in6.sin6_addr, addr.b, 16);
	memcpy(&in4.sin_addr, addr.b + 12, 4);
	bool v4 = ipaddr_is_v4(&addr);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = v4 ? connect(fd, (struct sockaddr *)&in4, sizeof in4)
		    : connect(fd, (struct sockaddr *)&in6, sizeof in6);
	rc = rc < 0 ? -errno : 0;
	if (rc == 0 && ret_fd) {
		*ret_fd = fd;
	} else {
		(void)close(fd);
	}
	return rc;
}

static int listen_one(const char *address, uint16_t port, struct diag *diag)
{
	struct listen_spec spec = spec_of(address, port);
	int fd = -1;
	int rc = listen_tcp(&spec, 1, &fd, diag);
	return rc < 0 ? rc : fd;
}

static int count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int n = 0;
	while (folder && readdir(folder)) {
		n++;
	}
	(void)closedir(folder);
	return n;
}

/* --- TCP --------------------------------------------------------------------------------------- */

static void test_format(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *address;
		uint16_t port;
		const char *text;
	} cases[] = {
		{__LINE__, "127.0.0.1", 1338, "127.0.0.1:1338"},
		{__LINE__, "0.0.0.0", 0, "0.0.0.0:0"},
		{__LINE__, "::1", 1338, "[::1]:1338"},
		{__LINE__, "::ffff:10.0.0.1", 80, "10.0.0.1:80"},
		{__LINE__, "2001:db8:1111:2222:3333:4444:5555:6666", 65535,
			"[2001:db8:1111:2222:3333:4444:5555:6666]:65535"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[LISTEN_TEXT_BYTES];
		struct ipaddr address;
		HOLDS(cases[i].line, ipaddr_parse(str_of(cases[i].address), &address) == 0);
		listen_format(&address, cases[i].port, text);
		HOLDS(cases[i].line, strcmp(text, cases[i].text) == 0);
	}
}

static int option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t n = sizeof value;
	assert_int_equal(getsockopt(fd, level, name, &value, &n), 0);
	return value;
}

static void test_options(void **state)
{
	(void)state;
	static const char *const addresses[] = {"127.0.0.1", "::1"};
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct diag diag;
		int fd = listen_one(addresses[i], 0, &diag);
		assert_true(fd >= 0);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(option_of(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
		assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEPORT), 1);
		assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
		assert_true(accept(fd, NULL, NULL) < 0 && errno == EAGAIN);
		(void)close(fd);
	}
}

/* All of them get connections, and none gets lost. */
static void test_several_share_a_port(void **state)
{
	(void)state;
	struct diag diag;
	int probe = listen_one("127.0.0.1", 0, &diag);
	uint16_t port = port_of(probe);
	(void)close(probe);
	struct listen_spec spec = spec_of("127.0.0.1", port);
	struct pollfd fds[SOCKETS];
	int listeners[SOCKETS], got[SOCKETS] = {0}, all = 0;
	assert_int_equal(listen_tcp(&spec, SOCKETS, listeners, &diag), 0);
	for (int i = 0; i < SOCKETS; i++) {
		assert_int_equal(port_of(listeners[i]), port);
		fds[i] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
	}
	for (int n = 0; n < CONNECTIONS; n++) {
		int client = -1;
		assert_int_equal(connect_to("127.0.0.1", port, &client), 0);
		assert_int_equal(poll(fds, SOCKETS, WAIT_MS), 1);
		for (int i = 0; i < SOCKETS; i++) {
			int fd = accept(listeners[i], NULL, NULL);
			got[i] += fd >= 0;
			all += fd >= 0;
			(void)(fd < 0 || close(fd));
		}
		(void)close(client);
	}
	assert_int_equal(all, CONNECTIONS);
	for (int i = 0; i < SOCKETS; i++) {
		assert_true(got[i] > 0);
		(void)close(listeners[i]);
	}
}

static void assert_in_use(const char *address, uint16_t port)
{
	char expected[128];
	struct diag diag = {{0}};
	int before = count_descriptors();
	struct listen_spec spec = spec_of(address, port);
	int fds[SOCKETS];
	(void)snprintf(expected, sizeof expected, "can't listen on %s:%u: Address already in use",
		address, port);
	assert_int_equal(listen_tcp(&spec, SOCKETS, fds, &diag), -EADDRINUSE);
	assert_string_equal(diag.text, expected);
	assert_int_equal(listen_tcp(&spec, 1, fds, NULL), -EADDRINUSE);
	assert_int_equal(count_descriptors(), before);
}

/* A socket that would share the port included: that is how a second daemon opens its own. */
static void test_in_use_by_another_socket(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct diag diag;
		struct sockaddr_in any = {.sin_family = AF_INET};
		int on = 1, fd;
		if (kind == 0) {
			fd = listen_one("127.0.0.1", 0, &diag);
		} else {
			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			any.sin_addr.s_addr = htonl(kind == 1 ? INADDR_LOOPBACK : INADDR_ANY);
			assert_int_equal(
				setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
			assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
			assert_int_equal(listen(fd, 1), 0);
		}
		assert_true(fd >= 0);
		assert_in_use("127.0.0.1", port_of(fd));
		uint16_t port = port_of(fd);
		(void)close(fd);
		/* And once it is gone, it works. */
		fd = listen_one("127.0.0.1", port, &diag);
		assert_true(fd >= 0);
		(void)close(fd);
	}
}

/* The other process tells its port and stays until its end of the pipe is closed. */
static void test_in_use_by_another_process(void **state)
{
	(void)state;
	int to[2], from[2];
	uint16_t port = 0;
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct listen_spec spec = {.address = {{[10] = 0xff, 0xff, 127, 0, 0, 1}}};
		int fds[2] = {-1, -1};
		char end;
		(void)alarm(CHILD_MOST_S);
		CHECK(listen_tcp(&spec, 1, fds, NULL) == 0);
		port = port_of(fds[0]);
		CHECK(write(from[1], &port, sizeof port) == sizeof port);
		(void)close(to[1]);
		_exit(read(to[0], &end, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(read(from[0], &port, sizeof port), sizeof port);
	assert_in_use("127.0.0.1", port);
	for (int i = 0; i < 2; i++) {
		(void)close(to[1 - i]);
		(void)close(from[i]);
	}
	int status = -1;
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
}

/* The side that closed first waits for late segments; a daemon must not wait for that. */
static void test_right_after_connections(void **state)
{
	(void)state;
	struct diag diag;
	char c;
	int fd = listen_one("127.0.0.1", 0, &diag), client = -1;
	uint16_t port = port_of(fd);
	assert_int_equal(connect_to("127.0.0.1", port, &client), 0);
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
	int server = accept(fd, NULL, NULL);
	assert_true(server >= 0);
	(void)close(server);
	assert_int_equal(read(client, &c, 1), 0);
	(void)close(client);
	(void)close(fd);
	fd = listen_one("127.0.0.1", port, &diag);
	assert_true(fd >= 0);
	(void)close(fd);
}

/* Both families on one port, each for itself. */
static void test_ipv6_takes_no_ipv4(void **state)
{
	(void)state;
	struct diag diag;
	int six = listen_one("::", 0, &diag);
	assert_true(six >= 0);
	uint16_t port = port_of(six);
	assert_int_equal(connect_to("127.0.0.1", port, NULL), -ECONNREFUSED);
	assert_int_equal(connect_to("::1", port, NULL), 0);
	int four = listen_one("0.0.0.0", port, &diag);
	assert_true(four >= 0);
	assert_int_equal(connect_to("127.0.0.1", port, NULL), 0);
	(void)close(six);
	assert_int_equal(connect_to("::1", port, NULL), -ECONNREFUSED);
	(void)close(four);
}

static void test_what_cannot_be(void **state)
{
	(void)state;
	struct diag diag = {{0}};
	int before = count_descriptors(), fd = -1;
	/* RFC 5737: an address for documentation */
	assert_int_equal(listen_one("192.0.2.1", 1338, &diag), -EADDRNOTAVAIL);
	assert_string_equal(
		diag.text, "can't listen on 192.0.2.1:1338: Cannot assign requested address");
	assert_int_equal(listen_one("2001:db8::1", 1338, &diag), -EADDRNOTAVAIL);
	assert_string_equal(
		diag.text, "can't listen on [2001:db8::1]:1338: Cannot assign requested address");
	struct listen_spec spec = spec_of("127.0.0.1", 0);
	spec.interface = (struct str){"nowhere0-and-more", 8};
	assert_int_equal(listen_tcp(&spec, 1, &fd, &diag), -ENODEV);
	assert_string_equal(diag.text, "can't listen on 127.0.0.1:0 at nowhere0: No such device");
	assert_int_equal(count_descriptors(), before);
}

/* Only that interface: named by a view that does not end where the name does. */
static void test_interface(void **state)
{
	(void)state;
	struct listen_spec spec = spec_of("127.0.0.1", 0);
	struct diag diag;
	int fd = -1;
	char name[IFNAMSIZ] = {0};
	socklen_t n = sizeof name;
	spec.interface = (struct str){"loop", 2};
	int rc = listen_tcp(&spec, 1, &fd, &diag);
	if (rc == -EPERM) {
		skip(); /* kernels before 5.7 ask for CAP_NET_RAW */
	}
	assert_int_equal(rc, 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &n), 0);
	assert_string_equal(name, "lo");
	assert_int_equal(connect_to("127.0.0.1", port_of(fd), NULL), 0);
	(void)close(fd);
}

static void test_has_address(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *address;
		bool here;
	} cases[] = {
		{__LINE__, "127.0.0.1", true},
		{__LINE__, "127.1.2.3", true}, /* all of 127.0.0.0/8 is */
		{__LINE__, "::1", true},
		{__LINE__, "192.0.2.1", false},
		{__LINE__, "2001:db8::1", false},
	};
	int before = count_descriptors();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ipaddr address;
		HOLDS(cases[i].line, ipaddr_parse(str_of(cases[i].address), &address) == 0);
		HOLDS(cases[i].line, listen_has_address(&address) == cases[i].here);
	}
	assert_int_equal(count_descriptors(), before);
}

/* Some of the sockets could be opened: none is left. */
static void run_out_of_descriptors(void *ctx)
{
	(void)ctx;
	struct listen_spec spec = {.address = {{[10] = 0xff, 0xff, 127, 0, 0, 1}}};
	struct diag diag = {{0}};
	struct rlimit limit;
	int fds[64];
	CHECK(listen_tcp(&spec, 1, fds, &diag) == 0);
	spec.port = port_of(fds[0]);
	(void)close(fds[0]);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = (rlim_t)fds[0] + 10;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	int before = count_descriptors();
	CHECK(listen_tcp(&spec, 64, fds, &diag) == -EMFILE);
	CHECK(strstr(diag.text, "Too many open files"));
	CHECK(count_descriptors() == before);
	CHECK(listen_tcp(&spec, 2, fds, &diag) == 0);
}

static void test_out_of_descriptors(void **state)
{
	(void)state;
	assert_int_equal(child_run(run_out_of_descriptors, NULL), 0);
}

/* --- Unix sockets ------------------------------------------------------------------------------ */

static char folder[] = "/tmp/telltale-listen-XXXXXX";
static char path[sizeof folder + 8];

static int make_folder(void **state)
{
	(void)state;
	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	if (!mkdtemp(folder)) {
		return -1;
	}
	(void)snprintf(path, sizeof path, "%s/socket", folder);
	return 0;
}

static int end_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

/* Connect to the path; 0 or -errno. */
static int reach(int type)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, sizeof path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	int rc = connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ? -errno : 0;
	(void)close(fd);
	return rc;
}

static int bind_there(int type)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, sizeof path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	return fd;
}

static int open_path(struct diag *diag)
{
	return listen_unix(str_of(path), 0600, diag);
}

static void assert_refused(int expected, const char *why)
{
	char text[256];
	struct diag diag = {{0}};
	struct stat before, after;
	int descriptors = count_descriptors();
	bool there = lstat(path, &before) == 0;
	(void)snprintf(text, sizeof text, "can't listen on %s: %s", path, why);
	assert_int_equal(open_path(&diag), expected);
	assert_string_equal(diag.text, text);
	assert_int_equal(lstat(path, &after) == 0, there);
	assert_true(!there || (before.st_ino == after.st_ino && before.st_mode == after.st_mode));
	assert_int_equal(count_descriptors(), descriptors);
}

#define ANSWERED "another process answers there"

static void test_unix(void **state)
{
	(void)state;
	static const unsigned modes[] = {0600, 0660, 0666, 0777};
	for (size_t i = 0; i < COUNT(modes); i++) {
		struct diag diag;
		struct stat st;
		mode_t before = umask(i % 2 ? 0077 : 0);
		int fd = listen_unix(str_of(path), modes[i], &diag);
		(void)umask(before);
		assert_true(fd >= 0);
		assert_int_equal(lstat(path, &st), 0);
		assert_true(S_ISSOCK(st.st_mode));
		assert_int_equal(st.st_mode & 07777, modes[i]);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(reach(SOCK_STREAM), 0);
		int client = accept(fd, NULL, NULL);
		assert_true(client >= 0);
		(void)close(client);
		(void)close(fd);
		/* What is left behind is dead, and replaced in the next turn. */
		assert_int_equal(reach(SOCK_STREAM), -ECONNREFUSED);
	}
}

static void test_unix_in_use(void **state)
{
	(void)state;
	struct diag diag;
	int fd = open_path(&diag);
	assert_true(fd >= 0);
	assert_refused(-EADDRINUSE, ANSWERED);
	assert_int_equal(reach(SOCK_STREAM), 0);
	assert_int_equal(listen_unix(str_of(path), 0600, NULL), -EADDRINUSE);
	(void)close(fd);
}

/* One that answers to nobody just now is not dead: its process may be busy. */
static void try_while_queue_is_full(void *ctx)
{
	(void)ctx;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, sizeof path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), n = 0;
	CHECK(bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(fd, 0) == 0);
	for (; n < 100; n++) {
		int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(client, (struct sockaddr *)&addr, sizeof addr) < 0) {
			CHECK(errno == EAGAIN);
			break;
		}
	}
	CHECK(n < 100);
	(void)alarm(5);
	CHECK(listen_unix(str_of(path), 0600, NULL) == -EADDRINUSE);
	CHECK(access(path, F_OK) == 0);
}

static void test_unix_queue_is_full(void **state)
{
	(void)state;
	assert_int_equal(child_run(try_while_queue_is_full, NULL), 0);
}

static void test_unix_other_kind(void **state)
{
	(void)state;
	static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
	for (size_t i = 0; i < COUNT(types); i++) {
		int fd = bind_there(types[i]);
		(void)(types[i] != SOCK_SEQPACKET || listen(fd, 1));
		assert_refused(-EADDRINUSE, ANSWERED);
		assert_int_equal(reach(types[i]), 0);
		(void)close(fd);
		(void)unlink(path);
	}
}

static void become_nobody(void)
{
	const struct passwd *entry = getpwnam("nobody");
	if (geteuid() != 0 || !entry ||
		setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) < 0 ||
		setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0) {
		_exit(CHILD_SKIPPED);
	}
}

/* Another user's, in a folder that everybody may change: who can't ask must not take it for dead. */
static void try_as_nobody(void *ctx)
{
	(void)ctx;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, sizeof path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(fd, 5) == 0);
	CHECK(chmod(path, 0600) == 0 && chmod(folder, 0777) == 0);
	become_nobody();
	struct diag diag = {{0}};
	CHECK(listen_unix(str_of(path), 0600, &diag) < 0);
	CHECK(strstr(diag.text, path));
	CHECK(access(path, F_OK) == 0);
}

static void test_unix_of_another_user(void **state)
{
	(void)state;
	child_run_or_skip(try_as_nobody, NULL, "not root of a system with a user \"nobody\"");
}

static void test_unix_not_a_socket(void **state)
{
	(void)state;
	const char *why = "there is a file that is not a socket";
	char other[sizeof path + 8];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_refused(-EEXIST, why);
	assert_int_equal(unlink(path), 0);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(-EEXIST, why);
	assert_int_equal(rmdir(path), 0);

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(-EEXIST, why);
	assert_int_equal(unlink(path), 0);

	/* Not followed, whether it leads somewhere or not. */
	assert_int_equal(symlink("nowhere", path), 0);
	assert_refused(-EEXIST, why);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(other, sizeof other, "%s2", path);
	(void)close(bind_there(SOCK_STREAM));
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_refused(-EEXIST, why);
	assert_int_equal(access(other, F_OK), 0);
	assert_int_equal(unlink(other), 0);
}

static void test_unix_path(void **state)
{
	(void)state;
	struct sockaddr_un addr;
	struct diag diag = {{0}};
	char name[sizeof addr.sun_path + 2];
	int before = count_descriptors();
	/* As long as there is room for, with the NUL, and one more. */
	int n = snprintf(name, sizeof name, "%s/", folder);
	memset(name + n, 's', sizeof name - (size_t)n);
	int fd = listen_unix((struct str){name, sizeof addr.sun_path - 1}, 0600, &diag);
	assert_true(fd >= 0);
	(void)close(fd);
	name[sizeof addr.sun_path - 1] = '\0';
	assert_int_equal(unlink(name), 0);
	name[sizeof addr.sun_path - 1] = 's';
	assert_int_equal(
		listen_unix((struct str){name, sizeof addr.sun_path}, 0600, &diag), E_LIMIT);
	assert_non_null(strstr(diag.text, "has 1 to 107 characters"));
	assert_int_equal(listen_unix(STR_EMPTY, 0600, &diag), E_LIMIT);
	assert_int_equal(listen_unix(STR("/nowhere/at/all/socket"), 0600, &diag), -ENOENT);
	assert_string_equal(
		diag.text, "can't listen on /nowhere/at/all/socket: No such file or directory");
	assert_int_equal(count_descriptors(), before);
}

#define unix_test(name) cmocka_unit_test_setup_teardown(name, make_folder, end_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_several_share_a_port),
		cmocka_unit_test(test_in_use_by_another_socket),
		cmocka_unit_test(test_in_use_by_another_process),
		cmocka_unit_test(test_right_after_connections),
		cmocka_unit_test(test_ipv6_takes_no_ipv4),
		cmocka_unit_test(test_what_cannot_be),
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_has_address),
		cmocka_unit_test(test_out_of_descriptors),
		unix_test(test_unix),
		unix_test(test_unix_in_use),
		unix_test(test_unix_queue_is_full),
		unix_test(test_unix_other_kind),
		unix_test(test_unix_of_another_user),
		unix_test(test_unix_not_a_socket),
		unix_test(test_unix_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
