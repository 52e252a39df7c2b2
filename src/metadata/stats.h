/*
 * stats - what was asked and how it was answered.
 *
 * Layer:   metadata (pure)
 * Threads: one writer a block, any number of readers; no locks: a reader sees each counter whole
 * Memory:  the caller's; zeroed before use
 * Secrets: none
 * Limits:  none
 * Spec:    docs/protocol.md#counters
 */
#ifndef TELLTALE_METADATA_STATS_H
#define TELLTALE_METADATA_STATS_H

#include <stdatomic.h>
#include <stdint.h>

/* Replies are counted by status and by the version of the protocol that the request spoke. */
enum stats_status {
	STATS_200,
	STATS_400,
	STATS_401,
	STATS_403,
	STATS_404,
	STATS_405,
	STATS_413,
	STATS_414,
	STATS_431,
	STATS_503,
	STATS_STATUSES,
};

enum stats_counter {
	STATS_NO_TOKEN,          /* MetadataNoToken: token-less GET, HEAD answered 200 or 404 */
	STATS_NO_TOKEN_REJECTED, /* MetadataNoTokenRejected: token-less ones answered 401 */
	STATS_TOKENS_ISSUED,
	STATS_THROTTLED,
	STATS_V1, /* STATS_STATUSES of them: replies to requests without token */
	STATS_V2 = STATS_V1 + STATS_STATUSES, /* and to those with one, or that ask for one */
	STATS_COUNTERS = STATS_V2 + STATS_STATUSES,
};

struct stats {
	_Atomic uint64_t v[STATS_COUNTERS];
};

/* One writer, so no locked instruction is needed. */
static inline void stats_add(struct stats *stats, unsigned counter)
{
	uint64_t now = atomic_load_explicit(&stats->v[counter], memory_order_relaxed);
	atomic_store_explicit(&stats->v[counter], now + 1, memory_order_relaxed);
}

static inline uint64_t stats_get(const struct stats *stats, unsigned counter)
{
	return atomic_load_explicit(&stats->v[counter], memory_order_relaxed);
}

/* The index of a status, STATS_400 for one that is not in the list; and its number again. */
enum stats_status stats_status_of(unsigned status);
unsigned stats_status_number(enum stats_status status);

#endif
