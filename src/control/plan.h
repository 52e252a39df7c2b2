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

#include "control/trail.h"
#include "metadata/registry.h"

struct change {
	char *name;
	char *spec;      /* JSON; NULL: the instance goes */
	char *file_spec; /* NULL: not from a file; of one that goes: see plan_hide() */
	struct instance_record record;
	struct instance *instance; /* until published */
	json_t *operation;         /* of its deed; NULL: none */
	char *what;                /* changes, for the record; NULL: nothing to tell */
};

struct plan {
	struct change *v;
	size_t n;
	size_t cap;
};

#define PLAN_EMPTY ((struct plan){0})

void plan_done(struct plan *plan);

/*
 * An instance as it shall be. Reads the file of its role's credentials, if it has one.
 * file_spec  borrowed; p NULL: not from a file.
 * Returns 0, -ENOMEM, or what instance_new() says.
 */
MUST_CHECK int plan_put(struct plan *plan, const json_t *spec, struct str file_spec,
	const struct instance_record *record, const struct site *site, struct diag *diag);

MUST_CHECK int plan_delete(struct plan *plan, struct str name);

/*
 * The instance goes although its file still has it: the store remembers what the file said, so that
 * it stays away until the file says something else. Such a row's specification is PLAN_HIDDEN.
 */
#define PLAN_HIDDEN "null"
MUST_CHECK int plan_hide(struct plan *plan, struct str name, struct str file_spec);

/*
 * Carry it out: check against what is there, one transaction in the store with the deed's records,
 * publish. The deed's operations have Started then; or they have failed, when they are in the store
 * and publishing has not gone well.
 * A rehearsal ends before the store.
 * Returns 0, E_EXISTS, -ENOMEM, or the store's error; then nothing has changed, unless it is
 * publishing that failed: then the store is ahead until the next change or start.
 */
MUST_CHECK int plan_commit(struct plan *plan, struct registry *registry, struct store *store,
	const struct deed *deed, struct diag *diag);

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
