/*
 * ec2_operations - what the rows of EC2's API do.
 *
 * Layer:   control (only for src/control/ec2*.c)
 * Threads: as control/call.h
 * Memory:  as control/call.h
 * Secrets: none are shown
 * Limits:  those of control/ec2_select.h
 * Spec:    docs/control.md#ec2; botocore's model ec2/2016-11-15
 *
 * Each carries out the operation of its name: 0, or an error with call->diag and call->code. A
 * rehearsal (DryRun) is nothing that they know of: the deed has it.
 */
#ifndef TELLTALE_CONTROL_EC2_OPERATIONS_H
#define TELLTALE_CONTROL_EC2_OPERATIONS_H

#include "control/call.h"

MUST_CHECK int ec2_describe_instances(struct call *call);
MUST_CHECK int ec2_describe_instance_status(struct call *call);
MUST_CHECK int ec2_describe_regions(struct call *call);

MUST_CHECK int ec2_modify_options(struct call *call);
MUST_CHECK int ec2_modify_defaults(struct call *call);
MUST_CHECK int ec2_get_defaults(struct call *call);

MUST_CHECK int ec2_create_tags(struct call *call);
MUST_CHECK int ec2_delete_tags(struct call *call);
MUST_CHECK int ec2_describe_tags(struct call *call);

#endif
