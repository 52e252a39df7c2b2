/*
 * lightsail - Lightsail's API, JSON 1.1: one row an operation.
 *
 * Layer:   control
 * Threads: any thread but the workers; calls may block on the store
 * Memory:  replies are appended to the caller's buffer
 * Secrets: none are shown
 * Limits:  the HTTP layer's cap on bodies
 * Spec:    docs/control.md#the-control-address; botocore's model lightsail/2016-11-28
 */
#ifndef TELLTALE_CONTROL_LIGHTSAIL_H
#define TELLTALE_CONTROL_LIGHTSAIL_H

#include "control/access.h"
#include "control/registrar.h"

#define LIGHTSAIL_TARGET        "Lightsail_20161128."
#define LIGHTSAIL_REQUEST_BYTES 37

/* What operations work on. Borrowed. */
struct lightsail {
	struct registrar *registrar;
	const struct site *site;
	int64_t (*now_s)(void);
	/* access_check() with the credentials that are in force, for this service. */
	int (*authorize)(void *ctx, const struct http1_req *req, struct str service,
		struct str action, struct access_who *ret_who);
	void *ctx;
};

/*
 * Authenticate, authorize and carry one out. The reply's JSON is appended to out.
 *
 * from            the caller's address, for the audit line
 * ret_request_id  a UUID, NUL at its end
 *
 * Returns the reply's status.
 */
unsigned lightsail_call(const struct lightsail *lightsail, const struct http1_req *req,
	struct str from, char ret_request_id[LIGHTSAIL_REQUEST_BYTES], struct buf *out);

/* The actions that its rows need, in their order; empty behind the last. For the test that walks them. */
struct str lightsail_action(size_t i);

#endif
