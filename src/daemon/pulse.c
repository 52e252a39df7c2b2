#include "daemon/pulse.h"

#include "base/log.h"
#include "platform/clock.h"

void pulse_init(struct pulse *pulse, const struct notify *notify, struct data_plane *data)
{
	*pulse = (struct pulse){.notify = notify, .data = data, .due_ms_ = clock_mono_ms()};
}

int pulse_wait_ms(const struct pulse *pulse, int most_ms)
{
	if (!pulse->notify->watchdog_ms) {
		return most_ms;
	}
	uint64_t now_ms = clock_mono_ms();
	uint64_t left_ms = pulse->due_ms_ > now_ms ? pulse->due_ms_ - now_ms : 0;
	/* One more, as the clock is coarse: a wait that ends too early would be begun again. */
	return left_ms < (uint64_t)most_ms ? (int)left_ms + 1 : most_ms;
}

void pulse_turn(struct pulse *pulse)
{
	uint64_t now_ms = clock_mono_ms();
	if (!pulse->notify->watchdog_ms || now_ms < pulse->due_ms_) {
		return;
	}
	pulse->due_ms_ = now_ms + pulse->notify->watchdog_ms / 2;
	unsigned stuck = data_plane_pulse(pulse->data);
	if (stuck == 0) {
		notify_alive(pulse->notify);
	} else if (!pulse->missed_) {
		LOG(LOG_ERROR, "daemon", "workers hang, the watchdog gets no sign of life",
			LOG_INT("workers", stuck));
	}
	pulse->missed_ = stuck > 0;
}
