/*
 * outbox - metric points on their way from a host's copy to the fleet's database, each once.
 *
 * Layer:   control (no clock, no state: all of it is in the two stores)
 * Threads: callers hold the registrar's lock
 * Memory:  nothing is retained
 * Secrets: none
 * Limits:  none
 * Spec:    docs/fleet.md#metrics
 *
 * What is counted goes to the copy, always; so it is on a disk whether there is a database or not.
 * From there it goes in numbered batches. A batch is closed first, in the copy: its runs get names of
 * their own, so that what is counted from then on is not in it. It is added to the database's runs,
 * and its number written to the host's row, in one transaction; then the copy forgets it. Whatever
 * breaks off in between, the number tells whether the database has it.
 */
#ifndef TELLTALE_CONTROL_OUTBOX_H
#define TELLTALE_CONTROL_OUTBOX_H

#include "store/store.h"

#define OUTBOX_CLOSED '\n' /* before an instance's id, which has none in it */

/* Of an id in a copy: whether it is the name of a closed batch's run. */
static inline bool outbox_is_closed(struct str id)
{
	return id.n && id.p[0] == OUTBOX_CLOSED;
}

/*
 * Send a batch of at most so many runs of minutes.
 * Returns how many were sent, 0 when there is nothing to send, or an error of one of the stores:
 * nothing is lost then. E_DAMAGED: a run can't be read; it is forgotten.
 */
MUST_CHECK int outbox_send(struct store *copy, struct store *database, struct str host,
	unsigned most, struct diag *diag);

/*
 * Forget what is older than a time and has not been sent: the copy may not grow without end. At most so
 * many runs a call. ret_lost: how many samples of how many minutes that were.
 */
MUST_CHECK int outbox_forget(
	struct store *copy, int64_t before_s, unsigned most, uint64_t *ret_lost, struct diag *diag);

#endif
