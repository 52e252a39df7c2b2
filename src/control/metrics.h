/*
 * metrics - the counters in Prometheus's text form.
 *
 * Layer:   control
 * Threads: any; counters are read without locks, instances under the registry's writer
 * Memory:  appended to the caller's buffer
 * Secrets: none
 * Limits:  no label per instance unless asked for
 * Spec:    Prometheus text exposition format 0.0.4; docs/metrics.md
 */
#ifndef TELLTALE_CONTROL_METRICS_H
#define TELLTALE_CONTROL_METRICS_H

#include "control/registrar.h"
#include "metadata/service.h"

struct metrics {
	const struct registry *registry;
	struct service_worker *const *workers;
	size_t n_workers;
	uint64_t connections; /* open on the metadata listeners */
	bool per_instance;
	int64_t started_s;
	const char *version;
	struct registrar_fleet fleet;
};

/* The caller keeps the registry from being changed meanwhile. */
void metrics_render(const struct metrics *metrics, struct buf *out);

#endif
