/*
 * watch - hear of files that appear in folders, are written, renamed or removed.
 *
 * Layer:   platform
 * Threads: a struct watch belongs to one thread
 * Memory:  the caller's struct; watch_done() closes its descriptor
 * Secrets: none
 * Limits:  the kernel's: fs.inotify.max_user_watches folders, max_queued_events between two reads
 * Spec:    inotify(7)
 *
 * What is told is a hint to look: names come more than once, and may be gone when they are looked at.
 */
#ifndef TELLTALE_PLATFORM_WATCH_H
#define TELLTALE_PLATFORM_WATCH_H

#include "base/str.h"

struct watch {
	int fd; /* readable when there is something to tell; -1: none */
};

#define WATCH_EMPTY ((struct watch){-1})

enum watch_event {
	WATCH_CHANGED, /* written and closed, renamed to or from this name, removed */
	WATCH_CREATED, /* nothing need be in it yet: a link is complete now, a file when it is closed */
	WATCH_LOST, /* anything may have changed: the queue was too short, or the folder went */
};

/*
 * folder  as watch_add() gave it; -1 with WATCH_LOST: all of them
 * name    inside the folder; empty with WATCH_LOST
 */
typedef void watch_handler(void *ctx, int folder, enum watch_event event, struct str name);

/* Returns 0 or -errno. */
MUST_CHECK int watch_init(struct watch *watch);
void watch_done(struct watch *watch);

/*
 * Watch the folder that the path leads to now; what it leads to later is another one. Returns its
 * number, which is the same for one that is watched already, or -errno.
 */
MUST_CHECK int watch_add(struct watch *watch, const char *path);

/* Numbers are not used again. One that is not watched any more is no fault. */
void watch_remove(struct watch *watch, int folder);

/* Tell what has happened; never waits. What is left keeps the descriptor readable. */
void watch_read(struct watch *watch, watch_handler *on_event, void *ctx);

#endif
