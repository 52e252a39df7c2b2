/*
 * feed - instances from files and folders that are watched.
 *
 * Layer:   daemon
 * Threads: the main thread's; files are read on a thread that it waits for
 * Memory:  feed_new gives, feed_free takes; about a hundred bytes a file
 * Secrets: as config/look.h
 * Limits:  FEED_NAMES_MAX, FEED_QUIET_MS, FEED_BURST_MS, FEED_AGAIN_MS, FEED_LINES
 * Spec:    docs/architecture.md#files-that-are-watched; telltale.yaml(5), section WATCHED FILES
 */
#ifndef TELLTALE_DAEMON_FEED_H
#define TELLTALE_DAEMON_FEED_H

#include "config/files.h"
#include "control/registrar.h"
#include "metadata/registry.h"

#define FEED_NAMES_MAX 4096  /* more names that changed in a folder, and all of it is looked at */
#define FEED_QUIET_MS  100   /* after the last change of many */
#define FEED_BURST_MS  1000  /* after the first, however many there are */
#define FEED_TICK_MS   1000  /* between looks at where the paths lead to */
#define FEED_AGAIN_MS  10000 /* between tries with files that are wrong */
#define FEED_LINES     100   /* about wrong files, of one look */

struct feed;

/* Borrows both. Without inotify all files' stamps are looked at each second. NULL: no memory. */
struct feed *feed_new(struct registrar *registrar, struct registry *registry);
void feed_free(struct feed *feed);

/*
 * Watch the files' roots from now on instead of others; that the instances in them have been applied
 * is the caller's doing. Takes the content of files, and applies what has changed since they were
 * read. Returns 0 or -ENOMEM; then nothing is watched.
 */
MUST_CHECK int feed_follow(struct feed *feed, struct files *files);

/* To wait for, with POLLIN; -1: nothing. */
int feed_fd(const struct feed *feed);

/* How long one may wait at most for feed_turn(). */
int feed_wait_ms(const struct feed *feed, uint64_t now_ms);

/*
 * Take note of what has happened, and apply it when it is time to. Logs what it did. Returns whether
 * it has looked at files.
 */
bool feed_turn(struct feed *feed, uint64_t now_ms);

/* How many instances the files hold. */
size_t feed_instances(const struct feed *feed);

#endif
