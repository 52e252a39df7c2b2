#include "daemon/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "config/store_url.h"
#include "daemon/banner.h"
#include "daemon/control_plane.h"
#include "daemon/data_plane.h"
#include "daemon/feed.h"
#include "daemon/fleet_link.h"
#include "daemon/keys.h"
#include "daemon/process.h"
#include "daemon/pulse.h"
#include "daemon/sample_key.h"
#include "platform/clock.h"
#include "platform/file.h"
#include "platform/listen.h"
#include "platform/notify.h"
#include "store/fleet_store.h"
#include "version.h"

#define DRAIN_MS      5000
#define DRAIN_LOOK_MS 10
#define TICK_MS       1000
#define CONTROL_ID    1
#define FIRST_DATA_ID (CONTROL_ID + CONTROL_WORKERS)

struct daemon {
	const struct config_flags *flags;
	struct config *first; /* what listeners and stores were made from; as long as the process */
	struct config *config;       /* in force; the same as first until a reload */
	pthread_mutex_t config_lock; /* protects config, which the control thread reads */
	struct site site;
	struct store *store;
	struct keys keys;
	struct keys_use keys_use;
	struct registry *registry;
	struct registrar *registrar;
	struct fleet_link *link; /* NULL: there is no other host */
	_Atomic bool news; /* the fleet's secrets may have changed, or there is a database again */
	bool files_wait;   /* those of the configuration in force, for the fleet's database */
	struct credential sample_key; /* of the sample instance alone: made at each start */
	struct conn_table table;
	struct control_plane *control;
	struct spaces *spaces;
	struct data_plane *data;
	struct feed *feed;
	_Atomic bool ready;
	int64_t started_s;
	int signal_fd;
	struct notify notify; /* the service manager, and what it has left us */
	struct activation inherited;
};

/* --- what the control plane asks ------------------------------------------------------------- */

static void on_metrics(void *ctx, struct metrics *ret_metrics)
{
	struct daemon *daemon = ctx;
	*ret_metrics = (struct metrics){
		.registry = daemon->registry,
		.started_s = daemon->started_s,
		.version = TELLTALE_VERSION,
	};
	pthread_mutex_lock(&daemon->config_lock);
	ret_metrics->per_instance = daemon->config->metrics_per_instance;
	pthread_mutex_unlock(&daemon->config_lock);
	/* The data plane starts last; until then it has no numbers. */
	if (atomic_load_explicit(&daemon->ready, memory_order_acquire)) {
		ret_metrics->workers = data_plane_workers(daemon->data, &ret_metrics->n_workers);
		ret_metrics->connections = data_plane_connections(daemon->data);
	}
}

static bool on_ready(void *ctx)
{
	struct daemon *daemon = ctx;
	return atomic_load_explicit(&daemon->ready, memory_order_acquire);
}

static json_t *on_settings(void *ctx)
{
	struct daemon *daemon = ctx;
	pthread_mutex_lock(&daemon->config_lock);
	json_t *settings = config_to_json(daemon->first, daemon->config);
	pthread_mutex_unlock(&daemon->config_lock);
	return settings;
}

/* Under the lock, so that a reload does not take a key away while it is looked at. */
static int on_authorize(void *ctx, const struct http1_req *req, struct str service,
	struct str action, struct access_who *ret_who)
{
	struct daemon *daemon = ctx;
	struct access access = {.scope = {.region = daemon->site.region, .service = service}};
	access.more = daemon->sample_key.n_allow ? &daemon->sample_key : NULL;
	pthread_mutex_lock(&daemon->config_lock);
	access.list = daemon->config->control.credentials;
	access.n = daemon->config->control.n_credentials;
	int rc = access_check(&access, req, action, clock_wall_s(), ret_who);
	pthread_mutex_unlock(&daemon->config_lock);
	return rc;
}

/* --- configuration ---------------------------------------------------------------------------- */

struct reading {
	const struct config_flags *flags;
	struct config *config;
	struct diag *diag;
	int rc;
};

static void *read_on_thread(void *ctx)
{
	struct reading *reading = ctx;
	reading->rc = config_new(reading->flags, &reading->config, reading->diag);
	return NULL;
}

/*
 * Where nothing is said, a machine without IPv6 is served on IPv4: leave out of the default listeners
 * those whose address it lacks.
 */
static void drop_lacking(struct config *config)
{
	size_t kept = 0;
	for (size_t i = 0; config->listen_default && i < config->n_listen; i++) {
		const struct config_listen *one = &config->listen[i];
		if (ipaddr_is_v4(&one->address) || listen_has_address(&one->address)) {
			config->listen[kept++] = *one;
		} else {
			LOG(LOG_WARN, "daemon", "no IPv6 here, not listening on it",
				LOG_INT("port", one->port));
		}
	}
	config->n_listen = config->listen_default ? kept : config->n_listen;
}

/*
 * On a thread of its own, whose allocations come from a heap of their own. The specifications of very
 * many instances take hundreds of megabytes for a moment; if the snapshots were made in the holes
 * between them, none of that could be given back.
 */
static int read_config(
	const struct config_flags *flags, struct config **ret_config, struct diag *diag)
{
	struct reading reading = {.flags = flags, .diag = diag};
	pthread_t thread;
	int rc = -pthread_create(&thread, NULL, read_on_thread, &reading);
	if (rc < 0) {
		return diag_set(diag, rc, "can't start a thread: %s", result_name(rc));
	}
	pthread_join(thread, NULL);
	if (reading.rc == 0) {
		drop_lacking(reading.config);
	}
	*ret_config = reading.config;
	return reading.rc;
}

/* --- starting -------------------------------------------------------------------------------- */

static void set_log_level(const struct config *config)
{
	enum log_level level;
	if (log_level_parse(config->log_level, &level) == 0) {
		log_set_level(level);
	}
}

static int apply_files(struct daemon *daemon, struct config *config, struct diag *diag)
{
	size_t changed = 0;
	const struct deed deed = {.at_ms = clock_wall_ms(),
		.who = STR("files"),
		.from = config->file ? str_of(config->file) : STR("flags"),
		.action = STR("telltale:ApplyFiles")};
	TRY(registrar_apply_files(daemon->registrar, &deed, config->instances, &changed, diag));
	daemon->files_wait = false;
	/* From now on the registry has them; a hundred thousand of them twice would be a pity. */
	config_forget_instances(config);
	(void)malloc_trim(0); /* whatever it could give back */
	if (feed_follow(daemon->feed, &config->files) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	LOG(LOG_INFO, "daemon", "instances", LOG_INT("changed", changed),
		LOG_INT("total", registry_count(daemon->registry)));
	return 0;
}

/* What is wrong with a fleet's database, or who writes to it, may be well again soon. */
static bool may_pass(int rc)
{
	return rc == E_AWAY || rc == E_BUSY || rc == E_STALE || rc == E_READONLY || rc == E_DAMAGED;
}

/* What files wish for is in the database, too, if it was once: guests are served by the copy. */
static int apply_first_files(struct daemon *daemon, struct diag *diag)
{
	int rc = apply_files(daemon, daemon->config, diag);
	if (daemon->link && may_pass(rc)) {
		LOG(LOG_WARN, "daemon", "files are applied when the fleet's database takes them",
			LOG_TEXT("error", diag->text),
			LOG_INT("total", registry_count(daemon->registry)));
		daemon->files_wait = true;
		return 0;
	}
	return rc;
}

/* --- in a fleet ------------------------------------------------------------------------------ */

static int open_store(struct daemon *daemon, struct diag *diag)
{
	const struct config *config = daemon->config;
	CLEANUP(buf_done) struct buf url = BUF_EMPTY;
	struct store *copy;
	if (!store_url_is_fleet(config->store)) {
		return store_open(config->store, &daemon->store, diag);
	}
	if (config->local_copy.n == 0 || config->host.n == 0) {
		return diag_set(diag, E_NOTFOUND, "store: a fleet's host needs %s: set it",
			config->host.n ? "localCopy, as HOME is not set" : "host");
	}
	buf_add(&url, STR("sqlite://"));
	buf_add(&url, config->local_copy);
	TRY(buf_status(&url));
	TRY(store_open(buf_str(&url), &copy, diag));
	daemon->store = fleet_store_new(copy);
	if (!daemon->store) {
		store_free(copy);
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	return 0;
}

static void on_news(void *ctx)
{
	struct daemon *daemon = ctx;
	atomic_store_explicit(&daemon->news, true, memory_order_release);
}

static int join(struct daemon *daemon, struct diag *diag)
{
	const struct config *config = daemon->first;
	const struct fleet_link_config link = {.registrar = daemon->registrar,
		.url = config->store,
		.replica = config->replica,
		.host = config->host,
		.on_news = on_news,
		.ctx = daemon};
	daemon->link = fleet_link_new(&link);
	if (!daemon->link ||
		registrar_join(daemon->registrar, config->host, TELLTALE_VERSION) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	return 0;
}

/* One that has a copy may start all the same. */
static int connect_fleet(struct daemon *daemon, struct diag *diag)
{
	int rc = fleet_link_connect(daemon->link, diag);
	if (may_pass(rc) && registrar_has_copy(daemon->registrar)) {
		LOG(LOG_WARN, "daemon",
			"starting from the local copy, without the fleet's database",
			LOG_TEXT("error", diag->text),
			LOG_INT("instances", registry_count(daemon->registry)));
		return 0;
	}
	return rc;
}

/* The copy gets the keys that have just been made. */
static int copy_keys(struct daemon *daemon, struct diag *diag)
{
	if (!daemon->link || !registrar_is_attached(daemon->registrar)) {
		return 0;
	}
	int rc = registrar_catch_up(daemon->registrar, true, diag);
	return may_pass(rc) ? 0 : rc;
}

/* Which of the token secrets are in use changes with time, too. */
static void use_keys(struct daemon *daemon)
{
	struct keys_use use;
	keys_in_use(&daemon->keys, clock_wall_s(), &use);
	/* Without memory it is tried again. */
	if (!keys_use_same(&use, &daemon->keys_use) &&
		data_plane_rekey(daemon->data, use.secrets, use.n) == 0) {
		daemon->keys_use = use;
	}
}

/* The store has one caller at a time: whoever has the registrar's lock. */
static void reload_keys(void *ctx)
{
	struct daemon *daemon = ctx;
	struct diag diag = {{0}};
	int rc = keys_reload(&daemon->keys, daemon->store, &diag);
	/* Away again: there will be news when it is back. */
	if (rc < 0 && rc != E_AWAY) {
		LOG(LOG_ERROR, "daemon", "the token secrets can't be read again",
			LOG_TEXT("error", diag.text));
	}
}

static void take_news(struct daemon *daemon)
{
	struct diag diag = {{0}};
	if (!atomic_exchange_explicit(&daemon->news, false, memory_order_acq_rel)) {
		return;
	}
	registrar_run(daemon->registrar, reload_keys, daemon);
	int rc = daemon->files_wait ? apply_files(daemon, daemon->config, &diag) : 0;
	/* There will be news again, if only by the next look whether there are any. */
	if (rc < 0 && rc != E_AWAY) {
		LOG(LOG_ERROR, "daemon", "the files can't be applied",
			LOG_TEXT("error", diag.text));
	}
}

/* Store, keys, instances: all that is needed before somebody may ask. */
static int load(struct daemon *daemon, unsigned workers, struct diag *diag)
{
	const struct config *config = daemon->config;
	daemon->site = (struct site){config->region, config->account_id};
	TRY(open_store(daemon, diag));
	daemon->registry = registry_new(workers);
	daemon->registrar = daemon->registry ? registrar_new(daemon->registry, daemon->store,
						       &daemon->site, clock_wall_s)
					     : NULL;
	if (!daemon->registrar) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	daemon->feed = feed_new(daemon->registrar, daemon->registry);
	if (!daemon->feed) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	bool fleet = store_url_is_fleet(config->store);
	TRY(fleet ? join(daemon, diag) : 0);
	TRY(registrar_load(daemon->registrar, diag));
	TRY(fleet ? connect_fleet(daemon, diag) : 0);
	TRY(keys_load(&daemon->keys, daemon->store, daemon->started_s, diag));
	TRY(copy_keys(daemon, diag));
	return apply_first_files(daemon, diag);
}

/* Who started the sample sees the key in the terminal, and nobody else has it. */
static int make_sample_key(struct daemon *daemon, struct diag *diag)
{
	if (!daemon->first->sample) {
		return 0;
	}
	int rc = sample_key_make(&daemon->sample_key);
	return rc < 0 ? diag_set(diag, rc, "can't make a key: %s", result_name(rc)) : 0;
}

static int start_control(struct daemon *daemon, struct diag *diag)
{
	struct control_plane_config config = {
		.settings = daemon->first,
		.table = &daemon->table,
		.first_id = CONTROL_ID,
		.inherited = &daemon->inherited,
		.api = {.registrar = daemon->registrar,
			.site = &daemon->site,
			.now_ms = clock_wall_ms,
			.authorize = on_authorize,
			.certificate = {(const char *)daemon->keys.certificate.p,
				daemon->keys.certificate.n},
			.settings = on_settings,
			.secrets_changed = on_news,
			.ctx = daemon},
		.metrics = on_metrics,
		.ready = on_ready,
		.ctx = daemon,
	};
	return control_plane_new(&config, &daemon->control, diag);
}

/* What others can read is no secret; it is in use all the same. */
static void warn_of_open_file(struct str path, const char *msg)
{
	if (path.n && file_is_open_to_others(path.p)) {
		LOG(LOG_WARN, "daemon", msg, LOG_TEXT("path", path.p));
	}
}

static void warn_of_open_keys(const struct config *config)
{
	const struct config_control *control = &config->control;
	warn_of_open_file(control->key_file, "others may read the private key");
	for (size_t i = 0; i < control->n_credentials; i++) {
		warn_of_open_file(
			control->credentials[i].secret_file, "others may read the secret key");
	}
}

static int make_data(struct daemon *daemon, unsigned workers, struct diag *diag)
{
	keys_in_use(&daemon->keys, clock_wall_s(), &daemon->keys_use);
	struct data_plane_config config = {
		.settings = daemon->first,
		.spaces = daemon->spaces,
		.workers = workers,
		.registry = daemon->registry,
		.table = &daemon->table,
		.first_id = FIRST_DATA_ID,
		.token_secrets = daemon->keys_use.secrets,
		.n_token_secrets = daemon->keys_use.n,
		.signing_key = daemon->keys.signer,
	};
	TRY(data_plane_new(&config, &daemon->data, diag));
	const struct follow_handler listeners = data_plane_listeners(daemon->data);
	return spaces_start(daemon->spaces, &listeners, &daemon->inherited, diag);
}

static unsigned worker_count(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = config->workers ? config->workers : cores > 0 ? (unsigned)cores : 1;
	return n < REGISTRY_WORKERS_MAX ? n : REGISTRY_WORKERS_MAX;
}

static int block_signals(struct daemon *daemon, struct diag *diag)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* Before any thread is started, so that all of them inherit it. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* Both exist, so neither call can fail. A limit on file size is an error of the store, no end. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	daemon->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return daemon->signal_fd < 0
		       ? diag_set(diag, -errno, "can't watch signals: %s", result_name(-errno))
		       : 0;
}

/* What nobody listens on is the manager's alone again; what is in use has descriptors of its own. */
static void close_inherited(struct daemon *daemon)
{
	unsigned left = activation_left(&daemon->inherited);
	if (left) {
		LOG(LOG_WARN, "daemon", "inherited sockets that no setting names are not served",
			LOG_INT("sockets", left));
	}
	activation_done(&daemon->inherited);
}

static void say_ready(const struct daemon *daemon)
{
	size_t n = registry_count(daemon->registry);
	notify_ready(&daemon->notify, "Serving %zu instance%s", n, n == 1 ? "" : "s");
}

static int start(struct daemon *daemon, struct diag *diag)
{
	unsigned workers = worker_count(daemon->config);
	size_t files;
	TRY(block_signals(daemon, diag));
	TRY(spaces_new(daemon->first, workers, &daemon->spaces, diag));
	TRY(process_prepare(daemon->config, &files, diag));
	TRY(spaces_enter(daemon->spaces, diag));
	TRY(process_settle(diag));
	if (conn_table_init(&daemon->table, files) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	TRY(load(daemon, workers, diag));
	TRY(make_sample_key(daemon, diag));
	TRY(start_control(daemon, diag));
	warn_of_open_keys(daemon->first);
	config_forget_tls(daemon->first);
	TRY(make_data(daemon, workers, diag));
	close_inherited(daemon);
	/* Before the first guest is answered: who sees that can rely on everything else. */
	atomic_store_explicit(&daemon->ready, true, memory_order_release);
	TRY(data_plane_start(daemon->data, diag));
	int rc = daemon->link ? fleet_link_start(daemon->link) : 0;
	TRY(rc < 0 ? diag_set(diag, rc, "can't start a thread: %s", result_name(rc)) : 0);
	LOG(LOG_INFO, "daemon", "ready", LOG_TEXT("version", TELLTALE_VERSION),
		LOG_INT("workers", workers),
		LOG_INT("instances", registry_count(daemon->registry)));
	say_ready(daemon);
	return 0;
}

/* --- running --------------------------------------------------------------------------------- */

static void swap_config(struct daemon *daemon, struct config *next)
{
	pthread_mutex_lock(&daemon->config_lock);
	struct config *old = daemon->config;
	daemon->config = next;
	pthread_mutex_unlock(&daemon->config_lock);
	if (old != daemon->first) {
		config_free(old);
	}
}

/* A bad file leaves everything as it is. */
static void reload(struct daemon *daemon)
{
	struct diag diag = {{0}};
	struct config *next = NULL;
	notify_reloading(&daemon->notify, "Reading the configuration");
	int rc = read_config(daemon->flags, &next, &diag);
	if (rc == 0) {
		/* Whatever address the file has now, what is listened on is the first one. */
		rc = config_may_listen(next, &daemon->first->control.address, &diag);
	}
	if (rc == 0) {
		rc = apply_files(daemon, next, &diag);
	}
	if (rc < 0) {
		LOG(LOG_ERROR, "daemon", "reload failed, nothing is changed",
			LOG_TEXT("error", diag.text));
		notify_ready(&daemon->notify, "Serving as before, reload failed: %s", diag.text);
		config_free(next);
		return;
	}
	if (config_restart_needed(daemon->first, next, &diag)) {
		LOG(LOG_WARN, "daemon", "some settings change only with a restart",
			LOG_TEXT("settings", diag.text));
	}
	set_log_level(next);
	data_plane_limit(daemon->data, &next->limits);
	control_plane_secure(daemon->control, next->control.tls);
	warn_of_open_keys(next);
	config_forget_tls(next);
	swap_config(daemon, next);
	LOG(LOG_INFO, "daemon", "reloaded", LOG_INT("instances", registry_count(daemon->registry)));
	say_ready(daemon);
}

/* Handle what has come; returns false when it is time to end. */
static bool take_signals(struct daemon *daemon)
{
	struct signalfd_siginfo info;
	bool go_on = true;
	while (read(daemon->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGHUP) {
			reload(daemon);
		} else {
			LOG(LOG_INFO, "daemon", "stopping",
				LOG_TEXT("signal", strsignal((int)info.ssi_signo)));
			go_on = false;
		}
	}
	return go_on;
}

/* Files that changed have been looked at: what is shown of the configuration follows. */
static void note_instances(struct daemon *daemon)
{
	pthread_mutex_lock(&daemon->config_lock);
	daemon->config->n_instances = feed_instances(daemon->feed);
	pthread_mutex_unlock(&daemon->config_lock);
}

static void serve(struct daemon *daemon)
{
	struct pollfd wait[] = {{.fd = daemon->signal_fd, .events = POLLIN},
		{.fd = feed_fd(daemon->feed), .events = POLLIN}};
	struct pulse pulse;
	pulse_init(&pulse, &daemon->notify, daemon->data);
	for (uint64_t tick_ms = 0;;) {
		uint64_t now_ms = clock_mono_ms();
		if (now_ms >= tick_ms) {
			(void)registrar_refresh_roles(
				daemon->registrar); /* it logs what went wrong */
			registrar_tick(daemon->registrar);
			take_news(daemon);
			use_keys(daemon);
			tick_ms = now_ms + TICK_MS;
		}
		int left_ms = (int)(tick_ms - now_ms), feed_ms = feed_wait_ms(daemon->feed, now_ms);
		int most_ms = left_ms < feed_ms ? left_ms : feed_ms;
		int n = poll(wait, 2, pulse_wait_ms(&pulse, most_ms));
		if (n > 0 && wait[0].revents && !take_signals(daemon)) {
			return;
		}
		/* A reload may have given it its first file. */
		wait[1].fd = feed_fd(daemon->feed);
		if (feed_turn(daemon->feed, clock_mono_ms())) {
			note_instances(daemon);
		}
		pulse_turn(&pulse);
	}
}

/* Requests that are under way get their answers, for a while. */
static void drain(struct daemon *daemon)
{
	atomic_store_explicit(&daemon->ready, false, memory_order_release);
	notify_stopping(&daemon->notify, "Answering what has been asked");
	spaces_stop(daemon->spaces);
	data_plane_drain(daemon->data);
	uint64_t until_ms = clock_mono_ms() + DRAIN_MS;
	while (!data_plane_drained(daemon->data) && clock_mono_ms() < until_ms) {
		(void)poll(NULL, 0, DRAIN_LOOK_MS); /* a pause */
	}
}

static void stop(struct daemon *daemon)
{
	control_plane_free(daemon->control);
	spaces_stop(daemon->spaces);
	data_plane_free(daemon->data);
	registrar_end(daemon->registrar); /* nobody counts any more */
	fleet_link_free(daemon->link);    /* what the fleet hears of us last is that we end */
	spaces_free(daemon->spaces);      /* addresses go last: replies leave by them */
	feed_free(daemon->feed);
	registrar_free(daemon->registrar);
	registry_free(daemon->registry);
	keys_done(&daemon->keys);
	sample_key_done(&daemon->sample_key);
	store_free(daemon->store);
	conn_table_done(&daemon->table);
	activation_done(&daemon->inherited);
	notify_done(&daemon->notify);
	if (daemon->signal_fd >= 0) {
		close(daemon->signal_fd);
	}
	if (daemon->config != daemon->first) {
		config_free(daemon->config);
	}
	config_free(daemon->first);
	pthread_mutex_destroy(&daemon->config_lock);
}

static void greet(struct daemon *daemon)
{
	struct diag diag = {{0}};
	json_t *view = NULL;
	enum banner_sample sample = BANNER_OPTIONAL;
	if (registrar_show(daemon->registrar, STR(CONFIG_SAMPLE_NAME), &view, &diag) ==
		E_NOTFOUND) {
		sample = BANNER_GONE;
	}
	const char *tokens = json_string_value(
		json_object_get(json_object_get(view, "metadataOptions"), "httpTokens"));
	if (tokens && strcmp(tokens, "required") == 0) {
		sample = BANNER_REQUIRED;
	}
	json_decref(view);
	banner_print(daemon->first, &daemon->sample_key, sample);
}

/* What the service manager says and gives; before any thread, as the environment is everybody's. */
static int take_over(struct daemon *daemon, struct diag *diag)
{
	TRY(notify_init(&daemon->notify, diag));
	return activation_init(&daemon->inherited, diag);
}

int daemon_run(const struct config_flags *flags)
{
	struct diag diag = {{0}};
	struct daemon daemon = {.flags = flags, .signal_fd = -1, .started_s = clock_wall_s()};
	pthread_mutex_init(&daemon.config_lock, NULL);
	int rc = take_over(&daemon, &diag);
	if (rc == 0) {
		rc = read_config(flags, &daemon.first, &diag);
	}
	if (rc == 0) {
		daemon.config = daemon.first;
		set_log_level(daemon.config);
		rc = start(&daemon, &diag);
	}
	if (rc < 0) {
		(void)fprintf(stderr, "telltale: %s\n",
			diag.text[0] ? diag.text : result_name(rc)); /* nowhere else to say it */
	} else {
		greet(&daemon);
		serve(&daemon);
		drain(&daemon);
	}
	stop(&daemon);
	return rc < 0 ? 1 : 0;
}
