#include "config/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 * 1024)

static void on_fd(const int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd); /* only read from */
	}
}

static int fail(struct diag *diag, int rc, const char *path)
{
	return diag_set(diag, rc, "%s: %s", path, result_name(rc));
}

int source_read(const char *path, size_t max, struct buf *ret_content, struct diag *diag)
{
	CLEANUP(on_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return fail(diag, -errno, path);
	}
	for (size_t total = 0;;) {
		char *room = buf_room(ret_content, READ_BYTES);
		if (!room) {
			return diag_set(diag, -ENOMEM, "%s: out of memory", path);
		}
		ssize_t got = read(fd, room, READ_BYTES);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return fail(diag, -errno, path);
		}
		if (got == 0) {
			return 0;
		}
		total += (size_t)got;
		ret_content->n += (size_t)got;
		if (total > max) {
			return diag_set(diag, E_LIMIT, "%s: larger than %zu bytes", path, max);
		}
	}
}

int source_resolve(const char *file, struct str path, struct buf *ret_path)
{
	char folder[PATH_MAX];
	if (path.n && path.p[0] == '/') {
		buf_add(ret_path, path);
		return buf_status(ret_path);
	}
	if (!file || file[0] != '/') {
		if (!getcwd(folder, sizeof folder)) {
			return -errno;
		}
		buf_add(ret_path, str_of(folder));
		buf_add_char(ret_path, '/');
	}
	const char *slash = file ? strrchr(file, '/') : NULL;
	if (slash) {
		buf_add(ret_path, (struct str){file, (size_t)(slash - file) + 1});
	}
	buf_add(ret_path, path);
	return buf_status(ret_path);
}

bool source_is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool source_is_wanted(struct str name)
{
	return name.n && name.p[0] != '.' &&
	       (str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")) ||
		       str_ends(name, STR(".json")));
}

static int is_wanted(const struct dirent *entry)
{
	return source_is_wanted(str_of(entry->d_name));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

const char *source_join(struct arena *arena, const char *folder, const char *name)
{
	size_t n = strlen(folder), bytes = strlen(name) + 1;
	bool slash = n == 0 || folder[n - 1] != '/';
	char *path = arena_alloc(arena, n + slash + bytes);
	if (path) {
		memcpy(path, folder, n);
		path[n] = '/';
		memcpy(path + n + slash, name, bytes);
	}
	return path;
}

int source_list(struct arena *arena, const char *folder, const char ***ret_paths, size_t *ret_n,
	struct diag *diag)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, is_wanted, by_bytes);
	if (n < 0) {
		return fail(diag, -errno, folder);
	}
	const char **paths = arena_alloc(arena, ((size_t)n + 1) * sizeof *paths);
	bool complete = paths != NULL;
	for (int i = 0; i < n; i++) {
		if (complete) {
			paths[i] = source_join(arena, folder, entries[i]->d_name);
			complete = paths[i] != NULL;
		}
		free(entries[i]);
	}
	free(entries);
	if (!complete) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	*ret_paths = paths;
	*ret_n = (size_t)n;
	return 0;
}
