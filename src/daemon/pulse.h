/*
 * pulse - signs of life for the service manager's watchdog, as long as everything turns.
 *
 * Layer:   daemon
 * Threads: the main thread, whose loop calls pulse_turn()
 * Memory:  the caller's struct, which borrows the rest
 * Secrets: none
 * Limits:  none
 * Spec:    sd_watchdog_enabled(3); docs/operator.md#under-systemd
 *
 * Twice in the watchdog's time there is a look. If the main thread hangs there is none, and if a worker
 * has not turned since the look before, nothing is said: the manager ends what can't be relied on.
 */
#ifndef TELLTALE_DAEMON_PULSE_H
#define TELLTALE_DAEMON_PULSE_H

#include "daemon/data_plane.h"
#include "platform/notify.h"

struct pulse {
	const struct notify *notify;
	struct data_plane *data;
	uint64_t due_ms_;
	bool missed_; /* and it is in the log */
};

void pulse_init(struct pulse *pulse, const struct notify *notify, struct data_plane *data);

/* How long the loop may wait, at most most_ms. */
int pulse_wait_ms(const struct pulse *pulse, int most_ms);

/* Whenever the loop turns. */
void pulse_turn(struct pulse *pulse);

#endif
