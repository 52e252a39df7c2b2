/*
 * ec2_request - what the operations of EC2's API have in common: parameters and errors.
 *
 * Layer:   control (only for src/control/ec2*.c)
 * Threads: as control/call.h
 * Memory:  as control/call.h; texts point into the request
 * Secrets: none
 * Limits:  EC2_PAGE_MIN, EC2_PAGE_MAX
 * Spec:    EC2 API Reference, "Error codes"; messages as EC2 words them
 *
 * All values of a request are texts (control/query.h). Functions return 0, or an error with
 * call->diag and, where the error has one, call->code.
 */
#ifndef TELLTALE_CONTROL_EC2_REQUEST_H
#define TELLTALE_CONTROL_EC2_REQUEST_H

#include "control/call.h"
#include "control/ec2_filter.h"

/* Fail with a code and a message. */
#define ec2_fail(call, code_, ...) \
	((call)->code = (code_), diag_set(&(call)->diag, E_SYNTAX, __VA_ARGS__))

/* A text that must be there. */
MUST_CHECK int ec2_read_text(struct call *call, const char *member, struct str *ret_text);

/* One that need not be: p is NULL then. */
MUST_CHECK int ec2_read_text_if(struct call *call, const char *member, struct str *ret_text);

/* "true" or "false"; false when it is not there. */
MUST_CHECK int ec2_read_flag(struct call *call, const char *member, bool *ret_flag);

/* A list of texts; NULL when it is not there or empty. The caller's reference. */
MUST_CHECK int ec2_read_list(struct call *call, const char *member, json_t **ret_list);

/* A list of ids of instances in the form of such, each once. As ec2_read_list(). */
MUST_CHECK int ec2_read_ids(struct call *call, const char *member, json_t **ret_ids);

/* "i-" and 8 or 17 lower-case hex digits. */
MUST_CHECK int ec2_check_id(struct call *call, struct str id);

/* There are instances of all these ids. */
MUST_CHECK int ec2_need_ids(struct call *call, const json_t *ids);

/* To be given to ec2_filters_done(), also on failure. */
MUST_CHECK int ec2_read_filters(struct call *call, const struct ec2_filter_row *rows, size_t n,
	struct ec2_filters *ret_filters);

/* MaxResults; EC2_PAGE_MAX when it is not there. */
MUST_CHECK int ec2_read_most(struct call *call, size_t *ret_most);

/* What ec2_set_token() was given; empty when there is no NextToken. */
MUST_CHECK int ec2_read_token(struct call *call, struct buf *ret_place);

/* The reply's nextToken. */
MUST_CHECK int ec2_set_token(struct call *call, struct str place);

#endif
