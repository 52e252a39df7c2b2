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

/* An instance; `metadataOptions` is pending until every worker has its last change. NULL when out of memory. */
json_t *view_instance(const struct registry *registry, const struct entry *entry);

/* Its availabilityZone and regionName. NULL when out of memory. */
json_t *view_location(const struct instance *instance);

#endif
