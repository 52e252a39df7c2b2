#include "daemon/data_plane.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/refusals.h"
#include "daemon/signer.h"
#include "platform/clock.h"
#include "platform/sandbox.h"
#include "version.h"

#define NS_PER_S        INT64_C(1000000000)
#define HEAD_BYTES      8192
#define TARGET_BYTES    2048
#define PARK_TIMEOUT_MS 5000

/* A place, and how many workers have it. Lifetime: process; used again once none has. */
struct slot {
	struct place place;
	bool taken; /* protected by places_lock */
	_Atomic unsigned workers;
};

/* One worker thread with all that is its own. Lifetime: process. */
struct data_worker {
	struct data_plane *plane;
	struct http_worker *http;
	pthread_t thread;
	bool started;
	_Atomic bool ended;
	int64_t now_ns; /* wall clock, looked at once a turn: that costs more than a look-up */
	struct identity identity;
	struct service_dates dates;
	struct refusals refusals;
	char name[16];
	_Atomic(struct token_keys *) next_keys; /* to be taken at the next turn */
	struct service_worker service;
};

struct data_plane {
	struct service service;
	struct registry *registry;
	struct signer *signer;
	struct spaces *spaces;
	struct slot *slots; /* the workers' listeners have their numbers */
	unsigned n_slots;
	unsigned next_slot; /* where to look first for one that is free */
	pthread_mutex_t places_lock;
	struct data_worker **workers;
	struct service_worker **service_workers;
	unsigned n_workers;
	_Atomic uint32_t connections_per_instance;
	struct log_limit mismatch_log;
};

/* --- who calls ------------------------------------------------------------------------------- */

static struct entry *identify(struct data_worker *worker, const struct http_peer *peer)
{
	const struct data_plane *plane = worker->plane;
	const struct place *place = &plane->slots[peer->listener].place;
	struct neighbour *neighbours =
		spaces_neighbours(plane->spaces, place->space, worker->service.index);
	return identity_find(&worker->identity, neighbours, place, &peer->addr);
}

/* Unknown callers together count as one. */
static struct entry *holder(const struct data_plane *plane, const struct http_peer *peer)
{
	return peer->cookie ? peer->cookie : plane->service.nobody;
}

/* Whether there is room for one more connection, which is counted then. */
static bool has_room(const struct data_worker *worker, struct entry *entry, uint32_t cap)
{
	if (service_is_throttled(&worker->service, entry, worker->now_ns)) {
		return false;
	}
	if (atomic_fetch_add_explicit(&entry->holds, 1, memory_order_relaxed) < cap) {
		return true;
	}
	atomic_fetch_sub_explicit(&entry->holds, 1, memory_order_release);
	return false;
}

/*
 * All guests of a bridge wait in one queue of the kernel's, so one that floods must cost less than it takes to flood:
 * after as many refusals as it may have connections it is mostly not worth asking who it is, nor a reply.
 */
static unsigned on_admit(void *ctx, struct http_peer *peer)
{
	struct data_worker *worker = ctx;
	struct data_plane *plane = worker->plane;
	uint32_t cap = atomic_load_explicit(&plane->connections_per_instance, memory_order_relaxed);
	struct refusal *refusal = refusals_slot(&worker->refusals, peer->listener, &peer->addr);
	if (refusals_may_cut_off(refusal, cap) &&
		refusals_cut_off(refusal, peer->listener, &peer->addr, clock_mono_ms())) {
		service_count_throttled(&worker->service, NULL);
		return HTTP_CUT_OFF;
	}
	peer->generation = registry_generation(plane->registry);
	peer->cookie = identify(worker, peer);
	if (has_room(worker, holder(plane, peer), cap)) {
		return 0;
	}
	refusals_add(refusal, peer->listener, &peer->addr, clock_mono_ms());
	return 503;
}

static void on_leave(void *ctx, struct http_peer *peer)
{
	struct data_worker *worker = ctx;
	struct entry *entry = holder(worker->plane, peer);
	if (!peer->asked) {
		service_charge(&worker->service, entry, worker->now_ns);
	}
	/* The last touch: whoever frees the entry sees everything that was done before. */
	atomic_fetch_sub_explicit(&entry->holds, 1, memory_order_release);
}

/*
 * Addresses may have moved since the connection was admitted. A caller that was nobody and is an
 * instance now becomes it; one that was an instance and is not any more, or is another, is cut off.
 * Returns whether it may stay.
 */
static bool identify_again(struct data_worker *worker, struct http_peer *peer)
{
	struct data_plane *plane = worker->plane;
	uint32_t generation = registry_generation(plane->registry);
	if (peer->generation == generation) {
		return true;
	}
	struct entry *now = identify(worker, peer);
	if (peer->cookie && now != peer->cookie) {
		return false;
	}
	if (now != peer->cookie) {
		atomic_fetch_sub_explicit(&holder(plane, peer)->holds, 1, memory_order_release);
		peer->cookie = now;
		atomic_fetch_add_explicit(&now->holds, 1, memory_order_relaxed);
	}
	peer->generation = generation;
	return true;
}

/* --- requests -------------------------------------------------------------------------------- */

/* The same field twice is fine when both say the same. */
static bool take_once(struct str *slot, bool *has, struct str value)
{
	if (*has && !str_eq(*slot, value)) {
		return false;
	}
	*slot = value;
	*has = true;
	return true;
}

/* The fields that matter, told apart by length first. Returns false for a contradiction. */
static bool read_fields(const struct http1_req *req, struct service_request *request)
{
	for (unsigned i = 0; i < req->n_fields; i++) {
		const struct http1_field *field = &req->fields[i];
		switch (field->name.n) {
		case 15:
			request->forwarded |= str_eq_nocase(field->name, STR("X-Forwarded-For"));
			break;
		case 24:
			if (str_eq_nocase(field->name, STR("X-aws-ec2-metadata-token")) &&
				!take_once(&request->token, &request->has_token, field->value)) {
				return false;
			}
			break;
		case 36:
			if (str_eq_nocase(
				    field->name, STR("X-aws-ec2-metadata-token-ttl-seconds")) &&
				!take_once(&request->ttl, &request->has_ttl, field->value)) {
				return false;
			}
			break;
		default:
			break;
		}
	}
	return true;
}

static enum service_method method_of(enum http1_method method)
{
	switch (method) {
	case HTTP1_GET:
		return SERVICE_GET;
	case HTTP1_HEAD:
		return SERVICE_HEAD;
	case HTTP1_PUT:
		return SERVICE_PUT;
	case HTTP1_OPTIONS:
		return SERVICE_OPTIONS;
	case HTTP1_POST:
	case HTTP1_DELETE:
	case HTTP1_OTHER:
		break;
	}
	return SERVICE_OTHER;
}

static void refuse(struct data_worker *worker, const struct http_peer *peer, unsigned status,
	bool head, struct http_resp *resp)
{
	struct service_reply reply = {.status = (uint16_t)status,
		.body = status == 400 ? SERVICE_PAGE : SERVICE_EMPTY,
		.head = head};
	service_count(&worker->service, peer->cookie, status);
	/* By a 503 somebody is over a bound already, or it is we that had no answer. */
	if (status != 503) {
		service_charge(&worker->service, holder(worker->plane, peer), worker->now_ns);
	}
	resp->close = true;
	service_render(&reply, &worker->dates, worker->now_ns / NS_PER_S, true, resp->out);
}

static void on_refuse(void *ctx, struct http_peer *peer, unsigned status, struct http_resp *resp)
{
	peer->asked = true;
	refuse(ctx, peer, status, false, resp); /* what can't be read may well not be a HEAD */
}

static void on_answer(
	void *ctx, struct http_peer *peer, const struct http1_req *req, struct http_resp *resp)
{
	struct data_worker *worker = ctx;
	struct service_request request = {.method = method_of(req->method),
		.target = req->target,
		.ipv6 = peer->ipv6,
		.now_ns = worker->now_ns};
	struct service_reply reply;
	struct entry *entry;
	peer->asked = true;
	if (!read_fields(req, &request)) {
		refuse(worker, peer, 400, req->method == HTTP1_HEAD, resp);
		return;
	}
	if (!identify_again(worker, peer)) {
		entry = NULL;
		resp->close = true;
	} else {
		entry = peer->cookie;
	}
	if (service_answer(&worker->plane->service, &worker->service, entry, &request, &reply) ==
		E_AGAIN) {
		resp->later = true;
		return;
	}
	resp->hop_limit = reply.hop_limit;
	resp->pause = reply.throttled;
	service_render(&reply, &worker->dates, request.now_ns / NS_PER_S, resp->close, resp->out);
}

static void keys_free(struct token_keys *keys)
{
	if (keys) {
		token_keys_done(keys);
		free(keys);
	}
}

static void take_keys(struct data_worker *worker)
{
	struct token_keys *next =
		atomic_exchange_explicit(&worker->next_keys, NULL, memory_order_acquire);
	if (!next) {
		return;
	}
	token_keys_done(&worker->service.keys);
	worker->service.keys = *next;
	free(next);
}

static void on_turn(void *ctx)
{
	struct data_worker *worker = ctx;
	if (atomic_load_explicit(&worker->next_keys, memory_order_relaxed)) {
		take_keys(worker);
	}
	registry_turn(worker->plane->registry, worker->service.index);
	worker->now_ns = clock_wall_ns();
}

static void on_idle(void *ctx)
{
	struct data_worker *worker = ctx;
	registry_idle(worker->plane->registry, worker->service.index);
}

/* --- listeners ------------------------------------------------------------------------------- */

/* Returns a number that no worker has, or E_LIMIT. */
static int take_slot(struct data_plane *plane, const struct place *place)
{
	int number = E_LIMIT;
	pthread_mutex_lock(&plane->places_lock);
	for (unsigned i = 0; number < 0 && i < plane->n_slots; i++) {
		unsigned at = (plane->next_slot + i) % plane->n_slots;
		struct slot *slot = &plane->slots[at];
		/* What a worker did at the place before is over when its number is seen. */
		if (slot->taken || atomic_load_explicit(&slot->workers, memory_order_acquire)) {
			continue;
		}
		slot->place = *place;
		slot->taken = true;
		atomic_store_explicit(&slot->workers, plane->n_workers, memory_order_relaxed);
		plane->next_slot = at + 1;
		number = (int)at;
	}
	pthread_mutex_unlock(&plane->places_lock);
	return number;
}

static int on_open(void *ctx, const struct place *place, const int *fds)
{
	struct data_plane *plane = ctx;
	int number = take_slot(plane, place);
	for (unsigned i = 0; i < plane->n_workers; i++) {
		if (number < 0) {
			close(fds[i]);
		} else {
			http_worker_listen(plane->workers[i]->http, (size_t)number, fds[i]);
		}
	}
	return number;
}

static void on_close(void *ctx, unsigned number)
{
	struct data_plane *plane = ctx;
	for (unsigned i = 0; i < plane->n_workers; i++) {
		http_worker_unlisten(plane->workers[i]->http, number);
	}
	pthread_mutex_lock(&plane->places_lock);
	plane->slots[number].taken = false;
	pthread_mutex_unlock(&plane->places_lock);
}

struct follow_handler data_plane_listeners(struct data_plane *plane)
{
	return (struct follow_handler){plane, on_open, on_close};
}

static void on_closed(void *ctx, size_t number)
{
	struct data_worker *worker = ctx;
	struct slot *slot = &worker->plane->slots[number];
	atomic_fetch_sub_explicit(&slot->workers, 1, memory_order_release);
}

/* --- the signer ------------------------------------------------------------------------------ */

static void on_want_signature(void *ctx, struct entry *entry, struct str document)
{
	struct data_plane *plane = ctx;
	signer_want(plane->signer, entry, document);
}

static void on_signed(void *ctx)
{
	struct data_plane *plane = ctx;
	for (unsigned i = 0; i < plane->n_workers; i++) {
		http_worker_wake(plane->workers[i]->http);
	}
}

/* --- life ------------------------------------------------------------------------------------ */

static struct http_limits http_limits_of(const struct config_limits *limits)
{
	return (struct http_limits){
		.parse = {.head_bytes = HEAD_BYTES,
			.target_bytes = TARGET_BYTES,
			.fields = HTTP1_FIELDS_MAX,
			.body_bytes = 0},
		.header_timeout_ms = limits->header_timeout_s * 1000,
		.idle_timeout_ms = limits->idle_timeout_s * 1000,
		.request_timeout_ms = limits->request_timeout_s * 1000,
		.park_timeout_ms = PARK_TIMEOUT_MS,
	};
}

static struct service_throttle throttle_of(const struct config_limits *limits)
{
	return (struct service_throttle){.per_second = limits->requests_per_second,
		.burst = limits->burst ? limits->burst : limits->requests_per_second * 2};
}

/* Strangers' bytes are read from here on. Where that can't be had the worker works all the same. */
static void confine(const struct data_worker *worker)
{
	int rc = TELLTALE_SANDBOX ? sandbox_enter() : E_NOTFOUND;
	if (rc < 0 && rc != E_NOTFOUND) {
		LOG(LOG_WARN, "data", "no filter of system calls", LOG_TEXT("worker", worker->name),
			LOG_TEXT("error", result_name(rc)));
		return;
	}
	LOG(LOG_DEBUG, "data", rc == 0 ? "confined" : "not confined, made with sanitizers",
		LOG_TEXT("worker", worker->name));
}

static void *run(void *ctx)
{
	struct data_worker *worker = ctx;
	(void)pthread_setname_np(pthread_self(), worker->name); /* for who looks with ps or top */
	confine(worker);
	http_worker_run(worker->http);
	atomic_store_explicit(&worker->ended, true, memory_order_release);
	return NULL;
}

static void worker_stop(struct data_worker *worker)
{
	if (worker && worker->started) {
		http_worker_stop(worker->http);
		pthread_join(worker->thread, NULL);
		worker->started = false;
	}
}

static void worker_free(struct data_worker *worker)
{
	if (!worker) {
		return;
	}
	http_worker_free(worker->http);
	token_keys_done(&worker->service.keys);
	keys_free(worker->next_keys);
	crypto_wipe(&worker->service, sizeof worker->service);
	free(worker);
}

static int worker_new(struct data_plane *plane, const struct data_plane_config *config,
	unsigned index, struct data_worker **ret_worker)
{
	struct data_worker *worker = calloc(1, sizeof *worker);
	if (!worker) {
		return -ENOMEM;
	}
	worker->plane = plane;
	worker->service.index = index;
	service_limit(&worker->service, throttle_of(&config->settings->limits));
	worker->identity = (struct identity){.registry = plane->registry,
		.mismatches = &worker->service.mismatches,
		.log = &plane->mismatch_log};
	(void)snprintf(worker->name, sizeof worker->name, "data-%u", index); /* fits */
	struct http_worker_config http = {
		.name = worker->name,
		.id = (uint16_t)(config->first_id + index),
		.table = config->table,
		.limits = http_limits_of(&config->settings->limits),
		.handler = {.ctx = worker,
			.admit = on_admit,
			.leave = on_leave,
			.answer = on_answer,
			.refuse = on_refuse,
			.turn = on_turn,
			.idle = on_idle,
			.closed = on_closed},
		.listeners_max = plane->n_slots,
	};
	int rc = token_keys_init(
		&worker->service.keys, config->token_secrets, config->n_token_secrets);
	if (rc == 0) {
		rc = http_worker_new(&http, &worker->http);
	}
	if (rc < 0) {
		worker_free(worker);
		return rc;
	}
	*ret_worker = worker;
	return 0;
}

/* As many as there are entries, unless they come and go. */
static unsigned slots_for(const struct config *settings)
{
	for (size_t i = 0; i < settings->n_listen; i++) {
		if (settings->listen[i].interface.n) {
			return DATA_PLANE_PLACES;
		}
	}
	return (unsigned)settings->n_listen;
}

static int make_workers(struct data_plane *plane, const struct data_plane_config *config)
{
	for (unsigned i = 0; i < config->workers; i++) {
		TRY(worker_new(plane, config, i, &plane->workers[i]));
		plane->service_workers[i] = &plane->workers[i]->service;
		plane->n_workers++;
	}
	return 0;
}

static int fill(struct data_plane *plane, const struct data_plane_config *config)
{
	unsigned n = config->workers;
	plane->registry = config->registry;
	plane->spaces = config->spaces;
	plane->n_slots = slots_for(config->settings);
	plane->slots = calloc(plane->n_slots + 1, sizeof *plane->slots);
	plane->workers = calloc(n, sizeof(struct data_worker *));
	plane->service_workers = calloc(n, sizeof(struct service_worker *));
	plane->service = (struct service){.registry = config->registry,
		.nobody = calloc(1, sizeof(struct entry) + n * sizeof(struct stats *)),
		.want_signature = on_want_signature,
		.ctx = plane};
	if (!plane->slots || !plane->workers || !plane->service_workers || !plane->service.nobody) {
		return -ENOMEM;
	}
	TRY(signer_new(config->registry, config->signing_key, on_signed, plane, &plane->signer));
	return make_workers(plane, config);
}

int data_plane_start(struct data_plane *plane, struct diag *diag)
{
	for (unsigned i = 0; i < plane->n_workers; i++) {
		struct data_worker *worker = plane->workers[i];
		int rc = -pthread_create(&worker->thread, NULL, run, worker);
		if (rc < 0) {
			return diag_set(diag, rc, "can't start a thread: %s", result_name(rc));
		}
		worker->started = true;
	}
	return 0;
}

int data_plane_new(
	const struct data_plane_config *config, struct data_plane **ret_plane, struct diag *diag)
{
	struct data_plane *plane = calloc(1, sizeof *plane);
	if (!plane) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	atomic_store_explicit(&plane->connections_per_instance,
		config->settings->limits.connections_per_instance, memory_order_relaxed);
	pthread_mutex_init(&plane->places_lock, NULL);
	int rc = fill(plane, config);
	if (rc < 0) {
		data_plane_free(plane);
		return diag_set(diag, rc, "can't start: %s", result_name(rc));
	}
	*ret_plane = plane;
	return 0;
}

void data_plane_free(struct data_plane *plane)
{
	if (!plane) {
		return;
	}
	/* Workers ask the signer, and the signer wakes workers: threads first, then memory. */
	for (unsigned i = 0; i < plane->n_workers; i++) {
		worker_stop(plane->workers[i]);
	}
	signer_free(plane->signer);
	for (unsigned i = 0; i < plane->n_workers; i++) {
		worker_free(plane->workers[i]);
	}
	free(plane->service.nobody);
	free(plane->slots);
	pthread_mutex_destroy(&plane->places_lock);
	free(plane->workers);
	free(plane->service_workers);
	free(plane);
}

unsigned data_plane_pulse(struct data_plane *plane)
{
	unsigned stuck = 0;
	for (unsigned i = 0; i < plane->n_workers; i++) {
		stuck += !http_worker_pulse(plane->workers[i]->http);
	}
	return stuck;
}

void data_plane_limit(struct data_plane *plane, const struct config_limits *limits)
{
	struct http_limits http = http_limits_of(limits);
	atomic_store_explicit(&plane->connections_per_instance, limits->connections_per_instance,
		memory_order_relaxed);
	for (unsigned i = 0; i < plane->n_workers; i++) {
		service_limit(&plane->workers[i]->service, throttle_of(limits));
		http_worker_limit(plane->workers[i]->http, &http);
	}
}

static int keys_new(const struct secret *secrets, size_t n, struct token_keys **ret_keys)
{
	struct token_keys *keys = calloc(1, sizeof *keys);
	int rc = keys ? token_keys_init(keys, secrets, n) : -ENOMEM;
	if (rc < 0) {
		free(keys);
		return rc;
	}
	*ret_keys = keys;
	return 0;
}

int data_plane_rekey(struct data_plane *plane, const struct secret *secrets, size_t n)
{
	struct token_keys **next = calloc(plane->n_workers, sizeof(struct token_keys *));
	int rc = next ? 0 : -ENOMEM;
	for (unsigned i = 0; rc == 0 && i < plane->n_workers; i++) {
		rc = keys_new(secrets, n, &next[i]);
	}
	/* All or none: a token of one worker's must be good at the others. */
	for (unsigned i = 0; next && i < plane->n_workers; i++) {
		struct data_worker *worker = plane->workers[i];
		if (rc == 0) {
			next[i] = atomic_exchange_explicit(
				&worker->next_keys, next[i], memory_order_acq_rel);
			http_worker_wake(worker->http);
		}
		keys_free(next[i]); /* what was not taken */
	}
	free(next);
	return rc;
}

void data_plane_drain(struct data_plane *plane)
{
	for (unsigned i = 0; i < plane->n_workers; i++) {
		http_worker_drain(plane->workers[i]->http);
	}
}

bool data_plane_drained(const struct data_plane *plane)
{
	for (unsigned i = 0; i < plane->n_workers; i++) {
		if (!atomic_load_explicit(&plane->workers[i]->ended, memory_order_acquire)) {
			return false;
		}
	}
	return true;
}

struct service_worker *const *data_plane_workers(const struct data_plane *plane, size_t *ret_n)
{
	*ret_n = plane->n_workers;
	return plane->service_workers;
}

uint64_t data_plane_connections(const struct data_plane *plane)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < plane->n_workers; i++) {
		n += http_worker_connections(plane->workers[i]->http);
	}
	return n;
}
