/*
 * cloudwatch - CloudWatch's API over the metric history, as JSON 1.0 and as Query.
 *
 * Layer:   control
 * Threads: as control/call.h
 * Memory:  static
 * Secrets: none
 * Limits:  none
 * Spec:    docs/control.md#cloudwatch; botocore's model monitoring/2010-08-01
 */
#ifndef TELLTALE_CONTROL_CLOUDWATCH_H
#define TELLTALE_CONTROL_CLOUDWATCH_H

#include "control/call.h"

extern const struct call_service cloudwatch_service;

#endif
