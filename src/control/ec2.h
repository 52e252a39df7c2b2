/*
 * ec2 - EC2's Query API, 2016-11-15: one row an operation.
 *
 * Layer:   control (only for src/control/)
 * Threads: immutable
 * Memory:  static
 * Secrets: none
 * Limits:  none of its own
 * Spec:    docs/control.md#ec2; botocore's model ec2/2016-11-15
 */
#ifndef TELLTALE_CONTROL_EC2_H
#define TELLTALE_CONTROL_EC2_H

#include "control/call.h"

extern const struct call_service ec2_service;

#endif
