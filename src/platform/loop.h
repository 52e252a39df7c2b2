/*
 * loop - epoll and a wake-up from other threads.
 *
 * Layer:   platform
 * Threads: one thread waits; loop_wake() is safe from any thread and from signal handlers
 * Memory:  the caller's struct; loop_done() closes the descriptors
 * Secrets: none
 * Limits:  LOOP_EVENTS a wait
 * Spec:    epoll(7), level-triggered; eventfd(2)
 */
#ifndef TELLTALE_PLATFORM_LOOP_H
#define TELLTALE_PLATFORM_LOOP_H

#include <sys/epoll.h>

#include "base/result.h"

#include <stdint.h>

#define LOOP_EVENTS 128

/* The tag of wake-up events; others choose theirs, with any other value. */
#define LOOP_WAKE_TAG UINT64_MAX

struct loop {
	int epoll_fd;
	int wake_fd;
};

#define LOOP_EMPTY ((struct loop){-1, -1})

/* Returns 0 or -errno. */
MUST_CHECK int loop_init(struct loop *loop);
void loop_done(struct loop *loop);

/* Watch fd for EPOLLIN, EPOLLOUT or 0; events carry the tag. Returns 0 or -errno. */
MUST_CHECK int loop_add(struct loop *loop, int fd, uint32_t events, uint64_t tag);
MUST_CHECK int loop_change(struct loop *loop, int fd, uint32_t events, uint64_t tag);
void loop_remove(struct loop *loop, int fd);

/* timeout_ms -1: for ever. Returns the number of events, 0 also when a signal came. */
int loop_wait(struct loop *loop, struct epoll_event events[LOOP_EVENTS], int timeout_ms);

void loop_wake(struct loop *loop);

/* Take note of a wake-up event. */
void loop_woken(struct loop *loop);

#endif
