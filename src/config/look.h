/*
 * look - what has changed in the files of instances since they were read last.
 *
 * Layer:   config
 * Threads: one owner at a time
 * Memory:  look_done() frees it; struct files are borrowed as long
 * Secrets: specifications may hold a role's secret key; nothing of them is in an error's text
 * Limits:  those of config/spec.h
 * Spec:    docs/architecture.md#files-that-are-watched
 *
 * Each file stands for itself: one that is wrong keeps the instances that it had when it was last
 * read well, and does not hold up others.
 *
 *	look_init(&look, files);
 *	look_at(), look_at_names() or look_past() each root, in their order
 *	look_read(&look);
 *	...        apply what is LOOK_READ and LOOK_GONE; look_refuse() what can't be
 *	look_next(&look, &next_files);
 */
#ifndef TELLTALE_CONFIG_LOOK_H
#define TELLTALE_CONFIG_LOOK_H

#include <jansson.h>

#include "base/arena.h"
#include "config/files.h"

enum look_state {
	LOOK_SAME,  /* nothing new */
	LOOK_READ,  /* it says something, perhaps new */
	LOOK_WRONG, /* error says why */
	LOOK_GONE,
};

struct look_file {
	const char *path;
	const struct files_one *before; /* NULL: it was not there */
	uint64_t stamp;
	size_t root;
	enum look_state state;
	bool in_folder;
	json_t *specs;     /* array; NULL unless it could be read */
	json_t *places;    /* by name: "FILE:LINE:COLUMN" */
	const char *error; /* "FILE:LINE:COLUMN: …"; NULL unless LOOK_WRONG */
};

struct look {
	const struct files *before;
	struct look_file *v;
	size_t n;
	json_t *wished; /* by name: which of the files that are LOOK_READ has it */
	struct arena arena_;
	size_t cap_;
};

void look_init(struct look *look, const struct files *before);
void look_done(struct look *look);

/*
 * Look at all of a root. Files whose stamps are as they were are taken to be the same, unless they
 * were wrong. A folder that can't be listed is -errno with diag, and nothing is known of its files.
 */
MUST_CHECK int look_at(struct look *look, size_t root, struct diag *diag);

/*
 * Look at some files of a root that is a folder, whatever their stamps say, and at those that were
 * wrong. names is sorted here.
 */
MUST_CHECK int look_at_names(
	struct look *look, size_t root, const char **names, size_t n, struct diag *diag);

/* Take all files of a root to be the same. */
MUST_CHECK int look_past(struct look *look, size_t root);

/*
 * Read what has to be. Of files that claim the same name, one that had it keeps it, else the first has
 * it of those that were not wrong before, and the others are wrong.
 * Returns 0 or -ENOMEM.
 */
MUST_CHECK int look_read(struct look *look);

/*
 * A file that is LOOK_READ can't be applied: it is LOOK_WRONG. It keeps what it had, and also the
 * names that it wished for: another file may have lost them to it. Returns 0 or -ENOMEM.
 */
MUST_CHECK int look_refuse(struct look *look, struct look_file *file, const char *why);

/* What was wrong with a file, so that it is said once; never 0. */
uint64_t look_told(const struct look_file *file);

/* What is known now. Returns 0 or -ENOMEM; *ret_files is untouched then. */
MUST_CHECK int look_next(const struct look *look, struct files *ret_files);

#endif
