/*
 * registrar_elsewhere - instances that other hosts of the fleet serve, looked at as those that are here.
 *
 * Layer:   control (only for src/control/registrar*.c)
 * Threads: under the registrar's lock
 * Memory:  glimpse_done()
 * Secrets: none of its own
 * Limits:  ELSEWHERE_SCAN
 * Spec:    docs/fleet.md#any-daemon-any-instance
 */
#ifndef TELLTALE_CONTROL_REGISTRAR_ELSEWHERE_H
#define TELLTALE_CONTROL_REGISTRAR_ELSEWHERE_H

#include "control/registrar_state.h"

/* So many instances one call of a list looks at, at most: it holds the lock meanwhile. */
#define ELSEWHERE_SCAN 10000

/* One instance for a short look. Zeroed before use. */
struct glimpse {
	const struct entry *entry;
	struct entry *lone; /* of one that is elsewhere */
	struct str host;    /* who serves it; empty: where there is only one */
	char *host_text;
	char *next_host; /* who shall; NULL or empty: it stays */
};

void glimpse_done(struct glimpse *glimpse);

/*
 * By its name or its id. E_NOTFOUND when there is none; E_AWAY when it is not here and nobody can say
 * whether it is elsewhere; -ENOMEM, E_DAMAGED, or the store's error.
 */
MUST_CHECK int glimpse_by_name(struct registrar *registrar, struct str name,
	struct glimpse *ret_glimpse, struct diag *diag);
MUST_CHECK int glimpse_by_id(
	struct registrar *registrar, struct str id, struct glimpse *ret_glimpse, struct diag *diag);

/* Whether other hosts' instances can be looked at now. */
bool elsewhere_reached(const struct registrar *registrar);

/* As registrar_list(), of the whole fleet: for a query without ids. */
MUST_CHECK int elsewhere_list(struct registrar *registrar, const struct registrar_query *query,
	json_t *views, bool *ret_more, struct diag *diag);

/* Show it, with its host where there are several. NULL when out of memory. */
json_t *elsewhere_view(const struct registrar *registrar, const struct registrar_query *query,
	const struct glimpse *glimpse);

#endif
