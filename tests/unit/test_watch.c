/* Unit tests of platform/watch.h: what is told of a folder's files. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "platform/watch.h"

struct fixture {
	struct watch watch;
	char folder[40];
	int number;     /* of the folder */
	struct buf log; /* "changed NAME," … */
	bool lost;      /* everything */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	*state = f;
	(void)snprintf(f->folder, sizeof f->folder, "/tmp/telltale-watch-XXXXXX");
	if (!mkdtemp(f->folder) || watch_init(&f->watch) < 0) {
		return -1;
	}
	f->number = watch_add(&f->watch, f->folder);
	return f->number < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[64];
	(void)snprintf(command, sizeof command, "rm -rf %s", f->folder);
	watch_done(&f->watch);
	watch_done(&f->watch);
	buf_done(&f->log);
	free(f);
	return system(command) == 0 ? 0 : -1;
}

static void on_event(void *ctx, int folder, enum watch_event event, struct str name)
{
	static const char *const events[] = {"changed", "created", "lost"};
	struct fixture *f = ctx;
	f->lost = f->lost || folder == -1;
	if (folder == f->number) {
		buf_add_f(&f->log, "%s %.*s,", events[event], STR_FMT(name));
	}
}

static void assert_told(int line, struct fixture *f, const char *want)
{
	buf_reset(&f->log);
	watch_read(&f->watch, on_event, f);
	if (!str_eq(buf_str(&f->log), str_of(want))) {
		fail_msg("line %d: %.*s instead of %s", line, STR_FMT(buf_str(&f->log)), want);
	}
}

static const char *path_of(const struct fixture *f, const char *name)
{
	static char paths[2][96];
	static unsigned which;
	char *path = paths[which++ % 2];
	(void)snprintf(path, sizeof paths[0], "%s/%s", f->folder, name);
	return path;
}

static int open_file(const struct fixture *f, const char *name)
{
	int fd = open(path_of(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void files_are_told(void **state)
{
	struct fixture *f = *state;
	assert_told(__LINE__, f, "");
	int fd = open_file(f, "a");
	assert_told(__LINE__, f, "created a,");
	assert_int_equal(write(fd, "x", 1), 1);
	assert_told(__LINE__, f, ""); /* not while it is written */
	close(fd);
	struct pollfd wait = {.fd = f->watch.fd, .events = POLLIN};
	assert_int_equal(poll(&wait, 1, 0), 1);
	assert_told(__LINE__, f, "changed a,");
	assert_int_equal(poll(&wait, 1, 0), 0);
	fd = open(path_of(f, "a"), O_RDONLY);
	close(fd);
	assert_told(__LINE__, f, "");
	assert_int_equal(rename(path_of(f, "a"), path_of(f, "b")), 0);
	assert_told(__LINE__, f, "changed a,changed b,");
	assert_int_equal(symlink("b", path_of(f, "c")), 0);
	assert_told(__LINE__, f, "created c,");
	assert_int_equal(unlink(path_of(f, "b")), 0);
	assert_told(__LINE__, f, "changed b,");
	assert_int_equal(mkdir(path_of(f, "d"), 0700), 0);
	assert_told(__LINE__, f, "");
}

static void a_folder_that_goes(void **state)
{
	struct fixture *f = *state;
	char other[64];
	(void)snprintf(other, sizeof other, "%s.other", f->folder);
	assert_int_equal(rename(f->folder, other), 0);
	assert_told(__LINE__, f, "lost ,");
	assert_int_equal(watch_add(&f->watch, f->folder), -ENOENT);
	assert_int_equal(watch_add(&f->watch, other), f->number);
	assert_int_equal(rmdir(other), 0);
	assert_told(__LINE__, f, "lost ,lost ,");
	watch_remove(&f->watch, f->number);
	assert_told(__LINE__, f, "");
	assert_int_equal(mkdir(f->folder, 0700), 0);
	int number = watch_add(&f->watch, f->folder);
	assert_true(number >= 0 && number != f->number);
}

static void what_is_no_folder(void **state)
{
	struct fixture *f = *state;
	close(open_file(f, "a"));
	assert_int_equal(watch_add(&f->watch, path_of(f, "a")), -ENOTDIR);
	/* Without a descriptor all of it does nothing. */
	struct watch none = WATCH_EMPTY;
	assert_int_equal(watch_add(&none, f->folder), -EBADF);
	watch_remove(&none, 0);
	watch_read(&none, on_event, f);
	watch_done(&none);
}

static void removed(void **state)
{
	struct fixture *f = *state;
	watch_remove(&f->watch, f->number);
	assert_told(__LINE__, f, "lost ,");
	close(open_file(f, "a"));
	assert_told(__LINE__, f, "");
}

/* More than the kernel keeps: that is told, and what comes afterwards as well. */
static void too_many(void **state)
{
	struct fixture *f = *state;
	char text[32] = {0};
	int fd = open("/proc/sys/fs/inotify/max_queued_events", O_RDONLY);
	assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
	close(fd);
	long most = strtol(text, NULL, 10);
	if (most > 100000) {
		skip();
	}
	for (long i = 0; i <= most / 2 + 1; i++) {
		close(open_file(f, i % 2 ? "a" : "b"));
		assert_int_equal(unlink(path_of(f, i % 2 ? "a" : "b")), 0);
	}
	/* A call has its limit, too. */
	for (int i = 0; i < 1000 && !f->lost; i++) {
		watch_read(&f->watch, on_event, f);
	}
	assert_true(f->lost);
	assert_told(__LINE__, f, "");
	close(open_file(f, "c"));
	assert_told(__LINE__, f, "created c,changed c,");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(files_are_told),
		TEST(a_folder_that_goes),
		TEST(what_is_no_folder),
		TEST(removed),
		TEST(too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
