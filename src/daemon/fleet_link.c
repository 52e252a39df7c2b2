#include "daemon/fleet_link.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "platform/clock.h"
#include "store/postgres.h"
#include "store/postgres_listen.h"

#define SOON_MS     1   /* while workers still have to take what was published … */
#define SOON_MAX_MS 50  /* … and when one of them takes long */
#define LOOK_MS     250 /* whether a control call was not answered: there may be a database again */

struct fleet_link {
	struct fleet_link_config config;
	struct postgres_listen *listener; /* NULL: there is no connection */
	pthread_t thread;
	bool started;
	_Atomic bool stop;
	int wake_fd;
	uint64_t check_ms; /* when to ask in any case, or to connect */
	uint64_t wait_ms;  /* after the next failure */
	uint64_t soon_ms;  /* how soon to acknowledge; 0: nothing waits */
	/* Apart, so that beside that it has gone it is told why it does not come back. */
	struct log_limit gone_limit, fail_limit;
	struct log_limit reader_limit;
};

/* Up to a fifth more or less, so that a fleet does not do it all at one moment. */
static uint64_t about(uint64_t ms)
{
	uint32_t dice = 0;
	(void)!crypto_random(&dice, sizeof dice); /* without it: all the same, a fifth less */
	return ms - ms / 5 + (uint64_t)dice % (2 * (ms / 5) + 1);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void say_away(struct log_limit *limit, const char *msg, const struct diag *diag)
{
	uint32_t held;
	if (log_limit_pass(limit, clock_wall_s(), &held)) {
		LOG(LOG_WARN, "daemon", msg, LOG_TEXT("error", diag->text), LOG_INT("more", held));
	}
}

/* --- connecting ------------------------------------------------------------------------------ */

static int attach(struct fleet_link *link, struct diag *diag)
{
	struct postgres_listen *listener = NULL;
	struct store *database;
	TRY(store_open(link->config.url, &database, diag));
	/* From now on it is told what changes; what it is until then is read after that. */
	int rc = postgres_listen_new(link->config.url, link->config.host, &listener, diag);
	if (rc < 0) {
		store_free(database);
		return rc;
	}
	rc = registrar_attach(link->config.registrar, database, diag);
	if (rc < 0) {
		postgres_listen_free(listener);
		return rc;
	}
	link->listener = listener;
	return 0;
}

/* A replica is a help, and no more: without one the database is asked. */
static void attach_reader(struct fleet_link *link)
{
	struct diag diag = {{0}};
	struct store *reader;
	if (link->config.replica.n == 0 || registrar_has_reader(link->config.registrar)) {
		return;
	}
	if (postgres_open_reader(link->config.replica, &reader, &diag) == 0) {
		registrar_attach_reader(link->config.registrar, reader);
		return;
	}
	say_away(&link->reader_limit, "the replica can't be used, the database is read instead",
		&diag);
}

int fleet_link_connect(struct fleet_link *link, struct diag *diag)
{
	int rc = attach(link, diag);
	uint64_t now_ms = clock_mono_ms();
	if (rc == 0) {
		link->wait_ms = FLEET_LINK_WAIT_MS;
		link->check_ms = now_ms + about(FLEET_LINK_CHECK_MS);
		link->soon_ms = SOON_MS;
		attach_reader(link);
		return 0;
	}
	link->check_ms = now_ms + about(link->wait_ms);
	link->wait_ms = sooner(2 * link->wait_ms, FLEET_LINK_WAIT_MAX_MS);
	return rc;
}

static void reconnect(struct fleet_link *link)
{
	struct diag diag = {{0}};
	if (fleet_link_connect(link, &diag) < 0) {
		say_away(&link->fail_limit,
			"the fleet's database can't be used, guests are served as before", &diag);
		return;
	}
	LOG(LOG_INFO, "daemon", "the fleet's database is there again",
		LOG_STR("host", link->config.host));
	link->config.on_news(link->config.ctx);
}

static void lose(struct fleet_link *link, const struct diag *diag)
{
	say_away(&link->gone_limit, "the fleet's database has gone, guests are served as before",
		diag);
	registrar_detach(link->config.registrar);
	postgres_listen_free(link->listener);
	link->listener = NULL;
	/* A moment, and not the same for all: there may be another one at once, by a failover. */
	link->check_ms = clock_mono_ms() + about(link->wait_ms);
}

/* --- while there is a connection ------------------------------------------------------------- */

static int catch_up(struct fleet_link *link, bool secrets_too, struct diag *diag)
{
	int rc = registrar_catch_up(link->config.registrar, secrets_too, diag);
	link->soon_ms = SOON_MS;
	if (rc == 0 && secrets_too) {
		link->config.on_news(link->config.ctx);
	}
	return rc;
}

/* What has been told of, or whatever it is when it is time to ask. */
static int listen_turn(struct fleet_link *link, bool readable, struct diag *diag)
{
	unsigned told = 0;
	uint64_t now_ms = clock_mono_ms();
	bool due = now_ms >= link->check_ms;
	if (due) {
		TRY(postgres_listen_ping(link->listener, diag));
		link->check_ms = now_ms + about(FLEET_LINK_CHECK_MS);
		attach_reader(link);
	}
	if (readable || due) {
		TRY(postgres_listen_read(link->listener, &told, diag));
	}
	if (!told && !due) {
		return 0;
	}
	int rc = catch_up(link, due || (told & POSTGRES_TOLD_SECRETS), diag);
	if (rc < 0 && rc != E_AWAY) {
		say_away(&link->fail_limit, "what has changed in the fleet can't be taken over yet",
			diag);
		link->check_ms = sooner(link->check_ms, now_ms + about(link->wait_ms));
		return 0;
	}
	return rc;
}

/* The connection that listens may be cut while the store's is well: then it alone is made anew. */
static int listen_again(struct fleet_link *link, struct diag *diag)
{
	postgres_listen_free(link->listener);
	link->listener = NULL;
	TRY(postgres_listen_new(link->config.url, link->config.host, &link->listener, diag));
	return catch_up(link, true, diag);
}

static void acknowledge(struct fleet_link *link)
{
	bool waits = registrar_acknowledge(link->config.registrar);
	uint64_t next_ms = link->soon_ms ? sooner(2 * link->soon_ms, SOON_MAX_MS) : SOON_MS;
	link->soon_ms = waits ? next_ms : 0;
}

static void turn(struct fleet_link *link)
{
	struct diag diag = {{0}};
	uint64_t now_ms = clock_mono_ms(), left_ms = 0;
	if (link->check_ms > now_ms) {
		left_ms = link->check_ms - now_ms;
	}
	if (link->listener) {
		left_ms = sooner(left_ms, link->soon_ms ? link->soon_ms : LOOK_MS);
	}
	struct pollfd wait[] = {{.fd = link->wake_fd, .events = POLLIN},
		{.fd = link->listener ? postgres_listen_fd(link->listener) : -1, .events = POLLIN}};
	(void)poll(wait, 2, (int)left_ms); /* whatever it says, it is looked at */
	if (atomic_load_explicit(&link->stop, memory_order_acquire)) {
		return;
	}
	if (!link->listener) {
		if (clock_mono_ms() >= link->check_ms) {
			reconnect(link);
		}
		return;
	}
	int rc = listen_turn(link, wait[1].revents != 0, &diag);
	if (rc == E_AWAY && registrar_is_attached(link->config.registrar)) {
		rc = listen_again(link, &diag);
	}
	if (rc == 0) {
		acknowledge(link);
	}
	if (rc == 0 && !registrar_is_attached(link->config.registrar)) {
		rc = diag_set(&diag, E_AWAY, "a call was not answered");
	}
	if (rc < 0) {
		lose(link, &diag);
	}
}

/* --- life ------------------------------------------------------------------------------------ */

static void *run(void *ctx)
{
	struct fleet_link *link = ctx;
	while (!atomic_load_explicit(&link->stop, memory_order_acquire)) {
		turn(link);
	}
	return NULL;
}

struct fleet_link *fleet_link_new(const struct fleet_link_config *config)
{
	struct fleet_link *link = calloc(1, sizeof *link);
	if (!link) {
		return NULL;
	}
	*link = (struct fleet_link){.config = *config, .wait_ms = FLEET_LINK_WAIT_MS};
	link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (link->wake_fd < 0) {
		free(link);
		return NULL;
	}
	return link;
}

int fleet_link_start(struct fleet_link *link)
{
	int rc = -pthread_create(&link->thread, NULL, run, link);
	link->started = rc == 0;
	return rc;
}

void fleet_link_free(struct fleet_link *link)
{
	if (!link) {
		return;
	}
	if (link->started) {
		const uint64_t one = 1;
		atomic_store_explicit(&link->stop, true, memory_order_release);
		(void)!write(link->wake_fd, &one, sizeof one); /* 64 bits are never full */
		pthread_join(link->thread, NULL);
		if (link->listener) {
			registrar_sign_off(link->config.registrar);
		}
	}
	postgres_listen_free(link->listener);
	close(link->wake_fd);
	free(link);
}
