/*
 * ec2_select - which instances a Describe operation is about: its ids, filters and page.
 *
 * Layer:   control (only for src/control/ec2*.c)
 * Threads: ec2_select_accepts() is called under the registrar's lock
 * Memory:  points into the request; ec2_select_done()
 * Secrets: none
 * Limits:  EC2_PAGE_MIN to EC2_PAGE_MAX; those of control/ec2_filter.h
 * Spec:    botocore's model ec2/2016-11-15, the filters of DescribeInstances
 */
#ifndef TELLTALE_CONTROL_EC2_SELECT_H
#define TELLTALE_CONTROL_EC2_SELECT_H

#include "control/call.h"
#include "control/ec2_filter.h"

#define EC2_PAGE_MIN 5
#define EC2_PAGE_MAX REGISTRAR_PAGE

/* Which filters an operation has. */
struct ec2_filter_set {
	const struct ec2_filter_row *rows; /* their subject is a struct view_ec2 */
	size_t n;
};

extern const struct ec2_filter_set ec2_instance_filters;
extern const struct ec2_filter_set ec2_status_filters;

struct ec2_select {
	json_t *ids; /* an array without any twice; NULL: all */
	struct ec2_filters filters;
	bool running_only;
	size_t most;
	struct buf after; /* the page before ended there */
	bool failed_;     /* a look at an instance: out of memory */
};

/*
 * Read InstanceId, Filter, MaxResults and NextToken. Ids are there.
 * To be given to ec2_select_done(), also on failure.
 */
MUST_CHECK int ec2_select_read(
	struct call *call, const struct ec2_filter_set *set, struct ec2_select *ret_select);
void ec2_select_done(struct ec2_select *select);

/*
 * The views of those that it is about (an array), and the reply's nextToken when there are more.
 * The views have no `name` any more.
 */
MUST_CHECK int ec2_select_list(struct call *call, struct ec2_select *select,
	json_t *(*view)(const struct registry *registry, const struct entry *entry),
	json_t **ret_views);

#endif
