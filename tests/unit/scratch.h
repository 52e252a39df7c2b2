/*
 * scratch - an SQLite store in a folder of its own that goes with the test.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  scratch_setup() gives, scratch_teardown() takes
 * Secrets: none
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_UNIT_SCRATCH_H
#define TELLTALE_UNIT_SCRATCH_H

#include "base/buf.h"
#include "store/store.h"

#define SCRATCH_SPEC_BYTES 700

struct scratch {
	char folder[64];
	char path[128];
	char url[192];
	struct diag diag;
};

/* For cmocka; *state is the struct scratch. The folder is in memory where that can be had. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* The store, or NULL and the reason on stderr. */
struct store *scratch_open(struct scratch *f);

/* Open and close; what store_open() said. */
int scratch_try(struct scratch *f);

/* Refused with this code, in one line that names the file and has the text in it. */
void scratch_assert_refused(struct scratch *f, int expected, const char *text);

/* And the file is as it was. */
void scratch_assert_kept(struct scratch *f, int expected, const char *text);

/*
 * Put web-NUMBER, whose specification is known by the number, with an operation, an audit record
 * and a run of points that go with it; 0 or an error.
 */
int scratch_put(struct store *store, unsigned number);

/* The same in a transaction of its own. */
int scratch_commit(struct store *store, unsigned number);

/*
 * How many rows there are, which must be web-000000, web-000001 …, and as many of all that goes
 * with them, or an error.
 */
int scratch_count(struct store *store);

/* Some rows, big and small, deleted ones and a secret; returns all that can be read. */
struct buf scratch_sample(struct scratch *f, unsigned rows);

/* All that can be read; 0 or the first error. */
int scratch_dump(struct store *store, struct buf *ret_text);
int scratch_add_row(void *ctx, const struct store_instance *row);

struct buf scratch_read(const char *path);
void scratch_write(const char *path, struct str bytes);

/* Of a file, its name with an ending; -1: not there. */
long long scratch_size(const char *path, const char *ending);

#endif
