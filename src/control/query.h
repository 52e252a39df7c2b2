/*
 * query - read the parameters of AWS's Query protocols: a form, its names un-flattened to JSON.
 *
 * Layer:   control (pure: no fds, no clock, no log)
 * Threads: no state
 * Memory:  the text is borrowed for the call; the request belongs to the caller
 * Secrets: none; those of a presigned URL are members like any other
 * Limits:  QUERY_PAIRS_MAX, QUERY_KEY_MAX, QUERY_DEPTH_MAX, QUERY_INDEX_MAX
 * Spec:    botocore's serialize.py, EC2Serializer and QuerySerializer; WHATWG URL,
 *          application/x-www-form-urlencoded
 *
 *	Filter.1.Name=tag:Name&Filter.1.Value.1=web&Filter.1.Value.2=db      EC2
 *		{"Filter": [{"Name": "tag:Name", "Value": ["web", "db"]}]}
 *	Dimensions.member.1.Name=X&Statistics.member.1=Sum                   CloudWatch
 *		{"Dimensions": [{"Name": "X"}], "Statistics": ["Sum"]}
 */
#ifndef TELLTALE_CONTROL_QUERY_H
#define TELLTALE_CONTROL_QUERY_H

#include <jansson.h>

#include "base/str.h"

#define QUERY_PAIRS_MAX 8192 /* GetMetricData has 500 queries of up to a dozen parameters */
#define QUERY_KEY_MAX   256  /* bytes, decoded */
#define QUERY_DEPTH_MAX 16   /* parts of a name: A.1.B has three */
#define QUERY_INDEX_MAX 1000

/*
 * Read a body, or what a URL has behind its '?'.
 *
 * A part that is a number makes a list, in the order of the numbers, which may have gaps; "member" before
 * a number says nothing. Every value is text. "X=" and "X" are both "", which is also how an empty list is
 * sent. Members are in the order of their names, and the empty text is an object without any.
 *
 * ret_request  an object.
 *
 * Returns 0, or with diag, which names the parameter,
 *   E_SYNTAX  an escape is not one, NUL, not UTF-8, a control character in a name, a name twice, a name
 *             without a part between two dots, one that is both text and a list or structure, or both of
 *             these
 *   E_LIMIT   more pairs, a longer name, a deeper one or a larger index than the limits, or an index 0
 *   -ENOMEM
 */
MUST_CHECK int query_parse(struct str text, json_t **ret_request, struct diag *diag);

#endif
