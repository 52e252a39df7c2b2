/*
 * refusals - callers that were refused a moment ago.
 *
 * Layer:   daemon (pure: time is an argument)
 * Threads: one worker's
 * Memory:  the caller's struct; zeroed is none
 * Secrets: none
 * Limits:  REFUSALS_SLOTS callers, of which the latest of a slot is known
 * Spec:    docs/architecture.md#a-guest-that-floods
 *
 * A caller is told a number of times in a fifth of a second that it asks too often. Then it is heard
 * once in REFUSALS_PACE_MS, and otherwise cut off, until it has left us alone for a fifth of a second: to
 * find out who it is, and to answer, takes the daemon longer than a connection takes the caller.
 */
#ifndef TELLTALE_DAEMON_REFUSALS_H
#define TELLTALE_DAEMON_REFUSALS_H

#include <stdbool.h>
#include <string.h>

#include "base/ipaddr.h"

#define REFUSALS_MS      200
#define REFUSALS_PACE_MS 10
#define REFUSALS_SLOTS   256

struct refusal {
	struct ipaddr addr;
	uint64_t since_ms; /* the first that is counted; once cut off, the last connection */
	uint64_t next_ms;  /* when it is heard again */
	uint32_t listener;
	uint32_t n; /* 0: none */
};

struct refusals {
	struct refusal at_[REFUSALS_SLOTS];
};

/* Where the caller is counted, if it is. */
static inline struct refusal *refusals_slot(
	struct refusals *refusals, unsigned listener, const struct ipaddr *addr)
{
	uint32_t words[4];
	memcpy(words, addr->b, sizeof words);
	uint32_t sum = (words[0] ^ words[1] ^ words[2] ^ words[3]) + listener;
	return &refusals->at_[(sum * UINT32_C(0x9e3779b1) >> 16) % REFUSALS_SLOTS];
}

/* Whether somebody was told `most` times: without it the next need not be asked, nor the clock. */
static inline bool refusals_may_cut_off(const struct refusal *slot, uint32_t most)
{
	return slot->n >= most;
}

/* A connection, if that is so: whether to cut it off, it being this caller's and this moment's. */
bool refusals_cut_off(
	struct refusal *slot, unsigned listener, const struct ipaddr *addr, uint64_t now_ms);

/* The caller is told. */
void refusals_add(
	struct refusal *slot, unsigned listener, const struct ipaddr *addr, uint64_t now_ms);

#endif
