#include "platform/wheel.h"

#include <string.h>

static struct wheel_link *link_at(const struct wheel *wheel, uint32_t index)
{
	return (struct wheel_link *)(void *)(wheel->base_ + (size_t)index * wheel->stride_bytes_);
}

void wheel_init(
	struct wheel *wheel, struct wheel_link *first_link, size_t stride_bytes, uint64_t now_ms)
{
	memset(wheel, 0, sizeof *wheel);
	wheel->base_ = (char *)first_link;
	wheel->stride_bytes_ = stride_bytes;
	wheel->tick_ = now_ms / WHEEL_TICK_MS;
	for (size_t i = 0; i < WHEEL_SLOTS; i++) {
		wheel->heads_[i] = WHEEL_NONE;
	}
}

static void insert(struct wheel *wheel, uint32_t index, uint64_t tick)
{
	struct wheel_link *link = link_at(wheel, index);
	unsigned slot = (unsigned)(tick % WHEEL_SLOTS);
	if (wheel->n_ == 0 || tick < wheel->soonest_) {
		wheel->soonest_ = tick;
	}
	link->slot_ = (uint16_t)slot;
	link->prev_ = WHEEL_NONE;
	link->next_ = wheel->heads_[slot];
	if (link->next_ != WHEEL_NONE) {
		link_at(wheel, link->next_)->prev_ = index;
	}
	wheel->heads_[slot] = index;
	wheel->occupied_[slot / 64] |= UINT64_C(1) << slot % 64;
	wheel->n_++;
}

void wheel_remove(struct wheel *wheel, uint32_t index)
{
	struct wheel_link *link = link_at(wheel, index);
	if (link->slot_ == WHEEL_SLOTS) {
		return;
	}
	if (link->prev_ != WHEEL_NONE) {
		link_at(wheel, link->prev_)->next_ = link->next_;
	} else {
		wheel->heads_[link->slot_] = link->next_;
		if (link->next_ == WHEEL_NONE) {
			wheel->occupied_[link->slot_ / 64] &= ~(UINT64_C(1) << link->slot_ % 64);
		}
	}
	if (link->next_ != WHEEL_NONE) {
		link_at(wheel, link->next_)->prev_ = link->prev_;
	}
	link->slot_ = WHEEL_SLOTS;
	wheel->n_--;
}

/* Ticks from the wheel's own until the deadline, at least 1, at most once round. */
static uint64_t ticks_ahead(const struct wheel *wheel, uint64_t deadline_ms)
{
	/* Rounded up: a slot is looked at when all of it has passed. */
	uint64_t tick = deadline_ms / WHEEL_TICK_MS + 1;
	uint64_t ahead = tick > wheel->tick_ ? tick - wheel->tick_ : 1;
	return ahead < WHEEL_SLOTS ? ahead : WHEEL_SLOTS - 1;
}

void wheel_set(struct wheel *wheel, uint32_t index, uint64_t now_ms, uint32_t after_ms)
{
	struct wheel_link *link = link_at(wheel, index);
	uint64_t deadline_ms = now_ms + after_ms;
	uint64_t ahead = ticks_ahead(wheel, deadline_ms);
	link->deadline_ms = (uint32_t)deadline_ms;
	if (link->slot_ != WHEEL_SLOTS) {
		uint64_t there = (link->slot_ - wheel->tick_) % WHEEL_SLOTS;
		if (there <= ahead) {
			return;
		}
		wheel_remove(wheel, index);
	}
	insert(wheel, index, wheel->tick_ + ahead);
}

/* Ticks until the next occupied slot; the wheel is not empty. */
static unsigned next_occupied(const struct wheel *wheel)
{
	for (unsigned ahead = 1; ahead <= WHEEL_SLOTS;) {
		unsigned slot = (unsigned)((wheel->tick_ + ahead) % WHEEL_SLOTS);
		uint64_t word = wheel->occupied_[slot / 64] >> slot % 64;
		if (word) {
			return ahead + (unsigned)__builtin_ctzll(word);
		}
		ahead += 64 - slot % 64;
	}
	return WHEEL_SLOTS;
}

int wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms)
{
	if (wheel->n_ == 0) {
		return -1;
	}
	uint64_t at_ms = wheel->soonest_ * WHEEL_TICK_MS;
	return at_ms > now_ms ? (int)(at_ms - now_ms) : 0;
}

bool wheel_expired(struct wheel *wheel, uint64_t now_ms, uint32_t *ret_index)
{
	uint64_t tick = now_ms / WHEEL_TICK_MS;
	while (wheel->n_ && wheel->soonest_ <= tick) {
		unsigned ahead = next_occupied(wheel);
		wheel->soonest_ = wheel->tick_ + ahead;
		if (wheel->soonest_ > tick) {
			break;
		}
		/* Up to the slot before: all of those are empty. */
		wheel->tick_ += ahead - 1;
		uint32_t index = wheel->heads_[(wheel->tick_ + 1) % WHEEL_SLOTS];
		int32_t left_ms = (int32_t)(link_at(wheel, index)->deadline_ms - (uint32_t)now_ms);
		wheel_remove(wheel, index);
		if (left_ms <= 0) {
			*ret_index = index;
			return true;
		}
		uint64_t further = ticks_ahead(wheel, now_ms + (uint32_t)left_ms); /* at least 2 */
		insert(wheel, index, wheel->tick_ + further);
	}
	wheel->tick_ = tick > wheel->tick_ ? tick : wheel->tick_;
	return false;
}
