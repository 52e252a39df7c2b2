/*
 * view - an instance as the control interfaces show it.
 *
 * Layer:   control
 * Threads: under the registrar's lock
 * Memory:  json_t results belong to the caller
 * Secrets: none are shown: no user-data, no credentials
 * Limits:  none
 * Spec:    docs/control.md; Lightsail's Instance shape
 */
#ifndef TELLTALE_CONTROL_VIEW_H
#define TELLTALE_CONTROL_VIEW_H

#include <jansson.h>

#include "metadata/registry.h"

/* NULL when out of memory. */
json_t *view_instance(const struct registry *registry, const struct entry *entry);

#endif
