/*
 * ec2_filter - the filters of EC2's Describe operations, and their wildcards.
 *
 * Layer:   control (pure: no fds, no clock, no log)
 * Threads: no state
 * Memory:  filters point into the request that they were read from; ec2_filters_done()
 * Secrets: none
 * Limits:  EC2_FILTERS_MAX, EC2_FILTER_VALUES_MAX, EC2_FILTER_CHARACTERS
 * Spec:    EC2 User Guide, "Filtering considerations"
 */
#ifndef TELLTALE_CONTROL_EC2_FILTER_H
#define TELLTALE_CONTROL_EC2_FILTER_H

#include <jansson.h>

#include "base/str.h"

/* "You can specify up to 50 filters and up to 200 values per filter in a single request." */
#define EC2_FILTERS_MAX       50
#define EC2_FILTER_VALUES_MAX 200
/* "Filter strings can be up to 255 characters in length." */
#define EC2_FILTER_CHARACTERS 255

struct ec2_filter;

/* What can be filtered by; an operation has a table of these. */
struct ec2_filter_row {
	struct str name; /* one that ends in ':' has a key behind it: tag:KEY */
	/* Does the subject, which is the operation's own, pass? */
	bool (*accepts)(const struct ec2_filter *filter, void *subject);
	unsigned fact; /* for accepts() */
	bool costly;   /* asked only of those that all others let pass */
};

struct ec2_filter_value {
	struct str text;
	bool plain; /* without wildcards */
};

struct ec2_filter {
	const struct ec2_filter_row *row;
	struct str key; /* of a row that has one */
	struct ec2_filter_value *values;
	size_t n;
};

struct ec2_filters {
	struct ec2_filter v[EC2_FILTERS_MAX];
	size_t n;
};

void ec2_filters_done(struct ec2_filters *filters);

/*
 * Read a request's Filter member.
 * list         [{"Name": "tag:Name", "Value": ["web-*"]}]; NULL or "": none
 * ret_filters  to be given to ec2_filters_done() by the caller, also on failure
 *
 * Returns 0, or with diag as EC2 says it,
 *   E_RANGE     there is no filter of that name here, or a value is too long
 *   E_SYNTAX    a filter without a value, or not a list of filters
 *   E_NOTFOUND  a member that a filter does not have
 *   E_LIMIT     more filters, or values of one, than there may be
 *   -ENOMEM
 */
MUST_CHECK int ec2_filters_read(const json_t *list, const struct ec2_filter_row *rows,
	size_t n_rows, struct ec2_filters *ret_filters, struct diag *diag);

/* All filters let the subject pass. */
bool ec2_filters_accept(const struct ec2_filters *filters, void *subject);

/* The same of those filters that are not costly; whether there are others. */
bool ec2_filters_accept_cheap(const struct ec2_filters *filters, void *subject);
bool ec2_filters_costly(const struct ec2_filters *filters);

/* One of the filter's values is, or stands for, the text. What is not there (p NULL) is no text. */
bool ec2_filter_matches(const struct ec2_filter *filter, struct str text);

/*
 * '*' stands for any characters, '?' for one or none, and '\' takes from the next its meaning.
 * pattern  up to EC2_FILTER_CHARACTERS
 */
bool ec2_filter_like(struct str pattern, struct str text);

#endif
