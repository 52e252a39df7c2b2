/* Unit tests of config/files.h and config/look.h: what has changed in the files of instances. */
#include "config_help.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "config/look.h"
#include "config/spec.h"

static const char *folder;
static const char *const all_names[] = {
	"a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml", "one", "other"};

static int setup(void **state)
{
	(void)state;
	folder = make_folder();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	remove_folder(folder, all_names, sizeof all_names / sizeof all_names[0]);
	return 0;
}

/* The same file with another time, as after a pause. */
static void age(const char *name)
{
	static long age_s = 1;
	char path[PATH_MAX];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	struct timespec times[2] = {{.tv_sec = age_s}, {.tv_sec = age_s}};
	age_s++;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void put(const char *name, const char *text)
{
	(void)write_file(folder, name, text);
	age(name);
}

static void drop(const char *name)
{
	char path[PATH_MAX];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(remove(path), 0);
}

/* As the configuration reads them. */
static struct files read_all(void)
{
	struct files files = FILES_EMPTY;
	struct diag diag = {{0}};
	json_t *specs = NULL;
	if (spec_from_paths(&folder, 1, &files, &specs, &diag) < 0) {
		fail_msg("%s", diag.text);
	}
	json_decref(specs);
	return files;
}

static void look_all(struct look *look, const struct files *files)
{
	struct diag diag = {{0}};
	look_init(look, files);
	assert_int_equal(look_at(look, 0, &diag), 0);
	assert_int_equal(look_read(look), 0);
}

/* "a.yaml=same b.yaml=read(b1,b2) …", and the errors from their line numbers on. */
static void assert_look(int line, const struct look *look, const char *want)
{
	static const char *const states[] = {"same", "read", "wrong", "gone"};
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	for (size_t i = 0; i < look->n; i++) {
		const struct look_file *file = &look->v[i];
		buf_add_f(&out, "%s%s=%s", i ? " " : "", strrchr(file->path, '/') + 1,
			states[file->state]);
		for (size_t k = 0; k < json_array_size(file->specs); k++) {
			const json_t *spec = json_array_get(file->specs, k);
			buf_add_f(&out, ":%s", json_string_value(json_object_get(spec, "name")));
		}
	}
	char *text = buf_take(&out);
	if (strcmp(text ? text : "", want) != 0) {
		fail_msg("line %d: %s\n   instead of %s", line, text, want);
	}
	free(text);
}

/* "a.yaml:name:name b.yaml! …" */
static void assert_files(int line, const struct files *files, const char *want)
{
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	size_t n_names = 0;
	for (size_t i = 0; i < files->n; i++) {
		const struct files_one *one = &files->v[i];
		const char *name = files_names(files, one);
		buf_add_f(&out, "%s%s%s", i ? " " : "", strrchr(files_path(files, one), '/') + 1,
			one->told ? "!" : "");
		for (size_t k = 0; k < one->n_names; k++, name = files_after(name)) {
			buf_add_f(&out, ":%s", name);
		}
		n_names += one->n_names;
	}
	buf_add_char(&out, '\0');
	assert_int_equal(buf_status(&out), 0);
	if (strcmp(out.p, want) != 0) {
		fail_msg("line %d: %s\n   instead of %s", line, out.p, want);
	}
	assert_int_equal(files->n_names, n_names);
}

static void assert_error(int line, const struct look_file *file, const char *want)
{
	size_t n = strlen(folder);
	if (file->state != LOOK_WRONG || strncmp(file->error, folder, n) != 0 ||
		!strstr(file->error + n, want)) {
		fail_msg("line %d: %s\n   instead of %s", line, file->error, want);
	}
}

static void take(struct look *look, struct files *files)
{
	struct files next = FILES_EMPTY;
	assert_int_equal(look_next(look, &next), 0);
	look_done(look);
	files_done(files);
	*files = next;
}

/* --- all of a folder --------------------------------------------------------------------------- */

static void what_was_read_is_known(void **state)
{
	(void)state;
	put("a.yaml", "- name: a1\n- name: a2\n");
	put("b.yaml", "name: b1\n");
	put("c.yaml", "instances: []\n");
	struct files files = read_all();
	assert_int_equal(files.n_roots, 1);
	assert_string_equal(files_root(&files, 0), folder);
	assert_files(__LINE__, &files, "a.yaml:a1:a2 b.yaml:b1 c.yaml");
	struct look look;
	look_all(&look, &files);
	assert_look(__LINE__, &look, "a.yaml=same b.yaml=same c.yaml=same");
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml:a1:a2 b.yaml:b1 c.yaml");
	files_done(&files);
}

static void files_come_change_and_go(void **state)
{
	(void)state;
	put("a.yaml", "name: a1\n");
	put("c.yaml", "name: c1\n");
	put("d.yaml", "name: d1\n");
	struct files files = read_all();
	struct look look;
	put("b.yaml", "name: b1\n");
	put("c.yaml", "name: c2\n");
	drop("d.yaml");
	look_all(&look, &files);
	assert_look(__LINE__, &look, "a.yaml=same b.yaml=read:b1 c.yaml=read:c2 d.yaml=gone");
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml:a1 b.yaml:b1 c.yaml:c2");
	look_all(&look, &files);
	assert_look(__LINE__, &look, "a.yaml=same b.yaml=same c.yaml=same");
	look_done(&look);
	files_done(&files);
}

static void a_wrong_file_keeps_what_it_had(void **state)
{
	(void)state;
	put("a.yaml", "name: a1\n");
	put("b.yaml", "name: b1\n");
	struct files files = read_all();
	struct look look;
	put("a.yaml", "name: a1\ncolour: blue\n");
	put("b.yaml", "name: b2\n");
	look_all(&look, &files);
	assert_look(__LINE__, &look, "a.yaml=wrong b.yaml=read:b2");
	assert_error(__LINE__, &look.v[0], "/a.yaml:2:1: ");
	uint64_t told = look_told(&look.v[0]);
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml!:a1 b.yaml:b2");
	assert_int_equal(files.v[0].told, told);
	/* It is tried again; as long as it is the same, so is what is told. */
	look_all(&look, &files);
	assert_look(__LINE__, &look, "a.yaml=wrong b.yaml=same");
	assert_int_equal(look_told(&look.v[0]), told);
	look_done(&look);
	age("a.yaml");
	look_all(&look, &files);
	assert_int_not_equal(look_told(&look.v[0]), told);
	look_done(&look);
	put("a.yaml", "name: a1\n");
	look_all(&look, &files);
	assert_look(__LINE__, &look, "a.yaml=read:a1 b.yaml=same");
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml:a1 b.yaml:b2");
	files_done(&files);
}

static void names_that_are_there_twice(void **state)
{
	(void)state;
	put("b.yaml", "name: b1\n");
	put("d.yaml", "name: d1\n");
	struct files files = read_all();
	struct look look;
	/* One that stays comes first, whatever the order; then the first of those that are new. */
	put("a.yaml", "- name: a1\n- name: b1\n");
	put("c.yaml", "name: n1\n");
	put("e.yaml", "name: n1\n");
	look_all(&look, &files);
	assert_look(__LINE__, &look,
		"a.yaml=wrong b.yaml=same c.yaml=read:n1 d.yaml=same e.yaml=wrong");
	assert_error(__LINE__, &look.v[0], "/a.yaml:2:9: name: there is a \"b1\" already, at ");
	assert_error(__LINE__, &look.v[4], "/e.yaml:1:7: name: there is a \"n1\" already, at ");
	assert_non_null(strstr(look.v[4].error, "c.yaml:1:7"));
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml! b.yaml:b1 c.yaml:n1 d.yaml:d1 e.yaml!");
	/* Names change places, and one goes where another file has left. */
	put("b.yaml", "name: d1\n");
	put("d.yaml", "name: b1\n");
	drop("c.yaml");
	look_all(&look, &files);
	assert_look(__LINE__, &look,
		"a.yaml=wrong b.yaml=read:d1 c.yaml=gone d.yaml=read:b1 e.yaml=read:n1");
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml! b.yaml:d1 d.yaml:b1 e.yaml:n1");
	files_done(&files);
}

/* Who is refused defends what it had, and so on. */
static void a_chain_of_wishes(void **state)
{
	(void)state;
	put("a.yaml", "name: a1\n");
	put("b.yaml", "name: b1\n");
	put("c.yaml", "name: c1\n");
	struct files files = read_all();
	struct look look;
	put("a.yaml", "name: b1\n");
	put("b.yaml", "name: c1\n");
	put("c.yaml", "name: [\n");
	look_all(&look, &files);
	assert_look(__LINE__, &look, "a.yaml=wrong b.yaml=wrong c.yaml=wrong");
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml!:a1 b.yaml!:b1 c.yaml!:c1");
	put("c.yaml", "name: d1\n");
	look_all(&look, &files);
	assert_look(__LINE__, &look, "a.yaml=read:b1 b.yaml=read:c1 c.yaml=read:d1");
	look_done(&look);
	files_done(&files);
}

static void what_can_not_be_applied(void **state)
{
	(void)state;
	put("a.yaml", "- name: a1\n- name: a2\n");
	struct files files = read_all();
	struct look look;
	put("a.yaml", "- name: a2\n- name: a22\n- name: a3\n");
	look_all(&look, &files);
	assert_int_equal(look_refuse(&look, &look.v[0], "'a22' is not wanted"), 0);
	assert_error(__LINE__, &look.v[0], "/a.yaml:2:9: 'a22' is not wanted");
	assert_int_equal(look_refuse(&look, &look.v[0], "nothing is"), 0);
	assert_error(__LINE__, &look.v[0], "/a.yaml: nothing is");
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml!:a1:a2:a22:a3");
	files_done(&files);
}

/* --- some of a folder -------------------------------------------------------------------------- */

static void some_names(void **state)
{
	(void)state;
	put("a.yaml", "name: a1\n");
	put("b.yaml", "name: b1\n");
	put("c.yaml", "name: [\n");
	put("d.yaml", "name: d1\n");
	struct files files = FILES_EMPTY;
	struct look look;
	struct diag diag = {{0}};
	assert_int_equal(files_add_root(&files, folder), 0);
	look_all(&look, &files);
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml:a1 b.yaml:b1 c.yaml! d.yaml:d1");
	/* Whatever is not named stays; what is wrong is tried again. */
	put("a.yaml", "name: a2\n");
	put("e.yaml", "name: e1\n");
	drop("d.yaml");
	const char *names[] = {"e.yaml", "b.yaml", "d.yaml", "e.yaml", "one"};
	look_init(&look, &files);
	assert_int_equal(look_at_names(&look, 0, names, 5, &diag), 0);
	assert_int_equal(look_read(&look), 0);
	assert_look(__LINE__, &look,
		"a.yaml=same b.yaml=read:b1 c.yaml=wrong d.yaml=gone e.yaml=read:e1");
	take(&look, &files);
	assert_files(__LINE__, &files, "a.yaml:a1 b.yaml:b1 c.yaml! e.yaml:e1");
	/* It was not looked at, and has not been forgotten. */
	look_all(&look, &files);
	assert_look(__LINE__, &look, "a.yaml=read:a2 b.yaml=same c.yaml=wrong e.yaml=same");
	look_done(&look);
	files_done(&files);
}

/* --- roots ------------------------------------------------------------------------------------- */

static void several_roots(void **state)
{
	(void)state;
	put("a.yaml", "name: a1\n");
	put("one", "name: one\n");
	put("other", "name: other\n");
	char one[PATH_MAX], other[PATH_MAX];
	(void)snprintf(one, sizeof one, "%s/one", folder);
	(void)snprintf(other, sizeof other, "%s/other", folder);
	const char *paths[] = {other, folder, one};
	struct files files = FILES_EMPTY;
	struct look look;
	struct diag diag = {{0}};
	json_t *specs = NULL;
	assert_int_equal(spec_from_paths(paths, 3, &files, &specs, &diag), 0);
	json_decref(specs);
	assert_files(__LINE__, &files, "other:other a.yaml:a1 one:one");
	put("other", "name: other2\n");
	put("a.yaml", "name: a2\n");
	drop("one");
	look_init(&look, &files);
	assert_int_equal(look_at(&look, 0, &diag), 0);
	assert_int_equal(look_past(&look, 1), 0);
	assert_int_equal(look_at(&look, 2, &diag), 0);
	assert_int_equal(look_read(&look), 0);
	/* A file of its own that is away is wrong, not gone. */
	assert_look(__LINE__, &look, "other=read:other2 a.yaml=same one=wrong");
	assert_error(__LINE__, &look.v[2], "/one: No such file or directory");
	take(&look, &files);
	assert_int_equal(files.n_roots, 3);
	assert_string_equal(files_root(&files, 2), one);
	assert_files(__LINE__, &files, "other:other2 a.yaml:a1 one!:one");
	files_done(&files);
}

static void too_many_roots(void **state)
{
	(void)state;
	static const char *paths[FILES_ROOTS_MAX + 1];
	struct files files = FILES_EMPTY;
	struct diag diag = {{0}};
	json_t *specs = NULL;
	for (size_t i = 0; i <= FILES_ROOTS_MAX; i++) {
		paths[i] = folder;
	}
	assert_int_equal(
		spec_from_paths(paths, FILES_ROOTS_MAX + 1, &files, &specs, &diag), E_LIMIT);
	assert_string_equal(diag.text, "more than 256 paths of instances");
	files_done(&files);
	assert_int_equal(spec_from_paths(paths, FILES_ROOTS_MAX, &files, &specs, &diag), 0);
	json_decref(specs);
	files_done(&files);
}

static void a_folder_that_is_away(void **state)
{
	(void)state;
	struct files files = FILES_EMPTY;
	struct look look;
	struct diag diag = {{0}};
	assert_int_equal(files_add_root(&files, "/nonexistent/folder"), 0);
	look_init(&look, &files);
	assert_int_equal(look_at(&look, 0, &diag), 0);
	assert_int_equal(look_read(&look), 0);
	assert_int_equal(look.v[0].state, LOOK_WRONG);
	look_done(&look);
	files_done(&files);
}

/* --- memory that runs out ---------------------------------------------------------------------- */

static int look_without_memory(struct diag *diag)
{
	struct files files = FILES_EMPTY, next = FILES_EMPTY;
	struct look look;
	const char *names[] = {"c.yaml", "a.yaml"};
	int rc;
	look_init(&look, &files);
	diag_write(diag, "out of memory");
	rc = files_add_root(&files, folder);
	rc = rc < 0 ? rc : look_at(&look, 0, diag);
	rc = rc < 0 ? rc : look_read(&look);
	rc = rc < 0 ? rc : look_next(&look, &next);
	look_done(&look);
	look_init(&look, &next);
	rc = rc < 0 ? rc : look_at_names(&look, 0, names, 2, diag);
	rc = rc < 0 ? rc : look_read(&look);
	rc = rc < 0 ? rc : look_refuse(&look, &look.v[0], "no");
	rc = rc < 0 ? rc : look_next(&look, &files);
	look_done(&look);
	files_done(&files);
	files_done(&next);
	return rc;
}

static void memory_runs_out(void **state)
{
	(void)state;
	put("a.yaml", "- name: a1\n- name: a2\n");
	put("b.yaml", "name: [\n");
	put("c.yaml", "name: a1\n");
	each_allocation_fails(look_without_memory);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_read_is_known),
		TEST(files_come_change_and_go),
		TEST(a_wrong_file_keeps_what_it_had),
		TEST(names_that_are_there_twice),
		TEST(a_chain_of_wishes),
		TEST(what_can_not_be_applied),
		TEST(some_names),
		TEST(several_roots),
		TEST(too_many_roots),
		TEST(a_folder_that_is_away),
		TEST(memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
