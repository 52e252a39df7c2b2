/*
 * registrar - every change of an instance: checked, stored, published, in that order.
 *
 * Layer:   control
 * Threads: safe from any thread but the workers; one lock around each call
 * Memory:  json_t results belong to the caller
 * Secrets: specifications may hold a role's key; views do not show it
 * Limits:  none of its own
 * Spec:    docs/architecture.md#writes
 *
 * A failed call has changed nothing, neither in the store nor in the registry.
 */
#ifndef TELLTALE_CONTROL_REGISTRAR_H
#define TELLTALE_CONTROL_REGISTRAR_H

#include <jansson.h>

#include "metadata/registry.h"
#include "store/store.h"

struct registrar;

/* Borrows all of them. now_s() is the wall clock. NULL when out of memory. */
struct registrar *registrar_new(struct registry *registry, struct store *store,
	const struct site *site, int64_t (*now_s)(void));
void registrar_free(struct registrar *registrar);

/*
 * Publish what the store holds. Rows that make no instance are E_DAMAGED and named.
 */
MUST_CHECK int registrar_load(struct registrar *registrar, struct diag *diag);

/*
 * Apply the files' specifications (an array) as a whole: new ones are added, changed members are
 * applied, instances that came from a file and are in none any more go. ret_changed: how many.
 */
MUST_CHECK int registrar_apply_files(
	struct registrar *registrar, const json_t *specs, size_t *ret_changed, struct diag *diag);

/*
 * Make or replace instances by specification; all of them or none. Options that a specification does
 * not name keep their live value. E_EXISTS for a taken address.
 */
MUST_CHECK int registrar_put(struct registrar *registrar, const json_t *specs, struct diag *diag);

/* E_NOTFOUND when there is none. */
MUST_CHECK int registrar_delete(struct registrar *registrar, struct str name, struct diag *diag);

/* End all tokens of an instance. */
MUST_CHECK int registrar_revoke(struct registrar *registrar, struct str name, struct diag *diag);

/* Change options: an object with some of the members of metadata/options.h. */
MUST_CHECK int registrar_options(
	struct registrar *registrar, struct str name, const json_t *changes, struct diag *diag);

/* Start or stop it; a start after a stop is a launch. */
MUST_CHECK int registrar_state(
	struct registrar *registrar, struct str name, bool running, struct diag *diag);

/* Set some tags (an object of texts) and drop others (an array of keys). */
MUST_CHECK int registrar_tags(struct registrar *registrar, struct str name, const json_t *set,
	const json_t *drop, struct diag *diag);

/* How many instances one call lists. */
#define REGISTRAR_PAGE 1000

/*
 * One instance, or a page of them in order of their names (an array), in the shape of Lightsail's
 * Instance with `metadataOptions`, and telltale's own `instanceId`, `match` and `counters`.
 * after     only those whose names come later; empty: from the first.
 * ret_more  whether there are others behind these.
 */
MUST_CHECK int registrar_show(
	struct registrar *registrar, struct str name, json_t **ret_view, struct diag *diag);
MUST_CHECK int registrar_list(struct registrar *registrar, struct str after, json_t **ret_views,
	bool *ret_more, struct diag *diag);

/* Run something while no instance can change: reading all of them. */
void registrar_run(struct registrar *registrar, void (*run)(void *ctx), void *ctx);

/* Free what no worker sees any more. */
void registrar_reclaim(struct registrar *registrar);

/* Look at the roles' credential files again; those that changed are published. Returns how many. */
size_t registrar_refresh_roles(struct registrar *registrar);

#endif
