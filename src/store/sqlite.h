/*
 * sqlite - the store of one host: a file, kept by SQLite.
 *
 * Layer:   store
 * Threads: one caller at a time
 * Memory:  store/store.h
 * Secrets: store/store.h
 * Limits:  a value of 1,000,000,000 bytes (SQLite's); E_LIMIT
 * Spec:    store/store.h
 */
#ifndef TELLTALE_STORE_SQLITE_H
#define TELLTALE_STORE_SQLITE_H

#include "store/store.h"

/* As store_open(), by path. */
MUST_CHECK int sqlite_open(struct str path, struct store **ret_store, struct diag *diag);

#endif
