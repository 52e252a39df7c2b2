/*
 * operations - the operations of the control socket: one row each.
 *
 * Layer:   control
 * Threads: any thread but the workers; calls may block on the store
 * Memory:  replies are appended to the caller's buffer
 * Secrets: none are shown
 * Limits:  the HTTP layer's cap on bodies
 * Spec:    docs/control.md
 */
#ifndef TELLTALE_CONTROL_OPERATIONS_H
#define TELLTALE_CONTROL_OPERATIONS_H

#include "control/registrar.h"

/* What operations work on. Borrowed. */
struct operations {
	struct registrar *registrar;
	struct str certificate; /* PEM */
	/* The settings in force (config_to_json); the caller's reference. */
	json_t *(*settings)(void *ctx);
	void *ctx;
};

/*
 * Carry one out: target is the X-Amz-Target field, body the JSON text. The reply's JSON is appended
 * to out. Returns its status.
 */
unsigned operations_call(
	const struct operations *operations, struct str target, struct str body, struct buf *out);

#endif
