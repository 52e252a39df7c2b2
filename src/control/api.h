/*
 * api - the AWS protocols and the control socket's: who asks, may they, what for, and the answer.
 *
 * Layer:   control
 * Threads: any thread but the workers; calls may block on the store
 * Memory:  api_reply is the caller's; api_reply_done()
 * Secrets: none are shown
 * Limits:  the HTTP layer's cap on bodies; those of control/query.h on forms
 * Spec:    docs/control.md; AWS JSON 1.0 and 1.1, AWS Query and EC2 Query protocols
 *
 * Every operation is one row of its service's table (control/call.h). Authentication, authorization
 * and the audit record are done here for all of them, by the row's columns.
 */
#ifndef TELLTALE_CONTROL_API_H
#define TELLTALE_CONTROL_API_H

#include "control/access.h"
#include "control/registrar.h"

/* What operations work on. Borrowed. */
struct api {
	struct registrar *registrar;
	const struct site *site;
	int64_t (*now_ms)(void);
	/* access_check() with the credentials that are in force, for this service. */
	int (*authorize)(void *ctx, const struct http1_req *req, struct str service,
		struct str action, struct access_who *ret_who);
	struct str certificate; /* PEM: verifies identity documents */
	/* The settings in force (config_to_json); the caller's reference. */
	json_t *(*settings)(void *ctx);
	/* The store's secrets have been changed. */
	void (*secrets_changed)(void *ctx);
	void *ctx;
};

struct api_reply {
	unsigned status;
	struct str content_type; /* static */
	struct buf fields;       /* further header fields, each ended by CRLF */
	struct buf body;
	bool failed; /* out of memory: there is nothing to send */
};

void api_reply_done(struct api_reply *reply);

/*
 * Answer a request that came by the control address: signed with Signature Version 4, JSON with
 * X-Amz-Target or a Query form, as body or in the target's query.
 * from  the caller's address
 */
void api_by_address(const struct api *api, const struct http1_req *req, struct str from,
	struct api_reply *ret_reply);

/*
 * Answer a request that came by the control socket, whose file mode is the permission.
 * who  "uid 1000"
 */
void api_by_socket(const struct api *api, const struct http1_req *req, struct str who,
	struct api_reply *ret_reply);

/* One row of the tables, for the test that walks all that the address knows. */
struct api_row {
	struct str service; /* of the signature's scope */
	struct str target;  /* JSON: X-Amz-Target up to the name; empty: it has no such form */
	struct str version; /* Query: Version; empty: it has no such form */
	struct str name;
	struct str action;
	bool write;
};

/* False behind the last. */
bool api_row(size_t i, struct api_row *ret_row);

#endif
