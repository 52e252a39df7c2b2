#include "config/files.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"

void files_done(struct files *files)
{
	free(files->v);
	buf_done(&files->texts_);
	*files = FILES_EMPTY;
}

static int add_text(struct files *files, struct str text)
{
	buf_add(&files->texts_, text);
	buf_add_char(&files->texts_, '\0');
	return buf_status(&files->texts_);
}

int files_add_root(struct files *files, const char *path)
{
	if (files->n_roots == FILES_ROOTS_MAX) {
		return E_LIMIT;
	}
	files->roots_[files->n_roots] = files->texts_.n;
	TRY(add_text(files, str_of(path)));
	files->n_roots++;
	return 0;
}

int files_add(struct files *files, const char *path, uint64_t stamp, uint64_t told)
{
	struct files_one *v = array_room(files->v, files->n, &files->cap_, sizeof *v);
	if (!v) {
		return -ENOMEM;
	}
	files->v = v;
	struct files_one one = {
		.at_ = files->texts_.n, .stamp = stamp, .told = told, .root = files->n_roots - 1};
	TRY(add_text(files, str_of(path)));
	files->v[files->n++] = one;
	return 0;
}

int files_add_name(struct files *files, struct str name)
{
	TRY(add_text(files, name));
	files->v[files->n - 1].n_names++;
	files->n_names++;
	return 0;
}

const char *files_root(const struct files *files, size_t root)
{
	return files->texts_.p + files->roots_[root];
}

const char *files_path(const struct files *files, const struct files_one *one)
{
	return files->texts_.p + one->at_;
}

const char *files_names(const struct files *files, const struct files_one *one)
{
	return files_after(files_path(files, one));
}
