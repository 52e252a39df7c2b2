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
#include "control/plan.h"
#include "control/registrar.h"

/* An operation whose change is not yet seen by every worker. */
struct waiting {
	json_t *operation;
	json_t *why;   /* it has failed (a text); NULL: it succeeds */
	uint64_t mark; /* registry_passed() */
};

/*
 * The database hears of a host that often, at least. One that it has missed once may be gone: nothing is
 * moved there. One that is quiet for longer is not there.
 */
#define REGISTRAR_BEAT_S   30
#define REGISTRAR_LATE_MS  (2 * INT64_C(1000) * REGISTRAR_BEAT_S)
#define REGISTRAR_QUIET_MS (4 * INT64_C(1000) * REGISTRAR_BEAT_S)

static inline bool registrar_host_is_gone(const struct store_host *host, int64_t after_ms)
{
	return host->stopped || host->quiet_ms >= after_ms;
}

/* An instance that is on its way to another host: taken from here, and not yet given away. */
struct leaving {
	char *name;
	uint64_t revision; /* of the row that says so */
	uint64_t mark;     /* registry_passed(): nobody sees it here any more */
};

/* What one of many hosts keeps. */
struct fleet {
	const char *version;
	uint64_t applied;      /* the revision of the database that is here */
	uint64_t told;         /* the one that the database knows of */
	uint64_t mark;         /* of what was published last */
	int64_t beat_s;        /* when the database heard of us last */
	int64_t asked_minute;  /* when it was asked whether this host leads */
	bool leads;            /* what it said */
	bool copy_behind;      /* the copy could not be written */
	bool secrets_behind;   /* nor could the secrets be copied */
	uint64_t secrets_seen; /* the revision of the secrets that are here and in the copy */
	struct leaving *leaving;
	size_t n_leaving;
	size_t cap_leaving;
	uint64_t lost;       /* samples that were forgotten before they could be sent */
	uint64_t refused;    /* rows that could not be published, each counted once */
	json_t *unpublished; /* those that can't be: name: {"revision", "why"}; NULL: none */
	bool damaged;        /* the database has damaged rows of this host */
	int64_t damaged_s;   /* when all were last looked at for that */
	int64_t forgot_hour; /* when what is too old was last forgotten */
	struct log_limit send_limit;
	struct log_limit damage_limit;
};

struct registrar {
	struct registry *registry;
	struct store *store;
	struct store *points; /* where what is counted goes; the same where there is one host */
	const struct site *site;
	struct str host;     /* whose instances are here; empty: all that there are */
	struct fleet *fleet; /* NULL: there is no other host */
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

/* How a change is made: planned, perhaps more than once, carried out, and then told of. */
struct registrar_planner {
	int (*plan)(struct registrar *registrar, struct plan *plan, void *ctx, struct diag *diag);
	void (*done)(const struct plan *plan, void *ctx); /* NULL: nobody needs to know */
	void *ctx;
};

/*
 * Under the lock: plan, check, store, publish. In a fleet others write as well: when one of them was
 * faster, what is here is brought up to date, and it is planned once more.
 */
MUST_CHECK int registrar_carry_out(struct registrar *registrar, const struct deed *deed,
	const struct registrar_planner *planner, struct diag *diag);

static inline int registrar_change(struct registrar *registrar, const struct deed *deed,
	int (*plan)(struct registrar *registrar, struct plan *plan, void *ctx, struct diag *diag),
	void *ctx, struct diag *diag)
{
	const struct registrar_planner planner = {plan, NULL, ctx};
	return registrar_carry_out(registrar, deed, &planner, diag);
}

/*
 * Whether a change in a fleet is to be tried once more, as another host was faster. Not for ever.
 * n  how often it has been tried
 */
static inline bool registrar_tries_again(const struct registrar *registrar, int rc, unsigned n)
{
	return registrar->fleet && n < 10 && (rc == E_STALE || rc == E_BUSY);
}

/* Forget what registrar_join() and the others have made. */
void registrar_leave(struct registrar *registrar);

/* Where reads go that may be a moment old: to the fleet's replica, where there is one. */
struct store *registrar_reader(struct registrar *registrar);

/* After such a read: whether the replica has gone, and it must be done once more, elsewhere. */
bool registrar_read_again(struct registrar *registrar, const struct store *reader, int rc);

/* Publish what others have changed, or, with `all`, whatever is not as the database has it. */
MUST_CHECK int registrar_bring_up(struct registrar *registrar, bool all, struct diag *diag);

/* Append this host's operations that are open in the store and do not wait here yet. */
MUST_CHECK int registrar_open_operations(
	struct registrar *registrar, json_t *list, struct diag *diag);

/*
 * Have an operation end when every worker has what was published last.
 * why  it has failed (a text); NULL: it succeeds
 */
void registrar_await_one(struct registrar *registrar, json_t *operation, json_t *why);

/*
 * Write to the copy what is planned, or, without a plan, all that is published. Guests go on being served
 * when that fails: it is logged, and all is written at the next change.
 */
void registrar_copy(struct registrar *registrar, const struct plan *plan);

/* The copy's secrets. The same; an error is the database's. */
MUST_CHECK int registrar_copy_secrets(struct registrar *registrar, struct diag *diag);

/* Send what was counted to the database, as far as that can be done in a moment. */
void registrar_send_points(struct registrar *registrar);

/* Whether this host does what only one of a fleet's needs to do. Asked once a minute. */
bool registrar_leads(struct registrar *registrar);

/*
 * E_EXISTS when an instance of the plan that is, or goes, elsewhere would stand in another's way there.
 */
MUST_CHECK int registrar_check_elsewhere(
	struct registrar *registrar, const struct plan *plan, struct diag *diag);

/* Where a change of that row belongs. Borrows the row. */
struct plan_place registrar_place(const struct registrar *registrar, const struct row *before);

/* The name of the instance that has an id, under the lock. E_NOTFOUND when there is none. */
MUST_CHECK int registrar_find_name(
	struct registrar *registrar, struct str id, struct buf *ret_name, struct diag *diag);

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
 * optional again does not: the rest of the file, and the start, are not held up by that.
 * before  the specification in force; NULL: there is none
 * Returns 0 or -ENOMEM.
 */
MUST_CHECK int registrar_enforce(
	const struct registrar *registrar, const json_t *before, json_t *spec);

/* E_DENIED when one of the plan's instances comes to have optional tokens and may not. */
MUST_CHECK int registrar_check_enforced(
	const struct registrar *registrar, const struct plan *plan, struct diag *diag);

#endif
