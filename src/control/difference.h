/*
 * difference - what a change changes, as a few words for the audit record.
 *
 * Layer:   control (pure: no fds, no clock, no log)
 * Threads: no state
 * Memory:  appended to the caller's buffer
 * Secrets: none are told: values only of metadata options and of the state
 * Limits:  as many names as a specification can have (config/spec.h)
 * Spec:    docs/control.md#audit
 */
#ifndef TELLTALE_CONTROL_DIFFERENCE_H
#define TELLTALE_CONTROL_DIFFERENCE_H

#include <jansson.h>

#include "base/buf.h"

/*
 * "httpTokens optional -> required, tags". Either may be NULL: "made", "deleted". Empty when they are
 * alike.
 */
void difference_add(struct buf *out, const json_t *before, const json_t *after);

/* The same of two flat objects, all of whose values may be told. */
void difference_add_values(struct buf *out, const json_t *before, const json_t *after);

#endif
