/*
 * wheel - a timer wheel over things that live in one array.
 *
 * Layer:   platform
 * Threads: one owner; time is an argument
 * Memory:  links are part of the array's elements; the wheel allocates nothing
 * Secrets: none
 * Limits:  WHEEL_SLOTS * WHEEL_TICK_MS ahead in one step; later deadlines go round again
 * Spec:    none
 *
 * Extending a deadline only writes it down: the element stays in its slot and is put further on when
 * that slot comes up. So a connection that answers requests all day costs the wheel one step per
 * timeout and not one per request.
 */
#ifndef TELLTALE_PLATFORM_WHEEL_H
#define TELLTALE_PLATFORM_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_SLOTS   512
#define WHEEL_TICK_MS 128
#define WHEEL_NONE    UINT32_MAX

struct wheel_link {
	uint32_t prev_; /* index, WHEEL_NONE at the head */
	uint32_t next_;
	uint32_t deadline_ms; /* low 32 bits of the clock */
	uint16_t slot_;       /* WHEEL_SLOTS: not in the wheel */
};

struct wheel {
	char *base_; /* of the first element's link */
	size_t stride_bytes_;
	uint64_t tick_;    /* slots up to this one have been looked at */
	uint64_t soonest_; /* no slot before this tick's is occupied */
	size_t n_;
	uint64_t occupied_[WHEEL_SLOTS / 64];
	uint32_t heads_[WHEEL_SLOTS];
};

/* first_link is the link in element 0 of the array. */
void wheel_init(
	struct wheel *wheel, struct wheel_link *first_link, size_t stride_bytes, uint64_t now_ms);

/* A link that is in no wheel. */
static inline void wheel_link_init(struct wheel_link *link)
{
	link->slot_ = WHEEL_SLOTS;
}

/* Set the deadline of element `index`: put it in, or move it when that is sooner than its slot. */
void wheel_set(struct wheel *wheel, uint32_t index, uint64_t now_ms, uint32_t after_ms);
void wheel_remove(struct wheel *wheel, uint32_t index);

/* How long to wait until wheel_expired() may find one, or see that there is none yet; -1: for ever. */
int wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms);

/* One element whose deadline has passed, taken out; false when there is none. */
bool wheel_expired(struct wheel *wheel, uint64_t now_ms, uint32_t *ret_index);

#endif
