/*
 * conflict - whether instances can stand side by side, found without starting.
 *
 * Layer:   config
 * Threads: no state
 * Memory:  borrows
 * Secrets: none of its own
 * Limits:  none
 * Spec:    telltale.yaml(5), section INSTANCES: match
 */
#ifndef TELLTALE_CONFIG_CONFLICT_H
#define TELLTALE_CONFIG_CONFLICT_H

#include <jansson.h>

#include "base/result.h"

/*
 * specs  an array as spec.h makes it.
 * Returns 0, -ENOMEM, or E_EXISTS with diag naming two that claim the same id or address.
 */
MUST_CHECK int conflict_check(const json_t *specs, struct diag *diag);

#endif
