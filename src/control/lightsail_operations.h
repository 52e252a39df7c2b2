/*
 * lightsail_operations - what the rows of Lightsail's API do; some of telltale's own do the same.
 *
 * Layer:   control (only for src/control/)
 * Threads: as control/call.h
 * Memory:  as control/call.h
 * Secrets: none are shown
 * Limits:  LIGHTSAIL_PAGE; CloudWatch's number of points in one answer
 * Spec:    docs/control.md; botocore's model lightsail/2016-11-28
 *
 * Each carries out the operation of its name: 0, or an error with call->diag.
 */
#ifndef TELLTALE_CONTROL_LIGHTSAIL_OPERATIONS_H
#define TELLTALE_CONTROL_LIGHTSAIL_OPERATIONS_H

#include "control/call.h"

/* A region's zones. */
#define LIGHTSAIL_FIRST_ZONE 'a'
#define LIGHTSAIL_LAST_ZONE  'c'

/* How many operations one answer lists. */
#define LIGHTSAIL_PAGE 100

MUST_CHECK int lightsail_get_instance(struct call *call);
MUST_CHECK int lightsail_get_instances(struct call *call);
MUST_CHECK int lightsail_get_instance_state(struct call *call);
MUST_CHECK int lightsail_get_access_details(struct call *call);
MUST_CHECK int lightsail_create_instances(struct call *call);
MUST_CHECK int lightsail_delete_instance(struct call *call);
MUST_CHECK int lightsail_start_instance(struct call *call);
MUST_CHECK int lightsail_stop_instance(struct call *call);
MUST_CHECK int lightsail_reboot_instance(struct call *call);
MUST_CHECK int lightsail_update_options(struct call *call);
MUST_CHECK int lightsail_tag_resource(struct call *call);
MUST_CHECK int lightsail_untag_resource(struct call *call);

MUST_CHECK int lightsail_get_operation(struct call *call);
MUST_CHECK int lightsail_get_operations(struct call *call);
MUST_CHECK int lightsail_get_operations_for_resource(struct call *call);

MUST_CHECK int lightsail_get_blueprints(struct call *call);
MUST_CHECK int lightsail_get_bundles(struct call *call);
MUST_CHECK int lightsail_get_regions(struct call *call);
MUST_CHECK int lightsail_get_key_pairs(struct call *call);

MUST_CHECK int lightsail_get_metric_data(struct call *call);

/* A list of tags (`key`, `value`) into an object. Returns 0, E_SYNTAX or -ENOMEM. */
MUST_CHECK int lightsail_read_tags(const json_t *tags, json_t *ret_set, struct diag *diag);

#endif
