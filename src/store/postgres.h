/*
 * postgres - the store of a fleet: many daemons, one PostgreSQL.
 *
 * Layer:   store
 * Threads: one caller at a time
 * Memory:  store/store.h; what is read comes row by row
 * Secrets: store/store.h; the URL's password is in no message
 * Limits:  names, ids and hosts of POSTGRES_NAME_BYTES, other values of POSTGRES_VALUE_BYTES; E_LIMIT
 * Spec:    store/store.h, docs/adr/0007-postgresql-store.md
 *
 * No call waits longer than POSTGRES_CALL_MS (store/postgres_conn.h) for the server, one that reads no
 * longer for its next row: then the connection is closed, and it is E_AWAY. So is every call from then
 * on, at once; a transaction that was open is lost. A server that can't be written any more (it became a
 * standby) is left, too. Nothing is connected anew: it may be another server then, which has not all that
 * was seen of the first. Open another store, and read anew.
 *
 * Rows of instance_each(), changed_since(), host_each(), operation_each(), audit_each(), points_before()
 * and points_instances() come in pages of POSTGRES_PAGE_ROWS: what changes in between may be seen as it
 * was or as it is, and nothing comes twice, but for changed_since(): that hands on what has changed once
 * more, still in order. operation_open() and points_each() read all at one moment.
 *
 * Writers of one host wait for each other from their first change of an instance to their commit, or
 * rollback; writers of different hosts don't. E_BUSY when that takes too long or stands crosswise.
 *
 * Who listens (store/postgres_listen.h) is told after a commit, not in it: PostgreSQL has all commits
 * that notify wait for each other. That can be lost; ask changed_since() now and then. A pooler in
 * between has to give each connection a session of its own.
 */
#ifndef TELLTALE_STORE_POSTGRES_H
#define TELLTALE_STORE_POSTGRES_H

#include "store/store.h"

#define POSTGRES_NAME_BYTES  1000 /* two of them and more fit into an entry of an index */
#define POSTGRES_VALUE_BYTES ((size_t)256 * 1024 * 1024)
#define POSTGRES_PAGE_ROWS   1000

/* As store_open(). -EOPNOTSUPP where it was built without libpq. */
MUST_CHECK int postgres_open(struct str url, struct store **ret_store, struct diag *diag);

/* The same of a replica: for reading. It makes no tables; what it shows may be a moment old. */
MUST_CHECK int postgres_open_reader(struct str url, struct store **ret_store, struct diag *diag);

#endif
