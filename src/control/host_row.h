/*
 * host_row - a host's row in a store, changed in part.
 *
 * Layer:   control (only for src/control/)
 * Threads: under the registrar's lock: nobody else changes this host's row
 * Memory:  nothing is retained
 * Secrets: none
 * Limits:  none
 * Spec:    store/store.h
 */
#ifndef TELLTALE_CONTROL_HOST_ROW_H
#define TELLTALE_CONTROL_HOST_ROW_H

#include "store/store.h"

/* In a transaction: have change() set some members of the row, which is made when there is none. */
MUST_CHECK int host_row_change(struct store *store, struct str name,
	void (*change)(struct store_host *host, const void *ctx), const void *ctx,
	struct diag *diag);

/* Its last batch of metric points, and the revision that its guests see; 0: there is no row. */
MUST_CHECK int host_row_recorded(
	struct store *store, struct str name, uint64_t *ret_recorded, struct diag *diag);
MUST_CHECK int host_row_applied(
	struct store *store, struct str name, uint64_t *ret_applied, struct diag *diag);

#endif
