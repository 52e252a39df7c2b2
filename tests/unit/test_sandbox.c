/* Unit tests of platform/sandbox.h: each in a process of its own, which ends with what is not allowed. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "platform/sandbox.h"
#include "tests/unit/child.h"
#include "version.h"

#define NO_FILTER "no filters of system calls here, or made with sanitizers"
#define LINE      200

static void enter(void)
{
	if (!TELLTALE_SANDBOX) {
		_exit(CHILD_SKIPPED);
	}
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	int rc = sandbox_enter();
	if (rc == -ENOSYS || rc == -EINVAL) {
		_exit(CHILD_SKIPPED);
	}
	CHECK(rc == 0);
}

/* --- what a worker does ------------------------------------------------------------------------ */

static void use_memory(void)
{
	enum { BLOCKS = 64 };
	char *blocks[BLOCKS];
	for (size_t round = 1; round < 4; round++) {
		for (size_t i = 0; i < BLOCKS; i++) {
			blocks[i] = malloc(i * 10000 * round + 1);
			CHECK(blocks[i]);
			blocks[i] = realloc(blocks[i], i * 20000 * round + 1);
			CHECK(blocks[i]);
		}
		for (size_t i = 0; i < BLOCKS; i++) {
			free(blocks[i]);
		}
	}
}

static void use_sockets(void)
{
	int pair[2];
	char byte;
	CHECK(send(STDERR_FILENO, "", 0, MSG_NOSIGNAL) == -1 && errno == ENOTSOCK);
	CHECK(recv(STDERR_FILENO, &byte, 1, 0) == -1 && errno == ENOTSOCK);
	CHECK(accept4(STDERR_FILENO, NULL, NULL, SOCK_CLOEXEC) == -1 && errno == ENOTSOCK);
	CHECK(shutdown(STDERR_FILENO, SHUT_WR) == -1 && errno == ENOTSOCK);
	pair[0] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	CHECK(pair[0] >= 0 || errno == EPERM || errno == EAFNOSUPPORT);
	CHECK(pair[0] < 0 || close(pair[0]) == 0);
}

static void use_threads_things(void *ctx)
{
	int *fds = ctx;
	struct epoll_event event;
	uint64_t one = 1;
	unsigned char bytes[16];
	CHECK(write(fds[1], &one, sizeof one) == sizeof one);
	CHECK(epoll_pwait(fds[0], &event, 1, 0, NULL) == 1);
	CHECK(read(fds[1], &one, sizeof one) == sizeof one);
	CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
	CHECK(sched_yield() == 0);
	/* The C library tries, and can do without. */
	CHECK(open("/etc/passwd", O_RDONLY | O_CLOEXEC) == -1 && errno == EACCES);
}

static void *work(void *ctx)
{
	enter();
	use_memory();
	use_sockets();
	use_threads_things(ctx);
	return NULL; /* and the thread's own end */
}

/* The others are as before. */
static void confine_one(void *ctx)
{
	pthread_t thread;
	int fds[2] = {epoll_create1(EPOLL_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
	struct epoll_event event = {.events = EPOLLIN};
	(void)ctx;
	CHECK(epoll_ctl(fds[0], EPOLL_CTL_ADD, fds[1], &event) == 0);
	CHECK(pthread_create(&thread, NULL, work, fds) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && close(fd) == 0);
}

static void test_what_a_worker_does(void **state)
{
	(void)state;
	child_run_or_skip(confine_one, NULL, NO_FILTER);
}

/* --- what it does not -------------------------------------------------------------------------- */

static void open_file(void)
{
	(void)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0);
}

static void connect_out(void)
{
	(void)socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void make_process(void)
{
	(void)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void run_program(void)
{
	char *argv[] = {NULL};
	(void)execv("/bin/true", argv);
}

static void map_code(void)
{
	(void)mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void make_code(void)
{
	static char page[8192] __attribute__((aligned(4096)));
	(void)mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void signal_others(void)
{
	(void)syscall(SYS_tgkill, 1, 1, 0);
}

static void look_into_others(void)
{
	(void)syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, 1, NULL, NULL);
}

static void unknown(void)
{
	(void)syscall(100000);
}

struct violation {
	int line;
	void (*commit)(void);
	long call;
};

static void commit(void *ctx)
{
	const struct violation *violation = ctx;
	enter();
	violation->commit();
	_exit(0);
}

/* The reason is in the log, and the number of the call with it. */
static void check_log(int fd, const struct violation *violation)
{
	char line[LINE + 1], wanted[32];
	ssize_t n = read(fd, line, LINE);
	HOLDS(violation->line, n > 0);
	line[n] = '\0';
	(void)snprintf(wanted, sizeof wanted, " call=%ld\n", violation->call);
	HOLDS(violation->line, strstr(line, "level=error src=sandbox"));
	HOLDS(violation->line, strstr(line, wanted));
}

static void test_what_it_does_not(void **state)
{
	struct violation violations[] = {
		{__LINE__, open_file, SYS_openat2},
		{__LINE__, connect_out, SYS_socket},
		{__LINE__, make_process, SYS_clone},
		{__LINE__, run_program, SYS_execve},
		{__LINE__, map_code, SYS_mmap},
		{__LINE__, make_code, SYS_mprotect},
		{__LINE__, signal_others, SYS_tgkill},
		{__LINE__, look_into_others, SYS_ptrace},
		{__LINE__, unknown, 100000},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(violations); i++) {
		int pipes[2], saved = dup(STDERR_FILENO);
		assert_int_equal(pipe(pipes), 0);
		assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
		int code = child_run(commit, &violations[i]);
		assert_true(dup2(saved, STDERR_FILENO) >= 0);
		(void)close(saved);
		(void)close(pipes[1]);
		if (code == CHILD_SKIPPED) {
			print_message("SKIPPED: %s\n", NO_FILTER);
			skip();
		}
		HOLDS(violations[i].line, code == SANDBOX_EXIT);
		check_log(pipes[0], &violations[i]);
		(void)close(pipes[0]);
	}
}

/* A failed assertion ends as it always does. */
static void abort_there(void *ctx)
{
	(void)ctx;
	enter();
	abort();
}

static void test_an_abort_is_one(void **state)
{
	(void)state;
	int code = child_run(abort_there, NULL);
	if (code == CHILD_SKIPPED) {
		print_message("SKIPPED: %s\n", NO_FILTER);
		skip();
	}
	assert_int_equal(code, 128 + SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_worker_does),
		cmocka_unit_test(test_what_it_does_not),
		cmocka_unit_test(test_an_abort_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
