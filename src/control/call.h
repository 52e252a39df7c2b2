/*
 * call - one call of an operation, and the tables that operations are rows of.
 *
 * Layer:   control (only for src/control/)
 * Threads: no state; a call belongs to one thread
 * Memory:  requests and replies are JSON; the API owns them for the call
 * Secrets: none
 * Limits:  CALL_MEMBERS_MAX
 * Spec:    docs/control.md
 *
 * An operation sees a JSON object, whatever the protocol: of Query forms control/query.h makes one,
 * and replies become XML again (control/xml.h).
 */
#ifndef TELLTALE_CONTROL_CALL_H
#define TELLTALE_CONTROL_CALL_H

#include "control/api.h"

#define CALL_MEMBERS_MAX 16

/* One call: what was asked, and what is answered. */
struct call {
	const struct api *api;
	const struct call_operation *operation;
	const json_t *request;
	bool form;        /* it came as one: its values are texts, and times are told as ISO 8601 */
	json_t *reply;    /* an object to fill */
	struct deed deed; /* of what it changes */
	const char *code; /* set by an operation that fails, when its error has its own code */
	unsigned status;  /* and its own status; 0: 400 */
	struct diag diag;
};

struct call_operation {
	struct str name;
	struct str action;                     /* that the caller must be allowed */
	bool write;                            /* changes something: has an audit record */
	bool recorded;                         /* makes Operations */
	const char *type;                      /* their operationType; NULL: the model has none */
	const char *members[CALL_MEMBERS_MAX]; /* of the request, NULL behind the last */
	int (*run)(struct call *call);
};

/* How a result is told. The last row of a list has rc 0 and is for everything else. */
struct call_failure {
	int rc;
	unsigned status;
	const char *code;
	const char *message; /* NULL: what was said */
};

struct call_service {
	struct str name;    /* in a signature's scope */
	struct str target;  /* JSON: X-Amz-Target up to the operation's name */
	struct str version; /* Query: the Version member; empty: it has no such form */
	const struct call_protocol *json;
	const struct call_protocol *query;
	const struct call_operation *operations;
	size_t n_operations;
	int (*run)(struct call *call);       /* runs them; NULL: nothing is common to all */
	const struct call_failure *failures; /* of operations */
	const char *unknown_member; /* the code for a member that an operation does not have */
};

/* Set a member of the reply. Takes the value. Returns 0 or -ENOMEM. */
MUST_CHECK int call_set(struct call *call, const char *member, json_t *value);

#endif
