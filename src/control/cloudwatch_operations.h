/*
 * cloudwatch_operations - what the rows of CloudWatch's API do.
 *
 * Layer:   control (only for src/control/)
 * Threads: as control/call.h
 * Memory:  as control/call.h
 * Secrets: none
 * Limits:  those of the real service: 1,440 points, or 100,800 and pages; 500 queries or metrics
 * Spec:    docs/control.md#cloudwatch; botocore's model monitoring/2010-08-01
 *
 * Each carries out the operation of its name: 0, or an error with call->diag.
 */
#ifndef TELLTALE_CONTROL_CLOUDWATCH_OPERATIONS_H
#define TELLTALE_CONTROL_CLOUDWATCH_OPERATIONS_H

#include "control/call.h"

MUST_CHECK int cloudwatch_get_metric_data(struct call *call);
MUST_CHECK int cloudwatch_get_metric_statistics(struct call *call);
MUST_CHECK int cloudwatch_list_metrics(struct call *call);

#endif
