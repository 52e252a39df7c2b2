/*
 * plan - changes of instances that are made together or not at all.
 *
 * Layer:   control
 * Threads: one owner at a time, under the registrar's lock
 * Memory:  heap; plan_done()
 * Secrets: specifications may hold a role's key; they are freed, not wiped, by Jansson
 * Limits:  none
 * Spec:    docs/architecture.md#writes: build and check, store, publish
 */
#ifndef TELLTALE_CONTROL_PLAN_H
#define TELLTALE_CONTROL_PLAN_H

#include <jansson.h>

#include "control/row.h"
#include "control/trail.h"
#include "metadata/registry.h"

/* Where a row is, and what a change of it is made from. */
struct plan_place {
	uint64_t base;        /* see instance_put() in store/store.h */
	struct str host;      /* borrowed */
	struct str next_host; /* borrowed */
	const struct row
		*before; /* borrowed; of one that is not published here; NULL: new, or here */
	bool elsewhere;  /* another host serves it: it is not published here */
};

struct change {
	char *name;
	char *spec;      /* JSON; NULL: the instance goes */
	char *file_spec; /* NULL: not from a file; of one that goes: see plan_hide() */
	char *host, *next_host;
	uint64_t base;
	bool elsewhere;
	bool moves; /* at once, from another host */
	struct instance_record record;
	struct instance *instance; /* until published */
	struct instance *before;   /* what it was; of one that is not published here */
	json_t *operation;         /* of its deed; NULL: none */
	char *what;                /* changes, for the record; NULL: nothing to tell */
};

struct plan {
	const struct site *site;
	struct change *v;
	size_t n;
	size_t cap;
};

/* Without changes. The site is borrowed. */
#define PLAN_OF(site_) ((struct plan){.site = (site_)})

void plan_done(struct plan *plan);

/* Take a change back: it can't be made. */
void plan_drop(struct plan *plan, size_t i);

/*
 * An instance as it shall be. Reads the file of its role's credentials, if it has one and is here.
 * file_spec  borrowed; p NULL: not from a file.
 * Returns 0, -ENOMEM, or what instance_new() says.
 */
MUST_CHECK int plan_put(struct plan *plan, const json_t *spec, struct str file_spec,
	const struct instance_record *record, const struct plan_place *place, struct diag *diag);

MUST_CHECK int plan_delete(
	struct plan *plan, struct str name, const struct plan_place *place, struct diag *diag);

/*
 * The instance goes although its file still has it: the store remembers what the file said, so that
 * it stays away until the file says something else. Such a row's specification is ROW_HIDDEN.
 */
MUST_CHECK int plan_hide(struct plan *plan, struct str name, struct str file_spec,
	const struct plan_place *place, struct diag *diag);

/*
 * Check it against what is there, and put it into the store: one transaction with the deed's records.
 * The deed's operations have Started then. A rehearsal ends before the store.
 * Returns 0, E_EXISTS, -ENOMEM, or the store's error; then nothing has changed.
 */
MUST_CHECK int plan_store(struct plan *plan, const struct registry *registry, struct store *store,
	const struct deed *deed, struct diag *diag);

/* Would what is here stand side by side after the change? 0, E_EXISTS or -ENOMEM. */
MUST_CHECK int plan_check(
	const struct plan *plan, const struct registry *registry, struct diag *diag);

/*
 * Publish what is here. After the check only a lack of memory can stop this: then the store is ahead
 * until the next change or start.
 */
MUST_CHECK int plan_publish(struct plan *plan, struct registry *registry, struct diag *diag);

/*
 * Both. Operations whose change can't be published have failed, in the store as well.
 */
MUST_CHECK int plan_commit(struct plan *plan, struct registry *registry, struct store *store,
	const struct deed *deed, struct diag *diag);

/* What it is before the change; NULL: there is none. */
const struct instance *plan_before(const struct change *change, const struct registry *registry);

/* More changes than this in one plan are one audit record: a file with very many instances. */
#define PLAN_AUDITS 1000

/*
 * The credentials of a role that come from a file, or failed ones where the file can't be read.
 * ret_role is NULL when the specification names no file. Returns 0 or -ENOMEM.
 */
MUST_CHECK int plan_role(const json_t *spec, struct role_credentials **ret_role);

/* Read such a file again. NULL when out of memory. */
struct role_credentials *plan_read_role(struct str file, struct str instance_name);

#endif
