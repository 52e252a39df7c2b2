#include "daemon/space.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/loop.h"
#include "platform/netns.h"
#include "platform/privileges.h"

#define NEWS_TAG 1
#define RETRY_MS 1000

enum step { STEP_NONE, STEP_ENTER, STEP_BEGIN, STEP_STOP, STEP_END };

/* Lifetime: process. */
struct space {
	struct spaces *all;
	struct str netns; /* empty: our own */
	int netns_fd;     /* -1: our own */
	struct follow follow;
	struct neighbour *neighbours; /* one for each worker */
	bool threaded;
	bool started;
	pthread_t thread;
	struct loop loop;
	/* What the main thread wants done, and what has been done; protected by all->lock. */
	enum step wanted;
	enum step done;
	int rc;
	struct diag diag;
};

struct spaces {
	struct space *at;
	unsigned n;
	unsigned workers;
	struct follow_handler handler;
	struct activation *inherited; /* during spaces_start() */
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

/* --- in a space ------------------------------------------------------------------------------ */

/* Sockets that tell of the neighbours here, for workers, which are elsewhere. */
static int enter(struct space *space, struct diag *diag)
{
	int rc = space->netns_fd < 0 ? 0 : netns_enter(space->netns_fd);
	for (unsigned i = 0; rc == 0 && space->netns_fd >= 0 && i < space->all->workers; i++) {
		rc = netlink_open(&space->neighbours[i].netlink);
	}
	if (rc == 0) {
		rc = privileges_narrow(~PRIVILEGES_CAPABILITY(CAP_SYS_ADMIN));
	}
	return rc < 0 ? diag_set(diag, rc, "netns %.*s: %s", STR_FMT(space->netns), result_name(rc))
		      : 0;
}

static int begin(struct space *space, struct diag *diag)
{
	int news = -1;
	struct activation *inherited = space->netns.n ? NULL : space->all->inherited;
	TRY(follow_begin(&space->follow, &space->all->handler, inherited, &news, diag));
	int rc = news < 0 ? 0 : loop_add(&space->loop, news, EPOLLIN, NEWS_TAG);
	return rc < 0 ? diag_set(diag, rc, "can't follow interfaces: %s", result_name(rc)) : 0;
}

static enum step wanted(struct space *space)
{
	pthread_mutex_lock(&space->all->lock);
	enum step step = space->wanted;
	pthread_mutex_unlock(&space->all->lock);
	return step;
}

/* Until something else is wanted. */
static void follow(struct space *space)
{
	struct epoll_event events[LOOP_EVENTS];
	bool again = true; /* some may have gone and come since they were listed */
	while (wanted(space) == STEP_BEGIN) {
		int n = loop_wait(
			&space->loop, events, again ? clock_mono_ms() + RETRY_MS : LOOP_FOREVER);
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == LOOP_WAKE_TAG) {
				loop_woken(&space->loop);
			}
		}
		again = follow_turn(&space->follow);
	}
}

static int take_step(struct space *space, enum step step, struct diag *diag)
{
	switch (step) {
	case STEP_ENTER:
		return enter(space, diag);
	case STEP_BEGIN:
		return begin(space, diag);
	case STEP_END:
		follow_done(&space->follow);
		break;
	case STEP_STOP:
	case STEP_NONE:
		break;
	}
	return 0;
}

static void *run(void *ctx)
{
	struct space *space = ctx;
	struct spaces *all = space->all;
	pthread_mutex_lock(&all->lock);
	while (space->done != STEP_END) {
		if (space->wanted == space->done) {
			pthread_cond_wait(&all->changed, &all->lock);
			continue;
		}
		enum step step = space->wanted;
		struct diag diag = {{0}};
		pthread_mutex_unlock(&all->lock);
		int rc = take_step(space, step, &diag);
		pthread_mutex_lock(&all->lock);
		space->done = step;
		space->rc = rc;
		space->diag = diag;
		pthread_cond_broadcast(&all->changed);
		if (step == STEP_BEGIN && rc == 0) {
			pthread_mutex_unlock(&all->lock);
			follow(space);
			pthread_mutex_lock(&all->lock);
		}
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

/* --- the main thread ------------------------------------------------------------------------- */

/* Have the step taken, here where there is no thread for it, and wait for it. */
static int have_step(struct space *space, enum step step, struct diag *diag)
{
	struct spaces *all = space->all;
	if (!space->threaded) {
		return take_step(space, step, diag);
	}
	if (!space->started) {
		return 0;
	}
	pthread_mutex_lock(&all->lock);
	space->wanted = step;
	pthread_cond_broadcast(&all->changed);
	loop_wake(&space->loop);
	while (space->done != step) {
		pthread_cond_wait(&all->changed, &all->lock);
	}
	int rc = space->rc;
	if (rc < 0) {
		diag_write(diag, "%s", space->diag.text);
	}
	pthread_mutex_unlock(&all->lock);
	return rc;
}

static bool is_known(const struct spaces *spaces, struct str netns)
{
	for (unsigned i = 0; i < spaces->n; i++) {
		if (str_eq(spaces->at[i].netns, netns)) {
			return true;
		}
	}
	return false;
}

static int add(
	struct spaces *spaces, const struct config *config, struct str netns, struct diag *diag)
{
	struct space *space = &spaces->at[spaces->n];
	if (is_known(spaces, netns)) {
		return 0;
	}
	*space = (struct space){.all = spaces, .netns = netns, .netns_fd = -1, .loop = LOOP_EMPTY};
	spaces->n++; /* whatever there is of it is freed with the others */
	space->neighbours = calloc(spaces->workers, sizeof *space->neighbours);
	if (!space->neighbours ||
		follow_init(&space->follow, config, netns, spaces->n - 1, spaces->workers) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	if (netns.n) {
		space->netns_fd = netns_open(netns, diag);
		TRY(space->netns_fd);
	}
	space->threaded = netns.n || follow_is_needed(&space->follow);
	int rc = loop_init(&space->loop);
	return rc < 0 ? diag_set(diag, rc, "can't follow interfaces: %s", result_name(rc)) : 0;
}

int spaces_new(const struct config *config, unsigned workers, struct spaces **ret_spaces,
	struct diag *diag)
{
	struct spaces *spaces = calloc(1, sizeof *spaces);
	if (spaces) {
		spaces->at = calloc(config->n_listen + 1, sizeof *spaces->at);
	}
	if (!spaces || !spaces->at) {
		free(spaces);
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	spaces->workers = workers;
	pthread_mutex_init(&spaces->lock, NULL);
	pthread_cond_init(&spaces->changed, NULL);
	int rc = add(spaces, config, STR_EMPTY, diag);
	for (size_t i = 0; rc == 0 && i < config->n_listen; i++) {
		rc = add(spaces, config, config->listen[i].netns, diag);
	}
	if (rc < 0) {
		spaces_free(spaces);
		return rc;
	}
	*ret_spaces = spaces;
	return 0;
}

int spaces_enter(struct spaces *spaces, struct diag *diag)
{
	for (unsigned i = 0; i < spaces->n; i++) {
		struct space *space = &spaces->at[i];
		if (!space->threaded) {
			continue;
		}
		int rc = -pthread_create(&space->thread, NULL, run, space);
		if (rc < 0) {
			return diag_set(diag, rc, "can't start a thread: %s", result_name(rc));
		}
		space->started = true;
		TRY(have_step(space, STEP_ENTER, diag));
	}
	return 0;
}

struct neighbour *spaces_neighbours(const struct spaces *spaces, unsigned space, unsigned worker)
{
	return &spaces->at[space].neighbours[worker];
}

int spaces_start(struct spaces *spaces, const struct follow_handler *handler,
	struct activation *inherited, struct diag *diag)
{
	int rc = 0;
	spaces->handler = *handler;
	spaces->inherited = inherited;
	for (unsigned i = 0; rc == 0 && i < spaces->n; i++) {
		rc = have_step(&spaces->at[i], STEP_BEGIN, diag);
	}
	spaces->inherited = NULL;
	return rc;
}

void spaces_stop(struct spaces *spaces)
{
	for (unsigned i = 0; spaces && i < spaces->n; i++) {
		(void)!have_step(&spaces->at[i], STEP_STOP, NULL); /* always possible */
	}
}

void spaces_free(struct spaces *spaces)
{
	for (unsigned i = 0; spaces && i < spaces->n; i++) {
		struct space *space = &spaces->at[i];
		(void)!have_step(space, STEP_END, NULL); /* always possible */
		if (space->started) {
			pthread_join(space->thread, NULL);
		}
		follow_done(&space->follow); /* of one that never got there */
		for (unsigned w = 0; space->neighbours && w < spaces->workers; w++) {
			neighbour_done(&space->neighbours[w]);
		}
		free(space->neighbours);
		loop_done(&space->loop);
		if (space->netns_fd >= 0) {
			close(space->netns_fd);
		}
	}
	if (spaces) {
		pthread_mutex_destroy(&spaces->lock);
		pthread_cond_destroy(&spaces->changed);
		free(spaces->at);
		free(spaces);
	}
}
