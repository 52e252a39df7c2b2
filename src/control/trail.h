/*
 * trail - who changed what: audit records, and the operations that Lightsail's API shows.
 *
 * Layer:   control
 * Threads: under the registrar's lock
 * Memory:  a deed borrows its texts; json_t results belong to the caller
 * Secrets: none
 * Limits:  TRAIL_OPERATIONS_KEPT, TRAIL_AUDITS_KEPT
 * Spec:    docs/control.md#operations and #audit; Lightsail's Operation shape
 *
 * Both are written in the transaction of the change itself: there is no change without its record,
 * and no record of a change that was not made.
 */
#ifndef TELLTALE_CONTROL_TRAIL_H
#define TELLTALE_CONTROL_TRAIL_H

#include <jansson.h>

#include "metadata/instance.h"
#include "store/store.h"

/* So many ended operations, and so many audit records, are kept: the newest. */
#define TRAIL_OPERATIONS_KEPT UINT64_C(10000)
#define TRAIL_AUDITS_KEPT     UINT64_C(100000)

/* One change as it will be remembered. Where one is asked for, NULL is: nobody needs to know. */
struct deed {
	int64_t at_ms;              /* milliseconds since the epoch */
	struct str who;             /* an access key id, "uid 1000", or "files" */
	struct str from;            /* an address, "socket", or the configuration's file */
	struct str action;          /* "lightsail:StopInstance" */
	struct str request_id;      /* empty: none */
	const char *operation_type; /* of the operations; NULL: they show none */
	json_t *operations;         /* an array to append them to; NULL: none are made */
	bool rehearsal;             /* everything but the change itself, and nothing is recorded */
};

/*
 * An operation that has Started.
 * instance  NULL: what has the name makes no instance, so nobody knows where it is
 * NULL when out of memory, or when there is no randomness for its id.
 */
json_t *trail_operation(const struct deed *deed, struct str name, const struct instance *instance);

/* How an operation may end. */
enum trail_end { TRAIL_SUCCEEDED, TRAIL_FAILED };

/* Say in the record how it ended. details: of a failure, else NULL. Returns 0 or -ENOMEM. */
MUST_CHECK int trail_end(json_t *operation, enum trail_end end, const char *details, int64_t at_ms);

/* Write an operation as it is now. host: who carries it out. In a transaction. */
MUST_CHECK int trail_put(
	struct store *store, const json_t *operation, struct str host, struct diag *diag);

/* What is recorded of a deed on one resource. Borrowed. */
struct trail_record {
	struct str resource;
	struct str change;       /* control/difference.h */
	struct str result;       /* "ok", or an error's code */
	const json_t *operation; /* NULL: none */
	struct str host;         /* who carries the operation out */
};

/* Write the audit record, and the operation when there is one. In a transaction. */
MUST_CHECK int trail_write(struct store *store, const struct deed *deed,
	const struct trail_record *record, struct diag *diag);

#endif
