/* Unit tests of platform/notify.h, with a manager of our own. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "platform/notify.h"

#define MESSAGE_BYTES 1024
#define PATIENCE_S    10

/* The manager: a socket in a folder of its own. */
struct manager {
	char folder[32];
	char path[64];
	int fd;
	struct notify notify;
	char message[MESSAGE_BYTES + 1];
};

static void wish(const char *name, const char *value)
{
	assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void wishes(const char *where, const char *usec, const char *pid)
{
	wish("NOTIFY_SOCKET", where);
	wish("WATCHDOG_USEC", usec);
	wish("WATCHDOG_PID", pid);
}

static int open_at(const struct sockaddr_un *addr, socklen_t bytes)
{
	const struct timeval wait = {.tv_sec = PATIENCE_S};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)addr, bytes), 0);
	return fd;
}

static int setup(void **state)
{
	struct manager *m = calloc(1, sizeof *m);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	assert_non_null(m);
	(void)snprintf(m->folder, sizeof m->folder, "/tmp/notify-XXXXXX");
	assert_non_null(mkdtemp(m->folder));
	(void)snprintf(m->path, sizeof m->path, "%s/socket", m->folder);
	memcpy(addr.sun_path, m->path, strlen(m->path));
	m->fd = open_at(&addr, sizeof addr);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct manager *m = *state;
	notify_done(&m->notify);
	close(m->fd);
	unlink(m->path);
	rmdir(m->folder);
	wishes(NULL, NULL, NULL);
	free(m);
	return 0;
}

static const char *heard(struct manager *m)
{
	ssize_t n = recv(m->fd, m->message, MESSAGE_BYTES, 0);
	assert_true(n > 0);
	m->message[n] = '\0';
	return m->message;
}

static void test_what_is_said(void **state)
{
	struct manager *m = *state;
	struct diag diag;
	wishes(m->path, NULL, NULL);
	assert_int_equal(notify_init(&m->notify, &diag), 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_int_equal(m->notify.watchdog_ms, 0);
	notify_ready(&m->notify, "Serving %d", 7);
	assert_string_equal(heard(m), "READY=1\nSTATUS=Serving 7");
	/* A line break would begin an assignment. */
	notify_ready(&m->notify, "failed: %s", "a\nMAINPID=1");
	assert_string_equal(heard(m), "READY=1\nSTATUS=failed: a MAINPID=1");
	notify_stopping(&m->notify, "bye");
	assert_string_equal(heard(m), "STOPPING=1\nSTATUS=bye");
	notify_alive(&m->notify);
	assert_string_equal(heard(m), "WATCHDOG=1");
	char longest[2000];
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	notify_ready(&m->notify, "%s", longest);
	assert_int_equal(strlen(heard(m)), strlen("READY=1\nSTATUS=") + NOTIFY_STATUS_BYTES);
}

static void test_the_time_of_a_reload(void **state)
{
	struct manager *m = *state;
	struct timespec before, after;
	long long us = 0;
	char rest[32] = "";
	wishes(m->path, NULL, NULL);
	assert_int_equal(notify_init(&m->notify, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	notify_reloading(&m->notify, "wait");
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_int_equal(sscanf(heard(m), "RELOADING=1\nMONOTONIC_USEC=%lld\n%31s", &us, rest), 2);
	assert_true(us >= before.tv_sec * 1000000LL + before.tv_nsec / 1000);
	assert_true(us <= after.tv_sec * 1000000LL + after.tv_nsec / 1000);
	assert_string_equal(rest, "STATUS=wait");
}

static void test_an_abstract_name(void **state)
{
	struct manager *m = *state;
	char name[64];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int n = snprintf(name, sizeof name, "@telltale-test-%d", (int)getpid());
	memcpy(addr.sun_path + 1, name + 1, (size_t)n - 1);
	close(m->fd);
	m->fd = open_at(&addr, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n));
	wishes(name, NULL, NULL);
	assert_int_equal(notify_init(&m->notify, NULL), 0);
	notify_alive(&m->notify);
	assert_string_equal(heard(m), "WATCHDOG=1");
}

static void test_the_watchdog(void **state)
{
	struct manager *m = *state;
	char own[16], other[16];
	(void)snprintf(own, sizeof own, "%d", (int)getpid());
	(void)snprintf(other, sizeof other, "%d", (int)getpid() + 1);
	const struct {
		int line;
		const char *where, *usec, *pid;
		uint64_t ms;
		int rc;
	} cases[] = {
		{__LINE__, m->path, "30000000", own, 30000, 0},
		{__LINE__, m->path, "30000000", NULL, 30000, 0},
		{__LINE__, m->path, "30000000", other, 0, 0},
		{__LINE__, m->path, NULL, own, 0, 0},
		{__LINE__, NULL, "30000000", own, 0, 0},
		{__LINE__, m->path, "1000", own, 1, 0},
		{__LINE__, m->path, "999", own, 0, E_RANGE},
		{__LINE__, m->path, "soon", own, 0, E_RANGE},
		{__LINE__, m->path, "-1", own, 0, E_RANGE},
		{__LINE__, m->path, "99999999999999999999999", own, 0, E_RANGE},
		{__LINE__, m->path, "30000000", "me", 0, E_RANGE},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct notify notify;
		struct diag diag = {{0}};
		wishes(cases[i].where, cases[i].usec, cases[i].pid);
		HOLDS(cases[i].line, notify_init(&notify, &diag) == cases[i].rc);
		HOLDS(cases[i].line, notify.watchdog_ms == cases[i].ms);
		HOLDS(cases[i].line, (cases[i].rc < 0) == (diag.text[0] != '\0'));
		HOLDS(cases[i].line, !getenv("WATCHDOG_USEC") && !getenv("WATCHDOG_PID"));
		notify_done(&notify);
	}
}

static void test_what_is_no_address(void **state)
{
	char long_path[200];
	memset(long_path, 'x', sizeof long_path);
	long_path[0] = '/';
	long_path[108] = '\0';
	const char *cases[] = {"", "/", "@", "run/notify", "vsock:2:1234", long_path};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct notify notify;
		struct diag diag = {{0}};
		wishes(cases[i], NULL, NULL);
		assert_int_equal(notify_init(&notify, &diag), E_SYNTAX);
		assert_non_null(strstr(diag.text, "NOTIFY_SOCKET"));
		notify_done(&notify);
	}
	long_path[107] = '\0';
	struct notify notify;
	wishes(long_path, NULL, NULL);
	assert_int_equal(notify_init(&notify, NULL), 0);
	notify_done(&notify);
}

/* Neither no manager nor one that has gone is our trouble. */
static void test_nobody_listens(void **state)
{
	struct manager *m = *state;
	wishes(NULL, NULL, NULL);
	assert_int_equal(notify_init(&m->notify, NULL), 0);
	notify_ready(&m->notify, "hello");
	notify_alive(&m->notify);
	wishes(m->path, NULL, NULL);
	assert_int_equal(notify_init(&m->notify, NULL), 0);
	unlink(m->path);
	notify_ready(&m->notify, "hello");
	/* And another that comes in its place is told. */
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, m->path, strlen(m->path));
	close(m->fd);
	m->fd = open_at(&addr, sizeof addr);
	notify_alive(&m->notify);
	assert_string_equal(heard(m), "WATCHDOG=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_time_of_a_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_abstract_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_watchdog, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_listens, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
