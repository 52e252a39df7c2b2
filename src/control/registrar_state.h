/*
 * registrar_state - what the registrar's files share.
 *
 * Layer:   control (only for src/control/registrar*.c)
 * Threads: everything here is under the registrar's lock
 * Memory:  registrar_new/free
 * Secrets: none
 * Limits:  none
 * Spec:    control/registrar.h
 */
#ifndef TELLTALE_CONTROL_REGISTRAR_STATE_H
#define TELLTALE_CONTROL_REGISTRAR_STATE_H

#include <pthread.h>

#include "base/log.h"
#include "control/registrar.h"

/* An operation whose change is not yet seen by every worker. */
struct waiting {
	json_t *operation;
	uint64_t mark; /* registry_passed() */
};

struct registrar {
	struct registry *registry;
	struct store *store;
	const struct site *site;
	int64_t (*now_s)(void);
	pthread_mutex_t lock; /* protects store and registry against a second writer */
	bool may_have_roles;  /* an instance may have credentials from a file */
	json_t *defaults;     /* what the account prefers; NULL: nothing */
	json_t *preferred;    /* those of them that are options of instances */
	struct waiting *waiting;
	size_t n_waiting;
	size_t cap_waiting;
	int64_t trimmed_hour;   /* when old records were last forgotten */
	int64_t counted_minute; /* what is counted and not in the history was counted in it */
	int64_t aged_hour;      /* when the history was last aged, to its end */
	struct log_limit age_limit;
};

struct plan;

/* Carry a plan out: checked, stored, published. */
MUST_CHECK int registrar_commit(struct registrar *registrar, struct plan *plan,
	const struct deed *deed, struct diag *diag);

/* Put what was counted into the history once its minute is over. What goes wrong is logged. */
void registrar_record(struct registrar *registrar);

/* The same at once, before instances go or get other ids: the history of the old ones has it. */
MUST_CHECK int registrar_record_leaving(
	struct registrar *registrar, const struct plan *plan, struct diag *diag);

/* Age the history, if that has not been done in this hour. What goes wrong is logged. */
void registrar_age(struct registrar *registrar);

/* Have the deed's operations end when every worker has the change that was just published. */
void registrar_await(struct registrar *registrar, const struct deed *deed);

/* End those that can. */
void registrar_settle(struct registrar *registrar);

/* End those that a daemon before this one has left open. */
MUST_CHECK int registrar_settle_left(struct registrar *registrar, struct diag *diag);

/* Read what the account prefers from the store. */
MUST_CHECK int registrar_load_defaults(struct registrar *registrar, struct diag *diag);

/* The options that the account prefers; NULL: none. A borrowed object. */
const json_t *registrar_preferred(const struct registrar *registrar);

/*
 * Where the account enforces that tokens are required, a file's specification that would make them
 * optional again does not: the rest of the file, and the start, are not held up by that. Returns 0 or
 * -ENOMEM.
 */
MUST_CHECK int registrar_enforce(const struct registrar *registrar, json_t *spec);

/* E_DENIED when one of the plan's instances comes to have optional tokens and may not. */
MUST_CHECK int registrar_check_enforced(
	const struct registrar *registrar, const struct plan *plan, struct diag *diag);

#endif
