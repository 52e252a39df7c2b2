/*
 * file - whole small files, folders, and whether a file has changed.
 *
 * Layer:   platform
 * Threads: no state
 * Memory:  bytes go to the caller's buffer
 * Secrets: a file that does not grow meanwhile is read into one piece of memory, so that a caller who
 *          wipes the buffer has wiped all of it
 * Limits:  the caller's cap
 * Spec:    none
 */
#ifndef TELLTALE_PLATFORM_FILE_H
#define TELLTALE_PLATFORM_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/*
 * Append a regular file's bytes. Never waits for a FIFO or a terminal: those are not regular.
 * Returns 0, E_LIMIT when there are more than cap_bytes, E_SYNTAX when it is no regular file,
 * -ENOMEM or -errno; on failure nothing is appended, and diag names the path.
 */
MUST_CHECK int file_read(
	const char *path, size_t cap_bytes, struct buf *ret_bytes, struct diag *diag);

/* The same for whatever can be read to its end: pipes, /dev/stdin. */
MUST_CHECK int file_read_any(
	const char *path, size_t cap_bytes, struct buf *ret_bytes, struct diag *diag);

/* Whether everybody on the machine may read the file, or change it. False when it is not there. */
bool file_is_open_to_others(const char *path);

/*
 * Make the folder and what is missing above it, with this mode whatever the umask is. Folders that
 * are there stay as they are. Returns 0 or -errno with diag.
 */
MUST_CHECK int file_make_folders(const char *path, mode_t mode, struct diag *diag);

/*
 * A number that is another one when the file was written, replaced or removed; 0: not there. From
 * device, inode, size and times alone: two changes within one tick of the kernel's clock that leave
 * the size are one. So take it before reading.
 */
uint64_t file_stamp(const char *path);

#endif
