/*
 * SQLite's back end when the world is against it: killed processes, full and read-only disks, other
 * people's permissions.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/child.h"
#include "tests/unit/scratch.h"

#define NOBODY       65534
#define KILLS        25
#define KILL_MOST_US 12000
#define SMALL_DISK   "size=1048576"

/* --- killed processes ------------------------------------------------------------------------ */

struct child {
	pid_t pid;
	int out; /* what it reports */
};

static struct child start(void (*body)(struct scratch *f, int out), struct scratch *f)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(ends[0]);
		(void)alarm(60);
		body(f, ends[1]);
		for (;;) {
			(void)pause();
		}
	}
	(void)close(ends[1]);
	return (struct child){pid, ends[0]};
}

static void kill_child(struct child child)
{
	int status = 0;
	assert_int_equal(kill(child.pid, SIGKILL), 0);
	assert_true(waitpid(child.pid, &status, 0) == child.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	(void)close(child.out);
}

static void report(int out, unsigned number)
{
	CHECK(write(out, &number, sizeof number) == sizeof number);
}

static void wait_report(struct child child)
{
	unsigned number;
	assert_true(read(child.out, &number, sizeof number) == sizeof number);
}

static void stop_in_transaction(struct scratch *f, int out)
{
	struct store *store = scratch_open(f);
	CHECK(store && scratch_commit(store, 0) == 0 && scratch_commit(store, 1) == 0);
	CHECK(store->ops->begin(store, NULL) == 0);
	for (unsigned i = 1; i < 20000;
		i++) { /* more than the cache holds: some of it is written */
		CHECK(scratch_put(store, i) == 0);
	}
	CHECK(store->ops->instance_delete(store, STR("web-000000"), STORE_ANY, NULL) == 0);
	report(out, 0);
}

static void test_killed_in_transaction(void **state)
{
	struct scratch *f = *state;
	struct child child = start(stop_in_transaction, f);
	wait_report(child);
	kill_child(child);
	assert_true(scratch_size(f->path, "-wal") > 0);
	struct store *store = scratch_open(f);
	assert_non_null(store);
	assert_int_equal(scratch_count(store), 2);
	assert_int_equal(scratch_commit(store, 2), 0);
	assert_int_equal(scratch_count(store), 3);
	store_free(store);
}

static void stop_after_commit(struct scratch *f, int out)
{
	struct store *store = scratch_open(f);
	CHECK(store && store->ops->begin(store, NULL) == 0);
	for (unsigned i = 0; i < 100; i++) {
		CHECK(scratch_put(store, i) == 0);
	}
	CHECK(store->ops->commit(store, NULL) == 0);
	report(out, 0);
}

static void test_killed_after_commit(void **state)
{
	struct scratch *f = *state;
	struct child child = start(stop_after_commit, f);
	wait_report(child);
	scratch_assert_refused(f, E_BUSY, "in use by process");
	kill_child(child);
	assert_true(scratch_size(f->path, "-wal") > 0);
	struct store *store = scratch_open(f);
	assert_non_null(store);
	assert_int_equal(scratch_count(store), 100);
	store_free(store);
}

/* Its WAL holds what was promised: an empty file beside it is not a new store. */
static void test_wal_without_its_file(void **state)
{
	struct scratch *f = *state;
	struct child child = start(stop_after_commit, f);
	wait_report(child);
	kill_child(child);
	struct buf file = scratch_read(f->path);
	scratch_write(f->path, STR(""));
	scratch_assert_refused(f, E_DAMAGED, "-wal");
	assert_int_equal(unlink(f->path), 0);
	scratch_assert_refused(f, E_DAMAGED, "-wal");
	assert_int_equal(scratch_size(f->path, ""), -1);
	scratch_write(f->path, STR("not the file that it belongs to"));
	scratch_assert_kept(f, E_DAMAGED, "not an SQLite database");
	scratch_write(f->path, buf_str(&file));
	struct store *store = scratch_open(f);
	assert_non_null(store);
	assert_int_equal(scratch_count(store), 100);
	store_free(store);
	buf_done(&file);
}

static void commit_forever(struct scratch *f, int out)
{
	struct store *store = scratch_open(f);
	CHECK(store);
	int there = scratch_count(store);
	CHECK(there >= 0);
	for (unsigned i = (unsigned)there;; i++) {
		CHECK(scratch_commit(store, i) == 0);
		report(out, i + 1);
	}
}

/* From the making of the file to some hundred commits: wherever it is killed, all that it said was
 * committed is there, and at most one more. */
static void test_killed_anywhere(void **state)
{
	struct scratch *f = *state;
	uint32_t dice = 1;
	unsigned promised = 0;
	for (unsigned i = 0; i < KILLS; i++) {
		if (i % 2 == 0) { /* half of them while the file is made */
			assert_true(unlink(f->path) == 0 || i == 0);
			promised = 0;
		}
		struct child child = start(commit_forever, f);
		dice = dice * 1664525 + 1013904223;
		unsigned most = i % 2 == 0 ? KILL_MOST_US / 4 : KILL_MOST_US;
		struct timespec wait = {.tv_nsec = (dice >> 8) % most * 1000L};
		(void)nanosleep(&wait, NULL);
		assert_int_equal(kill(child.pid, SIGSTOP), 0);
		unsigned number;
		(void)fcntl(child.out, F_SETFL, O_NONBLOCK);
		while (read(child.out, &number, sizeof number) == sizeof number) {
			promised = number;
		}
		kill_child(child);
		struct store *store = scratch_open(f);
		assert_non_null(store);
		int there = scratch_count(store);
		assert_in_range(there, promised, promised + 1);
		promised = (unsigned)there;
		store_free(store);
	}
}

/* --- full and read-only ---------------------------------------------------------------------- */

/* A store with one row, filled until it is full; it can be used before and after there is space. */
static void fill_up(struct scratch *f, void (*more_space)(struct scratch *f))
{
	struct store *store = scratch_open(f);
	CHECK(store && scratch_count(store) == 1);
	int rc = store->ops->begin(store, NULL);
	CHECK(rc == 0);
	for (unsigned i = 0; rc == 0 && i < 100000; i++) {
		rc = scratch_put(store, i);
	}
	CHECK(rc == E_FULL);
	CHECK(scratch_put(store, 0) == E_FULL);
	CHECK(store->ops->commit(store, &f->diag) == E_FULL);
	CHECK(strstr(f->diag.text, f->path) && strstr(f->diag.text, "free some space"));
	CHECK(scratch_count(store) == 1);
	unsigned rows = 1;
	while (scratch_commit(store, rows) == 0) { /* small ones, until it is full again */
		CHECK(++rows < 100000);
	}
	CHECK(rows > 1);
	CHECK(scratch_count(store) == (int)rows);
	more_space(f);
	for (unsigned end = rows + 5; rows < end; rows++) {
		CHECK(scratch_commit(store, rows) == 0);
	}
	store_free(store);
	store = scratch_open(f);
	CHECK(store && scratch_count(store) == (int)rows);
	store_free(store);
}

static void make_one_row(struct scratch *f)
{
	struct store *store = scratch_open(f);
	CHECK(store && scratch_commit(store, 0) == 0);
	store_free(store);
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void lift_file_limit(struct scratch *f)
{
	(void)f;
	set_file_limit(RLIM_INFINITY);
}

static void fill_up_to_limit(void *ctx)
{
	struct scratch *f = ctx;
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	make_one_row(f);
	set_file_limit(300000);
	fill_up(f, lift_file_limit);
}

static void test_file_size_limit(void **state)
{
	assert_int_equal(child_run(fill_up_to_limit, *state), 0);
}

static void open_at_limits(void *ctx)
{
	struct scratch *f = ctx;
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	for (rlim_t limit = 0; limit < 20000; limit += 1024) { /* new ones leave nothing behind */
		set_file_limit(limit);
		CHECK(scratch_try(f) == E_FULL);
		CHECK(scratch_size(f->path, "") == -1 && scratch_size(f->path, "-wal") == -1 &&
			scratch_size(f->path, "-journal") == -1 &&
			scratch_size(f->path, "-shm") == -1);
	}
	set_file_limit(RLIM_INFINITY);
	make_one_row(f);
	for (rlim_t limit = 0; limit < 4000; limit += 1000) {
		set_file_limit(limit);
		CHECK(scratch_try(f) == E_FULL);
	}
	set_file_limit(RLIM_INFINITY);
	struct store *store = scratch_open(f);
	CHECK(store && scratch_count(store) == 1);
	store_free(store);
}

static void test_open_at_file_size_limit(void **state)
{
	assert_int_equal(child_run(open_at_limits, *state), 0);
}

static void fill_disk(struct scratch *f)
{
	char name[160];
	char block[512] = {0};
	(void)snprintf(name, sizeof name, "%s/filler", f->folder);
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	while (write(fd, block, sizeof block) > 0) {
	}
	CHECK(errno == ENOSPC);
	(void)close(fd);
}

static void empty_disk(struct scratch *f)
{
	char name[160];
	(void)snprintf(name, sizeof name, "%s/filler", f->folder);
	CHECK(unlink(name) == 0);
}

static void small_disk(void *ctx)
{
	struct scratch *f = ctx;
	if (!child_unshare(CLONE_NEWNS) || mount("tmpfs", f->folder, "tmpfs", 0, SMALL_DISK) < 0) {
		_exit(CHILD_SKIPPED);
	}
	fill_disk(f);
	CHECK(scratch_try(f) == E_FULL); /* a new one */
	CHECK(scratch_size(f->path, "") == -1);
	empty_disk(f);
	make_one_row(f);
	fill_disk(f);
	CHECK(scratch_try(f) == E_FULL); /* one that is there */
	empty_disk(f);
	char filler[96];
	(void)snprintf(filler, sizeof filler, "%s/filler", f->folder);
	int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && posix_fallocate(fd, 0, 400000) == 0);
	(void)close(fd);
	fill_up(f, empty_disk);
}

static void test_full_disk(void **state)
{
	child_run_or_skip(small_disk, *state, CHILD_NO_NAMESPACES);
}

static void read_only_mounts(void *ctx)
{
	struct scratch *f = ctx;
	if (!child_unshare(CLONE_NEWNS)) {
		_exit(CHILD_SKIPPED);
	}
	make_one_row(f);
	CHECK(mount(f->path, f->path, NULL, MS_BIND, NULL) == 0);
	CHECK(mount(NULL, f->path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK(scratch_try(f) == E_READONLY); /* the file alone */
	CHECK(strstr(f->diag.text, f->path) && strstr(f->diag.text, "permissions"));
	CHECK(umount(f->path) == 0);
	CHECK(mount(f->folder, f->folder, NULL, MS_BIND, NULL) == 0);
	CHECK(mount(NULL, f->folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK(scratch_try(f) == E_READONLY); /* one that is there */
	CHECK(strstr(f->diag.text, f->path) && strstr(f->diag.text, "permissions"));
	(void)snprintf(f->url, sizeof f->url, "sqlite:%s/new.db", f->folder);
	CHECK(scratch_try(f) == E_READONLY); /* a new one */
	(void)snprintf(f->url, sizeof f->url, "sqlite:%s/new/new.db", f->folder);
	CHECK(scratch_try(f) == E_READONLY);
}

static void test_read_only(void **state)
{
	child_run_or_skip(read_only_mounts, *state, CHILD_NO_NAMESPACES);
}

static void as_nobody(void *ctx)
{
	struct scratch *f = ctx;
	if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0) {
		_exit(CHILD_SKIPPED);
	}
	CHECK(scratch_try(f) == E_READONLY);
	CHECK(strstr(f->diag.text, f->path) && strstr(f->diag.text, "permissions"));
}

static void test_permissions(void **state)
{
	struct scratch *f = *state;
	assert_int_equal(scratch_try(f), 0);
	char lock[160];
	(void)snprintf(lock, sizeof lock, "%s-lock", f->path);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(chmod(f->folder, 01777), 0);
	assert_int_equal(chmod(f->path, 0444), 0); /* it may be read */
	child_run_or_skip(as_nobody, f, "root can't become another user here");
	(void)unlink(lock);
	assert_int_equal(chmod(f->path, 0), 0);
	child_run_or_skip(as_nobody, f, "root can't become another user here");
	assert_int_equal(chmod(f->folder, geteuid() == 0 ? 0700 : 0), 0);
	child_run_or_skip(as_nobody, f, "root can't become another user here");
	assert_int_equal(chmod(f->folder, 0700), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_killed_in_transaction),
		TEST(test_killed_after_commit),
		TEST(test_wal_without_its_file),
		TEST(test_killed_anywhere),
		TEST(test_file_size_limit),
		TEST(test_open_at_file_size_limit),
		TEST(test_full_disk),
		TEST(test_read_only),
		TEST(test_permissions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
