/*
 * source - the files that a configuration consists of, and the paths in it.
 *
 * Layer:   config
 * Threads: no state
 * Memory:  results are appended to the caller's buffers
 * Secrets: none of its own
 * Limits:  the caller's
 * Spec:    relative paths are relative to the file that names them
 */
#ifndef TELLTALE_CONFIG_SOURCE_H
#define TELLTALE_CONFIG_SOURCE_H

#include "base/arena.h"
#include "base/buf.h"

/*
 * Append all that is in a file (or pipe).
 * Returns 0, -ENOMEM, -errno, or E_LIMIT when there are more than max bytes; diag starts with path.
 */
MUST_CHECK int source_read(
	const char *path, size_t max, struct buf *ret_content, struct diag *diag);

/*
 * Append `path` made absolute: relative to the folder of `file`, or to the working folder when
 * file is NULL. Nothing is looked up.
 * Returns 0, -ENOMEM or -errno of getcwd().
 */
MUST_CHECK int source_resolve(const char *file, struct str path, struct buf *ret_path);

/* A path is a folder. False when there is nothing. */
bool source_is_folder(const char *path);

/* A file of this name in a folder is one of instances: .yaml, .yml or .json, no dot at the start. */
bool source_is_wanted(struct str name);

/* "FOLDER/NAME" in the arena; NULL when out of memory. */
const char *source_join(struct arena *arena, const char *folder, const char *name);

/*
 * The wanted files of a folder in bytewise order, as "FOLDER/NAME" in the arena.
 * Returns 0, -ENOMEM or -errno; diag starts with the folder.
 */
MUST_CHECK int source_list(struct arena *arena, const char *folder, const char ***ret_paths,
	size_t *ret_n, struct diag *diag);

#endif
