/*
 * protocol - how a reply or an error is written: JSON 1.0 and 1.1, EC2's Query and the other Query.
 *
 * Layer:   control (only for src/control/)
 * Threads: no state
 * Memory:  appended to the reply's buffers
 * Secrets: none
 * Limits:  none
 * Spec:    AWS JSON 1.0/1.1, awsQuery and ec2Query of Smithy 2.0; what SDKs look for in an error:
 *          `__type` and `message` (JSON), `Code` and `Message` (XML)
 */
#ifndef TELLTALE_CONTROL_PROTOCOL_H
#define TELLTALE_CONTROL_PROTOCOL_H

#include "control/call.h"

struct call_protocol {
	struct str content_type;
	/* What is said to those whose signature is not taken, by access_check()'s result. */
	const struct call_failure *refusals;
	const char *unknown_operation; /* the code */
	unsigned unknown_status;
	const char *malformed; /* the code for a body that can't be read */
	/* Their failures are kept by the buffer. A request's id as a field is the API's business. */
	void (*succeed)(struct api_reply *reply, const struct call *call,
		const struct call_service *service);
	void (*fail)(struct api_reply *reply, const struct call_service *service,
		struct str request_id, const char *code, const char *message);
};

extern const struct call_protocol protocol_json_1_0;
extern const struct call_protocol protocol_json_1_1;
extern const struct call_protocol protocol_ec2;
extern const struct call_protocol protocol_query;

/* The first row of that result, else the last. */
const struct call_failure *protocol_failure(const struct call_failure *rows, int rc);

#endif
