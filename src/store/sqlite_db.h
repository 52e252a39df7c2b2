/*
 * sqlite_db - an SQLite file that is known to be ours, whole, of this schema, and writable.
 *
 * Layer:   store
 * Threads: one caller at a time
 * Memory:  sqlite_db_init() gives, sqlite_db_done() takes
 * Secrets: none of its own; what is deleted is overwritten in the file
 * Limits:  SQLITE_DB_BUSY_MS of waiting for a program that looks into the file
 * Spec:    docs/architecture.md#store
 */
#ifndef TELLTALE_STORE_SQLITE_DB_H
#define TELLTALE_STORE_SQLITE_DB_H

#include <sqlite3.h>

#include "store/place.h"

#define SQLITE_DB_BUSY_MS 500

struct sqlite_db {
	struct place place;
	sqlite3 *handle;
};

/*
 * Open or make the file; errors as store_open(). When it fails, a file that was there is as it was,
 * and one that was not is gone again.
 */
MUST_CHECK int sqlite_db_init(struct sqlite_db *db, struct str path, struct diag *diag);
void sqlite_db_done(struct sqlite_db *db);

/* As sqlite3_step(), in the way that lets sqlite_db_fault() tell the cause. */
MUST_CHECK int sqlite_db_step(sqlite3_stmt *stmt);

/* What the result code of the SQLite call just made means here, and a line into diag. */
int sqlite_db_fault(const struct sqlite_db *db, int code, struct diag *diag);

/* Run statements that take no values and whose rows nobody needs. */
MUST_CHECK int sqlite_db_run(struct sqlite_db *db, const char *sql, struct diag *diag);

/* A statement that is used often; sqlite3_finalize() it before sqlite_db_done(). */
MUST_CHECK int sqlite_db_prepare(
	struct sqlite_db *db, const char *sql, sqlite3_stmt **ret_stmt, struct diag *diag);

/* Move what is in the WAL into the file and give the WAL's space back, as far as that can be had. */
int sqlite_db_checkpoint(struct sqlite_db *db, struct diag *diag);

#endif
