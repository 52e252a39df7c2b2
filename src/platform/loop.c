#include "platform/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "platform/clock.h"

#define COARSE_MS 10 /* so much clock_mono_ms() may be behind the kernel's timers */

int loop_init(struct loop *loop)
{
	*loop = LOOP_EMPTY;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int rc = loop->epoll_fd < 0 || loop->wake_fd < 0 || loop->timer_fd < 0
			 ? -errno
			 : loop_add(loop, loop->wake_fd, EPOLLIN, LOOP_WAKE_TAG);
	if (rc == 0) { /* told once, so that nobody need read it */
		rc = loop_add(loop, loop->timer_fd, EPOLLIN | EPOLLET, LOOP_WAKE_TAG);
	}
	if (rc < 0) {
		loop_done(loop);
	}
	return rc;
}

void loop_done(struct loop *loop)
{
	if (loop->epoll_fd >= 0) {
		close(loop->epoll_fd);
	}
	if (loop->wake_fd >= 0) {
		close(loop->wake_fd);
	}
	if (loop->timer_fd >= 0) {
		close(loop->timer_fd);
	}
	*loop = LOOP_EMPTY;
}

int loop_add(struct loop *loop, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event event = {.events = events, .data.u64 = tag};
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int loop_change(struct loop *loop, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event event = {.events = events, .data.u64 = tag};
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 ? -errno : 0;
}

void loop_remove(struct loop *loop, int fd)
{
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* not there: nothing to do */
}

static void set_timer(struct loop *loop, uint64_t until_ms)
{
	uint64_t ms = until_ms + COARSE_MS;
	const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(ms / 1000),
						.tv_nsec = (long)(ms % 1000) * 1000000}};
	/* It fails for wrong arguments alone. */
	(void)timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	loop->timer_ms_ = until_ms;
}

/*
 * Not by epoll's own timeout: that is a timer which the kernel starts and stops with each wait that
 * finds nothing at first, on a virtual machine by leaving it. This one is set when it has passed, or
 * something is due earlier.
 */
int loop_wait(struct loop *loop, struct epoll_event events[LOOP_EVENTS], uint64_t until_ms)
{
	if (until_ms != LOOP_AT_ONCE && until_ms < loop->timer_ms_) {
		set_timer(loop, until_ms);
	}
	/* The one call that all processors have, which the workers' filter names (platform/sandbox.c). */
	int n = epoll_pwait(
		loop->epoll_fd, events, LOOP_EVENTS, until_ms == LOOP_AT_ONCE ? 0 : -1, NULL);
	return n < 0 ? 0 : n;
}

void loop_wake(struct loop *loop)
{
	const uint64_t one = 1;
	(void)!write(loop->wake_fd, &one, sizeof one); /* full means that it is awake already */
}

void loop_woken(struct loop *loop)
{
	uint64_t count;
	(void)!read(loop->wake_fd, &count, sizeof count); /* empty: it was the timer */
	loop->timer_ms_ = LOOP_FOREVER;                   /* if it was not: it is set once more */
}
