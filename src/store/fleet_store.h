/*
 * fleet_store - the store of a fleet as one of its daemons sees it: the database while it can be
 *               reached, and a copy of what this host needs while it can't.
 *
 * Layer:   store
 * Threads: as store/store.h
 * Memory:  fleet_store_new() takes the copy, fleet_store_attach() the database; store_free() takes
 *          them both
 * Secrets: as store/store.h
 * Limits:  none of its own
 * Spec:    docs/fleet.md#when-the-database-is-away
 *
 * Every call goes to the database. While there is none, instances, points and secrets are read from
 * the copy, and all else is E_AWAY at once. A database that says E_AWAY is not asked again: whoever
 * attached it brings another one. Nothing is written to the copy here.
 */
#ifndef TELLTALE_STORE_FLEET_STORE_H
#define TELLTALE_STORE_FLEET_STORE_H

#include "store/store.h"

/* Takes the copy. NULL when out of memory; then the copy is the caller's still. */
struct store *fleet_store_new(struct store *copy);

/* Takes the database; one that was there is freed. */
void fleet_store_attach(struct store *store, struct store *database);

/* The database is not asked any more; it is freed, which ends its session. */
void fleet_store_detach(struct store *store);

/*
 * A replica of the database, for reads that may be a moment old; NULL: none. Takes it; one that was there is
 * freed. Nothing goes to it but by fleet_store_reader().
 */
void fleet_store_attach_reader(struct store *store, struct store *reader);

/* Where such reads go: the replica, or this store where there is none or the database is away. Borrowed. */
struct store *fleet_store_reader(struct store *store);

bool fleet_store_has_reader(const struct store *store);

/* Whether there is a database that has not said E_AWAY. */
bool fleet_store_is_attached(const struct store *store);

/* Borrowed. */
struct store *fleet_store_copy(const struct store *store);

#endif
