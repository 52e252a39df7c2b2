#include "config/look.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/hash.h"
#include "config/node.h"
#include "config/source.h"
#include "config/spec.h"
#include "platform/file.h"

void look_init(struct look *look, const struct files *before)
{
	*look = (struct look){.before = before};
}

static void forget(struct look_file *file)
{
	json_decref(file->specs);
	json_decref(file->places);
	file->specs = file->places = NULL;
}

void look_done(struct look *look)
{
	for (size_t i = 0; i < look->n; i++) {
		forget(&look->v[i]);
	}
	free(look->v);
	json_decref(look->wished);
	arena_done(&look->arena_);
	*look = (struct look){0};
}

/* --- which files ------------------------------------------------------------------------------- */

static int add(struct look *look, const struct look_file *file)
{
	struct look_file *v = array_room(look->v, look->n, &look->cap_, sizeof *v);
	if (!v) {
		return -ENOMEM;
	}
	look->v = v;
	look->v[look->n++] = *file;
	return 0;
}

/* How a root is looked at. */
struct glance {
	size_t root;
	bool in_folder;
	bool all;           /* paths are all that there are */
	bool forced;        /* stamps do not matter */
	const char **paths; /* in order */
	size_t n;
};

/* A file that nobody said anything of: gone, where all are known. One that was wrong is tried again. */
static int add_unnamed(struct look *look, const struct glance *how, struct look_file *file)
{
	file->state = LOOK_SAME;
	file->stamp = file->before->stamp;
	if (how->all) {
		file->state = LOOK_GONE;
	} else if (file->before->told) {
		file->state = LOOK_READ;
		file->stamp = file_stamp(file->path);
	}
	return add(look, file);
}

static int add_named(struct look *look, const struct glance *how, struct look_file *file)
{
	const struct files_one *before = file->before;
	file->stamp = file_stamp(file->path);
	file->state = LOOK_READ;
	if (file->stamp == 0 && how->in_folder) {
		file->state = LOOK_GONE;
		return before ? add(look, file) : 0;
	}
	if (before && !how->forced && file->stamp == before->stamp && !before->told) {
		file->state = LOOK_SAME;
	}
	return add(look, file);
}

static const struct files_one *of_root(const struct files *files, size_t root, size_t *at)
{
	while (*at < files->n && files->v[*at].root < root) {
		++*at;
	}
	return *at < files->n && files->v[*at].root == root ? &files->v[*at] : NULL;
}

/* Side by side: those that were there, and those that are looked at. */
static int merge(struct look *look, const struct glance *how)
{
	size_t at = 0, next = 0;
	for (;;) {
		const struct files_one *one = of_root(look->before, how->root, &at);
		const char *was = one ? files_path(look->before, one) : NULL;
		const char *is = next < how->n ? how->paths[next] : NULL;
		int order = !was ? 1 : !is ? -1 : strcmp(was, is);
		if (!was && !is) {
			return 0;
		}
		struct look_file file = {.path = order <= 0 ? was : is,
			.before = order <= 0 ? one : NULL,
			.root = how->root,
			.in_folder = how->in_folder};
		TRY(order < 0 ? add_unnamed(look, how, &file) : add_named(look, how, &file));
		at += order <= 0;
		next += order >= 0;
	}
}

static int out_of_memory(struct diag *diag)
{
	return diag_set(diag, -ENOMEM, "out of memory");
}

int look_at(struct look *look, size_t root, struct diag *diag)
{
	const char *path = files_root(look->before, root);
	struct glance how = {.root = root, .all = true, .paths = &path, .n = 1};
	if (source_is_folder(path)) {
		how.in_folder = true;
		TRY(source_list(&look->arena_, path, &how.paths, &how.n, diag));
	}
	return merge(look, &how) < 0 ? out_of_memory(diag) : 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int look_at_names(struct look *look, size_t root, const char **names, size_t n, struct diag *diag)
{
	const char *folder = files_root(look->before, root);
	const char **paths = arena_alloc(&look->arena_, (n + 1) * sizeof *paths);
	struct glance how = {.root = root, .in_folder = true, .forced = true, .paths = paths};
	qsort(names, n, sizeof *names, by_bytes);
	for (size_t i = 0; paths && i < n; i++) {
		if (i > 0 && strcmp(names[i - 1], names[i]) == 0) {
			continue;
		}
		paths[how.n] = source_join(&look->arena_, folder, names[i]);
		if (!paths[how.n++]) {
			return out_of_memory(diag);
		}
	}
	return !paths || merge(look, &how) < 0 ? out_of_memory(diag) : 0;
}

int look_past(struct look *look, size_t root)
{
	const struct files_one *one;
	for (size_t at = 0; (one = of_root(look->before, root, &at)); at++) {
		struct look_file file = {.path = files_path(look->before, one),
			.before = one,
			.stamp = one->stamp,
			.root = root,
			.state = LOOK_SAME};
		TRY(add(look, &file));
	}
	return 0;
}

/* --- what is in them --------------------------------------------------------------------------- */

static int say_wrong(struct look *look, struct look_file *file, const char *error)
{
	file->state = LOOK_WRONG;
	file->error = arena_str(&look->arena_, str_of(error)).p;
	return file->error ? 0 : -ENOMEM;
}

static int read_one(struct look *look, struct look_file *file)
{
	struct diag diag = {{0}};
	int rc = spec_from_file(file->path, &file->specs, &file->places, &diag);
	if (rc == -ENOENT && file->in_folder) {
		file->state = LOOK_GONE; /* since it was listed */
		return 0;
	}
	return rc < 0 && rc != -ENOMEM ? say_wrong(look, file, diag.text) : rc;
}

static const char *name_of(const json_t *spec)
{
	return json_string_value(json_object_get(spec, "name"));
}

/* Another file has the name. */
static int say_twice(
	struct look *look, struct look_file *file, const char *name, const struct look_file *other)
{
	struct diag diag;
	const char *there = json_string_value(json_object_get(other->places, name));
	const char *place = json_string_value(json_object_get(file->places, name));
	diag_write(&diag, "%s: name: there is a \"%.*s\" already, at %s", place,
		STR_FMT(node_excerpt(str_of(name))), there ? there : other->path);
	forget(file);
	return say_wrong(look, file, diag.text);
}

/* The names of one file, unless one before it has one of them. */
static int wish(struct look *look, size_t at)
{
	struct look_file *file = &look->v[at];
	json_t *spec;
	size_t i;
	json_array_foreach (file->specs, i, spec) {
		const json_t *other = json_object_get(look->wished, name_of(spec));
		if (other) {
			size_t first = (size_t)json_integer_value(other);
			return say_twice(look, file, name_of(spec), &look->v[first]);
		}
	}
	json_array_foreach (file->specs, i, spec) {
		json_t *index = json_integer((json_int_t)at);
		if (json_object_set_new(look->wished, name_of(spec), index) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* A file that keeps what it had comes before those that want it now. */
static int defend(struct look *look, const struct look_file *file, bool *ret_again)
{
	const char *name = file->before ? files_names(look->before, file->before) : NULL;
	for (size_t i = 0; file->before && i < file->before->n_names; i++) {
		const json_t *index = json_object_get(look->wished, name);
		struct look_file *other = index ? &look->v[json_integer_value(index)] : NULL;
		if (other && other->state == LOOK_READ) {
			TRY(say_twice(look, other, name, file));
			*ret_again = true;
		}
		name = files_after(name);
	}
	return 0;
}

/* Such a one comes after the others: it must not hold up those that change names. */
static bool was_wrong(const struct look_file *file)
{
	return file->before && file->before->told;
}

/* One that is wrong now wishes for nothing and defends what it had, so once more then. */
static int settle(struct look *look, bool *ret_again)
{
	*ret_again = false;
	json_decref(look->wished);
	look->wished = json_object();
	if (!look->wished) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < look->n; i++) {
		TRY(look->v[i].state == LOOK_READ && !was_wrong(&look->v[i]) ? wish(look, i) : 0);
	}
	for (size_t i = 0; i < look->n; i++) {
		TRY(look->v[i].state == LOOK_READ && was_wrong(&look->v[i]) ? wish(look, i) : 0);
	}
	for (size_t i = 0; i < look->n; i++) {
		const struct look_file *file = &look->v[i];
		bool keeps = file->state == LOOK_SAME || file->state == LOOK_WRONG;
		TRY(keeps ? defend(look, file, ret_again) : 0);
	}
	return 0;
}

int look_read(struct look *look)
{
	bool again = true;
	for (size_t i = 0; i < look->n; i++) {
		TRY(look->v[i].state == LOOK_READ ? read_one(look, &look->v[i]) : 0);
	}
	while (again) {
		TRY(settle(look, &again));
	}
	return 0;
}

/* --- what comes of it -------------------------------------------------------------------------- */

/* Whether a reason has the name in quotes, as all of ours do. */
static bool has_name(const char *why, const char *name)
{
	size_t n = strlen(name);
	for (const char *at = strchr(why, '\''); at; at = strchr(at + 1, '\'')) {
		if (strncmp(at + 1, name, n) == 0 && at[n + 1] == '\'') {
			return true;
		}
	}
	return false;
}

/* Where the instance stands that the reason names; in a file of one, that one. */
static const char *place_of(const struct look_file *file, const char *why)
{
	const char *name;
	json_t *place;
	bool only = json_object_size(file->places) == 1;
	json_object_foreach (file->places, name, place) {
		if (only || has_name(why, name)) {
			return json_string_value(place);
		}
	}
	return file->path;
}

int look_refuse(struct look *look, struct look_file *file, const char *why)
{
	struct diag diag;
	diag_write(&diag, "%s: %s", place_of(file, why), why);
	return say_wrong(look, file, diag.text);
}

uint64_t look_told(const struct look_file *file)
{
	uint64_t told = hash_str(HASH_START, str_of(file->error));
	told = hash_bytes(told, &file->stamp, sizeof file->stamp);
	return told ? told : 1;
}

static int keep_names(const struct files *before, const struct look_file *file, struct files *files)
{
	const char *name = file->before ? files_names(before, file->before) : NULL;
	for (size_t i = 0; file->before && i < file->before->n_names; i++) {
		/* What is wished for as well comes with the wishes. */
		if (!json_object_get(file->places, name)) {
			TRY(files_add_name(files, str_of(name)));
		}
		name = files_after(name);
	}
	return 0;
}

static int next_file(const struct files *before, const struct look_file *file, struct files *files)
{
	bool wrong = file->state == LOOK_WRONG;
	json_t *spec;
	size_t i;
	if (file->state == LOOK_GONE) {
		return 0;
	}
	TRY(files_add(files, file->path, file->stamp, wrong ? look_told(file) : 0));
	if (file->state != LOOK_READ) {
		TRY(keep_names(before, file, files));
	}
	json_array_foreach (file->specs, i, spec) {
		TRY(files_add_name(files, str_of(name_of(spec))));
	}
	return 0;
}

static int next_files(const struct look *look, struct files *files)
{
	size_t at = 0;
	for (size_t root = 0; root < look->before->n_roots; root++) {
		TRY(files_add_root(files, files_root(look->before, root)));
		for (; at < look->n && look->v[at].root == root; at++) {
			TRY(next_file(look->before, &look->v[at], files));
		}
	}
	return 0;
}

int look_next(const struct look *look, struct files *ret_files)
{
	struct files files = FILES_EMPTY;
	int rc = next_files(look, &files);
	if (rc < 0) {
		files_done(&files);
		return rc;
	}
	files_done(ret_files);
	*ret_files = files;
	return 0;
}
