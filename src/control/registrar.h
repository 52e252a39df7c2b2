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

#include "control/history.h"
#include "control/page.h"
#include "control/trail.h"

struct registrar;

/* Borrows all of them. now_s() is the wall clock. NULL when out of memory. */
struct registrar *registrar_new(struct registry *registry, struct store *store,
	const struct site *site, int64_t (*now_s)(void));
void registrar_free(struct registrar *registrar);

/* At an orderly end, when nobody counts any more: put all that was counted into the store. */
void registrar_end(struct registrar *registrar);

/*
 * Publish what the store holds. Rows that make no instance are E_DAMAGED and named. Operations that
 * a daemon which ended left open have Succeeded: what they changed is in force now.
 */
MUST_CHECK int registrar_load(struct registrar *registrar, struct diag *diag);

/*
 * What changes something is a deed (control/trail.h), which may be NULL: it is recorded with the
 * change, and the operations that it gets end once every worker has the change. One that is only
 * rehearsed fails as it would, and changes nothing.
 */

/*
 * Apply the files' specifications (an array) as a whole: new ones are added, changed members are
 * applied, instances that came from a file and are in none any more go, and are named in the log.
 * ret_changed: how many.
 * In a fleet these are files of this host: an instance of them that was moved to another host stays there
 * as it is, also when it leaves the file. A name that another host has otherwise is E_EXISTS.
 */
MUST_CHECK int registrar_apply_files(struct registrar *registrar, const struct deed *deed,
	const json_t *specs, size_t *ret_changed, struct diag *diag);

/*
 * The same for some of the files: `specs` is what they say now, and of other instances that came from
 * a file only those go whose names are in `gone` (an array).
 */
MUST_CHECK int registrar_apply_some(struct registrar *registrar, const struct deed *deed,
	const json_t *specs, const json_t *gone, size_t *ret_changed, struct diag *diag);

/*
 * Make or replace instances by specification; all of them or none. Options that a specification does
 * not name keep their live value. E_EXISTS for a taken address.
 */
MUST_CHECK int registrar_put(struct registrar *registrar, const struct deed *deed,
	const json_t *specs, struct diag *diag);

/*
 * Make instances; all of them or none. A name that there is already is E_EXISTS. One whose derived
 * private address is taken gets another.
 */
MUST_CHECK int registrar_create(struct registrar *registrar, const struct deed *deed,
	const json_t *specs, struct diag *diag);

/* E_NOTFOUND when there is none. */
MUST_CHECK int registrar_delete(
	struct registrar *registrar, const struct deed *deed, struct str name, struct diag *diag);

/* End all tokens of an instance. */
MUST_CHECK int registrar_revoke(
	struct registrar *registrar, const struct deed *deed, struct str name, struct diag *diag);

/*
 * Change options: an object with some of the members of metadata/options.h. E_DENIED: optional
 * tokens, where the account enforces that they are required.
 */
MUST_CHECK int registrar_options(struct registrar *registrar, const struct deed *deed,
	struct str name, const json_t *changes, struct diag *diag);

/* Start or stop it; a start after a stop is a launch. */
MUST_CHECK int registrar_state(struct registrar *registrar, const struct deed *deed,
	struct str name, bool running, struct diag *diag);

/* Its machine is its hypervisor's; here it only must be one that runs. E_EXISTS when it does not. */
MUST_CHECK int registrar_reboot(
	struct registrar *registrar, const struct deed *deed, struct str name, struct diag *diag);

/* Set some tags (an object of texts) and drop others (an array of keys). */
MUST_CHECK int registrar_tags(struct registrar *registrar, const struct deed *deed, struct str name,
	const json_t *set, const json_t *drop, struct diag *diag);

/*
 * The same for the instances of these ids (an array of texts, each once): all of them or none.
 * drop  an object: a key's tag goes when its value is that one, or whatever it is if the object has
 *       JSON's null; or JSON's true: all that an instance has go
 */
MUST_CHECK int registrar_tags_by_id(struct registrar *registrar, const struct deed *deed,
	const json_t *ids, const json_t *set, const json_t *drop, struct diag *diag);

/*
 * What the account prefers for new instances' options: an object with some of httpTokens,
 * httpPutResponseHopLimit, httpEndpoint, instanceMetadataTags and httpTokensEnforced. changes: those
 * to set; JSON's null takes a preference away. With httpTokensEnforced "enabled" no instance comes to
 * have optional tokens any more.
 * ret_defaults  a new reference
 */
MUST_CHECK int registrar_defaults(struct registrar *registrar, const struct deed *deed,
	const json_t *changes, struct diag *diag);
MUST_CHECK int registrar_show_defaults(
	struct registrar *registrar, json_t **ret_defaults, struct diag *diag);

/*
 * A new secret for tokens: control/token_secrets.h says what is refused.
 * ret_after_s  when tokens begin to be made by it
 */
MUST_CHECK int registrar_rotate_secret(struct registrar *registrar, const struct deed *deed,
	unsigned *ret_after_s, struct diag *diag);

/* Record what was asked for and not done. result: an error's name. */
void registrar_tell(struct registrar *registrar, const struct deed *deed, struct str resource,
	struct str result);

/* --- in a fleet ------------------------------------------------------------------------------ */

/*
 * This is one host of a fleet: the store is a fleet_store, and only this host's instances are here.
 * Before registrar_load(), which publishes what the copy has. Borrows the texts. Returns 0 or -ENOMEM.
 */
MUST_CHECK int registrar_join(struct registrar *registrar, struct str host, const char *version);

/* Whether the copy was once brought up to a database's state: without one it can be started from. */
bool registrar_has_copy(struct registrar *registrar);

/*
 * Take a database, also on failure, and bring all that is here up to what it holds. May wait for it:
 * guests notice nothing.
 */
MUST_CHECK int registrar_attach(
	struct registrar *registrar, struct store *database, struct diag *diag);

/*
 * Tell the database, if it can be reached, that this host ends in good order: others need not wait until it has been
 * quiet for long. Before another daemon may take the host's name.
 */
void registrar_sign_off(struct registrar *registrar);

/* Do not ask it any more. */
void registrar_detach(struct registrar *registrar);

/* Take a replica of the database: lists, records and metrics are read from it, as long as it can be reached. */
void registrar_attach_reader(struct registrar *registrar, struct store *reader);
bool registrar_has_reader(struct registrar *registrar);

bool registrar_is_attached(struct registrar *registrar);

/* Publish what others have changed. secrets_too: what the account prefers may have changed as well. */
MUST_CHECK int registrar_catch_up(struct registrar *registrar, bool secrets_too, struct diag *diag);

/*
 * Tell the database what is in force here, and give away instances that go to other hosts, as far as
 * every worker has what that needs. Returns whether something still waits: call it again in a moment.
 */
bool registrar_acknowledge(struct registrar *registrar);

/*
 * Have another host serve it. The one that does so stops first; with `force` nobody waits for that, and
 * both may serve it for a while. E_NOTFOUND for an unknown host, E_EXISTS when it is there already or
 * one of its addresses is taken there.
 */
MUST_CHECK int registrar_move(struct registrar *registrar, const struct deed *deed, struct str name,
	struct str host, bool force, struct diag *diag);

/* Forget a host that has no instances. E_EXISTS when it has, or was heard of lately. */
MUST_CHECK int registrar_forget_host(
	struct registrar *registrar, const struct deed *deed, struct str host, struct diag *diag);

/*
 * All hosts (an array) in order of their names: `name`, `version`, `instances`, `revision`, `applied`,
 * `lag` (how many changes it does not have yet), `lastContactSeconds` (ago) and `stopped` (with that, in good
 * order). Where there is only one, itself, without a name.
 */
MUST_CHECK int registrar_hosts(struct registrar *registrar, json_t **ret_hosts, struct diag *diag);

/* For the metrics; in registrar_run(). */
struct registrar_fleet {
	bool joined;
	bool attached;
	uint64_t revision; /* that is in force here */
	uint64_t moving;   /* instances that are on their way to other hosts */
	uint64_t lost;     /* samples that were forgotten before they could be sent */
	uint64_t refused;  /* rows that could not be published */
};

void registrar_fleet(struct registrar *registrar, struct registrar_fleet *ret_fleet);

/* --- reading --------------------------------------------------------------------------------- */

/* How many instances one call lists at most. */
#define REGISTRAR_PAGE PAGE_MOST

struct registrar_query {
	struct str after; /* only those whose names come later; empty: from the first */
	size_t most;      /* up to REGISTRAR_PAGE */
	struct page_select select;
	const json_t *ids; /* only those of these ids (texts, each once); NULL: of any */
	/* How each is shown; it runs under the lock and gives NULL when out of memory. */
	json_t *(*view)(const struct registry *registry, const struct entry *entry);
	/*
	 * When there are more, the name behind which they are is appended; it may be one that was not
	 * selected. NULL: nobody asks.
	 */
	struct buf *ret_after;
};

/*
 * One instance, or a page of them in order of their names (an array), in the shape of Lightsail's
 * Instance with `metadataOptions`, and telltale's own `instanceId`, `match` and `counters`; or as the
 * query's view shows it.
 * ret_more  whether there are others behind these.
 */
MUST_CHECK int registrar_show(
	struct registrar *registrar, struct str name, json_t **ret_view, struct diag *diag);
MUST_CHECK int registrar_list(struct registrar *registrar, const struct registrar_query *query,
	json_t **ret_views, bool *ret_more, struct diag *diag);

/* All instances' public SSH keys by their names (an object); of two with one name, any. */
MUST_CHECK int registrar_keys(struct registrar *registrar, json_t **ret_keys, struct diag *diag);

/* The name of the instance that has an id. E_NOTFOUND when there is none. */
MUST_CHECK int registrar_name_of(
	struct registrar *registrar, struct str id, struct buf *ret_name, struct diag *diag);

/* One operation by its id, in the shape of Lightsail's Operation. E_NOTFOUND when there is none. */
MUST_CHECK int registrar_operation(
	struct registrar *registrar, struct str id, json_t **ret_operation, struct diag *diag);

/* A page of operations or of audit records. */
struct registrar_trail {
	struct str resource; /* p NULL: of all */
	uint64_t before;     /* ret_before of the page before; 0: the newest */
	size_t most;
};

/*
 * The newest first (an array). ret_before: of the next page; 0 when this is the last.
 * Audit records have `number`, `at` (seconds), `who`, `from`, `action`, `resource`, `result` and
 * `requestId`.
 */
MUST_CHECK int registrar_operations(struct registrar *registrar,
	const struct registrar_trail *query, json_t **ret_list, uint64_t *ret_before,
	struct diag *diag);
MUST_CHECK int registrar_audits(struct registrar *registrar, const struct registrar_trail *query,
	json_t **ret_list, uint64_t *ret_before, struct diag *diag);

/* Those of these ids (texts) that no instance has (an array). */
MUST_CHECK int registrar_unknown_ids(
	struct registrar *registrar, const json_t *ids, json_t **ret_unknown, struct diag *diag);

/* --- history --------------------------------------------------------------------------------- */

/*
 * As history_read(): the instance is the one that has the query's id, or had it. What is not in the
 * store yet is in the minute under way.
 * on_point  under the lock: it may not call the registrar
 */
MUST_CHECK int registrar_history(struct registrar *registrar, const struct history_query *query,
	int (*on_point)(void *ctx, int64_t at_s, const struct history_stats *stats), void *ctx,
	struct diag *diag);

/* The id of the instance of a name. E_NOTFOUND when there is none. */
MUST_CHECK int registrar_id_of(
	struct registrar *registrar, struct str name, struct buf *ret_id, struct diag *diag);

/*
 * The ids of instances of which something was counted, gone ones too, bytewise in order (an array of
 * texts): the first `most` behind `after` (empty: from the first).
 */
MUST_CHECK int registrar_history_instances(struct registrar *registrar, struct str after,
	size_t most, json_t **ret_ids, bool *ret_more, struct diag *diag);

/*
 * Of which metrics something was counted since a time; 0: at all.
 * ret_has  by enum history_metric
 */
MUST_CHECK int registrar_history_has(struct registrar *registrar, struct str id, int64_t since_s,
	bool ret_has[HISTORY_METRICS], struct diag *diag);

/* Run something while no instance can change: reading all of them. */
void registrar_run(struct registrar *registrar, void (*run)(void *ctx), void *ctx);

/* Free what no worker sees any more. */
void registrar_reclaim(struct registrar *registrar);

/* Once a second: end operations, keep what was counted, and forget old records. */
void registrar_tick(struct registrar *registrar);

/* Look at the roles' credential files again; those that changed are published. Returns how many. */
size_t registrar_refresh_roles(struct registrar *registrar);

#endif
