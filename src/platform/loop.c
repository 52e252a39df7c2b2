#include "platform/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int loop_init(struct loop *loop)
{
	*loop = LOOP_EMPTY;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc = loop->epoll_fd < 0 || loop->wake_fd < 0
			 ? -errno
			 : loop_add(loop, loop->wake_fd, EPOLLIN, LOOP_WAKE_TAG);
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

int loop_wait(struct loop *loop, struct epoll_event events[LOOP_EVENTS], int timeout_ms)
{
	/* The one call that all processors have, which the workers' filter names (platform/sandbox.c). */
	int n = epoll_pwait(loop->epoll_fd, events, LOOP_EVENTS, timeout_ms, NULL);
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
	(void)!read(loop->wake_fd, &count, sizeof count); /* empty: somebody read it before */
}
