/*
 * loop - epoll, a wake-up from other threads, and a time until which to wait.
 *
 * Layer:   platform
 * Threads: one thread waits; loop_wake() is safe from any thread and from signal handlers
 * Memory:  the caller's struct; loop_done() closes the descriptors
 * Secrets: none
 * Limits:  LOOP_EVENTS a wait
 * Spec:    epoll(7), level-triggered; eventfd(2); timerfd_create(2)
 */
#ifndef TELLTALE_PLATFORM_LOOP_H
#define TELLTALE_PLATFORM_LOOP_H

#include <sys/epoll.h>

#include "base/result.h"

#include <stdint.h>

#define LOOP_EVENTS 128

/* The tag of wake-up events, by others or by time; others choose theirs, with any other value. */
#define LOOP_WAKE_TAG UINT64_MAX

struct loop {
	int epoll_fd;
	int wake_fd;
	int timer_fd;
	uint64_t timer_ms_; /* when it wakes at the latest; LOOP_FOREVER: it is not set */
};

#define LOOP_EMPTY   ((struct loop){-1, -1, -1, LOOP_FOREVER})
#define LOOP_AT_ONCE UINT64_C(0)
#define LOOP_FOREVER UINT64_MAX

/* Returns 0 or -errno. */
MUST_CHECK int loop_init(struct loop *loop);
void loop_done(struct loop *loop);

/* Watch fd for EPOLLIN, EPOLLOUT or 0; events carry the tag. Returns 0 or -errno. */
MUST_CHECK int loop_add(struct loop *loop, int fd, uint32_t events, uint64_t tag);
MUST_CHECK int loop_change(struct loop *loop, int fd, uint32_t events, uint64_t tag);
void loop_remove(struct loop *loop, int fd);

/*
 * until_ms  by clock_mono_ms(): there may be no event then, or a wake-up, which can also come earlier
 *           when another wait was to be shorter; LOOP_AT_ONCE, LOOP_FOREVER
 * Returns the number of events, 0 also when a signal came.
 */
int loop_wait(struct loop *loop, struct epoll_event events[LOOP_EVENTS], uint64_t until_ms);

void loop_wake(struct loop *loop);

/* Take note of a wake-up event. */
void loop_woken(struct loop *loop);

#endif
