/*
 * postgres_schema - the tables in PostgreSQL: are they ours, and of this schema; made and brought forward.
 *
 * Layer:   store
 * Threads: no state; many processes at once
 * Memory:  none
 * Secrets: none
 * Limits:  POSTGRES_SCHEMA_MS
 * Spec:    docs/architecture.md#store
 */
#ifndef TELLTALE_STORE_POSTGRES_SCHEMA_H
#define TELLTALE_STORE_POSTGRES_SCHEMA_H

#include "store/postgres_conn.h"

#define POSTGRES_SCHEMA_MS 30000 /* for one that waits until another has made them */

/*
 * Make the tables in the first schema of search_path, or bring them forward, and check that this user
 * may change them. Returns 0, E_VERSION when a newer release made them, E_EXISTS when there are those of another
 * program, -EACCES, or an error of the connection. When it fails, what was there is as it was.
 */
MUST_CHECK int postgres_schema_init(struct postgres_conn *conn, struct diag *diag);

/* Of a replica, which makes none: are they of this schema? */
MUST_CHECK int postgres_schema_check(struct postgres_conn *conn, struct diag *diag);

#endif
