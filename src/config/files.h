/*
 * files - which files the instances come from, and the names of those that each one holds.
 *
 * Layer:   config
 * Threads: one owner at a time
 * Memory:  two growing pieces, about a hundred bytes a file; files_done() frees them
 * Secrets: none
 * Limits:  FILES_ROOTS_MAX; as many files as there are
 * Spec:    docs/architecture.md#files-that-are-watched
 *
 * A root is a path that the configuration or the command line names: a file, or a folder of them.
 * Files are in order of their roots, those of a folder in bytewise order of their paths.
 */
#ifndef TELLTALE_CONFIG_FILES_H
#define TELLTALE_CONFIG_FILES_H

#include "base/buf.h"

#define FILES_ROOTS_MAX 256

struct files_one {
	size_t at_;     /* in the texts: the path, then the names, each with its NUL */
	size_t n_names; /* of instances that it held when it was last read well */
	uint64_t stamp; /* file_stamp() before it was read; 0: never yet */
	uint64_t told;  /* a hash of what was said to be wrong with it; 0: nothing is wrong */
	size_t root;    /* which one it belongs to */
};

struct files {
	struct files_one *v;
	size_t n;
	size_t n_roots;
	size_t n_names; /* of all files */
	size_t cap_;
	struct buf texts_;
	size_t roots_[FILES_ROOTS_MAX]; /* where the paths of the roots are in the texts */
};

#define FILES_EMPTY ((struct files){0})

void files_done(struct files *files);

/* A further root; its files are added next. Returns 0, -ENOMEM or E_LIMIT. */
MUST_CHECK int files_add_root(struct files *files, const char *path);

/* A further file of the last root; its names are added next. Returns 0 or -ENOMEM. */
MUST_CHECK int files_add(struct files *files, const char *path, uint64_t stamp, uint64_t told);

/* A further instance of the last file. Returns 0 or -ENOMEM. */
MUST_CHECK int files_add_name(struct files *files, struct str name);

/* Borrowed until something is added. */
const char *files_root(const struct files *files, size_t root);
const char *files_path(const struct files *files, const struct files_one *one);

/* The first of a file's n_names names; files_after() is the next. */
const char *files_names(const struct files *files, const struct files_one *one);

static inline const char *files_after(const char *name)
{
	return name + strlen(name) + 1;
}

#endif
