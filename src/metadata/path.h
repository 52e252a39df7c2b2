/*
 * path - from a request target to a clean path.
 *
 * Layer:   metadata (pure)
 * Threads: no state
 * Memory:  writes to the caller's array
 * Secrets: none
 * Limits:  PATH_BYTES
 * Spec:    docs/protocol.md#paths
 */
#ifndef TELLTALE_METADATA_PATH_H
#define TELLTALE_METADATA_PATH_H

#include "base/str.h"

#define PATH_BYTES 2048

/*
 * Decode %XX once, drop the query, collapse repeated slashes, drop the first and the last one:
 * "//latest/meta-data/" becomes "latest/meta-data", "/" becomes "".
 *
 * ret_path          points into memory, or into target where nothing had to be decoded
 * ret_slash_at_end  whether the path ended in a slash
 *
 * Returns 0, or E_SYNTAX: no slash at the start, a bad escape, a ".." segment, NUL or control
 * bytes; or E_LIMIT.
 */
MUST_CHECK int path_clean(
	struct str target, char memory[PATH_BYTES], struct str *ret_path, bool *ret_slash_at_end);

/* The first segment of path, which is cut off from it. */
struct str path_next(struct str *path);

#endif
