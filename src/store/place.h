/*
 * place - where a file store lives: its folder, its lock, and whether the file can be ours.
 *
 * Layer:   store
 * Threads: one owner at a time
 * Memory:  place_init() gives, place_done() takes and ends the lock
 * Secrets: none
 * Limits:  PLACE_PATH_BYTES
 * Spec:    docs/architecture.md#store; https://www.sqlite.org/fileformat2.html#the_database_header
 */
#ifndef TELLTALE_STORE_PLACE_H
#define TELLTALE_STORE_PLACE_H

#include "base/str.h"

/* SQLite refuses longer ones, and adds endings of its own. */
#define PLACE_PATH_BYTES 500

/* "TTAL": SQLite's header has a place for who uses the file. */
#define PLACE_APPLICATION_ID 0x5454414C

struct place {
	char *path; /* absolute, symbolic links followed */
	bool fresh; /* nothing in it yet */
	bool made_; /* the file was not there before */
	bool locked_;
	int lock_fd_;
};

/*
 * Make what is missing of the folder (0700) and the file (0600, empty), whatever the umask is; take
 * the lock; look at the file's first bytes. A file that was there is not changed.
 * Returns 0, or
 *   E_SYNTAX    the path does not name a file
 *   E_BUSY      another process has the lock; diag says which
 *   E_DAMAGED   there is something else than an SQLite database of ours
 *   E_READONLY, E_FULL, -ENOMEM, -errno
 */
MUST_CHECK int place_init(struct place *place, struct str path, struct diag *diag);

void place_done(struct place *place);

/* There are secrets in the file: take away what rights others have. For a file that is ours. */
void place_tighten(const struct place *place);

/* Remove the file again, if it was made here. */
void place_discard(struct place *place);

/* E_FULL, E_READONLY, E_BUSY or -errno. */
int place_result(int err);

/* "store PATH: WHAT; what to do about rc" into diag; returns rc. */
int place_fault(const char *path, int rc, struct diag *diag, const char *what);

#endif
