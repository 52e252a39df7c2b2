/*
 * postgres_listen - be the one daemon of a host in a fleet, and hear at once that something changed.
 *
 * Layer:   store
 * Threads: one caller at a time; another thread than the store's may have it
 * Memory:  postgres_listen_new() gives, postgres_listen_free() takes
 * Secrets: the URL's password is in no message
 * Limits:  POSTGRES_CALL_MS for each call but postgres_listen_read(), which does not wait
 * Spec:    docs/adr/0007-postgresql-store.md
 *
 * It has a connection of its own, which holds a lock of the host's name: two daemons of one name would
 * each serve half of what is changed. When the connection is gone, so is the lock: E_AWAY, free it and
 * make another.
 *
 * What it tells can be late, come twice, or be lost. Ask store/store.h's changed_since() whenever it
 * tells something, after it was made, and now and then.
 */
#ifndef TELLTALE_STORE_POSTGRES_LISTEN_H
#define TELLTALE_STORE_POSTGRES_LISTEN_H

#include "base/str.h"

struct postgres_listen;

#define POSTGRES_TOLD_HOST    1U /* an instance of the host changed, came or went */
#define POSTGRES_TOLD_SECRETS 2U

/*
 * url as store_open(), which must have made the tables. Returns 0, E_BUSY when another daemon is the
 * host's (diag: since when, from where), E_SYNTAX, E_AWAY, E_READONLY, -ENOMEM. E_BUSY may also be an
 * earlier connection of one's own that the server has not missed yet: for 25 s at most.
 */
MUST_CHECK int postgres_listen_new(
	struct str url, struct str host, struct postgres_listen **ret_listen, struct diag *diag);
void postgres_listen_free(struct postgres_listen *listen);

/* For poll(2), POLLIN. It is the same until it is freed. */
int postgres_listen_fd(const struct postgres_listen *listen);

/* What was told since: POSTGRES_TOLD_ bits, or none. Returns 0 or E_AWAY. */
MUST_CHECK int postgres_listen_read(
	struct postgres_listen *listen, unsigned *ret_told, struct diag *diag);

/*
 * Is the server still there? Returns 0 or E_AWAY. Read afterwards: what was told in the meantime does not
 * show at the descriptor.
 */
MUST_CHECK int postgres_listen_ping(struct postgres_listen *listen, struct diag *diag);

#endif
