#include "daemon/refusals.h"

/* Of this caller, and of now. */
static bool is_same(
	const struct refusal *slot, unsigned listener, const struct ipaddr *addr, uint64_t now_ms)
{
	return slot->n && slot->listener == listener && now_ms - slot->since_ms < REFUSALS_MS &&
	       memcmp(slot->addr.b, addr->b, sizeof addr->b) == 0;
}

bool refusals_cut_off(
	struct refusal *slot, unsigned listener, const struct ipaddr *addr, uint64_t now_ms)
{
	if (!is_same(slot, listener, addr, now_ms)) {
		return false;
	}
	slot->since_ms = now_ms;
	if (now_ms < slot->next_ms) {
		return true;
	}
	slot->next_ms = now_ms + REFUSALS_PACE_MS;
	return false;
}

void refusals_add(
	struct refusal *slot, unsigned listener, const struct ipaddr *addr, uint64_t now_ms)
{
	if (!is_same(slot, listener, addr, now_ms)) {
		*slot = (struct refusal){.addr = *addr, .since_ms = now_ms, .listener = listener};
	}
	slot->n += slot->n < UINT32_MAX;
}
