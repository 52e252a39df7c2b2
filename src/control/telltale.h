/*
 * telltale - the control socket's own API: one row an operation.
 *
 * Layer:   control (only for src/control/)
 * Threads: immutable
 * Memory:  static
 * Secrets: none
 * Limits:  none of its own
 * Spec:    docs/control.md#the-control-socket
 */
#ifndef TELLTALE_CONTROL_TELLTALE_H
#define TELLTALE_CONTROL_TELLTALE_H

#include "control/call.h"

extern const struct call_service telltale_service;

#endif
