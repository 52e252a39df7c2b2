/* In children: what is given up does not come back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "platform/privileges.h"
#include "tests/unit/child.h"

#define STATUS_BYTES 8192
#define BIND         PRIVILEGES_CAPABILITY(CAP_NET_BIND_SERVICE)
#define NO_ROOT      "not root, and no user namespaces here"
#define NO_USERS     "not root of a system with a user \"nobody\""

/* As root, or as root of a user namespace. */
static void be_root(void)
{
	if (geteuid() != 0 && !child_unshare(CLONE_NEWUTS)) {
		_exit(CHILD_SKIPPED);
	}
}

static void read_status(char ret_text[STATUS_BYTES])
{
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, ret_text, STATUS_BYTES - 1) : -1;
	CHECK(n > 0);
	ret_text[n] = '\0';
	(void)close(fd);
}

/* The rest of the line "NAME:\t…" as the kernel tells it. */
static bool status_is(const char *name, const char *expected)
{
	char text[STATUS_BYTES];
	char line[64];
	read_status(text);
	int n = snprintf(line, sizeof line, "\n%s:\t", name);
	const char *at = strstr(text, line);
	CHECK(at);
	at += n;
	if (strncmp(at, expected, strlen(expected)) == 0 && at[strlen(expected)] == '\n') {
		return true;
	}
	(void)fprintf(stderr, "%s: %.40s\n", name, at);
	return false;
}

static bool set_is(const char *name, uint64_t expected)
{
	char text[32];
	(void)snprintf(text, sizeof text, "%016" PRIx64, expected);
	return status_is(name, text);
}

static void check_sets(uint64_t expected)
{
	CHECK(set_is("CapPrm", expected));
	CHECK(set_is("CapEff", expected));
	CHECK(set_is("CapBnd", expected));
	CHECK(set_is("CapInh", 0));
	CHECK(set_is("CapAmb", 0));
	CHECK(status_is("NoNewPrivs", "1"));
}

static void drop(const struct privileges_wish *wish)
{
	struct diag diag = {{0}};
	int rc = privileges_drop(wish, &diag);
	if (rc < 0) {
		(void)fprintf(stderr, "%s\n", diag.text);
	}
	CHECK(rc == 0);
}

static void drop_all(void *ctx)
{
	(void)ctx;
	be_root();
	drop(&(struct privileges_wish){0});
	check_sets(0);
	CHECK(status_is("Uid", "0\t0\t0\t0"));
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHECK(sethostname("x", 1) < 0 && errno == EPERM);
	drop(&(struct privileges_wish){0}); /* again is fine */
	check_sets(0);
}

static void test_root_keeps_nothing(void **state)
{
	(void)state;
	child_run_or_skip(drop_all, NULL, NO_ROOT);
}

/* A thread's capabilities are its own. */
static void *narrow_here(void *ctx)
{
	(void)ctx;
	CHECK(privileges_narrow(0) == 0);
	CHECK(set_is("CapPrm", BIND)); /* status is the first thread's */
	CHECK(sethostname("x", 1) < 0 && errno == EPERM);
	return NULL;
}

static void narrow(void *ctx)
{
	(void)ctx;
	pthread_t thread;
	be_root();
	CHECK(privileges_narrow(BIND | PRIVILEGES_CAPABILITY(CAP_NET_RAW)) == 0);
	CHECK(set_is("CapPrm", BIND | PRIVILEGES_CAPABILITY(CAP_NET_RAW)));
	CHECK(privileges_narrow(BIND | PRIVILEGES_CAPABILITY(CAP_SYS_ADMIN)) == 0);
	CHECK(set_is("CapPrm", BIND)); /* nothing comes back */
	CHECK(set_is("CapEff", BIND));
	CHECK(pthread_create(&thread, NULL, narrow_here, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(set_is("CapEff", BIND));
}

static void test_narrow(void **state)
{
	(void)state;
	child_run_or_skip(narrow, NULL, NO_ROOT);
}

static void drop_all_but_one(void *ctx)
{
	(void)ctx;
	be_root();
	drop(&(struct privileges_wish){.capabilities = BIND, .user = "", .dumpable = true});
	check_sets(BIND);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
	drop(&(struct privileges_wish){.capabilities = ~(uint64_t)0}); /* nothing comes back */
	CHECK(set_is("CapPrm", BIND));
	CHECK(set_is("CapEff", BIND));
	CHECK(set_is("CapBnd", BIND));
}

static void test_root_keeps_one(void **state)
{
	(void)state;
	child_run_or_skip(drop_all_but_one, NULL, NO_ROOT);
}

/* Programs that root runs get all capabilities otherwise. */
static void exec_after(void *ctx)
{
	(void)ctx;
	be_root();
	drop(&(struct privileges_wish){.dumpable = true});
	(void)execlp("grep", "grep", "-q", "CapEff:.0000000000000000", "/proc/self/status",
		(char *)NULL);
	_exit(CHILD_SKIPPED);
}

static void test_programs_get_nothing(void **state)
{
	(void)state;
	child_run_or_skip(exec_after, NULL, "no grep here, or " NO_ROOT);
}

static struct passwd *nobody(void)
{
	struct passwd *entry = getpwnam("nobody");
	/* In a user namespace the user may be there in name only. */
	if (geteuid() != 0 || !entry || seteuid(entry->pw_uid) < 0 || seteuid(0) < 0) {
		_exit(CHILD_SKIPPED);
	}
	return entry;
}

static void become_nobody(void *ctx)
{
	const uint64_t *capabilities = ctx;
	const struct passwd *entry = nobody();
	char ids[64];
	drop(&(struct privileges_wish){.user = "nobody", .capabilities = *capabilities});
	check_sets(*capabilities);
	(void)snprintf(ids, sizeof ids, "%u\t%u\t%u\t%u", entry->pw_uid, entry->pw_uid,
		entry->pw_uid, entry->pw_uid);
	CHECK(status_is("Uid", ids));
	(void)snprintf(ids, sizeof ids, "%u\t%u\t%u\t%u", entry->pw_gid, entry->pw_gid,
		entry->pw_gid, entry->pw_gid);
	CHECK(status_is("Gid", ids));
	(void)snprintf(ids, sizeof ids, "%u ", entry->pw_gid);
	CHECK(status_is("Groups", ids));
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHECK(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 0);
	CHECK(setuid(0) < 0 && setgid(0) < 0);
	CHECK(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0);
}

static void test_becomes_user(void **state)
{
	(void)state;
	uint64_t none = 0;
	uint64_t one = BIND;
	uint64_t high = BIND | PRIVILEGES_CAPABILITY(CAP_BPF); /* beyond the first 32 */
	child_run_or_skip(become_nobody, &none, NO_USERS);
	child_run_or_skip(become_nobody, &one, NO_USERS);
	child_run_or_skip(become_nobody, &high, NO_USERS);
}

static void drop_as_user(void *ctx)
{
	(void)ctx;
	if (geteuid() == 0) {
		const struct passwd *entry = nobody();
		CHECK(setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) == 0);
		CHECK(setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) == 0);
	}
	uid_t before = geteuid();
	/* A user stays who it is, and needs no account for it. */
	drop(&(struct privileges_wish){.user = "no-such-user", .capabilities = BIND});
	CHECK(geteuid() == before && getuid() == before);
	CHECK(set_is("CapPrm", 0) && set_is("CapEff", 0) && set_is("CapInh", 0));
	CHECK(status_is("NoNewPrivs", "1"));
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void test_user_stays_user(void **state)
{
	(void)state;
	child_run_or_skip(drop_as_user, NULL, NO_USERS);
}

static void ask_for_unknown_user(void *ctx)
{
	(void)ctx;
	be_root();
	struct diag diag;
	struct privileges_wish wish = {.user = "no-such-user"};
	CHECK(privileges_drop(&wish, &diag) == E_NOTFOUND);
	CHECK(strcmp(diag.text, "user \"no-such-user\": there is no such user") == 0);
	CHECK(privileges_drop(&wish, NULL) == E_NOTFOUND);
}

static void test_unknown_user(void **state)
{
	(void)state;
	child_run_or_skip(ask_for_unknown_user, NULL, NO_ROOT);
}

/* A container's root often lacks the right to change the bounding set. */
static void drop_without_setpcap(void *ctx)
{
	(void)ctx;
	be_root();
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
	CHECK(syscall(SYS_capget, &head, data) == 0);
	data[0].permitted &= ~(uint32_t)PRIVILEGES_CAPABILITY(CAP_SETPCAP);
	data[0].effective = data[0].permitted;
	CHECK(syscall(SYS_capset, &head, data) == 0);
	drop(&(struct privileges_wish){.capabilities = BIND, .dumpable = true});
	CHECK(set_is("CapPrm", BIND) && set_is("CapEff", BIND) && set_is("CapInh", 0));
	CHECK(status_is("NoNewPrivs", "1"));
	(void)execlp("grep", "grep", "-q", "CapEff:.0000000000000400", "/proc/self/status",
		(char *)NULL);
	_exit(CHILD_SKIPPED);
}

static void test_without_setpcap(void **state)
{
	(void)state;
	child_run_or_skip(drop_without_setpcap, NULL, "no grep here, or " NO_ROOT);
}

static void raise_files(void *ctx)
{
	(void)ctx;
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	rlim_t most = limit.rlim_max;
	limit.rlim_cur = 64;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(privileges_raise_files() == most);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(limit.rlim_cur == most && limit.rlim_max == most);
	CHECK(privileges_raise_files() == most);
	limit.rlim_cur = 64;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	drop(&(struct privileges_wish){0}); /* does it, too */
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == most);
}

static void test_raise_files(void **state)
{
	(void)state;
	assert_int_equal(child_run(raise_files, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_keeps_nothing),
		cmocka_unit_test(test_root_keeps_one),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_programs_get_nothing),
		cmocka_unit_test(test_becomes_user),
		cmocka_unit_test(test_user_stays_user),
		cmocka_unit_test(test_unknown_user),
		cmocka_unit_test(test_without_setpcap),
		cmocka_unit_test(test_raise_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
