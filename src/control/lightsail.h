/*
 * lightsail - Lightsail's API, JSON 1.1: one row an operation.
 *
 * Layer:   control (only for src/control/)
 * Threads: immutable
 * Memory:  static
 * Secrets: none
 * Limits:  none of its own
 * Spec:    docs/control.md#lightsail; botocore's model lightsail/2016-11-28
 */
#ifndef TELLTALE_CONTROL_LIGHTSAIL_H
#define TELLTALE_CONTROL_LIGHTSAIL_H

#include "control/call.h"

extern const struct call_service lightsail_service;

#endif
