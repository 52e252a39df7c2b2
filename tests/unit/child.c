#include "tests/unit/child.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cmocka.h>

int child_run(void (*body)(void *ctx), void *ctx)
{
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)alarm(CHILD_MOST_S);
		body(ctx);
		_exit(0);
	}
	int status = 0;
	assert_true(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_run_or_skip(void (*body)(void *ctx), void *ctx, const char *why)
{
	int code = child_run(body, ctx);
	if (code == CHILD_SKIPPED) {
		print_message("SKIPPED: %s\n", why);
		skip();
	}
	assert_int_equal(code, 0);
}

static bool write_file(const char *path, const char *text)
{
	ssize_t n = (ssize_t)strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == n;
	if (fd >= 0) {
		(void)close(fd);
	}
	return ok;
}

bool child_unshare(int flags)
{
	char uid_map[32];
	char gid_map[32];
	(void)snprintf(uid_map, sizeof uid_map, "0 %u 1", geteuid());
	(void)snprintf(gid_map, sizeof gid_map, "0 %u 1", getegid());
	if (unshare(flags) < 0 && (unshare(CLONE_NEWUSER | flags) < 0 ||
					  !write_file("/proc/self/setgroups", "deny") ||
					  !write_file("/proc/self/uid_map", uid_map) ||
					  !write_file("/proc/self/gid_map", gid_map))) {
		return false;
	}
	return !(flags & CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}
