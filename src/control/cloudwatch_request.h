/*
 * cloudwatch_request - read CloudWatch's parameters, whether they came as JSON or as a form.
 *
 * Layer:   control (only for src/control/cloudwatch*.c)
 * Threads: as control/call.h
 * Memory:  what is read points into the request
 * Secrets: none
 * Limits:  CLOUDWATCH_PREFIX_BYTES
 * Spec:    botocore's model monitoring/2010-08-01; AWS JSON 1.0 and awsQuery of Smithy 2.0
 *
 * A form has only texts, so every reader takes those as well: a number is 60 or "60", a time is seconds
 * since the epoch or ISO 8601, an empty list may be "". JSON's null is as if it were not there. Messages
 * name a parameter as the real service does: MetricDataQueries.member.1.MetricStat.Period.
 *
 * Readers return 0, or E_SYNTAX or E_RANGE with the call's diag; for one that is missing the call's code
 * is MissingParameter.
 */
#ifndef TELLTALE_CONTROL_CLOUDWATCH_REQUEST_H
#define TELLTALE_CONTROL_CLOUDWATCH_REQUEST_H

#include "control/call.h"

#define CLOUDWATCH_PREFIX_BYTES 96

/* How many characters of what was sent a message quotes: STR_FMT(cloudwatch_quote(text)). */
#define CLOUDWATCH_QUOTE_CHARS 100

/* A structure of the request, and what stands before its members' names in messages. */
struct cloudwatch_at {
	struct call *call;
	const json_t *object;
	char prefix[CLOUDWATCH_PREFIX_BYTES];
};

/* The request itself. */
struct cloudwatch_at cloudwatch_top(struct call *call);

/* The start of a text that was sent. */
struct str cloudwatch_quote(struct str text);

bool cloudwatch_has(const struct cloudwatch_at *at, const char *member);

/* Nothing but these members, a list that ends in NULL. For structures within the request. */
MUST_CHECK int cloudwatch_only(const struct cloudwatch_at *at, const char *const *members);

/* "The parameter … is required."; E_SYNTAX with the call's code. */
MUST_CHECK int cloudwatch_missing(const struct cloudwatch_at *at, const char *member);

/* A text of 1 to `most` bytes. The second: it may be missing, then p is NULL. */
MUST_CHECK int cloudwatch_text(
	const struct cloudwatch_at *at, const char *member, size_t most, struct str *ret_text);
MUST_CHECK int cloudwatch_text_if(
	const struct cloudwatch_at *at, const char *member, size_t most, struct str *ret_text);

/* A whole number, 0 or more. */
MUST_CHECK int cloudwatch_number(
	const struct cloudwatch_at *at, const char *member, int64_t *ret_number);

/* missing: what it is when it is not there. */
MUST_CHECK int cloudwatch_flag(
	const struct cloudwatch_at *at, const char *member, bool missing, bool *ret_flag);

/* Seconds since the epoch, in the years from 1970 to 9999; a fraction is cut off. */
MUST_CHECK int cloudwatch_time(
	const struct cloudwatch_at *at, const char *member, int64_t *ret_time_s);

/* A list of up to `most`; NULL when it is missing. */
MUST_CHECK int cloudwatch_list(
	const struct cloudwatch_at *at, const char *member, size_t most, const json_t **ret_list);

/* One that is there, of a list that cloudwatch_list() has found, counted from 0. */
MUST_CHECK int cloudwatch_element(const struct cloudwatch_at *at, const char *member,
	const json_t *list, size_t i, struct cloudwatch_at *ret_element);
MUST_CHECK int cloudwatch_element_text(const struct cloudwatch_at *at, const char *member,
	const json_t *list, size_t i, struct str *ret_text);

/* A structure that must be there. */
MUST_CHECK int cloudwatch_structure(
	const struct cloudwatch_at *at, const char *member, struct cloudwatch_at *ret_structure);

/* A time as the caller's protocol tells it. NULL when out of memory. */
json_t *cloudwatch_time_json(const struct call *call, int64_t at_s);

/*
 * Where the next page begins: a text of the operation's own, sealed with what was asked for, so that it
 * is only taken for the same question.
 * read: empty when there is none; E_SYNTAX for one that was not made here
 */
MUST_CHECK int cloudwatch_set_token(struct call *call, struct str position);
MUST_CHECK int cloudwatch_token(struct call *call, struct str *ret_position);

#endif
