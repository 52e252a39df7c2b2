#include "platform/watch.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#define READ_BYTES ((size_t)16 * 1024)
#define READS_MAX  64 /* a call; whoever writes without end must not keep the reader */
#define NAMES      (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define FOLDER     (IN_DELETE_SELF | IN_MOVE_SELF)
#define LOST       (FOLDER | IN_IGNORED | IN_UNMOUNT | IN_Q_OVERFLOW)

int watch_init(struct watch *watch)
{
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return watch->fd < 0 ? -errno : 0;
}

void watch_done(struct watch *watch)
{
	if (watch->fd >= 0) {
		(void)close(watch->fd); /* nothing is written to it */
	}
	*watch = WATCH_EMPTY;
}

int watch_add(struct watch *watch, const char *path)
{
	int folder = inotify_add_watch(watch->fd, path, NAMES | FOLDER | IN_CREATE | IN_ONLYDIR);
	return folder < 0 ? -errno : folder;
}

void watch_remove(struct watch *watch, int folder)
{
	(void)inotify_rm_watch(watch->fd, folder); /* gone when its folder is */
}

static void tell(const struct inotify_event *event, watch_handler *on_event, void *ctx)
{
	/* The kernel fills the name up with NULs. */
	struct str name = event->len ? str_of(event->name) : STR_EMPTY;
	if (event->mask & LOST) {
		on_event(ctx, event->mask & IN_Q_OVERFLOW ? -1 : event->wd, WATCH_LOST, STR_EMPTY);
	} else if (!(event->mask & IN_ISDIR)) {
		on_event(ctx, event->wd, event->mask & IN_CREATE ? WATCH_CREATED : WATCH_CHANGED,
			name);
	}
}

void watch_read(struct watch *watch, watch_handler *on_event, void *ctx)
{
	union {
		struct inotify_event event;
		char bytes[READ_BYTES];
	} room;
	for (int reads = 0; watch->fd >= 0 && reads < READS_MAX; reads++) {
		ssize_t n = read(watch->fd, room.bytes, sizeof room.bytes);
		if (n <= 0) {
			return; /* EAGAIN: that was all; EINTR: the next call has it */
		}
		const struct inotify_event *event;
		for (size_t at = 0; at < (size_t)n; at += sizeof *event + event->len) {
			event = (const void *)(room.bytes + at);
			tell(event, on_event, ctx);
		}
	}
}
