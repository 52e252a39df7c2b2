#include "tests/unit/cases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/file.h"

#define BIG_BYTES ((size_t)100000)

struct fixture {
	char folder[32];
	char path[64];
	struct diag diag;
	struct buf bytes;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	(void)snprintf(f->folder, sizeof f->folder, "/tmp/telltale-file-XXXXXX");
	*state = f;
	if (!mkdtemp(f->folder)) {
		return -1;
	}
	(void)snprintf(f->path, sizeof f->path, "%s/file", f->folder);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[64];
	(void)snprintf(command, sizeof command, "rm -rf %s", f->folder);
	buf_done(&f->bytes);
	free(f);
	return system(command) == 0 ? 0 : -1;
}

static void write_file(const char *path, const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_true(write(fd, bytes, n) == (ssize_t)n);
	(void)close(fd);
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	static const size_t sizes[] = {0, 1, 255, 256, 4096, 16383, 16384, 16385, BIG_BYTES};
	char *all = malloc(BIG_BYTES);
	assert_non_null(all);
	for (size_t i = 0; i < BIG_BYTES; i++) {
		all[i] = (char)(i * 31);
	}
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		size_t n = sizes[i];
		write_file(f->path, all, n);
		const size_t caps[] = {n, n + 1, 2 * BIG_BYTES};
		for (size_t cap = 0; cap < 3; cap++) {
			buf_reset(&f->bytes);
			buf_add(&f->bytes, STR("before "));
			assert_int_equal(file_read(f->path, caps[cap], &f->bytes, &f->diag), 0);
			assert_int_equal(f->bytes.n, 7 + n);
			assert_memory_equal(f->bytes.p, "before ", 7);
			assert_memory_equal(f->bytes.p + 7, all, n);
		}
		if (n > 0) {
			f->bytes.n = 7;
			assert_int_equal(file_read(f->path, n - 1, &f->bytes, &f->diag), E_LIMIT);
			assert_int_equal(f->bytes.n, 7);
			assert_non_null(strstr(f->diag.text, f->path));
		}
	}
	free(all);
}

static void test_read_takes_one_piece(void **state)
{
	struct fixture *f = *state;
	write_file(f->path, "0123456789", 10);
	char room[11];
	struct buf fixed = buf_fixed(room, sizeof room);
	assert_int_equal(file_read(f->path, 1000, &fixed, NULL), 0);
	assert_int_equal(fixed.n, 10);
}

static void test_read_files_that_do_not_say_their_size(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(file_read("/proc/self/status", 65536, &f->bytes, &f->diag), 0);
	assert_true(f->bytes.n > 500);
}

static void test_read_refuses(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(file_read(f->path, 10, &f->bytes, &f->diag), -ENOENT);
	assert_non_null(strstr(f->diag.text, f->path));
	assert_non_null(strstr(f->diag.text, "No such file"));
	assert_int_equal(file_read(f->folder, 10, &f->bytes, &f->diag), E_SYNTAX);
	assert_int_equal(file_read("/dev/null", 10, &f->bytes, &f->diag), E_SYNTAX);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(file_read(f->path, 10, &f->bytes, NULL), E_SYNTAX); /* and does not wait */
	assert_int_equal(f->bytes.n, 0);
	assert_int_equal(file_read_any(f->folder, 10, &f->bytes, &f->diag), -EISDIR);
}

static void test_read_any(void **state)
{
	struct fixture *f = *state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "0123456789", 10), 10);
	(void)close(ends[1]);
	char path[32];
	(void)snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
	assert_int_equal(file_read(path, 10, &f->bytes, NULL), E_SYNTAX);
	assert_int_equal(file_read_any(path, 10, &f->bytes, NULL), 0);
	assert_true(str_eq(buf_str(&f->bytes), STR("0123456789")));
	assert_int_equal(file_read_any("/dev/zero", 100000, &f->bytes, NULL), E_LIMIT);
	assert_int_equal(f->bytes.n, 10);
	(void)close(ends[0]);
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_make_folders(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int line;
		const char *path;
		const char *made;
	} rows[] = {
		{__LINE__, "%s", ""},
		{__LINE__, "%s/a", "/a"},
		{__LINE__, "%s/a/b/c", "/a/b/c"},
		{__LINE__, "%s//d//e/", "/d/e"},
		{__LINE__, "%s/a/../f", "/f"},
	};
	assert_int_equal(chmod(f->folder, 0711), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf path = BUF_EMPTY;
		char made[64];
		buf_add(&path, str_of(f->folder));
		buf_add(&path, str_of(rows[i].path + 2));
		char *text = buf_take(&path);
		mode_t old = umask(i % 2 ? 0777 : 0);
		int rc = file_make_folders(text, 0750, &f->diag);
		umask(old);
		(void)snprintf(made, sizeof made, "%s%s", f->folder, rows[i].made);
		if (rc != 0 || mode_of(made) != (i == 0 ? 0711 : 0750)) {
			fail_msg("line %d: %s", rows[i].line, f->diag.text);
		}
		free(text);
	}
	assert_int_equal(mode_of(f->folder), 0711);
	write_file(f->path, "x", 1);
	assert_int_equal(file_make_folders(f->path, 0700, &f->diag), -ENOTDIR);
	char below[80];
	(void)snprintf(below, sizeof below, "%s/below", f->path);
	assert_int_equal(file_make_folders(below, 0700, &f->diag), -ENOTDIR);
	assert_non_null(strstr(f->diag.text, f->path));
	assert_int_equal(file_make_folders("", 0700, &f->diag), -ENOENT);
}

static void test_stamp(void **state)
{
	struct fixture *f = *state;
	char other[64];
	(void)snprintf(other, sizeof other, "%s/other", f->folder);
	assert_true(file_stamp(f->path) == 0);
	write_file(f->path, "one", 3);
	uint64_t first = file_stamp(f->path);
	assert_true(first != 0);
	assert_true(file_stamp(f->path) == first);
	write_file(f->path, "four", 4);
	uint64_t second = file_stamp(f->path);
	assert_true(second != 0 && second != first);
	write_file(other, "five", 4);
	assert_int_equal(rename(other, f->path), 0); /* same size, another file */
	uint64_t third = file_stamp(f->path);
	assert_true(third != 0 && third != second);
	const struct timespec times[] = {{.tv_sec = 1}, {.tv_sec = 1}};
	assert_int_equal(utimensat(AT_FDCWD, f->path, times, 0), 0);
	assert_true(file_stamp(f->path) != third);
	assert_int_equal(unlink(f->path), 0);
	assert_true(file_stamp(f->path) == 0);
}

static void test_open_to_others(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int line;
		mode_t mode;
		bool open;
	} cases[] = {
		{__LINE__, 0600, false},
		{__LINE__, 0640, false},
		{__LINE__, 0660, false},
		{__LINE__, 0611, false},
		{__LINE__, 0644, true},
		{__LINE__, 0602, true},
	};
	assert_false(file_is_open_to_others(f->path));
	write_file(f->path, "key", 3);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(chmod(f->path, cases[i].mode), 0);
		HOLDS(cases[i].line, file_is_open_to_others(f->path) == cases[i].open);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_read),
		TEST(test_read_takes_one_piece),
		TEST(test_read_files_that_do_not_say_their_size),
		TEST(test_read_refuses),
		TEST(test_read_any),
		TEST(test_make_folders),
		TEST(test_stamp),
		TEST(test_open_to_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
